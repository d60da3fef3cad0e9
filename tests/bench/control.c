// SPDX-License-Identifier: GPL-2.0
/*
 * Configuration changes, timed from the request's sendmsg() to the kernel's
 * answer, without what userspace does in between.
 *
 *   control replace SERVICES	makes the kernel's services exactly these, of 10
 *				endpoints each; 0 deletes all
 *   control change SERVICES N	N times gives one endpoint another weight, and N
 *				times takes one away and puts it back; and N times
 *				asks for nothing, for comparison; each also in
 *				batches, of which a system call sends many
 *				requests and another receives their answers: what
 *				a request costs by itself
 *
 * Prints a line of JSON; all times are in seconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "lib/apply.h"
#include "lib/nl.h"
#include "lib/nl_msg.h"

#define ENDPOINTS	10
#define BATCH		64	/* requests */
#define ANSWER		256	/* bytes; a refusal may be cut */

static double in_kernel;
static struct {
	int fd;
	uint16_t family;
	double sending;		/* when it returns, the answer is in the socket */
} last;				/* sendmsg() */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* The linker sends the library's calls here. */
ssize_t __real_mnl_socket_sendto(const struct mnl_socket *nl, const void *buf, size_t len);
ssize_t __real_mnl_socket_recvfrom(const struct mnl_socket *nl, void *buf, size_t len);

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *nl, const void *buf, size_t len)
{
	double start = now();
	ssize_t n = __real_mnl_socket_sendto(nl, buf, len);

	last.fd = mnl_socket_get_fd(nl);
	last.family = ((const struct nlmsghdr *)buf)->nlmsg_type;
	last.sending = now() - start;
	in_kernel += last.sending;
	return n;
}

ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *nl, void *buf, size_t len)
{
	double start = now();
	ssize_t n = __real_mnl_socket_recvfrom(nl, buf, len);

	in_kernel += now() - start;
	return n;
}

static void fail(const char *what, const struct err *e)
{
	fprintf(stderr, "control: %s: %s\n", what, e->text);
	exit(1);
}

static struct addr ipv4(uint32_t base, uint32_t i)
{
	struct addr a = { .family = AF_INET };

	a.v4.s_addr = htonl(base + i);
	return a;
}

/* Service i at 10.96.0.1 + i, its endpoints from 10.128.0.1 + 10 i on. */
static void fill(struct model *m, uint32_t services)
{
	for (uint32_t i = 0; i < services; i++) {
		struct frontend f = { .addr = ipv4(0x0a600001, i), .port = 80,
				      .protocol = IPPROTO_UDP };
		struct service *s;
		char name[64];

		snprintf(name, sizeof(name), "namespace-%u/service-%u:http", i / 100, i);
		s = model_add_service(m, name);
		service_add_frontend(s, &f);
		for (uint32_t k = 0; k < ENDPOINTS; k++) {
			struct endpoint ep = { .addr = ipv4(0x0a800001, i * ENDPOINTS + k),
					       .port = 8080, .weight = 1,
					       .flags = ENDPOINT_BOTH };

			service_add_endpoint(s, &ep);
		}
	}
	model_sort(m);
}

static void replace(struct nl *nl, const struct model *m)
{
	struct nl_commit commit;
	double start = now();
	struct err e;

	if (apply_replace(nl, m, &commit, &e))
		fail("replace", &e);
	printf("{\"seconds\": %.6f, \"kernel\": %.6f, \"changes\": %u}\n", now() - start,
	       in_kernel, commit.changes);
}

static double one(struct nl *nl, enum op_type type, enum ksvc_mode mode, const struct service *s,
		  struct endpoint *ep)
{
	struct op op = { .type = type, .mode = mode, .service = s, .before = s, .endpoints = ep,
			 .n_endpoints = 1 };
	struct err e;

	in_kernel = 0;
	if (apply_op(nl, &op, &e))
		fail(s->name, &e);
	return in_kernel;
}

static int cmp(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void print(const char *what, double *took, size_t n)
{
	qsort(took, n, sizeof(*took), cmp);
	printf("\"%s\": {\"p50\": %.9f, \"p99\": %.9f, \"max\": %.9f}", what, took[n / 2],
	       took[n * 99 / 100], took[n - 1]);
}

static double nothing(const struct mnl_socket *sock)
{
	char buf[MNL_SOCKET_BUFFER_SIZE];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = NLMSG_NOOP;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	in_kernel = 0;
	if (mnl_socket_sendto(sock, nlh, nlh->nlmsg_len) < 0 ||
	    mnl_socket_recvfrom(sock, buf, sizeof(buf)) < 0) {
		perror("netlink");
		exit(1);
	}
	return in_kernel;
}

/* Each request of the batch gets an answer of its own; returns the time for one of them. */
static double exchange(int fd, const struct batch *b)
{
	static char answers[BATCH][ANSWER];
	struct mmsghdr headers[BATCH] = {};
	struct iovec parts[BATCH];
	int length = b->used, n = 0, got = 0, answered = 0;
	double start, took;

	for (struct nlmsghdr *nlh = (void *)b->data; mnl_nlmsg_ok(nlh, length);
	     nlh = mnl_nlmsg_next(nlh, &length)) {
		nlh->nlmsg_flags |= NLM_F_ACK;
		parts[n] = (struct iovec){ answers[n], ANSWER };
		headers[n].msg_hdr = (struct msghdr){ .msg_iov = &parts[n], .msg_iovlen = 1 };
		n++;
	}
	start = now();
	if (send(fd, b->data, b->used, 0) == (ssize_t)b->used)
		got = recvmmsg(fd, headers, n, MSG_DONTWAIT, NULL);
	took = now() - start;
	for (int i = 0; i < got; i++) {
		const struct nlmsghdr *nlh = (void *)answers[i];
		const struct nlmsgerr *answer = mnl_nlmsg_get_payload(nlh);

		answered += nlh->nlmsg_type == NLMSG_ERROR && !answer->error;
	}
	if (answered != n) {
		fprintf(stderr, "control: %d of %d requests of a batch were done\n", answered, n);
		exit(1);
	}
	return took / n;
}

/* No endpoint twice, so that each request changes something. */
static void weights(struct batch *b, const struct model *m, size_t first, uint32_t weight)
{
	size_t endpoints = m->n_services * ENDPOINTS;

	b->used = 0;
	for (size_t i = first; i < first + (endpoints < BATCH ? endpoints : BATCH); i++) {
		const struct service *s = &m->services[i * 7919 % m->n_services];
		struct endpoint ep = s->endpoints[i / m->n_services % s->n_endpoints];
		struct op op = { .type = OP_ENDPOINT_PUT, .mode = KSVC_MODE_REPLACE, .service = s,
				 .before = s, .endpoints = &ep, .n_endpoints = 1 };
		uint32_t next = 0;

		ep.weight = weight;
		batch_add_op(b, &op, &next);
	}
}

static void batches(const struct model *m, int fd, uint16_t family, size_t n)
{
	double *changes = xcalloc(n, sizeof(double)), *noops = xcalloc(n, sizeof(double));
	struct batch b = { .data = xcalloc(1, BATCH_SIZE), .family = family };

	for (size_t i = 0; i < n; i++) {
		/* There and back. */
		weights(&b, m, i / 2 * BATCH, 2 - i % 2);
		changes[i] = exchange(fd, &b);
		b.used = 0;
		for (size_t k = 0; k < BATCH; k++) {
			struct nlmsghdr *nlh = mnl_nlmsg_put_header(b.data + b.used);

			nlh->nlmsg_type = NLMSG_NOOP;
			nlh->nlmsg_flags = NLM_F_REQUEST;
			b.used += MNL_ALIGN(nlh->nlmsg_len);
		}
		noops[i] = exchange(fd, &b);
	}
	print("in a batch", changes, n);
	printf(", ");
	print("nothing in a batch", noops, n);
	free(changes);
	free(noops);
	free(b.data);
}

static void change(struct nl *nl, const struct model *m, size_t n)
{
	struct mnl_socket *sock = mnl_socket_open(NETLINK_GENERIC);
	double *weight = xcalloc(n, sizeof(double)), *leave = xcalloc(n, sizeof(double));
	double *join = xcalloc(n, sizeof(double)), *idle = xcalloc(n, sizeof(double));
	double *done = xcalloc(n, sizeof(double));
	uint16_t family = 0;
	int fd = -1;

	if (!sock || mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		perror("netlink");
		exit(1);
	}
	for (size_t i = 0; i < n; i++) {
		/* A large prime: all over the services. */
		const struct service *s = &m->services[i * 7919 % m->n_services];
		struct endpoint ep = s->endpoints[i % s->n_endpoints];

		ep.weight = 2;
		weight[i] = one(nl, OP_ENDPOINT_PUT, KSVC_MODE_REPLACE, s, &ep);
		done[i] = last.sending;
		leave[i] = one(nl, OP_ENDPOINT_DEL, 0, s, &ep);
		ep.weight = 1;
		join[i] = one(nl, OP_ENDPOINT_PUT, KSVC_MODE_CREATE, s, &ep);
		fd = last.fd;
		family = last.family;
		idle[i] = nothing(sock);
	}
	printf("{");
	print("weight", weight, n);
	printf(", ");
	print("weight, sendmsg() alone", done, n);
	printf(", ");
	print("leave", leave, n);
	printf(", ");
	print("join", join, n);
	printf(", ");
	print("nothing", idle, n);
	printf(", ");
	batches(m, fd, family, n);
	printf("}\n");
	mnl_socket_close(sock);
	free(weight);
	free(done);
	free(leave);
	free(join);
	free(idle);
}

static unsigned long number(const char *s)
{
	char *end;
	unsigned long n = strtoul(s, &end, 10);

	if (*end || end == s) {
		fprintf(stderr, "control: \"%s\" is no number\n", s);
		exit(2);
	}
	return n;
}

int main(int argc, char **argv)
{
	bool replaces = argc == 3 && !strcmp(argv[1], "replace");
	struct model m = {};
	struct nl *nl;
	struct err e;

	if (!replaces && (argc != 4 || strcmp(argv[1], "change"))) {
		fprintf(stderr, "usage: control replace SERVICES | change SERVICES N\n");
		return 2;
	}
	fill(&m, number(argv[2]));
	if (nl_open(&nl, &e))
		fail("the module", &e);
	in_kernel = 0;
	if (replaces)
		replace(nl, &m);
	else
		change(nl, &m, number(argv[3]));
	nl_close(nl);
	model_free(&m);
	return 0;
}

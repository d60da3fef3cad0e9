// SPDX-License-Identifier: GPL-2.0
/*
 * Talks to serve.py, directly or through a VIP, in many connections at once.
 *
 * usage: client [OPTION]... ADDR:PORT/PROTO...
 *   -n N         connections to each target (1)
 *   -s ADDR,...  source addresses, in turn
 *   -p PORT      source ports, ascending from this one over all connections
 *   -b BYTES     send so much as well, and check what is echoed
 *   -t SECONDS   wait at most so long for a connection (5)
 *   -u           UDP sockets are not connected: the answer's source is checked here
 *   -h           hold the connections: for every line on standard input use each
 *                of them once more, and print how many answered as before; ends
 *                with the input
 *
 * Prints a line for each connection: "TARGET ENDPOINT SOURCE", the endpoint's
 * and the client's address as the server sees them, and with -b "intact" or
 * "damaged"; or "TARGET ERROR", where ERROR is timeout, eof or the name of an
 * errno. In C as tests run it hundreds of times, on processors on which an
 * interpreter takes half a second to start.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WINDOW		128
#define CHUNK		(1 << 16)
#define MAX_SOURCES	256

/* Beside errno's: an answer's end, and no answer. */
#define END		-1
#define LATE		-2

static struct {
	unsigned long count;
	char *sources[MAX_SOURCES];
	size_t n_sources, next_source;
	unsigned int port;
	size_t bytes;
	double timeout;
	bool unconnected, hold;
} options = { .count = 1, .timeout = 5 };

union name {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct flow {
	const char *target;
	union name to;
	socklen_t to_len;
	bool udp;
	int sock;
	double deadline;
	char *answer;			/* the line that it was greeted with */
};

static struct flow *waiting[WINDOW];
static size_t n_waiting;
static struct flow **held;
static size_t n_held;
static uint8_t noise[CHUNK];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void *need(void *memory)
{
	if (!memory)
		err(2, "memory");
	return memory;
}

/* An address without port; returns its length as a socket's name. */
static socklen_t parse_addr(const char *text, union name *name)
{
	memset(name, 0, sizeof(*name));
	if (inet_pton(AF_INET, text, &name->v4.sin_addr) == 1) {
		name->v4.sin_family = AF_INET;
		return sizeof(name->v4);
	}
	if (inet_pton(AF_INET6, text, &name->v6.sin6_addr) == 1) {
		name->v6.sin6_family = AF_INET6;
		return sizeof(name->v6);
	}
	errx(2, "%s: not an address", text);
}

static void set_port(union name *name, unsigned int port)
{
	if (name->any.sa_family == AF_INET)
		name->v4.sin_port = htons(port);
	else
		name->v6.sin6_port = htons(port);
}

static bool same_name(const union name *a, const union name *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET)
		return a->v4.sin_port == b->v4.sin_port &&
		       a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return a->v6.sin6_port == b->v6.sin6_port &&
	       !memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr));
}

/* ADDR:PORT/PROTO, an IPv6 address in brackets. Returns the protocol's number. */
static int parse_target(const char *target, struct flow *flow)
{
	char addr[128], proto[8];
	unsigned int port;

	flow->target = target;
	if (sscanf(target, "[%127[^]]]:%u/%7s", addr, &port, proto) != 3 &&
	    sscanf(target, "%127[^:]:%u/%7s", addr, &port, proto) != 3)
		errx(2, "%s: not ADDR:PORT/PROTO", target);
	flow->to_len = parse_addr(addr, &flow->to);
	set_port(&flow->to, port);
	flow->udp = !strcmp(proto, "udp");
	if (flow->udp)
		return IPPROTO_UDP;
	if (!strcmp(proto, "tcp"))
		return IPPROTO_TCP;
	if (!strcmp(proto, "sctp"))
		return IPPROTO_SCTP;
	errx(2, "%s: no such protocol", target);
}

static void bind_source(const struct flow *flow, unsigned int port)
{
	const char *source = NULL;
	union name from;
	socklen_t len;

	if (options.n_sources)
		source = options.sources[options.next_source++ % options.n_sources];
	if (!source && !port)
		return;
	if (!source)
		source = flow->to.any.sa_family == AF_INET ? "0.0.0.0" : "::";
	len = parse_addr(source, &from);
	set_port(&from, port);
	if (bind(flow->sock, &from.any, len))
		err(2, "%s from %s port %u", flow->target, source, port);
}

static struct flow *flow_new(const char *target, unsigned int port)
{
	struct flow *flow = need(calloc(1, sizeof(*flow)));
	int protocol = parse_target(target, flow), on = 1;

	flow->sock = socket(flow->to.any.sa_family,
			    (flow->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	if (flow->sock < 0)
		err(2, "%s", target);
	if (!flow->udp)
		setsockopt(flow->sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (flow->to.any.sa_family == AF_INET6)
		setsockopt(flow->sock, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	bind_source(flow, port);
	return flow;
}

/* Returns 0 or an errno. */
static int flow_start(const struct flow *flow)
{
	if (flow->udp && options.unconnected)
		return sendto(flow->sock, noise, options.bytes, 0, &flow->to.any, flow->to_len) < 0 ?
			errno : 0;
	if (connect(flow->sock, &flow->to.any, flow->to_len) && errno != EINPROGRESS)
		return errno;
	if (flow->udp && send(flow->sock, noise, options.bytes, 0) < 0)
		return errno;
	return 0;
}

/* The next answer; a greeting comes in one segment. Returns 0, an errno, or END. */
static int hear(const struct flow *flow, char *data, size_t room, size_t *len)
{
	union name peer = {};
	socklen_t peer_len = sizeof(peer);
	ssize_t n;

	n = recvfrom(flow->sock, data, room, 0, &peer.any, &peer_len);
	if (n < 0)
		return errno;
	if (!flow->udp && !n)
		return END;
	if (flow->udp && !same_name(&peer, &flow->to))
		return EADDRNOTAVAIL;
	*len = n;
	return 0;
}

static void wait_for(const struct flow *flow, short events, double until)
{
	struct pollfd p = { .fd = flow->sock, .events = events };
	double left = until - now();

	poll(&p, 1, left > 0 ? left * 1000 + 1 : 0);
}

/* Streams noise there and back; both directions at once, as neither end keeps all of it. */
static int transfer(const struct flow *flow, bool *intact)
{
	double until = now() + options.timeout;
	size_t sent = 0, echoed = 0;
	uint8_t part[CHUNK];
	ssize_t n;

	*intact = true;
	for (;;) {
		size_t at = sent % CHUNK, left = options.bytes - sent;

		if (left) {
			n = send(flow->sock, noise + at, left < CHUNK - at ? left : CHUNK - at, MSG_NOSIGNAL);
			if (n > 0)
				sent += n;
			else if (errno != EAGAIN)
				return errno;
			if (sent == options.bytes)
				shutdown(flow->sock, SHUT_WR);
		}
		n = recv(flow->sock, part, sizeof(part), 0);
		if (n < 0 && errno != EAGAIN)
			return errno;
		if (!n)
			break;
		for (ssize_t i = 0; i < n; i++)
			*intact &= part[i] == noise[(echoed + i) % CHUNK];
		echoed += n > 0 ? n : 0;
		if (n > 0)
			until = now() + options.timeout;
		else if (now() >= until)
			return LATE;
		else
			wait_for(flow, sent < options.bytes ? POLLIN | POLLOUT : POLLIN, until);
	}
	*intact &= echoed == options.bytes;
	return 0;
}

/* Takes the greeting. text: what there is to say of it. */
static int greet(struct flow *flow, char *text, size_t room)
{
	static char data[CHUNK];
	bool intact = true;
	size_t len;
	char *rest;
	int r = hear(flow, data, flow->udp ? sizeof(data) : 256, &len);

	if (r)
		return r;
	rest = memchr(data, '\n', len);
	if (!rest)
		errx(2, "%s: not greeted with a line", flow->target);
	flow->answer = need(strndup(data, rest++ - data));
	if (options.bytes && flow->udp)
		intact = data + len - rest == (ssize_t)options.bytes && !memcmp(rest, noise, options.bytes);
	else if (options.bytes)
		r = transfer(flow, &intact);
	snprintf(text, room, "%s%s", flow->answer, !options.bytes ? "" : intact ? " intact" : " damaged");
	return r;
}

static const char *name_of(int error)
{
	return error == END ? "eof" : error == LATE ? "timeout" : strerrorname_np(error);
}

/* Ends a flow, or holds it. */
static void result(struct flow *flow, const char *text)
{
	printf("%s %s\n", flow->target, text);
	if (flow->answer && options.hold) {
		held = need(realloc(held, (n_held + 1) * sizeof(*held)));
		held[n_held++] = flow;
		return;
	}
	close(flow->sock);
	free(flow->answer);
	free(flow);
}

static void forget(size_t i)
{
	memmove(&waiting[i], &waiting[i + 1], (--n_waiting - i) * sizeof(*waiting));
}

/* Takes answers until at most so many connections wait for one. */
static void wait_until(size_t most)
{
	struct pollfd polled[WINDOW];
	char text[512];

	while (n_waiting > most) {
		double left = waiting[0]->deadline - now();
		size_t i, n = n_waiting, at = 0;

		for (i = 0; i < n; i++)
			polled[i] = (struct pollfd){ .fd = waiting[i]->sock, .events = POLLIN };
		if (poll(polled, n, left > 0 ? left * 1000 + 1 : 0) <= 0) {
			struct flow *oldest = waiting[0];

			if (now() < oldest->deadline)
				continue;
			forget(0);
			result(oldest, name_of(LATE));
			continue;
		}
		for (i = 0; i < n; i++) {
			struct flow *flow = waiting[at];
			int r = polled[i].revents ? greet(flow, text, sizeof(text)) : EAGAIN;

			if (r == EAGAIN) {
				at++;
				continue;
			}
			forget(at);
			result(flow, r ? name_of(r) : text);
		}
	}
}

static void connect_all(char **targets)
{
	unsigned int port = options.port;

	for (unsigned long i = 0; i < options.count; i++)
		for (char **target = targets; *target; target++) {
			struct flow *flow;
			int r;

			wait_until(WINDOW - 1);
			flow = flow_new(*target, port);
			port += !!port;
			r = flow_start(flow);
			if (r) {
				result(flow, name_of(r));
				continue;
			}
			flow->deadline = now() + options.timeout;
			waiting[n_waiting++] = flow;
		}
	wait_until(0);
}

static bool answers_again(const struct flow *flow)
{
	double until = now() + options.timeout;
	char data[512], wanted[512];
	size_t len;
	int r;

	if (send(flow->sock, "again", 5, MSG_NOSIGNAL) < 0)
		return false;
	while ((r = hear(flow, data, sizeof(data), &len)) == EAGAIN && now() < until)
		wait_for(flow, POLLIN, until);
	snprintf(wanted, sizeof(wanted), "%s%sagain", flow->udp ? flow->answer : "", flow->udp ? "\n" : "");
	return !r && len == strlen(wanted) && !memcmp(data, wanted, len);
}

/* How many held connections still answer, and from the same endpoint. */
static size_t use_again(void)
{
	size_t alive = 0;

	for (size_t i = 0; i < n_held; i++)
		alive += answers_again(held[i]);
	return alive;
}

static void parse_sources(char *list)
{
	for (char *source = strtok(list, ","); source; source = strtok(NULL, ",")) {
		if (options.n_sources == MAX_SOURCES)
			errx(2, "more than %d sources", MAX_SOURCES);
		options.sources[options.n_sources++] = source;
	}
}

int main(int argc, char **argv)
{
	char *line = NULL;
	size_t room = 0;
	int c;

	while ((c = getopt(argc, argv, "n:s:p:b:t:uh")) != -1) {
		switch (c) {
		case 'n':
			options.count = strtoul(optarg, NULL, 10);
			break;
		case 's':
			parse_sources(optarg);
			break;
		case 'p':
			options.port = strtoul(optarg, NULL, 10);
			break;
		case 'b':
			options.bytes = strtoul(optarg, NULL, 10);
			break;
		case 't':
			options.timeout = strtod(optarg, NULL);
			break;
		case 'u':
			options.unconnected = true;
			break;
		case 'h':
			options.hold = true;
			break;
		default:
			return 2;
		}
	}
	if (options.bytes && getrandom(noise, sizeof(noise), GRND_INSECURE) < 0)
		err(2, "random bytes");
	connect_all(argv + optind);
	fflush(stdout);
	if (options.hold) {
		printf("held %zu\n", n_held);
		fflush(stdout);
		while (getline(&line, &room, stdin) >= 0) {
			printf("alive %zu\n", use_again());
			fflush(stdout);
		}
	}
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Latencies that changes of the configuration could cause, seen by processes
 * of real-time priority: only what holds the processor inside the kernel delays
 * them.
 *
 *   latency stall		until stdin ends: how late it wakes up
 *   latency serve PORT		echoes UDP, once it has said that it is ready
 *   latency ask ADDR PORT N	N datagrams, each from a new port, so that each is
 *				a new connection: round-trip times
 *
 * stall and ask print a line of JSON, in seconds.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PERIOD	250000			/* nanoseconds */
#define PATIENCE 10000			/* milliseconds */

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int cmp(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void print(double *took, size_t n)
{
	qsort(took, n, sizeof(*took), cmp);
	printf("{\"n\": %zu, \"p50\": %.9f, \"p99\": %.9f, \"max\": %.9f}\n", n, took[n / 2],
	       took[n * 99 / 100], took[n - 1]);
}

static void be_urgent(void)
{
	struct sched_param param = { .sched_priority = 50 };

	if (sched_setscheduler(0, SCHED_FIFO, &param))
		fail("SCHED_FIFO");
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		fail("mlockall");
}

static bool stdin_ended(void)
{
	char c;

	return read(0, &c, 1) == 0;
}

static void stall(void)
{
	static double late[1 << 20];
	struct timespec next;
	size_t n = 0;

	fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK);
	be_urgent();
	clock_gettime(CLOCK_MONOTONIC, &next);
	do {
		next.tv_nsec += PERIOD;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
		late[n % (1 << 20)] = now() - (next.tv_sec + next.tv_nsec / 1e9);
		/* One stall is one delay, not one for each period that it lasted. */
		clock_gettime(CLOCK_MONOTONIC, &next);
		n++;
	} while (!stdin_ended());
	print(late, n < 1 << 20 ? n : 1 << 20);
}

static int udp_socket(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("socket");
	return fd;
}

static void serve(const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	int one = 1, fd = udp_socket();

	/* The answer comes from the address that was asked. */
	setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)))
		fail("bind");
	be_urgent();
	puts("ready");
	fflush(stdout);
	for (;;) {
		char data[64], control[128];
		struct sockaddr_in from;
		struct iovec iov = { data, sizeof(data) };
		struct msghdr msg = { .msg_name = &from, .msg_namelen = sizeof(from),
				      .msg_iov = &iov, .msg_iovlen = 1,
				      .msg_control = control,
				      .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(fd, &msg, 0);

		if (n < 0)
			fail("recvmsg");
		iov.iov_len = n;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
			((struct in_pktinfo *)CMSG_DATA(c))->ipi_ifindex = 0;
		if (sendmsg(fd, &msg, 0) < 0)
			fail("sendmsg");
	}
}

static double ask_once(const struct sockaddr_in *to)
{
	int fd = udp_socket();
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c = 0;
	double start = now();

	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) || send(fd, &c, 1, 0) != 1)
		fail("send");
	if (poll(&p, 1, PATIENCE) != 1 || recv(fd, &c, 1, 0) != 1) {
		fprintf(stderr, "latency: no answer\n");
		exit(1);
	}
	close(fd);
	return now() - start;
}

static void ask(const char *addr, const char *port, size_t n)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	double *took = calloc(n, sizeof(*took));

	if (!took || inet_pton(AF_INET, addr, &to.sin_addr) != 1)
		fail("ask");
	be_urgent();
	for (size_t i = 0; i < n; i++) {
		const struct timespec pause = { .tv_nsec = 1000000 };

		took[i] = ask_once(&to);
		nanosleep(&pause, NULL);
	}
	print(took, n);
	free(took);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "stall"))
		stall();
	else if (argc == 3 && !strcmp(argv[1], "serve"))
		serve(argv[2]);
	else if (argc == 5 && !strcmp(argv[1], "ask"))
		ask(argv[2], argv[3], strtoul(argv[4], NULL, 10));
	else
		return fprintf(stderr, "usage: latency stall | serve PORT | ask ADDR PORT N\n"), 2;
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * TCP connections one after the other, and whoever takes them.
 *
 *	connect serve PORT...
 *	connect open SOURCE FIRST-ADDRESS SERVICES PORT CONNECTIONS
 *
 * "serve" accepts on all addresses, closes what the other side has closed, and writes a line once
 * it listens. "open" connects each time to the next of SERVICES addresses and closes at once; it
 * prints JSON: how many, how long all took, and the median and the 99th percentile of what
 * connect() took, in nanoseconds.
 */
#include <arpa/inet.h>
#include <err.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define BACKLOG 65535
#define EVENTS 64
#define FIRST_PORT 2000

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static unsigned long number(const char *text, unsigned long most)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (!*text || *end || !n || n > most)
		errx(2, "not a number from 1 to %lu: %s", most, text);
	return n;
}

static void watch(int loop, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event))
		err(1, "epoll_ctl");
}

static int listener(const char *port)
{
	struct sockaddr_in any = {
		.sin_family = AF_INET,
		.sin_port = htons(number(port, UINT16_MAX)),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, BACKLOG))
		err(1, "cannot listen on port %s", port);
	return fd;
}

static void take_all(int loop, int fd)
{
	int connection;

	while ((connection = accept4(fd, NULL, NULL, SOCK_NONBLOCK)) >= 0)
		watch(loop, connection);
}

/* Listeners are the descriptors up to @last_listener. */
static void serve(int ports, char **port)
{
	struct epoll_event events[EVENTS];
	int loop = epoll_create1(0);
	int last_listener = -1;

	if (loop < 0)
		err(1, "epoll_create1");
	for (int i = 0; i < ports; i++) {
		last_listener = listener(port[i]);
		watch(loop, last_listener);
	}
	puts("listening");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(loop, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd <= last_listener)
				take_all(loop, fd);
			else
				close(fd);
		}
	}
}

static struct in_addr address(const char *text)
{
	struct in_addr parsed;

	if (inet_pton(AF_INET, text, &parsed) != 1)
		errx(2, "not an IPv4 address: %s", text);
	return parsed;
}

/*
 * Ticks that connect() took. The time stamp counter is read rather than the clock, which in User
 * Mode Linux is a system call, and dear.
 */
static uint64_t connect_once(const struct sockaddr_in *from, const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	uint64_t begin, end;

	if (fd < 0 || bind(fd, (const struct sockaddr *)from, sizeof(*from)))
		err(1, "no socket");
	begin = __rdtsc();
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)))
		err(1, "cannot connect to %s", inet_ntoa(to->sin_addr));
	end = __rdtsc();
	close(fd);
	return end - begin;
}

/* Of more services than connections, some from everywhere. */
static uint32_t nth(unsigned long i, unsigned long services, unsigned long connections)
{
	return services > connections ? i * services / connections : i % services;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void open_all(char **argument)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr = address(argument[0]) };
	struct sockaddr_in to = { .sin_family = AF_INET };
	uint32_t first = ntohl(address(argument[1]).s_addr);
	unsigned long services = number(argument[2], 1 << 24);
	unsigned long connections = number(argument[4], UINT16_MAX - FIRST_PORT);
	uint64_t *ticks = calloc(connections, sizeof(*ticks));
	uint64_t begin_ticks, all_ticks;
	int64_t begin, ns;

	if (!ticks)
		err(1, NULL);
	to.sin_port = htons(number(argument[3], UINT16_MAX));
	begin = now();
	begin_ticks = __rdtsc();
	for (unsigned long i = 0; i < connections; i++) {
		to.sin_addr.s_addr = htonl(first + nth(i, services, connections));
		/* The kernel would choose one again whose connection it had to reset. */
		from.sin_port = htons(FIRST_PORT + i);
		ticks[i] = connect_once(&from, &to);
	}
	all_ticks = __rdtsc() - begin_ticks;
	ns = now() - begin;

	qsort(ticks, connections, sizeof(*ticks), compare);
	printf("{\"connections\": %lu, \"ns\": %" PRId64 ", \"p50\": %.0f, \"p99\": %.0f}\n",
	       connections, ns, (double)ticks[connections / 2] * ns / all_ticks,
	       (double)ticks[connections * 99 / 100] * ns / all_ticks);
}

int main(int argc, char **argv)
{
	if (argc >= 3 && !strcmp(argv[1], "serve"))
		serve(argc - 2, argv + 2);
	else if (argc == 7 && !strcmp(argv[1], "open"))
		open_all(argv + 2);
	else
		errx(2, "usage: connect serve PORT... | open SOURCE ADDRESS SERVICES PORT CONNECTIONS");
	return 0;
}

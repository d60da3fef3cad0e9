// SPDX-License-Identifier: GPL-2.0
#include "conntrack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define SYSCTLS	"/proc/sys/net/netfilter/"

static long read_number(const char *path)
{
	FILE *f = fopen(path, "re");
	long n = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%ld", &n) != 1)
		n = -1;
	fclose(f);
	return n;
}

static int write_number(const char *path, long n)
{
	FILE *f = fopen(path, "we");
	int error = 0;

	if (!f)
		return errno;
	if (fprintf(f, "%ld\n", n) < 0)
		error = errno;
	if (fclose(f) && !error)
		error = errno;
	return error;
}

/* Where it already is so, nothing needs to be allowed. */
static void set(const char *name, long value)
{
	char *path = xasprintf(SYSCTLS "%s", name);
	int error;

	if (read_number(path) != value) {
		error = write_number(path, value);
		if (error)
			log_line(LOG_WARNING, "Sysctl not set", F_TEXT("sysctl", name),
				 F_INT("value", value), F_TEXT("error", strerror(error)));
		else
			log_line(LOG_INFO, "Sysctl set", F_TEXT("sysctl", name),
				 F_INT("value", value));
	}
	free(path);
}

static void set_timeout(const char *name, uint32_t seconds)
{
	if (seconds)
		set(name, seconds);
}

/* As kube-proxy has it: so many for each core, but not fewer than the minimum. */
static void set_max(const struct config_conntrack *c)
{
	long max = (long)c->max_per_core * sysconf(_SC_NPROCESSORS_CONF);

	if (!c->max_per_core)
		return;
	set("nf_conntrack_max", max > (long)c->min ? max : (long)c->min);
}

bool conntrack_apply(const struct config_conntrack *c)
{
	if (access(SYSCTLS "nf_conntrack_max", F_OK))
		return false;
	set_max(c);
	set_timeout("nf_conntrack_tcp_timeout_established", c->tcp_established);
	set_timeout("nf_conntrack_tcp_timeout_close_wait", c->tcp_close_wait);
	set_timeout("nf_conntrack_udp_timeout", c->udp);
	set_timeout("nf_conntrack_udp_timeout_stream", c->udp_stream);
	if (c->tcp_be_liberal)
		set("nf_conntrack_tcp_be_liberal", 1);
	return true;
}

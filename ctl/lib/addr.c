// SPDX-License-Identifier: GPL-2.0
#include "addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "util.h"

int addr_parse(const char *s, struct addr *a)
{
	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, s, &a->v4) == 1) {
		a->family = AF_INET;
		return 0;
	}
	if (inet_pton(AF_INET6, s, &a->v6) == 1) {
		a->family = AF_INET6;
		return 0;
	}
	return -1;
}

/*
 * As Kubernetes reads addresses: leading zeros of IPv4 are decimal, and an
 * IPv4-mapped IPv6 address is the IPv4 address.
 */
int addr_parse_sloppy(const char *s, struct addr *a)
{
	unsigned int octet[4], i;
	const char *p = s;

	for (i = 0; i < 4; i++) {
		unsigned int n = 0, digits = 0;

		for (; *p >= '0' && *p <= '9' && n < 256; p++, digits++)
			n = n * 10 + (*p - '0');
		if (!digits || n > 255 || *p != (i < 3 ? '.' : '\0'))
			break;
		octet[i] = n;
		p++;
	}
	memset(a, 0, sizeof(*a));
	if (i == 4) {
		a->family = AF_INET;
		a->v4.s_addr = htonl(octet[0] << 24 | octet[1] << 16 |
				     octet[2] << 8 | octet[3]);
		return 0;
	}
	if (addr_parse(s, a))
		return -1;
	if (a->family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&a->v6)) {
		struct in_addr v4;

		memcpy(&v4, &a->v6.s6_addr[12], sizeof(v4));
		memset(a, 0, sizeof(*a));
		a->family = AF_INET;
		a->v4 = v4;
	}
	return 0;
}

static int port_parse(const char *s, uint16_t *port)
{
	unsigned long n;

	if (parse_uint(s, 65535, &n) || !n)
		return -1;
	*port = n;
	return 0;
}

int host_optional_port_parse(const char *s, struct addr *a, uint16_t *port)
{
	char host[ADDR_STRLEN];
	const char *end, *sep;

	*port = 0;
	if (!addr_parse(s, a))
		return 0;
	if (*s == '[') {
		end = strchr(++s, ']');
		if (!end)
			return -1;
		sep = end + 1;
	} else {
		end = strchr(s, ':');
		if (!end)
			return -1;
		sep = end;
	}
	if ((size_t)(end - s) >= sizeof(host))
		return -1;
	memcpy(host, s, end - s);
	host[end - s] = '\0';
	if (addr_parse(host, a))
		return -1;
	/* Brackets belong to IPv6 only. */
	if ((a->family == AF_INET6) != (*end == ']'))
		return -1;
	if (!*sep)
		return 0;
	return *sep == ':' ? port_parse(sep + 1, port) : -1;
}

int hostport_parse(const char *s, struct addr *a, uint16_t *port)
{
	if (host_optional_port_parse(s, a, port))
		return -1;
	return *port ? 0 : -1;
}

static const struct {
	uint8_t protocol;
	const char *name;
} protocols[] = {
	{ IPPROTO_TCP, "tcp" },
	{ IPPROTO_UDP, "udp" },
	{ IPPROTO_SCTP, "sctp" },
};

int protocol_parse(const char *s, uint8_t *protocol)
{
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		if (!strcasecmp(s, protocols[i].name)) {
			*protocol = protocols[i].protocol;
			return 0;
		}
	}
	return -1;
}

const char *protocol_name(uint8_t protocol)
{
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (protocol == protocols[i].protocol)
			return protocols[i].name;
	return "?";
}

/* Clears the bits beyond the length; true if there were any. */
static bool clear_host_bits(struct prefix *p)
{
	uint8_t *b = (uint8_t *)&p->addr.v4;
	bool any = false;

	for (unsigned int i = p->length; i < addr_bits(&p->addr); i++) {
		any |= b[i / 8] & (0x80 >> (i % 8));
		b[i / 8] &= ~(0x80 >> (i % 8));
	}
	return any;
}

static int split_prefix(const char *s, struct prefix *p,
			int (*parse)(const char *s, struct addr *a))
{
	const char *slash = strchr(s, '/');
	char host[ADDR_STRLEN];
	unsigned long n, mapped;

	if (!slash || (size_t)(slash - s) >= sizeof(host))
		return -1;
	memcpy(host, s, slash - s);
	host[slash - s] = '\0';
	if (parse(host, &p->addr))
		return -1;
	/* The length counts the bits before the IPv4 address as well. */
	mapped = p->addr.family == AF_INET && strchr(host, ':') ? 96 : 0;
	if (parse_uint(slash + 1, mapped + addr_bits(&p->addr), &n) || n < mapped)
		return -1;
	p->length = n - mapped;
	return 0;
}

int prefix_parse(const char *s, struct prefix *p)
{
	return split_prefix(s, p, addr_parse) || clear_host_bits(p) ? -1 : 0;
}

/* As Kubernetes reads source ranges: blanks around and host bits are ignored. */
int prefix_parse_sloppy(const char *s, struct prefix *p)
{
	char copy[ADDR_STRLEN + 8];
	size_t len;

	s += strspn(s, " \t\n\v\f\r");
	len = strcspn(s, " \t\n\v\f\r");
	if (len >= sizeof(copy) || strspn(s + len, " \t\n\v\f\r") != strlen(s + len))
		return -1;
	memcpy(copy, s, len);
	copy[len] = '\0';
	if (split_prefix(copy, p, addr_parse_sloppy))
		return -1;
	clear_host_bits(p);
	return 0;
}

const char *addr_format(const struct addr *a, char *buf)
{
	if (!inet_ntop(a->family, addr_bytes(a), buf, ADDR_STRLEN))
		strcpy(buf, "?");
	return buf;
}

const char *hostport_format(const struct addr *a, uint16_t port, char *buf)
{
	char host[ADDR_STRLEN];

	addr_format(a, host);
	snprintf(buf, ENDPOINT_STRLEN,
		 a->family == AF_INET6 ? "[%s]:%u" : "%s:%u", host, port);
	return buf;
}

const char *vip_format(const struct addr *a, uint16_t port, uint8_t protocol,
		       char *buf)
{
	size_t n;

	hostport_format(a, port, buf);
	n = strlen(buf);
	snprintf(buf + n, ENDPOINT_STRLEN - n, "/%s", protocol_name(protocol));
	return buf;
}

const char *prefix_format(const struct prefix *p, char *buf)
{
	size_t n;

	addr_format(&p->addr, buf);
	n = strlen(buf);
	snprintf(buf + n, ENDPOINT_STRLEN - n, "/%u", p->length);
	return buf;
}

int addr_cmp(const struct addr *a, const struct addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(addr_bytes(a), addr_bytes(b), addr_bits(a) / 8);
}

int prefix_cmp(const void *a, const void *b)
{
	const struct prefix *x = a, *y = b;
	int r = addr_cmp(&x->addr, &y->addr);

	return r ? r : (x->length > y->length) - (x->length < y->length);
}

bool prefix_contains(const struct prefix *p, const struct addr *a)
{
	struct prefix host = { .addr = *a, .length = p->length };

	if (a->family != p->addr.family)
		return false;
	clear_host_bits(&host);
	return !addr_cmp(&host.addr, &p->addr);
}

bool addr_is_host(const struct addr *a)
{
	uint32_t v4 = ntohl(a->v4.s_addr);

	if (a->family == AF_INET)
		return v4 >> 24 && !IN_MULTICAST(v4) && v4 != INADDR_BROADCAST;
	return !IN6_IS_ADDR_UNSPECIFIED(&a->v6) && !IN6_IS_ADDR_MULTICAST(&a->v6) &&
	       !IN6_IS_ADDR_V4MAPPED(&a->v6);
}

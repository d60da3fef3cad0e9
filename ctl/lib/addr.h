/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_ADDR_H
#define _KSVC_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDR_STRLEN	INET6_ADDRSTRLEN
/* "[addr]:65535/sctp" */
#define ENDPOINT_STRLEN	(INET6_ADDRSTRLEN + 16)

struct addr {
	uint16_t family;		/* AF_INET or AF_INET6 */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
};

struct prefix {
	struct addr addr;
	uint8_t length;
};

static inline unsigned int addr_bits(const struct addr *a)
{
	return a->family == AF_INET ? 32 : 128;
}

static inline const void *addr_bytes(const struct addr *a)
{
	return &a->v4;
}

/* All parsers return 0, or -1 for text that is not exactly one such thing. */
int addr_parse(const char *s, struct addr *a);
int addr_parse_sloppy(const char *s, struct addr *a);
int hostport_parse(const char *s, struct addr *a, uint16_t *port);
int host_optional_port_parse(const char *s, struct addr *a, uint16_t *port);
int protocol_parse(const char *s, uint8_t *protocol);
int prefix_parse(const char *s, struct prefix *p);
int prefix_parse_sloppy(const char *s, struct prefix *p);

/* Formatters return buf, which the caller has made large enough. */
const char *addr_format(const struct addr *a, char *buf);
const char *hostport_format(const struct addr *a, uint16_t port, char *buf);
const char *vip_format(const struct addr *a, uint16_t port, uint8_t protocol,
		       char *buf);
const char *prefix_format(const struct prefix *p, char *buf);
const char *protocol_name(uint8_t protocol);

int addr_cmp(const struct addr *a, const struct addr *b);
int prefix_cmp(const void *a, const void *b);
bool prefix_contains(const struct prefix *p, const struct addr *a);

/* Whether the kernel takes it as the address of one host. */
bool addr_is_host(const struct addr *a);

#endif

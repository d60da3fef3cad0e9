// SPDX-License-Identifier: GPL-2.0
#include "rtnl.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

int rtnl(struct nlmsghdr *nlh, mnl_cb_t cb, void *data)
{
	struct mnl_socket *sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	char buf[32768];
	int r = -1, error;
	ssize_t n;

	if (!sock)
		return -1;
	nlh->nlmsg_seq = 1;
	if (mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) >= 0 &&
	    mnl_socket_sendto(sock, nlh, nlh->nlmsg_len) >= 0) {
		do {
			n = mnl_socket_recvfrom(sock, buf, sizeof(buf));
			r = n < 0 ? -1 : mnl_cb_run(buf, n, 1, mnl_socket_get_portid(sock),
						    cb, data);
		} while (r > 0);
	}
	error = errno;
	mnl_socket_close(sock);
	errno = error;
	return r;
}

struct route {
	unsigned char type;
	struct addr source;
};

static int route_attr(const struct nlattr *attr, void *data)
{
	struct addr *source = data;
	size_t size = addr_bits(source) / 8;

	if (mnl_attr_get_type(attr) == RTA_PREFSRC && mnl_attr_get_payload_len(attr) == size)
		memcpy(&source->v4, mnl_attr_get_payload(attr), size);
	return MNL_CB_OK;
}

static int on_route(const struct nlmsghdr *nlh, void *data)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(nlh);
	struct route *route = data;

	route->type = rt->rtm_type;
	route->source.family = rt->rtm_family;
	return mnl_attr_parse(nlh, sizeof(*rt), route_attr, &route->source) < 0 ? MNL_CB_ERROR :
	       MNL_CB_OK;
}

static int get_route(const struct addr *a, struct route *route)
{
	char buf[512] = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rt;

	memset(route, 0, sizeof(*route));
	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	rt = mnl_nlmsg_put_extra_header(nlh, sizeof(*rt));
	rt->rtm_family = a->family;
	rt->rtm_dst_len = addr_bits(a);
	mnl_attr_put(nlh, RTA_DST, addr_bits(a) / 8, addr_bytes(a));
	return rtnl(nlh, on_route, route) < 0 ? errno : 0;
}

int route_error(const struct addr *a)
{
	struct route route;
	int error = get_route(a, &route);

	if (!error && (route.type == RTN_UNREACHABLE || route.type == RTN_BLACKHOLE ||
		       route.type == RTN_PROHIBIT))
		error = EHOSTUNREACH;
	return error;
}

/* Asks for addresses that no other route leads to: the dummies of RFC 7600 and RFC 9780. */
int primary_address(uint16_t family, struct addr *a)
{
	struct addr nowhere;
	struct route route;

	addr_parse(family == AF_INET ? "192.0.0.8" : "100:0:0:1::1", &nowhere);
	if (get_route(&nowhere, &route) || route.type != RTN_UNICAST ||
	    !addr_is_host(&route.source))
		return -1;
	*a = route.source;
	return 0;
}

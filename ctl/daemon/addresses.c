// SPDX-License-Identifier: GPL-2.0
#include "addresses.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/rtnl.h"

#define PAUSE	(100 * 1000ull)
#define AGAIN	(1000 * 1000ull)

struct addresses {
	struct mnl_socket *sock;
	sd_event_source *io, *timer;
	void (*changed)(void *data);
	void *data;
};

/* What it says does not matter, nor does what was lost. */
static void drain(struct addresses *a)
{
	char buf[8192];
	ssize_t n;

	do {
		n = recv(mnl_socket_get_fd(a->sock), buf, sizeof(buf), MSG_DONTWAIT | MSG_TRUNC);
	} while (n >= 0 || errno == EINTR || errno == ENOBUFS);
}

static int on_message(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct addresses *a = data;
	int enabled = SD_EVENT_OFF;

	(void)source;
	(void)fd;
	(void)events;
	drain(a);
	sd_event_source_get_enabled(a->timer, &enabled);
	if (enabled != SD_EVENT_OFF)
		return 0;
	sd_event_source_set_time_relative(a->timer, PAUSE);
	sd_event_source_set_enabled(a->timer, SD_EVENT_ONESHOT);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
	struct addresses *a = data;

	(void)source;
	(void)usec;
	a->changed(a->data);
	return 0;
}

static int subscribe(struct addresses *a)
{
	const unsigned int groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
				    RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;

	a->sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!a->sock || mnl_socket_bind(a->sock, groups, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	return 0;
}

int addresses_watch(struct addresses **ap, sd_event *loop, void (*changed)(void *data),
		    void *data)
{
	struct addresses *a = xcalloc(1, sizeof(*a));
	int err = subscribe(a);

	a->changed = changed;
	a->data = data;
	if (!err)
		err = sd_event_add_io(loop, &a->io, mnl_socket_get_fd(a->sock), EPOLLIN,
				      on_message, a);
	if (err >= 0)
		err = sd_event_add_time(loop, &a->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, a);
	if (err >= 0)
		err = sd_event_source_set_enabled(a->timer, SD_EVENT_OFF);
	if (err < 0) {
		addresses_free(a);
		return err;
	}
	*ap = a;
	return 0;
}

void addresses_again(struct addresses *a)
{
	sd_event_source_set_time_relative(a->timer, AGAIN);
	sd_event_source_set_enabled(a->timer, SD_EVENT_ONESHOT);
}

void addresses_free(struct addresses *a)
{
	if (!a)
		return;
	sd_event_source_unref(a->io);
	sd_event_source_unref(a->timer);
	if (a->sock)
		mnl_socket_close(a->sock);
	free(a);
}

struct found {
	struct addr addr;
	struct addr local;		/* the own end of a point-to-point link */
};

static int on_attr(const struct nlattr *attr, void *data)
{
	struct found *found = data;
	uint16_t type = mnl_attr_get_type(attr);
	struct addr *a = type == IFA_LOCAL ? &found->local : &found->addr;
	size_t size = addr_bits(&found->addr) / 8;

	if ((type != IFA_ADDRESS && type != IFA_LOCAL) || mnl_attr_get_payload_len(attr) != size)
		return MNL_CB_OK;
	a->family = found->addr.family;
	memcpy(&a->v4, mnl_attr_get_payload(attr), size);
	return MNL_CB_OK;
}

static int on_address(const struct nlmsghdr *nlh, void *data)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct found found = { .addr.family = ifa->ifa_family };
	struct k8s_addresses *list = data;
	struct addr *a;

	if (nlh->nlmsg_type != RTM_NEWADDR || ifa->ifa_scope == RT_SCOPE_LINK ||
	    (ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6))
		return MNL_CB_OK;
	if (mnl_attr_parse(nlh, sizeof(*ifa), on_attr, &found) < 0)
		return MNL_CB_ERROR;
	a = found.local.family ? &found.local : &found.addr;
	xgrow(&list->list, list->n, sizeof(*a));
	list->list[list->n++] = *a;
	return MNL_CB_OK;
}

int addresses_list(struct k8s_addresses *list)
{
	char buf[512] = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtgenmsg *msg;

	nlh->nlmsg_type = RTM_GETADDR;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));
	msg->rtgen_family = AF_UNSPEC;
	return rtnl(nlh, on_address, list);
}

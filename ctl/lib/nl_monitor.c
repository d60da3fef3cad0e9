// SPDX-License-Identifier: GPL-2.0
/* The socket: events. */
#include <errno.h>
#include <linux/genetlink.h>

#include "nl_answer.h"
#include "nl_socket.h"

/* The only group of the family that tells of families, by a number of its own. */
#define FAMILIES_GROUP	GENL_ID_CTRL

struct monitor {
	bool (*fn)(const struct nl_event *event, void *data);
	void *data;
	uint16_t family;
	bool stop;
	bool gone;			/* the module */
};

static int family_attr(const struct nlattr *attr, void *data)
{
	if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID &&
	    !mnl_attr_validate(attr, MNL_TYPE_U16))
		*(uint16_t *)data = mnl_attr_get_u16(attr);
	return MNL_CB_OK;
}

static bool is_gone(const struct nlmsghdr *nlh, uint16_t family)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);
	uint16_t which = 0;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*genl) || genl->cmd != CTRL_CMD_DELFAMILY)
		return false;
	mnl_attr_parse(nlh, sizeof(*genl), family_attr, &which);
	return which == family;
}

static int parse_event(const struct nlmsghdr *nlh, void *data)
{
	struct monitor *m = data;
	struct nl_event event;

	if (nlh->nlmsg_type == GENL_ID_CTRL) {
		m->gone |= is_gone(nlh, m->family);
		return 0;
	}
	/* Events of a newer module are none of this tool's. */
	if (!m->stop && !msg_parse_event(nlh, &event))
		m->stop = !m->fn(&event, m->data);
	return 0;
}

static int join(struct nl *nl, unsigned int group, struct err *e)
{
	return mnl_socket_setsockopt(nl->sock, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0 ?
	       nl_transport_error(e) : 0;
}

int nl_monitor(struct nl *nl, bool (*fn)(const struct nl_event *event, void *data),
	       void *data, struct err *e)
{
	struct monitor m = { .fn = fn, .data = data, .family = nl->family };
	struct answer a = { .e = e, .parse = parse_event, .data = &m };
	int err = join(nl, nl->group, e);

	if (!err)
		err = join(nl, FAMILIES_GROUP, e);
	while (!err && !m.stop && !m.gone) {
		ssize_t n = mnl_socket_recvfrom(nl->sock, nl->recv_buf, RECV_SIZE);

		if (n < 0 && errno == ENOBUFS)
			m.stop = !fn(NULL, data);
		else if (n < 0 || answer_run(&a, nl->recv_buf, n, 0, 0) < 0)
			err = nl_transport_error(e);
	}
	if (!m.gone || m.stop)
		return err;
	/* Another one would have another group. */
	err_set(e, "the module was removed");
	return -ENODEV;
}

// SPDX-License-Identifier: GPL-2.0
/* What the kernel answers: data, acknowledgement, or refusal in its own words. */
#include "nl_answer.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/ksvc.h>
#include <linux/netlink.h>
#include <string.h>

#include "nl_spec.h"

/* The kernel's words, and the attribute they are about unless they name it. */
static void describe(struct err *e, int error, const char *msg, const char *attr,
		     bool missing)
{
	const char *last = strrchr(attr, '/');

	last = last ? last + 1 : attr;
	if (!msg && error == EPERM)
		msg = "not permitted: CAP_NET_ADMIN is needed";
	if (missing && !msg)
		err_set(e, "attribute %s is missing", attr);
	else if (!*attr || (msg && strstr(msg, last)))
		err_set(e, "%s", msg ? msg : strerror(error));
	else
		err_set(e, "%s (attribute %s)", msg ? msg : strerror(error), attr);
}

struct extack {
	const char *msg;
	int64_t offset, missing, missing_nest;	/* -1 if absent */
};

static int extack_attr(const struct nlattr *attr, void *data)
{
	struct extack *x = data;
	uint16_t type = mnl_attr_get_type(attr);

	if (type == NLMSGERR_ATTR_MSG) {
		if (!mnl_attr_validate(attr, MNL_TYPE_NUL_STRING))
			x->msg = mnl_attr_get_str(attr);
	} else if (!mnl_attr_validate(attr, MNL_TYPE_U32)) {
		if (type == NLMSGERR_ATTR_OFFS)
			x->offset = mnl_attr_get_u32(attr);
		else if (type == NLMSGERR_ATTR_MISS_TYPE)
			x->missing = mnl_attr_get_u32(attr);
		else if (type == NLMSGERR_ATTR_MISS_NEST)
			x->missing_nest = mnl_attr_get_u32(attr);
	}
	return MNL_CB_OK;
}

static void decode_extack(const struct nlmsghdr *request, const struct extack *x,
			  int error, struct err *e)
{
	char path[128] = "";
	const struct attr_set *set;
	int64_t offset = x->missing >= 0 ? x->missing_nest : x->offset;
	const char *name;
	size_t n;

	if (request->nlmsg_len < NLMSG_LENGTH(sizeof(struct genlmsghdr))) {
		describe(e, error, x->msg, path, false);
		return;
	}
	set = spec_of_command(((struct genlmsghdr *)mnl_nlmsg_get_payload(request))->cmd);
	if (offset >= 0)
		spec_path(request, offset, path, sizeof(path), &set);
	if (x->missing >= 0) {
		n = strlen(path);
		name = spec_name(set, x->missing);
		snprintf(path + n, sizeof(path) - n, "%s%s", n ? "/" : "", name ? name : "?");
	}
	describe(e, error, x->msg, path, x->missing >= 0);
}

/* Whether the request that is answered is there in full. */
static bool has_request(const struct nlmsghdr *nlh, const struct nlmsgerr *ne)
{
	size_t room = mnl_nlmsg_get_payload_len(nlh) - sizeof(ne->error);

	return !(nlh->nlmsg_flags & NLM_F_CAPPED) && ne->msg.nlmsg_len >= NLMSG_HDRLEN &&
	       ne->msg.nlmsg_len <= room;
}

static void note_service(const struct nlmsghdr *request, struct answer *a)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(request);
	const struct nlattr *attr;

	if (request->nlmsg_len < NLMSG_LENGTH(sizeof(*genl)) ||
	    spec_of_command(genl->cmd) != &spec_service)
		return;
	mnl_attr_for_each(attr, request, sizeof(*genl)) {
		if (mnl_attr_get_type(attr) != KSVC_A_SERVICE_NAME)
			continue;
		if (spec_valid(&spec_service, attr))
			snprintf(a->service, sizeof(a->service), "%s", mnl_attr_get_str(attr));
		return;
	}
}

static int errno_of(int error)
{
	return error < 0 && error >= -4095 ? -error : EBADMSG;
}

static int on_error(const struct nlmsghdr *nlh, void *data)
{
	const struct nlmsgerr *ne = mnl_nlmsg_get_payload(nlh);
	struct extack x = { .offset = -1, .missing = -1, .missing_nest = -1 };
	struct answer *a = data;
	size_t skip = sizeof(*ne);
	bool request;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ne)) {
		errno = EBADMSG;
		return MNL_CB_ERROR;
	}
	a->done = true;
	if (!ne->error || a->error)
		return MNL_CB_STOP;
	a->error = errno_of(ne->error);
	request = has_request(nlh, ne);
	if (request)
		skip += MNL_ALIGN(ne->msg.nlmsg_len) - NLMSG_HDRLEN;
	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS && mnl_nlmsg_get_payload_len(nlh) >= skip)
		mnl_attr_parse(nlh, skip, extack_attr, &x);
	if (request) {
		note_service(&ne->msg, a);
		decode_extack(&ne->msg, &x, a->error, a->e);
	} else {
		describe(a->e, a->error, x.msg, "", false);
	}
	return MNL_CB_STOP;
}

static int on_done(const struct nlmsghdr *nlh, void *data)
{
	struct extack x = { .offset = -1, .missing = -1, .missing_nest = -1 };
	struct answer *a = data;
	int error = 0;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(error))
		memcpy(&error, mnl_nlmsg_get_payload(nlh), sizeof(error));
	a->done = true;
	if (error >= 0)
		return MNL_CB_STOP;
	a->error = errno_of(error);
	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS)
		mnl_attr_parse(nlh, sizeof(error), extack_attr, &x);
	describe(a->e, a->error, x.msg, "", false);
	return MNL_CB_STOP;
}

static int on_overrun(const struct nlmsghdr *nlh, void *data)
{
	(void)nlh;
	(void)data;
	errno = ENOBUFS;
	return MNL_CB_ERROR;
}

static mnl_cb_t control[NLMSG_MIN_TYPE] = {
	[NLMSG_ERROR] = on_error,
	[NLMSG_DONE] = on_done,
	[NLMSG_OVERRUN] = on_overrun,
};

static int on_data(const struct nlmsghdr *nlh, void *data)
{
	struct answer *a = data;

	if (a->parse && a->parse(nlh, a->data)) {
		errno = EBADMSG;
		return MNL_CB_ERROR;
	}
	return MNL_CB_OK;
}

int answer_run(struct answer *a, const void *buf, size_t n, uint32_t seq,
	       uint32_t portid)
{
	return mnl_cb_run2(buf, n, seq, portid, on_data, a, control, ARRAY_SIZE(control));
}

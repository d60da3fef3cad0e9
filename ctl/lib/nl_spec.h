/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_NL_SPEC_H
#define _KSVC_NL_SPEC_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The attribute sets of include/uapi/ksvc.yaml, for checks and for messages. */
struct attr_set;

struct attr_spec {
	const char *name;
	enum mnl_attr_data_type type;
	const struct attr_set *nested;
};

struct attr_set {
	const struct attr_spec *attrs;
	uint16_t n;
};

extern const struct attr_set spec_info, spec_settings, spec_service, spec_txn,
	spec_explain, spec_stats, spec_frontend, spec_endpoint, spec_choice,
	spec_prefixes, spec_prefix, spec_names, spec_counter, spec_affinity;

const struct attr_set *spec_of_command(uint8_t cmd);
bool spec_valid(const struct attr_set *set, const struct nlattr *attr);
const char *spec_name(const struct attr_set *set, uint16_t type);

/*
 * The path of the attribute at offset bytes into a request, as
 * "frontend/port"; an empty string if there is none.
 */
void spec_path(const struct nlmsghdr *nlh, size_t offset, char *buf,
	       size_t size, const struct attr_set **inner);

const char *verdict_name(uint32_t verdict);
const char *reason_name(uint32_t reason);
const char *reason_meaning(uint32_t reason);
const char *rule_name(uint32_t rule);	/* NULL: none */
const char *event_name(uint32_t event);

#endif

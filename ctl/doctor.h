/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCCTL_DOCTOR_H
#define _KSVCCTL_DOCTOR_H

#include "lib/model.h"
#include "lib/nl.h"

enum finding_status { FINDING_OK, FINDING_WARN, FINDING_FAIL };

struct finding {
	const char *check;
	enum finding_status status;
	char *text;
};

/* What the checks know, and what they found; owned by cmd_doctor(). */
struct doctor {
	bool loaded;			/* the rest of this block counts */
	struct nl_info info;
	struct model model;		/* services and settings */

	struct finding *findings;
	size_t n_findings;
};

void found(struct doctor *d, const char *check, enum finding_status status,
	   const char *fmt, ...) __printf(4, 5);

/* The number in a file of /proc or /sys; -1 without such a file. */
long read_number(const char *path);
bool has_family(const struct model *m, uint16_t family);

/* doctor_net.c */
void doctor_forwarding(struct doctor *d);
void doctor_routes(struct doctor *d);
void doctor_bridges(struct doctor *d);
void doctor_kube_proxy(struct doctor *d);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_COLLECT_H
#define _KSVCD_COLLECT_H

#include "metrics.h"

/*
 * The kernel's services for a page of metrics, piece by piece, on a socket of
 * their own: between two pieces the engine may write.
 */
struct collector;

/* NULL: the kernel cannot be asked. */
struct collector *collector_new(void);
void collector_free(struct collector *c);

/* 1: there is more; 0: that was all; negative: nothing more will come, and it is not all. */
int collector_step(struct collector *c);

/* What has come, each service once. */
const struct model *collector_model(const struct collector *c);

/* Of these, those with this traffic policy and endpoints, but none for it. */
uint64_t collector_no_local(const struct collector *c, enum k8s_family family,
			    enum traffic_policy policy);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_RTNL_H
#define _KSVC_RTNL_H

#include <libmnl/libmnl.h>

#include "addr.h"

/* Questions to rtnetlink, about the current network namespace. */

/* Sends one request and runs the answers; -1 with errno set. */
int rtnl(struct nlmsghdr *nlh, mnl_cb_t cb, void *data);

/* 0, or the error that connect() to the address would give. */
int route_error(const struct addr *a);

/* The source address of the family's default route; -1 without one. */
int primary_address(uint16_t family, struct addr *a);

#endif

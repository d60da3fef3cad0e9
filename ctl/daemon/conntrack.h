/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_CONNTRACK_H
#define _KSVCD_CONNTRACK_H

#include "config.h"

/*
 * Sets the sysctls that are configured; what cannot be set goes to the log.
 * False if conntrack is not there yet.
 */
bool conntrack_apply(const struct config_conntrack *c);

#endif

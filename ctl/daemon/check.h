/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_CHECK_H
#define _KSVCD_CHECK_H

#include <stdio.h>

#include "config.h"

/*
 * Says, a line each, what is wrong with the files that ksvcd would start with,
 * and what would be left out or have no effect. Asks neither the kernel module
 * nor the API server. -1: it would not start.
 */
int check(const struct config *c, FILE *to);

#endif

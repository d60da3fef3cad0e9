/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCCTL_KMODULE_H
#define _KSVCCTL_KMODULE_H

#include "lib/util.h"

/*
 * The module to come: a file, or what modprobe finds if path is NULL. Checks
 * what can be known before the old one goes, and loads what it depends on.
 */
int kmodule_prepare(const char *path, struct err *e);
/* KMODULE_BUSY: somebody is reading from it. */
#define KMODULE_BUSY	1
int kmodule_unload(struct err *e);
int kmodule_load(const char *path, struct err *e);

#endif

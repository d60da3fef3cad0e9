/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_STATE_H
#define _KSVCD_STATE_H

#include "lib/model.h"

/* What was in force last, in a file that ksvcctl restore reads, too. */

/* Replaces the file in one step, after the disk has it; makes its directory. */
int state_write(const char *path, const struct model *m, struct err *e);

/* -1 with the reason; a file that is not there is one. */
int state_read(const char *path, struct model *m, struct err *e);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_ENGINE_SYNC_H
#define _KSVCD_ENGINE_SYNC_H

#include "engine.h"

/*
 * Writes what has changed, after reading what is in force if that is not
 * known. -1 if the kernel cannot be spoken to; an entry that it refuses is no
 * failure.
 */
int engine_sync(struct engine *e, struct err *why);

/* Whether nobody else has changed the configuration; true if nobody knows. */
bool engine_is_current(struct engine *e);

#endif

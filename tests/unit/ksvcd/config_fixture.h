/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_CONFIG_FIXTURE_H
#define _KSVCD_CONFIG_FIXTURE_H

#include "daemon/config.h"

/*
 * Parses flags, a text of words, and a file of this content unless it is NULL;
 * "" or the error, in which the file is called FILE. What it filled is freed by
 * the next call, and by done_config().
 */
const char *configure(const char *flags, const char *file);
extern struct config got;
void done_config(void);

/* The same of a file with apiVersion and kind before it, in lines 1 and 2. */
const char *configure_file(const char *flags, const char *body);

/* "KEY:LINE ..." */
const char *notes(void);

#endif

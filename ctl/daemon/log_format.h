/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_LOG_FORMAT_H
#define _KSVCD_LOG_FORMAT_H

#include <stdbool.h>

/* JSON lines on stderr even if it leads to the journal. */
void log_set_json(bool on);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_SOURCE_DIR_H
#define _KSVCD_SOURCE_DIR_H

#include <systemd/sd-event.h>

#include "lib/util.h"
#include "source.h"

/*
 * Objects out of a file, or of the files *.json, *.yaml and *.yml of a directory
 * (not of those below it, nor of hidden ones), followed while they change. The
 * path may not be there yet, and may go away: what was there last stays until
 * it is back. Services and EndpointSlices are listed once; after that there
 * are changes only.
 *
 * A file is read when its writer has closed it, or when it is renamed or linked
 * into place. One that cannot be read or parsed keeps its objects as they are.
 * One file is read per round of the event loop.
 *
 * The sink is borrowed until source_dir_free(). Of Nodes only node_name is told;
 * NULL: all. Nothing is called before the loop runs.
 */
struct source_dir;

int source_dir_new(struct source_dir **source, sd_event *loop, const char *path,
		   const char *node_name, const struct sink *sink, struct err *e);
void source_dir_free(struct source_dir *s);

#endif

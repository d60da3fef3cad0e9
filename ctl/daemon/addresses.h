/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_ADDRESSES_H
#define _KSVCD_ADDRESSES_H

#include <systemd/sd-event.h>

#include "lib/k8s.h"

/* The addresses of this network namespace. */
struct addresses;

/* Calls changed when addresses or routes may have changed, at most every 100 ms. 0 or a negative errno. */
int addresses_watch(struct addresses **ap, sd_event *loop, void (*changed)(void *data),
		    void *data);
/* Calls it once more, after a second. */
void addresses_again(struct addresses *a);
void addresses_free(struct addresses *a);

/* All that are there now, without link-local ones; -1 with errno. */
int addresses_list(struct k8s_addresses *list);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVC_FUZZ_SHIM_H
#define _KSVC_FUZZ_SHIM_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/*
 * shim_event.c: as much of sd-event as the API source uses, on a clock that
 * stands still until it is told to go on.
 */
sd_event *shim_event_new(void);
void shim_advance(uint64_t us);			/* timers that are due meanwhile are called */
bool shim_advance_to_timer(void);		/* the next one; false if there is none */

/*
 * shim_http.c: in the place of api_http.c, requests that wait to be answered
 * by the harness.
 */
extern unsigned long shim_requests;		/* started so far */
extern uint64_t shim_retry_after;

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* What tests of session affinity share. */
#ifndef _KSVC_TEST_AFFINITY_H
#define _KSVC_TEST_AFFINITY_H

#include "test.h"

#define VIP	"10.96.0.1:80/tcp"
#define VIP6	"[fd00::1]:80/tcp"
#define ALL	"10.0.0.1:80 10.0.0.2:80 10.0.0.3:80 10.0.0.4:80"
#define CLIENT	"192.0.2.1"

/* A namespace whose services keep clients for ten seconds. Of what is chosen
 * freely, each gets the next endpoint.
 */
struct ksvc_net *sticky_new(u32 entries);
/* The same with a service "a" that has VIP and ALL. */
struct ksvc_net *service_new(void);

/* The last byte of the address of the endpoint that a new connection gets, or
 * would get; 0 for none.
 */
u32 connected(const struct ksvc_net *kn, const char *from, const char *to);
u32 peeked(const struct ksvc_net *kn, const char *from, const char *to);
/* So that it is not by chance that the next one of VIP is another one. */
void not_next(struct ksvc_net *kn, u32 last);

/* Copies the records, and returns in how many buckets they are. */
u32 buckets(struct ksvc_net *kn, struct ksvc_record *records, u32 most);
u32 count_records(struct ksvc_net *kn, u64 owner);
/* Those of a service, all or of one client. */
void forget(struct ksvc_net *kn, const char *to, const char *client);

#endif

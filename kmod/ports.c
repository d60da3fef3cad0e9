// SPDX-License-Identifier: GPL-2.0
/*
 * Which ports are node ports, so that masquerading leaves them alone: a reply
 * to one could be taken for a new connection to the service. Bits are written
 * under ksvc_net::mutex and read by packets.
 */
#include "ksvc.h"

#include <linux/bitmap.h>
#include <linux/find.h>
#include <linux/in.h>
#include <linux/slab.h>

#define PORTS		65536
#define FIRST_PORT	1024		/* what the kernel masquerades with */
#define ENOUGH		256		/* ports for a range */
#define TRIES		8

/* Room for node ports. Returns 0 or -ENOMEM. */
int ksvc_ports_reserve(struct ksvc_net *kn)
{
	unsigned long *ports;

	if (kn->node_ports)
		return 0;
	ports = kcalloc(BITS_TO_LONGS(PORTS), sizeof(*ports), GFP_KERNEL_ACCOUNT);
	if (!ports)
		return -ENOMEM;
	smp_store_release(&kn->node_ports, ports);
	return 0;
}

void ksvc_ports_add(struct ksvc_net *kn, __be16 port)
{
	set_bit(ntohs(port), kn->node_ports);
	WRITE_ONCE(kn->n_node_ports, kn->n_node_ports + 1);
}

/* A frontend with this port is no longer in the table. */
void ksvc_ports_del(struct ksvc_net *kn, const struct ksvc_table *table, __be16 port)
{
	static const u8 protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };
	static const u8 families[] = { NFPROTO_IPV4, NFPROTO_IPV6 };
	bool used = false;
	u32 i;

	for (i = 0; i < 2 * ARRAY_SIZE(protocols); i++) {
		const struct ksvc_key key = {
			.port = port,
			.protocol = protocols[i / 2],
			.family = families[i % 2],
		};

		used |= !!ksvc_table_find(table, &key);
	}
	if (!used)
		clear_bit(ntohs(port), kn->node_ports);
	WRITE_ONCE(kn->n_node_ports, kn->n_node_ports - 1);
}

/* The first from port on that is no node port, or from the lowest on; PORTS if
 * all are.
 */
static u32 next_free(const unsigned long *ports, u32 port)
{
	port = find_next_zero_bit(ports, PORTS, port);
	return port < PORTS ? port : find_next_zero_bit(ports, PORTS, FIRST_PORT);
}

/* A range of ports without a node port in it, near one that the hash names.
 * Returns false if any port will do, or none.
 */
bool ksvc_ports_avoid(const struct ksvc_net *kn, u32 hash, __be16 *min, __be16 *max)
{
	const unsigned long *ports = smp_load_acquire(&kn->node_ports);
	u32 best = 0, try;

	if (!ports || !READ_ONCE(kn->n_node_ports))
		return false;
	for (try = 0; try < TRIES && best < ENOUGH; try++) {
		u32 port = FIRST_PORT + (((u64)hash * (PORTS - FIRST_PORT)) >> 32), low, high;

		hash = hash * 0x9e3779b1 + 1;
		port = next_free(ports, port);
		if (port == PORTS)
			return false;
		low = port;
		while (low > FIRST_PORT && port - low < ENOUGH && !test_bit(low - 1, ports))
			low--;
		high = find_next_bit(ports, min_t(u32, PORTS, port + ENOUGH), port);
		if (high <= port || high - low <= best)
			continue;	/* or it has become one meanwhile */
		best = high - low;
		*min = htons(low);
		*max = htons(high - 1);
	}
	return best;
}

// SPDX-License-Identifier: GPL-2.0
/* A namespace's settings: immutable once published, replaced as a whole. */
#include "ksvc.h"

#include <linux/lockdep.h>
#include <linux/slab.h>
#include <linux/string.h>

/* What every namespace starts with. */
static struct ksvc_settings defaults = {
	.affinity_entries = 131072,
};

const struct ksvc_settings *ksvc_settings_get(const struct ksvc_net *kn)
{
	return rcu_dereference_protected(kn->settings, lockdep_is_held(&kn->mutex));
}

struct ksvc_list *ksvc_list_dup(const struct ksvc_list *from)
{
	return from ? kmemdup(from, struct_size(from, prefixes, from->n), GFP_KERNEL_ACCOUNT)
		    : NULL;
}

/* A copy to change and publish, or NULL without memory. */
struct ksvc_settings *ksvc_settings_dup(const struct ksvc_settings *from)
{
	struct ksvc_settings *to;

	to = kmemdup(from, sizeof(*from), GFP_KERNEL_ACCOUNT);
	if (!to)
		return NULL;
	to->cluster_cidrs = ksvc_list_dup(from->cluster_cidrs);
	to->service_cidrs = ksvc_list_dup(from->service_cidrs);
	to->nodeport_addresses = ksvc_list_dup(from->nodeport_addresses);
	if (from->n_pod_interfaces)
		to->pod_interfaces = kmemdup(from->pod_interfaces, from->n_pod_interfaces *
					     sizeof(*from->pod_interfaces), GFP_KERNEL_ACCOUNT);
	if (!to->cluster_cidrs == !from->cluster_cidrs &&
	    !to->service_cidrs == !from->service_cidrs &&
	    !to->nodeport_addresses == !from->nodeport_addresses &&
	    !to->pod_interfaces == !from->pod_interfaces)
		return to;
	ksvc_settings_free(to);
	return NULL;
}

/* Settings that no packet can be using. */
void ksvc_settings_free(struct ksvc_settings *settings)
{
	if (settings == &defaults)
		return;
	kfree(settings->cluster_cidrs);
	kfree(settings->service_cidrs);
	kfree(settings->nodeport_addresses);
	kfree(settings->pod_interfaces);
	kfree(settings);
}

static void settings_rcu(struct rcu_head *head)
{
	ksvc_settings_free(container_of(head, struct ksvc_settings, rcu));
}

/* Families in which pods can be told. */
static void find_detectors(struct ksvc_settings *settings)
{
	const struct ksvc_list *list = settings->cluster_cidrs;
	bool interfaces = settings->n_pod_interfaces;
	u32 i;

	settings->detector[KSVC_V4] = interfaces;
	settings->detector[KSVC_V6] = interfaces;
	for (i = 0; list && i < list->n; i++)
		settings->detector[ksvc_family_index(list->prefixes[i].family)] = true;
}

/* Families whose node port addresses are listed: a zero prefix is as no list (M6). */
static void find_listed(struct ksvc_settings *settings)
{
	const struct ksvc_list *list = settings->nodeport_addresses;
	bool all[KSVC_FAMILIES] = {};
	u32 i;

	memset(settings->nodeport_list, 0, sizeof(settings->nodeport_list));
	for (i = 0; list && i < list->n; i++) {
		unsigned int family = ksvc_family_index(list->prefixes[i].family);

		all[family] |= !list->prefixes[i].length;
		settings->nodeport_list[family] = !all[family];
	}
}

/* Takes over settings; the old ones go after a grace period. */
void ksvc_settings_publish(struct ksvc_net *kn, struct ksvc_settings *settings)
{
	struct ksvc_settings *old;

	find_detectors(settings);
	find_listed(settings);
	old = rcu_replace_pointer(kn->settings, settings, lockdep_is_held(&kn->mutex));
	kn->generation++;
	ksvc_nl_notify_commit(kn, 0);
	if (old != &defaults)
		call_rcu(&old->rcu, settings_rcu);
}

void ksvc_settings_init(struct ksvc_net *kn)
{
	RCU_INIT_POINTER(kn->settings, &defaults);
}

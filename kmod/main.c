// SPDX-License-Identifier: GPL-2.0
/* Life of the module and of its instance in each network namespace. */
#include "ksvc.h"

#include <linux/atomic.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <net/net_namespace.h>
#include <net/netfilter/nf_nat_masquerade.h>
#include <net/netns/generic.h>

#define CREATE_TRACE_POINTS
#include "trace.h"

static unsigned int ksvc_net_id __read_mostly;
static atomic_t active_namespaces;

struct ksvc_net *ksvc_net(const struct net *net)
{
	return net_generic(net, ksvc_net_id);
}

u32 ksvc_namespaces(void)
{
	return atomic_read(&active_namespaces);
}

/* Makes packets pass through ksvc, with the namespace's first service. They
 * do from then on: translated connections need the dispatcher's hooks, which
 * are there only while it has a client.
 */
int ksvc_activate(struct ksvc_net *kn)
{
	struct ksvc_table *table;
	int err = -ENOMEM;

	lockdep_assert_held(&kn->mutex);
	if (kn->active)
		return 0;
	kn->counters = alloc_percpu_gfp(struct ksvc_counters, GFP_KERNEL_ACCOUNT);
	if (!kn->counters)
		return -ENOMEM;
	table = ksvc_table_alloc(0, GFP_KERNEL_ACCOUNT);
	if (!table)
		goto free_counters;
	rcu_assign_pointer(kn->table, table);
	err = ksvc_nat_register(kn);
	if (err)
		goto free_table;
	kn->active = true;
	atomic_inc(&active_namespaces);
	return 0;

free_table:
	/* One of the hooks may have been there for a moment. */
	synchronize_rcu();
	RCU_INIT_POINTER(kn->table, NULL);
	kvfree(table);
free_counters:
	free_percpu(kn->counters);
	kn->counters = NULL;
	return err;
}

static int __net_init ksvc_net_init(struct net *net)
{
	struct ksvc_net *kn = ksvc_net(net);

	kn->net = net;
	ksvc_config_init(kn);
	return 0;
}

static void __net_exit ksvc_net_pre_exit(struct net *net)
{
	struct ksvc_net *kn = ksvc_net(net);

	if (!kn->active)
		return;
	WRITE_ONCE(kn->gone, true);
	ksvc_nat_unregister(kn);
	ksvc_sweep_exit(kn);
	atomic_dec(&active_namespaces);
}

/* A grace period after ksvc_net_pre_exit(). */
static void __net_exit ksvc_net_exit(struct net *net)
{
	struct ksvc_net *kn = ksvc_net(net);

	ksvc_config_exit(kn);
	free_percpu(kn->counters);
}

static struct pernet_operations ksvc_net_ops = {
	.init		= ksvc_net_init,
	.pre_exit	= ksvc_net_pre_exit,
	.exit		= ksvc_net_exit,
	.id		= &ksvc_net_id,
	.size		= sizeof(struct ksvc_net),
};

static int __init ksvc_init(void)
{
	int err;

	err = nf_nat_masquerade_inet_register_notifiers();
	if (err)
		return err;
	err = ksvc_sweeps_alloc();
	if (err)
		goto unregister_notifiers;
	err = register_pernet_subsys(&ksvc_net_ops);
	if (err)
		goto free_sweeps;
	err = ksvc_load_init();
	if (err)
		goto unregister_pernet;
	err = ksvc_nl_init();
	if (err)
		goto exit_load;
	return 0;

exit_load:
	ksvc_load_exit();
unregister_pernet:
	unregister_pernet_subsys(&ksvc_net_ops);
free_sweeps:
	ksvc_sweeps_free();
unregister_notifiers:
	nf_nat_masquerade_inet_unregister_notifiers();
	return err;
}

static void __exit ksvc_exit(void)
{
	ksvc_nl_exit();
	ksvc_load_exit();
	unregister_pernet_subsys(&ksvc_net_ops);
	ksvc_load_forget();
	ksvc_sweeps_free();
	nf_nat_masquerade_inet_unregister_notifiers();
	/* versions and settings that were replaced */
	rcu_barrier();
}

module_init(ksvc_init);
module_exit(ksvc_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Service translation: virtual addresses to endpoints");
MODULE_VERSION(KSVC_VERSION);
MODULE_ALIAS_GENL_FAMILY(KSVC_FAMILY_NAME);

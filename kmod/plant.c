// SPDX-License-Identifier: GPL-2.0
/*
 * Bugs on purpose, to see that a run on the debug kernel fails for them. Part
 * of no other build: tests/vm/planted asks for one with -DKSVC_TEST_PLANT_*.
 */
#include "ksvc.h"

#include <linux/compiler.h>

#ifdef KSVC_TEST_PLANT_UAF
/* Reads a version after its grace period. */
static void plant(struct ksvc_net *kn, struct ksvc_ident *ident, const struct ksvc_svc *old)
{
	rcu_barrier();
	if (old)
		READ_ONCE(old->n_endpoints);
}
#endif

#ifdef KSVC_TEST_PLANT_LEAK
/* Forgets a reference to a deleted service. */
static void plant(struct ksvc_net *kn, struct ksvc_ident *ident, const struct ksvc_svc *old)
{
	if (!ident->svc)
		refcount_inc(&ident->refs);
}
#endif

#ifdef KSVC_TEST_PLANT_LOCK
static DEFINE_MUTEX(other);

/* Takes two locks in one order, then in the other. */
static void plant(struct ksvc_net *kn, struct ksvc_ident *ident, const struct ksvc_svc *old)
{
	mutex_lock(&other);
	mutex_unlock(&other);

	mutex_unlock(&kn->mutex);
	mutex_lock(&other);
	mutex_lock(&kn->mutex);
	mutex_unlock(&other);
}
#endif

/* A service was changed or deleted; old is what it was, on its way out. */
void ksvc_plant(struct ksvc_net *kn, struct ksvc_ident *ident, const struct ksvc_svc *old)
{
	plant(kn, ident, old);
}

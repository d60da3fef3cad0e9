/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_PERCPU_H
#define _LINUX_PERCPU_H

#include <linux/slab.h>

/* The copies of an allocation stand a fixed distance apart, so that addresses
 * inside of it can be turned into those of another CPU.
 */
#define SHIM_CPUS	3
#define SHIM_UNIT	4096

void *__alloc_percpu_gfp(size_t size, size_t align, gfp_t gfp);
void free_percpu(void *p);

#define per_cpu_ptr(p, cpu) \
	((__typeof__(p))((char *)(p) + (size_t)(cpu) * SHIM_UNIT))
#define for_each_possible_cpu(cpu) \
	for ((cpu) = 0; (cpu) < SHIM_CPUS; (cpu)++)

#endif

/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_ONCE_H
#define _LINUX_ONCE_H

#include <linux/random.h>

#define get_random_once(buf, size)	get_random_bytes(buf, size)

#endif

/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_FIND_H
#define _LINUX_FIND_H

#include <linux/bitmap.h>

#endif

/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_IN_H
#define _LINUX_IN_H

#include <netinet/in.h>

#endif

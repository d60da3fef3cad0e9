/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_IF_H
#define _LINUX_IF_H

#define IFNAMSIZ 16

#endif

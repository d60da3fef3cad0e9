/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KSVCD_API_ACCESS_H
#define _KSVCD_API_ACCESS_H

#include <sys/stat.h>

#include "kubeconfig.h"

#define API_MAX_PEM	((size_t)1 << 20)

/* A regular file, so that reading cannot block; NUL-terminated, caller frees. */
char *api_read_file(const char *path, size_t max, size_t *len, struct stat *st, struct err *e);

/* Each says what is wrong, without the name of the field. */
int api_check_pem(const char *text, size_t len, struct err *e);
int api_check_pem_file(const char *path, struct err *e);
int api_check_server(const char *server, struct err *e);
int api_check_proxy(const char *proxy, struct err *e);
int api_check_token(const char *token, struct err *e);

char *api_server_dup(const char *server);

#endif

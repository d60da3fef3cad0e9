// SPDX-License-Identifier: GPL-2.0
/*
 * A kubeconfig, beside files that it may name: ca.crt, tls.crt, tls.key, token,
 * lines (a token of two lines), empty, folder, fifo. Comments before it choose:
 *
 *	#context NAME
 *	#server URL
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/kubeconfig.h"

#define PEM	"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"

/* No file here is that large; to clear room for the largest would take all of the time. */
#define MAX_ROOM	65536

void *__real_xcalloc(size_t n, size_t size);
void *__wrap_xcalloc(size_t n, size_t size);
void *__wrap_xcalloc(size_t n, size_t size)
{
	return __real_xcalloc(n, n == 1 && size > MAX_ROOM ? MAX_ROOM : size);
}

static const char *path;

static void set_up(void)
{
	const char *dir = confine_dir();
	char *other;

	confine_write("ca.crt", PEM, strlen(PEM));
	confine_write("tls.crt", PEM, strlen(PEM));
	confine_write("tls.key", PEM, strlen(PEM));
	confine_write("token", "abc.def\n", 8);
	confine_write("lines", "abc\nEvil: yes\n", 14);
	confine_write("empty", "", 0);
	other = xasprintf("%s/folder", dir);
	check(!mkdir(other, 0700));
	free(other);
	other = xasprintf("%s/fifo", dir);
	check(!mkfifo(other, 0600));
	free(other);
	path = xasprintf("%s/config", dir);
}

static bool is_zero(const struct api_access *a)
{
	static const struct api_access zero;

	return !memcmp(a, &zero, sizeof(zero));
}

static void check_pem(const struct api_pem *pem)
{
	check(!pem->text || strstr(pem->text, "-----BEGIN "));
	check(!pem->file || !pem->text);
}

/* No header of a request can be ended by it. */
static void check_token(const char *token)
{
	check(*token);
	for (; *token; token++)
		check((unsigned char)*token > ' ' && *token != 0x7f);
}

static void check_access(struct api_access *a)
{
	struct err e;

	check(a->server && !strncasecmp(a->server, "http", 4));
	check(a->server[strlen(a->server) - 1] != '/');
	check_pem(&a->ca);
	check_pem(&a->cert);
	check_pem(&a->key);
	check((a->cert.file || a->cert.text) == (a->key.file || a->key.text));
	check(!a->insecure || (!a->ca.file && !a->ca.text));
	if (a->token)
		check_token(a->token);
	if (!a->token_file)
		return;
	check(a->token);
	check(!api_access_token(a, 61000000, false, &e));
	check_token(a->token);
}

/* The rest of the line that begins so, or NULL; the caller frees. */
static char *option(const char *text, size_t len, const char *key)
{
	const char *line;
	size_t n;

	while (fuzz_line(&text, &len, &line, &n) && n && *line == '#')
		if (n > strlen(key) && !memcmp(line, key, strlen(key)))
			return xstrndup(line + strlen(key), n - strlen(key));
	return NULL;
}

void fuzz_one(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	char *context = option(text, size, "#context ");
	char *server = option(text, size, "#server ");
	struct api_access a;
	struct err e = {};
	int err;

	if (!path)
		set_up();
	confine_write("config", data, size);
	memset(&a, 0xa5, sizeof(a));
	confine_begin();
	err = api_access_kubeconfig(&a, path, context, server, &e);
	if (err) {
		check(*e.text);
		check(is_zero(&a));
	} else {
		fuzz_accept();
		check_access(&a);
		api_access_clean(&a);
		check(is_zero(&a));
	}
	confine_end();
	free(context);
	free(server);
}

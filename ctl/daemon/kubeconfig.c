// SPDX-License-Identifier: GPL-2.0
#include "kubeconfig.h"

#include <stdlib.h>
#include <string.h>

#include "api_access.h"
#include "lib/input.h"
#include "lib/jread.h"

#define MAX_KUBECONFIG	((size_t)16 << 20)

struct reader {
	struct jread r;
	struct api_access *a;
	const char *path;
	const char *context;
	const char *server;
	int documents;
};

/* Relative to the file's directory, as kubectl has it. */
static char *resolve(const struct reader *rd, const char *file)
{
	const char *slash = strrchr(rd->path, '/');

	if (*file == '/' || !slash)
		return xstrdup(file);
	return xasprintf("%.*s/%s", (int)(slash - rd->path), rd->path, file);
}

static int sextet(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *p = c ? strchr(digits, c) : NULL;

	return p ? p - digits : -1;
}

/* NULL if it is not base64; line breaks are left out. */
static char *decode(const char *s, size_t *len)
{
	char *out = xcalloc(strlen(s) + 1, 1);
	unsigned int bits = 0, n_bits = 0;
	size_t digits = 0;

	*len = 0;
	for (; *s && *s != '='; s++) {
		int v = sextet(*s);

		if (strchr("\r\n \t", *s))
			continue;
		if (v < 0)
			goto bad;
		digits++;
		bits = bits << 6 | v;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			out[(*len)++] = bits >> n_bits;
		}
	}
	for (; *s; s++) {
		if (!strchr("\r\n \t=", *s))
			goto bad;
		digits += *s == '=';
	}
	if (digits % 4 == 0)
		return out;
bad:
	explicit_bzero(out, *len);
	free(out);
	return NULL;
}

static int read_pem_data(struct reader *rd, const char *key, const char *data,
			 struct api_pem *pem)
{
	struct err e;
	size_t len;

	pem->text = decode(data, &len);
	if (!pem->text)
		return jread_fail(&rd->r, key, "is not base64");
	if (len > API_MAX_PEM)
		return jread_fail(&rd->r, key, "is larger than %zu KB", API_MAX_PEM >> 10);
	return api_check_pem(pem->text, len, &e) ? jread_fail(&rd->r, key, "%s", e.text) : 0;
}

/* key, or key-data, which comes first if both are there. */
static int read_pem(struct reader *rd, const json_t *o, const char *key, struct api_pem *pem)
{
	const char *file, *data;
	char data_key[64];
	struct err e;

	snprintf(data_key, sizeof(data_key), "%s-data", key);
	if (jread_string(&rd->r, o, key, &file) || jread_string(&rd->r, o, data_key, &data))
		return -1;
	if (data && *data)
		return read_pem_data(rd, data_key, data, pem);
	if (!file || !*file)
		return 0;
	pem->file = resolve(rd, file);
	return api_check_pem_file(pem->file, &e) ? jread_fail(&rd->r, key, "%s", e.text) : 0;
}

static int read_text(struct reader *rd, const json_t *o, const char *key, char **value)
{
	const char *s;

	if (jread_string(&rd->r, o, key, &s))
		return -1;
	if (s && *s)
		*value = xstrdup(s);
	return 0;
}

static int read_server(struct reader *rd, const json_t *o)
{
	const char *server;
	struct err e;

	if (jread_string(&rd->r, o, "server", &server))
		return -1;
	if (rd->server)
		return 0;
	if (!server || !*server)
		return jread_fail(&rd->r, "server", "is missing");
	if (api_check_server(server, &e))
		return jread_fail(&rd->r, "server", "%s", e.text);
	rd->a->server = api_server_dup(server);
	return 0;
}

static int read_cluster(struct reader *rd, const json_t *o)
{
	struct api_access *a = rd->a;
	struct err e;

	if (read_server(rd, o) || read_pem(rd, o, "certificate-authority", &a->ca) ||
	    jread_bool(&rd->r, o, "insecure-skip-tls-verify", &a->insecure) ||
	    read_text(rd, o, "tls-server-name", &a->tls_server_name) ||
	    read_text(rd, o, "proxy-url", &a->proxy))
		return -1;
	if (a->insecure && (a->ca.file || a->ca.text))
		return jread_fail(&rd->r, "insecure-skip-tls-verify",
				  "contradicts the certificate authority");
	if (a->tls_server_name && strpbrk(a->tls_server_name, "/:@?#[] "))
		return jread_fail(&rd->r, "tls-server-name", "must be a name");
	if (a->proxy && api_check_proxy(a->proxy, &e))
		return jread_fail(&rd->r, "proxy-url", "%s", e.text);
	return 0;
}

/* What would have to be obeyed, and is not. */
static int refuse_unsupported(struct reader *rd, const json_t *o)
{
	static const struct {
		const char *key, *why;
	} refused[] = {
		{ "exec", "plugins are not run; use a token file or a client certificate" },
		{ "auth-provider", "is not supported; use a token file or a client certificate" },
		{ "as", "impersonation is not supported" },
		{ "as-uid", "impersonation is not supported" },
		{ "as-groups", "impersonation is not supported" },
		{ "as-user-extra", "impersonation is not supported" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		const json_t *v = json_object_get(o, refused[i].key);

		if (v && !json_is_null(v))
			return jread_fail(&rd->r, refused[i].key, "%s", refused[i].why);
	}
	return 0;
}

static int read_token(struct reader *rd, const json_t *o)
{
	struct api_access *a = rd->a;
	const char *file;
	struct err e;

	if (read_text(rd, o, "token", &a->token) || jread_string(&rd->r, o, "tokenFile", &file))
		return -1;
	if (a->token && api_check_token(a->token, &e))
		return jread_fail(&rd->r, "token", "%s", e.text);
	if (!file || !*file)
		return 0;
	a->token_file = resolve(rd, file);
	return api_access_token(a, 0, true, &e) ? jread_fail(&rd->r, "tokenFile", "%s", e.text) : 0;
}

static int read_user(struct reader *rd, const json_t *o)
{
	struct api_access *a = rd->a;
	bool cert;

	if (refuse_unsupported(rd, o) || read_token(rd, o) ||
	    read_pem(rd, o, "client-certificate", &a->cert) ||
	    read_pem(rd, o, "client-key", &a->key) ||
	    read_text(rd, o, "username", &a->user) ||
	    read_text(rd, o, "password", &a->password))
		return -1;
	cert = a->cert.file || a->cert.text;
	if (cert != (a->key.file || a->key.text))
		return jread_fail(&rd->r, cert ? "client-key" : "client-certificate",
				  "is missing");
	if (a->password && !a->user)
		return jread_fail(&rd->r, "username", "is missing");
	if (a->user && a->token)
		return jread_fail(&rd->r, "username", "contradicts the token");
	return 0;
}

/* Element of that name in a list of {name, KEY: {...}}; the path stays pushed. */
static int find(struct reader *rd, const json_t *root, const char *list, const char *key,
		const char *name, json_t **found)
{
	json_t *array, *element;
	const char *s;
	size_t n;

	if (jread_get(&rd->r, root, list, JSON_ARRAY, &array))
		return -1;
	n = json_array_size(array);
	for (size_t i = 0; i < n; i++) {
		jread_push(&rd->r, list, i);
		if (jread_element(&rd->r, array, i, JSON_OBJECT, &element) ||
		    jread_string(&rd->r, element, "name", &s))
			return -1;
		if (s && !strcmp(s, name)) {
			if (jread_get(&rd->r, element, key, JSON_OBJECT, found))
				return -1;
			if (!*found)
				return jread_fail(&rd->r, key, "is missing");
			jread_push(&rd->r, key, JREAD_NO_INDEX);
			return 0;
		}
		jread_pop(&rd->r);
	}
	return jread_fail(&rd->r, list, "has no \"%.200s\"", name);
}

static int read_context(struct reader *rd, const json_t *root, const char *name)
{
	json_t *context, *cluster, *user;
	const char *cluster_name, *user_name;

	if (find(rd, root, "contexts", "context", name, &context) ||
	    jread_string(&rd->r, context, "cluster", &cluster_name) ||
	    jread_string(&rd->r, context, "user", &user_name))
		return -1;
	if (!cluster_name || !*cluster_name)
		return jread_fail(&rd->r, "cluster", "is missing");
	rd->r.depth = 0;
	if (find(rd, root, "clusters", "cluster", cluster_name, &cluster) ||
	    read_cluster(rd, cluster))
		return -1;
	rd->r.depth = 0;
	if (!user_name || !*user_name)
		return 0;
	return find(rd, root, "users", "user", user_name, &user) || read_user(rd, user) ? -1 : 0;
}

static int read_document(json_t *root, void *data, struct err *e)
{
	struct reader *rd = data;
	const char *name, *kind;

	rd->r.e = e;
	if (rd->documents++)
		return err_set(e, "holds more than one document");
	if (!json_is_object(root))
		return err_set(e, "must be an object");
	if (jread_string(&rd->r, root, "kind", &kind) ||
	    jread_string(&rd->r, root, "current-context", &name))
		return -1;
	if (kind && strcmp(kind, "Config"))
		return jread_fail(&rd->r, "kind", "must be Config, not %.100s", kind);
	if (rd->context)
		name = rd->context;
	if (!name || !*name)
		return jread_fail(&rd->r, "current-context", "is missing");
	return read_context(rd, root, name);
}

static int read_config(struct reader *rd, struct err *e)
{
	struct stat st;
	size_t len;
	char *text = api_read_file(rd->path, MAX_KUBECONFIG, &len, &st, e);
	int err;

	if (!text)
		return -1;
	err = input_parse(text, len, read_document, rd, e);
	if (!err && !rd->documents)
		err = err_set(e, "is empty");
	if (err)
		err_prefix(e, "%s: ", rd->path);
	explicit_bzero(text, len);
	free(text);
	return err;
}

int api_access_kubeconfig(struct api_access *a, const char *path, const char *context,
			  const char *server, struct err *e)
{
	struct reader rd = { .a = a, .path = path, .context = context, .server = server };

	memset(a, 0, sizeof(*a));
	if (server && api_check_server(server, e)) {
		err_prefix(e, "server: ");
		return -1;
	}
	if (server)
		a->server = api_server_dup(server);
	if (!path)
		return server ? 0 : err_set(e, "neither a kubeconfig nor a server is given");
	if (!read_config(&rd, e))
		return 0;
	api_access_clean(a);
	return -1;
}

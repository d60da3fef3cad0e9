// SPDX-License-Identifier: GPL-2.0
/* The parts of access to an API server that do not come from a kubeconfig. */
#include "api_access.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_TOKEN	65536
#define TOKEN_AGE	(60 * 1000000ULL)

static int open_regular(const char *path, struct stat *st, struct err *e)
{
	/* Without O_NONBLOCK, a FIFO would hold up the daemon. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return err_set(e, "%s: %s", path, strerror(errno));
	if (fstat(fd, st) < 0)
		err_set(e, "%s: %s", path, strerror(errno));
	else if (!S_ISREG(st->st_mode))
		err_set(e, "%s: is not a regular file", path);
	else
		return fd;
	close(fd);
	return -1;
}

char *api_read_file(const char *path, size_t max, size_t *len, struct stat *st, struct err *e)
{
	int fd = open_regular(path, st, e);
	size_t n = 0;
	ssize_t r = 0;
	char *buf;

	if (fd < 0)
		return NULL;
	buf = xcalloc(1, max + 2);
	while (n <= max && ((r = read(fd, buf + n, max + 1 - n)) > 0 ||
			    (r < 0 && errno == EINTR)))
		n += r > 0 ? r : 0;
	if (r < 0)
		err_set(e, "%s: %s", path, strerror(errno));
	else if (n > max)
		err_set(e, "%s: larger than %zu KB", path, max >> 10);
	close(fd);
	if (r < 0 || n > max) {
		free(buf);
		return NULL;
	}
	buf[n] = '\0';
	*len = n;
	return buf;
}

int api_check_pem(const char *text, size_t len, struct err *e)
{
	if (strlen(text) != len || !strstr(text, "-----BEGIN "))
		return err_set(e, "is not PEM");
	/* OpenSSL would ask for the password at the terminal, and wait. */
	if (strstr(text, "-----BEGIN ENCRYPTED ") || strstr(text, "Proc-Type: 4,ENCRYPTED"))
		return err_set(e, "is encrypted");
	return 0;
}

int api_check_pem_file(const char *path, struct err *e)
{
	struct stat st;
	size_t len;
	char *text = api_read_file(path, API_MAX_PEM, &len, &st, e);
	int err;

	if (!text)
		return -1;
	err = api_check_pem(text, len, e);
	if (err)
		err_prefix(e, "%s: ", path);
	explicit_bzero(text, len);
	free(text);
	return err;
}

static bool scheme_in(CURLU *url, const char *const *schemes)
{
	char *scheme;
	bool found = false;

	if (curl_url_get(url, CURLUPART_SCHEME, &scheme, 0))
		return false;
	while (*schemes && !found)
		found = !strcmp(scheme, *schemes++);
	curl_free(scheme);
	return found;
}

static bool has_part(CURLU *url, CURLUPart part)
{
	char *text;

	if (curl_url_get(url, part, &text, 0))
		return false;
	curl_free(text);
	return true;
}

int api_check_server(const char *server, struct err *e)
{
	static const char *const schemes[] = { "https", "http", NULL };
	CURLU *url = curl_url();
	int err = 0;

	if (!url || curl_url_set(url, CURLUPART_URL, server, 0) || !scheme_in(url, schemes))
		err = err_set(e, "must be a URL like https://HOST:PORT");
	else if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_QUERY) ||
		 has_part(url, CURLUPART_FRAGMENT))
		err = err_set(e, "must be a URL without user, query and fragment");
	curl_url_cleanup(url);
	return err;
}

int api_check_proxy(const char *proxy, struct err *e)
{
	static const char *const schemes[] = { "http", "https", "socks5", "socks5h", NULL };
	CURLU *url = curl_url();
	int err = 0;

	if (!url || curl_url_set(url, CURLUPART_URL, proxy, CURLU_NON_SUPPORT_SCHEME) ||
	    !scheme_in(url, schemes))
		err = err_set(e, "must be a URL of http, https or socks5");
	curl_url_cleanup(url);
	return err;
}

char *api_server_dup(const char *server)
{
	size_t len = strlen(server);

	while (len && server[len - 1] == '/')
		len--;
	return xstrndup(server, len);
}

/* What goes into a header must not be able to begin another one. */
int api_check_token(const char *token, struct err *e)
{
	if (!*token)
		return err_set(e, "is empty");
	for (const char *p = token; *p; p++)
		if (*p <= 0x20 || *p == 0x7f)
			return err_set(e, "holds what a token cannot");
	return 0;
}

static bool token_is_current(const struct api_access *a, uint64_t now)
{
	struct stat st;

	return a->token && now - a->token_state.read < TOKEN_AGE &&
	       !stat(a->token_file, &st) && st.st_ino == a->token_state.inode &&
	       st.st_size == a->token_state.size &&
	       !memcmp(&st.st_mtim, &a->token_state.changed, sizeof(st.st_mtim));
}

static void token_clear(struct api_access *a)
{
	if (a->token)
		explicit_bzero(a->token, strlen(a->token));
	free(a->token);
	a->token = NULL;
}

int api_access_token(struct api_access *a, uint64_t now, bool always, struct err *e)
{
	struct stat st;
	size_t len;
	char *text;

	if (!a->token_file || (!always && token_is_current(a, now)))
		return 0;
	text = api_read_file(a->token_file, MAX_TOKEN, &len, &st, e);
	if (!text)
		return -1;
	while (len && strchr(" \t\r\n", text[len - 1]))
		text[--len] = '\0';
	if (strlen(text) != len ? err_set(e, "holds what a token cannot") :
	    api_check_token(text, e)) {
		err_prefix(e, "%s: ", a->token_file);
		explicit_bzero(text, len);
		free(text);
		return -1;
	}
	token_clear(a);
	a->token = xstrdup(text);
	explicit_bzero(text, len);
	free(text);
	a->token_state.changed = st.st_mtim;
	a->token_state.inode = st.st_ino;
	a->token_state.size = st.st_size;
	a->token_state.read = now;
	return 0;
}

static int in_cluster_server(struct api_access *a, struct err *e)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");
	unsigned long number;

	if (!host || !*host || !port || !*port)
		return err_set(e, "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not "
			       "set: not in a pod?");
	if (parse_uint(port, 65535, &number) || !number)
		return err_set(e, "KUBERNETES_SERVICE_PORT: must be 1 to 65535");
	a->server = xasprintf(strchr(host, ':') ? "https://[%s]:%lu" : "https://%s:%lu", host,
			      number);
	if (api_check_server(a->server, e))
		return err_set(e, "KUBERNETES_SERVICE_HOST: is no address or name");
	return 0;
}

static int in_cluster(struct api_access *a, const char *directory, const char *server,
		      struct err *e)
{
	if (server) {
		if (api_check_server(server, e)) {
			err_prefix(e, "server: ");
			return -1;
		}
		a->server = api_server_dup(server);
	} else if (in_cluster_server(a, e)) {
		return -1;
	}
	a->ca.file = xasprintf("%s/ca.crt", directory);
	a->token_file = xasprintf("%s/token", directory);
	return api_check_pem_file(a->ca.file, e) || api_access_token(a, 0, true, e) ? -1 : 0;
}

int api_access_in_cluster(struct api_access *a, const char *directory, const char *server,
			  struct err *e)
{
	memset(a, 0, sizeof(*a));
	if (!in_cluster(a, directory ? directory : API_SERVICE_ACCOUNT, server, e))
		return 0;
	api_access_clean(a);
	return -1;
}

int api_access_init(struct api_access *a, const char *kubeconfig, const char *server,
		    struct err *e)
{
	if (kubeconfig || server)
		return api_access_kubeconfig(a, kubeconfig, NULL, server, e);
	return api_access_in_cluster(a, NULL, NULL, e);
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool same_pem(const struct api_pem *a, const struct api_pem *b)
{
	return same_text(a->file, b->file) && same_text(a->text, b->text);
}

bool api_access_same(const struct api_access *a, const struct api_access *b)
{
	return same_text(a->server, b->server) &&
	       same_text(a->tls_server_name, b->tls_server_name) &&
	       same_text(a->proxy, b->proxy) && a->insecure == b->insecure &&
	       same_pem(&a->ca, &b->ca) && same_pem(&a->cert, &b->cert) &&
	       same_pem(&a->key, &b->key) && same_text(a->user, b->user) &&
	       same_text(a->password, b->password) && same_text(a->token_file, b->token_file) &&
	       (a->token_file || same_text(a->token, b->token));
}

static void secret_free(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

static void pem_clean(struct api_pem *pem)
{
	free(pem->file);
	secret_free(pem->text);
}

void api_access_clean(struct api_access *a)
{
	free(a->server);
	free(a->tls_server_name);
	free(a->proxy);
	pem_clean(&a->ca);
	pem_clean(&a->cert);
	pem_clean(&a->key);
	free(a->user);
	secret_free(a->password);
	secret_free(a->token);
	free(a->token_file);
	memset(a, 0, sizeof(*a));
}

// SPDX-License-Identifier: GPL-2.0
/* Reading kubeconfigs and service accounts, good ones and bad ones of every sort; KTAP. */
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/kubeconfig.h"

#define PEM	"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
#define PEM64	"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBQUEKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="

static char directory[] = "/tmp/kubeconfig-XXXXXX";
static bool failed;

static void expect_text(const char *what, const char *got, const char *wanted)
{
	if (!strcmp(got, wanted))
		return;
	fputs("# ", stdout);
	for (; *what; what++)
		putchar(*what == '\n' ? ' ' : *what);
	printf("\n# got    %s\n# wanted %s\n", got, wanted);
	failed = true;
}

static void write_file(const char *name, const char *text, size_t len)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	f = fopen(path, "w");
	if (!f || fwrite(text, 1, len, f) != len || fclose(f))
		exit(2);
}

static void write_text(const char *name, const char *text)
{
	write_file(name, text, strlen(text));
}

static const char *or_dash(const char *s)
{
	return s ? s : "-";
}

/* The directory's name is left out of both. */
static void without_directory(char *s)
{
	size_t len = strlen(directory);
	char *p;

	while ((p = strstr(s, directory)))
		memmove(p, p + len + 1, strlen(p + len + 1) + 1);
}

static void describe(const struct api_access *a, char *buf, size_t size)
{
	snprintf(buf, size, "%s name=%s proxy=%s insecure=%d ca=%s,%zu cert=%s,%zu key=%s,%zu "
		 "user=%s:%s token=%s file=%s", a->server, or_dash(a->tls_server_name),
		 or_dash(a->proxy), a->insecure, or_dash(a->ca.file),
		 a->ca.text ? strlen(a->ca.text) : 0, or_dash(a->cert.file),
		 a->cert.text ? strlen(a->cert.text) : 0, or_dash(a->key.file),
		 a->key.text ? strlen(a->key.text) : 0, or_dash(a->user), or_dash(a->password),
		 or_dash(a->token), or_dash(a->token_file));
}

static void check_file(const char *what, const char *context, const char *server,
		       const char *wanted)
{
	char path[256], got[3000];
	struct api_access a;
	struct err e;

	snprintf(path, sizeof(path), "%s/config", directory);
	if (api_access_kubeconfig(&a, path, context, server, &e)) {
		snprintf(got, sizeof(got), "%s", e.text);
	} else {
		describe(&a, got, sizeof(got));
		api_access_clean(&a);
	}
	without_directory(got);
	expect_text(what, got, wanted);
}

static void check(const char *text, const char *wanted)
{
	write_text("config", text);
	check_file(text, NULL, NULL, wanted);
}

/* A config of one cluster and one user, with these fields (YAML flow mappings). */
static const char *config_of(const char *cluster, const char *user)
{
	static char text[8192];

	snprintf(text, sizeof(text),
		 "apiVersion: v1\nkind: Config\ncurrent-context: x\n"
		 "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
		 "clusters: [{name: c, cluster: {%s}}]\nusers: [{name: u, user: {%s}}]\n",
		 cluster, user);
	return text;
}

static void check_fields(const char *cluster, const char *user, const char *wanted)
{
	check(config_of(cluster, user), wanted);
}

#define SERVER		"server: 'https://10.0.0.1:6443'"
#define NO_USER		"user=-:- token=- file=-"
#define NO_CERT		"cert=-,0 key=-,0 "
#define PLAIN		"name=- proxy=- insecure=0 ca=-,0 "

static void everything(void)
{
	write_text("ca.pem", PEM);
	write_text("me.pem", PEM);
	write_text("me.key", PEM);
	write_text("token", "secret\n");
	check_fields(SERVER, "", "https://10.0.0.1:6443 " PLAIN NO_CERT NO_USER);
	check_fields("server: 'https://[fd00::1]:6443/k8s/clusters/c-1//'", "",
		     "https://[fd00::1]:6443/k8s/clusters/c-1 " PLAIN NO_CERT NO_USER);
	check_fields(SERVER ", certificate-authority: ca.pem, tls-server-name: api.x, "
		     "proxy-url: 'socks5://127.0.0.1:1080'", "token: t0ken",
		     "https://10.0.0.1:6443 name=api.x proxy=socks5://127.0.0.1:1080 insecure=0 "
		     "ca=ca.pem,0 " NO_CERT "user=-:- token=t0ken file=-");
	check_fields(SERVER ", certificate-authority: /nowhere, certificate-authority-data: "
		     PEM64, "client-certificate: me.pem, client-key-data: " PEM64,
		     "https://10.0.0.1:6443 name=- proxy=- insecure=0 ca=-,59 cert=me.pem,0 "
		     "key=-,59 " NO_USER);
	check_fields(SERVER ", insecure-skip-tls-verify: true", "tokenFile: token, token: other",
		     "https://10.0.0.1:6443 name=- proxy=- insecure=1 ca=-,0 " NO_CERT
		     "user=-:- token=secret file=token");
	check_fields(SERVER, "username: a, password: b",
		     "https://10.0.0.1:6443 " PLAIN NO_CERT "user=a:b token=- file=-");
	check_fields(SERVER ", tls-server-name: '', proxy-url: null", "exec: null, token: ''",
		     "https://10.0.0.1:6443 " PLAIN NO_CERT NO_USER);
}

static void contexts(void)
{
	static const char two[] =
		"{\"current-context\": \"b\", \"contexts\": ["
		"{\"name\": \"a\", \"context\": {\"cluster\": \"one\"}},"
		"{\"name\": \"b\", \"context\": {\"cluster\": \"two\", \"user\": \"\"}},"
		"{\"name\": \"c\", \"context\": {\"cluster\": \"none\"}},"
		"{\"name\": \"d\", \"context\": {\"cluster\": \"one\", \"user\": \"none\"}},"
		"{\"name\": \"e\", \"context\": {}}, {\"name\": \"f\"}],"
		"\"clusters\": [{\"name\": \"one\", \"cluster\": {\"server\": \"https://one\"}},"
		"{\"name\": \"two\", \"cluster\": {\"server\": \"http://two\"}}]}";

	check(two, "http://two " PLAIN NO_CERT NO_USER);
	check_file("a", "a", NULL, "https://one " PLAIN NO_CERT NO_USER);
	check_file("a, server", "a", "https://three/", "https://three " PLAIN NO_CERT NO_USER);
	check_file("bad server", "a", "three", "server: must be a URL like https://HOST:PORT");
	check_file("c", "c", NULL, "config: clusters: has no \"none\"");
	check_file("d", "d", NULL, "config: users: has no \"none\"");
	check_file("e", "e", NULL, "config: contexts[4].context.cluster: is missing");
	check_file("f", "f", NULL, "config: contexts[5].context: is missing");
	check_file("g", "g", NULL, "config: contexts: has no \"g\"");
}

static void refused(void)
{
	check_fields(SERVER, "exec: {command: aws}", "config: users[0].user.exec: plugins are "
		     "not run; use a token file or a client certificate");
	check_fields(SERVER, "auth-provider: {name: gcp}", "config: users[0].user.auth-provider: "
		     "is not supported; use a token file or a client certificate");
	check_fields(SERVER, "as: admin",
		     "config: users[0].user.as: impersonation is not supported");
	check_fields(SERVER ", insecure-skip-tls-verify: true, certificate-authority: ca.pem", "",
		     "config: clusters[0].cluster.insecure-skip-tls-verify: contradicts the "
		     "certificate authority");
	check_fields(SERVER, "username: a, token: b",
		     "config: users[0].user.username: contradicts the token");
	check_fields(SERVER, "client-certificate: me.pem",
		     "config: users[0].user.client-key: is missing");
	check_fields(SERVER, "client-key: me.key",
		     "config: users[0].user.client-certificate: is missing");
	check_fields(SERVER, "password: b", "config: users[0].user.username: is missing");
}

static void bad_values(void)
{
	static const char *const servers[] = {
		"'ftp://x'", "x", "''", "'https://'", "'file:///etc/passwd'", "'https://a b'",
	};
	char cluster[128], wanted[128];

	for (size_t i = 0; i < ARRAY_SIZE(servers); i++) {
		snprintf(cluster, sizeof(cluster), "server: %s", servers[i]);
		snprintf(wanted, sizeof(wanted), "config: clusters[0].cluster.server: %s",
			 i == 2 ? "is missing" : "must be a URL like https://HOST:PORT");
		check_fields(cluster, "", wanted);
	}
	check_fields("server: 'https://u:p@x'", "", "config: clusters[0].cluster.server: must be "
		     "a URL without user, query and fragment");
	check_fields("server: 6443", "",
		     "config: clusters[0].cluster.server: must be a string, not an integer");
	check_fields(SERVER ", proxy-url: 'ftp://x'", "", "config: clusters[0].cluster.proxy-url: "
		     "must be a URL of http, https or socks5");
	check_fields(SERVER ", tls-server-name: 'a/b'", "",
		     "config: clusters[0].cluster.tls-server-name: must be a name");
	check_fields(SERVER ", insecure-skip-tls-verify: 1", "", "config: clusters[0].cluster."
		     "insecure-skip-tls-verify: must be true or false, not an integer");
	check_fields(SERVER ", certificate-authority-data: '!'", "",
		     "config: clusters[0].cluster.certificate-authority-data: is not base64");
	check_fields(SERVER ", certificate-authority-data: QUJDR", "",
		     "config: clusters[0].cluster.certificate-authority-data: is not base64");
	check_fields(SERVER ", certificate-authority-data: QUJD", "",
		     "config: clusters[0].cluster.certificate-authority-data: is not PEM");
	check_fields(SERVER, "token: \"a\\nX-Evil: 1\"",
		     "config: users[0].user.token: holds what a token cannot");
	check_fields(SERVER, "token: [a]",
		     "config: users[0].user.token: must be a string, not a list");
}

static void bad_files(void)
{
	char path[256];

	write_text("empty", "");
	write_text("blank", " \n");
	write_file("nul", "a\0b", 3);
	write_text("spaced", "a b");
	snprintf(path, sizeof(path), "%s/fifo", directory);
	mkfifo(path, 0600);
	check_fields(SERVER ", certificate-authority: none.pem", "", "config: clusters[0].cluster."
		     "certificate-authority: none.pem: No such file or directory");
	check_fields(SERVER ", certificate-authority: fifo", "", "config: clusters[0].cluster."
		     "certificate-authority: fifo: is not a regular file");
	check_fields(SERVER ", certificate-authority: /dev/zero", "", "config: clusters[0].cluster."
		     "certificate-authority: /dev/zero: is not a regular file");
	check_fields(SERVER ", certificate-authority: token", "", "config: clusters[0].cluster."
		     "certificate-authority: token: is not PEM");
	write_text("me.pem", PEM);
	write_text("me.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n");
	check_fields(SERVER, "client-certificate: me.pem, client-key: me.key",
		     "config: users[0].user.client-key: me.key: is encrypted");
	write_text("me.key", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n");
	check_fields(SERVER, "client-certificate: me.pem, client-key: me.key",
		     "config: users[0].user.client-key: me.key: is encrypted");
	check_fields(SERVER, "tokenFile: none", "config: users[0].user.tokenFile: none: "
		     "No such file or directory");
	check_fields(SERVER, "tokenFile: fifo",
		     "config: users[0].user.tokenFile: fifo: is not a regular file");
	check_fields(SERVER, "tokenFile: empty",
		     "config: users[0].user.tokenFile: empty: is empty");
	check_fields(SERVER, "tokenFile: blank",
		     "config: users[0].user.tokenFile: blank: is empty");
	check_fields(SERVER, "tokenFile: nul",
		     "config: users[0].user.tokenFile: nul: holds what a token cannot");
	check_fields(SERVER, "tokenFile: spaced",
		     "config: users[0].user.tokenFile: spaced: holds what a token cannot");
}

static void check_missing(const char *path, const char *wanted)
{
	struct api_access a;
	struct err e = {};

	if (!api_access_kubeconfig(&a, path, NULL, NULL, &e))
		api_access_clean(&a);
	without_directory(e.text);
	expect_text(path, e.text, wanted);
}

static void bad_configs(void)
{
	char path[256];

	check("", "config: is empty");
	check("---\n", "config: is empty");
	check("[]", "config: must be an object");
	check("{\"kind\": \"Pod\"}", "config: kind: must be Config, not Pod");
	check("{}", "config: current-context: is missing");
	check("{\"current-context\": 1}",
	      "config: current-context: must be a string, not an integer");
	check("{\"current-context\": \"a\"}", "config: contexts: has no \"a\"");
	check("{\"current-context\": \"a\", \"contexts\": {}}",
	      "config: contexts: must be a list, not an object");
	check("{\"current-context\": \"a\", \"contexts\": [7]}",
	      "config: contexts[0]: must be an object, not an integer");
	check("{\"current-context\": \"a\", \"contexts\": [{\"name\": []}]}",
	      "config: contexts[0].name: must be a string, not a list");
	check("{\"current-context\": \"a\", \"contexts\": [{\"name\": \"a\", \"context\": 1}]}",
	      "config: contexts[0].context: must be an object, not an integer");
	check("{", "config: line 1 column 1: string or '}' expected near end of file");
	snprintf(path, sizeof(path), "%s/none", directory);
	check_missing(path, "none: No such file or directory");
	snprintf(path, sizeof(path), "%s/fifo", directory);
	check_missing(path, "fifo: is not a regular file");
	check_missing("/tmp", "/tmp: is not a regular file");
	check_missing(NULL, "neither a kubeconfig nor a server is given");
}

static void check_in_cluster(const char *host, const char *port, const char *wanted)
{
	char got[3000];
	struct api_access a;
	struct err e;

	host ? setenv("KUBERNETES_SERVICE_HOST", host, 1) : unsetenv("KUBERNETES_SERVICE_HOST");
	port ? setenv("KUBERNETES_SERVICE_PORT", port, 1) : unsetenv("KUBERNETES_SERVICE_PORT");
	if (api_access_in_cluster(&a, directory, NULL, &e)) {
		snprintf(got, sizeof(got), "%s", e.text);
	} else {
		describe(&a, got, sizeof(got));
		api_access_clean(&a);
	}
	without_directory(got);
	expect_text(host ? host : "no host", got, wanted);
}

static void in_cluster(void)
{
	static const char usual[] = "name=- proxy=- insecure=0 ca=ca.crt,0 " NO_CERT
				    "user=-:- token=secret file=token";
	char wanted[256];

	write_text("ca.crt", PEM);
	write_text("token", "secret\n");
	snprintf(wanted, sizeof(wanted), "https://10.96.0.1:443 %s", usual);
	check_in_cluster("10.96.0.1", "443", wanted);
	snprintf(wanted, sizeof(wanted), "https://[fd00::1]:6443 %s", usual);
	check_in_cluster("fd00::1", "6443", wanted);
	check_in_cluster(NULL, "443", "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are "
			 "not set: not in a pod?");
	check_in_cluster("10.96.0.1", NULL, "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT "
			 "are not set: not in a pod?");
	check_in_cluster("10.96.0.1", "0", "KUBERNETES_SERVICE_PORT: must be 1 to 65535");
	check_in_cluster("10.96.0.1", "x", "KUBERNETES_SERVICE_PORT: must be 1 to 65535");
	check_in_cluster("a b", "443", "KUBERNETES_SERVICE_HOST: is no address or name");
	write_text("ca.crt", "no certificate");
	check_in_cluster("10.96.0.1", "443", "ca.crt: is not PEM");
}

static void check_token(struct api_access *a, uint64_t now, bool always, const char *wanted)
{
	struct err e = {};

	api_access_token(a, now, always, &e);
	expect_text("token", a->token, wanted);
}

static void rotation(void)
{
	static const struct timespec long_ago[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	struct api_access a = {};
	char path[256], other[256];
	struct err e;

	snprintf(path, sizeof(path), "%s/token", directory);
	snprintf(other, sizeof(other), "%s/other", directory);
	a.token_file = xstrdup(path);
	write_text("token", "one");
	check_token(&a, 0, false, "one");
	write_text("token", "longer");
	check_token(&a, 1, false, "longer");
	/* Replaced as a whole, to the same size and time. */
	utimensat(AT_FDCWD, path, long_ago, 0);
	check_token(&a, 2, false, "longer");
	write_text("other", "Longer");
	utimensat(AT_FDCWD, other, long_ago, 0);
	rename(other, path);
	check_token(&a, 3, false, "Longer");
	/* Rewritten where it is, unseen: at most for a minute, and not after a 401. */
	write_text("token", "LONGER");
	utimensat(AT_FDCWD, path, long_ago, 0);
	check_token(&a, 4, false, "Longer");
	check_token(&a, 5, true, "LONGER");
	write_text("token", "lONGER");
	utimensat(AT_FDCWD, path, long_ago, 0);
	check_token(&a, 59000000, false, "LONGER");
	check_token(&a, 61000000, false, "lONGER");
	unlink(path);
	check_token(&a, 61000001, false, "lONGER");
	if (!api_access_token(&a, 61000002, false, &e))
		expect_text("a token's missing file", "0", "-1");
	api_access_clean(&a);
}

static void read_fields(struct api_access *a, const char *cluster, const char *user)
{
	char path[256];
	struct err e = {};

	write_text("config", config_of(cluster, user));
	snprintf(path, sizeof(path), "%s/config", directory);
	api_access_kubeconfig(a, path, NULL, NULL, &e);
	expect_text("to be compared", e.text, "");
}

static void compared(void)
{
	static const struct {
		const char *cluster, *user;
	} configs[] = {
		{ SERVER, "" }, { "server: 'https://10.0.0.2:6443'", "" },
		{ SERVER ", tls-server-name: x", "" }, { SERVER ", proxy-url: 'http://a:1'", "" },
		{ SERVER ", insecure-skip-tls-verify: true", "" },
		{ SERVER ", certificate-authority: me.pem", "" },
		{ SERVER ", certificate-authority-data: " PEM64, "" },
		{ SERVER, "client-certificate: me.pem, client-key: me.key" },
		{ SERVER, "client-certificate: me.key, client-key: me.key" },
		{ SERVER, "client-certificate: me.pem, client-key: me.pem" },
		{ SERVER, "username: a" }, { SERVER, "username: b" },
		{ SERVER, "username: a, password: b" }, { SERVER, "token: a" },
		{ SERVER, "token: b" }, { SERVER, "tokenFile: token" },
	};
	struct api_access a, b;

	write_text("me.pem", PEM);
	write_text("me.key", PEM);
	for (size_t i = 0; i < ARRAY_SIZE(configs); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(configs); j++) {
			write_text("token", "one");
			read_fields(&a, configs[i].cluster, configs[i].user);
			/* A token that has rotated is no other user. */
			write_text("token", "two");
			read_fields(&b, configs[j].cluster, configs[j].user);
			if (api_access_same(&a, &b) != (i == j))
				expect_text(configs[i].user, configs[j].user, "another");
			api_access_clean(&a);
			api_access_clean(&b);
		}
	}
}

/* Every beginning of a good file, and each of its bytes damaged. */
static void damaged(void)
{
	static const char good[] =
		"current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
		"clusters:\n- name: c\n  cluster: {server: https://x, tls-server-name: y}\n"
		"users:\n- name: u\n  user: {token: \"a\"}\n";
	char path[256], bad[sizeof(good)];
	struct api_access a;
	struct err e;

	snprintf(path, sizeof(path), "%s/config", directory);
	for (size_t i = 0; i < 2 * sizeof(good); i++) {
		memcpy(bad, good, sizeof(good));
		if (i >= sizeof(good))
			bad[i - sizeof(good)] = "\xff[\0:"[i % 4];
		write_file("config", bad, i < sizeof(good) ? i : sizeof(good) - 1);
		if (!api_access_kubeconfig(&a, path, NULL, NULL, &e))
			api_access_clean(&a);
		else if (!strstr(e.text, "config: "))
			expect_text("damaged", e.text, "config: ...");
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "kubeconfig: everything that is understood", everything },
	{ "kubeconfig: contexts", contexts },
	{ "kubeconfig: what is refused", refused },
	{ "kubeconfig: bad values", bad_values },
	{ "kubeconfig: bad files that it names", bad_files },
	{ "kubeconfig: bad as a whole", bad_configs },
	{ "kubeconfig: compared with another", compared },
	{ "kubeconfig: damaged and cut off", damaged },
	{ "in-cluster: service accounts", in_cluster },
	{ "token: rotation", rotation },
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int main(void)
{
	int status = 0;

	if (!mkdtemp(directory))
		return 2;
	printf("KTAP version 1\n1..%zu\n", ARRAY_SIZE(tests));
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		failed = false;
		tests[i].run();
		printf("%sok %zu %s\n", failed ? "not " : "", i + 1, tests[i].name);
		status |= failed;
	}
	nftw(directory, remove_one, 4, FTW_DEPTH | FTW_PHYS);
	return status;
}

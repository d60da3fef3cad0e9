// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config_fixture.h"
#include "daemon/check.h"
#include "test.h"

/* What is said of the flags and a file, in which DIR stands for the directory of the test; "" is nothing. */
static const char *checked(const char *flags, const char *body, int *result)
{
	const char *error = configure_file(flags, body);
	char *said = NULL;
	size_t n = 0;
	FILE *f;

	if (!expect_text(error, ""))
		return "";
	f = open_memstream(&said, &n);
	*result = check(&got, f);
	fclose(f);
	done_config();
	return keep_text(said);
}

static char *put(const char *name, const char *content)
{
	char *path = text("%s/%s", temp_dir(), name);

	put_file(path, content, strlen(content));
	return path;
}

static void action(void)
{
	expect_text(configure("--check --hostname-override=n1", NULL), "");
	expect(got.action == CONFIG_CHECK);
	/* Whatever else is asked for, nothing is removed. */
	expect_text(configure("--cleanup --check --hostname-override=n1", NULL), "");
	expect(got.action == CONFIG_CHECK);
	expect_text(configure("--check=false --cleanup --hostname-override=n1", NULL), "");
	expect(got.action == CONFIG_CLEANUP);
	expect_text(configure_file("--check", "nonsense: 1\n"), "FILE:3: nonsense: unknown key");
	expect(got.action == CONFIG_CHECK);
	expect_text(configure_file("--check-config", "nonsense: 1\n"), "FILE:3: nonsense: unknown key");
	expect(got.action == CONFIG_CHECK_CONFIG);
	expect_text(configure_file("", "nonsense: 1\n"), "FILE:3: nonsense: unknown key");
	expect(got.action == CONFIG_RUN);
	done_config();
}

#define KUBECONFIG							\
	"apiVersion: v1\nkind: Config\ncurrent-context: c\n"		\
	"contexts: [{name: c, context: {cluster: c, user: u}}]\n"	\
	"clusters: [{name: c, cluster: {server: 'https://a:1'}}]\n"	\
	"users: [{name: u, user: {%s}}]\n"

static const char *kubeconfig(const char *user, int *result)
{
	char *path = put("kubeconfig", text(KUBECONFIG, user));
	const char *said = checked(text("--check --kubeconfig=%s", path), "", result);
	const char *name = strstr(said, "kubeconfig");

	return name ? text("%s", name) : said;
}

static void access_to_the_api(void)
{
	int r;

	expect_text(kubeconfig("token: abc", &r), "");
	expect_number(r, 0);
	expect_part(kubeconfig("exec: {command: x}", &r),
		    "users[0].user.exec: plugins are not run");
	expect_number(r, -1);
	expect_part(kubeconfig("tokenFile: not-there", &r), "not-there: No such file");
	expect_number(r, -1);
	expect_part(kubeconfig("a: {", &r), "line ");
	expect_number(r, -1);
	expect_part(checked("--check --kubeconfig=/not/there", "", &r), "/not/there: No such file");
	expect_number(r, -1);
	expect_text(checked("--check --master=http://a:1", "", &r), "");
	expect_number(r, 0);
	unsetenv("KUBERNETES_SERVICE_HOST");
	expect_part(checked("--check", "", &r), "not in a pod?");
	expect_number(r, -1);
}

static void notes_are_said(void)
{
	int r;

	expect_part(checked("--check --master=http://a:1 --profiling", "enableProfiling: true\n",
			    &r),
		    ":3: enableProfiling: has no effect\n");
	expect_part(checked("--check --master=http://a:1 --profiling", "", &r),
		    "ksvcd: --profiling: has no effect\n");
	expect_number(r, 0);
}

#define SERVICE(name, ip)								\
	"{\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\": {\"namespace\": \"ns\", "	\
	"\"name\": \"" name "\"}, \"spec\": {\"clusterIP\": \"" ip "\", "			\
	"\"ports\": [{\"port\": 80, \"protocol\": \"TCP\"}]}}\n"

/* What would be left out keeps nothing else from being served. */
static void manifests(void)
{
	const char *dir = text("%s/manifests", temp_dir()), *said;
	const char *flags = text("--check --manifests=%s", dir);
	int r;

	expect_part(checked(flags, "", &r), "manifests: No such file or directory, would be waited for");
	expect_number(r, 0);
	expect(!mkdir(dir, 0700));
	expect_text(checked(flags, "", &r), "");
	put("manifests/a.json", SERVICE("a", "10.96.0.1"));
	expect_text(checked(flags, "", &r), "");
	expect_number(r, 0);
	put("manifests/b.json", SERVICE("b", "10.96.0.400"));
	put("manifests/c.yaml", "kind: Service\nmetadata: {\n");
	put("manifests/d.yaml", "apiVersion: networking.k8s.io/v1\nkind: ServiceCIDR\n"
				"metadata: {name: d}\nspec: {cidrs: [x]}\n");
	put("manifests/e.json", SERVICE("e", "10.96.0.1"));
	said = checked(flags, "", &r);
	expect_number(r, 0);
	expect_part(said, "ns/b: spec.clusterIP: ");
	expect_part(said, "/manifests/c.yaml: ");
	expect_part(said, "line 3");
	expect_part(said, "ServiceCIDR d: spec.cidrs[0]: ");
	expect_part(said, "ns/e");
	expect(!strstr(said, "ns/a:"));
}

const struct test check_tests[] = {
	{ "check: asked for", action },
	{ "check: access to the API server", access_to_the_api },
	{ "check: what has no effect", notes_are_said },
	{ "check: manifests", manifests },
	{}
};

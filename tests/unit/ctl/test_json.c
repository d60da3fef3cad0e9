// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>
#include <unistd.h>

#include "lib/json.h"

static char *outcome(int err, struct model *m, const struct err *e)
{
	char *s = err ? text("error: %s", e->text) : model_text(m);

	model_free(m);
	return s;
}

/* As a file of which no more than a window is in memory. */
static char *saved_in_windows(const char *input, size_t window)
{
	int fd = memfd_create("saved", 0), err;
	struct jwalk_file file;
	struct model m = {};
	struct jwalk w;
	struct err e;
	char path[32];

	expect(write(fd, input, strlen(input)) == (ssize_t)strlen(input));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	expect(!jwalk_open(&w, &file, path, window, &e));
	err = json_read_walk(&w, &m);
	expect(!file.failed);
	jwalk_close(&file);
	close(fd);
	return outcome(err, &m, &e);
}

/* What restore makes of a file, whichever way it is read. */
static char *saved(const char *input)
{
	static const size_t windows[] = { 1, 2, 5, 16, 100, 65536 };
	struct model m = {};
	struct err e;
	char *s;
	int err;

	err = json_read_saved(input, strlen(input), &m, &e);
	s = outcome(err, &m, &e);
	for (size_t i = 0; i < ARRAY_SIZE(windows); i++)
		expect_text(saved_in_windows(input, windows[i]), s);
	return s;
}

static char *written(const struct model *m)
{
	char *s, *kept;
	size_t size;
	FILE *f = open_memstream(&s, &size);

	expect(!json_write_model(f, m, false));
	fclose(f);
	kept = text("%s", s);
	free(s);
	return kept;
}

static void round_trip(void)
{
	struct model m, again = {};
	struct err e;
	char *file;

	model_of(&m, "default/web:http 10.0.0.1:80/tcp [fd00::1]:80/udp -> "
		 "10.1.0.1:8080@7/cluster 10.1.0.2:8080/local [fd01::1]:1@0 10.1.0.3:1/none "
		 "10.1.0.4:1/local,draining; "
		 "all internal-policy=local external-policy=local affinity=60 scheduler=maglev "
		 "maglev-size=4093 on-remove=reset range=10.0.0.0/8 range=fd00::/64 10.0.0.9:80/tcp "
		 "1.2.3.4:80/tcp=external-ip 1.2.3.5:80/tcp=load-balancer 0.0.0.0:30080/tcp=node-port "
		 "[::]:30080/tcp=node-port; "
		 "d\xc3\xa9j\xc3\xa0\"\\\n\t 1.2.3.4:5/sctp");
	expect(!setting_add(&m.settings, setting_find("cluster-cidr"), "10.0.0.0/8", &e));
	expect(!setting_add(&m.settings, setting_find("cluster-cidr"), "fd00::/64", &e));
	expect(!setting_add(&m.settings, setting_find("pod-interface"), "cni*", &e));
	expect(!setting_add(&m.settings, setting_find("nodeport-addresses"), "192.0.2.0/24", &e));
	expect(!setting_add(&m.settings, setting_find("affinity-entries"), "4096", &e));
	m.settings.masquerade_all = true;
	m.settings.localhost_nodeports = true;
	m.settings.has = HAS_ALL_SETTINGS;
	file = written(&m);
	expect(!json_read_saved(file, strlen(file), &again, &e));
	expect_text(model_text(&again), model_text(&m));
	expect_text(written(&again), file);
	expect(again.settings.has == HAS_ALL_SETTINGS && again.settings.masquerade_all);
	expect(again.settings.localhost_nodeports && !again.settings.ping && !again.settings.drop_invalid);
	expect(again.settings.affinity_entries == 4096 && again.settings.nodeport_addresses.n == 1);
	model_free(&m);
	model_free(&again);
}

/* Of settings only those that are known, as an older module does not tell all. */
static void some_settings(void)
{
	struct model m = {};
	struct err e;

	expect(!setting_add(&m.settings, setting_find("ping"), "on", &e));
	expect_text(written(&m), "{\n\"ksvc\": 1,\n\"settings\": {\"ping\": true},\n\"services\": [\n]\n}\n");
	model_free(&m);
}

/* As it was before there were classes and options. */
static void old_files(void)
{
	expect_text(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\",\"frontends\":[\"1.2.3.4:5/tcp\","
			  "{\"address\":\"1.2.3.4:6/tcp\"},{\"address\":\"0.0.0.0:7/udp\",\"class\":\"node-port\"}],"
			  "\"endpoints\":[]}]}"),
		    "a 0.0.0.0:7/udp=node-port 1.2.3.4:5/tcp 1.2.3.4:6/tcp ->");
}

/* Nothing that a reader takes for granted; files of 100,000 services are read in a second by that. */
static void shortest(void)
{
	struct model m;

	model_of(&m, "a affinity=5 10.0.0.1:1/tcp 10.0.0.1:2/tcp=external-ip -> 10.1.0.1:1 10.1.0.2:1@2/local");
	expect_text(written(&m), "{\n\"ksvc\": 1,\n\"services\": [\n"
		    "{\"name\": \"a\", \"affinity\": 5, \"frontends\": [\"10.0.0.1:1/tcp\", "
		    "{\"address\": \"10.0.0.1:2/tcp\", \"class\": \"external-ip\"}], "
		    "\"endpoints\": [{\"address\": \"10.1.0.1:1\"}, "
		    "{\"address\": \"10.1.0.2:1\", \"weight\": 2, \"sets\": [\"local\"]}]}\n]\n}\n");
	model_free(&m);
}

static void unreadable(void)
{
	struct model m = {};
	struct err e;

	expect(json_read_file("/proc/self/mem", &m, &e));
	expect_text(e.text, "/proc/self/mem: Input/output error");
	expect(json_read_file("/nonexistent/file", &m, &e));
	expect_text(e.text, "/nonexistent/file: No such file or directory");
	expect(json_read_file("/dev/zero", &m, &e));
	expect_text(e.text, "/dev/zero: not a saved configuration");
	model_free(&m);
}

/* Blanks, which are read and forgotten. */
static void endless(void)
{
	FILE *f = popen("yes ''", "r");
	struct model m = {};
	struct err e;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fileno(f));
	expect(json_read_file(path, &m, &e));
	expect_part(e.text, ": larger than 256 MB");
	pclose(f);
	model_free(&m);
}

static int until_stop(struct service *s, void *data, struct err *e)
{
	int *n = data;

	++*n;
	return strcmp(s->name, "stop") ? 0 : err_set(e, "stopped") - 10;
}

/* Of what can be read only once, too; the second service ends the reading. */
static void each(void)
{
	FILE *f = popen("printf '{\"ksvc\": 1, \"settings\": {\"ping\": true}, \"services\": ["
			"{\"name\": \"a\"}, {\"name\": \"stop\"}, {\"name\": \"c\"}]}'", "r");
	struct settings settings = {};
	struct jwalk_file file;
	struct jwalk w;
	struct err e;
	char path[32];
	int n = 0;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fileno(f));
	expect(!jwalk_open(&w, &file, path, 16, &e));
	for (int i = 1; i < 3; i++) {
		expect(!jwalk_rewind(&w));
		expect(json_read_each(&w, &settings, until_stop, &n) == -11);
		expect_text(e.text, "stopped");
		expect(n == 2 * i);
	}
	expect(!settings.has);
	jwalk_close(&file);
	pclose(f);
}

static void again(void)
{
	FILE *f = popen("yes ''", "r");
	struct jwalk_file file;
	struct jwalk w;
	struct err e;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fileno(f));
	expect(!jwalk_open(&w, &file, path, 65536, &e));
	expect(jwalk_rewind(&w));
	expect_part(e.text, ": larger than 256 MB");
	jwalk_close(&file);
	pclose(f);
}

/* What is not given does not differ. */
static void difference(void)
{
	static const char *const texts[] = {
		"{}", "{\"ping\": true}", "{\"ping\": false, \"cluster-cidr\": [\"10.0.0.0/8\", \"fd00::/8\"]}",
		"{\"cluster-cidr\": [\"10.0.0.0/8\"]}", "{\"pod-interface\": [\"cali*\"]}",
		"{\"pod-interface\": [\"veth*\"]}", "{\"affinity-entries\": 5}",
		"{\"cluster-cidr\": [\"10.0.0.0/8\", \"fd01::/16\"]}", "{\"masquerade-all\": true}",
	};
	const bool differ[ARRAY_SIZE(texts)] = { false, true, false, true, true, true, true, true, false };
	const char *const is = "{\"ksvc\": 1, \"settings\": {\"ping\": false, \"masquerade-all\": true, "
		"\"affinity-entries\": 4, \"cluster-cidr\": [\"10.0.0.0/8\", \"fd00::/8\"]}}";
	struct model now = {}, wanted;
	char text[256];
	struct err e;

	expect(!json_read_saved(is, strlen(is), &now, &e));
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		memset(&wanted, 0, sizeof(wanted));
		snprintf(text, sizeof(text), "{\"ksvc\": 1, \"settings\": %s}", texts[i]);
		expect(!json_read_saved(text, strlen(text), &wanted, &e));
		expect(settings_differ(&wanted.settings, &now.settings) == differ[i]);
		model_free(&wanted);
	}
	model_free(&now);
}

static void order(void)
{
	struct model a, b;

	model_of(&a, "b 10.0.0.2:1/tcp 10.0.0.1:1/tcp -> 10.1.0.2:1 10.1.0.1:1; a 1.2.3.4:5/tcp");
	model_of(&b, "a 1.2.3.4:5/tcp; b 10.0.0.1:1/tcp 10.0.0.2:1/tcp -> 10.1.0.1:1 10.1.0.2:1");
	expect_text(written(&a), written(&b));
	model_free(&a);
	model_free(&b);
}

static void refused_files(void)
{
	expect_text(saved("{\"ksvc\":1}"), "");
	expect_text(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\",\"frontends\":[\"1.2.3.4:5/tcp\"],\"endpoints\":[{\"address\":\"1.1.1.1:1\"}]}]}"),
		    "a 1.2.3.4:5/tcp -> 1.1.1.1:1@1/cluster,local");
	expect_part(saved("[]"), "not a saved configuration");
	expect_part(saved("{}"), "ksvc: is missing");
	expect_part(saved("{\"ksvc\":2}"), "ksvc: version 2 is not known");
	expect_part(saved("{\"ksvc\":1,\"service\":[]}"), "unknown field \"service\"");
	expect_part(saved("{\"ksvc\":1,\"services\":{}}"), "services: must be a list, not an object");
	expect_part(saved("{\"ksvc\":1,\"services\":[1]}"), "services[0]: must be an object");
	expect_part(saved("{\"ksvc\":1,\"services\":[{}]}"), "services[0].name: is missing");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"\"}]}"), "services[0].name: the service name is empty");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\"},{\"name\":\"a\"}]}"), "\"a\" is given twice");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\",\"frontends\":[\"x\"]}]}"),
		    "services[0].frontends[0]: \"x\" is not ADDR:PORT/PROTO");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\",\"endpoints\":[{}]}]}"),
		    "services[0].endpoints[0].address: is missing");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\",\"endpoints\":[{\"address\":\"1.1.1.1:1@2\"}]}]}"),
		    "endpoints[0].address: \"1.1.1.1:1@2\" is not ADDR:PORT");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\",\"endpoints\":[{\"address\":\"1.1.1.1:1\",\"weight\":65536}]}]}"),
		    "endpoints[0].weight: must be 0 to 65535, not 65536");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\",\"endpoints\":[{\"address\":\"1.1.1.1:1\",\"sets\":[\"x\"]}]}]}"),
		    "endpoints[0].sets: \"x\" is neither");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\",\"scheduler\":\"best\"}]}"),
		    "services[0].scheduler: must be random, rr, wrr, lc, sh or maglev, not \"best\"");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\",\"affinity\":86401}]}"),
		    "services[0].affinity: must be 0 to 86400");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\",\"affinity\":-1}]}"),
		    "services[0].affinity: must be 0 to 86400");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\",\"affinity\":\"60\"}]}"),
		    "services[0].affinity: must be an integer, not a string");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\",\"source-ranges\":[\"10.0.0.0/8\",\"x\"]}]}"),
		    "services[0].source-ranges[1]: \"x\" is not ADDR/LENGTH");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\",\"frontends\":[{\"address\":\"1.2.3.4:5/tcp\",\"class\":\"x\"}]}]}"),
		    "services[0].frontends[0].class: \"x\" is not known");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\",\"frontends\":[{\"class\":\"node-port\"}]}]}"),
		    "services[0].frontends[0].address: is missing");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\",\"frontends\":[5]}]}"),
		    "services[0].frontends[0]: must be a string or an object");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\",\"class\":\"x\"}]}"), "unknown field \"class\"");
	expect_part(saved("{\"ksvc\":1,\"settings\":{\"affinity-entries\":0}}"),
		    "settings.affinity-entries: \"0\" is not a number of 1 to 16777216");
	expect_part(saved("{\"ksvc\":1,\"settings\":{\"ping\":1}}"), "settings.ping: must be true or false");
	expect_part(saved("{\"ksvc\":1,\"settings\":{\"x\":1}}"), "settings: unknown setting \"x\"");
	expect_part(saved("{\"ksvc\":1,\"settings\":{\"masquerade-all\":\"on\"}}"),
		    "settings.masquerade-all: must be true or false");
	expect_part(saved(""), "is empty");
	expect_part(saved("{\"ksvc\":1,\n\"services\":[\n{\"name\":\"a\"},\n  {\"name\":b}]}"), "line 4 column 11: ");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\"}"), "line 1 column 35: ']' expected");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\"},]}"), "line 1 column 36: ");
	expect_part(saved("{\"ksvc\":1,\"services\":[{\"name\":\"a\"}]"), "'}' expected");
	expect_part(saved("{\"ksvc\":1,}"), "line 1 column 11: ");
	expect_part(saved("{\"ksvc\" 1}"), "line 1 column 9: ':' expected");
	expect_part(saved("{\"ksvc\":1} {\"ksvc\":1}"), "more than one saved configuration");
	expect_part(saved("{\"ksvc\":1,\"ksvc\":1}"), "ksvc: is given twice");
	expect_part(saved("{\"services\":[],\"services\":[],\"ksvc\":1}"), "services: is given twice");
	expect_part(saved("{\"services\":[{\"name\":\"a\"}],\"ksvc\":2}"), "ksvc: version 2 is not known");
	expect_part(saved("{\"ksvc\":2,\"services\":[{\"new\":\"a\"}]}"), "ksvc: version 2 is not known");
	expect_part(saved("{1:2}"), "not a saved configuration");
	expect_text(saved("{\"services\":[{\"name\":\"b\"}, {\"name\":\"a\"}], \"ksvc\":1}"), "a ->; b ->");
	expect_text(saved("{\"ksvc\":1,\"services\":null}"), "");
	expect_part(saved("{\"ksvc\":1,\"settings\":{\"cluster-cidr\":[\"10.0.0.1/8\"]}}"),
		    "settings.cluster-cidr[0]: \"10.0.0.1/8\" is not");
}

const struct test json_tests[] = {
	{ "save: there and back", round_trip },
	{ "save: settings that are not known", some_settings },
	{ "save: files of before", old_files },
	{ "save: nothing that goes without saying", shortest },
	{ "save: files that cannot be read", unreadable },
	{ "save: files without an end", endless },
	{ "save: services one by one, and from the beginning again", each },
	{ "save: input without an end, to be read again", again },
	{ "save: settings that differ", difference },
	{ "save: the order is stable", order },
	{ "save: files that are refused name the field", refused_files },
	{}
};

// SPDX-License-Identifier: GPL-2.0
/* Objects that come, change and go: what is wanted follows from those that are there, not from their history. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "k8s_fixture.h"

static const struct k8s_node here = { .name = "here", .zone = "a" };

static json_t *meta(const char *name, const char *version)
{
	json_t *o = json_pack("{s:s,s:s}", "name", name, "namespace", "ns");

	if (version)
		json_object_set_new(o, "resourceVersion", json_string(version));
	return o;
}

static json_t *service(const char *name, const char *ip, int port, const char *version)
{
	return json_pack("{s:o,s:{s:s,s:[{s:i}]}}", "metadata", meta(name, version), "spec", "clusterIP", ip,
			 "ports", "port", port);
}

static json_t *slice(const char *name, const char *of, const char *ip, const char *version)
{
	json_t *m = meta(name, version);

	json_object_set_new(m, "labels", json_pack("{s:s}", "kubernetes.io/service-name", of));
	return json_pack("{s:o,s:s,s:[{s:s,s:i}],s:[{s:[s],s:s}]}", "metadata", m, "addressType", "IPv4",
			 "ports", "name", "", "port", 8080, "endpoints", "addresses", ip, "nodeName", "here");
}

static int put(struct k8s *k, enum k8s_kind kind, json_t *o)
{
	struct err e;
	int r = k8s_put(k, kind, o, &e);

	json_decref(o);
	return r;
}

/* What is wanted, after an update that settles. */
static char *wanted(struct k8s *k)
{
	struct model m = {};
	char *s;

	k->node = &here;
	k8s_update(k);
	for (size_t i = 0; i < k->changed.n; i++)
		k8s_settled(k, k->changed.list[i]);
	k->changed.n = 0;
	k8s_wanted(k, &m);
	s = model_text(&m);
	free(m.services);
	return s;
}

static void lives(void)
{
	struct k8s k = {};

	expect(put(&k, K8S_SLICE, slice("x", "a", "10.1.0.1", NULL)) == 1);
	expect_text(wanted(&k), "");
	expect(put(&k, K8S_SERVICE, service("a", "10.96.0.1", 80, NULL)) == 1);
	expect_text(wanted(&k), "ns/a 10.96.0.1:80/tcp -> 10.1.0.1:8080@1/cluster,local");
	expect(put(&k, K8S_SLICE, slice("x", "a", "10.1.0.2", NULL)) == 0);
	expect_text(wanted(&k), "ns/a 10.96.0.1:80/tcp -> 10.1.0.2:8080@1/cluster,local");
	/* U3: it leaves the service that it was of. */
	put(&k, K8S_SERVICE, service("b", "10.96.0.2", 80, NULL));
	put(&k, K8S_SLICE, slice("x", "b", "10.1.0.2", NULL));
	expect_text(wanted(&k), "ns/a 10.96.0.1:80/tcp ->; ns/b 10.96.0.2:80/tcp -> 10.1.0.2:8080@1/cluster,local");
	k8s_del(&k, K8S_SLICE, "ns", "x");
	k8s_del(&k, K8S_SLICE, "ns", "x");
	k8s_del(&k, K8S_SERVICE, "ns", "a");
	k8s_del(&k, K8S_SERVICE, "other", "b");
	expect_text(wanted(&k), "ns/b 10.96.0.2:80/tcp ->");
	k8s_del(&k, K8S_SERVICE, "ns", "b");
	expect_text(wanted(&k), "");
	expect(!k.entries.n && !k.slices.n && !k.claims.n && !k.n_services);
	k8s_free(&k);
}

static void only_what_changed(void)
{
	struct k8s k = {};

	put(&k, K8S_SERVICE, service("a", "10.96.0.1", 80, "1"));
	put(&k, K8S_SERVICE, service("b", "10.96.0.2", 80, "1"));
	wanted(&k);
	put(&k, K8S_SLICE, slice("x", "b", "10.1.0.1", "2"));
	k8s_update(&k);
	expect(k.changed.n == 1 && !strcmp(k.changed.list[0]->name, "b"));
	wanted(&k);
	/* The same version again is no change, whatever it says. */
	put(&k, K8S_SLICE, slice("x", "b", "10.1.0.7", "2"));
	put(&k, K8S_SERVICE, service("b", "10.96.0.7", 80, "1"));
	expect(!k.dirty.n);
	put(&k, K8S_SLICE, slice("x", "b", "10.1.0.7", "3"));
	expect(k.dirty.n == 1);
	k8s_free(&k);
}

static void broken(void)
{
	struct k8s k = {};
	char *before;

	put(&k, K8S_SERVICE, service("a", "10.96.0.1", 80, NULL));
	put(&k, K8S_SLICE, slice("x", "a", "10.1.0.1", NULL));
	before = wanted(&k);
	expect(put(&k, K8S_SERVICE, service("a", "10.96.0.1", 0, NULL)) == -1);
	expect(put(&k, K8S_SLICE, slice("x", "a", "10.1.0", NULL)) == -1);
	expect(put(&k, K8S_SLICE, json_array()) == -1);
	expect(put(&k, K8S_SERVICE, json_pack("{s:{s:i}}", "metadata", "name", 1)) == -1);
	expect_text(wanted(&k), before);
	k8s_free(&k);
}

static void lists(void)
{
	struct k8s k = {};

	put(&k, K8S_SERVICE, service("a", "10.96.0.1", 80, "1"));
	put(&k, K8S_SERVICE, service("b", "10.96.0.2", 80, "1"));
	put(&k, K8S_SLICE, slice("x", "a", "10.1.0.1", NULL));
	k8s_list_begin(&k, K8S_SERVICE);
	put(&k, K8S_SERVICE, service("b", "10.96.0.2", 80, "1"));
	put(&k, K8S_SERVICE, service("c", "10.96.0.3", 80, "1"));
	/* One that breaks off deletes nothing. */
	expect_text(wanted(&k), "ns/a 10.96.0.1:80/tcp -> 10.1.0.1:8080@1/cluster,local; "
				"ns/b 10.96.0.2:80/tcp ->; ns/c 10.96.0.3:80/tcp ->");
	k8s_list_begin(&k, K8S_SERVICE);
	put(&k, K8S_SERVICE, service("b", "10.96.0.2", 80, "1"));
	k8s_list_end(&k, K8S_SERVICE);
	expect_text(wanted(&k), "ns/b 10.96.0.2:80/tcp ->");
	k8s_list_begin(&k, K8S_SLICE);
	k8s_list_end(&k, K8S_SLICE);
	expect(!k.slices.n && k.entries.n == 2);
	wanted(&k);
	expect(k.entries.n == 1);
	k8s_free(&k);
}

static void too_many(void)
{
	json_t *o = slice("x", "a", "10.1.0.1", NULL), *list = json_object_get(o, "endpoints");
	struct k8s k = {};
	struct err e = {};

	for (int i = 1; i < 65535; i++)
		json_array_append(list, json_array_get(list, 0));
	expect(k8s_put(&k, K8S_SLICE, o, &e) == 1);
	json_array_append(list, json_array_get(list, 0));
	expect(k8s_put(&k, K8S_SLICE, o, &e) == -1);
	expect_text(e.text, "EndpointSlice ns/x: endpoints: has more than 65535 entries");
	expect(k.slices.n == 1);
	json_decref(o);
	k8s_free(&k);
}

/* What a list has, but nobody can read, is as it was when it could be. */
static void broken_in_lists(void)
{
	struct k8s k = {};
	json_t *labels;
	char *before;

	put(&k, K8S_SERVICE, service("a", "10.96.0.1", 80, "1"));
	put(&k, K8S_SLICE, slice("x", "a", "10.1.0.1", "1"));
	put(&k, K8S_SERVICE, service("labels", "10.96.0.3", 80, "1"));
	put(&k, K8S_SERVICE, service("unread", "10.96.0.4", 80, "1"));
	before = wanted(&k);
	k8s_list_begin(&k, K8S_SERVICE);
	k8s_list_begin(&k, K8S_SLICE);
	expect(put(&k, K8S_SERVICE, service("a", "10.96.0.1", 0, "2")) == -1);
	expect(put(&k, K8S_SERVICE, service("new", "10.96.0.2", 0, "2")) == -1);
	labels = service("labels", "10.96.0.3", 80, "2");
	json_object_set_new(json_object_get(labels, "metadata"), "labels", json_true());
	expect(put(&k, K8S_SERVICE, labels) == -1);
	k8s_keep(&k, K8S_SERVICE, "ns", "unread");
	k8s_keep(&k, K8S_SERVICE, "ns", "never there");
	expect(put(&k, K8S_SLICE, slice("x", "a", "10.1.0", "2")) == -1);
	k8s_list_end(&k, K8S_SERVICE);
	k8s_list_end(&k, K8S_SLICE);
	expect_text(wanted(&k), before);
	put(&k, K8S_SLICE, slice("x", "a", "10.1.0.2", "3"));
	expect_text(wanted(&k), "ns/a 10.96.0.1:80/tcp -> 10.1.0.2:8080@1/cluster,local; "
		    "ns/labels 10.96.0.3:80/tcp ->; ns/unread 10.96.0.4:80/tcp ->");
	k8s_list_begin(&k, K8S_SERVICE);
	k8s_list_end(&k, K8S_SERVICE);
	expect_text(wanted(&k), "");
	k8s_free(&k);
}

static void claims(void)
{
	struct k8s k = {};

	put(&k, K8S_SERVICE, service("b", "10.96.0.1", 80, NULL));
	expect_text(wanted(&k), "ns/b 10.96.0.1:80/tcp ->");
	/* Who comes first by name takes it, although later. */
	put(&k, K8S_SERVICE, service("a", "10.96.0.1", 80, NULL));
	expect_text(wanted(&k), "ns/a 10.96.0.1:80/tcp ->");
	put(&k, K8S_SERVICE, service("a", "10.96.0.1", 81, NULL));
	expect_text(wanted(&k), "ns/a 10.96.0.1:81/tcp ->; ns/b 10.96.0.1:80/tcp ->");
	put(&k, K8S_SERVICE, service("a", "10.96.0.1", 80, NULL));
	wanted(&k);
	k8s_del(&k, K8S_SERVICE, "ns", "a");
	expect_text(wanted(&k), "ns/b 10.96.0.1:80/tcp ->");
	k8s_free(&k);
}

/* The health port of such a Service. */
/* How many warnings an update makes. */
static size_t warned_by_update(struct k8s *k)
{
	size_t n;

	k8s_update(k);
	n = k->warnings.n;
	k8s_texts_clear(&k->warnings);
	k8s_texts_clear(&k->notes);
	return n;
}

/* By a loser's own events not again; but when it is of another frontend, or once more. */
static void warnings_once(void)
{
	struct k8s k = { .node = &here };

	put(&k, K8S_SERVICE, service("a", "10.96.0.1", 80, "1"));
	put(&k, K8S_SERVICE, service("b", "10.96.0.1", 80, "1"));
	expect(warned_by_update(&k) == 2);
	put(&k, K8S_SLICE, slice("b-1", "b", "10.0.0.1", "1"));
	expect(warned_by_update(&k) == 0);
	put(&k, K8S_SLICE, slice("b-1", "b", "10.0.0.2", "2"));
	expect(warned_by_update(&k) == 0);
	put(&k, K8S_SERVICE, service("a", "10.96.0.1", 81, "2"));
	expect(warned_by_update(&k) == 0);
	put(&k, K8S_SERVICE, service("b", "10.96.0.1", 81, "2"));
	expect(warned_by_update(&k) == 2);
	put(&k, K8S_SERVICE, service("a", "10.96.0.2", 81, "3"));
	expect(warned_by_update(&k) == 0);
	put(&k, K8S_SERVICE, service("a", "10.96.0.1", 81, "4"));
	expect(warned_by_update(&k) == 2);
	k8s_free(&k);
}

static unsigned int health_port(const char *type, const char *policy, int port)
{
	json_t *o = service("a", "10.96.0.1", 80, NULL), *spec = json_object_get(o, "spec");
	struct k8s k = {};
	unsigned int got;

	json_object_set_new(spec, "type", json_string(type));
	json_object_set_new(spec, "externalTrafficPolicy", json_string(policy));
	json_object_set_new(spec, "healthCheckNodePort", json_integer(port));
	put(&k, K8S_SERVICE, o);
	got = k8s_find(&k, "ns", "a")->service->health_port;
	k8s_free(&k);
	return got;
}

static void health(void)
{
	json_t *o = service("a", "10.96.0.1", 80, NULL), *spec = json_object_get(o, "spec"), *draining;
	struct k8s k = {};

	expect(health_port("LoadBalancer", "Local", 30000) == 30000);
	expect(health_port("LoadBalancer", "Local", 0) == 0);
	expect(health_port("LoadBalancer", "Cluster", 30000) == 0);
	expect(health_port("NodePort", "Local", 30000) == 0);

	json_object_update_new(spec, json_pack("{s:s,s:s,s:i}", "type", "LoadBalancer", "externalTrafficPolicy",
					       "Local", "healthCheckNodePort", 30000));
	put(&k, K8S_SERVICE, o);
	put(&k, K8S_SLICE, slice("x", "a", "10.1.0.1", NULL));
	put(&k, K8S_SLICE, slice("y", "a", "10.1.0.1", NULL));
	put(&k, K8S_SLICE, slice("z", "a", "10.1.0.2", NULL));
	o = slice("far", "a", "10.1.0.3", NULL);
	json_object_set_new(json_array_get(json_object_get(o, "endpoints"), 0), "nodeName", json_string("there"));
	put(&k, K8S_SLICE, o);
	wanted(&k);
	expect(k8s_find(&k, "ns", "a")->local_ready[K8S_V4] == 2);
	expect(k8s_find(&k, "ns", "a")->local_ready[K8S_V6] == 0);
	/* It still gets connections, and does not count. */
	o = slice("z", "a", "10.1.0.2", NULL);
	draining = json_pack("{s:b,s:b,s:b}", "ready", 0, "serving", 1, "terminating", 1);
	json_object_set_new(json_array_get(json_object_get(o, "endpoints"), 0), "conditions", draining);
	put(&k, K8S_SLICE, o);
	wanted(&k);
	expect(k8s_find(&k, "ns", "a")->local_ready[K8S_V4] == 1);
	/* E4 is about one port: what is not ready at this one is at another. */
	o = slice("w", "a", "10.1.0.2", NULL);
	json_array_clear(json_object_get(o, "ports"));
	json_array_append_new(json_object_get(o, "ports"), json_pack("{s:s,s:i}", "name", "other", "port", 81));
	json_object_set_new(json_array_get(json_object_get(o, "endpoints"), 0), "conditions",
			    json_pack("{s:b,s:b,s:b}", "ready", 1, "serving", 1, "terminating", 1));
	put(&k, K8S_SLICE, o);
	o = slice("z", "a", "10.1.0.2", NULL);
	json_object_set_new(json_array_get(json_object_get(o, "endpoints"), 0), "conditions",
			    json_pack("{s:b}", "ready", 0));
	put(&k, K8S_SLICE, o);
	wanted(&k);
	expect(k8s_find(&k, "ns", "a")->local_ready[K8S_V4] == 2);
	k8s_free(&k);
}

static void reload(void)
{
	struct model actual = {};
	struct k8s k = {};

	put(&k, K8S_SERVICE, service("a", "10.96.0.1", 80, NULL));
	put(&k, K8S_SERVICE, service("b", "10.96.0.2", 80, NULL));
	wanted(&k);
	model_of(&actual, "by-hand 10.96.0.9:80/tcp ->; ns/a 10.96.0.1:81/tcp ->; ns/a:old 10.96.0.3:81/tcp ->; "
			  "ns/gone 10.96.0.4:80/tcp ->");
	k8s_reload(&k, &actual);
	expect_text(model_text(&actual), "by-hand 10.96.0.9:80/tcp ->; ns/gone 10.96.0.4:80/tcp ->");
	expect(k.changed.n == 2);
	for (size_t i = 0; i < k.changed.n; i++) {
		const struct k8s_entry *entry = k.changed.list[i];
		struct model m = { .services = entry->in_force, .n_services = entry->n_in_force };

		expect_text(model_text(&m), strcmp(entry->name, "a") ? "" :
			    "ns/a 10.96.0.1:81/tcp ->; ns/a:old 10.96.0.3:81/tcp ->");
	}
	expect_text(wanted(&k), "ns/a 10.96.0.1:80/tcp ->; ns/b 10.96.0.2:80/tcp ->");
	model_free(&actual);
	k8s_free(&k);
}

/* Everything that is there, taken in by a collection that knows nothing else. */
static char *from_scratch(json_t *const *objects, size_t n)
{
	struct k8s k = {};
	char *s;

	for (size_t i = 0; i < n; i++)
		if (objects[i])
			put(&k, i < n / 2 ? K8S_SERVICE : K8S_SLICE, json_incref(objects[i]));
	s = wanted(&k);
	k8s_free(&k);
	return s;
}

#define SOME	8

static json_t *any_object(bool is_service, size_t i)
{
	char name[2] = { 'a' + i }, of[2] = { 'a' + rand() % SOME };
	char *ip = text("10.96.0.%d", rand() % 4), *ep = text("10.1.0.%d", 1 + rand() % 4);

	return is_service ? service(name, ip, 80 + rand() % 2, NULL) : slice(name, of, ep, NULL);
}

static void any_history(void)
{
	json_t *objects[2 * SOME] = {};
	struct k8s k = {};

	srand(1);
	for (int step = 0; step < 3000; step++) {
		size_t i = rand() % (2 * SOME);
		bool is_service = i < SOME;
		enum k8s_kind kind = is_service ? K8S_SERVICE : K8S_SLICE;
		char name[2] = { 'a' + i % SOME };

		json_decref(objects[i]);
		objects[i] = rand() % 3 ? any_object(is_service, i % SOME) : NULL;
		if (objects[i])
			put(&k, kind, json_incref(objects[i]));
		else
			k8s_del(&k, kind, "ns", name);
		if (!(rand() % 50)) {
			struct model nothing = {};

			k8s_reload(&k, &nothing);
		}
		if (rand() % 2 && !expect_text(wanted(&k), from_scratch(objects, 2 * SOME)))
			break;
	}
	for (size_t i = 0; i < 2 * SOME; i++)
		json_decref(objects[i]);
	k8s_free(&k);
}

const struct test k8s_store_tests[] = {
	{ "store: objects come, move and go", lives },
	{ "store: only what changed is compiled", only_what_changed },
	{ "store: a broken object leaves the last good one", broken },
	{ "store: what a list lacks is gone", lists },
	{ "store: what cannot be read in a list stays", broken_in_lists },
	{ "store: a slice with more endpoints than the kernel takes", too_many },
	{ "store: claims are settled by names, not by time", claims },
	{ "store: a lost frontend is told of once", warnings_once },
	{ "store: what is in force, as found", reload },
	{ "store: health ports and what they count (H1, H3)", health },
	{ "store: any history gives what its last state gives", any_history },
	{}
};

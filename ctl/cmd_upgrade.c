// SPDX-License-Identifier: GPL-2.0
/*
 * upgrade: another module in place of the loaded one, without losing
 * connections. Those are conntrack's, and while ksvc is away an nftables chain
 * holds what they need:
 *
 * - its type nat holds the NAT hooks, which translate their packets and exist
 *   as long as someone in the namespace uses them;
 * - a ct expression holds connection tracking in the same way;
 * - a masquerade expression holds nf_nat_masquerade's device notifier: when
 *   its last user goes, it hears of every device as going down, and deletes
 *   all masqueraded connections.
 *
 * Only new connections to services have to wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <nftables/libnftables.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kmodule.h"
#include "ksvcctl.h"
#include "lib/apply.h"
#include "lib/json.h"
#include "netns.h"

#define SAVE_DIR	"/run/ksvc"
#define HOLD_TABLE	"ksvc-upgrade"
#define BUSY_PAUSE	(50 * 1000 * 1000)	/* nanoseconds */
#define BUSY_TRIES	200

struct place {
	const struct netns *ns;
	struct nl_info info;
	struct model model;		/* what to restore */
	char *file;			/* its copy, in case this process dies */
	bool held;
};

struct upgrade {
	const char *module;		/* NULL: what modprobe finds */
	struct netns_list all;
	struct place *places;
	size_t n_places;
};

static int in_place(const struct place *p, struct err *e)
{
	err_prefix(e, "network namespace %s: ", p->ns->path);
	return -1;
}

/* Adds the namespace if ksvc has anything in it. */
static int look(struct upgrade *u, const struct netns *ns, struct err *e)
{
	struct place p = { .ns = ns };
	struct nl *nl = NULL;
	int err;

	err = netns_enter(ns, e);
	if (!err)
		err = nl_open(&nl, e);
	if (!err)
		err = nl_info(nl, &p.info, e);
	if (!err)
		err = nl_settings_get(nl, &p.model.settings, e);
	nl_close(nl);
	if (!err && (p.info.active || p.info.services ||
		     !settings_are_default(&p.model.settings))) {
		xgrow(&u->places, u->n_places, sizeof(p));
		u->places[u->n_places++] = p;
		return 0;
	}
	model_free(&p.model);
	return err;
}

static int look_everywhere(struct upgrade *u, struct err *e)
{
	uint32_t active = 0, wanted = 0;
	int err = netns_find(&u->all, e);

	for (size_t i = 0; i < u->all.n && !err; i++)
		err = look(u, &u->all.list[i], e);
	for (size_t i = 0; i < u->n_places && !err; i++) {
		active += u->places[i].info.active;
		wanted = u->places[i].info.namespaces;
	}
	if (!err && active < wanted)
		err = err_set(e, "ksvc is active in %u network namespaces, %u were found in /run/netns and /proc: give the others a name, or end what holds them",
			      wanted, active);
	return err;
}

static int write_file(struct place *p, struct err *e)
{
	FILE *f;
	int err;

	free(p->file);
	p->file = xasprintf(SAVE_DIR "/upgrade-%llu.json", (unsigned long long)p->ns->inode);
	f = fopen(p->file, "we");
	err = f ? json_write_model(f, &p->model, false) : -1;
	if (err)
		err_set(e, "%s: %s", p->file, strerror(errno));
	if (f && fclose(f) && !err)
		err = err_set(e, "%s: %s", p->file, strerror(errno));
	return err;
}

/* Late, so that little can change between this and the end of the module. */
static int save(struct place *p, struct err *e)
{
	struct nl *nl = NULL;
	int err;

	model_free(&p->model);
	err = netns_enter(p->ns, e);
	if (!err)
		err = nl_open(&nl, e);
	if (!err)
		err = nl_services(nl, NULL, &p->model, e);
	if (!err)
		err = nl_settings_get(nl, &p->model.settings, e);
	nl_close(nl);
	return err ? in_place(p, e) : write_file(p, e);
}

static int nft(const char *command, struct err *e)
{
	struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	int err;

	if (!ctx)
		return err_set(e, "libnftables does not start");
	nft_ctx_buffer_error(ctx);
	err = nft_run_cmd_from_buffer(ctx, command);
	if (err)
		err_set(e, "nft %s: %s", command, nft_ctx_get_error_buffer(ctx));
	nft_ctx_free(ctx);
	return err ? -1 : 0;
}

static int hold(struct place *p, struct err *e)
{
	if (netns_enter(p->ns, e) ||
	    nft("add table inet " HOLD_TABLE "; "
		"add chain inet " HOLD_TABLE " hold { type nat hook postrouting priority 300; }; "
		"add rule inet " HOLD_TABLE " hold ct state invalid masquerade", e))
		return in_place(p, e);
	p->held = true;
	return 0;
}

static int let_go(struct place *p, struct err *e)
{
	if (!p->held)
		return 0;
	if (netns_enter(p->ns, e) || nft("delete table inet " HOLD_TABLE, e))
		return in_place(p, e);
	p->held = false;
	return 0;
}

/*
 * Connections of services that are no more still want their translation
 * undone. Any service makes ksvc stay; this one gets no packets, as its
 * address is the discard prefix's, and is gone at once.
 */
static int activate(struct nl *nl, struct err *e)
{
	struct service s;
	struct frontend f;
	struct op op = { .type = OP_SERVICE_PUT, .service = &s };
	int err = frontend_parse("[100::1]:1/udp", &f, e);

	if (err)
		return err;
	service_init(&s, HOLD_TABLE);
	service_add_frontend(&s, &f);
	op.mode = KSVC_MODE_CREATE;
	err = apply_op(nl, &op, e);
	op.type = OP_SERVICE_DEL;
	if (!err)
		err = apply_op(nl, &op, e);
	service_free(&s);
	return err;
}

static int restore(struct place *p, struct err *e)
{
	struct nl_commit commit;
	struct nl *nl = NULL;
	int err = netns_enter(p->ns, e);

	if (!err)
		err = nl_open(&nl, e);
	if (!err)
		err = apply_restore(nl, &p->model, &commit, e);
	if (!err && p->info.active && !p->model.n_services)
		err = activate(nl, e);
	nl_close(nl);
	return err ? in_place(p, e) : 0;
}

/* Back to the start: the old module is still there. */
static void undo(struct upgrade *u)
{
	struct err e;

	for (size_t i = 0; i < u->n_places; i++) {
		struct place *p = &u->places[i];

		if (let_go(p, &e))
			warn_user(e.text);
		if (p->file)
			unlink(p->file);
	}
}

/* Until this process ends. Of two at once, one would let go of what the other holds. */
static int lock(struct err *e)
{
	int fd;

	if (mkdir(SAVE_DIR, 0700) && errno != EEXIST)
		return err_set(e, SAVE_DIR ": %s", strerror(errno));
	fd = open(SAVE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
		return err_set(e, SAVE_DIR ": %s", errno == EWOULDBLOCK ?
			       "another upgrade is going on" : strerror(errno));
	return 0;
}

static int save_and_unload(struct upgrade *u, struct err *e)
{
	int err = 0;

	for (size_t i = 0; i < u->n_places && !err; i++)
		err = save(&u->places[i], e);
	if (!err)
		err = netns_enter(&u->all.list[0], e);
	return err ? err : kmodule_unload(e);
}

/* A page of ksvcd's metrics, for one, reads for as long as it takes to write it. */
static int replace(struct upgrade *u, struct err *e)
{
	const struct timespec pause = { .tv_nsec = BUSY_PAUSE };
	int err = save_and_unload(u, e);

	for (int i = 0; i < BUSY_TRIES && err == KMODULE_BUSY; i++) {
		nanosleep(&pause, NULL);
		err = save_and_unload(u, e);
	}
	if (err == KMODULE_BUSY)
		err_set(e, "ksvc is being read from all the time, perhaps by scrapes of ksvcd's metrics: try again without them");
	return err;
}

static int prepare(struct upgrade *u, struct err *e)
{
	int err = kmodule_prepare(u->module, e);

	if (!err)
		err = lock(e);
	if (!err)
		err = look_everywhere(u, e);
	for (size_t i = 0; i < u->n_places && !err; i++)
		err = hold(&u->places[i], e);
	if (!err)
		err = replace(u, e);
	if (err)
		undo(u);
	return err;
}

static void say_what_is_left(const struct upgrade *u, bool loaded)
{
	char *text = xasprintf("%s; connections go on, new ones to services do not. Each namespace below keeps its nftables table inet " HOLD_TABLE "; then: %sksvcctl restore -f FILE and nft delete table inet " HOLD_TABLE " in it",
			       loaded ? "the new module is loaded, but not configured" :
			       "NO module ksvc is loaded",
			       loaded ? "" : "modprobe ksvc, ");

	warn_user(text);
	free(text);
	for (size_t i = 0; i < u->n_places; i++) {
		if (!u->places[i].held)
			continue;
		text = xasprintf("network namespace %s: saved in %s", u->places[i].ns->path,
				 u->places[i].file);
		warn_user(text);
		free(text);
	}
}

/* Puts something in place of the module that is gone. */
static int load(const struct upgrade *u, struct err *e)
{
	int err = kmodule_load(u->module, e);
	struct err again;

	if (!err)
		return 0;
	if (!u->module || kmodule_load(NULL, &again)) {
		say_what_is_left(u, false);
		return -1;
	}
	warn_user(e->text);
	warn_user("the module that modprobe finds was loaded instead");
	return 1;
}

static int finish(struct upgrade *u, struct err *e)
{
	int err = 0;

	for (size_t i = 0; i < u->n_places; i++) {
		struct place *p = &u->places[i];

		if (restore(p, e) || let_go(p, e)) {
			warn_user(e->text);
			err = -1;
		} else {
			unlink(p->file);
		}
	}
	if (err) {
		say_what_is_left(u, true);
		err_set(e, "not all is restored");
	}
	return err;
}

static int report(const struct upgrade *u)
{
	json_t *o;

	if (!global.json) {
		printf("upgraded; %zu network namespaces restored\n", u->n_places);
		return finish_output();
	}
	o = json_object();
	json_object_set_new(o, "namespaces", json_integer(u->n_places));
	return print_json(o);
}

static int upgrade(struct upgrade *u)
{
	struct err e;
	int loaded;

	if (prepare(u, &e))
		return refused(&e);
	loaded = load(u, &e);
	if (loaded < 0 || finish(u, &e))
		return refused(&e);
	return loaded ? STATUS_REFUSED : report(u);
}

int cmd_upgrade(int argc, char **argv)
{
	static const struct option options[] = {
		GLOBAL_OPTIONS,
		{ "module", required_argument, NULL, OPT_MODULE },
		{}
	};
	struct upgrade u = {};
	int c, status;

	while ((c = getopt_long(argc, argv, "hjv", options, NULL)) != -1) {
		if (c == OPT_MODULE)
			u.module = optarg;
		else if (!global_option(c, &status))
			return status;
	}
	if (optind < argc)
		return usage_error("unexpected argument \"%s\"", argv[optind]);
	if (global.netns)
		return usage_error("--netns: a module is one for all namespaces");
	status = upgrade(&u);
	for (size_t i = 0; i < u.n_places; i++) {
		model_free(&u.places[i].model);
		free(u.places[i].file);
	}
	free(u.places);
	netns_free(&u.all);
	return status;
}

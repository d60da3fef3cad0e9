// SPDX-License-Identifier: GPL-2.0
/* doctor: what keeps ksvc from working on this machine, and the way out. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "ksvcctl.h"

#define SECURE_BOOT \
	"/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

void found(struct doctor *d, const char *check, enum finding_status status,
	   const char *fmt, ...)
{
	struct finding *f;
	va_list ap;

	xgrow(&d->findings, d->n_findings, sizeof(*f));
	f = &d->findings[d->n_findings++];
	f->check = check;
	f->status = status;
	va_start(ap, fmt);
	if (vasprintf(&f->text, fmt, ap) < 0)
		f->text = xstrdup("out of memory");
	va_end(ap);
}

static size_t read_some(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		return 0;
	n = fread(buf, 1, size - 1, f);
	fclose(f);
	buf[n] = '\0';
	return n;
}

long read_number(const char *path)
{
	char buf[64];

	return read_some(path, buf, sizeof(buf)) ? strtol(buf, NULL, 10) : -1;
}

bool has_family(const struct model *m, uint16_t family)
{
	for (size_t i = 0; i < m->n_services; i++)
		for (uint32_t j = 0; j < m->services[i].n_frontends; j++)
			if (m->services[i].frontends[j].addr.family == family)
				return true;
	return false;
}

static void check_module(struct doctor *d)
{
	struct nl *nl = NULL;
	struct err e;
	int err;

	err = open_module(&nl, &e);
	if (!err)
		err = nl_info(nl, &d->info, &e);
	if (!err)
		err = nl_services(nl, NULL, &d->model, &e);
	if (!err)
		err = nl_settings_get(nl, &d->model.settings, &e);
	nl_close(nl);
	d->loaded = !err;
	if (err)
		found(d, "module", FINDING_FAIL, "%s", e.text);
	else if (strcmp(d->info.version, KSVC_VERSION))
		found(d, "module", FINDING_WARN,
		      "module %s and tool %s differ: install one version of both, then ksvcctl upgrade",
		      d->info.version, KSVC_VERSION);
	else
		found(d, "module", FINDING_OK, "%s is loaded; %u services, active in %u namespaces",
		      d->info.version, d->info.services, d->info.namespaces);
}

/* What keeps modules without signature out, or NULL. */
static const char *signature_wanted(void)
{
	char buf[256];

	if (read_some("/sys/kernel/security/lockdown", buf, sizeof(buf)) && !strstr(buf, "[none]"))
		return "kernel lockdown";
	if (read_some(SECURE_BOOT, buf, sizeof(buf)) >= 5 && buf[4] == 1)
		return "secure boot";
	if (read_some("/sys/module/module/parameters/sig_enforce", buf, sizeof(buf)) && *buf == 'Y')
		return "module.sig_enforce";
	return NULL;
}

static void check_lockdown(struct doctor *d)
{
	const char *why = signature_wanted();

	if (!why)
		found(d, "lockdown", FINDING_OK, "modules without signature may be loaded");
	else if (d->loaded)
		found(d, "lockdown", FINDING_OK, "%s is on, and the module is loaded all the same",
		      why);
	else
		found(d, "lockdown", FINDING_FAIL,
		      "%s is on: sign ksvc.ko with a key enrolled by mokutil --import, or switch it off",
		      why);
}

static void check_conntrack(struct doctor *d)
{
	long max = read_number("/proc/sys/net/netfilter/nf_conntrack_max");
	long count = read_number("/proc/sys/net/netfilter/nf_conntrack_count");
	long buckets = read_number("/proc/sys/net/netfilter/nf_conntrack_buckets");

	if (max < 0 || count < 0) {
		found(d, "conntrack", d->loaded ? FINDING_FAIL : FINDING_WARN,
		      "connection tracking is not there: modprobe nf_conntrack");
		return;
	}
	if (max && count >= max - max / 20)
		found(d, "conntrack", FINDING_FAIL,
		      "the table is full, %ld of %ld entries: raise net.netfilter.nf_conntrack_max",
		      count, max);
	else if (max && count >= max - max / 4)
		found(d, "conntrack", FINDING_WARN,
		      "the table fills up, %ld of %ld entries: raise net.netfilter.nf_conntrack_max",
		      count, max);
	else if (buckets > 0 && max > 8 * buckets)
		found(d, "conntrack", FINDING_WARN,
		      "%ld entries in %ld buckets are slow to find: raise net.netfilter.nf_conntrack_buckets",
		      max, buckets);
	else
		found(d, "conntrack", FINDING_OK, "%ld of %ld entries in use, %ld buckets",
		      count, max, buckets);
}

static const char *status_name(enum finding_status status)
{
	static const char *const names[] = { "ok", "warn", "fail" };

	return names[status];
}

static int print_findings(const struct doctor *d)
{
	json_t *array;

	if (!global.json) {
		for (size_t i = 0; i < d->n_findings; i++)
			printf("%-4s  %-14s %s\n", status_name(d->findings[i].status),
			       d->findings[i].check, d->findings[i].text);
		return finish_output();
	}
	array = json_array();
	for (size_t i = 0; i < d->n_findings; i++) {
		json_t *o = json_object();

		json_object_set_new(o, "check", json_string(d->findings[i].check));
		json_object_set_new(o, "status",
				    json_string(status_name(d->findings[i].status)));
		json_object_set_new(o, "text", json_string(d->findings[i].text));
		json_array_append_new(array, o);
	}
	return print_json(array);
}

int cmd_doctor(int argc, char **argv)
{
	struct doctor d = {};
	bool failed = false;
	struct err e;
	int status;

	if (only_global_options(argc, argv, &status))
		return status;
	if (optind < argc)
		return usage_error("unexpected argument \"%s\"", argv[optind]);
	/* Or all that follows would be about another namespace than the one asked for. */
	if (enter_namespace(&e))
		return refused(&e);
	check_module(&d);
	check_lockdown(&d);
	check_conntrack(&d);
	doctor_forwarding(&d);
	doctor_routes(&d);
	doctor_bridges(&d);
	doctor_kube_proxy(&d);
	status = print_findings(&d);
	for (size_t i = 0; i < d.n_findings; i++) {
		failed |= d.findings[i].status == FINDING_FAIL;
		free(d.findings[i].text);
	}
	free(d.findings);
	model_free(&d.model);
	return failed ? STATUS_REFUSED : status;
}

// SPDX-License-Identifier: GPL-2.0
#include "diff.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

struct op *op_add(struct op_list *list, enum op_type type, enum ksvc_mode mode,
		  const struct service *service)
{
	struct op *op;

	xgrow(&list->ops, list->n, sizeof(*op));
	op = &list->ops[list->n++];
	memset(op, 0, sizeof(*op));
	op->type = type;
	op->mode = mode;
	op->service = service;
	return op;
}

void op_add_endpoint(struct op *op, const struct endpoint *ep)
{
	xgrow(&op->endpoints, op->n_endpoints, sizeof(*ep));
	op->endpoints[op->n_endpoints++] = *ep;
}

void op_list_free(struct op_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->ops[i].endpoints);
	free(list->ops);
	memset(list, 0, sizeof(*list));
}

/* A frontend of another class is another one. */
static int frontend_class_cmp(const void *a, const void *b)
{
	const struct frontend *x = a, *y = b;
	int r = frontend_cmp(x, y);

	return r ? r : x->class - y->class;
}

/* All but the endpoints: what only a put of the service changes. */
static bool same_service(const struct service *a, const struct service *b)
{
	if (a->n_frontends != b->n_frontends || a->ranges.n != b->ranges.n)
		return false;
	for (int i = 0; i < N_SERVICE_OPTIONS; i++)
		if (option_get(a, i) != option_get(b, i))
			return false;
	for (size_t i = 0; i < a->ranges.n; i++)
		if (prefix_cmp(&a->ranges.prefixes[i], &b->ranges.prefixes[i]))
			return false;
	for (uint32_t i = 0; i < a->n_frontends; i++)
		if (frontend_class_cmp(&a->frontends[i], &b->frontends[i]))
			return false;
	return true;
}

typedef void (*endpoint_change_fn)(const struct endpoint *old,
				   const struct endpoint *new, void *data);

/* Calls fn for each endpoint that is new, gone or different. */
static void compare_endpoints(const struct service *before,
			      const struct service *after,
			      endpoint_change_fn fn, void *data)
{
	uint32_t i = 0, j = 0;

	while (i < before->n_endpoints || j < after->n_endpoints) {
		const struct endpoint *old = NULL, *new = NULL;
		int r;

		if (i == before->n_endpoints)
			r = 1;
		else if (j == after->n_endpoints)
			r = -1;
		else
			r = endpoint_cmp(&before->endpoints[i], &after->endpoints[j]);
		if (r <= 0)
			old = &before->endpoints[i++];
		if (r >= 0)
			new = &after->endpoints[j++];
		if (!old || !new || old->weight != new->weight ||
		    old->flags != new->flags)
			fn(old, new, data);
	}
}

struct endpoint_ops {
	struct op put, del;
};

static void add_change(const struct endpoint *old, const struct endpoint *new,
		       void *data)
{
	struct endpoint_ops *ops = data;

	if (new)
		op_add_endpoint(&ops->put, new);
	else
		op_add_endpoint(&ops->del, old);
}

static void append(struct op_list *list, const struct op *part,
		   enum op_type type, const struct service *before,
		   const struct service *after)
{
	struct op *op;

	if (!part->n_endpoints)
		return;
	op = op_add(list, type, KSVC_MODE_PUT, after);
	op->before = before;
	op->endpoints = part->endpoints;
	op->n_endpoints = part->n_endpoints;
}

static void diff_service(const struct service *before,
			 const struct service *after, struct op_list *list)
{
	struct endpoint_ops ops = {};
	uint32_t changed;

	if (same_service(before, after)) {
		compare_endpoints(before, after, add_change, &ops);
		changed = ops.put.n_endpoints + ops.del.n_endpoints;
		if (changed <= after->n_endpoints / 2) {
			/* First make room: the kernel counts at every step. */
			append(list, &ops.del, OP_ENDPOINT_DEL, before, after);
			append(list, &ops.put, OP_ENDPOINT_PUT, before, after);
			return;
		}
		free(ops.put.endpoints);
		free(ops.del.endpoints);
	}
	op_add(list, OP_SERVICE_PUT, KSVC_MODE_PUT, after)->before = before;
}

/* The ports of one Service: what differs, before and after. */
struct siblings {
	const char *name;
	size_t len;
	bool udp, changed;		/* of endpoints */
	bool stays;
};

static bool has_udp_endpoints(const struct service *s)
{
	for (uint32_t i = 0; s->n_endpoints && i < s->n_frontends; i++)
		if (s->frontends[i].protocol == IPPROTO_UDP)
			return true;
	return false;
}

static void note_difference(const struct endpoint *old, const struct endpoint *new, void *data)
{
	bool *different = data;

	(void)old;
	(void)new;
	*different = true;
}

static bool needs_sweep(const struct siblings *s)
{
	return s->udp && s->changed && s->stays;
}

static void look_at(struct siblings *s, const struct service *before, const struct service *after,
		    struct op_list *list)
{
	const char *name = after->name ? after->name : before->name;
	size_t len = strcspn(name, ":");

	if (!s->name || s->len != len || memcmp(s->name, name, len)) {
		list->sweep |= needs_sweep(s);
		*s = (struct siblings){ .name = name, .len = len };
	}
	s->udp |= has_udp_endpoints(before) || has_udp_endpoints(after);
	s->stays |= !!after->name;
	compare_endpoints(before, after, note_difference, &s->changed);
}

void diff(const struct model *desired, const struct model *actual,
	  diff_deletes_fn deletes, void *data, struct op_list *list)
{
	static const struct service nothing;
	struct siblings siblings = {};
	size_t i = 0, j = 0;

	while (i < actual->n_services || j < desired->n_services) {
		const struct service *before = &actual->services[i];
		const struct service *after = &desired->services[j];
		int r;

		if (i == actual->n_services)
			r = 1;
		else if (j == desired->n_services)
			r = -1;
		else
			r = strcmp(before->name, after->name);
		i += r <= 0;
		j += r >= 0;
		if (r < 0 && !(deletes && deletes(before, data)))
			continue;
		look_at(&siblings, r > 0 ? &nothing : before, r < 0 ? &nothing : after, list);
		if (r < 0)
			op_add(list, OP_SERVICE_DEL, KSVC_MODE_PUT, before)->before = before;
		else if (r > 0)
			op_add(list, OP_SERVICE_PUT, KSVC_MODE_PUT, after);
		else
			diff_service(before, after, list);
	}
	list->sweep |= needs_sweep(&siblings);
}

static void print_endpoint(FILE *f, char sign, const struct endpoint *ep)
{
	char buf[ENDPOINT_STRLEN];

	fprintf(f, "    %c endpoint %s weight %u sets %s\n", sign,
		endpoint_format(ep, buf), ep->weight, endpoint_sets(ep->flags));
}

static void print_change(const struct endpoint *old, const struct endpoint *new,
			 void *data)
{
	print_endpoint(data, old && new ? '~' : new ? '+' : '-', new ? new : old);
}

static void print_frontends(FILE *f, char sign, const struct service *s,
			    const struct service *other)
{
	char buf[ENDPOINT_STRLEN];

	for (uint32_t i = 0; i < s->n_frontends; i++) {
		const struct frontend *fe = &s->frontends[i];

		if (other->n_frontends &&
		    bsearch(fe, other->frontends, other->n_frontends, sizeof(*fe),
			    frontend_class_cmp))
			continue;
		fprintf(f, "    %c %s %s\n", sign, class_name(fe->class),
			frontend_format(fe, buf));
	}
}

static void print_ranges(FILE *f, char sign, const struct prefix_list *list,
			 const struct prefix_list *other)
{
	char buf[ENDPOINT_STRLEN];

	for (size_t i = 0; i < list->n; i++)
		if (!other->n || !bsearch(&list->prefixes[i], other->prefixes, other->n,
					  sizeof(*list->prefixes), prefix_cmp))
			fprintf(f, "    %c source-range %s\n", sign,
				prefix_format(&list->prefixes[i], buf));
}

static void print_options(FILE *f, const struct service *before, const struct service *after)
{
	char buf[OPTION_STRLEN];

	for (int i = 0; i < N_SERVICE_OPTIONS; i++)
		if (option_get(before, i) != option_get(after, i))
			fprintf(f, "    ~ %s %s\n", option_name(i), option_format(after, i, buf));
}

static void print_op(FILE *f, const struct op *op)
{
	static const struct service nothing;
	const struct service *before = op->before ? op->before : &nothing;
	const struct service *after = op->type == OP_SERVICE_DEL ? &nothing : op->service;

	fprintf(f, "%c ", after == &nothing ? '-' : op->before ? '~' : '+');
	print_text(f, op->service->name);
	fputc('\n', f);
	if (after != &nothing)
		print_options(f, before, after);
	print_frontends(f, '-', before, after);
	print_frontends(f, '+', after, before);
	print_ranges(f, '-', &before->ranges, &after->ranges);
	print_ranges(f, '+', &after->ranges, &before->ranges);
	compare_endpoints(before, after, print_change, f);
}

/* One block per service: its operations differ in nothing the reader cares for. */
void op_list_print(FILE *f, const struct op_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (!i || list->ops[i].service != list->ops[i - 1].service)
			print_op(f, &list->ops[i]);
}

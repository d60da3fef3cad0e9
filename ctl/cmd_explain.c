// SPDX-License-Identifier: GPL-2.0
/* explain */
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#include "ksvcctl.h"
#include "lib/nl_spec.h"

static int parse_from(const char *text, struct flow *flow)
{
	if (host_optional_port_parse(text, &flow->from, &flow->from_port))
		return usage_error("--from: \"%s\" is not ADDR[:PORT] or [ADDR6]:PORT", text);
	return 0;
}

/* An echo request, whose type and code stand where others have the port. */
static bool parse_echo(const char *text, struct flow *flow)
{
	const char *slash = strchr(text, '/');
	char host[ENDPOINT_STRLEN];

	if (!slash || strcmp(slash, "/icmp") || (size_t)(slash - text) >= sizeof(host))
		return false;
	memcpy(host, text, slash - text);
	host[slash - text] = '\0';
	if (host_optional_port_parse(host, &flow->to, &flow->to_port) || flow->to_port)
		return false;
	flow->protocol = flow->to.family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	flow->to_port = (flow->to.family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST) << 8;
	return true;
}

static bool is_echo(const struct flow *flow)
{
	return flow->protocol == IPPROTO_ICMP || flow->protocol == IPPROTO_ICMPV6;
}

static int parse_to(const char *text, struct flow *flow)
{
	struct frontend f;
	struct err e;

	if (parse_echo(text, flow))
		return 0;
	if (frontend_parse(text, &f, &e))
		return usage_error("--to: %s", e.text);
	flow->to = f.addr;
	flow->to_port = f.port;
	flow->protocol = f.protocol;
	return 0;
}

static int parse(int argc, char **argv, struct flow *flow, int *status)
{
	static const struct option options[] = {
		GLOBAL_OPTIONS,
		{ "from", required_argument, NULL, OPT_FROM },
		{ "to", required_argument, NULL, OPT_TO },
		{ "in", required_argument, NULL, OPT_IN },
		{}
	};
	int c;

	*status = 0;
	while (!*status && (c = getopt_long(argc, argv, "hjv", options, NULL)) != -1) {
		if (c == OPT_FROM)
			*status = parse_from(optarg, flow);
		else if (c == OPT_TO)
			*status = parse_to(optarg, flow);
		else if (c == OPT_IN)
			flow->in = optarg;
		else if (!global_option(c, status))
			return -1;
	}
	if (!*status && optind < argc)
		*status = usage_error("unexpected argument \"%s\"", argv[optind]);
	if (!*status && (!flow->from.family || !flow->to.family))
		*status = usage_error("--from and --to are needed");
	if (!*status && flow->from.family != flow->to.family)
		*status = usage_error("--from and --to are of different families");
	if (!*status && flow->in && (!*flow->in || strlen(flow->in) > 15))
		*status = usage_error("--in: \"%s\" is no interface name", flow->in);
	return *status ? -1 : 0;
}

static size_t count_masqueraded(const struct explanation *x)
{
	size_t n = 0;

	for (size_t i = 0; i < x->n_choices; i++)
		n += x->choices[i].masquerade;
	return n;
}

static int explain_json(const struct flow *flow, const struct explanation *x)
{
	json_t *o = json_object(), *endpoints = json_array(), *some = json_array();
	const char *rule = rule_name(x->rule);
	size_t masqueraded = count_masqueraded(x);
	char buf[ENDPOINT_STRLEN];

	json_object_set_new(o, "verdict", json_string(verdict_name(x->verdict)));
	json_object_set_new(o, "reason", json_string(reason_name(x->reason)));
	json_object_set_new(o, "rule", rule ? json_string(rule) : json_null());
	json_object_set_new(o, "service", x->service ? json_string(x->service) : json_null());
	json_object_set_new(o, "endpoints", endpoints);
	json_object_set_new(o, "masquerade",
			    json_boolean(x->n_choices && masqueraded == x->n_choices));
	for (size_t i = 0; i < x->n_choices; i++) {
		const struct choice *c = &x->choices[i];
		json_t *text = json_string(hostport_format(&c->addr, c->port, buf));

		json_array_append_new(endpoints, text);
		if (c->masquerade)
			json_array_append(some, text);
		if (c->chosen && flow->from_port)
			json_object_set(o, "chosen", text);
	}
	if (masqueraded && masqueraded < x->n_choices)
		json_object_set(o, "masquerade_if", some);
	json_decref(some);
	return print_json(o);
}

static int explain_text(const struct flow *flow, const struct explanation *x)
{
	char from[ENDPOINT_STRLEN], to[ENDPOINT_STRLEN], address[ADDR_STRLEN], weight[32];
	const char *rule = rule_name(x->rule);
	struct table t = { .n = 4 };

	if (flow->from_port)
		hostport_format(&flow->from, flow->from_port, from);
	else
		addr_format(&flow->from, from);
	if (is_echo(flow))
		snprintf(to, sizeof(to), "%s/icmp", addr_format(&flow->to, address));
	else
		vip_format(&flow->to, flow->to_port, flow->protocol, to);
	printf("%s -> %s: %s (%s%s%s)\n", from, to,
	       verdict_name(x->verdict), reason_name(x->reason), rule ? ", rule " : "",
	       rule ? rule : "");
	if (x->verdict != KSVC_VERDICT_DNAT)
		printf("%s\n", reason_meaning(x->reason));
	if (x->service) {
		fputs("service ", stdout);
		print_text(stdout, x->service);
		putchar('\n');
	}
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < x->n_choices; i++) {
			const struct choice *c = &x->choices[i];
			const char *cells[TABLE_COLUMNS] = {
				c->chosen ? "=>" : "  ",
				hostport_format(&c->addr, c->port, to), weight,
				c->masquerade ? "masqueraded" : "",
			};

			snprintf(weight, sizeof(weight), "weight %u", c->weight);
			table_row(&t, cells);
		}
		table_done(&t);
	}
	return finish_output();
}

int cmd_explain(int argc, char **argv)
{
	struct explanation x = {};
	struct flow flow = {};
	struct nl *nl = NULL;
	struct err e;
	int err, status;

	if (parse(argc, argv, &flow, &status))
		return status;
	err = open_module(&nl, &e);
	if (!err)
		err = nl_explain(nl, &flow, &x, &e);
	nl_close(nl);
	if (err)
		status = refused(&e);
	else
		status = global.json ? explain_json(&flow, &x) : explain_text(&flow, &x);
	explanation_free(&x);
	return status;
}

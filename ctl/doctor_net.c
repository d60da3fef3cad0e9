// SPDX-License-Identifier: GPL-2.0
/* The checks of doctor that look at the namespace's network. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <nftables/libnftables.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "lib/rtnl.h"

/* VIPs looked up; those of one service CIDR have one route as a rule. */
#define MAX_ROUTES	64

static void check_forward(struct doctor *d, const char *check, const char *sysctl,
			  const char *path, uint16_t family)
{
	long on = read_number(path);

	if (on > 0)
		found(d, check, FINDING_OK, "%s is %ld", sysctl, on);
	else if (on < 0)
		found(d, check, FINDING_OK, "%s does not exist, the family is switched off",
		      sysctl);
	else
		found(d, check, has_family(&d->model, family) ? FINDING_FAIL : FINDING_WARN,
		      "%s is 0, packets of pods are not forwarded: sysctl -w %s=1", sysctl,
		      sysctl);
}

/* Without it the kernel drops what comes to, or leaves with, 127.0.0.0/8. */
static void check_localhost(struct doctor *d)
{
	if (!d->model.settings.localhost_nodeports)
		return;
	if (read_number("/proc/sys/net/ipv4/conf/all/route_localnet") > 0)
		found(d, "route-localnet", FINDING_OK, "net.ipv4.conf.all.route_localnet is 1");
	else
		found(d, "route-localnet", FINDING_FAIL,
		      "net.ipv4.conf.all.route_localnet is 0, node ports do not answer on 127.0.0.0/8: sysctl -w net.ipv4.conf.all.route_localnet=1");
}

void doctor_forwarding(struct doctor *d)
{
	check_localhost(d);
	check_forward(d, "forward-v4", "net.ipv4.ip_forward",
		      "/proc/sys/net/ipv4/ip_forward", AF_INET);
	check_forward(d, "forward-v6", "net.ipv6.conf.all.forwarding",
		      "/proc/sys/net/ipv6/conf/all/forwarding", AF_INET6);
}

struct route_check {
	size_t tried;
	size_t failed;
	char example[ADDR_STRLEN];
	int error;
};

static void try_route(struct route_check *c, const struct addr *a)
{
	int error;

	if (c->tried == MAX_ROUTES)
		return;
	c->tried++;
	error = route_error(a);
	if (error && !c->failed++) {
		addr_format(a, c->example);
		c->error = error;
	}
}

void doctor_routes(struct doctor *d)
{
	const struct prefix_list *list = &d->model.settings.service_cidrs;
	struct route_check c = {};

	for (size_t i = 0; i < list->n; i++)
		try_route(&c, &list->prefixes[i].addr);
	for (size_t i = 0; i < d->model.n_services; i++)
		for (uint32_t j = 0; j < d->model.services[i].n_frontends; j++)
			if (d->model.services[i].frontends[j].class != KSVC_CLASS_NODE_PORT)
				try_route(&c, &d->model.services[i].frontends[j].addr);
	if (c.failed)
		found(d, "routes", FINDING_FAIL,
		      "no route to %s (%s): the node itself cannot reach such VIPs; add a default route, or one for the service CIDR to any interface that is up",
		      c.example, strerror(c.error));
	else if (c.tried)
		found(d, "routes", FINDING_OK, "there is a route to each of %zu VIPs tried",
		      c.tried);
	else
		found(d, "routes", FINDING_OK, "there are no VIPs to try");
}

static int link_info(const struct nlattr *attr, void *data)
{
	if (mnl_attr_get_type(attr) == IFLA_INFO_KIND &&
	    !strcmp(mnl_attr_get_str(attr), "bridge"))
		++*(int *)data;
	return MNL_CB_OK;
}

static int link_attr(const struct nlattr *attr, void *data)
{
	if (mnl_attr_get_type(attr) == IFLA_LINKINFO)
		mnl_attr_parse_nested(attr, link_info, data);
	return MNL_CB_OK;
}

static int on_link(const struct nlmsghdr *nlh, void *data)
{
	mnl_attr_parse(nlh, sizeof(struct ifinfomsg), link_attr, data);
	return MNL_CB_OK;
}

static int count_bridges(void)
{
	char buf[256] = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	int n = 0;

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	return rtnl(nlh, on_link, &n) < 0 ? 0 : n;
}

static void check_bridge_call(struct doctor *d, const char *name, uint16_t family)
{
	char *path = xasprintf("/proc/sys/net/bridge/%s", name);
	long on = read_number(path);

	free(path);
	if (on > 0 || (d->loaded && d->model.n_services && !has_family(&d->model, family)))
		found(d, "bridge", FINDING_OK, "net.bridge.%s is %ld", name, on);
	else
		found(d, "bridge", FINDING_WARN,
		      "net.bridge.%s is not on: an answer from one pod to another on the same bridge bypasses translation; modprobe br_netfilter, then sysctl -w net.bridge.%s=1",
		      name, name);
}

void doctor_bridges(struct doctor *d)
{
	if (!count_bridges()) {
		found(d, "bridge", FINDING_OK, "there is no bridge");
		return;
	}
	check_bridge_call(d, "bridge-nf-call-iptables", AF_INET);
	check_bridge_call(d, "bridge-nf-call-ip6tables", AF_INET6);
}

/* Chains of iptables-nft are among them. NULL if nftables cannot be asked. */
static char *nft_chains(void)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	char *text = NULL;

	if (!nft)
		return NULL;
	nft_ctx_buffer_output(nft);
	nft_ctx_buffer_error(nft);
	if (!nft_run_cmd_from_buffer(nft, "list chains"))
		text = xstrdup(nft_ctx_get_output_buffer(nft));
	nft_ctx_free(nft);
	return text;
}

/* Asked only if the tables are there: asking loads the modules. */
static bool legacy_chains(const char *command, const char *tables)
{
	bool any = false, nat = false;
	char line[1024];
	FILE *f;

	f = fopen(tables, "re");
	while (f && fgets(line, sizeof(line), f))
		nat |= !strcmp(line, "nat\n");
	if (f)
		fclose(f);
	if (!nat)
		return false;
	f = popen(command, "re");
	while (f && fgets(line, sizeof(line), f))
		any |= !strncmp(line, ":KUBE-", 6);
	if (f)
		pclose(f);
	return any;
}

static bool ipvs_services(void)
{
	FILE *f = fopen("/proc/net/ip_vs", "re");
	char line[256];
	bool any = false;

	while (f && fgets(line, sizeof(line), f))
		any |= !strncmp(line, "TCP ", 4) || !strncmp(line, "UDP ", 4) ||
		       !strncmp(line, "SCTP ", 5);
	if (f)
		fclose(f);
	return any;
}

void doctor_kube_proxy(struct doctor *d)
{
	char *chains = nft_chains();
	size_t before = d->n_findings;

	if (chains && strstr(chains, " kube-proxy {"))
		found(d, "kube-proxy", FINDING_WARN,
		      "its nftables rules are there: stop kube-proxy, then nft delete table ip kube-proxy; nft delete table ip6 kube-proxy");
	if ((chains && strstr(chains, "chain KUBE-SERVICES")) ||
	    legacy_chains("iptables-legacy-save -t nat 2>/dev/null", "/proc/net/ip_tables_names") ||
	    legacy_chains("ip6tables-legacy-save -t nat 2>/dev/null", "/proc/net/ip6_tables_names"))
		found(d, "kube-proxy", FINDING_WARN,
		      "its iptables chains KUBE-* are there: stop kube-proxy, then kube-proxy --cleanup");
	if (ipvs_services() || if_nametoindex("kube-ipvs0"))
		found(d, "kube-proxy", FINDING_WARN,
		      "IPVS services or the device kube-ipvs0 are there: stop kube-proxy, then ipvsadm --clear; ip link delete kube-ipvs0");
	if (before == d->n_findings && !chains)
		found(d, "kube-proxy", FINDING_WARN,
		      "nftables cannot be asked for leftovers: run as root");
	else if (before == d->n_findings)
		found(d, "kube-proxy", FINDING_OK, "nothing of it is left");
	free(chains);
}

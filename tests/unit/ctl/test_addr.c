// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include <string.h>

static const char *hostport(const char *s)
{
	char buf[ENDPOINT_STRLEN];
	struct addr a;
	uint16_t port;

	return hostport_parse(s, &a, &port) ? "no" : text("%s", hostport_format(&a, port, buf));
}

static void host_and_port(void)
{
	static const char *const bad[] = {
		"", ":", ":80", "10.0.0.1", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536",
		"10.0.0.1:80x", "10.0.0.1: 80", "10.0.0.1:+80", "10.0.0.1:-1", "10.0.0.01:80",
		"10.0.0:80", "10.0.0.256:80", "[10.0.0.1]:80", "fd00::1:80:", "[fd00::1]",
		"[fd00::1]80", "[fd00::1]:0", "[fd00::1", "fd00::1]:80", "[fd00::1%eth0]:80",
		"[]:80", "localhost:80", "10.0.0.1:99999999999999999999",
		"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001]:80",
	};

	expect_text(hostport("10.0.0.1:80"), "10.0.0.1:80");
	expect_text(hostport("255.255.255.255:65535"), "255.255.255.255:65535");
	expect_text(hostport("[fd00:0::1]:80"), "[fd00::1]:80");
	expect_text(hostport("[::ffff:10.0.0.1]:1"), "[::ffff:10.0.0.1]:1");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		expect_text(hostport(bad[i]), "no");
}

static const char *optional(const char *s)
{
	char buf[ENDPOINT_STRLEN];
	struct addr a;
	uint16_t port;

	if (host_optional_port_parse(s, &a, &port))
		return "no";
	return port ? text("%s", hostport_format(&a, port, buf)) :
	       text("%s", addr_format(&a, buf));
}

static void optional_port(void)
{
	expect_text(optional("10.0.0.1"), "10.0.0.1");
	expect_text(optional("10.0.0.1:4000"), "10.0.0.1:4000");
	expect_text(optional("fd00::1"), "fd00::1");
	expect_text(optional("fd00::1:80"), "fd00::1:80");
	expect_text(optional("[fd00::1]"), "fd00::1");
	expect_text(optional("[fd00::1]:80"), "[fd00::1]:80");
	expect_text(optional("10.0.0.1:0"), "no");
	expect_text(optional("[fd00::1]:"), "no");
}

static const char *frontend(const char *s)
{
	char buf[ENDPOINT_STRLEN];
	struct frontend f;
	struct err e;

	return frontend_parse(s, &f, &e) ? text("error: %s", e.text) :
	       text("%s", frontend_format(&f, buf));
}

static void frontends(void)
{
	expect_text(frontend("10.0.0.1:80/tcp"), "10.0.0.1:80/tcp");
	expect_text(frontend("10.0.0.1:80/UDP"), "10.0.0.1:80/udp");
	expect_text(frontend("[fd00::1]:9/sctp"), "[fd00::1]:9/sctp");
	expect_part(frontend("10.0.0.1:80"), "ADDR:PORT/PROTO");
	expect_part(frontend("10.0.0.1:80/icmp"), "tcp, udp or sctp");
	expect_part(frontend("10.0.0.1:80/"), "tcp, udp or sctp");
	expect_part(frontend("10.0.0.1:0/tcp"), "port of 1 to 65535");
	expect_part(frontend("/tcp"), "ADDR:PORT/PROTO");
}

static const char *endpoint(const char *s)
{
	char buf[ENDPOINT_STRLEN];
	struct endpoint ep;
	struct err e;

	return endpoint_parse(s, &ep, &e) ? text("error: %s", e.text) :
	       text("%s@%u", endpoint_format(&ep, buf), ep.weight);
}

static void endpoints(void)
{
	expect_text(endpoint("10.0.0.1:80"), "10.0.0.1:80@1");
	expect_text(endpoint("10.0.0.1:80@0"), "10.0.0.1:80@0");
	expect_text(endpoint("[fd00::1]:80@65535"), "[fd00::1]:80@65535");
	expect_part(endpoint("10.0.0.1:80@65536"), "weight must be 0 to 65535");
	expect_part(endpoint("10.0.0.1:80@"), "weight");
	expect_part(endpoint("10.0.0.1:80@-1"), "weight");
	expect_part(endpoint("10.0.0.1@1"), "ADDR:PORT");
}

static const char *prefix(const char *s)
{
	char buf[ENDPOINT_STRLEN];
	struct prefix p;

	return prefix_parse(s, &p) ? "no" : text("%s", prefix_format(&p, buf));
}

static void prefixes(void)
{
	expect_text(prefix("10.0.0.0/8"), "10.0.0.0/8");
	expect_text(prefix("0.0.0.0/0"), "0.0.0.0/0");
	expect_text(prefix("10.1.2.3/32"), "10.1.2.3/32");
	expect_text(prefix("::/0"), "::/0");
	expect_text(prefix("fd00::/64"), "fd00::/64");
	expect_text(prefix("fd00::1/128"), "fd00::1/128");
	expect_text(prefix("10.0.0.1/8"), "no");
	expect_text(prefix("10.0.0.0/33"), "no");
	expect_text(prefix("10.0.0.0/"), "no");
	expect_text(prefix("10.0.0.0"), "no");
	expect_text(prefix("fd00::1/127"), "no");
	expect_text(prefix("fd00::/129"), "no");
}

static const char *sloppy(const char *s)
{
	char buf[ADDR_STRLEN];
	struct addr a;

	return addr_parse_sloppy(s, &a) ? "no" : text("%s", addr_format(&a, buf));
}

/* S5 */
static void as_kubernetes(void)
{
	expect_text(sloppy("010.001.000.009"), "10.1.0.9");
	expect_text(sloppy("1.2.3.0256"), "no");
	expect_text(sloppy("::ffff:10.0.0.1"), "10.0.0.1");
	expect_text(sloppy("fd00::01"), "fd00::1");
	expect_text(sloppy("1.2.3"), "no");
	expect_text(sloppy("1.2.3.4.5"), "no");
	expect_text(sloppy("1.2.3.4 "), "no");
	expect_text(sloppy("1.2.3.99999999999999999999"), "no");
	expect_text(sloppy(""), "no");
}

static const char *name(const char *s)
{
	struct err e;

	return service_check_name(s, &e) ? text("error: %s", e.text) : "ok";
}

static void names(void)
{
	char longest[KSVC_NAME_MAX + 2];

	memset(longest, 'x', sizeof(longest));
	longest[KSVC_NAME_MAX + 1] = '\0';
	expect_part(name(longest), "256 bytes");
	longest[KSVC_NAME_MAX] = '\0';
	expect_text(name(longest), "ok");
	expect_text(name("default/web:http"), "ok");
	expect_text(name("d\xc3\xa9j\xc3\xa0 vu \xf0\x9f\x98\x80"), "ok");
	expect_part(name(""), "empty");
	expect_part(name("\xff"), "UTF-8");
	expect_part(name("\xc0\x80"), "UTF-8");
	expect_part(name("\xed\xa0\x80"), "UTF-8");
	expect_part(name("\xf4\x90\x80\x80"), "UTF-8");
	expect_part(name("a\xe2\x82"), "UTF-8");
}

static const char *setting(const char *key, const char *value)
{
	struct settings s = {};
	struct err e;
	int err = setting_add(&s, setting_find(key), value, &e);

	settings_free(&s);
	return err ? text("error: %s", e.text) : "ok";
}

static void setting_values(void)
{
	expect(!setting_find("no-such-key"));
	expect_text(setting("cluster-cidr", "10.0.0.0/8"), "ok");
	expect_part(setting("service-cidr", "10.0.0.0"), "ADDR/LENGTH");
	expect_text(setting("masquerade-all", "on"), "ok");
	expect_part(setting("masquerade-all", "yes"), "neither on nor off");
	expect_text(setting("pod-interface", "cni*"), "ok");
	expect_text(setting("pod-interface", "*"), "ok");
	expect_text(setting("pod-interface", "123456789012345"), "ok");
	expect_text(setting("pod-interface", "123456789012345*"), "ok");
	expect_part(setting("pod-interface", "1234567890123456"), "interface name");
	expect_part(setting("pod-interface", "1234567890123456*"), "interface name");
	expect_part(setting("pod-interface", "a*b"), "interface name");
	expect_part(setting("pod-interface", ""), "interface name");
}

static const char *range(const char *s)
{
	char buf[ENDPOINT_STRLEN];
	struct prefix p;

	return prefix_parse_sloppy(s, &p) ? "no" : text("%s", prefix_format(&p, buf));
}

static void ranges(void)
{
	static const char *const bad[] = { "", " ", "/", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33",
					   "10.0.0.0 /8", "10.0.0.0/8 x", "fd00::/129", "x/8",
					   "10.0.0.0/8/8", "10.0.0.0/-1",
					   "::ffff:10.0.0.0/95", "::ffff:10.0.0.0/129",
					   "                                                        1/8" };

	expect_text(range("10.1.2.3/8"), "10.0.0.0/8");
	expect_text(range(" 010.1.2.3/32\t"), "10.1.2.3/32");
	expect_text(range("fd00::1/127"), "fd00::/127");
	expect_text(range("255.255.255.255/0"), "0.0.0.0/0");
	expect_text(range("::1/0"), "::/0");
	expect_text(range("::ffff:203.0.113.7/120"), "203.0.113.0/24");
	expect_text(range("::ffff:203.0.113.7/128"), "203.0.113.7/32");
	expect_text(range("::ffff:203.0.113.7/96"), "0.0.0.0/0");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		expect_text(range(bad[i]), "no");
}

static bool contains(const char *prefix, const char *address)
{
	struct prefix p;
	struct addr a;

	expect(!prefix_parse(prefix, &p) && !addr_parse(address, &a));
	return prefix_contains(&p, &a);
}

static void inside(void)
{
	expect(contains("10.0.0.0/8", "10.255.0.1"));
	expect(!contains("10.0.0.0/8", "11.0.0.0"));
	expect(contains("10.0.0.1/32", "10.0.0.1"));
	expect(!contains("10.0.0.1/32", "10.0.0.0"));
	expect(contains("0.0.0.0/0", "192.0.2.1"));
	expect(!contains("0.0.0.0/0", "::1"));
	expect(contains("fd00::8/125", "fd00::f"));
	expect(!contains("fd00::8/125", "fd00::10"));
}

static void hosts(void)
{
	static const char *const good[] = { "1.0.0.0", "127.0.0.1", "169.254.1.1", "223.255.255.255",
					    "240.0.0.1", "::1", "fe80::1", "fd00::1" };
	static const char *const bad[] = { "0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255",
					   "255.255.255.255", "::", "ff02::1", "::ffff:10.0.0.1" };
	struct addr a;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		expect(!addr_parse(good[i], &a) && addr_is_host(&a));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		expect(!addr_parse(bad[i], &a) && !addr_is_host(&a));
}

const struct test addr_tests[] = {
	{ "addr: host and port", host_and_port },
	{ "addr: port may be left out", optional_port },
	{ "addr: frontends", frontends },
	{ "addr: endpoints and weights", endpoints },
	{ "addr: prefixes", prefixes },
	{ "addr: S5 spelling as Kubernetes reads it", as_kubernetes },
	{ "addr: service names", names },
	{ "addr: values of settings", setting_values },
	{ "addr: ranges as Kubernetes writes them", ranges },
	{ "addr: inside a prefix", inside },
	{ "addr: what one host can have", hosts },
	{}
};

# SPDX-License-Identifier: GPL-2.0
"""Three namespaces, packets through them, and proof that they went through.

        bench-client                 bench-node                 bench-sink
    +----------------+         +------------------+         +----------------+
    | pktgen -> c0 o-+---------+-o n0  forwards n1 o-+------+-o s0  discards |
    +----------------+         +------------------+         +----------------+
                    192.168.1.0/24, fd00:1::/64    192.168.2.0/24, fd00:2::/64

Service i is at 10.96.0.1 + i, port 80, or, in IPv6, where pktgen cannot count addresses up, at [fd00:96::1] on port
1000 + i. Its endpoints are in 10.128.0.0/9 and fd00:128::/64. The node has a route to the services or one to the
endpoints, never both, so that only packets that were treated as they should be arrive at the sink, which takes them
for another host's and discards them at once.
"""
import ipaddress
import re
import subprocess

CLIENT, NODE, SINK = "bench-client", "bench-node", "bench-sink"
ENDPOINTS = 10
STRAY = 10		# packets that nobody sent
PACKET = 78		# bytes; the least that pktgen makes of IPv6
FRONTENDS = {4: "10.96.0.0/12", 6: "fd00:96::/64"}
BACKENDS = {4: "10.128.0.0/9", 6: "fd00:128::/64"}
SINKS = {4: "192.168.2.2", 6: "fd00:2::2"}
CLIENTS = {4: "192.168.1.0/24", 6: "fd00:1::/64"}
NOBODY = {4: "198.51.100.0/24", 6: "2001:db8::/32"}
MAC = {name: "02:00:00:00:00:%02x" % i for i, name in enumerate(("c0", "n0", "n1", "s0", "elsewhere"))}


class Broken(Exception):
    """What was measured is not what was meant."""


def run(*command, stdin=None):
    done = subprocess.run(command, input=stdin, capture_output=True, text=True)
    if done.returncode:
        raise Broken(f"{' '.join(command)}: status {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout


def inside(namespace, *command, stdin=None):
    return run("ip", "netns", "exec", namespace, *command, stdin=stdin)


def frontend(version, i):
    if version == 6:
        return "fd00:96::1", 1000 + i
    return str(ipaddress.ip_address("10.96.0.1") + i), 80


def endpoint(version, i):
    base = ipaddress.ip_address("fd00:128::1" if version == 6 else "10.128.0.1")
    return str(base + i), 8080


def build(destinations):
    for name in CLIENT, NODE, SINK:
        run("ip", "netns", "add", name)
        inside(name, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0",
               "net.ipv6.conf.default.addr_gen_mode=1", "net.ipv6.conf.default.accept_ra=0")
    run("ip", "link", "add", "c0", "address", MAC["c0"], "netns", CLIENT,
        "type", "veth", "peer", "name", "n0", "address", MAC["n0"], "netns", NODE)
    run("ip", "link", "add", "n1", "address", MAC["n1"], "netns", NODE,
        "type", "veth", "peer", "name", "s0", "address", MAC["s0"], "netns", SINK)
    run("ip", "-n", CLIENT, "link", "set", "c0", "up")
    run("ip", "-n", SINK, "link", "set", "s0", "up")
    run("ip", "-n", NODE, "-batch", "-", stdin=f"""
        link set lo up
        link set n0 up
        link set n1 up
        addr add 192.168.1.1/24 dev n0
        addr add 192.168.2.1/24 dev n1
        addr add fd00:1::1/64 dev n0
        addr add fd00:2::1/64 dev n1
        neigh add {SINKS[4]} lladdr {MAC["elsewhere"]} dev n1 nud permanent
        neigh add {SINKS[6]} lladdr {MAC["elsewhere"]} dev n1 nud permanent
        route add {destinations[4]} via {SINKS[4]}
        route add {destinations[6]} via {SINKS[6]}
        """)
    inside(NODE, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
           "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.n0.rp_filter=0")


def limit_conntrack():
    """Without instructions waiting, the guest's clock leaps: nothing may depend on how long something took."""
    inside(NODE, "sysctl", "-qw", "net.netfilter.nf_conntrack_udp_timeout=100000",
           "net.netfilter.nf_conntrack_udp_timeout_stream=100000")


def remove():
    for name in CLIENT, NODE, SINK:
        subprocess.run(["ip", "netns", "del", name], capture_output=True)


def received():
    words = inside(SINK, "cat", "/proc/net/dev").split("s0:")[1].split()
    return int(words[1])


def conntrack_entries():
    return int(inside(NODE, "cat", "/proc/sys/net/netfilter/nf_conntrack_count"))


def conntrack_flush():
    inside(NODE, "conntrack", "-F")


def conntrack_reply(version):
    """The flows that are there get what a reply would give them."""
    inside(NODE, "conntrack", "-U", "-f", f"ipv{version}", "-p", "udp", "-u", "SEEN_REPLY")


def send(version, packets, services, source_ports):
    """Sends packets, each from the next source port to the next service; returns instructions per packet."""
    address, port = frontend(version, 0)
    last_address, last_port = frontend(version, services - 1)
    suffix = "6" if version == 6 else ""
    source = "fd00:1::2" if version == 6 else "192.168.1.2"
    settings = [f"count {packets}", f"pkt_size {PACKET}", "delay 0", "clone_skb 0", "flag !SHARED", "flag NO_TIMESTAMP",
                f"dst_mac {MAC['n0']}", f"src{suffix or '_min'} {source}",
                f"udp_dst_min {port}", f"udp_dst_max {last_port + (last_port > port)}",
                "udp_src_min 1024", f"udp_src_max {1024 + source_ports}"]
    if version == 6:
        settings.append(f"dst6 {address}")
    else:
        settings += [f"src_max {source}", f"dst_min {address}", f"dst_max {last_address}"]
    script = "set -e\ncd /proc/net/pktgen\necho rem_device_all >kpktgend_0\necho add_device c0 >kpktgend_0\n"
    script += "".join(f"echo {s} >c0\n" for s in settings)
    before = received()
    report = inside(CLIENT, "sh", "-c", script + "echo start >pgctrl\ncat c0")
    arrived = received() - before
    result = re.search(r"Result: OK: (\d+)\(.*\) usec, (\d+) \(", report)
    if not result or int(result[2]) != packets:
        raise Broken(f"pktgen: {report.splitlines()[-2:]}")
    # IPv6 has things to say of its own now and then.
    if not packets <= arrived <= packets + STRAY:
        raise Broken(f"the sink received {arrived} of {packets} packets")
    return int(result[1]) * 1000 / packets

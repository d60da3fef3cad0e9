# SPDX-License-Identifier: GPL-2.0
"""Nodes that live side by side, each between a client and a server of its own, for `tcp` and `smp`.

        NAME-client                   NAME-node                NAME-server
    +---------------+         +---------------------+         +------------+
    | .1.2      c0 -+---------+- n0 .1.1   forwards |         |            |
    | .1.130    c1 -+---------+- n1 .1.129   .2.1 s-+---------+- e0 .2.2   |
    +---------------+         +---------------------+         +------------+
          192.168.1.0/25, 192.168.1.128/25       192.168.2.0/24

Addresses of services and endpoints are those of `network`, IPv4. The node has a route to the services or one to the
endpoints, never both; whichever it is, the server answers on all of them.
"""
import os

import network
from network import run

SERVER = network.SINKS[4]
HASH_BUCKETS = 262144


def inside(namespace, *command, how=run, **more):
    return how("ip", "netns", "exec", namespace, *command, **more)


class Node:
    def __init__(self, name, method, links=1):
        self.client, self.node, self.server = (f"{name}-{part}" for part in ("client", "node", "server"))
        self.links, self.method = links, method

    def build(self, how=run):
        """Commands that put the method in force are run by `how`."""
        to = (network.BACKENDS if self.method.translates else network.FRONTENDS)[4]
        for namespace in self.client, self.node, self.server:
            run("ip", "netns", "add", namespace)
            inside(namespace, "ip", "link", "set", "lo", "up")
            inside(namespace, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1",
                   "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
        for i in range(self.links):
            self._connect(self.client, f"c{i}", f"192.168.1.{2 + 128 * i}/25", f"n{i}", f"192.168.1.{1 + 128 * i}/25")
        self._connect(self.server, "e0", f"{SERVER}/24", "s", "192.168.2.1/24")
        inside(self.client, "ip", "route", "add", "default", "via", "192.168.1.1")
        inside(self.server, "ip", "route", "add", "default", "via", "192.168.2.1")
        inside(self.server, "ip", "route", "add", "local", to, "dev", "lo")
        inside(self.node, "ip", "route", "add", to, "via", SERVER)
        inside(self.node, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.method.set_up(lambda *command, **more: inside(self.node, *command, how=how, **more))

    def _connect(self, peer, outer, outer_address, inner, inner_address):
        run("ip", "link", "add", outer, "netns", peer, "type", "veth", "peer", "name", inner, "netns", self.node)
        for namespace, device, address in (self.node, inner, inner_address), (peer, outer, outer_address):
            inside(namespace, "ip", "addr", "add", address, "dev", device)
            inside(namespace, "ip", "link", "set", device, "up")

    def remove(self):
        for namespace in self.client, self.node, self.server:
            run("ip", "netns", "del", namespace)

    def connections(self):
        return int(inside(self.node, "cat", "/proc/sys/net/netfilter/nf_conntrack_count"))

    def forget_connections(self):
        inside(self.node, "conntrack", "-F")


def load_modules(*names):
    # The size of conntrack's table decides that of NAT's too, when NAT is loaded.
    run("modprobe", "nf_conntrack", f"hashsize={HASH_BUCKETS}")
    run("sysctl", "-qw", f"net.netfilter.nf_conntrack_max={HASH_BUCKETS}")
    needs = run("modinfo", "-F", "depends", os.environ["KSVC_KO"]).strip().split(",")
    for module in *names, *filter(None, needs):
        run("modprobe", module)
    run("insmod", os.environ["KSVC_KO"])

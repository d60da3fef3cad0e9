# SPDX-License-Identifier: GPL-2.0
"""IPVS, bare and with the rules and sets that kube-proxy puts around it."""
import time

import network
from method import WANTS_CONNTRACK
from peers import HERE, MARK, Peer

PATIENCE = 60		# seconds: entries expire late on a slow machine
SETS = {"CLUSTER-IP": "hash:ip,port", "LOOP-BACK": "hash:ip,port,ip", "LOAD-BALANCER": "hash:ip,port",
        "EXTERNAL-IP": "hash:ip,port", "EXTERNAL-IP-LOCAL": "hash:ip,port", "IPVS-IPS": "hash:ip",
        "HEALTH-CHECK-NODE-PORT": "bitmap:port"}
MOST = 1 << 20		# elements of a set; with kube-proxy's 65,536 there could not be 100,000 services
RULES = """*filter
:KUBE-FORWARD - [0:0]
:KUBE-NODE-PORT - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
:KUBE-IPVS-FILTER - [0:0]
:KUBE-IPVS-OUT-FILTER - [0:0]
-A INPUT -m comment --comment "access" -j KUBE-IPVS-FILTER
-A INPUT -m comment --comment "load balancer firewall" -j KUBE-PROXY-FIREWALL
-A INPUT -m comment --comment "health check ports" -j KUBE-NODE-PORT
-A OUTPUT -m comment --comment "access" -j KUBE-IPVS-OUT-FILTER
-A FORWARD -m comment --comment "load balancer firewall" -j KUBE-PROXY-FIREWALL
-A FORWARD -m comment --comment "forwarding rules" -j KUBE-FORWARD
-A KUBE-FORWARD -m comment --comment "what is masqueraded" -m mark --mark {mark}/{mark} -j ACCEPT
-A KUBE-FORWARD -m comment --comment "what goes on" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A KUBE-NODE-PORT -m comment --comment "health checks" -m set --match-set {sets}HEALTH-CHECK-NODE-PORT dst -j ACCEPT
-A KUBE-IPVS-FILTER -m set --match-set {sets}LOAD-BALANCER dst,dst -j RETURN
-A KUBE-IPVS-FILTER -m set --match-set {sets}CLUSTER-IP dst,dst -j RETURN
-A KUBE-IPVS-FILTER -m set --match-set {sets}EXTERNAL-IP dst,dst -j RETURN
-A KUBE-IPVS-FILTER -m set --match-set {sets}EXTERNAL-IP-LOCAL dst,dst -j RETURN
-A KUBE-IPVS-FILTER -m set --match-set {sets}HEALTH-CHECK-NODE-PORT dst -j RETURN
-A KUBE-IPVS-FILTER -m conntrack --ctstate NEW -m set --match-set {sets}IPVS-IPS dst -j REJECT
COMMIT
*nat
:KUBE-SERVICES - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-NODE-PORT - [0:0]
:KUBE-MARK-MASQ - [0:0]
-A PREROUTING -m comment --comment "services" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "services" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "masquerading" -j KUBE-POSTROUTING
-A KUBE-SERVICES -s {loopback} -j RETURN
-A KUBE-SERVICES -m comment --comment "no pod" -m set --match-set {sets}CLUSTER-IP dst,dst ! -s {pods} -j KUBE-MARK-MASQ
-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT
-A KUBE-SERVICES -m set --match-set {sets}CLUSTER-IP dst,dst -j ACCEPT
-A KUBE-POSTROUTING -m comment --comment "to itself" -m set --match-set {sets}LOOP-BACK dst,dst,src -j MASQUERADE
-A KUBE-POSTROUTING -m mark ! --mark {mark}/{mark} -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark {mark}
-A KUBE-POSTROUTING -m comment --comment "what was marked" -j MASQUERADE --random-fully
-A KUBE-MARK-MASQ -j MARK --or-mark {mark}
COMMIT
"""


class Ipvs(Peer):
    """Addresses that are local to the node, IPVS with conntrack, iptables (legacy) and sets as kube-proxy has them.

    The addresses are in the local table as if kube-ipvs0 had them, without the list of them, which takes time with the
    square of its length. The estimator's regular work is off: it is not any packet's.

    Its own entries cannot be removed: they live for `lifetime` seconds, which must be longer than a batch takes, with
    the leaps of the clock.
    """
    scheduler = None
    lifetime = 0	# as the kernel has it

    def set_up(self, inside):
        self.set_up_ipvs(inside)
        inside("ipset", "restore", stdin=self.sets())
        command = "ip6tables" if self.version == 6 else "iptables"
        inside(f"{command}-legacy-restore", "--noflush", stdin=[self.rules()])

    def set_up_ipvs(self, inside):
        inside("modprobe", "-a", "ip_vs", f"ip_vs_{self.scheduler}", "dummy")
        inside("sysctl", "-qw", "net.ipv4.vs.conntrack=1", "net.ipv4.vs.run_estimation=0")
        inside("ip", "link", "add", "kube-ipvs0", "type", "dummy")
        inside("ip", "link", "set", "kube-ipvs0", "up")
        inside("ip", "-batch", "-", stdin=(f"route add local {address} dev kube-ipvs0 table local\n"
                                           for address in self.addresses()))
        inside(HERE / "ipvs-load", self.scheduler, stdin=self.virtual_servers())
        inside("ipvsadm", "--set", "0", "0", f"{self.lifetime}")

    def addresses(self):
        before = None
        for i in range(self.services):
            address, _ = self.frontend(i)
            if address != before:
                yield address
            before = address

    def virtual_servers(self):
        for i in range(self.services):
            address, port = self.frontend(i)
            yield f"service {self.protocol} {address} {port}\n"
            for to, to_port in self.endpoints(i):
                yield f"endpoint {to} {to_port}\n"

    @property
    def prefix(self):
        return "KUBE-6-" if self.version == 6 else "KUBE-"

    def sets(self):
        family = "inet6" if self.version == 6 else "inet"
        for name, kind in SETS.items():
            size = "range 0-65535" if kind == "bitmap:port" else f"family {family} maxelem {MOST}"
            yield f"create {self.prefix}{name} {kind} {size}\n"
        for address in self.addresses():
            yield f"add {self.prefix}IPVS-IPS {address}\n"
        for i in range(self.services):
            address, port = self.frontend(i)
            yield f"add {self.prefix}CLUSTER-IP {address},{self.protocol}:{port}\n"

    def rules(self):
        loopback = "::1" if self.version == 6 else "127.0.0.0/8"
        return RULES.format(mark=f"{MARK:#x}", sets=self.prefix, pods=self.pods, loopback=loopback)

    def remember(self, inside):
        inside("ipvsadm", "--set", "0", "0", "100000")

    def forget(self, inside):
        deadline = time.monotonic() + 3 * self.lifetime + PATIENCE
        while len(inside("head", "-n", "2", "/proc/net/ip_vs_conn").splitlines()) > 1:
            if time.monotonic() > deadline:
                raise network.Broken("IPVS's entries do not expire")
            time.sleep(self.lifetime / 20)


class IpvsRr(Ipvs):
    scheduler = "rr"


class IpvsSh(Ipvs):
    scheduler = "sh"


class IpvsMh(Ipvs):
    scheduler = "mh"


class BareIpvs(IpvsRr):
    """Not what kube-proxy makes: the least that IPVS with conntrack needs, and no NAT."""

    def set_up(self, inside):
        self.set_up_ipvs(inside)
        inside("nft", "-f", "-", stdin=[WANTS_CONNTRACK])

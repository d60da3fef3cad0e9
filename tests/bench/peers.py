# SPDX-License-Identifier: GPL-2.0
"""What would be used instead: what kube-proxy of today makes of the same services in its nftables and iptables modes,
on a node with one address for node ports, which tells pods by the cluster's CIDR.
"""
import base64
import functools
import hashlib
import pathlib
import string

import network
from method import Method

HERE = pathlib.Path(__file__).resolve().parent
MARK = 0x4000


@functools.lru_cache(maxsize=128)	# those of a service are asked for several times
def digest(text, length):
    return base64.b32encode(hashlib.sha256(text.encode()).digest())[:length].decode()


def short_name(i):
    """Capitals, as a word of nft's language is none; the digits of i, the lowest first."""
    return "".join(string.ascii_uppercase[i // 26 ** k % 26] for k in range(4))


class Peer(Method):
    tracks = True
    translates = True

    @property
    def ip(self):
        return "ip6" if self.version == 6 else "ip"

    def frontend(self, i):
        return network.frontend(self.version, i)

    def endpoints(self, i):
        return network.endpoints(self.version, i)


class Nftables(Peer):
    """Verdict maps lead to a chain for each service and from there to one for each endpoint.

    kube-proxy puts all in one transaction, whose time grows with the square of the number of anonymous maps: the same is
    in force after several. With very many services, where each new map is compared with all others, several times
    (nf_tables_newset(), nft_set_lookup_global()), maps are otherwise the same, but have names, short ones that differ in
    the first letter, and are made before all else, to lie side by side in memory. Transactions are few then, as the
    kernel goes through all chains before each of them, once for every 32 KB of what nft wants to know, but not so few
    that nft, which takes 5 KB a command, needs more memory than there is.
    """
    anonymous = 10000	# services at most

    @property
    def names(self):
        return self.services > self.anonymous

    def set_up(self, inside):
        inside(HERE / "nft-load", stdin=self.transactions())

    def transactions(self):
        yield self.frame()
        yield "\nCOMMIT\n"
        if self.names:
            for services in self.portions():
                yield from (self.map(i) for i in services)
                yield "COMMIT\n"
        for services in self.portions():
            for i in services:
                yield from self.service(i)
            yield "COMMIT\n"

    def portions(self):
        """The services of each transaction."""
        size = self.services // 4 if self.names else 1000
        return (range(first, min(first + size, self.services)) for first in range(0, self.services, size))

    def frame(self):
        """All that is there without any service."""
        ip, address = self.ip, f"ipv{self.version}_addr"
        return f"""
            table {ip} kube-proxy {{
                set cluster-ips {{ type {address}; }}
                set nodeport-ips {{ type {address}; elements = {{ {network.NODE_ADDRESS[self.version]} }}; }}
                map firewall-ips {{ type {address} . inet_proto . inet_service : verdict; }}
                map no-endpoint-services {{ type {address} . inet_proto . inet_service : verdict; }}
                map no-endpoint-nodeports {{ type inet_proto . inet_service : verdict; }}
                map service-ips {{ type {address} . inet_proto . inet_service : verdict; }}
                map service-nodeports {{ type inet_proto . inet_service : verdict; }}

                chain mark-for-masquerade {{ mark set mark or {MARK:#x}; }}
                chain masquerading {{
                    mark and {MARK:#x} == 0 return
                    mark set mark xor {MARK:#x}
                    masquerade fully-random
                }}
                chain reject-chain {{ reject; }}
                chain cluster-ips-check {{
                    {ip} daddr @cluster-ips reject
                    {ip} daddr {network.FRONTENDS[self.version]} drop
                }}
                chain firewall-check {{ {ip} daddr . meta l4proto . th dport vmap @firewall-ips; }}
                chain service-endpoints-check {{ {ip} daddr . meta l4proto . th dport vmap @no-endpoint-services; }}
                chain nodeport-endpoints-check {{
                    {ip} daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports
                }}
                chain services {{
                    {ip} daddr . meta l4proto . th dport vmap @service-ips
                    {ip} daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
                }}

                chain filter-prerouting {{
                    type filter hook prerouting priority -110
                    ct state new jump firewall-check
                }}
                chain filter-input {{
                    type filter hook input priority -110
                    ct state new jump nodeport-endpoints-check
                    ct state new jump service-endpoints-check
                }}
                chain filter-forward {{
                    type filter hook forward priority -110
                    ct state new jump service-endpoints-check
                    ct state new jump cluster-ips-check
                }}
                chain filter-output {{
                    type filter hook output priority -110
                    ct state new jump service-endpoints-check
                    ct state new jump firewall-check
                }}
                chain filter-output-post-dnat {{
                    type filter hook output priority -90
                    ct state new jump cluster-ips-check
                }}
                chain nat-prerouting {{ type nat hook prerouting priority -100; jump services; }}
                chain nat-output {{ type nat hook output priority -100; jump services; }}
                chain nat-postrouting {{ type nat hook postrouting priority 100; jump masquerading; }}
            }}
        """

    choice = f"numgen random mod {network.ENDPOINTS}"

    def map(self, i):
        # Were it constant, as anonymous ones are, nft would keep the size to itself, and the kernel choose a slower kind.
        return f"add map {self.ip} kube-proxy {short_name(i)} {{ typeof {self.choice} : verdict; " \
               f"size {network.ENDPOINTS}; }}\n"

    def service(self, i):
        table, proto = f"{self.ip} kube-proxy", self.protocol
        address, port = self.frontend(i)
        name = f"bench/service-{i}/{proto}/p"
        chain = f"service-{digest(name, 8)}-{name}"
        chains = []
        for to, to_port in self.endpoints(i):
            endpoint_name = f"{name}__{to.replace(':', '.')}/{to_port}"
            chains.append(f"endpoint-{digest(endpoint_name, 8)}-{endpoint_name}")
            yield f"add chain {table} {chains[-1]}\n"
        yield f"add chain {table} {chain}\n"
        yield f"add element {table} cluster-ips {{ {address} }}\n"
        yield f"add element {table} service-ips {{ {address} . {proto} . {port} : goto {chain} }}\n"
        yield f"add rule {table} {chain} {self.ip} daddr {address} {proto} dport {port} " \
              f"{self.ip} saddr != {self.pods} jump mark-for-masquerade\n"
        choices = "{ " + ", ".join(f"{k} : goto {to_chain}" for k, to_chain in enumerate(chains)) + " }"
        if self.names:
            yield f"add element {table} {short_name(i)} {choices}\n"
            choices = f"@{short_name(i)}"
        yield f"add rule {table} {chain} {self.choice} vmap {choices}\n"
        for to_chain, to in zip(chains, self.endpoints(i)):
            yield f"add rule {table} {to_chain} {self.ip} saddr {to[0]} jump mark-for-masquerade\n"
            yield f"add rule {table} {to_chain} meta l4proto {proto} dnat to {network.joined(*to)}\n"


class Iptables(Peer):
    """A rule for each service, one after another, each of which leads to a chain with a rule for each endpoint.

    Comments are left out where kube-proxy leaves them out, with more than 1,000 endpoints. Chains are declared in the
    order that libiptc, which sorts them, is fastest with: each becomes the first of its list. In one transaction
    the time to load grows with the square of the number of chains: libxtables looks each name up in a table with 512
    buckets.
    """

    @property
    def transaction(self):
        """Services."""
        return max(10000, self.services // 4)
    most = 50990	# services: XT_MAX_TABLE_SIZE (net/netfilter/x_tables.c), of which each takes 10,528 bytes (IPv4)
    FRAME = """*mangle
:KUBE-PROXY-CANARY - [0:0]
COMMIT
*filter
:KUBE-NODEPORTS - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-EXTERNAL-SERVICES - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
:KUBE-PROXY-CANARY - [0:0]
-A INPUT -m conntrack --ctstate NEW -m comment --comment "load balancer firewall" -j KUBE-PROXY-FIREWALL
-A INPUT -m comment --comment "health check ports" -j KUBE-NODEPORTS
-A INPUT -m conntrack --ctstate NEW -m comment --comment "from outside" -j KUBE-EXTERNAL-SERVICES
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "load balancer firewall" -j KUBE-PROXY-FIREWALL
-A FORWARD -m comment --comment "forwarding rules" -j KUBE-FORWARD
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "services" -j KUBE-SERVICES
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "from outside" -j KUBE-EXTERNAL-SERVICES
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "load balancer firewall" -j KUBE-PROXY-FIREWALL
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "services" -j KUBE-SERVICES
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m comment --comment "what is masqueraded" -m mark --mark {mark}/{mark} -j ACCEPT
-A KUBE-FORWARD -m comment --comment "what goes on" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
"""
    NAT_CHAINS = """*nat
:KUBE-NODEPORTS - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-PROXY-CANARY - [0:0]
"""
    NAT_RULES = """-A PREROUTING -m comment --comment "services" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "services" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "masquerading" -j KUBE-POSTROUTING
-A KUBE-POSTROUTING -m mark ! --mark {mark}/{mark} -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark {mark}
-A KUBE-POSTROUTING -m comment --comment "what was marked" -j MASQUERADE --random-fully
-A KUBE-MARK-MASQ -j MARK --or-mark {mark}
"""

    def set_up(self, inside):
        if self.services > self.most:
            raise network.Exhausted(f"the kernel's limit of a table, 512 MB, is reached with {self.most:,} services")
        command = "ip6tables" if self.version == 6 else "iptables"
        for lines in self.transactions():
            inside(f"{command}-legacy-restore", "--noflush", stdin=lines)

    def transactions(self):
        mark = f"{MARK:#x}"
        yield [self.FRAME.format(mark=mark), self.NAT_CHAINS, self.NAT_RULES.format(mark=mark), "COMMIT\n"]
        for first in range(0, self.services, self.transaction):
            yield self.some(range(first, min(first + self.transaction, self.services)))
        yield ["*nat\n", f'-A KUBE-SERVICES -m comment --comment "node ports" {self.node()} -j KUBE-NODEPORTS\nCOMMIT\n']

    def some(self, services):
        yield "*nat\n"
        chains = (self.chain(i, k) for i in services for k in (None, *range(network.ENDPOINTS)))
        yield from (f":{chain} - [0:0]\n" for chain in sorted(chains, reverse=True))
        for i in services:
            yield from self.service(i)
        yield "COMMIT\n"

    def node(self):
        """The last rule: whatever is for the address that has node ports."""
        return f"-d {network.NODE_ADDRESS[self.version]}"

    def chain(self, i, k=None):
        return f"KUBE-SVC-{digest(f'{i}', 16)}" if k is None else f"KUBE-SEP-{digest(f'{i} {k}', 16)}"

    def comment(self, text):
        few = self.services * network.ENDPOINTS <= 1000
        return f'-m comment --comment "{text}" ' if few else ""

    def service(self, i):
        proto, chain, name = self.protocol, self.chain(i), f"bench/service-{i}:p"
        address, port = self.frontend(i)
        this = f'-m comment --comment "{name} cluster IP" -m {proto} -p {proto} -d {address} --dport {port}'
        yield f"-A KUBE-SERVICES {this} -j {chain}\n"
        yield f"-A {chain} {this} ! -s {self.pods} -j KUBE-MARK-MASQ\n"
        for k, to in enumerate(self.endpoints(i)):
            left = network.ENDPOINTS - k
            chance = f"-m statistic --mode random --probability {1 / left:.10f} " if left > 1 else ""
            yield f"-A {chain} {self.comment(f'{name} -> {network.joined(*to)}')}{chance}-j {self.chain(i, k)}\n"
            yield f"-A {self.chain(i, k)} {self.comment(name)}-s {to[0]} -j KUBE-MARK-MASQ\n"
            yield f"-A {self.chain(i, k)} {self.comment(name)}-m {proto} -p {proto} " \
                  f"-j DNAT --to-destination {network.joined(*to)}\n"

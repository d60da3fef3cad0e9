# SPDX-License-Identifier: GPL-2.0
"""What is compared: each method makes a node do something with the packets that pass it."""
import json

import network
from ipvs import BareIpvs, IpvsMh, IpvsRr, IpvsSh
from method import WANTS_CONNTRACK, Method
from peers import Iptables, Nftables

FLOOR = "empty NAT"


class Conntrack(Method):
    tracks = True
    ruleset = WANTS_CONNTRACK

    def set_up(self, inside):
        inside("nft", "-f", "-", stdin=[self.ruleset])


class EmptyNat(Conntrack):
    ruleset = WANTS_CONNTRACK + """
        table inet bench {
            chain nat {
                type nat hook prerouting priority dstnat
            }
        }
    """


class OneRule(Method):
    """The first service, with its first endpoint alone."""
    tracks = True
    translates = True

    def set_up(self, inside):
        address, port = network.frontend(self.version, 0)
        family = "ip6" if self.version == 6 else "ip"
        inside("nft", "-f", "-", stdin=[f"""
            table {family} bench {{
                chain nat {{
                    type nat hook prerouting priority dstnat
                    {family} daddr {address} {self.protocol} dport {port} dnat to \\
                        {network.joined(*network.endpoint(self.version, 0))}
                }}
            }}
        """])


class Ksvc(Method):
    tracks = True
    translates = True
    options = {}

    def set_up(self, inside):
        inside("ksvcctl", "restore", stdin=self.saved())

    def saved(self):
        yield '{"ksvc": 1, "settings": {"cluster-cidr": ["%s"]}, "services": [' % self.pods
        for i in range(self.services):
            yield ",\n" * (i > 0) + json.dumps(self.service(i))
        yield "]}"

    def service(self, i):
        return {"name": f"bench/service-{i}", **self.options,
                "frontends": [f"{network.joined(*network.frontend(self.version, i))}/{self.protocol}"],
                "endpoints": [self.endpoint(k, to) for k, to in enumerate(network.endpoints(self.version, i))]}

    def endpoint(self, k, to):
        return {"address": network.joined(*to)}


class KsvcWeighted(Ksvc):
    def endpoint(self, k, to):
        return {**super().endpoint(k, to), "weight": 1 + k % 3}


def with_options(base, **options):
    return type(base.__name__, (base,), {"options": options})


KSVC = {
    "ksvc": Ksvc,
    "ksvc, affinity": with_options(Ksvc, affinity=10800),
    "ksvc, rr": with_options(Ksvc, scheduler="rr"),
    "ksvc, wrr": with_options(KsvcWeighted, scheduler="wrr"),
    "ksvc, lc": with_options(Ksvc, scheduler="lc"),
    "ksvc, sh": with_options(Ksvc, scheduler="sh"),
    "ksvc, maglev": with_options(Ksvc, scheduler="maglev"),
}
PLAIN = {"routing": Method, "conntrack": Conntrack, FLOOR: EmptyNat, "one DNAT rule": OneRule}
PEERS = {"nftables": Nftables, "iptables": Iptables, "IPVS rr": IpvsRr, "IPVS sh": IpvsSh, "IPVS mh": IpvsMh,
         "bare IPVS rr": BareIpvs}
METHODS = {**PLAIN, **KSVC, **PEERS}

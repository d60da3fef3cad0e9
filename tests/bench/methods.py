# SPDX-License-Identifier: GPL-2.0
"""What is compared: each method makes the node do something with the packets that pass it."""
import json

import network

FLOOR = "empty NAT"


class Routing:
    """Plain forwarding, no conntrack in the namespace."""
    name = "routing"
    tracks = False
    translates = False

    def __init__(self, services=1, masquerade=False):
        self.services = services
        self.masquerade = masquerade

    def set_up(self, version):
        pass

    def translated(self):
        """Connections translated, masqueraded so far, where the method counts them; else None."""
        return None


class Conntrack(Routing):
    """A rule that forwarded packets never meet, but which wants conntrack."""
    name = "conntrack"
    tracks = True
    ruleset = """
        table inet bench {
            chain conntrack {
                type filter hook input priority filter
                ct state new
            }
        }
    """

    def set_up(self, version):
        network.inside(network.NODE, "nft", "-f", "-", stdin=self.ruleset)


class EmptyNat(Conntrack):
    name = FLOOR
    ruleset = Conntrack.ruleset + """
        table inet bench {
            chain nat {
                type nat hook prerouting priority dstnat
            }
        }
    """


class Ksvc(Conntrack):
    name = "ksvc"
    translates = True

    def set_up(self, version):
        protocol = "[%s]:%d" if version == 6 else "%s:%d"
        services = []
        for i in range(self.services):
            endpoints = (network.endpoint(version, i * network.ENDPOINTS + k) for k in range(network.ENDPOINTS))
            services.append({
                "name": f"bench/service-{i}",
                "frontends": [protocol % network.frontend(version, i) + "/udp"],
                "endpoints": [{"address": protocol % e} for e in endpoints],
            })
        # Clients are pods, as on a node of a cluster, unless their connections are to be masqueraded.
        pods = (network.NOBODY if self.masquerade else network.CLIENTS)[version]
        saved = {"ksvc": 1, "settings": {"cluster-cidr": [pods]}, "services": services}
        network.inside(network.NODE, "ksvcctl", "restore", stdin=json.dumps(saved))

    def translated(self):
        # The statistics of one service are short, and those of the namespace come with them.
        stats = json.loads(network.inside(network.NODE, "ksvcctl", "--json", "stats", "bench/service-0"))
        return stats["reasons"]["translated"], stats["masqueraded"]


METHODS = {m.name: m for m in (Routing, Conntrack, EmptyNat, Ksvc)}

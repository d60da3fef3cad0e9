# SPDX-License-Identifier: GPL-2.0
"""What every method of handling packets is."""
import network

# A rule that forwarded packets never meet, but for which there is conntrack.
WANTS_CONNTRACK = """
    table inet bench {
        chain conntrack {
            type filter hook input priority filter
            ct state new
        }
    }
"""


class Method:
    """Plain forwarding, no conntrack in the namespace; what others need not say again.

    set_up() is given a function that runs a command in the node's namespace as network.run() does.
    """
    tracks = False
    translates = False

    def __init__(self, services, version, masquerade=False, protocol="udp"):
        self.services = services
        self.version = version
        self.masquerade = masquerade
        self.protocol = protocol

    def set_up(self, inside):
        pass

    def remember(self, inside):
        """From now on flows stay."""

    def forget(self, inside):
        """Returns when the method remembers no flows besides conntrack's; not after remember()."""

    @property
    def pods(self):
        """Clients are pods, as on a node of a cluster, unless their connections are to be masqueraded."""
        return (network.NOBODY if self.masquerade else network.CLIENTS)[self.version]

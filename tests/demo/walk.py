# SPDX-License-Identifier: GPL-2.0
"""One connection from the client to a pod of the other node, looked at wherever it passes."""
from cluster import CLIENT, FLANNEL, POD_PORT, VNI, VXLAN_PORT, node1, node2
from packets import ACK, FIN, PSH, RST, SYN, TCP, UDP, Capture, Tap
from pods import Connection


def show(address, port):
    return f'[{address}]:{port}' if ':' in address else f'{address}:{port}'


class Hop:
    def __init__(self, tap, flow, tunnelled, says):
        self.tap, self.flow, self.tunnelled, self.says = tap, flow, tunnelled, says
        self.packets = []

    def label(self):
        return f'{self.tap.netns} {self.tap.dev} {self.tap.way()}'

    def match(self, p):
        if p.protocol != TCP or p.flow() != self.flow or bool(p.outer) != bool(self.tunnelled):
            return False
        return not p.outer or (p.vni == VNI and p.outer.protocol == UDP and p.outer.dport == VXLAN_PORT and
                               (p.outer.src, p.outer.dst) == self.tunnelled)

    def find(self, key):
        return next((p for p in self.packets if p.key() == key), None)


class Walk:
    """The connection as it was captured: .there and .back are the hops of either direction."""
    def __init__(self, version, vip, pod):
        self.version, self.vip, self.pod = version, vip, pod
        self.flannel = FLANNEL[version]
        self.capture = None
        self.port = None
        self.answer = None
        self.there = self.back = ()

    def interfaces(self):
        return [(CLIENT.name, 'eth0'), (node1.name, CLIENT.veth), (node1.name, 'cni0'), (node1.name, self.flannel),
                (node1.name, 'eth0'), (node2.name, 'eth0'), (node2.name, self.flannel), (node2.name, 'cni0'),
                (node2.name, self.pod.veth), (self.pod.name, 'eth0')]

    def run(self, while_open):
        """Makes connections until the pod answers one; calls while_open() while it is open."""
        for _ in range(60):
            self.capture = Capture(self.interfaces())
            try:
                with Connection(CLIENT.name, self.vip, 80) as c:
                    self.port = c.port
                    self.answer = c.get()
                    if self.answer.pod == self.pod.name:
                        while_open(self)
                if self.answer.pod == self.pod.name:
                    self.hops()
                    self.capture.wait(self.missing, self.complete)
                    return
            finally:
                self.capture.close()
        raise RuntimeError(f'{self.pod.name} answered none of 60 connections')

    def hops(self):
        """Where the connection must pass, and with which addresses."""
        v = self.version
        asked = (CLIENT.ip[v], self.port, self.vip, 80)
        given = (CLIENT.ip[v], self.port, self.pod.ip[v], POD_PORT)
        tunnel = (node1.ip[v], node2.ip[v])
        path = self.interfaces()
        # Out of the pod, into the node, through its devices, over the wire, and the same in reverse.
        outgoing = [True, False, False, True, True, False, False, True, True, False]
        self.there, self.back = [], []
        for i, (where, out) in enumerate(zip(path, outgoing)):
            flow = asked if i < 2 else given
            wire = where[1] == 'eth0' and where[0] in (node1.name, node2.name)
            says = {1: 'as sent', 2: 'DNAT by ksvc'}.get(i, '')
            self.there.append(Hop(Tap(*where, out), flow, wire and tunnel, says))
            # On the way back the address is put back after routing, so on cni0 it is the VIP's again.
            flow = asked if i < 3 else given
            says = {2: 'DNAT undone'}.get(i, '')
            self.back.insert(0, Hop(Tap(*where, not out), flow[2:] + flow[:2], wire and tunnel[::-1], says))

    def complete(self):
        for hop in self.there + self.back:
            hop.packets = self.capture.at(hop.tap, hop.match)
        out, into = self.there[0].packets, self.back[-1].packets
        ended = [p for p in into if p.flags & FIN]
        if not ended or not any(p.flags & FIN for p in out):
            return False
        if not any(p.has(ACK) and p.ack == (ended[0].seq + len(ended[0].payload) + 1) % 2**32 for p in out):
            return False
        return all(hop.find(p.key()) for hops, packets in ((self.there, out), (self.back, into))
                   for hop in hops for p in packets)

    def missing(self):
        lacks = [hop.label() for hop in self.there + self.back if not hop.packets]
        return f'the connection from port {self.port}, ' + (f'at {", ".join(lacks)}' if lacks else 'its end')

    def packets(self):
        """(packet, its hops) in the order in which the client saw them."""
        both = [(p, self.there) for p in self.there[0].packets] + [(p, self.back) for p in self.back[-1].packets]
        return sorted(both, key=lambda x: x[0].time)

    def first(self, flags):
        """The hops of the direction of the first packet with these flags, each with the packet there."""
        packet, hops = next((p, h) for p, h in self.packets() if p.has(flags))
        return [(hop, hop.find(packet.key())) for hop in hops]


def describe(packet):
    names = [name for flag, name in ((SYN, 'SYN'), (FIN, 'FIN'), (RST, 'RST'), (PSH, 'PSH'), (ACK, 'ACK'))
             if packet.flags & flag]
    text = ','.join(names)
    if packet.payload:
        text += ' ' + packet.payload.split(b'\r\n', 1)[0].decode(errors='replace')
    return text

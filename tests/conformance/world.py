# SPDX-License-Identifier: GPL-2.0
"""The node of a case, and everything that is not the node.

                 pod (veth0, or the port of a bridge)             up0
    world:pod ------------------------------ node ------------------ world:uplink
               the sources of "pod" flows      |    the default route
                                             node0
                                         node.addresses

The node's links have addresses of their own, those that masquerading takes; they are of networks that a case does not
mention. The namespace "world" has no addresses: whatever the node sends there is read, from packet sockets, and never
answered. What the node delivers to itself is read from raw sockets.
"""
import ctypes
import ipaddress
import os
import socket
import struct
import subprocess
import time

import packets
from case import BRIDGE, PREFIX, detector, mentions

ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 3, 0x0800, 0x86dd
SO_RCVBUFFORCE, SOL_PACKET, PACKET_IGNORE_OUTGOING, PACKET_STATISTICS = 33, 263, 23, 6
IPV6_RECVPKTINFO, IPV6_PKTINFO = 49, 50
CLONE_NEWNET = 0x40000000
LINK_ENDS = 'node-uplink', 'uplink', 'node-pod', 'pod', 'port'
MACS = {name: bytes((2, 0, 0, 0, 0, number)) for number, name in enumerate(LINK_ENDS)}
PATIENCE = 20 * int(os.environ.get('KSVC_SLOW', '1'))
BUFFER = 32 << 20


class Trouble(Exception):
    """The surroundings do not do what they must; says nothing about ksvc."""


def run(*command, text=''):
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Trouble(f'{" ".join(command)}: status {done.returncode}: {(done.stderr or done.stdout).strip()}')
    return done.stdout


def batch(lines, *options):
    if lines:
        run('ip', *options, '-batch', '-', text='\n'.join(lines) + '\n')


def sysctl(name, value):
    with open('/proc/sys/net/' + name, 'w', encoding='ascii') as file:
        file.write(value)


def mac(name):
    return MACS[name].hex(':')


class Namespace:
    """To be in another network namespace for a while; sockets made there stay there."""

    def __init__(self, name):
        self.path = '/run/netns/' + name
        self.libc = ctypes.CDLL(None, use_errno=True)

    def enter(self, path):
        with open(path, encoding='ascii') as file:
            if self.libc.setns(file.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f'setns {path}')

    def __enter__(self):
        self.home = os.open('/proc/self/ns/net', os.O_RDONLY)
        self.enter(self.path)

    def __exit__(self, *_):
        self.enter(f'/proc/self/fd/{self.home}')
        os.close(self.home)


# --- where packets come out

class Link:
    """The world's end of a link: what the node sends there comes in, and what is sent goes to the node."""

    def __init__(self, where, peer):
        self.where = where
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self.sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.sock.bind((where, ETH_P_ALL))
        head = MACS[peer] + MACS[where]
        self.heads = {4: head + struct.pack('!H', ETH_P_IP), 6: head + struct.pack('!H', ETH_P_IPV6)}

    def send(self, packet, _):
        self.sock.send(self.heads[packet[0] >> 4] + packet)

    def receive(self):
        return self.sock.recv(65535, socket.MSG_DONTWAIT)[14:]

    def lost(self):
        return struct.unpack('II', self.sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]


class Delivered4:
    """What the node delivers to itself, of one protocol."""
    where = 'local'

    def __init__(self, protocol):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)

    def receive(self):
        return self.sock.recv(65535, socket.MSG_DONTWAIT)


class Delivered6:
    where = 'local'

    def __init__(self, protocol):
        self.protocol = protocol
        self.sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, protocol)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self.sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)

    def receive(self):
        """IPv6 raw sockets keep the header to themselves: it is put together again."""
        body, control, _, source = self.sock.recvmsg(65535, 64, socket.MSG_DONTWAIT)
        to = next(data[:16] for level, kind, data in control
                  if (level, kind) == (socket.IPPROTO_IPV6, IPV6_PKTINFO))
        source = socket.inet_pton(socket.AF_INET6, source[0].partition('%')[0])
        return packets.ip_header(source, to, self.protocol, len(body)) + body


class Output:
    """Packets made on the node."""

    def __init__(self):
        self.socks = {family: socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
                      for family in (socket.AF_INET, socket.AF_INET6)}

    def send(self, packet, to):
        family = socket.AF_INET6 if to.version == 6 else socket.AF_INET
        try:
            self.socks[family].sendto(packet, (str(to), 0))
        except PermissionError:
            pass			# dropped or refused in OUTPUT


class Probe:
    """A packet that was sent, and everything that came out of it: pairs of where and Packet."""
    __slots__ = 'packet', 'source_port', 'sent', 'out', 'errors'

    def __init__(self, packet, source_port):
        self.packet, self.source_port, self.sent, self.out, self.errors = packet, source_port, 0.0, [], []


# --- the node

class World:
    def __init__(self, name):
        self.namespace, self.name = Namespace(name), name
        self.addresses, self.routes = set(), set()
        self.pod_link = self.networks = None
        self.probes, self.number, self.source_port = {}, 0x51000000, 0
        self.prepare()
        self.entrances = {'node': Output()}
        self.exits = []
        for protocol in (*packets.PROTOCOLS.values(), packets.ICMP):
            self.exits.append(Delivered4(protocol))
        for protocol in (*packets.PROTOCOLS.values(), packets.ICMPV6):
            self.exits.append(Delivered6(protocol))
        with self.namespace:
            link = Link('uplink', 'node-uplink')
        self.entrances['external'] = link
        self.exits.append(link)

    def prepare(self):
        with self.namespace:
            sysctl('ipv6/conf/default/disable_ipv6', '1')
        for name, value in (
                ('ipv4/ip_forward', '1'), ('ipv6/conf/all/forwarding', '1'),
                ('ipv4/conf/all/rp_filter', '0'), ('ipv4/conf/default/rp_filter', '0'),
                ('ipv4/conf/all/send_redirects', '0'), ('ipv4/conf/default/send_redirects', '0'),
                ('ipv4/conf/all/accept_local', '1'),
                # Or what is sent from 127.0.0.1 could not leave the node (X4).
                ('ipv4/conf/all/route_localnet', '1'),
                ('ipv4/icmp_ratelimit', '0'), ('ipv4/icmp_ratemask', '0'), ('ipv6/icmp/ratelimit', '0'),
                ('ipv6/conf/default/accept_dad', '0')):
            sysctl(name, value)
        # Routes by `via` and permanent neighbours: nobody is asked anything.
        batch([f'link add up0 address {mac("node-uplink")} type veth peer name uplink address {mac("uplink")} '
               f'netns {self.name}',
               'link add node0 type dummy', 'link set up0 up', 'link set node0 up'])
        batch(['link set uplink up'], '-n', self.name)

    def link_addresses(self, link):
        """(the node's, the neighbour's) addresses of a link, per family."""
        first = {'uplink': 1, 'pod': 11}[link]
        return {network.version: (network[first], network[first + 1]) for network in self.networks}

    def link_commands(self, device, link):
        for version_, (own, neighbour) in self.link_addresses(link).items():
            yield f'addr add {own}/{own.max_prefixlen} dev {device}' + (' nodad' if version_ == 6 else '')
            yield f'neigh replace {neighbour} lladdr {mac(link)} dev {device} nud permanent'

    def attach_pod(self, mode, name):
        """The way in for pods: a bridge with a port, or a veth."""
        if self.pod_link == (mode == BRIDGE, name):
            return
        lines = []
        if self.pod_link:
            self.exits.pop().sock.close()
            lines = [f'link del {self.pod_link[1]}'] + ['link del port0'] * self.pod_link[0]
        if mode == BRIDGE:
            lines += [f'link add {name} address {mac("node-pod")} type bridge forward_delay 0',
                      f'link add port0 address {mac("port")} type veth peer name pod address {mac("pod")} '
                      f'netns {self.name}', f'link set port0 master {name}', 'link set port0 up',
                      # All pods are behind one port. Where the bridge hands frames to netfilter, it forwards what is
                      # translated between them by itself.
                      'link set port0 type bridge_slave hairpin on']
        else:
            lines += [f'link add {name} address {mac("node-pod")} type veth peer name pod address {mac("pod")} '
                      f'netns {self.name}']
        batch([*lines, f'link set {name} up', *self.link_commands(name, 'pod')])
        batch(['link set pod up'], '-n', self.name)
        with self.namespace:
            link = Link('pod', 'node-pod')
        self.entrances['pod'] = link
        self.exits.append(link)
        self.pod_link, self.routes = (mode == BRIDGE, name), set()

    def choose_networks(self, text):
        """Those of the links, which the text of the case may not mention. They hardly ever change."""
        if self.networks and not any(mentions(text, network) for network in self.networks):
            return
        chosen = []
        for pattern in '198.18.{}.0/24', '2001:2:0:{:x}::/64':
            networks = (ipaddress.ip_network(pattern.format(number)) for number in range(256))
            chosen.append(next(network for network in networks if not mentions(text, network)))
        lines = ['addr flush dev up0'] if self.networks else []
        self.networks = chosen
        if self.pod_link:
            lines += [f'addr flush dev {self.pod_link[1]}', *self.link_commands(self.pod_link[1], 'pod')]
            self.routes = set()
        lines += self.link_commands('up0', 'uplink')
        for version_, (_, neighbour) in self.link_addresses('uplink').items():
            everything = ipaddress.ip_network('::/0' if version_ == 6 else '0.0.0.0/0')
            lines.append(f'route replace {everything} via {neighbour} dev up0 onlink')
        batch(lines)

    def configure(self, node, pods, text):
        """Makes the node that of a case: interfaces, addresses, routes to pods."""
        self.choose_networks(text)
        mode, names = detector(node)
        self.attach_pod(mode, (names[0] + '0' if mode == PREFIX else names[0] if mode == BRIDGE else 'veth0'))
        wanted = {ipaddress.ip_address(text) for text in node.get('addresses', ())}
        wanted = {address for address in wanted if not address.is_loopback}
        lines = [self.address('del', address) for address in self.addresses - wanted]
        lines += [self.address('add', address) for address in wanted - self.addresses]
        self.addresses = wanted
        routes = pods - wanted
        via = self.link_addresses('pod')
        for address in self.routes - routes:
            lines.append(f'route del {address}/{address.max_prefixlen}')
        for address in routes - self.routes:
            lines.append(f'route replace {address}/{address.max_prefixlen} via {via[address.version][1]} '
                         f'dev {self.pod_link[1]} onlink')
        self.routes = routes
        batch(lines)

    @staticmethod
    def address(verb, address):
        return f'addr {verb} {address}/{address.max_prefixlen} dev node0' + \
            (' nodad' if verb == 'add' and address.version == 6 else '')

    def bind(self, addresses):
        """Addresses of the node for a while, for what is sent from them."""
        batch([self.address('add', address) for address in addresses])
        self.addresses |= set(addresses)

    def unbind(self, addresses):
        batch([self.address('del', address) for address in addresses])
        self.addresses -= set(addresses)

    def is_own(self, address):
        return address.is_loopback or address in self.addresses or address in self.own_link_addresses()

    def own_link_addresses(self):
        return {own for link in ('uplink', 'pod') for own, _ in self.link_addresses(link).values()}

    def place(self, address):
        """Where what is for an address comes out."""
        return 'local' if self.is_own(address) else 'pod' if address in self.routes else 'uplink'

    def masquerading(self, where):
        """The addresses that masquerading may take for what comes out there."""
        if where == 'local':
            return self.own_link_addresses() | {address for address in self.addresses if not address.is_loopback}
        return {own for own, _ in self.link_addresses(where).values()}

    def ingress(self, enters):
        return {'pod': self.pod_link[1], 'external': 'up0', 'node': None}[enters]

    # --- packets

    def next_port(self):
        """Fresh, unless conntrack was flushed since 60000 ports ago."""
        self.source_port = self.source_port % 60000 + 1
        return 2000 + self.source_port

    def template(self, flow):
        return packets.Template(packets.PROTOCOLS[flow.protocol], flow.source.packed, flow.to.packed, flow.port)

    def send(self, enters, template, to):
        self.number += 1
        port = self.next_port()
        probe = self.probes[self.number] = Probe(template.make(port, self.number), port)
        probe.sent = time.monotonic()
        self.entrances[enters].send(probe.packet, to)
        return probe

    def drain(self):
        """Reads what has come out; returns whether there was anything."""
        seen = False
        for exit_ in self.exits:
            while True:
                try:
                    data = exit_.receive()
                except BlockingIOError:
                    break
                seen = True
                packet = packets.read(data) if data else None
                probe = self.probes.get(packet.number) if packet else None
                if probe:
                    (probe.errors if packet.error else probe.out).append((exit_.where, packet))
        return seen

    def settle(self):
        """Returns when all that was sent has come out, or will not: what a packet makes happen is done before what
        was sent after it, as it all happens on one CPU, and a marker that crosses the node needs as many steps as
        anything."""
        source, to = self.link_addresses('pod')[4][1], self.networks[0][250]
        marker = self.send('pod', packets.Template(packets.UDP, source.packed, to.packed, 9), to)
        deadline = time.monotonic() + PATIENCE
        while not marker.out:
            if not self.drain():
                if time.monotonic() > deadline:
                    raise Trouble('a packet that crosses the node does not come out')
                time.sleep(0.001)
        self.drain()
        for link in 'pod', 'external':
            if self.entrances[link].lost():
                raise Trouble('more packets came out than could be read')
        self.probes.clear()


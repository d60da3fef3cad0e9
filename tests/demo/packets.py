# SPDX-License-Identifier: GPL-2.0
"""Captures with AF_PACKET at many interfaces at once, and takes the frames apart."""
import ipaddress
import socket
import struct
import time

from cluster import VXLAN_PORT, inside

ETH_P_ALL = 3
ETH_P_IP = 0x0800
ETH_P_IPV6 = 0x86dd
SO_TIMESTAMPNS = 35
PACKET_OUTGOING = 4
TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


class Packet:
    """One IP packet; of a VXLAN packet the inner one, with the outer one in .outer and .vni."""
    outer = None
    vni = None
    sport = dport = None
    flags = seq = ack = 0
    payload = b''

    def flow(self):
        return self.src, self.sport, self.dst, self.dport

    def key(self):
        """What stays the same when addresses are translated."""
        return self.flags, self.seq, self.ack, len(self.payload)

    def has(self, flags):
        return self.flags & (SYN | ACK | FIN | RST) == flags


def decode_ip(data):
    """The packet in data, which starts with an IP header; None for what does not matter here."""
    p = Packet()
    if data[0] >> 4 == 4:
        header = (data[0] & 15) * 4
        length, = struct.unpack_from('!H', data, 2)
        p.protocol = data[9]
        p.src, p.dst = (str(ipaddress.IPv4Address(data[i:i + 4])) for i in (12, 16))
    else:
        header = 40
        length = struct.unpack_from('!H', data, 4)[0] + header
        p.protocol = data[6]
        p.src, p.dst = (str(ipaddress.IPv6Address(data[i:i + 16])) for i in (8, 24))
    body = data[header:length]
    if p.protocol == TCP:
        p.sport, p.dport, p.seq, p.ack, offset, p.flags = struct.unpack_from('!HHIIBB', body)
        p.payload = body[(offset >> 4) * 4:]
    elif p.protocol == UDP:
        p.sport, p.dport = struct.unpack_from('!HH', body)
        if p.dport == VXLAN_PORT:
            inner = decode(body[16:])
            if inner:
                inner.outer = p
                inner.vni = int.from_bytes(body[12:15], 'big')
            return inner
    elif p.protocol in (ICMP, ICMPV6):
        p.type, p.code = body[0], body[1]
        p.payload = body[8:]
    else:
        return None
    return p


def decode(frame):
    if len(frame) < 34 or struct.unpack_from('!H', frame, 12)[0] not in (ETH_P_IP, ETH_P_IPV6):
        return None
    return decode_ip(frame[14:])


def timestamps():
    """The kernel begins to note when packets pass some time after the first socket asks for it: ask early, keep it."""
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    return s


class Tap:
    """A place where packets are looked at: an interface of a namespace, and which way they go there."""
    def __init__(self, netns, dev, outgoing):
        self.netns, self.dev, self.outgoing = netns, dev, outgoing

    def way(self):
        return 'out' if self.outgoing else 'in'


class Capture:
    def __init__(self, interfaces):
        """interfaces: (namespace, device) of each."""
        self.sockets = {}
        self.packets = {}
        for netns, dev in interfaces:
            with inside(netns):
                s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            s.setblocking(False)
            s.bind((dev, ETH_P_ALL))
            self.sockets[netns, dev] = s
            self.packets[netns, dev] = []

    def read(self):
        for where, s in self.sockets.items():
            while True:
                try:
                    frame, control, _, address = s.recvmsg(65536, 256)
                except BlockingIOError:
                    break
                packet = decode(frame)
                if packet:
                    seconds, nanoseconds = struct.unpack('qq', control[0][2])
                    packet.time = seconds * 10**9 + nanoseconds
                    packet.outgoing = address[2] == PACKET_OUTGOING
                    self.packets[where].append(packet)

    def at(self, tap, match):
        """The packets that passed the tap and match, in order."""
        return [p for p in self.packets[tap.netns, tap.dev] if p.outgoing == tap.outgoing and match(p)]

    def wait(self, what, condition, seconds=10):
        """what: called if it does not happen, to say what is missing."""
        deadline = time.monotonic() + seconds
        while True:
            self.read()
            if condition():
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f'not captured within {seconds} s: {what()}')
            time.sleep(0.02)

    def close(self):
        for s in self.sockets.values():
            s.close()

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Sends hand-made packets and tells what comes back for each.

usage: raw.py [-p PORT] SOURCE PROBE...

SOURCE is an address of this machine; source ports ascend from PORT (40000) on. A PROBE is KIND=ADDR:PORT or KIND=ADDR:PORT:TTL, where KIND is udp, sctp (an INIT),
echo (ICMP; PORT is its identifier) or a TCP segment: syn, ack, data, far (data, half the
sequence space away from that), finack, fin, rst. The last probe must be one that
gets an answer: when that has come, those of the others are no longer waited for. Probes that are answered wrongly, with
addresses or ports that are not theirs, count as not answered.

Prints a line for each: the PROBE, then one of
  silence
  port-unreachable ADDR     ICMP's, from ADDR, that quotes the probe byte by byte; other codes as icmp-TYPE-CODE ADDR
  misquoted ADDR            an error for the probe which does not
  reset SEQ [ACK]           a TCP RST; numbers relative to those of the probe's own acknowledgment and sequence
  answer                    anything else
"""
import os
import select
import socket
import struct
import sys

SEQ, ACK = 0x10000000, 0x20000000
FLAGS = {'fin': 0x01, 'syn': 0x02, 'rst': 0x04, 'ack': 0x10, 'data': 0x18, 'far': 0x18, 'finack': 0x11}
PAYLOAD = b'sixteen bytes...'
PACKET_OUTGOING = 4
ETH_P_ALL = 3


def ones_sum(data):
    if len(data) % 2:
        data += b'\0'
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def checksum(data):
    return 0xffff ^ ones_sum(data)


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82f63b78 * (crc & 1)
    return crc ^ 0xffffffff


class Probe:
    def __init__(self, text, source, sport):
        self.text = text
        self.result = 'silence'
        self.kind, where = text.split('=')
        if where.startswith('['):
            addr, ports = where[1:].split(']:')
        else:
            addr, ports = where.split(':', 1)
        ports = ports.split(':')
        self.family = socket.AF_INET6 if ':' in addr else socket.AF_INET
        self.dport = int(ports[0])
        self.ttl = int(ports[1]) if len(ports) > 1 else 64
        self.sport = sport
        self.src = socket.inet_pton(self.family, source)
        self.dst = socket.inet_pton(self.family, addr)
        self.build()

    def build(self):
        v6 = self.family == socket.AF_INET6
        ports = struct.pack('!HH', self.sport, self.dport)
        if self.kind == 'udp':
            self.proto = socket.IPPROTO_UDP
            size = 8 + len(PAYLOAD)
            self.body = self.summed(ports + struct.pack('!HH', size, 0) + PAYLOAD, 6)
        elif self.kind == 'sctp':
            self.proto = socket.IPPROTO_SCTP
            init = struct.pack('!BBHIIHHI', 1, 0, 20, 0x1234, 65536, 1, 1, 0x5678)
            head = ports + struct.pack('!I', 0)
            self.body = head + struct.pack('<I', crc32c(head + b'\0\0\0\0' + init)) + init
        elif self.kind == 'echo':
            self.proto = socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP
            echo = struct.pack('!BBHHH', 128 if v6 else 8, 0, 0, self.dport, 1) + PAYLOAD
            self.body = self.summed(echo, 2, v6)
        else:
            self.proto = socket.IPPROTO_TCP
            flags = FLAGS[self.kind]
            seq = SEQ ^ (1 << 31) if self.kind == 'far' else SEQ
            payload = PAYLOAD if flags & 0x08 else b''
            tcp = ports + struct.pack('!IIBBHHH', seq, ACK if flags & 0x10 else 0, 5 << 4, flags, 8192, 0, 0)
            self.body = self.summed(tcp + payload, 16)
        size = len(self.body)
        if v6:
            self.packet = struct.pack('!IHBB', 6 << 28, size, self.proto, self.ttl) + self.src + self.dst + self.body
        else:
            head = struct.pack('!BBHHHBBH', 0x45, 0, 20 + size, 1, 0, self.ttl, self.proto, 0) + self.src + self.dst
            self.packet = head + self.body

    def summed(self, body, offset, pseudo=True):
        head = self.src + self.dst + struct.pack('!II', len(body), self.proto) if pseudo else b''
        return body[:offset] + struct.pack('!H', checksum(head + body)) + body[offset + 2:]

    def send(self):
        with socket.socket(self.family, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
            try:
                sock.sendto(self.packet, (socket.inet_ntop(self.family, self.dst), 0))
            except PermissionError:
                pass

    def take(self, packet):
        """Sets the result if the packet is an answer to this probe."""
        if self.result != 'silence' or packet.family != self.family or packet.dst != self.src:
            return
        if packet.error is not None:
            self.take_error(packet)
        elif packet.src == self.dst and packet.proto == self.proto:
            self.take_answer(packet.body)

    def take_error(self, packet):
        inner = Packet(packet.error)
        if inner.src != self.src or inner.proto != self.proto or not self.is_mine(inner.body):
            return
        what = 'icmp-%d-%d' % packet.type
        if packet.type in ((3, 3), (1, 4)):
            what = 'port-unreachable'
        if inner.dst != self.dst or not self.body.startswith(inner.body) or not packet.is_whole():
            what = 'misquoted'
        self.result = '%s %s' % (what, socket.inet_ntop(self.family, packet.src))

    def is_mine(self, body):
        if self.kind == 'echo':
            return body[4:6] == self.body[4:6]
        return body[:2] == self.body[:2]

    def take_answer(self, body):
        if self.kind == 'echo':
            if body[0] in (0, 129) and body[4:8] == self.body[4:8]:
                self.result = 'answer'
        elif body[:4] == self.body[2:4] + self.body[:2]:
            self.result = 'answer'
            if self.proto == socket.IPPROTO_TCP and body[13] & 0x04:
                seq, ack = struct.unpack('!II', body[4:12])
                self.result = 'reset %d' % (seq - ACK if seq else 0)
                if body[13] & 0x10:
                    self.result += ' %d' % (ack - SEQ)


class Packet:
    """A packet that came in, or that an ICMP error quotes."""

    def __init__(self, data):
        self.error = None
        if data[0] >> 4 == 6:
            self.family = socket.AF_INET6
            self.proto, self.src, self.dst, self.body = data[6], data[8:24], data[24:40], data[40:]
            is_error = self.proto == socket.IPPROTO_ICMPV6 and self.body[0] < 128
        else:
            self.family = socket.AF_INET
            self.proto, self.src, self.dst = data[9], data[12:16], data[16:20]
            self.body = data[(data[0] & 15) * 4:]
            is_error = self.proto == socket.IPPROTO_ICMP and self.body[0] in (3, 4, 11, 12)
        if is_error:
            self.type = tuple(self.body[:2])
            self.error = self.body[8:]

    def is_whole(self):
        head = b''
        if self.family == socket.AF_INET6:
            head = self.src + self.dst + struct.pack('!II', len(self.body), self.proto)
        return checksum(head + self.body) == 0


def main():
    arguments = sys.argv[1:]
    # Below those that clients get.
    port = 20000
    if arguments[0] == '-p':
        port = int(arguments[1])
        del arguments[:2]
    source, *texts = arguments
    # What is sent from one CPU stays in order.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    probes = [Probe(text, source, port + number) for number, text in enumerate(texts)]
    for probe in probes:
        probe.send()
    patience = 5 * int(os.environ.get('KSVC_SLOW', '1'))
    while probes[-1].result == 'silence' and select.select([listener], [], [], patience)[0]:
        data, (_, _, pkttype, _, _) = listener.recvfrom(65535)
        if pkttype == PACKET_OUTGOING or not data or data[0] >> 4 not in (4, 6):
            continue
        packet = Packet(data)
        for probe in probes:
            probe.take(packet)
    for probe in probes:
        print(probe.text, probe.result)


main()

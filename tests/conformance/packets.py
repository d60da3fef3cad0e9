# SPDX-License-Identifier: GPL-2.0
"""First packets of connections, made by hand, and what is read from packets that come out somewhere.

Every probe carries a number of its own where translation does not touch it (TCP: sequence number, UDP: payload, SCTP:
initiate tag), so that it is recognised whatever became of its addresses and ports.
"""
import socket
import struct

PROTOCOLS = {'TCP': socket.IPPROTO_TCP, 'UDP': socket.IPPROTO_UDP, 'SCTP': socket.IPPROTO_SCTP}
TCP, UDP, SCTP = PROTOCOLS.values()
ICMP, ICMPV6 = socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6
SYN, TCP_FLAGS = 0x02, 0x17			# of the latter, nothing but SYN is set in a first packet
INIT = 1
PORT_UNREACHABLE = {4: (3, 3), 6: (1, 4)}
FILLING = b'ksvc'


def crc32c_table():
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ 0x82f63b78 * (byte & 1)
        yield byte


CRC32C = tuple(crc32c_table())


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ CRC32C[(crc ^ byte) & 0xff]
    return crc ^ 0xffffffff


def ones_sum(data):
    data += bytes(len(data) % 2)
    return fold(sum(struct.unpack(f'!{len(data) // 2}H', data)))


def fold(total):
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def pseudo_header(source, destination, length, protocol):
    return source + destination + struct.pack('!II', length, protocol)


def ip_header(source, destination, protocol, length):
    """Addresses are packed. The TTL must outlast the one hop that the node is."""
    if len(source) == 16:
        return struct.pack('!IHBB', 6 << 28, length, protocol, 64) + source + destination
    head = struct.pack('!BBHHHBBH', 0x45, 0, 20 + length, 1, 0, 64, protocol, 0) + source + destination
    return head[:10] + struct.pack('!H', 0xffff ^ ones_sum(head)) + head[12:]


class Template:
    """Makes the packets of one flow, which differ in source port and number."""

    def __init__(self, protocol, source, destination, port):
        self.protocol, self.port = protocol, port
        body = self.body(0, 0)
        self.head = ip_header(source, destination, protocol, len(body))
        self.sum = ones_sum(pseudo_header(source, destination, len(body), protocol) + body)

    def body(self, source_port, number, checksum=0):
        ports = struct.pack('!HH', source_port, self.port)
        if self.protocol == TCP:
            return ports + struct.pack('!IIBBHHH', number, 0, 5 << 4, SYN, 8192, checksum, 0)
        if self.protocol == UDP:
            return ports + struct.pack('!HHI', 16, checksum, number) + FILLING
        init = struct.pack('!BBHIIHHI', INIT, 0, 20, number, 65536, 1, 1, number)
        return ports + struct.pack('!I', 0) + struct.pack('<I', checksum) + init

    def make(self, source_port, number):
        if self.protocol == SCTP:
            return self.head + self.body(source_port, number, crc32c(self.body(source_port, number)))
        checksum = 0xffff ^ fold(self.sum + source_port + (number >> 16) + (number & 0xffff))
        return self.head + self.body(source_port, number, checksum or 0xffff)	# 0 is none to UDP


class Packet:
    """A probe that came out, or an ICMP error about one: then `error` is its type and code, `quoted` the probe."""
    __slots__ = ('version', 'source', 'source_port', 'destination', 'port', 'protocol', 'number', 'error', 'quoted',
                 'intact')

    def __init__(self, version, source, destination, protocol):
        self.version, self.source, self.destination, self.protocol = version, source, destination, protocol
        self.error = self.quoted = None

    def flow(self):
        return self.source, self.source_port, self.destination, self.port


def read_number(protocol, body):
    """The probe's number; None if it is none, answers of the machines that got it included."""
    if protocol == TCP and len(body) >= 20 and body[13] & TCP_FLAGS == SYN:
        return struct.unpack_from('!I', body, 4)[0]
    if protocol == UDP and len(body) >= 16 and body[12:16] == FILLING:
        return struct.unpack_from('!I', body, 8)[0]
    if protocol == SCTP and len(body) >= 20 and body[12] == INIT:
        return struct.unpack_from('!I', body, 16)[0]
    return None


def is_intact(packet, body):
    if packet.protocol == SCTP:
        return struct.unpack_from('<I', body, 8)[0] == crc32c(body[:8] + bytes(4) + body[12:])
    if packet.protocol == ICMP:
        return ones_sum(body) == 0xffff
    return ones_sum(pseudo_header(packet.source, packet.destination, len(body), packet.protocol) + body) == 0xffff


def read_error(packet, body):
    last = 127 if packet.version == 6 else 12
    if packet.protocol not in (ICMP, ICMPV6) or len(body) < 8 + 20 or body[0] > last:
        return None
    packet.error = body[0], body[1]
    packet.quoted = read(body[8:], check=False)
    if packet.quoted is None or packet.quoted.error:
        return None
    packet.number = packet.quoted.number
    return packet


def read(data, check=True):
    """A Packet, or None for all that is not about probes."""
    version = data[0] >> 4
    if version == 4 and len(data) >= 20:
        start, end = (data[0] & 15) * 4, data[2] << 8 | data[3]
        packet = Packet(4, data[12:16], data[16:20], data[9])
    elif version == 6 and len(data) >= 40:
        start, end = 40, 40 + (data[4] << 8 | data[5])
        packet = Packet(6, data[8:24], data[24:40], data[6])
    else:
        return None
    body = data[start:end]
    packet.number = read_number(packet.protocol, body)
    if packet.number is None:
        packet = read_error(packet, body)
    else:
        packet.source_port, packet.port = struct.unpack_from('!HH', body)
    if packet and check:
        packet.intact = is_intact(packet, body)
    return packet

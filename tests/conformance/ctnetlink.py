# SPDX-License-Identifier: GPL-2.0
"""Conntrack entries over netlink: make, list, flush. One process for all, where conntrack(8) takes one for each."""
import errno
import ipaddress
import os
import socket
import struct

NETLINK_NETFILTER = 12
SUBSYSTEM, NEW, GET, DELETE = 1 << 8, 0, 1, 2
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP, NLM_F_EXCL, NLM_F_CREATE = 1, 4, 0x300, 0x200, 0x400
NLMSG_ERROR, NLMSG_DONE, NLA_F_NESTED, NLA_TYPE = 2, 3, 0x8000, 0x3fff
TUPLE_ORIG, TUPLE_REPLY, STATUS, PROTOINFO, TIMEOUT, NAT_DST = 1, 2, 3, 4, 7, 13
TUPLE_IP, TUPLE_PROTO = 1, 2
PROTO_NUM, PROTO_SRC_PORT, PROTO_DST_PORT = 1, 2, 3
IP_SRC, IP_DST, NAT_MIN_IP, NAT_MAX_IP = {4: 1, 6: 3}, {4: 2, 6: 4}, {4: 1, 6: 4}, {4: 2, 6: 5}
NAT_PROTO, PORT_MIN, PORT_MAX = 3, 1, 2
PROTOINFO_TCP, TCP_STATE, ESTABLISHED = 1, 1, 3
SEEN_REPLY, ASSURED, CONFIRMED = 2, 4, 8
HEADERS = 20			# nlmsghdr and nfgenmsg
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


def attr(kind, *parts):
    payload = b''.join(parts)
    return struct.pack('=HH', 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def nest(kind, *parts):
    return attr(kind | NLA_F_NESTED, *parts)


def be16(kind, value):
    return attr(kind, struct.pack('!H', value))


def be32(kind, value):
    return attr(kind, struct.pack('!I', value))


def attributes(data):
    found, at = {}, 0
    while len(data) - at >= 4:
        length, kind = struct.unpack_from('=HH', data, at)
        found[kind & NLA_TYPE] = data[at + 4:at + length]
        at += (length + 3) & ~3
    return found


def talk(kind, flags, family=0, payload=b''):
    """The attributes of all answers."""
    answers = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as sock:
        sock.bind((0, 0))
        sock.send(struct.pack('=IHHIIBBH', HEADERS + len(payload), SUBSYSTEM | kind, NLM_F_REQUEST | flags, 1, 0,
                              family, 0, 0) + payload)
        while True:
            data, at = sock.recv(1 << 18), 0
            while at < len(data):
                length, answer = struct.unpack_from('=IH', data, at)
                if answer == NLMSG_DONE:
                    return answers
                if answer == NLMSG_ERROR:
                    error = -struct.unpack_from('=i', data, at + 16)[0]
                    if error:
                        raise OSError(error, f'conntrack: {os.strerror(error)}')
                    return answers
                answers.append(attributes(data[at + HEADERS:at + length]))
                at += (length + 3) & ~3


def flush():
    try:
        talk(DELETE, NLM_F_ACK)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def tuple_(kind, protocol, source, source_port, to, port):
    return nest(kind, nest(TUPLE_IP, attr(IP_SRC[source.version], source.packed),
                           attr(IP_DST[to.version], to.packed)),
                nest(TUPLE_PROTO, attr(PROTO_NUM, bytes([protocol])), be16(PROTO_SRC_PORT, source_port),
                     be16(PROTO_DST_PORT, port)))


def create(protocol, source, source_port, to, port, endpoint=None):
    """An entry that lives long, translated to endpoint (address, port) if there is one."""
    payload = tuple_(TUPLE_ORIG, protocol, source, source_port, to, port) + \
        tuple_(TUPLE_REPLY, protocol, to, port, source, source_port) + \
        be32(STATUS, SEEN_REPLY | ASSURED | CONFIRMED) + be32(TIMEOUT, 3600)
    if protocol == socket.IPPROTO_TCP:
        payload += nest(PROTOINFO, nest(PROTOINFO_TCP, attr(TCP_STATE, bytes([ESTABLISHED]))))
    if endpoint:
        address, number = endpoint
        payload += nest(NAT_DST, attr(NAT_MIN_IP[address.version], address.packed),
                        attr(NAT_MAX_IP[address.version], address.packed),
                        nest(NAT_PROTO, be16(PORT_MIN, number), be16(PORT_MAX, number)))
    talk(NEW, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, FAMILIES[to.version], payload)


def read_tuple(data):
    """(protocol, source, source port, destination, port); 0 for ports of protocols without."""
    parts = attributes(data)
    ip, proto = attributes(parts[TUPLE_IP]), attributes(parts[TUPLE_PROTO])
    source, to = (ipaddress.ip_address(ip.get(kind[4]) or ip[kind[6]]) for kind in (IP_SRC, IP_DST))
    ports = [int.from_bytes(proto.get(kind, b''), 'big') for kind in (PROTO_SRC_PORT, PROTO_DST_PORT)]
    return proto[PROTO_NUM][0], source, ports[0], to, ports[1]


def entries():
    """{original tuple: reply tuple}"""
    return {read_tuple(entry[TUPLE_ORIG]): read_tuple(entry[TUPLE_REPLY])
            for family in FAMILIES.values() for entry in talk(GET, NLM_F_DUMP, family)}

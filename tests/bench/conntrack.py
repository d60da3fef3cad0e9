# SPDX-License-Identifier: GPL-2.0
"""The UDP flows that connection tracking knows in the current namespace, over netlink: the text of 30,000 would take an
emulated processor longer than all their packets.
"""
import itertools
import os
import socket
import struct
from collections import namedtuple

NETLINK_NETFILTER = 12
REQUEST, ACK, DUMP = 1, 4, 0x300
CT_NEW, CT_GET = 1 << 8, 1 << 8 | 1	# NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_
ERROR, DONE = 2, 3
NESTED = 1 << 15
STATUS = 3				# CTA_STATUS
SEEN_REPLY, CONFIRMED = 1 << 1, 1 << 3	# IPS_
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
HEADER = struct.Struct("=IHHII")
GENERIC = struct.Struct("=BBH")		# struct nfgenmsg
ATTRIBUTE = struct.Struct("=HH")
# CTA_TUPLE_ORIG or _REPLY with CTA_TUPLE_IP (source, destination) and CTA_TUPLE_PROTO (number, ports), as the kernel
# writes them (ctnetlink_dump_tuples()).
TUPLE = {4: struct.Struct("!8x4x4s4x4s4x4xB3x4xH2x4xH2x"), 6: struct.Struct("!8x4x16s4x16s4x4xB3x4xH2x4xH2x")}
MOST = 100				# requests in one system call

# Addresses are numbers; `tuple` is CTA_TUPLE_ORIG.
Flow = namedtuple("Flow", "source source_port to to_port answers answers_port answer_to tuple")


def connected():
    kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    kernel.bind((0, 0))
    return kernel


def request(kind, flags, number, version, attributes=b""):
    body = GENERIC.pack(FAMILY[version], 0, 0) + attributes
    return HEADER.pack(HEADER.size + len(body), kind, REQUEST | flags, number, 0) + body


def messages(kernel):
    """Yields what a dump consists of: memory, the offset of attributes in it."""
    while True:
        data = kernel.recv(1 << 18)
        at = 0
        while at < len(data):
            length, kind, *_ = HEADER.unpack_from(data, at)
            if kind == ERROR:
                raise OSError("dump of connection tracking failed")
            if kind == DONE:
                return
            yield data, at + HEADER.size + GENERIC.size
            at += (length + 3) & ~3


def flows(version):
    """Yields them."""
    form = TUPLE[version]
    with connected() as kernel:
        kernel.send(request(CT_GET, DUMP, 0, version))
        for data, at in messages(kernel):
            # Other protocols have tuples of other lengths, or another number.
            if ATTRIBUTE.unpack_from(data, at)[0] != form.size:
                continue
            source, to, protocol, source_port, to_port = form.unpack_from(data, at)
            answers, answer_to, _, answers_port, _ = form.unpack_from(data, at + form.size)
            if protocol == socket.IPPROTO_UDP:
                yield Flow(int.from_bytes(source, "big"), source_port, int.from_bytes(to, "big"), to_port,
                           int.from_bytes(answers, "big"), answers_port, int.from_bytes(answer_to, "big"),
                           data[at:at + form.size])


def answer(version, known):
    """Gives flows what an answer would give them."""
    status = ATTRIBUTE.pack(8, STATUS) + struct.pack("!I", SEEN_REPLY | CONFIRMED)
    known = iter(known)
    with connected() as kernel:
        while some := list(itertools.islice(known, MOST)):
            last = len(some) - 1
            # An error is answered without being asked for.
            kernel.send(b"".join(request(CT_NEW, ACK * (number == last), number, version, flow.tuple + status)
                                 for number, flow in enumerate(some)))
            _, _, _, answered, _, error = struct.unpack_from("=IHHIIi", kernel.recv(65536))
            if answered != last or error:
                raise OSError(-error, os.strerror(-error), f"{some[answered]}")

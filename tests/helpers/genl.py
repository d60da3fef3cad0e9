# SPDX-License-Identifier: GPL-2.0
"""Generic netlink on the standard library alone, for tests that decide each byte of a request.

Knows ksvc's family by its UAPI header, which it reads, so that numbers stand in one place. Everything that makes or
reads attributes is a function on bytes; Socket talks to the kernel.
"""

import errno
import ipaddress
import os
import re
import socket
import struct
import time
import types

TOP = os.environ.get('KSVC_TOP') or os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..')
HEADER = os.path.join(TOP, 'include/uapi/linux/ksvc.h')

# linux/netlink.h, linux/genetlink.h
NETLINK_GENERIC = 16
SOL_NETLINK = 270
NETLINK_ADD_MEMBERSHIP = 1
NETLINK_CAP_ACK = 10
NETLINK_EXT_ACK = 11
NLM_F_REQUEST, NLM_F_MULTI, NLM_F_ACK, NLM_F_ECHO, NLM_F_DUMP_INTR = 1, 2, 4, 8, 16
NLM_F_DUMP = 0x300
NLM_F_ACK_TLVS = 0x200
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLMSGERR_ATTR_MSG, NLMSGERR_ATTR_OFFS = 1, 2
NLA_F_NESTED = 0x8000
NLA_TYPE = 0x3fff
GENL_ID_CTRL = 16
CTRL_CMD_GETFAMILY = 3
CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME, CTRL_ATTR_MCAST_GROUPS = 1, 2, 7
CTRL_ATTR_MCAST_GRP_NAME, CTRL_ATTR_MCAST_GRP_ID = 1, 2
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
HEADERS = 20			# nlmsghdr and genlmsghdr


def read_constants(path):
    """Of a header made from the YNL spec: #define's and enumerators, without their prefix."""
    with open(path, encoding='utf-8') as file:
        text = re.sub(r'/\*.*?\*/', '', file.read(), flags=re.S)
    values = {}
    for name, value in re.findall(r'^#define\s+(\w+)\s+(\S+)$', text, re.M):
        values[name] = value.strip('"') if '"' in value else int(value, 0)
    for body in re.findall(r'\benum\b[^{]*\{(.*?)\}', text, re.S):
        value = -1
        for entry in filter(None, map(str.strip, body.split(','))):
            name, _, given = (part.strip() for part in entry.partition('='))
            before = re.fullmatch(r'\((\w+) - 1\)', given)
            value = values[before[1]] - 1 if before else int(given, 0) if given else value + 1
            values[name] = value
    return types.SimpleNamespace(**{re.sub('^(__)?KSVC_', r'\1', name): value for name, value in values.items()})


K = read_constants(HEADER)
TCP, UDP, SCTP = 6, 17, 132


# --- making attributes

def attr(kind, payload=b''):
    return struct.pack('=HH', 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def nest(kind, *parts):
    return attr(kind | NLA_F_NESTED, b''.join(parts))


def u8(kind, value):
    return attr(kind, struct.pack('=B', value))


def be16(kind, value):
    return attr(kind, struct.pack('>H', value))


def u32(kind, value):
    return attr(kind, struct.pack('=I', value))


def u64(kind, value):
    return attr(kind, struct.pack('=Q', value))


def text(kind, value):
    return attr(kind, value.encode() + b'\0')


def addr(kind4, kind6, address):
    address = ipaddress.ip_address(address)
    return attr(kind4 if address.version == 4 else kind6, address.packed)


def frontend(address, port, protocol=TCP):
    return nest(K.A_SERVICE_FRONTEND, addr(K.A_FRONTEND_ADDR4, K.A_FRONTEND_ADDR6, address),
                be16(K.A_FRONTEND_PORT, port), u8(K.A_FRONTEND_PROTOCOL, protocol))


def endpoint(address, port, weight=None, flags=None):
    return nest(K.A_SERVICE_ENDPOINT, addr(K.A_ENDPOINT_ADDR4, K.A_ENDPOINT_ADDR6, address),
                be16(K.A_ENDPOINT_PORT, port),
                b'' if weight is None else u32(K.A_ENDPOINT_WEIGHT, weight),
                b'' if flags is None else u32(K.A_ENDPOINT_FLAGS, flags))


def endpoints4(first, port, count):
    """Many endpoints with addresses that count up, quickly."""
    first = int(ipaddress.IPv4Address(first))
    pack = struct.Struct('=HH HH4s HHHH').pack
    swapped = socket.htons(port)
    top, a4, a_port = K.A_SERVICE_ENDPOINT | NLA_F_NESTED, K.A_ENDPOINT_ADDR4, K.A_ENDPOINT_PORT
    return b''.join(pack(20, top, 8, a4, (first + i).to_bytes(4, 'big'), 6, a_port, swapped, 0) for i in range(count))


def service(name, frontends=(), endpoints=(), mode=None):
    """Lists of argument tuples for frontend() and endpoint(), or their bytes."""
    def join(make, entries):
        return entries if isinstance(entries, bytes) else b''.join(make(*entry) for entry in entries)

    # The name last: the message cut anywhere lacks it.
    return (join(frontend, frontends) + join(endpoint, endpoints) +
            (b'' if mode is None else u32(K.A_SERVICE_MODE, mode)) + text(K.A_SERVICE_NAME, name))


def flow(source, address, port, protocol=TCP, source_port=None, interface=None):
    """For explain; what it needs last."""
    return (addr(K.A_EXPLAIN_FROM_ADDR4, K.A_EXPLAIN_FROM_ADDR6, source) +
            addr(K.A_EXPLAIN_TO_ADDR4, K.A_EXPLAIN_TO_ADDR6, address) +
            (b'' if source_port is None else be16(K.A_EXPLAIN_FROM_PORT, source_port)) +
            (b'' if interface is None else text(K.A_EXPLAIN_IN_INTERFACE, interface)) +
            be16(K.A_EXPLAIN_TO_PORT, port) + u8(K.A_EXPLAIN_PROTOCOL, protocol))


def prefixes(kind, *networks):
    def one(network):
        network = ipaddress.ip_network(network)
        return nest(K.A_PREFIXES_PREFIX, addr(K.A_PREFIX_ADDR4, K.A_PREFIX_ADDR6, network.network_address),
                    u8(K.A_PREFIX_LENGTH, network.prefixlen))
    return nest(kind, *map(one, networks))


def source_range(network):
    network = ipaddress.ip_network(network)
    return nest(K.A_SERVICE_SOURCE_RANGE, addr(K.A_PREFIX_ADDR4, K.A_PREFIX_ADDR6, network.network_address),
                u8(K.A_PREFIX_LENGTH, network.prefixlen))


def names(kind, *values):
    return nest(kind, *(attr(K.A_NAMES_NAME, value.encode()) for value in values))


# --- reading attributes

def walk(data, start=0, end=None):
    """Yields (offset, type, first byte of the payload, end of the payload)."""
    end = len(data) if end is None else end
    while end - start >= 4:
        length, kind = struct.unpack_from('=HH', data, start)
        if length < 4 or start + length > end:
            raise ValueError(f'attribute of length {length} at {start} of {end}')
        yield start, kind & NLA_TYPE, start + 4, start + length
        start += (length + 3) & ~3


def attributes(data):
    """Pairs of type and payload."""
    return [(kind, data[first:end]) for _, kind, first, end in walk(data)]


def number(payload):
    return int.from_bytes(payload, 'little')


def string(payload):
    return payload.rstrip(b'\0').decode()


def address_of(values, kind4, kind6):
    return str(ipaddress.ip_address(values.get(kind4) or values[kind6]))


def port_of(payload):
    return int.from_bytes(payload, 'big')


def read_frontend(payload):
    values = dict(attributes(payload))
    return (address_of(values, K.A_FRONTEND_ADDR4, K.A_FRONTEND_ADDR6),
            port_of(values[K.A_FRONTEND_PORT]), number(values[K.A_FRONTEND_PROTOCOL]))


def read_endpoint(payload):
    """((address, port, weight, flags), connections)"""
    values = dict(attributes(payload))
    return ((address_of(values, K.A_ENDPOINT_ADDR4, K.A_ENDPOINT_ADDR6), port_of(values[K.A_ENDPOINT_PORT]),
             number(values[K.A_ENDPOINT_WEIGHT]), number(values[K.A_ENDPOINT_FLAGS])),
            number(values[K.A_ENDPOINT_CONNECTIONS]))


def blame(request, offset):
    """The types of the attributes around the one at an offset of a request, outermost first."""
    path, start, end = [], HEADERS, len(request)
    while True:
        for at, kind, first, last in walk(request, start, end):
            if at <= offset < last:
                path.append(kind)
                start, end = first, last
                break
        else:
            return path
        if at == offset:
            return path


# --- the kernel

class Refused(Exception):
    """What the kernel says no with."""

    def __init__(self, number_, tlvs, request):
        self.errno = number_
        said = dict(attributes(tlvs)) if tlvs else {}
        self.message = string(said.get(NLMSGERR_ATTR_MSG, b''))
        self.blamed = []
        if NLMSGERR_ATTR_OFFS in said:
            self.blamed = blame(request, number(said[NLMSGERR_ATTR_OFFS]))
        super().__init__(f'{errno.errorcode.get(number_, number_)}: {self.message or "(no message)"}')


class Interrupted(Exception):
    """A dump that is not of one configuration."""


class Socket:
    def __init__(self, receive_buffer=None, big=False, size=1 << 16):
        self.size = size			# of what is read at once; the kernel sizes dumps by it
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self.sock.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if big:
            self.sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 16 << 20)
            self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.sock.bind((0, 0))
        self.sequence = 1
        self.family, self.groups = self._find_family()

    def _find_family(self):
        reply = self.talk(self.message(CTRL_CMD_GETFAMILY, text(CTRL_ATTR_FAMILY_NAME, K.FAMILY_NAME),
                                       family=GENL_ID_CTRL))
        values = dict(attributes(reply[0]))
        groups = {}
        for _, group in attributes(values[CTRL_ATTR_MCAST_GROUPS]):
            group = dict(attributes(group))
            groups[string(group[CTRL_ATTR_MCAST_GRP_NAME])] = number(group[CTRL_ATTR_MCAST_GRP_ID])
        return number(values[CTRL_ATTR_FAMILY_ID]), groups

    def close(self):
        self.sock.close()

    def fileno(self):
        return self.sock.fileno()

    def message(self, command, payload=b'', flags=NLM_F_ACK, family=None, length=None):
        self.sequence += 1
        return struct.pack('=IHHII BBH', HEADERS + len(payload) if length is None else length,
                           self.family if family is None else family, NLM_F_REQUEST | flags,
                           self.sequence, 0, command, 1, 0) + payload

    def receive(self, flags=0):
        """Messages of one datagram: (type, flags, sequence, payload behind the nlmsghdr)."""
        data = self.sock.recv(self.size, flags)
        at, messages = 0, []
        while at < len(data):
            length, kind, bits, sequence, _ = struct.unpack_from('=IHHII', data, at)
            messages.append((kind, bits, sequence, data[at + 16:at + length]))
            at += (length + 3) & ~3
        return messages

    @staticmethod
    def judge(kind, bits, payload, request):
        """Of NLMSG_ERROR and NLMSG_DONE; the former repeats the request's header."""
        result = struct.unpack_from('=i', payload)[0]
        if result < 0:
            raise Refused(-result, payload[20 if kind == NLMSG_ERROR else 4:] if bits & NLM_F_ACK_TLVS else b'',
                          request)

    def talk(self, request, until_done=False, between=None):
        """Sends a message; returns the attributes of all answers, or raises Refused."""
        sequence = struct.unpack_from('=I', request, 8)[0]
        self.sock.send(request)
        answers, interrupted = [], False
        while True:
            for kind, bits, number_, payload in self.receive():
                if number_ != sequence:
                    continue
                interrupted |= bool(bits & NLM_F_DUMP_INTR)
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    self.judge(kind, bits, payload, request)
                    if kind == NLMSG_ERROR and until_done:
                        continue
                    if interrupted:
                        raise Interrupted
                    return answers
                else:
                    answers.append(payload[4:])
            if between:
                between()

    def do(self, command, payload=b'', flags=0):
        return self.talk(self.message(command, payload, NLM_F_ACK | flags))

    def dump(self, command, payload=b'', between=None):
        return self.talk(self.message(command, payload, NLM_F_DUMP), True, between)

    def many(self, command, payloads):
        """Sends requests without waiting for each; raises the first refusal. The kernel answers only errors."""
        request = None
        for payload in payloads:
            request = self.message(command, payload, 0)
            self.sock.send(request)
        while request:
            try:
                for kind, bits, _, payload in self.receive(flags=socket.MSG_DONTWAIT):
                    if kind == NLMSG_ERROR:
                        self.judge(kind, bits, payload, request)
            except BlockingIOError:
                return

    def begin(self, replace=False, generation=None):
        return self.txn(K.CMD_TXN_BEGIN, (u32(K.A_TXN_FLAGS, K.TXN_FLAGS_REPLACE) if replace else b'') +
                        (b'' if generation is None else u64(K.A_TXN_GENERATION, generation)))[0]

    def commit(self, requests=None):
        """(generation, services changed)"""
        return self.txn(K.CMD_TXN_COMMIT, b'' if requests is None else u32(K.A_TXN_REQUESTS, requests))

    def abort(self):
        return self.txn(K.CMD_TXN_ABORT)[0]

    def txn(self, command, payload=b''):
        values = dict(attributes(self.do(command, payload)[0]))
        return number(values[K.A_TXN_GENERATION]), number(values.get(K.A_TXN_CHANGES, b''))

    def put(self, *args, **kwargs):
        self.do(K.CMD_SERVICE_PUT, service(*args, **kwargs))

    def delete(self, name):
        self.do(K.CMD_SERVICE_DEL, text(K.A_SERVICE_NAME, name))

    def flush(self):
        self.begin(replace=True)
        return self.commit()

    # --- reading the configuration

    def info(self):
        values = dict(attributes(self.do(K.CMD_INFO_GET)[0]))
        return types.SimpleNamespace(version=string(values[K.A_INFO_VERSION]),
                                     **{name: number(values[getattr(K, f'A_INFO_{name.upper()}')]) for name in
                                        ('generation', 'services', 'frontends', 'endpoints', 'active', 'namespaces')})

    def settings(self):
        values = dict(attributes(self.do(K.CMD_SETTINGS_GET)[0]))
        del values[K.A_SETTINGS_GENERATION]
        return values

    def services(self, name=None):
        """{name: {frontends, endpoints, connections}}, in one piece. Endpoints map to their connections."""
        while True:
            try:
                answers = self.dump(K.CMD_SERVICE_GET, b'' if name is None else text(K.A_SERVICE_NAME, name))
                break
            except Interrupted:
                continue
        found = {}
        for answer in answers:
            values = attributes(answer)
            entry = found.setdefault(string(dict(values)[K.A_SERVICE_NAME]),
                                     {'frontends': [], 'endpoints': {}, 'said': None, 'connections': None})
            for kind, payload in values:
                if kind == K.A_SERVICE_FRONTEND:
                    entry['frontends'].append(read_frontend(payload))
                elif kind == K.A_SERVICE_ENDPOINT:
                    is_, connections = read_endpoint(payload)
                    entry['endpoints'][is_] = connections
                elif kind == K.A_SERVICE_CONNECTIONS:
                    entry['connections'] = number(payload)
                elif kind == K.A_SERVICE_ENDPOINTS:
                    entry['said'] = number(payload)
        for name_, entry in found.items():
            entry['frontends'].sort()
            if entry.pop('said') != len(entry['endpoints']):
                raise ValueError(f'{name_}: not as many endpoints as announced')
        return found

    def state(self):
        """Everything that a refused request must not change."""
        info = self.info()
        return (info.generation, info.services, info.frontends, info.endpoints, self.settings(),
                {name: (entry['frontends'], sorted(entry['endpoints'])) for name, entry in self.services().items()})

    def explain(self, *args, **kwargs):
        answers = self.dump(K.CMD_EXPLAIN, flow(*args, **kwargs))
        values = [pair for answer in answers for pair in attributes(answer)]
        first = dict(values)
        return types.SimpleNamespace(
            verdict=number(first[K.A_EXPLAIN_VERDICT]), reason=number(first[K.A_EXPLAIN_REASON]),
            service=string(first[K.A_EXPLAIN_SERVICE]) if K.A_EXPLAIN_SERVICE in first else None,
            endpoints=sorted((address_of(dict(attributes(payload)), K.A_CHOICE_ADDR4, K.A_CHOICE_ADDR6),
                              port_of(dict(attributes(payload))[K.A_CHOICE_PORT]))
                             for kind, payload in values if kind == K.A_EXPLAIN_ENDPOINT))

    # --- notifications

    def subscribe(self, group='changes'):
        self.sock.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, self.groups[group])

    def events(self, until, seconds=10):
        """Events up to the commit of a generation: (event, name, generation), ('commit', changes, generation)."""
        seen, deadline = [], time.monotonic() + seconds * slow()
        while True:
            self.sock.settimeout(max(deadline - time.monotonic(), 0.001))
            for _, _, _, payload in self.receive():
                values = dict(attributes(payload[4:]))
                if payload[0] == K.CMD_SERVICE_NTF:
                    seen.append((number(values[K.A_SERVICE_EVENT]), string(values[K.A_SERVICE_NAME]),
                                 number(values[K.A_SERVICE_GENERATION])))
                elif payload[0] == K.CMD_COMMIT_NTF:
                    seen.append(('commit', number(values[K.A_TXN_CHANGES]), number(values[K.A_TXN_GENERATION])))
                    if seen[-1][2] >= until:
                        return seen


# --- results: relay() in helpers/relay.sh turns the lines into KTAP

def slow():
    return int(os.environ.get('KSVC_SLOW', '1'))


def report(good, name, *diagnostics):
    print(('ok ' if good else 'not ok ') + name, flush=True)
    if not good:
        for line in '\n'.join(map(str, diagnostics)).splitlines():
            print('#', line[:400], flush=True)
    return good


def skip(name, why):
    print(f'skip {name} # {why}', flush=True)


def note(line):
    print('#', line, flush=True)


def equal(name, expected, actual):
    return report(expected == actual, name, f'expected: {expected}', f'actual:   {actual}')


def refused(name, number_, pattern, call, *args, **kwargs):
    """Reports whether a call is refused with an errno and a message that matches; None for any message."""
    try:
        result = call(*args, **kwargs)
    except Refused as refusal:
        good = refusal.errno == number_ and (pattern is None or re.search(pattern, refusal.message))
        return report(bool(good), name, f'expected: {errno.errorcode.get(number_)}: {pattern}', f'actual:   {refusal}')
    return report(False, name, f'expected: {errno.errorcode.get(number_)}: {pattern}', f'actual:   accepted: {result}')


def wait_for(condition, seconds=10):
    deadline = time.monotonic() + seconds * slow()
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.02)
    return condition()


def done():
    """A helper that does not say this has failed."""
    print('done', flush=True)

# SPDX-License-Identifier: GPL-2.0
"""Requests that no good client sends. See tests/netlink.sh."""

import errno
import os
import random
import socket
import struct
import sys

import genl
from genl import K, UDP, frontend, endpoint, flow, nest, service, text, u8, u32, u64
from netlink_values import DUMPS, E4, E6, NAMES, V4, V6, bad_values

def standard(kernel):
    """What every refused request must leave as it is."""
    kernel.flush()
    kernel.put('standard', [(V4, 80), (V6, 80), (V4, 53, UDP)],
               [(E4, 8080), ('10.2.0.3', 8080, 5), (E6, 8080, 0), ('fd00:2::3', 8080, 7, 1)])
    kernel.put('other', [('10.96.0.11', 80)], [(E4, 8080)])
    kernel.do(K.CMD_SETTINGS_SET,
              genl.prefixes(K.A_SETTINGS_CLUSTER_CIDRS, '10.244.0.0/16', 'fd00:244::/56') +
              genl.prefixes(K.A_SETTINGS_SERVICE_CIDRS, '10.96.0.0/12') +
              genl.names(K.A_SETTINGS_POD_INTERFACES, 'cni0', 'veth*') + u8(K.A_SETTINGS_MASQUERADE_ALL, 0))


def valid_requests():
    """One of each kind with all its attributes, in an order that makes every part of it invalid where possible:
    (command, attributes, are parts at the attributes' borders valid too).
    """
    lists = (frontend('10.96.1.1', 80) + frontend('fd00:96::1:1', 80) +
             endpoint(E4, 8080, 7, 3) + endpoint(E6, 8080, 7, 1))
    put = (lists + u32(K.A_SERVICE_MODE, K.MODE_CREATE) + u32(K.A_SERVICE_FLAGS, K.SERVICE_FLAGS_INTERNAL_LOCAL) +
           genl.source_range('10.0.0.0/8') + genl.source_range('fd00::/8') + u32(K.A_SERVICE_AFFINITY, 60) +
           u32(K.A_SERVICE_SCHEDULER, K.SCHEDULER_MAGLEV) + u32(K.A_SERVICE_MAGLEV_SIZE, 251) +
           text(K.A_SERVICE_NAME, 'cut'))
    change = (endpoint('10.2.0.9', 8080, 7, 3) + endpoint('fd00:2::9', 8080, 9, 1) +
              u32(K.A_SERVICE_MODE, K.MODE_CREATE) + text(K.A_SERVICE_NAME, 'standard'))
    settings = (genl.prefixes(K.A_SETTINGS_CLUSTER_CIDRS, '10.1.0.0/16', 'fd01::/56') +
                genl.prefixes(K.A_SETTINGS_SERVICE_CIDRS, '10.112.0.0/12', 'fd97::/112') +
                genl.names(K.A_SETTINGS_POD_INTERFACES, 'br0', 'tap*') + u8(K.A_SETTINGS_MASQUERADE_ALL, 1) +
                genl.prefixes(K.A_SETTINGS_NODEPORT_ADDRESSES, '10.2.0.0/24') +
                u8(K.A_SETTINGS_LOCALHOST_NODEPORTS, 1) + u8(K.A_SETTINGS_DROP_INVALID, 1) +
                u8(K.A_SETTINGS_PING, 1) + u32(K.A_SETTINGS_AFFINITY_ENTRIES, 1024))
    return [
        (K.CMD_SETTINGS_SET, settings, True),
        (K.CMD_SERVICE_PUT, put, False),
        (K.CMD_SERVICE_DEL, text(K.A_SERVICE_NAME, 'standard'), False),
        (K.CMD_ENDPOINT_PUT, change, False),
        (K.CMD_ENDPOINT_DEL, endpoint(E4, 8080) + endpoint(E6, 8080) + text(K.A_SERVICE_NAME, 'standard'), False),
        (K.CMD_SERVICE_GET, text(K.A_SERVICE_NAME, 'standard'), True),
        (K.CMD_TXN_BEGIN, u64(K.A_TXN_GENERATION, 1) + u32(K.A_TXN_FLAGS, K.TXN_FLAGS_REPLACE), True),
        (K.CMD_TXN_COMMIT, u32(K.A_TXN_REQUESTS, 0), True),
        (K.CMD_EXPLAIN, flow('10.1.0.2', V4, 80, source_port=4000, interface='lo'), False),
        (K.CMD_AFFINITY_GET, text(K.A_AFFINITY_NAME, 'standard'), True),
        (K.CMD_AFFINITY_DEL, genl.addr(K.A_AFFINITY_CLIENT_ADDR4, K.A_AFFINITY_CLIENT_ADDR6, '10.1.0.2') +
         text(K.A_AFFINITY_NAME, 'standard'), False),
    ]


class Checker:
    """Sends bad requests and keeps the list of those that were not refused as they should be."""

    def __init__(self):
        self.kernel = genl.Socket(big=True)
        standard(self.kernel)
        self.before = self.kernel.state()
        self.wrong = []
        self.sent = 0

    def send(self, what, request, command, silent_allowed=False):
        """A request that must be refused with an errno, and a message or an attribute to blame."""
        self.sent += 1
        try:
            self.kernel.talk(request, command in DUMPS)
            self.wrong.append(f'{what}: accepted')
        except genl.Interrupted:
            self.wrong.append(f'{what}: accepted')
        except genl.Refused as refusal:
            if not silent_allowed and not refusal.message and not refusal.blamed:
                self.wrong.append(f'{what}: {refusal} without a message or an attribute')

    def raw(self, command, payload, **kwargs):
        return self.kernel.message(command, payload, genl.NLM_F_DUMP if command in DUMPS else genl.NLM_F_ACK, **kwargs)

    def verdict(self, name):
        genl.report(not self.wrong, f'{name} ({self.sent} requests)', *self.wrong[:20])
        self.wrong, self.sent = [], 0
        if not genl.equal(f'{name}: nothing changed', self.before, self.kernel.state()):
            standard(self.kernel)
            self.before = self.kernel.state()


def truncated(check):
    for command, payload, borders in valid_requests():
        whole = check.raw(command, payload)
        valid = {genl.HEADERS} | {at for _, _, _, end in genl.walk(payload)
                                  for at in range(genl.HEADERS + end, genl.HEADERS + ((end + 3) & ~3) + 1)}
        # The name or the last attribute without its padding is all there.
        last = list(genl.walk(payload))[-1][3] + genl.HEADERS
        for length in range(16, len(whole)):
            if length >= last or borders and length in valid:
                continue
            request = check.raw(command, payload[:max(length - genl.HEADERS, 0)], length=length)[:length]
            check.send(f'{NAMES[command]} cut to {length} of {len(whole)}', request, command, length < genl.HEADERS)
        # A header that promises more than there is, and less than a header: netlink itself ignores these.
        for length in (0, 1, 15, len(whole) + 1, 0x7fffffff, 0xffffffff):
            check.kernel.sock.send(check.raw(command, payload, length=length))
        try:
            unexpected = [message for message in check.kernel.receive(flags=socket.MSG_DONTWAIT) if message[0] != 2]
            check.wrong += [f'{NAMES[command]}: answered {unexpected}'] if unexpected else []
        except BlockingIOError:
            pass
    check.verdict('every request cut at every byte is refused')


def all_offsets(payload, start=0, end=None):
    for at, _, first, last in genl.walk(payload, start, end):
        yield at
        if struct.unpack_from('=H', payload, at + 2)[0] & genl.NLA_F_NESTED:
            yield from all_offsets(payload, first, last)


def last_end(payload, at, length):
    """Where a nest's last attribute ends, from the start of the nest."""
    if not struct.unpack_from('=H', payload, at + 2)[0] & genl.NLA_F_NESTED:
        return length
    return list(genl.walk(payload, at + 4, at + length))[-1][3] - at


def wrong_lengths(check):
    for command, payload, _ in valid_requests():
        for at in all_offsets(payload):
            length = struct.unpack_from('=H', payload, at)[0]
            kind = genl.blame(bytes(genl.HEADERS) + payload, genl.HEADERS + at)
            for wrong in {0, 1, 3, 4, length - 2, length - 1, length + 1, length + 2, length + 3, length + 5, 0xffff}:
                # A nest ends before or after the padding of its last attribute, and interfaces have any length.
                if wrong in range(last_end(payload, at, length), length) or \
                        command == K.CMD_SETTINGS_SET and kind == [K.A_SETTINGS_POD_INTERFACES, K.A_NAMES_NAME] and \
                        wrong in range(5, length + 4) or wrong == length:
                    continue
                bad = payload[:at] + struct.pack('=H', wrong) + payload[at + 2:]
                check.send(f'{NAMES[command]} attribute {kind} of length {wrong}, not {length}',
                           check.raw(command, bad), command)
    check.verdict('every attribute with a wrong length is refused')


def unknown_attributes(check):
    for command, payload, _ in valid_requests():
        top = max(kind for _, kind, _, _ in genl.walk(payload))
        for kind in (0, top + 1, 40, 63, 64, 65, 0x3fff):
            for extra in (genl.attr(kind), genl.attr(kind | 0x8000, u32(1, 1)), genl.attr(kind | 0x4000, bytes(4))):
                check.send(f'{NAMES[command]} with attribute {kind}', check.raw(command, payload + extra), command)
                check.send(f'{NAMES[command]} after attribute {kind}', check.raw(command, extra + payload), command)
        # In each nest.
        for at, kind, first, end in genl.walk(payload):
            if not struct.unpack_from('=H', payload, at + 2)[0] & genl.NLA_F_NESTED:
                continue
            for inner in (0, 12, 63, 0x3fff):
                bad = payload[:at] + nest(kind, payload[first:end], u32(inner, 1)) + payload[(end + 3) & ~3:]
                check.send(f'{NAMES[command]} with attribute {inner} in {kind}', check.raw(command, bad), command)
            bad = payload[:at] + genl.attr(kind, payload[first:end]) + payload[(end + 3) & ~3:]
            check.send(f'{NAMES[command]} with nest {kind} not marked as one', check.raw(command, bad), command)
    for command in (K.CMD_INFO_GET, K.CMD_SETTINGS_GET, K.CMD_STATS_GET, K.CMD_TXN_ABORT):
        for extra in (b'\0', b'\0\0\0', text(1, 'x'), u32(3, 1), genl.attr(0), genl.attr(200)):
            check.send(f'{NAMES[command]} with {extra}', check.raw(command, extra), command)
    check.verdict('unknown attributes are refused, and any where none belongs')


def duplicates(check):
    repeatable = {(K.CMD_SERVICE_PUT, K.A_SERVICE_FRONTEND), (K.CMD_SERVICE_PUT, K.A_SERVICE_ENDPOINT),
                  (K.CMD_SERVICE_PUT, K.A_SERVICE_SOURCE_RANGE),
                  (K.CMD_ENDPOINT_PUT, K.A_SERVICE_ENDPOINT), (K.CMD_ENDPOINT_DEL, K.A_SERVICE_ENDPOINT)}
    for command, payload, _ in valid_requests():
        for at, kind, first, end in genl.walk(payload):
            end = (end + 3) & ~3
            if (command, kind) not in repeatable:
                check.send(f'{NAMES[command]} with attribute {kind} twice',
                           check.raw(command, payload + payload[at:end]), command)
            if not struct.unpack_from('=H', payload, at + 2)[0] & genl.NLA_F_NESTED:
                continue
            if command == K.CMD_SETTINGS_SET:		# a list: look into its entries
                if kind == K.A_SETTINGS_POD_INTERFACES:
                    continue
                at, _, first, end = next(genl.walk(payload, first, end))
                outer, kind = kind, K.A_PREFIXES_PREFIX
            for inner, _, _, inner_end in genl.walk(payload, first, end):
                twice = nest(kind, payload[first:end], payload[inner:(inner_end + 3) & ~3])
                bad = nest(outer, twice) if command == K.CMD_SETTINGS_SET else \
                    payload[:at] + twice + payload[end:]
                check.send(f'{NAMES[command]} with an attribute of {kind} twice', check.raw(command, bad), command)
    check.verdict('attributes that stand twice are refused, in nests too')


def values(check):
    for what, command, payload, number, words, blamed in bad_values():
        check.sent += 1
        request = check.raw(command, payload)
        try:
            check.kernel.talk(request, command in DUMPS)
            check.wrong.append(f'{what}: accepted')
        except genl.Refused as refusal:
            if number is not None and refusal.errno != number:
                check.wrong.append(f'{what}: {refusal}, expected {errno.errorcode[number]}')
            elif words and not genl.re.search(words, refusal.message):
                check.wrong.append(f'{what}: {refusal}, expected it to say {words}')
            elif blamed is not None and refusal.blamed != blamed and not (
                    # In 6.1 the end of a dump carries the message alone.
                    command in DUMPS and refusal.message and not refusal.blamed):
                check.wrong.append(f'{what}: {refusal}, blames {refusal.blamed}, expected {blamed}')
            elif not refusal.message and not refusal.blamed:
                check.wrong.append(f'{what}: {refusal}')
    check.verdict('values that cannot be are refused by name')


def headers(check):
    """What generic netlink itself refuses, and operations in the wrong way."""
    whole = service('new', [('10.96.2.1', 80)])
    for flags in (0x100, 0x200, 0x400, 0x800, 0x500, 0x20, 0x8000):
        request = check.kernel.message(K.CMD_SERVICE_PUT, whole, genl.NLM_F_ACK | flags)
        check.send(f'flags {flags:#x}', request, K.CMD_SERVICE_PUT)
    reserved = bytearray(check.kernel.message(K.CMD_SERVICE_PUT, whole))
    reserved[18] = 1
    check.send('reserved header bits', bytes(reserved), K.CMD_SERVICE_PUT, True)
    for command in (0, K.CMD_SERVICE_NTF, K.CMD_COMMIT_NTF, K.CMD_MAX + 1, 255):
        check.send(f'command {command}', check.kernel.message(command), command, True)
    for command in (K.CMD_SERVICE_PUT, K.CMD_INFO_GET, K.CMD_TXN_BEGIN):
        check.send(f'{NAMES[command]} as a dump', check.kernel.message(command, b'', genl.NLM_F_DUMP), command, True)
    for command in DUMPS:
        check.send(f'{NAMES[command]} as no dump', check.kernel.message(command, flow('10.1.0.2', V4, 80)), 0, True)
    check.verdict('wrong headers and unknown commands are refused')


def limits():
    """The largest that is allowed."""
    kernel = genl.Socket(big=True)
    before = kernel.state()
    longest = 'ü' * 127 + 'n'
    kernel.put(longest, [(address, port) for address in ('10.96.3.1', 'fd00:96::3') for port in range(1, 513)],
               [('10.2.0.2', 80, 65535), ('fd00:2::2', 80, 0)])
    found = kernel.services(longest)[longest]
    genl.equal('a name of 255 bytes, 1,024 frontends, weight 65,535', (1024, 2),
               (len(found['frontends']), len(found['endpoints'])))
    kernel.delete(longest)
    networks = [f'10.{i}.0.0/16' for i in range(255)] + ['fd00::/64']
    saved = kernel.settings()
    kernel.do(K.CMD_SETTINGS_SET, genl.prefixes(K.A_SETTINGS_CLUSTER_CIDRS, *networks) +
              genl.prefixes(K.A_SETTINGS_SERVICE_CIDRS, *networks) +
              genl.names(K.A_SETTINGS_POD_INTERFACES, *(f'interface{i:05}*' for i in range(256))))
    settings = kernel.settings()
    genl.equal('256 prefixes twice and 256 interfaces', (256, 256, 256),
               tuple(len(genl.attributes(settings[kind])) for kind in
                     (K.A_SETTINGS_CLUSTER_CIDRS, K.A_SETTINGS_SERVICE_CIDRS, K.A_SETTINGS_POD_INTERFACES)))
    request = b''.join(genl.attr(kind | (0 if len(payload) in (1, 4) else genl.NLA_F_NESTED), payload)
                       for kind, payload in settings.items())
    kernel.do(K.CMD_SETTINGS_SET, request)
    genl.equal('settings can be set as they were read', settings, kernel.settings())
    kernel.do(K.CMD_SETTINGS_SET, b''.join(genl.attr(kind | (0 if len(payload) in (1, 4) else genl.NLA_F_NESTED), payload)
                                           for kind, payload in saved.items()))
    genl.equal('and back', before[1:], kernel.state()[1:])


# --- dumps

def keys_of(answers, start):
    """Endpoint nests of a dump as bytes, without their counters; only of the top level, for it is many."""
    keys = []
    for answer in answers:
        keys += [answer[first:first + 16] for _, kind, first, _ in genl.walk(answer) if kind == start]
    return keys


def dumps():
    kernel, other = genl.Socket(big=True), genl.Socket()
    kernel.flush()
    small = [(f'small{i}', [(f'10.97.0.{i}', 80), (f'fd00:97::{i}', 80)], [(E4, 80), (E6, 80)]) for i in range(1, 60)]
    for entry in small[:30]:
        kernel.put(*entry)
    kernel.put('large', [(V4, 80), (V6, 80)], genl.endpoints4('10.4.0.0', 80, 65534) + endpoint(E6, 80))
    for entry in small[30:]:
        kernel.put(*entry)
    answers = kernel.dump(K.CMD_SERVICE_GET, text(K.A_SERVICE_NAME, 'large'))
    keys = keys_of(answers, K.A_SERVICE_ENDPOINT)
    genl.equal('a service of 65,535 endpoints is dumped whole, over many messages', (65535, 65535, True),
               (len(keys), len(set(keys)), len(answers) > 50))
    genl.equal('each of its messages names it', {'large'},
               {genl.string(answer[4:9]) if answer[2] == K.A_SERVICE_NAME else None for answer in answers})
    answers = kernel.dump(K.CMD_EXPLAIN, flow('10.1.0.2', V4, 80))
    keys = keys_of(answers, K.A_EXPLAIN_ENDPOINT)
    genl.equal('explain names all 65,534 endpoints of the family', (65534, 65534), (len(keys), len(set(keys))))

    # The dump of 60 services, one of them cut to size, in small portions.
    kernel.put('large', [(V4, 80), (V6, 80)], genl.endpoints4('10.4.0.0', 80, 600) + endpoint(E6, 80))
    expected = kernel.services()
    genl.equal('a dump has all services', (60, 601), (len(expected), len(expected['large']['endpoints'])))
    tiny = genl.Socket(receive_buffer=1)
    genl.equal('a socket with the smallest receive buffer gets the same dump', expected, tiny.services())
    genl.equal('a reader of 4 KB at a time gets the same dump', expected,
               genl.Socket(size=4096).services())
    genl.equal('a dump of one name has that service alone', {'small7': expected['small7']}, kernel.services('small7'))
    genl.equal('the dump of a service split over messages is not cut short by its name', expected['large'],
               genl.Socket(size=4096).services('large')['large'])

    def disturbed(name, change, *payload):
        """Changes the configuration after the first part of a dump."""
        steps = iter([change])
        try:
            genl.Socket(size=4096).dump(K.CMD_SERVICE_GET, *payload,
                                        between=lambda: next(steps, lambda: None)())
            genl.report(False, name, 'the dump was not marked')
        except genl.Interrupted:
            genl.report(True, name)
        except genl.Refused as refusal:
            genl.report(False, name, refusal)

    one = (text(K.A_SERVICE_NAME, 'large'),)
    disturbed('a change between the parts of a dump marks it', lambda: other.delete('small59'))
    disturbed('so does the deletion of the service that is being dumped', lambda: other.delete('large'))
    kernel.put('large', [(V4, 80), (V6, 80)], genl.endpoints4('10.4.0.0', 80, 600))
    disturbed('and in a dump of one name', lambda: other.delete('large'), *one)
    kernel.put('large', [(V4, 80), (V6, 80)], genl.endpoints4('10.4.0.0', 80, 600))
    disturbed('a service that shrinks during its dump marks it',
              lambda: other.put('large', [(V4, 80)], [(E4, 80)]), *one)
    kernel.put('large', [(V4, 80), (V6, 80)], genl.endpoints4('10.4.0.0', 80, 600))

    def again():
        other.delete('large')
        other.put('new', [(V4, 80)], [(E4, 80)])

    disturbed('another service in the place of one that is being dumped marks it', again)
    disturbed('a change of settings marks a dump', lambda: other.do(
        K.CMD_SETTINGS_SET, u8(K.A_SETTINGS_MASQUERADE_ALL, 0)))
    # A dump that nobody reads to its end goes with its socket.
    left = genl.Socket()
    left.sock.send(left.message(K.CMD_SERVICE_GET, b'', genl.NLM_F_DUMP))
    left.close()
    genl.report(kernel.info().services > 0, 'a dump that is not read to its end does no harm')
    kernel.flush()


# --- permission

def changes():
    return [
        (K.CMD_SETTINGS_SET, u8(K.A_SETTINGS_MASQUERADE_ALL, 1)),
        (K.CMD_SERVICE_PUT, service('forbidden', [('10.96.9.9', 80)])),
        (K.CMD_SERVICE_DEL, text(K.A_SERVICE_NAME, 'standard')),
        (K.CMD_ENDPOINT_PUT, service('standard', (), [(E4, 1)])),
        (K.CMD_ENDPOINT_DEL, service('standard', (), [(E4, 8080)])),
        (K.CMD_TXN_BEGIN, b''), (K.CMD_TXN_COMMIT, b''), (K.CMD_TXN_ABORT, b''),
    ]


def unprivileged(who):
    kernel = genl.Socket()
    results = {}
    for command, payload in changes():
        try:
            kernel.do(command, payload)
            results[NAMES[command]] = 'accepted'
        except genl.Refused as refusal:
            results[NAMES[command]] = errno.errorcode.get(refusal.errno)
    genl.equal(f'{who} may not change anything', {NAMES[command]: 'EPERM' for command, _ in changes()}, results)
    try:
        kernel.state()
        kernel.do(K.CMD_STATS_GET)
        kernel.explain('10.1.0.2', V4, 80)
        genl.report(True, f'{who} may read the configuration')
    except (genl.Refused, ValueError) as error:
        genl.report(False, f'{who} may read the configuration', error)
    try:
        kernel.dump(K.CMD_AFFINITY_GET)
        genl.report(False, f'{who} may not know of clients')
    except genl.Refused as refusal:
        genl.equal(f'{who} may not know of clients', errno.EPERM, refusal.errno)


def permission():
    kernel = genl.Socket()
    standard(kernel)
    before = kernel.state()
    child = os.fork()
    if not child:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        unprivileged('a user without privileges')
        os._exit(0)
    os.waitpid(child, 0)
    genl.equal('nor did it', before, kernel.state())


# --- noise

def mutate(rng, payload):
    data = bytearray(payload)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(data) + 1)
        what = rng.randrange(9)
        if what == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif what == 1 and data:
            data[at % len(data)] = rng.choice((0, 1, 4, 0x7f, 0x80, 0xff))
        elif what == 2 and len(data) >= 4:
            at &= ~3
            if at + 2 <= len(data):
                struct.pack_into('=H', data, at, rng.choice((0, 1, 3, 4, 5, 8, 20, len(data), 0xffff)))
        elif what == 3 and len(data) >= 4:
            at &= ~3
            if at + 4 <= len(data):
                struct.pack_into('=H', data, at + 2, rng.randrange(12) | rng.choice((0, 0x8000, 0x4000)))
        elif what == 4:
            del data[at:at + rng.choice((1, 4, 8, 20))]
        elif what == 5:
            data[at:at] = rng.randbytes(rng.choice((1, 4, 8)))
        elif what == 6:
            first = rng.randrange(len(data) + 1) & ~3
            data[at & ~3:at & ~3] = data[first:first + rng.choice((8, 20, 28))]
        elif what == 7:
            del data[at:]
        else:
            data += rng.randbytes(rng.choice((1, 3, 4)))
    return bytes(data[:4096])


def wants_much_memory(command, payload):
    """Whether it may be a good request for a table of affinity that leaves little of a small guest."""
    at = 0
    while command == K.CMD_SETTINGS_SET and at + 8 <= len(payload):
        length, kind, value = struct.unpack_from('=HHI', payload, at)
        if kind & 0x3fff == K.A_SETTINGS_AFFINITY_ENTRIES and value > 1 << 20:
            return True
        at += max(4, length + 3 & ~3)
    return False


def noise(count, seed):
    rng = random.Random(seed)
    reader = genl.Socket()
    standard(reader)
    kernel = genl.Socket()
    requests = [(command, payload) for command, payload, _ in valid_requests()]
    requests += [(command, b'') for command in (K.CMD_INFO_GET, K.CMD_STATS_GET, K.CMD_SETTINGS_GET, K.CMD_TXN_BEGIN,
                                                K.CMD_TXN_ABORT, K.CMD_TXN_COMMIT)]
    accepted = refused = 0
    for i in range(count):
        command, payload = rng.choice(requests)
        if rng.random() < 0.97:
            payload = mutate(rng, payload)
        if rng.random() < 0.02:
            command = rng.randrange(256)
        if wants_much_memory(command, payload):
            payload = b''
        flags = genl.NLM_F_DUMP if command in DUMPS else genl.NLM_F_ACK
        if rng.random() < 0.02:
            flags = rng.randrange(1 << 16)
        request = kernel.message(command, payload, flags)
        if rng.random() < 0.05:				# several in one datagram
            request += bytes(-len(request) % 4) + kernel.message(*rng.choice(requests), genl.NLM_F_ACK)
        try:
            kernel.sock.send(request)
            while True:
                for kind, _, _, answer in kernel.receive(flags=socket.MSG_DONTWAIT):
                    if kind == genl.NLMSG_ERROR:
                        if struct.unpack_from('=i', answer)[0]:
                            refused += 1
                        else:
                            accepted += 1
        except BlockingIOError:
            pass
        if i % 1000 == 999:
            info, services = reader.info(), reader.services()
            counted = (len(services), sum(len(entry['frontends']) for entry in services.values()),
                       sum(len(entry['endpoints']) for entry in services.values()))
            if counted != (info.services, info.frontends, info.endpoints):
                genl.equal(f'after {i + 1} requests (seed {seed}) the configuration is sound',
                           (info.services, info.frontends, info.endpoints), counted)
                return
            if i % 4000 == 3999:
                kernel.close()
                kernel = genl.Socket()
                standard(reader)
    genl.report(accepted > 10 and refused > count / 2,
                f'{count} mutated requests leave a sound configuration (seed {seed})',
                f'{accepted} accepted, {refused} refused')
    genl.note(f'{accepted} accepted, {refused} refused')
    reader.flush()
    genl.equal('which can be deleted', (0, 0, 0), (lambda i: (i.services, i.frontends, i.endpoints))(reader.info()))


def main():
    part = sys.argv[1]
    if part == 'refusals':
        check = Checker()
        for step in (headers, truncated, wrong_lengths, unknown_attributes, duplicates, values):
            step(check)
        limits()
        check.kernel.flush()
    elif part == 'dumps':
        dumps()
    elif part == 'permission':
        permission()
    elif part == 'unprivileged':
        unprivileged(sys.argv[2])
    elif part == 'noise':
        noise(int(sys.argv[2]), int(sys.argv[3]))
    genl.done()


main()

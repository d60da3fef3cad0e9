# SPDX-License-Identifier: GPL-2.0
"""Fails each allocation of each request in turn. See tests/faults.sh."""

import ctypes
import errno
import os
import re
import sys
import time

import genl
from genl import K, UDP, endpoint, service, text, u8

CLONE_NEWNET = 0x40000000
E4, E6 = '10.2.0.2', 'fd02::2'
# More than any request needs; a loop that does not end is a failure.
MOST = 2000


class Injector:
    """The task's own knob: the Nth allocation from now on fails."""

    def __init__(self):
        self.file = os.open('/proc/thread-self/fail-nth', os.O_RDWR)

    def send(self, number, kernel, request):
        """Sends the request with its Nth allocation failing. Returns whether there were so many."""
        count = str(number).encode()
        sock, knob = kernel.sock, self.file
        failed = None
        os.pwrite(knob, count, 0)
        try:
            sock.send(request)
        except OSError as error:
            failed = error
        # Copies from and to this process are such points, too: those of the next two lines are nobody's fault.
        try:
            left = int(os.pread(knob, 20, 0))
            os.pwrite(knob, b'0', 0)
        except OSError as error:
            if error.errno != errno.EFAULT:
                raise
            left = 1
        return left == 0, failed


class Outcome:
    """What a request came to: the errno's name, 'done', or 'unknown' when the kernel had no memory to say."""

    def __init__(self, kernel, sent, request, dump):
        self.answers = []
        if sent:
            self.word = errno.errorcode[sent.errno]
            return
        try:
            self.answers = self.receive(kernel, request, dump)
            self.word = 'done'
        except genl.Refused as refusal:
            self.word = errno.errorcode[refusal.errno]
        except OSError as error:
            # A dump that begins with a lost message leaves the rest; nothing in the queue is no answer.
            self.word = 'unknown' if error.errno in (errno.ENOBUFS, errno.EAGAIN) else errno.errorcode[error.errno]

    @staticmethod
    def receive(kernel, request, dump):
        answers = []
        sequence = request[8:12]
        kernel.sock.setblocking(False)
        try:
            while True:
                for kind, bits, number, payload in kernel.receive():
                    if number.to_bytes(4, 'little') != sequence:
                        continue
                    if kind in (genl.NLMSG_ERROR, genl.NLMSG_DONE):
                        genl.Socket.judge(kind, bits, payload, request)
                        if kind == genl.NLMSG_DONE or not dump:
                            return answers
                    else:
                        answers.append(payload)
        finally:
            kernel.sock.setblocking(True)


def configuration(kernel):
    """All but the generation, which a change may count once, and never otherwise."""
    state = kernel.state()
    return state[0], state[1:], kernel.info().active


class Case:
    """A request with what must be there before; by default in the namespace of this process."""

    def __init__(self, name, setup, command, payload=b'', dump=False, open_first=None, fresh=False):
        self.name, self.setup, self.command, self.payload = name, setup, command, payload
        self.dump, self.open_first, self.fresh = dump, open_first, fresh

    def start(self, reader=None, writer=None):
        """Sockets, what is there before, and the request. Sockets are used again where they can be."""
        used = reader and reader.info().active
        if self.fresh and (used or not reader):
            if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), 'unshare')
            reader = None
        if not reader:
            reader, writer = genl.Socket(), genl.Socket(big=True)
        elif self.open_first:
            writer = genl.Socket(big=True)
        if not self.fresh:
            reader.flush()
        self.setup(reader)
        before = configuration(reader)
        if self.open_first:
            self.open_first(writer)
        flags = genl.NLM_F_DUMP if self.dump else genl.NLM_F_ACK
        return reader, writer, before, writer.message(self.command, self.payload, flags)

    def run(self, injector):
        started = time.monotonic()
        reader, writer, before, request = self.start()
        writer.talk(request, self.dump)
        after = configuration(reader)
        grown = after[0] - before[0]
        wrong, words, number = [], set(), 0
        for number in range(1, MOST):
            reader, writer, before, request = self.start(reader, writer)
            injected, sent = injector.send(number, writer, request)
            outcome = Outcome(writer, sent, request, self.dump)
            words.add(outcome.word)
            now = configuration(reader)
            is_before = now == before
            is_after = now[1:] == after[1:] and now[0] == before[0] + grown
            if outcome.word == 'done' and not is_after:
                wrong.append(f'allocation {number}: accepted, and yet {now}')
            elif outcome.word not in ('done', 'unknown') and not is_before:
                wrong.append(f'allocation {number}: {outcome.word}, and yet {now} instead of {before}')
            elif not is_before and not is_after:
                wrong.append(f'allocation {number}: neither as before nor as after: {now}')
            # New namespaces are slow, so where each takes one, not every time.
            if is_before and not is_after and not (self.fresh and number % 10):
                wrong += self.again(number, reader, writer, after)
            if not injected:
                break
            if len(wrong) > 5:
                break
        else:
            wrong.append(f'{MOST} allocations and no end')
        genl.report(not wrong and outcome.word == 'done', self.name, *wrong[:6], outcome.word)
        genl.note(f'{number - 1} allocations failed in {time.monotonic() - started:.1f} s: {" ".join(sorted(words))}')

    def again(self, number, reader, writer, after):
        """Without a fault the request does what it should."""
        if self.open_first:
            # The transaction is spoilt, or over.
            try:
                writer.abort()
            except (genl.Refused, OSError):
                pass
            writer.close()
            writer = genl.Socket(big=True)
            self.open_first(writer)
        try:
            writer.talk(writer.message(self.command, self.payload,
                                       genl.NLM_F_DUMP if self.dump else genl.NLM_F_ACK), self.dump)
        except (genl.Refused, OSError) as error:
            return [f'allocation {number}: the same again fails with {error}']
        now = configuration(reader)
        return [] if now[1:] == after[1:] else [f'allocation {number}: the same again gives {now}']


def nothing(_):
    pass


def two(kernel):
    kernel.put('web', [('10.96.0.1', 80), ('fd96::1', 80)], [(E4, 8080, 1), ('10.2.0.3', 8080, 3), (E6, 8080)])
    kernel.put('dns', [('10.96.0.2', 53, UDP)], [(E4, 53)])


def with_settings(kernel):
    two(kernel)
    kernel.do(K.CMD_SETTINGS_SET, genl.prefixes(K.A_SETTINGS_CLUSTER_CIDRS, '10.244.0.0/16') +
              genl.prefixes(K.A_SETTINGS_SERVICE_CIDRS, '10.96.0.0/12') +
              genl.names(K.A_SETTINGS_POD_INTERFACES, 'cni0'))


def growing(writer):
    """A transaction that replaces all, and makes the table of frontends grow: moves, adds, changes and deletes."""
    writer.begin(replace=True)
    writer.put('web', [('10.96.0.2', 53, UDP), ('fd96::1', 80)], [(E4, 8080, 5), (E6, 8080, 2), ('fd02::3', 8080, 9)])
    for number in range(3, 9):
        writer.put(f'new {number}', [(f'10.96.0.{number}', 80), (f'fd96::{number}', 80)], [(E4, 80)])


def shrinking(kernel):
    kernel.begin(replace=True)
    for number in range(60):
        kernel.put(f'many {number}', [(f'10.96.0.{number + 1}', port) for port in range(1, 9)])
    kernel.commit()


SETTINGS = (genl.prefixes(K.A_SETTINGS_CLUSTER_CIDRS, '10.1.0.0/16', 'fd01::/56') +
            genl.prefixes(K.A_SETTINGS_SERVICE_CIDRS, '10.112.0.0/12', 'fd97::/112') +
            genl.names(K.A_SETTINGS_POD_INTERFACES, 'br0', 'tap*') + u8(K.A_SETTINGS_MASQUERADE_ALL, 1))
MANY = b''.join(endpoint('10.2.1.1', port, 1 + port % 7) for port in range(1, 1201))


def begun(writer):
    writer.begin()


def begun_with_put(writer):
    writer.begin()
    writer.put('x', [('10.96.1.1', 80)], [(E4, 1)])


CASES = [
    Case('the first service of a namespace', nothing, K.CMD_SERVICE_PUT,
         service('web', [('10.96.0.1', 80), ('fd96::1', 80)], [(E4, 80, 2), (E6, 80, 3), ('fd02::3', 80, 1)]),
         fresh=True),
    Case('a service is added', two, K.CMD_SERVICE_PUT,
         service('new', [('10.96.0.3', 80), ('fd96::3', 80), ('fd96::3', 81)], [(E4, 80), (E6, 80)])),
    Case('a service is replaced, with weights', two, K.CMD_SERVICE_PUT,
         service('web', [('10.96.0.1', 80), ('10.96.0.9', 80)], [(E4, 8080, 2), ('10.2.0.4', 80, 3)])),
    Case('a service of 1,200 endpoints', two, K.CMD_SERVICE_PUT, service('web', [('10.96.0.1', 80)], MANY)),
    Case('endpoints are added', two, K.CMD_ENDPOINT_PUT, service('web', (), [('10.2.0.5', 80, 7), ('fd02::5', 80, 7)])),
    Case('endpoints are removed', two, K.CMD_ENDPOINT_DEL, service('web', (), [(E4, 8080), (E6, 8080)])),
    Case('settings are set', with_settings, K.CMD_SETTINGS_SET, SETTINGS),
    Case('a service is deleted', two, K.CMD_SERVICE_DEL, text(K.A_SERVICE_NAME, 'web')),
    Case('the last service is deleted', lambda kernel: kernel.put('web', [('10.96.0.1', 80)]), K.CMD_SERVICE_DEL,
         text(K.A_SERVICE_NAME, 'web')),
    Case('a transaction begins', two, K.CMD_TXN_BEGIN, open_first=nothing),
    Case('a put in a transaction', two, K.CMD_SERVICE_PUT, service('new', [('10.96.0.3', 80)], [(E4, 80)]),
         open_first=begun),
    Case('an endpoint is put in a transaction', two, K.CMD_ENDPOINT_PUT, service('web', (), [(E4, 8081)]),
         open_first=begun),
    Case('a transaction is aborted', two, K.CMD_TXN_ABORT, open_first=begun_with_put),
    Case('a replacement is committed, the table grows', two, K.CMD_TXN_COMMIT, open_first=growing),
    Case('a replacement is committed, the table shrinks', shrinking, K.CMD_TXN_COMMIT, open_first=growing),
    Case('services are dumped', two, K.CMD_SERVICE_GET, dump=True),
    Case('one service is dumped', two, K.CMD_SERVICE_GET, text(K.A_SERVICE_NAME, 'web'), dump=True),
    Case('a flow is explained', two, K.CMD_EXPLAIN, genl.flow('10.1.0.2', '10.96.0.1', 80, source_port=4000),
         dump=True),
    Case('settings are read', with_settings, K.CMD_SETTINGS_GET),
    Case('counters are read', two, K.CMD_STATS_GET),
    Case('the size is read', two, K.CMD_INFO_GET),
]


def hear(listener):
    """What has come: commands, 'missed' for what did not, or 'garbage'."""
    heard = []
    listener.sock.setblocking(False)
    while True:
        try:
            data = listener.sock.recv(1 << 16)
        except BlockingIOError:
            return heard
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            heard.append('missed')
            continue
        whole = len(data) > 16 and int.from_bytes(data[:4], 'little') == len(data)
        heard.append(data[16] if whole else 'garbage')


def listen(injector):
    """A listener is told of each change, or that it missed something."""
    reader, writer, listener = genl.Socket(), genl.Socket(), genl.Socket()
    reader.flush()
    listener.subscribe()
    wrong, missed = [], 0
    for number in range(1, MOST):
        before = reader.info().generation
        request = writer.message(K.CMD_SERVICE_PUT, service('web', [('10.96.0.1', 80)], [(E4, 80, number)]))
        injected, sent = injector.send(number, writer, request)
        Outcome(writer, sent, request, False)
        changed = reader.info().generation != before
        heard = hear(listener)
        missed += 'missed' in heard
        wanted = [K.CMD_SERVICE_NTF, K.CMD_COMMIT_NTF] if changed else []
        if 'garbage' in heard or not (heard == wanted or changed and 'missed' in heard):
            wrong.append(f'allocation {number}: {heard} instead of {wanted}')
        if not injected:
            break
    genl.report(not wrong and missed, 'listeners hear of each change, or that they missed it', *wrong[:6],
                f'{missed} missed')


def main():
    # What the first request ever allocates for good is not its fault.
    warm = genl.Socket()
    two(warm)
    warm.flush()
    warm.close()
    injector = Injector()
    pattern = sys.argv[1] if len(sys.argv) > 1 else ''
    for case in CASES:
        if not re.search(pattern, case.name):
            continue
        try:
            case.run(injector)
        except (genl.Refused, OSError, ValueError, KeyError) as error:
            genl.report(False, case.name, f'{type(error).__name__}: {error}')
    listen(injector)
    kernel = genl.Socket()
    kernel.flush()
    genl.equal('nothing is left', (0, 0, 0), (lambda i: (i.services, i.frontends, i.endpoints))(kernel.info()))
    genl.done()


main()

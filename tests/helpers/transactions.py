# SPDX-License-Identifier: GPL-2.0
"""Transactions from every side. See tests/transactions.sh."""

import errno
import os
import signal
import sys
import time

import genl
from genl import K, UDP, service, text, u8, u32

E4, E6 = '10.2.0.2', 'fd02::2'


def pair(number):
    """The frontends of service number n, of both families."""
    return [(f'10.96.{number >> 8}.{number & 255}', 80), (f'fd96::{number:x}', 80)]


ENDPOINTS = [(E4, 8080), (E6, 8080)]


def put(socket, name, number, endpoints=None, **kwargs):
    socket.put(name, pair(number), ENDPOINTS if endpoints is None else endpoints, **kwargs)


def names_of(socket):
    return sorted(socket.services())


def start_with(socket, *names):
    """Exactly these services, each with the frontends of its place in the list."""
    socket.begin(replace=True)
    for number, name in enumerate(names, 1):
        put(socket, name, number)
    socket.commit()
    return socket.state()


def owners(socket, numbers):
    """Who answers for the frontends, as packets see it."""
    found = []
    for number in numbers:
        four, six = (socket.explain(source, address, port) for source, (address, port) in
                     zip(('10.1.0.2', 'fd01::2'), pair(number)))
        found.append(four.service if four.service == six.service else (four.service, six.service))
    return found


def all_or_nothing(one, two):
    before = start_with(one, 'a', 'b')
    one.begin()
    put(one, 'c', 3)
    one.delete('a')
    one.do(K.CMD_ENDPOINT_PUT, service('b', (), [('10.2.0.9', 1)]))
    genl.equal('before the commit nothing is to be seen', before, two.state())
    genl.equal('not by its own socket either', before, one.state())
    generation, changes = one.commit()
    genl.equal('the commit says what it did', (before[0] + 1, 3), (generation, changes))
    genl.equal('then everything is there', (generation, ['b', 'c']), (two.info().generation, names_of(two)))
    genl.equal('for packets too', [None, 'b', 'c'], owners(two, (1, 2, 3)))

    before = start_with(one, 'a', 'b')
    for name, first, second in (('a service in force', ('c', 3), ('d', 1)), ('one of its own', ('c', 3), ('d', 3))):
        one.begin()
        one.delete('b')
        put(one, *first)
        put(one, *second)
        genl.refused(f'a frontend of {name} is refused', errno.EEXIST, r'10\.96\.0\.\d:80/tcp is taken by [ac]$',
                     one.commit)
        genl.equal(f'a frontend of {name}: nothing changed', before, two.state())
    one.begin()
    one.put('c', [('fd96::3', 80), ('fd96::1', 80)], [(E6, 80)])
    genl.refused('an IPv6 frontend in force is refused', errno.EEXIST, r'\[fd96::1\]:80/tcp is taken by a$', one.commit)
    genl.equal('an IPv6 frontend in force: nothing changed', before, two.state())


def poison(one, two):
    before = start_with(one, 'a', 'b')
    for name, number, bad in (
            ('a name that is not there', errno.ENOENT, (K.CMD_SERVICE_DEL, text(K.A_SERVICE_NAME, 'x'))),
            ('an endpoint that is not there', errno.ENOENT, (K.CMD_ENDPOINT_DEL, service('a', (), [(E4, 1)]))),
            ('port 0', errno.EINVAL, (K.CMD_SERVICE_PUT, service('x', [('10.96.9.9', 0)]))),
            ('a frontend twice', errno.EINVAL, (K.CMD_SERVICE_PUT, service('x', [('10.96.9.9', 1)] * 2))),
            ('create of what exists', errno.EEXIST, (K.CMD_SERVICE_PUT, service('a', pair(1), mode=K.MODE_CREATE))),
            ('no endpoint', errno.EINVAL, (K.CMD_ENDPOINT_PUT, service('a'))),
            ('a family without frontend', errno.EINVAL,
             (K.CMD_SERVICE_PUT, service('a', [('10.96.0.1', 80)], [(E6, 80)])))):
        one.begin()
        put(one, 'c', 3)
        genl.refused(f'{name} is refused', number, None, one.do, *bad)
        put(one, 'd', 4)
        genl.refused(f'after {name} the commit is refused', errno.ECANCELED, 'earlier', one.commit)
        genl.equal(f'after {name} nothing changed', before, two.state())
    genl.refused('the commit ended the transaction', errno.EINVAL, 'no transaction', one.commit)

    # The policy refuses the request before anybody knows what transaction it is for.
    one.begin()
    put(one, 'c', 3)
    genl.refused('an unknown attribute is refused', errno.EINVAL, None, one.do, K.CMD_SERVICE_PUT,
                 service('d', pair(4)) + u32(99, 1))
    genl.refused('a commit of fewer requests than were sent is refused', errno.ECANCELED, None, one.commit, 2)
    genl.equal('and nothing changed', before, two.state())
    one.begin()
    put(one, 'c', 3)
    genl.refused('so is one of more', errno.ECANCELED, None, one.commit, 0)
    one.begin()
    put(one, 'c', 3)
    one.delete('c')
    genl.equal('as many as were sent are accepted', (before[0], 0), one.commit(2))
    genl.equal('a service that came and went in one transaction changes nothing', before, two.state())


def two_writers(one, two):
    before = start_with(one, 'a', 'b')
    one.begin()
    put(one, 'c', 3)
    two.begin()
    put(two, 'd', 4)
    two.commit()
    won = two.state()
    genl.refused('the loser of two writers learns it at its next request', errno.ERESTART, 'another writer',
                 put, one, 'e', 5)
    genl.refused('its commit is refused', errno.ECANCELED, None, one.commit)
    genl.equal("the winner's changes stand", won, one.state())
    one.begin()
    put(one, 'c', 3)
    genl.equal('starting over, it succeeds', (won[0] + 1, 1), one.commit())

    for name, change in (('another socket', lambda: put(two, 'd', 5)), ('a setting', lambda: two.do(
            K.CMD_SETTINGS_SET, u8(K.A_SETTINGS_MASQUERADE_ALL, 0)))):
        one.begin()
        put(one, 'e', 6)
        change()
        genl.refused(f'a commit after a change by {name} is refused', errno.ERESTART, 'another writer', one.commit)
    generation = two.info().generation
    genl.refused('begin for an old generation is refused', errno.ERESTART, 'generation', one.begin, False, before[0])
    one.begin(generation=generation)
    genl.refused('begin twice is refused', errno.EBUSY, 'open', one.begin)
    put(one, 'f', 7)
    genl.equal('and does not harm the first', (generation + 1, 1), one.commit())

    many = [genl.Socket() for _ in range(50)]
    for number, socket in enumerate(many):
        socket.begin()
        put(socket, f'of {number}', 20 + number)
    result = []
    for socket in many:
        try:
            socket.commit(1)
            result.append('committed')
        except genl.Refused as refusal:
            result.append(errno.errorcode[refusal.errno])
        socket.close()
    genl.equal('of 50 open transactions one is committed', ['committed'] + ['ERESTART'] * 49, result)


def endings(one, two):
    before = start_with(one, 'a', 'b')
    for name, call in (('commit', one.commit), ('abort', one.abort)):
        genl.refused(f'{name} without begin is refused', errno.EINVAL, 'no transaction', call)
    one.begin(replace=True)
    put(one, 'c', 3)
    genl.equal('abort keeps the generation', before[0], one.abort())
    genl.equal('and changes nothing', before, two.state())

    lost = genl.Socket()
    lost.begin(replace=True)
    put(lost, 'c', 3)
    lost.close()
    genl.equal('a transaction ends with its socket', before, two.state())

    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        mine = genl.Socket(big=True)
        mine.begin(replace=True)
        mine.many(K.CMD_SERVICE_PUT, [service(f'of the dead {n}', pair(n), ENDPOINTS) for n in range(100, 400)])
        os.write(writing, b'x')
        signal.pause()
    os.read(reading, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    genl.equal('a transaction ends with its process', before, two.state())
    one.begin()
    put(one, 'c', 3)
    genl.equal('and is in nobody\'s way', (before[0] + 1, 1), one.commit())


def inside(one, two):
    before = start_with(one, 'a', 'b')
    one.begin()
    one.delete('a')
    put(one, 'a', 1)
    put(one, 'b', 2)
    genl.equal('what is put as it was is no change', (before[0], 0), one.commit())
    one.begin()
    genl.equal('an empty commit keeps the generation', (before[0], 0), one.commit())
    one.begin()
    put(one, 'c', 3, endpoints=[])
    one.do(K.CMD_ENDPOINT_PUT, service('c', (), [(E4, 1, 5)]))
    one.do(K.CMD_ENDPOINT_PUT, service('c', (), [(E4, 2), (E6, 3)]))
    one.do(K.CMD_ENDPOINT_PUT, service('c', (), [(E4, 1, None, 1)]))
    one.do(K.CMD_ENDPOINT_DEL, service('c', (), [(E4, 2)]))
    one.commit()
    genl.equal('endpoints of a service that the same transaction put', [(E4, 1, 5, 1), (E6, 3, 1, 3)],
               sorted(two.services('c')['c']['endpoints']))
    one.begin()
    one.delete('c')
    genl.refused('what it deleted is not there', errno.ENOENT, 'no such', one.do, K.CMD_ENDPOINT_PUT,
                 service('c', (), [(E4, 9)]))
    one.abort()
    one.begin(replace=True)
    genl.refused('nor what a replacement has not put yet', errno.ENOENT, 'no such', one.do, K.CMD_ENDPOINT_PUT,
                 service('a', (), [(E4, 9)]))
    one.abort()
    genl.equal('replacing all by nothing deletes all', 3, one.flush()[1])
    genl.equal('and only once', 0, one.flush()[1])


def moving(one, two):
    start_with(one, 'a', 'b', 'c')
    # Receiver before giver, and after it.
    for first, second in ((('b', 1), ('a', 2)), (('a', 1), ('b', 2))):
        one.begin()
        put(one, *first)
        put(one, *second)
        one.commit()
        expected = [name for name, _ in sorted((first, second), key=lambda entry: entry[1])]
        genl.equal(f'{expected} have swapped their addresses', expected + ['c'], owners(two, (1, 2, 3)))
    one.begin()
    for name, number in (('a', 2), ('b', 3), ('c', 1)):
        put(one, name, number)
    one.commit()
    genl.equal('three in a ring', ['c', 'a', 'b'], owners(two, (1, 2, 3)))
    one.begin()
    put(one, 'd', 1)
    one.delete('c')
    one.commit()
    genl.equal('from one that is deleted', ['d', 'a', 'b'], owners(two, (1, 2, 3)))
    one.begin()
    one.put('a', pair(1)[:1], ENDPOINTS[:1])
    one.put('d', pair(1)[1:], ENDPOINTS[1:])
    one.commit()
    genl.equal('one family alone', [('a', 'd'), None, 'b'], owners(two, (1, 2, 3)))

    # The VIP as such is known as long as somebody uses one of its ports.
    address = pair(1)[0][0]

    def refusals():
        return [two.explain('10.1.0.2', address, port, protocol).reason
                for port, protocol in ((80, genl.TCP), (81, genl.TCP), (80, UDP))]

    no, yes, unused = K.REASON_NO_SERVICE, K.REASON_TRANSLATED, K.REASON_UNUSED_PORT
    genl.equal('other ports of a VIP are refused', [yes, unused, unused], refusals())
    one.put('e', [(address, 81)], [(E4, 80)])
    genl.equal('two services share a VIP', [yes, yes, unused], refusals())
    one.begin()
    one.delete('a')
    one.put('e', [(address, 80, UDP)], [(E4, 80)])
    one.commit()
    genl.equal('one of them goes, the other changes its port', [unused, unused, yes], refusals())
    one.begin()
    one.delete('e')
    one.put('f', [(address, 81)], [(E4, 80)])
    one.commit()
    genl.equal('the last goes as another comes', [unused, yes, unused], refusals())
    one.delete('f')
    genl.equal('the VIP goes with its last port', [no, no, no], refusals())
    one.flush()


def notifications(one, two):
    start_with(one, 'a', 'b', 'c')
    listener = genl.Socket()
    listener.subscribe()
    added, changed, deleted = K.EVENT_ADDED, K.EVENT_CHANGED, K.EVENT_DELETED
    base = one.info().generation
    put(one, 'd', 4)
    put(one, 'd', 4)
    put(one, 'd', 4, endpoints=[(E4, 1)])
    one.delete('d')
    genl.equal('each change is told once, and what is no change is not',
               [(added, 'd', base + 1), ('commit', 1, base + 1), (changed, 'd', base + 2), ('commit', 1, base + 2),
                (deleted, 'd', base + 3), ('commit', 1, base + 3)], listener.events(base + 3))
    one.begin(replace=True)
    put(one, 'a', 1)
    put(one, 'e', 5)
    put(one, 'c', 3, endpoints=[(E6, 1)])
    generation, changes = one.commit()
    genl.equal('a replacement tells of what differs, then of itself',
               ([(added, 'e', generation), (changed, 'c', generation), (deleted, 'b', generation)],
                [('commit', 3, generation)]),
               (lambda seen: (seen[:-1], seen[-1:]))(listener.events(generation)))
    one.do(K.CMD_SETTINGS_SET, u8(K.A_SETTINGS_MASQUERADE_ALL, 0))
    genl.equal('a change of settings is told', [('commit', 0, generation + 1)], listener.events(generation + 1))

    one.begin()
    put(one, 'x', 9)
    one.abort()
    one.begin()
    put(one, 'x', 1)
    genl.refused('a commit that fails', errno.EEXIST, None, one.commit)
    one.delete('e')
    genl.equal('tells nobody', [(deleted, 'e', generation + 2), ('commit', 1, generation + 2)],
               listener.events(generation + 2))

    narrow = genl.Socket(receive_buffer=1)
    narrow.subscribe()
    one.begin(replace=True)
    for number in range(100):
        put(one, f'many {number}', number)
    one.commit()
    try:
        narrow.events(1 << 60, 1)
        genl.report(False, 'a listener that is too slow is told that it missed events', 'it was not')
    except OSError as error:
        genl.equal('a listener that is too slow is told that it missed events', 'ENOBUFS',
                   errno.errorcode.get(error.errno, error))
    listener.close()
    one.flush()


def thousands(one, two, count):
    one = genl.Socket(big=True)
    requests = [service(f'default/service-{n}:http', pair(n), ENDPOINTS) for n in range(count)]

    def replace(changed=()):
        started = time.monotonic()
        one.begin(replace=True)
        one.many(K.CMD_SERVICE_PUT, (changed[n] if n in changed else request for n, request in enumerate(requests)))
        result = one.commit(count)
        return result, time.monotonic() - started

    generation = one.info().generation
    result, seconds = replace()
    genl.equal(f'a transaction of {count} services', (generation + 1, count), result)
    genl.note(f'{count} services in {seconds:.2f} s')
    result, seconds = replace({})
    genl.equal('the same again is no change', (generation + 1, 0), result)
    genl.note(f'the same again in {seconds:.2f} s')
    result, seconds = replace({count // 2: service(f'default/service-{count // 2}:http', pair(count // 2), [(E4, 1)])})
    genl.equal('with one that differs it is one change', (generation + 2, 1), result)
    info = two.info()
    genl.equal('all are there', (count, 2 * count, 2 * count - 1), (info.services, info.frontends, info.endpoints))
    started = time.monotonic()
    genl.equal('and can be deleted at once', (generation + 3, count), one.flush())
    genl.note(f'deleted in {time.monotonic() - started:.2f} s')


# --- under traffic: the clients run outside

def replacing(rounds):
    """Replaces everything again and again; web stays as it is, others come and go around it."""
    one, listener = genl.Socket(big=True), genl.Socket()
    listener.subscribe()
    web = service('web', pair(1), [(E4, 8080), ('10.2.0.3', 8080), (E6, 8080), ('fd02::3', 8080)])
    seen = []
    for number in range(rounds):
        others = [service(f'other {n}', pair(10 + n), [(E4, 1 + number), (E6, 1)]) for n in range(number % 7 * 30)]
        one.begin(replace=True)
        one.many(K.CMD_SERVICE_PUT, others[:5] + [web] + others[5:])
        generation, _ = one.commit(len(others) + 1)
        if others or number:
            seen += listener.events(generation)
    genl.equal(f'{rounds} replacements do not republish what they keep', [], [e for e in seen if e[1] == 'web'])
    genl.report(len(seen) > rounds, 'while they do tell of the others', seen)


def swapping(rounds):
    """Two services exchange their addresses."""
    one = genl.Socket()
    if rounds == 1:
        one.flush()
    endpoints = {'left': [(E4, 8080), (E6, 8080)], 'right': [('10.2.0.3', 8080), ('fd02::3', 8080)]}
    wrong = []
    for number in range(rounds):
        numbers = {'left': 1 + number % 2, 'right': 2 - number % 2}
        one.begin()
        for name in ('left', 'right') if number % 3 else ('right', 'left'):
            put(one, name, numbers[name], endpoints[name])
        one.commit(2)
        expected = ['left', 'right'] if number % 2 == 0 else ['right', 'left']
        if owners(one, (1, 2)) != expected:
            wrong.append(number)
    genl.equal(f'{rounds} swaps of two VIPs', [], wrong)


def counted(expected):
    """The counters of web, now that its clients have stopped."""
    web = genl.Socket().services('web')['web']
    genl.equal('counters survive all replacements: every connection is counted once', (expected, expected),
               (web['connections'], sum(web['endpoints'].values())))


def setup():
    one = genl.Socket()
    one.flush()
    one.put('web', pair(1), [(E4, 8080), ('10.2.0.3', 8080), (E6, 8080), ('fd02::3', 8080)])


def main():
    part = sys.argv[1]
    if part == 'steps':
        one, two = genl.Socket(), genl.Socket()
        for step in (all_or_nothing, poison, two_writers, endings, inside, moving, notifications):
            step(one, two)
        thousands(one, two, int(sys.argv[2]))
    elif part == 'setup':
        setup()
    elif part == 'replacing':
        replacing(int(sys.argv[2]))
    elif part == 'swapping':
        swapping(int(sys.argv[2]))
    elif part == 'counted':
        counted(int(sys.argv[2]))
    genl.done()


main()

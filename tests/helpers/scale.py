# SPDX-License-Identifier: GPL-2.0
"""Many services, and services of many endpoints. See tests/scale.sh."""

import random
import socket
import struct
import sys
import time

import genl
from genl import K, service, text

EACH = 10


def vip(number):
    """(address, port); of every second service an IPv6 one."""
    if number % 2:
        return f'fd96::{number:x}', 80
    return f'10.{96 + (number >> 16)}.{number >> 8 & 255}.{number & 255}', 80


def endpoints_of(number):
    """Their addresses: part of the number, so that a mistaken lookup is seen."""
    if number % 2:
        return [f'fd02::{number:x}:{i:x}' for i in range(EACH)]
    return [f'10.{16 * i + (number >> 16)}.{number >> 8 & 255}.{number & 255}' for i in range(1, EACH + 1)]


def pack(number):
    """The same as bytes; half a million addresses are too many for the ipaddress module."""
    pack4, pack6 = struct.Struct('=HH HH4s HHHH').pack, struct.Struct('=HH HH6sxxxxxxHH HHHH').pack
    top, port = K.A_SERVICE_ENDPOINT | genl.NLA_F_NESTED, socket.htons(8080)
    if number % 2:
        return b''.join(pack6(32, top, 20, K.A_ENDPOINT_ADDR6, b'\xfd\x02', socket.htons(number), socket.htons(i),
                              6, K.A_ENDPOINT_PORT, port, 0) for i in range(EACH))
    return b''.join(pack4(20, top, 8, K.A_ENDPOINT_ADDR4,
                          bytes((10, 16 * i + (number >> 16), number >> 8 & 255, number & 255)),
                          6, K.A_ENDPOINT_PORT, port, 0) for i in range(1, EACH + 1))


def name(number):
    return f'namespace-{number % 97}/service-{number}:http'


class Clock:
    def __init__(self):
        self.started = time.monotonic()

    def note(self, what):
        now = time.monotonic()
        genl.note(f'{what}: {now - self.started:.2f} s')
        self.started = time.monotonic()


def right(kernel, numbers, gone=()):
    """Numbers of services whose address does not lead to their endpoints."""
    wrong = []
    for number in numbers:
        source = 'fd01::2' if number % 2 else '10.1.0.2'
        answer = kernel.explain(source, *vip(number))
        expected = [] if number in gone else sorted((address, 8080) for address in endpoints_of(number))
        if (answer.service, answer.endpoints) != (name(number), expected):
            wrong.append((number, answer))
    return wrong


def services(count):
    kernel = genl.Socket(big=True)
    kernel.flush()
    requests = [service(name(n), [vip(n)], pack(n)) for n in range(count)]
    probe = random.Random(7).sample(range(count), min(200, count))
    clock = Clock()

    def replace():
        clock.__init__()
        kernel.begin(replace=True)
        kernel.many(K.CMD_SERVICE_PUT, requests)
        clock.note(f'{count} services of {EACH} endpoints sent')
        changes = kernel.commit(count)[1]
        clock.note('committed')
        return changes

    genl.equal(f'{count} services of {EACH} endpoints in one transaction', count, replace())
    info = kernel.info()
    genl.equal('they are there', (count, count, EACH * count), (info.services, info.frontends, info.endpoints))
    genl.equal(f'{len(probe)} addresses lead to their endpoints', [], right(kernel, probe))
    genl.equal('the same again is no change', 0, replace())
    clock.__init__()
    kernel.do(K.CMD_ENDPOINT_PUT, service(name(4), (), [('10.250.0.1', 8080)]))
    clock.note('an endpoint added')
    genl.report(('10.250.0.1', 8080) in kernel.explain('10.1.0.2', *vip(4)).endpoints, 'an endpoint can be added')
    kernel.do(K.CMD_ENDPOINT_DEL, service(name(4), (), [('10.250.0.1', 8080)]))
    kernel.do(K.CMD_SERVICE_PUT, service(name(6), [vip(6)]))
    clock.note('two more changes')
    genl.equal('the others are as they were', [], right(kernel, probe + [4, 6], gone=[6]))
    clock.__init__()
    answers = kernel.dump(K.CMD_SERVICE_GET)
    genl.equal('a dump names all of them', count,
               len({dict(genl.attributes(answer))[K.A_SERVICE_NAME] for answer in answers}))
    clock.note('dumped')
    genl.equal('all can be deleted at once', count, kernel.flush()[1])
    clock.note('deleted')
    info = kernel.info()
    genl.equal('nothing is left', (0, 0, 0), (info.services, info.frontends, info.endpoints))
    genl.equal('and nothing is found', {K.REASON_NO_SERVICE},
               {kernel.explain('fd01::2' if n % 2 else '10.1.0.2', *vip(n)).reason for n in probe[:20]})


def counters(flows):
    """A service whose 65,535 endpoints are replaced: none may share its counter with another."""
    kernel = genl.Socket(big=True)
    front = [('10.96.0.1', 53, genl.UDP)]
    first, second = (genl.endpoints4(address, 53, 65535) for address in ('10.16.0.0', '10.18.0.0'))
    clock = Clock()
    for endpoints in (first, second, first[:20 * 32000] + second[:20 * 32000]):
        kernel.do(K.CMD_SERVICE_PUT, service('large', front, endpoints))
        clock.note(f'{len(endpoints) // 20} endpoints put')
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sent = 0
    for port in range(10000, 10000 + flows):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.bind(('', port))
        sender.sendto(b'x', ('10.96.0.1', 53))
        sender.close()
        sent += 1
    clock.note(f'{flows} flows')
    total = counted = 0
    for answer in kernel.dump(K.CMD_SERVICE_GET, text(K.A_SERVICE_NAME, 'large')):
        for _, kind, at, end in genl.walk(answer):
            if kind == K.A_SERVICE_CONNECTIONS:
                total = genl.number(answer[at:end])
            elif kind == K.A_SERVICE_ENDPOINT and any(answer[end - 8:end]):
                counted += genl.number(dict(genl.attributes(answer[at:end]))[K.A_ENDPOINT_CONNECTIONS])
    genl.equal('every connection is counted for one of 64,000 endpoints', (sent, sent), (total, counted))
    kernel.flush()


def main():
    part, count = sys.argv[1], int(sys.argv[2])
    if part == 'services':
        services(count)
    elif part == 'counters':
        counters(count)
    genl.done()


main()

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Opens many UDP flows to serve.py with few system calls: every socket talks to every target.

usage: udp_flows.py SOURCE-PORT SOCKETS ADDR:PORT...

The sockets have ascending source ports from SOURCE-PORT on. Prints "TARGET ENDPOINT SOURCE" for each flow, as client
does, or "TARGET timeout".
"""
import os
import socket
import sys


def parse(target):
    addr, port = target.rsplit(':', 1)
    return addr.strip('[]'), int(port)


def main():
    port, sockets, targets = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    family = socket.AF_INET6 if targets[0][0] == '[' else socket.AF_INET
    socks = []
    for number in range(sockets):
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.bind(('', port + number))
        sock.settimeout(10 * int(os.environ.get('KSVC_SLOW', '1')))
        socks.append(sock)
    for target in targets:
        addr = parse(target)
        for sock in socks:
            sock.sendto(b'', addr)
        for sock in socks:
            try:
                answer, peer = sock.recvfrom(256)
            except TimeoutError:
                print(target, 'timeout')
                continue
            if peer[:2] != addr:
                sys.exit('an answer from %s instead of %s' % (peer, addr))
            print(target, answer.decode().rstrip())


main()

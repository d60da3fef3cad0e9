#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""First packets of one UDP flow from two CPUs at once, as a resolver sends them for A and AAAA.

usage: udp_race.py ADDR PORT FLOWS

Two processes, each on a CPU of its own, share sockets that are not yet known to conntrack, meet, and send one datagram
each through the same socket. Prints how many of the flows got both answers.
"""
import mmap
import os
import socket
import sys


def send_all(sock_list, addr, me, turns):
    """turns[0] and turns[1] say which flow each process is at."""
    os.sched_setaffinity(0, {me})
    for number, sock in enumerate(sock_list):
        turns[me] = number + 1 & 0xff
        while turns[1 - me] != number + 1 & 0xff and turns[1 - me] != number + 2 & 0xff:
            pass
        sock.sendto(b'%d' % me, addr)


def main():
    addr = sys.argv[1], int(sys.argv[2])
    family = socket.AF_INET6 if ':' in addr[0] else socket.AF_INET
    flows = []
    for _ in range(int(sys.argv[3])):
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.bind(('', 0))
        flows.append(sock)
    turns = mmap.mmap(-1, 2)
    child = os.fork()
    send_all(flows, addr, 0 if child else 1, turns)
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    both = 0
    for sock in flows:
        sock.settimeout(5 * int(os.environ.get('KSVC_SLOW', '1')))
        try:
            sock.recv(256)
            sock.recv(256)
            both += 1
        except TimeoutError:
            pass
    print(both)


main()

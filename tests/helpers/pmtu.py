#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Discovers the path MTU by UDP datagrams that must not be fragmented.

usage: pmtu.py ADDR:PORT BYTES

Sends so many bytes to serve.py until the kernel knows that they are too many, then as many as fit. Prints the path MTU it
learned and the number of bytes that were echoed, or "timeout".
"""
import os
import socket
import sys
import time

# Of linux/in.h and linux/in6.h.
IP_MTU_DISCOVER, IP_MTU, IP_PMTUDISC_DO = 10, 14, 2
IPV6_MTU_DISCOVER, IPV6_MTU, IPV6_PMTUDISC_DO = 23, 24, 2


def main():
    addr, port = sys.argv[1].rsplit(':', 1)
    addr = addr.strip('[]')
    size = int(sys.argv[2])
    if ':' in addr:
        family, level, head = socket.AF_INET6, socket.IPPROTO_IPV6, 48
        discover, mtu_of, only = IPV6_MTU_DISCOVER, IPV6_MTU, IPV6_PMTUDISC_DO
    else:
        family, level, head = socket.AF_INET, socket.IPPROTO_IP, 28
        discover, mtu_of, only = IP_MTU_DISCOVER, IP_MTU, IP_PMTUDISC_DO
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setsockopt(level, discover, only)
    sock.connect((addr, int(port)))
    sock.settimeout(0.1)
    end = time.monotonic() + 20 * int(os.environ.get('KSVC_SLOW', '1'))
    mtu = 0
    while time.monotonic() < end:
        try:
            sock.send(bytes(size))
            echo = sock.recv(65535)
        except OSError:
            mtu = sock.getsockopt(level, mtu_of)
            size = min(size, mtu - head)
            continue
        print(mtu, len(echo) - echo.index(b'\n') - 1)
        return
    print('timeout')


main()

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Sends to ADDR PORT from one fixed source port until an answer comes.

usage: udp_retry.py ADDR PORT SOURCE-PORT SECONDS
Prints the answer; exits 1 without one.
"""
import socket
import sys
import time

addr, port, source, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
family = socket.AF_INET6 if ':' in addr else socket.AF_INET
sock = socket.socket(family, socket.SOCK_DGRAM)
sock.bind(('', source))
sock.settimeout(0.1)
end = time.monotonic() + seconds
while time.monotonic() < end:
    try:
        sock.sendto(b'x', (addr, port))
        print(sock.recvfrom(64)[0].decode())
        sys.exit(0)
    except OSError:
        pass
sys.exit(1)

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Tells every client where it arrived and who it seems to be, and echoes what it sends.

usage: serve.py ADDR:PORT/PROTO...

A connection (tcp, sctp) is greeted with the line "HERE PEER" and echoed until the client has sent all; a datagram (udp)
is answered with that line and what it carried. HERE and PEER are ADDR:PORT. Prints "ready" when all of them listen.
"""
import selectors
import socket
import sys

BACKLOG = 4096
BUFFER = 1 << 18


def parse(text):
    """ADDR:PORT/PROTO as (socket family, protocol, (address, port))."""
    where, proto = text.rsplit('/', 1)
    addr, port = where.rsplit(':', 1)
    addr = addr.strip('[]')
    return socket.AF_INET6 if ':' in addr else socket.AF_INET, proto, (addr, int(port))


def show(name):
    """A socket name as ADDR:PORT."""
    return ('[%s]:%d' if ':' in name[0] else '%s:%d') % name[:2]


class Listener:
    def __init__(self, selector, family, addr, protocol):
        self.selector = selector
        self.sock = socket.socket(family, socket.SOCK_STREAM, protocol)
        if family == socket.AF_INET6:
            self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(addr)
        self.sock.listen(BACKLOG)
        self.sock.setblocking(False)
        selector.register(self.sock, selectors.EVENT_READ, self)

    def ready(self, _):
        try:
            while True:
                Connection(self.selector, *self.sock.accept())
        except OSError:
            pass


class Connection:
    def __init__(self, selector, sock, peer):
        self.selector = selector
        self.sock = sock
        self.events = 0
        self.ended = False
        self.data = bytearray('%s %s\n' % (show(sock.getsockname()), show(peer)), 'ascii')
        sock.setblocking(False)
        self.move(False)

    def move(self, readable):
        """Reads if there is something to read, writes what there is to write."""
        try:
            if readable:
                received = self.sock.recv(BUFFER)
                self.ended = not received
                self.data += received
            if self.data:
                del self.data[:self.sock.send(self.data)]
        except BlockingIOError:
            pass
        except OSError:
            self.data.clear()
            self.ended = True
        self.want((not self.ended and len(self.data) < BUFFER) * selectors.EVENT_READ |
                  bool(self.data) * selectors.EVENT_WRITE)

    def want(self, events):
        if events == self.events:
            return
        if not events:
            self.selector.unregister(self.sock)
            self.sock.close()
        elif self.events:
            self.selector.modify(self.sock, events, self)
        else:
            self.selector.register(self.sock, events, self)
        self.events = events

    def ready(self, events):
        self.move(events & selectors.EVENT_READ)


class Datagrams:
    def __init__(self, selector, family, addr):
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.sock.bind(addr)
        self.sock.setblocking(False)
        self.here = show(addr)
        selector.register(self.sock, selectors.EVENT_READ, self)

    def ready(self, _):
        try:
            while True:
                data, peer = self.sock.recvfrom(65535)
                self.sock.sendto(b'%s %s\n' % (self.here.encode(), show(peer).encode()) + data, peer)
        except OSError:
            pass


def main():
    selector = selectors.DefaultSelector()
    for text in sys.argv[1:]:
        family, proto, addr = parse(text)
        if proto == 'udp':
            Datagrams(selector, family, addr)
        else:
            Listener(selector, family, addr,
                     socket.IPPROTO_SCTP if proto == 'sctp' else socket.IPPROTO_TCP)
    print('ready', flush=True)
    while True:
        for key, events in selector.select():
            key.data.ready(events)


main()

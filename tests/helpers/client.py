#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Talks to serve.py, directly or through a VIP, in many connections at once.

usage: client.py [OPTION]... ADDR:PORT/PROTO...
  -n N         connections to each target (1)
  -s ADDR,...  source addresses, in turn
  -p PORT      source ports, ascending from this one over all connections
  -b BYTES     send so much as well, and check what is echoed
  -t SECONDS   wait at most so long for a connection (5)
  -u           UDP sockets are not connected: the answer's source is checked here
  -h           hold the connections: for every line on standard input use each of them once more, and print how many
               answered as before; ends with the input

Prints a line for each connection: "TARGET ENDPOINT SOURCE", the endpoint's and the client's address as the server sees
them, and with -b "intact" or "damaged"; or "TARGET ERROR", where ERROR is timeout, eof or the name of an errno.
"""
import errno
import getopt
import itertools
import os
import selectors
import socket
import sys
import threading
import time

WINDOW = 128


class Options:
    count = 1
    sources = itertools.repeat('')
    port = 0
    bytes = 0
    timeout = 5.0
    unconnected = False
    hold = False


class Flow:
    """One connection; fails by raising OSError or EOFError."""

    def __init__(self, options, target, port):
        where, proto = target.rsplit('/', 1)
        addr, dport = where.rsplit(':', 1)
        addr = addr.strip('[]')
        family = socket.AF_INET6 if ':' in addr else socket.AF_INET
        self.options = options
        self.target = target
        self.addr = (addr, int(dport))
        self.udp = proto == 'udp'
        self.answer = b''
        self.size = options.bytes
        if self.udp:
            self.sock = socket.socket(family, socket.SOCK_DGRAM)
        else:
            self.sock = socket.socket(family, socket.SOCK_STREAM,
                                      socket.IPPROTO_SCTP if proto == 'sctp' else socket.IPPROTO_TCP)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        source = next(options.sources)
        if source or port:
            self.sock.bind((source, port))
        self.sock.setblocking(False)

    def start(self):
        if self.udp and self.options.unconnected:
            self.sock.sendto(os.urandom(self.size), self.addr)
            return
        try:
            self.sock.connect(self.addr)
        except BlockingIOError:
            pass
        if self.udp:
            self.say()

    def say(self):
        self.sent = os.urandom(self.size)
        self.sock.send(self.sent)

    def hear(self):
        """The next answer; a greeting comes in one segment."""
        if not self.udp:
            data = self.sock.recv(256)
            if not data:
                raise EOFError
            return data
        data, peer = self.sock.recvfrom(65535)
        if peer[:2] != self.addr:
            raise OSError(errno.EADDRNOTAVAIL, 'an answer from %s' % peer[0])
        return data

    def greet(self):
        line, rest = self.hear().split(b'\n', 1)
        self.answer = line
        text = line.decode()
        if self.size:
            whole = rest == self.sent if self.udp else self.transfer()
            text += ' intact' if whole else ' damaged'
        return text

    def transfer(self):
        """Streams random bytes there and back."""
        chunk = os.urandom(1 << 16)
        data = (chunk * (self.size // len(chunk) + 1))[:self.size]
        self.sock.settimeout(self.options.timeout)

        def write():
            try:
                self.sock.sendall(data)
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        echoed = bytearray()
        while True:
            part = self.sock.recv(1 << 18)
            if not part:
                return echoed == data
            echoed += part


def name_of(error):
    if isinstance(error, EOFError):
        return 'eof'
    if isinstance(error, TimeoutError) and error.errno is None:
        return 'timeout'
    return errno.errorcode.get(error.errno, str(error))


class Run:
    def __init__(self, options):
        self.options = options
        self.selector = selectors.DefaultSelector()
        self.deadlines = {}
        self.held = []

    def result(self, flow, text):
        print(flow.target, text)
        if self.deadlines.pop(flow, None) is not None:
            self.selector.unregister(flow.sock)
        if flow.answer and self.options.hold:
            self.held.append(flow)
        else:
            flow.sock.close()

    def start(self, target, port):
        flow = Flow(self.options, target, port)
        try:
            flow.start()
        except OSError as error:
            self.result(flow, name_of(error))
            return
        self.selector.register(flow.sock, selectors.EVENT_READ, flow)
        self.deadlines[flow] = time.monotonic() + self.options.timeout

    def wait(self, most):
        """Takes answers until at most so many connections wait for one."""
        while len(self.deadlines) > most:
            oldest, deadline = next(iter(self.deadlines.items()))
            ready = self.selector.select(max(deadline - time.monotonic(), 0))
            if not ready and time.monotonic() >= deadline:
                self.result(oldest, 'timeout')
            for key, _ in ready:
                try:
                    self.result(key.data, key.data.greet())
                except BlockingIOError:
                    pass
                except (OSError, EOFError) as error:
                    self.result(key.data, name_of(error))

    def connect_all(self, targets):
        port = self.options.port
        for _ in range(self.options.count):
            for target in targets:
                self.wait(WINDOW - 1)
                self.start(target, port)
                port += bool(port)
        self.wait(0)

    def use_again(self):
        """How many held connections still answer, and from the same endpoint."""
        alive = 0
        for flow in self.held:
            try:
                flow.sock.settimeout(self.options.timeout)
                flow.sock.send(b'again')
                wanted = flow.answer + b'\nagain' if flow.udp else b'again'
                alive += flow.hear() == wanted
            except (OSError, EOFError):
                pass
        return alive


def main():
    options = Options()
    opts, targets = getopt.getopt(sys.argv[1:], 'n:s:p:b:t:uh')
    for opt, value in opts:
        if opt == '-n':
            options.count = int(value)
        elif opt == '-s':
            options.sources = itertools.cycle(value.split(','))
        elif opt == '-p':
            options.port = int(value)
        elif opt == '-b':
            options.bytes = int(value)
        elif opt == '-t':
            options.timeout = float(value)
        elif opt == '-u':
            options.unconnected = True
        else:
            options.hold = True
    run = Run(options)
    run.connect_all(targets)
    sys.stdout.flush()
    if options.hold:
        print('held', len(run.held), flush=True)
        for _ in sys.stdin:
            print('alive', run.use_again(), flush=True)


main()

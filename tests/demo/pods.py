# SPDX-License-Identifier: GPL-2.0
"""What runs in the pods: HTTP servers that say who they are and whom they saw, and clients."""
import contextlib
import os
import selectors
import signal
import socket
import time

from cluster import POD_PORT, inside, libc

TIMEOUT = 10
PR_SET_PDEATHSIG = 1
IPV6_RECVERR = 25
started = []


class Client:
    """What a server knows of a connection: bytes of a request that is not whole yet, and the answer to each."""
    def __init__(self, pod, address):
        self.data = b''
        body = f'{pod.name} {address[0].removeprefix("::ffff:")} {address[1]}\n'
        self.answer = ('HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n'
                       f'Content-Length: {len(body)}\r\n\r\n{body}').encode()

    def read(self, connection):
        """Answers what is whole; false at the end of the connection."""
        try:
            more = connection.recv(65536)
            *requests, self.data = (self.data + more).split(b'\r\n\r\n')
            for request in requests:
                connection.sendall(self.answer if request.startswith(b'GET ') else
                                   b'HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n')
        except ConnectionError:     # of a client that was killed
            return False
        return more


def http_server(pod):
    """HTTP/1.1 in one thread. Importing http.server takes seconds in a virtual machine, and a thread for each
    connection as long as the connection."""
    selector = selectors.DefaultSelector()
    listener = socket.create_server(('::', POD_PORT), family=socket.AF_INET6, backlog=256, dualstack_ipv6=True)
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                connection, address = listener.accept()
                selector.register(connection, selectors.EVENT_READ, Client(pod, address))
            elif not key.data.read(key.fileobj):
                selector.unregister(key.fileobj)
                key.fileobj.close()


def spawn(netns, function, *args):
    """Runs function in a process of its own in the namespace; it ends with the process that started it."""
    pid = os.fork()
    if pid:
        started.append(pid)
        return pid
    try:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        with inside(netns):
            function(*args)
    finally:
        os._exit(0)


def execute(output, *command):
    """For spawn: becomes that command, which prints to the file descriptor output."""
    for fd in 1, 2:
        os.dup2(output, fd)
    os.execvp(command[0], command)


def end(pids):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


class Answer:
    def __init__(self, text):
        self.pod, self.saw, port = text.split()
        self.port = int(port)


class Connection:
    """One TCP connection to address:port, made in a namespace; None is the one that the process is in."""
    def __init__(self, netns, address, port):
        family = socket.AF_INET6 if ':' in address else socket.AF_INET
        with inside(netns) if netns else contextlib.nullcontext():
            self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(TIMEOUT)
        if family == socket.AF_INET6:
            # The refusal of a neighbour is there before connect() has let go of the socket. IPv4 wakes the process
            # nevertheless, IPv6 only if asked to; else it hears of the refusal of the next SYN, a second later.
            self.socket.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
        try:
            self.socket.connect((address, port))
        except OSError:
            self.socket.close()
            raise
        self.port = self.socket.getsockname()[1]

    def get(self):
        self.socket.sendall(b'GET / HTTP/1.1\r\nHost: web.default.svc.cluster.local\r\n\r\n')
        data = b''
        while True:
            more = self.socket.recv(4096)
            if not more:
                raise ConnectionError('the connection ended without an answer')
            data += more
            head, found, body = data.partition(b'\r\n\r\n')
            if found and len(body) == int(head.rpartition(b'Content-Length: ')[2]):
                break
        if not head.startswith(b'HTTP/1.1 200 '):
            raise ConnectionError(head.decode())
        return Answer(body.decode())

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def get(netns, address, port):
    with Connection(netns, address, port) as c:
        return c.get()


def wait_until(what, condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f'not within {seconds} s: {what}')
        time.sleep(0.02)


def answers(netns, address, port, pod):
    try:
        return get(netns, address, port).pod == pod
    except OSError:
        return False


def load(pipe, address, port):
    """New connections until SIGTERM; writes a line about each."""
    told = []
    signal.signal(signal.SIGTERM, lambda *_: told.append(True))
    while not told:
        begin = time.monotonic_ns()
        try:
            result = get(None, address, port).pod
        except OSError as e:
            result = f'failed {type(e).__name__}'
        os.write(pipe, f'{begin} {result}\n'.encode())


class Load:
    """Clients in the pod that connect without a pause; iterating gives (when, who answered) of each connection."""
    def __init__(self, clients, pod, address, port):
        self.reader, writer = os.pipe()
        self.pids = [spawn(pod.name, load, writer, address, port) for _ in range(clients)]
        os.close(writer)

    def __iter__(self):
        rest = b''
        while True:
            more = os.read(self.reader, 65536)
            if not more:
                return
            *whole, rest = (rest + more).split(b'\n')
            for line in whole:
                begin, result = line.decode().split(' ', 1)
                yield int(begin), result

    def stop(self):
        """No connection is given up; what is left can still be read."""
        for pid in self.pids:
            os.kill(pid, signal.SIGTERM)

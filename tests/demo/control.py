# SPDX-License-Identifier: GPL-2.0
"""The cluster's side: the API server (tests/ksvcd/apiserver.py), and on each node ksvcd, and ksvcctl monitor, by which
one sees when a change is in the node's kernel."""
import contextlib
import json
import os
import select
import socket
import sys
import time

from cluster import API, API_IP, NODES, inside
from pods import TIMEOUT, execute, spawn, wait_until

API_PORT, CONTROL_PORT = 6443, 6444
CONTROL = f'127.0.0.1:{CONTROL_PORT}/control/put'
SCRATCH = '/tmp/ksvc-demo'
CLUSTER_CIDR = '10.244.0.0/16,fd00:10:244::/56'

monitors = {}


def log_of(name):
    return f'{SCRATCH}/{name}.log'


def run_in_background(netns, *command):
    """Its output goes to log_of(netns)."""
    log = os.open(log_of(netns), os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    spawn(netns, execute, log, *command)
    os.close(log)


def read_log(name):
    with open(log_of(name), encoding='utf-8') as f:
        return f.read()


def start_server():
    os.mkdir(SCRATCH)
    # Not isolated: it imports its neighbours.
    run_in_background(API, sys.executable, '-sSB', '../ksvcd/apiserver.py', '--listen', f'{API_IP}:{API_PORT}',
                      '--control', f'127.0.0.1:{CONTROL_PORT}')


def await_server():
    wait_until('the API server listens', lambda: '"listen"' in read_log(API), 60)


class Monitor:
    """The changes that the kernel of a node tells."""
    def __init__(self, node):
        self.node = node
        self.reader, writer = os.pipe()
        os.set_blocking(self.reader, False)
        pid = spawn(node.name, execute, writer, 'ksvcctl', 'monitor', '--json')
        os.close(writer)
        self.rest = b''
        wait_until(f'ksvcctl monitor listens on {node.name}', lambda: self.listens(pid))

    @staticmethod
    def listens(pid):
        with open(f'/proc/{pid}/net/netlink', encoding='ascii') as f:
            rows = [line.split() for line in f]
        return any(row[2] == str(pid) and int(row[3], 16) for row in rows[1:])

    def fileno(self):
        return self.reader

    def read(self):
        """The events since the last time that are about services."""
        with contextlib.suppress(BlockingIOError):
            while more := os.read(self.reader, 65536):
                self.rest += more
        *whole, self.rest = self.rest.split(b'\n')
        return [event for event in map(json.loads, whole) if 'service' in event]


def start_monitors():
    for node in NODES:
        monitors[node.name] = Monitor(node)


def forget_events():
    for monitor in monitors.values():
        monitor.read()


def await_events(service, endpoints):
    """When each node's kernel told that the service has so many endpoints now."""
    seen = {}
    deadline = time.monotonic() + 20
    while len(seen) < len(monitors):
        left = deadline - time.monotonic()
        if left < 0:
            raise RuntimeError(f'not within 20 s: {service} with {endpoints} endpoints on {set(monitors) - set(seen)}')
        for monitor in select.select(list(monitors.values()), [], [], left)[0]:
            now = time.monotonic_ns()
            if any(e['service'] == service and e['endpoints'] == endpoints for e in monitor.read()):
                seen.setdefault(monitor.node.name, now)
    return seen


class Request:
    """To an HTTP server in a namespace, with the time at which it was sent."""
    def __init__(self, netns, address, port, path, body=None):
        data = body.encode() if body else b''
        head = (f'{"POST" if body else "GET"} {path} HTTP/1.0\r\nConnection: close\r\n'
                f'Content-Length: {len(data)}\r\n\r\n')
        with inside(netns):
            self.socket = socket.create_connection((address, port), TIMEOUT)
        self.sent = time.monotonic_ns()
        self.socket.sendall(head.encode() + data)

    def answer(self):
        with self.socket:
            data = b''.join(iter(lambda: self.socket.recv(65536), b''))
        head, _, body = data.partition(b'\r\n\r\n')
        if head.split()[1:2] != [b'200']:
            raise ConnectionError(data.decode(errors='replace'))
        return body.decode()


class Change:
    """Objects put into the API server, and how long it took until the kernels had them."""
    def __init__(self, text, service, endpoints):
        """Waits until the service has so many endpoints on both nodes."""
        forget_events()
        request = Request(API, '127.0.0.1', CONTROL_PORT, '/control/put', text)
        self.sent = request.sent
        self.seen = await_events(service, endpoints)
        request.answer()

    def ms(self, node):
        return (self.seen[node.name] - self.sent) / 1e6

    def says(self):
        return 'in force on ' + ', on '.join(f'{node.name} after {self.ms(node):.1f} ms' for node in NODES)


def put(text):
    Request(API, '127.0.0.1', CONTROL_PORT, '/control/put', text).answer()


def daemon_command(node):
    return ['ksvcd', '--master', f'http://{API_IP}:{API_PORT}', '--hostname-override', node.name, '--cluster-cidr',
            CLUSTER_CIDR, '--conntrack-max-per-core', '0', '--state', f'{SCRATCH}/{node.name}.json']


def daemon_log(node):
    """Its events; the line that is being written is not one yet."""
    return [json.loads(line) for line in read_log(node.name).split('\n')[:-1]]


def start_daemons():
    for node in NODES:
        run_in_background(node.name, *daemon_command(node))
    for node in NODES:
        wait_until(f'ksvcd on {node.name} has the cluster\'s state in force',
                   lambda n=node: any(e['message'] == 'In force' for e in daemon_log(n)), 60)


def metrics(node):
    """{name with labels: value}"""
    text = Request(node.name, '127.0.0.1', 10249, '/metrics').answer()
    rows = (line.rsplit(' ', 1) for line in text.split('\n') if line and not line.startswith('#'))
    return {name: float(value) for name, value in rows}

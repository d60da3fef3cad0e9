# SPDX-License-Identifier: GPL-2.0
"""Servers and clients that tell what became of each connection.

    traffic.py serve PORT ADDRESS...        answers TCP and UDP: first its address, then whatever it is sent
    traffic.py connect FILE PORT VIP...     opens connections one after the other until TERM, then writes to FILE how
                                            many: "NAME NUMBER" for each address that answered, and for "failed"
    traffic.py hold FILE COUNT PORT VIP...  keeps COUNT connections to each VIP busy until TERM, then writes
                                            "held NUMBER", "broken NUMBER", "rounds NUMBER"
    traffic.py flood PORT VIP...            some hundred new flows a second until TERM, whatever becomes of them
    traffic.py once PORT VIP                prints the address that answers one connection

A VIP may be SOURCE>VIP, to connect from that address.
"""

import collections
import os
import select
import signal
import socket
import sys
import time

PATIENCE = 15 * int(os.environ.get('KSVC_SLOW', '1'))
stopped = []


def family(address):
    return socket.AF_INET6 if ':' in address else socket.AF_INET


def serve(port, addresses):
    poll, kinds = select.poll(), {}
    for address in addresses:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            listener = socket.socket(family(address), kind)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            if kind == socket.SOCK_STREAM:
                listener.listen(512)
            listener.setblocking(False)
            kinds[listener.fileno()] = (listener, 'listener' if kind == socket.SOCK_STREAM else 'datagrams', address)
            poll.register(listener, select.POLLIN)
    while True:
        for number, _ in poll.poll():
            sock, what, address = kinds[number]
            try:
                if what == 'listener':
                    new, _ = sock.accept()
                    new.send(address.encode() + b'\n')
                    kinds[new.fileno()] = (new, 'connection', address)
                    poll.register(new, select.POLLIN)
                elif what == 'datagrams':
                    _, peer = sock.recvfrom(2048)
                    sock.sendto(address.encode() + b'\n', peer)
                else:
                    data = sock.recv(65536)
                    if data:
                        sock.send(data)
                        continue
                    poll.unregister(sock)
                    del kinds[number]
                    sock.close()
            except BlockingIOError:
                pass
            except OSError:
                if what == 'connection':
                    poll.unregister(sock)
                    del kinds[number]
                    sock.close()


def open_connection(address, port):
    """A connection, and who answered."""
    source, _, address = address.rpartition('>')
    sock = socket.socket(family(address), socket.SOCK_STREAM)
    sock.settimeout(PATIENCE)
    if source:
        sock.bind((source, 0))
    sock.connect((address, port))
    who = b''
    while not who.endswith(b'\n'):
        part = sock.recv(100)
        if not part:
            raise ConnectionError('closed')
        who += part
    # A reset at the end leaves neither side in TIME-WAIT.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
    return sock, who.decode().strip()


def write(path, counts):
    with open(path + '.new', 'w', encoding='ascii') as file:
        for name, number in counts.items():
            file.write(f'{name} {number}\n')
    os.rename(path + '.new', path)


def connect(path, port, vips):
    counts = collections.Counter(failed=0, connections=0)
    while not stopped:
        for vip in vips:
            try:
                sock, who = open_connection(vip, port)
                sock.close()
                counts[who] += 1
                counts['connections'] += 1
            except OSError as error:
                print(f'{vip}: {error}', flush=True)
                counts['failed'] += 1
        if counts['connections'] and not os.path.exists(path + '.started'):
            open(path + '.started', 'w', encoding='ascii').close()
    write(path, counts)


def hold(path, count, port, vips):
    connections = []
    for vip in vips:
        for _ in range(count):
            connections.append(open_connection(vip, port)[0])
    open(path + '.started', 'w', encoding='ascii').close()
    broken, rounds = set(), 0
    while not stopped or rounds < 2:
        rounds += 1
        data = f'round {rounds}\n'.encode()
        for number, sock in enumerate(connections):
            if number in broken:
                continue
            try:
                sock.send(data)
                answer = b''
                while len(answer) < len(data):
                    part = sock.recv(len(data) - len(answer))
                    if not part:
                        raise ConnectionError('closed')
                    answer += part
                if answer != data:
                    raise ConnectionError(f'{answer} instead of {data}')
            except OSError as error:
                print(f'connection {number}: {error}', flush=True)
                broken.add(number)
        write(path + '.rounds', {'rounds': rounds})
        time.sleep(0.01)
    write(path, {'held': len(connections), 'broken': len(broken), 'rounds': rounds})


def flood(port, vips):
    while not stopped:
        for vip in vips:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                sock = socket.socket(family(vip), kind)
                sock.setblocking(False)
                try:
                    sock.connect((vip, port))
                    sock.send(b'x')
                except OSError:
                    pass
                sock.close()
        time.sleep(0.01)


def main():
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    command, *rest = sys.argv[1:]
    if command == 'serve':
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        serve(int(rest[0]), rest[1:])
    elif command == 'connect':
        connect(rest[0], int(rest[1]), rest[2:])
    elif command == 'hold':
        hold(rest[0], int(rest[1]), int(rest[2]), rest[3:])
    elif command == 'once':
        print(open_connection(rest[1], int(rest[0]))[1])
    elif command == 'flood':
        flood(int(rest[0]), rest[1:])


main()

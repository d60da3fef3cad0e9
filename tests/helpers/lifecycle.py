# SPDX-License-Identifier: GPL-2.0
"""Sockets that outlive the module, and who pays for memory. See tests/lifecycle.sh."""

import errno
import os
import socket
import subprocess
import sys

import genl
from genl import K, service, text


def info(field):
    print(getattr(genl.Socket().info(), field))


def listening_to_nobody(kernel, command, payload=b''):
    """What a request gets when nobody is there: the errno's name."""
    try:
        kernel.do(command, payload)
        return 'answered'
    except genl.Refused as refusal:
        return errno.errorcode[refusal.errno]


def across(unload, load):
    """Sockets that are open while the module goes and comes back."""
    kernel, writer, listener, reader = (genl.Socket(size=4096) for _ in range(4))
    kernel.flush()
    kernel.put('web', [('10.96.0.1', 80)], genl.endpoints4('10.4.0.0', 80, 600))
    writer.begin()
    writer.put('other', [('10.96.0.2', 80)], [('10.2.0.2', 80)])
    listener.subscribe()

    reader.sock.send(reader.message(K.CMD_SERVICE_GET, text(K.A_SERVICE_NAME, 'web'), genl.NLM_F_DUMP))
    reader.receive()
    genl.report(subprocess.run(unload, stderr=subprocess.DEVNULL, check=False).returncode != 0,
                'a dump that is being read keeps the module')
    reader.close()
    genl.report(bool(genl.wait_for(lambda: subprocess.run(unload, stderr=subprocess.DEVNULL,
                                                          check=False).returncode == 0)),
                'an open transaction and a listener do not')
    gone = listening_to_nobody(writer, K.CMD_TXN_COMMIT)
    genl.report(gone in ('ENOENT', 'EOPNOTSUPP'), 'a request while the module is away is refused', gone)
    subprocess.run(load, check=True)
    fresh = genl.Socket()
    genl.equal('the module comes back empty', (0, 0), (fresh.info().services, fresh.info().active))
    writer.family = fresh.family
    genl.refused('its transactions are gone', errno.EINVAL, 'no transaction', writer.commit)
    writer.begin()
    writer.put('other', [('10.96.0.2', 80)], [('10.2.0.2', 80)])
    genl.equal('the same socket can begin another', 1, writer.commit()[1])
    fresh.flush()


# --- memory

def cgroup():
    with open('/proc/self/cgroup', encoding='ascii') as file:
        for line in file:
            if line.startswith('0::'):
                return '/sys/fs/cgroup' + line.strip()[3:]
    return None


def stat(group):
    """memory.stat, bytes by kind. What the kernel holds is in "kernel"; the process' own pages may become huge meanwhile."""
    with open(group + '/memory.stat', encoding='ascii') as file:
        values = {name: int(value) for name, value in map(str.split, file)}
    return values


def current(group):
    with open(group + '/memory.current', encoding='ascii') as file:
        return int(file.read())


def load(kernel, count, each):
    """A transaction of services with so many endpoints each."""
    kernel.begin(replace=True)
    kernel.many(K.CMD_SERVICE_PUT, load.requests)
    return kernel.commit(count // each)


def prepare_load(count, each):
    load.requests = [service(f's{n}', [(f'10.96.{n >> 8}.{n & 255}', 80)],
                             genl.endpoints4(f'10.4.{n & 255}.0', 80, each)) for n in range(count // each)]


def memory():
    """In a memory cgroup of its own."""
    group = cgroup()
    count, each = 20000, 100
    prepare_load(count, each)
    kernel = genl.Socket(big=True)
    load(kernel, count, each)		# whatever is allocated once
    kernel.flush()

    def settled():
        """When nothing more is freed."""
        last = stat(group)
        for _ in range(100):
            genl.time.sleep(0.05)
            now = stat(group)
            if now['kernel'] >= last['kernel'] and now['percpu'] == last['percpu']:
                return now
            last = now
        return last

    before = settled()
    load(kernel, count, each)
    loaded = stat(group)
    kilobytes = (loaded['kernel'] - before['kernel']) >> 10
    genl.note(f'{count} endpoints: {kilobytes} KB charged, of them '
              f"{(loaded['percpu'] - before['percpu']) >> 10} KB per CPU")
    genl.report(kilobytes * 1024 > count * 40, f'{count} endpoints are charged to who loads them', f'{kilobytes} KB')
    for _ in range(4):
        kernel.flush()
        load(kernel, count, each)
    kernel.flush()
    after = genl.wait_for(lambda: (lambda now: now if now['percpu'] <= before['percpu'] and
                                   now['kernel'] < before['kernel'] + (kilobytes << 10) // 4 else None)(stat(group)))
    genl.report(bool(after), 'and what is deleted is given back', f'before: {before}', f'after: {stat(group)}')

    kernel.put('stays', [('10.96.255.1', 80)], [('10.2.0.2', 80)])
    state = kernel.state()
    # Nobody to kill in this group: the kernel can only say no.
    with open('/proc/self/oom_score_adj', 'w', encoding='ascii') as file:
        file.write('-1000')
    with open(group + '/memory.max', 'w', encoding='ascii') as file:
        file.write(str(current(group) + (512 << 10)))
    numbers = set()
    for _ in range(3):
        try:
            load(kernel, count, each)
            numbers.add('accepted')
        except genl.Refused as refusal:
            numbers.add(errno.errorcode[refusal.errno])
            try:
                kernel.commit()
            except genl.Refused as second:
                numbers.add(errno.errorcode[second.errno])
            drain(kernel)
        except OSError as error:		# no room for the message itself
            numbers.add(errno.errorcode[error.errno])
            drain(kernel)
            try:
                kernel.abort()
            except (genl.Refused, OSError):
                pass
    with open(group + '/memory.max', 'w', encoding='ascii') as file:
        file.write('max')
    genl.report('ENOMEM' in numbers and numbers <= {'ENOMEM', 'ECANCELED', 'ENOBUFS', 'EINVAL'},
                'who is out of memory is refused', numbers)
    genl.equal('and nothing changed', state, genl.Socket().state())
    genl.equal('with memory it works', count // each + 1, load(genl.Socket(big=True), count, each)[1])
    kernel.flush()


def drain(kernel):
    try:
        while True:
            kernel.receive(socket.MSG_DONTWAIT)
    except BlockingIOError:
        pass
    except OSError:
        drain(kernel)


def main():
    part, *rest = sys.argv[1:]
    if part == 'info':
        info(rest[0])
        return
    if part == 'across':
        middle = rest.index('--')
        across(rest[:middle], rest[middle + 1:])
    elif part == 'memory':
        memory()
    genl.done()


main()

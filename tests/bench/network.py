# SPDX-License-Identifier: GPL-2.0
"""Namespaces, packets through them, and proof that they went through.

            client                      node                       sink
    +----------------+         +------------------+         +----------------+
    | pktgen -> c0 o-+---------+-o n0  forwards n1 o-+------+-o s0  discards |
    +----------------+         +------------------+         +----------------+
                    192.168.1.0/24, fd00:1::/64    192.168.2.0/24, fd00:2::/64

Service i is at 10.96.0.1 + i, port 80, or, in IPv6, where pktgen cannot count addresses up, on a port of its own at
[fd00:96::1], PORTS services an address. Its endpoints are in 10.128.0.0/9 and fd00:128::/64. The node has a route to
the services or one to the endpoints, never both, so that only packets that were treated as they should be arrive at the
sink, which takes them for another host's and discards them at once.
"""
import contextlib
import ctypes
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import tempfile

import conntrack

ENDPOINTS = 10
PORTS = 50000		# services of one IPv6 address
STRAY = 10		# packets that nobody sent
PACKET = 78		# bytes; the least that pktgen makes of IPv6
PARTS = 8		# of all services that get packets when there are more services than flows
FRONTENDS = {4: "10.96.0.0/12", 6: "fd00:96::/64"}
BACKENDS = {4: "10.128.0.0/9", 6: "fd00:128::/64"}
CLIENT_ADDRESS = {4: "192.168.1.2", 6: "fd00:1::2"}
NODE_ADDRESS = {4: "192.168.2.1", 6: "fd00:2::1"}
SINKS = {4: "192.168.2.2", 6: "fd00:2::2"}
CLIENTS = {4: "192.168.1.0/24", 6: "fd00:1::/64"}
NOBODY = {4: "198.51.100.0/24", 6: "2001:db8::/32"}
MAC = {name: "02:00:00:00:00:%02x" % i for i, name in enumerate(("c0", "n0", "n1", "s0", "elsewhere"))}


def number_of(version, address):
    return int.from_bytes(socket.inet_pton(conntrack.FAMILY[version], address), "big")


def address_of(version, number):
    return socket.inet_ntop(conntrack.FAMILY[version], number.to_bytes(4 if version == 4 else 16, "big"))


FIRST_FRONTEND = {4: number_of(4, "10.96.0.1"), 6: number_of(6, "fd00:96::1")}
FIRST_ENDPOINT = {4: number_of(4, "10.128.0.1"), 6: number_of(6, "fd00:128::1")}
SERVICE_PORT, FIRST_PORT, ENDPOINT_PORT = 80, 1000, 8080

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
PKTGEN = pathlib.Path("/proc/net/pktgen")


class Broken(Exception):
    """What was measured is not what was meant."""


class Exhausted(Exception):
    """The guest has not the memory or the time for what it was told."""


def run(*command, stdin=()):
    """Returns what the command prints. Its input is an iterable of strings, of which any number may come."""
    with tempfile.TemporaryFile("w+") as file:
        file.writelines(stdin)
        file.seek(0)
        done = subprocess.run(command, stdin=file, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = f"{' '.join(map(str, command))}: status {done.returncode}: {done.stderr.strip()[-300:]}"
        raise (Exhausted if done.returncode == -signal.SIGKILL or "emory" in done.stderr else Broken)(reason)
    return done.stdout


def enter(path):
    with open(path, "rb") as file:
        if LIBC.setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))


@contextlib.contextmanager
def entered(name):
    """In a network namespace, without a process for it: starting one takes longer than a batch of packets."""
    enter(f"/run/netns/{name}")
    try:
        yield
    finally:
        enter("/proc/1/ns/net")


def used_by_commands():
    """Seconds of the processor. The clock is no measure: one that counts instructions leaps while it waits for the host."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def limited(seconds):
    """Returns a run() whose commands together have so many seconds of the processor."""
    def run_limited(*command, **more):
        left = int(start + seconds - used_by_commands())
        try:
            return run("prlimit", f"--cpu={max(left, 1)}", *command, **more)
        except Exhausted as error:
            if used_by_commands() - start > seconds - 1:
                raise Exhausted(f"more than {seconds} s of the processor to set up") from None
            raise error

    start = used_by_commands()
    return run_limited


def frontend(version, i):
    if version == 6:
        return address_of(6, FIRST_FRONTEND[6] + i // PORTS), FIRST_PORT + i % PORTS
    return address_of(4, FIRST_FRONTEND[4] + i), SERVICE_PORT


def endpoint(version, i):
    return address_of(version, FIRST_ENDPOINT[version] + i), ENDPOINT_PORT


def endpoints(version, service):
    return [endpoint(version, service * ENDPOINTS + k) for k in range(ENDPOINTS)]


def joined(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def service_at(version, number, port):
    """The inverse of frontend(), of the address as a number."""
    i = number - FIRST_FRONTEND[version]
    return i * PORTS + port - FIRST_PORT if version == 6 else i


def endpoint_at(version, number):
    return number - FIRST_ENDPOINT[version]


def parts(services, flows):
    """Yields (first service, how many) of each part of the services that packets go to.

    All services (or a divisor of the flows, so that each flow has one service), or, if there are more than flows, as
    many as flows, in parts whose middle is that of all.
    """
    if services <= flows:
        yield 0, next(n for n in range(services, 0, -1) if flows % n == 0)
        return
    pitch, size = services // PARTS, flows // PARTS
    for part in range(PARTS):
        yield part * pitch + (pitch - size) // 2, size


class Node:
    """A node with a client and a sink of its own. Any number can live side by side."""

    def __init__(self, tag, version):
        self.version = version
        self.client, self.name, self.sink = (f"{tag}-{role}" for role in ("client", "node", "sink"))
        self.generator = False

    def inside(self, *command, how=run, **more):
        with entered(self.name):
            return how(*command, **more)

    def build(self, destinations):
        for name in self.client, self.name, self.sink:
            run("ip", "netns", "add", name)
            with entered(name):
                run("sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0",
                    "net.ipv6.conf.default.addr_gen_mode=1", "net.ipv6.conf.default.accept_ra=0")
        self._connect(self.client, "c0", self.name, "n0")
        self._connect(self.name, "n1", self.sink, "s0")
        run("ip", "-n", self.client, "link", "set", "c0", "up")
        run("ip", "-n", self.sink, "link", "set", "s0", "up")
        run("ip", "-n", self.name, "-batch", "-", stdin=[f"""
            link set lo up
            link set n0 up
            link set n1 up
            addr add 192.168.1.1/24 dev n0
            addr add {NODE_ADDRESS[4]}/24 dev n1
            addr add fd00:1::1/64 dev n0
            addr add {NODE_ADDRESS[6]}/64 dev n1
            neigh add {SINKS[4]} lladdr {MAC["elsewhere"]} dev n1 nud permanent
            neigh add {SINKS[6]} lladdr {MAC["elsewhere"]} dev n1 nud permanent
            route add {destinations[4]} via {SINKS[4]}
            route add {destinations[6]} via {SINKS[6]}
            """])
        # Without instructions waiting, a clock that counts them leaps: nothing may depend on how long something took.
        self.inside("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
                    "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.n0.rp_filter=0",
                    "net.netfilter.nf_conntrack_udp_timeout=100000",
                    "net.netfilter.nf_conntrack_udp_timeout_stream=100000")

    @staticmethod
    def _connect(left, left_device, right, right_device):
        run("ip", "link", "add", left_device, "address", MAC[left_device], "netns", left, "type", "veth",
            "peer", "name", right_device, "address", MAC[right_device], "netns", right)

    def remove(self):
        for name in self.client, self.name, self.sink:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    def received(self):
        with entered(self.sink):
            words = pathlib.Path("/proc/net/dev").read_text().split("s0:")[1].split()
        return int(words[1])

    def entries(self):
        with entered(self.name):
            return int(pathlib.Path("/proc/sys/net/netfilter/nf_conntrack_count").read_text())

    def flush(self):
        self.inside("conntrack", "-F")

    def flows(self):
        """What conntrack knows of the flows, as conntrack.Flow."""
        with entered(self.name):
            return list(conntrack.flows(self.version))

    def answer(self, flows):
        """Flows get what an answer would give them."""
        with entered(self.name):
            conntrack.answer(self.version, flows)

    def send(self, packets, services, flows, first_port):
        """Sends packets, each of the next of so many flows to the next service; returns nanoseconds per packet."""
        chosen = list(parts(services, flows))
        packets, flows = packets // len(chosen), flows // len(chosen)
        before = self.received()
        usec = 0
        with entered(self.client):
            for part, (first, count) in enumerate(chosen):
                usec += self._generate(packets, self._settings(packets, first, first + count - 1,
                                                               first_port + part * flows, flows))
        arrived = self.received() - before
        packets *= len(chosen)
        # IPv6 has things to say of its own now and then.
        if not packets <= arrived <= packets + STRAY:
            raise Broken(f"the sink received {arrived} of {packets} packets")
        return usec * 1000 / packets

    def _generate(self, packets, settings):
        """Returns how many microseconds pktgen took. It waits for 125 ms whenever it starts or loses a device."""
        words = [("c0", setting) for setting in settings] + [("pgctrl", "start")]
        if not self.generator:
            words.insert(0, ("kpktgend_0", "add_device c0"))
        for file, word in words:
            try:
                (PKTGEN / file).write_text(word + "\n")
            except OSError as error:
                raise Broken(f"pktgen: {word}: {error}") from None
        self.generator = True
        report = (PKTGEN / "c0").read_text()
        result = re.search(r"Result: OK: (\d+)\(.*\) usec, (\d+) \(", report)
        if not result or int(result[2]) != packets:
            raise Broken(f"pktgen: {report.splitlines()[-2:]}")
        return int(result[1])

    def _settings(self, packets, first, last, first_port, flows):
        address, port = frontend(self.version, first)
        last_address, last_port = frontend(self.version, last)
        settings = [f"count {packets}", f"pkt_size {PACKET}", "delay 0", "clone_skb 0", "flag !SHARED",
                    "flag NO_TIMESTAMP", f"dst_mac {MAC['n0']}",
                    f"udp_dst_min {port}", f"udp_dst_max {last_port + (last_port > port)}",
                    f"udp_src_min {first_port}", f"udp_src_max {first_port + flows}"]
        source = CLIENT_ADDRESS[self.version]
        if self.version == 4:
            return settings + [f"src_min {source}", f"src_max {source}",
                               f"dst_min {address}", f"dst_max {last_address}"]
        if address != last_address:
            raise Broken("pktgen cannot count IPv6 addresses up")
        return settings + [f"src6 {source}", f"dst6 {address}"]

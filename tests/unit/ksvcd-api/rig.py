# SPDX-License-Identifier: GPL-2.0
"""What the tests of the API source are made of: the server, the client, objects."""
import http.client
import json
import os
import queue
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else None
SERVER = os.path.join(HERE, "..", "..", "ksvcd", "apiserver.py")
PATIENCE = float(os.environ.get("PATIENCE", "60"))
KINDS = ("Service", "EndpointSlice", "Node", "ServiceCIDR")
SERVICES, SLICES, NODES, CIDRS = "services", "endpointslices", "nodes", "servicecidrs"
UNREADABLE = "holds a NUL, bytes that are no UTF-8 or a number out of range"

# What is waited for in vain comes soon, what must not expire meanwhile late.
TIMES = {"alive_ms": 100, "backoff_min_ms": 20, "backoff_max_ms": 200}


class Failure(Exception):
    pass


class Skipped(Exception):
    pass


class Server:
    def __init__(self, *args):
        self.process = subprocess.Popen(
            [sys.executable, SERVER, "--parent", "--listen", "127.0.0.1:0", "--control",
             "127.0.0.1:0", *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        addresses = json.loads(self.process.stdout.readline())
        self.address, control = addresses["listen"], addresses["control"]
        self.url = "http://" + self.address
        self.connection = http.client.HTTPConnection(control, timeout=PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def control(self, path, body=None, **fields):
        text = json.dumps(body if body is not None else fields)
        self.connection.request("POST", "/control/" + path, text.encode())
        answer = self.connection.getresponse()
        result = json.loads(answer.read())
        if answer.status != 200:
            raise Failure("%s %s: %s" % (path, text[:200], result))
        return result

    def put(self, *objects):
        return self.control("put", list(objects))

    def delete(self, *objects):
        return self.control("delete", list(objects))

    def streams(self, do, **fields):
        """To the watches there are; some are waited for."""
        poll(lambda: self.control("streams", do=do, **fields)["streams"])

    def requests(self, resource=None, **query):
        """The queries made, those with these parameters (None: without them)."""
        return [r["query"] | {"_": r} for r in self.control("requests")
                if (resource is None or r["path"].endswith("/" + resource)) and
                all(r["query"].get(k) == v for k, v in query.items())]

    def close(self):
        self.connection.close()
        self.process.stdin.close()
        self.process.wait()


class Client:
    """api_print, and the lines that it has printed so far."""

    def __init__(self, *args, command=(), env=None, **numbers):
        self.lines = []
        self.at = 0
        numbers = TIMES | numbers
        self.process = subprocess.Popen(
            [*command, PROGRAM, *args, *("%s=%d" % n for n in numbers.items())], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
        self.queue = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.queue.put(json.loads(line))
        self.queue.put(None)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        """The sanitizers have the last word."""
        try:
            self.process.stdin.close()
            errors = self.process.stderr.read()
            if self.process.wait(PATIENCE) and kind is None:
                raise Failure("api_print: status %d\n%s" % (self.process.returncode, errors))
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stderr.close()

    def wait(self, patience=PATIENCE, **fields):
        """The next line with these fields; each line is found once."""
        end = time.monotonic() + patience
        while True:
            while self.at < len(self.lines):
                line = self.lines[self.at]
                self.at += 1
                if all(line.get(k) == v for k, v in fields.items()):
                    return line
            try:
                line = self.queue.get(timeout=max(0, end - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                raise Failure("no %s in the last of\n%s" % (fields, "\n".join(
                    json.dumps(line) for line in self.lines[-30:])))
            self.lines.append(line)

    def wait_listed(self):
        while not self.wait(call="list_end")["all"]:
            pass

    def wait_error(self, error, kind="Service"):
        return self.wait(call="log", error=error, kind=kind)

    def tell(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def stats(self):
        self.tell("stats")
        return self.wait(call="stats")

    def wait_stats(self, wanted):
        """Until wanted(stats) holds."""
        end = time.monotonic() + PATIENCE
        while not wanted(stats := self.stats()):
            if time.monotonic() > end:
                raise Failure("stats stay %s" % stats)
            time.sleep(0.02)
        return stats

    def count(self, **fields):
        self.stats()
        return sum(all(line.get(k) == v for k, v in fields.items()) for line in self.lines)

    def objects(self, kind="Service"):
        """What a store would hold now."""
        self.stats()
        held, listed = {}, {}
        for line in self.lines:
            if line.get("kind") != kind:
                continue
            if line["call"] == "list_begin":
                listed = {}
            elif line["call"] == "list_end":
                held = listed
            elif line["call"] == "put":
                held[line["name"]] = listed[line["name"]] = line["version"]
            elif line["call"] == "del":
                held.pop(line["name"], None)
        return sorted(held)


def expect(got, wanted):
    if got != wanted:
        raise Failure("got    %r\nwanted %r" % (got, wanted))


def service(name, labels=None, **fields):
    return {"kind": "Service", "metadata": {"name": name, "labels": labels or {}}, **fields}


def endpoint_slice(name, labels=None):
    return {"kind": "EndpointSlice", "metadata": {"name": name, "labels": labels or {}},
            "addressType": "IPv4", "endpoints": []}


def node(name):
    return {"kind": "Node", "metadata": {"name": name}}


def cidr(name):
    return {"kind": "ServiceCIDR", "metadata": {"name": name}, "spec": {"cidrs": []}}


def event(kind, name, version, **fields):
    return json.dumps({"type": kind, "object": {
        "kind": "Service", "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "default", "resourceVersion": str(version)},
        **fields}}) + "\n"


TESTS = []


def test(name):
    def add(fn):
        TESTS.append((name, fn))
        return fn
    return add


HEADLESS = {"service.kubernetes.io/headless": ""}
FOREIGN = {"service.kubernetes.io/service-proxy-name": "other"}
NO_IP = {"clusterIP": "None"}


def everything(s):
    s.put(service("a"), service("b", HEADLESS), service("h", spec=NO_IP), service("f", FOREIGN),
          endpoint_slice("a-1"), endpoint_slice("h-1", HEADLESS),
          endpoint_slice("f-1", FOREIGN), node("n1"), node("n2"), cidr("kubernetes"))


def check_everything(s, c):
    c.wait_listed()
    expect([c.objects(kind) for kind in KINDS], [["a", "b"], ["a-1"], ["n1"], ["kubernetes"]])
    s.put(service("c"), endpoint_slice("a-2"), node("n1"), node("n2"))
    c.wait(call="put", name="c", kind="Service")
    c.wait(call="put", name="n1", kind="Node")
    s.delete(service("a"), endpoint_slice("a-1"))
    c.wait(call="del", kind="Service", name="a")
    s.put(service("b", spec=NO_IP))
    c.wait(call="del", kind="Service", name="b")
    s.put(service("b"))
    c.wait(call="put", name="b")
    expect([c.objects(kind) for kind in KINDS],
           [["b", "c"], ["a-2"], ["n1"], ["kubernetes"]])
    stats = c.wait_stats(lambda st: st["Service"]["connected"])
    expect([stats[kind]["lists"] for kind in KINDS], [1, 1, 1, 1])
    expect([stats[kind]["relists"] for kind in KINDS], [0, 0, 0, 0])
    expect([stats[kind]["errors"] for kind in KINDS], [{}, {}, {}, {}])
    expect(stats["Service"]["events"]["DELETED"], 2)


def watching(s, c):
    """Until all three kinds are watched, also in the server's opinion."""
    c.wait_listed()
    c.wait_stats(lambda st: all(st[k]["connected"] for k in ("Service", "EndpointSlice",
                                                             "ServiceCIDR")))
    poll(lambda: min(s.control("state")["watches"][r] for r in (SERVICES, SLICES, CIDRS)) > 0)


def poll(fn):
    end = time.monotonic() + PATIENCE
    while not fn():
        if time.monotonic() > end:
            raise Failure("timeout")
        time.sleep(0.02)

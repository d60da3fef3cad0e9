# SPDX-License-Identifier: GPL-2.0
"""ksvcd's API source against tests/ksvcd/apiserver.py: KTAP, status 1 on a failure.

    test_api.py API_PRINT [PART OF A TEST'S NAME]...
"""
import base64
import http.client
import json
import os
import queue
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SERVER = os.path.join(HERE, "..", "..", "ksvcd", "apiserver.py")
PATIENCE = float(os.environ.get("PATIENCE", "60"))
KINDS = ("Service", "EndpointSlice", "Node", "ServiceCIDR")
SERVICES, SLICES, NODES, CIDRS = "services", "endpointslices", "nodes", "servicecidrs"

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

    def stats(self):
        self.process.stdin.write("stats\n")
        self.process.stdin.flush()
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


def everything(s):
    s.put(service("a"), service("b"), service("h", HEADLESS), service("f", FOREIGN),
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
    s.put(service("b", HEADLESS))
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


@test("stream: all kinds are listed and watched by one request each")
def stream(s):
    everything(s)
    with Client("--server", s.url, "--node", "n1") as c:
        check_everything(s, c)
    expect(len(s.requests()), 4)
    expect(len(s.requests(sendInitialEvents="true", watch="true", allowWatchBookmarks="true",
                          resourceVersionMatch="NotOlderThan", resourceVersion=None)), 4)
    expect([r["fieldSelector"] for r in s.requests(NODES)], ["metadata.name=n1"])


@test("list: all kinds, by pages, from a server that does not stream")
def pages(s):
    everything(s)
    s.control("set", watchlist=False)
    with Client("--server", s.url, "--node", "n1", page_objects=1) as c:
        check_everything(s, c)
        stats = c.stats()["Service"]
        expect(stats["requests"], [0, 0, 4 - 1, 0, 1, 0])
    lists = s.requests(SERVICES, watch=None)
    expect([(r["limit"], "continue" in r) for r in lists], [("1", False), ("1", True)])
    expect(len(s.requests(SERVICES, watch="true", sendInitialEvents=None)), 1)


@test("list: a server that takes the stream for a watch, and one that has never heard of it")
def refused_streams(s):
    for mode, bookmark in (("ignore", 0.05), ("old", 0), ("ignore", 0)):
        s.control("reset")
        everything(s)
        s.control("set", watchlist=mode, bookmark=bookmark)
        silence = 60000 if bookmark else 300
        with Client("--server", s.url, "--node", "n1", stream_silence_ms=silence) as c:
            c.wait_listed()
            expect([c.objects(kind) for kind in KINDS],
                   [["a", "b"], ["a-1"], ["n1"], ["kubernetes"]])
            s.put(service("c"))
            c.wait(call="put", name="c")
            # Not tried again.
            if bookmark or mode == "old":
                s.control("forget")
                s.streams("gone", resource=SERVICES)
                c.wait(call="list_end", kind="Service")
                expect(s.requests(SERVICES, sendInitialEvents="true"), [])


@test("stream: one that fails is followed by a list, and three in a row by lists only")
def failing_streams(s):
    def relist(error=None):
        poll(lambda: s.control("state")["watches"][SERVICES] == 1)
        s.control("forget")
        if error:
            s.control("fault", fault="cut", resource=SERVICES, on="watch")
        s.streams("gone", resource=SERVICES)
        c.wait_error("gone")
        if error:
            c.wait_error(error)
        c.wait(call="list_end", kind="Service")
        return len(s.requests(SERVICES, sendInitialEvents="true"))

    s.put(service("a"))
    with Client("--server", s.url) as c:
        watching(s, c)
        for n in (2, 3):
            for _ in range(n):
                expect(relist("broken"), 1)
                expect(c.objects(), ["a"])
            expect(relist(), 3 - n)


@test("list: a continue token that expires begins the list anew")
def expired_continue(s):
    s.put(*(service("s%d" % i) for i in range(6)))
    with Client("--server", s.url, page_objects=2, no_stream=1) as c:
        c.wait_listed()
        s.control("fault", fault="status", code=410, resource=SERVICES, on="list")
        s.streams("gone", resource=SERVICES)
        c.wait_error("gone")
        c.wait_error("gone")
        c.wait(call="list_end", kind="Service")
        expect(len(c.objects()), 6)
    with Client("--server", s.url, page_objects=2, no_stream=1) as c:
        c.wait_listed()
        s.control("forget")
        # The second page: the first one uses up a fault that does nothing.
        s.control("fault", fault="none", resource=SERVICES, on="list")
        s.control("fault", fault="status", code=410, resource=SERVICES, on="list")
        s.streams("gone", resource=SERVICES)
        c.wait(call="list_begin", kind="Service")
        c.wait(call="list_begin", kind="Service")
        c.wait(call="list_end", kind="Service")
        expect(len(c.objects()), 6)
        expect([("continue" in r) for r in s.requests(SERVICES, watch=None)],
               [False, True, False, True, True])


@test("list: a page too large is asked for with fewer objects")
def large_page(s):
    s.put(*(service("s%d" % i, x="x" * 1000) for i in range(20)))
    with Client("--server", s.url, no_stream=1, page_objects=16, max_page=6000) as c:
        c.wait_error("too_large")
        c.wait_listed()
        expect(len(c.objects()), 20)
    expect(sorted({r["limit"] for r in s.requests(SERVICES, watch=None)}), ["16", "4"])


@test("list: pages without end, no JSON, no list, no version, no objects")
def bad_lists(s):
    s.put(service("a"))
    bad = ["[]", "{}", "", "\0", '{"items": {}}', '{"items": []}', '{"items": 1}',
           '{"items": [], "metadata": {"resourceVersion": 5}}', '{"metadata": [], "items": []}',
           '{"items": [], "metadata": {"resourceVersion": "%s"}}' % ("1" * 200),
           '{"items": [], "metadata": {"resourceVersion": "1", "continue": "%s"}}' % ("c" * 9000),
           "[" * 5000, '{"metadata": {"resourceVersion": "1"}, "items": [{}', "\udcff"]
    for text in bad:
        s.control("fault", fault="garbage", text=text, resource=SERVICES)
    with Client("--server", s.url, no_stream=1, backoff_max_ms=20, max_pages=20) as c:
        c.wait(call="list_end", kind="Service")
        expect(c.objects(), ["a"])
        stats = c.stats()["Service"]
        expect(stats["errors"]["unreadable"] + stats["errors"]["too_large"], len(bad))
        s.control("fault", fault="continue", resource=SERVICES, on="list", count=0)
        s.streams("gone", resource=SERVICES)
        c.wait(call="list_begin", kind="Service")
        c.wait_error("too_large")
        expect(c.count(call="list_end", kind="Service"), 1)
        s.control("clear")
        c.wait(call="list_end", kind="Service")


@test("objects: bad ones are left out by name, the others of the same list stay")
def bad_objects(s):
    items = [{"metadata": {"name": "good", "namespace": "x"}}, 7, None, {},
             {"kind": "Pod", "metadata": {"name": "pod"}},
             {"metadata": {"name": "latin", "namespace": "x"}, "spec": {"a": ["\udce9"]}},
             {"metadata": {"name": "nul", "labels": {"a": "b\0c"}}},
             {"metadata": {"name": "ke\udcffy"}},
             {"metadata": {"name": "good2", "annotations": {"a": "\u00e9\u2603\U0001f600"}}}]
    text = json.dumps({"metadata": {"resourceVersion": "1000"}, "items": items},
                      ensure_ascii=False)
    s.control("fault", fault="garbage", text=text, resource=SERVICES)
    with Client("--server", s.url, no_stream=1) as c:
        c.wait(call="list_end", kind="Service")
        expect([line.get("name") for line in c.lines
                if line["call"] == "put" and line["kind"] == "Service"],
               ["good", None, "good2"])
        expect([(line["where"], line["why"]) for line in c.lines if line["call"] == "broken"],
               [("Service without a name", "is no object")] * 2 +
               [("Service pod", "is of another kind"),
                ("Service x/latin", "holds a NUL or bytes that are no UTF-8"),
                ("Service nul", "holds a NUL or bytes that are no UTF-8"),
                ("Service ke\x7fy", "holds a NUL or bytes that are no UTF-8")])
        expect(c.stats()["Service"]["broken"], 6)


@test("objects: those of lists come with their kind, as those of watches")
def kinds(s):
    everything(s)
    for numbers in ({"no_stream": 1}, {}):
        with Client("--server", s.url, "--objects", "--node", "n1", **numbers) as c:
            c.wait_listed()
            expect(sorted({(line["kind"], line["object"]["kind"], line["object"]["apiVersion"])
                           for line in c.lines if line["call"] == "put"}),
                   [("EndpointSlice", "EndpointSlice", "discovery.k8s.io/v1"),
                    ("Node", "Node", "v1"), ("Service", "Service", "v1"),
                    ("ServiceCIDR", "ServiceCIDR", "networking.k8s.io/v1")])


@test("watch: damaged events of every sort")
def damaged(s):
    chance = random.Random(7)
    good = event("MODIFIED", "n", 5000, spec={"ports": [{"port": 80}], "x": "\u00e9\u2603"})
    with Client("--server", s.url, backoff_max_ms=20, alive_ms=1) as c:
        watching(s, c)
        for _ in range(60):
            text = bytearray(good.encode() * 12)
            for _ in range(chance.randrange(1, 12)):
                at = chance.randrange(len(text))
                if chance.random() < 0.3:
                    del text[at:at + chance.randrange(40)]
                else:
                    text[at:at + 1] = chance.choice(
                        (b"", b"\0", b"\xff", b'"', b"{", b"[", b"\n", b"\\u0000", b"9" * 30,
                         b"\\ud800", bytes([chance.randrange(256)])))
            s.streams("raw", base64=base64.b64encode(bytes(text)).decode(), resource=SERVICES)
        # Its version may have been damaged, too.
        s.streams("cut-chunk", resource=SERVICES)
        s.put(service("last"))
        c.wait(call="put", name="last")
        expect(c.stats()["EndpointSlice"]["errors"], {})


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


@test("watch: bad lines and objects are told of, and the watch goes on")
def bad_lines(s):
    with Client("--server", s.url) as c:
        watching(s, c)
        for text, where, why in (
                ("{}\n", "a watch of Service", "is no event of a watch"),
                ('{"type": 5}\n', "a watch of Service", "is no event of a watch"),
                ('{"type":"ADDED","object":{"metadata":{"name":"x","namespace":"y"},\n',
                 "Service y/x", None),
                ("[[[[\n", "a watch of Service", None),
                ("\udcff\n", "a watch of Service", None),
                ('{"type": "ADDED"}\n', "Service without a name", "is no object"),
                ('{"type": "ADDED", "object": []}\n', "Service without a name", "is no object"),
                (event("ADDED", "\udce9", 1001).replace("\\udce9", "\udce9"),
                 "Service default/\x7f", "holds a NUL or bytes that are no UTF-8"),
                (event("ADDED", "u", 1002).replace("Service", "Pod"), "Service default/u",
                 "is of another kind")):
            s.streams("raw", text=text, resource=SERVICES)
            line = c.wait(call="broken", where=where)
            if why:
                expect(line["why"], why)
        for text in ("\n", "\r\n", event("ADDED", "a", 1003).replace("\n", "\r\n")):
            s.streams("raw", text=text, resource=SERVICES)
        c.wait(call="put", name="a")
        s.streams("raw", resource=SERVICES, text="".join(
            event("MODIFIED", "m%d" % i, 1004 + i) for i in range(3000)))
        s.streams("half", text=event("ADDED", "z", 9000), resource=SERVICES)
        c.wait(call="put", name="m2999")
        c.wait(call="put", name="z")
        stats = c.stats()["Service"]
        expect((stats["broken"], stats["connected"], stats["lists"], stats["errors"]),
               (9, True, 1, {}))
        s.streams("raw", text="x\n" * 40, resource=SERVICES)
        c.wait_error("unreadable")
        c.wait(call="list_end", kind="Service")
        expect(c.stats()["EndpointSlice"]["lists"], 1)


@test("watch: a line too long is passed over by name, one without end breaks it off")
def long_lines(s):
    with Client("--server", s.url, max_line=100000) as c:
        watching(s, c)
        s.put(service("big", x="x" * 450000), service("after"), service("big2", x="x" * 99990),
              service("after2", x="x" * 90000))
        expect(c.wait(call="broken"), {"call": "broken", "where": "Service default/big",
                                       "why": "is too large"})
        c.wait(call="put", name="after")
        expect(c.wait(call="broken")["where"], "Service default/big2")
        c.wait(call="put", name="after2")
        expect((c.stats()["Service"]["lists"], c.count(call="broken")), (1, 2))
        s.streams("endless", resource=SERVICES)
        expect(c.wait(call="broken")["where"], "Service endless")
        c.wait_error("too_large")
        c.wait(call="list_end", kind="Service")
        s.control("fault", fault="endless", resource=SERVICES, on="watch", count=2)
        s.streams("gone", resource=SERVICES)
        expect(c.wait_error("gone")["error"], "gone")
        c.wait_error("too_large")
        c.wait(call="list_end", kind="Service")
        # The plain list may be larger.
        expect(c.objects(), ["after", "after2", "big", "big2"])


@test("watch: ended in order, it is resumed where it was, without a list")
def resume(s):
    s.put(service("a"), service("b"))
    with Client("--server", s.url) as c:
        watching(s, c)
        for i in range(5):
            s.put(service("c%d" % i))
            c.wait(call="put", name="c%d" % i)
            version = s.control("state")["version"]
            s.control("forget")
            time.sleep(0.12)
            s.streams("end", resource=SERVICES)
            s.put(service("d%d" % i))
            c.wait(call="put", name="d%d" % i)
            expect([(r.get("resourceVersion"), r["watch"]) for r in s.requests(SERVICES)],
                   [(str(version), "true")])
        # A bookmark moves it on, too.
        s.put(node("x"))
        s.streams("bookmark", resource=SERVICES)
        c.wait_stats(lambda st: st["Service"]["events"]["BOOKMARK"] > 1)
        s.streams("end", resource=SERVICES)
        c.wait_stats(lambda st: st["Service"]["connected"])
        poll(lambda: s.requests(SERVICES, resourceVersion=str(s.control("state")["version"])))
        stats = c.stats()["Service"]
        expect((stats["lists"], stats["errors"]), (1, {}))
        expect(len(c.objects()), 12)


@test("watch: the server is asked to end it, in the spread of times")
def timeouts(s):
    with Client("--server", s.url, watch_ms=1000) as c:
        watching(s, c)
        poll(lambda: len(s.requests(SERVICES, resourceVersion="1000")) > 0)
        expect(c.stats()["Service"]["errors"], {})
    expect({int(r["timeoutSeconds"]) for r in s.requests(watch="true")} <= {1, 2}, True)
    s.control("forget")
    with Client("--server", s.url) as c:
        watching(s, c)
    expect(all(300 <= int(r["timeoutSeconds"]) < 600 for r in s.requests(watch="true")), True)


@test("watch: one that the server does not end is ended, and listed anew")
def overdue(s):
    s.control("set", timeouts=False)
    with Client("--server", s.url, watch_ms=1000, watch_grace_ms=0) as c:
        watching(s, c)
        c.wait_error("timeout")
        c.wait(call="list_end", kind="Service")


@test("watch: broken off or with an error in it, a list follows")
def broken_off(s):
    for numbers in ({}, {"no_stream": 1}):
        s.control("reset")
        s.put(service("a"))
        with Client("--server", s.url, **numbers) as c:
            watching(s, c)
            for do, error, fields in (("cut-chunk", "broken", {}), ("reset", "broken", {}),
                                      ("gone", "gone", {}), ("error", "status", {"code": 500})):
                s.put(service("x"))
                c.wait(call="put", name="x")
                time.sleep(0.15)
                s.streams(do, resource=SERVICES, **fields)
                s.delete(service("x"))
                c.wait_error(error)
                c.wait(call="list_end", kind="Service")
                expect(c.objects(), ["a"])
                poll(lambda: s.control("state")["watches"][SERVICES] == 1)
            stats = c.stats()
            expect(stats["Service"]["relists"], 4)
            expect(stats["EndpointSlice"]["relists"], 0)


@test("watch: cut in the middle of a line, the event comes again")
def cut_line(s):
    with Client("--server", s.url) as c:
        watching(s, c)
        s.streams("cut-line", resource=SERVICES)
        s.put(service("a"))
        c.wait(call="put", name="a")
        expect(c.objects(), ["a"])


@test("watch: a version too old is gone, by status or by event, and a list follows")
def gone(s):
    for way in ("status", "event"):
        s.control("reset")
        s.control("set", gone=way)
        s.put(service("a"), service("b"))
        with Client("--server", s.url) as c:
            watching(s, c)
            # Behind the watch's back: the watch ends before these come.
            s.control("fault", fault="status", code=429, retryAfter="1", resource=SERVICES)
            s.streams("end", resource=SERVICES)
            c.wait_error("throttled")
            s.put(service("c"))
            s.delete(service("a"))
            s.control("compact")
            c.wait_error("gone")
            c.wait(call="list_end", kind="Service")
            expect(c.objects(), ["b", "c"])


@test("wiped store: silence after bookmarks ends in a list")
def wiped_silence(s):
    s.control("set", bookmark=0.1)
    s.put(service("a"), service("b"))
    with Client("--server", s.url, silence_ms=800) as c:
        watching(s, c)
        c.wait_stats(lambda st: st["Service"]["events"]["BOOKMARK"] > 2)
        s.control("wipe", version=5)
        s.put(service("c"))
        c.wait_error("silence")
        c.wait(call="list_end", kind="Service")
        expect(c.objects(), ["c"])
        s.put(service("d"))
        c.wait(call="put", name="d")


@test("wiped store: a watch without bookmarks is renewed by a list at its age")
def wiped_renewal(s):
    s.control("set", bookmark=0)
    s.put(service("a"))
    with Client("--server", s.url, renew_ms=1500) as c:
        watching(s, c)
        s.control("wipe")
        s.put(service("b"))
        c.wait(call="list_begin", kind="Service")
        c.wait(call="list_end", kind="Service")
        expect(c.objects(), ["b"])
        expect(c.stats()["Service"]["errors"], {})


@test("wiped store: a version that goes back ends in a list")
def wiped_version(s):
    s.put(service("a"))
    with Client("--server", s.url) as c:
        watching(s, c)
        s.streams("bookmark", version="999", resource=SERVICES)
        c.wait_error("gone")
        c.wait(call="list_end", kind="Service")
        s.streams("raw", text=event("ADDED", "b", 17), resource=SERVICES)
        c.wait_error("gone")
        c.wait(call="list_end", kind="Service")
        expect(c.objects(), ["a"])
        # Versions of another sort are not compared.
        s.streams("raw", text=event("ADDED", "c", "x") + event("ADDED", "d", "3"),
                  resource=SERVICES)
        c.wait(call="put", name="d")


@test("wiped store: a server that was away is listed, not resumed")
def down(s):
    s.put(service("a"))
    with Client("--server", s.url) as c:
        watching(s, c)
        s.control("down")
        for kind in ("Service", "EndpointSlice", "ServiceCIDR"):
            c.at = 0
            c.wait_error("connect", kind)
        # Once, however often it is tried.
        c.wait_stats(lambda st: st["Service"]["errors"]["connect"] > 4)
        expect(c.count(call="log", error="connect", kind="Service", level=4), 1)
        expect(c.stats()["Service"]["connected"], False)
        s.control("wipe")
        s.put(service("b"))
        s.control("forget")
        s.control("up")
        c.wait(call="list_end", kind="Service")
        expect(c.objects(), ["b"])
        expect(s.requests(SERVICES, sendInitialEvents=None), [])
        c.wait(call="log", message="API watch works again", kind="Service")


@test("half-open: a connection on which nothing comes any more")
def half_open(s):
    s.control("set", bookmark=0.1)
    with Client("--server", s.url, silence_ms=600) as c:
        watching(s, c)
        c.wait_stats(lambda st: st["Service"]["events"]["BOOKMARK"] > 2)
        s.streams("silence", resource=SERVICES)
        s.put(service("a"))
        c.wait_error("silence")
        c.wait(call="put", name="a")
        c.wait_stats(lambda st: st["Service"]["connected"])
        expect(c.stats()["EndpointSlice"]["lists"], 1)


@test("slow servers: no answer, a byte at a time, headers without end")
def slow(s):
    s.put(service("a"))
    short = {"response_ms": 300, "list_ms": 600, "stream_ms": 600, "line_ms": 300,
             "stream_silence_ms": 500}
    for fault, error, fields in (("hang", "timeout", {}), ("loris", "timeout", {}),
                                 ("loris", "timeout", {"headers": False}),
                                 ("headers", "too_large", {}), ("silent", "timeout", {}),
                                 ("reset", "broken", {}), ("cut", "broken", {})):
        for numbers in ({}, {"no_stream": 1}):
            s.control("clear")
            s.control("fault", fault=fault, resource=SERVICES, interval=0.05, **fields)
            with Client("--server", s.url, **short, **numbers) as c:
                c.wait_error(error)
                c.wait(call="list_end", kind="Service")
                expect(c.objects(), ["a"])
                expect(c.stats()["EndpointSlice"]["errors"], {})
    with Client("--server", s.url, line_ms=300) as c:
        watching(s, c)
        s.streams("loris", interval=0.05, resource=SERVICES)
        c.wait_error("timeout")
        c.wait(call="list_end", kind="Service")


@test("statuses: each counted and named, tried again")
def statuses(s):
    s.put(service("a"))
    codes = [(500, "status"), (403, "forbidden"), (404, "status"), (302, "status"),
             (204, "status"), (401, "unauthorized"), (410, "gone"), (400, "status")]
    for code, _ in codes:
        s.control("fault", fault="status", code=code, message="m\u00e9%d" % code,
                  resource=SERVICES)
    with Client("--server", s.url, no_stream=1) as c:
        for code, error in codes:
            line = c.wait_error(error)
            expect(line["status"], code)
            # Without a body, by the rules of HTTP.
            if code != 204:
                expect(line["reason"], "status %d: m\u00e9%d" % (code, code))
        c.wait(call="list_end", kind="Service")
        expect(c.stats()["Service"]["requests"][3:], [1, 5, 1])
    # An error without end is an error.
    s.control("fault", fault="status", code=500, message="m" * 1000000, resource=SERVICES)
    with Client("--server", s.url) as c:
        expect(c.wait_error("status")["status"], 500)
        c.wait(call="list_end", kind="Service")


@test("throttled: Retry-After in seconds and as a date, up to a limit; the watch goes on")
def throttled(s):
    s.put(service("a"))
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 2000))
    with Client("--server", s.url, retry_after_max_ms=700) as c:
        watching(s, c)
        for code, after in ((429, "1"), (503, date), (429, "18446744073709552"), (429, "-1"),
                            (429, "99999999999999999999"), (429, "soon")):
            c.wait_stats(lambda st: st["Service"]["connected"])
            poll(lambda: s.control("state")["watches"][SERVICES] == 1)
            s.control("fault", fault="status", code=code, retryAfter=after, resource=SERVICES)
            time.sleep(0.15)
            s.streams("end", resource=SERVICES)
            line = c.wait_error("throttled")
            least, most = (0, 200) if after in ("-1", "soon", "9" * 20) else (700, 900)
            ms = line["retry_ms"]
            expect((after, ms, least <= ms <= most), (after, ms, True))
        s.put(service("b"))
        c.wait(call="put", name="b")
        expect(c.stats()["Service"]["lists"], 1)


@test("backoff: grows to its limit with jitter, and begins anew after a success")
def backoff(s):
    s.control("fault", fault="status", code=500, resource=SERVICES, count=9)
    with Client("--server", s.url, backoff_min_ms=10, backoff_max_ms=100) as c:
        times = [c.wait_error("status")["retry_ms"] for _ in range(9)]
        for got, most in zip(times, (10, 20, 40, 80, 100, 100, 100, 100, 100)):
            expect((got, most / 2 <= got <= most), (got, True))
        expect(len(set(times[4:])) > 1, True)
        watching(s, c)
        time.sleep(0.15)
        c.wait(call="log", message="API watch works again", kind="Service")
        s.streams("gone", resource=SERVICES)
        expect(c.wait_error("gone")["retry_ms"] <= 10, True)


@test("backoff: watches that end at once do not make it busy")
def short_watches(s):
    s.control("fault", fault="garbage", text="", resource=SERVICES, on="watch", count=0)
    with Client("--server", s.url, no_stream=1, backoff_min_ms=50, backoff_max_ms=100,
                alive_ms=10000) as c:
        c.wait(call="list_end", kind="Service")
        time.sleep(1)
        expect(c.stats()["Service"]["requests"][2] < 25, True)


@test("ServiceCIDR: not served is an empty list, tried again after long")
def not_served(s):
    s.put(service("a"), cidr("x"))
    s.control("set", not_served=[CIDRS])
    with Client("--server", s.url, not_served_ms=1000) as c:
        c.wait_listed()
        expect((c.objects("ServiceCIDR"), c.stats()["ServiceCIDR"]["errors"]), ([], {}))
        poll(lambda: len(s.requests(CIDRS)) > 1)
        s.control("set", not_served=[])
        c.wait(call="put", kind="ServiceCIDR", name="x")
        s.control("set", not_served=[CIDRS])
        s.streams("gone", resource=CIDRS)
        c.wait(call="list_end", kind="ServiceCIDR")
        c.at = 0
        expect(c.count(call="log", message="API does not serve a kind"), 1)
        poll(lambda: c.objects("ServiceCIDR") == [])


@test("relist: on demand, of all kinds at once")
def relist(s):
    everything(s)
    with Client("--server", s.url, "--node", "n1") as c:
        c.wait_listed()
        for _ in range(3):
            c.process.stdin.write("relist\n")
            c.process.stdin.flush()
            for _ in KINDS:
                c.wait(call="list_end")
        stats = c.stats()
        expect([stats[kind]["relists"] for kind in KINDS], [3, 3, 3, 3])
        expect([stats[kind]["errors"] for kind in KINDS], [{}, {}, {}, {}])


@test("nothing there: no name, no listener, no server at all")
def nothing(s):
    # No DNS server has to be asked to know that a label is too long.
    with Client("--server", "http://" + "x" * 70 + ".invalid:1") as c:
        c.wait_error("name")
        expect(c.stats()["Service"]["listed"], False)
    with Client("--server", "http://127.0.0.1:1") as c:
        c.wait_error("connect")
    with Client("--server", "https://" + s.address) as c:
        c.wait_error("tls")
    for args in (["--server", "x"], ["--kubeconfig", "/nowhere"], ["--in-cluster", "/nowhere"]):
        c = Client(*args, env=os.environ | {"KUBERNETES_SERVICE_HOST": "h",
                                            "KUBERNETES_SERVICE_PORT": "1"})
        c.wait(call="failed")
        expect(c.process.wait(PATIENCE), 1)
        c.process.stdin.close()
        c.process.stderr.close()


@test("nothing there: a DNS server that does not answer holds up nothing")
def silent_dns(_):
    with tempfile.TemporaryDirectory() as d, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dns:
        path = os.path.join(d, "resolv.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write("nameserver 127.0.0.54\n")
        command = ["unshare", "-m", "sh", "-c",
                   "mount --bind %s /etc/resolv.conf && exec \"$@\"" % path, "sh"]
        try:
            dns.bind(("127.0.0.54", 53))
            subprocess.run([*command, "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as e:
            raise Skipped("needs root: %s" % e) from e
        begun = time.monotonic()
        with Client("--server", "http://api.example:1", command=command, connect_ms=100) as c:
            c.wait_error("timeout")
            c.wait_error("timeout", "EndpointSlice")
        # glibc itself would take 10 s, for each.
        expect(time.monotonic() - begun < 5, True)


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


NAMES = "IP:127.0.0.1,DNS:api.test"


def certificate(directory, name, ca=None):
    key, cert = (os.path.join(directory, name + end) for end in (".key", ".crt"))
    args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", key, "-out", cert, "-subj", "/CN=" + name, "-days", "2"]
    if ca:
        args += ["-CA", os.path.join(directory, ca + ".crt"), "-CAkey",
                 os.path.join(directory, ca + ".key"), "-addext", "subjectAltName=" + NAMES,
                 "-addext", "basicConstraints=critical,CA:FALSE"]
    openssl(*args)
    return cert, key


def expire(directory, name, ca):
    key, cert, request, names = (os.path.join(directory, name + end)
                                 for end in (".key", ".crt", ".csr", ".names"))
    with open(names, "w", encoding="utf-8") as f:
        f.write("subjectAltName=" + NAMES)
    openssl("req", "-new", "-key", key, "-subj", "/CN=" + name, "-out", request)
    openssl("x509", "-req", "-in", request, "-out", cert, "-days", "-1", "-extfile", names,
            "-CAcreateserial", "-CA", os.path.join(directory, ca + ".crt"),
            "-CAkey", os.path.join(directory, ca + ".key"))


def kubeconfig(directory, cluster, user):
    path = os.path.join(directory, "config")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"current-context": "x", "contexts": [
            {"name": "x", "context": {"cluster": "x", "user": "x"}}],
            "clusters": [{"name": "x", "cluster": cluster}],
            "users": [{"name": "x", "user": user}]}, f)
    return path


def base64_of(path):
    return subprocess.run(["base64", "-w0", path], check=True, capture_output=True,
                          text=True).stdout


def check_access(s, directory, cluster, user, error=None):
    s.control("forget")
    with Client("--kubeconfig", kubeconfig(directory, cluster, user)) as c:
        if error:
            c.wait_error(error)
            expect(c.stats()["Service"]["listed"], False)
        else:
            c.wait_listed()
    return s.control("requests")


@test("TLS: authorities, names, client certificates, tokens, passwords")
def tls(_):
    with tempfile.TemporaryDirectory() as d:
        certificate(d, "ca")
        certificate(d, "other")
        cert, key = certificate(d, "server", "ca")
        certificate(d, "me", "ca")
        ca = os.path.join(d, "ca.crt")
        with Server("--tls", cert, key, ca, "--token", "right", "--basic", "u:p w") as s:
            url = "https://" + s.address
            port = s.address.rpartition(":")[2]
            trust = {"server": url, "certificate-authority": "ca.crt"}
            me = {"client-certificate": "me.crt", "client-key": "me.key"}
            expect({r["peer"] for r in check_access(s, d, trust, me)}, {"me"})
            data = {"client-certificate-data": base64_of(os.path.join(d, "me.crt")),
                    "client-key-data": base64_of(os.path.join(d, "me.key"))}
            trust_data = {"server": url, "certificate-authority-data": base64_of(ca)}
            check_access(s, d, trust_data, data)
            check_access(s, d, trust, {"token": "right"})
            check_access(s, d, trust, {"username": "u", "password": "p w"})
            check_access(s, d, trust, {"token": "wrong"}, "unauthorized")
            check_access(s, d, trust, {}, "unauthorized")
            check_access(s, d, trust | {"server": "https://localhost:" + port},
                         {"token": "right"}, "tls")
            named = trust | {"tls-server-name": "api.test"}
            requests = check_access(s, d, named, {"token": "right"})
            expect({r["host"] for r in requests}, {s.address})
            check_access(s, d, trust | {"tls-server-name": "x.test"}, {"token": "right"}, "tls")
            check_access(s, d, {"server": url}, {"token": "right"}, "tls")
            check_access(s, d, trust | {"certificate-authority": "other.crt"},
                         {"token": "right"}, "tls")
            check_access(s, d, {"server": url, "insecure-skip-tls-verify": True},
                         {"token": "right"})
            # None of this was told to a server that could not prove itself.
            expect(check_access(s, d, {"server": url}, {"token": "right"}, "tls"), [])


@test("TLS: an expired certificate of the server")
def expired(_):
    with tempfile.TemporaryDirectory() as d:
        certificate(d, "ca")
        cert, key = certificate(d, "server", "ca")
        expire(d, "server", "ca")
        with Server("--tls", cert, key, os.path.join(d, "ca.crt"), "--token", "t") as s:
            with Client("--kubeconfig", kubeconfig(
                    d, {"server": "https://" + s.address, "certificate-authority": "ca.crt"},
                    {"token": "t"})) as c:
                expect("expired" in c.wait_error("tls")["reason"], True)


@test("token: a service account's is read again when it rotates, and after a 401")
def token(_):
    with tempfile.TemporaryDirectory() as d:
        certificate(d, "ca")
        cert, key = certificate(d, "server", "ca")
        token_file = os.path.join(d, "token")

        def write(text):
            with open(token_file + ".new", "w", encoding="utf-8") as f:
                f.write(text)
            os.rename(token_file + ".new", token_file)

        write("one\n")
        with Server("--tls", cert, key, os.path.join(d, "ca.crt"), "--token", "one") as s:
            host, port = s.address.rsplit(":", 1)
            env = os.environ | {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
            s.put(service("a"))
            with Client("--in-cluster", d, env=env) as c:
                watching(s, c)
                write("two\n")
                s.control("tokens", tokens=["two"])
                s.streams("end")
                s.put(service("b"))
                c.wait(call="put", name="b")
                expect(c.stats()["Service"]["errors"], {})
                # Expired before its successor is there: tried until it is.
                s.control("tokens", tokens=["three"])
                s.streams("end")
                c.wait_error("unauthorized")
                os.unlink(token_file)
                c.wait(call="log", message="Token cannot be read, the old one stays")
                write("three")
                s.put(service("c"))
                c.wait(call="put", name="c")
                # A change that cannot be seen from outside.
                s.control("tokens", tokens=["THREE"])
                times = os.stat(token_file)
                with open(token_file, "r+", encoding="utf-8") as f:
                    f.write("THREE")
                os.utime(token_file, ns=(times.st_atime_ns, times.st_mtime_ns))
                s.streams("end")
                s.put(service("d"))
                c.wait(call="put", name="d")
                stats = c.stats()["Service"]
                expect(stats["lists"], 1)
                expect(c.count(call="log",
                               message="Token cannot be read, the old one stays"), 1)


@test("proxy: the server's connections go through it")
def proxy(s):
    s.put(service("a"))
    with tempfile.TemporaryDirectory() as d:
        # For http, the proxy is asked with the whole URL: this one is a server itself.
        path = kubeconfig(d, {"server": "http://api.invalid:80", "proxy-url": s.url}, {})
        with Client("--kubeconfig", path) as c:
            c.wait(call="list_end", kind="Service")
            expect(c.objects(), ["a"])
    expect({r["host"] for r in s.control("requests")}, {"api.invalid"})


class Tunnel(threading.Thread):
    """A proxy that knows CONNECT and nothing else."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.asked = []
        self.start()

    def run(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.one, args=(client,), daemon=True).start()

    def one(self, client):
        text = b""
        while b"\r\n\r\n" not in text:
            text += client.recv(4096)
        method, where, _ = text.decode().split(" ", 2)
        self.asked.append((method, where))
        host, _, port = where.rpartition(":")
        server = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 Connection established\r\nX-Filler: a\r\n\r\n")
        threading.Thread(target=self.copy, args=(client, server), daemon=True).start()
        self.copy(server, client)

    @staticmethod
    def copy(source, to):
        try:
            while data := source.recv(65536):
                to.sendall(data)
            to.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


@test("proxy: a tunnel for TLS, with the server's name checked at its end")
def tunnel(_):
    with tempfile.TemporaryDirectory() as d:
        certificate(d, "ca")
        cert, key = certificate(d, "server", "ca")
        with Server("--tls", cert, key, os.path.join(d, "ca.crt"), "--token", "t") as s:
            through = Tunnel()
            cluster = {"server": "https://" + s.address, "certificate-authority": "ca.crt",
                       "proxy-url": through.url}
            check_access(s, d, cluster, {"token": "t"})
            check_access(s, d, cluster | {"tls-server-name": "api.test"}, {"token": "t"})
            check_access(s, d, cluster | {"tls-server-name": "x.test"}, {"token": "t"}, "tls")
            check_access(s, d, cluster, {"token": "wrong"}, "unauthorized")
            expect(set(through.asked), {("CONNECT", s.address)})


@test("large: thousands of objects, and of events a second")
def large(s):
    s.control("generate", services=4000, endpoints=3)
    with Client("--server", s.url, "--quiet") as c:
        c.wait_listed()
        expect(c.stats()["calls"], 8000)
        s.control("churn", rate=2000, seconds=1, slices=100)
        c.wait_stats(lambda st: st["calls"] == 10000)
        stats = c.stats()["EndpointSlice"]
        expect((stats["lists"], stats["errors"]), (1, {}))
    with Client("--server", s.url, "--quiet", no_stream=1) as c:
        c.wait_listed()
        expect(c.stats()["calls"], 8100)


def main():
    tests = [t for t in TESTS
             if len(sys.argv) < 3 or any(part in t[0] for part in sys.argv[2:])]
    failures = 0
    print("KTAP version 1\n1..%d" % len(tests), flush=True)
    with Server("--version", "1000") as server:
        for i, (name, fn) in enumerate(tests, 1):
            begun = time.monotonic()
            try:
                server.control("reset")
                fn(server)
                result = "ok"
            except Skipped as e:
                result = "ok"
                name += " # SKIP " + str(e)
            except (Failure, subprocess.CalledProcessError, OSError, ValueError) as e:
                print("# " + str(e).replace("\n", "\n# "))
                result = "not ok"
                failures += 1
            print("%s %d %s" % (result, i, name), flush=True)
            if os.environ.get("TIMES"):
                print("# %.2f s" % (time.monotonic() - begun), flush=True)
    sys.exit(1 if failures else 0)


PROGRAM = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else None

if __name__ == "__main__":
    main()

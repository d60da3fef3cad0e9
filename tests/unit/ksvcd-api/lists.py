# SPDX-License-Identifier: GPL-2.0
"""Lists and the streams that stand for them."""
import base64
import json
import random

from rig import (Client, KINDS, NODES, SERVICES, UNREADABLE, check_everything, event, everything,
                 expect, poll, service, test, watching)


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


@test("list: a server that does not select by cluster IP is not asked to")
def without_fields(s):
    for watchlist in (True, False, "old"):
        s.control("reset")
        everything(s)
        s.control("set", by_cluster_ip=False, watchlist=watchlist)
        with Client("--server", s.url, "--node", "n1") as c:
            c.wait_listed()
            expect(c.objects("Service"), ["a", "b", "h"])
            expect(c.stats()["Service"]["errors"], {})
            s.put(service("c"))
            c.wait(call="put", name="c")


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
             {"metadata": {"name": "port", "namespace": "x"}, "spec": {"ports": [{"port": 10**30}]}},
             {"metadata": {"name": "real"}, "spec": ["NUMBER"]},
             {"metadata": {"name": "good2", "annotations": {"a": "\\\"\u00e9\u2603\U0001f600: 1e999"}}}]
    text = json.dumps({"metadata": {"resourceVersion": "1000"}, "items": items},
                      ensure_ascii=False).replace('"NUMBER"', "-1.5e999")
    s.control("fault", fault="garbage", text=text, resource=SERVICES)
    with Client("--server", s.url, no_stream=1) as c:
        c.wait(call="list_end", kind="Service")
        expect([line.get("name") for line in c.lines
                if line["call"] == "put" and line["kind"] == "Service"],
               ["good", None, "good2"])
        expect([(line["where"], line["why"]) for line in c.lines if line["call"] == "broken"],
               [("Service without a name", "is no object")] * 2 +
               [("Service pod", "is of another kind"), ("Service x/latin", UNREADABLE),
                ("Service nul", UNREADABLE), ("Service ke\x7fy", UNREADABLE),
                ("Service x/port", UNREADABLE), ("Service real", UNREADABLE)])
        expect(c.stats()["Service"]["broken"], 8)


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

# SPDX-License-Identifier: GPL-2.0
"""Watches, what ends them, and how they are taken up again."""
import re
import time

from rig import (CIDRS, Client, KINDS, SERVICES, UNREADABLE, cidr, event, everything, expect, node,
                 poll, service, test, watching)


@test("what cannot be read but for its name is kept")
def kept(s):
    s.put(service("a"))
    with Client("--server", s.url, max_line=20000) as c:
        watching(s, c)
        s.streams("raw", resource=SERVICES, text=event("MODIFIED", "b", 1002, spec="\udce9").replace(
            "\\udce9", "\udce9"))
        c.wait(call="keep", kind="Service", namespace="default", name="b")
        s.streams("raw", resource=SERVICES, text=event("MODIFIED", "\udce9", 1002).replace(
            "\\udce9", "\udce9"))
        c.wait(call="broken", where="Service default/\x7f")
        s.streams("raw", resource=SERVICES, text=event(
            "MODIFIED", "large", 1003, spec="x" * 30000).replace(": ", ":"))
        c.wait(call="keep", kind="Service", namespace="default", name="large")
        s.streams("raw", resource=SERVICES, text=event("MODIFIED", "", 1004, spec="\udce9").replace(
            "\\udce9", "\udce9"))
        c.wait(call="broken", where="Service default/")
        s.streams("raw", resource=SERVICES,
                  text='{"object":{"metadata":{"name":"\0x","namespace":"default"}},\n')
        c.wait(call="broken", where="a watch of Service")
        expect(c.count(call="keep"), 2)


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
                 "Service default/\x7f", UNREADABLE),
                (event("ADDED", "n", 1002).replace("}}", ', "generation": -1%s}}' % ("0" * 30)),
                 "Service default/n", UNREADABLE),
                (event("ADDED", "u", 1002).replace("Service", "Pod"), "Service default/u",
                 "is of another kind")):
            s.streams("raw", text=text, resource=SERVICES)
            line = c.wait(call="broken", where=where)
            if why:
                expect(line["why"], why)
        # Of one that goes, only the name is needed.
        spoiled = event("DELETED", "gone", 1002).replace("}}", ', "labels": {"x": "\\u0000"}}}')
        s.streams("raw", text=spoiled, resource=SERVICES)
        c.wait(call="del", name="gone")
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
               (10, True, 1, {}))
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
    with Client("--server", s.url, silence_ms=2500) as c:
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
    with Client("--server", s.url, silence_ms=2500) as c:
        watching(s, c)
        c.wait_stats(lambda st: st["Service"]["events"]["BOOKMARK"] > 2)
        s.streams("silence", resource=SERVICES)
        s.put(service("a"))
        c.wait_error("silence")
        c.wait(call="put", name="a")
        c.wait_stats(lambda st: st["Service"]["connected"])
        expect(c.stats()["EndpointSlice"]["lists"], 1)


@test("half-open: the kernel asks whether the server is there, within 20 s")
def keepalive(s):
    port = ":%04X" % int(s.address.rpartition(":")[2])

    def timers():
        """Of connections to the server: 2 is for keepalive, in hundredths of a second."""
        with open("/proc/net/tcp", encoding="ascii") as f:
            rows = [line.split() for line in f]
        return [row[5].split(":") for row in rows if row[2].endswith(port) and row[3] == "01"]

    with Client("--server", s.url) as c:
        watching(s, c)
        poll(lambda: len(timers()) >= 3 and
             all(int(kind) == 2 and int(when, 16) <= 2000 for kind, when in timers()))


@test("slow servers: no answer, a byte at a time, headers without end")
def slow(s):
    s.put(service("a"))
    short = {"response_ms": 1000, "list_ms": 2000, "stream_ms": 2000, "line_ms": 1000,
             "stream_silence_ms": 1500}
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


@test("ServiceCIDR: forbidden from the beginning is not served, later it is a failure")
def forbidden(s):
    s.put(service("a"), cidr("x"))
    s.control("fault", fault="status", code=403, resource=CIDRS)
    with Client("--server", s.url, not_served_ms=12000) as c:
        c.wait_listed()
        expect((c.objects("ServiceCIDR"), c.stats()["ServiceCIDR"]["errors"]), ([], {}))
        c.wait(call="put", kind="ServiceCIDR", name="x")
        s.control("fault", fault="status", code=403, resource=CIDRS)
        s.streams("gone", resource=CIDRS)
        c.wait(call="log", error="forbidden", kind="ServiceCIDR")
        c.wait(call="log", message="API watch works again")
        expect(c.objects("ServiceCIDR"), ["x"])


@test("relist: on demand, of all kinds at once")
def relist(s):
    everything(s)
    with Client("--server", s.url, "--node", "n1") as c:
        c.wait_listed()
        for _ in range(3):
            c.tell("relist")
            c.process.stdin.flush()
            for _ in KINDS:
                c.wait(call="list_end")
        stats = c.stats()
        expect([stats[kind]["relists"] for kind in KINDS], [3, 3, 3, 3])
        expect([stats[kind]["errors"] for kind in KINDS], [{}, {}, {}, {}])


@test("events: written one after the other; what cannot be is told of once, and lost")
def events(s):
    s.put(service("a"))
    with Client("--server", s.url, "--node", "n1") as c:
        c.wait_listed()
        s.control("fault", fault="status", code=403, resource="events", count=2)
        for _ in range(2):
            c.tell("note")
            c.stats()
        c.wait(call="log", message="API event not written")
        poll(lambda: not s.control("state")["faults"])
        for _ in range(3):
            c.tell("note")
            c.stats()
        poll(lambda: len(s.control("events")) == 3)
        written = s.control("events")
        expect(len({e["metadata"].pop("name") for e in written}), 3)
        for e in written:
            expect(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", e.pop("eventTime")) is not None, True)
            expect(e, {
                "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"namespace": "default"},
                "type": "Warning", "reason": "Reason", "action": "Act", "note": 'a "text"',
                "reportingController": "ksvcd", "reportingInstance": "ksvcd-n1",
                "regarding": {"apiVersion": "v1", "kind": "Service", "namespace": "default",
                              "name": "web", "uid": "default/web"}})
        expect(c.count(call="log", message="API event not written"), 1)
        s.control("fault", fault="hang", resource="events")
        c.tell("note")
        c.stats()

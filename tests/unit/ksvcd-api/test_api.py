# SPDX-License-Identifier: GPL-2.0
"""ksvcd's API source against tests/ksvcd/apiserver.py: KTAP, status 1 on a failure.

    test_api.py API_PRINT [PART OF A TEST'S NAME]...
"""
import os
import subprocess
import sys
import time

# For the tests in them.
import lists
import watches
import access
from rig import (SERVICES, Client, Failure, Server, Skipped, TESTS, event, expect, service, test,
                 watching)


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


def flood(events):
    """So many events of one Service, 4 KB each, as one text."""
    line = event("MODIFIED", "flooded", 1000, spec={"externalName": "x" * 4000})
    return line * events


@test("flood: others of the loop have their turns, nothing is lost, and it can end in the middle")
def turns(s):
    with Client("--server", s.url, "--quiet") as c:
        watching(s, c)
        before, seen = c.stats()["calls"], set()
        s.streams("raw", text=flood(4000), resource=SERVICES)
        while before + 4000 not in seen:
            seen.add(c.stats()["calls"])
        expect(len(seen) >= 5, True)
        expect(c.stats()["Service"]["errors"], {})
        # By what is read, and from outside: whatever is held back then is given up.
        s.streams("raw", text=flood(2000) + "[\n" * 16 + flood(2000), resource=SERVICES)
        c.wait_error("unreadable")
        watching(s, c)
        expect(c.stats()["calls"], before + 6000)
        s.streams("raw", text=flood(4000), resource=SERVICES)
        c.wait_stats(lambda st: st["calls"] > before + 6000)
        c.tell("relist")
        c.process.stdin.flush()
        c.wait(call="list_end", kind="Service")
        watching(s, c)
        expect(c.stats()["calls"] < before + 10000, True)
        s.put(service("after"))
        c.wait_stats(lambda st: st["Service"]["events"]["ADDED"] == 1)


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


main()

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
from rig import (Client, Failure, Server, Skipped, TESTS, expect, test)


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


main()

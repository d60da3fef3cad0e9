# SPDX-License-Identifier: GPL-2.0
"""The host's mappings of User Mode Linux's programs."""
import contextlib
import fcntl
import pathlib

LIMIT = pathlib.Path("/proc/sys/vm/max_map_count")
BEFORE = pathlib.Path(__file__).resolve().parents[2] / "build/max_map_count"	# what it was, until the last run puts it back
ENOUGH = 2000000	# pages that have no neighbour in the guest's memory, of programs with 8 GB


@contextlib.contextmanager
def enough():
    """Meanwhile programs that load very many services of a peer do not end with SIGSEGV; root may allow that."""
    BEFORE.parent.mkdir(exist_ok=True)
    with open(BEFORE, "a+", encoding="ascii") as before:
        fcntl.flock(before, fcntl.LOCK_SH)
        limit = int(LIMIT.read_text())
        try:
            if limit < ENOUGH:
                LIMIT.write_text(f"{ENOUGH}\n")
                before.truncate(0)
                print(limit, file=before, flush=True)
                print(f"vm.max_map_count is {ENOUGH} instead of {limit} until this ends", flush=True)
        except OSError:
            print(f"vm.max_map_count is {limit}: with many services, setting up peers may end with SIGSEGV", flush=True)
        try:
            yield
        finally:
            put_back(before)


def put_back(before):
    """Unless another run is still going on, which will."""
    try:
        fcntl.flock(before, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    before.seek(0)
    limit = before.read()
    if limit:
        LIMIT.write_text(limit)
        before.truncate(0)

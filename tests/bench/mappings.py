# SPDX-License-Identifier: GPL-2.0
"""The host's mappings of User Mode Linux's programs."""
import contextlib
import pathlib

LIMIT = pathlib.Path("/proc/sys/vm/max_map_count")
ENOUGH = 2000000	# pages that have no neighbour in the guest's memory, of programs with 8 GB


@contextlib.contextmanager
def enough():
    """Meanwhile programs that load 30,000 services of a peer do not end with SIGSEGV; root may allow that."""
    before = int(LIMIT.read_text())
    if before < ENOUGH:
        try:
            LIMIT.write_text(f"{ENOUGH}\n")
            print(f"vm.max_map_count is {ENOUGH} instead of {before} until this ends", flush=True)
        except PermissionError:
            print(f"vm.max_map_count is {before}: with many services, setting up peers may end with SIGSEGV", flush=True)
    try:
        yield
    finally:
        if before < ENOUGH:
            with contextlib.suppress(PermissionError):
                LIMIT.write_text(f"{before}\n")

# SPDX-License-Identifier: GPL-2.0
"""The machines in which something is measured."""
import contextlib
import signal
import subprocess
import sys


@contextlib.contextmanager
def running(command):
    """The command of tests/vm that runs one, whose output is read; it ends when this does, for whatever reason."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as guest:
        try:
            yield guest
        except BaseException:
            guest.terminate()
            raise

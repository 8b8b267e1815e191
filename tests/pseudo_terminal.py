"""A terminal that is none: runs a program as a person would, types for it, and gives every byte that it wrote."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

_SECONDS = 60


def run_on_terminal(command, env, cwd, *, keys=(), size=(50, 400)):
    """Run until it ends and give its exit status and its bytes.

    `keys` are typed in turn, each when nothing came for a moment. A program that does not end is killed and fails.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=env, cwd=cwd, start_new_session=True
    )
    os.close(slave)
    try:
        written = _everything(master, list(keys), time.monotonic() + _SECONDS)
        return process.wait(_SECONDS), written
    finally:
        os.close(master)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _everything(master, keys, end):
    written = b""
    while time.monotonic() < end:
        # The program speaks while it has something to do; with keys left, silence is when a person types.
        if not select.select([master], [], [], 1.0 if keys else _SECONDS)[0]:
            if not keys:
                break
            os.write(master, keys.pop(0))
            continue
        try:
            piece = os.read(master, 65536)
        except OSError:  # the last one who had it open is gone
            break
        if not piece:
            break
        written += piece
    return written

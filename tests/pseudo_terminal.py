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
# The program speaks while it has something to do; a person types when it was silent for so many seconds.
_PAUSE = 1.0


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
        written = _everything(process, master, list(keys), time.monotonic() + _SECONDS)
        return process.wait(_SECONDS), written
    finally:
        os.close(master)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _everything(process, master, keys, end):
    written, quiet_since = b"", time.monotonic()
    while time.monotonic() < end:
        has_ended = process.poll() is not None
        if select.select([master], [], [], 0.0 if has_ended else 0.1)[0]:
            try:
                piece = os.read(master, 65536)
            except OSError:  # the last one who had it open is gone
                break
            written += piece
            quiet_since = time.monotonic()
        elif has_ended:  # others may have it open still, such as an agent that was started under strace
            break
        elif keys and time.monotonic() - quiet_since > _PAUSE:
            os.write(master, keys.pop(0))
            quiet_since = time.monotonic()
    return written

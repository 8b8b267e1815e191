"""A terminal that is none: runs a program as a person would, types for it, and gives every byte that it wrote."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

_SECONDS = 900  # a soak test has ten thousand accounts
# Seconds: from the first words until a person types, and from key to key.
_START, _PAUSE = 3.0, 0.7
# Makes it the terminal that /dev/tty means, as a shell's is.
_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
)


def is_readable(descriptor: int, seconds: float) -> bool:
    """Say whether there is something to read in time. Not by `select`, which knows no descriptor above 1023."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def run_on_terminal(command, env, cwd, *, keys=(), size=(50, 400)):
    """Run until it ends and give its exit status and its bytes.

    `keys` are typed in turn, once it has spoken. A program that does not end is killed and fails.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _TAKE_TERMINAL, *command],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=env,
        cwd=cwd,
        start_new_session=True,
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
    written, typed_at = b"", None
    while time.monotonic() < end:
        has_ended = process.poll() is not None
        if is_readable(master, 0.0 if has_ended else 0.1):
            try:
                written += os.read(master, 65536)
            except OSError:  # the last one who had it open is gone
                break
            typed_at = typed_at or time.monotonic() + _START
        elif has_ended:  # others may have it open still, such as an agent that was started under strace
            break
        if keys and typed_at and time.monotonic() - typed_at > _PAUSE:
            os.write(master, keys.pop(0))
            typed_at = time.monotonic()
    return written

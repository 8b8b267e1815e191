"""The switch: what the SDKs call goes straight to its room, everything else to the command line."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run one command and leave with its exit status."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["credential-process"] and not {"-h", "--help"} & set(arguments):
        from awssso_helper.credential_process import run as run_lane  # noqa: PLC0415 - only the lane taken is loaded

        _leave(run_lane(arguments[1:]))
    from awssso_helper.cli import run  # noqa: PLC0415

    _leave(run(arguments))


def _leave(status: int) -> NoReturn:
    """End at once: a thread that hangs in the keyring or the network must not keep the process alive."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            status = status or 1
    os._exit(status)


if __name__ == "__main__":
    main()

"""The switch: what the SDKs call goes straight to its room, everything else to the command line.

Here without `from __future__ import annotations`: to load that is 1 % of an answer.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Where nobody else imports `typing`, an answer of the agent need not pay for it.
    from typing import NoReturn


def main() -> "NoReturn":
    """Run one command and leave with its exit status."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["credential-process"] and not {"-h", "--help"} & set(arguments):
        if os.name == "posix":
            from awssso_helper import warm  # noqa: PLC0415 - only the lane taken is loaded

            warm.answer(arguments)
        _open_standard_files()
        from awssso_helper.credential_process import run as run_lane  # noqa: PLC0415

        _leave(run_lane(arguments[1:]))
    if arguments[:1] == ["complete"]:
        # Pressed at every Tab, so without the parser and the other commands too.
        from awssso_helper.candidates import main as run_candidates  # noqa: PLC0415

        _leave(run_candidates(arguments[1:]))
    if arguments == ["list", "--names"] and os.name == "posix":
        from awssso_helper import quick_names  # noqa: PLC0415

        found = quick_names.listed(os.environb)  # type: ignore[arg-type]  # a mapping is enough
        if found is not None:
            _say(found)
    if arguments == ["--version"]:
        from awssso_helper import __version__  # noqa: PLC0415

        _say(f"awssso {__version__}\n".encode())
    _open_standard_files()
    if arguments == ["agent", "serve"]:
        # It stays for hours, and needs neither a parser nor the other commands in memory.
        from awssso_helper.agent import main as run_agent  # noqa: PLC0415

        _leave(run_agent())
    from awssso_helper.cli import run  # noqa: PLC0415

    _leave(run(arguments))


def _open_standard_files() -> None:
    """Put `/dev/null` where stdin, stdout or stderr is closed.

    Else the next file or socket that we open would get that number, and a secret written to stdout would go there
    (SECURITY A8). The quick lanes before hold nothing open when they write, and say by their status that nobody can
    have got it.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 - a descriptor, for the whole run
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def _say(text: bytes) -> "NoReturn":
    """Print and leave."""
    try:
        while text:
            text = text[os.write(1, text) :]
    except OSError:
        os._exit(1)
    os._exit(0)


def _leave(status: int) -> "NoReturn":
    """End at once: a thread that hangs in the keyring or the network must not keep the process alive."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            status = status or 1
    os._exit(status)


if __name__ == "__main__":
    main()

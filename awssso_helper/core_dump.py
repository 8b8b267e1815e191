"""The core file: a process that holds tokens leaves none behind when it dies (SECURITY G7).

Only the soft limit is lowered, so that a program that takes our place gets back what its user had set for it.
"""

from __future__ import annotations

_taken: list[tuple[int, int]] = []


def forbid() -> None:
    """Write no core file from now on; systemd-coredump and apport keep to this limit too."""
    try:
        import resource  # noqa: PLC0415 - POSIX only
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    _taken.append((soft, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


def allow_again() -> None:
    """Give back the limit that was found, for the program that takes our place."""
    if _taken:
        import resource  # noqa: PLC0415 - POSIX only, and it was there

        resource.setrlimit(resource.RLIMIT_CORE, _taken.pop())

"""`awssso list --names` at once: the names of a block that is exactly as we write it, without a parser.

An accelerator like the warm lane: it knows the block of `~/.aws/config` as we write it, and wherever anything is not
so, it says nothing and the full command answers. It imports nothing that a bare interpreter has not loaded.
"""

import os
import sys

_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.@+-")
# How a launcher of this version begins and ends; a test keeps it equal to `launcher`.
LAUNCHER_HEAD = b"#!/bin/sh\n# awssso launcher 3:"
LAUNCHER_TAIL = b"\nexit 1\n"


def listed(environ: "dict[bytes, bytes]") -> "bytes | None":
    """Give the names of the generated profiles, a line each, or None: ask the full command."""
    home = environ.get(b"HOME", b"")
    config = environ.get(b"AWS_CONFIG_FILE") or home + b"/.aws/config"
    data = environ.get(b"XDG_DATA_HOME") or home + b"/.local/share"
    if sys.platform != "linux" or config[:1] != b"/" or data[:1] != b"/" or b"$" in config:
        return None
    if not is_sound(_read(data + b"/awssso/bin/awssso"), data + b"/awssso/bin/awssso"):
        # Any command repairs the launcher, and this is one.
        return None
    names = block_names(_read(config))
    return b"\n".join([*sorted(names, key=bytes.lower), b""]) if names else None


def _read(path: bytes) -> bytes:
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return os.read(opened, os.fstat(opened).st_size)
    except OSError:
        return b""
    finally:
        os.close(opened)


def is_sound(launcher: bytes, path: bytes) -> bool:
    """Say whether this launcher surely starts what it names; a name in quotes is left to those who can read it."""
    if not (launcher.startswith(LAUNCHER_HEAD) and launcher.endswith(LAUNCHER_TAIL) and os.access(path, os.X_OK)):
        return False
    for name, mode in ((b"python", os.X_OK), (b"warm", os.R_OK), (b"full", os.X_OK)):
        value = launcher.partition(b"\n" + name + b"=")[2].partition(b"\n")[0]
        if value[:1] != b"/" or not os.access(value, mode):
            return False
    return True


def block_names(config: bytes) -> "list[bytes]":
    """Give the names of the profiles in our block; none where the block is not exactly as we write it."""
    before, _, rest = config.partition(b"# BEGIN awssso\n")
    block, end, after = rest.partition(b"# END awssso\n")
    if not end or b"\r" in block or b"awssso" in _comments(before + after):
        return []
    outside = (before + after).lower()
    if b"source_profile" in outside or b"credential-process" in outside:
        # A profile by hand that builds on one of ours, or calls us itself, is listed too.
        return []
    if any(text and not text.endswith(b"\n") for text in (before, block)):
        return []
    names: list[bytes] = []
    roles: set[bytes] = set()
    for line in block.split(b"\n"):
        if line.startswith(b"[profile ") and line.endswith(b"]"):
            names.append(line[9:-1])
        elif line.startswith((b"[", b"# END")):
            return []
        elif line.startswith(b"credential_process = "):
            roles.add(line.rpartition(b" credential-process ")[2])
    is_as_written = len(roles) == len(names) == len(set(names)) and all(_SAFE.issuperset(name) for name in names)
    return names if is_as_written else []


def _comments(text: bytes) -> bytes:
    """Give the comment lines outside the block: a second marker may be among them."""
    return (
        b"\n".join(line for line in text.split(b"\n") if line.lstrip().startswith(b"#")) if b"awssso" in text else b""
    )

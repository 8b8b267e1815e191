"""The AWS config file as it was before our changes: the first copy for good, and the last four (SECURITY H9).

A file that holds keys is not copied: a copy would outlive their removal. What `migrate` takes out, the keyring keeps.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from typing import TYPE_CHECKING

from awssso_helper import files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from awssso_helper.environment import Environment

_LAST = 4
_KEYS = re.compile(rb"^\s*aws_(secret_access_key|session_token)\s*[=:]", re.IGNORECASE | re.MULTILINE)


def keeping(environment: Environment, path: Path, change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Give a change for `files.amend` that keeps a copy of what it is about to change.

    Where the copy cannot be written the change fails, and nothing is changed.
    """

    def kept(text: bytes) -> bytes:
        after = change(text)
        if text and after != text and not _KEYS.search(text):
            _keep(environment.backup_dir, path, text)
        return after

    return kept


def _keep(directory: Path, path: Path, text: bytes) -> None:
    files.private_dir(directory)
    prefix = f"{path.name}.{_digest(os.fsencode(os.path.realpath(path)))}."
    suffix = f".{_digest(text)}"
    names = _names(directory, prefix)
    if any(name.endswith(suffix) for name in names):
        return
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    files.replace(directory / f"{prefix}{moment}{suffix}", text)
    for name in _names(directory, prefix)[1:-_LAST]:
        with contextlib.suppress(OSError):
            (directory / name).unlink()


def _names(directory: Path, prefix: str) -> list[str]:
    return sorted(each.name for each in directory.iterdir() if each.name.startswith(prefix))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]

"""Where else keys lie: start-up files of shells, files of other tools, and everything below a directory.

It reports file and line and the key's id, never a secret, and changes nothing. What is read is bytes: a key is found in
a `.env`, in a Terraform state and in a script alike.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from awssso_helper.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from awssso_helper.model import Secret

# Files of a home that hold keys besides the two of AWS; `*` stands for a part of a name.
_AT_HOME = (
    ".bashrc", ".bash_profile", ".bash_login", ".bash_history", ".profile", ".zshrc", ".zshenv", ".zprofile", ".zlogin",
    ".zsh_history", ".kshrc", ".config/fish/config.fish", ".config/fish/conf.d/*.fish",
    ".config/fish/fish_variables", ".local/share/fish/fish_history", ".config/environment.d/*.conf", ".pam_environment",
    ".xsessionrc", ".xprofile", ".env", ".envrc", ".boto", ".s3cfg", ".passwd-s3fs", ".rclone.conf",
    ".config/rclone/rclone.conf", ".mc/config.json", ".docker/config.json", ".docker/.env", ".terraformrc",
    ".terraform.d/credentials.tfrc.json", ".aws/cli/alias", ".netrc", ".pypirc", ".npmrc", ".m2/settings.xml",
    ".gradle/gradle.properties", ".vscode/settings.json", ".config/Code/User/settings.json",
)  # fmt: skip
# Nobody keeps keys in these by hand, and they are most of the bytes of many trees.
_PASSED_BY = frozenset({".git", "node_modules", "__pycache__", ".venv", "venv", "site-packages", ".tox", ".mypy_cache"})
_LARGEST = 16 << 20
_KEY_ID = re.compile(rb"(?<![A-Za-z0-9])AKIA[A-Z2-7]{16}(?![A-Za-z0-9])")
_SECRET = re.compile(rb"(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")
# A secret stands at most so many lines from its id.
_NEAR = 4


@dataclass(frozen=True, slots=True)
class Mention:
    """A line with a key on it. `is_known` says that it is one of the keys that were looked for."""

    path: Path
    line: int
    key_id: str
    is_known: bool


class Scan(NamedTuple):
    """What was found, how many files were read, and which could not be or were too large."""

    mentions: list[Mention]
    read: int
    unread: list[Path]


def scanned(home: Path, below: Path | None, known: Mapping[str, Secret], passed_by: Iterable[Path]) -> Scan:
    """Look through the files of a home that hold keys, and through everything below a directory.

    `known` are secrets by key id; those, and pairs of an id and a secret of any AWS key, are reported. `passed_by` are
    files that were looked at already.

    Raises:
        RefusedError: there is no such directory.
    """
    if below is not None and not below.is_dir():
        raise RefusedError(f"{below} is no directory", hint="awssso migrate --scan .")
    by_secret = {secret.reveal().encode(): key_id for key_id, secret in known.items()}
    seen = {os.path.realpath(path) for path in passed_by}
    result = Scan([], 0, [])
    count = 0
    for path in (*_home_files(home), *(_tree(below) if below is not None else ())):
        real = os.path.realpath(path)
        if real in seen:
            continue
        seen.add(real)
        content = _content(path)
        if content is None:
            result.unread.append(path)
            continue
        count += 1
        result.mentions.extend(_mentions(path, content, by_secret))
    return result._replace(read=count)


def _home_files(home: Path) -> Iterator[Path]:
    for pattern in _AT_HOME:
        yield from (path for path in sorted(home.glob(pattern)) if path.is_file())


def _tree(root: Path) -> Iterator[Path]:
    for directory, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name not in _PASSED_BY)
        for name in sorted(files):
            path = root.__class__(directory) / name
            if not path.is_symlink():
                yield path


def _content(path: Path) -> bytes | None:
    """Read a regular file of sane size; None where it is not one, or may not be read."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
            return None
        return path.read_bytes()
    except OSError:
        return None


def _mentions(path: Path, content: bytes, by_secret: Mapping[bytes, str]) -> Iterator[Mention]:
    ids = [(content.count(b"\n", 0, found.start()) + 1, found[0].decode()) for found in _KEY_ID.finditer(content)]
    known = set(by_secret.values())
    told: set[tuple[int, str]] = set()
    for secret, key_id in by_secret.items():
        at = content.find(secret)
        while at >= 0:
            told.add((content.count(b"\n", 0, at) + 1, key_id))
            at = content.find(secret, at + 1)
    told |= {(line, key_id) for line, key_id in ids if key_id in known}
    foreign = [(line, key_id) for line, key_id in ids if key_id not in known]
    if foreign:
        secrets = [content.count(b"\n", 0, found.start()) + 1 for found in _SECRET.finditer(content)]
        told |= {each for each in foreign if any(abs(each[0] - line) <= _NEAR for line in secrets)}
    for line, key_id in sorted(told):
        yield Mention(path, line, key_id, key_id in known)

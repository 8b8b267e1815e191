"""What our commands need of `~/.aws/config`: the SSO sessions, and the profiles that lead to roles.

A large file takes a second to parse, and is asked for fifty times a day, so what was found in it is kept in the cache
under the file's identity: another size, another time or another inode, and it is parsed anew. Holds no secret.
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

from awssso_helper import files
from awssso_helper.errors import AwsssoError
from awssso_helper.model import Role, SsoSession

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from awssso_helper.chains import Chain
    from awssso_helper.environment import Environment

_VERSION = 1
# Below this many bytes parsing is quicker than a look into the cache is worth.
_SMALL = 2_000
# A file that changed just now may change again without another time of change: clocks of file systems are coarse.
_SETTLED_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Shelf:
    """What a config file has: sessions as written there, (name, role, region) of profiles that call us, and chains."""

    sessions: tuple[SsoSession, ...]
    profiles: tuple[tuple[str, Role, str], ...]
    chained: Mapping[str, Chain]


def of(environment: Environment, *, may_keep: bool = True) -> Shelf:
    """Give the shelf of the config file as it is now; a run that is to write nothing does not keep it.

    Raises:
        RefusedError: the file cannot be read, or does not parse.
    """
    path = environment.aws_config_file
    known = identity(path)
    if known is not None:
        kept = _kept(_file(environment), known)
        if kept is not None:
            return kept
    shelf = _read(path)
    if may_keep and known is not None and known == identity(path):
        _keep(environment, known, shelf)
    return shelf


def identity(path: Path) -> list[int] | None:
    """Tell this content of the file from any other; None where that is not worth it, or not yet certain."""
    try:
        status = path.stat()
    except OSError:
        return None
    is_settled = time.time() - max(status.st_mtime, status.st_ctime) > _SETTLED_SECONDS
    if status.st_size < _SMALL or not is_settled:
        return None
    return [_VERSION, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _read(path: Path) -> Shelf:
    from awssso_helper import aws_config, chains  # noqa: PLC0415 - bring a parser, which a kept shelf does not need

    data, name = files.read(path) or b"", str(path)
    file = aws_config.parsed(data, name=name)
    sections, roles = file.profiles, chains.roles_of(file)
    profiles = [(profile, role, _text(sections.get(profile, {}).get("region"))) for profile, role in roles.items()]
    return Shelf(tuple(aws_config.sessions_of(file)), tuple(profiles), chains.chains_of(file, roles))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


# The cache


def _file(environment: Environment) -> Path:
    return environment.cache_dir / "shelf.json"


def _keep(environment: Environment, identity: list[int], shelf: Shelf) -> None:
    """Keep what was found; a cache that cannot be written is none."""
    path = _file(environment)
    values = {
        "identity": identity,
        "sessions": [astuple(session) for session in shelf.sessions],
        "profiles": [[name, role.session, role.account_id, role.name, region] for name, role, region in shelf.profiles],
        "chained": {name: astuple(chain) for name, chain in shelf.chained.items()},
    }
    with contextlib.suppress(AwsssoError, OSError):
        files.private_dir(path.parent)
        files.replace(path, json.dumps(values).encode())


def _kept(path: Path, identity: list[int]) -> Shelf | None:
    try:
        values = json.loads(files.read(path) or b"{}")
        if not isinstance(values, dict) or values.get("identity") != identity:
            return None
        return Shelf(
            tuple(SsoSession(name, url, region, tuple(scopes)) for name, url, region, scopes in values["sessions"]),
            tuple(
                [
                    (name, Role(session, account, role), region)
                    for name, session, account, role, region in values["profiles"]
                ]
            ),
            {name: _chain(chain) for name, chain in values["chained"].items()},
        )
    except (AwsssoError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _chain(values: Any) -> Chain:
    from awssso_helper.chains import Chain, Step  # noqa: PLC0415 - as in `_read`

    start, source_profile, steps, region = values
    return Chain(Role(*start), source_profile, tuple(Step(*step) for step in steps), region)

"""Role chaining: hand-written profiles with `role_arn` and `source_profile` that begin at one of our profiles.

Pure. The SDKs follow such a profile by themselves; here it is found, so that it can be chosen like any other, and taken
apart into the steps that `assume` makes (PAINS 37).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from awssso_helper.aws_config import PROCESS, role_of_process

if TYPE_CHECKING:
    from collections.abc import Mapping

    from awssso_helper.aws_config import ConfigFile, Section
    from awssso_helper.model import Role

_ROLE_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>[0-9]{12}):role/(?:.*/)?(?P<name>[\w+=,.@-]+)", re.ASCII
)
_LONGEST_CHAIN = 8
_DURATIONS = range(900, 43201)


@dataclass(frozen=True, slots=True)
class Step:
    """One AssumeRole: what the profile says about it; empty or 0 where it says nothing."""

    profile: str
    role_arn: str
    account_id: str
    role_name: str
    external_id: str = ""
    session_name: str = ""
    duration: int = 0
    mfa_serial: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """The way to a chained profile: the SSO role that it begins with, the profile of that, and the steps in order."""

    start: Role
    source_profile: str
    steps: tuple[Step, ...]
    region: str = ""

    @property
    def end(self) -> Step:
        """The last step, which is the profile's own role."""
        return self.steps[-1]

    @property
    def needs_mfa(self) -> bool:
        """Say whether a step asks for a code that only a person has."""
        return any(step.mfa_serial for step in self.steps)


def roles_of(file: ConfigFile) -> dict[str, Role]:
    """Give every profile that calls us, whoever wrote it, with its role."""
    found = {name: role_of_process(section.get(PROCESS, "")) for name, section in file.profiles.items()}
    return {name: role for name, role in found.items() if role is not None}


def chains_of(file: ConfigFile, starts: Mapping[str, Role]) -> dict[str, Chain]:
    """Give the profiles whose chain begins at a profile that calls us, as `roles_of` found them."""
    profiles = file.profiles
    chains = {name: _chain(name, profiles, starts) for name in profiles}
    return {name: chain for name, chain in chains.items() if chain is not None}


def _chain(name: str, profiles: Mapping[str, Section], starts: Mapping[str, Role]) -> Chain | None:
    """Follow the sources; None where they end elsewhere, go in a circle, or are wrong."""
    steps: list[Step] = []
    at = name
    while len(steps) < _LONGEST_CHAIN:
        section = profiles.get(at, {})
        step = _step(at, section)
        if step is None:
            start = starts.get(at)
            if start is None or not steps:
                return None
            region = _text(profiles[name], "region") or _text(section, "region")
            return Chain(start, at, tuple(reversed(steps)), region)
        steps.append(step)
        at = _text(section, "source_profile")
    return None


def circle_of(name: str, profiles: Mapping[str, Section]) -> tuple[str, ...]:
    """Give the profiles that a chain goes round in for ever, in its order, from where `name` enters; else nothing.

    `profiles` are those of both AWS files: keys end a chain, also beside a `source_profile` (botocore's
    `_get_role_config` and `_has_static_credentials`).
    """
    seen: list[str] = []
    at = name
    while at not in seen:
        section = profiles.get(at, {})
        if not source_of(section):
            return ()
        seen.append(at)
        at = source_of(section)
    return tuple(seen[seen.index(at) :])


def source_of(section: Section) -> str:
    """Give the profile that a chained one takes its credentials from; empty for any other."""
    if _text(section, "aws_access_key_id") or not _text(section, "role_arn"):
        return ""
    return _text(section, "source_profile")


def _step(profile: str, section: Section) -> Step | None:
    arn = _ROLE_ARN.fullmatch(_text(section, "role_arn"))
    if arn is None or not _text(section, "source_profile"):
        return None
    duration = _text(section, "duration_seconds")
    return Step(
        profile=profile,
        role_arn=arn[0],
        account_id=arn["account"],
        role_name=arn["name"],
        external_id=_text(section, "external_id"),
        session_name=_text(section, "role_session_name"),
        duration=int(duration) if duration.isdecimal() and int(duration) in _DURATIONS else 0,
        mfa_serial=_text(section, "mfa_serial"),
    )


def _text(section: Section, key: str) -> str:
    value = section.get(key, "")
    return value if isinstance(value, str) else ""

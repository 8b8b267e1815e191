"""Long-lived keys in the two AWS files: which there are, under which names, who depends on them. Pure.

A key is long-lived when its id begins with AKIA and no session token stands beside it. Whatever looks like a key and
is none, or cannot be retired as it stands, is an oddity: reported with its line and left alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from awssso_helper import aws_config, sections
from awssso_helper.errors import RefusedError
from awssso_helper.model import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from awssso_helper.aws_config import ConfigFile, Section, Value
    from awssso_helper.model import Role

KEY_ID = "aws_access_key_id"
SECRET_KEY = "aws_secret_access_key"  # noqa: S105 - the name of a setting
KEY_LINES = (KEY_ID, SECRET_KEY)

LONG_LIVED = re.compile(r"AKIA[A-Z2-7]{12,124}", re.ASCII)
_TEMPORARY = re.compile(r"ASIA[A-Z2-7]{12,124}", re.ASCII)
_TOKENS = ("aws_session_token", "aws_security_token")
# Beside a key these are a second source of credentials, and which one counts differs from SDK to SDK (PROTOCOL 4.4).
_OTHER_SOURCES = ("role_arn", "source_profile", "credential_source", "web_identity_token_file", "login_session")


@dataclass(frozen=True, slots=True)
class Place:
    """A section that holds the key. `settings` are its other keys; `is_config` says in which of the files it is."""

    is_config: bool
    header: str
    profile: str
    line: int
    settings: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """One AssumeRole of a profile that gets its credentials from another."""

    role_arn: str
    external_id: str = ""


@dataclass(frozen=True, slots=True)
class Dependant:
    """A profile that assumes a role with the key of `source`; the first of its AssumeRole calls is signed by it."""

    profile: str
    source: str
    chain: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class StaticKey:
    """One long-lived key with all its places. `generated` are its profiles that call us already, with the role."""

    key_id: str
    secret: Secret
    places: tuple[Place, ...]
    dependants: tuple[Dependant, ...] = ()
    generated: Mapping[str, Role] = field(default_factory=dict)

    @property
    def profiles(self) -> tuple[str, ...]:
        """The names that the key has, each once, in the order of the files."""
        return tuple(dict.fromkeys(place.profile for place in self.places))


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something that is left alone: where it is, why, and what a person can do about it."""

    is_config: bool
    line: int
    profile: str
    reason: str
    hint: str = ""
    key_id: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """The long-lived keys of a user's two files, and what was left alone."""

    keys: tuple[StaticKey, ...]
    oddities: tuple[Oddity, ...]


def found(config: ConfigFile, credentials: ConfigFile) -> Found:
    """Take the inventory of both files."""
    oddities: list[Oddity] = []
    holdings: dict[str, list[tuple[Place, Secret]]] = defaultdict(list)
    for file, is_config in ((credentials, False), (config, True)):
        for place, values in _sections(file, is_config=is_config):
            oddity = _oddity(place, values)
            if oddity is not None:
                oddities.append(oddity)
            elif values.keys() & set(KEY_LINES):
                holdings[str(values[KEY_ID])].append((place, Secret(str(values[SECRET_KEY]))))
    reader = _Reader(config, credentials, {each: {p.profile for p, _ in held} for each, held in holdings.items()})
    keys: list[StaticKey] = []
    for key_id, held in holdings.items():
        problems = reader.problems(key_id, held)
        if not problems:
            keys.append(reader.key(key_id, held))
        oddities += problems
    return Found(tuple(keys), tuple(sorted(oddities, key=lambda each: (each.is_config, each.line))))


def long_lived(data: bytes, *, name: str) -> list[tuple[str, str, int]]:
    """List the long-lived keys of one file as (header, key id, line); for a look without anything else.

    Raises:
        RefusedError: the file does not parse.
    """
    file = aws_config.parsed(data, name=name)
    return [
        (place.header, str(values[KEY_ID]), place.line)
        for place, values in _sections(file, is_config=False)
        if values.keys() >= set(KEY_LINES) and _oddity(place, values) is None
    ]


def _sections(file: ConfigFile, *, is_config: bool) -> Iterator[tuple[Place, Section]]:
    if file.defaults.keys() & {*KEY_LINES, *_TOKENS}:
        yield Place(is_config, "DEFAULT", "", 1), dict(file.defaults)
    for number, line in enumerate(file.lines):
        if line.kind != "header" or line.text not in file.sections:
            continue
        values = aws_config.own_values(file, number)
        profile = aws_config.profile_name(line.text) if is_config else line.text
        others = tuple((key, value) for key, value in values.items() if key not in (*KEY_LINES, *_TOKENS))
        yield Place(is_config, line.text, profile or "", number + 1, others), values


def _oddity(place: Place, values: Section) -> Oddity | None:
    """Say why a section with something of a key in it is none of ours; None where it is, or has nothing of a key."""
    key_id, secret = values.get(KEY_ID), values.get(SECRET_KEY)
    if key_id is None and secret is None:
        return None
    reason, hint = _what_is_odd(place, key_id, secret, has_token=any(values.get(each) for each in _TOKENS))
    shown = key_id if isinstance(key_id, str) and key_id.isascii() and key_id.isalnum() else ""
    return Oddity(place.is_config, place.line, place.profile or place.header, reason, hint, shown) if reason else None


def _what_is_odd(place: Place, key_id: Value | None, secret: Value | None, *, has_token: bool) -> tuple[str, str]:
    if not isinstance(key_id, str) or not isinstance(secret, str) or not key_id or not secret:
        return "half a key pair", "remove the half: it breaks the profile for every AWS tool"
    if has_token or _TEMPORARY.fullmatch(key_id):
        return "temporary credentials, which end by themselves", ""
    if not LONG_LIVED.fullmatch(key_id):
        return "no access key of AWS", ""
    if place.header == "DEFAULT":
        return "[DEFAULT] lends its key to every profile", "move it to [default]"
    return ("", "") if place.profile else ("this section is no profile", "move the key to a profile or remove it")


class _Reader:
    """What both files together say about names."""

    def __init__(self, config: ConfigFile, credentials: ConfigFile, names: Mapping[str, set[str]]) -> None:
        self._config = config
        self._names = names
        profiles = config.profiles
        self._merged: dict[str, Section] = {
            name: {**profiles.get(name, {}), **credentials.sections.get(name, {})}
            for name in {**profiles, **credentials.sections}
        }

    def problems(self, key_id: str, held: list[tuple[Place, Secret]]) -> list[Oddity]:
        """Say of each name of a key why it is left alone: what stands in the way of one does in that of all."""
        reason, hint, culprit = self._problem(key_id, held)
        if not reason:
            return []
        return [
            Oddity(
                place.is_config,
                place.line,
                place.profile,
                reason if culprit in ("", place.profile) else f"it is the key of {culprit[:64]!a}, of which: {reason}",
                hint,
                key_id,
            )
            for place, _ in held
        ]

    def _problem(self, key_id: str, held: list[tuple[Place, Secret]]) -> tuple[str, str, str]:
        """Give the reason, the hint, and the name that it is about where it is about one; an empty reason is none."""
        if any(secret != held[0][1] for _, secret in held):
            return "this key id stands with two different secrets", "remove the wrong one", ""
        for place, _ in held:
            if any(place.profile in names for other, names in self._names.items() if other != key_id):
                return "two different keys have this name", "keep the one that you use", place.profile
            reason, hint = self._obstacle(place.profile)
            if reason:
                return reason, hint, place.profile
        try:
            dependants = self._dependants(self._names[key_id])
        except RefusedError as error:
            return error.message, error.hint, ""
        asks_mfa = next((each for each in dependants if self._merged[each.profile].get("mfa_serial")), None)
        if asks_mfa is None:
            return "", "", ""
        return (
            f"the profile {asks_mfa.profile[:64]!a} assumes its role with the MFA device of this IAM user",
            "remove its mfa_serial once the role trusts your SSO role, which was signed in with MFA itself",
            "",
        )

    def key(self, key_id: str, held: list[tuple[Place, Secret]]) -> StaticKey:
        generated = {
            place.profile: role
            for place, _ in held
            if (role := aws_config.role_of_process(self._merged[place.profile].get(aws_config.PROCESS, "")))
        }
        dependants = self._dependants(self._names[key_id])
        return StaticKey(key_id, held[0][1], tuple(place for place, _ in held), tuple(dependants), generated)

    def _obstacle(self, profile: str) -> tuple[str, str]:
        """Say why a profile cannot simply be given another source of credentials."""
        values = self._merged[profile]
        try:
            if sections.profile_header(self._config, profile) is None:
                sections.new_header(profile)
        except RefusedError as error:
            return error.message, error.hint
        process = values.get(aws_config.PROCESS)
        if process is not None and aws_config.role_of_process(process) is None:
            return "a credential_process stands beside the key", "remove the one of the two that you do not use"
        others = [key for key in values if key in _OTHER_SOURCES or key.startswith("sso_")]
        if others:
            return (
                f"{others[0]} stands beside the key, and AWS tools disagree on which one counts",
                "remove the one of the two that you do not use",
            )
        return "", ""

    def _dependants(self, names: set[str]) -> list[Dependant]:
        """Find the profiles that come to one of the names by `source_profile`, over others too."""
        found: list[Dependant] = []
        pending: list[tuple[str, str, tuple[Link, ...]]] = [(name, name, ()) for name in sorted(names)]
        seen = set(names)
        while pending:
            source, first, chain = pending.pop(0)
            for profile, values in self._merged.items():
                if values.get("source_profile") != source or profile in seen:
                    continue
                seen.add(profile)
                longer = (*chain, self._link(profile, values))
                found.append(Dependant(profile, first, longer))
                pending.append((profile, first, longer))
        return found

    def _link(self, profile: str, values: Section) -> Link:
        role_arn, external_id = values.get("role_arn"), values.get("external_id", "")
        if not isinstance(role_arn, str) or not isinstance(external_id, str):
            raise RefusedError(
                f"the profile {profile[:64]!a} has a source_profile and no role_arn", hint=f"correct {profile[:64]!a}"
            )
        return Link(role_arn, external_id)

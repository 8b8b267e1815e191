"""Our own settings: a ConfigObj file with a configspec, in the user's configuration directory.

It holds no secret. `SPEC` is the one description of every setting: its default, its type and what it means; the
README's table is made from it.
"""

from __future__ import annotations

import contextlib
import fnmatch
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from awssso_helper.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

SPEC = """\
# The SSO session that commands mean when no -S is given; needed only where there are several.
default_session = string(default='')

# Which keyring keeps the tokens: empty for the OS keyring, the dotted name of a keyring backend class, "memory" for
# the agent's memory (nothing is kept when the agent ends), or "plaintext-file" for a file that only you can read (mode
# 0600) and that anyone who is you can read.
keyring = string(default='')

# Cached role credentials are handed out while more than this many minutes are left. Below 15 the SDKs ask again
# at every request.
minimum_left_minutes = integer(min=1, max=60, default=20)

# Seconds in which credential-process answers, with credentials or with the error. The Rust SDK gives up at 5.
deadline_seconds = float(min=0.5, max=55, default=4.5)

# The agent holds role credentials in memory and keeps them fresh; "off": each call does all by itself, with the
# keyring as its cache. It ends after this many hours in which nobody asked. Its audit trail is a file that says which
# process asked for which role, when.
agent = boolean(default=True)
agent_idle_hours = float(min=0.1, max=168, default=8)
agent_audit = boolean(default=False)

# awssso writes no AWS config or credentials file that somebody else can write too, or put another in the place of: a
# line in it runs programs. True accepts that, where a file system knows no owners (Windows drives under WSL) or the
# others are trusted.
others_may_write = boolean(default=False)

# Hosts, beside loopback, that AWS_ENDPOINT_URL_SSO and AWS_ENDPOINT_URL_SSO_OIDC may name: tokens are sent there.
trusted_endpoint_hosts = string_list(default=list())

# The command that opens a URL, as words; {url} is the URL, else it comes last. Empty for the system's browser.
browser = string(default='')

# The path of awssso in generated profiles. Empty: found by itself.
launcher = string(default='')

[console]
# The command that opens the AWS console, as words, in place of `browser`. Beside {url} it may have {account_name},
# {account_id}, {role_name}, {profile}, {session} and {region}. In a word that is a URL itself all are percent-encoded:
# browser = firefox "ext+container:name={account_name}&url={url}"
browser = string(default='')

# The same for accounts whose name or id matches a pattern: prod-* = firefox -P prod {url}. First match wins.
[[browsers]]
__many__ = string

[profiles]
# The name of a profile. Fields: account_name, account_id, account_email, role_name, role_alias, session.
template = string(default='{account_name}.{role_name}')

# Patterns (shell style, without regard to case) on account name, account id, role name or profile name. Empty
# include: everything. A role that matches exclude is left out.
include = string_list(default=list())
exclude = string_list(default=list())

# The region of profiles that no session, account or role pattern gives one. Empty: no region line.
region = string(default='')

# Shorter names for roles: AdministratorAccess = admin. Used for role_name and role_alias.
[[role_aliases]]
__many__ = string

# The region for accounts or roles whose name or id matches a pattern: sandbox-* = us-east-1. First match wins.
[[regions]]
__many__ = string

# Further lines for every profile: output = json. Each line makes every aws start a little slower.
[[extra]]
__many__ = string

[picker]
# What is production, as patterns (shell style, without regard to case) on account name, account id, role name,
# profile name or tag. A pattern that begins with ! says what is not. The picker marks it with ! and in colour.
production = force_list(default=list('prod', 'prod-*', '*-prod', production, 'production-*', '*-production', '!non-*'))

# Ask before a production role is picked.
confirm_production = boolean(default=False)

# Words of your own to find roles by, with patterns as above: payments = pay-*, 210987654321.
[[tags]]
__many__ = force_list

[migrate]
# Roles that take the place of static keys, the preferred first; shell patterns. Where none of them is to be had in
# an account, and there are several others, `awssso migrate` asks.
roles = force_list(default=list())

# Days between making a static key Inactive and `migrate --delete-keys`.
grace_days = integer(min=0, max=365, default=14)

# With keyring = plaintext-file the copy that undo needs lies in a plain file until the key is deleted. Say that you
# accept that.
plain_vault = boolean(default=False)

[sessions]
# Per SSO session: the default region of its profiles.
[[__many__]]
region = string(default='')
"""

_SECTION = re.compile(r"(?P<depth>\[+)(?P<name>.*?)\]+\s*(?:#.*)?")


@dataclass(frozen=True, slots=True)
class ProfileRules:
    """How profiles are named and what they contain. Pairs keep the order of the file."""

    template: str = "{account_name}.{role_name}"
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    region: str = ""
    role_aliases: tuple[tuple[str, str], ...] = ()
    regions: tuple[tuple[str, str], ...] = ()
    extra: tuple[tuple[str, str], ...] = ()
    session_regions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ConsoleRules:
    """Which command opens the AWS console: `browser`, and before it (pattern, command) pairs in the file's order."""

    browser: str = ""
    browsers: tuple[tuple[str, str], ...] = ()

    def command_for(self, names: Sequence[str]) -> str:
        """Give the command for an account of these names; empty for the usual browser."""
        folded = [name.casefold() for name in names]
        for pattern, command in self.browsers:
            if any(fnmatch.fnmatchcase(name, pattern.casefold()) for name in folded):
                return command
        return self.browser


@dataclass(frozen=True, slots=True)
class PickerRules:
    """What is production, and the user's tags, each with its patterns."""

    production: tuple[str, ...] = ("prod", "prod-*", "*-prod", "production", "production-*", "*-production", "!non-*")
    confirm_production: bool = False
    tags: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class MigrateRules:
    """What takes the place of static keys, and how long a retired one is kept."""

    roles: tuple[str, ...] = ()
    grace_days: int = 14
    plain_vault: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one user, checked."""

    default_session: str = ""
    keyring: str = ""
    minimum_left: int = 20 * 60
    deadline: float = 4.5
    agent: bool = True
    agent_idle: float = 8 * 3600.0
    agent_audit: bool = False
    others_may_write: bool = False
    trusted_endpoint_hosts: tuple[str, ...] = ()
    browser: str = ""
    launcher: str = ""
    console: ConsoleRules = field(default_factory=ConsoleRules)
    profiles: ProfileRules = field(default_factory=ProfileRules)
    picker: PickerRules = field(default_factory=PickerRules)
    migrate: MigrateRules = field(default_factory=MigrateRules)


def load(path: Path) -> Settings:
    """Read the settings file; a missing one means the defaults.

    Raises:
        UsageError: it cannot be read, or a value is wrong; the message names file and line.
    """
    try:
        lines = _lines(path)
    except FileNotFoundError:
        # ConfigObj costs credential-process 8 ms, which a user without a settings file need not pay.
        return Settings()
    return _settings(_validated(path, lines))


def change(path: Path, keys: tuple[str, ...], value: str) -> bytes:
    """Give the text of the settings file with one value changed; comments and order stay.

    `keys` are the section names and the key, as in ("sessions", "corp", "region"). Nothing is written.

    Raises:
        UsageError: the file is wrong as it is, or has no way to write this name or value.
    """
    from configobj import ConfigObj, ConfigObjError  # noqa: PLC0415 - see `load`

    try:
        lines = _lines(path)
    except FileNotFoundError:
        lines = []
    _validated(path, lines)
    config = ConfigObj(lines, interpolation=False)
    section = config
    for key in keys[:-1]:
        section = section.setdefault(key, {})
    section[keys[-1]] = value
    # ConfigObj writes some names ("[x]") so that it reads them as something else.
    with contextlib.suppress(ConfigObjError, KeyError, TypeError):
        written = config.write()
        if _value_at(ConfigObj(written, interpolation=False), keys) == value:
            return ("\n".join([*written, ""])).encode()
    raise UsageError(f"{' '.join(keys)!a} = {value!a} cannot be written to {path}", hint="use a simpler name or value")


def _value_at(section: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        section = section[key]
    return section


def _lines(path: Path) -> list[str]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UsageError(
            f"cannot read the settings in {path}: {error.strerror}", hint=f"repair or remove {path}"
        ) from error
    try:
        # Not "utf-8-sig": that codec is a module of its own, which is one more file to be missing.
        return raw.decode("utf-8").removeprefix("\ufeff").splitlines()
    except UnicodeDecodeError as error:
        raise _wrong(path, raw.count(b"\n", 0, error.start) + 1, "this is not UTF-8") from error


def _validated(path: Path, lines: list[str]) -> Any:
    from configobj import ConfigObj, ConfigObjError, flatten_errors, get_extra_values  # noqa: PLC0415
    from configobj.validate import Validator  # noqa: PLC0415

    try:
        config = ConfigObj(
            lines,
            configspec=SPEC.splitlines(),
            encoding="utf-8",
            interpolation=False,
            list_values=True,
        )
    except ConfigObjError as error:
        # Of several errors ConfigObj makes one without a line; the first of them has it.
        first = (getattr(error, "errors", None) or [error])[0]
        raise _wrong(path, getattr(first, "line_number", 0) or 0, _first_line(first)) from error
    for sections in _sections_for_values(config, config.configspec):
        raise _wrong(path, _line_of(lines, sections, None), f"{sections[-1]}: a value is expected here, not a section")
    outcome = config.validate(Validator(), preserve_errors=True)
    for sections, key, problem in flatten_errors(config, outcome):
        number = _line_of(lines, sections, key)
        raise _wrong(path, number, f"{key or sections[-1]}: {problem or 'a section is expected here'}"[:200])
    for sections, key in get_extra_values(config):
        raise _wrong(path, _line_of(lines, sections, key), f"there is no setting {key!a}")
    if math.isnan(config["deadline_seconds"]):  # neither below the least nor above the most
        raise _wrong(path, _line_of(lines, [], "deadline_seconds"), "deadline_seconds: this is no number of seconds")
    return config


def _sections_for_values(config: Any, spec: Any, path: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """Find sections that stand where a value belongs; ConfigObj's validation breaks on them."""
    for name in config.sections:
        if name in spec.scalars:
            yield [*path, name]
        elif name in spec.sections or "__many__" in spec.sections:
            yield from _sections_for_values(config[name], spec[name if name in spec else "__many__"], (*path, name))


def _wrong(path: Path, number: int, problem: str) -> UsageError:
    return UsageError(f"{path}, line {number}: {problem}", hint=f"correct line {number} of {path}")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")


def _line_of(lines: list[str], sections: list[str], key: str | None) -> int:
    """Find the line of a key or section; ConfigObj does not keep it. 0 when it is nowhere."""
    wanted = [name.casefold() for name in sections]
    here: list[str] = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        section = _SECTION.fullmatch(text)
        if section:
            name = section["name"].strip(" '\"")
            here = [*here[: len(section["depth"]) - 1], name.casefold()]
            if here == wanted if key is None else (name == key and here[:-1] == wanted):
                return number
        elif key is not None and here == wanted and text.partition("=")[0].strip(" '\"") == key:
            return number
    return 0


def _settings(config: Any) -> Settings:
    profiles, picker = config["profiles"], config["picker"]
    return Settings(
        default_session=config["default_session"],
        keyring=config["keyring"],
        minimum_left=config["minimum_left_minutes"] * 60,
        deadline=config["deadline_seconds"],
        agent=config["agent"],
        agent_idle=config["agent_idle_hours"] * 3600,
        agent_audit=config["agent_audit"],
        others_may_write=config["others_may_write"],
        trusted_endpoint_hosts=tuple(host.lower() for host in config["trusted_endpoint_hosts"]),
        browser=config["browser"],
        launcher=config["launcher"],
        console=ConsoleRules(config["console"]["browser"], _pairs(config["console"]["browsers"])),
        profiles=ProfileRules(
            template=profiles["template"],
            include=tuple(profiles["include"]),
            exclude=tuple(profiles["exclude"]),
            region=profiles["region"],
            role_aliases=_pairs(profiles["role_aliases"]),
            regions=_pairs(profiles["regions"]),
            extra=_pairs(profiles["extra"]),
            session_regions=tuple(
                (name, each["region"]) for name, each in config["sessions"].items() if each["region"]
            ),
        ),
        picker=PickerRules(
            production=tuple(picker["production"]),
            confirm_production=picker["confirm_production"],
            tags=tuple((name, tuple(patterns)) for name, patterns in picker["tags"].items()),
        ),
        migrate=_migrate_rules(config["migrate"]),
    )


def _migrate_rules(section: Mapping[str, Any]) -> MigrateRules:
    return MigrateRules(
        roles=tuple(section["roles"]), grace_days=section["grace_days"], plain_vault=section["plain_vault"]
    )


def _pairs(section: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(section.items())

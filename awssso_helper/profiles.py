"""From what you can reach to named profiles: Inventory -> names -> Plan -> the new text of `~/.aws/config`.

Pure: the caller reads the files and the ledger, shows the plan and writes it. A name once handed out stays with its
role (PAINS 20), and what a person changed in a profile stays (PAINS 38).
"""

from __future__ import annotations

import difflib
import fnmatch
import hashlib
import json
import re
import string
import unicodedata
from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from awssso_helper import aws_config
from awssso_helper.errors import RefusedError, UsageError
from awssso_helper.model import Account, Inventory, Profile, Role, is_account_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from awssso_helper.settings import ProfileRules

MAX_NAME = 64
# A plan that takes away more than one in this many of a session's profiles asks first (CONTRACT).
ASK_ABOVE_ONE_IN = 5

_FIELDS = frozenset({"account_name", "account_id", "account_email", "role_name", "role_alias", "session"})
_ROLE_FIELDS = frozenset({"role_name", "role_alias"})
_SAFE = re.compile(r"[A-Za-z0-9_.@+-]{0,256}", re.ASCII)
_UNSAFE = re.compile(r"[^A-Za-z0-9_.@+-]+", re.ASCII)
# Names that mean something else to some reader: to botocore, to the INI grammar, to a JavaScript object.
_RESERVED = frozenset(
    (
        "default",
        "profile",
        "sso-session",
        "services",
        "none",
        "constructor",
        "hasownproperty",
        "isprototypeof",
        "propertyisenumerable",
        "tolocalestring",
        "tostring",
        "valueof",
    )
)
_REGION = re.compile(r"[a-z]{2,8}(-[a-z0-9]+){1,4}", re.ASCII)
_EXTRA_KEY = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
# Keys that name another source of credentials: beside credential_process one of the two wins, differently in each SDK.
_SOURCES = frozenset(
    (
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "role_arn",
        "source_profile",
        "credential_source",
        "web_identity_token_file",
        "login_session",
    )
)
_SECRET_KEY = re.compile(r"secret|token|password", re.IGNORECASE)
_VALUE = re.compile(r"(?<=[=:]).*")
_LONGEST_WORD = 512
_HASH_DIGITS = 10


# The ledger


@dataclass(frozen=True, slots=True)
class Handed:
    """A name that was handed out: the role's word, and the settings that we last wrote beside it."""

    word: str
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Ledger:
    """Every profile name ever handed out. Holds no secret; without it the block itself is the source of names."""

    names: Mapping[str, Handed] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str | bytes) -> Ledger:
        """Read what `to_json` wrote; anything else is an empty ledger, as a lost one is."""
        try:
            names = json.loads(text)["names"]
            return cls({str(name): _handed(record) for name, record in names.items()})
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def to_json(self) -> str:
        """Write it, the same text for the same content."""
        names = {
            name: {"role": handed.word, "settings": dict(handed.settings)}
            for name, handed in sorted(self.names.items())
        }
        return json.dumps({"version": 1, "names": names}, indent=1) + "\n"


def _handed(record: dict[str, object]) -> Handed:
    word, settings = record["role"], record["settings"]
    if not isinstance(word, str) or not isinstance(settings, dict):
        raise TypeError
    return Handed(word, tuple((str(key), str(value)) for key, value in settings.items()))


# Names


class _Naming:
    """The template: which names a role may have, the preferred first."""

    def __init__(self, rules: ProfileRules) -> None:
        self._parts = _template_parts(rules.template)
        self._fields = {name for _, name in self._parts if name}
        self._aliases = dict(rules.role_aliases)

    @property
    def names_accounts_by_name(self) -> bool:
        """Say whether two accounts of one name look the same in the template."""
        return "account_name" in self._fields and "account_id" not in self._fields

    def alias(self, role: Role) -> str:
        return self._aliases.get(role.name, role.name)

    def plain(self, role: Role, account: Account) -> str:
        """Give the name by the template alone; it may be unusable."""
        return _led_by_alphanumeric(self._text(self._values(role, account)), role)

    def candidates(self, role: Role, account: Account, *, marked: bool = False) -> Iterator[str]:
        """Give the usable names: by the template; with the account id; the exact role; the session; a hash.

        `marked` leaves out the first.
        """
        seen = {self.plain(role, account)} if marked else set()
        for text in self._ladder(role, account):
            name = _led_by_alphanumeric(text, role)
            if name not in seen and _is_usable(name):
                seen.add(name)
                yield name
        yield _hashed(self.plain(role, account), role)

    def _ladder(self, role: Role, account: Account) -> Iterator[str]:
        values = self._values(role, account)
        plain = self._text(values)
        yield plain
        suffix = ""
        if "account_name" in self._fields and values["account_name"] != role.account_id:
            values["account_name"] += f"-{role.account_id}"
        elif "account_id" not in self._fields and role.account_id not in plain:
            suffix = f".{role.account_id}"
        yield self._fitting(values, suffix)
        values["role_name"] = values["role_alias"] = _slug(role.name) or "role"
        suffix += "" if self._fields & _ROLE_FIELDS else f".{values['role_name']}"
        yield self._fitting(values, suffix)
        suffix += "" if "session" in self._fields else f".{values['session']}"
        yield self._fitting(values, suffix)

    def _values(self, role: Role, account: Account) -> dict[str, str]:
        alias = _slug(self.alias(role)) or _slug(role.name) or "role"
        return {
            "account_name": _slug(account.name) or role.account_id,
            "account_id": role.account_id,
            "account_email": _slug(account.email) or role.account_id,
            "role_name": alias,
            "role_alias": alias,
            "session": _slug(role.session) or "sso",
        }

    def _text(self, values: Mapping[str, str]) -> str:
        return "".join(literal + (values[name] if name else "") for literal, name in self._parts)

    def _fitting(self, values: Mapping[str, str], suffix: str) -> str:
        """Shorten the account's name, never its id, until the whole is short enough."""
        text = self._text(values) + suffix
        name, dash, account_id = values["account_name"].rpartition("-")
        surplus = len(text) - MAX_NAME
        if surplus <= 0 or not dash or "account_name" not in self._fields or surplus >= len(name):
            return text
        return self._text({**values, "account_name": f"{name[:-surplus].rstrip('-.')}-{account_id}"}) + suffix


def _template_parts(template: str) -> tuple[tuple[str, str | None], ...]:
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise _bad_template(template, str(error)) from error
    for literal, name, spec, conversion in parts:
        if name is not None and (name not in _FIELDS or spec or conversion):
            raise _bad_template(template, f"there is no field {name[:40]!a}")
        if _UNSAFE.search(literal):
            raise _bad_template(template, "a profile name has only letters, digits and _ . @ + -")
    if not any(name for _, name, _, _ in parts):
        raise _bad_template(template, "it has no field")
    return tuple((literal, name) for literal, name, _, _ in parts)


def _bad_template(template: str, problem: str) -> UsageError:
    fields = ", ".join(sorted(_FIELDS))
    return UsageError(f"the profile template {template[:80]!a} is wrong: {problem}", hint=f"its fields are {fields}")


def _slug(text: str) -> str:
    """Write text in the characters of profile names; empty where nothing is left (a name in another script)."""
    if _SAFE.fullmatch(text):
        return text.strip("-.")
    # Nothing beyond this can show in a name, and a hostile megabyte should cost nothing.
    decomposed = unicodedata.normalize("NFKD", text[:256])
    unaccented = "".join(each for each in decomposed if not unicodedata.combining(each))
    return _UNSAFE.sub("-", unaccented).strip("-.")


def _led_by_alphanumeric(name: str, role: Role) -> str:
    return name.lstrip("_.@+-") or role.account_id


def _is_usable(name: str) -> bool:
    return aws_config.SAFE_NAME.fullmatch(name) is not None and name.casefold() not in _RESERVED


def _hashed(name: str, role: Role) -> str:
    digest = hashlib.sha256(role.word().encode()).hexdigest()[:_HASH_DIGITS]
    return f"{name[: MAX_NAME - 1 - len(digest)]}-{digest}"


def names(
    inventories: Iterable[Inventory],
    rules: ProfileRules,
    ledger: Ledger | None = None,
    in_block: Mapping[str, Role] | None = None,
) -> dict[Role, str]:
    """Give every role that the rules want its profile name: safe, unique without regard to case, and lasting.

    A role keeps a name that it has in the block or in the ledger as long as the template could have given it;
    `in_block` are the names in effect. The order of what comes in does not matter.

    Raises:
        UsageError: the rules are wrong.
    """
    naming = _Naming(rules)
    wanted = _wanted(_found(inventories)[0], rules, naming)
    return _named(wanted, naming, ledger or Ledger(), in_block or {}, rename=True)


def _named(
    wanted: Mapping[Role, Account], naming: _Naming, ledger: Ledger, in_block: Mapping[str, Role], *, rename: bool
) -> dict[Role, str]:
    owners = {name.casefold(): handed.word for name, handed in ledger.names.items()}
    owners |= {name.casefold(): role.word() for name, role in in_block.items()}
    given = _held(wanted, naming, owners, ledger, in_block, rename=rename)
    owners |= {name.casefold(): role.word() for role, name in given.items()}
    twins = _twins(wanted) if naming.names_accounts_by_name else set()
    ladders = {
        role: naming.candidates(role, account, marked=account.id in twins)
        for role, account in wanted.items()
        if role not in given
    }
    return given | _climbed(ladders, owners)


def _held(
    wanted: Mapping[Role, Account],
    naming: _Naming,
    owners: Mapping[str, str],
    ledger: Ledger,
    in_block: Mapping[str, Role],
    *,
    rename: bool,
) -> dict[Role, str]:
    """Give the names that roles have already."""
    here: dict[str, list[str]] = defaultdict(list)
    for name, role in sorted(in_block.items()):
        here[role.word()].append(name)
    once: dict[str, set[str]] = defaultdict(set)
    for name, handed in ledger.names.items():
        once[handed.word].add(name)
    given: dict[Role, str] = {}
    claimed: set[str] = set()
    for word, role in sorted((role.word(), role) for role in wanted):
        mine = here[word] or [name for name in once[word] if owners[name.casefold()] == word]
        fitting = (name for name in naming.candidates(role, wanted[role]) if name in mine) if mine else ()
        # A name in the block that we never handed out is one that a person gave.
        others = (name for name in here[word] if not rename or name not in once[word])
        free = next((each for each in chain(fitting, others) if each.casefold() not in claimed), "")
        if free:
            given[role] = free
            claimed.add(free.casefold())
    return given


def _twins(wanted: Mapping[Role, Account]) -> set[str]:
    """Give the ids of accounts whose names look the same, whatever their roles (SECURITY F3)."""
    ids: dict[str, set[str]] = defaultdict(set)
    for account in set(wanted.values()):
        ids[(_slug(account.name) or account.id).casefold()].add(account.id)
    return {each for same in ids.values() if len(same) > 1 for each in same}


def _climbed(ladders: Mapping[Role, Iterator[str]], taken: Mapping[str, str]) -> dict[Role, str]:
    """Give each role the first name of its ladder that is free and that no other wants at the same step."""
    given: dict[Role, str] = {}
    owners = dict(taken)
    pending = dict(ladders)
    while pending:
        claims = {role: name for role, ladder in pending.items() if (name := next(ladder, None))}
        crowd = Counter(name.casefold() for name in claims.values())
        words = {role: role.word() for role in claims}
        won = {
            role: name
            for role, name in claims.items()
            if crowd[name.casefold()] == 1 and owners.get(name.casefold(), words[role]) == words[role]
        }
        given |= won
        owners |= {name.casefold(): words[role] for role, name in won.items()}
        pending = {role: pending[role] for role in claims if role not in won}
    return given


# Rules


def _found(inventories: Iterable[Inventory]) -> tuple[dict[Role, Account], list[tuple[str, str]]]:
    """Give every role with its account, and what cannot be a profile with the reason."""
    found: dict[Role, Account] = {}
    unusable: set[tuple[str, str]] = set()
    for inventory in inventories:
        for entry in sorted(inventory.accounts, key=lambda each: each.account):
            for name in entry.roles:
                role = Role(inventory.session, entry.account.id, name)
                reason = _why_unusable(role)
                if reason:
                    unusable.add((f"{entry.account.id[:12]!a} {name[:64]!a}", reason))
                else:
                    found.setdefault(role, entry.account)
    return found, sorted(unusable)


def _why_unusable(role: Role) -> str:
    if not is_account_id(role.account_id):
        return "the account id is not 12 digits"
    if not (role.session and role.name):
        return "the role has no name"
    word = role.word() if len(role.name) < _LONGEST_WORD else ""
    if not word or len(word) > _LONGEST_WORD:
        return "the name of the role is too long"
    return "" if Role.from_word(word) == role else "the name of the role is not text"


class _Patterns:
    """Shell patterns without regard to case."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._any = re.compile("|".join(fnmatch.translate(pattern.casefold()) for pattern in patterns))

    def match(self, texts: Iterable[str]) -> bool:
        return any(self._any.match(text[:256].casefold()) for text in texts)

    def __bool__(self) -> bool:
        return bool(self._any.pattern)


def _wanted(found: Mapping[Role, Account], rules: ProfileRules, naming: _Naming) -> dict[Role, Account]:
    """Keep what the rules include. A pattern on profile names sees every name that the role could have."""
    include, exclude = _Patterns(rules.include), _Patterns(rules.exclude)
    if not include and not exclude:
        return dict(found)
    wanted = {}
    for role, account in found.items():
        known = (account.name, account.id, role.name)
        is_included = not include or include.match(chain(known, naming.candidates(role, account)))
        if is_included and not (exclude and exclude.match(chain(known, naming.candidates(role, account)))):
            wanted[role] = account
    return wanted


class _Wishes:
    """The settings that the rules want beside `credential_process`."""

    def __init__(self, rules: ProfileRules) -> None:
        regions = [region for _, region in (*rules.regions, *rules.session_regions)]
        for region in (*regions, *filter(None, [rules.region])):
            if not _REGION.fullmatch(region):
                raise UsageError(f"{region[:40]!a} is not a region", hint="correct it in the settings of awssso")
        for key, value in rules.extra:
            _refuse_bad_extra(key, value)
        self._patterns = [(_Patterns([pattern]), region) for pattern, region in rules.regions]
        self._sessions = dict(rules.session_regions)
        self._region = rules.region
        self._extra = rules.extra

    def settings(self, role: Role, account: Account) -> dict[str, str]:
        """Give the lines in order: the most specific region, where there is one, and the extra keys."""
        texts = (account.name, account.id, role.name)
        by_pattern = next((region for pattern, region in self._patterns if pattern.match(texts)), "")
        region = by_pattern or self._sessions.get(role.session, "") or self._region
        return {**({"region": region} if region else {}), **dict(self._extra)}


def _refuse_bad_extra(key: str, value: str) -> None:
    problem = ""
    if not _EXTRA_KEY.fullmatch(key) or key in ("region", aws_config.PROCESS):
        problem = "it is not a lower-case key, or it is one that awssso writes itself"
    elif key in _SOURCES or key.startswith("sso_"):
        problem = "beside credential_process it would be a second source of credentials"
    elif not value or not aws_config.is_portable_value(value):
        problem = "not every SDK could read its value"
    if problem:
        raise UsageError(
            f"the extra key {key[:40]!a} cannot be in a profile: {problem}", hint="remove it from [[extra]]"
        )


# The plan


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sync would change. Nothing was written.

    Names are profile names. `removed` are gone upstream or excluded by the rules; `left_out` are not written, each
    with the reason; `shadowed` are hidden by keys of the same name; `withheld` would be removed but for a partial
    discovery or `prune=False`; `kept` counts what stays as it is; `excluded` counts roles that the rules leave out.
    """

    name: str
    before: bytes
    after: bytes
    ledger: Ledger
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    changed: tuple[str, ...] = ()
    kept: int = 0
    excluded: int = 0
    left_out: tuple[tuple[str, str], ...] = ()
    shadowed: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    needs_confirmation: bool = False

    def is_empty(self) -> bool:
        """Say whether the file stays as it is."""
        return self.after == self.before

    def applied(self, data: bytes) -> bytes:
        """Give the new text, when the file is still what the plan was made from (for `files.amend`).

        Raises:
            RefusedError: it changed meanwhile.
        """
        if data != self.before:
            raise RefusedError(f"{self.name} changed while the plan was shown", hint="awssso sync")
        return self.after

    def diff_text(self) -> str:
        """Give the change as a unified diff; values of secret keys in its context are masked."""
        return unified_diff(self.before, self.after, self.name)


def plan(
    config: bytes,
    credentials: bytes,
    inventories: Collection[Inventory],
    *,
    rules: ProfileRules,
    launcher: str,
    ledger: Ledger | None = None,
    prune: bool = True,
    rename: bool = True,
    config_name: str = "~/.aws/config",
    credentials_name: str = "~/.aws/credentials",
) -> Plan:
    """Plan the block for the sessions of these inventories; profiles of other sessions are not touched.

    `launcher` comes from `aws_config.launcher_line`. `prune=False` removes nothing; `rename=False` keeps names that
    the template no longer gives.

    Raises:
        UsageError: the rules are wrong.
        RefusedError: one of the files does not parse, or the markers of the block are broken.
    """
    config_file = aws_config.parsed(config, name=config_name)
    credentials_file = aws_config.parsed(credentials, name=credentials_name)
    draft = _Draft(
        config_file, credentials_file, inventories, rules=rules, ledger=ledger or Ledger(), launcher=launcher
    )
    return draft.plan(prune=prune, rename=rename)


def generated(config: bytes, *, config_name: str = "~/.aws/config") -> list[Profile]:
    """List the profiles in the block of a config file, as they stand there.

    Raises:
        RefusedError: the file does not parse, or the markers of the block are broken.
    """
    block = aws_config.parsed(config, name=config_name).block
    return [Profile(entry.name, entry.role, _flat_settings(entry)) for entry in (block.entries if block else ())]


def _flat_settings(entry: aws_config.Entry) -> tuple[tuple[str, str], ...]:
    pairs = [(key, value) for key, value in entry.settings.items() if isinstance(value, str)]
    return tuple(sorted(pairs, key=lambda pair: pair[0] != "region"))


class _Draft:
    """A plan in the making."""

    def __init__(
        self,
        config: aws_config.ConfigFile,
        credentials: aws_config.ConfigFile,
        inventories: Collection[Inventory],
        *,
        rules: ProfileRules,
        ledger: Ledger,
        launcher: str,
    ) -> None:
        self.config = config
        self.credentials = credentials
        self.old = config.block.entries if config.block else ()
        self.ledger = ledger
        self.launcher = launcher
        self.newline = aws_config.newline_of(config)
        self.complete = {inventory.session: True for inventory in inventories}
        for inventory in inventories:
            self.complete[inventory.session] &= inventory.is_complete()
        self.naming = _Naming(rules)
        self.wishes = _Wishes(rules)
        self.found, unusable = _found(inventories)
        self.wanted = _wanted(self.found, rules, self.naming)
        self.by_hand = {
            name.casefold(): f"{config.name}, line {line} has a profile of this name"
            for name, line in aws_config.profiles_outside(config).items()
        }
        self.with_keys = {
            name.casefold(): f"{credentials.name}, line {line} has a profile of this name"
            for name, line in aws_config.section_lines(credentials).items()
        }
        self.entries: dict[str, aws_config.Entry] = {}
        self.handed = dict(ledger.names)
        self.added: list[str] = []
        self.removed: list[str] = []
        self.renamed: list[tuple[str, str]] = []
        self.changed: list[str] = []
        self.left_out = list(unusable)
        self.shadowed: set[str] = set()
        self.withheld: list[str] = []
        self.kept = 0

    def plan(self, *, prune: bool, rename: bool) -> Plan:
        in_block = {entry.name: entry.role for entry in self.old}
        given = _named(self.wanted, self.naming, self.ledger, in_block, rename=rename)
        targets = self._targets(given)
        for entry in self.old:
            self._carry(entry, targets.get(entry.name, entry.name), prune=prune)
        present = {entry.role for entry in self.old if entry.role in given}
        for role in sorted(self.wanted):
            if role not in given:
                self.left_out.append((self.naming.plain(role, self.wanted[role]), "every name for it is taken"))
            elif role not in present:
                self._add(given[role], role)
        return self._finished()

    def _targets(self, given: Mapping[Role, str]) -> dict[str, str]:
        """Say which entries of the block get another name."""
        taken = {entry.name for entry in self.old}
        targets: dict[str, str] = {}
        for entry in sorted(self.old, key=lambda each: each.name):
            name = given.get(entry.role, entry.name)
            if name not in taken:
                targets[entry.name] = name
                taken.add(name)
        return targets

    # One entry that is there

    def _carry(self, entry: aws_config.Entry, name: str, *, prune: bool) -> None:
        complete = self.complete.get(entry.role.session)
        if complete is None:
            self.entries[entry.name] = entry
        elif entry.name.casefold() in self.by_hand:
            self._leave_out(entry.name, self.by_hand[entry.name.casefold()])
        elif entry.role in self.wanted:
            self._update(entry, name)
        elif prune and (complete or entry.role in self.found):
            self.removed.append(entry.name)
            self.handed.setdefault(entry.name, Handed(entry.role.word()))
        else:
            self.withheld.append(entry.name)
            self._keep(entry, entry.name, {})

    def _update(self, entry: aws_config.Entry, name: str) -> None:
        reason = self._taken_by_hand(name) if name != entry.name else ""
        if reason:
            self._leave_out(name, reason)
            name = entry.name
        account = self.wanted[entry.role]
        known = self.ledger.names.get(entry.name)
        ours = dict(known.settings) if known and known.word == entry.role.word() else None
        changes, written = _merged(entry.settings, ours, self.wishes.settings(entry.role, account))
        if ours is not None or name != entry.name or name in self.naming.candidates(entry.role, account):
            self._hand_out(name, entry.role, written)
        self._keep(entry, name, changes)

    def _keep(self, entry: aws_config.Entry, name: str, changes: Mapping[str, str | None]) -> None:
        # A second source beside credential_process would win over it, or break the profile (PROTOCOL 4.4).
        sources = {key: None for key in entry.settings if key.startswith("sso_")}
        edited = aws_config.edited_entry(
            entry, name=name, launcher=self.launcher, changes={**changes, **sources}, newline=self.newline
        )
        self.entries[name] = edited
        if self._is_shadowed(edited):
            self.shadowed.add(name)
        if name != entry.name:
            self.renamed.append((entry.name, name))
        elif edited.text != entry.text:
            self.changed.append(name)
        else:
            self.kept += 1

    def _is_shadowed(self, entry: aws_config.Entry) -> bool:
        beside = {**entry.settings, **self.credentials.sections.get(entry.name, {})}
        return any(key in _SOURCES or key.startswith("sso_") or key == aws_config.PROCESS for key in beside)

    # One that is not

    def _add(self, name: str, role: Role) -> None:
        reason = self._taken_by_hand(name)
        if reason:
            self._leave_out(name, reason)
            return
        settings = self.wishes.settings(role, self.wanted[role])
        self.entries[name] = aws_config.new_entry(name, role, self.launcher, settings.items(), self.newline)
        self._hand_out(name, role, settings)
        self.added.append(name)

    def _taken_by_hand(self, name: str) -> str:
        key = name.casefold()
        if key in self.with_keys and key not in self.by_hand:
            self.shadowed.add(name)
        return self.by_hand.get(key) or self.with_keys.get(key, "")

    def _leave_out(self, name: str, reason: str) -> None:
        self.left_out.append((name, reason))

    def _hand_out(self, name: str, role: Role, settings: Mapping[str, str]) -> None:
        self.handed[name] = Handed(role.word(), tuple(settings.items()))

    # All together

    def _finished(self) -> Plan:
        ordered = sorted(self.entries.values(), key=lambda entry: (entry.name.casefold(), entry.name))
        after = aws_config.with_block(self.config, ordered)
        return Plan(
            name=self.config.name,
            before=self.config.data,
            after=aws_config.checked(self.config, after, entries=ordered),
            ledger=Ledger(self.handed),
            added=tuple(sorted(self.added)),
            removed=tuple(sorted(self.removed)),
            renamed=tuple(sorted(self.renamed)),
            changed=tuple(sorted(self.changed)),
            kept=self.kept,
            excluded=len(self.found) - len(self.wanted),
            left_out=tuple(sorted(set(self.left_out))),
            shadowed=tuple(sorted(self.shadowed)),
            withheld=tuple(sorted(self.withheld)),
            needs_confirmation=self._removes_many(),
        )

    def _removes_many(self) -> bool:
        sessions = {entry.name: entry.role.session for entry in self.old}
        existing = Counter(sessions.values())
        removed = Counter(sessions[name] for name in self.removed)
        return any(count * ASK_ABOVE_ONE_IN > existing[session] for session, count in removed.items())


def _merged(
    there: Mapping[str, aws_config.Value], ours: Mapping[str, str] | None, wished: Mapping[str, str]
) -> tuple[dict[str, str | None], dict[str, str]]:
    """Say which keys to change (None: remove), and what we have now written; a person's values stay.

    `ours` is what we wrote last, None when that is not known: then a value is ours where it is what we wish.
    """
    known = wished if ours is None else ours
    changes: dict[str, str | None] = {}
    written: dict[str, str] = {}
    for key in {**known, **wished}:
        is_ours = key in known and there.get(key) == known[key]
        is_new = key not in there and (ours is None or key not in ours)
        if (is_ours or is_new) and there.get(key) != wished.get(key):
            changes[key] = wished.get(key)
        if key in wished:
            written[key] = wished[key] if is_ours or is_new else known.get(key, "")
    return changes, {key: value for key, value in written.items() if value}


# The diff


def unified_diff(before: bytes, after: bytes, name: str) -> str:
    """Give the change of a file as a unified diff; values of secret keys are masked, also in comments."""
    old, new = (list(_shown(data)) for data in (before, after))
    lines: list[str] = []
    for group in _Aligned(old, new).get_grouped_opcodes(3):
        first, last = group[0], group[-1]
        old_range = _range(first[1], last[2])
        new_range = _range(first[3], last[4])
        lines.append(f"@@ -{old_range} +{new_range} @@\n")
        for tag, old_start, old_end, new_start, new_end in group:
            if tag == "equal":
                lines += (" " + line for line in old[old_start:old_end])
                continue
            lines += ("-" + line for line in old[old_start:old_end])
            lines += ("+" + line for line in new[new_start:new_end])
    return "".join([f"--- {name}\n", f"+++ {name} (new)\n", *lines]) if lines else ""


def _range(start: int, end: int) -> str:
    length = end - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"


def _shown(data: bytes) -> Iterator[str]:
    key = ""
    for line in aws_config.lines_of(data):
        key = line.text if line.kind in ("header", "key") else key
        text = line.raw.rstrip(b"\r\n").decode("utf-8")
        if line.kind == "more" and _SECRET_KEY.search(key):
            text = "    ****"
        elif line.kind != "header" and _SECRET_KEY.search(text.partition("=")[0]):
            text = _VALUE.sub(" ****", text, count=1)
        yield text + ("\n" if line.raw.endswith((b"\n", b"\r")) else "\n\\ No newline at end of file\n")


class _Aligned(difflib.SequenceMatcher[str]):
    """Line matches in n log n: lines that occur once in both texts hold the rest together.

    difflib alone is quadratic here: twenty thousand profiles of which each changes one line take minutes.
    """

    def __init__(self, old: list[str], new: list[str]) -> None:
        super().__init__(None, old, new, autojunk=False)
        self._old, self._new = old, new

    def get_matching_blocks(self) -> list[difflib.Match]:
        """Give the matches from anchor to anchor, grown over equal neighbours."""
        matches: list[difflib.Match] = []
        old_done = new_done = 0
        for old_at, new_at in [*self._anchors(), (len(self._old), len(self._new))]:
            if old_at < old_done:
                continue
            start = 0
            while min(old_at - old_done, new_at - new_done) > start and (
                self._old[old_at - start - 1] == self._new[new_at - start - 1]
            ):
                start += 1
            size = self._run(old_at, new_at)
            matches.append(difflib.Match(old_at - start, new_at - start, start + size))
            old_done, new_done = old_at + size, new_at + size
        return matches

    def _run(self, old_at: int, new_at: int) -> int:
        size = 0
        longest = min(len(self._old) - old_at, len(self._new) - new_at)
        while size < longest and self._old[old_at + size] == self._new[new_at + size]:
            size += 1
        return size

    def _anchors(self) -> list[tuple[int, int]]:
        """Give the longest rising run of lines that are once in each text."""
        once_old, once_new = Counter(self._old), Counter(self._new)
        where = {line: at for at, line in enumerate(self._new) if once_new[line] == 1}
        pairs = [(at, where[line]) for at, line in enumerate(self._old) if once_old[line] == 1 and line in where]
        tails: list[int] = []
        ends: list[int] = []
        back: list[int] = []
        for index, (_, new_at) in enumerate(pairs):
            length = bisect_left(tails, new_at)
            tails[length : length + 1] = [new_at]
            ends[length : length + 1] = [index]
            back.append(ends[length - 1] if length else -1)
        rising: list[tuple[int, int]] = []
        index = ends[-1] if ends else -1
        while index >= 0:
            rising.append(pairs[index])
            index = back[index]
        return rising[::-1]

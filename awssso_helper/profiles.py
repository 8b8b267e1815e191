"""From what you can reach to named profiles: Inventory -> names -> Plan -> the new text of `~/.aws/config`.

Pure: the caller reads the files and the ledger, shows the plan and writes it. A name once handed out stays with its
role (PAINS 20), and what a person changed in a profile stays (PAINS 38).
"""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from awssso_helper import aws_config, config_diff, profile_names
from awssso_helper.errors import RefusedError, UsageError
from awssso_helper.ledger import Handed, Ledger
from awssso_helper.model import Account, Inventory, Profile, Role, is_account_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from awssso_helper.settings import ProfileRules

# A plan that takes away more than one in this many of a session's profiles asks first (CONTRACT).
ASK_ABOVE_ONE_IN = 5

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
_LONGEST_WORD = 512


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
    naming = profile_names.Naming(rules)
    wanted = _wanted(_found(inventories)[0], rules, naming)
    return profile_names.given(wanted, naming, ledger or Ledger(), in_block or {}, rename=True)


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


def _wanted(found: Mapping[Role, Account], rules: ProfileRules, naming: profile_names.Naming) -> dict[Role, Account]:
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
        return config_diff.unified_diff(self.before, self.after, self.name)


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
        self.naming = profile_names.Naming(rules)
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
        given = profile_names.given(self.wanted, self.naming, self.ledger, in_block, rename=rename)
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

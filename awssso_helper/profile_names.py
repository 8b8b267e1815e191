"""Which names a role may have, by the template, and which of them each gets: safe, unique, lasting (PAINS 20)."""

from __future__ import annotations

import hashlib
import re
import string
import unicodedata
from collections import Counter, defaultdict
from itertools import chain
from typing import TYPE_CHECKING

from awssso_helper import aws_config
from awssso_helper.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from awssso_helper.ledger import Ledger
    from awssso_helper.model import Account, Role
    from awssso_helper.settings import ProfileRules

_MAX_NAME = 64

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
_HASH_DIGITS = 10


class Naming:
    """The template: which names a role may have, the preferred first."""

    def __init__(self, rules: ProfileRules) -> None:
        self._parts = _template_parts(rules.template)
        self._fields = {name for _, name in self._parts if name}
        self._aliases = dict(rules.role_aliases)

    @property
    def names_accounts_by_name(self) -> bool:
        """Say whether two accounts of one name look the same in the template."""
        return "account_name" in self._fields and "account_id" not in self._fields

    def _alias(self, role: Role) -> str:
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
        alias = _slug(self._alias(role)) or _slug(role.name) or "role"
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
        surplus = len(text) - _MAX_NAME
        if surplus <= 0 or not dash or "account_name" not in self._fields or surplus >= len(name):
            return text
        return self._text({**values, "account_name": f"{name[:-surplus].rstrip('-.')}-{account_id}"}) + suffix


def given(
    wanted: Mapping[Role, Account], naming: Naming, ledger: Ledger, in_block: Mapping[str, Role], *, rename: bool
) -> dict[Role, str]:
    """Give every wanted role its name: unique without regard to case, and the one that it has where it may stay.

    `in_block` are the names in effect. With `rename` a name of ours that the template could not have given is replaced.
    """
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
    return f"{name[: _MAX_NAME - 1 - len(digest)]}-{digest}"


def _held(
    wanted: Mapping[Role, Account],
    naming: Naming,
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

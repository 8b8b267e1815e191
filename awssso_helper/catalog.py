"""What a person can choose: every role that was found, with its account, its profile and what is cached for it.

Read from memory and files only, no network and no keyring, so `list`, the picker and completions answer at once.
"""

from __future__ import annotations

import contextlib
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from awssso_helper import agent_client
from awssso_helper.errors import UsageError
from awssso_helper.matching import Patterns, fields_of
from awssso_helper.model import Account, Role, epoch_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from awssso_helper.chains import Chain
    from awssso_helper.discovery import Memory
    from awssso_helper.environment import Environment
    from awssso_helper.model import AccountRoles, SsoSession
    from awssso_helper.role_cache import Index
    from awssso_helper.settings import PickerRules, Settings
    from awssso_helper.shelf import Shelf

# An agent that hangs must not hold up what is shown; it answers in a millisecond.
_PATIENCE = 0.5


class Entry(NamedTuple):
    """One role; `profile` is empty where it has none, `expires_at` (epoch seconds) is 0 where nothing is cached.

    `region` is that of the profile, or empty. Of a chained profile `chain` is the way there, and `role` is the one at
    its end, in the session in which it begins: the portal has no credentials for it. `tags` are the user's own.
    """

    role: Role
    account: Account
    profile: str
    expires_at: int
    stale: bool
    tags: tuple[str, ...] = ()
    region: str = ""
    chain: Chain | None = None

    @property
    def via(self) -> str:
        """The profile that a chained one begins with, else empty."""
        return self.chain.source_profile if self.chain else ""

    def holds(self, words: Sequence[str]) -> bool:
        """Say whether all (case-folded) words occur."""
        account = self.account
        text = f"{account.name}\n{account.id}\n{account.email}\n{self.role.name}\n{self.profile}"
        text = "\n".join((text, *self.tags)).casefold()
        return all(word in text for word in words)


def entries(
    environment: Environment,
    settings: Settings,
    sessions: Sequence[SsoSession],
    memory: Memory,
    index: Index,
    *,
    shelf: Shelf,
    only: str | None = None,
) -> list[Entry]:
    """Join what was found last with the profiles as they stand in the config file, in the order of the names.

    Profiles that a person wrote are among them where they call us or are chained to one that does. `only` names the
    one session that is meant; None means all.
    """
    facts = agent_client.facts(environment, settings, _PATIENCE)
    held = {each["role"]: epoch_of(each["expires"]) for each in facts["roles"]}
    reached: dict[tuple[str, str], AccountRoles] = {}
    expirations: dict[Role, int] = {}
    for session in sessions:
        inventory = memory.recall(session.name)
        expirations |= _by_role(index.expirations(session.name) | held)
        reached |= {(session.name, known.account.id): known for known in (inventory.accounts if inventory else ())}
    named = sorted(_with_profile(shelf, reached, expirations, only), key=lambda entry: entry.profile.casefold())
    nameless = sorted(_without_profile(shelf, reached, expirations), key=lambda entry: entry.role)
    return _tagged(named + nameless, settings.picker.tags)


# For ten thousand profiles each step below is a hundredth of a second of the picker's start.


def _with_profile(
    shelf: Shelf, reached: Mapping[tuple[str, str], AccountRoles], expirations: Mapping[Role, int], only: str | None
) -> Iterator[Entry]:
    """Give the profiles: of roles that were found, of those that were not (a cache may be forgotten), and chained."""
    accounts = {known.account.id: known.account for known in reached.values()}
    for name, role, region in shelf.profiles:
        known = reached.get((role.session, role.account_id))
        if known is not None and role.name in known.roles:
            expires_at = expirations.get(role, 0) if expirations else 0
            yield Entry(role, known.account, name, expires_at, known.stale, (), region)
        elif only in (None, role.session):
            account = accounts.get(role.account_id) or Account(role.account_id, "")
            yield Entry(role, account, name, 0, False, (), region)
    for name, chain in shelf.chained.items():
        role = Role(chain.start.session, chain.end.account_id, chain.end.role_name)
        if only in (None, role.session):
            account = accounts.get(role.account_id) or Account(role.account_id, "")
            yield Entry(role, account, name, 0, False, (), chain.region, chain)


def _without_profile(
    shelf: Shelf, reached: Mapping[tuple[str, str], AccountRoles], expirations: Mapping[Role, int]
) -> Iterator[Entry]:
    """Give the roles that were found and have no profile."""
    named: dict[tuple[str, str], set[str]] = {}
    for _, role, _ in shelf.profiles:
        named.setdefault((role.session, role.account_id), set()).add(role.name)
    for (session, account_id), known in reached.items():
        for name in set(known.roles).difference(named.get((session, account_id), ())):
            role = Role(session, account_id, name)
            yield Entry(role, known.account, "", expirations.get(role, 0), known.stale)


def _by_role(expirations: Mapping[str, int]) -> dict[Role, int]:
    found = {}
    for word, end in expirations.items():
        with contextlib.suppress(UsageError):
            found[Role.from_word(word)] = end
    return found


def _tagged(entries: list[Entry], tags: Sequence[tuple[str, Sequence[str]]]) -> list[Entry]:
    if not tags:
        return entries
    patterns = [(name, Patterns(texts)) for name, texts in tags]
    return [
        entry._replace(tags=tuple(name for name, each in patterns if each.match(fields_of(entry).values())))
        for entry in entries
    ]


def is_production(rules: PickerRules) -> Callable[[Entry], bool]:
    """Give the judge of what the settings call production."""
    patterns = Patterns(rules.production)

    @lru_cache(maxsize=4096)
    def judge(entry: Entry) -> bool:
        account = entry.account
        return patterns.match((account.name, account.id, entry.role.name, entry.profile, *entry.tags))

    return judge

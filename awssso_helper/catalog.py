"""What a person can choose: every role that was found, with its account, its profile and what is cached for it.

Read from memory and files only, no network and no keyring, so `list`, the picker and completions answer at once.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from awssso_helper import agent_client
from awssso_helper.errors import UsageError
from awssso_helper.matching import Patterns, fields_of
from awssso_helper.model import Account, Role, epoch_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from awssso_helper.chains import Chain
    from awssso_helper.discovery import Memory
    from awssso_helper.environment import Environment
    from awssso_helper.model import SsoSession
    from awssso_helper.role_cache import Index
    from awssso_helper.settings import PickerRules, Settings
    from awssso_helper.shelf import Shelf

# An agent that hangs must not hold up what is shown; it answers in a millisecond.
_PATIENCE = 0.5


@dataclass(frozen=True, slots=True)
class Entry:
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
    profiles = _Profiles(shelf)
    facts = agent_client.facts(environment, settings, _PATIENCE)
    held = {each["role"]: epoch_of(each["expires"]) for each in facts["roles"]}
    accounts: dict[str, Account] = {}
    found: list[Entry] = []
    for session in sessions:
        inventory = memory.recall(session.name)
        expirations = _by_role(index.expirations(session.name) | held)
        for known in inventory.accounts if inventory else ():
            accounts[known.account.id] = known.account
            for name in known.roles:
                role = Role(session.name, known.account.id, name)
                expires_at = expirations.get(role, 0)
                found += [
                    Entry(role, known.account, profile, expires_at, known.stale, region=profiles.region(profile))
                    for profile in profiles.taken(role) or [""]
                ]
    found += [each for each in profiles.others(accounts) if only in (None, each.role.session)]
    found.sort(key=lambda entry: (entry.profile == "", entry.profile.casefold(), entry.role))
    return _tagged(found, settings.picker.tags)


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
        replace(entry, tags=tuple(name for name, each in patterns if each.match(fields_of(entry).values())))
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


class _Profiles:
    """The profiles of a config file that lead to roles."""

    def __init__(self, found: Shelf) -> None:
        self._chains = found.chained
        self._regions = {name: region for name, _, region in found.profiles if region}
        self._names: dict[Role, list[str]] = {}
        for name, role, _ in found.profiles:
            self._names.setdefault(role, []).append(name)

    def region(self, name: str) -> str:
        """Give the region that a profile sets, or an empty string."""
        return self._regions.get(name, "")

    def taken(self, role: Role) -> list[str]:
        """Give the names of a role's profiles, and do not give them again."""
        return self._names.pop(role, [])

    def others(self, accounts: Mapping[str, Account]) -> Iterator[Entry]:
        """Give the profiles whose role was not found (a cache may be forgotten, they still work), and the chained."""
        for role, names in self._names.items():
            for name in names:
                account = accounts.get(role.account_id, Account(role.account_id, ""))
                yield Entry(role, account, name, 0, stale=False, region=self.region(name))
        for name, chain in self._chains.items():
            end = chain.end
            role = Role(chain.start.session, end.account_id, end.role_name)
            account = accounts.get(end.account_id, Account(end.account_id, ""))
            yield Entry(role, account, name, 0, stale=False, region=chain.region, chain=chain)

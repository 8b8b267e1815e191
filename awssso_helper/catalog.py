"""What a person can choose: every role that was found, with its account, its profile and what is cached for it.

Read from memory and files only, no network and no keyring, so `list`, the picker and completions answer at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from awssso_helper import agent_client, files
from awssso_helper.model import Account, Role, epoch_of
from awssso_helper.profiles import generated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awssso_helper.discovery import Memory
    from awssso_helper.environment import Environment
    from awssso_helper.model import SsoSession
    from awssso_helper.role_cache import Index
    from awssso_helper.settings import Settings


@dataclass(frozen=True, slots=True)
class Entry:
    """One role; `profile` is empty where it has none, `expires_at` (epoch seconds) is 0 where nothing is cached."""

    role: Role
    account: Account
    profile: str
    expires_at: int
    stale: bool
    tags: tuple[str, ...] = ()

    def holds(self, words: Sequence[str]) -> bool:
        """Say whether all (case-folded) words occur."""
        account = self.account
        text = f"{account.name}\n{account.id}\n{account.email}\n{self.role.name}\n{self.profile}".casefold()
        return all(word in text for word in words)


def entries(
    environment: Environment,
    settings: Settings,
    sessions: Sequence[SsoSession],
    memory: Memory,
    index: Index,
    *,
    only: str | None = None,
) -> list[Entry]:
    """Join what was found last with the profiles as they stand in the config file, in the order of the names.

    `only` names the one session that is meant; None means all.

    Raises:
        RefusedError: the config file does not parse.
    """
    config_file = environment.aws_config_file
    text = files.read(config_file) or b""
    profiles = {each.role: each.name for each in generated(text, config_name=str(config_file))}
    held = {each["role"]: epoch_of(each["expires"]) for each in agent_client.facts(environment, settings)["roles"]}
    found: list[Entry] = []
    for session in sessions:
        inventory = memory.recall(session.name)
        expirations = index.expirations(session.name) | held
        for known in inventory.accounts if inventory else ():
            for name in known.roles:
                role = Role(session.name, known.account.id, name)
                expires_at = expirations.get(role.word(), 0)
                found.append(Entry(role, known.account, profiles.pop(role, ""), expires_at, known.stale))
    for role, name in profiles.items():
        # What was found may have been forgotten (a cache directory is), while the profile still works.
        if only in (None, role.session):
            found.append(Entry(role, Account(role.account_id, ""), name, 0, stale=False))
    return sorted(found, key=lambda entry: (entry.profile == "", entry.profile.casefold(), entry.role))

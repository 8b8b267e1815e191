"""From the portal to `~/.aws/config`: discover, plan, write, and say what changed.

The plan is pure (`profiles`); here are the files and locks around it. The text is planned again from what the file
holds at the moment of writing, so an edit made while a person read the question is not lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from awssso_helper import aws_config, backups, discovery, files, launcher, profiles
from awssso_helper.errors import after
from awssso_helper.ledger import Ledger
from awssso_helper.model import Deadline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awssso_helper.credentials import Credentials
    from awssso_helper.discovery import Changes, Discovery, Progress
    from awssso_helper.environment import Environment
    from awssso_helper.identity_center import IdentityCenter
    from awssso_helper.model import SsoSession
    from awssso_helper.settings import Settings

# An organisation of 5,000 accounts at 20 calls a second needs five minutes; whoever has more waits at most this long.
_DISCOVERY_SECONDS = 1800
_FILE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Found:
    """What one session's discovery brought, and how it differs from the last one; `is_first` when there was none."""

    discovery: Discovery
    changes: Changes
    is_first: bool


@dataclass(frozen=True, slots=True)
class Consent:
    """What a plan may do: remove profiles whose role is gone, rename them after a change of the template."""

    prune: bool
    rename: bool


class Sync:
    """The synchronisation of one user's profiles."""

    def __init__(
        self, environment: Environment, settings: Settings, credentials: Credentials, memory: discovery.Memory
    ) -> None:
        self._environment = environment
        self._settings = settings
        self._credentials = credentials
        self._memory = memory

    def found(
        self,
        session: SsoSession,
        service: IdentityCenter,
        progress: Progress,
        *,
        asks_all: bool = False,
        is_dry: bool = False,
    ) -> Found:
        """Discover a session's accounts and roles. A dry run writes nothing, not even how far it came.

        Raises:
            AwsssoError: see `discovery.discovered`.
        """
        known = self._memory.recall(session.name)
        found = discovery.discovered(
            session.name,
            credentials=self._credentials,
            service=service,
            known=known,
            progress=progress,
            deadline=Deadline(_DISCOVERY_SECONDS),
            journal=None if is_dry else self._memory.journal(session.name),
            asks_all=asks_all,
        )
        return Found(found, discovery.changes(known, found.inventory), is_first=known is None)

    def plan(self, founds: Sequence[Found], consent: Consent) -> profiles.Plan:
        """Plan the profiles of these discoveries against the files as they are now.

        Raises:
            RefusedError: the config file would not parse, before or after.
            UsageError: the rules in the settings are wrong.
        """
        return self._planned(files.read(self._environment.aws_config_file) or b"", founds, consent)

    def write(self, founds: Sequence[Found], consent: Consent) -> bool:
        """Write the plan of this moment, the ledger and what was found; False when the config file stays as it was.

        Raises:
            RefusedError, BusyError: nothing was changed.
            AwsssoError: the config file was written, what goes with it was not; the next sync makes that good.
        """
        deadline = Deadline(_FILE_SECONDS)
        config_file = self._environment.aws_config_file
        latest: list[profiles.Plan] = []

        def change(text: bytes) -> bytes:
            latest.append(self._planned(text, founds, consent))
            return latest[-1].after

        files.private_dir(self._environment.state_dir)
        # One writer at a time from the first read to the last write: the ledger must fit the block.
        with files.locked(self._environment.lock_dir / "profiles.lock", deadline):
            is_changed = files.amend(
                config_file,
                backups.keeping(self._environment, config_file, change),
                lock_dir=self._environment.lock_dir,
                deadline=deadline,
                is_shared=True,
            )
            with after(f"{config_file} is up to date"):
                ledger = latest[-1].ledger.to_json().encode()
                files.amend(
                    self._environment.ledger_file,
                    lambda _: ledger,
                    lock_dir=self._environment.lock_dir,
                    deadline=deadline,
                )
        with after(f"{config_file} is up to date"):
            for found in founds:
                inventory = found.discovery.inventory
                self._memory.remember(inventory, deadline)
                self._memory.journal(inventory.session).end()
        return is_changed

    def _planned(self, config_text: bytes, founds: Sequence[Found], consent: Consent) -> profiles.Plan:
        environment = self._environment
        return profiles.plan(
            config_text,
            files.read(environment.aws_credentials_file) or b"",
            [found.discovery.inventory for found in founds],
            rules=self._settings.profiles,
            launcher=aws_config.launcher_line(launcher.program(environment, self._settings)),
            ledger=Ledger.from_json(files.read(environment.ledger_file) or b""),
            prune=consent.prune,
            rename=consent.rename,
            config_name=str(environment.aws_config_file),
            credentials_name=str(environment.aws_credentials_file),
        )

"""Everything outside that a migration acts on: the two files, the keyring, the sign-in, STS, IAM, journal and clock.

`World` is what the steps need of it; `Here` is the real one. Nothing in this room decides anything.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING, Protocol

from awssso_helper import files, iam
from awssso_helper.errors import RefusedError
from awssso_helper.model import Deadline, Secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from awssso_helper.credentials import Credentials
    from awssso_helper.environment import Environment
    from awssso_helper.iam import Iam, Keys, KeyState, LastUse, Principal, Resolved
    from awssso_helper.identity_center import IdentityCenter
    from awssso_helper.migration.job import Job
    from awssso_helper.migration.journal import Journal
    from awssso_helper.model import Role
    from awssso_helper.store import Store

_FILE_SECONDS = 30
_KEYRING_SECONDS = 60
_AWS_SECONDS = 30


class Cloud(Protocol):
    """The signed calls that the steps make; `iam.Iam` makes them."""

    def principal(self, keys: Keys) -> Principal:
        """Say whose keys these are."""

    def assume(self, keys: Keys, role_arn: str, external_id: str) -> Keys:
        """Assume a role."""

    def key_state(self, keys: Keys, user: str, key_id: str) -> KeyState | None:
        """Give the state of a user's key."""

    def last_use(self, keys: Keys, key_id: str) -> LastUse:
        """Give the last use of a key, and its user."""

    def set_status(self, keys: Keys, user: str, key_id: str, status: str) -> None:
        """Make a key Active or Inactive."""

    def delete_key(self, keys: Keys, user: str, key_id: str) -> None:
        """Delete a key."""


class World(Protocol):
    """What the steps act on. Every call may fail with an AwsssoError, before or after it took effect."""

    @property
    def cloud(self) -> Cloud:
        """STS and IAM."""

    def name(self, *, config: bool) -> str:
        """Give the name of a file for messages."""

    def text(self, *, config: bool) -> bytes:
        """Read the config file or the credentials file; a missing one is empty."""

    def amend(self, change: Callable[[bytes], bytes], *, config: bool) -> None:
        """Replace one of them, whole or not at all."""

    def remove_if_blank(self) -> None:
        """Remove the credentials file where it holds nothing any more."""

    def vault_get(self, key_id: str) -> Secret | None:
        """Read what the keyring keeps of a key."""

    def vault_put(self, key_id: str, text: Secret) -> None:
        """Have the keyring keep it; it was read back when this returns."""

    def vault_delete(self, key_id: str) -> None:
        """Have the keyring forget it."""

    def save(self, job: Job) -> None:
        """Write the job's stage to the journal; it is on disk when this returns."""

    def saved(self, key_id: str) -> Job | None:
        """Read a key's job from the journal."""

    def role_keys(self, role: Role, region: str) -> Keys:
        """Get new credentials of a role from IAM Identity Center itself."""

    def process_keys(self, process: str, region: str) -> Keys:
        """Run a `credential_process` line as an SDK does."""

    def resolved(self, profile: str, region: str) -> Resolved:
        """Find what an SDK finds behind a profile."""

    def now(self) -> int:
        """Give the time in epoch seconds, never before the latest that the journal has seen."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


def vault_key(key_id: str) -> str:
    """Give the name of a key's item in the keyring; it says nothing to others on the bus."""
    return f"vault/{hashlib.sha256(key_id.encode()).hexdigest()[:32]}"


_INDEX = "vault/index"


class Here:
    """The world of this user.

    An item of the keyring lists the keys of which it keeps a copy, since a keyring cannot be asked what it has. It is
    written before a copy and after one is gone, so that it may name too many and never too few.
    """

    def __init__(
        self,
        environment: Environment,
        *,
        store: Store,
        credentials: Credentials,
        service: Callable[[str], IdentityCenter],
        cloud: Iam,
        journal: Journal,
    ) -> None:
        """Act on the files that `environment` names; `service` gives the Identity Center of a session by its name."""
        self._environment = environment
        self._store = store
        self._credentials = credentials
        self._service = service
        self._cloud = cloud
        self._journal = journal

    @property
    def cloud(self) -> Cloud:
        """STS and IAM."""
        return self._cloud

    def name(self, *, config: bool) -> str:
        """Give the path of a file."""
        return str(self._path(config=config))

    def text(self, *, config: bool) -> bytes:
        """Read one of the two files."""
        return files.read(self._path(config=config)) or b""

    def amend(self, change: Callable[[bytes], bytes], *, config: bool) -> None:
        """Replace one of them under its lock."""
        path = self._path(config=config)
        files.amend(path, change, lock_dir=self._environment.lock_dir, deadline=Deadline(_FILE_SECONDS))

    def remove_if_blank(self) -> None:
        """Remove the credentials file where it is blank; a symbolic link and what it names stay, empty."""
        path = self._path(config=False)
        files.remove_blank(path, lock_dir=self._environment.lock_dir, deadline=Deadline(_FILE_SECONDS))

    def vault_get(self, key_id: str) -> Secret | None:
        """Read from the keyring."""
        text = self._store.get(vault_key(key_id), Deadline(_KEYRING_SECONDS))
        return None if text is None else Secret(text)

    def vault_put(self, key_id: str, text: Secret) -> None:
        """Write to the keyring, which reads it back."""
        self._index({*self.vaulted(), key_id})
        self._store.put(vault_key(key_id), text.reveal(), Deadline(_KEYRING_SECONDS))

    def vault_delete(self, key_id: str) -> None:
        """Remove from the keyring."""
        self._store.delete(vault_key(key_id), Deadline(_KEYRING_SECONDS))
        self._index({*self.vaulted()} - {key_id})

    def vaulted(self) -> list[str]:
        """Name the keys of which the keyring may keep a copy; none where its list is damaged."""
        text = self._store.get(_INDEX, Deadline(_KEYRING_SECONDS))
        try:
            return [str(each) for each in json.loads(text)["keys"]] if text else []
        except (ValueError, KeyError, TypeError):
            return []

    def _index(self, keys: set[str]) -> None:
        if sorted(keys) == self.vaulted():
            return
        if keys:
            self._store.put(_INDEX, json.dumps({"version": 1, "keys": sorted(keys)}), Deadline(_KEYRING_SECONDS))
        else:
            self._store.delete(_INDEX, Deadline(_KEYRING_SECONDS))

    def save(self, job: Job) -> None:
        """Write to the journal."""
        self._journal.save(job)

    def saved(self, key_id: str) -> Job | None:
        """Read from the journal."""
        return self._journal.read().of_key(key_id)

    def role_keys(self, role: Role, region: str) -> Keys:
        """Ask the access portal; nothing that is cached will do."""
        deadline = Deadline(_AWS_SECONDS)
        service = self._service(role.session)
        given = self._credentials.with_token(
            role.session, lambda token: service.role_credentials(token, role, deadline), deadline
        )
        return iam.keys_of(given, region)

    def process_keys(self, process: str, region: str) -> Keys:
        """Run it with botocore's code."""
        return iam.process_keys(process, region)

    def resolved(self, profile: str, region: str) -> Resolved:
        """Ask botocore."""
        return iam.resolved(self._environment, profile, region)

    def now(self) -> int:
        """Ask the clock, and the journal what was the latest."""
        return self._journal.now()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def _path(self, *, config: bool) -> Path:
        return self._environment.aws_config_file if config else self._environment.aws_credentials_file


def demand_vault(store: Store, *, plain_is_fine: bool) -> None:
    """Refuse a keyring that would keep the retired keys in a plain file, where the settings do not ask for just that.

    Raises:
        RefusedError: it is one.
        KeyringError: there is none, or it does not work.
    """
    name = store.backend_name()
    is_plain = "plaintext" in name.casefold() or name.startswith("keyrings.alt.")
    if is_plain and not plain_is_fine:
        raise RefusedError(
            "your keyring is a plain file, so the copy that undo needs would lie in one, as the key does now",
            hint="use a keyring of the system; or accept it: plain_vault = True below [migrate] in the settings",
        )

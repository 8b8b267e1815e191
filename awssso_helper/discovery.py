"""The accounts and roles that a person reaches through one SSO session: found, remembered, compared.

The portal has no bulk call, so it is one ListAccountRoles for each account (PAINS 2), asked by a bounded pool
while further pages of accounts still come in. An account that does not answer keeps its last known roles.
"""

from __future__ import annotations

import hashlib
import json
import time
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from awssso_helper import files
from awssso_helper.errors import AwsssoError, KeyringError, LoginNeededError, UnauthorizedError
from awssso_helper.model import Account, AccountRoles, Deadline, Inventory, is_account_id

if TYPE_CHECKING:
    from pathlib import Path

    from awssso_helper.credentials import Credentials
    from awssso_helper.identity_center import IdentityCenter

WORKERS = 8
_CALL_SECONDS = 60.0


class Progress(Protocol):
    """Somebody who watches a discovery; called from one thread."""

    def accounts_found(self, count: int) -> None:
        """Hear how many accounts there are so far."""

    def account_done(self) -> None:
        """Hear that one more account has been asked."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a discovery found; `failures` are the accounts that could not be asked, each with the reason."""

    inventory: Inventory
    failures: tuple[tuple[Account, AwsssoError], ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between two inventories: pairs of account and role name. A whole account shows by its roles."""

    gained: tuple[tuple[Account, str], ...]
    lost: tuple[tuple[Account, str], ...]


def discovered(
    session: str,
    *,
    credentials: Credentials,
    service: IdentityCenter,
    known: Inventory | None,
    progress: Progress,
    deadline: Deadline,
) -> Discovery:
    """Ask the portal for every account and role of a session.

    Raises:
        LoginNeededError, KeyringError: nobody can be asked.
        NetworkError, ServiceError: the list of accounts could not be had, or no account answered.
    """

    def roles_of(account: Account) -> list[str]:
        limit = deadline.sooner(_CALL_SECONDS)
        return credentials.with_token(session, lambda token: service.roles(token, account.id, limit), limit)

    asked: dict[Future[list[str]], Account] = {}
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="awssso-discovery")
    try:
        for account in _accounts(session, credentials, service, deadline):
            asked[pool.submit(roles_of, account)] = account
            progress.accounts_found(len(asked))
        for _ in as_completed(asked):
            progress.account_done()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return _assembled(session, asked, known)


def _accounts(session: str, credentials: Credentials, service: IdentityCenter, deadline: Deadline) -> Any:
    seen: set[str] = set()
    for page in _pages(session, credentials, service, deadline):
        for account in page:
            if account.id not in seen:
                seen.add(account.id)
                yield account


def _pages(session: str, credentials: Credentials, service: IdentityCenter, deadline: Deadline) -> Any:
    """Give the pages; where the token dies between two of them, once more from the first, with a renewed one."""

    def begun() -> Any:
        limit = deadline.sooner(_CALL_SECONDS)
        return credentials.with_token(session, lambda token: _begun(service.accounts(token, deadline)), limit)

    try:
        yield from begun()
    except UnauthorizedError:
        yield from begun()


def _begun(pages: Any) -> Any:
    """Ask for the first page now, so that a refused token shows where it can still be renewed."""
    first: list[Account] = next(pages, [])

    def all_pages() -> Any:
        yield first
        yield from pages

    return all_pages()


def _assembled(session: str, asked: dict[Future[list[str]], Account], known: Inventory | None) -> Discovery:
    last_known = {entry.account.id: entry.roles for entry in known.accounts} if known else {}
    entries: list[AccountRoles] = []
    failures: list[tuple[Account, AwsssoError]] = []
    for future, account in asked.items():
        try:
            roles = tuple(sorted(set(future.result())))
            entries.append(AccountRoles(account, roles))
        except (LoginNeededError, KeyringError):
            raise
        except AwsssoError as error:
            failures.append((account, error))
            entries.append(AccountRoles(account, last_known.get(account.id, ()), stale=True))
    if failures and len(failures) == len(asked):
        raise failures[0][1]
    entries.sort(key=lambda entry: entry.account.id)
    failures.sort(key=lambda failure: failure[0].id)
    return Discovery(Inventory(session, int(time.time()), tuple(entries)), tuple(failures))


def changes(before: Inventory | None, after: Inventory) -> Changes:
    """Compare two inventories of one session; with none before, everything is gained."""
    old = _pairs(before) if before else {}
    new = _pairs(after)
    return Changes(
        gained=tuple(new[key] for key in sorted(new.keys() - old.keys())),
        lost=tuple(old[key] for key in sorted(old.keys() - new.keys())),
    )


def _pairs(inventory: Inventory) -> dict[tuple[str, str], tuple[Account, str]]:
    return {(entry.account.id, role): (entry.account, role) for entry in inventory.accounts for role in entry.roles}


# What is remembered, so that `list` needs no network


class Memory:
    """The last inventory of each session, in files that hold no secret."""

    def __init__(self, cache_dir: Path, lock_dir: Path) -> None:
        self._directory = cache_dir / "inventory"
        self._lock_dir = lock_dir

    def recall(self, session: str) -> Inventory | None:
        """Give the remembered inventory, or None when there is none or it cannot be read."""
        raw = files.read(self._file(session))
        if raw is None:
            return None
        try:
            inventory = _inventory(json.loads(raw))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None
        return inventory if inventory.session == session else None

    def remember(self, inventory: Inventory, deadline: Deadline) -> None:
        """Keep an inventory in the place of the last one."""
        files.private_dir(self._directory)
        text = json.dumps(_values(inventory), ensure_ascii=True)
        files.amend(
            self._file(inventory.session), lambda _before: text.encode(), lock_dir=self._lock_dir, deadline=deadline
        )

    def forget(self, session: str) -> None:
        """Drop what is remembered of a session."""
        self._file(session).unlink(missing_ok=True)

    def _file(self, session: str) -> Path:
        digest = hashlib.sha256(session.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return self._directory / f"{digest}.json"


def _values(inventory: Inventory) -> dict[str, Any]:
    return {
        "version": 1,
        "session": inventory.session,
        "found_at": inventory.found_at,
        "accounts": [
            {
                "id": entry.account.id,
                "name": entry.account.name,
                "email": entry.account.email,
                "roles": entry.roles,
                "stale": entry.stale,
            }
            for entry in inventory.accounts
        ],
    }


def _inventory(values: dict[str, Any]) -> Inventory:
    return Inventory(
        session=_text(values["session"]),
        found_at=int(values["found_at"]),
        accounts=tuple(_entry(each) for each in values["accounts"]),
    )


def _entry(values: dict[str, Any]) -> AccountRoles:
    if not is_account_id(values["id"]) or not isinstance(values["roles"], list):
        raise ValueError("this is not what was remembered")
    account = Account(values["id"], _text(values["name"]), _text(values["email"]))
    return AccountRoles(account, tuple(_text(role) for role in values["roles"]), stale=bool(values["stale"]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("this is not what was remembered")
    return value

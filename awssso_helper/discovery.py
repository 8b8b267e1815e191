"""The accounts and roles that a person reaches through one SSO session: found, remembered, compared.

The portal has no bulk call, so it is one ListAccountRoles for each account (PAINS 2), asked by a pool at the pace that
the service allows while further pages of accounts still come in. An account that does not answer keeps its last known
roles; what an interrupted discovery had found already is not asked again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from awssso_helper import files
from awssso_helper.errors import AwsssoError, KeyringError, LoginNeededError, UnauthorizedError
from awssso_helper.model import Account, AccountRoles, Deadline, Inventory, is_account_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from awssso_helper.credentials import Credentials
    from awssso_helper.identity_center import IdentityCenter

# The most calls at once; the pace decides how many it is.
WORKERS = 32
_CALL_SECONDS = 60.0
# Up to here everything is asked each time: that takes a few seconds.
SMALL = 100
# In a larger organisation the roles of an account are taken from memory while they are no older than this.
_SAME_DAY = 12 * 3600
# What an interrupted discovery found stays good for this long.
_RESUMABLE = 3600


class Progress(Protocol):
    """Somebody who watches a discovery; called from one thread."""

    def accounts_found(self, count: int) -> None:
        """Hear how many accounts there are so far."""

    def account_done(self) -> None:
        """Hear that one more account has been asked."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a discovery found.

    `failures` are the accounts that could not be asked, each with the reason; `reused` counts those whose roles were
    asked for not long ago and taken from memory.
    """

    inventory: Inventory
    failures: tuple[tuple[Account, AwsssoError], ...]
    reused: int = 0


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
    journal: Journal | None = None,
    asks_all: bool = False,
) -> Discovery:
    """Ask the portal for every account, and for the roles of those that are not known well enough.

    `known` is what was found last. The list of accounts is always asked for, so new and closed accounts show at
    once; in a large organisation an account that was asked within half a day is not asked again, unless `asks_all`.
    `journal` keeps what arrives, so that the next discovery goes on where this one was interrupted.

    Raises:
        LoginNeededError, KeyringError: nobody can be asked.
        NetworkError, ServiceError: the list of accounts could not be had, or no account answered.
    """

    def roles_of(account: Account) -> AccountRoles:
        limit = deadline.sooner(_CALL_SECONDS)
        roles = credentials.with_token(session, lambda token: service.roles(token, account.id, limit), limit)
        entry = AccountRoles(account, tuple(sorted(set(roles))), asked_at=int(time.time()))
        if journal is not None:
            journal.add(entry)
        return entry

    recent = {} if asks_all else _recent(known, journal)
    asked: dict[Future[AccountRoles], Account] = {}
    reused: list[AccountRoles] = []
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="awssso-discovery")
    try:
        for account in _accounts(session, credentials, service, deadline):
            if account.id in recent:
                reused.append(replace(recent[account.id], account=account))
            else:
                asked[pool.submit(roles_of, account)] = account
            progress.accounts_found(len(asked))
        for _ in as_completed(asked):
            progress.account_done()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return _assembled(session, asked, reused, known)


def _recent(known: Inventory | None, journal: Journal | None) -> dict[str, AccountRoles]:
    """Give the entries that need not be asked again, by account id."""
    entries = list(journal.entries(_RESUMABLE)) if journal else []
    if known is not None and len(known.accounts) > SMALL:
        oldest = time.time() - _SAME_DAY
        entries += [entry for entry in known.accounts if not entry.stale and oldest < entry.asked_at <= time.time()]
    by_id: dict[str, AccountRoles] = {}
    for entry in sorted(entries, key=lambda entry: entry.asked_at):
        by_id[entry.account.id] = entry
    return by_id


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


def _assembled(
    session: str, asked: dict[Future[AccountRoles], Account], reused: list[AccountRoles], known: Inventory | None
) -> Discovery:
    last_known = {entry.account.id: entry for entry in known.accounts} if known else {}
    entries = list(reused)
    failures: list[tuple[Account, AwsssoError]] = []
    for future, account in asked.items():
        try:
            entries.append(future.result())
        except (LoginNeededError, KeyringError):
            raise
        except AwsssoError as error:
            failures.append((account, error))
            last = last_known.get(account.id, AccountRoles(account, ()))
            entries.append(replace(last, account=account, stale=True))
    if failures and len(failures) == len(entries):
        raise failures[0][1]
    entries.sort(key=lambda entry: entry.account.id)
    failures.sort(key=lambda failure: failure[0].id)
    return Discovery(Inventory(session, int(time.time()), tuple(entries)), tuple(failures), len(reused))


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

    def distrust(self, session: str, deadline: Deadline) -> None:
        """Have everything of a session asked anew: after a sign-in it may be another person's."""
        self.journal(session).end()
        known = self.recall(session)
        if known is not None:
            entries = tuple(replace(entry, asked_at=0) for entry in known.accounts)
            self.remember(replace(known, accounts=entries), deadline)

    def journal(self, session: str) -> Journal:
        """Give the journal of a session's discovery."""
        files.private_dir(self._directory)
        return Journal(self._file(session).with_suffix(".journal"))

    def _file(self, session: str) -> Path:
        digest = hashlib.sha256(session.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return self._directory / f"{digest}.json"


class Journal:
    """What a discovery has found so far, a line for each account: it survives whatever interrupts the discovery."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def entries(self, no_older_than: float) -> Iterator[AccountRoles]:
        """Give what is written and no older than so many seconds; a line that was cut off is passed over."""
        now = time.time()
        for line in (files.read(self._path) or b"").splitlines():
            try:
                entry = _entry(json.loads(line))
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
            if now - no_older_than < entry.asked_at <= now:
                yield entry

    def add(self, entry: AccountRoles) -> None:
        """Note an account that answered. Safe for threads: a line is one write at the end of the file."""
        # The line break comes first: a line that was cut off by a crash takes no other with it.
        line = "\n" + json.dumps(_entry_values(entry), ensure_ascii=True) + "\n"
        with contextlib.suppress(OSError):
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            descriptor = os.open(self._path, flags, 0o600)
            try:
                os.write(descriptor, line.encode())
            finally:
                os.close(descriptor)

    def end(self) -> None:
        """Remove it: what it held is remembered."""
        with contextlib.suppress(OSError):
            self._path.unlink()


def _values(inventory: Inventory) -> dict[str, Any]:
    return {
        "version": 1,
        "session": inventory.session,
        "found_at": inventory.found_at,
        "accounts": [_entry_values(entry) for entry in inventory.accounts],
    }


def _entry_values(entry: AccountRoles) -> dict[str, Any]:
    return {
        "id": entry.account.id,
        "name": entry.account.name,
        "email": entry.account.email,
        "roles": entry.roles,
        "stale": entry.stale,
        "asked_at": entry.asked_at,
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
    roles = tuple(_text(role) for role in values["roles"])
    return AccountRoles(account, roles, stale=bool(values["stale"]), asked_at=int(values.get("asked_at", 0)))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("this is not what was remembered")
    return value

"""A valid access token, a valid set of role credentials: fetched once however many ask, kept in the credential store.

Locks across processes make the single flight; whoever waited looks again before it calls. A refresh token counts
as used up by one use, so the answer is stored before anything else happens (PROTOCOL 3.3, SECURITY C7, C8).
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from awssso_helper import files
from awssso_helper.errors import (
    AwsssoError,
    KeyringError,
    LoginNeededError,
    OAuthError,
    RefusedError,
    UnauthorizedError,
)
from awssso_helper.model import (
    Deadline,
    Registration,
    Role,
    RoleCredentials,
    Secret,
    SignIn,
    SsoSession,
    Token,
    epoch_of,
    utc_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from awssso_helper.environment import Environment
    from awssso_helper.identity_center import IdentityCenter
    from awssso_helper.settings import Settings
    from awssso_helper.store import Store

# An access token with less left than this is refreshed first; a call that starts now may take that long.
_TOKEN_MARGIN = 60
# The least that an answer must be good for to be worth giving (SECURITY C9).
_USABLE = 60
# What a refresh leaves of the deadline, so that its answer can still be stored.
_STORE_RESERVE = 1.0
_SESSION_IS_OVER = frozenset(
    {
        "InvalidGrantException",
        "InvalidClientException",
        "UnauthorizedClientException",
        "ExpiredTokenException",
        "AccessDeniedException",
    }
)
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class CachedDocument:
    """A `credential_process` document as the store keeps it; times are epoch seconds."""

    text: Secret
    fetched_at: int
    expires_at: int

    def left(self) -> float:
        """Seconds until these credentials expire; negative when they have."""
        return self.expires_at - time.time()


class Credentials:
    """The token's life and the role credentials' life, for every SSO session of one user."""

    def __init__(
        self,
        store: Store,
        *,
        state_dir: Path,
        lock_dir: Path,
        service: Callable[[SsoSession], IdentityCenter],
        minimum_left: int = 20 * 60,
    ) -> None:
        """Answer from `store`; `service` gives the endpoints of a session and is called only when AWS is asked.

        Credentials with less than `minimum_left` seconds are fetched anew (PROTOCOL 5.2).
        """
        self._store = store
        self._index_dir = state_dir / "credentials"
        self._lock_dir = lock_dir
        self._service = service
        self._minimum_left = minimum_left

    @classmethod
    def of_user(
        cls,
        environment: Environment,
        settings: Settings,
        store: Store,
        *,
        trace: Callable[[str], None] | None = None,
    ) -> Credentials:
        """Give the credentials of the user of this process, at the endpoints that AWS or variables name."""

        def service(session: SsoSession) -> IdentityCenter:
            from awssso_helper.identity_center import (  # noqa: PLC0415 - 70 ms that a cached answer never needs
                IdentityCenter,
            )

            endpoints = environment.endpoints(
                session.region, session.start_url, trusted_hosts=settings.trusted_endpoint_hosts
            )
            return IdentityCenter(environment, endpoints, trace=trace)

        return cls(
            store,
            state_dir=environment.state_dir,
            lock_dir=environment.lock_dir,
            service=service,
            minimum_left=settings.minimum_left,
        )

    # Sign-ins

    def sign_in_of(self, session: str, deadline: Deadline) -> SignIn | None:
        """Give what the store holds for a session, or None when there is nothing or nothing readable.

        Raises:
            KeyringError: the store cannot be read. That is never "nothing".
        """
        text = self._store.get(_session_key(session), deadline)
        return None if text is None else _sign_in(text)

    def keep(self, sign_in: SignIn, deadline: Deadline) -> None:
        """Store a sign-in, under the session's lock and read back."""
        with self._locked(_session_key(sign_in.session.name), deadline):
            self._put(sign_in, deadline)

    def end(self, session: str, deadline: Deadline) -> AwsssoError | None:
        """Forget a session here, then end it at AWS; gives the reason when AWS could not be told.

        Raises:
            KeyringError: it could not be removed from the store.
        """
        with self._locked(_session_key(session), deadline):
            sign_in = self.sign_in_of(session, deadline)
            self._store.delete(_session_key(session), deadline)
        self.forget_roles(session, deadline)
        if sign_in is None or sign_in.token is None:
            return None
        try:
            self._end_at_aws(sign_in.session, sign_in.token, deadline)
        except UnauthorizedError:
            return None
        except AwsssoError as error:
            return None if _ends_the_session(error) else error
        return None

    def _end_at_aws(self, session: SsoSession, token: Token, deadline: Deadline) -> None:
        service = self._service(session)
        if not _is_good(token) and token.refresh_token is not None:
            token = service.refresh(token, deadline)
        service.logout(token.access_token, deadline)

    # Access tokens

    def with_token(self, session: str, call: Callable[[Secret], _Answer], deadline: Deadline) -> _Answer:
        """Do a call with a valid access token; a 401 leads to one refresh and one more try.

        Raises:
            LoginNeededError: there is no token that AWS takes.
        """
        token = self.access_token(session, deadline)
        try:
            return call(token.access_token)
        except UnauthorizedError:
            token = self.access_token(session, deadline, refused=token.access_token)
        try:
            return call(token.access_token)
        except UnauthorizedError as error:
            self._mark_rejected(session, token, deadline)
            raise _login_needed(session, "is not accepted by AWS any more") from error

    def access_token(self, session: str, deadline: Deadline, *, refused: Secret | None = None) -> Token:
        """Give an access token that is good for a minute or more, refreshed at most once across all processes.

        `refused` is a token that AWS just answered with 401: it is not given again.

        Raises:
            LoginNeededError: nobody signed in, or the session is over. Known without a call once it was seen.
        """
        token = self._token_of(session, deadline)
        if _is_good(token) and token.access_token != refused:
            return token
        if token.refresh_token is None and refused is None:
            raise _login_needed(session, "has expired")
        with self._locked(_session_key(session), deadline):
            sign_in = self._usable_sign_in(session, deadline)
            token = self._token_of(session, deadline, sign_in)
            if _is_good(token) and token.access_token != refused:
                return token
            return self._refreshed(sign_in, token, deadline, refused=refused)

    def _refreshed(self, sign_in: SignIn, token: Token, deadline: Deadline, *, refused: Secret | None) -> Token:
        session = sign_in.session
        if token.refresh_token is None:
            self._put(replace(sign_in, rejected=True), deadline)
            raise _login_needed(session.name, "is not accepted by AWS any more")
        try:
            renewed = self._service(session).refresh(token, deadline.sooner(deadline.remaining() - _STORE_RESERVE))
        except AwsssoError as error:
            if _ends_the_session(error):
                self._put(replace(sign_in, rejected=True), deadline)
                raise _login_needed(session.name, "has ended") from error
            if token.expires_at > time.time() and token.access_token != refused:
                return token
            raise
        self._put(replace(sign_in, token=renewed), Deadline(max(_STORE_RESERVE, deadline.remaining())))
        return renewed

    def _token_of(self, session: str, deadline: Deadline, sign_in: SignIn | None = None) -> Token:
        token = (sign_in or self._usable_sign_in(session, deadline)).token
        if token is None:
            raise _login_needed(session, "is not signed in")
        return token

    def _usable_sign_in(self, session: str, deadline: Deadline) -> SignIn:
        sign_in = self.sign_in_of(session, deadline)
        if sign_in is None:
            raise _login_needed(session, "is not signed in")
        if sign_in.rejected:
            raise _login_needed(session, "has ended")
        return sign_in

    def _mark_rejected(self, session: str, token: Token, deadline: Deadline) -> None:
        with self._locked(_session_key(session), deadline):
            sign_in = self.sign_in_of(session, deadline)
            if sign_in is not None and sign_in.token == token:
                self._put(replace(sign_in, rejected=True), deadline)

    # Role credentials

    def document(self, role: Role, deadline: Deadline, *, standby: Callable[[Secret], None] | None = None) -> Secret:
        """Give the `credential_process` document of a role: one line of JSON (CONTRACT).

        A cached one serves while enough time is left, and where a fetch fails, while it is valid at all. `standby`
        hears such a valid one before the fetch begins, for a caller that cannot wait for its end.

        Raises:
            LoginNeededError, AccessDeniedError, NetworkError, ServiceError, KeyringError, BusyError.
        """
        cached = self.cached(role, deadline)
        if cached is not None and self._is_fresh(cached):
            return cached.text
        usable = cached.text if cached is not None and cached.left() >= _USABLE else None
        if usable is not None and standby is not None:
            standby(usable)
        try:
            return self._single_flight(role, deadline)
        except AwsssoError:
            if usable is None:
                raise
            return usable

    def cached(self, role: Role, deadline: Deadline) -> CachedDocument | None:
        """Give the document in the store, fresh or not, or None; what cannot be read is None."""
        text = self._store.get(_role_key(role), deadline)
        return None if text is None else _cached_document(text, role)

    def expirations(self, session: str) -> dict[str, int]:
        """Give when the cached credentials of each role expire: `Role.word` to epoch seconds. Needs no keyring."""
        raw = files.read(self._index_file(session))
        try:
            index = json.loads(raw or b"{}")
        except ValueError:
            return {}
        return {word: end for word, end in index.items() if isinstance(end, int)} if isinstance(index, dict) else {}

    def _single_flight(self, role: Role, deadline: Deadline) -> Secret:
        with self._locked(_role_key(role), deadline):
            cached = self.cached(role, deadline)
            if cached is not None and self._is_fresh(cached):
                return cached.text
            return self._fetched(role, deadline)

    def _fetched(self, role: Role, deadline: Deadline) -> Secret:
        session = self._usable_sign_in(role.session, deadline).session
        service = self._service(session)
        given = self.with_token(role.session, lambda token: service.role_credentials(token, role, deadline), deadline)
        if given.expires_at - time.time() < _USABLE:
            raise RefusedError(
                "the credentials that AWS just gave look expired: this machine's clock is ahead",
                hint="set the clock, for example: sudo timedatectl set-ntp true",
            )
        text = _document(given)
        try:
            self._remember(role, text, given.expires_at, deadline)
        except KeyringError:
            # The caller has what it asked for; only the next call is slower for it.
            return text
        return text

    def _remember(self, role: Role, text: Secret, expires_at: int, deadline: Deadline) -> None:
        # The index first: whatever is in the store is then known to `end`.
        self._amend_index(role.session, deadline, {role.word(): expires_at})
        self._store.put(_role_key(role), f"{int(time.time())} {text.reveal()}", deadline)

    def _is_fresh(self, cached: CachedDocument) -> bool:
        half_life = (cached.expires_at - cached.fetched_at) / 2
        return cached.left() > max(_USABLE, min(self._minimum_left, half_life))

    def forget_roles(self, session: str, deadline: Deadline) -> None:
        """Drop the cached role credentials of a session: after a sign-in they may be another person's."""
        for word in self.expirations(session):
            self._store.delete(_role_key(Role.from_word(word)), deadline)
        self._amend_index(session, deadline, None)

    # Files

    def _locked(self, key: str, deadline: Deadline) -> Any:
        return files.locked(self._lock_dir / f"{key}.lock", deadline)

    def _index_file(self, session: str) -> Path:
        return self._index_dir / f"{_session_key(session)}.json"

    def _amend_index(self, session: str, deadline: Deadline, additions: dict[str, int] | None) -> None:
        """Add roles to the index of a session; None empties it. What expired leaves it on the way."""

        def change(_before: bytes) -> bytes:
            known = {} if additions is None else self.expirations(session)
            kept = {word: end for word, end in known.items() if end > time.time()}
            return json.dumps({**kept, **(additions or {})}, sort_keys=True).encode()

        files.private_dir(self._index_dir)
        files.amend(self._index_file(session), change, lock_dir=self._lock_dir, deadline=deadline)

    def _put(self, sign_in: SignIn, deadline: Deadline) -> None:
        self._store.put(_session_key(sign_in.session.name), _sign_in_text(sign_in), deadline)


def _session_key(session: str) -> str:
    return f"session-{_digest(session)}"


def _role_key(role: Role) -> str:
    return f"role-{_digest(role.word())}"


def _digest(text: str) -> str:
    """Keep names out of keyring attributes and file names, where strangers' names do not belong (SECURITY D8)."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _is_good(token: Token) -> bool:
    return token.expires_at - time.time() >= _TOKEN_MARGIN


def _ends_the_session(error: AwsssoError) -> bool:
    return isinstance(error, OAuthError) and error.code in _SESSION_IS_OVER


def _login_needed(session: str, words: str) -> LoginNeededError:
    name = session if session.isascii() and session.isprintable() else ascii(session)
    return LoginNeededError(f'SSO session "{name}" {words}', hint=f"awssso login -S {name}")


# What is in the store


def _document(given: RoleCredentials) -> Secret:
    return Secret(
        json.dumps(
            {
                "Version": 1,
                "AccessKeyId": given.access_key_id,
                "SecretAccessKey": given.secret_access_key.reveal(),
                "SessionToken": given.session_token.reveal(),
                "Expiration": utc_text(given.expires_at),
                "AccountId": given.account_id,
            }
        )
    )


def _cached_document(text: str, role: Role) -> CachedDocument | None:
    fetched_at, _, document = text.partition(" ")
    try:
        values = json.loads(document)
        if values["Version"] != 1 or values["AccountId"] != role.account_id:
            return None
        return CachedDocument(Secret(document), int(fetched_at), epoch_of(values["Expiration"]))
    except (ValueError, KeyError, TypeError):
        return None


def _sign_in_text(sign_in: SignIn) -> str:
    token = sign_in.token
    return json.dumps(
        {
            "version": 1,
            "session": {
                "name": sign_in.session.name,
                "start_url": sign_in.session.start_url,
                "region": sign_in.session.region,
                "scopes": sign_in.session.scopes,
            },
            "token": token
            and {
                "access_token": token.access_token.reveal(),
                "expires_at": token.expires_at,
                "refresh_token": token.refresh_token and token.refresh_token.reveal(),
                "registration": _registration_values(token.registration),
            },
            "registrations": [_registration_values(each) for each in sign_in.registrations],
            "rejected": sign_in.rejected,
        }
    )


def _registration_values(registration: Registration) -> dict[str, Any]:
    return {
        "client_id": registration.client_id,
        "client_secret": registration.client_secret.reveal(),
        "expires_at": registration.expires_at,
        "grant": registration.grant,
        "scopes": registration.scopes,
    }


def _sign_in(text: str) -> SignIn | None:
    try:
        values = json.loads(text)
        session = values["session"]
        token = values["token"]
        return SignIn(
            session=SsoSession(session["name"], session["start_url"], session["region"], tuple(session["scopes"])),
            token=token and _token(token),
            registrations=tuple(_registration(each) for each in values["registrations"]),
            rejected=bool(values["rejected"]),
        )
    except (ValueError, KeyError, TypeError):
        # Cut off, of a later version or somebody else's: a login replaces it.
        return None


def _token(values: dict[str, Any]) -> Token:
    refresh_token = values["refresh_token"]
    return Token(
        access_token=Secret(values["access_token"]),
        expires_at=int(values["expires_at"]),
        refresh_token=refresh_token and Secret(refresh_token),
        registration=_registration(values["registration"]),
    )


def _registration(values: dict[str, Any]) -> Registration:
    return Registration(
        client_id=values["client_id"],
        client_secret=Secret(values["client_secret"]),
        expires_at=int(values["expires_at"]),
        grant=values["grant"],
        scopes=tuple(values["scopes"]),
    )

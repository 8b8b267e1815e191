"""A valid access token, a valid set of role credentials: fetched once however many ask, kept in the credential store.

Locks across processes make the single flight; whoever waited looks again before it calls. A refresh token counts
as used up by one use, so the answer is stored before anything else happens (PROTOCOL 3.3, SECURITY C7, C8).
"""

from __future__ import annotations

import functools
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from awssso_helper import detached, files
from awssso_helper.errors import (
    AwsssoError,
    KeyringError,
    LoginNeededError,
    NetworkError,
    OAuthError,
    RefusedError,
    UnauthorizedError,
    after,
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
    utc_text,
)
from awssso_helper.role_cache import CachedDocument, KeyringCache, role_key, session_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from awssso_helper.environment import Environment
    from awssso_helper.identity_center import IdentityCenter
    from awssso_helper.role_cache import RoleCache
    from awssso_helper.settings import Settings
    from awssso_helper.store import Store

# An access token with less left than this is refreshed first; a call that starts now may take that long.
_TOKEN_MARGIN = 60
# Ahead of time it is refreshed with this much left.
_TOKEN_AHEAD = 600
# The least that an answer must be good for to be worth giving (SECURITY C9).
_USABLE = 60
# What a refresh leaves of the deadline, so that its answer can still be stored.
_STORE_RESERVE = 1.0
# So long a process that stays waits for the answer to a refresh, whoever asked: it is the session (SECURITY C8).
_REFRESH_SECONDS = 15.0
# How long AWS may take to hear of a logout: what is ours is gone by then, and a person waits.
_GOODBYE = 8.0
# Idle connections that are kept for the next call.
_CONNECTIONS = 8
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


class Credentials:
    """The token's life and the role credentials' life, for every SSO session of one user."""

    def __init__(
        self,
        store: Store,
        cache: RoleCache,
        *,
        lock_dir: Path,
        service: Callable[[SsoSession], IdentityCenter],
        apart: Callable[[str, files.Hold, Deadline], bool] | None = None,
        minimum_left: int = 20 * 60,
    ) -> None:
        """Take tokens from `store`, keep role credentials in `cache`; `service` is asked for only to call AWS.

        Credentials with less than `minimum_left` seconds are fetched anew (PROTOCOL 5.2). `apart` is for a process that
        may end at any moment: it has `renew_for` done in one that outlives it, and says whether that came to an end.
        """
        self._store = store
        self._cache = cache
        self._lock_dir = lock_dir
        self._service = service
        self._apart = apart
        self._minimum_left = minimum_left
        # Usable sign-ins as last read: one keyring read serves the thousands of calls of a discovery. Whoever
        # holds a session's lock reads anew.
        self._remembered: dict[str, SignIn] = {}
        # By session: what the store held, and what it should hold, where it did not answer when that was written.
        self._unsaved: dict[str, tuple[SignIn, SignIn]] = {}

    @classmethod
    def of_user(
        cls,
        environment: Environment,
        settings: Settings,
        store: Store,
        *,
        cache: RoleCache | None = None,
        trace: Callable[[str], None] | None = None,
        stays: bool = False,
    ) -> Credentials:
        """Give the credentials of this process's user, at the endpoints that AWS or variables name.

        Without a `cache` the store keeps role credentials too. A process that `stays` refreshes tokens by itself, and
        ends when what came of it is stored; any other has it done in one that outlives it (`renewal`).
        """

        # One for each session, so that calls share its connections.
        @functools.cache
        def service(session: SsoSession) -> IdentityCenter:
            from awssso_helper.identity_center import (  # noqa: PLC0415 - 70 ms that a cached answer never needs
                IdentityCenter,
            )

            endpoints = environment.endpoints(
                session.region, session.start_url, trusted_hosts=settings.trusted_endpoint_hosts
            )
            return IdentityCenter(environment, endpoints, connections=_CONNECTIONS, trace=trace)

        return cls(
            store,
            cache or KeyringCache(store, state_dir=environment.state_dir, lock_dir=environment.lock_dir),
            lock_dir=environment.lock_dir,
            service=service,
            apart=functools.partial(_renewed_apart, environment, trace)
            if detached.can_be_here() and not stays
            else None,
            minimum_left=settings.minimum_left,
        )

    # Sign-ins

    def sign_in_of(self, session: str, deadline: Deadline) -> SignIn | None:
        """Give what the store holds for a session, or None when there is nothing or nothing readable.

        Raises:
            KeyringError: the store cannot be read. That is never "nothing".
        """
        text = self._store.get(session_key(session), deadline)
        sign_in = None if text is None else _sign_in(text)
        self._remembered.pop(session, None)
        if sign_in is not None and sign_in.token is not None and not sign_in.rejected:
            self._remembered[session] = sign_in
        return sign_in

    def keep(self, sign_in: SignIn, deadline: Deadline) -> None:
        """Store a sign-in, under the session's lock and read back."""
        with self._locked(session_key(sign_in.session.name), deadline):
            self._put(sign_in, deadline)

    def end(self, session: str, deadline: Deadline) -> AwsssoError | None:
        """Forget a session here, then end it at AWS; gives the reason when AWS could not be told.

        Raises:
            KeyringError: it could not be removed from the store.
        """
        with self._locked(session_key(session), deadline):
            sign_in = self.sign_in_of(session, deadline)
            self._store.delete(session_key(session), deadline)
        try:
            with after("you are signed out"):
                self._cache.forget(session, deadline)
        finally:
            # Whatever stands in the way here, there the session ends.
            untold = self._ended_at_aws(sign_in, deadline)
        return untold

    def _ended_at_aws(self, sign_in: SignIn | None, deadline: Deadline) -> AwsssoError | None:
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
        deadline = deadline.sooner(_GOODBYE)
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

    def access_token(
        self, session: str, deadline: Deadline, *, refused: Secret | None = None, margin: float = _TOKEN_MARGIN
    ) -> Token:
        """Give an access token that is good for `margin` seconds, refreshed at most once across all processes.

        `refused` is a token that AWS just answered with 401: it is not given again.

        Raises:
            LoginNeededError: nobody signed in, or the session is over. Known without a call once it was seen.
        """
        remembered = self._remembered.get(session)
        if remembered is None or not _is_good(_token_of(remembered), margin):
            # Another process may have refreshed it, or signed in anew.
            remembered = self._usable_sign_in(session, deadline)
        token = _token_of(remembered)
        if _is_good(token, margin) and token.access_token != refused:
            return token
        if token.refresh_token is None and refused is None:
            if _is_good(token):
                return token
            raise _login_needed(session, "has expired")
        with self._locked(session_key(session), deadline) as hold:
            sign_in = self._saved_sign_in(session, deadline)
            token = _token_of(sign_in)
            if _is_good(token, margin) and token.access_token != refused:
                return token
            if token.refresh_token is None:
                self._put(replace(sign_in, rejected=True), deadline)
                raise _login_needed(session, "is not accepted by AWS any more")
            try:
                return self._renewed(sign_in, hold, deadline)
            except (LoginNeededError, KeyringError):
                raise
            except AwsssoError:
                if token.expires_at > time.time() and token.access_token != refused:
                    return token
                raise

    def _renewed(self, sign_in: SignIn, hold: files.Hold, deadline: Deadline) -> Token:
        """Refresh and store, here or in a process that outlives this one."""
        if self._apart is None:
            return self._renew(sign_in, deadline)
        is_done = self._apart(_sign_in_text(sign_in), hold, deadline)
        stored = self._usable_sign_in(sign_in.session.name, deadline)
        # Where there is no other process to be had, or it was killed, it is our turn.
        return _token_of(stored) if is_done or stored != sign_in else self._renew(sign_in, deadline)

    def _renew(self, sign_in: SignIn, deadline: Deadline) -> Token:
        session = sign_in.session
        sooner = deadline.sooner(deadline.remaining() - _STORE_RESERVE)
        later = Deadline(max(_REFRESH_SECONDS, sooner.remaining())) if self._apart is None else sooner
        try:
            renewed = self._service(session).refresh(_token_of(sign_in), sooner, reply_deadline=later)
        except AwsssoError as error:
            if _ends_the_session(error):
                self._put(replace(sign_in, rejected=True), deadline)
                raise _login_needed(session.name, "has ended") from error
            raise
        self._save(sign_in, replace(sign_in, token=renewed), Deadline(max(_STORE_RESERVE, deadline.remaining())))
        return renewed

    def renew_for(self, sign_in: str, deadline: Deadline) -> None:
        """Refresh what another process of ours has read from the store, and left us with the session's lock; store it.

        Raises:
            AwsssoError: as for `access_token`. What came of it may not be stored yet: see `store_late`.
            ValueError: it was cut off.
        """
        read = _sign_in(sign_in)
        if read is None:
            raise ValueError("that is no sign-in")
        self._renew(read, deadline)

    def store_late(self, deadline: Deadline) -> bool:
        """Store what the store did not take when it was renewed; says whether nothing is left of that."""
        for session in list(self._unsaved):
            try:
                self._saved_sign_in(session, deadline)
            except LoginNeededError:
                # Signed out, or somebody damaged it: nothing to renew any more.
                self._unsaved.pop(session, None)
            except AwsssoError:
                return False
        return True

    def _saved_sign_in(self, session: str, deadline: Deadline) -> SignIn:
        """Give what the store holds, once what came of an earlier refresh is there too."""
        sign_in = self._usable_sign_in(session, deadline)
        before, after = self._unsaved.pop(session, (None, sign_in))
        if sign_in != before:
            return sign_in
        self._save(sign_in, after, deadline)
        return after

    def _save(self, before: SignIn, after: SignIn, deadline: Deadline) -> None:
        """Store what a refresh token was used up for; where the store does not answer, the next call does."""
        try:
            self._put(after, deadline)
        except AwsssoError:
            self._unsaved[before.session.name] = before, after
            raise

    def _usable_sign_in(self, session: str, deadline: Deadline) -> SignIn:
        sign_in = self.sign_in_of(session, deadline)
        if sign_in is None or sign_in.token is None:
            raise _login_needed(session, "is not signed in")
        if sign_in.rejected:
            raise _login_needed(session, "has ended")
        return sign_in

    def _mark_rejected(self, session: str, token: Token, deadline: Deadline) -> None:
        with self._locked(session_key(session), deadline):
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
        cached = self._cache.get(role, deadline)
        if cached is not None and self.is_fresh(cached):
            return cached.text
        usable = cached.text if cached is not None and self.is_usable(cached) else None
        if usable is not None and standby is not None:
            standby(usable)
        try:
            return self._single_flight(role, deadline)
        except AwsssoError:
            if usable is None:
                raise
            return usable

    def renew(self, role: Role, deadline: Deadline) -> None:
        """Fetch credentials that are still good anew, ahead of time.

        Raises:
            AwsssoError: as for `document`; what is cached stays.
        """
        with self._locked(role_key(role), deadline):
            self._fetched(role, deadline)

    def renew_token(self, session: str, deadline: Deadline) -> None:
        """Refresh an access token that ends soon, ahead of time.

        Raises:
            AwsssoError: as for `access_token`; the token stays in use while it is good.
        """
        self.access_token(session, deadline, margin=_TOKEN_AHEAD)

    def token_ends_soon(self, session: str) -> bool:
        """Say whether the access token used last can and should be renewed. Asks neither store nor AWS."""
        sign_in = self._remembered.get(session)
        if sign_in is None or sign_in.token is None or sign_in.token.refresh_token is None:
            return False
        return not _is_good(sign_in.token, _TOKEN_AHEAD)

    def _single_flight(self, role: Role, deadline: Deadline) -> Secret:
        with self._locked(role_key(role), deadline):
            cached = self._cache.get(role, deadline)
            if cached is not None and self.is_fresh(cached):
                return cached.text
            return self._fetched(role, deadline)

    def _fetched(self, role: Role, deadline: Deadline) -> Secret:
        sign_in = self._remembered.get(role.session) or self._usable_sign_in(role.session, deadline)
        service = self._service(sign_in.session)
        given = self.with_token(role.session, lambda token: service.role_credentials(token, role, deadline), deadline)
        if given.expires_at - time.time() < _USABLE:
            raise RefusedError(
                "the credentials that AWS just gave look expired: this machine's clock is ahead",
                hint="set the clock, for example: sudo timedatectl set-ntp true",
            )
        document = CachedDocument(_document(given), int(time.time()), given.expires_at)
        try:
            self._cache.put(role, document, deadline)
        except KeyringError:
            # The caller has what it asked for; only the next call is slower for it.
            return document.text
        return document.text

    def is_fresh(self, cached: CachedDocument, *, ahead: float = 0.0) -> bool:
        """Say whether a cached document is good enough to be given without asking AWS, also `ahead` seconds later."""
        life = cached.expires_at - cached.fetched_at
        # Of a short life a part: else it would be renewed all the time.
        return cached.left() - min(ahead, life / 10) > max(_USABLE, min(self._minimum_left, life / 2))

    def is_usable(self, cached: CachedDocument) -> bool:
        """Say whether a cached document may be given where no better one can be had (SECURITY C9)."""
        return cached.left() >= _USABLE

    def forget_roles(self, session: str, deadline: Deadline) -> None:
        """Drop the cached role credentials of a session: after a sign-in they may be another person's."""
        self._cache.forget(session, deadline)

    # Files

    def _locked(self, key: str, deadline: Deadline) -> Any:
        return files.locked(self._lock_dir / f"{key}.lock", deadline)

    def _put(self, sign_in: SignIn, deadline: Deadline) -> None:
        self._remembered.pop(sign_in.session.name, None)
        self._store.put(session_key(sign_in.session.name), _sign_in_text(sign_in), deadline)


def _token_of(sign_in: SignIn) -> Token:
    if sign_in.token is None:
        raise _login_needed(sign_in.session.name, "is not signed in")
    return sign_in.token


def _is_good(token: Token, margin: float = _TOKEN_MARGIN) -> bool:
    return token.expires_at - time.time() >= margin


def _ends_the_session(error: AwsssoError) -> bool:
    return isinstance(error, OAuthError) and error.code in _SESSION_IS_OVER


def _login_needed(session: str, words: str) -> LoginNeededError:
    name = session if session.isascii() and session.isprintable() else ascii(session)
    return LoginNeededError(f'SSO session "{name}" {words}', hint=f"awssso login -S {name}")


def _renewed_apart(
    environment: Environment,
    trace: Callable[[str], None] | None,
    sign_in: str,
    hold: files.Hold,
    deadline: Deadline,
) -> bool:
    """Have `renewal` refresh and store, and say whether it came to an end.

    Raises:
        AwsssoError: what came of it; it goes on where that is "not in time".
    """
    from awssso_helper.errand import Errand  # noqa: PLC0415 - once an hour

    try:
        errand = Errand(environment, "renewal", {"sign_in": sign_in, "seconds": deadline.remaining()}, hold)
    except OSError:
        return False
    from awssso_helper import identity_center  # noqa: F401, PLC0415 - meanwhile, for what comes next

    try:
        return errand.outcome(deadline, trace)
    except TimeoutError as error:
        raise NetworkError("AWS did not answer to the refresh in time", hint="awssso status") from error


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
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
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

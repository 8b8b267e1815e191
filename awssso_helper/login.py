"""Signing in: a person approves in a browser, and we hold a token.

PKCE with a callback on loopback where a browser can reach it, the device code where none can. What is told to the
person goes through a `Guide`; what must last goes through `save`, at once (PROTOCOL 1, SECURITY B).
"""

from __future__ import annotations

import contextlib
import enum
import secrets
import socket
import string
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from awssso_helper import identity_center as services
from awssso_helper.callback import CallbackServer
from awssso_helper.endpoints import is_aws_sign_in_url, split_url
from awssso_helper.errors import AwsssoError, NetworkError, OAuthError, RefusedError, ServiceError, ThrottledError
from awssso_helper.model import DEFAULT_SCOPES, Deadline, Secret, SignIn

if TYPE_CHECKING:
    from collections.abc import Callable

    from awssso_helper.callback import Answer
    from awssso_helper.environment import Environment
    from awssso_helper.identity_center import DeviceAuthorization, IdentityCenter
    from awssso_helper.model import Registration, SsoSession, Token

CLIENT_NAME = "awssso"
WARNING = (
    "Approve only if you started this sign-in here, now, and the page shows the same code. "
    "A code that somebody sent you signs them in as you."
)

# A token can be refreshed only as long as its registration lives, so one that is reused must outlive the sign-in by
# a session's length. A week serves all but the longest; the AWS CLI's margin of 15 minutes cuts the day short.
_REGISTRATION_MARGIN = 7 * 86400
_REGISTRATION_REFUSED = ("InvalidClientException", "UnauthorizedClientException")
_VERIFIER_ALPHABET = string.ascii_letters + string.digits + "-._~"
_SLOWER = 5
_POLL_SECONDS = 20.0
_DEFAULT_PORTS = {"https": 443, "http": 80}


class Method(enum.Enum):
    """How a person approves; the value is the grant that a registration for it is made for."""

    PKCE = services.AUTHORIZATION_CODE
    DEVICE = services.DEVICE_CODE


class Guide(Protocol):
    """Who speaks with the person. Every URL that it gets was checked and may be opened."""

    def open_url(self, url: str) -> None:
        """Show the URL on a line of its own, and open it where a browser is here and wanted."""

    def show_code(self, code: str, url: str) -> None:
        """Show a device code and the page that asks for it, each on a line of its own; open the page likewise."""

    def tell(self, line: str) -> None:
        """Say one line."""


class _LateError(AwsssoError):
    """Nobody came back from the browser in time."""


def method_for(environment: Environment, *, use_device_code: bool, port: int) -> tuple[Method, str | None]:
    """Choose how to sign in, and say why when it was not asked for.

    PKCE, unless a device code was asked for or a browser is unlikely to reach a callback here; a fixed port
    says that the user has seen to that (`ssh -L`).
    """
    if use_device_code:
        return Method.DEVICE, None
    because = environment.no_browser_because
    if because is None or port:
        return Method.PKCE, None
    return Method.DEVICE, f"Signing in with a device code, since this runs {because}; --port N signs in without one."


def sign_in(
    session: SsoSession,
    known: SignIn | None,
    *,
    identity_center: IdentityCenter,
    method: Method,
    guide: Guide,
    save: Callable[[SignIn], None],
    port: int = 0,
    deadline_seconds: float = 600,
    deadline: Deadline | None = None,
) -> SignIn:
    """Have a person sign in and give the record with the new token; `save` has had it already.

    `known` is what is stored for this session: a client registration in it that still fits is used again. A new
    one goes to `save` before the person is asked for anything. `port` fixes the port of the callback.
    Whoever wants to end it early gives a `deadline` of their own, and cuts it.

    Raises:
        RefusedError: the session leads to another place than the one signed in to before, or the service wants a
            page opened that is not AWS's.
        AwsssoError: the person refused, nobody came in time, the port is taken.
        OAuthError, ServiceError, NetworkError: the service refused, or could not be asked.
    """
    record = _record(session, known)
    deadline = deadline or Deadline(deadline_seconds)
    start_url = identity_center.resolved_start_url(session.start_url, deadline)
    desk = _Desk(session, start_url, identity_center, method, guide, save, port, deadline)
    try:
        signed_in = desk.signed_in(record)
    except OAuthError as error:
        raise _in_words(error, session, method) from error
    save(signed_in)
    return signed_in


def _record(session: SsoSession, known: SignIn | None) -> SignIn:
    """Give the record to go on from."""
    if known is None:
        return SignIn(session)
    if not _has_moved(session, known):
        return replace(known, session=session)
    refuse_moved(session, known)
    return SignIn(session)  # its registrations are the other place's


def refuse_moved(session: SsoSession, known: SignIn | None) -> None:
    """Hold a session to its place: the first sign-in binds its name to it, and a token goes nowhere else (SECURITY B8).

    Raises:
        RefusedError: the session leads to another place than the one signed in to.
    """
    if known is None or known.token is None or not _has_moved(session, known):
        return
    before = known.session
    raise RefusedError(
        f"session {session.name} was {before.start_url} in {before.region} when you signed in; "
        f"now it is {session.start_url} in {session.region}",
        hint=f"if the new one is right: awssso logout -S {session.name}, then awssso login -S {session.name}",
    )


def _has_moved(session: SsoSession, known: SignIn) -> bool:
    return (known.session.start_url, known.session.region) != (session.start_url, session.region)


@dataclass(frozen=True, slots=True)
class _Desk:
    """One sign-in: what all its steps need."""

    session: SsoSession
    start_url: str
    identity_center: IdentityCenter
    method: Method
    guide: Guide
    save: Callable[[SignIn], None]
    port: int
    deadline: Deadline

    @property
    def scopes(self) -> tuple[str, ...]:
        """The session's scopes, and the one without which a token cannot be refreshed (PROTOCOL 1.1)."""
        return tuple(dict.fromkeys((*self.session.scopes, *DEFAULT_SCOPES)))

    def signed_in(self, record: SignIn) -> SignIn:
        """Get a token with the registration of the record, or with a new one where that is not accepted."""
        valid_until = time.time() + self.deadline.remaining() + _REGISTRATION_MARGIN
        registration = record.registration_for(self.method.value, self.scopes, valid_until=valid_until)
        if registration is None:
            return self._signed_in_anew(record)
        try:
            return replace(record, token=self._token(registration), rejected=False)
        except OAuthError as error:
            if error.code not in _REGISTRATION_REFUSED:
                raise
            self.guide.tell("AWS no longer accepts the client that was registered here; going on with a new one.")
            return self._signed_in_anew(record)
        except (_LateError, KeyboardInterrupt):
            self._forget(record, registration)
            raise

    def _forget(self, record: SignIn, registration: Registration) -> None:
        """Let the next try begin with a new client: perhaps AWS forgot this one, and only the browser was told."""
        if self.method is Method.PKCE:
            with contextlib.suppress(AwsssoError):  # why the sign-in ended matters more than this
                self.save(_without(record, registration))

    def _signed_in_anew(self, record: SignIn) -> SignIn:
        registration = self.identity_center.register_client(
            CLIENT_NAME,
            grant=self.method.value,
            scopes=self.scopes,
            issuer_url=self.start_url,
            deadline=self.deadline,
        )
        record = record.with_registration(registration)
        self.save(record)
        return replace(record, token=self._token(registration), rejected=False)

    def _token(self, registration: Registration) -> Token:
        if self.method is Method.PKCE:
            return self._token_by_pkce(registration)
        return self._token_by_device_code(registration)

    # PKCE

    def _token_by_pkce(self, registration: Registration) -> Token:
        state, verifier = Secret(secrets.token_urlsafe(32)), _new_verifier()
        # The port is open before the browser is, and the same until the answer: a browser that is signed in
        # already comes back faster than a port can be opened again (PROTOCOL 1.4).
        with CallbackServer(state, port=self.port) as callback:
            redirect_uri = callback.redirect_uri
            url = self.identity_center.authorize_url(
                registration, redirect_uri=redirect_uri, state=state.reveal(), verifier=verifier, scopes=self.scopes
            )
            if self.port:
                self.guide.tell(_forwarding_line(self.port))
            self.guide.open_url(self._checked(url))
            answer = callback.wait(self.deadline)
        return self.identity_center.redeem_code(
            registration,
            code=self._code_of(answer),
            redirect_uri=redirect_uri,
            verifier=verifier,
            deadline=self.deadline,
        )

    def _code_of(self, answer: Answer | None) -> Secret:
        if answer is None:
            raise self._late()
        if answer.code is None:
            raise _refused_by_browser(answer, self.session)
        return answer.code

    # Device code

    def _token_by_device_code(self, registration: Registration) -> Token:
        authorization = self.identity_center.start_device_authorization(registration, self.start_url, self.deadline)
        self.guide.tell(WARNING)
        self.guide.show_code(authorization.user_code, self._checked(authorization.verification_uri_complete))
        return self._polled(registration, authorization)

    def _polled(self, registration: Registration, authorization: DeviceAuthorization) -> Token:
        """Ask at the server's pace until the person decided or the code's life, by our own clock, is over."""
        end = self.deadline.sooner(authorization.expires_in)
        interval = max(1, authorization.interval)
        trouble: NetworkError | None = None
        while True:
            time.sleep(min(interval, end.remaining()))
            if end.passed() or self.deadline.passed():
                raise trouble or self._late()
            try:
                return self.identity_center.poll_device(
                    registration, authorization.device_code, end.sooner(_POLL_SECONDS)
                )
            except NetworkError as error:
                trouble = error
            except ServiceError as error:
                trouble = None
                interval += _pause_after(error)

    # Both

    def _checked(self, url: str) -> str:
        """Let through what may go to a browser: the partition's own sign-in pages and those of the endpoint in use.

        Raises:
            RefusedError: it is anything else (SECURITY B6).
        """
        if is_aws_sign_in_url(url, self.session.region) or _has_origin(url, self.identity_center.endpoints.oidc):
            return url
        raise RefusedError(
            f"the service wants {url[:120]!a} opened, which is no AWS sign-in page",
            hint=f"check sso_start_url and sso_region of the session {self.session.name}",
        )

    def _late(self) -> _LateError:
        return _LateError("nobody approved the sign-in in time", hint=f"awssso login -S {self.session.name}")


def _without(record: SignIn, registration: Registration) -> SignIn:
    return replace(record, registrations=tuple(kept for kept in record.registrations if kept != registration))


def _new_verifier() -> Secret:
    return Secret("".join(secrets.choice(_VERIFIER_ALPHABET) for _ in range(64)))


def _forwarding_line(port: int) -> str:
    return f"If your browser is on another machine, run there: ssh -N -L {port}:127.0.0.1:{port} {socket.gethostname()}"


def _has_origin(url: str, base: str) -> bool:
    """Say whether a URL is on the very origin of an endpoint; the endpoint itself was checked by `environment`."""
    parts, wanted = split_url(url), split_url(base)
    if parts is None or wanted is None or "@" in parts.netloc:
        return False
    return (parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)) == (
        wanted.scheme,
        wanted.hostname,
        wanted.port or _DEFAULT_PORTS.get(wanted.scheme),
    )


def _pause_after(error: ServiceError) -> int:
    """Give by how many seconds to poll more slowly; an error that ends the flow goes on up.

    Raises:
        ServiceError: it is neither "not yet", nor "slower", nor a failure on the server's side.
    """
    if error.code == "SlowDownException" or isinstance(error, ThrottledError):
        return _SLOWER
    if error.code == "AuthorizationPendingException" or error.status >= 500:  # noqa: PLR2004 - HTTP class
        return 0
    raise error


def _refused_by_browser(answer: Answer, session: SsoSession) -> AwsssoError:
    if answer.error == "access_denied":
        return AwsssoError("the sign-in was refused in the browser", hint=f"awssso login -S {session.name}")
    said = f" ({answer.description[:200]!a})" if answer.description else ""
    return AwsssoError(
        f"the browser came back with the error {answer.error[:60]!a}{said}",
        hint=f"check sso_start_url, sso_region and sso_registration_scopes of the session {session.name}",
    )


def _in_words(error: OAuthError, session: SsoSession, method: Method) -> AwsssoError:
    """Say what an OAuth error means to the person."""
    if error.code == "AccessDeniedException":
        otherwise = ""
        if method is Method.DEVICE:
            otherwise = "; where device codes are blocked, awssso login --port 8400 and ssh -L use a browser instead"
        return AwsssoError(f"the sign-in was refused: {error.message}", hint=f"awssso login{otherwise}")
    if error.code == "ExpiredTokenException":
        return _LateError("nobody approved the sign-in in time", hint=f"awssso login -S {session.name}")
    return OAuthError(
        error.message,
        code=error.code,
        status=error.status,
        hint=error.hint
        or f"check session {session.name}: sso_start_url {session.start_url}, sso_region {session.region}",
    )

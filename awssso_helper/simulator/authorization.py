"""The authorization server of Identity Center (sso-oidc): clients, consents, codes, refresh tokens.

Pure state like `organization`, with time as an argument. It is strict where AWS is known to be (PROTOCOL 1), and
where AWS's answer is not known it refuses, because a client that only a lenient server understands is broken.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from awssso_helper.simulator.organization import AccessToken, Organization, Refusal, Session, is_same

if TYPE_CHECKING:
    from collections.abc import Mapping

CODE_GRANT = "authorization_code"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
REFRESH_GRANT = "refresh_token"
SCOPES = ("sso:account:access", "sso-portal:*")
REDIRECT_URI = "http://127.0.0.1/oauth/callback"

_SLOWER = 5  # seconds, RFC 8628 3.5
# A client that sleeps exactly the interval arrives a little early when this request travels faster than the last.
_EARLY = 0.2
_USER_CODE_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
_REDIRECT = re.compile(r"http://127\.0\.0\.1:[0-9]{1,5}/oauth/callback", re.ASCII)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client."""

    id: str
    secret: str
    name: str
    issued_at: int
    expires_at: int
    grants: tuple[str, ...]
    redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...]

    @property
    def is_legacy(self) -> bool:
        """Whether its tokens cannot be refreshed: it asked for no scopes (PROTOCOL 1.1)."""
        return "sso:account:access" not in self.scopes


@dataclass(frozen=True, slots=True)
class Consent:
    """A browser at /authorize, waiting for the person's decision."""

    id: str
    client: Client
    redirect_uri: str
    state: str
    challenge: str
    expires_at: float

    def redirect(self, **parameters: str) -> str:
        """Give the URL that takes the browser back to the client."""
        return f"{self.redirect_uri}?{urlencode({**parameters, 'state': self.state})}"


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code: what a person allowed, good for one CreateToken."""

    consent: Consent
    user: str
    expires_at: float


@dataclass(slots=True)
class Device:
    """A device authorization; `user` is who approved it, `polled_at` when the client last asked."""

    code: str
    user_code: str
    client: Client
    expires_at: float
    interval: int
    polled_at: float | None = None
    user: str | None = None
    denied: bool = False


@dataclass(frozen=True, slots=True)
class Tokens:
    """The answer of CreateToken; `refresh_token` is None where none is given."""

    access: AccessToken
    refresh_token: str | None


class AuthorizationServer:
    """The state behind RegisterClient, /authorize, StartDeviceAuthorization, /device and CreateToken."""

    def __init__(self, organization: Organization) -> None:
        self._organization = organization
        self._clients: dict[str, Client] = {}
        self._consents: dict[str, Consent] = {}
        self._codes: dict[str, Code] = {}
        self._devices: dict[str, Device] = {}
        self._refresh_tokens: dict[str, tuple[Client, Session]] = {}

    # RegisterClient

    def register_client(self, request: Mapping[str, Any], now: float) -> Client:
        """Register a public client after the checks of PROTOCOL 1.1 and 1.4."""
        name = _text(request, "clientName")
        if _text(request, "clientType") != "public":
            raise Refusal("InvalidClientMetadataException", "clientType must be public")
        if "issuerUrl" in request:
            self._check_start_url(_text(request, "issuerUrl"))
        grants = _grants(request)
        client = Client(
            id=secrets.token_urlsafe(16),
            secret=self._organization.mint("eyJraWQiOiJrZXktMTU2NDAyODA5OSJ9.", 1050),
            name=name,
            issued_at=int(now),
            expires_at=int(now + self._organization.registration_life),
            grants=grants,
            redirect_uris=_redirect_uris(request, grants),
            scopes=_known_scopes(_texts(request, "scopes")),
        )
        self._clients[client.id] = client
        return client

    # Authorization code with PKCE

    def open_consent(self, query: Mapping[str, str], now: float) -> Consent:
        """Check what the browser brings to /authorize and begin to wait for the person's decision."""
        client = self._clients.get(query.get("client_id", ""))
        if client is None or now >= client.expires_at:
            raise Refusal("InvalidClientException", "client_id is unknown or expired")
        if CODE_GRANT not in client.grants:
            raise Refusal("UnauthorizedClientException", "the client is not registered for authorization codes")
        redirect_uri = query.get("redirect_uri", "")
        if not _REDIRECT.fullmatch(redirect_uri) or REDIRECT_URI not in client.redirect_uris:
            raise Refusal("InvalidRequestException", "redirect_uri is not the registered one with a port")
        _check_authorize_query(query)
        if not set(query["scopes"].split()) <= set(client.scopes):
            raise Refusal("InvalidScopeException", "scopes asks for more than the registration")
        expires_at = now + self._organization.device_code_life
        consent_id = secrets.token_urlsafe(24)
        consent = Consent(consent_id, client, redirect_uri, query["state"], query["code_challenge"], expires_at)
        self._consents[consent.id] = consent
        return consent

    def decide_consent(self, consent_id: str, user: str, now: float, *, allowed: bool) -> str:
        """Take the person's decision; gives the URL that the browser is sent to."""
        self._check_user(user)
        consent = self._consents.pop(consent_id, None)
        if consent is None or now >= consent.expires_at:
            raise Refusal("InvalidRequestException", "this sign-in page was used already, or is too old")
        if not allowed:
            return consent.redirect(error="access_denied")
        code = self._organization.mint("", 90)
        self._codes[code] = Code(consent, user, now + self._organization.code_life)
        return consent.redirect(code=code)

    # Device code

    def start_device_authorization(self, request: Mapping[str, Any], now: float) -> Device:
        """Begin a device authorization for the organisation's start URL."""
        client = self._authenticated(request, now)
        if DEVICE_GRANT not in client.grants:
            raise Refusal("UnauthorizedClientException", "the client is not registered for device codes")
        self._check_start_url(_text(request, "startUrl"))
        device = Device(
            code=self._organization.mint("", 80),
            user_code=_user_code(),
            client=client,
            expires_at=now + self._organization.device_code_life,
            interval=self._organization.device_interval,
        )
        self._devices[device.code] = device
        return device

    def device_of(self, user_code: str, now: float) -> Device:
        """Find the device authorization that waits under a user code; case, blanks and dashes do not matter."""
        wanted = _bare(user_code)
        for device in self._devices.values():
            waits = device.user is None and not device.denied and now < device.expires_at
            if waits and _bare(device.user_code) == wanted:
                return device
        raise Refusal("InvalidRequestException", "there is no sign-in waiting under this code")

    def decide_device(self, user_code: str, user: str, now: float, *, allowed: bool) -> None:
        """Take the person's decision about a device."""
        self._check_user(user)
        device = self.device_of(user_code, now)
        device.user = user if allowed else None
        device.denied = not allowed

    # CreateToken

    def create_token(self, request: Mapping[str, Any], now: float) -> Tokens:
        """Exchange a code, a device code or a refresh token (PROTOCOL 1.3)."""
        client = self._authenticated(request, now)
        grant = _text(request, "grantType")
        exchanges = {
            CODE_GRANT: self._exchange_code,
            DEVICE_GRANT: self._exchange_device_code,
            REFRESH_GRANT: self._exchange_refresh_token,
        }
        if grant not in exchanges:
            raise Refusal("UnsupportedGrantTypeException", "grantType is not supported")
        if grant not in client.grants:
            raise Refusal("UnauthorizedClientException", "the client is not registered for this grantType")
        return exchanges[grant](client, request, now)

    def _exchange_code(self, client: Client, request: Mapping[str, Any], now: float) -> Tokens:
        redirect_uri, verifier = _text(request, "redirectUri"), _text(request, "codeVerifier")
        # Gone whatever comes of it: a code is good for one try.
        code = self._codes.pop(_text(request, "code"), None)
        if code is None or code.consent.client != client:
            raise Refusal("InvalidGrantException", "Invalid authorization code")
        if now >= code.expires_at:
            raise Refusal("ExpiredTokenException", "The authorization code has expired")
        if redirect_uri != code.consent.redirect_uri:
            raise Refusal("InvalidGrantException", "redirectUri is not the one of the authorization")
        if not _VERIFIER.fullmatch(verifier) or _challenge(verifier) != code.consent.challenge:
            raise Refusal("InvalidGrantException", "codeVerifier does not match the challenge")
        return self._signed_in(client, code.user, now)

    def _exchange_device_code(self, client: Client, request: Mapping[str, Any], now: float) -> Tokens:
        device = self._devices.get(_text(request, "deviceCode"))
        if device is None or device.client != client:
            raise Refusal("InvalidGrantException", "Invalid device code")
        if now >= device.expires_at:
            raise Refusal("ExpiredTokenException", "The device code has expired")
        if device.denied:
            raise Refusal("AccessDeniedException", "The person refused")
        if device.user is None:
            raise self._pending(device, now)
        del self._devices[device.code]
        return self._signed_in(client, device.user, now)

    @staticmethod
    def _pending(device: Device, now: float) -> Refusal:
        early = device.polled_at is not None and now - device.polled_at < device.interval - _EARLY
        device.polled_at = now
        if not early:
            return Refusal("AuthorizationPendingException", "The person has not decided yet")
        device.interval += _SLOWER
        return Refusal("SlowDownException", "Polling too fast")

    def _exchange_refresh_token(self, client: Client, request: Mapping[str, Any], now: float) -> Tokens:
        old = _text(request, "refreshToken")
        owner, session = self._refresh_tokens.get(old, (None, None))
        if owner != client or session is None or not session.is_live(now):
            raise Refusal("InvalidGrantException", "Invalid refresh token provided")
        organization = self._organization
        access = organization.grant_access(session, now, life=organization.access_token_life)
        if not organization.renews_refresh_tokens:
            return Tokens(access, None)
        if organization.rotates_refresh_tokens:
            del self._refresh_tokens[old]
        return Tokens(access, self._new_refresh_token(client, session))

    def _signed_in(self, client: Client, user: str, now: float) -> Tokens:
        organization = self._organization
        if client.is_legacy:
            session = organization.sign_in(user, now, life=organization.legacy_token_life)
            return Tokens(organization.grant_access(session, now, life=organization.legacy_token_life), None)
        session = organization.sign_in(user, now, life=organization.session_life)
        access = organization.grant_access(session, now, life=organization.access_token_life)
        can_refresh = REFRESH_GRANT in client.grants
        return Tokens(access, self._new_refresh_token(client, session) if can_refresh else None)

    def _new_refresh_token(self, client: Client, session: Session) -> str:
        value = self._organization.mint("aorAAAAAG", 240)
        self._refresh_tokens[value] = (client, session)
        return value

    # Checks

    def _authenticated(self, request: Mapping[str, Any], now: float) -> Client:
        client_id, client_secret = _text(request, "clientId"), _text(request, "clientSecret")
        client = self._clients.get(client_id)
        known = client is not None and is_same(client.secret, client_secret)
        if client is None or not known or now >= client.expires_at:
            raise Refusal("InvalidClientException", "Client is unknown, or its secret is wrong or expired")
        return client

    def _check_start_url(self, start_url: str) -> None:
        if start_url.rstrip("/") != self._organization.start_url:
            raise Refusal("InvalidRequestException", "the start URL does not belong to this organisation")

    def _check_user(self, user: str) -> None:
        if user not in self._organization.users:
            raise Refusal("InvalidRequestException", "there is no such user")


def _text(request: Mapping[str, Any], name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str) or not value:
        raise Refusal("InvalidRequestException", f"{name} is missing or no string")
    return value


def _texts(request: Mapping[str, Any], name: str) -> tuple[str, ...]:
    values = request.get(name, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise Refusal("InvalidRequestException", f"{name} is no list of strings")
    return tuple(values)


def _grants(request: Mapping[str, Any]) -> tuple[str, ...]:
    # The AWS CLI names no grants when it registers for the device flow (PROTOCOL 1.2).
    grants = _texts(request, "grantTypes") or (DEVICE_GRANT, REFRESH_GRANT)
    if not set(grants) <= {CODE_GRANT, DEVICE_GRANT, REFRESH_GRANT}:
        raise Refusal("UnsupportedGrantTypeException", "a grantType is not supported")
    return grants


def _redirect_uris(request: Mapping[str, Any], grants: tuple[str, ...]) -> tuple[str, ...]:
    uris = _texts(request, "redirectUris")
    if any(uri != REDIRECT_URI for uri in uris) or (CODE_GRANT in grants and not uris):
        raise Refusal("InvalidRedirectUriException", f"the redirect URI must be {REDIRECT_URI}")
    return uris


def _known_scopes(scopes: tuple[str, ...]) -> tuple[str, ...]:
    if not set(scopes) <= set(SCOPES):
        raise Refusal("InvalidScopeException", "a scope is not known")
    return scopes


def _check_authorize_query(query: Mapping[str, str]) -> None:
    if query.get("response_type") != "code":
        raise Refusal("InvalidRequestException", "response_type must be code")
    if query.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(query.get("code_challenge", "")):
        raise Refusal("InvalidRequestException", "a code_challenge of method S256 is needed")
    if not query.get("state"):
        raise Refusal("InvalidRequestException", "state is missing")
    if "scopes" not in query:
        raise Refusal("InvalidRequestException", "scopes is missing")


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _user_code() -> str:
    letters = [secrets.choice(_USER_CODE_ALPHABET) for _ in range(8)]
    return f"{''.join(letters[:4])}-{''.join(letters[4:])}"


def _bare(user_code: str) -> str:
    return "".join(character for character in user_code.upper() if character.isalnum())

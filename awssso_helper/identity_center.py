"""Every unsigned call to IAM Identity Center: OIDC (sign-in, tokens) and the access portal (accounts, credentials).

Wire facts are PROTOCOL 1 and 2, the service models of botocore. Replies are decoded strictly: whatever is not
exactly what was asked for is one NetworkError, and nothing half-read leaves this room (SECURITY C3-C7).
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from awssso_helper.endpoints import Endpoints, is_aws_portal, is_loopback
from awssso_helper.errors import (
    AccessDeniedError,
    AwsssoError,
    NetworkError,
    OAuthError,
    ServiceError,
    ThrottledError,
    UnauthorizedError,
)
from awssso_helper.model import (
    Account,
    Registration,
    Role,
    RoleCredentials,
    Secret,
    Token,
    is_account_id,
)
from awssso_helper.pace import Pace
from awssso_helper.transport import Reply, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from awssso_helper.environment import Environment
    from awssso_helper.model import Deadline

AUTHORIZATION_CODE = "authorization_code"
DEVICE_CODE = "device_code"
REDIRECT_URI = "http://127.0.0.1/oauth/callback"

_GRANT_TYPES = {
    AUTHORIZATION_CODE: AUTHORIZATION_CODE,
    DEVICE_CODE: "urn:ietf:params:oauth:grant-type:device_code",
}
# Bytes of a reply. A page of 100 accounts whose names and addresses are as long as AWS allows, each character escaped,
# is 80 KB; and JSON grows: a reply of `{},{},` takes 28 times its size in memory.
_LIMIT = 256 << 10
_TOO_MANY = 429
_PAGE_SIZE = 100
_LONGEST_NAME = 512  # AWS: 128 for an account's name, 32 for a role's, 320 for an e-mail address
_MAX_PAGES = 1000
_SKEW_WORTH_NOTICE = 240
_MAX_SKEW = 2 * 86400  # a clock may be off by a day (SECURITY C9); further off, it is the Date that is wrong
_MAX_CREDENTIAL_LIFE = 13 * 3600
_MAX_TOKEN_LIFE = 90 * 86400
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 20.0
_REDIRECTS = (301, 302, 303, 307, 308)
_PRINTABLE = re.compile(r"[!-~]+", re.ASCII)
# No quote and no backslash: Go on Windows rewrites `\"` in what credential_process prints (PROTOCOL 5.3).
_CREDENTIAL = re.compile(r"[!#-\[\]-~]+", re.ASCII)
_ACCESS_KEY_ID = re.compile(r"[A-Z0-9]{16,128}", re.ASCII)
_OAUTH_CODES = {
    "authorization_pending": "AuthorizationPendingException",
    "slow_down": "SlowDownException",
    "expired_token": "ExpiredTokenException",
    "access_denied": "AccessDeniedException",
    "invalid_grant": "InvalidGrantException",
    "invalid_client": "InvalidClientException",
    "unauthorized_client": "UnauthorizedClientException",
    "unsupported_grant_type": "UnsupportedGrantTypeException",
    "invalid_scope": "InvalidScopeException",
    "invalid_request": "InvalidRequestException",
    "invalid_redirect_uri": "InvalidRedirectUriException",
    "invalid_client_metadata": "InvalidClientMetadataException",
    "server_error": "InternalServerException",
}
_SECRET_MEMBERS = frozenset({"clientSecret", "deviceCode", "code", "codeVerifier", "refreshToken"})
_REVEALING = 12  # so many characters of a secret, repeated in an error, are too many
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class DeviceAuthorization:
    """The reply of StartDeviceAuthorization; `expires_in` and `interval` are seconds."""

    device_code: Secret
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


class IdentityCenter:
    """The two services at one pair of endpoints. Safe for threads; every call ends at its deadline.

    Every call may raise NetworkError (unreachable, late, or no honest answer) and ServiceError.
    """

    def __init__(
        self,
        environment: Environment,
        endpoints: Endpoints,
        *,
        connections: int = 1,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        """Keep up to `connections` connections; `endpoints` come from `Environment.endpoints`.

        `trace` hears of each call: method, host, path and status, never a query, header or body.
        """
        self.endpoints = endpoints
        self._transport = Transport(environment, connections=connections, trace=trace)
        self._pace = Pace(connections)

    # OIDC

    def register_client(
        self, name: str, *, grant: str, scopes: tuple[str, ...], issuer_url: str, deadline: Deadline
    ) -> Registration:
        """Register a public client for one flow (`AUTHORIZATION_CODE` or `DEVICE_CODE`).

        `issuer_url` is the resolved start URL. Scopes must be given: without one AWS hands out tokens that cannot
        be refreshed (PROTOCOL 1.1).

        Raises:
            OAuthError: AWS refused.
        """
        body: dict[str, Any] = {
            "clientName": name,
            "clientType": "public",
            "grantTypes": [_GRANT_TYPES[grant], "refresh_token"],
            "scopes": list(scopes),
        }
        if grant == AUTHORIZATION_CODE:
            body |= {"redirectUris": [REDIRECT_URI], "issuerUrl": issuer_url}
        fields = _Fields("RegisterClient", self._oidc("RegisterClient", "/client/register", body, deadline))
        return Registration(
            client_id=fields.word("clientId"),
            client_secret=Secret(fields.word("clientSecret", longest=16384)),
            expires_at=fields.whole("clientSecretExpiresAt"),
            grant=grant,
            scopes=scopes,
        )

    def authorize_url(
        self, registration: Registration, *, redirect_uri: str, state: str, verifier: Secret, scopes: tuple[str, ...]
    ) -> str:
        """Build the page where a person signs in; `scopes` is spelled as the AWS CLI spells it (PROTOCOL 1.4)."""
        digest = hashlib.sha256(verifier.reveal().encode()).digest()
        query = {
            "response_type": "code",
            "client_id": registration.client_id,
            "redirect_uri": redirect_uri,
            "state": state,
            "code_challenge_method": "S256",
            "scopes": " ".join(scopes),
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        }
        return f"{self.endpoints.oidc}/authorize?{urlencode(query, quote_via=quote)}"

    def redeem_code(
        self, registration: Registration, *, code: Secret, redirect_uri: str, verifier: Secret, deadline: Deadline
    ) -> Token:
        """Exchange an authorization code; `redirect_uri` is the very string that was sent to `authorize_url`.

        Raises:
            OAuthError: AWS refused.
        """
        grant = {
            "grantType": "authorization_code",
            "redirectUri": redirect_uri,
            "codeVerifier": verifier.reveal(),
            "code": code.reveal(),
        }
        return self._create_token(registration, grant, deadline, may_repeat=False)

    def start_device_authorization(
        self, registration: Registration, start_url: str, deadline: Deadline
    ) -> DeviceAuthorization:
        """Begin the device flow; `start_url` is the resolved one.

        Raises:
            OAuthError: AWS refused; InvalidRequestException mostly means a wrong start URL or region.
        """
        body = {**_client(registration), "startUrl": start_url}
        operation = "StartDeviceAuthorization"
        fields = _Fields(operation, self._oidc(operation, "/device_authorization", body, deadline))
        return DeviceAuthorization(
            device_code=Secret(fields.word("deviceCode", longest=8192)),
            user_code=fields.word("userCode", longest=64),
            verification_uri=fields.word("verificationUri", longest=4096),
            verification_uri_complete=fields.word("verificationUriComplete", longest=4096),
            expires_in=fields.whole("expiresIn", default=600, most=86400),
            interval=fields.whole("interval", default=5, most=3600),
        )

    def poll_device(self, registration: Registration, device_code: Secret, deadline: Deadline) -> Token:
        """Ask once whether the person approved; nothing is repeated here, the caller keeps the rhythm.

        Raises:
            OAuthError: with the code AuthorizationPendingException, SlowDownException, ExpiredTokenException,
                AccessDeniedException and others.
        """
        grant = {"grantType": _GRANT_TYPES[DEVICE_CODE], "deviceCode": device_code.reveal()}
        return self._create_token(registration, grant, deadline, may_repeat=False)

    def refresh(self, token: Token, deadline: Deadline, *, reply_deadline: Deadline | None = None) -> Token:
        """Exchange the refresh token. It counts as used up once this was sent: store the answer before all else.

        So whoever can waits longer for the answer than for all that comes before it: until the `reply_deadline`. A
        reply without a new refresh token keeps the old one. Only a request that AWS did not take (429) is repeated
        (SECURITY C7).

        Raises:
            OAuthError: AWS refused; InvalidGrantException means that this refresh token is no more.
        """
        if token.refresh_token is None:
            raise ValueError("a token without a refresh token cannot be refreshed")
        grant = {"grantType": "refresh_token", "refreshToken": token.refresh_token.reveal()}
        return self._create_token(
            token.registration,
            grant,
            deadline,
            reply_deadline=reply_deadline,
            may_repeat=True,
            kept_refresh_token=token.refresh_token,
        )

    def _create_token(
        self,
        registration: Registration,
        grant: dict[str, str],
        deadline: Deadline,
        *,
        may_repeat: bool,
        reply_deadline: Deadline | None = None,
        kept_refresh_token: Secret | None = None,
    ) -> Token:
        body = {**_client(registration), **grant}

        def ask() -> tuple[Reply, dict[str, Any]]:
            return self._oidc_once("CreateToken", "/token", body, deadline, reply_deadline)

        reply, decoded = _patiently(ask, deadline, only_throttling=True) if may_repeat else ask()
        fields = _Fields("CreateToken", decoded)
        renewed = fields.optional_word("refreshToken", longest=16384)
        return Token(
            access_token=Secret(fields.word("accessToken", longest=16384)),
            expires_at=int(reply.sent_at) + fields.whole("expiresIn", most=_MAX_TOKEN_LIFE),
            refresh_token=Secret(renewed) if renewed else kept_refresh_token,
            registration=registration,
        )

    def _oidc(self, operation: str, path: str, body: dict[str, Any], deadline: Deadline) -> dict[str, Any]:
        return _patiently(lambda: self._oidc_once(operation, path, body, deadline), deadline)[1]

    def _oidc_once(
        self,
        operation: str,
        path: str,
        body: dict[str, Any],
        deadline: Deadline,
        reply_deadline: Deadline | None = None,
    ) -> tuple[Reply, dict[str, Any]]:
        reply = self._transport.exchange(
            "POST",
            self.endpoints.oidc + path,
            headers={"Content-Type": "application/json"},
            body=json.dumps(body).encode(),
            deadline=deadline,
            limit=_LIMIT,
            reply_deadline=reply_deadline,
        )
        return reply, _decoded(operation, reply, sent=tuple(body[name] for name in _SECRET_MEMBERS & body.keys()))

    # The access portal

    def accounts(self, access_token: Secret, deadline: Deadline) -> Iterator[list[Account]]:
        """Give the accounts of this token page by page.

        Raises:
            UnauthorizedError: the token is not accepted.
        """
        for page in self._pages(
            "ListAccounts", "/assignment/accounts", {}, key="accountList", access_token=access_token, deadline=deadline
        ):
            yield [_account(item) for item in page]

    def roles(self, access_token: Secret, account_id: str, deadline: Deadline) -> list[str]:
        """Give the names of all roles in an account.

        Raises:
            UnauthorizedError: the token is not accepted.
            AccessDeniedError: the account is not given to this person.
        """
        query = {"account_id": account_id}
        pages = self._pages(
            "ListAccountRoles", "/assignment/roles", query, key="roleList", access_token=access_token, deadline=deadline
        )
        return [_role_name(item) for page in pages for item in page]

    def role_credentials(self, access_token: Secret, role: Role, deadline: Deadline) -> RoleCredentials:
        """Get credentials for a role.

        Raises:
            UnauthorizedError: the token is not accepted.
            AccessDeniedError: this role is not given to this person (403, not modelled: PROTOCOL 2.2).
        """
        query = {"role_name": role.name, "account_id": role.account_id}
        reply, decoded = _patiently(
            lambda: self._portal_once("GetRoleCredentials", "/federation/credentials", query, access_token, deadline),
            deadline,
        )
        fields = _Fields("GetRoleCredentials", _Fields("GetRoleCredentials", decoded).inner("roleCredentials"))
        return RoleCredentials(
            access_key_id=fields.word("accessKeyId", pattern=_ACCESS_KEY_ID),
            secret_access_key=Secret(fields.word("secretAccessKey", pattern=_CREDENTIAL, longest=1024)),
            session_token=Secret(fields.word("sessionToken", pattern=_CREDENTIAL, longest=6144)),
            expires_at=_sane_expiration(fields.whole("expiration"), reply),
            account_id=role.account_id,
        )

    def logout(self, access_token: Secret, deadline: Deadline) -> None:
        """End the session at AWS. Role credentials that were handed out live on until they expire.

        Raises:
            UnauthorizedError: it had ended already.
        """
        reply = self._transport.exchange(
            "POST",
            f"{self.endpoints.portal}/logout",
            headers=_bearer(access_token),
            body=b"",
            deadline=deadline,
            limit=_LIMIT,
        )
        if reply.status != 200:  # noqa: PLR2004 - HTTP OK
            raise _error("Logout", reply, sent=(access_token.reveal(),))

    def _pages(
        self,
        operation: str,
        path: str,
        query: dict[str, str],
        *,
        key: str,
        access_token: Secret,
        deadline: Deadline,
    ) -> Iterator[list[dict[str, Any]]]:
        seen = {""}
        next_token = ""
        for _ in range(_MAX_PAGES):
            asked = {**query, "max_result": str(_PAGE_SIZE), **({"next_token": next_token} if next_token else {})}

            def ask(asked: dict[str, str] = asked) -> tuple[Reply, dict[str, Any]]:
                return self._portal_once(operation, path, asked, access_token, deadline)

            fields = _Fields(operation, _patiently(ask, deadline)[1])
            yield fields.items(key)
            next_token = fields.optional_word("nextToken", longest=16384) or ""
            if not next_token:
                return
            if next_token in seen:
                break
            seen.add(next_token)
        raise NetworkError(f"{operation} does not come to an end", hint="try again later")

    def _portal_once(
        self, operation: str, path: str, query: Mapping[str, str], access_token: Secret, deadline: Deadline
    ) -> tuple[Reply, dict[str, Any]]:
        url = f"{self.endpoints.portal}{path}?{urlencode(query, quote_via=quote)}"
        with self._pace.turn(deadline) as sent_at:
            reply = self._transport.exchange(
                "GET", url, headers=_bearer(access_token), body=None, deadline=deadline, limit=_LIMIT
            )
        if reply.status in (429, 503):
            self._pace.refused(sent_at, _retry_after(reply))
        else:
            self._pace.answered()
        return reply, _decoded(operation, reply, sent=(access_token.reveal(),))

    # Start URLs

    def resolved_start_url(self, start_url: str, deadline: Deadline) -> str:
        """Follow a vanity start URL to AWS's own, by one redirect at most (PROTOCOL 1.5).

        Raises:
            ServiceError: it does not lead to an AWS access portal.
        """
        if is_aws_portal(start_url) or is_loopback(urlsplit(start_url).hostname or ""):
            return start_url
        reply = self._visit("HEAD", start_url, deadline)
        if reply.status in (405, 501):
            reply = self._visit("GET", start_url, deadline)
        target = reply.headers.get("location", "").split("#")[0].split("?")[0].rstrip("/")
        if reply.status in _REDIRECTS and is_aws_portal(target) and target.startswith("https://"):
            return target
        raise ServiceError(
            f"{start_url} does not lead to an AWS access portal",
            code="StartUrl",
            status=reply.status,
            hint="awssso configure --start-url with the address that the portal itself shows",
        )

    def _visit(self, method: str, url: str, deadline: Deadline) -> Reply:
        return self._transport.exchange(method, url, headers={}, body=None, deadline=deadline, limit=_LIMIT)


def _client(registration: Registration) -> dict[str, str]:
    return {"clientId": registration.client_id, "clientSecret": registration.client_secret.reveal()}


def _bearer(access_token: Secret) -> dict[str, str]:
    return {"x-amz-sso_bearer_token": access_token.reveal()}


# Patience


def _patiently(call: Callable[[], _Answer], deadline: Deadline, *, only_throttling: bool = False) -> _Answer:
    """Repeat a call that AWS could not serve now: exponential back-off, full jitter, no longer than the deadline."""
    longest = _FIRST_WAIT
    while True:
        try:
            return call()
        except ServiceError as error:
            if not _is_passing(error, only_throttling=only_throttling):
                raise
            # The pace slows all calls down; this jitter keeps those that were refused together apart.
            wait = max(random.uniform(0, longest), error.retry_after)  # noqa: S311 - jitter
            if wait >= deadline.remaining():
                raise
        time.sleep(wait)
        longest = min(2 * longest, _LONGEST_WAIT)


def _is_passing(error: ServiceError, *, only_throttling: bool) -> bool:
    if isinstance(error, ThrottledError) or error.code == "SlowDownException":
        return True
    return not only_throttling and error.status in (500, 502, 503, 504)


# Decoding


class _Fields:
    """One JSON object of a reply, read field by field; a field that is not what it must be is a NetworkError."""

    def __init__(self, operation: str, values: dict[str, Any]) -> None:
        self._operation = operation
        self._values = values

    def word(self, name: str, *, pattern: re.Pattern[str] = _PRINTABLE, longest: int = 2048) -> str:
        value = self._values.get(name)
        if not isinstance(value, str) or len(value) > longest or not pattern.fullmatch(value):
            raise _odd(self._operation, name)
        return value

    def optional_word(self, name: str, *, longest: int) -> str | None:
        return None if self._values.get(name) in (None, "") else self.word(name, longest=longest)

    def whole(self, name: str, *, default: int | None = None, most: int = 1 << 53) -> int:
        value = self._values.get(name, default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise _odd(self._operation, name)
        return value

    def inner(self, name: str) -> dict[str, Any]:
        value = self._values.get(name)
        if not isinstance(value, dict):
            raise _odd(self._operation, name)
        return value

    def items(self, name: str) -> list[dict[str, Any]]:
        value = self._values.get(name)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise _odd(self._operation, name)
        return value


def _account(item: dict[str, Any]) -> Account:
    if not is_account_id(item.get("accountId")):
        raise _odd("ListAccounts", "accountId")
    return Account(
        item["accountId"],
        _free_text("ListAccounts", item, "accountName"),
        _free_text("ListAccounts", item, "emailAddress"),
    )


def _role_name(item: dict[str, Any]) -> str:
    name = _free_text("ListAccountRoles", item, "roleName")
    if not name:
        raise _odd("ListAccountRoles", "roleName")
    return name


def _free_text(operation: str, item: dict[str, Any], name: str) -> str:
    """Take a text that a stranger chose: any characters that can be written, not endless; empty where left out."""
    value = item.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > _LONGEST_NAME:
        raise _odd(operation, name)
    return value.encode("utf-8", "replace").decode()


def _odd(operation: str, name: str) -> NetworkError:
    return NetworkError(f"the reply to {operation} has no usable {name}", hint="try again; if it stays, awssso -v")


def _decoded(operation: str, reply: Reply, *, sent: tuple[str, ...]) -> dict[str, Any]:
    if reply.status != 200:  # noqa: PLR2004 - HTTP OK
        raise _error(operation, reply, sent)
    values = _json_object(reply.body)
    if values is None:
        raise NetworkError(f"the reply to {operation} is not what AWS sends", hint="is a proxy or portal in between?")
    return values


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        values = json.loads(body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key twice")
    return values


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _sane_expiration(milliseconds: int, reply: Reply) -> int:
    """Take an expiration between one minute and 13 hours ahead of the service's own clock (SECURITY C5)."""
    expires_at = milliseconds // 1000
    if not 60 <= expires_at - (time.time() + _skew(reply)) <= _MAX_CREDENTIAL_LIFE:  # noqa: PLR2004 - one minute
        raise _odd("GetRoleCredentials", "expiration")
    return expires_at


def _skew(reply: Reply) -> float:
    """Give how far the service's clock is ahead of ours, in seconds; 0 where they agree or nothing is known."""
    try:
        served = parsedate_to_datetime(reply.headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError, OverflowError):
        return 0.0
    skew = served - reply.sent_at
    return skew if _SKEW_WORTH_NOTICE < abs(skew) <= _MAX_SKEW and "age" not in reply.headers else 0.0


def _error(operation: str, reply: Reply, sent: tuple[str, ...]) -> AwsssoError:
    values = _json_object(reply.body) or {}
    code = _error_code(reply, values)
    said = _error_text(values, sent)
    is_silent = not values and not code and reply.status < 500 and reply.status != _TOO_MANY  # noqa: PLR2004 - HTTP
    if reply.status < 400 or is_silent:  # noqa: PLR2004 - HTTP
        return NetworkError(f"the reply to {operation} is not what AWS sends", hint="is a proxy or portal in between?")
    message = f"{operation}: {code or f'HTTP {reply.status}'}{f' ({said})' if said else ''}"
    kind, hint = _error_kind(operation, reply.status, code)
    error = kind(message, code=code, status=reply.status, hint=hint)
    error.retry_after = _retry_after(reply)
    return error


def _error_kind(operation: str, status: int, code: str) -> tuple[type[ServiceError], str]:
    if status == _TOO_MANY or code in ("TooManyRequestsException", "ThrottlingException"):
        return ThrottledError, "AWS asks for fewer requests; try again in a minute"
    if operation in ("RegisterClient", "StartDeviceAuthorization", "CreateToken"):
        return OAuthError, ""
    if status == 401:  # noqa: PLR2004 - HTTP
        return UnauthorizedError, "awssso login"
    if status in (403, 404):
        return AccessDeniedError, "awssso sync, or ask the people who assign your roles"
    return ServiceError, "try again; if it stays, awssso status and the AWS health page"


def _error_code(reply: Reply, values: dict[str, Any]) -> str:
    """Find the error's name as botocore does (PROTOCOL 1.3), and in the OAuth body where botocore does not look."""
    error = values.get("error")
    for found in (
        reply.headers.get("x-amzn-errortype"),
        values.get("code"),
        values.get("__type"),
        _OAUTH_CODES.get(error) if isinstance(error, str) else None,
    ):
        if isinstance(found, str) and found:
            name = found.split(":")[0].rpartition("#")[2]
            return name[:80] if name.isascii() and name.isidentifier() else ""
    return ""


def _error_text(values: dict[str, Any], sent: tuple[str, ...]) -> str:
    """Give the service's own explanation, in one safe line; nothing where it repeats what we sent."""
    for name in ("error_description", "message", "Message"):
        text = values.get(name)
        if isinstance(text, str) and text:
            line = "".join(character if character.isprintable() else "?" for character in text[:200])
            return "" if any(_repeats(line, secret) for secret in sent) else line
    return ""


def _repeats(line: str, secret: str) -> bool:
    length = min(_REVEALING, len(secret))
    return length > 0 and any(line[start : start + length] in secret for start in range(len(line) - length + 1))


def _retry_after(reply: Reply) -> float:
    value = reply.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() and len(value) < 6 else 0.0  # noqa: PLR2004 - seconds

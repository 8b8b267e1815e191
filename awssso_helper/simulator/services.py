"""The services of Identity Center on the wire: from an HTTP request to the organisation and back to a reply.

It knows paths, names of members, units and the shape of each service's errors (PROTOCOL 1, 2, 9); whether a
request is granted is decided in `organization` and `authorization`.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote

from awssso_helper.simulator import pages, signature
from awssso_helper.simulator.organization import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from awssso_helper.simulator.authorization import AuthorizationServer
    from awssso_helper.simulator.organization import MintedCredentials, Organization

_PATHS = {
    ("POST", "/client/register"): "RegisterClient",
    ("POST", "/device_authorization"): "StartDeviceAuthorization",
    ("POST", "/token"): "CreateToken",
    ("GET", "/assignment/accounts"): "ListAccounts",
    ("GET", "/assignment/roles"): "ListAccountRoles",
    ("GET", "/federation/credentials"): "GetRoleCredentials",
    ("POST", "/logout"): "Logout",
    ("GET", "/authorize"): "ConsentPage",
    ("POST", "/authorize"): "ConsentDecision",
    ("GET", "/device"): "DevicePage",
    ("POST", "/device"): "DeviceDecision",
    ("POST", "/federation"): "Federation",
    ("GET", "/federation"): "Federation",
    ("GET", "/"): "HomePage",
}
OIDC = frozenset({"RegisterClient", "StartDeviceAuthorization", "CreateToken"})
PORTAL = frozenset({"ListAccounts", "ListAccountRoles", "GetRoleCredentials", "Logout"})
STS = frozenset({"GetCallerIdentity", "GetAccessKeyInfo", "AssumeRole", "UnknownAction"})
SIGN_IN = {"getSigninToken": "GetSigninToken", "login": "ConsoleLogin"}

_DEFAULT_PAGE = 20
_LARGEST_PAGE = 100
_STS_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


@dataclass(frozen=True)
class Request:
    """An HTTP request; header names are lower case, `target` is path and query as they came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    base_url: str

    @property
    def path(self) -> str:
        """The path without the query."""
        return self.target.partition("?")[0]

    @cached_property
    def query(self) -> dict[str, str]:
        """The decoded query; of a repeated name the first value."""
        return _first_values(self.target.partition("?")[2])

    @cached_property
    def members(self) -> dict[str, Any]:
        """The decoded body: a JSON object or a form; empty when it is neither."""
        if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return _first_values(self.body.decode("utf-8", "replace"))
        try:
            decoded = json.loads(self.body or b"{}")
        except (ValueError, RecursionError):
            return {}
        return decoded if isinstance(decoded, dict) else {}

    @property
    def operation(self) -> str:
        """The name of what is asked for, as AWS spells it; pages have names of ours, anything else is Unknown."""
        if (self.method, self.path) == ("POST", "/"):
            action = str(self.members.get("Action"))
            return action if action in STS else "UnknownAction"
        operation = _PATHS.get((self.method, self.path), "Unknown")
        if operation == "Federation":
            return SIGN_IN.get(str({**self.query, **self.members}.get("Action")), "Unknown")
        return operation


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP reply. Length, date and connection are the HTTP face's business."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Services:
    """All operations over one organisation."""

    def __init__(self, organization: Organization, authorization: AuthorizationServer) -> None:
        self._organization = organization
        self._authorization = authorization
        self._operations: dict[str, Callable[[Request, float], Reply]] = {
            "RegisterClient": self._register_client,
            "StartDeviceAuthorization": self._start_device_authorization,
            "CreateToken": self._create_token,
            "ListAccounts": self._list_accounts,
            "ListAccountRoles": self._list_account_roles,
            "GetRoleCredentials": self._get_role_credentials,
            "Logout": self._logout,
            "GetCallerIdentity": self._get_caller_identity,
            "GetAccessKeyInfo": self._get_access_key_info,
            "AssumeRole": self._assume_role,
            "GetSigninToken": self._get_sign_in_token,
            "ConsoleLogin": self._console_login,
            "ConsentPage": self._consent_page,
            "ConsentDecision": self._consent_decision,
            "DevicePage": self._device_page,
            "DeviceDecision": self._device_decision,
            "HomePage": self._home_page,
        }

    def answer(self, request: Request, now: float) -> Reply:
        """Perform the operation that a request asks for."""
        operation = self._operations.get(request.operation)
        if operation is None:
            code = "InvalidAction" if request.operation in STS else "UnknownOperationException"
            return refusal_reply(request.operation, Refusal(code, "There is no such operation"))
        try:
            with self._organization.lock:
                return operation(request, now)
        except Refusal as refusal:
            return refusal_reply(request.operation, refusal)

    # sso-oidc

    def _register_client(self, request: Request, now: float) -> Reply:
        client = self._authorization.register_client(request.members, now)
        return _json_reply(
            {
                "clientId": client.id,
                "clientSecret": client.secret,
                "clientIdIssuedAt": client.issued_at,
                "clientSecretExpiresAt": client.expires_at,
            }
        )

    def _start_device_authorization(self, request: Request, now: float) -> Reply:
        device = self._authorization.start_device_authorization(request.members, now)
        page = f"{request.base_url}/device"
        return _json_reply(
            {
                "deviceCode": device.code,
                "userCode": device.user_code,
                "verificationUri": page,
                "verificationUriComplete": f"{page}?user_code={quote(device.user_code)}",
                "expiresIn": round(device.expires_at - now),
                "interval": device.interval,
            }
        )

    def _create_token(self, request: Request, now: float) -> Reply:
        tokens = self._authorization.create_token(request.members, now)
        reply = {
            "accessToken": tokens.access.value,
            "tokenType": "Bearer",
            "expiresIn": round(tokens.access.expires_at - now),
        }
        if tokens.refresh_token is not None:
            reply["refreshToken"] = tokens.refresh_token
        return _json_reply(reply)

    # The access portal

    def _list_accounts(self, request: Request, now: float) -> Reply:
        accounts = self._organization.list_accounts(_bearer(request), now)
        entries = [
            # The service leaves out what is empty (PROTOCOL 2.1).
            {"accountId": each.id}
            | ({"accountName": each.name} if each.name else {})
            | ({"emailAddress": each.email} if each.email else {})
            for each in accounts
        ]
        return _json_reply(_page(request, "accountList", entries))

    def _list_account_roles(self, request: Request, now: float) -> Reply:
        account_id = request.query.get("account_id", "")
        names = self._organization.list_account_roles(_bearer(request), account_id, now)
        entries = [{"roleName": name, "accountId": account_id} for name in names]
        return _json_reply(_page(request, "roleList", entries))

    def _get_role_credentials(self, request: Request, now: float) -> Reply:
        account_id, role_name = request.query.get("account_id", ""), request.query.get("role_name", "")
        minted = self._organization.role_credentials(_bearer(request), account_id, role_name, now)
        credentials = {
            "accessKeyId": minted.access_key_id,
            "secretAccessKey": minted.secret_access_key,
            "sessionToken": minted.session_token,
            "expiration": int(minted.expires_at * 1000),
        }
        return _json_reply({"roleCredentials": credentials})

    def _logout(self, request: Request, now: float) -> Reply:
        self._organization.log_out(_bearer(request), now)
        return Reply(200)

    # STS

    def _signer(self, request: Request, now: float) -> MintedCredentials:
        key_id = signature.access_key_id_of(request.headers)
        if key_id is None:
            raise Refusal("MissingAuthenticationToken", "Request is missing Authentication Token")
        session_token = request.headers.get("x-amz-security-token", "")
        minted = self._organization.credentials_behind(key_id, session_token, now)
        if not signature.is_signed_with(minted.secret_access_key, request.headers, request.body):
            raise Refusal("SignatureDoesNotMatch", "The request signature we calculated does not match")
        return minted

    def _get_caller_identity(self, request: Request, now: float) -> Reply:
        identity = self._organization.identity_of(self._signer(request, now))
        members = {"Arn": identity.arn, "UserId": identity.user_id, "Account": identity.account_id}
        return _sts_reply("GetCallerIdentity", members)

    def _get_access_key_info(self, request: Request, _now: float) -> Reply:
        account_id = self._organization.account_of_key(str(request.members.get("AccessKeyId", "")))
        return _sts_reply("GetAccessKeyInfo", {"Account": account_id})

    def _assume_role(self, request: Request, now: float) -> Reply:
        form = request.members
        minted = self._organization.assume_role(
            self._signer(request, now),
            str(form.get("RoleArn", "")),
            str(form.get("RoleSessionName", "")),
            now,
            external_id=str(form.get("ExternalId", "")),
            duration=int(form.get("DurationSeconds", "3600")),
        )
        identity = self._organization.identity_of(minted)
        credentials = {
            "AccessKeyId": minted.access_key_id,
            "SecretAccessKey": minted.secret_access_key,
            "SessionToken": minted.session_token,
            "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(minted.expires_at)),
        }
        user = {"Arn": identity.arn, "AssumedRoleId": identity.user_id}
        return _sts_reply("AssumeRole", {}, {"Credentials": credentials, "AssumedRoleUser": user})

    # The console

    def _get_sign_in_token(self, request: Request, now: float) -> Reply:
        form = {**request.query, **request.members}
        try:
            session = json.loads(form.get("Session", ""))
            keys = (str(session["sessionId"]), str(session["sessionKey"]), str(session["sessionToken"]))
        except (ValueError, KeyError, TypeError) as error:
            raise Refusal("InvalidRequest", "Session is not what it should be") from error
        return _json_reply({"SigninToken": self._organization.sign_in_token(*keys, now)})

    def _console_login(self, request: Request, now: float) -> Reply:
        minted = self._organization.signed_in_by(request.query.get("SigninToken", ""), now)
        arn = self._organization.identity_of(minted).arn
        return _page_reply(200, pages.console(arn, request.query.get("Destination", "")))

    # Pages

    def _home_page(self, _request: Request, _now: float) -> Reply:
        return _page_reply(200, pages.home(self._organization.start_url))

    def _consent_page(self, request: Request, now: float) -> Reply:
        consent = self._authorization.open_consent(request.query, now)
        return _page_reply(200, pages.consent(consent.id, consent.client.name, self._organization.users))

    def _consent_decision(self, request: Request, now: float) -> Reply:
        form = _own_form(request)
        location = self._authorization.decide_consent(
            form.get("consent", ""), form.get("user", ""), now, allowed=_is_allowed(form)
        )
        return Reply(302, headers={"Location": location, "Cache-Control": "no-store"})

    def _device_page(self, request: Request, now: float) -> Reply:
        user_code = request.query.get("user_code", "")
        if not user_code:
            return _page_reply(200, pages.device_code())
        device = self._authorization.device_of(user_code, now)
        return _page_reply(200, pages.device(device.user_code, device.client.name, self._organization.users))

    def _device_decision(self, request: Request, now: float) -> Reply:
        form = _own_form(request)
        allowed = _is_allowed(form)
        self._authorization.decide_device(form.get("user_code", ""), form.get("user", ""), now, allowed=allowed)
        return _page_reply(200, pages.decided(allowed=allowed))


def refusal_reply(operation: str, refusal: Refusal) -> Reply:
    """Write a refusal as the service of this operation does."""
    if operation in OIDC:
        return _oidc_refusal(refusal)
    if operation in STS:
        return _sts_refusal(refusal)
    if operation in PORTAL or operation == "Unknown":
        return _portal_refusal(refusal)
    return _page_reply(refusal.status, pages.refused(refusal.message))


def _portal_refusal(refusal: Refusal) -> Reply:
    package = "com.amazonaws.switchboard.portal"
    body = {"message": refusal.message, "__type": f"{package}#{refusal.code}"}
    return _json_reply(body, refusal.status, {"x-amzn-ErrorType": _error_type(refusal, package)})


def _oidc_refusal(refusal: Refusal) -> Reply:
    body = {"error": _oauth_error(refusal.code), "error_description": refusal.message}
    return _json_reply(body, refusal.status, {"x-amzn-ErrorType": _error_type(refusal, "com.amazonaws.sso.oidc")})


def _error_type(refusal: Refusal, package: str) -> str:
    return f"{refusal.code}:http://internal.amazon.com/coral/{package}/"


def _oauth_error(code: str) -> str:
    """Give the OAuth name of an exception: AuthorizationPendingException is authorization_pending."""
    if code == "InternalServerException":
        return "server_error"
    return re.sub(r"(?<!^)(?=[A-Z])", "_", code.removesuffix("Exception")).lower()


def _json_reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    head = {"Content-Type": "application/json", "Cache-Control": "no-store", **(headers or {})}
    return Reply(status, json.dumps(value).encode(), head)


def _page_reply(status: int, html: str) -> Reply:
    return Reply(status, html.encode("utf-8", "xmlcharrefreplace"), pages.HEADERS)


def _sts_reply(
    action: str, members: Mapping[str, str], structures: Mapping[str, Mapping[str, str]] | None = None
) -> Reply:
    inner = _elements(members)
    inner += "".join(f"<{name}>{_elements(inside)}</{name}>" for name, inside in (structures or {}).items())
    return _xml_reply(200, f"{action}Response", f"<{action}Result>{inner}</{action}Result>{_request_id()}")


def _elements(members: Mapping[str, str]) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in members.items())


def _sts_refusal(refusal: Refusal) -> Reply:
    error = f"<Error><Type>Sender</Type><Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message></Error>"
    return _xml_reply(refusal.status, "ErrorResponse", error)


def _request_id() -> str:
    return f"<ResponseMetadata><RequestId>{secrets.token_hex(16)}</RequestId></ResponseMetadata>"


def _xml_reply(status: int, root: str, inner: str) -> Reply:
    body = f'<{root} xmlns="{_STS_NAMESPACE}">{inner}</{root}>\n'
    return Reply(status, body.encode(), {"Content-Type": "text/xml"})


def _page(request: Request, name: str, entries: Sequence[Any]) -> dict[str, Any]:
    """Cut the page that max_result and next_token ask for; the token tells nobody but us what it means."""
    size, start = request.query.get("max_result", str(_DEFAULT_PAGE)), request.query.get("next_token", "")
    if not (size.isascii() and size.isdigit() and 1 <= int(size) <= _LARGEST_PAGE):
        raise Refusal("InvalidRequestException", f"max_result must be 1 to {_LARGEST_PAGE}")
    if start and not re.fullmatch(f"{name}-[0-9]{{1,9}}", start):
        raise Refusal("InvalidRequestException", "next_token is invalid")
    first = int(start.rpartition("-")[2] or 0)
    after = first + int(size)
    more = f"{name}-{after}" if after < len(entries) else None
    return {"nextToken": more, name: entries[first:after]}


def _bearer(request: Request) -> str:
    return request.headers.get("x-amz-sso_bearer_token", "")


def _own_form(request: Request) -> dict[str, Any]:
    """Give the form that one of our own pages sent; another site in the same browser may not decide for a person."""
    own = f"http://{request.headers.get('host')}"
    if request.headers.get("origin", own) != own:
        raise Refusal("ForbiddenException", "this form came from another site")
    return request.members


def _is_allowed(form: Mapping[str, Any]) -> bool:
    decision = form.get("decision")
    if decision not in ("allow", "deny"):
        raise Refusal("InvalidRequestException", "the form must allow or deny")
    return bool(decision == "allow")


def _first_values(text: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}

"""The simulator's referees are clients that nobody here wrote: botocore, its native SSO provider, the AWS CLI."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.client
import http.server
import json
import math
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import botocore.session
import modern_aws
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from awssso_helper.errors import UsageError
from awssso_helper.model import utc_text
from awssso_helper.simulator import Organization, Simulator, person
from awssso_helper.simulator.authorization import CODE_GRANT, DEVICE_GRANT, REDIRECT_URI, AuthorizationServer
from awssso_helper.simulator.organization import Refusal

ADA, GRACE = "ada@example.com", "grace@example.com"
PRODUCTION = "210987654321"
SCOPES = ["sso:account:access"]
VERIFIER = "v" * 64
REPOSITORY = Path(__file__).resolve().parent.parent


# Clients


def client(simulator: Simulator, service: str, **keys: str):
    session = botocore.session.Session()
    session.set_credentials(keys.get("key", "AKIAIOSFODNN7EXAMPLE"), keys.get("secret", "none"), keys.get("token"))
    return session.create_client(
        service,
        region_name="us-east-1",
        endpoint_url=simulator.url,
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def oidc(simulator: Simulator):
    return client(simulator, "sso-oidc")


@pytest.fixture
def portal(simulator: Simulator):
    return client(simulator, "sso")


class SignedIn:
    """A client registration with tokens, got by the device flow as botocore drives it."""

    def __init__(self, simulator: Simulator, oidc, user: str = ADA, scopes: list[str] | None = None) -> None:
        registration = oidc.register_client(
            clientName="a test", clientType="public", scopes=SCOPES if scopes is None else scopes
        )
        self.registration = registration
        self.keys = {"clientId": registration["clientId"], "clientSecret": registration["clientSecret"]}
        self.device = oidc.start_device_authorization(**self.keys, startUrl=simulator.organization.start_url)
        assert person.approve(self.device["verificationUriComplete"], user=user) == 200
        self.tokens = oidc.create_token(**self.keys, grantType=DEVICE_GRANT, deviceCode=self.device["deviceCode"])
        self.access_token: str = self.tokens["accessToken"]


@pytest.fixture
def ada(simulator: Simulator, oidc) -> SignedIn:
    return SignedIn(simulator, oidc)


@contextmanager
def callback_server():
    """A loopback callback like a client's: keeps the queries that it got."""
    queries: list[dict[str, str]] = []

    class Callback(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            parts = urllib.parse.urlsplit(self.path)
            queries.append({"path": parts.path, **dict(urllib.parse.parse_qsl(parts.query))})
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Callback)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/oauth/callback", queries
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def authorize_url(simulator: Simulator, client_id: str, redirect_uri: str, changes=()) -> str:
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "state": "a-state",
        "code_challenge_method": "S256",
        "code_challenge": challenge(VERIFIER),
        "scopes": "sso:account:access",
        **dict(changes),
    }
    return f"{simulator.url}/authorize?" + urllib.parse.urlencode({k: v for k, v in query.items() if v is not None})


def pkce_client(oidc) -> dict[str, str]:
    registration = oidc.register_client(
        clientName="a test",
        clientType="public",
        grantTypes=[CODE_GRANT, "refresh_token"],
        redirectUris=[REDIRECT_URI],
        issuerUrl="https://d-1234567890.awsapps.com/start",
        scopes=SCOPES,
    )
    return {"clientId": registration["clientId"], "clientSecret": registration["clientSecret"]}


def authorization_code(simulator: Simulator, keys: dict[str, str], **how) -> tuple[str, str]:
    """The code that a person's browser brings back, and the redirect URI that it was brought to."""
    with callback_server() as (redirect_uri, queries):
        assert person.approve(authorize_url(simulator, keys["clientId"], redirect_uri), **how) == 200
    assert queries[0]["state"] == "a-state"
    return queries[0]["code"], redirect_uri


def raw(simulator: Simulator, method: str, target: str, body: bytes | None = None, headers=(), **more: str):
    """One request with exactly these headers; gives status, headers (a Message) and body."""
    sent = {**dict(headers), **{name.replace("_", "-"): value for name, value in more.items()}}
    connection = http.client.HTTPConnection("127.0.0.1", simulator.port, timeout=20)
    try:
        connection.request(method, target, body, sent)
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()
    finally:
        connection.close()


# Signing in


def test_botocore_signs_in_with_pkce_and_refreshes(simulator, oidc, portal):
    keys = pkce_client(oidc)
    assert len(keys["clientSecret"]) > 1024
    code, redirect_uri = authorization_code(simulator, keys, user=GRACE)
    tokens = oidc.create_token(**keys, grantType=CODE_GRANT, code=code, redirectUri=redirect_uri, codeVerifier=VERIFIER)
    assert (tokens["tokenType"], tokens["expiresIn"]) == ("Bearer", 3600)
    fresh = oidc.create_token(**keys, grantType="refresh_token", refreshToken=tokens["refreshToken"])
    assert len({tokens["accessToken"], fresh["accessToken"]}) == 2
    for token in (tokens["accessToken"], fresh["accessToken"]):
        assert len(portal.list_accounts(accessToken=token)["accountList"]) == 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"codeVerifier": "w" * 64},
        {"codeVerifier": challenge(VERIFIER)},
        {"redirectUri": "http://127.0.0.1:1/oauth/callback"},
        {"code": "made-up"},
    ],
)
def test_a_code_is_worth_nothing_without_what_belongs_to_it(simulator, oidc, wrong):
    keys = pkce_client(oidc)
    code, redirect_uri = authorization_code(simulator, keys)
    right = {"code": code, "redirectUri": redirect_uri, "codeVerifier": VERIFIER}
    with pytest.raises(oidc.exceptions.InvalidGrantException):
        oidc.create_token(**keys, grantType=CODE_GRANT, **{**right, **wrong})


def test_a_code_is_good_for_one_try_even_a_wrong_one(simulator, oidc):
    keys = pkce_client(oidc)
    for first_verifier in (VERIFIER, "w" * 64):
        code, redirect_uri = authorization_code(simulator, keys)
        exchange = {**keys, "grantType": CODE_GRANT, "code": code, "redirectUri": redirect_uri}
        try:
            oidc.create_token(**exchange, codeVerifier=first_verifier)
        except oidc.exceptions.InvalidGrantException:
            assert first_verifier != VERIFIER
        with pytest.raises(oidc.exceptions.InvalidGrantException):
            oidc.create_token(**exchange, codeVerifier=VERIFIER)


def test_a_code_belongs_to_the_client_that_asked_for_it(simulator, oidc):
    code, redirect_uri = authorization_code(simulator, pkce_client(oidc))
    with pytest.raises(oidc.exceptions.InvalidGrantException):
        oidc.create_token(
            **pkce_client(oidc), grantType=CODE_GRANT, code=code, redirectUri=redirect_uri, codeVerifier=VERIFIER
        )


def test_a_code_grows_old(simulator, oidc):
    keys = pkce_client(oidc)
    code, redirect_uri = authorization_code(simulator, keys)
    simulator.advance(61)
    with pytest.raises(oidc.exceptions.ExpiredTokenException):
        oidc.create_token(**keys, grantType=CODE_GRANT, code=code, redirectUri=redirect_uri, codeVerifier=VERIFIER)


def test_a_refusal_reaches_the_callback_with_the_state(simulator, oidc):
    with callback_server() as (redirect_uri, queries):
        url = authorize_url(simulator, pkce_client(oidc)["clientId"], redirect_uri)
        assert person.approve(url, deny=True) == 200
    assert queries == [{"path": "/oauth/callback", "error": "access_denied", "state": "a-state"}]


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "made-up"},
        {"response_type": "token"},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"code_challenge": "short"},
        {"code_challenge": None},
        {"state": None},
        {"state": ""},
        {"scopes": None},
        {"scopes": "sso:account:access sso-portal:*"},
        {"redirect_uri": None},
        {"redirect_uri": "http://127.0.0.1/oauth/callback"},
        {"redirect_uri": "http://localhost:8000/oauth/callback"},
        {"redirect_uri": "http://127.0.0.1:8000/oauth/callback/more"},
        {"redirect_uri": "http://127.0.0.1:8000/oauth/callback?a=b"},
        {"redirect_uri": "http://127.0.0.1:8000@evil.example/oauth/callback"},
        {"redirect_uri": "https://127.0.0.1:8000/oauth/callback"},
    ],
)
def test_a_wrong_authorize_request_gets_a_page_and_no_form(simulator, oidc, change):
    url = authorize_url(simulator, pkce_client(oidc)["clientId"], "http://127.0.0.1:8000/oauth/callback", change)
    status, headers, body = raw(simulator, "GET", url.removeprefix(simulator.url))
    assert status in (400, 401)
    assert "Location" not in headers
    assert b"<form" not in body


def test_a_device_client_cannot_use_the_authorize_page(simulator, ada):
    url = authorize_url(simulator, ada.keys["clientId"], "http://127.0.0.1:8000/oauth/callback")
    assert raw(simulator, "GET", url.removeprefix(simulator.url))[0] == 400


def test_botocore_signs_in_with_a_device_code(simulator, oidc):
    registration = oidc.register_client(clientName="a test", clientType="public", scopes=SCOPES)
    keys = {"clientId": registration["clientId"], "clientSecret": registration["clientSecret"]}
    device = oidc.start_device_authorization(**keys, startUrl=simulator.organization.start_url)
    assert re.fullmatch("[A-Z]{4}-[A-Z]{4}", device["userCode"])
    assert (device["expiresIn"], device["interval"]) == (600, 1)
    assert device["verificationUriComplete"] == f"{device['verificationUri']}?user_code={device['userCode']}"
    poll = {**keys, "grantType": DEVICE_GRANT, "deviceCode": device["deviceCode"]}
    with pytest.raises(oidc.exceptions.AuthorizationPendingException):
        oidc.create_token(**poll)
    with pytest.raises(oidc.exceptions.SlowDownException):
        oidc.create_token(**poll)
    assert person.approve(device["verificationUriComplete"]) == 200
    assert oidc.create_token(**poll)["refreshToken"]
    with pytest.raises(oidc.exceptions.InvalidGrantException):
        oidc.create_token(**poll)


def test_a_refused_device_is_told_so(simulator, oidc, ada):
    device = oidc.start_device_authorization(**ada.keys, startUrl=simulator.organization.start_url)
    assert person.approve(device["verificationUriComplete"], deny=True) == 200
    with pytest.raises(oidc.exceptions.AccessDeniedException):
        oidc.create_token(**ada.keys, grantType=DEVICE_GRANT, deviceCode=device["deviceCode"])


def test_a_device_code_grows_old_for_client_and_person(simulator, oidc, ada):
    device = oidc.start_device_authorization(**ada.keys, startUrl=simulator.organization.start_url)
    simulator.advance(601)
    with pytest.raises(oidc.exceptions.ExpiredTokenException):
        oidc.create_token(**ada.keys, grantType=DEVICE_GRANT, deviceCode=device["deviceCode"])
    assert run_person(device["verificationUriComplete"]).returncode == 1


def test_each_slow_down_adds_five_seconds_for_good():
    organization = Organization.sample()
    server = AuthorizationServer(organization)
    registered = server.register_client({"clientName": "a", "clientType": "public"}, now=0)
    keys = {"clientId": registered.id, "clientSecret": registered.secret}
    device = server.start_device_authorization({**keys, "startUrl": organization.start_url}, now=0)

    def poll(now: float) -> str:
        with pytest.raises(Refusal) as refusal:
            server.create_token({**keys, "grantType": DEVICE_GRANT, "deviceCode": device.code}, now=now)
        return refusal.value.code.removesuffix("Exception")

    pending, slower = "AuthorizationPending", "SlowDown"
    polls = [(0, pending), (1, pending), (1.5, slower), (7.5, pending), (8.6, slower), (19.6, pending), (25.6, slower)]
    assert [(now, poll(now)) for now, _ in polls] == polls


def test_a_user_code_may_be_typed_as_people_type(simulator, oidc, ada):
    device = oidc.start_device_authorization(**ada.keys, startUrl=simulator.organization.start_url)
    typed = device["userCode"].lower().replace("-", "%20")
    assert person.approve(f"{simulator.url}/device?user_code={typed}") == 200
    assert oidc.create_token(**ada.keys, grantType=DEVICE_GRANT, deviceCode=device["deviceCode"])["accessToken"]


# Tokens over time


def refreshed(oidc, signed_in: SignedIn, refresh_token: str):
    return oidc.create_token(**signed_in.keys, grantType="refresh_token", refreshToken=refresh_token)


def test_a_refresh_token_is_good_once(oidc, ada):
    first = ada.tokens["refreshToken"]
    second = refreshed(oidc, ada, first)["refreshToken"]
    with pytest.raises(oidc.exceptions.InvalidGrantException):
        refreshed(oidc, ada, first)
    assert refreshed(oidc, ada, second)["refreshToken"]


def test_of_forty_refreshes_at_once_one_wins(simulator, oidc, ada):
    def attempt(_number: int) -> bool:
        try:
            return bool(refreshed(oidc, ada, ada.tokens["refreshToken"]))
        except oidc.exceptions.InvalidGrantException:
            return False

    with ThreadPoolExecutor(40) as pool:
        assert sum(pool.map(attempt, range(40))) == 1
    assert simulator.count("CreateToken", grantType="refresh_token") == 40


def test_an_organisation_without_rotation_keeps_old_refresh_tokens(simulator, oidc, ada):
    simulator.organization.rotates_refresh_tokens = False
    first = ada.tokens["refreshToken"]
    assert refreshed(oidc, ada, first)["refreshToken"] != first
    assert refreshed(oidc, ada, first)["refreshToken"]


def test_a_reply_without_a_refresh_token_keeps_the_old_one(simulator, oidc, ada):
    simulator.organization.renews_refresh_tokens = False
    for _ in range(2):
        assert "refreshToken" not in refreshed(oidc, ada, ada.tokens["refreshToken"])


def test_a_refresh_token_belongs_to_its_client(simulator, oidc, ada):
    with pytest.raises(oidc.exceptions.InvalidGrantException):
        refreshed(oidc, SignedIn(simulator, oidc), ada.tokens["refreshToken"])


def test_an_access_token_ends_and_is_refreshed_until_the_session_ends(simulator, oidc, portal, ada):
    refresh_token = ada.tokens["refreshToken"]
    simulator.advance(3601)
    with pytest.raises(portal.exceptions.UnauthorizedException, match="Session token not found or invalid"):
        portal.list_accounts(accessToken=ada.access_token)
    simulator.advance(10.5 * 3600)
    last = refreshed(oidc, ada, refresh_token)
    assert 0 < last["expiresIn"] < 1801, "no access token outlives its session"
    simulator.advance(0.5 * 3600)
    with pytest.raises(oidc.exceptions.InvalidGrantException):
        refreshed(oidc, ada, last["refreshToken"])


def test_lives_can_be_short_for_clients_with_a_clock_of_their_own(simulator, oidc):
    simulator.organization.access_token_life = 2
    assert SignedIn(simulator, oidc).tokens["expiresIn"] == 2


def test_no_scopes_mean_a_legacy_token(simulator, oidc, portal):
    legacy = SignedIn(simulator, oidc, scopes=[])
    assert "refreshToken" not in legacy.tokens
    assert legacy.tokens["expiresIn"] == 8 * 3600
    simulator.advance(8 * 3600 - 60)
    assert portal.list_accounts(accessToken=legacy.access_token)["accountList"]


def test_a_registration_ends(simulator, oidc, ada):
    assert ada.registration["clientSecretExpiresAt"] == pytest.approx(time.time() + 90 * 86400, abs=60)
    simulator.organization.registration_life = 10
    short = pkce_client(oidc)
    simulator.advance(11)
    with pytest.raises(oidc.exceptions.InvalidClientException):
        oidc.create_token(**short, grantType="refresh_token", refreshToken="any")
    assert refreshed(oidc, ada, ada.tokens["refreshToken"])


def test_an_administrator_can_end_a_users_sessions(simulator, oidc, portal, ada):
    grace = SignedIn(simulator, oidc, GRACE)
    simulator.organization.revoke_sessions(ADA)
    with pytest.raises(portal.exceptions.UnauthorizedException):
        portal.list_accounts(accessToken=ada.access_token)
    with pytest.raises(oidc.exceptions.InvalidGrantException):
        refreshed(oidc, ada, ada.tokens["refreshToken"])
    assert portal.list_accounts(accessToken=grace.access_token)["accountList"]


def test_logout_ends_the_session_and_not_the_role_credentials(simulator, oidc, portal, ada):
    keys = role_keys(portal, ada)
    portal.logout(accessToken=ada.access_token)
    for call in (portal.logout, portal.list_accounts):
        with pytest.raises(portal.exceptions.UnauthorizedException):
            call(accessToken=ada.access_token)
    with pytest.raises(oidc.exceptions.InvalidGrantException):
        refreshed(oidc, ada, ada.tokens["refreshToken"])
    assert client(simulator, "sts", **keys).get_caller_identity()["Account"] == PRODUCTION


# Errors


def modelled_errors() -> list[tuple[str, str, str, int]]:
    """Every error that botocore's models give to an operation of ours, with its HTTP status."""
    session = botocore.session.Session()
    return [
        (service, name, error.name, error.metadata["error"]["httpStatusCode"])
        for service in ("sso", "sso-oidc")
        for name in session.get_service_model(service).operation_names
        if name != "CreateTokenWithIAM"
        for error in session.get_service_model(service).operation_model(name).error_shapes
    ]


ARGUMENTS = {
    "GetRoleCredentials": {"accessToken": "a", "accountId": PRODUCTION, "roleName": "r"},
    "ListAccountRoles": {"accessToken": "a", "accountId": PRODUCTION},
    "ListAccounts": {"accessToken": "a"},
    "Logout": {"accessToken": "a"},
    "RegisterClient": {"clientName": "a", "clientType": "public"},
    "StartDeviceAuthorization": {"clientId": "a", "clientSecret": "a", "startUrl": "a"},
    "CreateToken": {"clientId": "a", "clientSecret": "a", "grantType": "refresh_token"},
}


def test_botocore_recognises_every_modelled_error_and_its_status(simulator, oidc, portal):
    clients = {"sso": portal, "sso-oidc": oidc}
    cases = modelled_errors()
    assert {operation for _, operation, _, _ in cases} == ARGUMENTS.keys()
    for service, operation, error, status in cases:
        simulator.misbehave(operation, error=error)
        call = getattr(clients[service], botocore.xform_name(operation))
        with pytest.raises(getattr(clients[service].exceptions, error)) as raised:
            call(**ARGUMENTS[operation])
        assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_an_oidc_error_looks_as_on_the_wire(simulator):
    body = json.dumps({"clientId": "a", "clientSecret": "b", "grantType": "refresh_token", "refreshToken": "c"})
    status, headers, reply = raw(simulator, "POST", "/token", body.encode(), content_type="application/json")
    assert status == 401
    coral = "http://internal.amazon.com/coral/com.amazonaws.sso.oidc/"
    assert headers["x-amzn-ErrorType"] == f"InvalidClientException:{coral}"
    assert set(json.loads(reply)) == {"error", "error_description"}
    assert json.loads(reply)["error"] == "invalid_client"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"clientType": "confidential"}, "InvalidClientMetadataException"),
        ({"scopes": ["sso:everything"]}, "InvalidScopeException"),
        ({"grantTypes": ["password"]}, "UnsupportedGrantTypeException"),
        ({"grantTypes": [CODE_GRANT]}, "InvalidRedirectUriException"),
        ({"redirectUris": ["http://localhost/oauth/callback"]}, "InvalidRedirectUriException"),
        ({"redirectUris": ["http://127.0.0.1:8000/oauth/callback"]}, "InvalidRedirectUriException"),
        ({"redirectUris": [REDIRECT_URI, "https://evil.example/"]}, "InvalidRedirectUriException"),
        ({"issuerUrl": "https://d-0000000000.awsapps.com/start"}, "InvalidRequestException"),
        ({"clientName": ""}, "InvalidRequestException"),
    ],
)
def test_a_wrong_registration_is_refused(oidc, changes, error):
    with pytest.raises(getattr(oidc.exceptions, error)):
        oidc.register_client(**{"clientName": "a", "clientType": "public", **changes})


def test_a_start_url_of_another_organisation_is_refused(oidc, ada):
    with pytest.raises(oidc.exceptions.InvalidRequestException):
        oidc.start_device_authorization(**ada.keys, startUrl="https://d-0000000000.awsapps.com/start")


def test_a_client_may_use_only_the_grants_it_registered(simulator, oidc, ada):
    with pytest.raises(oidc.exceptions.UnauthorizedClientException):
        oidc.start_device_authorization(**pkce_client(oidc), startUrl=simulator.organization.start_url)
    with pytest.raises(oidc.exceptions.UnauthorizedClientException):
        oidc.create_token(**ada.keys, grantType=CODE_GRANT, code="a", redirectUri="b", codeVerifier="c")
    with pytest.raises(oidc.exceptions.UnsupportedGrantTypeException):
        oidc.create_token(**ada.keys, grantType="password")


def test_a_wrong_client_secret_is_refused_everywhere(simulator, oidc, ada):
    wrong = {**ada.keys, "clientSecret": ada.keys["clientSecret"][:-1]}
    with pytest.raises(oidc.exceptions.InvalidClientException):
        oidc.start_device_authorization(**wrong, startUrl=simulator.organization.start_url)
    with pytest.raises(oidc.exceptions.InvalidClientException):
        oidc.create_token(**wrong, grantType="refresh_token", refreshToken=ada.tokens["refreshToken"])


# The portal


def role_keys(portal, signed_in: SignedIn, account: str = PRODUCTION, role: str = "AdministratorAccess"):
    minted = portal.get_role_credentials(accessToken=signed_in.access_token, accountId=account, roleName=role)
    credentials = minted["roleCredentials"]
    return {
        "key": credentials["accessKeyId"],
        "secret": credentials["secretAccessKey"],
        "token": credentials["sessionToken"],
    }


def found_by(portal, access_token: str, page_size: int) -> dict[str, list[str]]:
    """Everything that botocore's paginators find: account ids with their role names."""
    paging = {"PaginationConfig": {"PageSize": page_size}}
    accounts = portal.get_paginator("list_accounts").paginate(accessToken=access_token, **paging)
    roles = portal.get_paginator("list_account_roles")
    return {
        account["accountId"]: [
            role["roleName"]
            for page in roles.paginate(accessToken=access_token, accountId=account["accountId"], **paging)
            for role in page["roleList"]
        ]
        for accounts_page in accounts
        for account in accounts_page["accountList"]
    }


@pytest.mark.parametrize("page_size", [1, 3, 100])
def test_botocore_pages_through_everything_once(simulator, portal, ada, page_size):
    expected = {account.id: list(roles) for account, roles in simulator.organization.reachable(ADA).items()}
    assert found_by(portal, ada.access_token, page_size) == expected
    assert len(expected) == 13
    pages = math.ceil(13 / page_size)
    assert simulator.count("ListAccounts", max_result=str(page_size)) == pages


def test_a_full_last_page_has_no_next_token(oidc):
    with Simulator(Organization.large(40, 1)) as large:
        signed_in = SignedIn(large, client(large, "sso-oidc"))
        portal = client(large, "sso")
        first = portal.list_accounts(accessToken=signed_in.access_token)
        second = portal.list_accounts(accessToken=signed_in.access_token, nextToken=first["nextToken"])
    assert len(first["accountList"]) == len(second["accountList"]) == 20
    assert "nextToken" not in second


@pytest.mark.parametrize("query", ["max_result=0", "max_result=101", "max_result=a", "next_token=x", "max_result="])
def test_a_wrong_page_request_is_refused(simulator, ada, query):
    bearer = {"x-amz-sso_bearer_token": ada.access_token}
    status, _, body = raw(simulator, "GET", f"/assignment/accounts?{query}", headers=bearer)
    assert status == 400
    assert json.loads(body)["__type"] == "com.amazonaws.switchboard.portal#InvalidRequestException"


def test_people_see_different_accounts(simulator, oidc, portal, ada):
    grace = SignedIn(simulator, oidc, GRACE)
    assert found_by(portal, grace.access_token, 100).keys() < found_by(portal, ada.access_token, 100).keys()
    with pytest.raises(ClientError, match="ForbiddenException"):
        role_keys(portal, grace)


def test_role_credentials_live_as_long_as_the_permission_set_says(simulator, portal, ada):
    for role, hours in (("AdministratorAccess", 1), ("ReadOnlyAccess", 8)):
        reply = portal.get_role_credentials(accessToken=ada.access_token, accountId=PRODUCTION, roleName=role)
        credentials = reply["roleCredentials"]
        assert credentials["expiration"] == pytest.approx((time.time() + hours * 3600) * 1000, abs=60_000)
        assert re.fullmatch("ASIA[A-Z2-7]{16}", credentials["accessKeyId"])
        assert len(credentials["secretAccessKey"]) == 40
        assert len(credentials["sessionToken"]) > 300


def test_no_access_and_no_such_thing_are_different_answers(simulator, portal, ada):
    with pytest.raises(ClientError) as forbidden:
        role_keys(portal, ada, PRODUCTION, "SecurityAudit")
    assert forbidden.value.response["Error"] == {"Code": "ForbiddenException", "Message": "No access"}
    assert forbidden.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    with pytest.raises(portal.exceptions.ResourceNotFoundException):
        role_keys(portal, ada, PRODUCTION, "NoSuchRole")
    with pytest.raises(portal.exceptions.ResourceNotFoundException):
        portal.list_account_roles(accessToken=ada.access_token, accountId="999999999999")
    with pytest.raises(portal.exceptions.InvalidRequestException):
        portal.list_account_roles(accessToken=ada.access_token, accountId="12345")


def test_what_is_taken_away_is_gone_at_the_next_call(simulator, portal, ada):
    organization = simulator.organization
    organization.unassign(ADA, PRODUCTION, "AdministratorAccess")
    with pytest.raises(ClientError, match="No access"):
        role_keys(portal, ada)
    organization.remove_account("482736190055")
    organization.unassign(ADA, "619283746501", "AdministratorAccess")
    organization.unassign(ADA, "619283746501", "ReadOnlyAccess")
    organization.add_account("555555555555", "newcomer")
    organization.assign(ADA, "555555555555", "Billing")
    found = found_by(portal, ada.access_token, 100)
    assert len(found) == 12
    assert found["555555555555"] == ["Billing"]
    assert "AdministratorAccess" not in found[PRODUCTION]


def test_any_name_that_aws_allows_makes_the_round_trip(simulator, portal, ada):
    organization = simulator.organization
    role, name = "a+b=c,d.e@f-g_h", "Büro & <b>Köln</b> / %2F \"'\n\x1b[31m"
    organization.add_account("555555555555", name)
    organization.assign(ADA, "555555555555", role)
    accounts = portal.list_accounts(accessToken=ada.access_token, maxResults=100)["accountList"]
    assert accounts[-1] == {"accountId": "555555555555", "accountName": name}
    keys = role_keys(portal, ada, "555555555555", role)
    assert f"AWSReservedSSO_{role}_" in client(simulator, "sts", **keys).get_caller_identity()["Arn"]


def test_the_throttle_answers_429_beyond_its_burst(simulator, portal, ada):
    simulator.throttle(rate=0.001, burst=5)
    for _ in range(5):
        portal.list_accounts(accessToken=ada.access_token)
    with pytest.raises(portal.exceptions.TooManyRequestsException, match="HTTP 429 Unknown Code"):
        portal.list_accounts(accessToken=ada.access_token)
    assert simulator.log[-1].status == 429
    simulator.behave()
    assert portal.list_accounts(accessToken=ada.access_token)


# STS


def test_sts_names_the_role_and_the_person(simulator, portal, ada):
    keys = role_keys(portal, ada)
    sts = client(simulator, "sts", **keys)
    identity = sts.get_caller_identity()
    pattern = rf"arn:aws:sts::{PRODUCTION}:assumed-role/AWSReservedSSO_AdministratorAccess_[0-9a-f]{{16}}/{ADA}"
    assert re.fullmatch(pattern, identity["Arn"])
    assert re.fullmatch(rf"AROA[A-Z2-7]{{16}}:{ADA}", identity["UserId"])
    assert identity["Account"] == PRODUCTION
    assert sts.get_access_key_info(AccessKeyId=keys["key"])["Account"] == PRODUCTION


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"secret": "s" * 40}, "SignatureDoesNotMatch"),
        ({"token": "t"}, "InvalidClientTokenId"),
        ({"token": None}, "InvalidClientTokenId"),
        ({"key": "ASIAAAAAAAAAAAAAAAAA"}, "InvalidClientTokenId"),
    ],
)
def test_sts_wants_all_three_parts_of_the_credentials(simulator, portal, ada, change, code):
    with pytest.raises(ClientError) as refusal:
        client(simulator, "sts", **{**role_keys(portal, ada), **change}).get_caller_identity()
    assert refusal.value.response["Error"]["Code"] == code
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_sts_refuses_credentials_after_their_time(simulator, portal, ada):
    sts = client(simulator, "sts", **role_keys(portal, ada))
    simulator.advance(3601)
    with pytest.raises(ClientError, match="ExpiredToken"):
        sts.get_caller_identity()


def test_sts_refuses_the_unsigned_and_the_unknown(simulator, portal, ada):
    status, _, body = raw(
        simulator, "POST", "/", b"Action=GetCallerIdentity", content_type="application/x-www-form-urlencoded"
    )
    assert status == 403
    assert b"<Code>MissingAuthenticationToken</Code>" in body
    with pytest.raises(ClientError, match="InvalidAction"):
        client(simulator, "sts", **role_keys(portal, ada)).get_session_token()


# Real programs that know nothing of us


def variables_of_others() -> dict[str, str]:
    # PYTHONWARNINGS=error is for our own code; what other people's programs warn of is theirs.
    return {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}


def foreign_program(simulator: Simulator, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env={**variables_of_others(), **simulator.variables(), **more},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def sso_profile(simulator, oidc, home, ada) -> Path:
    """`~/.aws` as `aws configure sso` and `aws sso login` leave it; gives the token file (PROTOCOL 3.1)."""
    start_url = simulator.organization.start_url
    aws = home / ".aws"
    (aws / "sso" / "cache").mkdir(parents=True, mode=0o700)
    (aws / "config").write_text(
        f"[sso-session corp]\nsso_start_url = {start_url}\nsso_region = us-east-1\n"
        "sso_registration_scopes = sso:account:access\n\n"
        f"[profile prod]\nsso_session = corp\nsso_account_id = {PRODUCTION}\nsso_role_name = ReadOnlyAccess\n"
        "region = eu-central-1\n"
    )
    cached = {
        "startUrl": start_url,
        "region": "us-east-1",
        "accessToken": ada.access_token,
        "expiresAt": utc_text(time.time() + 3600),
        **ada.keys,
        "registrationExpiresAt": utc_text(ada.registration["clientSecretExpiresAt"]),
        "refreshToken": ada.tokens["refreshToken"],
    }
    path = aws / "sso" / "cache" / f"{hashlib.sha1(b'corp').hexdigest()}.json"
    path.write_text(json.dumps(cached))
    return path


def make_stale(token_file: Path) -> dict[str, str]:
    """Let the cached token end in five minutes: botocore refreshes below fifteen."""
    cached = json.loads(token_file.read_text())
    token_file.write_text(json.dumps({**cached, "expiresAt": utc_text(time.time() + 300)}))
    return cached


# A process of its own: botocore finds the home directory when it is imported.
WHO_AM_I = "import botocore.session as b; print(b.Session(profile='prod').create_client('sts').get_caller_identity())"


def test_botocores_own_sso_provider_refreshes_here_and_gets_its_role(simulator, sso_profile):
    before = make_stale(sso_profile)
    run = foreign_program(simulator, sys.executable, "-c", WHO_AM_I)
    assert "assumed-role/AWSReservedSSO_ReadOnlyAccess_" in run.stdout, run.stderr
    after = json.loads(sso_profile.read_text())
    assert after["accessToken"] != before["accessToken"]
    assert after["refreshToken"] != before["refreshToken"]
    assert [call.status for call in simulator.calls("CreateToken", grantType="refresh_token")] == [200]
    used = simulator.calls("GetRoleCredentials")[0].headers["x-amz-sso_bearer_token"]
    assert used == after["accessToken"]


def test_botocores_own_sso_provider_asks_for_a_login_when_the_session_ended(simulator, sso_profile):
    cached = json.loads(sso_profile.read_text())
    sso_profile.write_text(json.dumps({**cached, "expiresAt": utc_text(time.time() - 10)}))
    simulator.organization.revoke_sessions(ADA)
    run = foreign_program(simulator, sys.executable, "-c", WHO_AM_I)
    assert run.returncode == 1
    assert "TokenRetrievalError" in run.stderr
    assert [call.status for call in simulator.calls("CreateToken", grantType="refresh_token")] == [400]


def test_the_aws_cli_resolves_an_sso_profile_here(simulator, sso_profile):
    program = shutil.which("aws", path=str(Path(sys.executable).parent))
    assert program, "awscli is one of the test dependencies"
    make_stale(sso_profile)
    run = foreign_program(simulator, program, "sts", "get-caller-identity", "--profile", "prod", "--output", "json")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["Account"] == PRODUCTION
    assert simulator.count("CreateToken", grantType="refresh_token") == 1
    token = json.loads(sso_profile.read_text())["accessToken"]
    listed = foreign_program(
        simulator, program, "sso", "list-accounts", "--access-token", token, "--region", "us-east-1"
    )
    assert len(json.loads(listed.stdout)["accountList"]) == 13


@pytest.mark.skipif(not modern_aws.is_here(), reason=modern_aws.WHY_NOT)
@pytest.mark.parametrize("flow", [[], ["--use-device-code"]], ids=["pkce", "device code"])
def test_aws_sso_login_signs_in_here(simulator, sso_profile, flow):
    program = str(modern_aws.PROGRAM)
    sso_profile.unlink()
    simulator.clear_log()
    browser = f"{sys.executable} -m awssso_helper.simulator.person %s &"
    login = foreign_program(
        simulator, program, "sso", "login", "--sso-session", "corp", *flow, BROWSER=browser, AWSSSO_PERSON_USER=GRACE,
        PYTHONPATH=str(REPOSITORY),
    )  # fmt: skip
    assert login.returncode == 0, login.stderr
    assert simulator.count("StartDeviceAuthorization") == len(flow)
    assert json.loads(sso_profile.read_text())["refreshToken"]
    used = foreign_program(simulator, program, "sts", "get-caller-identity", "--profile", "prod", "--output", "json")
    assert json.loads(used.stdout)["Arn"].endswith(GRACE)


# The person


def run_person(url: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "awssso_helper.simulator.person", url],
        env={**os.environ, **variables, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_person_in_a_process_of_its_own_signs_in_as_who_they_are(simulator, oidc, portal, ada):
    device = oidc.start_device_authorization(**ada.keys, startUrl=simulator.organization.start_url)
    run = run_person(device["verificationUriComplete"], AWSSSO_PERSON_USER=GRACE)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    token = oidc.create_token(**ada.keys, grantType=DEVICE_GRANT, deviceCode=device["deviceCode"])["accessToken"]
    assert len(portal.list_accounts(accessToken=token)["accountList"]) == 4


def test_a_person_can_refuse(simulator, oidc):
    with callback_server() as (redirect_uri, queries):
        url = authorize_url(simulator, pkce_client(oidc)["clientId"], redirect_uri)
        assert run_person(url, AWSSSO_PERSON="deny").returncode == 0
    assert queries[0]["error"] == "access_denied"


def test_a_person_fails_where_the_callback_does(simulator, oidc):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        redirect_uri = f"http://127.0.0.1:{nobody.getsockname()[1]}/oauth/callback"
        run = run_person(authorize_url(simulator, pkce_client(oidc)["clientId"], redirect_uri))
    assert run.returncode == 1
    assert run.stderr.startswith("person: ")


@pytest.mark.parametrize(("path", "user"), [("/", ""), ("/device?user_code=AAAA-AAAA", ""), ("/device", "")])
def test_a_person_is_lost_on_other_pages(simulator, path, user):
    run = run_person(simulator.url + path, AWSSSO_PERSON_USER=user)
    assert run.returncode == 1
    assert "Traceback" not in run.stderr


def test_a_person_is_nobody_but_themselves(simulator, oidc, ada):
    device = oidc.start_device_authorization(**ada.keys, startUrl=simulator.organization.start_url)
    with pytest.raises(person.LostError, match="does not offer"):
        person.approve(device["verificationUriComplete"], user="mallory@example.com")
    form = urllib.parse.urlencode({"user_code": device["userCode"], "user": "mallory", "decision": "allow"}).encode()
    kind = "application/x-www-form-urlencoded"
    assert raw(simulator, "POST", "/device", form, content_type=kind)[0] == 400


# The pages and who may reach them


HOSTILE = "\"><script>alert(1)</script>&amp;'<img src=http://evil.example/x>\ud800"


def test_hostile_names_are_only_text_on_the_pages(simulator, oidc):
    simulator.organization.assign(HOSTILE[:-1], PRODUCTION, "Billing")
    body = json.dumps({"clientName": HOSTILE, "clientType": "public"}).encode()
    registered = json.loads(raw(simulator, "POST", "/client/register", body)[2])
    keys = {"clientId": registered["clientId"], "clientSecret": registered["clientSecret"]}
    device = oidc.start_device_authorization(**keys, startUrl=simulator.organization.start_url)
    _, headers, page = raw(simulator, "GET", f"/device?user_code={device['userCode']}")
    assert b"<script" not in page
    assert b"<img" not in page
    assert b"evil.example" in page
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert person.approve(device["verificationUriComplete"], user=HOSTILE[:-1]) == 200
    assert oidc.create_token(**keys, grantType=DEVICE_GRANT, deviceCode=device["deviceCode"])["accessToken"]


def test_pages_fetch_nothing_from_elsewhere(simulator, oidc, ada):
    device = oidc.start_device_authorization(**ada.keys, startUrl=simulator.organization.start_url)
    redirect_uri = "http://127.0.0.1:8000/oauth/callback"
    consent = authorize_url(simulator, pkce_client(oidc)["clientId"], redirect_uri).removeprefix(simulator.url)
    for path in ("/", "/device", f"/device?user_code={device['userCode']}", consent, "/device?user_code=x"):
        page = raw(simulator, "GET", path)[2].decode()
        assert not re.search(r"<(script|img|link|iframe|object|embed)|\bsrc=|url\(|@import|\bon\w+=", page)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1.evil.example", "", "localhost:1"])
def test_another_host_name_is_not_served(simulator, host):
    assert raw(simulator, "GET", "/", host=host)[0] == 403
    assert raw(simulator, "POST", "/client/register", b'{"clientName":"a","clientType":"public"}', host=host)[0] == 403
    assert simulator.organization.issued_secrets() == ()


def test_a_form_of_another_site_decides_nothing(simulator, oidc, ada):
    device = oidc.start_device_authorization(**ada.keys, startUrl=simulator.organization.start_url)
    form = urllib.parse.urlencode({"user_code": device["userCode"], "user": ADA, "decision": "allow"}).encode()
    kind = "application/x-www-form-urlencoded"
    for origin in ("https://evil.example", "null", f"http://localhost:{simulator.port}"):
        assert raw(simulator, "POST", "/device", form, content_type=kind, origin=origin)[0] == 403
    assert raw(simulator, "POST", "/device", form, content_type=kind, origin=simulator.url)[0] == 200


def test_it_listens_on_loopback_only(simulator):
    with socket.socket() as other:
        other.bind(("127.0.0.2", simulator.port))


# Hostile and broken clients


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"{" * 100_000,
        b"[" * 100_000,
        b'{"clientId": 1, "clientSecret": {}, "grantType": []}',
        b'{"clientId": "\\ud800", "clientSecret": "\\ud800", "grantType": "\\ud800"}',
        b'{"clientId": "' + b"9" * 500_000 + b'", "clientSecret": "a", "grantType": "a"}',
        b'{"clientName": "a", "clientType": "public", "scopes": "sso:account:access"}',
        b'{"clientName": "a", "clientType": "public", "grantTypes": [1]}',
    ],
)
def test_a_broken_body_is_refused_in_the_protocols_words(simulator, capfd, body):
    for path in ("/token", "/client/register", "/device_authorization"):
        status, headers, _ = raw(simulator, "POST", path, body, content_type="application/json")
        assert status in (400, 401)
        assert "x-amzn-ErrorType" in headers
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "wire",
    [
        b"GET //[ HTTP/1.1\r\nHost: HERE\r\n\r\n",
        b"GET /device?user_code=%ff%00&user_code=\xe9 HTTP/1.1\r\nHost: HERE\r\n\r\n",
        b"GET /assignment/accounts HTTP/1.1\r\nHost: HERE\r\nx-amz-sso_bearer_token: \xe9\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: HERE\r\nContent-Length: \xb2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: HERE\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: HERE\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"BREW / HTTP/1.1\r\nHost: HERE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
def test_a_broken_request_gets_an_error_and_leaves_no_trace(simulator, capfd, wire):
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=20) as connection:
        connection.sendall(wire.replace(b"HERE", f"127.0.0.1:{simulator.port}".encode()))
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()
    assert re.search(rb"\b(400|401|403|404|413|501)\b", answer)
    assert raw(simulator, "GET", "/")[0] == 200
    assert capfd.readouterr() == ("", "")


def test_a_session_token_of_any_bytes_is_merely_unknown(simulator, portal, ada):
    keys = role_keys(portal, ada)
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        client(simulator, "sts", **{**keys, "token": "é"}).get_caller_identity()


def test_three_hundred_idle_connections_are_in_nobodys_way(simulator, oidc):
    idle = [socket.create_connection(("127.0.0.1", simulator.port), timeout=20) for _ in range(300)]
    try:
        assert SignedIn(simulator, oidc).access_token
    finally:
        for connection in idle:
            connection.close()


def test_one_connection_carries_many_calls(simulator):
    connection = http.client.HTTPConnection("127.0.0.1", simulator.port, timeout=20)
    connection.connect()
    first = connection.sock.getsockname()
    for path in ("/", "/assignment/accounts", "/device", "/nowhere"):
        connection.request("GET", path)
        connection.getresponse().read()
        assert connection.sock.getsockname() == first
    connection.close()


# Life


def test_stop_leaves_nobody_hanging():
    simulator = Simulator().start()
    simulator.misbehave("HomePage", delay=3600)
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=20) as connection:
        connection.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{simulator.port}\r\n\r\n".encode())
        while not simulator.count("HomePage"):
            time.sleep(0.01)
        simulator.stop()
        assert connection.recv(100) == b""
    assert not [thread for thread in threading.enumerate() if "process_request" in thread.name]


def test_it_comes_back_on_the_same_port_with_all_it_knew(simulator, oidc, portal, ada):
    before = simulator.url
    simulator.stop()
    with pytest.raises(botocore.exceptions.EndpointConnectionError):
        portal.list_accounts(accessToken=ada.access_token)
    simulator.start()
    assert simulator.url == before
    assert portal.list_accounts(accessToken=ada.access_token)["accountList"]


def test_a_taken_port_is_named(simulator):
    with pytest.raises(UsageError, match=str(simulator.port)):
        Simulator(port=simulator.port).start()


# Bad service, to order


def token_call(simulator: Simulator, ada: SignedIn):
    body = json.dumps({**ada.keys, "grantType": "refresh_token", "refreshToken": ada.tokens["refreshToken"]})
    return raw(simulator, "POST", "/token", body.encode(), content_type="application/json")


def test_orders_are_carried_out_in_turn_and_then_all_is_well(simulator, ada):
    simulator.misbehave("ListAccounts", status=500, times=2)
    simulator.misbehave("ListAccounts", body=b"<html>", headers={"Retry-After": "7"})
    replies = [raw(simulator, "GET", "/assignment/accounts") for _ in range(4)]
    assert [status for status, _, _ in replies] == [500, 500, 200, 401]
    assert replies[2][1]["Retry-After"] == "7"
    assert replies[2][2] == b"<html>"
    simulator.misbehave("ListAccounts", status=503, times=math.inf)
    assert [raw(simulator, "GET", "/assignment/accounts")[0] for _ in range(3)] == [503] * 3
    simulator.behave()
    assert raw(simulator, "GET", "/assignment/accounts")[0] == 401


def test_a_replaced_reply_means_that_nothing_happened(simulator, ada):
    for how in ({"status": 500}, {"error": "InternalServerException"}, {"body": b"{}"}, {"huge": 10}):
        simulator.misbehave("CreateToken", **how)
        token_call(simulator, ada)
    assert token_call(simulator, ada)[0] == 200


@pytest.mark.parametrize("how", [{"half_close": True}, {"reset": True}])
def test_a_lost_reply_means_that_it_happened(simulator, ada, how):
    simulator.misbehave("CreateToken", **how)
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        token_call(simulator, ada)
    assert json.loads(token_call(simulator, ada)[2])["error"] == "invalid_grant"


def test_a_half_closed_reply_is_half_a_reply(simulator, ada):
    simulator.misbehave("HomePage", half_close=True, body=b"0123456789")
    with pytest.raises(http.client.IncompleteRead) as lost:
        raw(simulator, "GET", "/")
    assert (lost.value.partial, lost.value.expected) == (b"01234", 5)


def test_a_reset_is_a_reset(simulator):
    simulator.misbehave("HomePage", reset=True)
    with pytest.raises(ConnectionResetError):
        raw(simulator, "GET", "/")


def test_a_redirect_leads_where_it_was_ordered_to(simulator):
    simulator.misbehave("ListAccounts", redirect="https://evil.example/", status=307)
    status, headers, _ = raw(simulator, "GET", "/assignment/accounts")
    assert (status, headers["Location"]) == (307, "https://evil.example/")


def test_a_dripping_reply_comes_whole(simulator):
    simulator.misbehave("HomePage", drip=0.0001, body=b"drop by drop")
    assert raw(simulator, "GET", "/")[2] == b"drop by drop"


def test_huge_and_compressed_bodies_have_the_ordered_size(simulator):
    simulator.misbehave("HomePage", huge=3_500_000)
    assert len(raw(simulator, "GET", "/")[2]) == 3_500_000
    simulator.misbehave("HomePage", huge=30_500_000, gzip=True)
    _, headers, body = raw(simulator, "GET", "/")
    assert headers["Content-Encoding"] == "gzip"
    assert len(body) < 100_000
    assert len(gzip.decompress(body)) == 30_500_000
    simulator.misbehave("HomePage", body=b"{}", gzip=True)
    assert gzip.decompress(raw(simulator, "GET", "/")[2]) == b"{}"


def test_a_misspelt_order_is_refused(simulator):
    with pytest.raises(TypeError):
        simulator.misbehave("ListAccounts", half_closed=True)


# What tests assert on


def test_the_log_tells_calls_apart(simulator, oidc, portal, ada):
    refreshed(oidc, ada, ada.tokens["refreshToken"])
    role_keys(portal, ada)
    assert simulator.count("CreateToken") == 2
    assert simulator.count("CreateToken", grantType="refresh_token") == 1
    assert simulator.count("GetRoleCredentials", account_id=PRODUCTION, role_name="AdministratorAccess") == 1
    assert simulator.count("GetRoleCredentials", role_name="ReadOnlyAccess") == 0
    assert simulator.log[-1].headers["x-amz-sso_bearer_token"] == ada.access_token
    simulator.clear_log()
    assert simulator.log == []


def test_every_secret_that_was_handed_out_is_known(simulator, oidc, portal, ada):
    keys = pkce_client(oidc)
    code, _ = authorization_code(simulator, keys)
    credentials = role_keys(portal, ada)
    handed_out = {
        keys["clientSecret"],
        code,
        ada.keys["clientSecret"],
        ada.device["deviceCode"],
        ada.access_token,
        ada.tokens["refreshToken"],
        credentials["secret"],
        credentials["token"],
    }
    assert set(simulator.organization.issued_secrets()) == handed_out


def test_its_clock_can_run_ahead(simulator):
    simulator.clock_offset = 86400
    date = raw(simulator, "GET", "/")[1]["Date"]
    expected = time.strftime("%a, %d %b %Y", time.gmtime(time.time() + 86400))
    assert date.startswith(expected)


def test_the_sample_has_what_makes_profile_names_hard():
    names = [account.name for account in Organization.sample().reachable(ADA)]
    assert len(names) - len(set(names)) == 1
    assert any(" " in name for name in names)
    assert any(not name.isascii() for name in names)


def test_it_stands_on_the_standard_library_and_not_on_the_client_that_it_judges(python):
    script = (
        "import sys; import awssso_helper.simulator, awssso_helper.simulator.person;"
        "print(*sorted(name for name in sys.modules if name.partition('.')[0] not in sys.stdlib_module_names))"
    )
    run = subprocess.run([python, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True)
    ours = [name for name in run.stdout.split() if name.startswith("awssso_helper.")]
    assert {name for name in ours if not name.startswith("awssso_helper.simulator")} == {
        "awssso_helper.errors",
        "awssso_helper.model",
    }
    foreign = set(run.stdout.split()) - set(ours) - {"awssso_helper", "__main__"}
    assert not {name for name in foreign if not name.startswith(("_", "sitecustomize", "distutils"))}

from __future__ import annotations

import json
import math
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from email.utils import formatdate

import pytest
from hostile_replies import ACCOUNT, good_reply, hostile_replies
from hypothesis import given, settings
from hypothesis import strategies as st
from wire import OK, Authority, sends, servers, tunnels_to

from awssso_helper.endpoints import Endpoints
from awssso_helper.environment import Environment
from awssso_helper.errors import (
    AccessDeniedError,
    AwsssoError,
    NetworkError,
    OAuthError,
    ServiceError,
    ThrottledError,
    UnauthorizedError,
)
from awssso_helper.identity_center import (
    AUTHORIZATION_CODE,
    DEVICE_CODE,
    IdentityCenter,
    _account,
    _decoded,
    _error,
    _skew,
)
from awssso_helper.model import Deadline, Registration, Role, Secret, Token
from awssso_helper.simulator import Organization, Simulator, person
from awssso_helper.transport import Reply

START_URL = "https://d-1234567890.awsapps.com/start"
SCOPES = ("sso:account:access",)
ROLE = Role("corp", ACCOUNT, "AdministratorAccess")
SECRET = "aoaAAAAAGcanary0123456789-_" * 12
REGISTRATION = Registration("client-id", Secret(f"eyJ{SECRET}"), 4_000_000_000, DEVICE_CODE, SCOPES)


class Clock:
    """A clock that a sleep moves on at once; the simulator's own stays, so that nothing expires by waiting."""

    def __init__(self, monkeypatch):
        self.sleeps = []
        self._ahead = 0.0
        self._genuine = time.monotonic
        monkeypatch.setattr(time, "sleep", self._sleep)
        monkeypatch.setattr(time, "monotonic", lambda: self._genuine() + self._ahead)

    def _sleep(self, seconds):
        self.sleeps.append(seconds)
        self._ahead += seconds


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def service_at(simulator):
    return IdentityCenter(Environment(os.environ), Endpoints(simulator.url, simulator.url))


@pytest.fixture(scope="module")
def shared():
    with Simulator() as running:
        yield running


@pytest.fixture
def simulator(shared):
    """One server for all of this file: to start and stop one for each of 500 tests takes half a minute."""
    shared.behave()
    shared.clear_log()
    shared.clock_offset = 0.0
    return shared


@pytest.fixture
def service(simulator, clock):
    return service_at(simulator)


def access_token(simulator, user="ada@example.com"):
    organization, now = simulator.organization, simulator.now()
    session = organization.sign_in(user, now, life=organization.session_life)
    return Secret(organization.grant_access(session, now, life=3600).value)


def signed_in(service):
    """Sign in through the device flow, as a person would; gives the token and its registration."""
    registration = service.register_client(
        "awssso", grant=DEVICE_CODE, scopes=SCOPES, issuer_url=START_URL, deadline=soon()
    )
    device = service.start_device_authorization(registration, START_URL, soon())
    person.approve(device.verification_uri_complete)
    return service.poll_device(registration, device.device_code, soon())


def soon():
    return Deadline(30)


# What each operation is, asked of the service with some token. Each needs a reply of its own.


def registers(service):
    return service.register_client("awssso", grant=DEVICE_CODE, scopes=SCOPES, issuer_url=START_URL, deadline=soon())


def starts_device(service):
    return service.start_device_authorization(REGISTRATION, START_URL, soon())


def refreshes(service):
    return service.refresh(Token(Secret("old"), 0, Secret(SECRET), REGISTRATION), soon())


def polls(service):
    return service.poll_device(REGISTRATION, Secret(SECRET), soon())


def redeems(service):
    return service.redeem_code(
        REGISTRATION,
        code=Secret(SECRET),
        redirect_uri="http://127.0.0.1:1/x",
        verifier=Secret("v" * 64),
        deadline=soon(),
    )


def lists_accounts(service):
    return list(service.accounts(Secret(SECRET), soon()))


def lists_roles(service):
    return service.roles(Secret(SECRET), ACCOUNT, soon())


def gets_credentials(service):
    return service.role_credentials(Secret(SECRET), ROLE, soon())


def logs_out(service):
    return service.logout(Secret(SECRET), soon())


OIDC = {"RegisterClient": registers, "StartDeviceAuthorization": starts_device, "CreateToken": polls}
PORTAL = {
    "ListAccounts": lists_accounts,
    "ListAccountRoles": lists_roles,
    "GetRoleCredentials": gets_credentials,
    "Logout": logs_out,
}
DECODED = {**OIDC, **{name: PORTAL[name] for name in ("ListAccounts", "ListAccountRoles", "GetRoleCredentials")}}


# Everything works


def test_the_whole_of_both_services_works_against_the_simulator(service, simulator):
    token = signed_in(service)
    assert token.refresh_token is not None
    accounts = [account for page in service.accounts(token.access_token, soon()) for account in page]
    seen = {account: tuple(service.roles(token.access_token, account.id, soon())) for account in accounts}
    assert seen == simulator.organization.reachable("ada@example.com")
    credentials = service.role_credentials(token.access_token, ROLE, soon())
    minted = simulator.organization.credentials_behind(
        credentials.access_key_id, credentials.session_token.reveal(), simulator.now()
    )
    assert (minted.account_id, minted.role_name) == (ROLE.account_id, ROLE.name)
    assert credentials.expires_at == minted.expires_at
    service.logout(token.access_token, soon())
    with pytest.raises(UnauthorizedError):
        service.logout(token.access_token, soon())


@pytest.mark.parametrize(
    ("grant", "redirects"), [(AUTHORIZATION_CODE, ["http://127.0.0.1/oauth/callback"]), (DEVICE_CODE, None)]
)
def test_a_registration_names_its_flow_and_the_one_redirect_that_aws_takes(service, simulator, grant, redirects):
    registration = service.register_client("awssso", grant=grant, scopes=SCOPES, issuer_url=START_URL, deadline=soon())
    (call,) = simulator.calls("RegisterClient")
    assert call.parameters.get("redirectUris") == redirects
    assert call.parameters["scopes"] == list(SCOPES)
    assert "refresh_token" in call.parameters["grantTypes"]
    assert registration.grant == grant
    assert registration.expires_at > time.time() + 80 * 86400


def test_names_are_percent_encoded_as_the_aws_cli_does(service, simulator):
    simulator.organization.assign("ada@example.com", ACCOUNT, "A b+x=,.@-_")
    service.role_credentials(access_token(simulator), Role("corp", ACCOUNT, "A b+x=,.@-_"), soon())
    assert "role_name=A%20b%2Bx%3D%2C.%40-_&" in simulator.calls("GetRoleCredentials")[0].target


def test_the_token_travels_in_its_header_and_never_in_a_url(service, simulator):
    token = access_token(simulator)
    list(service.accounts(token, soon()))
    service.role_credentials(token, ROLE, soon())
    for call in simulator.log:
        assert call.headers["x-amz-sso_bearer_token"] == token.reveal()
        assert token.reveal() not in call.target


def test_every_page_is_asked_for_a_hundred_at_a_time(clock):
    with Simulator(Organization.large(250, 120)) as simulator:
        service, token = service_at(simulator), access_token(simulator)
        pages = list(service.accounts(token, soon()))
        assert [len(page) for page in pages] == [100, 100, 50]
        assert len({account.id for page in pages for account in page}) == 250
        assert len(service.roles(token, "100000000000", soon())) == 120
        assert {call.parameters["max_result"] for call in simulator.log} == {"100"}
        assert simulator.count("ListAccountRoles") == 2


@pytest.mark.parametrize("last", ["", None])
def test_an_empty_next_token_is_the_last_page(service, simulator, last):
    simulator.misbehave("ListAccounts", body=json.dumps({"accountList": [], "nextToken": last}).encode())
    assert lists_accounts(service) == [[]]
    assert simulator.count("ListAccounts") == 1


def test_c3_a_next_token_that_comes_again_ends_the_list_as_an_error(service, simulator):
    for token in ("one", "two", "one", "two"):
        simulator.misbehave("ListAccounts", body=json.dumps({"accountList": [], "nextToken": token}).encode())
    with pytest.raises(NetworkError, match="does not come to an end"):
        lists_accounts(service)
    assert simulator.count("ListAccounts") == 3


def test_c3_a_list_of_endless_pages_ends_after_a_thousand(service, simulator):
    for number in range(1001):
        simulator.misbehave("ListAccountRoles", body=json.dumps({"roleList": [], "nextToken": f"t{number}"}).encode())
    with pytest.raises(NetworkError, match="does not come to an end"):
        lists_roles(service)
    assert simulator.count("ListAccountRoles") == 1000


def test_text_that_aws_leaves_out_is_empty(service, simulator):
    simulator.misbehave("ListAccounts", body=json.dumps({"accountList": [{"accountId": ACCOUNT}]}).encode())
    ((account,),) = lists_accounts(service)
    assert (account.id, account.name, account.email) == (ACCOUNT, "", "")


def test_a_name_with_a_lone_surrogate_can_be_written_afterwards(service, simulator):
    body = b'{"accountList": [{"accountId": "%s", "accountName": "a\\ud800\\u202eb"}]}' % ACCOUNT.encode()
    simulator.misbehave("ListAccounts", body=body)
    ((account,),) = lists_accounts(service)
    assert account.name.encode().decode() == "a?\u202eb"


# Errors of the services, PROTOCOL 1.3 and 2.2

OAUTH_ERRORS = [
    "AuthorizationPendingException",
    "SlowDownException",
    "ExpiredTokenException",
    "AccessDeniedException",
    "InvalidGrantException",
    "InvalidClientException",
    "UnauthorizedClientException",
    "UnsupportedGrantTypeException",
    "InvalidScopeException",
    "InvalidRequestException",
    "InvalidRedirectUriException",
    "InvalidClientMetadataException",
    "InternalServerException",
]


@pytest.mark.parametrize("code", OAUTH_ERRORS)
@pytest.mark.parametrize("call", [registers, starts_device, polls, redeems, refreshes], ids=lambda call: call.__name__)
def test_every_oauth_error_keeps_its_name(service, simulator, call, code):
    for operation in OIDC:
        simulator.misbehave(operation, error=code, times=math.inf)
    with pytest.raises(OAuthError) as caught:
        call(service)
    assert (caught.value.code, caught.value.exit_status) == (code, 5)
    assert caught.value.status == {"InvalidClientException": 401, "InternalServerException": 500}.get(code, 400)


OAUTH_WORDS = {
    "server_error": "InternalServerException",
    **{word: word.title().replace("_", "") + "Exception" for word in ("slow_down", "invalid_grant", "access_denied")},
}


@pytest.mark.parametrize(("word", "code"), OAUTH_WORDS.items())
def test_an_oauth_error_without_the_header_is_read_from_the_body(service, simulator, word, code):
    simulator.misbehave("CreateToken", status=400, body=json.dumps({"error": word}).encode())
    with pytest.raises(OAuthError) as caught:
        polls(service)
    assert caught.value.code == code


PORTAL_ERRORS = {
    "InvalidRequestException": (ServiceError, 5, 400),
    "UnauthorizedException": (UnauthorizedError, 3, 401),
    "ForbiddenException": (AccessDeniedError, 1, 403),
    "ResourceNotFoundException": (AccessDeniedError, 1, 404),
    "TooManyRequestsException": (ThrottledError, 5, 429),
    "InternalServerException": (ServiceError, 5, 500),
    "SomethingNewException": (ServiceError, 5, 400),
}


@pytest.mark.parametrize("code", PORTAL_ERRORS)
@pytest.mark.parametrize("operation", PORTAL)
def test_every_portal_error_has_its_own_kind_and_exit_status(service, simulator, operation, code):
    kind, exit_status, status = PORTAL_ERRORS[code]
    simulator.misbehave(operation, error=code, times=math.inf)
    with pytest.raises(ServiceError) as caught:
        PORTAL[operation](service)
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.exit_status, caught.value.status) == (code, exit_status, status)
    assert operation in caught.value.message


def test_only_a_refused_token_sends_people_to_login(service, simulator):
    for code in PORTAL_ERRORS:
        simulator.misbehave("GetRoleCredentials", error=code, times=1)
        simulator.misbehave("GetRoleCredentials", error="InvalidRequestException", times=1)
        with pytest.raises(ServiceError) as caught:
            gets_credentials(service)
        assert (caught.value.hint == "awssso login") == (code == "UnauthorizedException")
        simulator.behave()


@pytest.mark.parametrize(
    ("header", "body", "code"),
    [
        ("ForbiddenException", {}, "ForbiddenException"),
        ("ForbiddenException:http://internal.amazon.com/coral/x/", {}, "ForbiddenException"),
        ("aws.protocols#ForbiddenException:http://x/#y", {}, "ForbiddenException"),
        ("", {"__type": "com.amazonaws.switchboard.portal#ForbiddenException"}, "ForbiddenException"),
        ("", {"code": "ForbiddenException", "__type": "Other"}, "ForbiddenException"),
        ("Bad\x7f[31mName", {"__type": "x"}, ""),
        ("", {"__type": ["x"], "code": 5, "error": {}}, ""),
    ],
)
def test_the_name_of_an_error_is_found_as_botocore_finds_it(header, body, code):
    headers = {"x-amzn-errortype": header} if header else {}
    error = _error("GetRoleCredentials", Reply(403, headers, json.dumps({**body, "x": 1}).encode(), 0), ())
    assert isinstance(error, AccessDeniedError)
    assert error.code == code


@pytest.mark.parametrize("status", [400, 401, 403, 404, 407, 418, 451])
@pytest.mark.parametrize("body", [b"", b"<html>Sign in to the hotel</html>", b"[]", b"{}", b"\xff"])
@pytest.mark.parametrize("operation", DECODED)
def test_an_error_page_of_a_stranger_is_no_answer_of_aws(service, simulator, operation, status, body):
    simulator.misbehave(operation, status=status, body=body, headers={"Content-Type": "text/html"})
    with pytest.raises(NetworkError):
        DECODED[operation](service)


@pytest.mark.parametrize("where", ["error_description", "message", "Message"])
@pytest.mark.parametrize(
    "echo", [SECRET, SECRET[:200], SECRET[5:60], f"x{SECRET}" * 3], ids=["whole", "beginning", "part", "thrice"]
)
@pytest.mark.parametrize("call", [polls, refreshes, redeems, lists_accounts, gets_credentials, logs_out])
def test_an_error_text_that_repeats_a_secret_is_not_shown(service, simulator, call, where, echo):
    body = json.dumps({where: f"token {echo} is not known", "__type": "InvalidRequestException"}).encode()
    for operation in (*OIDC, *PORTAL):
        simulator.misbehave(operation, status=400, body=body)
    with pytest.raises(ServiceError) as caught:
        call(service)
    assert not any(SECRET[start : start + 12] in caught.value.message for start in range(len(SECRET) - 12))
    assert caught.value.code == "InvalidRequestException"


def test_an_error_text_is_shown_in_one_line_without_control_characters(service, simulator):
    text = "No\r\n\x1b]52;c;AAAA\x07 access\u202e \u2028" + "x" * 1000
    simulator.misbehave("GetRoleCredentials", status=403, body=json.dumps({"message": text}).encode())
    with pytest.raises(AccessDeniedError) as caught:
        gets_credentials(service)
    assert caught.value.message.startswith("GetRoleCredentials: HTTP 403 (No???]52;c;AAAA? access? ?xxx")
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300


# Patience


RETRIED = {**OIDC, **{name: PORTAL[name] for name in ("ListAccounts", "ListAccountRoles", "GetRoleCredentials")}}
RETRIED["CreateToken"] = refreshes


@pytest.mark.parametrize("operation", RETRIED)
@pytest.mark.parametrize("body", [b"", b'{"message":"HTTP 429 Unknown Code"}'], ids=["empty", "json"])
def test_429_is_waited_out_by_every_operation_that_may_repeat(service, simulator, clock, operation, body):
    simulator.misbehave(operation, status=429, body=body, times=3)
    simulator.misbehave(operation, body=json.dumps(good_reply(operation)).encode())
    assert RETRIED[operation](service)
    assert len(clock.sleeps) == 3
    assert all(0 <= wait <= 0.5 * 2**number for number, wait in enumerate(clock.sleeps))


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("operation", ["ListAccounts", "ListAccountRoles", "GetRoleCredentials"])
def test_a_passing_fault_of_the_portal_is_waited_out(service, simulator, clock, operation, status):
    simulator.misbehave(operation, status=status, body=b"<html>", times=2)
    simulator.misbehave(operation, body=json.dumps(good_reply(operation)).encode())
    assert RETRIED[operation](service)
    assert len(clock.sleeps) == 2


def test_retry_after_is_honoured(service, simulator, clock):
    simulator.misbehave("GetRoleCredentials", status=429, body=b"{}", headers={"Retry-After": "7"})
    simulator.misbehave("GetRoleCredentials", body=json.dumps(good_reply("GetRoleCredentials")).encode())
    assert gets_credentials(service)
    assert clock.sleeps == [7.0]


@pytest.mark.parametrize(
    "value", ["31", "99999", "Wed, 21 Oct 2037 07:28:00 GMT", "-5", "1e9", "NaN", "\u0663", "9" * 5000]
)
def test_c7_no_retry_after_makes_us_wait_beyond_the_deadline(service, simulator, clock, value):
    headers = {"Retry-After": value} if value.isascii() else {"Retry-After": "\xb3"}
    simulator.misbehave("GetRoleCredentials", status=429, body=b"{}", headers=headers, times=math.inf)
    with pytest.raises(ThrottledError):
        gets_credentials(service)
    assert sum(clock.sleeps) < 30


def test_c7_endless_throttling_ends_at_the_deadline_as_throttling(service, simulator, clock):
    simulator.misbehave("ListAccounts", error="TooManyRequestsException", times=math.inf)
    with pytest.raises(ThrottledError):
        lists_accounts(service)
    assert sum(clock.sleeps) < 30
    assert 3 < simulator.count("ListAccounts") < 100


@pytest.mark.parametrize("operation", DECODED)
def test_what_aws_refused_is_not_asked_again(service, simulator, clock, operation):
    simulator.misbehave(operation, error="InvalidRequestException", times=math.inf)
    with pytest.raises(ServiceError):
        DECODED[operation](service)
    assert simulator.count(operation) == 1


@pytest.mark.parametrize("how", [{"error": "SlowDownException"}, {"status": 429, "body": b"{}"}, {"status": 500}])
def test_a_device_poll_is_never_repeated_by_us(service, simulator, clock, how):
    simulator.misbehave("CreateToken", times=math.inf, **how)
    with pytest.raises(ServiceError):
        polls(service)
    assert simulator.count("CreateToken") == 1


# Refresh tokens are used up when they are sent

LOST = {
    "500": {"status": 500, "body": b"{}"},
    "502": {"status": 502, "body": b"<html>"},
    "503": {"status": 503, "body": b""},
    "server_error": {"error": "InternalServerException"},
    "half-closed": {"half_close": True},
    "reset": {"reset": True},
    "garbage": {"body": b"<html>"},
    "no-token": {"body": b"{}"},
}


@pytest.mark.parametrize("how", LOST.values(), ids=LOST)
def test_c7_a_refresh_whose_fate_is_unknown_is_not_repeated(service, simulator, clock, how):
    token = signed_in(service)
    simulator.misbehave("CreateToken", times=math.inf, **how)
    with pytest.raises(AwsssoError) as caught:
        service.refresh(token, soon())
    assert isinstance(caught.value, NetworkError | OAuthError)
    assert simulator.count("CreateToken", grantType="refresh_token") == 1
    assert clock.sleeps == []


@pytest.mark.parametrize("how", [{"error": "TooManyRequestsException"}, {"error": "SlowDownException"}], ids=str)
def test_a_refresh_that_aws_did_not_take_is_repeated(service, simulator, clock, how):
    token = signed_in(service)
    simulator.misbehave("CreateToken", times=2, **how)
    renewed = service.refresh(token, soon())
    assert renewed.access_token != token.access_token
    assert simulator.count("CreateToken", grantType="refresh_token") == 3


def test_a_refresh_brings_a_new_refresh_token_and_ends_the_old(service, simulator):
    token = signed_in(service)
    renewed = service.refresh(token, soon())
    assert renewed.refresh_token != token.refresh_token
    with pytest.raises(OAuthError) as caught:
        service.refresh(token, soon())
    assert caught.value.code == "InvalidGrantException"


@pytest.mark.parametrize("fields", [{}, {"refreshToken": None}, {"refreshToken": ""}])
def test_a_reply_without_a_new_refresh_token_keeps_the_old(service, simulator, fields):
    token = signed_in(service)
    body = {"accessToken": "new", "expiresIn": 3600, **fields}
    simulator.misbehave("CreateToken", body=json.dumps(body).encode())
    renewed = service.refresh(token, soon())
    assert renewed.refresh_token == token.refresh_token
    assert renewed.access_token == Secret("new")


def test_a_life_counts_from_the_moment_the_request_was_sent(service, simulator):
    simulator.misbehave("CreateToken", delay=1.5, body=json.dumps(good_reply("CreateToken")).encode())
    before = time.time()
    token = polls(service)
    assert int(before) + 3600 <= token.expires_at <= int(before) + 3601


# Hostile replies: one kind of error, nothing returned


@pytest.mark.parametrize("operation", DECODED)
def test_the_good_reply_that_the_hostile_ones_are_made_of_is_taken(service, simulator, operation):
    simulator.misbehave(operation, body=json.dumps(good_reply(operation)).encode())
    assert DECODED[operation](service)


@pytest.mark.parametrize("operation", DECODED)
def test_c4_c5_c6_a_hostile_reply_is_a_network_error_and_nothing_else(simulator, clock, operation):
    replies = hostile_replies(operation)
    assert len(replies) >= 40
    taken = []
    for name, how in replies:
        simulator.behave()
        simulator.misbehave(operation, **how)
        with suppress(NetworkError):
            taken.append((name, DECODED[operation](service_at(simulator))))
    assert taken == []


@contextmanager
def collected(refusals):
    try:
        yield
    except (NetworkError, ServiceError) as error:
        refusals.append(error)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(ACCOUNT),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@given(body=st.binary() | JSON_VALUES.map(lambda value: json.dumps(value).encode()), status=st.integers(100, 999))
@settings(max_examples=400)
def test_any_body_at_all_gives_an_object_or_one_of_our_errors(body, status):
    refusals = []
    with collected(refusals):
        decoded = _decoded("ListAccounts", Reply(status, {}, body, 0.0), sent=("secret-secret-secret",))
        assert status == 200
        assert isinstance(decoded, dict)
    assert all(error.message.isprintable() for error in refusals)


@given(item=st.fixed_dictionaries({"accountId": JSON_VALUES, "accountName": JSON_VALUES, "emailAddress": JSON_VALUES}))
@settings(max_examples=300)
def test_any_account_at_all_is_an_account_or_a_network_error(item):
    with suppress(NetworkError):
        account = _account(item)
        assert account.id == ACCOUNT
        assert account.name.encode().decode() == account.name


# Clocks


@pytest.mark.parametrize("ahead", [-86400, -600, 0, 600, 86400])
def test_c9_a_clock_that_is_off_does_not_make_good_credentials_unusable(service, simulator, ahead):
    simulator.clock_offset = ahead
    token = access_token(simulator)
    assert service.role_credentials(token, ROLE, soon()).expires_at > simulator.now() + 3000


@pytest.mark.parametrize("date", ["Fri, 31 Dec 9999 23:00:00 GMT", "Thu, 01 Jan 1970 00:30:00 GMT"])
def test_c5_c9_a_date_that_is_years_off_does_not_make_bad_expirations_good(service, simulator, date):
    credentials = good_reply("GetRoleCredentials")["roleCredentials"]
    for expiration in (253402300799, 5400):
        body = json.dumps({"roleCredentials": {**credentials, "expiration": expiration * 1000}}).encode()
        simulator.misbehave("GetRoleCredentials", body=body, headers={"Date": date})
        with pytest.raises(NetworkError):
            gets_credentials(service)


@given(date=st.text() | st.builds(formatdate, st.integers(-(10**12), 10**12).filter(lambda t: abs(t) < 6 * 10**10)))
@settings(max_examples=300)
def test_any_date_header_gives_a_bounded_skew(date):
    assert abs(_skew(Reply(200, {"date": date}, b"", 1_800_000_000.0))) <= 2 * 86400


# Start URLs


@pytest.mark.parametrize(
    "start_url",
    [START_URL, "https://ssoins-1.portal.eu-west-1.app.aws", "http://127.0.0.1:1/start", "http://localhost:1"],
)
def test_a_portal_of_aws_is_its_own_address_and_nobody_is_asked(service, start_url):
    assert service.resolved_start_url(start_url, soon()) == start_url


def redirects_to(location, status=302):
    return sends(f"HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())


@pytest.fixture
def vanity(tmp_path, monkeypatch):
    """A vanity host behind a proxy, which is how a name can lead to loopback here."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.bundle))
    with servers() as start:

        def vanity(act):
            server = start(act, tls=authority.server_context("sso.example.com"))
            monkeypatch.setenv("HTTPS_PROXY", start(tunnels_to(server)).url)
            service = IdentityCenter(Environment(os.environ), Endpoints("http://127.0.0.1:1", "http://127.0.0.1:1"))
            return service, server

        yield vanity


@pytest.mark.parametrize("tail", ["", "/", "/#/", "#/?tab=accounts", "?x=y"])
def test_a_vanity_host_leads_to_the_portal_by_one_redirect(vanity, tail):
    service, server = vanity(redirects_to(f"{START_URL}{tail}"))
    assert service.resolved_start_url("https://sso.example.com", soon()) == START_URL
    assert [request.split(b" ")[0] for request in server.requests] == [b"HEAD"]


def test_a_vanity_host_that_knows_no_head_is_asked_with_get(vanity):
    def act(server, connection):
        is_head = server.requests[-1].startswith(b"HEAD")
        redirects_to(START_URL, 405 if is_head else 301)(server, connection)

    service, server = vanity(act)
    assert service.resolved_start_url("https://sso.example.com/", soon()) == START_URL
    assert [request.split(b" ")[0] for request in server.requests] == [b"HEAD", b"GET"]


@pytest.mark.parametrize(
    "act",
    [
        sends(OK.replace(b"{}", b"")),
        redirects_to(START_URL, 200),
        redirects_to("https://evil.example.com/start"),
        redirects_to("https://d-1234567890.awsapps.com.evil.example/start"),
        redirects_to("https://d-1234567890.awsapps.com@evil.example/start"),
        redirects_to("http://d-1234567890.awsapps.com/start"),
        redirects_to("/start"),
        redirects_to("//d-1234567890.awsapps.com/start"),
        redirects_to("javascript:alert(1)"),
        redirects_to("https://sso.example.com/again"),
        sends(b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n"),
        sends(b"garbage\r\n\r\n"),
    ],
)
def test_a_vanity_host_that_leads_elsewhere_is_refused_after_one_question(vanity, act):
    service, server = vanity(act)
    with pytest.raises((ServiceError, NetworkError)) as caught:
        service.resolved_start_url("https://sso.example.com", soon())
    assert caught.value.exit_status == 5
    assert len(server.requests) == 1


# The page to sign in


def test_the_sign_in_page_carries_the_challenge_and_never_the_verifier(service):
    registration = replace(REGISTRATION, client_id="a b&c", grant=AUTHORIZATION_CODE)
    url = service.authorize_url(
        registration,
        redirect_uri="http://127.0.0.1:4711/oauth/callback",
        state="st&te",
        verifier=Secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        scopes=("sso:account:access", "x"),
    )
    # The verifier and its challenge are those of RFC 7636, appendix B.
    assert url == (
        f"{service.endpoints.oidc}/authorize?response_type=code&client_id=a%20b%26c"
        "&redirect_uri=http%3A%2F%2F127.0.0.1%3A4711%2Foauth%2Fcallback&state=st%26te&code_challenge_method=S256"
        "&scopes=sso%3Aaccount%3Aaccess%20x&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )

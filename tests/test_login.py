from __future__ import annotations

import json
import os
import re
import socket
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest

from awssso_helper import browser
from awssso_helper.environment import Environment
from awssso_helper.errors import AwsssoError, KeyringLockedError, NetworkError, OAuthError, RefusedError
from awssso_helper.identity_center import IdentityCenter
from awssso_helper.login import Method, method_for, sign_in
from awssso_helper.model import Deadline, Registration, Secret, SignIn, SsoSession, Token
from awssso_helper.simulator import Simulator, person

SESSION = SsoSession("corp", "https://d-1234567890.awsapps.com/start", "us-east-1")
METHODS = pytest.mark.parametrize("method", list(Method), ids=[method.name for method in Method])
GENEROUS = 60.0


@pytest.fixture
def simulator():
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def environment(simulator):
    return Environment({**os.environ, **simulator.variables()})


@pytest.fixture
def identity_center(environment):
    return IdentityCenter(environment, environment.endpoints(SESSION.region, SESSION.start_url))


class Somebody:
    """A person beside the terminal: notes what is said, and does at the browser what the test wants."""

    def __init__(self, *acts):
        """`acts` are what they do with each URL in turn, the last one again and again."""
        self.acts = acts
        self.urls = []
        self.codes = []
        self.lines = []
        self._threads = []

    def open_url(self, url):
        self.urls.append(url)
        act = self.acts[min(len(self.urls), len(self.acts)) - 1]
        act(url)

    def show_code(self, code, url):
        self.codes.append(code)
        self.open_url(url)

    def tell(self, line):
        self.lines.append(line)


def allows(url):
    """Go to the page as a browser does: beside us, not in our way."""
    threading.Thread(target=person.approve, args=(url,), daemon=True).start()


def denies(url):
    threading.Thread(target=person.approve, args=(url,), kwargs={"deny": True}, daemon=True).start()


def ignores(_url):
    """Look away."""


def presses_ctrl_c(_url):
    raise KeyboardInterrupt


class Clock:
    """A clock that a sleep moves on at once: ours, and the simulator's with it."""

    def __init__(self, simulator, monkeypatch):
        self.sleeps = []
        self.on_sleep = {}
        self._simulator = simulator
        self._ahead = 0.0
        self._monotonic = time.monotonic
        monkeypatch.setattr(time, "sleep", self.sleep)
        monkeypatch.setattr(time, "monotonic", lambda: self._monotonic() + self._ahead)

    def sleep(self, seconds):
        self.sleeps.append(round(seconds))
        self.move(seconds)
        self.on_sleep.pop(len(self.sleeps), lambda: None)()

    def move(self, seconds):
        self._ahead += seconds
        self._simulator.advance(seconds)


@pytest.fixture
def clock(simulator, monkeypatch):
    return Clock(simulator, monkeypatch)


@pytest.fixture
def login(identity_center):
    """Sign in; `login.saved` is what went to the store, in order."""

    class Login:
        def __init__(self):
            self.saved = []

        def __call__(self, guide, method=Method.PKCE, known=None, session=SESSION, **options):
            return sign_in(
                session,
                known,
                identity_center=identity_center,
                method=method,
                guide=guide,
                save=self.saved.append,
                **options,
            )

    return Login()


def is_open(port):
    with closing(socket.socket()) as visitor:
        return visitor.connect_ex(("127.0.0.1", port)) == 0


def callback_port(url):
    return urlsplit(parse_qs(urlsplit(url).query)["redirect_uri"][0]).port


def approved_at_once(url):
    assert person.approve(url) == 200


def acts_for(method):
    return allows if method is Method.PKCE else approved_at_once


# It works


def test_pkce_through_a_real_browser_process_gives_a_token_that_works(simulator, environment, login, identity_center):
    environment.variables["BROWSER"] = f"{sys.executable} -m awssso_helper.simulator.person %s"
    guide = Somebody(lambda url: browser.open_url(url, environment))
    signed_in = login(guide)
    assert signed_in.token is not None
    assert list(identity_center.accounts(signed_in.token.access_token, Deadline(GENEROUS)))
    assert signed_in.token.refresh_token is not None
    assert login.saved[-1] == signed_in
    assert not is_open(callback_port(guide.urls[0]))


@METHODS
def test_the_token_can_be_refreshed_even_where_the_session_names_other_scopes(login, simulator, clock, method):
    session = replace(SESSION, scopes=())
    signed_in = login(Somebody(acts_for(method)), method, session=session)
    assert signed_in.token.refresh_token is not None
    assert simulator.calls("RegisterClient")[0].parameters["scopes"] == ["sso:account:access"]


def test_b5_pkce_sends_what_the_protocol_wants(login, simulator):
    guide = Somebody(allows)
    login(guide)
    login(guide)
    sent = [call.parameters for call in simulator.calls("CreateToken")]
    asked = [parse_qs(urlsplit(url).query) for url in guide.urls]
    assert [one["redirectUri"] for one in sent] == [one["redirect_uri"][0] for one in asked]
    assert all(re.fullmatch(r"[A-Za-z0-9._~-]{64}", one["codeVerifier"]) for one in sent)
    assert len({one["codeVerifier"] for one in sent}) == 2
    assert len({one["state"][0] for one in asked}) == 2
    assert not any(one["codeVerifier"] in url for one in sent for url in guide.urls)
    assert not any(one["clientSecret"] in url for one in sent for url in guide.urls)


def test_b7_device_code_is_shown_with_the_warning_before_anything_is_asked_for(login, simulator, clock):
    guide = Somebody(approved_at_once)
    signed_in = login(guide, Method.DEVICE)
    assert signed_in.token.access_token.reveal() in simulator.organization.issued_secrets()
    assert "only if you started this sign-in here, now" in guide.lines[0]
    assert guide.codes[0] in guide.urls[0]
    assert simulator.count("CreateToken") == 1


@METHODS
def test_a_new_token_takes_the_place_of_a_rejected_one(login, clock, method):
    first = login(Somebody(acts_for(method)), method)
    second = login(Somebody(acts_for(method)), method, known=replace(first, rejected=True))
    assert not second.rejected
    assert second.token.access_token != first.token.access_token


# Registrations


@METHODS
def test_a_registration_is_stored_before_the_person_is_asked(login, clock, method):
    seen = []

    def look(url):
        seen.extend(login.saved)
        acts_for(method)(url)

    login(Somebody(look), method)
    assert len(seen) == 1
    assert seen[0].token is None
    assert [kept.grant for kept in seen[0].registrations] == [method.value]


@METHODS
def test_a_registration_is_used_again(login, simulator, clock, method):
    known = login(Somebody(acts_for(method)), method)
    login(Somebody(acts_for(method)), method, known=known)
    assert simulator.count("RegisterClient") == 1


def test_each_flow_has_a_registration_of_its_own_and_keeps_it(login, simulator, clock):
    known = login(Somebody(allows), Method.PKCE)
    known = login(Somebody(approved_at_once), Method.DEVICE, known=known)
    assert len(known.registrations) == 2
    known = login(Somebody(allows), Method.PKCE, known=known)
    login(Somebody(approved_at_once), Method.DEVICE, known=known)
    assert simulator.count("RegisterClient") == 2


@pytest.mark.parametrize(("minutes", "registrations"), [(7 * 1440 + 9, 2), (7 * 1440 + 11, 1)])
def test_a_registration_that_would_not_outlive_the_session_is_renewed(login, simulator, minutes, registrations):
    # Ten minutes for the sign-in and a week beyond it, in which its token can be refreshed.
    simulator.organization.registration_life = minutes * 60
    known = login(Somebody(allows))
    signed_in = login(Somebody(allows), known=known, deadline_seconds=600)
    assert simulator.count("RegisterClient") == registrations
    assert len(signed_in.registrations) == 1


def test_other_scopes_need_another_registration(login, simulator):
    known = login(Somebody(allows))
    wider = replace(SESSION, scopes=("sso-portal:*",))
    login(Somebody(allows), known=known, session=wider)
    assert [call.parameters["scopes"] for call in simulator.calls("RegisterClient")] == [
        ["sso:account:access"],
        ["sso-portal:*", "sso:account:access"],
    ]


FORGOTTEN = Registration("nobody", Secret("knows"), int(time.time()) + 90 * 86400, "", ("sso:account:access",))


def test_a_registration_that_aws_forgot_is_replaced_before_a_code_is_shown(login, simulator, clock):
    forgotten = replace(FORGOTTEN, grant=Method.DEVICE.value)
    guide = Somebody(approved_at_once)
    signed_in = login(guide, Method.DEVICE, known=SignIn(SESSION, registrations=(forgotten,)))
    assert len(guide.codes) == 1
    assert simulator.count("RegisterClient") == 1
    assert forgotten not in signed_in.registrations
    assert signed_in.token.registration in signed_in.registrations


@METHODS
def test_a_registration_refused_with_the_token_is_replaced_once(login, simulator, clock, method):
    known = login(Somebody(acts_for(method)), method)
    simulator.misbehave("CreateToken", error="InvalidClientException")
    guide = Somebody(acts_for(method))
    signed_in = login(guide, method, known=known)
    assert len(guide.urls) == 2
    assert simulator.count("RegisterClient") == 2
    assert signed_in.token.registration != known.token.registration


@METHODS
def test_a_registration_is_not_replaced_again_and_again(login, simulator, clock, method):
    known = login(Somebody(acts_for(method)), method)
    simulator.misbehave("CreateToken", error="InvalidClientException", times=10)
    with pytest.raises(OAuthError) as caught:
        login(Somebody(acts_for(method)), method, known=known)
    assert caught.value.code == "InvalidClientException"
    assert simulator.count("RegisterClient") == 2


@pytest.mark.parametrize("how", ["ctrl-c", "late"])
def test_a_registration_that_the_browser_may_have_refused_is_not_tried_twice(login, clock, how):
    # The page of AWS says "invalid client" and we never hear of it (PAINS 41).
    forgotten = replace(FORGOTTEN, grant=Method.PKCE.value)
    token = Token(Secret("a"), 1, Secret("r"), forgotten)
    act = presses_ctrl_c if how == "ctrl-c" else lambda _url: clock.move(601)
    with pytest.raises((KeyboardInterrupt, AwsssoError)):
        login(Somebody(act), known=SignIn(SESSION, token, (forgotten,)))
    assert login.saved == [SignIn(SESSION, token, ())]


def test_an_interrupted_device_flow_keeps_its_registration(login, clock):
    known = login(Somebody(approved_at_once), Method.DEVICE)
    login.saved.clear()
    with pytest.raises(KeyboardInterrupt):
        login(Somebody(presses_ctrl_c), Method.DEVICE, known=known)
    assert login.saved == []


def test_a_keyring_that_takes_nothing_is_known_before_the_person_is_asked(identity_center):
    def refuses(_sign_in):
        raise KeyringLockedError("the keyring is locked")

    guide = Somebody(allows)
    with pytest.raises(KeyringLockedError):
        sign_in(SESSION, None, identity_center=identity_center, method=Method.PKCE, guide=guide, save=refuses)
    assert guide.urls == []


def test_ctrl_c_stays_ctrl_c_when_the_keyring_takes_nothing(login, identity_center):
    known = login(Somebody(allows))

    def refuses(_sign_in):
        raise KeyringLockedError("the keyring is locked")

    with pytest.raises(KeyboardInterrupt):
        sign_in(
            SESSION,
            known,
            identity_center=identity_center,
            method=Method.PKCE,
            guide=Somebody(presses_ctrl_c),
            save=refuses,
        )


# Refused, late, interrupted


def test_refusal_in_the_browser_ends_in_words(login, simulator):
    guide = Somebody(denies)
    with pytest.raises(AwsssoError, match="the sign-in was refused in the browser") as caught:
        login(guide)
    assert caught.value.hint == "awssso login -S corp"
    assert simulator.count("CreateToken") == 0
    assert not is_open(callback_port(guide.urls[0]))


def test_refusal_of_a_device_code_ends_in_words_at_once(login, simulator, clock):
    with pytest.raises(AwsssoError, match="the sign-in was refused") as caught:
        login(Somebody(lambda url: person.approve(url, deny=True)), Method.DEVICE)
    assert simulator.count("CreateToken") == 1
    assert "--port" in caught.value.hint


def test_an_error_from_the_browser_is_told_without_control_characters(login):
    def attacks(url):
        query = parse_qs(urlsplit(url).query)
        back = f"{query['redirect_uri'][0]}?error=x%1b%5b2J&error_description=%1b%5d52&state={query['state'][0]}"
        threading.Thread(target=lambda: urlopen(back).close(), daemon=True).start()

    with pytest.raises(AwsssoError) as caught:
        login(Somebody(attacks))
    assert caught.value.message.isprintable()


def test_nobody_comes_in_time(login, clock):
    with pytest.raises(AwsssoError, match="nobody approved the sign-in in time"):
        login(Somebody(lambda _url: clock.move(601)))


def test_ctrl_c_leaves_no_port(login):
    guide = Somebody(presses_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        login(guide)
    assert not is_open(callback_port(guide.urls[0]))


def test_a_code_that_aws_does_not_take_names_the_region_to_check(login, simulator):
    simulator.misbehave("CreateToken", error="InvalidGrantException")
    with pytest.raises(OAuthError) as caught:
        login(Somebody(allows))
    assert "sso_region us-east-1" in caught.value.hint
    assert simulator.count("CreateToken") == 1


def test_a_wrong_start_url_stops_the_device_flow_before_a_code_is_shown(login):
    guide = Somebody(ignores)
    with pytest.raises(OAuthError) as caught:
        login(guide, Method.DEVICE, session=replace(SESSION, start_url="https://d-0000000000.awsapps.com/start"))
    assert caught.value.code == "InvalidRequestException"
    assert "d-0000000000" in caught.value.hint
    assert guide.codes == []


# Ports


def test_the_port_is_open_when_the_browser_starts(login):
    seen = []

    def look(url):
        seen.append(is_open(callback_port(url)))
        allows(url)

    login(Somebody(look))
    assert seen == [True]


def test_a_fixed_port_is_used_and_the_tunnel_to_it_is_told(login):
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    guide = Somebody(allows)
    login(guide, port=port)
    assert callback_port(guide.urls[0]) == port
    assert f"ssh -N -L {port}:127.0.0.1:{port} " in guide.lines[0]


def test_a_busy_port_is_said_before_a_browser_starts(login):
    guide = Somebody(allows)
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(AwsssoError, match=f"port {port} is in use"):
            login(guide, port=port)
    assert guide.urls == []


# The rhythm of the device flow


def test_polling_waits_for_the_person_at_the_pace_of_the_server(login, simulator, clock):
    simulator.organization.device_interval = 7
    guide = Somebody(ignores)
    clock.on_sleep[4] = lambda: person.approve(guide.urls[0])
    login(guide, Method.DEVICE)
    assert clock.sleeps == [7, 7, 7, 7]
    assert [call.status for call in simulator.calls("CreateToken")] == [400, 400, 400, 200]


def test_b7_slow_down_adds_five_seconds_each_time_and_goes_on(login, simulator, clock):
    simulator.organization.device_interval = 5
    simulator.misbehave("CreateToken", error="SlowDownException", times=2)
    guide = Somebody(ignores)
    clock.on_sleep[4] = lambda: person.approve(guide.urls[0])
    login(guide, Method.DEVICE)
    assert clock.sleeps == [5, 10, 15, 15]


def test_b7_a_code_ends_with_its_life_though_the_server_never_says_so(login, simulator, clock):
    simulator.organization.device_code_life = 20
    simulator.organization.device_interval = 6
    simulator.misbehave("CreateToken", error="AuthorizationPendingException", times=1000)
    with pytest.raises(AwsssoError, match="nobody approved the sign-in in time"):
        login(Somebody(ignores), Method.DEVICE)
    assert clock.sleeps[:3] == [6, 6, 6]
    assert simulator.count("CreateToken") == 3


def test_a_code_that_lives_for_two_seconds_by_the_real_clock_ends(login, simulator):
    simulator.organization.device_code_life = 2
    with pytest.raises(AwsssoError, match="nobody approved the sign-in in time"):
        login(Somebody(ignores), Method.DEVICE)
    assert simulator.count("CreateToken") <= 2


def test_a_code_that_the_server_calls_expired_ends(login, simulator, clock):
    simulator.misbehave("CreateToken", error="ExpiredTokenException")
    with pytest.raises(AwsssoError, match="nobody approved the sign-in in time"):
        login(Somebody(ignores), Method.DEVICE)
    assert simulator.count("CreateToken") == 1


@pytest.mark.parametrize(
    "trouble",
    [
        {"reset": True},
        {"error": "InternalServerException"},
        {"error": "TooManyRequestsException"},
        {"status": 503, "body": b"<html>"},
        {"body": b"not json"},
        {"redirect": "http://127.0.0.1:9/"},
    ],
    ids=str,
)
def test_trouble_on_the_way_does_not_end_the_waiting(login, simulator, clock, trouble):
    simulator.misbehave("CreateToken", times=3, **trouble)
    guide = Somebody(ignores)
    clock.on_sleep[5] = lambda: person.approve(guide.urls[0])
    assert login(guide, Method.DEVICE).token is not None
    assert simulator.count("CreateToken") == 5


def test_a_server_that_stays_away_is_named_at_the_end(login, simulator, clock):
    simulator.misbehave("CreateToken", reset=True, times=1000)
    with pytest.raises(NetworkError):
        login(Somebody(ignores), Method.DEVICE)


def test_a_server_that_asks_for_no_pause_is_not_stormed(login, simulator, clock):
    simulator.organization.device_interval = 0
    simulator.organization.device_code_life = 5
    with pytest.raises(AwsssoError):
        login(Somebody(ignores), Method.DEVICE)
    assert simulator.count("CreateToken") <= 5


# Where a browser may be sent

HOSTILE = [
    "javascript:alert(1)",
    "file:///etc/passwd",
    "data:text/html,x",
    "vbscript:x",
    "ssh://device.sso.us-east-1.amazonaws.com/",
    "-Frenderer-cmd-prefix=xterm",
    "--renderer-cmd-prefix=xterm",
    "http://evil.example/",
    "http://device.sso.us-east-1.amazonaws.com/",
    "https://evil.example/",
    "https://evil.example/device.sso.us-east-1.amazonaws.com/",
    "https://evil.example/?device.sso.us-east-1.amazonaws.com",
    "https://evil.example#.awsapps.com",
    "https://awsapps.com.evil.example/start",
    "https://evilawsapps.com/start",
    "https://d-1234567890.awsapps.com.evil.example/",
    "https://device.sso.us-east-1.amazonaws.com.evil.example/",
    "https://device.sso.us-east-1.amazonaws.com@evil.example/",
    "https://user:password@device.sso.us-east-1.amazonaws.com/",
    "https://evil.example\\@device.sso.us-east-1.amazonaws.com/",
    "https://evil.example\\.awsapps.com/",
    "https://device.sso.us-east-1.amazonaws.com:8443/",
    "https://s3.us-east-1.amazonaws.com/bucket/page",
    "https://device.sso.cn-north-1.amazonaws.com.cn/",
    "https://d-1234567890.awsapps.cn/start",
    "https://bucket.s3.amazonaws.com/",
    "https://device.sso.s3.amazonaws.com@127.0.0.1/",
    "https://device.sso.us-east-1.amazonaws.com/\n--option",
    "https://device.sso.us-east-1.amazonaws.com/\x1b]52;c;x\x07",
    "https://device.sso.us-east-1.amazonaws.com/ x",
    "https://device.sso.us-east-1.amazonaws.com/\u202e",
    "https://d-1234567890.\u0430wsapps.com/start",
    "https://" + "a" * 5000 + ".awsapps.com/",
    "http://127.0.0.1:1/device",
    "http://localhost:PORT/device",
    "http://127.0.0.1:PORT@evil.example/",
    "http://user@127.0.0.1:PORT/device",
    "https://127.0.0.1:PORT/device",
    "http://127.0.0.1:PORT.evil.example/",
    "http://[::1]:PORT/device",
    "//127.0.0.1:PORT/device",
    "/device",
    "",
]


def device_reply(url):
    fields = {"deviceCode": "d", "userCode": "ABCD-EFGH", "expiresIn": 600, "interval": 1}
    return json.dumps({**fields, "verificationUri": url, "verificationUriComplete": url}).encode()


@pytest.mark.parametrize("url", HOSTILE)
def test_b6_a_page_that_is_not_of_the_partition_never_reaches_the_browser(login, simulator, clock, url):
    url = url.replace("PORT", str(simulator.port))
    simulator.misbehave("StartDeviceAuthorization", body=device_reply(url))
    guide = Somebody(ignores)
    with pytest.raises((RefusedError, NetworkError)) as caught:
        login(guide, Method.DEVICE)
    assert caught.value.message.isprintable()
    assert guide.urls == guide.codes == []
    assert simulator.count("CreateToken") == 0


@pytest.mark.parametrize(
    "url",
    [
        "https://device.sso.us-east-1.amazonaws.com/?user_code=ABCD-EFGH",
        "https://d-1234567890.awsapps.com/start/#/device?user_code=ABCD-EFGH",
        "https://ssoins-1234567890abcdef.portal.eu-west-1.app.aws/#/device?user_code=ABCD-EFGH",
        "http://127.0.0.1:PORT/device?user_code=ABCD-EFGH",
    ],
)
def test_a_page_of_aws_or_of_the_endpoint_in_use_is_shown(login, simulator, clock, url):
    url = url.replace("PORT", str(simulator.port))
    simulator.misbehave("StartDeviceAuthorization", body=device_reply(url))
    simulator.misbehave("CreateToken", error="AccessDeniedException")
    guide = Somebody(ignores)
    with pytest.raises(AwsssoError, match="refused"):
        login(guide, Method.DEVICE)
    assert guide.urls == [url]


def test_b5_the_code_of_a_browser_goes_to_the_endpoint_of_the_session_alone(login, simulator):
    # The service may name endpoints of its own in the reply to RegisterClient; they are not followed (SECURITY B5).
    registered = {
        "clientId": "c",
        "clientSecret": "s",
        "clientSecretExpiresAt": int(time.time()) + 86400,
        "authorizationEndpoint": "https://evil.example/authorize",
        "tokenEndpoint": "https://evil.example/token",
    }
    simulator.misbehave("RegisterClient", body=json.dumps(registered).encode())
    guide = Somebody(presses_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        login(guide)
    assert guide.urls[0].startswith(f"{simulator.url}/authorize?")


# One name, one place


def test_b8_a_session_that_now_leads_elsewhere_is_refused_with_both_places(login, simulator):
    known = login(Somebody(allows))
    simulator.clear_log()
    moved = replace(SESSION, start_url="https://d-1234567890.awsapps.com.example/start")
    for session in (moved, replace(SESSION, region="eu-west-1")):
        with pytest.raises(RefusedError) as caught:
            login(Somebody(allows), known=known, session=session)
        assert session.start_url in caught.value.message
        assert session.region in caught.value.message
        assert SESSION.start_url in caught.value.message
        assert "awssso logout -S corp" in caught.value.hint
    assert simulator.log == []


def test_a_region_corrected_after_a_failed_first_login_is_just_used(login, simulator):
    wrong = SignIn(replace(SESSION, region="eu-west-1"), registrations=(replace(FORGOTTEN, grant=Method.PKCE.value),))
    signed_in = login(Somebody(allows), known=wrong)
    assert signed_in.session == SESSION
    assert simulator.count("RegisterClient") == 1


# Which way


@pytest.mark.parametrize(
    ("variables", "asked", "port", "expected", "because"),
    [
        ({}, False, 0, Method.PKCE, None),
        ({}, True, 0, Method.DEVICE, None),
        ({"SSH_CONNECTION": "1 2 3 4"}, False, 0, Method.DEVICE, "over SSH"),
        ({"SSH_TTY": "/dev/pts/1"}, False, 0, Method.DEVICE, "over SSH"),
        ({"WSL_DISTRO_NAME": "Debian"}, False, 0, Method.DEVICE, "under WSL"),
        ({"SSH_CONNECTION": "1 2 3 4"}, False, 8400, Method.PKCE, None),
        ({"SSH_CONNECTION": "1 2 3 4"}, True, 0, Method.DEVICE, None),
        ({"SSH_CONNECTION": "1 2 3 4"}, True, 8400, Method.DEVICE, None),
    ],
)
def test_b7_a_device_code_is_for_those_who_ask_and_for_machines_far_away(variables, asked, port, expected, because):
    method, reason = method_for(Environment(variables), use_device_code=asked, port=port)
    assert method is expected
    assert reason is None if because is None else because in reason

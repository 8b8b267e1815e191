from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from awssso_helper.callback import MAX_REQUEST, MAX_VISITS, PATH, CallbackServer
from awssso_helper.errors import AwsssoError, UsageError
from awssso_helper.model import Deadline, Secret

STATE = "the-state-of-this-login"
GENEROUS = 60.0


class Waiting:
    """A callback server that waits in a thread of its own, as the login does in the main one."""

    def __init__(self, *, seconds: float = GENEROUS):
        self.server = CallbackServer(Secret(STATE))
        self.port = self.server.port
        self.answer = None
        self._thread = threading.Thread(target=self._wait, args=(seconds,), daemon=True)
        self._thread.start()

    def _wait(self, seconds):
        with self.server:
            self.answer = self.server.wait(Deadline(seconds))

    def outcome(self):
        self._thread.join(GENEROUS)
        assert not self._thread.is_alive()
        return self.answer

    @property
    def still_waits(self):
        return self._thread.is_alive()

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=GENEROUS)

    def sends(self, request: bytes) -> bytes:
        with closing(self.connect()) as connection:
            connection.sendall(request)
            return everything_from(connection)

    def asks(self, target: str, *, method: str = "GET", host: str | None = None, extra: str = "") -> bytes:
        head = f"{method} {target} HTTP/1.1\r\nHost: {self.host if host is None else host}\r\n{extra}\r\n"
        return self.sends(head.encode("latin-1"))

    def comes_back(self, query: str = f"code=the-code&state={STATE}") -> bytes:
        return self.asks(f"{PATH}?{query}")


def everything_from(connection) -> bytes:
    received = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            received += piece
    return received


def status(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1])


@pytest.fixture
def waiting():
    waiting = Waiting()
    yield waiting
    if waiting.still_waits:
        # One that has just been answered has closed its port, and its thread may live a moment longer.
        with suppress(ConnectionError):
            waiting.comes_back()
        waiting.outcome()


@contextmanager
def listening_elsewhere():
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_the_return_with_the_state_brings_the_code(waiting):
    assert status(waiting.comes_back()) == 200
    assert waiting.outcome().code == Secret("the-code")


def test_b1_a_browser_that_returns_before_anybody_waits_is_heard():
    with CallbackServer(Secret(STATE)) as server:
        with closing(socket.create_connection(("127.0.0.1", server.port), timeout=GENEROUS)) as browser:
            browser.sendall(
                f"GET {PATH}?code=early&state={STATE} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()
            )
            answer = server.wait(Deadline(GENEROUS))
            assert status(everything_from(browser)) == 200
        assert answer is not None
        assert answer.code == Secret("early")


def test_a_request_in_single_bytes_is_put_together(waiting):
    request = f"GET {PATH}?code=the-code&state={STATE} HTTP/1.1\r\nHost: {waiting.host}\r\n\r\n".encode()
    with closing(waiting.connect()) as browser:
        browser.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request:
            browser.sendall(bytes([byte]))
        assert status(everything_from(browser)) == 200
    assert waiting.outcome().code == Secret("the-code")


def test_redirect_uri_is_the_form_that_aws_takes():
    with CallbackServer(Secret(STATE)) as server:
        assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+/oauth/callback", server.redirect_uri)


# Requests that are not the one

NOT_THE_ONE = {
    "another path": ("/", {}, 404),
    "the icon": ("/favicon.ico", {}, 404),
    "a longer path": (f"{PATH}/?code=x&state={STATE}", {}, 404),
    "a path that only resolves to ours": (f"/x/..{PATH}?code=x&state={STATE}", {}, 404),
    "another case": (f"/OAuth/callback?code=x&state={STATE}", {}, 404),
    "a whole URL": (f"http://127.0.0.1{PATH}?code=x&state={STATE}", {}, 400),
    "no state": (f"{PATH}?code=x", {}, 400),
    "empty state": (f"{PATH}?code=x&state=", {}, 400),
    "wrong state": (f"{PATH}?code=x&state={STATE}x", {}, 400),
    "the state in other letters": (f"{PATH}?code=x&state={STATE.upper()}", {}, 400),
    "a state beyond ASCII": (f"{PATH}?code=x&state=%C3%A9%FF", {}, 400),
    "two states, the first ours": (f"{PATH}?code=x&state={STATE}&state=other", {}, 400),
    "two states, the second ours": (f"{PATH}?code=x&state=other&state={STATE}", {}, 400),
    "our state twice": (f"{PATH}?code=x&state={STATE}&state={STATE}", {}, 400),
    "no code": (f"{PATH}?state={STATE}", {}, 400),
    "empty code": (f"{PATH}?code=&state={STATE}", {}, 400),
    "two codes": (f"{PATH}?code=x&code=y&state={STATE}", {}, 400),
    "code and error": (f"{PATH}?code=x&error=access_denied&state={STATE}", {}, 400),
    "an error without state": (f"{PATH}?error=access_denied", {}, 400),
    "an error with a wrong state": (f"{PATH}?error=access_denied&state=guess", {}, 400),
    "too many fields": (f"{PATH}?code=x&state={STATE}" + "&a=b" * 100, {}, 400),
    "POST": (f"{PATH}?code=x&state={STATE}", {"method": "POST"}, 405),
    "HEAD": (f"{PATH}?code=x&state={STATE}", {"method": "HEAD"}, 405),
    "OPTIONS": (f"{PATH}?code=x&state={STATE}", {"method": "OPTIONS"}, 405),
    "get": (f"{PATH}?code=x&state={STATE}", {"method": "get"}, 405),
    "the host of a page that rebinds": (f"{PATH}?code=x&state={STATE}", {"host": "evil.example"}, 403),
    "localhost": (f"{PATH}?code=x&state={STATE}", {"host": "localhost"}, 403),
    "our host without the port": (f"{PATH}?code=x&state={STATE}", {"host": "127.0.0.1"}, 403),
    "two hosts": (f"{PATH}?code=x&state={STATE}", {"extra": "Host: evil.example\r\n"}, 403),
    "no host": (f"{PATH}?code=x&state={STATE}", {"host": ""}, 403),
}


@pytest.mark.parametrize(("target", "options", "expected"), NOT_THE_ONE.values(), ids=list(NOT_THE_ONE))
def test_b3_any_other_request_is_turned_away_and_the_login_goes_on(waiting, target, options, expected):
    reply = waiting.asks(target, **options)
    assert status(reply) == expected
    assert waiting.still_waits
    waiting.comes_back()
    assert waiting.outcome().code == Secret("the-code")


@pytest.mark.parametrize(
    "garbage",
    [
        b"\r\n\r\n",
        b"\0\1\2\3\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /oauth/callback\r\n\r\n",
        b"GET /oauth/callback HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"\xff\xfe" * 500 + b"\r\n\r\n",
    ],
)
def test_garbage_is_a_bad_request_and_the_login_goes_on(waiting, garbage):
    assert status(waiting.sends(garbage)) == 400
    waiting.comes_back()
    assert waiting.outcome().code == Secret("the-code")


def test_a_thousand_bad_requests_do_not_end_the_login(waiting):
    seen = []
    kinds = list(NOT_THE_ONE.values())
    for number in range(1000):
        target, options, _ = kinds[number % len(kinds)]
        seen.append(status(waiting.asks(target, **options)))
    assert len(seen) == 1000
    assert set(seen) <= {400, 403, 404, 405}
    waiting.comes_back()
    assert waiting.outcome().code == Secret("the-code")


def test_an_error_counts_with_our_state(waiting):
    reply = waiting.comes_back(f"error=access_denied&error_description=not%20today&state={STATE}")
    assert status(reply) == 200
    answer = waiting.outcome()
    assert b"was not completed" in reply
    assert (answer.code, answer.error, answer.description) == (None, "access_denied", "not today")


def test_b3_only_the_first_return_counts():
    with CallbackServer(Secret(STATE)) as server:
        browsers = []
        for number in range(5):
            browser = socket.create_connection(("127.0.0.1", server.port), timeout=GENEROUS)
            browser.sendall(
                f"GET {PATH}?code=code{number}&state={STATE} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()
            )
            browsers.append(browser)
        answer = server.wait(Deadline(GENEROUS))
        replies = [everything_from(browser) for browser in browsers]
        for browser in browsers:
            browser.close()
    assert answer is not None
    assert replies.count(b"") == 4
    told = next(number for number, reply in enumerate(replies) if reply)
    assert answer.code == Secret(f"code{told}")


# Connections that want to hold us up


def test_b2_idle_slow_and_huge_connections_do_not_keep_the_browser_out(waiting):
    idle = [waiting.connect() for _ in range(50)]
    slow = waiting.connect()
    slow.sendall(b"G")
    post = waiting.connect()
    post.sendall(f"POST {PATH} HTTP/1.1\r\nHost: {waiting.host}\r\nContent-Length: 1000000\r\n\r\nx".encode())
    huge = waiting.sends(b"GET / HTTP/1.1\r\nX: " + b"x" * (1 << 20))
    assert huge == b"" or status(huge) == 431
    slow.sendall(b"E")
    assert status(waiting.comes_back()) == 200
    assert waiting.outcome().code == Secret("the-code")
    for connection in [*idle, slow, post]:
        connection.close()


def test_more_idle_connections_than_we_keep_do_not_keep_the_browser_out(waiting):
    idle = [waiting.connect() for _ in range(2 * MAX_VISITS)]
    assert idle[0].recv(1) == b""  # the oldest makes room: nobody takes all our descriptors
    assert status(waiting.comes_back()) == 200
    assert waiting.outcome().code == Secret("the-code")
    for connection in idle:
        connection.close()


def test_a_header_without_end_is_cut_off_at_the_limit(waiting):
    with closing(waiting.connect()) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_REQUEST)
        assert status(everything_from(connection)) == 431
    assert waiting.still_waits


def test_a_connection_that_says_nothing_is_sent_away(waiting, monkeypatch):
    # The time that a visitor has is read when it comes; a connection from before this keeps what it had.
    monkeypatch.setattr("awssso_helper.callback.VISIT_SECONDS", 0.0)
    with closing(waiting.connect()) as connection:
        assert status(everything_from(connection)) == 408
    assert waiting.still_waits
    monkeypatch.undo()


def test_visitors_who_hang_up_are_forgotten(waiting):
    for _ in range(3 * MAX_VISITS):
        waiting.connect().close()
    assert status(waiting.comes_back()) == 200
    assert waiting.outcome().code == Secret("the-code")


def test_nobody_comes():
    with CallbackServer(Secret(STATE)) as server:
        assert server.wait(Deadline(0.01)) is None


# The page


def test_b4_the_page_reflects_nothing_and_can_load_nothing(waiting):
    query = f"code=CANARY1&state={STATE}&x=CANARY2"
    reply = waiting.asks(f"{PATH}?{query}", extra="User-Agent: CANARY3\r\nReferer: http://CANARY4/\r\n")
    head, _, body = reply.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    assert b"CANARY" not in reply
    assert STATE.encode() not in reply
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Connection"] == "close"
    assert int(headers["Content-Length"]) == len(body)
    assert b"success" not in body.lower()
    assert b"You can close this tab" in body


def test_the_policy_admits_the_very_style_of_the_page(waiting):
    head, _, body = waiting.comes_back().partition(b"\r\n\r\n")
    style = body.split(b"<style>")[1].split(b"</style>")[0]
    assert f"'sha256-{base64.b64encode(hashlib.sha256(style).digest()).decode()}'" in head.decode()


def test_a_refused_request_reflects_nothing_either(waiting):
    for reply in (
        waiting.asks("/CANARY?CANARY", extra="X: CANARY\r\n"),
        waiting.asks(PATH + "?state=CANARY"),
        waiting.asks("/", host="CANARY"),
        waiting.asks(PATH, method="CANARY"),
        waiting.sends(b"CANARY\r\n\r\n"),
    ):
        assert b"CANARY" not in reply
        assert b"Cache-Control: no-store" in reply


# The port


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's list of sockets is Linux's")
def test_b1_it_listens_on_loopback_alone(waiting):
    rows = [row.split() for table in ("tcp", "tcp6") for row in Path(f"/proc/net/{table}").read_text().splitlines()]
    listening = [row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{waiting.port:04X}")]
    assert listening == [f"0100007F:{waiting.port:04X}"]


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address of its own on Linux only")
def test_it_cannot_be_reached_at_another_address_of_this_machine(waiting):
    # Every address of 127/8 is local on Linux, and a server on 0.0.0.0 answers at all of them.
    with closing(socket.socket()) as stranger, pytest.raises(ConnectionRefusedError):
        stranger.connect(("127.0.0.2", waiting.port))


def test_b4_the_port_is_closed_when_the_answer_is_there():
    with CallbackServer(Secret(STATE)) as server:
        browser = socket.create_connection(("127.0.0.1", server.port), timeout=GENEROUS)
        idle = socket.create_connection(("127.0.0.1", server.port), timeout=GENEROUS)
        browser.sendall(f"GET {PATH}?code=c&state={STATE} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
        assert server.wait(Deadline(GENEROUS)) is not None
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), timeout=GENEROUS)
        assert idle.recv(1) == b""
        browser.close()
        idle.close()


def test_a_fixed_port_can_be_used_again_at_once():
    port = 0
    for number in range(3):
        with CallbackServer(Secret(STATE), port=port) as server:
            port = server.port
            browser = socket.create_connection(("127.0.0.1", port), timeout=GENEROUS)
            browser.sendall(
                f"GET {PATH}?code=c{number}&state={STATE} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
            )
            answer = server.wait(Deadline(GENEROUS))
            assert answer is not None
            assert answer.code == Secret(f"c{number}")
            everything_from(browser)  # in order, so that the connection lingers on our side
            browser.close()


def test_a_busy_port_is_said_in_one_line_with_what_to_do():
    with listening_elsewhere() as port, pytest.raises(AwsssoError) as caught:
        CallbackServer(Secret(STATE), port=port)
    assert caught.value.message == f"port {port} is in use by another program"
    assert "port" in caught.value.hint


@pytest.mark.parametrize("port", [-1, 65536, 10**9])
def test_a_number_that_is_no_port_is_a_usage_error(port):
    with pytest.raises(UsageError, match=str(port)):
        CallbackServer(Secret(STATE), port=port)


def test_ctrl_c_leaves_no_port(python):
    script = (
        "import sys\n"
        "from awssso_helper.callback import CallbackServer\n"
        "from awssso_helper.model import Deadline, Secret\n"
        "with CallbackServer(Secret('s')) as server:\n"
        "    print(server.port, flush=True)\n"
        "    server.wait(Deadline(60))\n"
    )
    process = subprocess.Popen([python, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    port = int(process.stdout.readline())
    process.send_signal(2)
    _, said = process.communicate(timeout=GENEROUS)
    assert said.rstrip().endswith("KeyboardInterrupt")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=GENEROUS)


# Other users of the machine

AS_ANOTHER_USER = """
import encodings.idna, json, os, socket, sys
port, request, hang_up = int(sys.argv[1]), sys.argv[2].encode(), sys.argv[3] == "hang up"
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
connection = socket.create_connection(("127.0.0.1", port), timeout=60)
connection.sendall(request)
if hang_up:
    connection.close()
    print(json.dumps({"uid": os.getuid(), "reply": ""}))
else:
    print(json.dumps({"uid": os.getuid(), "reply": connection.recv(65536).decode()}))
"""


@pytest.mark.skipif(sys.platform != "linux" or os.getuid() != 0, reason="needs root, to become another user")
@pytest.mark.parametrize("manner", ["stay", "hang up"])
@pytest.mark.parametrize("query", [f"error=x&state={STATE}", f"code=theirs&state={STATE}"])
def test_another_user_who_read_the_state_in_a_command_line_is_turned_away(waiting, python, query, manner):
    request = f"GET {PATH}?{query} HTTP/1.1\r\nHost: {waiting.host}\r\n\r\n"
    done = subprocess.run(
        [python, "-I", "-c", AS_ANOTHER_USER, str(waiting.port), request, manner],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    told = json.loads(done.stdout)
    assert told["uid"] == 65534
    if manner == "stay":
        assert status(told["reply"].encode()) == 403
    waiting.comes_back()
    assert waiting.outcome().code == Secret("the-code")

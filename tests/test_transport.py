from __future__ import annotations

import contextlib
import gzip
import http.client
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest
from freezegun import freeze_time
from wire import OK, Authority, head_of, sends, sends_and_holds, servers, tunnels_to

from awssso_helper.environment import Environment
from awssso_helper.errors import NetworkError
from awssso_helper.model import Deadline
from awssso_helper.transport import Transport

TOKEN = "aoaAAAAAGcanary-of-an-access-token"
HEADERS = {"x-amz-sso_bearer_token": TOKEN}
SHORT = 0.3  # seconds of deadline where the server would hold for a minute


@pytest.fixture
def serve():
    with servers() as start:
        yield start


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def drips(data, rest=b"x" * 600):
    """Send a beginning, then a byte every tenth of a second: no single recv waits long."""

    def act(server, connection):
        connection.sendall(data)
        for byte in rest:
            connection.sendall(bytes([byte]))
            if server.ended.wait(0.1):
                return

    return act


def resets(data):
    def act(_server, connection):
        connection.sendall(data)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return act


def pours(server, connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not server.ended.is_set():
        connection.sendall(b" " * 65536)


def exchange(url, *, variables=None, seconds=20.0, limit=1000, method="GET", body=None, transport=None):
    transport = transport or Transport(Environment(variables))
    return transport.exchange(method, url, headers=HEADERS, body=body, deadline=Deadline(seconds), limit=limit)


def refusal_of(url, **options):
    with pytest.raises(NetworkError) as caught:
        exchange(url, **options)
    told = f"{caught.value.message} {caught.value.hint}"
    assert TOKEN not in told
    assert "\n" not in told
    assert caught.value.exit_status == 5
    return caught.value.message


# An honest server


def test_a_reply_comes_whole_with_lower_case_headers(serve):
    server = serve(sends(OK))
    before = int(time.time())
    reply = exchange(server.url, method="POST", body=b"hello")
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, b"{}", "application/json")
    assert before <= reply.sent_at <= time.time()
    assert b"Accept-Encoding: identity" in server.requests[0]
    assert b"User-Agent: awssso/" in server.requests[0]


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    ],
    ids=["chunked", "until-close", "after-a-100"],
)
def test_every_honest_framing_of_a_body_is_understood(serve, wire):
    assert exchange(serve(sends(wire)).url).body == b"{}"


def test_a_body_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(serve):
    wire = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000
    server = serve(sends(wire))
    assert len(exchange(server.url, limit=1000).body) == 1000
    assert "too large" in refusal_of(server.url, limit=999)


def test_a_connection_is_kept_for_the_next_exchange(serve):
    def answers_twice(_server, connection):
        connection.sendall(OK)
        head_of(connection)
        connection.sendall(OK.replace(b"200 OK", b"201 OK"))

    server = serve(answers_twice)
    transport = Transport(Environment())
    assert [exchange(server.url, transport=transport).status for _ in range(2)] == [200, 201]
    assert len(server.requests) == 1


def test_a_kept_connection_that_the_server_has_closed_meanwhile_is_not_used_again(serve):
    ended = threading.Event()

    def answers_and_leaves(_server, connection):
        connection.sendall(OK)
        connection.shutdown(socket.SHUT_WR)
        ended.set()

    server = serve(answers_and_leaves)
    transport = Transport(Environment())
    for _ in range(3):
        ended.clear()
        assert exchange(server.url, transport=transport, method="POST", body=b"once").body == b"{}"
        assert ended.wait(20)
    assert len(server.requests) == 3


@pytest.mark.parametrize("seconds", [40, -40])
def test_a_kept_connection_is_not_used_again_after_a_sleep(serve, seconds):
    def answers_all(_server, connection):
        connection.sendall(OK)
        while head_of(connection):
            connection.sendall(OK)

    server = serve(answers_all)
    transport = Transport(Environment())
    with freeze_time("2026-11-24 09:00:00") as clock:
        for _ in range(2):
            exchange(server.url, transport=transport)
        assert len(server.requests) == 1
        clock.tick(seconds)
        exchange(server.url, transport=transport)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", b"GET / HTTP/1.1"),
        ("/a%20b/?c=%2F&d", b"GET /a%20b/?c=%2F&d HTTP/1.1"),
        ("/a/b//c", b"GET /a/b//c HTTP/1.1"),
    ],
)
def test_the_request_line_has_path_and_query_as_they_are_written(serve, path, line):
    server = serve(sends(OK))
    exchange(server.url + path)
    assert server.requests[0].startswith(line + b"\r\nHost: 127.0.0.1:%d\r\n" % server.port)


@pytest.mark.skipif(not socket.has_ipv6, reason="this Python has no IPv6")
def test_a_host_may_be_an_ipv6_address(serve):
    server = serve(sends(OK), host="::1", family=socket.AF_INET6)
    assert exchange(f"http://[::1]:{server.port}/x").body == b"{}"
    assert b"\r\nHost: [::1]:%d\r\n" % server.port in server.requests[0]


def test_g4_the_switch_of_http_client_shows_no_token(serve, monkeypatch, capfd):
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 9)
    exchange(serve(sends(OK)).url)
    assert capfd.readouterr() == ("", "")


def test_connections_that_nobody_holds_any_more_are_closed(serve):
    left = threading.Event()

    def answers_and_listens(_server, connection):
        connection.sendall(OK)
        if not connection.recv(1):
            left.set()

    assert exchange(serve(answers_and_listens).url).body == b"{}"  # its transport is gone with this
    assert left.wait(20)


# Time


HOLDERS = {
    "silent-accept": sends_and_holds(b""),
    "half-a-status-line": sends_and_holds(b"HTTP/1.1 20"),
    "dripped-header": drips(b"HTTP/1.1 200 OK\r\nX-Slow: "),
    "dripped-status-line": drips(b"HTTP/1.1 200 "),
    "dripped-body": drips(b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n"),
    "dripped-body-without-length": drips(b"HTTP/1.1 200 OK\r\n\r\n"),
    "dripped-chunk": drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n"),
    "dripped-100-continue": drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 30),
    "body-never-ends": sends_and_holds(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nhalf"),
}


@pytest.mark.parametrize("act", HOLDERS.values(), ids=HOLDERS)
def test_c2_a_slow_server_holds_us_no_longer_than_the_deadline(serve, act):
    assert refusal_of(serve(act).url, seconds=SHORT) == "127.0.0.1 did not answer in time"


def test_a_deadline_that_has_passed_asks_nobody(serve):
    server = serve(sends(OK))
    refusal_of(server.url, seconds=0)
    assert server.requests == []


def test_a_tls_handshake_that_stalls_ends_at_the_deadline(serve):
    server = serve(lambda server, _connection: server.ended.wait(60), reads=False)
    assert "did not answer in time" in refusal_of(server.url.replace("http:", "https:"), seconds=SHORT)


def test_a_connection_that_is_never_accepted_ends_at_the_deadline():
    with full_listener("127.0.0.1") as port:
        assert "did not answer in time" in refusal_of(f"http://127.0.0.1:{port}", seconds=SHORT)


SILENT_NAME_SERVER = """
import socket, sys, time
from awssso_helper import iam
from awssso_helper.environment import Environment
from awssso_helper.errors import NetworkError
from awssso_helper.model import Deadline, Secret
from awssso_helper.transport import Transport
silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
silent.bind(("127.0.0.9", 53))
try:
    if sys.argv[1] == "signed":
        iam.Iam(Environment({})).principal(iam.Keys("AKIAEXAMPLE", Secret("x"), None, "eu-west-1"))
    else:
        Transport(Environment({})).exchange(
            "GET", "https://portal.example.com/x", headers={}, body=None, deadline=Deadline(0.5), limit=10
        )
except NetworkError as error:
    print(error.message)
silent.setblocking(False)
print("asked" if silent.recv(512) else "")
"""


WAITS = [
    ("unsigned", "portal.example.com did not answer in time"),
    ("signed", "sts.eu-west-1.amazonaws.com: no name server answered"),
]


# A resolver that is patient for two minutes and a half.
@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("unshare"), reason="a resolv.conf of its own takes root")
@pytest.mark.parametrize(("call", "words"), WAITS)
def test_c2_a_name_server_that_never_answers_holds_us_no_longer_than_the_deadline(call, words, tmp_path):
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.9\noptions timeout:30 attempts:5\n")
    (tmp_path / "nsswitch.conf").write_text("hosts: dns\n")
    bound = "&&".join(f"mount --bind {tmp_path / name} /etc/{name}" for name in ("resolv.conf", "nsswitch.conf"))
    program = [sys.executable, "-c", SILENT_NAME_SERVER, call]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f'{bound} && exec "$@"', "sh", *program],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout == f"{words}\nasked\n", done.stderr


def test_one_dead_address_of_a_host_leaves_time_for_the_next(serve, monkeypatch):
    server = serve(sends(OK), host="127.0.0.2")
    genuine = socket.getaddrinfo

    def two_addresses(host, port, *arguments, **options):
        if host != "localhost":
            return genuine(host, port, *arguments, **options)
        return [entry for each in ("127.0.0.1", "127.0.0.2") for entry in genuine(each, port, *arguments, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
    with full_listener("127.0.0.1", server.port):
        assert exchange(f"http://localhost:{server.port}", seconds=2).body == b"{}"


@contextlib.contextmanager
def full_listener(host, port=0):
    """A port whose queue is full: the kernel drops further connections without a word."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        time.sleep(0.05)
        yield listener.getsockname()[1]


# Dishonest servers


BROKEN = {
    "half-closed": sends(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}"),
    "half-closed-at-once": sends(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"),
    "chunks-cut-off": sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"),
    "chunk-size-garbage": sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"),
    "reset-mid-body": resets(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}"),
    "reset-at-once": resets(b""),
    "closed-at-once": sends(b""),
    "garbage": sends(b"\x00\xff\x16\x03 not http at all\r\n\r\n{}"),
    "ssh-banner": sends(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "no-status": sends(b"HTTP/1.1 abc OK\r\n\r\n{}"),
    "two-lengths": sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\n{}"),
    "endless-header-line": sends(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n{}"),
    "a-thousand-headers": sends(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n{}"),
    "endless-body": pours,
    "gzip": sends(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(gzip.compress(b"{}", mtime=0))
        + gzip.compress(b"{}", mtime=0)
    ),
    "gzip-bomb": sends(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b" " * 900_000, mtime=0)),
    "unknown-packing": sends(b"HTTP/1.1 200 OK\r\nContent-Encoding: x-odd\r\nContent-Length: 2\r\n\r\n{}"),
}


@pytest.mark.parametrize("act", BROKEN.values(), ids=BROKEN)
def test_a_broken_reply_is_a_network_error_and_never_a_part_of_an_answer(serve, act):
    message = refusal_of(serve(act).url)
    assert message.startswith("127.0.0.1 ")


def test_a_refused_connection_and_an_unknown_name_are_told_apart():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert refusal_of(f"http://127.0.0.1:{port}") == "127.0.0.1 cannot be connected to"
    # RFC 6761: this name never resolves.
    assert refusal_of("https://portal.invalid", seconds=30) == "portal.invalid is a name that cannot be resolved"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_c1_a_redirect_is_handed_back_and_not_followed(serve, status, method):
    elsewhere = serve(sends(OK))
    redirecting = serve(
        sends(
            f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere.url}/x\r\nRefresh: 0; url={elsewhere.url}\r\n"
            "Content-Length: 0\r\n\r\n".encode()
        )
    )
    reply = exchange(redirecting.url, method=method, body=b"{}" if method == "POST" else None)
    assert reply.status == status
    assert elsewhere.requests == []
    assert len(redirecting.requests) == 1


def test_a_token_with_a_line_break_sends_nothing(serve):
    server = serve(sends(OK))
    transport = Transport(Environment())
    with pytest.raises(NetworkError) as caught:
        transport.exchange(
            "GET", server.url, headers={"x": "secret\r\nX-Evil: 1"}, body=None, deadline=Deadline(5), limit=10
        )
    assert "secret" not in caught.value.message
    assert not any(server.requests)


# TLS


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a6_a_private_authority_is_trusted_where_a_variable_names_it(serve, authority, variable):
    server = serve(sends(OK), tls=authority.server_context("127.0.0.1"))
    assert exchange(server.url, variables={variable: str(authority.bundle)}).body == b"{}"


def test_the_bundle_counts_also_after_a_plain_loopback_exchange(serve, authority):
    secure, plain = serve(sends(OK), tls=authority.server_context("127.0.0.1")), serve(sends(OK))
    transport = Transport(Environment({"AWS_CA_BUNDLE": str(authority.bundle)}))
    assert exchange(plain.url, transport=transport).body == b"{}"
    assert exchange(secure.url, transport=transport).body == b"{}"


def test_c10_an_unknown_authority_is_refused_before_the_token_is_sent(serve, authority):
    server = serve(sends(OK), tls=authority.server_context("127.0.0.1"))
    message = refusal_of(server.url)
    assert message.startswith("the TLS connection to 127.0.0.1 failed: ")
    assert "certificate" in message
    assert server.requests == []


@pytest.mark.parametrize(
    ("hosts", "age"), [(("portal.example.com",), 0), (("127.0.0.2",), 0), (("127.0.0.1",), 30)], ids=str
)
def test_c10_a_certificate_of_another_host_or_time_is_refused(serve, authority, hosts, age):
    server = serve(sends(OK), tls=authority.server_context(*hosts, age=age))
    assert "TLS" in refusal_of(server.url, variables={"AWS_CA_BUNDLE": str(authority.bundle)})
    assert server.requests == []


def test_c10_a_server_without_tls_is_not_asked_in_plain_text(serve):
    server = serve(sends(b"HTTP/1.1 200 OK\r\n\r\n"))
    refusal_of(server.url.replace("http:", "https:"), seconds=SHORT)
    assert TOKEN.encode() not in b"".join(server.requests)


@pytest.mark.parametrize("content", [None, "", "no certificate\n"], ids=["missing", "empty", "garbage"])
def test_a_bundle_that_cannot_be_read_is_named(serve, authority, tmp_path, content):
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)
    server = serve(sends(OK), tls=authority.server_context("127.0.0.1"))
    assert refusal_of(server.url, variables={"AWS_CA_BUNDLE": str(bundle)}).endswith(str(bundle))


@pytest.mark.parametrize("name", ["keys.log", "missing/keys.log"], ids=["writable", "unwritable"])
def test_a6_sslkeylogfile_is_ignored(serve, authority, tmp_path, monkeypatch, name):
    keys = tmp_path / name
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    server = serve(sends(OK), tls=authority.server_context("127.0.0.1"))
    assert exchange(server.url, variables={"AWS_CA_BUNDLE": str(authority.bundle)}).status == 200
    assert not keys.exists()


# Proxies


@pytest.fixture
def portal(serve, authority, monkeypatch):
    """An AWS host behind a proxy: no name is resolved here, the proxy does it."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.bundle))
    return serve(sends(OK), tls=authority.server_context("portal.sso.us-east-1.amazonaws.com"))


PORTAL = "https://portal.sso.us-east-1.amazonaws.com/assignment/accounts"


@pytest.mark.parametrize("form", ["http://127.0.0.1:{}", "127.0.0.1:{}", "http://127.0.0.1:{}/"])
def test_a_proxy_carries_what_goes_to_aws(serve, portal, monkeypatch, form):
    proxy = serve(tunnels_to(portal))
    monkeypatch.setenv("HTTPS_PROXY", form.format(proxy.port))
    assert exchange(PORTAL).body == b"{}"
    assert proxy.requests[0].startswith(b"CONNECT portal.sso.us-east-1.amazonaws.com:443 ")
    assert TOKEN.encode() not in proxy.requests[0]
    assert TOKEN.encode() in portal.requests[0]


def test_name_and_password_of_a_proxy_are_sent_to_it_and_no_further(serve, portal, monkeypatch):
    proxy = serve(tunnels_to(portal))
    monkeypatch.setenv("HTTPS_PROXY", f"http://ada:p%40ss@127.0.0.1:{proxy.port}")
    assert exchange(PORTAL).body == b"{}"
    assert b"proxy-authorization: Basic YWRhOnBAc3M=" in proxy.requests[0].replace(b"Proxy-A", b"proxy-a")
    assert b"YWRhOnBAc3M" not in portal.requests[0]


def test_a_proxy_may_itself_be_reached_by_tls(serve, portal, authority, monkeypatch):
    proxy = serve(tunnels_to(portal), tls=authority.server_context("127.0.0.1"))
    monkeypatch.setenv("HTTPS_PROXY", f"https://ada:pass@127.0.0.1:{proxy.port}")
    transport = Transport(Environment({"AWS_CA_BUNDLE": str(authority.bundle)}))
    assert exchange(PORTAL, transport=transport).body == b"{}"
    assert proxy.requests[0].startswith(b"CONNECT portal.sso.us-east-1.amazonaws.com:443 ")
    assert TOKEN.encode() not in proxy.requests[0]
    assert TOKEN.encode() in portal.requests[0]
    assert b"Proxy-Auth" not in portal.requests[0]


def test_c10_a_proxy_of_an_unknown_authority_is_told_no_password(serve, portal, authority, monkeypatch):
    other = authority.server_context("127.0.0.2")
    proxy = serve(tunnels_to(portal), tls=other)
    monkeypatch.setenv("HTTPS_PROXY", f"https://ada:pass@127.0.0.1:{proxy.port}")
    assert "through the proxy" in refusal_of(PORTAL, variables={"AWS_CA_BUNDLE": str(authority.bundle)})
    assert proxy.requests == []


def test_a_proxy_relays_what_goes_to_a_host_without_tls(serve, monkeypatch):
    proxy = serve(sends(OK))
    monkeypatch.setenv("HTTP_PROXY", f"http://ada:pass@127.0.0.1:{proxy.port}")
    assert exchange("http://vanity.example.com:8080/start?x=1").body == b"{}"
    request = proxy.requests[0]
    assert request.startswith(b"GET http://vanity.example.com:8080/start?x=1 HTTP/1.1\r\n")
    assert b"\r\nHost: vanity.example.com:8080\r\n" in request
    assert b"\r\nProxy-Authorization: Basic YWRhOnBhc3M=\r\n" in request


def test_a_proxy_that_nobody_runs_is_said_so(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    assert refusal_of(PORTAL) == "portal.sso.us-east-1.amazonaws.com cannot be reached through the proxy"


def test_a6_loopback_never_goes_through_a_proxy(serve, monkeypatch):
    proxy, server = serve(sends(b"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n")), serve(sends(OK))
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    assert exchange(server.url).status == 200
    assert exchange(server.url.replace("127.0.0.1", "localhost")).status == 200
    assert proxy.requests == []


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (sends(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"), "through the proxy"),
        (sends(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"), "through the proxy"),
        (sends(b"rubbish\r\n\r\n"), ""),
        (sends(b""), ""),
        (sends_and_holds(b""), "in time"),
        (drips(b"HTTP/1.1 200 "), "in time"),
        (sends_and_holds(b"HTTP/1.1 200 Connection established\r\n\r\n"), "in time"),
    ],
    ids=["407", "403", "garbage", "closed", "silent", "dripped", "silent-tunnel"],
)
def test_a_proxy_that_does_not_help_is_a_network_error_in_time(serve, monkeypatch, act, words):
    proxy = serve(act)
    monkeypatch.setenv("HTTPS_PROXY", f"http://ada:hunter2@127.0.0.1:{proxy.port}")
    message = refusal_of(PORTAL, seconds=SHORT if words == "in time" else 20)
    assert words in message
    assert "hunter2" not in message
    assert TOKEN.encode() not in b"".join(proxy.requests)


def test_an_unknown_kind_of_proxy_is_said_so(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1080")
    assert "names no http or https proxy" in refusal_of(PORTAL)

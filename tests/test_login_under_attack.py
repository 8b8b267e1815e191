"""A real `awssso login` while others want to hold it up, end it, or slip in a code of theirs.

The pieces are judged in `test_callback` and `test_login`; here the whole command is attacked from this machine, from
its other addresses, and from another network.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from urllib.parse import parse_qs, urlsplit

import pytest

from awssso_helper.simulator import person

SECONDS = 60


class Login:
    """`awssso login` as it waits for its browser, with all that an attacker may know of it."""

    def __init__(self, user):
        self._process = user.start("login", "--no-browser", "--no-sync")
        self.url = self._url()
        self._said = []
        self._reader = threading.Thread(target=self._read_on, daemon=True)
        self._reader.start()
        query = parse_qs(urlsplit(self.url).query)
        self.state = query["state"][0]
        back = urlsplit(query["redirect_uri"][0])
        self.port, self.path = back.port, back.path

    def _url(self):
        for line in self._process.stderr:
            if line.startswith("http"):
                return line.strip()
        raise AssertionError("no URL was told")

    def _read_on(self):
        self._said += self._process.stderr

    def visit(self, request, address="127.0.0.1"):
        """Send a request and give the first line of the answer; empty where the connection was just closed."""
        with socket.create_connection((address, self.port), timeout=SECONDS) as connection:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(request)
                return connection.recv(65536).split(b"\r\n")[0]
            return b""

    def end(self):
        status = self._process.wait(SECONDS)
        self._reader.join(SECONDS)
        self._process.stdout.close()
        self._process.stderr.close()
        return status, "".join(self._said)


@pytest.fixture
def login(sandbox):
    sandbox.settings("keyring = plaintext-file", "agent = off")
    sandbox.configure()
    return Login(sandbox)


def bad_requests(login):
    """Give a thousand requests, none of which is the browser's return."""
    path, port = login.path, login.port
    host = f"Host: 127.0.0.1:{port}"
    known = [
        f"GET {path}?code=theirs&state=guess HTTP/1.1\r\n{host}\r\n\r\n",
        f"GET {path}?error=access_denied HTTP/1.1\r\n{host}\r\n\r\n",
        f"GET {path}?error=access_denied&state= HTTP/1.1\r\n{host}\r\n\r\n",
        f"GET {path}?code=theirs&state={login.state} HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        f"GET {path}?code=theirs&state={login.state} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n",
        f"GET {path}?code=theirs&state={login.state} HTTP/1.1\r\n\r\n",
        f"GET {path}?code=theirs&state={login.state}&state=x HTTP/1.1\r\n{host}\r\n\r\n",
        f"GET {path}?code=a&code=b&state={login.state} HTTP/1.1\r\n{host}\r\n\r\n",
        f"GET {path}?code=a&error=b&state={login.state} HTTP/1.1\r\n{host}\r\n\r\n",
        f"POST {path}?code=theirs&state={login.state} HTTP/1.1\r\n{host}\r\nContent-Length: 0\r\n\r\n",
        f"GET {path}/?code=theirs&state={login.state} HTTP/1.1\r\n{host}\r\n\r\n",
        f"GET /?code=theirs&state={login.state} HTTP/1.1\r\n{host}\r\n\r\n",
        f"GET http://127.0.0.1:{port}{path}?code=theirs&state={login.state} HTTP/1.1\r\n{host}\r\n\r\n",
        f"GET {path}?code=theirs&state={login.state} HTTP/2\r\n{host}\r\n\r\n",
        f"get {path}?code=theirs&state={login.state} HTTP/1.1\r\n{host}\r\n\r\n",
        f"GET {path}?code=%00&state=%ff HTTP/1.1\r\n{host}\r\n\r\n",
        f"GET /favicon.ico HTTP/1.1\r\n{host}\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        "\r\n\r\n",
        f"GET {path}?{'a=b&' * 5000} HTTP/1.1\r\n{host}\r\n\r\n",
    ]
    return [known[number % len(known)].encode("latin-1") for number in range(1000)]


def test_b2_b3_fifty_idle_and_a_thousand_bad_requests_end_no_login(sandbox, login):
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(socket.create_connection(("127.0.0.1", login.port), timeout=SECONDS))
        drip = stack.enter_context(socket.create_connection(("127.0.0.1", login.port), timeout=SECONDS))
        answers = set()
        for number, request in enumerate(bad_requests(login)):
            answers.add(login.visit(request))
            if number % 100 == 0:
                drip.sendall(b"G")
        assert all(re.match(rb"HTTP/1.1 4\d\d ", answer) for answer in answers), answers
        assert person.approve(login.url) == 200
    status, said = login.end()
    assert status == 0, said
    assert "signed in" in said
    assert "theirs" not in said
    [redeemed] = sandbox.simulator.calls("CreateToken", grantType="authorization_code")
    assert redeemed.parameters["code"] != "theirs"


def own_addresses():
    """Give the addresses of this machine that are no loopback; on Linux 127.0.0.2 is one more that must not answer."""
    found = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False).stdout.split()
    return ["127.0.0.2", *(address for address in found if not address.startswith("127."))]


REACH = """
import socket, sys
port, request, *addresses = sys.argv[1:]
for address in addresses:
    try:
        with socket.create_connection((address, int(port)), timeout=10) as connection:
            print("reached", address)
            connection.sendall(request.encode())
            connection.recv(100)
    except OSError as error:
        print(type(error).__name__, address)
"""


def attempt(login, addresses, prefix=(), *, port=0):
    """Try to end the login at these addresses, knowing its state; gives what became of each."""
    target = f"{login.path}?error=access_denied&state={login.state}"
    request = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{login.port}\r\n\r\n"
    done = subprocess.run(
        [*prefix, sys.executable, "-I", "-c", REACH, str(port or login.port), request, *addresses],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    return done.stdout.splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address of its own on Linux only")
def test_b1_no_other_address_of_this_machine_reaches_the_login(login):
    addresses = own_addresses()
    assert attempt(login, addresses) == [f"ConnectionRefusedError {address}" for address in addresses]
    assert person.approve(login.url) == 200
    assert login.end()[0] == 0


def hangs_up_on(listener):
    listener.accept()[0].close()


@contextlib.contextmanager
def another_network():
    """A network beside this machine's, with a cable between: gives its command prefix and this end's address."""
    name, here = f"hb{os.getpid()}", f"10.213.{os.getpid() % 200}.1"
    there = here[:-1] + "2"
    commands = [
        f"ip netns add {name}",
        f"ip link add {name}a type veth peer name {name}b netns {name}",
        f"ip addr add {here}/30 dev {name}a",
        f"ip link set {name}a up",
        f"ip -n {name} addr add {there}/30 dev {name}b",
        f"ip -n {name} link set {name}b up",
        f"ip -n {name} link set lo up",
    ]
    try:
        for command in commands:
            done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"no network of its own may be made here: {done.stderr.strip()}")
        yield ["ip", "netns", "exec", name], here
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", f"{name}a"], capture_output=True, check=False)


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="needs root, for a network of its own")
@pytest.mark.skipif(shutil.which("ip") is None, reason="iproute2 is not installed")
def test_b1_nobody_of_another_network_reaches_or_ends_the_login(login):
    with another_network() as (prefix, here):
        with socket.create_server(("0.0.0.0", 0)) as open_to_all:
            threading.Thread(target=hangs_up_on, args=(open_to_all,), daemon=True).start()
            assert attempt(login, [here], prefix, port=open_to_all.getsockname()[1])[0] == f"reached {here}"
        outcomes = attempt(login, [here, "127.0.0.1", "127.0.0.2"], prefix)
    assert outcomes == [f"ConnectionRefusedError {each}" for each in (here, "127.0.0.1", "127.0.0.2")]
    assert person.approve(login.url) == 200
    assert login.end()[0] == 0


def test_b4_the_port_is_closed_when_the_login_is_over(login):
    assert person.approve(login.url) == 200
    assert login.end()[0] == 0
    with pytest.raises(ConnectionRefusedError):
        login.visit(b"GET / HTTP/1.1\r\n\r\n")


def test_b5_the_verifier_is_sent_once_and_is_in_no_url(sandbox, login):
    assert person.approve(login.url) == 200
    status, said = login.end()
    assert status == 0
    [redeemed] = sandbox.simulator.calls("CreateToken", grantType="authorization_code")
    verifier = redeemed.parameters["codeVerifier"]
    assert re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", verifier)
    assert (
        urlsplit(parse_qs(urlsplit(login.url).query)["redirect_uri"][0]).geturl() == redeemed.parameters["redirectUri"]
    )
    everything = json.dumps([call.target for call in sandbox.simulator.log]) + said + login.url
    assert verifier not in everything
    assert not [path for path in sandbox.home.rglob("*") if path.is_file() and verifier.encode() in path.read_bytes()]

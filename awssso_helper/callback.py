"""The loopback callback of a PKCE login: a web server on 127.0.0.1 that waits for exactly one request.

`HandoffServer` is the same the other way round: it sends one browser on to where a secret URL leads.

It listens from the moment it is made, answers everything but the browser's return with the right `state` with 4xx, and
goes on waiting: an idle, slow or hostile visitor delays nobody (PROTOCOL 1.4, SECURITY B1-B4).
"""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import hmac
import os
import secrets
import selectors
import socket
import sys
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from awssso_helper.errors import AwsssoError, UsageError
from awssso_helper.model import Deadline, Secret

if TYPE_CHECKING:
    from types import TracebackType

HOST = "127.0.0.1"
PATH = "/oauth/callback"

# A visitor has this long for its whole request, and one that sends more than this is no browser: cookies of other
# programs on 127.0.0.1 come along, so it is more than a callback alone needs.
VISIT_SECONDS = 10.0
MAX_REQUEST = 64 * 1024
MAX_VISITS = 100

_ACCEPTS_PER_ROUND = 16
# How long a Ctrl-C may go unseen on Windows, where `select` does not notice it, and a late visitor stay.
_ROUND_SECONDS = 0.5
_HTTP_PORT = 80
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Answer:
    """What the browser brought back with the right state: a `code`, or the service's `error` (never both).

    `error` and `description` are the service's own words, not yet safe to print.
    """

    code: Secret | None = None
    error: str = ""
    description: str = ""


@dataclass(slots=True)
class _Visit:
    """One connection, until its request is complete or its time is up."""

    connection: socket.socket
    address: tuple[str, int]
    deadline: Deadline = field(default_factory=lambda: Deadline(VISIT_SECONDS))
    received: bytearray = field(default_factory=bytearray)


class CallbackServer:
    """The server; a context manager that closes the port, with Ctrl-C too.

    Raises:
        UsageError: `port` is no port number.
        AwsssoError: `port` is taken or not allowed.
    """

    _way = PATH

    def __init__(self, state: Secret, *, port: int = 0) -> None:
        """Listen on `port` of 127.0.0.1, any free one for 0; only a request with `state` will be an answer."""
        self._state = state
        self._listener = _listener(port)
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._visits: dict[socket.socket, _Visit] = {}

    @property
    def redirect_uri(self) -> str:
        """Where the browser shall come back to; the one form that AWS is known to take (PROTOCOL 1.4)."""
        return f"http://{HOST}:{self.port}{PATH}"

    def __enter__(self) -> CallbackServer:  # noqa: PYI034 - typing.Self came with Python 3.11
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the port and every connection."""
        for visit in list(self._visits.values()):
            self._end(visit)
        self._selector.close()
        self._listener.close()

    def wait(self, deadline: Deadline) -> Answer | None:
        """Wait for the browser's return; None when the deadline passes first. The port closes with an answer."""
        while not deadline.passed():
            for key, _ in self._selector.select(min(_ROUND_SECONDS, deadline.remaining())):
                answer = self._attended(key.data)
                if answer:
                    self.close()
                    return answer
            self._dismiss_the_late()
        return None

    def _attended(self, visit: _Visit | None) -> Answer | None:
        if visit is None:
            self._accept()
            return None
        # An earlier one of the same round may have made room for a newcomer by ending this one.
        return self._heard(visit) if visit.connection in self._visits else None

    def _accept(self) -> None:
        for _ in range(_ACCEPTS_PER_ROUND):
            try:
                connection, address = self._listener.accept()
            except OSError:  # nobody more, gone again, or no descriptor left: the next round tries again
                return
            connection.setblocking(False)
            if len(self._visits) >= MAX_VISITS:
                self._end(next(iter(self._visits.values())))
            visit = self._visits[connection] = _Visit(connection, address)
            self._selector.register(connection, selectors.EVENT_READ, visit)

    def _heard(self, visit: _Visit) -> Answer | None:
        """Read what is there; give the answer when it is the one, and answer anything else that is complete."""
        try:
            piece = visit.connection.recv(MAX_REQUEST)
        except BlockingIOError:
            return None
        except OSError:
            piece = b""
        if not piece:
            self._end(visit)
            return None
        visit.received += piece
        head, complete, _ = visit.received.partition(b"\r\n\r\n")
        if len(head) > MAX_REQUEST:
            self._reply(visit, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return None
        return self._answered(visit, bytes(head)) if complete else None

    def _answered(self, visit: _Visit, head: bytes) -> Answer | None:
        verdict = _verdict(head, self._hosts(), self._state, self._way)
        if not isinstance(verdict, Answer):
            self._reply(visit, verdict)
            return None
        if _is_of_another_user(visit.address, self.port):
            self._reply(visit, HTTPStatus.FORBIDDEN, _NOT_YOU)
            return None
        self._welcome(visit, verdict)
        return verdict

    def _welcome(self, visit: _Visit, answer: Answer) -> None:
        self._reply(visit, HTTPStatus.OK, _DONE if answer.code else _NOT_DONE)

    def _hosts(self) -> tuple[str, ...]:
        named = f"{HOST}:{self.port}"
        return (named, HOST) if self.port == _HTTP_PORT else (named,)

    def _reply(self, visit: _Visit, status: HTTPStatus, sentences: tuple[str, str] | None = None) -> None:
        self._send(visit, _response(status, *(sentences or (status.phrase, _NOT_THIS))))

    def _send(self, visit: _Visit, response: bytes) -> None:
        # The reply is smaller than any send buffer, so that one `send` takes it whole.
        with contextlib.suppress(OSError):
            visit.connection.send(response)
            visit.connection.shutdown(socket.SHUT_WR)
        self._end(visit)

    def _dismiss_the_late(self) -> None:
        for visit in list(self._visits.values()):
            if visit.deadline.passed():
                self._reply(visit, HTTPStatus.REQUEST_TIMEOUT)

    def _end(self, visit: _Visit) -> None:
        del self._visits[visit.connection]
        self._selector.unregister(visit.connection)
        visit.connection.close()


class HandoffServer(CallbackServer):
    """A server that sends one browser of ours on to a URL which must not stand in a command line (SECURITY G2).

    The browser is started on `url`, which every user of the machine can read; what it leads to, only the first browser
    of ours is told, once.
    """

    _way = "/handoff"

    def __init__(self, target: Secret) -> None:
        """Listen on any free port of 127.0.0.1, for whoever is to be sent to `target`."""
        self._nonce = secrets.token_urlsafe(32)
        self._target = target
        super().__init__(Secret(self._nonce))

    @property
    def url(self) -> str:
        """What the browser is started on; `code` stands for nothing here."""
        return f"http://{HOST}:{self.port}{self._way}?code=go&state={self._nonce}"

    def _welcome(self, visit: _Visit, answer: Answer) -> None:
        if answer.code is None:
            self._reply(visit, HTTPStatus.BAD_REQUEST)
            return
        self._send(visit, _redirect(self._target.reveal()))


def _listener(port: int) -> socket.socket:
    if not 0 <= port <= _MAX_PORT:
        raise UsageError(f"{port} is not a port", hint="use --port with a number from 1024 to 65535")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:  # connections of an earlier login that linger do not keep a fixed port; another listener still does
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(128)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise _port_error(port, error) from error
    return listener


def _port_error(port: int, error: OSError) -> AwsssoError:
    if error.errno == errno.EADDRINUSE:
        return AwsssoError(
            f"port {port} is in use by another program",
            hint="choose another port, or leave --port out to get a free one",
        )
    if error.errno == errno.EACCES:
        return AwsssoError(f"port {port} is reserved", hint="use --port with a number from 1024 to 65535")
    return AwsssoError(
        f"cannot listen on {HOST}, port {port}: {error.strerror}",
        hint="awssso login --use-device-code needs no port",
    )


def _verdict(head: bytes, hosts: tuple[str, ...], state: Secret, way: str) -> Answer | HTTPStatus:
    """Judge a request by its head: the answer that we wait for, or the status to send it away with."""
    line, *headers = head.decode("latin-1").split("\r\n")
    method, _, rest = line.partition(" ")
    target, _, version = rest.partition(" ")
    if version not in ("HTTP/1.1", "HTTP/1.0") or not target.startswith("/"):
        return HTTPStatus.BAD_REQUEST
    named = [value.strip() for name, _, value in (each.partition(":") for each in headers) if name.lower() == "host"]
    if len(named) != 1 or named[0] not in hosts:  # a page that rebinds its own name to 127.0.0.1 names itself here
        return HTTPStatus.FORBIDDEN
    path, _, query = target.partition("?")
    if path != way:
        return HTTPStatus.NOT_FOUND
    if method != "GET":
        return HTTPStatus.METHOD_NOT_ALLOWED
    return _answer(query, state) or HTTPStatus.BAD_REQUEST


def _answer(query: str, state: Secret) -> Answer | None:
    """Read the query of a callback; None unless it has our state once, and once either a code or an error."""
    try:
        fields = parse_qs(query, keep_blank_values=True, max_num_fields=32)
    except ValueError:
        return None
    states, codes, errors = (fields.get(name, []) for name in ("state", "code", "error"))
    # `error` counts for nothing without the state: else any page in the browser could end the login.
    if len(states) != 1 or not hmac.compare_digest(states[0].encode(), state.reveal().encode()):
        return None
    if len(codes) + len(errors) != 1 or not (codes + errors)[0]:
        return None
    if codes:
        return Answer(code=Secret(codes[0]))
    return Answer(error=errors[0], description=fields.get("error_description", [""])[0])


def _is_of_another_user(address: tuple[str, int], port: int) -> bool:
    """Say whether the kernel knows this visitor as another user's (Linux; elsewhere nobody can tell, so False).

    The state stands in the browser's command line, which every user of the machine can read (SECURITY 0.13), so it
    alone does not keep another user from ending the login or slipping in a code.
    """
    if sys.platform != "linux":
        return False
    sockets = _sockets_of_linux()
    if _end_point(HOST, port) not in {local for local, _, _ in sockets}:
        return False  # a kernel that does not list our own listener tells nothing
    ours = (_end_point(*address), _end_point(HOST, port))
    owners = {owner for local, remote, owner in sockets if (local, remote) == ours}
    # Root may be a port forwarder of a container, and needs no trick of this kind.
    return not owners & {os.getuid(), 0}


def _sockets_of_linux() -> list[tuple[str, str, int]]:
    """List local end, remote end and owner of every TCP socket whose process still holds it."""
    sockets = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for row in Path(table).read_text(encoding="utf-8").splitlines()[1:]:
                columns = row.split()
                # A socket without inode was closed by its process; its owner then reads as root.
                if columns[9] != "0":
                    sockets.append((columns[1][-13:], columns[2][-13:], int(columns[7])))
    return sockets


def _end_point(host: str, port: int) -> str:
    """Write an address as /proc/net/tcp does; in tcp6 an IPv4 address has this same end."""
    return f"{int.from_bytes(socket.inet_aton(host), sys.byteorder):08X}:{port:04X}"


# The page. It is static: nothing of a request is ever in it.

_DONE = ("You can close this tab", "awssso goes on in the terminal.")
_NOT_DONE = ("The sign-in was not completed", "awssso says more in the terminal. You can close this tab.")
_NOT_YOU = (
    "This browser belongs to another user",
    "It does not run as the user who runs awssso. From here, sign in with awssso login --use-device-code.",
)
_NOT_THIS = "This is not the page that awssso waits for."

_STYLE = (
    "body{font:17px/1.5 system-ui,sans-serif;color:#223;background:#f6f7f9;display:grid;place-content:center;"
    "min-height:90vh;margin:0;text-align:center}h1{font-size:1.5rem;font-weight:600;margin:0 0 .4rem}p{margin:0}"
    "@media(prefers-color-scheme:dark){body{color:#dde;background:#16181d}}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>awssso</title>
<style>{style}</style>
<main><h1>{title}</h1><p>{sentence}</p></main>
</html>
"""
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Allow": "GET",
    "Connection": "close",
}


def _redirect(target: str) -> bytes:
    lines = ["HTTP/1.1 302 Found", *(f"{name}: {value}" for name, value in _HEADERS.items() if name != "Content-Type")]
    return "\r\n".join([*lines, f"Location: {target}", "Content-Length: 0", "", ""]).encode("ascii")


def _response(status: HTTPStatus, title: str, sentence: str) -> bytes:
    body = _PAGE.format(style=_STYLE, title=title, sentence=sentence).encode()
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in _HEADERS.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body

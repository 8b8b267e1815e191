"""One HTTP exchange, bounded: a total deadline, a body limit, no redirect, no proxy for loopback.

http.client speaks the protocol. What it lacks, and a token's life needs, is here: a pool of connections, proxies, and a
deadline that counts for the whole exchange, since a timeout counts each `recv`, so that a server that drips one byte a
second would hold us for ever (SECURITY C2).
"""

from __future__ import annotations

import http.client
import io
import select
import socket
import ssl
import sys
import time
import weakref
from base64 import b64encode
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from awssso_helper import __version__, name_lookup
from awssso_helper.endpoints import host_of, split_url
from awssso_helper.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from urllib.parse import SplitResult

    from typing_extensions import Buffer

    from awssso_helper.environment import Environment
    from awssso_helper.model import Deadline

_DIAGNOSIS_HINT = "check the network, the proxy variables and the region of the SSO session"
_LATE = "did not answer in time"
_PIECE = 32 << 10  # bytes
_INSTANT = 0.001  # seconds; a timeout of 0 would mean "do not block"
# A laptop that slept, or a router that forgets, leaves a connection dead without a word: whoever asks by it waits until
# the deadline for nothing.
_IDLE_SECONDS = 30
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. Header names are lower case; `sent_at` is the epoch second at which the request was sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent_at: float


class Transport:
    """A pool of connections for one process; safe for threads."""

    def __init__(
        self, environment: Environment, *, connections: int = 1, trace: Callable[[str], None] | None = None
    ) -> None:
        """Keep up to `connections` idle connections to each host; `trace` hears one line of each exchange."""
        self._environment = environment
        self._trace = trace or (lambda _line: None)
        self._connections = connections
        # By scheme, host and port: the system is asked for the way there, and for the proxy, once for each.
        self._ways: dict[str, _Way] = {}
        weakref.finalize(self, _close_all, self._ways)
        self._context: ssl.SSLContext | None = None

    def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        deadline: Deadline,
        limit: int,
        reply_deadline: Deadline | None = None,
    ) -> Reply:
        """Send one request and read the whole reply, of at most `limit` bytes, before the deadline.

        With a `reply_deadline` that one counts once the request was sent.

        Raises:
            NetworkError: no whole reply came in time. Its text has the host, never a header or the body.
        """
        sent_at = time.time()
        host = host_of(url)
        if deadline.passed():
            raise NetworkError(f"{host} {_LATE}", hint=_DIAGNOSIS_HINT)
        shown = f"{method} {url.partition('?')[0]}"
        try:
            way = self._way(url)
            connection = way.connection(deadline)
            try:
                with closing(connection.asked(method, url, headers, body, reply_deadline or deadline)) as response:
                    reply = Reply(response.status, _headers(response), _body(response, limit, host), sent_at)
            except BaseException:
                connection.close()
                raise
            way.take_back(connection, response)
        except (http.client.HTTPException, OSError, ValueError) as error:
            self._trace(f"{shown} failed: {type(error).__name__}")
            raise _in_our_words(error, host) from error
        self._trace(f"{shown} {reply.status}")
        return reply

    def _way(self, url: str) -> _Way:
        origin = "/".join(url.split("/", 3)[:3])
        if origin not in self._ways:
            self._ways[origin] = self._new_way(url)
        return self._ways[origin]

    def _new_way(self, url: str) -> _Way:
        target, named = split_url(url), self._environment.proxy_for(url)
        if target is None or target.scheme not in _PORTS:
            raise http.client.InvalidURL("not an address of http or https")
        proxy = _proxy(named) if named else None
        is_tls = target.scheme == "https"
        context = self._tls_context() if is_tls or (proxy and proxy.scheme == "https") else None
        return _Way(target, proxy, context, most_idle=self._connections)

    def _tls_context(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = _tls_context(self._environment.ca_bundle)
        return self._context


def _proxy(named: str) -> SplitResult:
    proxy = split_url(named)
    if proxy is None or proxy.scheme not in _PORTS:
        raise _UnknownProxyError(named)
    return proxy


class _UnknownProxyError(OSError):
    """The variable names a proxy of a kind that we cannot use, or none at all."""


class _ProxyError(OSError):
    """The proxy cannot be reached, or does not let us through."""


class _NoConnectionError(OSError):
    """No address of the host takes a connection."""


class _Way:
    """How one server is reached, and the idle connections to it."""

    def __init__(
        self, target: SplitResult, proxy: SplitResult | None, context: ssl.SSLContext | None, *, most_idle: int
    ) -> None:
        self.target, self.proxy, self.context = target, proxy, context
        self.is_tls = target.scheme == "https"
        self.login = _login(proxy) if proxy else {}
        self.headers = {
            "Host": _host_header(target),
            "User-Agent": f"awssso/{__version__}",
            "Accept-Encoding": "identity",
            **({} if self.is_tls else self.login),  # in a tunnel, it would reach the server
        }
        self._most_idle = most_idle
        # A list's pop and append are atomic, so that threads need no lock.
        self._idle: list[_Connection] = []

    def request_target(self, url: str) -> str:
        """Give what the request line has of a URL: all of it for a proxy that relays (RFC 9112, 3.2)."""
        return url if self.proxy and not self.is_tls else "/" + url.partition("://")[2].partition("/")[2]

    def connection(self, deadline: Deadline) -> _Connection:
        """Give a connection that is open, for an exchange that ends at the deadline."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.has_ended():
                connection.deadline = deadline
                return connection
            connection.close()
        connection = _Connection(self, deadline)
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection

    def take_back(self, connection: _Connection, response: http.client.HTTPResponse) -> None:
        """Keep a connection, whose response was read to its end, where the server and our bound allow it."""
        if response.will_close or len(self._idle) >= self._most_idle:
            connection.close()
        else:
            connection.idle_since = time.time()
            self._idle.append(connection)

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()


def _close_all(ways: dict[str, _Way]) -> None:
    for way in ways.values():
        way.close()


class _Connection(http.client.HTTPConnection):
    """A connection whose every step ends at the deadline of the exchange that it serves."""

    debuglevel = 0  # whoever raises it for all of http.client's connections does not get our headers printed

    def __init__(self, way: _Way, deadline: Deadline) -> None:
        next_hop = way.proxy or way.target
        super().__init__(next_hop.hostname or "", next_hop.port or _PORTS[next_hop.scheme])
        self.deadline = deadline
        self.idle_since = 0.0  # epoch seconds; the monotonic clock stands still while Linux sleeps
        self._way = way

    def connect(self) -> None:
        """Connect to the server, or to the proxy and through it; TLS where the URLs say so."""
        if self._way.proxy is None:
            self.sock = self._connected()
        else:
            self._connect_through(self._way.proxy)
        if self._way.is_tls:
            self.sock = self._secured(self._way.target.hostname or "")

    def _connect_through(self, proxy: SplitResult) -> None:
        try:
            self.sock = self._connected()
            if proxy.scheme == "https":
                self.sock = self._secured(self.host)
        except OSError as error:
            raise _ProxyError(str(error)) from error
        if self._way.is_tls:
            self._open_tunnel()

    def _connected(self) -> socket.socket:
        """Connect to the first address that answers; each gets its share of the time, so that none can use up all."""
        addresses = name_lookup.addresses(self.host, self.port, self.deadline)
        failure: OSError = TimeoutError("no time was left to connect")
        for tried, (family, kind, protocol, _, address) in enumerate(addresses):
            if self.deadline.passed():
                break
            opened = socket.socket(family, kind, protocol)
            try:
                opened.settimeout(self.time_left() / (len(addresses) - tried))
                opened.connect(address)
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                opened.close()
                failure = error
                continue
            return opened
        raise failure if isinstance(failure, TimeoutError) else _NoConnectionError(str(failure)) from failure

    def _secured(self, host: str) -> Any:
        """Give TLS with `host` over what is connected; the socket's timeout counts for the whole handshake."""
        context = self._way.context
        assert context is not None
        self.sock.settimeout(self.time_left())
        if not isinstance(self.sock, ssl.SSLSocket):
            return context.wrap_socket(self.sock, server_hostname=host)
        from urllib3.util.ssltransport import SSLTransport  # noqa: PLC0415 - for TLS within TLS alone

        return SSLTransport(self.sock, context, server_hostname=host)

    def _open_tunnel(self) -> None:
        """Have the proxy connect to the server (RFC 9110, 9.3.6)."""
        target = self._way.target
        whole = f"{_bracketed(target)}:{target.port or _PORTS[target.scheme]}"
        lines = [f"CONNECT {whole} HTTP/1.1", f"Host: {whole}"]
        lines += [f"{name}: {value}" for name, value in self._way.login.items()]
        self.sock.settimeout(self.time_left())
        self.sock.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
        with closing(_BoundedResponse(self.sock, self, method="CONNECT")) as answer:
            answer.begin()
        if answer.status // 100 != HTTPStatus.OK // 100:
            raise _ProxyError(f"the proxy answered {answer.status}")

    def asked(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, reply_deadline: Deadline
    ) -> http.client.HTTPResponse:
        """Send a request and read the head of the reply."""
        self.sock.settimeout(self.time_left())
        self.request(method, self._way.request_target(url), body, {**self._way.headers, **headers})
        self.deadline = reply_deadline
        return self.getresponse()

    def response_class(  # type: ignore[override]  # http.client has a class there, and calls it as this is called
        self, connected: socket.socket, *_: Any, method: str | None = None
    ) -> _BoundedResponse:
        """Make the response of this exchange; http.client asks for it when a request was sent."""
        return _BoundedResponse(connected, self, method=method)

    def time_left(self) -> float:
        """Seconds for the next step, never none."""
        return max(self.deadline.remaining(), _INSTANT)

    def has_ended(self) -> bool:
        """Say whether this idle connection is old, was closed by the server, or has what nobody has asked for."""
        is_old = not 0 <= time.time() - self.idle_since <= _IDLE_SECONDS
        return is_old or self.sock is None or _is_readable(self.sock)


class _BoundedFile(io.RawIOBase):
    """The socket as a file whose reads, all together, end at one deadline."""

    def __init__(self, connected: socket.socket, connection: _Connection) -> None:
        self._socket, self._connection = connected, connection
        # makefile, not the socket alone: it keeps the connection open while the reply is read.
        self._file = connected.makefile("rb", buffering=0)
        self.is_at_end = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int | None:
        if self._connection.deadline.passed():
            raise TimeoutError("the reply took too long")
        self._socket.settimeout(self._connection.time_left())
        count = self._file.readinto(buffer)
        self.is_at_end = count == 0
        return count

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class _BoundedResponse(http.client.HTTPResponse):
    def __init__(self, connected: socket.socket, connection: _Connection, *, method: str | None) -> None:
        super().__init__(connected, method=method)
        self.fp.close()
        self._wire = _BoundedFile(connected, connection)
        self.fp = io.BufferedReader(self._wire)

    def begin(self) -> None:
        """Read the head; http.client takes one that the connection's end cuts off for a whole one."""
        super().begin()
        if self._wire.is_at_end:
            raise http.client.RemoteDisconnected("the head of the reply was cut off")
        lengths = set(self.headers.get_all("Content-Length", ()))
        if len(lengths) > 1 or not all(each.strip().isdecimal() for each in lengths):
            raise http.client.HTTPException("the reply has no one length")  # RFC 9112, 6.3


def _headers(response: http.client.HTTPResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


def _body(response: http.client.HTTPResponse, limit: int, host: str) -> bytes:
    """Read to the end, and not only until there is something: that a reply is cut short shows at its end alone."""
    body = b""
    while len(body) <= limit:
        # In pieces, since http.client holds an object for each chunk of one read, and a chunk may be one byte.
        more = response.read(min(_PIECE, limit + 1 - len(body)))
        if not more:
            break
        body += more
    if len(body) > limit or response.headers.get("Content-Encoding", "identity") != "identity":
        raise NetworkError(f"{host} sent a reply that is too large or packed", hint=_DIAGNOSIS_HINT)
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return body


def _is_readable(connected: socket.socket) -> bool:
    if sys.platform == "win32":
        return bool(select.select([connected], [], [], 0)[0])
    poll = select.poll()  # select has no room for a descriptor above 1023
    poll.register(connected, select.POLLIN)
    return bool(poll.poll(0))


def _bracketed(url: SplitResult) -> str:
    host = url.hostname or ""
    return f"[{host}]" if ":" in host else host


def _host_header(url: SplitResult) -> str:
    has_default_port = url.port in (None, _PORTS[url.scheme])
    return _bracketed(url) if has_default_port else f"{_bracketed(url)}:{url.port}"


def _login(proxy: SplitResult) -> dict[str, str]:
    """Give the header that tells a proxy the name and password in its URL; they are never in a URL that is sent."""
    if proxy.username is None:
        return {}
    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(login.encode('utf-8')).decode('ascii')}"}


def _tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    # Not create_default_context: it follows SSLKEYLOGFILE and writes the keys of our tokens' connections to a file.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    try:
        if ca_bundle:
            context.load_verify_locations(ca_bundle)
        else:
            context.load_default_certs()
    except OSError as error:
        raise NetworkError(
            f"cannot read the certificate bundle {ca_bundle}",
            hint="correct AWS_CA_BUNDLE (or REQUESTS_CA_BUNDLE, SSL_CERT_FILE)",
        ) from error
    return context


# Asked in this order.
_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (_UnknownProxyError, "cannot be reached: the proxy variable names no http or https proxy"),
    (_ProxyError, "cannot be reached through the proxy"),
    (socket.gaierror, "is a name that cannot be resolved"),
    (_NoConnectionError, "cannot be connected to"),
    (TimeoutError, _LATE),
)


def _in_our_words(error: Exception, host: str) -> NetworkError:
    if isinstance(error, ssl.SSLError):
        return NetworkError(
            f"the TLS connection to {host} failed: {_reason(error)}",
            hint="behind a TLS-inspecting proxy, set AWS_CA_BUNDLE to its certificate file",
        )
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return NetworkError(f"{host} {words}", hint=_DIAGNOSIS_HINT)
    return NetworkError(f"{host} broke off in the middle of its reply", hint=_DIAGNOSIS_HINT)


def _reason(error: ssl.SSLError) -> str:
    """Give OpenSSL's own words, which hold no secret."""
    return getattr(error, "verify_message", "") or getattr(error, "reason", "") or "it was not accepted"

"""One HTTP exchange, bounded: a total deadline, a body limit, no redirect, no proxy for loopback.

urllib3 is the transport (pooling, TLS, proxies). What it lacks, and a token's life needs, is here: its timeouts
count each `recv`, so a server that drips one byte a second would hold us for ever (SECURITY C2).
"""

from __future__ import annotations

import http.client
import io
import logging
import socket
import ssl
import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import urllib3
import urllib3.connection
import urllib3.exceptions as failures

from awssso_helper import __version__
from awssso_helper.endpoints import host_of, split_url
from awssso_helper.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Buffer

    from awssso_helper.environment import Environment
    from awssso_helper.model import Deadline

# urllib3 quotes what it could not parse of a reply, and our URLs, with a traceback. Whatever handlers this process has,
# what there is to say is said here, in our own words (SECURITY G4).
logging.getLogger("urllib3").setLevel(logging.CRITICAL + 1)
_DIAGNOSIS_HINT = "check the network, the proxy variables and the region of the SSO session"
_LATE = "did not answer in time"
_PIECE = 32 << 10  # bytes
_INSTANT = 0.001  # seconds; a timeout of 0 would mean "do not block"
# Asked in this order: NameResolutionError is a NewConnectionError, which is a TimeoutError in urllib3.
_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (failures.ProxySchemeUnknown, "cannot be reached: the proxy variable names no http or https proxy"),
    (failures.NameResolutionError, "is a name that cannot be resolved"),
    (failures.NewConnectionError, "cannot be connected to"),
    (failures.ProxyError, "cannot be reached through the proxy"),
    (failures.TimeoutError, _LATE),
    (TimeoutError, _LATE),
)


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
        self._managers: dict[tuple[bool, str | None], urllib3.PoolManager] = {}
        # By scheme and host: which proxy, if any, is asked of the system once for each.
        self._ways: dict[str, urllib3.PoolManager] = {}

    def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        deadline: Deadline,
        limit: int,
    ) -> Reply:
        """Send one request and read the whole reply, of at most `limit` bytes, before the deadline.

        Raises:
            NetworkError: no whole reply came in time. Its text has the host, never a header or the body.
        """
        host = host_of(url)
        sent_at = time.time()
        if deadline.passed():
            raise NetworkError(f"{host} {_LATE}", hint=_DIAGNOSIS_HINT)
        running = _deadline.set(deadline)
        try:
            response = self._manager(url).request(
                method,
                url,
                body=body,
                headers={"User-Agent": f"awssso/{__version__}", "Accept-Encoding": "identity", **headers},
                timeout=urllib3.Timeout(total=max(deadline.remaining(), _INSTANT)),
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            reply = _whole_reply(response, limit, sent_at, host)
        except (failures.HTTPError, OSError, ValueError) as error:
            self._trace(f"{method} {url.partition('?')[0]} failed: {type(error).__name__}")
            raise _in_our_words(error, host) from error
        finally:
            _deadline.reset(running)
        self._trace(f"{method} {url.partition('?')[0]} {reply.status}")
        return reply

    def _manager(self, url: str) -> urllib3.PoolManager:
        origin = "/".join(url.split("/", 3)[:3])
        if origin not in self._ways:
            self._ways[origin] = self._new_way(url)
        return self._ways[origin]

    def _new_way(self, url: str) -> urllib3.PoolManager:
        is_tls, proxy = url.lower().startswith("https:"), self._environment.proxy_for(url)
        if (is_tls, proxy) not in self._managers:
            options: dict[str, Any] = {"maxsize": self._connections, "num_pools": 8}
            if is_tls:
                options["ssl_context"] = _tls_context(self._environment.ca_bundle)
            manager = _proxied(proxy, options) if proxy else urllib3.PoolManager(**options)
            self._managers[is_tls, proxy] = _bounded(manager)
        return self._managers[is_tls, proxy]


def _proxied(proxy: str, options: dict[str, Any]) -> urllib3.ProxyManager:
    # urllib3 reads host and port of the URL and no more: a name and password in it have to be sent by hand.
    parts = split_url(proxy)
    if parts and parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        options = {**options, "proxy_headers": urllib3.make_headers(proxy_basic_auth=login)}
    return urllib3.ProxyManager(proxy, **options)


def _whole_reply(response: urllib3.BaseHTTPResponse, limit: int, sent_at: float, host: str) -> Reply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    try:
        body = _body(response, limit + 1)
    except BaseException:
        response.close()
        raise
    if len(body) > limit or headers.get("content-encoding", "identity") != "identity":
        response.close()
        raise NetworkError(f"{host} sent a reply that is too large or packed", hint=_DIAGNOSIS_HINT)
    response.release_conn()
    return Reply(response.status, headers, body, sent_at)


def _body(response: urllib3.BaseHTTPResponse, longest: int) -> bytes:
    """Read to the end, and not only until there is something: that a reply is cut short shows at its end alone."""
    body = b""
    while len(body) < longest:
        # In pieces, since http.client holds an object for each chunk of one read, and a chunk may be one byte.
        more = response.read(min(_PIECE, longest - len(body)), decode_content=False)
        if not more:
            break
        body += more
    return body


def _tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    # Not create_default_context: it follows SSLKEYLOGFILE and writes the keys of our tokens' connections to a file.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
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


def _in_our_words(error: Exception, host: str) -> NetworkError:
    if isinstance(error, failures.SSLError | ssl.SSLError):
        return NetworkError(
            f"the TLS connection to {host} failed: {_reason(error)}",
            hint="behind a TLS-inspecting proxy, set AWS_CA_BUNDLE to its certificate file",
        )
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return NetworkError(f"{host} {words}", hint=_DIAGNOSIS_HINT)
    return NetworkError(f"{host} broke off in the middle of its reply", hint=_DIAGNOSIS_HINT)


def _reason(error: Exception) -> str:
    """Give OpenSSL's own words, which hold no secret; the wrapped exceptions only repeat them."""
    inner = error.args[0] if error.args and isinstance(error.args[0], ssl.SSLError) else error
    return getattr(inner, "verify_message", "") or getattr(inner, "reason", "") or "it was not accepted"


# A total deadline under urllib3. Its own timeout begins anew for each address of a host, for the proxy's answer, and
# for each recv; ours is one for all of them, and the thread that runs an exchange has it at hand here.
_deadline: ContextVar[Deadline] = ContextVar("deadline")


def _time_left() -> float:
    return max(_deadline.get().remaining(), _INSTANT)


class _BoundedFile(io.RawIOBase):
    """The socket as a file whose reads, all together, end at one deadline."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        # makefile, not the socket alone: it keeps the connection open while the reply is read.
        self._file = connection.makefile("rb", buffering=0)
        self.is_at_end = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int | None:
        if _deadline.get().passed():
            raise TimeoutError("the reply took too long")
        self._socket.settimeout(_time_left())
        count = self._file.readinto(buffer)
        self.is_at_end = count == 0
        return count

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class _BoundedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self._wire = _BoundedFile(sock)
        self.fp = io.BufferedReader(self._wire)

    def begin(self) -> None:
        """Read the head; http.client takes one that the connection's end cuts off for a whole one."""
        super().begin()
        if self._wire.is_at_end:
            raise http.client.RemoteDisconnected("the head of the reply was cut off")


def _connected(connection: urllib3.connection.HTTPConnection) -> socket.socket:
    """Connect to the first address that answers; each gets its share of the time, so that none can use up all."""
    try:
        addresses = socket.getaddrinfo(connection.host, connection.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise failures.NameResolutionError(connection.host, connection, error) from error
    failure: OSError = TimeoutError("no time was left to connect")
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        if _deadline.get().passed():
            break
        opened = socket.socket(family, kind, protocol)
        try:
            opened.settimeout(_time_left() / (len(addresses) - tried))
            opened.connect(address)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            opened.close()
            failure = error
            continue
        opened.settimeout(_time_left())
        return opened
    if isinstance(failure, TimeoutError):
        raise failures.ConnectTimeoutError(connection, str(failure)) from failure
    raise failures.NewConnectionError(connection, str(failure)) from failure


class _HTTPConnection(urllib3.connection.HTTPConnection):
    response_class = _BoundedResponse

    def _new_conn(self) -> socket.socket:
        return _connected(self)


class _HTTPSConnection(urllib3.connection.HTTPSConnection):
    response_class = _BoundedResponse

    def _new_conn(self) -> socket.socket:
        return _connected(self)

    def _tunnel(self) -> None:
        super()._tunnel()
        # What comes next, the TLS handshake, is bounded by the socket's own timeout.
        self.sock.settimeout(_time_left())


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


def _bounded(manager: urllib3.PoolManager) -> urllib3.PoolManager:
    manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
    return manager

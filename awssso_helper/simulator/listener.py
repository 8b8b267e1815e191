"""The HTTP face: listens on 127.0.0.1, reads requests, and delivers replies as well or as badly as ordered.

What the replies are is decided by the `Simulator` that it serves.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import socket
import socketserver
import struct
import sys
import threading
import uuid
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from awssso_helper.simulator.faults import Fault
from awssso_helper.simulator.services import Reply, Request

if TYPE_CHECKING:
    from awssso_helper.simulator import Simulator

_LARGEST_BODY = 1024 * 1024
_CHUNK = b" " * (1024 * 1024)
_FAREWELL = 5  # seconds that one connection may take to end
_IDLE = 300  # seconds that a kept-alive connection may wait for its next request


class Listener(ThreadingHTTPServer):
    """The listener, which knows its open connections so that it can hang up."""

    request_queue_size = 512
    # Elsewhere than on POSIX it would let a second server take the port.
    allow_reuse_address = os.name == "posix"

    def __init__(self, simulator: Simulator, port: int) -> None:
        self.simulator = simulator
        self._open: dict[socket.socket, threading.Thread] = {}
        self._ended = threading.Event()
        super().__init__(("127.0.0.1", port), _Connection)
        # A client that is gone before it was accepted must not have the listener wait for the next one.
        self.socket.setblocking(False)
        self.base_url = f"http://127.0.0.1:{self.server_address[1]}"

    def server_bind(self) -> None:
        """Bind, and no more."""
        # HTTPServer's own looks up the name of the host, which takes seconds where DNS is slow.
        socketserver.TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection on a thread of its own."""
        # The mixin's own threads are either joined for ever or not at all.
        arguments = (request, client_address)
        thread = threading.Thread(target=self.process_request_thread, args=arguments, daemon=True)
        self._open[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        """Close a connection that is done."""
        self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be silent about clients that went away, and loud about mistakes of ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond `hang_up`."""
        if seconds > 0:
            self._ended.wait(seconds)

    def hang_up(self) -> None:
        """Close the listener and every connection, and wait for the threads that serve them."""
        self.server_close()
        served = list(self._open.items())
        for connection, _ in served:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._ended.set()
        for _, thread in served:
            thread.join(_FAREWELL)


class _Connection(BaseHTTPRequestHandler):
    """One connection, kept alive between requests."""

    server: Listener
    protocol_version = "HTTP/1.1"
    timeout = _IDLE
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_HEAD = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = do_GET  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Say nothing: the log is for asserting, and stderr belongs to people."""

    def _serve(self) -> None:
        simulator = self.server.simulator
        length = self._body_length()
        if length is None:
            reply = simulator.refuse(self._request(b""), HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "no such bodies")
            self._deliver(reply, Fault())
            return
        request = self._request(self.rfile.read(length))
        if request.headers.get("host") not in self._own_hosts():
            # A page of another site whose name was made to point here (DNS rebinding) says its own name.
            reply = simulator.refuse(request, HTTPStatus.FORBIDDEN, "this host is not served here")
            self._deliver(reply, Fault())
            return
        self._deliver(*simulator.reply_to(request))

    def _body_length(self) -> int | None:
        length = self.headers.get("Content-Length", "0")
        if not re.fullmatch("[0-9]{1,9}", length) or "Transfer-Encoding" in self.headers:
            return None
        return int(length) if int(length) <= _LARGEST_BODY else None

    def _request(self, body: bytes) -> Request:
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, self.path, headers, body, self.server.base_url)

    def _own_hosts(self) -> tuple[str, str]:
        port = self.server.server_address[1]
        return f"127.0.0.1:{port}", f"localhost:{port}"

    def _deliver(self, reply: Reply, fault: Fault) -> None:
        self.server.pause(fault.delay)
        if fault.reset:
            self._reset()
            return
        head, body = self._wire_form(reply, fault)
        if fault.half_close:
            body = body[: len(body) // 2]
            self.close_connection = True
        if fault.drip:
            self._drip(head + body, fault.drip)
        else:
            self.wfile.write(head + body)
        if fault.huge and not fault.gzip:
            self._pour(fault.huge)

    def _wire_form(self, reply: Reply, fault: Fault) -> tuple[bytes, bytes]:
        body = _packed(reply.body, fault.huge) if fault.gzip else reply.body
        headers = {
            "Date": formatdate(self.server.simulator.now(), usegmt=True),
            "x-amzn-RequestId": str(uuid.uuid4()),
            "Content-Length": str(len(body) if fault.gzip else len(body) + fault.huge),
            **({"Content-Encoding": "gzip"} if fault.gzip else {}),
            **reply.headers,
        }
        self.close_connection = self.close_connection or headers.get("Connection") == "close"
        lines = [f"HTTP/1.1 {reply.status} {_reason(reply.status)}", *(f"{k}: {v}" for k, v in headers.items())]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return head, b"" if self.command == "HEAD" else body

    def _pour(self, size: int) -> None:
        for start in range(0, size, len(_CHUNK)):
            self.wfile.write(_CHUNK[: size - start])

    def _drip(self, wire: bytes, seconds: float) -> None:
        for position in range(len(wire)):
            self.wfile.write(wire[position : position + 1])
            self.server.pause(seconds)

    def _reset(self) -> None:
        # Linger with time 0: the kernel sends RST in place of FIN.
        linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
        self.close_connection = True


def _packed(body: bytes, blanks: int) -> bytes:
    # Gzip members may follow one another, so a bomb needs no more work than one of its members.
    whole, rest = divmod(blanks, len(_CHUNK))
    return gzip.compress(body) + gzip.compress(_CHUNK) * whole + gzip.compress(_CHUNK[:rest])


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"

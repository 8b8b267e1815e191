"""A local IAM Identity Center: an honest server for sso-oidc, the access portal and STS, over one organisation.

This is what tests and `awssso demo` hold in hand: its life, its clock, its log, and orders to misbehave.
`listener` is its HTTP face, `services` speaks the protocols, `organization` and `authorization` decide.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from awssso_helper.errors import UsageError
from awssso_helper.simulator.authorization import AuthorizationServer
from awssso_helper.simulator.faults import Fault, Throttle
from awssso_helper.simulator.listener import Listener
from awssso_helper.simulator.organization import Organization, Refusal, TrustingRole
from awssso_helper.simulator.services import PORTAL, Reply, Request, Services, refusal_reply

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["Call", "Fault", "Organization", "Simulator", "TrustingRole"]

_LONGEST_LOG = 100_000  # calls; a developer may leave it running for days


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it came, and the status of the reply. `parameters` are query and body together."""

    operation: str
    method: str
    target: str
    headers: Mapping[str, str]
    parameters: Mapping[str, Any]
    status: int
    at: float


class Simulator:
    """The server. `with Simulator() as simulator:` starts and stops it.

    `latency` is added to every reply (seconds); `clock_offset` is how far this server's clock is ahead of the
    machine's. Both may be changed at any time.
    """

    def __init__(self, organization: Organization | None = None, *, port: int = 0) -> None:
        self.organization = organization or Organization.sample()
        self.latency = 0.0
        self.clock_offset = 0.0
        self._services = Services(self.organization, AuthorizationServer(self.organization))
        self._port = port
        self._lock = threading.Lock()
        self._log: deque[Call] = deque(maxlen=_LONGEST_LOG)
        self._faults: dict[str, deque[tuple[Fault, float]]] = {}
        self._throttle: Throttle | None = None
        self._server: Listener | None = None
        self._thread: threading.Thread | None = None

    # Life

    def start(self) -> Self:
        """Listen. Clients may connect as soon as this returns. After `stop`: on the same port again.

        Raises:
            UsageError: the wanted port cannot be had.
        """
        try:
            self._server = Listener(self, self._port)
        except OSError as error:
            raise UsageError(
                f"cannot listen on port {self._port}: {error.strerror}", hint="leave --port out to get a free one"
            ) from error
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close the listener and every connection; replies that are being delayed are dropped."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The port that it listens on; 0 before the first `start` where any would do."""
        return self._port

    @property
    def url(self) -> str:
        """The base URL of all its services, without a final slash."""
        return f"http://127.0.0.1:{self.port}"

    def variables(self) -> dict[str, str]:
        """Give the variables that point the AWS CLI, the SDKs and awssso at it."""
        names = (
            "AWS_ENDPOINT_URL_SSO",
            "AWS_ENDPOINT_URL_SSO_OIDC",
            "AWS_ENDPOINT_URL_STS",
            "AWS_ENDPOINT_URL_SIGNIN",
        )
        return dict.fromkeys(names, self.url)

    # Time

    def now(self) -> float:
        """Give this server's time in epoch seconds."""
        return time.time() + self.clock_offset

    def advance(self, seconds: float) -> None:
        """Let time pass on this server alone."""
        self.clock_offset += seconds

    # The log

    @property
    def log(self) -> list[Call]:
        """Every call so far, in the order of the replies."""
        with self._lock:
            return list(self._log)

    def calls(self, operation: str, **parameters: Any) -> list[Call]:
        """Give the calls of an operation whose query or body has these members."""
        wanted = parameters.items()
        return [call for call in self.log if call.operation == operation and wanted <= call.parameters.items()]

    def count(self, operation: str, **parameters: Any) -> int:
        """Count them: `count("CreateToken", grantType="refresh_token")`."""
        return len(self.calls(operation, **parameters))

    def clear_log(self) -> None:
        """Forget the calls so far."""
        with self._lock:
            self._log.clear()

    # Bad service, to order

    def misbehave(self, operation: str, *, times: float = 1, **how: Any) -> None:
        """Let the next `times` replies of an operation go wrong as a `Fault` made of `how`; then all is well again.

        Orders for one operation are carried out one after the other; `math.inf` lasts until `behave`.
        """
        with self._lock:
            self._faults.setdefault(operation, deque()).append((Fault(**how), times))

    def behave(self) -> None:
        """Forget every order to misbehave, and the throttle."""
        with self._lock:
            self._faults.clear()
            self._throttle = None

    def throttle(self, rate: float, burst: int) -> None:
        """Let the portal answer 429 beyond `rate` calls a second, after `burst` at once (PAINS 2)."""
        with self._lock:
            self._throttle = Throttle(rate, burst)

    # Between the handler and the services

    def reply_to(self, request: Request) -> tuple[Reply, Fault]:
        """Answer a request, log it, and give the fault to deliver it with."""
        with self._lock:
            fault = self._next_fault(request.operation)
            admitted = request.operation not in PORTAL or self._throttle is None or self._throttle.admits()
        reply = self._reply(request, fault, admitted=admitted)
        self._remember(request, reply)
        return reply, replace(fault, delay=fault.delay + self.latency)

    def refuse(self, request: Request, status: int, reason: str) -> Reply:
        """Refuse a request that no service gets to see."""
        reply = Reply(status, f"{reason}\n".encode(), {"Content-Type": "text/plain", "Connection": "close"})
        self._remember(request, reply)
        return reply

    def _reply(self, request: Request, fault: Fault, *, admitted: bool) -> Reply:
        if fault.error:
            return refusal_reply(request.operation, Refusal(fault.error, "ordered by a test"))
        if fault.replaces:
            return _replacement(fault)
        if not admitted:
            return refusal_reply(request.operation, Refusal("TooManyRequestsException", "HTTP 429 Unknown Code"))
        return self._services.answer(request, self.now())

    def _next_fault(self, operation: str) -> Fault:
        orders = self._faults.get(operation)
        if not orders:
            return Fault()
        fault, times = orders[0]
        if times > 1:
            orders[0] = (fault, times - 1)
        else:
            orders.popleft()
        return fault

    def _remember(self, request: Request, reply: Reply) -> None:
        call = Call(
            operation=request.operation,
            method=request.method,
            target=request.target,
            headers=request.headers,
            parameters={**request.query, **request.members},
            status=reply.status,
            at=self.now(),
        )
        with self._lock:
            self._log.append(call)


def _replacement(fault: Fault) -> Reply:
    if fault.redirect:
        return Reply(fault.status or HTTPStatus.FOUND, headers={**fault.headers, "Location": fault.redirect})
    headers = {"Content-Type": "application/json", **fault.headers}
    return Reply(fault.status or HTTPStatus.OK, fault.body or b"", headers)

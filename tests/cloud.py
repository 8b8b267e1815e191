"""IAM and STS of several accounts: moto over HTTP, with a front that does what moto leaves out.

The front checks signatures, refuses Inactive keys, lets each role do what its permission set allows, wants the user's
name where AWS does, and can be told to fail a call before or after it took effect. All state is moto's.
"""

from __future__ import annotations

import contextlib
import math
import socket
import struct
import threading
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest

from awssso_helper.simulator import signature

if TYPE_CHECKING:
    from collections.abc import Iterator

READS = frozenset({"ListAccessKeys", "GetAccessKeyLastUsed", "GetUser"})
EVERYONE = frozenset({"GetCallerIdentity"})
MAY = {
    "AdministratorAccess": None,
    "PowerUserAccess": EVERYONE | {"GetAccessKeyInfo", "AssumeRole"},
    "ReadOnlyAccess": EVERYONE | READS | {"GetAccessKeyInfo"},
    "DatabaseAdministrator": EVERYONE,
}
CHANGES = frozenset({"UpdateAccessKey", "DeleteAccessKey", "CreateAccessKey"})


@dataclass
class Key:
    """An access key as its user got it."""

    account_id: str
    user: str
    id: str
    secret: str
    record: object = None


@dataclass
class Call:
    action: str
    key_id: str
    parameters: dict[str, str]
    status: int


@dataclass
class Fault:
    """How a call goes wrong: `error` is answered; `lost` drops the reply; `before`: it has no effect either.

    `when` are parameters and the values that they must have.
    """

    error: str = ""
    status: int = 400
    lost: bool = False
    before: bool = True
    when: dict[str, str] = field(default_factory=dict)


class Cloud:
    """The IAM and STS of an organisation."""

    def __init__(self, moto_url: str) -> None:
        self._moto = moto_url
        self.log: list[Call] = []
        self.lag = 0
        self.trusted: dict[str, set[str]] = {}
        self.roots: set[str] = set()
        self.before_call = lambda _number: None
        self._stale: dict[str, list[str]] = {}
        self._faults: dict[str, list[tuple[Fault, float]]] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def variables(self) -> dict[str, str]:
        return {"AWS_ENDPOINT_URL_STS": self.url, "AWS_ENDPOINT_URL_IAM": self.url}

    # What there is

    def new_key(self, account_id: str, user: str) -> Key:
        backend = _iam(account_id)
        if user not in [each.name for each in backend.list_users("/", None, None)]:
            backend.create_user("us-east-1", user)
        made = backend.create_access_key(user)
        return Key(account_id, user, made.access_key_id, made.secret_access_key, made)

    def root_key(self, account_id: str) -> Key:
        key = self.new_key(account_id, "the-root-user")
        self.roots.add(key.id)
        return key

    def status(self, key: Key) -> str:
        """Active, Inactive, or gone."""
        for each in _iam(key.account_id).list_access_keys(key.user):
            if each.access_key_id == key.id:
                return each.status
        return "gone"

    def set_status(self, key: Key, status: str) -> None:
        _iam(key.account_id).update_access_key(key.user, key.id, status)

    def rename(self, key: Key, user: str) -> None:
        """Have the key's user go by another name from now on."""
        _iam(key.account_id).update_user(key.user, None, user)
        key.record.user_name = user
        key.user = user

    def remove(self, key: Key) -> None:
        _iam(key.account_id).delete_access_key(key.id, key.user)

    def bring_back(self, key: Key) -> None:
        """Have a deleted key again, Active: the next run of a sweep starts where the last one did."""
        if self.status(key) == "gone":
            backend = _iam(key.account_id)
            backend.access_keys[key.id] = key.record
            backend.get_user(key.user).access_keys.append(key.record)
        self.set_status(key, "Active")

    def issue(self, account_id: str, role: str, user: str) -> tuple[str, str, str]:
        """Credentials of a role, as IAM Identity Center hands them out and moto knows them."""
        from moto.sts.models import sts_backends

        given = sts_backends[account_id]["aws"].assume_role(
            "us-east-1", user, f"arn:aws:iam::{account_id}:role/{role}", "", 3600, ""
        )
        return given.access_key_id, given.secret_access_key, given.session_token

    def trust(self, role_arn: str, *principals: str) -> None:
        """Let users or permission sets, by name, assume a role."""
        self.trusted.setdefault(role_arn, set()).update(principals)

    # Orders and log

    def misbehave(self, action: str, *, times: float = 1, **how) -> None:
        self._faults.setdefault(action, []).append((Fault(**how), times))

    def behave(self) -> None:
        self._faults.clear()

    def calls(self, *actions: str) -> list[Call]:
        return [call for call in self.log if call.action in actions]

    def changes(self) -> list[Call]:
        return [call for call in self.log if call.action in CHANGES]

    # One request

    def answer(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes, bool]:
        """Give status, body, and whether the reply is lost."""
        parameters = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        action = parameters.pop("Action", "")
        key_id = signature.access_key_id_of(headers) or ""
        self.before_call(len(self.log))
        with self._lock:
            fault = self._next_fault(action, parameters)
            if fault.before and (fault.error or fault.lost):
                status, reply = fault.status, _error(fault.error)
            else:
                status, reply = self._judged(action, key_id, parameters, headers, body)
                if fault.error:
                    status, reply = fault.status, _error(fault.error)
            self.log.append(Call(action, key_id, parameters, status))
        return status, reply, fault.lost

    def _next_fault(self, action: str, parameters: dict[str, str]) -> Fault:
        orders = self._faults.get(action)
        if not orders:
            return Fault()
        fault, times = orders[0]
        if not fault.when.items() <= parameters.items():
            return Fault()
        if times > 1:
            orders[0] = (fault, times - 1)
        else:
            orders.pop(0)
        return fault

    def _judged(self, action, key_id, parameters, headers, body) -> tuple[int, bytes]:
        kind, name, secret, token = self._caller(key_id) or ("", "", "", "")
        if not kind or (token and headers.get("x-amz-security-token") != token):
            return 403, _error("InvalidClientTokenId")
        if not signature.is_signed_with(secret, headers, body):
            return 403, _error("SignatureDoesNotMatch")
        refusal = self._refusal(action, kind, name, parameters)
        if refusal:
            return refusal[0], _error(refusal[1])
        if action == "ListAccessKeys" and self._stale.get(parameters["UserName"]):
            return 200, self._stale[parameters["UserName"]].pop()
        if action == "UpdateAccessKey" and self.lag:
            self._remember_listing(headers, parameters)
        if action == "GetCallerIdentity" and key_id in self.roots:
            return 200, _root_identity(self._account(key_id))
        return self._forwarded(headers, body)

    def _refusal(self, action, kind, name, parameters) -> tuple[int, str] | None:
        used = EVERYONE | {"GetAccessKeyInfo", "AssumeRole"}
        allowed = used if kind == "user" else MAY.get(name, used)
        is_untrusted = action == "AssumeRole" and name not in self.trusted.get(parameters["RoleArn"], ())
        if is_untrusted or (allowed is not None and action not in allowed):
            return 403, "AccessDenied"
        if action in CHANGES | {"ListAccessKeys"} and not self._has_user(parameters):
            # With the credentials of a role the user must be named, too.
            return 404, "NoSuchEntity"
        if action.startswith("GetAccessKey") and self._account(parameters["AccessKeyId"]) is None:
            return (400, "ValidationError") if action == "GetAccessKeyInfo" else (403, "AccessDenied")
        return None

    def _has_user(self, parameters) -> bool:
        from moto.iam.models import iam_backends

        for account in list(iam_backends.values()):
            for user in account["aws"].list_users("/", None, None):
                if user.name == parameters.get("UserName"):
                    wanted = parameters.get("AccessKeyId")
                    ids = [key.access_key_id for key in user.access_keys]
                    if wanted is None or wanted in ids:
                        return True
        return False

    def _caller(self, key_id: str):
        """Who signs: kind, name, secret key, session token; None for a key that is not there or Inactive."""
        from moto.iam.models import iam_backends
        from moto.sts.models import sts_backends

        for account in list(iam_backends.values()):
            for user in account["aws"].list_users("/", None, None):
                for key in user.access_keys:
                    if key.access_key_id == key_id:
                        return None if key.status != "Active" else ("user", user.name, key.secret_access_key, None)
        for account in list(sts_backends.values()):
            for role in account["aws"].assumed_roles:
                if role.access_key_id == key_id:
                    name = role.role_arn.rpartition("/")[2]
                    if name.startswith("AWSReservedSSO_"):
                        name = name.removeprefix("AWSReservedSSO_").rpartition("_")[0]
                    return "role", name, role.secret_access_key, role.session_token
        return None

    def _account(self, key_id: str) -> str | None:
        from moto.iam.models import iam_backends

        for account_id, account in list(iam_backends.items()):
            if key_id in account["aws"].access_keys:
                return account_id
        return None

    def _remember_listing(self, headers, parameters) -> None:
        """Keep what ListAccessKeys shows now, to show it a few times more: IAM is eventually consistent."""
        account_id = self._account(parameters["AccessKeyId"])
        user = parameters["UserName"]
        members = "".join(
            f"<member><UserName>{user}</UserName><AccessKeyId>{key.access_key_id}</AccessKeyId>"
            f"<Status>{key.status}</Status><CreateDate>2024-01-01T00:00:00Z</CreateDate></member>"
            for key in _iam(account_id).list_access_keys(user)
        )
        listing = (
            '<ListAccessKeysResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ListAccessKeysResult>'
            f"<UserName>{user}</UserName><AccessKeyMetadata>{members}</AccessKeyMetadata>"
            "<IsTruncated>false</IsTruncated></ListAccessKeysResult></ListAccessKeysResponse>"
        )
        self._stale[user] = [listing.encode()] * self.lag

    def _forwarded(self, headers, body) -> tuple[int, bytes]:
        kept = {name: value for name, value in headers.items() if name not in ("host", "content-length", "connection")}
        request = urllib.request.Request(self._moto, data=body, headers=kept, method="POST")
        try:
            with _OPENER.open(request, timeout=30) as reply:
                return reply.status, reply.read()
        except urllib.request.HTTPError as error:
            return error.code, error.read()


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _handler(cloud: Cloud):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, reply, is_lost = cloud.answer(headers, body)
            if is_lost:
                # RST: the caller cannot know whether it took effect.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(reply)))
            # Whoever asked may have been killed meanwhile.
            with contextlib.suppress(ConnectionError):
                self.end_headers()
                self.wfile.write(reply)

        def finish(self):
            with contextlib.suppress(OSError, ValueError):
                super().finish()

        def log_message(self, *arguments):
            pass

    return Handler


def _error(code: str) -> bytes:
    return (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>by the rules of the test</Message>"
        "</Error><RequestId>0</RequestId></ErrorResponse>"
    ).encode()


def _root_identity(account_id: str) -> bytes:
    return (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
        f"<Arn>arn:aws:iam::{account_id}:root</Arn><UserId>{account_id}</UserId><Account>{account_id}</Account>"
        "</GetCallerIdentityResult></GetCallerIdentityResponse>"
    ).encode()


def _iam(account_id: str):
    from moto.iam.models import iam_backends

    return iam_backends[account_id]["aws"]


FOREVER = math.inf


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    import logging

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def cloud(moto_url: str, simulator) -> Iterator[Cloud]:
    """IAM and STS behind the simulator's organisation: the role credentials that it hands out are good there."""
    from moto.moto_api._internal.models import moto_api_backend

    moto_api_backend.reset()
    running = Cloud(moto_url)
    simulator.organization.issue = running.issue
    yield running
    running.close()

"""The sign-in service: a role's credentials become a link that signs a browser in to the console.

The keys go in the body of one POST, never in a URL, and the reply is decoded strictly (PROTOCOL 6.1, SECURITY G3).
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from awssso_helper import console
from awssso_helper.endpoints import host_of
from awssso_helper.errors import NetworkError, ServiceError
from awssso_helper.model import Secret
from awssso_helper.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from awssso_helper.environment import Environment
    from awssso_helper.model import Deadline, RoleCredentials

_LIMIT = 64 << 10
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,8192}", re.ASCII)


def sign_in_link(
    credentials: RoleCredentials,
    *,
    endpoint: str,
    target: str,
    issuer: str,
    environment: Environment,
    deadline: Deadline,
    trace: Callable[[str], None],
) -> Secret:
    """Exchange credentials for the link that opens `target`; a browser goes to `issuer` when its session is over.

    Raises:
        ServiceError: AWS does not take these credentials for the console.
        NetworkError: it could not be asked, or gave no honest answer.
    """
    reply = Transport(environment, trace=trace).exchange(
        "POST",
        f"{endpoint}/federation",
        headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
        body=console.token_request(credentials),
        deadline=deadline,
        limit=_LIMIT,
    )
    host = host_of(endpoint)
    if reply.status != HTTPStatus.OK:
        raise ServiceError(
            f"{host} answered {reply.status}: it does not take these credentials for the console",
            code=str(reply.status),
            status=reply.status,
            hint="awssso console without --federate uses the access portal",
        )
    return Secret(console.login_url(endpoint, _token(reply.body, host), target, issuer))


def _token(body: bytes, host: str) -> str:
    try:
        token = json.loads(body)["SigninToken"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NetworkError(f"{host} sent no sign-in token", hint="try again") from error
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise NetworkError(f"{host} sent no sign-in token", hint="try again")
    return token

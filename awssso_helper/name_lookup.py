"""The addresses of a host, before a deadline: the system's resolver knows none, and may wait for minutes."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from awssso_helper.model import Deadline


def addresses(host: str, port: int, deadline: Deadline) -> Any:
    """Give what `socket.getaddrinfo` gives for a stream; a thread waits for it, which may outlast the call.

    Raises:
        TimeoutError: no name server answered in time.
        OSError, ValueError: as `socket.getaddrinfo`: there is no such name.
    """
    answer: list[Any] = []

    def look_up() -> None:
        try:
            answer.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, ValueError) as error:
            answer.append(error)

    thread = threading.Thread(target=look_up, name="look-up", daemon=True)
    thread.start()
    thread.join(deadline.remaining())
    if not answer:
        raise TimeoutError("no name server answered")
    if isinstance(answer[0], Exception):
        raise answer[0]
    return answer[0]

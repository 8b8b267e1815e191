"""The warm lane: asks the agent for a finished answer and prints it. An accelerator; without it all works, slower.

Run by our launcher as `python -I -S .../warm_main.py FULL credential-process ROLE`. It imports built-in modules
only, and any miss becomes the full command.
"""

import _socket
import posix
import sys

# The version of the package. The agent answers askers of its own version only. A test keeps both equal.
VERSION = "0.1.0.dev0"
# Seconds for the whole answer, the agent's own deadline and a little more.
PATIENCE = 4.5
LONGEST = 65536
# What decides where tokens go and how; an agent with other values than the asker's is not the asker's.
CONTEXT = (
    b"AWS_ENDPOINT_URL_SSO",
    b"AWS_ENDPOINT_URL_SSO_OIDC",
    b"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    b"AWSSSO_CONFIG",
)
MISS = b"-"


def directories(environ: dict[bytes, bytes]) -> list[bytes]:
    """Give the places where the agent's socket may be, the best first (bytes).

    The runtime directory even where the variable is not set (cron, sudo), so that all processes of a user meet.
    """
    uid = b"%d" % posix.getuid()
    runtime = environ.get(b"XDG_RUNTIME_DIR") or b"/run/user/" + uid
    state = environ.get(b"XDG_STATE_HOME") or environ.get(b"HOME", b"") + b"/.local/state"
    return [each + b"/awssso" for each in (runtime, state) if each[:1] == b"/"]


def context(environ: dict[bytes, bytes]) -> bytes:
    """Give the values that an agent must share with its asker, as one word."""
    return b"\x1f".join([environ.get(name, b"") for name in CONTEXT]).hex().encode() or b"-"


def request(verb: bytes, words: list[bytes], environ: dict[bytes, bytes]) -> bytes:
    """Build one line of request."""
    return b" ".join([b"awssso", VERSION.encode(), context(environ), verb, *words]) + b"\n"


def connected(environ: dict[bytes, bytes], patience: float = PATIENCE) -> _socket.socket | None:
    """Connect to the agent of this user, or give None. The other end must be ours (SECURITY E6)."""
    for directory in directories(environ):
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            connection.settimeout(patience)
            connection.connect(address(directory))
        except OSError:
            connection.close()
            continue
        if peer_uid(connection) == posix.getuid():
            return connection
        connection.close()
    return None


def address(directory: bytes) -> bytes:
    """Give the socket's address; a path that is too long for one goes through /proc (sun_path holds 107 bytes)."""
    path = directory + b"/agent.sock"
    if len(path) <= 103:  # noqa: PLR2004 - sun_path of macOS; Linux has four more
        return path
    opened = posix.open(directory, posix.O_RDONLY)
    return b"/proc/self/fd/%d/agent.sock" % opened


def peer_uid(connection: _socket.socket) -> int:
    """Give the uid at the other end, or -1 where the system does not tell."""
    if hasattr(_socket, "SO_PEERCRED"):
        return int.from_bytes(connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)[4:8], sys.byteorder)
    try:
        # macOS: struct xucred { u_int version; uid_t uid; ... } by LOCAL_PEERCRED at SOL_LOCAL.
        return int.from_bytes(connection.getsockopt(0, 1, 76)[4:8], sys.byteorder)
    except OSError:
        return -1


def asked(line: bytes, environ: dict[bytes, bytes], patience: float = PATIENCE) -> bytes | None:
    """Ask the agent one thing and give its whole answer: a status byte and text. None: no agent, or a miss."""
    connection = connected(environ, patience)
    if connection is None:
        return None
    try:
        connection.sendall(line)
        answer = b""
        while len(answer) < LONGEST:
            piece = connection.recv(LONGEST)
            if not piece:
                break
            answer += piece
    except TimeoutError:
        return b"5awssso: the agent does not answer in time; run: awssso agent stop\n"
    except OSError:
        return None
    finally:
        connection.close()
    return answer if answer[-1:] == b"\n" and answer[:1] != MISS else None


def main(full: str, arguments: list[str]) -> None:
    """Print the agent's answer and leave, or become the full command."""
    if len(arguments) == 2 and arguments[0] == "credential-process" and arguments[1][:1] != "-":  # noqa: PLR2004 - the words of a profile's line
        environ = posix.environ
        answer = asked(request(b"get", [arguments[1].encode("utf-8", "surrogateescape")], environ), environ)
        if answer is not None:
            status = answer[0] - 48
            try:
                posix.write(2 if status else 1, answer[1:])
            except OSError:
                status = 1
            posix._exit(status)  # noqa: SLF001 - os._exit under its own name: an orderly exit costs a tenth
    posix.execv(full, [full, *arguments])

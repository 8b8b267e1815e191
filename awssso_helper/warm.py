"""The warm lane: asks the agent for a finished answer and prints it. An accelerator; without it all works, slower.

Run by our launcher in `python -I -S -c ...`, and first of all by `awssso` itself. It imports built-in modules only,
and any miss becomes the full command.
"""

import _socket
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

if sys.platform != "win32":
    # There is no agent to ask there, and other rooms import this one all the same.
    import posix

# The version of the package. The agent answers askers of its own version only. A test keeps both equal.
VERSION = "0.1.0.dev0"
# Seconds for the answer to a request. An agent whose settings allow more sends a blank now and then until it has one.
PATIENCE = 4.5
LONGEST = 4 << 20
MISS = b"-"
# How long, in steps of a hundredth of a second, a caller waits for another who is starting the agent.
QUEUE_STEPS = 300


def directories(environ: dict[bytes, bytes]) -> list[bytes]:
    """Give the places where the agent's socket may be, the best first (bytes).

    The runtime directory even where the variable is not set (cron, sudo), so that all processes of a user meet.
    """
    runtime = environ.get(b"XDG_RUNTIME_DIR") or b"/run/user/%d" % posix.geteuid()
    home = environ.get(b"HOME")
    state = environ.get(b"XDG_STATE_HOME") or (home + b"/.local/state" if home else b"")
    return [each + b"/awssso" for each in (runtime, state) if each[:1] == b"/"]


def place(environ: dict[bytes, bytes]) -> bytes:
    """Give what decides whose credentials these are and where tokens go, as one word.

    An agent with another one is not the asker's: the demo's home, another settings file, another endpoint.
    """
    get = environ.get
    home = get(b"HOME", b"")
    values = (
        home,
        get(b"XDG_CONFIG_HOME") or home + b"/.config",
        get(b"XDG_STATE_HOME") or home + b"/.local/state",
        get(b"XDG_DATA_HOME") or home + b"/.local/share",
        get(b"AWSSSO_CONFIG", b""),
        get(b"AWS_ENDPOINT_URL_SSO", b""),
        get(b"AWS_ENDPOINT_URL_SSO_OIDC", b""),
        get(b"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", b""),
        get(b"AWS_USE_FIPS_ENDPOINT", b""),
        get(b"AWS_USE_DUALSTACK_ENDPOINT", b""),
    )
    return b"\x1f".join(values).hex().encode()


def means(environ: dict[bytes, bytes]) -> bytes:
    """Give what decides whether keyring and network can be reached, as one word.

    An agent that was started without the desktop's bus, or outside the proxy's reach, fails where the asker would
    not; by this it knows, and says miss.
    """
    get = environ.get
    values = (
        get(b"DBUS_SESSION_BUS_ADDRESS", b""),
        get(b"PYTHON_KEYRING_BACKEND", b""),
        get(b"AWS_CA_BUNDLE") or get(b"REQUESTS_CA_BUNDLE") or get(b"SSL_CERT_FILE", b""),
        get(b"HTTPS_PROXY") or get(b"https_proxy", b""),
        get(b"HTTP_PROXY") or get(b"http_proxy", b""),
        get(b"NO_PROXY") or get(b"no_proxy", b""),
    )
    # Cut, since lists of hosts are long and a request is short; what is beyond the cut hardly ever decides.
    return b"\x1f".join(values)[:400].hex().encode()


def request(verb: bytes, words: list[bytes], environ: dict[bytes, bytes]) -> bytes:
    """Build one line of request."""
    return b" ".join([b"awssso", VERSION.encode(), place(environ), means(environ), verb, *words]) + b"\n"


def connected(environ: dict[bytes, bytes], patience: float = PATIENCE) -> _socket.socket | None:
    """Connect to the agent of this user, or give None. The other end must be ours (SECURITY E6)."""
    for directory in directories(environ):
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            connection.settimeout(patience)
            at_address(directory, connection.connect)
        except OSError:
            connection.close()
            continue
        if peer_uid(connection) == posix.geteuid():
            return connection
        connection.close()
    return None


def at_address(directory: bytes, act: "Callable[[bytes], object]") -> None:
    """Bind or connect at the socket's address; a path that is too long for one goes through /proc.

    The directory is open meanwhile only: it may have got the number of a standard file that is closed.
    """
    path = directory + b"/agent.sock"
    if len(path) <= 103:  # noqa: PLR2004 - sun_path of macOS; Linux has four more
        act(path)
        return
    opened = posix.open(directory, posix.O_RDONLY)
    try:
        act(b"/proc/self/fd/%d/agent.sock" % opened)
    finally:
        posix.close(opened)


def peer_uid(connection: _socket.socket) -> int:
    """Give the uid at the other end, or -1 where the system does not tell."""
    try:
        if hasattr(_socket, "SO_PEERCRED"):
            credentials = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
            return int.from_bytes(credentials[4:8], sys.byteorder)
        # macOS: struct xucred { u_int version; uid_t uid; ... } by LOCAL_PEERCRED at SOL_LOCAL.
        return int.from_bytes(connection.getsockopt(0, 1, 76)[4:8], sys.byteorder)
    except OSError:
        return -1


def asked(line: bytes, environ: dict[bytes, bytes], patience: float = PATIENCE) -> bytes | None:
    """Ask the agent one thing and give its whole answer: a status digit and a line. None: no agent, or a miss."""
    connection = connected(environ, patience)
    if connection is None:
        return None
    try:
        connection.sendall(line)
        answer = b""
        while len(answer) < LONGEST:
            piece = connection.recv(65536)
            if not piece:
                break
            answer += piece
            if piece.endswith(b"\n"):
                # An answer is one line: not to wait for the other end's close is not to be woken once more.
                break
    except TimeoutError:
        return b"5awssso: the agent does not answer; run: awssso agent stop\n"
    except OSError:
        return None
    finally:
        connection.close()
    answer = answer.lstrip(b" ")
    return answer if answer[:1].isdigit() and answer[-1:] == b"\n" else None


def answer(arguments: list[str]) -> None:
    """Print the agent's answer to the words of a profile's line and leave; comes back where there is none."""
    if len(arguments) != 2 or arguments[0] != "credential-process" or arguments[1][:1] == "-":  # noqa: PLR2004 - those words
        return
    environ = posix.environ
    try:
        found = asked(request(b"get", [arguments[1].encode("utf-8", "surrogateescape")], environ), environ)
    except OSError:
        # No socket to be had, or none that could be closed: whatever it is, the full command says it in words.
        return
    if found is None:
        return
    status = found[0] - 48
    try:
        posix.write(2 if status else 1, found[1:])
    except OSError:
        status = status or 1
    posix._exit(status)  # noqa: SLF001 - os._exit under its own name: an orderly exit costs a tenth


def held_gate(environ: dict[bytes, bytes]) -> int:
    """Of many who find no agent let one become the full command, which starts one; the others wait and ask again.

    A hundred full commands at once would take both cores of a laptop for longer than an SDK waits. Who goes first gets
    the gate, as a descriptor that the full command closes when the agent is there; -1 for those who waited.
    """
    from fcntl import LOCK_EX, LOCK_NB, flock  # noqa: PLC0415 - only a miss needs it
    from time import sleep  # noqa: PLC0415

    gate = _gate(environ)
    if gate < 0:
        return -1
    for step in range(QUEUE_STEPS):
        try:
            flock(gate, LOCK_EX | LOCK_NB)
        except OSError:
            sleep(0.01)
            continue
        if step == 0:
            posix.set_inheritable(gate, True)
            return gate
        break
    posix.close(gate)
    return -1


def _gate(environ: dict[bytes, bytes]) -> int:
    """Open the gate in the first of our directories that an agent made; -1 where there is none.

    Never as a standard file that happens to be closed: the answer would be written into it.
    """
    from fcntl import F_DUPFD_CLOEXEC, fcntl  # noqa: PLC0415 - as above

    for directory in directories(environ):
        try:
            if posix.stat(directory).st_uid == posix.geteuid():
                low = posix.open(directory + b"/gate", posix.O_RDWR | posix.O_CREAT | posix.O_NOFOLLOW, 0o600)
                gate = fcntl(low, F_DUPFD_CLOEXEC, 3)
                posix.close(low)
                return gate
        except OSError:
            continue
    return -1


def main(full: str, arguments: list[str]) -> None:
    """Print the agent's answer and leave, or become the full command."""
    answer(arguments)
    from time import monotonic  # noqa: PLC0415 - only a miss needs it

    began, environ = monotonic(), posix.environ
    gate = held_gate(environ)
    if gate < 0:
        answer(arguments)
    try:
        posix.execve(full, [full, *arguments], {**environ, b"AWSSSO_BEGAN": b"%.3f:%d" % (began, gate)})
    except OSError:
        posix.write(2, b"awssso: the program that this profile calls does not start; install awssso-helper anew\n")
    posix._exit(1)  # noqa: SLF001 - as above

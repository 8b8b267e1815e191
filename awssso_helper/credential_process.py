"""What the SDKs call: `awssso credential-process SESSION/ACCOUNT/ROLE`. One JSON line and exit 0, or one line of error.

It has its own small entry, since argparse and the other commands cost time that every `aws` start would pay. The
work runs beside a clock: whatever hangs (a name server, a keyring), the answer or the error comes in time.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING

from awssso_helper import core_dump
from awssso_helper.errors import (
    AwsssoError,
    LoginNeededError,
    NetworkError,
    SystemFailedError,
    UsageError,
    keep_tracebacks_away,
)
from awssso_helper.model import Deadline, Role, Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awssso_helper.credentials import Credentials
    from awssso_helper.environment import Environment
    from awssso_helper.settings import Settings

USAGE = "awssso credential-process SESSION/ACCOUNT/ROLE"
# What the launcher may have waited already.
_LONGEST_WAIT = 4.0
_STANDARD_FILES = 2
# The part of the deadline that the start of an agent may take.
_STARTING_SHARE = 0.6
# The inner deadline ends this much sooner, so that what is wrong can still be said in its own words.
_TIME_TO_SPEAK = 0.3


def run(arguments: Sequence[str]) -> int:
    """Answer and give the exit status. stdout gets the document in one write, or nothing at all."""
    began, gate = _waited()
    keep_tracebacks_away()
    core_dump.forbid()
    outcome = _Outcome()
    try:
        outcome = _outcome(arguments, began, gate)
    except Exception as error:  # noqa: BLE001 - as in `work`
        outcome.error = _told(error)
    if outcome.status:
        # The agent's own line of error.
        _write(2, f"{outcome.line}\n".encode("ascii"))
        return outcome.status
    document = outcome.document or (None if outcome.error else outcome.standby)
    if document is None:
        return _fail(outcome.error or NetworkError("no answer in time", hint="awssso status"))
    line = f"{document.reveal()}\n".encode("ascii")
    return 0 if _write(1, line) else 1


def _waited() -> tuple[float, int]:
    """Give when the SDK began to wait, on the monotonic clock, and the gate that our launcher holds, or -1.

    The launcher may have waited for another's agent first; or others may wait for ours, at the gate.
    """
    now = time.monotonic()
    began, _, gate = os.environ.pop("AWSSSO_BEGAN", "").partition(":")
    try:
        # The variable may be anybody's: an old one, or one of another machine.
        return (float(began) if 0 <= now - float(began) <= _LONGEST_WAIT else now), int(gate or -1)
    except ValueError:
        return now, -1


def _open(gate: int) -> None:
    """Let those go on who wait at the gate. Nothing else of ours is open yet that this could be."""
    if gate > _STANDARD_FILES:
        with contextlib.suppress(OSError):
            os.close(gate)


class _Outcome:
    """What the worker leaves: a document, or an error; neither while it is still at work.

    `standby` is a cached document that is still valid: it serves when the worker does not come back in time.
    """

    def __init__(self) -> None:
        self.document: Secret | None = None
        self.standby: Secret | None = None
        self.error: AwsssoError | None = None
        self.line = ""
        self.status = 0

    def hold(self, document: Secret) -> None:
        self.standby = document


def _outcome(arguments: Sequence[str], began: float, gate: int) -> _Outcome:
    from awssso_helper import agent_client  # noqa: PLC0415 - after the standard files are open
    from awssso_helper import settings as own_settings  # noqa: PLC0415
    from awssso_helper.environment import Environment  # noqa: PLC0415

    environment = Environment()
    settings = own_settings.load(environment.settings_file)
    seconds = settings.deadline - (time.monotonic() - began)
    deadline = Deadline(seconds - _TIME_TO_SPEAK)
    outcome = _Outcome()

    def work() -> None:
        try:
            role = _role(arguments, environment)
            is_there = agent_client.is_wanted(settings) and _has_agent(role, environment, settings, deadline)
            _open(gate)
            if is_there and _is_answered_by_agent(role, environment, outcome, deadline):
                return
            outcome.document = _credentials(environment, settings).document(role, deadline, standby=outcome.hold)
        except Exception as error:  # noqa: BLE001 - the edge: an SDK gets one line, whatever broke
            outcome.error = _told(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(seconds)
    return outcome


def _demand_memory(role: Role, environment: Environment, settings: Settings) -> None:
    """Make sure, where the agent alone holds the sessions, that it is there: a new one would know of none.

    Raises:
        LoginNeededError: it is not.
    """
    from awssso_helper import agent_client, memory_vault  # noqa: PLC0415

    if settings.keyring == memory_vault.MEMORY and not agent_client.is_up(environment):
        raise LoginNeededError(
            f'SSO session "{role.session}" was held in memory by an agent that has ended',
            hint=f"awssso login -S {role.session}",
        )


def _has_agent(role: Role, environment: Environment, settings: Settings, deadline: Deadline) -> bool:
    """Have an agent there, started where there is none; says whether there is one."""
    from awssso_helper import agent_client  # noqa: PLC0415

    _demand_memory(role, environment, settings)
    # A start that takes longer than this leaves no time to do it here.
    return agent_client.start(environment, deadline.remaining() * _STARTING_SHARE)


def _is_answered_by_agent(role: Role, environment: Environment, outcome: _Outcome, deadline: Deadline) -> bool:
    """Ask the agent. False: go on without one."""
    from awssso_helper import agent_client  # noqa: PLC0415

    left = deadline.remaining()
    answer = agent_client.asked(environment, "get", role.word(), f"{left:.2f}", patience=left)
    if answer is None:
        return False
    status, text = answer[0] - ord("0"), answer[1:].decode("ascii").rstrip("\n")
    if status == 0:
        outcome.document = Secret(text)
    else:
        outcome.line, outcome.status = text, status
    return True


def _credentials(environment: Environment, settings: Settings) -> Credentials:
    from awssso_helper.credentials import Credentials  # noqa: PLC0415
    from awssso_helper.store import Store  # noqa: PLC0415

    return Credentials.of_user(environment, settings, Store(environment, settings.keyring, may_prompt=False))


def _role(arguments: Sequence[str], environment: Environment) -> Role:
    words = list(arguments)
    if len(words) == 1 and words[0].startswith("--profile="):
        words = ["--profile", words[0].partition("=")[2]]
    if len(words) == 2 and words[0] in ("--profile", "-p"):  # noqa: PLR2004 - the option and its value
        return _role_of_profile(words[1], environment)
    if len(words) != 1 or words[0].startswith("-"):
        raise UsageError(f"usage: {USAGE}", hint="awssso credential-process --help")
    return Role.from_word(words[0])


def _role_of_profile(name: str, environment: Environment) -> Role:
    """Find the role of a generated profile in our own ledger; `~/.aws/config` is never read here (CONTRACT)."""
    from awssso_helper import files  # noqa: PLC0415
    from awssso_helper.ledger import Ledger  # noqa: PLC0415 - the profile lines that we write do not come here

    handed = Ledger.from_json(files.read(environment.ledger_file) or b"").names.get(name)
    if handed is None:
        raise UsageError(f"{name[:64]!a} is no generated profile", hint="awssso list")
    return Role.from_word(handed.word)


def _told(error: Exception) -> AwsssoError:
    if isinstance(error, AwsssoError):
        return error
    if isinstance(error, OSError):
        return SystemFailedError.of(error)
    return AwsssoError(f"unexpected {type(error).__name__}", hint="awssso status -v")


def _fail(error: AwsssoError) -> int:
    from awssso_helper.terminal import one_line  # noqa: PLC0415

    _write(2, f"{one_line(error)}\n".encode("ascii", "replace"))
    return error.exit_status


def _write(descriptor: int, data: bytes) -> bool:
    """Write all of it, in one call where the pipe takes it; says whether it was taken."""
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError:
        return False
    return True

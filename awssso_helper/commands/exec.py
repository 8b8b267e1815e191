"""`awssso exec`: a program, or a shell, that has a role's credentials."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, NoReturn

from awssso_helper import core_dump, handover, recent
from awssso_helper.choice import described
from awssso_helper.environment import is_windows
from awssso_helper.errors import AwsssoError, ProgramError, UsageError
from awssso_helper.terminal import local_time, safe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from awssso_helper.catalog import Entry
    from awssso_helper.commands.context import Context
    from awssso_helper.handover import Handover

# Python ignores these in itself, and an ignored signal stays ignored in what takes its place.
_IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFZ", "SIGXFSZ")


def run(context: Context) -> int:
    """Run the program in our place; on Windows wait for it. Its exit status is the answer."""
    entry = context.chosen_entry()
    return in_role(context, entry, context.options.program, by_name=context.options.profile_only)


def in_role(context: Context, entry: Entry, program: Sequence[str], *, by_name: bool = False) -> int:
    """Run a program with the role's keys, or with its profile's name; without a program, a shell.

    Raises:
        ProgramError: it is not there, or cannot be run.
        AwsssoError: there are no credentials for the role.
    """
    command = list(program) or [_shell(context.environment.variables)]
    found = _found(command[0], context.environment.variables)
    handed, until = _handed(context, entry, by_name=by_name)
    if not program:
        _greet(context, entry, until)
    if entry.profile:
        recent.used(context.environment, entry.profile)
    variables = handed.applied(context.environment.variables)
    return _waited_for(found, command, variables) if is_windows() else _replaced(found, command, variables)


def _handed(context: Context, entry: Entry, *, by_name: bool) -> tuple[Handover, str]:
    variables = context.environment.variables
    name = entry.profile or entry.role.word()
    if not by_name:
        credentials = context.role_credentials(entry)
        return handover.of_keys(credentials, name, entry.region, variables), local_time(credentials.expires_at)
    return handover.of_profile(profile_of(entry), entry.region, variables), ""


def profile_of(entry: Entry) -> str:
    """Give the name of the role's profile.

    Raises:
        UsageError: it has none, for the rules leave it out.
    """
    if not entry.profile:
        raise UsageError(
            f"the role {safe(entry.role.name)} in {entry.account.id} has no profile: the settings leave it out",
            hint="awssso sync, or hand over its keys (awssso exec, awssso env --keys)",
        )
    return entry.profile


def _greet(context: Context, entry: Entry, until: str) -> None:
    end = f", keys until {until}" if until else ""
    context.terminal.tell(f"a shell as {described(entry)}{end}; `exit` leaves it")
    before = context.environment.variables.get(handover.MARK)
    if before:
        context.terminal.tell(f"note: it is inside one for {safe(before)}")


def _shell(variables: Mapping[str, str]) -> str:
    if is_windows():
        return variables.get("COMSPEC") or "cmd.exe"
    return variables.get("SHELL") or _login_shell() or "/bin/sh"


def _login_shell() -> str:
    if sys.platform == "win32":
        return ""
    import pwd  # noqa: PLC0415 - not on Windows

    try:
        return pwd.getpwuid(os.getuid()).pw_shell
    except KeyError:  # a user without an entry, as in containers
        return ""


def _found(name: str, variables: Mapping[str, str]) -> str:
    """Find a program as a shell does, before AWS is asked for anything."""
    found = shutil.which(name, path=variables.get("PATH", os.defpath))
    if found:
        return found
    is_there = os.path.exists(name) if os.path.dirname(name) else False  # noqa: PTH110, PTH120 - "./x" is not "x"
    if is_there:
        raise ProgramError(f"{name[:120]!a} cannot be run", is_missing=False, hint=f"ls -l {safe(name)}")
    raise ProgramError(
        f"there is no program {name[:120]!a}",
        is_missing=True,
        hint="awssso exec PROFILE -- COMMAND; words before the -- name the profile",
    )


def _replaced(found: str, command: list[str], variables: dict[str, str]) -> NoReturn:
    """Become the program: signals reach it and its exit status is ours, with nothing of awssso between."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    core_dump.allow_again()
    for name in _IGNORED_BY_PYTHON:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execve(found, command, variables)  # noqa: S606 - the user's own program, without a shell
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise _not_started(command[0], error) from error
    # A script without `#!` is one for sh, as execvp and every shell have it.
    os.execve("/bin/sh", ["sh", found, *command[1:]], variables)  # noqa: S606 - as above


def _waited_for(found: str, command: list[str], variables: dict[str, str]) -> int:
    """Run the program and wait, where a process cannot become another one; Ctrl-C is for the program."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.run([found, *command[1:]], env=variables, check=False).returncode
    except OSError as error:
        raise _not_started(command[0], error) from error


def _not_started(name: str, error: OSError) -> AwsssoError:
    is_missing = isinstance(error, FileNotFoundError)
    reason = "is a script whose interpreter is missing" if is_missing else f"cannot be run: {error.strerror}"
    return ProgramError(f"{name[:120]!a} {reason}", is_missing=is_missing)

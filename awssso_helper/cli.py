"""The command line's edge: arguments become one command's run, errors become words and exit statuses.

The parser is in `parser`; what each command does is in `commands`, imported only when it runs.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from awssso_helper import __version__, core_dump
from awssso_helper.errors import AwsssoError, SystemFailedError, UsageError, keep_tracebacks_away
from awssso_helper.parser import build_parser, command_parsers, option_strings, split_program

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

# What aws-vault, granted, aws-sso-cli, aws-sso-util, saml2aws and people call our commands.
_ELSEWHERE = {
    "add": "configure",
    "assume": "pick",
    "cache": "sync",
    "check": "doctor",
    "clear": "logout",
    "config": "configure",
    "config-profiles": "sync",
    "eval": "env",
    "export": "env",
    "flush": "logout",
    "generate": "sync",
    "launch": "console",
    "ls": "list",
    "open": "console",
    "populate": "sync",
    "process": "credential-process",
    "profiles": "list",
    "refresh": "sync",
    "remove": "logout",
    "roles": "list",
    "rotate": "migrate",
    "run": "exec",
    "run-as": "exec",
    "select": "pick",
    "setup": "configure",
    "shell": "exec",
    "sign-in": "login",
    "signin": "login",
    "sso": "login",
    "switch": "use",
    "time": "status",
    "whoami": "status",
}
# What other tools call an option of ours, or have no word for.
_OPTIONS_ELSEWHERE = {
    ("console", "--service"): "awssso console --destination",
    ("console", "-s"): "awssso console --destination",
    ("env", "--export"): "awssso env --keys",
    ("env", "--format"): "awssso env --shell",
    ("exec", "--no-session"): "awssso exec; its keys are always those of an SSO role, and temporary",
    ("exec", "--duration"): "awssso exec; the permission set says how long, --profile-only refreshes by itself",
    ("list", "--profiles"): "awssso list --names",
    ("login", "--profile"): "awssso login; one sign-in serves every profile of the session",
    ("login", "-p"): "awssso login; one sign-in serves every profile of the session",
    ("pick", "--json"): "awssso list --json",
    ("use", "--unset"): "awssso use --clear",
    ("use", "-c"): "awssso console",
}
# The commands that a person types and that say what happened meanwhile.
_NEWS_TELLERS = frozenset({"login", "logout", "status", "list", "configure"})


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit status. Errors end here, in one line and a hint."""
    keep_tracebacks_away()
    core_dump.forbid()
    from awssso_helper.environment import Environment  # noqa: PLC0415
    from awssso_helper.terminal import Terminal  # noqa: PLC0415

    environment = Environment()
    own = split_program(arguments)[0]
    terminal = Terminal(environment, verbose=bool({"-v", "--verbose"} & set(own)), debug="--debug" in own)
    try:
        return _dispatched(arguments, environment, terminal)
    except AwsssoError as error:
        return terminal.fail(error)
    except KeyboardInterrupt:
        terminal.tell()
        return 130
    except BrokenPipeError:
        # Whoever read our output has enough, as in `awssso list | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except OSError as error:
        return terminal.fail(SystemFailedError.of(error))
    except Exception as error:  # noqa: BLE001 - the edge: no traceback reaches a user, and none shows a secret
        return terminal.fail(_unexpected(error, arguments))


def _dispatched(arguments: Sequence[str], environment: Any, terminal: Any) -> int:
    try:
        options = _parsed(arguments)
    except SystemExit as end:
        # argparse, after help or a mistake. Passed on, Python would stay at its prompt where PYTHONINSPECT is set.
        return end.code if isinstance(end.code, int) else 1
    from awssso_helper import files, launcher, news  # noqa: PLC0415 - `--help` and mistakes need none of it
    from awssso_helper.commands.context import Context  # noqa: PLC0415

    files.sweep_all(environment)
    if options.command != "doctor":
        # The doctor says what is wrong, and repairs it when told to.
        launcher.repair(environment)
    is_for_a_program = any(getattr(options, form, False) for form in ("json", "csv", "names"))
    if options.command in _NEWS_TELLERS and not is_for_a_program:
        for line in news.taken(environment):
            terminal.tell(line)
    module = (options.command or "help").replace("-", "_")
    command = importlib.import_module(f"awssso_helper.commands.{module}")
    status: int = command.run(Context(environment, terminal, options))
    return status


def _unexpected(error: Exception, arguments: Sequence[str]) -> AwsssoError:
    """Name a mistake of ours by type and place; its message and the variables around it may hold secrets."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f" at {os.path.basename(frame.tb_frame.f_code.co_filename)}:{frame.tb_lineno}" if frame else ""  # noqa: PTH119
    command = next((word for word in arguments if not word.startswith("-")), "")
    return AwsssoError(
        f"unexpected {type(error).__name__}{place} in awssso {command} {__version__}",
        hint="this is a mistake of awssso; please report this line",
    )


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    if not arguments and sys.stdin and sys.stdin.isatty() and sys.stdout.isatty():
        arguments = ["pick"]
    arguments, program = split_program(arguments)
    parser = build_parser(only="".join(arguments[:1]))
    words = [word for word in arguments if not word.startswith("-")]
    known = command_parsers(parser)
    if words and words[0] not in known:
        raise UsageError(f"there is no command {words[0][:40]!a}", hint=_command_hint(words, list(known)))
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        command = getattr(options, "command", None) or ""
        raise _unknown(unknown[0], command, option_strings(known.get(command, parser)))
    if program:
        options.program = program
    return options


def _command_hint(words: Sequence[str], known: list[str]) -> str:
    """Say what a word that is no command most likely stands for: what another tool calls it, or a slip."""
    word = words[0].casefold()
    if word == "help":
        return " ".join(["awssso", *(each for each in words[1:2] if each in known), "--help"])
    if word == "version":
        return "awssso --version"
    if _ELSEWHERE.get(word) in known:
        return f"awssso {_ELSEWHERE[word]}"
    close = difflib.get_close_matches(word, known, n=1)
    return f"awssso {close[0]}" if close else "awssso --help"


def _unknown(word: str, command: str, options: list[str]) -> UsageError:
    where = f"awssso {command}".rstrip()
    if command == "login" and not word.startswith("-"):
        hint = f"awssso login, or with -S and a session; the console of a role: awssso console {word[:40]}"
        return UsageError(f"awssso login has no use for {word[:40]!a}: one sign-in serves every profile", hint=hint)
    if not word.startswith("-"):
        return UsageError(f"{where} has no use for {word[:40]!a}", hint=f"{where} --help")
    name = word.partition("=")[0]
    if (command, name) in _OPTIONS_ELSEWHERE:
        return UsageError(f"{where} has no option {name[:40]!a}", hint=_OPTIONS_ELSEWHERE[command, name])
    # Without the dashes, which any two have in common.
    bare = {option.lstrip("-"): option for option in options}
    close = [bare[each] for each in difflib.get_close_matches(name.lstrip("-"), bare, n=1)]
    hint = f"{where} {close[0]}" if close else f"{where} --help"
    return UsageError(f"{where} has no option {name[:40]!a}", hint=hint)

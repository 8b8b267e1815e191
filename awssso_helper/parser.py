"""The parser of every command, with its help: prose, written for somebody who has just met the tool.

What each command does is in `commands`, in the module of its name.
"""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from awssso_helper import __version__
from awssso_helper.errors import UsageError

_DESCRIPTION = """\
AWS SSO (IAM Identity Center) credentials for every AWS tool. Sign in once a day; the token stays in the keyring of
your operating system, every account and role becomes a profile in ~/.aws/config, and aws, boto3, Terraform and all
others call `awssso credential-process` by themselves.
"""
_EPILOG = """\
A first day:
  awssso configure      name your access portal (not needed where `aws configure sso` was run)
  awssso login          sign in, find all accounts and roles, write the profiles
  aws s3 ls --profile team-prod.AdministratorAccess

Exit status: 0 ok, 1 failed, 2 usage, 3 a login is needed, 4 the keyring is locked or missing, 5 network or AWS
service, 6 refused and nothing changed, 130 interrupted.
"""


SHELLS = ("bash", "zsh", "fish", "powershell")

# What a value names, by the first word of its metavar; completions offer what is remembered of that kind.
_KINDS = {
    "ACCOUNT": "account",
    "COMMAND": "command",
    "FILE": "file",
    "ID_OR_NAME": "account",
    "PROFILE": "profile",
    "REGION": "region",
    "ROLE": "role",
    "SERVICE": "service",
    "SESSION/ACCOUNT/ROLE": "word",
}


def completes(action: argparse.Action, kind: str) -> argparse.Action:
    """Mark what the values of an argument are, where its metavar does not tell."""
    vars(action)["completes"] = kind
    return action


def kind_of(action: argparse.Action) -> str:
    """Give what the values of an argument are: a kind of `candidates`, `command`, `file`, or empty."""
    metavar = action.metavar if isinstance(action.metavar, str) else ""
    kind: str = getattr(action, "completes", _KINDS.get(metavar.split()[0] if metavar else "", ""))
    return kind


class _Parser(argparse.ArgumentParser):
    """argparse that raises our error instead of printing its own, and suggests what was meant."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"{self.prog} --help")


def command_parsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Give each command's own parser, by name."""
    actions = parser._actions  # noqa: SLF001 - argparse has no public way
    found = [each for each in actions if isinstance(each, argparse._SubParsersAction)]  # noqa: SLF001 - as above
    return dict(found[0].choices)


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of every command; completions and the README's list are compared with it."""
    parser = _Parser(
        prog="awssso",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"awssso {__version__}")
    _voice_options(parser, default=False)
    parser.set_defaults(parser=parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for add in (
        _configure,
        _login,
        _logout,
        _status,
        _sync,
        _list,
        _doctor,
        _credential_process,
        _agent,
        _completions,
        _demo,
    ):
        add(commands)
    return parser


def _command(commands: Any, name: str, help_line: str, description: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help_line,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    # Suppressed, so that `awssso -v status` is not undone by a `status` without one.
    _voice_options(command, default=argparse.SUPPRESS)
    return command


def _voice_options(parser: argparse.ArgumentParser, *, default: Any) -> None:
    parser.add_argument("-v", "--verbose", action="store_true", default=default, help="say more about what is done")
    parser.add_argument(
        "--debug", action="store_true", default=default, help="say each call to AWS too; secrets are never shown"
    )


def _session_options(command: argparse.ArgumentParser, *, many: bool) -> None:
    group = command.add_mutually_exclusive_group()
    session = group.add_argument(
        "-S", "--sso-session", metavar="NAME", help="the SSO session; never needed when there is one"
    )
    completes(session, "session")
    if many:
        group.add_argument("--all", action="store_true", help="every SSO session")


def _json_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="JSON on stdout")


def _configure(commands: Any) -> None:
    command = _command(
        commands,
        "configure",
        "name your access portal",
        """\
Write an SSO session to ~/.aws/config, the standard [sso-session] section that the AWS CLI and the SDKs use too.
What is not given is asked for; with --start-url and a known region nothing is asked. Where `aws configure sso` was
run before, this is not needed.
""",
    )
    completes(command.add_argument("-S", "--sso-session", metavar="NAME", help="the name of the session"), "session")
    command.add_argument("--start-url", metavar="URL", help="the address of your AWS access portal")
    command.add_argument("--region", metavar="REGION", help="the region of your IAM Identity Center (sso_region)")
    command.add_argument(
        "--default-region", metavar="REGION", help="the region of the profiles; none unless you say one"
    )


def _login(commands: Any) -> None:
    command = _command(
        commands,
        "login",
        "sign in and write the profiles",
        """\
Sign in to an SSO session in your browser, keep the token in the keyring, then find all accounts and roles and write
their profiles (as `awssso sync` does). Over SSH a device code is used, since your browser cannot reach this machine;
with --port N and `ssh -L` it can. In an organisation of more than 100 accounts whose profiles are there already, the
profiles are brought up to date behind, and the next command says what changed.
""",
    )
    _session_options(command, many=True)
    command.add_argument("--use-device-code", action="store_true", help="sign in with a code instead of a callback")
    command.add_argument("--no-browser", action="store_true", help="print the URL, open nothing")
    command.add_argument("--port", type=_port, default=0, metavar="N", help="the port of the callback on 127.0.0.1")
    command.add_argument("--force", action="store_true", help="sign in although the session is still good")
    command.add_argument("--no-sync", action="store_true", help="leave the profiles as they are")
    command.add_argument("--wait", action="store_true", help="wait for the profiles in a large organisation too")


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:  # noqa: PLR2004 - TCP
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return int(text)


def _logout(commands: Any) -> None:
    command = _command(
        commands,
        "logout",
        "end the session, remove its secrets",
        """\
Remove the session's token, its registration and all cached role credentials from the keyring, and end the session at
AWS. Works offline too; then AWS is not told. Role credentials that a program holds already live on until they expire.
""",
    )
    _session_options(command, many=True)


def _status(commands: Any) -> None:
    command = _command(
        commands,
        "status",
        "show who is signed in, until when",
        "Show each SSO session: signed in or not, until when, renewable until when. Needs no network. The exit status\n"
        "is 0 when all sessions are usable and 3 when one needs a login.",
    )
    _session_options(command, many=False)
    _json_option(command)


def _sync(commands: Any) -> None:
    command = _command(
        commands,
        "sync",
        "find all accounts and roles, write the profiles",
        """\
Ask the access portal for every account and role, and bring the profiles in ~/.aws/config up to date. Only the lines
between `# BEGIN awssso` and `# END awssso` are ours; keys that you add to a profile there stay. Profiles whose role
is gone are removed, more than a fifth of them only after a question, none when an account could not be asked.

In an organisation of more than 100 accounts, those that were asked within the last 12 hours are not asked again; new
accounts always are. --full asks all.
""",
    )
    _session_options(command, many=True)
    command.add_argument("--dry-run", action="store_true", help="print a unified diff, write nothing")
    command.add_argument("--full", action="store_true", help="ask every account, also those asked not long ago")
    command.add_argument("--no-prune", action="store_true", help="keep profiles whose role is gone")
    command.add_argument("--behind", action="store_true", help=argparse.SUPPRESS)
    command.add_argument("--yes", action="store_true", help="answer the question about removals with yes")
    _json_option(command)


def _list(commands: Any) -> None:
    command = _command(
        commands,
        "list",
        "list accounts, roles, profiles",
        """\
List every role with its account, its profile and the time left on cached credentials, from what the last sync
remembered: no network is used. FILTER words must all occur, in any order, in account name, account id, e-mail, role
or profile name.
""",
    )
    command.add_argument("filter", nargs="*", metavar="FILTER", help="words that must occur")
    _session_options(command, many=False)
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="JSON on stdout")
    form.add_argument("--csv", action="store_true", help="CSV on stdout")
    form.add_argument("--names", action="store_true", help="profile names only, one a line")


def _credential_process(commands: Any) -> None:
    command = _command(
        commands,
        "credential-process",
        "print credentials for an SDK",
        """\
What the generated profiles call. Prints the JSON document of the AWS credential_process contract and exits 0, or
prints nothing on stdout, one line on stderr, and exits with the status that says why. It never asks for anything.
""",
    )
    command.add_argument("role", nargs="?", metavar="SESSION/ACCOUNT/ROLE", help="the role, as in the profile")
    profile = command.add_argument("-p", "--profile", metavar="NAME", help="a generated profile instead")
    completes(profile, "profile")


def _agent(commands: Any) -> None:
    command = _command(
        commands,
        "agent",
        "start, stop or show the agent",
        """\
The agent holds role credentials in memory and keeps them fresh, so that a profile answers at once. `login` and the
first call of an SDK start it; it ends by itself. `agent = off` in the settings does without it.
""",
    )
    command.add_argument("action", choices=("start", "stop", "status", "serve"), metavar="start | stop | status")
    _json_option(command)


def _doctor(commands: Any) -> None:
    command = _command(
        commands,
        "doctor",
        "check this machine, say what to type",
        """\
Check what credentials on this machine depend on: the AWS files and who else reads them, keys that hide a profile, the
keyring (an item is written, read back and removed), the agent, permissions, the clock, proxies and endpoints. Each
finding names what to type. Nothing is changed without --fix. The output is fit to paste into an issue: it has no
secret, and no name of an account or profile unless you add -v. The exit status is 0 when nothing is wrong, else 1.
""",
    )
    command.add_argument("--fix", action="store_true", help="repair what is ours; ask before other tools' files go")
    _json_option(command)


def _completions(commands: Any) -> None:
    command = _command(
        commands,
        "completions",
        "print or install the completions of a shell",
        """\
Print the script that completes awssso's commands, options, profiles, accounts, roles and sessions in your shell. With
--install it is written where the shell finds it, and one line is added to the shell's start file where it needs one;
every change is said, and --uninstall takes back exactly that.
""",
    )
    command.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh, fish or powershell")
    act = command.add_mutually_exclusive_group()
    act.add_argument("--install", action="store_true", help="write the script, and a line to read it at every start")
    act.add_argument("--uninstall", action="store_true", help="remove the script and the line")


def _demo(commands: Any) -> None:
    command = _command(
        commands,
        "demo",
        "try everything against a sandbox organisation",
        """\
Start a local IAM Identity Center with an organisation of a dozen accounts, and a shell in a throw-away home where
every command is real. Nothing of your own home, keyring and AWS accounts is touched.
""",
    )
    kind = command.add_mutually_exclusive_group()
    kind.add_argument("--run", dest="run_through", action="store_true", help="do the main job without a person, exit")
    kind.add_argument("--serve", action="store_true", help="only the server; prints the variables to export")
    command.add_argument("--port", type=_port, default=0, metavar="N", help="the server's port (with --serve)")

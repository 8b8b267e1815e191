"""The parser of every command, with its help: prose, written for somebody who has just met the tool.

What each command does is in `commands`, in the module of its name.
"""

from __future__ import annotations

import argparse
import difflib
import re
import shutil
import textwrap
from typing import TYPE_CHECKING, Any, NoReturn

from awssso_helper import __version__
from awssso_helper.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_DESCRIPTION = """\
AWS SSO (IAM Identity Center) credentials for every AWS tool. Sign in once a day; the token stays in the keyring of
your operating system, every account and role becomes a profile in ~/.aws/config, and aws, boto3, Terraform and all
others call `awssso credential-process` by themselves.
"""
_EPILOG = """\
A first day:
  awssso configure      name your access portal (not needed where `aws configure sso` was run)
  awssso login          sign in, find all accounts and roles, write the profiles
  aws s3 ls --profile production.PowerUserAccess

Every day:
  awssso pick                     choose a role, full screen
  awssso use prod power           use one in this shell, by words (needs `awssso shell-init`)
  awssso exec prod power -- make  run a program as one
  awssso console prod power       open the AWS console as one

`awssso COMMAND --help` says more. The settings are explained in the README. When something does not work,
`awssso doctor` says what is wrong and what to type.

Exit status: 0 ok, 1 failed, 2 usage, 3 a login is needed, 4 the keyring is locked or missing, 5 network or AWS
service, 6 refused and nothing changed, 130 interrupted.
"""


# Longer lines are hard to read.
_WIDEST = 102

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


class _Help(argparse.HelpFormatter):
    """Help that fits the terminal: prose is wrapped to its width, examples stay as they are written."""

    def __init__(self, prog: str, **more: Any) -> None:
        width = min(shutil.get_terminal_size().columns, _WIDEST) - 2
        super().__init__(prog, **{"max_help_position": 32, "width": width, **more})

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = text.strip("\n").split("\n\n")
        return "\n\n".join(
            each
            if each.startswith("  ") or "\n  " in each
            else textwrap.fill(" ".join(each.split()), width, subsequent_indent=indent)
            for each in paragraphs
        )


class _Parser(argparse.ArgumentParser):
    """argparse that raises our error, in our words, instead of printing its own."""

    def error(self, message: str) -> NoReturn:
        for pattern, words in _WORDS:
            message = pattern.sub(words, message)
        raise UsageError(message, hint=f"{self.prog} --help")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = shown_choices(action)
            close = difflib.get_close_matches(str(value), known, n=1)
            hint = f"{self.prog} {close[0]}" if close and not action.option_strings else f"{self.prog} --help"
            raise UsageError(f"{str(value)[:40]!a} is none of {', '.join(known)}", hint=hint)


# What argparse says, and what we say instead.
_WORDS = (
    (re.compile(r"^the following arguments are required: (.*)$"), r"\1 is missing"),
    (re.compile(r"^argument (.*): expected one argument$"), r"\1 needs a value"),
    (re.compile(r"^argument (.*): not allowed with argument (.*)$"), r"\1 and \2 do not go together"),
    (re.compile(r"^argument (.*): ignored explicit argument '.*'$"), r"\1 takes no value"),
    (re.compile(r"^argument "), ""),
)


def shown_choices(action: argparse.Action) -> list[str]:
    """Give the fixed values of an argument; a metavar like `start | stop` leaves out what only awssso itself says."""
    metavar = action.metavar if isinstance(action.metavar, str) else ""
    choices = [str(each) for each in action.choices or ()]
    return [each for each in choices if each in metavar.split()] or choices


def command_parsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Give each command's own parser, by name."""
    actions = parser._actions  # noqa: SLF001 - argparse has no public way
    found = [each for each in actions if isinstance(each, argparse._SubParsersAction)]  # noqa: SLF001 - as above
    return dict(found[0].choices)


def option_strings(parser: argparse.ArgumentParser) -> list[str]:
    """Give every spelling of the options that the help of a parser shows."""
    actions = parser._actions  # noqa: SLF001 - argparse has no public way
    return [spelling for each in actions if each.help != argparse.SUPPRESS for spelling in each.option_strings]


def build_parser(only: str = "") -> argparse.ArgumentParser:
    """Build the parser of every command; completions and the README's list are compared with it.

    `only` is the command that is to run, where that is known: all others, which take some milliseconds, are left out.
    No other word leaves out any.
    """
    parser = _Parser(
        prog="awssso",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=_Help,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"awssso {__version__}")
    _voice_options(parser, default=False)
    parser.set_defaults(parser=parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    adds = (
        _configure,
        _login,
        _logout,
        _status,
        _sync,
        _list,
        _pick,
        _use,
        _exec,
        _env,
        _console,
        _migrate,
        _doctor,
        _credential_process,
        _agent,
        _shell_init,
        _completions,
        _demo,
    )
    named = {add.__name__[1:].replace("_", "-"): add for add in adds}
    for add in [named[only]] if only in named else adds:
        add(commands)
    return parser


def split_program(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Take the program and its arguments off an `awssso exec` command line: what is after `--`, else after PROFILE.

    Where -p or -A name the role there is no PROFILE.
    """
    command = next((number for number, word in enumerate(arguments) if not word.startswith("-")), len(arguments))
    if arguments[command : command + 1] != ["exec"]:
        return list(arguments), []
    if "--" in arguments:
        at = arguments.index("--")
        return list(arguments[:at]), list(arguments[at + 1 :])
    options = command_parsers(build_parser("exec"))["exec"]._option_string_actions  # noqa: SLF001 - as above
    is_named = False
    at = command + 1
    while at < len(arguments):
        word = arguments[at]
        action = options.get(word) or options.get(word.partition("=")[0]) or options.get(word[:2])
        if word.startswith("-") and action is None:
            # Not one of ours: the parser says so.
            return list(arguments), []
        if action is None:
            if is_named:
                break
            is_named = True
        elif action.dest in ("profile", "account", "role"):
            is_named = True
        takes_next = action is not None and action.nargs is None and word in action.option_strings
        at += 2 if takes_next else 1
    return list(arguments[:at]), list(arguments[at:])


def _command(commands: Any, name: str, help_line: str, description: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help_line,
        description=description,
        formatter_class=_Help,
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


def _role_options(command: argparse.ArgumentParser, *, words: str = "*") -> None:
    command.add_argument(
        "words", nargs=words, metavar="PROFILE", help="a profile, an abbreviation of it, or some words"
    )
    command.add_argument("-p", "--profile", metavar="PROFILE", help="the profile, in place of the first argument")
    command.add_argument("-A", "--account", metavar="ACCOUNT", help="an account, by id or name; goes with -R")
    command.add_argument("-R", "--role", metavar="ROLE", help="a role, by name; goes with -A")
    _session_options(command, many=False)


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

Example:
  awssso configure --start-url https://d-1234567890.awsapps.com/start --region eu-west-1
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


_WHICH_ROLE = """\
PROFILE is a profile's name, or the beginning of one, or words that occur in its account, role or name: `prod power`,
`staging.read`. Words that mean several roles list them, and nothing is done. Without any, the profile in force
(AWS_PROFILE) is meant.
"""


def _use(commands: Any) -> None:
    command = _command(
        commands,
        "use",
        "switch this shell to a profile",
        f"""\
Make a profile the one that this shell and all that you start from it use: AWS_PROFILE, AWS_REGION and
AWS_DEFAULT_REGION are set, keys and other sources of credentials are removed. It needs the function that `awssso
shell-init` prints, since no program can change the shell that started it.

{_WHICH_ROLE}
  awssso use prod power     switch to production.PowerUserAccess
  awssso use -              back to the one before
  awssso use --clear        to none
""",
    )
    _role_options(command)
    command.add_argument("--clear", action="store_true", help="remove what was set, and any other AWS credentials")


def _exec(commands: Any) -> None:
    command = _command(
        commands,
        "exec",
        "run a program, or a shell, with a role's credentials",
        f"""\
Run a program with a role's keys in its environment and every other source of AWS credentials removed. awssso becomes
the program, so signals reach it and its exit status is the one you see. Without a program it is a shell.

The keys end with the role's session (AWS_CREDENTIAL_EXPIRATION says when). For what runs longer, --profile-only hands
over AWS_PROFILE instead, and the program's SDK fetches new keys by itself.

{_WHICH_ROLE}
  awssso exec production.AdministratorAccess -- terraform plan
  awssso exec prod power -- env        words before the --
  awssso exec --profile-only staging.read -- ./nightly.sh
  awssso exec staging.PowerUserAccess  a shell
""",
    )
    command.usage = "awssso exec [options] [PROFILE] [--] [COMMAND ...]"
    _role_options(command)
    command.add_argument("--profile-only", action="store_true", help="hand over AWS_PROFILE, not the keys")
    program = command.add_argument("program", nargs="*", metavar="COMMAND", help="a program and its arguments")
    completes(program, "command")


def _env(commands: Any) -> None:
    command = _command(
        commands,
        "env",
        "print a role's variables for a shell to evaluate",
        f"""\
Print lines that set AWS_PROFILE, AWS_REGION and AWS_DEFAULT_REGION and remove every source of credentials that would
win over them. --keys sets the keys themselves and AWS_CREDENTIAL_EXPIRATION instead, for tools that know no profiles.
Every value is quoted for its shell. --unset removes what was set.

{_WHICH_ROLE}
  eval "$(awssso env staging.read)"                        bash, zsh
  awssso env staging.read | source                         fish
  awssso env staging.read | Out-String | Invoke-Expression PowerShell
""",
    )
    _role_options(command)
    form = command.add_mutually_exclusive_group()
    form.add_argument(
        "--shell",
        choices=(*SHELLS, "json"),
        help="the language of the lines; else that of the shell that runs awssso",
    )
    form.add_argument("--json", action="store_true", help="JSON on stdout, as --shell json")
    what = command.add_mutually_exclusive_group()
    what.add_argument("--keys", action="store_true", help="the keys instead of AWS_PROFILE")
    what.add_argument("--unset", action="store_true", help="remove the variables")


def _console(commands: Any) -> None:
    command = _command(
        commands,
        "console",
        "open the AWS console as a role",
        f"""\
Open the AWS console in your browser by a shortcut link of your access portal, which holds no secret: who opens it must
be signed in there, and a link that you pass on opens for those who have the role. For chained roles, which the portal
does not know, and with --federate, the role's credentials are exchanged for a sign-in link instead; that one is a
secret and is good for 15 minutes.

DESTINATION is a service (s3, ec2, cloudwatch, lambda, iam and so on), a path such as
/cloudwatch/home#alarmsV2: or the URL of a console page. Other hosts are refused.

{_WHICH_ROLE}
  awssso console prod power -d s3
  awssso console prod power --url        print the link
  awssso console -A production -R ReadOnlyAccess
""",
    )
    _role_options(command)
    page = command.add_argument(
        "-d", "--destination", default="", metavar="DESTINATION", help="a service, a path or a console URL"
    )
    completes(page, "service")
    command.add_argument("--region", metavar="REGION", help="the region; else that of the profile")
    command.add_argument("--url", action="store_true", help="print the link, open nothing")
    command.add_argument("--federate", action="store_true", help="a sign-in link instead of the portal's")


def _shell_init(commands: Any) -> None:
    command = _command(
        commands,
        "shell-init",
        "print the function that lets `use` and `pick` change your shell",
        """\
Print a shell function called awssso. With it `awssso use PROFILE` and `awssso pick` change the shell they are typed in;
all other commands run as before. Add the line of your shell to the file that it reads at each start:

  bash        ~/.bashrc                   eval "$(awssso shell-init bash)"
  zsh         ~/.zshrc                    eval "$(awssso shell-init zsh)"
  fish        ~/.config/fish/config.fish  awssso shell-init fish | source
  PowerShell  $PROFILE                    Invoke-Expression (& awssso shell-init powershell | Out-String)
""",
    )
    command.add_argument(
        "shell", nargs="?", choices=SHELLS, metavar="SHELL", help="bash, zsh, fish or powershell; else the one you use"
    )


def _pick(commands: Any) -> None:
    command = _command(
        commands,
        "pick",
        "pick a role, full screen",
        """\
Pick an account and role from all that you can reach: type to filter, Enter picks, ? lists the keys. It opens on what
the last sync remembered and looks for new roles behind. What was picked is used in your shell where `awssso
shell-init` is set up, else in a new shell. With --print, or where stdout is no terminal, its profile name goes there:

  aws s3 ls --profile "$(awssso pick --print prod read)"

FILTER words filter from the start, as in `awssso list`; where they leave one role, it is picked without a screen. The
screen is drawn on the terminal, never on stdout. Esc leaves with exit status 130.
""",
    )
    command.add_argument("filter", nargs="*", metavar="FILTER", help="words to begin with")
    command.add_argument("-S", "--sso-session", metavar="NAME", help="only the roles of this SSO session")
    command.add_argument("--print", action="store_true", help="print the profile name, do nothing else")
    command.add_argument("--first", action="store_true", help="take the best match, show no screen")
    command.add_argument("--no-tui", action="store_true", help="a numbered list instead of the full screen")


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


def _migrate(commands: Any) -> None:
    command = _command(
        commands,
        "migrate",
        "retire static keys: the names become SSO, undo included",
        """\
Find the long-lived keys in ~/.aws/credentials and ~/.aws/config, and put SSO in their place: each name stays and gets
its credentials from a role that you have in the same account; the key leaves the file and becomes Inactive in IAM.
First the plan is shown, with every byte that would change; nothing is done without a yes.

For each key, in this order: SSO is verified; undo is proved; the section goes to your keyring, read back; the new
profile is written and run; the key leaves the file, and every name is verified; the key becomes Inactive. Whatever
fails is undone, and a run that was killed is taken up by the next.

  awssso migrate --dry-run       the plan; nothing is written, nothing is changed in IAM
  awssso migrate                 do it, after a yes
  awssso migrate --status        where each key stands
  awssso migrate --undo prod     take it back: key Active, section restored byte for byte
  awssso migrate --delete-keys   delete for ever what was Inactive for 14 days
""",
    )
    kind = command.add_mutually_exclusive_group()
    kind.add_argument("--dry-run", action="store_true", help="show the plan, write nothing, change nothing in IAM")
    kind.add_argument("--status", action="store_true", help="show where each key stands")
    undo = kind.add_argument(
        "--undo", nargs="?", const="", metavar="PROFILE", help="take it back, of one profile or of all"
    )
    completes(undo, "profile")
    kind.add_argument(
        "--delete-keys", action="store_true", help="delete keys that are Inactive and whose grace is over"
    )
    group = command.add_argument_group("choices")
    session = group.add_argument("-S", "--sso-session", metavar="NAME", help="look for roles in this SSO session only")
    completes(session, "session")
    group.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="PROFILE=ROLE",
        help="the role that takes the place of the key of PROFILE; with --undo and --delete-keys the one that may "
        "change keys. Can be repeated",
    )
    group.add_argument("--keep-keys", action="store_true", help="leave the keys Active in IAM")
    group.add_argument("--now", action="store_true", help="with --delete-keys: do not wait for the end of the grace")
    group.add_argument("--scan", metavar="PATH", help="look for keys in other files too: of this home, and below PATH")
    group.add_argument("--yes", action="store_true", help="do not ask; what is ambiguous is left alone")
    _json_option(command)


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

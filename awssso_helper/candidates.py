"""What a completion can offer: profiles, accounts, roles, sessions, services, from files only.

The quick path of the shells (`awssso complete KIND`), pressed at every Tab: no argparse, no keyring, no network, and
silent whatever is wrong. It imports little, so it names the places by itself; a test compares them with `environment`.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_KINDS_OF_SECTIONS = frozenset({"profile", "sso-session"})
_PROCESS, _SOURCE_PROFILE = "credential-process", "source_profile"
_ACCOUNT_DIGITS = 12
_LONGEST = 200

# What `console` knows by name; a test compares the two.
SERVICES = (
    "acm", "amplify", "apigateway", "apprunner", "asg", "athena", "backup", "batch", "bedrock", "billing", "cfn",
    "cloud9", "cloudformation", "cloudfront", "cloudshell", "cloudtrail", "cloudwatch", "codebuild", "codecommit",
    "codepipeline", "cognito", "config", "controltower", "cost", "costmanagement", "datasync", "directconnect",
    "dms", "dynamodb", "ebs", "ec2", "ecr", "ecs", "efs", "eks", "elasticache", "elasticbeanstalk", "elb", "emr",
    "eventbridge", "events", "firehose", "fsx", "glue", "grafana", "guardduty", "health", "home", "iam",
    "inspector", "kinesis", "kms", "lakeformation", "lambda", "logs", "mq", "msk", "opensearch", "organizations",
    "quotas", "rds", "redshift", "route53", "s3", "sagemaker", "secretsmanager", "securityhub", "servicecatalog",
    "ses", "sfn", "sns", "sqs", "ssm", "sso", "states", "stepfunctions", "sts", "support", "tags", "transfer",
    "trustedadvisor", "vpc", "waf", "wafv2", "workspaces", "xray",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Print the candidates of one kind, a line each: the value, and behind a tab what it is. Never fails.

    A second word leaves only those that begin with it: bash takes long to pass over thousands.
    """
    try:
        kind, start = [*arguments[:2], "", ""][:2]
        found = known(kind, dict(os.environ), start)
        text = "".join(f"{value}\t{what}\n" if what else f"{value}\n" for value, what in found)
        _write(text.encode("utf-8", "replace"))
    except Exception:  # noqa: BLE001 - a word on the screen would stand in the middle of a command line
        return 1
    return 0


def known(kind: str, variables: dict[str, str], start: str = "") -> list[tuple[str, str]]:
    """Give the candidates of a kind with what each is, in the order of their names; an unknown kind has none."""
    source = _SOURCES.get(kind)
    if source is None:
        return []
    found = {value: what for value, what in source(variables) if value.startswith(start)}
    are_typable = (
        max(map(len, found), default=0) <= _LONGEST and f"{''.join(found)}{''.join(found.values())}".isprintable()
    )
    names = sorted(found) if are_typable else sorted(filter(_is_typable, found))
    return [(name, found[name] if are_typable else _shown(found[name])) for name in names if name[:1] not in ("", "-")]


def _is_typable(value: str) -> bool:
    return value.isprintable() and len(value) <= _LONGEST


def _shown(what: str) -> str:
    return what if what.isprintable() else "".join(each for each in what if each.isprintable())[:_LONGEST]


# The config file, by its lines: configparser would need 0.2 s for 4,000 profiles, and to load `re` alone is 6 ms


def _profiles(variables: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Give what `exec` and the others take: generated profiles, and those by hand that build on another profile."""
    for kind, name, text in _sections(variables):
        if kind == "sso-session":
            continue
        account = _account_of(text)
        if account:
            yield name, account
        elif _SOURCE_PROFILE in text.lower() and _value(text, _SOURCE_PROFILE):
            yield name, "role_arn"


def _account_of(text: str) -> str:
    """Give the account of the SESSION/ACCOUNT/ROLE that a profile calls us with; empty where it does not."""
    # As we write it: `credential_process = PATH credential-process SESSION/ACCOUNT/ROLE` comes first.
    words = text.split(None, 5)
    if words[3:4] != [_PROCESS] or len(words) == 4:  # noqa: PLR2004 - the four before the role
        words = ["", "", "", "", *text.partition(_PROCESS)[2].partition("\n")[0].split(None, 1)]
    parts = words[4].split("/", 2) if len(words) > 4 else []  # noqa: PLR2004 - the role's place
    is_role = len(parts) == 3 and len(parts[1]) == _ACCOUNT_DIGITS and parts[1].isdecimal() and parts[1].isascii()  # noqa: PLR2004
    return parts[1] if is_role and parts[0] and parts[2] else ""


def _sessions(variables: dict[str, str]) -> Iterator[tuple[str, str]]:
    for kind, name, text in _sections(variables):
        if kind == "sso-session":
            yield name, _value(text, "sso_start_url")


def _regions(variables: dict[str, str]) -> Iterator[tuple[str, str]]:
    lines = {line for line in _config(variables).split("\n") if "region" in line}
    regions = {_value(line, key) for line in lines for key in ("region", "sso_region")}
    return ((region, "") for region in regions if _is_region(region))


def _is_region(text: str) -> bool:
    """Say whether it is written like eu-west-1."""
    *words, number = text.split("-")
    are_words = len(words) > 1 and all(word.isalpha() and word.islower() for word in words)
    return text.isascii() and are_words and number.isdecimal() and len(number) <= 2  # noqa: PLR2004 - so far


def _value(text: str, key: str) -> str:
    for line in text.split("\n"):
        found, _, value = line.partition("=" if "=" in line else ":")
        if found.rstrip().lower() == key:
            return value.strip()
    return ""


def _sections(variables: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """Give the kind, the name and the text of every profile and session whose header is written plainly."""
    for section in f"\n{_config(variables)}".split("\n[")[1:]:
        header, bracket, text = section.partition("]")
        words = header.split()
        if header == "default" and bracket:
            yield "profile", header, text
        elif len(words) == 2 and words[0] in _KINDS_OF_SECTIONS and bracket and _is_plain(header):  # noqa: PLR2004
            yield words[0], words[1], text


def _is_plain(header: str) -> bool:
    """Say whether a header is one line without quotes, from its first character on."""
    return "\n" not in header and "'" not in header and '"' not in header and not header[0].isspace()


def _config(variables: dict[str, str]) -> str:
    return _content(config_file(variables)).decode("utf-8", "replace")


# What the last sync remembered


def _accounts(variables: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Give every account by its id, and by its name where that is one account's only."""
    accounts = {account["id"]: account["name"] for account in _remembered(variables)}
    bearers: dict[str, list[str]] = {}
    for number, name in accounts.items():
        yield number, name
        bearers.setdefault(name, []).append(number)
    for name, numbers in bearers.items():
        if len(numbers) == 1:
            yield name, numbers[0]


def _roles(variables: dict[str, str]) -> Iterator[tuple[str, str]]:
    for account in _remembered(variables):
        for role in account["roles"]:
            yield role, ""


def _words(variables: dict[str, str]) -> Iterator[tuple[str, str]]:
    for _kind, name, text in _sections(variables):
        word = _value(text, "credential_process").rpartition(" ")[2]
        if word.count("/") == 2:  # noqa: PLR2004 - SESSION/ACCOUNT/ROLE
            yield word, name


def _remembered(variables: dict[str, str]) -> Iterator[dict[str, str]]:
    import json  # noqa: PLC0415 - 3 ms that profiles do not need

    directory = os.path.join(cache_dir(variables), "inventory")  # noqa: PTH118 - pathlib is 3 ms of a Tab
    for name in sorted(os.listdir(directory)):  # noqa: PTH208 - as above
        if name.endswith(".json"):
            yield from json.loads(_content(os.path.join(directory, name)))["accounts"]  # noqa: PTH118 - as above


def _services(_variables: dict[str, str]) -> Iterator[tuple[str, str]]:
    return ((service, "") for service in SERVICES)


_SOURCES: dict[str, Callable[[dict[str, str]], Iterable[tuple[str, str]]]] = {
    "account": _accounts,
    "profile": _profiles,
    "region": _regions,
    "role": _roles,
    "service": _services,
    "session": _sessions,
    "word": _words,
}
KINDS = tuple(_SOURCES)


# Places


def config_file(variables: dict[str, str]) -> str:
    """Give `~/.aws/config`, or what `AWS_CONFIG_FILE` names."""
    configured = variables.get("AWS_CONFIG_FILE")
    return os.path.expanduser(os.path.expandvars(configured) if configured else "~/.aws/config")  # noqa: PTH111


def cache_dir(variables: dict[str, str]) -> str:
    """Give the directory of what was found last."""
    if sys.platform in ("win32", "darwin"):
        import platformdirs  # noqa: PLC0415 - 10 ms that Linux does not need

        return platformdirs.user_cache_dir("awssso")
    base = variables.get("XDG_CACHE_HOME", "").strip()
    return f"{base or os.path.expanduser('~/.cache')}/awssso"  # noqa: PTH111 - as above


def _content(path: str) -> bytes:
    try:
        # O_NONBLOCK: a pipe in the place of the file must not hold the shell.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return b""
    with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor
        return stream.read()


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]

"""What a completion can offer: profiles, accounts, roles, sessions, services, from files only.

The quick path of the shells (`awssso complete KIND`), pressed at every Tab: no argparse, no keyring, no network, and
silent whatever is wrong. It imports little, so it names the places by itself; a test compares them with `environment`.
"""

from __future__ import annotations

import json
import os
import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# Any line that begins a section; the groups are empty where it is not one of these.
_HEADER = re.compile(rb"^\[(?:(profile|sso-session)[ \t]+([^\s\]'\"]+)[ \t]*\]|(default)\])?", re.MULTILINE)
_SOURCE = re.compile(rb"^source_profile[ \t]*[=:]", re.MULTILINE | re.IGNORECASE)
_OUR_ROLE = re.compile(rb"\bcredential-process[ \t]+[^\s/]+/([0-9]{12})/(\S+)")
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]{1,2}")
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
        found = [each for each in known(kind, dict(os.environ)) if each[0].startswith(start)]
        text = "".join(f"{value}\t{what}\n" if what else f"{value}\n" for value, what in found)
        _write(text.encode("utf-8", "replace"))
    except Exception:  # noqa: BLE001 - a word on the screen would stand in the middle of a command line
        return 1
    return 0


def known(kind: str, variables: dict[str, str]) -> list[tuple[str, str]]:
    """Give the candidates of a kind with what each is, in the order of their names; an unknown kind has none."""
    source = _SOURCES.get(kind)
    if source is None:
        return []
    found = {value: what for value, what in source(variables) if _is_typable(value)}
    return sorted((value, _shown(what)) for value, what in found.items())


def _is_typable(value: str) -> bool:
    return value.isprintable() and 0 < len(value) <= _LONGEST and not value.startswith("-")


def _shown(what: str) -> str:
    return what if what.isprintable() else "".join(each for each in what if each.isprintable())[:_LONGEST]


# The config file, by its lines: configparser would need 0.2 s for 4,000 profiles


def _profiles(variables: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Give what `exec` and the others take: generated profiles, and those by hand that build on another profile."""
    for kind, name, text in _sections(variables):
        if kind == "sso-session":
            continue
        role = _OUR_ROLE.search(text)
        if role:
            yield name, role[1].decode()
        elif _SOURCE.search(text):
            yield name, "role_arn"


def _sessions(variables: dict[str, str]) -> Iterator[tuple[str, str]]:
    for kind, name, text in _sections(variables):
        if kind == "sso-session":
            yield name, _value(text, b"sso_start_url")


def _regions(variables: dict[str, str]) -> Iterator[tuple[str, str]]:
    for _kind, _name, text in _sections(variables):
        for key in (b"region", b"sso_region"):
            region = _value(text, key)
            if _REGION.fullmatch(region):
                yield region, ""


def _value(text: bytes, key: bytes) -> str:
    for line in text.splitlines():
        found, _, value = line.partition(b"=")
        if found.strip().lower() == key:
            return value.strip().decode("utf-8", "replace")
    return ""


def _sections(variables: dict[str, str]) -> Iterator[tuple[str, str, bytes]]:
    """Give the kind, the name and the text of every profile and session."""
    text = _content(config_file(variables))
    headers = list(_HEADER.finditer(text))
    ends = [*(header.start() for header in headers[1:]), len(text)]
    for header, end in zip(headers, ends, strict=True):
        name = header[2] or header[3]
        if name:
            yield (header[1] or b"profile").decode(), name.decode("utf-8", "replace"), text[header.end() : end]


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
        word = _value(text, b"credential_process").rpartition(" ")[2]
        if word.count("/") == 2:  # noqa: PLR2004 - SESSION/ACCOUNT/ROLE
            yield word, name


def _remembered(variables: dict[str, str]) -> Iterator[dict[str, str]]:
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

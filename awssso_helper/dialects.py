"""What the SDKs of other languages make of lines that botocore reads: otherwise, or not at all (PROTOCOL 4.1).

Pure: a file that parses goes in, a list of lines with the trouble comes out. Nobody sees such trouble coming, since
each SDK passes over what it cannot read without a word.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awssso_helper.aws_config import ConfigFile, Line

_KINDS = ("profile", "sso-session", "services")
_JS_NAME = re.compile(r"[\w@+.%:/-]+", re.ASCII)
_DELIMITER = re.compile(r"[=:]")
_COMMENT = re.compile(r"\s[#;]")
# One blank between them belongs to neither; more of them are a part of the name for JavaScript.
_KIND_AND_NAME = re.compile(r"(\S*)(?:\s(.*))?", re.DOTALL)
_QUOTES = ("'", '"')


@dataclass(frozen=True, slots=True)
class Difference:
    """A line that is not the same to all. It `loses` when a whole section or key is missing for somebody.

    `text` is the section's name, which may name an account.
    """

    line: int
    what: str
    text: str
    loses: bool = True


def differences(file: ConfigFile, *, is_credentials: bool = False) -> list[Difference]:
    """List the lines of a file that some SDK reads otherwise than botocore, in their order."""
    found: list[Difference] = []
    section, value_is_empty = "", True
    for number, line in enumerate(file.lines, 1):
        if line.kind == "header":
            section = line.text
            problems = _credentials_header(line) if is_credentials else _header(line)
        elif line.kind == "key":
            value_is_empty = not _value(line)
            problems = _key(line)
        elif line.kind == "more":
            problems = _continuation(line, is_nested=value_is_empty)
        else:
            continue
        found += [Difference(number, what, section, loses=loses) for what, loses in problems]
    if "default" in file.sections and "profile default" in file.sections and not is_credentials:
        number = next(n for n, line in enumerate(file.lines, 1) if line.text == "profile default")
        found.append(Difference(number, "[default] and [profile default] are both there, and SDKs differ", "default"))
    return sorted(found, key=lambda each: each.line)


def _header(line: Line) -> Iterator[tuple[str, bool]]:
    text = line.text
    parts = _KIND_AND_NAME.match(text)
    kind, name = (parts[1], parts[2] or "") if parts else ("", "")
    if text.strip() != text:
        yield "blanks inside the brackets: most SDKs do not find this section", True
    elif "]" in text:
        yield "a bracket in the comment behind it: AWS CLI and boto3 do not find this section", True
    elif text == "DEFAULT":
        yield "AWS CLI and boto3 put the keys of [DEFAULT] into every profile", True
    elif text.lower() == "default" and text != "default":
        yield "[default] is written in small letters, so this is no profile", True
    elif kind not in _KINDS:
        if text != "default" and kind.startswith(_KINDS):
            yield "only AWS CLI and boto3 take this for a profile or session", True
        elif text != "default" and not name:
            yield "a profile is written [profile NAME] in this file, so this is none", True
    else:
        yield from _name(name)


def _name(name: str) -> Iterator[tuple[str, bool]]:
    try:
        words = shlex.split(name)
    except ValueError:
        words = []
    if not words or len(words) > 1:
        yield "AWS CLI, boto3 and JavaScript do not find a name like this", True
    elif name != words[0]:
        yield "the SDKs for Go and JavaScript do not find a quoted name", True
    elif name.strip() != name or not _JS_NAME.fullmatch(name):
        yield "the SDKs for JavaScript and Java do not find a name like this", True


def _credentials_header(line: Line) -> Iterator[tuple[str, bool]]:
    if line.text.startswith("profile "):
        yield "sections of the credentials file have no word `profile`: nobody finds these keys", True
    elif line.text == "DEFAULT":
        yield "AWS CLI and boto3 put the keys of [DEFAULT] into every profile", True


def _key(line: Line) -> Iterator[tuple[str, bool]]:
    text = line.raw.decode("utf-8").strip()
    delimiter = _DELIMITER.search(text)
    value = _value(line)
    if delimiter and delimiter[0] == ":":
        yield "the SDK for JavaScript does not read `key: value`", False
    elif delimiter and text[: delimiter.start()].strip() != line.text:
        yield "the SDK for JavaScript reads keys in small letters only", False
    if _COMMENT.search(value):
        yield "the comment behind the value is a part of it for AWS CLI and boto3", True
    elif len(value) > 1 and value[0] in _QUOTES and value[0] == value[-1]:
        yield "the quotes around the value are a part of it for some SDKs, and not for others", False


def _value(line: Line) -> str:
    parts = _DELIMITER.split(line.raw.decode("utf-8").strip(), maxsplit=1)
    return parts[1].strip() if len(parts) > 1 else ""


def _continuation(line: Line, *, is_nested: bool) -> Iterator[tuple[str, bool]]:
    text = line.raw.decode("utf-8").strip()
    if text.startswith("[") and text.endswith("]"):
        yield "an indented [section]: for AWS CLI and boto3 it is a part of the value above", True
    elif not is_nested:
        yield "an indented line goes on with the value above for AWS CLI and boto3, and not for others", True

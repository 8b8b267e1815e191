"""One section of `~/.aws/config` or `~/.aws/credentials` as exact bytes: found, changed, cut out, put back.

Text in, text out, no file is touched. A section is its header with the comments right above it and all below, up to
the comments right above the next header; every byte outside it stays what it was.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from awssso_helper import aws_config
from awssso_helper.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from awssso_helper.aws_config import ConfigFile, Value

# What botocore reads without quotes and the SDKs for JavaScript and Go take too (PROTOCOL 4.1).
PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+/:%-]{0,127}", re.ASCII)

_INNER_INDENT = "        "


class Section(NamedTuple):
    """One section; `text` is all of it."""

    header: str
    text: bytes


def split(file: ConfigFile) -> tuple[bytes, list[Section]]:
    """Take a file apart: what stands before the first section, and the sections; joined they are the file.

    A marker of the managed block parts sections too, and stands among them without a header.
    """
    starts: list[tuple[int, str]] = []
    for number, line in enumerate(file.lines):
        if aws_config.marker(line):
            starts.append((number, ""))
        elif line.kind == "header":
            starts.append((_start(file, number), line.text))
    if not starts:
        return file.data, []
    stops = [*(start for start, _ in starts[1:]), len(file.lines)]
    return aws_config.joined(file.lines[: starts[0][0]]), [
        Section(header, aws_config.joined(file.lines[start:stop]))
        for (start, header), stop in zip(starts, stops, strict=True)
    ]


def _start(file: ConfigFile, header: int) -> int:
    """Go up over the comments right above a header."""
    start = header
    while start and file.lines[start - 1].kind == "comment" and not aws_config.marker(file.lines[start - 1]):
        start -= 1
    return start


def headers(file: ConfigFile) -> tuple[str, ...]:
    """Give the headers in their order."""
    return tuple(line.text for line in file.lines if line.kind == "header")


def text_of(file: ConfigFile, header: str) -> bytes | None:
    """Give the bytes of a section, or None where there is none."""
    return next((each.text for each in split(file)[1] if each.header == header), None)


def profile_header(file: ConfigFile, profile: str) -> str | None:
    """Find the header that means a profile in a config file, or None.

    Raises:
        RefusedError: two headers mean it, and AWS tools disagree on which one counts.
    """
    found = [header for header in headers(file) if aws_config.profile_name(header) == profile]
    if len(found) > 1:
        raise RefusedError(
            f"{file.name} has two sections for the profile {profile[:64]!a}", hint=f"join them in {file.name}"
        )
    return found[0] if found else None


def new_header(profile: str) -> str:
    """Give the header of a profile that a config file does not have yet.

    Raises:
        RefusedError: not every SDK could read the name.
    """
    if not PLAIN_NAME.fullmatch(profile):
        raise RefusedError(
            f"{profile[:64]!a} is no name that every AWS tool reads", hint="rename it, without blanks and quotes"
        )
    return "default" if profile == "default" else f"profile {profile}"


def without(file: ConfigFile, header: str) -> bytes:
    """Cut a section out; where there is none, the text stays.

    Raises:
        RefusedError: something else would change with it.
    """
    head, parts = split(file)
    kept = [each.text for each in parts if each.header != header]
    return aws_config.checked(file, head + b"".join(kept), changed_section=header)


def put_back(file: ConfigFile, section: Section, order: Sequence[str]) -> bytes:
    """Put a section that was cut out where it was; `order` are the headers of the file as it was then.

    It goes right before the next of its old neighbours that is still there, else right behind the last one before
    it, else to the end. Where nothing else has changed, the bytes are what they were.

    Raises:
        RefusedError: there is another section of this name, or something else would change.
    """
    head, parts = split(file)
    there = [each.header for each in parts]
    if section.header in there:
        raise RefusedError(
            f"{file.name} has a section {section.header[:64]!a} again", hint="rename or remove it, then try again"
        )
    at = _place(section.header, there, order)
    texts = [each.text for each in parts]
    before, behind = head + b"".join(texts[:at]), b"".join(texts[at:])
    newline = aws_config.newline_of(file)
    text = section.text
    if before and not before.endswith((b"\n", b"\r")):
        before += newline
    if behind and not text.endswith((b"\n", b"\r")):
        text += newline
    return aws_config.checked(file, before + text + behind, changed_section=section.header)


def _place(header: str, there: Sequence[str], order: Sequence[str]) -> int:
    at = order.index(header) if header in order else len(order)
    for each in order[at + 1 :]:
        if each in there:
            return there.index(each)
    for each in reversed(order[:at]):
        if each in there:
            return there.index(each) + 1
    return len(there)


def replaced(file: ConfigFile, header: str, text: bytes) -> bytes:
    """Give a section that is there other bytes.

    Raises:
        RefusedError: something else would change.
    """
    head, parts = split(file)
    texts = [text if each.header == header else each.text for each in parts]
    return aws_config.checked(file, head + b"".join(texts), changed_section=header)


def with_settings(file: ConfigFile, header: str, changes: Mapping[str, Value | None]) -> bytes:
    """Change keys of a section that is there (None removes one), or write it new at the end.

    Raises:
        RefusedError: the result could not be read back, or something else would change.
    """
    values = {key: None if value is None else _written(value) for key, value in changes.items()}
    text = text_of(file, header)
    newline = aws_config.newline_of(file)
    if text is None:
        lines = [f"[{header}]", *(f"{key} = {value}" for key, value in values.items() if value is not None)]
        after = aws_config.ended(file) + b"".join(_encoded(line, newline) for line in lines)
    else:
        edited = aws_config.edited_lines(
            tuple(aws_config.lines_of(text)), values, (aws_config.PROCESS, "region"), newline
        )
        head, parts = split(file)
        after = head + b"".join(edited if each.header == header else each.text for each in parts)
    aws_config.checked(file, after, changed_section=header)
    now = aws_config.parsed(after, name=file.name).sections.get(header, {})
    if any(now.get(key) != value for key, value in changes.items()):
        raise RefusedError(f"the section {header[:64]!a} of {file.name} could not be read back", hint="awssso doctor")
    return after


def _written(value: Value) -> str:
    if isinstance(value, str):
        return value
    return "".join(f"\n{_INNER_INDENT}{key} = {each}" for key, each in value.items())


def _encoded(line: str, newline: bytes) -> bytes:
    return line.replace("\n", newline.decode()).encode() + newline

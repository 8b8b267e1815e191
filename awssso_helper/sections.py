"""One section of `~/.aws/config` or `~/.aws/credentials` as exact bytes: found, changed, cut out, put back.

Text in, text out, no file is touched. A section is its header and all down to the last of its settings; the comments
and blank lines between two sections belong to neither, and stay where they are when a section goes and comes back.
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


class Spot(NamedTuple):
    """Where a section stands: so many lines that belong to no section are above it.

    Cutting sections out and putting them back changes none of those lines, so the number stays good.
    """

    header: str
    above: int


class _Span(NamedTuple):
    """The lines of a section, from its header to behind its last setting."""

    header: str
    start: int
    stop: int


def _spans(file: ConfigFile) -> list[_Span]:
    """Find the sections; a marker of the managed block ends one, too."""
    spans: list[_Span] = []
    is_open = False
    for number, line in enumerate(file.lines):
        if line.kind == "header":
            spans.append(_Span(line.text, number, number + 1))
            is_open = True
        elif aws_config.marker(line):
            is_open = False
        elif is_open and line.kind in ("key", "more"):
            # Comments and blank lines above it are within the section.
            spans[-1] = spans[-1]._replace(stop=number + 1)
    return spans


def _span(file: ConfigFile, header: str) -> _Span | None:
    return next((span for span in _spans(file) if span.header == header), None)


def headers(file: ConfigFile) -> tuple[str, ...]:
    """Give the headers in their order."""
    return tuple(line.text for line in file.lines if line.kind == "header")


def text_of(file: ConfigFile, header: str) -> bytes | None:
    """Give the bytes of a section, or None where there is none."""
    span = _span(file, header)
    return None if span is None else aws_config.joined(file.lines[span.start : span.stop])


def around(file: ConfigFile, header: str) -> tuple[bytes, bytes]:
    """Give what stands before a section and what stands behind it; where there is none, all stands before it."""
    span = _span(file, header)
    if span is None:
        return file.data, b""
    return aws_config.joined(file.lines[: span.start]), aws_config.joined(file.lines[span.stop :])


def between(file: ConfigFile) -> bytes:
    """Give all that belongs to no section."""
    start = 0
    texts = []
    for span in _spans(file):
        texts.append(aws_config.joined(file.lines[start : span.start]))
        start = span.stop
    return b"".join(texts) + aws_config.joined(file.lines[start:])


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
    return aws_config.checked(file, b"".join(around(file, header)), changed_section=header)


# Where a section goes back to


def layout(file: ConfigFile) -> tuple[Spot, ...]:
    """Say where each section stands."""
    spots: list[Spot] = []
    owned = 0
    for span in _spans(file):
        spots.append(Spot(span.header, span.start - owned))
        owned += span.stop - span.start
    return tuple(spots)


def woven(now: Sequence[Spot], header: str, then: Sequence[Spot]) -> tuple[Spot, ...]:
    """Give the layout with a section that was cut out, as if it were back; `then` is the layout before it was cut."""
    if any(spot.header == header for spot in now):
        return tuple(now)
    index, above = _place(now, header, then)
    return (*now[:index], Spot(header, above), *now[index:])


def _place(now: Sequence[Spot], header: str, then: Sequence[Spot]) -> tuple[int, int]:
    """Find a section's place: how many sections and how many lines between sections come before it.

    It is as far from its old neighbour above as it was, and not below its old neighbour below.
    """
    was = {spot.header: spot.above for spot in then}
    here = {spot.header: spot.above for spot in now}
    if header not in was:
        return len(now), max(here.values(), default=0)
    order = [spot.header for spot in then]
    at = order.index(header)
    before = next((each for each in reversed(order[:at]) if each in here), None)
    behind = next((each for each in order[at + 1 :] if each in here), None)
    above = was[header]
    if before is not None:
        above += here[before] - was[before]
    elif behind is not None:
        above += here[behind] - was[behind]
    if behind is not None:
        above = min(above, here[behind])
    above = max(above, 0)
    index = sum(spot.above <= above for spot in now)
    if behind is not None and here[behind] == above:
        index = [spot.header for spot in now].index(behind)
    return index, above


def put_back(file: ConfigFile, section: Section, then: Sequence[Spot]) -> bytes:
    """Put a section that was cut out where it was; `then` is the layout of the file before.

    Where nothing else has changed since, the bytes are what they were.

    Raises:
        RefusedError: there is another section of this name, or something else would change.
    """
    lengths = [span.stop - span.start for span in _spans(file)]
    total = len(file.lines) - sum(lengths)
    is_known = any(spot.header == section.header for spot in then)
    index, above = _place(layout(file), section.header, then) if is_known else (len(lengths), total)
    return _with_section_at(file, sum(lengths[:index]) + min(above, total), section)


def put_back_with_comments(file: ConfigFile, section: Section, order: Sequence[str]) -> bytes:
    """Put back what an earlier version cut out, which took the comments above a section and what followed it along.

    It goes right before the next of its old neighbours in `order` that is still there and the comments above that,
    else to the end.

    Raises:
        RefusedError: as `put_back`.
    """
    later = order[order.index(section.header) + 1 :] if section.header in order else ()
    behind = next((each for each in later if each in headers(file)), None)
    if behind is None:
        return _with_section_at(file, len(file.lines), section)
    at = next(n for n, line in enumerate(file.lines) if line.kind == "header" and line.text == behind)
    while at and file.lines[at - 1].kind == "comment":
        at -= 1
    return _with_section_at(file, at, section)


def _with_section_at(file: ConfigFile, number: int, section: Section) -> bytes:
    if section.header in headers(file):
        raise RefusedError(
            f"{file.name} has a section {section.header[:64]!a} again", hint="rename or remove it, then try again"
        )
    before, behind = aws_config.joined(file.lines[:number]), aws_config.joined(file.lines[number:])
    if before and not before.endswith((b"\n", b"\r")):
        before += aws_config.newline_of(file)
    after = before + parted(section.text, behind, file) + behind
    return aws_config.checked(file, after, changed_section=section.header)


def parted(text: bytes, behind: bytes, file: ConfigFile) -> bytes:
    """Give the text with the final newline that it needs where something stands behind it."""
    needs_one = bool(text and behind) and is_open(text) and not behind.startswith((b"\n", b"\r"))
    return text + aws_config.newline_of(file) if needs_one else text


def is_open(text: bytes) -> bool:
    """Say whether the last line has no newline."""
    return not text.endswith((b"\n", b"\r"))


def _ended_like(text: bytes, model: bytes, file: ConfigFile) -> bytes:
    """Give the text with a final newline, or without one as at the end of a file, as the model has it or has not.

    Blank lines at such an end would be one short, and nobody could tell by how many.
    """
    if not is_open(model):
        return parted(text, b"[", file)
    return text.rstrip(b"\r\n")


def with_settings(file: ConfigFile, header: str, changes: Mapping[str, Value | None]) -> bytes:
    """Change keys of a section that is there (None removes one), or write it new at the end.

    Raises:
        RefusedError: the result could not be read back, or something else would change.
    """
    values = {key: None if value is None else _written(value) for key, value in changes.items()}
    text = text_of(file, header)
    newline = aws_config.newline_of(file)
    if text is None:
        there = {key: value for key, value in values.items() if value is not None}
        after = aws_config.ended(file) + aws_config.new_section(header, there, newline)
    else:
        edited = aws_config.edited_lines(
            tuple(aws_config.lines_of(text)), values, (aws_config.PROCESS, "region"), newline
        )
        before, behind = around(file, header)
        after = before + _ended_like(edited, text, file) + behind
    aws_config.checked(file, after, changed_section=header)
    now = aws_config.parsed(after, name=file.name).sections.get(header, {})
    if any(now.get(key) != value for key, value in changes.items()):
        raise RefusedError(f"the section {header[:64]!a} of {file.name} could not be read back", hint="awssso doctor")
    return after


def _written(value: Value) -> str:
    if isinstance(value, str):
        return value
    return "".join(f"\n{_INNER_INDENT}{key} = {each}" for key, each in value.items())

"""The grammar of `~/.aws/config` and `~/.aws/credentials`: text in, text out, no file is touched here.

Reads exactly as botocore reads (PROTOCOL 4.1), and edits lines of bytes, never a parser's model, so that every byte
outside the managed block and the keys that we own stays what it was (SECURITY H4).
"""

from __future__ import annotations

import configparser
import io
import re
import shlex
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from awssso_helper.errors import RefusedError, UsageError
from awssso_helper.model import DEFAULT_SCOPES, Role, SsoSession

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

BEGIN = "# BEGIN awssso"
END = "# END awssso"
NOTE = "# Written by `awssso sync`, which keeps the keys that you add to a profile here and writes the rest anew."
PROCESS = "credential_process"

# What every parser reads as one word, and file names, ARNs and cmd.exe leave alone (PROTOCOL 4.1, the portable rule).
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}", re.ASCII)

_BOM = b"\xef\xbb\xbf"
_NOTE_START = "# Written by `awssso sync`"
_HEADER = re.compile(r"\[(.+)\]")
_OPTION = re.compile(r"(?P<key>.*?)\s*[=:]\s*(?P<value>.*)$")
_MARKER = re.compile(rb"[ \t]*#[ \t]*(BEGIN|END)[ \t]+awssso\s*")
# shlex costs 30 µs a name; of a header like this it makes these two words.
_PLAIN_HEADER = re.compile(r"[a-z-]+[ \t]+([A-Za-z0-9_.@+/:%=,-]+)[ \t]*")
_OUR_PROCESS = re.compile(r"(?P<launcher>\S.*?)\s+credential-process\s+(?P<word>\S+)")
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./@+:=-]+", re.ASCII)
_ABSOLUTE = re.compile(r"/|[A-Za-z]:[\\/]")
_JS_COMMENT = re.compile(r"(?:^|\s)[;#]")
_JS_HEADER = re.compile(r"([\w-]+)\s([\"']?)([\w@+.%:/-]+)\2", re.ASCII)
_JS_KINDS = frozenset({"profile", "sso-session", "services"})
_SESSION_KEYS = ("sso_start_url", "sso_region", "sso_registration_scopes")

Value = str | dict[str, str]
Section = dict[str, Value]


class Line(NamedTuple):
    """One line as configparser sees it; `kind` is blank, comment, header, key or more (of the value above).

    `text` is the section name of a header and the lower-case key of a key line, else empty.
    """

    raw: bytes
    kind: str
    text: str


@dataclass(frozen=True)
class ConfigFile:
    """What botocore makes of a file.

    `sections` has every section under its raw header, which is also the profile name in a credentials file;
    `defaults` is `[DEFAULT]`, whose keys are in every section. A nested value (`s3 =`) is a dict.
    """

    name: str
    data: bytes
    lines: tuple[Line, ...]
    sections: dict[str, Section]
    defaults: Section

    @cached_property
    def block(self) -> Block | None:
        """The managed block; None when there is none.

        Raises:
            RefusedError: the markers are no pair, or something between or right below them is not ours to move.
        """
        return _block(self)

    @cached_property
    def outside(self) -> dict[str, Section]:
        """The sections that are not in the block.

        Raises:
            RefusedError: as `block`.
        """
        if self.block is None:
            return self.sections
        lines = self.lines[self.block.begin : self.block.end]
        inside = {line.text for line in lines if line.kind == "header"}
        return {header: values for header, values in self.sections.items() if header not in inside}

    @property
    def profiles(self) -> dict[str, Section]:
        """The profiles of a config file; of two headers for one name the later is the profile."""
        return _profiles(self.sections)

    @property
    def sso_sessions(self) -> dict[str, Section]:
        """The `[sso-session NAME]` sections, complete or not."""
        return _named(self.sections, "sso-session")

    @property
    def services(self) -> dict[str, Section]:
        """The `[services NAME]` sections."""
        return _named(self.sections, "services")


@dataclass(frozen=True, slots=True)
class Entry:
    """One generated profile as it stands in the block.

    `launcher` is the start of the `credential_process` value, quotes included; `settings` are the other keys;
    `text` is the whole section with the comments right above it, byte for byte.
    """

    name: str
    role: Role
    launcher: str
    settings: Section
    text: bytes


@dataclass(frozen=True, slots=True)
class Block:
    """The managed block: indices of the marker lines in `ConfigFile.lines`, and what is between them."""

    begin: int
    end: int
    entries: tuple[Entry, ...]


# Reading


@lru_cache(maxsize=1)
def parsed(data: bytes, *, name: str) -> ConfigFile:
    """Read a file as botocore does; `name` is what messages call it. Whoever asks next mostly asks for the same.

    Raises:
        RefusedError: botocore could not read it either; the message names the line and quotes nothing of it.
    """
    parser = configparser.RawConfigParser()
    problem = _first_problem(parser, data)
    if problem:
        raise _refusal(name, *problem)
    lines = tuple(lines_of(data))
    sections = {section: _nested(dict(parser.items(section, raw=True)), section, lines, name) for section in parser}
    return ConfigFile(name, data, lines, sections, sections.pop(parser.default_section))


def _first_problem(parser: configparser.RawConfigParser, data: bytes) -> tuple[int, str] | None:
    """Fill the parser; say in which line and why it could not be. Its own words would quote the line."""
    if data.startswith(_BOM):
        return 1, "the file starts with a byte order mark, which AWS tools cannot read"
    try:
        parser.read_file(io.StringIO(data.decode("utf-8"), newline=None))
    except UnicodeDecodeError as error:
        return len((data[: error.start] + b"?").splitlines()), "this is not UTF-8 text"
    except configparser.Error as error:
        return _problem_of(error)
    return None


def _problem_of(error: configparser.Error) -> tuple[int, str]:
    if isinstance(error, configparser.DuplicateSectionError):
        return error.lineno or 1, f"a second section {error.section[:80]!a}"
    if isinstance(error, configparser.DuplicateOptionError):
        return error.lineno or 1, f"{error.option[:80]!a} is set a second time in its section"
    if isinstance(error, configparser.MissingSectionHeaderError):
        return error.lineno, "this stands before the first [section]"
    if isinstance(error, configparser.ParsingError):
        return error.errors[0][0], "this is no [section], no key = value and no comment"
    return 1, "this cannot be read"


def _refusal(name: str, number: int, problem: str, hint: str = "") -> RefusedError:
    return RefusedError(f"{name}, line {number}: {problem}", hint=hint or f"correct line {number} of {name}")


def lines_of(data: bytes) -> Iterable[Line]:
    """Name what every line is, by the rules of configparser's own loop; for text that parses."""
    in_value = False
    indent = 0
    for raw in data.splitlines(keepends=True):
        text = raw.decode("utf-8")
        value = text.strip()
        if not value:
            yield Line(raw, "blank", "")
            continue
        if value[0] in "#;":
            yield Line(raw, "comment", "")
            continue
        depth = len(text) - len(text.lstrip())
        if in_value and depth > indent:
            yield Line(raw, "more", "")
            continue
        indent = depth
        header = _HEADER.match(value)
        in_value = header is None
        option = None if header else _OPTION.match(value)
        yield Line(raw, "header", header[1]) if header else Line(raw, "key", option["key"].lower() if option else "")


def _nested(values: dict[str, str], section: str, lines: Sequence[Line], name: str) -> Section:
    """Make dicts of the values that start on the line below their key, as botocore does."""
    found: Section = {}
    for key, value in values.items():
        if not value.startswith("\n"):
            found[key] = value
            continue
        inner = [line.strip() for line in value.splitlines()]
        if not all("=" in line for line in inner if line):
            raise _refusal(name, _line_without_equals(section, key, lines), "an indented line without =")
        pairs = (line.partition("=") for line in inner if line)
        found[key] = {inner_key.strip(): inner_value.strip() for inner_key, _, inner_value in pairs}
    return found


def _line_without_equals(section: str, key: str, lines: Sequence[Line]) -> int:
    here = ("", "")
    for number, line in enumerate(lines, 1):
        if line.kind == "header":
            here = (line.text, "")
        elif line.kind == "key":
            here = (here[0], line.text)
        elif line.kind == "more" and here == (section, key) and b"=" not in line.raw:
            return number
    return _header_line(section, lines)


def _header_line(section: str, lines: Sequence[Line]) -> int:
    return next((n for n, line in enumerate(lines, 1) if line.kind == "header" and line.text == section), 1)


def _profiles(sections: Mapping[str, Section]) -> dict[str, Section]:
    found: dict[str, Section] = {}
    for header, values in sections.items():
        name = profile_name(header)
        if name is not None:
            found[name] = values
    return found


def profile_name(header: str) -> str | None:
    """Give the profile that a header of a config file means, or None where it means something else."""
    if header == "default":
        return header
    return _second_word(header) if header.startswith("profile") else None


def has_profile(data: bytes, name: str, *, is_credentials: bool) -> bool:
    """Say whether a file has a section for a profile, without reading the whole as `parsed` does."""
    sought = name.encode("utf-8", "surrogateescape")
    headers = [line for line in data.splitlines() if line.startswith(b"[") and sought in line]
    texts = [line[1:].partition(b"]")[0].decode("utf-8", "surrogateescape") for line in headers]
    return name in (texts if is_credentials else map(profile_name, texts))


def merged_profiles(config: ConfigFile, credentials: ConfigFile) -> dict[str, Section]:
    """Put together what both files say of each profile; the credentials file wins (botocore's `full_config`)."""
    profiles = config.profiles
    return {
        name: {**profiles.get(name, {}), **credentials.sections.get(name, {})}
        for name in {**profiles, **credentials.sections}
    }


def _named(sections: Mapping[str, Section], kind: str) -> dict[str, Section]:
    pairs = ((_second_word(header), values) for header, values in sections.items() if header.startswith(kind))
    return {name: values for name, values in pairs if name is not None}


def _second_word(header: str) -> str | None:
    plain = _PLAIN_HEADER.fullmatch(header)
    if plain:
        return plain[1]
    try:
        words = shlex.split(header)
    except ValueError:
        return None
    return words[1] if len(words) == 2 else None  # noqa: PLR2004 - the kind and the name


# SSO sessions


def sso_sessions(data: bytes, *, name: str) -> list[SsoSession]:
    """List the SSO sessions that a config file knows, the complete `[sso-session]` sections first.

    Profiles of the old form (`sso_start_url` and `sso_region` in the profile itself) whose pair no section has
    give a session named after the first label of the start URL's host, with `-REGION` where that is taken. Start
    URLs are as written, not normalised.

    Raises:
        RefusedError: the file does not parse.
    """
    return sessions_of(parsed(data, name=name))


def sessions_of(file: ConfigFile) -> list[SsoSession]:
    """List the SSO sessions of a file that was read, as `sso_sessions` does."""
    sessions = [found for each, values in file.sso_sessions.items() if (found := _session(each, values))]
    known = {(_same_url(session.start_url), session.region) for session in sessions}
    names = {session.name for session in sessions}
    for legacy in sorted(_legacy_sessions(file), key=lambda each: (each.name, each.region, each.start_url)):
        key = (_same_url(legacy.start_url), legacy.region)
        free = [each for each in (legacy.name, f"{legacy.name}-{legacy.region}") if each not in names]
        if key in known or not free:
            continue
        known.add(key)
        names.add(free[0])
        sessions.append(replace(legacy, name=free[0]))
    return sessions


def _session(name: str, values: Section) -> SsoSession | None:
    url, region, scopes = (values.get(key, "") for key in _SESSION_KEYS)
    if not (isinstance(url, str) and isinstance(region, str) and isinstance(scopes, str) and name and url and region):
        return None
    return SsoSession(name, url, region, _scopes(scopes) or DEFAULT_SCOPES)


def _scopes(text: str) -> tuple[str, ...]:
    return tuple(scope.strip() for scope in text.split(",") if scope.strip())


def _legacy_sessions(file: ConfigFile) -> Iterable[SsoSession]:
    for values in file.profiles.values():
        url = values.get("sso_start_url", "")
        host = re.match(r"https?://([A-Za-z0-9-]+)", url) if isinstance(url, str) else None
        legacy = _session(host[1].lower(), values) if host and "sso_session" not in values else None
        if legacy:
            yield legacy


def _same_url(url: str) -> str:
    return url.partition("#")[0].rstrip("/").lower()


def with_sso_session(data: bytes, session: SsoSession, *, name: str) -> bytes:
    """Give the text with this session: a new section at the end, or the three keys of the one that is there.

    Raises:
        UsageError: the section would be new and not every SDK could read its name or its values.
        RefusedError: the file does not parse, or the result would change something else.
    """
    file = parsed(data, name=name)
    values = (session.start_url, session.region, ",".join(session.scopes))
    wanted = {key: value for key, value in zip(_SESSION_KEYS, values, strict=True) if value}
    for key, value in wanted.items():
        if not is_portable_value(value):
            raise UsageError(f"{key} has characters that AWS tools do not read", hint="awssso configure")
    headers = [each for each in _session_headers(file) if _second_word(each) == session.name]
    if headers:
        header = headers[-1]
        after = _with_section_edited(file, header, _session_changes(file.sections[header], wanted))
    else:
        header = f"sso-session {session.name}"
        after = _with_new_session(file, session.name, wanted)
    return checked(file, after, changed_section=header)


def _session_headers(file: ConfigFile) -> list[str]:
    return [header for header in file.sections if header.startswith("sso-session")]


def _session_changes(values: Section, wanted: Mapping[str, str]) -> dict[str, str | None]:
    scopes = values.get("sso_registration_scopes", "")
    same_scopes = isinstance(scopes, str) and _scopes(scopes) == _scopes(wanted.get("sso_registration_scopes", ""))
    return {
        key: value
        for key, value in wanted.items()
        if values.get(key) != value and not (key == "sso_registration_scopes" and same_scopes)
    }


def _with_section_edited(file: ConfigFile, header: str, changes: Mapping[str, str | None]) -> bytes:
    start = _header_line(header, file.lines) - 1
    stops = (n for n, line in enumerate(file.lines) if n > start and line.kind == "header")
    stop = next(stops, len(file.lines))
    section = edited_lines(file.lines[start:stop], changes, _SESSION_KEYS, newline_of(file))
    return joined(file.lines[:start]) + section + joined(file.lines[stop:])


def _with_new_session(file: ConfigFile, name: str, wanted: Mapping[str, str]) -> bytes:
    if not SAFE_NAME.fullmatch(name):
        raise UsageError(
            f"{name[:80]!a} cannot be the name of an SSO session",
            hint="use letters, digits and any of _ . @ + -, at most 64",
        )
    newline = newline_of(file)
    lines = [f"[sso-session {name}]", *(f"{key} = {value}" for key, value in wanted.items())]
    return ended(file) + b"".join(line.encode() + newline for line in lines)


# The managed block


def _block(file: ConfigFile) -> Block | None:
    marks = [(number, kind) for number, line in enumerate(file.lines) if (kind := marker(line))]
    if not marks:
        return None
    if [kind for _, kind in marks] != ["BEGIN", "END"]:
        raise _refusal(
            file.name,
            marks[-1][0] + 1,
            f"expected one line {BEGIN} and below it one line {END}, found {len(marks)} of them",
            hint=f"restore the pair of marker lines in {file.name}, or remove both with all between them",
        )
    begin, end = marks[0][0], marks[1][0]
    _refuse_stray_lines(file, begin, end)
    entries = tuple(_entries(file, begin, end))
    twice = [name for name, count in Counter(entry.name for entry in entries).items() if count > 1]
    if twice:
        raise _refusal(file.name, begin + 1, f"the awssso block has two profiles {twice[0][:80]!a}")
    return Block(begin, end, entries)


def marker(line: Line) -> str:
    """Say which marker of the managed block a line is: BEGIN, END or none (the empty string)."""
    match = _MARKER.fullmatch(line.raw) if line.kind == "comment" else None
    return match[1].decode() if match else ""


def _refuse_stray_lines(file: ConfigFile, begin: int, end: int) -> None:
    """Refuse lines whose section would become another one by what we write above them."""
    for start in (begin, end):
        for number in range(start + 1, len(file.lines)):
            kind = file.lines[number].kind
            if kind == "header" or number == end:
                break
            if kind in ("key", "more"):
                raise _refusal(
                    file.name,
                    number + 1,
                    "this setting would belong to another section once the awssso block changes",
                    hint=f"move line {number + 1} of {file.name} into its own section",
                )


def _entries(file: ConfigFile, begin: int, end: int) -> Iterable[Entry]:
    first = begin + 1
    if first < end and file.lines[first].raw.startswith(_NOTE_START.encode()):
        first += 1
    headers = [number for number in range(first, end) if file.lines[number].kind == "header"]
    starts = [first, *(_with_comments_above(file.lines, number) for number in headers[1:]), end]
    for header, start, stop in zip(headers, starts, starts[1:], strict=False):
        yield _entry(file, header, joined(file.lines[start:stop]))


def _with_comments_above(lines: Sequence[Line], header: int) -> int:
    while lines[header - 1].kind == "comment":
        header -= 1
    return header


def _entry(file: ConfigFile, header: int, text: bytes) -> Entry:
    section = file.lines[header].text
    name = profile_name(section)
    values = own_values(file, header)
    ours = _ours(values.pop(PROCESS, ""))
    if name is None or ours is None:
        raise _refusal(
            file.name,
            header + 1,
            "this section in the awssso block is not one that awssso wrote",
            hint=f"move it below the line {END} in {file.name}, or delete it",
        )
    launcher, role = ours
    return Entry(name, role, launcher, values, text)


def _ours(process: Value) -> tuple[str, Role] | None:
    """Take a `credential_process` value apart, when it is one of ours."""
    match = _OUR_PROCESS.fullmatch(process) if isinstance(process, str) else None
    try:
        return (match["launcher"], Role.from_word(match["word"])) if match else None
    except UsageError:
        return None


def role_of_process(process: Value) -> Role | None:
    """Give the role that a `credential_process` value asks us for; None where it is not one of ours."""
    ours = _ours(process)
    return ours[1] if ours else None


def _is_line_of(line: str, text: bytes) -> bool:
    return line.encode() in (each.strip() for each in text.splitlines())


def own_values(file: ConfigFile, header: int) -> Section:
    """Give the keys of a section without those that `[DEFAULT]` lends it."""
    values = dict(file.sections[file.lines[header].text])
    if file.defaults:
        own = {line.text for line in takewhile(lambda line: line.kind != "header", file.lines[header + 1 :])}
        values = {key: value for key, value in values.items() if key in own}
    return values


def profiles_outside(file: ConfigFile) -> dict[str, int]:
    """Give the profiles of a config file that are not in the block, each with the line of its header."""
    lines = section_lines(file)
    pairs = ((profile_name(header), header) for header in file.outside)
    return {name: lines[header] for name, header in pairs if name is not None}


def section_lines(file: ConfigFile) -> dict[str, int]:
    """Give the line of every header; in a credentials file the headers are the profile names."""
    return {line.text: number for number, line in enumerate(file.lines, 1) if line.kind == "header"}


def new_entry(name: str, role: Role, launcher: str, settings: Iterable[tuple[str, str]], newline: bytes) -> Entry:
    """Render a new profile: header, `credential_process`, one line for each setting.

    Raises:
        RefusedError: a part has characters that some SDK does not read back.
    """
    pairs = tuple(settings)
    process = process_value(launcher, role)
    if not (
        SAFE_NAME.fullmatch(name) and all(is_portable_value(value) for _, value in pairs) and process.isprintable()
    ):
        raise RefusedError(f"the profile {name[:80]!a} could not be read back", hint="awssso doctor")
    lines = [f"[profile {name}]", f"{PROCESS} = {process}", *(f"{key} = {value}" for key, value in pairs)]
    return Entry(name, role, launcher, dict(pairs), b"".join(line.encode() + newline for line in lines))


def process_value(launcher: str, role: Role) -> str:
    """Give the value of `credential_process`."""
    return f"{launcher} credential-process {role.word()}"


def edited_entry(entry: Entry, *, name: str, launcher: str, changes: Mapping[str, str | None], newline: bytes) -> Entry:
    """Give the entry with another name, launcher or values (None removes a key); every other line is the same."""
    process = f"{PROCESS} = {process_value(launcher, entry.role)}"
    # The line is brought to our form even where only its spelling differs: `:` for `=` is nothing to the JS SDK.
    is_same = _is_line_of(process, entry.text)
    if is_same and name == entry.name and not changes:
        return entry
    lines = list(lines_of(entry.text))
    header = next(number for number, line in enumerate(lines) if line.kind == "header")
    if name != entry.name:
        lines[header] = Line(f"[profile {name}]".encode() + _ending(lines[header].raw, newline), "header", "")
    every_change = dict(changes) if is_same else {PROCESS: process_value(launcher, entry.role), **changes}
    text = edited_lines(lines, every_change, (PROCESS,), newline)
    settings = {key: value for key, value in {**entry.settings, **changes}.items() if value is not None}
    return Entry(name, entry.role, launcher, settings, text)


def with_block(file: ConfigFile, entries: Sequence[Entry]) -> bytes:
    """Give the text with these entries between the markers, in this order; without entries, without markers.

    Where there is no block it comes at the end, after a blank line. Every byte outside is the same.
    """
    newline = newline_of(file)
    block = file.block
    inner = NOTE.encode() + newline + b"".join(entry.text for entry in entries)
    if block is None:
        return ended(file) + BEGIN.encode() + newline + inner + END.encode() + newline if entries else file.data
    if not entries:
        return joined(file.lines[: block.begin]) + joined(file.lines[block.end + 1 :])
    return joined(file.lines[: block.begin + 1]) + inner + joined(file.lines[block.end :])


# Lines


def newline_of(file: ConfigFile) -> bytes:
    r"""Give the line ending of a file, by its first line: CRLF or LF; a lone CR ends no line for the JS SDK."""
    return b"\r\n" if file.lines and file.lines[0].raw.endswith(b"\r\n") else b"\n"


def _ending(raw: bytes, newline: bytes) -> bytes:
    return raw[len(raw.rstrip(b"\r\n")) :] or newline


def _indent(raw: bytes) -> bytes:
    text = raw.decode("utf-8")
    return text[: len(text) - len(text.lstrip())].encode()


def joined(lines: Iterable[Line]) -> bytes:
    """Give the bytes of lines."""
    return b"".join(line.raw for line in lines)


def ended(file: ConfigFile) -> bytes:
    """Give the text ready for a new section: with a final newline and a blank line."""
    if not file.lines:
        return b""
    # A lone CR ends no line for the JS SDK; with LF behind it, it does for everyone.
    newline = newline_of(file)
    missing = {b"\n": b"", b"\r": b"\n"}.get(file.data[-1:], newline)
    return file.data + missing + (b"" if file.lines[-1].kind == "blank" else newline)


def edited_lines(
    lines: Sequence[Line], changes: Mapping[str, str | None], anchors: Sequence[str], newline: bytes
) -> bytes:
    """Change keys of one section in place; new ones come below the last of the `anchors` or the header.

    A line gets the indentation of the one that it replaces or follows: a line that is indented deeper than a key
    above it belongs to that key's value.
    """
    kept: list[Line] = []
    key = ""
    insert_at = 0
    indent = next((_indent(line.raw) for line in lines if line.kind == "key"), b"")
    for line in lines:
        key = line.text if line.kind == "key" else key
        mine = line.kind in ("key", "more") and key in changes
        if line.kind == "key" and changes.get(key) is not None:
            ending = _ending(line.raw, newline)
            text = _indent(line.raw) + _assigned(key, changes[key] or "", ending) + ending
            kept.append(Line(text, "key", key))
        elif not mine:
            kept.append(line)
        if line.kind == "header" or (line.kind in ("key", "more") and key in anchors):
            insert_at = len(kept)
            indent = _indent(line.raw) if line.kind == "key" else indent
    there = {line.text for line in kept if line.kind == "key"}
    added = [_assigned(key, value, newline) for key, value in changes.items() if value is not None and key not in there]
    if added and not joined(kept[:insert_at]).endswith((b"\n", b"\r")):
        kept[insert_at - 1] = kept[insert_at - 1]._replace(raw=kept[insert_at - 1].raw + newline)
    new = b"".join(indent + line + newline for line in added)
    return joined(kept[:insert_at]) + new + joined(kept[insert_at:])


def new_section(header: str, values: Mapping[str, str], newline: bytes) -> bytes:
    """Write a section; a value that starts with a line break is nested."""
    lines = [f"[{header}]".encode(), *(_assigned(key, value, newline) for key, value in values.items())]
    return b"".join(line + newline for line in lines)


def _assigned(key: str, value: str, newline: bytes) -> bytes:
    """Write one setting, without a blank at the end of any line."""
    text = f"{key} ={value}" if value.startswith("\n") else f"{key} = {value}".rstrip()
    return text.encode().replace(b"\n", newline)


# Values


def is_portable_value(value: str) -> bool:
    """Say whether every SDK reads this value as it stands (SECURITY F5, PROTOCOL 4.1)."""
    return (
        value.isascii()
        and value.isprintable()
        and value == value.strip()
        and not _JS_COMMENT.search(value)
        and not (value[:1] in ("'", '"') and value[:1] == value[-1:])
    )


def launcher_line(path: str) -> str:
    """Give the start of a `credential_process` value for the program at `path`: bare, or in double quotes.

    The text means the same to botocore's two splitters, `sh -c` and the INI readers (PROTOCOL 5.4).

    Raises:
        RefusedError: no way to write this path does.
    """
    refused = RefusedError(
        f"{path[:200]!a} cannot stand in an AWS profile",
        hint="set launcher in the settings to an absolute path without $ ` % quotes, # or ;",
    )
    if not _ABSOLUTE.match(path) or not path.isprintable() or path.endswith("\\"):
        raise refused
    if any(each in path for each in ('"', "$", "`", "%", "\\\\", " #", " ;")):
        raise refused
    return path if _PLAIN_PATH.fullmatch(path) else f'"{path}"'


# The last look before a file is replaced


def checked(
    before: ConfigFile, after: bytes, *, entries: Sequence[Entry] | None = None, changed_section: str = ""
) -> bytes:
    """Give `after` when it may take the place of `before`.

    It must parse; everything outside the block (but `changed_section`) must have the values it had, for botocore
    and for the JS SDK; the block must hold `entries` (where given) byte for byte, and each must be the profile that
    botocore and the JS SDK find by its name.

    Raises:
        RefusedError: it may not.
    """
    if after == before.data:
        return after
    try:
        now = parsed(after, name=before.name)
        found = now.block.entries if now.block else ()
    except RefusedError as error:
        raise _would_break(before.name, error.message) from error
    if entries is not None and [_identity(entry) for entry in found] != [_identity(entry) for entry in entries]:
        raise _would_break(before.name, "the profiles could not be read back")
    _compare_outside(before, now, changed_section)
    _compare_inside(now)
    _compare_js(before, now, changed_section)
    return after


def _identity(entry: Entry) -> tuple[str, Role, str, Section, bytes]:
    return entry.name, entry.role, entry.launcher, entry.settings, entry.text


def _would_break(name: str, what: str) -> RefusedError:
    return RefusedError(f"the change would break {name} ({what})", hint="awssso doctor")


def _compare_outside(before: ConfigFile, now: ConfigFile, changed_section: str) -> None:
    for header in {*before.outside, *now.outside} - {changed_section}:
        if before.outside.get(header) != now.outside.get(header):
            raise _would_break(before.name, f"the section {header[:80]!a} would change")
    if before.defaults != now.defaults:
        raise _would_break(before.name, "the section 'DEFAULT' would change")
    was, profiles = before.profiles, now.profiles
    for name, values in _profiles(now.outside).items():
        if profiles[name] not in (values, was.get(name)):
            raise _would_break(before.name, f"the profile {name[:80]!a} would be hidden")


def _compare_inside(now: ConfigFile) -> None:
    profiles = now.profiles
    for entry in now.block.entries if now.block else ():
        values = dict(profiles[entry.name])
        if _ours(values.pop(PROCESS, "")) != (entry.launcher, entry.role) or values != {
            **{key: value for key, value in now.defaults.items() if key != PROCESS},
            **entry.settings,
        }:
            raise _would_break(now.name, f"the profile {entry.name[:80]!a} could not be read back")


def _compare_js(before: ConfigFile, now: ConfigFile, changed_section: str) -> None:
    was, found = js_sections(before.data), js_sections(now.data)
    names = {entry.name for file in (before, now) if file.block for entry in file.block.entries}
    ours = {f"profile.{name}" for name in names} | {_js_section(changed_section)}
    if {key: was[key] for key in was.keys() - ours} != {key: found[key] for key in found.keys() - ours}:
        raise _would_break(before.name, "another section would change for the AWS SDK for JavaScript")
    for entry in now.block.entries if now.block else ():
        process = process_value(entry.launcher, entry.role)
        # A name that a person chose may be one that JavaScript does not read.
        is_written_by_us = SAFE_NAME.fullmatch(entry.name) and _is_line_of(f"{PROCESS} = {process}", entry.text)
        if is_written_by_us and found.get(f"profile.{entry.name}", {}).get(PROCESS) != process:
            raise _would_break(before.name, f"the profile {entry.name!a} could not be read back")


def js_sections(data: bytes) -> dict[str, dict[str, str]]:
    """Read a config file by the rules of the AWS SDK for JavaScript (its `parseIni`): `profile.NAME` to pairs."""
    found: dict[str, dict[str, str]] = {}
    section = ""
    parent = ""
    for line in re.split(r"\r?\n", data.decode("utf-8")):
        text = _JS_COMMENT.split(line, maxsplit=1)[0].strip()
        if text.startswith("[") and text.endswith("]"):
            section, parent = _js_section(text[1:-1]), ""
            continue
        key, equals, value = (part.strip() for part in text.partition("="))
        if not (section and key and equals):
            continue
        if not value:
            parent = key
            continue
        parent = parent if line[:1].isspace() else ""
        found.setdefault(section, {})[f"{parent}.{key}" if parent else key] = value
    return found


def _js_section(header: str) -> str:
    match = _JS_HEADER.fullmatch(header)
    if match is None:
        return header
    return f"{match[1]}.{match[3]}" if match[1] in _JS_KINDS else ""

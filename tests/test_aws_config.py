from __future__ import annotations

import configparser
import io
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import botocore.exceptions
import pytest
from botocore.compat import compat_shell_split
from botocore.configloader import load_config, raw_config_parse
from hypothesis import given, settings
from hypothesis import strategies as st

from awssso_helper import aws_config
from awssso_helper.aws_config import BEGIN, END, parsed
from awssso_helper.errors import RefusedError, UsageError
from awssso_helper.model import Role, SsoSession

LAUNCHER = "/home/me/.local/bin/awssso"
ADMIN = Role("corp", "123456789012", "AdministratorAccess")
READER = Role("corp", "210987654321", "ReadOnly")
CORP = SsoSession("corp", "https://corp.awsapps.com/start", "us-east-1")
NAME = "~/.aws/config"


def read(data: bytes) -> aws_config.ConfigFile:
    return parsed(data, name=NAME)


def entry(name="team.Admin", role=ADMIN, settings=(("region", "eu-west-1"),), newline=b"\n"):
    return aws_config.new_entry(name, role, LAUNCHER, settings, newline)


def with_entries(data: bytes, *entries) -> bytes:
    return aws_config.with_block(read(data), entries)


def block(*lines: str, newline="\n") -> bytes:
    return "".join(f"{line}{newline}" for line in (BEGIN, *lines, END)).encode()


GENERATED = (
    "[profile team.Admin]",
    f"credential_process = {LAUNCHER} credential-process corp/123456789012/AdministratorAccess",
    "region = eu-west-1",
)


def botocore_reads(data: bytes, reader=load_config) -> dict | None:
    """What botocore makes of these bytes in a real file; None where it gives up."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "config"
        path.write_bytes(data)
        try:
            return reader(str(path))
        except botocore.exceptions.ConfigParseError:
            return None


# Files as people and tools leave them, and worse: every row of PROTOCOL 4.1 can come out of these lines.
LINES = st.sampled_from(
    [
        *(
            "[default]",
            "[DEFAULT]",
            "[Default]",
            "[profile default]",
            "[profile a]",
            '[profile "a"]',
            "[profile 'b c']",
        ),
        *(
            "[profile a] # see [b]",
            "[profile  b]",
            "[profile\tc]",
            "[ profile d ]",
            "[profilefoo e]",
            "[profile f] junk",
        ),
        *("[profile bob's]", "[profile DOM\\user]", "[profile g]h]", "[sso-session corp]", '[sso-session "my s"]'),
        *("[services s]", "[preview]", "[]", "[", "[profile é]", "  [profile indented]", "[profile x", "[plugins]"),
        *("region = us-east-1", "region=eu-west-1", "Region : x", "output = json # c", 'q = "quoted"', "p = 100%"),
        *(
            "s3 =",
            "  signature_version = s3v4",
            "\tmax = 10 ",
            "  no equals",
            "    deeper",
            "services = s",
            "= x",
            ": y",
        ),
        *(
            "aws_access_key_id = AKIA",
            "sso_start_url = https://x/start#/",
            "sso_region = us-east-1",
            "sso_session = corp",
        ),
        *("# a comment", "; another", "  # indented", "", "   ", "\t", "key", "nul = a\0b", "umlaut = ü", "k = a\x0bb"),
        *("credential_process = /bin/x y", "\ufeff", "\u2028", "x = \x85y", "# BEGIN something", "#BEGIN", "é = 1"),
    ]
)
ENDINGS = st.sampled_from(["\n", "\n", "\n", "\r\n", "\r\n", "\r", "\n\n"])


@st.composite
def files(draw, min_lines=0) -> bytes:
    lines = draw(st.lists(LINES, min_size=min_lines, max_size=25))
    ending = draw(ENDINGS)
    mixed = draw(st.booleans())
    text = "".join(line + (draw(ENDINGS) if mixed else ending) for line in lines)
    data = text.encode()
    if draw(st.booleans()):
        data = data.rstrip(b"\r\n")
    return draw(st.sampled_from([data, data, data, data, b"\xff" + data, b"\xef\xbb\xbf" + data]))


@st.composite
def readable_files(draw) -> bytes:
    """Files that botocore can read, with many sections and few accidents."""
    numbers = draw(st.lists(st.integers(0, 50), unique=True, max_size=5))
    ending = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    lines = [draw(st.sampled_from(["", "# top", "\t"]))]
    for number in numbers:
        kind = draw(st.sampled_from(["profile", "sso-session", "services", "other", 'profile "q', "[profile x"]))
        lines.append(f"[{kind} {number}{chr(34) if chr(34) in kind else ''}]")
        keys = draw(st.lists(st.sampled_from("abcde"), unique=True, max_size=4))
        for key in keys:
            lines += draw(
                st.sampled_from(
                    [
                        [f"{key} = 1"],
                        [f"{key}=2  "],
                        [f"{key} =", "  x = 1", "", "\ty=2"],
                        [f"{key.upper()} : v # w", "; c"],
                        [f"{key} = a", "   continued"],
                        [f"{key} = ü\0"],
                    ]
                )
            )
    return ending.join(lines).encode() + draw(st.sampled_from([b"", ending.encode(), ending.encode() * 2]))


# Reading


@given(files())
@settings(max_examples=400)
def test_what_botocore_reads_we_read_alike_and_what_it_refuses_we_refuse(data):
    theirs = botocore_reads(data)
    if theirs is None:
        with pytest.raises(RefusedError):
            read(data)
        return
    ours = read(data)
    assert ours.profiles == theirs["profiles"]
    assert ours.sso_sessions == theirs["sso_sessions"]
    assert ours.services == theirs["services"]
    assert ours.sections == botocore_reads(data, raw_config_parse)


@given(files())
@settings(max_examples=300)
def test_the_lines_are_those_of_configparser(data):
    parser = configparser.RawConfigParser()
    try:
        parser.read_file(io.StringIO(data.decode(), newline=None))
        file = read(data)
    except (configparser.Error, UnicodeDecodeError, RefusedError):
        return
    assert b"".join(line.raw for line in file.lines) == data
    keys: dict[str, set[str]] = {}
    for line in file.lines:
        if line.kind == "header":
            keys.setdefault(line.text, set())
            section = line.text
        elif line.kind == "key":
            keys[section].add(line.text)
    assert {header: set(parser[header]) - set(parser.defaults()) for header in parser.sections()} == {
        header: found - set(parser.defaults()) for header, found in keys.items() if header != "DEFAULT"
    }


@pytest.mark.parametrize(
    ("data", "line", "word"),
    [
        (b"\xef\xbb\xbf[default]\n", 1, "byte order mark"),
        (b"[profile a]\nx=1\n[profile a]\n", 3, "second section 'profile a'"),
        (b"[profile a]\nregion=1\nRegion=2\n", 3, "'region' is set a second time"),
        (b"# c\nregion=1\n[profile a]\n", 2, "before the first"),
        (b"[profile a]\r\nx=1\r\nAKIASECRET\r\n", 3, "no [section]"),
        (b"[profile a]\nx=1\ny=\xe9\n", 3, "not UTF-8"),
        (b"[profile a]\n\n[profile b]\ns3 =\n  ok = 1\n  hunter2\n", 6, "without ="),
        (b"[profile a]\n= x\n", 2, "no [section]"),
    ],
)
def test_a_file_that_botocore_cannot_read_is_refused_with_its_line_and_without_its_words(data, line, word):
    assert botocore_reads(data) is None
    with pytest.raises(RefusedError) as caught:
        read(data)
    assert caught.value.exit_status == 6
    assert f"{NAME}, line {line}:" in caught.value.message
    assert word in caught.value.message
    assert f"line {line}" in caught.value.hint
    assert "\n" not in caught.value.message
    assert caught.value.__context__ is None  # configparser's own message quotes the line
    for secret in ("hunter2", "AKIASECRET"):
        assert secret not in caught.value.message


def test_credentials_sections_are_read_by_their_bare_names():
    file = parsed(b"[my prof]\naws_access_key_id = AKIA\n", name="~/.aws/credentials")
    assert file.sections == {"my prof": {"aws_access_key_id": "AKIA"}}
    assert aws_config.section_lines(file) == {"my prof": 1}


# The JavaScript SDK


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[profile a]\nx = 1 # c\n[profile a]\ny=2;z", {"profile.a": {"x": "1", "y": "2;z"}}),
        ("[profile my prof]\nx = 1", {"profile my prof": {"x": "1"}}),
        ('[profile "a"]\nx = 1', {"profile.a": {"x": "1"}}),
        ("[profile a]\ns3 =\n  k = v\nr = 1", {"profile.a": {"s3.k": "v", "r": "1"}}),
        ("[profilefoo a]\nx = 1", {}),
        ("[profile  a]\nx = 1", {"profile  a": {"x": "1"}}),
        ("[profile a]\nRegion = 1\nx : 2", {"profile.a": {"Region": "1"}}),
        ("x = 1\n[sso-session s]\r\ny = 2\r\n", {"sso-session.s": {"y": "2"}}),
    ],
)
def test_the_port_of_the_javascript_rules_reads_as_protocol_4_1_says(text, found):
    assert aws_config.js_sections(text.encode()) == found


# SSO sessions


def test_a_standard_section_is_a_session_with_its_scopes():
    data = b"[sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\nsso_region=us-east-1\n"
    assert aws_config.sso_sessions(data, name=NAME) == [CORP]
    more = data + b"sso_registration_scopes = sso:account:access, codecatalyst:read_write\n"
    [session] = aws_config.sso_sessions(more, name=NAME)
    assert session.scopes == ("sso:account:access", "codecatalyst:read_write")


def test_an_incomplete_section_is_no_session():
    data = b"[sso-session a]\nsso_region = us-east-1\n[sso-session b]\nsso_start_url =\n  x = y\nsso_region = r\n"
    assert aws_config.sso_sessions(data, name=NAME) == []


def test_legacy_profiles_are_sessions_named_after_their_host_once_each():
    data = b"""
[profile one]
sso_start_url = https://d-1234567890.awsapps.com/start
sso_region = eu-west-1
sso_account_id = 123456789012
[profile two]
sso_start_url = https://d-1234567890.awsapps.com/start/#/
sso_region = eu-west-1
[profile three]
sso_start_url = https://d-1234567890.awsapps.com/start
sso_region = us-east-1
[profile known]
sso_start_url = https://corp.awsapps.com/start/
sso_region = us-east-1
[profile modern]
sso_session = corp
[sso-session corp]
sso_start_url = https://corp.awsapps.com/start
sso_region = us-east-1
"""
    found = aws_config.sso_sessions(data, name=NAME)
    assert [(each.name, each.region) for each in found] == [
        ("corp", "us-east-1"),
        ("d-1234567890", "eu-west-1"),
        ("d-1234567890-us-east-1", "us-east-1"),
    ]


@given(readable_files())
@settings(max_examples=200)
def test_a_new_session_is_added_below_and_the_rest_stays(data):
    after = aws_config.with_sso_session(data, CORP, name=NAME)
    assert after.startswith(data)
    theirs = botocore_reads(after)
    assert theirs is not None
    assert theirs["sso_sessions"]["corp"] == {
        "sso_start_url": "https://corp.awsapps.com/start",
        "sso_region": "us-east-1",
        "sso_registration_scopes": "sso:account:access",
    }
    assert aws_config.with_sso_session(after, CORP, name=NAME) == after


def test_an_existing_session_keeps_every_byte_but_the_changed_values():
    data = (
        b"# mine\r\n[sso-session 'my s']\r\n# url\r\nSSO_Start_URL=https://old\r\n\tstill = old\r\n"
        b"other = 1 \r\n\r\n[profile x]\r\nsso_region = keep"
    )
    session = SsoSession("my s", "https://new/start", "eu-west-1", ("a", "b"))
    assert aws_config.with_sso_session(data, session, name=NAME) == (
        b"# mine\r\n[sso-session 'my s']\r\n# url\r\nsso_start_url = https://new/start\r\n"
        b"sso_region = eu-west-1\r\nsso_registration_scopes = a,b\r\n"
        b"other = 1 \r\n\r\n[profile x]\r\nsso_region = keep"
    )


def test_of_two_spellings_of_a_session_the_one_that_counts_is_edited():
    data = b"[sso-session corp]\nsso_region = a\n[sso-session 'corp']\nsso_region = b\n"
    after = aws_config.with_sso_session(data, CORP, name=NAME)
    assert after.startswith(b"[sso-session corp]\nsso_region = a\n[sso-session 'corp']\nsso_region = us-east-1\n")
    assert aws_config.sso_sessions(after, name=NAME) == [CORP]


def test_a_session_that_says_the_same_in_another_spelling_is_not_rewritten():
    data = (
        b"[sso-session corp]\nsso_start_url=https://corp.awsapps.com/start\n"
        b"sso_region : us-east-1\nsso_registration_scopes = sso:account:access,\n"
    )
    assert aws_config.with_sso_session(data, CORP, name=NAME) == data


def test_a_session_without_a_final_newline_gets_its_missing_keys_on_their_own_lines():
    after = aws_config.with_sso_session(b"[sso-session corp]", CORP, name=NAME)
    assert aws_config.sso_sessions(after, name=NAME) == [CORP]


@pytest.mark.parametrize("name", ["", "a b", "a]", "-x", "é", "a\nb", "x" * 65, "#a"])
def test_a_new_session_has_a_name_that_every_sdk_reads(name):
    with pytest.raises(UsageError):
        aws_config.with_sso_session(b"", replace(CORP, name=name), name=NAME)


@pytest.mark.parametrize("value", ["x\ny", "a #b", "ü", " x", "'x'"])
def test_a_session_has_values_that_every_sdk_reads(value):
    with pytest.raises(UsageError):
        aws_config.with_sso_session(b"", replace(CORP, start_url=value), name=NAME)


def test_a_session_is_edited_above_the_block_and_not_in_it():
    data = b"[sso-session corp]\nsso_region = eu-west-1\n" + block(*GENERATED)
    after = aws_config.with_sso_session(data, CORP, name=NAME)
    assert after.endswith(block(*GENERATED))
    assert aws_config.sso_sessions(after, name=NAME) == [CORP]


# The block


@given(readable_files(), st.lists(st.sampled_from(range(30)), unique=True, max_size=6), files())
@settings(max_examples=400)
def test_h4_bytes_outside_the_block_never_change_and_what_is_rendered_is_read_back(data, numbers, junk):
    newline = aws_config.newline_of(read(data))
    entries = [
        entry(f"gen{number}.Admin", Role("corp", f"{number:012d}", "Admin"), newline=newline) for number in numbers
    ]
    after = aws_config.checked(read(data), with_entries(data, *entries), entries=entries)
    assert after.startswith(data)
    file = read(after)
    assert (list(file.block.entries) if file.block else []) == entries
    theirs = botocore_reads(after)
    assert theirs is not None
    for each in entries:
        assert theirs["profiles"][each.name] == {
            "credential_process": f"{LAUNCHER} credential-process {each.role.word()}",
            "region": "eu-west-1",
        }
    # Now in the middle of a file, and replaced by others.
    tail = b"[profile tail]\r\n \t\r\n" + junk
    if botocore_reads(after + tail) is None or BEGIN.encode() in junk:
        return
    fewer = entries[::2]
    changed = with_entries(after + tail, *fewer)
    assert changed.startswith(data)
    assert changed.endswith(tail)
    again = read(changed)
    assert (list(again.block.entries) if again.block else []) == fewer
    assert aws_config.checked(read(after + tail), changed, entries=fewer) == changed


def test_h5_the_block_follows_the_line_ending_of_the_file():
    after = with_entries(b"[default]\r\nregion = x", entry(newline=b"\r\n"))
    assert b"\n" not in after.replace(b"\r\n", b"")
    assert after.startswith(b"[default]\r\nregion = x\r\n\r\n# BEGIN awssso\r\n")


def test_a_generated_profile_is_three_lines_as_the_contract_shows_it():
    assert entry().text.decode().splitlines() == list(GENERATED)


def test_an_empty_block_takes_its_markers_with_it():
    data = b"[default]\nx=1\n\n" + block(aws_config.NOTE, *GENERATED) + b"\n[profile z]\n"
    assert with_entries(data) == b"[default]\nx=1\n\n\n[profile z]\n"
    assert with_entries(b"[default]") == b"[default]"


def test_h5_markers_with_trailing_blanks_and_crlf_are_markers_and_stay_as_they_are():
    data = b"# BEGIN awssso \t\r\n" + "\r\n".join(GENERATED).encode() + b"\r\n#  END awssso  "
    [found] = read(data).block.entries
    assert (found.name, found.role, found.launcher, found.settings) == (
        "team.Admin",
        ADMIN,
        LAUNCHER,
        {"region": "eu-west-1"},
    )
    after = with_entries(data, found)
    assert after.startswith(b"# BEGIN awssso \t\r\n# Written by")
    assert after.endswith(b"\r\n#  END awssso  ")
    assert with_entries(after, *read(after).block.entries) == after


def test_what_a_person_added_to_a_profile_is_in_its_entry_byte_for_byte():
    first = (
        b"# about team\n[profile team.Admin]  # mine\n"
        b"credential_process = " + LAUNCHER.encode() + b" credential-process corp/123456789012/AdministratorAccess\n"
        b"region=eu-west-1 \n; why\ns3 =\n\tmax_concurrent_requests = 20\n\n  addressing_style = path\n\n"
        b"output : json\n"
    )
    second = b"# about other\n" + entry("other.ReadOnly", READER).text
    data = f"{BEGIN}\n{aws_config.NOTE}\n".encode() + first + second + f"{END}\n".encode()
    one, two = read(data).block.entries
    assert (one.text, two.text) == (first, second)
    assert one.settings["s3"] == {"max_concurrent_requests": "20", "addressing_style": "path"}
    swapped = with_entries(data, two, one)
    assert [each.text for each in read(swapped).block.entries] == [second, first]


def test_keys_that_a_person_indented_are_keys():
    text = (
        b"[profile team.Admin]\n"
        b"  credential_process = /old credential-process corp/123456789012/AdministratorAccess\n"
        b"  region = eu-west-1\n    goes on\n  output = json\n"
    )
    [one] = read(b"# BEGIN awssso\n" + text + b"# END awssso\n").block.entries
    edited = aws_config.edited_entry(one, name=one.name, launcher="/old", changes={"region": "x"}, newline=b"\n")
    assert botocore_reads(edited.text)["profiles"]["team.Admin"] == {
        "credential_process": "/old credential-process corp/123456789012/AdministratorAccess",
        "region": "x",
        "output": "json",
    }


BODY = st.lists(
    st.tuples(
        st.sampled_from(["", "", "  ", "    ", "\t", "\u00a0"]),
        st.sampled_from(
            ["region = a", "output: b", "s3 =", "a = b", "c=d", "# note", "; note", "", "Cli_Pager =", "deep"]
        ),
    ),
    max_size=8,
)
CHANGES = st.dictionaries(st.sampled_from(["region", "output", "s3", "new", "a"]), st.sampled_from(["x", "y", None]))


@given(BODY, BODY, CHANGES, st.sampled_from([("/old", ""), (LAUNCHER, "  "), (LAUNCHER, "")]), ENDINGS)
@settings(max_examples=600)
def test_an_edit_has_the_values_it_was_told_and_leaves_the_others(above, below, changes, process_at, ending):
    launcher, indent = process_at
    process = (indent, f"credential_process = /old credential-process {ADMIN.word()}")
    lines = ["[profile x]", *("".join(pair) for pair in (*above, process, *below))]
    data = "".join(line + ending for line in (BEGIN, *lines, END)).encode()
    try:
        [one] = read(data).block.entries
    except RefusedError:
        return
    edited = aws_config.edited_entry(one, name="y", launcher=launcher, changes=changes, newline=b"\n")
    expected = {key: value for key, value in {**one.settings, **changes}.items() if value is not None}
    expected["credential_process"] = f"{launcher} credential-process {ADMIN.word()}"
    assert botocore_reads(edited.text)["profiles"] == {"y": expected}
    untouched = [line for line in one.text.splitlines() if line.strip()[:1] in (b"#", b";")]
    assert [line for line in edited.text.splitlines() if line.strip()[:1] in (b"#", b";")] == untouched


def test_the_block_stands_below_one_blank_line():
    for data in (b"[default]\nx = 1\n", b"[default]\nx = 1\n\n", b"[default]\nx = 1"):
        assert with_entries(data, entry()).startswith(b"[default]\nx = 1\n\n# BEGIN awssso\n")
    assert with_entries(b"", entry()).startswith(b"# BEGIN awssso\n")


def test_h4_an_edit_changes_only_the_lines_it_is_about():
    text = (
        b"[profile team.Admin]\r\n# keep\r\nregion=eu-west-1\r\n"
        b"credential_process : /old credential-process corp/123456789012/AdministratorAccess\r\n"
        b"s3 =\r\n  a = b\r\n# in s3\r\n  c = d\r\nlast = 1\r\n"
    )
    [one] = read(b"# BEGIN awssso\r\n" + text + b"# END awssso\r\n").block.entries
    edited = aws_config.edited_entry(
        one,
        name="new.Name",
        launcher=LAUNCHER,
        changes={"region": "us-east-1", "s3": None, "cli": "x"},
        newline=b"\n",
    )
    assert edited.text == (
        b"[profile new.Name]\r\n# keep\r\nregion = us-east-1\r\n"
        b"credential_process = " + LAUNCHER.encode() + b" credential-process corp/123456789012/AdministratorAccess\r\n"
        b"cli = x\n# in s3\r\nlast = 1\r\n"
    )
    assert edited.settings == {"region": "us-east-1", "last": "1", "cli": "x"}
    same = aws_config.edited_entry(edited, name="new.Name", launcher=LAUNCHER, changes={}, newline=b"\n")
    assert same == edited


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (f"{BEGIN}\n[profile x]\na=1\n", 1),
        (f"[profile x]\na=1\n{END}\n", 3),
        (f"{END}\n{BEGIN}\n", 2),
        (f"{BEGIN}\n{END}\n{BEGIN}\n{END}\n", 4),
        (f"{BEGIN}\n{BEGIN}\n{END}\n", 3),
        (f"{BEGIN}\n{END}\n[a]\n{END}\n", 4),
    ],
)
def test_h5_markers_that_are_no_pair_are_refused_with_what_to_do(data, line):
    with pytest.raises(RefusedError) as caught:
        with_entries(data.encode(), entry())
    assert f"line {line}:" in caught.value.message
    assert "restore the pair" in caught.value.hint


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (block(*GENERATED) + b"\n# note\noutput = mine\n", 8),
        (block(*GENERATED) + b"  [profile indented]\n", 6),
        (b"[profile x]\n" + block("region = mine", *GENERATED), 3),
        (b"[profile x]\ns3 =\n" + block("  a = b"), 4),
        (b"[profile x]\na = b\n" + block("# nothing") + b"c = d\n", 6),
        (block("[profile mine]", "region = x"), 2),
        (block(*GENERATED, "[sso-session corp]", "sso_region = x"), 5),
        (block("[profile mine]", "credential_process = /bin/other credential-process x"), 2),
        (block(*GENERATED, '[profile "team.Admin"]', *GENERATED[1:]), 1),
    ],
)
def test_lines_that_would_change_their_section_or_are_not_ours_are_refused(data, line):
    with pytest.raises(RefusedError) as caught:
        with_entries(data, entry())
    assert f"line {line}:" in caught.value.message
    assert caught.value.hint


def test_default_keys_are_not_taken_for_the_profiles_own():
    data = b"[DEFAULT]\nregion = us-west-2\noutput = json\n" + block(*GENERATED[:2])
    [found] = read(data).block.entries
    assert found.settings == {}
    edited = aws_config.edited_entry(found, name="b", launcher=LAUNCHER, changes={}, newline=b"\n")
    assert aws_config.checked(read(data), with_entries(data, edited), entries=[edited])


# The last look


@pytest.mark.parametrize(
    "after",
    [
        b"[profile a]\nx = 2\n[default]\nr = 1\n",
        b"[profile a]\nx = 1\n",
        b"[profile a]\nx = 1\n[default]\nr = 1\n[profile new]\n",
        b"[profile a]\nx = 1\n[default]\nr = 1\n[default]\n",
        b"[profile a]\nx = 1\n[default]\nr = 1\n" + block(*GENERATED).replace(b"team.Admin", b'"a"'),
        b"[profile a]\nx = 1\n[default]\nr = 1\n[DEFAULT]\nz = 1\n",
        b"[profile a]\nx = 1\n[default]\nr = 1\n" + block(*GENERATED)[:-9],
        b"[profile a]\nx = 1\n[default]\nr = 1\n" + block(*GENERATED).replace(b"/bin/", b"/bin #/"),
        b"[profile a]\nx = 1 # js sees no more\n[default]\nr = 1\n",
    ],
)
def test_f6_a_text_that_would_change_something_else_is_not_let_through(after):
    before = b"[profile a]\nx = 1\n[default]\nr = 1\n"
    with pytest.raises(RefusedError):
        aws_config.checked(read(before), after)


def test_f6_a_text_whose_profiles_are_not_those_that_were_meant_is_not_let_through():
    meant = entry()
    other_text = replace(meant, text=meant.text.replace(b"eu-west-1", b"us-east-1"))
    other_values = replace(meant, settings={"region": "us-east-1"})
    for written, entries in ((other_text, [meant]), (meant, [other_values]), (meant, [])):
        with pytest.raises(RefusedError):
            aws_config.checked(read(b""), with_entries(b"", written), entries=entries)


def test_a_profile_that_would_be_hidden_by_another_spelling_is_not_let_through():
    before = b"[profile 'team.Admin']\nregion = x\n"
    with pytest.raises(RefusedError):
        aws_config.checked(read(before), with_entries(before, entry()), entries=[entry()])


def test_a_profile_that_another_spelling_below_hides_is_not_let_through():
    other = entry("other.Admin")
    before = block(*other.text.decode().splitlines()) + b"[profile 'team.Admin']\nregion = x\n"
    with pytest.raises(RefusedError):
        aws_config.checked(read(before), with_entries(before, other, entry()), entries=[other, entry()])


def test_a_text_that_would_lend_new_defaults_is_not_let_through():
    with pytest.raises(RefusedError):
        aws_config.checked(read(b"# nothing\n"), b"# nothing\n[DEFAULT]\nz : 1\n")


@pytest.mark.parametrize("value", ["a #b", "a\nb", "ü", '"x"', "x\t", "a ;b"])
def test_f5_a_value_that_some_sdk_reads_differently_is_not_rendered(value):
    with pytest.raises(RefusedError):
        entry(settings=(("output", value),))


# The launcher


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/usr/bin/awssso", "/usr/bin/awssso"),
        ("/home/a b/bin/awssso", '"/home/a b/bin/awssso"'),
        ("/home/josé/awssso", '"/home/josé/awssso"'),
        ("/home/o'neil/awssso", '"/home/o\'neil/awssso"'),
        ("C:\\Users\\me\\awssso.exe", '"C:\\Users\\me\\awssso.exe"'),
    ],
)
def test_f7_the_launcher_survives_every_splitter(path, text):
    line = aws_config.launcher_line(path)
    assert line == text
    value = aws_config.process_value(line, ADMIN)
    words = [path, "credential-process", "corp/123456789012/AdministratorAccess"]
    assert shlex.split(value) == words
    assert compat_shell_split(value, platform="linux") == words
    assert compat_shell_split(value, platform="win32") == words
    printed = subprocess.run(["sh", "-c", f"printf '%s\\n' {value}"], capture_output=True, check=True)
    assert printed.stdout.decode().splitlines() == words
    [found] = read(with_entries(b"", aws_config.new_entry("x", ADMIN, line, (), b"\n"))).block.entries
    assert (found.launcher, found.role) == (line, ADMIN)


@pytest.mark.parametrize(
    "path",
    [
        "awssso",
        "./awssso",
        "",
        "/a$b",
        "/a`b",
        '/a"b',
        "/a\nb",
        "/a\x1bb",
        "/a #b",
        "/a ;b",
        "/a%b",
        "\\\\host\\x",
        "/a\\",
    ],
)
def test_a_launcher_that_no_line_can_carry_is_refused(path):
    with pytest.raises(RefusedError) as caught:
        aws_config.launcher_line(path)
    assert "launcher" in caught.value.hint


def test_what_both_files_say_of_ten_thousand_profiles_is_put_together_in_one_pass():
    # In one pass for each profile it took ten minutes.
    config = parsed(
        b"".join(b"[profile p%d]\nregion = eu-west-1\n" % number for number in range(10_000)), name="config"
    )
    credentials = parsed(b"[p7]\nregion = us-east-1\n[other]\nregion = x\n", name="credentials")
    merged = aws_config.merged_profiles(config, credentials)
    assert list(merged) == [*(f"p{number}" for number in range(10_000)), "other"]
    assert (merged["p7"], merged["p8"]) == ({"region": "us-east-1"}, {"region": "eu-west-1"})

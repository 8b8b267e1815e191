from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.configloader import load_config

from awssso_helper import aws_config, dialects

if TYPE_CHECKING:
    from pathlib import Path


def found(text: str, *, is_credentials: bool = False) -> list[tuple[int, str]]:
    file = aws_config.parsed(text.encode(), name="config")
    return [(each.line, each.what) for each in dialects.differences(file, is_credentials=is_credentials)]


def botocore_profiles(tmp_path: Path, text: str) -> dict:
    path = tmp_path / "config"
    path.write_text(text)
    return load_config(str(path))["profiles"]


def js_keys(text: str) -> set[str]:
    return {f"{section}/{key}" for section, pairs in aws_config.js_sections(text.encode()).items() for key in pairs}


PORTABLE = """\
# a comment
[default]
region = us-east-1
[sso-session corp]
sso_start_url = https://d-1234567890.awsapps.com/start/#/
[services local]
s3 =
  endpoint_url = http://localhost:9000
[profile a.B-c_d@e+f]
region = eu-west-1
s3 =
  max_concurrent_requests = 20
  use_accelerate_endpoint = true
cli_pager =
"""


def test_what_every_sdk_reads_alike_is_no_difference():
    assert found(PORTABLE) == []
    assert found("[default]\naws_access_key_id = A\n[other one]\nregion = x\n", is_credentials=True) == []


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("[profile my prof]", "my prof"),
        ("[profile bob's]", "bob's"),
        ("[profile a] # see [b]", "a"),
        ("[ profile a ]", "a"),
        ("[Default]", "default"),
        ("[a]", "a"),
    ],
)
def test_headers_that_botocore_does_not_find_are_named(tmp_path, header, name):
    text = f"[default]\nx = y\n{header}\nregion = us-east-1\n"
    assert "region" not in botocore_profiles(tmp_path, text).get(name, {})
    assert [line for line, _ in found(text)] == [3]


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("[profile 'quoted name']", "quoted name"),
        ('[profile "a"]', "a"),
        ("[profile DOM\\user]", "DOMuser"),
        ("[profile  a]", "a"),
        ("[profile caf\u00e9]", "caf\u00e9"),
        ("[profilefoo a]", "a"),
        ("[profile a=b]", "a=b"),
        ("[profile a#b]", "a#b"),
    ],
)
def test_headers_that_only_others_do_not_find_are_named(tmp_path, header, name):
    text = f"{header}\nregion = us-east-1\n"
    assert botocore_profiles(tmp_path, text)[name] == {"region": "us-east-1"}
    if name != "a" or header == "[profile  a]":
        assert f"profile.{name}/region" not in js_keys(text)
    assert [line for line, _ in found(text)] == [1]


def test_a_section_that_botocore_takes_for_a_value_is_named(tmp_path):
    text = "[profile a]\nregion = us-east-1\n  [profile b]\n  region = us-east-2\n"
    assert "b" not in botocore_profiles(tmp_path, text)
    assert [line for line, _ in found(text)] == [3, 4]


def test_a_value_that_goes_on_below_is_named(tmp_path):
    text = "[profile a]\ncredential_process = x\n   --bar\n"
    assert botocore_profiles(tmp_path, text)["a"]["credential_process"] == "x\n--bar"
    assert aws_config.js_sections(text.encode())["profile.a"]["credential_process"] == "x"
    assert [line for line, _ in found(text)] == [3]


@pytest.mark.parametrize("value", ["us-east-1 # Virginia", "us-east-1 ; Virginia"])
def test_a_comment_behind_a_value_is_named(tmp_path, value):
    text = f"[profile a]\nregion = {value}\n"
    assert botocore_profiles(tmp_path, text)["a"]["region"] == value
    assert [line for line, _ in found(text)] == [2]


@pytest.mark.parametrize("line", ["region : us-east-1", "Region = us-east-1", 'region = "us-east-1"'])
def test_what_only_changes_a_value_loses_nothing(line):
    file = aws_config.parsed(f"[profile a]\n{line}\n".encode(), name="config")
    (difference,) = dialects.differences(file)
    assert (difference.line, difference.loses) == (2, False)


def test_a_colon_in_a_value_is_no_delimiter():
    assert found("[profile a]\nrole_arn = arn:aws:iam::123456789012:role/x\n") == []


def test_keys_that_leak_into_every_profile_are_named(tmp_path):
    text = "[DEFAULT]\nregion = us-east-1\n[profile a]\noutput = json\n"
    assert botocore_profiles(tmp_path, text)["a"]["region"] == "us-east-1"
    assert [line for line, _ in found(text)] == [1]
    assert [line for line, _ in found("[DEFAULT]\nregion = us-east-1\n[a]\n", is_credentials=True)] == [1]


def test_two_ways_to_write_the_default_profile_are_named():
    assert [line for line, _ in found("[default]\na = b\n[profile default]\na = c\n")] == [3]


def test_a_credentials_file_that_says_profile_is_named():
    assert [line for line, _ in found("[profile a]\naws_access_key_id = x\n", is_credentials=True)] == [1]

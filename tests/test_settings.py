from __future__ import annotations

import codecs
import dataclasses
import re

import pytest
from configobj import ConfigObj
from configobj.validate import Validator

from awssso_helper.errors import UsageError
from awssso_helper.settings import SPEC, ConsoleRules, MigrateRules, PickerRules, ProfileRules, Settings, change, load


@pytest.fixture
def file(tmp_path):
    return tmp_path / "config"


def refusal_of(file, content):
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError) as caught:
        load(file)
    assert caught.value.exit_status == 2
    assert str(file) in caught.value.message
    assert str(file) in caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value.message


def test_the_rules_of_migrate_are_read(file):
    file.write_text("[migrate]\nroles = PowerUser*, ReadOnlyAccess\ngrace_days = 30\nplain_vault = True\n")
    assert load(file).migrate == MigrateRules(("PowerUser*", "ReadOnlyAccess"), 30, plain_vault=True)
    assert "grace_days" in refusal_of(file, "[migrate]\ngrace_days = soon\n")


# The defaults


def test_the_defaults_of_the_specification_are_those_of_the_class(file):
    assert load(file) == Settings()
    file.write_text("")
    assert load(file) == Settings()
    file.write_text("# nothing\n[profiles]\n[sessions]\n")
    assert load(file) == Settings()


def test_every_setting_is_in_the_specification_once_and_explained():
    described = re.findall(r"^([a-z_]+) = ", SPEC, re.MULTILINE)
    sections = re.findall(r"^\[+([a-z_]+)\]+$", SPEC, re.MULTILINE)
    fields = {
        field.name
        for kind in (Settings, ProfileRules, ConsoleRules, PickerRules, MigrateRules)
        for field in dataclasses.fields(kind)
    }
    in_their_units = {re.sub("_(minutes|seconds|hours)$", "", name) for name in described}
    named = (in_their_units | set(sections) | {"session_regions"}) - {"__many__", "sessions"}
    assert named == fields
    for block in SPEC.split("\n\n"):
        assert block.startswith(("#", "["))
        assert "#" in block


def test_one_pattern_is_a_list_of_one(file):
    file.write_text(
        "[picker]\nproduction = live-*\nconfirm_production = yes\n[[tags]]\npayments = pay-*, 210987654321\nnone = ,\n"
    )
    assert load(file).picker == PickerRules(
        production=("live-*",),
        confirm_production=True,
        tags=(("payments", ("pay-*", "210987654321")), ("none", ())),
    )


def test_a_full_file_is_read_in_its_order(file):
    file.write_text(
        "default_session = corp\nkeyring = plaintext-file\nminimum_left_minutes = 30\ndeadline_seconds = 2.5\n"
        "trusted_endpoint_hosts = SSO.corp.example, b.example\nbrowser = firefox --new-tab {url}\n"
        "launcher = /opt/awssso\n"
        "[profiles]\ntemplate = '{session}-{account_name}'\ninclude = prod-*, 'a, b'\nexclude = *sandbox*,\n"
        "region = eu-west-1\n"
        "[[role_aliases]]\nAdministratorAccess = admin\nReadOnly Access = ro\n"
        "[[regions]]\nsandbox-* = us-east-1\n* = eu-west-1\n"
        "[[extra]]\noutput = json\ncli_pager = ''\n"
        "[sessions]\n[[corp]]\nregion = eu-central-1\n[[my session]]\nregion = us-west-2\n[[other]]\n"
    )
    assert load(file) == Settings(
        default_session="corp",
        keyring="plaintext-file",
        minimum_left=1800,
        deadline=2.5,
        trusted_endpoint_hosts=("sso.corp.example", "b.example"),
        browser="firefox --new-tab {url}",
        launcher="/opt/awssso",
        profiles=ProfileRules(
            template="{session}-{account_name}",
            include=("prod-*", "a, b"),
            exclude=("*sandbox*",),
            region="eu-west-1",
            role_aliases=(("AdministratorAccess", "admin"), ("ReadOnly Access", "ro")),
            regions=(("sandbox-*", "us-east-1"), ("*", "eu-west-1")),
            extra=(("output", "json"), ("cli_pager", "")),
            session_regions=(("corp", "eu-central-1"), ("my session", "us-west-2")),
        ),
    )


@pytest.mark.parametrize("value", ["%(x)s", "$HOME", "${x}", "100%", "{url}", "~"])
def test_nothing_is_expanded_inside_a_value(file, value):
    file.write_text(f"browser = '{value}'\n")
    assert load(file).browser == value


# Wrong values

WRONG = [
    ("minimum_left_minutes", "soon"),
    ("minimum_left_minutes", "0"),
    ("minimum_left_minutes", "61"),
    ("minimum_left_minutes", "1.5"),
    ("minimum_left_minutes", "''"),
    ("minimum_left_minutes", "1, 2"),
    ("minimum_left_minutes", "9" * 5000),
    ("deadline_seconds", "x"),
    ("deadline_seconds", "0.4"),
    ("deadline_seconds", "56"),
    ("deadline_seconds", "nan"),
    ("deadline_seconds", "inf"),
    ("deadline_seconds", "4,5"),
    ("default_session", "a, b"),
    ("keyring", "a, b"),
    ("browser", "firefox, chrome"),
    ("launcher", "a, b"),
    ("trusted_endpoint_hosts", "one.example"),
]
WRONG_IN_PROFILES = [("template", "a, b"), ("region", "a, b"), ("include", "prod-*"), ("exclude", "x")]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=lambda text: text[:30])
def test_a_wrong_value_is_named_with_its_line(file, name, value):
    message = refusal_of(file, f"# mine\n\n{name} = {value}\n[profiles]\nregion = x\n")
    assert message.startswith(f"{file}, line 3: {name}: ")


@pytest.mark.parametrize(("name", "value"), WRONG_IN_PROFILES)
def test_a_wrong_value_in_a_section_is_named_with_the_line_in_that_section(file, name, value):
    message = refusal_of(file, f"[sessions]\n[[corp]]\nregion = ok\n[profiles]\n# here\n{name} = {value}\n")
    assert message.startswith(f"{file}, line 6: {name}: ")


@pytest.mark.parametrize("section", ["role_aliases", "regions", "extra"])
def test_a_list_where_a_word_is_expected_is_named_with_its_line(file, section):
    message = refusal_of(file, f"[profiles]\n[[{section}]]\nok = fine\nbad = a, b\n")
    assert message.startswith(f"{file}, line 4: bad: ")


def test_a_wrong_session_region_is_named_with_its_line(file):
    message = refusal_of(file, "[sessions]\n[[one]]\nregion = ok\n[[two]]\nregion = a, b\n")
    assert message.startswith(f"{file}, line 5: region: ")


@pytest.mark.parametrize(
    ("text", "line", "name"),
    [
        ("defualt_session = corp\n", 1, "defualt_session"),
        ("keyring = ''\n\nKeyring = x\n", 3, "Keyring"),
        ("[profiles]\nregions = x\n", 2, "regions"),
        ("[profiles]\ntemplte = x\n", 2, "templte"),
        ("keyring = ''\n[profile]\nregion = x\n", 2, "profile"),
        ("[sessions]\n[[corp]]\nregion = x\nregoin = y\n", 4, "regoin"),
        ("[sessions]\n[[corp]]\n[[[deep]]]\nregion = y\n", 3, "deep"),
        ("[profiles]\n[[extra]]\n[[[deep]]]\nx = y\n", 3, "deep"),
        ("[profiles]\nregion = x\n[[aliases]]\nx = y\n", 3, "aliases"),
        ("[keyring]\nx = y\n", 1, "keyring"),
        ("[profiles]\n[[region]]\nx = y\n", 2, "region"),
        ("[sessions]\n[[corp]]\n[[[region]]]\nx = y\n", 3, "region"),
        ("[sessions]  # all\n[[corp]]  # work\nregoin = y\n", 3, "regoin"),
        ("[sessions]\n[[ 'corp' ]]\nregoin = y\n", 3, "regoin"),
        ("profiles = x\n", 1, "profiles"),
        ("[sessions]\ncorp = x\n", 2, "corp"),
    ],
)
def test_a_setting_that_does_not_exist_here_is_named_with_its_line(file, text, line, name):
    message = refusal_of(file, text)
    assert message.startswith(f"{file}, line {line}: ")
    assert name in message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("keyring = x\njust words\n", 2),
        ("keyring = 'open\n", 1),
        ("keyring = x\nkeyring = y\n", 2),
        ("[profiles]\n[profiles]\n", 2),
        ("keyring = x\n[profiles\n", 2),
        ("[[deep]]\n", 1),
        ("keyring = x\n\njust words\nmore words\n[profiles\n", 3),
        ("keyring = '''open\nfor ever\n", 1),
    ],
)
def test_a_file_that_does_not_parse_is_named_with_the_first_wrong_line(file, text, line):
    message = refusal_of(file, text)
    assert message.startswith(f"{file}, line {line}: ")


def test_bytes_that_are_no_utf_8_are_named_with_their_line(file):
    message = refusal_of(file, "keyring = ''\n# Büro\n".encode("latin-1"))
    assert message == f"{file}, line 2: this is not UTF-8"
    refusal_of(file, "keyring = ''\n".encode("utf-16"))


def test_a_byte_order_mark_is_no_part_of_the_first_setting(file):
    file.write_bytes(codecs.BOM_UTF8 + b"keyring = x\r\n")
    assert load(file).keyring == "x"


def test_a_directory_in_its_place_is_named(file):
    file.mkdir()
    with pytest.raises(UsageError, match="cannot read the settings"):
        load(file)


# Changes

COMMENTED = """\
# My own settings, do not lose them

keyring = plaintext-file   # for now

[profiles]
    # indented
    template = {account_name}
    exclude = sandbox-*,
[sessions]
[[corp]]   # work
region = eu-west-1
# the end
"""


def test_a_change_keeps_every_comment_and_every_other_value(file):
    file.write_text(COMMENTED)
    before = load(file)
    changed = change(file, ("sessions", "corp", "region"), "us-west-2")
    assert file.read_text() == COMMENTED
    file.write_bytes(changed)
    assert load(file) == dataclasses.replace(
        before, profiles=dataclasses.replace(before.profiles, session_regions=(("corp", "us-west-2"),))
    )
    assert re.findall("#.*", changed.decode()) == re.findall("#.*", COMMENTED)
    assert changed.decode().splitlines()[0] == "# My own settings, do not lose them"


@pytest.mark.parametrize("name", ["corp", "my session", "it's", "a,b", "ü", "a=b", '"quoted"', "#1"])
@pytest.mark.parametrize("start", ["", COMMENTED])
def test_a_new_session_of_any_name_comes_back(file, start, name):
    file.write_text(start)
    file.write_bytes(change(file, ("sessions", name, "region"), "us-west-2"))
    assert dict(load(file).profiles.session_regions)[name] == "us-west-2"


@pytest.mark.parametrize(("name", "value"), [("[x]", "x"), ("a\nb", "x"), ("corp", "both \"\"\" and ''' and\na line")])
def test_what_a_settings_file_cannot_hold_is_refused(file, name, value):
    with pytest.raises(UsageError, match="cannot be written"):
        change(file, ("sessions", name, "region"), value)


@pytest.mark.parametrize("value", ["corp", "my session", "it's", "a, b", '"', "#x", " padded ", "ü", "=", "{url}", ""])
def test_any_value_comes_back(file, value):
    file.write_bytes(change(file, ("default_session",), value))
    assert load(file).default_session == value


def test_a_change_of_nothing_yet_makes_the_whole_file(file):
    assert change(file, ("default_session",), "corp") == b"default_session = corp\n"


def test_a_change_of_a_broken_file_is_refused(file):
    file.write_text("keyring = x\njust words\n")
    with pytest.raises(UsageError, match="line 2"):
        change(file, ("default_session",), "corp")


def test_the_specification_is_one_that_configobj_accepts():
    config = ConfigObj([], configspec=SPEC.splitlines(), interpolation=False)
    assert config.validate(Validator()) is True

"""The inventory of long-lived keys: what counts, what is left alone and why, who depends on whom."""

from __future__ import annotations

import pytest

from awssso_helper import aws_config, static_keys
from awssso_helper.model import Role, Secret

KEY, OTHER = "AKIAABCDEFGHIJKLMNOP", "AKIAQRSTUVWXYZ234567"
PAIR = f"aws_access_key_id = {KEY}\naws_secret_access_key = s3cr3t\n"


def found(credentials: str = "", config: str = "") -> static_keys.Found:
    return static_keys.found(
        aws_config.parsed(config.encode(), name="config"), aws_config.parsed(credentials.encode(), name="credentials")
    )


def reasons(result: static_keys.Found) -> list[str]:
    assert result.keys == ()
    return [each.reason for each in result.oddities]


def test_a_long_lived_key_is_found_in_either_file_with_what_stands_beside_it():
    key = found(f"[prod]\n{PAIR}region = eu-west-1\n").keys[0]
    assert (key.key_id, key.secret, key.profiles) == (KEY, Secret("s3cr3t"), ("prod",))
    assert key.places[0].settings == (("region", "eu-west-1"),)
    assert found(config=f"[profile tool]\n{PAIR}").keys[0].places[0].is_config


def test_one_key_under_several_names_is_one_key():
    key = found(f"[default]\n{PAIR}[prod]\n{PAIR}", f"[profile tool]\n{PAIR}").keys[0]
    assert key.profiles == ("default", "prod", "tool")


def test_no_secret_shows_in_what_was_found():
    assert "s3cr3t" not in repr(found(f"[prod]\n{PAIR}"))


@pytest.mark.parametrize(
    ("credentials", "reason"),
    [
        (f"[a]\naws_access_key_id = {KEY}\n", "half a key pair"),
        ("[a]\naws_secret_access_key = x\n", "half a key pair"),
        (f"[a]\naws_access_key_id =\naws_secret_access_key = {KEY}\n", "half a key pair"),
        (f"[a]\n{PAIR}aws_session_token = t\n", "temporary credentials, which end by themselves"),
        ("[a]\naws_access_key_id = ASIAABCDEFGHIJKLMNOP\naws_secret_access_key = x\n", "temporary credentials, which"),
        ("[a]\naws_access_key_id = minioadmin\naws_secret_access_key = x\n", "no access key of AWS"),
        (f"[DEFAULT]\n{PAIR}", "[DEFAULT] lends its key to every profile"),
        (f"[a]\n{PAIR}role_arn = arn:aws:iam::123456789012:role/x\n", "role_arn stands beside the key"),
        (f"[a]\n{PAIR}sso_session = corp\n", "sso_session stands beside the key"),
        (f"[a]\n{PAIR}credential_process = /opt/other\n", "a credential_process stands beside the key"),
        (f"[my prof]\n{PAIR}", "'my prof' is no name that every AWS tool reads"),
        (
            f"[a]\n{PAIR}[b]\naws_access_key_id = {KEY}\naws_secret_access_key = another\n",
            "this key id stands with two",
        ),
    ],
)
def test_what_is_odd_is_left_alone_with_its_reason(credentials, reason):
    assert reasons(found(credentials))[0].startswith(reason)


def test_two_keys_under_one_name_are_left_alone():
    other = f"[profile a]\naws_access_key_id = {OTHER}\naws_secret_access_key = x\n"
    assert reasons(found(f"[a]\n{PAIR}", other)) == ["two different keys have this name"] * 2


def test_a_name_that_calls_us_already_keeps_its_role():
    role = Role("corp", "123456789012", "Admin")
    config = f"[profile a]\ncredential_process = /opt/awssso credential-process {role.word()}\n"
    assert found(f"[a]\n{PAIR}", config).keys[0].generated == {"a": role}


def test_who_depends_on_a_key_is_found_over_several_profiles():
    config = (
        "[profile deploy]\nrole_arn = arn:one\nsource_profile = prod\nexternal_id = x\n"
        "[profile deeper]\nrole_arn = arn:two\nsource_profile = deploy\n"
        "[profile stranger]\nrole_arn = arn:three\nsource_profile = elsewhere\n"
    )
    dependants = found(f"[prod]\n{PAIR}", config).keys[0].dependants
    assert [(each.profile, each.source) for each in dependants] == [("deploy", "prod"), ("deeper", "prod")]
    assert dependants[1].chain == (static_keys.Link("arn:one", "x"), static_keys.Link("arn:two"))


def test_of_a_key_that_is_left_alone_every_name_is_said_with_its_reason():
    result = found(f"[a]\n{PAIR}[b]\n{PAIR}role_arn = arn:aws:iam::123456789012:role/x\n")
    reason = "role_arn stands beside the key, and AWS tools disagree on which one counts"
    assert [(each.profile, each.line, each.reason) for each in result.oddities] == [
        ("a", 1, f"it is the key of 'b', of which: {reason}"),
        ("b", 4, reason),
    ]


def test_a_dependant_that_asks_for_the_users_mfa_device_keeps_the_key_where_it_is():
    config = "[profile deploy]\nrole_arn = arn:one\nsource_profile = prod\nmfa_serial = arn:mfa\n"
    assert "MFA device" in reasons(found(f"[prod]\n{PAIR}", config))[0]


def test_a_quick_look_lists_headers_ids_and_lines():
    text = f"# x\n[prod]\n{PAIR}[temporary]\n{PAIR}aws_session_token = t\n".encode()
    assert static_keys.long_lived(text, name="credentials") == [("prod", KEY, 2)]

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from awssso_helper.errors import UsageError
from awssso_helper.model import (
    DEFAULT_SCOPES,
    Account,
    AccountRoles,
    Deadline,
    Inventory,
    Registration,
    Role,
    RoleCredentials,
    Secret,
    SignIn,
    SsoSession,
    Token,
    epoch_of,
    is_account_id,
    utc_text,
)

CANARY = "canary-of-a-secret"
SESSION = SsoSession("corp", "https://d-1234567890.awsapps.com/start", "us-east-1")


def registration(grant="device_code", scopes=DEFAULT_SCOPES, expires_at=2000, secret=CANARY):
    return Registration("client", Secret(secret), expires_at, grant, scopes)


HOLDERS = [
    Secret(CANARY),
    registration(),
    Token(Secret(CANARY), 1, Secret(CANARY), registration()),
    SignIn(SESSION, Token(Secret(CANARY), 1, None, registration()), (registration(),)),
    RoleCredentials("AKIA", Secret(CANARY), Secret(CANARY), 1, "123456789012"),
]


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda holder: type(holder).__name__)
@pytest.mark.parametrize(
    "show",
    [
        str,
        repr,
        "{}".format,
        "{!r:>40}".format,
        lambda each: f"{each}",
        "{0}{0!s}{0!a}".format,
        lambda each: [each].__repr__(),
    ],
)
def test_g5_whatever_holds_a_secret_does_not_show_it(holder, show):
    assert CANARY not in show(holder)


def test_g5_a_secret_shows_in_no_exception_text():
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - any text would do, but this one
        raise ValueError(Secret(CANARY), Token(Secret(CANARY), 1, None, registration()))
    assert CANARY not in f"{caught.value} {caught.value!r}"


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda holder: type(holder).__name__)
@pytest.mark.parametrize("write", [pickle.dumps, json.dumps, copy.deepcopy])
def test_a_secret_is_not_written_by_accident(holder, write):
    with pytest.raises(TypeError):
        write(holder)


def test_a_secret_is_not_written_as_a_dictionary():
    with pytest.raises(TypeError):
        dataclasses.asdict(HOLDERS[2])


def test_secrets_compare_by_value_and_never_with_a_plain_string():
    assert Secret(CANARY) == Secret(CANARY)
    assert hash(Secret(CANARY)) == hash(Secret(CANARY))
    assert Secret(CANARY) != Secret("other")
    assert Secret(CANARY) != CANARY
    assert Secret("\ud800") != Secret(CANARY)


# The word in a profile's line

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
SAFE = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.@+=-:/")


@given(session=NAMES, name=NAMES)
@example(session="a:2Fb", name="a/b")
@example(session="a:b", name="%41")
@example(session="corp", name="A b+=,.@-_")
@example(session="..", name="é\x00\n\"'`$;#")
@settings(max_examples=500)
def test_any_role_is_one_safe_word_and_comes_back(session, name):
    role = Role(session, "123456789012", name)
    word = role.word()
    assert set(word) <= SAFE
    assert word.count("/") == 2
    assert Role.from_word(word) == role


@given(one=st.tuples(NAMES, NAMES), other=st.tuples(NAMES, NAMES))
@settings(max_examples=300)
def test_two_roles_never_share_a_word(one, other):
    words = {Role(session, "123456789012", name).word() for session, name in (one, other)}
    assert len(words) == len({one, other})


def test_an_everyday_role_reads_as_it_is():
    assert Role("corp", "123456789012", "AdministratorAccess").word() == "corp/123456789012/AdministratorAccess"


@pytest.mark.parametrize(
    "word",
    [
        "",
        "/",
        "//",
        "corp",
        "corp/123456789012",
        "corp/123456789012/",
        "/123456789012/Admin",
        "corp//Admin",
        "corp/12345678901/Admin",
        "corp/1234567890123/Admin",
        "corp/12345678901x/Admin",
        "corp/\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661/Admin",
        "corp/123456789012/Admin/x",
        "corp/123456789012\n/Admin",
        "corp/:31:32/Admin",
        "\udcff/\udcff/\udcff",
    ],
    ids=repr,
)
def test_what_is_no_role_is_a_usage_error(word):
    with pytest.raises(UsageError) as caught:
        Role.from_word(word)
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("word", "name"),
    [(":zz", ":zz"), ("%41", "%41"), ("a:4", "a:4"), (":41:c3:a9", "Aé"), ("\udcff", "\ufffd" * 3), (":FF", "\ufffd")],
)
def test_a_word_that_nobody_wrote_is_read_without_a_crash(word, name):
    assert Role.from_word(f"corp/123456789012/{word}").name == name


@pytest.mark.parametrize("text", ["123456789012", "000000000000"])
def test_twelve_digits_are_an_account_id(text):
    assert is_account_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12345678901",
        "1234567890123",
        "12345678901a",
        " 23456789012",
        "123456789012\n",
        "\u0661" * 12,
        123456789012,
        None,
        b"123456789012",
    ],
)
def test_nothing_else_is_an_account_id(text):
    assert not is_account_id(text)


# Deadlines and times


class Clock:
    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


def test_a_deadline_counts_down_to_zero_and_no_further(monkeypatch):
    clock = Clock(monkeypatch)
    deadline = Deadline(5)
    clock.now += 4
    assert (deadline.remaining(), deadline.passed()) == (1, False)
    clock.now += 4
    assert (deadline.remaining(), deadline.passed()) == (0, True)
    assert Deadline(-1).passed()


def test_the_sooner_of_two_deadlines_never_lengthens_one(monkeypatch):
    clock = Clock(monkeypatch)
    deadline = Deadline(5)
    assert deadline.sooner(2).remaining() == 2
    assert deadline.sooner(60).remaining() == 5
    clock.now += 6
    assert deadline.sooner(60).passed()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1970-01-01T00:00:00Z"), (1_800_000_000.999, "2027-01-15T08:00:00Z"), (253402300799, "9999-12-31T23:59:59Z")],
)
def test_times_are_written_rounded_down_and_read_back(seconds, text):
    assert utc_text(seconds) == text
    assert epoch_of(text) == int(seconds)


@pytest.mark.parametrize(
    "text", ["", "2027-01-15T08:00:00", "2027-01-15T08:00:00UTC", "2027-01-15 08:00:00Z", "2027-13-01T00:00:00Z", "x"]
)
def test_a_time_of_another_form_is_not_read(text):
    with pytest.raises(ValueError, match=r"does not match|unconverted"):
        epoch_of(text)


# What a sign-in remembers


def test_a_registration_serves_its_own_flow_and_scopes_and_only_while_it_is_good():
    sign_in = SignIn(SESSION, registrations=(registration(), registration(grant="authorization_code")))
    found = sign_in.registration_for("device_code", DEFAULT_SCOPES, valid_until=1999)
    assert found.grant == "device_code"
    assert sign_in.registration_for("device_code", DEFAULT_SCOPES, valid_until=2000) is None
    assert sign_in.registration_for("device_code", ("other",), valid_until=1) is None
    assert SignIn(SESSION).registration_for("device_code", DEFAULT_SCOPES, valid_until=1) is None


def test_a_new_registration_takes_the_place_of_the_one_for_its_flow():
    sign_in = SignIn(SESSION, registrations=(registration(), registration(grant="authorization_code")))
    renewed = sign_in.with_registration(registration(secret="new"))
    assert {each.grant: each.client_secret for each in renewed.registrations} == {
        "authorization_code": Secret(CANARY),
        "device_code": Secret("new"),
    }


def test_roles_are_in_the_order_of_account_and_name_and_one_stale_account_makes_it_incomplete():
    two, one = Account("000000000002", "a"), Account("000000000001", "b")
    inventory = Inventory("corp", 1, (AccountRoles(two, ("B", "A")), AccountRoles(one, ("C",), stale=True)))
    assert [(role.account_id, role.name) for role in inventory.roles()] == [(one.id, "C"), (two.id, "A"), (two.id, "B")]
    assert not inventory.is_complete()
    assert Inventory("corp", 1, (AccountRoles(two, ()),)).is_complete()

from __future__ import annotations

import pytest

from awssso_helper import choice
from awssso_helper.catalog import Entry
from awssso_helper.choice import AmbiguousError, by_account_and_role, by_words
from awssso_helper.errors import UsageError
from awssso_helper.model import Account, Role


def entry(profile: str, account_id: str, account: str, role: str, *, region: str = "") -> Entry:
    return Entry(Role("corp", account_id, role), Account(account_id, account), profile, 0, stale=False, region=region)


ENTRIES = [
    entry("audit.SecurityAudit", "305518273640", "audit", "SecurityAudit"),
    entry("payments-production.ReadOnlyAccess", "671029384756", "payments-production", "ReadOnlyAccess"),
    entry("prod1.Admin", "100000000001", "prod1", "Admin"),
    entry("production.AdministratorAccess", "210987654321", "production", "AdministratorAccess"),
    entry("production.ReadOnlyAccess", "210987654321", "production", "ReadOnlyAccess"),
    entry("staging.ReadOnlyAccess", "482736190055", "staging", "ReadOnlyAccess"),
    entry("Ops", "999999999999", "operations", "Ops"),
    entry("ops-old", "888888888888", "operations-old", "Ops"),
    entry("", "777777777777", "hidden", "Secretless"),
]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("production.ReadOnlyAccess", "production.ReadOnlyAccess"),
        ("PRODUCTION.readonlyaccess", "production.ReadOnlyAccess"),
        ("production.R", "production.ReadOnlyAccess"),
        ("prod admin administrator", "production.AdministratorAccess"),
        ("audit", "audit.SecurityAudit"),
        ("305518273640", "audit.SecurityAudit"),
        ("staging/ReadOnlyAccess", "staging.ReadOnlyAccess"),
        ("staging:read", "staging.ReadOnlyAccess"),
        ("stag.read", "staging.ReadOnlyAccess"),
        ("read staging", "staging.ReadOnlyAccess"),
        ("production ReadOnlyAccess", "production.ReadOnlyAccess"),
        ("production read", "production.ReadOnlyAccess"),
        ("corp/210987654321/ReadOnlyAccess", "production.ReadOnlyAccess"),
        ("audit sa", "audit.SecurityAudit"),
        ("ops", "Ops"),
        ("ops-", "ops-old"),
        ("secretless", ""),
    ],
)
def test_words_that_mean_one_role_find_it(typed, meant):
    assert by_words(typed.split(), ENTRIES).profile == meant
    assert by_words([typed], ENTRIES).profile == meant


def test_an_exact_name_wins_over_names_that_begin_with_it():
    both = [entry("prod", "1" * 12, "a", "Admin"), entry("prod.Admin", "2" * 12, "prod", "Admin")]
    assert by_words(["prod"], both).profile == "prod"
    assert by_words(["PROD"], both).profile == "prod"


@pytest.mark.parametrize("typed", ["prod", "production", "read", "prod read", "readonly", "production.", "access"])
def test_words_that_mean_several_roles_choose_none_and_name_them(typed):
    with pytest.raises(AmbiguousError) as caught:
        by_words(typed.split(), ENTRIES)
    assert len(caught.value.details) > 1
    assert all(any(each.account.id in line for each in ENTRIES) for line in caught.value.details)
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("typed", "close"),
    [
        ("prod2.Admin", "prod1.Admin"),
        ("prod2", "prod1.Admin"),
        ("prodution.AdministratorAccess", "production.AdministratorAccess"),
        ("stagign", "staging.ReadOnlyAccess"),
        ("auditt", "audit.SecurityAudit"),
    ],
)
def test_a_mistyped_name_is_suggested_and_never_chosen(typed, close):
    with pytest.raises(UsageError) as caught:
        by_words([typed], ENTRIES)
    assert not isinstance(caught.value, AmbiguousError)
    assert close in caught.value.hint


def test_an_account_id_that_is_nearly_right_is_another_account():
    with pytest.raises(UsageError):
        by_words(["305518273641"], ENTRIES)


def test_without_any_role_the_hint_is_to_log_in():
    with pytest.raises(UsageError) as caught:
        by_words(["prod"], [])
    assert caught.value.hint == "awssso login"


def test_many_candidates_are_counted():
    many = [entry(f"team{number}.Admin", f"{number:012}", f"team{number}", "Admin") for number in range(30)]
    with pytest.raises(AmbiguousError) as caught:
        by_words(["team"], many)
    assert caught.value.details[-1] == "and 22 more"


def test_two_candidates_never_look_equal():
    twins = [entry("", "1" * 12, "twin", "Admin"), entry("", "2" * 12, "twin", "Admin")]
    with pytest.raises(AmbiguousError) as caught:
        by_words(["twin"], twins)
    assert len(set(caught.value.details)) == 2


def test_a_strangers_name_is_made_safe_before_it_is_shown():
    evil = [entry("", f"{number:012}", "evil\x1b[2J\u202e", "Admin") for number in (1, 2)]
    with pytest.raises(AmbiguousError) as caught:
        by_words(["evil"], evil)
    assert all(line.isprintable() for line in caught.value.details)
    assert choice.described(evil[0]).isprintable()


@pytest.mark.parametrize(
    ("account", "role", "meant"),
    [
        ("210987654321", "ReadOnlyAccess", "production.ReadOnlyAccess"),
        ("production", "readonlyaccess", "production.ReadOnlyAccess"),
        ("production", "admin", "production.AdministratorAccess"),
        ("stag", "", "staging.ReadOnlyAccess"),
        ("payments", "read", "payments-production.ReadOnlyAccess"),
        ("", "SecurityAudit", "audit.SecurityAudit"),
    ],
)
def test_an_account_and_a_role_find_one(account, role, meant):
    assert by_account_and_role(account, role, ENTRIES).profile == meant


def test_an_account_by_its_whole_name_is_not_confused_with_one_that_holds_it():
    with pytest.raises(AmbiguousError) as caught:
        by_account_and_role("production", "", ENTRIES)
    assert len(caught.value.details) == 2


@pytest.mark.parametrize(("account", "role"), [("prodction", "x"), ("staging", "Admin")])
def test_an_unknown_account_or_role_is_said(account, role):
    with pytest.raises(UsageError) as caught:
        by_account_and_role(account, role, ENTRIES)
    assert caught.value.message.startswith("there is no ")


def test_two_profiles_of_one_role_are_no_choice_to_make():
    twice = [entry("a.Admin", "1" * 12, "a", "Admin"), entry("mine", "1" * 12, "a", "Admin")]
    assert by_account_and_role("a", "Admin", twice).profile == "a.Admin"

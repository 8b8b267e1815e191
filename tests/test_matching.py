"""What a person means by a few words."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awssso_helper import matching
from awssso_helper.catalog import Entry
from awssso_helper.matching import Haystack, ranked
from awssso_helper.model import Account, Role


def entry(account="production", role="ReadOnlyAccess", *, number=1, email="", profile=None, tags=()) -> Entry:
    found = Account(f"{210987654320 + number:012d}", account, email)
    name = f"{account}.{role}" if profile is None else profile
    return Entry(Role("corp", found.id, role), found, name, 0, stale=False, tags=tags)


ORGANIZATION = [
    entry("audit", "SecurityAudit", number=1, email="audit@example.com"),
    entry("payments-production", "PowerUserAccess", number=2, email="pay@example.com"),
    entry("prod", "ReadOnlyAccess", number=3),
    entry("prod-eu", "AdministratorAccess", number=4),
    entry("production", "AdministratorAccess", number=5, email="ada@example.com", tags=("crown jewels",)),
    entry("production", "DatabaseAdministrator", number=5, email="ada@example.com"),
    entry("reproduce", "ReadOnlyAccess", number=6),
    entry("sandbox", "AdministratorAccess", number=7, profile="playground"),
]


def names(*words: str, entries=ORGANIZATION) -> list[str]:
    return [f"{match.entry.account.name}.{match.entry.role.name}" for match in ranked(words, entries)]


def test_no_words_keep_everything_in_its_order():
    assert [match.entry for match in ranked([], ORGANIZATION)] == ORGANIZATION
    assert [match.entry for match in ranked(["", "  "], ORGANIZATION)] == ORGANIZATION
    assert not any(match.is_forgiven for match in ranked([], ORGANIZATION))


def test_whole_names_come_first_then_starts_then_parts_then_what_is_inside():
    assert names("prod") == [
        "prod.ReadOnlyAccess",
        "prod-eu.AdministratorAccess",
        "production.AdministratorAccess",
        "production.DatabaseAdministrator",
        "payments-production.PowerUserAccess",
        "reproduce.ReadOnlyAccess",
    ]


def test_every_word_must_occur_in_any_order():
    assert names("admin", "prod") == names("prod", "admin")
    assert set(names("prod admin")) == {
        "prod-eu.AdministratorAccess",
        "production.AdministratorAccess",
        "production.DatabaseAdministrator",
    }


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("crown", "production.AdministratorAccess"),
        ("jewels", "production.AdministratorAccess"),
        ("playground", "sandbox.AdministratorAccess"),
        ("210987654326", "reproduce.ReadOnlyAccess"),
        ("pay@example.com", "payments-production.PowerUserAccess"),
        ("SECURITYAUDIT", "audit.SecurityAudit"),
        ("poweruser", "payments-production.PowerUserAccess"),
    ],
)
def test_words_are_looked_for_in_every_field_without_regard_to_case(word, found):
    assert names(word) == [found]


def test_a_whole_profile_name_is_the_best_there_is():
    best, *_ = ranked(["production.DatabaseAdministrator"], ORGANIZATION)
    assert best.entry.profile == "production.DatabaseAdministrator"
    assert best.score == 90


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("prodcution", "production.AdministratorAccess"),  # swapped
        ("prodution", "production.AdministratorAccess"),  # missing
        ("prroduction", "production.AdministratorAccess"),  # needless
        ("oroduction", "production.AdministratorAccess"),  # the first letter wrong
        ("sandbix", "sandbox.AdministratorAccess"),
        ("playgorund", "sandbox.AdministratorAccess"),
        ("audti", "audit.SecurityAudit"),
        ("paymetns-prod", "payments-production.PowerUserAccess"),
        ("securtyaudit", "audit.SecurityAudit"),
        ("prod dtaabase", "production.DatabaseAdministrator"),
        ("crwon", "production.AdministratorAccess"),
        ("pua", "payments-production.PowerUserAccess"),
        ("paypro", "payments-production.PowerUserAccess"),
        ("dbadmin", "production.DatabaseAdministrator"),
    ],
)
def test_typos_and_abbreviations_are_forgiven(typed, first):
    match, *_ = ranked([typed], ORGANIZATION)
    assert f"{match.entry.account.name}.{match.entry.role.name}" == first
    assert match.is_forgiven


def test_what_was_typed_right_hides_what_is_only_near():
    entries = [entry("prod", number=1), entry("prd", number=2)]
    assert names("prod", entries=entries) == ["prod.ReadOnlyAccess"]
    assert not ranked(["prod"], entries)[0].is_forgiven


def test_a_typo_ranks_before_an_abbreviation_and_fewer_typos_before_more():
    entries = [
        entry("d-e-v-elo-pmnet", number=1),
        entry("devalopmant", number=2),
        entry("my-development", number=3),
        entry("developments", number=4),
    ]
    ordered = ["developments", "my-development", "devalopmant", "d-e-v-elo-pmnet"]
    assert names("developmnt", entries=entries) == [f"{name}.ReadOnlyAccess" for name in ordered]


@pytest.mark.parametrize("word", ["210987654399", "21098765432119", "999"])
def test_an_account_id_is_right_or_wrong(word):
    assert names(word) == []


def test_short_words_have_no_typos():
    assert names("xrd") == []


def test_accents_do_not_matter():
    entries = [entry("Zürich-Büro", number=1), entry("Straße", number=2)]
    assert (
        names("zurich", entries=entries) == names("ZÜRICH", entries=entries) == names("zu\u0308rich", entries=entries)
    )
    assert names("buro", entries=entries) == ["Zürich-Büro.ReadOnlyAccess"]
    assert names("straße", entries=entries) == ["Straße.ReadOnlyAccess"]


def test_the_hits_are_marked_where_they_are():
    match = ranked(["prod", "admin"], [ORGANIZATION[4]])[0]
    marked = {field: [text[a:b] for a, b in match.spans[field]] for field, text in shown(match).items()}
    assert marked == {"account": ["prod"], "role": ["Admin"], "profile": ["prod", "Admin"]}


def test_the_start_of_a_part_is_marked_before_an_earlier_accident():
    match = ranked(["audit"], [entry("xauditx-audit")])[0]
    assert match.spans["account"] == ((8, 13),)


@pytest.mark.parametrize(
    ("typed", "field", "marked"),
    [("prodution", "account", ["production"]), ("pua", "role", ["P", "U", "A"]), ("amdin", "role", ["Admin"])],
)
def test_what_a_typo_meant_is_marked(typed, field, marked):
    match = ranked([typed], [entry("production", "PowerUserAccess"), entry("x", "AdministratorAccess", number=2)])[0]
    text = shown(match)[field]
    found = [text[a:b] for a, b in match.spans[field]]
    assert "".join(found).startswith("".join(marked)[:9])


def test_a_word_that_hits_is_not_guessed_in_other_fields():
    match = ranked(["audit"], [entry("aduit-team", "SecurityAudit")])[0]
    assert set(match.spans) == {"role", "profile"}


def shown(match) -> dict[str, str]:
    texts = matching.fields_of(match.entry)
    return {field: texts[field] for field in match.spans}


words = st.text(alphabet=string.ascii_lowercase + "-. 09", max_size=12)
any_name = st.text(max_size=24)


@given(st.lists(st.tuples(any_name, any_name), max_size=6), st.lists(st.one_of(words, any_name), max_size=3))
def test_any_words_find_in_any_names_without_a_crash_and_mark_only_what_is_there(pairs, typed):
    entries = [entry(account, role, number=number) for number, (account, role) in enumerate(pairs)]
    for match in ranked(typed, entries):
        for field, spans in match.spans.items():
            text = matching.fields_of(match.entry)[field]
            flat = [place for span in spans for place in span]
            assert flat == sorted(set(flat))
            assert 0 <= flat[0] < flat[-1] <= len(text)


@given(any_name)
def test_folding_leaves_every_character_in_its_place(text):
    assert len(matching.folded(text)) == len(text)


@given(st.lists(st.text(alphabet="abc-", min_size=1, max_size=4), min_size=1, max_size=5))
def test_typing_on_finds_what_typing_at_once_finds(typed):
    rng = random.Random(7)
    accounts = ["".join(rng.choices("abc-", k=8)) for _ in range(30)]
    entries = [entry(account, number=number) for number, account in enumerate(accounts)]
    haystack = Haystack(entries)
    text = " ".join(typed)
    for end in range(len(text) + 1):
        assert haystack.ranked(text[:end].split()) == ranked(text[:end].split(), entries)


def test_names_made_to_be_slow_are_not():
    # Followed in all ways, this abbreviation of 64 letters would have more ways than there are atoms.
    assert names("a" * 60 + "bbb", entries=[entry("a" * 500, "-a" * 200)]) == []
    assert names("ab" * 40, entries=[entry("ab" * 500)]) != []

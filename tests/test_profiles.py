from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from botocore.configloader import load_config
from hypothesis import given, settings
from hypothesis import strategies as st

from awssso_helper import aws_config, profiles
from awssso_helper.errors import RefusedError, UsageError
from awssso_helper.ledger import Handed, Ledger
from awssso_helper.model import Account, AccountRoles, Inventory, Role
from awssso_helper.settings import ProfileRules

if TYPE_CHECKING:
    import random

LAUNCHER = "/home/me/.local/bin/awssso"
RULES = ProfileRules()
PROD, DEV = Account("111111111111", "team-prod", "prod@example.com"), Account("222222222222", "team-dev")
ADMIN, READER = "AdministratorAccess", "ReadOnly"
HAND_WRITTEN = b"# mine\r\n[default]\r\nregion = eu-west-1\r\n\r\n[profile own]\r\ns3 =\r\n  x = y\r\noutput=json"


def inventory(*accounts, session="corp"):
    """Accounts as (Account, role names...); a final True marks it stale."""
    found = []
    for account, *roles in accounts:
        stale = roles[-1:] == [True]
        found.append(AccountRoles(account, tuple(each for each in roles if each is not True), stale=stale))
    return Inventory(session, 1_700_000_000, tuple(found))


CORP = inventory((PROD, ADMIN, READER), (DEV, ADMIN))


def plan(config=b"", *inventories, credentials=b"", rules=RULES, launcher=LAUNCHER, **more):
    return profiles.plan(config, credentials, inventories or (CORP,), rules=rules, launcher=launcher, **more)


def botocore_profiles(data: bytes) -> dict:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "config"
        path.write_bytes(data)
        return load_config(str(path))["profiles"]


def names_in(data: bytes) -> list[str]:
    return [profile.name for profile in profiles.generated(data)]


def patched(data: bytes, unified: str) -> bytes:
    """Apply a unified diff with the real tool."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "config"
        path.write_bytes(data)
        command = ["patch", "--binary", "-s", str(path)]
        subprocess.run(command, input=unified.encode(), check=True, capture_output=True)
        return path.read_bytes()


# The block as the contract shows it


def test_a_first_sync_writes_three_lines_a_profile_ordered_by_name_and_leaves_the_rest_alone():
    rules = ProfileRules(region="eu-west-1")
    made = plan(HAND_WRITTEN, rules=rules)
    assert made.after.startswith(HAND_WRITTEN + b"\r\n\r\n# BEGIN awssso\r\n# Written by `awssso sync`")
    block = made.after[len(HAND_WRITTEN) :].decode().replace("\r\n", "\n").split("\n", 4)[4]
    assert block == (
        "[profile team-dev.AdministratorAccess]\n"
        "credential_process = /home/me/.local/bin/awssso credential-process corp/222222222222/AdministratorAccess\n"
        "region = eu-west-1\n"
        "[profile team-prod.AdministratorAccess]\n"
        "credential_process = /home/me/.local/bin/awssso credential-process corp/111111111111/AdministratorAccess\n"
        "region = eu-west-1\n"
        "[profile team-prod.ReadOnly]\n"
        "credential_process = /home/me/.local/bin/awssso credential-process corp/111111111111/ReadOnly\n"
        "region = eu-west-1\n"
        "# END awssso\n"
    )
    assert made.added == ("team-dev.AdministratorAccess", "team-prod.AdministratorAccess", "team-prod.ReadOnly")
    assert not made.needs_confirmation
    assert not made.left_out
    assert len(botocore_profiles(made.after)) == 5


def test_h8_a_second_sync_changes_nothing_with_and_without_the_ledger():
    first = plan(HAND_WRITTEN, rules=ProfileRules(region="eu-west-1", extra=(("output", "json"),)))
    for ledger in (first.ledger, Ledger()):
        second = plan(first.after, rules=ProfileRules(region="eu-west-1", extra=(("output", "json"),)), ledger=ledger)
        assert second.is_empty()
        assert second.after == first.after
        assert second.diff_text() == ""
        assert (second.kept, second.changed, second.added) == (3, (), ())
        assert second.ledger == first.ledger


def test_the_plan_is_applied_only_to_the_text_it_was_made_from():
    made = plan(HAND_WRITTEN)
    assert made.applied(HAND_WRITTEN) == made.after
    with pytest.raises(RefusedError):
        made.applied(HAND_WRITTEN + b"\n")


def test_a_new_launcher_is_written_into_every_profile_of_the_session():
    made = plan(plan().after, launcher='"/new place/awssso"')
    assert made.changed == tuple(names_in(made.after))
    assert made.after.count(b'credential_process = "/new place/awssso" credential-process corp/') == 3


# Names


def test_two_accounts_of_one_name_both_get_their_id_whatever_their_roles():
    twin = Account("333333333333", "Team Prod")
    assert profiles.names([inventory((PROD, ADMIN), (twin, READER))], RULES) == {
        Role("corp", PROD.id, ADMIN): "team-prod-111111111111.AdministratorAccess",
        Role("corp", twin.id, READER): "Team-Prod-333333333333.ReadOnly",
    }


def test_a_newcomer_of_the_same_name_does_not_take_the_name_away():
    first = plan()
    made = plan(
        first.after, inventory((Account("000000000001", "TEAM-PROD"), ADMIN), *_accounts(CORP)), ledger=first.ledger
    )
    assert made.added == ("TEAM-PROD-000000000001.AdministratorAccess",)
    assert not made.renamed
    assert not made.removed


def _accounts(source: Inventory):
    return [(each.account, *each.roles) for each in source.accounts]


def test_a_name_is_never_given_to_another_role_even_when_its_own_is_gone():
    first = plan()
    gone = plan(first.after, inventory((DEV, ADMIN)), ledger=first.ledger)
    newcomer = inventory((DEV, ADMIN), (replace(PROD, id="999999999999"), ADMIN))
    made = plan(gone.after, newcomer, ledger=Ledger.from_json(gone.ledger.to_json()))
    assert made.added == ("team-prod-999999999999.AdministratorAccess",)
    back = plan(made.after, inventory(*_accounts(newcomer), (PROD, ADMIN)), ledger=made.ledger)
    assert back.added == ("team-prod.AdministratorAccess",)


def test_names_of_sessions_that_are_not_synced_now_are_taken_even_without_a_ledger():
    first = plan(b"", inventory((PROD, ADMIN)))
    made = plan(first.after, inventory((replace(PROD, name="TEAM-prod"), ADMIN), session="two"))
    assert made.added == ("TEAM-prod-111111111111.AdministratorAccess",)


def test_a_name_pruned_without_a_ledger_is_remembered_as_its_roles():
    first = plan(b"", inventory((PROD, ADMIN), (DEV, ADMIN)))
    gone = plan(first.after, inventory((DEV, ADMIN)))
    made = plan(gone.after, inventory((DEV, ADMIN), (replace(PROD, id="999999999999"), ADMIN)), ledger=gone.ledger)
    assert made.added == ("team-prod-999999999999.AdministratorAccess",)


def test_the_same_account_through_two_sessions_has_two_names():
    other = inventory((PROD, ADMIN), session="partner")
    found = profiles.names([inventory((PROD, ADMIN)), other], RULES)
    assert sorted(found.values()) == [
        "team-prod-111111111111.AdministratorAccess.corp",
        "team-prod-111111111111.AdministratorAccess.partner",
    ]


@pytest.mark.parametrize(
    ("account_name", "name"),
    [
        ("Ünï çôde", "Uni-code.Admin"),
        ("日本", "444444444444.Admin"),
        ("", "444444444444.Admin"),
        ("..", "444444444444.Admin"),
        ("-x", "x.Admin"),
        ("🚀 prod", "prod.Admin"),
        ('a"b]c\nd\x1b[31m;e', "a-b-c-d-31m-e.Admin"),
        ("_hidden", "hidden.Admin"),
        ("x" * 1_000_000, "x" * 45 + "-444444444444.Admin"),
        ("x" * 44 + "-" + "y" * 40, "x" * 44 + "-444444444444.Admin"),
    ],
)
def test_f4_any_account_name_gives_a_safe_name(account_name, name):
    found = inventory((Account("444444444444", account_name), "Admin"))
    assert list(profiles.names([found], RULES).values()) == [name]
    assert botocore_profiles(plan(b"", found).after).keys() == {name}


@pytest.mark.parametrize("account_name", ["default", "DEFAULT", "profile", "None", "constructor", "services"])
def test_f4_names_that_mean_something_else_are_not_given(account_name):
    rules = ProfileRules(template="{account_name}")
    found = inventory((Account("444444444444", account_name), "Admin"))
    assert list(profiles.names([found], rules).values()) == [f"{account_name}-444444444444"]


def test_aliases_shorten_roles_and_two_roles_of_one_alias_keep_their_own_names():
    rules = ProfileRules(role_aliases=((ADMIN, "admin"), ("Root", "admin"), (READER, "ro")))
    assert set(profiles.names([inventory((PROD, ADMIN, READER))], rules).values()) == {
        "team-prod.admin",
        "team-prod.ro",
    }
    assert set(profiles.names([inventory((PROD, ADMIN, "Root"))], rules).values()) == {
        "team-prod-111111111111.AdministratorAccess",
        "team-prod-111111111111.Root",
    }


def test_every_field_of_the_template_has_its_meaning():
    rules = ProfileRules(
        template="{session}.{account_id}.{account_email}.{role_alias}", role_aliases=((ADMIN, "adm in"),)
    )
    found = profiles.names([inventory((PROD, ADMIN))], rules)
    assert list(found.values()) == ["corp.111111111111.prod@example.com.adm-in"]


@pytest.mark.parametrize(
    "template",
    [
        *("{nope}", "{account_name", "{account_name!r}", "{account_name:>9}", "{account_name.x}", "{}", "{0}", "plain"),
        *("", "{account_name}/{role_name}", "{account_name} {role_name}", "a}"),
    ],
)
def test_a_template_that_is_wrong_is_a_usage_error_that_lists_the_fields(template):
    with pytest.raises(UsageError) as caught:
        plan(rules=ProfileRules(template=template))
    assert "account_name" in caught.value.hint


@pytest.mark.parametrize("account_id", ["", "12", "../../etc/xx", "\u0661" * 12, "1234567890123"])
def test_an_account_id_that_is_none_is_left_out_and_said(account_id):
    made = plan(b"", inventory((Account(account_id, "team"), ADMIN), (PROD, READER)))
    assert made.added == ("team-prod.ReadOnly",)
    assert made.left_out[0][1] == "the account id is not 12 digits"


@pytest.mark.parametrize("role", ["", "x" * 600, "\ud800", "y" * 1_000_000])
def test_a_role_that_no_profile_can_carry_is_left_out_and_said(role):
    made = plan(b"", inventory((PROD, role, READER)))
    assert made.added == ("team-prod.ReadOnly",)
    [(name, reason)] = made.left_out
    assert len(name) < 800
    assert name.isascii()
    assert name.isprintable()
    assert reason


HOSTILE = st.one_of(
    st.sampled_from(["prod", "Prod", "PROD", "prod!", "pröd", "", "日本", "default", "a" * 70, "-x", "x.y", "prod-1"]),
    st.text(max_size=80),
)
# Surrogates are no text: discovery cannot deliver them, and a test of their own is above.
ROLE_NAMES = st.one_of(
    st.sampled_from(["Admin", "admin", "Admin!", "Admin?", "ReadOnly", "r" * 32, "Admin.corp", "日"]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
)


@st.composite
def inventories(draw, session="corp", first=0):
    count = draw(st.integers(1, 6))
    accounts = []
    for number in range(first, first + count):
        account = Account(f"{number:012d}", draw(HOSTILE))
        accounts.append(AccountRoles(account, tuple(draw(st.lists(ROLE_NAMES, unique=True, max_size=4)))))
    return Inventory(session, 0, tuple(accounts))


TEMPLATES = st.sampled_from(
    [
        *("{account_name}.{role_name}", "{role_name}@{account_name}", "{account_name}", "{role_alias}", "{session}"),
        *("{account_id}.{role_name}", "{account_email}+{account_name}-{account_id}", "-{account_name}"),
    ]
)


@given(inventories(), inventories(session="two"), TEMPLATES, st.randoms(use_true_random=False))
@settings(max_examples=200)
def test_f4_names_are_safe_unique_and_the_same_in_any_order(one, two, template, dice: random.Random):
    rules = ProfileRules(template=template)
    found = profiles.names([one, two], rules)
    assert set(found) == {*one.roles(), *two.roles()}
    folded = [name.casefold() for name in found.values()]
    assert len(set(folded)) == len(folded)
    for name in found.values():
        assert aws_config.SAFE_NAME.fullmatch(name)
        assert name.casefold() not in ("default", "profile", "__proto__")
    assert profiles.names([_shuffled(two, dice), _shuffled(one, dice)], rules) == found


def _shuffled(source: Inventory, dice: random.Random) -> Inventory:
    accounts = [replace(each, roles=tuple(dice.sample(each.roles, len(each.roles)))) for each in source.accounts]
    dice.shuffle(accounts)
    return replace(source, accounts=tuple(accounts))


@given(inventories(), inventories(first=3), inventories(session="two"), TEMPLATES)
@settings(max_examples=150)
def test_growth_renames_nobody_and_botocore_reads_every_profile_back(old, newcomers, other, template):
    rules = ProfileRules(template=template)
    first = plan(HAND_WRITTEN, old, rules=rules)
    known = {each.account.id for each in old.accounts}
    grown = replace(
        old, accounts=(*(each for each in newcomers.accounts if each.account.id not in known), *old.accounts)
    )
    for ledger in (first.ledger, Ledger()):
        second = plan(first.after, grown, other, rules=rules, ledger=ledger)
        assert not second.renamed
        assert not second.removed
        assert set(second.added).isdisjoint(first.added)
        theirs = botocore_profiles(second.after)
        for profile in profiles.generated(second.after):
            assert theirs[profile.name] == {
                "credential_process": f"{LAUNCHER} credential-process {profile.role.word()}"
            }
        assert {profile.role for profile in profiles.generated(second.after)} == {*grown.roles(), *other.roles()}
        assert theirs["own"] == {"s3": {"x": "y"}, "output": "json"}
        again = plan(second.after, other, grown, rules=rules, ledger=second.ledger)
        assert again.is_empty()
        assert again.ledger == second.ledger


# A template that changes


def test_a_changed_template_renames_and_carries_what_a_person_added():
    first = plan(b"", rules=ProfileRules(region="eu-west-1"))
    edited = first.after.replace(b"region = eu-west-1\n", b"region = eu-west-1\ncli_pager =\n# why\n")
    rules = ProfileRules(template="{role_name}@{account_name}", region="eu-west-1")
    made = plan(edited, rules=rules, ledger=first.ledger)
    assert made.renamed == (
        ("team-dev.AdministratorAccess", "AdministratorAccess@team-dev"),
        ("team-prod.AdministratorAccess", "AdministratorAccess@team-prod"),
        ("team-prod.ReadOnly", "ReadOnly@team-prod"),
    )
    assert made.after.count(b"cli_pager =\n# why\n") == 3
    assert plan(made.after, rules=rules, ledger=made.ledger).is_empty()
    assert plan(edited, rules=rules, ledger=first.ledger, rename=False).is_empty()
    back = plan(made.after, rules=ProfileRules(region="eu-west-1"), ledger=made.ledger)
    assert back.after == edited


def test_a_name_that_a_person_gave_in_the_block_stays():
    first = plan()
    own = first.after.replace(b"[profile team-dev.AdministratorAccess]", b"[profile 'my dev']")
    for ledger in (first.ledger, Ledger()):
        made = plan(own, ledger=ledger)
        assert "my dev" in names_in(made.after)
        assert "team-dev.AdministratorAccess" not in names_in(made.after)
        again = plan(made.after, ledger=made.ledger, rules=ProfileRules(template="{role_name}.{account_id}"))
        assert "my dev" in names_in(again.after)


def test_a_second_profile_that_a_person_made_for_a_role_stays():
    first = plan()
    section = first.after.partition(b"[profile team-dev.")[2].partition(b"\n")[2].partition(b"[")[0]
    own = first.after.replace(b"# END", b"[profile zz]\n" + section + b"output = json\n# END")
    made = plan(own, ledger=first.ledger)
    assert made.is_empty()


def test_of_two_old_names_of_a_role_one_is_renamed_and_none_is_lost():
    first = plan(b"", inventory((PROD, ADMIN)))
    section = first.after.partition(b"[profile ")[2].partition(b"# END")[0]
    both = first.after.replace(b"# END", b"[profile " + section.replace(b"team-prod", b"older") + b"# END")
    ledger = Ledger(
        {**first.ledger.names, "older.AdministratorAccess": Handed("corp/111111111111/AdministratorAccess")}
    )
    made = plan(
        both, inventory((PROD, ADMIN)), rules=ProfileRules(template="{role_name}@{account_name}"), ledger=ledger
    )
    assert names_in(made.after) == ["AdministratorAccess@team-prod", "team-prod.AdministratorAccess"]


# What a person changed


def test_keys_that_a_person_added_survive_byte_for_byte():
    first = plan(b"", rules=ProfileRules(region="eu-west-1"))
    added = b"\n# mine\ns3 =\n\tmax_concurrent_requests = 20\n  addressing_style=path \noutput : json\n"
    edited = first.after.replace(b"ReadOnly\nregion = eu-west-1\n", b"ReadOnly\nregion = eu-west-1\n" + added)
    assert plan(edited, rules=ProfileRules(region="eu-west-1"), ledger=first.ledger).is_empty()
    moved = plan(edited, rules=ProfileRules(region="us-east-1"), launcher="/new/awssso", ledger=first.ledger)
    assert b"region = us-east-1\n" + added in moved.after


def test_a_value_that_a_person_changed_stays_and_one_that_we_wrote_follows_the_settings():
    first = plan(b"", rules=ProfileRules(region="eu-west-1", extra=(("output", "json"),)))
    ours = b"ReadOnly\nregion = eu-west-1\noutput = json\n"
    edited = first.after.replace(ours, b"ReadOnly\nregion=ap-south-1\noutput = json\n")
    made = plan(edited, rules=ProfileRules(region="us-east-1"), ledger=first.ledger)
    assert b"ReadOnly\nregion=ap-south-1\n" in made.after
    assert made.after.count(b"region = us-east-1\n") == 2
    assert b"output" not in made.after
    assert plan(made.after, rules=ProfileRules(region="us-east-1"), ledger=made.ledger).is_empty()


def test_a_line_that_a_person_deleted_does_not_come_back():
    first = plan(b"", rules=ProfileRules(region="eu-west-1"))
    edited = first.after.replace(b"ReadOnly\nregion = eu-west-1\n", b"ReadOnly\n")
    made = plan(edited, rules=ProfileRules(region="eu-west-1"), ledger=first.ledger)
    assert made.is_empty()
    later = plan(made.after, rules=ProfileRules(region="us-east-1"), ledger=made.ledger)
    assert later.after.count(b"region =") == 2


def test_a_region_that_a_person_added_is_not_ours_even_where_the_settings_agree_later():
    first = plan()
    edited = first.after.replace(b"ReadOnly\n", b"ReadOnly\nregion = eu-west-1\n")
    agreed = plan(edited, rules=ProfileRules(region="eu-west-1"), ledger=first.ledger)
    later = plan(agreed.after, rules=ProfileRules(region="us-east-1"), ledger=agreed.ledger)
    assert later.after.count(b"region = eu-west-1\n") == 1


def test_without_a_ledger_other_values_are_taken_for_a_persons():
    first = plan(b"", rules=ProfileRules(region="eu-west-1"))
    made = plan(first.after, rules=ProfileRules(region="us-east-1"))
    assert made.is_empty()


def test_sso_keys_never_stand_beside_credential_process():
    first = plan()
    edited = first.after.replace(b"ReadOnly\n", b"ReadOnly\nsso_account_id = 1\noutput = json\nsso_session = corp\n")
    made = plan(edited, ledger=first.ledger)
    assert made.after == first.after.replace(b"ReadOnly\n", b"ReadOnly\noutput = json\n")
    assert made.changed == ("team-prod.ReadOnly",)


def test_static_keys_in_a_generated_profile_are_kept_and_said():
    first = plan()
    edited = first.after.replace(b"ReadOnly\n", b"ReadOnly\naws_access_key_id = AKIA\n")
    made = plan(edited, ledger=first.ledger)
    assert made.is_empty()
    assert made.shadowed == ("team-prod.ReadOnly",)


# Regions, patterns, extra keys


def test_the_most_specific_region_wins_and_the_sso_region_never_appears():
    rules = ProfileRules(
        region="eu-west-1",
        session_regions=(("corp", "eu-west-2"),),
        regions=(("*PROD*", "us-east-1"), (READER, "us-west-2"), (DEV.id, "ca-central-1")),
    )
    sso = b"[sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = sa-east-1\n"
    found = inventory((PROD, ADMIN, READER), (DEV, ADMIN), (Account("333333333333", "x"), ADMIN, READER))
    other = inventory((Account("444444444444", "y"), ADMIN), session="two")
    made = botocore_profiles(plan(sso, found, other, rules=rules).after)
    assert {name: values["region"] for name, values in made.items()} == {
        "team-prod.AdministratorAccess": "us-east-1",
        "team-prod.ReadOnly": "us-east-1",
        "team-dev.AdministratorAccess": "ca-central-1",
        "x.AdministratorAccess": "eu-west-2",
        "x.ReadOnly": "us-west-2",
        "y.AdministratorAccess": "eu-west-1",
    }
    assert b"region = sa-east-1" not in plan(sso, found).after.replace(b"sso_region", b"")


@pytest.mark.parametrize(
    ("include", "exclude", "names"),
    [
        (("TEAM-*",), (), 3),
        (("team-dev",), (), 1),
        (("2222*",), (), 1),
        ((READER,), (), 1),
        (("*-prod.admin*",), (), 1),
        (("*",), ("*prod*",), 1),
        ((), ("read*", "222222222222"), 1),
        (("nothing",), (), 0),
    ],
)
def test_patterns_match_account_name_account_id_role_and_profile_name_without_case(include, exclude, names):
    made = plan(b"", rules=ProfileRules(include=include, exclude=exclude))
    assert len(made.added) == names
    assert made.excluded == 3 - names


def test_a_role_that_is_excluded_now_loses_its_profile():
    first = plan()
    made = plan(first.after, rules=ProfileRules(exclude=(READER,)), ledger=first.ledger)
    assert made.removed == ("team-prod.ReadOnly",)
    assert plan(first.after, rules=ProfileRules(exclude=(READER,)), prune=False).is_empty()


@pytest.mark.parametrize(
    "extra",
    [
        *(("credential_process", "x"), ("region", "us-east-1"), ("sso_session", "corp"), ("aws_access_key_id", "AKIA")),
        *(("role_arn", "arn"), ("Output", "json"), ("a b", "x"), ("x\n[default]", "y"), ("output", "a # b")),
        *(("output", "a\nb"), ("output", ""), ("output", "é")),
    ],
)
def test_an_extra_key_that_would_break_profiles_is_a_usage_error(extra):
    with pytest.raises(UsageError):
        plan(rules=ProfileRules(extra=(extra,)))


@pytest.mark.parametrize("region", ["Europe", "us east 1", "x\n[a]", "us-east-1 # c"])
def test_a_region_that_is_none_is_a_usage_error(region):
    for rules in (
        ProfileRules(region=region),
        ProfileRules(regions=(("*", region),)),
        ProfileRules(session_regions=(("corp", region),)),
    ):
        with pytest.raises(UsageError):
            plan(rules=rules)


# Profiles by hand


@pytest.mark.parametrize("header", ["profile team-dev.AdministratorAccess", "profile 'TEAM-dev.administratoraccess'"])
def test_h6_a_hand_written_profile_of_the_name_wins_and_is_said_with_its_line(header):
    data = f"# first\n[{header}]\nregion = mine\n".encode()
    made = plan(data)
    assert made.after.startswith(data)
    assert names_in(made.after) == ["team-prod.AdministratorAccess", "team-prod.ReadOnly"]
    [(name, reason)] = made.left_out
    assert name == "team-dev.AdministratorAccess"
    assert "~/.aws/config, line 2" in reason
    assert name not in made.ledger.names
    assert plan(made.after, ledger=made.ledger).is_empty()


def test_h6_a_profile_written_by_hand_later_puts_ours_out():
    first = plan()
    data = first.after + b"[profile 'team-dev.AdministratorAccess']\nregion = mine\n"
    made = plan(data, ledger=first.ledger)
    assert made.left_out[0][0] == "team-dev.AdministratorAccess"
    assert made.removed == ()
    assert botocore_profiles(made.after)["team-dev.AdministratorAccess"] == {"region": "mine"}


def test_keys_of_the_same_name_keep_a_new_profile_out_and_are_said():
    keys = b"[team-dev.AdministratorAccess]\naws_access_key_id = AKIA\naws_secret_access_key = x\n"
    made = plan(b"", credentials=keys)
    assert made.shadowed == ("team-dev.AdministratorAccess",)
    assert "~/.aws/credentials, line 1" in made.left_out[0][1]
    assert len(made.added) == 2


def test_keys_that_hide_an_existing_profile_are_said_and_the_profile_stays():
    keys = b"[team-dev.AdministratorAccess]\naws_access_key_id = AKIA\naws_secret_access_key = x\n"
    first = plan()
    made = plan(first.after, credentials=keys, ledger=first.ledger)
    assert made.is_empty()
    assert made.shadowed == ("team-dev.AdministratorAccess",)
    harmless = plan(first.after, credentials=b"[team-dev.AdministratorAccess]\nregion = x\n", ledger=first.ledger)
    assert harmless.shadowed == ()


# Pruning


MANY = inventory(*((Account(f"{number:012d}", f"a{number:02d}"), ADMIN) for number in range(10)))


def test_roles_that_vanished_lose_their_profiles_without_a_question_up_to_a_fifth():
    first = plan(b"", MANY)
    made = plan(first.after, replace(MANY, accounts=MANY.accounts[2:]), ledger=first.ledger)
    assert made.removed == ("a00.AdministratorAccess", "a01.AdministratorAccess")
    assert not made.needs_confirmation
    assert len(names_in(made.after)) == 8


def test_more_than_a_fifth_of_nine_is_two():
    nine = replace(MANY, accounts=MANY.accounts[1:])
    first = plan(b"", nine)
    fewer = replace(nine, accounts=nine.accounts[2:])
    assert plan(first.after, fewer, ledger=first.ledger).needs_confirmation


def test_more_than_a_fifth_needs_confirmation():
    first = plan(b"", MANY)
    fewer = replace(MANY, accounts=MANY.accounts[3:])
    assert plan(first.after, fewer, ledger=first.ledger).needs_confirmation
    kept = plan(first.after, fewer, ledger=first.ledger, prune=False)
    assert kept.is_empty()
    assert not kept.needs_confirmation
    assert len(kept.withheld) == 3


def test_the_fifth_is_counted_for_each_session():
    other = inventory((PROD, ADMIN), (DEV, ADMIN), session="two")
    first = plan(b"", MANY, other)
    fewer = replace(other, accounts=other.accounts[1:])
    assert plan(first.after, MANY, fewer, ledger=first.ledger).needs_confirmation


def test_nothing_is_pruned_after_a_partial_discovery():
    first = plan(b"", MANY)
    partial = inventory(*_accounts(MANY)[2:-1], (MANY.accounts[-1].account, ADMIN, True))
    made = plan(first.after, partial, ledger=first.ledger)
    assert made.is_empty()
    assert made.withheld == ("a00.AdministratorAccess", "a01.AdministratorAccess")


def test_a_role_of_a_stale_account_keeps_its_profile():
    first = plan()
    made = plan(first.after, inventory((PROD, ADMIN, READER, True), (DEV, ADMIN)), ledger=first.ledger)
    assert made.is_empty()
    assert made.withheld == ()


def test_sessions_that_are_not_synced_are_not_touched():
    first = plan(b"", CORP, inventory((PROD, "Partner"), session="two"))
    made = plan(first.after, inventory((PROD, "New"), session="two"), launcher="/new/awssso", ledger=first.ledger)
    for line in plan(b"").after.splitlines():
        assert line in made.after
    assert made.removed == ("team-prod.Partner",)
    assert made.added == ("team-prod.New",)
    assert made.kept == 0


def test_the_last_profile_takes_the_block_with_it():
    first = plan(HAND_WRITTEN)
    made = plan(first.after, inventory(), ledger=first.ledger)
    assert made.after == HAND_WRITTEN + b"\r\n\r\n"
    assert made.needs_confirmation


# Refusals


@pytest.mark.parametrize(
    ("config", "credentials", "where"),
    [
        (b"[profile a]\n[profile a]\n", b"", "~/.aws/config, line 2"),
        (b"", b"[a]\njunk\n", "~/.aws/credentials, line 2"),
        (b"# BEGIN awssso\n", b"", "~/.aws/config, line 1"),
        (b"# BEGIN awssso\n[profile mine]\nx=1\n# END awssso\n", b"", "~/.aws/config, line 2"),
    ],
)
def test_files_that_surprise_us_are_refused_with_their_line(config, credentials, where):
    with pytest.raises(RefusedError) as caught:
        plan(config, credentials=credentials)
    assert where in caught.value.message
    assert caught.value.exit_status == 6


# The diff


def test_h10_the_diff_is_one_that_patch_applies():
    lf = HAND_WRITTEN.replace(b"\r\n", b"\n")
    assert patched(lf, plan(lf).diff_text()) == plan(lf).after
    assert plan(lf).diff_text().startswith("--- ~/.aws/config\n+++ ~/.aws/config (new)\n@@ -")


@given(st.lists(st.integers(0, 12), max_size=60), st.lists(st.integers(0, 12), max_size=60), st.booleans())
@settings(max_examples=150)
def test_any_two_texts_differ_by_what_patch_applies(old, new, final):
    before, after = ("".join(f"line {number}\n" for number in numbers).encode() for numbers in (old, new))
    before = before[: len(before) - (not final)]
    text = replace(plan(), before=before, after=after).diff_text()
    if before == after:
        assert text == ""
    else:
        assert patched(before, text) == after


def test_h10_the_diff_shows_no_secret_of_its_neighbours():
    for secret in (
        "aws_secret_access_key = hunter2",
        "AWS_Session_Token: hunter2",
        "aws_session_token=x\n# c\n  hunter2=",
        "s3 =\n  my_password = hunter2",
    ):
        text = plan(f"[profile x]\n{secret}\n".encode()).diff_text()
        assert "hunter2" not in text
        assert "****" in text
    assert " output = json\n" in plan(b"[profile x]\noutput = json\n").diff_text()


# The ledger


def test_the_ledger_survives_json():
    ledger = plan(b"", rules=ProfileRules(region="eu-west-1")).ledger
    assert ledger.names["team-prod.ReadOnly"] == Handed("corp/111111111111/ReadOnly", (("region", "eu-west-1"),))
    assert Ledger.from_json(ledger.to_json()) == ledger
    assert Ledger.from_json(ledger.to_json().encode()).to_json() == ledger.to_json()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "1", '{"names": 1}', '{"names": {"a": 1}}', '{"names": {"a": {}}}', b"\xff"]
)
def test_a_broken_ledger_is_a_lost_one(text):
    assert Ledger.from_json(text) == Ledger()


def test_a_ledger_that_disagrees_with_the_block_yields_to_it():
    first = plan()
    other = Ledger({"team-dev.AdministratorAccess": Handed("corp/999999999999/Other")})
    made = plan(first.after, ledger=other)
    assert made.is_empty()
    assert made.ledger == first.ledger


def test_twenty_thousand_profiles_have_twenty_thousand_names():
    roles = ("AdministratorAccess", "ReadOnly", "Developer", "Billing")
    many = inventory(*((Account(f"{number:012d}", f"team {number // 2}"), *roles) for number in range(5_000)))
    first = plan(b"", many)
    assert len(set(first.added)) == 20_000
    moved = plan(first.after, many, launcher="/new/awssso", ledger=first.ledger)
    assert len(moved.changed) == 20_000
    assert moved.diff_text().count("\n+credential_process = /new/awssso ") == 20_000

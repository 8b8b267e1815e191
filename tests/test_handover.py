from __future__ import annotations

import pytest

from awssso_helper import handover
from awssso_helper.model import RoleCredentials, Secret

KEYS = RoleCredentials(
    "ASIAEXAMPLE", Secret("the-secret-key"), Secret("the-session-token"), 1_800_000_000, "210987654321"
)
# What a developer's shell may have collected: each of these would win over what is handed over, in some SDK.
STALE = {
    "AWS_PROFILE": "old",
    "AWS_DEFAULT_PROFILE": "old",
    "AWS_ACCESS_KEY_ID": "AKIAOLD",
    "AWS_SECRET_ACCESS_KEY": "old",
    "AWS_SESSION_TOKEN": "old",
    "AWS_SECURITY_TOKEN": "old",
    "AWS_CREDENTIAL_EXPIRATION": "2020-01-01T00:00:00Z",
    "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/old",
    "AWS_ROLE_SESSION_NAME": "old",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/old",
    "AWS_WEB_IDENTITY_SOMETHING_NEW": "/old",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/old",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/old",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "old",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/old",
    "AWS_CONTAINER_SOMETHING_NEW": "old",
}
OTHER = {"PATH": "/bin", "AWS_CA_BUNDLE": "/ca.pem", "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1", "HTTPS_PROXY": "x"}


def test_keys_are_handed_over_with_their_end_and_both_regions():
    handed = handover.of_keys(KEYS, "prod.Admin", "eu-west-1", {})
    assert handed.applied({}) == {
        "AWS_ACCESS_KEY_ID": "ASIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "the-secret-key",
        "AWS_SESSION_TOKEN": "the-session-token",
        "AWS_CREDENTIAL_EXPIRATION": "2027-01-15T08:00:00Z",
        "AWS_ACCOUNT_ID": "210987654321",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWSSSO_PROFILE": "prod.Admin",
        "AWSSSO_REGION": "eu-west-1",
    }


def test_a_profile_is_handed_over_by_name_and_nothing_secret_with_it():
    assert handover.of_profile("prod.Admin", "", {}).applied({}) == {
        "AWS_PROFILE": "prod.Admin",
        "AWSSSO_PROFILE": "prod.Admin",
    }


@pytest.mark.parametrize("variable", STALE)
def test_no_other_source_of_credentials_survives(variable):
    for handed in (
        handover.of_keys(KEYS, "new", "", STALE),
        handover.of_profile("new", "", STALE),
        handover.of_nothing(STALE),
    ):
        assert handed.applied(STALE).get(variable) in (None, handed.values.get(variable))
        assert handed.applied(STALE).get(variable) != STALE[variable]


def test_what_is_no_source_of_credentials_stays():
    for handed in (handover.of_keys(KEYS, "new", "", OTHER), handover.of_nothing(OTHER)):
        assert OTHER.items() <= handed.applied(OTHER).items()


def test_a_region_of_the_user_stays_where_the_profile_has_none():
    mine = {"AWS_REGION": "eu-central-1"}
    assert handover.of_profile("new", "", mine).applied(mine)["AWS_REGION"] == "eu-central-1"
    assert handover.of_profile("new", "us-west-2", mine).applied(mine)["AWS_REGION"] == "us-west-2"


def test_a_region_of_the_user_outlives_profiles_without_one():
    mine = {"AWS_DEFAULT_REGION": "eu-central-1", "AWS_ACCOUNT_ID": "mine"}
    first = handover.of_profile("first", "", mine).applied(mine)
    second = handover.of_profile("second", "", first).applied(first)
    assert mine.items() <= second.items()


def test_region_and_account_of_the_profile_before_go():
    before = handover.of_keys(KEYS, "before", "eu-west-1", {}).applied({})
    now = handover.of_profile("now", "", before).applied(before)
    assert now == {"AWS_PROFILE": "now", "AWSSSO_PROFILE": "now"}


def test_taking_back_leaves_nothing_of_ours():
    before = handover.of_keys(KEYS, "before", "eu-west-1", {}).applied(OTHER)
    assert handover.of_nothing(before).applied(before) == OTHER


@pytest.mark.parametrize(
    "mine",
    [
        {"AWS_REGION": "eu-central-1"},
        {"AWS_DEFAULT_REGION": "eu-central-1"},
        {"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "us-east-2"},
        # The very region of the profile that comes.
        {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"},
    ],
)
def test_regions_of_the_user_come_back_when_no_profile_stands_in_their_place(mine):
    variables = dict(mine)
    for name, region in (("first", "eu-west-1"), ("second", "us-west-2"), ("second", "us-west-2"), ("third", "")):
        variables = handover.of_profile(name, region, variables).applied(variables)
        assert not region or {variables["AWS_REGION"], variables["AWS_DEFAULT_REGION"]} == {region}
    assert variables == {**mine, "AWS_PROFILE": "third", "AWSSSO_PROFILE": "third"}
    variables = handover.of_keys(KEYS, "fourth", "us-west-2", variables).applied(variables)
    assert handover.of_nothing(variables).applied(variables) == mine


def test_a_region_that_the_user_sets_meanwhile_is_theirs_from_then_on():
    variables = handover.of_profile("first", "eu-west-1", {"AWS_REGION": "old"}).applied({"AWS_REGION": "old"})
    variables |= {"AWS_REGION": "eu-central-1"}
    variables = handover.of_profile("second", "us-west-2", variables).applied(variables)
    assert handover.of_nothing(variables).applied(variables) == {"AWS_REGION": "eu-central-1"}


def test_a_handover_does_not_show_its_secrets():
    assert "the-secret-key" not in repr(handover.of_keys(KEYS, "x", "", {}))

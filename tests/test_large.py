"""A large organisation: nobody waits for it in the morning, and what changed is said."""

from __future__ import annotations

import threading

import pytest
from sandbox import Sandbox

from awssso_helper.simulator import Organization, Simulator


@pytest.fixture
def user(home):
    with Simulator(Organization.large(150, 2)) as simulator:
        user = Sandbox(home, simulator)
        yield user
        user.stop_agent()
        assert user.leaks() == []


def names(user):
    return user.ok("list", "--names").stdout.split()


def gain(user):
    user.simulator.organization.add_account("900000000001", "newcomer")
    user.simulator.organization.assign("ada@example.com", "900000000001", "Admin")


def test_the_first_login_waits_and_the_next_goes_on_behind_and_says_what_changed(user):
    user.first_day()
    assert len(names(user)) == 300
    gain(user)
    said = user.ok("login", "--force").stderr
    assert "behind" in said
    for _ in range(200):
        if "newcomer.Admin" in names(user):
            break
        threading.Event().wait(0.1)
    news = ""
    for _ in range(60):
        if "found since your login" in news:
            break
        news = user.ok("status").stderr
        threading.Event().wait(0.1)
    assert "gained newcomer (900000000001) Admin" in news
    assert "found since your login" not in user.ok("status").stderr


def test_wait_waits(user):
    user.first_day()
    gain(user)
    said = user.ok("login", "--force", "--wait").stderr
    assert "gained newcomer" in said
    assert "newcomer.Admin" in names(user)


def test_without_an_agent_login_waits(user):
    user.first_day()
    user.settings("keyring = plaintext-file", "agent = off")
    gain(user)
    assert "gained newcomer" in user.ok("login", "--force").stderr


def test_a_failed_sync_behind_is_said_too(user):
    user.first_day()
    user.simulator.misbehave("ListAccounts", times=50, error="ForbiddenException")
    user.ok("login", "--force")
    news = ""
    for _ in range(60):
        if "sync after login failed" in news:
            break
        news = user.ok("status").stderr
        threading.Event().wait(0.1)
    assert "ForbiddenException" in news


def test_a_second_sync_asks_only_for_the_list_and_full_asks_all(user):
    user.first_day()
    user.simulator.clear_log()
    said = user.ok("sync").stderr
    assert "150 accounts were asked not long ago" in said
    assert user.simulator.count("ListAccountRoles") == 0
    user.ok("sync", "--full")
    assert user.simulator.count("ListAccountRoles") == 150


def test_another_person_in_the_same_session_gets_their_own_roles(user):
    organization = user.simulator.organization
    for number in range(120):
        organization.assign("bob@example.com", f"1{number:011}", "OnlyBobs")
    user.first_day()
    user.ok("login", "--force", "--wait", AWSSSO_PERSON_USER="bob@example.com")
    user.ok("sync", "--yes")
    assert {name.split(".")[1] for name in names(user)} == {"OnlyBobs"}

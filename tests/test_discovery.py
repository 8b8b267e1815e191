from __future__ import annotations

import json
import math
import os
from dataclasses import replace

import pytest

from awssso_helper import discovery
from awssso_helper.credentials import Credentials
from awssso_helper.discovery import Memory, changes, discovered
from awssso_helper.environment import Environment
from awssso_helper.errors import LoginNeededError, NetworkError, ServiceError
from awssso_helper.identity_center import DEVICE_CODE, IdentityCenter
from awssso_helper.keyrings import PLAINTEXT_FILE
from awssso_helper.model import Account, AccountRoles, Deadline, Inventory, SignIn, SsoSession
from awssso_helper.settings import Settings
from awssso_helper.simulator import Organization, Simulator, person
from awssso_helper.store import Store

SESSION = SsoSession("corp", "https://d-1234567890.awsapps.com/start", "us-east-1")
SCOPES = ("sso:account:access",)
FAILING = "100000000007"


class Watcher:
    def __init__(self, on_found=lambda: None):
        self.found, self.done = [], 0
        self._on_found = on_found

    def accounts_found(self, count):
        self.found.append(count)
        self._on_found()

    def account_done(self):
        self.done += 1


class User:
    """Somebody who is signed in at a simulator, with a store of their own."""

    def __init__(self, simulator):
        self.environment = Environment({**os.environ, **simulator.variables()})
        endpoints = self.environment.endpoints(SESSION.region, SESSION.start_url)
        self.service = IdentityCenter(self.environment, endpoints, connections=discovery.WORKERS)
        store = Store(self.environment, PLAINTEXT_FILE, may_prompt=False)
        self.credentials = Credentials.of_user(self.environment, Settings(), store, stays=True)
        registration = self.service.register_client(
            "awssso", grant=DEVICE_CODE, scopes=SCOPES, issuer_url=SESSION.start_url, deadline=soon()
        )
        device = self.service.start_device_authorization(registration, SESSION.start_url, soon())
        person.approve(device.verification_uri_complete)
        token = self.service.poll_device(registration, device.device_code, soon())
        self.credentials.keep(SignIn(SESSION, token, (registration,)), soon())
        simulator.clear_log()

    def discovered(self, known=None, progress=None, **more):
        return discovered(
            SESSION.name,
            credentials=self.credentials,
            service=self.service,
            known=known,
            progress=progress or Watcher(),
            **{"deadline": soon(), **more},
        )


def soon():
    return Deadline(60)


@pytest.fixture
def large():
    with Simulator(Organization.large(230, 3)) as simulator:
        yield simulator


@pytest.fixture
def simulator():
    with Simulator(Organization.large(20, 2)) as simulator:
        yield simulator


@pytest.fixture
def user(simulator):
    return User(simulator)


def timeless(inventory):
    return tuple(replace(entry, asked_at=0) for entry in inventory.accounts)


def inventory_of(simulator):
    reachable = simulator.organization.reachable("ada@example.com")
    return tuple(AccountRoles(account, tuple(sorted(roles))) for account, roles in sorted(reachable.items()))


# What is found


def test_every_account_and_role_of_every_page_is_found_with_one_call_each(large):
    watcher = Watcher()
    found = User(large).discovered(progress=watcher)
    assert timeless(found.inventory) == inventory_of(large)
    assert found.inventory.is_complete()
    assert found.failures == ()
    assert (watcher.found[-1], watcher.done) == (230, 230)
    assert (large.count("ListAccounts"), large.count("ListAccountRoles")) == (3, 230)
    assert large.count("CreateToken") == 0


def test_an_organisation_without_accounts_is_an_empty_inventory(simulator, user):
    simulator.misbehave("ListAccounts", body=b'{"accountList": []}')
    found = user.discovered()
    assert (found.inventory.accounts, found.failures) == ((), ())


def test_an_account_listed_twice_is_asked_once(simulator, user):
    account = {"accountId": FAILING, "accountName": "one"}
    simulator.misbehave("ListAccounts", body=json.dumps({"accountList": [account, account], "nextToken": "x"}).encode())
    simulator.misbehave("ListAccounts", body=json.dumps({"accountList": [account]}).encode())
    assert [entry.account.id for entry in user.discovered().inventory.accounts] == [FAILING]
    assert simulator.count("ListAccountRoles") == 1


def test_nothing_is_lost_through_a_throttle_with_bursts_of_429_and_some_5xx():
    with Simulator(Organization.large(5000, 4)) as huge:
        huge.throttle(rate=1200, burst=50)
        for status in (500, 502, 503, 504):
            huge.misbehave("ListAccountRoles", times=5, status=status)
        huge.misbehave("ListAccounts", status=500)
        found = User(huge).discovered(deadline=Deadline(300))
        assert found.failures == ()
        assert timeless(found.inventory) == inventory_of(huge)
        assert len(found.inventory.roles()) == 20_000


# What need not be asked again


def test_a_large_organisation_is_asked_once_a_day_and_new_accounts_at_once(large):
    user = User(large)
    first = user.discovered().inventory
    large.organization.add_account("900000000001", "newcomer")
    large.organization.assign("ada@example.com", "900000000001", "Admin")
    large.organization.remove_account("100000000003")
    large.clear_log()
    second = user.discovered(known=first)
    assert large.count("ListAccountRoles") == 1
    assert second.reused == 229
    assert timeless(second.inventory) == inventory_of(large)


def test_a_role_gained_in_a_known_account_is_found_when_all_are_asked(large):
    user = User(large)
    first = user.discovered().inventory
    large.organization.assign("ada@example.com", "100000000003", "Gained")
    assert timeless(user.discovered(known=first).inventory) != inventory_of(large)
    assert timeless(user.discovered(known=first, asks_all=True).inventory) == inventory_of(large)


@pytest.mark.parametrize(
    "change",
    [
        lambda entry: replace(entry, asked_at=entry.asked_at - 13 * 3600),
        lambda entry: replace(entry, asked_at=entry.asked_at + 3600),
        lambda entry: replace(entry, stale=True),
        lambda entry: replace(entry, asked_at=0),
    ],
    ids=["old", "from the future", "stale", "distrusted"],
)
def test_what_is_not_surely_of_today_is_asked_again(large, change):
    user = User(large)
    first = user.discovered().inventory
    known = replace(first, accounts=tuple(change(entry) for entry in first.accounts))
    large.clear_log()
    assert user.discovered(known=known).reused == 0
    assert large.count("ListAccountRoles") == 230


def test_a_small_organisation_is_always_asked(simulator, user):
    first = user.discovered().inventory
    simulator.organization.assign("ada@example.com", FAILING, "Gained")
    assert timeless(user.discovered(known=first).inventory) == inventory_of(simulator)


def test_an_interrupted_discovery_goes_on_where_it_was(simulator, user, memory):
    journal = memory.journal("corp")

    def interrupt():
        if simulator.count("ListAccountRoles") >= 8:
            raise KeyboardInterrupt

    watcher = Watcher()
    watcher.account_done = interrupt
    with pytest.raises(KeyboardInterrupt):
        user.discovered(progress=watcher, journal=journal)
    done = len(list(journal.entries(60)))
    assert done > 0
    with journal._path.open("ab") as cut_off:
        cut_off.write(b'{"id": "1000000')
    found = user.discovered(journal=journal)
    assert found.reused >= done
    assert len(list(journal.entries(60))) >= 20
    assert timeless(found.inventory) == inventory_of(simulator)


def test_after_a_sign_in_nothing_is_trusted(memory):
    memory.remember(INVENTORY, soon())
    memory.journal("corp").add(replace(INVENTORY.accounts[0], asked_at=5))
    memory.distrust("corp", soon())
    assert {entry.asked_at for entry in memory.recall("corp").accounts} == {0}
    assert list(memory.journal("corp").entries(1e12)) == []


# One account fails


def close_account_meanwhile(simulator):
    """Close an account between the list, which still has it, and the question for its roles."""
    listed = [{"accountId": account.id} for account in simulator.organization.reachable("ada@example.com")]
    simulator.misbehave("ListAccounts", body=json.dumps({"accountList": listed}).encode())
    simulator.organization.remove_account(FAILING)


def test_an_account_that_goes_away_meanwhile_keeps_its_last_known_roles_and_is_reported(simulator, user):
    known = user.discovered().inventory
    close_account_meanwhile(simulator)
    found = user.discovered(known=known)
    by_id = {entry.account.id: entry for entry in found.inventory.accounts}
    assert by_id[FAILING].roles == ("Role000", "Role001")
    assert [entry.account.id for entry in found.inventory.accounts if entry.stale] == [FAILING]
    assert not found.inventory.is_complete()
    ((account, error),) = found.failures
    assert account.id == FAILING
    assert isinstance(error, ServiceError)
    assert "ResourceNotFoundException" in error.message


def test_a_failing_account_that_was_never_seen_is_there_without_roles(simulator, user):
    close_account_meanwhile(simulator)
    found = user.discovered(known=Inventory("corp", 0, ()))
    by_id = {entry.account.id: entry for entry in found.inventory.accounts}
    assert (by_id[FAILING].roles, by_id[FAILING].stale) == ((), True)
    assert len(by_id) == 20


@pytest.mark.parametrize(
    "how", [{"error": "ForbiddenException"}, {"body": b"<html>"}, {"half_close": True}, {"reset": True}]
)
def test_one_bad_reply_loses_one_account_and_no_other(simulator, user, how):
    known = user.discovered().inventory
    simulator.misbehave("ListAccountRoles", **how)
    found = user.discovered(known=known)
    assert len(found.failures) == 1
    assert sum(entry.stale for entry in found.inventory.accounts) == 1
    assert [entry.roles for entry in found.inventory.accounts] == [entry.roles for entry in known.accounts]


def test_where_no_account_answers_the_whole_fails(simulator, user):
    simulator.misbehave("ListAccountRoles", error="ForbiddenException", times=math.inf)
    with pytest.raises(ServiceError):
        user.discovered(known=Inventory("corp", 0, ()))


@pytest.mark.parametrize(
    "how", [{"error": "InvalidRequestException"}, {"body": b"<html>"}, {"body": b'{"accountList": 5}'}]
)
def test_without_the_list_of_accounts_the_whole_fails(simulator, user, how):
    simulator.misbehave("ListAccounts", times=math.inf, **how)
    with pytest.raises((ServiceError, NetworkError)):
        user.discovered(known=Inventory("corp", 0, ()))


# The token


def test_a_token_that_dies_in_the_middle_is_refreshed_once_for_all(simulator, user):
    simulator.advance(3000)

    def after_the_list():
        if simulator.count("CreateToken") == 0 and len(watcher.found) == 20:
            simulator.advance(700)

    watcher = Watcher(after_the_list)
    # Our own clock stays: for us the token looks good until the server says no.
    simulator.latency = 0.02
    found = user.discovered(progress=watcher)
    assert timeless(found.inventory) == inventory_of(simulator)
    assert found.failures == ()
    assert simulator.count("CreateToken", grantType="refresh_token") == 1


def test_a_token_that_dies_between_two_pages_is_refreshed_and_the_list_begun_again(large):
    user = User(large)
    watcher = Watcher(lambda: large.advance(3700) if len(watcher.found) == 100 else None)
    found = user.discovered(progress=watcher)
    assert timeless(found.inventory) == inventory_of(large)
    assert large.count("CreateToken", grantType="refresh_token") == 1
    assert large.count("ListAccountRoles", account_id="100000000229") >= 1


def test_a_session_that_was_ended_needs_a_login_and_is_no_partial_result(simulator, user):
    simulator.organization.revoke_sessions("ada@example.com")
    with pytest.raises(LoginNeededError) as caught:
        user.discovered(known=Inventory("corp", 0, ()))
    assert caught.value.exit_status == 3


def test_a_session_that_ends_in_the_middle_needs_a_login(simulator, user):
    watcher = Watcher(lambda: simulator.organization.revoke_sessions("ada@example.com"))
    simulator.latency = 0.01
    with pytest.raises(LoginNeededError):
        user.discovered(progress=watcher)


# Throttling


def test_behind_a_throttle_everything_arrives_and_nobody_is_sent_to_login(simulator, user):
    simulator.throttle(rate=20, burst=5)
    found = user.discovered()
    assert timeless(found.inventory) == inventory_of(simulator)
    assert found.failures == ()
    assert any(call.status == 429 for call in simulator.log)
    assert simulator.count("CreateToken") == 0


# Memory

INVENTORY = Inventory(
    "corp",
    1_800_000_000,
    (
        AccountRoles(Account("000000000001", "a\u202e\U0001f600 \x1b", "x@y"), ("Admin", "Ré adOnly"), stale=True),
        AccountRoles(Account("000000000002", ""), ()),
    ),
)


@pytest.fixture
def memory(tmp_path):
    return Memory(tmp_path / "cache", tmp_path / "locks")


def file_of(memory, session="corp"):
    return memory._file(session)


def test_what_is_remembered_is_recalled(memory):
    assert memory.recall("corp") is None
    memory.remember(INVENTORY, soon())
    assert memory.recall("corp") == INVENTORY


@pytest.mark.parametrize("session", ["../../evil", "a/b", "", "x" * 5000, "nul\x00", "é\ud800", "CON"])
def test_any_session_name_has_a_file_of_its_own_inside_the_directory(memory, tmp_path, session):
    memory.remember(Inventory(session, 1), soon())
    assert memory.recall(session) == Inventory(session, 1)
    assert memory.recall("corp") is None
    assert {path.parent for path in (tmp_path / "cache").rglob("*.json")} == {tmp_path / "cache" / "inventory"}


def good_file(memory):
    memory.remember(INVENTORY, soon())
    return file_of(memory).read_bytes()


def test_e8_a_memory_cut_at_any_place_is_no_memory(memory):
    whole = good_file(memory)
    for length in range(len(whole)):
        file_of(memory).write_bytes(whole[:length])
        assert memory.recall("corp") is None


def test_e8_a_memory_with_any_byte_broken_is_none_or_still_an_inventory(memory):
    whole = good_file(memory)
    for position in range(len(whole)):
        file_of(memory).write_bytes(whole[:position] + b"\xff" + whole[position + 1 :])
        assert memory.recall("corp") is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("session",), 5),
        (("session",), "other"),
        (("found_at",), "x"),
        (("found_at",), None),
        (("found_at",), math.inf),
        (("found_at",), math.nan),
        (("accounts",), None),
        (("accounts",), {"a": 1}),
        (("accounts",), [5]),
        (("accounts", 0), []),
        (("accounts", 0, "id"), "12"),
        (("accounts", 0, "id"), 1),
        (("accounts", 0, "name"), 5),
        (("accounts", 0, "email"), None),
        (("accounts", 0, "roles"), "Admin"),
        (("accounts", 0, "roles"), [5]),
        (("accounts", 0, "roles"), None),
    ],
    ids=str,
)
def test_a_memory_of_another_shape_is_no_memory(memory, path, value):
    values = json.loads(good_file(memory))
    *way, last = path
    inner = values
    for step in way:
        inner = inner[step]
    inner[last] = value
    file_of(memory).write_text(json.dumps(values))
    assert memory.recall("corp") is None


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b"5", b"{}", b"\xef\xbb\xbf{}", b"[" * 200_000, b"\x00" * 100])
def test_a_memory_that_is_something_else_is_no_memory(memory, raw):
    good_file(memory)
    file_of(memory).write_bytes(raw)
    assert memory.recall("corp") is None


def test_no_secret_is_in_what_is_remembered(simulator, user, memory):
    memory.remember(user.discovered().inventory, soon())
    text = file_of(memory).read_text()
    assert not any(secret in text for secret in simulator.organization.issued_secrets())
    assert "Role000" in text


# Changes


def test_changes_name_what_was_gained_and_lost_by_account_and_role():
    one, two, three = (Account(f"00000000000{number}", f"n{number}") for number in (1, 2, 3))
    before = Inventory("corp", 1, (AccountRoles(one, ("A", "B")), AccountRoles(two, ("A",))))
    renamed = Account(one.id, "another name")
    after = Inventory("corp", 2, (AccountRoles(renamed, ("B", "C")), AccountRoles(three, ("A",))))
    seen = changes(before, after)
    assert seen.gained == ((renamed, "C"), (three, "A"))
    assert seen.lost == ((one, "A"), (two, "A"))


def test_without_a_before_everything_is_gained_and_the_same_is_no_change():
    assert len(changes(None, INVENTORY).gained) == 2
    assert changes(None, INVENTORY).lost == ()
    same = changes(INVENTORY, Inventory("corp", 2, INVENTORY.accounts[::-1]))
    assert (same.gained, same.lost) == ((), ())

"""The order of a migration in every state that it can come to: the real step table, a model of the outside.

The model world is the files as bytes, the keyring as a dictionary, IAM as a status, SSO as a switch. From every state
that was reached, every action is run with every fault at every call, until no new state turns up.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections import Counter
from dataclasses import dataclass, field, replace

import pytest

from awssso_helper import aws_config, sections, static_keys
from awssso_helper.errors import AwsssoError, KeyringLockedError, LoginNeededError, NetworkError, ServiceError
from awssso_helper.iam import Keys, KeyState, Principal, Resolved
from awssso_helper.migration import edits, runner
from awssso_helper.migration import job as jobs
from awssso_helper.migration.job import Job, Target
from awssso_helper.model import Role, Secret

KEY = "AKIAAAAAAAAAAAAAAAAA"
SECRET = "canaryCANARYcanaryCANARYcanaryCANARY0000"
ACCOUNT = "210987654321"
ROLE = Role("corp", ACCOUNT, "PowerUserAccess")
PROCESS = aws_config.process_value("/opt/awssso", ROLE)
CHAIN_ROLE = "arn:aws:iam::482736190055:role/deploy"
CREDENTIALS = f"""# head

[home]
aws_access_key_id = ASIAXXXXXXXXXXXXXXXX

# the laptop
[work]
aws_access_key_id = {KEY}
aws_secret_access_key = {SECRET}
output = json

""".encode()
ONLY_KEY = f"\n \n[work]\naws_access_key_id={KEY}\naws_secret_access_key={SECRET}".encode()
CONFIG = f"""[sso-session corp]
sso_region = us-east-1

[profile old]
aws_access_key_id = {KEY}
aws_secret_access_key = {SECRET}
region = eu-west-1

[profile deploy]
role_arn = {CHAIN_ROLE}
source_profile = work
""".encode()
NOW = 1_800_000_000


class Crash(BaseException):
    """The process ends here."""


@dataclass(frozen=True)
class State:
    """All that outlives a process."""

    config: bytes = CONFIG
    credentials: bytes = CREDENTIALS
    vault: tuple[tuple[str, str], ...] = ()
    status: str = "Active"
    job: Job | None = None
    sso: bool = True
    may_change: bool = True


@dataclass
class Fault:
    """What goes wrong at one call: `kind` is one of KINDS, at the call with this number."""

    kind: str = ""
    at: int = -1


# A crash, an error before the effect, an error after it (a reply that is lost), SSO ending or coming back.
KINDS = ("crash before", "crash after", "fails", "lost", "sso off", "sso on", "denied")
EFFECTS = frozenset({"amend", "remove_if_blank", "vault_put", "vault_delete", "save", "set_status", "delete_key"})


@dataclass
class Model:
    """The outside. It is its own cloud."""

    state: State
    fault: Fault = field(default_factory=Fault)
    calls: list[str] = field(default_factory=list)
    checked: set[str] = field(default_factory=set)

    @property
    def cloud(self):
        return self

    # Faults and promises

    def _call(self, name: str, act):
        number = len(self.calls)
        self.calls.append(name)
        kind = self.fault.kind if self.fault.at == number else ""
        if kind in ("sso off", "sso on"):
            self.state = replace(self.state, sso=kind == "sso on")
        if kind == "denied":
            self.state = replace(self.state, may_change=False)
        if kind == "crash before":
            raise Crash
        if kind == "fails":
            raise KeyringLockedError("locked") if name.startswith("vault") else NetworkError("no answer")
        answer = act()
        if kind == "crash after":
            raise Crash
        if kind == "lost":
            raise NetworkError("the reply was lost")
        return answer

    def _change(self, **parts) -> None:
        """Change the outside, and see that the promises hold at this very instant."""
        before, self.state = self.state, replace(self.state, **parts)
        if "job" not in parts:
            self._no_way_is_lost_unverified(before)
            self.checked.clear()
        self._no_secret_is_lost()
        if self.state.job is not None:
            assert SECRET not in json.dumps(jobs.values(self.state.job))

    def _no_way_is_lost_unverified(self, before: State) -> None:
        for name in ("work", "old"):
            if has_static_way(before, name) and not has_static_way(self.state, name):
                assert has_sso_profile(self.state, name), f"{name} has neither"
                assert "sso" in self.checked, f"{name} lost its key, and SSO was not verified right before"
        if before.status == "Active" and self.state.status != "Active":
            assert {"sso", "resolved"} <= self.checked

    def _no_secret_is_lost(self) -> None:
        in_files = SECRET.encode() in self.state.config + self.state.credentials
        in_vault = any(
            SECRET in text and self.state.job and whole(self.state.job, text) for _, text in self.state.vault
        )
        assert in_files or in_vault or self.state.status == "gone"

    # Files

    def name(self, *, config: bool) -> str:
        return "config" if config else "credentials"

    def text(self, *, config: bool) -> bytes:
        return self._call("text", lambda: self.state.config if config else self.state.credentials)

    def amend(self, change, *, config: bool) -> None:
        def act():
            part = "config" if config else "credentials"
            before = getattr(self.state, part)
            after = change(before)
            if after != before:
                self._change(**{part: after})

        self._call("amend", act)

    def remove_if_blank(self) -> None:
        def act():
            if self.state.credentials and not self.state.credentials.strip():
                self._change(credentials=b"")

        self._call("remove_if_blank", act)

    # Keyring and journal

    def vault_get(self, key_id: str):
        def act():
            text = dict(self.state.vault).get(key_id)
            return None if text is None else Secret(text)

        return self._call("vault_get", act)

    def vault_put(self, key_id: str, text: Secret) -> None:
        self._call("vault_put", lambda: self._change(vault=((key_id, text.reveal()),)))

    def vault_delete(self, key_id: str) -> None:
        self._call("vault_delete", lambda: self._change(vault=()))

    def save(self, job: Job) -> None:
        self._call("save", lambda: self._change(job=job))

    def saved(self, key_id: str) -> Job | None:
        return self.state.job

    # SSO and SDKs

    def role_keys(self, role: Role, region: str) -> Keys:
        def act():
            if not self.state.sso:
                raise LoginNeededError("no login")
            self.checked.add("sso")
            return Keys("ASIA", Secret("x"), Secret("sso"), region)

        return self._call("role_keys", act)

    def process_keys(self, process: str, region: str) -> Keys:
        def act():
            if not self.state.sso:
                raise AwsssoError("it does not answer")
            return Keys("ASIA", Secret("x"), Secret("sso"), region)

        return self._call("process_keys", act)

    def resolved(self, profile: str, region: str) -> Resolved:
        def act():
            if has_static_way(self.state, profile):
                return Resolved("shared-credentials-file", Keys(KEY, Secret(SECRET), None, region))
            if not has_sso_profile(self.state, profile) or not self.state.sso:
                raise AwsssoError("no credentials")
            self.checked.add("resolved")
            return Resolved("custom-process", Keys("ASIA", Secret("x"), Secret("sso"), region))

        return self._call("resolved", act)

    # STS and IAM

    def principal(self, keys: Keys) -> Principal:
        def act():
            if keys.session_token is not None:
                return Principal(
                    ACCOUNT, f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_{ROLE.name}_{'0' * 16}/me"
                )
            if self.state.status != "Active" or keys.secret != Secret(SECRET):
                raise ServiceError("refused", code="InvalidClientTokenId", status=403)
            return Principal(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/ada")

        return self._call("principal", act)

    def assume(self, keys: Keys, role_arn: str, external_id: str) -> Keys:
        return self._call("assume", lambda: keys)

    def key_state(self, keys: Keys, user: str, key_id: str):
        def act():
            self._demand_permission()
            return None if self.state.status == "gone" else KeyState(self.state.status, 0)

        return self._call("key_state", act)

    def set_status(self, keys: Keys, user: str, key_id: str, status: str) -> None:
        def act():
            self._demand_key()
            if self.state.status != status:
                self._change(status=status)

        self._call("set_status", act)

    def delete_key(self, keys: Keys, user: str, key_id: str) -> None:
        def act():
            self._demand_key()
            assert self.state.status == "Inactive", "an Active key was deleted"
            self._change(status="gone")

        self._call("delete_key", act)

    def _demand_permission(self) -> None:
        if not self.state.may_change:
            raise ServiceError("denied", code="AccessDenied", status=403)

    def _demand_key(self) -> None:
        self._demand_permission()
        if self.state.status == "gone":
            raise ServiceError("no such key", code="NoSuchEntity", status=404)

    def now(self) -> int:
        return NOW

    def sleep(self, seconds: float) -> None:
        pass


def whole(job: Job, text: str) -> bool:
    return edits.vault_of(job, Secret(text)) is not None


@functools.cache
def values_of(data: bytes, header: str) -> dict:
    return aws_config.parsed(data, name="file").sections.get(header, {})


def has_static_way(state: State, name: str) -> bool:
    places = (values_of(state.credentials, name), values_of(state.config, f"profile {name}"))
    return state.status == "Active" and any(each.get(static_keys.SECRET_KEY) == SECRET for each in places)


def has_sso_profile(state: State, name: str) -> bool:
    return values_of(state.config, f"profile {name}").get(aws_config.PROCESS) == PROCESS


def planned(state: State) -> Job:
    config = aws_config.parsed(state.config, name="config")
    credentials = aws_config.parsed(state.credentials, name="credentials")
    (key,) = static_keys.found(config, credentials).keys
    targets = tuple(
        Target(
            profile=name,
            role=ROLE,
            process=PROCESS,
            header=f"profile {name}",
            config_digest=edits.config_digest(sections.text_of(config, f"profile {name}")),
            credentials_digest=edits.digest_of(sections.text_of(credentials, name)),
        )
        for name in key.profiles
    )
    return Job(
        key_id=KEY,
        account_id=ACCOUNT,
        user="ada",
        region="us-east-1",
        initial="Active",
        targets=targets,
        order=sections.headers(credentials),
        above=tuple(spot.above for spot in sections.layout(credentials)),
        blank="" if sections.between(credentials).strip() else sections.between(credentials).decode(),
        dependants=key.dependants,
    )


# What a person can do


def migrate(model: Model) -> None:
    job = model.state.job
    if job is None or job.stage == jobs.UNDONE:
        job = planned(model.state)
    if job.stage in (jobs.RETIRED, jobs.DELETING, jobs.DELETED):
        return
    runner.advanced(model, job, lambda _: None)


def undo(model: Model) -> None:
    if model.state.job is not None and model.state.job.may_be_undone:
        runner.undone(model, model.state.job, lambda _: None)


def delete(model: Model) -> None:
    if model.state.job is not None:
        runner.deleted(model, model.state.job, grace_days=0, say=lambda _: None)


ACTIONS = (migrate, undo, delete)


def run(state: State, action, fault: Fault | None = None) -> Model:
    """Do something in a state, in a process of its own that may crash; gives the world afterwards."""
    model = Model(state, fault or Fault())
    with contextlib.suppress(AwsssoError, Crash):
        action(model)
    return model


def is_original(state: State, begun: State) -> bool:
    return (state.config, state.credentials, state.status, state.vault) == (
        begun.config, begun.credentials, begun.status, (),
    )  # fmt: skip


NEEDS_SSO = frozenset({"role_keys", "process_keys", "resolved"})
NEEDS_PERMISSION = frozenset({"key_state", "set_status", "delete_key"})


def faults(calls: list[str]):
    """Every fault that can make a difference: a crash between two effects is one before the second of them."""
    for number, name in enumerate(calls):
        kinds = ["fails"] if name != "text" else []
        if name in EFFECTS:
            kinds += ["crash before", "crash after", "lost"]
        if name in NEEDS_SSO:
            kinds += ["sso off", "sso on"]
        if name in NEEDS_PERMISSION:
            kinds += ["denied"]
        yield from (Fault(kind, number) for kind in kinds)


def explored(begun: State, most: int = 100_000) -> tuple[list[State], int]:
    """Give every state that can be reached by any action with any single fault, again and again; and the runs."""
    runs = 0
    seen = {begun}
    pending = [begun]
    while pending:
        state = pending.pop()
        for action in ACTIONS:
            whole_run = run(state, action)
            ends = [run(state, action, fault).state for fault in faults(whole_run.calls)]
            runs += len(ends)
            for after in (whole_run.state, *ends):
                if after not in seen:
                    assert len(seen) < most
                    seen.add(after)
                    pending.append(after)
    return list(seen), runs


@pytest.fixture(
    scope="module",
    params=[CREDENTIALS, pytest.param(ONLY_KEY, marks=pytest.mark.soak)],
    ids=["a file with others", "the only key, without a final newline"],
)
def everything(request) -> tuple[State, list[State]]:
    begun = State(credentials=request.param)
    states, runs = explored(begun)
    print(f"\n{request.param[:6]!r}...: {len(states)} states, {runs} runs with a fault")
    return begun, states


def test_the_model_reaches_every_stage(everything):
    _, states = everything
    stages = Counter(state.job.stage if state.job else "nothing" for state in states)
    assert {"nothing", "vault", "profile", "cut", "deactivate", "retired", "local", "undoing", "undone"} <= set(stages)
    assert {"deleting", "deleted"} <= set(stages)
    assert {state.status for state in states} == {"Active", "Inactive", "gone"}


def test_i4_from_every_state_a_second_run_ends_the_migration_or_undoes_it_wholly(everything):
    begun, states = everything
    for state in states:
        if state.status == "gone":
            continue
        after = run(replace(state, sso=True, may_change=True), migrate).state
        assert after.job
        if after.job.stage == jobs.UNDONE:
            assert is_original(after, begun)
        else:
            assert after.job.stage in (jobs.RETIRED, jobs.DELETING)
            assert after.status == "Inactive"
            assert all(has_sso_profile(after, name) for name in ("work", "old"))
            assert SECRET.encode() not in after.config + after.credentials


def test_i2_i4_from_every_state_undo_gives_every_byte_and_the_key_back(everything):
    begun, states = everything
    for state in states:
        if state.job is None or not state.job.may_be_undone or state.status == "gone":
            continue
        after = run(replace(state, sso=True, may_change=True), undo).state
        assert is_original(after, begun), state


def test_while_the_key_is_active_undo_needs_no_sso(everything):
    begun, states = everything
    for state in states:
        if state.job is None or not state.job.is_in_effect or state.status != "Active" or state.job.touched_at:
            continue
        assert is_original(run(replace(state, sso=False), undo).state, begun)


def test_a_key_that_an_administrator_made_inactive_becomes_active_by_undo(everything):
    begun, states = everything
    tried = 0
    for state in states:
        if state.job is None or state.job.stage != jobs.LOCAL or state.status != "Active":
            continue
        tried += 1
        after = run(replace(state, sso=True, may_change=True, status="Inactive"), undo).state
        assert is_original(after, begun), state
    assert tried


def test_an_undo_of_an_inactive_key_that_nobody_can_make_active_changes_nothing(everything):
    """Signed out, or without the permission: its section would win over the profile, and be no way to AWS."""
    _, states = everything
    tried = 0
    for state in states:
        if state.job is None or state.job.stage != jobs.RETIRED or state.status != "Inactive":
            continue
        for without in ({"sso": False}, {"sso": True, "may_change": False}):
            tried += 1
            before = replace(state, **without)
            assert run(before, undo).state == before
    assert tried


@pytest.mark.parametrize("action", [migrate, undo], ids=["migrate", "undo"])
def test_i1_a_key_that_is_deleted_in_any_state_leaves_names_that_are_sso_or_files_as_they_were(everything, action):
    begun, states = everything
    rolled_on = 0
    for state in states:
        if state.job is None or not state.job.is_unfinished or state.status == "gone":
            continue
        after = run(replace(state, sso=True, may_change=True, status="gone"), action).state
        assert after.job
        if after.job.stage == jobs.UNDONE:
            assert (after.config, after.credentials, after.vault) == (begun.config, begun.credentials, ())
            continue
        rolled_on += 1
        assert after.job.stage == jobs.RETIRED, state
        assert all(has_sso_profile(after, name) for name in ("work", "old"))
        assert SECRET.encode() not in after.config + after.credentials
        ended = run(after, delete).state
        assert ended.job
        assert (ended.job.stage, ended.vault) == (jobs.DELETED, ())
    assert rolled_on


def test_i1_with_sso_on_every_state_has_a_way_to_aws_under_each_name(everything):
    _, states = everything
    for state in states:
        for name in ("work", "old"):
            assert has_static_way(state, name) or has_sso_profile(state, name), (name, state)


def test_after_the_deletion_nothing_of_the_secret_is_anywhere(everything):
    _, states = everything
    ended = [state for state in states if state.job and state.job.stage == jobs.DELETED]
    assert ended
    for state in ended:
        assert state.vault == ()
        assert SECRET.encode() not in state.config + state.credentials


def test_from_every_state_of_deletion_a_second_run_completes_it(everything):
    _, states = everything
    for state in states:
        if state.job and state.job.stage == jobs.DELETING:
            after = run(replace(state, sso=True, may_change=True), delete).state
            assert after.job
            assert (after.job.stage, after.vault) == (jobs.DELETED, ())


def migrated_by_an_earlier_version(begun: State) -> State:
    """What version 1 of the vault left: sections with the comments above them and all up to those of the next."""
    old = CONFIG.decode().partition("[profile old]")[2].partition("[profile deploy]")[0]
    whole = {
        "work": (None, "# the laptop\n[work]\n" + CREDENTIALS.decode().partition("[work]\n")[2]),
        "old": (f"[profile old]{old}", None),
    }
    now = planned(begun)
    targets = tuple(
        replace(
            target,
            lead=1 if target.profile == "work" else 0,
            config_digest=edits.config_digest((whole[target.profile][0] or "").encode() or None),
            credentials_digest=edits.digest_of((whole[target.profile][1] or "").encode() or None),
        )
        for target in now.targets
    )
    job = replace(
        now, targets=targets, above=(), blank="", stage=jobs.RETIRED, reached="deactivate", manager=ROLE,
        began_at=NOW - 100, local_at=NOW - 100, touched_at=NOW - 100, retired_at=NOW - 100,
    )  # fmt: skip
    record = {
        "version": 1, "key_id": KEY, "secret": SECRET,
        "sections": {name: {"config": each[0], "credentials": each[1]} for name, each in whole.items()},
    }  # fmt: skip
    key_lines = f"aws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    old = f"[profile old]\n{key_lines}region = eu-west-1\n"
    config = CONFIG.decode().replace(old, f"[profile old]\nregion = eu-west-1\ncredential_process = {PROCESS}\n")
    config += f"\n[profile work]\ncredential_process = {PROCESS}\noutput = json\n"
    credentials = CREDENTIALS.decode().removesuffix(whole["work"][1])
    return State(
        config=config.encode(), credentials=credentials.encode(), vault=((KEY, json.dumps(record)),),
        status="Inactive", job=jobs.from_values(jobs.values(job)),
    )  # fmt: skip


def test_what_an_earlier_version_retired_is_undone_byte_for_byte():
    begun = State()
    state = migrated_by_an_earlier_version(begun)
    assert SECRET.encode() not in state.config + state.credentials
    assert is_original(run(state, undo).state, begun)
    # A section that came below it meanwhile is above it then.
    more = replace(state, credentials=state.credentials + b"[new]\nregion = us-east-1\n")
    after = run(more, undo).state.credentials
    assert after == more.credentials + begun.credentials[len(state.credentials) :]


def test_i4_a_section_that_somebody_edits_before_it_is_cut_stays_as_they_left_it():
    begun = State()
    whole_run = run(begun, migrate)
    first_amend = whole_run.calls.index("amend")
    at_the_cut = whole_run.calls.index("amend", first_amend + 1)
    stopped = run(begun, migrate, Fault("crash before", at_the_cut)).state
    edited = stopped.credentials.replace(b"output = json", b"output = text")
    assert edited != stopped.credentials
    after = run(replace(stopped, credentials=edited), migrate).state
    assert after.job
    assert (after.job.stage, after.credentials, after.config) == (jobs.UNDONE, edited, begun.config)
    assert run(after, migrate).state.status == "Inactive"

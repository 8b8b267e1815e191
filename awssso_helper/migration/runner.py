"""Walks the step table: forwards, on from where a killed run stopped, backwards, and on to the deletion of the key."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from awssso_helper.errors import AwsssoError, LoginNeededError, NetworkError, RefusedError
from awssso_helper.iam import ACTIVE, INACTIVE, is_denied, is_no_such
from awssso_helper.migration import job as jobs
from awssso_helper.migration import key_status, steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from awssso_helper.migration.job import Job
    from awssso_helper.migration.world import World

    Say = Callable[[str], None]

DAY = 24 * 3600
_DAYS_UNTOLD = 14
_TRIES = 4

_NAMES = [step.name for step in steps.STEPS]


class UndoneError(AwsssoError):
    """A job failed and all is as it was before it; `exit_status` is that of the reason."""

    def __init__(self, reason: AwsssoError) -> None:
        super().__init__(reason.message, hint=reason.hint)
        self.exit_status = reason.exit_status


class NotUndoneError(AwsssoError):
    """An Inactive key could not be made Active, so nothing was taken back; `exit_status` is that of the reason."""

    def __init__(self, job: Job, reason: AwsssoError) -> None:
        first = "awssso login, then again; or " if isinstance(reason, LoginNeededError) else ""
        super().__init__(
            f"{job.key_id} has to be Active first and could not be made so; nothing was changed: {reason.message}",
            hint=f"{first}an administrator can: {key_status.admin_command(job, ACTIVE)}",
        )
        self.exit_status = reason.exit_status


class StuckError(AwsssoError):
    """A job failed, and what it had done could not be taken back now; its names work, and the next run goes on."""


class GraceError(RefusedError):
    """A key is kept until its grace is over."""


# Forwards


def advanced(world: World, job: Job, say: Say) -> Job:
    """Take a job to its end: the key is Inactive, or as far as the SSO role may go.

    Raises:
        UndoneError: it failed, and all of it was undone, or nothing had been done.
        StuckError: it failed, and so did its undoing.
    """
    if job.stage == jobs.UNDOING:
        raise _taken_back(world, job, AwsssoError("an earlier run had begun to undo it", hint="awssso migrate"), say)
    try:
        job = _ready(world, job, say)
    except AwsssoError as error:
        if not job.is_unfinished:
            raise UndoneError(error) from error
        raise _taken_back(world, job, error, say) from error
    try:
        return _walked(world, job, say)
    except AwsssoError as error:
        raise _taken_back(world, world.saved(job.key_id) or job, error, say) from error


def _ready(world: World, job: Job, say: Say) -> Job:
    """See that all can be done and undone, before anything is."""
    # A keyring that is locked should say so now.
    world.vault_get(job.key_id)
    steps.verify_sso(world, job)
    say(f"SSO works: {', '.join(role.name for role in job.roles)} in {job.account_id}")
    job = key_status.proved(world, job)
    if job.manager:
        say(f"undo works: {job.manager.name} may change the key")
    return job


def _walked(world: World, job: Job, say: Say) -> Job:
    job = replace(job, began_at=job.began_at or world.now(), ended_at=0)
    for step in steps.STEPS:
        if not step.applies(job):
            continue
        is_new = not step.is_done(world, job)
        if is_new:
            step.requires(world, job)
            job = replace(job, stage=step.name, reached=_further(job.reached, step.name))
            world.save(job)
            job = step.do(world, job)
        if step.applies(job):
            step.verify(world, job)
            said = step.said(job) if is_new else ""
            if said:
                say(said)
    return _at_rest(world, job)


def _further(reached: str, name: str) -> str:
    return max(reached, name, key=_NAMES.index) if reached else name


def _at_rest(world: World, job: Job) -> Job:
    now = world.now()
    if job.manager is None and _is_made_inactive(world, job):
        job = replace(job, manager=key_status.manager_of(job))
    is_retired = job.manager is not None and not job.keeps_key
    stage = jobs.RETIRED if is_retired else jobs.LOCAL
    retired_at = (job.retired_at or now) if is_retired else 0
    job = replace(job, stage=stage, retired_at=retired_at, local_at=job.local_at or now)
    world.save(job)
    return job


def _is_made_inactive(world: World, job: Job) -> bool:
    """Say whether somebody has made a key Inactive that we may not change; no where nobody may look."""
    try:
        return not job.keeps_key and key_status.status_of(world, job) == INACTIVE
    except AwsssoError:
        return False


def _taken_back(world: World, job: Job, reason: AwsssoError, say: Say) -> AwsssoError:
    """Undo what a failed job did; of one whose names were SSO before only what was new. Gives the error to raise."""
    if job.stage in (jobs.PLANNED, jobs.LOCAL, jobs.RETIRED, jobs.UNDONE):
        return UndoneError(reason)
    try:
        if job.local_at and job.stage != jobs.UNDOING:
            _reactivated(world, job)
        else:
            undone(world, job, say, is_failure=True)
    except AwsssoError as error:
        return StuckError(f"{reason.message}; and it could not be undone now: {error.message}", hint=error.hint)
    return UndoneError(reason)


def _reactivated(world: World, job: Job) -> None:
    job = _with_key_seen(world, job)
    deactivate = steps.STEPS[-1]
    deactivate.undo(world, job)
    world.save(replace(job, stage=jobs.LOCAL, touched_at=0, retired_at=0))


# Backwards


def undone(world: World, job: Job, say: Say, *, is_failure: bool = False) -> Job:
    """Take everything back: the key Active and answering, the sections byte for byte, the copy forgotten.

    After a failure a key that was retired by an earlier run, and whose section came back, stays Inactive.

    Raises:
        AwsssoError: a step could not be undone; what is not undone still works, and the next run goes on.
    """
    job = _with_key_seen(world, job)
    begun = _begun(job)
    job = replace(job, stage=jobs.UNDOING)
    world.save(job)
    was_retired = is_failure and job.retired_at and not job.local_at
    for step in reversed(begun):
        if not (was_retired and step is steps.STEPS[-1]):
            step.undo(world, job)
    job = replace(job, stage=jobs.UNDONE, ended_at=world.now(), touched_at=0, retired_at=0, local_at=0, reached="")
    world.save(job)
    say(f"undone: {', '.join(job.profiles)} is as it was")
    return job


def _begun(job: Job) -> tuple[steps.Step, ...]:
    """Give the steps that may have something to undo; of a key that was left to an administrator the last one, too."""
    if job.local_at:
        return steps.STEPS
    return steps.STEPS[: _NAMES.index(job.reached) + 1] if job.reached else ()


def _with_key_seen(world: World, job: Job) -> Job:
    """See that there is a key to undo for and a way to make it Active, before anything is taken back.

    While the key is Active, undo needs neither SSO nor IAM. The section of an Inactive one is not put back: it would
    win over the SSO profile, and be no way to AWS.
    """
    if not job.reached or _NAMES.index(job.reached) < _NAMES.index("cut"):
        return job
    try:
        user, status = _seen(world, job)
    except AwsssoError as error:
        if job.stage == jobs.DELETING:
            raise
        if job.stage in (jobs.LOCAL, jobs.RETIRED) and not steps.is_surely_active(world, job):
            raise NotUndoneError(job, error) from error
        return job
    job = replace(job, user=user or job.user)
    if status is not None:
        return job
    what = "was deleted" if user else f"is not to be seen, for there is no user {job.user[:64]!a} any more"
    if job.is_unfinished:
        # Its section may be back already, and would be no way to AWS.
        job = _with_sso(world, job)
    raise RefusedError(
        f"{job.key_id} {what}; nothing brings it back", hint="awssso migrate --delete-keys forgets its copy"
    )


def _seen(world: World, job: Job) -> tuple[str, str | None]:
    """Give the user that has the key now, and its status; where a call gets no answer, a few times more.

    Raises:
        AwsssoError: nobody may look, or IAM does not answer.
    """
    fault: AwsssoError | None = None
    for _ in itertools.islice(key_status.waits(world), _TRIES):
        try:
            user = key_status.user_now(world, job)
            return user, key_status.status_of(world, replace(job, user=user or job.user))
        except AwsssoError as error:
            if not key_status.may_pass(error):
                raise
            fault = error
    raise fault or NetworkError("IAM does not answer")


def _with_sso(world: World, job: Job) -> Job:
    """Bring a job whose key is gone to where its names are SSO again: what is left of it is to be forgotten."""
    for step in steps.STEPS[:-1]:
        if step.applies(job) and not step.is_done(world, job):
            step.requires(world, job)
            job = replace(step.do(world, job), stage=jobs.UNDOING)
            step.verify(world, job)
    now = world.now()
    job = replace(
        job, stage=jobs.RETIRED, manager=key_status.manager_of(job), retired_at=job.retired_at or now,
        local_at=job.local_at or now,
    )  # fmt: skip
    world.save(job)
    return job


# Where the journal is lost


def found_again(job: Job, now: int) -> Job:
    """Give the job of a copy in the keyring as it has to be taken: all may be done, and its grace begins anew.

    What the files and IAM say is looked up when it is undone or goes on.
    """
    is_retired = job.manager is not None and not job.keeps_key
    return replace(
        job,
        stage=jobs.RETIRED if is_retired else jobs.LOCAL,
        reached=_NAMES[-1],
        touched_at=job.began_at or now,
        retired_at=now if is_retired else 0,
        local_at=now,
    )


# To the end


def grace_left(job: Job, now: int, grace_days: int) -> int:
    """Give the seconds until a retired key may be deleted; 0 or less: it may."""
    return job.retired_at + grace_days * DAY - now


def seen_inactive(world: World, job: Job, status: str | None) -> Job:
    """Take a key that an administrator made Inactive for retired from now on, since AWS does not say since when it is.

    Raises:
        RefusedError: it is still Active; nothing was changed.
    """
    if status not in (None, INACTIVE):
        raise RefusedError(
            f"{job.key_id} is still Active", hint=f"an administrator can: {key_status.admin_command(job, INACTIVE)}"
        )
    job = replace(job, stage=jobs.RETIRED, retired_at=world.now(), manager=key_status.manager_of(job))
    world.save(job)
    return job


def deleted(world: World, job: Job, *, grace_days: int, say: Say) -> Job:
    """Delete a key that is Inactive and whose grace is over, then forget its copy.

    Raises:
        RefusedError: it may not be deleted (yet); nothing was changed.
        AwsssoError: SSO does not work, or IAM does not answer; the next run goes on.
    """
    user = key_status.user_now(world, job)
    job = replace(job, user=user or job.user)
    if job.stage == jobs.LOCAL:
        job = seen_inactive(world, job, key_status.status_of(world, job))
    if job.stage not in (jobs.RETIRED, jobs.DELETING):
        raise RefusedError(f"{job.key_id} is not retired", hint="awssso migrate")
    steps.verify_sso(world, job)
    steps.names_are_sso(world, job)
    say(f"SSO works: {', '.join(job.profiles)}")
    status = key_status.status_of(world, job)
    if status == ACTIVE and job.stage == jobs.RETIRED:
        world.save(replace(job, stage=jobs.LOCAL, retired_at=0, touched_at=0))
        raise RefusedError(f"{job.key_id} is Active: somebody made it so", hint="awssso migrate")
    if status not in (None, INACTIVE):
        raise RefusedError(f"{job.key_id} is {str(status)[:20]}, not Inactive", hint="awssso migrate --status")
    left = grace_left(job, world.now(), grace_days)
    if not user and job.stage != jobs.DELETING:
        _demand_long_gone(world, job)
    if status is not None and left > 0 and job.stage != jobs.DELETING:
        raise GraceError(
            f"the grace of {job.key_id} ends in {-(-left // DAY)} days (--now does not wait)",
            hint="awssso migrate --delete-keys --now",
        )
    job = replace(job, stage=jobs.DELETING)
    world.save(job)
    if status is not None:
        _delete_or_step_back(world, job)
    world.vault_delete(job.key_id)
    job = replace(job, stage=jobs.DELETED, ended_at=world.now())
    world.save(job)
    what = "deleted" if status is not None else "AWS has no more"
    say(f"{what} {job.key_id} of {job.user} in {job.account_id}; the keyring has forgotten its copy")
    return job


def _demand_long_gone(world: World, job: Job) -> None:
    """Keep the copy for a while where the user is not there: with another name it may have the key still."""
    left = grace_left(job, world.now(), _DAYS_UNTOLD)
    if left > 0:
        raise GraceError(
            f"AWS has no user {job.user[:64]!a} in {job.account_id} any more, and does not say whether {job.key_id} "
            f"went with it: its copy is kept for {-(-left // DAY)} days",
            hint="have the role be allowed iam:GetAccessKeyLastUsed, then: awssso migrate --delete-keys",
        )


def _delete_or_step_back(world: World, job: Job) -> None:
    """Delete the key; where the role may not, the job is as it was before, its grace and its undo with it."""
    try:
        _delete(world, job)
    except AwsssoError as error:
        if not is_denied(error):
            raise
        world.save(replace(job, stage=jobs.RETIRED))
        raise RefusedError(
            f"{key_status.manager_of(job).name} may not delete {job.key_id}, which stays Inactive",
            hint=f"an administrator can: {key_status.delete_command(job)}",
        ) from error


def _delete(world: World, job: Job) -> None:
    """Delete the key, and see that it is gone; a lost reply is no failure, what counts is what IAM shows."""
    keys = world.role_keys(key_status.manager_of(job), job.region)
    fault: AwsssoError | None = None
    for _ in key_status.waits(world):
        try:
            world.cloud.delete_key(keys, job.user, job.key_id)
        except AwsssoError as error:
            if not is_no_such(error) and not key_status.may_pass(error):
                raise
            fault = None if is_no_such(error) else error
        if fault is None and key_status.status_of(world, job) is None:
            return
    raise fault or NetworkError(f"IAM still shows {job.key_id}", hint="awssso migrate --delete-keys")

"""The key in IAM: whether an SSO role may change it, its status, and changing that until IAM shows it.

IAM is eventually consistent and replies get lost, so no call's answer counts, only what a later listing shows.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from awssso_helper.errors import AwsssoError, NetworkError, RefusedError, ServiceError, ThrottledError
from awssso_helper.iam import ACTIVE, INACTIVE, is_dead_key, is_denied, is_no_such

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awssso_helper.iam import Keys
    from awssso_helper.migration.job import Job
    from awssso_helper.migration.world import World
    from awssso_helper.model import Role

# IAM is eventually consistent: an Inactive key may work for a while, and a listing be old (PROTOCOL 8).
_PAUSES = (0.5, 1, 1, 2, 2, 4, 4, 8, 8, 16, 16)
_SETTLED_SECONDS = 300


def proved(world: World, job: Job) -> Job:
    """Prove that undo would work: have an SSO role set the key to the status that it has.

    Where none of the roles may change it the job goes on without a `manager`, and leaves the key to an administrator.

    Raises:
        AwsssoError: the key is not there, or IAM does not answer.
    """
    if job.keeps_key or not job.user:
        return replace(job, manager=None)
    for role in dict.fromkeys([*([job.manager] if job.manager else []), *job.roles]):
        status = _proved_status(world, job, role)
        if status:
            return replace(job, manager=role, initial=job.initial or status)
    return replace(job, manager=None)


def _proved_status(world: World, job: Job, role: Role) -> str:
    """Give the status that the role could set again; empty where it may not."""
    keys = world.role_keys(role, job.region)
    try:
        state = world.cloud.key_state(keys, job.user, job.key_id)
        if state is None:
            raise no_such_key(job)
        if state.status in (ACTIVE, INACTIVE):
            world.cloud.set_status(keys, job.user, job.key_id, state.status)
            return state.status
    except AwsssoError as error:
        if is_no_such(error):
            raise no_such_key(job) from error
        if not is_denied(error):
            raise
    return ""


def no_such_key(job: Job) -> RefusedError:
    """Say that AWS has no such key."""
    return RefusedError(
        f"the user {job.user[:64]!a} in {job.account_id} has no key {job.key_id}",
        hint="remove the dead key from the file by hand",
    )


def status_of(world: World, job: Job) -> str | None:
    """Give the key's status as the managing role sees it; None where AWS has no such key any more.

    Raises:
        AwsssoError: no role may look, or IAM does not answer.
    """
    keys = world.role_keys(manager_of(job), job.region)
    try:
        state = world.cloud.key_state(keys, job.user, job.key_id)
    except AwsssoError as error:
        if is_no_such(error):
            return None
        raise
    return state.status if state else None


def user_now(world: World, job: Job) -> str:
    """Give the name that the key's user has now; empty where that user is not there and AWS does not say who has it.

    Of a user that was renamed AWS says just what it says of one that was deleted with its keys.

    Raises:
        AwsssoError: IAM does not answer.
    """
    keys = world.role_keys(manager_of(job), job.region)
    try:
        world.cloud.key_state(keys, job.user, job.key_id)
    except AwsssoError as error:
        if is_denied(error):
            return job.user
        if not is_no_such(error):
            raise
    else:
        return job.user
    try:
        user = world.cloud.last_use(keys, job.key_id).user
    except ServiceError as error:
        if may_pass(error):
            raise
        return ""
    if user == job.user:
        raise NetworkError(f"IAM says that {user[:64]!a} has {job.key_id}, and that there is no such user")
    return user


def is_inactive(world: World, job: Job) -> bool:
    """Say whether IAM shows the key as Inactive; not where the role may not look.

    Raises:
        AwsssoError: AWS has no such key, or IAM does not answer.
    """
    try:
        status = status_of(world, job)
    except AwsssoError as error:
        if is_denied(error):
            return False
        raise
    if status is None:
        raise no_such_key(job)
    return status == INACTIVE


def deactivate(world: World, job: Job) -> Job:
    """Make the key Inactive and wait until IAM shows it; where the role may not any more, leave it to others.

    Raises:
        AwsssoError: it may have become Inactive nevertheless.
    """
    touched = replace(job, touched_at=job.touched_at or world.now())
    world.save(touched)
    try:
        _set_status(world, job, INACTIVE)
    except AwsssoError as error:
        if is_denied(error):
            # It could a moment ago. Nothing was changed, and an administrator can.
            return replace(job, manager=None)
        if not may_pass(error):
            raise
    _await_status(world, job, INACTIVE)
    return replace(touched, retired_at=world.now())


def manager_of(job: Job) -> Role:
    """Give the role that signs what is asked and changed of the key."""
    return job.manager or job.roles[0]


def _set_status(world: World, job: Job, status: str) -> None:
    world.cloud.set_status(world.role_keys(manager_of(job), job.region), job.user, job.key_id, status)


def _await_status(world: World, job: Job, status: str) -> None:
    """Wait until IAM shows the status. A lost reply is no failure, and no success: what counts is what IAM shows."""
    keys = world.role_keys(manager_of(job), job.region)
    fault: AwsssoError | None = None
    for _ in waits(world):
        try:
            state = world.cloud.key_state(keys, job.user, job.key_id)
            if state is not None and state.status == status:
                return
            world.cloud.set_status(keys, job.user, job.key_id, status)
        except AwsssoError as error:
            if not may_pass(error):
                raise
            fault = error
    raise fault or NetworkError(f"IAM does not show {job.key_id} as {status}", hint="awssso migrate")


def may_pass(error: AwsssoError) -> bool:
    """Say whether the same call may do better in a moment: no answer, throttling, a fault of the service."""
    if isinstance(error, ServiceError):
        return isinstance(error, ThrottledError) or error.status >= 500  # noqa: PLR2004 - HTTP
    return isinstance(error, NetworkError)


def demand_inactive(world: World, job: Job) -> None:
    """See that IAM shows the key as Inactive.

    Raises:
        AwsssoError: it does not.
    """
    if not is_inactive(world, job):
        raise NetworkError(f"IAM does not show {job.key_id} as Inactive", hint="awssso migrate")


def _is_dead(world: World, static: Keys) -> bool:
    """Say whether AWS refuses the key itself."""
    try:
        world.cloud.principal(static)
    except AwsssoError as error:
        if is_dead_key(error):
            return True
        raise
    return False


def waits(world: World) -> Iterator[None]:
    """Give a turn at once and then one after each pause, which grow: as long as IAM may take to show a change."""
    yield
    for pause in _PAUSES:
        world.sleep(pause)
        yield


def admin_command(job: Job, status: str) -> str:
    """Give the command by which an administrator of the account sets the key's status."""
    return f"aws iam update-access-key {_named(job)} --status {status}"


def delete_command(job: Job) -> str:
    """Give the command by which an administrator of the account deletes the key."""
    return f"aws iam delete-access-key {_named(job)}"


def _named(job: Job) -> str:
    return f"--user-name {shlex.quote(job.user or 'USER')} --access-key-id {job.key_id}"


def answers_for_good(world: World, job: Job, static: Keys) -> bool:
    """Say whether the key is surely Active, asked itself: an administrator may have made it so.

    One that we made Inactive may answer for a while; one that answers long after is Active.

    Raises:
        AwsssoError: STS does not answer.
    """
    has_settled = world.now() - job.touched_at > _SETTLED_SECONDS
    return has_settled and not _is_dead(world, static)


def switch_on(world: World, job: Job, static: Keys) -> None:
    """Make the key Active, and wait until it answers itself; one that we never touched only where it does not answer.

    Raises:
        AwsssoError: it could not be made Active; the hint is the command for an administrator.
    """
    # Of one that we never touched: an administrator may have made it Inactive.
    if not job.touched_at and not _is_dead(world, static):
        return
    try:
        job = replace(job, user=user_now(world, job) or job.user)
        _set_status(world, job, ACTIVE)
        _await_status(world, job, ACTIVE)
    except AwsssoError as error:
        if not answers_for_good(world, job, static):
            raise AwsssoError(
                f"{job.key_id} could not be made Active: {error.message}", hint=admin_command(job, ACTIVE)
            ) from error
    for _ in waits(world):
        if not _is_dead(world, static):
            return
    raise NetworkError(f"{job.key_id} is Active and does not answer yet", hint="awssso migrate --undo")

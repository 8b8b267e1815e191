"""The step table: what a job does, in which order, how each step is seen to be done, verified, and undone.

Every step is idempotent and judges by what is there (files, keyring, IAM), not by what it remembers, so that a run that
was killed anywhere is taken up by the next. A step that takes a way to AWS away verifies the other one right before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from awssso_helper import aws_config, sections
from awssso_helper.errors import AwsssoError, RefusedError
from awssso_helper.iam import INACTIVE, Keys, is_denied
from awssso_helper.migration import edits, key_status

if TYPE_CHECKING:
    from collections.abc import Callable

    from awssso_helper.aws_config import ConfigFile
    from awssso_helper.migration.edits import Vault
    from awssso_helper.migration.job import Job, Target
    from awssso_helper.migration.world import World
    from awssso_helper.model import Role, Secret


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the table. `name` is also the stage that is saved before `do` acts."""

    name: str
    applies: Callable[[Job], bool]
    is_done: Callable[[World, Job], bool]
    requires: Callable[[World, Job], None]
    do: Callable[[World, Job], Job]
    verify: Callable[[World, Job], None]
    undo: Callable[[World, Job], None]
    said: Callable[[Job], str]


# Before anything


def verify_sso(world: World, job: Job) -> None:
    """See that each role can be had now, in this account, and that whoever assumes a role with the key can with it.

    Raises:
        AwsssoError: it is not so.
    """
    keys = {role: _role_keys(world, job, role) for role in job.roles}
    for dependant in job.dependants:
        source = next(target for target in job.targets if target.profile == dependant.source)
        _assume_chain(
            world, dependant.profile, [(link.role_arn, link.external_id) for link in dependant.chain], keys[source.role]
        )


def _role_keys(world: World, job: Job, role: Role) -> Keys:
    keys = world.role_keys(role, job.region)
    _demand_role(world, job, role, keys)
    return keys


def _demand_role(world: World, job: Job, role: Role, keys: Keys) -> None:
    principal = world.cloud.principal(keys)
    if (principal.account_id, principal.sso_role) != (job.account_id, role.name):
        raise AwsssoError(
            f"these credentials are {principal.arn[:200]}, not {role.name} in {job.account_id}", hint="awssso sync"
        )


def _assume_chain(world: World, profile: str, chain: list[tuple[str, str]], keys: Keys) -> None:
    for role_arn, external_id in chain:
        try:
            keys = world.cloud.assume(keys, role_arn, external_id)
        except AwsssoError as error:
            if not is_denied(error):
                raise
            raise RefusedError(
                f"the profile {profile[:64]!a} assumes {role_arn[:200]}, which the SSO role may not",
                hint="have its trust policy allow the SSO role, then: awssso migrate",
            ) from error


# The vault


def vault_of(world: World, job: Job) -> Vault:
    """Give what the keyring keeps of the job.

    Raises:
        RefusedError: it keeps nothing that is whole.
    """
    vault = edits.vault_of(job, world.vault_get(job.key_id))
    if vault is None:
        raise RefusedError(f"the keyring has no copy of {job.key_id}", hint="awssso migrate --status")
    return vault


def _is_vaulted(world: World, job: Job) -> bool:
    return edits.vault_of(job, world.vault_get(job.key_id)) is not None


def _put_into_vault(world: World, job: Job) -> Job:
    config, credentials = _files(world)
    vault = edits.taken(job, config, credentials)
    world.vault_put(job.key_id, edits.vault_text(_with_leads(world, job, vault), vault))
    return job


def _demand_vault(world: World, job: Job) -> None:
    vault_of(world, job)


def _forget_vault(world: World, job: Job) -> None:
    vault = edits.vault_of(job, world.vault_get(job.key_id))
    if vault is None:
        return
    if not _is_in_files(world, job, vault.secret):
        raise RefusedError(f"{job.key_id} is in neither file; the keyring keeps its copy", hint="awssso migrate --undo")
    world.vault_delete(job.key_id)


def _is_in_files(world: World, job: Job, secret: Secret) -> bool:
    found = (values for file in _files(world) for values in file.sections.values())
    return any(edits.has_key(values, job.key_id, secret) for values in found)


# The profile


def _has_profiles(world: World, job: Job) -> bool:
    config = _config(world)
    return all(edits.has_profile(config, target) for target in job.targets)


def _write_profiles(world: World, job: Job) -> Job:
    vault = vault_of(world, job)
    job = _with_leads(world, job, vault)
    # How it is parted from the text above is what undo takes away again.
    world.save(job)

    def change(data: bytes) -> bytes:
        config = _parsed(world, data, config=True)
        for target in job.targets:
            if not edits.has_profile(config, target):
                _demand_as_planned(config, target)
        for target in job.targets:
            config = _parsed(world, edits.with_profile(config, target, vault.before[target.profile]), config=True)
        return config.data

    world.amend(change, config=True)
    return job


def _with_leads(world: World, job: Job, vault: Vault) -> Job:
    """Find out how each new section will be parted from the text above it."""
    config = _config(world)
    for target in job.targets:
        if not edits.has_profile(config, target):
            job = job.with_target(replace(target, lead=edits.lead_of(config, target)))
        config = _parsed(world, edits.with_profile(config, target, vault.before[target.profile]), config=True)
    return job


def _demand_as_planned(config: ConfigFile, target: Target) -> None:
    if edits.config_digest(sections.text_of(config, target.header)) != target.config_digest:
        raise edits.changed_meanwhile(target.profile)


def _run_profiles(world: World, job: Job) -> None:
    config = _config(world)
    lines = [(edits.process_of(config, target) or target.process, target.role) for target in job.targets]
    for process, role in dict.fromkeys(lines):
        _demand_role(world, job, role, world.process_keys(process, job.region))


def _unwrite_profiles(world: World, job: Job) -> None:
    vault = _vault_for_undo(world, job)
    if vault is None:
        return

    def change(data: bytes) -> bytes:
        config = _parsed(world, data, config=True)
        for target in reversed(job.targets):
            after = edits.without_profile(config, target, vault.before[target.profile])
            config = _parsed(world, after, config=True)
        return config.data

    world.amend(change, config=True)


def _vault_for_undo(world: World, job: Job) -> Vault | None:
    """Give the vault; None where nothing needs it, since the files are as they were.

    Raises:
        RefusedError: the files are not, and the copy is gone.
    """
    vault = edits.vault_of(job, world.vault_get(job.key_id))
    if vault is not None:
        return vault
    config, credentials = _files(world)
    try:
        edits.taken(job, config, credentials)
    except RefusedError as error:
        raise RefusedError(
            f"the keyring has no copy of {job.key_id} any more, so nothing can be restored",
            hint="the names stay SSO; make a new key in IAM if you need one",
        ) from error
    return None


# The cut


def _is_cut(world: World, job: Job) -> bool:
    return edits.is_cut(job, *_files(world))


def _demand_another_way(world: World, job: Job) -> None:
    """See that the copy is whole and SSO works, right before a static way to AWS is taken away."""
    vault_of(world, job)
    verify_sso(world, job)


def _cut(world: World, job: Job) -> Job:
    def cut_credentials(data: bytes) -> bytes:
        file = _parsed(world, data, config=False)
        for target in job.targets:
            file = _parsed(world, edits.without_section(file, target), config=False)
        return file.data

    def cut_config(data: bytes) -> bytes:
        file = _parsed(world, data, config=True)
        for target in job.targets:
            file = _parsed(world, edits.without_key_lines(file, target), config=True)
        return file.data

    world.amend(cut_credentials, config=False)
    if not _is_cut(world, job):
        # The other file takes a way away, too.
        _demand_another_way(world, job)
        world.amend(cut_config, config=True)
    return job


def names_are_sso(world: World, job: Job) -> None:
    """See that an SDK finds the SSO role behind each name, and that whoever depends on a name comes through by it.

    Raises:
        AwsssoError: it is not so.
    """
    found: dict[str, Keys] = {}
    for target in job.targets:
        resolved = world.resolved(target.profile, job.region)
        if resolved.source != "custom-process":
            raise RefusedError(
                f"the profile {target.profile[:64]!a} still gets its credentials from elsewhere ({resolved.source})",
                hint="awssso doctor",
            )
        _demand_role(world, job, target.role, resolved.keys)
        found[target.profile] = resolved.keys
    for each in job.dependants:
        chain = [(link.role_arn, link.external_id) for link in each.chain]
        _assume_chain(world, each.profile, chain, found[each.source])


def _uncut(world: World, job: Job) -> None:
    vault = _vault_for_undo(world, job)
    if vault is None:
        return

    def change(data: bytes) -> bytes:
        file = _parsed(world, data, config=False)
        for target in reversed(job.targets):
            after = edits.with_section(file, job, target, vault)
            file = _parsed(world, after, config=False)
        return file.data

    world.amend(change, config=False)


# The blank file


def _was_in_credentials(job: Job) -> bool:
    return any(target.credentials_digest for target in job.targets)


def _is_not_blank(world: World, _job: Job) -> bool:
    return bool(world.text(config=False).strip())


def _remove_blank(world: World, job: Job) -> Job:
    world.remove_if_blank()
    return job


# The key in IAM


def _may_deactivate(job: Job) -> bool:
    return job.manager is not None and not job.keeps_key


def _demand_sso_only(world: World, job: Job) -> None:
    _demand_another_way(world, job)
    names_are_sso(world, job)


def _reactivate(world: World, job: Job) -> None:
    """Make the key Active again and wait until it answers, where we may have made it Inactive, or somebody did."""
    if job.initial == INACTIVE:
        return
    if not job.touched_at and not job.local_at:
        return
    vault = _vault_for_undo(world, job)
    if vault is not None:
        key_status.switch_on(world, job, Keys(job.key_id, vault.secret, None, job.region))


def is_surely_active(world: World, job: Job) -> bool:
    """Say whether undo can do without IAM: the key answers and has not been Inactive, or the files are as they were.

    Raises:
        AwsssoError: STS does not answer, or the copy is gone.
    """
    vault = _vault_for_undo(world, job)
    return vault is None or key_status.answers_for_good(world, job, Keys(job.key_id, vault.secret, None, job.region))


# Files


def _files(world: World) -> tuple[ConfigFile, ConfigFile]:
    return _config(world), _parsed(world, world.text(config=False), config=False)


def _config(world: World) -> ConfigFile:
    return _parsed(world, world.text(config=True), config=True)


def _parsed(world: World, data: bytes, *, config: bool) -> ConfigFile:
    return aws_config.parsed(data, name=world.name(config=config))


def _always(_job: Job) -> bool:
    return True


def _nothing(_world: World, _job: Job) -> None:
    """Ask for nothing, do nothing."""


def _names(job: Job) -> str:
    return ", ".join(job.profiles)


STEPS = (
    Step(
        name="vault",
        applies=_always,
        is_done=_is_vaulted,
        requires=_nothing,
        do=_put_into_vault,
        verify=_demand_vault,
        undo=_forget_vault,
        said=lambda _: "the keyring has an exact copy, read back",
    ),
    Step(
        name="profile",
        applies=_always,
        is_done=_has_profiles,
        requires=_demand_vault,
        do=_write_profiles,
        verify=_run_profiles,
        undo=_unwrite_profiles,
        said=lambda job: f"wrote the profile {_names(job)}; run as an SDK would, it answers in {job.account_id}",
    ),
    Step(
        name="cut",
        applies=_always,
        is_done=_is_cut,
        requires=_demand_another_way,
        do=_cut,
        verify=names_are_sso,
        undo=_uncut,
        said=lambda job: f"cut the key out of the file; {_names(job)} is SSO now{_with_dependants(job)}",
    ),
    Step(
        name="tidy",
        applies=_was_in_credentials,
        is_done=_is_not_blank,
        requires=_nothing,
        do=_remove_blank,
        verify=_nothing,
        undo=_nothing,
        said=lambda _: "",
    ),
    Step(
        name="deactivate",
        applies=_may_deactivate,
        is_done=key_status.is_inactive,
        requires=_demand_sso_only,
        do=key_status.deactivate,
        verify=key_status.demand_inactive,
        undo=_reactivate,
        said=lambda job: f"{job.key_id} is Inactive in IAM",
    ),
)
"""The order. It is undone from the last to the first."""


def _with_dependants(job: Job) -> str:
    return (
        f", and so is what depends on it: {', '.join(each.profile for each in job.dependants)}"
        if job.dependants
        else ""
    )

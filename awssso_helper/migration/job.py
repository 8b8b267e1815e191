"""A job: one static key with all its names, and how far it is. Holds ids, hashes, times and stages, never a secret."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from awssso_helper.model import Role
from awssso_helper.sections import Spot
from awssso_helper.static_keys import Dependant, Link

if TYPE_CHECKING:
    from collections.abc import Mapping

# The stages. A step's own name is the stage in which it may have begun: it is saved before the step acts.
PLANNED = "planned"
LOCAL = "local"
"""The names are SSO, and the key is still Active: it was to be kept, or an administrator has to make it Inactive."""
RETIRED = "retired"
UNDOING = "undoing"
UNDONE = "undone"
DELETING = "deleting"
DELETED = "deleted"
_AT_REST = frozenset({PLANNED, LOCAL, RETIRED, UNDONE, DELETING, DELETED})


@dataclass(frozen=True, slots=True)
class Target:
    """One name of the key, and what takes its place.

    `header` is its section in the config file, `config_digest` the hash of that section before (empty: it was not
    there). `credentials_digest` is that of the section in the credentials file, whose header is the name; empty where
    the key stands in the config file only. `lead` counts the bytes that were written to part a new section from the
    text above it.
    """

    profile: str
    role: Role
    process: str
    header: str
    config_digest: str
    credentials_digest: str
    lead: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """One key. Times are epoch seconds, 0 where it has not come to that.

    `reached` is the last step that may have begun, `initial` the key's status before anything was done. `manager` is
    the SSO role that proved that it can change the key, `local_at` since when its names are SSO, `touched_at` when we
    were about to change the key. `order` are the headers of the credentials file before, with those that other jobs
    had cut out, and `above` how many lines between sections stood above each; an earlier version kept no `above`.
    `blank` is all that stands between the sections where it is blank: with the last section the file goes.
    """

    key_id: str
    account_id: str
    user: str
    region: str
    initial: str
    targets: tuple[Target, ...]
    order: tuple[str, ...] = ()
    above: tuple[int, ...] = ()
    blank: str = ""
    dependants: tuple[Dependant, ...] = ()
    stage: str = PLANNED
    reached: str = ""
    manager: Role | None = None
    keeps_key: bool = False
    began_at: int = 0
    local_at: int = 0
    touched_at: int = 0
    retired_at: int = 0
    ended_at: int = 0

    @property
    def profiles(self) -> tuple[str, ...]:
        """The names of the key."""
        return tuple(target.profile for target in self.targets)

    @property
    def layout(self) -> tuple[Spot, ...]:
        """Where the sections of the credentials file stood; empty where an earlier version did not keep it."""
        return tuple(map(Spot, self.order, self.above))

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles that take its place, each once."""
        return tuple(dict.fromkeys(target.role for target in self.targets))

    @property
    def is_unfinished(self) -> bool:
        """Say whether a run was interrupted in it: the next one goes on, or undoes it."""
        return self.stage not in _AT_REST

    @property
    def is_in_effect(self) -> bool:
        """Say whether its names are SSO now, and can become static again."""
        return self.stage in (LOCAL, RETIRED) or self.is_unfinished

    @property
    def may_be_undone(self) -> bool:
        """Say whether there may be something to take back: a deletion that has begun may have come to nothing."""
        return self.is_in_effect or self.stage == DELETING

    def with_target(self, changed: Target) -> Job:
        """Give the job with one of its targets changed."""
        kept = (changed if target.profile == changed.profile else target for target in self.targets)
        return replace(self, targets=tuple(kept))


def digest(text: bytes) -> str:
    """Hash the bytes of a section."""
    return hashlib.sha256(text).hexdigest()


def values(job: Job) -> dict[str, Any]:
    """Give a job as JSON values."""
    return {
        "key_id": job.key_id,
        "account_id": job.account_id,
        "user": job.user,
        "region": job.region,
        "initial": job.initial,
        "targets": [
            {
                "profile": target.profile,
                "role": target.role.word(),
                "process": target.process,
                "header": target.header,
                "config_digest": target.config_digest,
                "credentials_digest": target.credentials_digest,
                "lead": target.lead,
            }
            for target in job.targets
        ],
        "order": list(job.order),
        "above": list(job.above),
        "blank": job.blank,
        "dependants": [
            {
                "profile": each.profile,
                "source": each.source,
                "chain": [{"role_arn": link.role_arn, "external_id": link.external_id} for link in each.chain],
            }
            for each in job.dependants
        ],
        "stage": job.stage,
        "reached": job.reached,
        "manager": job.manager.word() if job.manager else "",
        "keeps_key": job.keeps_key,
        "began_at": job.began_at,
        "local_at": job.local_at,
        "touched_at": job.touched_at,
        "retired_at": job.retired_at,
        "ended_at": job.ended_at,
    }


def from_values(record: Mapping[str, Any]) -> Job:
    """Read what `values` wrote.

    Raises:
        ValueError, KeyError, TypeError, UsageError: it is something else.
    """
    simple: dict[str, Any] = {
        **{
            name: str(record[name])
            for name in ("key_id", "account_id", "user", "region", "initial", "stage", "reached")
        },
        **{name: int(record[name]) for name in ("began_at", "local_at", "touched_at", "retired_at", "ended_at")},
        "keeps_key": bool(record["keeps_key"]),
        "manager": Role.from_word(record["manager"]) if record["manager"] else None,
    }
    return Job(
        **simple,
        targets=tuple(
            Target(
                profile=str(each["profile"]),
                role=Role.from_word(each["role"]),
                process=str(each["process"]),
                header=str(each["header"]),
                config_digest=str(each["config_digest"]),
                credentials_digest=str(each["credentials_digest"]),
                lead=int(each["lead"]),
            )
            for each in record["targets"]
        ),
        order=tuple(str(each) for each in record["order"]),
        above=tuple(int(each) for each in record.get("above", ())),
        blank=str(record.get("blank", "")),
        dependants=tuple(
            Dependant(
                str(each["profile"]),
                str(each["source"]),
                tuple(Link(str(link["role_arn"]), str(link["external_id"])) for link in each["chain"]),
            )
            for each in record["dependants"]
        ),
    )

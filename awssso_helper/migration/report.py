"""Plans, jobs and mentions as rows for people and as values for programs. No secret is in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from awssso_helper.migration import job as jobs
from awssso_helper.migration.runner import DAY, grace_left
from awssso_helper.model import utc_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awssso_helper.iam import LastUse
    from awssso_helper.migration.job import Job
    from awssso_helper.migration.planning import Facts, Item, Plan
    from awssso_helper.scan import Scan
    from awssso_helper.static_keys import Oddity

PLAN_HEADER = ("PROFILE", "KEY", "ACCOUNT", "IAM USER", "AGE", "LAST USED", "BECOMES")
STATUS_HEADER = ("PROFILE", "KEY", "ACCOUNT", "IAM USER", "STATE", "IN IAM", "LAST USED", "GRACE")


@dataclass(frozen=True, slots=True)
class Standing:
    """A job and what AWS says of its key now: `status` is empty where it could not be asked, `problem` says why."""

    job: Job
    status: str = ""
    last_use: LastUse | None = None
    problem: str = ""
    is_back: bool = False


# The plan


def plan_rows(plan: Plan, now: float) -> list[tuple[str, ...]]:
    """Give a row for each name."""
    rows: list[tuple[str, ...]] = [
        (target.profile, job.key_id, job.account_id, job.user, "", "", f"{target.role.name} (goes on)")
        for job in plan.unfinished
        for target in job.targets
    ]
    for item in plan.items:
        facts = item.facts
        becomes = {target.profile: target.role.name for target in item.job.targets} if item.job else {}
        rows += [
            (
                name,
                item.key.key_id,
                facts.account_id or "?",
                "root" if facts.is_root else facts.user or "?",
                _age(facts, now),
                _used(facts.last_use),
                becomes.get(name, "left alone"),
            )
            for name in item.key.profiles
        ]
    return rows


def _age(facts: Facts, now: float) -> str:
    return f"{int(now - facts.state.created_at) // DAY}d" if facts.state else "?"


def _used(last_use: LastUse | None) -> str:
    if last_use is None:
        return "?"
    return f"{utc_text(last_use.at)[:10]} {last_use.service}" if last_use.at else "never"


def plan_values(plan: Plan) -> dict[str, Any]:
    """Give the plan as JSON values."""
    return {
        "keys": [_item_values(item) for item in plan.items],
        "unfinished": [_job_values(job) for job in plan.unfinished],
        "left_alone": [oddity_values(each) for each in plan.oddities],
        "secrets_left_in_comments": [
            {"path": path, "line": line, "key_id": key_id} for path, line, key_id in plan.leftovers()
        ],
        "sessions_that_need_a_login": list(plan.asleep),
        "diff": plan.diff_text(),
    }


def _item_values(item: Item) -> dict[str, Any]:
    facts = item.facts
    return {
        "key_id": item.key.key_id,
        "profiles": list(item.key.profiles),
        "places": [
            {"file": "config" if place.is_config else "credentials", "section": place.header, "line": place.line}
            for place in item.key.places
        ],
        "depends_on_it": [each.profile for each in item.key.dependants],
        "account_id": facts.account_id or None,
        "user": facts.user or None,
        "is_root": facts.is_root,
        "works": facts.works,
        "status": facts.state.status if facts.state else None,
        "created": utc_text(facts.state.created_at) if facts.state else None,
        "last_used": _use_values(facts.last_use),
        "roles": {target.profile: target.role.word() for target in item.job.targets} if item.job else {},
        "is_left_alone": item.job is None,
        "reason": item.reason or None,
        "hint": item.hint or None,
    }


def _use_values(last_use: LastUse | None) -> dict[str, Any] | None:
    if last_use is None:
        return None
    at = utc_text(last_use.at) if last_use.at else None
    return {"at": at, "service": last_use.service, "region": last_use.region}


def oddity_values(oddity: Oddity) -> dict[str, Any]:
    """Give something that was left alone as JSON values."""
    return {
        "file": "config" if oddity.is_config else "credentials",
        "line": oddity.line,
        "profile": oddity.profile,
        "key_id": oddity.key_id or None,
        "reason": oddity.reason,
        "hint": oddity.hint or None,
    }


def scan_values(scan: Scan) -> dict[str, Any]:
    """Give what a scan found as JSON values."""
    return {
        "files_read": scan.read,
        "files_not_read": [str(path) for path in scan.unread],
        "mentions": [
            {"path": str(each.path), "line": each.line, "key_id": each.key_id, "is_one_of_these": each.is_known}
            for each in scan.mentions
        ],
    }


# Where keys stand


def status_rows(standings: Sequence[Standing], now: int, grace_days: int) -> list[tuple[str, ...]]:
    """Give a row for each key."""
    return [
        (
            ", ".join(each.job.profiles),
            each.job.key_id,
            each.job.account_id,
            each.job.user,
            state_words(each),
            each.status or ("-" if each.job.stage in (jobs.DELETED, jobs.UNDONE) else "?"),
            _used(each.last_use) if each.last_use else "-",
            _grace(each.job, now, grace_days),
        )
        for each in standings
    ]


def state_words(standing: Standing) -> str:
    """Say where a job stands."""
    job = standing.job
    if job.is_unfinished:
        return f"unfinished ({job.stage})"
    if standing.is_back:
        return f"{job.stage}, and back in the file"
    if job.stage == jobs.LOCAL:
        return "SSO; key kept" if job.keeps_key else "SSO; key for an administrator"
    return job.stage


def _grace(job: Job, now: int, grace_days: int) -> str:
    if job.stage != jobs.RETIRED:
        return "-"
    left = grace_left(job, now, grace_days)
    return f"{-(-left // DAY)}d" if left > 0 else "over"


def status_values(standing: Standing, now: int, grace_days: int) -> dict[str, Any]:
    """Give a key's standing as JSON values."""
    job = standing.job
    left = grace_left(job, now, grace_days)
    return {
        **_job_values(job),
        "status": standing.status or None,
        "last_used": _use_values(standing.last_use),
        "grace_days_left": max(0, -(-left // DAY)) if job.stage == jobs.RETIRED else None,
        "is_back_in_the_file": standing.is_back,
        "problem": standing.problem or None,
    }


def _job_values(job: Job) -> dict[str, Any]:
    return {
        "key_id": job.key_id,
        "profiles": list(job.profiles),
        "account_id": job.account_id,
        "user": job.user,
        "roles": {target.profile: target.role.word() for target in job.targets},
        "depends_on_it": [each.profile for each in job.dependants],
        "stage": job.stage,
        "is_finished": not job.is_unfinished,
        "key_is_kept": job.keeps_key,
        "began": utc_text(job.began_at) if job.began_at else None,
        "retired": utc_text(job.retired_at) if job.retired_at else None,
        "ended": utc_text(job.ended_at) if job.ended_at else None,
    }

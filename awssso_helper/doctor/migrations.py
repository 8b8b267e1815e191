"""Checks of what `migrate` has done: an unfinished migration, a retired key that is back, a profile's way to us."""

from __future__ import annotations

from typing import TYPE_CHECKING

from awssso_helper import static_keys
from awssso_helper.doctor.findings import Finding, Repair, counted
from awssso_helper.migration import job as jobs
from awssso_helper.migration import upkeep
from awssso_helper.migration.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awssso_helper.doctor.patient import Patient


def migrations(patient: Patient) -> Iterator[Finding]:
    """Look into the journal of migrations."""
    records = Journal(patient.environment.migrations_file).read()
    unfinished = [name for job in records.jobs if job.is_unfinished for name in job.profiles]
    if unfinished:
        what = f"the migration of {counted(len(unfinished), 'profile')} to SSO did not come to its end"
        yield Finding("migration-unfinished", "problem", what, "awssso migrate", tuple(unfinished))
    ended = {job.key_id for job in records.jobs if job.stage in (jobs.RETIRED, jobs.DELETING, jobs.DELETED)}
    found = static_keys.found(patient.config, patient.credentials)
    back = [name for key in found.keys if key.key_id in ended for name in key.profiles]
    if back:
        what = f"a key that was retired is back in a file, under {counted(len(back), 'name')}"
        yield Finding("retired-key-is-back", "problem", what, "awssso migrate", tuple(back))
    stale = upkeep.stale(patient.environment, patient.settings, patient.config) if records.jobs else ()
    if stale:
        what = f"{counted(len(stale), 'profile')} that migrate wrote with a path of before"
        yield Finding("migrated-profiles-out-of-date", "warning", what, "awssso sync", stale, _followed(patient))


def _followed(patient: Patient) -> Repair:
    def act() -> str:
        names = upkeep.followed(patient.environment, patient.settings)
        return f"wrote {counted(len(names), 'profile')}" if names else ""

    return Repair(act)

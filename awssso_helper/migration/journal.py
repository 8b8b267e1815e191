"""The journal of migrations: each job as it was last, and every stage that it came to, on disk before what follows.

One JSON file of ours, replaced whole and fsynced. It holds ids, hashes, stages and times, and no secret.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from awssso_helper import files
from awssso_helper.errors import RefusedError, UsageError
from awssso_helper.migration import job as jobs
from awssso_helper.model import utc_text

if TYPE_CHECKING:
    from pathlib import Path

    from awssso_helper.migration.job import Job

_LONGEST_HISTORY = 1000


@dataclass(frozen=True, slots=True)
class Records:
    """What the journal holds: a job for each key id, in the order in which they began, and the latest time seen."""

    jobs: tuple[Job, ...] = ()
    history: tuple[dict[str, Any], ...] = ()
    seen_at: int = 0

    def of_key(self, key_id: str) -> Job | None:
        """Give the job of a key, or None."""
        return next((job for job in self.jobs if job.key_id == key_id), None)


class Journal:
    """The journal of one user. Who writes holds the lock of migrations."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Records:
        """Give what it holds; a missing file is an empty journal.

        Raises:
            RefusedError: it is damaged. What to undo is in it, so nothing goes on without it.
        """
        text = files.read(self._path)
        if text is None:
            return Records()
        try:
            record = json.loads(text)
            return Records(
                tuple(jobs.from_values(each) for each in record["jobs"]),
                tuple(dict(each) for each in record["history"]),
                int(record["seen_at"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError, UsageError) as error:
            raise RefusedError(
                f"the journal of migrations in {self._path} is damaged", hint=f"restore {self._path} from a backup"
            ) from error

    def now(self) -> int:
        """Give the time, never before the latest that the journal has seen: a clock set back shortens no grace."""
        return max(int(time.time()), self.read().seen_at)

    def save(self, job: Job) -> None:
        """Write a job's present stage; it is on disk when this returns.

        Raises:
            RefusedError: it could not be written, or the journal is damaged.
        """
        records = self.read()
        seen_at = max(int(time.time()), records.seen_at)
        event = {"at": utc_text(seen_at), "key_id": job.key_id, "stage": job.stage}
        kept = records.jobs if records.of_key(job.key_id) else (*records.jobs, job)
        changed = replace(
            records,
            jobs=tuple(job if each.key_id == job.key_id else each for each in kept),
            history=(*records.history, event)[-_LONGEST_HISTORY:],
            seen_at=seen_at,
        )
        files.private_dir(self._path.parent)
        files.sweep(self._path.parent)
        files.replace(self._path, _text(changed))


def _text(records: Records) -> bytes:
    record = {
        "version": 1,
        "seen_at": records.seen_at,
        "jobs": [jobs.values(job) for job in records.jobs],
        "history": list(records.history),
    }
    return (json.dumps(record, indent=1) + "\n").encode()

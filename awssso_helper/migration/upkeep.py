"""Keeps the profiles that migrations wrote working: they call the program that the settings name now.

They stand outside the block that `sync` writes, and it is the journal that says which are ours.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from awssso_helper import aws_config, backups, files, launcher
from awssso_helper.errors import BusyError
from awssso_helper.migration import edits
from awssso_helper.migration import job as jobs
from awssso_helper.migration.journal import Journal
from awssso_helper.model import Deadline

if TYPE_CHECKING:
    from awssso_helper.aws_config import ConfigFile
    from awssso_helper.environment import Environment
    from awssso_helper.migration.job import Job, Target
    from awssso_helper.settings import Settings

_FILE_SECONDS = 30
# A migration that is at work writes its own lines, and the next sync comes.
_LOCK_SECONDS = 1


def stale(environment: Environment, settings: Settings, config: ConfigFile | None = None) -> tuple[str, ...]:
    """Name the profiles that migrations wrote and that call another program than the settings name.

    Raises:
        RefusedError: the journal or the config file is damaged, or the program cannot be found.
    """
    config = config or _config(environment)
    line = aws_config.launcher_line(launcher.expected(environment, settings))
    return tuple(
        target.profile
        for job in Journal(environment.migrations_file).read().jobs
        for target in _stale_targets(config, job, line)
    )


def followed(environment: Environment, settings: Settings) -> tuple[str, ...]:
    """Have them call it; gives their names. Where a migration is at work, nothing is done.

    Raises:
        RefusedError, BusyError: nothing was changed.
    """
    journal = Journal(environment.migrations_file)
    if not stale(environment, settings):
        return ()
    try:
        with files.locked(environment.lock_dir / "migrate.lock", Deadline(_LOCK_SECONDS)):
            line = aws_config.launcher_line(launcher.program(environment, settings))
            return tuple(name for job in journal.read().jobs for name in _followed_by(environment, journal, job, line))
    except BusyError:
        return ()


def _followed_by(environment: Environment, journal: Journal, job: Job, line: str) -> tuple[str, ...]:
    """Write the lines of one job, then note them: a run that is killed between leaves lines that need nothing."""
    path = environment.aws_config_file
    name = environment.shown(path)
    found: list[Target] = []

    def change(data: bytes) -> bytes:
        config = aws_config.parsed(data, name=name)
        found[:] = _stale_targets(config, job, line)
        for target in found:
            config = aws_config.parsed(edits.with_process(config, _moved(target, line)), name=name)
        return config.data

    kept = backups.keeping(environment, path, change)
    files.amend(path, kept, lock_dir=environment.lock_dir, deadline=Deadline(_FILE_SECONDS))
    for target in found:
        job = job.with_target(_moved(target, line))
    if found:
        journal.save(job)
    return tuple(target.profile for target in found)


def _stale_targets(config: ConfigFile, job: Job, line: str) -> list[Target]:
    """Give the names whose line is still the one that we wrote, and not the one that we would write now."""
    if job.stage in (jobs.PLANNED, jobs.UNDONE):
        return []
    return [
        target
        for target in job.targets
        if config.sections.get(target.header, {}).get(aws_config.PROCESS) == target.process
        and target.process != _moved(target, line).process
    ]


def _moved(target: Target, line: str) -> Target:
    return replace(target, process=aws_config.process_value(line, target.role))


def _config(environment: Environment) -> ConfigFile:
    path = environment.aws_config_file
    return aws_config.parsed(files.read(path) or b"", name=environment.shown(path))

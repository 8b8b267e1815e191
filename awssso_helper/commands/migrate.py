"""`awssso migrate`: retire static keys; show, undo, delete."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from awssso_helper import aws_config, files, launcher, scan, sections, static_keys
from awssso_helper.errors import (
    AwsssoError,
    BusyError,
    InterruptedByUserError,
    KeyringError,
    KeyringMissingError,
    RefusedError,
    UsageError,
)
from awssso_helper.iam import INACTIVE, Iam
from awssso_helper.migration import edits, key_status, report, runner
from awssso_helper.migration import job as jobs
from awssso_helper.migration.journal import Journal
from awssso_helper.migration.planning import Planner
from awssso_helper.migration.portal import Portal
from awssso_helper.migration.world import Here, demand_vault
from awssso_helper.model import Deadline
from awssso_helper.terminal import safe, safe_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from awssso_helper.commands.context import Context
    from awssso_helper.identity_center import IdentityCenter
    from awssso_helper.migration.job import Job
    from awssso_helper.migration.journal import Records
    from awssso_helper.migration.planning import Facts, Plan
    from awssso_helper.model import Role, SsoSession
    from awssso_helper.static_keys import Found, Oddity

# Another migration may take as long as IAM and a person do.
_WAIT_SECONDS = 1800
_NOTE_SECONDS = 0.2
_EXPORTED = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def run(context: Context) -> int:
    """Show, retire, undo or delete."""
    options = context.options
    migrate = _Migrate(context)
    if options.now and not options.delete_keys:
        raise UsageError("--now belongs to --delete-keys", hint="awssso migrate --delete-keys --now")
    if options.status:
        return migrate.show_status()
    if options.undo is not None:
        return migrate.undo(options.undo)
    if options.delete_keys:
        return migrate.delete_keys()
    return migrate.retire()


class _Migrate:
    """One run of the command, with what it works with."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._terminal = context.terminal
        self._options = context.options
        self._mapped = _mapped(context.options.map)
        self._services: dict[str, IdentityCenter] = {}

    # What it works with

    @cached_property
    def _sessions(self) -> dict[str, SsoSession]:
        return {session.name: session for session in self._context.chosen_sessions(default_all=True)}

    @cached_property
    def _cloud(self) -> Iam:
        context = self._context
        trusted = context.settings.trusted_endpoint_hosts
        return Iam(context.environment, trusted_hosts=trusted, trace=self._terminal.trace)

    @cached_property
    def _portal(self) -> Portal:
        context = self._context
        return Portal(context.credentials, self._service, list(self._sessions.values()), context.memory)

    @cached_property
    def _journal(self) -> Journal:
        return Journal(self._context.environment.migrations_file)

    @cached_property
    def _world(self) -> Here:
        context = self._context
        return Here(
            context.environment,
            store=context.store,
            credentials=context.credentials,
            service=self._service,
            cloud=self._cloud,
            journal=self._journal,
        )

    def _service(self, session: str) -> IdentityCenter:
        if session not in self._services:
            known = {each.name: each for each in self._context.sessions}
            if session not in known:
                raise RefusedError(
                    f"there is no SSO session {session[:64]!a} any more", hint=f"awssso configure -S {session}"
                )
            self._services[session] = self._context.service(known[session])
        return self._services[session]

    def _found(self) -> tuple[Found, aws_config.ConfigFile, aws_config.ConfigFile]:
        environment = self._context.environment
        config, credentials = (
            aws_config.parsed(files.read(path) or b"", name=environment.shown(path))
            for path in (environment.aws_config_file, environment.aws_credentials_file)
        )
        return static_keys.found(config, credentials), config, credentials

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock of migrations; of two at once, one waits."""
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(self._held(_NOTE_SECONDS))
            except BusyError:
                self._terminal.tell("another awssso migrate is at work; waiting for it")
                held.enter_context(self._held(_WAIT_SECONDS))
            yield

    def _held(self, seconds: float) -> AbstractContextManager[files.Hold]:
        return files.locked(self._context.environment.lock_dir / "migrate.lock", Deadline(seconds))

    def _records(self, *, is_needed: bool = False) -> Records:
        """Read the journal; one that is lost is written again from what the keyring keeps.

        Raises:
            RefusedError: it is damaged.
            KeyringError: it is lost and needed, and the keyring cannot be read.
        """
        if not self._context.environment.migrations_file.exists() and not self._options.dry_run:
            try:
                self._find_again()
            except KeyringMissingError:
                pass
            except KeyringError:
                if is_needed:
                    raise
        return self._journal.read()

    def _find_again(self) -> None:
        if not self._world.vaulted():
            return
        with self._alone():
            kept = [edits.job_of(self._world.vault_get(key_id)) for key_id in self._world.vaulted()]
            found = [runner.found_again(job, self._journal.now()) for job in kept if job is not None]
            for job in sorted(found, key=lambda job: job.touched_at):
                self._journal.save(job)
        if found:
            count = _count(len(found), "key")
            self._terminal.tell(f"note: the journal of migrations was lost; the keyring has the copies of {count}")

    # Retire

    def retire(self) -> int:
        """Plan, show, ask, do."""
        context, options, terminal = self._context, self._options, self._terminal
        self._demand_two_files()
        if not options.dry_run:
            context.demand_own_files()
        found, config, credentials = self._found()
        records = self._records()
        has_jobs = any(job.is_unfinished or job.stage == jobs.LOCAL for job in records.jobs)
        scanned = self._scanned(found)
        if not found.keys and not has_jobs:
            return self._tell_nothing(found, scanned)
        plan = self._planner().plan(found, config, credentials, records)
        if not options.json:
            self._show(plan, scanned)
        if options.dry_run or not plan.jobs:
            if options.json:
                terminal.json({**report.plan_values(plan), **_scan_values(scanned), "applied": False, "results": []})
            elif options.dry_run:
                terminal.tell("nothing was written, nothing was changed in IAM")
            return self._unmet(plan)
        demand_vault(context.store, plain_is_fine=context.settings.migrate.plain_vault)
        self._demand_consent(plan, scanned)
        with self._alone():
            results = self._applied(plan)
        self._tell_what_is_left(plan)
        self._tell_of_editors()
        if options.json:
            terminal.json({**report.plan_values(plan), **_scan_values(scanned), "applied": True, "results": results})
        return 1 if any(each["error"] for each in results) else self._unmet(plan)

    def _tell_what_is_left(self, plan: Plan) -> None:
        """Say what became of a credentials file in which there is no section any more."""
        path = self._context.environment.aws_credentials_file
        name = self._context.environment.shown(path)
        left = files.read(path)
        if not plan.credentials[0]:
            return
        if left is None:
            self._terminal.tell(f"{name} held nothing any more and was removed")
        elif left.strip() and not sections.headers(aws_config.parsed(left, name=name)):
            self._terminal.tell(f"in {name} only comments are left; it stays, and is yours to remove")

    def _unmet(self, plan: Plan) -> int:
        """Give the exit status: 1 where a name that `--map` names was left alone."""
        left = {name for item in plan.items if item.job is None for name in item.key.profiles}
        return 1 if left & self._mapped.keys() else 0

    def _demand_two_files(self) -> None:
        environment = self._context.environment
        path = environment.aws_config_file
        if os.path.realpath(path) == os.path.realpath(environment.aws_credentials_file):
            raise RefusedError(
                f"{environment.shown(path)} is both the config file and the credentials file",
                hint="give AWS_SHARED_CREDENTIALS_FILE a file of its own",
            )

    def _planner(self) -> Planner:
        context = self._context
        path = launcher.expected(context.environment, context.settings)
        return Planner(
            self._portal,
            self._cloud,
            launcher=aws_config.launcher_line(path),
            preferred=context.settings.migrate.roles,
            mapped=self._mapped,
            choose=self._chosen,
            keeps_keys=self._options.keep_keys,
        )

    def _chosen(self, profile: str, facts: Facts, roles: Sequence[Role]) -> Role | None:
        options, terminal = self._options, self._terminal
        if options.yes or options.json or not terminal.is_interactive():
            return None
        terminal.tell(f"\n{safe(profile)} is {safe(facts.user)} in {facts.account_id}. Which role takes its place?")
        sessions = len({role.session for role in roles})
        for number, role in enumerate(roles, 1):
            terminal.tell(f"  {number}  {safe(role.name)}{f' ({safe(role.session)})' if sessions > 1 else ''}")
        answer = terminal.ask("number, or nothing to leave it alone")
        if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(roles):
            return roles[int(answer) - 1]
        return None

    def _demand_consent(self, plan: Plan, scanned: scan.Scan | None) -> None:
        options, terminal = self._options, self._terminal
        if options.yes:
            return
        count = _count(len(plan.jobs), "key")
        if terminal.is_interactive() and not options.json:
            what = "put SSO in the place of" if options.keep_keys else "retire"
            if not terminal.confirmed(f"{what} {count} as shown?"):
                raise RefusedError("nothing was changed")
            return
        if options.json:
            terminal.json({**report.plan_values(plan), **_scan_values(scanned), "applied": False, "results": []})
        raise RefusedError(f"{count} would be retired: that needs a yes", hint="awssso migrate --yes")

    def _applied(self, plan: Plan) -> list[dict[str, Any]]:
        """Do one job after another; the first that fails ends it."""
        context, terminal = self._context, self._terminal
        launcher.program(context.environment, context.settings)
        results: list[dict[str, Any]] = []
        for number, planned in enumerate(plan.jobs, 1):
            job = self._still_to_do(planned)
            terminal.tell(f"{number} of {len(plan.jobs)}: {_label(planned)}")
            if job is None:
                terminal.tell("  another run has done it")
                results.append(self._result(planned))
                continue
            try:
                done = runner.advanced(self._world, job, self._say)
            except AwsssoError as error:
                self._tell_failure(job, error, len(plan.jobs) - number)
                results.append(self._result(planned, error))
                break
            self._tell_done(done)
            results.append(self._result(planned))
        return results

    def _still_to_do(self, planned: Job) -> Job | None:
        """Give the job as it stands now that we are alone; None where another run has done it meanwhile."""
        now = self._journal.read().of_key(planned.key_id)
        if planned.stage == jobs.PLANNED:
            was_retired_before = planned.retired_at and now is not None and now.stage == jobs.RETIRED
            is_new = now is None or not now.is_in_effect or was_retired_before
            return planned if is_new or (now is not None and self._is_back(planned)) else None
        if now is None or now.stage in (jobs.RETIRED, jobs.DELETED, jobs.UNDONE):
            return None
        return replace(now, keeps_key=planned.keeps_key, manager=planned.manager)

    def _is_back(self, planned: Job) -> bool:
        return any(key.key_id == planned.key_id for key in self._found()[0].keys)

    # Undo

    def undo(self, profile: str) -> int:
        """Take back one migration or all of them."""
        chosen = [job for job in reversed(self._records(is_needed=True).jobs) if job.may_be_undone]
        if profile:
            chosen = [self._undoable(profile, chosen)]
        if not chosen:
            self._terminal.tell("there is nothing to undo")
            return 0
        self._context.demand_own_files()
        for job in chosen:
            self._terminal.tell(f"would restore {_label(job)}: key Active, section as it was, SSO profile gone")
        self._demand_yes(f"undo the migration of {_count(len(chosen), 'key')}?", "awssso migrate --undo --yes")
        results: list[dict[str, Any]] = []
        errors: list[AwsssoError] = []
        with self._alone():
            for planned in chosen:
                now = self._journal.read().of_key(planned.key_id)
                if now is None or not now.may_be_undone:
                    continue
                error = self._undone(now)
                errors += [error] if error else []
                results.append(self._result(planned, error))
        self._tell_of_editors()
        if self._options.json:
            self._terminal.json({"results": results})
        return self._exit_status(errors, {planned.key_id for planned in chosen}, jobs.UNDONE)

    def _undone(self, job: Job) -> AwsssoError | None:
        """Take one migration back; gives what went wrong."""
        try:
            runner.undone(self._world, self._with_manager(job), self._say)
        except AwsssoError as error:
            self._terminal.tell(f"not undone: {_label(job)}")
            self._terminal.fail(error)
            return error
        return None

    def _tell_of_editors(self) -> None:
        for path in (self._context.environment.aws_config_file, self._context.environment.aws_credentials_file):
            self._context.tell_of_editors(path)

    def _undoable(self, profile: str, candidates: Sequence[Job]) -> Job:
        for job in candidates:
            if profile in (*job.profiles, job.key_id):
                return job
        for job in self._journal.read().jobs:
            if profile in (*job.profiles, job.key_id) and job.stage == jobs.DELETED:
                raise RefusedError(
                    f"the key of {profile[:64]!a} was deleted; nothing brings it back",
                    hint="the profile is SSO; aws iam create-access-key makes a new key",
                )
        raise RefusedError(f"no migration of {profile[:64]!a} is in effect", hint="awssso migrate --status")

    # Delete

    def delete_keys(self) -> int:
        """Delete what is Inactive and whose grace is over."""
        records = self._records(is_needed=True)
        days = 0 if self._options.now else self._context.settings.migrate.grace_days
        chosen = [job for job in records.jobs if job.stage in (jobs.RETIRED, jobs.DELETING, jobs.LOCAL)]
        waiting = [job for job in chosen if not self._may_be_deleted(job, days)]
        for job in waiting:
            left = runner.grace_left(job, self._journal.now(), days)
            self._terminal.tell(f"left: {_label(job)}: {_why_not_yet(job, left)}")
        chosen = [job for job in chosen if job not in waiting]
        if not chosen:
            self._terminal.tell("there is no key to delete")
            if self._options.json:
                self._terminal.json({"results": []})
            return 0
        results: list[dict[str, Any]] = []
        errors: list[AwsssoError] = []
        with self._alone():
            for planned in chosen:
                error = self._deleted(planned, days)
                errors += [error] if error else []
                results.append(self._result(planned, error))
        if self._options.json:
            self._terminal.json({"results": results})
        return self._exit_status(errors, {planned.key_id for planned in chosen}, jobs.DELETED)

    def _deleted(self, planned: Job, days: int) -> AwsssoError | None:
        """Delete one key; gives what went wrong."""
        try:
            job = self._with_manager(self._journal.read().of_key(planned.key_id) or planned)
            self._demand_typed(job)
            runner.deleted(self._world, job, grace_days=days, say=self._say)
        except runner.GraceError as kept:
            self._terminal.tell(f"left: {kept.message}")
        except InterruptedByUserError:
            raise
        except AwsssoError as error:
            self._terminal.tell(f"not deleted: {_label(planned)}")
            self._terminal.fail(error)
            return error
        return None

    def _exit_status(self, errors: Sequence[AwsssoError], chosen: set[str], end: str) -> int:
        """Give the exit status of several: 1 where some came to their end; else why nothing was changed."""
        if not errors:
            return 0
        done = sum(job.stage == end for job in self._journal.read().jobs if job.key_id in chosen)
        if done:
            self._terminal.tell(f"{end} {_count(done, 'key')} of {len(chosen)}")
        statuses = {error.exit_status for error in errors}
        return statuses.pop() if len(statuses) == 1 and not done else 1

    def _may_be_deleted(self, job: Job, days: int) -> bool:
        if job.stage == jobs.LOCAL:
            return not job.keeps_key
        return job.stage == jobs.DELETING or runner.grace_left(job, self._journal.now(), days) <= 0

    def _demand_typed(self, job: Job) -> None:
        """Have the person type the key's id: what is deleted does not come back."""
        if self._options.yes:
            return
        if not self._terminal.is_interactive():
            raise RefusedError(
                f"deleting {job.key_id} needs a yes", hint=f"awssso migrate --delete-keys --yes{self._now_option()}"
            )
        self._terminal.tell(f"This deletes {_label(job)} for ever.")
        if self._terminal.ask(f"type {job.key_id} to delete it") != job.key_id:
            raise RefusedError("that is not its id")

    def _now_option(self) -> str:
        return " --now" if self._options.now else ""

    # Status

    def show_status(self) -> int:
        """Show where each key stands."""
        terminal = self._terminal
        records = self._records()
        found = self._found()[0]
        in_files = {key.key_id for key in found.keys}
        standings = [self._standing(job, in_files) for job in records.jobs]
        now, days = self._journal.now(), self._context.settings.migrate.grace_days
        others = [key for key in found.keys if records.of_key(key.key_id) is None]
        if self._options.json:
            terminal.json(
                {
                    "keys": [report.status_values(each, now, days) for each in standings],
                    "not_migrated": [{"key_id": key.key_id, "profiles": list(key.profiles)} for key in others],
                }
            )
            return 0
        if standings:
            terminal.table(report.STATUS_HEADER, report.status_rows(standings, now, days))
        for each in standings:
            self._tell_standing(each)
        for key in others:
            terminal.tell(f"not migrated: {safe(', '.join(key.profiles))} ({key.key_id})")
        if not standings:
            terminal.tell("no key was migrated here yet\nhint: awssso migrate --dry-run")
        return 0

    def _standing(self, job: Job, in_files: set[str]) -> report.Standing:
        is_back = job.key_id in in_files and job.stage in (jobs.RETIRED, jobs.DELETED, jobs.LOCAL)
        if job.stage in (jobs.DELETED, jobs.UNDONE):
            return report.Standing(job, is_back=is_back)
        try:
            job = self._with_manager(job)
            job = replace(job, user=key_status.user_now(self._world, job) or job.user)
            keys = self._world.role_keys(key_status.manager_of(job), job.region)
            state = self._cloud.key_state(keys, job.user, job.key_id)
            status = state.status if state else "gone"
            last_use = self._cloud.last_use(keys, job.key_id) if state else None
            job = self._noted(job, status)
        except AwsssoError as error:
            return report.Standing(job, problem=error.message, is_back=is_back)
        return report.Standing(job, status, last_use, is_back=is_back)

    def _noted(self, job: Job, status: str) -> Job:
        """Have the grace of a key begin that an administrator made Inactive; where another run is at work, it does."""
        if job.stage != jobs.LOCAL or job.keeps_key or status != INACTIVE:
            return job
        with contextlib.suppress(BusyError), self._held(_NOTE_SECONDS):
            now = self._journal.read().of_key(job.key_id)
            if now is not None and now.stage == jobs.LOCAL:
                return runner.seen_inactive(self._world, replace(now, manager=job.manager), status)
        return job

    def _tell_standing(self, standing: report.Standing) -> None:
        job, terminal = standing.job, self._terminal
        if standing.problem:
            terminal.tell(f"note: AWS could not be asked about {job.key_id}: {safe(standing.problem)}")
        if job.is_unfinished:
            terminal.tell(f"unfinished: {_label(job)}\nhint: awssso migrate")
        if job.stage == jobs.LOCAL and not job.keeps_key and standing.status != INACTIVE:
            terminal.tell(f"an administrator of {job.account_id} can make {job.key_id} Inactive:")
            terminal.tell(f"  {key_status.admin_command(job, INACTIVE)}")
        if standing.is_back:
            terminal.tell(f"warning: {job.key_id} is back in the file\nhint: awssso migrate")

    def _result(self, planned: Job, error: AwsssoError | None = None) -> dict[str, Any]:
        job = self._journal.read().of_key(planned.key_id) or planned
        return {
            "key_id": planned.key_id,
            "profiles": list(planned.profiles),
            "stage": job.stage,
            "error": error.message if error else None,
            "hint": (error.hint or None) if error else None,
        }

    # Words

    def _say(self, line: str) -> None:
        self._terminal.tell(f"  {safe_line(line)}")

    def _show(self, plan: Plan, scanned: scan.Scan | None) -> None:
        terminal = self._terminal
        rows = report.plan_rows(plan, time.time())
        if rows:
            terminal.table(report.PLAN_HEADER, rows)
        for item in plan.items:
            names = safe(", ".join(item.key.profiles))
            if item.job is None:
                terminal.tell(f"left alone: {names}: {safe_line(item.reason)}")
                self._hint(item.hint)
            elif item.key.dependants:
                terminal.tell(f"depends on {names}: {safe(', '.join(each.profile for each in item.key.dependants))}")
        for oddity in plan.oddities:
            self._tell_oddity(oddity)
        for session in plan.asleep:
            terminal.tell(f"note: {safe(session)} is not signed in; its roles were not looked at")
            self._hint(f"awssso login -S {session}")
        for name, line, key_id in plan.leftovers():
            terminal.tell(f"warning: {name} will still have the secret of {key_id} in a comment, then line {line}")
            self._hint("remove that line by hand")
        self._tell_scan(scanned)
        self._tell_exported()
        diff = plan.diff_text()
        if diff:
            terminal.data("")
            terminal.diff(diff)

    def _tell_nothing(self, found: Found, scanned: scan.Scan | None) -> int:
        if self._options.json:
            values = {"keys": [], "unfinished": [], "left_alone": [report.oddity_values(o) for o in found.oddities]}
            self._terminal.json({**values, **_scan_values(scanned), "applied": False, "results": []})
            return 0
        for oddity in found.oddities:
            self._tell_oddity(oddity)
        self._tell_scan(scanned)
        self._tell_exported()
        environment = self._context.environment
        names = " or ".join(
            environment.shown(path) for path in (environment.aws_credentials_file, environment.aws_config_file)
        )
        self._terminal.tell(f"no long-lived key in {names} that could be retired")
        return 0

    def _tell_oddity(self, oddity: Oddity) -> None:
        environment = self._context.environment
        path = environment.aws_config_file if oddity.is_config else environment.aws_credentials_file
        where = f"{environment.shown(path)}, line {oddity.line}"
        self._terminal.tell(f"left alone: {safe(oddity.profile)} ({where}): {safe_line(oddity.reason)}")
        self._hint(oddity.hint)

    def _tell_exported(self) -> None:
        exported = [name for name in _EXPORTED if self._context.environment.variables.get(name)]
        if exported:
            self._terminal.tell(f"warning: this shell exports {exported[0]}, which wins over every profile")
            self._hint(f"unset {' '.join(exported)}")

    def _scanned(self, found: Found) -> scan.Scan | None:
        if self._options.scan is None:
            return None
        environment = self._context.environment
        known = {key.key_id: key.secret for key in found.keys}
        passed_by = (environment.aws_config_file, environment.aws_credentials_file)
        left = {each.key_id for each in found.oddities}
        result = scan.scanned(environment.home, Path(self._options.scan), known, passed_by)
        # Those that are left alone are this user's keys as well.
        mentions = [replace(each, is_known=True) if each.key_id in left else each for each in result.mentions]
        return result._replace(mentions=mentions)

    def _tell_scan(self, scanned: scan.Scan | None) -> None:
        if scanned is None:
            return
        terminal, environment = self._terminal, self._context.environment
        for each in scanned.mentions:
            what = "this key" if each.is_known else "another key pair"
            terminal.tell(f"found: {safe_line(environment.shown(each.path))}:{each.line}: {what}, {each.key_id}")
        unread = f", {len(scanned.unread)} were too large or not readable" if scanned.unread else ""
        terminal.tell(f"scan: {_count(len(scanned.mentions), 'mention')} in {scanned.read} files{unread}")

    def _tell_done(self, job: Job) -> None:
        if job.stage == jobs.RETIRED:
            left = runner.grace_left(job, self._journal.now(), self._context.settings.migrate.grace_days)
            days = _count(max(0, -(-left // runner.DAY)), "day")
            self._terminal.tell(f"  done; awssso migrate --undo takes it back, --delete-keys deletes the key in {days}")
        elif job.keeps_key:
            self._terminal.tell("  done; the key is still Active, since --keep-keys was said")
        else:
            self._terminal.tell(f"  done here; your role may not change keys, so {job.key_id} is still Active.")
            self._terminal.tell(
                f"  For an administrator of {job.account_id}: {key_status.admin_command(job, INACTIVE)}"
            )

    def _tell_failure(self, job: Job, error: AwsssoError, left: int) -> None:
        self._terminal.fail(error)
        if isinstance(error, runner.UndoneError):
            self._terminal.tell(f"{safe(', '.join(job.profiles))} is as it was")
        if left:
            self._terminal.tell(f"{_count(left, 'key')} after it untouched")

    def _hint(self, hint: str) -> None:
        if hint:
            self._terminal.tell(f"hint: {safe_line(hint)}")

    # Choices

    def _with_manager(self, job: Job) -> Job:
        """Give the job the role that `--map` names for changing its key."""
        named = next((self._mapped[name] for name in job.profiles if name in self._mapped), "")
        if not named:
            return job
        for role in self._portal.roles_in(job.account_id):
            if named in (role.name, role.word()):
                return replace(job, manager=role)
        raise UsageError(f"--map: no role {named[:64]!a} in {job.account_id}", hint="awssso list")

    def _demand_yes(self, question: str, hint: str) -> None:
        if self._options.yes:
            return
        if not self._terminal.is_interactive():
            raise RefusedError("that needs a yes", hint=hint)
        if not self._terminal.confirmed(question):
            raise RefusedError("nothing was changed")


def _mapped(words: Sequence[str]) -> dict[str, str]:
    mapped = {}
    for word in words:
        profile, equals, role = word.partition("=")
        if not (profile and equals and role):
            raise UsageError(f"--map {word[:64]!a} is not PROFILE=ROLE", hint="awssso migrate --help")
        mapped[profile] = role
    return mapped


def _label(job: Job) -> str:
    return f"{safe(', '.join(job.profiles))} ({job.key_id} of {safe(job.user)} in {job.account_id})"


def _why_not_yet(job: Job, left: int) -> str:
    if job.stage == jobs.LOCAL:
        return "the key is kept Active"
    return f"its grace ends in {_count(-(-left // runner.DAY), 'day')} (--now does not wait)"


def _scan_values(scanned: scan.Scan | None) -> dict[str, Any]:
    return {} if scanned is None else {"scan": report.scan_values(scanned)}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

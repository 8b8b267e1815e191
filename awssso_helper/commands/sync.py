"""`awssso sync`: find every account and role, write the profiles."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from awssso_helper import news
from awssso_helper.commands.context import KEYRING_SECONDS, each_of
from awssso_helper.errors import AwsssoError
from awssso_helper.model import Deadline
from awssso_helper.terminal import Recorder, safe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awssso_helper.commands.context import Context
    from awssso_helper.model import Account, SsoSession
    from awssso_helper.profiles import Plan
    from awssso_helper.sync import Consent, Found
    from awssso_helper.terminal import Terminal

_PARTIAL = 5
# How many names are said one by one before the rest is only counted.
_SHOWN = 20


def run(context: Context) -> int:
    """Discover and write the profiles of each chosen session."""
    if context.options.behind:
        return _synced_behind(context)
    return synced(context, context.chosen_sessions())


def _synced_behind(context: Context) -> int:
    """Sync for `login`, which did not wait: what changed is news for the next command."""
    recorder = Recorder(context.environment)
    context.terminal = recorder
    try:
        status = synced(context, context.chosen_sessions())
    except AwsssoError as error:
        news.add(context.environment, [f"the sync after login failed: {error.message}", f"hint: {error.hint}"])
        return error.exit_status
    if not recorder.told[-1].endswith("nothing to change") or status:
        news.add(context.environment, ["found since your login:", *recorder.told])
    return status


def synced(context: Context, sessions: list[SsoSession]) -> int:
    """Discover and write the profiles of these sessions, and say so; gives the exit status."""
    from awssso_helper.discovery import WORKERS  # noqa: PLC0415
    from awssso_helper.login import refuse_moved  # noqa: PLC0415

    options = context.options
    is_dry, wants_json = getattr(options, "dry_run", False), getattr(options, "json", False)
    asks_all = getattr(options, "full", False)
    if not is_dry:
        context.demand_own_files()

    def discovered(session: SsoSession) -> Found:
        refuse_moved(session, context.credentials.sign_in_of(session.name, Deadline(KEYRING_SECONDS)))
        service = context.service(session, connections=WORKERS)
        with context.terminal.progress(f"{session.name}: accounts") as progress:
            return context.sync.found(session, service, progress, asks_all=asks_all, is_dry=is_dry)

    founds = [found for _, found in each_of(context, sessions, discovered)]
    if not founds:
        return context.failed_with
    plan, consent = _agreed_plan(context, founds)
    is_written = False if is_dry else context.sync.write(founds, consent)
    migrated = _migrated(context, is_dry=is_dry)
    if wants_json:
        facts = _sync_facts(context, founds, plan, is_written=is_written)
        context.terminal.json({**facts, "migrated_profiles_changed": list(migrated)})
    elif is_dry:
        context.terminal.diff(plan.diff_text())
    _tell_names(context.terminal, "would give its path to" if is_dry else "gave its path to", migrated)
    _tell_sync(context, founds, plan, is_written=is_written)
    if is_written:
        context.tell_of_editors(context.environment.aws_config_file)
    return context.failed_with or (_PARTIAL if any(found.discovery.failures for found in founds) else 0)


def _migrated(context: Context, *, is_dry: bool) -> tuple[str, ...]:
    """Have the profiles that `migrate` wrote call the program that ours call; gives their names."""
    environment, settings = context.environment, context.settings
    if not environment.migrations_file.exists():
        return ()
    from awssso_helper.migration import upkeep  # noqa: PLC0415 - few have any

    try:
        return upkeep.stale(environment, settings) if is_dry else upkeep.followed(environment, settings)
    except AwsssoError as error:
        context.terminal.tell(f"warning: the profiles that migrate wrote were not looked at: {safe(error.message)}")
        return ()


def _agreed_plan(context: Context, founds: list[Found]) -> tuple[Plan, Consent]:
    """Make the plan, and ask where it would take away much or rename what scripts may use."""
    from awssso_helper.sync import Consent  # noqa: PLC0415

    options = context.options
    consent = Consent(prune=not getattr(options, "no_prune", False), rename=True)
    plan = context.sync.plan(founds, consent)
    if getattr(options, "yes", False) or getattr(options, "dry_run", False):
        return plan, consent
    if plan.needs_confirmation:
        consent = replace(consent, prune=_agrees(context, "remove", "whose role is gone", plan.removed))
    if plan.renamed:
        pairs = [f"{old} -> {new}" for old, new in plan.renamed]
        consent = replace(consent, rename=_agrees(context, "rename", "since the template changed", pairs))
    return context.sync.plan(founds, consent), consent


def _agrees(context: Context, verb: str, reason: str, items: Sequence[str]) -> bool:
    terminal = context.terminal
    count = f"{len(items)} profile{'s' if len(items) != 1 else ''}"
    _tell_names(terminal, f"would {verb}", items)
    if terminal.is_interactive():
        return terminal.confirmed(f"{verb} {count} {reason}?")
    terminal.tell(f"note: did not {verb} {count} {reason}: that needs a yes")
    terminal.tell("hint: awssso sync --yes")
    return False


def _sync_facts(context: Context, founds: list[Found], plan: Plan, *, is_written: bool) -> dict[str, Any]:
    return {
        "sessions": [
            {
                "name": found.discovery.inventory.session,
                "accounts": len(found.discovery.inventory.accounts),
                "roles": len(found.discovery.inventory.roles()),
                "gained": [_pair_facts(account, role) for account, role in found.changes.gained],
                "lost": [_pair_facts(account, role) for account, role in found.changes.lost],
                "failed": [
                    {"account_id": account.id, "account_name": account.name, "reason": error.message}
                    for account, error in found.discovery.failures
                ],
            }
            for found in founds
        ],
        "failed_sessions": [{"name": name, "reason": error.message} for name, error in context.failures],
        "profiles": {
            "added": plan.added,
            "removed": plan.removed,
            "renamed": [{"from": old, "to": new} for old, new in plan.renamed],
            "changed": plan.changed,
            "kept": plan.kept,
            "excluded": plan.excluded,
            "left_out": [{"name": name, "reason": reason} for name, reason in plan.left_out],
            "shadowed": plan.shadowed,
            "withheld": plan.withheld,
        },
        "written": is_written,
    }


def _pair_facts(account: Account, role: str) -> dict[str, str]:
    return {"account_id": account.id, "account_name": account.name, "role": role}


def _tell_sync(context: Context, founds: list[Found], plan: Plan, *, is_written: bool) -> None:
    terminal = context.terminal
    for found in founds:
        inventory = found.discovery.inventory
        terminal.tell(f"{safe(inventory.session)}: {len(inventory.accounts)} accounts, {len(inventory.roles())} roles")
        if found.discovery.reused:
            terminal.tell(
                f"note: {found.discovery.reused} accounts were asked not long ago and not again; "
                "awssso sync --full asks all"
            )
        if found.is_first:
            continue
        _tell_names(terminal, "gained", [_pair_text(*pair) for pair in found.changes.gained])
        _tell_names(terminal, "lost", [_pair_text(*pair) for pair in found.changes.lost])
    for account, error in (failure for found in founds for failure in found.discovery.failures):
        terminal.tell(f"warning: {safe(account.name)} ({account.id}) could not be asked: {error.message}")
        terminal.tell("         its last known roles stay")
    for name, reason in plan.left_out:
        terminal.tell(f"warning: no profile {safe(name)}: {reason}")
    credentials_file = context.environment.shown(context.environment.aws_credentials_file)
    for name in plan.shadowed:
        terminal.tell(f"warning: keys in {credentials_file} hide the profile {safe(name)}")
    if plan.withheld:
        terminal.tell(f"note: {len(plan.withheld)} profiles whose role is gone were kept")
    terminal.tell(_written_line(context, plan, is_written=is_written))


def _written_line(context: Context, plan: Plan, *, is_written: bool) -> str:
    config_file = context.environment.shown(context.environment.aws_config_file)
    total = plan.kept + len(plan.added) + len(plan.changed) + len(plan.renamed)
    counts = (
        ("added", len(plan.added)),
        ("removed", len(plan.removed)),
        ("renamed", len(plan.renamed)),
        ("changed", len(plan.changed)),
    )
    what = ", ".join(f"{count} {verb}" for verb, count in counts if count)
    if plan.is_empty():
        return f"{config_file}: {total} profiles, nothing to change"
    if not is_written:
        return f"{config_file}: {total} profiles ({what}); nothing was written"
    return f"{config_file}: {total} profiles ({what})"


def _pair_text(account: Account, role: str) -> str:
    return f"{account.name or account.id} ({account.id}) {role}"


def _tell_names(terminal: Terminal, verb: str, names: Sequence[str]) -> None:
    for name in names[:_SHOWN]:
        terminal.tell(f"  {verb} {safe(name)}")
    if len(names) > _SHOWN:
        terminal.tell(f"  {verb} {len(names) - _SHOWN} more")

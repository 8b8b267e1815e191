"""`awssso doctor`: what is wrong on this machine, and what to type."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from awssso_helper import __version__, doctor
from awssso_helper.errors import AwsssoError
from awssso_helper.terminal import safe, safe_line

if TYPE_CHECKING:
    from awssso_helper.commands.context import Context
    from awssso_helper.doctor import Finding

_HINT_INDENT = " " * 9


def run(context: Context) -> int:
    """Make every check, show what was found; with --fix repair what is ours."""
    options, terminal = context.options, context.terminal
    patient = doctor.Patient(context.environment, may_prompt=terminal.is_interactive(), trace=terminal.trace)
    is_verbose = options.verbose or options.debug
    if not options.json:
        terminal.data(_about())
    shown: list[tuple[Finding, str]] = []
    for each in doctor.examined(patient):
        finding = _impersonal(context, each)
        if not options.json:
            _show(context, finding, is_verbose=is_verbose)
        shown.append((finding, _repaired(context, finding) if options.fix else ""))
    wrong = [finding for finding, repair in shown if finding.is_wrong() and not repair]
    if options.json:
        terminal.json(_facts(shown, is_verbose=is_verbose, is_healthy=not wrong))
    else:
        terminal.data(_summary(wrong))
    return 1 if wrong else 0


def _impersonal(context: Context, finding: Finding) -> Finding:
    """Write the home directory as ~: its path has the user's name."""
    try:
        home = str(context.environment.home)
    except AwsssoError:
        return finding
    if len(home) < 2:  # noqa: PLR2004 - "/", the home of some daemons, is in every path
        return finding
    return replace(finding, what=finding.what.replace(home, "~"), hint=finding.hint.replace(home, "~"))


def _about() -> str:
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return f"awssso {__version__}, Python {platform.python_version()}, {system}"


def _show(context: Context, finding: Finding, *, is_verbose: bool) -> None:
    lines = [f"{finding.severity:<8} {finding.what}"]
    if is_verbose:
        lines += [f"{_HINT_INDENT}- {safe(name)}" for name in finding.names]
    if finding.hint:
        lines.append(f"{_HINT_INDENT}hint: {finding.hint}")
    context.terminal.data("\n".join(safe_line(line) for line in lines))


def _repaired(context: Context, finding: Finding) -> str:
    """Do what can be done about a finding; gives what was done, or nothing."""
    repair, terminal = finding.repair, context.terminal
    if repair is None:
        return ""
    if repair.question and not (terminal.is_interactive() and terminal.confirmed(repair.question)):
        terminal.tell("note: left as it is: that needs a yes at a terminal")
        return ""
    try:
        done = repair.act()
    except (AwsssoError, OSError) as error:
        reason = error.message if isinstance(error, AwsssoError) else os.strerror(error.errno or 0)
        terminal.tell(safe_line(f"warning: could not be repaired: {reason}"))
        return ""
    terminal.tell(safe_line(f"repaired: {done}"))
    return done


def _facts(shown: list[tuple[Finding, str]], *, is_verbose: bool, is_healthy: bool) -> dict[str, Any]:
    """Give the report as JSON: additions are possible, what is there stays."""
    return {
        "version": __version__,
        "python": platform.python_version(),
        "system": sys.platform,
        "healthy": is_healthy,
        "findings": [
            {
                "id": finding.id,
                "severity": finding.severity,
                "what": finding.what,
                "hint": finding.hint,
                "names": list(finding.names) if is_verbose else [],
                "repaired": bool(repair),
            }
            for finding, repair in shown
        ],
    }


def _summary(wrong: list[Finding]) -> str:
    if not wrong:
        return "nothing is wrong"
    repairable = any(finding.repair for finding in wrong)
    return f"{len(wrong)} to look at" + ("; awssso doctor --fix repairs what is ours" if repairable else "")

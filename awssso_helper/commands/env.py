"""`awssso env`: lines that put a role's variables into a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from awssso_helper import handover, recent, shells
from awssso_helper.commands.exec import profile_of

if TYPE_CHECKING:
    from awssso_helper.commands.context import Context
    from awssso_helper.handover import Handover


def run(context: Context) -> int:
    """Print the lines for the shell that evaluates them."""
    options, variables = context.options, context.environment.variables
    if options.unset:
        handed = handover.of_nothing(variables)
    else:
        entry = context.chosen_entry()
        if options.keys:
            name = entry.profile or entry.role.word()
            handed = handover.of_keys(context.role_credentials(entry), name, entry.region, variables)
        else:
            handed = handover.of_profile(profile_of(entry), entry.region, variables)
        if entry.profile:
            recent.used(context.environment, entry.profile)
    shell = "json" if options.json else options.shell or shells.calling(context.environment)
    if shell == "json":
        context.terminal.json({"set": dict(handed.values), "unset": list(handed.removed)})
    else:
        context.terminal.data("\n".join(lines_of(handed, shell)))
    return 0


def lines_of(handed: Handover, shell: str) -> list[str]:
    """Write a handover in the language of a shell: first what goes, then what comes."""
    removed = [shells.removal(handed.removed, shell)] if handed.removed else []
    return removed + [shells.setting(name, value, shell) for name, value in handed.values.items()]

"""`awssso use`: change the current shell, by way of the function that `awssso shell-init` prints.

The function tells which shell it is and what was in force before, evaluates what comes on stdout, and knows nothing
else: it need not be loaded anew when awssso changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from awssso_helper import handover, recent, shells
from awssso_helper.choice import described
from awssso_helper.commands.env import lines_of
from awssso_helper.commands.exec import profile_of
from awssso_helper.errors import UsageError
from awssso_helper.shell_functions import advice
from awssso_helper.terminal import safe

if TYPE_CHECKING:
    from awssso_helper.commands.context import Context

# Set by the function: the shell's name, and the profile that was in force before the present one.
FUNCTION = "AWSSSO_SHELL_FUNCTION"
PREVIOUS = "AWSSSO_PREVIOUS"
# The shell's own variable that keeps the latter.
KEPT = "__awssso_previous"


def run(context: Context) -> int:
    """Print what the function evaluates; the person hears on stderr what is in force now."""
    shell = context.environment.variables.get(FUNCTION, "")
    if shell not in shells.NAMES:
        raise UsageError(
            "`awssso use` changes your shell through a function, which is not loaded here",
            hint=f"{advice(shells.calling(context.environment))}; or: awssso exec PROFILE, a shell inside this one",
        )
    options = context.options
    if options.clear:
        return _cleared(context, shell)
    if options.words == ["-"]:
        options.words = [_previous(context)]
    entry = context.chosen_entry(is_told_later=True)
    name = profile_of(entry)
    handed = handover.of_profile(name, entry.region, context.environment.variables)
    recent.used(context.environment, name)
    _print(context, handed, shell)
    region = f", {entry.region}" if entry.region else ""
    context.terminal.tell(f"AWS_PROFILE={described(entry)}{region}")
    return 0


def _cleared(context: Context, shell: str) -> int:
    if context.options.words or context.options.profile is not None:
        raise UsageError("--clear takes no profile", hint="awssso use --clear")
    _print(context, handover.of_nothing(context.environment.variables), shell)
    before = _in_force(context)
    context.terminal.tell(f"AWS_PROFILE is clear; it was {safe(before)}" if before else "AWS_PROFILE is clear")
    return 0


def _previous(context: Context) -> str:
    previous = context.environment.variables.get(PREVIOUS, "")
    if not previous:
        raise UsageError("there is no profile to go back to", hint="awssso use PROFILE")
    return previous


def _in_force(context: Context) -> str:
    return context.environment.variables.get("AWS_PROFILE", "")


def _print(context: Context, handed: handover.Handover, shell: str) -> None:
    lines = lines_of(handed, shell)
    before = _in_force(context)
    if before and before != handed.values.get("AWS_PROFILE"):
        lines.append(shells.keeping(KEPT, before, shell))
    context.terminal.data("\n".join(lines))

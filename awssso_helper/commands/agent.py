"""`awssso agent`: start, stop or show the agent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from awssso_helper import __version__, agent_client
from awssso_helper.errors import AwsssoError
from awssso_helper.model import epoch_of
from awssso_helper.terminal import duration, local_time, safe

if TYPE_CHECKING:
    from awssso_helper.commands.context import Context


# How many of the roles that an agent holds `status` names.
_SHOWN = 5


def run(context: Context) -> int:
    """Start, stop or show the agent; `serve` is what `start` runs."""
    environment, terminal = context.environment, context.terminal
    action = context.options.action
    if action == "serve":
        from awssso_helper import agent  # noqa: PLC0415 - only the agent itself needs it

        return agent.run(environment, context.settings)
    if action == "stop":
        return _stopped(context)
    if not agent_client.is_wanted(context.settings):
        terminal.tell("there is no agent: the settings say agent = off, or this system has no unix sockets")
        return 1
    if action == "start" and not agent_client.start(environment, is_insistent=True):
        raise AwsssoError("the agent did not start", hint="awssso agent serve shows why")
    return _agent_shown(context)


def _stopped(context: Context) -> int:
    # Also where the settings say agent = off: one that was started before may still hold credentials.
    held_sessions = agent_client.facts(context.environment, context.settings).get("holds_sessions")
    was_running = agent_client.can_be_here() and agent_client.stop(context.environment)
    context.terminal.tell("the agent is stopped; what it held is gone" if was_running else "no agent is running")
    if was_running and held_sessions:
        context.terminal.tell("its memory held your sign-in too (keyring = memory)\nhint: awssso login")
    return 0


def _agent_shown(context: Context) -> int:
    facts = agent_client.facts(context.environment, context.settings)
    if context.options.json:
        context.terminal.json(facts)
    elif not facts["running"]:
        context.terminal.tell("no agent is running\nhint: awssso agent start")
    else:
        context.terminal.tell(agent_line(facts))
        if facts["roles"]:
            context.terminal.table(("ROLE", "LEFT"), [(each["role"], _left(each)) for each in facts["roles"]])
    return 0 if facts["running"] else 1


def held_lines(facts: dict[str, Any]) -> list[str]:
    """Say what an agent holds, for how long; those that end first come first, and only some of many."""
    roles = sorted(facts["roles"], key=lambda each: each["expires"])
    lines = [f"  {safe(each['role'])}: {_left(each)} left" for each in roles[:_SHOWN]]
    if len(roles) > _SHOWN:
        lines.append(f"  and {len(roles) - _SHOWN} more: awssso agent status")
    return lines


def _left(role: dict[str, Any]) -> str:
    return duration(epoch_of(role["expires"]) - time.time())


def agent_line(facts: dict[str, Any]) -> str:
    """Say what an agent is and holds, in one line."""
    since = local_time(epoch_of(facts["started"]))
    roles = "1 role" if len(facts["roles"]) == 1 else f"{len(facts['roles'])} roles"
    line = f"agent: pid {facts['pid']}, since {since}, keyring: {facts['keyring']}, holds {roles}"
    if facts["version"] == __version__:
        return line
    return f"{line}; it is of version {safe(facts['version'])}, and the next call of an SDK replaces it"

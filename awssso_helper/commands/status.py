"""`awssso status`: who is signed in, until when."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from awssso_helper import agent_client
from awssso_helper.commands.agent import agent_line, held_lines
from awssso_helper.commands.context import KEYRING_SECONDS, session_option
from awssso_helper.errors import LoginNeededError
from awssso_helper.memory_vault import MEMORY
from awssso_helper.model import Deadline, epoch_of, utc_text
from awssso_helper.terminal import duration

if TYPE_CHECKING:
    from awssso_helper.commands.context import Context
    from awssso_helper.model import SignIn, SsoSession


def run(context: Context) -> int:
    """Show each session."""
    sessions = context.chosen_sessions(default_all=True)
    deadline = Deadline(KEYRING_SECONDS)
    facts = [session_facts(each, context.credentials.sign_in_of(each.name, deadline)) for each in sessions]
    if context.options.json:
        keyring = context.store.backend_name()
        context.terminal.json(
            {"sessions": facts, "keyring": keyring, "agent": agent_client.facts(context.environment, context.settings)}
        )
    else:
        header = ("SESSION", "STATE", "TOKEN", "RENEWABLE", "START URL")
        context.terminal.table(header, [_session_row(each) for each in facts])
        context.terminal.detail(f"keyring: {context.store.backend_name()}")
        agent = agent_client.facts(context.environment, context.settings)
        context.terminal.tell(agent_line(agent) if agent["running"] else _no_agent_line(context))
        for line in held_lines(agent):
            context.terminal.tell(line)
    needy = [each["name"] for each in facts if not each["usable"]]
    if needy and not context.options.json:
        context.terminal.tell(f"hint: awssso login{session_option(context, needy[0])}")
    return LoginNeededError.exit_status if needy else 0


def _no_agent_line(context: Context) -> str:
    if context.settings.keyring == MEMORY:
        return "no agent is running; what the last one held in its memory (keyring = memory) is gone"
    return "no agent is running"


def session_facts(session: SsoSession, sign_in: SignIn | None) -> dict[str, Any]:
    """Give how a session stands, as `--json` shows it."""
    token = sign_in.token if sign_in else None
    state = _state(sign_in)
    is_renewable = token is not None and token.refresh_token is not None
    return {
        "name": session.name,
        "start_url": session.start_url,
        "region": session.region,
        "state": state,
        "usable": state in ("signed in", "renewable"),
        "token_expires": utc_text(token.expires_at) if token else None,
        "renewable_until": utc_text(token.registration.expires_at) if token and is_renewable else None,
    }


def _state(sign_in: SignIn | None) -> str:
    token = sign_in.token if sign_in else None
    if sign_in is None or token is None:
        return "signed out"
    if sign_in.rejected:
        return "ended"
    if token.expires_at > time.time():
        return "signed in"
    is_renewable = token.refresh_token is not None and token.registration.expires_at > time.time()
    return "renewable" if is_renewable else "expired"


def _session_row(facts: dict[str, Any]) -> tuple[str, ...]:
    def left(moment: str | None) -> str:
        return duration(epoch_of(moment) - time.time()) if moment else "-"

    is_live = facts["usable"]
    return (
        facts["name"],
        facts["state"],
        left(facts["token_expires"]) if is_live else "-",
        f"at most {left(facts['renewable_until'])}" if is_live and facts["renewable_until"] else "no",
        facts["start_url"],
    )

"""`awssso logout`: end a session, remove its secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from awssso_helper import agent_client
from awssso_helper.commands.context import KEYRING_SECONDS
from awssso_helper.model import Deadline
from awssso_helper.terminal import safe

if TYPE_CHECKING:
    from awssso_helper.commands.context import Context


def run(context: Context) -> int:
    """End each chosen session."""
    name = context.options.sso_session
    names = [name] if name else [session.name for session in context.chosen_sessions()]
    for each in names:
        untold = context.credentials.end(each, Deadline(KEYRING_SECONDS))
        agent_client.forget(context.environment, context.settings, each)
        context.terminal.tell(f"{safe(each)}: signed out, its secrets are removed from {context.store.backend_name()}")
        if untold is not None:
            context.terminal.tell(f"note: AWS could not be told ({untold.message}); its session ends by itself")
    context.terminal.tell("Role credentials that running programs hold stay valid until they expire.")
    return 0

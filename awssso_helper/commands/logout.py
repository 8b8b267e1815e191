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
    """End each chosen session; one that the config file no longer has can still be named."""
    name = context.options.sso_session
    names = [name] if name else [session.name for session in context.chosen_sessions()]
    were_signed_in = [_was_ended(context, each) for each in names]
    if any(were_signed_in):
        context.terminal.tell("Role credentials that running programs hold stay valid until they expire.")
    return 0


def _was_ended(context: Context, name: str) -> bool:
    """Remove what is ours, whatever it is, and tell AWS; says whether somebody was signed in."""
    known = context.credentials.sign_in_of(name, Deadline(KEYRING_SECONDS))
    untold = context.credentials.end(name, Deadline(KEYRING_SECONDS))
    agent_client.forget(context.environment, context.settings, name)
    if known is None or known.token is None:
        if known is None and name not in (session.name for session in context.sessions):
            context.chosen_sessions()  # says that there is no such session, and which one may be meant
        context.terminal.tell(f"{safe(name)}: was not signed in")
        return False
    context.terminal.tell(f"{safe(name)}: signed out, its secrets are removed from {context.store.backend_name()}")
    if untold is not None:
        context.terminal.tell(f"note: AWS could not be told ({untold.message}); its session ends by itself")
    return True

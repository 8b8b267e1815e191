"""`awssso login`: sign in, then sync."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from awssso_helper import agent_client, detached, login
from awssso_helper.commands.context import AWS_SECONDS, FILE_SECONDS, KEYRING_SECONDS, each_of
from awssso_helper.commands.sync import synced
from awssso_helper.discovery import SMALL
from awssso_helper.errors import AwsssoError, KeyringMissingError, LoginNeededError, after
from awssso_helper.memory_vault import MEMORY
from awssso_helper.model import Deadline
from awssso_helper.terminal import local_time

if TYPE_CHECKING:
    from awssso_helper.commands.context import Context
    from awssso_helper.identity_center import IdentityCenter
    from awssso_helper.model import SignIn, SsoSession


class _PersonGuide:
    """Speaks with the person who signs in; opens the browser unless told not to."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def open_url(self, url: str) -> None:
        self._open(url, "Sign in here")

    def show_code(self, code: str, url: str) -> None:
        self._context.terminal.tell(f"Your code:\n{code}")
        self._open(url, "Approve it here")

    def tell(self, line: str) -> None:
        self._context.terminal.tell(line)

    def _open(self, url: str, what: str) -> None:
        from awssso_helper import browser  # noqa: PLC0415 - only a sign-in needs it

        context = self._context
        context.terminal.tell(f"{what}:\n{url}")
        if context.options.no_browser:
            return
        if not browser.open_url(url, context.environment, context.settings.browser):
            context.terminal.tell("No browser could be started; open the address yourself.")


def run(context: Context) -> int:
    """Sign in to each chosen session, then sync."""
    chosen = context.chosen_sessions()
    if not context.options.no_sync:
        # Now, and not when the browser has been and gone.
        context.demand_own_files()
    if context.settings.keyring == MEMORY:
        _demand_agent(context)
    signed_in = list(each_of(context, chosen, lambda session: _sign_in(context, session)))
    status = _profiles_brought_up_to_date(context, [session for session, _ in signed_in])
    return context.failed_with or status


def _profiles_brought_up_to_date(context: Context, sessions: list[SsoSession]) -> int:
    if context.options.no_sync or not sessions:
        return 0
    if _may_sync_behind(context, sessions):
        _sync_behind(context, sessions)
        return 0
    return synced(context, sessions)


def _demand_agent(context: Context) -> None:
    """Have the agent there that is to hold the session, before a browser opens.

    Raises:
        KeyringMissingError: there can be none.
    """
    if not agent_client.is_wanted(context.settings):
        raise KeyringMissingError(
            "keyring = memory needs the agent, and the settings or this system do without",
            hint=f"remove agent = off, or keyring = memory, from {context.environment.settings_file}",
        )
    if not agent_client.start(context.environment, is_insistent=True):
        raise KeyringMissingError("the agent, which is to hold the session, did not start", hint="awssso agent start")


def _may_sync_behind(context: Context, sessions: list[SsoSession]) -> bool:
    """Say whether nobody has to wait: the profiles are there already, and the organisation is large."""
    if context.options.wait or not agent_client.is_wanted(context.settings):
        return False
    known = [context.memory.recall(session.name) for session in sessions]
    return all(known) and any(len(each.accounts) > SMALL for each in known if each)


def _sync_behind(context: Context, sessions: list[SsoSession]) -> None:
    for session in sessions:
        detached.spawn(context.environment, ["sync", "-S", session.name, "--behind"])
    context.terminal.tell(
        "looking for new accounts and roles behind; the next command says what changed (--wait waits)"
    )


def _sign_in(context: Context, session: SsoSession) -> None:
    deadline = Deadline(KEYRING_SECONDS)
    known = context.credentials.sign_in_of(session.name, deadline)
    if not context.options.force and _is_still_good(context, session, known, context.service(session)):
        context.terminal.tell(f"{session.name}: already signed in; --force signs in anew")
        return
    options = context.options
    guide = _PersonGuide(context)
    line = signed_in(context, session, known, guide, use_device_code=options.use_device_code, port=options.port)
    context.terminal.tell(line)


def signed_in(
    context: Context,
    session: SsoSession,
    known: SignIn | None,
    guide: login.Guide,
    *,
    use_device_code: bool = False,
    port: int = 0,
    deadline: Deadline | None = None,
) -> str:
    """Have a person sign in, drop what the one before them had, and give the lines that say until when.

    Raises:
        AwsssoError: see `login.sign_in`.
    """
    method, reason = login.method_for(context.environment, use_device_code=use_device_code, port=port)
    if reason:
        guide.tell(reason)
    record = login.sign_in(
        session,
        known,
        identity_center=context.service(session),
        method=method,
        guide=guide,
        save=lambda record: _keep(context, record),
        port=port,
        deadline=deadline,
    )
    with after("you are signed in"):
        context.credentials.forget_roles(session.name, Deadline(KEYRING_SECONDS))
        context.memory.distrust(session.name, Deadline(FILE_SECONDS))
    agent_client.forget(context.environment, context.settings, session.name)
    if agent_client.is_wanted(context.settings):
        agent_client.start(context.environment)
    line = f"{session.name}: signed in, {_until(record)}"
    if context.settings.keyring == MEMORY:
        hours = context.settings.agent_idle / 3600
        line += (
            f"\n{session.name}: held in the agent's memory only, in no keyring and no file; it is gone when the "
            f"agent ends: awssso agent stop, a restart of this machine, {hours:g} hours in which nobody asks"
        )
    return line


def _keep(context: Context, record: SignIn) -> None:
    """Store a sign-in. Killed at any moment, it leaves nobody with credentials of who was signed in before."""
    if record.token is not None:
        # What stands in the way of this is said when it is done once more, after the token.
        with contextlib.suppress(AwsssoError):
            context.credentials.forget_roles(record.session.name, Deadline(KEYRING_SECONDS))
        agent_client.forget(context.environment, context.settings, record.session.name)
    context.credentials.keep(record, Deadline(KEYRING_SECONDS))


def _is_still_good(context: Context, session: SsoSession, known: SignIn | None, service: IdentityCenter) -> bool:
    """Ask AWS itself: a token that looks valid here may be refused there (PAINS 18)."""
    if known is None or known.token is None or known.rejected or known.session != session:
        return False
    deadline = Deadline(AWS_SECONDS)
    try:
        context.credentials.with_token(session.name, lambda token: next(service.accounts(token, deadline)), deadline)
    except LoginNeededError:
        return False
    return True


def _until(sign_in: SignIn) -> str:
    token = sign_in.token
    if token is None:
        return "without a token"
    if token.refresh_token is None:
        return f"until {local_time(token.expires_at)} (not renewable)"
    return f"token until {local_time(token.expires_at)}, renewed by itself while the session lasts"

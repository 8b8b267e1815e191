"""`awssso console`: the AWS console as a role, in the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from awssso_helper import browser, console, recent
from awssso_helper.callback import HandoffServer
from awssso_helper.choice import described
from awssso_helper.commands.context import AWS_SECONDS
from awssso_helper.endpoints import partition_of
from awssso_helper.errors import AwsssoError
from awssso_helper.model import Deadline

if TYPE_CHECKING:
    from awssso_helper.catalog import Entry
    from awssso_helper.commands.context import Context
    from awssso_helper.model import Secret, SsoSession

# How long a browser may take to come up.
_BROWSER_SECONDS = 120


def run(context: Context) -> int:
    """Open the console, or print the link."""
    options = context.options
    return opened(
        context,
        context.chosen_entry(),
        destination=options.destination,
        region=options.region,
        prints=options.url,
        federates=options.federate,
    )


def opened(
    context: Context,
    entry: Entry,
    *,
    destination: str = "",
    region: str | None = None,
    prints: bool = False,
    federates: bool = False,
) -> int:
    """Open the console as a role; gives the exit status.

    Raises:
        UsageError, RefusedError: the destination or the region is wrong.
        AwsssoError: there are no credentials for it (where they are needed), or no browser.
    """
    session = context.session_named(entry.role.session)
    partition = partition_of(session.region)
    region = entry.region if region is None else region
    # Without a destination the portal may have a page of its own for this role; a region is a wish for one.
    target = console.destination(destination, region, partition) if destination or region else ""
    if entry.chain or federates:
        link = _sign_in_link(context, entry, session, target or console.destination("", "", partition), region)
        status = _printed(context, link.reveal()) if prints else _handed_off(context, entry, link)
    else:
        url = console.shortcut_url(session.start_url, entry.role, target)
        status = _printed(context, url) if prints else _open(context, entry, url)
    if entry.profile:
        recent.used(context.environment, entry.profile)
    return status


def _sign_in_link(context: Context, entry: Entry, session: SsoSession, target: str, region: str) -> Secret:
    from awssso_helper import federation  # noqa: PLC0415 - brings urllib3, which a shortcut link does not need

    override = context.environment.endpoint_override("AWS_ENDPOINT_URL_SIGNIN", context.settings.trusted_endpoint_hosts)
    return federation.sign_in_link(
        context.role_credentials(entry),
        endpoint=override or console.sign_in_endpoint(region or session.region),
        target=target,
        issuer=session.start_url,
        environment=context.environment,
        deadline=Deadline(AWS_SECONDS),
        trace=context.terminal.trace,
    )


def _printed(context: Context, url: str) -> int:
    context.terminal.data(url)
    return 0


def _open(context: Context, entry: Entry, url: str) -> int:
    command = _command(context, entry)
    if not browser.open_url(url, context.environment, command, _fields(entry)):
        raise AwsssoError("no browser could be started", hint="awssso console --url prints the link")
    context.terminal.tell(f"the console as {described(entry)} opens in your browser")
    return 0


def _handed_off(context: Context, entry: Entry, link: Secret) -> int:
    """Let the browser fetch the link from us: in its command line every user of the machine could read it."""
    server = HandoffServer(link)
    with server:
        _open(context, entry, server.url)
        if server.wait(Deadline(_BROWSER_SECONDS)) is None:
            raise AwsssoError("the browser did not come for the link", hint="awssso console --federate --url prints it")
    return 0


def _command(context: Context, entry: Entry) -> str:
    rules = context.settings.console
    return rules.command_for((entry.account.name, entry.account.id)) or context.settings.browser


def _fields(entry: Entry) -> dict[str, str]:
    return {
        "account_name": entry.account.name or entry.account.id,
        "account_id": entry.account.id,
        "role_name": entry.role.name,
        "profile": entry.profile,
        "session": entry.role.session,
        "region": entry.region,
    }

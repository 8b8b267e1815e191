"""`awssso configure`: name an access portal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from awssso_helper import aws_config, backups, files, settings
from awssso_helper.commands.context import FILE_SECONDS, session_option
from awssso_helper.endpoints import (
    host_of,
    is_aws_portal,
    is_loopback,
    normalised_start_url,
    partition_of,
    region_of_start_url,
)
from awssso_helper.errors import UsageError, after
from awssso_helper.model import Deadline, SsoSession

if TYPE_CHECKING:
    from awssso_helper.commands.context import Context


def run(context: Context) -> int:
    """Write an SSO session to the AWS config file."""
    context.demand_own_files()
    session = _asked_session(context)
    config_file = context.environment.aws_config_file
    default_region = context.options.default_region
    if default_region:
        partition_of(default_region)
    is_changed = files.amend(
        config_file,
        backups.keeping(
            context.environment,
            config_file,
            lambda text: aws_config.with_sso_session(text, session, name=str(config_file)),
        ),
        lock_dir=context.environment.lock_dir,
        deadline=Deadline(FILE_SECONDS),
        is_shared=True,
    )
    verb = "wrote" if is_changed else "nothing to change in"
    context.terminal.tell(f"{verb} [sso-session {session.name}] in {context.environment.shown(config_file)}")
    if is_changed:
        context.tell_of_editors(config_file)
    if default_region:
        with after(f"{context.environment.shown(config_file)} is up to date"):
            _set_default_region(context, session.name, default_region)
    if not is_aws_portal(session.start_url) and not is_loopback(host_of(session.start_url)):
        context.terminal.tell(
            f"note: {host_of(session.start_url)} is not an AWS host; login follows it to AWS's own portal"
        )
    context.terminal.tell(f"next: awssso login{session_option(context, session.name)}")
    return 0


def _asked_session(context: Context) -> SsoSession:
    options, terminal = context.options, context.terminal
    known = {each.name: each for each in context.sessions}.get(options.sso_session or "")
    start_url = options.start_url or _answer(
        context, "AWS access portal (start URL)", "--start-url", default=known.start_url if known else ""
    )
    start_url = normalised_start_url(start_url)
    found = region_of_start_url(start_url)
    if options.region and found and options.region != found:
        terminal.tell(f"note: {host_of(start_url)} names the region {found}, you said {options.region}")
    before = known.region if known and known.start_url == start_url else ""
    region = options.region or found or _answer(context, "its region", "--region", default=before or "us-east-1")
    partition_of(region)
    name = options.sso_session or _suggested_name(context, start_url)
    return SsoSession(name, start_url, region, known.scopes if known else ("sso:account:access",))


def _answer(context: Context, question: str, option: str, *, default: str) -> str:
    if not context.terminal.is_interactive():
        raise UsageError(f"{option} is needed, there is no terminal to ask on", hint=f"awssso configure {option} ...")
    answer = context.terminal.ask(question, default)
    if not answer:
        raise UsageError(f"{option} is needed", hint=f"awssso configure {option} ...")
    return answer


def _suggested_name(context: Context, start_url: str) -> str:
    """Give the name of the session with this start URL, else one made of the URL, else `sso`."""
    for session in context.sessions:
        if session.start_url == start_url:
            return session.name
    label = host_of(start_url).split(".")[0]
    name = label if re.fullmatch(r"[a-z][a-z0-9-]{1,40}", label) and not label.startswith(("d-", "ssoins-")) else "sso"
    taken = {session.name for session in context.sessions}
    return next(each for each in (name, *(f"{name}-{n}" for n in range(2, 1000))) if each not in taken)


def _set_default_region(context: Context, session: str, region: str) -> None:
    path = context.environment.settings_file
    files.amend(
        path,
        lambda _text: settings.change(path, ("sessions", session, "region"), region),
        lock_dir=context.environment.lock_dir,
        deadline=Deadline(FILE_SECONDS),
    )
    context.terminal.tell(
        f"profiles of {session} get region = {region} (a setting in {context.environment.shown(path)})"
    )

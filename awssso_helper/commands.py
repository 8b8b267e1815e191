"""One short function per command: gather, call the room that knows, say what happened.

Each takes the `Context` of this run and gives the exit status. Errors pass through to the edge in `cli`.
"""

from __future__ import annotations

import difflib
import json
import re
import time
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from awssso_helper import agent_client, aws_config, files, login, news, settings
from awssso_helper.credentials import Credentials
from awssso_helper.discovery import SMALL, Memory
from awssso_helper.endpoints import (
    host_of,
    is_aws_portal,
    is_loopback,
    normalised_start_url,
    partition_of,
    region_of_start_url,
)
from awssso_helper.errors import AwsssoError, LoginNeededError, UsageError
from awssso_helper.model import Account, Deadline, Role, SignIn, SsoSession, epoch_of, quoted_word, utc_text
from awssso_helper.profiles import generated
from awssso_helper.role_cache import Index
from awssso_helper.store import Store
from awssso_helper.terminal import Recorder, duration, local_time, safe

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from typing_extensions import Self

    from awssso_helper.environment import Environment
    from awssso_helper.identity_center import IdentityCenter
    from awssso_helper.profiles import Plan
    from awssso_helper.sync import Consent, Found, Sync
    from awssso_helper.terminal import Terminal

# How long a person may take to unlock the keyring.
_KEYRING_SECONDS = 60
_AWS_SECONDS = 30
_FILE_SECONDS = 30
_PARTIAL = 5
# How many names are said one by one before the rest is only counted.
_SHOWN = 20


class Context:
    """What a command works with; each thing is made when it is first asked for."""

    def __init__(self, environment: Environment, terminal: Terminal, options: argparse.Namespace) -> None:
        self.environment = environment
        self.terminal = terminal
        self.options = options

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    @cached_property
    def settings(self) -> settings.Settings:
        """The user's settings."""
        return settings.load(self.environment.settings_file)

    @cached_property
    def store(self) -> Store:
        """The credential store; a person is here, so the keyring may ask to be unlocked."""
        may_prompt = self.terminal.is_interactive()
        return Store(self.environment, self.settings.keyring, may_prompt=may_prompt)

    @cached_property
    def credentials(self) -> Credentials:
        """Tokens and role credentials."""
        return Credentials.of_user(self.environment, self.settings, self.store, trace=self.terminal.trace)

    @cached_property
    def memory(self) -> Memory:
        """The accounts and roles that were found last."""
        return Memory(self.environment.cache_dir, self.environment.lock_dir)

    @cached_property
    def index(self) -> Index:
        """Which roles have credentials in the keyring, until when."""
        return Index(self.environment.state_dir, self.environment.lock_dir)

    @cached_property
    def sync(self) -> Sync:
        """Discovery and profiles."""
        from awssso_helper.sync import Sync  # noqa: PLC0415 - only two commands need it

        return Sync(self.environment, self.settings, self.credentials, self.memory)

    def service(self, session: SsoSession, *, connections: int = 1) -> IdentityCenter:
        """Give the Identity Center of a session."""
        from awssso_helper.identity_center import IdentityCenter  # noqa: PLC0415 - brings urllib3 and ssl

        endpoints = self.environment.endpoints(
            session.region, session.start_url, trusted_hosts=self.settings.trusted_endpoint_hosts
        )
        self.terminal.detail(f"{session.name}: {endpoints.oidc} and {endpoints.portal}")
        return IdentityCenter(self.environment, endpoints, connections=connections, trace=self.terminal.trace)

    @cached_property
    def sessions(self) -> list[SsoSession]:
        """Every SSO session of the AWS config file, start URLs normalised.

        Raises:
            RefusedError: the file does not parse.
            UsageError: a session in it has no usable start URL or region.
        """
        config_file = self.environment.aws_config_file
        text = files.read(config_file) or b""
        return [_normalised(each) for each in aws_config.sso_sessions(text, name=str(config_file))]

    def chosen_sessions(self, *, default_all: bool = False) -> list[SsoSession]:
        """Give the sessions that -S, --all, the setting or the facts choose.

        Raises:
            UsageError: there is none, there is no such one, or there are several and none was chosen.
        """
        if not self.sessions:
            raise UsageError("no SSO session is configured", hint="awssso configure")
        if getattr(self.options, "all", False):
            return self.sessions
        name = self.options.sso_session
        if name is None and default_all:
            return self.sessions
        name = name or self.environment.variables.get("AWSSSO_SESSION") or self.settings.default_session
        if name:
            return [self._session(name)]
        if len(self.sessions) > 1:
            names = ", ".join(safe(each.name) for each in self.sessions)
            raise UsageError(f"there are several SSO sessions: {names}", hint="name one with -S, or say --all")
        return self.sessions

    def _session(self, name: str) -> SsoSession:
        names = [each.name for each in self.sessions]
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"-S {close[0]}" if close else f"awssso configure -S {name}"
            raise UsageError(f"there is no SSO session {name[:64]!a}", hint=hint)
        return self.sessions[names.index(name)]


def _normalised(session: SsoSession) -> SsoSession:
    partition_of(session.region)
    return replace(session, start_url=normalised_start_url(session.start_url))


def help_shown(context: Context) -> int:
    """`awssso` alone: help."""
    context.terminal.data(context.options.parser.format_help())
    return 0


# configure


def configure(context: Context) -> int:
    """Write an SSO session to the AWS config file."""
    session = _asked_session(context)
    config_file = context.environment.aws_config_file
    default_region = context.options.default_region
    if default_region:
        partition_of(default_region)
    is_changed = files.amend(
        config_file,
        lambda text: aws_config.with_sso_session(text, session, name=str(config_file)),
        lock_dir=context.environment.lock_dir,
        deadline=Deadline(_FILE_SECONDS),
    )
    verb = "wrote" if is_changed else "nothing to change in"
    context.terminal.tell(f"{verb} [sso-session {session.name}] in {context.environment.shown(config_file)}")
    if default_region:
        _set_default_region(context, session.name, default_region)
    if not is_aws_portal(session.start_url) and not is_loopback(host_of(session.start_url)):
        context.terminal.tell(
            f"note: {host_of(session.start_url)} is not an AWS host; login follows it to AWS's own portal"
        )
    context.terminal.tell(f"next: awssso login{_option(context, session.name)}")
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
        deadline=Deadline(_FILE_SECONDS),
    )
    context.terminal.tell(
        f"profiles of {session} get region = {region} (a setting in {context.environment.shown(path)})"
    )


def _option(context: Context, session: str) -> str:
    others = any(each.name != session for each in context.sessions)
    return f" -S {session}" if others else ""


# login and logout


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


def sign_in(context: Context) -> int:
    """Sign in to each chosen session, then sync."""
    chosen = context.chosen_sessions()
    for session in chosen:
        _sign_in(context, session)
    if context.options.no_sync:
        return 0
    if _may_sync_behind(context, chosen):
        _sync_behind(context, chosen)
        return 0
    return _synced(context, chosen)


def _may_sync_behind(context: Context, sessions: list[SsoSession]) -> bool:
    """Say whether nobody has to wait: the profiles are there already, and the organisation is large."""
    if context.options.wait or not agent_client.is_wanted(context.settings):
        return False
    known = [context.memory.recall(session.name) for session in sessions]
    return all(known) and any(len(each.accounts) > SMALL for each in known if each)


def _sync_behind(context: Context, sessions: list[SsoSession]) -> None:
    for session in sessions:
        agent_client.spawn(context.environment, ["sync", "-S", session.name, "--behind"])
    context.terminal.tell(
        "looking for new accounts and roles behind; the next command says what changed (--wait waits)"
    )


def _sign_in(context: Context, session: SsoSession) -> None:
    deadline = Deadline(_KEYRING_SECONDS)
    known = context.credentials.sign_in_of(session.name, deadline)
    service = context.service(session)
    if not context.options.force and _is_still_good(context, session, known, service):
        context.terminal.tell(f"{session.name}: already signed in; --force signs in anew")
        return
    method, reason = login.method_for(
        context.environment, use_device_code=context.options.use_device_code, port=context.options.port
    )
    if reason:
        context.terminal.tell(reason)
    signed_in = login.sign_in(
        session,
        known,
        identity_center=service,
        method=method,
        guide=_PersonGuide(context),
        save=lambda record: context.credentials.keep(record, Deadline(_KEYRING_SECONDS)),
        port=context.options.port,
    )
    context.credentials.forget_roles(session.name, Deadline(_KEYRING_SECONDS))
    context.memory.distrust(session.name, Deadline(_FILE_SECONDS))
    _tell_agent_to_forget(context, session.name)
    if agent_client.is_wanted(context.settings):
        agent_client.start(context.environment)
    context.terminal.tell(f"{session.name}: signed in, {_until(signed_in)}")


def _is_still_good(context: Context, session: SsoSession, known: SignIn | None, service: IdentityCenter) -> bool:
    """Ask AWS itself: a token that looks valid here may be refused there (PAINS 18)."""
    if known is None or known.token is None or known.rejected or known.session != session:
        return False
    deadline = Deadline(_AWS_SECONDS)
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


def logout(context: Context) -> int:
    """End each chosen session."""
    name = context.options.sso_session
    names = [name] if name else [session.name for session in context.chosen_sessions()]
    for each in names:
        untold = context.credentials.end(each, Deadline(_KEYRING_SECONDS))
        _tell_agent_to_forget(context, each)
        context.terminal.tell(f"{safe(each)}: signed out, its secrets are removed from {context.store.backend_name()}")
        if untold is not None:
            context.terminal.tell(f"note: AWS could not be told ({untold.message}); its session ends by itself")
    context.terminal.tell("Role credentials that running programs hold stay valid until they expire.")
    return 0


# agent


def resident(context: Context) -> int:
    """Start, stop or show the agent; `serve` is what `start` runs."""
    environment, terminal = context.environment, context.terminal
    action = context.options.action
    if action == "serve":
        from awssso_helper import agent  # noqa: PLC0415 - only the agent itself needs it

        return agent.run(environment, context.settings)
    if not agent_client.is_wanted(context.settings):
        terminal.tell("there is no agent: the settings say agent = off, or this system has no unix sockets")
        return 0 if action == "stop" else 1
    if action == "start" and not agent_client.start(environment, is_insistent=True):
        raise AwsssoError("the agent did not start", hint="awssso agent serve shows why")
    if action == "stop":
        was_running = agent_client.stop(environment)
        terminal.tell("the agent is stopped; what it held is gone" if was_running else "no agent is running")
        return 0
    return _agent_shown(context)


def _agent_shown(context: Context) -> int:
    facts = _agent_facts(context)
    if context.options.json:
        context.terminal.json(facts)
    elif not facts["running"]:
        context.terminal.tell("no agent is running\nhint: awssso agent start")
    else:
        context.terminal.tell(_agent_line(facts))
        if facts["roles"]:
            rows = [(each["role"], duration(epoch_of(each["expires"]) - time.time())) for each in facts["roles"]]
            context.terminal.table(("ROLE", "LEFT"), rows)
    return 0 if facts["running"] else 1


def _agent_facts(context: Context) -> dict[str, Any]:
    answer = agent_client.asked(context.environment, "status") if agent_client.is_wanted(context.settings) else None
    if answer is None or answer[:1] != b"0":
        return {"running": False, "roles": []}
    return {"running": True, **json.loads(answer[1:])}


def _agent_line(facts: dict[str, Any]) -> str:
    since = local_time(epoch_of(facts["started"]))
    return f"agent: pid {facts['pid']}, since {since}, keyring {facts['keyring']}, holds {len(facts['roles'])} roles"


def _tell_agent_to_forget(context: Context, session: str) -> None:
    if agent_client.is_wanted(context.settings):
        agent_client.asked(context.environment, "forget", quoted_word(session))


# status


def status(context: Context) -> int:
    """Show each session."""
    sessions = context.chosen_sessions(default_all=True)
    deadline = Deadline(_KEYRING_SECONDS)
    facts = [_session_facts(each, context.credentials.sign_in_of(each.name, deadline)) for each in sessions]
    if context.options.json:
        keyring = context.store.backend_name()
        context.terminal.json({"sessions": facts, "keyring": keyring, "agent": _agent_facts(context)})
    else:
        header = ("SESSION", "STATE", "TOKEN", "RENEWABLE", "START URL")
        context.terminal.table(header, [_session_row(each) for each in facts])
        context.terminal.detail(f"keyring: {context.store.backend_name()}")
        agent = _agent_facts(context)
        context.terminal.tell(_agent_line(agent) if agent["running"] else "no agent is running")
    needy = [each["name"] for each in facts if not each["usable"]]
    if needy and not context.options.json:
        context.terminal.tell(f"hint: awssso login{_option(context, needy[0])}")
    return LoginNeededError.exit_status if needy else 0


def _session_facts(session: SsoSession, sign_in: SignIn | None) -> dict[str, Any]:
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


# sync


def sync(context: Context) -> int:
    """Discover and write the profiles of each chosen session."""
    if context.options.behind:
        return _synced_behind(context)
    return _synced(context, context.chosen_sessions())


def _synced_behind(context: Context) -> int:
    """Sync for `login`, which did not wait: what changed is news for the next command."""
    recorder = Recorder(context.environment)
    context.terminal = recorder
    try:
        status = _synced(context, context.chosen_sessions())
    except AwsssoError as error:
        news.add(context.environment, [f"the sync after login failed: {error.message}", f"hint: {error.hint}"])
        return error.exit_status
    if not recorder.told[-1].endswith("nothing to change") or status:
        news.add(context.environment, ["found since your login:", *recorder.told])
    return status


def _synced(context: Context, sessions: list[SsoSession]) -> int:
    from awssso_helper.discovery import WORKERS  # noqa: PLC0415

    options = context.options
    is_dry, wants_json = getattr(options, "dry_run", False), getattr(options, "json", False)
    asks_all = getattr(options, "full", False)
    founds: list[Found] = []
    for session in sessions:
        service = context.service(session, connections=WORKERS)
        with context.terminal.progress(f"{session.name}: accounts") as progress:
            found = context.sync.found(session, service, progress, asks_all=asks_all, is_dry=is_dry)
            founds.append(found)
    plan, consent = _agreed_plan(context, founds)
    is_written = False if is_dry else context.sync.write(founds, consent)
    if wants_json:
        context.terminal.json(_sync_facts(founds, plan, is_written=is_written))
    elif is_dry:
        context.terminal.diff(plan.diff_text())
    _tell_sync(context, founds, plan, is_written=is_written)
    return _PARTIAL if any(found.discovery.failures for found in founds) else 0


def _agreed_plan(context: Context, founds: list[Found]) -> tuple[Plan, Consent]:
    """Make the plan, and ask where it would take away much or rename what scripts may use."""
    from awssso_helper.sync import Consent  # noqa: PLC0415

    options = context.options
    consent = Consent(prune=not getattr(options, "no_prune", False), rename=True)
    plan = context.sync.plan(founds, consent)
    if getattr(options, "yes", False) or getattr(options, "dry_run", False):
        return plan, consent
    if plan.needs_confirmation:
        consent = replace(consent, prune=_agrees(context, "remove", "whose role is gone", plan.removed))
    if plan.renamed:
        pairs = [f"{old} -> {new}" for old, new in plan.renamed]
        consent = replace(consent, rename=_agrees(context, "rename", "since the template changed", pairs))
    return context.sync.plan(founds, consent), consent


def _agrees(context: Context, verb: str, reason: str, items: Sequence[str]) -> bool:
    terminal = context.terminal
    count = f"{len(items)} profile{'s' if len(items) != 1 else ''}"
    _tell_names(terminal, f"would {verb}", items)
    if terminal.is_interactive():
        return terminal.confirmed(f"{verb} {count} {reason}?")
    terminal.tell(f"note: did not {verb} {count} {reason}: that needs a yes")
    terminal.tell("hint: awssso sync --yes")
    return False


def _sync_facts(founds: list[Found], plan: Plan, *, is_written: bool) -> dict[str, Any]:
    return {
        "sessions": [
            {
                "name": found.discovery.inventory.session,
                "accounts": len(found.discovery.inventory.accounts),
                "roles": len(found.discovery.inventory.roles()),
                "gained": [_pair_facts(account, role) for account, role in found.changes.gained],
                "lost": [_pair_facts(account, role) for account, role in found.changes.lost],
                "failed": [
                    {"account_id": account.id, "account_name": account.name, "reason": error.message}
                    for account, error in found.discovery.failures
                ],
            }
            for found in founds
        ],
        "profiles": {
            "added": plan.added,
            "removed": plan.removed,
            "renamed": [{"from": old, "to": new} for old, new in plan.renamed],
            "changed": plan.changed,
            "kept": plan.kept,
            "excluded": plan.excluded,
            "left_out": [{"name": name, "reason": reason} for name, reason in plan.left_out],
            "shadowed": plan.shadowed,
            "withheld": plan.withheld,
        },
        "written": is_written,
    }


def _pair_facts(account: Account, role: str) -> dict[str, str]:
    return {"account_id": account.id, "account_name": account.name, "role": role}


def _tell_sync(context: Context, founds: list[Found], plan: Plan, *, is_written: bool) -> None:
    terminal = context.terminal
    for found in founds:
        inventory = found.discovery.inventory
        terminal.tell(f"{safe(inventory.session)}: {len(inventory.accounts)} accounts, {len(inventory.roles())} roles")
        if found.discovery.reused:
            terminal.tell(
                f"note: {found.discovery.reused} accounts were asked not long ago and not again; "
                "awssso sync --full asks all"
            )
        if found.is_first:
            continue
        _tell_names(terminal, "gained", [_pair_text(*pair) for pair in found.changes.gained])
        _tell_names(terminal, "lost", [_pair_text(*pair) for pair in found.changes.lost])
    for account, error in (failure for found in founds for failure in found.discovery.failures):
        terminal.tell(f"warning: {safe(account.name)} ({account.id}) could not be asked: {error.message}")
        terminal.tell("         its last known roles stay")
    for name, reason in plan.left_out:
        terminal.tell(f"warning: no profile {safe(name)}: {reason}")
    credentials_file = context.environment.shown(context.environment.aws_credentials_file)
    for name in plan.shadowed:
        terminal.tell(f"warning: keys in {credentials_file} hide the profile {safe(name)}")
    if plan.withheld:
        terminal.tell(f"note: {len(plan.withheld)} profiles whose role is gone were kept")
    terminal.tell(_written_line(context, plan, is_written=is_written))


def _written_line(context: Context, plan: Plan, *, is_written: bool) -> str:
    config_file = context.environment.shown(context.environment.aws_config_file)
    total = plan.kept + len(plan.added) + len(plan.changed) + len(plan.renamed)
    counts = (
        ("added", len(plan.added)),
        ("removed", len(plan.removed)),
        ("renamed", len(plan.renamed)),
        ("changed", len(plan.changed)),
    )
    what = ", ".join(f"{count} {verb}" for verb, count in counts if count)
    if plan.is_empty():
        return f"{config_file}: {total} profiles, nothing to change"
    if not is_written:
        return f"{config_file}: {total} profiles ({what}); nothing was written"
    return f"{config_file}: {total} profiles ({what})"


def _pair_text(account: Account, role: str) -> str:
    return f"{account.name or account.id} ({account.id}) {role}"


def _tell_names(terminal: Terminal, verb: str, names: Sequence[str]) -> None:
    for name in names[:_SHOWN]:
        terminal.tell(f"  {verb} {safe(name)}")
    if len(names) > _SHOWN:
        terminal.tell(f"  {verb} {len(names) - _SHOWN} more")


# list


@dataclass(frozen=True, slots=True)
class _Row:
    """One role as `list` shows it; `expires_at` (epoch seconds) is that of cached credentials, 0 for none."""

    role: Role
    account: Account
    profile: str
    expires_at: int
    stale: bool

    def holds(self, words: Sequence[str]) -> bool:
        """Say whether all words occur."""
        account = self.account
        text = f"{account.name}\n{account.id}\n{account.email}\n{self.role.name}\n{self.profile}".casefold()
        return all(word in text for word in words)


def listing(context: Context) -> int:
    """List what is remembered."""
    options, terminal = context.options, context.terminal
    words = [word.casefold() for word in options.filter]
    rows = [row for row in _rows(context) if row.holds(words)]
    if options.names:
        names = [row.profile for row in rows if row.profile]
        if names:
            terminal.data("\n".join(names))
    elif options.json:
        terminal.json({"roles": [_row_facts(row) for row in rows]})
    elif options.csv:
        header = ("profile", "account_name", "account_id", "role", "session", "account_email", "credentials_expire")
        terminal.csv(header, [_csv_row(row) for row in rows])
    elif rows:
        terminal.table(("PROFILE", "ACCOUNT", "ACCOUNT ID", "ROLE", "CACHED"), [_table_row(row) for row in rows])
    if not rows:
        nothing = "nothing matches" if words else "no accounts are known yet"
        terminal.tell(f"{nothing}\nhint: awssso {'list' if words else 'login'}")
    return 0


def _rows(context: Context) -> list[_Row]:
    """Join what was found last with the profiles as they stand in the config file, in the order of the names."""
    config_file = context.environment.aws_config_file
    profiles = {
        each.role: each.name for each in generated(files.read(config_file) or b"", config_name=str(config_file))
    }
    held = {each["role"]: epoch_of(each["expires"]) for each in _agent_facts(context)["roles"]}
    rows: list[_Row] = []
    for session in context.chosen_sessions(default_all=True) if context.sessions else ():
        inventory = context.memory.recall(session.name)
        expirations = context.index.expirations(session.name) | held
        for entry in inventory.accounts if inventory else ():
            for name in entry.roles:
                role = Role(session.name, entry.account.id, name)
                expires_at = expirations.get(role.word(), 0)
                rows.append(_Row(role, entry.account, profiles.pop(role, ""), expires_at, entry.stale))
    chosen = context.options.sso_session
    for role, name in profiles.items():
        # What was found may have been forgotten (a cache directory is), while the profile still works.
        if chosen in (None, role.session):
            rows.append(_Row(role, Account(role.account_id, ""), name, 0, stale=False))
    return sorted(rows, key=lambda row: (row.profile == "", row.profile.casefold(), row.role))


def _row_facts(row: _Row) -> dict[str, Any]:
    return {
        "profile": row.profile or None,
        "session": row.role.session,
        "account_id": row.account.id,
        "account_name": row.account.name,
        "account_email": row.account.email,
        "role": row.role.name,
        "stale": row.stale,
        "credentials_expire": utc_text(row.expires_at) if row.expires_at > time.time() else None,
    }


def _csv_row(row: _Row) -> tuple[str, ...]:
    facts = _row_facts(row)
    columns = ("profile", "account_name", "account_id", "role", "session", "account_email", "credentials_expire")
    return tuple(facts[column] or "" for column in columns)


def _table_row(row: _Row) -> tuple[str, ...]:
    left = row.expires_at - time.time()
    name = f"{row.account.name} (stale)" if row.stale else row.account.name
    return (row.profile or "-", name, row.account.id, row.role.name, duration(left) if left > 0 else "-")


# What has a room of its own


def credential_process(context: Context) -> int:
    """Answer an SDK; reached only when options precede or follow the usual words."""
    from awssso_helper import credential_process as process  # noqa: PLC0415

    options = context.options
    return process.run(["--profile", options.profile] if options.profile else [options.role] if options.role else [])


def demo(context: Context) -> int:
    """Play with a sandbox organisation."""
    from awssso_helper import demo as sandbox  # noqa: PLC0415 - brings the simulator

    options = context.options
    if options.serve:
        return sandbox.serve(context.terminal, options.port)
    return sandbox.run_through(context.terminal) if options.run_through else sandbox.play(context.terminal)

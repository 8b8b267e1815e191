"""What a command works with.

Rooms that not every command enters are imported where they are asked for: all of them together are half of the time
that a command spends on imports.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from awssso_helper import agent_client, catalog, files, settings, shelf
from awssso_helper.endpoints import normalised_start_url, partition_of
from awssso_helper.errors import AwsssoError, InterruptedByUserError, KeyringError, UsageError
from awssso_helper.model import Deadline, RoleCredentials, Secret, epoch_of
from awssso_helper.terminal import safe

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from awssso_helper.catalog import Entry
    from awssso_helper.credentials import Credentials
    from awssso_helper.discovery import Memory
    from awssso_helper.environment import Environment
    from awssso_helper.identity_center import IdentityCenter
    from awssso_helper.model import Role, SsoSession
    from awssso_helper.role_cache import Index
    from awssso_helper.shelf import Shelf
    from awssso_helper.store import Store
    from awssso_helper.sync import Sync
    from awssso_helper.terminal import Terminal

T = TypeVar("T")

# How long a person may take to unlock the keyring.
KEYRING_SECONDS = 60
AWS_SECONDS = 30
FILE_SECONDS = 30
# How many names of sessions a hint lists.
_MOST_NAMES = 8


class Context:
    """What a command works with; each thing is made when it is first asked for."""

    def __init__(self, environment: Environment, terminal: Terminal, options: argparse.Namespace) -> None:
        self.environment = environment
        self.terminal = terminal
        self.options = options
        self.failures: list[tuple[str, AwsssoError]] = []
        """The sessions of many that a command could not serve, each with the reason, already told."""

    @property
    def failed_with(self) -> int:
        """The exit status of the first session that could not be served, 0 where all were."""
        return self.failures[0][1].exit_status if self.failures else 0

    @cached_property
    def settings(self) -> settings.Settings:
        """The user's settings."""
        return settings.load(self.environment.settings_file)

    def demand_own_files(self) -> None:
        """Make sure that nobody else can write the AWS files that are about to be written, or what profiles will call.

        Raises:
            RefusedError: somebody can, and the settings do not accept that.
        """
        environment = self.environment
        if self.settings.others_may_write:
            return
        from awssso_helper import strict_modes  # noqa: PLC0415 - for the commands that write

        called = environment.data_dir / "bin" / "awssso"
        strict_modes.demand((environment.aws_config_file, environment.aws_credentials_file, called), environment)

    def tell_of_editors(self, path: Path) -> None:
        """Warn where an editor has a file open that was just written: what it holds is the text of before."""
        marks = files.editors_of(path)
        if marks:
            shown = self.environment.shown(path)
            self.terminal.tell(f"warning: an editor has {shown} open ({safe(', '.join(marks))})")
            self.terminal.tell("         load the file anew there: saved as it is, it would undo this change")

    @cached_property
    def store(self) -> Store:
        """The credential store; a person is here, so the keyring may ask to be unlocked."""
        from awssso_helper.store import Store  # noqa: PLC0415 - see above, as are those below

        may_prompt = self.terminal.is_interactive()
        return Store(self.environment, self.settings.keyring, may_prompt=may_prompt)

    @cached_property
    def credentials(self) -> Credentials:
        """Tokens and role credentials."""
        from awssso_helper.credentials import Credentials  # noqa: PLC0415

        return Credentials.of_user(self.environment, self.settings, self.store, trace=self.terminal.trace)

    @cached_property
    def memory(self) -> Memory:
        """The accounts and roles that were found last."""
        from awssso_helper.discovery import Memory  # noqa: PLC0415

        return Memory(self.environment.cache_dir, self.environment.lock_dir)

    @cached_property
    def index(self) -> Index:
        """Which roles have credentials in the keyring, until when."""
        from awssso_helper.role_cache import Index  # noqa: PLC0415

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

        One without a usable start URL or region is left out, and said: it may be another tool's, and must not stand
        in the way of the others.

        Raises:
            RefusedError: the file does not parse.
            UsageError: no session in it is usable, or `-S` names one that is not.
        """
        config_file = self.environment.aws_config_file
        usable: list[SsoSession] = []
        errors: dict[str, UsageError] = {}
        for each in self.shelf.sessions:
            try:
                usable.append(_normalised(each))
            except UsageError as error:
                reason = f"the SSO session {each.name[:64]!a} cannot be used: {error.message}"
                errors[each.name] = UsageError(reason, hint=f"correct it in {self.environment.shown(config_file)}")
        wanted = getattr(self.options, "sso_session", None)
        if self.options.command != "configure" and errors and (wanted in errors or not usable):
            raise errors.get(wanted or "") or next(iter(errors.values()))
        for left_out in errors.values():
            self.terminal.tell(f"warning: {left_out.message}")
        return usable

    @cached_property
    def shelf(self) -> Shelf:
        """What the AWS config file has.

        Raises:
            RefusedError: the file does not parse.
        """
        return shelf.of(self.environment, may_keep=not getattr(self.options, "dry_run", False))

    def chosen_sessions(self, *, default_all: bool = False) -> list[SsoSession]:
        """Give the sessions that -S, --all, the setting or the facts choose.

        Raises:
            UsageError: there is none, there is no such one, or there are several and none was chosen.
        """
        if not self.sessions:
            raise UsageError("no SSO session is configured", hint="awssso configure")
        if getattr(self.options, "all", False):
            return self.sessions
        name = getattr(self.options, "sso_session", None)
        if name is None and default_all:
            return self.sessions
        name = name or self.environment.variables.get("AWSSSO_SESSION") or self.settings.default_session
        if name:
            return [self.session_named(name)]
        if len(self.sessions) > 1:
            names = ", ".join(safe(each.name) for each in self.sessions)
            raise UsageError(f"there are several SSO sessions: {names}", hint="name one with -S, or say --all")
        return self.sessions

    def entries(self) -> list[Entry]:
        """Give every role that a person can choose, those of `-S` where one is named.

        Raises:
            RefusedError, UsageError: as for `sessions`, or there is no session of that name.
        """
        chosen = self.chosen_sessions(default_all=True) if self.sessions else []
        only = getattr(self.options, "sso_session", None)
        return catalog.entries(
            self.environment, self.settings, chosen, self.memory, self.index, shelf=self.shelf, only=only
        )

    def chosen_entry(self, *, is_told_later: bool = False) -> Entry:
        """Give the role that PROFILE, -p or -A and -R mean; without any, that of the profile in force.

        What was chosen is said where it was not named exactly, unless the command says it anyway.

        Raises:
            UsageError: none or several are meant.
        """
        from awssso_helper import choice  # noqa: PLC0415
        from awssso_helper.handover import MARK  # noqa: PLC0415

        options = self.options
        words = [*options.words, *([options.profile] if options.profile is not None else [])]
        is_by_account = options.account is not None or options.role is not None
        if bool(options.words) + (options.profile is not None) + is_by_account > 1:
            raise UsageError("a role is named once: by PROFILE, by -p, or by -A and -R", hint="leave one of them out")
        in_force = self.environment.variables.get(MARK) or self.environment.variables.get("AWS_PROFILE", "")
        if is_by_account:
            entry = choice.by_account_and_role(options.account or "", options.role or "", self.entries())
        elif words and all(words):
            entry = choice.by_words(words, self._entries_unless_foreign(" ".join(words)))
        elif in_force and not words:
            entry = choice.by_name(in_force, self._entries_unless_foreign(in_force))
        else:
            raise UsageError("no profile is named", hint="awssso list shows them all")
        if " ".join(words) != entry.profile and not is_told_later:
            self.terminal.tell(f"profile {choice.described(entry)}")
        return entry

    def _entries_unless_foreign(self, name: str) -> list[Entry]:
        """Give what can be chosen; refuse the name of a profile that other tools know and that is none of ours.

        It may begin the name of one of ours, or be AWS_PROFILE: what `aws` does as one role, we must not do as another.
        """
        entries = self.entries()
        if all(entry.profile != name for entry in entries) and self._is_foreign(name):
            self._refuse_a_circle(name)
            raise UsageError(
                f"the profile {name[:64]!a} is one of your own, and leads to no role of an SSO session",
                hint="AWS tools use it by its name; to name a role of awssso, say more of it: awssso list",
            )
        return entries

    def _refuse_a_circle(self, name: str) -> None:
        from awssso_helper import aws_config, chains  # noqa: PLC0415

        environment = self.environment
        paths = environment.aws_config_file, environment.aws_credentials_file
        both = [aws_config.parsed(files.read(path) or b"", name=str(path)) for path in paths]
        circle = chains.circle_of(name, aws_config.merged_profiles(*both))
        if circle:
            way = " → ".join(safe(each) for each in (name, *circle, circle[0])[name == circle[0] :])
            raise UsageError(
                f"the source_profile of {name[:64]!a} goes in a circle: {way}",
                hint=f"give one of them the profile of a role in {environment.shown(paths[0])}",
            )

    def _is_foreign(self, name: str) -> bool:
        from awssso_helper import aws_config  # noqa: PLC0415

        paths = (self.environment.aws_config_file, False), (self.environment.aws_credentials_file, True)
        return any(
            aws_config.has_profile(files.read(path) or b"", name, is_credentials=is_credentials)
            for path, is_credentials in paths
        )

    def role_credentials(self, entry: Entry) -> RoleCredentials:
        """Give the credentials of a chosen role, from the agent where there is one; follow its chain.

        Raises:
            LoginNeededError and the others that `credentials.document` names.
        """
        chain = entry.chain
        held = _read(self._document(chain.start if chain else entry.role))
        if chain is None:
            return held
        from awssso_helper import assume, iam  # noqa: PLC0415 - bring botocore, which only a chained profile needs

        session = self.session_named(chain.start.session)
        self.terminal.detail(f"{entry.profile}: via {chain.source_profile}")
        cloud = iam.Iam(self.environment, trusted_hosts=self.settings.trusted_endpoint_hosts, trace=self.terminal.trace)
        return assume.credentials(chain, held, cloud=cloud, region=entry.region or session.region)

    def _document(self, role: Role) -> Secret:
        deadline = Deadline(AWS_SECONDS)
        if agent_client.is_wanted(self.settings) and agent_client.start(self.environment):
            answer = agent_client.asked(
                self.environment, "get", role.word(), f"{deadline.remaining():.2f}", patience=deadline.remaining()
            )
            status, text = (answer[0] - ord("0"), answer[1:].decode("ascii").rstrip("\n")) if answer else (-1, "")
            if status == 0:
                return Secret(text)
            # A locked keyring may be unlocked by the person who is here; what no agent answered is tried here too.
            if status not in (-1, KeyringError.exit_status):
                raise _error_of(text, status)
        return self.credentials.document(role, Deadline(KEYRING_SECONDS))

    def session_named(self, name: str) -> SsoSession:
        """Give the SSO session of a name.

        Raises:
            UsageError: there is none.
        """
        names = [each.name for each in self.sessions]
        if name not in names:
            import difflib  # noqa: PLC0415

            close = difflib.get_close_matches(name, names, n=1)
            known = ", ".join(names[:_MOST_NAMES]) or "none"
            hint = f"-S {close[0]}" if close else f"awssso configure -S {name}; there are: {known}"
            raise UsageError(f"there is no SSO session {name[:64]!a}", hint=hint)
        return self.sessions[names.index(name)]


def _read(document: Secret) -> RoleCredentials:
    """Read the `credential_process` document."""
    values = json.loads(document.reveal())
    return RoleCredentials(
        access_key_id=values["AccessKeyId"],
        secret_access_key=Secret(values["SecretAccessKey"]),
        session_token=Secret(values["SessionToken"]),
        expires_at=epoch_of(values["Expiration"]),
        account_id=values["AccountId"],
    )


def _error_of(line: str, status: int) -> AwsssoError:
    """Give the error that the agent's line says: `awssso: MESSAGE; run: HINT`, or `; HINT`."""
    text = line.removeprefix("awssso: ")
    message, mark, hint = text.partition("; run: ")
    if not mark:
        message, _, hint = text.partition("; ")
    error = AwsssoError(message, hint=hint)
    error.exit_status = status
    return error


def _normalised(session: SsoSession) -> SsoSession:
    partition_of(session.region)
    return replace(session, start_url=normalised_start_url(session.start_url))


def each_of(
    context: Context, sessions: list[SsoSession], act: Callable[[SsoSession], T]
) -> Iterator[tuple[SsoSession, T]]:
    """Act on each session; of several, one that fails is told and does not keep the others from their turn.

    Raises:
        AwsssoError: there is only one, or what failed would fail for all (no keyring).
    """
    for session in sessions:
        try:
            yield session, act(session)
        except (KeyringError, InterruptedByUserError):
            raise
        except AwsssoError as error:
            if len(sessions) == 1:
                raise
            error.message = f"{safe(session.name)}: {error.message}"
            context.failures.append((session.name, error))
            context.terminal.fail(error)


def session_option(context: Context, session: str) -> str:
    """Give what a hint must add to name this session: nothing where there is only one."""
    others = any(each.name != session for each in context.sessions)
    return f" -S {session}" if others else ""

"""What SSO gives right now: roles in an account, and new credentials of one. Every answer is asked for, none cached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from awssso_helper import iam
from awssso_helper.errors import AccessDeniedError, LoginNeededError
from awssso_helper.model import Deadline, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from awssso_helper.credentials import Credentials
    from awssso_helper.discovery import Memory
    from awssso_helper.iam import Keys
    from awssso_helper.identity_center import IdentityCenter
    from awssso_helper.model import Secret, SsoSession

_SECONDS = 60


class Portal:
    """The access portals of the chosen sessions. `asleep` are those that need a login."""

    def __init__(
        self,
        credentials: Credentials,
        service: Callable[[str], IdentityCenter],
        sessions: Sequence[SsoSession],
        memory: Memory,
    ) -> None:
        self._credentials = credentials
        self._service = service
        self._sessions = {session.name: session for session in sessions}
        self._memory = memory
        self._roles: dict[tuple[str, str], list[str]] = {}
        self._keys: dict[Role, Keys] = {}
        self.asleep: dict[str, LoginNeededError] = {}

    @property
    def sessions(self) -> tuple[str, ...]:
        """The names of the sessions."""
        return tuple(self._sessions)

    def region(self, session: str) -> str:
        """Give the region of a session's own directory, which is in the partition of its accounts."""
        return self._sessions[session].region

    def roles_in(self, account_id: str) -> list[Role]:
        """Ask which roles one has in an account.

        Raises:
            LoginNeededError: none of the sessions is signed in.
            AwsssoError: a portal does not answer.
        """
        found = [
            Role(session, account_id, name) for session in self._awake() for name in self._names(session, account_id)
        ]
        self._demand_awake()
        return sorted(found)

    def some_roles(self) -> Iterator[Role]:
        """Give roles to sign a question with that any account may ask, from what was found last, else asked anew."""
        for session in self._awake():
            known = self._memory.recall(session)
            if known is not None:
                for role in known.roles():
                    if session not in self.asleep:
                        yield role
                continue
            for account_id in self._accounts(session):
                yield from (Role(session, account_id, name) for name in self._names(session, account_id))
        self._demand_awake()

    def keys(self, role: Role) -> Keys:
        """Get credentials of a role, once in this run.

        Raises:
            AwsssoError: it cannot be had.
        """
        if role not in self._keys:
            deadline = Deadline(_SECONDS)
            service = self._service(role.session)
            try:
                given = self._credentials.with_token(
                    role.session, lambda token: service.role_credentials(token, role, deadline), deadline
                )
            except LoginNeededError as error:
                self.asleep[role.session] = error
                raise
            self._keys[role] = iam.keys_of(given, self.region(role.session))
        return self._keys[role]

    def _awake(self) -> list[str]:
        return [name for name in self._sessions if name not in self.asleep]

    def _demand_awake(self) -> None:
        if self.asleep and not self._awake():
            raise next(iter(self.asleep.values()))

    def _names(self, session: str, account_id: str) -> list[str]:
        key = (session, account_id)
        if key not in self._roles:
            deadline = Deadline(_SECONDS)
            service = self._service(session)

            def ask(token: Secret) -> list[str]:
                return service.roles(token, account_id, deadline)

            try:
                self._roles[key] = self._credentials.with_token(session, ask, deadline)
            except LoginNeededError as error:
                self.asleep[session] = error
                return []
            except AccessDeniedError:
                # The portal's way to say that one has no role in this account.
                self._roles[key] = []
        return self._roles[key]

    def _accounts(self, session: str) -> list[str]:
        deadline = Deadline(_SECONDS)
        service = self._service(session)

        def ask(token: Secret) -> list[str]:
            return [account.id for account in next(service.accounts(token, deadline), [])]

        try:
            return self._credentials.with_token(session, ask, deadline)
        except LoginNeededError as error:
            self.asleep[session] = error
            return []

"""The nouns: sessions, accounts, roles, tokens, credentials, and the secrets inside them.

Pure values without I/O. Every time here is in epoch seconds unless its name says otherwise; the AWS replies
they are made from mix epoch seconds, epoch milliseconds and relative seconds (PROTOCOL 2.1).
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import NoReturn

from awssso_helper.errors import UsageError

DEFAULT_SCOPES = ("sso:account:access",)

_ACCOUNT_ID = re.compile(r"[0-9]{12}", re.ASCII)
_QUOTED_BYTE = re.compile(rb":([0-9A-Fa-f]{2})")
_WORD_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.@+=-")


class Secret:
    """A string that does not show itself: `str`, `repr`, `format` and pickling give nothing away."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Give the string itself. A test counts the files that call this."""
        return self._value

    def __repr__(self) -> str:
        return "****"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return "****"

    def __eq__(self, other: object) -> bool:
        from hmac import compare_digest  # noqa: PLC0415 - 3 ms (OpenSSL) that most calls of an SDK need not pay

        return isinstance(other, Secret) and compare_digest(self._bytes(), other._bytes())

    def _bytes(self) -> bytes:
        return self._value.encode("utf-8", "surrogatepass")

    def __hash__(self) -> int:
        return hash(("Secret", self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")


class Deadline:
    """A point in monotonic time that calls, lock waits and the keyring share."""

    __slots__ = ("_end",)

    def __init__(self, seconds: float) -> None:
        """Start now and end in `seconds`."""
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self._end - time.monotonic())

    def passed(self) -> bool:
        """Say whether no time is left."""
        return self.remaining() <= 0.0

    def cut(self) -> None:
        """Let no time be left: whoever waits for it, in whatever thread, gives up."""
        self._end = time.monotonic()

    def sooner(self, seconds: float) -> Deadline:
        """Give the earlier of this deadline and one `seconds` from now."""
        return Deadline(min(seconds, self.remaining()))


@dataclass(frozen=True, slots=True)
class SsoSession:
    """One `[sso-session NAME]`: where a person signs in.

    `start_url` is the configured URL, normalised (a vanity host stays: login resolves it); `region` is the
    `sso_region`, where tokens come from, never the region of a profile by itself.
    """

    name: str
    start_url: str
    region: str
    scopes: tuple[str, ...] = DEFAULT_SCOPES


@dataclass(frozen=True, slots=True, order=True)
class Account:
    """An AWS account as ListAccounts gives it; `id` is always 12 digits, name and e-mail may be empty."""

    id: str
    name: str
    email: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Role:
    """What a person may assume: a permission set in an account, reached through one SSO session.

    `name` is the permission set's name, which GetRoleCredentials takes, never the `AWSReservedSSO_...` name
    (PROTOCOL 9).
    """

    session: str
    account_id: str
    name: str

    def word(self) -> str:
        """Give `SESSION/ACCOUNT/ROLE` in the characters that every shell, SDK and INI reader leaves alone.

        Any other byte is written `:XX` (hex of UTF-8); a colon is legal in none of the three parts on AWS's
        side, so nothing is ambiguous (PROTOCOL 5.4, the character list).
        """
        return f"{quoted_word(self.session)}/{self.account_id}/{quoted_word(self.name)}"

    @classmethod
    def from_word(cls, word: str) -> Role:
        """Read what `word` wrote.

        Raises:
            UsageError: it is not SESSION/ACCOUNT/ROLE with a 12-digit account id.
        """
        parts = word.split("/")
        if len(parts) != 3 or not all(parts) or not is_account_id(parts[1]):  # noqa: PLR2004 - session, account, role
            raise UsageError(
                "expected SESSION/ACCOUNT/ROLE with a 12-digit account id",
                hint="awssso list",
            )
        return cls(unquoted_word(parts[0]), parts[1], unquoted_word(parts[2]))


def quoted_word(text: str) -> str:
    """Write every byte outside `[A-Za-z0-9_.@+=-]` as `:XX`, the upper-case hex of its UTF-8."""
    raw = text.encode("utf-8", "surrogatepass")
    return "".join(chr(byte) if byte in _WORD_BYTES else f":{byte:02X}" for byte in raw)


def unquoted_word(word: str) -> str:
    """Read what `quoted_word` wrote."""
    raw = _QUOTED_BYTE.sub(lambda byte: bytes.fromhex(byte[1].decode()), word.encode("utf-8", "surrogatepass"))
    return raw.decode("utf-8", "replace")


def is_account_id(text: object) -> bool:
    """Say whether this is an AWS account id: a string of exactly 12 ASCII digits."""
    return isinstance(text, str) and _ACCOUNT_ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Registration:
    """An OIDC client registration (RegisterClient). `expires_at` is the reply's `clientSecretExpiresAt`.

    `grant` is the flow that it was made for, `authorization_code` or `device_code`: AWS accepts a registration
    for one of them only (PROTOCOL 1.4).
    """

    client_id: str
    client_secret: Secret
    expires_at: int
    grant: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """What CreateToken gave. `expires_at` counts from the moment the request was sent (PROTOCOL 11)."""

    access_token: Secret
    expires_at: int
    refresh_token: Secret | None
    registration: Registration


@dataclass(frozen=True, slots=True)
class SignIn:
    """All that the keyring holds for one SSO session: one item.

    The session's own facts are in it, so that `credential-process` needs no config file. `rejected` means that
    AWS refused this very token: it is not tried again, and only a login replaces it.
    """

    session: SsoSession
    token: Token | None = None
    registrations: tuple[Registration, ...] = ()
    rejected: bool = False

    def registration_for(self, grant: str, scopes: tuple[str, ...], *, valid_until: float) -> Registration | None:
        """Find a registration of this flow and these scopes that is still good at `valid_until`."""
        for registration in self.registrations:
            if (registration.grant, registration.scopes) == (grant, scopes) and registration.expires_at > valid_until:
                return registration
        return None

    def with_registration(self, registration: Registration) -> SignIn:
        """Give the same with this registration in the place of the one for the same flow."""
        others = tuple(kept for kept in self.registrations if kept.grant != registration.grant)
        return replace(self, registrations=(*others, registration))


@dataclass(frozen=True, slots=True)
class RoleCredentials:
    """Credentials of a role. `expires_at` is in epoch seconds; the service's `expiration` is in milliseconds."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret
    expires_at: int
    account_id: str


@dataclass(frozen=True, slots=True)
class AccountRoles:
    """One account with the names of its roles.

    `stale` means that the roles are the last known ones: the account could not be asked this time. `asked_at` is the
    epoch second at which it was last asked with success, 0 when that is not known.
    """

    account: Account
    roles: tuple[str, ...]
    stale: bool = False
    asked_at: int = 0


@dataclass(frozen=True, slots=True)
class Inventory:
    """Every account and role that one SSO session reaches, as of `found_at`. Holds no secret."""

    session: str
    found_at: int
    accounts: tuple[AccountRoles, ...] = ()

    def is_complete(self) -> bool:
        """Say whether every account answered."""
        return not any(entry.stale for entry in self.accounts)

    def roles(self) -> list[Role]:
        """Give every role, ordered by account id and name."""
        return sorted(Role(self.session, entry.account.id, name) for entry in self.accounts for name in entry.roles)


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile as we generate it. `settings` are the lines after `credential_process`, `region` first."""

    name: str
    role: Role
    settings: tuple[tuple[str, str], ...] = field(default=())


def utc_text(epoch_seconds: float) -> str:
    """Write a time as `YYYY-MM-DDTHH:MM:SSZ`, rounded down, the one form that every SDK reads (PROTOCOL 3.2)."""
    return datetime.fromtimestamp(int(epoch_seconds), tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def epoch_of(text: str) -> int:
    """Read what `utc_text` wrote.

    Raises:
        ValueError: it is not of that form.
    """
    parsed = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    return int(parsed.timestamp())

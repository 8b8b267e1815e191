"""An AWS organisation: people, accounts, who may use what, and everything that was handed out to them.

Pure state of the simulator: no sockets, no clock. Times are epoch seconds and come as the argument `now`; every
secret comes from `secrets` and is remembered, so that a test can search a disk for all of them.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from awssso_helper.model import Account, is_account_id

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR = 3600
DAY = 24 * HOUR

_KEY_ID_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

# HTTP status by the exception's name, where it is not 400 (PROTOCOL 1.3, 2.2; the last four are STS's).
_STATUS = {
    "InvalidClientException": 401,
    "UnauthorizedException": 401,
    "ForbiddenException": 403,
    "ResourceNotFoundException": 404,
    "UnknownOperationException": 404,
    "TooManyRequestsException": 429,
    "InternalServerException": 500,
    "MissingAuthenticationToken": 403,
    "InvalidClientTokenId": 403,
    "ExpiredToken": 403,
    "AccessDenied": 403,
    "SignatureDoesNotMatch": 403,
}


class Refusal(Exception):  # noqa: N818 - the word of the protocol: a refusal is an answer, not a failure of ours
    """The service says no; `code` is the exception's name as AWS spells it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        """The HTTP status that goes with the code."""
        return _STATUS.get(self.code, 400)


@dataclass(slots=True)
class Session:
    """A person's signed-in session; what was handed out under it stops working at `ends_at`, or when it is ended."""

    user: str
    ends_at: float
    ended: bool = False

    def is_live(self, now: float) -> bool:
        """Say whether it is neither ended nor over."""
        return not self.ended and now < self.ends_at


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token of the access portal."""

    value: str
    session: Session
    expires_at: float


@dataclass(frozen=True, slots=True)
class MintedCredentials:
    """Role credentials as they were handed out, and whose they are. They outlive the session (PROTOCOL 2.1)."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expires_at: float
    user: str
    account_id: str
    role_name: str
    is_chained: bool = False
    """True: by AssumeRole; `role_name` is then the role's own, and `user` the name of its session."""


@dataclass(frozen=True, slots=True)
class TrustingRole:
    """A role in an account that lets holders of other roles become it. An empty `external_id` asks for none."""

    account_id: str
    name: str
    trusted_accounts: tuple[str, ...]
    external_id: str = ""
    longest: int = HOUR


@dataclass(frozen=True, slots=True)
class Identity:
    """The answer of GetCallerIdentity."""

    account_id: str
    arn: str
    user_id: str


@dataclass(eq=False)
class Organization:
    """The organisation behind one start URL. Attributes in seconds may be changed at any time.

    Whoever calls from several threads holds `lock`; the methods that change who may do what take it themselves.
    """

    start_url: str = "https://d-1234567890.awsapps.com/start"
    region: str = "us-east-1"

    access_token_life: float = HOUR
    legacy_token_life: float = 8 * HOUR
    session_life: float = 12 * HOUR
    registration_life: float = 90 * DAY
    code_life: float = 60
    device_code_life: float = 600
    device_interval: int = 1
    rotates_refresh_tokens: bool = True
    renews_refresh_tokens: bool = True
    """False: the reply to a refresh carries no new refresh token, and the old one stays valid."""

    issue: Callable[[str, str, str], tuple[str, str, str]] | None = field(default=None, repr=False)
    """Where another server has to accept role credentials: gives key id, secret key and session token for an account
    id, the name of the role in IAM and the user."""

    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _accounts: dict[str, Account] = field(default_factory=dict, repr=False)
    _session_durations: dict[str, int] = field(default_factory=dict, repr=False)
    _assignments: dict[str, dict[str, list[str]]] = field(default_factory=dict, repr=False)
    _sessions: list[Session] = field(default_factory=list, repr=False)
    _access_tokens: dict[str, AccessToken] = field(default_factory=dict, repr=False)
    _credentials: dict[str, MintedCredentials] = field(default_factory=dict, repr=False)
    _trusting: dict[str, TrustingRole] = field(default_factory=dict, repr=False)
    _sign_in_tokens: dict[str, tuple[MintedCredentials, float]] = field(default_factory=dict, repr=False)
    _issued: list[str] = field(default_factory=list, repr=False)

    # Organisations to play with

    @classmethod
    def sample(cls) -> Organization:
        """Give a believable company: 13 accounts, 2-4 roles each, for Ada; Grace sees four of the accounts."""
        organization = cls()
        for name, hours in _SAMPLE_PERMISSION_SETS.items():
            organization.add_permission_set(name, hours * HOUR)
        for account_id, name, roles in _SAMPLE_ACCOUNTS:
            organization.add_account(account_id, name, email=f"aws+{account_id}@example.com")
            organization.assign("ada@example.com", account_id, *roles.split())
        for account_id in ("210987654321", "482736190055", "619283746501", "730194826355"):
            organization.assign("grace@example.com", account_id, "ReadOnlyAccess")
        organization.assign("grace@example.com", "482736190055", "PowerUserAccess")
        return organization

    @classmethod
    def large(cls, accounts: int, roles: int) -> Organization:
        """Give an organisation for tests of scale; one user sees all of it."""
        organization = cls()
        role_names = [f"Role{number:03}" for number in range(roles)]
        for number in range(accounts):
            account_id = f"{100000000000 + number}"
            organization.add_account(account_id, f"account-{number:04}", email=f"aws+{number}@example.com")
            organization.assign("ada@example.com", account_id, *role_names)
        return organization

    # Who may do what

    def add_account(self, account_id: str, name: str, *, email: str = "") -> None:
        """Add an account, or give it another name. Empty name or e-mail: the service leaves it out."""
        with self.lock:
            self._accounts[account_id] = Account(account_id, name, email)

    def remove_account(self, account_id: str) -> None:
        """Close an account: nobody sees it any more."""
        with self.lock:
            del self._accounts[account_id]
            for given in self._assignments.values():
                given.pop(account_id, None)

    def add_permission_set(self, name: str, session_duration: int = HOUR) -> None:
        """Make a permission set known, or change the life of its credentials (seconds)."""
        with self.lock:
            self._session_durations[name] = session_duration

    def assign(self, user: str, account_id: str, *role_names: str) -> None:
        """Give a user (who comes to be by it) permission sets in an account."""
        with self.lock:
            roles = self._assignments.setdefault(user, {}).setdefault(account_id, [])
            for name in role_names:
                self._session_durations.setdefault(name, HOUR)
                if name not in roles:
                    roles.append(name)

    def unassign(self, user: str, account_id: str, role_name: str) -> None:
        """Take a permission set in an account away; with the last one the account goes from the user's list."""
        with self.lock:
            given = self._assignments[user]
            given[account_id].remove(role_name)
            if not given[account_id]:
                del given[account_id]

    def add_trusting_role(self, role: TrustingRole) -> str:
        """Add a role for AssumeRole; gives its ARN."""
        arn = f"arn:aws:iam::{role.account_id}:role/{role.name}"
        with self.lock:
            self._trusting[arn] = role
        return arn

    def revoke_sessions(self, user: str) -> None:
        """End every session of a user, as an administrator can."""
        with self.lock:
            for session in self._sessions:
                session.ended = session.ended or session.user == user

    @property
    def users(self) -> tuple[str, ...]:
        """The names of everyone who may sign in."""
        return tuple(self._assignments)

    def reachable(self, user: str) -> dict[Account, tuple[str, ...]]:
        """Give what a user sees: every account with the names of its roles. For tests to compare with."""
        with self.lock:
            return {self._accounts[id_]: tuple(roles) for id_, roles in self._assignments.get(user, {}).items()}

    # Sessions and tokens

    def mint(self, prefix: str, length: int) -> str:
        """Make a secret of `length` random bytes, URL-safe, and remember it."""
        return self._remembered(prefix + secrets.token_urlsafe(length))

    def issued_secrets(self) -> tuple[str, ...]:
        """Give every secret ever handed out: tokens, codes, client secrets, secret keys, session tokens."""
        with self.lock:
            return tuple(self._issued)

    def sign_in(self, user: str, now: float, *, life: float) -> Session:
        """Begin a session for a person who allowed it."""
        session = Session(user, now + life)
        self._sessions.append(session)
        return session

    def grant_access(self, session: Session, now: float, *, life: float) -> AccessToken:
        """Hand out an access token; it never outlives its session."""
        token = AccessToken(self.mint("aoaAAAAAG", 240), session, min(now + life, session.ends_at))
        self._access_tokens[token.value] = token
        return token

    # The access portal

    def list_accounts(self, access_token: str, now: float) -> list[Account]:
        """Give the accounts that the token's user sees."""
        return list(self.reachable(self._session(access_token, now).user))

    def list_account_roles(self, access_token: str, account_id: str, now: float) -> list[str]:
        """Give the roles that the token's user has in an account."""
        return list(self._roles(self._session(access_token, now).user, account_id))

    def role_credentials(self, access_token: str, account_id: str, role_name: str, now: float) -> MintedCredentials:
        """Hand out credentials for a role that the token's user has."""
        user = self._session(access_token, now).user
        roles = self._roles(user, account_id)
        if role_name not in self._session_durations:
            raise Refusal("ResourceNotFoundException", "Role not found")
        if role_name not in roles:
            raise Refusal("ForbiddenException", "No access")
        return self._minted_credentials(user, account_id, role_name, now)

    def log_out(self, access_token: str, now: float) -> None:
        """End the session that the token belongs to. Credentials already handed out live on."""
        self._session(access_token, now).ended = True

    # Who holds these keys

    def credentials_behind(self, access_key_id: str, session_token: str, now: float) -> MintedCredentials:
        """Find the credentials that a signed call was made with."""
        minted = self._credentials.get(access_key_id)
        if minted is None or not is_same(minted.session_token, session_token):
            raise Refusal("InvalidClientTokenId", "The security token included in the request is invalid.")
        if now >= minted.expires_at:
            raise Refusal("ExpiredToken", "The security token included in the request is expired")
        return minted

    def identity_of(self, minted: MintedCredentials) -> Identity:
        """Give the name of an assumed SSO role as STS writes it: without the role's path (PROTOCOL 9)."""
        digest = self._digest(minted.account_id, minted.role_name)
        role = minted.role_name if minted.is_chained else self.iam_role(minted.account_id, minted.role_name)
        return Identity(
            account_id=minted.account_id,
            arn=f"arn:aws:sts::{minted.account_id}:assumed-role/{role}/{minted.user}",
            user_id=f"AROA{_key_id(digest[8:])}:{minted.user}",
        )

    def assume_role(
        self, caller: MintedCredentials, arn: str, session_name: str, now: float, *, external_id: str, duration: int
    ) -> MintedCredentials:
        """Let the holder of a role become another; a chained session lasts an hour at most, as on AWS."""
        role = self._trusting.get(arn)
        if role is None or caller.account_id not in role.trusted_accounts or external_id != role.external_id:
            raise Refusal("AccessDenied", f"is not authorized to perform: sts:AssumeRole on resource: {arn}")
        if not 900 <= duration <= min(role.longest, HOUR):  # noqa: PLR2004 - the least that STS gives
            raise Refusal("ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit")
        return self._mint_credentials(session_name, role.account_id, role.name, int(now) + duration, is_chained=True)

    # The console

    def sign_in_token(self, access_key_id: str, secret_key: str, session_token: str, now: float) -> str:
        """Hand out a token that signs one browser in, for a quarter of an hour."""
        minted = self.credentials_behind(access_key_id, session_token, now)
        if not is_same(minted.secret_access_key, secret_key):
            raise Refusal("InvalidClientTokenId", "The security token included in the request is invalid.")
        token = self.mint("", 300)
        self._sign_in_tokens[token] = (minted, now + 900)
        return token

    def signed_in_by(self, token: str, now: float) -> MintedCredentials:
        """Take a sign-in token; each is good once."""
        minted, ends_at = self._sign_in_tokens.pop(token, (None, 0.0))
        if minted is None or now >= ends_at:
            raise Refusal("InvalidSigninToken", "The sign-in token is not valid any more")
        return minted

    def iam_role(self, account_id: str, role_name: str) -> str:
        """Give the name that a permission set has as a role in an account's IAM."""
        return f"AWSReservedSSO_{role_name}_{self._digest(account_id, role_name).hex()[:16]}"

    def _digest(self, account_id: str, role_name: str) -> bytes:
        return hashlib.sha256(f"{self.start_url} {account_id} {role_name}".encode()).digest()

    def account_of_key(self, access_key_id: str) -> str:
        """Find the account that an access key id belongs to."""
        minted = self._credentials.get(access_key_id)
        if minted is None:
            raise Refusal("ValidationError", "The access key id is not known here")
        return minted.account_id

    # Behind the scenes

    def _remembered(self, secret: str) -> str:
        self._issued.append(secret)
        return secret

    def _session(self, access_token: str, now: float) -> Session:
        token = self._access_tokens.get(access_token)
        if token is None or now >= token.expires_at or not token.session.is_live(now):
            raise Refusal("UnauthorizedException", "Session token not found or invalid")
        return token.session

    def _roles(self, user: str, account_id: str) -> list[str]:
        if not is_account_id(account_id):
            raise Refusal("InvalidRequestException", "accountId must be 12 digits")
        if account_id not in self._accounts:
            raise Refusal("ResourceNotFoundException", "Account not found")
        roles = self._assignments.get(user, {}).get(account_id)
        if not roles:
            raise Refusal("ForbiddenException", "No access")
        return roles

    def _minted_credentials(self, user: str, account_id: str, role_name: str, now: float) -> MintedCredentials:
        return self._mint_credentials(user, account_id, role_name, int(now) + self._session_durations[role_name])

    def _mint_credentials(
        self, user: str, account_id: str, role_name: str, expires_at: int, *, is_chained: bool = False
    ) -> MintedCredentials:
        if self.issue is not None and not is_chained:
            key_id, secret_key, token = self.issue(account_id, self.iam_role(account_id, role_name), user)
        else:
            key_id, secret_key = f"ASIA{_key_id(secrets.token_bytes(16))}", _base64(30)
            token = "IQoJb3JpZ2luX2Vj" + _base64(600)
        minted = MintedCredentials(
            access_key_id=key_id,
            secret_access_key=self._remembered(secret_key),
            session_token=self._remembered(token),
            expires_at=expires_at,
            user=user,
            account_id=account_id,
            role_name=role_name,
            is_chained=is_chained,
        )
        self._credentials[minted.access_key_id] = minted
        return minted


def is_same(secret: str, claim: str) -> bool:
    """Compare a secret with what a stranger brings, in constant time; any string may come."""
    return secrets.compare_digest(secret.encode(), claim.encode("utf-8", "surrogatepass"))


def _key_id(seed: bytes) -> str:
    return "".join(_KEY_ID_ALPHABET[byte % 32] for byte in seed[:16])


def _base64(length: int) -> str:
    """Random bytes in the alphabet of AWS's own secrets, whose `/`, `+` and `=` need quoting in many places."""
    return base64.b64encode(secrets.token_bytes(length)).decode()


_SAMPLE_PERMISSION_SETS = {
    "AdministratorAccess": 1,
    "PowerUserAccess": 4,
    "ReadOnlyAccess": 8,
    "DatabaseAdministrator": 2,
    "Billing": 1,
    "SecurityAudit": 12,
}

_SAMPLE_ACCOUNTS = (
    ("108273645012", "management", "AdministratorAccess Billing ReadOnlyAccess"),
    ("210987654321", "production", "AdministratorAccess PowerUserAccess ReadOnlyAccess DatabaseAdministrator"),
    ("482736190055", "staging", "AdministratorAccess PowerUserAccess ReadOnlyAccess"),
    ("619283746501", "sandbox", "AdministratorAccess ReadOnlyAccess"),
    ("305518273640", "audit", "SecurityAudit ReadOnlyAccess"),
    ("550192837465", "log-archive", "SecurityAudit ReadOnlyAccess"),
    ("730194826355", "shared-services", "AdministratorAccess PowerUserAccess ReadOnlyAccess"),
    ("864209753186", "network", "AdministratorAccess ReadOnlyAccess"),
    ("127650983412", "data-platform", "PowerUserAccess ReadOnlyAccess DatabaseAdministrator"),
    # Two accounts of one name: AWS allows it, and profile names must not collide.
    ("927150634288", "data-platform", "PowerUserAccess ReadOnlyAccess"),
    ("043918275566", "Mobile Apps", "PowerUserAccess ReadOnlyAccess"),
    ("398471650029", "Büro Zürich", "PowerUserAccess ReadOnlyAccess Billing"),
    ("671029384756", "payments-production", "ReadOnlyAccess DatabaseAdministrator SecurityAudit"),
)

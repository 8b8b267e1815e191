"""Every signed call: STS and IAM, through botocore, which no file or variable of the user steers (SECURITY A3).

Credentials come as an argument, never from a default chain; the endpoint is AWS's own or one that `environment` allows.
What comes back is plain values, what goes wrong is an error of ours that carries AWS's own code.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import botocore.session
from botocore.config import Config
from botocore.credentials import ProcessProvider
from botocore.exceptions import BotoCoreError, ClientError, CredentialRetrievalError, HTTPClientError
from botocore.loaders import Loader

from awssso_helper import name_lookup
from awssso_helper.endpoints import host_of, partition_of
from awssso_helper.errors import NetworkError, RefusedError, ServiceError, ThrottledError
from awssso_helper.model import Deadline, RoleCredentials, Secret, is_account_id

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from botocore.awsrequest import AWSPreparedRequest
    from botocore.client import BaseClient

    from awssso_helper.environment import Environment
    from awssso_helper.errors import AwsssoError

_Answer = TypeVar("_Answer")

ACTIVE = "Active"
INACTIVE = "Inactive"

_HTTPS = 443
_NAME_SECONDS = 10
_CONNECT_SECONDS = 5
_READ_SECONDS = 15
_TRIES = 5
_SHORTEST_SESSION = 900  # seconds; AWS takes no less
_THROTTLED = frozenset({"Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"})
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"})
_NO_SUCH = frozenset({"NoSuchEntity", "NoSuchEntityException"})
# What STS says of a key that is Inactive or gone; which of the two it does not tell.
_REFUSED_KEY = frozenset({"InvalidClientTokenId", "InvalidAccessKeyId"})
_SSO_ROLE = re.compile(r"AWSReservedSSO_(.+)_[0-9a-f]{16}")
_PRINCIPAL = re.compile(r"arn:[a-z-]+:(?:iam|sts)::(\d{12}):(.+)", re.ASCII)


class Keys(NamedTuple):
    """What a call is signed with, and a region of the partition that it is for."""

    access_key_id: str
    secret: Secret
    session_token: Secret | None
    region: str


def keys_of(credentials: RoleCredentials, region: str) -> Keys:
    """Sign with the credentials of a role."""
    return Keys(credentials.access_key_id, credentials.secret_access_key, credentials.session_token, region)


@dataclass(frozen=True, slots=True)
class Principal:
    """The answer of GetCallerIdentity."""

    account_id: str
    arn: str

    @property
    def is_root(self) -> bool:
        """Say whether this is the root user of the account."""
        return self._resource == "root"

    @property
    def user(self) -> str:
        """The name of the IAM user, or empty."""
        return self._resource.rpartition("/")[2] if self._resource.startswith("user/") else ""

    @property
    def sso_role(self) -> str:
        """The name of the permission set, or empty where this is no role of IAM Identity Center (PROTOCOL 9)."""
        parts = self._resource.split("/")
        match = _SSO_ROLE.fullmatch(parts[1]) if parts[0] == "assumed-role" and len(parts) > 1 else None
        return match[1] if match else ""

    @property
    def _resource(self) -> str:
        match = _PRINCIPAL.fullmatch(self.arn)
        return match[2] if match else ""


@dataclass(frozen=True, slots=True)
class KeyState:
    """An access key as ListAccessKeys shows it; `created_at` is in epoch seconds."""

    status: str
    created_at: int


@dataclass(frozen=True, slots=True)
class LastUse:
    """When and for what a key was used last; `at` is 0 (epoch seconds) where AWS knows of no use."""

    user: str
    at: int
    service: str
    region: str


def is_denied(error: Exception) -> bool:
    """Say whether this principal may not do that."""
    return isinstance(error, ServiceError) and error.code in _DENIED


def is_no_such(error: Exception) -> bool:
    """Say whether the user or the key is not there."""
    return isinstance(error, ServiceError) and error.code in _NO_SUCH


def is_dead_key(error: Exception) -> bool:
    """Say whether the key that a call was signed with is Inactive or deleted."""
    return isinstance(error, ServiceError) and error.code in _REFUSED_KEY


class Iam:
    """STS and IAM for one process."""

    def __init__(
        self,
        environment: Environment,
        *,
        trusted_hosts: Collection[str] = (),
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self._environment = environment
        self._trusted_hosts = trusted_hosts
        self._trace = trace
        self._session = _isolated_session()
        self._making = threading.Lock()

    # STS

    def principal(self, keys: Keys) -> Principal:
        """Say whose credentials these are; needs no permission.

        Raises:
            ServiceError, NetworkError.
        """
        return self._call("sts", keys, "get_caller_identity", _principal)

    def account_of_key(self, keys: Keys, key_id: str) -> str:
        """Give the account of an access key, which is not used for it.

        Raises:
            ServiceError, NetworkError.
        """
        return self._call("sts", keys, "get_access_key_info", _account, AccessKeyId=key_id)

    def assume(self, keys: Keys, role_arn: str, external_id: str) -> Keys:
        """Assume a role for a quarter of an hour, to see that it can be.

        Raises:
            ServiceError, NetworkError.
        """
        given = self.role_credentials(
            keys, role_arn, session_name="awssso-migrate", external_id=external_id, seconds=_SHORTEST_SESSION
        )
        return keys_of(given, keys.region)

    def role_credentials(
        self, keys: Keys, role_arn: str, *, session_name: str, external_id: str = "", seconds: int = 0
    ) -> RoleCredentials:
        """Assume a role, for as long as AWS gives by itself where `seconds` is 0.

        Raises:
            ServiceError, NetworkError.
        """

        def given(reply: dict[str, Any]) -> RoleCredentials:
            found = reply["Credentials"]
            return RoleCredentials(
                access_key_id=str(found["AccessKeyId"]),
                secret_access_key=Secret(found["SecretAccessKey"]),
                session_token=Secret(found["SessionToken"]),
                expires_at=int(found["Expiration"].timestamp()),
                account_id=role_arn.split(":")[4],
            )

        more: dict[str, Any] = {"ExternalId": external_id} if external_id else {}
        if seconds:
            more["DurationSeconds"] = seconds
        return self._call("sts", keys, "assume_role", given, RoleArn=role_arn, RoleSessionName=session_name, **more)

    # IAM

    def last_use(self, keys: Keys, key_id: str) -> LastUse:
        """Give the last use of a key, and its user.

        Raises:
            ServiceError, NetworkError.
        """
        return self._call("iam", keys, "get_access_key_last_used", _last_use, AccessKeyId=key_id)

    def key_state(self, keys: Keys, user: str, key_id: str) -> KeyState | None:
        """Give the state of a user's key, or None where the user has no such key (any more).

        Raises:
            ServiceError, NetworkError.
        """
        # A user has two keys at most, so there is no second page.
        return self._call("iam", keys, "list_access_keys", lambda reply: _state(reply, key_id), UserName=user)

    def set_status(self, keys: Keys, user: str, key_id: str, status: str) -> None:
        """Make a key Active or Inactive.

        Raises:
            ServiceError, NetworkError: it may have taken effect nevertheless; read the state.
        """
        self._call("iam", keys, "update_access_key", len, UserName=user, AccessKeyId=key_id, Status=status)

    def delete_key(self, keys: Keys, user: str, key_id: str) -> None:
        """Delete a key for ever.

        Raises:
            ServiceError, NetworkError: as for `set_status`.
        """
        self._call("iam", keys, "delete_access_key", len, UserName=user, AccessKeyId=key_id)

    # One call

    def _call(
        self,
        service: str,
        keys: Keys,
        operation: str,
        decode: Callable[[dict[str, Any]], _Answer],
        **parameters: Any,
    ) -> _Answer:
        name = "".join(word.capitalize() for word in operation.split("_"))
        if self._trace:
            self._trace(f"{service} {name} {keys.region} as {keys.access_key_id}")
        client = self._client(service, keys)
        try:
            return decode(getattr(client, operation)(**parameters))
        except NetworkError:
            raise
        except ClientError as error:
            fault: AwsssoError = _service_error(name, error)
        except (BotoCoreError, HTTPClientError) as error:
            fault = NetworkError(f"{name} got no answer ({type(error).__name__})", hint="try again later")
        except Exception as error:  # noqa: BLE001 - botocore's parsers raise anything on a reply that is not AWS's
            fault = NetworkError(f"{name} got no honest answer ({type(error).__name__})", hint="try again later")
        finally:
            client.close()
        # Out here, where botocore's error, whose text quotes the reply, is not attached by itself.
        raise fault

    def _client(self, service: str, keys: Keys) -> BaseClient:
        partition_of(keys.region)  # it becomes part of the host's name (SECURITY A4)
        client = self._new_client(service, keys, proxy=None)
        # Which host it is, and with it whether a proxy is meant for it, is botocore's to say.
        proxy = self._environment.proxy_for(client.meta.endpoint_url)
        if proxy:
            client = self._new_client(service, keys, proxy=proxy)

        def find_next_host(request: AWSPreparedRequest, **_: object) -> None:
            _demand_address(proxy or request.url)

        # Before each try: by itself botocore waits for a name server as long as the system's resolver does.
        client.meta.events.register("before-send", find_next_host)
        return client

    def _new_client(self, service: str, keys: Keys, *, proxy: str | None) -> BaseClient:
        environment = self._environment
        configuration = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": _TRIES},
            proxies={"http": proxy, "https": proxy} if proxy else {},
            use_fips_endpoint=environment.flag("AWS_USE_FIPS_ENDPOINT"),
            use_dualstack_endpoint=environment.flag("AWS_USE_DUALSTACK_ENDPOINT"),
        )
        with self._making:
            return self._session.create_client(
                service,
                region_name=keys.region,
                endpoint_url=environment.endpoint_override(f"AWS_ENDPOINT_URL_{service.upper()}", self._trusted_hosts),
                aws_access_key_id=keys.access_key_id,
                aws_secret_access_key=keys.secret.reveal(),
                aws_session_token=keys.session_token.reveal() if keys.session_token else None,
                verify=environment.ca_bundle or True,
                config=configuration,
            )


def _demand_address(url: str) -> None:
    """Wait a while for the address of a host; what is no URL of one is botocore's to complain of.

    Raises:
        NetworkError: no name server answered, or there is no such name.
    """
    host = host_of(url)
    try:
        if host:
            name_lookup.addresses(host, _HTTPS, Deadline(_NAME_SECONDS))
    except TimeoutError as error:
        raise NetworkError(f"{host}: {error}", hint="check the network and the name servers") from error
    except (OSError, ValueError) as error:
        raise NetworkError(
            f"{host} is a name that cannot be resolved", hint="check the network, the proxy variables and the region"
        ) from error


def _principal(reply: dict[str, Any]) -> Principal:
    return Principal(_account(reply), str(reply["Arn"]))


def _account(reply: dict[str, Any]) -> str:
    if not is_account_id(reply["Account"]):
        raise ValueError
    return str(reply["Account"])


def _last_use(reply: dict[str, Any]) -> LastUse:
    used = reply.get("AccessKeyLastUsed") or {}
    moment = used.get("LastUsedDate")
    return LastUse(
        user=str(reply.get("UserName") or ""),
        at=int(moment.timestamp()) if moment is not None else 0,
        service=str(used.get("ServiceName") or "N/A"),
        region=str(used.get("Region") or "N/A"),
    )


def _state(reply: dict[str, Any], key_id: str) -> KeyState | None:
    for each in reply["AccessKeyMetadata"]:
        if each["AccessKeyId"] == key_id:
            return KeyState(str(each["Status"]), int(each["CreateDate"].timestamp()))
    return None


@dataclass(frozen=True, slots=True)
class Resolved:
    """What botocore finds behind a profile: by which provider, and the keys; `source` is botocore's own word."""

    source: str
    keys: Keys


def resolved(environment: Environment, profile: str, region: str) -> Resolved:
    """Find the credentials of a profile as every boto3 program does: from the two files, by botocore itself.

    For a profile of its own credentials only: one that assumes a role would be asked at an endpoint that the user's
    variables choose.

    Raises:
        RefusedError: botocore finds none, or cannot read the profile.
    """
    session = botocore.session.Session(profile=profile)
    _set_variable(session, "config_file", str(environment.aws_config_file))
    _set_variable(session, "credentials_file", str(environment.aws_credentials_file))
    try:
        found = session.get_credentials()
        frozen = found.get_frozen_credentials() if found is not None else None
    except (BotoCoreError, ClientError) as error:
        raise RefusedError(
            f"botocore cannot use the profile {profile[:64]!a} ({type(error).__name__})", hint="awssso doctor"
        ) from None
    if found is None or frozen is None or not frozen.access_key or not frozen.secret_key:
        raise RefusedError(f"botocore finds no credentials for the profile {profile[:64]!a}", hint="awssso doctor")
    token = Secret(frozen.token) if frozen.token else None
    return Resolved(str(found.method), Keys(frozen.access_key, Secret(frozen.secret_key), token, region))


def process_keys(process: str, region: str) -> Keys:
    """Run a `credential_process` line and read its answer with botocore's own code, whatever other keys a name has.

    Raises:
        RefusedError: the program fails, or botocore does not accept its answer.
    """
    provider = ProcessProvider("awssso", lambda: {"profiles": {"awssso": {"credential_process": process}}})
    try:
        found = provider.load()
        frozen = found.get_frozen_credentials() if found is not None else None
    except (BotoCoreError, OSError, ValueError, KeyError) as error:
        # What `credential-process` says on stderr is one line without a secret.
        said = str(error.kwargs.get("error_msg", "")) if isinstance(error, CredentialRetrievalError) else ""
        reason = f": {said.strip()[:200]}" if said else ""
        raise RefusedError(f"the new profile does not answer{reason}", hint="awssso status") from None
    if frozen is None or not frozen.access_key or not frozen.secret_key:
        raise RefusedError("the new profile does not answer", hint="awssso status")
    return Keys(frozen.access_key, Secret(frozen.secret_key), Secret(frozen.token or ""), region)


def _isolated_session() -> botocore.session.Session:
    """Give a botocore session that reads no profile, file, service model or variable of the user, and logs nothing."""
    # It names modules to import, and a directory that one enters can set it (SECURITY T5).
    os.environ.pop("BOTOCORE_EXPERIMENTAL__PLUGINS", None)
    for name in ("botocore", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    session = botocore.session.Session()
    _set_variable(session, "profile", None)
    for name in ("config_file", "credentials_file"):
        _set_variable(session, name, os.devnull)
    _set_variable(session, "data_path", None)
    # Nor is a model of a service taken from ~/.aws/models.
    models = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    session.register_component("data_loader", models)
    _set_variable(session, "ignore_configured_endpoint_urls", True)
    _set_variable(session, "sts_regional_endpoints", "regional")
    return session


def _set_variable(session: botocore.session.Session, name: str, value: str | bool | None) -> None:
    session.session_var_map[name] = (None, None, value, None)


def _service_error(name: str, error: ClientError) -> ServiceError:
    reply = error.response
    code = str(reply.get("Error", {}).get("Code", ""))[:64]
    status = int(reply.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    kind = ThrottledError if code in _THROTTLED or status == 429 else ServiceError  # noqa: PLR2004 - HTTP
    code = code if code.isascii() and code.isalnum() else "Unknown"
    return kind(f"{name} was answered with {code}", code=code, status=status)

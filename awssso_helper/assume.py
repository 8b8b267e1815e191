"""Credentials at the end of a chain: one signed AssumeRole for each step, from an SSO role's credentials.

The only room here that imports botocore. It is given everything: it reads no `~/.aws`, no profile and no variable of
the user's, so it can neither call itself nor send anything where a stray variable points (SECURITY A3).
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from awssso_helper.endpoints import host_of, partition_of
from awssso_helper.errors import AccessDeniedError, AwsssoError, NetworkError, RefusedError, ServiceError
from awssso_helper.model import RoleCredentials, Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from awssso_helper.chains import Chain, Step
    from awssso_helper.environment import Environment

_SESSION_NAME = "awssso"
_SECONDS = 10
_DENIED = 403


def credentials(
    chain: Chain,
    first: RoleCredentials,
    *,
    environment: Environment,
    region: str,
    endpoint: str | None,
    trace: Callable[[str], None],
) -> RoleCredentials:
    """Follow a chain from the credentials of its first role; `endpoint` stands for STS's own where it is given.

    Raises:
        RefusedError: a step asks for an MFA code.
        AccessDeniedError: AWS does not let the one role become the other.
        NetworkError, ServiceError: STS could not be asked.
    """
    mfa = next((step for step in chain.steps if step.mfa_serial), None)
    if mfa is not None:
        raise RefusedError(
            f"the profile {mfa.profile[:64]!a} wants an MFA code, which only the AWS tools ask for",
            hint=f"awssso exec --profile-only {chain.end.profile} -- aws sts get-caller-identity",
        )
    held = first
    for step in chain.steps:
        partition_of(region)
        client = _client(held, environment, region, endpoint)
        held = _assumed(client, step, trace)
    return held


def _client(held: RoleCredentials, environment: Environment, region: str, endpoint: str | None) -> Any:
    import botocore.config  # noqa: PLC0415 - 200 ms that only chained profiles need
    import botocore.loaders  # noqa: PLC0415
    import botocore.session  # noqa: PLC0415

    # Whatever handlers this process has: what there is to say is said here, in our own words (SECURITY G4).
    for name in ("botocore", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    nothing = (None, None, None, None)
    no_file = (None, None, os.devnull, None)
    session = botocore.session.Session(
        session_vars={"profile": nothing, "config_file": no_file, "credentials_file": no_file, "data_path": nothing}
    )
    # Nor is a model of the service taken from ~/.aws/models.
    models = botocore.loaders.Loader(
        extra_search_paths=[botocore.loaders.Loader.BUILTIN_DATA_PATH], include_default_search_paths=False
    )
    session.register_component("data_loader", models)
    options: dict[str, Any] = {
        "connect_timeout": _SECONDS,
        "read_timeout": _SECONDS,
        "retries": {"mode": "standard", "total_max_attempts": 3},
        # AWS_ENDPOINT_URL, which moves every service, would have the session token sent there.
        "ignore_configured_endpoint_urls": True,
        "use_fips_endpoint": environment.flag("AWS_USE_FIPS_ENDPOINT"),
        "use_dualstack_endpoint": environment.flag("AWS_USE_DUALSTACK_ENDPOINT"),
    }
    return session.create_client(
        "sts",
        region_name=region,
        endpoint_url=endpoint,
        verify=environment.ca_bundle or True,
        aws_access_key_id=held.access_key_id,
        aws_secret_access_key=held.secret_access_key.reveal(),
        aws_session_token=held.session_token.reveal(),
        config=botocore.config.Config(**options),
    )


def _assumed(client: Any, step: Step, trace: Callable[[str], None]) -> RoleCredentials:
    import botocore.exceptions  # noqa: PLC0415 - as above

    wanted: dict[str, Any] = {"RoleArn": step.role_arn, "RoleSessionName": step.session_name or _SESSION_NAME}
    if step.external_id:
        wanted["ExternalId"] = step.external_id
    if step.duration:
        wanted["DurationSeconds"] = step.duration
    host = host_of(client.meta.endpoint_url)
    try:
        given = client.assume_role(**wanted)["Credentials"]
    except botocore.exceptions.ClientError as error:
        trace(f"AssumeRole {step.role_arn} failed")
        raise _refusal(error, step) from error
    except botocore.exceptions.BotoCoreError as error:
        trace(f"AssumeRole {step.role_arn} failed: {type(error).__name__}")
        raise NetworkError(f"{host} could not be asked ({type(error).__name__})", hint="check the network") from error
    trace(f"AssumeRole {step.role_arn} at {host}")
    return RoleCredentials(
        access_key_id=given["AccessKeyId"],
        secret_access_key=Secret(given["SecretAccessKey"]),
        session_token=Secret(given["SessionToken"]),
        expires_at=int(given["Expiration"].timestamp()),
        account_id=step.account_id,
    )


def _refusal(error: Any, step: Step) -> AwsssoError:
    code = str(error.response.get("Error", {}).get("Code", "an error"))[:64]
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if status == _DENIED and code == "AccessDenied":
        return AccessDeniedError(
            f"AWS does not let this role become {step.role_arn}",
            code=code,
            status=status,
            hint=f"check role_arn and source_profile of {step.profile}, and whom the role trusts",
        )
    return ServiceError(f"STS answered {code} for {step.role_arn}", code=code, status=status)

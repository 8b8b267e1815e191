"""Credentials at the end of a chain: one signed AssumeRole for each step, from an SSO role's credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from awssso_helper import iam
from awssso_helper.errors import AccessDeniedError, RefusedError, ServiceError

if TYPE_CHECKING:
    from awssso_helper.chains import Chain, Step
    from awssso_helper.model import RoleCredentials

_SESSION_NAME = "awssso"


def credentials(chain: Chain, first: RoleCredentials, *, cloud: iam.Iam, region: str) -> RoleCredentials:
    """Follow a chain from the credentials of its first role; STS is asked in `region`.

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
        held = _assumed(cloud, iam.keys_of(held, region), step)
    return held


def _assumed(cloud: iam.Iam, keys: iam.Keys, step: Step) -> RoleCredentials:
    try:
        return cloud.role_credentials(
            keys,
            step.role_arn,
            session_name=step.session_name or _SESSION_NAME,
            external_id=step.external_id,
            seconds=step.duration,
        )
    except ServiceError as error:
        raise _refusal(error, step) from error


def _refusal(error: ServiceError, step: Step) -> ServiceError:
    if not iam.is_denied(error):
        return ServiceError(
            f"STS answered {error.code} for {step.role_arn}", code=error.code, status=error.status, hint=error.hint
        )
    return AccessDeniedError(
        f"AWS does not let this role become {step.role_arn}",
        code=error.code,
        status=error.status,
        hint=f"check role_arn and source_profile of {step.profile}, and whom the role trusts",
    )

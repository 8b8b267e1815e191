"""What a role's user is handed: the variables that are set, and those that must go since they would win over them.

Pure: `exec` gives the result to a child, `env` and `use` to a shell. Which source wins in which SDK is in PROTOCOL 4.3,
4.4 and 7.1; a stale one must not survive in any (PAINS 44).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from awssso_helper.model import utc_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from awssso_helper.model import RoleCredentials

# Our own marks: the profile whose variables are in force, which prompts may show, and the region that came with it.
MARK = "AWSSSO_PROFILE"
REGION_MARK = "AWSSSO_REGION"

# Both regions that tools read, and where the user's own waits while a profile's stands there.
_REGIONS = {"AWS_REGION": "AWSSSO_OWN_REGION", "AWS_DEFAULT_REGION": "AWSSSO_OWN_DEFAULT_REGION"}
# Every variable by which an SDK finds credentials, old spellings included.
SOURCES = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_ACCESS_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_SESSION_EXPIRATION",
    "AWS_CREDENTIAL_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
)
_SOURCE_PREFIXES = ("AWS_CONTAINER_", "AWS_WEB_IDENTITY_")
_ACCOUNT = "AWS_ACCOUNT_ID"


@dataclass(frozen=True, slots=True)
class Handover:
    """Variables to set and to remove. `values` may hold secrets, so it is not shown."""

    values: Mapping[str, str] = field(repr=False)
    removed: tuple[str, ...]

    def applied(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Give these variables with the handover done."""
        kept = {name: value for name, value in variables.items() if name not in self.removed}
        return {**kept, **self.values}


def of_profile(name: str, region: str, variables: Mapping[str, str]) -> Handover:
    """Hand over a profile by its name: whoever uses it gets fresh credentials for as long as they like."""
    return _handover({"AWS_PROFILE": name, **_regions(region, variables), MARK: name}, variables)


def of_keys(credentials: RoleCredentials, name: str, region: str, variables: Mapping[str, str]) -> Handover:
    """Hand over the keys themselves; they end when they expire."""
    values = {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key.reveal(),
        "AWS_SESSION_TOKEN": credentials.session_token.reveal(),
        "AWS_CREDENTIAL_EXPIRATION": utc_text(credentials.expires_at),
        _ACCOUNT: credentials.account_id,
        **_regions(region, variables),
        MARK: name,
    }
    return _handover(values, variables)


def of_nothing(variables: Mapping[str, str]) -> Handover:
    """Take back what was handed over, and every other source of credentials; the user's own regions come back."""
    values = _regions("", variables)
    names = [*SOURCES, *_REGIONS, *_REGIONS.values(), _ACCOUNT, MARK, REGION_MARK, *_further_sources(variables)]
    return Handover(values, tuple(name for name in names if name not in values))


def _regions(region: str, variables: Mapping[str, str]) -> dict[str, str]:
    """Give the region's variables: the profile's region, else what the user had there before any profile did."""
    values = {}
    # botocore reads only AWS_DEFAULT_REGION, the other SDKs only AWS_REGION (PROTOCOL 4.3).
    for name, keeper in _REGIONS.items():
        own = _own_region(name, variables)
        if region or own:
            values[name] = region or own
        if region and own:
            values[keeper] = own
    return {**values, REGION_MARK: region} if region else values


def _own_region(name: str, variables: Mapping[str, str]) -> str:
    """Give what the user set: what was kept while our own stands there, else what stands there."""
    present = variables.get(name, "")
    is_ours = bool(present) and present == variables.get(REGION_MARK)
    return variables.get(_REGIONS[name], "") if is_ours else present


def _handover(values: dict[str, str], variables: Mapping[str, str]) -> Handover:
    names = [*SOURCES, *_left_by_us(variables), *_further_sources(variables)]
    return Handover(values, tuple(name for name in names if name not in values))


def _left_by_us(variables: Mapping[str, str]) -> list[str]:
    """Find region and account of the profile before; what the user set stays."""
    names = [each for each in (*_REGIONS, *_REGIONS.values()) if each in variables]
    has_our_keys = bool(variables.get(MARK)) and "AWS_ACCESS_KEY_ID" in variables
    return [*names, REGION_MARK, *([_ACCOUNT] if has_our_keys else [])]


def _further_sources(variables: Mapping[str, str]) -> list[str]:
    return [name for name in variables if name.startswith(_SOURCE_PREFIXES) and name not in SOURCES]

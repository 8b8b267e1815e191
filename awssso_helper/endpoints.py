"""Where AWS answers: partitions, hosts, start URLs. Tables and pure functions, no I/O.

Hosts are those that botocore 1.44 resolves for `sso` and `sso-oidc` (PROTOCOL 2.4); start URL suffixes are those
of the AWS CLI's `sso/resolve.py` (PROTOCOL 1.5).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from awssso_helper.errors import UsageError

MAX_URL = 4096


@dataclass(frozen=True, slots=True)
class Partition:
    """One AWS partition; hosts are made of `dns_suffix`, or of `dual_stack_suffix` where IPv6 is served too."""

    name: str
    regions: re.Pattern[str]
    dns_suffix: str
    dual_stack_suffix: str
    fips_is_plain: bool = False


def _partition(name: str, regions: str, dns: str, dual: str, *, fips_is_plain: bool = False) -> Partition:
    return Partition(name, re.compile(regions, re.ASCII), dns, dual, fips_is_plain)


# The first pattern is wider than AWS's own list (`us|eu|ap|...`), so that a new geography needs no release of ours.
PARTITIONS = (
    _partition("aws", r"[a-z]{2}-[a-z]+-[0-9]{1,2}", "amazonaws.com", "api.aws"),
    _partition("aws-cn", r"cn-[a-z]+-[0-9]{1,2}", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    _partition("aws-us-gov", r"us-gov-[a-z]+-[0-9]{1,2}", "amazonaws.com", "api.aws", fips_is_plain=True),
    _partition("aws-eusc", r"eusc-de-[a-z]+-[0-9]{1,2}", "amazonaws.eu", "api.amazonwebservices.eu"),
    _partition("aws-iso", r"us-iso-[a-z]+-[0-9]{1,2}", "c2s.ic.gov", "api.aws.ic.gov"),
    _partition("aws-iso-b", r"us-isob-[a-z]+-[0-9]{1,2}", "sc2s.sgov.gov", "api.aws.scloud"),
    _partition("aws-iso-e", r"eu-isoe-[a-z]+-[0-9]{1,2}", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    _partition("aws-iso-f", r"us-isof-[a-z]+-[0-9]{1,2}", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
)

# The access portals of a partition, by its DNS suffix; `aws` and `aws-us-gov` share theirs.
_PORTALS = {
    "amazonaws.com": (
        ".awsapps.com",
        ".app.aws",
        ".portal.amazonaws.com",
        "identitycenter.amazonaws.com",
        "identitycenter.us-gov.amazonaws.com",
    ),
    "amazonaws.com.cn": (
        ".awsapps.cn",
        ".portal.amazonaws.com.cn",
        ".app.amazonwebservices.com.cn",
        "identitycenter.amazonaws.com.cn",
    ),
    "amazonaws.eu": (".portal.amazonaws.eu", ".api.amazonwebservices.eu", "identitycenter.amazonaws.eu"),
}
_REGION_IN_HOST = (
    re.compile(r"[^.]+\.portal\.(?P<region>[a-z0-9-]+)\.app\.(?:aws|amazonwebservices\.com\.cn)", re.ASCII),
    re.compile(r"[^.]+\.(?P<region>[a-z0-9-]+)\.portal\.amazonaws\.(?:com\.cn|com|eu)", re.ASCII),
    re.compile(r"[^.]+\.portal\.(?P<region>[a-z0-9-]+)\.api\.amazonwebservices\.eu", re.ASCII),
)
_NAME_OR_ADDRESS = re.compile(r"[a-z0-9_][a-z0-9_-]*(?:\.[a-z0-9_][a-z0-9_-]*)*|[0-9a-f:.]*:[0-9a-f:.]*", re.ASCII)
_DUAL_STACK_HOSTS = (".app.aws", ".app.amazonwebservices.com.cn", ".api.amazonwebservices.eu")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The two base URLs of one region, without a final slash: `sso-oidc` and the access portal (`sso`)."""

    oidc: str
    portal: str


def partition_of(region: str) -> Partition:
    """Find the partition of a region by the region's form.

    Raises:
        UsageError: no AWS region looks like this; nothing of it may become part of a host name (SECURITY A4).
    """
    # "cn-north-1" has the form of the first pattern too, so the special ones are asked first.
    for partition in reversed(PARTITIONS):
        if partition.regions.fullmatch(region):
            return partition
    raise UsageError(
        f"{region[:40]!a} is not an AWS region",
        hint="a region is written like us-east-1; sso_region is that of your IAM Identity Center",
    )


def aws_endpoints(region: str, *, dual_stack: bool = False, fips: bool = False) -> Endpoints:
    """Build the endpoints that AWS publishes for a region (PROTOCOL 2.4)."""
    partition = partition_of(region)
    suffix = partition.dual_stack_suffix if dual_stack else partition.dns_suffix
    mark = "-fips" if fips and not (partition.fips_is_plain and not dual_stack) else ""
    return Endpoints(
        oidc=f"https://oidc{mark}.{region}.{suffix}",
        portal=f"https://portal.sso{mark}.{region}.{suffix}",
    )


def normalised_start_url(text: str) -> str:
    r"""Bring a start URL as people paste it to the form that AWS takes.

    Blanks, `#...`, `?...`, a final slash and the backslash of `\#/` go, the host becomes lower case, a host alone
    gets `https://` and, on awsapps hosts, `/start`.

    Raises:
        UsageError: it is no https URL with a plain host (`http` is accepted for loopback hosts).
    """
    shown = text.strip()[:120]
    bad = UsageError(
        f"{shown!a} is not a start URL",
        hint="it looks like https://d-1234567890.awsapps.com/start; your AWS access portal shows it",
    )
    cleaned = text.strip().split("#")[0].split("?")[0]
    cleaned = (cleaned if "://" in cleaned else f"https://{cleaned}").rstrip("/\\")
    parts = split_url(cleaned)
    if parts is None or "@" in parts.netloc or any(character.isspace() for character in cleaned):
        raise bad
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise bad
    path = parts.path
    if not path and (parts.hostname or "").endswith((".awsapps.com", ".awsapps.cn")):
        path = "/start"
    return f"{parts.scheme}://{parts.netloc.lower()}{path}"


def region_of_start_url(start_url: str) -> str | None:
    """Give the region that the host of a start URL names, or None where it names none."""
    host = host_of(start_url)
    for pattern in _REGION_IN_HOST:
        match = pattern.fullmatch(host)
        if match:
            region = match["region"]
            return region if any(known.regions.fullmatch(region) for known in PARTITIONS) else None
    return None


def serves_dual_stack(start_url: str) -> bool:
    """Say whether this portal host belongs to the dual-stack family, whose tokens the classic hosts refuse."""
    return host_of(start_url).endswith(_DUAL_STACK_HOSTS)


def is_aws_portal(start_url: str) -> bool:
    """Say whether the host of a start URL is AWS's own; any other is a vanity host that redirects to one."""
    host = host_of(start_url)
    return any(_is_portal_host(host, dns_suffix) for dns_suffix in _PORTALS)


def is_aws_sign_in_url(url: str, region: str) -> bool:
    """Say whether a browser may be sent here to sign in to a session in `region` (SECURITY B6).

    https, a host that AWS signs people in at in that partition, nothing odd in it.
    """
    parts = split_url(url)
    if parts is None or parts.scheme != "https" or "@" in parts.netloc or parts.port not in (None, 443):
        return False
    partition, host = partition_of(region), parts.hostname or ""
    return _is_portal_host(host, partition.dns_suffix) or _is_oidc_host(host, partition)


def _is_portal_host(host: str, dns_suffix: str) -> bool:
    names = _PORTALS.get(dns_suffix, ())
    return any(host.endswith(name) if name.startswith(".") else host == name for name in names)


def _is_oidc_host(host: str, partition: Partition) -> bool:
    """Say whether a host is one of the partition's for signing in; what stands for the region must be one."""
    for prefix in ("oidc.", "oidc-fips.", "device.sso."):
        region, _, suffix = host.removeprefix(prefix).partition(".")
        if (
            host.startswith(prefix)
            and partition.regions.fullmatch(region)
            and suffix in (partition.dns_suffix, partition.dual_stack_suffix)
        ):
            return True
    return False


def is_loopback(host: str) -> bool:
    """Say whether a host name or address literal is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(url: str) -> str:
    """Give the lower-case host of a URL, or an empty string."""
    parts = split_url(url)
    return (parts.hostname or "") if parts else ""


def split_url(url: str) -> SplitResult | None:
    """Split a URL that is printable ASCII, of sane length and with a plain host; None for anything else."""
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or "\\" in url or " " in url:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts if _NAME_OR_ADDRESS.fullmatch(parts.hostname or "") else None

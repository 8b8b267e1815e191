"""Links into the AWS console: where it is in each partition, what a destination means, and the two ways in.

Pure. A shortcut link of the access portal holds no secret and is the usual way; where it cannot serve (a chained role),
`federation` exchanges credentials for a sign-in link, made here too (PROTOCOL 6).
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from awssso_helper.endpoints import Partition, partition_of, split_url
from awssso_helper.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from awssso_helper.model import Role, RoleCredentials


@dataclass(frozen=True, slots=True)
class Hosts:
    """A partition's console and sign-in hosts; `home` is the region whose sign-in host has no prefix, or empty."""

    console: str
    sign_in: str
    home: str


# The sign-in hosts are those of botocore's `signin` endpoint rules; in China and the commercial partition the one
# without a region serves all of them. The consoles of the four iso partitions are named after their sign-in hosts.
_HOSTS = {
    "aws": Hosts("console.aws.amazon.com", "signin.aws.amazon.com", "*"),
    "aws-cn": Hosts("console.amazonaws.cn", "signin.amazonaws.cn", "*"),
    "aws-us-gov": Hosts("console.amazonaws-us-gov.com", "signin.amazonaws-us-gov.com", "us-gov-west-1"),
    "aws-eusc": Hosts("console.amazonaws-eusc.eu", "signin.amazonaws-eusc.eu", ""),
    "aws-iso": Hosts("console.c2shome.ic.gov", "signin.c2shome.ic.gov", ""),
    "aws-iso-b": Hosts("console.sc2shome.sgov.gov", "signin.sc2shome.sgov.gov", ""),
    "aws-iso-e": Hosts("console.csphome.adc-e.uk", "signin.csphome.adc-e.uk", ""),
    "aws-iso-f": Hosts("console.csphome.hci.ic.gov", "signin.csphome.hci.ic.gov", ""),
}

# What people call a service: its path in the console. `*` before it: the service has no regions.
SERVICES = {
    "acm": "acm/home",
    "amplify": "amplify/home",
    "apigateway": "apigateway/main/apis",
    "apprunner": "apprunner/home",
    "asg": "ec2/home#AutoScalingGroups:",
    "athena": "athena/home",
    "backup": "backup/home",
    "batch": "batch/home",
    "bedrock": "bedrock/home",
    "billing": "*costmanagement/home",
    "cfn": "cloudformation/home",
    "cloud9": "cloud9/home",
    "cloudformation": "cloudformation/home",
    "cloudfront": "*cloudfront/v4/home",
    "cloudshell": "cloudshell/home",
    "cloudtrail": "cloudtrailv2/home",
    "cloudwatch": "cloudwatch/home",
    "codebuild": "codesuite/codebuild/projects",
    "codecommit": "codesuite/codecommit/repositories",
    "codepipeline": "codesuite/codepipeline/pipelines",
    "cognito": "cognito/v2/home",
    "config": "config/home",
    "controltower": "controltower/home",
    "cost": "*cost-management/home",
    "costmanagement": "*cost-management/home",
    "datasync": "datasync/home",
    "directconnect": "directconnect/v2/home",
    "dms": "dms/v2/home",
    "dynamodb": "dynamodbv2/home",
    "ebs": "ec2/home#Volumes:",
    "ec2": "ec2/home",
    "ecr": "ecr/private-registry/repositories",
    "ecs": "ecs/v2/clusters",
    "efs": "efs/home",
    "eks": "eks/clusters",
    "elasticache": "elasticache/home",
    "elasticbeanstalk": "elasticbeanstalk/home",
    "elb": "ec2/home#LoadBalancers:",
    "emr": "emr/home",
    "eventbridge": "events/home",
    "events": "events/home",
    "firehose": "firehose/home",
    "fsx": "fsx/home",
    "glue": "glue/home",
    "grafana": "grafana/home",
    "guardduty": "guardduty/home",
    "health": "*health/home",
    "home": "console/home",
    "iam": "*iam/home",
    "inspector": "inspector/v2/home",
    "kinesis": "kinesis/home",
    "kms": "kms/home",
    "lakeformation": "lakeformation/home",
    "lambda": "lambda/home",
    "logs": "cloudwatch/home#logsV2:log-groups",
    "mq": "amazon-mq/home",
    "msk": "msk/home",
    "opensearch": "aos/home",
    "organizations": "*organizations/v2/home",
    "quotas": "servicequotas/home",
    "rds": "rds/home",
    "redshift": "redshiftv2/home",
    "route53": "*route53/v2/home",
    "s3": "s3/home",
    "sagemaker": "sagemaker/home",
    "secretsmanager": "secretsmanager/listsecrets",
    "securityhub": "securityhub/home",
    "servicecatalog": "servicecatalog/home",
    "ses": "ses/home",
    "sfn": "states/home",
    "sns": "sns/v3/home",
    "sqs": "sqs/v3/home",
    "ssm": "systems-manager/home",
    "sso": "singlesignon/home",
    "states": "states/home",
    "stepfunctions": "states/home",
    "sts": "*iam/home#/account_settings",
    "support": "*support/home",
    "tags": "resource-groups/home",
    "transfer": "transfer/home",
    "trustedadvisor": "*trustedadvisor/home",
    "vpc": "vpcconsole/home",
    "waf": "wafv2/homev2",
    "wafv2": "wafv2/homev2",
    "workspaces": "workspaces/v2/home",
    "xray": "xray/home",
}

# A console with several sessions names one of them in its host, ACCOUNT-RANDOM; that session is of another browser.
_SESSION_LABEL = re.compile(r"[0-9]{12}-[a-z0-9]+", re.ASCII)
_PATH = re.compile(r"/(?!/)[!-\[\]-~]*", re.ASCII)
_HTTPS_PORTS = (None, 443)
_ISSUER = "https://awssso.invalid"


# Where


def destination(text: str, region: str, partition: Partition) -> str:
    """Give the console URL that a service name, a path beginning with `/` or a console URL means.

    `region` may be empty: then the console chooses. An empty `text` is the home page.

    Raises:
        UsageError: there is no such service, or the region is of another partition.
        RefusedError: the URL is not one of this partition's console.
    """
    if region and partition_of(region) != partition:
        raise UsageError(
            f"{region} is a region of {partition_of(region).name}, and this role is in {partition.name}",
            hint="choose a region with --region",
        )
    if "://" in text or text.lower().startswith(("http:", "https:", "//")):
        return _own_url(text, partition)
    if text.startswith("/"):
        return _page(_plain_path(text), region, partition)
    return _service(text or "home", region, partition)


def _service(name: str, region: str, partition: Partition) -> str:
    path = SERVICES.get(name.lower())
    if path is None:
        close = difflib.get_close_matches(name.lower(), SERVICES, n=3)
        hint = f"did you mean {', '.join(close)}?" if close else "say a path of the console, such as /ec2/home"
        raise UsageError(f"there is no service {name[:40]!a} here", hint=hint)
    is_global = path.startswith("*")
    return _page(f"/{path.removeprefix('*')}", "" if is_global else region, partition)


def _plain_path(text: str) -> str:
    path = quote(text, safe="/?#[]@!$&'()*+,;=:%~-._|")
    if not _PATH.fullmatch(path) or "\\" in text:
        raise UsageError(f"{text[:80]!a} is no path of the console", hint="it looks like /cloudwatch/home#alarmsV2:")
    return path


def _page(path: str, region: str, partition: Partition) -> str:
    host = _HOSTS[partition.name].console
    before, mark, fragment = path.partition("#")
    if region and "region=" not in before:
        before += f"{'&' if '?' in before else '?'}region={region}"
    return f"https://{f'{region}.' if region else ''}{host}{before}{mark}{fragment}"


def _own_url(text: str, partition: Partition) -> str:
    console = _HOSTS[partition.name].console
    parts = split_url(text)
    host = parts.hostname if parts else ""
    is_console = bool(host) and (host == console or str(host).endswith(f".{console}"))
    if parts is None or not is_console or parts.scheme != "https" or "@" in parts.netloc:
        raise RefusedError(
            f"{text[:80]!a} is not a page of the AWS console of {partition.name}",
            hint=f"a destination is a service, a path, or a URL on https://{console}",
        )
    if parts.port not in _HTTPS_PORTS:
        raise RefusedError(f"{text[:80]!a} names a port, which the AWS console does not have", hint="leave it out")
    first, _, rest = str(host).partition(".")
    own_host = rest if _SESSION_LABEL.fullmatch(first) else str(host)
    return parts._replace(netloc=own_host).geturl()


# The portal's way


def shortcut_url(start_url: str, role: Role, target: str) -> str:
    """Give the portal's shortcut link to a role; an empty `target` leaves the page to the portal (a relay state).

    Every portal is extended alike: awsapps.com/start, GovCloud's awsapps.com/directory/NAME, the dual-stack app.aws
    (IAM Identity Center User Guide, "Creating shortcut links").
    """
    pairs = {"account_id": role.account_id, "role_name": role.name, **({"destination": target} if target else {})}
    return f"{start_url.rstrip('/')}/#/console?{urlencode(pairs, quote_via=quote, safe='')}"


# Federation's way


def sign_in_endpoint(region: str) -> str:
    """Give the base URL of the sign-in service for a region, without a final slash."""
    hosts = _HOSTS[partition_of(region).name]
    is_plain = hosts.home in ("*", region)
    return f"https://{'' if is_plain else f'{region}.'}{hosts.sign_in}"


def token_request(credentials: RoleCredentials) -> bytes:
    """Give the form that asks for a sign-in token. It holds the keys: it is a body, never a URL (SECURITY G3).

    There is no SessionDuration: without one the console lasts as long as the credentials, and with one AWS refuses
    those of a chained role.
    """
    session = {
        "sessionId": credentials.access_key_id,
        "sessionKey": credentials.secret_access_key.reveal(),
        "sessionToken": credentials.session_token.reveal(),
    }
    return urlencode({"Action": "getSigninToken", "Session": json.dumps(session)}).encode("ascii")


def login_url(endpoint: str, sign_in_token: str, target: str, issuer: str) -> str:
    """Give the link that signs a browser in. It is a secret for the quarter of an hour that it is good for."""
    pairs = {
        "Action": "login",
        "Issuer": issuer or _ISSUER,
        "Destination": target,
        "SigninToken": sign_in_token,
    }
    return f"{endpoint}/federation?{urlencode(pairs, quote_via=quote, safe='')}"

from __future__ import annotations

import itertools
from urllib.parse import urlsplit

import botocore.session
import pytest
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointProviderError
from hypothesis import given, settings
from hypothesis import strategies as st

from awssso_helper.endpoints import (
    PARTITIONS,
    aws_endpoints,
    host_of,
    is_aws_portal,
    is_aws_sign_in_url,
    is_loopback,
    normalised_start_url,
    partition_of,
    region_of_start_url,
    serves_dual_stack,
    split_url,
)
from awssso_helper.errors import UsageError

# botocore is the referee


def botocore_regions(session):
    names = {
        region
        for service, partition in itertools.product(
            ("sso", "sso-oidc", "ec2", "sts"), session.get_available_partitions()
        )
        for region in session.get_available_regions(service, partition)
    }
    return sorted(name for name in names if not name.endswith("-global"))


def test_every_endpoint_is_the_one_that_botocore_resolves():
    session = botocore.session.Session()
    loader = session.get_component("data_loader")
    partitions = loader.load_data("partitions")
    providers = {
        service: EndpointProvider(loader.load_service_model(service, "endpoint-rule-set-1"), partitions)
        for service in ("sso", "sso-oidc")
    }
    compared = []
    for region, fips, dual_stack in itertools.product(botocore_regions(session), (False, True), (False, True)):
        ours = aws_endpoints(region, fips=fips, dual_stack=dual_stack)
        for service, url in (("sso", ours.portal), ("sso-oidc", ours.oidc)):
            try:
                theirs = providers[service].resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual_stack)
            except EndpointProviderError:
                continue  # botocore knows no such endpoint
            assert (region, fips, dual_stack, url) == (region, fips, dual_stack, theirs.url)
            compared.append(url)
    assert len(compared) > 250
    assert len({urlsplit(url).hostname.partition(".")[2] for url in compared}) > 40


def test_a_region_is_in_the_partition_that_botocore_puts_it_in():
    session = botocore.session.Session()
    for region in botocore_regions(session):
        assert partition_of(region).name == session.get_partition_for_region(region)


def test_a_client_of_botocore_goes_where_we_go():
    session = botocore.session.Session()
    for region in ("eu-central-1", "us-gov-west-1", "cn-north-1"):
        client = session.create_client("sso", region_name=region, aws_access_key_id="x", aws_secret_access_key="y")
        assert client.meta.endpoint_url == aws_endpoints(region).portal


@pytest.mark.parametrize("region", ["ap-southeast-9", "mx-central-1", "xy-northwest-12"])
def test_a_region_of_tomorrow_is_in_the_first_partition(region):
    assert aws_endpoints(region).portal == f"https://portal.sso.{region}.amazonaws.com"


HOSTILE_REGIONS = [
    "",
    " ",
    "us-east-1.evil.com",
    "evil.com/#",
    "us-east-1@evil",
    "us-east-1#",
    "us-east-1/",
    "us-east-1?x",
    "us-east-1:443",
    "us-east-1\\",
    "us-east-1 ",
    " us-east-1",
    "us-east-1\n",
    "us-east-1\r\nHost: evil",
    "us-east-1\x00",
    "us-east-1%2eevil",
    "us-east-1.",
    "..",
    "../..",
    "US-EAST-1",
    "us_east_1",
    "us-east",
    "us-east-",
    "us-east-1111",
    "us-east-1-evil",
    "us-east-\u0661",
    "us\u2011east\u20111",
    "\uff55\uff53-east-1",
    "aws-global",
    "localhost",
    "127.0.0.1",
    "[::1]",
    "us-iso-east-1-x",
    "eusc-xx-east-1",
    "x" * 10_240,
    "us-" + "e" * 10_240 + "-1x",
]


@pytest.mark.parametrize("region", HOSTILE_REGIONS, ids=lambda region: repr(region)[:30])
def test_a4_nothing_but_a_region_becomes_part_of_a_host(region):
    with pytest.raises(UsageError) as caught:
        aws_endpoints(region)
    assert caught.value.message.isprintable()
    assert caught.value.message.isascii()
    assert len(caught.value.message) < 300
    assert caught.value.exit_status == 2


@given(st.text(max_size=30) | st.from_regex(r"[a-z-]{2,8}-[a-z]{1,8}-[0-9]{1,3}", fullmatch=True))
@settings(max_examples=500)
def test_a4_any_region_gives_a_host_of_aws_or_is_refused(region):
    try:
        endpoints = aws_endpoints(region)
    except UsageError:
        return
    suffixes = tuple(f".{each.dns_suffix}" for each in PARTITIONS)
    for url in (endpoints.oidc, endpoints.portal):
        parts = split_url(url)
        assert parts is not None
        assert parts.netloc == parts.hostname
        assert parts.hostname.endswith(suffixes)
        assert parts.path == ""


# Start URLs as people paste them (PAINS 29, 30; PROTOCOL 1.5)

PORTAL = "https://d-1234567890.awsapps.com/start"
PASTED = {
    PORTAL: PORTAL,
    f"{PORTAL}/": PORTAL,
    f"{PORTAL}///": PORTAL,
    f"{PORTAL}#": PORTAL,
    f"{PORTAL}#/": PORTAL,
    f"{PORTAL}/#/": PORTAL,
    f"{PORTAL}\\#/": PORTAL,
    f"{PORTAL}/\\#/": PORTAL,
    f"{PORTAL}\\": PORTAL,
    f"{PORTAL}/#/?tab=accounts": PORTAL,
    f"{PORTAL}?x=y#z": PORTAL,
    f"  {PORTAL}\n": PORTAL,
    f"\t{PORTAL}/ ": PORTAL,
    "HTTPS://D-1234567890.AWSAPPS.COM/start": PORTAL,
    "d-1234567890.awsapps.com/start": PORTAL,
    "d-1234567890.awsapps.com": PORTAL,
    "https://d-1234567890.awsapps.com": PORTAL,
    "https://d-1234567890.awsapps.com/": PORTAL,
    "https://My-Company.awsapps.com/start#": "https://my-company.awsapps.com/start",
    "https://corp.awsapps.cn": "https://corp.awsapps.cn/start",
    "https://start.us-gov-home.awsapps.com/directory/corp/#/": "https://start.us-gov-home.awsapps.com/directory/corp",
    "https://ssoins-1234.portal.eu-west-1.app.aws/": "https://ssoins-1234.portal.eu-west-1.app.aws",
    "https://identitycenter.amazonaws.com/ssoins-1234": "https://identitycenter.amazonaws.com/ssoins-1234",
    "https://sso.example.com/#/": "https://sso.example.com",
    "https://SSO.example.com/Path/": "https://sso.example.com/Path",
    "http://127.0.0.1:8080/start/": "http://127.0.0.1:8080/start",
    "http://localhost:8080": "http://localhost:8080",
    "http://[::1]:8080/start": "http://[::1]:8080/start",
}


@pytest.mark.parametrize(("pasted", "canonical"), PASTED.items(), ids=map(repr, PASTED))
def test_a_start_url_is_brought_to_one_form(pasted, canonical):
    assert normalised_start_url(pasted) == canonical
    assert normalised_start_url(canonical) == canonical


NO_START_URLS = [
    "",
    "   ",
    "#",
    "/",
    "https://",
    "https:///start",
    "http://d-1234567890.awsapps.com/start",
    "ftp://d-1234567890.awsapps.com/start",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "https://ada:secret@d-1234567890.awsapps.com/start",
    "https://d-1234567890.awsapps.com@evil.example/start",
    "https://@evil.example",
    "https://d-1234567890.awsapps.com:port/start",
    "https://d-1234567890.awsapps.com:99999/start",
    "https://d-12345 67890.awsapps.com/start",
    "https://d-1234567890.awsapps.com/st art",
    "https://d-1234567890.awsapps.com/start\x00",
    "https://d-1234567890.awsapps.com/\x1b[31m",
    "https://d-1234567890.awsapps.com/\r\nsso_region = x",
    "https://d-1234567890\\.awsapps.com/start",
    "https://d-1234567890.\u0430wsapps.com/start",
    "https://d-1234567890.awsapps\u3002com/start",
    "https://.awsapps.com/start",
    "https://d-1..awsapps.com/start",
    "https://evil.example%2f.awsapps.com/start",
    "https://evil.example;.awsapps.com/start",
    "https://evil.example,.awsapps.com/start",
    "https://$(id).awsapps.com/start",
    "https://[::1/start",
    '"https://d-1234567890.awsapps.com/start"',
    f"https://{'x' * 5000}.awsapps.com/start",
    "--start-url",
]


@pytest.mark.parametrize("text", NO_START_URLS, ids=lambda text: repr(text)[:40])
def test_what_is_no_start_url_is_refused_with_an_example(text):
    with pytest.raises(UsageError) as caught:
        normalised_start_url(text)
    assert "https://" in caught.value.hint
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 600


@given(st.text(max_size=40) | st.text("htps:/#?.\\@[]%a1-", max_size=30).map("https://".__add__))
@settings(max_examples=1000)
def test_any_text_becomes_a_stable_start_url_or_is_refused(text):
    try:
        once = normalised_start_url(text)
    except UsageError:
        return
    assert normalised_start_url(once) == once
    parts = split_url(once)
    assert parts.scheme == "https" or is_loopback(parts.hostname)
    assert not set("#?\\ ") & set(once)
    assert "@" not in parts.netloc


@pytest.mark.parametrize(
    ("url", "region", "dual_stack"),
    [
        ("https://ssoins-1.portal.eu-west-1.app.aws", "eu-west-1", True),
        ("https://ssoins-1.portal.cn-north-1.app.amazonwebservices.com.cn/", "cn-north-1", True),
        ("https://ssoins-1.portal.eusc-de-east-1.api.amazonwebservices.eu", "eusc-de-east-1", True),
        ("https://ssoins-1.eu-west-1.portal.amazonaws.com", "eu-west-1", False),
        ("https://ssoins-1.us-gov-west-1.portal.amazonaws.com/x", "us-gov-west-1", False),
        ("https://ssoins-1.cn-north-1.portal.amazonaws.com.cn", "cn-north-1", False),
        ("https://ssoins-1.eusc-de-east-1.portal.amazonaws.eu", "eusc-de-east-1", False),
        ("https://SSOINS-1.portal.EU-WEST-1.app.aws", "eu-west-1", True),
        (PORTAL, None, False),
        ("https://ssoins-1.portal.evil.app.aws", None, True),
        ("https://ssoins-1.portal.eu-west-1.app.aws.evil.example", None, False),
        ("https://evil.example/ssoins-1.portal.eu-west-1.app.aws", None, False),
        ("https://sso.example.com", None, False),
        ("not a url", None, False),
    ],
)
def test_region_and_endpoint_family_follow_the_portal_host(url, region, dual_stack):
    assert region_of_start_url(url) == region
    assert serves_dual_stack(url) == dual_stack


# Where a browser may be sent (SECURITY B6)

GOOD_URLS = [
    ("https://oidc.us-east-1.amazonaws.com/authorize?x=y", "us-east-1"),
    ("https://oidc.us-east-1.amazonaws.com:443/authorize", "us-east-1"),
    ("https://OIDC.us-east-1.amazonaws.com/authorize", "us-east-1"),
    ("https://oidc-fips.us-east-1.amazonaws.com/authorize", "us-east-1"),
    ("https://oidc.eu-west-1.api.aws/authorize", "us-east-1"),
    ("https://oidc-fips.us-gov-west-1.api.aws/authorize", "us-gov-west-1"),
    ("https://oidc.cn-north-1.amazonaws.com.cn/authorize", "cn-north-1"),
    ("https://oidc.cn-northwest-1.api.amazonwebservices.com.cn/authorize", "cn-north-1"),
    ("https://oidc.eusc-de-east-1.amazonaws.eu/authorize", "eusc-de-east-1"),
    ("https://oidc.us-iso-east-1.c2s.ic.gov/authorize", "us-iso-east-1"),
    ("https://device.sso.us-east-1.amazonaws.com/", "us-east-1"),
    ("https://device.sso.us-east-1.amazonaws.com/?user_code=ABCD-EFGH", "us-east-1"),
    ("https://device.sso.cn-north-1.amazonaws.com.cn/?user_code=ABCD-EFGH", "cn-north-1"),
    ("https://d-1234567890.awsapps.com/start/#/device?user_code=ABCD-EFGH", "us-east-1"),
    ("https://d-1234567890.awsapps.cn/start", "cn-north-1"),
    ("https://ssoins-1.portal.eu-west-1.app.aws/?user_code=ABCD-EFGH", "us-east-1"),
    ("https://identitycenter.amazonaws.com/ssoins-1", "us-east-1"),
    ("https://identitycenter.us-gov.amazonaws.com/x", "us-gov-west-1"),
    ("https://ssoins-1.eusc-de-east-1.portal.amazonaws.eu/", "eusc-de-east-1"),
    ("https://d-1234567890.awsapps.com/start", "us-gov-west-1"),
]
BAD_URLS = [
    "",
    "-",
    "--help",
    "-https://d-1234567890.awsapps.com/start",
    "d-1234567890.awsapps.com/start",
    "//d-1234567890.awsapps.com/start",
    "http://d-1234567890.awsapps.com/start",
    "http://oidc.us-east-1.amazonaws.com/authorize",
    "ftp://d-1234567890.awsapps.com/start",
    "file:///usr/share/doc",
    "file://d-1234567890.awsapps.com/start",
    "javascript://d-1234567890.awsapps.com/%0aalert(1)",
    "javascript:alert(1)",
    "data:text/html,x",
    "vbscript://d-1234567890.awsapps.com",
    "https:d-1234567890.awsapps.com",
    "https:/d-1234567890.awsapps.com",
    "https:///d-1234567890.awsapps.com",
    "https://awsapps.com/start",
    "https://.awsapps.com/start",
    "https://xawsapps.com/start",
    "https://d-1.awsapps.com.evil.example/start",
    "https://d-1.awsapps.com./start",
    "https://evil.example/.awsapps.com",
    "https://evil.example#.awsapps.com",
    "https://evil.example?.awsapps.com",
    "https://evil.example\\.awsapps.com/start",
    "https://evil.example%2f.awsapps.com/start",
    "https://evil.example%00.awsapps.com/start",
    "https://evil.example;.awsapps.com/start",
    "https://evil.example&.awsapps.com/start",
    "https://ada@d-1.awsapps.com/start",
    "https://ada:pw@d-1.awsapps.com/start",
    "https://d-1.awsapps.com@evil.example/",
    "https://@d-1.awsapps.com/",
    "https://d-1.awsapps.com:8443/start",
    "https://d-1.awsapps.com:0/start",
    "https://d-1.awsapps.com:x/start",
    "https://d-1.awsapps.com:443443/start",
    "https://d-1.awsapps.com/start\n--renderer-cmd-prefix=x",
    "https://d-1.awsapps.com/start\x00",
    "https://d-1.awsapps.com/\x1b]0;x\x07",
    "https://d-1.awsapps.com/a b",
    " https://d-1.awsapps.com/start",
    "https://d-1.awsapps.com/\u202e",
    "https://d-1.\u0430wsapps.com/start",
    "https://d-1.awsapps\uff0ecom/start",
    "https://[::1]/start",
    "https://127.0.0.1/start",
    "https://localhost/start",
    "https://oidc.evil.amazonaws.com/authorize",
    "https://oidc.us-east-1.evil.amazonaws.com/authorize",
    "https://oidc.evil.s3.amazonaws.com/authorize",
    "https://oidc.evil.s3.us-east-1.amazonaws.com/authorize",
    "https://device.sso.evil.elb.us-east-1.amazonaws.com/",
    "https://oidc.us-east-1.amazonaws.com.evil.example/authorize",
    "https://oidc.amazonaws.com/authorize",
    "https://oidc.us-east-1.amazonaws.eu.example/authorize",
    "https://evil.amazonaws.com/authorize",
    "https://s3.amazonaws.com/evil/index.html",
    "https://evil.execute-api.us-east-1.amazonaws.com/",
    "https://d-1.awsapps.com/" + "x" * 5000,
]


REGIONS = ("us-east-1", "us-gov-west-1", "cn-north-1", "eusc-de-east-1", "us-iso-east-1", "us-isob-east-1")


@pytest.mark.parametrize(("url", "region"), GOOD_URLS)
def test_b6_a_browser_may_go_to_aws_to_sign_in(url, region):
    assert is_aws_sign_in_url(url, region)


@pytest.mark.parametrize(("url", "region"), GOOD_URLS)
def test_b6_a_session_of_another_partition_sends_no_browser_there(url, region):
    # The commercial partition and GovCloud have portals of one domain; their endpoints differ.
    is_endpoint = url.lower().startswith(("https://oidc", "https://device.sso"))
    related = set() if is_endpoint else {"us-east-1", "us-gov-west-1"}
    for other in {*REGIONS} - {region} - (related if region in related else set()):
        assert not is_aws_sign_in_url(url, other), other


@pytest.mark.parametrize("url", BAD_URLS, ids=lambda url: repr(url)[:60])
def test_b6_a_browser_goes_nowhere_else(url):
    assert not any(is_aws_sign_in_url(url, region) for region in REGIONS)


def test_b6_every_endpoint_of_ours_is_a_place_to_sign_in():
    for fips, dual_stack in itertools.product((False, True), (False, True)):
        for region in REGIONS:
            endpoints = aws_endpoints(region, fips=fips, dual_stack=dual_stack)
            assert is_aws_sign_in_url(f"{endpoints.oidc}/authorize?x=y", region)
            assert not is_aws_sign_in_url(f"http{endpoints.oidc[5:]}/authorize", region)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.255.0.9", "::1"])
def test_this_machine_is_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["", "0.0.0.0", "::", "127.1", "2130706433", "0x7f000001", "localhost.evil.example", "LOCALHOST.", "10.0.0.1"],
)
def test_no_other_host_is_loopback(host):
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://A.Example:1/x", "a.example"),
        ("http://[::1]:8/x", "::1"),
        ("x", ""),
        ("https://", ""),
        ("https://a b/", ""),
    ],
)
def test_the_host_of_a_url(url, host):
    assert host_of(url) == host


def test_a_lookalike_is_no_portal_of_aws():
    assert not any(is_aws_portal(f"https://{host}") for host in ("awsapps.com", "evil-awsapps.com", "app.aws.example"))

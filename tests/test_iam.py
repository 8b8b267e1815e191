"""Which way signed calls go: by the proxy, or past it."""

from __future__ import annotations

import pytest
from wire import Authority, sends_and_holds, servers, tunnels_to

from awssso_helper import iam
from awssso_helper.environment import Environment
from awssso_helper.errors import NetworkError
from awssso_helper.model import Secret

HOST = "sts.eu-west-1.amazonaws.com"
KEYS = iam.Keys("AKIAIOSFODNN7EXAMPLE", Secret("secret"), None, "eu-west-1")
ARN = "arn:aws:iam::111122223333:user/ada"
ANSWER = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    f"<Arn>{ARN}</Arn><UserId>AIDA</UserId><Account>111122223333</Account>"
    "</GetCallerIdentityResult></GetCallerIdentityResponse>"
).encode()


@pytest.fixture
def proxy(tmp_path, monkeypatch):
    """A company's network: no name of AWS is resolved here, the proxy does it."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.bundle))
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {len(ANSWER)}\r\n\r\n"
    with servers() as start:
        service = start(sends_and_holds(head.encode() + ANSWER), tls=authority.server_context(HOST))
        found = start(tunnels_to(service))
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{found.port}")
        yield found


@pytest.fixture
def calls(tmp_path):
    return iam.Iam(Environment({"AWS_CA_BUNDLE": str(tmp_path / "authority.pem")}))


# A host without its region is none that a call goes to.
@pytest.mark.parametrize("exempt", ["", "sts.amazonaws.com", "example.com"])
def test_a6_a_signed_call_takes_the_proxy_and_resolves_no_name_but_its(proxy, calls, monkeypatch, exempt):
    monkeypatch.setenv("NO_PROXY", exempt)
    assert calls.principal(KEYS).arn == ARN
    assert proxy.requests[0].startswith(f"CONNECT {HOST}:443 ".encode())


@pytest.mark.parametrize("exempt", [HOST, ".eu-west-1.amazonaws.com"])
def test_a6_a_signed_call_goes_past_the_proxy_where_the_region_s_host_is_exempt(proxy, calls, monkeypatch, exempt):
    monkeypatch.setenv("NO_PROXY", exempt)
    with pytest.raises(NetworkError):
        calls.principal(KEYS)
    assert proxy.requests == []


def test_a6_a_proxy_whose_name_nobody_knows_is_said(calls, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    with pytest.raises(NetworkError, match=r"proxy\.invalid is a name that cannot be resolved"):
        calls.principal(KEYS)

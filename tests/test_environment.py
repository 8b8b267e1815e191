from __future__ import annotations

import os
from pathlib import Path

import pytest

from awssso_helper.endpoints import Endpoints
from awssso_helper.environment import Environment
from awssso_helper.errors import RefusedError, UsageError

START_URL = "https://d-1234567890.awsapps.com/start"
OVERRIDES = {"AWS_ENDPOINT_URL_SSO": "portal", "AWS_ENDPOINT_URL_SSO_OIDC": "oidc"}
AWS = Endpoints("https://oidc.us-east-1.amazonaws.com", "https://portal.sso.us-east-1.amazonaws.com")


def endpoints(variables, start_url=START_URL, trusted_hosts=(), region="us-east-1"):
    return Environment(variables).endpoints(region, start_url, trusted_hosts=trusted_hosts)


# Endpoints


def test_without_variables_the_endpoints_are_those_of_aws():
    assert endpoints({}) == AWS


@pytest.mark.parametrize(("variable", "which"), OVERRIDES.items())
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:4566",
        "http://127.0.0.1:4566/",
        "http://localhost:1/p",
        "http://[::1]:8",
        "https://127.0.0.1:1",
    ],
)
def test_a_loopback_endpoint_is_taken(variable, which, url):
    seen = endpoints({variable: url})
    assert getattr(seen, which) == url.rstrip("/")
    other = "oidc" if which == "portal" else "portal"
    assert getattr(seen, other) == getattr(AWS, other)


REFUSED = [
    "https://evil.example",
    "https://sso.corp.example:444@evil.example",
    "http://sso.corp.example",
    "https://ada:pw@sso.corp.example",
    "https://sub.sso.corp.example",
    "https://sso.corp.example.evil.example",
    "http://10.0.0.1:4566",
    "http://0.0.0.0:4566",
    "http://ada@127.0.0.1:1",
    "http://127.0.0.1@evil.example",
    "http://127.0.0.1.evil.example",
    "ftp://127.0.0.1",
    "file:///tmp/x",
    "127.0.0.1:4566",
    "localhost",
    "http://",
    "http://127.0.0.1:99999",
    "http://127.0.0.1:1/\x1b",
    "http://127.0.0.1:1/a b",
    "http://local\u0068ost\u3002evil",
]


@pytest.mark.parametrize("variable", OVERRIDES)
@pytest.mark.parametrize("url", REFUSED)
def test_a3_an_endpoint_that_nobody_trusts_is_refused_and_not_just_ignored(variable, url):
    with pytest.raises(RefusedError) as caught:
        endpoints({variable: url}, trusted_hosts=("sso.corp.example",))
    assert caught.value.exit_status == 6
    assert variable in caught.value.message
    assert "pw" not in caught.value.message
    assert caught.value.message.isprintable()
    assert "trusted_endpoint_hosts" in caught.value.hint


@pytest.mark.parametrize(
    "url", ["https://sso.corp.example", "https://SSO.corp.example:8443/sso/", " https://sso.corp.example "]
)
def test_an_endpoint_that_our_own_settings_trust_is_taken(url):
    seen = endpoints({"AWS_ENDPOINT_URL_SSO": url}, trusted_hosts=("sso.corp.example",))
    assert seen.portal == url.strip().rstrip("/")


@pytest.mark.parametrize("value", ["true", "True", " TRUE "])
def test_endpoint_variables_can_be_switched_off(value):
    switched_off = {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": value}
    assert endpoints({"AWS_ENDPOINT_URL_SSO": "https://evil.example", **switched_off}) == AWS


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_SSO_ADMIN"])
def test_a3_a_variable_for_everything_or_something_else_moves_no_token(variable):
    assert endpoints({variable: "http://127.0.0.1:4566"}) == AWS


def test_a3_a_config_file_moves_no_token(home):
    (home / ".aws").mkdir()
    (home / ".aws" / "config").write_text(
        "[default]\nendpoint_url = http://127.0.0.1:1\nservices = s\n[services s]\nsso =\n  endpoint_url = http://127.0.0.1:1\n"
    )
    assert endpoints(os.environ) == AWS


@pytest.mark.parametrize(
    ("variables", "start_url", "portal"),
    [
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, START_URL, "https://portal.sso-fips.us-east-1.amazonaws.com"),
        ({"AWS_USE_FIPS_ENDPOINT": "false"}, START_URL, "https://portal.sso.us-east-1.amazonaws.com"),
        ({"AWS_USE_FIPS_ENDPOINT": "1"}, START_URL, "https://portal.sso.us-east-1.amazonaws.com"),
        ({"AWS_USE_DUALSTACK_ENDPOINT": "true"}, START_URL, "https://portal.sso.us-east-1.api.aws"),
        (
            {"AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_USE_FIPS_ENDPOINT": "TRUE"},
            START_URL,
            "https://portal.sso-fips.us-east-1.api.aws",
        ),
        ({}, "https://ssoins-1.portal.us-east-1.app.aws", "https://portal.sso.us-east-1.api.aws"),
        (
            {"AWS_USE_DUALSTACK_ENDPOINT": "false"},
            "https://ssoins-1.portal.us-east-1.app.aws",
            "https://portal.sso.us-east-1.api.aws",
        ),
    ],
)
def test_the_endpoint_family_follows_the_variables_and_the_portal(variables, start_url, portal):
    assert endpoints(variables, start_url).portal == portal


def test_a4_no_region_no_endpoint_whatever_the_variables_say():
    with pytest.raises(UsageError):
        endpoints({"AWS_ENDPOINT_URL_SSO": "http://127.0.0.1:1"}, region="us-east-1.evil.example")


# Files


def test_the_files_of_aws_are_where_everyone_looks(home):
    environment = Environment()
    assert environment.aws_config_file == home / ".aws" / "config"
    assert environment.aws_credentials_file == home / ".aws" / "credentials"


@pytest.mark.parametrize("value", ["~/other/config", "$HOME/other/config", "${HOME}/other/config", "other/config"])
def test_aws_config_file_is_expanded_as_botocore_does(home, value, monkeypatch):
    import botocore.configloader

    (home / "other").mkdir()
    (home / "other" / "config").write_text("[profile here]\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", value)
    assert Environment().aws_config_file == home / "other" / "config"
    assert "here" in botocore.configloader.load_config(value)["profiles"]


def test_the_two_file_variables_are_kept_apart(home, monkeypatch):
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "~/c")
    assert Environment().aws_credentials_file == home / "c"
    assert Environment().aws_config_file == home / ".aws" / "config"


def test_an_empty_file_variable_is_none(home, monkeypatch):
    monkeypatch.setenv("AWS_CONFIG_FILE", "")
    assert Environment().aws_config_file == home / ".aws" / "config"


@pytest.mark.parametrize("value", ["relative/home", "."])
def test_a_home_that_is_no_absolute_path_is_refused(monkeypatch, value):
    monkeypatch.setenv("HOME", value)
    with pytest.raises(UsageError, match="no home directory"):
        _ = Environment().home


def test_without_home_the_password_database_knows(monkeypatch):
    import pwd

    monkeypatch.delenv("HOME")
    assert Environment().home == Path(pwd.getpwuid(os.getuid()).pw_dir)


def test_our_own_files_follow_the_xdg_variables(home, monkeypatch, tmp_path):
    for name in ("CONFIG", "CACHE", "STATE", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name))
    environment = Environment()
    assert environment.settings_file == tmp_path / "CONFIG" / "awssso" / "config"
    assert environment.cache_dir == tmp_path / "CACHE" / "awssso"
    assert environment.state_dir == tmp_path / "STATE" / "awssso"
    assert environment.lock_dir.is_relative_to(environment.state_dir)
    assert environment.ledger_file.is_relative_to(environment.state_dir)
    monkeypatch.setenv("AWSSSO_CONFIG", "mine")
    assert Environment().settings_file == home / "mine"


@pytest.mark.parametrize("value", ["unset", "", "relative/path", "/absolute"])
def test_our_own_files_are_where_platformdirs_has_them(monkeypatch, value):
    import platformdirs

    for name in ("CONFIG", "CACHE", "STATE", "DATA"):
        if value == "unset":
            monkeypatch.delenv(f"XDG_{name}_HOME")
        else:
            monkeypatch.setenv(f"XDG_{name}_HOME", value)
    environment = Environment()
    assert environment.settings_file.parent == Path(platformdirs.user_config_dir("awssso"))
    assert environment.cache_dir == Path(platformdirs.user_cache_dir("awssso"))
    assert environment.state_dir == Path(platformdirs.user_state_dir("awssso"))
    assert environment.data_dir == Path(platformdirs.user_data_dir("awssso"))


def test_locks_do_not_follow_tmpdir(monkeypatch, tmp_path):
    before = Environment().lock_dir
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert Environment().lock_dir == before


def test_the_environment_is_that_of_the_moment_it_was_made(monkeypatch):
    environment = Environment()
    monkeypatch.setenv("AWS_CA_BUNDLE", "/late")
    assert environment.ca_bundle is None


# Network


def test_a6_the_first_certificate_bundle_that_is_set_counts():
    bundles = {"SSL_CERT_FILE": "c", "REQUESTS_CA_BUNDLE": "b", "AWS_CA_BUNDLE": "a"}
    seen = []
    while bundles:
        seen.append(Environment(bundles).ca_bundle)
        bundles.popitem()
    assert seen == ["a", "b", "c"]
    assert Environment({"AWS_CA_BUNDLE": ""}).ca_bundle is None


@pytest.mark.parametrize(
    ("url", "variables", "proxy"),
    [
        ("https://a.example/", {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ("https://a.example/", {"https_proxy": "http://p:1"}, "http://p:1"),
        ("https://a.example/", {"HTTPS_PROXY": "p:1"}, "http://p:1"),
        ("https://a.example/", {"HTTP_PROXY": "http://p:1"}, None),
        ("http://a.example/", {"http_proxy": "http://p:1"}, "http://p:1"),
        ("https://a.example/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a.example"}, None),
        ("https://a.example/", {"HTTPS_PROXY": "http://p:1", "no_proxy": ".example"}, None),
        ("https://a.example/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
        ("https://a.example/", {"HTTPS_PROXY": ""}, None),
        ("https://127.0.0.1/", {"HTTPS_PROXY": "http://p:1"}, None),
        ("https://localhost/", {"HTTPS_PROXY": "http://p:1"}, None),
        ("http://[::1]:80/", {"http_proxy": "http://p:1"}, None),
        ("not a url", {"HTTPS_PROXY": "http://p:1"}, None),
    ],
)
def test_a6_the_proxy_for_a_url(monkeypatch, url, variables, proxy):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Environment().proxy_for(url) == proxy


# People


@pytest.mark.parametrize(
    ("variables", "because"),
    [
        ({}, None),
        ({"SSH_CONNECTION": "1 2 3 4"}, "over SSH"),
        ({"SSH_TTY": "/dev/pts/0"}, "over SSH"),
        ({"SSH_TTY": ""}, None),
        ({"WSL_DISTRO_NAME": "Debian"}, "under WSL"),
    ],
)
def test_why_a_browser_could_not_call_back(variables, because):
    assert Environment(variables).no_browser_because == because


@pytest.mark.parametrize(
    ("variables", "can"), [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)]
)
def test_color_only_where_the_variables_leave_room(variables, can):
    assert Environment(variables).can_color() is can


def test_every_variable_that_is_read_is_in_the_table():
    import re

    import awssso_helper.environment as room

    source = Path(room.__file__).read_text()
    table, code = source.split('"""\n', 2)[0:2] if source.startswith('"""') else ("", source)
    read = set(re.findall(r'"([A-Z][A-Z_]{3,})"', code))
    assert read - {name for name in read if f"`{name}`" in table} <= {"SSH_CLIENT", "TERM"}

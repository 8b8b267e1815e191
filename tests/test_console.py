from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from sandbox import AWSSSO, SECONDS

from awssso_helper import candidates, console
from awssso_helper.callback import HandoffServer
from awssso_helper.endpoints import PARTITIONS, partition_of
from awssso_helper.errors import RefusedError, UsageError
from awssso_helper.model import Deadline, Role, RoleCredentials, Secret
from awssso_helper.simulator import TrustingRole

ROLE = Role("corp", "123456789012", "S3FullAccess")
AWS, CHINA, GOV, EUSC = (partition_of(each) for each in ("us-east-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1"))


# Destinations


@pytest.mark.parametrize(
    ("text", "region", "partition", "url"),
    [
        ("", "", AWS, "https://console.aws.amazon.com/console/home"),
        ("", "eu-west-1", AWS, "https://eu-west-1.console.aws.amazon.com/console/home?region=eu-west-1"),
        ("s3", "", AWS, "https://console.aws.amazon.com/s3/home"),
        ("EC2", "us-west-2", AWS, "https://us-west-2.console.aws.amazon.com/ec2/home?region=us-west-2"),
        (
            "logs",
            "eu-west-1",
            AWS,
            "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups",
        ),
        ("iam", "eu-west-1", AWS, "https://console.aws.amazon.com/iam/home"),
        ("s3", "cn-north-1", CHINA, "https://cn-north-1.console.amazonaws.cn/s3/home?region=cn-north-1"),
        ("s3", "", GOV, "https://console.amazonaws-us-gov.com/s3/home"),
        ("s3", "us-gov-east-1", GOV, "https://us-gov-east-1.console.amazonaws-us-gov.com/s3/home?region=us-gov-east-1"),
        (
            "",
            "eusc-de-east-1",
            EUSC,
            "https://eusc-de-east-1.console.amazonaws-eusc.eu/console/home?region=eusc-de-east-1",
        ),
        ("/ec2/home#Instances:", "", AWS, "https://console.aws.amazon.com/ec2/home#Instances:"),
        (
            "/ec2/home?x=1#Instances:",
            "eu-west-1",
            AWS,
            "https://eu-west-1.console.aws.amazon.com/ec2/home?x=1&region=eu-west-1#Instances:",
        ),
        (
            "/ec2/home?region=eu-west-3",
            "eu-west-1",
            AWS,
            "https://eu-west-1.console.aws.amazon.com/ec2/home?region=eu-west-3",
        ),
        ("/s3/b\u00fccket name", "", AWS, "https://console.aws.amazon.com/s3/b%C3%BCcket%20name"),
        ("https://console.aws.amazon.com/s3/x", "", AWS, "https://console.aws.amazon.com/s3/x"),
        ("https://s3.console.aws.amazon.com/s3/x#y", "eu-west-1", AWS, "https://s3.console.aws.amazon.com/s3/x#y"),
        (
            "https://509399598587-pyma7ahz.eu-west-2.console.aws.amazon.com/ecr/x?region=eu-west-2",
            "",
            AWS,
            "https://eu-west-2.console.aws.amazon.com/ecr/x?region=eu-west-2",
        ),
    ],
)
def test_a_destination_is_a_page_of_the_console(text, region, partition, url):
    assert console.destination(text, region, partition) == url


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com/",
        "http://console.aws.amazon.com/",
        "https://console.aws.amazon.com.example.com/",
        "https://example.com/console.aws.amazon.com",
        "https://evilconsole.aws.amazon.com/",
        "https://console.aws.amazon.com@example.com/",
        "https://user:pass@console.aws.amazon.com/",
        "https://console.aws.amazon.com:8443/",
        "https://console.aws.amazon.com\\@example.com/",
        "https://console.aws.amazon.com /",
        "https://console.aws.amazon.com/\n",
        "https://c\u043ensole.aws.amazon.com/",
        "https://console.amazonaws.cn/s3/home",
        "https://signin.aws.amazon.com/",
        "//example.com/x",
        "javascript://console.aws.amazon.com/%0aalert(1)",
        "file:///etc/passwd",
        "https:example.com",
        "https://",
    ],
)
def test_every_other_host_is_refused(text):
    with pytest.raises(RefusedError) as caught:
        console.destination(text, "", AWS)
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("text", ["/\\example.com", "/a\\b"])
def test_a_path_that_could_be_another_host_is_refused(text):
    with pytest.raises(UsageError):
        console.destination(text, "", AWS)


def test_a_service_that_is_not_known_is_suggested():
    with pytest.raises(UsageError) as caught:
        console.destination("cloudwach", "", AWS)
    assert "cloudwatch" in caught.value.hint


def test_a_region_of_another_partition_is_refused():
    for region in ("cn-north-1", "us-gov-west-1", "moon-1"):
        with pytest.raises(UsageError):
            console.destination("s3", region, AWS)


@pytest.mark.parametrize("partition", PARTITIONS, ids=lambda each: each.name)
def test_every_service_has_a_page_in_every_partition(partition):
    for name in console.SERVICES:
        url = urlsplit(console.destination(name, "", partition))
        assert url.scheme == "https"
        assert url.hostname.startswith("console.")
        assert console.destination(url.geturl(), "", partition) == url.geturl()


def test_completions_offer_the_services_that_there_are():
    assert list(candidates.SERVICES) == sorted(console.SERVICES)


# Links. The first four are the examples of the IAM Identity Center User Guide.


@pytest.mark.parametrize(
    ("start_url", "target", "url"),
    [
        (
            "https://example.awsapps.com/start",
            "https://console.aws.amazon.com/s3/home",
            (
                "https://example.awsapps.com/start/#/console?account_id=123456789012&role_name=S3FullAccess"
                "&destination=https%3A%2F%2Fconsole.aws.amazon.com%2Fs3%2Fhome"
            ),
        ),
        (
            "https://ssoins-1234567890abcdef.portal.us-east-1.app.aws",
            "https://console.aws.amazon.com/s3/home",
            (
                "https://ssoins-1234567890abcdef.portal.us-east-1.app.aws/#/console?account_id=123456789012"
                "&role_name=S3FullAccess&destination=https%3A%2F%2Fconsole.aws.amazon.com%2Fs3%2Fhome"
            ),
        ),
        (
            "https://start.us-gov-west-1.us-gov-home.awsapps.com/directory/example",
            "https://console.amazonaws-us-gov.com/s3/home",
            (
                "https://start.us-gov-west-1.us-gov-home.awsapps.com/directory/example/#/console?account_id=123456789012"
                "&role_name=S3FullAccess&destination=https%3A%2F%2Fconsole.amazonaws-us-gov.com%2Fs3%2Fhome"
            ),
        ),
        (
            "https://ssoins-1234567890abcdef.portal.us-gov-west-1.app.aws",
            "https://console.amazonaws-us-gov.com/s3/home",
            (
                "https://ssoins-1234567890abcdef.portal.us-gov-west-1.app.aws/#/console?account_id=123456789012"
                "&role_name=S3FullAccess&destination=https%3A%2F%2Fconsole.amazonaws-us-gov.com%2Fs3%2Fhome"
            ),
        ),
        (
            "https://start.home.awsapps.cn/directory/example",
            "",
            "https://start.home.awsapps.cn/directory/example/#/console?account_id=123456789012&role_name=S3FullAccess",
        ),
    ],
)
def test_the_portals_link_is_the_documented_one(start_url, target, url):
    assert console.shortcut_url(start_url, ROLE, target) == url


def test_every_character_of_a_role_name_is_encoded():
    url = console.shortcut_url("https://x.awsapps.com/start", Role("corp", "1" * 12, "a+b=c,d@e &#/?%"), "")
    fragment = urlsplit(url).fragment
    assert parse_qs(fragment.partition("?")[2])["role_name"] == ["a+b=c,d@e &#/?%"]
    assert "+" not in fragment


@pytest.mark.parametrize(
    ("region", "endpoint"),
    [
        ("us-east-1", "https://signin.aws.amazon.com"),
        ("eu-west-1", "https://signin.aws.amazon.com"),
        ("cn-northwest-1", "https://signin.amazonaws.cn"),
        ("us-gov-west-1", "https://signin.amazonaws-us-gov.com"),
        ("us-gov-east-1", "https://us-gov-east-1.signin.amazonaws-us-gov.com"),
        ("eusc-de-east-1", "https://eusc-de-east-1.signin.amazonaws-eusc.eu"),
    ],
)
def test_the_sign_in_service_is_the_partitions(region, endpoint):
    assert console.sign_in_endpoint(region) == endpoint


def test_the_sign_in_link_leads_where_it_should():
    url = urlsplit(console.login_url("https://signin.aws.amazon.com", "t/o+k=en", "https://x/y?a=b#c", "https://start"))
    assert (url.netloc, url.path) == ("signin.aws.amazon.com", "/federation")
    assert parse_qs(url.query) == {
        "Action": ["login"],
        "Issuer": ["https://start"],
        "Destination": ["https://x/y?a=b#c"],
        "SigninToken": ["t/o+k=en"],
    }


def test_the_request_for_a_token_is_a_form():
    keys = RoleCredentials("ASIA1", Secret("a/b+c"), Secret("d=e&f"), 0, "1" * 12)
    form = parse_qs(console.token_request(keys).decode())
    assert form["Action"] == ["getSigninToken"]
    assert json.loads(form["Session"][0]) == {"sessionId": "ASIA1", "sessionKey": "a/b+c", "sessionToken": "d=e&f"}


# The command


BROWSER = """#!{python} -IS
import json, os, sys, urllib.request
seen = {{"words": sys.argv[1:]}}
if sys.argv[-1].startswith("http://127.0.0.1:"):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
    with opener.open(sys.argv[-1], timeout=60) as page:
        seen["at"], seen["page"] = page.url, page.read().decode()
with open({record!r} + ".tmp", "w") as record:
    json.dump(seen, record)
os.rename({record!r} + ".tmp", {record!r})
"""


@pytest.fixture
def user(sandbox):
    sandbox.first_day()
    browser = sandbox.home / "my-browser"
    browser.write_text(BROWSER.format(python=sys.executable, record=str(sandbox.home / "record")))
    browser.chmod(0o755)
    sandbox.variables["BROWSER"] = str(browser)
    return sandbox


def seen_by_the_browser(user) -> dict:
    until = time.monotonic() + SECONDS
    while not (user.home / "record").exists():
        assert time.monotonic() < until, "no browser was started"
        time.sleep(0.02)
    text = (user.home / "record").read_text()
    # It holds what the browser may know and no file of ours does.
    (user.home / "record").unlink()
    return json.loads(text)


LINK = (
    "https://d-1234567890.awsapps.com/start/#/console?account_id=210987654321&role_name=ReadOnlyAccess"
    "&destination=https%3A%2F%2Feu-west-1.console.aws.amazon.com%2Fs3%2Fhome%3Fregion%3Deu-west-1"
)


def test_the_browser_opens_the_portals_link(user):
    done = user.ok("console", "production.ReadOnlyAccess", "-d", "s3", "--region", "eu-west-1")
    assert seen_by_the_browser(user)["words"] == [LINK]
    assert done.stdout == ""
    assert user.simulator.count("GetRoleCredentials") == 0


def test_the_link_is_printed_where_it_is_asked_for(user):
    done = user.ok("console", "production.ReadOnlyAccess", "-d", "s3", "--region", "eu-west-1", "--url")
    assert (done.stdout, done.stderr) == (f"{LINK}\n", "")
    assert not (user.home / "record").exists()


def test_without_a_destination_the_portal_has_the_choice(user):
    done = user.ok("console", "production.ReadOnlyAccess", "--url")
    assert "destination" not in done.stdout


def test_the_profiles_region_is_respected(user):
    user.settings(*user.settings_lines, "[profiles]", "region = eu-north-1")
    user.ok("sync")
    done = user.ok("console", "production.ReadOnlyAccess", "--url")
    assert unquote(done.stdout).endswith(
        "destination=https://eu-north-1.console.aws.amazon.com/console/home?region=eu-north-1\n"
    )


def test_the_console_works_signed_out_for_the_portal_asks(user):
    user.ok("logout")
    assert user.run("console", "production.ReadOnlyAccess", "--url").returncode == 0


def test_another_host_is_refused_before_a_browser_starts(user):
    done = user.run("console", "production.ReadOnlyAccess", "-d", "https://example.com/")
    assert done.returncode == 6
    assert not (user.home / "record").exists()


def test_a_browser_that_does_not_start_is_said(user):
    done = user.run("console", "production.ReadOnlyAccess", BROWSER="/no/such/browser")
    assert done.returncode == 1
    assert "hint: awssso console --url prints the link" in done.stderr


@pytest.mark.parametrize(
    ("name", "in_url", "in_word"),
    [
        ("Payments (EU) & Co", "Payments%20%28EU%29%20%26%20Co", "Payments (EU) - Co"),
        ("B\u00fcro #1", "B%C3%BCro%20%231", "B\u00fcro -1"),
        ("--no-sandbox", "--no-sandbox", "no-sandbox"),
        ("../../etc", "..%2F..%2Fetc", "etc"),
        ("a{url}b", "a%7Burl%7Db", "a-url-b"),
    ],
)
def test_each_account_has_its_own_browser(user, name, in_url, in_word):
    user.simulator.organization.add_account("619283746501", name)
    user.ok("sync")
    command = (
        f"{user.variables['BROWSER']} ext+container:name={{account_name}}&url={{url}} --as={{account_name}} {{url}}"
    )
    user.settings(*user.settings_lines, "[console]", "[[browsers]]", f"6192* = '{command}'")
    user.ok("console", "-A", "619283746501", "-R", "ReadOnlyAccess")
    words = seen_by_the_browser(user)["words"]
    container, directory, url = words
    assert container.startswith(f"ext+container:name={in_url}&url=https%3A%2F%2Fd-1234567890.awsapps.com%2Fstart%2F%23")
    assert unquote(container.partition("&url=")[2]) == url
    assert directory == f"--as={in_word}"


def test_the_consoles_own_browser_comes_before_the_usual_one(user):
    user.settings(*user.settings_lines, "[console]", f"browser = {user.variables['BROWSER']} -P {{account_id}} {{url}}")
    user.ok("console", "production.ReadOnlyAccess", BROWSER="/no/such/browser")
    assert seen_by_the_browser(user)["words"][:2] == ["-P", "210987654321"]


# Federation


def test_g2_federation_signs_the_browser_in_and_its_command_line_holds_no_token(user):
    user.ok("console", "production.ReadOnlyAccess", "--federate", "-d", "s3", "--debug")
    seen = seen_by_the_browser(user)
    assert "assumed-role/AWSReservedSSO_ReadOnlyAccess_" in seen["page"]
    assert "https://console.aws.amazon.com/s3/home" in seen["page"]
    assert "SigninToken" in seen["at"]
    assert "SigninToken" not in " ".join(seen["words"])
    assert not any(secret in word for secret in user.simulator.organization.issued_secrets() for word in seen["words"])


def test_g3_the_keys_go_in_the_body_of_a_post(user):
    user.ok("console", "production.ReadOnlyAccess", "--federate")
    seen_by_the_browser(user)
    call = user.simulator.calls("GetSigninToken")[0]
    assert (call.method, call.target) == ("POST", "/federation")


def test_a_chained_role_is_federated_by_itself(user):
    arn = user.simulator.organization.add_trusting_role(TrustingRole("482736190055", "deploy", ("210987654321",)))
    with user.config.open("a") as config:
        config.write(f"[profile deploy]\nrole_arn = {arn}\nsource_profile = production.PowerUserAccess\n")
    user.ok("console", "deploy")
    assert "assumed-role/deploy/awssso" in seen_by_the_browser(user)["page"]


def test_a_sign_in_link_is_printed_on_request_only(user):
    done = user.program(AWSSSO, "console", "production.ReadOnlyAccess", "--federate", "--url")
    assert done.stdout.startswith(f"{user.simulator.url}/federation?Action=login&")
    assert "Issuer=https%3A%2F%2Fd-1234567890.awsapps.com%2Fstart&" in done.stdout


def test_federation_needs_a_session(user):
    user.ok("logout")
    assert user.run("console", "production.ReadOnlyAccess", "--federate").returncode == 3


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 400, "body": b"no"},
        {"status": 302, "redirect": "http://127.0.0.1:9/"},
        {"body": b"[]"},
        {"body": b"{}"},
        {"body": b'{"SigninToken": 5}'},
        {"body": b'{"SigninToken": "a b&c"}'},
        {"body": b'{"SigninToken": ""}'},
        {"body": b"<html>"},
        {"body": b"[" * 60000},
    ],
)
def test_what_the_sign_in_service_should_not_say_opens_nothing(user, fault):
    user.simulator.misbehave("GetSigninToken", **fault)
    done = user.run("console", "production.ReadOnlyAccess", "--federate")
    assert done.returncode == 5
    assert len(done.stderr.splitlines()) == 2
    assert not (user.home / "record").exists()


def test_credentials_go_to_no_host_that_a_variable_names(user):
    for url in ("https://signin.example.com", "http://10.0.0.1", "https://signin.aws.amazon.com.example.com"):
        done = user.run("console", "production.ReadOnlyAccess", "--federate", AWS_ENDPOINT_URL_SIGNIN=url)
        assert done.returncode == 6
    assert user.simulator.count("GetSigninToken") == 0


# The page that hands a secret link to the browser


def fetched(url: str, *, as_user: int | None = None) -> tuple[str, str]:
    """Ask for a page without following it; gives status and where it leads."""
    script = (
        "import http.client, sys, urllib.parse; url = urllib.parse.urlsplit(sys.argv[1]);"
        "c = http.client.HTTPConnection(url.netloc, timeout=30); c.request('GET', f'{url.path}?{url.query}');"
        "r = c.getresponse(); print(r.status, r.headers.get('Location', ''))"
    )
    other = ["setpriv", f"--reuid={as_user}", "--clear-groups"] if as_user else []
    done = subprocess.run(
        [*other, "/usr/bin/python3", "-I", "-c", script, url],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
        cwd="/",
    )
    status, _, location = done.stdout.strip().partition(" ")
    return status, location


@pytest.fixture
def handoff():
    server = HandoffServer(Secret("https://signin.aws.amazon.com/federation?SigninToken=secret"))
    came = []
    waiting = threading.Thread(target=lambda: came.append(server.wait(Deadline(SECONDS))))
    waiting.start()
    yield server
    if not came:
        fetched(server.url)
    waiting.join()
    server.close()


def test_the_first_browser_is_sent_on_and_no_other(handoff):
    assert fetched(handoff.url) == ("302", "https://signin.aws.amazon.com/federation?SigninToken=secret")
    with pytest.raises(subprocess.CalledProcessError):
        fetched(handoff.url)


def test_who_does_not_know_the_address_learns_nothing(handoff):
    wrong = handoff.url.replace("state=", "state=x")
    assert fetched(wrong)[0] == "400"
    assert fetched(handoff.url.replace("/handoff", "/"))[0] == "404"
    assert fetched(handoff.url)[0] == "302"


@pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("setpriv") is None, reason="only root can be another user (and setpriv does it)"
)
def test_another_user_who_read_the_address_is_turned_away(handoff):
    assert fetched(handoff.url, as_user=65534) == ("403", "")
    assert fetched(handoff.url)[0] == "302"


def test_the_secret_link_is_not_in_the_address(handoff):
    assert "secret" not in handoff.url
    assert "secret" not in repr(handoff)

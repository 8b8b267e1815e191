from __future__ import annotations

import json

import pytest
from sandbox import AWSSSO

from awssso_helper import aws_config, chains
from awssso_helper.model import Role
from awssso_helper.simulator import TrustingRole

BLOCK = """\
# BEGIN awssso
[profile prod.Admin]
credential_process = /x/awssso credential-process corp/210987654321/Admin
region = eu-west-1
# END awssso
"""


def chains_in(text: str) -> dict[str, chains.Chain]:
    file = aws_config.parsed((BLOCK + text).encode(), name="config")
    return chains.chains_of(file, chains.roles_of(file))


def profile(name: str, source: str, arn: str = "arn:aws:iam::482736190055:role/deploy", more: str = "") -> str:
    return f"[profile {name}]\nrole_arn = {arn}\nsource_profile = {source}\n{more}"


def test_a_profile_on_one_of_ours_is_a_chain():
    chain = chains_in(profile("deploy", "prod.Admin"))["deploy"]
    assert chain.start == Role("corp", "210987654321", "Admin")
    assert chain.source_profile == "prod.Admin"
    assert (chain.end.account_id, chain.end.role_name) == ("482736190055", "deploy")
    assert chain.region == "eu-west-1"


def test_a_chain_may_have_several_links():
    text = profile("last", "middle", "arn:aws:iam::305518273640:role/path/to/last", "region = us-east-2\n")
    chain = chains_in(text + profile("middle", "prod.Admin"))["last"]
    assert [step.profile for step in chain.steps] == ["middle", "last"]
    assert (chain.end.role_name, chain.region) == ("last", "us-east-2")


def test_what_the_profile_says_of_a_step_is_kept():
    more = "external_id = x1\nrole_session_name = me\nduration_seconds = 1800\nmfa_serial = arn:aws:iam::1:mfa/me\n"
    step = chains_in(profile("deploy", "prod.Admin", more=more))["deploy"].end
    assert (step.external_id, step.session_name, step.duration) == ("x1", "me", 1800)
    assert chains_in(profile("deploy", "prod.Admin", more=more))["deploy"].needs_mfa


def test_a_profile_by_hand_that_calls_us_is_a_beginning_too():
    mine = "[default]\ncredential_process = /x/awssso credential-process corp/305518273640/Mine\n"
    assert chains_in(mine + profile("deploy", "default"))["deploy"].start.name == "Mine"


@pytest.mark.parametrize(
    "text",
    [
        profile("deploy", "elsewhere") + "[profile elsewhere]\naws_access_key_id = AKIA\n",
        profile("deploy", "nowhere"),
        profile("deploy", "deploy"),
        profile("a", "b") + profile("b", "a"),
        profile("deploy", "prod.Admin", "not an arn"),
        profile("deploy", "prod.Admin", "arn:aws:iam::482736190055:user/deploy"),
        "[profile deploy]\nrole_arn = arn:aws:iam::482736190055:role/deploy\ncredential_source = Environment\n",
        "[profile deploy]\nrole_arn =\n    a = b\nsource_profile = prod.Admin\n",
        "".join(profile(f"p{n}", f"p{n + 1}") for n in range(20)) + profile("p20", "nowhere"),
    ],
)
def test_what_does_not_begin_at_one_of_ours_is_no_chain(text):
    assert chains_in(text) == {}


def circle(name: str, text: str) -> tuple[str, ...]:
    profiles = aws_config.parsed(text.encode(), name="config").profiles
    return chains.circle_of(name, profiles)


def test_a_circle_is_found_from_wherever_one_enters_it():
    text = profile("a", "b") + profile("b", "c") + profile("c", "b") + profile("self", "self")
    assert circle("a", text) == ("b", "c")
    assert circle("c", text) == ("c", "b")
    assert circle("self", text) == ("self",)


def test_keys_end_a_chain_so_that_it_is_no_circle():
    keys = "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = x\n"
    assert circle("self", profile("self", "self", more=keys)) == ()
    assert circle("a", profile("a", "b") + profile("b", "a", more=keys)) == ()
    assert circle("a", profile("a", "b") + "[profile b]\nregion = eu-west-1\n") == ()


# With real processes


@pytest.fixture
def chained(sandbox):
    """A user with a chained profile, and one chained to that."""
    organization = sandbox.simulator.organization
    deploy = organization.add_trusting_role(TrustingRole("482736190055", "deploy", ("210987654321",), "x1"))
    release = organization.add_trusting_role(TrustingRole("305518273640", "release", ("482736190055",)))
    sandbox.first_day()
    with sandbox.config.open("a") as config:
        config.write(profile("deploy", "production.PowerUserAccess", deploy, "external_id = x1\nregion = eu-west-1\n"))
        config.write(profile("release", "deploy", release))
    return sandbox


WHO = 'import boto3; print(boto3.Session().client("sts").get_caller_identity()["Arn"])'


@pytest.mark.parametrize(
    ("name", "arn"),
    [
        ("deploy", "arn:aws:sts::482736190055:assumed-role/deploy/awssso"),
        ("release", "arn:aws:sts::305518273640:assumed-role/release/awssso"),
    ],
)
def test_exec_follows_a_chain_to_the_role_at_its_end(chained, python, name, arn):
    done = chained.run("exec", name, "--", python, "-c", WHO, AWS_DEFAULT_REGION="us-east-1")
    assert (done.stdout, done.returncode) == (f"{arn}\n", 0), done.stderr


@pytest.mark.parametrize("name", ["deploy", "release"])
def test_boto3_follows_the_same_chain_by_the_profile_alone(chained, python, name):
    by_boto3 = chained.program(python, "-c", WHO, AWS_PROFILE=name, AWS_DEFAULT_REGION="us-east-1")
    by_us = chained.run("exec", name, "--", python, "-c", WHO, AWS_DEFAULT_REGION="us-east-1")
    assert by_boto3.returncode == 0, by_boto3.stderr
    assert by_boto3.stdout.rpartition("/")[0] == by_us.stdout.rpartition("/")[0]
    by_name = chained.run("exec", "--profile-only", name, "--", python, "-c", WHO, AWS_DEFAULT_REGION="us-east-1")
    assert by_name.stdout.rpartition("/")[0] == by_us.stdout.rpartition("/")[0]


def test_a_chained_profile_is_in_the_list_with_its_source(chained):
    found = {each["profile"]: each for each in chained.json("list")["roles"]}
    assert found["deploy"]["via"] == "production.PowerUserAccess"
    assert found["deploy"]["account_name"] == "staging"
    assert found["production.PowerUserAccess"]["via"] is None
    assert "deploy (via production.PowerUserAccess)" in chained.ok("list", "deploy").stdout


def test_keys_of_a_chained_role_have_their_own_end(chained):
    # Not by `run`, which takes what awssso prints for words that may hold no secret.
    done = chained.program(AWSSSO, "env", "deploy", "--keys", "--shell", "json")
    handed = json.loads(done.stdout)["set"]
    assert handed["AWS_ACCOUNT_ID"] == "482736190055"
    assert handed["AWS_REGION"] == "eu-west-1"
    assert handed["AWS_CREDENTIAL_EXPIRATION"].endswith("Z")


def test_a_role_that_does_not_trust_us_is_said_in_one_line(chained):
    with chained.config.open("a") as config:
        config.write(profile("closed", "production.PowerUserAccess", "arn:aws:iam::482736190055:role/closed"))
    done = chained.run("exec", "closed", "--", "true")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == (
        "awssso: AWS does not let this role become arn:aws:iam::482736190055:role/closed"
    )
    assert done.stderr.splitlines()[1].startswith("hint: ")


def test_a_chain_that_wants_an_mfa_code_says_who_asks_for_it(chained):
    more = "mfa_serial = arn:aws:iam::482736190055:mfa/me\n"
    with chained.config.open("a") as config:
        config.write(profile("guarded", "production.PowerUserAccess", more=more))
    done = chained.run("exec", "guarded", "--", "true")
    assert done.returncode == 6
    assert "MFA" in done.stderr
    assert "hint: awssso exec --profile-only guarded" in done.stderr
    assert chained.run("exec", "--profile-only", "guarded", "--", "true").returncode == 0


@pytest.mark.parametrize(
    "words", [("exec", "around", "--", "true"), ("console", "--url", "around"), ("env", "around"), ("use", "around")]
)
def test_a_profile_whose_chain_goes_in_a_circle_is_refused_with_the_way_it_goes(chained, words):
    with chained.config.open("a") as config:
        config.write(profile("around", "again") + profile("again", "back") + profile("back", "again"))
    done = chained.run(*words, AWSSSO_SHELL_FUNCTION="bash")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "awssso: the source_profile of 'around' goes in a circle: around → again → back → again\n"
        "hint: give one of them the profile of a role in ~/.aws/config\n"
    )


@pytest.mark.parametrize("with_keys", [False, True])
def test_botocore_and_we_call_the_same_a_circle(chained, python, with_keys):
    with chained.config.open("a") as config:
        config.write(profile("around", "around"))
    keys = "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = x\n" if with_keys else ""
    (chained.home / ".aws" / "credentials").write_text(f"[around]\n{keys}")
    by_boto3 = chained.program(python, "-c", WHO, AWS_PROFILE="around", AWS_DEFAULT_REGION="us-east-1")
    by_us = chained.run("exec", "around", "--", "true")
    assert ("InfiniteLoopConfigError" in by_boto3.stderr) is not with_keys
    assert ("goes in a circle" in by_us.stderr) is not with_keys
    assert by_us.returncode == 2


def test_no_stray_variable_or_model_moves_the_signed_calls_or_feeds_them(chained):
    (chained.home / ".aws" / "models" / "sts" / "2011-06-15").mkdir(parents=True)
    (chained.home / ".aws" / "models" / "sts" / "2011-06-15" / "service-2.json").write_text("{}")
    done = chained.run(
        *("exec", "deploy", "--", "sh", "-c", "echo $AWS_ACCESS_KEY_ID $AWS_ACCOUNT_ID"),
        AWS_PROFILE="no-such-profile",
        AWS_ACCESS_KEY_ID="AKIASTRAY",
        AWS_SECRET_ACCESS_KEY="stray",
        AWS_DATA_PATH=str(chained.home / "models"),
        AWS_CONTAINER_CREDENTIALS_FULL_URI="http://127.0.0.1:1/",
    )
    assert done.stdout.startswith("ASIA"), done.stderr
    assert done.stdout.endswith(" 482736190055\n")
    assert chained.simulator.count("AssumeRole") == 1


def test_the_global_endpoint_variable_does_not_get_the_session_token(chained):
    chained.variables.pop("AWS_ENDPOINT_URL_STS")
    # What goes to AWS itself ends at a proxy that is not there.
    away = {"AWS_ENDPOINT_URL": chained.simulator.url, "HTTPS_PROXY": "http://127.0.0.1:9"}
    assert chained.run("exec", "deploy", "--", "true", **away).returncode == 5
    assert chained.simulator.count("AssumeRole") == 0


def test_an_endpoint_that_is_not_ours_gets_no_credentials(chained):
    done = chained.run("exec", "deploy", "--", "true", AWS_ENDPOINT_URL_STS="https://sts.example.com")
    assert done.returncode == 6
    assert "AWS_ENDPOINT_URL_STS" in done.stderr


def test_a4_a_region_that_is_none_leads_no_signed_call_to_another_host(chained):
    text = profile("elsewhere", "production.PowerUserAccess", more="region = us-east-1.evil.example/x\n")
    with chained.config.open("a") as config:
        config.write(text)
    done = chained.run("exec", "elsewhere", "--", "true")
    assert done.returncode == 2, done.stderr
    assert "is not an AWS region" in done.stderr
    assert chained.simulator.count("AssumeRole") == 0


def test_an_unreachable_sts_is_a_network_error(chained):
    done = chained.run("exec", "deploy", "--", "true", AWS_ENDPOINT_URL_STS="http://127.0.0.1:9")
    assert done.returncode == 5

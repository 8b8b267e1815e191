"""What is measured and what it is measured against, each in an environment of its own below `.bench/`."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.stage import READER, REGION, ROOT, SESSION

if TYPE_CHECKING:
    from bench.stage import Stage

PLACE = ROOT / ".bench"
AWS_V2 = Path("/usr/bin/aws")
# aws-export-credentials 0.18 fails with newer ones ("Credentials.__new__() takes 5 positional arguments").
_OLD_BOTO = "boto3==1.34.162"
_OLD_PIP = "pip==23.2.1"
NATIVE, LEGACY = "native", "legacy"


@dataclass(frozen=True)
class Installed:
    """Where things are; None where the installation failed."""

    awssso: Path
    awssso_old_pip: Path
    aws_sso_util: Path | None
    aws_export_credentials: Path | None
    aws2_wrap: Path | None
    aws_v1: Path | None
    aws_v2: Path | None
    """Debian's."""
    aws_v2_present: Path | None
    """What `make modern-aws` unpacks."""

    @property
    def python(self) -> str:
        return str(self.awssso.parent / "python")


def installed() -> Installed:
    """Install what is not there yet; awssso always anew, since it may have changed."""
    PLACE.mkdir(exist_ok=True)
    wheel = _wheel()
    new, old = _environment("awssso-new-pip", "pip>=24"), _environment("awssso-old-pip", _OLD_PIP)
    # uv, pipx and Python 3.12 make environments without it; its .pth costs every start.
    _pip(new, "--yes", "setuptools", verb="uninstall")
    for environment in (new, old):
        _pip(environment, str(wheel))
        _pip(environment, "--force-reinstall", "--no-deps", str(wheel))
    return Installed(
        awssso=new / "bin" / "awssso",
        awssso_old_pip=old / "bin" / "awssso",
        aws_sso_util=_peer("aws-sso-util", "aws-sso-util"),
        aws_export_credentials=_peer("aws-export-credentials", "aws-export-credentials", _OLD_BOTO),
        aws2_wrap=_peer("aws2-wrap", "aws2-wrap"),
        aws_v1=_peer("aws", "awscli"),
        aws_v2=AWS_V2 if AWS_V2.exists() else None,
        aws_v2_present=_present_aws(),
    )


def _wheel() -> Path:
    """Build awssso from a copy: a build leaves things behind."""
    source, wheels = PLACE / "source", PLACE / "wheels"
    for each in (source, wheels):
        shutil.rmtree(each, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "awssso_helper", source / "awssso_helper", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    _pip(_environment("awssso-new-pip", "pip>=24"), "--no-deps", str(source), verb="wheel", into=wheels)
    return next(wheels.glob("*.whl"))


def _peer(program: str, *packages: str) -> Path | None:
    environment = _environment(packages[0], "pip>=24")
    path = environment / "bin" / program
    try:
        if not path.exists():
            _pip(environment, *packages)
    except subprocess.CalledProcessError as error:
        tell(f"{packages[0]} could not be installed: {error.stderr.decode(errors='replace')[-300:]}")
        return None
    return path


def _present_aws() -> Path | None:
    """Have the AWS CLI v2 that the tests use, in the environment that runs this."""
    program = Path(sys.prefix) / "aws-cli-v2" / "dist" / "aws"
    if not program.exists():
        tell("unpacking a present AWS CLI v2")
        done = subprocess.run([sys.executable, str(ROOT / "tests" / "modern_aws.py")], capture_output=True, check=False)
        if done.returncode:
            tell(f"it could not be had: {done.stderr.decode(errors='replace').strip()[-200:]}")
            return None
    return program


def _environment(name: str, pip: str) -> Path:
    environment = PLACE / name
    if not (environment / "bin" / "pip").exists():
        tell(f"an environment for {name}")
        base = getattr(sys, "_base_executable", sys.executable)
        subprocess.run([base, "-m", "venv", str(environment)], check=True, capture_output=True)
        _pip(environment, "--upgrade", pip)
    return environment


def _pip(environment: Path, *arguments: str, verb: str = "install", into: Path | None = None) -> None:
    place = ["--wheel-dir", str(into)] if into else []
    command = [str(environment / "bin" / "python"), "-m", "pip", verb, "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, *place, *arguments], check=True, capture_output=True)


def tell(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


# What the peers need in a home


def make_native(stage: Stage) -> str:
    """Write profiles as `aws configure sso` and aws-sso-util do, with tokens in plain files; gives the token."""
    token = stage.token()
    _, account, role = READER.split("/")
    common = f"sso_account_id = {account}\nsso_role_name = {role}\nregion = {REGION}\n"
    with (stage.home / ".aws" / "config").open("a") as config:
        config.write(f"[profile {NATIVE}]\nsso_session = {SESSION}\n{common}")
        config.write(f"[profile {LEGACY}]\nsso_start_url = {stage.start_url}\nsso_region = {REGION}\n{common}")
    cache = stage.home / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    record = {
        "startUrl": stage.start_url,
        "region": REGION,
        "accessToken": token,
        "expiresAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3000)),
    }
    for name in (SESSION, stage.start_url):
        (cache / f"{hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()}.json").write_text(
            json.dumps(record)
        )
    return token


def warm_cli_cache(stage: Stage) -> None:
    """Put role credentials where the AWS CLI v2 keeps them, for the profile `legacy`."""
    _, account, role = READER.split("/")
    key = json.dumps(
        {"accountId": account, "roleName": role, "startUrl": stage.start_url}, sort_keys=True, separators=(",", ":")
    )
    document = json.loads(stage.run("credential-process", READER))
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration", "AccountId")
    record = {"ProviderType": "sso", "Credentials": {name: document[name] for name in names}}
    cache = stage.home / ".aws" / "cli" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / f"{hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest()}.json").write_text(json.dumps(record))

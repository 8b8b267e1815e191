"""A user with static keys: a sandbox with IAM and STS behind it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from sandbox import Sandbox

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from cloud import Cloud, Key

PRODUCTION, STAGING = "210987654321", "482736190055"
ADMIN = "AdministratorAccess"
WHO = "import boto3, sys; print(boto3.Session(profile_name=sys.argv[1]).client('sts').get_caller_identity()['Arn'])"


class Migrant(Sandbox):
    """A user who has signed in, and has static keys in the files of AWS."""

    def __init__(self, home: Path, simulator, cloud: Cloud) -> None:
        super().__init__(home, simulator)
        self.cloud = cloud
        self.variables |= cloud.variables()
        self.credentials = home / ".aws" / "credentials"
        self.keys: list[Key] = []

    def key(self, account_id: str = PRODUCTION, user: str = "ada-laptop") -> Key:
        key = self.cloud.new_key(account_id, user)
        self.keys.append(key)
        return key

    def has(self, *sections: str) -> None:
        """Write the credentials file."""
        self.credentials.write_text("".join(sections))
        self.credentials.chmod(0o600)

    def both(self) -> tuple[bytes, bytes]:
        return self.config.read_bytes(), self.credentials.read_bytes() if self.credentials.exists() else b""

    def who(self, profile: str, **more: str) -> str:
        """What boto3 says of a profile; the last line of its error where it cannot."""
        done = self.program(sys.executable, "-c", WHO, profile, AWS_DEFAULT_REGION="us-east-1", **more)
        return done.stdout.strip() if done.returncode == 0 else f"error: {done.stderr.strip().splitlines()[-1]}"

    def migrate(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return self.ok("migrate", "--yes", *arguments, **more)

    def journal(self) -> dict:
        return json.loads((self.home / ".local/state/awssso/migrations.json").read_text())

    def key_leaks(self) -> list[str]:
        """Where a secret of a key shows: in a file that is not the keyring, or in words."""
        places = [(str(path), path.read_bytes()) for path in self._files() if path.is_file()]
        places += [(f"what awssso said: {text[:60]}", text.encode()) for text in self.said]
        return [place for place, content in places for key in self.keys if key.secret.encode() in content]


def section(name: str, key: Key, *more: str) -> str:
    lines = [f"[{name}]", f"aws_access_key_id = {key.id}", f"aws_secret_access_key = {key.secret}", *more]
    return "\n".join(lines) + "\n"


@pytest.fixture
def user(home: Path, simulator, cloud: Cloud) -> Iterator[Migrant]:
    """A user with a plain-file keyring that may hold the copies; no secret may be in any other file."""
    migrant = Migrant(home, simulator, cloud)
    migrant.settings("keyring = plaintext-file", "[migrate]", "plain_vault = True")
    migrant.first_day()
    yield migrant
    migrant.stop_agent()
    assert migrant.leaks() == []


def sso_arn(account_id: str, role: str) -> str:
    return f"arn:aws:sts::{account_id}:assumed-role/AWSReservedSSO_{role}_"

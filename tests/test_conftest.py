"""The seal itself is tested: a leak here would make every other test a danger to its developer."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import keyring
import keyring.errors
import pytest


def test_home_is_a_throw_away(home: Path):
    assert Path.home() == home
    assert Path("~/.aws/config").expanduser() == home / ".aws" / "config"


def test_no_variable_of_the_developer_comes_through():
    assert not [name for name in os.environ if name.startswith("AWS_") and name != "AWS_EC2_METADATA_DISABLED"]
    assert "DBUS_SESSION_BUS_ADDRESS" not in os.environ


def test_the_developers_keyring_is_out_of_reach():
    with pytest.raises(keyring.errors.NoKeyringError):
        keyring.get_password("awssso", "anything")


def test_sockets_stay_on_loopback():
    with socket.socket() as outward, pytest.raises(AssertionError, match="reached out"):
        outward.connect(("192.0.2.1", 443))

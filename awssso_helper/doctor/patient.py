"""What is examined: the settings, files and services of one user, each read once, each possibly broken.

What cannot be read is empty here, and its error is kept for the check that is about it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from awssso_helper import aws_config, files, settings
from awssso_helper.discovery import Memory
from awssso_helper.endpoints import normalised_start_url, partition_of
from awssso_helper.errors import AwsssoError
from awssso_helper.store import Store
from awssso_helper.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from awssso_helper.environment import Environment
    from awssso_helper.model import SsoSession


class Patient:
    """One user's machine as awssso sees it."""

    def __init__(self, environment: Environment, *, may_prompt: bool, trace: Callable[[str], None]) -> None:
        self.environment = environment
        self.errors: dict[str, AwsssoError] = {}
        self.may_prompt = may_prompt
        self._trace = trace

    @cached_property
    def settings(self) -> settings.Settings:
        """The settings; the defaults where they cannot be read (`errors["settings"]`)."""
        try:
            return settings.load(self.environment.settings_file)
        except AwsssoError as error:
            self.errors["settings"] = error
            return settings.Settings()

    @cached_property
    def config(self) -> aws_config.ConfigFile:
        """The AWS config file; an empty one where it cannot be read (`errors["config"]`)."""
        return self._parsed("config", lambda: self.environment.aws_config_file)

    @cached_property
    def credentials(self) -> aws_config.ConfigFile:
        """The AWS credentials file; an empty one where it cannot be read (`errors["credentials"]`)."""
        return self._parsed("credentials", lambda: self.environment.aws_credentials_file)

    def _parsed(self, what: str, path: Callable[[], Path]) -> aws_config.ConfigFile:
        try:
            found = path()
            return aws_config.parsed(files.read(found) or b"", name=self.environment.shown(found))
        except AwsssoError as error:
            self.errors[what] = error
            return aws_config.parsed(b"", name=what)

    @cached_property
    def merged_profiles(self) -> dict[str, aws_config.Section]:
        """Every profile with what both files say of it, as the SDKs put them together."""
        return aws_config.merged_profiles(self.config, self.credentials)

    @cached_property
    def entries(self) -> tuple[aws_config.Entry, ...]:
        """The generated profiles; none where the block is damaged (`errors["block"]`)."""
        try:
            return self.config.block.entries if self.config.block else ()
        except AwsssoError as error:
            self.errors["block"] = error
            return ()

    @cached_property
    def sessions(self) -> list[SsoSession]:
        """The SSO sessions that can be used; what is wrong with one is in `errors["sessions"]`."""
        found = []
        for each in aws_config.sso_sessions(self.config.data, name=self.config.name):
            try:
                partition_of(each.region)
                found.append(replace(each, start_url=normalised_start_url(each.start_url)))
            except AwsssoError as error:
                self.errors["sessions"] = error
        return found

    @cached_property
    def memory(self) -> Memory:
        """What the last sync found."""
        return Memory(self.environment.cache_dir, self.environment.lock_dir)

    @cached_property
    def store(self) -> Store:
        """The credential store of these settings."""
        return Store(self.environment, self.settings.keyring, may_prompt=self.may_prompt)

    @cached_property
    def transport(self) -> Transport:
        """The way to AWS."""
        return Transport(self.environment, trace=self._trace)

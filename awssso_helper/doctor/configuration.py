"""Checks of the files that people write: our settings, the AWS config and credentials files."""

from __future__ import annotations

import configparser
import io
import shlex
import time
from typing import TYPE_CHECKING

from awssso_helper import aws_config, chains, dialects
from awssso_helper.doctor.findings import Finding, counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awssso_helper.aws_config import ConfigFile
    from awssso_helper.doctor.patient import Patient

# Above this, a person notices it at every `aws` start.
_COSTLY_MS = 100
_MEASURING_SECONDS = 0.3
_MOST_RUNS = 5


def settings_file(patient: Patient) -> Iterator[Finding]:
    """Read our own settings."""
    path = patient.environment.settings_file
    shown = patient.environment.shown(path)
    settings, error = patient.settings, patient.errors.get("settings")
    if error:
        yield Finding("settings-unreadable", "problem", error.message, error.hint)
    elif path.exists():
        yield Finding("settings", "ok", f"{shown} can be read")
    else:
        yield Finding("settings", "ok", f"there is no {shown}; the defaults hold")
    if settings.default_session and settings.default_session not in {each.name for each in patient.sessions}:
        yield Finding(
            "default-session-unknown",
            "warning",
            f"default_session in {shown} names no [sso-session] of {patient.config.name}",
            f"correct default_session in {shown}",
        )


def config_file(patient: Patient) -> Iterator[Finding]:
    """Read the AWS config file as botocore does, then as the others do."""
    config = patient.config
    error = patient.errors.get("config")
    if error:
        yield Finding("config-unreadable", "problem", f"{error.message}: no AWS tool can read this file", error.hint)
        return
    entries, block_error = patient.entries, patient.errors.get("block")
    if block_error:
        yield Finding("config-block-damaged", "problem", block_error.message, block_error.hint)
    own = len(config.profiles) - len(entries)
    what = f"{config.name}: {counted(len(entries), 'generated profile')}, {own} of your own"
    yield Finding("config", "ok", what if config.data else "there is no AWS config file yet")
    yield from _differences(config, "config")


def credentials_file(patient: Patient) -> Iterator[Finding]:
    """Read the AWS credentials file."""
    file, error = patient.credentials, patient.errors.get("credentials")
    if error:
        message = f"{error.message}: no AWS tool can read this file"
        yield Finding("credentials-unreadable", "problem", message, error.hint)
        return
    yield from _differences(file, "credentials")


def _differences(file: ConfigFile, what: str) -> Iterator[Finding]:
    for each in dialects.differences(file, is_credentials=what == "credentials"):
        yield Finding(
            f"{what}-not-portable",
            "warning" if each.loses else "note",
            f"{file.name}, line {each.line}: {each.what}",
            f"correct line {each.line} of {file.name}",
            (each.text,),
        )


def sessions(patient: Patient) -> Iterator[Finding]:
    """See whether there is an SSO session, and whether each is one."""
    found = patient.sessions
    error = patient.errors.get("sessions")
    if error:
        yield Finding("session-unusable", "problem", error.message, error.hint)
    if found:
        yield Finding("sessions", "ok", counted(len(found), "SSO session"), names=tuple(each.name for each in found))
    elif not error:
        yield Finding("no-session", "warning", "no SSO session is configured", "awssso configure")


def chained(patient: Patient) -> Iterator[Finding]:
    """Follow the chains of `role_arn` and `source_profile`: one that goes in a circle or ends nowhere is of no use."""
    if patient.errors.keys() & {"config", "credentials"}:
        return
    config, profiles = patient.config, patient.merged_profiles
    circles = {
        frozenset(circle): circle for circle in (chains.circle_of(name, profiles) for name in profiles) if circle
    }
    if circles:
        yield Finding(
            "chain-in-a-circle",
            "warning",
            f"{config.name} has {counted(len(circles), 'circle')} of source_profile, of no use to any AWS tool",
            f"in {config.name}, let one profile of each begin at that of a role (awssso doctor -v names them)",
            tuple(" → ".join((*circle, circle[0])) for circle in circles.values()),
        )
    sources = {name: chains.source_of(section) for name, section in profiles.items()}
    lost = {name: source for name, source in sources.items() if source and source not in profiles}
    if lost:
        yield Finding(
            "chain-without-beginning",
            "warning",
            f"source_profile names no profile in {counted(len(lost), 'profile')} of {config.name}",
            f"in {config.name}, correct source_profile (awssso doctor -v names the profiles)",
            tuple(f"{name} → {source}" for name, source in lost.items()),
        )


def cost(patient: Patient) -> Iterator[Finding]:
    """Measure what the generated profiles cost each start of `aws`, which parses all of them."""
    config, entries = patient.config, patient.entries
    if not entries:
        return
    without = aws_config.with_block(config, ())
    milliseconds = max(0.0, _parse_ms(config.data) - _parse_ms(without))
    what = f"{counted(len(entries), 'profile')} cost each start of aws and boto3 {milliseconds:.0f} ms"
    if milliseconds < _COSTLY_MS:
        yield Finding("cost", "ok", what)
        return
    lines = sum(len(entry.text.splitlines()) for entry in entries) / len(entries)
    advice = (
        f"set profiles.include or profiles.exclude in {patient.environment.shown(patient.environment.settings_file)}"
    )
    if lines > 3:  # noqa: PLR2004 - header, process, region
        advice += ", and drop lines from profiles.extra"
    yield Finding("config-slow", "warning", what, f"{advice}; then awssso sync")


def _parse_ms(data: bytes) -> float:
    """Give the least of a few measurements of what botocore does with a config file at its start."""
    end = time.perf_counter() + _MEASURING_SECONDS
    least = float("inf")
    for _ in range(_MOST_RUNS):
        began = time.perf_counter()
        parser = configparser.RawConfigParser()
        parser.read_file(io.StringIO(data.decode("utf-8")))
        for section in parser.sections():
            _words(section)
            dict(parser.items(section, raw=True))
        least = min(least, time.perf_counter() - began)
        if time.perf_counter() > end:
            break
    return least * 1000


def _words(section: str) -> list[str]:
    try:
        return shlex.split(section)
    except ValueError:
        return []

"""Checks of what awssso talks to: the keyring, the agent, AWS and its clock, proxies and certificates."""

from __future__ import annotations

import os
import secrets
import ssl
import stat
import sys
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from awssso_helper import agent_client, warm
from awssso_helper.doctor.findings import Finding, Repair, counted
from awssso_helper.endpoints import host_of, split_url
from awssso_helper.errors import AwsssoError, KeyringError, NetworkError
from awssso_helper.keyrings import PLAINTEXT_FILE
from awssso_helper.memory_vault import MEMORY
from awssso_helper.model import Deadline
from awssso_helper.terminal import duration, safe
from awssso_helper.vault_items import LONGEST_WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awssso_helper.doctor.findings import Severity
    from awssso_helper.doctor.patient import Patient
    from awssso_helper.endpoints import Endpoints

# With a person there, who may have to unlock it, and without one.
_UNLOCKING_SECONDS, _KEYRING_SECONDS = 60, 5
_CLOCK_SECONDS = 5
_REPLY_LIMIT = 1 << 16
# As long as tokens get; Windows keeps 1,280 characters in one item.
_TRIAL_LENGTH = 3000
# A signature is good for 5 minutes either way (PROTOCOL 11).
_SKEW_FATAL, _SKEW_WORTH_NOTICE = 290.0, 60.0
_MOST_HOSTS = 3


def keyring(patient: Patient) -> Iterator[Finding]:
    """Write an item as long as tokens get, read it, compare, and remove it again."""
    store, deadline = patient.store, Deadline(_UNLOCKING_SECONDS if patient.may_prompt else _KEYRING_SECONDS)
    key, value = f"doctor-{secrets.token_hex(8)}", secrets.token_urlsafe(_TRIAL_LENGTH)[:_TRIAL_LENGTH]
    try:
        name = store.backend_name()
        try:
            store.put(key, value, deadline)
            is_same = store.get(key, deadline) == value
        finally:
            store.delete(key, deadline)
        is_gone = store.get(key, deadline) is None
    except KeyringError as error:
        yield Finding("keyring", "problem", error.message, error.hint)
        return
    if not (is_same and is_gone):
        what = f"{name} does not keep what it is given" if not is_same else f"{name} does not let go of an item"
        yield Finding("keyring", "problem", what, "choose another one: setting keyring")
        return
    limit = "in one item" if store.keeps_long() else f"in parts of {LONGEST_WHOLE:,} characters"
    yield Finding("keyring", "ok", f"{name}: {_TRIAL_LENGTH:,} characters written, read and removed, {limit}")
    if name == PLAINTEXT_FILE:
        what = "secrets are in a file that everyone who is you can read, as the settings say"
        yield Finding("keyring-plain-text", "note", what, "remove keyring = plaintext-file from the settings")
    if name == MEMORY:
        what = "secrets are in the agent's memory: whoever is signed in is signed out when it ends"
        yield Finding(
            "keyring-memory", "note", what, "remove keyring = memory from the settings where there is a keyring"
        )
    ignored = sorted(each for each in patient.environment.variables if each.startswith("KEYRING_PROPERTY_"))
    if ignored:
        yield Finding("keyring-variables", "note", f"ignored: {', '.join(safe(each) for each in ignored)}")


# The agent


def agent(patient: Patient) -> Iterator[Finding]:
    """See whether the agent answers, and who can reach its socket."""
    environment, settings = patient.environment, patient.settings
    if not agent_client.is_wanted(settings):
        yield Finding("agent", "ok", "no agent: the settings say agent = off, or this system has no unix sockets")
        return
    facts = agent_client.facts(environment, settings)
    if facts["running"]:
        what = f"the agent runs since {facts['started']}, holds {counted(len(facts['roles']), 'role')}"
        yield Finding("agent", "ok", what)
    elif _is_somebody_there(patient):
        what = "an agent runs that does not answer: of another version, for other variables, or stuck"
        yield Finding("agent-foreign", "warning", what, "awssso agent stop", repair=Repair(lambda: _stopped(patient)))
    elif (environment.state_dir / "agent-failed").exists():
        yield Finding("agent-failed", "warning", "the agent did not start last time", "awssso agent serve shows why")
    else:
        yield Finding("agent", "ok", "no agent runs now; login, or the first call of an SDK, starts one")
    for raw in warm.directories(environment.as_bytes()):
        yield from _socket_findings(patient, Path(os.fsdecode(raw)))


def _is_somebody_there(patient: Patient) -> bool:
    connection = warm.connected(patient.environment.as_bytes(), 0.5)
    if connection is None:
        return False
    connection.close()
    return True


def _stopped(patient: Patient) -> str:
    agent_client.stop(patient.environment)
    return "stopped the agent"


def _socket_findings(patient: Patient, directory: Path) -> Iterator[Finding]:
    environment = patient.environment
    path = directory / "agent.sock"
    try:
        status = path.lstat()
    except OSError:
        return
    shown = environment.shown(path)
    if not stat.S_ISSOCK(status.st_mode) or status.st_uid != os.geteuid():
        yield Finding("agent-socket", "problem", f"{shown} is no socket of yours", f"rm {shown}")
    elif status.st_mode & 0o077 or directory.lstat().st_mode & 0o077:
        what = f"others can reach {shown}"
        yield Finding("agent-socket", "problem", what, "awssso agent stop", repair=Repair(lambda: _closed(path)))


def _closed(path: Path) -> str:
    path.parent.chmod(0o700)
    path.chmod(0o600)
    return f"closed {path.parent.name} to others"


# The network


def clock(patient: Patient) -> Iterator[Finding]:
    """Compare the clock with the service's, by an answer that needs no token."""
    hosts: dict[str, str] = {}
    for endpoints in _endpoints(patient):
        hosts.setdefault(host_of(endpoints.portal), endpoints.portal)
    for host, url in list(hosts.items())[:_MOST_HOSTS]:
        try:
            skew = _skew(patient, url)
        except NetworkError as error:
            yield Finding("unreachable", "note", f"AWS cannot be reached now: {error.message}", error.hint)
            continue
        if skew is None:
            yield Finding("clock", "note", f"{host} does not say what time it is")
        elif abs(skew) >= _SKEW_WORTH_NOTICE:
            side = "behind" if skew > 0 else "ahead of"
            severity: Severity = "problem" if abs(skew) >= _SKEW_FATAL else "warning"
            what = f"this machine's clock is {duration(abs(skew))} {side} AWS, which refuses 5 minutes and more"
            hint = "timedatectl set-ntp true" if sys.platform == "linux" else "have the system set its clock"
            yield Finding("clock-skew", severity, what, hint)
        else:
            yield Finding("clock", "ok", f"{host} answers, and the clocks agree")


def _skew(patient: Patient, url: str) -> float | None:
    """Give how far the service's clock is ahead of ours, in seconds; its Date has whole ones."""
    reply = patient.transport.exchange(
        "GET", f"{url}/", headers={}, body=None, deadline=Deadline(_CLOCK_SECONDS), limit=_REPLY_LIMIT
    )
    try:
        return parsedate_to_datetime(reply.headers["date"]).timestamp() - reply.sent_at
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def _endpoints(patient: Patient) -> Iterator[Endpoints]:
    trusted = patient.settings.trusted_endpoint_hosts
    for session in patient.sessions:
        try:
            yield patient.environment.endpoints(session.region, session.start_url, trusted_hosts=trusted)
        except AwsssoError:
            # `network` says what is wrong with them.
            continue


def network(patient: Patient) -> Iterator[Finding]:
    """Name the variables that decide where requests go and whom they trust."""
    environment = patient.environment
    variables = environment.variables
    for session in patient.sessions[:1]:
        try:
            environment.endpoints(
                session.region, session.start_url, trusted_hosts=patient.settings.trusted_endpoint_hosts
            )
        except AwsssoError as error:
            yield Finding("endpoint-refused", "problem", error.message, error.hint)
    for name in ("AWS_ENDPOINT_URL_SSO", "AWS_ENDPOINT_URL_SSO_OIDC"):
        if variables.get(name):
            yield Finding("endpoint-variable", "note", f"{name} is set: tokens go to {host_of(variables[name])}")
    if variables.get("AWS_ENDPOINT_URL"):
        what = "AWS_ENDPOINT_URL is set: aws and the SDKs send everything there; awssso ignores it"
        yield Finding("endpoint-variable", "note", what)
    for name in ("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
        if environment.flag(name):
            yield Finding("endpoint-variable", "note", f"{name} is true")
    for proxy in sorted({proxy for each in _endpoints(patient) if (proxy := environment.proxy_for(each.portal))}):
        parts = split_url(proxy)
        where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts else "a proxy that is no URL"
        yield Finding("proxy", "note", f"requests go through {where}")
    yield from _ca_findings(patient)


def _ca_findings(patient: Patient) -> Iterator[Finding]:
    path = patient.environment.ca_bundle
    if path is None:
        return
    name = next(
        each
        for each in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
        if patient.environment.variables.get(each)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(**{"capath" if Path(path).is_dir() else "cafile": path})
    except (OSError, ssl.SSLError):
        what = f"{name} names no file with certificates"
        yield Finding("ca-bundle", "problem", what, f"correct or unset {name}")
        return
    yield Finding("ca-bundle", "note", f"{name} decides whose certificates are trusted")

"""Checks of what wins over a generated profile: keys, other credential sources, variables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from awssso_helper.doctor.findings import Finding, counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from awssso_helper.aws_config import Value
    from awssso_helper.doctor.patient import Patient

_KEY, _SECRET, _TOKEN = "aws_access_key_id", "aws_secret_access_key", "aws_session_token"
# Beside credential_process, each of these makes some SDK take another way, or none (PROTOCOL 4.4).
_OTHER_SOURCES = frozenset(
    {_KEY, _SECRET, "login_session", "role_arn", "source_profile", "credential_source", "web_identity_token_file"}
)
_LONG_LIVED = "AKIA"


def credentials_keys(patient: Patient) -> Iterator[Finding]:
    """Find sections of the credentials file with the name of a generated profile: they win, silently."""
    file = patient.credentials
    whole, half, other = [], [], []
    for name in (entry.name for entry in patient.entries):
        values = file.sections.get(name, {})
        pair = (_KEY in values, _SECRET in values)
        if all(pair):
            whole.append(name)
        elif any(pair):
            half.append(name)
        elif _foreign(values) or "credential_process" in values:
            other.append(name)
    if whole:
        yield _hidden("profile-hidden-by-keys", whole, f"keys of the same name in {file.name}", file.name)
    if half:
        what = f"half a key pair of the same name in {file.name}, which is an error"
        yield _hidden("profile-hidden-by-half-a-key", half, what, file.name)
    if other:
        what = f"another credential source of the same name in {file.name}"
        yield _hidden("profile-hidden-by-source", other, what, file.name)


def _hidden(identity: str, names: list[str], what: str, file: str) -> Finding:
    verb = "is" if len(names) == 1 else "are"
    hint = f"remove those sections from {file} (awssso doctor -v names them)"
    return Finding(identity, "problem", f"{counted(len(names), 'profile')} {verb} hidden by {what}", hint, tuple(names))


def beside_ours(patient: Patient) -> Iterator[Finding]:
    """Find keys in a generated profile that make some SDK take another way."""
    file = patient.config
    beside = [entry.name for entry in patient.entries if _foreign(entry.settings)]
    if beside:
        yield Finding(
            "source-beside-ours",
            "problem",
            f"sso_ keys, keys or another source beside ours in {counted(len(beside), 'generated profile')}"
            f" in {file.name}",
            f"remove those lines from {file.name} (awssso doctor -v names the profiles)",
            tuple(beside),
        )
    leaked = sorted(_foreign(file.defaults) | ({"credential_process"} & file.defaults.keys()))
    if leaked and patient.entries:
        yield Finding(
            "source-in-defaults",
            "problem",
            f"[DEFAULT] in {file.name} puts {', '.join(leaked)} into every profile",
            f"move the lines below [DEFAULT] in {file.name} to the profile that needs them",
        )


def _foreign(values: Mapping[str, Value]) -> set[str]:
    return {key for key in values if key in _OTHER_SOURCES or key.startswith("sso_")}


def long_lived_keys(patient: Patient) -> Iterator[Finding]:
    """Find keys that never expire; one that was retired and came back shows here too."""
    for file in (patient.credentials, patient.config):
        sections = [name for name, values in file.sections.items() if _is_long_lived(values)]
        if sections:
            yield Finding(
                "long-lived-keys",
                "warning",
                f"{file.name} has keys that never expire, in {counted(len(sections), 'section')}",
                "awssso migrate",
                tuple(sections),
            )


def _is_long_lived(values: Mapping[str, Value]) -> bool:
    return str(values.get(_KEY, "")).startswith(_LONG_LIVED) and _TOKEN not in values


def variables(patient: Patient) -> Iterator[Finding]:
    """Look at the variables that choose credentials."""
    get = patient.environment.variables.get
    has_key, has_secret = bool(get("AWS_ACCESS_KEY_ID")), bool(get("AWS_SECRET_ACCESS_KEY"))
    unset = "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN"
    if has_key and has_secret:
        what = "keys in the environment win over AWS_PROFILE for AWS CLI, boto3 and Go"
        yield Finding("keys-in-environment", "warning", what, unset)
    elif has_key or has_secret:
        yield Finding("half-a-key-in-environment", "problem", "half a key pair is in the environment", unset)
    if get("AWS_WEB_IDENTITY_TOKEN_FILE") and get("AWS_ROLE_ARN"):
        what = "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN win over the profiles"
        yield Finding("web-identity-in-environment", "warning", what, "unset AWS_WEB_IDENTITY_TOKEN_FILE AWS_ROLE_ARN")
    yield from _profile_variables(patient)


def _profile_variables(patient: Patient) -> Iterator[Finding]:
    variables = patient.environment.variables
    if variables.get("AWS_DEFAULT_PROFILE"):
        what = "AWS_DEFAULT_PROFILE is set: boto3 and AWS CLI v1 prefer it to AWS_PROFILE, AWS CLI v2 does not"
        yield Finding("default-profile-variable", "warning", what, "unset AWS_DEFAULT_PROFILE, and use AWS_PROFILE")
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        if variables.get(name) == "":
            what = f"{name} is set and empty: boto3 looks for a profile without a name"
            yield Finding("profile-variable-empty", "problem", what, f"unset {name}")
    profile = variables.get("AWS_PROFILE", "")
    can_tell = not patient.errors.keys() & {"config", "credentials"}
    if profile and can_tell and profile not in {*patient.config.profiles, *patient.credentials.sections}:
        what = "AWS_PROFILE names a profile that is not there"
        yield Finding("profile-variable-unknown", "problem", what, "awssso list", (profile,))
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        environment = patient.environment
        path = environment.aws_config_file if name == "AWS_CONFIG_FILE" else environment.aws_credentials_file
        if variables.get(name) and not Path(path).exists():
            yield Finding(
                "file-variable-dangling", "warning", f"{name} names a file that is not there", f"unset {name}"
            )

"""What is wrong on this machine, and what to type: many small checks over one user's files, keyring, agent and network.

A check that cannot be made is a finding itself, so that nothing that is broken hides the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from awssso_helper.doctor import (
    configuration,
    entitlements,
    leftovers,
    migrations,
    permissions,
    shadows,
    surroundings,
)
from awssso_helper.doctor.findings import Finding, Repair
from awssso_helper.doctor.patient import Patient
from awssso_helper.errors import AwsssoError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["CHECKS", "Finding", "Patient", "Repair", "examined"]

# Each with what is said when it finds nothing.
CHECKS: tuple[tuple[str, str, Callable[[Patient], Iterator[Finding]]], ...] = (
    ("settings", "", configuration.settings_file),
    ("config", "", configuration.config_file),
    ("credentials", "the credentials file can be read", configuration.credentials_file),
    ("sessions", "", configuration.sessions),
    ("profile-sources", "no key of the credentials file hides a profile", shadows.credentials_keys),
    ("profile-keys", "every generated profile has one credential source", shadows.beside_ours),
    ("chains", "every chain of source_profile begins somewhere", configuration.chained),
    ("long-lived-keys", "no key here lives for ever", shadows.long_lived_keys),
    ("migrations", "", migrations.migrations),
    ("variables", "no variable stands in the way of a profile", shadows.variables),
    ("entitlements", "profiles and roles agree", entitlements.entitlements),
    ("program", "the program that profiles call is in its place", entitlements.program),
    ("completions", "no completions of another version are installed", entitlements.shell_scripts),
    ("cost", "no profile costs anything", configuration.cost),
    ("keyring", "", surroundings.keyring),
    ("agent", "", surroundings.agent),
    ("permissions", "nobody else can write what awssso depends on", permissions.permissions),
    ("network", "no proxy, endpoint or certificate variable is in force", surroundings.network),
    ("clock", "there is no session whose service could be asked for the time", surroundings.clock),
    ("leftovers", "no token of another tool lies in a plain file", leftovers.leftovers),
)


def examined(patient: Patient) -> Iterator[Finding]:
    """Make every check, in their order."""
    for identity, all_well, check in CHECKS:
        found = _found(identity, check, patient)
        yield from found
        if not found and all_well:
            yield Finding(identity, "ok", all_well)


def _found(identity: str, check: Callable[[Patient], Iterator[Finding]], patient: Patient) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check(patient))
    except AwsssoError as error:
        found.append(Finding(identity, "problem", error.message, error.hint))
    except Exception as error:  # noqa: BLE001 - one check that breaks must not take the others with it
        hint = "this is a mistake of awssso; please report this line"
        found.append(Finding(identity, "problem", f"the check itself failed ({type(error).__name__})", hint))
    return found

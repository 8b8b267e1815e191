"""What a job does to the text of the two files, and back. Pure; the plan shows with these what the steps will write."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from awssso_helper import aws_config, sections
from awssso_helper.errors import RefusedError, UsageError
from awssso_helper.migration.job import digest, from_values, values
from awssso_helper.model import Secret
from awssso_helper.static_keys import KEY_ID, KEY_LINES, SECRET_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from awssso_helper.aws_config import ConfigFile, Value
    from awssso_helper.migration.job import Job, Target
    from awssso_helper.sections import Spot


class Before(NamedTuple):
    """The sections of one name as they were: in the config file, in the credentials file; None where there was none."""

    config: bytes | None
    credentials: bytes | None


class Vault(NamedTuple):
    """What the keyring keeps of a key: its secret, and the sections of each name as they were."""

    secret: Secret
    before: Mapping[str, Before]


def taken(job: Job, config: ConfigFile, credentials: ConfigFile) -> Vault:
    """Take from the files what belongs into the vault.

    Raises:
        RefusedError: a section is not what the plan was made from.
    """
    before: dict[str, Before] = {}
    secret = ""
    for target in job.targets:
        found = Before(
            sections.text_of(config, target.header),
            sections.text_of(credentials, target.profile) if target.credentials_digest else None,
        )
        if not is_as_planned(target, found):
            raise changed_meanwhile(target.profile)
        before[target.profile] = found
        held = credentials.sections[target.profile] if found.credentials else config.sections[target.header]
        secret = str(held[SECRET_KEY])
    return Vault(Secret(secret), before)


def is_as_planned(target: Target, before: Before) -> bool:
    """Say whether these are the sections that the job began with."""
    digests = (config_digest(before.config), digest_of(before.credentials))
    return digests == (target.config_digest, target.credentials_digest)


def config_digest(text: bytes | None) -> str:
    """Hash a section of the config file, whose line ends may be brought to those of the file around it."""
    return digest_of(None if text is None else _settled(text))


def digest_of(text: bytes | None) -> str:
    """Hash a section; empty for one that is not there."""
    return "" if text is None else digest(text)


def changed_meanwhile(profile: str) -> RefusedError:
    """Say that a section is not what it was."""
    return RefusedError(f"the section of {profile[:64]!a} was changed by somebody meanwhile", hint="awssso migrate")


# The vault's text

_VERSION = 2
# Until then a section had the comments above it and all up to the next.
_WITH_COMMENTS = 1


def vault_text(job: Job, vault: Vault) -> Secret:
    """Write what the keyring keeps."""
    record = {
        "version": _VERSION,
        "key_id": job.key_id,
        "secret": vault.secret.reveal(),
        "sections": {
            profile: {"config": _text(before.config), "credentials": _text(before.credentials)}
            for profile, before in vault.before.items()
        },
        # With it the copy can be put back where the journal is lost.
        "job": values(job),
    }
    return Secret(json.dumps(record))


def vault_of(job: Job, text: Secret | None) -> Vault | None:
    """Read what `vault_text` wrote; None where it is not that, or not of this job."""
    if text is None:
        return None
    try:
        record = json.loads(text.reveal())
        before = {
            str(profile): Before(_bytes(each["config"]), _bytes(each["credentials"]))
            for profile, each in record["sections"].items()
        }
        is_ours = record["key_id"] == job.key_id and all(
            is_as_planned(target, before[target.profile]) for target in job.targets
        )
        if record["version"] == _WITH_COMMENTS:
            before = {profile: _without_comments(job, profile, each) for profile, each in before.items()}
        vault = Vault(Secret(str(record["secret"])), before)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return vault if is_ours else None


def job_of(text: Secret | None) -> Job | None:
    """Read the job of a copy, as it was when the copy was made; None where there is none or the copy is not whole."""
    if text is None:
        return None
    try:
        job = from_values(json.loads(text.reveal())["job"])
    except (ValueError, KeyError, TypeError, AttributeError, UsageError):
        return None
    return job if vault_of(job, text) else None


def _without_comments(job: Job, profile: str, before: Before) -> Before:
    """Leave the comments round a section of the config file out, which stayed where they were when it was changed."""
    header = next((target.header for target in job.targets if target.profile == profile), "")
    if before.config is None:
        return before
    alone = aws_config.parsed(before.config, name="the vault")
    return before._replace(config=sections.text_of(alone, header))


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode("utf-8")


# Forwards


def with_profile(config: ConfigFile, target: Target, before: Before) -> bytes:
    """Write the profile that takes the name: its process, and the settings that stood beside the key.

    Raises:
        RefusedError: it could not be read back, or something else would change.
    """
    return sections.with_settings(config, target.header, _changes(target, before))


def lead_of(config: ConfigFile, target: Target) -> int:
    """Count the bytes that part a new section from the text above it; 0 where the section is there."""
    if target.header in config.sections:
        return 0
    return len(aws_config.ended(config)) - len(config.data)


def has_profile(config: ConfigFile, target: Target) -> bool:
    """Say whether the name calls us for its role, whichever way its line goes to us."""
    return process_of(config, target) is not None


def process_of(config: ConfigFile, target: Target) -> str | None:
    """Give the line by which the name calls us for its role: another way to us than was written may be in it now."""
    found = config.sections.get(target.header, {}).get(aws_config.PROCESS)
    is_ours = isinstance(found, str) and aws_config.role_of_process(found) == target.role
    return str(found) if is_ours else None


def with_process(config: ConfigFile, target: Target) -> bytes:
    """Have a profile that calls us do so by its target's process.

    Raises:
        RefusedError: something else would change.
    """
    return sections.with_settings(config, target.header, {aws_config.PROCESS: target.process})


def _changes(target: Target, before: Before) -> dict[str, Value | None]:
    moved: dict[str, Value | None] = {}
    if before.credentials is not None:
        values = aws_config.parsed(before.credentials, name="the vault").sections[target.profile]
        moved = {key: value for key, value in values.items() if key not in KEY_LINES}
    return {aws_config.PROCESS: target.process, **moved}


def without_section(credentials: ConfigFile, target: Target) -> bytes:
    """Cut the name out of the credentials file.

    Raises:
        RefusedError: its section is not the one that the job began with.
    """
    text = sections.text_of(credentials, target.profile)
    if text is None or not target.credentials_digest:
        return credentials.data
    if digest(text) != target.credentials_digest:
        raise changed_meanwhile(target.profile)
    return sections.without(credentials, target.profile)


def without_key_lines(config: ConfigFile, target: Target) -> bytes:
    """Take the key out of the profile's section in the config file."""
    there = [key for key in KEY_LINES if key in config.sections.get(target.header, {})]
    return sections.with_settings(config, target.header, dict.fromkeys(there)) if there else config.data


def is_cut(job: Job, config: ConfigFile, credentials: ConfigFile) -> bool:
    """Say whether no name of the job has a static key in either file."""
    return not any(
        (target.credentials_digest and target.profile in credentials.sections)
        or config.sections.get(target.header, {}).keys() & set(KEY_LINES)
        for target in job.targets
    )


def full_layout(credentials: ConfigFile, jobs: Iterable[Job]) -> tuple[Spot, ...]:
    """Say where the sections of the credentials file stand, and where those would that jobs have cut out."""
    layout = sections.layout(credentials)
    for job in jobs:
        if job.may_be_undone and job.layout:
            for target in job.targets:
                if target.credentials_digest:
                    layout = sections.woven(layout, target.profile, job.layout)
    return layout


# Backwards


def with_section(credentials: ConfigFile, job: Job, target: Target, vault: Vault) -> bytes:
    """Put the section of a name back into the credentials file.

    One that is there and has the key was never cut, or somebody put it back; what else they changed in it stays.

    Raises:
        RefusedError: there is another one of its name.
    """
    text = vault.before[target.profile].credentials
    there = credentials.sections.get(target.profile, {})
    if text is None or has_key(there, job.key_id, vault.secret):
        return credentials.data
    section = sections.Section(target.profile, text)
    if not job.layout:
        return sections.put_back_with_comments(credentials, section, job.order)
    if not credentials.data:
        # What was left of it were blank lines, and it was removed.
        credentials = aws_config.parsed(job.blank.encode(), name=credentials.name)
    return sections.put_back(credentials, section, job.layout)


def has_key(values: Mapping[str, Value], key_id: str, secret: Secret) -> bool:
    """Say whether a section holds this very key."""
    found = values.get(SECRET_KEY)
    return values.get(KEY_ID) == key_id and isinstance(found, str) and Secret(found) == secret


def without_profile(config: ConfigFile, target: Target, before: Before) -> bytes:
    """Bring the config file's section back to what it was: its very bytes, unless somebody changed it meanwhile.

    Raises:
        RefusedError: something else would change.
    """
    now = sections.text_of(config, target.header)
    if now == before.config or (now is None and before.config is None):
        return config.data
    if now is None:
        return _restored(config, target, before)
    target = replace(target, process=process_of(config, target) or target.process)
    form = next((each for each in _written_forms(target, before) if _trimmed(each[0]) == _trimmed(now)), None)
    if form is None:
        return _freed(config, target, before)
    if before.config is None:
        return _removed(config, target)
    return _rewritten(config, target, before.config, form)


def _written_forms(target: Target, before: Before) -> list[tuple[bytes, bytes]]:
    """Give the section as we wrote it, with the key's lines and without; and what of it is below its last setting.

    Comments and blank lines between the key's lines are that, once those have gone.
    """
    alone = aws_config.parsed(before.config or b"", name="the vault")
    written = aws_config.parsed(with_profile(alone, target, before), name="the vault")
    cut = aws_config.parsed(without_key_lines(written, target), name="the vault")
    return [
        (sections.text_of(file, target.header) or b"", sections.around(file, target.header)[1])
        for file in (written, cut)
    ]


def _rewritten(config: ConfigFile, target: Target, text: bytes, form: tuple[bytes, bytes]) -> bytes:
    """Write the section as it was over the form that we gave it."""
    above, below = sections.around(config, target.header)
    now = (sections.text_of(config, target.header) or b"") + below
    newline = aws_config.newline_of(config)
    whole = b"".join(form)
    if not now.startswith(whole[: len(whole) - len(newline)]):
        # Of one line alone nobody knows how the file ends its lines.
        whole = newline.join(whole.splitlines()) + (b"" if sections.is_open(whole) else newline)
    if sections.is_open(whole) and now.startswith(whole + newline):
        # It was the end of the file, and since then something was put below.
        text, below = text + newline, now.removeprefix(whole + newline)
    elif now.startswith(whole):
        below = now.removeprefix(whole)
    elif now + newline == whole:
        # It was not the end of the file, and now it is.
        text, below = text.removesuffix(newline), b""
    after = above + sections.parted(text, below, config) + below
    return aws_config.checked(config, after, changed_section=target.header)


def _settled(text: bytes) -> bytes:
    """Leave out what depends on the neighbours: a final newline, and CRLF of the file around it."""
    return text.replace(b"\r\n", b"\n").rstrip()


def _trimmed(text: bytes) -> list[bytes]:
    """Leave out blanks at the ends of lines, too: an earlier version wrote one behind `s3 =`."""
    return [line.rstrip() for line in _settled(text).split(b"\n")]


def _restored(config: ConfigFile, target: Target, before: Before) -> bytes:
    section = sections.Section(target.header, before.config or b"")
    return sections.put_back(config, section, ())


def _freed(config: ConfigFile, target: Target, before: Before) -> bytes:
    """Take back only our own lines where somebody changed the section since."""
    was = aws_config.parsed(before.config or b"", name="the vault").sections.get(target.header, {})
    keys = {aws_config.PROCESS, *(each for each in KEY_LINES if each in was)}
    return sections.with_settings(config, target.header, {key: was.get(key) for key in keys})


def _removed(config: ConfigFile, target: Target) -> bytes:
    """Remove a section that we wrote, with the blank line that we put above it; text that came below stays."""
    above, below = sections.around(config, target.header)
    lead = above[len(above) - target.lead :]
    if not lead.strip():
        above = above[: len(above) - target.lead]
    after = sections.parted(above, below, config) + below
    return aws_config.checked(config, after, changed_section=target.header)

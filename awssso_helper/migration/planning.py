"""From keys in files to a plan: whose each key is, what takes its place, and the text of both files afterwards.

Asks AWS and the portal, changes nothing. What is not clear is left alone with its reason; nothing is guessed.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from awssso_helper import aws_config, config_diff, sections
from awssso_helper.errors import AccessDeniedError, AwsssoError, LoginNeededError, ServiceError, UsageError
from awssso_helper.iam import ACTIVE, Keys, is_dead_key, is_denied, is_no_such
from awssso_helper.migration import edits
from awssso_helper.migration import job as jobs
from awssso_helper.migration.job import Job, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from awssso_helper.aws_config import ConfigFile
    from awssso_helper.iam import Iam, KeyState, LastUse, Principal
    from awssso_helper.migration.journal import Records
    from awssso_helper.migration.portal import Portal
    from awssso_helper.model import Role
    from awssso_helper.static_keys import Found, Oddity, StaticKey

_Answer = TypeVar("_Answer")

# So many different roles are tried for a question that not every role may ask.
_ASKERS = 3


class Chooser(Protocol):
    """Asks the person which of several roles takes the place of a key; None: none, or nobody can be asked."""

    def __call__(self, profile: str, facts: Facts, roles: Sequence[Role]) -> Role | None:
        """Give the chosen role."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What AWS says of a key. `works` is False for one that is Inactive or gone."""

    account_id: str = ""
    user: str = ""
    is_root: bool = False
    works: bool = False
    state: KeyState | None = None
    last_use: LastUse | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """A key of the plan: its job, or why it is left alone."""

    key: StaticKey
    facts: Facts
    job: Job | None
    reason: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a migration would do. `unfinished` are jobs of earlier runs that go on first."""

    items: tuple[Item, ...]
    oddities: tuple[Oddity, ...]
    unfinished: tuple[Job, ...] = ()
    config: tuple[bytes, bytes] = (b"", b"")
    credentials: tuple[bytes, bytes] = (b"", b"")
    names: tuple[str, str] = ("", "")
    asleep: tuple[str, ...] = ()
    secrets: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All that there is to do, in order."""
        return (*self.unfinished, *(item.job for item in self.items if item.job is not None))

    def leftovers(self) -> list[tuple[str, int, str]]:
        """Give file, line and key id where a secret would still stand after all of this, as in a comment."""
        secrets = {item.key.key_id: item.key.secret.reveal().encode() for item in self.items if item.job is not None}
        texts = ((self.names[0], self.config[1]), (self.names[1], self.credentials[1]))
        return [
            (name, number, key_id)
            for name, text in texts
            for number, line in enumerate(text.splitlines(), 1)
            for key_id, secret in secrets.items()
            if secret in line
        ]

    def diff_text(self) -> str:
        """Give what changes in both files as unified diffs; no secret is in them."""
        text = config_diff.unified_diff(*self.config, self.names[0]) + config_diff.unified_diff(
            *self.credentials, self.names[1]
        )
        for secret in self.secrets:
            text = text.replace(secret, "****")
        return text


class Planner:
    """Makes the plan."""

    def __init__(
        self,
        portal: Portal,
        cloud: Iam,
        *,
        launcher: str,
        preferred: Sequence[str],
        mapped: Mapping[str, str],
        choose: Chooser,
        keeps_keys: bool,
    ) -> None:
        """`launcher` is the start of a `credential_process` value; `mapped` are the roles that `--map` names."""
        self._portal = portal
        self._cloud = cloud
        self._launcher = launcher
        self._preferred = tuple(preferred)
        self._mapped = mapped
        self._choose = choose
        self._keeps_keys = keeps_keys

    def plan(self, found: Found, config: ConfigFile, credentials: ConfigFile, records: Records) -> Plan:
        """Plan for these keys.

        Raises:
            UsageError: `--map` names a profile that has no static key.
            LoginNeededError: none of the SSO sessions is signed in.
        """
        unfinished = tuple(self._gone_on(job) for job in records.jobs if self._goes_on(job, found))
        ours = {job.key_id for job in unfinished}
        keys = [key for key in found.keys if key.key_id not in ours]
        self._demand_known_names(keys, records)
        items: list[Item] = []
        texts = (config, credentials)
        for key in keys:
            item, texts = _edited(self._item(key, config, credentials, records), texts)
            items.append(item)
        return Plan(
            items=tuple(items),
            oddities=found.oddities,
            unfinished=unfinished,
            config=(config.data, texts[0].data),
            credentials=(credentials.data, texts[1].data),
            names=(config.name, credentials.name),
            asleep=tuple(self._portal.asleep),
            secrets=frozenset(key.secret.reveal() for key in found.keys),
        )

    def _goes_on(self, job: Job, found: Found) -> bool:
        """Say whether a job of an earlier run has something left to do."""
        is_in_files = any(key.key_id == job.key_id for key in found.keys)
        return job.is_unfinished or (job.stage == jobs.LOCAL and not self._keeps_keys and not is_in_files)

    def _gone_on(self, job: Job) -> Job:
        named = next((self._mapped[name] for name in job.profiles if name in self._mapped), "")
        manager = job.manager
        if named:
            account = job.account_id
            manager = next((role for role in self._portal.roles_in(account) if _is_named(role, named)), manager)
        return replace(job, keeps_key=self._keeps_keys, manager=manager)

    def _demand_known_names(self, keys: Sequence[StaticKey], records: Records) -> None:
        known = {name for key in keys for name in key.profiles} | {
            name for job in records.jobs if job.is_in_effect for name in job.profiles
        }
        for name in self._mapped:
            if name not in known:
                raise UsageError(f"--map: no profile {name[:64]!a} has a static key", hint="awssso migrate --dry-run")

    # One key

    def _item(self, key: StaticKey, config: ConfigFile, credentials: ConfigFile, records: Records) -> Item:
        facts = Facts()
        try:
            facts = self._facts(key)
            reason, hint = _why_left(key, facts)
            if reason:
                return Item(key, facts, None, reason, hint)
            reason, hint = _why_not_again(key, records.of_key(key.key_id))
            if reason:
                return Item(key, facts, None, reason, hint)
            roles = self._portal.roles_in(facts.account_id)
            if not roles:
                return Item(key, facts, None, *_no_role(facts))
            chosen: dict[str, Role] = {}
            for profile in key.profiles:
                role, reason, hint = self._matched(profile, key, facts, roles)
                if role is None:
                    return Item(key, facts, None, reason, hint)
                chosen[profile] = role
            job = self._job(key, facts, chosen, (config, credentials), records)
            return Item(key, facts, job)
        except LoginNeededError:
            raise
        except AwsssoError as error:
            return Item(key, facts, None, error.message, error.hint)

    def _facts(self, key: StaticKey) -> Facts:
        """Ask whose key it is. Its last use is read before it is used, since asking with it counts as use."""
        account_id = self._account_of(key)
        askers = [self._portal.keys(role) for role in self._askers(account_id)] if account_id else []
        last_use = _first_told(lambda keys: self._cloud.last_use(keys, key.key_id), askers)
        principal = self._principal(key)
        if principal and not askers:
            # No role may ask whose a key is; the key itself has told. Its last use would be this very question.
            askers = [self._portal.keys(role) for role in self._askers(principal.account_id)]
        user = principal.user if principal else last_use.user if last_use else ""
        state = _first_told(lambda keys: self._cloud.key_state(keys, user, key.key_id), askers if user else [])
        return Facts(
            account_id=principal.account_id if principal else account_id,
            user=user,
            is_root=principal is not None and principal.is_root,
            works=principal is not None,
            state=state,
            last_use=last_use,
        )

    def _account_of(self, key: StaticKey) -> str:
        """Ask for the key's account without using the key; empty where nobody may ask, or AWS does not know it."""
        tried: set[str] = set()
        for role in self._portal.some_roles():
            if role.name in tried:
                continue
            if len(tried) == _ASKERS:
                break
            tried.add(role.name)
            try:
                return self._cloud.account_of_key(self._portal.keys(role), key.key_id)
            except LoginNeededError:
                continue
            except ServiceError as error:
                if not is_denied(error) and not isinstance(error, AccessDeniedError):
                    return ""
        return ""

    def _askers(self, account_id: str) -> list[Role]:
        """Give a few of one's roles in an account to ask about a key with, the preferred first."""
        roles = self._portal.roles_in(account_id)
        rank = {name: number for number, name in enumerate([*self._mapped.values(), *self._preferred])}
        return sorted(roles, key=lambda role: rank.get(role.name, len(rank)))[:_ASKERS]

    def _principal(self, key: StaticKey) -> Principal | None:
        """Ask with the key itself; None where AWS refuses it: it is Inactive, or gone."""
        region = self._portal.region(next(iter(self._portal.sessions)))
        try:
            return self._cloud.principal(Keys(key.key_id, key.secret, None, region))
        except ServiceError as error:
            if is_dead_key(error):
                return None
            raise

    # Its role

    def _matched(
        self, profile: str, key: StaticKey, facts: Facts, roles: Sequence[Role]
    ) -> tuple[Role | None, str, str]:
        """Find the one role for a name, or say why there is none."""
        names = ", ".join(dict.fromkeys(role.name for role in roles))
        wanted = self._mapped.get(profile)
        if wanted is not None:
            named = [role for role in roles if _is_named(role, wanted)]
            if len(named) == 1:
                return _agreeing(named[0], key.generated.get(profile))
            return (
                None,
                f"--map: {'no' if not named else 'more than one'} role {wanted[:64]!a} here",
                f"there are {names}",
            )
        if profile in key.generated:
            role = key.generated[profile]
            return (
                (role, "", "") if role in roles else (None, f"its profile is for {role.word()}, which you have not", "")
            )
        chosen = roles[0] if len(roles) == 1 else self._preferred_of(roles) or self._choose(profile, facts, roles)
        if chosen is not None:
            return chosen, "", ""
        return None, f"several roles could take its place: {names}", f"awssso migrate --map {profile}=ROLE"

    def _preferred_of(self, roles: Sequence[Role]) -> Role | None:
        for pattern in self._preferred:
            matching = [role for role in roles if fnmatch.fnmatchcase(role.name.casefold(), pattern.casefold())]
            if matching:
                return matching[0] if len(matching) == 1 else None
        return None

    # Its job

    def _job(
        self,
        key: StaticKey,
        facts: Facts,
        chosen: Mapping[str, Role],
        files: tuple[ConfigFile, ConfigFile],
        records: Records,
    ) -> Job:
        config, credentials = files
        before = records.of_key(key.key_id)
        layout = edits.full_layout(credentials, records.jobs)
        between = sections.between(credentials)
        targets = []
        for profile in key.profiles:
            header = sections.profile_header(config, profile) or sections.new_header(profile)
            text = sections.text_of(credentials, profile) if _stands_in_credentials(key, profile) else None
            targets.append(
                Target(
                    profile=profile,
                    role=chosen[profile],
                    process=aws_config.process_value(self._launcher, chosen[profile]),
                    header=header,
                    config_digest=edits.config_digest(sections.text_of(config, header)),
                    credentials_digest=edits.digest_of(text),
                )
            )
        job = Job(
            key_id=key.key_id,
            account_id=facts.account_id,
            user=facts.user,
            region=self._portal.region(targets[0].role.session),
            initial=facts.state.status if facts.state else ACTIVE if facts.works else "",
            targets=tuple(targets),
            order=tuple(spot.header for spot in layout),
            above=tuple(spot.above for spot in layout),
            blank="" if between.strip() else between.decode(),
            dependants=key.dependants,
            keeps_key=self._keeps_keys,
        )
        if before is None or before.stage != jobs.RETIRED:
            return job
        # A retired key that somebody put back into the file: undo makes it Active, as it was before it was retired.
        return replace(
            job,
            initial=before.initial,
            retired_at=before.retired_at,
            touched_at=before.touched_at,
            reached=before.reached,
        )


def _edited(item: Item, files: tuple[ConfigFile, ConfigFile]) -> tuple[Item, tuple[ConfigFile, ConfigFile]]:
    """Give both files as they would be after the item; one whose edit is not possible is left alone."""
    if item.job is None:
        return item, files
    config, credentials = files
    try:
        vault = edits.taken(item.job, config, credentials)
        for target in item.job.targets:
            after = edits.with_profile(config, target, vault.before[target.profile])
            config = aws_config.parsed(after, name=config.name)
            config = aws_config.parsed(edits.without_key_lines(config, target), name=config.name)
            credentials = aws_config.parsed(edits.without_section(credentials, target), name=credentials.name)
    except AwsssoError as error:
        return replace(item, job=None, reason=error.message, hint=error.hint), files
    return item, (config, credentials)


def _first_told(ask: Callable[[Keys], _Answer], askers: Sequence[Keys]) -> _Answer | None:
    """Ask with one role after another until one may; None where none may, or AWS does not know."""
    for keys in askers:
        try:
            return ask(keys)
        except ServiceError as error:
            if not is_denied(error) and not is_no_such(error):
                raise
    return None


def _why_left(key: StaticKey, facts: Facts) -> tuple[str, str]:
    """Say what stands in the way of a key whoever's roles there are; empty where nothing does."""
    if facts.is_root:
        return (
            "this is a key of the root user, which nothing should have",
            "sign in as root, create no other; delete it under Security credentials, then remove it from the file",
        )
    if not facts.account_id:
        return "AWS does not know this key", f"it was deleted; remove {', '.join(key.profiles)} from the file by hand"
    if not facts.user:
        return (
            "AWS refuses this key: it is Inactive or deleted, and no role of yours may see whose it is",
            "if nobody needs it, remove it from the file by hand",
        )
    return "", ""


def _why_not_again(key: StaticKey, before: Job | None) -> tuple[str, str]:
    """Say what stands in the way of a key that is back: a job of fewer names would lose what undo restores of all."""
    lost = [name for name in before.profiles if name not in key.profiles] if before and before.is_in_effect else []
    if not lost:
        return "", ""
    return (
        f"this key was retired under {', '.join(lost)} too, and is back under {', '.join(key.profiles)} only",
        f"remove {', '.join(key.profiles)} from the file by hand, or: awssso migrate --undo {key.key_id}",
    )


def _no_role(facts: Facts) -> tuple[str, str]:
    return (
        f"SSO gives you no role in the account {facts.account_id}",
        f"ask whoever runs IAM Identity Center for a permission set there that does what IAM user {facts.user} does",
    )


def _agreeing(role: Role, generated: Role | None) -> tuple[Role | None, str, str]:
    if generated is None or generated == role:
        return role, "", ""
    return None, f"its profile in the config file is for {generated.word()}", "remove that profile"


def _is_named(role: Role, text: str) -> bool:
    return text in (role.name, role.word())


def _stands_in_credentials(key: StaticKey, profile: str) -> bool:
    return any(place.profile == profile and not place.is_config for place in key.places)

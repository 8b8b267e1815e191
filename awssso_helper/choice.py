"""Which role a person means: a profile by its name, an abbreviation, some words; or an account and a role.

An exact name always wins. Anything else must be unambiguous, or the candidates are named and nothing is chosen.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from awssso_helper import matching
from awssso_helper.errors import UsageError
from awssso_helper.terminal import safe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from awssso_helper.catalog import Entry
    from awssso_helper.matching import Match

# How many candidates are named.
_SHOWN = 8
# What a word is worth in `matching` when it is in a name at all, and when it abbreviates one.
_TYPED = 40
_ABBREVIATED = 5
# What may stand between words instead of a blank: production/Admin, prod.admin, prod:admin.
_SEPARATORS = re.compile(r"[\s/:.]+")


class AmbiguousError(UsageError):
    """Several roles are meant; they are named, the likeliest first."""

    def __init__(self, message: str, candidates: Sequence[Entry]) -> None:
        super().__init__(message, hint=f"say more, for example: {_suggested(candidates[0])}")
        more = [f"and {len(candidates) - _SHOWN} more"] if len(candidates) > _SHOWN else []
        self.details = (*_aligned(candidates[:_SHOWN]), *more)


def by_words(words: Sequence[str], entries: Sequence[Entry]) -> Entry:
    """Find the one entry that these words mean.

    Raises:
        AmbiguousError: they mean several.
        UsageError: they mean none; the hint names what is close.
    """
    name = words[0] if len(words) == 1 else " ".join(words)
    exact = _exact(name, entries)
    if exact is not None:
        return exact
    starting = [each for each in entries if each.profile.casefold().startswith(name.casefold())]
    if len(starting) == 1:
        return starting[0]
    matches = _meant(words, entries) or _meant(_SEPARATORS.split(name), entries)
    if not matches:
        raise _unknown(name, entries)
    # A whole name beats a part of one: an account called production can be named beside payments-production.
    most = max(_whole_names(match) for match in matches)
    wholly = [match.entry for match in matches if _whole_names(match) == most]
    return wholly[0] if len(wholly) == 1 and most else _only([match.entry for match in matches], name)


def by_name(name: str, entries: Sequence[Entry]) -> Entry:
    """Find the entry of this very name, as a variable holds it: nobody typed it, so no abbreviation is meant.

    Raises:
        UsageError: there is none; the hint names what is close.
    """
    exact = _exact(name, entries)
    if exact is None:
        hint = _unknown(name, entries).hint
        raise UsageError(f"the profile in force, {name[:64]!a} (AWS_PROFILE), is no profile of a role", hint=hint)
    return exact


def by_account_and_role(account: str, role: str, entries: Sequence[Entry]) -> Entry:
    """Find the one entry of an account (its id, its name or part of it) and a role (likewise); either may be empty.

    Raises:
        AmbiguousError: several are left.
        UsageError: there is no such account, or no such role in it.
    """
    there = _narrowed(account, entries, lambda each: (each.account.name, each.account.id))
    if not there:
        names = {each.account.name for each in entries if each.account.name}
        raise _unknown_of("account", account, names)
    meant = _narrowed(role, there, lambda each: (each.role.name,))
    if not meant:
        raise _unknown_of("role", role, {each.role.name for each in there})
    # Of several profiles for one and the same role, the generated one is as good as any.
    same = {(each.role, each.chain) for each in meant}
    return meant[0] if len(same) == 1 else _only(meant, " ".join(filter(None, (account, role))))


def described(entry: Entry) -> str:
    """Name an entry so that no other looks like it: the account id is always there."""
    return " ".join(each for each in _columns(entry) if each)


def _columns(entry: Entry) -> tuple[str, ...]:
    account = f"{safe(entry.account.name)} ({entry.account.id})" if entry.account.name else entry.account.id
    via = f"via {safe(entry.via)}" if entry.via else ""
    return (safe(entry.profile) or "(no profile)", account, safe(entry.role.name), via)


def _aligned(entries: Sequence[Entry]) -> list[str]:
    rows = [_columns(each) for each in entries]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _exact(name: str, entries: Sequence[Entry]) -> Entry | None:
    folded = name.casefold()
    similar = [each for each in entries if each.profile.casefold() == folded]
    same = [each for each in similar if each.profile == name]
    by_word = [each for each in entries if each.chain is None and each.role.word() == name] if "/" in name else []
    return next(iter([*same, *similar, *by_word]), None)


def _meant(words: Sequence[str], entries: Sequence[Entry]) -> list[Match]:
    """Rank the entries that the words name or abbreviate. One that is only mistyped is suggested, never chosen.

    Whoever lost prod2 and types it must not find themselves in prod1.
    """
    return [match for match in matching.ranked(words, entries) if not match.is_forgiven or _is_abbreviated(match)]


def _whole_names(match: Match) -> int:
    names = {matching.folded(text) for text in matching.fields_of(match.entry).values()}
    return sum(word in names for word in match.words)


def _is_abbreviated(match: Match) -> bool:
    worth = [found.score for word in match.words for found in matching.ranked([word], [match.entry])]
    return all(score >= _TYPED or score == _ABBREVIATED for score in worth)


def _narrowed(text: str, entries: Sequence[Entry], names: Callable[[Entry], tuple[str, ...]]) -> list[Entry]:
    """Keep the entries that have the text for a name; where none has, those that begin with it, or else hold it."""
    wanted = text.casefold()
    if not wanted:
        return list(entries)
    texts = [(each, [name.casefold() for name in names(each)]) for each in entries]
    same = [each for each, known in texts if wanted in known]
    starting = [each for each, known in texts if any(text.startswith(wanted) for text in known)]
    return same or starting or [each for each, known in texts if any(wanted in text for text in known)]


def _only(entries: Sequence[Entry], words: str) -> Entry:
    if len(entries) == 1:
        return entries[0]
    raise AmbiguousError(f"{words[:64]!a} means {len(entries)} roles", entries)


def _unknown(name: str, entries: Sequence[Entry]) -> UsageError:
    if not entries:
        return UsageError("no accounts are known yet", hint="awssso login")
    mistyped = [match.entry.profile for match in matching.ranked([name], entries) if match.entry.profile]
    profiles = [each.profile for each in entries if each.profile]
    close = mistyped[:3] or difflib.get_close_matches(name, profiles, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else "awssso list"
    return UsageError(f"no profile or role is like {name[:64]!a}", hint=hint)


def _unknown_of(kind: str, text: str, names: set[str]) -> UsageError:
    close = difflib.get_close_matches(text, sorted(names), n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(safe(each) for each in close)}?" if close else "awssso list"
    return UsageError(f"there is no {kind} {text[:64]!a}", hint=hint)


def _suggested(entry: Entry) -> str:
    return entry.profile or f"-A {entry.account.id} -R {entry.role.name}"

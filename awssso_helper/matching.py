"""What a person means by a few words: the entries that hold all of them, the likeliest first. Pure.

Every word must occur, in any order, in account name, account id, e-mail, role, profile name or tags. Typos and
abbreviations are forgiven only where nothing holds the words as they were typed, and never in a word of digits: an
account id that is nearly right is another account.
"""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from awssso_helper.catalog import Entry

    Spans = tuple[tuple[int, int], ...]

# What a word is worth in an entry, by where it occurs.
_WHOLE = 90
_STARTS_WITH_WHOLE_PART = 80
_STARTS = 70
_WHOLE_PART = 60
_PART_STARTS = 50
_INSIDE = 40
_MISTYPED = 20  # less 6 for each typing mistake
_AT_THE_START = 3
_ABBREVIATED = 5

# Typing mistakes that are forgiven, by the length of the word: none below 4 characters, one below 8, then two.
_FORGIVES_ONE = 4
_FORGIVES_TWO = 8
# Nobody mistypes or abbreviates by more; the rest of a name that a stranger made endless does not count.
_LONGEST_WORD = 64
_LONGEST = 128
# How many letters an abbreviation may leave out in a row.
_NEAR = 3

# The parts of a name: words, humps and numbers, as in payments-prod, PowerUserAccess, eu1.
_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[^\W\d_A-Za-z][^\W\d_]*")
_END = "\n"
_FIELDS = ("account", "account_id", "role", "profile", "tags", "email")


class Match(NamedTuple):
    """An entry that was meant, perhaps: the higher its `score`, the likelier.

    `is_forgiven` says that no entry holds the words as they were typed, and that this one nearly does.
    """

    entry: Entry
    score: int
    is_forgiven: bool
    words: tuple[str, ...]

    @property
    def spans(self) -> Mapping[str, Spans]:
        """Where the words are: field to (start, end) pairs, in order and without overlap.

        The fields are account, account_id, role, profile, tags (joined by a space) and email.
        """
        return _spans(self.entry, self.words) if self.words else {}


def ranked(words: Sequence[str], entries: Iterable[Entry]) -> list[Match]:
    """Give the entries that hold all words, the best first; equals stay in their order, and no words keep all."""
    return Haystack(entries).ranked(words)


class Patterns:
    """Shell patterns without regard to case; one that begins with ! takes out what it matches."""

    def __init__(self, patterns: Iterable[str]) -> None:
        folded = [pattern.casefold() for pattern in patterns]
        self._wanted = _any_of(pattern for pattern in folded if pattern[:1] != "!")
        self._unwanted = _any_of(pattern[1:] for pattern in folded if pattern[:1] == "!")

    def match(self, texts: Iterable[str]) -> bool:
        """Say whether one of the texts matches, and none matches a pattern with !."""
        folded = [text[:256].casefold() for text in texts]
        return any(map(self._wanted, folded)) and not any(map(self._unwanted, folded))


def _any_of(patterns: Iterable[str]) -> Callable[[str], object]:
    alternatives = "|".join(map(fnmatch.translate, patterns))
    return re.compile(alternatives or r"(?!)").match


def fields_of(entry: Entry) -> dict[str, str]:
    """Give the texts of an entry that words are looked for in."""
    account = entry.account
    texts = (account.name, account.id, entry.role.name, entry.profile, " ".join(entry.tags), account.email)
    return dict(zip(_FIELDS, texts, strict=True))


def folded(text: str) -> str:
    """Write text as it is compared: without case and accents, each character in its place."""
    return text.lower() if text.isascii() else "".join(map(_folded_character, text))


def _folded_character(character: str) -> str:
    apart = unicodedata.normalize("NFKD", character)
    is_accented = all(unicodedata.combining(mark) for mark in apart[1:])
    plain = (apart[0] if is_accented else character).casefold()
    return plain if len(plain) == 1 else character


class Haystack:
    """Entries made ready for many searches: a search of 10,000 takes milliseconds."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        names = _Names()
        self._straws = [names.straw(entry) for entry in entries]
        self._last: tuple[tuple[str, ...], list[_Straw]] = ((), self._straws)

    def ranked(self, words: Sequence[str]) -> list[Match]:
        """Give the entries that hold all words, the best first; equals stay in their order, and no words keep all."""
        wanted = as_words(words)
        holding = self._holding(wanted)
        if holding or not wanted:
            graded = [(sum([straw.grade(word) for word in wanted]), straw) for straw in holding]
        else:
            graded = list(self._forgiven(wanted))
        graded.sort(key=lambda pair: -pair[0])
        is_forgiven = not holding
        return [Match(straw.entry, score, is_forgiven, wanted) for score, straw in graded]

    def _holding(self, words: tuple[str, ...]) -> list[_Straw]:
        """Find the entries that hold the words as typed; who types on narrows what was found before."""
        before, straws = self._last
        if not all(any(old in word for word in words) for old in before):
            straws = self._straws
        for word in words:
            straws = [straw for straw in straws if word in straw.text]
        self._last = (words, straws)
        return straws

    def _forgiven(self, words: tuple[str, ...]) -> Iterator[tuple[int, _Straw]]:
        names = {name.text: name for straw in self._straws for name in straw.names}
        guesses = [_Guess(word, names.values()) for word in words]
        for straw in self._straws:
            grades = [guess.grade(straw) for guess in guesses]
            if all(grades):
                yield sum(grades), straw


def as_words(words: Iterable[str]) -> tuple[str, ...]:
    """Fold what was typed, split at white space, each word once."""
    typed = " ".join(words)
    return tuple(dict.fromkeys(folded(unicodedata.normalize("NFC", typed)).split()))


@dataclass(slots=True)
class _Name:
    """A text that a word may be in, and where its parts are."""

    text: str
    places: tuple[tuple[int, int], ...]
    starts: str = ""  # the text from the start of each of its parts, each after a line end
    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        text = self.text
        self.starts = "".join([_END + text[start:] for start, _ in self.places])
        self.parts = tuple([text[start:end] for start, end in self.places])

    def abbreviated_by(self, word: str) -> tuple[int, ...]:
        """Give the places of the word's letters: the first begins a part, each other is near or begins one.

        Places are followed in step, not by trying all ways: a hostile name costs no more than another.
        """
        text = self.text[:_LONGEST]
        starts = [start for start, _ in self.places if start < len(text)]
        ways: dict[int, tuple[int, ...]] = {start: (start,) for start in starts if text[start] == word[0]}
        for letter in word[1:]:
            further: dict[int, tuple[int, ...]] = {}
            for at, way in ways.items():
                near = range(at + 1, min(at + 2 + _NEAR, len(text)))
                for place in (*near, *[start for start in starts if start > at]):
                    if text[place] == letter:
                        further.setdefault(place, (*way, place))
            ways = further
        return min(ways.values(), key=lambda way: (way[-1] - way[0], way), default=())


@dataclass(slots=True)
class _Straw:
    """One entry with its texts, each field and part between two line ends."""

    entry: Entry
    text: str
    strong: str  # without the e-mail, whose parts are everybody's
    starts: str  # each strong field from the start of each of its parts
    parts: set[str]
    names: tuple[_Name, ...]

    def grade(self, word: str) -> int:
        """Say what a word that the text holds is worth; 0 where it does not hold it."""
        starting = _END + word
        if starting in self.strong:
            if starting + _END in self.strong:
                return _WHOLE
            return _STARTS_WITH_WHOLE_PART if word in self.parts else _STARTS
        if word in self.parts:
            return _WHOLE_PART
        if starting in self.starts:
            return _PART_STARTS
        return _INSIDE if word in self.text else 0


class _Names:
    """Folds and takes apart each name once, however many entries have it."""

    def __init__(self) -> None:
        self._known: dict[str, _Name] = {}

    def straw(self, entry: Entry) -> _Straw:
        account, role, profile = entry.account, entry.role.name, entry.profile
        texts = (account.name, account.id, role, *entry.tags)
        if not (account.name and profile.startswith(account.name) and profile.endswith(role)):
            # A name that the template made has the parts of account and role.
            texts = (*texts, profile)
        names = tuple([self._known.get(text) or self._taken_apart(text) for text in texts])
        strong = _END + _END.join([name.text for name in names])
        strong = f"{strong}{_END}{folded(profile)}{_END}"
        starts = "".join([name.starts for name in names]) + _END
        parts = {part for name in names for part in name.parts}
        return _Straw(entry, f"{strong}{folded(account.email)}{_END}", strong, starts, parts, names)

    def _taken_apart(self, text: str) -> _Name:
        name = self._known[text] = _named(text)
        return name


def _named(text: str) -> _Name:
    return _Name(folded(text).replace(_END, " "), tuple([match.span() for match in _PART.finditer(text)]))


class _Guess:
    """What a word may have been meant to be: the start of a part with a typo in it, or an abbreviation of a name."""

    def __init__(self, word: str, names: Iterable[_Name]) -> None:
        self._word = word
        self._letters = set(word)
        self._budget = forgiven_mistakes(word)
        self._mistakes: dict[str, int] = {}
        self._grades = {name.text: self._grade(name) for name in names}

    def grade(self, straw: _Straw) -> int:
        return straw.grade(self._word) or max([self._grades[name.text] for name in straw.names])

    def _grade(self, name: _Name) -> int:
        if self._budget:
            reach = len(self._word) + self._budget
            mistakes = [self._mistakes_in(start[:reach]) for start in name.starts.split(_END)[1:]]
            fewest = min(mistakes, default=self._budget + 1)
            if fewest <= self._budget:
                return _MISTYPED - 6 * fewest + _AT_THE_START * (mistakes[0] == fewest)
        may = _may_abbreviate(self._word) and self._letters.issubset(name.text)
        return _ABBREVIATED if may and name.abbreviated_by(self._word) else 0

    def _mistakes_in(self, start: str) -> int:
        known = self._mistakes.get(start)
        if known is None:
            is_far = self._has_more_letters_than(start)
            known = self._budget + 1 if is_far else _mistakes(self._word, start, self._budget)[0]
            self._mistakes[start] = known
        return known

    def _has_more_letters_than(self, start: str) -> bool:
        """Say whether the word has too many letters that the start has not: a mistake brings in one at most."""
        if len(self._letters.difference(start)) > self._budget:
            return True
        counts = [self._word.count(letter) - start.count(letter) for letter in self._letters]
        return sum([count for count in counts if count > 0]) > self._budget


def forgiven_mistakes(word: str) -> int:
    """Say how many typing mistakes in a word are forgiven: by its length, and none among digits."""
    if word.isdecimal() or not _FORGIVES_ONE <= len(word) <= _LONGEST_WORD:
        return 0
    return 1 if len(word) < _FORGIVES_TWO else 2


def _may_abbreviate(word: str) -> bool:
    return 1 < len(word) <= _LONGEST_WORD and not word.isdecimal()


def _mistakes(word: str, meant: str, most: int) -> tuple[int, int]:
    """Count the mistakes (wrong, missing, needless, swapped letters) between a word and the start of what was meant.

    Gives how many (more than `most` may be given as `most` + 1), and how long that start is.
    """
    older: list[int] = []
    old = list(range(len(meant) + 1))
    for row, typed in enumerate(word, 1):
        new = [row]
        for column, letter in enumerate(meant, 1):
            cost = min(old[column] + 1, new[column - 1] + 1, old[column - 1] + (typed != letter))
            if row > 1 and column > 1 and typed == meant[column - 2] and word[row - 2] == letter:
                cost = min(cost, older[column - 2] + 1)
            new.append(cost)
        if min(new) > most:
            return most + 1, 0
        older, old = old, new
    # Of equally close starts, the one of the word's own length, or nearest to it.
    return min((cost, abs(length - len(word)), length) for length, cost in enumerate(old))[::2]


# Where the hits are


def _spans(entry: Entry, words: tuple[str, ...]) -> dict[str, Spans]:
    straw = _Names().straw(entry)
    marked: dict[str, set[int]] = {}
    for field, text in fields_of(entry).items():
        name = _named(text)
        places: set[int] = set()
        for word in words:
            is_literal = word in straw.text
            places.update(_places(name, word) if is_literal else _guessed_places(name, word))
        if places:
            marked[field] = places
    return {field: _runs(sorted(places)) for field, places in marked.items()}


def _places(name: _Name, word: str) -> Iterable[int]:
    """Mark where the word begins a part, or else where it is first."""
    at = next((start for start, _ in name.places if name.text.startswith(word, start)), name.text.find(word))
    return range(at, at + len(word)) if at >= 0 else ()


def _guessed_places(name: _Name, word: str) -> Iterable[int]:
    budget = forgiven_mistakes(word)
    reach = len(word) + budget
    near = [(*_mistakes(word, name.text[start : start + reach], budget), start) for start, _ in name.places]
    mistakes, length, start = min(near, default=(budget + 1, 0, 0))
    if budget and mistakes <= budget:
        return range(start, start + length)
    return name.abbreviated_by(word) if _may_abbreviate(word) else ()


def _runs(places: Sequence[int]) -> Spans:
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and runs[-1][1] == place:
            runs[-1] = (runs[-1][0], place + 1)
        else:
            runs.append((place, place + 1))
    return tuple(runs)

"""The user's browser: which command opens a URL here, and starting it.

The URL is checked once more, goes into our own argument list and never through a shell; the browser gets nothing of
our terminal and outlives us (SECURITY B6).
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from awssso_helper.endpoints import is_loopback, split_url
from awssso_helper.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from awssso_helper.environment import Environment

# What RFC 3986 allows, less `$'();`: openers such as xdg-open and wslview are scripts that hand a URL on to others.
_PLAIN_URL = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!&*+,=-]|%[0-9A-Fa-f]{2})+", re.ASCII)

_FIELD = re.compile(r"\{[a-z_]+\}")
# A word such as ext+container:name={account_name}&url={url}.
_OTHER_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:[^\\]")
_NOT_PLAIN = re.compile(r"[^\w @+=,.()-]+")


def open_url(url: str, environment: Environment, command: str = "", fields: Mapping[str, str] | None = None) -> bool:
    """Start the user's browser on a URL and do not wait; False when nothing could be started.

    `command` is the one of our settings: words, with `{url}` in the place of the URL, else it comes last, and each
    `{name}` of `fields` in the place of what strangers named, which is made plain for it. Without a command
    `$BROWSER` counts, and without that the system's own opener. A browser that was named and does not start is not
    replaced by one that was not named: its cookies may be another user's.

    Raises:
        RefusedError: this is no URL that a browser should be given.
        UsageError: `command` has no end to a quote.
    """
    if not is_safe_to_open(url):
        raise RefusedError(f"no browser is started on {url[:80]!a}", hint="awssso doctor")
    if sys.platform == "win32" and not command and not environment.variables.get("BROWSER"):
        return _start_on_windows(url)
    return any(_start(words, environment) for words in _commands(url, environment, command, fields or {}))


def is_safe_to_open(url: str) -> bool:
    """Say whether any opener may have this URL: https, or http on loopback; no user name, nothing but plain ASCII."""
    parts = split_url(url)
    if parts is None or not _PLAIN_URL.fullmatch(url) or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def _commands(url: str, environment: Environment, command: str, fields: Mapping[str, str]) -> Iterator[list[str]]:
    browsers = environment.variables.get("BROWSER", "")
    if command:
        words = _setting_words(command)
        filled = [_with_fields(word, {"url": url, **fields}) for word in words]
        yield filled if any("{url}" in word for word in words) else [*filled, url]
    elif browsers:
        for entry in filter(None, browsers.split(os.pathsep)):
            yield _filled(_words(entry), "%s", url)
    else:
        yield from ([*opener, url] for opener in _openers(environment))


def _openers(environment: Environment) -> Iterator[list[str]]:
    if sys.platform == "darwin":
        yield ["/usr/bin/open"]
    if environment.variables.get("WSL_DISTRO_NAME"):
        yield ["wslview"]
    # Without a display xdg-open starts and then finds only text browsers, which have no terminal here.
    if environment.variables.get("DISPLAY") or environment.variables.get("WAYLAND_DISPLAY"):
        yield ["xdg-open"]


def _setting_words(command: str) -> list[str]:
    try:
        return _split(command)
    except ValueError as error:
        raise UsageError(
            f"the setting browser has no end to a quote: {command[:80]!a}",
            hint="write it as on a command line, such as: firefox -P work {url}",
        ) from error


def _words(entry: str) -> list[str]:
    """Split one entry of `$BROWSER`; the path of a program is one word even with blanks in it, as on WSL."""
    if Path(entry).is_file():
        return [entry]
    try:
        return _split(entry)
    except ValueError:
        return [entry]


def _split(command: str) -> list[str]:
    # A backslash is part of a path on Windows, and there shlex leaves the quotes on.
    if sys.platform == "win32":
        return [word.strip('"') for word in shlex.split(command, posix=False)]
    return shlex.split(command)


def _filled(words: list[str], mark: str, url: str) -> list[str]:
    filled = [word.replace(mark, url) for word in words]
    return filled if filled != words else [*words, url]


def _with_fields(word: str, fields: Mapping[str, str]) -> str:
    """Put values in the place of `{name}`: percent-encoded inside a URL, else as words without path or option."""
    is_url = _OTHER_URL.match(word) is not None
    return _FIELD.sub(lambda field: _field_value(field[0], fields, is_url=is_url), word)


def _field_value(field: str, fields: Mapping[str, str], *, is_url: bool) -> str:
    name = field[1:-1]
    if name not in fields:
        return field
    if is_url:
        return quote(fields[name], safe="")
    return fields[name] if name == "url" else _NOT_PLAIN.sub("-", fields[name]).lstrip("-.")


def _start(words: list[str], environment: Environment) -> bool:
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=environment.variables,
        )
    except (OSError, ValueError):
        return False
    # Somebody has to collect it, or it stays a zombie for as long as we run.
    threading.Thread(target=process.wait, daemon=True).start()
    return True


def _start_on_windows(url: str) -> bool:
    try:
        os.startfile(url)  # type: ignore[attr-defined,unused-ignore]  # noqa: S606 - Windows only; there is no shell
    except OSError:
        return False
    return True

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from awssso_helper.browser import open_url
from awssso_helper.environment import Environment
from awssso_helper.errors import RefusedError, UsageError

URL = "https://d-1234567890.awsapps.com/start/#/device?user_code=ABCD-EFGH&x=%2Fy"
GENEROUS = 60.0

SCRIPT = """#!{python} -IS
import json, os, sys
seen = {{
    "name": os.path.basename(sys.argv[0]),
    "words": sys.argv[1:],
    "stdio": [os.fstat(fd).st_rdev for fd in (0, 1, 2)],
    "leads a session": os.getsid(0) == os.getpid(),
    "open": sorted(int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + fd)),
}}
with open({records!r} + "/" + str(os.getpid()) + ".tmp", "w") as record:
    json.dump(seen, record)
os.rename(record.name, record.name[:-4] + ".json")
"""


class Recorder:
    """Fake browsers: programs that note how they were started."""

    def __init__(self, directory):
        self.records = directory / "records"
        self.records.mkdir()
        self.programs = directory / "bin"
        self.programs.mkdir()

    def program(self, name="browser"):
        path = self.programs / name
        path.write_text(SCRIPT.format(python=sys.executable, records=str(self.records)))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def seen(self, count=1):
        """Wait until so many were started, and give what they noted."""
        until = time.monotonic() + GENEROUS
        while len(found := list(self.records.glob("*.json"))) < count:
            assert time.monotonic() < until, "no browser was started"
            time.sleep(0.01)
        assert len(found) == count
        return [json.loads(path.read_text()) for path in found]


@pytest.fixture
def recorder(tmp_path):
    return Recorder(tmp_path)


def environment(**variables):
    """Give the sealed variables with these instead; None takes one away."""
    merged = {**os.environ, "BROWSER": None, **variables}
    return Environment({name: value for name, value in merged.items() if value is not None})


# Which browser


def test_the_command_of_the_settings_comes_before_every_other(recorder):
    wanted, other = recorder.program("wanted"), recorder.program("other")
    assert open_url(URL, environment(BROWSER=str(other)), f"{wanted} -P 'my work'")
    assert [(one["name"], one["words"]) for one in recorder.seen()] == [("wanted", ["-P", "my work", URL])]


def test_the_command_of_the_settings_says_where_the_url_goes(recorder):
    assert open_url(URL, environment(), f"{recorder.program()} --url={{url}} --new {{url}} last")
    assert recorder.seen()[0]["words"] == [f"--url={URL}", "--new", URL, "last"]


def test_browser_variable_says_where_the_url_goes(recorder):
    assert open_url(URL, environment(BROWSER=f"{recorder.program()} --new %s last"))
    assert recorder.seen()[0]["words"] == ["--new", URL, "last"]


def test_browser_variable_is_a_list_whose_first_that_starts_is_used(recorder):
    browsers = os.pathsep.join(
        ["/nowhere/browser", "", str(recorder.program("second")), str(recorder.program("third"))]
    )
    assert open_url(URL, environment(BROWSER=browsers))
    assert [one["name"] for one in recorder.seen()] == ["second"]


def test_a_program_with_blanks_in_its_path_is_one_word(recorder):
    assert open_url(URL, environment(BROWSER=str(recorder.program("my browser.exe"))))
    assert recorder.seen()[0]["words"] == [URL]


def test_a_browser_that_was_named_and_is_missing_is_not_replaced(recorder):
    recorder.program("xdg-open")
    here = {"PATH": str(recorder.programs), "DISPLAY": ":0"}
    assert not open_url(URL, environment(**here), "/nowhere/browser -P work")
    assert not open_url(URL, environment(**here, BROWSER="/nowhere/browser"))
    assert open_url(URL, environment(**here))
    assert [one["name"] for one in recorder.seen()] == ["xdg-open"]


@pytest.mark.skipif(sys.platform != "linux", reason="the openers of Linux")
@pytest.mark.parametrize(
    ("variables", "opener"),
    [
        ({"DISPLAY": ":0"}, "xdg-open"),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "xdg-open"),
        ({"WSL_DISTRO_NAME": "Debian"}, "wslview"),
        ({"WSL_DISTRO_NAME": "Debian", "DISPLAY": ":0"}, "wslview"),
    ],
)
def test_the_opener_of_the_system_is_the_last_resort(recorder, variables, opener):
    for name in ("xdg-open", "wslview"):
        recorder.program(name)
    assert open_url(URL, environment(PATH=str(recorder.programs), **variables))
    assert [(one["name"], one["words"]) for one in recorder.seen()] == [(opener, [URL])]


@pytest.mark.skipif(sys.platform != "linux", reason="the openers of Linux")
def test_without_a_display_nothing_is_opened(recorder):
    recorder.program("xdg-open")
    assert not open_url(URL, environment(PATH=str(recorder.programs)))


def test_without_any_opener_nothing_is_opened(recorder):
    assert not open_url(URL, environment(PATH=str(recorder.programs), DISPLAY=":0", WSL_DISTRO_NAME="Debian"))


def test_an_open_quote_in_the_settings_is_named(recorder):
    with pytest.raises(UsageError, match="no end to a quote"):
        open_url(URL, environment(), "firefox -P 'work")


# How it is started


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_browser_has_nothing_of_our_terminal_and_survives_it(recorder):
    program = recorder.program()
    inheritable, other = os.pipe()
    os.set_inheritable(inheritable, True)
    stdin = os.dup(0)
    os.dup2(inheritable, 0)
    try:
        assert open_url(URL, environment(BROWSER=str(program)))
        seen = recorder.seen()[0]
    finally:
        os.dup2(stdin, 0)
        os.close(stdin)
        os.close(inheritable)
        os.close(other)
    null = Path(os.devnull).stat().st_rdev
    assert seen["stdio"] == [null, null, null]
    assert seen["leads a session"]
    assert seen["open"][:3] == [0, 1, 2]
    assert inheritable not in seen["open"]


def test_b6_no_shell_reads_the_command_or_the_url(recorder, home):
    command = f"{recorder.program()} $HOME `touch {home}/bad` ; touch {home}/bad && {{url}}"
    assert open_url(URL, environment(), command)
    assert recorder.seen()[0]["words"][0] == "$HOME"
    assert recorder.seen()[0]["words"][-1] == URL
    assert not (home / "bad").exists()


def test_a_browser_that_stays_does_not_keep_us(python, recorder):
    stays = recorder.programs / "stays"
    pid_file = recorder.records / "pid"
    stays.write_text(f"#!/bin/sh\necho $$ > {pid_file}.tmp\nmv {pid_file}.tmp {pid_file}.json\nexec sleep 600\n")
    stays.chmod(0o700)
    script = (
        "from awssso_helper.browser import open_url\n"
        "from awssso_helper.environment import Environment\n"
        f"print(open_url({URL!r}, Environment()))\n"
    )
    done = subprocess.run(
        [python, "-c", script],
        env={**os.environ, "BROWSER": str(stays)},
        check=False,
        capture_output=True,
        text=True,
        timeout=GENEROUS,
    )
    pid = recorder.seen()[0]
    try:
        os.kill(pid, 0)
    finally:
        os.kill(pid, 9)
    assert (done.stdout, done.stderr, done.returncode) == ("True\n", "", 0)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_browser_that_ended_leaves_no_zombie(recorder):
    # Agents that earlier tests started from this process are none of the browser's.
    others = set(open_children())
    assert open_url(URL, environment(BROWSER=str(recorder.program())))
    recorder.seen()
    until = time.monotonic() + GENEROUS
    while children := set(open_children()) - others:
        assert time.monotonic() < until, f"{children} were not collected"
        time.sleep(0.01)


def open_children():
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


# What is not opened

HOSTILE = [
    "",
    "-",
    "-new-window",
    "--renderer-cmd-prefix=xterm",
    "--renderer-cmd-prefix=https://x.awsapps.com/",
    " https://x.awsapps.com/",
    "https://x.awsapps.com/ ",
    "javascript:alert(1)",
    "JAVASCRIPT:alert(1)",
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "data:text/html,x",
    "vbscript:x",
    "ftp://x.awsapps.com/",
    "smb://x.awsapps.com/",
    "ssh://-oProxyCommand=x/",
    "about:blank",
    "chrome://settings",
    "ms-settings:",
    "search-ms:query=x",
    "mailto:x@example.com",
    "http://x.awsapps.com/",
    "http://evil.example/",
    "http://127.0.0.1.evil.example/",
    "http://127.0.0.1@evil.example/",
    "http://2130706433@evil.example/",
    "https://user@x.awsapps.com/",
    "https://user:password@x.awsapps.com/",
    "https://@x.awsapps.com/",
    "https://",
    "https:///x",
    "https:x.awsapps.com",
    "//x.awsapps.com/",
    "/usr/bin/xterm",
    "x.awsapps.com",
    "https://x.awsapps.com:port/",
    "https://x.awsapps.com:99999/",
    "https://[::1/",
    "https://x.awsapps.com/\n",
    "https://x.awsapps.com/\r\n-x",
    "https://x.awsapps.com/\t",
    "https://x.awsapps.com/\0",
    "https://x.awsapps.com/\x1b]52;c;eA==\x07",
    "https://x.awsapps.com/\x7f",
    "https://x.awsapps.com/\x85",
    "https://x.awsapps.com/\u202e",
    "https://x.awsapps.com/\udc80",
    "https://x.\u0430wsapps.com/",
    "https://x.awsapps.com/a b",
    "https://x.awsapps.com/\\x",
    "https://evil.example\\@x.awsapps.com/",
    'https://x.awsapps.com/"&calc&"',
    "https://x.awsapps.com/'x'",
    "https://x.awsapps.com/`x`",
    "https://x.awsapps.com/$(x)",
    "https://x.awsapps.com/$HOME",
    "https://x.awsapps.com/;x",
    "https://x.awsapps.com/|x",
    "https://x.awsapps.com/<x>",
    "https://x.awsapps.com/^x",
    "https://x.awsapps.com/{url}",
    "https://x.awsapps.com/%s",
    "https://x.awsapps.com/%",
    "https://x.awsapps.com/" + "x" * 4096,
]


def test_b6_no_hostile_url_reaches_a_browser(recorder):
    here = environment(BROWSER=str(recorder.program()))
    for url in HOSTILE:
        with pytest.raises(RefusedError) as caught:
            open_url(url, here)
        assert caught.value.message.isprintable(), url
    assert open_url(URL, here)
    assert recorder.seen()[0]["words"] == [URL]


@pytest.mark.parametrize(
    "url",
    [
        "https://oidc.us-east-1.amazonaws.com/authorize?response_type=code&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2F",
        "https://d-1234567890.awsapps.com/start/#/console?account_id=123456789012&role_name=Admin",
        "http://127.0.0.1:8400/device?user_code=ABCD-EFGH",
        "http://localhost:8400/",
        "http://[::1]:8400/",
        "https://x.awsapps.com/%action%AC",
        "https://x.awsapps.com/" + "x" * 4000,
    ],
    ids=lambda url: url[:40],
)
def test_a_url_arrives_as_it_is(recorder, url):
    assert open_url(url, environment(BROWSER=str(recorder.program())))
    assert recorder.seen()[0]["words"] == [url]

"""The desktop's clipboard: the programs here are scripts that keep what they were given."""

from __future__ import annotations

import sys

import pytest

from awssso_helper import clipboard
from awssso_helper.environment import Environment

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the programs of Linux")


@pytest.fixture
def programs(tmp_path):
    """A place for programs; gives a maker of one that writes its stdin and arguments down."""
    place = tmp_path / "bin"
    place.mkdir()

    def program(name: str, status: int = 0) -> None:
        path = place / name
        path.write_text(
            f'#!/bin/sh\n/bin/cat > "$HOME/{name}.got"\necho "$@" > "$HOME/{name}.arguments"\nexit {status}\n'
        )
        path.chmod(0o755)

    program.place = place
    return program


def environment(programs, **variables: str) -> Environment:
    return Environment({**Environment().variables, "PATH": str(programs.place), **variables})


def test_the_text_goes_in_by_stdin(programs, home):
    programs("wl-copy")
    assert clipboard.copied("prod.Admin", environment(programs, WAYLAND_DISPLAY="wayland-0")) == "wl-copy"
    assert (home / "wl-copy.got").read_text() == "prod.Admin"
    assert (home / "wl-copy.arguments").read_text() == "\n"


def test_the_next_program_is_tried_where_one_fails(programs, home):
    programs("xclip", status=1)
    programs("xsel")
    assert clipboard.copied("x", environment(programs, DISPLAY=":0")) == "xsel"
    assert (home / "xclip.arguments").read_text() == "-selection clipboard\n"


def test_without_a_desktop_there_is_no_clipboard(programs):
    for name in ("wl-copy", "xclip", "xsel"):
        programs(name)
    assert clipboard.copied("x", environment(programs)) == ""


def test_over_ssh_the_clipboard_of_the_other_machine_is_left_alone(programs):
    programs("xclip")
    assert clipboard.copied("x", environment(programs, DISPLAY=":10", SSH_CONNECTION="a b c d")) == ""


def test_programs_that_are_not_there_or_cannot_run_are_none(programs):
    (programs.place / "xclip").write_bytes(b"\x00\x01")
    (programs.place / "xclip").chmod(0o755)
    assert clipboard.copied("x", environment(programs, DISPLAY=":0")) == ""


def test_windows_has_its_own_under_wsl(programs, home):
    programs("clip.exe")
    assert clipboard.copied("x", environment(programs, WSL_DISTRO_NAME="Debian")) == "clip.exe"
    assert (home / "clip.exe.got").read_text() == "x"

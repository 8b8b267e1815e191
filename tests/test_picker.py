"""The picker as it is seen and as it answers keys, without a terminal; `test_pick` has the command in a real one."""

from __future__ import annotations

import asyncio
import io
import os
import threading
import time
import unicodedata
from pathlib import Path

import pytest
from rich.console import Console

from awssso_helper.catalog import Entry
from awssso_helper.errors import AwsssoError
from awssso_helper.model import Account, Role
from awssso_helper.picker import Action, Choice, Look, SessionState
from awssso_helper.picker.app import Picker
from awssso_helper.recent import Recent

SNAPSHOTS = Path(__file__).with_name("snapshots")
# Look at the difference before you say so: AWSSSO_NEW_SNAPSHOTS=1 python -m pytest tests/test_picker.py
WRITES_SNAPSHOTS = bool(os.environ.get("AWSSSO_NEW_SNAPSHOTS"))
SIZES = [(80, 24), (120, 40)]
SIGNED_IN = SessionState("corp", "signed in", is_usable=True, is_renewable=True, ends_at=0)
SIGNED_OUT = SessionState("corp", "ended", is_usable=False)
# Names of SECURITY F1 and F2, each of which broke or fooled another tool.
HOSTILE = [
    "[/", "[bold]x[/bold]", "[@click=app.bell]x[/]", "\x1b[31mred", "\x1b]52;c;aGk=\x07", "\u202egnp.exe", "a\u200bb",
    "line\nbreak", "\u2028", "\ud800", "\x9b31m", "tab\there", "$(x)", "\\", "表" * 40, "e" + "\u0301" * 60, "\u3164",
    "x" * 300, "👩\u200d👩\u200d👧", "",
]  # fmt: skip


NOON = 1_800_000_000


@pytest.fixture(autouse=True)
def noon(monkeypatch):
    """The clock on the wall stands still; the one that waits are measured by goes on."""
    monkeypatch.setattr(time, "time", lambda: float(NOON))


def entry(account, role, number, *, left=0, email="", tags=(), profile=None, session="corp", stale=False) -> Entry:
    found = Account(f"{number:012d}", account, email)
    name = f"{account}.{role}" if profile is None else profile
    expires_at = NOON + left if left else 0
    return Entry(Role(session, found.id, role), found, name, expires_at, stale, tags=tags)


def organization() -> list[Entry]:
    return [
        entry("audit", "SecurityAudit", 305518273640, email="audit@example.com"),
        entry("Büro Zürich", "Billing", 398471650029, profile="Buro-Zurich.Billing"),
        entry("data-platform", "PowerUserAccess", 127650983412, left=47 * 60, tags=("analytics",)),
        entry("data-platform", "PowerUserAccess", 927150634288, profile="data-platform-927150634288.PowerUserAccess"),
        entry("payments-production", "ReadOnlyAccess", 671029384756, email="payments@example.com"),
        entry("production", "AdministratorAccess", 210987654321, email="aws+production@example.com"),
        entry("production", "ReadOnlyAccess", 210987654321, left=3 * 3600),
        entry("sandbox", "AdministratorAccess", 615243978801, stale=True),
        entry("staging", "PowerUserAccess", 482736190055),
        entry("東京支店", "ReadOnlyAccess", 730194826355, profile="tokyo.ReadOnlyAccess"),
        entry("legacy", "Excluded", 900000000001, profile=""),
    ]


class Stage:
    """A world of its own for the picker: it answers at once, and remembers what it was asked."""

    def __init__(self, *states: SessionState) -> None:
        self.states = list(states)
        self.later: list[Entry] | None = None
        self.asked: list[tuple[str, object]] = []
        self.sign_in_ends = threading.Event()
        self.sign_in_fails = ""
        self.deadline = None

    def entries(self):
        return self.later if self.later is not None else organization()

    def session_states(self):
        return self.states

    def refresh(self, sessions):
        self.asked.append(("refresh", list(sessions)))
        if self.later is None:
            raise AwsssoError("AWS could not be reached")
        return []

    def sign_in(self, session, guide, deadline):
        self.asked.append(("sign in", session))
        self.deadline = deadline
        guide.show_code("ABCD-EFGH", "https://device.sso.eu-west-1.amazonaws.com/?user_code=ABCD-EFGH")
        while not (self.sign_in_ends.wait(0.01) or deadline.passed()):
            pass
        if deadline.passed() or self.sign_in_fails:
            raise AwsssoError(self.sign_in_fails or "nobody approved the sign-in in time", hint="awssso login")
        self.states = [SIGNED_IN]
        return "signed in"

    def open_url(self, url):
        self.asked.append(("open", url))
        return True

    def keep_front_page(self, entries, widths):
        self.kept = (list(entries), widths)

    def set_favourite(self, profile, *, is_favourite):
        self.asked.append(("favourite", (profile, is_favourite)))

    def copied(self, text):
        self.asked.append(("copy", text))
        return "wl-copy"


def is_production(each: Entry) -> bool:
    return "production" in each.account.name


def look(**more) -> Look:
    return Look(**{"is_production": is_production, "calm_seconds": 600, **more})


def shown(app: Picker) -> str:
    """Give what is on the screen, line by line."""
    console = Console(width=app.size.width, height=app.size.height, file=io.StringIO(), record=True)
    screens = app._background_screens
    console.print(app.screen._compositor.render_update(full=True, screen_stack=screens))
    return "\n".join(line.rstrip() for line in console.export_text().rstrip("\n").split("\n")) + "\n"


class Seat:
    """A person in front of the picker."""

    def __init__(self, app: Picker, pilot) -> None:
        self.app = app
        self.pilot = pilot

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def shows(self, text: str) -> str:
        """Wait until a text is there."""
        for _ in range(600):
            await self.pilot.pause()
            if text in shown(self.app):
                return shown(self.app)
            await asyncio.sleep(0.05)
        raise AssertionError(f"{text!r} never came:\n{shown(self.app)}")

    @property
    def under_the_cursor(self) -> str:
        return self.app.screen._list.match.entry.profile


def seated(act, *, entries=None, stage=None, size=(80, 24), **more) -> Choice | None:
    """Run `act` with a person in front of the picker; gives what was chosen."""

    async def run() -> Choice | None:
        found = organization() if entries is None else entries
        app = Picker(found, stage or Stage(SIGNED_IN), look(**more))
        async with app.run_test(size=size) as pilot:
            seat = Seat(app, pilot)
            if stage is None or stage.states:
                await seat.shows("● corp" if (stage or Stage(SIGNED_IN)).states[0].is_usable else "○ corp")
            await act(seat)
            await pilot.pause()
        return app.return_value

    return asyncio.run(run())


def pressed(*keys: str, **more) -> Choice | None:
    async def act(seat: Seat) -> None:
        await seat.press(*keys)

    return seated(act, **more)


# What it looks like


def matches_snapshot(name: str, size: tuple[int, int], screen: str) -> None:
    path = SNAPSHOTS / f"picker-{name}-{size[0]}x{size[1]}.txt"
    if WRITES_SNAPSHOTS:
        path.parent.mkdir(exist_ok=True)
        path.write_text(screen)
    assert screen == path.read_text()


RECENT = Recent(
    favourites=("staging.PowerUserAccess",), uses={"production.ReadOnlyAccess": 2, "audit.SecurityAudit": 1}
)
SCENES = {
    "opened": ([], {"recent": RECENT}),
    "filtered": ([*"prod read"], {}),
    "typo": ([*"prodcution"], {}),
    "nothing": ([*"zzz"], {}),
    "keys": (["question_mark"], {}),
    "confirm": ([*"prod adm", "enter"], {"confirm_production": True}),
    "details": ([*"127650983412"], {}),
}


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
@pytest.mark.parametrize("scene", SCENES)
def test_the_screens_look_as_they_did(scene, size):
    keys, more = SCENES[scene]
    keys = ["space" if key == " " else key for key in keys]

    async def act(seat: Seat) -> None:
        await seat.press(*keys)
        matches_snapshot(scene, size, shown(seat.app))

    seated(act, size=size, **more)


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
def test_the_sign_in_looks_as_it_did(size):
    async def act(seat: Seat) -> None:
        await seat.press("ctrl+l")
        matches_snapshot("sign-in", size, await seat.shows("esc gives up"))
        await seat.press("escape")

    seated(act, size=size, stage=Stage(SIGNED_OUT))


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
def test_the_first_day_looks_as_it_did(size):
    async def act(seat: Seat) -> None:
        matches_snapshot("empty", size, await seat.shows("no roles are known yet"))

    seated(act, entries=[], size=size, stage=Stage(SIGNED_OUT))


def test_two_users_of_one_organization_are_told_apart():
    entries = [entry("prod", "Admin", 1, session=session) for session in ("corp", "other")]

    async def act(seat: Seat) -> None:
        lines = [line for line in shown(seat.app).split("\n") if "000000000001" in line]
        assert len(lines) == len(set(lines)) == 2

    seated(act, entries=entries)


def test_a_small_terminal_is_enough():
    async def act(seat: Seat) -> None:
        assert "671029384756" in await seat.shows("payments-prod")
        await seat.press("question_mark", "escape", "down")
        await seat.pilot.resize_terminal(20, 6)
        await seat.press("down")
        await seat.pilot.resize_terminal(200, 60)
        await seat.shows("Buro-Zurich.Billing")

    seated(act, size=(50, 12))


# Keys


def test_enter_picks_what_is_under_the_cursor():
    assert pressed("enter") == Choice(organization()[0])
    assert pressed("down", "down", "up", "enter").entry.profile == "Buro-Zurich.Billing"
    assert pressed("ctrl+n", "ctrl+n", "ctrl+p", "enter").entry.profile == "Buro-Zurich.Billing"


@pytest.mark.parametrize("key", ["escape", "ctrl+c", "ctrl+q"])
def test_leaving_chooses_nothing(key):
    assert pressed("down", key) is None


def test_typing_filters_and_the_best_match_is_picked():
    assert pressed(*"prod", "space", *"read", "enter").entry.profile == "production.ReadOnlyAccess"


def test_the_filter_of_the_command_line_is_there_to_be_changed():
    assert pressed("enter", filter="prod read").entry.profile == "production.ReadOnlyAccess"
    assert pressed("ctrl+u", "enter", filter="prod read").entry.profile == "audit.SecurityAudit"


@pytest.mark.parametrize(("key", "action"), [("ctrl+o", Action.CONSOLE), ("ctrl+s", Action.SHELL)])
def test_other_keys_do_other_things_with_the_role(key, action):
    assert pressed("down", key) == Choice(organization()[1], action)


def test_the_ends_of_the_list_are_a_key_away_however_long_it_is():
    entries = [entry(f"account-{number:05}", "ReadOnlyAccess", number) for number in range(10_000)]
    assert pressed("ctrl+end", "enter", entries=entries).entry.account.name == "account-09999"
    assert pressed("ctrl+end", "ctrl+home", "enter", entries=entries).entry.account.name == "account-00000"
    assert pressed("pagedown", "pagedown", "pageup", "enter", entries=entries).entry.account.name == "account-00016"


def test_headings_are_never_under_the_cursor():
    async def act(seat: Seat) -> None:
        seen = [seat.under_the_cursor]
        for _ in range(4):
            await seat.press("down")
            seen.append(seat.under_the_cursor)
        assert seen[:3] == ["staging.PowerUserAccess", "production.ReadOnlyAccess", "audit.SecurityAudit"]
        for _ in range(9):
            await seat.press("up")
        assert seat.under_the_cursor == "staging.PowerUserAccess"

    seated(act, recent=RECENT)


def test_a_favourite_is_marked_at_once_and_moves_only_when_the_list_is_made_anew():
    stage = Stage(SIGNED_IN)

    async def act(seat: Seat) -> None:
        await seat.press("down", "down", "ctrl+f")
        assert seat.under_the_cursor == "data-platform.PowerUserAccess"
        lines = shown(seat.app).split("\n")
        assert "★  data-platform" in lines[5]
        await seat.press("a", "backspace")
        assert "★  data-platform" in shown(seat.app).split("\n")[4]
        await seat.press("ctrl+home", "ctrl+f")
        assert "★" not in shown(seat.app)

    seated(act, stage=stage)
    name = "data-platform.PowerUserAccess"
    assert [each for each in stage.asked if each[0] == "favourite"] == [
        ("favourite", (name, True)),
        ("favourite", (name, False)),
    ]


def test_the_name_is_copied_and_the_way_is_said():
    stage = Stage(SIGNED_IN)

    async def act(seat: Seat) -> None:
        await seat.press("ctrl+y")
        await seat.shows("copied audit.SecurityAudit (wl-copy)")

    seated(act, stage=stage)
    assert ("copy", "audit.SecurityAudit") in stage.asked


def test_a_role_without_a_profile_says_so_and_is_not_picked():
    async def act(seat: Seat) -> None:
        await seat.press(*"excluded", "enter")
        await seat.shows("this role has no profile")

    assert seated(act) is None


def test_production_is_confirmed_where_the_settings_ask():
    keys = (*"prod", "space", *"adm", "enter")
    assert pressed(*keys, "y", confirm_production=True).entry.profile == "production.AdministratorAccess"
    for no in ("n", "escape", "enter"):
        assert pressed(*keys, no, confirm_production=True) is None
    assert pressed("enter", confirm_production=True).entry.profile == "audit.SecurityAudit"


def test_two_clicks_pick_and_one_moves():
    async def act(seat: Seat) -> None:
        await seat.pilot.click(seat.app.screen._list, offset=(8, 2))
        assert seat.under_the_cursor == "data-platform.PowerUserAccess"
        await seat.pilot.click(seat.app.screen._list, offset=(8, 3), times=2)

    assert seated(act).entry.profile == "data-platform-927150634288.PowerUserAccess"


# Behind the screen


def test_new_roles_are_marked_and_the_cursor_stays_on_its_role_at_its_height():
    before = [entry(f"account-{number:03}", "ReadOnlyAccess", number) for number in range(1, 61)]
    stage = Stage(SIGNED_IN)
    stage.later = [entry("aaa-first", "ReadOnlyAccess", 900000000007), *before]

    async def act(seat: Seat) -> None:
        await seat.press("ctrl+end", "up", "up", "up")
        height = line_of(seat, "000000000057")
        await seat.press("ctrl+r")
        await seat.shows("1 new")
        assert seat.under_the_cursor == "account-057.ReadOnlyAccess"
        assert line_of(seat, "000000000057") == height
        await seat.press("ctrl+home")
        assert line_of(seat, "aaa-first") == 3
        assert shown(seat.app).split("\n")[3].endswith("new")

    seated(act, entries=before, stage=stage)
    assert ("refresh", ["corp"]) in stage.asked


def line_of(seat: Seat, text: str) -> int:
    return next(number for number, line in enumerate(shown(seat.app).split("\n")) if text in line)


def test_it_begins_with_the_first_roles_and_has_all_of_them_right_behind():
    everything = [entry(f"account-{number:04}", "ReadOnlyAccess", number) for number in range(1, 2001)]
    stage = Stage(SIGNED_IN)
    stage.later = everything

    async def act(seat: Seat) -> None:
        await seat.shows("2,000 roles")
        await seat.press("down", "ctrl+end")
        assert seat.under_the_cursor == "account-2000.ReadOnlyAccess"
        assert not any(line.endswith("new") for line in shown(seat.app).split("\n"))

    seated(act, entries=everything[:300], stage=stage, front_page=2000, widths=(12, 14, 27, 0))
    assert stage.kept == (everything, (12, 14, 27, 0))


def test_a_refresh_that_fails_is_one_line_and_no_more():
    async def act(seat: Seat) -> None:
        await seat.shows("AWS could not be reached")
        await seat.press("down", "enter")

    assert seated(act, stage=Stage(SIGNED_IN), calm_seconds=0).entry.profile == "Buro-Zurich.Billing"


def test_nothing_is_asked_of_aws_where_no_session_is_usable():
    stage = Stage(SIGNED_OUT)
    pressed("down", stage=stage, calm_seconds=0)
    assert stage.asked == []


def test_a_sign_in_goes_on_inside_and_then_the_roles_are_asked_for():
    stage = Stage(SIGNED_OUT)
    stage.later = organization()

    async def act(seat: Seat) -> None:
        await seat.press("ctrl+l")
        await seat.shows("ABCD-EFGH")
        stage.sign_in_ends.set()
        await seat.shows("● corp")

    seated(act, stage=stage)
    assert [what for what, _ in stage.asked] == ["sign in", "open", "refresh"]


def test_a_shell_in_a_session_that_ended_signs_in_first():
    stage = Stage(SIGNED_OUT)

    async def act(seat: Seat) -> None:
        await seat.press("ctrl+s")
        await seat.shows("ABCD-EFGH")
        stage.sign_in_ends.set()
        for _ in range(100):
            await asyncio.sleep(0.02)

    assert seated(act, stage=stage) == Choice(organization()[0], Action.SHELL)


def test_a_sign_in_that_fails_says_why_and_what_to_type():
    stage = Stage(SIGNED_OUT)
    stage.sign_in_fails = "the sign-in was refused [/ by \x1b[31m somebody"
    stage.sign_in_ends.set()

    async def act(seat: Seat) -> None:
        await seat.press("ctrl+l")
        screen = await seat.shows("esc goes back")
        assert r"refused [/ by \x1b[31m somebody" in screen
        assert "awssso login" in screen
        await seat.press("escape", "enter")

    assert seated(act, stage=stage).entry.profile == "audit.SecurityAudit"


def test_giving_up_a_sign_in_ends_it():
    stage = Stage(SIGNED_OUT)

    async def act(seat: Seat) -> None:
        await seat.press("ctrl+l")
        await seat.shows("ABCD-EFGH")
        await seat.press("escape")
        assert stage.deadline.passed()
        await seat.press("enter")

    assert seated(act, stage=stage) == Choice(organization()[0])


# Strangers' names (SECURITY F1-F3)


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
def test_hostile_names_are_shown_and_never_obeyed(size):
    entries = [entry(name, name, number, email=name, profile=f"p{number}") for number, name in enumerate(HOSTILE, 1)]

    async def act(seat: Seat) -> None:
        for _ in entries:
            await seat.press("down")
            screen = shown(seat.app)
            strange = {c for c in screen if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
            assert strange == set()
        lines = [line for line in shown(seat.app).split("\n") if "00000000" in line]
        assert len(lines) == len(set(lines))
        await seat.press("ctrl+home")
        screen = shown(seat.app)
        for literal in ("[/", "[bold]x[/bold]", r"\x1b[31mred", r"\u202egnp.exe", r"a\u200bb", r"line\nbreak"):
            assert literal in screen

    seated(act, entries=entries, size=size)


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_can_be_confirmed_copied_and_signed_in_to(name):
    entries = [entry(name, "Admin", 1, session=name or "x", profile=name or "x")]
    stage = Stage(SessionState(name or "x", name, is_usable=False))

    async def act(seat: Seat) -> None:
        await seat.press("ctrl+l", "escape", "enter", "y")

    stage.states, states = [], stage.states
    stage.session_states = lambda: states
    choice = seated(act, entries=entries, stage=stage, confirm_production=True, is_production=lambda _entry: True)
    assert choice is not None


def test_hits_are_marked_in_the_shown_text_where_escapes_moved_them():
    async def act(seat: Seat) -> None:
        await seat.press(*"prod")
        strip = seat.app.screen._list.render_line(0)
        marked = "".join(segment.text for segment in strip if segment.style and segment.style.underline)
        assert marked.startswith("prod")
        assert r"\u202e" in strip.text

    seated(act, entries=[entry("\u202ex-prod", "Admin", 1, profile="x"), entry("other", "x", 2)])


# When it breaks


def test_a_crash_leaves_the_error_to_the_edge():
    def crash(_entry: Entry) -> bool:
        token = "canary-secret"
        raise ValueError(token)

    async def run() -> Picker:
        app = Picker(organization(), Stage(SIGNED_IN), look(is_production=crash))
        with pytest.raises(ValueError, match="canary"):
            async with app.run_test():
                pass
        return app

    app = asyncio.run(run())
    assert isinstance(app.failure, ValueError)
    assert app.return_code == 1

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
import traceback
from pathlib import Path

import keyring_backends
import pytest
from keyring_backends import FILE, KILLED_AT, LIMIT, units
from secret_service import wait_until

from awssso_helper import files
from awssso_helper.environment import Environment
from awssso_helper.errors import (
    KeyringError,
    KeyringLockedError,
    KeyringMissingError,
    KeyringTimeoutError,
    RefusedError,
)
from awssso_helper.model import Deadline
from awssso_helper.store import Store

SECONDS = 30.0
"""More than enough where an answer is expected."""
SECRET = "s3cr3t-" + "A" * 200
TOKEN = "".join(f"{number:05}" for number in range(4000))
OTHER_TOKEN = TOKEN[::-1]
FIVE_PARTS = TOKEN[:6000]
OTHER_FIVE_PARTS = OTHER_TOKEN[:6000]


def opened(setting: str = "", *, may_prompt: bool = False) -> Store:
    return Store(Environment(), setting, may_prompt=may_prompt)


def within(seconds: float = SECONDS) -> Deadline:
    return Deadline(seconds)


@pytest.fixture
def desktop(secret_service, monkeypatch):
    """A session with a keyring, as this process sees it."""
    monkeypatch.delenv("PYTHON_KEYRING_BACKEND")
    for name, value in secret_service.variables.items():
        monkeypatch.setenv(name, value)
    return secret_service


@pytest.fixture
def items(tmp_path, monkeypatch):
    """What the backends of `keyring_backends` hold."""
    file = tmp_path / "items"
    monkeypatch.setenv(FILE, str(file))
    monkeypatch.setenv("PYTHONPATH", str(Path(keyring_backends.__file__).parent))

    def held() -> dict[str, str]:
        return json.loads(file.read_text()) if file.exists() else {}

    return held


PROGRAM = """
import sys
from awssso_helper.environment import Environment
from awssso_helper.errors import AwsssoError
from awssso_helper.model import Deadline
from awssso_helper.store import Store

setting, seconds, verb, *words = sys.argv[1:]
store = Store(Environment(), setting, may_prompt=False)
try:
    print(getattr(store, verb)(*words, Deadline(float(seconds))))
except AwsssoError as error:
    print(type(error).__name__)
"""


def started(setting: str, verb: str, *words: str, seconds: float = SECONDS, **variables: str):
    """A process that asks the store one thing and prints the answer or the name of the error."""
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM, setting, str(seconds), verb, *words],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answered(process) -> str:
    output, errors = process.communicate(timeout=60)
    assert errors == ""
    return output.strip()


# The Secret Service


@pytest.mark.parametrize("value", [SECRET, TOKEN, "", "pässwörd \U0001f511\n\x00", "awssso-parts:1:a:1:" + "0" * 64])
def test_a_value_comes_back_from_the_secret_service(desktop, value):
    opened().put("key", value, within())
    assert opened().get("key", within()) == value
    opened().delete("key", within())
    assert opened().get("key", within()) is None
    assert desktop.labels() == []


def test_the_backend_is_named_so_that_it_can_be_put_into_the_settings(desktop):
    name = opened().backend_name()
    assert name == "keyring.backends.SecretService.Keyring"
    opened(name).put("key", SECRET, within())
    assert opened().get("key", within()) == SECRET


def test_d4_a_locked_keyring_is_not_a_cache_miss_and_asks_nobody(desktop):
    store = opened()
    store.put("key", SECRET, within())
    desktop.lock()
    with desktop.overheard() as said:
        for asking in (store, opened()):
            with pytest.raises(KeyringLockedError):
                asking.get("key", within())
            with pytest.raises(KeyringLockedError):
                asking.put("key", "other", within())
            with pytest.raises(KeyringLockedError):
                asking.delete("key", within())
    assert opened().backend_name() == "keyring.backends.SecretService.Keyring"
    assert "member=Get" in said[0]
    assert "member=Unlock" not in said[0]
    assert "member=Prompt" not in said[0]


def test_who_may_prompt_asks_to_unlock_and_a_refusal_is_a_locked_keyring(desktop):
    desktop.lock()
    with desktop.overheard() as said, pytest.raises(KeyringLockedError):
        opened(may_prompt=True).get("key", within())
    assert "member=Unlock" in said[0]


def test_d8_neither_secrets_nor_what_was_written_before_is_on_the_bus_in_the_clear(desktop):
    with desktop.overheard() as said:
        store = opened()
        store.put("key", SECRET, within())
        assert store.get("key", within()) == SECRET
    assert "CreateItem" in said[0]
    assert SECRET not in said[0]


def test_a_store_holds_one_connection(desktop):
    with desktop.overheard() as said:
        store = opened()
        for number in range(5):
            store.put(f"key{number}", SECRET, within())
            store.get(f"key{number}", within())
    assert said[0].count("member=OpenSession") == 1


def test_d3_a_hung_keyring_is_an_error_in_time_and_the_process_ends(desktop):
    desktop.stop()
    assert answered(started("", "get", "key", seconds=0.5)) == "KeyringTimeoutError"


def test_d6_a_crashed_keyring_is_not_a_cache_miss(desktop):
    store = opened()
    store.put("key", SECRET, within())
    desktop.kill()
    for asking in (store, opened()):
        with pytest.raises(KeyringMissingError):
            asking.get("key", within())
        with pytest.raises(KeyringMissingError):
            asking.put("key", SECRET, within())


def test_a_store_survives_the_restart_of_the_keyring(desktop):
    store = opened()
    store.put("key", SECRET, within())
    desktop.kill()
    desktop.start()
    assert store.get("key", within()) == SECRET
    desktop.kill()
    desktop.start()
    store.put("key", "new", within())
    assert opened().get("key", within()) == "new"


def test_d5_parallel_processes_lose_no_update_and_leave_the_keyring_alive(desktop):
    writers = [started("", "put", f"key{number}", f"value{number}") for number in range(20)]
    assert [answered(writer) for writer in writers] == ["None"] * 20
    store = opened()
    assert [store.get(f"key{number}", within()) for number in range(20)] == [f"value{number}" for number in range(20)]
    assert desktop.is_alive()


def test_d1_no_bus_is_a_missing_keyring_with_a_way_out(monkeypatch):
    monkeypatch.delenv("PYTHON_KEYRING_BACKEND")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus")
    with pytest.raises(KeyringMissingError) as caught:
        opened().get("key", within())
    assert "keyring = plaintext-file" in caught.value.hint
    assert str(Environment().settings_file) in caught.value.hint


# What leads `keyring` astray


@pytest.mark.parametrize(
    "name",
    [
        "keyring.backends.null.Keyring",
        "keyring.backends.fail.Keyring",
        "keyring.backends.chainer.ChainerBackend",
        "keyring_backends.PlaintextShared",
    ],
)
def test_a5_d1_the_variable_cannot_choose_a_keyring_that_keeps_nothing_safe(items, monkeypatch, name):
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", name)
    with pytest.raises(KeyringMissingError) as caught:
        opened().put("key", SECRET, within())
    assert name in caught.value.message
    assert items() == {}


def test_the_settings_can_choose_one_by_its_own_name(items):
    opened("keyring_backends.PlaintextShared").put("key", SECRET, within())
    assert items() == {"awssso key": SECRET}


def test_the_variable_can_choose_an_honest_one(items, monkeypatch):
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring_backends.Shared")
    opened().put("key", SECRET, within())
    assert items() == {"awssso key": SECRET}


@pytest.mark.parametrize("name", ["keyring_backends.Nobody", "nowhere.Keyring", "os.getcwd", "pathlib.Path", "x"])
def test_a_name_that_is_no_keyring_is_said(items, name):
    with pytest.raises(KeyringMissingError, match=name.replace(".", "[.]")):
        opened(name).get("key", within())


def test_d1_d2_a_null_keyring_of_the_users_own_choice_is_found_out():
    with pytest.raises(KeyringError, match="does not keep"):
        opened("keyring.backends.null.Keyring").put("key", SECRET, within())


def test_a5_keyrings_own_configuration_file_diverts_nothing(desktop, home):
    directory = home / ".config" / "python_keyring"
    directory.mkdir(parents=True)
    (directory / "keyringrc.cfg").write_text("[backend]\ndefault-keyring=keyring.backends.null.Keyring\n")
    (home / ".local" / "share" / "python_keyring").mkdir(parents=True)
    (home / ".local" / "share" / "python_keyring" / "keyringrc.cfg").write_text(
        "[backend]\ndefault-keyring=keyring.backends.null.Keyring\n"
    )
    assert answered(started("", "put", "key", SECRET)) == "None"
    assert opened().get("key", within()) == SECRET


def test_a5_property_variables_divert_nothing(desktop):
    diverted = {
        "KEYRING_PROPERTY_PREFERRED_COLLECTION": "/org/freedesktop/secrets/collection/session",
        "KEYRING_PROPERTY_APPID": "astray",
        "KEYRING_PROPERTY_SCHEME": "KeePassXC",
    }
    assert answered(started("", "put", "key", SECRET, **diverted)) == "None"
    assert opened().get("key", within()) == SECRET
    [label] = desktop.labels()
    assert "astray" not in label
    assert "Title" not in label


# Backends that keep little, nothing or something else


@pytest.mark.parametrize("backend", ["Shared", "Limited", "Truncating"])
@pytest.mark.parametrize("long", [TOKEN, "\U0001f511" * 3000, "x" * (LIMIT - 1) + "\U0001f511é", "x" * (LIMIT + 1)])
def test_a_long_value_comes_back_from_every_backend_that_keeps_short_ones(items, backend, long):
    setting = f"keyring_backends.{backend}"
    for value in (long, "short", long, OTHER_TOKEN, long):
        opened(setting).put("key", value, within())
        assert opened(setting).get("key", within()) == value
    if backend != "Shared":
        assert all(units(item) <= LIMIT for item in items().values())
    opened(setting).put("key", "short", within())
    assert items() == {"awssso key": "short"}


def test_a_value_in_parts_leaves_nothing_behind_when_it_is_deleted(items):
    store = opened("keyring_backends.Limited")
    store.put("key", TOKEN, within())
    store.put("key", OTHER_TOKEN, within())
    assert len(items()) == 1 + -(-len(TOKEN) // LIMIT)
    store.delete("key", within())
    assert items() == {}
    store.delete("key", within())


@pytest.mark.parametrize("old", [None, "old", FIVE_PARTS])
@pytest.mark.parametrize("new", ["new", OTHER_FIVE_PARTS])
def test_a_kill_between_the_parts_leaves_the_old_value_or_the_new_one(items, old, new):
    ends = set()
    for point in range(1, 100):
        store = opened("keyring_backends.Limited")
        store.delete("key", within())
        if old is not None:
            store.put("key", old, within())
        process = started("keyring_backends.Dying", "put", "key", new, **{KILLED_AT: str(point)})
        assert process.wait(timeout=60) in (0, -9)
        process.communicate()
        ends.add(found := store.get("key", within()))
        assert found in (old, new)
        # The next write is not disturbed by what was left, and takes it away with it.
        store.put("key", "next", within())
        assert store.get("key", within()) == "next"
        store.delete("key", within())
        assert items() == {}
        if process.returncode == 0:
            break
    assert process.returncode == 0
    assert ends == {old, new}


@pytest.mark.parametrize("old", ["old", TOKEN])
def test_d2_a_keyring_that_drops_what_it_is_given_is_found_out_and_keeps_the_old_value(items, old):
    opened("keyring_backends.Limited").put("key", old, within())
    for value in ("new", OTHER_TOKEN):
        with pytest.raises(KeyringError, match="does not keep"):
            opened("keyring_backends.Losing").put("key", value, within())
        assert opened("keyring_backends.Limited").get("key", within()) == old


@pytest.mark.parametrize("value", ["new", TOKEN])
def test_d2_a_keyring_that_mangles_what_it_is_given_gets_the_old_value_back(items, value):
    opened("keyring_backends.Shared").put("key", "old", within())
    with pytest.raises(KeyringError, match="does not keep"):
        opened("keyring_backends.Mangling").put("key", value, within())
    assert items() == {"awssso key": "old"}


def test_a_mangled_first_value_is_not_left_behind(items):
    with pytest.raises(KeyringError):
        opened("keyring_backends.Mangling").put("key", "new", within())
    assert items() == {}


def test_d7_damaged_parts_are_neither_a_value_nor_an_obstacle(items):
    store = opened("keyring_backends.Limited")
    store.put("key", TOKEN, within())
    keyring_backends.Shared().delete_password("awssso", "key.a3")
    assert store.get("key", within()) == ""
    store.put("key", OTHER_TOKEN, within())
    assert store.get("key", within()) == OTHER_TOKEN
    store.delete("key", within())
    keyring_backends.Shared().set_password("awssso", "key", "awssso-parts:1:b:3:" + "0" * 64)
    assert store.get("key", within()) == ""
    store.delete("key", within())
    assert items() == {}


def test_g5_a_backend_that_quotes_the_secret_in_its_errors_is_not_quoted(items, caplog):
    keyring_backends.Shared().set_password("awssso", "key", SECRET)
    caplog.set_level(0)
    store = opened("keyring_backends.Quoting")
    # What cannot be decoded is not ours.
    assert store.get("key", within()) == ""
    keyring_backends.Shared().delete_password("awssso", "key")
    with pytest.raises(KeyringError) as writing:
        store.put("key", SECRET, within())
    with pytest.raises(KeyringError) as in_parts:
        opened("keyring_backends.Dying").put("key", SECRET, Deadline(0.0))
    for caught in (writing, in_parts):
        lines = traceback.TracebackException.from_exception(caught.value, capture_locals=False).format()
        assert SECRET not in "".join(lines) + caught.value.hint
        assert caught.value.__context__ is None
    assert SECRET not in caplog.text


def test_a_backend_that_says_it_is_locked_is_locked(items):
    with pytest.raises(KeyringLockedError):
        opened("keyring_backends.Locked").get("key", within())


# Waiting


def test_a_hanging_write_keeps_others_out_until_it_is_over(items, tmp_path):
    hang = tmp_path / "hang"
    hang.touch()
    store = opened("keyring_backends.Hanging")
    with pytest.raises(KeyringTimeoutError):
        store.put("key", "late", within(0.2))
    with pytest.raises(KeyringTimeoutError):
        store.get("key", within())
    assert answered(started("keyring_backends.Hanging", "put", "key", "other", seconds=0.5)) == "KeyringTimeoutError"
    hang.unlink()
    assert answered(started("keyring_backends.Hanging", "put", "key", "newest")) == "None"
    wait_until(lambda: items() == {"awssso key": "newest"}, "the late write came last")
    assert store.get("key", within()) == "newest"


def test_a_hanging_write_does_not_keep_the_process_from_its_end(items, tmp_path):
    (tmp_path / "hang").touch()
    assert answered(started("keyring_backends.Hanging", "put", "key", "x", seconds=0.2)) == "KeyringTimeoutError"


def test_the_wait_for_each_other_is_no_fault_of_the_keyring(items):
    store = opened("keyring_backends.Shared")
    store.put("key", SECRET, within())
    lock = Environment().lock_dir / "keyring.lock"
    with files.locked(lock, within()):
        # Longer than a keyring may take where nobody is asked.
        late = threading.Timer(3.0, lambda: None)
        late.start()
        found = []
        reader = threading.Thread(target=lambda: found.append(store.get("key", within())))
        reader.start()
        late.join()
        assert found == []
    reader.join()
    assert found == [SECRET]


def test_what_comes_too_late_is_not_begun(items):
    with pytest.raises(KeyringTimeoutError):
        opened("keyring_backends.Shared").put("key", SECRET, Deadline(0.0))
    opened("keyring_backends.Shared").put("other", SECRET, within())
    assert items() == {"awssso other": SECRET}


@pytest.mark.parametrize("backend", ["keyring_backends.Shared", "keyring_backends.Limited", "plaintext-file"])
def test_d5_parallel_processes_lose_no_update_of_a_keyring_that_locks_nothing(items, backend):
    writers = [started(backend, "put", f"key{number}", TOKEN[number:]) for number in range(20)]
    assert [answered(writer) for writer in writers] == ["None"] * 20
    store = opened(backend)
    assert [store.get(f"key{number}", within()) for number in range(20)] == [TOKEN[number:] for number in range(20)]


# The plain file


def test_a_plain_file_is_for_its_owner_alone_and_tells_no_key(home):
    store = opened("plaintext-file")
    store.put("session-corp", SECRET, within())
    assert store.get("session-corp", within()) == SECRET
    directory = Environment().data_dir / "secrets"
    [file] = directory.iterdir()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "corp" not in file.name
    store.delete("session-corp", within())
    assert store.get("session-corp", within()) is None
    assert list(directory.iterdir()) == []


def test_a_plain_file_in_an_open_directory_is_refused():
    directory = Environment().data_dir / "secrets"
    directory.mkdir(parents=True)
    directory.chmod(0o755)
    with pytest.raises(RefusedError, match="open to other users"):
        opened("plaintext-file").put("key", SECRET, within())
    assert list(directory.iterdir()) == []


def test_d6_a_plain_file_that_cannot_be_read_is_not_a_cache_miss():
    store = opened("plaintext-file")
    store.put("key", SECRET, within())
    [file] = (Environment().data_dir / "secrets").iterdir()
    file.write_bytes(b"\xff" + SECRET.encode())
    # Not ours, so neither a value nor in the way of the next one.
    assert store.get("key", within()) == ""
    store.put("key", SECRET, within())
    assert store.get("key", within()) == SECRET
    file.unlink()
    file.mkdir()
    with pytest.raises(RefusedError):
        store.get("key", within())


def test_a_plain_file_costs_no_keyring(home):
    program = PROGRAM + "\nassert not [name for name in sys.modules if name.split('.')[0] == 'keyring']"
    subprocess.run([sys.executable, "-c", program, "plaintext-file", "5", "put", "key", "x"], check=True)


def test_a_key_that_a_backend_could_misread_is_a_mistake_of_the_caller():
    for key in ("", "a b", "key.a0", "ключ", "x" * 101):
        with pytest.raises(ValueError, match="a key of the store"):
            opened("plaintext-file").get(key, within())

"""A real gnome-keyring on a private D-Bus: `secret_service` for tests. It is killed afterwards, with all it kept."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = ("dbus-daemon", "dbus-monitor", "gnome-keyring-daemon")
PASSWORD = "the keyring's password"
PATIENCE = 30.0
# Without service files: a daemon that died stays dead, and no prompter can be started.
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


class SecretService:
    """The keyring of a desktop session. `variables` lead a process to it."""

    def __init__(self, directory: Path) -> None:
        # Unix sockets have short paths, so this is not under the test's own directory.
        self.directory = directory
        socket = directory / "bus"
        configuration = directory / "bus.conf"
        configuration.write_text(BUS.format(socket=socket))
        self.variables = {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={socket}"}
        self._bus = subprocess.Popen(
            ["dbus-daemon", f"--config-file={configuration}", "--nofork", "--nopidfile", "--nosyslog"],
            stderr=subprocess.DEVNULL,
        )
        self._daemon: subprocess.Popen[bytes] | None = None
        wait_until(socket.exists, "dbus-daemon did not start")

    def start(self) -> None:
        """Start the daemon with its collection unlocked."""
        self._daemon = subprocess.Popen(
            ["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"],
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(self.directory),
                "XDG_DATA_HOME": str(self.directory / "data"),
                "XDG_RUNTIME_DIR": str(self.directory),
                **self.variables,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert self._daemon.stdin is not None
        with self._daemon.stdin as stdin:
            stdin.write(PASSWORD.encode())
        wait_until(self._is_unlocked, "gnome-keyring-daemon did not start")

    def is_alive(self) -> bool:
        return self._daemon is not None and self._daemon.poll() is None

    def stop(self) -> None:
        """Let the daemon hang."""
        self._signal(signal.SIGSTOP)

    def cont(self) -> None:
        self._bus.send_signal(signal.SIGCONT)
        if self.is_alive():
            self._signal(signal.SIGCONT)

    def stop_bus(self) -> None:
        """Let the bus hang, the daemon behind it well."""
        self._bus.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """End the daemon as a crash would."""
        assert self._daemon is not None
        self._signal(signal.SIGKILL)
        self._daemon.wait()

    def lock(self) -> None:
        with self._collection() as collection:
            collection.lock()

    def labels(self) -> list[str]:
        """Give what any program on the bus can read of the items: labels and attributes."""
        with self._collection() as collection:
            return [f"{item.get_label()} {item.get_attributes()}" for item in collection.get_all_items()]

    def spoil(self, username: str, *secrets: bytes) -> None:
        """Let an item of ours hold something else; with several, let there be several items of its name."""
        attributes = {"application": "Python keyring library", "service": "awssso", "username": username}
        with self._collection() as collection:
            for item in collection.search_items(attributes):
                item.delete()
            for number, secret in enumerate(secrets):
                # keyring finds by these; one more attribute makes it another item.
                more = {"number": str(number)} if number else {}
                collection.create_item("not ours", {**attributes, **more}, secret)

    @contextmanager
    def ignored_prompts(self) -> Iterator[list[str]]:
        """Be a desktop whose user does not see the question: prompts are shown and never answered.

        The list has one entry for each message of the keyring to whoever shows its questions.
        """
        from jeepney import MessageType, new_method_return
        from jeepney.io.blocking import DBusConnection, prep_socket

        connection = DBusConnection(prep_socket(self.variables["DBUS_SESSION_BUS_ADDRESS"].partition("=")[2]))
        connection.bus_proxy.RequestName("org.gnome.keyring.SystemPrompter")
        is_over = threading.Event()
        shown: list[str] = []

        def answer() -> None:
            while not is_over.is_set():
                try:
                    message = connection.receive(timeout=0.1)
                except TimeoutError:
                    continue
                if message.header.message_type is MessageType.method_call:
                    shown.append("a prompt")
                    connection.send(new_method_return(message))

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield shown
        finally:
            is_over.set()
            thread.join()
            connection.close()

    @contextmanager
    def overheard(self) -> Iterator[list[str]]:
        """Listen on the bus; the list is filled at the end, with one text."""
        heard = self.directory / "heard"
        with heard.open("wb") as stream:
            monitor = subprocess.Popen(
                ["dbus-monitor", "--address", self.variables["DBUS_SESSION_BUS_ADDRESS"]], stdout=stream
            )
        said: list[str] = []
        try:
            wait_until(lambda: heard.stat().st_size > 0, "dbus-monitor did not start")
            yield said
            # What it hears comes in order: once this is heard, all before it was.
            subprocess.run(
                ["dbus-send", "--session", "/", "awssso.test.Done"], env={**os.environ, **self.variables}, check=True
            )
            wait_until(lambda: b"member=Done" in heard.read_bytes(), "dbus-monitor heard nothing")
        finally:
            monitor.kill()
            monitor.wait()
            said.append(heard.read_text(errors="replace"))

    def end(self) -> None:
        if self.is_alive():
            self.kill()
        self._bus.kill()
        self._bus.wait()

    def _signal(self, number: int) -> None:
        assert self._daemon is not None
        self._daemon.send_signal(number)

    @contextmanager
    def _collection(self):
        import secretstorage
        from jeepney.io.blocking import DBusConnection, prep_socket

        path = self.variables["DBUS_SESSION_BUS_ADDRESS"].partition("=")[2]
        connection = DBusConnection(prep_socket(path))
        try:
            yield secretstorage.Collection(connection)
        finally:
            # A client that leaves at once can crash gnome-keyring (PERFORMANCE 2).
            time.sleep(0.01)
            connection.close()

    def _is_unlocked(self) -> bool:
        from secretstorage.exceptions import SecretStorageException

        try:
            with self._collection() as collection:
                return not collection.is_locked()
        except (SecretStorageException, ConnectionError):
            return False


def wait_until(is_so, otherwise: str) -> None:
    """Wait for another process, and fail in words when it does not come."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > end:
            raise AssertionError(otherwise)
        time.sleep(0.01)


@pytest.fixture
def secret_service() -> Iterator[SecretService]:
    """A gnome-keyring, unlocked, with nothing in it."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed (apt-get install dbus gnome-keyring)")
    directory = Path(tempfile.mkdtemp(prefix="awssso-"))
    service = SecretService(directory)
    try:
        service.start()
        yield service
    finally:
        service.end()
        shutil.rmtree(directory)

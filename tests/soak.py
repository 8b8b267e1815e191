"""`make soak`: the long forms of the tests, part by part, each with a limit of time; prints their figures.

`python tests/soak.py files keyring` runs these parts only.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parent
# The files of a part, and the seconds that it may take on two cores that have nothing else to do.
PARTS = {
    "files": (("test_hold_files.py",), 3600),
    "power": (("test_hold_power.py",), 600),
    "parallel": (("test_hold_parallel.py",), 1800),
    "keyring": (("test_hold_keyring.py",), 600),
    "agent": (("test_hold_agent.py",), 600),
    "launch": (("test_hold_launch.py",), 600),
    "names": (("test_names.py",), 1800),
    "replies": (("test_replies.py",), 1800),
    "login": (("test_login_under_attack.py",), 600),
}
OTHERS_SECONDS = 1800


def main(wanted: list[str]) -> int:
    """Run the parts; gives 1 when one failed, or took too long."""
    parts = {**PARTS, "others": (others(), OTHERS_SECONDS)}
    unknown = set(wanted) - set(parts)
    if unknown:
        sys.exit(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    outcomes = {name: outcome(*parts[name]) for name in wanted or parts}
    print("\nsoak:")
    for name, said in outcomes.items():
        print(f"  {name}: {said}")
    return 0 if all(said.startswith("passed") for said in outcomes.values()) else 1


def others() -> tuple[str, ...]:
    """Give the files with long forms that no part names."""
    named = {name for files, _ in PARTS.values() for name in files}
    return tuple(
        path.name
        for path in sorted(TESTS.glob("test_*.py"))
        if path.name not in named and "mark.soak" in path.read_text()
    )


def outcome(files: tuple[str, ...], seconds: float) -> str:
    present = [str(TESTS / name) for name in files if (TESTS / name).exists()]
    if not present:
        return "passed: there is nothing in it"
    began = time.monotonic()
    # A group of its own, so that what the tests have started ends with them.
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-s", "-m", "soak", *present], cwd=TESTS.parent, start_new_session=True
    )
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return f"not done in {seconds:.0f} seconds"
    took = f"{time.monotonic() - began:.0f} of {seconds:.0f} seconds"
    nothing_to_run = 5
    return f"passed in {took}" if status in (0, nothing_to_run) else f"failed in {took}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

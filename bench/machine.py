"""The machine that the figures are of, and how busy it was."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path


def facts(python: str) -> list[str]:
    """Describe the machine and the interpreter in a few lines."""
    memory = next(line for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines() if "MemTotal" in line)
    version = subprocess.run([python, "-VV"], capture_output=True, text=True, check=True).stdout.strip()
    return [
        f"{_processor()}, {os.cpu_count()} cores, {int(memory.split()[1]) // 1024 // 1024} GiB",
        f"{_system()}, Linux {platform.release()}",
        version,
        f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
    ]


def load() -> str:
    """Give the load of the last minute; much more than 1 means that others were at work too."""
    return f"{os.getloadavg()[0]:.1f}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"

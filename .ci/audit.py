"""Look at the locked dependencies once more: the index still has each with the hash of the lock, and none was yanked.

pip itself asks, by whatever index it is configured for. Without an index nothing can be said, and that is said. Known
vulnerabilities need a service that not every machine reaches: CONTRIBUTING names the command.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).parent.parent / "requirements-dev.lock"
# pip says this where an index does not answer; one that lacks only the locked version lists the others.
UNREACHABLE = re.compile(r"from versions: none")


def main() -> int:
    """Ask and report; 1 when something is wrong, 0 when all is well or nobody can be asked."""
    options = ["--dry-run", "--ignore-installed", "--no-deps", "--require-hashes", "--only-binary=:all:", "--quiet"]
    command = [sys.executable, "-m", "pip", "install", *options, "--report", "-", "--requirement", str(LOCK)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and UNREACHABLE.search(done.stderr) and "HASHES" not in done.stderr:
        print("audit: skipped, the package index cannot be reached")
        return 0
    if done.returncode:
        said = done.stderr[max(0, done.stderr.find("ERROR:")) :][:2000]
        print(f"audit: the lock does not hold at the index\n{said}", file=sys.stderr)
        return 1
    packages = json.loads(done.stdout)["install"]
    yanked = [f"{each['metadata']['name']} {each['metadata']['version']}" for each in packages if each.get("is_yanked")]
    for name in yanked:
        print(f"audit: {name} was withdrawn by its authors; make lock", file=sys.stderr)
    if not yanked:
        print(f"audit: {len(packages)} locked packages, each as locked, none withdrawn")
    return 1 if yanked else 0


if __name__ == "__main__":
    sys.exit(main())

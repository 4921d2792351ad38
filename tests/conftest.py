"""What every test has: nothing may be left running, warnings are errors, and sessions of others are not seen."""

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

for _name in ("DISPLAY", "WAYLAND_DISPLAY"):
    os.environ.pop(_name, None)  # no test opens a window on the screen of whoever runs it

TESTS = Path(__file__).resolve().parent
ALONE = ("system", "benchmarks", "peers", "test_docs.py", "test_driver_page.py", "test_duetto_script.py")
"""Where tests are that start whole sessions, whose timing counts: nothing runs beside them."""
RUNTIME = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Have sockets made in a folder of this process, whose name is short enough for a socket's address."""
    config.stash[RUNTIME] = os.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="d-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Take it away."""
    shutil.rmtree(config.stash[RUNTIME], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that have to be alone."""
    for item in items:
        if item.path.relative_to(TESTS).parts[0] in ALONE:
            item.add_marker(pytest.mark.alone)


def _descendants() -> set[psutil.Process]:
    return {p for p in psutil.Process().children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE}


def _sockets() -> set[object]:
    return {(c.fd, c.laddr) for c in psutil.Process().net_connections(kind="all")}


@pytest.fixture(autouse=True)
def _nothing_is_left_running() -> Iterator[None]:
    """Fail a test that leaves a process, a thread or a socket behind."""
    processes, threads, sockets = _descendants(), set(threading.enumerate()), _sockets()
    yield
    left = _descendants() - processes
    for process in left:
        process.kill()
    running = [t.name for t in threading.enumerate() if t not in threads and t.is_alive()]
    assert not left, f"processes were left running: {[p.cmdline() if p.is_running() else p for p in left]}"
    assert not running, f"threads were left running: {running}"
    assert not _sockets() - sockets, "sockets were left open"

"""What every test has: nothing may be left running, and warnings are errors."""

import os
import threading
from collections.abc import Iterator

import psutil
import pytest

for _name in ("DISPLAY", "WAYLAND_DISPLAY"):
    os.environ.pop(_name, None)  # no test opens a window on the screen of whoever runs it


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

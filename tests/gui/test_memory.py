"""What the window no longer needs, it does not keep: neither memory that is free nor events behind those it lists."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QObject, QTimer

from controller.messages.view import Records
from gui.memory import EVERY_MS, give_back_regularly
from gui.scene import Scene
from gui.scene.scene import MOST_LISTED
from realtime.records import EVENT, Kind, no_events
from tests.controller.serving import Shown, opening, serving
from tests.gui.windows import place

HOUSE = Path(__file__).resolve().parents[2]
RUSH = """
import resource
import sys
import threading
import time
from pathlib import Path
from PyQt6.QtCore import QTimer
from gui.__main__ import _arguments
from gui.application import application_for, run
from gui.memory import EVERY_MS
from gui.window import MainWindow

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6

def rush():
    came = []
    thread = threading.Thread(target=lambda: came.extend(b"x" * (3000 + n % 2) for n in range(20_000)))
    thread.start()
    thread.join()
    return came[::100]

def look():
    (window,) = (one for one in application.topLevelWidgets() if isinstance(one, MainWindow))
    found = [resident_mb()]
    kept = rush()
    found.append(resident_mb())
    for timer in window.findChildren(QTimer):
        if timer.isActive() and timer.interval() == EVERY_MS:
            timer.timeout.emit()
    found.append(resident_mb())
    Path(sys.argv[2]).write_text(" ".join(map(str, found)))
    del kept
    window.close()

application = application_for(None)
QTimer.singleShot(0, look)
run(_arguments([sys.argv[1]]), time.monotonic() + 20.0)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be asked to give memory back")
def test_what_a_rush_of_messages_left_free_goes_back_to_the_system_by_the_window_s_clock(tmp_path):
    found = tmp_path / "found"
    environment = os.environ | {
        "QT_QPA_PLATFORM": "offscreen",
        "XDG_CONFIG_HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path),
    }
    with place() as address, serving(Shown(opening("A rush")), address):
        words = [sys.executable, "-c", RUSH, address, str(found)]
        answer = subprocess.run(
            words, cwd=HOUSE, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    assert answer.returncode == 0, answer.stderr
    before_mb, after_rush_mb, given_back_mb = map(float, found.read_text(encoding="utf-8").split())
    assert after_rush_mb > before_mb + 40.0  # 60 MB came, of which a hundredth is still needed
    assert given_back_mb < before_mb + 10.0


def test_the_clock_of_giving_back_ends_with_its_owner(qapp):
    owner = QObject()
    timer = give_back_regularly(owner)
    assert timer is None or (timer.parent() is owner and timer.interval() == EVERY_MS)


def test_another_system_s_memory_is_left_alone(qapp, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    owner = QObject()
    assert give_back_regularly(owner) is None
    assert owner.findChildren(QTimer) == []


def test_listed_events_do_not_keep_those_alive_that_came_with_them():
    events = no_events(20_000)
    events["seq"] = np.arange(1, events.size + 1)
    events["kind"] = Kind.NEURAL
    scene = Scene()
    scene.take(Records(events.tobytes()))
    assert [int(event["seq"]) for event in scene.listed] == list(range(19_501, 20_001))
    kept = {id(whole): whole.nbytes for whole in map(_whole, scene.listed)}
    assert sum(kept.values()) <= MOST_LISTED * EVENT.itemsize


def _whole(event: np.void) -> np.ndarray | np.void:
    """What an event is a view of, and keeps alive."""
    whole: np.ndarray | np.void = event
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    return whole

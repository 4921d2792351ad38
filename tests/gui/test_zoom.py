"""How large everything is drawn: steps, screens, and a window that starts again in another size."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gui import zoom
from gui.remembered import Remembered
from tests.gui.test_screens import SIZES, XVFB, x_server
from tests.gui.windows import opened, replayed, turned

HOUSE = Path(__file__).resolve().parents[2]
FULL_HD, FOUR_K, LAPTOP = (1920.0, 1080.0), (3840.0, 2160.0), (1366.0, 768.0)
PRESSES = """
import argparse, json, os, sys, time
from PyQt6.QtCore import QTimer
from gui import zoom
from gui.application import run
from gui.window import MainWindow

started = MainWindow.start
def start(window):
    started(window)
    found = [zoom.current(), window.devicePixelRatio(), os.environ.get("QT_SCALE_FACTOR"), window.theme.shade]
    sys.__stderr__ = None
    with open(os.environ["FOUND"], "a") as file:
        file.write(json.dumps(found) + chr(10))
    def press():
        if not window.complete_ns:
            return
        timer.stop()
        if zoom.current() == 1.25:
            window.toggle_theme()
        if zoom.current() < 1.5:
            window.zoom(larger=True)
        else:
            window.close()
    timer = QTimer(window)
    timer.timeout.connect(press)
    timer.start(20)
MainWindow.start = start
theme = sys.argv[3] if "--theme" in sys.argv else ""
words = {"server_key": "", "keys": None, "screenshot": None, "at": None, "size": "", "theme": theme, "report": None}
sys.exit(run(argparse.Namespace(endpoint=sys.argv[1], **words), time.monotonic() + 20))
"""


@pytest.fixture(scope="module")
def address(recorded: Path) -> Iterator[str]:
    """Where a recorded session is served."""
    with replayed(recorded, 60.0) as where:
        yield where


@pytest.mark.parametrize(
    ("screen", "ratio", "suits"),
    [
        (LAPTOP, 1.0, 1.0),
        (FULL_HD, 1.0, 1.0),
        ((2560.0, 1440.0), 1.0, 1.0),
        ((2880.0, 1800.0), 1.0, 1.25),
        (FOUR_K, 1.0, 1.5),
        (FOUR_K, 2.0, 1.0),
        ((5120.0, 2880.0), 1.0, 2.0),
        ((1080.0, 1920.0), 1.0, 1.0),
        ((800.0, 600.0), 1.0, 1.0),
        ((0.0, 0.0), 1.0, 1.0),
    ],
)
def test_a_large_screen_that_the_desktop_does_not_scale_is_drawn_on_larger(screen, ratio, suits):
    assert zoom.suiting(screen, ratio) == suits


def test_every_step_leads_to_the_next_and_back():
    for before, after in zip(zoom.STEPS, zoom.STEPS[1:], strict=False):
        assert zoom.stepped(before, (9999.0, 9999.0), larger=True) == after
        assert zoom.stepped(after, (9999.0, 9999.0), larger=False) == before
    assert zoom.stepped(zoom.STEPS[-1], (9999.0, 9999.0), larger=True) is None
    assert zoom.stepped(zoom.STEPS[0], (9999.0, 9999.0), larger=False) is None


def test_a_screen_without_room_for_a_whole_window_allows_no_larger_step_but_a_smaller_one():
    assert zoom.stepped(1.0, LAPTOP, larger=True) is None
    assert zoom.stepped(1.5, FULL_HD, larger=True) is None
    assert zoom.stepped(1.25, FULL_HD, larger=True) == 1.5
    assert zoom.stepped(2.0, LAPTOP, larger=False) == 1.75


def test_the_users_own_scale_is_multiplied_however_often_the_window_starts_again():
    environment = {"QT_SCALE_FACTOR": "1.25"}
    assert zoom.has_own_scale(environment)
    zoom.put_on(2.0, environment)
    assert (zoom.current(environment), environment["QT_SCALE_FACTOR"]) == (2.0, "2.5")
    zoom.put_on(1.0, environment)
    assert (zoom.current(environment), environment["QT_SCALE_FACTOR"]) == (1.0, "1.25")
    assert zoom.has_own_scale(environment)
    assert zoom.is_chosen(environment)


@pytest.mark.parametrize("text", ["", "large", "-1", "0", "nan", "inf"])
def test_what_is_no_zoom_is_none(text):
    environment = {"DUETTO_ZOOM": text}
    assert zoom.current(environment) == 1.0
    assert not zoom.is_chosen(environment)


@pytest.mark.parametrize(
    ("words", "again"),
    [
        (["-m", "gui", "ipc://x"], ["-m", "gui", "ipc://x"]),
        (["-m", "gui", "ipc://x", "--at", "480", "--keys", "k"], ["-m", "gui", "ipc://x", "--keys", "k"]),
        (["-m", "gui", "ipc://x", "--theme", "dark", "--at", "480"], ["-m", "gui", "ipc://x"]),
        (["-m", "gui", "--at=480", "--theme=light", "ipc://x"], ["-m", "gui", "ipc://x"]),
    ],
)
def test_a_window_that_starts_again_goes_on_from_the_moment_and_the_colours_that_are_shown(words, again):
    assert zoom.again(words) == again


def test_an_interpreter_that_is_gone_is_a_sentence(monkeypatch):
    for name in ("DUETTO_ZOOM", "DUETTO_SCALE", "QT_SCALE_FACTOR"):
        monkeypatch.setenv(name, "1")  # so that they are as before afterwards
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(zoom.NotStartedAgain, match=r"cannot be opened in another size \(No such file or directory\)"):
        zoom.start_again(1.25, has_begun=True)


@pytest.mark.parametrize(("has_begun", "words"), [(False, ["gui", "x", "--at", "480"]), (True, ["gui", "x"])])
def test_a_window_that_nobody_has_seen_yet_begins_as_it_was_told_to(monkeypatch, has_begun, words):
    for name in ("DUETTO_ZOOM", "DUETTO_SCALE", "QT_SCALE_FACTOR"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setattr(sys, "orig_argv", ["python", "gui", "x", "--at", "480"])
    begun = []
    monkeypatch.setattr(os, "execv", lambda program, given: begun.append((program, given)))  # it would not come back
    zoom.start_again(1.25, has_begun=has_begun)
    assert begun == [(sys.executable, [sys.executable, *words])]


@pytest.mark.parametrize("said", ["1.2", "-1", "", "large", "1.50"])
def test_only_a_step_is_remembered(tmp_path, said):
    from PyQt6.QtCore import QSettings

    settings = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
    assert Remembered(settings).zoom is None
    settings.setValue("zoom", said)
    assert Remembered(settings).zoom is None
    Remembered(settings).keep_zoom(1.5)
    assert Remembered(settings).zoom == 1.5


def test_on_a_small_screen_nothing_can_be_larger_and_it_says_so(qtbot, address, tmp_path):
    with opened(address, tmp_path / "window.ini") as window:
        turned(qtbot, window, lambda: window.complete_ns)
        window.zoom(larger=True)
        assert window.wanted_zoom is None
        assert window.isVisible()
        assert "this screen has no room for larger letters" in window.banner.sentence.text()


def test_smaller_letters_close_the_window_to_open_it_anew_and_are_remembered(qtbot, address, tmp_path):
    with opened(address, tmp_path / "window.ini") as window:
        turned(qtbot, window, lambda: window.complete_ns)
        window.zoom(larger=False)
        assert window.wanted_zoom == 0.75
        assert not window.isVisible()
    assert "zoom=0.75" in (tmp_path / "window.ini").read_text(encoding="utf-8")


def test_a_window_that_nobody_serves_any_more_keeps_what_it_shows(qtbot, tmp_path):
    with opened(None, tmp_path / "window.ini") as window:
        window.zoom(larger=False)
        assert window.wanted_zoom is None
        assert window.isVisible()
        assert "what opens next is drawn in that size" in window.banner.sentence.text()


@pytest.mark.slow
@pytest.mark.skipif(XVFB is None, reason="there is no Xvfb here: sudo apt-get install xvfb")
def test_larger_letters_start_the_same_process_again_step_by_step_in_the_colours_shown(address, tmp_path):
    found = tmp_path / "found"
    with x_server(1920, 1080) as display:
        settings = {"XDG_CONFIG_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "FOUND": str(found)}
        environment = os.environ | {"DISPLAY": display, "QT_QPA_PLATFORM": "xcb"} | settings
        words = [sys.executable, "-c", PRESSES, address, "--theme", "light"]
        answer = subprocess.run(
            words, cwd=HOUSE, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
    assert answer.returncode == 0, answer.stderr
    lines = [json.loads(line) for line in found.read_text(encoding="utf-8").splitlines()]
    assert lines == [[1.0, 1.0, None, "light"], [1.25, 1.25, "1.25", "light"], [1.5, 1.5, "1.5", "dark"]]


@pytest.mark.slow
@pytest.mark.skipif(XVFB is None, reason="there is no Xvfb here: sudo apt-get install xvfb")
def test_on_a_screen_of_4k_the_window_opens_larger_by_itself(address, tmp_path):
    report = tmp_path / "report"
    with x_server(*SIZES["large"]) as display:
        settings = {"XDG_CONFIG_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
        environment = os.environ | {"DISPLAY": display, "QT_QPA_PLATFORM": "xcb"} | settings
        words = [sys.executable, "-m", "gui", address, "--report", str(report)]
        with subprocess.Popen(words, cwd=HOUSE, env=environment) as window:
            try:
                until_s = time.monotonic() + 60.0
                while not report.exists() or not report.stat().st_size:
                    assert window.poll() is None
                    assert time.monotonic() < until_s, "the window did not open"
                    psutil.cpu_percent(0.05)
                assert psutil.Process(window.pid).environ()["QT_SCALE_FACTOR"] == "1.5"
            finally:
                window.terminate()

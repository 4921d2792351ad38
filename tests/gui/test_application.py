"""What the application does around the window: sizes, reports, and what becomes of errors while painting."""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PyQt6.QtCore import QTimer

from gui.application import NobodyAnswers, NoSize, run, settings_file
from gui.report import NoReport, write_report
from tests.gui.windows import opened

HOUSE = Path(__file__).resolve().parents[2]
PAINTS_BADLY = """
import sys
from PyQt6.QtWidgets import QApplication
from gui.application import outlive
from gui.window import MainWindow

application = QApplication(["duetto"])
window = MainWindow(application, None)
sys.excepthook = outlive(window)

def paint(_):
    raise ValueError("no such colour")

window.panels["rig"].paintEvent = paint
window.show()
for _ in range(5):
    window.panels["rig"].update()
    application.processEvents()
sys.stdout.write(window.banner.sentence.text())
"""


def asked(**words: object) -> argparse.Namespace:
    """The arguments of the window's process."""
    known = {"endpoint": "ipc:///nowhere/view", "server_key": "", "keys": None, "screenshot": None, "at": None}
    return argparse.Namespace(**(known | {"size": "", "theme": "", "report": None} | words))


def test_nobody_there_is_said_after_the_time_that_is_given(qapp, tmp_path):
    endpoint = f"ipc://{tmp_path}/view"
    with pytest.raises(NobodyAnswers, match=f"nobody answers at {endpoint}; is the session still running"):
        run(asked(endpoint=endpoint), time.monotonic() + 0.05)


@pytest.mark.parametrize("text", ["1600", "1600×1000", "0x0", "319x1000", "1600x8193", "1600x1000 ", "1e3x1e3"])
def test_a_size_that_is_none_is_found_before_anything_is_connected(text):
    with pytest.raises(NoSize, match="is no size; write it as 1600x1000, each from 320 to 8192"):
        run(asked(size=text), 0.0)


def test_settings_are_kept_where_the_user_keeps_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert settings_file().fileName() == str(tmp_path / "duetto" / "window.ini")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert settings_file().fileName() == str(tmp_path / ".config" / "duetto" / "window.ini")


def test_an_error_while_painting_does_not_end_the_window_and_is_told_once():
    words = [sys.executable, "-c", PAINTS_BADLY]
    answer = subprocess.run(words, cwd=HOUSE, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == "⚠ something in this window failed (ValueError: no such colour); all else goes on"
    assert answer.stderr.count("ValueError: no such colour") == 1


def test_a_report_gets_a_line_whenever_it_is_due(qapp, tmp_path):
    file = tmp_path / "report.jsonl"
    with opened(None) as window:
        window.draw_all()
        write_report(window, file)
        for timer in timers(window):
            timer.timeout.emit()
            timer.timeout.emit()
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 2
    assert lines[0]["ticks"] >= 1
    assert lines[0]["took_max_ms"] >= lines[0]["took_p50_ms"] > 0.0
    assert lines[1]["t_ns"] >= lines[0]["t_ns"]
    assert lines[0]["resident_kb"] > 1000


def test_a_report_that_cannot_be_written_is_a_sentence_at_once(qapp, tmp_path):
    with opened(None) as window, pytest.raises(NoReport, match=r"cannot be written .*; name another file"):
        write_report(window, tmp_path / "missing" / "report.jsonl")


def test_a_report_that_cannot_be_written_any_more_ends_and_the_window_says_so(qapp, tmp_path):
    folder = tmp_path / "there"
    folder.mkdir()
    file = folder / "report.jsonl"
    with opened(None) as window:
        write_report(window, file)
        file.unlink()
        folder.rmdir()
        (timer,) = timers(window)
        timer.timeout.emit()
        assert not timer.isActive()
        assert window.banner.sentence.text().startswith(f"⚠ the report {file} cannot be written")


def timers(window) -> list[QTimer]:
    """The timers of reports: the window's own stands in tests."""
    return [timer for timer in window.findChildren(QTimer) if timer.isActive() and timer.interval() == 1000]

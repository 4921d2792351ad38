"""A port that is absent, silent or somebody else's: refused by name, within the time a person waits."""

import os
import threading
from collections.abc import Callable, Iterator

import pytest

from hardware.emulators.pty_link import PtyLink
from hardware.emulators.reference_board import EmulatedBoard
from realtime.clock import now_ns

pytestmark = pytest.mark.slow


@pytest.fixture
def link() -> Iterator[PtyLink]:
    """A pseudo-terminal with nobody behind it."""
    with PtyLink.open() as opened:
        yield opened


def rig_on(port: object, text: str) -> str:
    """Return a rig file's text with the board on another port."""
    return text.replace('port = "emulator"', f'port = "{port}"')


def refuse(command: Callable, rig, tmp_path) -> str:
    """Run a session that cannot start; return its sentence."""
    answer = command("run", rig, "--minutes", 1, "--out", tmp_path / "s")
    assert answer.returncode == 1
    assert "Traceback" not in answer.stderr
    assert list((tmp_path / "s").iterdir()) == [], "a session that never began leaves no folder"
    return answer.stderr


def test_an_absent_port_is_refused_by_name(quick_rig, command, tmp_path):
    quick_rig.write_text(rig_on("/dev/duetto-no-such-port", quick_rig.read_text()))
    sentence = refuse(command, quick_rig, tmp_path)
    assert "There is no port /dev/duetto-no-such-port" in sentence


def test_a_silent_board_is_refused_by_name(quick_rig, command, tmp_path, link):
    quick_rig.write_text(rig_on(link.path, quick_rig.read_text()))
    sentence = refuse(command, quick_rig, tmp_path)
    assert "board did not say who it is within 2.5 s" in sentence


def test_another_device_on_the_port_is_refused_by_name(quick_rig, command, tmp_path, link):
    quick_rig.write_text(rig_on(link.path, quick_rig.read_text()))
    board = EmulatedBoard(now_ns())
    board.knobs.who_am_i = 1216
    done = threading.Event()

    def serve() -> None:
        while not done.is_set():
            board.feed(link.read(), now_ns())
            link.write(board.outgoing(now_ns()))
            done.wait(0.005)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        sentence = refuse(command, quick_rig, tmp_path)
    finally:
        done.set()
        thread.join()
    assert "1216" in sentence
    assert "3335" in sentence


def test_a_port_that_is_no_serial_port_is_refused(quick_rig, command, tmp_path):
    quick_rig.write_text(rig_on(os.devnull, quick_rig.read_text()))
    sentence = refuse(command, quick_rig, tmp_path)
    assert "/dev/null" in sentence


@pytest.mark.parametrize("words", [("run", "no-such.toml"), ("verify", "no-such"), ("recover", "no-such"),
                                   ("events", "no-such"), ("judge", "no-such.csv", "--window", "1"),
                                   ("control", "no-such", "stop")])  # fmt: skip
def test_a_name_of_nothing_is_answered_with_one_sentence(words, command, tmp_path):
    answer = command(*words)
    assert answer.returncode != 0
    assert "no-such" in answer.stderr
    assert "Traceback" not in answer.stderr

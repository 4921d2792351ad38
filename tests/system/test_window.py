"""Windows on running sessions: real processes, drawn into memory. What they suffer, the session does not notice."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from controller.bus import Poller, find_views
from controller.log import LOG_NAME, read_events
from controller.messages import Answer, Request
from controller.messages.view import Choice
from controller.verify import verify
from gui.link import Link
from gui.scene import Scene
from hardware.emulators.pty_link import PtyLink
from realtime.records import Flag, Kind, Line, Operator
from tests.system.conftest import ROOT, Session

OFFSCREEN = {"DISPLAY": ":drawn-into-memory", "QT_QPA_PLATFORM": "offscreen"}


class Watcher:
    """A window without pictures: its link and its scene, turned by hand."""

    def __init__(self, endpoint: str) -> None:
        self.link = Link(endpoint)
        self.scene = Scene()
        self.answers: list[Answer] = []

    def turn(self) -> None:
        for heard in self.link.heard():
            if heard.batch.anew:
                self.scene.forget()
            for view in heard.views:
                self.scene.take(view)
        self.answers += [answer for _, answer in self.link.answers()]

    def wait_for(self, condition: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"no {what} within {timeout_s} s"
            Poller().wait(0.02)
            self.turn()

    def ask(self, wanted: Request | Choice) -> Answer:
        before = len(self.answers)
        self.link.ask(wanted)
        self.wait_for(lambda: len(self.answers) > before, "answer", 10.0)
        return self.answers[-1]


@contextmanager
def watching(endpoint: str) -> Iterator[Watcher]:
    watcher = Watcher(endpoint)
    try:
        yield watcher
    finally:
        watcher.link.close()


def view_of(session: Session) -> str:
    return str(json.loads((session.folder / "live.json").read_text(encoding="utf-8"))["view"])


def window(*words: object) -> "subprocess.Popen[str]":
    """A window's process."""
    return subprocess.Popen(
        [sys.executable, "-m", "gui", *map(str, words)],
        cwd=ROOT,
        env=os.environ | OFFSCREEN,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def windows_of(session: Session) -> list[psutil.Process]:
    """The windows that a session's command has opened."""
    children = psutil.Process(session.process.pid).children()
    return [child for child in children if "gui" in child.cmdline()]


def drawing(watcher: Watcher, viewers: int) -> Callable[[], bool]:
    return lambda: watcher.scene.storage is not None and watcher.scene.storage.viewers >= viewers


def test_a_window_that_comes_late_is_complete(quick_rig, run_session) -> None:
    session = run_session(quick_rig, "--headless", "--minutes", 1, "--trials", 12, "--seed", 3)
    session.wait_for_trials(6)
    with watching(view_of(session)) as watcher:
        began = time.monotonic()
        watcher.wait_for(lambda: len(watcher.scene.rows) >= 6, "history")
        assert time.monotonic() - began < 30.0  # two seconds is the promise; the benchmark measures it
        assert [row.trial for row in watcher.scene.rows] == list(range(1, len(watcher.scene.rows) + 1))
        watcher.wait_for(lambda: watcher.scene.standing is not None, "standing")
        names = {process.name for process in watcher.scene.standing.processes}
        assert {"loop", "driver-board", "recorder", "viewers", "virtual-rig"} <= names
        watcher.wait_for(lambda: watcher.scene.standing.phase == "ended", "end")
    assert session.end()[0] == 0
    events = read_events(session.folder / LOG_NAME)
    ended = events[events["kind"] == Kind.TRIAL]
    assert [row.outcome for row in watcher.scene.rows] == ended["value"].astype(int).tolist()[: len(watcher.scene.rows)]
    assert len(watcher.scene.rows) >= ended.size - 1


def test_every_button_is_seen_in_the_log(quick_rig, run_session) -> None:
    session = run_session(quick_rig, "--headless", "--minutes", 1, "--seed", 3)
    session.wait_for_trials(1)
    with watching(view_of(session)) as watcher:
        watcher.wait_for(lambda: watcher.scene.counts is not None, "counts")
        assert watcher.ask(Request("note", text="mouse B sneezed")).done
        assert watcher.ask(Request("disarm")).done
        assert not watcher.ask(Request("laser", "A")).done
        assert watcher.ask(Request("arm")).done
        assert watcher.ask(Request("pause")).done
        watcher.wait_for(lambda: session.status().get("state") == "PAUSED", "pause")
        assert watcher.ask(Request("reward", "A")).done
        assert watcher.ask(Request("reward", "B")).done
        watcher.wait_for(lambda: watcher.ask(Request("laser", "B")).done, "laser test")
        watcher.wait_for(lambda: watcher.scene.last_off_ns.get(Line.LASER_B, 0) > 0, "end of the laser test")
        watcher.wait_for(lambda: watcher.ask(Request("resume")).done, "resume")
        watcher.wait_for(lambda: [note.text for note in watcher.scene.notes] == ["mouse B sneezed"], "note")
        watcher.wait_for(lambda: watcher.scene.counts.free == (1, 1), "free rewards")
        assert watcher.ask(Request("stop")).done
    assert session.end()[0] == 0
    events = read_events(session.folder / LOG_NAME)
    people = events[events["kind"] == Kind.OPERATOR]["value"].astype(int).tolist()
    wanted = [
        Operator.NOTE, Operator.DISARM, Operator.ARM, Operator.PAUSE, Operator.FREE_REWARD, Operator.FREE_REWARD,
        Operator.LASER_TEST, Operator.RESUME, Operator.STOP,
    ]  # fmt: skip
    assert people[people.index(Operator.START) + 1 :][: len(wanted)] == wanted
    free = events[(events["kind"] == Kind.COMMAND) & (events["flags"] & Flag.FREE != 0)]
    assert sorted(free["line"].tolist()) == [Line.VALVE_A, Line.VALVE_B, Line.LASER_B]
    assert verify(session.folder).identical


def test_windows_that_are_killed_frozen_and_opened_again_cost_the_session_nothing(quick_rig, run_session) -> None:
    session = run_session(quick_rig, "--headless", "--minutes", 1, "--trials", 20, "--seed", 3)
    session.wait_for_trials(1)
    endpoint = view_of(session)
    with watching(endpoint) as watcher:
        watcher.wait_for(drawing(watcher, 1), "first viewer")
        killed, frozen = window(endpoint), window(endpoint)
        try:
            watcher.wait_for(drawing(watcher, 3), "two windows")
            killed.kill()
            frozen.send_signal(signal.SIGSTOP)
            session.wait_for_trials(8)
            again = window(endpoint)
            watcher.wait_for(drawing(watcher, 2), "another window")
            session.wait_for_trials(14)
        finally:
            for process in (killed, frozen, again):
                process.kill()
                process.communicate()
        watcher.wait_for(lambda: watcher.scene.standing.phase == "ended", "end")
    status, _, said = session.end()
    assert status == 0, said
    events = read_events(session.folder / LOG_NAME)
    assert verify(session.folder).identical
    assert not (events["flags"] & Flag.LATE).any()
    assert events[events["kind"] == Kind.TRIAL].size == 20
    assert not (events["kind"] == Kind.FAULT).any()


def test_the_stop_works_while_the_supervisor_hangs(quick_rig, run_session) -> None:
    session = run_session(quick_rig, "--headless", "--minutes", 1, "--seed", 3)
    session.wait_for_trials(1)
    with watching(view_of(session)) as watcher:
        watcher.wait_for(lambda: watcher.scene.counts is not None, "counts")
        session.process.send_signal(signal.SIGSTOP)
        try:
            answer = watcher.ask(Request("stop"))
            assert answer.done
            assert "the loop was told directly" in answer.sentence
            watcher.wait_for(lambda: watcher.scene.counts.finished, "end of the task")
            assert not watcher.scene.counts.armed
        finally:
            session.process.send_signal(signal.SIGCONT)
    status, _, said = session.end()
    assert status == 0, said
    ending = json.loads((session.folder / "ending.json").read_text(encoding="utf-8"))["metadata"]["ending"]
    assert ending["reason"] == "a person stopped it"
    events = read_events(session.folder / LOG_NAME)
    assert Operator.STOP in events[events["kind"] == Kind.OPERATOR]["value"]


def test_the_stop_works_while_the_server_of_viewers_hangs(quick_rig, run_session) -> None:
    session = run_session(quick_rig, "--headless", "--minutes", 1, "--seed", 3)
    session.wait_for_trials(1)
    with watching(view_of(session)) as watcher:
        watcher.wait_for(lambda: watcher.scene.opening is not None, "opening")
        hung = psutil.Process(session.pids()["viewers"])
        hung.suspend()
        answer = watcher.ask(Request("stop"))
        assert answer.done
        assert "what serves windows does not answer" in answer.sentence
    assert session.end()[0] == 0
    events = read_events(session.folder / LOG_NAME)
    assert Operator.STOP in events[events["kind"] == Kind.OPERATOR]["value"]


def test_a_server_of_viewers_that_dies_is_started_again_and_windows_find_it(quick_rig, run_session) -> None:
    session = run_session(quick_rig, "--headless", "--minutes", 1, "--trials", 15, "--seed", 3)
    session.wait_for_trials(1)
    with watching(view_of(session)) as watcher:
        watcher.wait_for(lambda: watcher.link.contact.anew == 1, "history")
        psutil.Process(session.pids()["viewers"]).kill()
        watcher.wait_for(lambda: watcher.link.contact.anew == 2, "history from the next server")
        watcher.wait_for(lambda: watcher.scene.standing is not None, "standing")
    assert session.end()[0] == 0
    assert verify(session.folder).identical


def test_a_session_waits_in_the_window_for_its_start(quick_rig, run_session, tmp_path) -> None:
    known = set(find_views())
    session = run_session(quick_rig, "--minutes", 1, "--seed", 3, **OFFSCREEN)
    session.wait_for(lambda: bool(set(find_views()) - known), "reception")
    (endpoint,) = set(find_views()) - known
    with watching(endpoint) as watcher:
        watcher.wait_for(lambda: watcher.scene.setup is not None, "form")
        session.wait_for(lambda: len(windows_of(session)) == 1, "window")
        assert not session.output.exists()
        wrong = Choice(0, ("m1", "m1"), 1, 1.0, 8, str(session.output))
        watcher.ask(wrong)
        watcher.wait_for(lambda: bool(watcher.scene.setup.problems), "problem")
        assert not watcher.ask(Request("start")).done
        watcher.ask(Choice(0, ("m7", "m8"), 6, 1.0, 8, str(session.output)))
        watcher.wait_for(lambda: not watcher.scene.setup.problems, "nothing wrong")
        assert watcher.ask(Request("start")).done
        watcher.wait_for(lambda: watcher.scene.opening is not None, "session")
        assert watcher.scene.opening.subjects == ("m7", "m8")
        watcher.wait_for(lambda: watcher.scene.standing and watcher.scene.standing.phase == "ended", "end")
        left = windows_of(session)
    status, out, said = session.end()
    for process in left:
        process.kill()
    assert status == 0, said
    assert "m7-m8_day6" in out


def at_the_form(session: Session, known: set[str]) -> str:
    """Where the form of a session is served that waits for its start."""
    session.wait_for(lambda: bool(set(find_views()) - known), "reception")
    session.wait_for(lambda: len(windows_of(session)) == 1, "window")
    (endpoint,) = set(find_views()) - known
    return endpoint


@pytest.fixture
def slow_rig(quick_rig: Path) -> Iterator[Path]:
    """The rig of the quick mice with a second board, which is silent: for seconds a start waits for it to speak."""
    with PtyLink.open() as silent:
        board = f'[devices.silent]\ndriver = "reference_board"\nport = "{silent.path}"\n\n[lines]'
        quick_rig.write_text(quick_rig.read_text(encoding="utf-8").replace("[lines]", board), encoding="utf-8")
        yield quick_rig


BEFORE_THE_RECEPTION_CLOSES, BETWEEN_IT_AND_THE_SESSION, IN_ITS_START, LATER_IN_IT = 0.0, 0.1, 0.4, 1.0


def test_a_stop_right_after_the_start_is_not_lost(slow_rig, run_session) -> None:
    known = set(find_views())
    session = run_session(slow_rig, "--minutes", 1, "--seed", 3, **OFFSCREEN)
    with watching(at_the_form(session, known)) as watcher:
        watcher.wait_for(lambda: watcher.scene.setup is not None, "form")
        for pause_s in (BEFORE_THE_RECEPTION_CLOSES, BETWEEN_IT_AND_THE_SESSION, IN_ITS_START, LATER_IN_IT):
            assert watcher.ask(Request("start")).done
            Poller().wait(pause_s)
            answer = watcher.ask(Request("stop"))
            assert answer.done, answer.sentence
            watcher.wait_for(lambda: at_rest(watcher.scene), f"form again after {pause_s} s and {answer.sentence!r}")
            assert not session.output.exists() or not any(session.output.iterdir())
        for window_process in windows_of(session):
            window_process.terminate()
    status, _, said = session.end()
    assert status == 1
    assert "0:00 of 1 min" not in said, "a session has begun"


def at_rest(scene: Scene) -> bool:
    """Whether the form is shown, and nothing starts."""
    return scene.opening is None and scene.setup is not None and not scene.setup.starting


def test_ctrl_c_right_after_the_start_is_not_lost(quick_rig, run_session) -> None:
    known = set(find_views())
    session = run_session(quick_rig, "--minutes", 1, "--seed", 3, **OFFSCREEN)
    with watching(at_the_form(session, known)) as watcher:
        watcher.wait_for(lambda: watcher.scene.setup is not None, "form")
        assert watcher.ask(Request("start")).done
        session.process.send_signal(signal.SIGINT)
        status, _, said = session.end()
    assert status != 0
    assert "Ctrl-C" in said
    assert not session.output.exists() or not any(session.output.iterdir())


def test_a_window_that_is_closed_before_the_start_ends_the_command(quick_rig, run_session) -> None:
    session = run_session(quick_rig, "--minutes", 1, **OFFSCREEN)
    session.wait_for(lambda: len(windows_of(session)) == 1, "window")
    windows_of(session)[0].terminate()
    status, _, said = session.end()
    assert status == 1
    assert "the window was closed before the session was started; nothing was run" in said
    assert not session.output.exists()


def test_ctrl_c_before_the_start_closes_the_window(quick_rig, run_session) -> None:
    session = run_session(quick_rig, "--minutes", 1, **OFFSCREEN)
    session.wait_for(lambda: len(windows_of(session)) == 1, "window")
    session.process.send_signal(signal.SIGINT)
    status, _, said = session.end()
    assert status == 130
    assert "stopped by Ctrl-C" in said


def test_nobody_at_an_endpoint_is_a_sentence(tmp_path) -> None:
    process = window(f"ipc://{tmp_path}/view")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said == f"duetto: nobody answers at ipc://{tmp_path}/view; is the session still running?\n"


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"DISPLAY": "", "QT_QPA_PLATFORM": ""}, "there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)"),
        ({"DISPLAY": ":4711", "QT_QPA_PLATFORM": ""}, "the display :4711 cannot be opened"),
    ],
)
def test_no_display_is_a_sentence(environment: dict[str, str], sentence: str, tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "gui", f"ipc://{tmp_path}/view"],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert answer.returncode == 1
    assert sentence in answer.stderr
    assert "Traceback" not in answer.stderr

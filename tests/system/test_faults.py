"""Everything that can break in a running session: what the devices did, what the log says, what a person reads.

Real processes, a real port, an emulated board that the test unplugs, restarts, silences and holds beams of. The boards'
own edges are the truth about light and water.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from controller.journal import open_for_reading
from realtime.records import Fault, Flag, Kind, Line
from tests.system import bench_box
from tests.system.bench_box import InHand

pytestmark = pytest.mark.slow


@pytest.fixture
def emulate(tmp_path: Path) -> Iterator[Callable[..., InHand]]:
    """Start emulators; all are ended."""
    devices: list[InHand] = []

    def start(name: str, *words: str) -> InHand:
        devices.append(bench_box.start(name, tmp_path / f"{name}{len(devices)}", *words))
        return devices[-1]

    yield start
    for device in devices:
        bench_box.end(device)


class Story:
    """One session on one board in the test's hand."""

    def __init__(self, session, board: InHand, command: Callable) -> None:
        self.session = session
        self.board = board
        self.command = command
        self.session.wait_for(lambda: session.output.exists() and any(session.output.iterdir()), "a folder")
        self.session.wait_for((session.folder / "live.json").exists, "a live session")
        self.wait_for_phase("READY")

    def events(self) -> np.ndarray:
        with open_for_reading(self.session.folder / "journal.bin", accept_cut=True) as reader:
            return reader.read(0, reader.count())

    def faults(self) -> list[Fault]:
        events = self.events()
        return [Fault(int(value)) for value in events["value"][events["kind"] == Kind.FAULT]]

    def wait_for_fault(self, fault: Fault) -> None:
        self.session.wait_for(lambda: fault in self.faults(), fault.name, 20.0)

    def wait_for_phase(self, state: str) -> None:
        self.session.wait_for(lambda: self.session.status().get("state") == state, state, 60.0)

    def wait_for_light(self) -> None:
        """Play trials until a laser is on."""
        for _ in range(12):
            if self.board.lit():
                return
            self.board.poke(0)
            self.board.poke(1)
            time.sleep(0.4)  # the next trial's ITI passes: real processes, real time
        raise AssertionError("no trial had light")

    def play_a_trial(self) -> None:
        before = int(self.session.status()["trials"])
        self.wait_for_phase("READY")
        self.board.poke(0)
        self.board.poke(1)
        self.session.wait_for(lambda: int(self.session.status()["trials"]) > before, "a trial", 10.0)

    def ask(self, verb: str) -> str:
        answer = self.command("control", self.session.folder, verb)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout

    def refused_lights(self) -> int:
        events = self.events()
        lights = events[(events["kind"] == Kind.COMMAND) & np.isin(events["line"], (Line.LASER_A, Line.LASER_B))]
        return int(np.count_nonzero(lights["flags"] & Flag.REFUSED))

    def armed(self) -> bool:
        return bool(self.session.status()["armed"])

    def stop(self) -> str:
        """End it as a person does, prove it, and return what was said on screen."""
        self.ask("stop")
        status, _, err = self.session.end()
        assert status == 0, err
        assert "Traceback" not in err
        self.prove()
        return err

    def prove(self) -> None:
        proof = self.command("verify", self.session.folder)
        assert proof.returncode == 0, proof.stdout + proof.stderr


@pytest.fixture
def story(tmp_path, emulate, run_session, command) -> Callable[..., Story]:
    """Start a session on a board in hand."""

    def begin(*words: str, **rig: object) -> Story:
        board = emulate("reference_board", *words)
        path = tmp_path / "rig.toml"
        path.write_text(bench_box.rig_text(board.port, **rig), encoding="utf-8")
        return Story(run_session(path, "--minutes", 5, "--seed", 3), board, command)

    return begin


def goes_on_after(told: Story) -> None:
    """See that the session is paused and disarmed, and goes on when a person says so, but dark."""
    told.wait_for_phase("PAUSED")
    assert not told.armed()
    told.session.wait_for(lambda: told.session.status().get("away") == "", "the board's return", 30.0)
    told.ask("resume")
    told.play_a_trial()
    told.play_a_trial()
    assert not told.board.lit(), "nothing arms but a person"
    assert not told.armed()


def test_an_unplugged_board_goes_dark_by_itself_and_the_session_goes_on_when_it_is_back(story):
    told = story()
    told.wait_for_light()
    told.board.do("unplug")
    told.wait_for_fault(Fault.PORT_LOST)
    told.session.wait_for(lambda: not told.board.lit(), "the watchdog", 5.0)
    refused = told.command("control", told.session.folder, "resume")
    assert refused.returncode == 1
    assert "board is not ready" in refused.stdout
    told.board.do("plug")
    goes_on_after(told)
    said = told.stop()
    assert "was lost" in said
    assert "board is back" in said


def test_a_board_that_restarts_is_configured_anew_and_never_armed_by_itself(story):
    told = story()
    told.wait_for_light()
    told.board.do("reset")
    told.wait_for_fault(Fault.DEVICE_RESET)
    assert not told.board.lit()
    goes_on_after(told)
    assert "board restarted, or its clock stepped" in told.stop()


def test_a_silent_board_pauses_the_session_until_it_speaks_again(story):
    told = story()
    told.wait_for_light()
    told.board.do("set silence on")
    told.wait_for_fault(Fault.DEVICE_SILENT)
    told.session.wait_for(lambda: not told.board.lit(), "darkness", 5.0)
    told.board.do("set silence off")
    goes_on_after(told)
    assert "keep-alives unanswered" in told.stop()


def test_a_board_that_does_not_come_back_ends_the_session_and_says_why(story):
    told = story(reconnect_s=1.5)
    told.wait_for_light()
    told.board.do("unplug")
    status, _, err = told.session.end()
    assert status == 1
    assert "board was away for more than 1.5 s" in err
    assert not told.board.lit()
    told.prove()


def test_a_stuck_beam_pauses_the_session_and_says_whose_it_is(story):
    told = story()
    told.board.do("input 1 1")
    told.wait_for_fault(Fault.BEAM_STUCK)
    told.wait_for_phase("PAUSED")
    event = told.events()[told.events()["kind"] == Kind.FAULT][-1]
    assert (int(event["line"]), int(event["animal"])) == (Line.POKE_B, 1)
    told.board.do("input 1 0")
    told.ask("resume")
    told.play_a_trial()
    assert "POKE_B" in told.stop()


def test_a_chattering_beam_is_muted_and_pauses_the_session(story):
    told = story()
    for _ in range(15):
        told.board.poke(0)
    told.wait_for_fault(Fault.BEAM_CHATTER)
    told.wait_for_phase("PAUSED")
    assert "POKE_A" in told.stop()


def test_an_opened_interlock_cuts_the_light_and_the_session_goes_on_dark(story):
    told = story()
    told.wait_for_light()
    told.board.do("interlock open")
    told.wait_for_fault(Fault.DEVICE_INTERLOCK)
    told.session.wait_for(lambda: not told.board.lit(), "darkness", 5.0)  # its edges come by another way
    told.session.wait_for(lambda: not told.armed(), "disarming", 5.0)
    told.board.do("interlock closed")
    for _ in range(10):
        told.play_a_trial()
        assert not told.board.lit()
        if told.refused_lights():
            break
    assert told.refused_lights() == 2, "of the next trial with light, both lasers"
    assert "interlock" in told.stop()


@pytest.mark.parametrize(
    ("deed", "fault"), [("interlock open", Fault.DEVICE_INTERLOCK), ("set fault_code 1", Fault.LASER_HEAD)]
)
def test_a_fault_of_the_laser_head_disarms_everything_and_the_session_goes_on_dark(story, emulate, deed, fault):
    head = emulate("cobolt")
    told = story(
        more_devices=f'[devices.head]\ndriver = "cobolt"\nport = "{head.port}"\nfeeds = "laser_a"\npower_mw = 10.0\n'
    )
    told.wait_for_light()
    head.do(deed)
    told.wait_for_fault(fault)
    told.session.wait_for(lambda: not told.board.lit(), "darkness", 5.0)
    told.play_a_trial()
    told.play_a_trial()
    assert not told.board.lit()
    assert "head" in told.stop()


def stall(told: Story, names: Callable[[str], bool], seconds: float) -> None:
    """Stop some of the session's processes for a while, as a busy computer does."""
    pids = [pid for name, pid in told.session.pids().items() if names(name)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)  # the stall itself: real processes stand still
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def test_a_stall_of_the_whole_host_for_600_ms_lets_the_boards_watchdog_act_and_the_session_go_on(story):
    told = story()
    told.wait_for_light()
    stall(told, lambda _name: True, 0.6)
    told.wait_for_fault(Fault.DEVICE_WATCHDOG)
    assert not told.board.lit()
    goes_on_after(told)
    assert "heard nothing from this computer" in told.stop()


def test_a_loop_that_stands_still_is_noticed_by_the_driver_which_switches_everything_off(story):
    told = story()
    told.wait_for_light()
    stall(told, lambda name: name == "loop", 1.0)
    told.wait_for_fault(Fault.LOOP_SILENT)
    assert not told.board.lit()
    goes_on_after(told)
    assert "the loop has been silent" in told.stop()

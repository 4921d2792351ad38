"""The command as a person uses it: typed answers, an emulated rig, and a real serial port with a board behind it."""

import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from controller.calibration import load
from hardware.emulators.pty_link import LinkUnplugged, PtyLink
from hardware.emulators.reference_board import EmulatedBoard
from realtime.clock import now_ns
from realtime.records import Line

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
HEAD = """
[devices.head_a]
driver = "cobolt"
port = "emulator"
feeds = "laser_a"
tip_mw = 5.0

[lines]"""
WALK = "\n0.1\n\n0.2\n\n0.4\n"
"""Three vials: 1, 2 and 4 µl per opening, at 100 openings each."""


@dataclass
class Typed:
    """The command, running, with a person's keyboard."""

    process: "subprocess.Popen[bytes]"
    shown: str = ""

    def type(self, text: str) -> None:
        """Type something."""
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def wait_for(self, text: str, timeout_s: float = 30.0) -> None:
        """Wait until ``text`` has been shown, then forget what was shown."""
        deadline = time.monotonic() + timeout_s
        while text not in self.shown:
            readable, _, _ = select.select([self.process.stderr], [], [], max(0.0, deadline - time.monotonic()))
            assert readable, f"{text!r} was not shown; but: {self.shown}"
            data = os.read(self.process.stderr.fileno(), 65536)
            assert data, f"it ended without {text!r}; but: {self.shown}"
            self.shown += data.decode()
        self.shown = self.shown.partition(text)[2]

    def end(self) -> tuple[int, str, str]:
        """Wait for its end; return exit status and output."""
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out.decode(), self.shown + err.decode()


@pytest.fixture
def calibrate() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """The command, run to its end with everything typed beforehand."""

    def run(*words: object, typed: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "controller.cli", "calibrate", *map(str, words)],
            cwd=ROOT, input=typed, capture_output=True, text=True, timeout=60, check=False,
            env=os.environ | {"COLUMNS": "200"},
        )  # fmt: skip

    return run


@pytest.fixture
def start() -> Iterator[Callable[..., Typed]]:
    """The command in the background; whatever still runs at the end is killed."""
    running: list[Typed] = []

    def begin(*words: object) -> Typed:
        process = subprocess.Popen(
            [sys.executable, "-m", "controller.cli", "calibrate", *map(str, words)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=os.environ | {"COLUMNS": "200"},
        )  # fmt: skip
        running.append(Typed(process))
        return running[-1]

    yield begin
    for each in running:
        if each.process.poll() is None:
            each.process.kill()
        each.process.communicate(timeout=30)


@pytest.fixture
def rig(tmp_path: Path) -> Path:
    """The virtual rig, in a folder of its own."""
    return Path(shutil.copy(ROOT / "rigs" / "virtual.toml", tmp_path / "our_box.toml"))


@dataclass
class Board:
    """An emulated board behind a pseudo-terminal, in real time."""

    link: PtyLink
    device: EmulatedBoard
    pins: list[tuple[int, int, int]] = field(default_factory=list)
    """Its output pins' true edges: time, pin, level."""
    done: threading.Event = field(default_factory=threading.Event)

    def serve(self) -> None:
        """Live, until told to end or unplugged."""
        while not self.done.is_set():
            try:
                self.device.feed(self.link.read(), now_ns())
                self.link.write(self.device.outgoing(now_ns()))
            except LinkUnplugged:
                self.done.wait(0.01)
            self.device.advance(now_ns())
            self.pins += self.device.take_edges()
            self.done.wait(0.002)

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, f"no {what}"
            self.done.wait(0.001)


@pytest.fixture
def board() -> Iterator[Board]:
    """A board on a serial port."""
    with PtyLink.open() as link:
        served = Board(link, EmulatedBoard(now_ns()))
        thread = threading.Thread(target=served.serve)
        thread.start()
        yield served
        served.done.set()
        thread.join()


def on_port(rig: Path, board: Board) -> Path:
    """Put the rig's board on a real port, with so long a watchdog that it cannot be what switches anything off."""
    text = rig.read_text(encoding="utf-8").replace('port = "emulator"', f'port = "{board.link.path}"')
    rig.write_text(text.replace("host_timeout_ms = 500", "host_timeout_ms = 5000"), encoding="utf-8")
    return rig


def files_beside(rig: Path) -> list[str]:
    """Return what the command has left beside the rig."""
    return sorted(path.name for path in rig.parent.iterdir() if path != rig)


# --- emulated


def test_a_valve_is_calibrated_by_typed_weights(calibrate, rig):
    done = calibrate(rig, "--line", "valve_a", "--durations", "10,20,40", "--by", "anna", typed=WALK + "yes\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(rig.with_name(name)) for name in files_beside(rig)]
    assert files_beside(rig) == ["our_box.calibration.json", "our_box.valve_a.svg"]
    entry = load(rig).valve(Line.VALVE_A)
    assert (entry.by, entry.outputs, [point.pulses for point in entry.points]) == ("anna", [1.0, 2.0, 4.0], [100] * 3)
    assert load(rig).valve_ms(Line.VALVE_A, 3.0) == pytest.approx(30.0, abs=0.5)
    assert "100 of 100 openings reported by the device, 20.00 ms on average." in done.stderr
    assert "valve_a: 1 to 4 µl by 10 to 40 ms. Residuals: largest 0.000 µl" in done.stderr
    assert rig.with_name("our_box.valve_a.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_without_options_every_valve_and_every_head_is_walked_through(calibrate, rig):
    rig.write_text(rig.read_text(encoding="utf-8").replace("\n[lines]", HEAD, 1), encoding="utf-8")
    valve = "\n0.1\n\n0.2\n\n0.4\n\n0.8\nyes\n"
    done = calibrate(rig, typed=2 * valve + "yes\n5,10,20\n\n3.1\n\n6.2\n\n12.1\nyes\n")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 6
    stored = load(rig)
    assert [entry.name for entry in (*stored.valves, *stored.heads)] == ["valve_a", "valve_b", "head_a"]
    assert stored.head_mw("head_a", 6.2) == 10.0


def test_a_second_calibration_is_kept_beside_the_first_and_counts(calibrate, rig):
    for weights in (WALK, WALK.replace("0.", "1.")):
        assert calibrate(rig, "--line", "valve_b", "--durations", "10,20,40", "--yes", typed=weights).returncode == 0
    assert [entry.outputs[0] for entry in load(rig).valves] == [1.0, 11.0]
    assert load(rig).valve(Line.VALVE_B).outputs[0] == 11.0


def test_a_rig_that_still_could_not_run_is_told_what_it_lacks(calibrate, rig):
    text = rig.read_text(encoding="utf-8").replace("valve_ms = 30.0  ", "volume_ul = 4.0 ", 1)
    rig.write_text(text, encoding="utf-8")
    done = calibrate(rig, "--line", "valve_a", "--durations", "10,20,40", "--yes", typed=WALK)
    assert done.returncode == 0, done.stderr
    assert "A session with this rig file would still be refused. [reward] volume_ul: valve_b is not" in done.stderr
    assert "[reward] volume_ul: valve_a" not in done.stderr


@pytest.mark.parametrize("answers", ["no\n", "skip\n"])
def test_what_is_declined_leaves_no_file(calibrate, rig, answers):
    typed = WALK + answers if answers == "no\n" else "skip\nskip\nskip\nno\n"
    done = calibrate(rig, "--line", "valve_a", "--durations", "10,20,40", typed=typed)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "Nothing of valve_a is stored." in done.stderr
    assert files_beside(rig) == []


def test_an_input_that_ends_early_stores_nothing(calibrate, rig):
    done = calibrate(rig, "--line", "valve_a", "--durations", "10,20,40", typed=WALK)
    assert done.returncode == 1
    assert "the input ended before every question was answered" in done.stderr
    assert "Traceback" not in done.stderr
    assert files_beside(rig) == []


def test_weights_in_the_wrong_order_are_not_stored_unasked(calibrate, rig):
    typed = "\n0.4\n\n0.2\n\n0.1\n"
    done = calibrate(rig, "--line", "valve_a", "--durations", "10,20,40", "--yes", typed=typed)
    assert done.returncode == 1
    assert "duetto: 10 ms gave 4 µl and 20 ms gave 2 µl" in done.stderr
    assert files_beside(rig) == []


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("no-such.toml",), 1, "there is no such file"),
        (("RIG", "--line", "laser_a"), 1, "laser_a is no valve: name valve_a or valve_b"),
        (("RIG", "--device", "board"), 1, "board is no laser head of this rig"),
        (("RIG", "--durations", "10,20,5000"), 1, "5000 ms is longer than valve_a may be open"),
        (("RIG", "--durations", "10;20"), 2, "are not whole numbers with commas between"),
        (("RIG", "--line", "valve_a", "--set-points", "1,2,3"), 2, "--set-points is for laser heads"),
        (("RIG", "--density", "13.6"), 2, "--density"),
    ],
)
def test_what_cannot_be_done_is_refused_with_one_sentence(calibrate, rig, words, status, says):
    done = calibrate(*(rig if word == "RIG" else word for word in words))
    assert done.returncode == status
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_damaged_calibration_is_told_before_anything_is_weighed(calibrate, rig):
    damaged = rig.with_name("our_box.calibration.json")
    damaged.write_text('{"format": 1, "valves": [', encoding="utf-8")
    done = calibrate(rig)
    assert done.returncode == 1
    assert f"{damaged} cannot be read as a calibration" in done.stderr
    assert "vial" not in done.stderr
    assert damaged.read_text(encoding="utf-8") == '{"format": 1, "valves": ['


# --- what it is for


def valve_openings_ms(events: str) -> dict[str, set[float]]:
    """Return the lengths of the openings that a session commanded of each valve [ms]; 0 would be to close it."""
    header, *rows = events.splitlines()
    names = header.split(",")
    found: dict[str, set[float]] = {}
    for row in rows:
        event = dict(zip(names, row.split(","), strict=False))
        if event["kind"] == "COMMAND" and event["line"].startswith("VALVE") and float(event["value"]):
            found.setdefault(event["line"], set()).add(round(float(event["value"]) / 1e6, 3))
    return found


def test_a_session_opens_each_valve_for_its_volume_and_refuses_what_was_not_measured(calibrate, command, rig, tmp_path):
    text = rig.read_text(encoding="utf-8")
    rig.write_text(text.replace("\nvalve_ms = 30.0 ", "\nvolume_ul = 3.0 ", 1), encoding="utf-8")
    refused = command("run", rig, "--fast", "--minutes", 1, "--out", tmp_path / "none")
    assert refused.returncode == 1
    assert "valve_a is not calibrated" in refused.stderr
    for line, weights in (("valve_a", WALK), ("valve_b", "\n0.2\n\n0.4\n\n0.8\n")):
        assert calibrate(rig, "--line", line, "--durations", "10,20,40", "--yes", typed=weights).returncode == 0
    ran = command("run", rig, "--fast", "--minutes", 5, "--seed", 1, "--out", tmp_path / "sessions")
    assert ran.returncode == 0, ran.stderr
    events = command("events", ran.stdout.strip(), "--csv").stdout
    assert valve_openings_ms(events) == {"VALVE_A": {30.0}, "VALVE_B": {15.0}}
    rig.write_text(text.replace("\nvalve_ms = 30.0 ", "\nvolume_ul = 9.0 ", 1), encoding="utf-8")
    outside = command("run", rig, "--fast", "--minutes", 1, "--out", tmp_path / "none")
    assert outside.returncode == 1
    assert "valve_a is calibrated for 1 to 4 µl" in outside.stderr


# --- signals


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=str,
)
def test_ended_at_any_question_nothing_is_stored(start, rig, number, status):
    walk = start(rig, "--line", "valve_a", "--durations", "10,20,40")
    walk.wait_for("[1/3]")
    walk.type(WALK)
    walk.wait_for("Store this calibration")
    assert files_beside(rig) == ["our_box.valve_a.draft.svg"]
    walk.process.send_signal(number)
    returned, out, err = walk.end()
    assert returned == status
    assert out == ""
    assert "duetto: interrupted: what was being calibrated is not stored, and all outputs are off" in err
    assert "Traceback" not in err
    assert files_beside(rig) == []


def test_ctrl_c_leaves_what_was_stored_before_it(start, rig):
    walk = start(rig, "--durations", "10,20,40")
    walk.type(WALK + "yes\n")
    walk.wait_for("[1/3] valve_b")
    walk.process.send_signal(signal.SIGINT)
    assert walk.end()[0] == 130
    assert [entry.name for entry in load(rig).valves] == ["valve_a"]


# --- a real port


def test_a_board_on_a_serial_port_opens_as_often_as_was_said(calibrate, rig, board):
    words = ("--line", "valve_a", "--durations", "5,10,20", "--pulses", "4", "--yes")
    done = calibrate(on_port(rig, board), *words, typed="\n0.002\n\n0.004\n\n0.008\n")
    assert done.returncode == 0, done.stderr
    assert "emulated" not in done.stderr
    on = [t_ns for t_ns, pin, level in board.pins if (pin, level) == (0, 1)]
    off = [t_ns for t_ns, pin, level in board.pins if (pin, level) == (0, 0)]
    assert [round((b - a) / 1e6) for a, b in zip(on, off, strict=True)] == [5] * 4 + [10] * 4 + [20] * 4
    assert min(later - earlier for earlier, later in pairwise(on)) >= 99e6
    assert [point.opened_ms for point in load(rig).valves[0].points] == pytest.approx([5, 10, 20], abs=0.1)
    assert board.device.outputs == 0
    assert not board.device.armed


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=str)
def test_a_walk_that_is_ended_while_a_valve_is_open_closes_it(start, rig, board, number, status):
    text = rig.read_text(encoding="utf-8").replace("max_on_ms = 200", "max_on_ms = 2000")
    rig.write_text(text, encoding="utf-8")
    walk = start(on_port(rig, board), "--line", "valve_b", "--durations", "10,20,2000")
    walk.wait_for("[1/3]")
    walk.type("skip\nskip\n\n")
    board.wait_for(lambda: bool(board.device.outputs), "opening")
    walk.process.send_signal(number)
    returned, _, err = walk.end()
    assert returned == status
    assert "all outputs are off" in err
    assert board.device.outputs == 0
    assert not board.device.armed
    (on_ns, *rising), (off_ns, *falling) = board.pins
    assert (rising, falling) == ([1, 1], [1, 0])
    assert off_ns - on_ns < 1.9e9, "neither its length nor the watchdog closed it"
    assert files_beside(rig) == []


def test_a_port_that_is_lost_stops_the_vial_and_is_told(start, rig, board):
    walk = start(on_port(rig, board), "--line", "valve_a", "--durations", "10,20,40")
    walk.wait_for("[1/3]")
    walk.type("\n")
    board.wait_for(lambda: len(board.pins) >= 4, "openings")
    board.link.unplug()
    walk.wait_for("openings, so this vial does not count. Port")
    walk.wait_for("[1/3] valve_a")
    walk.type("\n")
    walk.wait_for("Stopped after 0 of 100 openings, so this vial does not count. There is no port")
    walk.process.stdin.close()
    walk.process.stdin = None
    assert walk.end()[0] == 1
    assert files_beside(rig) == []


def test_a_port_that_is_absent_is_refused_before_any_question(calibrate, rig):
    text = rig.read_text(encoding="utf-8").replace('port = "emulator"', 'port = "/dev/duetto-no-such-port"')
    rig.write_text(text, encoding="utf-8")
    done = calibrate(rig)
    assert done.returncode == 1
    assert "duetto: There is no port /dev/duetto-no-such-port" in done.stderr
    assert "vial" not in done.stderr

"""``duetto check`` as a person uses it: a sound rig, a broken one, and a board on a port that must not move."""

import json
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hardware.emulators.pty_link import PtyLink
from hardware.transport import SerialTransport
from tests.system.conftest import ROOT

pytestmark = pytest.mark.slow

VIRTUAL = (ROOT / "rigs" / "virtual.toml").read_text(encoding="utf-8")
BOARD = """
import json, select, sys
from hardware.emulators.pty_link import PtyLink
from hardware.emulators.reference_board import create
from realtime.clock import now_ns
from realtime.records import NEVER_NS

board, edges = create(now_ns()), []
wishes = json.loads(sys.argv[1])
board.knobs.who_am_i = wishes.get("who_am_i", board.knobs.who_am_i)
for pin in wishes.get("high", []):
    board.set_input(pin, True, now_ns())
with PtyLink.open() as link:
    print(link.path, flush=True)
    while not (readable := select.select([sys.stdin], [], [], 0.002)[0]):
        board.feed(link.read(), now_ns())
        link.write(board.outgoing(now_ns()))
        edges += board.take_edges()
    asleep = board.due_ns() == NEVER_NS
    print(json.dumps({"edges": edges, "outputs": board.outputs, "armed": board.armed, "asleep": asleep}), flush=True)
"""
"""A board of its own process behind a pseudo-terminal, until its standard input ends; then it says what it did."""


class Board:
    """An emulated board in a process of its own."""

    def __init__(self, **wishes: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", BOARD, json.dumps(wishes)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert select.select([self.process.stdout], [], [], 30)[0], "the board did not start"
        self.port = self.process.stdout.readline().strip()

    def end(self) -> dict[str, object]:
        """End it and return what it did."""
        said, _ = self.process.communicate(timeout=30)
        return json.loads(said) if said else {}


@pytest.fixture
def board() -> Iterator[Callable[..., Board]]:
    """A maker of boards; whatever still runs at the end is ended."""
    boards: list[Board] = []

    def make(**wishes: object) -> Board:
        boards.append(Board(**wishes))
        return boards[-1]

    yield make
    for made in boards:
        if made.process.poll() is None:
            made.end()


@pytest.fixture
def check(command, tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Check the virtual rig with some of its lines written otherwise."""

    def run(*words: object, changes: tuple[tuple[str, str], ...] = ()) -> "subprocess.CompletedProcess[str]":
        text = VIRTUAL
        for old, new in changes:
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the virtual rig"
            text = text.replace(old, new)
        path = tmp_path / "rig.toml"
        path.write_text(text, encoding="utf-8")
        answer = command("check", path, "--seed", 1, *words)
        assert "Traceback" not in answer.stderr
        assert answer.stdout == ""
        return answer

    return run


def on_port(port: str) -> tuple[str, str]:
    return ('port = "emulator" ', f'port = "{port}" ')


def sentences(answer) -> list[str]:
    """What the command says is wrong."""
    return [line.removeprefix("duetto: ") for line in answer.stderr.splitlines() if line.startswith("duetto: ")]


def words_of(answer) -> str:
    """Everything that the command shows, without the tables' lines and line breaks."""
    return " ".join(answer.stderr.replace("│", " ").split())


def test_the_virtual_rig_is_sound_and_safe(command):
    answer = command("check", "rigs/virtual.toml")
    assert answer.returncode == 0, answer.stderr
    shown = words_of(answer)
    assert "reference_board on emulator" in shown
    assert "no device: emulated here" in shown
    assert "10 states, 31 situations" in shown
    assert "every device is ready, off and disarmed" in shown
    assert sentences(answer) == []


def test_the_day_and_the_minutes_asked_for_are_the_ones_proven(check):
    answer = check("--no-devices", "--day", 20, "--minutes", 30)
    assert "day 20, 30 min, seed 1, 721 rows in its trial table" in words_of(answer)
    assert "A_FIRST (750 ms) —window over→ MISS, light off" in words_of(answer)


def test_a_port_that_does_not_exist_is_one_sentence(check):
    answer = check(changes=(on_port("/dev/duetto-no-such-port"),))
    assert answer.returncode == 1
    (sentence,) = sentences(answer)
    assert sentence.startswith("board: There is no port /dev/duetto-no-such-port.")
    assert "every state can be left" in words_of(answer), "the proof does not wait for the device"


def test_without_devices_no_port_is_opened(check):
    answer = check("--no-devices", changes=(on_port("/dev/duetto-no-such-port"),))
    assert answer.returncode == 0
    assert "Devices" not in answer.stderr


def test_a_board_on_a_port_is_identified_and_nothing_on_it_moves(check, board):
    real = board()
    answer = check(changes=(on_port(real.port),))
    assert answer.returncode == 0, answer.stderr
    shown = words_of(answer)
    assert f"✓ reference_board on {real.port}, firmware " in shown
    assert "clock ± " in shown
    assert "emulated" not in shown
    assert real.end() == {"edges": [], "outputs": 0, "armed": False, "asleep": True}


def test_a_board_can_be_checked_again_and_again(check, board):
    real = board()
    assert [check(changes=(on_port(real.port),)).returncode for _ in range(2)] == [0, 0]


def test_a_beam_that_is_broken_and_a_spout_that_is_touched_are_told(check, board):
    shown = words_of(check(changes=(on_port(board(high=[1, 4]).port),)))
    assert "the beam of B is broken now" in shown
    assert "the lickometer of A is touched" in shown
    assert "the beam of A" not in shown


def test_a_silent_port_is_one_sentence(check):
    with PtyLink.open() as link:
        answer = check(changes=(on_port(str(link.path)),))
    assert answer.returncode == 1
    (sentence,) = sentences(answer)
    assert sentence.startswith("board did not say who it is within 2.5 s. It sent nothing.")


def test_another_device_on_the_port_is_one_sentence(check, board):
    other = board(who_am_i=1216)
    answer = check(changes=(on_port(other.port),))
    assert answer.returncode == 1
    (sentence,) = sentences(answer)
    assert "says it is Harp Behavior (WhoAmI 1216)" in sentence
    assert other.end()["edges"] == []


def test_a_port_that_another_program_holds_is_one_sentence(check):
    with PtyLink.open() as link, SerialTransport.open(str(link.path), 1_000_000):
        answer = check(changes=(on_port(str(link.path)),))
    (sentence,) = sentences(answer)
    assert sentence == f"board: Port {link.path} is in use by another program. Close that program, then try again."


def test_every_mistake_in_the_file_is_told_and_nothing_is_asked(check):
    answer = check(changes=(("\nvalve_ms = 30.0", "\nvalve_ms = 3000.0"), ("\ntimeout_s = 0.0", "\ntimeout_s = -1.0")))
    assert answer.returncode == 1
    told = [line for line in answer.stderr.splitlines() if "rig.toml: [" in line]
    assert [line.split("rig.toml: ")[1].partition(":")[0] for line in told] == ["[task] timeout_s", "[reward] valve_ms"]
    assert "Devices" not in answer.stderr


def test_a_session_that_cannot_be_planned_is_one_sentence(check):
    changes = (('name = "cooperation"', 'name = "independent"'), ('from = "trial_start"', 'from = "first_poke"'))
    answer = check(changes=changes)
    assert answer.returncode == 1
    (sentence,) = sentences(answer)
    assert "light from first_poke until outcome would never be on" in sentence


def test_a_task_that_is_not_safe_and_a_device_that_is_not_there_are_told_together(check):
    limits = (
        ("light_per_trial_s = 10.0", "light_per_trial_s = 7.5"),
        ("light_per_minute_s = 40.0", "light_per_minute_s = 20.0"),
    )
    answer = check(changes=(*limits, on_port("/dev/duetto-no-such-port")))
    assert answer.returncode == 1
    device, trial, minute, pauses = sentences(answer)
    assert device.startswith("board: There is no port")
    assert trial == (
        "task cooperation is not safe: light per trial, A and B: it can be 8 s in one trial, and [limits] "
        "light_per_trial_s allows 7.5 s: lower [inhibition] max_s, or raise light_per_trial_s."
    )
    assert "it can be 24 s in a minute, and [limits] light_per_minute_s allows 20 s" in minute
    assert "write on_per_minute_s = 20 for the laser in [lines]" in pauses
    assert "✗ 8 s, 7.5 s allowed" in words_of(answer)

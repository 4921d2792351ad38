"""A person tests a laser of a running session: refused while a trial can be open, seen as light while paused."""

from pathlib import Path

import numpy as np
import pytest

from controller.bus import Bus
from controller.control import address_of, ask
from controller.journal import open_for_reading
from controller.messages import Request, decode_answer, encode
from controller.virtual_rig import pins_of
from realtime.records import NS_PER_MS, Flag, Kind, Line, Operator

pytestmark = pytest.mark.slow

TEST_MS = 800
LASER_B = 'laser_b = { device = "board", pin = 3, on_per_minute_s = 60.0 }\n'


@pytest.fixture
def rig(quick_rig: Path) -> Path:
    """A rig of the quick mice whose lasers a test lights for 0.8 s, and no trial does."""
    text = quick_rig.read_text().replace("fraction = 0.5", f"fraction = 0.0\ntest_ms = {TEST_MS}")
    quick_rig.write_text(text)
    return quick_rig


def journaled(folder: Path) -> np.ndarray:
    with open_for_reading(folder / "journal.bin") as reader:
        return reader.read(0, reader.count())


def refused(folder: Path, *words: str) -> str:
    """The sentence with which a request is refused."""
    answer = ask(folder, words[0], words[1:])
    assert not answer.done
    return answer.sentence


def do(session, *words: str) -> None:
    """Ask for something and see it done."""
    answer = ask(session.folder, words[0], words[1:])
    assert answer.done, answer.sentence


def pause(session) -> None:
    """Pause, and hear that it is so."""
    do(session, "pause")
    session.wait_for(lambda: session.status().get("state") == "PAUSED", "pause")


def arm(session, wanted: int) -> None:
    """Arm or disarm, and hear that it is so."""
    do(session, "arm" if wanted else "disarm")
    session.wait_for(lambda: session.status().get("armed") == wanted, "arming")


def lit(session, line: Line) -> np.ndarray:
    """The edges that the board reported of a laser so far."""
    events = journaled(session.folder)
    return events[(events["line"] == line) & np.isin(events["kind"], (Kind.LASER_ON, Kind.LASER_OFF))]


@pytest.mark.parametrize("backend", ["auto", "python"])
def test_a_laser_test_is_refused_in_a_trial_and_seen_as_light_in_a_pause(backend, rig, run_session, command):
    rig.write_text(rig.read_text().replace("[loop]", f'[loop]\nbackend = "{backend}"'))
    session = run_session(rig, "--minutes", 5, "--seed", 11)
    session.wait_for_trials(1)
    folder = session.folder
    assert refused(folder, "laser", "A") == "a laser test would be light in a trial; pause first"
    pause(session)
    arm(session, 0)
    assert refused(folder, "laser", "A") == "the lasers are not armed; arm them first"
    arm(session, 1)
    for animal, line in (("A", Line.LASER_A), ("B", Line.LASER_B)):
        do(session, "laser", animal)
        assert refused(folder, "resume") == "a laser test is not over; resume when it is dark"
        session.wait_for(lambda line=line: lit(session, line).size == 2, "light and dark")
    session.wait_for(lambda: ask(folder, "resume").done, "resume")
    before = int(session.status()["trials"])
    session.wait_for_trials(before + 1)
    assert refused(folder, "laser", "B") == "a laser test would be light in a trial; pause first"
    do(session, "stop")
    status, _, err = session.end()
    assert status == 0, err
    the_log_shows_both_tests_and_nothing_else(folder)
    assert command("verify", folder).returncode == 0


def the_log_shows_both_tests_and_nothing_else(folder: Path) -> None:
    """Two requests, two commands, four edges of the right length; and what the board's own pins did."""
    events = journaled(folder)
    asked = events[(events["kind"] == Kind.OPERATOR) & (events["value"] == Operator.LASER_TEST)]
    assert asked["animal"].tolist() == [0, 1]
    commands = events[(events["kind"] == Kind.COMMAND) & np.isin(events["line"], (Line.LASER_A, Line.LASER_B))]
    given = commands[commands["value"] > 0]
    assert given["line"].tolist() == [Line.LASER_A, Line.LASER_B]
    assert given["value"].tolist() == [TEST_MS * NS_PER_MS] * 2
    assert given["flags"].tolist() == [Flag.FREE] * 2
    edges = events[np.isin(events["kind"], (Kind.LASER_ON, Kind.LASER_OFF))]
    assert edges["kind"].tolist() == [Kind.LASER_ON, Kind.LASER_OFF] * 2
    assert edges["line"].tolist() == [Line.LASER_A] * 2 + [Line.LASER_B] * 2
    assert edges["t_ns"][1::2] - edges["t_ns"][::2] == pytest.approx(TEST_MS * NS_PER_MS, abs=2 * NS_PER_MS)
    assert (edges["t_ns"][::2] > asked["t_ns"]).all()
    pins = [(level, name) for _, _, _, level, name in pins_of(folder) if name.startswith("LASER")]
    assert pins == [(1, "LASER_A"), (0, "LASER_A"), (1, "LASER_B"), (0, "LASER_B")]


def test_a_rig_without_that_laser_says_so_and_nobody_is_asked_for_a_laser_of_nobody(rig, run_session, command):
    rig.write_text(rig.read_text().replace(LASER_B, ""))
    session = run_session(rig, "--minutes", 5, "--seed", 12)
    session.wait_for_trials(1)
    folder = session.folder
    pause(session)
    assert refused(folder, "laser", "B") == "B has no laser; wire one in the rig file, as [lines] laser_b"
    with Bus() as bus:
        answer = decode_answer(bus.ask(address_of(folder), encode(Request("laser"))))
    assert (answer.done, answer.sentence) == (False, "say whose: laser A or laser B")
    said = command("control", folder, "laser")
    assert said.returncode == 1
    assert "say whose: laser A or laser B" in said.stderr
    do(session, "laser", "A")
    session.wait_for(lambda: lit(session, Line.LASER_A).size == 2, "light and dark")
    do(session, "stop")
    status, _, err = session.end()
    assert status == 0, err
    asked = journaled(folder)
    assert np.count_nonzero((asked["kind"] == Kind.OPERATOR) & (asked["value"] == Operator.LASER_TEST)) == 1
    assert command("verify", folder).returncode == 0

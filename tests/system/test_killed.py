"""Any one process is killed with SIGKILL in mid-session: nothing journaled is lost, every output goes off."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from controller.journal import open_for_reading
from controller.log import read_events
from controller.virtual_rig import pins_of
from realtime.records import Fault, Kind

pytestmark = pytest.mark.slow


def journaled(folder: Path) -> np.ndarray:
    with open_for_reading(folder / "journal.bin", accept_cut=True) as reader:
        return reader.read(0, reader.count())


def outputs_on(folder: Path) -> list[tuple[str, int]]:
    """Return which output pins the board itself last saw high."""
    return [where for where, level in {(d, p): v for _, d, p, v, _ in pins_of(folder)}.items() if level]


def wait_for_the_log(session, command) -> np.ndarray:
    """Return the events of the session's log, recovered if that is needed."""
    answer = command("recover", session.folder)
    assert answer.returncode == 0, answer.stderr
    return read_events(session.folder / "session.mcap")


def kill_while_lit(session, name: str) -> None:
    """Kill a process at a moment at which an output is on, so that going off has to be somebody's deed."""
    pid = session.pids()[name] if name != "supervisor" else session.process.pid
    session.wait_for((session.folder / "pins.csv").exists, "pins")
    session.wait_for(lambda: bool(outputs_on(session.folder)), "an output that is on")
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("name", ["loop", "driver-board", "virtual-rig"])
def test_killing_a_process_ends_the_session_with_every_output_off(name, quick_rig, run_session, command):
    session = run_session(quick_rig, "--minutes", 5, "--seed", 11)
    session.wait_for_trials(2)
    kill_while_lit(session, name)
    status, _, err = session.end()
    assert status == 1, err
    assert "SIGKILL" in err or "was lost" in err
    if name != "virtual-rig":  # with the box itself gone there is no board left to be on
        assert outputs_on(session.folder) == []
    events = wait_for_the_log(session, command)
    assert np.array_equal(events, journaled(session.folder))
    proof = command("verify", session.folder)
    assert proof.returncode == 0, proof.stderr


def test_a_killed_recorder_is_started_again_and_its_log_is_whole(quick_rig, run_session, command):
    session = run_session(quick_rig, "--minutes", 5, "--seed", 12)
    session.wait_for_trials(2)
    os.kill(session.pids()["recorder"], signal.SIGKILL)
    session.wait_for_trials(5)
    assert command("control", session.folder, "stop").returncode == 0
    status, _, err = session.end()
    assert status == 0, err
    events = read_events(session.folder / "session.mcap")
    assert np.array_equal(events, journaled(session.folder))
    faults = events[events["kind"] == Kind.FAULT]
    assert faults["value"].tolist() == [Fault.PROCESS_DIED]
    assert command("verify", session.folder).returncode == 0


def test_killing_the_supervisor_leaves_nothing_running_and_nothing_on(quick_rig, run_session, command):
    session = run_session(quick_rig, "--minutes", 5, "--seed", 13)
    session.wait_for_trials(2)
    orphans = [psutil.Process(pid) for pid in session.pids().values()]
    assert len(orphans) == 5
    kill_while_lit(session, "supervisor")
    session.process.wait(10)
    _, alive = psutil.wait_procs(orphans, timeout=10)
    assert alive == []
    assert outputs_on(session.folder) == []
    events = read_events(session.folder / "session.mcap")
    assert np.array_equal(events, journaled(session.folder)), "the recorder finished the log by itself"
    assert command("verify", session.folder).returncode == 0


def test_a_frozen_loop_is_noticed_and_every_output_goes_off(quick_rig, run_session, command):
    session = run_session(quick_rig, "--minutes", 5, "--seed", 14)
    session.wait_for_trials(2)
    pid = session.pids()["loop"]
    session.wait_for(lambda: bool(outputs_on(session.folder)), "an output that is on")
    os.kill(pid, signal.SIGSTOP)
    frozen = time.monotonic()
    try:
        session.wait_for(lambda: outputs_on(session.folder) == [], "all outputs off", timeout_s=5)
    finally:
        assert time.monotonic() - frozen < 5
    status, _, err = session.end()
    assert status == 1
    assert "silent" in err
    assert wait_for_the_log(session, command).size > 0
    assert command("verify", session.folder).returncode == 0

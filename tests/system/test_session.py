"""A session from the command line: it ends as asked, proves itself, and takes what people ask of it."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest

from controller.journal import open_for_reading
from controller.log import read_events, read_metadata
from controller.virtual_rig import pins_of
from realtime.records import Flag, Kind, Line, Operator, Outcome

pytestmark = pytest.mark.slow


def journaled(folder: Path) -> np.ndarray:
    with open_for_reading(folder / "journal.bin") as reader:
        return reader.read(0, reader.count())


def test_a_session_ends_after_its_trials_and_decides_itself_again(quick_rig, run_session, command):
    session = run_session(quick_rig, "--trials", 6, "--seed", 1, "--minutes", 2)
    status, out, err = session.end()
    assert status == 0, err
    folder = Path(out.strip().splitlines()[-1])
    assert folder == session.folder
    events = read_events(folder / "session.mcap")
    assert np.count_nonzero(events["kind"] == Kind.TRIAL) == 6
    assert "after its trials" in err
    proof = command("verify", folder)
    assert proof.returncode == 0
    assert f"identical: {events.size} events" in proof.stdout


def test_the_log_has_every_event_of_the_journal_and_the_certificate(quick_rig, run_session):
    session = run_session(quick_rig, "--trials", 4, "--seed", 2)
    assert session.end()[0] == 0
    folder = session.folder
    assert np.array_equal(read_events(folder / "session.mcap"), journaled(folder))
    metadata = read_metadata(folder / "session.mcap")
    found = json.loads(metadata["certificate"]["json"])
    successes = int(np.count_nonzero(journaled(folder)["value"][journaled(folder)["kind"] == Kind.TRIAL] == 1))
    assert found["beam_to_edge"]["n"] == 2 * successes
    assert found["loop"]["backend"] in ("compiled", "python")
    assert found["loop"]["policy"]
    assert found["machine"]["processor"]
    assert found["edges_missing"] == 0
    assert metadata["ending"] == {
        "reason": "after its trials",
        "as_asked": "true",
        "events": str(journaled(folder).size),
    }


def test_every_valve_edge_the_log_reports_is_one_the_board_truly_made(quick_rig, run_session):
    session = run_session(quick_rig, "--trials", 5, "--seed", 3)
    assert session.end()[0] == 0
    events = journaled(session.folder)
    for kind, level in ((Kind.VALVE_ON, 1), (Kind.VALVE_OFF, 0), (Kind.LASER_ON, 1), (Kind.LASER_OFF, 0)):
        reported = events[events["kind"] == kind]
        role = "VALVE" if kind in (Kind.VALVE_ON, Kind.VALVE_OFF) else "LASER"
        true = [t for t, _, _, v, line in pins_of(session.folder) if v == level and line.startswith(role)]
        assert reported.size == len(true)
        assert np.all(np.abs(np.sort(reported["t_ns"]) - np.sort(true)) < 50_000_000)
    assert np.count_nonzero(events["kind"] == Kind.VALVE_ON) > 0


def test_a_success_opens_both_valves_for_the_time_asked(quick_rig, run_session):
    session = run_session(quick_rig, "--trials", 6, "--seed", 4)
    assert session.end()[0] == 0
    events = journaled(session.folder)
    successes = np.count_nonzero((events["kind"] == Kind.TRIAL) & (events["value"] == Outcome.SUCCESS))
    assert successes > 0
    for line in ("VALVE_A", "VALVE_B"):
        edges = [(t, level) for t, _, _, level, name in pins_of(session.folder) if name == line]
        assert len(edges) == 2 * successes
        for (on_ns, _), (off_ns, _) in zip(edges[::2], edges[1::2], strict=True):
            assert abs(off_ns - on_ns - 40_000_000) < 100_000


def test_ctrl_c_ends_a_session_cleanly_and_is_not_what_was_asked(quick_rig, run_session, command):
    session = run_session(quick_rig, "--minutes", 5)
    session.wait_for_trials(2)
    session.process.send_signal(signal.SIGINT)
    status, _, err = session.end()
    assert status == 130
    assert "stopped by Ctrl-C" in err
    assert all(level == 0 for level in last_levels(session.folder).values())
    assert command("verify", session.folder).returncode == 0


def last_levels(folder: Path) -> dict[tuple[str, int], int]:
    """Return every output pin's last level, as the board itself saw it."""
    return {(device, pin): level for _, device, pin, level, _ in pins_of(folder)}


def test_people_can_pause_resume_reward_arm_note_and_stop_and_each_is_logged(quick_rig, run_session, command):
    session = run_session(quick_rig, "--minutes", 5)
    session.wait_for_trials(1)
    folder = session.folder
    for words in (("pause",), ("reward", "A"), ("disarm",), ("arm",), ("note", "mouse", "B", "sleeps"), ("resume",)):
        answer = command("control", folder, *words)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        if words == ("pause",):
            assert "PAUSED" in command("control", folder, "status").stdout
    before = int(session.status()["trials"])
    session.wait_for_trials(before + 1)
    assert command("control", folder, "stop").returncode == 0
    status, _, err = session.end()
    assert status == 0, err
    events = journaled(folder)
    asked = [int(v) for v in events["value"][events["kind"] == Kind.OPERATOR]]
    assert asked == [
        Operator.ARM, Operator.START, Operator.PAUSE, Operator.FREE_REWARD, Operator.DISARM, Operator.ARM,
        Operator.NOTE, Operator.RESUME, Operator.STOP,
    ]  # fmt: skip
    free = events[(events["kind"] == Kind.COMMAND) & (events["flags"] & Flag.FREE != 0)]
    assert free["line"].tolist() == [Line.VALVE_A]
    from controller.log import iter_messages

    notes = [json.loads(m.data)["text"] for m in iter_messages(folder / "session.mcap", "/notes")]
    assert notes == ["mouse B sleeps"]
    assert command("verify", folder).returncode == 0


def test_a_request_to_a_session_that_has_ended_is_refused_in_a_sentence(quick_rig, run_session, command):
    session = run_session(quick_rig, "--trials", 1)
    assert session.end()[0] == 0
    answer = command("control", session.folder, "pause")
    assert answer.returncode == 1
    assert "is not a running session" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("task", ["solo", "independent"])
def test_the_other_tasks_run_with_a_machine_for_each_animal(task, quick_rig, run_session, command):
    quick_rig.write_text(quick_rig.read_text().replace('name = "cooperation"', f'name = "{task}"'))
    session = run_session(quick_rig, "--trials", 3, "--seed", 5)
    status, _, err = session.end()
    assert status == 0, err
    events = journaled(session.folder)
    trials = events[events["kind"] == Kind.TRIAL]
    assert sorted(trials["line"].tolist()) == [0, 0, 0, 1, 1, 1]
    assert command("verify", session.folder).returncode == 0


def test_a_session_behind_the_python_loop_decides_itself_again(quick_rig, run_session, command):
    quick_rig.write_text(quick_rig.read_text().replace("[loop]", '[loop]\nbackend = "python"'))
    session = run_session(quick_rig, "--trials", 3, "--seed", 6)
    status, _, err = session.end()
    assert status == 0, err
    assert "backend: python" in err
    assert command("verify", session.folder).returncode == 0


def test_a_log_with_one_changed_event_is_refused_by_its_name(quick_rig, command, tmp_path):
    run = command("run", quick_rig, "--fast", "--minutes", 1, "--seed", 7, "--out", tmp_path / "s")
    assert run.returncode == 0, run.stderr
    folder = Path(run.stdout.strip())
    assert command("verify", folder).returncode == 0
    events = read_events(folder / "session.mcap")
    chosen = int(np.flatnonzero(events["kind"] == Kind.POKE_IN)[3])
    events["t_ns"][chosen] += 1
    rewrite(folder, events)
    proof = command("verify", folder)
    assert proof.returncode == 1
    assert f"event {chosen + 1} (POKE_IN" in proof.stderr


def test_a_log_forged_with_new_digests_still_differs_where_its_decisions_do(quick_rig, command, tmp_path):
    from realtime.digest import seal

    run = command("run", quick_rig, "--fast", "--minutes", 1, "--seed", 8, "--out", tmp_path / "s")
    folder = Path(run.stdout.strip())
    events = read_events(folder / "session.mcap")
    chosen = int(np.flatnonzero(events["kind"] == Kind.TRIAL)[2])
    events["value"][chosen] = Outcome.OMISSION
    seal(events)
    rewrite(folder, events)
    proof = command("verify", folder)
    assert proof.returncode == 1
    assert f"event {chosen + 1} (TRIAL" in proof.stderr
    assert "differs" in proof.stderr


def rewrite(folder: Path, events: np.ndarray) -> None:
    """Write the session's log anew with other events."""
    from controller.log import Clock, LogWriter

    path = folder / "session.mcap"
    metadata = read_metadata(path)
    path.unlink()
    clock = Clock(int(metadata["clock"]["start_ns"]), int(metadata["clock"]["epoch_ns"]))
    log = LogWriter(path, metadata, clock)
    log.add_events(events)
    log.finish()

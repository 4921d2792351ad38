"""What a session's events add up to, and the latency certificate: against plain counts and literal cases."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from controller import fast, rigfile
from controller.certificate import binned_quantiles, certificate, reward_paths
from controller.progress import LiveLine
from controller.session import Order
from controller.summary import Summary, table_of
from controller.supervisor import Progress
from controller.tally import Tally, poke_times
from realtime.loop import Measure, bin_edges_ns, bin_of
from realtime.records import Fault, Flag, Kind, Line, Operator, Outcome, no_events

ROOT = Path(__file__).resolve().parents[2]
QUICK = """
[window]
schedule = "criterion"
stages_s = [1.0, 0.5, 0.3]
stage_days = [1, 1, 1]
criterion_trials = 5
advance_above = 0.3
retreat_below = 0.05
"""
MS = 1_000_000


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> tuple[Order, Summary]:
    """A session of ten virtual minutes with light, whose window narrows by criterion."""
    text = (ROOT / "rigs" / "virtual.toml").read_text(encoding="utf-8")
    before, rest = text.split("[window]", 1)
    text = before + QUICK + "\n[reward]" + rest.split("[reward]", 1)[1]
    rig = rigfile.parse(text, "quick.toml")
    order = Order(rig, text, "quick.toml", ("A", "B"), 1, 10.0, None, 3, True, tmp_path_factory.mktemp("sessions"))
    return order, fast.run(order)


def events_of(summary: Summary) -> np.ndarray:
    from controller.log import read_events

    return read_events(summary.folder / "session.mcap")


def test_a_tally_counts_what_the_events_say(session):
    _, summary = session
    events, tally = events_of(summary), summary.tally
    trials = events[events["kind"] == Kind.TRIAL]
    assert tally.trials == trials.size
    assert tally.successes == np.count_nonzero(trials["value"] == Outcome.SUCCESS) > 0
    for animal in (0, 1):
        assert tally.pokes[animal] == poke_times(events, animal).size > 0
        assert tally.rewards[animal] == tally.successes
        assert tally.open_s[animal] == pytest.approx(0.030 * tally.successes, abs=1e-4 * tally.successes)
    on, off = (events["t_ns"][(events["kind"] == kind) & (events["line"] == Line.LASER_A)] for kind in (7, 8))
    assert tally.lit_s[0] == pytest.approx(float((off - on).sum()) / 1e9)
    assert tally.finished


def test_a_tally_of_pieces_is_the_tally_of_the_whole(session):
    order, summary = session
    events = events_of(summary)
    pieces = Tally(summary.tally.plan)
    for start in range(0, events.size, 7):
        pieces.add(events[start : start + 7])
    assert (pieces.outcomes, pieces.pokes, pieces.windows_ns) == (
        summary.tally.outcomes,
        summary.tally.pokes,
        summary.tally.windows_ns,
    )
    assert pieces.lit_trials == summary.tally.lit_trials
    assert order.minutes == 10.0


def test_the_windows_of_a_tally_are_those_the_machine_used(session):
    _, summary = session
    events, plan = events_of(summary), summary.tally.plan
    first = {plan.state_names.index("A_FIRST"), plan.state_names.index("B_FIRST")}
    timers = events[(events["kind"] == Kind.TIMER) & np.isin(events["state"], list(first))]
    opened = {int(e["trial"]): int(e["t_ns"]) for e in events if e["kind"] == Kind.STATE and int(e["state"]) in first}
    used = [int(timer["t_ns"]) - opened[int(timer["trial"])] for timer in timers]
    changes = [w for i, w in enumerate(used) if i == 0 or used[i - 1] != w]
    assert set(changes) <= set(summary.tally.windows_ns)
    assert len(summary.tally.windows_ns) > 1


def test_faults_and_late_events_are_in_the_tally(session):
    _, summary = session
    tally = Tally(summary.tally.plan)
    events = no_events(2)
    events["kind"], events["value"], events["flags"] = (Kind.FAULT, Kind.POKE_OUT), (Fault.PORT_LOST, 0), (0, Flag.LATE)
    tally.add(events)
    assert (tally.faults, tally.late) == ([Fault.PORT_LOST], 1)


def test_arming_and_disarming_show(session):
    _, summary = session
    tally = Tally(summary.tally.plan)
    for verb, armed in ((Operator.ARM, True), (Operator.NOTE, True), (Operator.DISARM, False)):
        event = no_events(1)
        event["kind"], event["value"] = Kind.OPERATOR, verb
        tally.add(event)
        assert tally.armed is armed


# -- the certificate ---------------------------------------------------------------------------------------------------


def a_success(edge_a_ms: float | None, edge_b_ms: float | None) -> np.ndarray:
    """A poke stamped at 100 ms and read at 101 ms that opens both valves; their edges, where they were reported."""
    rows = [
        (Kind.POKE_IN, Line.POKE_B, 100.0, 101.0, 0.0),
        (Kind.COMMAND, Line.VALVE_A, 100.0, 101.0, 30 * MS),
        (Kind.COMMAND, Line.VALVE_B, 100.0, 101.0, 30 * MS),
    ]
    for line, edge_ms in ((Line.VALVE_A, edge_a_ms), (Line.VALVE_B, edge_b_ms)):
        if edge_ms is not None:
            rows.append((Kind.VALVE_ON, line, edge_ms, edge_ms + 0.5, 0.0))
    events = no_events(len(rows))
    for i, (kind, line, t_ms, arrival_ms, value) in enumerate(rows):
        events["kind"][i], events["line"][i], events["value"][i] = kind, line, value
        events["t_ns"][i], events["arrival_ns"][i] = round(t_ms * MS), round(arrival_ms * MS)
    return events


def test_a_reward_is_followed_from_the_beam_to_the_valves_own_edge():
    paths, missing = reward_paths(a_success(102.5, 103.0))
    assert paths.tolist() == [[100 * MS, 101 * MS, 101 * MS, 102.5 * MS], [100 * MS, 101 * MS, 101 * MS, 103 * MS]]
    assert missing == 0


def test_a_valve_whose_edge_was_never_reported_is_counted():
    found = certificate(a_success(102.5, None), None, {}, {"backend": "compiled"})
    assert found["edges_missing"] == 1
    assert found["beam_to_edge"] == {"n": 1, "p50_us": 2500.0, "p99_us": 2500.0, "p99.9_us": 2500.0, "max_us": 2500.0}
    assert found["beam_to_arrival"]["p50_us"] == 1000.0
    assert found["decision_to_edge"]["p50_us"] == 1500.0


def test_a_free_reward_is_no_answer_to_a_poke():
    events = a_success(102.5, 103.0)
    events["flags"][1:3] = Flag.FREE
    paths, missing = reward_paths(events)
    assert (len(paths), missing) == (0, 0)


def test_an_earned_reward_of_a_valve_that_is_open_by_hand_misses_no_edge():
    opened = no_events(1)
    opened["kind"], opened["line"], opened["t_ns"] = Kind.VALVE_ON, Line.VALVE_A, 95 * MS
    paths, missing = reward_paths(np.concatenate([opened, a_success(None, 103.0)]))
    assert (len(paths), missing) == (1, 0)
    closed = opened.copy()
    closed["kind"], closed["t_ns"] = Kind.VALVE_OFF, 99 * MS
    assert reward_paths(np.concatenate([opened, closed, a_success(None, 103.0)]))[1] == 1


def test_a_session_without_rewards_has_a_certificate_that_says_so():
    found = certificate(no_events(0), np.zeros((len(Measure), 256), np.int64), {}, {})
    assert found["beam_to_edge"] == {"n": 0}
    assert found["deadline_late"] == {"n": 0}
    assert found["clock_uncertainty_max_us"] is None


def test_quantiles_of_a_histogram_are_the_upper_bounds_of_their_bins():
    counts = np.zeros(256, np.int64)
    counts[bin_of(1_000)] = 99
    counts[bin_of(1_000_000)] = 1
    found = binned_quantiles(counts)
    assert found["n"] == 100
    assert found["p50_us"] == round(bin_edges_ns()[bin_of(1_000)] / 1000, 1)
    assert 1_000 <= found["max_us"] <= 1_100


# -- what a person sees ------------------------------------------------------------------------------------------------


def test_the_summary_names_trials_chance_window_latency_and_folder(session):
    _, summary = session
    screen = Console(file=io.StringIO(), width=200)
    screen.print(table_of(summary))
    text = screen.file.getvalue()
    for said in (
        f"{summary.tally.trials}: {summary.tally.successes} success",
        "coincidences within",
        "(criterion schedule)",
        "0 events lost, 0 late, 0 edges missing, 0 faults",
        str(summary.folder),
    ):
        assert said in text
    assert "p99.9" in text


def test_whatever_else_was_counted_is_shown_and_what_was_not_is_not(session):
    _, summary = session
    certificate = summary.certificate | {"counters": {"n_clamped": 3, "n_duplicate": 0, "n_unsent": 1}}
    screen = Console(file=io.StringIO(), width=200)
    screen.print(table_of(replace(summary, certificate=certificate)))
    text = screen.file.getvalue()
    assert "3 stamps from the future, set back, 1 commands that a device's queue did not take" in text
    assert "seen twice" not in text


def test_the_live_line_tells_time_trials_window_state_and_what_each_animal_did(session):
    order, summary = session
    line = LiveLine(order).line(Progress("running", 61.0, summary.tally, {})).plain
    tally = summary.tally
    assert line.startswith(f"1:01 of 10 min  trial {tally.trials}  successes {tally.successes}")
    assert f"window {tally.window_ns / 1e9:g} s" in line
    assert f"A {tally.pokes[0]} pokes, {tally.rewards[0]} rewards" in line


def test_before_it_runs_the_live_line_says_what_it_waits_for(session):
    order, summary = session
    line = LiveLine(order).line(Progress("compiling", 0.0, summary.tally, {})).plain
    assert line == "compiling (up to a minute the first time) …"

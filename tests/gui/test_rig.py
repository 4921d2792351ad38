"""The rig panel: what stands, how fast it answers, what was lost, what room is left, and the window's own lag."""

from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest

from controller.certificate import reward_paths
from controller.log import read_events, read_metadata
from controller.messages.view import Device, Latency, Process, Remark, Spread, Standing, Storage
from gui.panel import find_panels
from gui.panels.rig import REPLAY, WAITING, Rig
from gui.parts import figures
from gui.parts.facts import Fact, FactList
from gui.parts.histogram import steps_of
from gui.parts.lamp import State
from gui.parts.losses import FAULTS, LOOP
from gui.parts.processes import how
from gui.parts.storage import JournalRate
from gui.scene import Scene
from gui.scene.own import Own
from realtime.loop import bin_edges_ns
from realtime.records import NS_PER_S, Fault, Flag
from tests.controller import viewing_things
from tests.gui.conftest import scene_of
from tests.gui.sessions import COUNTS, OPENING

BOARD = Device("board", "reference_board", "/dev/ttyACM0")
EIGHT_MINUTES_S = 480.0


def process(name: str, stage: str = "ready", silent_s: float = 0.05, alive: bool = True, **counters: int) -> Process:
    return Process(name, stage, alive, silent_s, counters, {})  # type: ignore[arg-type]


def standing(*processes: Process, away: tuple[str, ...] = (), phase: str = "running") -> Standing:
    return viewing_things.standing(phase=phase, processes=list(processes), away=list(away))


def storage(**changed: float) -> Storage:
    plain = Storage(
        disk_free_bytes=231_000_000_000,
        journal_events=30_000,
        journal_room=1_000_000,
        log_bytes=8_400_000,
        tape_bytes=26_000_000,
        bytes_per_s=52_300.0,
        viewers=2,
        behind=0,
    )
    return msgspec.structs.replace(plain, **changed)


def live(*messages: object) -> Scene:
    """A session on one board, and what it has told."""
    scene = Scene()
    for message in (msgspec.structs.replace(OPENING, devices=[BOARD]), COUNTS, *messages):
        scene.take(message)  # type: ignore[arg-type]
    return scene


def values(part: FactList) -> dict[str, str]:
    return {fact.name: fact.value for fact in part.shown}


def fact(part: FactList, name: str) -> Fact:
    return next(one for one in part.shown if one.name == name)


@pytest.fixture
def panel_of(panels):
    return panels(Rig, 800, 500)


def test_the_panel_is_found_and_stands_below():
    assert next(panel for panel in find_panels() if panel.name == "rig") is Rig
    assert (Rig.title, Rig.area, Rig.order, Rig.key) == ("Rig", "bottom", 10, "Ctrl+6")


# --- devices and processes


@pytest.mark.parametrize(
    ("one", "away", "phase", "word", "state"),
    [
        (process("loop"), (), "running", "ready", State.GOOD),
        (process("loop", "compiling", 9.0), (), "compiling", "compiling", State.WAIT),
        (process("driver-board", "starting"), ("board",), "identifying devices", "starting", State.WAIT),
        (process("driver-board", "starting"), ("board",), "running", "away", State.BAD),
        (process("recorder", silent_s=1.7), (), "running", "silent 1.7 s", State.WARN),
        (process("recorder", silent_s=3.2), (), "running", "silent 3.2 s", State.BAD),
        (process("loop", "ended", alive=False), (), "ended", "ended", State.QUIET),
        (process("loop", "ready", alive=False), (), "running", "failed", State.BAD),
        (process("estimators", "failed"), (), "running", "failed", State.BAD),
    ],
)
def test_every_lamp_has_a_word(one, away, phase, word, state):
    assert how(one, standing(one, away=away, phase=phase)) == (word, state)


def test_devices_come_first_with_their_driver_port_and_clock(panel_of):
    board = process("driver-board", clock_uncertainty_ns=169_947, clock_drift_ppb=647)
    panel = panel_of(live(standing(process("loop"), process("frames-A"), board)))
    rows = panel.processes.rows
    assert [(row.name, row.word) for row in rows] == [("board", "ready"), ("loop", "ready"), ("frames of A", "ready")]
    assert rows[0].what == "reference_board on /dev/ttyACM0"
    assert rows[0].clock == "clock ±170 µs, 0.65 ppm slow"
    assert rows[1].what == rows[1].clock == ""


def test_only_troubles_that_happened_are_said_and_the_tooltip_has_all(panel_of):
    counters = {"garbage_bytes": 12, "retries": 1, "restarts": 2, "unheard_commands": 0, "commands": 88, "armed": 1}
    panel = panel_of(live(standing(process("driver-board", **counters))))
    row = panel.processes.rows[0]
    assert row.trouble == "12 bytes of garbage, 1 retry, 2 times away and back"
    assert all(f"{name.replace('_', ' ')}: {n}" in row.tip for name, n in counters.items())


def test_a_log_that_is_not_whole_is_among_what_is_broken(panel_of):
    scene = Scene()
    for message in (viewing_things.changed(OPENING, mode="REPLAY"), COUNTS):
        scene.take(message)
    panel = panel_of(scene)
    panel.refresh()
    assert [one.value for one in panel.losses.shown] == ["none: nothing lost, late, refused or broken"]
    scene.take(Remark(0, "the board is warm"))
    scene.take(Remark(0, "The log was not finished.", trouble=True))
    panel.refresh()
    assert [(one.value, one.state) for one in panel.losses.shown] == [("The log was not finished.", State.WARN)]


def test_the_troubles_of_a_brain_s_stream_name_the_animal(panel_of):
    panel = panel_of(live(standing(process("estimators", lost_a=3, late_b=1, frames_a=900, latency_p99_us=680))))
    assert panel.processes.rows[0].trouble == "3 frames of A lost, 1 frame of B late"


def test_a_process_that_leaves_leaves_no_row(panel_of):
    scene = live(standing(process("loop"), process("recorder")))
    panel = panel_of(scene)
    scene.take(standing(process("loop", silent_s=3.4)))
    panel.refresh()
    assert [(row.name, row.word) for row in panel.processes.rows] == [("loop", "silent 3.4 s")]
    lines = [(line.name.text(), line.word.text(), line.lamp.state) for line in panel.processes.lines if line.shown]
    assert lines == [("loop", "silent 3.4 s", State.BAD)]


# --- latency


def test_delays_are_those_that_the_log_s_events_give(recorded: Path, panel_of):
    panel = panel_of(scene_of(recorded, EIGHT_MINUTES_S))
    beam, _, decision, edge = rewards_of(recorded).T
    table = panel.latency.histogram.table
    assert [row[0] for row in table] == ["beam → decision", "decision → valve edge", "beam → valve edge"]
    for row, measured in zip(table, (decision - beam, edge - decision, edge - beam), strict=True):
        assert row[1] == figures.duration(float(np.percentile(measured, 50)))
        assert row[4] == figures.duration(float(measured.max()))
    assert panel.latency.words.text() == f"simulated wire · {beam.size} rewards"


def test_the_curves_are_the_histograms_of_the_log_s_delays(recorded: Path, panel_of):
    panel = panel_of(scene_of(recorded, EIGHT_MINUTES_S))
    beam, _, _, edge = rewards_of(recorded).T
    edges_us = np.concatenate(([0.0], bin_edges_ns())) / 1000.0
    wanted, _ = np.histogram((edge - beam) / 1000.0, edges_us)
    drawn_edges, drawn = panel.latency.histogram.curves[2].getData()
    assert drawn.sum() == beam.size
    filled = np.flatnonzero(wanted)
    assert drawn.tolist() == [0, *wanted[filled[0] : filled[-1] + 1], 0]
    assert drawn_edges[1:-1] == pytest.approx(np.log10(edges_us[filled[0] : filled[-1] + 2]))


def rewards_of(session: Path) -> np.ndarray:
    log = session / "session.mcap"
    events, start_ns = read_events(log), int(read_metadata(log)["clock"]["start_ns"])
    paths, missing = reward_paths(events[events["arrival_ns"] <= start_ns + round(EIGHT_MINUTES_S * NS_PER_S)])
    assert len(paths) > 10
    assert missing == 0
    return paths


def latency(n: int, missing: int = 0) -> Latency:
    return Latency(
        [100.0, 1000.0, 10_000.0], [Spread("beam → valve edge", n, 740.0, 2310.0, 4100.0, 9500.0, [0, n, 2])], missing
    )


@pytest.mark.parametrize(
    ("n", "p99", "tail"), [(99, "not yet", "not yet"), (100, "2.31 ms", "not yet"), (1000, "2.31 ms", "4.10 ms")]
)
def test_a_quantile_waits_until_there_are_delays_beyond_it(panel_of, n, p99, tail):
    panel = panel_of(live(latency(n)))
    assert panel.latency.histogram.table[0] == ["beam → valve edge", "740 µs", p99, tail, "9.50 ms"]


def test_real_wires_are_not_called_simulated_and_missing_edges_are_told(panel_of):
    panel = panel_of(live(latency(50, missing=2)))
    assert panel.latency.words.text() == "by the devices' own stamps · 50 rewards · ▲ 2 without an edge"


def test_the_steps_fall_to_zero_on_both_sides():
    edges, counts = steps_of(latency(5), latency(5).spreads[0])
    assert counts.tolist() == [0, 5, 2, 0]
    assert edges.tolist() == [1, 2, 3, 4, 5]


# --- losses


def test_nothing_lost_is_one_quiet_line(panel_of):
    panel = panel_of(live(standing(process("loop", n_lost=0, n_late=0, n_events=900))))
    assert [(one.value, one.state) for one in panel.losses.shown] == [
        ("none: nothing lost, late, refused or broken", State.QUIET)
    ]


def test_everything_that_the_loop_counts_is_said_and_warned_of(panel_of):
    counters = {name: number for number, name in enumerate(LOOP, 1)}
    panel = panel_of(live(standing(process("loop", **counters))))
    assert values(panel.losses) == {LOOP[name][0]: str(number) for name, number in counters.items()}
    assert all(one.state is State.WARN for one in panel.losses.shown)


def test_faults_gaps_and_missing_edges_are_said_by_name(panel_of):
    scene = live(latency(5, missing=1))
    scene.take(msgspec.structs.replace(COUNTS, gaps=4, faults={"BEAM_STUCK": 2, "PORT_LOST": 1}))
    panel = panel_of(scene)
    assert values(panel.losses) == {"gaps": "4", "edges missing": "1", "beam stuck": "2", "port lost": "1"}


def test_every_fault_has_words():
    assert set(FAULTS) == set(Fault)


def test_a_replay_counts_what_the_log_counts(recorded: Path, panel_of):
    log = recorded / "session.mcap"
    events, start_ns = read_events(log), int(read_metadata(log)["clock"]["start_ns"])
    seen = events[events["arrival_ns"] <= start_ns + round(EIGHT_MINUTES_S * NS_PER_S)]
    scene = scene_of(recorded, EIGHT_MINUTES_S)
    assert scene.counts is not None
    late = int(np.count_nonzero(seen["flags"] & Flag.LATE))
    panel = panel_of(scene)
    assert values(panel.losses).get("events late", "0") == str(late)
    scene.take(msgspec.structs.replace(scene.counts, late=7))
    panel.refresh()
    assert values(panel.losses)["events late"] == "7"


# --- room


def test_the_journal_s_hours_follow_from_how_it_has_been_filling(panel_of):
    scene = live(storage())
    panel = panel_of(scene)
    assert values(panel.storage)["journal"] == "3 % used, rate not yet known"
    scene.at(20 * NS_PER_S, 0, 0.0)
    scene.take(storage(journal_events=30_400))
    panel.refresh()
    hours = (1_000_000 - 30_400) / (400 / 20) / 3600
    assert values(panel.storage)["journal"] == f"3 % used, {hours:.1f} h left"


def test_the_disk_s_hours_follow_from_the_session_s_rate(panel_of):
    panel = panel_of(live(storage(disk_free_bytes=3_600_000_000, bytes_per_s=100_000.0)))
    assert fact(panel.storage, "disk").value == "3.60 GB free, 10.0 h left at 100 kB/s"
    assert fact(panel.storage, "disk").state is State.QUIET


@pytest.mark.parametrize(
    ("free", "per_s", "value"),
    [
        (2_000_000_000, 1_200_000.0, "2.00 GB free, 28 min left at 1.20 MB/s"),
        (999_000_000, 0.0, "999 MB free, not growing"),
    ],
)
def test_a_disk_that_is_nearly_full_is_warned_of(panel_of, free, per_s, value):
    panel = panel_of(live(storage(disk_free_bytes=free, bytes_per_s=per_s)))
    assert fact(panel.storage, "disk") == Fact("disk", value, State.WARN, fact(panel.storage, "disk").tip)


def test_log_tape_recorder_and_viewers_are_told(panel_of):
    panel = panel_of(live(storage(behind=3), standing(process("recorder", behind=12))))
    told = values(panel.storage)
    assert (told["log"], told["tape of frames"]) == ("8.40 MB", "26.0 MB")
    assert (told["recorder"], told["viewers"], told["viewers behind"]) == ("12 events behind", "2", "3 times")
    assert fact(panel.storage, "viewers behind").state is State.WARN
    assert fact(panel.storage, "recorder").state is State.QUIET


def test_the_journal_s_rate_is_that_of_the_last_minute_and_begins_anew_after_a_step_back():
    rate = JournalRate()
    for second, events in ((0, 0), (10, 1000), (20, 2000), (90, 2700), (100, 2800)):
        rate.add(second * NS_PER_S, events)
    assert rate.per_s == pytest.approx(10.0)
    rate.add(95 * NS_PER_S, 2750)
    assert rate.per_s is None


# --- the window itself


def test_the_window_s_own_lag_has_units(panel_of):
    scene = live()
    panel = panel_of(scene)
    assert values(panel.own) == {"": "not yet: the window has not measured itself"}
    scene.own = Own(19.8, 3.2, 41.0, 120.4, 1.4, 0, 0.21)
    panel.refresh()
    assert values(panel.own) == {
        "draws": "19.8 Hz",
        "drawn late by": "3.2 ms, at most 41.0 ms",
        "told late by": "120.4 ms",
        "round trip": "1.4 ms",
        "fell behind": "never",
        "processor": "21 % of a core",
    }
    scene.own = Own(4.0, 300.0, 812.0, 1500.0, None, 2, 0.98)
    panel.refresh()
    warned = {one.name for one in panel.own.shown if one.state is State.WARN}
    assert warned == {"drawn late by", "told late by", "fell behind"}
    assert values(panel.own)["round trip"] == "no answer yet"


# --- nothing yet, a replay, anew, and where things stand


def test_an_empty_scene_says_so_in_words(panel_of):
    panel = panel_of(Scene())
    assert panel.processes.sentence.text() == WAITING
    assert panel.latency.words.text() == "not yet: no reward was earned"
    assert not panel.latency.histogram.isVisible()
    assert [one.value for one in panel.losses.shown] == ["not yet: nothing has been counted"]
    assert [one.value for one in panel.storage.shown] == [WAITING]


def test_in_a_replay_nothing_is_connected(recorded: Path, panel_of):
    panel = panel_of(scene_of(recorded, EIGHT_MINUTES_S))
    assert panel.processes.sentence.text() == REPLAY
    assert panel.processes.rows == []
    assert [one.value for one in panel.storage.shown] == [REPLAY]


def test_anew_forgets_the_session_before(panel_of):
    scene = live(standing(process("loop", n_lost=3)), storage(), latency(50))
    panel = panel_of(scene)
    assert values(panel.losses) == {"events lost": "3"}
    scene.forget()
    panel.anew()
    assert panel.processes.rows == []
    assert panel.latency.words.text() == "not yet: no reward was earned"
    assert [one.value for one in panel.storage.shown] == [WAITING]


@pytest.mark.parametrize(
    ("width", "beside"),
    [(1300, [True, True, True, True]), (800, [True, False, True, True]), (320, [False, False, False, False])],
)
def test_the_parts_stand_beside_each_other_as_far_as_there_is_room(qapp, panel_of, width, beside):
    panel = panel_of(live(standing(process("loop")), storage(), latency(50)), width, 300)
    qapp.processEvents()
    places = [part.pos() for part in (panel.processes, panel.latency, panel.losses, panel.storage, panel.own)]
    assert [one.y() == other.y() for one, other in pairwise(places)] == beside


def busy() -> Scene:
    """A session on one board whose rewards have all three delays, as wide as numbers get."""
    names = ("beam → decision", "decision → valve edge", "beam → valve edge")
    spreads = [Spread(name, 2000, 740.0, 2310.0, 4100.0, 9500.0, [0, 1900, 100]) for name in names]
    return live(
        standing(*(process(name) for name in ("driver-board", "loop", "recorder", "estimators", "viewers"))),
        storage(),
        Latency([100.0, 1000.0, 10_000.0], spreads, 0),
    )


@pytest.mark.parametrize(("width", "height", "curves"), [(1195, 203, True), (1440, 230, True), (1366, 106, False)])
def test_in_the_windows_usual_strips_every_delay_is_read_without_scrolling(qapp, panel_of, width, height, curves):
    panel = panel_of(busy(), width, height)
    qapp.processEvents()
    histogram = panel.latency.histogram
    assert histogram.plot.isVisible() is curves
    cells = [cell for row in histogram._cells for cell in row]
    assert len(cells) == 15
    for cell in cells:
        bottom = cell.mapTo(panel, cell.rect().bottomLeft()).y()
        assert bottom < height, cell.text()
        assert "\n" not in cell.text()
        assert cell.fontMetrics().horizontalAdvance(cell.text()) <= cell.width()
    tops = [row[0].mapTo(panel, row[0].rect().topLeft()).y() for row in histogram._cells]
    assert all(5 < low - high < 25 for high, low in pairwise(tops)), "one below the other, and not torn apart"
    if curves:
        assert histogram.plot.height() >= 72
        assert histogram.plot.mapTo(panel, histogram.plot.rect().bottomLeft()).y() < min(tops)


def test_a_shortened_name_has_the_whole_one_as_its_tooltip(qapp, panel_of):
    for width, named in ((1195, "decision → edge"), (1900, "decision → valve edge")):
        panel = panel_of(busy(), width, 203)
        qapp.processEvents()
        name = panel.latency.histogram._cells[1][0]
        assert (name.text(), name.toolTip()) == (named, "" if named.count("valve") else "decision → valve edge")


def test_a_mark_stays_beside_what_it_warns_of(panel_of):
    panel = panel_of(live(latency(5, missing=1)))
    assert [value.text() for _, value in panel.losses._lines] == ["▲\N{NO-BREAK SPACE}1"]


def test_nothing_is_written_anew_while_nothing_changes(panel_of):
    scene = live(standing(process("loop")), storage(), latency(50))
    panel = panel_of(scene)
    panel.losses.show_facts([])
    panel.refresh()
    assert panel.losses.shown == ()

"""The list of events: what it says of a recorded session is what that session's log says, line by line."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QPushButton

from controller.log import read_events, read_metadata
from controller.messages.view import Device, Note, Records, Remark, TrialRow, Trials
from gui.panel import find_panels
from gui.panels.log import EventList
from gui.parts.entries import MOST, Sort
from gui.parts.entry_table import CLOCK, MARK, SENTENCE, SESSION
from gui.parts.wording import _ACTS, _FAULTS, act_sentence, fault_sentence, line_name, trial_sentence
from gui.scene import Scene
from gui.theme import OUTCOME_MARKS
from realtime.records import NS_PER_S, Events, Fault, Kind, Level, Line, Operator, Outcome, no_events
from tests.controller import viewing_things
from tests.gui.conftest import scene_of
from tests.gui.sessions import OPENING, START_NS, changed, say

EIGHT_MINUTES_S = 480.0
BOARDS = [Device("left box", "reference_board", "/dev/ttyACM0"), Device("right box", "reference_board", "/dev/ttyACM1")]
TWO_BOARDS = changed(OPENING, devices=BOARDS, trigger="coactivity ≥ 1.5")


def event(kind: Kind, at_s: float, value: float, *, line: int = 0, source: int = 1, animal: int = -1) -> Events:
    one = no_events(1)
    one["kind"], one["t_ns"], one["value"] = kind, START_NS + round(at_s * NS_PER_S), value
    one["line"], one["source"], one["animal"] = line, source, animal
    return one


def row(trial: int, at_s: float, outcome: Outcome = Outcome.SUCCESS, **fields: object) -> TrialRow:
    times = {"opened_ns": START_NS, "first_ns": START_NS, "end_ns": START_NS + round(at_s * NS_PER_S)}
    told = {"lag_ns": 404_000_000, "window_ns": 1_500_000_000}
    return viewing_things.row(trial, outcome, **(times | told | fields))


def told(*events: Events) -> Scene:
    return say(Scene(), TWO_BOARDS, Records(b"".join(one.tobytes() for one in events)))


def column(panel: EventList, number: int = SENTENCE) -> list[str]:
    model = panel.table.entries
    return [str(model.data(model.index(i, number))) for i in range(model.rowCount())]


@pytest.fixture
def panel_of(panels):
    return panels(EventList, 800, 300)


def click(qtbot, button: QPushButton) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_the_panel_is_found_and_stands_below():
    assert next(panel for panel in find_panels() if panel.name == "log") is EventList
    assert (EventList.title, EventList.area, EventList.order, EventList.key) == ("Events", "bottom", 20, "Ctrl+7")


# --- what the list holds


def seen_by_then(session: Path) -> tuple[Events, int, int]:
    log = session / "session.mcap"
    clock = read_metadata(log)["clock"]
    events, start_ns = read_events(log), int(clock["start_ns"])
    return (
        events[events["arrival_ns"] <= start_ns + round(EIGHT_MINUTES_S * NS_PER_S)],
        start_ns,
        int(clock["epoch_ns"]),
    )


def test_trials_are_those_of_the_log_with_their_outcomes_and_times(recorded: Path, panel_of, qtbot):
    panel = panel_of(scene_of(recorded, EIGHT_MINUTES_S))
    click(qtbot, panel.buttons[Sort.TRIALS])
    events, start_ns, epoch_ns = seen_by_then(recorded)
    ended = events[events["kind"] == Kind.TRIAL]
    ended = ended[: len(column(panel))]  # a row waits a moment for the laser's own edge
    assert len(column(panel)) >= np.count_nonzero(events["kind"] == Kind.TRIAL) - 1 > 20
    words = {Outcome.SUCCESS: "success", Outcome.MISS: "miss", Outcome.OMISSION: "omission", Outcome.ABORTED: "aborted"}
    for one, mark, sentence in zip(ended, column(panel, MARK), column(panel), strict=True):
        outcome = Outcome(int(one["value"]))
        assert mark == OUTCOME_MARKS[outcome]
        assert sentence.startswith(f"trial {one['trial']}: {words[outcome]}")
    task_start_ns = int(events[events["kind"] == Kind.STATE]["t_ns"][0])
    seconds = [(int(one["t_ns"]) - task_start_ns) // NS_PER_S for one in ended]
    assert column(panel, SESSION) == [f"{s // 60}:{s % 60:02d} min" for s in seconds]
    on_the_wall = [datetime.fromtimestamp((epoch_ns + int(one["t_ns"]) - start_ns) // NS_PER_S) for one in ended]
    assert column(panel, CLOCK) == [f"{one:%H:%M:%S}" for one in on_the_wall]


def test_the_first_of_a_pair_and_the_lag_are_those_of_the_log_s_pokes(recorded: Path, panel_of, qtbot):
    panel = panel_of(scene_of(recorded, EIGHT_MINUTES_S))
    click(qtbot, panel.buttons[Sort.TRIALS])
    events, _, _ = seen_by_then(recorded)
    successes = events[(events["kind"] == Kind.TRIAL) & (events["value"] == Outcome.SUCCESS)]
    pokes = events[events["kind"] == Kind.POKE_IN]
    told_of = [sentence for sentence in column(panel) if ": success" in sentence]
    assert len(told_of) >= 5
    for one, sentence in zip(successes, told_of, strict=False):
        second = pokes[pokes["t_ns"] <= one["t_ns"]][-1]  # the poke that made it a success
        name = "AB"[second["animal"]]
        first = "AB"[1 - second["animal"]]
        assert f"{first} first, {name} " in sentence


def test_people_and_crossings_are_those_of_the_log(recorded: Path, panel_of, qtbot):
    panel = panel_of(scene_of(recorded, EIGHT_MINUTES_S))
    events, _, _ = seen_by_then(recorded)
    click(qtbot, panel.buttons[Sort.PEOPLE])
    acts = [_ACTS[Operator(int(value))] for value in events["value"][events["kind"] == Kind.OPERATOR]]
    assert column(panel) == acts
    assert "the task was started" in acts
    click(qtbot, panel.buttons[Sort.BRAINS])
    crossed = events[events["kind"] == Kind.NEURAL]
    assert crossed.size > 5
    ways = ["rose" if one["line"] == Level.ABOVE else "fell" for one in crossed]
    assert [sentence.split()[1] for sentence in column(panel)] == ways
    assert all(sentence.endswith(f": {one['value']:.2f}") for one, sentence in zip(crossed, column(panel), strict=True))


def test_everything_is_ordered_by_its_time(recorded: Path, panel_of):
    panel = panel_of(scene_of(recorded, EIGHT_MINUTES_S))
    times = [entry.t_ns for entry in panel.table.entries.entries]
    assert times == sorted(times)
    sorts = {entry.sort for entry in panel.table.entries.entries}
    assert sorts == {Sort.PEOPLE, Sort.BRAINS, Sort.TRIALS}


# --- sentences


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (event(Kind.FAULT, 1, Fault.PORT_LOST, line=3),
         "fault: the port of right box is gone: unplugged, or its driver ended"),
        (event(Kind.FAULT, 1, Fault.DEVICE_RESET, source=2), "fault: left box restarted, or its clock stepped"),
        (event(Kind.FAULT, 1, Fault.BEAM_STUCK, source=2, line=Line.POKE_A, animal=0),
         "fault: the beam of A has been broken for so long that no animal does it: look for dirt, a paw, its light"),
        (event(Kind.FAULT, 1, Fault.EDGE_MISSING, line=Line.VALVE_B, animal=1),
         "fault: the valve of B was commanded, but its edge never came"),
        (event(Kind.FAULT, 1, Fault.DEVICE_MAX_ON, source=3, line=Line.LASER_B, animal=1),
         "fault: the laser of B was on for its longest time and was cut by right box"),
        (event(Kind.FAULT, 1, Fault.NEURAL_SILENT, source=15, animal=1),
         "fault: the stream of B's brain stopped: estimates that need it are not valid"),
        (event(Kind.FAULT, 1, 99), "fault: one that this window does not know (99)"),
    ],
)  # fmt: skip
def test_a_fault_says_what_broke_and_where(fault, sentence):
    assert fault_sentence(fault[0], TWO_BOARDS) == sentence


def test_every_fault_and_every_act_has_a_sentence():
    assert set(_FAULTS) == set(Fault)
    assert set(_ACTS) == set(Operator)
    sentences = [fault_sentence(event(Kind.FAULT, 1, code, source=2, animal=0)[0], TWO_BOARDS) for code in Fault]
    assert not [sentence for sentence in sentences if "{" in sentence]
    assert len(set(sentences)) == len(Fault)


@pytest.mark.parametrize("code", [Fault.DEVICE_MAX_ON, Fault.DEVICE_GAP, Fault.DEVICE_DUTY])
def test_a_fault_whose_line_the_device_could_not_tell_blames_no_beam(code):
    sentence = fault_sentence(event(Kind.FAULT, 1, code, line=0, source=2)[0], TWO_BOARDS)
    assert "an output" in sentence
    assert "beam" not in sentence
    known = fault_sentence(event(Kind.FAULT, 1, code, line=Line.VALVE_A, source=2, animal=0)[0], TWO_BOARDS)
    assert "the valve of A" in known


def test_a_remark_that_something_is_wrong_stands_out_and_is_counted_among_the_troubles(panel_of):
    scene = say(Scene(), OPENING, Remark(START_NS, "the board is warm"))
    panel = panel_of(scene)
    panel.refresh()
    assert panel.buttons[Sort.TROUBLE].text() == "trouble"
    say(scene, Remark(START_NS, "the log is cut", trouble=True))
    panel.refresh()
    assert column(panel) == ["the board is warm", "the log is cut"]
    assert column(panel, MARK) == ["", "▲"]
    assert panel.buttons[Sort.TROUBLE].text() == "trouble ▲ 1"


def test_a_fault_without_a_first_page_still_has_a_sentence():
    assert fault_sentence(event(Kind.FAULT, 1, Fault.DEVICE_SILENT, source=2)[0], None) == (
        "fault: a device does not answer any more"
    )
    assert line_name(Line.ARM) == line_name(77) == "an output"


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (event(Kind.OPERATOR, 1, Operator.FREE_REWARD, animal=1), "B was given a reward by hand"),
        (event(Kind.OPERATOR, 1, Operator.LASER_TEST, animal=0), "A's laser was tested"),
        (event(Kind.OPERATOR, 1, Operator.DISARM), "the lasers were disarmed"),
        (event(Kind.OPERATOR, 1, 42), "an act that this window does not know (42)"),
    ],
)
def test_an_act_says_what_a_person_did(act, sentence):
    assert act_sentence(act[0]) == sentence


@pytest.mark.parametrize(
    ("one", "machines", "sentence"),
    [
        (row(3, 60), [-1], "trial 3: success, A first, B 404 ms later (window 1.5 s)"),
        (row(4, 60, Outcome.MISS, first=1, lag_ns=None, light="lit"), [-1],
         "trial 4: miss, B first, A did not come (window 1.5 s), with light"),
        (row(5, 60, Outcome.OMISSION, first=-1, first_ns=None, lag_ns=None, light="sham"), [-1],
         "trial 5: omission, nobody poked, sham light"),
        (row(6, 60, Outcome.ABORTED, first=-1, lag_ns=None, light="dark"), [-1],
         "trial 6: aborted, chosen for light, none came"),
        (row(7, 60, machine=1), [0, 1], "B's trial 7: success"),
    ],
)  # fmt: skip
def test_a_trial_says_how_it_ended(one, machines, sentence):
    assert trial_sentence(one, changed(TWO_BOARDS, machines=machines)) == sentence


def test_a_crossing_names_its_estimate_and_threshold(panel_of):
    rose = event(Kind.NEURAL, 1, 1.61, line=Level.ABOVE, source=15)
    fell = event(Kind.NEURAL, 2, 0.94, line=Level.BELOW, source=15)
    lost = event(Kind.NEURAL, 3, np.nan, line=Level.BELOW, source=15)
    panel = panel_of(told(rose, fell, lost))
    assert column(panel) == [
        "coactivity rose above 1.5: 1.61",
        "coactivity fell back: 0.94",
        "coactivity cannot be told any more",
    ]


# --- marks, notes and remarks


def test_a_fault_has_a_mark_besides_its_colour_and_a_button_counts_it(panel_of, theme):
    panel = panel_of(told(event(Kind.FAULT, 271, Fault.GARBAGE, source=2)))
    model = panel.table.entries
    assert (column(panel, MARK), column(panel, SESSION)) == (["▲"], ["4:31 min"])
    colour = model.data(model.index(0, SENTENCE), Qt.ItemDataRole.ForegroundRole)
    assert colour.name() == theme.warn
    tip = str(model.data(model.index(0, SENTENCE), Qt.ItemDataRole.ToolTipRole))
    assert tip.endswith(" · 4:31 min · fault: bytes from left box are no message: look at its cable")


def test_a_note_appears_once_with_its_text(panel_of):
    scene = told(event(Kind.OPERATOR, 5, Operator.NOTE))
    scene.take(Note(1, START_NS + 5 * NS_PER_S, "B was groomed"))
    assert column(panel_of(scene)) == ["note 1: B was groomed"]


def test_what_a_device_says_is_among_the_troubles(panel_of, qtbot):
    scene = told(event(Kind.OPERATOR, 1, Operator.START))
    scene.take(Remark(START_NS + NS_PER_S, "left box is away: nothing was switched."))
    panel = panel_of(scene)
    click(qtbot, panel.buttons[Sort.TROUBLE])
    assert column(panel) == ["left box is away: nothing was switched."]


# --- choosing, growing, following


def test_the_buttons_choose_what_is_listed(panel_of, qtbot):
    scene = told(event(Kind.OPERATOR, 1, Operator.START), event(Kind.FAULT, 2, Fault.GARBAGE, source=2))
    scene.take(Trials([row(1, 3)]))
    panel = panel_of(scene)
    listed = {}
    for sort, button in panel.buttons.items():
        click(qtbot, button)
        listed[sort] = [entry.sort for entry in panel.table.entries.entries]
    assert listed == {
        None: [Sort.PEOPLE, Sort.TROUBLE, Sort.TRIALS],
        Sort.PEOPLE: [Sort.PEOPLE],
        Sort.TROUBLE: [Sort.TROUBLE],
        Sort.BRAINS: [],
        Sort.TRIALS: [Sort.TRIALS],
    }


def test_an_empty_choice_says_so(panel_of, qtbot):
    panel = panel_of(told(event(Kind.OPERATOR, 1, Operator.START)))
    click(qtbot, panel.buttons[Sort.TROUBLE])
    assert panel.empty.isVisible()
    assert panel.empty.text() == "none so far: no fault, no remark"
    click(qtbot, panel.buttons[None])
    assert not panel.empty.isVisible()


def test_what_comes_is_added_where_its_time_belongs_and_only_once(panel_of):
    scene = told(event(Kind.OPERATOR, 10, Operator.PAUSE))
    panel = panel_of(scene)
    scene.take(Records(event(Kind.OPERATOR, 20, Operator.RESUME).tobytes()))
    scene.take(Trials([row(1, 15)]))
    panel.refresh()
    panel.refresh()
    assert [sentence.split(":")[0] for sentence in column(panel)] == ["paused", "trial 1", "resumed"]
    scene.take(Trials([row(2, 17)]))
    panel.refresh()
    assert [sentence.split(":")[0] for sentence in column(panel)] == ["paused", "trial 1", "trial 2", "resumed"]


def test_a_chosen_sort_takes_nothing_else_in(panel_of, qtbot):
    scene = told(event(Kind.OPERATOR, 10, Operator.PAUSE))
    panel = panel_of(scene)
    click(qtbot, panel.buttons[Sort.PEOPLE])
    scene.take(Trials([row(1, 15)]))
    panel.refresh()
    assert column(panel) == ["paused"]


def test_at_most_five_hundred_are_listed_and_rare_ones_outlast_trials(panel_of, qtbot):
    scene = told(event(Kind.FAULT, 0.5, Fault.GARBAGE, source=2))
    panel = panel_of(scene)
    for first in range(0, 1200, 40):
        scene.take(Trials([row(n + 1, n + 1) for n in range(first, first + 40)]))
        panel.refresh()
    assert len(column(panel)) == MOST
    assert column(panel)[-1].startswith("trial 1200:")
    assert column(panel)[0].startswith("trial 701:")
    click(qtbot, panel.buttons[Sort.TROUBLE])
    assert len(column(panel)) == 1


def test_the_list_follows_until_a_person_scrolls_and_again_after_the_button(panel_of, qtbot):
    scene = told()
    scene.take(Trials([row(n, n) for n in range(1, 101)]))
    panel = panel_of(scene)
    bar = panel.table.verticalScrollBar()
    assert (bar.value(), panel.newest.isVisible()) == (bar.maximum(), False)
    scene.take(Trials([row(101, 101)]))
    panel.refresh()
    assert bar.value() == bar.maximum()
    bar.setValue(10)
    assert panel.newest.isVisible()
    scene.take(Trials([row(n, n) for n in range(102, 112)]))
    panel.refresh()
    assert bar.value() == 10
    click(qtbot, panel.newest)
    assert (bar.value(), panel.newest.isVisible()) == (bar.maximum(), False)


def test_what_a_person_reads_stays_in_place_when_the_oldest_leave(panel_of):
    scene = told()
    scene.take(Trials([row(n, n) for n in range(1, MOST + 1)]))
    panel = panel_of(scene)
    panel.table.verticalScrollBar().setValue(100)
    before = column(panel)[panel.table.rowAt(0)]
    scene.take(Trials([row(MOST + n, MOST + n) for n in range(1, 21)]))
    panel.refresh()
    assert column(panel)[panel.table.rowAt(0)] == before


def test_a_narrow_list_gives_the_sentence_the_room(panel_of):
    panel = panel_of(told(event(Kind.OPERATOR, 1, Operator.START)), 320, 240)
    assert panel.table.isColumnHidden(SESSION)
    panel.resize(800, 240)
    assert not panel.table.isColumnHidden(SESSION)


# --- nothing yet, and anew


def test_an_empty_scene_says_that_nothing_has_happened(panel_of):
    panel = panel_of(Scene())
    assert panel.empty.isVisible()
    assert panel.empty.text() == "not yet: nothing has happened"


def test_anew_begins_an_empty_list_and_fills_it_from_what_there_is(panel_of):
    scene = told(event(Kind.OPERATOR, 1, Operator.START))
    panel = panel_of(scene)
    scene.forget()
    panel.anew()
    assert column(panel) == []
    say(scene, TWO_BOARDS, Records(event(Kind.OPERATOR, 2, Operator.STOP).tobytes()))
    panel.refresh()
    assert column(panel) == ["the session was stopped"]

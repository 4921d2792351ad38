"""The replay's panel: what it shows is what the log says, and what a person does to it is asked once."""

import re
import time

import msgspec
import numpy as np
import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QKeySequence, QShortcut

from controller.log import read_events
from controller.messages.view import Note, Overview, Span, Steer
from gui.panels.replay import NOTHING, SPEEDS, ReplayPanel
from gui.parts.figures import clock_time, precise
from gui.parts.timeline import Clocks, Scale, blocks_of, signs_of, tick_s
from gui.scene import Scene
from realtime.records import EVENT, NS_PER_MS, NS_PER_S, Fault, Kind, Operator, Outcome, host_event
from tests.gui.conftest import scene_of


class Asked(list):
    """What a panel asked, and the scene's clock."""

    def __init__(self, panel):
        super().__init__()
        panel.asked.connect(self.append)
        self.scene = panel.scene

    def go(self, ms):
        self.scene.local_ns += ms * NS_PER_MS


@pytest.fixture
def panel(scene, theme, qtbot):
    made = ReplayPanel(scene, theme)
    scene.local_ns = 10 * NS_PER_S
    qtbot.addWidget(made)
    made.resize(1200, 130)
    made.show()
    made.refresh()
    return made


@pytest.fixture
def asked(panel):
    return Asked(panel)


def replace(scene, **fields):
    """Let the playhead say something else."""
    scene.take(msgspec.structs.replace(scene.playhead, **fields))


def press(panel, keys):
    """Press a shortcut of the panel."""
    (found,) = [one for one in panel.findChildren(QShortcut) if one.key() == QKeySequence(keys)]
    found.activated.emit()


def place(panel, t_ns, y=40):
    return QPoint(round(panel.bar.x_of(t_ns)), y)


# -- what it shows


def test_it_shows_the_moment_the_length_and_what_a_clock_showed_then(panel, scene, recorded):
    events = read_events(recorded / "session.mcap")
    length_s = (int(events["arrival_ns"][-1]) - scene.opening.start_ns) / NS_PER_S
    on_the_wall = time.strftime("%H:%M:%S", time.localtime(scene.opening.epoch_ns // NS_PER_S + 480))
    (started_ns,) = events["t_ns"][(events["kind"] == Kind.OPERATOR) & (events["value"] == Operator.START)].tolist()
    assert scene.opening.start_ns + NS_PER_S // 10 < started_ns < scene.opening.start_ns + NS_PER_S
    assert panel.time.text() == f"log 8:00.0 of {precise(length_s)} · task 7:59 · {on_the_wall}"
    assert panel.bar.playhead_ns == scene.opening.start_ns + 480 * NS_PER_S


def starting(scene, after_s):
    """Let the task have been started this long after the log's beginning."""
    events = np.frombuffer(scene.overview.events, EVENT).copy()
    starts = (events["kind"] == Kind.OPERATOR) & (events["value"] == Operator.START)
    events["t_ns"][starts] = scene.playhead.begin_ns + round(after_s * NS_PER_S)
    scene.take(msgspec.structs.replace(scene.overview, events=events.tobytes()))


def test_a_task_that_was_started_late_has_both_times_and_each_is_named(panel, scene):
    starting(scene, 37.8)
    panel.refresh()
    assert re.match(r"log 8:00\.0 of [0-9:.]+ · task 7:22 · [0-9:]{8}$", panel.time.text())
    place = QPointF(panel.bar.x_of(scene.playhead.begin_ns + 360 * NS_PER_S), 40.0)
    assert re.match(r"log 6:0[0-9.]+ · task 5:2[12](: trial [0-9]+: [a-z]+)?$", panel.bar.tip_at(place))
    before = QPointF(panel.bar.x_of(scene.playhead.begin_ns + 20 * NS_PER_S), 40.0)
    assert re.match(r"log 0:2[0-9.]+ · task not begun", panel.bar.tip_at(before))
    listed = [action.text() for action in panel.menu.lists["◆"].actions()]
    assert listed
    assert all(re.match(r"log [0-9:.]+ · task ([0-9:]+|not begun)  ", text) for text in listed)
    for words in ("--at", "log's beginning", "task was started", "banner"):
        assert words in panel.time.toolTip()


def test_where_both_clocks_show_the_same_none_is_named(panel, scene):
    starting(scene, 0.05)
    panel.refresh()
    assert re.match(r"8:00\.0 of [0-9:.]+ · [0-9:]{8}$", panel.time.text())
    assert re.match(r"[0-9:.]+  ", panel.menu.lists["◆"].actions()[0].text())
    assert panel.bar.tip_at(QPointF(panel.bar.x_of(scene.now_ns), 40.0)).startswith(("8:00", "7:59"))


def test_the_strip_says_that_it_counts_by_the_log_only_where_that_differs(panel, scene, qapp):
    shown = []
    for after_s in (0.05, 37.8):
        starting(scene, after_s)
        panel.refresh()
        qapp.processEvents()
        image = panel.bar.grab().toImage()
        low = image.copy(0, image.height() - 16, 70, 16)
        colours = [[low.pixel(x, y) for y in range(low.height())] for x in range(low.width())]
        shown.append(max(x for x, column in enumerate(colours) if len(set(column)) > 1))
    assert shown[1] > shown[0] + 15, "the word is written before the first time"


def test_two_clocks_are_told_apart_from_a_tenth_of_a_second_on():
    clocks = Clocks(10 * NS_PER_S, 10 * NS_PER_S + 37_800 * NS_PER_MS)
    assert clocks.both(370 * NS_PER_S) == "log 6:00.0 · task 5:22"
    assert clocks.both(20 * NS_PER_S) == "log 0:10.0 · task not begun"
    assert clocks.task(370 * NS_PER_S, 300.0) == "task 5:00", "it stands still once the task has finished"
    assert Clocks(0, 99 * NS_PER_MS).both(NS_PER_S) == "0:01.0"
    assert Clocks(0, 100 * NS_PER_MS).both(NS_PER_S) == "log 0:01.0 · task 0:00"
    assert Clocks(0, None).both(NS_PER_S) == "log 0:01.0 · task not begun"


def test_the_tasks_time_stands_still_once_it_has_finished(panel, scene):
    finished = scene.opening.states.index("FINISHED")
    scene.states = {0: (finished, scene.started_ns + 300 * NS_PER_S)}
    scene.take(msgspec.structs.replace(scene.counts, finished=True))
    panel.refresh()
    assert " · task 5:00 · " in panel.time.text()


def test_the_bar_has_a_block_for_each_trial_of_the_whole_log_as_high_as_its_outcome(panel, recorded):
    events = read_events(recorded / "session.mcap")
    trials = events[events["kind"] == Kind.TRIAL]
    blocks = blocks_of(panel.bar.overview.trials, panel.bar.scale)
    assert trials.size > 20
    assert [block.outcome for block in blocks][: trials.size] == trials["value"].tolist()
    heights = {block.outcome: block.high for block in blocks}
    assert len(set(heights.values())) == len(heights)
    ends = [block.left + block.width for block in blocks][: trials.size]
    assert ends == pytest.approx([panel.bar.scale.x(t) for t in trials["arrival_ns"].tolist()], abs=1.0)


def test_the_bar_draws_each_trial_in_its_outcomes_colour_where_it_stands(panel, theme, qapp):
    qapp.processEvents()
    image = panel.bar.grab().toImage()
    ratio = panel.bar.devicePixelRatioF()
    long_ones = [trial for trial in panel.bar.overview.trials if trial.end_ns - trial.start_ns > 2 * NS_PER_S]
    for trial in long_ones[:10]:
        x = panel.bar.x_of((trial.start_ns + trial.end_ns) // 2)
        y = panel.bar._trials_rect.bottom() - 3
        assert image.pixelColor(round(x * ratio), round(y * ratio)).name() == theme.outcomes[Outcome(trial.code)]
    assert len(long_ones) >= 3


def test_marks_are_what_people_did_and_crossings_in_the_whole_log(panel, recorded):
    events = read_events(recorded / "session.mcap")
    acts = events[events["kind"] == Kind.OPERATOR]
    crossings = events[events["kind"] == Kind.NEURAL]
    marks = [sign.mark for sign in panel.bar.signs]
    assert (marks.count("◆"), marks.count("╵")) == (acts.size, crossings.size)
    starts = acts["arrival_ns"][acts["value"] == Operator.START].tolist()
    assert [sign.t_ns for sign in panel.bar.signs if "started" in sign.sentence] == starts


def test_where_trials_are_too_many_columns_show_shares_that_hide_none():
    outcomes = (1, 1, 1, 2)
    trials = [Span(i * 10, i * 10 + 5, -1, i + 1, outcomes[i % 4]) for i in range(4000)]
    blocks = blocks_of(trials, Scale(0, 40_000, 400.0))
    first = [block for block in blocks if block.left == blocks[0].left]
    assert [(block.outcome, block.low, block.high) for block in first] == [(1, 0.0, 0.75), (2, 0.75, 1.0)]
    assert max(block.high for block in blocks) == 1.0


def test_a_fault_and_a_note_have_their_marks_and_sentences(scene):
    fault = host_event(Kind.FAULT, 50, 2, Fault.DEVICE_SILENT)
    fault["arrival_ns"] = 60
    note = Note(1, 80, "cage door opened")
    signs = signs_of(Overview([], [], fault.tobytes(), [note]), scene.opening)
    assert [(sign.t_ns, sign.mark) for sign in signs] == [(60, "▲"), (80, "✎")]
    assert "does not answer any more" in signs[0].sentence
    assert signs[1].sentence == "note: cage door opened"


@pytest.mark.parametrize(
    ("proven", "proof", "read", "expected"),
    [
        (None, "not yet", 1.0, "… proof: not yet"),
        (None, "not yet", 0.25, "… proof: not yet · older estimates: 25% found"),
        (True, "proven: 12 events", 1.0, "✓ proven: 12 events"),
        (False, "the log was changed: event 4", 1.0, "✗ differs: the log was changed: event 4"),
    ],
)
def test_the_proof_has_a_mark_and_its_words(panel, scene, proven, proof, read, expected):
    replace(scene, proven=proven, proof=proof, read=read)
    panel.refresh()
    assert panel.proof.text() == expected


def test_nothing_to_replay_is_a_quiet_sentence_and_no_button_works(theme, qtbot):
    panel = ReplayPanel(Scene(), theme)
    qtbot.addWidget(panel)
    asked = Asked(panel)
    panel.show()
    panel.refresh()
    assert panel.time.text() == NOTHING
    assert not panel.play.isEnabled()
    press(panel, "Space")
    press(panel, "Ctrl+Right")
    qtbot.mouseClick(panel.bar, Qt.MouseButton.LeftButton, pos=QPoint(50, 30))
    assert asked == []


def test_anew_with_another_session_shows_that_one(panel, scene, without_brains):
    other = scene_of(without_brains, 30.0)
    scene.forget()
    for name in ("opening", "playhead", "overview"):
        setattr(scene, name, getattr(other, name))
    scene.at(other.now_ns, 0, 0.0)
    panel.anew()
    assert panel.time.text().startswith("log 0:30.0 of ")
    assert panel.bar.overview is other.overview


def test_while_it_plays_the_playhead_moves_with_the_scene(panel, scene):
    before = panel.bar.playhead_ns
    scene.at(before, scene.local_ns, 2.0)
    scene.local_ns += 3 * NS_PER_S
    panel.refresh()
    assert panel.bar.playhead_ns == before + 6 * NS_PER_S
    assert panel.time.text().startswith("log 8:06.0 of ")
    assert " · task 8:05 · " in panel.time.text()


# -- what it asks


def test_play_and_pause_by_button_and_by_space(panel, scene, asked, qtbot):
    qtbot.mouseClick(panel.play, Qt.MouseButton.LeftButton)
    replace(scene, playing=True)
    panel.refresh()
    assert panel.play.text() == "Pause"
    press(panel, "Space")
    assert asked == [Steer(0, "play"), Steer(0, "pause")]


def test_steps_by_button_and_by_key(panel, asked, qtbot):
    qtbot.mouseClick(panel.forward, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(panel.back, Qt.MouseButton.LeftButton)
    press(panel, "Ctrl+Right")
    press(panel, "Ctrl+Left")
    assert asked == [Steer(0, "step", by) for by in (1.0, -1.0, 1.0, -1.0)]


def test_plus_and_minus_go_through_the_speeds_and_stop_at_the_ends(panel, scene, asked):
    for speed in SPEEDS:
        replace(scene, speed=speed)
        panel.refresh()
        assert panel.speed.currentData() == speed
        press(panel, "+")
    replace(scene, speed=3.0)
    panel.refresh()
    assert (panel.speed.currentIndex(), panel.speed.placeholderText()) == (-1, "3 ×")
    press(panel, "-")
    press(panel, "=")
    assert [one.value for one in asked] == [*SPEEDS[1:], 2.0, 5.0]


def test_a_speed_is_chosen_from_the_list(panel, asked):
    panel.speed.activated.emit(SPEEDS.index(10.0))
    assert asked == [Steer(0, "speed", 10.0)]


def test_a_click_on_the_bar_goes_there(panel, scene, asked, qtbot):
    t_ns = scene.playhead.begin_ns + 100 * NS_PER_S
    qtbot.mouseClick(panel.bar, Qt.MouseButton.LeftButton, pos=place(panel, t_ns))
    (steer,) = asked
    assert steer.verb == "seek"
    assert steer.value == pytest.approx(100.0, abs=1.0)


def test_a_click_on_a_mark_goes_to_its_very_moment(panel, scene, asked, qtbot):
    sign = [sign for sign in panel.bar.signs if sign.mark == "◆"][-1]
    qtbot.mouseClick(panel.bar, Qt.MouseButton.LeftButton, pos=place(panel, sign.t_ns, y=4) - QPoint(2, 0))
    (steer,) = asked
    assert scene.playhead.begin_ns + round(steer.value * NS_PER_S) == sign.t_ns
    assert sign.sentence in panel.bar.tip_at(QPointF(place(panel, sign.t_ns, y=4)))


def test_a_drag_asks_for_one_moment_at_a_time_and_for_the_last_one_at_the_end(panel, scene, asked, qtbot):
    begin_ns = scene.playhead.begin_ns
    at = [place(panel, begin_ns + s * NS_PER_S) for s in (100, 200, 300, 400)]
    qtbot.mousePress(panel.bar, Qt.MouseButton.LeftButton, pos=at[0])
    for one in at[1:]:
        qtbot.mouseMove(panel.bar, one)
        asked.go(60)
        panel.refresh()
    assert len(asked) == 1, "the moment before has not come yet"
    assert panel.bar.playhead_ns == pytest.approx(begin_ns + 400 * NS_PER_S, abs=NS_PER_S)
    panel.anew()
    qtbot.mouseRelease(panel.bar, Qt.MouseButton.LeftButton, pos=at[-1])
    assert [one.value for one in asked] == pytest.approx([100.0, 400.0], abs=1.0)


def test_moments_are_asked_for_no_more_than_ten_times_a_second(panel, scene, asked, qtbot):
    qtbot.mousePress(panel.bar, Qt.MouseButton.LeftButton, pos=place(panel, scene.playhead.begin_ns))
    for step in range(60):  # two seconds of thirty drawings, each answered at once
        qtbot.mouseMove(panel.bar, place(panel, scene.playhead.begin_ns + step * 5 * NS_PER_S))
        asked.go(33)
        panel.anew()
    assert 10 <= len(asked) <= 21


def test_a_seek_that_is_never_answered_does_not_hold_up_the_next_for_ever(panel, scene, asked, qtbot):
    for seconds in (50, 60):
        pos = place(panel, scene.playhead.begin_ns + seconds * NS_PER_S)
        qtbot.mouseClick(panel.bar, Qt.MouseButton.LeftButton, pos=pos)
    assert len(asked) == 1
    asked.go(2001)
    panel.refresh()
    assert [one.value for one in asked] == pytest.approx([50.0, 60.0], abs=1.0)


def test_the_menu_goes_to_a_trial_by_its_number_and_to_what_people_did(panel, scene, asked, recorded, qtbot):
    events = read_events(recorded / "session.mcap")
    ready = scene.opening.states.index("READY")
    opens = events["arrival_ns"][(events["kind"] == Kind.STATE) & (events["state"] == ready)]
    panel.menu.trial.setValue(7)
    qtbot.mouseClick(panel.menu.go, Qt.MouseButton.LeftButton)
    asked.go(200)
    panel.anew()
    panel.menu.lists["◆"].actions()[0].trigger()
    moments = [scene.playhead.begin_ns + round(one.value * NS_PER_S) for one in asked]
    acts = events[events["kind"] == Kind.OPERATOR]
    assert moments == [int(opens[6]), int(acts["arrival_ns"][0])]
    assert panel.menu.trial.maximum() == opens.size
    assert not panel.menu.lists["▲"].isEnabled()


def test_below_the_mouse_stands_the_trial_in_words(panel, scene):
    trial = panel.bar.overview.trials[4]
    tip = panel.bar.tip_at(QPointF(panel.bar.x_of((trial.start_ns + trial.end_ns) // 2), 40.0))
    assert tip.endswith(f": trial 5: {Outcome(trial.code).name.lower()}")


@pytest.mark.parametrize("hours", [0, 11])
@pytest.mark.parametrize(
    ("width", "height"), [(1580, 110), (1000, 110), (800, 140), (760, 140), (570, 140), (320, 220), (240, 84)]
)
def test_everything_is_within_the_panel_whatever_its_size(panel, scene, qapp, width, height, hours):
    if hours:
        replace(scene, end_ns=scene.playhead.begin_ns + 12 * 3600 * NS_PER_S)
        scene.at(scene.playhead.begin_ns + hours * 3600 * NS_PER_S, scene.local_ns, 0.0)
        panel.refresh()
        assert panel.time.text().startswith("log 11:00:00.0 of 12:00:00.0 · task 10:59:59 · ")
    panel.resize(width, height)
    qapp.processEvents()
    if width > 320 or not hours:  # twelve hours in both clocks are cut off in the smallest panels
        assert panel.time.width() >= min(panel.time.fontMetrics().horizontalAdvance(panel.time.text()), width - 20)
    for widget in (panel.play, panel.back, panel.forward, panel.speed, panel.time, panel.bar):
        corner = widget.mapTo(panel, QPoint(widget.width(), widget.height()))
        assert corner.y() <= panel.height()
        if width >= 320:
            assert corner.x() <= panel.width()


def test_times_are_written_in_few_and_round_steps():
    assert [tick_s(720.0, 1500.0), tick_s(21_600.0, 1500.0), tick_s(21_600.0, 300.0)] == [60, 1800, 7200]
    assert [precise(0.04), precise(59.96), precise(3725.5)] == ["0:00.0", "1:00.0", "1:02:05.5"]
    assert clock_time(1_700_000_000 * NS_PER_S) == time.strftime("%H:%M:%S", time.localtime(1_700_000_000))


def test_a_strip_goes_from_times_to_places_and_back_within_the_session():
    scale = Scale(1000, 3000, 200.0)
    assert [scale.x(1000), scale.x(2000), scale.x(3000)] == [0.0, 100.0, 200.0]
    assert [scale.t_ns(50.0), scale.t_ns(-9.0), scale.t_ns(999.0)] == [1500, 1000, 3000]

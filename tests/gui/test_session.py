"""The session's panel: what it shows of a log and of literal sessions, and what each of its buttons asks."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QAbstractButton

from controller.calibration import Calibration
from controller.calibration.points import ValveEntry, ValvePoint
from controller.fast import run
from controller.log import read_events, read_metadata
from controller.messages import Request
from controller.messages.view import Note
from gui.panel import find_panels
from gui.panels.session import SessionPanel
from gui.scene import Scene
from realtime.records import EVENT, NS_PER_MS, NS_PER_S, Flag, Kind, Outcome
from tests.gui.conftest import order_of, scene_of
from tests.gui.sessions import COUNTS, OPENING, SETUP, STANDING, START_NS, STATES, changed, running, say
from tests.realtime.kernels import COMPILED_HERE


@pytest.fixture
def shown(panels):
    """Shows a scene in the panel, and keeps what it asks in its list ``wanted``."""
    made = panels(SessionPanel, 420, 640)

    def show(scene: Scene, *size: int) -> SessionPanel:
        panel = made(scene, *size)
        panel.wanted = []
        panel.asked.connect(panel.wanted.append)
        panel.anew()
        panel.refresh()
        return panel

    return show


def press(qtbot, *buttons: QAbstractButton) -> None:
    for button in buttons:
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def note(qtbot, panel: SessionPanel, text: str) -> None:
    """Write a note and send it."""
    panel.notes.field.setText(text)
    press(qtbot, panel.notes.add)


def cells(panel: SessionPanel, row: str) -> tuple[str, str]:
    """What stands in a row of the table of what was given."""
    return panel.given.cells[row, 0].text(), panel.given.cells[row, 1].text()


def test_the_window_finds_the_panel():
    found = next(panel for panel in find_panels() if panel.name == "session")
    assert (found.title, found.area, found.order, found.stretch, found.key) == ("Session", "left", 10, 5, "Ctrl+1")


# --- what a log says


def edges(events: np.ndarray, on: Kind, animal: int) -> tuple[np.ndarray, np.ndarray]:
    """When something of an animal went on, and for how long it stayed so [ns], of what is off again."""
    mine = events[events["animal"] == animal]
    rises, falls = mine[mine["kind"] == on]["t_ns"], mine[mine["kind"] == on + 1]["t_ns"]
    return rises, falls - rises[: falls.size]


def test_water_light_rewards_and_trial_are_those_of_the_log(recorded, shown):
    panel = shown(scene_of(recorded, 480.0))
    log = recorded / "session.mcap"
    start_ns = int(read_metadata(log)["clock"]["start_ns"])
    events = read_events(log)
    events = events[events["arrival_ns"] <= start_ns + 480 * NS_PER_S]
    by_hand = events[(events["kind"] == Kind.COMMAND) & (events["flags"] & Flag.FREE != 0)].size
    assert by_hand == 0
    for animal in (0, 1):
        opened, open_ns = edges(events, Kind.VALVE_ON, animal)
        _, lit_ns = edges(events, Kind.LASER_ON, animal)
        assert opened.size > 5
        assert cells(panel, "earned")[animal] == str(opened.size)
        assert cells(panel, "free")[animal] == "0"
        assert cells(panel, "open")[animal] == f"{open_ns.sum() / 1e9:.2f} s"
        assert cells(panel, "light")[animal] == f"{lit_ns.sum() / 1e9:.1f} s"
        assert cells(panel, "water")[animal] == "not calibrated"
        sentence = f"not calibrated: {open_ns.sum() / 1e9:.2f} s of valve open in {opened.size} openings"
        assert panel.given.cells["water", animal].toolTip() == sentence
    trials = events[events["kind"] == Kind.TRIAL]["trial"]
    assert panel.trial.text() in {f"trial {trials.max()}", f"trial {trials.max() + 1}"}
    task_start_ns = int(events[events["kind"] == Kind.OPERATOR]["t_ns"].max())
    elapsed_s = int((start_ns + 480 * NS_PER_S - task_start_ns) / 1e9)
    assert panel.time.text() == f"{elapsed_s // 60}:{elapsed_s % 60:02d} of 10:00 min"
    assert panel.progress.value() == round(1000 * elapsed_s / 600)


def test_the_state_in_words_is_the_last_one_of_the_log(recorded, shown):
    log = recorded / "session.mcap"
    start_ns = int(read_metadata(log)["clock"]["start_ns"])
    events = read_events(log)
    opened_ns = events[(events["kind"] == Kind.TRIAL) & (events["value"] == Outcome.SUCCESS)]["arrival_ns"][3]
    panel = shown(scene_of(recorded, (opened_ns - start_ns) / 1e9 + 0.5))
    assert panel.state.text() == "success"


def a_valve(line: str, ul_per_ms: float) -> ValveEntry:
    points = tuple(
        ValvePoint(duration_ms=ms, opened_ms=ms, pulses=100, grams=ms * ul_per_ms / 10) for ms in (10, 20, 40, 80)
    )
    return ValveEntry(line=line, date=datetime(2026, 11, 22, tzinfo=UTC), density_g_per_ml=1.0, points=points)


def test_water_of_a_calibrated_session_is_the_curve_of_every_opening(tmp_path, shown):
    if not COMPILED_HERE:
        pytest.skip("compilation is switched off")
    order = changed_order(order_of("virtual.toml", tmp_path, 3.0))
    folder = run(order).folder
    panel = shown(scene_of(folder, 170.0))
    log = folder / "session.mcap"
    events = read_events(log)
    events = events[events["arrival_ns"] <= int(read_metadata(log)["clock"]["start_ns"]) + 170 * NS_PER_S]
    for animal, ul_per_ms in enumerate((0.1, 0.125)):
        opened, open_ns = edges(events, Kind.VALVE_ON, animal)
        water_ul = (open_ns / NS_PER_MS * ul_per_ms).sum()
        assert water_ul > 3.0
        assert cells(panel, "water")[animal] == f"{water_ul:.1f} µl"
        sentence = f"{water_ul:.1f} µl: {open_ns.sum() / 1e9:.2f} s of valve open in {opened.size} openings"
        assert panel.given.cells["water", animal].toolTip() == sentence


def changed_order(order):
    """The same order, of a rig whose valves give 0.1 and 0.125 µl per ms."""
    from dataclasses import replace

    return replace(order, calibration=Calibration(valves=(a_valve("valve_a", 0.1), a_valve("valve_b", 0.125))))


# --- what a literal session shows


def test_a_running_session_is_shown_in_words(shown):
    panel = shown(running())
    assert panel.who.text() == "A: m1   B: m2   day 7"
    assert panel.stage.text() == "stage 2 of 3: window 1.5 s"
    assert panel.state.text() == "running: trial open"
    assert panel.time.text() == "10:00 of 30:00 min"
    assert panel.trial.text() == "trial 59"
    assert panel.progress.value() == 333
    assert [cells(panel, row) for row in ("water", "open", "earned", "free", "light")] == [
        ("117.0 µl", "not calibrated"),
        ("1.17 s", "1.23 s"),
        ("37 · 114.0 µl", "38"),
        ("2 · 3.0 µl", "3"),
        ("12.3 s", "0.0 s"),
    ]


def test_the_number_of_trials_stands_beside_the_trial_where_it_ends_the_session(shown):
    assert shown(say(running(), changed(OPENING, trials=120))).trial.text() == "trial 59 of 120"
    assert shown(running(trial=0)).trial.text() == "trial: not yet"


def test_a_fixed_window_is_no_stage(shown):
    panel = shown(say(running(), changed(OPENING, schedule="fixed", stages_ns=[COUNTS.window_ns])))
    assert panel.stage.text() == "window 1.5 s, fixed"


def test_two_machines_are_told_apart(shown):
    both = changed(COUNTS, states=[STATES.index("SUCCESS"), STATES.index("ITI")])
    panel = shown(say(running(), changed(OPENING, machines=[0, 1]), both))
    assert panel.state.text() == "running: A: success, B: between trials"


@pytest.mark.parametrize(
    ("state", "words"), [("LIT", "trial open, shared state high"), ("CALM", "trial open, shared state fell")]
)
def test_what_a_trial_waits_for_is_said_in_words_and_not_by_a_states_name(shown, state, words):
    panel = shown(say(running(), changed(OPENING, states=[state]), changed(COUNTS, states=[0])))
    assert panel.state.text() == f"running: {words}"


@pytest.mark.parametrize("machines", [[0], [0, 1]])
def test_where_each_animal_is_judged_alone_there_is_no_window_and_no_stage(shown, machines):
    panel = shown(say(running(), changed(OPENING, machines=machines)))
    assert panel.stage.text() == "no window: each animal is judged alone"


def test_the_clock_stands_still_once_the_task_has_finished(shown):
    scene = running("FINISHED", after_s=1000.0, finished=True)
    scene.states = {0: (STATES.index("FINISHED"), START_NS + 754 * NS_PER_S)}
    assert shown(scene).time.text() == "12:34 of 30:00 min"


def test_a_session_without_counts_says_not_yet(shown):
    panel = shown(say(Scene(), OPENING, changed(STANDING, phase="compiling")))
    assert (panel.state.text(), panel.trial.text(), panel.stage.text()) == (
        "compiling",
        "trial: not yet",
        "window: not yet",
    )
    assert cells(panel, "water") == ("not yet", "not yet")
    assert not panel.controls.rewards["A"].isEnabled()
    assert panel.controls.why.text() == "not now: the session is compiling; wait until it runs"


def test_an_empty_scene_is_a_quiet_sentence(shown):
    panel = shown(Scene())
    assert panel.pages.currentWidget() is panel.empty
    assert panel.empty.text() == "not yet: no session has said anything"


def test_the_setup_gives_way_to_the_session_that_begins(shown):
    scene = say(Scene(), SETUP)
    panel = shown(scene)
    assert panel.form.isVisible()
    say(scene, OPENING, COUNTS, STANDING)
    panel.refresh()
    assert not panel.form.isVisible()
    assert panel.controls.pause.isVisible()


def test_nothing_is_drawn_again_while_nothing_has_changed(shown):
    scene = running()
    panel = shown(scene)
    panel.trial.setText("as it was left")
    scene.changes["frame"] = 1000
    panel.refresh()
    assert panel.trial.text() == "as it was left"
    say(scene, changed(COUNTS, trial=60))
    panel.refresh()
    assert panel.trial.text() == "trial 60"


# --- what is asked


@pytest.mark.parametrize(
    ("state", "button", "asked"),
    [
        ("READY", lambda c: c.pause, Request("pause")),
        ("PAUSED", lambda c: c.pause, Request("resume")),
        ("READY", lambda c: c.rewards["A"], Request("reward", "A")),
        ("READY", lambda c: c.rewards["B"], Request("reward", "B")),
        ("PAUSED", lambda c: c.lasers["A"], Request("laser", "A")),
        ("PAUSED", lambda c: c.lasers["B"], Request("laser", "B")),
        ("READY", lambda c: c.arm, Request("disarm")),
    ],
)
def test_each_button_asks_exactly_one_thing(shown, qtbot, state, button, asked):
    panel = shown(running(state))
    press(qtbot, button(panel.controls))
    assert panel.wanted == [asked]


def test_a_space_bar_after_a_click_gives_nothing_a_second_time(shown, qtbot):
    panel = shown(running())
    panel.activateWindow()
    qtbot.waitUntil(panel.isActiveWindow)
    panel.notes.list.setFocus()
    press(qtbot, panel.controls.rewards["A"])
    qtbot.keyClick(panel.window().focusWidget() or panel, Qt.Key.Key_Space)
    assert panel.wanted == [Request("reward", "A")]


def test_pause_becomes_resume_where_every_machine_is_paused(shown):
    assert shown(running("PAUSED")).controls.pause.text() == "&Resume"
    assert shown(running("ITI")).controls.pause.text() == "&Pause"
    both = say(running(), changed(OPENING, machines=[0, 1]))
    say(both, changed(COUNTS, states=[STATES.index("PAUSED"), STATES.index("ITI")]))
    assert shown(both).controls.pause.text() == "&Pause"


def test_a_reward_says_how_long_it_opens_the_valve(shown):
    controls = shown(running()).controls
    assert "A's valve for 30 ms" in controls.rewards["A"].toolTip()
    assert "B's valve for 25.5 ms" in controls.rewards["B"].toolTip()


@pytest.mark.parametrize(
    ("second_s", "asked"),
    [(0.1, []), (0.5, [Request("arm")]), (2.9, [Request("arm")]), (3.1, [])],
)
def test_arming_takes_a_second_click_within_three_seconds(shown, qtbot, second_s, asked):
    scene = running("PAUSED", armed=False)
    scene.local_ns = 50 * NS_PER_S
    panel = shown(scene)
    assert panel.controls.arm.text() == "Lasers disarmed: ar&m"
    press(qtbot, panel.controls.arm)
    assert (panel.wanted, panel.controls.arm.text()) == ([], "Click again to ar&m")
    scene.local_ns += round(second_s * NS_PER_S)
    press(qtbot, panel.controls.arm)
    assert panel.wanted == asked


def test_the_first_click_is_forgotten_after_three_seconds(shown, qtbot):
    scene = running(armed=False)
    panel = shown(scene)
    press(qtbot, panel.controls.arm, panel.controls.stop)
    assert panel.controls.stop.text() == "Click again to &stop"
    scene.local_ns = 3 * NS_PER_S + 1
    panel.refresh()
    assert panel.controls.arm.text() == "Lasers disarmed: ar&m"
    assert panel.controls.stop.text() == "&Stop session"


def test_arm_shows_what_the_session_says_and_not_what_was_clicked(shown, qtbot):
    scene = running(armed=True)
    panel = shown(scene)
    press(qtbot, panel.controls.arm)
    assert panel.wanted == [Request("disarm")]
    assert panel.controls.arm.isChecked()
    assert panel.controls.arm.text() == "Lasers ARMED: disar&m"
    say(scene, changed(COUNTS, armed=False))
    panel.refresh()
    assert not panel.controls.arm.isChecked()
    scene.local_ns = NS_PER_S
    press(qtbot, panel.controls.arm)
    scene.local_ns = 2 * NS_PER_S
    press(qtbot, panel.controls.arm)
    assert panel.wanted[1:] == [Request("arm")]
    assert not panel.controls.arm.isChecked()


def test_the_orderly_stop_takes_a_second_click(shown, qtbot):
    scene = running()
    panel = shown(scene)
    press(qtbot, panel.controls.stop)
    assert panel.wanted == []
    scene.local_ns = NS_PER_S
    press(qtbot, panel.controls.stop)
    assert panel.wanted == [Request("stop")]


# --- what can be asked


@pytest.mark.parametrize(
    ("state", "armed", "why"),
    [
        ("PAUSED", True, ""),
        ("PAUSED", False, "the lasers are not armed; arm them first"),
        ("ITI", True, "a laser test would be light in a trial; pause first"),
        ("IDLE", True, "a laser test would be light in a trial; pause first"),
    ],
)
def test_a_laser_is_tested_only_while_armed_and_paused(shown, state, armed, why):
    controls = shown(running(state, armed=armed)).controls
    for animal in ("A", "B"):
        assert controls.lasers[animal].isEnabled() == (not why)
        assert controls.lasers[animal].toolTip().startswith("Not now: " + why if why else "Lights ")
    assert controls.why.text() == (f"laser test: {why}" if why else "")


def test_what_has_no_laser_has_no_button(shown):
    controls = shown(say(running("PAUSED"), changed(OPENING, lasers=(False, True)))).controls
    assert [controls.lasers[animal].isVisible() for animal in ("A", "B")] == [False, True]
    panel = shown(say(running("PAUSED"), changed(OPENING, lasers=(False, False))))
    assert not panel.controls.arm.isVisible()
    assert panel.controls.why.text() == ""
    assert cells(panel, "light") == ("no laser", "no laser")


def test_while_a_device_is_away_only_what_needs_none_can_be_asked(shown):
    controls = shown(say(running("PAUSED"), changed(STANDING, away=["board", "head_a"]))).controls
    needing = [controls.pause, *controls.rewards.values(), *controls.lasers.values()]
    assert not any(button.isEnabled() for button in needing)
    assert controls.rewards["A"].toolTip() == "Not now: board, head_a is not ready; wait until it is back."
    assert controls.arm.isEnabled(), "disarming needs no device to be ready"
    assert controls.stop.isEnabled()


@pytest.mark.parametrize("ended", [{"finished": True}, {}])
def test_nothing_can_be_asked_of_a_session_that_has_ended(shown, ended):
    scene = running(**ended)
    if not ended:
        say(scene, changed(STANDING, phase="ending"))
    panel = shown(scene)
    controls = panel.controls
    buttons = [controls.pause, controls.stop, controls.arm, *controls.rewards.values(), *controls.lasers.values()]
    assert not any(button.isEnabled() for button in buttons)
    assert not panel.notes.add.isEnabled()
    assert controls.why.text() == "not now: the session has ended"


def test_in_a_replay_nothing_can_be_given(recorded, shown):
    panel = shown(scene_of(recorded, 480.0))
    assert not panel.controls.isVisible()
    assert not panel.notes.field.isVisible()
    assert panel.replay.isVisible()
    assert panel.replay.text() == "this is a replay: nothing can be given"


# --- answers and notes


def test_an_answer_stands_until_the_next_and_a_refusal_is_marked(shown, theme):
    panel = shown(running())
    panel.answered("reward: done, and logged", True)
    assert panel.answer.text() == "reward: done, and logged"
    panel.answered("board is not ready; wait until it is back", False)
    assert panel.answer.text() == "⚠ board is not ready; wait until it is back"
    assert theme.warn in panel.answer.styleSheet()
    panel.answered("pause: done, and logged", True)
    assert theme.warn not in panel.answer.styleSheet()
    panel.anew()
    assert panel.answer.text() == ""


def test_a_note_stays_in_the_field_until_it_is_in_the_log(shown, qtbot):
    scene = running()
    say(scene, Note(1, START_NS, "B's port was wet"))
    panel = shown(scene)
    qtbot.keyClicks(panel.notes.field, " B's port was wet ")
    qtbot.keyClick(panel.notes.field, Qt.Key.Key_Return)
    assert panel.wanted == [Request("note", text="B's port was wet")]
    qtbot.keyClick(panel.notes.field, Qt.Key.Key_Return)
    assert len(panel.wanted) == 1, "it is on its way"
    say(scene, changed(COUNTS, trial=60))
    panel.refresh()
    panel.answered("note: done, and logged", True)
    assert panel.notes.field.text() == " B's port was wet ", "the note of the same words was there before"
    say(scene, Note(2, START_NS + 83 * NS_PER_S, "B's port was wet"))
    panel.refresh()
    assert panel.notes.field.text() == ""


def test_a_refused_note_may_be_sent_again(shown, qtbot):
    panel = shown(running())
    note(qtbot, panel, "dried it")
    panel.answered("the loop does not take events; the session is ending", False)
    assert panel.notes.field.text() == "dried it"
    press(qtbot, panel.notes.add)
    assert panel.wanted == [Request("note", text="dried it")] * 2


def test_a_note_that_never_came_may_be_sent_again_after_five_seconds(shown, qtbot):
    scene = running()
    panel = shown(scene)
    note(qtbot, panel, "dried it")
    scene.local_ns = 5 * NS_PER_S
    press(qtbot, panel.notes.add)
    assert panel.wanted == [Request("note", text="dried it")] * 2


def test_what_is_written_meanwhile_is_not_lost(shown, qtbot):
    scene = running()
    panel = shown(scene)
    note(qtbot, panel, "first")
    panel.notes.field.setText("second")
    say(scene, Note(1, START_NS, "first"))
    panel.refresh()
    assert panel.notes.field.text() == "second"
    press(qtbot, panel.notes.add)
    assert panel.wanted[-1] == Request("note", text="second")


def test_an_empty_note_asks_nothing(shown, qtbot):
    panel = shown(running())
    note(qtbot, panel, "   ")
    assert panel.wanted == []


def test_notes_are_listed_newest_first_with_both_times(shown):
    scene = say(running(), Note(1, START_NS + 5 * NS_PER_S, "one"))
    panel = shown(scene)
    say(scene, Note(2, START_NS + 3725 * NS_PER_S, "two"))
    panel.refresh()
    lines = [panel.notes.list.item(row).text() for row in range(panel.notes.list.count())]
    first = datetime.fromtimestamp(1_795_339_467, UTC).astimezone()
    second = datetime.fromtimestamp(1_795_339_462 + 3725, UTC).astimezone()
    assert lines == [f"{second:%H:%M:%S} · 1:02:05 min · two", f"{first:%H:%M:%S} · 0:05 min · one"]
    assert not panel.notes.quiet.isVisible()


def test_another_session_begins_with_no_notes(shown):
    scene = say(running(), Note(1, START_NS, "of before"))
    panel = shown(scene)
    scene.forget()
    say(scene, changed(OPENING, session="another"), COUNTS, STANDING, Note(1, START_NS, "of now"))
    panel.anew()
    panel.refresh()
    assert panel.notes.list.count() == 1
    assert panel.notes.list.item(0).text().endswith("of now")


# --- keys


@pytest.mark.parametrize(
    ("key", "modifiers", "asked"),
    [
        (Qt.Key.Key_P, "ctrl", [Request("resume")]),
        (Qt.Key.Key_A, "ctrl shift", [Request("reward", "A")]),
        (Qt.Key.Key_B, "ctrl shift", [Request("reward", "B")]),
        (Qt.Key.Key_M, "ctrl shift", [Request("disarm")]),
        (Qt.Key.Key_L, "ctrl", [Request("laser", "A")]),
        (Qt.Key.Key_L, "ctrl shift", [Request("laser", "B")]),
        (Qt.Key.Key_P, "", []),
        (Qt.Key.Key_Space, "", []),
        (Qt.Key.Key_A, "", []),
    ],
)
def test_keys_ask_what_their_buttons_ask(shown, qtbot, key, modifiers, asked):
    panel = shown(running("PAUSED"))
    panel.activateWindow()
    qtbot.waitUntil(panel.isActiveWindow)
    panel.setFocus()
    pressed = Qt.KeyboardModifier.NoModifier
    if "ctrl" in modifiers:
        pressed |= Qt.KeyboardModifier.ControlModifier
    if "shift" in modifiers:
        pressed |= Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(panel, key, pressed)
    assert panel.wanted == asked


def test_a_key_whose_button_cannot_be_pressed_says_why(shown, qtbot):
    panel = shown(running("READY"))
    panel.activateWindow()
    qtbot.waitUntil(panel.isActiveWindow)
    qtbot.keyClick(panel, Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier)
    assert panel.wanted == []
    assert panel.answer.text() == "⚠ Not now: a laser test would be light in a trial; pause first."


def test_a_key_leads_to_the_note(shown, qtbot):
    panel = shown(running())
    panel.activateWindow()
    qtbot.waitUntil(panel.isActiveWindow)
    qtbot.keyClick(panel, Qt.Key.Key_N, Qt.KeyboardModifier.ControlModifier)
    assert panel.notes.field.hasFocus()


def test_every_key_of_the_help_is_one_of_the_panel(shown):
    from PyQt6.QtGui import QShortcut

    panel = shown(running())
    assert {keys for keys, _ in panel.help()} == {
        shortcut.key().toString() for shortcut in panel.findChildren(QShortcut)
    }


def test_states_come_from_events_before_the_counts_do(shown):
    scene = running("READY")
    event = np.zeros(1, EVENT)
    event["kind"], event["state"], event["t_ns"] = Kind.STATE, STATES.index("PAUSED"), START_NS + 599 * NS_PER_S
    scene.states[0] = (STATES.index("READY"), START_NS)
    scene._take_events(event)
    scene.changes["records"] = 1
    assert shown(scene).controls.pause.text() == "&Resume"


def test_a_small_panel_scrolls_and_is_no_wider_than_its_place(shown, tmp_path: Path):
    panel = shown(running(), 320, 220)
    assert panel.size().width() == 320
    assert panel.controls.width() <= 320 - 16

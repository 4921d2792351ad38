"""The form in which a session is set up: what it shows, what it asks, and when it lets a session begin."""

import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtWidgets import QFileDialog

from controller.messages import Request
from controller.messages.view import Choice, Setup
from gui.parts.setup_form import NOT_A_NUMBER, SetupForm
from gui.scene import Scene
from tests.gui.sessions import PROBLEMS, SETUP, STANDING, changed, say

AS_IT_IS = Choice(0, ("m1", "m2"), 7, 30.0, None, "sessions")


@pytest.fixture
def shown(qtbot, theme):
    """Shows a setup in a form, and keeps what it asks in its list ``wanted``."""

    def show(setup: Setup, phase: str = "") -> SetupForm:
        form = SetupForm(theme)
        form.wanted = []
        form.asked.connect(form.wanted.append)
        qtbot.addWidget(form)
        form.resize(420, 600)
        form.show()
        form.show_setup(setup, phase)
        return form

    return show


def write(qtbot, field, text: str, key: Qt.Key = Qt.Key.Key_Return) -> None:
    """Write into a field as a person does, and end with a key."""
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, key)


def test_everything_that_is_set_up_is_shown(shown):
    form = shown(changed(SETUP, trials=120, remarks=["valve_a was calibrated 34 days ago", "the disk is half full"]))
    assert (form.rig.text(), form.path.text(), form.task.text()) == ("bench", "rigs/bench.toml", "cooperation")
    assert form.mode.text() == "LIVE: real devices"
    assert [field.text() for field in form.subjects] == ["m1", "m2"]
    assert (form.day.value(), form.minutes.value(), form.trials.text()) == (7, 30.0, "120")
    assert form.output.text() == "sessions"
    assert form.window_words.text() == "1.5 s, stage 2 of 3"
    assert form.remarks.text() == "· valve_a was calibrated 34 days ago\n· the disk is half full"
    assert form.wanted == [], "showing asks nothing"


def test_no_number_of_trials_is_an_empty_field(shown):
    assert shown(SETUP).trials.text() == ""


def test_a_virtual_rig_says_so(shown):
    assert shown(changed(SETUP, mode="VIRTUAL")).mode.text().startswith("VIRTUAL")


@pytest.mark.parametrize(
    ("edit", "asked"),
    [
        (lambda form: (form.subjects[0], "x9"), changed(AS_IT_IS, subjects=("x9", "m2"))),
        (lambda form: (form.subjects[1], " x9 "), changed(AS_IT_IS, subjects=("m1", "x9"))),
        (lambda form: (form.day, "12"), changed(AS_IT_IS, day=12)),
        (lambda form: (form.minutes, "45.5"), changed(AS_IT_IS, minutes=45.5)),
        (lambda form: (form.trials, "150"), changed(AS_IT_IS, trials=150)),
        (lambda form: (form.output, "/data"), changed(AS_IT_IS, output="/data")),
    ],
)
def test_a_field_that_was_changed_is_asked_as_a_whole_choice(shown, qtbot, edit, asked):
    form = shown(SETUP)
    field, text = edit(form)
    write(qtbot, field, text)
    assert form.wanted == [asked]
    write(qtbot, field, text)
    assert form.wanted == [asked], "the same once more asks nothing"


def test_a_number_of_trials_can_be_taken_back(shown, qtbot):
    form = shown(changed(SETUP, trials=100))
    form.trials.setFocus()
    form.trials.selectAll()
    qtbot.keyClick(form.trials, Qt.Key.Key_Delete)
    qtbot.keyClick(form.trials, Qt.Key.Key_Return)
    assert form.wanted == [AS_IT_IS]


@pytest.mark.parametrize("written", ["many", "0", "-3", "1.5"])
def test_what_is_no_number_of_trials_is_told_at_once_and_hinders_the_start(shown, qtbot, written):
    form = shown(SETUP)
    write(qtbot, form.trials, written)
    assert form.wanted == []
    assert form.problems["trials"].text() == f"⚠ {NOT_A_NUMBER}"
    assert not form.start.isEnabled()
    assert form.why.text() == "⚠ 1 thing to correct"


def test_each_problem_stands_below_its_field(shown, theme):
    form = shown(changed(SETUP, problems=PROBLEMS))
    visible = {name: label.text() for name, label in form.problems.items() if label.isVisible()}
    assert visible == {
        "subjects": "⚠ A and B have the same name; name two animals",
        "minutes": "⚠ 0 min is no session; give at least 0.02",
        "output": "⚠ /data cannot be written; choose another folder",
    }
    for name, field, after in (
        ("subjects", form.subjects[1], form.day),
        ("minutes", form.minutes, form.trials),
        ("output", form.output, form.start),
    ):
        label = form.problems[name]
        top, bottom = (label.mapTo(form, place).y() for place in (label.rect().topLeft(), label.rect().bottomLeft()))
        assert field.mapTo(form, field.rect().bottomLeft()).y() < top
        assert bottom < after.mapTo(form, after.rect().topLeft()).y()
        assert theme.warn in label.styleSheet()


def test_two_problems_of_one_field_are_both_told(shown):
    form = shown(changed(SETUP, problems=[PROBLEMS[0], changed(PROBLEMS[0], sentence="B has no name")]))
    assert form.problems["subjects"].text() == "⚠ A and B have the same name; name two animals\n⚠ B has no name"
    assert form.why.text() == "⚠ 2 things to correct"


def test_a_session_starts_only_without_a_problem(shown, qtbot):
    form = shown(changed(SETUP, problems=PROBLEMS))
    assert not form.start.isEnabled()
    assert form.why.text() == "⚠ 3 things to correct"
    qtbot.mouseClick(form.start, Qt.MouseButton.LeftButton)
    assert form.wanted == []
    form.show_setup(SETUP, "")
    assert form.why.text() == ""
    assert not any(label.isVisible() for label in form.problems.values())
    qtbot.mouseClick(form.start, Qt.MouseButton.LeftButton)
    assert form.wanted == [Request("start")]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda form: (form.subjects[0], "x9"), "the name of subject A"),
        (lambda form: (form.subjects[1], "x9"), "the name of subject B"),
        (lambda form: (form.day, "12"), "the number that you are writing"),
        (lambda form: (form.minutes, "45"), "the number that you are writing"),
        (lambda form: (form.trials, "150"), "the number of trials"),
        (lambda form: (form.trials, "many"), "the number of trials"),
        (lambda form: (form.output, "/data"), "the folder for sessions"),
    ],
)
def test_what_was_written_and_not_sent_is_told_until_it_is_sent(shown, qtbot, edit, words):
    form = shown(SETUP)
    assert form.unsent() == ""
    field, text = edit(form)
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, text)
    assert form.unsent() == words
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert form.unsent() == ("" if text != "many" else words)
    assert bool(form.wanted) == (text != "many")


def test_what_another_window_has_set_is_nothing_unsent(shown, qtbot):
    form = shown(SETUP)
    write(qtbot, form.subjects[0], "x9")
    form.show_setup(changed(SETUP, subjects=("x9", "m2")), "")
    form.clearFocus()
    form.subjects[0].setModified(False)
    form.show_setup(changed(SETUP, subjects=("of another window", "m2"), day=9, trials=80), "")
    assert form.subjects[0].text() == "of another window"
    assert form.unsent() == ""


def test_where_there_is_little_room_the_fields_scroll_and_the_start_does_not(shown, qtbot):
    form = shown(changed(SETUP, problems=PROBLEMS))
    form.resize(240, 180)
    qtbot.waitUntil(lambda: form.start.geometry().bottom() <= 180)
    assert form.start.visibleRegion().boundingRect() == form.start.rect()
    assert form.output.visibleRegion().isEmpty()
    form.output.setFocus()
    form.resize(420, 600)
    last = form.problems["output"]
    qtbot.waitUntil(lambda: 0 <= form.start.y() - last.mapTo(form, QPoint(0, last.height())).y() < 20)
    assert form.output.visibleRegion().boundingRect() == form.output.rect()


def test_what_was_typed_last_is_asked_before_the_start(shown, qtbot):
    form = shown(SETUP)
    form.subjects[0].setFocus()
    form.subjects[0].selectAll()
    qtbot.keyClicks(form.subjects[0], "x9")
    form.start.click()
    assert form.wanted == [changed(AS_IT_IS, subjects=("x9", "m2")), Request("start")]


def test_while_it_starts_the_phase_is_shown_and_nothing_can_be_changed(shown):
    form = shown(changed(SETUP, starting=True), "identifying devices")
    assert form.why.text() == "identifying devices …"
    fields = [*form.subjects, form.day, form.minutes, form.trials, form.output, form.folder, form.start]
    assert not any(field.isEnabled() for field in fields)
    form.show_setup(SETUP, "")
    assert all(field.isEnabled() for field in fields)


def test_the_panel_shows_the_phase_of_the_session_that_starts(qtbot, theme):
    from gui.panels.session import SessionPanel

    panel = SessionPanel(say(Scene(), changed(SETUP, starting=True), changed(STANDING, phase="compiling")), theme)
    qtbot.addWidget(panel)
    panel.show()
    panel.refresh()
    assert panel.form.why.text() == "compiling …"


def test_a_field_that_a_person_is_at_is_not_written_over(shown, qtbot):
    form = shown(SETUP)
    form.activateWindow()
    qtbot.waitUntil(form.isActiveWindow)
    form.subjects[0].setFocus()
    form.subjects[0].selectAll()
    qtbot.keyClicks(form.subjects[0], "half a na")
    form.show_setup(changed(SETUP, subjects=("of another window", "m5"), day=9), "")
    assert [field.text() for field in form.subjects] == ["half a na", "m5"]
    assert form.day.value() == 9


def test_an_older_answer_takes_no_newer_edit_back(shown, qtbot):
    form = shown(SETUP)
    write(qtbot, form.subjects[0], "x1")
    write(qtbot, form.subjects[1], "x2")
    form.show_setup(changed(SETUP, subjects=("x1", "m2")), "")
    assert [field.text() for field in form.subjects] == ["x1", "x2"]
    write(qtbot, form.day, "8")
    assert form.wanted[-1] == changed(AS_IT_IS, subjects=("x1", "x2"), day=8)


def test_a_folder_is_chosen_in_a_window_that_stops_nothing(shown, qtbot, tmp_path):
    form = shown(SETUP)
    qtbot.mouseClick(form.folder, Qt.MouseButton.LeftButton)
    dialog = form.findChild(QFileDialog)
    assert dialog.isVisible()
    assert not dialog.isModal()
    assert dialog.testOption(QFileDialog.Option.DontUseNativeDialog)
    dialog.setDirectory(str(tmp_path.parent))
    dialog.selectFile(str(tmp_path))
    dialog.accept()
    assert form.output.text() == str(tmp_path)
    assert form.wanted == [changed(AS_IT_IS, output=str(tmp_path))]


def test_fields_are_reached_in_the_order_in_which_they_stand(shown):
    form = shown(SETUP)
    order = [*form.subjects, form.day, form.minutes, form.trials, form.output, form.folder, form.start]
    reached, widget = [], form.subjects[0]
    for _ in range(60):
        if widget in order and widget not in reached:
            reached.append(widget)
        widget = widget.nextInFocusChain()
    assert reached == order

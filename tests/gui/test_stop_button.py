"""The red stop: it acts when it is pressed, it can always be pressed, and it says how far it is."""

import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtGui import QColor, QKeySequence, QShortcut
from PyQt6.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from gui.parts.stop_button import INK, PRESSED_RED, RED, StopButton


@pytest.fixture
def stop(qtbot, theme):
    """The button, with how often it stopped in ``times``."""
    button = StopButton()
    button.times = []
    button.stopped.connect(lambda: button.times.append(button.state))
    qtbot.addWidget(button)
    button.show()
    return button


def in_a_window(qtbot, *parts: QWidget) -> QWidget:
    """A window that has these parts, one above the other, and the keyboard."""
    window = QWidget()
    layout = QVBoxLayout(window)
    for part in parts:
        layout.addWidget(part)
    qtbot.addWidget(window)
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    return window


def luminance(name: str) -> float:
    """Relative luminance by WCAG 2."""
    colour = QColor(name)
    parts = [channel / 255 for channel in (colour.red(), colour.green(), colour.blue())]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("button", [Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton])
def test_it_stops_when_the_button_goes_down_and_not_when_it_comes_up(stop, qtbot, button):
    qtbot.mousePress(stop, button)
    assert len(stop.times) == 1
    qtbot.mouseRelease(stop, button)
    assert len(stop.times) == 1


def test_leaving_it_takes_nothing_back(stop, qtbot):
    qtbot.mousePress(stop, Qt.MouseButton.LeftButton)
    qtbot.mouseMove(stop, QPoint(-50, -50))
    qtbot.mouseRelease(stop, Qt.MouseButton.LeftButton, pos=QPoint(-50, -50))
    assert len(stop.times) == 1


def test_every_press_asks_again_in_every_state(stop, qtbot):
    for state in ("idle", "stopping", "stopped"):
        stop.show_state(state)
        assert stop.isEnabled()
        qtbot.mouseClick(stop, Qt.MouseButton.LeftButton)
    assert len(stop.times) == 3


@pytest.mark.parametrize("key", [Qt.Key.Key_Space, Qt.Key.Key_Return])
def test_no_everyday_key_stops_a_session_not_even_after_a_click_on_it(qtbot, theme, key):
    button, times = StopButton(), []
    button.stopped.connect(lambda: times.append(1))
    window = in_a_window(qtbot, button)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.keyClick(window.focusWidget() or window, key)
    qtbot.keyClick(window, Qt.Key.Key_Tab)
    qtbot.keyClick(window.focusWidget() or window, key)
    assert times == [1]


def test_a_program_that_presses_for_a_person_stops(stop):
    stop.click()
    assert len(stop.times) == 1


@pytest.mark.parametrize(
    ("key", "modifier"),
    [
        (Qt.Key.Key_F12, Qt.KeyboardModifier.NoModifier),
        (Qt.Key.Key_Period, Qt.KeyboardModifier.ControlModifier),
    ],
)
def test_its_keys_stop_from_wherever_a_person_writes(qtbot, theme, key, modifier):
    field, button, times = QLineEdit(), StopButton(), []
    button.stopped.connect(lambda: times.append(1))
    window = in_a_window(qtbot, field, button)
    field.setFocus()
    assert window.focusWidget() is field
    qtbot.keyClick(field, key, modifier)
    assert times == [1]


def test_a_key_that_another_part_has_as_well_still_stops(stop, qtbot):
    other = QShortcut(QKeySequence("F12"), stop)
    other.setContext(Qt.ShortcutContext.ApplicationShortcut)
    stop.activateWindow()
    qtbot.waitUntil(stop.isActiveWindow)
    qtbot.keyClick(stop, Qt.Key.Key_F12)
    qtbot.keyClick(stop, Qt.Key.Key_F12)
    assert stop.times


def test_it_says_how_far_it_is(stop, qtbot):
    assert (stop.state, stop.text(), stop.sentence) == ("idle", "STOP", "all off, at once")
    qtbot.mousePress(stop, Qt.MouseButton.LeftButton)
    assert (stop.state, stop.sentence) == ("stopping", "stopping …")
    assert stop.times == ["stopping"], "it shows that it stops before it says so"
    stop.set_answer("stop: done, and logged", True)
    assert (stop.state, stop.sentence) == ("stopping", "stopping …"), "asked is not yet stopped"
    stop.show_state("stopped")
    assert (stop.state, stop.sentence) == ("stopped", "stopped: outputs off")
    assert stop.accessibleName() == "Red stop: stopped: outputs off"
    stop.show_state("stopped", "stopped by Ctrl-C")
    assert stop.sentence == "stopped by Ctrl-C"
    stop.show_state("idle")
    assert stop.accessibleName() == "Red stop: every output off, at once"


def test_a_refusal_has_it_ready_again(stop, qtbot):
    qtbot.mouseClick(stop, Qt.MouseButton.LeftButton)
    stop.set_answer("the session is compiling; wait until it runs", False)
    assert (stop.state, stop.sentence) == ("idle", "refused: press again")
    assert stop.toolTip() == "the session is compiling; wait until it runs"


def test_its_words_stand_out(stop):
    for red in (RED, PRESSED_RED):
        assert (luminance(INK) + 0.05) / (luminance(red) + 0.05) >= 4.5


def test_it_is_drawn_red_with_white_and_never_changes_its_size(stop, qtbot):
    sizes = set()
    for state in ("idle", "stopping", "stopped"):
        stop.show_state(state)
        sizes.add((stop.sizeHint().width(), stop.sizeHint().height()))
        image = stop.grab().toImage()
        colours = [
            image.pixelColor(x, y).name() for x in range(0, image.width(), 2) for y in range(0, image.height(), 2)
        ]
        assert colours.count(RED) > len(colours) / 2
        assert colours.count(INK) > len(colours) / 50
    assert sizes == {(184, 52)}

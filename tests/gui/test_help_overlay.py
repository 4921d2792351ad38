"""The list of shortcuts over the window."""

import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtWidgets import QLabel, QLineEdit, QVBoxLayout, QWidget

from gui.parts.help_overlay import HelpOverlay
from gui.parts.stop_button import StopButton

GROUPS = [
    ("Window", [("Ctrl+. or F12", "stop the session at once"), ("F1 or ?", "this help")]),
    ("Empty", []),
    ("Session", [("Ctrl+P", "pause, or resume"), ("Ctrl+N", "write a note")]),
]
MANY = [(f"Group {g}", [(f"Ctrl+{g}{k}", f"what key {g}{k} does, in some words") for k in range(8)]) for g in range(6)]


@pytest.fixture
def window(qtbot, theme):
    """A window of 1366 × 768 with a field, the red stop and the list over them."""
    window = QWidget()
    layout = QVBoxLayout(window)
    window.field, window.stop = QLineEdit(), StopButton()
    layout.addWidget(window.stop)
    layout.addWidget(window.field)
    window.overlay = HelpOverlay(window, theme)
    window.overlay.set_groups(GROUPS)
    qtbot.addWidget(window)
    window.resize(1366, 768)
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    window.field.setFocus()
    return window


def texts(overlay: HelpOverlay) -> list[str]:
    return [label.text() for label in overlay.card.findChildren(QLabel) if label.isVisible()]


def test_it_lists_every_shortcut_below_its_group_and_no_empty_group(window):
    window.overlay.toggle()
    shown = texts(window.overlay)
    for name, shortcuts in GROUPS:
        assert (name in shown) == bool(shortcuts)
        for keys, what in shortcuts:
            assert shown.index(what) == shown.index(keys) + 1
            assert shown.index(name) < shown.index(keys)


def test_other_groups_take_the_place_of_those_before(window, qtbot):
    window.overlay.set_groups([("Replay", [("Space", "play, or pause")])])
    window.overlay.toggle()
    assert "Replay" in texts(window.overlay)
    qtbot.waitUntil(lambda: "Session" not in texts(window.overlay))


def test_it_covers_the_window_and_toggles(window):
    assert not window.overlay.isVisible()
    window.overlay.toggle()
    assert window.overlay.isVisible()
    assert window.overlay.geometry() == window.rect()
    window.overlay.toggle()
    assert not window.overlay.isVisible()


def test_escape_closes_it_and_gives_the_keyboard_back(window, qtbot):
    window.overlay.toggle()
    assert window.overlay.hasFocus()
    qtbot.keyClick(window.overlay, Qt.Key.Key_Escape)
    assert not window.overlay.isVisible()
    assert window.field.hasFocus()


def test_a_click_closes_it(window, qtbot):
    window.overlay.toggle()
    qtbot.mouseClick(window.overlay, Qt.MouseButton.LeftButton, pos=QPoint(5, 700))
    assert not window.overlay.isVisible()


def test_the_red_stop_can_be_pressed_below_it(window, qtbot):
    window.overlay.toggle()
    middle = window.stop.mapTo(window, window.stop.rect().center())
    assert window.childAt(middle) is window.stop
    assert window.childAt(QPoint(5, 700)) is window.overlay


def test_it_goes_when_the_window_changes_its_size(window, qtbot):
    window.overlay.toggle()
    window.resize(1280, 720)
    qtbot.waitUntil(lambda: not window.overlay.isVisible())


def test_many_shortcuts_are_all_in_sight_at_1366_by_768(window):
    window.overlay.set_groups(MANY)
    window.overlay.toggle()
    window.grab()
    overlay = window.overlay
    labels = [label for label in overlay.card.findChildren(QLabel) if label.isVisible()]
    assert sum(label.text().startswith("what key") for label in labels) == 48
    for label in labels:
        corner = label.mapTo(window, QPoint(0, 0))
        assert 0 <= corner.x() <= 1366 - label.width()
        assert 0 <= corner.y() <= 768 - label.height()


def test_what_lies_below_shines_through(window):
    window.setStyleSheet("background: #ffffff;")
    plain = window.grab().toImage().pixelColor(20, 700).lightness()
    window.overlay.toggle()
    assert 0 < window.grab().toImage().pixelColor(20, 700).lightness() < plain

"""The whole window on a real server of a recorded session: panels, keys, what it remembers, and what it survives."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QPoint, QSize, Qt
from PyQt6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QDockWidget, QLabel, QTabBar, QWidget

from controller.log import LOG_NAME, LogReader, read_events
from controller.messages import Answer, Request
from controller.messages.view import Choice, Playhead, Remark, Steer, View, Wish
from controller.viewing.album import Album
from gui.panel import Panel, find_panels
from gui.parts.entry_table import SENTENCE
from gui.window import LOST_NS, SETTLED_NS, MainWindow
from realtime.clock import now_ns
from realtime.records import NS_PER_S, Kind, Line, Outcome
from tests.controller.serving import served
from tests.gui.sessions import COUNTS, OPENING, PROBLEMS, SETUP, STANDING, START_NS, changed
from tests.gui.windows import complete, logged_at, opened, place, replayed, turned

AT_S = 480.0
BY_FOCUS = ("Up", "Down", "Delete")
"""Keys of lists, which only the list that has the keyboard takes."""
Area = Qt.DockWidgetArea


class Told:
    """What the log says of a session up to a moment."""

    def __init__(self, folder: Path, at_s: float) -> None:
        with LogReader(folder / LOG_NAME) as log:
            start_ns = int(log.metadata["clock"]["start_ns"])
        events = read_events(folder / LOG_NAME)
        self.events = events[events["arrival_ns"] <= start_ns + round(at_s * NS_PER_S)]
        ended = self.events[self.events["kind"] == Kind.TRIAL]
        self.outcomes = {outcome.name: int((ended["value"] == outcome).sum()) for outcome in Outcome}
        self.trial = int(ended["trial"][-1])  # none is open at that moment
        self.open_s = tuple(self._open_s(line) for line in (Line.VALVE_A, Line.VALVE_B))

    def _open_s(self, line: Line) -> float:
        mine = self.events[self.events["line"] == line]
        on = mine["t_ns"][mine["kind"] == Kind.VALVE_ON]
        off = mine["t_ns"][mine["kind"] == Kind.VALVE_OFF]
        return float(np.sum(off[: on.size] - on[: off.size])) / NS_PER_S


class Live:
    """A session that a test tells word by word, and that answers as the test wants."""

    speed = 0.0

    def __init__(self, *views: View, answers: Callable[[object], Answer] | None = None) -> None:
        self.album, self.waiting = Album(), list[View]()
        self.asked: list[Request | Steer | Choice] = []
        self._answers = answers or (lambda _: Answer(True, "done"))
        self._anew = False
        for view in views:
            self.album.take(view)

    def moment_ns(self) -> int:
        return STANDING.t_ns

    def everything(self) -> list[bytes]:
        return self.album.everything()

    def news(self) -> list[bytes]:
        waiting, self.waiting = self.waiting, []
        return [self.album.take(view) for view in waiting]

    def another(self, *views: View) -> None:
        """From now on it is another session."""
        album = Album()
        for view in views:
            album.take(view)
        self.album, self._anew = album, True

    def begun_anew(self) -> bool:
        anew, self._anew = self._anew, False
        return anew

    def ask(self, asked: Wish | Steer | Choice, answered: Callable[[Answer], None]) -> None:
        wanted = asked.request if isinstance(asked, Wish) else changed(asked, number=0)
        self.asked.append(wanted)
        answered(self._answers(wanted))

    def watched(self, *, viewers: int, behind: int) -> None:
        """It does not mind."""


@pytest.fixture(scope="module")
def told(recorded: Path) -> Told:
    return Told(recorded, AT_S)


@pytest.fixture(scope="module")
def address(recorded: Path) -> Iterator[str]:
    """Where the recorded session is served, standing at eight minutes."""
    with replayed(recorded, AT_S) as where:
        yield where


@pytest.fixture
def window(qtbot, qapp, address: str) -> Iterator[MainWindow]:
    """A window that knows everything of the recorded session."""
    with opened(address) as shown:
        complete(qtbot, shown)
        yield shown


@pytest.fixture
def live(qtbot, qapp) -> Iterator[tuple[MainWindow, Live]]:
    """A window on a live session that runs."""
    feed = Live(OPENING, COUNTS, STANDING)
    with place() as where, served(feed, where), opened(where) as shown:
        complete(qtbot, shown)
        yield shown, feed


def docks(window: MainWindow) -> dict[str, QDockWidget]:
    return {dock.objectName(): dock for dock in window.findChildren(QDockWidget)}


def places(window: MainWindow) -> dict[str, tuple[object, ...]]:
    """Whether every dock can be seen, whether it floats, and where it stands in the window."""
    QApplication.processEvents()
    return {
        name: (
            dock.isVisible(),
            dock.isFloating(),
            dock.geometry() if dock.isVisible() and not dock.isFloating() else None,
        )
        for name, dock in docks(window).items()
    }


def texts(widget: QWidget) -> list[str]:
    """All words that can be seen in a widget."""
    return [label.text() for label in widget.findChildren(QLabel) if label.isVisible()]


def press(window: MainWindow, keys: str) -> None:
    """Press keys as a person does; the window has the keyboard."""
    window.activateWindow()
    QTest.qWaitForWindowActive(window)
    QTest.keySequence(window, QKeySequence(keys))
    QApplication.processEvents()


def sentence(window: MainWindow) -> str:
    return window.banner.sentence.text()


# --- panels -----------------------------------------------------------------------------------------------------------


def test_every_panel_is_there_docked_and_titled(window):
    kinds = find_panels()
    assert {kind.name for kind in kinds} == set(window.panels) == set(docks(window))
    assert len(kinds) >= 8
    for kind in kinds:
        dock = docks(window)[kind.name]
        assert dock.widget() is window.panels[kind.name]
        assert dock.windowTitle() == kind.title
        assert dock.isVisible()
        assert not dock.isFloating()
        assert window.dockWidgetArea(dock) != Area.NoDockWidgetArea


def test_no_two_docks_and_nothing_of_the_banner_lie_over_each_other(window):
    QApplication.processEvents()
    shown = [dock.geometry() for dock in docks(window).values() if dock.isVisible()]
    shown.append(window._bar.geometry())
    for number, one in enumerate(shown):
        assert window.rect().contains(one)
        assert not any(one.intersects(other) for other in shown[number + 1 :])


def test_the_numbers_in_the_panels_are_those_of_the_log(window, told):
    assert told.trial > 40
    assert told.outcomes["SUCCESS"] > 10
    session, trials = window.panels["session"], window.panels["trials"]
    assert session.trial.text() == f"trial {told.trial}"
    for animal in (0, 1):
        assert session.given.cells["open", animal].text() == f"{told.open_s[animal]:.2f} s"
        water = window.scene.counts.water_ul[animal]
        expected = "not calibrated" if water is None else f"{water:.1f} µl"
        assert session.given.cells["water", animal].text() == expected
    ended = sum(told.outcomes.values())
    assert trials.outcomes.head.text() == f"Outcomes of {ended} trials"
    for outcome in Outcome:
        if outcome.name in told.outcomes and outcome in trials.outcomes.numbers:
            assert trials.outcomes.numbers[outcome].text().split()[0] == str(told.outcomes[outcome.name])
    events = window.panels["log"].table.entries
    listed = [str(events.data(events.index(row, SENTENCE))) for row in range(events.rowCount())]
    assert any(text.startswith(f"trial {told.trial - 1}: ") for text in listed)


def test_the_banner_says_what_this_is(window, recorded):
    assert window.banner.mode == "REPLAY"
    assert window.banner.session.text() == recorded.name
    assert window.banner.subjects.text().startswith("A: A   B: B   day 1")
    assert window.banner.time.text() in ("7:59 of 10:00 min", "8:00 of 10:00 min")  # by the start of the task
    assert sentence(window) == "nothing to report"


def test_a_panel_that_cannot_be_seen_is_not_drawn(window):
    drawn = []
    panel = window.panels["box"]
    panel.refresh = lambda: drawn.append(1)  # counts how often the window draws it
    window.draw_all()
    assert drawn == [1]
    docks(window)["box"].close()
    window.draw_all()
    assert drawn == [1]


def test_a_panel_that_something_in_it_covers_wholly_is_drawn(window):
    drawn = []
    panel = window.panels["box"]
    panel.refresh = lambda: drawn.append(1)  # counts how often the window draws it
    cover = QWidget(panel)
    cover.setAutoFillBackground(True)
    cover.setGeometry(panel.rect())
    cover.show()
    QApplication.processEvents()
    assert panel.visibleRegion().isEmpty()
    window.draw_all()
    assert drawn == [1]


def test_no_tab_is_left_lying_on_a_panel_when_a_small_window_grows(qtbot, qapp, address):
    with opened(address, size=(1366, 768)) as window:
        complete(qtbot, window)
        assert tabs(window)
        window.resize(1600, 1000)
        QApplication.processEvents()
        press(window, "Ctrl+0")
        assert not tabs(window)
        assert seen(window) == set(window.panels)


def test_no_tab_is_left_lying_on_a_panel_when_a_layout_without_tabs_is_taken(qtbot, qapp, address):
    with opened(address) as large, opened(address, size=(1366, 768)) as window:
        complete(qtbot, large)
        complete(qtbot, window)
        assert tabs(window) == [["Brains", "Shared"], ["Rig", "Events"], ["Session", "Box"]]
        window._remembered.keep_layout("replay", large.saveState(large._version), small=True)
        window._restore_layout()
        assert tabs(window) == []
        for _ in range(3):
            window.arrange()
            assert tabs(window) == [["Brains", "Shared"], ["Rig", "Events"], ["Session", "Box"]]


def tabs(window: MainWindow) -> list[list[str]]:
    """The words on the tabs behind which docks stand, also of those that Qt has given up and still draws."""
    bars = [bar for bar in window.findChildren(QTabBar) if bar.isVisible() and bar.parent() is window]
    return sorted([bar.tabText(number) for number in range(bar.count())] for bar in bars)


def seen(window: MainWindow) -> set[str]:
    """The panels that stand in front."""
    return {name for name, dock in docks(window).items() if dock.isVisible() and not dock.visibleRegion().isEmpty()}


# --- keys -------------------------------------------------------------------------------------------------------------


def test_every_shortcut_of_the_help_is_bound_once(window):
    bound = [shortcut.key().toString() for shortcut in window.findChildren(QShortcut) if shortcut.isEnabled()]
    listed = [keys for _, group in window._help() for keys, _ in group]
    assert len(listed) > 20
    for keys in (one for one in listed if "lick" not in one):  # a click is no key
        for one in keys.replace(" or ", ", ").replace("−", "-").split(", "):
            wanted = QKeySequence(one).toString()
            found = [key for key in bound if key in (wanted, f"Shift+{wanted}")]
            assert len(found) == 1 or one in BY_FOCUS, f"{one} is bound {len(found)} times"


def test_no_shortcut_of_the_window_is_missing_from_its_help(window):
    listed = " ".join(keys.replace("−", "-") for _, group in window._help() for keys, _ in group)
    for shortcut in window.findChildren(QShortcut):
        key = shortcut.key().toString().removeprefix("Shift+") if "?" in shortcut.key().toString() else None
        key = key or shortcut.key().toString()
        assert key == "=" or key in listed, key  # = is + without Shift


@pytest.mark.parametrize("kind", find_panels(), ids=lambda kind: kind.name)
def test_a_panels_key_opens_it_again_where_it_was(kind, window):
    before = places(window)
    docks(window)[kind.name].close()
    assert not docks(window)[kind.name].isVisible()
    press(window, kind.key)
    assert docks(window)[kind.name].isVisible()
    after = places(window)
    assert after[kind.name][:2] == before[kind.name][:2]
    assert window.dockWidgetArea(docks(window)[kind.name]) != Area.NoDockWidgetArea


def test_a_panels_key_brings_it_to_the_front_of_a_small_windows_tabs(qtbot, qapp, address):
    with opened(address, size=(1366, 768)) as window:
        complete(qtbot, window)
        for kind in find_panels():
            press(window, kind.key)
            qtbot.waitUntil(lambda kind=kind: kind.name in seen(window))


@pytest.mark.parametrize("keys", ["F1", "Shift+?"])
def test_the_help_comes_and_goes(keys, window):
    press(window, keys)
    assert window.overlay.isVisible()
    shown = texts(window.overlay)
    for kind in find_panels():
        assert kind.title in shown
    assert "stop the session at once: every output off" in shown
    press(window, keys)
    assert not window.overlay.isVisible()


def test_full_screen_and_back(window):
    press(window, "F11")
    assert window.isFullScreen()
    press(window, "F11")
    assert not window.isFullScreen()


def test_ctrl_q_closes_the_window_and_the_server_goes_on(qtbot, qapp, recorded):
    with logged_at(recorded, 60.0) as logged, place() as where, served(logged, where) as server:
        with opened(where) as window:
            complete(qtbot, window)
            assert server.viewers == 1
            press(window, "Ctrl+Q")
            assert not window.isVisible()
            qtbot.waitUntil(lambda: server.viewers == 0)
        with opened(where) as another:
            complete(qtbot, another)
            assert another.scene.opening.session == recorded.name


def test_ctrl_0_puts_everything_back(window):
    before = places(window)
    all_docks = docks(window)
    all_docks["box"].close()
    all_docks["log"].setFloating(True)
    window.tabifyDockWidget(all_docks["trials"], all_docks["rig"])
    window.resizeDocks([all_docks["session"]], [700], Qt.Orientation.Horizontal)
    assert places(window) != before
    press(window, "Ctrl+0")
    assert places(window) == before


Modifier = Qt.KeyboardModifier


@pytest.mark.parametrize(
    ("key", "larger"), [(Qt.Key.Key_Plus, True), (Qt.Key.Key_Equal, True), (Qt.Key.Key_Minus, False)]
)
def test_keys_of_the_zoom_are_heard(window, monkeypatch, key, larger):
    asked = []
    monkeypatch.setattr(window, "zoom", lambda *, larger: asked.append(larger))
    window.activateWindow()
    QTest.qWaitForWindowActive(window)
    QTest.keyClick(window, key, Modifier.ControlModifier)
    assert asked == [larger]


def test_a_key_of_the_window_that_is_held_down_is_pressed_once(window, monkeypatch):
    asked = []
    monkeypatch.setattr(window, "zoom", lambda *, larger: asked.append(larger))
    assert [shortcut.key().toString() for shortcut in window._shortcuts if shortcut.autoRepeat()] == []
    window.activateWindow()
    QTest.qWaitForWindowActive(window)
    for again in (False, True, True):
        held = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Minus, Modifier.ControlModifier, "-", again)
        QApplication.sendEvent(window.windowHandle(), held)
    assert asked == [False]


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ("Ctrl+P", Request("pause")),
        ("Ctrl+Shift+A", Request("reward", "A")),
        ("Ctrl+Shift+B", Request("reward", "B")),
        ("Ctrl+Shift+M", Request("disarm")),
        ("Ctrl+.", Request("stop")),
        ("F12", Request("stop")),
    ],
)
def test_a_key_asks_the_session(keys, wanted, live, qtbot):
    window, feed = live
    press(window, keys)
    qtbot.waitUntil(lambda: feed.asked == [wanted])


def test_ctrl_n_leads_to_the_note(live):
    window, _ = live
    press(window, "Ctrl+N")
    assert window.panels["session"].notes.field.hasFocus()


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ("Space", Steer(0, "play")),
        ("Ctrl+Left", Steer(0, "step", -1.0)),
        ("Ctrl+Right", Steer(0, "step", 1.0)),
        ("+", Steer(0, "speed", 2.0)),
        ("-", Steer(0, "speed", 0.5)),
    ],
)
def test_a_key_steers_the_replay(keys, wanted, qtbot, qapp):
    playhead = Playhead(START_NS, START_NS, START_NS + NS_PER_S, False, 1.0, "not yet", None, 1.0)
    feed = Live(changed(OPENING, mode="REPLAY"), COUNTS, playhead)
    with place() as where, served(feed, where), opened(where) as window:
        complete(qtbot, window)
        press(window, keys)
        qtbot.waitUntil(lambda: feed.asked == [wanted])


# --- light and dark ---------------------------------------------------------------------------------------------------


def test_the_other_theme_keeps_layout_mode_and_content(window, told):
    all_docks = docks(window)
    all_docks["box"].close()
    window.resizeDocks([all_docks["session"]], [600], Qt.Orientation.Horizontal)
    window.tell("lasers are armed", warn=True)
    before, panels = places(window), dict(window.panels)
    dark = window.grab().toImage().pixelColor(600, 40 + window._bar.height())
    press(window, "Ctrl+T")
    assert window.theme.shade == "light"
    assert window.banner.mode == "REPLAY"  # at once, and not only with the next drawing
    assert sentence(window) == "⚠ lasers are armed"
    assert places(window) == before
    for _ in range(3):
        QApplication.processEvents()
        window.draw_all()
    assert places(window) == before
    assert all(window.panels[name] is not panels[name] for name in panels)
    assert window.panels["session"].trial.text() == f"trial {told.trial}"
    assert window.panels["trials"].outcomes.head.text() == f"Outcomes of {sum(told.outcomes.values())} trials"
    assert window.grab().toImage().pixelColor(600, 40 + window._bar.height()).lightness() > dark.lightness() + 50
    assert len(docks(window)) == len(panels)
    press(window, "Ctrl+T")
    assert window.theme.shade == "dark"
    assert places(window) == before


def test_a_sentence_that_was_cleared_does_not_come_back_with_the_other_theme(window, qtbot):
    window.tell("lasers are armed", warn=True)
    qtbot.mouseClick(window.banner.dismiss, Qt.MouseButton.LeftButton)
    press(window, "Ctrl+T")
    assert sentence(window) == "nothing to report"


def test_a_stop_that_is_under_way_is_still_shown_in_the_other_theme(live, qtbot):
    window, feed = live
    qtbot.mousePress(window.banner.stop, Qt.MouseButton.LeftButton)
    assert window.banner.stop.state == "stopping"
    window.toggle_theme()
    assert window.banner.stop.state == "stopping"
    qtbot.waitUntil(lambda: feed.asked == [Request("stop")])
    qtbot.mousePress(window.banner.stop, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: feed.asked == [Request("stop"), Request("stop")])


# --- modes ------------------------------------------------------------------------------------------------------------


def test_the_replay_panel_is_there_in_a_replay_only(live, qtbot):
    window, feed = live
    replay = docks(window)["replay"]
    before = places(window)
    assert not replay.isVisible()
    press(window, "Ctrl+8")
    assert not replay.isVisible()
    assert sentence(window) == "the Replay panel is of use in REPLAY only"
    assert "Replay" not in offered(window)
    feed.another(changed(OPENING, mode="REPLAY"), COUNTS)
    turned(qtbot, window, lambda: window.mode == "REPLAY")
    assert replay.isVisible()
    assert not replay.isFloating()
    assert window.dockWidgetArea(replay) != Area.NoDockWidgetArea
    assert "Replay" in offered(window)
    feed.another(OPENING, COUNTS, STANDING)
    turned(qtbot, window, lambda: window.mode == "LIVE")
    assert not replay.isVisible()
    assert places(window) == before


def offered(window: MainWindow) -> list[str]:
    """What the menu offers that a right click on a title opens."""
    menu = window.createPopupMenu()
    names = [action.text() for action in menu.actions() if action.isVisible() and action.text()]
    menu.deleteLater()
    return names


def test_nothing_can_take_the_banner_with_the_stop_away(window):
    assert "Banner" not in offered(window)
    assert set(offered(window)) == {kind.title for kind in find_panels()}


def test_what_was_known_of_one_session_is_forgotten_with_the_next(live, qtbot):
    window, feed = live
    feed.waiting.append(Remark(STANDING.t_ns, "the door is open"))
    turned(qtbot, window, lambda: window.scene.remarks)
    assert window.panels["session"].trial.text() == "trial 59"
    feed.another(changed(OPENING, session="the_next_one"))
    turned(qtbot, window, lambda: window.scene.opening.session == "the_next_one")
    window.draw_all()
    assert window.scene.counts is None
    assert not window.scene.remarks
    assert window.panels["session"].trial.text() == "trial: not yet"
    assert window.banner.session.text() == "the_next_one"


# --- contact ----------------------------------------------------------------------------------------------------------


def test_without_contact_the_banner_says_so_and_the_window_comes_back_by_itself(qtbot, qapp, recorded):
    with place() as where, opened(where) as window:
        window.draw_all()
        assert window.banner.mode == "NO CONTACT"
        assert sentence(window) == f"⚠ no word from {where} yet; still trying"
        with logged_at(recorded, 60.0) as logged, served(logged, where):
            complete(qtbot, window)
            turned(qtbot, window, lambda: window.banner.mode == "REPLAY")
            assert sentence(window) == "nothing to report"
        turned(qtbot, window, lambda: now_ns() - window.link.contact.heard_ns > LOST_NS)
        window.draw_all()
        assert window.banner.mode == "NO CONTACT"
        assert sentence(window).startswith(f"⚠ no word from {where} for ")
        assert window.banner.state.text() == "what is shown is old"
        assert window.banner.session.text() == recorded.name  # what was known stays
        times = window.link.contact.anew
        with logged_at(recorded, 60.0) as logged, served(logged, where):
            turned(qtbot, window, lambda: window.link.contact.anew > times)
            turned(qtbot, window, lambda: window.banner.mode == "REPLAY")


def test_a_session_that_has_ended_may_be_silent(qtbot, qapp):
    over = changed(STANDING, phase="ended")
    with place() as where, served(Live(OPENING, COUNTS, over), where), opened(where) as window:
        complete(qtbot, window)
        window.link.contact.heard_ns -= 10 * NS_PER_S
        window._banner_ns = 0
        window._draw_banner(now_ns())
        assert window.banner.mode == "ENDED"


def test_what_is_refused_stands_in_the_banner(qtbot, qapp):
    refusing = Live(OPENING, COUNTS, STANDING, answers=lambda _: Answer(False, "the valve of A is stuck"))
    with place() as where, served(refusing, where), opened(where) as window:
        complete(qtbot, window)
        press(window, "Ctrl+Shift+A")
        turned(qtbot, window, lambda: "the valve of A is stuck" in sentence(window))
        assert sentence(window) == "⚠ the valve of A is stuck"
        assert window.panels["session"].answer.text() == "⚠ the valve of A is stuck"


def test_the_red_stop_is_asked_at_once_and_shows_what_came_of_it(live, qtbot):
    window, feed = live
    qtbot.mousePress(window.banner.stop, Qt.MouseButton.LeftButton)  # the clock of the window stands
    qtbot.waitUntil(lambda: feed.asked == [Request("stop")])
    assert window.banner.stop.state == "stopping"
    turned(qtbot, window, lambda: window.banner.stop.toolTip() == "done")
    feed.waiting += [changed(COUNTS, finished=True), changed(STANDING, phase="ending")]
    turned(qtbot, window, lambda: window.banner.stop.state == "stopped")
    assert window.banner.mode == "ENDED"


def test_a_stop_that_is_refused_can_be_pressed_again(qtbot, qapp):
    refusing = Live(OPENING, COUNTS, STANDING, answers=lambda _: Answer(False, "nothing runs"))
    with place() as where, served(refusing, where), opened(where) as window:
        complete(qtbot, window)
        qtbot.mousePress(window.banner.stop, Qt.MouseButton.LeftButton)
        turned(qtbot, window, lambda: window.banner.stop.sentence == "refused: press again")
        assert sentence(window) == "⚠ nothing runs"


def test_the_stop_goes_past_a_server_that_hangs(qtbot, qapp):
    """Nobody answers, and the session is not on this computer any more: the sentence says what is left to do."""
    with place() as where, opened(where) as window:
        qtbot.mousePress(window.banner.stop, Qt.MouseButton.LeftButton)
        turned(qtbot, window, lambda: window.banner.stop.sentence == "refused: press again")


# --- what one panel does wrong ----------------------------------------------------------------------------------------


class Breaks:
    """A panel's method that fails as often as it is called."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1
        raise ZeroDivisionError("division by zero")


def test_a_panel_that_fails_stands_still_and_all_else_goes_on(live, qtbot, capfd):
    window, feed = live
    broken = window.panels["trials"].refresh = Breaks()
    window.draw_all()
    window.draw_all()
    assert broken.times == 1
    assert window.failed == {"trials"}
    assert docks(window)["trials"].windowTitle() == "Trials ⚠ failed"
    expected = "⚠ the Trials panel failed (ZeroDivisionError: division by zero) and stands still; all else goes on"
    assert sentence(window) == expected
    assert "ZeroDivisionError" in capfd.readouterr().err
    feed.waiting.append(changed(COUNTS, trial=60))
    turned(qtbot, window, lambda: window.panels["session"].trial.text() == "trial 60")
    qtbot.mousePress(window.banner.stop, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: feed.asked == [Request("stop")])


def test_a_panel_that_failed_is_drawn_again_when_everything_comes_anew(live, qtbot, capfd):
    window, feed = live
    window.panels["trials"].refresh = Breaks()
    window.draw_all()
    del window.panels["trials"].refresh
    window.draw_all()
    assert window.failed == {"trials"}
    feed.another(OPENING, COUNTS, STANDING)
    turned(qtbot, window, lambda: not window.failed)
    assert docks(window)["trials"].windowTitle() == "Trials"
    assert "trials" in window._drawn_ns


def test_a_panel_that_cannot_begin_anew_is_not_drawn_and_all_others_are(live, qtbot, capfd):
    window, feed = live
    window.panels["brains"].anew = Breaks()
    drawn = []
    window.panels["brains"].refresh = lambda: drawn.append(1)  # counts
    feed.another(changed(OPENING, session="the_next_one"), COUNTS, STANDING)
    turned(qtbot, window, lambda: window.failed == {"brains"})
    drawn.clear()
    window.draw_all()
    assert not drawn
    assert window.banner.session.text() == "the_next_one"
    assert window.panels["session"].trial.text() == "trial 59"


def test_a_failing_panel_is_made_anew_with_the_other_theme(live, capfd):
    window, _ = live
    window.panels["trials"].refresh = Breaks()
    window.draw_all()
    window.toggle_theme()
    window.draw_all()
    assert not window.failed
    assert docks(window)["trials"].windowTitle() == "Trials"


# --- what is remembered -----------------------------------------------------------------------------------------------


def test_layout_place_and_theme_come_back_in_a_new_window(qtbot, qapp, address, tmp_path):
    file = tmp_path / "window.ini"
    with opened(address, file, size=(780, 700), theme="") as window:  # the screen in memory is small
        assert window.theme.shade == "dark"
        complete(qtbot, window)
        window.toggle_theme()
        docks(window)["box"].close()
        docks(window)["log"].setFloating(True)
        window.resizeDocks([docks(window)["session"]], [500], Qt.Orientation.Horizontal)
        before, size = places(window), window.size()
    assert file.exists()
    with opened(address, file, size=(700, 600), theme="") as window:
        complete(qtbot, window)
        assert window.theme.shade == "light"
        assert window.size() == size  # its place is tested on a real screen
        assert places(window) == before


def test_the_layout_of_sessions_and_the_one_of_replays_are_remembered_apart(qtbot, qapp, tmp_path):
    file = tmp_path / "window.ini"
    as_replay = changed(OPENING, mode="REPLAY")
    with place() as where:
        for opening, closed in ((OPENING, "box"), (as_replay, "log")):
            with served(Live(opening, COUNTS), where), opened(where, file, size=(780, 700)) as window:
                complete(qtbot, window)
                assert docks(window)[closed].isVisible()
                docks(window)[closed].close()
        for opening, closed, shown in ((OPENING, "box", "log"), (as_replay, "log", "box")):
            with served(Live(opening, COUNTS), where), opened(where, file, size=(780, 700)) as window:
                complete(qtbot, window)
                assert docks(window)["replay"].isVisible() == (opening is as_replay)
                assert not docks(window)[closed].isVisible()
                assert docks(window)[shown].isVisible()


SMALL, LARGE = (1366, 768), (1600, 1000)


def fitted(qtbot, window: MainWindow, *, small: bool) -> None:
    """Draw until the panels stand as in a window of such a size."""
    turned(qtbot, window, lambda: bool(tabs(window)) == small)
    QApplication.processEvents()


def test_a_window_that_becomes_small_puts_panels_behind_each_other_once_it_keeps_its_size(live, qtbot):
    window, _ = live
    assert tabs(window) == []
    window.resize(*SMALL)
    QApplication.processEvents()
    window._suit_size(window._resized_ns + SETTLED_NS)
    assert tabs(window) == [], "it may still be drawn at"
    window._suit_size(window._resized_ns + SETTLED_NS + 1)
    assert tabs(window) == [["Brains", "Shared"], ["Rig", "Events"], ["Session", "Box"]]
    window._suit_size(window._resized_ns + NS_PER_S)
    assert seen(window) == {"session", "trials", "brains", "rig"}


def test_a_small_window_and_a_large_one_each_come_back_to_their_own_layout(live, qtbot):
    window, _ = live
    docks(window)["box"].close()
    large = {name for name, where in places(window).items() if where[0]}
    window.resize(*SMALL)
    fitted(qtbot, window, small=True)
    assert docks(window)["box"].isVisible(), "nobody has closed it in a small window"
    docks(window)["log"].close()
    window.resize(*LARGE)
    fitted(qtbot, window, small=False)
    assert {name for name, where in places(window).items() if where[0]} == large
    window.resize(*SMALL)
    fitted(qtbot, window, small=True)
    assert docks(window)["box"].isVisible()
    assert not docks(window)["log"].isVisible()


def test_the_layout_of_a_large_window_is_not_put_into_a_small_one(qtbot, qapp, tmp_path):
    settings = tmp_path / "window.ini"
    with place() as where, served(Live(OPENING, COUNTS, STANDING), where):
        with opened(where, settings, size=LARGE) as window:
            complete(qtbot, window)
            assert tabs(window) == []
        with opened(where, settings, size=LARGE) as window:  # the screen in memory has room for a small one only
            complete(qtbot, window)
            assert (window.width() < 1000, window.height() < 1000) == (True, True)
            assert tabs(window) == [["Brains", "Shared"], ["Rig", "Events"], ["Session", "Box"]]


def test_a_remembered_layout_that_squeezes_a_panel_gives_way_to_the_usual_one(live, monkeypatch):
    window, _ = live
    usual = places(window)
    docks(window)["box"].close()
    window._remembered.keep_layout("session", window.saveState(window._version), small=False)
    window._restore_layout()
    assert not docks(window)["box"].isVisible()
    docks(window)["rig"].setMinimumHeight(0)
    monkeypatch.setattr(type(docks(window)["rig"]), "minimumSizeHint", lambda dock: QSize(50, 5000))
    window._restore_layout()
    assert docks(window)["box"].isVisible()
    assert places(window) == usual


@pytest.mark.parametrize("size", [(1366, 768), (1280, 720), (1278, 694), (1500, 880), (1600, 1000)])
def test_buttons_of_a_running_session_are_seen_without_scrolling(qtbot, qapp, size):
    with place() as where, served(Live(OPENING, COUNTS, STANDING), where), opened(where, size=size) as window:
        complete(qtbot, window)
        controls = window.panels["session"].controls
        for button in (
            controls.pause,
            controls.stop,
            controls.arm,
            *controls.rewards.values(),
            *controls.lasers.values(),
        ):
            assert whole(button), button.text()


@pytest.mark.parametrize("size", [(1366, 768), (1280, 720), (1278, 694), (1500, 880), (1100, 620)])
@pytest.mark.parametrize("problems", [[], PROBLEMS], ids=["all is well", "three things to correct"])
def test_the_start_is_seen_without_scrolling(qtbot, qapp, size, problems):
    feed = Live(changed(SETUP, problems=problems, rig_path="/home/somebody/rigs/of/this/laboratory/bench.toml"))
    with place() as where, served(feed, where), opened(where, size=size) as window:
        complete(qtbot, window)
        form = window.panels["session"].form
        assert whole(form.start)
        assert whole(form.subjects[0])
        assert (
            form.output.mapTo(form, QPoint(form.output.width(), 0)).x() <= form.visibleRegion().boundingRect().right()
        )


def whole(widget: QWidget) -> bool:
    """Whether all of a widget can be seen."""
    return widget.isVisible() and widget.visibleRegion().boundingRect() == widget.rect()


# --- what was written and not sent ------------------------------------------------------------------------------------


def write(widget: QWidget, text: str) -> None:
    """Write what is not ended with a key."""
    widget.window().activateWindow()
    QTest.qWaitForWindowActive(widget.window())
    widget.setFocus()
    QTest.keyClicks(widget, text)


@pytest.mark.parametrize(
    ("keys", "plan"),
    [
        ("Ctrl+-", "the window opens anew in another size"),
        ("Ctrl+T", "everything is made anew in the other colours"),
    ],
)
def test_a_note_that_was_begun_is_not_lost_to_another_size_or_other_colours(live, keys, plan):
    window, _ = live
    field = window.panels["session"].notes.field
    write(field, "A limps a li")
    press(window, keys)
    assert sentence(window) == f"⚠ send or clear the note first: it would be lost when {plan}"
    assert (window.isVisible(), window.wanted_zoom, window.theme.shade) == (True, None, "dark")
    assert window.panels["session"].notes.field is field
    assert field.text() == "A limps a li"
    field.clear()
    press(window, keys)
    assert (window.wanted_zoom, window.theme.shade) == ((0.75, "dark") if keys == "Ctrl+-" else (None, "light"))


def test_a_field_of_the_form_that_was_begun_is_not_lost_to_another_size(qtbot, qapp):
    with place() as where, served(Live(SETUP), where), opened(where) as window:
        complete(qtbot, window)
        field = window.panels["session"].form.subjects[1]
        write(field, "x")
        press(window, "Ctrl+-")
        assert sentence(window).startswith("⚠ send or clear the name of subject B first: ")
        assert window.wanted_zoom is None
        QTest.keyClick(field, Qt.Key.Key_Return)
        press(window, "Ctrl+-")
        assert window.wanted_zoom == 0.75


def test_what_was_asked_for_goes_before_what_is_remembered(qapp, tmp_path):
    file = tmp_path / "window.ini"
    with opened(None, file, theme="light"):
        pass
    with opened(None, file, theme="") as window:
        assert window.theme.shade == "light"
    with opened(None, file, theme="dark") as window:
        assert window.theme.shade == "dark"


GARBAGE: dict[str, bytes] = {
    "no settings at all": bytes(range(256)) * 8,
    "empty": b"",
    "values of other kinds": b"[General]\ntheme=dark, light\ngeometry=17\n\n[layouts]\nreplay=no\nsession=no\n",
    "an unknown theme": b"[General]\ntheme=purple\n",
    "broken layouts": b"[General]\ngeometry=@ByteArray(\\x1\\xd9)\n[layouts]\nreplay=@ByteArray(\\0\\0\\0\\xff\\0)\n",
    "an earlier kind of file": b"[General]\nstate=@ByteArray(\\0\\0\\0\\xff\\0\\0\\0\\0\\xfd\\0)\ntheme=dark\n",
    "a variant that is none": b"[General]\ntheme=@Variant(\\0\\0\\0\\x7f\\xff\\xff)\ngeometry=@Variant(\\0)\n",
}


@pytest.mark.parametrize("written", GARBAGE.values(), ids=GARBAGE)
def test_settings_that_cannot_be_read_are_ignored(written, qtbot, qapp, address, tmp_path):
    file = tmp_path / "window.ini"
    file.write_bytes(written)
    with opened(address) as fresh:
        complete(qtbot, fresh)
        expected = places(fresh)
    with opened(address, file, theme="") as window:
        complete(qtbot, window)
        assert window.theme.shade == "dark"
        found = places(window)
        assert {name: where[:2] for name, where in found.items()} == {
            name: where[:2] for name, where in expected.items()
        }
        for name, (_, _, where) in found.items():
            for one, other in zip(where.getRect(), expected[name][2].getRect(), strict=True):
                assert abs(one - other) <= 40, name  # what a panel says just now changes the least it needs


def test_the_layout_of_a_window_that_had_other_panels_is_ignored(qtbot, qapp, address, tmp_path, monkeypatch):
    class Further(Panel):
        name: ClassVar[str] = "further"
        title: ClassVar[str] = "Further"
        area: ClassVar = "left"

    file = tmp_path / "window.ini"
    with monkeypatch.context() as later:
        later.setattr("gui.window.find_panels", lambda: [*find_panels(), Further])
        with opened(address, file) as window:
            complete(qtbot, window)
            docks(window)["box"].close()
    with opened(address, file) as window:
        complete(qtbot, window)
        assert docks(window)["box"].isVisible()


def test_a_folder_in_place_of_the_settings_hinders_nothing(qtbot, qapp, address, tmp_path):
    file = tmp_path / "window.ini"
    file.mkdir()
    with opened(address, file, theme="") as window:
        complete(qtbot, window)
        assert docks(window)["session"].isVisible()


# --- without a session ------------------------------------------------------------------------------------------------


def test_a_window_without_a_link_says_that_nothing_can_be_asked(qtbot, qapp):
    with opened(None) as window:
        window.draw_all()
        qtbot.mousePress(window.banner.stop, Qt.MouseButton.LeftButton, pos=QPoint(90, 20))
        assert sentence(window) == "⚠ this window is connected to nothing"


def test_panels_of_an_empty_scene_say_that_there_is_nothing_yet(qapp):
    with opened(None) as window:
        window.draw_all()
        assert window.panels["session"].empty.text().startswith("not yet")
        assert window.mode == ""

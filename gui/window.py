"""The main window: docks for the panels, the banner with the red stop, and the clock by which everything is drawn.

Nothing is drawn when it comes; it is taken into the scene, and thirty times a second each panel that can be seen and
is due draws what has changed. So a flood of messages costs drawing no more than a trickle.
"""

import sys
import traceback
import zlib
from collections.abc import Callable
from typing import Final

from PyQt6.QtCore import QByteArray, QSettings, Qt, QTimer
from PyQt6.QtGui import QCloseEvent, QKeySequence, QResizeEvent, QScreen, QShortcut
from PyQt6.QtWidgets import QApplication, QDockWidget, QMainWindow, QToolBar, QWidget

from controller.messages import Request
from controller.messages.view import Choice, Steer
from gui.lag import Lag
from gui.layout import arrange, is_small, is_squeezed, take_tabs_away
from gui.link import Heard, Link
from gui.panel import Panel, find_panels
from gui.parts.banner import Banner
from gui.parts.help_overlay import HelpOverlay
from gui.remembered import Remembered
from gui.scene import Scene
from gui.theme import THEMES, Theme, apply
from gui.zoom import Size, current, stepped
from realtime.clock import now_ns
from realtime.records import NS_PER_MS, NS_PER_S

TICK_MS: Final = 33
BANNER_NS: Final = 100 * NS_PER_MS
OWN_NS: Final = NS_PER_S
LOST_NS: Final = 2 * NS_PER_S
SETTLED_NS: Final = 300 * NS_PER_MS
"""So long a window must have kept its size before its panels are put into the layout of that size."""
PLAIN: Final = "session"
"""The name of the layout that has only panels which every mode has."""
FAILED: Final = "⚠ failed"
NO_LARGER: Final = "this screen has no room for larger letters"
NO_SMALLER: Final = "letters cannot be made smaller than this"


class MainWindow(QMainWindow):
    """The window on one session.

    Parameters
    ----------
    application
        Whose palette it dresses.
    link
        To the session; None draws what is put into the scene by hand.
    settings
        Where layout and theme are remembered; None remembers nothing.
    theme
        "dark" or "light"; empty as it was last.

    Attributes
    ----------
    complete_ns
        When this window first knew everything, by this computer's clock; 0 before [ns].
    failed
        Names of the panels that could not be drawn, and are not drawn again before everything comes anew.
    wanted_zoom
        How large it is to be drawn when it is opened again; None where it was closed for good.
    """

    def __init__(
        self, application: QApplication, link: Link | None, settings: QSettings | None = None, theme: str = ""
    ) -> None:
        super().__init__()
        self.scene = Scene()
        self.lag = Lag(TICK_MS)
        self._application, self.link, self._remembered = application, link, Remembered(settings)
        self.complete_ns = 0
        self.failed: set[str] = set()
        self.wanted_zoom: float | None = None
        self._told: tuple[str, bool] | None = None
        self._mode = ""
        self._banner_ns = self._own_ns = self._resized_ns = 0
        self._small = False  # which layout it has: of a small window or of a large one
        self.theme: Theme = THEMES.get(theme or self._remembered.theme, THEMES["dark"])
        self.setWindowTitle("duetto")
        self.setDockNestingEnabled(True)
        self.setAnimated(False)
        empty = QWidget()
        empty.setMaximumSize(0, 0)
        self.setCentralWidget(empty)
        self._bar = self._make_bar()
        self.panels: dict[str, Panel] = {}
        self._docks: dict[str, QDockWidget] = {}
        self._drawn_ns: dict[str, int] = {}
        self._dress()
        # Layouts of windows that had other panels are of no use.
        self._version = zlib.crc32(" ".join(sorted(self.panels)).encode()) & 0x7FFFFFFF
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self.tick)
        self._shortcuts = self._make_shortcuts()

    # --- building -----------------------------------------------------------------------------------------------

    def _make_bar(self) -> QToolBar:
        """Make the place of the banner, which nobody can close: the red stop is in it."""
        bar = QToolBar("Banner")
        bar.setObjectName("banner")
        bar.setMovable(False)
        bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        if (closing := bar.toggleViewAction()) is not None:
            closing.setVisible(False)  # out of the menu that a right click on any title opens
        self.addToolBar(Qt.ToolBarArea.TopToolBarArea, bar)
        return bar

    def _dress(self) -> None:
        """Make banner, panels and help in the theme's colours; docks stay where they are."""
        apply(self._application, self.theme)
        self._bar.clear()
        self.banner = Banner(self.theme)
        self.banner.stop.stopped.connect(self._stop)
        self.banner.dismiss.clicked.connect(self._forget_told)
        self._bar.addWidget(self.banner)
        for kind in find_panels():
            panel = kind(self.scene, self.theme)
            panel.asked.connect(self._ask)
            self._dock(panel).setWidget(panel)
            self.panels[panel.name] = panel
        self.overlay = HelpOverlay(self, self.theme)
        self.overlay.set_groups(self._help())

    def _dock(self, panel: Panel) -> QDockWidget:
        """Return the panel's dock, made if it is the first time."""
        dock = self._docks.get(panel.name)
        if dock is None:
            dock = self._docks[panel.name] = QDockWidget(panel.title, self)
            dock.setObjectName(panel.name)
        return dock

    def _undress(self) -> None:
        """Let go of what has the theme's colours."""
        for panel in self.panels.values():
            panel.hide()
            panel.deleteLater()
        self.banner.hide()
        self.banner.deleteLater()
        self.overlay.take_away()
        self.overlay.deleteLater()

    def arrange(self) -> None:
        """Put every panel where it stands by default for this window's size."""
        for dock in self._docks.values():
            dock.setFloating(False)
        self._small = is_small(self)
        arrange(self, self._docks, self.panels, self._mode)
        self._take_layout(self.saveState(self._version))  # or tabs stay that nothing is behind any more
        self._offer_docks()

    def _take_layout(self, layout: QByteArray) -> bool:
        """Put every panel where a layout has it, and return whether it is one of this window."""
        taken = self.restoreState(layout, self._version)
        take_tabs_away(self)
        return taken

    def _offer_docks(self) -> None:
        """Offer those panels that are of use in this mode; the banner is always there."""
        for name, dock in self._docks.items():
            useful = self._is_useful(name)
            if (opening := dock.toggleViewAction()) is not None:
                opening.setVisible(useful)
            if not useful:
                dock.hide()
        self._bar.show()

    def _is_useful(self, name: str) -> bool:
        """Return whether a panel is of use in this mode."""
        return self.panels[name].is_useful(self._mode)

    @property
    def _layout_name(self) -> str:
        """The name of this mode's layout: by which panels it has that others do not."""
        special = [name for name, panel in self.panels.items() if panel.modes and self._is_useful(name)]
        return "-".join(special) or PLAIN

    def _make_shortcuts(self) -> list[QShortcut]:
        """Make the window's own shortcuts."""
        made = [
            self._shortcut("F1", self.toggle_help),
            self._shortcut("Shift+?", self.toggle_help),
            self._shortcut("Ctrl+T", self.toggle_theme),
            self._shortcut("F11", self.toggle_full_screen),
            *(self._shortcut(keys, lambda: self.zoom(larger=True)) for keys in ("Ctrl++", "Ctrl+=")),
            self._shortcut("Ctrl+-", lambda: self.zoom(larger=False)),
            self._shortcut("Ctrl+0", self.arrange),
            self._shortcut("Ctrl+Q", self.close),
        ]
        for name, panel in self.panels.items():
            if panel.key:
                made.append(self._shortcut(panel.key, lambda name=name: self.bring(name)))
            for keys, what in panel.hand_over_keys():
                made.append(self._shortcut(keys, lambda name=name, what=what: self._press_for(name, what)))
        return made

    def _press_for(self, name: str, what: Callable[[], object]) -> None:
        """Do what a panel's key does, and let it be seen."""
        if not self.panels[name].isVisible():
            self.bring(name)
        what()

    def _shortcut(self, keys: str, what: Callable[..., object]) -> QShortcut:
        shortcut = QShortcut(QKeySequence(keys), self)
        shortcut.setAutoRepeat(False)  # a key that is held down is pressed once
        shortcut.activated.connect(what)
        return shortcut

    def _help(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Return all shortcuts, by group."""
        window = [
            ("Ctrl+. or F12", "stop the session at once: every output off"),
            ("F1 or ?", "this help"),
            ("Ctrl+T", "light or dark"),
            ("F11", "full screen"),
            ("Ctrl++ or Ctrl+=", "everything larger; the window opens anew"),
            ("Ctrl+-", "everything smaller"),
            ("Ctrl+0", "every panel back to its place"),
            ("Ctrl+Q", "close the window; the session goes on"),
        ]
        panels = [(panel.key, panel.title) for panel in self.panels.values() if panel.key]
        groups = [("Window", window), ("Panels", sorted(panels))]
        return groups + [(panel.title, panel.help()) for panel in self.panels.values() if panel.help()]

    # --- what people do -----------------------------------------------------------------------------------------

    def _ask(self, wanted: Request | Steer | Choice) -> None:
        if self.link is None:
            self.tell("this window is connected to nothing", warn=True)
            return
        self.link.ask(wanted)

    def seek(self, at_s: float) -> None:
        """Ask a replay for the moment ``at_s`` after its beginning."""
        self._ask(Steer(0, "seek", at_s))

    def _stop(self) -> None:
        self._ask(Request("stop"))

    def toggle_help(self) -> None:
        """Show or hide the list of shortcuts."""
        self.overlay.toggle()

    def toggle_full_screen(self) -> None:
        """Fill the screen, or stop filling it."""
        self.showNormal() if self.isFullScreen() else self.showFullScreen()

    def zoom(self, *, larger: bool) -> None:
        """Draw everything a step larger or smaller: the window closes, and whoever runs it opens it again."""
        wanted = stepped(current(), screen_size(self.screen()), larger=larger)
        if wanted is None:
            self.tell(NO_LARGER if larger else NO_SMALLER, warn=False)
            return
        heard = self.link is not None and self.link.contact.heard_ns
        served = heard and not self._is_over and self._contact(now_ns()) is None
        if served and self._is_written_in("the window opens anew in another size"):
            return
        self._remembered.keep_zoom(wanted)
        if not served:
            self.tell("nobody serves this session any more: what opens next is drawn in that size", warn=False)
            return
        self.wanted_zoom = wanted
        self.close()

    def _is_written_in(self, plan: str) -> bool:
        """Return whether a panel holds something unsent, which a plan would lose; and say so."""
        unsent = next((words for panel in self.panels.values() if (words := panel.unsent())), "")
        if unsent:
            self.tell(f"send or clear {unsent} first: it would be lost when {plan}", warn=True)
        return bool(unsent)

    @property
    def _is_over(self) -> bool:
        standing = self.scene.standing
        return standing is not None and standing.phase == "ended"

    def toggle_theme(self) -> None:
        """Change between light and dark; everything is made anew in the other colours and stays where it is."""
        if self._is_written_in("everything is made anew in the other colours"):
            return
        stop, told, layout = self.banner.stop, self._told, self.saveState(self._version)
        self._undress()
        self.theme = THEMES["light" if self.theme.shade == "dark" else "dark"]
        self._dress()
        self._take_layout(layout)  # docks change their sizes while they are without a panel
        for shortcut in self._shortcuts:
            shortcut.deleteLater()
        self._shortcuts = self._make_shortcuts()
        if told is not None:
            self.tell(*told)
        self._all_anew()
        self._banner_ns = 0
        self._draw_banner(now_ns())
        self.banner.stop.show_state(stop.state, stop.sentence)
        self.banner.stop.setToolTip(stop.toolTip())
        self._remembered.keep_theme(self.theme.shade)

    def tell(self, sentence: str, warn: bool) -> None:
        """Say something in the banner's line."""
        self._told = (sentence, warn)
        self.banner.tell(sentence, warn=warn)

    def _forget_told(self) -> None:
        self._told = None

    def bring(self, name: str) -> None:
        """Bring a panel to the front, opened if it was closed."""
        if not self._is_useful(name):
            modes = " and ".join(self.panels[name].modes)
            self.tell(f"the {self.panels[name].title} panel is of use in {modes} only", warn=False)
            return
        self._docks[name].show()
        self._docks[name].raise_()
        self.panels[name].setFocus()

    # --- drawing ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to draw, by the clock."""
        self._restore()
        self._timer.start(TICK_MS)

    def tick(self) -> None:
        """Take what has come, and draw what is due."""
        begun_ns = now_ns()
        self.lag.began(begun_ns)
        self._suit_size(begun_ns)
        if self.link is not None:
            for heard in self.link.heard():
                self.take(heard)
            for asked, answer in self.link.answers():
                self._answered(answer.sentence, done=answer.done, stop=_is_stop(asked))
        self.scene.local_ns = begun_ns
        drawn = [panel for panel in self.panels.values() if self._draw(panel, begun_ns)]
        self._draw_banner(begun_ns)
        self.lag.ended(now_ns(), drawn=bool(drawn))

    def take(self, heard: Heard) -> None:
        """Take one batch into the scene."""
        if heard.batch.anew:
            self.scene.forget()
        for view in heard.views:
            self.scene.take(view)
        self.scene.at(heard.batch.now_ns, heard.local_ns, heard.batch.speed)
        if heard.batch.anew:
            self._all_anew()
            self.complete_ns = self.complete_ns or now_ns()

    def _all_anew(self) -> None:
        """Begin with empty sheets, also those that could not be drawn."""
        if self.mode != self._mode:
            self._enter(self.mode)
        self.failed.clear()
        for name, panel in self.panels.items():
            self._docks[name].setWindowTitle(panel.title)
            self._guarded(panel, panel.anew)
        self._drawn_ns.clear()

    @property
    def mode(self) -> str:
        """As what the session is shown."""
        if self.scene.opening is not None:
            return self.scene.opening.mode
        return "SETUP" if self.scene.setup is not None else ""

    def _enter(self, mode: str) -> None:
        """Take the layout of another mode, where it is another one."""
        before = self._layout_name
        self._keep_layout()
        self._mode = mode
        if self._layout_name != before:
            self._restore_layout()

    def _draw(self, panel: Panel, local_ns: int) -> bool:
        """Draw a panel if it can be seen and is due."""
        if local_ns - self._drawn_ns.get(panel.name, 0) < 0.9 * NS_PER_S / panel.rate_hz or not panel.isVisible():
            return False
        # The dock's region: of a panel that something in it covers wholly Qt sees nothing, though all of it is seen.
        if panel.name in self.failed or self._docks[panel.name].visibleRegion().isEmpty():
            return False
        self._drawn_ns[panel.name] = local_ns
        return self._guarded(panel, panel.refresh)

    def _guarded(self, panel: Panel, step: Callable[[], None]) -> bool:
        """Let a panel do something: the boundary behind which one that fails stands still, and all others go on."""
        try:
            step()
        except Exception as error:  # noqa: BLE001  (whatever one panel does wrong, the stop and the others must work)
            self.failed.add(panel.name)
            self._docks[panel.name].setWindowTitle(f"{panel.title} {FAILED}")
            self.tell(
                f"the {panel.title} panel failed ({type(error).__name__}: {error}) and stands still; all else goes on",
                warn=True,
            )
            sys.stderr.write(traceback.format_exc())
            return False
        return True

    def draw_all(self) -> None:
        """Draw everything now."""
        self._drawn_ns.clear()
        self._banner_ns = self._own_ns = 0
        self.tick()

    def _draw_banner(self, local_ns: int) -> None:
        if local_ns - self._banner_ns >= BANNER_NS:
            self._banner_ns = local_ns
            self.banner.show_contact(self._contact(local_ns))
            self.banner.show_scene(self.scene)
        if local_ns - self._own_ns >= OWN_NS and self.link is not None:
            self._own_ns = local_ns
            self.scene.own = self.lag.own(self.link.contact)

    def _contact(self, local_ns: int) -> str | None:
        """Return what is wrong with the link, or None."""
        if self.link is None:
            return None
        contact = self.link.contact
        if contact.refusal:
            return contact.refusal
        if self._is_over:
            return None
        if not contact.heard_ns:
            return f"no word from {self.link.endpoint} yet; still trying"
        silent_ns = local_ns - contact.heard_ns
        if silent_ns > LOST_NS:
            return f"no word from {self.link.endpoint} for {silent_ns / NS_PER_S:.0f} s; still trying"
        return None

    def _answered(self, sentence: str, *, done: bool, stop: bool) -> None:
        """Show the answer to what a person asked."""
        answered = getattr(self.panels.get("session"), "answered", None)
        if answered is not None:
            answered(sentence, done)
        if stop:
            self.banner.stop.set_answer(sentence, done)
        if not done:
            self.tell(sentence, warn=True)

    # --- remembering --------------------------------------------------------------------------------------------

    def _restore(self) -> None:
        """Take the place and the layout that were left, or the default ones."""
        geometry = self._remembered.geometry
        if geometry is not None:
            self.restoreGeometry(geometry)
        self._restore_layout()

    def _restore_layout(self) -> None:
        """Take this mode's layout as a window of such a size was left with it, or the default one."""
        self.arrange()
        layout = self._remembered.layout(self._layout_name, small=self._small)
        if layout is not None and self._take_layout(layout):
            self._offer_docks()
            if is_squeezed(self._docks.values()):
                self.arrange()

    def _keep_layout(self) -> None:
        """Remember how the panels stand, for this mode and such a size."""
        self._remembered.keep_layout(self._layout_name, self.saveState(self._version), small=self._small)

    def _suit_size(self, local_ns: int) -> None:
        """Take the layout of small windows where this has become one, or that of large ones.

        While a person still draws at the window's edge nothing jumps.
        """
        if is_small(self) != self._small and local_ns - self._resized_ns > SETTLED_NS:
            self._keep_layout()
            self._restore_layout()

    def closeEvent(self, event: QCloseEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Remember the layout, and let the session go on."""
        self._timer.stop()
        self._keep_layout()
        self._remembered.keep_theme(self.theme.shade)
        self._remembered.write(self.saveGeometry())
        if self.link is not None:
            self.link.close()
        super().closeEvent(event)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Keep the help over the whole window, and note the time."""
        super().resizeEvent(event)
        self._resized_ns = now_ns()
        self.overlay.setGeometry(self.rect())


def screen_size(screen: QScreen | None) -> Size:
    """Return the width and height of a screen as they would be without a zoom [px]."""
    if screen is None:
        return (0.0, 0.0)
    return (screen.size().width() * current(), screen.size().height() * current())


def _is_stop(asked: object) -> bool:
    request = getattr(asked, "request", None)
    return isinstance(request, Request) and request.verb == "stop"

"""The main window: docks for the panels, the banner with the red stop, and the clock by which everything is drawn.

Nothing is drawn when it comes; it is taken into the scene, and thirty times a second each panel that can be seen and
is due draws what has changed. So a flood of messages costs drawing no more than a trickle.
"""

from collections.abc import Callable
from typing import Final

from PyQt6.QtCore import QByteArray, QSettings, Qt, QTimer
from PyQt6.QtGui import QCloseEvent, QKeySequence, QResizeEvent, QShortcut
from PyQt6.QtWidgets import QApplication, QDockWidget, QMainWindow, QToolBar, QWidget

from controller.messages import Request
from controller.messages.view import Choice, Steer
from gui.lag import Lag
from gui.layout import arrange
from gui.link import Heard, Link
from gui.panel import Panel, find_panels
from gui.parts.banner import Banner
from gui.parts.help_overlay import HelpOverlay
from gui.scene import Scene
from gui.theme import THEMES, Theme, apply
from realtime.clock import now_ns
from realtime.records import NS_PER_MS, NS_PER_S

TICK_MS: Final = 33
BANNER_NS: Final = 100 * NS_PER_MS
OWN_NS: Final = NS_PER_S
LOST_NS: Final = 2 * NS_PER_S
LAYOUT_VERSION: Final = 1


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
    """

    def __init__(
        self, application: QApplication, link: Link | None, settings: QSettings | None = None, theme: str = ""
    ) -> None:
        super().__init__()
        self.scene = Scene()
        self.lag = Lag()
        self._application, self.link, self._settings = application, link, settings
        self.complete_ns = 0
        self._mode = ""
        self._banner_ns = self._own_ns = 0
        self._ended = False
        chosen = theme or (str(settings.value("theme", "dark")) if settings is not None else "dark")
        self.theme: Theme = THEMES.get(chosen, THEMES["dark"])
        self.setWindowTitle("duetto")
        self.setDockNestingEnabled(True)
        self.setAnimated(False)
        self.panels: dict[str, Panel] = {}
        self._docks: dict[str, QDockWidget] = {}
        self._drawn_ns: dict[str, int] = {}
        self._build()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self.tick)
        self._shortcuts = self._make_shortcuts()

    # --- building -----------------------------------------------------------------------------------------------

    def _build(self) -> None:
        """Make banner, panels and docks in the theme's colours."""
        apply(self._application, self.theme)
        empty = QWidget()
        empty.setMaximumSize(0, 0)
        self.setCentralWidget(empty)
        self.banner = Banner(self.theme)
        self.banner.stop.stopped.connect(self._stop)
        bar = QToolBar("Banner")
        bar.setObjectName("banner")
        bar.setMovable(False)
        bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        bar.addWidget(self.banner)
        self.addToolBar(Qt.ToolBarArea.TopToolBarArea, bar)
        self._bar = bar
        for kind in find_panels():
            panel = kind(self.scene, self.theme)
            panel.asked.connect(self._ask)
            dock = QDockWidget(panel.title, self)
            dock.setObjectName(panel.name)
            dock.setWidget(panel)
            self.panels[panel.name], self._docks[panel.name] = panel, dock
        self.overlay = HelpOverlay(self, self.theme)
        self.overlay.set_groups(self._help())
        self._mode = ""

    def _unbuild(self) -> None:
        for dock in self._docks.values():
            self.removeDockWidget(dock)
            dock.deleteLater()
        self.removeToolBar(self._bar)
        self._bar.deleteLater()
        self.overlay.deleteLater()
        self.panels, self._docks = {}, {}

    def arrange(self) -> None:
        """Put every panel where it stands by default for this window's size."""
        arrange(self, self._docks, self.panels, self._mode)

    def _make_shortcuts(self) -> list[QShortcut]:
        """Make the window's own shortcuts."""
        made = [
            self._shortcut("F1", self.toggle_help),
            self._shortcut("Shift+?", self.toggle_help),
            self._shortcut("Ctrl+T", self.toggle_theme),
            self._shortcut("F11", self.toggle_full_screen),
            self._shortcut("Ctrl+0", self.arrange),
            self._shortcut("Ctrl+Q", self.close),
        ]
        for name, panel in self.panels.items():
            if panel.key:
                made.append(self._shortcut(panel.key, lambda name=name: self.bring(name)))
        return made

    def _shortcut(self, keys: str, what: Callable[..., object]) -> QShortcut:
        shortcut = QShortcut(QKeySequence(keys), self)
        shortcut.activated.connect(what)
        return shortcut

    def _help(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Return all shortcuts, by group."""
        window = [
            ("Ctrl+. or F12", "stop the session at once: every output off"),
            ("F1 or ?", "this help"),
            ("Ctrl+T", "light or dark"),
            ("F11", "full screen"),
            ("Ctrl+0", "every panel back to its place"),
            ("Ctrl+Q", "close the window; the session goes on"),
        ]
        panels = [(panel.key, panel.title) for panel in self.panels.values() if panel.key]
        groups = [("Window", window), ("Panels", sorted(panels))]
        return groups + [(panel.title, panel.help()) for panel in self.panels.values() if panel.help()]

    # --- what people do -----------------------------------------------------------------------------------------

    def _ask(self, wanted: Request | Steer | Choice) -> None:
        if self.link is None:
            self.banner.tell("this window is connected to nothing", warn=True)
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

    def toggle_theme(self) -> None:
        """Change between light and dark; everything is made anew in the other colours."""
        state, mode = self.saveState(LAYOUT_VERSION), self._mode
        self._unbuild()
        self.theme = THEMES["light" if self.theme.shade == "dark" else "dark"]
        self._build()
        for shortcut in self._shortcuts:
            shortcut.deleteLater()
        self._shortcuts = self._make_shortcuts()
        self._mode = mode
        self.arrange()
        self.restoreState(state, LAYOUT_VERSION)
        self._all_anew()
        if self._settings is not None:
            self._settings.setValue("theme", self.theme.shade)

    def bring(self, name: str) -> None:
        """Bring a panel to the front, opened if it was closed."""
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
        mode = self.mode
        if mode != self._mode:
            self._mode = mode
            self._show_modes()
        for panel in self.panels.values():
            panel.anew()
        self._drawn_ns.clear()

    @property
    def mode(self) -> str:
        """As what the session is shown."""
        if self.scene.opening is not None:
            return self.scene.opening.mode
        return "SETUP" if self.scene.setup is not None else ""

    def _show_modes(self) -> None:
        """Show those panels that are of use in this mode."""
        for name, panel in self.panels.items():
            modes = getattr(panel, "modes", None)
            if modes is not None:
                self._docks[name].setVisible(self._mode in modes)

    def _draw(self, panel: Panel, local_ns: int) -> bool:
        """Draw a panel if it can be seen and is due."""
        if local_ns - self._drawn_ns.get(panel.name, 0) < 0.9 * NS_PER_S / panel.rate_hz or not panel.isVisible():
            return False
        if panel.visibleRegion().isEmpty():
            return False
        self._drawn_ns[panel.name] = local_ns
        panel.refresh()
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
        standing = self.scene.standing
        if standing is not None and standing.phase == "ended":
            return None
        silent_ns = local_ns - contact.heard_ns
        if not contact.heard_ns or silent_ns > LOST_NS:
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
            self.banner.tell(sentence, warn=True)

    # --- remembering --------------------------------------------------------------------------------------------

    def _restore(self) -> None:
        """Take the layout that was left, or the default one."""
        self.arrange()
        if self._settings is None:
            return
        geometry, state = self._settings.value("geometry"), self._settings.value("state")
        if isinstance(geometry, QByteArray):
            self.restoreGeometry(geometry)
        if isinstance(state, QByteArray):
            self.restoreState(state, LAYOUT_VERSION)

    def closeEvent(self, event: QCloseEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Remember the layout, and let the session go on."""
        self._timer.stop()
        if self._settings is not None:
            self._settings.setValue("geometry", self.saveGeometry())
            self._settings.setValue("state", self.saveState(LAYOUT_VERSION))
            self._settings.setValue("theme", self.theme.shade)
        if self.link is not None:
            self.link.close()
        super().closeEvent(event)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Keep the help over the whole window."""
        super().resizeEvent(event)
        self.overlay.setGeometry(self.rect())


def _is_stop(asked: object) -> bool:
    request = getattr(asked, "request", None)
    return isinstance(request, Request) and request.verb == "stop"

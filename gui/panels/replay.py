"""Replay: a recorded session, played like a tape.

*Play* goes on from where the playhead stands, 0.1 to 50 times as fast as then; ◀ and ▶ step to where an earlier or a
later trial opens. The bar is the whole session: a click or a drag goes to any moment, a click on a mark (▲ fault,
✎ note, ◆ what a person did) to its own; *Jump to* lists them. Trials are blocks: high and coloured as a success, lower
as a miss, an omission, or aborted; where they are too many for the bar, columns show how their outcomes are shared out.
Below them stand light, and crossings of estimates as ticks.

*log* is the time since the log's beginning [h:min:s], by which the bar counts and ``--at`` goes; *task* is the time
since the task was started, by which the banner, events and notes count. A session that compiled first, or waited for
its start, has them that far apart; where they are not, one stands alone. Behind them: what a clock on the wall showed.

Last is the *proof*: while the session is shown, every decision in its log is decided again from the log's inputs.
Estimates are those of the log.
"""

from collections.abc import Callable
from typing import Final, Literal

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QKeySequence, QResizeEvent, QShortcut
from PyQt6.QtWidgets import QComboBox, QGridLayout, QHBoxLayout, QPushButton, QSizePolicy, QToolButton, QWidget

from controller.messages.view import Opening, Playhead, Steer
from gui.panel import Panel
from gui.parts.elided import Elided
from gui.parts.jump_menu import JumpMenu
from gui.parts.labels import say
from gui.parts.scrub_bar import ScrubBar
from gui.parts.words import clock_at, elapsed_s
from gui.scene import Scene
from gui.theme import Theme
from realtime.records import NS_PER_MS, NS_PER_S

SPEEDS: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
SEEK_NS: Final = 100 * NS_PER_MS
"""Least time between two seeks."""
LATE_NS: Final = 2 * NS_PER_S
"""A seek that is not there after this long is waited for no more."""
BROAD, BESIDE, MIDDLE = 1000, 760, 560
"""From these widths on proof and times stand beside the buttons, and the buttons have their whole names [px]."""
NOTHING: Final = "not yet: no recorded session is shown"
TIME_TIP: Final = (
    "log: the time since the log's beginning, of the log's length; the bar and --at count so. task: the time since the "
    "task was started; the banner, events and notes count so. Last: what a clock on the wall showed."
)
Verb = Literal["play", "pause", "seek", "step", "speed"]


class ReplayPanel(Panel):
    """The controls of a replay."""

    name = "replay"
    title = "Replay"
    area = "bottom"
    order = 0
    stretch = 1
    rate_hz = 20.0
    key = "Ctrl+8"
    modes = ("REPLAY",)

    def __init__(self, scene: Scene, theme: Theme) -> None:
        super().__init__(scene, theme)
        self.play, self.back, self.forward = QPushButton("▶ Play"), QPushButton(), QPushButton()
        self.speed, self.jump, self.menu = QComboBox(), QToolButton(), JumpMenu(self)
        self.time, self.proof, self.bar = Elided(NOTHING, own_tip=False), Elided(), ScrubBar(theme)
        self._controls = (self.back, self.play, self.forward, self.speed, self.jump)
        self._wanted_ns: int | None = None
        self._asked_ns: int | None = None
        self._asked_at_ns = -SEEK_NS
        self._told: tuple[object, ...] = ()
        self._make_controls()
        self._lay_out()
        self._connect()
        self.refresh()

    # --- building -----------------------------------------------------------------------------------------------

    def _make_controls(self) -> None:
        for speed in SPEEDS:
            self.speed.addItem(f"{speed:g} ×", speed)
        self.jump.setText("Jump to")
        self.jump.setMenu(self.menu)
        self.jump.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.play.setToolTip("Play or pause (Space).")
        self.back.setToolTip("To where the trial before opened (Ctrl+Left).")
        self.forward.setToolTip("To where the next trial opens (Ctrl+Right).")
        self.speed.setToolTip("How many times as fast as then it is played (+ and −).")
        self.jump.setToolTip("Faults, what people did, notes, and trials by their number.")
        self.time.setToolTip(TIME_TIP)
        for widget in self._controls:
            widget.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.proof.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def _lay_out(self) -> None:
        self._buttons = QWidget()
        row = QHBoxLayout(self._buttons)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for widget in self._controls:
            row.addWidget(widget)
        row.addStretch(1)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(6, 4, 6, 4)
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(3)
        self.setMinimumSize(240, 84)
        self._arrange()

    def _arrange(self) -> None:
        """Put everything where there is room for it."""
        broad, beside, middle = (self.width() >= width for width in (BROAD, BESIDE, MIDDLE))
        for widget in (self._buttons, self.time, self.proof, self.bar):
            self._grid.removeWidget(widget)
        self._grid.addWidget(self._buttons, 0, 0)
        self._grid.addWidget(self.time, *((0, 1, 1, 1) if beside else (1, 0, 1, 3)))
        self._grid.addWidget(self.proof, 0 if broad else 3, 2 if broad else 0, 1, 1 if broad else 3)
        self._grid.addWidget(self.bar, 2, 0, 1, 3)
        self._grid.setColumnStretch(0, 0 if broad else 1)
        self._grid.setColumnStretch(2, 1 if broad else 0)
        self._grid.setRowStretch(2, 1)
        self.back.setText("◀ Trial" if middle else "◀")
        self.forward.setText("Trial ▶" if middle else "▶|")
        self.play.setMinimumWidth(86 if middle else 64)
        for button in (self.back, self.forward):
            button.setMaximumWidth(90 if middle else 40)

    def _connect(self) -> None:
        self.play.clicked.connect(self.toggle)
        self.back.clicked.connect(lambda: self._steer("step", -1.0))
        self.forward.clicked.connect(lambda: self._steer("step", 1.0))
        self.speed.activated.connect(lambda place: self._steer("speed", SPEEDS[place]))
        self.bar.sought.connect(self._seek)
        self.menu.chosen.connect(self._seek)
        self._shortcut("Space", self.toggle)
        self._shortcut("Ctrl+Left", lambda: self._steer("step", -1.0))
        self._shortcut("Ctrl+Right", lambda: self._steer("step", 1.0))
        for keys in ("+", "="):
            self._shortcut(keys, lambda: self._change_speed(1))
        self._shortcut("-", lambda: self._change_speed(-1))

    def _shortcut(self, keys: str, what: Callable[[], None]) -> None:
        QShortcut(QKeySequence(keys), self).activated.connect(what)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Arrange as there is room."""
        super().resizeEvent(event)
        self._arrange()

    def help(self) -> list[tuple[str, str]]:
        """Return the shortcuts and what they do."""
        return [
            ("Space", "play or pause"),
            ("Ctrl+Left, Ctrl+Right", "to the trial before, to the next trial"),
            ("+, −", "faster, slower"),
        ]

    # --- what people do -----------------------------------------------------------------------------------------

    def toggle(self) -> None:
        """Play, or pause."""
        playhead = self.scene.playhead
        if playhead is not None:
            self._steer("pause" if playhead.playing else "play")

    def _steer(self, verb: Verb, value: float = 0.0) -> None:
        if self.scene.playhead is not None:
            self.asked.emit(Steer(0, verb, value))

    def _change_speed(self, by: int) -> None:
        """Go to the next faster or slower speed."""
        playhead = self.scene.playhead
        if playhead is None:
            return
        beyond = [s for s in SPEEDS if (s > playhead.speed if by > 0 else s < playhead.speed)]
        if beyond:
            self._steer("speed", min(beyond) if by > 0 else max(beyond))

    def _seek(self, t_ns: int) -> None:
        """Want to see a moment; it is asked for when the one before has come."""
        self._wanted_ns = t_ns
        self.bar.set_playhead(t_ns)
        self._ask_for_wanted()

    @property
    def _awaited_ns(self) -> int | None:
        """The moment that was asked for and has not come yet [ns]; None where none is waited for any more."""
        return self._asked_ns if self.scene.local_ns - self._asked_at_ns < LATE_NS else None

    def _ask_for_wanted(self) -> None:
        """Ask for the moment that is wanted, one at a time and not too often."""
        playhead, now_ns = self.scene.playhead, self.scene.local_ns
        if self._wanted_ns is None or playhead is None:
            return
        if self._awaited_ns is not None or now_ns - self._asked_at_ns < SEEK_NS:
            return
        self._asked_ns, self._wanted_ns, self._asked_at_ns = self._wanted_ns, None, now_ns
        self._steer("seek", (self._asked_ns - playhead.begin_ns) / NS_PER_S)

    # --- drawing ------------------------------------------------------------------------------------------------

    def anew(self) -> None:
        """Another moment has come, or another session: the next one may be asked for."""
        self._asked_ns = None
        self._told = ()
        self.refresh()

    def refresh(self) -> None:
        """Draw what has changed."""
        playhead, opening = self.scene.playhead, self.scene.opening
        self._ask_for_wanted()
        if playhead is None or opening is None:
            self._show_nothing()
            return
        self.bar.show_session(self.scene.overview, opening, playhead.begin_ns, playhead.end_ns)
        self.menu.show_session(self.scene.overview, opening, playhead.begin_ns)
        t_ns = min(max(self.scene.now_ns, playhead.begin_ns), playhead.end_ns)
        if self._awaited_ns is not None:
            t_ns = self._awaited_ns
        if self._wanted_ns is not None:
            t_ns = self._wanted_ns
        self.bar.set_playhead(t_ns)
        self._show_time(playhead, opening, t_ns)
        self._show_standing(playhead)

    def _show_nothing(self) -> None:
        self.bar.show_session(None, None, 0, 1)
        self.bar.set_playhead(None)
        say(self.time, NOTHING)
        say(self.proof, "")
        for widget in self._controls:
            widget.setEnabled(False)

    def _show_time(self, playhead: Playhead, opening: Opening, t_ns: int) -> None:
        clocks, on_the_wall = self.bar.clocks, clock_at(opening, t_ns)
        told = f"{clocks.log(t_ns)} of {clocks.log(playhead.end_ns)}"
        if clocks.differ:
            finished = self.scene.counts is not None and self.scene.counts.finished
            told = f"log {told} · {clocks.task(t_ns, elapsed_s(self.scene) if finished else float('inf'))}"
        say(self.time, f"{told} · {on_the_wall}")

    def _show_standing(self, playhead: Playhead) -> None:
        """Show what the playhead says of itself."""
        told = (playhead.playing, playhead.speed, playhead.proof, playhead.proven, round(playhead.read, 2))
        if told == self._told:
            return
        self._told = told
        for widget in self._controls:
            widget.setEnabled(True)
        self.play.setText("Pause" if playhead.playing else "▶ Play")
        self.speed.setPlaceholderText(f"{playhead.speed:g} ×")
        self.speed.setCurrentIndex(SPEEDS.index(playhead.speed) if playhead.speed in SPEEDS else -1)
        sentence, colour = proof_words(playhead)
        say(self.proof, sentence)
        self.proof.setStyleSheet(f"color: {self.theme.colour(colour).name()};")


def proof_words(playhead: Playhead) -> tuple[str, str]:
    """Return what came out of the proof, with its mark, and how the colour of it is called."""
    older = "" if playhead.read >= 1.0 else f" · older estimates: {playhead.read:.0%} found"
    if playhead.proven is None:
        return f"… proof: {playhead.proof}{older}", "dim"
    if playhead.proven:
        return f"✓ {playhead.proof}{older}", "good"
    return f"✗ differs: {playhead.proof}{older}", "bad"

"""The buttons of a running session. Each only asks; what it shows is what the session says of itself.

Arming lasers and ending the session take a second click within 3 s. The red stop is another button, and immediate.
"""

from typing import Final, Literal

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QGridLayout, QLabel, QPushButton, QWidget

from controller.messages import Request, Verb
from gui.parts.labels import explain
from gui.parts.rules import why_not
from gui.parts.twice import Twice
from gui.parts.words import is_paused
from gui.scene import Scene
from gui.theme import Theme

Animal = Literal["A", "B"]
BOTH: Final[tuple[Animal, Animal]] = ("A", "B")
LASER_NAMES: Final = {"A": "&Laser test A", "B": "Las&er test B"}
PAUSE_WORDS: Final = {
    "pause": "Switches every output off; an open trial ends as ABORTED.",
    "resume": "Goes on with the next trial's interval.",
}


class Controls(QWidget):
    """Pause, rewards, lasers and the orderly stop.

    Attributes
    ----------
    asked
        Emitted with a :class:`~controller.messages.Request`.
    """

    asked = pyqtSignal(object)

    def __init__(self, scene: Scene, theme: Theme) -> None:
        super().__init__()
        self._scene = scene
        self._arming, self._stopping = Twice(), Twice()
        self._shown_waiting = (False, False)
        self.pause = QPushButton("&Pause")
        self.stop = QPushButton("&Stop session")
        self.rewards = {animal: QPushButton(f"Reward &{animal}") for animal in BOTH}
        self.arm = QPushButton("Lasers disarmed: ar&m")
        self.arm.setCheckable(True)
        self.arm.setStyleSheet(
            f"QPushButton:checked {{ background: {theme.light}; color: #000000; font-weight: 600; }}"
            f"QPushButton:checked:disabled {{ color: #333333; }}"
        )
        self.lasers = {animal: QPushButton(LASER_NAMES[animal]) for animal in BOTH}
        self.why = QLabel()
        self.why.setWordWrap(True)
        self.why.setMinimumHeight(self.why.fontMetrics().height())
        self.why.setStyleSheet(f"color: {theme.dim};")
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.setColumnStretch(0, 1)
        layout.setColumnStretch(1, 1)
        layout.addWidget(self.pause, 0, 0)
        layout.addWidget(self.stop, 0, 1)
        layout.addWidget(self.rewards["A"], 1, 0)
        layout.addWidget(self.rewards["B"], 1, 1)
        layout.addWidget(self.arm, 2, 0, 1, 2)
        layout.addWidget(self.lasers["A"], 3, 0)
        layout.addWidget(self.lasers["B"], 3, 1)
        layout.addWidget(self.why, 4, 0, 1, 2)

    def _connect(self) -> None:
        for button in (self.pause, self.stop, self.arm, *self.rewards.values(), *self.lasers.values()):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a space bar after a click gives nothing a second time
        self.pause.clicked.connect(self._pause)
        self.stop.clicked.connect(self._stop)
        self.arm.clicked.connect(self._arm)
        for animal in BOTH:
            self.rewards[animal].clicked.connect(lambda _=False, who=animal: self._ask("reward", who))
            self.lasers[animal].clicked.connect(lambda _=False, who=animal: self._ask("laser", who))

    # --- what is asked ------------------------------------------------------------------------------------------

    def _ask(self, verb: Verb, animal: Animal | None = None) -> None:
        self.asked.emit(Request(verb, animal))

    def _pause(self) -> None:
        self._ask("resume" if is_paused(self._scene) else "pause")

    def _stop(self) -> None:
        if self._stopping.click(self._scene.local_ns):
            self._ask("stop")
        self._show_twice()

    def _arm(self) -> None:
        """Disarm at once; arm at the second click. The button goes on showing what the session says."""
        if self._is_armed:
            self._ask("disarm")
        elif self._arming.click(self._scene.local_ns):
            self._ask("arm")
        self._show_twice()

    @property
    def _is_armed(self) -> bool:
        return self._scene.counts is not None and self._scene.counts.armed

    # --- what is shown ------------------------------------------------------------------------------------------

    def forget(self) -> None:
        """Wait for no second click any more."""
        self._arming.forget()
        self._stopping.forget()

    def lapse(self) -> None:
        """Show that a second click is waited for no longer, once it is not."""
        if self._waits() != self._shown_waiting:
            self._show_twice()

    def _waits(self) -> tuple[bool, bool]:
        """Return whether a second click is waited for: to arm, to stop."""
        local_ns = self._scene.local_ns
        return self._arming.waits(local_ns), self._stopping.waits(local_ns)

    def show_scene(self) -> None:
        """Show what the session says, and what can be asked of it now."""
        opening = self._scene.opening
        if opening is None:
            return
        self.pause.setText("&Resume" if is_paused(self._scene) else "&Pause")
        verb: Verb = "resume" if is_paused(self._scene) else "pause"
        _allow(self.pause, why_not(self._scene, verb), PAUSE_WORDS[verb])
        _allow(self.stop, why_not(self._scene, "stop"), "Ends the session in order; asks for a second click.")
        for number, animal in enumerate(BOTH):
            opens = f"Opens {animal}'s valve for {opening.free_ms[number]:g} ms, now and in whatever state."
            _allow(self.rewards[animal], why_not(self._scene, "reward", animal), opens)
        self._show_lasers(opening.lasers, opening.test_ms)
        self._show_twice()

    def _show_lasers(self, lasers: tuple[bool, bool], test_ms: float) -> None:
        verb: Verb = "disarm" if self._is_armed else "arm"
        self.arm.setVisible(any(lasers))
        _allow(self.arm, why_not(self._scene, verb), "Whether lasers may be lit, as the session says.")
        whys = []
        for number, animal in enumerate(BOTH):
            why = why_not(self._scene, "laser", animal)
            self.lasers[animal].setVisible(lasers[number])
            _allow(self.lasers[animal], why, f"Lights {animal}'s laser for {test_ms:g} ms, between trials.")
            whys += [why] if why and lasers[number] else []
        everything = why_not(self._scene, "pause")
        self.why.setText(f"not now: {everything}" if everything else f"laser test: {whys[0]}" if whys else "")

    def _show_twice(self) -> None:
        """Show what the session says of its lasers, and where a second click is waited for."""
        arming, stopping = self._shown_waiting = self._waits()
        self.arm.setChecked(self._is_armed)
        if self._is_armed:
            self.arm.setText("Lasers ARMED: disar&m")
        else:
            self.arm.setText("Click again to ar&m" if arming else "Lasers disarmed: ar&m")
        self.stop.setText("Click again to &stop" if stopping else "&Stop session")


def _allow(button: QPushButton, why: str, words: str) -> None:
    """Let a button be pressed, or say in its tooltip why it cannot."""
    button.setEnabled(not why)
    explain(button, f"Not now: {why}." if why else words)

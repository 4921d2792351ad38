"""The session: set it up, see where it stands, and steer it.

**Before it begins** a form asks for what it shall be: subjects A and B, the day of training (which decides the window),
its longest duration [min], after how many trials it ends (empty: only the minutes count), and where its folder is made.
What hinders a start stands below the field that it is about; *Start* is possible once nothing does.

**While it runs** the panel shows, from top to bottom:

- who is in it, the stage of training and its window [s], and what the task is at;
- how long it has run, of how long at most, and the trial that is open or ended last;
- what each animal was given: water [µl] through the calibration of its valve, how long the valve was open [s], how
  many openings were earned and how many given by hand, and how long its laser was lit [s]. All by the devices' own
  edges. Without a calibration no µl are shown;
- buttons. Each asks the session, whose answer stands below them; ⚠ marks what it refused. *Arm* shows what the session
  says, not what was clicked; arming and stopping take a second click within 3 s. A laser is tested only while lasers
  are armed and the session is paused. The red stop at the top of the window is separate, and immediate;
- notes, which stay in the field until the session shows that they are in the log.

In a **replay** there is nothing to press: nothing can be given.
"""

from collections.abc import Callable
from typing import Final

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor, QKeySequence, QShortcut
from PyQt6.QtWidgets import (
    QAbstractButton,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from gui.panel import Panel
from gui.parts.controls import Controls
from gui.parts.elided import Elided
from gui.parts.given import Given
from gui.parts.notes import Notes
from gui.parts.rules import why_not
from gui.parts.setup_form import SetupForm
from gui.parts.words import (
    NONE_HEARD,
    TIME_TIP,
    WARNING,
    elapsed_s,
    is_setup,
    phase_words,
    stage_words,
    time_words,
    who_words,
)
from gui.scene import Scene
from gui.theme import Theme

READ: Final = ("opening", "setup", "standing", "counts", "records", "note")
"""What this panel draws, of all that comes."""


class SessionPanel(Panel):
    """Setup, standing, buttons and notes of one session."""

    name = "session"
    title = "Session"
    area = "left"
    order = 10
    stretch = 5
    rate_hz = 5.0
    key = "Ctrl+1"

    def __init__(self, scene: Scene, theme: Theme) -> None:
        super().__init__(scene, theme)
        self._drawn: tuple[object, ...] = ()
        self.empty = QLabel(NONE_HEARD)
        self.form = SetupForm(theme)
        self.who, self.stage, self.state = Elided(), Elided(), Elided()
        self.progress = QProgressBar()
        self.time, self.trial = QLabel(), QLabel()
        self.given = Given(theme)
        self.controls = Controls(scene, theme)
        self.replay = QLabel("this is a replay: nothing can be given")
        self.answer = QLabel()
        self.notes = Notes(scene, theme)
        self._dress()
        self.pages = QStackedWidget()
        for page in (self.empty, _scrolling(self.form), _scrolling(self._running())):
            self.pages.addWidget(page)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.addWidget(self.pages)
        for part in (self.form, self.controls, self.notes):
            part.asked.connect(self.asked)
        self._add_shortcuts()

    def _dress(self) -> None:
        dim = f"color: {self.theme.dim};"
        faint = self.theme.colour("dim", 140).name(QColor.NameFormat.HexArgb)
        self.setStyleSheet(f"QPushButton:disabled, QLineEdit:disabled, QAbstractSpinBox:disabled {{ color: {faint}; }}")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        for label in (self.empty, self.replay, self.stage, self.answer):
            label.setStyleSheet(dim)
        for label in (self.empty, self.answer, self.replay):
            label.setWordWrap(True)
        self.who.setStyleSheet("font-weight: 600;")
        self.answer.setMinimumHeight(self.answer.fontMetrics().height())
        self.answer.setTextFormat(Qt.TextFormat.PlainText)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(6)
        self.progress.setRange(0, 1000)
        self.progress.setStyleSheet(
            f"QProgressBar {{ border: 0; border-radius: 3px; background: {self.theme.edge}; }}"
            f"QProgressBar::chunk {{ border-radius: 3px; background: {self.theme.dim}; }}"
        )
        self.time.setToolTip(TIME_TIP)
        self.trial.setToolTip("The trial that is open or ended last, of how many at most.")
        self.trial.setAlignment(Qt.AlignmentFlag.AlignRight)

    def _running(self) -> QWidget:
        """Return the page of a session that has begun."""
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 4, 0)
        layout.setSpacing(4)
        figures = QWidget()
        row = QHBoxLayout(figures)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.time)
        row.addWidget(self.trial, 1)
        for widget in (self.who, self.stage, self.state, self.progress, figures, self.given):
            layout.addWidget(widget)
        layout.addSpacing(4)
        for widget in (self.controls, self.replay, self.answer):
            layout.addWidget(widget)
        layout.addWidget(self.notes, 1)
        return page

    # --- keys ---------------------------------------------------------------------------------------------------

    def help(self) -> list[tuple[str, str]]:
        """Return the panel's shortcuts."""
        return [
            ("Ctrl+P", "pause, or resume"),
            ("Ctrl+Shift+A", "reward A by hand"),
            ("Ctrl+Shift+B", "reward B by hand"),
            ("Ctrl+Shift+M", "arm lasers (twice within 3 s), or disarm them"),
            ("Ctrl+L", "test A's laser, while armed and paused"),
            ("Ctrl+Shift+L", "test B's laser, while armed and paused"),
            ("Ctrl+N", "write a note"),
        ]

    def hand_over_keys(self) -> list[tuple[str, Callable[[], object]]]:
        """Return the panel's shortcuts and what they do, and listen to them no more."""
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
        return [(shortcut.key().toString(), shortcut.activated.emit) for shortcut in self._shortcuts]

    def _add_shortcuts(self) -> None:
        self._shortcuts: list[QShortcut] = []
        presses: dict[str, QAbstractButton] = {
            "Ctrl+P": self.controls.pause,
            "Ctrl+Shift+A": self.controls.rewards["A"],
            "Ctrl+Shift+B": self.controls.rewards["B"],
            "Ctrl+Shift+M": self.controls.arm,
            "Ctrl+L": self.controls.lasers["A"],
            "Ctrl+Shift+L": self.controls.lasers["B"],
        }
        for keys, button in presses.items():
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setAutoRepeat(False)
            shortcut.activated.connect(lambda button=button: self._press(button))
            self._shortcuts.append(shortcut)
        note = QShortcut(QKeySequence("Ctrl+N"), self)
        note.activated.connect(self.notes.field.setFocus)
        self._shortcuts.append(note)

    def _press(self, button: QAbstractButton) -> None:
        """Press a button by its key, or say why it cannot be pressed."""
        if not button.isVisibleTo(self):
            return
        if button.isEnabled():
            button.click()
        else:
            self.answered(button.toolTip(), done=False)

    # --- what is shown ------------------------------------------------------------------------------------------

    def answered(self, sentence: str, done: bool) -> None:
        """Show what the session answered to something that was asked here."""
        if not done:
            self.notes.refused()
        self.answer.setStyleSheet(f"color: {self.theme.dim if done else self.theme.warn};")
        self.answer.setText(sentence if done else WARNING + sentence)

    def anew(self) -> None:
        """Forget the last answer, and every click that waits for its second."""
        self._drawn = ()
        self.controls.forget()
        self.answered("", done=True)

    def refresh(self) -> None:
        """Show the session as it is now."""
        scene = self.scene
        self.controls.lapse()
        seconds = int(elapsed_s(scene))
        now = (*(scene.changes.get(kind) for kind in READ), scene.opening, seconds)
        if now == self._drawn:
            return
        self._drawn = now
        if is_setup(scene) and scene.setup is not None:
            self.pages.setCurrentIndex(1)
            self.form.show_setup(scene.setup, "" if scene.standing is None else scene.standing.phase)
        elif scene.opening is None:
            self.pages.setCurrentIndex(0)
        else:
            self.pages.setCurrentIndex(2)
            self._show_standing(seconds)
            self._show_controls()

    def _show_standing(self, seconds: int) -> None:
        opening, counts = self.scene.opening, self.scene.counts
        if opening is None:
            return
        self.who.setText(who_words(opening.subjects, opening.day))
        self.stage.setText(stage_words(self.scene))
        self.state.setText(phase_words(self.scene) or "not yet: nothing was heard of the task")
        self.progress.setValue(round(1000 * min(1.0, seconds / max(1.0, 60 * opening.minutes))))
        self.time.setText(time_words(seconds, opening.minutes))
        trial = 0 if counts is None else counts.trial
        of = f" of {opening.trials}" if opening.trials else ""
        self.trial.setText(f"trial {trial}{of}" if trial else "trial: not yet")
        self.given.show_scene(self.scene)

    def _show_controls(self) -> None:
        opening = self.scene.opening
        is_replay = opening is not None and opening.mode == "REPLAY"
        self.replay.setVisible(is_replay)
        self.controls.setVisible(not is_replay)
        self.answer.setVisible(not is_replay)
        self.controls.show_scene()
        self.notes.can_write(why_not(self.scene, "note"), possible=not is_replay)
        self.notes.show_scene()

    def unsent(self) -> str:
        """Return what was written here and not sent yet, of the page that is shown."""
        return ("", self.form.unsent(), self.notes.unsent())[self.pages.currentIndex()]


def _scrolling(page: QWidget) -> QScrollArea:
    """Return a page that scrolls up and down where the panel is low."""
    area = QScrollArea()
    area.setWidget(page)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return area

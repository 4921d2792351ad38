"""The menu of a recorded session's moments: its faults, what people did, notes, and its trials by number.

Each has its time since the log's beginning and, where that is another, since the task's start.
"""

from typing import Final

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QMenu, QPushButton, QSpinBox, QWidget, QWidgetAction

from controller.messages.view import Opening, Overview
from gui.parts.timeline import ACT_MARK, FAULT_MARK, NOTE_MARK, clocks_of, signs_of

MOST: Final = 60
"""Moments of one kind that are listed."""
LONGEST: Final = 60
KINDS: Final = ((FAULT_MARK, "Faults"), (ACT_MARK, "What people did"), (NOTE_MARK, "Notes"))


class JumpMenu(QMenu):
    """Where one can jump to.

    Attributes
    ----------
    chosen
        Emitted with the time [ns] of the moment.
    trial
        The number of the trial to go to.
    """

    chosen = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._overview: Overview | None = None
        self._begin_ns = 0
        self.trial, self.go = QSpinBox(), QPushButton("Go")
        self.trial.setMinimum(1)
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(8, 4, 8, 4)
        for widget in (QLabel("Trial"), self.trial, self.go):
            layout.addWidget(widget)
        self._row = QWidgetAction(self)
        self._row.setDefaultWidget(row)
        self.addAction(self._row)
        self.lists: dict[str, QMenu] = {}
        for mark, name in KINDS:
            listed = self.addMenu(f"{mark} {name}")
            if listed is not None:
                self.lists[mark] = listed
        self.go.clicked.connect(self._go_to_trial)

    def show_session(self, overview: Overview | None, opening: Opening | None, begin_ns: int) -> None:
        """Offer a session's moments."""
        same = overview is self._overview or overview == self._overview
        if same and begin_ns == self._begin_ns:
            return
        self._overview, self._begin_ns = overview, begin_ns
        trials = [] if overview is None else overview.trials
        self._row.setEnabled(bool(trials))
        self.trial.setMaximum(max([1, *(trial.number for trial in trials)]))
        signs = [] if overview is None else signs_of(overview, opening)
        clocks = clocks_of(overview, begin_ns)
        for mark, listed in self.lists.items():
            mine = [sign for sign in signs if sign.mark == mark]
            listed.clear()
            listed.setEnabled(bool(mine))
            for sign in mine[:MOST]:
                text = sign.sentence if len(sign.sentence) <= LONGEST else sign.sentence[: LONGEST - 1] + "…"
                action = listed.addAction(f"{clocks.both(sign.t_ns)}  {text}".replace("&", "&&"))
                if action is not None:
                    action.triggered.connect(lambda _checked=False, t_ns=sign.t_ns: self.chosen.emit(t_ns))
            if len(mine) > MOST:
                rest = listed.addAction(f"and {len(mine) - MOST} more, on the bar")
                if rest is not None:
                    rest.setEnabled(False)

    def _go_to_trial(self) -> None:
        """Jump to where the trial with that number opened."""
        trials = [] if self._overview is None else self._overview.trials
        found = [trial.start_ns for trial in trials if trial.number == self.trial.value()]
        if found:
            self.chosen.emit(found[0])
            self.close()

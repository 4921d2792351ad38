"""What the next session shall be: a form that is checked by the session's own computer while it is filled in.

Every change is sent as a whole ``Choice``; what hinders a start comes back, and stands below the field it is about.
"""

import contextlib
from typing import Final

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import (
    QAbstractSpinBox,
    QDoubleSpinBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from controller.messages import Request
from controller.messages.view import Choice, Setup
from gui.parts.elided import Elided
from gui.parts.words import WARNING, starting_words, to_correct
from gui.theme import Theme

FIELDS: Final = ("rig", "subjects", "day", "minutes", "trials", "output")
NOT_A_NUMBER: Final = "a number of trials is whole and above 0; leave it empty if only the minutes shall count"


class SetupForm(QWidget):
    """The form and its start button.

    Attributes
    ----------
    asked
        Emitted with a ``Choice`` numbered 0, or the :class:`~controller.messages.Request` to start.
    problems
        The labels below the fields, by the field's name.
    """

    asked = pyqtSignal(object)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._setup: Setup | None = None
        self._chosen: Choice | None = None
        self.rig, self.path = Elided(), Elided()
        self.task, self.mode, self.window_words = QLabel(), QLabel(), QLabel()
        self.subjects = (QLineEdit(), QLineEdit())
        self.day, self.minutes = QSpinBox(), QDoubleSpinBox()
        self.trials, self.output = QLineEdit(), QLineEdit()
        self.folder = QPushButton("Choose …")
        self.start = QPushButton("S&tart")
        self.why = QLabel()
        self.remarks = QLabel()
        self.problems = {name: QLabel() for name in FIELDS}
        self._dress()
        self._lay_out()
        self._connect()

    def _dress(self) -> None:
        self.day.setRange(1, 1000)
        self.minutes.setRange(0.0, 1440.0)
        self.minutes.setDecimals(2)
        self.minutes.setSuffix(" min")
        self.trials.setPlaceholderText("no limit")
        self.trials.setToolTip("After how many trials the session ends; empty where only the minutes count.")
        self.output.setToolTip("The folder in which the session's own folder is made.")
        for spin in (self.day, self.minutes):
            spin.setKeyboardTracking(False)  # a number is said when it is whole, not at each of its digits
            spin.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
            spin.setFixedWidth(110)
        for field, name in zip(self.subjects, ("Subject A", "Subject B"), strict=True):
            field.setAccessibleName(name)
        for label in (self.why, self.remarks, self.window_words, *self.problems.values()):
            label.setWordWrap(True)
        for label in (self.path, self.window_words, self.remarks):
            label.setStyleSheet(f"color: {self._theme.dim};")
        for label in self.problems.values():
            label.setStyleSheet(f"color: {self._theme.warn};")
        self.start.setStyleSheet("font-weight: 600; padding: 6px 18px;")
        self.start.setObjectName("primary")

    def _lay_out(self) -> None:
        form = QGridLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(3)
        form.setHorizontalSpacing(10)
        form.setColumnStretch(1, 1)
        output = QHBoxLayout()
        output.addWidget(self.output, 1)
        output.addWidget(self.folder)
        self._row(form, "Rig", self.rig, self.path, self.problems["rig"])
        self._row(form, "Task", self.task)
        self._row(form, "Mode", self.mode)
        self._row(form, "Subject &A", self.subjects[0])
        self._row(form, "Subject &B", self.subjects[1], self.problems["subjects"])
        self._row(form, "&Day", self.day, self.window_words, self.problems["day"])
        self._row(form, "&Minutes", self.minutes, self.problems["minutes"])
        self._row(form, "T&rials", self.trials, self.problems["trials"])
        self._row(form, "&Output", output, self.problems["output"])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.remarks)
        begin = QHBoxLayout()
        begin.addWidget(self.start)
        begin.addWidget(self.why, 1)
        layout.addLayout(begin)
        layout.addStretch(1)

    def _row(self, form: QGridLayout, name: str, first: QWidget | QHBoxLayout, *below: QWidget) -> None:
        """Add a field with what stands below it."""
        label, line = QLabel(name), form.rowCount()
        form.addWidget(label, line, 0)
        if isinstance(first, QHBoxLayout):
            form.addLayout(first, line, 1)
            label.setBuddy(self.output)
        else:
            form.addWidget(first, line, 1)
            label.setBuddy(first)
        for widget in below:
            line += 1
            form.addWidget(widget, line, 1)

    def _connect(self) -> None:
        for field in (*self.subjects, self.trials, self.output):
            field.editingFinished.connect(self._choose)
        self.day.valueChanged.connect(self._choose)
        self.minutes.valueChanged.connect(self._choose)
        self.folder.clicked.connect(self._open_folders)
        self.start.clicked.connect(self._start)

    # --- what is asked ------------------------------------------------------------------------------------------

    def _choice(self) -> Choice | None:
        """Return what the fields say; None where the trials are no number."""
        written = self.trials.text().strip()
        trials: int | None = None
        if written:
            with contextlib.suppress(ValueError):
                trials = int(written)
            if trials is None or trials < 1:
                return None
        a, b = (field.text().strip() for field in self.subjects)
        return Choice(0, (a, b), self.day.value(), self.minutes.value(), trials, self.output.text().strip())

    def _choose(self) -> None:
        """Say what the fields say, if it is new."""
        choice = self._choice()
        if choice is not None and choice != self._chosen and self._setup is not None:
            self._chosen = choice
            self.asked.emit(choice)
        self._show_problems()

    def _start(self) -> None:
        """Ask for the start, of what stands in the fields."""
        self._choose()
        if self.start.isEnabled():
            self.asked.emit(Request("start"))

    def _open_folders(self) -> None:
        """Let a person choose a folder; the window goes on meanwhile."""
        dialog = QFileDialog(self, "Folder for sessions", self.output.text())
        dialog.setOption(QFileDialog.Option.DontUseNativeDialog)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setModal(False)
        dialog.fileSelected.connect(self._take_folder)
        dialog.finished.connect(dialog.deleteLater)
        dialog.show()

    def _take_folder(self, folder: str) -> None:
        self.output.setText(folder)
        self._choose()

    # --- what is shown ------------------------------------------------------------------------------------------

    def show_setup(self, setup: Setup, phase: str) -> None:
        """Show what the session would be.

        Parameters
        ----------
        setup
            As its computer sees it.
        phase
            What it does while it starts, such as "identifying devices".
        """
        self._fill(setup)
        self._setup = setup
        self.rig.setText(setup.rig)
        self.path.setText(setup.rig_path)
        self.task.setText(setup.task)
        self.mode.setText("LIVE: real devices" if setup.mode == "LIVE" else f"{setup.mode}: simulated devices and mice")
        self.window_words.setText(setup.window)
        self.remarks.setText("\n".join(f"· {remark}" for remark in setup.remarks))
        self.remarks.setVisible(bool(setup.remarks))
        for field in (*self.subjects, self.day, self.minutes, self.trials, self.output, self.folder):
            field.setEnabled(not setup.starting)
        self._show_problems(starting_words(phase))

    def _fill(self, setup: Setup) -> None:
        """Put into the fields what has changed since the last time; a field that a person is at stays theirs."""
        before = self._setup
        for number, field in enumerate(self.subjects):
            if before is None or before.subjects[number] != setup.subjects[number]:
                _put(field, setup.subjects[number])
        if before is None or before.output != setup.output:
            _put(self.output, setup.output)
        if before is None or before.trials != setup.trials:
            _put(self.trials, "" if setup.trials is None else str(setup.trials))
        for spin, value in ((self.day, setup.day), (self.minutes, setup.minutes)):
            was = None if before is None else (before.day if spin is self.day else before.minutes)
            if was != value and not spin.hasFocus():
                spin.blockSignals(True)
                spin.setValue(value)  # type: ignore[arg-type]  # a day is whole
                spin.blockSignals(False)
        if before is None:
            self._chosen = self._choice()

    def _show_problems(self, phase: str = "") -> None:
        """Show what hinders the start, each below its field, and how much it is."""
        if self._setup is None:
            return
        found: dict[str, list[str]] = {name: [] for name in FIELDS}
        for problem in self._setup.problems:
            found[problem.field].append(problem.sentence)
        if self._choice() is None:
            found["trials"] = [NOT_A_NUMBER]
        for name, label in self.problems.items():
            label.setText("\n".join(WARNING + sentence for sentence in found[name]))
            label.setVisible(bool(found[name]))
        count = sum(len(sentences) for sentences in found.values())
        self.start.setEnabled(not count and not self._setup.starting)
        self.why.setStyleSheet("" if self._setup.starting else f"color: {self._theme.warn};")
        if self._setup.starting:
            self.why.setText(phase or self.why.text())
        else:
            self.why.setText("" if not count else WARNING + to_correct(count))


def _put(field: QLineEdit, text: str) -> None:
    """Put a text into a field, unless a person is just writing there."""
    if not (field.hasFocus() and field.isModified()):
        field.setText(text)

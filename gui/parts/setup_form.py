"""What the next session shall be: a form that is checked by the session's own computer while it is filled in.

Every change is sent as a whole ``Choice``; what hinders a start comes back, and stands below the field it is about.
"""

import contextlib
from collections.abc import Callable
from typing import Final

from PyQt6.QtCore import QEvent, QObject, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import (
    QAbstractSpinBox,
    QDoubleSpinBox,
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
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


class Fields(QScrollArea):
    """What scrolls up and down where it has less room than it needs, and takes no more than that."""

    def __init__(self, page: QWidget) -> None:
        super().__init__()
        self.setWidget(page)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)

    def sizeHint(self) -> QSize:  # noqa: N802  (Qt's name)
        """Return the room that all of it needs in this width; Qt's own hint ends at some lines."""
        page = self.widget()
        if page is None:
            return super().sizeHint()
        needed = page.sizeHint()
        return QSize(needed.width(), page.heightForWidth(self.width()) if page.hasHeightForWidth() else needed.height())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802  (Qt's name)
        """Ask for another room when what is in it needs another one."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Ask for another height in another width: lines are broken elsewhere."""
        super().resizeEvent(event)
        self.updateGeometry()


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
        self.task, self.mode, self.window_words = Elided(), Elided(), QLabel()
        self.subjects = (QLineEdit(), QLineEdit())
        self.day, self.minutes = QSpinBox(), QDoubleSpinBox()
        self.trials, self.output = QLineEdit(), QLineEdit()
        self.folder = QPushButton("Choose …")
        self.start = QPushButton("S&tart")
        self.why = Elided()  # in one line: what is broken into lines would scroll with all the form
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
        for label in (self.remarks, self.window_words, *self.problems.values()):
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
        begin = QHBoxLayout()
        begin.addWidget(self.start)
        begin.addWidget(self.why, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._fields(form))
        layout.addLayout(begin)
        layout.addStretch(1)

    def _fields(self, form: QGridLayout) -> Fields:
        """Return the fields and what is to be remarked, which scroll where there is no room: the start never does."""
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(form)
        column.addWidget(self.remarks)
        column.addStretch(1)
        return Fields(page)

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

    def unsent(self) -> str:
        """Return words for a field that says what nobody was told yet; nothing where there is none."""
        choice = self._choice()
        if self._setup is None or choice is None:
            return "" if self._setup is None else "the number of trials"
        told = [known for known in (self._setup, self._chosen) if known is not None]
        for spin, shown in (
            (self.day, self.day.textFromValue(self.day.value())),
            (self.minutes, self.minutes.textFromValue(self.minutes.value())),
        ):
            if spin.cleanText() != shown:
                return "the number that you are writing"
        fields: tuple[tuple[str, Callable[[Setup | Choice], object]], ...] = (
            ("the name of subject A", lambda of: of.subjects[0]),
            ("the name of subject B", lambda of: of.subjects[1]),
            ("the number of trials", lambda of: of.trials),
            ("the folder for sessions", lambda of: of.output.strip()),
        )
        return next((words for words, said in fields if said(choice) not in [said(known) for known in told]), "")

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

"""Notes: one line to write, and all that were written, newest first.

A note leaves the field only when the session shows it, so none is lost on its way.
"""

from typing import Final

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from controller.messages import Request
from controller.messages.view import Note
from gui.parts.figures import clock
from gui.parts.labels import explain
from gui.parts.words import clock_at
from gui.scene import Scene
from gui.theme import Theme
from realtime.records import NS_PER_S

ADD_TIP: Final = "Keep this note in the log, with its time."
AGAIN_NS: Final = 5 * NS_PER_S
"""A note that has not come by then may be sent again."""


class Notes(QWidget):
    """The field, its button and the list.

    Attributes
    ----------
    asked
        Emitted with a :class:`~controller.messages.Request`.
    """

    asked = pyqtSignal(object)

    def __init__(self, scene: Scene, theme: Theme) -> None:
        super().__init__()
        self._scene = scene
        self._sent: tuple[str, int, int] | None = None
        """The text on its way, the number of the newest note before it, and when it was sent [ns]."""
        self._shown = ("", 0)
        """Notes of which session are in the list, and how many."""
        self.field = QLineEdit()
        self.field.setPlaceholderText("what happened …")
        self.field.setMaxLength(2000)
        self.field.setAccessibleName("Note")
        self.field.setToolTip("A note is kept in the log with its time; Enter adds it.")
        self.add = QPushButton("Add")
        self.add.setToolTip(ADD_TIP)
        self.list = QListWidget()
        self.list.setWordWrap(True)
        self.list.setMinimumHeight(60)
        self.list.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        self.list.setFrameShape(QListWidget.Shape.NoFrame)
        self.list.setStyleSheet("QListWidget { background: transparent; }")
        self.list.setAccessibleName("Notes, newest first")
        self.quiet = QLabel("not yet: no note was written")
        self.quiet.setStyleSheet(f"color: {theme.dim};")
        self._lay_out()
        self.field.returnPressed.connect(self.send)
        self.add.clicked.connect(self.send)

    def _lay_out(self) -> None:
        line = QHBoxLayout()
        line.addWidget(self.field, 1)
        line.addWidget(self.add)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(line)
        layout.addWidget(self.quiet)
        layout.addWidget(self.list, 1)
        layout.addStretch(0)

    def send(self) -> None:
        """Ask for the note in the field; nothing where it is empty or just on its way."""
        text = self.field.text().strip()
        if not text or (self._sent and self._sent[0] == text and self._scene.local_ns - self._sent[2] < AGAIN_NS):
            return
        self._sent = (text, max((note.number for note in self._scene.notes), default=0), self._scene.local_ns)
        self.add.setText("…")
        self.asked.emit(Request("note", text=text))

    def unsent(self) -> str:
        """Return a word for the note in the field, also for one on its way: it may still be refused; else nothing."""
        return "the note" if self.field.text().strip() and not self.field.isHidden() else ""

    def refused(self) -> None:
        """The session did not take the note: it stays in the field and may be sent again."""
        self._sent = None
        self.add.setText("Add")

    def can_write(self, why_not: str, *, possible: bool) -> None:
        """Let a note be added now, or say why not; hide the field where none is ever possible."""
        self.field.setVisible(possible)
        self.add.setVisible(possible)
        self.add.setEnabled(not why_not)
        explain(self.add, f"Not now: {why_not}." if why_not else ADD_TIP)

    def show_scene(self) -> None:
        """Show the notes that have come since the last time."""
        scene = self._scene
        session = scene.opening.session if scene.opening else ""
        if session != self._shown[0] or len(scene.notes) < self._shown[1]:
            self.list.clear()
            self._shown = (session, 0)
        for note in scene.notes[self._shown[1] :]:
            self.list.insertItem(0, QListWidgetItem(_line(scene, note)))
        self._shown = (session, len(scene.notes))
        self.quiet.setVisible(not scene.notes)
        self.list.setVisible(bool(scene.notes))
        self._arrived(scene.notes)

    def _arrived(self, notes: list[Note]) -> None:
        """Empty the field once the note that it holds is in the log."""
        if self._sent is None:
            return
        text, before, _ = self._sent
        if any(note.number > before and note.text.strip() == text for note in notes):
            if self.field.text().strip() == text:
                self.field.clear()
            self._sent = None
            self.add.setText("Add")


def _line(scene: Scene, note: Note) -> str:
    """Return a note with the time of day and of the session."""
    if scene.opening is None:
        return note.text
    return f"{clock_at(scene.opening, note.t_ns)} · {clock(scene.task_seconds(note.t_ns))} min · {note.text}"

"""The red stop: acts the moment it is pressed, whatever else the window does.

It is always enabled. Pressing it again asks again.
"""

from typing import Final, Literal

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QFont,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
    QShortcut,
)
from PyQt6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

RED: Final = "#c4161c"
PRESSED_RED: Final = "#8e0f14"
INK: Final = "#ffffff"
"""6 to 1 on the red, 10 to 1 while it is pressed."""
KEYS: Final = ("Ctrl+.", "F12")
SENTENCES: Final = {"idle": "all off, at once", "stopping": "stopping …", "stopped": "stopped: outputs off"}
TIP: Final = "Switches every output off and ends the session, at once (Ctrl+. or F12)."
Stopping = Literal["idle", "stopping", "stopped"]


class StopButton(QAbstractButton):
    """The button: a white octagon and STOP on red, and a small line that says how far it is.

    Attributes
    ----------
    stopped
        Emitted when it is pressed: by mouse, or by ``Ctrl+.`` or ``F12`` anywhere in the program.
    state
        "idle", "stopping" or "stopped".
    sentence
        The small line.
    """

    stopped = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state: Stopping = "idle"
        self.sentence = SENTENCES["idle"]
        self.setText("STOP")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # or a space bar, meant for something else, would stop a session
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setToolTip(TIP)
        self.clicked.connect(self._stop)  # only programs that press buttons for a person come this way
        for keys in KEYS:
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.ApplicationShortcut)
            shortcut.setAutoRepeat(False)
            shortcut.activated.connect(self._stop)
            shortcut.activatedAmbiguously.connect(self._stop)  # another part has the same key: stopping comes first
        self.show_state("idle")

    def show_state(self, state: Stopping, sentence: str = "") -> None:
        """Show how far the stop is, in a few words of one's own or in those of :data:`SENTENCES`."""
        self.state = state
        self.sentence = sentence or SENTENCES[state]
        self.setAccessibleName(
            f"Red stop: {self.sentence}" if state != "idle" else "Red stop: every output off, at once"
        )
        self.update()

    def set_answer(self, sentence: str, done: bool) -> None:
        """Take the session's answer to a stop: done is that its loop was told, no more."""
        self.setToolTip(sentence)
        if not done and self.state != "stopped":
            self.show_state("idle", "refused: press again")

    def _stop(self) -> None:
        if self.state != "stopped":
            self.show_state("stopping")
        self.stopped.emit()

    def sizeHint(self) -> QSize:  # noqa: N802  (Qt's name)
        """Return its one size: it never moves what stands beside it."""
        return QSize(184, 52)

    # --- pressing -----------------------------------------------------------------------------------------------

    def mousePressEvent(self, e: QMouseEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Stop now: nobody who presses this waits for the button to come up again."""
        self.setDown(True)
        self._stop()
        if e is not None:
            e.accept()

    def mouseReleaseEvent(self, e: QMouseEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Only look released."""
        self.setDown(False)
        if e is not None:
            e.accept()

    def mouseMoveEvent(self, e: QMouseEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Nothing: leaving the button takes nothing back."""

    # --- drawing ------------------------------------------------------------------------------------------------

    def paintEvent(self, e: QPaintEvent | None) -> None:  # noqa: ARG002, N802  (Qt's name)
        """Draw the red, the octagon, the word and the line."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(1.5, 1.5, -1.5, -1.5)
        painter.setPen(QPen(QColor(INK), 1.5))
        painter.setBrush(QColor(PRESSED_RED if self.isDown() else RED))
        painter.drawRoundedRect(box, 6.0, 6.0)
        middle = QPointF(box.left() + box.height() / 2 + 2, box.center().y())
        painter.setPen(QPen(QColor(INK), 2.0))
        painter.setBrush(QColor(INK) if self.state == "stopped" else Qt.BrushStyle.NoBrush)
        painter.drawPolygon(octagon(middle, box.height() * 0.34))
        self._write(
            painter, QRectF(box.left() + box.height() + 4, box.top(), box.width() - box.height() - 8, box.height())
        )
        painter.end()

    def _write(self, painter: QPainter, room: QRectF) -> None:
        left = Qt.AlignmentFlag.AlignLeft
        painter.setPen(QColor(INK))
        font = QFont(self.font())
        font.setBold(True)
        font.setPixelSize(21)
        painter.setFont(font)
        painter.drawText(room.adjusted(0, 3, 0, -17), left | Qt.AlignmentFlag.AlignVCenter, self.text())
        font.setBold(False)
        font.setPixelSize(12)
        painter.setFont(font)
        painter.drawText(room.adjusted(0, 29, 0, -3), left | Qt.AlignmentFlag.AlignVCenter, self.sentence)


def octagon(middle: QPointF, radius: float) -> QPolygonF:
    """Return the outline of a stop sign whose flat sides lie ``radius`` from its middle [px]."""
    short = radius * 0.4142  # tan 22.5°
    corners = [(-short, -radius), (short, -radius), (radius, -short), (radius, short)]
    corners += [(-x, -y) for x, y in corners]
    return QPolygonF([middle + QPointF(x, y) for x, y in corners])

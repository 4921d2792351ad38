"""A lamp: how something stands, as a shape of its own beside its colour, so that it can be read without colours.

A full disc is good, a ring waits, an upright triangle needs a look, a square with a cross needs a hand, a dot says
nothing.
"""

from enum import Enum
from typing import Final

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt
from PyQt6.QtGui import QPainter, QPaintEvent, QPen, QPolygonF
from PyQt6.QtWidgets import QSizePolicy, QWidget

from gui.theme import Theme


class State(Enum):
    """How something stands."""

    QUIET = "dim"
    """There is nothing to say."""
    GOOD = "good"
    WAIT = "text"
    """It is on its way."""
    WARN = "warn"
    """It needs a look."""
    BAD = "bad"
    """It needs a hand."""


EDGE_PX: Final = 12
MARKS: Final = {State.QUIET: "", State.GOOD: "", State.WAIT: "", State.WARN: "▲ ", State.BAD: "▲ "}
"""What stands before a sentence of each state."""


def ink_of(state: State, theme: Theme) -> str:
    """Return the colour of words about a state: where all is well they are plain."""
    return theme.text if state is State.GOOD else str(getattr(theme, state.value))


class Lamp(QWidget):
    """One lamp; its word stands beside it, in a label of its caller's.

    Parameters
    ----------
    theme
        Its colours.
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.state = State.QUIET
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Return a size that stands well beside a line of text."""
        return QSize(EDGE_PX, EDGE_PX)

    def show_state(self, state: State) -> None:
        """Show another state."""
        if state is not self.state:
            self.state = state
            self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Draw the state's shape in its colour."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = self._theme.colour(self.state.value)
        painter.setPen(QPen(colour, 1.5))
        painter.setBrush(colour)
        box = QRectF(1.5, 1.5, self.width() - 3.0, self.height() - 3.0)
        if self.state is State.GOOD:
            painter.drawEllipse(box)
        elif self.state is State.WAIT:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(box)
        elif self.state is State.WARN:
            painter.drawPolygon(QPolygonF([QPointF(box.center().x(), box.top()), box.bottomLeft(), box.bottomRight()]))
        elif self.state is State.BAD:
            painter.drawRect(box)
            painter.setPen(QPen(self._theme.colour("raised"), 1.8))
            inner = box.adjusted(2.0, 2.0, -2.0, -2.0)
            painter.drawLine(inner.topLeft(), inner.bottomRight())
            painter.drawLine(inner.topRight(), inner.bottomLeft())
        else:
            painter.drawEllipse(box.center(), 1.5, 1.5)

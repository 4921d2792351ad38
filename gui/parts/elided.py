"""A label that shortens its text where there is no room, and shows all of it as its tooltip."""

from typing import Final

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QPainter, QPaintEvent
from PyQt6.QtWidgets import QLabel, QSizePolicy

from gui.parts.labels import explain

LEAST_PX: Final = 40
"""As narrow as it can be made."""


class Elided(QLabel):
    """One line of text that never asks for more room than there is.

    Parameters
    ----------
    text
        At first.
    own_tip
        Whether its tooltip is its text where that is cut; otherwise its owner says what the tooltip is.
    """

    def __init__(self, text: str = "", *, own_tip: bool = True) -> None:
        super().__init__(text)
        self._own_tip = own_tip
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:  # noqa: N802  (Qt's name)
        """Return the room for a few letters."""
        return QSize(min(LEAST_PX, super().sizeHint().width()), super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Draw what fits."""
        room = self.contentsRect().adjusted(self.margin(), 0, -self.margin(), 0)
        shown = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, room.width())
        fits = shown == self.text()
        if self._own_tip:
            explain(self, "" if fits else self.text())
        if fits:
            super().paintEvent(event)
            return
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(room, self.alignment() | Qt.AlignmentFlag.AlignVCenter, shown)
        painter.end()

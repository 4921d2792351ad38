"""A share on a line from 0 to 100 %: a bar, or a point with its interval. The words beside it say the number."""

from PyQt6.QtCore import QPointF, QRectF, QSize
from PyQt6.QtGui import QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QSizePolicy, QWidget

from gui.parts.shares import Share
from gui.theme import Theme


class ShareBar(QWidget):
    """One share, drawn.

    Parameters
    ----------
    theme
        How it looks.
    colour
        A colour of the theme, or one written ``#rrggbb``.

    Attributes
    ----------
    share
        What is drawn: a number is a bar, a :class:`~gui.parts.shares.Share` a point with its interval; None nothing.
    """

    def __init__(self, theme: Theme, colour: str) -> None:
        super().__init__()
        self._theme, self._colour = theme, theme.colour(colour)
        self.share: float | Share | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802  (Qt's name)
        """Return a line's height."""
        return QSize(60, 12)

    def minimumSizeHint(self) -> QSize:  # noqa: N802  (Qt's name)
        """Return the least that can be read."""
        return QSize(24, 12)

    def show_share(self, share: float | Share | None) -> None:
        """Draw another share."""
        if share != self.share:
            self.share = share
            self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: ARG002, N802  (Qt's names)
        """Draw the line from 0 to 100 %, and the share on it."""
        painter = QPainter(self)
        width, middle = self.width() - 8.0, self.height() / 2.0
        painter.setPen(self._theme.pen("edge"))
        painter.drawLine(QPointF(4.0, middle), QPointF(4.0 + width, middle))
        for end in (0.0, 0.5, 1.0):
            painter.drawLine(QPointF(4.0 + end * width, middle - 3), QPointF(4.0 + end * width, middle + 3))
        if isinstance(self.share, Share):
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(self._colour, 2.0))
            low, high = 4.0 + self.share.low * width, 4.0 + self.share.high * width
            painter.drawLine(QPointF(low, middle), QPointF(high, middle))
            painter.setBrush(self._colour)
            painter.drawEllipse(QPointF(4.0 + self.share.value * width, middle), 3.0, 3.0)
        elif self.share:
            painter.fillRect(QRectF(4.0, middle - 4.0, self.share * width, 8.0), self._colour)
        painter.end()

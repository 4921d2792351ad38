"""The last minute as a width of pixels: the newest at the right, seconds before now below."""

from dataclasses import dataclass
from typing import Final

from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QPainter, QPaintEvent
from PyQt6.QtWidgets import QWidget

from gui.scene.frames import SECONDS
from gui.theme import Theme
from realtime.records import NS_PER_S

SPAN_NS: Final = SECONDS * NS_PER_S
STEP_S: Final = 10
AXIS_PX: Final = 15
_FEW_PX: Final = 50
"""Where two marks would be nearer than this, every other one is left out."""


@dataclass(frozen=True, slots=True)
class Minute:
    """Where moments stand.

    Attributes
    ----------
    now_ns
        The moment at the right edge [ns].
    width
        Of the picture [pixels].
    """

    now_ns: int
    width: int

    def x(self, t_ns: float) -> float:
        """Return where a moment stands [pixels]; beyond the edges for moments outside of the minute."""
        return self.width * (1.0 - (self.now_ns - t_ns) / SPAN_NS)

    def px(self, span_ns: float) -> float:
        """Return how wide a span is [pixels]."""
        return self.width * span_ns / SPAN_NS


def ticks(width: int) -> list[tuple[int, float]]:
    """Return which seconds before now are marked, and where: ``(seconds, x)``."""
    step = STEP_S if width >= _FEW_PX * SECONDS // STEP_S else 2 * STEP_S
    return [(second, width * (1.0 - second / SECONDS)) for second in range(0, SECONDS + 1, step)]


class SecondsAxis(QWidget):
    """Seconds before now."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.setFixedHeight(AXIS_PX)
        self.setToolTip("Seconds before now.")

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Draw the marks and their numbers."""
        painter = QPainter(self)
        painter.setPen(self._theme.colour("dim"))
        for second, x in ticks(self.width()):
            at = min(x, self.width() - 1.0)
            painter.drawLine(round(at), 0, round(at), 2)
            room = QRectF(at - 30, 2, 60, AXIS_PX - 2)
            align = Qt.AlignmentFlag.AlignHCenter
            if second == 0:
                room, align = QRectF(at - 60, 2, 60, AXIS_PX - 2), Qt.AlignmentFlag.AlignRight
            elif x < 1:
                room, align = QRectF(0, 2, 60, AXIS_PX - 2), Qt.AlignmentFlag.AlignLeft
            painter.drawText(room, align | Qt.AlignmentFlag.AlignVCenter, f"−{second} s" if second else "now")
        painter.end()

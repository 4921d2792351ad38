"""The activity of a few chosen cells over the last minute: values as the stream published them, a lane each.

Each lane has its own range, which its label says; it is round, so that it seldom changes. A period without a frame is
a gap. Where there are more columns than pixels, the least and the greatest value of each few columns are drawn.
"""

import math
from typing import Final

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtGui import QPainter, QPainterPath, QPaintEvent
from PyQt6.QtWidgets import QSizePolicy, QWidget

from gui.parts.minute import Minute, ticks
from gui.scene.frames import FrameRing
from gui.theme import Theme

UNIT: Final = "ΔF/F as published"
MOST_TRACES: Final = 8
LANE_PX: Final = 17
"""The least height of a lane."""
PAD_PX: Final = 2
_PARTS: Final = 16
_ROUND: Final = (1.0, 2.0, 5.0, 10.0)


def round_range(values: NDArray[np.float32]) -> tuple[float, float] | None:
    """Return a round range around all values; None where there are none."""
    known = values[np.isfinite(values)]
    if not known.size:
        return None
    low, high = float(known.min()), float(known.max())
    raw = max((high - low) / _PARTS, abs(high) * 1e-6, 1e-12)
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * factor for factor in _ROUND if unit * factor >= raw * (1.0 - 1e-9))
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    return low, (high if high > low else low + step)


def number(value: float) -> str:
    """Return a range's end as it is read."""
    return f"{value + 0.0:.4g}".replace("-", "−")


def thin(values: NDArray[np.float32], slot: int, most: int) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return places and values of a curve of at most about ``2 * most`` points.

    Columns are taken together by their number and not by their place, so that nothing flickers when time moves on.

    Parameters
    ----------
    values
        Of the columns up to column ``slot``, shape (width,); NaN without a frame.
    slot
        Number of the last one.
    most
        Groups of columns that are wanted at most.

    Returns
    -------
    places, values
        Shape (m,); places count from 0, the first column.
    """
    width = values.size
    if width <= 2 * most:
        return np.arange(width, dtype=np.float64), values
    each = math.ceil(width / most)
    first = slot - width + 1
    starts = np.concatenate(([0], np.arange(-first % each or each, width, each)))
    low, high = np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)
    middles = (starts + np.append(starts[1:], width) - 1) / 2
    return np.repeat(middles, 2), np.stack((low, high), axis=1).ravel()


class Traces(QWidget):
    """Lanes of curves.

    Attributes
    ----------
    ranges
        What the bottom and the top of each lane stand for; None where there is no value.
    """

    def __init__(self, theme: Theme, colour: str) -> None:
        super().__init__()
        self._theme, self._colour = theme, theme.colour(colour)
        self.ranges: list[tuple[float, float] | None] = []
        self._paths: list[QPainterPath] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setToolTip(
            f"{UNIT}: the stream's own values. Each trace has its own range, which its label says; gaps are periods "
            "without a frame."
        )

    def clear(self) -> None:
        """Show nothing."""
        if self._paths:
            self.ranges, self._paths = [], []
            self.update()

    @property
    def room(self) -> int:
        """How many lanes there is room for."""
        return min(MOST_TRACES, max(1, self.height() // LANE_PX))

    def lane(self, number: int, count: int) -> tuple[float, float]:
        """Return a lane's top and bottom [pixels]."""
        high = self.height() / max(1, count)
        return number * high, (number + 1) * high

    def draw(self, ring: FrameRing, cells: list[int], minute: Minute) -> None:
        """Draw the traces of some cells, a lane each."""
        values = ring.traces(cells)
        self.ranges = [round_range(row) for row in values]
        right = min(float(self.width()), minute.x(ring.newest_ns or 0))
        column_px = minute.px(ring.column_ns)
        self._paths = []
        for lane, (row, ends) in enumerate(zip(values, self.ranges, strict=True)):
            if ends is None:
                continue
            top, bottom = self.lane(lane, len(cells))
            places, heights = thin(row, ring.slot, max(1, self.width()))
            scale = (bottom - top - 2 * PAD_PX) / (ends[1] - ends[0])
            x = right - (ring.width - 1 - places) * column_px
            y = bottom - PAD_PX - (heights.astype(np.float64) - ends[0]) * scale
            self._paths.append(pg.arrayToQPath(x, y, connect="finite"))
        self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Draw the curves over thin lines every ten seconds."""
        painter = QPainter(self)
        painter.setPen(self._theme.pen("edge"))
        for _, x in ticks(self.width()):
            painter.drawLine(round(x), 0, round(x), self.height())
        painter.setPen(self._colour)
        for path in self._paths:
            painter.drawPath(path)
        painter.end()

"""Curves over the whole session: few points for any number of rows, gaps where nothing was known, axes that stand."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QColor, QPainter, QPainterPath
from PyQt6.QtWidgets import QSizePolicy, QStyleOptionGraphicsItem, QWidget

from gui.theme import LEAST_PT, Theme
from realtime.records import NS_PER_S

MOST_POINTS: Final = 600
"""Of one curve: more than a panel has pixels."""
TICKS_MIN: Final = {
    2: 1, 4: 2, 10: 5, 15: 5, 20: 10, 30: 10, 45: 15, 60: 20,
    90: 30, 120: 60, 180: 60, 240: 120, 360: 120, 480: 240, 720: 240,
}  # fmt: skip
"""How many minutes an axis shows, and after how many each of its numbers stands: round ones, and few."""
LABEL_PX: Final = 26
"""How far a number below an axis, with its unit, may reach beyond the axis' ends."""
NS_PER_MIN: Final = 60 * NS_PER_S
LEAST_GAP_NS: Final = 3 * NS_PER_S
"""A time without rows that is shorter than this is none."""


def chosen_rows(
    t_ns: NDArray[np.int64], keep: NDArray[np.bool_], most: int = MOST_POINTS
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return which rows to draw, and which of them are joined to the next.

    Parameters
    ----------
    t_ns
        When each row is from, ascending, shape (n,) [ns].
    keep
        Which may be drawn, shape (n,).
    most
        Rows at most: the last of each of so many equal spans of time.

    Returns
    -------
    rows, joined
        Shape (m,), m ≤ most. Two are not joined where there is a row between them that may not be drawn, or a gap.
    """
    rows = np.flatnonzero(keep)
    if rows.size == 0:
        return rows, np.zeros(0, np.bool_)
    since_ns = t_ns[rows] - t_ns[rows[0]]
    each_ns = int(since_ns[-1]) // most + 1
    rows = rows[np.flatnonzero(np.diff(since_ns // each_ns, append=most + 1))]
    hidden = np.cumsum(~keep)[rows]
    near = np.diff(t_ns[rows]) <= max(LEAST_GAP_NS, 3 * each_ns)
    return rows, np.append(near & (np.diff(hidden) == 0), False)


def draw_in_two(
    curves: tuple[pg.PlotCurveItem, pg.PlotCurveItem],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    new: NDArray[np.bool_],
    joined: NDArray[np.bool_],
) -> None:
    """Draw what is of the past as one curve and what is ``new`` as another, all shape (n,).

    Points of the one are joined to none of the other: ``joined`` is cut there, in place.
    """
    joined[:-1] &= new[1:] == new[:-1]
    for curve, mine in zip(curves, (~new, new), strict=True):
        curve.setData(x[mine], y[mine], connect=joined[mine])


def span_of(minutes: float) -> float:
    """Return how many minutes an axis shows: it grows by steps, so that it stands still in between."""
    return next((float(span) for span in TICKS_MIN if span >= minutes), float(np.ceil(minutes / 360) * 360))


def step_of(value: float, steps: Sequence[float]) -> float:
    """Return the smallest step that holds a value, or the last."""
    return next((step for step in steps if step >= value), steps[-1])


class Band(pg.GraphicsObject):  # type: ignore[misc]
    """An area between two curves; with gaps where the curves have them.

    Attributes
    ----------
    low, high
        The two curves, shape (n,).
    """

    def __init__(self, colour: QColor) -> None:
        super().__init__()
        self._colour = colour
        self._path = QPainterPath()
        self.low: NDArray[np.float64] = np.zeros(0)
        self.high: NDArray[np.float64] = np.zeros(0)

    def set_data(
        self, x: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], joined: NDArray[np.bool_]
    ) -> None:
        """Take both curves, shape (n,), and which of their points are joined to the next."""
        self.prepareGeometryChange()
        self.low, self.high = low, high
        self._path = QPainterPath()
        ends = np.flatnonzero(~joined) + 1
        for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
            if end - start > 1:
                xs = np.concatenate((x[start:end], x[start:end][::-1]))
                ys = np.concatenate((low[start:end], high[start:end][::-1]))
                self._path.addPolygon(pg.functions.arrayToQPolygonF(xs, ys))
        self.update()

    def boundingRect(self) -> QRectF:  # noqa: N802  (Qt's name)
        """Return where it is, in the plot's coordinates."""
        return self._path.boundingRect()

    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        """Fill it."""
        painter.fillPath(self._path, self._colour)


class StillPlot(pg.PlotWidget):  # type: ignore[misc]
    """A small plot that nobody can shift by accident, with axes in the theme's quiet colours."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setMouseEnabled(x=False, y=False)
        self.setMenuEnabled(False)
        self.hideButtons()
        self.setFrameShape(pg.PlotWidget.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setMinimumSize(60, 40)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        small = self.font()
        small.setPointSizeF(max(LEAST_PT, small.pointSizeF() * 0.85))
        for side in ("left", "bottom"):
            axis = self.getAxis(side)
            axis.setPen(theme.pen("edge"))
            axis.setTextPen(theme.pen("dim"))
            axis.setStyle(
                tickFont=small,
                tickLength=3,
                tickTextOffset=3,
                autoExpandTextSpace=False,
                hideOverlappingLabels=LABEL_PX,
            )
            axis.enableAutoSIPrefix(False)
        self.getAxis("left").setWidth(34)
        self.getAxis("bottom").setHeight(18)
        self.plotItem.setContentsMargins(2, 7, 14, 0)  # room for half of the outermost labels
        self.getViewBox().disableAutoRange()

    def curve(self, pen: object) -> pg.PlotCurveItem:
        """Add a curve that is empty as yet."""
        curve = pg.PlotCurveItem(pen=pen, skipFiniteCheck=True)
        self.addItem(curve)
        return curve


class SessionPlot(StillPlot):
    """A plot over the minutes since the task's start; its axes only ever grow, by steps, until :meth:`anew`.

    What was before the start, if there is anything, stands left of 0.

    Parameters
    ----------
    theme
        How it looks.
    steps
        What the greatest value shown can be.
    lowest
        How far it goes below zero at least, as a share of the greatest value.
    """

    def __init__(self, theme: Theme, steps: Sequence[float], lowest: float = 0.25) -> None:
        super().__init__(theme)
        self._steps, self._lowest = tuple(steps), lowest
        self._minutes = self._early = self._high = self._low = 0.0
        self.addItem(pg.InfiniteLine(0.0, angle=0, pen=theme.pen("edge")))
        self.getAxis("bottom").setToolTip("minutes since the task was started, as in the banner")
        self.anew()

    def anew(self) -> None:
        """Let the axes be small again."""
        self._minutes, self._early, self._high = span_of(0.0), 0.0, self._steps[0]
        self._low = self._lowest * self._high
        self._apply()

    def make_room(self, minutes: float, values: NDArray[np.float64], first: float = 0.0) -> None:
        """See to it that minutes from ``first`` to ``minutes``, and these finite values, can be seen."""
        span = max(self._minutes, span_of(minutes))
        early = min(self._early, float(np.floor(first)))
        top = float(values.max()) if values.size else 0.0
        bottom = float(values.min()) if values.size else 0.0
        high = max(self._high, step_of(top, self._steps))
        low = max(self._low, self._lowest * high, 0.0 if bottom > -self._low else step_of(-bottom, self._steps))
        if (span, early, high, low) != (self._minutes, self._early, self._high, self._low):
            self._minutes, self._early, self._high, self._low = span, early, high, low
            self._apply()

    def _apply(self) -> None:
        self.setXRange(self._early, self._minutes, padding=0.0)
        self.setYRange(-self._low, self._high, padding=0.0)
        ticks = [0.0, self._high]
        self.getAxis("left").setTicks([[(tick, f"{tick:g}") for tick in ticks]])
        marks = np.arange(0.0, self._minutes + 1.0, TICKS_MIN.get(round(self._minutes), 360))
        named = [(float(mark), f"{mark:g}" if i else "0 min") for i, mark in enumerate(marks)]
        self.getAxis("bottom").setTicks([named])

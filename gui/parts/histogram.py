"""Delays as step histograms over a logarithmic axis, and their quantiles in a table that is also the legend.

A quantile is shown from as many delays on as it takes for at least one to lie beyond it: p99 from 100, p99.9 from
1000. Before that it says "not yet".
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QPainter, QPaintEvent, QPen, QResizeEvent
from PyQt6.QtWidgets import QGridLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from controller.messages.view import Latency, Spread
from gui.parts import figures
from gui.parts.labels import explain, say
from gui.theme import Theme

COLUMNS: Final = ("p50", "p99", "p99.9", "max")
TIPS: Final = (
    "Half of them were shorter.",
    "99 of 100 were shorter; not yet before there are 100.",
    "999 of 1000 were shorter; not yet before there are 1000.",
    "The longest so far.",
)
_NEEDED: Final = (1, 100, 1000, 1)
_STYLES: Final = (
    ("dim", Qt.PenStyle.SolidLine),
    ("water", Qt.PenStyle.DashLine),
    ("text", Qt.PenStyle.SolidLine),
)
"""Of the three parts of a reward's path; the whole of it stands out."""
_US: Final = 1000.0
_KEY_PX: Final = 18
_GAP_PX: Final = 7
_GAP_BELOW_PX: Final = 3
_WIDEST_HALF: Final = "valve edge"
_BESIDE: Final = 0.1
_ABOVE: Final = 1.12
_LEAST_PX: Final = 108
_LOWEST_PX: Final = 72
_MOST_PX: Final = 220
"""Heights of the curves: where they may push other things down at least, in a low panel at least, and at most [px]."""
_LEFT_OUT: Final = "valve "
"""What a curve's name can do without: the tooltip has all of it."""


def steps_of(latency: Latency, spread: Spread) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the bins that are drawn: those between the first and the last filled one, and an empty one on each side.

    Returns
    -------
    edges : float64 (n + 1,)
        log10 of µs.
    counts : float64 (n,)
        Both are empty where there is nothing.
    """
    counts = np.asarray(spread.counts, np.float64)
    filled = np.flatnonzero(counts)
    if filled.size == 0:
        return np.zeros(0), np.zeros(0)
    low, high = int(filled[0]), int(filled[-1])
    upper = np.log10(np.asarray(latency.upper_us, np.float64))
    step = upper[1] - upper[0]
    edges = upper[low] + step * np.arange(-2, high - low + 2)
    return edges, np.concatenate(([0.0], counts[low : high + 1], [0.0]))


class Key(QWidget):
    """A short stroke of a curve's own pen, for legends."""

    def __init__(self, pen: QPen) -> None:
        super().__init__()
        self._pen = pen
        self.setFixedSize(_KEY_PX, 10)

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Draw the stroke."""
        painter = QPainter(self)
        painter.setPen(self._pen)
        painter.drawLine(0, self.height() // 2, self.width(), self.height() // 2)


class LatencyHistogram(QWidget):
    """The parts of a reward's path.

    Parameters
    ----------
    theme
        How it looks.
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.plot = pg.PlotWidget()
        self.plot.setMinimumSize(120, _LEAST_PX)
        self.plot.setMaximumHeight(_MOST_PX)
        self.plot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        item = self.plot.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        item.setMouseEnabled(x=False, y=False)
        item.getAxis("left").setStyle(maxTickLevel=0)
        item.setLabel("left", "rewards")
        item.getAxis("bottom").setTicks([_ticks(), _minor_ticks()])
        pens = [theme.pen(name, 1.0, style) for name, style in _STYLES]
        self.curves = [self.plot.plot(stepMode="center", pen=pen) for pen in pens]
        self._range: tuple[float, float, float] = (0.0, 0.0, 0.0)
        self._cells: list[list[QLabel]] = []
        self._names: list[str] = []
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(_GAP_BELOW_PX)
        column.addWidget(self.plot, 1)
        self._grid = self._table(theme, pens)
        column.addLayout(self._grid)
        column.addStretch(0)  # or the table's lines would be torn apart where there are no curves

    def _table(self, theme: Theme, pens: Sequence[QPen]) -> QGridLayout:
        """Make the table below the curves: a row for each, empty as yet."""
        grid = QGridLayout()
        grid.setHorizontalSpacing(_GAP_PX)
        grid.setVerticalSpacing(1)
        grid.setColumnStretch(1, 1)
        grid.setColumnMinimumWidth(1, self.fontMetrics().horizontalAdvance(_WIDEST_HALF) + 2)
        for j, (name, tip) in enumerate(zip(COLUMNS, TIPS, strict=True)):
            grid.addWidget(_label(name, theme.dim, tip), 0, j + 2)
        for i, pen in enumerate(pens):
            grid.addWidget(Key(pen), i + 1, 0)
            row = [_label("", theme.text, ""), *(_label("", theme.text, tip) for tip in TIPS)]
            row[0].setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
            row[0].setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            for j, cell in enumerate(row):
                grid.addWidget(cell, i + 1, j + 1)
            self._cells.append(row)
        return grid

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Shorten the names, or write them in two lines, where there is no room for them."""
        super().resizeEvent(event)
        self._fit_names()

    def fit_height(self, room_px: int | None) -> None:
        """Fill a height: with the table, and with the curves where they can be read above it.

        Parameters
        ----------
        room_px
            What there is [px]; None where it may be more, below which a person scrolls.
        """
        spare = _LEAST_PX if room_px is None else room_px - self._grid.sizeHint().height() - _GAP_BELOW_PX
        self.plot.setVisible(spare >= _LOWEST_PX)
        self.plot.setMinimumHeight(min(max(spare, _LOWEST_PX), _MOST_PX))

    def _fit_names(self) -> None:
        """Write the curves' names whole, shortened, or in two lines, as the numbers beside them leave room."""
        columns = zip(*(row[1:] for row in self._cells), strict=True)
        numbers = sum(_GAP_PX + max(cell.sizeHint().width() for cell in column) for column in columns)
        room = self.width() - _KEY_PX - _GAP_PX - numbers
        short = [name.replace(_LEFT_OUT, "") for name in self._names]
        broken = [name.replace("→ ", "→\n") for name in self._names]
        fitting = next((names for names in (self._names, short) if self._widest(names) <= room), broken)
        for row, name, whole in zip(self._cells, fitting, self._names, strict=False):
            say(row[0], name)
            explain(row[0], "" if name == whole else whole)

    def _widest(self, names: Sequence[str]) -> int:
        return max((self.fontMetrics().horizontalAdvance(name) for name in names), default=0)

    @property
    def table(self) -> list[list[str]]:
        """What the table shows, row by row: name, p50, p99, p99.9, maximum."""
        return [[cell.text().replace("\n", " ") for cell in row] for row in self._cells]

    def show_latency(self, latency: Latency) -> None:
        """Show these delays."""
        self._names = [spread.name for spread in latency.spreads]
        steps = [steps_of(latency, spread) for spread in latency.spreads]
        for curve, row, spread, (edges, counts) in zip(self.curves, self._cells, latency.spreads, steps, strict=False):
            curve.setVisible(bool(counts.size))
            if counts.size:
                curve.setData(edges, counts)
            for cell, text in zip(row[1:], _words(spread), strict=True):
                say(cell, text)
        self._fit_names()
        self._fit([(edges, counts) for edges, counts in steps if counts.size])

    def _fit(self, drawn: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> None:
        """Show whole decades, and room above: the axes move rarely."""
        if not drawn:
            return
        low = float(np.floor(min(edges[0] for edges, _ in drawn) + 1e-9))
        high = float(np.ceil(max(edges[-1] for edges, _ in drawn) - 1e-9))
        top = _room_above(max(float(counts.max()) for _, counts in drawn))
        if (low, high, top) != self._range:
            self._range = (low, high, top)
            beside = _BESIDE * (high - low)  # room for the names of the first and the last decade
            self.plot.setRange(xRange=(low - beside, high + beside), yRange=(0.0, _ABOVE * top), padding=0.0)


def _words(spread: Spread) -> list[str]:
    """Return a row of the table, its name left out."""
    values = (spread.p50_us, spread.p99_us, spread.p999_us, spread.max_us)
    return [
        figures.duration(_US * value) if spread.n >= needed else "not yet"
        for value, needed in zip(values, _NEEDED, strict=True)
    ]


def _room_above(most: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, … above a number, so that the axis does not follow every count."""
    decade = 10.0 ** np.floor(np.log10(most))
    return float(next(step * decade for step in (1.0, 2.0, 5.0, 10.0, 20.0) if step * decade > most))


def _ticks() -> list[tuple[float, str]]:
    """Return the decades from 1 µs to 100 s, at log10 of µs, with their names."""
    return [(float(e), _named(e, 1)) for e in range(9)]


def _minor_ticks() -> list[tuple[float, str]]:
    """Return the places 2, 3, … 9 of each decade; 2 and 5 are named where there is room."""
    return [(e + float(np.log10(m)), _named(e, m) if m in (2, 5) else "") for e in range(9) for m in range(2, 10)]


def _named(decade: int, times: int) -> str:
    return f"{times * 10 ** (decade % 3)} {('µs', 'ms', 's')[decade // 3]}"


def _label(text: str, colour: str, tip: str) -> QLabel:
    label = QLabel(text)
    label.setStyleSheet(f"color: {colour}")
    label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    label.setToolTip(tip)
    return label

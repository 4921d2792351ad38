"""Shared and unique variance of both animals beside their nulls, as bars with a tick.

The difference of a share and its null is in percentage points, as all differences of shares are.
"""

from dataclasses import dataclass
from typing import Final

from PyQt6.QtCore import QRectF, QSize, Qt
from PyQt6.QtGui import QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from gui.parts.estimate_view import Shown, heading, nothing_yet, words
from gui.parts.estimate_words import NOT_BY_ITSELF
from gui.parts.labels import say
from gui.parts.shares import points
from gui.theme import Theme
from realtime.records import ANIMALS

KINDS: Final = ("shared", "unique")
ROW_PX: Final = 18


@dataclass(frozen=True, slots=True)
class Bar:
    """One share of variance.

    Attributes
    ----------
    animal
        0 is A, 1 is B.
    name
        Such as "shared A".
    value, null
        From 0 to 1; None where nothing can be said.
    """

    animal: int
    name: str
    value: float | None
    null: float | None

    @property
    def says(self) -> str:
        """The numbers, in words."""
        if self.value is None:
            return "not yet"
        if self.null is None:
            return f"{100 * self.value:.0f} %, null not yet"
        shares = f"{100 * self.value:.0f} %, null {100 * self.null:.0f} %"
        return f"{shares}: {points(self.value - self.null, 1)} points"


class Bars(QWidget):
    """Bars from 0 to 100 % of an animal's variance, each with its null as a tick, and both in numbers.

    Attributes
    ----------
    bars
        What is shown.
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.bars: tuple[Bar, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)

    def sizeHint(self) -> QSize:  # noqa: N802  (Qt's name)
        """Return the room for four bars."""
        return QSize(200, 4 * ROW_PX)

    def set_bars(self, bars: tuple[Bar, ...]) -> None:
        """Show others, where they are others."""
        if bars != self.bars:
            self.bars = bars
            self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Draw the bars."""
        if not self.bars:
            return
        painter = QPainter(self)
        tall = min(26.0, self.height() / len(self.bars))
        metrics = self.fontMetrics()
        left = metrics.horizontalAdvance("unique A  ")
        right = metrics.horizontalAdvance("44 %, null 44 %: +44.4 points ")
        for i, bar in enumerate(self.bars):
            room = QRectF(0.0, i * tall, float(self.width()), tall)
            self._draw(painter, bar, room, float(left), max(30.0, self.width() - left - right))
        painter.end()

    def _draw(self, painter: QPainter, bar: Bar, room: QRectF, left: float, width: float) -> None:
        """Draw one bar, its null, and its numbers."""
        theme, middle = self._theme, Qt.AlignmentFlag.AlignVCenter
        painter.setPen(theme.colour("text"))
        painter.drawText(room, middle | Qt.AlignmentFlag.AlignLeft, bar.name)
        painter.drawText(room, middle | Qt.AlignmentFlag.AlignRight, bar.says)
        track = QRectF(left, room.top() + room.height() * 0.28, width, room.height() * 0.44)
        painter.fillRect(track, theme.colour("edge", 90))
        if bar.value is not None:
            filled = QRectF(track.left(), track.top(), width * min(1.0, max(0.0, bar.value)), track.height())
            style = Qt.BrushStyle.SolidPattern if bar.animal == 0 else Qt.BrushStyle.Dense4Pattern
            brush = painter.brush()
            brush.setColor(theme.colour(theme.animals[bar.animal]))
            brush.setStyle(style)
            painter.fillRect(filled, brush)
        if bar.null is not None:
            painter.setPen(QPen(theme.colour("text"), 2.0))
            x = round(track.left() + width * min(1.0, max(0.0, bar.null)))
            painter.drawLine(x, round(room.top() + 2), x, round(room.bottom() - 2))


class Variance(QWidget):
    """The bars, and why they say nothing by themselves."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.heading = heading(theme, "Share of each animal's variance; tick: its null")
        self.bars = Bars(theme)
        self.bars.setToolTip(
            "Variance in the shared subspace, and in as many dimensions outside it; the tick is the same in a subspace "
            "estimated from animals that were shifted against each other. Their difference is in percentage points."
        )
        self.nothing = nothing_yet(theme)
        self.says = words(theme)
        self.says.setText(NOT_BY_ITSELF)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.heading)
        column.addWidget(self.bars, 1)
        column.addWidget(self.nothing, 1)
        column.addWidget(self.says)

    def draw(self, shown: Shown) -> None:
        """Draw the newest shares, if they may be read."""
        latest = shown.history.latest
        there = shown.standing.usable and latest is not None
        self.bars.setVisible(there)
        self.nothing.setVisible(not there)
        say(self.nothing, shown.standing.sentence)
        if latest is None or not there:
            return
        told = {
            "shared": (latest.shared, latest.shared_null),
            "unique": (latest.unique, latest.unique_null),
        }
        self.bars.set_bars(
            tuple(
                Bar(animal, f"{kind} {ANIMALS[animal]}", told[kind][0][animal], told[kind][1][animal])
                for kind in KINDS
                for animal in range(len(ANIMALS))
            )
        )

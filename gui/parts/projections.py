"""The held-out projections of both animals over the last minute, one row for each shared dimension, and coactivity."""

from typing import Final

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QFontMetrics
from PyQt6.QtWidgets import QGridLayout, QLabel, QWidget

from gui.parts.estimate_view import Shown, nothing_yet, words
from gui.parts.labels import say
from gui.parts.segments import Segments
from gui.parts.session_course import StillPlot, step_of
from gui.theme import Theme
from realtime.records import NS_PER_S

SECONDS: Final = 60
FIRST_SHOWN: Final = 3
ROW_SD: Final = 6.5
"""Deviations from the middle of one row to the middle of the next."""
COACTIVITY: Final = "coactivity"
COACTIVITY_STEPS: Final = (2.0, 5.0, 10.0, 20.0, 50.0)
DASH_PX: Final = 9.0
DASH_ON: Final = 0.62
BESIDE_PX: Final = 14
"""Between a row's name and the curves, and left of it."""
GAP_NS: Final = NS_PER_S // 2
"""Between estimates further apart than this no line is drawn."""


def coactivity_name(step: float) -> str:
    """Return what the row of coactivity is called: its scale, from the row's middle to both sides."""
    return f"co. ±{step:g}"


def scaled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values less their mean, in units of their own deviation, shape (n,); zeros where they do not vary."""
    off = values - values.mean()
    deviation = float(off.std())
    scale: NDArray[np.float64] = off / deviation if deviation > 0.0 else np.zeros_like(off)
    return scale


def dashed(t_ns: NDArray[np.int64], joined: NDArray[np.bool_], dash_ns: int) -> NDArray[np.bool_]:
    """Return which points are joined to the next so that a line is dashed.

    Dashes are cut from time itself: they move along with the curve, where a pen's would crawl over it; and a pen's
    cost ten times as much to draw.
    """
    return joined & (t_ns % dash_ns < DASH_ON * dash_ns)


class _Row:
    """One dimension: A solid, B dashed."""

    def __init__(self, plot: StillPlot, theme: Theme) -> None:
        self.a = plot.curve(theme.animal_pen(0))
        pen = theme.animal_pen(1)
        pen.setStyle(Qt.PenStyle.SolidLine)  # dashed by what is joined
        self.b = plot.curve(pen)
        self.set_visible(False)

    def set_visible(self, visible: bool) -> None:
        self.a.setVisible(visible)
        self.b.setVisible(visible)


class Projections(QWidget):
    """The last minute of the shared dimensions.

    Attributes
    ----------
    choice
        Which dimensions are shown, and coactivity.
    changed
        Emitted when a person chose other ones.
    """

    changed = pyqtSignal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.theme = theme
        self.heading = words(theme)
        self.legend = QLabel()
        self.choice = Segments(theme, several=True)
        self.choice.changed.connect(self.changed)
        self.plot = StillPlot(theme)
        self.nothing = nothing_yet(theme)
        self.rows: list[_Row] = []
        self.coactivity = self.plot.curve(theme.pen("text"))
        self.crossings = self.plot.curve(theme.pen("text"))
        self.threshold = pg.InfiniteLine(angle=0, pen=theme.pen("dim", style=Qt.PenStyle.DotLine))
        self.plot.addItem(self.threshold)
        self._step = COACTIVITY_STEPS[0]
        self._axes: tuple[object, ...] = ()
        self._lay_out()

    def _lay_out(self) -> None:
        a, b = (self.theme.animals[animal] for animal in (0, 1))
        self.legend.setText(f'<span style="color:{a}">A ━━</span>&nbsp; <span style="color:{b}">B ╍╍</span>')
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(2)
        grid.addWidget(self.heading, 0, 0, 1, 2)
        grid.addWidget(self.legend, 1, 0, Qt.AlignmentFlag.AlignLeft)
        grid.addWidget(self.choice, 1, 1, Qt.AlignmentFlag.AlignRight)
        grid.addWidget(self.plot, 2, 0, 1, 2)
        grid.addWidget(self.nothing, 2, 0, 1, 2)
        grid.setRowStretch(2, 1)
        self.plot.setXRange(-SECONDS, 0.0, padding=0.0)
        ticks = [(float(s), f"−{-s}" if s else "now") for s in range(-SECONDS, 1, 20)]
        ticks[0] = (float(-SECONDS), f"−{SECONDS} s")
        self.plot.getAxis("bottom").setTicks([ticks])
        left = self.plot.getAxis("left")
        room = QFontMetrics(left.style["tickFont"]).horizontalAdvance(coactivity_name(COACTIVITY_STEPS[-1]))
        left.setWidth(room + BESIDE_PX)  # a name that finds no room is left out
        self.plot.setToolTip(
            "Patterns of activity that vary together in both brains. A frame is projected on patterns that know "
            "nothing of the seconds before it."
        )

    def anew(self) -> None:
        """Begin with the first dimensions again."""
        self.choice.set_choices((), ())
        self._step = COACTIVITY_STEPS[0]

    def draw(self, shown: Shown) -> None:
        """Draw the last minute."""
        count = shown.history.dimensions
        self._offer(count, bool(shown.settings.estimate == COACTIVITY))
        embargo_s = shown.scene.opening.embargo_s if shown.scene.opening else 0.0
        say(
            self.heading,
            f"Projections, held out: from data at least {embargo_s:g} s older. "
            f"Each scaled by its own deviation over the {SECONDS} s shown.",
        )
        chosen = [int(name) - 1 for name in self.choice.chosen if name.isdigit()]
        t_ns, _, _ = shown.history.projections(0) if count else (np.zeros(0, np.int64), None, None)
        now_ns = shown.scene.now_ns
        first = int(np.searchsorted(t_ns, now_ns - SECONDS * NS_PER_S))
        last = int(np.searchsorted(t_ns, now_ns, "right"))
        there = last > first
        self.plot.setVisible(there)
        self.nothing.setVisible(not there)
        if not there:
            say(self.nothing, shown.standing.sentence or "no estimate in the last minute")
            return
        while len(self.rows) < count:
            self.rows.append(_Row(self.plot, self.theme))
        for dimension, row in enumerate(self.rows):
            row.set_visible(dimension in chosen)
        for place, dimension in enumerate(chosen):
            self._draw_row(place, dimension, shown, slice(first, last))
        self._draw_coactivity(len(chosen), shown)
        self._axis(chosen, COACTIVITY in self.choice.chosen)

    def _offer(self, count: int, coactivity: bool) -> None:
        """Let a person choose among the dimensions there are."""
        names = [str(i + 1) for i in range(count)]
        chosen = names[:FIRST_SHOWN] + [COACTIVITY] * coactivity
        self.choice.set_choices(
            [*names, COACTIVITY] if count else (),
            chosen,
            "Which shared dimensions are shown; the first is the strongest",
        )

    def _draw_row(self, place: int, dimension: int, shown: Shown, span: slice) -> None:
        """Draw both animals on one dimension."""
        t_ns, a, b = shown.history.projections(dimension)
        known = np.isfinite(a[span]) & np.isfinite(b[span])
        t_ns, a, b = t_ns[span][known], a[span][known], b[span][known]
        row = self.rows[dimension]
        if not t_ns.size:
            row.set_visible(False)
            return
        x = (t_ns - shown.scene.now_ns) / NS_PER_S
        joined = np.append(np.diff(t_ns) <= GAP_NS, False)
        row.a.setData(x, scaled(a) / ROW_SD - place, connect="all" if joined[:-1].all() else joined)
        dash_ns = round(DASH_PX * SECONDS * NS_PER_S / max(100, self.plot.width()))
        row.b.setData(x, scaled(b) / ROW_SD - place, connect=dashed(t_ns, joined, dash_ns))

    def _draw_coactivity(self, place: int, shown: Shown) -> None:
        """Draw how strongly both agree from moment to moment, the trigger's threshold, and where it was crossed."""
        wanted = COACTIVITY in self.choice.chosen
        high = shown.settings.high if shown.settings.estimate == COACTIVITY else None
        self.threshold.setVisible(wanted and high is not None)
        for curve in (self.coactivity, self.crossings):
            curve.setVisible(wanted)
        if not wanted:
            return
        series, now_ns = shown.history.series, shown.scene.now_ns
        since_ns = now_ns - SECONDS * NS_PER_S
        span = slice(int(np.searchsorted(series.t_ns, since_ns)), int(np.searchsorted(series.t_ns, now_ns, "right")))
        values = series["coactivity"][span]
        known = np.isfinite(values)
        t_ns, values = series.t_ns[span][known], values[known]
        self._step = step_of(float(np.abs(values).max()) if values.size else 0.0, COACTIVITY_STEPS)
        joined = np.append(np.diff(t_ns) <= GAP_NS, False)[: t_ns.size]
        self.coactivity.setData((t_ns - now_ns) / NS_PER_S, values / (2.2 * self._step) - place, connect=joined)
        if high is not None:
            self.threshold.setValue(high / (2.2 * self._step) - place)
        self._mark(place, shown, since_ns)

    def _mark(self, place: int, shown: Shown, since_ns: int) -> None:
        """Mark crossings: a tick upward from the middle where it rose, downward where it fell."""
        crossed = [one for one in shown.scene.crossings if since_ns <= one.t_ns <= shown.scene.now_ns]
        x = np.repeat(np.array([(one.t_ns - shown.scene.now_ns) / NS_PER_S for one in crossed], np.float64), 2)
        y = np.array([[0.3, 0.5] if one.above else [-0.5, -0.3] for one in crossed], np.float64).reshape(-1) - place
        self.crossings.setData(x, y, connect="pairs")

    def _axis(self, chosen: list[int], coactivity: bool) -> None:
        """Name the rows."""
        axes = (tuple(chosen), coactivity, self._step)
        if axes == self._axes:
            return
        self._axes = axes
        ticks = [(-float(place), f"dim. {dimension + 1}") for place, dimension in enumerate(chosen)]
        if coactivity:
            ticks.append((-float(len(chosen)), coactivity_name(self._step)))
        self.plot.getAxis("left").setTicks([ticks])
        self.plot.setYRange(-len(ticks) + 0.45, 0.55, padding=0.0)

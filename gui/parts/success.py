"""Rolling success: the share of successes among the last 20 judged trials, beside the level of chance.

Judged trials are successes and misses: somebody had poked. Omissions and aborted trials do not count. The band is
where 95 % of such points lie when the pokes of A and B are shifted against each other, round the session; the line in
it is the median. It is reckoned anew as the session goes on, and drawn as it was known when each trial had ended;
before the first level that this window has heard, the first one is drawn. The shifts destroy all that ties the two
together in time, so the band guards against coincidences of two unrelated rhythms, and against nothing else: shared
water alone can lift the curve above it.

Where each animal is judged alone there are two curves, B's dashes over A's broader line so that both are seen where
they coincide, and no band. A poke is then a success by itself and nothing is ever missed, so omissions count there: the
curve is the share of the last 20 trials in which the animal poked.
"""

from typing import Final

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import Qt

from controller.messages.view import Chance, Opening
from gui.parts.labels import say
from gui.parts.shares import percent
from gui.parts.trial_columns import TrialColumns, alone, judged_of, name_of
from gui.parts.trial_part import TrialPart, coloured, quiet_plot
from gui.parts.words import unbroken
from gui.scene import Scene
from gui.theme import Theme
from realtime.records import ANIMALS, NS_PER_S, Outcome

ROLLING: Final = 20
"""Trials that one point of the curve stands for."""
BAND_TEXT: Final = (
    "chance: A's pokes against B's, shifted round the session; 95 % of such points lie in the band. "
    "Shared water alone can lift the curve above it."
)
JUDGED_TEXT: Final = "Judged are successes and misses; omissions do not count."
ALONE_TEXT: Final = "Each animal is judged alone: a poke is a success, so omissions count here, and there is no band."
ALONE_PX: Final = (4.0, 2.0)
"""How broad the curves of A and of B are where each is judged alone."""
DASHES: Final = (4.0, 4.0)
"""Of B's curve, on and off, in units of its breadth."""
END_ROOM: Final = 1.03
"""So that the last tick has room for its number."""
MOST_POINTS: Final = 1000
MOST_STEPS: Final = 300
"""Of curve and band, at most: a screen has hardly more, and six hours have five thousand trials."""
SAME: Final = 0.005
"""A median that moves by less is drawn as it was: less than a pixel."""


class Level:
    """The level of chance as it changed: a step for every trial from which on it was another."""

    def __init__(self) -> None:
        self._taken = 0
        self.steps: list[tuple[int, float, float, float]] = []
        """The trial from which on, and low, median and high."""

    def follow(self, chances: list[Chance], trials: NDArray[np.void]) -> None:
        """Take levels that are new."""
        for one in chances[self._taken :]:
            if one.trials == ROLLING and trials.size:
                last = max(0, int(np.searchsorted(trials["end_ns"], one.t_ns, side="right")) - 1)
                self._add(int(trials["trial"][last]), one)
        self._taken = len(chances)

    def _add(self, trial: int, one: Chance) -> None:
        step = (trial, one.rolling_low, one.rolling_median, one.rolling_high)
        if self.steps and self.steps[-1][0] == trial:
            self.steps[-1] = step
        elif not self.steps or max(abs(a - b) for a, b in zip(step[1:], self.steps[-1][1:], strict=True)) >= SAME:
            self.steps.append(step)

    def outline(self, begin: float, end: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the steps from trial ``begin`` to ``end``: x, shape (2n,), and low, median and high, shape (3, 2n)."""
        every = -(-len(self.steps) // MOST_STEPS)
        table = np.array(self.steps[:-1:every] + self.steps[-1:], np.float64)
        starts = np.maximum(table[:, 0], begin)
        starts[0] = begin
        x = np.repeat(np.append(starts, max(end, starts[-1])), 2)[1:-1]
        return x, np.repeat(table[:, 1:].T, 2, axis=1)


class SuccessPlot(TrialPart):
    """Rolling success beside chance."""

    name = "success"
    title = "Success"
    foot_from = 180
    legend_apart = True

    def __init__(self, theme: Theme) -> None:
        self.plot = quiet_plot(theme, "trial", "[%]")
        super().__init__(theme, self.plot)
        self.low, self.high = pg.PlotCurveItem(pen=None), pg.PlotCurveItem(pen=None)
        self.band = pg.FillBetweenItem(self.low, self.high, brush=theme.colour("dim", 60))
        self.median = pg.PlotCurveItem(pen=theme.pen("dim"))
        self._pens = [theme.animal_pen(animal, width) for animal, width in enumerate(ALONE_PX)]
        self._pens[1].setDashPattern(DASHES)
        self._pens[1].setCapStyle(Qt.PenCapStyle.FlatCap)  # a square one would fill half of the gaps
        self.curves = [pg.PlotCurveItem(pen=pen) for pen in self._pens]
        self._pair_pen = theme.pen("text", 2.0)
        for item in (self.band, self.low, self.high, self.median, *self.curves):
            self.plot.addItem(item)
        self.plot.setYRange(0, 103, padding=0)
        self.plot.getAxis("left").setTicks([[(0, "0"), (50, "50"), (100, "100")]])
        self._forget()

    def _forget(self) -> None:
        self.level = Level()
        for item in (self.low, self.high, self.median, *self.curves):
            item.setData([], [])

    def refresh(self, scene: Scene, trials: TrialColumns) -> None:
        """Draw what trials and levels of chance are new."""
        opening = scene.opening
        if opening is None or not self._is_new(len(trials), scene.changes.get("chance", 0)):
            return
        self.level.follow(scene.chances, trials.all)
        said = self._draw_alone(opening, trials) if alone(opening) else self._draw_pair(trials)
        coincidences = coincidences_text(scene.chance)
        if not any(curve.getData()[0] is not None and curve.getData()[0].size for curve in self.curves):
            self.nothing(f"not yet: {said}\n{coincidences}")
            return
        end = nice_end(int(trials.all["trial"].max()))
        self.plot.setXRange(0.0, END_ROOM * end, padding=0)
        text = ALONE_TEXT if alone(opening) else f"{JUDGED_TEXT} {self._draw_band(trials)}"
        self.something(said, unbroken(f"{coincidences} {text}".strip()))

    def _draw_pair(self, trials: TrialColumns) -> str:
        """Draw the pair's curve and return its newest point in words."""
        judged = trials.all[judged_of(trials.all)]
        x, share = rolling(judged)
        self.curves[0].setPen(self._pair_pen)
        self.curves[0].setData(*thinned(x, 100 * share))
        if not share.size:
            return f"a point needs {ROLLING} judged trials, there are {judged.size}"
        return f"Success {percent(share[-1])} %: {round(share[-1] * ROLLING)} of the last {ROLLING} judged trials"

    def _draw_alone(self, opening: Opening, trials: TrialColumns) -> str:
        """Draw a curve for each machine and return their newest points in words."""
        said = []
        for machine, animal in enumerate(opening.machines):
            mine = trials.all[trials.all["machine"] == machine]
            mine = mine[mine["outcome"] != Outcome.ABORTED]
            x, share = rolling(mine)
            self.curves[animal].setPen(self._pens[animal])
            self.curves[animal].setData(*thinned(x, 100 * share))
            newest = f"{percent(share[-1])} %" if share.size else f"not yet ({mine.size} of {ROLLING} trials)"
            said.append(f"{ANIMALS[animal]} {newest}")
        names = (coloured(self.theme.animals[a], f"{'━╍'[a]} {name_of(opening, a)}") for a in opening.machines)
        say(self.legend, "&nbsp; ".join(names))
        return f"Success, last {ROLLING} trials: {', '.join(said)}"

    def _draw_band(self, trials: TrialColumns) -> str:
        """Draw the level of chance under the curve and return what it is, in words."""
        if not self.level.steps:
            return "chance: not yet, too few trials for a band."
        begin = float(self.curves[0].getData()[0][0])
        x, (low, median, high) = self.level.outline(begin, float(trials.all["trial"][-1]))
        for item, y in ((self.low, low), (self.high, high), (self.median, median)):
            item.setData(x, 100 * y)
        return f"Band now {percent(low[-1])}–{percent(high[-1])} %, median {percent(median[-1])} %; {BAND_TEXT}"


def rolling(trials: NDArray[np.void]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return numbers of trials, and the share of successes in the 20 of ``trials`` that end with each.

    Parameters
    ----------
    trials
        Trials that count, shape (n,).

    Returns
    -------
    tuple
        Both of shape (n − 19,), or empty.
    """
    sums = np.concatenate(([0], np.cumsum(trials["outcome"] == Outcome.SUCCESS)))
    if trials.size < ROLLING:
        return np.zeros(0, np.int64), np.zeros(0)
    return trials["trial"][ROLLING - 1 :].astype(np.int64), (sums[ROLLING:] - sums[:-ROLLING]) / ROLLING


def thinned(
    x: NDArray[np.int64], y: NDArray[np.float64], most: int = MOST_POINTS
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return a curve of at most ``most`` points that looks the same: of each stretch its lowest and its highest point.

    Parameters
    ----------
    x, y
        The curve, shape (n,).
    most
        Points beyond which it is thinned, even.

    Returns
    -------
    tuple
        x and y of the points that are kept, in their order; always the first and the last.
    """
    if x.size <= most:
        return x, y
    length = -(-x.size // (most // 2 - 1))
    stretches = np.pad(y, (0, -x.size % length), "edge").reshape(-1, length)
    begins = length * np.arange(len(stretches))
    kept = np.unique(
        np.concatenate((begins + stretches.argmin(axis=1), begins + stretches.argmax(axis=1), [0, x.size - 1]))
    )
    return x[kept], y[kept]


def coincidences_text(chance: Chance | None) -> str:
    """Return the whole session's coincidences beside those of shifted pokes, in words."""
    if chance is None:
        return "coincidences against shifted pokes: not yet."
    window_s = chance.window_ns / NS_PER_S
    shifted = f"{chance.median:.0f} ({chance.low:.0f}–{chance.high:.0f})"
    return f"{chance.observed} coincidences within {window_s:g} s; shifted: {shifted}."


def nice_end(trial: int) -> int:
    """Return where an axis of trials ends, so that it grows in few steps."""
    step = 20
    while trial > 5 * step:
        step *= 2
    return max(40, -(-trial // step) * step)

"""The inter-poke interval: from a trial's first poke to the partner's, of trials in which both poked.

The filled outline is the whole session, the line the last 50 judged trials, each as shares of its own answered trials;
the dashed line is the window. A trial is over when its window is, so no interval is longer than that: a partner that
came later, or not at all, is counted in words. The study reports that misses and the interval fall with training; a
narrower window cuts the interval short by itself.
"""

from typing import Final

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import Qt

from gui.parts.labels import say
from gui.parts.trial_columns import NONE_NS, TrialColumns, judged_of
from gui.parts.trial_part import TrialPart, coloured, quiet_plot
from gui.scene import Scene
from gui.theme import Theme
from realtime.records import NS_PER_S

RECENT: Final = 50
"""Judged trials that are the newest."""
BINS: Final = 20
"""Of the widest window that trials of the session were judged by; times are linear, as the window is."""


class IntervalsPlot(TrialPart):
    """Distribution of the inter-poke interval."""

    name = "intervals"
    title = "Intervals"
    foot_from = 190
    legend_apart = True

    def __init__(self, theme: Theme) -> None:
        self.plot = quiet_plot(theme, "first poke to partner's [s]", "[%]")
        super().__init__(theme, self.plot)
        fill = theme.colour("dim", 90)
        self.session = pg.PlotCurveItem(pen=theme.pen("dim"), brush=fill, fillLevel=0.0)
        self.recent = pg.PlotCurveItem(pen=theme.pen("text", 2.0))
        self.window_line = pg.InfiniteLine(0.0, pen=theme.pen("warn", style=Qt.PenStyle.DashLine))
        for item in (self.session, self.recent, self.window_line):
            self.plot.addItem(item)
        names = ((theme.dim, "▇ session"), (theme.text, f"━ last {RECENT}"), (theme.warn, "╎ window"))
        say(self.legend, "&nbsp; ".join(coloured(colour, name) for colour, name in names))

    def refresh(self, scene: Scene, trials: TrialColumns) -> None:
        """Draw the intervals anew where trials have ended."""
        opening, counts = scene.opening, scene.counts
        if opening is None or not self._is_new(len(trials), counts and counts.window_ns):
            return
        judged = trials.all[judged_of(trials.all)]
        lags_ns = judged["lag_ns"]
        unanswered = int(np.count_nonzero(lags_ns == NONE_NS))
        without = f"{unanswered} of {judged.size} judged trials without the partner's poke"
        if unanswered == judged.size:
            self.nothing(f"not yet: {without if judged.size else 'no trial was judged'}")
            return
        self._draw(lags_ns, int(judged["window_ns"].max()))
        self.window_line.setValue((counts.window_ns if counts is not None else int(judged["window_ns"][-1])) / NS_PER_S)
        self.something(median_text(lags_ns), f"{without} in time. An interval ends with the window at the latest.")

    def _draw(self, lags_ns: NDArray[np.int64], widest_ns: int) -> None:
        edges_s = np.linspace(0.0, widest_ns / NS_PER_S, BINS + 1)
        top = 0.0
        for item, chosen in ((self.session, lags_ns), (self.recent, lags_ns[-RECENT:])):
            shares = shares_of(chosen, widest_ns)
            item.setData(edges_s, 100 * shares, stepMode="center")
            top = max(top, 100 * float(shares.max()))
        top = 10.0 * np.ceil(max(top, 10.0) / 10.0)
        self.plot.setXRange(0.0, 1.04 * edges_s[-1], padding=0)
        self.plot.setYRange(0.0, 1.05 * top, padding=0)


def answered(lags_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the intervals of trials in which the partner poked, shape (n,) [ns]."""
    kept: NDArray[np.int64] = lags_ns[lags_ns != NONE_NS]
    return kept


def shares_of(lags_ns: NDArray[np.int64], widest_ns: int) -> NDArray[np.float64]:
    """Return the share of answered trials in each bin, shape (BINS,); all 0 without one.

    Bins contain their upper edge, as the window does; what is beyond the last one counts in it.
    """
    kept = answered(lags_ns)
    bins = np.clip(-(-kept * BINS // widest_ns) - 1, 0, BINS - 1)
    return np.bincount(bins, minlength=BINS) / max(1, kept.size)


def median_text(lags_ns: NDArray[np.int64]) -> str:
    """Return the median interval of the session and of its newest trials, in words."""
    recent_ns = answered(lags_ns[-RECENT:])
    newest = f"{np.median(recent_ns) / NS_PER_S:.2f} s" if recent_ns.size else "not yet"
    return f"Median interval {np.median(answered(lags_ns)) / NS_PER_S:.2f} s; last {RECENT}: {newest}"

"""The held-out correlation over the session beside both of its nulls, and what each null says and guards against."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QGridLayout, QWidget

from gui.parts.estimate_view import Shown, heading, nothing_yet, words
from gui.parts.estimate_words import (
    LAGGED_GUARDS,
    NOW_AND_THEN,
    TRIAL_GUARDS,
    lagged_words,
    share_above,
    share_words,
    trial_words,
    trials_missing,
)
from gui.parts.labels import say
from gui.parts.session_course import NS_PER_MIN, Band, SessionPlot, chosen_rows, draw_in_two
from gui.parts.words import unbroken
from gui.theme import Theme

STEPS: Final = (0.1, 0.25, 0.5, 0.75, 1.0)
BAND_SD: Final = 2.0
"""Half of the band around the null's mean, in the null's deviations: above it, z is above 2."""
SIDE_BY_SIDE: Final = 430
"""From which width on each null's words stand below its own plot [px]."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a history one null is in."""

    correlation: str
    mean: str
    z: str
    valid: str


LAGGED: Final = Columns("correlation", "lagged_mean", "lagged_z", "valid")
TRIAL: Final = Columns("trial_correlation", "trial_mean", "trial_z", "trial_valid")


def deviation(
    correlation: NDArray[np.float64], mean: NDArray[np.float64], z: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return a null's deviation from how many of them the correlation is above its mean; NaN where z is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        sd: NDArray[np.float64] = np.where(z == 0.0, np.nan, (correlation - mean) / z)
    return sd


class NullPlot(SessionPlot):
    """The correlation as a line, and one null as a band: its mean ± 2 deviations.

    Attributes
    ----------
    now, past
        The line: as it stands, and, greyed, what was before the estimators began anew or is valid no more.
    band, mean
        The null's.
    marks
        Where the trigger's estimate rose over its threshold.
    shown
        All values that are drawn, shape (n,).
    first
        When the first of them was [min since the task's start].
    """

    def __init__(self, theme: Theme, columns: Columns) -> None:
        super().__init__(theme, STEPS)
        self.columns = columns
        self.band = Band(theme.colour("dim", 70))
        self.addItem(self.band)
        self.mean = self.curve(theme.pen("dim"))
        self.past = self.curve(theme.pen("dim", alpha=130))
        self.now = self.curve(theme.pen("text"))
        self.marks = self.curve(theme.pen("edge"))
        self.shown: NDArray[np.float64] = np.zeros(0)
        self.first = 0.0

    def draw(self, shown: Shown, since_ns: int) -> bool:
        """Draw the whole session; rows before ``since_ns`` are of the past. Return whether there is anything."""
        series, columns = shown.history.series, self.columns
        sd = deviation(series[columns.correlation], series[columns.mean], series[columns.z])
        keep = (series[columns.valid] > 0.0) & np.isfinite(sd) & np.isfinite(series[columns.mean])
        rows, joined = chosen_rows(series.t_ns, keep)
        if not rows.size:
            return False
        x = (series.t_ns[rows] - shown.scene.started_ns) / NS_PER_MIN
        r, mean, sd = series[columns.correlation][rows], series[columns.mean][rows], sd[rows]
        new = series.t_ns[rows] >= since_ns
        draw_in_two((self.past, self.now), x, r, new, joined)
        self.band.set_data(x, mean - BAND_SD * sd, mean + BAND_SD * sd, joined)
        self.mean.setData(x, mean, connect=joined)
        self.shown, self.first = np.concatenate((r, mean)), float(x[0])
        return True

    def mark(self, shown: Shown) -> None:
        """Mark at the bottom where the trigger's estimate rose over its threshold."""
        start_ns = shown.scene.started_ns
        low, high = self.getViewBox().viewRange()[1]
        rose = [one.t_ns for one in shown.scene.crossings if one.above]
        x = np.repeat((np.array(rose, np.int64) - start_ns) / NS_PER_MIN, 2)
        self.marks.setData(x, np.tile([low, low + 0.07 * (high - low)], len(rose)), connect="pairs")


class _Null:
    """One null: its plot, or why there is none, and its words."""

    def __init__(self, theme: Theme, columns: Columns, title: str, guards: str) -> None:
        self.heading = heading(theme, title)
        self.plot = NullPlot(theme, columns)
        self.nothing = nothing_yet(theme)
        self.verdict = words(theme, "text")
        self.guards = words(theme)
        self.guards.setText(guards)
        self.widgets: tuple[QWidget, ...] = (self.heading, self.plot, self.nothing, self.verdict, self.guards)

    def draw(self, shown: Shown, since_ns: int, missing: str) -> None:
        """Draw the plot, or say what is missing."""
        there = self.plot.draw(shown, since_ns)
        self.plot.setVisible(there)
        self.nothing.setVisible(not there)
        say(self.nothing, missing)

    def say(self, name: str, now: str, missing: str) -> None:
        """Say the numbers of now; where there are none, what is missing, unless that stands in the plot's place."""
        seen = self.plot.isVisibleTo(self.plot.parentWidget())
        say(self.verdict, now or (f"{name}: {missing}" if seen else f"{name}: not yet"))


class Correlation(QWidget):
    """Both nulls side by side, because a claim needs both."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.lagged = _Null(theme, LAGGED, "r, lagged null ± 2 sd", LAGGED_GUARDS)
        self.trial = _Null(theme, TRIAL, "r, trial-shift null ± 2 sd", TRIAL_GUARDS)
        self.share = words(theme)
        self.now_and_then = words(theme)
        self.now_and_then.setText(NOW_AND_THEN)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(2)
        self._side_by_side: bool | None = None
        self.lagged.plot.setToolTip(
            "Correlation of the held-out projections over all shared dimensions, and the same at lags at which the "
            "animals cannot know of each other. Ticks below: the trigger's estimate rose over its threshold."
        )
        self.trial.plot.setToolTip(
            "The same over moments of trials, and with B taken from the same moment of earlier trials."
        )
        self.now_and_then.setToolTip("Measured in virtual brains: 33 % in 5, 57 % in 10, 80 % in 20 minutes.")
        self._arrange(True)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Put the words where there is room for them."""
        super().resizeEvent(event)
        self._arrange(self.width() >= SIDE_BY_SIDE)

    def _arrange(self, side_by_side: bool) -> None:
        if side_by_side == self._side_by_side:
            return
        self._side_by_side = side_by_side
        grid = self._grid
        for column, null in enumerate((self.lagged, self.trial)):
            grid.addWidget(null.heading, 0, column)
            grid.addWidget(null.plot, 1, column)
            grid.addWidget(null.nothing, 1, column)
            row, left, wide = (2, column, 1) if side_by_side else (2 + 2 * column, 0, 2)
            grid.addWidget(null.verdict, row, left, 1, wide)
            grid.addWidget(null.guards, row + 1, left, 1, wide)
            grid.setColumnStretch(column, 1)
        grid.addWidget(self.share, 6, 0, 1, 2)
        grid.addWidget(self.now_and_then, 7, 0, 1, 2)
        grid.setRowStretch(1, 1)

    def anew(self) -> None:
        """Let the axes be small again."""
        self.lagged.plot.anew()
        self.trial.plot.anew()

    def draw(self, shown: Shown) -> None:
        """Draw the session so far."""
        latest, standing = shown.history.latest, shown.standing
        if latest is None:
            return
        now_valid = standing.usable and latest.trial_valid
        self.lagged.draw(shown, standing.since_ns, standing.sentence)
        missing = standing.sentence if latest.trial_valid else trials_missing(latest)
        self.trial.draw(shown, standing.since_ns if now_valid else latest.t_ns + 1, missing)
        self._make_room(shown)
        r, in_trials = latest.correlation, latest.trial_correlation
        now = f"r {r:+.2f}; {lagged_words(latest, shown.settings)}" if standing.usable and r is not None else ""
        self.lagged.say("lagged", now, standing.sentence)
        now = f"r {in_trials:+.2f}; {trial_words(latest)}" if now_valid and in_trials is not None else ""
        self.trial.say("trial-shift", now, missing)
        self._say_share(shown)

    def _make_room(self, shown: Shown) -> None:
        """Let both plots have the same axes: they are compared."""
        plots = self.lagged.plot, self.trial.plot
        values = np.concatenate([plot.shown for plot in plots])
        minutes = shown.scene.task_seconds(shown.scene.now_ns) / 60.0
        for plot in plots:
            plot.make_room(minutes, values, min(one.first for one in plots))
            plot.mark(shown)

    def _say_share(self, shown: Shown) -> None:
        """Say in what share of the last minutes each z was above 2."""
        series, since_ns, now_ns = shown.history.series, shown.standing.since_ns, shown.scene.now_ns
        shares = {
            name: share_above(series.t_ns, series[columns.z], series[columns.valid], since_ns, now_ns)
            for name, columns in (("lagged", LAGGED), ("trial-shift", TRIAL))
        }
        say(self.share, unbroken(share_words(shares)))

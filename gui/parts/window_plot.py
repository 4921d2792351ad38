"""The cooperation window as it narrows: the window by which each trial was judged, and the stages of training.

Dim lines are the windows of the stages. The trial on the axis is the same as above, in rolling success. Where each
animal is judged alone there is no window, and the panel has no place for this.
"""

from typing import Final

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray

from controller.messages.view import Opening
from gui.parts.success import END_ROOM, nice_end
from gui.parts.trial_columns import TrialColumns
from gui.parts.trial_part import TrialPart, quiet_plot
from gui.scene import Scene
from gui.theme import Theme
from realtime.records import NS_PER_S

BY: Final = {"days": "(by days of training)", "criterion": "(by success)", "fixed": "(fixed)"}
"""What narrows the window, by the name of its schedule."""


class WindowPlot(TrialPart):
    """The window of each trial."""

    name = "window"
    title = "Window"
    foot_from = 150

    def __init__(self, theme: Theme) -> None:
        self.plot = quiet_plot(theme, "trial", "[s]")
        super().__init__(theme, self.plot)
        self.curve = pg.PlotCurveItem(pen=theme.pen("text", 2.0))
        self.plot.addItem(self.curve)
        self.stages: list[pg.InfiniteLine] = []
        self._forget()

    def _forget(self) -> None:
        self._of: Opening | None = None

    def refresh(self, scene: Scene, trials: TrialColumns) -> None:
        """Draw the windows of trials that are new."""
        opening, counts = scene.opening, scene.counts
        if opening is None or not self._is_new(len(trials), counts and counts.window_ns):
            return
        if opening is not self._of:
            self._of = opening
            self._draw_stages(opening)
        window_ns = opening.stages_ns[0] if counts is None else counts.window_ns
        x, y = steps(trials.all)
        self.curve.setData(x, y)
        self.plot.setXRange(0.0, END_ROOM * nice_end(int(x[-1]) if x.size else 0), padding=0)
        self.something(f"Window {window_ns / NS_PER_S:g} s{stage_text(opening, window_ns)}", "")

    def _draw_stages(self, opening: Opening) -> None:
        for line in self.stages:
            self.plot.removeItem(line)
        self.stages = []
        values_s = [stage_ns / NS_PER_S for stage_ns in opening.stages_ns]
        for value_s in values_s:
            line = pg.InfiniteLine(value_s, angle=0, pen=self.theme.pen("edge"))
            self.stages.append(line)
            self.plot.addItem(line)
        self.curve.setZValue(1)
        self.plot.setYRange(0.0, 1.15 * max(values_s, default=1.0), padding=0)
        self.plot.getAxis("left").setTicks([[(0.0, "0"), *((value_s, f"{value_s:g}") for value_s in values_s)]])


def steps(trials: NDArray[np.void]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the window over trials as a line of few corners: numbers of trials, and windows [s].

    Each trial takes the place from half a trial before its number to half a trial behind it.
    """
    if not trials.size:
        return np.zeros(0), np.zeros(0)
    window_ns, number = trials["window_ns"], trials["trial"]
    begins = np.flatnonzero(np.diff(window_ns, prepend=-1))
    ends = np.append(begins[1:], window_ns.size) - 1
    x = np.column_stack((number[begins] - 0.5, number[ends] + 0.5)).ravel()
    return x, np.repeat(window_ns[begins] / NS_PER_S, 2)


def stage_text(opening: Opening, window_ns: int) -> str:
    """Return which stage of training a window is, in words; nothing where there is but one."""
    stages = opening.stages_ns
    if window_ns not in stages or len(stages) == 1:
        return ""
    return f", stage {stages.index(window_ns) + 1} of {len(stages)} {BY[opening.schedule]}"

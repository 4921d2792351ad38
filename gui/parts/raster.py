"""Both animals' pokes around the first poke of each of the last 100 trials: a row per trial, the newest on top.

Time 0 is the trial's first poke. Where nobody poked, as in an omission, it is when the trial opened, and a hollow
square stands there. Pokes of A are upward triangles, those of B downward ones. The shaded span from 0 is the trial's
window. Columns at the right say the outcome (✓ success, ✗ miss, ○ omission, – aborted), each by its place and its
mark. Where light is planned, columns at the left say which trials were lit (L, with a stripe across the row), sham (S),
or dark (D: chosen for light, and none came). A task that judges each animal alone has no window; its rows are the
trials of both in the order of their ends, and a triangle at the left says whose a row is.
"""

import re
from typing import Final

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray

from controller.messages.view import Opening
from gui.parts.labels import say
from gui.parts.trial_columns import LIGHTS, NONE_NS, TrialColumns, alone, name_of
from gui.parts.trial_part import TrialPart, coloured, quiet_plot
from gui.parts.trial_pokes import REACH_NS, TrialPokes
from gui.scene import Scene
from gui.theme import ANIMAL_GLYPHS, ANIMAL_SYMBOLS, OUTCOME_MARKS, OUTCOME_SYMBOLS, Theme
from realtime.records import NS_PER_S

MOST_ROWS: Final = 100
ROOMS: Final = (25, 50, 75, MOST_ROWS)
"""For how many rows there is room, so that early rows are not as tall as the plot."""
REACH_S: Final = REACH_NS / NS_PER_S
COLUMN_S: Final = 0.95
OUTCOME_X: Final = {outcome: REACH_S + COLUMN_S * (0.8 + place) for place, outcome in enumerate(OUTCOME_MARKS)}
LIGHT_X: Final = {light: -REACH_S - COLUMN_S * (2.8 - place) for place, light in enumerate(LIGHTS[1:])}
LIGHT_LETTERS: Final = {"lit": "L", "sham": "S", "dark": "D"}
LIGHT_SYMBOLS: Final = {"lit": "s", "sham": "o", "dark": "x"}
MARKS: Final = "□" + "".join(LIGHT_LETTERS.values()) + "".join(OUTCOME_MARKS.values())
SMALLEST_PX: Final = 4
LARGEST_PX: Final = 9
"""Bounds of a mark, which otherwise follows the height of a row."""


class Raster(TrialPart):
    """Pokes around the first poke of each trial."""

    name = "raster"
    title = "Pokes"
    foot_from = 240

    def __init__(self, theme: Theme) -> None:
        self.plot = quiet_plot(theme, "time from the first poke [s]", "trial")
        super().__init__(theme, self.plot)
        self._build_marks()
        self._build_background()
        for item in (*self._marks, *self.pokes):
            self.plot.addItem(item)
        self.plot.getViewBox().sigResized.connect(self._size_marks)
        self._forget()

    def _build_marks(self) -> None:
        """Make every mark once; later only their numbers change."""
        theme = self.theme
        self.pokes = [_marks(ANIMAL_SYMBOLS[a], theme, theme.animals[a]) for a in (0, 1)]
        self.whose = [_marks(ANIMAL_SYMBOLS[a], theme, theme.animals[a]) for a in (0, 1)]
        self.outcomes = {
            outcome: _marks(OUTCOME_SYMBOLS[outcome], theme, colour) for outcome, colour in theme.outcomes.items()
        }
        self.lights = {light: _marks(symbol, theme, "light") for light, symbol in LIGHT_SYMBOLS.items()}
        self.openings = _marks("s", theme, "text")
        for hollow, colour in ((self.lights["sham"], "light"), (self.openings, "text")):
            hollow.setBrush(None)
            hollow.setPen(theme.pen(colour))
        self._marks = [*self.whose, *self.outcomes.values(), *self.lights.values(), self.openings]
        self._mark_px = 0

    def _build_background(self) -> None:
        theme = self.theme
        none = np.zeros(0)
        bars = {"x0": none, "y": none, "width": none, "height": 1.0, "pen": None}
        self.spans = pg.BarGraphItem(**bars, brush=theme.colour("dim", 55))
        self.stripes = pg.BarGraphItem(**bars, brush=theme.colour("light", 70))
        for item in (self.spans, self.stripes):
            self.plot.addItem(item)
        for x, colour in ((-REACH_S, "edge"), (0.0, "dim"), (REACH_S, "edge")):
            self.plot.addItem(pg.InfiniteLine(x, pen=theme.pen(colour)))

    def _forget(self) -> None:
        self._counted = (-1, 0, 0)
        self._found = TrialPokes(MOST_ROWS)
        self._dressed: tuple[Opening, bool] | None = None
        self._foot = ""

    def refresh(self, scene: Scene, trials: TrialColumns) -> None:
        """Draw trials that are new, and pokes that are new in those that are drawn."""
        opening = scene.opening
        counted = (len(trials), scene.pokes_in[0].ns.size, scene.pokes_in[1].ns.size)
        if opening is None or counted == self._counted:
            return
        before, self._counted = self._counted[0], counted
        if not len(trials):
            self.nothing("not yet: a trial is drawn when it has ended")
            return
        changed = self._found.follow(scene, trials.all)
        begin = self._found.begin
        if len(trials) != before:
            self._draw_trials(opening, trials.all[begin:], begin)
            self._dress(opening, trials, begin)
        if changed:
            self._draw_pokes(begin)

    # --- what is drawn ------------------------------------------------------------------------------------------

    def _draw_pokes(self, begin: int) -> None:
        for item, offsets in zip(self.pokes, self._found.offsets, strict=True):
            y = np.repeat(np.arange(begin + 1, begin + 1 + len(offsets)), [one.size for one in offsets])
            item.setData(x=np.concatenate(offsets), y=y)

    def _draw_trials(self, opening: Opening, rows: NDArray[np.void], begin: int) -> None:
        """Draw everything of the rows but their pokes."""
        y = np.arange(begin + 1, begin + 1 + rows.size)
        lit = y[rows["light"] == LIGHTS.index("lit")]
        self.stripes.setOpts(x0=np.full(lit.size, -REACH_S), y=lit, width=np.full(lit.size, 2 * REACH_S))
        poked = rows["first_ns"] != NONE_NS
        judged_together = poked & (not alone(opening))
        widths_s = rows["window_ns"][judged_together] / NS_PER_S
        self.spans.setOpts(x0=np.zeros(widths_s.size), y=y[judged_together], width=widths_s)
        _put(self.openings, 0.0, y[~poked])
        for outcome, item in self.outcomes.items():
            _put(item, OUTCOME_X[outcome], y[rows["outcome"] == outcome])
        for light, item in self.lights.items():
            _put(item, LIGHT_X[light], y[rows["light"] == LIGHTS.index(light)])
        x = _left_of(_has_light(opening, rows)) - COLUMN_S / 2
        for animal, item in enumerate(self.whose):
            machines = [machine for machine, judged in enumerate(opening.machines) if judged == animal]
            _put(item, x, y[np.isin(rows["machine"], machines)])

    # --- words and ranges ---------------------------------------------------------------------------------------

    def _dress(self, opening: Opening, trials: TrialColumns, begin: int) -> None:
        """Set ranges, ticks and words."""
        last = len(trials)
        room = next((room for room in ROOMS if last <= room), MOST_ROWS)
        low = max(0, last - room)
        self.plot.setYRange(low + 0.5, low + room + 0.5, padding=0)
        light = _has_light(opening, trials.all[begin:])
        if (opening, light) != self._dressed:
            self._dressed = (opening, light)
            self._set_columns(opening, light)
            self._foot = _foot(opening, light)
        shown = f"the last {MOST_ROWS} trials" if last > MOST_ROWS else f"{last} trial{'s' if last > 1 else ''}"
        self.something(f"Pokes of {shown}", self._foot)
        self._size_marks()

    def _set_columns(self, opening: Opening, light: bool) -> None:
        """Name the columns at the edges as ticks of the axis, and say what the marks stand for."""
        two = alone(opening)
        left = _left_of(light) - (COLUMN_S if two else 0.0)
        right = max(OUTCOME_X.values()) + COLUMN_S * 0.7
        ticks = [(x, f"{x:g}".replace("-", "−")) for x in (-4.0, -2.0, 0.0, 2.0, 4.0)]
        ticks += [(OUTCOME_X[outcome], mark) for outcome, mark in OUTCOME_MARKS.items()]
        if light:
            ticks += [(x, LIGHT_LETTERS[name]) for name, x in LIGHT_X.items()]
        self.plot.getAxis("bottom").setTicks([ticks])
        self.plot.getAxis("left").setLabel("trials of both, as they ended" if two else "trial")
        self.plot.setXRange(left, right, padding=0)
        names = (f"{ANIMAL_GLYPHS[a]} {name_of(opening, a)}" for a in (0, 1))
        say(
            self.legend,
            "&nbsp; ".join(coloured(colour, name) for colour, name in zip(self.theme.animals, names, strict=True)),
        )

    def _size_marks(self, _: object = None) -> None:
        """Fit the marks to the height of a row, when it has changed."""
        low, high = self.plot.getViewBox().viewRange()[1]
        row_px = self.plot.getViewBox().height() / max(1.0, high - low)
        mark_px = round(min(LARGEST_PX, max(SMALLEST_PX, 1.3 * row_px)))
        if mark_px != self._mark_px:
            self._mark_px = mark_px
            for item in (*self._marks, *self.pokes):
                item.setSize(mark_px)


def _marks(symbol: str, theme: Theme, colour: str) -> pg.ScatterPlotItem:
    """Return marks without a place yet; crosses and plus signs are filled shapes too."""
    return pg.ScatterPlotItem(symbol=symbol, size=SMALLEST_PX, pen=None, brush=theme.colour(colour))


def _put(item: pg.ScatterPlotItem, x: float, y: NDArray[np.int64]) -> None:
    if y.size or item.data.size:
        item.setData(x=np.full(y.size, x), y=y)


def _has_light(opening: Opening, rows: NDArray[np.void]) -> bool:
    """Return whether light is planned, or was chosen for any of the trials."""
    return opening.lit_share > 0 or bool((rows["light"] != 0).any())


def _left_of(light: bool) -> float:
    """Return where the columns of light end at the left [s]."""
    return min(LIGHT_X.values()) - COLUMN_S * 0.7 if light else -REACH_S - 0.2


def _foot(opening: Opening, light: bool) -> str:
    """Return what the marks stand for, each in one line with its word."""
    outcomes = ", ".join(f"{mark} {outcome.name.lower()}" for outcome, mark in OUTCOME_MARKS.items())
    said = ["newest on top", "□ nobody poked: 0 s is the trial's opening", outcomes]
    if alone(opening):
        said.append("triangle at the left: whose trial")
    else:
        said.insert(1, "shaded: the window")
    if light:
        said.append("L lit (stripe), S sham, D dark: chosen for light, and none came")
    return re.sub(f"([{MARKS}]) ", "\\1\N{NO-BREAK SPACE}", " · ".join(said))

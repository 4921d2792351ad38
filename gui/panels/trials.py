"""Trials: how the pair cooperates, as it learns.

At the left the *raster*: both animals' pokes around the first poke of each of the last 100 trials, the newest on top,
with outcome and light at the rows' edges. At the right *success* over the last 20 judged trials beside the level of
chance; the *window* by which trials are judged; the *intervals* from a trial's first poke to the partner's; and the
*outcomes*, with success under inhibition against control. Times are in seconds, shares in per cent; trials are counted
from 1. Each part's module in ``gui/parts`` says exactly what its numbers are.

In a smaller panel the least important parts go behind tabs; in a very small one all do. Sentences that find no room are
in the tooltip of the line above. Where each animal is judged alone there is no window and no interval, and no place for
them.

A trial appears when it has ended. Nothing here says whether a pair is better than chance, or whether light has an
effect: it shows how far off the numbers are, and what each level guards against.
"""

from collections.abc import Collection
from typing import Final

from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QVBoxLayout

from gui.panel import Panel
from gui.parts.arrangement import Arrangement, Node, Split, Tabs
from gui.parts.intervals import IntervalsPlot
from gui.parts.outcomes import Outcomes
from gui.parts.raster import Raster
from gui.parts.success import SuccessPlot
from gui.parts.trial_columns import TrialColumns, alone
from gui.parts.trial_part import TrialPart
from gui.parts.window_plot import WindowPlot
from gui.scene import Scene
from gui.theme import Theme

LEARNING: Final = Split(False, (("success", 5), ("window", 3)))
ALL: Final = Split(
    True,
    (
        ("raster", 5),
        (Split(False, (("success", 5), ("window", 3), (Split(True, (("intervals", 1), ("outcomes", 1))), 5))), 6),
    ),
)
TALL: Final = Split(
    True,
    (("raster", 5), (Split(False, (("success", 5), ("window", 3), (Tabs(("outcomes", "intervals")), 5))), 5)),
)
MIDDLE: Final = Split(
    True,
    (("raster", 5), (Split(False, (("success", 5), (Tabs(("outcomes", "intervals", "window")), 4))), 5)),
)
BROAD: Final = Split(True, (("raster", 4), (LEARNING, 4), (Tabs(("outcomes", "intervals")), 3)))
LOW: Final = Split(True, (("raster", 1), (Tabs(("success", "outcomes", "intervals", "window")), 1)))
NARROW: Final = Split(False, (("raster", 1), (Tabs(("success", "outcomes", "intervals", "window")), 1)))
SMALL: Final = Tabs(("raster", "success", "outcomes", "intervals", "window"))
OF_PAIRS: Final = ("intervals", "window")
"""What there is only where a pair is judged together."""


def arrangement_for(width: int, height: int) -> Node:
    """Return what stands where in a panel of this size [px]."""
    if width < 520:
        return NARROW if height >= 480 else SMALL
    if height < 430:
        return BROAD if width >= 900 else LOW
    if width < 900:
        return TALL if height >= 640 else MIDDLE
    return ALL if height >= 540 else BROAD


def without(node: Node, gone: Collection[str]) -> Node | None:
    """Return an arrangement without some of its widgets, whose room the others have; None where none is left."""
    if isinstance(node, str):
        return None if node in gone else node
    if isinstance(node, Tabs):
        names = tuple(name for name in node.names if name not in gone)
        return Tabs(names) if len(names) > 1 else next(iter(names), None)
    kept = tuple((left, share) for part, share in node.parts if (left := without(part, gone)) is not None)
    return Split(node.across, kept) if len(kept) > 1 else next((left for left, _ in kept), None)


class TrialsPanel(Panel):
    """The trials of a session."""

    name = "trials"
    title = "Trials"
    area = "middle"
    order = 10
    stretch = 5
    rate_hz = 4.0
    key = "Ctrl+3"

    def __init__(self, scene: Scene, theme: Theme) -> None:
        super().__init__(scene, theme)
        self.raster, self.success, self.window_plot = Raster(theme), SuccessPlot(theme), WindowPlot(theme)
        self.intervals, self.outcomes = IntervalsPlot(theme), Outcomes(theme)
        self.parts: tuple[TrialPart, ...] = (
            self.raster,
            self.success,
            self.window_plot,
            self.intervals,
            self.outcomes,
        )
        self._trials = TrialColumns()
        self.arrangement = Arrangement(
            {part.name: part for part in self.parts}, {part.name: part.title for part in self.parts}, theme
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.arrangement)
        self.setMinimumSize(240, 160)
        self._arrange()

    def anew(self) -> None:
        """Begin with an empty sheet."""
        self._trials.forget()
        for part in self.parts:
            part.anew()

    def refresh(self) -> None:
        """Draw what has changed in the parts that can be seen."""
        self._arrange()
        self._trials.follow(self.scene.rows)
        for part in self.parts:
            if part.isVisibleTo(self):
                part.refresh(self.scene, self._trials)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Arrange the parts as there is room."""
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        """Give every part that the task has its place."""
        opening = self.scene.opening
        gone = OF_PAIRS if opening is not None and alone(opening) else ()
        whole = arrangement_for(self.width(), self.height())
        node = without(whole, gone) if gone else whole
        if node is None or node == self.arrangement.now:
            return
        self.arrangement.arrange(node)
        for part in self.parts:
            if part.name in gone:
                part.hide()  # else it would be shown with what it was in

"""What both brains share, live: projections, the correlation with its two nulls, variance, synchrony.

**Projections.** The last minute of both animals' activity along the shared dimensions, the strongest first: A solid, B
dashed. They are *held out*: each frame is projected on patterns that know nothing of the seconds before it. Each curve
is scaled by its own deviation over the minute shown, so heights of A and B are not to be compared. Below them, where it
is chosen, *coactivity*: how strongly both agree at that moment, in units of chance.

**Correlation.** Of the held-out projections, over the estimators' memory, for the whole session. The grey band is a
null: its mean ± 2 of its deviations. The *lagged* null guards against slowness (autocorrelation), and a common input
that both animals see fools it. The *trial-shift* null guards against input that is locked to the trial. A claim needs
both. z is the distance from the null's mean in its deviations; p is a rank, which cannot be less than one over the
number of the null's values and one more. Nothing lights up here, because independent animals reach p ≤ 0.05 at some
moment in a third of 5-minute sessions and in more than half of 10-minute ones: choose the moment beforehand.

**Variance.** The share of each animal's variance in the shared subspace, and in as many dimensions outside it. The tick
is the same in a subspace from animals that were shifted against each other. Only the difference says anything.

**Synchrony.** How much better one brain's state tells the other's next one than a shifted brain's does (R² less its
null's mean). No direction is claimed.

Ticks below the first correlation are crossings of the trigger's threshold: tall where it rose, short where it fell.
What was before the estimators began anew, or is valid no more, is grey. In a small panel the parts stand behind tabs.
"""

from typing import Final

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QGridLayout, QWidget

from gui.panel import Panel
from gui.parts.correlation import Correlation
from gui.parts.estimate_view import Shown, heading, nothing_yet
from gui.parts.estimate_words import clock_of, restarted_ns, settings_of, standing_of, trigger_words, why_nothing
from gui.parts.labels import say
from gui.parts.projections import Projections
from gui.parts.sections import Section, Sections
from gui.parts.segments import Segments
from gui.parts.synchrony_plot import SynchronyPlot
from gui.parts.variance import Variance
from gui.scene import Scene
from gui.theme import Theme
from realtime.records import NS_PER_S

ALL: Final = "all"
SLOW_NS: Final = NS_PER_S // 2
"""How often all but the projections is drawn: estimates over minutes change slowly."""
WIDE: Final = 620
"""From which width on there are two columns [px]."""
TALL: Final = 320
"""From which height on there is room for the trigger in words [px]."""


class SharedPanel(Panel):
    """What both brains share.

    Attributes
    ----------
    projections, correlation, variance, synchrony
        The parts.
    cells
        The choice among kinds of cells; hidden where there is one.
    state, trigger
        How the estimate stands, and what it triggers, in words.
    nothing
        Stands in place of it all where there is nothing to share.
    """

    name = "shared"
    title = "Shared"
    area = "right"
    order = 20
    stretch = 5
    rate_hz = 10.0
    key = "Ctrl+5"

    def __init__(self, scene: Scene, theme: Theme) -> None:
        super().__init__(scene, theme)
        self.projections, self.correlation = Projections(theme), Correlation(theme)
        self.variance, self.synchrony = Variance(theme), SynchronyPlot(theme)
        self.cells = Segments(theme)
        self.state, self.trigger = heading(theme, ""), heading(theme, "")
        self.nothing = nothing_yet(theme)
        correlation = Section(self.correlation, "Correlation", 184, 5)
        projections = Section(self.projections, "Projections", 140, 5)
        synchrony = Section(self.synchrony, "Synchrony", 124, 3)
        variance = Section(self.variance, "Variance", 124, 1)
        self.sections = Sections(
            (correlation, projections, synchrony, variance),
            ((projections, variance), (correlation, synchrony)),
            WIDE,
            theme,
        )
        self._lay_out()
        self.anew()

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(6, 4, 6, 4)
        grid.setSpacing(3)
        grid.addWidget(self.state, 0, 0)
        grid.addWidget(self.cells, 0, 1, Qt.AlignmentFlag.AlignRight)
        grid.addWidget(self.sections, 1, 0, 1, 2)
        grid.addWidget(self.nothing, 1, 0, 1, 2)
        grid.addWidget(self.trigger, 2, 0, 1, 2)
        grid.setRowStretch(1, 1)
        grid.setColumnStretch(0, 1)
        self.cells.changed.connect(self._draw_all)
        self.projections.changed.connect(self._draw_all)
        self.sections.arranged.connect(self._draw_all)

    # --- when to draw -------------------------------------------------------------------------------------------

    def anew(self) -> None:
        """Begin with an empty sheet."""
        self._fast: tuple[object, ...] = ()
        self._slow: tuple[object, ...] = ()
        self._slow_ns: int | None = None
        self.cells.set_choices((), ())
        self.projections.anew()
        self.correlation.anew()
        self.synchrony.anew()
        self._draw_all()

    def _draw_all(self) -> None:
        """Draw everything that is seen, whatever was drawn before."""
        self._fast = self._slow = ()
        self._slow_ns = None
        self.refresh()

    def refresh(self) -> None:
        """Draw what has changed: projections whenever there are new ones, the rest twice a second."""
        if not self._offer():
            return
        fast = (self.scene.now_ns, self.scene.shared[self.cells.chosen[0]].series.added)
        if fast == self._fast and self._slow_ns is not None and self._slow == self._changed():
            return
        shown = self._shown()
        if fast != self._fast:
            self._fast = fast
            if self.projections in self.sections.seen:
                self.projections.draw(shown)
        local_ns = self.scene.local_ns
        if self._slow_ns is None or not 0 <= local_ns - self._slow_ns < SLOW_NS:
            self._slow_ns, self._slow = local_ns, self._changed()
            self._draw_slowly(shown)

    def _changed(self) -> tuple[object, ...]:
        """Return what tells whether anything but the projections has to be drawn anew."""
        changes = self.scene.changes
        told = ("subspace", "synchrony", "crossing", "restart", "streamreport", "opening")
        return (self.scene.now_ns // SLOW_NS, *(changes.get(name, 0) for name in told))

    # --- what to draw -------------------------------------------------------------------------------------------

    def _offer(self) -> bool:
        """Offer the kinds of cells there are; return whether there is anything to draw, and say so if not."""
        kinds = sorted(self.scene.shared, key=lambda kind: (kind != ALL, kind))
        chosen = [kind for kind in self.cells.chosen if kind in kinds] or kinds[:1]
        self.cells.set_choices(kinds, chosen, "Estimates of all cells, or of the cells of one type in both animals")
        self.cells.setVisible(len(kinds) > 1)
        for widget in (self.sections, self.state):
            widget.setVisible(bool(kinds))
        self.nothing.setVisible(not kinds)
        if not kinds:
            say(self.nothing, why_nothing(self.scene))
            say(self.trigger, trigger_words(self.scene))
        return bool(kinds)

    def _shown(self) -> Shown:
        """Return what the parts draw from."""
        history = self.scene.shared[self.cells.chosen[0]]
        standing = standing_of(self.scene, history.latest, history.series)
        return Shown(self.scene, history, standing, settings_of(self.scene.restart))

    def _draw_slowly(self, shown: Shown) -> None:
        """Draw all but the projections."""
        seen: list[QWidget] = self.sections.seen
        if self.correlation in seen:
            self.correlation.draw(shown)
        if self.variance in seen:
            self.variance.draw(shown)
        if self.synchrony in seen:
            self.synchrony.draw(self.scene)
        say(self.state, self._state_words(shown))
        says = trigger_words(self.scene)
        say(self.trigger, says)
        self.trigger.setVisible(bool(says) and self.height() >= TALL)

    def _state_words(self, shown: Shown) -> str:
        """Return how the estimate stands, of which cells, and whether the estimators began anew."""
        latest = shown.history.latest
        told = [] if not shown.standing.sentence else [shown.standing.sentence]
        anew_ns = restarted_ns(self.scene, shown.history.series)
        if anew_ns is not None:
            told.append(f"the estimators began anew at {clock_of(self.scene, anew_ns)}; grey is from before")
        if latest is not None and shown.standing.usable:
            what = "all cells" if latest.cells == ALL else f"{latest.cells} cells"
            told.append(
                f"{what}: {latest.n_cells[0]} of A, {latest.n_cells[1]} of B; "
                f"{latest.n_independent:.0f} independent samples"
            )
        return "; ".join(told)

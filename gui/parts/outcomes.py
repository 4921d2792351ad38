"""Trials by outcome, and success with and without inhibition.

Bars are shares of all trials that ended. Below, of the trials in which somebody poked, the share of successes in
those with light and in the others, each with Wilson's 95 % interval, and their difference with Newcombe's. The
intervals take trials as independent. Control is every trial without light: plain ones, sham ones, and, where a trigger
turns the light on, those in which it did not; where the trigger reads the brains, lit trials differ from the others by
more than the light. Trials that were chosen for light and in which no laser reported any are counted in words.
"""

from typing import Final

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QGridLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from controller.messages.view import Counts, Opening
from gui.parts.labels import say
from gui.parts.share_bar import ShareBar
from gui.parts.shares import difference, percent, points, share_text, wilson
from gui.parts.trial_columns import LIGHTS, TrialColumns
from gui.parts.trial_part import TrialPart, coloured
from gui.parts.words import unbroken
from gui.scene import Scene
from gui.theme import OUTCOME_MARKS, Theme

NAMES: Final = ("inhibited", "control")
BAR_TIP: Final = "Trials that ended so, and their share of all that ended."
LIGHT_TIP: Final = (
    "Successes among the trials in which somebody poked, with Wilson's 95 % confidence interval; the difference has "
    "Newcombe's. Trials are taken as independent."
)


class Outcomes(TrialPart):
    """Counts of outcomes, and inhibited against control."""

    name = "outcomes"
    title = "Outcomes"
    foot_from = 0

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, QWidget())
        self.bars = {outcome: ShareBar(theme, theme.outcomes[outcome]) for outcome in OUTCOME_MARKS}
        self.numbers = {outcome: QLabel() for outcome in OUTCOME_MARKS}
        self.light_bars = {name: ShareBar(theme, colour) for name, colour in zip(NAMES, ("light", "text"), strict=True)}
        self.light_text, self.difference_text = QLabel(), QLabel()
        outer = QVBoxLayout(self.shown)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(4)
        outer.addLayout(self._grid())
        for words in (self.light_text, self.difference_text):
            words.setTextFormat(Qt.TextFormat.PlainText)
            words.setWordWrap(True)
            words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
            words.setToolTip(LIGHT_TIP)
            outer.addWidget(words)
        outer.addStretch(1)

    def _grid(self) -> QGridLayout:
        """Return the lines of bars, aligned."""
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(1)
        grid.setColumnStretch(1, 1)
        for line, (outcome, mark) in enumerate(OUTCOME_MARKS.items()):
            name = QLabel(coloured(self.theme.outcomes[outcome], mark) + f" {outcome.name.lower()}")
            for column, widget in enumerate((name, self.bars[outcome], self.numbers[outcome])):
                widget.setToolTip(BAR_TIP)
                grid.addWidget(widget, line, column)
            self.numbers[outcome].setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.light_names = {name: QLabel(name) for name in NAMES}
        for line, called in enumerate(NAMES, start=len(OUTCOME_MARKS)):
            grid.addWidget(self.light_names[called], line, 0)
            grid.addWidget(self.light_bars[called], line, 1, 1, 2)
            self.light_bars[called].setToolTip(LIGHT_TIP)
        return grid

    def refresh(self, scene: Scene, trials: TrialColumns) -> None:
        """Show counts that are new."""
        opening, counts = scene.opening, scene.counts
        if opening is None or counts is None:
            return
        if not self._is_new(opening, tuple(counts.outcomes.values()), counts.lit, counts.control, len(trials)):
            return
        ended = sum(counts.outcomes.values())
        if not ended:
            self.nothing("not yet: no trial has ended")
            return
        for outcome in OUTCOME_MARKS:
            n = counts.outcomes.get(outcome.name, 0)
            self.bars[outcome].show_share(n / ended)
            say(self.numbers[outcome], f"{n} ({percent(n / ended)} %)")
        self._show_light(opening, counts, trials)
        self.something(f"Outcomes of {ended} trials", "")

    def _show_light(self, opening: Opening, counts: Counts, trials: TrialColumns) -> None:
        """Compare trials with light and without."""
        planned = opening.lit_share > 0
        for name, (k, n) in zip(NAMES, (counts.lit, counts.control), strict=True):
            self.light_names[name].setVisible(planned)
            self.light_bars[name].setVisible(planned)
            self.light_bars[name].show_share(wilson(k, n) if n else None)
        self.difference_text.setVisible(planned)
        if not planned:
            say(self.light_text, "no light planned")
            return
        say(self.light_text, unbroken(light_text(counts)))
        say(self.difference_text, f"{difference_text(counts)}{_odd_text(trials)}")


def light_text(counts: Counts) -> str:
    """Return both shares of successes in words."""
    return f"{share_text(NAMES[0], *counts.lit)}, {share_text(NAMES[1], *counts.control)}"


def difference_text(counts: Counts) -> str:
    """Return by how much success differs with light, in percentage points with its 95 % interval."""
    if not counts.lit[1] or not counts.control[1]:
        return "difference: not yet"
    d = difference(wilson(*counts.lit), wilson(*counts.control))
    return f"difference {points(d.value)} points ({points(d.low)} to {points(d.high)})"


def _odd_text(trials: TrialColumns) -> str:
    """Return how many trials were chosen for light and stayed without, in words."""
    light = trials.all["light"]
    found = {name: int((light == LIGHTS.index(name)).sum()) for name in ("dark", "sham")}
    said = {"dark": "chosen but dark", "sham": "sham"}
    words = ", ".join(f"{n} {said[name]}" for name, n in found.items() if n)
    return f"; {words}" if words else ""

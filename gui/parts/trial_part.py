"""What the parts of the trials panel have in common: a line of words, a quiet plot, and a sentence below.

The line above says the newest number and is cut off where there is no room; its tooltip has all of it. The sentence
below explains, and goes away where the part is low. Where there is nothing to draw, a quiet sentence says why.
"""

from html import escape
from typing import ClassVar, Final

import pyqtgraph as pg
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QFont, QResizeEvent
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from gui.parts.elided import Elided
from gui.parts.labels import say
from gui.parts.trial_columns import TrialColumns
from gui.scene import Scene
from gui.theme import LEAST_PT, Theme

AXIS_WIDTH: Final = 40
"""Of every left axis, so that plots above each other are aligned [px]."""
AXIS_HEIGHT: Final = 32
"""Of every bottom axis, with its label [px]."""
NO_SESSION: Final = "not yet: no session"


def coloured(colour: str, text: str) -> str:
    """Return words of a legend in a colour."""
    return f'<span style="color: {colour}">{escape(text)}</span>'


def quiet_plot(theme: Theme, bottom: str, left: str) -> pg.PlotWidget:
    """Return an empty plot without buttons, menus or wheels, whose ranges are set by hand.

    Parameters
    ----------
    theme
        How it looks.
    bottom, left
        What the axes are, with their units.
    """
    plot = pg.PlotWidget(background=theme.raised)
    plot.setFrameShape(QFrame.Shape.NoFrame)
    plot.setMinimumSize(100, 50)
    item = plot.getPlotItem()
    item.hideButtons()
    item.setMenuEnabled(False)
    item.setMouseEnabled(False, False)
    item.getViewBox().setDefaultPadding(0.0)
    item.getViewBox().disableAutoRange()
    font = QFont()
    font.setPointSize(LEAST_PT)
    for side, words in (("bottom", bottom), ("left", left)):
        axis = item.getAxis(side)
        axis.enableAutoSIPrefix(False)
        axis.setPen(theme.pen("edge"))
        axis.setTextPen(theme.pen("dim"))
        axis.setStyle(tickFont=font, tickLength=-4, hideOverlappingLabels=False)
        axis.setLabel(words, **{"font-size": f"{LEAST_PT}pt", "color": theme.dim})
    item.getAxis("left").setWidth(AXIS_WIDTH)
    item.getAxis("bottom").setHeight(AXIS_HEIGHT)
    return plot


class TrialPart(QWidget):
    """One plot of the trials panel with its words.

    Parameters
    ----------
    theme
        How it looks.
    shown
        What it draws in.

    Attributes
    ----------
    name, title
        A word for tests, and what its tab is called.
    head, legend, foot, blank
        The line above and, at its right, what the marks stand for; the sentence below; and what is said where there is
        nothing to draw.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    foot_from: ClassVar[int] = 190
    """Height from which on the sentence below is shown [px]."""
    legend_apart: ClassVar[bool] = False
    """Whether the legend has a line of its own."""

    def __init__(self, theme: Theme, shown: QWidget) -> None:
        super().__init__()
        self.theme, self.shown = theme, shown
        self._drawn: tuple[object, ...] = ()
        self.head, self.legend, self.foot, self.blank = Elided(own_tip=False), QLabel(), QLabel(), QLabel()
        for plain in (self.foot, self.blank):
            plain.setTextFormat(Qt.TextFormat.PlainText)
        self.foot.setWordWrap(True)
        self.blank.setWordWrap(True)
        self.blank.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.blank.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        small = QFont(self.font())
        small.setPointSize(LEAST_PT)
        self.foot.setFont(small)
        for quiet in (self.foot, self.blank):
            quiet.setStyleSheet(f"color: {theme.dim};")
        self.foot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        layout.setSpacing(2)
        top = QHBoxLayout()
        top.addWidget(self.head, 1)
        if not self.legend_apart:
            top.addWidget(self.legend)
        layout.addLayout(top)
        if self.legend_apart:
            layout.addWidget(self.legend)
        layout.addWidget(shown, 1)
        layout.addWidget(self.blank, 1)
        layout.addWidget(self.foot)
        self.nothing(NO_SESSION)

    def anew(self) -> None:
        """Forget what was drawn."""
        self._drawn = ()
        self._forget()
        self.nothing(NO_SESSION)

    def _forget(self) -> None:
        """Forget what a part itself remembers of what it drew."""

    def _is_new(self, *source: object) -> bool:
        """Return whether a drawing would follow from something else than the one before, and remember from what."""
        before, self._drawn = self._drawn, source
        return source != before

    def refresh(self, scene: Scene, trials: TrialColumns) -> None:
        """Draw what has changed since the last time.

        Parameters
        ----------
        scene
            What there is to see.
        trials
            Its trials as columns, up to date.
        """

    def nothing(self, why: str) -> None:
        """Show a sentence in place of the plot."""
        self._tell(self.title, "")
        say(self.blank, why)
        self.shown.setVisible(False)
        self.legend.setVisible(False)
        self.blank.setVisible(True)

    def something(self, head: str, foot: str) -> None:
        """Show the plot, with these words above and below."""
        self._tell(head, foot)
        self.blank.setVisible(False)
        self.shown.setVisible(True)
        self.legend.setVisible(bool(self.legend.text()))

    def _tell(self, head: str, foot: str) -> None:
        if self.head.text() != head or self.foot.text() != foot:
            say(self.head, head)
            say(self.foot, foot)
            self.head.setToolTip(f"<p>{escape(head)}</p><p>{escape(foot)}</p>")
        self._make_room()

    def _make_room(self) -> None:
        self.foot.setVisible(bool(self.foot.text()) and self.height() >= self.foot_from)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Show the sentence below where there is room."""
        super().resizeEvent(event)
        self._make_room()

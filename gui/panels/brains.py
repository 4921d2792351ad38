"""Both brains over the last minute.

Each animal has a picture: a row for each cell, a column for each frame, the newest at the right, seconds before now
below. Cells stand by their type, whose name and number of cells are at the left. A shade says how active a cell is
*against its own last minute*: from 1 standard deviation below its mean (darkest) to 4 above (brightest); which share of
the values lies beyond is said below. Grey is a period without a frame. Where there are more cells than rows of pixels,
a row shows the most active one of a few neighbours of one type.

Over the picture stand the first poke of each trial, once the trial has ended (A solid, B dashed), openings of the
animal's valve (dotted), and its light as a strip at the top: activity beside behaviour.

Below are the traces of up to 8 cells, raw values as the stream published them, each with its own range. Click on a row
of the picture to see its trace, once more to remove it; a ninth takes the place of the first. With the keyboard: Up and
Down move the newest trace (▸) to the next cell, Delete removes it.

The line above each picture says how many frames come per second, over the last 5 s, how old the newest is, and, where
there are any, frames that were lost or late and all else that the stream counts, since its beginning.
"""

from typing import Final

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QBoxLayout, QHBoxLayout, QLabel, QSizePolicy, QStackedLayout, QVBoxLayout, QWidget

from gui.panel import Panel
from gui.parts import stream_words
from gui.parts.brain_view import BrainView
from gui.parts.colour_bar import ColourBar
from gui.parts.elided import Elided
from gui.parts.labels import say
from gui.parts.traces import UNIT
from gui.parts.words import NO_SESSION
from gui.scene import Scene
from gui.theme import Theme
from realtime.records import ANIMALS

NO_BRAINS: Final = "this rig streams no brains: its file has no [neural.a] and [neural.b]"
WIDE: Final = 2.2
"""From this ratio of width to height on, the brains stand side by side."""
LEGEND_FROM_PX: Final = 300
STACKED_FROM_PX: Final = 400
BESIDE_FROM_PX: Final = 460
"""Below that height, and from that width on, A and B stand side by side: above each other no trace would fit."""
SCALE: Final = "deviations, each cell against its own last minute"


class Brains(Panel):
    """Two streaming heatmaps and a few traces."""

    name = "brains"
    title = "Brains"
    area = "right"
    order = 10
    stretch = 5
    rate_hz = 15.0
    key = "Ctrl+4"

    def __init__(self, scene: Scene, theme: Theme) -> None:
        super().__init__(scene, theme)
        self.views = tuple(BrainView(scene, theme, animal) for animal in range(len(ANIMALS)))
        self.quiet = QLabel(NO_SESSION)
        self.quiet.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.quiet.setWordWrap(True)
        self.quiet.setStyleSheet(f"color: {theme.dim};")
        self.scale = Elided()
        self.scale.setStyleSheet(f"color: {theme.dim};")
        self.legend = QLabel(legend(theme))
        self.legend.setStyleSheet(f"color: {theme.dim};")
        self.legend.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._session = ""
        self._lay_out()

    def _lay_out(self) -> None:
        self._pair = QBoxLayout(QBoxLayout.Direction.TopToBottom)
        self._pair.setSpacing(4)
        for view in self.views:
            self._pair.addWidget(view, 1)
        bottom = QHBoxLayout()
        bottom.addWidget(ColourBar(self.theme))
        bottom.addWidget(self.scale, 1)
        inside = QWidget()
        rows = QVBoxLayout(inside)
        rows.setContentsMargins(4, 2, 6, 2)
        rows.setSpacing(2)
        rows.addLayout(self._pair, 1)
        rows.addLayout(bottom)
        rows.addWidget(self.legend)
        self._pages = QStackedLayout(self)
        self._pages.addWidget(self.quiet)
        self._pages.addWidget(inside)

    def anew(self) -> None:
        """Begin anew; at another moment of the same session the chosen cells stay."""
        opening = self.scene.opening
        session = "" if opening is None else opening.session
        for view in self.views:
            view.clear(forget_chosen=session != self._session)
        self._session = session

    def refresh(self) -> None:
        """Draw new frames."""
        opening = self.scene.opening
        if opening is None or not (opening.brains or self.scene.frames):
            say(self.quiet, NO_SESSION if opening is None else NO_BRAINS)
            self._pages.setCurrentIndex(0)
            return
        self._pages.setCurrentIndex(1)
        self._session = opening.session
        for view in self.views:
            view.refresh()
        beyond = stream_words.clipped(self.scene.frames)
        say(self.scale, f"{SCALE} · {beyond}" if beyond else SCALE)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Put the brains side by side where that leaves both enough."""
        super().resizeEvent(event)
        low = self.height() < STACKED_FROM_PX and self.width() >= BESIDE_FROM_PX
        wide = low or self.width() >= WIDE * self.height()
        direction = QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom
        if direction != self._pair.direction():
            self._pair.setDirection(direction)
        self.views[0].axis.setVisible(wide)
        self.legend.setVisible(self.height() >= LEGEND_FROM_PX)

    def help(self) -> list[tuple[str, str]]:
        """Return what the keys do while a picture has the focus."""
        return [
            ("Click on a row", "show that cell's trace, or remove it"),
            ("Up, Down", "move the newest trace to the cell above or below"),
            ("Delete", "remove the newest trace"),
        ]


def legend(theme: Theme) -> str:
    """Return what the lines over the pictures mean, each in its colour."""
    first, second = theme.animals

    def ink(colour: str, text: str) -> str:
        return f'<span style="color: {theme.colour(colour).name()}"><b>{text}</b></span>'

    return (
        f"first poke: {ink(first, '│')} A {ink(second, '┆')} B · {ink('water', '┊')} valve · "
        f"{ink('light', '▬')} light · traces: {UNIT}"
    )

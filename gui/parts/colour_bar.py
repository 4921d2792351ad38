"""What the shades of activity mean: a bar from the darkest to the brightest, between its two numbers."""

from typing import Final

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QImage, QPainter, QPaintEvent, qRgb
from PyQt6.QtWidgets import QWidget

from gui.scene.frames import BRIGHTEST, DARKEST, HIGH_SD, LOW_SD
from gui.theme import Theme

BAR_PX: Final = 56
BAR_HEIGHT_PX: Final = 9
NO_FRAME_COLOURS: Final = {"dark": "raised", "light": "edge"}
"""Neither is a colour of the map in its theme."""


def shade_table(theme: Theme) -> list[int]:
    """Return the colour of each shade: the first for periods without a frame, then from dark to bright."""
    colours = pg.colormap.get(theme.heat).getLookupTable(nPts=BRIGHTEST - DARKEST + 1, alpha=False)
    nothing = theme.colour(NO_FRAME_COLOURS[theme.shade])
    return [qRgb(nothing.red(), nothing.green(), nothing.blue()), *(qRgb(*map(int, colour)) for colour in colours)]


class ColourBar(QWidget):
    """The bar."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._bar = np.arange(DARKEST, BRIGHTEST + 1, dtype=np.uint8)
        self._table = shade_table(theme)
        metrics = self.fontMetrics()
        self._sides = (f"−{-LOW_SD:g} ", f" +{HIGH_SD:g}")
        width = BAR_PX + sum(metrics.horizontalAdvance(side) for side in self._sides)
        self.setFixedSize(width + 2, metrics.height())
        self.setToolTip(
            "Each cell is measured against its own last minute: how many of its standard deviations it is "
            f"above or below its mean, from {LOW_SD:+g} (darkest) to {HIGH_SD:+g} (brightest)."
        )

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Draw the bar between its numbers."""
        painter = QPainter(self)
        painter.setPen(self._theme.colour("text"))
        left = self.fontMetrics().horizontalAdvance(self._sides[0])
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self._sides[0])
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, self._sides[1])
        image = QImage(self._bar.tobytes(), self._bar.size, 1, self._bar.size, QImage.Format.Format_Indexed8)
        image.setColorTable(self._table)
        painter.drawImage(QRectF(left, (self.height() - BAR_HEIGHT_PX) / 2, BAR_PX, BAR_HEIGHT_PX), image)
        painter.end()

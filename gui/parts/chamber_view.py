"""The picture of the box: paints a :class:`~gui.parts.chamber.Chamber`, and nothing that is not in it."""

from collections.abc import Callable

from PyQt6.QtCore import QEvent, QPointF, QSize
from PyQt6.QtGui import QColor, QFontInfo, QHelpEvent, QPainter, QPaintEvent
from PyQt6.QtWidgets import QSizePolicy, QToolTip, QWidget

from gui.parts.chamber import Chamber
from gui.parts.chamber_layout import REGIONS, Layout, layout_of
from gui.parts.chamber_painting import Painting
from gui.theme import Theme


class ChamberView(QWidget):
    """Paints the box from above.

    Parameters
    ----------
    theme
        How it looks.
    tip
        Says what stands in the tooltip of one of :data:`~gui.parts.chamber_layout.REGIONS`.

    Attributes
    ----------
    chamber
        What is drawn; None before the first.
    """

    def __init__(self, theme: Theme, tip: Callable[[str], str]) -> None:
        super().__init__()
        self._theme = theme
        self._tip = tip
        self.chamber: Chamber | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(200, 150)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the size at which everything is comfortable to read."""
        return QSize(460, 320)

    def show_chamber(self, chamber: Chamber) -> None:
        """Draw this from now on."""
        self.chamber = chamber
        self.update()

    def layout_now(self) -> Layout:
        """Return where everything is."""
        lasers = self.chamber is not None and self.chamber.lasers
        return layout_of(self.width(), self.height(), QFontInfo(self.font()).pixelSize(), footer=lasers)

    def region_at(self, point: QPointF) -> str:
        """Return which of the regions a point is in; empty outside of all."""
        if self.chamber is None or not self.chamber.halves:
            return ""
        layout, positions = self.layout_now(), tuple(half.mouse.position for half in self.chamber.halves)
        return next((name for name in REGIONS if layout.region(name, positions).contains(point)), "")

    def event(self, event: QEvent | None) -> bool:
        """Answer a person who points at something."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            name = self.region_at(QPointF(event.pos()))
            text = self._tip(name) if name else ""
            if text:
                QToolTip.showText(event.globalPos(), text, self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: ARG002, N802 - Qt's names
        """Paint the chamber."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), QColor(self._theme.raised))
        if self.chamber is not None:
            Painting(painter, self._theme, self.layout_now(), self.font()).draw(self.chamber)
        painter.end()

"""The activity of one animal's cells over the last minute as a picture, with the task's marks over it.

A row is a cell, or the most active of a few cells where there are more cells than rows of pixels: so a single active
cell never vanishes. The picture is kept in that form and in the order of the rows; a drawing copies the new columns
into it and nothing else. Columns are written twice, side by side, so that the last minute is always one stretch, which
Qt draws as it is, by a table of 256 colours.

Over it stand thin lines: the first poke of each trial (A solid, B dashed), openings of the animal's valve (dotted), and
its laser as a strip at the top. A notch at the left shows a cell whose trace is shown below.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF, QResizeEvent
from PyQt6.QtWidgets import QSizePolicy, QWidget

from gui.parts.brain_marks import Marks
from gui.parts.cell_order import CellOrder, bands_of, order_of
from gui.parts.colour_bar import shade_table
from gui.parts.minute import Minute
from gui.scene.frames import NO_FRAME, FrameRing
from gui.theme import DARK, Theme

STRIP_PX: Final = 5
"""Height of the strip at the top that shows light."""
NOTCH_PX: Final = 6
_STALE_PX: Final = 1.0
_FRESH_PX: Final = 2
_KEYS: Final = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}
_REMOVING: Final = (Qt.Key.Key_Delete, Qt.Key.Key_Backspace)


class Heatmap(QWidget):
    """One animal's picture.

    Attributes
    ----------
    picked
        Emitted with the cells of a row that was clicked, the most active one at that moment first.
    moved
        Emitted with -1 or 1 when the key for the row above or below is pressed.
    removed
        Emitted when the current cell shall not be shown any more.
    """

    picked = pyqtSignal(list)
    moved = pyqtSignal(int)
    removed = pyqtSignal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._table = shade_table(theme)
        self._marks = Marks()
        self._chosen: tuple[int, ...] = ()
        self._minute = Minute(0, 1)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.clear()

    def clear(self) -> None:
        """Show nothing."""
        self._ring: FrameRing | None = None
        self.order: CellOrder = order_of((), 0)
        self._copied = (-1, -1)
        self._bands = np.zeros(0, np.intp)
        self._rows = np.zeros((0, 0), np.uint8)
        self.update()

    def show_ring(self, ring: FrameRing, order: CellOrder) -> None:
        """Show another animal's stream, or the same cells in another order."""
        self._ring, self.order = ring, order
        self._lay_out()

    def _lay_out(self) -> None:
        """Divide the height among the cells, and copy everything anew."""
        ring = self._ring
        if ring is None:
            return
        self._bands = bands_of(self.order.groups, max(1, round(self._height * self.devicePixelRatioF())))
        self._rows = np.full((self._bands.size, 2 * ring.width), NO_FRAME, np.uint8)
        self._copied = (-1, -1)

    @property
    def _height(self) -> int:
        """Of the picture without the strip [pixels]."""
        return max(1, self.height() - STRIP_PX)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Divide the height anew."""
        super().resizeEvent(event)
        self._lay_out()

    def draw(self, minute: Minute, marks: Marks, chosen: tuple[int, ...]) -> bool:
        """Draw what is new, if anything is; whether there was anything."""
        ring = self._ring
        is_new = ring is not None and (ring.revision, ring.slot) != self._copied
        moved = abs(self._minute.px(minute.now_ns - self._minute.now_ns)) >= _STALE_PX or minute.width != self.width()
        if not (is_new or moved or marks != self._marks or chosen != self._chosen):
            return False
        if ring is not None and is_new:
            self._copy(ring)
        self._minute, self._marks, self._chosen = minute, marks, chosen
        self.update()
        return True

    def _copy(self, ring: FrameRing) -> None:
        """Take over the ring's new columns."""
        revision, slot = self._copied
        if revision != ring.revision:
            slot = -1
            self._rows[:] = NO_FRAME
        fresh = ring.shades_since(slot)[:, self.order.order]
        if self._bands.size < ring.n_cells:
            fresh = np.maximum.reduceat(fresh, self._bands, axis=1)
        places = np.arange(ring.slot + 1 - len(fresh), ring.slot + 1) % ring.width
        self._rows[:, places] = self._rows[:, places + ring.width] = fresh.T
        self._copied = (ring.revision, ring.slot)

    @property
    def picture(self) -> NDArray[np.uint8]:
        """What is drawn: a row of shades for each band of cells, oldest column first, shape (bands, width)."""
        ring = self._ring
        if ring is None:
            return self._rows
        start = (self._copied[1] + 1) % ring.width
        return self._rows[:, start : start + ring.width]

    # --- where things stand -------------------------------------------------------------------------------------

    def top_of(self, row: float) -> float:
        """Return where a row of cells begins [pixels]."""
        place = np.searchsorted(self._bands, row, side="right") - 1 if row < self.order.n_cells else self._bands.size
        return STRIP_PX + self._height * float(place) / max(1, self._bands.size)

    def cells_at(self, x: float, y: float) -> list[int]:
        """Return the cells at a place, the most active one at that moment first; none outside of the picture."""
        ring = self._ring
        if ring is None or ring.newest_ns is None or not STRIP_PX <= y < self.height():
            return []
        band = min(self._bands.size - 1, int((y - STRIP_PX) * self._bands.size / self._height))
        stop = int(self._bands[band + 1]) if band + 1 < self._bands.size else self.order.n_cells
        cells = self.order.order[int(self._bands[band]) : stop]
        back = int((self._right(ring) - x - 0.5) / self._minute.px(ring.column_ns))
        shades = ring.shades_at(ring.slot - max(0, back))[cells]
        return [int(cell) for cell in cells[np.argsort(-shades.astype(int), kind="stable")]]

    # --- drawing ------------------------------------------------------------------------------------------------

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Draw the picture and what stands over it."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._theme.colour("base"))
        painter.fillRect(QRectF(0, STRIP_PX, self.width(), self._height), self._table[NO_FRAME])
        if self._ring is None or self._ring.newest_ns is None:
            painter.setPen(self._theme.colour("dim"))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "no frame yet")
        else:
            self._paint_picture(painter, self._ring)
            self._paint_groups(painter)
        self._paint_marks(painter)
        self._paint_chosen(painter)
        if self.hasFocus():
            painter.setPen(DARK.pen("text"))
            painter.drawRect(0, STRIP_PX, self.width() - 1, self._height - 1)
        painter.end()

    def _paint_picture(self, painter: QPainter, ring: FrameRing) -> None:
        shades = self.picture.tobytes()  # must outlive the image, which does not copy it
        image = QImage(shades, ring.width, self._bands.size, ring.width, QImage.Format.Format_Indexed8)
        image.setColorTable(self._table)
        wide = self._minute.px(ring.column_ns * ring.width)
        painter.drawImage(QRectF(self._right(ring) - wide, STRIP_PX, wide, self._height), image)

    def _right(self, ring: FrameRing) -> int:
        """Return where the newest column ends: at the edge if it is fresh, so that jitter shakes nothing."""
        end = round(self._minute.x((ring.newest_ns or 0) + ring.column_ns / 2))
        return self.width() if abs(end - self.width()) <= _FRESH_PX else end

    def _paint_groups(self, painter: QPainter) -> None:
        """Separate the types."""
        painter.setPen(DARK.pen("text", alpha=150))
        for group in self.order.groups[1:]:
            y = round(self.top_of(group.start))
            painter.drawLine(0, y, self.width(), y)

    def _paint_marks(self, painter: QPainter) -> None:
        minute, bottom = self._minute, self.height()
        light = self._theme.colour("light")  # beside the picture; all else is drawn on it, and it is dark in any theme
        for span in self._marks.light:
            left = minute.x(span.on_ns)
            right = minute.x(minute.now_ns if span.off_ns is None else span.off_ns)
            painter.fillRect(QRectF(left, 0, max(1.5, right - left), STRIP_PX - 1), light)
        painter.setPen(DARK.pen("water", style=Qt.PenStyle.DotLine))
        for t_ns in self._marks.valve_ns:
            x = round(minute.x(t_ns))
            painter.drawLine(x, STRIP_PX, x, bottom)
        for animal, t_ns in self._marks.first_pokes:
            painter.setPen(DARK.animal_pen(animal))
            x = round(minute.x(t_ns))
            painter.drawLine(x, STRIP_PX, x, bottom)

    def _paint_chosen(self, painter: QPainter) -> None:
        """Show which rows' traces are drawn."""
        painter.setBrush(DARK.colour("text"))
        painter.setPen(QPen(DARK.colour("base")))
        half = self._height / max(1, self._bands.size) / 2
        for cell in self._chosen:
            if cell >= self.order.rows.size:
                continue  # chosen among the cells of before: no frame of the new ones has come yet
            y = self.top_of(float(self.order.rows[cell])) + half
            corners = (QPointF(0, y - 4), QPointF(NOTCH_PX, y), QPointF(0, y + 4))
            painter.drawPolygon(QPolygonF(corners))

    # --- a person -----------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Say which row was clicked."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            cells = self.cells_at(event.position().x(), event.position().y())
            if cells:
                self.picked.emit(cells)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Say which key of the picture was pressed; others are for whoever holds it."""
        if event is None:
            return
        if event.key() in _KEYS:
            self.moved.emit(_KEYS[Qt.Key(event.key())])
        elif event.key() in _REMOVING:
            self.removed.emit()
        else:
            super().keyPressEvent(event)

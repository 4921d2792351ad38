"""How the picture of the box is drawn: walls, divider, ports, the window's ring and the mice."""

from typing import Final

from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QFont, QPainter, QPainterPath

from gui.parts.chamber import Chamber, Half, Signal
from gui.parts.chamber_layout import Layout
from gui.parts.machines import Ring
from gui.parts.mouse_shape import draw_fibre, draw_halo, draw_mouse, middle_of
from gui.parts.pills import CENTRE, LEFT, RIGHT, Writing, around
from gui.theme import Theme

TOP: Final = 90 * 16
"""The ring begins at twelve o'clock, in Qt's sixteenths of a degree."""


class Painting:
    """One painting of a chamber.

    Parameters
    ----------
    painter, theme, layout, font
        With what, in which colours, where, and in which letters.
    """

    def __init__(self, painter: QPainter, theme: Theme, layout: Layout, font: QFont) -> None:
        self.painter, self.theme, self.layout = painter, theme, layout
        self._writing = Writing(painter, theme, layout.em, font)

    def draw(self, chamber: Chamber) -> None:
        """Draw all of it."""
        self._floor()
        if chamber.sentence:
            self._writing.text(self.layout.chamber, chamber.sentence, "dim", CENTRE)
            return
        for animal, half in enumerate(chamber.halves):
            self._half(animal, half)
        shared = self.layout.chamber
        if chamber.badge is not None:
            self._writing.badge(self.layout.header, chamber.badge)
        if chamber.flash is not None:
            self._writing.flash(QPointF(shared.center().x(), self.layout.flash_y), chamber.flash)
        if chamber.lasers:
            self._writing.armed(self.layout.footer, chamber.armed)

    # --- the chamber --------------------------------------------------------------------------------------------

    def _floor(self) -> None:
        """Draw walls and the perforated divider."""
        painter, whole = self.painter, self.layout.chamber
        painter.setPen(self.theme.pen("edge", 2.0))
        painter.setBrush(self.theme.colour("base"))
        painter.drawRoundedRect(whole, 6.0, 6.0)
        wall = self.theme.pen("dim", 3.0)
        wall.setDashPattern([2.2, 1.6])
        wall.setCapStyle(Qt.PenCapStyle.FlatCap)
        painter.setPen(wall)
        x = self.layout.halves[0].right()
        painter.drawLine(QPointF(x, whole.top() + 3.0), QPointF(x, whole.bottom() - 3.0))

    def _half(self, animal: int, half: Half) -> None:
        self._poke_port(animal, half.beam, half.ring)
        self._water_port(animal, half)
        self._mouse(animal, half)
        if half.ring is not None:
            self._ring(animal, half.ring)
        if half.badge is not None:
            room = self.layout.region(f"badge_{'ab'[animal]}", ())
            self._writing.badge(room.adjusted(2.0, 0.0, -2.0, 0.0), half.badge)
        if half.flash is not None:
            self._writing.flash(QPointF(self.layout.point(animal, 0.7, 0.0).x(), self.layout.flash_y), half.flash)

    def _poke_port(self, animal: int, beam: Signal, ring: Ring | None) -> None:
        """Draw a hole with a beam across it: a line while it is free, a filled hole while it is broken."""
        painter, at, radius = self.painter, self.layout.poke(animal), self.layout.port_radius
        style = Qt.PenStyle.SolidLine if beam.wired else Qt.PenStyle.DotLine
        painter.setPen(self.theme.pen("dim", 1.5, style))
        painter.setBrush(QColor(self.theme.animals[animal]) if beam.shown else self.theme.colour("raised"))
        painter.drawEllipse(at, radius, radius)
        if not beam.shown and beam.wired:
            painter.setPen(self.theme.pen("dim", 1.5))
            painter.drawLine(QPointF(at.x() - radius, at.y()), QPointF(at.x() + radius, at.y()))
        words = "poke" if beam.wired else "poke: not wired"
        lines = -0.65 if ring is not None else 0.0
        if beam.shown:
            self._label(animal, at, lines, f"{words}: broken", "text")
        else:
            self._label(animal, at, lines, words)

    def _water_port(self, animal: int, half: Half) -> None:
        """Draw a spout: its tip is filled while a tongue is there, and a drop hangs at it while the valve is open."""
        painter, at, radius = self.painter, self.layout.spout(animal), self.layout.port_radius
        wired = half.lick.wired or half.valve.wired
        painter.setPen(self.theme.pen("dim", 1.5, Qt.PenStyle.SolidLine if wired else Qt.PenStyle.DotLine))
        painter.setBrush(self.theme.colour("raised"))
        down = self.layout.halves[animal].bottom() - at.y()
        painter.drawRect(QRectF(at.x() - 0.35 * radius, at.y(), 0.7 * radius, down - 1.0))
        painter.setBrush(QColor(self.theme.animals[animal]) if half.lick.shown else self.theme.colour("raised"))
        painter.drawEllipse(at, 0.7 * radius, 0.7 * radius)
        if half.valve.shown:
            outer = -1 if animal == 0 else 1
            self._drop(QPointF(at.x() + outer * 2.4 * radius, at.y()), radius)
        said = [word for word, one in (("open", half.valve), ("lick", half.lick)) if one.shown]
        words = "water" if wired else "water: not wired"
        if said:
            self._label(animal, at, 0.0, f"{words}: {', '.join(said)}", "text")
        else:
            self._label(animal, at, 0.0, words)

    def _drop(self, at: QPointF, radius: float) -> None:
        path = QPainterPath(QPointF(at.x(), at.y() - 1.7 * radius))
        path.cubicTo(
            at.x() + 0.5 * radius,
            at.y() - 0.7 * radius,
            at.x() + radius,
            at.y(),
            at.x() + radius,
            at.y() + 0.3 * radius,
        )
        path.arcTo(QRectF(at.x() - radius, at.y() - 0.7 * radius, 2 * radius, 2 * radius), 0.0, -180.0)
        path.cubicTo(
            at.x() - radius, at.y(), at.x() - 0.5 * radius, at.y() - 0.7 * radius, at.x(), at.y() - 1.7 * radius
        )
        self.painter.setPen(self.theme.pen("text", 1.0))
        self.painter.setBrush(self.theme.colour("water"))
        self.painter.drawPath(path)

    def _ring(self, animal: int, ring: Ring) -> None:
        """Draw what is left of the window, clockwise from the top."""
        painter, at, radius = self.painter, self.layout.poke(animal), self.layout.ring_radius
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(self.theme.pen("edge", 3.0))
        painter.drawEllipse(at, radius, radius)
        pen = self.theme.pen("text", max(3.0, 0.22 * radius))
        pen.setColor(QColor(self.theme.animals[ring.animal]))
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        painter.setPen(pen)
        painter.drawArc(around(at, 2 * radius, 2 * radius), TOP, -round(ring.share * 360 * 16))
        self._label(animal, at, 0.65, ring.words, QColor(self.theme.animals[animal]), bold=True)

    # --- the mice -----------------------------------------------------------------------------------------------

    def _mouse(self, animal: int, half: Half) -> None:
        mouse, length = half.mouse, self.layout.mouse_length
        position, side = mouse.position, 1 if animal == 0 else -1
        nose = self.layout.point(animal, position.x, position.y)
        heading = side * position.heading_deg
        if mouse.light.shown:
            draw_halo(self.painter, self.theme, nose, heading, length)
        draw_mouse(self.painter, self.theme, animal, nose, heading, length, strength=mouse.strength)
        if mouse.fibre:
            draw_fibre(self.painter, self.theme, nose, heading, length, side=-side, lit=mouse.light.shown)
        belly = middle_of(nose, heading, length)
        self.painter.setOpacity(max(mouse.strength, 0.6))
        self._writing.text(around(belly, length, 0.6 * length), mouse.letter, "text", CENTRE, bold=True)
        self.painter.setOpacity(1.0)
        self._caption(animal, half, belly)

    def _caption(self, animal: int, half: Half, belly: QPointF) -> None:
        """Write a mouse's name and how it is known where it is, beside it, or above where it looks sideways."""
        mouse, length, line = half.mouse, self.layout.mouse_length, 1.25 * self.layout.em
        lines = [(mouse.name, QColor(self.theme.animals[animal]), True), (mouse.words, self.theme.colour("dim"), False)]
        if mouse.words in ("poking", "licking"):
            lines[1] = (mouse.words, self.theme.colour("text"), False)
        if mouse.light.shown:
            lines.append(("✦ light on", self.theme.colour("light"), True))
        above = mouse.position.place == "middle"
        top = belly.y() - (0.33 * length + len(lines) * line if above else 0.5 * length)
        for number, (words, colour, bold) in enumerate(lines):
            y = top + (number + 0.5) * line
            if above:
                where, flags = around(QPointF(belly.x(), y), self.layout.halves[animal].width(), line), CENTRE
            else:
                where, flags = self._beside(animal, QPointF(belly.x(), y), 0.38 * length)
            self._writing.text(where, words, colour, flags, bold=bold)

    # --- words --------------------------------------------------------------------------------------------------

    def _beside(self, animal: int, at: QPointF, gap: float) -> tuple[QRectF, Qt.AlignmentFlag]:
        """Return the room between a point and the divider, and how to write into it."""
        line, middle = 1.3 * self.layout.em, self.layout.halves[0].right()
        if animal == 0:
            return QRectF(at.x() + gap, at.y() - line / 2, middle - 6.0 - at.x() - gap, line), LEFT
        return QRectF(middle + 6.0, at.y() - line / 2, at.x() - gap - middle - 6.0, line), RIGHT

    def _label(
        self, animal: int, at: QPointF, lines: float, words: str, colour: QColor | str = "dim", *, bold: bool = False
    ) -> None:
        """Write beside a port, so many lines below its middle."""
        down = QPointF(at.x(), at.y() + lines * 1.25 * self.layout.em)
        where, flags = self._beside(animal, down, self.layout.ring_radius * 1.35)
        self._writing.text(where, words, colour, flags, bold=bold)

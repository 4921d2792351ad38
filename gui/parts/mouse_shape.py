"""A mouse from above, with or without an optical fibre on its head."""

import math
from typing import Final

from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QPainter, QPainterPath, QPen, QRadialGradient

from gui.theme import Theme

HEAD: Final = QPointF(0.0, 0.28)
"""Where the fibre sits, in lengths of the body behind the nose."""
BELLY: Final = 0.66
"""Where the letter stands, in the same."""
HALO: Final = 0.62
"""How far light glows around it, in the same."""


def _body() -> QPainterPath:
    """Return the outline of head and body, its nose at the origin, looking up, one long."""
    path = QPainterPath(QPointF(0.0, 0.0))
    path.cubicTo(0.10, 0.02, 0.17, 0.22, 0.16, 0.34)
    path.cubicTo(0.29, 0.55, 0.30, 0.96, 0.0, 1.0)
    path.cubicTo(-0.30, 0.96, -0.29, 0.55, -0.16, 0.34)
    path.cubicTo(-0.17, 0.22, -0.10, 0.02, 0.0, 0.0)
    path.closeSubpath()
    return path


def _tail() -> QPainterPath:
    path = QPainterPath(QPointF(0.0, 0.99))
    path.cubicTo(0.02, 1.15, 0.22, 1.12, 0.18, 1.34)
    return path


_BODY: Final = _body()
_TAIL: Final = _tail()
_EARS: Final = (QRectF(-0.27, 0.15, 0.20, 0.20), QRectF(0.07, 0.15, 0.20, 0.20))
_EYES: Final = (QPointF(-0.065, 0.13), QPointF(0.065, 0.13))


def middle_of(nose: QPointF, heading_deg: float, length: float, share: float = BELLY) -> QPointF:
    """Return the point ``share`` of its length behind the nose of a mouse that looks along ``heading_deg``."""
    angle = math.radians(heading_deg)
    return QPointF(nose.x() - math.sin(angle) * share * length, nose.y() + math.cos(angle) * share * length)


def draw_mouse(
    painter: QPainter, theme: Theme, animal: int, nose: QPointF, heading_deg: float, length: float, *, strength: float
) -> None:
    """Draw a mouse.

    Parameters
    ----------
    painter, theme, animal
        A (0) has a solid outline, B (1) a dashed one.
    nose, length
        Where its nose is, and how long it is without its tail [pixels].
    heading_deg
        Where it looks, clockwise from up.
    strength
        How strongly it is drawn, 0 to 1.
    """
    colour = QColor(theme.animals[animal])
    painter.save()
    painter.setOpacity(strength)
    painter.translate(nose)
    painter.rotate(heading_deg)
    painter.scale(length, length)
    outline = theme.animal_pen(animal, 1.6)
    tail = QPen(colour, max(2.0, 0.05 * length), Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap)
    tail.setCosmetic(True)
    painter.setPen(tail)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPath(_TAIL)
    floor = QColor(theme.base)
    painter.setPen(outline)
    painter.setBrush(_mixed(colour, floor, 0.75))
    for ear in _EARS:
        painter.drawEllipse(ear)
    painter.setBrush(_mixed(colour, floor, 0.5))
    painter.drawPath(_BODY)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(theme.text))
    for eye in _EYES:
        painter.drawEllipse(eye, 0.026, 0.026)
    painter.drawEllipse(QPointF(0.0, 0.015), 0.03, 0.022)
    painter.restore()


def draw_halo(painter: QPainter, theme: Theme, nose: QPointF, heading_deg: float, length: float) -> None:
    """Draw the glow of light around a head, to be drawn before the mouse."""
    head, radius = middle_of(nose, heading_deg, length, HEAD.y()), HALO * length
    glow = QRadialGradient(head, radius)
    for at, alpha in ((0.0, 220), (0.45, 125), (1.0, 0)):
        glow.setColorAt(at, theme.colour("light", alpha))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(glow)
    painter.drawEllipse(head, radius, radius)


def draw_fibre(
    painter: QPainter, theme: Theme, nose: QPointF, heading_deg: float, length: float, *, side: int, lit: bool
) -> None:
    """Draw a fibre: its ferrule on the head, filled while there is light, and a piece of its cable to ``side`` (±1)."""
    head, step = middle_of(nose, heading_deg, length, HEAD.y()), 0.1 * length
    cable = QPainterPath(head)
    cable.cubicTo(
        head.x() + side * 3 * step,
        head.y() - 2 * step,
        head.x() + side * 2 * step,
        head.y() + 3 * step,
        head.x() + side * 5 * step,
        head.y() + step,
    )
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(theme.pen("light" if lit else "dim", 1.6))
    painter.drawPath(cable)
    painter.setPen(theme.pen("text", 1.4))
    painter.setBrush(theme.colour("light" if lit else "raised"))
    half = max(3.0, 0.55 * step)
    painter.drawRect(QRectF(head.x() - half, head.y() - half, 2 * half, 2 * half))


def _mixed(one: QColor, other: QColor, share: float) -> QColor:
    """Return ``share`` of one colour on another, opaque."""
    red, green, blue = (
        round(share * a + (1.0 - share) * b)
        for a, b in (
            (one.red(), other.red()),
            (one.green(), other.green()),
            (one.blue(), other.blue()),
        )
    )
    return QColor(red, green, blue)

"""Where everything in the picture of the box is, for a size of the panel [pixels]."""

from dataclasses import dataclass
from typing import Final

from PyQt6.QtCore import QPointF, QRectF

from gui.parts.chamber import POKE_Y, PORT_X, WATER_Y, Position

MARGIN: Final = 6.0
WIDEST: Final = 2.6
TALLEST: Final = 1.0
"""The chamber's width and height at most, as shares of the other."""
PORT_SHARE: Final = 0.05
RING_SHARE: Final = 0.1
MOUSE_SHARE: Final = 0.36
"""Radius of a port and of the ring around it, and length of a mouse, as shares of a half's size."""
FLASH_Y: Final = 0.72


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is.

    Attributes
    ----------
    em
        Height of the letters.
    header, footer
        For badges, and for whether lasers are armed.
    halves
        A's and B's.
    """

    em: float
    header: QRectF
    footer: QRectF
    halves: tuple[QRectF, QRectF]

    @property
    def chamber(self) -> QRectF:
        """Both halves."""
        return self.halves[0].united(self.halves[1])

    @property
    def size(self) -> float:
        """What sizes inside a half are shares of."""
        return min(self.halves[0].height(), 1.1 * self.halves[0].width())

    @property
    def port_radius(self) -> float:
        """Of a nose-poke port's hole."""
        return max(4.0, PORT_SHARE * self.size)

    @property
    def ring_radius(self) -> float:
        """Of the ring that closes around it."""
        return max(9.0, RING_SHARE * self.size)

    @property
    def mouse_length(self) -> float:
        """From nose to the root of the tail."""
        return max(24.0, MOUSE_SHARE * self.size)

    @property
    def flash_y(self) -> float:
        """How high the mark of an outcome stands: where neither a mouse's name nor a port's is."""
        return self.chamber.top() + FLASH_Y * self.chamber.height()

    def point(self, animal: int, x: float, y: float) -> QPointF:
        """Return a place in an animal's half: x from the outer wall to the divider, y from top to bottom, 0 to 1."""
        half = self.halves[animal]
        across = half.left() + x * half.width() if animal == 0 else half.right() - x * half.width()
        return QPointF(across, half.top() + y * half.height())

    def poke(self, animal: int) -> QPointF:
        """Return where an animal's nose-poke port is."""
        return self.point(animal, PORT_X, POKE_Y)

    def spout(self, animal: int) -> QPointF:
        """Return where an animal's spout is."""
        return self.point(animal, PORT_X, WATER_Y)

    def region(self, name: str, positions: tuple[Position, ...]) -> QRectF:
        """Return where one of :data:`REGIONS` is; empty for a mouse that is not drawn."""
        what, _, letter = name.partition("_")
        animal = 1 if letter == "b" else 0
        if what == "divider":
            middle = self.halves[0].right()
            return QRectF(middle - 6.0, self.chamber.top(), 12.0, self.chamber.height())
        if what == "badge":
            half = self.halves[animal]
            return QRectF(half.left(), self.header.top(), half.width(), self.header.height())
        if what == "armed":
            return self.footer
        if what == "mouse":
            if not positions:
                return QRectF()
            return _around(self.point(animal, positions[animal].x, positions[animal].y), 0.6 * self.mouse_length)
        return _around(self.poke(animal) if what == "poke" else self.spout(animal), 1.3 * self.ring_radius)


REGIONS: Final = (
    *("poke_a", "poke_b", "water_a", "water_b", "mouse_a", "mouse_b"),
    *("badge_a", "badge_b", "divider", "armed"),
)
"""What can be asked about by pointing at it, the first that fits."""


def layout_of(width: float, height: float, letters: float, *, footer: bool) -> Layout:
    """Return where everything is in a panel.

    Parameters
    ----------
    width, height
        Of the panel.
    letters
        Height of its font; what is written grows with the panel, within bounds.
    footer
        Whether it is said if lasers are armed.
    """
    em = min(max(min(width / 38.0, height / 25.0), 0.85 * letters), 1.6 * letters)
    bar = 2.0 * em
    below = bar if footer else 0.0
    room = QRectF(MARGIN, MARGIN + bar, width - 2 * MARGIN, height - bar - below - 2 * MARGIN)
    across = max(40.0, min(room.width(), WIDEST * room.height()))
    down = max(40.0, min(room.height(), TALLEST * across))
    left, top = room.center().x() - across / 2, room.center().y() - down / 2
    header = QRectF(left, top - bar, across, bar)
    halves = (QRectF(left, top, across / 2, down), QRectF(left + across / 2, top, across / 2, down))
    return Layout(em, header, QRectF(left, top + down, across, below), halves)


def _around(point: QPointF, radius: float) -> QRectF:
    return QRectF(point.x() - radius, point.y() - radius, 2 * radius, 2 * radius)

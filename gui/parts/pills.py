"""Words in the picture of the box: plain, in rounded frames, and as the mark of an outcome."""

from typing import Final

from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QFont, QPainter

from gui.parts.machines import OUTCOMES, Badge, Flash
from gui.theme import ANIMAL_GLYPHS, OUTCOME_MARKS, Theme
from realtime.records import NO_ANIMAL

LEFT: Final = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
RIGHT: Final = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
CENTRE: Final = Qt.AlignmentFlag.AlignCenter
PAUSED_MARK: Final = "‖"


def around(point: QPointF, width: float, height: float) -> QRectF:
    """Return the rectangle whose middle a point is."""
    return QRectF(point.x() - width / 2, point.y() - height / 2, width, height)


class Writing:
    """Writes with one painter.

    Parameters
    ----------
    painter, theme, font
        With what, in which colours, in which letters.
    em
        Their height [pixels].
    """

    def __init__(self, painter: QPainter, theme: Theme, em: float, font: QFont) -> None:
        self._painter, self._theme, self._em = painter, theme, em
        self._plain, self._bold = QFont(font), QFont(font)
        for made, weight in ((self._plain, QFont.Weight.Normal), (self._bold, QFont.Weight.DemiBold)):
            made.setPixelSize(round(em))
            made.setWeight(weight)

    def text(
        self, where: QRectF, words: str, colour: QColor | str, flags: Qt.AlignmentFlag, *, bold: bool = False
    ) -> float:
        """Write words, shortened to the room there is, and return their width."""
        painter = self._painter
        painter.setFont(self._bold if bold else self._plain)
        painter.setPen(self._theme.colour(colour) if isinstance(colour, str) else colour)
        metrics = painter.fontMetrics()
        shown = metrics.elidedText(words, Qt.TextElideMode.ElideRight, int(where.width()) + 1)
        painter.drawText(where, int(flags.value), shown)
        return float(metrics.horizontalAdvance(shown))

    def _pill(self, where: QRectF, words: str, colour: QColor, *, filled: int) -> float:
        """Write words in a rounded frame at the left of a room, and return its width."""
        painter, pad = self._painter, 0.7 * self._em
        painter.setFont(self._bold)
        width = min(where.width(), painter.fontMetrics().horizontalAdvance(words) + 2 * pad + 2.0)
        box = QRectF(where.left(), where.center().y() - 0.8 * self._em, width, 1.6 * self._em)
        inside = QColor(colour)
        inside.setAlpha(filled)
        painter.setPen(colour)
        painter.setBrush(inside)
        painter.drawRoundedRect(box, box.height() / 2, box.height() / 2)
        self.text(box.adjusted(pad, 0.0, -pad, 0.0), words, "text", CENTRE, bold=True)
        return width

    def badge(self, room: QRectF, badge: Badge) -> None:
        """Write what a machine is at, and which trial it is."""
        mark, colour = self._look(badge)
        width = self._pill(room, f"{mark} {badge.words}" if mark else badge.words, colour, filled=46)
        rest = room.adjusted(width + 0.6 * self._em, 0.0, -2.0, 0.0)
        if rest.width() > 2 * self._em:
            shared = badge.animal == NO_ANIMAL
            words = f"{badge.trial} · {badge.state}" if shared and badge.trial else badge.trial
            self.text(rest, words, "dim", RIGHT if shared else LEFT)

    def _look(self, badge: Badge) -> tuple[str, QColor]:
        """Return a badge's mark and colour."""
        if badge.tone == "window":
            return ANIMAL_GLYPHS[badge.first], QColor(self._theme.animals[badge.first])
        if badge.tone in OUTCOMES:
            outcome = OUTCOMES[badge.tone]
            return OUTCOME_MARKS[outcome], QColor(self._theme.outcomes[outcome])
        if badge.tone == "paused":
            return PAUSED_MARK, self._theme.colour("warn")
        return "", self._theme.colour("dim" if badge.tone == "waiting" else "edge")

    def flash(self, at: QPointF, flash: Flash) -> None:
        """Draw the mark of an outcome that has just come, with its word."""
        painter, line = self._painter, self._em
        words = f"{OUTCOME_MARKS[flash.outcome]} {flash.outcome.name.lower()}"
        painter.setFont(self._bold)
        width = painter.fontMetrics().horizontalAdvance(words) + 2.4 * line
        box = around(at, width, 2.2 * line)
        colour = QColor(self._theme.outcomes[flash.outcome])
        painter.setOpacity(flash.strength)
        painter.setPen(colour)
        painter.setBrush(colour)
        painter.drawRoundedRect(box, box.height() / 2, box.height() / 2)
        self.text(box, words, "raised", CENTRE, bold=True)
        painter.setOpacity(1.0)

    def armed(self, room: QRectF, armed: bool | None) -> None:
        """Write whether lasers are armed: in a frame if they are."""
        if not armed:
            self.text(room, "lasers: not known yet" if armed is None else "lasers disarmed", "dim", CENTRE)
            return
        words = "⚠ lasers ARMED"
        self._painter.setFont(self._bold)
        width = self._painter.fontMetrics().horizontalAdvance(words) + 2 * self._em
        middle = QRectF(room.center().x() - width / 2, room.top(), width, room.height())
        self._pill(middle, words, self._theme.colour("warn"), filled=46)

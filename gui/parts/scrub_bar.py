"""The scrub bar: a whole recorded session as a strip, with the playhead on it.

From the top: marks (▲ fault, ✎ note, ◆ what a person did), the trials as blocks whose height and colour say how they
ended, light, crossings of estimates as small ticks, and the time since the log's beginning. A click goes there, a click
on a mark to its moment; dragging takes the playhead along. Where the task began later, the tooltip has both.
"""

from typing import Final

from PyQt6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QFont, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QPolygonF, QResizeEvent
from PyQt6.QtWidgets import QSizePolicy, QToolTip, QWidget

from controller.messages.view import Opening, Overview
from gui.parts.figures import clock
from gui.parts.timeline import (
    ACT_MARK,
    CROSSING_MARK,
    FAULT_MARK,
    NOTE_MARK,
    Clocks,
    Scale,
    Sign,
    blocks_of,
    clocks_of,
    signs_of,
    tick_s,
    trial_at,
    trial_words,
)
from gui.theme import Theme
from realtime.records import NS_PER_S, Outcome

EDGE: Final = 8
"""Room at both ends, so that the playhead's handle is whole there [px]."""
SIGNS: Final = 13
LIGHT: Final = 4
TICKS: Final = 5
TIMES: Final = 16
"""Heights of the lanes [px]; the trials have the rest."""
NEAR: Final = 5.0
"""How far off a click still means a mark [px]."""
HANDLE: Final = 5.0
LEAST: Final = 0.5
"""How wide the shortest light and a crossing are drawn [px]."""


class ScrubBar(QWidget):
    """A session's strip.

    Attributes
    ----------
    sought
        Emitted with the time [ns] that a person wants to see.
    dragging
        Whether the playhead is being dragged.
    clocks
        By which times are told.
    """

    sought = pyqtSignal(object)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.theme = theme
        self.dragging = False
        self.overview: Overview | None = None
        self.signs: list[Sign] = []
        self.scale = Scale(0, 1, 1.0)
        self.clocks = Clocks(0, 0)
        self._t_ns: int | None = None
        self._strip: QPixmap | None = None
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def sizeHint(self) -> QSize:  # noqa: N802  (Qt's name)
        """Return a comfortable size."""
        return QSize(600, 70)

    def minimumSizeHint(self) -> QSize:  # noqa: N802  (Qt's name)
        """Return the least at which all lanes can be told apart."""
        return QSize(160, SIGNS + LIGHT + TICKS + TIMES + 12)

    # --- what it shows ------------------------------------------------------------------------------------------

    def show_session(self, overview: Overview | None, opening: Opening | None, begin_ns: int, end_ns: int) -> None:
        """Show a session; nothing is drawn anew where it is the same one."""
        same = (self.scale.begin_ns, self.scale.end_ns) == (begin_ns, end_ns)
        if same and (overview is self.overview or overview == self.overview):
            self.overview = overview
            return
        self.overview = overview
        self.signs = [] if overview is None else signs_of(overview, opening)
        self.clocks = clocks_of(overview, begin_ns)
        self._rescale(begin_ns, end_ns)

    def set_playhead(self, t_ns: int | None) -> None:
        """Put the playhead at a time [ns]; None takes it away."""
        if t_ns is not None and self._t_ns is not None and self._pixel(t_ns) == self._pixel(self._t_ns):
            self._t_ns = t_ns
            return
        self._t_ns = t_ns
        self.update()

    @property
    def playhead_ns(self) -> int | None:
        """Where the playhead is drawn [ns]."""
        return self._t_ns

    def x_of(self, t_ns: int) -> float:
        """Return where on this widget a time stands [px]."""
        return EDGE + self.scale.x(t_ns)

    def _pixel(self, t_ns: int) -> int:
        return round(self.x_of(t_ns) * self.devicePixelRatioF())

    def _rescale(self, begin_ns: int, end_ns: int) -> None:
        self.scale = Scale(begin_ns, end_ns, max(1.0, self.width() - 2.0 * EDGE))
        self._strip = None
        self.update()

    # --- drawing ------------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Draw the strip in its new size."""
        super().resizeEvent(event)
        self._rescale(self.scale.begin_ns, self.scale.end_ns)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: ARG002, N802  (Qt's name)
        """Draw the strip, which is kept, and the playhead on it."""
        if self._strip is None:
            self._strip = self._drawn()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._strip)
        if self._t_ns is not None:
            x = round(self.x_of(self._t_ns)) + 0.5
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(self.theme.pen("text", 1.0))
            painter.drawLine(QPointF(x, 2.0), QPointF(x, self.height() - TIMES))
            painter.setBrush(self.theme.colour("text"))
            top = QPolygonF([QPointF(x - HANDLE, 0.0), QPointF(x + HANDLE, 0.0), QPointF(x, 2 * HANDLE)])
            painter.drawPolygon(top)
        painter.end()

    @property
    def _trials_rect(self) -> QRectF:
        height = self.height() - SIGNS - LIGHT - TICKS - TIMES
        return QRectF(EDGE, SIGNS, self.scale.width, max(4.0, height))

    def _drawn(self) -> QPixmap:
        """Return the strip without the playhead."""
        ratio = self.devicePixelRatioF()
        strip = QPixmap(round(self.width() * ratio), round(self.height() * ratio))
        strip.setDevicePixelRatio(ratio)
        strip.fill(QColor(0, 0, 0, 0))
        painter = QPainter(strip)
        painter.setFont(self._small())
        painter.fillRect(self._trials_rect, self.theme.colour("raised"))
        if self.overview is not None:
            self._draw_trials(painter, self.overview)
            self._draw_light(painter, self.overview)
            self._draw_signs(painter)
            self._draw_times(painter)
        painter.end()
        return strip

    def _small(self) -> QFont:
        font = QFont(self.font())
        font.setPixelSize(12)
        return font

    def _draw_trials(self, painter: QPainter, overview: Overview) -> None:
        room = self._trials_rect
        for block in blocks_of(overview.trials, self.scale):
            outcome = Outcome(block.outcome) if block.outcome in set(Outcome) else None
            colour = self.theme.colour("dim") if outcome is None else QColor(self.theme.outcomes[outcome])
            top = room.bottom() - block.high * room.height()
            height = (block.high - block.low) * room.height()
            painter.fillRect(QRectF(EDGE + block.left, top, block.width, height), colour)

    def _draw_light(self, painter: QPainter, overview: Overview) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)  # less than a pixel of light is less than all of it
        top = self._trials_rect.bottom() + 1.0
        for span in overview.light:
            left = self.x_of(span.start_ns)
            width = max(LEAST, self.x_of(span.end_ns) - left)
            painter.fillRect(QRectF(left, top, width, LIGHT - 1.0), self.theme.colour("light"))

    def _draw_signs(self, painter: QPainter) -> None:
        colours = {FAULT_MARK: "bad", NOTE_MARK: "text", ACT_MARK: "dim"}
        crossings_top = self._trials_rect.bottom() + LIGHT + 1.0
        for sign in self.signs:
            x = self.x_of(sign.t_ns)
            if sign.mark == CROSSING_MARK:
                painter.fillRect(QRectF(x, crossings_top, LEAST, TICKS - 2.0), self.theme.colour("dim"))
                continue
            painter.setPen(QPen(self.theme.colour(colours[sign.mark])))
            painter.drawText(QRectF(x - 8.0, 0.0, 16.0, SIGNS), Qt.AlignmentFlag.AlignCenter, sign.mark)

    def _draw_times(self, painter: QPainter) -> None:
        length_s = (self.scale.end_ns - self.scale.begin_ns) / NS_PER_S
        step_s = tick_s(length_s, self.scale.width)
        top = float(self.height() - TIMES)
        painter.setPen(self.theme.pen("dim"))
        for at_s in range(0, int(length_s) + 1, step_s):
            x = self.x_of(self.scale.begin_ns + at_s * NS_PER_S)
            if at_s:  # at the edge the first time stands to the right of its tick
                painter.drawLine(QPointF(x, top), QPointF(x, top + 2.0))
            room = QRectF(x - 30.0, top + 2.0, 60.0, TIMES - 2.0)
            align = Qt.AlignmentFlag.AlignHCenter
            if room.left() < 0.0 or room.right() > self.width():
                align = Qt.AlignmentFlag.AlignLeft if room.left() < 0.0 else Qt.AlignmentFlag.AlignRight
                room.moveLeft(max(0.0, min(room.left(), self.width() - room.width())))
            whose = "log " if self.clocks.differ and at_s == 0 else ""
            painter.drawText(room, align | Qt.AlignmentFlag.AlignTop, whose + clock(at_s))

    # --- the mouse ----------------------------------------------------------------------------------------------

    def sign_at(self, place: QPointF) -> Sign | None:
        """Return the mark at a place, the nearest of several; crossings have none to click on."""
        if place.y() > SIGNS:
            return None
        near = [(abs(self.x_of(one.t_ns) - place.x()), one) for one in self.signs if one.mark != CROSSING_MARK]
        off, sign = min(near, key=lambda pair: pair[0], default=(NEAR + 1.0, None))
        return sign if off <= NEAR else None

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Go to a mark, or begin to drag."""
        if event is None or event.button() != Qt.MouseButton.LeftButton or self.overview is None:
            return
        sign = self.sign_at(event.position())
        self.dragging = sign is None
        self.sought.emit(self._time_at(event.position()) if sign is None else sign.t_ns)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Take the playhead along, and say what is below the mouse."""
        if event is None or self.overview is None:
            return
        if self.dragging:
            self.sought.emit(self._time_at(event.position()))
        QToolTip.showText(event.globalPosition().toPoint(), self.tip_at(event.position()), self)

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Let the playhead stand where it is."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self.dragging = False

    def leaveEvent(self, event: QEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Take the tooltip away."""
        super().leaveEvent(event)
        QToolTip.hideText()

    def _time_at(self, place: QPointF) -> int:
        return self.scale.t_ns(place.x() - EDGE)

    def tip_at(self, place: QPointF) -> str:
        """Return what stands at a place, in words."""
        sign = self.sign_at(place)
        t_ns = self._time_at(place) if sign is None else sign.t_ns
        when = self.clocks.both(t_ns)
        if sign is not None:
            return f"{when}: {sign.sentence}"
        trial = None if self.overview is None else trial_at(self.overview.trials, t_ns)
        return when if trial is None else f"{when}: {trial_words(trial)}"

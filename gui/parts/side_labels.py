"""Names beside rows of a picture, each as high as what it names."""

from dataclasses import dataclass
from typing import Final

from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QPainter, QPaintEvent
from PyQt6.QtWidgets import QWidget

from gui.theme import Theme

_PAD: Final = 4


@dataclass(frozen=True, slots=True)
class Label:
    """A name, what kind of thing has it, and a number of it, from ``top`` to ``bottom`` [pixels]."""

    top: float
    bottom: float
    name: str
    kind: str = ""
    more: str = ""
    current: bool = False
    """Whether it is the one that keys act on."""

    @property
    def words(self) -> str:
        """All of it."""
        return " ".join(part for part in (self.name, self.kind, self.more) if part)


class SideLabels(QWidget):
    """Names at the left of a picture; drawn anew only where they change."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.labels: tuple[Label, ...] = ()

    def show_labels(self, labels: tuple[Label, ...]) -> None:
        """Show other names."""
        if labels != self.labels:
            self.labels = labels
            self.setToolTip("\n".join(label.words for label in labels))
            self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Draw what fits: two lines where there is room for them, else one, else none."""
        painter = QPainter(self)
        line = self.fontMetrics().height()
        used = 0.0
        for label in self.labels:
            room = QRectF(0, label.top, self.width() - _PAD, label.bottom - label.top)
            if room.height() < 0.8 * line or room.center().y() - line / 2 < used - _PAD:
                continue
            used = self._draw(painter, label, room, line)
        painter.end()

    def _draw(self, painter: QPainter, label: Label, room: QRectF, line: int) -> float:
        """Draw one, and return where it ends."""
        metrics, flags = self.fontMetrics(), Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        two = room.height() >= 2 * line - _PAD and bool(label.more)
        name = ("▸" if label.current else "") + label.name
        whole = f"{name} {label.kind}".strip()
        top = room.center().y() - line * (1 + two) / 2
        first, second = (QRectF(0, top + line * number, room.width(), line) for number in (0, int(two)))
        painter.setPen(self._theme.colour("dim"))
        painter.drawText(second, flags, label.more)
        if not two and label.more:
            first.setRight(first.right() - metrics.horizontalAdvance(f" {label.more}"))
        painter.setPen(self._theme.colour("text"))
        shown = metrics.elidedText(whole, Qt.TextElideMode.ElideRight, int(first.width()))
        if not shown.startswith(name):  # the name itself comes before what kind it is
            shown = metrics.elidedText(name, Qt.TextElideMode.ElideRight, int(first.width()))
        painter.drawText(first, flags, shown)
        return second.bottom()

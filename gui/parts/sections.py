"""Parts of a panel side by side or one below the other as there is room; those for which there is none, behind tabs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QTabBar, QWidget

from gui.theme import Theme, tab_style

GAP: Final = 6
TABS: Final = 22


@dataclass(frozen=True, slots=True)
class Section:
    """One part.

    Attributes
    ----------
    widget
        The part itself.
    title
        What its tab says.
    least
        Height below which it cannot be read [px].
    stretch
        Its share of what height is left.
    """

    widget: QWidget
    title: str
    least: int
    stretch: int


def fitting(heights: Sequence[int], room: int) -> int:
    """Return how many of these, from the first, can be shown one below the other; the others share one place.

    Parameters
    ----------
    heights
        What each needs at least [px].
    room
        What there is [px]. One place remains, for tabs, however little there is.
    """
    if sum(heights) + GAP * (len(heights) - 1) <= room:
        return len(heights)
    for shown in range(len(heights) - 2, 0, -1):
        if sum(heights[:shown]) + GAP * shown + TABS + max(heights[shown:]) <= room:
            return shown
    return 0


class _Column:
    """One column: parts that are seen, and the place that the others share."""

    def __init__(self, owner: "Sections", sections: Sequence[Section]) -> None:
        self.sections = tuple(sections)
        self.bar = QTabBar(owner)
        self.bar.setExpanding(False)
        self.bar.setDrawBase(False)
        self.bar.setStyleSheet(tab_style(owner.theme))
        self.bar.hide()
        self._tabbed: tuple[Section, ...] = ()
        self.bar.currentChanged.connect(owner.arrange)

    def place(self, left: int, width: int, height: int) -> list[QWidget]:
        """Put everything where it belongs; return what is seen."""
        shown = fitting([section.least for section in self.sections], height)
        self._offer(self.sections[shown:])
        seen = list(self.sections[:shown])
        bar = TABS if self._tabbed else 0
        if self._tabbed:
            seen.append(self._tabbed[max(0, self.bar.currentIndex())])
        spare = height - bar - GAP * (len(seen) - 1) - sum(section.least for section in seen)
        whole = sum(section.stretch for section in seen)
        top = 0
        for section in seen:
            if self._tabbed and section is seen[-1]:
                self.bar.setGeometry(left, top, width, bar)
                top += bar
            tall = section.least + (spare * section.stretch // whole)
            section.widget.setGeometry(left, top, width, max(1, min(tall, height - top)))
            top += tall + GAP
        return [section.widget for section in seen]

    def _offer(self, tabbed: tuple[Section, ...]) -> None:
        """Have a tab for each of these."""
        self.bar.setVisible(bool(tabbed))
        if tabbed == self._tabbed:
            return
        current = self._tabbed[max(0, self.bar.currentIndex())] if self._tabbed else None
        self._tabbed = tabbed
        self.bar.blockSignals(True)
        while self.bar.count():
            self.bar.removeTab(0)
        for section in tabbed:
            self.bar.addTab(section.title)
        if current in tabbed:
            self.bar.setCurrentIndex(tabbed.index(current))
        self.bar.blockSignals(False)


class Sections(QWidget):
    """Parts, arranged as there is room.

    Parameters
    ----------
    one
        All parts, the most important first: one below the other in a narrow panel.
    two
        The same for a wide one, by column.
    wide
        From which width on there are two columns [px].
    theme
        How it looks.

    Attributes
    ----------
    arranged
        Emitted when a part came to be seen that was not.
    """

    arranged = pyqtSignal()

    def __init__(self, one: Sequence[Section], two: Sequence[Sequence[Section]], wide: int, theme: Theme) -> None:
        super().__init__()
        self.theme = theme
        for section in one:
            section.widget.setParent(self)
            section.widget.hide()
        self._wide = wide
        self._one = (_Column(self, one),)
        self._two = tuple(_Column(self, column) for column in two)
        self._widgets = [section.widget for section in one]
        self.seen: list[QWidget] = []

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Arrange anew."""
        super().resizeEvent(event)
        self.arrange()

    def arrange(self) -> None:
        """Put every part where it belongs for the room there is."""
        columns, others = (self._two, self._one) if self.width() >= self._wide else (self._one, self._two)
        for column in others:
            column.bar.hide()
        width = (self.width() - 2 * GAP * (len(columns) - 1)) // len(columns)
        seen: list[QWidget] = []
        for i, column in enumerate(columns):
            seen += column.place(i * (width + 2 * GAP), width, self.height())
        before, self.seen = self.seen, seen
        for widget in self._widgets:
            widget.setVisible(widget in seen)
        if any(widget not in before for widget in seen):
            self.arranged.emit()

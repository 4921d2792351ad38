"""All shortcuts at one glance, over the window: F1 or ? shows it, and those, Esc or a click take it away.

The red stop stays bare, so that it can be pressed all the same.
"""

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Final

from PyQt6.QtCore import QEvent, QObject, QPoint, QRect, Qt
from PyQt6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QRegion
from PyQt6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from gui.parts.stop_button import StopButton
from gui.theme import Theme

Group = tuple[str, Sequence[tuple[str, str]]]
"""Its name, and its shortcuts: which keys, and what they do."""
COLUMNS: Final = 3
MOST_WIDE: Final = 1280
"""However large the window [px]."""


class HelpOverlay(QWidget):
    """The list, over the whole of its parent.

    Parameters
    ----------
    parent
        The window that it covers.
    theme
        How it looks.
    """

    def __init__(self, parent: QWidget, theme: Theme) -> None:
        super().__init__(parent)
        self._theme = theme
        self._before: QWidget | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Shortcuts")
        self.card = QFrame()
        self.card.setObjectName("card")
        self.card.setStyleSheet(
            f"#card {{ background: {theme.raised}; border: 1px solid {theme.edge}; border-radius: 8px; }}"
        )
        self._inside = QVBoxLayout(self.card)
        self._inside.setContentsMargins(24, 18, 24, 14)
        area = QScrollArea()
        area.setWidget(self.card)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setStyleSheet("QScrollArea { background: transparent; }")
        if (port := area.viewport()) is not None:
            port.setAutoFillBackground(False)
        self._area = area
        layout = QVBoxLayout(self)
        layout.setContentsMargins(40, 40, 40, 40)
        layout.addWidget(area, 0, Qt.AlignmentFlag.AlignCenter)
        parent.installEventFilter(self)
        self.hide()

    def set_groups(self, groups: Sequence[Group]) -> None:
        """Show these, and nothing else.

        Parameters
        ----------
        groups
            In the order in which they shall stand; those that would be empty are left out.
        """
        while (item := self._inside.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.setParent(None)
                widget.deleteLater()
        title = QLabel("Shortcuts")
        title.setStyleSheet("font-size: 17px; font-weight: 600;")
        self._inside.addWidget(title)
        columns = QWidget()
        row = QHBoxLayout(columns)
        row.setContentsMargins(0, 8, 0, 8)
        row.setSpacing(36)
        for chosen in _columns([group for group in groups if group[1]]):
            row.addWidget(self._column(chosen), 1)
        self._inside.addWidget(columns)
        self._inside.addStretch(1)
        way_out = QLabel("Esc, F1, ? or a click closes this.")
        way_out.setStyleSheet(f"color: {self._theme.dim};")
        self._inside.addWidget(way_out)

    def _column(self, groups: Sequence[Group]) -> QWidget:
        column = QWidget()
        grid = QGridLayout(column)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(14)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(1, 1)
        line = 0
        for name, shortcuts in groups:
            head = QLabel(name)
            head.setIndent(0)
            head.setStyleSheet(f"color: {self._theme.dim}; font-weight: 600; padding-top: 8px;")
            grid.addWidget(head, line, 0, 1, 2)
            for keys, what in shortcuts:
                line += 1
                pressed, does = QLabel(keys), QLabel(what)
                pressed.setStyleSheet("font-weight: 600;")
                does.setWordWrap(True)
                grid.addWidget(pressed, line, 0, Qt.AlignmentFlag.AlignTop)
                grid.addWidget(does, line, 1, Qt.AlignmentFlag.AlignTop)
            line += 1
        grid.setRowStretch(line, 1)
        return column

    # --- coming and going ---------------------------------------------------------------------------------------

    def toggle(self) -> None:
        """Show it, or take it away."""
        if self.isVisible():
            self.take_away()
            return
        window = self.window()
        self._before = None if window is None else window.focusWidget()
        self._cover()
        self.show()
        self.raise_()
        self.setFocus()

    def take_away(self) -> None:
        """Hide it, and give the keyboard back to what had it."""
        self.hide()
        if self._before is not None:
            self._before.setFocus()
            self._before = None

    def _cover(self) -> None:
        """Cover the parent, all but the red stop."""
        over = self.parentWidget()
        if over is None:
            return
        self.setGeometry(over.rect())
        width = min(MOST_WIDE, self.width() - 80)
        self._area.setFixedSize(width, min(self.height() - 80, self.card.heightForWidth(width) + 4))
        bare = QRegion()
        for stop in over.findChildren(StopButton):
            if stop.isVisibleTo(over):
                bare += QRegion(QRect(stop.mapTo(over, QPoint(0, 0)), stop.size()))
        self.setMask(QRegion(self.rect()) - bare)

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:  # noqa: N802  (Qt's name)
        """Go when the window changes its size: the red stop moves, and must not lie below."""
        if a1 is not None and a1.type() == QEvent.Type.Resize and self.isVisible():
            self.take_away()
        return super().eventFilter(a0, a1)

    def keyPressEvent(self, a0: QKeyEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Close on Esc."""
        if a0 is not None and a0.key() == Qt.Key.Key_Escape:
            self.take_away()
            return
        super().keyPressEvent(a0)

    def mousePressEvent(self, a0: QMouseEvent | None) -> None:  # noqa: ARG002, N802  (Qt's name)
        """Close on a click."""
        self.take_away()

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: ARG002, N802  (Qt's name)
        """Dim what lies below."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._theme.colour("base", 210))
        painter.end()


def _columns(groups: Sequence[Group]) -> list[Sequence[Group]]:
    """Return the groups in columns, in their order, so that the longest column is as short as can be."""
    lengths = [len(shortcuts) + 2 for _, shortcuts in groups]
    splits = combinations(range(1, len(groups)), min(COLUMNS, len(groups)) - 1) if groups else iter(())
    bounds = [tuple(pairwise((0, *split, len(groups)))) for split in splits]
    best = min(bounds, key=lambda split: max(sum(lengths[i:j]) for i, j in split), default=())
    return [groups[i:j] for i, j in best]

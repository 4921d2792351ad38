"""A heading, and below it a grid of lines: what lists of facts and of processes have in common."""

from PyQt6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from gui.theme import Theme


class HeadedGrid(QWidget):
    """A heading and a grid, which has no lines as yet.

    Parameters
    ----------
    title
        What the lines are about.
    theme
        How it looks.
    gap_px
        Between columns [px].
    wide
        Which column has the room that the others leave.
    """

    def __init__(self, title: str, theme: Theme, *, gap_px: int, wide: int) -> None:
        super().__init__()
        self._theme = theme
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(gap_px)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(wide, 1)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(3)
        self._column.addWidget(heading(title, theme))
        self._column.addLayout(self._grid)
        self._column.addStretch(1)


def heading(title: str, theme: Theme) -> QLabel:
    """Return a heading of a part of a panel."""
    label = QLabel(title)
    label.setStyleSheet(f"color: {theme.text}; font-weight: 600")
    return label

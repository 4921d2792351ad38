"""A list of processes: a lamp, a name and the lamp's word; below them a device's driver and clock, and all troubles."""

import html
from collections.abc import Sequence
from typing import Final

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QGridLayout, QLabel

from gui.parts.headed import HeadedGrid
from gui.parts.labels import say
from gui.parts.lamp import Lamp, ink_of
from gui.parts.processes import Row
from gui.theme import Theme

WORD_PX: Final = 76
"""Room for the longest word, "silent 12.3 s": nothing jumps when it changes."""


class ProcessLine:
    """The widgets of one row."""

    def __init__(self, grid: QGridLayout, row: int, theme: Theme) -> None:
        self._theme = theme
        self.shown: Row | None = None
        self.lamp, self.word, self.name, self.details = Lamp(theme), QLabel(), QLabel(), QLabel()
        self.name.setStyleSheet(f"color: {theme.text}")
        self.word.setMinimumWidth(WORD_PX)
        self.details.setWordWrap(True)
        self.details.setTextFormat(Qt.TextFormat.RichText)
        grid.addWidget(self.lamp, 2 * row, 0, Qt.AlignmentFlag.AlignCenter)
        grid.addWidget(self.name, 2 * row, 1)
        grid.addWidget(self.word, 2 * row, 2)
        grid.addWidget(self.details, 2 * row + 1, 1, 1, 3)

    def show_row(self, row: Row | None) -> None:
        """Show a process, or nothing."""
        if row == self.shown:
            return
        self.shown = row
        for widget in (self.lamp, self.word, self.name, self.details):
            widget.setVisible(row is not None)
            widget.setToolTip("" if row is None else row.tip)
        if row is None:
            return
        self.lamp.show_state(row.state)
        sheet = f"color: {ink_of(row.state, self._theme)}"
        if self.word.styleSheet() != sheet:
            self.word.setStyleSheet(sheet)
        say(self.word, row.word)
        say(self.name, row.name)
        say(self.details, self._details(row))
        self.details.setVisible(bool(self.details.text()))

    def _details(self, row: Row) -> str:
        """Return what stands below the name."""
        quiet = " · ".join(text for text in (row.what, row.clock) if text)
        parts = [f'<span style="color: {self._theme.dim}">{html.escape(quiet)}</span>'] if quiet else []
        if row.trouble:
            parts.append(f'<span style="color: {self._theme.warn}">▲ {html.escape(row.trouble)}</span>')
        return "<br>".join(parts)


class ProcessList(HeadedGrid):
    """A title and a row for each process.

    Parameters
    ----------
    title
        What they are.
    theme
        How it looks.
    """

    def __init__(self, title: str, theme: Theme) -> None:
        super().__init__(title, theme, gap_px=7, wide=3)
        self.lines: list[ProcessLine] = []
        self.rows: list[Row] = []
        self.sentence = QLabel()
        self.sentence.setWordWrap(True)
        self.sentence.setStyleSheet(f"color: {theme.dim}")
        self._column.insertWidget(1, self.sentence)  # between heading and grid

    def show_rows(self, rows: Sequence[Row], sentence: str) -> None:
        """Show these processes, or a sentence why there are none."""
        self.rows = list(rows)
        while len(self.lines) < len(rows):
            self.lines.append(ProcessLine(self._grid, len(self.lines), self._theme))
        for i, line in enumerate(self.lines):
            line.show_row(rows[i] if i < len(rows) else None)
        say(self.sentence, sentence)
        self.sentence.setVisible(bool(sentence))

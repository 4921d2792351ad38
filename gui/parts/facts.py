"""A list of facts: a name and a value to each line, aligned, and each line made once and then only rewritten."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QLabel

from gui.parts.headed import HeadedGrid
from gui.parts.lamp import MARKS, State, ink_of
from gui.theme import Theme

GAP_PX: Final = 10


@dataclass(frozen=True, slots=True)
class Fact:
    """One line.

    Attributes
    ----------
    name
        What it is; empty for a sentence that stands alone.
    value
        How much, with its unit.
    state
        How that stands: WARN and BAD get a mark before the value, and their colour.
    tip
        One sentence that explains it.
    """

    name: str
    value: str
    state: State = State.QUIET
    tip: str = ""


class FactList(HeadedGrid):
    """A title and facts below it.

    Parameters
    ----------
    title
        What they are about.
    theme
        How it looks.
    """

    def __init__(self, title: str, theme: Theme) -> None:
        super().__init__(title, theme, gap_px=GAP_PX, wide=1)
        self._lines: list[tuple[QLabel, QLabel]] = []
        self._shown: tuple[Fact, ...] = ()

    @property
    def shown(self) -> tuple[Fact, ...]:
        """What it shows now."""
        return self._shown

    def show_facts(self, facts: Sequence[Fact]) -> None:
        """Show these, and nothing else."""
        if tuple(facts) == self._shown:
            return
        while len(self._lines) < len(facts):
            self._add_line()
        for i, (name, value) in enumerate(self._lines):
            before = self._shown[i] if i < len(self._shown) else None
            fact = facts[i] if i < len(facts) else None
            if fact != before:
                self._write(i, name, value, fact)
        self._shown = tuple(facts)

    def _add_line(self) -> None:
        """Make one more line, at the end and empty."""
        name, value = QLabel(), QLabel()
        name.setStyleSheet(f"color: {self._theme.dim}")
        name.setAlignment(Qt.AlignmentFlag.AlignTop)
        value.setWordWrap(True)
        value.setTextFormat(Qt.TextFormat.PlainText)
        value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._grid.addWidget(name, len(self._lines), 0)
        self._grid.addWidget(value, len(self._lines), 1)
        self._lines.append((name, value))

    def _write(self, row: int, name: QLabel, value: QLabel, fact: Fact | None) -> None:
        """Rewrite one line; a sentence without a name takes the whole width."""
        if fact is None:
            name.hide()
            value.hide()
            return
        self._grid.addWidget(value, row, 1 if fact.name else 0, 1, 1 if fact.name else 2)
        name.setVisible(bool(fact.name))
        value.show()
        name.setText(fact.name)
        value.setText(MARKS[fact.state].replace(" ", "\N{NO-BREAK SPACE}") + fact.value)  # the mark stays beside it
        is_number = fact.state is State.QUIET and bool(fact.name)
        colour = self._theme.text if is_number else ink_of(fact.state, self._theme)
        value.setStyleSheet(f"color: {colour}")
        name.setToolTip(fact.tip)
        value.setToolTip(fact.tip)

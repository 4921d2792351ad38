"""A list of facts: a name and a value to each line, aligned, and each line made once and then only rewritten."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from gui.parts.lamp import MARKS, State
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


class FactList(QWidget):
    """A title and facts below it.

    Parameters
    ----------
    title
        What they are about.
    theme
        How it looks.
    """

    def __init__(self, title: str, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._lines: list[tuple[QLabel, QLabel]] = []
        self._shown: tuple[Fact, ...] = ()
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(GAP_PX)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(1, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        column.addWidget(heading(title, theme))
        column.addLayout(self._grid)
        column.addStretch(1)

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
        value.setText(MARKS[fact.state] + fact.value)
        colour = self._theme.text if fact.state in {State.GOOD, State.WAIT} else getattr(self._theme, fact.state.value)
        if fact.state is State.QUIET and fact.name:
            colour = self._theme.text
        value.setStyleSheet(f"color: {colour}")
        name.setToolTip(fact.tip)
        value.setToolTip(fact.tip)


def heading(title: str, theme: Theme) -> QLabel:
    """Return a heading of a part of a panel."""
    label = QLabel(title)
    label.setStyleSheet(f"color: {theme.text}; font-weight: 600")
    return label

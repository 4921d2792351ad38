"""A row of small buttons side by side, of which one, or some, are chosen."""

from collections.abc import Sequence

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QButtonGroup, QHBoxLayout, QToolButton, QWidget

from gui.theme import Theme


class Segments(QWidget):
    """Choices side by side.

    Parameters
    ----------
    theme
        How they look.
    several
        Whether more than one can be chosen; then one at least stays chosen.

    Attributes
    ----------
    changed
        Emitted when a person chose.
    buttons
        By choice, in order.
    """

    changed = pyqtSignal()

    def __init__(self, theme: Theme, *, several: bool = False) -> None:
        super().__init__()
        self._theme = theme
        self._several = several
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(1)
        self._group = QButtonGroup(self)
        self._group.setExclusive(not several)
        self._group.buttonClicked.connect(self._clicked)
        self.buttons: dict[str, QToolButton] = {}

    def set_choices(self, choices: Sequence[str], chosen: Sequence[str], tip: str = "") -> None:
        """Offer these, of which some are chosen; does nothing where they are offered already."""
        if list(choices) == list(self.buttons):
            return
        for button in self.buttons.values():
            self._group.removeButton(button)
            self._row.removeWidget(button)
            button.hide()
            button.deleteLater()
        self.buttons = {choice: self._button(choice, tip) for choice in choices}
        for choice in chosen:
            if choice in self.buttons:
                self.buttons[choice].setChecked(True)

    def _button(self, choice: str, tip: str) -> QToolButton:
        button = QToolButton()
        button.setText(choice)
        button.setCheckable(True)
        button.setToolTip(tip)
        theme = self._theme
        button.setStyleSheet(
            f"QToolButton {{ border: 1px solid {theme.edge}; padding: 0px 5px; color: {theme.dim}; }}"
            f"QToolButton:checked {{ background: {theme.edge}; color: {theme.text}; font-weight: 600; }}"
            f"QToolButton:focus {{ border-color: {theme.dim}; }}"
        )
        self._group.addButton(button)
        self._row.addWidget(button)
        return button

    @property
    def chosen(self) -> list[str]:
        """What is chosen, in order."""
        return [choice for choice, button in self.buttons.items() if button.isChecked()]

    def _clicked(self, button: QToolButton) -> None:
        if self._several and not self.chosen:
            button.setChecked(True)
        self.changed.emit()

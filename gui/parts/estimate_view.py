"""What the parts of the shared panel draw from, and the labels that they have in common."""

from dataclasses import dataclass
from typing import Final, TypeVar

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QLabel, QSizePolicy

from gui.parts.elided import Elided
from gui.parts.estimate_words import Settings, Standing
from gui.scene import Scene
from gui.scene.estimates import SharedHistory
from gui.theme import LEAST_PT, Theme

Label = TypeVar("Label", bound=QLabel)
SMALLER: Final = 0.88
"""Size of what is read only when looked for, as a share of the ordinary text's."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One moment of one estimate.

    Attributes
    ----------
    scene
        Everything else.
    history
        Of the chosen kind of cells.
    standing
        How its newest estimate stands.
    settings
        What the estimators are set to.
    """

    scene: Scene
    history: SharedHistory
    standing: Standing
    settings: Settings


def heading(theme: Theme, text: str) -> Elided:
    """Return a part's heading: small, dim, and shortened where there is no room."""
    label = Elided(text)
    return _dressed(label, theme, "dim")


def words(theme: Theme, colour: str = "dim") -> QLabel:
    """Return a label for small text of several lines."""
    label = _dressed(QLabel(), theme, colour)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return label


def nothing_yet(theme: Theme) -> QLabel:
    """Return a label that stands where there is nothing to draw."""
    label = words(theme)
    label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
    return label


def _dressed(label: Label, theme: Theme, colour: str) -> Label:
    font = label.font()
    font.setPointSizeF(max(LEAST_PT, font.pointSizeF() * SMALLER))
    label.setFont(font)
    label.setStyleSheet(f"color: {theme.colour(colour).name()};")
    return label

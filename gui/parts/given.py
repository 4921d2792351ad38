"""What each animal has been given: water, openings of its valve, and light.

Water is what the valve's own edges say, through the calibration of that valve. Without a calibration no µl are known,
and how long the valve was open stands in their place.
"""

from typing import Final

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QGridLayout, QLabel, QSizePolicy, QWidget

from controller.messages.view import Counts, Opening
from gui.parts.elided import Elided
from gui.parts.labels import explain
from gui.scene import Scene
from gui.theme import ANIMAL_GLYPHS, Theme
from realtime.records import ANIMALS

ROWS: Final = (
    ("water", "Water", "Water given so far [µl]: the valve's own openings through its calibration."),
    ("open", "Valve open", "How long the valve was open [s], by the device's own edges."),
    ("earned", "Earned", "Rewards of trials that the valve gave."),
    ("free", "By hand", "Rewards that a person asked for and the valve gave; an open valve stays open for longer."),
    ("light", "Light", "How long the laser was lit [s], by the device's own edges."),
)
NOT_YET: Final = "not yet"


class Given(QWidget):
    """The table of what A and B were given.

    Attributes
    ----------
    cells
        The labels, by row and animal, such as ``("water", 0)``.
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setHorizontalSpacing(10)
        layout.setVerticalSpacing(1)
        self.heads = [QLabel(), QLabel()]
        self.cells: dict[tuple[str, int], QLabel] = {}
        for animal, head in enumerate(self.heads):
            head.setText(f"{ANIMAL_GLYPHS[animal]} {ANIMALS[animal]}")
            head.setStyleSheet(f"color: {theme.animals[animal]}; font-weight: 600;")
            head.setAlignment(Qt.AlignmentFlag.AlignRight)
            layout.addWidget(head, 0, animal + 1)
            layout.setColumnStretch(animal + 1, 1)
        for number, (name, title, tip) in enumerate(ROWS, start=1):
            caption = QLabel(title)
            caption.setStyleSheet(f"color: {theme.dim};")
            caption.setToolTip(tip)
            layout.addWidget(caption, number, 0)
            for animal in range(len(ANIMALS)):
                cell = self.cells[name, animal] = Elided(NOT_YET, own_tip=False)
                cell.setAlignment(Qt.AlignmentFlag.AlignRight)
                cell.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
                layout.addWidget(cell, number, animal + 1)

    def show_scene(self, scene: Scene) -> None:
        """Show what was given so far."""
        opening, counts = scene.opening, scene.counts
        for animal in range(len(ANIMALS)):
            for name, _, tip in ROWS:
                cell = self.cells[name, animal]
                cell.setText(_text(name, animal, opening, counts) if opening and counts else NOT_YET)
                explain(cell, _sentence(animal, counts) if name == "water" and counts else tip)


def _text(name: str, animal: int, opening: Opening, counts: Counts) -> str:
    """Return what stands in a row."""
    water_ul = counts.water_ul[animal]
    texts = {
        "water": "not calibrated" if water_ul is None else f"{water_ul:.1f} µl",
        "open": f"{counts.open_s[animal]:.2f} s",
        "earned": _rewards(counts.earned[animal], _less(water_ul, counts.free_ul[animal])),
        "free": _rewards(counts.free[animal], counts.free_ul[animal]),
        "light": f"{counts.lit_s[animal]:.1f} s" if opening.lasers[animal] else "no laser",
    }
    return texts[name]


def _rewards(number: int, ul: float | None) -> str:
    """Return how many rewards there were, and how much water that was, where it is known."""
    return f"{number}" if ul is None else f"{number} · {ul:.1f} µl"


def _less(ul: float | None, free_ul: float | None) -> float | None:
    return None if ul is None or free_ul is None else ul - free_ul


def _sentence(animal: int, counts: Counts) -> str:
    """Return how much water it was, in a sentence."""
    openings = f"{counts.open_s[animal]:.2f} s of valve open in {counts.rewards[animal]} openings"
    water_ul = counts.water_ul[animal]
    return f"not calibrated: {openings}" if water_ul is None else f"{water_ul:.1f} µl: {openings}"

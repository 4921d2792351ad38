"""Box: the chamber from above, as its devices report it.

Two halves, A left and B right, with the perforated transparent divider (dashed) between them. In each half stand a
nose-poke port (above) and a water port with its spout (below).

- **Beam**: a line across the port while it is free; the port is filled and says "broken" while it is broken.
- **Water**: the spout's tip is filled and says "lick" while a tongue is there; a drop and "open" show the open valve.
- **Mice** stand where they were last known to be: at the port whose beam they break or broke last, or at the spout they
  lick or licked last. They fade when nothing has been seen of them for a few seconds, and it says how long. Nothing is
  drawn between two places, because nothing is known. A mouse that was never seen is faint and in the middle.
- **Light**: a mouse whose laser the rig has wears a fibre. A halo and "light on" show what the laser itself reports.
  Below stands whether lasers are ARMED.
- **Badge** (above): what the task is at, and the trial. Where each animal has its own task, each half has its own.
- **Ring**: after a first poke it closes around that animal's port; what is left of it is what is left of the window for
  the partner, also in seconds.
- An outcome's mark (✓ success, ✗ miss, ○ omission, – aborted) stands for about a second.

A brief edge, such as a valve of 30 ms, stays visible for 400 ms. Point at a port, mouse or badge for its wiring and
its last edge.
"""

from PyQt6.QtWidgets import QVBoxLayout

from gui.panel import Panel
from gui.parts.chamber import Chamber, chamber_of
from gui.parts.chamber_tips import tip_of, words_of
from gui.parts.chamber_view import ChamberView
from gui.scene import Scene
from gui.theme import Theme


class Box(Panel):
    """The chamber from above.

    Attributes
    ----------
    chamber
        What is drawn.
    view
        What draws it.
    """

    name = "box"
    title = "Box"
    area = "left"
    order = 20
    stretch = 3
    rate_hz = 30.0
    key = "Ctrl+2"

    def __init__(self, scene: Scene, theme: Theme) -> None:
        super().__init__(scene, theme)
        self.view = ChamberView(theme, self.tip)
        self.setAccessibleName("Box from above")
        self.view.setAccessibleName("Box from above")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.view)
        self.anew()

    def anew(self) -> None:
        """Begin again: what is drawn follows from the scene alone."""
        self._draw(chamber_of(self.scene))

    def refresh(self) -> None:
        """Draw what has changed since the last time."""
        chamber = chamber_of(self.scene)
        if chamber != self.chamber:
            self._draw(chamber)

    def tip(self, region: str) -> str:
        """Return what is said of a part of the picture."""
        return tip_of(self.scene, self.chamber, region)

    def _draw(self, chamber: Chamber) -> None:
        self.chamber = chamber
        self.view.show_chamber(chamber)
        words = words_of(chamber)
        if words != self.view.accessibleDescription():
            self.view.setAccessibleDescription(words)

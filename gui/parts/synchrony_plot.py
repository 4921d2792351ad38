"""The affine synchrony over the session: R² less its null's mean, with a zero line and no direction."""

from typing import Final

import numpy as np
from PyQt6.QtWidgets import QVBoxLayout, QWidget

from gui.parts.estimate_view import heading, nothing_yet, words
from gui.parts.estimate_words import NO_DIRECTION, SYNCHRONY_SHIFTS, null_words, standing_of
from gui.parts.labels import say
from gui.parts.session_course import NS_PER_MIN, SessionPlot, chosen_rows, draw_in_two
from gui.scene import Scene
from gui.theme import Theme

STEPS: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)


class SynchronyPlot(QWidget):
    """How much better one brain's state tells the other's next one than a shifted brain's does.

    Attributes
    ----------
    now, past
        The excess: as it stands, and, greyed, what was before the estimators began anew or is valid no more.
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.heading = heading(theme, "Synchrony of all cells: R² less its null's mean")
        self.plot = SessionPlot(theme, STEPS)
        self.past = self.plot.curve(theme.pen("dim", alpha=130))
        self.now = self.plot.curve(theme.pen("text"))
        self.nothing = nothing_yet(theme)
        self.verdict = words(theme, "text")
        self.says = words(theme)
        self.says.setText(NO_DIRECTION)
        self.plot.setToolTip(
            "How well one brain's state now tells the other's next one, held out, mean of both ways, less the same for "
            "brains shifted against each other by 10 s and more; 0 is what brains that share nothing have."
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        for widget, stretch in (
            (self.heading, 0),
            (self.plot, 1),
            (self.nothing, 1),
            (self.verdict, 0),
            (self.says, 0),
        ):
            column.addWidget(widget, stretch)

    def anew(self) -> None:
        """Let the axes be small again."""
        self.plot.anew()

    def draw(self, scene: Scene) -> None:
        """Draw the session so far."""
        latest, series = scene.synchrony.latest, scene.synchrony.series
        standing = standing_of(scene, latest, series)
        keep = (series["valid"] > 0.0) & np.isfinite(series["excess"])
        rows, joined = chosen_rows(series.t_ns, keep)
        self.plot.setVisible(bool(rows.size))
        self.nothing.setVisible(not rows.size)
        say(self.nothing, standing.sentence)
        if rows.size:
            x, y = (series.t_ns[rows] - scene.started_ns) / NS_PER_MIN, series["excess"][rows]
            new = series.t_ns[rows] >= standing.since_ns
            draw_in_two((self.past, self.now), x, y, new, joined)
            self.plot.make_room(scene.task_seconds(scene.now_ns) / 60.0, y, float(x[0]))
        if latest is None or not standing.usable or latest.excess is None:
            say(self.verdict, f"synchrony: {standing.sentence}" if rows.size else "")
            return
        say(
            self.verdict,
            f"{latest.excess:+.3f} over its null; "
            + null_words("shifted", latest.lagged_z, latest.lagged_p, SYNCHRONY_SHIFTS),
        )

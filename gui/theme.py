"""Colours, fonts and pens: one palette for light and one for dark rooms, safe for colour-blind eyes.

Animals A and B are the Okabe-Ito blue and vermillion, and never told apart by colour alone: A is drawn solid with
upward triangles, B dashed with downward ones, and both are named. Outcomes have a mark each.
"""

from dataclasses import dataclass
from typing import Final, Literal

import pyqtgraph as pg
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor, QPalette, QPen
from PyQt6.QtWidgets import QApplication

from realtime.records import Outcome

Shade = Literal["dark", "light"]

ANIMAL_COLOURS: Final = ("#0072B2", "#D55E00")
"""Of A and B, as the studies' figures have them: readable on white."""
LIGHTER_ANIMALS: Final = ("#56A8E0", "#FF8C3B")
"""The same two hues, lighter, for dark backgrounds."""
ANIMAL_DASHES: Final = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine)
ANIMAL_SYMBOLS: Final = ("t1", "t")
"""Upward for A, downward for B."""
ANIMAL_GLYPHS: Final = ("▲", "▼")
"""The same among words."""
LEAST_PT: Final = 9
"""No letters are smaller than this."""
OUTCOME_MARKS: Final = {Outcome.SUCCESS: "✓", Outcome.MISS: "✗", Outcome.OMISSION: "○", Outcome.ABORTED: "–"}
OUTCOME_SYMBOLS: Final = {Outcome.SUCCESS: "o", Outcome.MISS: "x", Outcome.OMISSION: "s", Outcome.ABORTED: "+"}


@dataclass(frozen=True, slots=True)
class Theme:
    """One palette.

    Attributes
    ----------
    base, raised, edge
        Backgrounds of the window and of what stands out, and lines between them.
    text, dim, faint
        What is read, what is read only when looked for, and what cannot be used now.
    animals
        A and B.
    outcomes
        By :class:`realtime.records.Outcome`.
    light
        The laser's.
    water
        Of valves and drinking.
    good, warn, bad
        Of what stands well, needs a look, and needs a hand.
    heat
        Name of the colour map of activity.
    """

    shade: Shade
    base: str
    raised: str
    edge: str
    text: str
    dim: str
    faint: str
    animals: tuple[str, str]
    outcomes: dict[Outcome, str]
    light: str
    water: str
    good: str
    warn: str
    bad: str
    heat: str = "cividis"

    def colour(self, name: str, alpha: int = 255) -> QColor:
        """Return one of the palette's colours, or one written ``#rrggbb``, more or less opaque (0 to 255)."""
        colour = QColor(name if name.startswith("#") else str(getattr(self, name)))
        colour.setAlpha(alpha)
        return colour

    def animal_pen(self, animal: int, width: float = 1.0) -> QPen:
        """Return the pen of A (0, solid) or B (1, dashed). Width 1 draws fastest."""
        return _pen(QColor(self.animals[animal]), width, ANIMAL_DASHES[animal])

    def pen(self, name: str, width: float = 1.0, style: Qt.PenStyle = Qt.PenStyle.SolidLine, alpha: int = 255) -> QPen:
        """Return a pen of one of the palette's colours."""
        return _pen(self.colour(name, alpha), width, style)


def _pen(colour: QColor, width: float, style: Qt.PenStyle) -> QPen:
    """Return a pen whose width does not grow with the plot."""
    pen = QPen(colour, width, style)
    pen.setCosmetic(True)
    return pen


DARK: Final = Theme(
    shade="dark",
    base="#14171c",
    raised="#1f242c",
    edge="#39414d",
    text="#e8eaed",
    dim="#9aa4b1",
    faint="#69737f",
    animals=LIGHTER_ANIMALS,
    outcomes={
        Outcome.SUCCESS: "#2fbf96",
        Outcome.MISS: "#e4a11b",
        Outcome.OMISSION: "#8d97a5",
        Outcome.ABORTED: "#c58ab0",
    },
    light="#f7dc52",
    water="#6ec8f5",
    good="#2fbf96",
    warn="#f0a92b",
    bad="#ff5d5d",
)
LIGHT: Final = Theme(
    shade="light",
    base="#fafafa",
    raised="#ffffff",
    edge="#c9ced6",
    text="#1b1f24",
    dim="#5b6570",
    faint="#939ba4",
    animals=ANIMAL_COLOURS,
    outcomes={
        Outcome.SUCCESS: "#00805f",
        Outcome.MISS: "#a86400",
        Outcome.OMISSION: "#6b7480",
        Outcome.ABORTED: "#9c5688",
    },
    light="#b38f00",
    water="#1f7fb8",
    good="#00805f",
    warn="#a86400",
    bad="#c4161c",
)
THEMES: Final[dict[str, Theme]] = {"dark": DARK, "light": LIGHT}


def apply(application: QApplication, theme: Theme) -> None:
    """Dress the whole application: style, palette, and what plots take as their defaults."""
    application.setStyle("Fusion")
    palette = QPalette()
    roles = QPalette.ColorRole
    named = {
        roles.Window: theme.base,
        roles.Base: theme.raised,
        roles.AlternateBase: theme.base,
        roles.Button: theme.raised,
        roles.ToolTipBase: theme.raised,
        roles.WindowText: theme.text,
        roles.Text: theme.text,
        roles.ButtonText: theme.text,
        roles.ToolTipText: theme.text,
        roles.BrightText: theme.bad,
        roles.Highlight: theme.animals[0],
        roles.HighlightedText: "#ffffff",
        roles.PlaceholderText: theme.dim,
        roles.Mid: theme.edge,
        roles.Dark: theme.edge,
    }
    for role, colour in named.items():
        palette.setColor(role, QColor(colour))
    for role in (roles.WindowText, roles.Text, roles.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(theme.faint))
    application.setPalette(palette)
    application.setStyleSheet(_sheet(theme))
    pg.setConfigOptions(
        background=theme.raised, foreground=theme.dim, antialias=False, imageAxisOrder="row-major", useOpenGL=False
    )


def tab_style(theme: Theme) -> str:
    """Return the style of the small tabs within a panel: the chosen one is underlined, not only coloured."""
    return (
        f"QTabBar::tab {{ padding: 3px 5px; font-size: {LEAST_PT}pt; color: {theme.dim}; "
        f"border-bottom: 2px solid {theme.edge}; }}"
        f"QTabBar::tab:selected {{ color: {theme.text}; border-bottom-color: {theme.text}; }}"
    )


def _sheet(theme: Theme) -> str:
    """Return what a palette cannot say."""
    return f"""
    QToolTip {{ color: {theme.text}; background: {theme.raised}; border: 1px solid {theme.edge}; padding: 3px; }}
    QMainWindow::separator {{ background: {theme.edge}; width: 3px; height: 3px; }}
    QDockWidget {{ font-weight: 600; }}
    QDockWidget::title {{ background: {theme.base}; padding: 3px 6px; }}
    QPushButton {{ border: 1px solid {theme.edge}; border-radius: 4px; padding: 4px 10px; background: {theme.raised}; }}
    QPushButton:hover {{ border-color: {theme.dim}; }}
    QPushButton:pressed {{ background: {theme.edge}; }}
    QPushButton:disabled {{ color: {theme.faint}; }}
    QPushButton#primary:enabled {{ background: {theme.good}; color: {theme.base}; border-color: {theme.good}; }}
    QPushButton:focus, QLineEdit:focus {{ border: 2px solid {theme.animals[0]}; }}
    QLineEdit {{
        border: 1px solid {theme.edge}; border-radius: 4px; padding: 2px 4px; background: {theme.raised};
    }}
    """

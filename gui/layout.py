"""Where panels stand until a person moves them, by how large the window is."""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Final

from PyQt6.QtCore import QCoreApplication, QEvent, Qt
from PyQt6.QtWidgets import QDockWidget, QMainWindow, QTabBar

from gui.panel import Panel

SMALL: Final = (1500, 880)
"""A window that is smaller than this shows fewer panels at once, behind tabs."""
COLUMNS: Final = ("left", "middle", "right")
WIDTHS: Final = {"left": 24, "middle": 40, "right": 36}
LEFT_PX: Final = 340
LEFT_MOST: Final = 34
"""What the buttons and figures of a session need, where that is no more than this share [%] of the width."""
BOTTOM: Final = 0.25
BOTTOM_SMALL: Final = 0.24
"""Share of the height that the strip below gets."""
MOST_PX: Final = 320
"""However large the screen, a strip needs no more."""
BAR: Final = 0.12
"""The same of a strip that only some modes have."""


def is_small(window: QMainWindow) -> bool:
    """Return whether a window has room only for panels behind each other."""
    return window.width() < SMALL[0] or window.height() < SMALL[1]


def is_squeezed(docks: Iterable[QDockWidget]) -> bool:
    """Return whether a dock that can be seen has less room than what is in it needs."""
    seen = [dock for dock in docks if not dock.isFloating() and not dock.visibleRegion().isEmpty()]
    return any(dock.size().expandedTo(dock.minimumSizeHint()) != dock.size() for dock in seen)


def take_tabs_away(window: QMainWindow) -> None:
    """Take away at once the tabs behind which no dock stands any more.

    Qt gives up a tab bar with each change of the layout, but deletes it only when the application comes to its queue
    of events the next time; until then it lies on whatever stands there now.
    """
    for bar in window.findChildren(QTabBar, options=Qt.FindChildOption.FindDirectChildrenOnly):
        QCoreApplication.sendPostedEvents(bar, QEvent.Type.DeferredDelete.value)


def arrange(window: QMainWindow, docks: Mapping[str, QDockWidget], panels: Mapping[str, Panel], mode: str) -> None:
    """Put every dock into its column: three side by side, and a strip below all of them.

    In a small window the panels of a column stand behind each other.
    """
    small = is_small(window)
    for dock in docks.values():
        window.removeDockWidget(dock)
    columns = [members for column in COLUMNS if (members := _of(column, panels, mode))]
    strips = _strips(_of("bottom", panels, mode), panels)
    corner = docks[columns[0][0]]
    window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, corner)
    rows = [corner, *(docks[strip[0]] for strip in strips)]
    # Rows first, then what stands beside each other in a row, then what stands below: a split divides one place only.
    for upper, lower in pairwise(rows):
        window.splitDockWidget(upper, lower, Qt.Orientation.Vertical)
    tops = [docks[members[0]] for members in columns]
    for left, right in pairwise(tops):
        window.splitDockWidget(left, right, Qt.Orientation.Horizontal)
    for members in columns:
        _join(window, [docks[name] for name in members], Qt.Orientation.Vertical, behind=small)
    for strip in strips:
        _join(window, [docks[name] for name in strip], Qt.Orientation.Horizontal, behind=small)
    for dock in docks.values():
        dock.setVisible(any(dock is docks[name] for group in (*columns, *strips) for name in group))
    for group in (*columns, *strips):
        docks[group[0]].raise_()
    _give_sizes(window, docks, panels, columns, strips, small=small)


def _strips(members: list[str], panels: Mapping[str, Panel]) -> list[list[str]]:
    """Return the rows below the columns: what only some modes have gets a row of its own."""
    special = [name for name in members if panels[name].modes]
    usual = [name for name in members if name not in special]
    return [[name] for name in special] + ([usual] if usual else [])


def _join(window: QMainWindow, docks: list[QDockWidget], along: Qt.Orientation, *, behind: bool) -> None:
    """Put docks beside, below or behind each other, in the place of the first."""
    for one, next_one in pairwise(docks):
        if behind:
            window.tabifyDockWidget(one, next_one)
        else:
            window.splitDockWidget(one, next_one, along)


def _give_sizes(
    window: QMainWindow,
    docks: Mapping[str, QDockWidget],
    panels: Mapping[str, Panel],
    columns: list[list[str]],
    strips: list[list[str]],
    *,
    small: bool,
) -> None:
    """Share the window's width and height out."""
    width, height = max(1, window.width()), max(1, window.height())
    shares = [BAR if panels[strip[0]].modes else BOTTOM_SMALL if small else BOTTOM for strip in strips]
    rows = [docks[columns[0][0]], *(docks[strip[0]] for strip in strips)]
    below = [min(MOST_PX, round(height * share)) for share in shares]
    heights = [height - sum(below), *below]
    window.resizeDocks(rows, heights, Qt.Orientation.Vertical)
    tops = [members[0] for members in columns]
    left = max(WIDTHS["left"] * width // 100, min(LEFT_PX, LEFT_MOST * width // 100))
    others = (width - left) / (100 - WIDTHS["left"])
    widths = [left if (area := panels[name].area) == "left" else round(WIDTHS[area] * others) for name in tops]
    window.resizeDocks([docks[name] for name in tops], widths, Qt.Orientation.Horizontal)
    if small:
        return
    for members in columns:
        stretches = [panels[name].stretch * heights[0] // sum(panels[m].stretch for m in members) for name in members]
        window.resizeDocks([docks[name] for name in members], stretches, Qt.Orientation.Vertical)
    for strip in strips:
        stretches = [panels[name].stretch * width // sum(panels[m].stretch for m in strip) for name in strip]
        window.resizeDocks([docks[name] for name in strip], stretches, Qt.Orientation.Horizontal)


def _of(area: str, panels: Mapping[str, Panel], mode: str) -> list[str]:
    """Return the panels of an area that are of use in this mode, topmost first."""
    chosen = [panel for panel in panels.values() if panel.area == area and panel.is_useful(mode)]
    return [panel.name for panel in sorted(chosen, key=lambda panel: panel.order)]

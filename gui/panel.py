"""What every panel of the window is: one widget per file in ``gui/panels``, found by walking that folder.

A panel draws what the :class:`~gui.scene.Scene` holds. It is told when a session begins (:meth:`Panel.anew`) and, as
often as it asks for and only while it can be seen, to draw (:meth:`Panel.refresh`). What a person asks through it, it
says with the signal ``asked``; it talks to nobody itself.
"""

import importlib
import pkgutil
from collections.abc import Callable
from typing import ClassVar, Final, Literal

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QWidget

from gui.scene import Scene
from gui.theme import Theme

Area = Literal["left", "middle", "right", "bottom"]


class Panel(QWidget):
    """One dockable panel.

    Parameters
    ----------
    scene
        What there is to see.
    theme
        How it looks; the window makes panels anew when the theme changes.

    Attributes
    ----------
    asked
        Emitted with a :class:`~controller.messages.Request`, or a ``Steer`` or ``Choice`` whose number is 0.
    name
        A word for layouts, tests and the command line.
    title
        As its dock shows it.
    area, order
        Where it stands until a person moves it: the column, and how high in it (lower numbers first).
    stretch
        Its share of its column's height.
    rate_hz
        How often it is drawn at most.
    key
        The shortcut that brings it to the front.
    modes
        In which modes it is of use, such as "REPLAY"; empty for every one.
    """

    asked = pyqtSignal(object)
    name: ClassVar[str]
    title: ClassVar[str]
    area: ClassVar[Area]
    order: ClassVar[int] = 0
    stretch: ClassVar[int] = 1
    rate_hz: ClassVar[float] = 4.0
    key: ClassVar[str] = ""
    modes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, scene: Scene, theme: Theme) -> None:
        super().__init__()
        self.scene = scene
        self.theme = theme

    @classmethod
    def is_useful(cls, mode: str) -> bool:
        """Return whether there is something to see in it in a mode."""
        return not cls.modes or mode in cls.modes

    def anew(self) -> None:
        """Begin with an empty sheet: another session, or another moment of a log."""

    def refresh(self) -> None:
        """Draw what has changed since the last time; does nothing where nothing has."""

    def unsent(self) -> str:
        """Return what a person has written here and not sent yet, in a few words such as ``the note``; else nothing.

        The window is not made anew while there is such a thing.
        """
        return ""

    def hand_over_keys(self) -> list[tuple[str, Callable[[], object]]]:
        """Return the panel's shortcuts and what they do, and listen to them no more.

        The window listens in its place: a panel that stands behind another one hears no keys.
        """
        return []

    def help(self) -> list[tuple[str, str]]:
        """Return the panel's own shortcuts and what they do."""
        return []


_PACKAGE: Final = "gui.panels"


def find_panels() -> list[type[Panel]]:
    """Return every panel in ``gui/panels``, in the order of their areas."""
    package = importlib.import_module(_PACKAGE)
    found: list[type[Panel]] = []
    for module in pkgutil.iter_modules(package.__path__):
        members = vars(importlib.import_module(f"{_PACKAGE}.{module.name}")).values()
        found += [
            member
            for member in members
            if isinstance(member, type) and issubclass(member, Panel) and member.__module__.endswith(module.name)
        ]
    return sorted(found, key=lambda panel: (panel.area, panel.order, panel.name))

"""What the window remembers from one time to the next: where it stood, its panels' layout, its colours, its zoom.

Nothing in the file is trusted: what cannot be read is as if it had never been written.
"""

from typing import Final

from PyQt6.QtCore import QByteArray, QSettings

from gui.zoom import STEPS

GEOMETRY: Final = "geometry"
THEME: Final = "theme"
LAYOUTS: Final = "layouts"
SMALL: Final = "-small"
"""Ends the name of the layout that small windows have: what fits into a large one would be squeezed there."""
ZOOM: Final = "zoom"


class Remembered:
    """The window's memory.

    Parameters
    ----------
    settings
        Where it is kept; None remembers nothing when the window is closed.
    """

    def __init__(self, settings: QSettings | None) -> None:
        self._settings = settings
        self._layouts: dict[str, QByteArray] = {}

    @property
    def theme(self) -> str:
        """The colours that the window had last; empty where that is not known."""
        said = self._read(THEME)
        return said if isinstance(said, str) else ""

    @property
    def zoom(self) -> float | None:
        """How large a person had everything drawn, one of :data:`gui.zoom.STEPS`; None where nobody has said."""
        said = self._read(ZOOM)
        return next((step for step in STEPS if isinstance(said, str) and said == f"{step:g}"), None)

    @property
    def geometry(self) -> QByteArray | None:
        """Where the window stood."""
        said = self._read(GEOMETRY)
        return said if isinstance(said, QByteArray) else None

    def layout(self, name: str, *, small: bool) -> QByteArray | None:
        """Return how panels stood in the layout ``name`` of a small window, or of a large one."""
        called = _called(name, small=small)
        said = self._layouts.get(called) or self._read(f"{LAYOUTS}/{called}")
        return said if isinstance(said, QByteArray) else None

    def keep_layout(self, name: str, layout: QByteArray, *, small: bool) -> None:
        """Remember how panels stand in the layout ``name`` of a small window, or of a large one."""
        self._layouts[_called(name, small=small)] = layout

    def keep_theme(self, shade: str) -> None:
        """Remember the window's colours."""
        if self._settings is not None:
            self._settings.setValue(THEME, shade)

    def keep_zoom(self, zoom: float) -> None:
        """Remember how large everything is to be drawn."""
        if self._settings is not None:
            self._settings.setValue(ZOOM, f"{zoom:g}")

    def write(self, geometry: QByteArray) -> None:
        """Write down where the window stands, and all layouts that it has had."""
        if self._settings is None:
            return
        self._settings.setValue(GEOMETRY, geometry)
        for name, layout in self._layouts.items():
            self._settings.setValue(f"{LAYOUTS}/{name}", layout)
        self._settings.sync()

    def _read(self, key: str) -> object:
        if self._settings is None:
            return None
        try:
            said: object = self._settings.value(key)
        except TypeError:  # a value of a kind that Qt cannot read
            return None
        return said


def _called(name: str, *, small: bool) -> str:
    return name + SMALL if small else name

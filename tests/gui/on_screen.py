"""The window on the screen that the environment names: draws it, measures it, and writes what it found as JSON.

``python -m tests.gui.on_screen ENDPOINT PICTURE THEME SETTINGS [X Y WIDTH HEIGHT]``
"""

import json
import sys
import time

from PyQt6.QtCore import QPoint, QRect, QSettings
from PyQt6.QtWidgets import QAbstractButton, QApplication, QDockWidget, QLabel, QWidget

from gui.link import Link
from gui.parts.elided import Elided
from gui.window import MainWindow

LATEST_S = 60.0
POINTS_PER_INCH = 72.0
DOTS_PER_INCH = 96.0
BANNER = ("word", "session", "subjects", "state", "time", "sentence", "stop")


def main(endpoint: str, picture: str, theme: str, settings: str, *place: str) -> None:
    """Open, draw, measure."""
    application = QApplication(["duetto"])
    link = Link(endpoint)
    kept = QSettings(settings, QSettings.Format.IniFormat) if settings else None
    window = MainWindow(application, link, kept, theme)
    if place:
        window.setGeometry(*map(int, place))
    window.show()
    window.start()
    until_s = time.monotonic() + LATEST_S
    while not window.complete_ns and time.monotonic() < until_s:
        settle(application, window)
    for _ in range(10):
        settle(application, window)
    window.grab().save(picture)
    found = measured(application, window)  # before it is closed: what is hidden is nowhere
    window.close()
    sys.stdout.write(json.dumps(found) + "\n")


def settle(application: QApplication, window: MainWindow) -> None:
    """Draw once."""
    application.processEvents()
    window.draw_all()
    time.sleep(0.01)  # the thread of the link must have its turn


def measured(application: QApplication, window: MainWindow) -> dict[str, object]:
    """Return where everything is."""
    docks = window.findChildren(QDockWidget)
    front = [dock for dock in docks if dock.isVisible() and not dock.visibleRegion().isEmpty()]
    return {
        "platform": application.platformName(),
        "ratio": window.devicePixelRatio(),
        "place": list(window.geometry().getRect()),
        "window": [window.width(), window.height()],
        "panels": sorted(window.panels),
        "docks": {dock.objectName(): where(window, dock, dock.minimumSizeHint()) for dock in front},
        "behind": [dock.objectName() for dock in docks if dock not in front and window.tabifiedDockWidgets(dock)],
        "banner": {name: where(window, part := getattr(window.banner, name), needed(part)) for name in BANNER},
        "letters": letters(window),
    }


def needed(part: QWidget) -> object:
    """Return the room that a part of the banner needs; what is shortened on purpose needs little."""
    return part.minimumSizeHint() if isinstance(part, Elided) else part.sizeHint()


def where(window: QWidget, part: QWidget, least: object) -> list[int]:
    """Return x, y, width and height within the window, and the least width and height."""
    at = QRect(part.mapTo(window, QPoint(0, 0)), part.size())
    return [at.x(), at.y(), at.width(), at.height(), least.width(), least.height()]  # type: ignore[attr-defined]


def letters(window: QWidget) -> dict[str, float]:
    """Return how large the words of labels, buttons and plots are [points]."""
    found = {}
    for part in [*window.findChildren(QLabel), *window.findChildren(QAbstractButton)]:
        text = part.text()
        if text and part.isVisible() and not part.visibleRegion().isEmpty():
            points = part.fontInfo().pixelSize() * POINTS_PER_INCH / DOTS_PER_INCH
            found[text[:40]] = min(points, found.get(text[:40], points))
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])

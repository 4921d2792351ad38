"""Whole windows on a real server: nothing between the log and the panels is left out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QSettings
from PyQt6.QtWidgets import QApplication

from controller.bus import Addresses, make_folder, remove_folder
from controller.messages.view import Steer
from controller.viewing.logged import Logged
from gui.link import Link
from gui.window import MainWindow
from tests.controller.serving import served
from tests.gui.conftest import let_go


@contextmanager
def place() -> Iterator[str]:
    """An address at which a server can be started, and started again."""
    folder = make_folder()
    try:
        yield Addresses(folder).view
    finally:
        remove_folder(folder)


@contextmanager
def logged_at(session: Path, at_s: float) -> Iterator[Logged]:
    """The feed of a recorded session, standing at a moment, with all that its log says of it."""
    logged = Logged(session, prove=False)
    try:
        logged.steer(Steer(0, "seek", at_s))
        while not logged.looked_through:
            logged.news()
        yield logged
    finally:
        logged.close()


@contextmanager
def replayed(session: Path, at_s: float) -> Iterator[str]:
    """Where a recorded session is served that stands at a moment."""
    with logged_at(session, at_s) as logged, place() as address, served(logged, address):
        yield address


@contextmanager
def opened(
    address: str | None, settings: Path | None = None, size: tuple[int, int] = (1600, 1000), theme: str = "dark"
) -> Iterator[MainWindow]:
    """A window; its clock stands, so that it draws when it is told to."""
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    link = None if address is None else Link(address)
    kept = None if settings is None else QSettings(str(settings), QSettings.Format.IniFormat)
    window = MainWindow(application, link, kept, theme)
    try:
        window.resize(*size)
        window.show()
        window.start()
        window._timer.stop()  # ticks are the test's
        yield window
    finally:
        window.close()
        window.deleteLater()
        application.processEvents()
        let_go()


def turned(qtbot: Any, window: MainWindow, condition: Callable[[], object], timeout_ms: int = 20_000) -> None:
    """Draw until something has come true."""

    def once() -> bool:
        window.draw_all()
        return bool(condition())

    qtbot.waitUntil(once, timeout=timeout_ms)


def complete(qtbot: Any, window: MainWindow) -> None:
    """Draw until the window knows everything, and has found its sizes."""
    turned(qtbot, window, lambda: window.complete_ns)
    for _ in range(8):
        QApplication.processEvents()
        window.draw_all()

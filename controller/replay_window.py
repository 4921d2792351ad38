"""The window on a recorded session: a server of its log, and the window's process."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from controller.bus import Addresses, Bus, make_folder, remove_folder
from controller.messages import Answer
from controller.messages.view import Steer
from controller.replay import REPLAY_NAME, say_where
from controller.viewing.logged import Logged
from controller.viewing.server import Server
from controller.window import Look, close_window, has_display, open_window
from realtime.errors import DuettoError
from realtime.records import NS_PER_S

INTERRUPTED: Final = 130
HURRIED_S: Final = 0.001
"""Between looks into a log that is not looked through yet."""


class NoDisplayError(DuettoError):
    """There is no screen for the window."""


class BeyondEndError(DuettoError):
    """The moment that was asked for is not within the log."""


class _Shown:
    """A replay that is served, and its window.

    Parameters
    ----------
    logged
        The recording, standing where it shall begin.
    screenshot
        Where the one picture goes; None opens a window that plays.
    size
        Of the window [px]; None as it was last.
    """

    def __init__(
        self, bus: Bus, folder: Path, logged: Logged, screenshot: Path | None, size: tuple[int, int] | None
    ) -> None:
        self._logged, self._plays = logged, screenshot is None
        address = Addresses(folder).view
        self._server = Server(bus, logged, address)
        at_s = None if screenshot is None else (logged.moment_ns() - logged.opening.start_ns) / NS_PER_S
        self._look = Look(address, screenshot=screenshot, at_s=at_s, size=size)

    def run(self, until: Callable[[], bool]) -> int:
        """Serve until the window has closed or it is enough; return the window's exit status."""
        window = open_window(self._look)
        try:
            while window.poll() is None:
                if until():
                    return INTERRUPTED
                self._server.turn(None if self._logged.looked_through else HURRIED_S)
                if self._plays and self._server.viewers:
                    self._plays = False
                    self._logged.ask(Steer(0, "play"), _nobody_asked)
            return window.wait()
        finally:
            close_window(window)


def _nobody_asked(_: Answer) -> None:
    """Take the answer to what no person has asked."""


def _say(sentence: str) -> None:
    """Say something where whoever has started the window reads it."""
    sys.stderr.write(f"{sentence}\n")


def show_replay(
    session: Path,
    *,
    speed: float = 1.0,
    at_s: float | None = None,
    screenshot: Path | None = None,
    size: tuple[int, int] | None = None,
    until: Callable[[], bool] = lambda: False,
    said: Callable[[str], None] = _say,
) -> int:
    """Open the window on a recorded session and return its exit status when it is closed.

    While it is open, ``replay.json`` in the session's folder says where other windows can watch it; in a folder that
    cannot be written to it does not, and that is said.

    Parameters
    ----------
    session
        The session's folder, or its log.
    speed
        Times as fast as then, 0.1 to 50.
    at_s
        Where it begins [s since the log's beginning]; there, or of a picture at its end, where it is None.
    screenshot
        Draw that moment into this file, without a display, and end.
    size
        Width and height of the window [px]; None as it was last.
    until
        Whether it is enough.
    said
        Called with what people should know of it; says it on standard error where nothing else is given.

    Raises
    ------
    NoDisplayError
        If there is no screen, and no picture was asked for.
    BeyondEndError
        If the log is not that long.
    StillRunningError, NotReplayableError, LogError, PlanError, RigFileError
        If the log cannot be shown.
    """
    if screenshot is None and not has_display():
        raise NoDisplayError(
            "there is no display for the window: play the session to other programs with --headless, draw a moment "
            "of it into a file with --screenshot FILE --at S, or watch it from another computer"
        )
    logged = Logged(session, speed=speed)
    folder = make_folder()
    place = (session.parent if session.is_file() else session) / REPLAY_NAME
    try:
        _begin(logged, at_s, screenshot, until)
        with Bus() as bus:
            shown = _Shown(bus, folder, logged, screenshot, size)
            if hidden := say_where(place.parent, {"pid": os.getpid(), "view": Addresses(folder).view}):
                said(hidden)
            return shown.run(until)
    finally:
        logged.close()
        with suppress(OSError):
            place.unlink(missing_ok=True)
        remove_folder(folder)


def _begin(logged: Logged, at_s: float | None, screenshot: Path | None, until: Callable[[], bool]) -> None:
    """Go to where the replay begins; for a picture, look through all of the log first."""
    if at_s is not None and not 0.0 <= at_s <= logged.length_s:
        raise BeyondEndError(
            f"the log lasts {logged.length_s:.1f} s: {at_s:g} s is not within it; --at counts from the log's beginning"
        )
    if screenshot is not None and at_s is None:
        at_s = logged.length_s
    if at_s is not None:
        logged.steer(Steer(0, "seek", at_s))
    while screenshot is not None and not logged.looked_through and not until():
        logged.news()

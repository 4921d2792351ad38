"""The application: connects, opens the window, draws it into a file where that is all that is asked."""

import argparse
import os
import re
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final

from PyQt6.QtCore import QSettings, QtMsgType, qInstallMessageHandler
from PyQt6.QtWidgets import QApplication

from gui import zoom
from gui.keys import keys_from
from gui.link import Link, LinkError
from gui.memory import give_back_regularly
from gui.remembered import Remembered
from gui.report import write_report
from gui.window import MainWindow, screen_size
from realtime.errors import DuettoError
from realtime.records import NS_PER_S

SIZE: Final = (1600, 1000)
SMALLEST, LARGEST = 320, 8192
"""Of a window's width and height [px]."""
STEP_S: Final = 0.02
SEEK_S: Final = 60.0
"""How long a replay may take to come to the moment that is to be drawn."""
SETTLE: Final = 8
"""Drawings until layouts have found their sizes."""
NOISE: Final = "propagateSizeHints"
NEAR_NS: Final = NS_PER_S // 2


class NobodyAnswers(DuettoError):
    """Where the session should be, nobody answers."""


class NoScreenshot(DuettoError):
    """The picture could not be made."""


class NoSize(DuettoError):
    """What was given as the window's size is none."""


def settings_file() -> QSettings:
    """Return where layout and theme are remembered: a file in the user's folder of settings."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return QSettings(str(Path(base) / "duetto" / "window.ini"), QSettings.Format.IniFormat)


def run(arguments: argparse.Namespace, deadline_s: float) -> int:
    """Open the window on a session and return the exit status when it is closed.

    Parameters
    ----------
    arguments
        Those of ``gui.__main__``.
    deadline_s
        Until when the session must have said something, by the monotonic clock [s].

    Raises
    ------
    LinkError, NobodyAnswers, NoScreenshot, NoSize, NotStartedAgain
        As their names say.
    """
    size = _size(arguments.size)
    picture = arguments.screenshot is not None
    settings = None if picture else settings_file()
    application = application_for(settings)
    link = Link(arguments.endpoint, keys_from(arguments.keys, arguments.server_key))
    try:
        await_first(link, deadline_s)
        qInstallMessageHandler(_quietly)
        window = MainWindow(application, link, settings, arguments.theme)
        window.resize(*size)
        if picture:
            return _draw_into(window, application, arguments.screenshot, arguments.at)
        _let_go_of_terminal()
        sys.excepthook = outlive(window)
        if arguments.at is not None:
            window.seek(arguments.at)
        window.show()
        window.start()
        give_back_regularly(window)
        if arguments.report is not None:
            write_report(window, arguments.report)
        status = application.exec()
    finally:
        link.close()
    if window.wanted_zoom is not None:
        zoom.start_again(window.wanted_zoom, has_begun=True)
    return status


def application_for(settings: QSettings | None) -> QApplication:
    """Return Qt's application, which draws as large as a person chose last, or else as suits the screen.

    What suits the screen is known only when Qt has started: where that is another size, the process starts again in it.
    """
    there = QApplication.instance()
    if isinstance(there, QApplication):
        return there
    remembered = Remembered(settings).zoom
    if remembered is not None and not zoom.is_chosen():
        zoom.put_on(remembered)
    application = QApplication(["duetto"])
    screen = QApplication.primaryScreen()
    if settings is None or screen is None:
        return application
    room, now = screen_size(screen), zoom.current()
    wanted = now
    if not zoom.is_chosen() and not zoom.has_own_scale():
        wanted = zoom.suiting(room, screen.devicePixelRatio())
    elif now > zoom.PLAIN and not zoom.fits(now, room):
        wanted = zoom.PLAIN
    if wanted != now:
        zoom.start_again(wanted, has_begun=False)
    return application


def _quietly(kind: QtMsgType, _context: object, message: str | None) -> None:
    """Pass on what Qt has to say, but for what it says of every window that is drawn into memory."""
    if message is not None and NOISE not in message and kind != QtMsgType.QtDebugMsg:
        sys.stderr.write(f"duetto: {message}\n")


Hook = Callable[[type[BaseException], BaseException, TracebackType | None], None]


def outlive(window: MainWindow) -> Hook:
    """Return what shall become of an error that Qt meets, in a panel's painting say.

    It is told in the window and written down, the first time: what comes again, comes with every drawing.
    """
    known: set[str] = set()

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        where = "".join(traceback.format_exception(kind, error, trace))
        if where not in known:
            known.add(where)
            sys.stderr.write(where)
            window.tell(f"something in this window failed ({kind.__name__}: {error}); all else goes on", warn=True)

    return hook


def _let_go_of_terminal() -> None:
    """Write into a file from now on: whoever reads the terminal's command must not wait for the window."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "duetto"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        target = os.open(folder / "window.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    except OSError:
        target = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(target, stream.fileno())
    os.close(target)


def await_first(link: Link, deadline_s: float) -> None:
    """Wait for a session's first word.

    Raises
    ------
    NobodyAnswers
        None came until ``deadline_s``.
    LinkError
        The session refuses.
    """
    while not link.contact.anew:
        if link.contact.refusal:
            raise LinkError(link.contact.refusal)
        if time.monotonic() > deadline_s:
            raise NobodyAnswers(f"nobody answers at {link.endpoint}; is the session still running?")
        time.sleep(STEP_S)


def _size(text: str) -> tuple[int, int]:
    if not text:
        return SIZE
    written = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", text)
    size = (int(written[1]), int(written[2])) if written else (0, 0)
    if not all(SMALLEST <= length <= LARGEST for length in size):
        raise NoSize(f"{text!r} is no size; write it as 1600x1000, each from {SMALLEST} to {LARGEST}")
    return size


def _draw_into(window: MainWindow, application: QApplication, path: Path, at_s: float | None) -> int:
    """Draw the window once, at a moment of a replay if one is asked for."""
    if at_s is not None:
        window.seek(at_s)
    window.show()
    window.arrange()
    until_s = time.monotonic() + SEEK_S
    while not _is_there(window, at_s):
        if time.monotonic() > until_s:
            raise NoScreenshot(f"the replay did not come to {at_s:g} s within {SEEK_S:g} s; is the session that long?")
        window.tick()
        application.processEvents()
        time.sleep(STEP_S)
    window.arrange()
    for _ in range(SETTLE):
        window.draw_all()
        application.processEvents()
    if not window.grab().save(str(path)):
        raise NoScreenshot(f"{path} cannot be written; name a .png file in a folder that exists")
    sys.stdout.write(f"{path}\n")
    window.close()
    return 0


def _is_there(window: MainWindow, at_s: float | None) -> bool:
    """Return whether everything has come that the picture needs."""
    scene = window.scene
    if scene.opening is None and scene.setup is None:
        return False
    if at_s is None:
        return True
    playhead = scene.playhead
    if playhead is None or scene.opening is None:
        return False
    wanted_ns = min(playhead.begin_ns + round(at_s * NS_PER_S), playhead.end_ns)
    return abs(playhead.t_ns - wanted_ns) < NEAR_NS and playhead.settled

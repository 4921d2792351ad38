"""Whether a window can be opened here, found out before Qt is asked: Qt itself would end the process without a word.

Knows no Qt: it must work where Qt's libraries are missing.
"""

import ctypes
import importlib.util
import os
import re
import socket
import sys
from pathlib import Path
from typing import Final

from realtime.errors import DuettoError

PACKAGES: Final = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libdbus-1.so.3": "libdbus-1-3",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libxcb.so.1": "libxcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}
"""Debian's and Ubuntu's packages, by the library that is missing."""
ALL: Final = (
    "libgl1 libegl1 libglib2.0-0 libxkbcommon0 libfontconfig1 libdbus-1-3 fonts-dejavu-core libxcb-cursor0 "
    "libxcb-icccm4 libxcb-keysyms1 libxcb-image0 libxcb-render-util0 libxcb-shape0 libxcb-xkb1 libxkbcommon-x11-0"
)


class DisplayError(DuettoError):
    """No window can be opened here."""


class LibraryMissing(DisplayError):
    """A system library that Qt needs is missing."""


class NoDisplay(DisplayError):
    """There is no screen."""


def check(*, offscreen: bool) -> None:
    """Find out whether a window can be opened.

    Parameters
    ----------
    offscreen
        Whether it is only drawn into memory.

    Raises
    ------
    LibraryMissing, NoDisplay
        As their names say.
    """
    if sys.platform != "linux":
        return
    _check_import()
    platform = os.environ.get("QT_QPA_PLATFORM", "")
    if offscreen or platform in ("offscreen", "minimal", "vnc"):
        return
    x_display, wayland = os.environ.get("DISPLAY", ""), os.environ.get("WAYLAND_DISPLAY", "")
    if not (x_display or wayland):
        raise NoDisplay(
            "there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set); start it on a desktop, use ssh -X, "
            "draw into a file with --screenshot, or watch from another computer with 'duetto monitor'"
        )
    if platform not in ("", "xcb") or (wayland and platform == "" and _answers(wayland)):
        return  # Qt has been told what to draw on, or draws on Wayland
    if not x_display:
        raise NoDisplay(_says_dead(wayland))
    _check_plugin()
    _check_server(x_display)


def _check_import() -> None:
    """Load Qt's own libraries."""
    try:
        importlib.import_module("PyQt6.QtWidgets")
    except ModuleNotFoundError as error:
        raise LibraryMissing(
            f"the window needs the Python package {(error.name or 'PyQt6').partition('.')[0]}, which is not installed "
            "here; install it: python -m pip install 'PyQt6>=6.7,<7'"
        ) from error
    except ImportError as error:
        raise LibraryMissing(_says_missing(str(error))) from error


def _answers(wayland: str) -> bool:
    """Return whether somebody listens at a Wayland display."""
    place = Path(os.environ.get("XDG_RUNTIME_DIR", "/")) / wayland  # an absolute path stays itself
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        try:
            trial.connect(str(place))
        except OSError:
            return False
    return True


def _check_plugin() -> None:
    """Load what draws on an X display."""
    found = importlib.util.find_spec("PyQt6")
    if found is None or found.origin is None:
        return
    plugin = Path(found.origin).parent / "Qt6" / "plugins" / "platforms" / "libqxcb.so"
    if not plugin.exists():
        return  # a Qt of the system's own, which knows what it needs
    try:
        ctypes.CDLL(str(plugin))
    except OSError as error:
        raise LibraryMissing(_says_missing(str(error))) from error


def _check_server(display: str) -> None:
    """Connect to the X display and let go of it."""
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError as error:
        raise LibraryMissing(_says_missing(str(error))) from error
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(None, None))
    failed = xcb.xcb_connection_has_error(connection)
    xcb.xcb_disconnect(connection)
    if failed:
        raise NoDisplay(_says_dead(display))


def _says_dead(display: str) -> str:
    return f"the display {display} cannot be opened; is its server running, and may this user use it?"


def _says_missing(words: str) -> str:
    """Return the sentence about a library that could not be loaded, with the one line that installs it."""
    named = re.match(r"(\S+\.so[.\d]*): cannot open shared object file", words)
    if named is None:
        return f"Qt's libraries cannot be loaded here ({words}); those it needs: sudo apt-get install {ALL}"
    library = named.group(1)
    package = PACKAGES.get(library)
    install = package if package is not None else ALL
    return f"the window needs {library}, which this system lacks; install it: sudo apt-get install {install}"

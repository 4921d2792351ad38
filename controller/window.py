"""Opening a window: a process of its own, which nothing waits for and nothing depends on."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from realtime.errors import DuettoError

CLOSE_S: Final = 10.0
"""How long a window that was asked to close may take."""
ROOT: Final = Path(__file__).resolve().parent.parent


class NoSizeError(DuettoError):
    """What was given as a window's size is none."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a window opens.

    Attributes
    ----------
    endpoint
        Where the session's viewers connect.
    server_key
        The session's public key, for a session on another computer.
    screenshot
        Draw once into this file, without a display, and close.
    at_s
        Of a replay: the moment to show first [s].
    size
        Width and height [px]; None as it was last.
    theme
        "dark" or "light"; empty as it was last.
    """

    endpoint: str
    server_key: str = ""
    screenshot: Path | None = None
    at_s: float | None = None
    size: tuple[int, int] | None = None
    theme: str = ""


def size_from(text: str) -> tuple[int, int]:
    """Return the width and height [px] that ``text`` says, such as ``1600x1000``.

    Raises
    ------
    NoSizeError
        If it says none; how small and how large windows may be, the window knows.
    """
    written = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", text)
    if written is None:
        raise NoSizeError(f"{text!r} is no size; write it as 1600x1000")
    return int(written[1]), int(written[2])


def has_display() -> bool:
    """Return whether windows can be seen here."""
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _command(look: Look) -> list[str]:
    words = [sys.executable, "-m", "gui", look.endpoint]
    if look.server_key:
        words += ["--server-key", look.server_key]
    if look.screenshot is not None:
        words += ["--screenshot", str(look.screenshot.resolve())]
    if look.at_s is not None:
        words += ["--at", repr(look.at_s)]
    if look.size is not None:
        words += ["--size", f"{look.size[0]}x{look.size[1]}"]
    if look.theme:
        words += ["--theme", look.theme]
    return words


def open_window(look: Look) -> "subprocess.Popen[bytes]":
    """Start a window in a process group of its own, so that the terminal's Ctrl-C does not close it.

    What it cannot do it says on standard error, and ends with a status that is not 0.
    """
    return subprocess.Popen(
        _command(look), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
    )


def close_window(window: "subprocess.Popen[bytes]") -> None:
    """See to it that a window's process has ended."""
    if window.poll() is None:
        window.terminate()
        try:
            window.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            window.kill()
            window.wait()


def show_window(look: Look) -> int:
    """Open a window, wait until it is closed, and return its exit status; Ctrl-C closes it."""
    with subprocess.Popen(_command(look), cwd=ROOT, stdin=subprocess.DEVNULL) as window:
        try:
            return window.wait()
        except KeyboardInterrupt:
            window.terminate()
            return window.wait()

"""Memory that is free again goes back to the system, every few seconds.

What comes is taken from the system in the link's thread and in ZeroMQ's, and given up in the window's. glibc keeps what
was given up, in a heap of each thread, up to a bound that it raises by itself to twice the largest array that was ever
freed: megabytes where a minute of frames is held. So a window would stay for hours as large as it was once, when it was
given everything: with 2 × 500 cells at 30 Hz some 30 MB larger than it need be, and more each time everything comes
anew. Asked for it, glibc gives back every page that nothing stands on. That takes a few tenths of a millisecond, and
two or three where there are tens of megabytes to give back. What Python itself keeps for small objects stays.
"""

import ctypes
import sys
from collections.abc import Callable
from typing import Final

from PyQt6.QtCore import QObject, QTimer

EVERY_MS: Final = 10_000


def give_back_regularly(owner: QObject) -> QTimer | None:
    """Let what is free go back to the system every :data:`EVERY_MS`, as long as ``owner`` lives.

    Returns the clock that does it; None where the C library is not glibc: nothing can be asked of others, and musl, for
    one, keeps little by itself.
    """
    trim = _trim()
    if trim is None:
        return None
    timer = QTimer(owner)
    timer.timeout.connect(lambda: trim(0))
    timer.start(EVERY_MS)
    return timer


def _trim() -> Callable[[int], int] | None:
    """Return glibc's ``malloc_trim(pad)``, see malloc_trim(3); None in other C libraries."""
    if not sys.platform.startswith("linux"):
        return None
    trim: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim

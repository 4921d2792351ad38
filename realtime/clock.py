"""The session clock: the host's monotonic clock in integer nanoseconds.

Kernels never read it: time is an argument. These two functions are for the processes' edges.
"""

import time
from typing import Final

from realtime.records import NS_PER_S

CLOCK_MONOTONIC: Final = time.CLOCK_MONOTONIC


def now_ns() -> int:
    """Return the session clock's reading now, the same clock that the compiled loop reads."""
    return time.clock_gettime_ns(CLOCK_MONOTONIC)


def from_seconds(seconds: float) -> int:
    """Return ``seconds`` as integer nanoseconds, rounded to the nearest."""
    return round(seconds * NS_PER_S)


def to_seconds(nanoseconds: int) -> float:
    """Return integer nanoseconds as seconds, for screens and files only."""
    return nanoseconds / NS_PER_S

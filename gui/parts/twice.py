"""A click that must be meant: it counts only when it is repeated, not at once and not too late."""

from typing import Final

from realtime.records import NS_PER_MS, NS_PER_S

LATEST_NS: Final = 3 * NS_PER_S
EARLIEST_NS: Final = 300 * NS_PER_MS
"""The second click of a double-click comes sooner, and is not a second thought."""


class Twice:
    """Tells the second click from the first. Times are this computer's clock as it was last drawn [ns]."""

    def __init__(self) -> None:
        self._first_ns: int | None = None

    def click(self, local_ns: int) -> bool:
        """Take a click; return whether it was the second."""
        if not self.waits(local_ns) or self._first_ns is None:
            self._first_ns = local_ns
            return False
        if local_ns - self._first_ns < EARLIEST_NS:
            return False
        self._first_ns = None
        return True

    def waits(self, local_ns: int) -> bool:
        """Return whether a second click is waited for."""
        return self._first_ns is not None and 0 <= local_ns - self._first_ns <= LATEST_NS

    def forget(self) -> None:
        """Wait for nothing."""
        self._first_ns = None

"""The pings that keep the reference board's watchdog fed, show that it still answers, and map its clock."""

from typing import Final

from hardware.board import requests as ask
from hardware.clock_map import ClockMap
from realtime.records import NEVER_NS

MAX_MISSED: Final = 3


class KeepAlive:
    """The pings of one board; at most one is under way.

    Parameters
    ----------
    clock
        Learns from every answer in time.
    every_ns
        Time between pings.

    Attributes
    ----------
    due_ns
        When the next one is due, or NEVER_NS.
    missed, late
        Pings so far that had no answer before the next one; answers so far that were too late to be one to it.
    """

    __slots__ = ("_clock", "_every_ns", "_in_a_row", "_sent_ns", "_tag", "due_ns", "late", "missed")

    def __init__(self, clock: ClockMap, every_ns: int) -> None:
        self._clock = clock
        self._every_ns = every_ns
        self._tag = 0
        self._sent_ns: int | None = None
        self._in_a_row = 0
        self.due_ns = NEVER_NS
        self.missed = 0
        self.late = 0

    @property
    def idle(self) -> bool:
        """Whether no ping is under way."""
        return self._sent_ns is None

    def ping(self, now_ns: int) -> bytes:
        """Return the next ping, or nothing: the board has left MAX_MISSED in a row unanswered."""
        if self._sent_ns is not None:
            self._in_a_row += 1
            self.missed += 1
            if self._in_a_row >= MAX_MISSED:
                return b""
        self._tag = self._tag + 1 & 0xFF
        self._sent_ns = now_ns
        self.due_ns = now_ns + self._every_ns
        return ask.PINGS[self._tag]

    def pong(self, tag: bytes, device_ns: int, now_ns: int) -> bool:
        """Take an answer; return whether it shows that the board's clock stepped."""
        self._in_a_row = 0
        if self._sent_ns is None or tag != bytes((self._tag,)):
            self.late += 1
            return False
        sent_ns, self._sent_ns = self._sent_ns, None
        return self._clock.add_ping(sent_ns, now_ns, device_ns)

    def rest(self) -> None:
        """Ping no more."""
        self.due_ns = NEVER_NS
        self._sent_ns = None

"""One request at a time: how a Harp Behavior board must be talked to when its port has no flow control.

The board looks at what it has received once a millisecond, and holds one finished request. A second one that is
finished before then takes the first one's place, and the first is gone without a word (``hwbp_core_com.c``); the RTS
line that would hold it back is not wired to anything in a port without flow control. So the next request leaves only
when the one before it was answered, or was waited for in vain.

A truncated request makes the board swallow the beginning of the next one, until 50 ms after the first byte it heard.
Therefore the last try of a request comes after a longer pause than that.
"""

from collections import deque
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from hardware.device import Request
from hardware.harp import Message
from realtime.records import NEVER_NS, NS_PER_MS

ANSWER_NS: Final = 20 * NS_PER_MS
TRIES: Final = 4
RESYNC_NS: Final = 60 * NS_PER_MS
_REQUEST_BITS: Final = 0x07


class Rank(IntEnum):
    """Which request goes first, of those that wait."""

    OFF = 0
    PULSE = 1
    PING = 2
    ROUTINE = 3


@dataclass(slots=True, eq=False)
class Ask(Request):
    """A request, with how urgent it is and how long it is waited for.

    Attributes
    ----------
    rank
        Lower ranks go first; within a rank, first come, first served.
    answer_ns
        It is given up, or sent again, after this long without an answer.
    max_tries
        How often it may be sent. 1: never twice.
    forgotten
        Nobody wants its answer any more; it still has to come, or be waited for, before the next request may leave.
    """

    rank: Rank = Rank.ROUTINE
    answer_ns: int = ANSWER_NS
    max_tries: int = TRIES
    forgotten: bool = False


class Exchange:
    """The requests that wait, and the one that is under way.

    Attributes
    ----------
    current
        The request that was sent and is not answered yet.
    retries
        How often a request was sent again.
    stale, repeated
        Answers that nobody waited for, and answers that came twice: the board gives at most one in a millisecond, so
        two with one stamp are the same.
    """

    __slots__ = ("_answered_ns", "_due_ns", "_waiting", "current", "repeated", "retries", "stale")

    def __init__(self) -> None:
        self._waiting: tuple[deque[Ask], ...] = tuple(deque() for _ in Rank)
        self._due_ns = NEVER_NS
        self._answered_ns = -1
        self.current: Ask | None = None
        self.retries = 0
        self.stale = 0
        self.repeated = 0

    def add(self, *requests: Ask) -> None:
        """Let requests wait for their turn."""
        for request in requests:
            self._waiting[request.rank].append(request)

    def idle(self, rank: Rank) -> bool:
        """Whether no request of this rank waits or is under way."""
        current = self.current
        return not self._waiting[rank] and (current is None or current.rank != rank or current.forgotten)

    def due_ns(self) -> int:
        """Return when :meth:`poll` has something to do (0: now), or NEVER_NS."""
        if self.current is None:
            return 0 if any(self._waiting) else NEVER_NS
        return self._due_ns

    def poll(self, now_ns: int) -> tuple[bytes, Ask | None]:
        """Return the bytes to send now (or none), and the request that has just been given up (or None).

        Call it again after a request was given up: the next one waits.
        """
        current = self.current
        if current is not None:
            if now_ns < self._due_ns:
                return b"", None
            if current.tries < current.max_tries:
                self.retries += 1
                return self._send(current, now_ns), None
            self.current = None
            if not current.forgotten:
                return b"", current
        for queue in self._waiting:
            if queue:
                self.current = queue.popleft()
                self.current.sent_ns = now_ns
                return self._send(self.current, now_ns), None
        return b"", None

    def is_new(self, device_ns: int) -> bool:
        """Say whether an answer with this stamp has not been heard yet."""
        if device_ns <= self._answered_ns:
            self.repeated += 1
            return False
        self._answered_ns = device_ns
        return True

    def take(self, message: Message) -> Ask | None:
        """Return the request that a new answer ends, or None if nobody waits for it."""
        request = self.current
        if (
            request is None
            or request.address != message.address
            or request.frame[0] != message.type & _REQUEST_BITS
            or not (message.is_error or request.echo is None or request.echo == message.payload)
        ):
            self.stale += 1
            return None
        self.current = None
        return None if request.forgotten else request

    def interrupt(self, request: Ask, now_ns: int) -> bytes:
        """Return the bytes of a request that cannot wait; what was under way waits again, or is forgotten.

        A request that may be sent once only is forgotten. Of the others the board may hear none or one.
        """
        current = self.current
        if current is not None and current.max_tries > 1 and not current.forgotten:
            current.tries = 0
            self._waiting[current.rank].appendleft(current)
        self.current = request
        request.sent_ns = now_ns
        return self._send(request, now_ns)

    def drop(self, rank: Rank) -> int:
        """Forget the requests of one rank, waiting or under way; return how many there were."""
        count = len(self._waiting[rank])
        self._waiting[rank].clear()
        current = self.current
        if current is not None and current.rank == rank and not current.forgotten:
            current.forgotten = True
            current.max_tries = 1
            count += 1
        return count

    def _send(self, request: Ask, now_ns: int) -> bytes:
        request.tries += 1
        last_but_one = request.tries == request.max_tries - 1
        self._due_ns = now_ns + (max(RESYNC_NS, request.answer_ns) if last_but_one else request.answer_ns)
        return request.frame

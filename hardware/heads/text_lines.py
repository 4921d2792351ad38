"""Devices that speak lines of ASCII: bytes cut into lines, and a conversation in which one question is asked at a time.

No clock and no port: bytes and times come in, lines and bytes go out. Such devices number nothing, so an answer says
only by its place to which question it belongs. The rules that keep them apart:

- The next question is sent after the answer to the last one, and :data:`GAP_NS` later.
- A question without an answer is sent again, the same words: whichever of its answers comes, it is one to it.
- An answer belongs to the oldest question, of those sent, that it can answer; older ones have lost theirs.
- While the answer to a question that nobody waits for any more may still come (:data:`LATE_NS`), nothing else is asked.
- One thing overtakes: what must not wait goes out at once, even while another answer is awaited. The answer to the
  overtaken question still comes first, and is taken for nothing else; that question is asked again afterwards.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from realtime.records import NEVER_NS, NS_PER_MS

GAP_NS: Final = 20 * NS_PER_MS
"""Least time between an answer and the next question."""
LATE_NS: Final = 500 * NS_PER_MS
"""No answer is expected any more this long after its question was sent."""
FRAGMENT_NS: Final = 100 * NS_PER_MS
"""An unfinished line is given up after this long without a byte."""
LINE_LIMIT: Final = 256
"""Longest line in bytes; more without an end is noise."""

_ENDS: Final = re.compile(rb"[\r\n]+")
_LINE: Final = re.compile(rb"[\x20-\x7e\t]*")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def number(text: str) -> float | None:
    """Return the decimal number that is the whole of ``text``, or None."""
    return float(text) if _NUMBER.fullmatch(text) else None


def words(text: str) -> str | None:
    """Return ``text`` itself, or None if it is empty."""
    return text or None


class LineFramer:
    """Cuts a stream of bytes into lines of printable ASCII, without their ends; empty lines are skipped.

    Attributes
    ----------
    garbage_bytes
        Bytes so far that were part of no line: unprintable, endless, or never finished.
    """

    __slots__ = ("_heard_ns", "_pending", "garbage_bytes")

    def __init__(self) -> None:
        self._pending = b""
        self._heard_ns = 0
        self.garbage_bytes = 0

    def feed(self, data: bytes, now_ns: int) -> list[str]:
        """Take ``data`` that arrived at ``now_ns``; return the lines it completes, each stripped of blanks."""
        if self._pending and now_ns - self._heard_ns > FRAGMENT_NS:
            self._give_up_fragment()
        if data:
            self._heard_ns = now_ns
        *whole, self._pending = _ENDS.split(self._pending + data)
        if len(self._pending) > LINE_LIMIT:
            self._give_up_fragment()
        return [text for text in map(self._decode, whole) if text]

    def _give_up_fragment(self) -> None:
        self.garbage_bytes += len(self._pending)
        self._pending = b""

    def _decode(self, line: bytes) -> str:
        if len(line) > LINE_LIMIT or not _LINE.fullmatch(line):
            self.garbage_bytes += len(line)
            return ""
        return line.decode("ascii").strip()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a device says to one question; ``is_error``: it does not understand, or it will not."""

    text: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """One line that wants an answer; sending it twice must do no harm.

    Attributes
    ----------
    text
        The line, without its end.
    what
        For sentences: what it asks.
    parse
        Returns what an answer means, or None if it cannot be an answer to this.
    """

    text: str
    what: str
    parse: Callable[[str], float | str | None]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an answer is waited for: ``tries`` times ``retry_ns``; None is without end."""

    retry_ns: int
    tries: int | None


Q = TypeVar("Q", bound=Question)


@dataclass(slots=True, eq=False)
class Asked(Generic[Q]):
    """One question on its way.

    Attributes
    ----------
    urgent
        Whether it may overtake.
    tries
        How often it was sent.
    value
        What its answer means; None before, and if that was an error.
    error
        The device's own words, if it answered with an error.
    """

    question: Q
    patience: Patience
    urgent: bool = False
    tries: int = 0
    value: float | str | None = None
    error: str = ""


class Conversation(Generic[Q]):
    """Questions that are asked one after the other, under the rules of this module.

    Parameters
    ----------
    ending
        What ends a line to the device.

    Attributes
    ----------
    current
        The question whose answer is awaited.
    retries, late, unexpected
        Questions sent again; answers to questions that nobody waited for any more; answers to nothing asked.
    """

    __slots__ = (
        "_due_ns",
        "_ending",
        "_free_ns",
        "_owed",
        "_urgent",
        "_waiting",
        "current",
        "late",
        "retries",
        "unexpected",
    )

    def __init__(self, ending: bytes) -> None:
        self._ending = ending
        self._urgent: deque[Asked[Q]] = deque()
        self._waiting: deque[Asked[Q]] = deque()
        self._owed: deque[tuple[int, Asked[Q]]] = deque()  # every send whose answer may still come, oldest first
        self._due_ns = 0
        self._free_ns = 0
        self.current: Asked[Q] | None = None
        self.retries = 0
        self.late = 0
        self.unexpected = 0

    @property
    def idle(self) -> bool:
        """Whether nothing is under way or waiting."""
        return self.current is None and not self._urgent and not self._waiting

    def ask(self, questions: Iterable[Q], patience: Patience) -> None:
        """Ask these, in order, after everything that waits."""
        self._waiting += [Asked(question, patience) for question in questions]

    def overtake(self, questions: Iterable[Q], patience: Patience) -> None:
        """Ask these, in order, before everything else; the first goes out with the next :meth:`poll`."""
        current = self.current
        if current is not None:
            self.current = None
            if not current.urgent:
                self._waiting.appendleft(Asked(current.question, current.patience))
        self._urgent = deque(Asked(question, patience, urgent=True) for question in questions)
        self._free_ns = 0

    def drop(self, urgent_too: bool = False) -> int:
        """Forget what waits or is under way, but for what is urgent; return how many of these there were."""
        count = len(self._waiting)
        self._waiting.clear()
        if self.current is not None and not self.current.urgent:
            self.current = None
            count += 1
        if urgent_too:
            self.current = None
            self._urgent.clear()
        return count

    def due_ns(self) -> int:
        """Return when :meth:`poll` has something to do, or NEVER_NS."""
        if self.current is not None:
            return self._due_ns
        if self._urgent:
            return self._free_ns
        if self._waiting:
            return max(self._free_ns, self._owed[-1][0] + LATE_NS if self._owed else 0)
        return NEVER_NS

    def poll(self, now_ns: int) -> tuple[bytes, Asked[Q] | None]:
        """Return the line to send now (or nothing), and the question that has just been given up (or None)."""
        asked = self.current
        if asked is None:
            if now_ns < self.due_ns():
                return b"", None
            queue = self._urgent or self._waiting
            if not queue:
                return b"", None
            self.current = queue.popleft()
            return self._send(self.current, now_ns), None
        if now_ns < self._due_ns:
            return b"", None
        if asked.patience.tries is None or asked.tries < asked.patience.tries:
            self.retries += 1
            return self._send(asked, now_ns), None
        self.current = None
        return b"", asked

    def take(self, answer: Answer, now_ns: int) -> Asked[Q] | None:
        """Return the question that ``answer`` ends, or None if it is late or unexpected (counted).

        An error ends nothing here: if the question should be repeated, leave it; if not, call :meth:`end`.
        """
        self._forget(now_ns)
        for place, (_, asked) in enumerate(self._owed):
            value = None if answer.is_error else asked.question.parse(answer.text)
            if answer.is_error or value is not None:
                for _ in range(place + 1):
                    self._owed.popleft()
                self._free_ns = now_ns + GAP_NS
                if asked is not self.current:
                    self.late += 1
                    return None
                asked.value, asked.error = value, answer.text if answer.is_error else ""
                if not answer.is_error:
                    self.current = None
                return asked
        self.unexpected += 1
        return None

    def end(self) -> None:
        """Wait for the current question's answer no longer."""
        self.current = None

    def _send(self, asked: Asked[Q], now_ns: int) -> bytes:
        self._forget(now_ns)
        asked.tries += 1
        self._due_ns = now_ns + asked.patience.retry_ns
        self._owed.append((now_ns, asked))
        return asked.question.text.encode("ascii") + self._ending

    def _forget(self, now_ns: int) -> None:
        """Expect no more answers to what was sent long ago."""
        while self._owed and now_ns >= self._owed[0][0] + LATE_NS:
            self._owed.popleft()

"""What a viewer that comes late is shown: everything that was shown so far, as far as it still matters.

Frames and estimates of the last minute are kept as they were; older estimates are thinned, ever more as the session
grows, so that six hours take no more memory than one. Events, trials and notes are kept whole: they are small.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final

from controller.messages import (
    Cells,
    Crossing,
    Frame,
    Restart,
    StreamReport,
    Subspace,
    Synchrony,
)
from controller.messages.view import (
    Chance,
    Counts,
    Latency,
    Note,
    Opening,
    Overview,
    Playhead,
    Records,
    Remark,
    Setup,
    Standing,
    Storage,
    TrialRow,
    Trials,
    View,
    encode_view,
)
from realtime.records import NS_PER_S

RECENT_NS: Final = 60 * NS_PER_S
"""For how long frames and every estimate are kept."""
MOST_OLD: Final = 4000
"""Estimates that are kept of what is older; then every other one is dropped."""
MOST_REMARKS: Final = 200
MOST_CHANCES: Final = 1000
MOST_CROSSINGS: Final = 2000

_LATEST: Final = (Opening, Counts, Latency, Standing, Storage, Playhead, Overview, Setup, Restart)
"""Of these only the last one says how things are."""


class Thinned:
    """Messages with a time: the last minute whole, and of what is older an even choice.

    Parameters
    ----------
    most
        How many old ones are kept at most.
    """

    def __init__(self, most: int = MOST_OLD) -> None:
        self._most = most
        self._old: list[tuple[int, bytes]] = []
        self._recent: deque[tuple[int, bytes]] = deque()
        self._every_ns = 0

    def add(self, t_ns: int, data: bytes) -> None:
        """Keep a message that is the newest."""
        self._recent.append((t_ns, data))
        while self._recent and self._recent[0][0] < t_ns - RECENT_NS:
            self._age(self._recent.popleft())

    def _age(self, one: tuple[int, bytes]) -> None:
        if self._old and one[0] - self._old[-1][0] < self._every_ns:
            return
        self._old.append(one)
        if len(self._old) > self._most:
            del self._old[1::2]
            self._every_ns = (self._old[-1][0] - self._old[0][0]) // max(1, len(self._old) - 1)

    def __iter__(self) -> Iterator[bytes]:
        """Yield what is kept, oldest first."""
        yield from (data for _, data in self._old)
        yield from (data for _, data in self._recent)


class Album:
    """Keeps what is shown, for those who come late. :meth:`take` gives each message's bytes back, to be sent on."""

    def __init__(self) -> None:
        self._latest: dict[type, bytes] = {}
        self._records: list[bytes] = []
        self._rows: list[TrialRow] = []
        self._notes: list[bytes] = []
        self._remarks: deque[bytes] = deque(maxlen=MOST_REMARKS)
        self._crossings: deque[bytes] = deque(maxlen=MOST_CROSSINGS)
        self._by_animal: dict[tuple[type, str], bytes] = {}
        self._frames: dict[str, deque[tuple[int, bytes]]] = {"A": deque(), "B": deque()}
        self._estimates: dict[str, Thinned] = {}
        self._chances = Thinned(MOST_CHANCES)

    def take(self, message: View) -> bytes:
        """Keep a message as far as it matters later, and return its bytes."""
        data = encode_view(message)
        if isinstance(message, Frame):
            frames = self._frames[message.animal]
            frames.append((message.t_ns, data))
            while frames[0][0] < message.t_ns - RECENT_NS:
                frames.popleft()
        elif isinstance(message, Subspace | Synchrony):
            what = message.cells if isinstance(message, Subspace) else "synchrony"
            self._estimates.setdefault(what, Thinned()).add(message.t_ns, data)
        elif isinstance(message, Chance):
            self._chances.add(message.t_ns, data)
        elif isinstance(message, Records):
            self._records.append(message.events)
        elif isinstance(message, Trials):
            self._rows += message.rows
        else:
            self._take_rare(message, data)
        return data

    def _take_rare(self, message: View, data: bytes) -> None:
        if isinstance(message, Note):
            self._notes.append(data)
        elif isinstance(message, Remark):
            self._remarks.append(data)
        elif isinstance(message, Crossing):
            self._crossings.append(data)
        elif isinstance(message, Cells | StreamReport):
            self._by_animal[type(message), message.animal] = data
        elif isinstance(message, _LATEST):
            self._latest[type(message)] = data

    def everything(self) -> list[bytes]:
        """Return all that a new viewer needs, in the order in which it needs it."""
        first = [self._latest[kind] for kind in (Setup, Opening, Restart) if kind in self._latest]
        last = [data for kind, data in self._latest.items() if kind not in (Setup, Opening, Restart)]
        told = [encode_view(Records(b"".join(self._records)))] if self._records else []
        told += [encode_view(Trials(self._rows))] if self._rows else []
        told += self._by_animal.values()
        for thinned in (self._chances, *self._estimates.values()):
            told += thinned
        for frames in self._frames.values():
            told += (data for _, data in frames)
        return [*first, *told, *self._crossings, *self._notes, *self._remarks, *last]

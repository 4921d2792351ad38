"""What a log says of brains, at any of its moments: the last minute whole, what is older as an even choice.

Six hours are gigabytes. A moment's last minute is read through the times that stand before every chunk; the choice of
older estimates is gathered in the background, a few chunks at a time: first one in so many of all the session, then
those between, so that a coarse picture of the whole is there at once and becomes finer.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from math import ceil
from typing import Final, NamedTuple

import numpy as np

from controller.log import LogReader
from controller.messages import Cells, Crossing, Neural, Restart, Subspace, Synchrony
from controller.neural.channels import NEURAL_TOPICS, decode_message
from controller.viewing.album import MOST_OLD, RECENT_NS
from realtime.records import NS_PER_S

STRIDES: Final = (64, 16, 4, 1)
"""One in so many chunks is looked through, then one in fewer ..."""
SLOTS: Final = MOST_OLD - 100
"""Of as many spans of time one estimate is kept: so few that the album need not drop every other one of them."""
MARGIN_NS: Final = NS_PER_S
"""A minute of frames counts from the newest frame, which may be from a moment ago."""
MOST_HELD: Final = 40_000
"""Messages of recently read chunks that are held, so that a moment close by is there at once."""
OLD_TOPICS: Final = frozenset(("/neural/cells", "/neural/restarts", "/neural/crossings", "/subspace", "/synchrony"))
"""Of these older messages matter, too."""


class Said(NamedTuple):
    """A message, and when it was taken or given on the session's clock [ns]."""

    t_ns: int
    message: Neural


class LoggedBrains:
    """Reads what a log says of brains.

    Parameters
    ----------
    log
        The log; it stays open for as long as this is used.
    epoch_ns
        Unix time at the session clock's zero [ns].
    begin_ns, end_ns
        The session's, on its clock [ns].

    """

    def __init__(self, log: LogReader, epoch_ns: int, begin_ns: int, end_ns: int) -> None:
        self._log, self._epoch_ns, self._begin_ns = log, epoch_ns, begin_ns
        self._slot_ns = max(1, (end_ns - begin_ns) // SLOTS)
        self._chunks = log.chunks(NEURAL_TOPICS)
        spans = np.array([log.chunk_span(chunk) for chunk in self._chunks], np.uint64).reshape(-1, 2)
        self._spans_ns = spans.astype(np.int64) - epoch_ns
        self._held: OrderedDict[int, list[Said]] = OrderedDict()
        self._n_held = 0
        self._rare: dict[int, Said] = {}
        self._kept: dict[tuple[str, int], Said] = {}
        self._first_ns: dict[tuple[str, int], int] = {}
        self._order = self._coarse_to_fine()
        self._seen = 0
        if self._chunks:
            self.look_further(lambda: True)  # the first chunk names the cells

    @property
    def read(self) -> float:
        """Share of the chunks that were looked through, 0 to 1."""
        return self._seen / len(self._chunks) if self._chunks else 1.0

    @property
    def levels(self) -> int:
        """How often the picture of the whole session has become finer: once for each of :data:`STRIDES`."""
        return sum(self._seen >= ceil(len(self._chunks) / stride) for stride in STRIDES)

    def look_further(self, enough: Callable[[], bool]) -> None:
        """Look through chunks until it is enough, but always one where one is left."""
        for place in self._order:
            self._gather(self._chunks[place])
            self._seen += 1
            if enough():
                return

    def between(self, after_ns: int, until_ns: int) -> list[Neural]:
        """Return what was said after one moment and until another, in the log's order.

        Raises
        ------
        LogMessageError
            A message is not what its channel is for.
        """
        first_ns, last_ns = self._spans_ns.T
        found: list[Neural] = []
        for place in np.flatnonzero((last_ns > after_ns) & (first_ns <= until_ns)).tolist():
            said = self._read(self._chunks[place])
            found += [one.message for one in said if after_ns < one.t_ns <= until_ns]
        return found

    def until(self, t_ns: int) -> list[Neural]:
        """Return what matters of all that was said until a moment, by rising time; raises as :meth:`between`."""
        recent_ns = t_ns - RECENT_NS - MARGIN_NS
        old = [one for one in (*self._rare.values(), *self._kept.values()) if one.t_ns <= recent_ns]
        old.sort(key=lambda one: (one.t_ns, one.message.seq))
        return [one.message for one in old] + self.between(recent_ns, t_ns)

    def _coarse_to_fine(self) -> Iterator[int]:
        """Yield every chunk's index once."""
        seen: set[int] = set()
        for stride in STRIDES:
            for place in range(0, len(self._chunks), stride):
                if place not in seen:
                    seen.add(place)
                    yield place

    def _read(self, chunk: int) -> list[Said]:
        """Return a chunk's messages, from those held where it is among them."""
        said = self._held.get(chunk)
        if said is None:
            messages = self._log.messages_in(chunk, NEURAL_TOPICS)
            said = [Said(one.log_time - self._epoch_ns, decode_message(one.topic, one.data)) for one in messages]
            self._held[chunk] = said
            self._n_held += len(said)
            while len(self._held) > 1 and self._n_held > MOST_HELD:
                self._n_held -= len(self._held.popitem(last=False)[1])
        self._held.move_to_end(chunk)
        return said

    def _gather(self, chunk: int) -> None:
        """Keep of a chunk what matters later: of every series one message for each slot of time, the first."""
        for one in self._log.messages_in(chunk, OLD_TOPICS):
            t_ns = one.log_time - self._epoch_ns
            slot = (t_ns - self._begin_ns) // self._slot_ns
            if t_ns > self._first_ns.get((one.topic, slot), t_ns):
                continue
            said = Said(t_ns, decode_message(one.topic, one.data))
            if isinstance(said.message, Cells | Restart | Crossing):
                self._rare[said.message.seq] = said
            elif isinstance(said.message, Subspace | Synchrony):
                self._first_ns[one.topic, slot] = t_ns
                series = said.message.cells if isinstance(said.message, Subspace) else one.topic
                self._keep((series, slot), said)

    def _keep(self, slot: tuple[str, int], said: Said) -> None:
        before = self._kept.get(slot)
        if before is None or (said.t_ns, said.message.seq) < (before.t_ns, before.message.seq):
            self._kept[slot] = said

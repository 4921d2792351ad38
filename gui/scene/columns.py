"""Numbers that grow by rows: arrays with room to spare, and, where asked for, with an end to their growth."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from realtime.records import NS_PER_S

FIRST_ROOM: Final = 1024
RECENT_NS: Final = 60 * NS_PER_S
MOST_OLD: Final = 4000
STEP_BACK_NS: Final = NS_PER_S
"""A row that is older than the newest by more than this comes from another place of the log, not from a clock."""


class Times:
    """Times in the order in which they came [ns]: ascending, but for those that came late."""

    def __init__(self) -> None:
        self._room = np.zeros(FIRST_ROOM, np.int64)
        self._count = 0
        self._ascending = True

    def extend(self, times_ns: NDArray[np.int64]) -> None:
        """Add times behind those there are, shape (n,) [ns]."""
        if not times_ns.size:
            return
        needed = self._count + times_ns.size
        if needed > self._room.size:
            room = np.zeros(max(needed, 2 * self._room.size), np.int64)
            room[: self._count] = self._room[: self._count]
            self._room = room
        self._room[self._count : needed] = times_ns
        joint = self._room[max(0, self._count - 1) : needed]
        self._ascending = self._ascending and bool((joint[1:] >= joint[:-1]).all())
        self._count = needed

    @property
    def ns(self) -> NDArray[np.int64]:
        """All times, as a view, shape (n,) [ns]."""
        return self._room[: self._count]

    def between(self, start_ns: int, end_ns: int) -> NDArray[np.int64]:
        """Return the times in a span, both ends included, ascending, shape (n,) [ns]."""
        if not self._ascending:
            return np.sort(self.ns[(self.ns >= start_ns) & (self.ns <= end_ns)])
        low = int(np.searchsorted(self.ns, start_ns, "left"))
        high = int(np.searchsorted(self.ns, end_ns, "right"))
        return self.ns[low : max(low, high)]

    def __len__(self) -> int:
        return self._count


class Series:
    """Rows of numbers over time: those of the last minute whole, older ones thinned to an even choice.

    Times ascend. A row from before the newest one begins the series anew, because its reader went back; where it is
    earlier by no more than :data:`STEP_BACK_NS`, as when a clock was set, it takes the place of those after it.

    Parameters
    ----------
    names
        Of the columns.
    recent_ns
        For how long every row is kept [ns].
    most
        Rows older than that which are kept at most, not counting those that became old since the last thinning: the
        first of each of equal spans of time, which double in length as time goes on. With 0 nothing older is kept.

    Attributes
    ----------
    added
        Rows that were ever added: tells what is new, which the length, after thinning, does not.
    """

    def __init__(self, names: Sequence[str], recent_ns: int = RECENT_NS, most: int = MOST_OLD) -> None:
        self.added = 0
        self._column = {name: i for i, name in enumerate(names)}
        self._recent_ns = recent_ns
        self._most = most
        self._t_ns = np.zeros(FIRST_ROOM, np.int64)
        self._values = np.full((FIRST_ROOM, len(names)), np.nan)
        self._room = FIRST_ROOM
        self._count = 0
        self._newest_ns = 0
        self._each_ns = 1

    def add(self, t_ns: int, values: Sequence[float | None]) -> None:
        """Add a row; None becomes NaN."""
        if t_ns < self._newest_ns:
            self._step_back(t_ns)
        if self._count == self._room:
            self._make_room()
        count = self._count
        self._t_ns[count] = self._newest_ns = t_ns
        self._values[count] = values  # numpy writes None as NaN
        self._count = count + 1
        self.added += 1

    def _step_back(self, t_ns: int) -> None:
        """Forget what comes after a time, or, where that is a long way back, everything."""
        if self._newest_ns - t_ns > STEP_BACK_NS:
            self._count, self._each_ns = 0, 1
        else:
            self._count = int(np.searchsorted(self.t_ns, t_ns, "right"))

    def _make_room(self) -> None:
        """Thin what is old, or grow."""
        old = int(np.searchsorted(self.t_ns, self._newest_ns - self._recent_ns))
        if old > self._most:
            chosen = np.concatenate((self._even_choice(old), np.arange(old, self._count)))
            self._t_ns[: chosen.size] = self._t_ns[chosen]
            self._values[: chosen.size] = self._values[chosen]
            self._count = chosen.size
        if self._count > self._room * 3 // 4:
            self._t_ns = np.concatenate((self._t_ns, np.zeros_like(self._t_ns)))
            self._values = np.concatenate((self._values, np.full_like(self._values, np.nan)))
            self._room *= 2

    def _even_choice(self, old: int) -> NDArray[np.int64]:
        """Return which of the ``old`` first rows stay: the first of each of equal spans of time.

        Spans only ever double, so what stays is what would have stayed of all rows that there ever were. Spans that
        grew by little at each thinning would fall between those before, and tear holes of several spans.
        """
        if not self._most:
            return np.zeros(0, np.int64)
        t_ns = self._t_ns[:old]
        while True:
            chosen = np.flatnonzero(np.diff(t_ns // self._each_ns, prepend=-1))
            if chosen.size <= self._most:
                return chosen
            self._each_ns *= 2

    @property
    def t_ns(self) -> NDArray[np.int64]:
        """When each row is from, ascending, as a view, shape (n,) [ns]."""
        return self._t_ns[: self._count]

    @property
    def bytes_held(self) -> int:
        """Memory of the rows and of the room to spare [bytes]."""
        return self._t_ns.nbytes + self._values.nbytes

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """Return a column, as a view, shape (n,); raises KeyError for one that it has not."""
        return self._values[: self._count, self._column[name]]

    def __len__(self) -> int:
        return self._count

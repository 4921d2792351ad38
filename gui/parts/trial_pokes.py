"""Which pokes lie around the time 0 of each of the last trials, followed as trials and pokes come."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from gui.parts.trial_columns import NONE_NS
from gui.scene import Scene
from realtime.records import ANIMALS, NS_PER_S

REACH_NS: Final = 5 * NS_PER_S
"""How far around time 0 pokes are taken, both ends included."""
_NOTHING: Final = np.zeros(0)


def zeros_of(rows: NDArray[np.void]) -> NDArray[np.int64]:
    """Return each trial's time 0: its first poke, or where nobody poked its opening, shape (n,) [ns]."""
    zeros_ns: NDArray[np.int64] = np.where(rows["first_ns"] == NONE_NS, rows["opened_ns"], rows["first_ns"])
    return zeros_ns


class TrialPokes:
    """The pokes around the last trials.

    Parameters
    ----------
    most
        How many trials are followed: the last ones.

    Attributes
    ----------
    begin
        The first of them, as an index into all trials.
    offsets
        For A and B, and each trial that is followed: its pokes relative to time 0, ascending [s].
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.begin = 0
        self.offsets: tuple[list[NDArray[np.float64]], ...] = tuple([] for _ in ANIMALS)
        self._trials = 0
        self._pokes = [0 for _ in ANIMALS]

    def follow(self, scene: Scene, trials: NDArray[np.void]) -> bool:
        """Look at trials and pokes that are new; return whether what is followed has changed.

        Pokes come in the loop's order and may be late, so a new one is looked for in every trial it may belong to.
        """
        begin = max(0, trials.size - self._most)
        rows = trials[begin:]
        zeros_ns = zeros_of(rows)
        fresh_row = np.arange(begin, trials.size) >= self._trials
        changed = self._trials != trials.size
        for animal, offsets in enumerate(self.offsets):
            del offsets[: begin - self.begin]
            offsets.extend(_NOTHING for _ in range(rows.size - len(offsets)))
            times_ns = scene.pokes_in[animal].ns
            due = fresh_row | _near(zeros_ns, times_ns[self._pokes[animal] :])
            for place, found_ns in _around(times_ns, zeros_ns, np.flatnonzero(due)):
                offsets[place] = found_ns / NS_PER_S
            self._pokes[animal] = times_ns.size
            changed = changed or bool(due.any())
        self.begin, self._trials = begin, trials.size
        return changed


def _near(zeros_ns: NDArray[np.int64], fresh_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which trials new pokes may belong to, shape (n,)."""
    if fresh_ns.size == 0:
        return np.zeros(zeros_ns.size, np.bool_)
    near: NDArray[np.bool_] = (zeros_ns >= fresh_ns.min() - REACH_NS) & (zeros_ns <= fresh_ns.max() + REACH_NS)
    return near


def _around(
    times_ns: NDArray[np.int64], zeros_ns: NDArray[np.int64], places: NDArray[np.intp]
) -> list[tuple[int, NDArray[np.int64]]]:
    """Return, for the trials at ``places``, the times around their time 0, less that [ns]."""
    if places.size == 0:
        return []
    wanted_ns = zeros_ns[places]
    since = times_ns[times_ns >= wanted_ns.min() - REACH_NS]
    since.sort()  # only what is as new as these trials: not the whole session each time
    low = np.searchsorted(since, wanted_ns - REACH_NS)
    high = np.searchsorted(since, wanted_ns + REACH_NS, side="right")
    return [(int(place), since[a:b] - zero) for place, zero, a, b in zip(places, wanted_ns, low, high, strict=True)]

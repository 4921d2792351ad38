"""What is reckoned from a session's book now and then: counts, the level of chance, and how long rewards took."""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from analysis.chance import ChanceError, chance_level
from analysis.rolling_chance import RollingChance, rolling_chance
from controller.certificate import RewardPaths
from controller.messages.view import Chance, Counts, Latency, Spread
from controller.viewing.book import Book
from realtime.loop import bin_edges_ns
from realtime.machine import Param
from realtime.records import NO_ANIMAL, NS_PER_S, Events

CHANCE_NS: Final = 5 * NS_PER_S
"""How often the level of chance is reckoned anew, at most."""
LATENCY_NS: Final = 2 * NS_PER_S
US: Final = 1000.0
PARTS: Final = (("beam → decision", 2, 0), ("decision → valve edge", 3, 2), ("beam → valve edge", 3, 0))
"""What is measured of a reward's path: its name, and columns of the path whose difference it is."""


def warm_up() -> None:
    """Load or compile what :class:`Sums` reckons with: the first time takes up to seconds."""
    times_ns = np.arange(1, 100, dtype=np.int64) * NS_PER_S
    chance_level(times_ns, times_ns, 0, 100 * NS_PER_S, NS_PER_S)
    rolling_chance(times_ns, times_ns, 0, 100 * NS_PER_S, NS_PER_S, after_success_ns=0, after_miss_ns=0)


class Sums:
    """Reckons from a book.

    Parameters
    ----------
    book
        The session's; it is only read.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._paths = RewardPaths()
        self._told: Counts | None = None
        self._counted = -1
        """Events that the book had taken when its counts were looked at last."""
        self._chance_ns = self._latency_ns = -(2**62)
        self._chance_of: tuple[int, int] = (-1, -1)
        self._latency_of = -1

    def add(self, events: Events) -> None:
        """Take events that the book has taken."""
        self._paths.add(events)

    def due(self, now_ns: int) -> list[Counts | Chance | Latency]:
        """Return what is new and due at ``now_ns``."""
        told: list[Counts | Chance | Latency] = []
        told += self._counts()
        if now_ns >= self._chance_ns + CHANCE_NS:
            self._chance_ns = now_ns
            told += self._chance()
        if now_ns >= self._latency_ns + LATENCY_NS:
            self._latency_ns = now_ns
            told += self._latency()
        return told

    def _counts(self) -> list[Counts]:
        """Return the book's counts, if events have changed them."""
        if self._counted == self._book.tally.events:
            return []
        self._counted = self._book.tally.events
        counts = self._book.counts()
        if counts == self._told:
            return []
        self._told = counts
        return [counts]

    def _chance(self) -> list[Chance]:
        """Return the level of chance, if there are new pokes and it can be told."""
        book, tally = self._book, self._book.tally
        counted = (len(book.pokes_ns[0]), len(book.pokes_ns[1]))
        if counted == self._chance_of or not tally.started_ns:
            return []
        self._chance_of = counted
        start_ns, end_ns = tally.started_ns, tally.last_ns
        a_ns, b_ns = (book.pokes(animal, start_ns, end_ns) for animal in (0, 1))
        try:
            found = chance_level(a_ns, b_ns, start_ns, end_ns, tally.window_ns)
        except ChanceError:
            return []
        whole = Chance(end_ns, tally.window_ns, found.observed, found.median, found.low, found.high)
        rolling = self._rolling(a_ns, b_ns, start_ns, end_ns)
        if rolling is None:
            return [whole]
        band = {"rolling_low": rolling.low, "rolling_median": rolling.median, "rolling_high": rolling.high}
        return [msgspec.structs.replace(whole, trials=rolling.trials, **band)]

    def _rolling(
        self, a_ns: NDArray[np.int64], b_ns: NDArray[np.int64], start_ns: int, end_ns: int
    ) -> RollingChance | None:
        """Return the band of the rolling success, where a pair is judged and there are enough trials."""
        plan = self._book.plan
        if plan.animals != (NO_ANIMAL,):
            return None
        iti_ns = int(plan.arrays["trials"]["iti_ns"].mean())
        params = plan.arrays["params"][0]
        try:
            return rolling_chance(
                a_ns,
                b_ns,
                start_ns,
                end_ns,
                self._book.tally.window_ns,
                after_success_ns=int(params[Param.DRINK]) + iti_ns,
                after_miss_ns=int(params[Param.TIMEOUT]) + iti_ns,
            )
        except ChanceError:
            return None

    def _latency(self) -> list[Latency]:
        paths = np.array(self._paths.paths, np.float64).reshape(-1, 4)
        if len(paths) == self._latency_of:
            return []
        self._latency_of = len(paths)
        edges = bin_edges_ns()
        spreads = []
        for name, end, begin in PARTS:
            values = paths[:, end] - paths[:, begin]
            counts = np.bincount(np.minimum(np.searchsorted(edges, values), edges.size - 1), minlength=edges.size)
            p50, p99, p999 = np.percentile(values, (50, 99, 99.9)) / US if values.size else (0.0, 0.0, 0.0)
            most = float(values.max()) / US if values.size else 0.0
            spreads.append(Spread(name, values.size, float(p50), float(p99), float(p999), most, counts.tolist()))
        return [Latency((edges / US).tolist(), spreads, self._paths.missing)]

"""The most that one output can be on in any minute of a session, over its whole trial table.

Let the output be switched on ``n`` times, in rows ``r1 <= r2 <= … <= rn`` of the table, and let a minute touch the
first and the last of the times that it is then on. Between two of them it is off for at least ``u``: the tail of the
one row, the crossings of the rows between, the lead of the other (:mod:`controller.proof.routes`). Each time it is on
for at most ``L``. So in that minute it is on for at most::

    min(n * L,  60 s - sum of all u)

The worst case is the largest of these over all choices of rows, found exactly by going through the table once for each
``n``. It is a safe bound for every task: what may not be reached at once (the longest time on, and the shortest way
after it) is taken as if it were. For the tasks of this project it is reached; :mod:`controller.proof.path` makes the
path. A deadline may fire late by the loop's grace, which lengthens ``L`` and shortens ``u``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from controller.proof.routes import FAR_NS, MINUTE_NS, KindRoutes, Route

MOST_TIMES: Final = 500
MOST_CELLS: Final = 5_000_000
"""Times on that are told apart, and that times rows; more are bounded by repeating the worst of so many."""
MOST_ROWS_ON: Final = 256
"""Rows over which an output that stays on from one to another is followed exactly."""

Times = NDArray[np.int64]
Way = Literal["first", "off", "on", "again"]
"""How the output came to be on again: after it was off, while it still was on, or within the same row."""
_WAYS: Final[tuple[Way, ...]] = ("off", "on", "again")


class Turn(NamedTuple):
    """One time that the output is on."""

    row: int
    way: Way


@dataclass(frozen=True, slots=True)
class Worst:
    """The worst minute of an output: it is on for at most ``ns``, and ``turns`` in order lead to that."""

    ns: int
    turns: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Times between the rows in which an output can be on.

    The arrays have shape (rows,). ``off_before`` is the time to cross all rows before a row with the output off,
    ``off_after`` the same with the row itself; ``on_before`` and ``on_after`` with the output on.
    """

    rows: Times
    lead_off: Times
    tail_off: Times
    off_before: Times
    off_after: Times
    lead_on: Times
    tail_on: Times
    on_before: Times
    on_after: Times
    again: Times
    lead_faded: Times
    """The lead where the output came into a row still on and was commanded off there; FAR_NS where that cannot be."""
    length_ns: int
    longest_ns: int
    grace_ns: int

    def next(self, spent: Times) -> tuple[Times, Times, NDArray[np.int8]]:
        """Return the least time off up to one more time on, by its row.

        Parameters
        ----------
        spent
            The least time off so far, by the row of the last time on [ns], shape (rows,).

        Returns
        -------
        spent, came, way
            The same with one more; the row (index) it came from; index into the ways, shape (rows,).
        """
        ways = (self._through_off(spent), self._through_on(spent), self._again(spent))
        times = np.stack([np.minimum(time, FAR_NS) for time, _ in ways])
        way = np.argmin(times, axis=0)
        each = np.arange(self.rows.size)
        return times[way, each], np.stack([came for _, came in ways])[way, each], way.astype(np.int8)

    def _through_off(self, spent: Times) -> tuple[Times, Times]:
        least, came = _least_before(spent + self.tail_off - self.off_after)
        time = least + self.off_before + self.lead_off - self.grace_ns
        time = np.maximum(time, _least_before(spent)[0])
        still, still_came = _least_before(np.where(self.tail_on < FAR_NS, spent, FAR_NS))
        still = still + np.maximum(0, self.lead_faded - self.grace_ns)
        return np.minimum(time, still), np.where(still < time, still_came, came)

    def _through_on(self, spent: Times) -> tuple[Times, Times]:
        """An output that stays on is off only for what its length does not reach over."""
        best, came = np.full_like(spent, FAR_NS), np.zeros_like(spent)
        possible = np.flatnonzero(self.tail_on < FAR_NS)
        if not possible.size:
            return best, came
        covered_ns = self.length_ns + self.grace_ns
        far = 1
        while far < min(MOST_ROWS_ON, spent.size):
            gap = self.tail_on[:-far] - self.on_after[:-far] + self.on_before[far:] + self.lead_on[far:]
            time = spent[:-far] + np.maximum(0, gap - covered_ns)
            quicker = time < best[far:]
            best[far:][quicker] = time[quicker]
            came[far:][quicker] = np.flatnonzero(quicker)
            far += 1
            if (gap >= covered_ns).all():
                break
        rest, rest_came = _least_before(spent + self.tail_on - self.on_after, far)
        rest = np.maximum(rest + self.on_before + self.lead_on - covered_ns, _least_before(spent, far)[0])
        return np.minimum(best, rest), np.where(rest < best, rest_came, came)

    def _again(self, spent: Times) -> tuple[Times, Times]:
        return spent + np.maximum(0, self.again - self.grace_ns), np.arange(spent.size)


def _least_before(times: Times, by: int = 1) -> tuple[Times, Times]:
    """Return, for each place, the least of the times at least ``by`` places before it, and where that is."""
    least, place = np.full_like(times, FAR_NS), np.zeros_like(times)
    if times.size > by:
        running = np.minimum.accumulate(times)
        last = np.maximum.accumulate(np.where(times == running, np.arange(times.size), 0))
        least[by:], place[by:] = running[:-by], last[:-by]
    return least, place


def table_of(kinds: list[KindRoutes], row_kinds: Times, iti_ns: Times, *, length_ns: int, grace_ns: int) -> Table:
    """Return the times between the rows of a trial table.

    Parameters
    ----------
    kinds
        The routes of each kind of row.
    row_kinds
        The kind of each row, shape (rows,).
    iti_ns
        The ITI of each row [ns], shape (rows,).
    length_ns
        For how long one command switches the output on.
    grace_ns
        By how much a deadline may fire late.
    """

    def each(routes: list[Route]) -> Times:
        return np.stack([route.at(iti_ns) for route in routes])[row_kinds, np.arange(row_kinds.size)]

    def fixed(times: Sequence[int]) -> Times:
        return np.array(times, np.int64)[row_kinds]

    lead_off = each([kind.lead_off for kind in kinds])
    lead_on = each([kind.lead_on for kind in kinds])
    cross_off = each([kind.cross_off for kind in kinds])
    cross_on = each([kind.cross_on for kind in kinds])
    off_after = np.cumsum(cross_off)
    # Where a row cannot be crossed with the output on, any time is a bound for that.
    on_after = np.cumsum(np.where(cross_on < FAR_NS, cross_on, cross_off))
    faded = lead_off if any(kind.fade.ns < FAR_NS for kind in kinds) else np.full_like(lead_off, FAR_NS)
    rows = np.flatnonzero(np.minimum(lead_off, lead_on) < FAR_NS)
    longest_ns = max((kind.longest_ns for kind in kinds), default=0)
    return Table(
        rows=rows,
        lead_off=lead_off[rows],
        tail_off=fixed([kind.tail_off.ns for kind in kinds])[rows],
        off_before=(off_after - cross_off)[rows],
        off_after=off_after[rows],
        lead_on=lead_on[rows],
        tail_on=fixed([kind.tail_on.ns for kind in kinds])[rows],
        on_before=np.concatenate(([0], on_after))[rows],
        on_after=on_after[rows],
        again=fixed([kind.again.ns for kind in kinds])[rows],
        lead_faded=np.where(fixed([kind.relights for kind in kinds]), 0, faded)[rows],
        length_ns=length_ns,
        longest_ns=min(length_ns, longest_ns + grace_ns) if longest_ns else 0,
        grace_ns=grace_ns,
    )


def worst_minute(table: Table) -> Worst:
    """Return the most that the output can be on in any minute."""
    if not table.rows.size or not table.longest_ns:
        return Worst(0)
    spent = np.zeros(table.rows.size, np.int64)
    history: list[tuple[Times, NDArray[np.int8]]] = []
    best_ns, best_times, best_place = min(table.longest_ns, MINUTE_NS), 1, 0
    most_times = max(2, min(MOST_TIMES, MOST_CELLS // spent.size))
    for times in range(2, most_times + 1):
        spent, came, way = table.next(spent)
        history.append((came.astype(np.int32), way))
        left_ns = MINUTE_NS - int(spent.min())
        if min(times * table.longest_ns, left_ns) > best_ns:
            best_ns, best_times = min(times * table.longest_ns, left_ns), times
            best_place = int(spent.argmin())
        if times * table.longest_ns >= MINUTE_NS or left_ns <= best_ns:
            break
    else:
        best_ns = _repeated(best_ns, most_times - 1, int(spent.min()), table.longest_ns)
    return Worst(best_ns, _turns(table, history[: best_times - 1], best_place))


def _repeated(best_ns: int, group: int, spent_ns: int, longest_ns: int) -> int:
    """Return a bound for more times on than were told apart: each ``group`` of them costs at least ``spent_ns``."""
    for groups in range(1, MINUTE_NS // (group * longest_ns) + 2):
        best_ns = max(best_ns, min(group * (groups + 1) * longest_ns, MINUTE_NS - groups * spent_ns))
    return best_ns


def _turns(table: Table, history: list[tuple[Times, NDArray[np.int8]]], place: int) -> tuple[Turn, ...]:
    """Return the times on that end at ``place``."""
    turns: list[Turn] = []
    for came, way in reversed(history):
        turns.append(Turn(int(table.rows[place]), _WAYS[way[place]]))
        place = int(came[place])
    turns.append(Turn(int(table.rows[place]), "first"))
    return tuple(reversed(turns))

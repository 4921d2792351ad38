"""The level of chance over a recorded session, reckoned every so often as if it were going on."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.messages.view import Chance
from controller.viewing.ledger import Page
from controller.viewing.sums import CHANCE_NS
from realtime.records import Events

MOST: Final = 500
"""Levels over a whole session, at most: each costs as much as drawing the session's shifts again."""


class PastChances:
    """Goes through a session once, a step at a time.

    Parameters
    ----------
    events
        All of the session's, in the loop's order.
    taken_ns
        When the loop had taken each of them, ascending, shape (n,) [ns].
    page
        The session's empty first page.
    begin_ns, end_ns
        The session's [ns].
    """

    def __init__(self, events: Events, taken_ns: NDArray[np.int64], page: Page, begin_ns: int, end_ns: int) -> None:
        self._events, self._taken_ns, self._page = events, taken_ns, page
        self._voice = page.voice()
        self._t_ns, self._step_ns = begin_ns, max(CHANCE_NS, (end_ns - begin_ns) // MOST)
        self._found: list[Chance] = []

    @property
    def complete(self) -> bool:
        """Whether the session has been gone through."""
        return self._page.count == self._events.size

    def step(self) -> None:
        """Go on by a step."""
        if self.complete:
            return
        self._t_ns += self._step_ns
        count = int(np.searchsorted(self._taken_ns, self._t_ns, "right"))
        self._page.add(self._events[self._page.count : count])
        self._found += [one for one in self._voice.due(self._t_ns) if isinstance(one, Chance)]

    def before(self, t_ns: int) -> list[Chance]:
        """Return the levels before a moment that have been reckoned, in order."""
        return [one for one in self._found if one.t_ns < t_ns]

"""The book of a recorded session at any of its moments: copies of it are kept every so many events."""

import copy
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final, Self

from controller.calibration import Calibration
from controller.messages.view import Chance, Counts, Latency, TrialRow
from controller.plan import Plan
from controller.viewing.book import Book
from controller.viewing.sums import Sums
from realtime.records import Events

PAGE_EVENTS: Final = 2048
"""Events between two copies: as many as are taken in some ten milliseconds."""


@dataclass(slots=True)
class Page:
    """A book at one moment, with what was reckoned from it.

    Attributes
    ----------
    count
        Events that it has taken.
    n_rows
        Trials that were complete by then.
    """

    book: Book
    sums: Sums
    count: int = 0
    n_rows: int = 0

    def copy(self) -> Self:
        """Return a page that goes on from here by itself."""
        book = self.book.copy()
        sums = copy.deepcopy(self.sums, {id(self.book): book})
        return type(self)(book, sums, self.count, self.n_rows)

    def add(self, events: Events) -> list[TrialRow]:
        """Take the events that follow; return the rows of trials that are complete now."""
        rows = self.book.add(events)
        self.sums.add(events)
        self.count += events.size
        self.n_rows += len(rows)
        return rows

    def voice(self) -> Sums:
        """Return one that says of this page, as it goes on, what is new; it has not said anything yet."""
        return copy.copy(self.sums)

    def summed(self) -> list[Counts | Chance | Latency]:
        """Return everything there is to say of this moment."""
        return list(self.voice().due(0))


class Ledger:
    """Goes to any moment of a session without beginning at its start.

    Parameters
    ----------
    events
        All of the session's, in the loop's order.
    plan, calibration
        The session's.
    """

    def __init__(self, events: Events, plan: Plan, calibration: Calibration) -> None:
        self._events = events
        book = Book(plan, calibration)
        self._pages = [Page(book, Sums(book))]
        self._rows: list[TrialRow] = []

    def first(self) -> Page:
        """Return the page before the first event, to be gone on with."""
        return self._pages[0].copy()

    @property
    def complete(self) -> bool:
        """Whether every part of the session can be reached at once."""
        return self._pages[-1].count == self._events.size

    def step(self) -> None:
        """Keep one more copy, further on."""
        if self.complete:
            return
        page = self._pages[-1].copy()
        self._rows += page.add(self._events[page.count : page.count + PAGE_EVENTS])
        self._pages.append(page)

    def at(self, count: int) -> tuple[Page, list[TrialRow]]:
        """Return the page after ``count`` events, to be gone on with, and the rows of all trials complete by then.

        At the session's end no trial waits for its light any more.
        """
        while self._pages[-1].count + PAGE_EVENTS <= count:
            self.step()
        place = bisect_right(self._pages, count, key=lambda page: page.count) - 1
        page = self._pages[place].copy()
        rows = self._rows[: page.n_rows]
        rows += page.add(self._events[page.count : count])
        return page, rows + self.last_rows(page)

    def last_rows(self, page: Page) -> list[TrialRow]:
        """Return the rows that still wait where the session has ended; none before that."""
        if page.count < self._events.size:
            return []
        rows = page.book.flush()
        page.n_rows += len(rows)
        return rows

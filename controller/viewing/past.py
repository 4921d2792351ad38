"""What a recorded session shows of all that was before a moment; gathered in the background, ever finer."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from controller.messages import Neural
from controller.messages.view import Chance, Note, Records, TrialRow, Trials, View
from controller.viewing.book import shown
from controller.viewing.brains import LoggedBrains
from controller.viewing.chances import PastChances
from controller.viewing.ledger import Ledger, Page
from controller.viewing.recording import Recording
from realtime.errors import DuettoError


class Past:
    """Tells of any moment of a recording what led to it.

    Parameters
    ----------
    recording
        The session; it stays open for as long as this is used.

    Raises
    ------
    LogMessageError
        A message is not what its channel is for.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording, self._events = recording, recording.events
        self._taken_ns: NDArray[np.int64] = np.maximum.accumulate(recording.events["arrival_ns"])
        begin_ns, end_ns = recording.begin_ns, recording.end_ns
        self.ledger = Ledger(recording.events, recording.plan, recording.calibration)
        self._chances = PastChances(recording.events, self._taken_ns, self.ledger.first(), begin_ns, end_ns)
        self._brains: LoggedBrains | None = None
        if recording.has_brains:
            epoch_ns = recording.opening.epoch_ns - begin_ns
            self._brains = LoggedBrains(recording.log, epoch_ns, begin_ns, end_ns)

    @property
    def read(self) -> float:
        """Share of what is said of brains that has been looked through, 0 to 1."""
        return 1.0 if self._brains is None else self._brains.read

    @property
    def complete(self) -> bool:
        """Whether everything has been found."""
        return self.read == 1.0 and self.ledger.complete and self._chances.complete

    @property
    def fineness(self) -> int:
        """How fine the picture of what was before is: it grows."""
        return self._chances.complete + (0 if self._brains is None else self._brains.levels)

    def look_further(self, enough: Callable[[], bool]) -> None:
        """Look through more of the session, until it is enough."""
        while not self.ledger.complete:
            self.ledger.step()
            if enough():
                return
        self._chances.step()
        if self._brains is not None and self._brains.read < 1.0:
            self._brains.look_further(enough)

    def count_until(self, t_ns: int) -> int:
        """Return how many events the loop had taken at a moment."""
        return int(np.searchsorted(self._taken_ns, t_ns, "right"))

    def until(self, t_ns: int, page: Page, rows: list[TrialRow]) -> list[View]:
        """Return all that there is to see at a moment, whose page and rows are given; raises LogMessageError."""
        summed = page.summed()
        chance_ns = max((one.t_ns for one in summed if isinstance(one, Chance)), default=0)
        told: list[View] = [Records(shown(self._events[: page.count]).tobytes()), Trials(rows)]
        told += [*self._chances.before(chance_ns), *summed]
        told += [] if self._brains is None else self._brains.until(t_ns)
        return told + self._notes(-1, t_ns)

    def between(self, after_ns: int, until_ns: int, page: Page) -> tuple[list[View], list[TrialRow]]:
        """Return what was new from one moment to another, and the rows that it brought.

        Parameters
        ----------
        after_ns, until_ns
            After the one, up to the other [ns].
        page
            That of the first moment; it goes on to the second.

        Raises
        ------
        LogMessageError
            A message is not what its channel is for.
        """
        events = self._events[page.count : self.count_until(until_ns)]
        chosen = shown(events)
        told: list[View] = [Records(chosen.tobytes())] if chosen.size else []
        rows = page.add(events) + self.ledger.last_rows(page)
        told += [Trials(rows)] if rows else []
        brains: list[Neural] = [] if self._brains is None else self._brains.between(after_ns, until_ns)
        return [*told, *brains, *self._notes(after_ns, until_ns)], rows

    def _notes(self, after_ns: int, until_ns: int) -> list[Note]:
        return [note for note in self._recording.notes if after_ns < note.t_ns <= until_ns]


def past_of(recording: Recording) -> Past:
    """Return a recording's past; closes the recording where that fails, as :class:`Past` does."""
    try:
        return Past(recording)
    except DuettoError:
        recording.close()
        raise

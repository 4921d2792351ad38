"""Trials that ended, as columns: what the scene lists one by one, kept as arrays that only take what is new."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.messages.view import Opening, TrialRow
from realtime.records import ANIMALS, Outcome

NONE_NS: Final = -1
"""Stands for a time that there is not."""
LIGHTS: Final = ("none", "lit", "sham", "dark")
"""In the order of the numbers in the column ``light``."""
TRIAL: Final = np.dtype(
    [
        ("machine", np.int16),
        ("trial", np.int32),
        ("opened_ns", np.int64),
        ("first_ns", np.int64),
        ("lag_ns", np.int64),
        ("end_ns", np.int64),
        ("outcome", np.int8),
        ("window_ns", np.int64),
        ("light", np.int8),
    ]
)
"""One trial, as :class:`~controller.messages.view.TrialRow` has it; :data:`NONE_NS` for None."""
FIRST_ROOM: Final = 256


class TrialColumns:
    """The trials of a session, in the order in which they ended."""

    def __init__(self) -> None:
        self._room = np.zeros(FIRST_ROOM, TRIAL)
        self._count = 0

    def forget(self) -> None:
        """Hold no trial any more."""
        self._count = 0

    def follow(self, rows: list[TrialRow]) -> None:
        """Take those of ``rows`` that are new: all behind as many as there are already."""
        needed = len(rows)
        if needed > self._room.size:
            room = np.zeros(max(needed, 2 * self._room.size), TRIAL)
            room[: self._count] = self._room[: self._count]
            self._room = room
        for place in range(self._count, needed):
            self._room[place] = _as_record(rows[place])
        self._count = max(self._count, needed)

    @property
    def all(self) -> NDArray[np.void]:
        """Every trial, as a view, shape (n,) of :data:`TRIAL`."""
        return self._room[: self._count]

    def __len__(self) -> int:
        return self._count


def _as_record(row: TrialRow) -> tuple[int, ...]:
    first_ns = NONE_NS if row.first_ns is None else row.first_ns
    lag_ns = NONE_NS if row.lag_ns is None else row.lag_ns
    light = LIGHTS.index(row.light)
    return row.machine, row.trial, row.opened_ns, first_ns, lag_ns, row.end_ns, row.outcome, row.window_ns, light


def judged_of(trials: NDArray[np.void]) -> NDArray[np.bool_]:
    """Return which trials were judged, shape (n,): successes and misses, so that somebody had poked."""
    outcome = trials["outcome"]
    judged: NDArray[np.bool_] = (outcome == Outcome.SUCCESS) | (outcome == Outcome.MISS)
    return judged


def alone(opening: Opening) -> bool:
    """Return whether each animal is judged alone, by a machine of its own."""
    return any(animal >= 0 for animal in opening.machines)


def name_of(opening: Opening, animal: int) -> str:
    """Return what an animal is called: its letter, and its subject's name where that is another."""
    letter, subject = ANIMALS[animal], opening.subjects[animal]
    return letter if subject in ("", letter) else f"{letter} {subject}"

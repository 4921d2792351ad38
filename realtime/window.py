"""The cooperation window: how far apart two pokes may be, and how that narrows.

Three schedules, one pure kernel:

- ``days``: the window of a training day is fixed; it narrows between days (3 s for 5 days, 1.5 s for 10, 0.75 s for 15
  in Jiang et al., Science 2025).
- ``criterion``: narrows one stage when the success rate of the last ``n`` judged trials is above ``advance``, widens
  one stage when it is below ``retreat``; the count starts anew after each change.
- ``fixed``: one window, always.
"""

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from realtime.errors import DuettoError
from realtime.jit import kernel
from realtime.records import Outcome

HISTORY: Final = 64
"""Outcomes the kernel can remember: one bit each."""


class Schedule(IntEnum):
    """How the window changes."""

    DAYS = 0
    CRITERION = 1
    FIXED = 2


SCHEDULE: Final = np.dtype(
    [
        ("kind", "<i8"),
        ("n_stages", "<i8"),
        ("criterion_trials", "<i8"),
        ("advance_above", "<f8"),
        ("retreat_below", "<f8"),
    ]
)

WINDOW: Final = np.dtype(
    [
        ("stage", "<i8"),
        ("outcomes", "<u8"),  # one bit per judged trial since the last change, newest lowest
        ("n_outcomes", "<i8"),
    ]
)


class TrainingDayError(DuettoError):
    """The day of training is not one of the schedule's."""


@kernel
def judged(schedule: NDArray[np.void], window: NDArray[np.void], outcome: int) -> int:
    """Take one trial's outcome into account and return the stage from now on.

    Parameters
    ----------
    schedule : SCHEDULE (1,)
    window : WINDOW (1,)
        Changed in place.
    outcome : int
        An :class:`~realtime.records.Outcome`. Only SUCCESS and MISS count: a trial in which nobody poked says nothing
        about coordination.

    Returns
    -------
    int
        Index of the stage, 0 the widest.
    """
    stage = window[0]["stage"]
    if schedule[0]["kind"] != Schedule.CRITERION or (outcome != Outcome.SUCCESS and outcome != Outcome.MISS):
        return stage
    bit = np.uint64(1) if outcome == Outcome.SUCCESS else np.uint64(0)
    outcomes = (window[0]["outcomes"] << np.uint64(1)) | bit
    window[0]["outcomes"] = outcomes
    window[0]["n_outcomes"] += 1
    n = schedule[0]["criterion_trials"]
    if window[0]["n_outcomes"] < n:
        return stage
    successes = 0
    for i in range(n):
        successes += np.int64((outcomes >> np.uint64(i)) & np.uint64(1))
    change = 0
    if successes > schedule[0]["advance_above"] * n and stage + 1 < schedule[0]["n_stages"]:
        change = 1
    elif successes < schedule[0]["retreat_below"] * n and stage > 0:
        change = -1
    if change != 0:
        window[0]["stage"] = stage + change
        window[0]["n_outcomes"] = 0
        window[0]["outcomes"] = 0
    return window[0]["stage"]


def stage_of_day(day: int, stage_days: tuple[int, ...]) -> int:
    """Return the stage of training day ``day`` (from 1); days after the last stage's stay in it.

    Raises
    ------
    TrainingDayError
        If ``day`` is below 1.
    """
    if day < 1:
        raise TrainingDayError(f"day {day} is not a day of training: days count from 1")
    last = 0
    for stage, days in enumerate(stage_days):
        last += days
        if day <= last:
            return stage
    return len(stage_days) - 1

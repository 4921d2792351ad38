"""How many coincidences two animals would make by chance, by the study's method of circular shifts.

One animal's poke times are kept, the other's are moved round the session as on a ring, and coincidences are
counted again. A shift keeps each animal's own rhythm and count, and destroys all that ties the two together
in time: cooperation, but as well the water that both wait for and drink together. How often pairs that do not
cooperate exceed the level was measured: ``docs/explanations/chance-level.md`` has the rates, and what may be
said of a pair.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.shifts import (
    HIGH_PERCENTILE,
    LOW_PERCENTILE,
    MIN_SHIFT_NS,
    ChanceError,
    ChanceSettingError,
    EmptySessionError,
    NotTimesError,
    OutsideSessionError,
    SessionTooShortError,
    UnsortedTimesError,
    check_settings,
    checked_pair,
    circular_shift,
    drawn_shifts,
    rotate,
)
from realtime.jit import allocating_kernel, kernel

__all__ = [
    "HIGH_PERCENTILE",
    "LOW_PERCENTILE",
    "MIN_SHIFT_NS",
    "ChanceError",
    "ChanceLevel",
    "ChanceSettingError",
    "EmptySessionError",
    "NotTimesError",
    "OutsideSessionError",
    "SessionTooShortError",
    "UnsortedTimesError",
    "chance_level",
    "circular_shift",
    "coincidences",
]


class ChanceLevel(NamedTuple):
    """What was observed, beside what circular shifts give."""

    observed: int
    """Coincidences in the pokes as they were."""
    median: float
    """Median count over the shifts."""
    low: float
    """2.5th percentile."""
    high: float
    """97.5th percentile."""
    shifts: int
    """How many shifts were drawn."""
    window_ns: int
    """Longest lag of a coincidence, inclusive."""


@kernel
def coincidences(a_ns: NDArray[np.int64], b_ns: NDArray[np.int64], window_ns: int) -> int:
    """Count pairs of pokes, one of each animal, no further apart than the window.

    Each poke belongs to one pair at most. In the order of time, each poke of A joins the first free poke of B
    within its reach; on a line no other pairing makes more pairs.

    Parameters
    ----------
    a_ns, b_ns
        Shape (n,) and (m,), ascending [ns].
    window_ns
        Longest lag, inclusive [ns].

    Returns
    -------
    int
        Number of pairs.
    """
    pairs = 0
    i = 0
    j = 0
    while i < a_ns.shape[0] and j < b_ns.shape[0]:
        lag_ns = b_ns[j] - a_ns[i]
        if lag_ns > window_ns:
            i += 1
        elif lag_ns < -window_ns:
            j += 1
        else:
            pairs += 1
            i += 1
            j += 1
    return pairs


@allocating_kernel
def _shifted_counts(
    a_ns: NDArray[np.int64],
    b_ns: NDArray[np.int64],
    start_ns: int,
    end_ns: int,
    window_ns: int,
    shifts_ns: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    """Count, for each of ``shifts_ns``, the coincidences of A as it was with B shifted."""
    shifted_ns = np.empty_like(b_ns)
    for k in range(shifts_ns.shape[0]):
        rotate(b_ns, start_ns, end_ns, shifts_ns[k], shifted_ns)
        counts[k] = coincidences(a_ns, shifted_ns, window_ns)


def chance_level(
    a_ns: NDArray[np.int64],
    b_ns: NDArray[np.int64],
    start_ns: int,
    end_ns: int,
    window_ns: int,
    *,
    shifts: int = 500,
    seed: int = 0,
    min_shift_ns: int = MIN_SHIFT_NS,
) -> ChanceLevel:
    """Compare a session's coincidences with those of circularly shifted pokes.

    Parameters
    ----------
    a_ns, b_ns
        Poke times of the animals, shape (n,) and (m,), ascending, within the session [ns].
    start_ns, end_ns
        The session; the end is exclusive.
    window_ns
        Longest lag of a coincidence, inclusive [ns].
    shifts
        How many shifts to draw, uniformly from ``min_shift_ns`` to the duration less ``min_shift_ns``.
    seed
        Of the drawing, from 0: the same seed gives the same level.
    min_shift_ns
        Nearest to no shift at all, either way round [ns].

    Returns
    -------
    ChanceLevel
        The observed count, and median, 2.5th and 97.5th percentile over the shifts.

    Raises
    ------
    EmptySessionError, SessionTooShortError, ChanceSettingError
        If there is nothing to shift, no room to shift it, or a setting is out of range.
    NotTimesError, UnsortedTimesError, OutsideSessionError
        If the times are not as described above.

    Notes
    -----
    Jiang et al., Science 2025, 10.1126/science.adw8151, as secondary texts describe it.
    """
    check_settings(window_ns=window_ns, shifts=shifts, seed=seed, min_shift_ns=min_shift_ns)
    kept_ns, moved_ns = checked_pair(a_ns, b_ns, start_ns, end_ns, min_shift_ns)
    shifts_ns = drawn_shifts(end_ns - start_ns, shifts, seed, min_shift_ns)
    counts = np.empty(shifts, np.int64)
    _shifted_counts(kept_ns, moved_ns, start_ns, end_ns, window_ns, shifts_ns, counts)
    low, median, high = np.percentile(counts, (LOW_PERCENTILE, 50.0, HIGH_PERCENTILE))
    observed = int(coincidences(kept_ns, moved_ns, window_ns))
    return ChanceLevel(observed, float(median), float(low), float(high), shifts, int(window_ns))

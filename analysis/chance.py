"""How many coincidences two animals would make by chance, by the study's method of circular shifts.

One animal's poke times are kept, the other's are moved round the session as on a ring, and coincidences are
counted again. A shift keeps each animal's own rhythm and count, and destroys all that ties the two together
in time: cooperation, but as well the water that both wait for and drink together. How often pairs that do not
cooperate exceed the level was measured: ``docs/explanations/chance-level.md`` has the rates, and what may be
said of a pair.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from realtime.clock import to_seconds
from realtime.errors import DuettoError
from realtime.jit import allocating_kernel, kernel
from realtime.records import ANIMALS, NS_PER_S

LOW_PERCENTILE: Final = 2.5
HIGH_PERCENTILE: Final = 97.5
MIN_SHIFT_NS: Final = 10 * NS_PER_S
"""Default for the shortest shift: well beyond the longest window of the task, 3 s."""


class ChanceError(DuettoError):
    """No chance level can be told of these pokes."""


class EmptySessionError(ChanceError):
    """One of the animals never poked."""


class SessionTooShortError(ChanceError):
    """The session has no room for a shift of at least ``min_shift_ns`` either way round."""


class UnsortedTimesError(ChanceError):
    """Poke times that go backwards."""


class OutsideSessionError(ChanceError):
    """A poke before the session's start, or at or after its end."""


class ChanceSettingError(ChanceError):
    """A window, a number of shifts, a shortest shift or a seed that makes no sense."""


class NotTimesError(ChanceError):
    """Poke times that are no one-dimensional array of integer nanoseconds."""


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


@kernel
def _rotate(t_ns: NDArray[np.int64], start_ns: int, end_ns: int, shift_ns: int, shifted_ns: NDArray[np.int64]) -> None:
    """Write ``t_ns`` moved later on the ring, in order, to ``shifted_ns``; 0 <= ``shift_ns`` < duration."""
    kept = np.searchsorted(t_ns, end_ns - shift_ns)  # from here on they pass the end and come in at the start
    wrapped = t_ns.shape[0] - kept
    for i in range(wrapped):
        shifted_ns[i] = t_ns[kept + i] + shift_ns - (end_ns - start_ns)
    for i in range(kept):
        shifted_ns[wrapped + i] = t_ns[i] + shift_ns


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
        _rotate(b_ns, start_ns, end_ns, shifts_ns[k], shifted_ns)
        counts[k] = coincidences(a_ns, shifted_ns, window_ns)


def circular_shift(t_ns: NDArray[np.int64], start_ns: int, end_ns: int, shift_ns: int) -> NDArray[np.int64]:
    """Move times round the session as on a ring.

    Parameters
    ----------
    t_ns
        Shape (n,), ascending, from ``start_ns`` and below ``end_ns`` [ns].
    start_ns, end_ns
        The session; the end is exclusive.
    shift_ns
        How much later, of any size and sign: it counts modulo the duration.

    Returns
    -------
    ndarray of int64
        Shape (n,), ascending, in the same bounds.

    Raises
    ------
    SessionTooShortError
        If the session does not end after its start.
    NotTimesError, UnsortedTimesError, OutsideSessionError
        If the times are not as described above.
    """
    if end_ns <= start_ns:
        raise SessionTooShortError(
            f"The session ends at {end_ns} ns, not after its start at {start_ns} ns; give its true bounds."
        )
    times_ns = _checked(t_ns, "The animal", start_ns, end_ns)
    shifted_ns = np.empty_like(times_ns)
    _rotate(times_ns, start_ns, end_ns, shift_ns % (end_ns - start_ns), shifted_ns)
    return shifted_ns


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
    _check_settings(window_ns, shifts, seed, min_shift_ns)
    duration_ns = end_ns - start_ns
    if duration_ns <= 0 or duration_ns < 2 * min_shift_ns:
        raise SessionTooShortError(
            f"The session lasts {to_seconds(duration_ns):g} s, too short for shifts of "
            f"{to_seconds(min_shift_ns):g} s or more either way round; take a longer session or a smaller min_shift_ns."
        )
    kept_ns = _checked(a_ns, f"Animal {ANIMALS[0]}", start_ns, end_ns)
    moved_ns = _checked(b_ns, f"Animal {ANIMALS[1]}", start_ns, end_ns)
    for name, times_ns in zip(ANIMALS, (kept_ns, moved_ns), strict=True):
        if times_ns.size == 0:
            raise EmptySessionError(f"Animal {name} never poked: no chance level exists; leave the session out.")
    stream = np.random.default_rng(seed)
    shifts_ns = stream.integers(min_shift_ns, duration_ns - min_shift_ns, size=shifts, endpoint=True)
    counts = np.empty(shifts, np.int64)
    _shifted_counts(kept_ns, moved_ns, start_ns, end_ns, window_ns, shifts_ns % duration_ns, counts)
    low, median, high = np.percentile(counts, (LOW_PERCENTILE, 50.0, HIGH_PERCENTILE))
    observed = int(coincidences(kept_ns, moved_ns, window_ns))
    return ChanceLevel(observed, float(median), float(low), float(high), shifts, int(window_ns))


def _check_settings(window_ns: int, shifts: int, seed: int, min_shift_ns: int) -> None:
    """Refuse settings outside their ranges."""
    settings = {"window_ns": window_ns, "shifts": shifts, "seed": seed, "min_shift_ns": min_shift_ns}
    for name, value in settings.items():
        least = 1 if name == "shifts" else 0
        if value < least:
            raise ChanceSettingError(f"{name} is {value}, but must be at least {least}; correct it.")


def _checked(t_ns: NDArray[np.int64], whose: str, start_ns: int, end_ns: int) -> NDArray[np.int64]:
    """Return ``t_ns`` contiguous, once it is known to be ascending and within the session."""
    if t_ns.ndim != 1 or t_ns.dtype.kind not in "iu":
        raise NotTimesError(
            f"{whose}'s poke times are a {t_ns.ndim}-dimensional array of {t_ns.dtype}, "
            "but must be one row of integer nanoseconds; convert them first."
        )
    times_ns = np.ascontiguousarray(t_ns, np.int64)
    backwards = np.flatnonzero(np.diff(times_ns) < 0)
    if backwards.size:
        raise UnsortedTimesError(
            f"{whose}'s poke times go backwards after number {int(backwards[0]) + 1}; sort them by time."
        )
    if times_ns.size and (times_ns[0] < start_ns or times_ns[-1] >= end_ns):
        outside_ns = int(times_ns[0] if times_ns[0] < start_ns else times_ns[-1])
        raise OutsideSessionError(
            f"{whose} poked at {outside_ns} ns, but the session runs from {start_ns} to before {end_ns} ns; "
            "give the session's true bounds, or leave that poke out."
        )
    return times_ns

"""Circular shifts of one animal's pokes against the other's: what every chance level here is made with.

One animal's times are kept, the other's are moved round the session as on a ring. Each animal keeps its own rhythm
and count; all that ties the two together in time is destroyed, cooperation and shared water alike.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from realtime.clock import to_seconds
from realtime.errors import DuettoError
from realtime.jit import kernel
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
    """A window, a number of shifts, a shortest shift, a seed or another setting that makes no sense."""


class NotTimesError(ChanceError):
    """Poke times that are no one-dimensional array of integer nanoseconds."""


@kernel
def rotate(t_ns: NDArray[np.int64], start_ns: int, end_ns: int, shift_ns: int, shifted_ns: NDArray[np.int64]) -> None:
    """Write times moved later on the ring, in order, to ``shifted_ns``; nothing is checked.

    Parameters
    ----------
    t_ns
        Shape (n,), ascending, from ``start_ns`` and below ``end_ns`` [ns].
    start_ns, end_ns
        The session; the end is exclusive.
    shift_ns
        How much later, from 0 and below the duration.
    shifted_ns
        Shape (n,); receives the times, ascending.
    """
    kept = np.searchsorted(t_ns, end_ns - shift_ns)  # from here on they pass the end and come in at the start
    wrapped = t_ns.shape[0] - kept
    for i in range(wrapped):
        shifted_ns[i] = t_ns[kept + i] + shift_ns - (end_ns - start_ns)
    for i in range(kept):
        shifted_ns[wrapped + i] = t_ns[i] + shift_ns


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
    rotate(times_ns, start_ns, end_ns, shift_ns % (end_ns - start_ns), shifted_ns)
    return shifted_ns


def check_settings(**settings: int) -> None:
    """Refuse settings below the least that makes sense: 1 for ``shifts`` and ``trials``, 0 for any other.

    Raises
    ------
    ChanceSettingError
        Naming the first such setting.
    """
    for name, value in settings.items():
        least = 1 if name in {"shifts", "trials"} else 0
        if value < least:
            raise ChanceSettingError(f"{name} is {value}, but must be at least {least}; correct it.")


def checked_pair(
    a_ns: NDArray[np.int64], b_ns: NDArray[np.int64], start_ns: int, end_ns: int, min_shift_ns: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return both animals' times contiguous, once they are known to be fit for shifting.

    Parameters
    ----------
    a_ns, b_ns
        Shape (n,) and (m,) [ns].
    start_ns, end_ns
        The session; the end is exclusive.
    min_shift_ns
        Nearest to no shift at all, either way round [ns].

    Raises
    ------
    SessionTooShortError
        If the session has no room for such a shift.
    NotTimesError, UnsortedTimesError, OutsideSessionError
        If the times are not ascending integers within the session.
    EmptySessionError
        If one of the animals never poked.
    """
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
    return kept_ns, moved_ns


def drawn_shifts(duration_ns: int, shifts: int, seed: int, min_shift_ns: int) -> NDArray[np.int64]:
    """Draw shifts, uniformly from ``min_shift_ns`` to the duration less ``min_shift_ns``, both included.

    Parameters
    ----------
    duration_ns
        Of the session, at least twice ``min_shift_ns`` and above 0.
    shifts
        How many.
    seed
        Of the drawing, from 0: the same seed gives the same shifts.
    min_shift_ns
        Nearest to no shift at all, either way round [ns].

    Returns
    -------
    ndarray of int64
        Shape (shifts,), from 0 and below the duration, as :func:`rotate` takes them [ns].
    """
    stream = np.random.default_rng(seed)
    return stream.integers(min_shift_ns, duration_ns - min_shift_ns, size=shifts, endpoint=True) % duration_ns


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

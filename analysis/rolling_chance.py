"""Where a curve of "success over the last 20 judged trials" would lie if the two animals' timing were unrelated.

The task's rule is played freely over both animals' pokes as they were, and again with one animal's pokes shifted round
the session as on a ring, many times. The band is where the middle 95 % of all runs of 20 consecutive trials lie: the
points that such a curve would draw. It is a band for one point: a curve of many points leaves it now and then. Shared
water lifts the curve above it as well. Both were measured: ``docs/explanations/chance-level.md``.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.shifts import (
    HIGH_PERCENTILE,
    LOW_PERCENTILE,
    MIN_SHIFT_NS,
    ChanceError,
    check_settings,
    checked_pair,
    drawn_shifts,
    rotate,
)
from realtime.clock import to_seconds
from realtime.jit import allocating_kernel, kernel


class TooFewTrialsError(ChanceError):
    """The pokes make fewer judged trials than one point of the curve needs."""


class FreeRule(NamedTuple):
    """The cooperation task's rule, as far as it follows from pokes alone."""

    window_ns: int
    """Longest lag from a trial's first poke to the partner's, inclusive."""
    after_success_ns: int
    """For how long no poke counts after a success, inclusive: the time to drink and the mean ITI."""
    after_miss_ns: int
    """The same after a miss: the time-out and the mean ITI."""


class RollingChance(NamedTuple):
    """What the pokes give by the free rule, beside what circular shifts give. Shares lie from 0 to 1."""

    observed: float
    """Share of successes among all trials of the pokes as they were."""
    median: float
    """Median of the same share over the shifts."""
    low: float
    """2.5th percentile of the share of successes in a block, over all blocks of all shifts."""
    high: float
    """97.5th percentile of the same."""
    observed_trials: int
    """Judged trials in the pokes as they were."""
    trials: int
    """Consecutive judged trials in a block: as many as one point of the curve stands for."""
    shifts: int
    """How many shifts were drawn."""
    blocks: int
    """How many blocks they gave. A block begins at every trial, so that neighbours overlap as the curve's points do."""
    window_ns: int
    """Longest lag of a success, inclusive."""


@kernel
def _first_later(t_ns: NDArray[np.int64], i: int, since_ns: int, closed_ns: int) -> int:
    """Return the first index from ``i`` on of a time more than ``closed_ns`` after ``since_ns``."""
    while i < t_ns.shape[0] and t_ns[i] - since_ns <= closed_ns:
        i += 1
    return i


@kernel
def play_freely(
    a_ns: NDArray[np.int64],
    b_ns: NDArray[np.int64],
    end_ns: int,
    rule: FreeRule,
    outcomes: NDArray[np.int64],
    judged_ns: NDArray[np.int64],
) -> int:
    """Play the cooperation task over two trains of pokes.

    The first poke that counts opens a trial. If the other animal pokes within the window, the trial is a success at
    that poke; otherwise it is a miss when the window is over. After an outcome pokes do not count for a time. A bound
    is inclusive, as the task's kernels have it: a poke just at the window's end is in time, and one just at the end of
    that pause is too early. A trial whose window is still open at ``end_ns`` has no outcome.

    Parameters
    ----------
    a_ns, b_ns
        Shape (n,) and (m,), ascending, before ``end_ns`` [ns].
    end_ns
        Until when the pokes are known, exclusive.
    rule
        Window and pauses.
    outcomes, judged_ns
        Shape (n + m,) or more; receive 1 for a success and 0 for a miss, and when that was [ns].

    Returns
    -------
    int
        Number of judged trials.
    """
    judged = 0
    i = 0
    j = 0
    while i < a_ns.shape[0] or j < b_ns.shape[0]:
        if j == b_ns.shape[0] or (i < a_ns.shape[0] and a_ns[i] <= b_ns[j]):
            first_ns = a_ns[i]
            answered = j < b_ns.shape[0] and b_ns[j] - first_ns <= rule.window_ns
            outcome_ns = b_ns[j] if answered else first_ns + rule.window_ns
        else:
            first_ns = b_ns[j]
            answered = i < a_ns.shape[0] and a_ns[i] - first_ns <= rule.window_ns
            outcome_ns = a_ns[i] if answered else first_ns + rule.window_ns
        if not answered and end_ns - first_ns <= rule.window_ns:
            break
        outcomes[judged] = 1 if answered else 0
        judged_ns[judged] = outcome_ns
        judged += 1
        closed_ns = rule.after_success_ns if answered else rule.after_miss_ns
        i = _first_later(a_ns, i, outcome_ns, closed_ns)
        j = _first_later(b_ns, j, outcome_ns, closed_ns)
    return judged


@kernel
def _count_blocks(outcomes: NDArray[np.int64], judged: int, found: NDArray[np.int64]) -> int:
    """Count every block by its successes in ``found``, shape (trials + 1,); return the successes of all trials."""
    trials = found.shape[0] - 1
    successes = 0
    in_block = 0
    for k in range(judged):
        successes += outcomes[k]
        in_block += outcomes[k]
        if k >= trials:
            in_block -= outcomes[k - trials]
        if k >= trials - 1:
            found[in_block] += 1
    return successes


@allocating_kernel
def _shifted_blocks(
    a_ns: NDArray[np.int64],
    b_ns: NDArray[np.int64],
    start_ns: int,
    end_ns: int,
    rule: FreeRule,
    shifts_ns: NDArray[np.int64],
    rates: NDArray[np.float64],
    found: NDArray[np.int64],
) -> None:
    """Play A as it was with B shifted by each of ``shifts_ns``: rates of success (NaN without a trial), and blocks."""
    shifted_ns = np.empty_like(b_ns)
    outcomes = np.empty(a_ns.shape[0] + b_ns.shape[0], np.int64)
    judged_ns = np.empty_like(outcomes)
    for k in range(shifts_ns.shape[0]):
        rotate(b_ns, start_ns, end_ns, shifts_ns[k], shifted_ns)
        judged = play_freely(a_ns, shifted_ns, end_ns, rule, outcomes, judged_ns)
        successes = _count_blocks(outcomes, judged, found)
        rates[k] = successes / judged if judged > 0 else np.nan


def rolling_chance(
    a_ns: NDArray[np.int64],
    b_ns: NDArray[np.int64],
    start_ns: int,
    end_ns: int,
    window_ns: int,
    *,
    after_success_ns: int,
    after_miss_ns: int,
    trials: int = 20,
    shifts: int = 200,
    seed: int = 0,
    min_shift_ns: int = MIN_SHIFT_NS,
) -> RollingChance:
    """Tell where a rolling rate of success would lie if the two animals' timing were unrelated.

    Parameters
    ----------
    a_ns, b_ns
        Poke times of the animals, shape (n,) and (m,), ascending, within the session [ns].
    start_ns, end_ns
        The session; the end is exclusive. In a session that still runs, the end is now.
    window_ns
        The cooperation window, inclusive [ns].
    after_success_ns, after_miss_ns
        For how long pokes do not count after an outcome: the time to drink, or the time-out, and the mean ITI [ns].
    trials
        Consecutive judged trials that one point of the curve stands for.
    shifts
        How many shifts to draw, uniformly from ``min_shift_ns`` to the duration less ``min_shift_ns``.
    seed
        Of the drawing, from 0: the same seed gives the same band.
    min_shift_ns
        Nearest to no shift at all, either way round [ns].

    Returns
    -------
    RollingChance
        The observed rate, the median over the shifts, and the band of single points. Both ends of the band are shares
        that a block can have, and at most 2.5 % of the blocks lie beyond either.

    Raises
    ------
    TooFewTrialsError
        If the pokes as they were, or all shifts of them, make less than one block.
    EmptySessionError, SessionTooShortError, ChanceSettingError
        If there is nothing to shift, no room to shift it, or a setting is out of range.
    NotTimesError, UnsortedTimesError, OutsideSessionError
        If the times are not as described above.

    Notes
    -----
    The null is that of Jiang et al., Science 2025, 10.1126/science.adw8151, as secondary texts describe it; they count
    coincidences over whole sessions, and the rolling rate is ours. Pauses, omissions, single ITIs and windows that
    change within a session are not played.
    """
    rule = FreeRule(int(window_ns), int(after_success_ns), int(after_miss_ns))
    check_settings(**rule._asdict(), trials=trials, shifts=shifts, seed=seed, min_shift_ns=min_shift_ns)
    kept_ns, moved_ns = checked_pair(a_ns, b_ns, start_ns, end_ns, min_shift_ns)
    outcomes = np.empty(kept_ns.size + moved_ns.size, np.int64)
    judged = int(play_freely(kept_ns, moved_ns, end_ns, rule, outcomes, np.empty_like(outcomes)))
    rates, found = np.empty(shifts), np.zeros(trials + 1, np.int64)
    shifts_ns = drawn_shifts(end_ns - start_ns, shifts, seed, min_shift_ns)
    _shifted_blocks(kept_ns, moved_ns, start_ns, end_ns, rule, shifts_ns, rates, found)
    if judged < trials or not found.any():
        raise TooFewTrialsError(
            f"The pokes {'as they were' if judged < trials else 'shifted'} make fewer than {trials} judged trials at a "
            f"window of {to_seconds(rule.window_ns):g} s, too few for one point; wait for more, or take fewer trials "
            "to a point."
        )
    observed = float(np.mean(outcomes[:judged]))
    low, high = (_percentile(found, percent) for percent in (LOW_PERCENTILE, HIGH_PERCENTILE))
    median = float(np.nanmedian(rates))
    return RollingChance(observed, median, low, high, judged, trials, shifts, int(found.sum()), rule.window_ns)


def _percentile(found: NDArray[np.int64], percent: float) -> float:
    """Return the least share of successes that ``percent`` of the blocks do not exceed."""
    reached = np.cumsum(found) * 100.0 >= percent * found.sum()
    return float(np.argmax(reached)) / (found.size - 1)

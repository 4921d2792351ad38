"""Measure how often pairs that do not cooperate exceed their chance level.

Run it with ``python -m benchmarks.chance_fpr``; it prints the table of ``docs/explanations/chance-level.md`` in less
than three minutes. Pairs are virtual mice over 30-minute sessions, of four kinds:

- *independent*: nobody follows and there is no water;
- *coupled*: nobody follows, but every coincidence gives both water, so both leave, drink and come back together;
- *coupled, punctual*: the same with visits at more even intervals;
- *learning*: the default mice, which follow, more with every reward.

The first three should exceed the 97.5th percentile in 2.5 % of sessions or less; the last one's rate is the power.
"""

import argparse
import sys
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.mice import MousePair, MouseParameters
from analysis.chance import chance_level
from realtime.clock import from_seconds
from realtime.records import NS_PER_S, Kind

SESSION_NS: Final = 1800 * NS_PER_S
WINDOWS_S: Final = (3.0, 1.5, 0.75)
ALOOF: Final = MouseParameters(follow_initial=0.0, follow_final=0.0)
PUNCTUAL: Final = MouseParameters(follow_initial=0.0, follow_final=0.0, poke_interval_sigma=0.2)
PAIRS: Final = {
    "independent": (ALOOF, False),
    "coupled": (ALOOF, True),
    "coupled, punctual": (PUNCTUAL, True),
    "learning": (MouseParameters(), True),
}

Pokes = tuple[NDArray[np.int64], NDArray[np.int64]]


class Row(NamedTuple):
    """What many sessions of one kind of pair gave at one window."""

    pairs: str
    window_s: float
    sessions: int
    above: float
    """Fraction of sessions with more coincidences than the 97.5th percentile of their shifts."""
    below: float
    """Fraction with fewer than the 2.5th."""
    ratio_median: float
    """Observed over the median of the shifts: its median over sessions."""
    ratio_high: float
    """Its 97.5th percentile over sessions."""


def played(mouse: MouseParameters, seed: int, succeeds: Callable[[int, int], bool]) -> Pokes:
    """Play one session; return the poke times of both mice.

    Parameters
    ----------
    mouse
        What both are like.
    seed
        Of the session.
    succeeds
        Is told when each poke was [ns] and whose (0 A, 1 B), in order; where it says yes, both get water.
    """
    pair = MousePair(mouse, mouse, seed, 0)
    pokes: tuple[list[int], list[int]] = ([], [])
    while (due_ns := pair.due_ns()) < SESSION_NS:
        for t_ns, animal, kind in pair.act(due_ns):
            if kind != Kind.POKE_IN:
                continue
            pokes[animal].append(t_ns)
            if succeeds(t_ns, animal):
                pair.observe(Kind.VALVE_ON, 0, t_ns)
                pair.observe(Kind.VALVE_ON, 1, t_ns)
    return np.array(pokes[0], np.int64), np.array(pokes[1], np.int64)


def simulate(mouse: MouseParameters, seed: int, window_ns: int, *, rewarded: bool) -> Pokes:
    """Return the poke times of both mice in one session; if ``rewarded``, every coincidence gives both water."""
    open_ns = [-SESSION_NS, -SESSION_NS]

    def coincides(t_ns: int, animal: int) -> bool:
        open_ns[animal] = t_ns
        if not rewarded or t_ns - open_ns[1 - animal] > window_ns:
            return False
        open_ns[:] = -SESSION_NS, -SESSION_NS  # both pokes are used up
        return True

    return played(mouse, seed, coincides)


def measure(pairs: str, window_s: float, sessions: int) -> Row:
    """Simulate ``sessions`` sessions and compare each with its own chance level."""
    mouse, rewarded = PAIRS[pairs]
    window_ns = from_seconds(window_s)
    observed, median, low, high = np.empty((4, sessions))
    for seed in range(sessions):
        a_ns, b_ns = simulate(mouse, seed, window_ns, rewarded=rewarded)
        level = chance_level(a_ns, b_ns, 0, SESSION_NS, window_ns, seed=seed)
        observed[seed], median[seed], low[seed], high[seed] = level[:4]
    ratio = observed / median
    above, below = float(np.mean(observed > high)), float(np.mean(observed < low))
    return Row(pairs, window_s, sessions, above, below, float(np.median(ratio)), float(np.percentile(ratio, 97.5)))


def interval(p: float, n: int) -> tuple[float, float]:
    """Return the ends [%] of the 95 % interval (Wilson) of a share ``p`` of ``n``."""
    z = 1.96
    centre, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    least, most = (max(0.0, 100 * (centre + sign * half) / (1 + z * z / n)) for sign in (-1, 1))
    return least, most


def line_of(row: Row) -> str:
    """Return ``row`` as a line of the table, with the 95 % interval (Wilson) of the rate above chance."""
    least, most = interval(row.above, row.sessions)
    return (
        f"| {row.pairs} | {row.window_s:g} | {row.sessions} | {100 * row.above:.1f} ({least:.1f}-{most:.1f}) "
        f"| {100 * row.below:.1f} | {row.ratio_median:.2f} | {row.ratio_high:.2f} |\n"
    )


def sessions_asked_for(description: str, usual: int) -> int:
    """Return how many sessions of each kind the command line asks for."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--sessions", type=int, default=usual, help=f"sessions of each kind (default {usual})")
    parser.add_argument("--quick", action="store_true", help="20 sessions of each kind: a look, not a measurement")
    arguments = parser.parse_args()
    sessions: int = 20 if arguments.quick else arguments.sessions
    if sessions < 1:
        parser.error(f"--sessions is {sessions}, but must be at least 1")
    return sessions


def main() -> None:
    """Print the table."""
    sessions = sessions_asked_for("Measure how often pairs exceed their chance level.", 600)
    sys.stdout.write(
        "| pairs | window [s] | sessions | above 97.5th [%] (95 % interval) | below 2.5th [%] "
        "| observed / median | its 97.5th |\n|---|---|---|---|---|---|---|\n"
    )
    for pairs in PAIRS:
        for window_s in WINDOWS_S:
            sys.stdout.write(line_of(measure(pairs, window_s, sessions)))
            sys.stdout.flush()


if __name__ == "__main__":
    main()

"""Measure how a rolling rate of success lies to its chance band, for pairs that cooperate and pairs that do not.

Run it with ``python -m benchmarks.rolling_chance_fpr``; it prints the table of the rolling band in
``docs/explanations/chance-level.md`` in about four minutes. The mice and sessions are those of
:mod:`benchmarks.chance_fpr`. The curve is the one that the window draws: the judge's own outcomes, with the task's ITIs
as they are drawn. The water is of three kinds:

- *no water*;
- *every coincidence*: both get water whenever they coincide, as in :mod:`benchmarks.chance_fpr`;
- *the task's*: both get water at each success that the judge decides.

In a pair that does not follow, a single point should lie above the band in 2.5 % of cases or less.
"""

import sys
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.mice import MouseParameters
from analysis.rolling_chance import RollingChance, TooFewTrialsError, rolling_chance
from benchmarks.chance_fpr import (
    ALOOF,
    PUNCTUAL,
    SESSION_NS,
    WINDOWS_S,
    Pokes,
    interval,
    played,
    sessions_asked_for,
    simulate,
)
from controller.judge import RECORDS_PER_TRIAL, SPARE_RECORDS, plan_of
from realtime.clock import from_seconds
from realtime.records import FIRST_DEVICE, NS_PER_S, SOURCE_OPERATOR, Kind, Operator, Outcome, host_event, no_events
from realtime.sequencer import drain, take

TRIALS: Final = 20
ITI_S: Final = (2.5, 3.5)
DRINK_NS: Final = 2 * NS_PER_S
LIMIT_NS: Final = 60 * NS_PER_S
MEAN_ITI_NS: Final = 3 * NS_PER_S
EARLY_NS: Final = 300 * NS_PER_S
"""When the curve's newest point is compared with the band of that moment, as somebody sees it who watches."""
MOST_TRIALS: Final = 800
"""A session has room for no more: a trial and its ITI take 2.5 s at least."""
TAKEN: Final = "the task's"
PAIRS: Final = {
    "independent": (ALOOF, "none"),
    "independent, punctual": (PUNCTUAL, "none"),
    "coupled": (ALOOF, "every coincidence"),
    "coupled, punctual": (PUNCTUAL, "every coincidence"),
    "coupled by the task": (ALOOF, TAKEN),
    "coupled by the task, punctual": (PUNCTUAL, TAKEN),
    "learning to follow": (MouseParameters(), TAKEN),
}


class Session(NamedTuple):
    """One session as it was played and judged."""

    pokes: Pokes
    successes: NDArray[np.int64]
    """1 for a success and 0 for a miss, in order."""
    judged_ns: NDArray[np.int64]
    """When that was decided."""


class Compared(NamedTuple):
    """One session's curve beside its band."""

    above: float
    """Share of the curve's points above the band of the whole session."""
    below: float
    low: float
    high: float
    judge_rate: float
    """Share of successes by the judge."""
    free_rate: float
    """The same by the free rule."""
    early: float
    """1 if the newest point lay above the band of that moment at :data:`EARLY_NS`, 0 if not, NaN if untold."""


class _Judge:
    """The session's own kernels, fed with one poke at a time."""

    def __init__(self, seed: int, window_ns: int) -> None:
        self._plan = plan_of(window_ns, 0, MOST_TRIALS, limit_ns=LIMIT_NS, rest_ns=DRINK_NS)
        iti_ns = np.random.default_rng((seed, 1)).uniform(*ITI_S, size=MOST_TRIALS) * NS_PER_S
        self._plan.arrays["trials"]["iti_ns"][0] = iti_ns.astype(np.int64)
        self._log = no_events(RECORDS_PER_TRIAL * MOST_TRIALS + SPARE_RECORDS)
        self._core = self._plan.core(self._log, self._log.view(np.uint64).reshape(-1, 8))
        self._machine = self._plan.machine()
        self._pokes = 0
        self._event = no_events(1)
        take(self._core, self._machine, host_event(Kind.OPERATOR, 0, SOURCE_OPERATOR, Operator.START), 0)
        drain(self._core, self._machine, 0)

    def poke(self, t_ns: int, animal: int) -> bool:
        """Judge a poke; return whether it made a success."""
        before = int(self._machine.memory[0]["n_success"])
        self._pokes += 1
        event = self._event
        event["kind"], event["t_ns"], event["source"] = Kind.POKE_IN, t_ns, FIRST_DEVICE
        event["animal"], event["line"], event["source_seq"] = animal, animal, self._pokes
        take(self._core, self._machine, event, t_ns)
        return int(self._machine.memory[0]["n_success"]) > before

    def outcomes(self, end_ns: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return successes (1) and misses (0), and when they were, until ``end_ns``."""
        drain(self._core, self._machine, end_ns)
        log = self._log[: int(self._core.memory["seq"][0])]
        ended = log[(log["kind"] == Kind.TRIAL) & np.isin(log["value"], (Outcome.SUCCESS, Outcome.MISS))]
        return (ended["value"] == Outcome.SUCCESS).astype(np.int64), ended["t_ns"].astype(np.int64)


def session_of(pairs: str, seed: int, window_ns: int) -> Session:
    """Play and judge one session."""
    mouse, water = PAIRS[pairs]
    judge = _Judge(seed, window_ns)
    if water == TAKEN:
        pokes = played(mouse, seed, judge.poke)
    else:
        pokes = simulate(mouse, seed, window_ns, rewarded=water != "none")
        t_ns = np.concatenate(pokes)
        animal = np.repeat((0, 1), [one.size for one in pokes])
        for k in np.argsort(t_ns, kind="stable"):
            judge.poke(int(t_ns[k]), int(animal[k]))
    return Session(pokes, *judge.outcomes(SESSION_NS))


def band_of(pokes: Pokes, end_ns: int, window_ns: int, seed: int) -> RollingChance:
    """Return the band that the pokes before ``end_ns`` give."""
    a_ns, b_ns = (one[one < end_ns] for one in pokes)
    return rolling_chance(
        a_ns, b_ns, 0, end_ns, window_ns,
        after_success_ns=DRINK_NS + MEAN_ITI_NS, after_miss_ns=MEAN_ITI_NS, trials=TRIALS, seed=seed,
    )  # fmt: skip


def compare(session: Session, window_ns: int, seed: int) -> Compared:
    """Compare the judge's curve with the band of the pokes."""
    band = band_of(session.pokes, SESSION_NS, window_ns, seed)
    curve = _curve(session.successes)
    above, below = float(np.mean(curve > band.high)), float(np.mean(curve < band.low))
    by_then = _curve(session.successes[session.judged_ns < EARLY_NS])
    try:
        then = band_of(session.pokes, EARLY_NS, window_ns, seed)
        early = float(by_then[-1] > then.high) if by_then.size else np.nan
    except TooFewTrialsError:
        early = np.nan
    return Compared(above, below, band.low, band.high, float(session.successes.mean()), band.observed, early)


def _curve(successes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of successes among the last trials, from the first full block on."""
    summed = np.concatenate(([0], np.cumsum(successes)))
    return (summed[TRIALS:] - summed[:-TRIALS]) / TRIALS


def line_of(pairs: str, window_s: float, rows: list[Compared]) -> str:
    """Return what many sessions gave as a line of the table, with 95 % intervals that take each session as one."""
    above, below, low, high, judge_rate, free_rate, early = (np.array(column) for column in zip(*rows, strict=True))
    half = 1.96 * float(np.std(above)) / np.sqrt(len(rows))
    points = f"{100 * above.mean():.1f} ± {100 * half:.1f}"
    told = early[np.isfinite(early)]
    differences = free_rate - judge_rate
    return (
        f"| {pairs} | {window_s:g} | {100 * judge_rate.mean():.0f} | {100 * low.mean():.0f}–{100 * high.mean():.0f} "
        f"| {points} | {100 * below.mean():.1f} | {_share(above > 0)} | {_share(told)} "
        f"| {100 * np.abs(differences).mean():.1f} ({round(100 * differences.mean(), 1) + 0.0:+.1f}) |\n"
    )


def _share(yes: NDArray[np.float64] | NDArray[np.bool_]) -> str:
    """Return a share in % with its 95 % interval (Wilson)."""
    if yes.size == 0:
        return "not told"
    p = float(np.mean(yes))
    least, most = interval(p, yes.size)
    return f"{100 * p:.1f} ({least:.1f}–{most:.1f})"


def main() -> None:
    """Print the table."""
    sessions = sessions_asked_for("Measure how rolling rates of success lie to their chance band.", 500)
    sys.stdout.write(
        "| pairs | window [s] | judge's rate [%] | band [%] | a point above [%] | a point below [%] "
        "| curve ever above [%] | newest point above at 5 min [%] | free rule less judge [points] |\n"
        "|---|---|---|---|---|---|---|---|---|\n"
    )
    for pairs in PAIRS:
        for window_s in WINDOWS_S:
            window_ns = from_seconds(window_s)
            rows = [compare(session_of(pairs, seed, window_ns), window_ns, seed) for seed in range(sessions)]
            sys.stdout.write(line_of(pairs, window_s, rows))
            sys.stdout.flush()


if __name__ == "__main__":
    main()

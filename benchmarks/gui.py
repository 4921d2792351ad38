"""Measure the window: frames drawn, processor, memory over six hours, and what the loop feels of it.

Run it with ``duetto bench gui`` (fourteen minutes; a quiet machine, please) or ``duetto bench gui --quick`` (three
minutes, numbers too few to quote). The full run writes its tables into ``docs/reference/performance.md``, which
explains them. The window is the product's own process, drawing into memory at 1600 × 1000 with every panel open.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks import _gui_hours, _gui_session, _program
from benchmarks._table import Table, at_least, at_most, number

RIG: Final = _program.ROOT / "rigs" / "virtual.toml"
CELLS: Final = 500
RATE_HZ: Final = 30.0


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    rounds: int
    turn_s: float
    hours: float
    speed: float


@dataclass(frozen=True, slots=True)
class Results:
    """What was measured."""

    shown: _gui_session.Shown
    hours: _gui_hours.Hours


FULL: Final = Effort(rounds=10, turn_s=24.0, hours=6.0, speed=120.0)
QUICK: Final = Effort(rounds=2, turn_s=15.0, hours=0.5, speed=90.0)


def measure(effort: Effort, folder: Path, tell: Callable[[str], None]) -> Results:
    """Measure everything; raises BenchmarkFailed."""
    tell(f"a session with {2 * CELLS} cells, with a window and without one in turns")
    shown = _gui_session.measure(RIG, CELLS, RATE_HZ, effort.rounds, effort.turn_s, folder)
    tell(f"{effort.hours:g} hours in {effort.hours * 60 / effort.speed:.0f} minutes, for the window's memory")
    return Results(shown, _gui_hours.measure(CELLS, RATE_HZ, effort.hours, effort.speed, folder))


def circumstances(effort: Effort, results: Results, took_s: float) -> str:
    """Return, as a list in markdown, when and where this was measured and what else the machine did."""
    return _program.circumstances(
        took_s,
        f"PyQt {version('PyQt6')}, Qt {version('PyQt6-Qt6')}, numpy {np.__version__}, drawn into memory (no display)",
        [results.shown.busy],
        full=effort == FULL,
        meanwhile="while the session ran, session and windows included,",
    )


def _column(results: Results, name: str) -> list[float]:
    return [second[name] for second in results.shown.seconds]


def targets(results: Results) -> Table:
    """Return what was asked for and what was found."""
    shown, mb = results.shown, results.hours.resident_mb
    rows = [
        at_least("frames drawn, median", 20.0, float(np.median(_column(results, "frames_per_s"))), "1/s"),
        at_most("share of one core, median", 60.0, 100 * float(np.median(_column(results, "cpu"))), "%"),
        at_most("resident memory, last hour ÷ first", 1.1, mb[-1] / mb[0], ""),
        at_most("complete after being started, worst", 2.0, max(shown.complete_s), "s"),
    ]
    for name in _gui_session.MEASURES:
        ratio = np.median(shown.delays(name, with_window=True)) / np.median(shown.delays(name, with_window=False))
        rows.append(at_most(f"{name}: p50 with window ÷ without", 1.1, float(ratio), ""))
    return Table("Targets", ("what", "wanted", "measured", "verdict"), tuple(rows), words=4)


def latencies(results: Results) -> Table:
    """Return the loop's delays with a window and without."""
    rows = []
    for name in _gui_session.MEASURES:
        for with_window in (False, True):
            delays = results.shown.delays(name, with_window=with_window)
            told = (*(number(float(np.percentile(delays, p))) for p in (50, 99, 99.9)), number(float(delays.max())))
            rows.append((name, "a window" if with_window else "none", *told, str(delays.size)))
    columns = ("delay [µs]", "window", "p50", "p99", "p99.9", "max", "n")
    note = "Turns with a window and without one alternate in one session; each turn's first 4 s are left out."
    return Table("What the loop feels", columns, tuple(rows), words=2, note=note)


def drawing(results: Results) -> Table:
    """Return how the window kept up."""
    rows = []
    named = {
        "frames drawn [1/s]": "frames_per_s",
        "share of one core": "cpu",
        "a tick of all panels, median of 10 s [ms]": "took_p50_ms",
        "a tick of all panels, longest of 10 s [ms]": "took_max_ms",
        "from tick to tick, longest of 10 s [ms]": "gap_max_ms",
    }
    for what, name in named.items():
        values = _column(results, name)
        rows.append((what, *(number(float(np.percentile(values, p))) for p in (0, 50, 99, 100))))
    return Table("Drawing", ("each second", "least", "p50", "p99", "most"), tuple(rows))


def memory(results: Results) -> Table:
    """Return the window's memory over the hours."""
    found = results.hours
    rows = tuple((str(hour + 1), number(mb)) for hour, mb in enumerate(found.resident_mb))
    note = (
        f"{found.hours:g} hours with {2 * CELLS} cells at {RATE_HZ:g} Hz and a trial every {_gui_hours.TRIAL_S} s, "
        f"{found.speed:g} times as fast as in truth; given everything anew {found.anew} times, {found.dropped} dropped."
    )
    return Table("Memory", ("hour", "resident [MB]"), rows, note=note)


def tables(results: Results) -> list[Table]:
    """Return all tables."""
    return [targets(results), drawing(results), latencies(results), memory(results)]


PROGRAM: Final = _program.Program(
    name="gui",
    description="Measure the window: frames drawn, processor, memory, and what the loop feels of it.",
    full=FULL,
    quick=QUICK,
    measure=measure,
    circumstances=circumstances,
    tables=tables,
)

if __name__ == "__main__":
    _program.main(PROGRAM)

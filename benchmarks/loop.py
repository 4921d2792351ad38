"""Measure the loop: event in to command out, deadlines, kernels, starts, memory, virtual time.

Run it with ``duetto bench loop`` (seven minutes; a quiet machine, please) or ``duetto bench loop --quick`` (one minute,
numbers too few to quote). The full run writes its tables into ``docs/reference/performance.md``, which explains them.
The reference is a C program on the same libzmq, measured in the same rounds: quote ratios, not microseconds.
"""

import argparse
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import numba
import numpy as np
from rich.console import Console

from benchmarks import _deadlines, _kernels, _report, _round_trips, _sessions
from benchmarks._children import build, fifo_refused, libzmq_version
from benchmarks._table import markdown, show, update_page
from controller import plan as plans
from controller import rigfile
from controller.certificate import machine_description
from realtime.errors import DuettoError

ROOT: Final = Path(__file__).resolve().parent.parent
RIG: Final = ROOT / "rigs" / "virtual.toml"
PAGE: Final = ROOT / "docs" / "reference" / "performance.md"
NAME: Final = "loop"
EXIT_INTERRUPTED: Final = 128 + signal.SIGINT


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    round_trips: _round_trips.Effort
    deadline_s: float
    """How long deadlines are watched, under each load."""
    session_minutes: float
    pokes: int
    passes: int
    starts: int


FULL: Final = Effort(_round_trips.Effort(rounds=20, count=1000, limit_s=1.5), 30.0, 30.0, 100_000, 10, 5)
QUICK: Final = Effort(_round_trips.Effort(rounds=2, count=200, limit_s=0.5), 3.0, 5.0, 10_000, 3, 1)


def measure(effort: Effort, folder: Path, tell: Callable[[str], None]) -> _report.Results:
    """Measure everything.

    Parameters
    ----------
    effort
        How much.
    folder
        For programs, sockets, journals and sessions; empty.
    tell
        Hears what is being done.

    Raises
    ------
    BenchmarkFailed
        If something cannot be measured.
    """
    loaded = rigfile.read(RIG)
    plan = plans.make(loaded.rig, seed=1, day=1, minutes=30.0, trials=None)
    refused = fifo_refused()
    policies = (_round_trips.NORMAL,) if refused else (_round_trips.NORMAL, _round_trips.SHIELDED)
    tell("building the C programs")
    programs = build(folder)
    tell("starting the loop with nothing compiled")
    cold, cached = _sessions.starts(plan, folder, effort.starts)
    _sessions.start(plan, folder / "warm-up", {})  # from here on nothing compiles: not in the usual cache either
    round_trips = _round_trips.measure(plan, programs, effort.round_trips, folder, policies, tell)
    tell("deadlines")
    deadlines = _deadlines.measure(loaded.rig, effort.deadline_s, folder, policies)
    tell("kernels")
    long_plan = plans.make(loaded.rig, seed=1, day=1, minutes=30.0, trials=effort.pokes)
    costs = _kernels.costs(long_plan, effort.pokes, effort.passes, folder)
    tell("a session in virtual time")
    fast = _sessions.fast_session(loaded, effort.session_minutes, folder)
    journal_events = loaded.rig.loop.journal_events
    return _report.Results(policies, round_trips, deadlines, costs, fast, cold, cached, journal_events, refused)


def circumstances(effort: Effort, results: _report.Results, took_s: float) -> str:
    """Return, as a list in markdown, when and where this was measured and what else the machine did."""
    machine = machine_description()
    everyone = [found for series in results.round_trips.series.values() for found in series.busy]
    others, steal = [found.others for found in everyone], [found.steal for found in everyone]
    extent = "full run" if effort == FULL else "quick run: too few numbers to quote"
    versions = f"numba {numba.__version__}, numpy {np.__version__}, libzmq {libzmq_version()}, gcc -O2"
    used = f"{100 * np.mean(others):.0f} % of all processors (at most {100 * max(others):.0f} % in a round)"
    stolen = f"{100 * np.mean(steal):.1f} % (at most {100 * max(steal):.1f} %)"
    lines = [
        f"{datetime.now().astimezone().date().isoformat()}, {extent}, {took_s:.0f} s",
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}",
        f"Python {platform.python_version()}, {versions}",
        f"real-time scheduling: {results.refused or 'granted, so there are rows of both kinds'}",
        f"during the round trips other programs used {used}, other machines on the same hardware {stolen}",
        f"load average over 1/5/15 min at the end {machine['load_1_5_15_min']}, the benchmark's own included",
    ]
    return "\n".join(f"- {line}" for line in lines)


def run(effort: Effort, page: Path | None) -> None:
    """Measure, show, and write into ``page`` if there is one."""
    screen, output = Console(stderr=True, highlight=False), Console(highlight=False)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="duetto-bench-") as folder, screen.status("") as status:
        results = measure(effort, Path(folder), status.update)
    said = circumstances(effort, results, time.monotonic() - began)
    found = _report.tables(results)
    output.out(said + "\n", highlight=False)
    show(output, found)
    if page is not None:
        update_page(page, NAME, "\n".join([said + "\n", *map(markdown, found)]))
        screen.print(f"written into {page}")


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description="Measure the loop beside a C program on the same libzmq.")
    parser.add_argument(
        "--quick", action="store_true", help="far fewer of everything; only shown, unless --page is given"
    )
    parser.add_argument("--page", type=Path, help=f"page to write into (default {PAGE.name} of the reference)")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends processes and removes files as Ctrl-C does
    try:
        run(QUICK if given.quick else FULL, given.page or (None if given.quick else PAGE))
    except DuettoError as error:
        sys.stderr.write(f"duetto bench: {error}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stderr.write("duetto bench: interrupted; nothing was written\n")
        sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()

"""From an event sent to its command received, over ipc, by contenders that take turns.

::

    sender (C) ──event PUSH──▶ contender ──command PUSH──▶ sender          one at a time, at uneven intervals

The contenders are processes that stay alive; in every round each of them is measured once under each load, in an order
that is turned round every time. So whatever else the machine does hits all of them, and their ratio within a round says
more than any absolute number.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks._children import (
    FIFO_PRIORITY,
    BenchmarkFailed,
    Busyness,
    Contender,
    Programs,
    Watch,
    hogs,
    loop_command,
)
from benchmarks._loop_server import PLAN_NAME
from controller.bus import Addresses
from controller.plan import Plan
from realtime.records import FIRST_DEVICE, NS_PER_S

INTERVAL_NS: Final = (300_000, 500_000)
WARM_UP: Final = 100
SENDER_SPARE_S: Final = 60.0

BARE, SAME, COMPILED, PYTHON = "C, bare echo", "C, same socket work", "compiled loop", "Python loop"
IDLE, BURNING, HOGS = "idle", "a thread of the process burns", "every core busy"
NORMAL, SHIELDED = "normal", f"FIFO {FIFO_PRIORITY}"

MEASURED: Final = {
    IDLE: (BARE, SAME, COMPILED, PYTHON),
    BURNING: (SAME, COMPILED, PYTHON),
    HOGS: (SAME, COMPILED),
}
"""Who is measured under which load."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    rounds: int
    count: int
    """Round trips of one contender in one round under one load."""
    limit_s: float
    """A contender that cannot do so many in this time does fewer."""


@dataclass(slots=True)
class Series:
    """All rounds of one contender under one load and policy."""

    contender: str
    load: str
    policy: str
    rounds: list[NDArray[np.int64]] = field(default_factory=list)
    """Round trips of each round [ns]."""
    busy: list[Busyness] = field(default_factory=list)

    @property
    def all_ns(self) -> NDArray[np.int64]:
        """Return every round trip [ns]."""
        return np.concatenate(self.rounds)

    def over(self, reference: "Series") -> float:
        """Return this median over the reference's of the same round: the median of the rounds."""
        pairs = zip(self.rounds, reference.rounds, strict=True)
        return float(np.median([np.median(mine) / np.median(other) for mine, other in pairs]))


SeriesByName = dict[tuple[str, str, str], Series]
"""By contender, load and policy."""


def _command(name: str, programs: Programs, folder: Path, priority: int) -> list[str]:
    """Return the command line of a contender that serves in ``folder``."""
    if name in (COMPILED, PYTHON):
        return loop_command(folder, "compiled" if name == COMPILED else "python", priority)
    at = Addresses(folder)
    kind = "bare" if name == BARE else "same"
    return [str(programs.echo), kind, at.events, at.commands(FIRST_DEVICE), at.decisions, str(priority)]


@contextmanager
def contenders(plan: Plan, programs: Programs, folder: Path, priority: int) -> Iterator[dict[str, Contender]]:
    """Start every contender, each with its sockets in a folder of its own; end them all after the block."""
    with ExitStack() as stack:
        started: dict[str, Contender] = {}
        for number, name in enumerate(MEASURED[IDLE]):
            own = folder / f"{priority}-{number}"
            own.mkdir()
            (own / PLAN_NAME).write_text(plan.to_text(), encoding="utf-8")
            contender = stack.enter_context(Contender(name, _command(name, programs, own, priority), own))
            if priority and not contender.first["policy"].startswith(SHIELDED):
                raise BenchmarkFailed(f"{name}: asked for {SHIELDED}, runs with {contender.first['policy']}")
            started[name] = contender
        yield started


def send(programs: Programs, to: Contender, effort: Effort, *, priority: int, seed: int) -> NDArray[np.int64]:
    """Let the sender measure one round; return its round trips [ns].

    Raises
    ------
    BenchmarkFailed
        If the contender does not answer every event.
    """
    at = Addresses(to.folder)
    numbers = (effort.count, WARM_UP, *INTERVAL_NS, round(effort.limit_s * NS_PER_S), seed, priority)
    command = [str(programs.sender), at.events, at.commands(FIRST_DEVICE), *map(str, numbers)]
    done = subprocess.run(command, capture_output=True, timeout=effort.limit_s + SENDER_SPARE_S, check=False)
    if done.returncode:
        raise BenchmarkFailed(f"{to.name}: {done.stderr.decode(errors='replace').strip()}")
    return np.frombuffer(done.stdout, np.int64)


def one_round(
    running: dict[str, Contender],
    programs: Programs,
    series: SeriesByName,
    policy: str,
    number: int,
    effort: Effort,
) -> None:
    """Measure every contender once under every load, and add what was found to ``series``."""
    priority = FIFO_PRIORITY if policy == SHIELDED else 0
    for load, names in MEASURED.items():
        with hogs((os.cpu_count() or 1) if load == HOGS else 0) as loading:
            for name in names if number % 2 == 0 else reversed(names):
                contender = running[name]
                contender.burn(burning=load == BURNING)
                watch = Watch([*loading, *(other.pid for other in running.values())])
                found_ns = send(programs, contender, effort, priority=priority, seed=number)
                busy = watch.stop()
                contender.burn(burning=False)
                mine = series.setdefault((name, load, policy), Series(name, load, policy))
                mine.rounds.append(found_ns)
                mine.busy.append(busy)


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """Everything measured."""

    series: SeriesByName
    resident_kb: dict[str, int]
    """Memory of the compiled loop's process at its end, by policy."""


def measure(
    plan: Plan, programs: Programs, effort: Effort, folder: Path, policies: tuple[str, ...], tell: Callable[[str], None]
) -> RoundTrips:
    """Measure all rounds under each policy; ``tell`` hears what is being done."""
    series: SeriesByName = {}
    resident_kb: dict[str, int] = {}
    for policy in policies:
        with contenders(plan, programs, folder, FIFO_PRIORITY if policy == SHIELDED else 0) as running:
            for number in range(effort.rounds):
                tell(f"round trips, {policy} scheduling: round {number + 1} of {effort.rounds}")
                one_round(running, programs, series, policy, number, effort)
            last = {name: contender.end() for name, contender in running.items()}
            resident_kb[policy] = int(last[COMPILED]["resident_kb"])
    return RoundTrips(series, resident_kb)

"""Poke to driver, driver to pin, and back, in real time: through a pseudo-terminal, by contenders that take turns.

::

    device's process ──event──▶ pseudo-terminal ──▶ driver (this process) ──PulseCmd──▶ pseudo-terminal ──▶ device

In every round each contender is started, measured and ended, in an order that is turned round every time; only one runs
at a time. So whatever else the machine does hits all of them. The reference, ``bare pty``, is two Python processes that
hand each other frames of the same sizes, without driver, emulator or simulator.
"""

import contextlib
import gc
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks._children import FIFO_PRIORITY, BenchmarkFailed, Busyness, Watch
from benchmarks._hardware_device import BARE, EVENT_BYTES, KINDS, PING_BYTES, PONG_BYTES, PULSE_BYTES
from benchmarks._hardware_sides import BareSide, Device, DriverSide, Heard
from benchmarks._round_trips import SHIELDED
from hardware.drivers import reference_board
from realtime.records import NEVER_NS, NS_PER_S

EVENT, EDGE, EDGE_WALL, REPORT, LOOP, ECHO = (
    "A: poke → event parsed",
    "B: command written → pin edge, device's time",
    "B: command written → pin edge, wall",
    "B: command written → its OutputEvent parsed",
    "C: poke → driver → pin edge, wall",
    "keep-alive written → answer parsed",
)
MEASURES: Final = (EVENT, EDGE, EDGE_WALL, REPORT, LOOP, ECHO)

BIT_NS: Final = NS_PER_S // reference_board.BAUD
BITS_PER_BYTE: Final = 10


def _wire_ns(*frames: bytes) -> int:
    """Return how long frames take on the wire, one after the other."""
    return sum(map(len, frames)) * BITS_PER_BYTE * BIT_NS


FLOOR_NS: Final = {
    EVENT: _wire_ns(EVENT_BYTES),
    EDGE: _wire_ns(PULSE_BYTES),
    EDGE_WALL: _wire_ns(PULSE_BYTES),
    REPORT: _wire_ns(PULSE_BYTES, EVENT_BYTES),
    LOOP: _wire_ns(EVENT_BYTES, PULSE_BYTES),
    ECHO: _wire_ns(PING_BYTES, PONG_BYTES),
}
"""What the bytes alone take at the board's baud rate."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    rounds: int
    pokes: int
    """By one contender in one round."""
    pings: int


@dataclass(slots=True)
class Series:
    """All rounds of one contender's one measure under one policy."""

    contender: str
    measure: str
    policy: str
    rounds: list[NDArray[np.int64]] = field(default_factory=list)
    """What was measured in each round [ns]."""

    @property
    def all_ns(self) -> NDArray[np.int64]:
        """Return everything measured [ns]."""
        return np.concatenate(self.rounds)

    def over(self, reference: "Series") -> float:
        """Return this median over the reference's of the same round: the median of the rounds."""
        pairs = zip(self.rounds, reference.rounds, strict=True)
        return float(np.median([np.median(mine) / np.median(other) for mine, other in pairs]))


@dataclass(slots=True)
class RealTime:
    """Everything measured in real time."""

    series: dict[tuple[str, str, str], Series] = field(default_factory=dict)
    """By contender, measure and policy."""
    busy: list[Busyness] = field(default_factory=list)
    retries: int = 0
    """Requests that the driver sent again, because no answer came within 20 ms."""
    lost: int = 0
    """Pokes that had no pulse within 250 ms; not measured."""
    missed: int = 0
    """Keep-alives without an answer before the next one: none of those was measured."""
    garbage: int = 0
    """Bytes that the driver could not use: of frames that came in two parts, more than 5 ms apart."""

    def add(self, contender: str, measure: str, policy: str, found_ns: NDArray[np.int64]) -> None:
        """Take one round of a measure."""
        key = (contender, measure, policy)
        self.series.setdefault(key, Series(*key)).rounds.append(found_ns)


@contextlib.contextmanager
def scheduled(priority: int) -> Iterator[None]:
    """Run the block with SCHED_FIFO if there is a priority, and in any case without the garbage collector."""
    gc.collect()
    gc.disable()
    try:
        if priority:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
        yield
    finally:
        if priority:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        gc.enable()


def one_turn(kind: str, folder: Path, effort: Effort, found: RealTime, policy: str, seed: int) -> None:
    """Start a contender, measure it, end it, and add what was found.

    Raises
    ------
    BenchmarkFailed
        If something did not come that must.
    """
    priority = FIFO_PRIORITY if policy == SHIELDED else 0
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        device = stack.enter_context(Device(kind, folder, seed=seed, priority=priority))
        side = (BareSide if KINDS[kind] == BARE else DriverSide)(device.port, stack)
        watch = Watch([device.pid])
        with scheduled(priority):
            side.echo(effort.pings)
            side.answer(effort.pokes, device)
        found.busy.append(watch.stop())
        noted = device.noted()
    add(found, KINDS[kind], policy, side.heard, noted)


def first_after(starts_ns: NDArray[np.int64], times_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for every start which of ``times_ns`` is the first before the next start, or -1; both in order."""
    found = np.searchsorted(times_ns, starts_ns)
    followed = np.append(times_ns, NEVER_NS)[found] < np.append(starts_ns[1:], NEVER_NS)
    return np.where(followed, found, -1)


def add(found: RealTime, contender: str, policy: str, heard: Heard, noted: dict[str, NDArray[np.int64]]) -> None:
    """Add one round: every poke that both sides saw through; the others are counted.

    Raises
    ------
    BenchmarkFailed
        If there is no such poke.
    """
    poked, rose, seen = noted["poked_ns"], noted["rose_ns"], noted["seen_ns"]
    parsed, written, reported = (
        np.array(times, np.int64) for times in (heard.parsed_ns, heard.written_ns, heard.reported_ns)
    )
    # The next poke waits for the pulse, or 250 ms. The report may be later: but not than the next poke's own news.
    command, edge = first_after(poked, parsed), first_after(poked, rose)
    report = np.append(first_after(written, reported), -1)[command]
    whole = (command >= 0) & (edge >= 0) & (report >= 0)
    if not whole.any():
        raise BenchmarkFailed(f"{contender}: none of {poked.size} pokes was answered by a pulse")
    found.lost += int((~whole).sum())
    found.retries += heard.retries
    found.missed += heard.missed
    found.garbage += heard.garbage
    poked, parsed, written = poked[whole], parsed[command[whole]], written[command[whole]]
    rose, seen, reported = rose[edge[whole]], seen[edge[whole]], reported[report[whole]]
    values = (parsed - poked, rose - written, seen - written, reported - written, seen - poked)
    for measure, value in zip(MEASURES, (*values, np.array(heard.echo_ns, np.int64)), strict=True):
        found.add(contender, measure, policy, value)


def measure(
    kinds: tuple[str, ...], effort: Effort, folder: Path, policies: tuple[str, ...], tell: Callable[[str], None]
) -> RealTime:
    """Measure all rounds under each policy; ``tell`` hears what is being done."""
    found = RealTime()
    for policy in policies:
        for number in range(effort.rounds):
            tell(f"through a pseudo-terminal, {policy} scheduling: round {number + 1} of {effort.rounds}")
            for kind in kinds if number % 2 == 0 else reversed(kinds):
                one_turn(kind, folder / f"{policy}-{number}-{kind}", effort, found, policy, seed=number)
    return found

"""What one step of the decision kernel costs inside compiled code, and what taking an arrival costs as a whole.

The stream is a session of the cooperation task: two animals that poke at random, so most pokes fall into trials and
many into intervals between them, as they do. The sequencer decides it once; its log then gives what the machine itself
was handed, deadlines included.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller import journal as journals
from controller.plan import Plan
from realtime.digest import words_of
from realtime.jit import kernel
from realtime.machine import MAX_OUT, Machine, step
from realtime.records import FIRST_DEVICE, NS_PER_MS, NS_PER_S, SOURCE_OPERATOR, Events, Kind, Operator, no_events
from realtime.sequencer import MOST_FROM_ONE, Core, take

POKE_EVERY_NS: Final = 800 * NS_PER_MS
HOLD_NS: Final = 200 * NS_PER_MS
RECORDS_PER_ARRIVAL: Final = 6
START_NS: Final = NS_PER_S


@dataclass(frozen=True, slots=True)
class Cost:
    """What one item cost, over repeated passes through the same stream."""

    what: str
    items: int
    """In one pass."""
    passes_ns: NDArray[np.float64]
    """Mean cost of one item in each pass [ns]."""

    @property
    def median_ns(self) -> float:
        """Return the median pass's cost of one item."""
        return float(np.median(self.passes_ns))


@kernel
def _copies(events: Events, one: Events) -> int:
    n = 0
    for i in range(events.size):
        one[0] = events[i]
        n += one[0]["kind"]
    return n


@kernel
def _steps(machine: Machine, events: Events, out: Events) -> int:
    n = 0
    for i in range(events.size):
        n += step(machine, events[i : i + 1], out)
    return n


@kernel
def _takes(core: Core, machine: Machine, events: Events, one: Events) -> int:
    n = 0
    for i in range(events.size):
        one[0] = events[i]
        n += take(core, machine, one, one[0]["t_ns"])
    return n


def arrivals(pokes: int, seed: int) -> Events:
    """Return START and ``pokes`` pokes with their ends, of both animals at random, from the board, in order."""
    rng = np.random.default_rng(seed)
    events = no_events(1 + 2 * pokes)
    begin_ns = START_NS + np.cumsum(HOLD_NS + rng.exponential(POKE_EVERY_NS, pokes)).astype(np.int64)
    events["t_ns"] = np.concatenate(([START_NS], np.column_stack((begin_ns, begin_ns + HOLD_NS)).ravel()))
    events["arrival_ns"] = events["t_ns"]
    animals = np.repeat(rng.integers(0, 2, pokes), 2)
    events["kind"][1::2], events["kind"][2::2] = Kind.POKE_IN, Kind.POKE_OUT
    events["animal"][1:], events["line"][1:] = animals, animals
    events["source"], events["source_seq"] = FIRST_DEVICE, np.arange(events.size)
    events[0]["kind"], events[0]["source"], events[0]["value"] = Kind.OPERATOR, SOURCE_OPERATOR, Operator.START
    return events


def handed(log: Events) -> Events:
    """Return what the machine was handed, in its order: by time, and a poke before a deadline of the same instant."""
    inputs = log[log["kind"] != Kind.STATE]
    inputs = inputs[(inputs["kind"] != Kind.COMMAND) & (inputs["kind"] != Kind.TRIAL)]
    ordered: Events = inputs[np.lexsort((inputs["seq"], inputs["kind"] == Kind.TIMER, inputs["t_ns"]))].copy()
    return ordered


def _passes(repeats: int, prepare: Callable[[], Sequence[object]], work: Callable[..., int]) -> NDArray[np.int64]:
    """Time ``work`` on what ``prepare`` returns, once unmeasured and then ``repeats`` times [ns]."""
    work(*prepare())
    spent = np.empty(repeats, np.int64)
    for i in range(repeats):
        arguments = prepare()
        before_ns = time.perf_counter_ns()
        work(*arguments)
        spent[i] = time.perf_counter_ns() - before_ns
    return spent


def decide(plan: Plan, events: Events) -> Events:
    """Return the log of a session with these arrivals."""
    log = no_events(RECORDS_PER_ARRIVAL * events.size + MOST_FROM_ONE)
    core = plan.core(log, words_of(log))
    _takes(core, plan.machine(), events, no_events(1))
    return log[: int(core.memory["seq"][0])]


def costs(plan: Plan, pokes: int, repeats: int, folder: Path) -> list[Cost]:
    """Measure the kernels on a stream of ``pokes`` pokes.

    Parameters
    ----------
    plan
        Of a task for a pair, with enough trials for the stream.
    pokes
        Length of the stream.
    repeats
        How often the stream is passed through.
    folder
        Where the journal of the last measurement is made; it is removed again.

    Returns
    -------
    list of Cost
        Reading a record; a step; an arrival into memory that has been used; an arrival into a new journal.
    """
    events = arrivals(pokes, seed=1)
    given = handed(decide(plan, events))
    one, out = no_events(1), no_events(MAX_OUT)
    log = no_events(RECORDS_PER_ARRIVAL * events.size + MOST_FROM_ONE)
    words = words_of(log)
    path = folder / journals.JOURNAL_NAME

    def new_journal() -> Sequence[object]:
        path.unlink(missing_ok=True)
        with journals.create(path, log.size, 0, 0) as journal:
            return plan.core(journal.events, journal.words), plan.machine(), events, one

    measured: dict[str, tuple[int, Callable[[], Sequence[object]], Callable[..., int]]] = {
        "reading one event in compiled code (reference)": (given.size, lambda: (given, one), _copies),
        "machine.step": (given.size, lambda: (plan.machine(), given, out), _steps),
        "take, whole: digest, journal, deadlines": (
            events.size,
            lambda: (plan.core(log, words), plan.machine(), events, one),
            _takes,
        ),
        "take, whole, into a new journal file": (events.size, new_journal, _takes),
    }
    try:
        return [
            Cost(what, items, _passes(repeats, prepare, work) / items)
            for what, (items, prepare, work) in measured.items()
        ]
    finally:
        path.unlink(missing_ok=True)

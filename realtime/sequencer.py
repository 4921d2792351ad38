"""From arrivals to decisions: the loop's core, without sockets and without a clock.

Events arrive in the order in which the wires deliver them; the task must judge them in the order in which they
*happened*. The sequencer journals each arrival, holds what may still be overtaken, and hands events and deadlines to
the machine in event-time order::

    arrival ──take()──▶ log ──▶ held, sorted by t_ns ──watermark passed──▶ machine.step ──▶ log (STATE, COMMAND, TRIAL)
                                        deadline ──watermark passed──▶ TIMER ──▶ log ──▶ machine.step ──▶ log

*Watermark*: the time up to which nothing more can come. It is the oldest of the judged devices' last reports, or
``now - grace`` where that is later (a device that says nothing must not stop the session). An event is handed over when
the watermark has reached it; a deadline fires when the watermark has **passed** it, so that a poke stamped exactly on
the boundary still counts. With one board, a poke is itself the board's newest report and is never held.

An event stamped before something already handed over is LATE: it is flagged, counted and still given to the machine,
which compares stamps. What was decided is never taken back.

Everything here is a pure function of the arrivals and their times, so a log's inputs regenerate all of its decisions.
"""

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from realtime.digest import chain
from realtime.jit import kernel
from realtime.machine import MAX_OUT, Machine, is_fault_in, next_deadline, pauses, step
from realtime.records import (
    DISARMING,
    EVENT,
    MAX_SOURCES,
    NEVER_NS,
    NO_ANIMAL,
    NO_ROUTE,
    SOURCE_LOOP,
    Events,
    Flag,
    Kind,
    Line,
    Operator,
    fault_mask,
    no_events,
)

MOST_UNCERTAIN_NS: Final = 2**32 - 1
"""What a record's field can say; four seconds are no clock any more."""
_DISARMING: Final = fault_mask(DISARMING)

HELD: Final = 64
"""How many events may wait for the watermark; more than that and the oldest is handed over early, counted."""


class Status(IntEnum):
    """How the core stands after taking an event."""

    GOING_ON = 0
    LOG_FULL = 1
    """There may be no room for another event and what follows from it: nothing more was taken."""


CORE: Final = np.dtype(
    [
        ("seq", "<i8"),
        ("digest", "<u8"),
        ("grace_ns", "<i8"),
        ("handed_ns", "<i8"),
        ("nonce", "<i8"),
        ("n_held", "<i8"),
        ("armed", "<i8"),
        ("free_a_ns", "<i8"),
        ("free_b_ns", "<i8"),
        ("test_ns", "<i8"),
        ("n_late", "<i8"),
        ("n_clamped", "<i8"),
        ("n_lost", "<i8"),
        ("n_duplicate", "<i8"),
        ("n_refused", "<i8"),
        ("n_forced", "<i8"),
        ("n_unknown", "<i8"),
    ]
)
"""What the core remembers; ``free_a_ns`` is how long a free reward by a person opens the valve of animal A, ``test_ns``
how long a laser test by a person lights a laser."""

SOURCE: Final = np.dtype(
    [
        ("t_ns", "<i8"),  # its newest report
        ("uncertainty_ns", "<i8"),  # of its clock, as it last said
        ("source_seq", "<u4"),
        ("seen", "<u1"),
        ("judged", "<u1"),  # 1: has poke lines, so deadlines wait for it
        ("lasers", "<u1"),  # 1: wants to hear of arming
        ("spare", "<u1"),
    ]
)


class Core(NamedTuple):
    """The sequencer's memory: arrays only."""

    memory: NDArray[np.void]
    """CORE (1,)"""
    sources: NDArray[np.void]
    """SOURCE (MAX_SOURCES,)"""
    routes: NDArray[np.uint16]
    """Device that has each line, NO_ROUTE where none has (N_LINES,)"""
    held: Events
    """Events that wait for the watermark, by time (HELD,)"""
    scratch: Events
    """What one step leads to (MAX_OUT,)"""
    one: Events
    """The event in hand (1,)"""
    log: Events
    """Everything so far, in loop order: the journal itself (capacity,)"""
    words: NDArray[np.uint64]
    """The same memory as ``log`` (capacity, 8)"""


def new_core(
    log: Events,
    words: NDArray[np.uint64],
    routes: NDArray[np.uint16],
    *,
    judged: tuple[int, ...],
    lasers: tuple[int, ...] = (),
    grace_ns: int,
    free_ns: tuple[int, int],
    test_ns: int,
) -> Core:
    """Return a core that writes into ``log``.

    Parameters
    ----------
    log, words
        The journal's records and the same memory as words, empty.
    routes
        Device number by line, shape (N_LINES,).
    judged
        Numbers of the devices that report pokes.
    lasers
        Numbers of the devices that have lasers.
    grace_ns
        How long a deadline waits for a silent device [ns].
    free_ns
        Valve time of a free reward, of animals A and B [ns].
    test_ns
        Time on of a laser test [ns].
    """
    memory = np.zeros(1, CORE)
    memory["grace_ns"] = grace_ns
    memory["free_a_ns"], memory["free_b_ns"] = free_ns
    memory["test_ns"] = test_ns
    memory["handed_ns"] = -NEVER_NS
    sources = np.zeros(MAX_SOURCES, SOURCE)
    sources["t_ns"] = -NEVER_NS
    sources["judged"][list(judged)] = 1
    sources["lasers"][list(lasers)] = 1
    return Core(memory, sources, routes, no_events(HELD), no_events(MAX_OUT), np.zeros(1, EVENT), log, words)


@kernel
def _append(core: Core, record: Events, now_ns: int) -> None:
    """Number, chain and journal ``record[0]``."""
    seq = core.memory[0]["seq"]
    core.log[seq] = record[0]
    core.log[seq]["seq"] = seq + 1
    core.log[seq]["arrival_ns"] = now_ns
    digest = chain(core.memory[0]["digest"], core.words[seq])
    core.log[seq]["digest"] = digest
    core.memory[0]["digest"] = digest
    core.memory[0]["seq"] = seq + 1


@kernel
def _reported_ns(core: Core) -> int:
    """Return the oldest of the judged devices' newest reports."""
    oldest = np.int64(NEVER_NS)
    for i in range(core.sources.size):
        if core.sources[i]["judged"] != 0:
            oldest = min(oldest, core.sources[i]["t_ns"])
    return oldest


@kernel
def _address(core: Core, record: Events) -> None:
    """Give a COMMAND its device and nonce, and say why it will not be sent if it will not."""
    line = np.int64(record[0]["line"])
    route = core.routes[line]
    record[0]["source"] = route
    core.memory[0]["nonce"] += 1
    record[0]["source_seq"] = core.memory[0]["nonce"]
    laser = line == Line.LASER_A or line == Line.LASER_B
    if route == NO_ROUTE:
        record[0]["flags"] |= Flag.UNROUTED
    elif laser and record[0]["value"] > 0 and core.memory[0]["armed"] == 0 and record[0]["flags"] & Flag.SHAM == 0:
        record[0]["flags"] |= Flag.REFUSED
        core.memory[0]["n_refused"] += 1


@kernel
def _interval_uncertainty_ns(core: Core) -> int:
    """Return how uncertain a time between two animals' pokes is: 0 where one clock stamps both."""
    clocks = 0
    total_ns = np.int64(0)
    for i in range(core.sources.size):
        if core.sources[i]["judged"] != 0:
            clocks += 1
            total_ns += core.sources[i]["uncertainty_ns"]
    return min(total_ns, np.int64(MOST_UNCERTAIN_NS)) if clocks > 1 else np.int64(0)


@kernel
def _hand_over(core: Core, machine: Machine, now_ns: int) -> None:
    """Give the event in hand to the machine and journal what follows."""
    core.memory[0]["handed_ns"] = max(core.memory[0]["handed_ns"], core.one[0]["t_ns"])
    n = step(machine, core.one, core.scratch)
    for i in range(n):
        record = core.scratch[i : i + 1]
        if record[0]["kind"] == Kind.TRIAL and machine.memory[np.int64(record[0]["line"])]["animal"] == NO_ANIMAL:
            record[0]["uncertainty_ns"] = _interval_uncertainty_ns(core)
        if record[0]["kind"] == Kind.COMMAND:
            _address(core, record)
        _append(core, record, now_ns)


@kernel
def _fire(core: Core, machine: Machine, who: int, now_ns: int) -> None:
    """Journal a deadline as an event of its own and hand it over."""
    core.one[0]["kind"] = Kind.TIMER
    core.one[0]["t_ns"] = machine.memory[who]["deadline_ns"]
    core.one[0]["animal"] = machine.memory[who]["animal"]
    core.one[0]["line"] = who
    core.one[0]["source"] = SOURCE_LOOP
    core.one[0]["value"] = 0.0
    core.one[0]["trial"] = machine.memory[who]["trial"]
    core.one[0]["state"] = machine.memory[who]["state"]
    core.one[0]["flags"] = 0
    core.one[0]["source_seq"] = 0
    core.one[0]["uncertainty_ns"] = 0
    machine.memory[who]["deadline_ns"] = NEVER_NS
    _append(core, core.one, now_ns)
    _hand_over(core, machine, now_ns)


@kernel
def _pop(core: Core, machine: Machine, now_ns: int) -> None:
    """Hand over the oldest held event."""
    core.one[0] = core.held[0]
    n = core.memory[0]["n_held"] - 1
    core.memory[0]["n_held"] = n
    for i in range(n):
        core.held[i] = core.held[i + 1]
    _hand_over(core, machine, now_ns)


@kernel
def _earlier(a: Events, b: Events) -> bool:
    """Return whether ``a[0]`` goes before ``b[0]``: by time, then device, then the device's own count."""
    if a[0]["t_ns"] != b[0]["t_ns"]:
        return a[0]["t_ns"] < b[0]["t_ns"]
    if a[0]["source"] != b[0]["source"]:
        return a[0]["source"] < b[0]["source"]
    return a[0]["source_seq"] < b[0]["source_seq"]


@kernel
def _hold(core: Core, machine: Machine, event: Events, now_ns: int) -> None:
    """Put an event among the held ones, by time."""
    if core.memory[0]["n_held"] == core.held.size:
        core.memory[0]["n_forced"] += 1
        _pop(core, machine, now_ns)
    i = core.memory[0]["n_held"]
    while i > 0 and _earlier(event, core.held[i - 1 : i]):
        core.held[i] = core.held[i - 1]
        i -= 1
    core.held[i] = event[0]
    core.memory[0]["n_held"] += 1


MOST_FROM_ONE: Final = (HELD + 4) * (MAX_OUT + 1)
"""Records for which there must be room before an event is taken: it may set free every held one, and deadlines."""


@kernel
def room(core: Core) -> bool:
    """Return whether the log has room for one more event and all that can follow from it."""
    return core.memory[0]["seq"] + MOST_FROM_ONE <= core.log.size


@kernel
def _settle(core: Core, machine: Machine, now_ns: int) -> int:
    """Hand over, in event-time order, everything that the watermark allows at ``now_ns``; return a Status."""
    grace_ns = core.memory[0]["grace_ns"]
    while True:
        if not room(core):
            return Status.LOG_FULL
        reported_ns = _reported_ns(core)
        who = next_deadline(machine)
        due_ns = machine.memory[who]["deadline_ns"]
        if core.memory[0]["n_held"] > 0 and core.held[0]["t_ns"] <= due_ns:
            t_ns = core.held[0]["t_ns"]
            if reported_ns < t_ns and now_ns - grace_ns < t_ns:
                return Status.GOING_ON
            _pop(core, machine, now_ns)
        else:
            if due_ns == NEVER_NS or (reported_ns <= due_ns and now_ns - grace_ns <= due_ns):
                return Status.GOING_ON
            _fire(core, machine, who, now_ns)


@kernel
def _note_wake(core: Core, machine: Machine, now_ns: int) -> None:
    """Journal that the loop woke by itself at ``now_ns``."""
    core.one[0]["kind"] = Kind.HEALTH
    core.one[0]["t_ns"] = now_ns
    core.one[0]["animal"] = NO_ANIMAL
    core.one[0]["line"] = 0
    core.one[0]["source"] = SOURCE_LOOP
    core.one[0]["value"] = 0.0
    core.one[0]["trial"] = machine.memory[0]["trial"]
    core.one[0]["state"] = machine.memory[0]["state"]
    core.one[0]["flags"] = 0
    core.one[0]["source_seq"] = 0
    core.one[0]["uncertainty_ns"] = 0
    _append(core, core.one, now_ns)


@kernel
def drain(core: Core, machine: Machine, now_ns: int) -> int:
    """Let time pass: hand over, in event-time order, everything that the watermark allows at ``now_ns``.

    A replay finds from the log's records when this was called. Where events were handed over and nothing follows from
    them, it could not know; and whether a later arrival is LATE depends on it. Such a wake is therefore journaled, as
    a HEALTH record of the loop.

    Returns
    -------
    int
        A :class:`Status`.
    """
    seq = core.memory[0]["seq"]
    n_held = core.memory[0]["n_held"]
    status = _settle(core, machine, now_ns)
    if core.memory[0]["seq"] == seq and core.memory[0]["n_held"] < n_held:
        _note_wake(core, machine, now_ns)
    return status


@kernel
def next_wake(core: Core, machine: Machine) -> int:
    """Return when ``drain`` has something to do if nothing arrives before [ns], or NEVER_NS."""
    t_ns = machine.memory[next_deadline(machine)]["deadline_ns"]
    if t_ns != NEVER_NS:
        t_ns += 1  # a deadline is not reached but passed
    if core.memory[0]["n_held"] > 0:
        t_ns = min(t_ns, core.held[0]["t_ns"])
    if t_ns == NEVER_NS:
        return t_ns
    return t_ns + core.memory[0]["grace_ns"]


@kernel
def _uncertainty_ns(said_ns: float) -> int:
    """Return what a clock said of itself, within what a record can say."""
    if not said_ns > 0.0:  # also where it is no number
        return np.int64(0)
    return np.int64(said_ns) if said_ns < MOST_UNCERTAIN_NS else np.int64(MOST_UNCERTAIN_NS)


@kernel
def _check_source(core: Core, event: Events) -> bool:
    """Note gaps and duplicates in the source's own count; False for a duplicate.

    The loop and the operator do not count their events: their ``source_seq`` carries something else.
    """
    source = np.int64(event[0]["source"])
    if source >= core.sources.size:
        core.memory[0]["n_unknown"] += 1
        return False
    if source < 2:
        return True
    count = event[0]["source_seq"]
    if core.sources[source]["seen"] != 0:
        missing = np.int64(count) - np.int64(core.sources[source]["source_seq"]) - 1
        if missing < 0:
            event[0]["flags"] |= Flag.DUPLICATE
            core.memory[0]["n_duplicate"] += 1
            return False
        if missing > 0:
            event[0]["flags"] |= Flag.GAP
            core.memory[0]["n_lost"] += missing
    core.sources[source]["seen"] = 1
    core.sources[source]["source_seq"] = count
    kind = event[0]["kind"]
    if kind <= Kind.LASER_OFF or kind == Kind.CLOCK:
        # Only what the device itself stamped: a fault is stamped by the host, which older edges may still follow.
        core.sources[source]["t_ns"] = max(core.sources[source]["t_ns"], event[0]["t_ns"])
        if kind == Kind.CLOCK:
            core.sources[source]["uncertainty_ns"] = _uncertainty_ns(event[0]["value"])
        event[0]["uncertainty_ns"] = core.sources[source]["uncertainty_ns"]
    return True


@kernel
def _is_judged(event: Events) -> bool:
    """Return whether a machine may react to this event: a beam found broken is not a beam that was broken then."""
    kind = event[0]["kind"]
    if event[0]["flags"] & Flag.HELD:
        return False
    if kind == Kind.OPERATOR:
        code = np.int64(event[0]["value"])
        return code >= Operator.START and code <= Operator.STOP
    if kind == Kind.FAULT:
        return pauses(event)
    return (kind >= Kind.POKE_IN and kind <= Kind.LICK_OUT) or kind == Kind.NEURAL


@kernel
def _order(core: Core, line: int, route: int, value: float, flags: int, now_ns: int) -> None:
    """Journal a COMMAND that a person asked for."""
    core.one[0]["kind"] = Kind.COMMAND
    core.one[0]["t_ns"] = now_ns
    core.one[0]["line"] = line
    core.one[0]["animal"] = line % 2 if line != Line.ARM else -1
    core.one[0]["value"] = value
    core.one[0]["flags"] = flags
    core.one[0]["trial"] = 0
    core.one[0]["state"] = 0
    core.one[0]["uncertainty_ns"] = 0
    _address(core, core.one)
    if line == Line.ARM:
        core.one[0]["source"] = route
        core.one[0]["flags"] = flags
    _append(core, core.one, now_ns)


@kernel
def _arm(core: Core, armed: int, now_ns: int) -> None:
    """Arm or disarm every device that has or feeds lasers."""
    core.memory[0]["armed"] = armed
    for source in range(core.sources.size):
        if core.sources[source]["lasers"] != 0:
            _order(core, np.int64(Line.ARM), source, np.float64(armed), 0, now_ns)


@kernel
def _obey(core: Core, event: Events, now_ns: int) -> None:
    """Carry out what a person asked of the outputs directly: free reward, laser test, arm, disarm."""
    code = np.int64(event[0]["value"])
    animal = np.int64(event[0]["animal"])
    somebody = animal == 0 or animal == 1
    if code == Operator.FREE_REWARD and somebody:
        line = Line.VALVE_A + animal
        free_ns = core.memory[0]["free_a_ns"] if animal == 0 else core.memory[0]["free_b_ns"]
        _order(core, line, np.int64(core.routes[line]), np.float64(free_ns), Flag.FREE, now_ns)
    elif code == Operator.LASER_TEST and somebody:
        line = Line.LASER_A + animal
        _order(core, line, np.int64(core.routes[line]), np.float64(core.memory[0]["test_ns"]), Flag.FREE, now_ns)
    elif code == Operator.ARM or code == Operator.DISARM or code == Operator.STOP:
        _arm(core, 1 if code == Operator.ARM else 0, now_ns)


@kernel
def _stamp(core: Core, machine: Machine, event: Events, now_ns: int) -> None:
    """Complete an arrival: its trial and state, and what is remarkable about its time."""
    who = 0
    if machine.memory.size > 1 and event[0]["animal"] == machine.memory[1]["animal"]:
        who = 1
    event[0]["trial"] = machine.memory[who]["trial"]
    event[0]["state"] = machine.memory[who]["state"]
    if event[0]["t_ns"] > now_ns:
        event[0]["t_ns"] = now_ns
        event[0]["flags"] |= Flag.CLAMPED
        core.memory[0]["n_clamped"] += 1
    if event[0]["t_ns"] < core.memory[0]["handed_ns"] and _is_judged(event):
        event[0]["flags"] |= Flag.LATE
        core.memory[0]["n_late"] += 1


@kernel
def take(core: Core, machine: Machine, event: Events, now_ns: int) -> int:
    """Take one arrival: journal it, and decide everything that can now be decided.

    Parameters
    ----------
    core : Core
    machine : Machine
    event : EVENT (1,)
        An input; changed (its trial, state and flags are completed).
    now_ns : int
        When it was read. Must not go backwards between calls.

    Returns
    -------
    int
        A :class:`Status`. On LOG_FULL the event was not taken.
    """
    if not room(core):
        return Status.LOG_FULL
    _stamp(core, machine, event, now_ns)
    fresh = _check_source(core, event)
    _append(core, event, now_ns)
    if fresh:
        if event[0]["kind"] == Kind.OPERATOR:
            _obey(core, event, now_ns)
        elif event[0]["kind"] == Kind.FAULT and core.memory[0]["armed"] != 0 and is_fault_in(event, _DISARMING):
            _arm(core, 0, now_ns)
        if _is_judged(event):
            _hold(core, machine, event, now_ns)
    return _settle(core, machine, now_ns)

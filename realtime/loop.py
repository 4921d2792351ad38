"""The loop: one compiled function that receives, decides, journals, sends and waits, and touches no Python object.

::

    zmq_recv ──▶ take() ──▶ journal (its count is raised: the event and its consequences are on disk)
                              └──▶ COMMANDs to their devices, every record to the viewers
    nothing to receive ──▶ a deadline is due? drain() ──▶ the same
                       └─▶ sleep until a message, the stop descriptor, or the timer (armed a little early; then spin)

It holds no GIL: a thread of the same process that burns Python bytecode, collects garbage or sits in a long C call does
not delay it. Nothing here waits for a peer: a full queue is counted and reported, never waited for.

In *virtual time* the clock is the arrivals' own ``arrival_ns``, and every deadline before an arrival fires first, at
its own time. So a recorded or simulated session can be put through the very same loop and decides the same.
"""

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from realtime.jit import allocating_kernel, kernel
from realtime.machine import Machine
from realtime.native import (
    EAGAIN,
    EINTR,
    POLL_ITEM,
    ZMQ_DONTWAIT,
    ZMQ_POLLIN,
    arm_timer,
    c_read,
    clock_ns,
    release_fence,
    zmq_errno,
    zmq_poll,
    zmq_recv,
    zmq_send,
)
from realtime.records import (
    EVENT,
    NEVER_NS,
    RECORD_BYTES,
    WITHHELD,
    Events,
    Fault,
    Kind,
)
from realtime.sequencer import Core, Status, drain, next_wake, take

BATCH: Final = 64
"""Most events in one message."""
N_BINS: Final = 256
BINS_PER_OCTAVE: Final = 8


class Ended(IntEnum):
    """Why the loop returned."""

    STOPPED = 0
    JOURNAL_FULL = 1
    RECEIVE_FAILED = 2
    POLL_FAILED = 3


class Measure(IntEnum):
    """What the loop measures of itself, as rows of a histogram."""

    DEADLINE_LATE = 0
    """From when a deadline was due (its grace included) until it fired, where nothing but time fired it."""
    TURN = 1
    """From reading an event until its last consequence was handed to libzmq."""


LINKS: Final = np.dtype(
    [
        ("receive", "<u8"),  # PULL: events from devices and people
        ("publish", "<u8"),  # PUB: everything journaled, for viewers
        ("stop_fd", "<i8"),  # eventfd that wakes the loop to stop
        ("timer_fd", "<i8"),
        ("spin_ns", "<i8"),  # how long before a deadline sleeping ends
        ("beat_ns", "<i8"),  # how often devices hear that the loop lives
        ("never_sleep", "<i8"),
        ("virtual", "<i8"),
    ]
)
"""What the loop is connected to; sockets by their libzmq pointers."""

STATUS: Final = np.dtype(
    [
        ("stop", "<i8"),  # set by the host to end the loop
        ("alive_ns", "<i8"),
        ("n_events", "<i8"),
        ("n_malformed", "<i8"),
        ("n_unsent", "<i8"),
        ("n_unpublished", "<i8"),
        ("errno", "<i8"),
    ]
)
"""What the loop says of itself; the host reads it while the loop runs."""


class Wiring(NamedTuple):
    """The loop's connections and gauges: arrays only."""

    links: NDArray[np.void]
    """LINKS (1,)"""
    commands: NDArray[np.uint64]
    """PUSH socket of each device by its number, 0 where there is none (MAX_SOURCES,)"""
    journaled: NDArray[np.uint64]
    """The journal's count of complete records (1,)"""
    status: NDArray[np.void]
    """STATUS (1,)"""
    histogram: NDArray[np.int64]
    """Counts by :class:`Measure` and :func:`bin_of` (len(Measure), N_BINS)"""


@kernel
def bin_of(duration_ns: int) -> int:
    """Return the histogram bin of a duration: eight bins per octave, bin 0 up to 128 ns."""
    if duration_ns <= 128:
        return 0
    return min(N_BINS - 1, int(np.log2(duration_ns / 128.0) * BINS_PER_OCTAVE) + 1)


def bin_edges_ns() -> NDArray[np.float64]:
    """Return the upper bounds of the histogram's bins [ns], shape (N_BINS,); the last bin is open."""
    edges: NDArray[np.float64] = 128.0 * 2.0 ** (np.arange(N_BINS) / BINS_PER_OCTAVE)
    return edges


@kernel
def is_input(event: Events) -> bool:
    """Return whether an event may come from outside: a known kind that is no decision."""
    kind = event[0]["kind"]
    if kind < Kind.POKE_IN or kind > Kind.SYNC:
        return False
    return not (kind >= Kind.COMMAND and kind <= Kind.TIMER)


@kernel
def _send(socket: int, record: Events, n: int) -> bool:
    """Send ``n`` records as one message without waiting; False when the queue is full."""
    while zmq_send(socket, record.ctypes.data, n * RECORD_BYTES, ZMQ_DONTWAIT) < 0:
        if zmq_errno() != EINTR:
            return False
    return True


@kernel
def report_unsent(core: Core, machine: Machine, fault: Events, source: int, now_ns: int) -> None:
    """Journal that a device's command queue was full: an event like any other, so that replay sees it."""
    fault[0]["kind"] = Kind.FAULT
    fault[0]["t_ns"] = now_ns
    fault[0]["animal"] = -1
    fault[0]["line"] = source
    fault[0]["source"] = 0
    fault[0]["value"] = np.float64(np.int64(Fault.COMMAND_UNSENT))
    fault[0]["flags"] = 0
    fault[0]["source_seq"] = source
    take(core, machine, fault, now_ns)


@kernel
def order_for(core: Core, i: int) -> int:
    """Return the device that record ``i`` is an order for, or -1: no COMMAND, or one that is only logged."""
    if core.log[i]["kind"] != Kind.COMMAND or core.log[i]["flags"] & WITHHELD != 0:
        return -1
    return np.int64(core.log[i]["source"])


@kernel
def _deliver(wiring: Wiring, core: Core, machine: Machine, fault: Events, first: int, now_ns: int) -> None:
    """Raise the journal's count, then send what was decided since record ``first``.

    Orders for one device that were decided together go out as one message: the device may carry them out together.
    """
    i = first
    release_fence()
    wiring.journaled[0] = np.uint64(core.memory[0]["seq"])
    while i < core.memory[0]["seq"]:
        source = order_for(core, i)
        n = 1
        if source >= 0:
            while i + n < core.memory[0]["seq"] and order_for(core, i + n) == source:
                n += 1
            if not _send(wiring.commands[source], core.log[i : i + n], n):
                wiring.status[0]["n_unsent"] += n
                report_unsent(core, machine, fault, source, now_ns)
                release_fence()
                wiring.journaled[0] = np.uint64(core.memory[0]["seq"])
        i += n
    n = core.memory[0]["seq"] - first
    if n > 0 and not _send(wiring.links[0]["publish"], core.log[first : first + n], n):
        wiring.status[0]["n_unpublished"] += n


@kernel
def _tick(wiring: Wiring, core: Core, machine: Machine, fault: Events, now_ns: int) -> int:
    """Let everything that is due at ``now_ns`` happen."""
    first = core.memory[0]["seq"]
    status = drain(core, machine, now_ns)
    _deliver(wiring, core, machine, fault, first, now_ns)
    return status


@kernel
def _take_message(
    wiring: Wiring, core: Core, machine: Machine, batch: Events, fault: Events, got: int, now_ns: int
) -> int:
    """Take every event of one message of ``got`` bytes; return a Status."""
    n = got // RECORD_BYTES
    if n * RECORD_BYTES != got or n == 0 or n > BATCH:
        wiring.status[0]["n_malformed"] += 1
        return Status.GOING_ON
    status = np.int64(Status.GOING_ON)
    for i in range(n):
        event = batch[i : i + 1]
        if not is_input(event):
            wiring.status[0]["n_malformed"] += 1
            continue
        t_ns = now_ns
        if wiring.links[0]["virtual"] != 0:
            t_ns = event[0]["arrival_ns"]
            while status == Status.GOING_ON and next_wake(core, machine) <= t_ns:
                status = np.int64(_tick(wiring, core, machine, fault, next_wake(core, machine)))
        first = core.memory[0]["seq"]
        if status == Status.GOING_ON:
            status = np.int64(take(core, machine, event, t_ns))
        wiring.status[0]["n_events"] += 1
        _deliver(wiring, core, machine, fault, first, t_ns)
        if status != Status.GOING_ON:
            break
    return status


@kernel
def _beat(wiring: Wiring, beat: Events, now_ns: int) -> None:
    """Tell every device that the loop lives. One that does not hear it makes itself safe, so nobody is told here."""
    beat[0]["kind"] = Kind.HEALTH
    beat[0]["t_ns"] = now_ns
    for source in range(wiring.commands.size):
        if wiring.commands[source] != 0:
            _send(wiring.commands[source], beat, 1)


@allocating_kernel
def run(wiring: Wiring, core: Core, machine: Machine) -> int:
    """Run until told to stop.

    Parameters
    ----------
    wiring : Wiring
        Sockets, descriptors, the journal's count and the gauges. Nothing else may use the sockets meanwhile.
    core, machine : Core, Machine
        Changed in place.

    Returns
    -------
    int
        An :class:`Ended` code. ``status["errno"]`` tells more of a failure.
    """
    batch = np.zeros(BATCH, EVENT)
    fault = np.zeros(1, EVENT)
    beat = np.zeros(1, EVENT)
    items = np.zeros(3, POLL_ITEM)
    timespec = np.zeros(2, np.int64)
    itimerspec = np.zeros(4, np.int64)
    expirations = np.zeros(1, np.int64)
    links = wiring.links[0]
    status = wiring.status
    items[0]["socket"] = links["receive"]
    items[1]["fd"] = links["stop_fd"]
    items[2]["fd"] = links["timer_fd"]
    for i in range(3):
        items[i]["events"] = ZMQ_POLLIN
    armed_ns = np.int64(0)
    next_beat_ns = np.int64(0)
    while status[0]["stop"] == 0:
        got = zmq_recv(links["receive"], batch.ctypes.data, BATCH * RECORD_BYTES, ZMQ_DONTWAIT)
        now_ns = clock_ns(timespec)
        status[0]["alive_ns"] = now_ns
        if got >= 0:
            if _take_message(wiring, core, machine, batch, fault, got, now_ns) != Status.GOING_ON:
                return Ended.JOURNAL_FULL
            wiring.histogram[Measure.TURN, bin_of(clock_ns(timespec) - now_ns)] += 1
            continue
        error = zmq_errno()
        if error != EAGAIN and error != EINTR:
            status[0]["errno"] = error
            return Ended.RECEIVE_FAILED
        due_ns = next_wake(core, machine) if links["virtual"] == 0 else np.int64(NEVER_NS)
        if due_ns <= now_ns:
            wiring.histogram[Measure.DEADLINE_LATE, bin_of(now_ns - due_ns)] += 1
            if _tick(wiring, core, machine, fault, now_ns) != Status.GOING_ON:
                return Ended.JOURNAL_FULL
            continue
        if now_ns >= next_beat_ns:
            _beat(wiring, beat, now_ns)
            next_beat_ns = now_ns + links["beat_ns"]
        if links["never_sleep"] != 0 or due_ns - now_ns <= links["spin_ns"]:
            continue
        wake_ns = min(next_beat_ns, due_ns - links["spin_ns"])
        if wake_ns != armed_ns:
            arm_timer(links["timer_fd"], wake_ns, itimerspec)
            armed_ns = wake_ns
        if zmq_poll(items.ctypes.data, 3, -1) < 0 and zmq_errno() != EINTR:
            status[0]["errno"] = zmq_errno()
            return Ended.POLL_FAILED
        if items[2]["revents"] != 0:
            c_read(np.int32(links["timer_fd"]), expirations.ctypes.data, 8)
            armed_ns = np.int64(0)
    return Ended.STOPPED

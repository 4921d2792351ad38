"""The same kernels behind a Python loop, for systems on which compiled code cannot call libzmq or the timer.

Slower and at the mercy of the GIL, but it decides the same: the sequencer and the machine are the compiled ones. Which
loop ran is written into the log.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from controller.bus import Poller, Socket, receive_now, send_now
from realtime.clock import now_ns
from realtime.loop import BATCH, Ended, Measure, Wiring, bin_of, is_input, order_for, report_unsent
from realtime.machine import Machine
from realtime.records import (
    EVENT,
    NEVER_NS,
    NS_PER_S,
    RECORD_BYTES,
    SOURCE_LOOP,
    Events,
    Kind,
    host_event,
    no_events,
)
from realtime.sequencer import Core, Status, drain, next_wake, take

LONGEST_SLEEP_S: Final = 0.05
"""The stop flag is looked at this often."""


@dataclass(frozen=True, slots=True)
class Sockets:
    """The loop's sockets as pyzmq has them."""

    receive: "Socket[bytes]"
    publish: "Socket[bytes]"
    commands: "dict[int, Socket[bytes]]"


def warm_up(core: Core, machine: Machine) -> None:
    """Compile the kernels that the loop calls, without taking anything."""
    drain(core, machine, 0)
    next_wake(core, machine)
    is_input(no_events(1))
    bin_of(1)
    spare = core._replace(log=core.log[:0], words=core.words[:0])
    take(spare, machine, no_events(1), 0)
    report_unsent(spare, machine, no_events(1), 0, 0)
    order_for(core, 0)


def _deliver(sockets: Sockets, wiring: Wiring, core: Core, machine: Machine, first: int) -> None:
    """Raise the journal's count, then send what was decided since record ``first``."""
    i = first
    wiring.journaled[0] = core.memory["seq"][0]
    while i < core.memory["seq"][0]:
        source, n = order_for(core, i), 1
        if source >= 0:
            while i + n < core.memory["seq"][0] and order_for(core, i + n) == source:
                n += 1
            record = core.log[i]
            if source not in sockets.commands or not send_now(sockets.commands[source], core.log[i : i + n].tobytes()):
                wiring.status["n_unsent"] += n
                report_unsent(core, machine, no_events(1), source, int(record["arrival_ns"]))
                wiring.journaled[0] = core.memory["seq"][0]
        i += n
    last = int(core.memory["seq"][0])
    if last > first and not send_now(sockets.publish, core.log[first:last].tobytes()):
        wiring.status["n_unpublished"] += last - first


def _take_message(sockets: Sockets, wiring: Wiring, core: Core, machine: Machine, message: bytes, now: int) -> int:
    """Take every event of one message; return a Status."""
    if not message or len(message) % RECORD_BYTES or len(message) > BATCH * RECORD_BYTES:
        wiring.status["n_malformed"] += 1
        return Status.GOING_ON
    events: Events = np.frombuffer(message, EVENT).copy()
    for i in range(events.size):
        event = events[i : i + 1]
        if not is_input(event):
            wiring.status["n_malformed"] += 1
            continue
        t_ns = now
        if wiring.links["virtual"][0]:
            t_ns = int(event["arrival_ns"][0])
            while (due_ns := next_wake(core, machine)) <= t_ns:
                first = int(core.memory["seq"][0])
                if drain(core, machine, due_ns) != Status.GOING_ON:
                    return Status.LOG_FULL
                _deliver(sockets, wiring, core, machine, first)
        first = int(core.memory["seq"][0])
        status = take(core, machine, event, t_ns)
        wiring.status["n_events"] += 1
        _deliver(sockets, wiring, core, machine, first)
        if status != Status.GOING_ON:
            return status
    return Status.GOING_ON


def _beat(sockets: Sockets, now: int) -> None:
    """Tell every device that the loop lives. One that does not hear it makes itself safe, so nobody is told here."""
    beat = host_event(Kind.HEALTH, now, SOURCE_LOOP)
    for socket in sockets.commands.values():
        send_now(socket, beat.tobytes())


def run(sockets: Sockets, wiring: Wiring, core: Core, machine: Machine) -> int:
    """Run until told to stop; the Python counterpart of :func:`realtime.loop.run`."""
    with np.errstate(over="ignore"):  # digests wrap around on purpose; numpy minds it where compilation is off
        return _run(sockets, wiring, core, machine)


def _run(sockets: Sockets, wiring: Wiring, core: Core, machine: Machine) -> int:
    poller = Poller(sockets.receive)
    next_beat_ns = 0
    virtual = bool(wiring.links["virtual"][0])
    while not wiring.status["stop"][0]:
        message = receive_now(sockets.receive)
        now = now_ns()
        wiring.status["alive_ns"] = now
        if message is not None:
            if _take_message(sockets, wiring, core, machine, message, now) != Status.GOING_ON:
                return Ended.JOURNAL_FULL
            wiring.histogram[Measure.TURN, bin_of(now_ns() - now)] += 1
            continue
        due_ns = NEVER_NS if virtual else int(next_wake(core, machine))
        if due_ns <= now:
            wiring.histogram[Measure.DEADLINE_LATE, bin_of(now - due_ns)] += 1
            first = int(core.memory["seq"][0])
            status = drain(core, machine, now)
            _deliver(sockets, wiring, core, machine, first)
            if status != Status.GOING_ON:
                return Ended.JOURNAL_FULL
            continue
        if now >= next_beat_ns:
            _beat(sockets, now)
            next_beat_ns = now + int(wiring.links["beat_ns"][0])
        poller.wait(min(LONGEST_SLEEP_S, max(0, min(due_ns, next_beat_ns) - now) / NS_PER_S))
    return Ended.STOPPED

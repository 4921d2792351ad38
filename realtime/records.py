"""The project's dictionary: every record that crosses a boundary, and every code in it.

An *event* is one 64-byte record. Devices publish events, the loop journals them, decisions are events, the log is a
sequence of events. Field titles give meaning and unit. Bounds that are exclusive are said to be.

Time is integer nanoseconds on the *session clock*, the host's monotonic clock; device stamps are mapped onto it before
they get here. ``t_ns`` says when something happened, ``arrival_ns`` when the loop read it.
"""

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

NEVER_NS: Final = 2**63 - 1
"""A time that never comes: the deadline of a machine that waits for nothing."""

NS_PER_S: Final = 1_000_000_000
NS_PER_MS: Final = 1_000_000


class Kind(IntEnum):
    """What an event says. The eight edges are reported by the device itself, never assumed."""

    POKE_IN = 1
    POKE_OUT = 2
    LICK_IN = 3
    LICK_OUT = 4
    VALVE_ON = 5
    VALVE_OFF = 6
    LASER_ON = 7
    LASER_OFF = 8
    COMMAND = 9
    """What the loop asked of a device: ``line`` says which output, ``value`` for how many ns (0 is off)."""
    STATE = 10
    """A machine entered the state in ``state``; ``line`` is the machine's number."""
    TRIAL = 11
    """A trial ended: ``value`` is its :class:`Outcome`, ``line`` the machine's number."""
    TIMER = 12
    """A deadline fired: ``t_ns`` is when it was due, ``arrival_ns`` when it fired."""
    NEURAL = 13
    """An estimate crossed its threshold: ``line`` is its new :class:`Level`, ``value`` what it was then."""
    OPERATOR = 14
    """A person acted: ``value`` is the :class:`Operator` code."""
    FAULT = 15
    """Something broke: ``value`` is the :class:`Fault` code."""
    CLOCK = 16
    """A device showed that it has reported everything up to ``t_ns``; ``value`` is the mapping's uncertainty in ns."""
    HEALTH = 17
    """A process lives. In a log: the loop woke and handed events over that led to nothing."""
    NOTE = 18
    """Kept for notes by programs; a person's note is an OPERATOR event."""
    SYNC = 19
    """Kept for synchronisation pulses of other recording systems."""


DECISION_KINDS: Final = (Kind.COMMAND, Kind.STATE, Kind.TRIAL, Kind.TIMER)
"""What the loop itself produces; every other kind is an input. Replay regenerates these from the rest."""


class Outcome(IntEnum):
    """How a trial ended."""

    SUCCESS = 1
    MISS = 2
    """One animal poked; the partner came late or not at all."""
    OMISSION = 3
    """Nobody poked."""
    ABORTED = 4
    """A person paused or stopped the session while the trial was open."""


class Level(IntEnum):
    """On which side of its threshold an estimate is now; the ``line`` of a NEURAL event."""

    BELOW = 0
    """It fell, or cannot be told any more."""
    ABOVE = 1


class Role(IntEnum):
    """What a line is for. A line's number is ``2 * role + animal``."""

    POKE = 0
    LICK = 1
    VALVE = 2
    LASER = 3
    ARM = 4
    """Not a pin: the permission to switch lasers on. ``value`` of its COMMAND is 1 to arm, 0 to disarm."""


class Line(IntEnum):
    """The session's logical lines. Which pin of which device each one is, the rig file says."""

    POKE_A = 0
    POKE_B = 1
    LICK_A = 2
    LICK_B = 3
    VALVE_A = 4
    VALVE_B = 5
    LASER_A = 6
    LASER_B = 7
    ARM = 8


N_LINES: Final = len(Line)
NO_ANIMAL: Final = -1
ANIMALS: Final = ("A", "B")


class Flag(IntEnum):
    """What is remarkable about an event: one bit each.

    An IntEnum, because compiled code cannot compute with IntFlag.
    """

    LATE = 1
    """Read after the loop had already decided something stamped later."""
    CLAMPED = 2
    """Its device stamp lay after its arrival and was set back to it."""
    GAP = 4
    """Events of this source are missing before this one."""
    DUPLICATE = 8
    """Seen before: logged, but not judged again."""
    SHAM = 16
    """A command that is only pretended: logged, never sent."""
    REFUSED = 32
    """A laser command while disarmed: logged, never sent."""
    FREE = 64
    """Given by a person's hand, not earned."""
    HELD = 128
    """A beam that was already broken when the device started to report it."""
    UNROUTED = 256
    """A command for a line that no device of this rig has: logged, never sent."""


WITHHELD: Final = Flag.SHAM | Flag.REFUSED | Flag.UNROUTED
"""A COMMAND with any of these is logged and never sent, whichever loop it is."""


class Operator(IntEnum):
    """What a person can ask of a running session."""

    START = 1
    PAUSE = 2
    RESUME = 3
    STOP = 4
    FREE_REWARD = 5
    """``animal`` says for whom."""
    ARM = 6
    DISARM = 7
    NOTE = 8
    """``source_seq`` is the number of the text in the session's notes."""
    LASER_TEST = 9
    """``animal`` says whose."""


class Fault(IntEnum):
    """What can break. ``source`` is the device that says so; where the host or the loop says so, ``line`` is it."""

    PORT_LOST = 1
    """The serial port is gone: unplugged, or its driver ended. Said by the host."""
    DEVICE_SILENT = 2
    """The device does not answer any more."""
    DEVICE_RESET = 3
    """The device restarted, or its clock stepped."""
    DEVICE_WATCHDOG = 4
    """The device had not heard from the host in time and switched everything off."""
    DEVICE_MAX_ON = 5
    """An output was on for its longest time and was cut."""
    DEVICE_INTERLOCK = 6
    """The interlock is open: lasers are off and disarmed."""
    DEVICE_OVERFLOW = 7
    """The device lost events."""
    DEVICE_CHECKSUM = 8
    """The device received a frame with a wrong checksum."""
    DEVICE_REFUSED = 9
    """The device answered a command with an error, or never answered within its retries."""
    EDGE_MISSING = 10
    """A command was acknowledged, but its output edge never came."""
    COMMAND_UNSENT = 11
    """A device's command queue was full. Said by the loop."""
    LOOP_SILENT = 12
    """A driver has not heard from the loop for 0.5 s and made its device safe. Said by the host."""
    PROCESS_DIED = 13
    """``source_seq`` is the number of the process in the session's list."""
    GARBAGE = 14
    """Bytes on the wire that are no frame; the driver's counters say how many."""
    DEVICE_GAP = 15
    """The device refused an output, because its last pulse had ended less than the least gap before."""
    DEVICE_DUTY = 16
    """The device cut or refused an output that had used up its time for this minute."""
    BEAM_CHATTER = 17
    """An input changed too often in a second; the device reports it no more until it is asked to listen again."""
    BEAM_STUCK = 18
    """A beam has been broken for so long that no animal does it: dirt, a paw, or the light is out."""
    LASER_HEAD = 19
    """A laser head reports a fault of its own."""
    LIGHT_LATE = 20
    """A laser head is armed, but waits before it gives light: by law, or to warm up."""
    NEURAL_SILENT = 21
    """A brain's stream stopped. ``animal`` says whose; estimates that need it are not valid."""
    ESTIMATOR_LOST = 22
    """The estimators' process died: no estimate crosses a threshold any more."""


PAUSING: Final = (
    Fault.PORT_LOST,
    Fault.DEVICE_SILENT,
    Fault.DEVICE_RESET,
    Fault.DEVICE_WATCHDOG,
    Fault.LOOP_SILENT,
    Fault.BEAM_CHATTER,
    Fault.BEAM_STUCK,
)
"""Faults after which no trial can be judged: the machines pause, as if a person had asked for it."""
DISARMING: Final = (
    Fault.PORT_LOST,
    Fault.DEVICE_SILENT,
    Fault.DEVICE_RESET,
    Fault.DEVICE_WATCHDOG,
    Fault.LOOP_SILENT,
    Fault.DEVICE_INTERLOCK,
    Fault.LASER_HEAD,
)
"""Faults after which every laser is disarmed, until a person arms again."""


def fault_mask(faults: tuple[Fault, ...]) -> int:
    """Return the faults as a set of bits, for compiled code: bit ``n`` is code ``n``."""
    return sum(1 << fault for fault in faults)


SOURCE_LOOP: Final = 0
SOURCE_OPERATOR: Final = 1
FIRST_DEVICE: Final = 2
"""Devices are numbered from here, in the order in which the rig file names them."""
MAX_SOURCES: Final = 16
SOURCE_ESTIMATOR: Final = MAX_SOURCES - 1
"""The estimators, as a device of their own; so there are at most MAX_SOURCES - 1 - FIRST_DEVICE devices."""
NO_ROUTE: Final = 0xFFFF

EVENT: Final = np.dtype(
    {
        "names": [
            "seq",
            "t_ns",
            "arrival_ns",
            "kind",
            "animal",
            "line",
            "source",
            "value",
            "trial",
            "state",
            "flags",
            "source_seq",
            "uncertainty_ns",
            "digest",
        ],
        "formats": [
            "<u8",
            "<i8",
            "<i8",
            "<u2",
            "<i2",
            "<u2",
            "<u2",
            "<f8",
            "<u4",
            "<u2",
            "<u2",
            "<u4",
            "<u4",
            "<u8",
        ],
        "offsets": [0, 8, 16, 24, 26, 28, 30, 32, 40, 44, 46, 48, 52, 56],
        "titles": [
            "Order in which the loop took it, from 1 without gaps",
            "When it happened, session clock [ns]",
            "When the loop read it, session clock [ns]",
            "What it says (Kind)",
            "Animal: 0 A, 1 B, -1 none",
            "Logical line (Line), the machine's number, or of a NEURAL its Level",
            "Which device, or 0 the loop, 1 a person, 15 the estimators",
            "Outcome, duration [ns] or code, by kind",
            "Trial, from 1; 0 before the first",
            "State of the machine (index into the task's states)",
            "What is remarkable about it (Flag)",
            "Running number within the source; of a COMMAND its nonce",
            "How uncertain t_ns is [ns]; of a TRIAL the time between its pokes, 0 where one clock stamped both",
            "Digest over this record and the digest before it",
        ],
        "itemsize": 64,
        "aligned": True,
    }
)
"""One event: 64 bytes, little-endian, aligned."""

RECORD_BYTES: Final = 64
Events = NDArray[np.void]
"""A one-dimensional array of :data:`EVENT`."""


def no_events(count: int) -> Events:
    """Return an array of ``count`` blank events: all zero, of no animal."""
    events = np.zeros(count, EVENT)
    events["animal"] = NO_ANIMAL
    return events


def host_event(
    kind: Kind, t_ns: int, source: int, value: float = 0.0, *, line: int = 0, animal: int = NO_ANIMAL, number: int = 0
) -> Events:
    """Return one event that no device reports: of the loop, of a person, or of a host process, shape (1,).

    ``number`` becomes ``source_seq``, which for these sources counts nothing.
    """
    event = no_events(1)
    event["kind"], event["t_ns"], event["source"], event["value"] = kind, t_ns, source, value
    event["line"], event["animal"], event["source_seq"] = line, animal, number
    return event


def line_of(role: Role, animal: int) -> Line:
    """Return the line by which ``animal`` (0 or 1) has ``role``."""
    return Line(2 * role + animal)

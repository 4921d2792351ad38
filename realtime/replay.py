"""Deciding again: a log's inputs, at their recorded arrival times, regenerate every record of it.

The live loop and this function call the same two kernels. What the live loop did at a moment it woke by itself is found
from the records that came of it: they carry that moment as their ``arrival_ns``.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from realtime.digest import RECORD_WORDS
from realtime.jit import allocating_kernel, kernel
from realtime.machine import Machine
from realtime.records import Events, Kind
from realtime.sequencer import Core, Status, drain, take


class Difference(IntEnum):
    """What the first difference is."""

    NONE = 0
    DIFFERENT = 1
    """The record is decided, but reads otherwise."""
    NOT_DECIDED = 2
    """The log has a decision that does not follow from its inputs."""
    MORE_DECIDED = 3
    """The inputs lead to a decision that the log does not have."""
    NO_ROOM = 4
    """The core's log is too small for the replay."""


class Verdict(NamedTuple):
    """Where a replay first differs from its log, and how."""

    place: int
    """Index of the log's record; -1 without a difference."""
    difference: int


@kernel
def _same(core: Core, words: NDArray[np.uint64], i: int) -> bool:
    """Return whether record ``i`` of the replay and of the log are the same 64 bytes."""
    for j in range(RECORD_WORDS):
        if core.words[i, j] != words[i, j]:
            return False
    return True


@allocating_kernel
def redecide(core: Core, machine: Machine, events: Events, words: NDArray[np.uint64]) -> Verdict:
    """Put a log's inputs through a fresh core and machine, and compare record by record.

    Parameters
    ----------
    core, machine : Core, Machine
        As at the start of the session; ``core.log`` needs room for the events and one event's consequences more.
    events : EVENT (n,)
        The log in loop order.
    words : uint64 (n, 8)
        The same memory as ``events``.

    Returns
    -------
    Verdict
    """
    one = np.zeros(1, events.dtype)
    for i in range(events.size):
        if core.memory[0]["seq"] <= i:
            kind = events[i]["kind"]
            now_ns = events[i]["arrival_ns"]
            if kind >= Kind.COMMAND and kind <= Kind.TIMER:
                status = drain(core, machine, now_ns)
            else:
                one[0] = events[i]
                status = take(core, machine, one, now_ns)
            if status != Status.GOING_ON and core.memory[0]["seq"] <= i:
                return Verdict(i, np.int64(Difference.NO_ROOM))
            if core.memory[0]["seq"] <= i:
                return Verdict(i, np.int64(Difference.NOT_DECIDED))
        if not _same(core, words, i):
            return Verdict(i, np.int64(Difference.DIFFERENT))
    if core.memory[0]["seq"] > events.size:
        return Verdict(np.int64(events.size), np.int64(Difference.MORE_DECIDED))
    return Verdict(-1, np.int64(Difference.NONE))

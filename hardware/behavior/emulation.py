"""Parts of the emulated Harp Behavior board: its knobs, its receiver, and its output pins."""

from dataclasses import dataclass
from typing import Final

from hardware.behavior.registers import N_OUTPUT_BITS, OUTPUT_BITS, WHO_AM_I
from hardware.device import WireFaults
from realtime.records import NEVER_NS, NS_PER_MS

RECEIVE_TIMEOUT_PASSES: Final = 50
"""A request is given up this long after its first byte, however much of it came since."""
_STARTS: Final = frozenset({1, 2})


@dataclass(slots=True)
class BehaviorKnobs(WireFaults):
    """What is broken on the wire, and in the board.

    Attributes
    ----------
    who_am_i, firmware_high
        What the board says it is.
    clock_ppm
        How much too fast its clock runs; a change holds from the next ``advance`` on.
    late_passes
        So many milliseconds are added to every pulse: 0 as in the firmware that was read, 1 the most that is known.
    dead_outputs
        Output pins, as a mask, whose driver is dead: the board believes them on, the world sees nothing.
    """

    who_am_i: int = WHO_AM_I
    firmware_high: int = 3
    clock_ppm: float = 0.0
    late_passes: int = 0
    dead_outputs: int = 0


class Receiver:
    """How the firmware puts requests together: no rescan, one finished request, no flow control.

    The first byte must be 1 or 2; others are skipped. Then as many bytes belong to the request as its length says. The
    checksum is looked at when it is executed, not before. A second request that is finished before that takes the
    first one's place.

    Attributes
    ----------
    ready
        The finished request, or None.
    overrun
        Requests that were lost because the next one was finished before they were executed.
    """

    __slots__ = ("_bytes", "_until_pass", "overrun", "ready")

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._until_pass = NEVER_NS
        self.ready: bytes | None = None
        self.overrun = 0

    def feed(self, data: bytes, passes: int) -> None:
        """Take bytes that come after the pass of this number."""
        for byte in data:
            if not self._bytes:
                if byte not in _STARTS:
                    continue
                self._until_pass = passes + RECEIVE_TIMEOUT_PASSES
            self._bytes.append(byte)
            # The length is looked at with the fourth byte only: one that is shorter than that is never finished.
            if len(self._bytes) > 4 and len(self._bytes) == self._bytes[1] + 2:
                self.overrun += self.ready is not None
                self.ready = bytes(self._bytes)
                self._bytes.clear()
                self._until_pass = NEVER_NS

    def due_pass(self, passes: int) -> int:
        """Return the next pass that matters, after this one, or NEVER_NS."""
        return passes + 1 if self.ready is not None else self._until_pass

    def run(self, passes: int) -> bytes | None:
        """Return the request to be executed in this pass, if there is one."""
        if passes >= self._until_pass:
            self._bytes.clear()
            self._until_pass = NEVER_NS
        ready, self.ready = self.ready, None
        return ready


class OutputPins:
    """The fourteen outputs: what is on, and in which pass each pulse ends. There is no other limit.

    Attributes
    ----------
    state
        Output bits that the board believes to be on.
    """

    __slots__ = ("_ends", "state")

    def __init__(self) -> None:
        self.state = 0
        self._ends = [NEVER_NS] * N_OUTPUT_BITS

    def set(self, mask: int, enabled: int, lengths_ms: list[int], passes: int) -> None:
        """Switch on, and start the pulses of those that are enabled, anew if need be."""
        self.state |= mask
        for bit in range(N_OUTPUT_BITS):
            if mask & enabled & 1 << bit:
                self._ends[bit] = passes + lengths_ms[bit]

    def clear(self, mask: int) -> None:
        """Switch off. A pulse goes on counting, and ends what is then on or not."""
        self.state &= ~mask

    def due_pass(self) -> int:
        """Return the pass in which the next pulse ends, or NEVER_NS."""
        return min(self._ends)

    def run(self, passes: int) -> None:
        """End the pulses that are over."""
        for bit in range(N_OUTPUT_BITS):
            if self._ends[bit] <= passes:
                self._ends[bit] = NEVER_NS
                self.clear(1 << bit)


def by_pin(state: int) -> int:
    """Return output bits as a mask by the rig file's pins."""
    return sum(1 << pin for pin, bit in enumerate(OUTPUT_BITS) if state >> bit & 1)


def pass_ns(passes: int) -> int:
    """Return when a pass is, on the board's clock."""
    return NEVER_NS if passes == NEVER_NS else passes * NS_PER_MS

"""Parts of the emulated reference board: its knobs, its inputs and its local rules, all in device time."""

from dataclasses import dataclass
from typing import Final

from hardware.board.registers import ALL_OUTPUTS, BEAM_PINS, N_INPUTS, RULE_WORDS, WHO_AM_I
from hardware.device import WireFaults
from realtime.records import NS_PER_MS, NS_PER_S

LONG_AGO_NS: Final = -(2**62)
BEAMS: Final = sum(1 << pin for pin in BEAM_PINS)


@dataclass(slots=True)
class Knobs(WireFaults):
    """What is broken. Turn them at any time.

    Attributes
    ----------
    who_am_i
        What the board says it is.
    suppress_edges
        Output edges happen, but no event tells of them.
    clock_ppm
        How much too fast the board's clock runs; a change holds from the next ``advance`` on.
    """

    who_am_i: int = WHO_AM_I
    suppress_edges: bool = False
    clock_ppm: float = 0.0


class Inputs:
    """The input pins, and which of them are muted.

    Parameters
    ----------
    pins
        How they stand when the board boots.

    Attributes
    ----------
    pins
        How they stand, as a bit mask.
    muted
        Those that chattered.
    """

    __slots__ = ("_edges", "_second", "muted", "pins")

    def __init__(self, pins: int) -> None:
        self.pins = pins
        self.muted = 0
        self._edges = [0] * N_INPUTS
        self._second = 0

    @property
    def state(self) -> int:
        """What the board says: muted ones read 0."""
        return self.pins & ~self.muted

    def put(self, pin: int, high: bool) -> bool:
        """Put a pin high or low; return whether that changes it."""
        before = self.pins
        self.pins = before & ~(1 << pin) | high << pin
        return self.pins != before

    def count(self, pin: int, at_ns: int, limit: int) -> bool:
        """Count an edge of a pin; return whether it has just muted it."""
        if self.muted >> pin & 1:
            return False
        if at_ns // NS_PER_S != self._second:
            self._second = at_ns // NS_PER_S
            self._edges = [0] * N_INPUTS
        self._edges[pin] += 1
        chatters = self._edges[pin] > limit
        self.muted |= chatters << pin
        return chatters

    def step(self, step_ns: int) -> None:
        """Move along with a clock that was stepped by whole seconds."""
        self._second += step_ns // NS_PER_S


class LocalRule:
    """One local rule: the next of these beams to break fires a pulse on these outputs, once.

    Attributes
    ----------
    beams, outputs, length_ms
        As last written.
    """

    __slots__ = ("_new_from_ns", "_until_ns", "_words", "beams", "length_ms", "outputs")

    def __init__(self) -> None:
        self.beams = self.outputs = self.length_ms = 0
        self._words = b""
        self._until_ns = self._new_from_ns = LONG_AGO_NS

    def write(self, words: bytes, at_ns: int) -> bool:
        """Take the first eight bytes of a rule; return False if it is none."""
        beams, outputs, length_ms, window_ms = RULE_WORDS.unpack(words)
        beams, outputs = beams & BEAMS, outputs & ALL_OUTPUTS
        if window_ms and not (beams and outputs and length_ms):
            return False
        if words == self._words and at_ns < self._new_from_ns:
            return True  # the same request once more
        self.beams, self.outputs, self.length_ms = beams, outputs, length_ms
        self._words = words
        self._until_ns = self._new_from_ns = at_ns + window_ms * NS_PER_MS
        return True

    def read(self, at_ns: int) -> bytes:
        """Return its content, with what is left of its window."""
        left_ms = -(-max(0, self._until_ns - at_ns) // NS_PER_MS)
        return RULE_WORDS.pack(self.beams, self.outputs, self.length_ms, left_ms) + bytes(2)

    def stands(self, at_ns: int) -> bool:
        """Whether a beam would fire it."""
        return at_ns < self._until_ns

    def spend(self) -> None:
        """It has fired."""
        self._until_ns = LONG_AGO_NS

    def clear(self) -> None:
        """Forget that it was asked for: the same request is a new one."""
        self._until_ns = self._new_from_ns = LONG_AGO_NS

    def step(self, step_ns: int) -> None:
        """Move along with a clock that was stepped."""
        self._until_ns += step_ns
        self._new_from_ns += step_ns

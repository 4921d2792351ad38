"""Parts of the emulated reference board: its knobs, its clock, and the outputs with their safety limits."""

from dataclasses import dataclass
from typing import Final

from hardware.board_registers import ALL_OUTPUTS, LASER_OUTPUTS, N_OUTPUTS, WHO_AM_I
from realtime.records import NEVER_NS, NS_PER_MS

_BILLION: Final = 1_000_000_000


@dataclass(slots=True)
class Knobs:
    """What is broken. Turn them at any time.

    Attributes
    ----------
    garbage
        Bytes that come before whatever is sent next; used up.
    drop
        So many of the next bytes sent are lost; counts down.
    corrupt
        So many of the next bytes sent are changed; counts down.
    duplicate
        So many of the next frames are sent twice; counts down.
    silence
        The transmitter is dead: nothing is sent, though everything else goes on.
    who_am_i
        What the board says it is.
    suppress_edges
        Output edges happen, but no event tells of them.
    clock_ppm
        How much too fast the board's clock runs; a change holds from the next ``advance`` on.
    """

    garbage: bytes = b""
    drop: int = 0
    corrupt: int = 0
    duplicate: int = 0
    silence: bool = False
    who_am_i: int = WHO_AM_I
    suppress_edges: bool = False
    clock_ppm: float = 0.0


class BoardClock:
    """A clock that runs straight, but not at the host's rate."""

    __slots__ = ("_device_ref_ns", "_host_ref_ns", "_ppb", "ppm")

    def __init__(self, host_ns: int, device_ns: int, ppm: float) -> None:
        self._host_ref_ns = host_ns
        self._device_ref_ns = device_ns
        self.ppm = ppm
        self._ppb = round(ppm * 1000)

    def device_ns(self, host_ns: int) -> int:
        """Return the device's time at a host time."""
        elapsed_ns = host_ns - self._host_ref_ns
        return self._device_ref_ns + elapsed_ns + elapsed_ns * self._ppb // _BILLION

    def host_ns(self, device_ns: int) -> int:
        """Return the first host ns at which the device's clock shows ``device_ns``."""
        elapsed_ns = device_ns - self._device_ref_ns
        host_ns = self._host_ref_ns + elapsed_ns * _BILLION // (_BILLION + self._ppb)
        while self.device_ns(host_ns) < device_ns:
            host_ns += 1
        return host_ns


class Outputs:
    """The output pins, in device time: what is on, until when, and whether lasers may be.

    Attributes
    ----------
    mask
        Outputs that are on.
    armed, interlock_closed
        Both are needed for a laser to go on.
    """

    __slots__ = ("_cut", "_off_at_ns", "_on_since_ns", "armed", "interlock_closed", "mask")

    def __init__(self, interlock_closed: bool) -> None:
        self.mask = 0
        self.armed = False
        self.interlock_closed = interlock_closed
        self._on_since_ns = [0] * N_OUTPUTS
        self._off_at_ns = [NEVER_NS] * N_OUTPUTS
        self._cut = 0  # outputs whose deadline is their max-on, not the end of their pulse

    @property
    def lasers_allowed(self) -> bool:
        """Whether a laser may go on."""
        return self.armed and self.interlock_closed

    def due_ns(self) -> int:
        """Return when the next output must go off, or NEVER_NS."""
        return min(self._off_at_ns)

    def ended(self, at_ns: int) -> tuple[int, int]:
        """Return the outputs whose time is over, and those of them that their max-on ends."""
        ended = sum(1 << pin for pin in range(N_OUTPUTS) if self._off_at_ns[pin] <= at_ns)
        return ended, ended & self._cut

    def drive(self, switch_on: int, switch_off: int, at_ns: int) -> int:
        """Switch; return the outputs that changed."""
        if not self.lasers_allowed:
            switch_on &= ~LASER_OUTPUTS
        after = (self.mask | switch_on) & ~switch_off & ALL_OUTPUTS
        changed = self.mask ^ after
        self.mask = after
        for pin in range(N_OUTPUTS):
            if changed >> pin & 1:
                self._on_since_ns[pin] = at_ns
                self._off_at_ns[pin] = NEVER_NS
        return changed

    def limit(self, mask: int, lengths_ms: list[int], limits_ms: list[int], now_ns: int) -> None:
        """Set when the outputs of ``mask`` that are on go off: after their length (0: none), at most at their limit."""
        for pin in range(N_OUTPUTS):
            if mask & self.mask & 1 << pin:
                limit_ns = self._on_since_ns[pin] + limits_ms[pin] * NS_PER_MS
                wanted_ns = now_ns + lengths_ms[pin] * NS_PER_MS if lengths_ms[pin] else NEVER_NS
                self._off_at_ns[pin] = min(wanted_ns, limit_ns)
                self._cut = self._cut & ~(1 << pin) | (wanted_ns > limit_ns) << pin

    def step(self, step_ns: int) -> None:
        """Move all times along with a clock that was stepped, so that nothing stays on longer for it."""
        self._on_since_ns = [since_ns + step_ns for since_ns in self._on_since_ns]
        self._off_at_ns = [at_ns if at_ns == NEVER_NS else at_ns + step_ns for at_ns in self._off_at_ns]

"""The emulated reference board's outputs, in device time: what is on, until when, and every limit on that."""

from collections import deque
from collections.abc import Mapping
from typing import Final

from hardware.board.registers import ALL_OUTPUTS, DUTY_SECONDS, LASER_OUTPUTS, N_OUTPUTS, FaultBit, Register
from hardware.emulators.board_parts import LONG_AGO_NS
from realtime.records import NEVER_NS, NS_PER_MS, NS_PER_S

_NOTHING: Final = FaultBit(0)


class OnTime:
    """How long one output was on, by whole seconds of the board's clock."""

    __slots__ = ("_seconds",)

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, int]] = deque()  # number of the second, ns on within it

    def add(self, since_ns: int, until_ns: int) -> None:
        """Note that it was on."""
        while since_ns < until_ns:
            second = since_ns // NS_PER_S
            part_ns = min(until_ns, (second + 1) * NS_PER_S) - since_ns
            self._seconds.append((second, part_ns))
            since_ns += part_ns
        while self._seconds and self._seconds[0][0] < until_ns // NS_PER_S - DUTY_SECONDS:
            self._seconds.popleft()

    def used_ns(self, at_ns: int) -> int:
        """Return how long it was on in the second of ``at_ns`` and the 60 before it."""
        oldest = at_ns // NS_PER_S - DUTY_SECONDS
        return sum(part_ns for second, part_ns in self._seconds if second >= oldest)

    def runs_out_ns(self, since_ns: int, now_ns: int, limit_ns: int, until_ns: int) -> int:
        """Return when an output that is on since ``since_ns`` reaches ``limit_ns``, or NEVER_NS if after ``until_ns``.

        At every whole second the oldest second is forgotten, and there may be more time.
        """
        at_ns = now_ns
        while at_ns < until_ns:
            left_ns = limit_ns - self.used_ns(at_ns) - (at_ns - since_ns)
            second_ns = (at_ns // NS_PER_S + 1) * NS_PER_S
            if at_ns + left_ns < second_ns:
                return at_ns + max(0, left_ns)
            at_ns = second_ns
        return NEVER_NS

    def step(self, step_ns: int) -> None:
        """Move along with a clock that was stepped by whole seconds."""
        seconds = step_ns // NS_PER_S
        self._seconds = deque((second + seconds, part_ns) for second, part_ns in self._seconds)


class Outputs:
    """The output pins, and whether lasers may be on.

    Parameters
    ----------
    settings
        The board's number registers, with the limits as they are at any time.
    interlock_closed
        Whether the interlock loop is closed.

    Attributes
    ----------
    mask
        Outputs that are on.
    armed, interlock_closed
        Both are needed for a laser to go on.
    """

    __slots__ = (
        "_cut_by",
        "_ends_ns",
        "_off_at_ns",
        "_off_since_ns",
        "_on_since_ns",
        "_on_time",
        "_settings",
        "armed",
        "interlock_closed",
        "mask",
    )

    def __init__(self, settings: Mapping[int, int], interlock_closed: bool) -> None:
        self._settings = settings
        self.mask = 0
        self.armed = False
        self.interlock_closed = interlock_closed
        self._on_since_ns = [0] * N_OUTPUTS
        self._off_since_ns = [LONG_AGO_NS] * N_OUTPUTS
        self._ends_ns = [NEVER_NS] * N_OUTPUTS  # of its pulse
        self._off_at_ns = [NEVER_NS] * N_OUTPUTS  # that, or a limit before it
        self._cut_by = [_NOTHING] * N_OUTPUTS
        self._on_time = [OnTime() for _ in range(N_OUTPUTS)]

    def due_ns(self) -> int:
        """Return when the next output must go off, or NEVER_NS."""
        return min(self._off_at_ns)

    def ended(self, at_ns: int) -> tuple[int, FaultBit]:
        """Return the outputs whose time is over, and the faults of the limits that end them."""
        ended, faults = 0, _NOTHING
        for pin in range(N_OUTPUTS):
            if self._off_at_ns[pin] <= at_ns:
                ended |= 1 << pin
                faults |= self._cut_by[pin]
        return ended, faults

    def switch_on(self, mask: int, lengths_ms: list[int], at_ns: int) -> tuple[int, FaultBit]:
        """Switch on what may go on, each for its length (0: as long as it may).

        Returns
        -------
        tuple of int and FaultBit
            The outputs that changed, and why others were refused.
        """
        allowed, faults = 0, _NOTHING
        for pin in range(N_OUTPUTS):
            if mask >> pin & 1:
                refusal = self._refusal(pin, at_ns)
                faults |= refusal
                if not refusal:
                    allowed |= 1 << pin
                    self._ends_ns[pin] = at_ns + lengths_ms[pin] * NS_PER_MS if lengths_ms[pin] else NEVER_NS
        changed = self._drive(self.mask | allowed, at_ns)
        self.plan(at_ns)
        return changed, faults

    def switch_off(self, mask: int, at_ns: int) -> int:
        """Switch off; return the outputs that changed."""
        return self._drive(self.mask & ~mask, at_ns)

    def plan(self, now_ns: int) -> None:
        """Find when each output that is on goes off, and what ends it, under the limits as they are now."""
        for pin in range(N_OUTPUTS):
            if self.mask >> pin & 1:
                self._plan(pin, now_ns)

    def step(self, step_ns: int) -> None:
        """Move all times along with a clock that was stepped, so that nothing stays on longer for it."""
        for times_ns in (self._on_since_ns, self._off_since_ns, self._ends_ns, self._off_at_ns):
            times_ns[:] = [at_ns if at_ns == NEVER_NS else at_ns + step_ns for at_ns in times_ns]
        for on_time in self._on_time:
            on_time.step(step_ns)

    def _limit_ns(self, register: Register, pin: int) -> int:
        return self._settings[register + pin] * NS_PER_MS

    def _refusal(self, pin: int, at_ns: int) -> FaultBit:
        """Return why an output may not be switched on; nothing if it may, or is on."""
        if 1 << pin & LASER_OUTPUTS and not (self.armed and self.interlock_closed):
            return FaultBit.DISARMED
        if self.mask >> pin & 1:
            return _NOTHING
        if at_ns - self._off_since_ns[pin] < self._limit_ns(Register.MIN_GAP_MS, pin):
            return FaultBit.GAP
        if self._on_time[pin].used_ns(at_ns) >= self._limit_ns(Register.DUTY_MS, pin):
            return FaultBit.DUTY
        return _NOTHING

    def _drive(self, after: int, at_ns: int) -> int:
        after &= ALL_OUTPUTS
        changed = self.mask ^ after
        self.mask = after
        for pin in range(N_OUTPUTS):
            if changed & after & 1 << pin:
                self._on_since_ns[pin] = at_ns
            elif changed & 1 << pin:
                self._on_time[pin].add(self._on_since_ns[pin], at_ns)
                self._off_since_ns[pin] = at_ns
                self._off_at_ns[pin] = NEVER_NS
        return changed

    def _plan(self, pin: int, now_ns: int) -> None:
        since_ns = self._on_since_ns[pin]
        off_ns, cut_by = self._ends_ns[pin], _NOTHING
        limit_ns = since_ns + self._limit_ns(Register.MAX_ON_MS, pin)
        if limit_ns < off_ns:
            off_ns, cut_by = max(limit_ns, now_ns), FaultBit.MAX_ON
        duty_ns = self._limit_ns(Register.DUTY_MS, pin)
        used_up_ns = self._on_time[pin].runs_out_ns(since_ns, now_ns, duty_ns, off_ns)
        if used_up_ns < off_ns:
            off_ns, cut_by = used_up_ns, FaultBit.DUTY
        self._off_at_ns[pin] = off_ns
        self._cut_by[pin] = cut_by

"""The limits that a Harp Behavior board does not keep itself, kept by the host: busy, least gap, time per minute.

Nothing on the board limits an output but the length of its pulse, and a second OutputSet starts that anew. So a pulse
is allowed only on an output that is known to be off. Known means: its OutputClear was answered, or the longest time it
can have been on is over (a pulse of N ms takes N to N + 1 ms from the moment it is executed). That its copy fell means
less: the copy's wire may be bad.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from hardware.behavior.requests import OutputWire
from hardware.device import N_ANIMAL_LINES
from realtime.records import NS_PER_MS, NS_PER_S, Fault, Line

DUTY_WINDOW_NS: Final = 60 * NS_PER_S
_LONG_AGO_NS: Final = -(2**62)


class OutputBook:
    """What the host knows of its outputs. Times are on the session clock."""

    __slots__ = ("_off_ns", "_on_until_ns", "_spent")

    def __init__(self) -> None:
        self._on_until_ns = [_LONG_AGO_NS] * N_ANIMAL_LINES
        self._off_ns = [_LONG_AGO_NS] * N_ANIMAL_LINES
        self._spent: list[deque[tuple[int, int]]] = [deque() for _ in range(N_ANIMAL_LINES)]  # (until when, ms)

    def refusal(self, wire: OutputWire, length_ms: int, now_ns: int) -> tuple[Fault, str] | None:
        """Return why a pulse of ``length_ms`` must not be sent now, or None if it may."""
        name, line = wire.line.name, wire.line
        if now_ns < self._on_until_ns[line]:
            return (
                Fault.DEVICE_REFUSED,
                f"does not pulse {name}, which may still be on: the board would only lengthen it",
            )
        gap_ns = wire.min_gap_ms * NS_PER_MS
        if now_ns - max(self._off_ns[line], self._on_until_ns[line]) < gap_ns:
            return (
                Fault.DEVICE_GAP,
                f"does not pulse {name} less than min_gap_ms = {wire.min_gap_ms} after its last pulse",
            )
        if wire.duty_ms is not None and self._spent_ms(line, now_ns) + length_ms > wire.duty_ms:
            return Fault.DEVICE_DUTY, f"does not pulse {name} for more than {wire.duty_ms} ms within a minute"
        return None

    def fired(self, wire: OutputWire, length_ms: int, now_ns: int) -> None:
        """Note that a pulse was executed by ``now_ns`` at the latest, or may have been."""
        until_ns = now_ns + (length_ms + 1) * NS_PER_MS
        self._on_until_ns[wire.line] = until_ns
        self._spent[wire.line].append((until_ns, length_ms + 1))

    def ended(self, lines: Iterable[Line], now_ns: int) -> None:
        """Note that outputs are known to be off at ``now_ns``."""
        for line in lines:
            if now_ns < self._on_until_ns[line]:
                self._on_until_ns[line] = _LONG_AGO_NS
                self._off_ns[line] = now_ns

    def unasked(self, state: int, asked_ns: int, wires: Iterable[OutputWire]) -> int:
        """Return which outputs of ``state``, read after ``asked_ns``, are on though no pulse can explain it."""
        return state & ~sum(wire.mask for wire in wires if asked_ns < self._on_until_ns[wire.line])

    def _spent_ms(self, line: Line, now_ns: int) -> int:
        spent = self._spent[line]
        while spent and spent[0][0] <= now_ns - DUTY_WINDOW_NS:
            spent.popleft()
        return sum(length_ms for _, length_ms in spent)

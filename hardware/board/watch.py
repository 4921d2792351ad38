"""Watches over the reference board's inputs: which are muted, and which beams are stuck."""

from collections.abc import Iterable
from typing import Final

from hardware.board.requests import Wire
from realtime.records import NEVER_NS, NS_PER_S

LISTEN_NS: Final = 10 * NS_PER_S


class MutedInputs:
    """Which inputs the board has muted, and when it is to listen to them again.

    Parameters
    ----------
    wires
        The inputs that the rig uses; another one that is muted stays so.
    """

    __slots__ = ("_listen_ns", "_mask", "_used", "_wires")

    def __init__(self, wires: Iterable[Wire]) -> None:
        self._wires = tuple(wires)
        self._used = sum(wire.mask for wire in self._wires)
        self._mask = 0
        self._listen_ns: dict[int, int] = {}  # by mask

    @property
    def unused(self) -> int:
        """How many inputs that the rig does not use are muted."""
        return (self._mask & ~self._used).bit_count()

    def take(self, mask: int, now_ns: int) -> list[Wire]:
        """Take what the board says is muted; return what was not before."""
        newly = [wire for wire in self._wires if mask & ~self._mask & wire.mask]
        self._mask = mask
        self._listen_ns = {one: due_ns for one, due_ns in self._listen_ns.items() if one & mask}
        self._listen_ns |= {wire.mask: now_ns + LISTEN_NS for wire in newly}
        return newly

    def due_ns(self) -> int:
        """Return when the board is to listen again, or NEVER_NS."""
        return min(self._listen_ns.values(), default=NEVER_NS)

    def poll(self, now_ns: int) -> int:
        """Return the inputs that the board is to listen to again now."""
        due = [one for one, due_ns in self._listen_ns.items() if now_ns >= due_ns]
        self._listen_ns |= dict.fromkeys(due, now_ns + LISTEN_NS)
        return sum(due)

    def rest(self) -> None:
        """Have nothing listened to again."""
        self._listen_ns.clear()


class StuckBeams:
    """Which beams have been broken for longer than any animal breaks one.

    Parameters
    ----------
    wires
        The inputs; only beams are watched.
    stuck_ns
        A beam broken for longer than this is stuck.
    """

    __slots__ = ("_due_ns", "_state", "_stuck_ns", "_wires")

    def __init__(self, wires: Iterable[Wire], stuck_ns: int) -> None:
        self._wires = tuple(wire for wire in wires if wire.is_beam)
        self._stuck_ns = stuck_ns
        self._state = 0
        self._due_ns: dict[Wire, int] = {}

    def take(self, state: int, now_ns: int) -> None:
        """Take the inputs as they are."""
        changed = state ^ self._state
        self._state = state
        for wire in self._wires:
            if changed & state & wire.mask:
                self._due_ns[wire] = now_ns + self._stuck_ns
            elif changed & wire.mask:
                self._due_ns.pop(wire, None)

    def due_ns(self) -> int:
        """Return when the next beam will be stuck, or NEVER_NS."""
        return min(self._due_ns.values(), default=NEVER_NS)

    def poll(self, now_ns: int) -> list[Wire]:
        """Return the beams that are stuck by now and were not before."""
        stuck = [wire for wire, due_ns in self._due_ns.items() if now_ns >= due_ns]
        for wire in stuck:
            del self._due_ns[wire]
        return stuck

    def rest(self) -> None:
        """Watch no more."""
        self._due_ns.clear()

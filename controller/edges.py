"""Watches outputs whose edges another device reports, to see that what was commanded really happened.

A device that confirms its own outputs is watched by its own driver. Where a copy of the wire is led to an input of
another device, only the session sees both: the command that went to the one, and the edge that came from the other.
"""

from collections.abc import Iterable
from typing import Final

from controller.rigfile import Input, Rig
from realtime.records import NEVER_NS, NS_PER_MS, WITHHELD, Events, Kind, Line

EDGE_NS: Final = 150 * NS_PER_MS
"""A command's way to a device, the device's own delay, and the edge's way back take less than this."""
_ON: Final = (Kind.VALVE_ON, Kind.LASER_ON)
_OFF: Final = (Kind.VALVE_OFF, Kind.LASER_OFF)


def lines_watched(rig: Rig) -> tuple[Line, ...]:
    """Return the outputs of a rig whose copy is on another device than the output itself."""
    outputs = {line: wiring for line, wiring in rig.lines.wired().items() if not isinstance(wiring, Input)}
    return tuple(line for line, w in outputs.items() if w.copy is not None and w.copy.device != w.device)


class EdgeWatch:
    """Notices commands that no edge has followed.

    Parameters
    ----------
    lines
        The outputs to watch.
    """

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = frozenset(int(line) for line in lines)
        self._owed: dict[int, int] = {}
        self._on: set[int] = set()
        self._ends_ns: dict[int, int] = {}
        """Until when the commands so far keep each line on at the latest."""

    def add(self, events: Events) -> None:
        """Take events in loop order."""
        if not self._lines:
            return
        for event in events:
            line, kind = int(event["line"]), int(event["kind"])
            if line not in self._lines:
                continue
            if kind == Kind.COMMAND and not event["flags"] & WITHHELD:
                self._command(line, int(event["arrival_ns"]), int(event["value"]))
            elif kind in _ON:
                self._on.add(line)
                self._owed.pop(line, None)
            elif kind in _OFF:
                self._on.discard(line)

    def _command(self, line: int, sent_ns: int, length_ns: int) -> None:
        """Wait for the edge of a command, unless it lengthens a pulse: then none follows."""
        if length_ns == 0:
            self._owed.pop(line, None)
            return
        if line not in self._on or sent_ns >= self._ends_ns.get(line, 0):
            self._owed.setdefault(line, sent_ns + EDGE_NS)
        self._ends_ns[line] = max(self._ends_ns.get(line, 0), sent_ns + length_ns + EDGE_NS)

    def due_ns(self) -> int:
        """Return when the next edge is overdue, or NEVER_NS."""
        return min(self._owed.values(), default=NEVER_NS)

    def overdue(self, now_ns: int) -> list[Line]:
        """Return the lines whose edge has not come in time, each once."""
        late = [line for line, until_ns in self._owed.items() if now_ns >= until_ns]
        for line in late:
            del self._owed[line]
        return [Line(line) for line in late]

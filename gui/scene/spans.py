"""From when to when lines were on lately: valves and lasers, as their devices reported it."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from realtime.records import Events, Kind

MOST_SPANS: Final = 256
"""Of each line; a minute has room for four a second."""
KINDS: Final = (Kind.VALVE_ON, Kind.VALVE_OFF, Kind.LASER_ON, Kind.LASER_OFF)


@dataclass(frozen=True, slots=True)
class Span:
    """A line was on from ``on_ns`` to ``off_ns``, or still is where that is None."""

    on_ns: int
    off_ns: int | None


class Spans:
    """The last periods in which each valve and laser was on; memory has an end."""

    def __init__(self) -> None:
        self._of: dict[int, deque[Span]] = {}

    def take(self, events: Events) -> None:
        """Take events in the loop's order, without duplicates; what is no valve's or laser's edge is passed over."""
        edges = events[(events["kind"] >= min(KINDS)) & (events["kind"] <= max(KINDS))]
        for line in sorted(set(edges["line"].tolist())):
            mine = edges[edges["line"] == line][-2 * MOST_SPANS :]
            kept = self._of.setdefault(line, deque(maxlen=MOST_SPANS))
            for kind, t_ns in zip(mine["kind"].tolist(), mine["t_ns"].tolist(), strict=True):
                _edge(kept, kind in (Kind.VALVE_ON, Kind.LASER_ON), t_ns)

    def between(self, line: int, start_ns: int, end_ns: int) -> list[Span]:
        """Return the periods of a line that touch a stretch of time [ns], oldest first."""
        return [
            span
            for span in self._of.get(line, ())
            if span.on_ns <= end_ns and (span.off_ns is None or span.off_ns >= start_ns)
        ]


def _edge(kept: "deque[Span]", rising: bool, t_ns: int) -> None:
    """Begin a period or end the one that is open; an end without a beginning says nothing."""
    is_open = bool(kept) and kept[-1].off_ns is None
    if rising and not is_open:
        kept.append(Span(t_ns, None))
    elif not rising and is_open:
        kept[-1] = Span(kept[-1].on_ns, t_ns)

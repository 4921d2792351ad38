"""How the window itself keeps up: measured where it happens, shown in the rig panel."""

import resource
from collections import deque
from itertools import pairwise
from typing import Final

from gui.link import Contact
from gui.scene.own import Own
from realtime.records import NS_PER_MS, NS_PER_S

KEPT: Final = 300
"""Ticks that are looked back upon: some ten seconds."""


class Lag:
    """Measures ticks: how late each begins, how long it takes, and how many draw something.

    Parameters
    ----------
    due_ms
        After how long a tick is due after the one before [ms].

    Attributes
    ----------
    ticks, frames
        All so far, and those in which something was drawn.
    """

    def __init__(self, due_ms: float) -> None:
        self._due_ms = due_ms
        self.ticks = self.frames = 0
        self._begun: deque[int] = deque(maxlen=KEPT)
        self._took: deque[int] = deque(maxlen=KEPT)
        self._drawn: deque[int] = deque(maxlen=KEPT)
        self._cpu: tuple[int, float] | None = None

    def began(self, local_ns: int) -> None:
        """A tick begins."""
        self._begun.append(local_ns)
        self.ticks += 1

    def ended(self, local_ns: int, *, drawn: bool) -> None:
        """A tick ends."""
        self._took.append(local_ns - self._begun[-1])
        if drawn:
            self.frames += 1
            self._drawn.append(local_ns)

    @property
    def frames_per_s(self) -> float:
        """Ticks that drew something, of late [1/s]."""
        if len(self._drawn) < 2:
            return 0.0
        return (len(self._drawn) - 1) * NS_PER_S / max(1, self._drawn[-1] - self._drawn[0])

    def gaps_ms(self) -> list[float]:
        """Return the times from tick to tick, of late, ascending [ms]."""
        begun = list(self._begun)
        return sorted((later - earlier) / NS_PER_MS for earlier, later in pairwise(begun))

    def took_ms(self) -> list[float]:
        """Return how long ticks took, of late, ascending [ms]."""
        return sorted(took / NS_PER_MS for took in self._took)

    def cpu_share(self, local_ns: int) -> float:
        """Return the share of one core that this process has used since the last call."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        used_s = usage.ru_utime + usage.ru_stime
        before, self._cpu = self._cpu, (local_ns, used_s)
        if before is None or local_ns <= before[0]:
            return 0.0
        return (used_s - before[1]) * NS_PER_S / (local_ns - before[0])

    def own(self, contact: Contact) -> Own:
        """Return how the window stands."""
        late = [max(0.0, gap - self._due_ms) for gap in self.gaps_ms()]
        local_ns = self._begun[-1] if self._begun else 0
        return Own(
            frames_per_s=self.frames_per_s,
            tick_late_p50_ms=late[len(late) // 2] if late else 0.0,
            tick_late_max_ms=late[-1] if late else 0.0,
            behind_ms=max(0.0, (local_ns - contact.heard_ns) / NS_PER_MS),
            round_trip_ms=contact.round_trip_ns / NS_PER_MS if contact.round_trip_ns else None,
            dropped=contact.dropped,
            cpu_share=self.cpu_share(local_ns),
        )

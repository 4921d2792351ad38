"""One valve as its device tells of it: which of its openings were rewards by hand.

A command that comes while the valve is open opens nothing: the device lengthens the opening. So an opening may answer
several commands, earned ones and such by hand, and each of them is counted by what the device's own edges say.
"""

from dataclasses import dataclass, field
from typing import Final

from realtime.records import NS_PER_MS, NS_PER_S

DUE_NS: Final = NS_PER_S
"""How long a command may take until its valve says that it opened; then none comes of it any more."""
LATE_NS: Final = 150 * NS_PER_MS
"""The same of a command that was sent while the valve was open: soon, or the next opening would be taken for it."""


@dataclass(frozen=True, slots=True)
class _Pulse:
    """A command that the loop has sent: when, for how long, until when it can still open the valve [ns], and whose."""

    sent_ns: int
    open_ns: int
    until_ns: int
    by_hand: bool


@dataclass(slots=True)
class Valve:
    """Follows the commands and edges of one valve, as they come.

    Attributes
    ----------
    earned, by_hand
        Rewards that the valve has given: of trials, and by hand. They may be more than its openings.
    """

    earned: int = 0
    by_hand: int = 0
    _due: list[_Pulse] = field(default_factory=list)
    """What was sent and has not been answered by an edge."""
    _given: list[_Pulse] = field(default_factory=list)
    """What this opening answers."""
    _on_ns: int | None = None

    def sent(self, sent_ns: int, open_ns: int, *, by_hand: bool) -> None:
        """Learn that the loop told the valve to open."""
        patience_ns = DUE_NS if self._on_ns is None else LATE_NS
        self._due.append(_Pulse(sent_ns, open_ns, sent_ns + patience_ns, by_hand))

    def refused(self) -> None:
        """Learn that the valve did not open: the last command came to nothing."""
        del self._due[-1:]

    def opened(self, t_ns: int, arrival_ns: int) -> None:
        """Learn that the valve opened, at ``t_ns`` by its device, and that this was known at ``arrival_ns``."""
        self._due = [pulse for pulse in self._due if arrival_ns <= pulse.until_ns]
        self._on_ns, self._given = t_ns, []
        if self._due:
            self._give(self._due.pop(0))

    def closed(self, t_ns: int) -> float:
        """Learn that the valve closed at ``t_ns``; return which share of this opening was given by hand, 0 to 1."""
        on_ns, self._on_ns = self._on_ns, None
        if on_ns is None:
            return 0.0
        for pulse in [pulse for pulse in self._due if t_ns - pulse.sent_ns >= pulse.open_ns // 2]:
            self._due.remove(pulse)  # the valve stayed open for it: it has lengthened this opening
            self._give(pulse)
        return self._share_by_hand(on_ns)

    def _give(self, pulse: _Pulse) -> None:
        self._given.append(pulse)
        self.by_hand += pulse.by_hand
        self.earned += not pulse.by_hand

    def _share_by_hand(self, on_ns: int) -> float:
        """Return which share of the time that was asked for, each command lengthening the one before, was by hand."""
        end_ns, all_ns, by_hand_ns = on_ns, 0, 0
        for pulse in self._given:
            longer_ns = max(0, max(pulse.sent_ns, on_ns) + pulse.open_ns - end_ns)
            end_ns += longer_ns
            all_ns += longer_ns
            by_hand_ns += longer_ns * pulse.by_hand
        return by_hand_ns / all_ns if all_ns else 0.0

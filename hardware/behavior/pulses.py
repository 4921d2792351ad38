"""Pulses on a Harp Behavior board: each is fired once, though the board cannot tell a repetition from a new command.

OutputSet has no nonce, and a second one starts the pulse anew. So it leaves once, and what its answer does not say is
found out::

    lengths set --> OutputSet sent --answer--------------------------------> STARTED: copies owe edges
                        |  5 ms without an answer
                        |  +-- a copy rose since ---------------------------> STARTED
                        +--+-- OutputState: an output is on ----------------> STARTED
                           +-- OutputState: all off, though the pulse,
                           |   had it happened, would still be on ----------> did not happen: OutputSet again
                           +-- OutputState: all off, too late to tell ------> UNKNOWN: told, not repeated
                           +-- no OutputState ------------------------------> UNKNOWN: told, not repeated

The third way is a proof because the outputs were off before, because requests are executed in the order in which they
were sent, and because OutputState's stamp shows that it was read after OutputSet left.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from hardware.behavior import requests as ask
from hardware.behavior.exchange import TRIES, Ask, Exchange, Rank
from hardware.behavior.outputs import OutputBook
from realtime.records import NEVER_NS, NS_PER_MS, Line

EDGE_NS: Final = 50 * NS_PER_MS
"""A copy must show its edge within this time after the acknowledgement."""
DRIFT_DIVISOR: Final = 1000
"""No board's crystal is wrong by more than one part in this."""

Pulse = tuple[ask.OutputWire, int]
"""An output, and how long it is to be on [ms]."""


class Refuse(Protocol):
    """Tells that a pulse did not happen, or may not have."""

    def __call__(self, line: int, now_ns: int, why: str) -> None:
        """Record a refusal on one line."""


@dataclass(slots=True, eq=False)
class Shot:
    """Pulses that start together, by one OutputSet.

    Attributes
    ----------
    trigger
        Its OutputSet, once that waits or was sent.
    sent
        How many OutputSets left without an answer.
    probe
        The question whether it happened, if that had to be asked.
    risen
        Lines whose copy rose since OutputSet left.
    recalled
        Lines that were switched off since.
    """

    pulses: tuple[Pulse, ...]
    trigger: Ask | None = None
    sent: int = 0
    probe: Ask | None = None
    risen: set[Line] = field(default_factory=set)
    recalled: set[Line] = field(default_factory=set)

    @property
    def mask(self) -> int:
        """The outputs as in OutputSet."""
        return sum(wire.mask for wire, _ in self.pulses)

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines it fires."""
        return tuple(wire.line for wire, _ in self.pulses)

    @property
    def longest_ns(self) -> int:
        """How long at least one of its outputs is on."""
        return max(length_ms for _, length_ms in self.pulses) * NS_PER_MS

    @property
    def left_ns(self) -> int | None:
        """When its newest OutputSet left, or None while that still waits."""
        return self.trigger.sent_ns if self.trigger is not None and self.trigger.tries else None


class Pulses:
    """The pulses that wait, the ones under way, and the edges that are owed.

    Attributes
    ----------
    counts
        ``probes``: how often OutputState was asked after an OutputSet without an answer; ``repeated_pulses``;
        ``recalled_pulses``, by an off or by safe.
    pinged
        When the newest answered ping was sent, and the stamp of its answer; None before.
    """

    __slots__ = ("_awaited", "_book", "_exchange", "_lengths_ms", "_refuse", "_shot", "_waiting", "counts", "pinged")

    def __init__(self, exchange: Exchange, book: OutputBook, refuse: Refuse) -> None:
        self._exchange = exchange
        self._book = book
        self._refuse = refuse
        self._waiting: deque[Shot] = deque()
        self._shot: Shot | None = None
        self._lengths_ms: dict[int, int] = {}  # what each pulse register is known to hold
        self._awaited: dict[Line, int] = {}  # lines whose started pulse owes an edge of its copy, and until when
        self.counts = dict.fromkeys(("probes", "repeated_pulses", "recalled_pulses"), 0)
        self.pinged: tuple[int, int] | None = None

    def under_way(self) -> set[Line]:
        """Return the lines whose pulse waits, or is not known to have started."""
        shots = [*self._waiting] if self._shot is None else [*self._waiting, self._shot]
        return {line for shot in shots for line in shot.lines}

    def line_up(self, pulses: Mapping[Line, Pulse]) -> None:
        """Let pulses that start together wait for their turn."""
        if pulses:
            self._waiting.append(Shot(tuple(pulses.values())))

    def begin_next(self) -> None:
        """If none is under way, ask for the next one: for the lengths that are not set yet, then for the pulses."""
        if self._shot is not None or not self._waiting:
            return
        shot = self._shot = self._waiting.popleft()
        for wire, length_ms in shot.pulses:
            if self._lengths_ms.get(wire.pulse_register) != length_ms:
                self._lengths_ms.pop(wire.pulse_register, None)
                self._exchange.add(ask.set_length(wire, length_ms))
        self._pull_trigger(shot)

    def recall(self, lines: set[Line]) -> None:
        """Take lines out of the pulses that wait; those that left already are at least never repeated."""
        for line in lines:
            self._awaited.pop(line, None)
        shot = self._shot
        if shot is not None and shot.left_ns is None:
            self._exchange.drop(Rank.PULSE)
            self._waiting.appendleft(Shot(shot.pulses))
            self._shot = None
        elif shot is not None:
            shot.recalled |= lines.intersection(shot.lines)
        before = sum(len(each.pulses) for each in self._waiting)
        kept = [Shot(tuple(pulse for pulse in each.pulses if pulse[0].line not in lines)) for each in self._waiting]
        self._waiting = deque(each for each in kept if each.pulses)
        self.counts["recalled_pulses"] += before - sum(len(each.pulses) for each in kept)

    def forget(self) -> None:
        """Recall everything, and expect nothing more."""
        self.counts["recalled_pulses"] += len(self.under_way())
        self._exchange.drop(Rank.PULSE)
        self._waiting.clear()
        self._shot = None
        self._awaited.clear()

    # --- what comes back

    def take_answer(self, request: Ask, value: int, device_ns: int, now_ns: int) -> None:
        """Take the answer to a length, to OutputSet, or to the question whether it happened."""
        shot = self._shot
        if shot is None:
            return
        if request is shot.probe:
            self._take_probe(shot, value, device_ns, now_ns)
        elif request is shot.trigger:
            self._started(shot, now_ns)
        else:
            self._lengths_ms[request.address] = value

    def take_late(self, mask: int, now_ns: int) -> None:
        """Take OutputSet's answer that comes when its loss is being looked into."""
        if self._shot is not None and self._shot.probe is not None and self._shot.mask == mask:
            self._started(self._shot, now_ns)

    def take_error(self, request: Ask, now_ns: int) -> None:
        """The board refused a request."""
        self._abandon(f"answered {request.what} with an error", now_ns)

    def give_up(self, request: Ask, now_ns: int) -> None:
        """A request was waited for in vain."""
        shot = self._shot
        if shot is None:
            return
        if request is not shot.trigger:
            self._abandon(f"never answered {request.what} in {request.tries} tries", now_ns)
        elif shot.risen:
            self._started(shot, now_ns)
        else:
            self.counts["probes"] += 1
            shot.probe = ask.look_at_outputs(Rank.PULSE)
            self._exchange.add(shot.probe)

    def rose(self, line: Line) -> None:
        """The copy of an output rose."""
        self._awaited.pop(line, None)
        if self._shot is not None and self._shot.left_ns is not None and line in self._shot.lines:
            self._shot.risen.add(line)

    # --- edges that are owed

    def due_ns(self) -> int:
        """Return when the next edge is missing, or NEVER_NS."""
        return min(self._awaited.values(), default=NEVER_NS)

    def missing(self, now_ns: int) -> list[Line]:
        """Return the lines whose edge did not come in time, once."""
        lines = [line for line, until_ns in self._awaited.items() if now_ns >= until_ns]
        for line in lines:
            del self._awaited[line]
        return lines

    # --- inside

    def _pull_trigger(self, shot: Shot) -> None:
        shot.trigger = ask.switch_on(shot.mask, shot.lines)
        shot.probe = None
        self._exchange.add(shot.trigger)

    def _started(self, shot: Shot, now_ns: int) -> None:
        self._shot = None
        self._exchange.drop(Rank.PULSE)  # the question whether it happened, if there is one
        for wire, length_ms in _not_recalled(shot):
            self._book.fired(wire, length_ms, now_ns)
            if wire.copy_mask and wire.line not in shot.risen:
                self._awaited[wire.line] = now_ns + EDGE_NS

    def _take_probe(self, shot: Shot, state: int, device_ns: int, now_ns: int) -> None:
        shot.sent += 1
        left_ns = shot.left_ns
        if shot.risen or state & shot.mask:
            self._started(shot, now_ns)
        elif left_ns is None or shot.recalled or not self._proves_nothing_happened(shot, left_ns, device_ns, now_ns):
            self._abandon("never answered OutputSet: whether it happened is unknown, so it is not repeated", now_ns)
        elif shot.sent >= TRIES:
            self._abandon(f"did not hear OutputSet in {shot.sent} tries", now_ns)
        else:
            self.counts["repeated_pulses"] += 1
            self._pull_trigger(shot)

    def _proves_nothing_happened(self, shot: Shot, left_ns: int, device_ns: int, now_ns: int) -> bool:
        """Say whether outputs that are off were read while the pulse would still have been on.

        The stamp is surely later than OutputSet, if it is later than the newest ping's by more than the host's time
        between that ping and OutputSet.
        """
        if self.pinged is None or now_ns - left_ns >= shot.longest_ns:
            return False
        pinged_ns, stamp_ns = self.pinged
        elapsed_ns = left_ns - pinged_ns
        return device_ns > stamp_ns + elapsed_ns + elapsed_ns // DRIFT_DIVISOR

    def _abandon(self, why: str, now_ns: int) -> None:
        """Give the pulses under way up; if they left, they may have happened all the same."""
        shot, self._shot = self._shot, None
        self._exchange.drop(Rank.PULSE)
        if shot is None:
            return
        for wire, length_ms in _not_recalled(shot):
            if shot.left_ns is not None:
                self._book.fired(wire, length_ms, now_ns)
            self._refuse(wire.line, now_ns, f"{why} (a pulse on {wire.line.name})")


def _not_recalled(shot: Shot) -> Iterable[Pulse]:
    return (pulse for pulse in shot.pulses if pulse[0].line not in shot.recalled)

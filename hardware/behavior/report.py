"""Turns what a Harp Behavior board reports into records: edges, clock, faults, on the session clock.

The board counts no lost events. What can be told is told: an event that changes nothing, or two pins at once, shows
that one before it is missing; so does a read that finds what no event had said. An edge lost and undone between two of
those stays unknown.
"""

from collections.abc import Iterable
from enum import Enum, auto
from typing import Final

from hardware.behavior.requests import InputWire
from hardware.clock_map import ClockMap
from hardware.device import DeviceSettings, RecordWriter, animal_of
from realtime.records import NEVER_NS, NO_ANIMAL, NS_PER_MS, NS_PER_S, Events, Fault, Flag, Kind

MUTE_NS: Final = 10 * NS_PER_S
MARGIN_NS: Final = NS_PER_MS
"""How much older than its answer's stamp a watermark is."""


class Told(Enum):
    """How the state of some inputs came to be known."""

    EVENT = auto()
    READ = auto()


class _Watch:
    """What is kept of one input: what was published of it, how often it changed, whether it is muted or stuck."""

    __slots__ = ("broken_ns", "count", "level", "muted_until_ns", "second_ns", "stuck", "wire")

    def __init__(self, wire: InputWire) -> None:
        self.wire = wire
        self.level = False
        self.second_ns = 0
        self.count = 0
        self.muted_until_ns = NEVER_NS
        self.broken_ns = NEVER_NS
        self.stuck = False

    @property
    def muted(self) -> bool:
        return self.muted_until_ns != NEVER_NS


class BehaviorReport:
    """The records of one board, and the state of its inputs.

    Attributes
    ----------
    counts
        ``early_events`` before the start, ``repeated_events``, ``lost_events`` (at least so many), ``muted_edges``,
        ``chatters``, ``stuck_beams``.
    """

    __slots__ = (
        "_chatter_hz",
        "_clock",
        "_gap",
        "_known",
        "_name",
        "_newest_ns",
        "_remarks",
        "_state",
        "_stuck_ns",
        "_watches",
        "_writer",
        "counts",
    )

    def __init__(self, settings: DeviceSettings, inputs: Iterable[InputWire], clock: ClockMap, first_seq: int) -> None:
        self._name = settings.name
        self._chatter_hz = settings.chatter_hz
        self._stuck_ns = settings.stuck_ns
        self._clock = clock
        self._writer = RecordWriter(settings.source, first_seq)
        self._remarks: list[str] = []
        self._watches = tuple(_Watch(wire) for wire in inputs)
        self._known = 0
        self._state = 0
        self._newest_ns: dict[int, int] = {}
        self._gap = 0
        self.counts = dict.fromkeys(
            ("early_events", "repeated_events", "lost_events", "muted_edges", "chatters", "stuck_beams"), 0
        )

    @property
    def last_seq(self) -> int:
        """The number of the newest record."""
        return self._writer.seq

    def take(self) -> Events:
        """Return the records since the last call."""
        return self._writer.take()

    def take_remarks(self) -> list[str]:
        """Return one sentence per FAULT record since the last call."""
        remarks, self._remarks = self._remarks, []
        return remarks

    def watermark(self, device_ns: int) -> None:
        """Record that everything up to a little before an answer's stamp has been reported."""
        t_ns = self._clock.to_host_ns(device_ns - MARGIN_NS) - 1
        self._writer.add(Kind.CLOCK, t_ns, self._clock.uncertainty_ns)

    def fault(self, code: Fault, t_ns: int, sentence: str, line: int | None = None, flags: int = 0) -> None:
        """Record a fault, of one line or of the whole board."""
        animal = NO_ANIMAL if line is None else animal_of(line)
        self._writer.add(Kind.FAULT, t_ns, code, line or 0, animal, flags)
        self._remarks.append(sentence)

    # --- inputs

    def inputs(self, group: int, state: int, device_ns: int, told: Told) -> int:
        """Take the state of the input pins of ``group``, and record the edges.

        Returns
        -------
        int
            The pins that rose since they were last heard of, muted or not, as a mask.
        """
        first = not self._known & group
        if told is Told.EVENT and not self._is_news(group, state, device_ns, first):
            return 0
        changed = state if first else (self._state ^ state) & group
        self._known |= group
        self._state = self._state & ~group | state
        expected_changes = 1 if told is Told.EVENT else 0
        flags = 0
        if first:
            flags = Flag.HELD
        elif changed.bit_count() != expected_changes:
            flags = Flag.GAP
            self._lost(device_ns)
        for watch in self._watches:
            if changed & watch.wire.mask:
                self._edge(watch, bool(state & watch.wire.mask), device_ns, flags)
        return changed & state

    def _is_news(self, group: int, state: int, device_ns: int, first: bool) -> bool:
        """Say whether an event is to be looked at: not before the start, and not twice."""
        newest_ns = self._newest_ns.get(group)
        self._newest_ns[group] = device_ns
        if first:
            self.counts["early_events"] += 1
            return False
        if device_ns == newest_ns and state == self._state & group:
            self.counts["repeated_events"] += 1
            return False
        return True

    def _lost(self, device_ns: int) -> None:
        self.counts["lost_events"] += 1
        self._gap = Flag.GAP
        self.fault(
            Fault.DEVICE_OVERFLOW,
            self._clock.to_host_ns(device_ns),
            f"At least one event of {self._name} was lost on its way.",
            flags=Flag.GAP,
        )

    def _edge(self, watch: _Watch, level: bool, device_ns: int, flags: int) -> None:
        if device_ns - watch.second_ns >= NS_PER_S:
            watch.second_ns, watch.count = device_ns, 0
        watch.count += 1
        if watch.muted:
            self.counts["muted_edges"] += 1
            return
        t_ns = self._clock.to_host_ns(device_ns)
        if watch.count > self._chatter_hz:
            self._mute(watch, t_ns)
        else:
            self._publish(watch, level, t_ns, flags)

    def _publish(self, watch: _Watch, level: bool, t_ns: int, flags: int) -> None:
        wire = watch.wire
        watch.level = level
        watch.broken_ns = t_ns if level and wire.is_sensor else NEVER_NS
        watch.stuck = False
        kind = wire.rising if level else wire.falling
        self._writer.add(kind, t_ns, line=wire.line, animal=wire.animal, flags=flags | self._gap)
        self._gap = 0

    # --- inputs that misbehave

    def due_ns(self) -> int:
        """Return when :meth:`poll` has something to do, or NEVER_NS."""
        due_ns = NEVER_NS
        for watch in self._watches:
            due_ns = min(due_ns, watch.muted_until_ns)
            if watch.broken_ns != NEVER_NS and not watch.stuck and not watch.muted:
                due_ns = min(due_ns, watch.broken_ns + self._stuck_ns)
        return due_ns

    def poll(self, now_ns: int) -> None:
        """Listen again to inputs that were muted long enough; tell of beams that are stuck."""
        for watch in self._watches:
            if now_ns >= watch.muted_until_ns:
                self._listen_again(watch, now_ns)
            elif watch.broken_ns != NEVER_NS and not watch.stuck and not watch.muted:
                if now_ns >= watch.broken_ns + self._stuck_ns:
                    self._stick(watch, now_ns)

    def _mute(self, watch: _Watch, t_ns: int) -> None:
        watch.muted_until_ns = t_ns + MUTE_NS
        self.counts["chatters"] += 1
        self.counts["muted_edges"] += 1
        self.fault(
            Fault.BEAM_CHATTER,
            t_ns,
            f"{self._name}: {watch.wire.line.name} changed more than {self._chatter_hz} times within a second; "
            f"what it does is not reported for {MUTE_NS // NS_PER_S} s. Look at its sensor and its cable.",
            watch.wire.line,
        )

    def _listen_again(self, watch: _Watch, now_ns: int) -> None:
        watch.muted_until_ns = NEVER_NS
        watch.second_ns, watch.count = 0, 0
        level = bool(self._state & watch.wire.mask)
        if level != watch.level:
            self._publish(watch, level, now_ns, Flag.GAP)

    def _stick(self, watch: _Watch, now_ns: int) -> None:
        watch.stuck = True
        self.counts["stuck_beams"] += 1
        self.fault(
            Fault.BEAM_STUCK,
            now_ns,
            f"{self._name}: {watch.wire.line.name} has been broken for {self._stuck_ns / NS_PER_S:g} s. "
            "Is there dirt in it, or is its light out?",
            watch.wire.line,
        )

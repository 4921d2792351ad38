"""Turns what the reference board reports into records: edges, clock, faults, on the session clock."""

from collections.abc import Iterable

from hardware.board.requests import Wire
from hardware.clock_map import ClockMap
from hardware.device import RecordWriter, animal_of
from realtime.records import NO_ANIMAL, Events, Fault, Flag, Kind, Line


class BoardReport:
    """The records of one board, and the states they were told from.

    Parameters
    ----------
    name, source
        The rig's name and number of the board.
    inputs, outputs
        Its wires.
    clock
        Its clock; nothing but faults can be reported before that is set.
    first_seq
        The number before its first record. Above 0 there was a driver before this one: edges were lost in between, so
        the first record, and the first edge of every line, say so.

    Attributes
    ----------
    name
        The rig's name of the board.
    input_state, output_state
        As last reported; ``input_state`` is None before the first report.
    early
        Output edges before the clock was set: what an earlier session had left on.
    refused
        Commands that were refused, by the driver or the board.
    """

    __slots__ = (
        "_clock",
        "_fell_ns",
        "_gap",
        "_inputs",
        "_outputs",
        "_remarks",
        "_unheard",
        "_unheard_lines",
        "_writer",
        "early",
        "input_state",
        "name",
        "output_state",
        "refused",
    )

    def __init__(
        self,
        name: str,
        source: int,
        inputs: Iterable[Wire],
        outputs: Iterable[Wire],
        clock: ClockMap,
        first_seq: int = 0,
    ) -> None:
        self.name = name
        self._inputs = tuple(inputs)
        self._outputs = tuple(outputs)
        self._clock = clock
        self._writer = RecordWriter(source, first_seq)
        self._remarks: list[str] = []
        self._gap = 0
        self._unheard = Flag.GAP if first_seq else 0
        self._unheard_lines = {wire.line for wire in (*self._inputs, *self._outputs)} if first_seq else set()
        self._fell_ns: dict[Line, int] = {}  # device time of the last OFF edge
        self.input_state: int | None = None
        self.output_state = 0
        self.early = 0
        self.refused = 0

    @property
    def ready(self) -> bool:
        """Whether the board's stamps can be told."""
        return self._clock.ready

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
        """Record that everything before ``device_ns`` has been reported."""
        self._add(Kind.CLOCK, self._clock.to_host_ns(device_ns) - 1, value=self._clock.uncertainty_ns)

    def fault(self, code: Fault, t_ns: int, sentence: str, line: int | None = None, flags: int = 0) -> None:
        """Record a fault, of one line or of the whole board."""
        animal = NO_ANIMAL if line is None else animal_of(line)
        self._add(Kind.FAULT, t_ns, value=code, line=line or 0, animal=animal, flags=flags)
        self._remarks.append(sentence)

    def device_fault(self, code: Fault, device_ns: int, deed: str, line: int | None = None) -> None:
        """Record a fault that the board stamped; ``deed`` is what it did."""
        self.fault(code, self._clock.to_host_ns(device_ns), f"{self.name} {deed}.", line)

    def refuse(self, line: int | None, now_ns: int, why: str) -> None:
        """Record that something asked for was refused; ``why`` is the sentence after the board's name."""
        self.refused += 1
        self.fault(Fault.DEVICE_REFUSED, now_ns, f"{self.name} {why}.", line)

    def lost(self, count: int, now_ns: int) -> None:
        """Record that ``count`` events are missing; the next edge says so too."""
        self._gap = Flag.GAP
        self.fault(
            Fault.DEVICE_OVERFLOW, now_ns, f"{count} events of {self.name} were lost on their way.", flags=Flag.GAP
        )

    def inputs(self, state: int, device_ns: int, flags: int = 0) -> None:
        """Record the edges between the last inputs and these."""
        before = self.input_state or 0
        self.input_state = state
        self._edges(self._inputs, before, state, device_ns, flags)

    def outputs(self, state: int, device_ns: int, flags: int = 0) -> list[Line]:
        """Record the edges between the last outputs and these; return the lines that rose."""
        before = self.output_state
        self.output_state = state
        if self.ready:
            self._edges(self._outputs, before, state, device_ns, flags)
        else:
            self.early += 1
        self._fell_ns |= {wire.line: device_ns for wire in self._outputs if before & ~state & wire.mask}
        return [wire.line for wire in self._outputs if state & ~before & wire.mask]

    def fallen(self, since_device_ns: int) -> list[Line]:
        """Return the outputs that went off at that time or later."""
        fallen = {line for line, fell_ns in self._fell_ns.items() if fell_ns >= since_device_ns}
        return [wire.line for wire in self._outputs if wire.line in fallen]

    def _edges(self, wires: tuple[Wire, ...], before: int, after: int, device_ns: int, flags: int) -> None:
        changed = before ^ after
        if not changed:
            return
        t_ns = self._clock.to_host_ns(device_ns)
        for wire in wires:
            if changed & wire.mask:
                kind = wire.rising if after & wire.mask else wire.falling
                unheard = Flag.GAP if wire.line in self._unheard_lines else 0
                self._unheard_lines.discard(wire.line)
                self._add(kind, t_ns, line=wire.line, animal=wire.animal, flags=flags | self._gap | unheard)
                self._gap = 0

    def _add(
        self, kind: Kind, t_ns: int, *, value: float = 0.0, line: int = 0, animal: int = NO_ANIMAL, flags: int = 0
    ) -> None:
        self._writer.add(kind, t_ns, value, line, animal, flags | self._unheard)
        self._unheard = 0

"""Turns what the reference board reports into records: edges, clock, faults, on the session clock."""

from collections.abc import Iterable
from typing import Final

from hardware.board_registers import FaultBit
from hardware.board_requests import Wire
from hardware.clock_map import ClockMap
from hardware.device import RecordWriter, animal_of
from realtime.records import NO_ANIMAL, Events, Fault, Flag, Kind

FAULTS: Final = (
    (FaultBit.MAX_ON, Fault.DEVICE_MAX_ON, "cut an output that reached its longest time on"),
    (FaultBit.INTERLOCK, Fault.DEVICE_INTERLOCK, "saw its interlock open: lasers cut and disarmed"),
    (FaultBit.TRANSMIT_OVERFLOW, Fault.DEVICE_OVERFLOW, "had more to send than its transmit buffer holds"),
    (FaultBit.RECEIVE_OVERFLOW, Fault.DEVICE_OVERFLOW, "lost received bytes"),
    (FaultBit.CHECKSUM, Fault.DEVICE_CHECKSUM, "received a frame with a wrong checksum"),
    (FaultBit.EVENT_OVERFLOW, Fault.DEVICE_OVERFLOW, "lost events: its queue was full"),
)
"""Bits of the Fault register that end nothing, with their codes and what the board did."""


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

    Attributes
    ----------
    input_state, output_state
        As last reported; ``input_state`` is None before the first report.
    early
        Output edges before the clock was set: what an earlier session had left on.
    """

    __slots__ = (
        "_clock",
        "_gap",
        "_inputs",
        "_name",
        "_outputs",
        "_remarks",
        "_writer",
        "early",
        "input_state",
        "output_state",
    )

    def __init__(
        self, name: str, source: int, inputs: Iterable[Wire], outputs: Iterable[Wire], clock: ClockMap
    ) -> None:
        self._name = name
        self._inputs = tuple(inputs)
        self._outputs = tuple(outputs)
        self._clock = clock
        self._writer = RecordWriter(source)
        self._remarks: list[str] = []
        self._gap = 0
        self.input_state: int | None = None
        self.output_state = 0
        self.early = 0

    def take(self) -> Events:
        """Return the records since the last call."""
        return self._writer.take()

    def take_remarks(self) -> list[str]:
        """Return one sentence per FAULT record since the last call."""
        remarks, self._remarks = self._remarks, []
        return remarks

    def watermark(self, device_ns: int) -> None:
        """Record that everything before ``device_ns`` has been reported."""
        self._writer.add(Kind.CLOCK, self._clock.to_host_ns(device_ns) - 1, self._clock.uncertainty_ns)

    def fault(self, code: Fault, t_ns: int, sentence: str, line: int | None = None, flags: int = 0) -> None:
        """Record a fault, of one line or of the whole board."""
        animal = NO_ANIMAL if line is None else animal_of(line)
        self._writer.add(Kind.FAULT, t_ns, code, line or 0, animal, flags)
        self._remarks.append(sentence)

    def fault_bits(self, bits: int, device_ns: int) -> None:
        """Record every fault in ``bits`` of the Fault register that ends nothing."""
        for bit, code, deed in FAULTS:
            if bits & bit:
                self.fault(code, self._clock.to_host_ns(device_ns), f"{self._name} {deed}.")

    def lost(self, count: int, now_ns: int) -> None:
        """Record that ``count`` events are missing; the next edge says so too."""
        self._gap = Flag.GAP
        self.fault(
            Fault.DEVICE_OVERFLOW, now_ns, f"{count} events of {self._name} were lost on their way.", flags=Flag.GAP
        )

    def inputs(self, state: int, device_ns: int, flags: int = 0) -> None:
        """Record the edges between the last inputs and these."""
        before = self.input_state or 0
        self.input_state = state
        self._edges(self._inputs, before, state, device_ns, flags)

    def outputs(self, state: int, device_ns: int, flags: int = 0) -> int:
        """Record the edges between the last outputs and these; return the mask of those that rose."""
        before = self.output_state
        self.output_state = state
        if self._clock.ready:
            self._edges(self._outputs, before, state, device_ns, flags)
        else:
            self.early += 1
        return state & ~before

    def _edges(self, wires: tuple[Wire, ...], before: int, after: int, device_ns: int, flags: int) -> None:
        changed = before ^ after
        if not changed:
            return
        t_ns = self._clock.to_host_ns(device_ns)
        for wire in wires:
            if changed & wire.mask:
                kind = wire.rising if after & wire.mask else wire.falling
                self._writer.add(kind, t_ns, line=wire.line, animal=wire.animal, flags=flags | self._gap)
                self._gap = 0

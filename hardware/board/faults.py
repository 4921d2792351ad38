"""What the reference board's Fault register says: told, explained by the pulse it meant, and never told twice.

A refused pulse is acknowledged like any other; only the Fault register says that it did not happen. What one request
does the board tells in order: edges, faults, answer. So when a fault comes, the pulse under way whose edge has not come
is the one that it means; and if there is none, one that was acknowledged, or a local rule whose beam has just broken.
"""

from collections.abc import Mapping
from typing import Final

from hardware.board.pulses import Pulses
from hardware.board.registers import FaultBit
from hardware.board.report import BoardReport
from hardware.board.requests import Wire
from hardware.board.rules import LocalRules
from realtime.records import NS_PER_MS, Fault, Line

CUT_NS: Final = 2 * NS_PER_MS
"""A fault that says that an output was cut is stamped no later than this after the edge."""
TOLD: Final = (
    (FaultBit.INTERLOCK, Fault.DEVICE_INTERLOCK, "saw its interlock open: lasers cut and disarmed"),
    (FaultBit.TRANSMIT_OVERFLOW, Fault.DEVICE_OVERFLOW, "had more to send than its transmit buffer holds"),
    (FaultBit.RECEIVE_OVERFLOW, Fault.DEVICE_OVERFLOW, "lost received bytes"),
    (FaultBit.CHECKSUM, Fault.DEVICE_CHECKSUM, "received a frame with a wrong checksum"),
    (FaultBit.EVENT_OVERFLOW, Fault.DEVICE_OVERFLOW, "lost events: its queue was full"),
)
"""Bits that need no explanation, with their codes and what the board did."""
LASER_LINES: Final = frozenset({Line.LASER_A, Line.LASER_B})


class BoardFaults:
    """The faults of one board.

    Parameters
    ----------
    outputs
        Its outputs by line.
    report, pulses, rules
        Where faults are told, and what may explain them.

    Attributes
    ----------
    known
        Bits that were told and are not cleared on the board yet.
    """

    __slots__ = ("_outputs", "_pulses", "_report", "_rules", "known")

    def __init__(self, outputs: Mapping[int, Wire], report: BoardReport, pulses: Pulses, rules: LocalRules) -> None:
        self._outputs = {wire.line: wire for wire in outputs.values()}
        self._report = report
        self._pulses = pulses
        self._rules = rules
        self.known = 0

    def take(self, bits: int, device_ns: int, now_ns: int) -> int:
        """Record the faults in ``bits`` that are new; return them."""
        new = bits & ~self.known
        self.known |= new
        for bit, code, deed in TOLD:
            if new & bit:
                self._report.device_fault(code, device_ns, deed)
        if new & FaultBit.MAX_ON:
            self._take_max_on(device_ns)
        if new & FaultBit.DISARMED:
            self._take_disarmed(now_ns)
        if new & FaultBit.GAP:
            self._take_gap(device_ns)
        if new & FaultBit.DUTY:
            self._take_duty(device_ns)
        return new

    def _take_max_on(self, device_ns: int) -> None:
        cut = self._report.fallen(device_ns - CUT_NS)
        deed = f"cut {_names(cut)}, which reached its longest time on"
        self._report.device_fault(Fault.DEVICE_MAX_ON, device_ns, deed, _only(cut))

    def _take_disarmed(self, now_ns: int) -> None:
        lines = self._pulses.explain_awaited(LASER_LINES) + self._pulses.explain_sent(LASER_LINES)
        for line in lines or self._rules.explain(LASER_LINES):
            self._report.refuse(line, now_ns, f"refused a pulse on {line.name}: it is not armed")

    def _take_gap(self, device_ns: int) -> None:
        lines = self._refused()
        deed = f"refused a pulse on {_names(lines)}: its last one had ended too short a time before"
        self._report.device_fault(Fault.DEVICE_GAP, device_ns, deed + self._limit(lines, "min_gap_ms"), _only(lines))

    def _take_duty(self, device_ns: int) -> None:
        cut = self._report.fallen(device_ns - CUT_NS)
        lines = cut + [line for line in self._refused(only_sent=bool(cut)) if line not in cut]
        deed = f"cut or refused a pulse on {_names(lines)}: it was on for as long as it may be within a minute"
        self._report.device_fault(Fault.DEVICE_DUTY, device_ns, deed + self._limit(lines, "duty_ms"), _only(lines))

    def _refused(self, only_sent: bool = False) -> list[Line]:
        """Return the lines whose pulse was refused: of the request under way, or else of an earlier one."""
        lines = self._pulses.explain_sent(self._outputs)
        if lines or only_sent:
            return lines
        return self._pulses.explain_awaited(self._outputs) or self._rules.explain(self._outputs)

    def _limit(self, lines: list[Line], name: str) -> str:
        line = _only(lines)
        return "" if line is None else f" ({name} = {getattr(self._outputs[line], name)})"


def _names(lines: list[Line]) -> str:
    return " or ".join(line.name for line in lines) or "an output"


def _only(lines: list[Line]) -> Line | None:
    return lines[0] if len(lines) == 1 else None

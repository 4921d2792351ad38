"""Whatever the host asks of the reference board's outputs: off, arm, pulse, local rule; each in a lane of its own."""

from collections.abc import Iterable, Mapping

import numpy as np

from hardware.board import requests as ask
from hardware.board.pulses import ANSWER_NS, TRIES, Pulses, refusal, whole_ms
from hardware.board.registers import ALL_OUTPUTS, N_RULES, Register
from hardware.board.report import BoardReport
from hardware.board.rules import LONGEST_WINDOW_MS, LocalRules
from hardware.device import DeviceState, Lane, Request
from hardware.harp import Message
from realtime.records import NS_PER_MS, Events, Line


class BoardActions:
    """The commands to one board, and what became of them.

    Parameters
    ----------
    inputs, outputs
        Its wires; the outputs by line.
    report
        Is told of what was refused.

    Attributes
    ----------
    pulses, rules
        Their lanes, and what they still wait for.
    commands, dropped
        COMMAND records so far; requests so far that were recalled before they were answered.
    """

    __slots__ = ("_arms", "_beams", "_offs", "_outputs", "_report", "commands", "dropped", "pulses", "rules")

    def __init__(self, inputs: Iterable[ask.Wire], outputs: Mapping[int, ask.Wire], report: BoardReport) -> None:
        self._beams = {int(wire.line): wire for wire in inputs if wire.is_beam}
        self._outputs = outputs
        self._report = report
        self._offs = Lane(ANSWER_NS, TRIES)
        self._arms = Lane(ANSWER_NS, TRIES)
        self.pulses = Pulses(outputs, report)
        self.rules = LocalRules(report)
        self.commands = 0
        self.dropped = 0

    @property
    def urgent(self) -> tuple[Lane, ...]:
        """The lanes that go before everything else."""
        return self._offs, self._arms

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The other lanes."""
        return self.rules.lane, self.pulses.lane

    def command(self, records: Events, state: DeviceState, now_ns: int) -> None:
        """Take COMMAND records that were decided together, for an identified board."""
        for record in records:
            self._command(record, state, now_ns)
        self.pulses.send()

    def refuse_all(self, records: Events, now_ns: int) -> None:
        """Refuse COMMAND records: nobody is there to hear them."""
        self.commands += records.size
        for record in records:
            if not self._is_unknown(int(record["line"]), now_ns):
                self._report.refuse(int(record["line"]), now_ns, "is not connected")

    def rule(self, beam: Line, output: Line, length_ns: int, window_ns: int, now_ns: int) -> None:
        """Take a local rule, or refuse it."""
        sensor, wire = self._beams.get(beam), self._outputs.get(output)
        if wire is None or sensor is None:
            self._report.refuse(output, now_ns, f"cannot have {beam.name} fire {output.name}: it has not both lines")
        elif window_ns == 0:
            self.rules.clear(wire.animal)
        elif (why := refusal(wire, length_ns)) is not None:
            self._report.refuse(output, now_ns, why)
        elif not 0 < window_ns < (LONGEST_WINDOW_MS + 0.5) * NS_PER_MS:
            why = f"takes no local rule for {window_ns / NS_PER_MS:g} ms: it takes up to {LONGEST_WINDOW_MS}"
            self._report.refuse(output, now_ns, why)
        else:
            self.rules.add(sensor, wire, whole_ms(length_ns), whole_ms(window_ns), now_ns)

    def make_safe(self) -> None:
        """Ask for everything off and disarmed; recall all else."""
        self.recall_rules()
        self.dropped += self._offs.drop() + self._arms.drop() + self.pulses.recall()
        self._offs.waiting.append(ask.switch_off(ALL_OUTPUTS))
        self._arms.waiting.append(ask.arm(wanted=False))

    def recall_rules(self) -> None:
        """Forget all rules: the board clears them by itself, and no repetition may set one anew."""
        self.dropped += self.rules.recall()

    def answered(self, message: Message, now_ns: int) -> bool:
        """Take an answer of the board; return whether it is one to any of this."""
        match message.address:
            case Register.PULSE_CMD:
                self.pulses.answered(message, now_ns)
            case Register.OUTPUT_CLEAR:
                self._offs.answer(message.address, message.payload, is_error=False)
            case Register.ARM:
                self._armed(message, now_ns)
            case address if Register.LOCAL_RULE <= address < Register.LOCAL_RULE + N_RULES:
                self.rules.answered(message, now_ns)
            case _:
                return False
        return True

    def given_up(self, lane: Lane, request: Request, now_ns: int) -> bool:
        """Tell of a request that was never answered; return False if the board must be given up for it."""
        if lane is self.pulses.lane:
            self.pulses.given_up(request, now_ns)
            return True
        return lane is self.rules.lane and self.rules.given_up(request, now_ns)

    def _command(self, record: np.void, state: DeviceState, now_ns: int) -> None:
        self.commands += 1
        line, length_ns, nonce = int(record["line"]), float(record["value"]), int(record["source_seq"])
        wire = self._outputs.get(line)
        if self._is_unknown(line, now_ns):
            return
        if wire is None:
            self._arm(length_ns != 0, state, now_ns)
        elif length_ns == 0:
            self.dropped += self.pulses.recall(wire)
            self._offs.waiting.append(ask.switch_off(wire.mask, wire.line))
        elif self.pulses.is_duplicate(nonce):
            return
        elif state is DeviceState.READY:
            self.pulses.add(wire, length_ns, nonce, now_ns)
        else:
            self._report.refuse(line, now_ns, f"is not ready for a pulse on {wire.line.name}")

    def _is_unknown(self, line: int, now_ns: int) -> bool:
        unknown = line not in self._outputs and line != Line.ARM
        if unknown:
            self._report.refuse(line, now_ns, f"has no output for line {line}")
        return unknown

    def _arm(self, wanted: bool, state: DeviceState, now_ns: int) -> None:
        if wanted and state is not DeviceState.READY:
            self._report.refuse(Line.ARM, now_ns, "is not ready, so it is not armed")
            return
        if not wanted:
            self.recall_rules()
        self._arms.waiting.append(ask.arm(wanted))

    def _armed(self, message: Message, now_ns: int) -> None:
        request = self._arms.answer(message.address, message.payload, message.is_error)
        wanted = request is not None and request.echo is None
        if wanted and (message.is_error or not message.value):
            self._report.refuse(Line.ARM, now_ns, "did not arm; look whether its interlock is closed")

"""Takes what the reference board says of itself: inputs, outputs, faults, what it muted, and how much it has said."""

from collections.abc import Iterable, Mapping
from typing import Final

from hardware.board import requests as ask
from hardware.board import troubles as trouble
from hardware.board.actions import BoardActions
from hardware.board.faults import BoardFaults
from hardware.board.registers import FaultBit, Register
from hardware.board.report import BoardReport
from hardware.board.watch import MutedInputs, StuckBeams
from hardware.device import DeviceSettings, Request
from hardware.harp import CoreRegister, Message, PayloadType
from realtime.records import Fault

_COUNTED: Final = frozenset(
    {
        Register.DIGITAL_INPUT_STATE,
        Register.OUTPUT_EVENT,
        CoreRegister.TIMESTAMP_SECONDS,
        CoreRegister.HEARTBEAT,
    }
)


class BoardEvents:
    """What one board says, as records and as questions that follow from it.

    Parameters
    ----------
    settings
        What the rig file says.
    inputs, outputs
        The board's wires; the outputs by line.
    report
        Where it is told.
    actions
        What was asked of the outputs, and may explain what is said.

    Attributes
    ----------
    questions
        What the board must be asked now; whoever asks takes them from here.
    watchdog_expired
        Whether the board says that it had not heard from the host in time.
    lost, repeated
        Events so far that did not come, or came twice.
    """

    __slots__ = (
        "_actions",
        "_faults",
        "_muted",
        "_report",
        "_seen",
        "_settings",
        "_stuck",
        "lost",
        "questions",
        "repeated",
        "watchdog_expired",
    )

    def __init__(
        self,
        settings: DeviceSettings,
        inputs: Iterable[ask.Wire],
        outputs: Mapping[int, ask.Wire],
        report: BoardReport,
        actions: BoardActions,
    ) -> None:
        self._settings = settings
        self._report = report
        self._actions = actions
        self._faults = BoardFaults(outputs, report, actions.pulses, actions.rules)
        self._muted = MutedInputs(inputs)
        self._stuck = StuckBeams(inputs, settings.stuck_ns)
        self._seen = 0
        self.questions: list[Request] = []
        self.watchdog_expired = False
        self.lost = 0
        self.repeated = 0

    @property
    def muted_unused(self) -> int:
        """How many inputs that the rig does not use are muted."""
        return self._muted.unused

    def event(self, message: Message, device_ns: int, now_ns: int) -> bool:
        """Take an event; return whether it was of use."""
        address = message.address
        if address in _COUNTED:
            self._seen = self._seen + 1 & 0xFFFF
        if address == Register.OUTPUT_EVENT:
            self._outputs(message.value, device_ns)
        elif address == Register.DIGITAL_INPUT_STATE and self._report.input_state is not None:
            self._inputs(message.value, device_ns, now_ns)
        elif address == Register.FAULT and self._report.ready:
            self.faults(message.value, device_ns, now_ns)
        else:
            return False
        return True

    def content(self, message: Message, device_ns: int, now_ns: int, flags: int) -> None:
        """Take a register's content that was asked for: from now on that is how things stand."""
        match message.address:
            case Register.FAULT:
                self._faults.known = message.value
            case Register.DIGITAL_INPUT_STATE:
                self._inputs(message.value, device_ns, now_ns, flags)
            case Register.OUTPUT_EVENT:
                self._outputs(message.value, device_ns, flags)
            case Register.EVENT_COUNT:
                self._seen = message.value
            case Register.MUTED_INPUTS:
                for wire in self._muted.take(message.value, now_ns):
                    self._report.fault(Fault.BEAM_CHATTER, now_ns, trouble.muted(self._settings, wire), wire.line)

    def faults(self, bits: int, device_ns: int, now_ns: int) -> None:
        """Record the faults that are new, and have them cleared on the board, so that it tells when they come again."""
        new = self._faults.take(bits, device_ns, now_ns)
        if new & FaultBit.INTERLOCK:
            self._actions.recall_rules()
        if new & FaultBit.WATCHDOG:
            self.watchdog_expired = True
        elif new:
            self.questions.append(ask.clear_faults(new))
        if new & FaultBit.CHATTER:  # asked after the bit is cleared: whatever is muted later raises it anew
            self.questions.append(ask.read(Register.MUTED_INPUTS, PayloadType.U8))

    def count(self, sent: int, now_ns: int) -> None:
        """Compare how many events the board has sent with those that came."""
        missing = sent - self._seen & 0xFFFF
        self._seen = sent
        if missing >= 0x8000:
            self.repeated += 0x10000 - missing
        elif missing:
            self.lost += missing
            self._report.lost(missing, now_ns)
            self.questions += ask.resynchronisation()

    def due_ns(self) -> int:
        """Return when :meth:`poll` has something to do, or NEVER_NS."""
        return min(self._muted.due_ns(), self._stuck.due_ns())

    def poll(self, now_ns: int) -> None:
        """Tell of beams that are stuck; have muted inputs listened to again."""
        for wire in self._stuck.poll(now_ns):
            self._report.fault(Fault.BEAM_STUCK, now_ns, trouble.stuck(self._settings, wire), wire.line)
        if mask := self._muted.poll(now_ns):
            self.questions.append(ask.listen(mask))

    def rest(self) -> None:
        """Ask and watch no more."""
        self._muted.rest()
        self._stuck.rest()
        self.questions.clear()

    def _inputs(self, state: int, device_ns: int, now_ns: int, flags: int = 0) -> None:
        risen = state & ~(self._report.input_state or 0)
        self._report.inputs(state, device_ns, flags)
        self._stuck.take(state, now_ns)
        if risen:
            self._actions.rules.beams_broke(risen, now_ns)

    def _outputs(self, state: int, device_ns: int, flags: int = 0) -> None:
        for line in self._report.outputs(state, device_ns, flags):
            self._actions.pulses.rose(line)
            self._actions.rules.rose(line)

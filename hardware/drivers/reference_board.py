"""The project's reference board: two poke beams, two licks, two valves and two lasers on one clock (Harp, 1 Mbaud).

Manual
------
*Who it is.* WhoAmI 3335 (0x0D07), the project's own number, not registered with harp-tech/whoami.

*Pins.* ``POKE_*`` 0 to 3 and ``LICK_*`` 4 or 5 are bits of DigitalInputState (register 32); ``VALVE_*`` 0 or 1 and
``LASER_*`` 2 or 3 are bits of the outputs. All registers: :mod:`hardware.board_registers`.

*Start.* Asks WhoAmI every 250 ms (a UART board boots for up to 2 s after DTR), gives up after 2.5 s. Then: everything
off, disarmed, limits and timeouts written and read back, clock pinged, Active, inputs read. A beam that is broken by
then is a POKE_IN with ``Flag.HELD``. READY means: configured, disarmed, reporting.

*Commands.* A pulse goes out as PulseCmd (208), its length rounded to the nearest ms and at least 1 ms. It is repeated
with the same nonce after 20 ms, three times; the board fires it once. Pulses of one length that were decided together
go out as one PulseCmd and open at one instant; otherwise one pulse is under way at a time, and the next follows the
answer. A pulse longer than the line's max-on is refused, never shortened. Length 0 is OutputClear at once,
and recalls pulses of that line still waiting. What happened is what the board reports (OutputEvent, 207); a pulse that
was acknowledged and shows no ON edge within 50 ms is EDGE_MISSING.

*Clock.* A keep-alive every ``keep_alive_ms`` is a ping. Its answer is a CLOCK record: the board sends every earlier
event before it answers, so everything up to that time has been reported (1 ns before the answer's stamp: an event can
still share the stamp).

*Losses.* Once a second EventCount (209) shows lost events: DEVICE_OVERFLOW, with ``Flag.GAP`` on it and on the record
after it; then inputs and outputs are read anew.

*What ends it* (FAULTED, everything off, no more keep-alives, so the board's watchdog ends whatever this driver cannot
reach): three keep-alives unanswered in a row (DEVICE_SILENT); an off or disarm never acknowledged (DEVICE_SILENT); a
restart or a step of the board's clock (DEVICE_RESET); the board's watchdog (DEVICE_WATCHDOG); another WhoAmI, or a
setting not taken (DEVICE_REFUSED). Nothing re-arms but a command.
"""

from collections import deque
from enum import IntEnum
from typing import Final

import numpy as np

from hardware import board_requests as ask
from hardware import board_troubles as trouble
from hardware.board_registers import ALL_OUTPUTS, WHO_AM_I, FaultBit, Register
from hardware.board_report import BoardReport
from hardware.clock_map import ClockMap
from hardware.device import (
    IDENTIFY_RETRY_NS,
    SILENCE_NS,
    DeviceError,
    DeviceSettings,
    DeviceState,
    Lane,
    Request,
)
from hardware.harp import CoreRegister, Framer, Message, MessageType
from realtime.records import NEVER_NS, NS_PER_MS, NS_PER_S, Events, Fault, Flag, Line

NAME: Final = "reference_board"
BAUD: Final = 1_000_000

ANSWER_NS: Final = 20 * NS_PER_MS
TRIES: Final = 4
SETUP_ANSWER_NS: Final = 100 * NS_PER_MS
EDGE_NS: Final = 50 * NS_PER_MS
HEALTH_NS: Final = NS_PER_S
MAX_MISSED: Final = 3
SYNC_PINGS: Final = 3
BACKWARDS_NS: Final = 20 * NS_PER_MS
"""Stamps of one board may be out of order by less than this; more is a restart."""
_REMEMBERED_NONCES: Final = 256
_COUNTED: Final = frozenset(
    {
        Register.DIGITAL_INPUT_STATE,
        Register.OUTPUT_EVENT,
        CoreRegister.TIMESTAMP_SECONDS,
        CoreRegister.HEARTBEAT,
    }
)
_REQUEST_BITS: Final = 0x07
LASER_LINES: Final = (Line.LASER_A, Line.LASER_B)


class Stage(IntEnum):
    """How far the driver has come."""

    IDLE = 0
    IDENTIFY = 1
    CONFIGURE = 2
    SYNCHRONISE = 3
    ACTIVATE = 4
    RUN = 5


class ReferenceBoard:
    """The driver; the module's docstring is its manual, :class:`hardware.device.Driver` its interface.

    Raises
    ------
    BadSettings
        If the rig asks for pins or limits that the board does not have.
    """

    def __init__(self, settings: DeviceSettings) -> None:
        self._settings = settings
        inputs, self._outputs = ask.wires_of(settings)
        self._framer = Framer()
        self._clock = ClockMap(BAUD if settings.link_baud is None else settings.link_baud)
        self._report = BoardReport(settings.name, settings.source, inputs, self._outputs.values(), self._clock)
        self._out: list[bytes] = []
        self._state = DeviceState.CONNECTING
        self._error: DeviceError | None = None
        self._stage = Stage.IDLE
        self._setup = Lane(IDENTIFY_RETRY_NS, SILENCE_NS // IDENTIFY_RETRY_NS)
        self._offs = Lane(ANSWER_NS, TRIES)
        self._arms = Lane(ANSWER_NS, TRIES)
        self._pulses = Lane(ANSWER_NS, TRIES)
        self._known_faults = 0
        self._awaited: dict[Line, int] = {}  # lines whose acknowledged pulse owes an edge, and until when
        self._nonce = 0
        self._nonces: deque[int] = deque(maxlen=_REMEMBERED_NONCES)
        self._last_device_ns = 0
        self._clock_lost = False
        self._ping_tag = 0
        self._ping_sent_ns: int | None = None
        self._ping_due_ns = NEVER_NS
        self._missed = 0
        self._health_due_ns = NEVER_NS
        self._events_seen = 0
        self._garbage_told = 0
        self._counts = dict.fromkeys(
            (
                "commands", "refused", "duplicate_commands", "dropped_requests", "edges_missing", "missed_pings",
                "late_pings", "lost_events", "repeated_events", "ignored_messages", "boot_cause",
            ),
            0,
        )  # fmt: skip
        self.firmware = ""

    # --- the interface

    @property
    def state(self) -> DeviceState:
        """Where the driver is."""
        return self._state

    @property
    def fault(self) -> Fault | None:
        """The code of :attr:`error`."""
        return None if self._error is None else self._error.fault

    @property
    def error(self) -> DeviceError | None:
        """The fatal error that ended it."""
        return self._error

    def start(self, now_ns: int) -> None:
        """Begin identification."""
        self._stage = Stage.IDENTIFY
        self._setup.waiting.append(ask.who_am_i())
        self._pump(now_ns)

    def feed(self, data: bytes, now_ns: int) -> None:
        """Take bytes read from the port at ``now_ns``."""
        for message in self._framer.feed(data, now_ns):
            self._take(message, now_ns)
        self._pump(now_ns)

    def poll(self, now_ns: int) -> None:
        """Do what is due."""
        if now_ns >= self._framer.due_ns():
            self.feed(b"", now_ns)
        self._pump(now_ns)
        if self._awaited:
            self._check_edges(now_ns)
        if now_ns >= self._ping_due_ns:
            self._ping(now_ns)
        if now_ns >= self._health_due_ns:
            self._health_due_ns = now_ns + HEALTH_NS
            self._out += (ask.READ_EVENT_COUNT, ask.READ_FAULT)
            self._tell_garbage(now_ns)

    def due_ns(self) -> int:
        """Return when :meth:`poll` wants to be called next, or NEVER_NS."""
        return min(
            self._ping_due_ns,
            self._health_due_ns,
            self._framer.due_ns(),
            self._setup.due_ns(),
            self._offs.due_ns(),
            self._arms.due_ns(),
            self._pulses.due_ns(),
            *self._awaited.values(),
        )

    def outgoing(self) -> bytes:
        """Return the bytes to be written now, whole messages only, and forget them."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def records(self) -> Events:
        """Return what was published since the last call."""
        return self._report.take()

    def remarks(self) -> list[str]:
        """Return one sentence per FAULT record since the last call."""
        return self._report.take_remarks()

    def counters(self) -> dict[str, int]:
        """Return everything that was counted, by name."""
        lanes = (self._setup, self._offs, self._arms, self._pulses)
        return {
            **self._counts,
            "early_edges": self._report.early,
            "garbage_bytes": self._framer.garbage_bytes,
            "bad_checksums": self._framer.bad_checksums,
            "retries": sum(lane.retries for lane in lanes),
            "stale_answers": sum(lane.stale for lane in lanes),
            "clock_epochs": self._clock.epoch,
            "clock_clamped": self._clock.clamped,
            "clock_uncertainty_ns": self._clock.uncertainty_ns,
            "clock_drift_ppb": self._clock.drift_ppb,
        }

    def safe(self, now_ns: int) -> None:
        """Switch all outputs off and disarm, ahead of everything else; pulses still waiting are recalled."""
        if self._stage <= Stage.IDENTIFY:
            return  # nobody knows yet what sits there: it is told nothing
        for lane in (self._offs, self._arms, self._pulses):
            self._counts["dropped_requests"] += lane.drop()
        self._awaited.clear()
        self._out.clear()
        self._offs.waiting.append(ask.switch_off(ALL_OUTPUTS))
        self._arms.waiting.append(ask.arm(wanted=False))
        self._pump(now_ns)

    def close(self, now_ns: int) -> None:
        """Make safe, put the board to standby, and end."""
        self.safe(now_ns)
        if self._stage > Stage.IDENTIFY:
            self._out.append(ask.STANDBY)
        self._state = DeviceState.CLOSED
        self._rest()

    def command(self, records: Events, now_ns: int) -> None:
        """Carry out COMMAND records that were decided together; a refusal is a FAULT record."""
        pulses: dict[int, list[ask.Wire]] = {}
        for record in records:
            self._command(record, pulses, now_ns)
        for length_ms, wires in ((ms, wires) for ms, wires in pulses.items() if wires):
            self._nonce = self._nonce % 0xFFFF + 1
            mask = sum(wire.mask for wire in wires)
            self._pulses.waiting.append(ask.pulse(mask, length_ms, self._nonce, *(wire.line for wire in wires)))
        self._pump(now_ns)

    # --- commands

    def _command(self, record: np.void, pulses: dict[int, list[ask.Wire]], now_ns: int) -> None:
        """Carry out one command; a pulse is added to ``pulses``, by its length in ms."""
        self._counts["commands"] += 1
        line, length_ns = int(record["line"]), float(record["value"])
        wire = self._outputs.get(line)
        if wire is None and line != Line.ARM:
            self._refuse(line, now_ns, f"has no output for line {line}")
        elif self._stage <= Stage.IDENTIFY or self._state is DeviceState.CLOSED:
            self._refuse(line, now_ns, "is not connected")
        elif wire is None:
            self._command_arm(length_ns != 0, now_ns)
        elif length_ns == 0:
            for wires in pulses.values():
                wires[:] = [other for other in wires if other is not wire]
            self._counts["dropped_requests"] += self._pulses.drop(wire.line)
            self._awaited.pop(wire.line, None)
            self._offs.waiting.append(ask.switch_off(wire.mask, wire.line))
        else:
            self._command_pulse(wire, length_ns, int(record["source_seq"]), pulses, now_ns)

    def _command_arm(self, wanted: bool, now_ns: int) -> None:
        if wanted and self._state is not DeviceState.READY:
            self._refuse(Line.ARM, now_ns, "is not ready, so it is not armed")
        else:
            self._arms.waiting.append(ask.arm(wanted))

    def _command_pulse(
        self, wire: ask.Wire, length_ns: float, nonce: int, pulses: dict[int, list[ask.Wire]], now_ns: int
    ) -> None:
        if nonce and nonce in self._nonces:
            self._counts["duplicate_commands"] += 1
        elif self._state is not DeviceState.READY:
            self._refuse(wire.line, now_ns, f"is not ready for a pulse on {wire.line.name}")
        elif not 0 < length_ns < (wire.max_on_ms + 0.5) * NS_PER_MS:
            self._refuse(
                wire.line,
                now_ns,
                f"does not switch {wire.line.name} for {length_ns / NS_PER_MS:g} ms: "
                f"it takes up to max_on_ms = {wire.max_on_ms}",
            )
        else:
            self._nonces.append(nonce)
            together = pulses.setdefault(max(1, int(length_ns / NS_PER_MS + 0.5)), [])
            if wire not in together:
                together.append(wire)

    def _refuse(self, line: int, now_ns: int, why: str) -> None:
        self._counts["refused"] += 1
        self._report.fault(Fault.DEVICE_REFUSED, now_ns, f"{self._settings.name} {why}.", line)

    # --- requests and their answers

    def _pump(self, now_ns: int) -> None:
        """Send what the lanes have to send, and deal with what they gave up."""
        for lane in (self._offs, self._arms, self._pulses, self._setup):
            if lane.current is not None or lane.waiting:
                frame, given_up = lane.poll(now_ns)
                if frame:
                    self._out.append(frame)
                if given_up is not None:
                    self._give_up(lane, given_up, now_ns)

    def _give_up(self, lane: Lane, request: Request, now_ns: int) -> None:
        if self._state in {DeviceState.FAULTED, DeviceState.CLOSED}:
            self._counts["dropped_requests"] += 1
        elif self._stage == Stage.IDENTIFY:
            self._fail(trouble.silent_at_start(self._settings.name, self._framer.garbage_bytes), now_ns)
        elif lane is self._pulses:
            for line in request.lines:
                self._refuse(line, now_ns, f"never answered a pulse on {line.name} in {TRIES} tries")
        elif lane is self._setup and self._stage < Stage.RUN:
            self._fail(trouble.configuration_refused(self._settings.name, request), now_ns)
        else:
            self._fail(trouble.unacknowledged(self._settings.name, request), now_ns)

    def _take(self, message: Message, now_ns: int) -> None:
        """Take one message from the board."""
        device_ns = message.device_ns
        if device_ns is None or self._clock_lost:
            self._counts["ignored_messages"] += 1
            return
        if device_ns < self._last_device_ns - BACKWARDS_NS and self._stage > Stage.IDENTIFY:
            self._lose_clock(now_ns)
            return
        self._last_device_ns = max(device_ns, self._last_device_ns)
        if message.type == MessageType.EVENT:
            self._take_event(message, device_ns, now_ns)
        elif message.address == Register.KEEP_ALIVE:
            self._take_pong(message, device_ns, now_ns)
        else:
            self._take_answer(message, device_ns, now_ns)

    def _take_answer(self, message: Message, device_ns: int, now_ns: int) -> None:
        address, setup = message.address, self._setup.current
        if setup is not None and setup.address == address and setup.frame[0] == message.type & _REQUEST_BITS:
            request = self._setup.answer(address, message.payload, message.is_error)
            if request is not None:
                self._take_setup(request, message, device_ns, now_ns)
        elif address == Register.PULSE_CMD:
            self._take_pulse_answer(message, now_ns)
        elif address == Register.OUTPUT_CLEAR:
            self._offs.answer(address, message.payload, is_error=False)
        elif address == Register.ARM:
            self._take_arm_answer(message, now_ns)
        elif address == Register.EVENT_COUNT and not message.is_error:
            self._take_count(message.value, now_ns)
        elif address == Register.FAULT and not message.is_error:
            self._take_faults(message.value, device_ns, now_ns)
        else:
            self._counts["ignored_messages"] += 1

    def _take_pulse_answer(self, message: Message, now_ns: int) -> None:
        request = self._pulses.answer(message.address, message.payload, message.is_error)
        for line in () if request is None else request.edges_owed:
            if message.is_error:
                self._refuse(line, now_ns, f"answered a pulse on {line.name} with an error")
            elif not self._report.output_state & self._outputs[line].mask:
                self._awaited[line] = now_ns + EDGE_NS

    def _take_arm_answer(self, message: Message, now_ns: int) -> None:
        request = self._arms.answer(message.address, message.payload, message.is_error)
        wanted = request is not None and request.echo is None
        if wanted and (message.is_error or not message.value):
            self._refuse(Line.ARM, now_ns, "did not arm: is its interlock closed?")

    # --- setting up

    def _take_setup(self, request: Request, message: Message, device_ns: int, now_ns: int) -> None:
        if message.is_error:
            if self._stage < Stage.RUN:
                self._fail(trouble.configuration_refused(self._settings.name, request), now_ns)
            return
        match message.address:
            case CoreRegister.WHO_AM_I:
                self._take_identity(message.value, now_ns)
                return
            case CoreRegister.VERSION:
                self.firmware = ".".join(str(part) for part in message.payload[3:6])
            case Register.BOOT_CAUSE:
                self._counts["boot_cause"] = message.value
            case Register.FAULT:
                self._known_faults = message.value
            case Register.DIGITAL_INPUT_STATE:
                self._report.inputs(message.value, device_ns, Flag.GAP if self._stage == Stage.RUN else Flag.HELD)
            case Register.OUTPUT_EVENT:
                self._take_outputs(message.value, device_ns, Flag.GAP)
            case Register.EVENT_COUNT:
                self._events_seen = message.value
        if self._setup.idle:
            self._next_stage(now_ns)

    def _take_identity(self, number: int, now_ns: int) -> None:
        if number != WHO_AM_I:
            self._fail(trouble.wrong_device(self._settings.name, number), now_ns)
            return
        stale = self._setup.stale
        self._setup = Lane(SETUP_ANSWER_NS, TRIES)
        self._setup.stale = stale
        self._stage = Stage.CONFIGURE
        self._setup.waiting += ask.configuration(self._settings, self._outputs)

    def _next_stage(self, now_ns: int) -> None:
        if self._stage == Stage.CONFIGURE:
            self._stage = Stage.SYNCHRONISE
            self._ping(now_ns)
        elif self._stage == Stage.ACTIVATE and self._state is DeviceState.CONNECTING:
            self._stage = Stage.RUN
            self._state = DeviceState.READY
            self._health_due_ns = now_ns + HEALTH_NS
            self._garbage_told = self._framer.garbage_bytes

    # --- the clock

    def _ping(self, now_ns: int) -> None:
        if self._ping_sent_ns is not None:
            self._missed += 1
            self._counts["missed_pings"] += 1
            if self._missed >= MAX_MISSED:
                self._fail(trouble.keep_alives_missed(self._settings.name, MAX_MISSED), now_ns)
                return
        self._ping_tag = self._ping_tag + 1 & 0xFF
        self._ping_sent_ns = now_ns
        self._ping_due_ns = now_ns + self._settings.keep_alive_ms * NS_PER_MS
        self._out.append(ask.PINGS[self._ping_tag])

    def _take_pong(self, message: Message, device_ns: int, now_ns: int) -> None:
        self._missed = 0
        if self._ping_sent_ns is None or message.payload[0:1] != bytes((self._ping_tag,)):
            self._counts["late_pings"] += 1
        else:
            stepped = self._clock.add_ping(self._ping_sent_ns, now_ns, device_ns)
            self._ping_sent_ns = None
            if stepped:
                self._lose_clock(now_ns)
                return
        if self._stage == Stage.RUN:
            self._report.watermark(device_ns)
        elif self._stage == Stage.SYNCHRONISE and self._ping_sent_ns is None:
            if self._clock.pings < SYNC_PINGS:
                self._ping(now_ns)
            else:
                self._stage = Stage.ACTIVATE
                self._setup.waiting += ask.activation()

    def _lose_clock(self, now_ns: int) -> None:
        self._clock_lost = True
        self._fail(trouble.clock_lost(self._settings.name), now_ns)

    # --- what the board reports

    def _take_event(self, message: Message, device_ns: int, now_ns: int) -> None:
        address = message.address
        if address in _COUNTED:
            self._events_seen = self._events_seen + 1 & 0xFFFF
        if address == Register.OUTPUT_EVENT:
            self._take_outputs(message.value, device_ns)
        elif address == Register.DIGITAL_INPUT_STATE and self._report.input_state is not None:
            self._report.inputs(message.value, device_ns)
        elif address == Register.FAULT and self._stage >= Stage.SYNCHRONISE:
            self._take_faults(message.value, device_ns, now_ns)
        else:
            self._counts["ignored_messages"] += 1

    def _take_outputs(self, state: int, device_ns: int, flags: int = 0) -> None:
        risen = self._report.outputs(state, device_ns, flags)
        pulse = self._pulses.current
        for wire in self._outputs.values():
            if risen & wire.mask:
                self._awaited.pop(wire.line, None)
                if pulse is not None:
                    pulse.edges_owed = tuple(line for line in pulse.edges_owed if line != wire.line)

    def _take_faults(self, bits: int, device_ns: int, now_ns: int) -> None:
        """Record the faults that are new, and clear them on the board, so that it tells when they come again."""
        new = bits & ~self._known_faults
        if not new:
            return
        self._known_faults |= new
        self._report.fault_bits(new, device_ns)
        if new & FaultBit.DISARMED:
            self._take_disarmed(now_ns)
        if new & FaultBit.WATCHDOG:
            self._fail(trouble.watchdog_expired(self._settings), now_ns)
        else:
            self._setup.waiting.append(ask.write(Register.FAULT, bytes((new,)), echoed=False))

    def _take_disarmed(self, now_ns: int) -> None:
        """Find the laser pulse that the board has just refused, because it is not armed."""
        pulse = self._pulses.current
        lines = [line for line in self._awaited if line in LASER_LINES]
        if pulse is not None:
            refused = [line for line in pulse.edges_owed if line in LASER_LINES]
            # There will be no edges: its answer, either way, adds nothing.
            pulse.edges_owed = tuple(line for line in pulse.edges_owed if line not in refused)
            lines += refused
        for line in lines:
            self._awaited.pop(line, None)
            self._refuse(line, now_ns, f"refused a pulse on {line.name}: it is not armed")

    def _take_count(self, sent: int, now_ns: int) -> None:
        """Compare what the board has sent with what came."""
        missing = sent - self._events_seen & 0xFFFF
        self._events_seen = sent
        if missing >= 0x8000:
            self._counts["repeated_events"] += 0x10000 - missing
        elif missing:
            self._counts["lost_events"] += missing
            self._report.lost(missing, now_ns)
            self._setup.waiting += ask.resynchronisation()

    def _check_edges(self, now_ns: int) -> None:
        for line in [line for line, until_ns in self._awaited.items() if now_ns >= until_ns]:
            del self._awaited[line]
            self._counts["edges_missing"] += 1
            self._report.fault(
                Fault.EDGE_MISSING,
                now_ns,
                f"{self._settings.name} acknowledged a pulse on {line.name} but reported no edge.",
                line,
            )

    def _tell_garbage(self, now_ns: int) -> None:
        garbage = self._framer.garbage_bytes
        if garbage > self._garbage_told:
            self._report.fault(
                Fault.GARBAGE,
                now_ns,
                f"{garbage - self._garbage_told} bytes from {self._settings.name} were no message. "
                "Look at its cable and its baud rate.",
            )
            self._garbage_told = garbage

    # --- the end

    def _fail(self, error: DeviceError, now_ns: int) -> None:
        """End with a fatal error: remembered, recorded, everything off, the board's watchdog no longer fed."""
        if self._error is not None or self._state is DeviceState.CLOSED:
            return
        self._error = error
        self._state = DeviceState.FAULTED
        self._rest()
        self._report.fault(error.fault, now_ns, str(error))
        self.safe(now_ns)

    def _rest(self) -> None:
        """Ask nothing more of the board but to be safe."""
        self._ping_due_ns = self._health_due_ns = NEVER_NS
        self._ping_sent_ns = None
        self._counts["dropped_requests"] += self._setup.drop()


def create(settings: DeviceSettings) -> ReferenceBoard:
    """Return a driver for the board that ``settings`` describes.

    Raises
    ------
    BadSettings
        If the board does not have such pins or limits.
    """
    return ReferenceBoard(settings)

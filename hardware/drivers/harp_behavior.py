"""The stock Harp Behavior board: three ports with beam and valve, four TTL outputs, one clock (Harp, 1 Mbaud).

Manual
------
*Who it is.* WhoAmI 1216, firmware 3.0 or later. Registers: :mod:`hardware.behavior.registers`, from the board's
``device.yml`` and its firmware's source.

*Pins.* Inputs (``POKE_*``, ``LICK_*`` and copies): 0 to 2 DIPort0..2, 3 DI3, 4 to 6 DIO0..2 (of port 0 to 2). High is
broken, touched, or on. DI3 reports only on boards with a second analogue input (hardware 2.0). ``VALVE_*``: 0 to 2
SupplyPort0..2. ``LASER_*``: 3 to 6 DO0..3.

**What the board does not do.** It has no watchdog: it switches nothing off when this computer falls silent. It has no
longest time on, no least gap, no interlock and no arming, and a command carries a checksum only, no CRC and no nonce.
So: put an independent gate (longest time on, interlock, emergency stop) in front of every laser, and use the reference
board where you can. What this driver does instead: it makes every output a pulse, and never switches one on without a
length; so a pulse that is on when this computer dies ends by its own length. It ends PWM, servos, camera triggers and
the encoder at its start, and does not start where one of them, or a mimic, could still drive a pin. If the *board*
restarts, it forgets its pulse bits: a laser pulse that reaches it before the driver has noticed stays on until the
driver switches it off, at the board's next word, or for ever if the cable fails too.

*Start.* Asks WhoAmI every 250 ms, gives up after 2.5 s. Then: everything off, everything that could drive a pin off
and checked, all outputs pulse-enabled, clock pinged, Active, inputs read. What is high by then is an edge with
``Flag.HELD``. READY means: configured, disarmed, reporting.

*Edges of outputs.* The board reports none. Wire each output back to an input of this or of another device; the rig says
so as its copy, and the copy's edges become VALVE_ON, VALVE_OFF, LASER_ON and LASER_OFF. An acknowledgement is never
made into an edge: without a copy nothing is recorded. A pulse whose copy is on this board and shows no edge within
50 ms after the acknowledgement is EDGE_MISSING. Inputs of ports are pulled up: an unplugged copy reads on. SupplyPort
switches 12 V: bring a valve's copy down to the level of the input first.

*Commands.* The length is rounded to the nearest ms, at least 1 ms; the board makes it N to N + 1 ms. It is written to
the output's pulse register if it differs from the last one, then OutputSet starts it. Pulses that were decided together
start together, each with its own length. The board executes a request up to 1 ms after it came, and one request is
under way at a time (:mod:`hardware.behavior.exchange` says why): expect 1 to 2 ms to the edge, about 2 ms more when
the length changes. Refused, never shortened: a length above the line's max-on; an output that may still be on
(DEVICE_REFUSED); one whose last pulse ended less than min_gap_ms ago (DEVICE_GAP); more than duty_ms within a minute
(DEVICE_DUTY). These limits are the host's. Length 0 is OutputClear ahead of all that waits, and recalls pulses of that
line. Lasers are refused while disarmed; the driver keeps the arming, and starts disarmed.

*A lost answer.* OutputSet has no nonce: a second one would lengthen the pulse. It is sent again only when the first is
known not to have happened. If no answer comes within 5 ms: a copy that rose says that it happened. Else OutputState is
read. An output that is on says that it happened. All off, read while the pulse would still have been on, says that it
did not: it is sent again, four times in all at most. Otherwise nobody knows: DEVICE_REFUSED, not repeated. So a pulse
shorter than about 7 ms is never repeated.

*Clock.* Every ``keep_alive_ms`` (less 0.382 ms, so that the pings sweep the board's millisecond) one of the registers
1 to 7 is read. The answer is a CLOCK record, 1 ms older than its stamp: in the firmware read, stamps and bytes leave in
one order, but the protocol does not promise it. A port that reported a beam's edge is not looked at for up to 1 ms
(PokeInputFilter = 1): a copy on the DIO line of the same port can be stamped that much late.

*Losses.* The board counts no lost events. Once a second the inputs are read; what is found then, and events that do
not follow from the one before, are DEVICE_OVERFLOW with ``Flag.GAP``. An edge lost and undone within that second stays
unknown.

*Beams.* More than chatter_hz edges of one input within a second: BEAM_CHATTER, and that line's edges are not published
for 10 s. A copy of a pulse train counts like a beam: keep chatter_hz above twice its rate. A beam or lick sensor that
is broken for stuck_ns: BEAM_STUCK, once.

*Once a second* the driver also checks that the board is Active, that every used output is pulse-enabled, and that no
output is on without a pulse: such a one is switched off and told as DEVICE_MAX_ON.

*What ends it* (FAULTED, disarmed, OutputClear of everything): three pings unanswered in a row, or an off never
acknowledged (DEVICE_SILENT); a restart or a step of the board's clock, as plugging in a clock cable makes one
(DEVICE_RESET); another WhoAmI, a setting not taken, lost pulse bits, standby (DEVICE_REFUSED). Nothing re-arms but a
command. Settings without effect here: host_timeout_ms, power_mw, train.
"""

from collections import deque
from enum import IntEnum
from typing import Final

import numpy as np

from hardware.behavior import requests as ask
from hardware.behavior import troubles as trouble
from hardware.behavior.exchange import Ask, Exchange, Rank
from hardware.behavior.outputs import OutputBook
from hardware.behavior.pulses import Pulse, Pulses
from hardware.behavior.registers import (
    DI_GROUP,
    DIO_GROUP,
    DIO_SHIFT,
    EVERY_LINE,
    FUNCTIONS,
    MODE_ACTIVE,
    MODE_BITS,
    OLDEST_FIRMWARE,
    WHO_AM_I,
    Register,
)
from hardware.behavior.report import BehaviorReport, Told
from hardware.clock_map import ClockMap
from hardware.device import DeviceError, DeviceSettings, DeviceState
from hardware.harp import CoreRegister, Framer, Message, MessageType
from realtime.records import NEVER_NS, NS_PER_MS, NS_PER_S, Events, Fault, Line, Role

NAME: Final = "harp_behavior"
BAUD: Final = 1_000_000
ROLES: Final = frozenset({Role.POKE, Role.LICK, Role.VALVE, Role.LASER})
CONFIRMS: Final[frozenset[Role]] = frozenset()

HEALTH_NS: Final = NS_PER_S
MAX_MISSED: Final = 3
SYNC_PINGS: Final = 8
SYNC_STEP_NS: Final = 137_000
"""Each ping of the start comes so much later after the answer before it, to meet the board's millisecond elsewhere."""
SWEEP_NS: Final = 382_000
BACKWARDS_NS: Final = 20 * NS_PER_MS
"""Stamps of one board may be out of order by less than this; more is a restart."""
_REMEMBERED_NONCES: Final = 256
_INPUT_REGISTERS: Final = frozenset({Register.DIGITAL_INPUT_STATE, Register.PORT_DIO_STATE_EVENT})


class Stage(IntEnum):
    """How far the driver has come."""

    IDLE = 0
    IDENTIFY = 1
    CONFIGURE = 2
    SYNCHRONISE = 3
    ACTIVATE = 4
    RUN = 5


class HarpBehavior:
    """The driver; the module's docstring is its manual, :class:`hardware.device.Driver` its interface.

    Raises
    ------
    BadSettings
        If the rig asks for pins or limits that the board does not have.
    """

    def __init__(self, settings: DeviceSettings, first_seq: int = 0) -> None:
        self._settings = settings
        inputs, self._outputs = ask.wires_of(settings)
        self._copies = {wire.copy_mask: wire.line for wire in self._outputs.values() if wire.copy_mask}
        self._framer = Framer()
        baud = BAUD if settings.link_baud is None else settings.link_baud
        self._clock = ClockMap(baud, ask.PING_BYTES, ask.PONG_BYTES)
        self._report = BehaviorReport(settings, inputs, self._clock, first_seq)
        self._book = OutputBook()
        self._exchange = Exchange()
        self._pulses = Pulses(self._exchange, self._book, self._refuse)
        self._out: list[bytes] = []
        self._state = DeviceState.CONNECTING
        self._error: DeviceError | None = None
        self._stage = Stage.IDLE
        self._armed = False
        self._nonces: deque[int] = deque(maxlen=_REMEMBERED_NONCES)
        self._last_device_ns = 0
        self._clock_lost = False
        self._pings = 0
        self._ping_due_ns = NEVER_NS
        self._missed = 0
        self._health_due_ns = NEVER_NS
        self._garbage_told = 0
        self._firmware = [0, 0]
        self._counts = dict.fromkeys(
            (
                "commands", "refused", "duplicate_commands", "dropped_requests", "edges_missing", "missed_pings",
                "late_pings", "unasked_outputs", "ignored_messages",
            ),
            0,
        )  # fmt: skip

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

    @property
    def last_seq(self) -> int:
        """The ``source_seq`` of the newest record."""
        return self._report.last_seq

    @property
    def armed(self) -> bool:
        """Whether lasers may be switched on; the board knows nothing of it."""
        return self._armed

    @property
    def firmware(self) -> str:
        """The board's firmware, as ``major.minor``; empty before it is known."""
        return ".".join(map(str, self._firmware)) if self._firmware[0] else ""

    def start(self, now_ns: int) -> None:
        """Begin identification."""
        self._stage = Stage.IDENTIFY
        self._exchange.add(ask.who_am_i())
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
        if now_ns >= self._ping_due_ns:
            self._ping(now_ns)
        if now_ns >= self._health_due_ns:
            self._health_due_ns = now_ns + HEALTH_NS
            if self._exchange.idle(Rank.ROUTINE):
                self._exchange.add(*ask.health())
            self._tell_garbage(now_ns)
        if self._state is DeviceState.READY:
            self._report.poll(now_ns)
        self._check_edges(now_ns)
        self._pump(now_ns)

    def due_ns(self) -> int:
        """Return when :meth:`poll` wants to be called next, or NEVER_NS."""
        return min(
            self._ping_due_ns,
            self._health_due_ns,
            self._framer.due_ns(),
            self._exchange.due_ns(),
            self._report.due_ns() if self._state is DeviceState.READY else NEVER_NS,
            self._pulses.due_ns(),
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
        return {
            **self._counts,
            **self._pulses.counts,
            **self._report.counts,
            "garbage_bytes": self._framer.garbage_bytes,
            "bad_checksums": self._framer.bad_checksums,
            "retries": self._exchange.retries,
            "stale_answers": self._exchange.stale,
            "repeated_answers": self._exchange.repeated,
            "clock_epochs": self._clock.epoch,
            "clock_clamped": self._clock.clamped,
            "clock_uncertainty_ns": self._clock.uncertainty_ns,
            "clock_drift_ppb": self._clock.drift_ppb,
            "clock_offset_ns": self._clock.offset_ns,
        }

    def safe(self, now_ns: int) -> None:
        """Switch all outputs off and disarm, at once; pulses still waiting are recalled.

        OutputClear goes out twice: the board can lose a request that arrives while it works on another. Of two in a
        row it hears one.
        """
        self._armed = False
        if self._stage <= Stage.IDENTIFY:
            return  # nobody knows yet what sits there: it is told nothing
        self._pulses.forget()
        self._out.clear()
        lines = (wire.line for wire in self._outputs.values())
        frame = self._exchange.interrupt(ask.switch_off(EVERY_LINE, *lines), now_ns)
        self._out += (frame, frame)

    def close(self, now_ns: int) -> None:
        """Make safe, and end. The board falls to standby by itself, 3 s after its port is closed."""
        self._state = DeviceState.CLOSED
        self._rest()
        self.safe(now_ns)

    def command(self, records: Events, now_ns: int) -> None:
        """Carry out COMMAND records that were decided together; a refusal is a FAULT record."""
        pulses: dict[Line, Pulse] = {}
        for record in records:
            self._command(record, pulses, now_ns)
        self._pulses.line_up(pulses)
        self._pump(now_ns)

    # --- commands

    def _command(self, record: np.void, pulses: dict[Line, Pulse], now_ns: int) -> None:
        """Carry out one command; a pulse is added to ``pulses``."""
        self._counts["commands"] += 1
        line, length_ns = int(record["line"]), float(record["value"])
        wire = self._outputs.get(line)
        if wire is None and line != Line.ARM:
            self._refuse(line, now_ns, f"has no output for line {line}")
        elif self._stage <= Stage.IDENTIFY or self._state is DeviceState.CLOSED:
            self._refuse(line, now_ns, "is not connected")
        elif wire is None:
            self._command_arm(length_ns != 0, pulses, now_ns)
        elif length_ns == 0:
            self._switch_off([wire], pulses)
        elif (nonce := int(record["source_seq"])) and nonce in self._nonces:
            self._counts["duplicate_commands"] += 1
        elif self._may_pulse(wire, length_ns, pulses, now_ns):
            self._nonces.append(nonce)
            pulses[wire.line] = wire, _whole_ms(length_ns)

    def _command_arm(self, wanted: bool, pulses: dict[Line, Pulse], now_ns: int) -> None:
        if not wanted:
            self._armed = False
            self._switch_off([wire for wire in self._outputs.values() if wire.is_laser], pulses)
        elif self._state is DeviceState.READY:
            self._armed = True
        else:
            self._refuse(Line.ARM, now_ns, "is not ready, so it is not armed")

    def _may_pulse(self, wire: ask.OutputWire, length_ns: float, pulses: dict[Line, Pulse], now_ns: int) -> bool:
        """Say whether a pulse may be sent; if not, it is refused."""
        name = wire.line.name
        why = None
        if self._state is not DeviceState.READY:
            why = f"is not ready for a pulse on {name}"
        elif wire.is_laser and not self._armed:
            why = f"refused a pulse on {name}: it is not armed"
        elif not 0 < length_ns < (wire.max_on_ms + 0.5) * NS_PER_MS:
            why = (
                f"does not switch {name} for {length_ns / NS_PER_MS:g} ms: it takes up to max_on_ms = {wire.max_on_ms}"
            )
        elif wire.line in pulses or wire.line in self._pulses.under_way():
            why = f"does not pulse {name}: another pulse on it is under way"
        if why is not None:
            self._refuse(wire.line, now_ns, why)
            return False
        refusal = self._book.refusal(wire, _whole_ms(length_ns), now_ns)
        if refusal is not None:
            self._refuse(wire.line, now_ns, refusal[1], refusal[0])
        return refusal is None

    def _switch_off(self, wires: list[ask.OutputWire], pulses: dict[Line, Pulse]) -> None:
        """Recall the pulses of these outputs, and switch them off."""
        if not wires:
            return
        lines = {wire.line for wire in wires}
        for line in lines:
            pulses.pop(line, None)
        self._pulses.recall(lines)
        self._exchange.add(ask.switch_off(sum(wire.mask for wire in wires), *lines))

    def _refuse(self, line: int, now_ns: int, why: str, code: Fault = Fault.DEVICE_REFUSED) -> None:
        self._counts["refused"] += 1
        self._report.fault(code, now_ns, f"{self._settings.name} {why}.", line)

    # --- requests and their answers

    def _pump(self, now_ns: int) -> None:
        """Send the next request, and deal with those that were waited for in vain."""
        while True:
            self._pulses.begin_next()
            frame, given_up = self._exchange.poll(now_ns)
            if frame:
                self._out.append(frame)
            if given_up is None:
                return
            self._give_up(given_up, now_ns)

    def _give_up(self, request: Ask, now_ns: int) -> None:
        if self._state in {DeviceState.FAULTED, DeviceState.CLOSED}:
            self._counts["dropped_requests"] += 1
        elif self._stage == Stage.IDENTIFY:
            self._fail(trouble.silent_at_start(self._settings.name, self._framer.garbage_bytes), now_ns)
        elif request.rank is Rank.PING:
            self._miss_ping(now_ns)
        elif request.rank is Rank.PULSE:
            self._pulses.give_up(request, now_ns)
        elif request.rank is Rank.OFF or self._stage < Stage.RUN:
            self._fail(trouble.unanswered(self._settings.name, request), now_ns)
        else:
            self._counts["dropped_requests"] += 1  # a question of health: the pings will show it

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
            self._take_event(message, device_ns)
        else:
            self._take_answer(message, device_ns, now_ns)

    def _take_answer(self, message: Message, device_ns: int, now_ns: int) -> None:
        if not self._exchange.is_new(device_ns):
            return
        request = self._exchange.take(message)
        if request is None:
            self._take_late(message, device_ns, now_ns)
        elif request.rank is Rank.PING:
            self._take_pong(request, device_ns, now_ns)
        elif message.is_error:
            self._take_error(request, now_ns)
        elif request.rank is Rank.PULSE:
            self._pulses.take_answer(request, message.value, device_ns, now_ns)
        elif request.rank is Rank.OFF:
            self._book.ended(request.lines, now_ns)
        else:
            self._take_routine(request, message, device_ns, now_ns)

    def _take_late(self, message: Message, device_ns: int, now_ns: int) -> None:
        """Take an answer that came after its request was given up, or sent again."""
        if message.type == MessageType.READ and message.address in _INPUT_REGISTERS:
            self._take_inputs(message, device_ns, Told.READ)  # the board will not tell again what it told here
        elif message.type == MessageType.READ and message.address in ask.PING_ADDRESSES:
            self._counts["late_pings"] += 1
            self._missed = 0
            if self._stage == Stage.RUN:
                self._report.watermark(device_ns)
        elif message.type == MessageType.WRITE and message.address == Register.OUTPUT_SET:
            self._pulses.take_late(message.value, now_ns)

    def _take_error(self, request: Ask, now_ns: int) -> None:
        if request.rank is Rank.PULSE:
            self._pulses.take_error(request, now_ns)
        elif self._stage < Stage.RUN or request.rank is Rank.OFF:
            self._fail(trouble.setting_refused(self._settings.name, request), now_ns)
        else:
            self._counts["ignored_messages"] += 1

    # --- setting up, and every second

    def _take_routine(self, request: Ask, message: Message, device_ns: int, now_ns: int) -> None:
        match message.address:
            case CoreRegister.WHO_AM_I:
                self._take_identity(message.value, now_ns)
                return
            case Register.DIGITAL_INPUT_STATE | Register.PORT_DIO_STATE_EVENT:
                self._take_inputs(message, device_ns, Told.READ)
            case _ if self._stage == Stage.RUN:
                self._take_health(request, message.address, message.value, now_ns)
            case _:
                self._take_setting(message.address, message.value, now_ns)
        if self._exchange.idle(Rank.ROUTINE) and self._state is DeviceState.CONNECTING:
            self._next_stage(now_ns)

    def _take_identity(self, number: int, now_ns: int) -> None:
        if number != WHO_AM_I:
            self._fail(trouble.wrong_device(self._settings.name, number), now_ns)
            return
        self._stage = Stage.CONFIGURE
        self._exchange.add(*ask.configuration())

    def _take_setting(self, address: int, value: int, now_ns: int) -> None:
        name = self._settings.name
        if address == CoreRegister.FIRMWARE_HIGH:
            self._firmware[0] = value
            if value < OLDEST_FIRMWARE:
                self._fail(trouble.old_firmware(name, value), now_ns)
        elif address == CoreRegister.FIRMWARE_LOW:
            self._firmware[1] = value
        elif address in FUNCTIONS and value:
            self._fail(trouble.function_in_use(name, address, value), now_ns)
        elif address == Register.OUTPUT_STATE and value & EVERY_LINE:
            self._fail(trouble.output_stays_on(name, value & EVERY_LINE), now_ns)

    def _next_stage(self, now_ns: int) -> None:
        if self._stage == Stage.CONFIGURE:
            self._stage = Stage.SYNCHRONISE
            self._ping(now_ns)
        elif self._stage == Stage.ACTIVATE:
            self._stage = Stage.RUN
            self._state = DeviceState.READY
            self._health_due_ns = now_ns + HEALTH_NS
            self._ping_due_ns = now_ns + self._settings.keep_alive_ms * NS_PER_MS
            self._garbage_told = self._framer.garbage_bytes

    def _take_health(self, request: Ask, address: int, value: int, now_ns: int) -> None:
        used = sum(wire.mask for wire in self._outputs.values())
        if address == CoreRegister.OPERATION_CONTROL and value & MODE_BITS != MODE_ACTIVE:
            self._fail(trouble.not_active(self._settings.name), now_ns)
        elif address == Register.OUTPUT_PULSE_ENABLE and used & ~value:
            self._fail(trouble.pulses_disabled(self._settings.name, value), now_ns)
        elif address == Register.OUTPUT_STATE:
            unasked = self._book.unasked(value & EVERY_LINE, request.sent_ns, self._outputs.values())
            if unasked:
                self._stop_unasked(unasked, now_ns)

    def _stop_unasked(self, mask: int, now_ns: int) -> None:
        self._counts["unasked_outputs"] += 1
        self._exchange.add(ask.switch_off(mask))
        lines: list[Line | None] = [wire.line for wire in self._outputs.values() if wire.mask & mask]
        for line in lines or [None]:
            what = f"outputs 0x{mask:04x}" if line is None else line.name
            self._report.fault(
                Fault.DEVICE_MAX_ON,
                now_ns,
                f"{self._settings.name} had {what} on though no pulse was under way: it is switched off.",
                line,
            )

    # --- the clock

    def _ping(self, now_ns: int) -> None:
        self._ping_due_ns = now_ns + self._settings.keep_alive_ms * NS_PER_MS - SWEEP_NS
        if self._exchange.idle(Rank.PING):
            self._pings += 1
            self._exchange.add(ask.ping(self._pings, patient=self._stage < Stage.RUN))
            self._pump(now_ns)

    def _miss_ping(self, now_ns: int) -> None:
        self._missed += 1
        self._counts["missed_pings"] += 1
        if self._missed >= MAX_MISSED:
            self._fail(trouble.pings_missed(self._settings.name, MAX_MISSED), now_ns)

    def _take_pong(self, request: Ask, device_ns: int, now_ns: int) -> None:
        self._missed = 0
        if self._clock.add_ping(request.sent_ns, now_ns, device_ns):
            self._lose_clock(now_ns)
            return
        self._pulses.pinged = request.sent_ns, device_ns
        if self._stage == Stage.RUN:
            self._report.watermark(device_ns)
        elif self._clock.pings < SYNC_PINGS:
            self._ping_due_ns = now_ns + NS_PER_MS + self._clock.pings * SYNC_STEP_NS
        elif self._stage == Stage.SYNCHRONISE:
            self._stage = Stage.ACTIVATE
            self._ping_due_ns = NEVER_NS
            self._exchange.add(*ask.activation())

    def _lose_clock(self, now_ns: int) -> None:
        self._clock_lost = True
        self._fail(trouble.clock_lost(self._settings.name), now_ns)

    # --- what the board reports

    def _take_event(self, message: Message, device_ns: int) -> None:
        if message.address in _INPUT_REGISTERS:
            self._take_inputs(message, device_ns, Told.EVENT)
        else:
            self._counts["ignored_messages"] += 1

    def _take_inputs(self, message: Message, device_ns: int, told: Told) -> None:
        if message.address == Register.DIGITAL_INPUT_STATE:
            group, state = DI_GROUP, message.value & DI_GROUP
        else:
            group, state = DIO_GROUP, message.value << DIO_SHIFT & DIO_GROUP
        rose = self._report.inputs(group, state, device_ns, told)
        for mask, line in self._copies.items():
            if mask & rose:
                self._pulses.rose(line)

    def _check_edges(self, now_ns: int) -> None:
        for line in self._pulses.missing(now_ns):
            self._counts["edges_missing"] += 1
            self._report.fault(
                Fault.EDGE_MISSING,
                now_ns,
                f"{self._settings.name} acknowledged a pulse on {line.name}, but its copy showed no edge.",
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
        """End with a fatal error: remembered, recorded, everything off, disarmed."""
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
        dropped = self._exchange.drop(Rank.PING) + self._exchange.drop(Rank.ROUTINE)
        self._counts["dropped_requests"] += dropped


def _whole_ms(length_ns: float) -> int:
    return max(1, int(length_ns / NS_PER_MS + 0.5))


def create(settings: DeviceSettings, first_seq: int = 0) -> HarpBehavior:
    """Return a driver for the board that ``settings`` describes; its records count on from ``first_seq``.

    Raises
    ------
    BadSettings
        If the board does not have such pins or limits.
    """
    return HarpBehavior(settings, first_seq)

"""Sanworks Pulse Pal 2: trains of laser pulses on up to four analogue outputs (USB CDC: its baud rate is ignored).

Manual
------
*Who it is.* It answers a handshake with its firmware's number and has no serial number: two of them are told apart by
their port alone. Firmware below 20 is a Pulse Pal 1 and is refused. Messages: :mod:`hardware.pulse_pal_messages`.

*Pins.* 0 to 3 are the output channels 1 to 4; lines are lasers. Leave its trigger inputs unconnected.

*What one command makes.* With ``train``: pulses of ``pulse_ms`` at ``rate_hz`` and ``volts`` for as long as commanded;
the end cuts the last pulse. Without: one pulse of 5 V. Everything is rounded to 50 µs; light begins about 100 µs after
the trigger has arrived. A command that is longer than the line's max-on is refused, never shortened.

*What it does not do.* It reports nothing: no edges, no stamps, no answer to a trigger or an abort. So this driver
publishes no LASER edges and no CLOCK records, and ``CONFIRMS`` is empty. **Wire a copy of each TTL to an input of a
board that stamps** (``copy`` in the rig file): an actuation is complete when that copy says so. It has no watchdog, no
arming, no interlock and no longest time on: ``host_timeout_ms`` does nothing here. **Put a board's interlock and
longest time on in front of every laser.** If the computer dies, a train that was started runs to its programmed end.

*Start.* Handshake every 250 ms, for 2.5 s; then 50 ms of silence, two aborts, our name on its display, all parameters
in one message, confirmed. Nothing is triggered. READY means: programmed, disarmed. (A train that an earlier program
left running meets the handshake; there is no other way to find out who is there.)

*A pulse.* Arming is kept here (``Line.ARM``): disarmed, every pulse is refused. A length that differs from the
programmed one is sent and confirmed first, then the trigger goes out. Pulses that were decided together start at one
instant, by one trigger, whatever their lengths: the trigger waits until all are programmed. A pulse that cannot be
triggered within 100 ms of its command is refused, not given late.

*Trains are left alone.* The device reads its port inside the interrupt that makes the pulses, so while a train runs,
and until 20 ms after, it is sent nothing but aborts. Further pulses, on any channel, are refused meanwhile. Whatever
happens, an abort follows the end of every train: should somebody have set a channel to loop by the joystick, or should
the device have restarted with other parameters, that ends it. Two animals whose light is not decided together need a
Pulse Pal each.

*Off* (length 0), disarm and safe send an abort at once, ahead of everything. **An abort ends all four channels**: a
train on the other line is cut too, and a FAULT record of that line says so. An abort that the device reads in the 50 µs
after a trigger is overtaken by it (firmware 21), so within 20 ms of a trigger the abort is repeated after another 20
ms.

*Limits* are kept here, as the device has none: max-on (DEVICE_REFUSED), least gap since the last pulse's end
(DEVICE_GAP), and longest time on within a minute (DEVICE_DUTY; pulses count, pauses do not; a train that was cut counts
whole).

*Writing.* ``outgoing`` returns one whole message at a time; the next one follows its confirmation, or 2 ms later where
there is none. A device that gets half a message waits 500 ms, takes zeros for the rest, confirms, and then **stands
still with its outputs as they are** until somebody presses its joystick. So a message without its confirmation is not
repeated: the repetition could complete it with wrong bytes, and be confirmed. Instead nothing is said for 600 ms
(aborts excepted), then a handshake asks whether it still lives, and everything is programmed again; pulses are refused
meanwhile. A byte that is no confirmation counts as a missing one, as there is no checksum.

*Idle*, a handshake every ten ``keep_alive_ms``, at least a second apart. A restart between two of them cannot be seen.

*What ends it* (FAULTED): three messages in a row unanswered (DEVICE_SILENT: it may stand still, see above); a Pulse Pal
1, or parameters not taken (DEVICE_REFUSED). Nothing re-arms but a command.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import numpy as np

from hardware import pulse_pal_messages as say
from hardware.device import (
    IDENTIFY_RETRY_NS,
    SILENCE_NS,
    BadSettings,
    ConfigurationRefused,
    DeviceError,
    DeviceSettings,
    DeviceState,
    RecordWriter,
    SilentDevice,
    WrongDevice,
    animal_of,
)
from hardware.pulse_pal_messages import UNIT_NS, ChannelProgram, Op
from realtime.records import NEVER_NS, NS_PER_MS, NS_PER_S, Events, Fault, Kind, Line, Role

NAME: Final = "pulse_pal"
BAUD: Final = 115_200
ROLES: Final = frozenset({Role.LASER})
CONFIRMS: Final[frozenset[Role]] = frozenset()

LISTEN_NS: Final = 50 * NS_PER_MS
"""Silence after which what was heard is a whole answer to the first handshake."""
ANSWER_NS: Final = 100 * NS_PER_MS
"""Far below the 500 ms after which a device that was cut short confirms what it never got."""
QUIET_NS: Final = 600 * NS_PER_MS
LONGEST_QUIET_NS: Final = 3 * QUIET_NS
SPACING_NS: Final = 2 * NS_PER_MS
LATE_NS: Final = 100 * NS_PER_MS
MARGIN_NS: Final = 20 * NS_PER_MS
"""From the end of a train, as this computer counts it, until the device is spoken to again."""
RACE_NS: Final = 20 * NS_PER_MS
"""Time after a trigger within which an abort may be overtaken by it."""
MAX_UNANSWERED: Final = 3
LEAST_KEEP_ALIVE_NS: Final = NS_PER_S
KEEP_ALIVES: Final = 10
CLIENT: Final = "duetto"
PLAIN_VOLTS: Final = 5.0

DEFAULT_MAX_ON_MS: Final = 1_000
MAX_ON_RANGE_MS: Final = (1, say.MAX_TRAIN_UNITS * UNIT_NS // NS_PER_MS)
DEFAULT_MIN_GAP_MS: Final = 10
MIN_GAP_RANGE_MS: Final = (0, 60_000)
DEFAULT_DUTY_MS: Final = 40_000
DUTY_RANGE_MS: Final = (1, 60_000)
_UNITS_PER_MS: Final = NS_PER_MS // UNIT_NS
_UNITS_PER_S: Final = NS_PER_S // UNIT_NS
_MINUTE_NS: Final = 60 * NS_PER_S
_LONG_AGO_NS: Final = -NEVER_NS
_REMEMBERED_NONCES: Final = 256
_CONFIRMATION: Final = frozenset({Op.PROGRAM_ALL, Op.PROGRAM_ONE})
_ANSWERED: Final = _CONFIRMATION | {Op.HANDSHAKE}


class Stage(IntEnum):
    """What the driver is doing."""

    IDLE = 0
    IDENTIFY = 1
    PROGRAM = 2
    """Everything is being programmed: at the start, and after an answer was missing."""
    REST = 3
    ASK = 4
    """The keep-alive."""
    SET = 5
    """The lengths of a pulse are being programmed; then comes its trigger."""
    TRAIN = 6
    """A train runs, or ended just now: an abort is owed."""
    QUIET = 7
    """An answer is missing."""
    PROBE = 8
    """The handshake after QUIET."""
    END = 9


@dataclass(slots=True)
class Output:
    """One line on one channel, with its limits and what it has used of them.

    Attributes
    ----------
    program
        What the channel was told at the start, with a train of the line's max-on.
    programmed_units
        Length of the train that the device has confirmed [50 µs].
    off_ns
        When its last train ended, or will end.
    spent
        End of each of its trains within the last minute, and how long each was on [ns].
    """

    line: Line
    pin: int
    max_on_units: int
    min_gap_ns: int
    duty_ns: int
    program: ChannelProgram
    programmed_units: int = 0
    off_ns: int = _LONG_AGO_NS
    spent: deque[tuple[int, int]] = field(default_factory=deque)

    def units_of(self, length_ns: float) -> int:
        """Return a length in units of 50 µs, rounded, at least 1; 0 if it is above max-on or no length at all."""
        if not 0 < length_ns < (self.max_on_units + 0.5) * UNIT_NS:
            return 0
        return max(1, int(length_ns / UNIT_NS + 0.5))

    def on_ns(self, units: int) -> int:
        """Return how long the output is on in a train of ``units``."""
        pulse = self.program.pulse_units
        whole, rest = divmod(units, pulse + self.program.interval_units)
        return (whole * pulse + min(rest, pulse)) * UNIT_NS

    def exceeds_duty(self, units: int, now_ns: int) -> bool:
        """Whether a train of ``units`` would make it on for too long within a minute."""
        while self.spent and self.spent[0][0] <= now_ns - _MINUTE_NS:
            self.spent.popleft()
        return sum(on_ns for _, on_ns in self.spent) + self.on_ns(units) > self.duty_ns

    def charge(self, units: int, now_ns: int) -> None:
        """Count a train of ``units`` that starts now."""
        self.off_ns = now_ns + units * UNIT_NS
        self.spent.append((self.off_ns, self.on_ns(units)))


@dataclass(frozen=True, slots=True)
class Pulse:
    """Pulses that were decided together: the length of each by line [50 µs], and when they were asked for."""

    units: dict[int, int]
    asked_ns: int


class PulsePal:
    """The driver; the module's docstring is its manual, :class:`hardware.device.Driver` its interface.

    Parameters
    ----------
    settings
        What the rig says.
    first_seq
        Number of the last record published for this device before, by an earlier driver.

    Raises
    ------
    BadSettings
        If the rig asks for pins, limits or trains that a Pulse Pal does not have.
    """

    def __init__(self, settings: DeviceSettings, first_seq: int = 0) -> None:
        self._name = settings.name
        self._outputs = outputs_of(settings)
        programs = {output.pin: output.program for output in self._outputs.values()}
        self._program = say.program([programs.get(pin, say.INERT) for pin in range(say.N_CHANNELS)])
        self._keep_alive_ns = max(LEAST_KEEP_ALIVE_NS, KEEP_ALIVES * settings.keep_alive_ms * NS_PER_MS)
        self._writer = RecordWriter(settings.source, first_seq)
        self._remarks: list[str] = []
        self._state = DeviceState.CONNECTING
        self._stage = Stage.IDLE
        self._error: DeviceError | None = None
        self._identified = False
        self._armed = False
        self._slot = b""  # the one message that may be written now
        self._script: deque[bytes] = deque()  # what is said after it, each when its turn has come
        self._said = b""  # the last message that wants an answer
        self._awaiting = False
        self._answer_due_ns = NEVER_NS
        self._clear_ns = _LONG_AGO_NS
        self._heard = bytearray()
        self._heard_ns = _LONG_AGO_NS
        self._give_up_ns = NEVER_NS
        self._ask_due_ns = NEVER_NS
        self._missed_ns = NEVER_NS
        self._quiet_until_ns = NEVER_NS
        self._unanswered = 0
        self._pulse: Pulse | None = None
        self._triggered_ns = _LONG_AGO_NS
        self._abort_due_ns = NEVER_NS
        self._nonces: deque[int] = deque(maxlen=_REMEMBERED_NONCES)
        self._stray_told = 0
        self._counts = dict.fromkeys(
            (
                "commands", "refused", "duplicate_commands", "dropped_requests", "triggers", "aborts", "keep_alives",
                "unanswered", "stray_bytes",
            ),
            0,
        )  # fmt: skip
        self.firmware = 0

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
        """The fatal error that ended it, with its sentence; None while there is none."""
        return self._error

    @property
    def last_seq(self) -> int:
        """The ``source_seq`` of the newest record."""
        return self._writer.seq

    def start(self, now_ns: int) -> None:
        """Begin identification (queues bytes)."""
        self._stage = Stage.IDENTIFY
        self._give_up_ns = now_ns + SILENCE_NS
        self._answer_due_ns = now_ns
        self._pump(now_ns)

    def feed(self, data: bytes, now_ns: int) -> None:
        """Take bytes read from the port, with their time of arrival."""
        for byte in data:
            self._take(byte, now_ns)
        self._pump(now_ns)

    def poll(self, now_ns: int) -> None:
        """Do what is due: keep-alives, timeouts, the abort after a train."""
        self._pump(now_ns)

    def due_ns(self) -> int:
        """Return when :meth:`poll` wants to be called next, or NEVER_NS."""
        if self._slot:
            return 0  # to be written now; what follows is seen after that
        if self._abort_due_ns != NEVER_NS or self._stage is Stage.END:
            return self._abort_due_ns
        if self._stage is Stage.IDENTIFY:
            return min(self._give_up_ns, self._heard_ns + LISTEN_NS if self._heard else self._answer_due_ns)
        if self._awaiting:
            return self._answer_due_ns
        if self._script or (self._stage is Stage.REST and self._pulse is not None):
            return self._clear_ns
        return {Stage.REST: self._ask_due_ns, Stage.QUIET: self._quiet_until_ns}.get(self._stage, NEVER_NS)

    def outgoing(self) -> bytes:
        """Return the one message to be written now, and forget it; after :meth:`close` the last two together."""
        message, self._slot = self._slot, b""
        return message

    def records(self) -> Events:
        """Return what was published since the last call, shape ``(n,)``."""
        return self._writer.take()

    def remarks(self) -> list[str]:
        """Return one sentence per FAULT record since the last call."""
        remarks, self._remarks = self._remarks, []
        return remarks

    def counters(self) -> dict[str, int]:
        """Return everything that was counted, by name."""
        return {**self._counts, "firmware": self.firmware}

    def safe(self, now_ns: int) -> None:
        """Abort all trains and disarm, ahead of everything else; pulses still waiting are recalled."""
        if not self._identified or self._state is DeviceState.CLOSED:
            return  # nobody knows yet what sits there: it is told nothing
        self._armed = False
        self._abort(now_ns)

    def close(self, now_ns: int) -> None:
        """Abort, disconnect and end; both messages are written at once, as nothing follows them."""
        if self._state is DeviceState.CLOSED:
            return
        self._forget_pulse(self._stage is Stage.TRAIN, now_ns)
        self._fall_silent()
        self._state = DeviceState.CLOSED
        self._armed = False
        # Each of the two aborts all channels, so they end a train even if its trigger overtakes the first.
        self._slot = say.ABORT + say.DISCONNECT if self._identified else b""

    def command(self, records: Events, now_ns: int) -> None:
        """Carry out COMMAND records that were decided together; a refusal is a FAULT record."""
        offs = {int(line) for line in records["line"][records["value"] == 0]}
        wanted: dict[int, int] = {}
        for record in records:
            self._counts["commands"] += 1
            self._command(record, offs, wanted, now_ns)
        if wanted:
            self._pulse = Pulse(wanted, now_ns)
        self._pump(now_ns)

    # --- commands

    def _command(self, record: np.void, offs: set[int], wanted: dict[int, int], now_ns: int) -> None:
        """Carry out one command; a pulse is added to ``wanted``. ``offs``: all lines that are switched off with it."""
        line, length_ns = int(record["line"]), float(record["value"])
        output = self._outputs.get(line)
        if output is None and line != Line.ARM:
            self._refuse(line, now_ns, f"has no output for line {line}")
        elif not self._identified or self._state is DeviceState.CLOSED:
            self._refuse(line, now_ns, "is not connected")
        elif output is None:
            if length_ns == 0:
                wanted.clear()
            self._command_arm(length_ns != 0, now_ns)
        elif length_ns == 0:
            wanted.pop(line, None)
            self._tell_cut(offs, Line(line), now_ns)
            self._abort(now_ns)
        else:
            self._command_pulse(output, length_ns, int(record["source_seq"]), wanted, now_ns)

    def _command_arm(self, wanted: bool, now_ns: int) -> None:
        if wanted and self._state is not DeviceState.READY:
            self._refuse(Line.ARM, now_ns, "is not ready, so it is not armed")
            return
        self._armed = wanted
        if not wanted:
            self._abort(now_ns)

    def _command_pulse(self, output: Output, length_ns: float, nonce: int, wanted: dict[int, int], now_ns: int) -> None:
        if nonce and nonce in self._nonces:
            self._counts["duplicate_commands"] += 1
            return
        units = output.units_of(length_ns)
        code, why = self._obstacle(output, length_ns, units, now_ns)
        if not why and output.line in wanted:
            code, why = Fault.DEVICE_REFUSED, "has just been asked for another pulse"
        if why:
            self._refuse(output.line, now_ns, f"does not give a pulse on {output.line.name}: it {why}", code)
        else:
            self._nonces.append(nonce)
            wanted[output.line] = units

    def _obstacle(self, output: Output, length_ns: float, units: int, now_ns: int) -> tuple[Fault, str]:
        """Return why a pulse cannot be given, as the end of a sentence; empty: it can."""
        code, why = Fault.DEVICE_REFUSED, ""
        if self._state is not DeviceState.READY:
            why = "is not ready"
        elif not units:
            limit_ms = output.max_on_units // _UNITS_PER_MS
            why = f"takes up to max_on_ms = {limit_ms}, not {length_ns / NS_PER_MS:g} ms"
        elif not self._armed:
            why = "is not armed"
        elif self._stage in {Stage.QUIET, Stage.PROBE, Stage.PROGRAM}:
            why = "has left a message unanswered and is being asked whether it works"
        elif output.off_ns <= now_ns < output.off_ns + output.min_gap_ns:
            code = Fault.DEVICE_GAP
            why = f"was on less than min_gap_ms = {output.min_gap_ns // NS_PER_MS} ago"
        elif self._stage is Stage.TRAIN or self._pulse is not None:
            why = "runs a train, or has just ended one, and can only be aborted meanwhile"
        elif output.exceeds_duty(units, now_ns):
            code = Fault.DEVICE_DUTY
            why = f"would be on for more than duty_ms = {output.duty_ns // NS_PER_MS} within a minute"
        return code, why

    def _tell_cut(self, offs: set[int], line: Line, now_ns: int) -> None:
        """Record which other lines lose their train because ``line`` is switched off: an abort knows no channels."""
        for other in () if self._pulse is None else self._pulse.units:
            if other not in offs and (self._stage is not Stage.TRAIN or now_ns < self._outputs[other].off_ns):
                why = f"cut or recalled the train on {Line(other).name}, because {line.name} was switched off"
                self._refuse(other, now_ns, f"{why}: an abort ends all its channels")

    def _refuse(self, line: int, now_ns: int, why: str, code: Fault = Fault.DEVICE_REFUSED) -> None:
        self._counts["refused"] += 1
        self._tell(code, now_ns, f"{self._name} {why}.", line)

    def _refuse_pulse(self, now_ns: int, why: str) -> None:
        """Give up the pulse that was to be triggered."""
        pulse, self._pulse = self._pulse, None
        for line in () if pulse is None else pulse.units:
            self._refuse(line, now_ns, f"was not triggered on {Line(line).name}: {why}")

    def _tell(self, code: Fault, now_ns: int, sentence: str, line: int | None = None) -> None:
        if line is None:
            self._writer.add(Kind.FAULT, now_ns, code)
        else:
            self._writer.add(Kind.FAULT, now_ns, code, line, animal_of(line))
        self._remarks.append(sentence)

    # --- what is said

    def _pump(self, now_ns: int) -> None:
        """Do everything that is due, until there is a message to be written."""
        while not self._slot and self._step(now_ns):
            pass

    def _step(self, now_ns: int) -> bool:
        """Do the next thing that is due; return whether there may be another."""
        if now_ns >= self._abort_due_ns:
            self._end_train(now_ns)
        elif self._abort_due_ns != NEVER_NS or self._stage is Stage.END:
            return False
        elif self._stage is Stage.IDENTIFY:
            return self._identify(now_ns)
        elif self._awaiting:
            if now_ns < self._answer_due_ns:
                return False
            self._miss(now_ns, f"it did not answer within {ANSWER_NS // NS_PER_MS} ms")
        elif self._script:
            if now_ns < self._clear_ns:
                return False
            self._say(now_ns)
        else:
            return self._rest(now_ns)
        return True

    def _rest(self, now_ns: int) -> bool:
        """Begin what comes next, if it is time; return whether something was begun."""
        if self._stage is Stage.REST and self._pulse is not None:
            self._begin(self._pulse)
        elif self._stage is Stage.REST and now_ns >= self._ask_due_ns:
            self._tell_strays(now_ns)
            self._counts["keep_alives"] += 1
            self._stage = Stage.ASK
            self._script.append(say.HANDSHAKE)
        elif self._stage is Stage.QUIET and now_ns >= self._quiet_until_ns:
            self._stage = Stage.PROBE
            self._script.append(say.HANDSHAKE)
        else:
            return False
        return True

    def _begin(self, pulse: Pulse) -> None:
        """Program the lengths that differ, then trigger all lines of ``pulse`` at once."""
        self._stage = Stage.SET
        mask = 0
        for line, units in pulse.units.items():
            output = self._outputs[line]
            mask |= 1 << output.pin
            if output.programmed_units != units:
                self._script.append(say.train_duration(output.pin, units))
        self._script.append(say.trigger(mask))

    def _say(self, now_ns: int) -> None:
        """Put the script's next message into the slot."""
        message = self._script.popleft()
        op = message[1]
        if op == Op.TRIGGER and not self._start_train(now_ns):
            return
        self._slot = message
        self._counts["aborts"] += op == Op.ABORT
        if op not in _ANSWERED:
            self._clear_ns = now_ns + SPACING_NS
        else:
            self._said = message
            self._awaiting = True
            self._answer_due_ns = now_ns + ANSWER_NS
            self._heard.clear()

    def _start_train(self, now_ns: int) -> bool:
        """Count on the train whose trigger is about to be written; return False if it has become too late for it."""
        pulse = self._pulse
        if pulse is None or now_ns - pulse.asked_ns > LATE_NS:
            self._refuse_pulse(now_ns, f"it took more than {LATE_NS // NS_PER_MS} ms to program")
            self._stage = Stage.REST
            return False
        self._stage = Stage.TRAIN
        self._counts["triggers"] += 1
        self._triggered_ns = now_ns
        for line, units in pulse.units.items():
            self._outputs[line].charge(units, now_ns)
        self._abort_due_ns = now_ns + max(pulse.units.values()) * UNIT_NS + MARGIN_NS
        return True

    def _end_train(self, now_ns: int) -> None:
        """Send the abort that is owed."""
        self._abort_due_ns = NEVER_NS
        self._slot = say.ABORT
        self._counts["aborts"] += 1
        self._clear_ns = now_ns + SPACING_NS
        self._pulse = None
        if self._stage is Stage.TRAIN:
            self._stage = Stage.REST

    def _abort(self, now_ns: int) -> None:
        """Abort at once; a pulse that waits is recalled, whatever else waits is said later."""
        unsent, self._slot = self._slot, say.ABORT
        self._counts["aborts"] += unsent != say.ABORT
        self._clear_ns = now_ns + SPACING_NS
        if unsent not in {b"", say.ABORT}:
            self._awaiting = False
            self._script.appendleft(unsent)
        if self._stage is Stage.QUIET:
            # Half a message may be waiting for just these bytes, and then for more.
            self._quiet_until_ns = min(now_ns + QUIET_NS, self._missed_ns + LONGEST_QUIET_NS)
        started = self._stage is Stage.TRAIN and Op.TRIGGER not in {message[1] for message in self._script}
        self._forget_pulse(started, now_ns)
        if self._stage in {Stage.SET, Stage.TRAIN}:
            self._script.clear()
            overtaken = started and now_ns - self._triggered_ns < RACE_NS
            self._abort_due_ns = now_ns + RACE_NS if overtaken else NEVER_NS
            if not overtaken and not self._awaiting:
                self._stage = Stage.REST

    def _forget_pulse(self, started: bool, now_ns: int) -> None:
        """Count on no more light from the pulse: its train has ended now, or never ``started``."""
        pulse, self._pulse = self._pulse, None
        lines = () if pulse is None else tuple(pulse.units)
        self._counts["dropped_requests"] += 0 if started else len(lines)
        for line in lines if self._stage is Stage.TRAIN else ():
            output = self._outputs[line]
            output.off_ns = min(output.off_ns, now_ns)

    # --- what is heard

    def _take(self, byte: int, now_ns: int) -> None:
        """Take one byte from the device."""
        self._heard_ns = now_ns
        if self._stage is Stage.IDENTIFY:
            self._heard.append(byte)
        elif not self._awaiting or self._slot:
            self._counts["stray_bytes"] += 1
        elif self._said[1] in _CONFIRMATION:
            self._take_confirmation(byte, now_ns)
        else:
            self._heard.append(byte)
            answer = say.handshake_answer(self.firmware)
            if self._heard.endswith(answer):
                self._counts["stray_bytes"] += len(self._heard) - len(answer)
                self._answered(now_ns)

    def _take_confirmation(self, byte: int, now_ns: int) -> None:
        if byte == say.CONFIRMED:
            self._answered(now_ns)
        elif byte == say.REFUSED and self._stage is Stage.PROGRAM:
            self._fail(
                ConfigurationRefused(
                    f"{self._name} did not take its parameters. Its firmware ({self.firmware}) is another than this "
                    "driver knows: install firmware 21."
                ),
                now_ns,
            )
        else:
            self._counts["stray_bytes"] += 1
            self._miss(now_ns, f"it answered {byte} instead of a confirmation")

    def _answered(self, now_ns: int) -> None:
        """Go on after the awaited answer has come."""
        self._awaiting = False
        self._ask_due_ns = now_ns + self._keep_alive_ns
        match self._stage:
            case Stage.PROBE:
                self._stage = Stage.PROGRAM
                self._script.extend((say.ABORT, self._program))
            case Stage.PROGRAM:
                self._unanswered = 0
                self._stage = Stage.REST
                self._state = DeviceState.READY
                for output in self._outputs.values():
                    output.programmed_units = output.max_on_units
            case Stage.ASK:
                self._stage = Stage.REST
            case Stage.SET:
                for output in self._outputs.values():
                    if output.pin + 1 == self._said[3]:
                        output.programmed_units = int.from_bytes(self._said[4:], "little")
                if not self._script:  # the pulse was recalled meanwhile
                    self._stage = Stage.REST

    def _miss(self, now_ns: int, why: str) -> None:
        """Go on after an awaited answer has not come: first, say nothing that could complete half a message."""
        self._awaiting = False
        self._script.clear()
        self._unanswered += 1
        self._counts["unanswered"] += 1
        self._refuse_pulse(now_ns, why)
        self._stage = Stage.QUIET
        self._missed_ns = now_ns
        self._quiet_until_ns = now_ns + QUIET_NS
        if self._unanswered >= MAX_UNANSWERED:
            self._fail(_frozen(self._name, self._unanswered), now_ns)

    def _tell_strays(self, now_ns: int) -> None:
        stray = self._counts["stray_bytes"]
        if stray > self._stray_told:
            sentence = f"{stray - self._stray_told} bytes from {self._name} answered nothing. Look at its cable."
            self._tell(Fault.GARBAGE, now_ns, sentence)
            self._stray_told = stray

    # --- who is there

    def _identify(self, now_ns: int) -> bool:
        """Ask who is there, and look at what was heard once it is silent; return whether there may be more to do."""
        if self._heard and now_ns >= self._heard_ns + LISTEN_NS:
            self._read_identity(now_ns)
        elif now_ns >= self._give_up_ns:
            self._counts["stray_bytes"] += len(self._heard)
            self._fail(_silent_at_start(self._name, self._counts["stray_bytes"]), now_ns)
        elif not self._heard and now_ns >= self._answer_due_ns:
            self._answer_due_ns = now_ns + IDENTIFY_RETRY_NS
            self._slot = say.HANDSHAKE
        else:
            return False
        return True

    def _read_identity(self, now_ns: int) -> None:
        firmware = say.firmware_in(self._heard)
        known = 0 if firmware is None else say.ANSWER_BYTES
        self._counts["stray_bytes"] += len(self._heard) - known
        self._heard.clear()
        if firmware is None:
            return
        self.firmware = firmware
        if firmware < say.MIN_FIRMWARE:
            self._fail(_model_1(self._name, firmware), now_ns)
            return
        self._identified = True
        self._stray_told = self._counts["stray_bytes"]
        self._stage = Stage.PROGRAM
        self._script.extend((say.ABORT, say.ABORT, say.client_name(CLIENT), self._program))

    # --- the end

    def _fail(self, error: DeviceError, now_ns: int) -> None:
        """End with a fatal error: remembered, recorded, aborted, nothing asked any more."""
        self._error = error
        self._fall_silent()
        self._state = DeviceState.FAULTED
        self._tell(error.fault, now_ns, str(error))
        self.safe(now_ns)

    def _fall_silent(self) -> None:
        """Say nothing more but aborts."""
        self._stage = Stage.END
        self._script.clear()
        self._slot = b""
        self._awaiting = False
        self._abort_due_ns = NEVER_NS


def outputs_of(settings: DeviceSettings) -> dict[int, Output]:
    """Return the rig's lines on a Pulse Pal.

    Raises
    ------
    BadSettings
        If it asks for pins, limits or trains that a Pulse Pal does not have.
    """
    name = settings.name
    if settings.copies:
        raise BadSettings(f"{name}: a Pulse Pal reports no inputs. Wire copies to a board that stamps them.")
    pins = list(settings.pins.values())
    if len(set(pins)) != len(pins):
        raise BadSettings(f"{name}: two lines share a pin. Give each line a pin of its own.")
    outputs = {}
    for number, pin in settings.pins.items():
        line = Line(number)
        if line // 2 != Role.LASER or not 0 <= pin < say.N_CHANNELS:
            raise BadSettings(
                f"{name}: {line.name} cannot be on pin {pin}: lasers on 0 to {say.N_CHANNELS - 1} are all it has."
            )
        max_on_units = _limit(name, "max_on_ms", settings.max_on_ms.get(line, DEFAULT_MAX_ON_MS), MAX_ON_RANGE_MS, line)
        max_on_units *= _UNITS_PER_MS
        gap_ms = _limit(name, "min_gap_ms", settings.min_gap_ms.get(line, DEFAULT_MIN_GAP_MS), MIN_GAP_RANGE_MS, line)
        duty_ms = _limit(name, "duty_ms", settings.duty_ms.get(line, DEFAULT_DUTY_MS), DUTY_RANGE_MS, line)
        program = program_of(settings, max_on_units)
        outputs[int(line)] = Output(line, pin, max_on_units, gap_ms * NS_PER_MS, duty_ms * NS_PER_MS, program)
    return outputs


def program_of(settings: DeviceSettings, max_on_units: int) -> ChannelProgram:
    """Return what a channel is told at the start: the rig's train, or one plain pulse, for as long as max-on.

    Raises
    ------
    BadSettings
        If a Pulse Pal cannot make such a train.
    """
    train = settings.train
    if train is None:
        return ChannelProgram(max_on_units, max_on_units, max_on_units, say.level(PLAIN_VOLTS))
    if not (0 < train.rate_hz < _UNITS_PER_S and 0 < train.pulse_ms < NS_PER_S and 0 < train.volts <= say.FULL_SCALE_V):
        raise BadSettings(
            f"{settings.name}: a train of {train.pulse_ms:g} ms at {train.rate_hz:g} Hz and {train.volts:g} V cannot "
            f"be made. Use up to {say.FULL_SCALE_V:g} V, and a rate and a pulse above 0."
        )
    pulse_units = max(1, round(train.pulse_ms * _UNITS_PER_MS))
    interval_units = round(_UNITS_PER_S / train.rate_hz) - pulse_units
    if interval_units < 1:
        raise BadSettings(
            f"{settings.name}: pulses of {train.pulse_ms:g} ms at {train.rate_hz:g} Hz leave no pause of 50 µs between "
            "them. Shorten pulse_ms, lower rate_hz, or leave the train out for one plain pulse."
        )
    return ChannelProgram(pulse_units, interval_units, max_on_units, say.level(train.volts))


def _limit(name: str, what: str, value: int, allowed: tuple[int, int], line: Line) -> int:
    low, high = allowed
    if not low <= value <= high:
        raise BadSettings(f"{name}: {what} of {line.name} is {value}; a Pulse Pal's driver takes {low} to {high}.")
    return value


def _silent_at_start(name: str, stray_bytes: int) -> SilentDevice:
    heard = f"It sent {stray_bytes} bytes that are no Pulse Pal's answer." if stray_bytes else "It sent nothing."
    return SilentDevice(
        f"{name} did not say who it is within {SILENCE_NS / NS_PER_S:g} s. {heard} Is it plugged in, is the port "
        "right? If its display says COMM. FAILURE!, its outputs stay as they are: open its laser's interlock, then "
        "press its joystick."
    )


def _model_1(name: str, firmware: int) -> WrongDevice:
    return WrongDevice(
        f"{name} should be a Pulse Pal 2 (firmware {say.MIN_FIRMWARE} or above), but the device on its port has "
        f"firmware {firmware}: a Pulse Pal 1, whose messages differ. Correct the rig file's port, or use a Pulse Pal 2."
    )


def _frozen(name: str, count: int) -> SilentDevice:
    return SilentDevice(
        f"{name} left {count} messages in a row unanswered. If its display says COMM. FAILURE!, it stands still with "
        "its outputs as they are, and no message ends that: open its laser's interlock, press the joystick on the "
        "device, then start a new session. Otherwise check its cable."
    )


def create(settings: DeviceSettings, first_seq: int = 0) -> PulsePal:
    """Return a driver for the Pulse Pal that ``settings`` describe; its records count on from ``first_seq``.

    Raises
    ------
    BadSettings
        If a Pulse Pal does not have such pins, limits or trains.
    """
    return PulsePal(settings, first_seq)

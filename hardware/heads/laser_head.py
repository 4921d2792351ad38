"""What every laser head's driver does: identify, make safe, arm, watch. The makes differ in their words only.

A laser head is slow control. Light pulses come from a board's TTL at the head's digital modulation input; the serial
port sets the power, permits emission, and reads interlock and faults. A driver of a head has no lines; it hears
``Line.ARM``. A make is a :class:`hardware.heads.words.Head`: tables of steps, and how to read interlock and faults.

Stages, each a list of steps that are asked one after the other (:mod:`hardware.heads.text_lines`)::

    IDENTIFY --> CONFIGURE --> SURVEY --> READY, disarmed; then SURVEY every 500 ms
                                             |
                             ARM 1: CHECK --> PREPARE --> SWITCH_ON --> armed
                                             |
                             ARM 0, safe, any trouble: off, disarmed; nothing re-arms but a command

CHECK is a survey, PREPARE the whole configuration again: what holds for an armed head was set and read back within the
last second. The off command overtakes everything, also an awaited answer, and is verified.

Manual of all heads
-------------------
*Power.* ``power_mw`` is what the head emits while its TTL is high, in mW whatever the wire says.

*READY* means: configured and read back, emission off. An open interlock or a fault of the head is a FAULT record and
does not prevent READY; it prevents arming.

*Armed* means: the head was seen to permit emission. Light then follows the TTL at the modulation input; no TTL, no
light. Arming takes about a second. Where the head waits by law or to warm up before it emits, light is late: a FAULT
record (LIGHT_LATE) says so.

*Troubles* are told once, and again when they come back after they were gone: interlock open (DEVICE_INTERLOCK); a fault
of the head, in words; emission on while disarmed, or off while armed; another power or mode than was set (all
LASER_HEAD). Each switches emission off and disarms. None ends the driver. Nothing clears a fault of the head but a
person, at the head.

*What ends it* (FAULTED): another device on the port, or a setting not taken (DEVICE_REFUSED); no answer to three polls,
or to four times the same command (DEVICE_SILENT). A faulted driver repeats the off command every 500 ms until the head
acknowledges it, or the driver is closed or let go of.

*What is guaranteed.* A head has no watchdog: if this computer stops or its cable breaks while the head is armed, the
head stays armed. What bounds the light then is the board that gates the TTL, with its own watchdog, longest time on and
interlock. Without such a board in front of its modulation input, a head must not be armed.

*Not measured.* The head reports no edges. The power it measures is counted (``measured_uw``) and not recorded: between
pulses it is 0.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from hardware.device import (
    IDENTIFY_RETRY_NS,
    SILENCE_NS,
    ConfigurationRefused,
    DeviceError,
    DeviceSettings,
    DeviceState,
    SilentDevice,
    WrongDevice,
)
from hardware.heads.report import HeadReport
from hardware.heads.text_lines import Answer, Asked, Conversation, LineFramer, Patience
from hardware.heads.words import Head, Reading, Step, power_of, shown
from realtime.records import NEVER_NS, NS_PER_MS, NS_PER_S, Events, Fault, Line

POLL_NS: Final = 500 * NS_PER_MS
MAX_MISSED: Final = 3
TRIES: Final = 4
ANSWER_NS: Final = 200 * NS_PER_MS

_IDENTIFYING: Final = Patience(IDENTIFY_RETRY_NS, SILENCE_NS // IDENTIFY_RETRY_NS)
_SETTING: Final = Patience(ANSWER_NS, TRIES)
_POLLING: Final = Patience(POLL_NS, MAX_MISSED)
_UNENDING: Final = Patience(POLL_NS, None)


class Stage(IntEnum):
    """What the driver is asking for (see the module's picture)."""

    REST = 0
    IDENTIFY = 1
    CONFIGURE = 2
    SURVEY = 3
    CHECK = 4
    PREPARE = 5
    SWITCH_ON = 6


_ARMING: Final = frozenset({Stage.CHECK, Stage.PREPARE, Stage.SWITCH_ON})
_LOOKING: Final = frozenset({Stage.SURVEY, Stage.CHECK})
_SETTING_UP: Final = frozenset({Stage.CONFIGURE, Stage.PREPARE})


class LaserHead:
    """The driver of a laser head; the module's docstring is its manual, :class:`hardware.device.Driver` its interface.

    Parameters
    ----------
    settings
        What the rig says: ``power_mw``, and no lines.
    head
        The make.
    first_seq
        Number of the last record published for this device before, by an earlier driver.

    Raises
    ------
    BadSettings
        If the rig gives it no power, or lines.
    """

    def __init__(self, settings: DeviceSettings, head: Head, first_seq: int) -> None:
        self._name = settings.name
        self._power_mw = power_of(settings)
        self._head = head
        self._report = HeadReport(settings.name, settings.source, first_seq, head)
        self._framer = LineFramer()
        self._talk: Conversation[Step] = Conversation(head.ending)
        self._out: list[bytes] = []
        self._state = DeviceState.CONNECTING
        self._error: DeviceError | None = None
        self._stage = Stage.REST
        self._identified = False
        self._armed = False
        self._survey_due_ns = NEVER_NS
        self._off_due_ns = NEVER_NS  # when an off that was acknowledged and did nothing is repeated
        self._unknown: set[str] = set()  # optional steps that this head does not know
        self._last_line = ""  # what was heard last, unless it was an answer
        self._garbage_told = 0
        self._counts = dict.fromkeys(("commands", "dropped_questions", "error_answers", "ignored_lines", "surveys"), 0)

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
    def armed(self) -> bool:
        """Whether the head permits emission, by our command."""
        return self._armed

    @property
    def last_seq(self) -> int:
        """Number of the last record published."""
        return self._report.last_seq

    @property
    def model(self) -> str:
        """The head's model, as it says; empty before it did."""
        return str(self._head.readings.get(Reading.MODEL, ""))

    @property
    def serial_number(self) -> str:
        """The head's serial number, as it says; empty before it did."""
        return str(self._head.readings.get(Reading.SERIAL_NUMBER, ""))

    @property
    def firmware(self) -> str:
        """The head's firmware, as it says; empty before it did."""
        return str(self._head.readings.get(Reading.FIRMWARE, ""))

    def start(self, now_ns: int) -> None:
        """Begin identification."""
        self._begin(Stage.IDENTIFY, self._head.identification, _IDENTIFYING, now_ns)

    def feed(self, data: bytes, now_ns: int) -> None:
        """Take bytes read from the port at ``now_ns``."""
        for line in self._framer.feed(data, now_ns):
            self._last_line = line
            answer = self._head.answer(line)
            if self._state is DeviceState.CLOSED:
                self._counts["ignored_lines"] += 1
            elif answer is not None:
                self._take(answer, now_ns)
        self._pump(now_ns)

    def poll(self, now_ns: int) -> None:
        """Do what is due."""
        self._pump(now_ns)
        if now_ns >= self._off_due_ns:
            self._off_due_ns = now_ns + POLL_NS
            self._switch_off(now_ns, "its emission does not go off")
        if now_ns >= self._survey_due_ns and self._stage is Stage.REST:
            self._survey_due_ns = now_ns + POLL_NS
            self._begin(Stage.SURVEY, self._head.survey(self._power_mw), _POLLING, now_ns)

    def due_ns(self) -> int:
        """Return when :meth:`poll` wants to be called next, or NEVER_NS."""
        survey_due_ns = self._survey_due_ns if self._stage is Stage.REST else NEVER_NS
        return min(self._talk.due_ns(), self._off_due_ns, survey_due_ns)

    def outgoing(self) -> bytes:
        """Return the bytes to be written now, whole lines only, and forget them."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def records(self) -> Events:
        """Return what was published since the last call: FAULT records only."""
        return self._report.take()

    def remarks(self) -> list[str]:
        """Return one sentence per FAULT record since the last call."""
        return self._report.take_remarks()

    def counters(self) -> dict[str, int]:
        """Return everything that was counted, by name."""
        return {
            **self._counts,
            "armed": int(self._armed),
            "garbage_bytes": self._framer.garbage_bytes,
            "late_answers": self._talk.late,
            "measured_uw": round(1000 * self._report.measured_mw),
            "refused": self._report.refused,
            "retries": self._talk.retries,
            "unexpected_answers": self._talk.unexpected,
            "unknown_questions": len(self._unknown),
        }

    def safe(self, now_ns: int) -> None:
        """Switch emission off and disarm, ahead of everything else."""
        self._switch_off(now_ns)

    def close(self, now_ns: int) -> None:
        """Switch emission off and end."""
        if self._state is DeviceState.CLOSED:
            return
        self._switch_off(now_ns)
        self._state = DeviceState.CLOSED
        self._rest(urgent_too=True)

    def command(self, records: Events, now_ns: int) -> None:
        """Carry out COMMAND records; a refusal is a FAULT record."""
        for record in records:
            self._counts["commands"] += 1
            line = int(record["line"])
            if line != Line.ARM:
                self._report.refuse(f"is a laser head and has no output for line {line}", now_ns, line)
            elif not self._identified or self._state is DeviceState.CLOSED:
                self._report.refuse("is not connected", now_ns)
            elif record["value"] == 0:
                self._switch_off(now_ns)
            elif self._state is not DeviceState.READY:
                self._report.refuse("is not ready, so it is not armed", now_ns)
            elif not self._armed and self._stage not in _ARMING:
                self._counts["dropped_questions"] += self._talk.drop()
                self._begin(Stage.CHECK, self._head.survey(self._power_mw), _SETTING, now_ns)

    # --- questions and answers

    def _begin(self, stage: Stage, steps: Sequence[Step], patience: Patience, now_ns: int) -> None:
        self._stage = stage
        self._talk.ask([step for step in steps if step.text not in self._unknown], patience)
        self._pump(now_ns)

    def _pump(self, now_ns: int) -> None:
        """Send what is to be sent, and deal with what was given up."""
        while True:
            line, given_up = self._talk.poll(now_ns)
            if line:
                self._out.append(line)
            elif given_up is not None:
                self._give_up(given_up, now_ns)
            else:
                return

    def _give_up(self, asked: Asked[Step], now_ns: int) -> None:
        step = asked.question
        if self._stage is Stage.IDENTIFY:
            self._fail(self._nobody(), now_ns)
        elif asked.error:
            sentence = f"{self._name} answered '{asked.error}' to '{step.text}' ({step.what}), {asked.tries} times."
            self._fail(
                DeviceError(f"{sentence} It cannot be watched: check the head, then start a new session."), now_ns
            )
        else:
            sentence = f"{self._name} left '{step.text}' ({step.what}) unanswered, {asked.tries} times."
            self._fail(
                SilentDevice(
                    f"{sentence} It may still be on: nothing but the board that gates its light switches it off. "
                    "Check its cable and power, then start a new session."
                ),
                now_ns,
            )

    def _take(self, answer: Answer, now_ns: int) -> None:
        self._counts["error_answers"] += answer.is_error
        asked = self._talk.take(answer, now_ns)
        if asked is None:
            return
        self._last_line = ""
        if asked.error:
            self._take_error(asked, now_ns)
        else:
            self._take_value(asked, now_ns)
        if self._stage is not Stage.REST and self._talk.idle:
            self._finish(now_ns)

    def _take_error(self, asked: Asked[Step], now_ns: int) -> None:
        """Deal with an error; one that is not dealt with here is asked again, until it has had its tries."""
        step = asked.question
        if step.optional:
            self._unknown.add(step.text)
            self._talk.end()
        elif self._stage is Stage.IDENTIFY:
            self._fail(self._wrong(f"answered '{asked.error}' to '{step.text}'"), now_ns)
        elif self._stage in _SETTING_UP and not asked.urgent:
            self._fail(
                ConfigurationRefused(
                    f"{self._name} answered '{asked.error}' to '{step.text}' ({step.what}). "
                    "A head that does not take this cannot be used: check its model and firmware."
                ),
                now_ns,
            )
        elif self._stage is Stage.SWITCH_ON and not asked.urgent:
            self._talk.end()
            self._switch_off(now_ns, f"it answered '{asked.error}' to '{step.text}'")

    def _take_value(self, asked: Asked[Step], now_ns: int) -> None:
        step, value = asked.question, asked.value
        if step.reads is not Reading.NOTHING and value is not None:
            self._head.readings[step.reads] = value
        if self._stage in _SETTING_UP and not asked.urgent:
            self._check(step, value, now_ns)
        elif self._stage is not Stage.IDENTIFY:
            self._judge(step, value, now_ns)

    def _finish(self, now_ns: int) -> None:
        """Go on from a stage whose steps have all been answered."""
        stage, self._stage = self._stage, Stage.REST
        if stage in _LOOKING:
            self._report.looked()
        match stage:
            case Stage.IDENTIFY if self._head.mistaken():
                self._fail(self._wrong(f"calls itself '{self.model}'"), now_ns)
            case Stage.IDENTIFY:
                self._identified = True
                self._begin(Stage.CONFIGURE, self._head.configuration(self._power_mw), _SETTING, now_ns)
            case Stage.CONFIGURE:
                self._survey_due_ns = now_ns
            case Stage.SURVEY:
                self._counts["surveys"] += 1
                self._state = DeviceState.READY
                self._tell_garbage(now_ns)
            case Stage.CHECK if self._report.obstacle():
                self._report.refuse(f"is not armed: {self._report.obstacle()}", now_ns)
            case Stage.CHECK:
                self._begin(Stage.PREPARE, self._head.configuration(self._power_mw), _SETTING, now_ns)
            case Stage.PREPARE:
                self._begin(Stage.SWITCH_ON, self._head.switching_on, _SETTING, now_ns)
            case Stage.SWITCH_ON:
                self._arm(now_ns)

    def _arm(self, now_ns: int) -> None:
        """Believe what the head said of its emission after it was switched on."""
        if self._head.readings.get(Reading.EMISSION) or self._head.late():
            self._armed = True
            self._report.lateness(self._armed, now_ns)
            return
        hint = self._head.hint()
        self._stage = Stage.SWITCH_ON
        self._switch_off(now_ns, "it acknowledged the command and stayed off" + (f": {hint}" if hint else ""))

    # --- what the head says

    def _check(self, step: Step, value: float | str | None, now_ns: int) -> None:
        """Compare what was read back while the head is configured."""
        if step.reads is Reading.LIMIT and isinstance(value, float) and value < self._power_mw:
            self._fail(
                ConfigurationRefused(
                    f"{self._name} should emit {self._power_mw:g} mW, but its limit is {value:g} mW. "
                    "Lower power_mw in the rig file, or use another head."
                ),
                now_ns,
            )
        elif not step.satisfied(value):
            self._fail(
                ConfigurationRefused(
                    f"{self._name} did not take a setting: {step.what} reads {shown(value)} instead of "
                    f"{shown(step.wanted)} ('{step.text}'). Check its model and firmware."
                ),
                now_ns,
            )
        else:
            self._report.settled(step)

    def _judge(self, step: Step, value: float | str | None, now_ns: int) -> None:
        """Compare what the head says with what should be; a new trouble switches it off."""
        if step.reads is Reading.EMISSION:
            if self._stage is Stage.SWITCH_ON:
                return  # judged when that stage ends
            found_on = bool(value) and not self._armed
            self._off_due_ns = min(self._off_due_ns, now_ns + POLL_NS) if found_on else NEVER_NS
        elif step.reads is Reading.STATE:
            self._report.lateness(self._armed, now_ns)
        trouble = self._report.judge(step, value, self._armed, now_ns)
        if trouble:
            self._switch_off(now_ns, trouble)
        if trouble and step.reads is Reading.EMISSION and not value:
            self._counts["dropped_questions"] += self._talk.drop()  # look at once for what switched it off
            self._begin(Stage.SURVEY, self._head.survey(self._power_mw), _POLLING, now_ns)

    def _tell_garbage(self, now_ns: int) -> None:
        count = self._framer.garbage_bytes - self._garbage_told
        if count:
            self._garbage_told += count
            sentence = f"{count} bytes from {self._name} were no text. Look at its cable and baud rate."
            self._report.tell(Fault.GARBAGE, sentence, now_ns)

    # --- off, and the end

    def _switch_off(self, now_ns: int, why: str = "") -> None:
        """Send the off command now, ahead of everything; an arming under way is refused, because of ``why``."""
        if not self._identified:
            return  # nobody knows yet what sits there: it is told nothing
        self._armed = False
        if self._stage in _ARMING:
            self._stage = Stage.REST
            self._counts["dropped_questions"] += self._talk.drop()
            if why:
                self._report.refuse(f"is not armed: {why}", now_ns)
        patience = _UNENDING if self._state is DeviceState.FAULTED else _SETTING
        self._talk.overtake((self._head.off, self._head.emission), patience)
        self._pump(now_ns)

    def _fail(self, error: DeviceError, now_ns: int) -> None:
        """End with a fatal error: remembered, recorded, emission off, nothing else asked any more."""
        if self._error is not None or self._state is DeviceState.CLOSED:
            return
        self._error = error
        self._state = DeviceState.FAULTED
        self._report.tell(error.fault, str(error), now_ns)
        self._rest()
        self._switch_off(now_ns)

    def _rest(self, urgent_too: bool = False) -> None:
        """Ask nothing more of the head but, unless ``urgent_too``, to be off."""
        self._stage = Stage.REST
        self._survey_due_ns = NEVER_NS
        self._counts["dropped_questions"] += self._talk.drop(urgent_too)
        if urgent_too:
            self._off_due_ns = NEVER_NS

    def _nobody(self) -> DeviceError:
        """Return the error for a start at which nobody said who is there."""
        if self._last_line:
            return self._wrong(f"says '{self._last_line}'")
        garbage = self._framer.garbage_bytes
        heard = f"It sent {garbage} bytes that are no text." if garbage else "It sent nothing that was asked for."
        return SilentDevice(
            f"{self._name} did not say who it is within {SILENCE_NS / NS_PER_S:g} s. {heard} "
            f"Is it powered, is the port right, is it a {self._head.make}?"
        )

    def _wrong(self, what: str) -> WrongDevice:
        return WrongDevice(
            f"{self._name} should be a {self._head.make}, but the device on its port {what}. "
            "Correct the rig file's port or driver."
        )

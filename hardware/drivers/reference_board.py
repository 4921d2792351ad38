"""The project's reference board: two poke beams, two licks, two valves and two lasers on one clock (Harp, 1 Mbaud).

Manual
------
*Who it is.* WhoAmI 3335 (0x0D07), the project's own number, not registered with harp-tech/whoami.

*Pins.* ``POKE_*`` 0 to 3 and ``LICK_*`` 4 or 5 are bits of DigitalInputState (register 32); ``VALVE_*`` 0 or 1 and
``LASER_*`` 2 or 3 are bits of the outputs. An input that no sensor uses can carry the copy of another device's output
(``copies``, 0 to 5): its edges are recorded as that output's. All registers: :mod:`hardware.board.registers`.

*Start.* Asks WhoAmI every 250 ms (a UART board boots for up to 2 s after DTR), gives up after 2.5 s. Then: everything
off, disarmed, local rules cleared, limits and timeouts written and read back, all inputs listened to, clock pinged,
Active, inputs read. A beam that is broken by then is a POKE_IN with ``Flag.HELD``. READY means: configured, disarmed,
reporting.

*Start anew.* A driver that follows on one that failed (``first_seq`` above 0) goes on counting. Edges in between are
lost: the first record, and the first edge of every line, carry ``Flag.GAP``.

*Commands.* A pulse goes out as PulseCmd (208), its length rounded to the nearest ms and at least 1 ms. It is repeated
with the same nonce after 20 ms, three times; the board fires it once. Pulses of one length that were decided together
go out as one PulseCmd and open at one instant; otherwise one pulse is under way at a time, and the next follows the
answer. A pulse longer than the line's max-on is refused, never shortened. Length 0 is OutputClear at once,
and recalls pulses of that line still waiting. What happened is what the board reports (OutputEvent, 207); a pulse that
was acknowledged and shows no ON edge within 50 ms is EDGE_MISSING.

*Limits.* The board itself refuses a pulse that follows the last one by less than ``min_gap_ms`` (DEVICE_GAP), and cuts
or refuses what has used up its ``duty_ms`` within a minute (DEVICE_DUTY). The fault names the line where only one can
be meant; the refused pulse is not EDGE_MISSING as well. A laser that is not armed is refused (DEVICE_REFUSED).

*Sensors.* An input that changes more than ``chatter_hz`` times in a second is muted by the board: it reads 0, and is
BEAM_CHATTER (one per line). The board is asked to listen to it again every 10 s; if it chatters on, it is muted and
told again. Inputs that the rig does not use stay muted, counted as ``muted_unused``. A beam that has been broken for
longer than ``stuck_ns`` is BEAM_STUCK, once until it was free.

*Local rule.* :meth:`ReferenceBoard.rule`: the next time that a beam breaks, the board itself fires one pulse, within
microseconds. The session's loop does not use it yet: it would have to expect edges that it did not command.

*Clock.* A keep-alive every ``keep_alive_ms`` is a ping. Its answer is a CLOCK record: the board sends every earlier
event before it answers, so everything up to that time has been reported (1 ns before the answer's stamp: an event can
still share the stamp).

*Losses.* Once a second EventCount (209) shows lost events: DEVICE_OVERFLOW, with ``Flag.GAP`` on it and on the record
after it; then inputs and outputs are read anew.

*What ends it* (FAULTED, everything off, no more keep-alives, so the board's watchdog ends whatever this driver cannot
reach): three keep-alives unanswered in a row (DEVICE_SILENT); an off, a disarm or the clearing of a rule never
acknowledged (DEVICE_SILENT); a restart or a step of the board's clock (DEVICE_RESET); the board's watchdog
(DEVICE_WATCHDOG); another WhoAmI, or a setting not taken (DEVICE_REFUSED). Nothing re-arms but a command.
"""

from typing import Final

from hardware.board import requests as ask
from hardware.board import troubles as trouble
from hardware.board.actions import BoardActions
from hardware.board.events import BoardEvents
from hardware.board.keep_alive import MAX_MISSED, KeepAlive
from hardware.board.registers import Register
from hardware.board.report import BoardReport
from hardware.board.setup import BoardSetup, Stage
from hardware.clock_map import ClockMap
from hardware.device import DeviceError, DeviceSettings, DeviceState, Lane, Request
from hardware.harp import Framer, Message, MessageType
from realtime.records import NEVER_NS, NS_PER_MS, NS_PER_S, Events, Fault, Line, Role

NAME: Final = "reference_board"
BAUD: Final = 1_000_000
ROLES: Final = frozenset({Role.POKE, Role.LICK, Role.VALVE, Role.LASER})
CONFIRMS: Final = frozenset({Role.VALVE, Role.LASER})

HEALTH_NS: Final = NS_PER_S
SYNC_PINGS: Final = 3
BACKWARDS_NS: Final = 20 * NS_PER_MS
"""Stamps of one board may be out of order by less than this; more is a restart."""


class ReferenceBoard:
    """The driver; the module's docstring is its manual, :class:`hardware.device.Driver` its interface.

    Raises
    ------
    BadSettings
        If the rig asks for pins or limits that the board does not have.
    """

    def __init__(self, settings: DeviceSettings, first_seq: int = 0) -> None:
        self._settings = settings
        inputs, outputs = ask.wires_of(settings)
        self._framer = Framer()
        self._clock = ClockMap(BAUD if settings.link_baud is None else settings.link_baud)
        self._keep_alive = KeepAlive(self._clock, settings.keep_alive_ms * NS_PER_MS)
        self._report = BoardReport(settings.name, settings.source, inputs, outputs.values(), self._clock, first_seq)
        self._actions = BoardActions(inputs, outputs, self._report)
        self._events = BoardEvents(settings, inputs, outputs, self._report, self._actions)
        self._setup = BoardSetup(settings, outputs, self._events)
        self._out: list[bytes] = []
        self._state = DeviceState.CONNECTING
        self._error: DeviceError | None = None
        self._last_device_ns = 0
        self._clock_lost = False
        self._health_due_ns = NEVER_NS
        self._garbage_told = 0
        self._dropped = 0
        self._ignored = 0

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
        """The ``source_seq`` of the newest record: the ``first_seq`` of the driver that follows on this one."""
        return self._report.last_seq

    @property
    def firmware(self) -> str:
        """The version of the board's firmware; empty before it is known."""
        return self._setup.firmware

    def start(self, now_ns: int) -> None:
        """Begin identification."""
        self._setup.start()
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
        self._events.poll(now_ns)
        self._pump(now_ns)
        self._actions.pulses.poll(now_ns)
        if now_ns >= self._keep_alive.due_ns:
            self._ping(now_ns)
        if now_ns >= self._health_due_ns:
            self._health_due_ns = now_ns + HEALTH_NS
            self._out += (ask.READ_EVENT_COUNT, ask.READ_FAULT)
            self._tell_garbage(now_ns)

    def due_ns(self) -> int:
        """Return when :meth:`poll` wants to be called next, or NEVER_NS."""
        return min(
            self._keep_alive.due_ns,
            self._health_due_ns,
            self._framer.due_ns(),
            self._events.due_ns(),
            self._actions.pulses.due_ns(),
            *(lane.due_ns() for lane in self._lanes),
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
            "commands": self._actions.commands,
            "refused": self._report.refused,
            "duplicate_commands": self._actions.pulses.duplicates,
            "dropped_requests": self._dropped + self._actions.dropped,
            "edges_missing": self._actions.pulses.missing,
            "missed_pings": self._keep_alive.missed,
            "late_pings": self._keep_alive.late,
            "lost_events": self._events.lost,
            "repeated_events": self._events.repeated,
            "ignored_messages": self._ignored,
            "boot_cause": self._setup.boot_cause,
            "muted_unused": self._events.muted_unused,
            "early_edges": self._report.early,
            "garbage_bytes": self._framer.garbage_bytes,
            "bad_checksums": self._framer.bad_checksums,
            "retries": sum(lane.retries for lane in self._lanes),
            "stale_answers": sum(lane.stale for lane in self._lanes),
            "clock_epochs": self._clock.epoch,
            "clock_clamped": self._clock.clamped,
            "clock_uncertainty_ns": self._clock.uncertainty_ns,
            "clock_drift_ppb": self._clock.drift_ppb,
            "clock_offset_ns": self._clock.offset_ns,
        }

    def safe(self, now_ns: int) -> None:
        """Switch all outputs off and disarm, ahead of everything else; pulses and rules still waiting are recalled."""
        if not self._setup.identified:
            return  # nobody knows yet what sits there: it is told nothing
        self._out.clear()
        self._actions.make_safe()
        self._pump(now_ns)

    def close(self, now_ns: int) -> None:
        """Make safe, put the board to standby, and end."""
        self.safe(now_ns)
        if self._setup.identified:
            self._out.append(ask.STANDBY)
        self._state = DeviceState.CLOSED
        self._rest()

    def command(self, records: Events, now_ns: int) -> None:
        """Carry out COMMAND records that were decided together; a refusal is a FAULT record."""
        if self._setup.identified and self._state is not DeviceState.CLOSED:
            self._actions.command(records, self._state, now_ns)
        else:
            self._actions.refuse_all(records, now_ns)
        self._pump(now_ns)

    # --- what only this board can do

    def rule(self, beam: Line, output: Line, length_ns: int, window_ns: int, now_ns: int) -> None:
        """Have the board itself pulse ``output`` for ``length_ns`` the next time that ``beam`` breaks.

        The board decides within microseconds, under every limit of a commanded pulse; the edges that follow are its
        own events, as ever. The rule fires once, and only within ``window_ns`` of the board's hearing of it; then it is
        spent. The outputs of each animal have one rule: a newer one takes its place. Disarming (of any laser),
        :meth:`safe` and an open interlock clear all rules; switching ``output`` off does not.

        Lengths are rounded to ms. A refusal is a FAULT record: not ready, no such beam or output, a length above
        max-on, a window above 65.535 s, or no answer in four tries. A laser may be asked for while disarmed: the board
        refuses it when it fires.

        Parameters
        ----------
        beam
            A poke line of this board.
        output
            A valve or laser of this board.
        length_ns
            Length of the pulse.
        window_ns
            How long the rule stands; 0 clears it.
        now_ns
            The time.
        """
        if self._state is DeviceState.READY:
            self._actions.rule(beam, output, length_ns, window_ns, now_ns)
        else:
            self._report.refuse(output, now_ns, f"is not ready for a local rule on {output.name}")
        self._pump(now_ns)

    # --- requests and their answers

    @property
    def _lanes(self) -> tuple[Lane, ...]:
        """All lanes, in the order of their urgency: a fault is cleared before the next pulse can raise it again."""
        return *self._actions.urgent, self._setup.lane, *self._actions.lanes

    def _pump(self, now_ns: int) -> None:
        """Send what the lanes have to send, and deal with what they gave up."""
        if self._events.questions:
            self._setup.lane.waiting += self._events.questions
            self._events.questions.clear()
        for lane in self._lanes:
            if lane.current is not None or lane.waiting:
                frame, given_up = lane.poll(now_ns)
                if frame:
                    self._out.append(frame)
                if given_up is not None:
                    self._give_up(lane, given_up, now_ns)

    def _give_up(self, lane: Lane, request: Request, now_ns: int) -> None:
        if self._state in {DeviceState.FAULTED, DeviceState.CLOSED}:
            self._dropped += 1
        elif not self._setup.identified:
            self._fail(trouble.silent_at_start(self._settings.name, self._framer.garbage_bytes), now_ns)
        elif self._actions.given_up(lane, request, now_ns):
            return
        elif lane is self._setup.lane and self._setup.stage < Stage.RUN:
            self._fail(trouble.configuration_refused(self._settings.name, request), now_ns)
        else:
            self._fail(trouble.unacknowledged(self._settings.name, request), now_ns)

    def _take(self, message: Message, now_ns: int) -> None:
        """Take one message from the board."""
        device_ns = message.device_ns
        if device_ns is None or self._clock_lost:
            self._ignored += 1
            return
        if device_ns < self._last_device_ns - BACKWARDS_NS and self._setup.identified:
            self._lose_clock(now_ns)
            return
        self._last_device_ns = max(device_ns, self._last_device_ns)
        if message.type == MessageType.EVENT:
            self._ignored += not self._events.event(message, device_ns, now_ns)
        elif message.address == Register.KEEP_ALIVE:
            self._take_pong(message, device_ns, now_ns)
        else:
            self._take_answer(message, device_ns, now_ns)
        if self._events.watchdog_expired:
            self._fail(trouble.watchdog_expired(self._settings), now_ns)

    def _take_answer(self, message: Message, device_ns: int, now_ns: int) -> None:
        address = message.address
        if self._setup.is_answer(message):
            self._take_setup(message, device_ns, now_ns)
        elif address == Register.EVENT_COUNT and not message.is_error:
            self._events.count(message.value, now_ns)
        elif address == Register.FAULT and not message.is_error:
            self._events.faults(message.value, device_ns, now_ns)
        elif not self._actions.answered(message, now_ns):
            self._ignored += 1

    # --- setting up

    def _take_setup(self, message: Message, device_ns: int, now_ns: int) -> None:
        error = self._setup.take(message, device_ns, now_ns)
        if error is not None:
            self._fail(error, now_ns)
        elif self._setup.stage == Stage.SYNCHRONISE:
            self._synchronise(now_ns)
        elif self._setup.stage == Stage.RUN and self._state is DeviceState.CONNECTING:
            self._state = DeviceState.READY
            self._health_due_ns = now_ns + HEALTH_NS
            self._garbage_told = self._framer.garbage_bytes

    def _synchronise(self, now_ns: int) -> None:
        """Ping until the clock is set."""
        if self._state is not DeviceState.CONNECTING or not self._keep_alive.idle:
            return
        if self._clock.pings < SYNC_PINGS:
            self._ping(now_ns)
        else:
            self._setup.activate()

    # --- the clock

    def _ping(self, now_ns: int) -> None:
        frame = self._keep_alive.ping(now_ns)
        if frame:
            self._out.append(frame)
        else:
            self._fail(trouble.keep_alives_missed(self._settings.name, MAX_MISSED), now_ns)

    def _take_pong(self, message: Message, device_ns: int, now_ns: int) -> None:
        if self._keep_alive.pong(message.payload[:1], device_ns, now_ns):
            self._lose_clock(now_ns)
        elif self._setup.stage == Stage.RUN:
            self._report.watermark(device_ns)
        elif self._setup.stage == Stage.SYNCHRONISE:
            self._synchronise(now_ns)

    def _lose_clock(self, now_ns: int) -> None:
        self._clock_lost = True
        self._fail(trouble.clock_lost(self._settings.name), now_ns)

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
        self._health_due_ns = NEVER_NS
        self._keep_alive.rest()
        self._events.rest()
        self._dropped += self._setup.lane.drop()


def create(settings: DeviceSettings, first_seq: int = 0) -> ReferenceBoard:
    """Return a driver for the board that ``settings`` describes.

    Parameters
    ----------
    settings
        What the rig file says.
    first_seq
        The ``last_seq`` of the driver that served this device before, in this session; 0 if there was none.

    Raises
    ------
    BadSettings
        If the board does not have such pins or limits.
    """
    return ReferenceBoard(settings, first_seq)

"""Emulates the reference board at the bytes: registers, safety and clock of the firmware, without wire or wall time.

Manual
------
``EmulatedBoard(now_ns)`` is a board that has just been powered. Pump it::

    board.feed(bytes_from_host, now_ns)      # requests; answers wait in outgoing()
    board.advance(now_ns)                    # lets deadlines fire: pulses end, the watchdog bites
    board.outgoing(now_ns)                   # bytes for the host
    board.due_ns()                           # when advance() next has something to do

*The world* touches it with :meth:`~EmulatedBoard.set_input` (pins 0 to 3 beams, 4 and 5 licks, or what else is wired
there), :meth:`~EmulatedBoard.set_interlock` and :meth:`~EmulatedBoard.reset`, and looks at ``outputs`` (bit mask now)
and :meth:`~EmulatedBoard.take_edges`: every true edge of an output pin as ``(t_host_ns, pin, level)``.

*Time.* The board has its own clock: it starts at ``device_ns``, runs ``knobs.clock_ppm`` fast, and stamps in whole
32 µs. Deadlines are exact in device time, whenever ``advance`` is called: an output switched on at T for 25 ms goes off
at T + 25 ms. Calls must not go back in time; if one does, it counts as happening at the latest time seen.

*Safety* is the firmware's, as :mod:`hardware.board.registers` has it. Lasers need ``Arm`` (key 0xA5) and a closed
interlock; opening the interlock cuts them and disarms. Each output has a longest time on, counted from its ON edge, a
least gap between pulses, and a longest time on within a minute. An input that changes too often is muted. Without a
valid frame for HostTimeoutMs everything goes off, is disarmed and falls to standby. Boot: all off, disarmed.

*Faults.* ``board.knobs`` breaks things: see :class:`~hardware.emulators.board_parts.Knobs`.
"""

from typing import Final

from hardware.board.registers import (
    ALL_OUTPUTS,
    ARM_KEY,
    BEAM_PINS,
    DEFAULTS,
    LASER_OUTPUTS,
    LICK_PINS,
    MODE_ACTIVE,
    N_INPUTS,
    N_OUTPUTS,
    N_RULES,
    PULSE_WORDS,
    RANGES,
    RULE_WORDS,
    U16,
    BootCause,
    FaultBit,
    Register,
    payload_type,
)
from hardware.device import NoSuchPin
from hardware.emulators.board_contents import CONSTANTS, LIVE
from hardware.emulators.board_outputs import Outputs
from hardware.emulators.board_parts import BEAMS, Inputs, Knobs, LocalRule
from hardware.emulators.drifting_clock import DriftingClock
from hardware.harp import (
    TICK_NS,
    CoreRegister,
    Framer,
    Message,
    MessageType,
    PayloadType,
    crc16,
    event,
    reply,
)
from realtime.records import NEVER_NS, NS_PER_MS, NS_PER_S

NAME: Final = "reference_board"

_MODE_BITS: Final = 0x03
_HEARTBEAT: Final = 0x04
_DUMP: Final = 0x08
_MUTE: Final = 0x10
_ALIVE: Final = 0x80
_RESET_DEFAULT: Final = 0x01
_ECHOED: Final = frozenset({Register.OUTPUT_SET, Register.OUTPUT_CLEAR, Register.PULSE_CMD, Register.KEEP_ALIVE})


class EmulatedBoard:
    """The board; the module's docstring is its manual.

    Parameters
    ----------
    now_ns
        Session time at power-on.
    device_ns
        What the board's clock shows then.
    knobs
        What is broken from the start.
    """

    _booted_ns: int
    _clock: DriftingClock
    _device_ns: int
    _heard_ns: int
    _beat_ns: int
    _deadline_ns: int
    _cause: BootCause
    _framer: Framer
    _settings: dict[int, int]
    _pins: Outputs
    _rules: tuple[LocalRule, ...]
    _control: int
    _fault: int
    _count: int
    _bad_checksums: int
    _nonce: int

    def __init__(self, now_ns: int = 0, device_ns: int = 0, knobs: Knobs | None = None) -> None:
        self.knobs = knobs or Knobs()
        self._now_ns = now_ns
        self._inputs = Inputs(0)
        self._edges: list[tuple[int, int, int]] = []
        self._sent: list[bytes] = []
        self._boot(now_ns, device_ns, BootCause.POWER, interlock_closed=True)

    @property
    def outputs(self) -> int:
        """Outputs that are on now, as a bit mask."""
        return self._pins.mask

    @property
    def armed(self) -> bool:
        """Whether lasers may be switched on."""
        return self._pins.armed

    @property
    def interlock_closed(self) -> bool:
        """Whether the interlock loop is closed."""
        return self._pins.interlock_closed

    def feed(self, data: bytes, now_ns: int) -> None:
        """Take bytes that the host wrote; their answers wait in :meth:`outgoing`."""
        self.advance(now_ns)
        if self._now_ns < self._booted_ns:
            return  # still in the bootloader: nobody listens
        for message in self._framer.feed(data, self._now_ns):
            self._handle(message)
        if self._framer.bad_checksums != self._bad_checksums:
            self._bad_checksums = self._framer.bad_checksums
            self._raise(FaultBit.CHECKSUM, self._device_ns)
        self._schedule()

    def advance(self, now_ns: int) -> None:
        """Let the board live until ``now_ns``: every deadline up to then fires, at its own exact time."""
        self._now_ns = now_ns = max(now_ns, self._now_ns)
        self._device_ns = self._clock.device_ns(now_ns)
        self._meet_deadlines()
        if self.knobs.clock_ppm != self._clock.ppm:
            self._clock = DriftingClock(now_ns, self._device_ns, self.knobs.clock_ppm)

    def _meet_deadlines(self) -> None:
        """Let everything that is due by now happen, each at its own time."""
        while self._deadline_ns <= self._device_ns:
            self._fire(self._deadline_ns)
            self._schedule()

    def due_ns(self) -> int:
        """Return the session time of the next deadline, or NEVER_NS."""
        return NEVER_NS if self._deadline_ns == NEVER_NS else self._clock.host_ns(self._deadline_ns)

    def outgoing(self, now_ns: int) -> bytes:
        """Return what the board has sent by ``now_ns``, after the knobs have had their way with it."""
        self.advance(now_ns)
        data = b"".join(self._sent)
        self._sent.clear()
        return self.knobs.spoil(data)

    def set_input(self, pin: int, high: bool, now_ns: int) -> None:
        """Put an input pin (0 to 5, as in register 32) high or low."""
        if not 0 <= pin < N_INPUTS:
            raise NoSuchPin(f"The emulated board has no input on pin {pin}. Use one of 0 to {N_INPUTS - 1}.")
        self.advance(now_ns)
        before = self._inputs.state
        if not self._inputs.put(pin, high) or self._now_ns < self._booted_ns:
            return
        chatters = self._inputs.count(pin, self._device_ns, self._settings[Register.CHATTER_LIMIT])
        self._tell_inputs(before)
        self._fire_rules(self._inputs.state & ~before & BEAMS)
        if chatters:
            self._raise(FaultBit.CHATTER, self._device_ns)
        self._schedule()

    def set_beam(self, pin: int, broken: bool, now_ns: int) -> None:
        """Break or restore the poke beam on ``pin`` (0 to 3)."""
        if pin not in BEAM_PINS:
            raise NoSuchPin(f"The emulated board has no beam on pin {pin}. Use one of 0 to 3.")
        self.set_input(pin, broken, now_ns)

    def set_lick(self, pin: int, touched: bool, now_ns: int) -> None:
        """Touch or leave the lick sensor on ``pin`` (4 or 5, as in register 32)."""
        if pin not in LICK_PINS:
            raise NoSuchPin(f"The emulated board has no lick sensor on pin {pin}. Use 4 or 5.")
        self.set_input(pin, touched, now_ns)

    def set_interlock(self, closed: bool, now_ns: int) -> None:
        """Open or close the interlock loop; opening it cuts the lasers and disarms."""
        self.advance(now_ns)
        opened = self.interlock_closed and not closed
        self._pins.interlock_closed = closed
        if opened:
            self._disarm()
            self._raise(FaultBit.INTERLOCK, self._device_ns)
        self._schedule()

    def reset(self, now_ns: int, boot_ns: int = 0, cause: BootCause = BootCause.EXTERNAL) -> None:
        """Restart the board: outputs low, everything at its default, clock at 0; deaf for ``boot_ns``."""
        self.advance(now_ns)
        self._note_edges(self.outputs, 0, self._now_ns)
        self._boot(self._now_ns + boot_ns, 0, cause, self.interlock_closed)

    def take_edges(self) -> list[tuple[int, int, int]]:
        """Return the output pins' true edges since the last call, as ``(t_host_ns, pin, level)``, in order."""
        edges, self._edges = self._edges, []
        return edges

    def _boot(self, host_ns: int, device_ns: int, cause: BootCause, interlock_closed: bool) -> None:
        self._settings = dict(DEFAULTS)
        self._pins = Outputs(self._settings, interlock_closed)
        self._inputs = Inputs(self._inputs.pins)
        self._rules = tuple(LocalRule() for _ in range(N_RULES))
        self._booted_ns = host_ns
        self._clock = DriftingClock(host_ns, device_ns, self.knobs.clock_ppm)
        self._device_ns = self._heard_ns = device_ns
        self._cause = cause
        self._framer = Framer()
        self._sent.clear()
        self._control = 0
        self._fault = 0
        self._count = 0
        self._bad_checksums = 0
        self._nonce = 0
        self._beat_ns = NEVER_NS
        self._schedule()

    # --- deadlines

    def _schedule(self) -> None:
        """Find the next deadline, in device time."""
        deadline_ns = min(self._beat_ns, self._pins.due_ns())
        if self._watched or any(rule.stands(self._device_ns) for rule in self._rules):
            deadline_ns = min(deadline_ns, self._watchdog_ns)
        self._deadline_ns = deadline_ns

    @property
    def _watched(self) -> bool:
        """Whether there is anything that a host that has died must not leave behind."""
        return bool(self.outputs or self.armed or self._active)

    @property
    def _active(self) -> bool:
        return self._control & _MODE_BITS == MODE_ACTIVE

    @property
    def _watchdog_ns(self) -> int:
        return self._heard_ns + self._settings[Register.HOST_TIMEOUT_MS] * NS_PER_MS

    def _fire(self, at_ns: int) -> None:
        ended, faults = self._pins.ended(at_ns)
        if at_ns >= self._watchdog_ns:
            self._clear_rules()
            if self._watched:
                ended, faults = ALL_OUTPUTS, faults | FaultBit.WATCHDOG
                self._pins.armed = False
                self._control &= ~_MODE_BITS
        self._switch_off(ended, at_ns)
        if at_ns >= self._beat_ns:
            self._beat_ns += NS_PER_S
            self._beat(at_ns)
        self._raise(faults, at_ns)

    def _beat(self, at_ns: int) -> None:
        if self._control & _HEARTBEAT:
            self._tell(CoreRegister.HEARTBEAT, PayloadType.U16, U16.pack(self._active), at_ns)
        else:
            seconds = (at_ns // NS_PER_S).to_bytes(4, "little")
            self._tell(CoreRegister.TIMESTAMP_SECONDS, PayloadType.U32, seconds, at_ns)

    # --- outputs and inputs

    def _switch_on(self, mask: int, lengths_ms: list[int]) -> None:
        """Switch on what may go on of ``mask``, each for its length (0: as long as it may)."""
        changed, faults = self._pins.switch_on(mask & ALL_OUTPUTS, lengths_ms, self._device_ns)
        self._tell_outputs(changed, self._device_ns)
        self._raise(faults, self._device_ns)

    def _switch_off(self, mask: int, at_ns: int) -> None:
        self._tell_outputs(self._pins.switch_off(mask, at_ns), at_ns)

    def _tell_outputs(self, changed: int, at_ns: int) -> None:
        if changed:
            self._note_edges(changed, self.outputs, self._clock.host_ns(at_ns))
            if not self.knobs.suppress_edges:
                self._tell(Register.OUTPUT_EVENT, PayloadType.U8, bytes((self.outputs,)), at_ns)

    def _note_edges(self, changed: int, after: int, host_ns: int) -> None:
        self._edges += [(host_ns, pin, after >> pin & 1) for pin in range(N_OUTPUTS) if changed >> pin & 1]

    def _disarm(self) -> None:
        self._pins.armed = False
        self._clear_rules()
        self._switch_off(LASER_OUTPUTS, self._device_ns)

    def _tell_inputs(self, before: int) -> None:
        state = self._inputs.state
        if state != before and self._active and self._settings[Register.EVENT_ENABLE] & 1:
            self._tell(Register.DIGITAL_INPUT_STATE, PayloadType.U8, bytes((state,)), self._device_ns)

    def _listen(self, mask: int) -> None:
        """Listen again to muted inputs."""
        before = self._inputs.state
        self._inputs.muted &= ~mask
        self._tell_inputs(before)

    def _fire_rules(self, risen: int) -> None:
        for rule in self._rules:
            if rule.beams & risen and rule.stands(self._device_ns):
                rule.spend()
                self._switch_on(rule.outputs, [rule.length_ms] * N_OUTPUTS)

    def _clear_rules(self) -> None:
        for rule in self._rules:
            rule.clear()

    # --- messages

    def _tell(self, address: int, kind: PayloadType, payload: bytes, at_ns: int) -> None:
        self._count = (self._count + 1) & 0xFFFF
        self._send(event(address, kind, payload, at_ns))

    def _raise(self, bits: int, at_ns: int) -> None:
        if bits & ~self._fault:
            self._fault |= bits
            self._send(event(Register.FAULT, PayloadType.U16, U16.pack(self._fault), at_ns))

    def _send(self, frame: bytes) -> None:
        self._sent.append(frame)
        if self.knobs.duplicate:
            self.knobs.duplicate -= 1
            self._sent.append(frame)

    def _handle(self, message: Message) -> None:
        if message.type not in {MessageType.READ, MessageType.WRITE}:
            return
        address = message.address
        self._heard_ns = self._device_ns
        before = self._read(address)
        if before is None:
            self._answer(message, message.payload_type, b"", error=True)
        elif message.type == MessageType.READ:
            self._answer(message, *before)
        elif (
            message.payload_type != before[0]
            or len(message.payload) != len(before[1])
            or not self._write(address, message.payload)
        ):
            self._answer(message, *before, error=True)
        else:
            self._schedule()
            self._meet_deadlines()  # a limit that was lowered may end an output now: that is told before the answer
            after = message.payload if address in _ECHOED else (self._read(address) or before)[1]
            self._answer(message, before[0], after)
            if address == CoreRegister.OPERATION_CONTROL and message.payload[0] & _DUMP:
                self._dump()

    def _answer(self, request: Message, kind: PayloadType, payload: bytes, error: bool = False) -> None:
        if not self._control & _MUTE:
            self._send(reply(request.type, request.address, kind, payload, self._device_ns, error))

    def _read(self, address: int) -> tuple[PayloadType, bytes] | None:
        """Return a register's type and content, or None if there is no such register."""
        if address == Register.KEEP_ALIVE:
            return PayloadType.U8, b"\0"
        if address in self._settings:
            kind = payload_type(address)
            return kind, self._settings[address].to_bytes(kind, "little")
        if address in CONSTANTS:
            return CONSTANTS[address]
        if address not in LIVE:
            return None
        kind, size = LIVE[address]
        return kind, self._live(address).to_bytes(size, "little")

    def _live(self, address: int) -> int:
        """Return the content of a register that shows the board's state, as one integer."""
        match address:
            case CoreRegister.WHO_AM_I:
                return self.knobs.who_am_i
            case CoreRegister.TIMESTAMP_SECONDS:
                return self._device_ns // NS_PER_S
            case CoreRegister.TIMESTAMP_MICROSECONDS:
                return self._device_ns % NS_PER_S // TICK_NS
            case CoreRegister.OPERATION_CONTROL:
                return self._control
            case CoreRegister.HEARTBEAT:
                return int(self._active)
            case Register.DIGITAL_INPUT_STATE:
                return self._inputs.state
            case Register.OUTPUT_STATE | Register.OUTPUT_EVENT:
                return self.outputs
            case Register.FAULT:
                return self._fault
            case Register.EVENT_COUNT:
                return self._count
            case Register.ERROR_COUNTERS:
                return self._bad_checksums
            case Register.ARM:
                return int(self.armed)
            case Register.BOOT_CAUSE:
                return int(self._cause)
            case Register.MUTED_INPUTS:
                return self._inputs.muted
            case _:
                rule = self._rules[address - Register.LOCAL_RULE]
                return int.from_bytes(rule.read(self._device_ns), "little")

    def _write(self, address: int, payload: bytes) -> bool:
        """Carry out a write; return False if the board refuses it."""
        value = int.from_bytes(payload, "little")
        if address in self._settings:
            low, high = RANGES[address]
            if low <= value <= high:
                self._settings[address] = value
                self._pins.plan(self._device_ns)
            return low <= value <= high
        if Register.LOCAL_RULE <= address < Register.LOCAL_RULE + N_RULES:
            return self._write_rule(self._rules[address - Register.LOCAL_RULE], payload)
        match address:
            case Register.KEEP_ALIVE:
                return True
            case Register.PULSE_CMD:
                return self._pulse(payload)
            case Register.OUTPUT_CLEAR:
                self._switch_off(value, self._device_ns)
            case Register.OUTPUT_SET:
                lengths = [self._settings[Register.PULSE_MS + pin] for pin in range(N_OUTPUTS)]
                enabled = self._settings[Register.OUTPUT_PULSE_ENABLE]
                self._switch_on(value, [ms if enabled >> pin & 1 else 0 for pin, ms in enumerate(lengths)])
            case Register.OUTPUT_STATE:
                self._switch_off(~value, self._device_ns)
                self._switch_on(value, [0] * N_OUTPUTS)
            case Register.FAULT:
                self._fault &= ~value
            case Register.MUTED_INPUTS:
                self._listen(value)
            case Register.ARM:
                self._arm(value)
            case CoreRegister.OPERATION_CONTROL:
                self._set_control(value)
            case CoreRegister.TIMESTAMP_SECONDS:
                self._set_seconds(value)
            case CoreRegister.RESET_DEVICE if value & _RESET_DEFAULT:
                self.reset(self._now_ns, cause=BootCause.WATCHDOG)
            case _:
                return False
        return True

    def _pulse(self, payload: bytes) -> bool:
        mask, length_ms, nonce = PULSE_WORDS.unpack_from(payload)
        if crc16(payload[:6]) != U16.unpack_from(payload, 6)[0] or not length_ms:
            return False
        if nonce != self._nonce:
            self._nonce = nonce
            self._switch_on(mask, [length_ms] * N_OUTPUTS)
        return True

    def _write_rule(self, rule: LocalRule, payload: bytes) -> bool:
        words, crc = payload[: RULE_WORDS.size], payload[RULE_WORDS.size :]
        return U16.pack(crc16(words)) == crc and rule.write(words, self._device_ns)

    def _arm(self, value: int) -> None:
        if value == ARM_KEY:
            self._pins.armed = self.interlock_closed
        elif value == 0:
            self._disarm()

    def _set_control(self, value: int) -> None:
        self._control = value & ~_DUMP
        if not self._active:
            self._clear_rules()
        beating = value & (_HEARTBEAT | _ALIVE)
        self._beat_ns = (self._device_ns // NS_PER_S + 1) * NS_PER_S if beating else NEVER_NS

    def _dump(self) -> None:
        """Tell every register, as if each had been read; the write that asked for it is answered first."""
        for address in range(256):
            content = self._read(address)
            if content is not None:
                self._send(reply(MessageType.READ, address, *content, self._device_ns))

    def _set_seconds(self, seconds: int) -> None:
        """Step the clock; deadlines step along, so that no output stays on longer for it."""
        step_ns = seconds * NS_PER_S + self._device_ns % NS_PER_S - self._device_ns
        self._device_ns += step_ns
        self._heard_ns += step_ns
        self._pins.step(step_ns)
        self._inputs.step(step_ns)
        for rule in self._rules:
            rule.step(step_ns)
        if self._beat_ns != NEVER_NS:
            self._beat_ns += step_ns
        self._clock = DriftingClock(self._now_ns, self._device_ns, self.knobs.clock_ppm)


def create(now_ns: int) -> EmulatedBoard:
    """Return a sound board, powered on at ``now_ns``."""
    return EmulatedBoard(now_ns)

"""Emulates the reference board at the bytes: registers, safety and clock of the firmware, without wire or wall time.

Manual
------
``EmulatedBoard(now_ns)`` is a board that has just been powered. Pump it::

    board.feed(bytes_from_host, now_ns)      # requests; answers wait in outgoing()
    board.advance(now_ns)                    # lets deadlines fire: pulses end, the watchdog bites
    board.outgoing(now_ns)                   # bytes for the host
    board.due_ns()                           # when advance() next has something to do

*The world* touches it with :meth:`~EmulatedBoard.set_beam`, :meth:`~EmulatedBoard.set_lick`,
:meth:`~EmulatedBoard.set_interlock` and :meth:`~EmulatedBoard.reset`, and looks at ``outputs`` (bit mask now) and
:meth:`~EmulatedBoard.take_edges`: every true edge of an output pin as ``(t_host_ns, pin, level)``.

*Time.* The board has its own clock: it starts at ``device_ns``, runs ``knobs.clock_ppm`` fast, and stamps in whole
32 µs. Deadlines are exact in device time, whenever ``advance`` is called: an output switched on at T for 25 ms goes off
at T + 25 ms. Calls must not go back in time; if one does, it counts as happening at the latest time seen.

*Safety* is the firmware's. Lasers need ``Arm`` (key 0xA5) and a closed interlock; opening the interlock cuts them and
disarms. Each output has a longest time on, counted from its ON edge: a longer pulse is cut there and raises a fault.
Without a valid frame for HostTimeoutMs everything goes off, is disarmed and falls to standby. Boot: all off, disarmed.

*Faults.* ``board.knobs`` breaks things: see :class:`Knobs`. Registers: :mod:`hardware.board_registers`.
"""

from typing import Final

from hardware.board_registers import (
    ALL_OUTPUTS,
    ARM_KEY,
    BEAM_PINS,
    DEFAULTS,
    LASER_OUTPUTS,
    LICK_PINS,
    MODE_ACTIVE,
    N_OUTPUTS,
    PULSE_WORDS,
    RANGES,
    U16,
    BootCause,
    FaultBit,
    Register,
    payload_type,
)
from hardware.emulators.board_parts import BoardClock, Knobs, Outputs
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
from realtime.errors import DuettoError
from realtime.records import NEVER_NS, NS_PER_MS, NS_PER_S

NAME: Final = "reference_board"

_BILLION: Final = 1_000_000_000
_MODE_BITS: Final = 0x03
_HEARTBEAT: Final = 0x04
_DUMP: Final = 0x08
_MUTE: Final = 0x10
_ALIVE: Final = 0x80
_RESET_DEFAULT: Final = 0x01
_ECHOED: Final = frozenset({Register.OUTPUT_SET, Register.OUTPUT_CLEAR, Register.PULSE_CMD, Register.KEEP_ALIVE})

_VERSION: Final = bytes((1, 13, 0, 0, 1, 0, 1, 0, 0)) + b"EMU" + bytes(20)
_CONSTANTS: Final = {
    **{address: (PayloadType.U8, bytes((value,))) for address, value in enumerate((1, 0, 0, 1, 13, 0, 1), start=1)},
    int(CoreRegister.RESET_DEVICE): (PayloadType.U8, b"\x40"),
    int(CoreRegister.DEVICE_NAME): (PayloadType.U8, b"EmulatedBoard".ljust(25, b"\0")),
    int(CoreRegister.SERIAL_NUMBER): (PayloadType.U16, bytes(2)),
    int(CoreRegister.CLOCK_CONFIGURATION): (PayloadType.U8, b"\x40"),
    int(CoreRegister.TIMESTAMP_OFFSET): (PayloadType.U8, bytes(1)),
    int(CoreRegister.UID): (PayloadType.U8, bytes(16)),
    int(CoreRegister.TAG): (PayloadType.U8, bytes(8)),
    int(CoreRegister.VERSION): (PayloadType.U8, _VERSION),
    int(Register.OUTPUT_SET): (PayloadType.U16, bytes(2)),
    int(Register.OUTPUT_CLEAR): (PayloadType.U16, bytes(2)),
    int(Register.PULSE_CMD): (PayloadType.U16, bytes(8)),
}
"""Registers that always read the same."""
_LIVE: Final = {
    int(CoreRegister.WHO_AM_I): (PayloadType.U16, 2),
    int(CoreRegister.TIMESTAMP_SECONDS): (PayloadType.U32, 4),
    int(CoreRegister.TIMESTAMP_MICROSECONDS): (PayloadType.U16, 2),
    int(CoreRegister.OPERATION_CONTROL): (PayloadType.U8, 1),
    int(CoreRegister.HEARTBEAT): (PayloadType.U16, 2),
    int(Register.DIGITAL_INPUT_STATE): (PayloadType.U8, 1),
    int(Register.OUTPUT_STATE): (PayloadType.U16, 2),
    int(Register.FAULT): (PayloadType.U8, 1),
    int(Register.OUTPUT_EVENT): (PayloadType.U8, 1),
    int(Register.EVENT_COUNT): (PayloadType.U16, 2),
    int(Register.ERROR_COUNTERS): (PayloadType.U16, 8),
    int(Register.ARM): (PayloadType.U8, 1),
    int(Register.BOOT_CAUSE): (PayloadType.U8, 1),
}
"""Registers that show the board's state: element type and size in bytes."""


class NoSuchPin(DuettoError):
    """Somebody reached for a sensor that the board does not have."""


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
    _clock: BoardClock
    _device_ns: int
    _heard_ns: int
    _beat_ns: int
    _deadline_ns: int
    _cause: BootCause
    _framer: Framer
    _settings: dict[int, int]
    _control: int
    _fault: int
    _count: int
    _bad_checksums: int
    _nonce: int

    def __init__(self, now_ns: int = 0, device_ns: int = 0, knobs: Knobs | None = None) -> None:
        self.knobs = knobs or Knobs()
        self._now_ns = now_ns
        self._inputs = 0
        self._edges: list[tuple[int, int, int]] = []
        self._sent: list[bytes] = []
        self._pins = Outputs(interlock_closed=True)
        self._boot(now_ns, device_ns, BootCause.POWER)

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
        while self._deadline_ns <= self._device_ns:
            self._fire(self._deadline_ns)
            self._schedule()
        if self.knobs.clock_ppm != self._clock.ppm:
            self._clock = BoardClock(now_ns, self._device_ns, self.knobs.clock_ppm)

    def due_ns(self) -> int:
        """Return the session time of the next deadline, or NEVER_NS."""
        return NEVER_NS if self._deadline_ns == NEVER_NS else self._clock.host_ns(self._deadline_ns)

    def outgoing(self, now_ns: int) -> bytes:
        """Return what the board has sent by ``now_ns``, after the knobs have had their way with it."""
        self.advance(now_ns)
        knobs = self.knobs
        data = b"".join(self._sent)
        self._sent.clear()
        if knobs.silence:
            return b""
        if knobs.garbage:
            data, knobs.garbage = knobs.garbage + data, b""
        if knobs.drop:
            lost = min(knobs.drop, len(data))
            data, knobs.drop = data[lost:], knobs.drop - lost
        if knobs.corrupt:
            hit = min(knobs.corrupt, len(data))
            data, knobs.corrupt = bytes(byte ^ 0x55 for byte in data[:hit]) + data[hit:], knobs.corrupt - hit
        return data

    def set_beam(self, pin: int, broken: bool, now_ns: int) -> None:
        """Break or restore the poke beam on ``pin`` (0 to 3)."""
        if pin not in BEAM_PINS:
            raise NoSuchPin(f"The emulated board has no beam on pin {pin}. Use one of 0 to 3.")
        self._set_input(pin, broken, now_ns)

    def set_lick(self, pin: int, touched: bool, now_ns: int) -> None:
        """Touch or leave the lick sensor on ``pin`` (4 or 5, as in register 32)."""
        if pin not in LICK_PINS:
            raise NoSuchPin(f"The emulated board has no lick sensor on pin {pin}. Use 4 or 5.")
        self._set_input(pin, touched, now_ns)

    def set_interlock(self, closed: bool, now_ns: int) -> None:
        """Open or close the interlock loop; opening it cuts the lasers and disarms."""
        self.advance(now_ns)
        self._pins.interlock_closed = closed
        if not closed:
            self._drive(0, LASER_OUTPUTS, self._device_ns)
            self._pins.armed = False
            self._raise(FaultBit.INTERLOCK, self._device_ns)
        self._schedule()

    def reset(self, now_ns: int, boot_ns: int = 0, cause: BootCause = BootCause.EXTERNAL) -> None:
        """Restart the board: outputs low, everything at its default, clock at 0; deaf for ``boot_ns``."""
        self.advance(now_ns)
        self._note_edges(self.outputs, 0, self._now_ns)
        self._boot(self._now_ns + boot_ns, 0, cause)

    def take_edges(self) -> list[tuple[int, int, int]]:
        """Return the output pins' true edges since the last call, as ``(t_host_ns, pin, level)``, in order."""
        edges, self._edges = self._edges, []
        return edges

    def _boot(self, host_ns: int, device_ns: int, cause: BootCause) -> None:
        self._pins = Outputs(self.interlock_closed)
        self._booted_ns = host_ns
        self._clock = BoardClock(host_ns, device_ns, self.knobs.clock_ppm)
        self._device_ns = self._heard_ns = device_ns
        self._cause = cause
        self._framer = Framer()
        self._sent.clear()
        self._control = 0
        self._settings = dict(DEFAULTS)
        self._fault = 0
        self._count = 0
        self._bad_checksums = 0
        self._nonce = 0
        self._beat_ns = NEVER_NS
        self._schedule()

    # --- deadlines

    def _schedule(self) -> None:
        """Find the next deadline, in device time."""
        deadline_ns = min(self._beat_ns, self._pins.due_ns()) if self.outputs else self._beat_ns
        if self.outputs or self.armed or self._active:
            deadline_ns = min(deadline_ns, self._watchdog_ns)
        self._deadline_ns = deadline_ns

    @property
    def _active(self) -> bool:
        return self._control & _MODE_BITS == MODE_ACTIVE

    @property
    def _watchdog_ns(self) -> int:
        return self._heard_ns + self._settings[Register.HOST_TIMEOUT_MS] * NS_PER_MS

    def _fire(self, at_ns: int) -> None:
        watched = self.outputs or self.armed or self._active
        ended, was_cut = self._pins.ended(at_ns)
        if ended:
            self._drive(0, ended, at_ns)
        if was_cut:
            self._raise(FaultBit.MAX_ON, at_ns)
        if at_ns >= self._beat_ns:
            self._beat_ns += NS_PER_S
            self._beat(at_ns)
        if watched and at_ns >= self._watchdog_ns:
            self._drive(0, ALL_OUTPUTS, at_ns)
            self._raise(FaultBit.WATCHDOG, at_ns)
            self._pins.armed = False
            self._control &= ~_MODE_BITS

    def _beat(self, at_ns: int) -> None:
        if self._control & _HEARTBEAT:
            self._tell(CoreRegister.HEARTBEAT, PayloadType.U16, U16.pack(self._active), at_ns)
        else:
            seconds = (at_ns // NS_PER_S).to_bytes(4, "little")
            self._tell(CoreRegister.TIMESTAMP_SECONDS, PayloadType.U32, seconds, at_ns)

    # --- outputs and inputs

    def _drive(self, switch_on: int, switch_off: int, at_ns: int) -> None:
        """Change the outputs and tell of it: the one place that does."""
        before = self.outputs
        changed = self._pins.drive(switch_on, switch_off, at_ns)
        if changed:
            self._note_edges(changed, before ^ changed, self._clock.host_ns(at_ns))
            if not self.knobs.suppress_edges:
                self._tell(Register.OUTPUT_EVENT, PayloadType.U8, bytes((self.outputs,)), at_ns)

    def _note_edges(self, changed: int, after: int, host_ns: int) -> None:
        self._edges += [(host_ns, pin, after >> pin & 1) for pin in range(N_OUTPUTS) if changed >> pin & 1]

    def _switch_on(self, mask: int, lengths_ms: list[int]) -> None:
        """Switch on the outputs of ``mask``, each for its length (0: its max-on), never beyond its max-on."""
        if mask & LASER_OUTPUTS and not self._pins.lasers_allowed:
            self._raise(FaultBit.DISARMED, self._device_ns)
        self._drive(mask, 0, self._device_ns)
        limits_ms = [self._settings[Register.MAX_ON_MS + pin] for pin in range(N_OUTPUTS)]
        self._pins.limit(mask, lengths_ms, limits_ms, self._device_ns)

    def _set_input(self, pin: int, high: bool, now_ns: int) -> None:
        self.advance(now_ns)
        after = self._inputs & ~(1 << pin) | high << pin
        if after == self._inputs:
            return
        self._inputs = after
        listening = self._active and self._settings[Register.EVENT_ENABLE] & 1
        if listening and self._now_ns >= self._booted_ns:
            self._tell(Register.DIGITAL_INPUT_STATE, PayloadType.U8, bytes((after,)), self._device_ns)
            self._schedule()

    # --- messages

    def _tell(self, address: int, kind: PayloadType, payload: bytes, at_ns: int) -> None:
        self._count = (self._count + 1) & 0xFFFF
        self._send(event(address, kind, payload, at_ns))

    def _raise(self, bits: int, at_ns: int) -> None:
        if bits & ~self._fault:
            self._fault |= bits
            self._send(event(Register.FAULT, PayloadType.U8, bytes((self._fault,)), at_ns))

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
            after = message.payload if address in _ECHOED else (self._read(address) or before)[1]
            self._answer(message, before[0], after)

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
        if address in _CONSTANTS:
            return _CONSTANTS[address]
        if address not in _LIVE:
            return None
        kind, size = _LIVE[address]
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
                return self._inputs
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
            case _:
                return int(self._cause)

    def _write(self, address: int, payload: bytes) -> bool:
        """Carry out a write; return False if the board refuses it."""
        value = int.from_bytes(payload, "little")
        if address in self._settings:
            low, high = RANGES[address]
            if low <= value <= high:
                self._settings[address] = value
            return low <= value <= high
        match address:
            case Register.KEEP_ALIVE:
                return True
            case Register.PULSE_CMD:
                return self._pulse(payload)
            case Register.OUTPUT_CLEAR:
                self._drive(0, value, self._device_ns)
            case Register.OUTPUT_SET:
                lengths = [self._settings[Register.PULSE_MS + pin] for pin in range(N_OUTPUTS)]
                enabled = self._settings[Register.OUTPUT_PULSE_ENABLE]
                self._switch_on(value, [ms if enabled >> pin & 1 else 0 for pin, ms in enumerate(lengths)])
            case Register.OUTPUT_STATE:
                self._drive(0, ~value & ALL_OUTPUTS, self._device_ns)
                self._switch_on(value, [0] * N_OUTPUTS)
            case Register.FAULT:
                self._fault &= ~value
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
            self._switch_on(mask & ALL_OUTPUTS, [length_ms] * N_OUTPUTS)
        return True

    def _arm(self, value: int) -> None:
        if value == ARM_KEY:
            self._pins.armed = self.interlock_closed
        elif value == 0:
            self._pins.armed = False
            self._drive(0, LASER_OUTPUTS, self._device_ns)

    def _set_control(self, value: int) -> None:
        self._control = value & ~_DUMP
        beating = value & (_HEARTBEAT | _ALIVE)
        self._beat_ns = (self._device_ns // NS_PER_S + 1) * NS_PER_S if beating else NEVER_NS
        if value & _DUMP:
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
        if self._beat_ns != NEVER_NS:
            self._beat_ns += step_ns
        self._clock = BoardClock(self._now_ns, self._device_ns, self.knobs.clock_ppm)


def create(now_ns: int) -> EmulatedBoard:
    """Return a sound board, powered on at ``now_ns``."""
    return EmulatedBoard(now_ns)

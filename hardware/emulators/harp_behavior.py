"""Emulates the stock Harp Behavior board at the bytes: what its firmware does, without wire or wall time.

Manual
------
``EmulatedBehaviorBoard(now_ns)`` is a board that has just been powered. Pump it::

    board.feed(bytes_from_host, now_ns)      # requests; they are executed in the next pass
    board.advance(now_ns)                    # lets passes happen: requests, ends of pulses
    board.outgoing(now_ns)                   # bytes for the host
    board.due_ns()                           # when advance() next has something to do

*The world* touches it with :meth:`~EmulatedBehaviorBoard.set_input` and :meth:`~EmulatedBehaviorBoard.reset`, and looks
at ``outputs`` and :meth:`~EmulatedBehaviorBoard.take_edges`. Pins are numbered as in a rig file: inputs 0-2 DIPort0..2,
3 DI3, 4-6 DIO0..2; outputs 0-2 SupplyPort0..2, 3-6 DO0..3. A copy is a wire of the world: whoever moves time carries an
output's edge to :meth:`~EmulatedBehaviorBoard.set_input`.

*Passes.* Once in every millisecond of its own clock the board executes the one request that has been finished, answers
it, and counts its pulses: one of N ms ends N passes after the one in which it was started. Of two requests that are
finished within one millisecond the first is lost (``overrun`` counts them). A wrong checksum is dropped without a word;
so is a request that carries a stamp, which the real board would hold until its time. An unfinished request is dropped
50 ms after its first byte, and swallows what comes until then.

*What it does not have*, as the real one: a watchdog, a longest time on, an interlock, arming. An output whose pulse bit
is not set stays on for ever. Standby switches camera triggers off, and nothing else.

*Inputs.* A change is reported at once, if the board is Active and EventEnable has PortDI (which stands for PortDIO
too). A port that reported a change of its beam is not looked at again until as many passes are over as PokeInputFilter
says; what has changed by then is reported then. Reading an input register brings it up to date, and what it has told
already is not told again.

*Left out*: analogue values, wave forms of PWM, cameras and servos (their registers hold what is on), what mimic
registers do, EEPROM, the CTS line, pull-ups (an input that nobody drives is low). A register dump comes all at once.

*Faults.* ``board.knobs`` breaks things: see :class:`~hardware.behavior.emulation.BehaviorKnobs`. Registers:
:mod:`hardware.behavior.registers`.
"""

from typing import Final

from hardware.behavior.emulation import BehaviorKnobs, OutputPins, Receiver, by_pin, pass_ns
from hardware.behavior.registers import (
    DI3_PIN,
    DI_GROUP,
    DIO_GROUP,
    DIO_SHIFT,
    EVERY_OUTPUT,
    FIRST_REGISTER,
    INPUT_PINS,
    LAST_REGISTER,
    MODE_ACTIVE,
    MODE_BITS,
    N_OUTPUT_BITS,
    OUTPUT_BITS,
    PORT_PINS,
    EventBit,
    Register,
    payload_type,
)
from hardware.device import NoSuchPin
from hardware.emulators.drifting_clock import DriftingClock
from hardware.harp import (
    DEVICE_PORT,
    TICK_NS,
    CoreRegister,
    Framer,
    Message,
    MessageType,
    PayloadType,
    event,
    reply,
)
from realtime.records import NEVER_NS, NS_PER_MS, NS_PER_S

NAME: Final = "harp_behavior"

_HEARTBEAT: Final = 0x04
_DUMP: Final = 0x08
_MUTE: Final = 0x10
_ALIVE: Final = 0x80
_RESET_DEFAULT: Final = 0x01
_SUPPLY_BITS: Final = 0x38
_DO_SHIFT: Final = 10
_LONG: Final = {int(Register.ANALOG_DATA): 3, int(Register.RGB_ALL): 6, 71: 3, 72: 3}
"""Registers with more than one element, and how many."""
_LENGTHS: Final = range(Register.PULSE_MS, Register.PULSE_MS + N_OUTPUT_BITS)
_RANGES: Final = {
    **dict.fromkeys(_LENGTHS, (1, 65535)),
    **dict.fromkeys(range(60, 64), (1, 10000)),
    **dict.fromkeys(range(64, 68), (1, 99)),
    int(Register.CAMERA0_FREQUENCY): (2, 600),
    int(Register.CAMERA1_FREQUENCY): (2, 600),
}
"""Smallest and largest number of the registers that refuse others."""
_DEFAULT_LENGTHS_MS: Final = (500,) * 3 + (15,) * 3 + (500,) * 4 + (250,) * 4
_DEFAULTS: Final = {
    int(Register.OUTPUT_PULSE_ENABLE): _SUPPLY_BITS,
    **dict(zip(_LENGTHS, _DEFAULT_LENGTHS_MS, strict=True)),
    **{60 + number: 1000 * (number + 1) for number in range(4)},
    **dict.fromkeys(range(64, 68), 50),
    int(Register.EVENT_ENABLE): 0x1F,
    int(Register.CAMERA0_FREQUENCY): 30,
    int(Register.CAMERA1_FREQUENCY): 30,
    **{Register.SERVO_TIMES + number: (20000, 1500)[number % 2] for number in range(4)},
    int(Register.POKE_INPUT_FILTER): 1,
}
_READ_ONLY: Final = frozenset({Register.DIGITAL_INPUT_STATE, Register.PORT_DIO_STATE_EVENT, 92, 94})
_SWITCHES: Final = {
    int(Register.PWM_STOP): Register.PWM_START,
    int(Register.STOP_CAMERAS): Register.START_CAMERAS,
    int(Register.DISABLE_SERVOS): Register.ENABLE_SERVOS,
}
"""Registers that switch functions off, with those that switch them on and read what is on."""
_CORE_SIZES: Final = {
    int(CoreRegister.WHO_AM_I): (PayloadType.U16, 2),
    **dict.fromkeys(range(1, 8), (PayloadType.U8, 1)),
    int(CoreRegister.TIMESTAMP_SECONDS): (PayloadType.U32, 4),
    int(CoreRegister.TIMESTAMP_MICROSECONDS): (PayloadType.U16, 2),
    int(CoreRegister.OPERATION_CONTROL): (PayloadType.U8, 1),
    int(CoreRegister.RESET_DEVICE): (PayloadType.U8, 1),
    int(CoreRegister.DEVICE_NAME): (PayloadType.U8, 25),
    int(CoreRegister.SERIAL_NUMBER): (PayloadType.U16, 2),
    int(CoreRegister.CLOCK_CONFIGURATION): (PayloadType.U8, 1),
    int(CoreRegister.TIMESTAMP_OFFSET): (PayloadType.U8, 1),
    int(CoreRegister.UID): (PayloadType.U8, 16),
    int(CoreRegister.TAG): (PayloadType.U8, 8),
    int(CoreRegister.HEARTBEAT): (PayloadType.U16, 2),
    int(CoreRegister.VERSION): (PayloadType.U8, 32),
}
_CORE_CONSTANTS: Final = {
    int(CoreRegister.HARDWARE_HIGH): b"\2",
    int(CoreRegister.CORE_HIGH): b"\1",
    int(CoreRegister.CORE_LOW): b"\x0e",
    int(CoreRegister.FIRMWARE_LOW): b"\3",
    int(CoreRegister.RESET_DEVICE): b"\x40",
    int(CoreRegister.DEVICE_NAME): b"Behavior",
    int(CoreRegister.CLOCK_CONFIGURATION): b"\x40",
}


class EmulatedBehaviorBoard:
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

    _pins: OutputPins
    _receiver: Receiver
    _booted_ns: int
    _restarting: bool
    _step_ns: int
    _clock: DriftingClock
    _device_ns: int
    _passes: int
    _registers: dict[int, bytes]
    _inputs: int
    _deaf_until: list[int]
    _changed: list[bool]
    _control: int
    _beat_ns: int
    _sent: list[bytes]

    def __init__(self, now_ns: int = 0, device_ns: int = 0, knobs: BehaviorKnobs | None = None) -> None:
        self.knobs = knobs or BehaviorKnobs()
        self._now_ns = now_ns
        self._levels = 0
        self._edges: list[tuple[int, int, int]] = []
        self._boot(now_ns, device_ns)

    @property
    def outputs(self) -> int:
        """Outputs that are truly on now, as a bit mask by pin."""
        return by_pin(self._pins.state) & ~self.knobs.dead_outputs

    @property
    def overrun(self) -> int:
        """Requests lost since the start, because another came within the same millisecond."""
        return self._receiver.overrun

    @property
    def active(self) -> bool:
        """Whether the board reports events."""
        return self._control & MODE_BITS == MODE_ACTIVE

    def feed(self, data: bytes, now_ns: int) -> None:
        """Take bytes that the host wrote; they are executed in the next pass."""
        self.advance(now_ns)
        if self._now_ns >= self._booted_ns:
            self._receiver.feed(data, self._passes)

    def advance(self, now_ns: int) -> None:
        """Let the board live until ``now_ns``: every pass up to then happens, at its own exact time."""
        self._now_ns = now_ns = max(now_ns, self._now_ns)
        device_ns = self._clock.device_ns(now_ns)
        while (due_ns := self._due_device_ns()) <= device_ns:
            self._device_ns = due_ns
            self._run(due_ns)
        self._device_ns = device_ns
        self._passes = max(self._passes, device_ns // NS_PER_MS)
        if self._restarting:
            self.reset(now_ns)
        elif self.knobs.clock_ppm != self._clock.ppm:
            self._clock = DriftingClock(now_ns, device_ns, self.knobs.clock_ppm)

    def due_ns(self) -> int:
        """Return the session time of the next thing that happens by itself, or NEVER_NS."""
        due_ns = self._due_device_ns()
        return NEVER_NS if due_ns == NEVER_NS else self._clock.host_ns(due_ns)

    def outgoing(self, now_ns: int) -> bytes:
        """Return what the board has sent by ``now_ns``, after the knobs have had their way with it."""
        self.advance(now_ns)
        data = b"".join(self._sent)
        self._sent.clear()
        return self.knobs.spoil(data)

    def reset(self, now_ns: int, boot_ns: int = 0) -> None:
        """Restart the board: outputs low, everything at its default, clock at 0; deaf for ``boot_ns``."""
        self._restarting = False
        self.advance(now_ns)
        before, self._pins.state = self._pins.state, 0
        self._note_edges(before, self._now_ns)
        self._boot(self._now_ns + boot_ns, 0)

    def set_input(self, pin: int, high: bool, now_ns: int) -> None:
        """Put an input pin high or low. Raises NoSuchPin."""
        if pin not in INPUT_PINS:
            raise NoSuchPin(f"The emulated Behavior board has no input pin {pin}. Use one of 0 to 6.")
        self.advance(now_ns)
        after = self._levels & ~(1 << pin) | high << pin
        if after != self._levels:
            self._levels = after
            self._look(pin % DIO_SHIFT)

    def set_interlock(self, closed: bool, now_ns: int) -> None:
        """Refuse: the board has no interlock. Always raises NoSuchPin."""
        raise NoSuchPin(
            f"The Behavior board has no interlock that could be {'closed' if closed else 'opened'} at {now_ns} ns. "
            "Put one into the laser's own supply."
        )

    def take_edges(self) -> list[tuple[int, int, int]]:
        """Return the output pins' true edges since the last call, as ``(t_host_ns, pin, level)``, in order."""
        edges, self._edges = self._edges, []
        return edges

    def _boot(self, host_ns: int, device_ns: int) -> None:
        self._pins = OutputPins()
        self._receiver = Receiver()
        self._booted_ns = host_ns
        self._restarting = False
        self._step_ns = 0
        self._clock = DriftingClock(host_ns, device_ns, self.knobs.clock_ppm)
        self._device_ns = device_ns
        self._passes = device_ns // NS_PER_MS
        self._registers = {
            address: _DEFAULTS.get(address, 0).to_bytes(payload_type(address) & 0x0F, "little") * _LONG.get(address, 1)
            for address in range(FIRST_REGISTER, LAST_REGISTER + 1)
        }
        self._inputs = 0
        self._deaf_until = [0] * len(PORT_PINS)  # the pass from which each port is looked at again
        self._changed = [False] * len(PORT_PINS)
        self._control = 0
        self._beat_ns = NEVER_NS
        self._sent = []

    # --- passes

    def _due_device_ns(self) -> int:
        passes = min(
            self._receiver.due_pass(self._passes),
            self._pins.due_pass(),
            *(until for until, changed in zip(self._deaf_until, self._changed, strict=True) if changed),
            NEVER_NS,
        )
        return min(pass_ns(passes), self._beat_ns)

    def _run(self, at_ns: int) -> None:
        """Let happen what is due at ``at_ns`` of the board's clock."""
        if at_ns >= self._beat_ns:
            self._beat_ns += NS_PER_S
            self._beat()
        if at_ns % NS_PER_MS:
            return
        self._passes = at_ns // NS_PER_MS
        host_ns = self._clock.host_ns(at_ns)
        frame = self._receiver.run(self._passes)
        if frame is not None:
            self._execute(frame, host_ns)
        before = self._pins.state
        self._pins.run(self._passes)
        self._note_edges(before, host_ns)
        for port in PORT_PINS:
            if self._changed[port] and self._deaf_until[port] <= self._passes:
                self._changed[port] = False
                self._look(port)

    def _beat(self) -> None:
        if self._control & _HEARTBEAT:
            self._tell(CoreRegister.HEARTBEAT, PayloadType.U16, int(self.active).to_bytes(2, "little"))
        else:
            seconds = (self._stamp_ns // NS_PER_S).to_bytes(4, "little")
            self._tell(CoreRegister.TIMESTAMP_SECONDS, PayloadType.U32, seconds)

    # --- pins

    def _note_edges(self, before: int, host_ns: int) -> None:
        changed = (before ^ self._pins.state) & EVERY_OUTPUT
        for pin, bit in enumerate(OUTPUT_BITS) if changed else ():
            if changed >> bit & 1 and not self.knobs.dead_outputs >> pin & 1:
                self._edges.append((host_ns, pin, self._pins.state >> bit & 1))

    def _look(self, port: int) -> None:
        """A pin of a port (or DI3) has changed: tell, unless the port is not being looked at."""
        if port == DI3_PIN:
            self._report(1 << DI3_PIN)
        elif self._passes < self._deaf_until[port]:
            self._changed[port] = True
        else:
            before = self._inputs
            self._report(1 << port)
            if (before ^ self._inputs) & DI_GROUP and self._enabled:
                self._deaf_until[port] = self._passes + self._number(Register.POKE_INPUT_FILTER)
            self._report(1 << port + DIO_SHIFT)

    @property
    def _enabled(self) -> bool:
        return bool(self._number(Register.EVENT_ENABLE) & EventBit.PORT_DI)

    def _report(self, mask: int) -> None:
        """Bring what is known of one input pin up to date, and tell of it."""
        if not (self._inputs ^ self._levels) & mask:
            return
        self._inputs ^= mask
        if self._enabled:
            address = Register.DIGITAL_INPUT_STATE if mask & DI_GROUP else Register.PORT_DIO_STATE_EVENT
            self._tell(address, PayloadType.U8, self._read_application(address))

    # --- frames

    def _send(self, frame: bytes) -> None:
        if self.knobs.duplicate:
            self.knobs.duplicate -= 1
            self._sent.append(frame)
        self._sent.append(frame)

    def _tell(self, address: int, kind: PayloadType, payload: bytes) -> None:
        if self.active:
            self._send(event(address, kind, payload, self._stamp_ns))

    @property
    def _stamp_ns(self) -> int:
        """What the board's clock shows. Passes follow its oscillator, which setting the clock does not touch."""
        return self._device_ns + self._step_ns

    def _execute(self, frame: bytes, host_ns: int) -> None:
        framer = Framer(length_limit=254)
        messages = framer.feed(frame, 0)
        if framer.garbage_bytes or not messages or messages[0].device_ns is not None or messages[0].port != DEVICE_PORT:
            return  # wrong checksum, or not for us: not a word
        message = messages[0]
        kind, size = self._shape(message.address)
        ok = kind is message.payload_type
        if ok and message.type is MessageType.WRITE:
            before = self._pins.state
            ok = len(message.payload) == size and self._write(message)
            self._note_edges(before, host_ns)
        self._answer(message, ok)

    def _answer(self, request: Message, ok: bool) -> None:
        if self._control & _MUTE:
            return
        is_read = request.type is MessageType.READ
        payload = self._read(request.address, refresh=is_read) if ok else request.payload
        kind = request.payload_type
        self._send(reply(request.type, request.address, kind, payload, self._stamp_ns, error=not ok))

    # --- registers

    def _shape(self, address: int) -> tuple[PayloadType | None, int]:
        """Return a register's element type and its size in bytes; no type if there is no such register."""
        if address in _CORE_SIZES:
            return _CORE_SIZES[address]
        if address in self._registers:
            return payload_type(address), len(self._registers[address])
        return None, 0

    def _number(self, address: int) -> int:
        return int.from_bytes(self._registers[address], "little")

    def _hold(self, address: int, value: int) -> None:
        self._registers[address] = value.to_bytes(len(self._registers[address]), "little")

    def _read(self, address: int, refresh: bool) -> bytes:
        """Return a register's content; ``refresh``: input and output registers show their pins, as a read does."""
        if address in _CORE_SIZES:
            return self._read_core(address)
        if refresh and address in {Register.DIGITAL_INPUT_STATE, Register.PORT_DIO_STATE_EVENT}:
            group = DI_GROUP if address == Register.DIGITAL_INPUT_STATE else DIO_GROUP
            self._inputs = self._inputs & ~group | self._levels & group
        if refresh and address == Register.OUTPUT_STATE:
            self._hold(address, self._pins.state)
        return self._read_application(address)

    def _read_application(self, address: int) -> bytes:
        if address == Register.DIGITAL_INPUT_STATE:
            return bytes((self._inputs & DI_GROUP,))
        if address == Register.PORT_DIO_STATE_EVENT:
            return bytes((self._inputs >> DIO_SHIFT,))
        return self._registers[address]

    def _read_core(self, address: int) -> bytes:
        values = {
            int(CoreRegister.WHO_AM_I): self.knobs.who_am_i,
            int(CoreRegister.FIRMWARE_HIGH): self.knobs.firmware_high,
            int(CoreRegister.TIMESTAMP_SECONDS): self._stamp_ns // NS_PER_S,
            int(CoreRegister.TIMESTAMP_MICROSECONDS): self._stamp_ns % NS_PER_S // TICK_NS,
            int(CoreRegister.OPERATION_CONTROL): self._control,
            int(CoreRegister.HEARTBEAT): int(self.active),
        }
        _, size = _CORE_SIZES[address]
        if address in values:
            return values[address].to_bytes(size, "little")
        return _CORE_CONSTANTS.get(address, b"").ljust(size, b"\0")

    def _write(self, message: Message) -> bool:
        """Carry out a write; return False if the board refuses it."""
        address, value = message.address, message.value
        if address < FIRST_REGISTER:
            return self._write_core(address, value)
        low, high = _RANGES.get(address, (0, value))
        if address in _READ_ONLY or not low <= value <= high:
            return False
        if Register.OUTPUT_SET <= address <= Register.OUTPUT_STATE:
            self._write_outputs(address, value)
        elif address in _SWITCHES:
            self._switch_functions_off(address, value)
        elif address in _SWITCHES.values():
            self._switch_functions_on(address, value)
            return True
        self._registers[address] = message.payload
        return True

    def _write_outputs(self, address: int, value: int) -> None:
        if address == Register.OUTPUT_CLEAR:
            self._pins.clear(value)
        elif address == Register.OUTPUT_TOGGLE:
            state = self._pins.state
            self._pins.clear(value & state)
            self._start(value & ~state)
        else:
            if address == Register.OUTPUT_STATE:
                self._pins.clear(~value)
            self._start(value)

    def _start(self, mask: int) -> None:
        lengths = [self._number(address) + self.knobs.late_passes for address in _LENGTHS]
        enabled = self._number(Register.OUTPUT_PULSE_ENABLE)
        self._pins.set(mask & EVERY_OUTPUT, enabled, lengths, self._passes)

    def _switch_functions_on(self, address: int, value: int) -> None:
        self._hold(address, self._number(address) | value)
        if address == Register.PWM_START:
            self._start(value << _DO_SHIFT)

    def _switch_functions_off(self, address: int, value: int) -> None:
        switch_on = _SWITCHES[address]
        if address == Register.PWM_STOP:
            self._pins.clear((value & self._number(switch_on)) << _DO_SHIFT)
        self._hold(switch_on, self._number(switch_on) & ~value)

    def _write_core(self, address: int, value: int) -> bool:
        match address:
            case CoreRegister.OPERATION_CONTROL:
                self._set_control(value)
            case CoreRegister.TIMESTAMP_SECONDS:
                self._step_ns = value * NS_PER_S - self._device_ns // NS_PER_S * NS_PER_S
            case CoreRegister.RESET_DEVICE if value == _RESET_DEFAULT:
                self._restarting = True
            case _:
                return False
        return True

    def _set_control(self, value: int) -> None:
        self._control = value & ~_DUMP
        if not self.active:
            self._hold(Register.START_CAMERAS, 0)
        beating = value & (_HEARTBEAT | _ALIVE)
        self._beat_ns = (self._device_ns // NS_PER_S + 1) * NS_PER_S if beating else NEVER_NS
        for address in (*_CORE_SIZES, *self._registers) if value & _DUMP else ():
            kind, _ = self._shape(address)
            if kind is not None:
                self._send(reply(MessageType.READ, address, kind, self._read(address, refresh=True), self._stamp_ns))


def create(now_ns: int) -> EmulatedBehaviorBoard:
    """Return a sound board, powered on at ``now_ns``."""
    return EmulatedBehaviorBoard(now_ns)

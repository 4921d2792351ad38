"""Emulates a Sanworks Pulse Pal 2 at the bytes: the loop of firmware 21, cycle by cycle, without wire or wall time.

Manual
------
*Pins.* Outputs 0 to 3 are the channels 1 to 4; an output is on while its voltage is 1.5 V or more, as a
TTL input sees it. Inputs 0 and 1 are the trigger inputs; their level is kept and starts nothing. There is no interlock.

*Time.* The device does one thing every 50 µs: write the voltages that the cycle before has decided, read one message,
find out what the trains do next. Cycles are counted from power-on; every edge is at a cycle's exact time, whenever
``advance`` is called. A trigger starts its train in the cycle after it was read, and the light goes on one cycle later.

*Messages* are those of :mod:`hardware.pulse_pal_messages` and everything else that firmware 21 knows: custom trains
(75, 76: kept, and a channel that plays one stays at rest), display (78), fixed voltage (79), continuous loop (82),
settings files (85, 90), bare pins (86, 87). Bytes before a mark (213) are discarded, one per cycle.

*Hazards*, as in the firmware:

* While a message is unfinished nothing else happens: outputs stay, trains do not go on. Each byte is waited for 500 ms.
  Then zeros are taken for the rest, **the message is carried out**, confirmed, and the device stands still with its
  outputs as they are. :meth:`EmulatedPulsePal.press_joystick` ends that: default settings, 2 s of deafness, then the
  trains go on.
* A trigger for a channel that is playing is remembered, and starts it again when it has ended.
* An abort that is read in the cycle after a trigger is overtaken by it: the train starts.
* The continuous loop outlives aborts, and programming: the next trigger starts a train without an end.

*Faults.* ``knobs`` breaks things: see :class:`Knobs`. A reset loads the settings file, and is deaf for 250 ms.

Source: ``sanworks/PulsePal``, ``Firmware/PulsePal_2_0_1/PulsePal_2_0_1.ino``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from hardware.device import NoSuchPin, WireFaults
from realtime.records import NEVER_NS, NS_PER_MS

NAME: Final = "pulse_pal"

CYCLE_NS: Final = 50_000
READ_TIMEOUT_NS: Final = 500 * NS_PER_MS
JOYSTICK_NS: Final = 2_000 * NS_PER_MS
BOOT_NS: Final = 250 * NS_PER_MS
N_OUTPUTS: Final = 4
N_INPUTS: Final = 2
MARK: Final = 213
TTL_ON: Final = 37_683
"""1.5 V in 16 bits over -10 to +10 V."""
ZERO_V: Final = 32_768
FIVE_V: Final = 49_152
DEFAULT_FILE: Final = b"default.pps"


class Param(IntEnum):
    """What a channel is told, by the number that message 74 uses."""

    BIPHASIC = 1
    LEVEL_1 = 2
    LEVEL_2 = 3
    PHASE_1 = 4
    BETWEEN_PHASES = 5
    PHASE_2 = 6
    INTERVAL = 7
    BURST = 8
    BETWEEN_BURSTS = 9
    TRAIN = 10
    DELAY = 11
    LINK_1 = 12
    LINK_2 = 13
    CUSTOM_TRAIN = 14
    CUSTOM_TARGET = 15
    CUSTOM_LOOP = 16
    REST = 17
    INPUT_MODE = 128


_TIMES: Final = tuple(Param(code) for code in range(Param.PHASE_1, Param.DELAY + 1))
_LEVELS: Final = (Param.LEVEL_1, Param.LEVEL_2, Param.REST)
_FLAGS: Final = (Param.BIPHASIC, Param.CUSTOM_TRAIN, Param.CUSTOM_TARGET, Param.CUSTOM_LOOP)
_LINKS: Final = (Param.LINK_1, Param.LINK_2)
_BYTES_OF: Final = {
    **dict.fromkeys(Param, 1),
    **dict.fromkeys(_TIMES, 4),
    **dict.fromkeys(_LEVELS, 2),
}
_DEFAULTS: Final = {
    **dict.fromkeys(Param, 0),
    Param.LEVEL_1: FIVE_V,
    Param.LEVEL_2: 16_384,
    Param.PHASE_1: 2,
    Param.BETWEEN_PHASES: 2,
    Param.PHASE_2: 2,
    Param.INTERVAL: 20,
    Param.TRAIN: 20_000,
    Param.LINK_1: 1,
    Param.REST: ZERO_V,
}
_ORDER_ON_WIRE: Final = (
    *((pin, param) for pin in range(N_OUTPUTS) for param in _TIMES),
    *((pin, param) for pin in range(N_OUTPUTS) for param in _LEVELS),
    *((pin, param) for pin in range(N_OUTPUTS) for param in _FLAGS),
    *((pin, param) for param in _LINKS for pin in range(N_OUTPUTS)),
    *((pin, Param.INPUT_MODE) for pin in range(N_INPUTS)),
)
"""Message 73, and the answer to a loaded file."""
_ORDER_ON_CARD: Final = (
    *(
        (pin, param)
        for pin in range(N_OUTPUTS)
        for param in (*_TIMES, Param.BIPHASIC, *_LEVELS, Param.CUSTOM_TRAIN, Param.CUSTOM_TARGET, Param.CUSTOM_LOOP)
    ),
    *(
        entry
        for row, link in enumerate(_LINKS)
        for entry in ((row, Param.INPUT_MODE), *((pin, link) for pin in range(N_OUTPUTS)))
    ),
)
"""A settings file, and the answer to message 85."""
_SETTINGS_BYTES: Final = 178
_SAVE, _LOAD, _DELETE = 1, 2, 3
_MIN_LENGTHS: Final = {
    73: 2 + _SETTINGS_BYTES,
    74: 4,
    75: 6,
    76: 6,
    77: 3,
    78: 3,
    79: 5,
    82: 4,
    86: 4,
    87: 3,
    89: 8,
    90: 4,
}
"""Length of each message, or of as much of it as says how long it is; 2 of all others."""


class Phase(IntEnum):
    """Where a train is within its pulse."""

    PAUSE = 0
    FIRST = 1
    BETWEEN = 2
    SECOND = 3


@dataclass(slots=True)
class Knobs(WireFaults):
    """What is broken. Turn them at any time.

    Attributes
    ----------
    firmware
        What it says it is; below 20 is a Pulse Pal 1.
    frozen
        It stands still with its outputs as they are, as after half a message; the joystick ends that.
    """

    firmware: int = 21
    frozen: bool = False


@dataclass(slots=True)
class Channel:
    """One output channel: what it was told, and what its train is doing. Times are cycles since the first train began.

    Attributes
    ----------
    param
        What it was told.
    level
        Voltage that the next write puts out, in 16 bits.
    loops
        Its trains do not end.
    scheduled, triggered
        A trigger was read in this cycle; in an earlier one.
    waiting, playing
        Its train was triggered; has begun.
    """

    param: dict[Param, int] = field(default_factory=lambda: dict(_DEFAULTS))
    level: int = ZERO_V
    loops: bool = False
    scheduled: bool = False
    triggered: bool = False
    waiting: bool = False
    playing: bool = False
    in_burst: bool = False
    phase: Phase = Phase.PAUSE
    triggered_at: int = 0
    pulse_at: int = 0
    burst_at: int = 0
    end_at: int = 0

    @property
    def bursts(self) -> bool:
        """Whether its pulses come in bursts."""
        return self.param[Param.BURST] > 0 and self.param[Param.BETWEEN_BURSTS] > 0

    def kill(self) -> None:
        """End its train; a remembered trigger, and the loop, stay."""
        self.waiting = self.playing = self.in_burst = False
        self.phase = Phase.PAUSE
        self.level = self.param[Param.REST]

    def next_at(self, cycle: int) -> int:
        """Return the next cycle after ``cycle`` in which it does something, or NEVER_NS."""
        if self.waiting:
            return self.triggered_at + self.param[Param.DELAY]
        if not self.playing:
            return NEVER_NS
        turns = [self.end_at, *([self.pulse_at] * self.in_burst), *([self.burst_at] * self.bursts)]
        return min((turn for turn in turns if turn > cycle), default=NEVER_NS)

    def turn(self, cycle: int) -> bool:
        """Do what is due in ``cycle``; return whether the voltages are to be written."""
        before = (self.level, self.phase, self.playing)
        if self.waiting and cycle == self.triggered_at + self.param[Param.DELAY]:
            self._start(cycle)
        if self.playing and not self.param[Param.CUSTOM_TRAIN]:
            if self.in_burst and cycle == self.pulse_at:
                self._turn_pulse(cycle)
            if self.bursts and cycle == self.burst_at:
                self._turn_burst(cycle)
        if self.playing and cycle == self.end_at and not self.loops:
            self.kill()
        return (self.level, self.phase, self.playing) != before

    def _start(self, cycle: int) -> None:
        self.waiting = False
        self.playing = self.in_burst = True
        self.phase = Phase.PAUSE
        self.pulse_at = cycle
        self.burst_at = cycle + self.param[Param.BURST]
        self.end_at = cycle + self.param[Param.TRAIN]

    def _turn_pulse(self, cycle: int) -> None:
        """Go on to the pulse's next phase."""
        match self.phase:
            case Phase.PAUSE:
                self.pulse_at = cycle + self.param[Param.PHASE_1]
                if not (self.bursts and self.pulse_at >= self.burst_at):  # no pulse that its burst would cut
                    self._enter(Phase.FIRST, Param.LEVEL_1)
            case Phase.FIRST if not self.param[Param.BIPHASIC]:
                self.pulse_at = cycle + self.param[Param.INTERVAL]
                self._enter(Phase.PAUSE, Param.REST)
            case Phase.FIRST if self.param[Param.BETWEEN_PHASES]:
                self.pulse_at = cycle + self.param[Param.BETWEEN_PHASES]
                self._enter(Phase.BETWEEN, Param.REST)
            case Phase.FIRST | Phase.BETWEEN:
                self.pulse_at = cycle + self.param[Param.PHASE_2]
                self._enter(Phase.SECOND, Param.LEVEL_2)
            case Phase.SECOND if self.param[Param.INTERVAL]:
                self.pulse_at = cycle + self.param[Param.INTERVAL]
                self._enter(Phase.PAUSE, Param.REST)
            case Phase.SECOND:
                self.pulse_at = cycle + self.param[Param.PHASE_1]
                self._enter(Phase.FIRST, Param.LEVEL_1)

    def _turn_burst(self, cycle: int) -> None:
        self.in_burst = not self.in_burst
        if self.in_burst:
            self.burst_at = cycle + self.param[Param.BURST]
            self.pulse_at = cycle + self.param[Param.PHASE_1]
            self._enter(Phase.FIRST, Param.LEVEL_1)
        else:
            self.burst_at = self.pulse_at = cycle + self.param[Param.BETWEEN_BURSTS]
            self.level = self.param[Param.REST]

    def _enter(self, phase: Phase, level: Param) -> None:
        self.phase = phase
        self.level = self.param[level]


class EmulatedPulsePal:
    """The device; the module's docstring is its manual.

    Attributes
    ----------
    levels
        The four outputs' voltages, in 16 bits.
    discarded
        Bytes that were no message.
    client, display
        What it was told to show.
    custom
        The two custom trains as they came: times and voltages.
    files
        Its settings files, by name.
    inputs
        Level of the two trigger inputs.
    """

    def __init__(self, now_ns: int = 0) -> None:
        self._knobs = Knobs()
        self._powered_ns = self._now_ns = self._last_ns = now_ns
        self._deaf_until_ns = now_ns
        self._sent: list[bytes] = []
        self._edges: list[tuple[int, int, int]] = []
        self.levels = [ZERO_V] * N_OUTPUTS
        self.files: dict[bytes, bytes] = {}
        self._open_file = DEFAULT_FILE
        self.custom: dict[int, bytes] = {}
        self.inputs = 0
        self.discarded = 0
        self.client = self.display = b""
        self._boot()

    # --- the interface

    @property
    def knobs(self) -> Knobs:
        """What is broken."""
        return self._knobs

    @property
    def outputs(self) -> int:
        """Outputs that are on now, as a bit mask."""
        return sum((level >= TTL_ON) << pin for pin, level in enumerate(self.levels))

    def feed(self, data: bytes, now_ns: int) -> None:
        """Take bytes that the host wrote."""
        self.advance(now_ns)
        self._inbox += data
        if self._stalled and data and not self._knobs.frozen:
            self._stall_ns = self._now_ns
            if self._whole():
                self._resume()

    def advance(self, now_ns: int) -> None:
        """Let the device live until ``now_ns``: every cycle that matters happens at its own exact time."""
        now_ns = max(now_ns, self._now_ns)
        if self._knobs.frozen:
            self._count_cycles(self._grid_ns(self._now_ns))  # those up to the turn of the knob
        while (due_ns := self.due_ns()) <= now_ns:
            self._now_ns = max(due_ns, self._now_ns)
            if self._stalled:
                self._time_out()
            else:
                self._cycle(self._now_ns)
        self._now_ns = now_ns
        if self._knobs.frozen:
            self._last_ns = self._grid_ns(now_ns)

    def due_ns(self) -> int:
        """Return the time of the next cycle in which something happens, or NEVER_NS."""
        if self._knobs.frozen:
            return NEVER_NS
        if self._stalled:
            return self._stall_ns + READ_TIMEOUT_NS
        wait = self._cycles_to_wait()
        if wait == NEVER_NS:
            return NEVER_NS
        soonest_ns = self._grid_ns(max(self._now_ns, self._deaf_until_ns) + CYCLE_NS - 1)
        return max(self._last_ns + wait * CYCLE_NS, soonest_ns if wait == 1 else 0)

    def outgoing(self, now_ns: int) -> bytes:
        """Return what the device has sent by ``now_ns``, after the knobs have had their way with it."""
        self.advance(now_ns)
        data = b"".join(self._sent)
        self._sent.clear()
        return self._knobs.spoil(data) if data else b""

    def reset(self, now_ns: int) -> None:
        """Restart the device: all outputs at 0 V, settings from the card, deaf for 250 ms."""
        self.advance(now_ns)
        self._boot()
        self._deaf_until_ns = self._last_ns = self._grid_ns(self._now_ns + BOOT_NS)
        self._write(self._now_ns)

    def set_input(self, pin: int, high: bool, now_ns: int) -> None:
        """Put a trigger input high or low; it starts nothing."""
        if not 0 <= pin < N_INPUTS:
            raise NoSuchPin(f"The emulated Pulse Pal has no input {pin}. Use 0 or 1.")
        self.advance(now_ns)
        self.inputs = self.inputs & ~(1 << pin) | high << pin

    def set_interlock(self, closed: bool, now_ns: int) -> None:
        """Raise NoSuchPin: a Pulse Pal has no interlock."""
        self.advance(now_ns)
        deed = "close" if closed else "open"
        raise NoSuchPin(f"A Pulse Pal has no interlock to {deed}. Wire its laser through the interlock of a board.")

    def take_edges(self) -> list[tuple[int, int, int]]:
        """Return the outputs' true edges since the last call, as ``(t_host_ns, pin, level)``, in order."""
        edges, self._edges = self._edges, []
        return edges

    def press_joystick(self, now_ns: int) -> None:
        """Click: a frozen device loads its defaults and lives again after 2 s; trains that run are aborted."""
        self.advance(now_ns)
        if self._knobs.frozen:
            self._knobs.frozen = False
            self._load_defaults()
            self._deaf_until_ns = self._last_ns = self._grid_ns(self._now_ns + JOYSTICK_NS)
        elif self._stimulating:
            self._abort(self._now_ns)

    def set_joystick_loop(self, pin: int, on: bool) -> None:
        """Do what somebody does who sets a channel to continuous in the joystick's menu, and does not trigger it."""
        self._channels[pin].loops = on

    # --- cycles

    def _boot(self) -> None:
        self._knobs.frozen = False
        self._channels = [Channel() for _ in range(N_OUTPUTS)]
        self._input_modes = [0] * N_INPUTS
        self._inbox = bytearray()
        self._sent.clear()
        self._system = 0  # cycles since the first of the running trains began
        self._stimulating = False
        self._just_started = False
        self._was_stimulating = False
        self._write_due = False
        self._stalled = False
        self._stall_ns = NEVER_NS
        self._open_file = DEFAULT_FILE
        if DEFAULT_FILE in self.files:
            self._load(self.files[DEFAULT_FILE], _ORDER_ON_CARD)
        else:
            self._load_defaults()
        for channel in self._channels:
            channel.level = ZERO_V

    def _grid_ns(self, now_ns: int) -> int:
        """Return the time of the last cycle at or before ``now_ns``."""
        return now_ns - (now_ns - self._powered_ns) % CYCLE_NS

    def _cycles_to_wait(self) -> int:
        """Return after how many cycles the next one comes that does something, or NEVER_NS."""
        restless = (
            self._inbox or self._write_due or self._just_started or (self._was_stimulating and not self._stimulating)
        )
        if restless or any(c.scheduled or (c.triggered and not c.playing and not c.waiting) for c in self._channels):
            return 1
        if not self._stimulating:
            return NEVER_NS
        next_at = min(channel.next_at(self._system) for channel in self._channels)
        return NEVER_NS if next_at == NEVER_NS else next_at - self._system

    def _count_cycles(self, now_ns: int) -> None:
        passed = max(0, now_ns - self._last_ns) // CYCLE_NS
        self._last_ns = max(now_ns, self._last_ns)
        self._system = self._system + passed if self._stimulating else 0

    def _cycle(self, now_ns: int) -> None:
        """Live one cycle, at ``now_ns``; those since the last one did nothing but count."""
        self._just_started = False
        self._count_cycles(now_ns)
        if self._write_due or (self._was_stimulating and not self._stimulating):
            self._write(now_ns)
        for channel in self._channels:
            channel.triggered |= channel.scheduled
            channel.scheduled = False
        self._was_stimulating = self._stimulating
        if self._read(now_ns):
            self._play()

    def _play(self) -> None:
        """Start what was triggered, and let every train do what is due."""
        for channel in self._channels:
            if channel.triggered and not (channel.waiting or channel.playing):
                if not self._stimulating:
                    self._system = 0
                    self._stimulating = self._just_started = True
                channel.triggered = False
                channel.waiting = channel.in_burst = True
                channel.triggered_at = self._system
                channel.phase = Phase.PAUSE
        self._stimulating = self._just_started or any(c.waiting or c.playing for c in self._channels)
        for channel in self._channels:
            self._write_due |= channel.turn(self._system)

    def _write(self, now_ns: int) -> None:
        """Put out the voltages that were decided."""
        self._write_due = False
        before = self.outputs
        self.levels = [channel.level for channel in self._channels]
        changed = before ^ self.outputs
        self._edges += [(now_ns, pin, self.outputs >> pin & 1) for pin in range(N_OUTPUTS) if changed >> pin & 1]

    # --- messages

    def _read(self, now_ns: int) -> bool:
        """Read one message, if there is one; return False if only half of it is there."""
        if not self._inbox:
            return True
        if self._inbox[0] != MARK:
            self.discarded += 1
            del self._inbox[0]
            return True
        if not self._whole():
            self._stalled = True
            self._stall_ns = now_ns
            return False
        self._carry_out(now_ns)
        return True

    def _length(self) -> int:
        """Return how long the message in the inbox is, as far as it says so."""
        if len(self._inbox) < 2:
            return 2
        op = self._inbox[1]
        least = _MIN_LENGTHS.get(op, 2)
        if len(self._inbox) < least:
            return least
        match op:
            case 74:
                return least + _BYTES_OF.get(self._inbox[2], 0)  # type: ignore[call-overload,no-any-return]
            case 75 | 76:
                return least + 6 * int.from_bytes(self._inbox[2:6], "little")
            case 78:
                return least + self._inbox[2]
            case 90:
                return least + self._inbox[3]
            case _:
                return least

    def _whole(self) -> bool:
        return len(self._inbox) >= self._length()

    def _time_out(self) -> None:
        """Take zeros for the rest of a message, carry it out, and stand still."""
        self._inbox += bytes(min(self._length() - len(self._inbox), _SETTINGS_BYTES))
        while not self._whole() and self._inbox[1] not in {75, 76}:
            self._inbox += bytes(min(self._length() - len(self._inbox), _SETTINGS_BYTES))
        if not self._whole():
            self._inbox.clear()  # a custom train; it is of no use any more
        self._resume()
        self._knobs.frozen = True

    def _resume(self) -> None:
        """Go on with the cycle in which the message began."""
        self._stalled = False
        self._last_ns = self._grid_ns(self._now_ns)
        if self._inbox:
            self._carry_out(self._now_ns)
        self._play()

    def _carry_out(self, now_ns: int) -> None:
        """Carry out the message at the head of the inbox."""
        length = self._length()
        data = bytes(self._inbox[2:length])
        op = self._inbox[1]
        del self._inbox[:length]
        deed = self._DEEDS.get(op)
        if deed is None:
            self.discarded += length
            return
        answer = deed(self, data, now_ns)
        if answer:
            self._sent += [answer] * (2 if self._knobs.duplicate else 1)
            self._knobs.duplicate -= bool(self._knobs.duplicate)

    def _shake_hands(self, _data: bytes, _now_ns: int) -> bytes:
        return b"K" + self._knobs.firmware.to_bytes(4, "little")

    def _program_all(self, data: bytes, now_ns: int) -> bytes:
        self._load(data, _ORDER_ON_WIRE)
        for channel in self._channels:
            channel.level = channel.param[Param.REST]
        self._write(now_ns)
        return b"\x01"

    def _program_one(self, data: bytes, now_ns: int) -> bytes:
        code, pin, value = data[0], data[1] - 1, int.from_bytes(data[2:], "little")
        if code == Param.INPUT_MODE and 0 <= pin < N_INPUTS:
            self._input_modes[pin] = value
        elif code in _BYTES_OF and code != Param.INPUT_MODE and 0 <= pin < N_OUTPUTS:
            channel = self._channels[pin]
            channel.param[Param(code)] = value
            if code == Param.REST:
                channel.level = value
                self._write(now_ns)
        return b"\x01"

    def _keep_custom_1(self, data: bytes, _now_ns: int) -> bytes:
        self.custom[1] = data
        return b"\x01"

    def _keep_custom_2(self, data: bytes, _now_ns: int) -> bytes:
        self.custom[2] = data
        return b"\x01"

    def _trigger(self, data: bytes, _now_ns: int) -> bytes:
        for pin, channel in enumerate(self._channels):
            channel.scheduled = bool(data[0] >> pin & 1)
        return b""

    def _show(self, data: bytes, _now_ns: int) -> bytes:
        self.display = data[1:]
        return b""

    def _fix_voltage(self, data: bytes, now_ns: int) -> bytes:
        if 0 < data[0] <= N_OUTPUTS:
            self._channels[data[0] - 1].level = int.from_bytes(data[1:], "little")
            self._write(now_ns)
        return b"\x01"

    def _abort_all(self, _data: bytes, now_ns: int) -> bytes:
        self._abort(now_ns)
        return b""

    def _disconnect(self, _data: bytes, now_ns: int) -> bytes:
        self._abort(now_ns)
        self.client = b""
        return b""

    def _loop(self, data: bytes, now_ns: int) -> bytes:
        if 0 < data[0] <= N_OUTPUTS:
            channel = self._channels[data[0] - 1]
            channel.loops = bool(data[1])
            if channel.loops:
                channel.scheduled = True
            else:
                channel.kill()
                self._write(now_ns)
        return b"\x01"

    def _tell_card(self, _data: bytes, _now_ns: int) -> bytes:
        return self.files.get(self._open_file, self._dump(_ORDER_ON_CARD))

    def _read_pin(self, _data: bytes, _now_ns: int) -> bytes:
        return b"\x00"

    def _take_name(self, data: bytes, _now_ns: int) -> bytes:
        self.client = data
        return b""

    def _handle_file(self, data: bytes, _now_ns: int) -> bytes:
        verb, name = data[0], data[2:]
        if verb == _SAVE:
            self._open_file = name
            self.files[name] = self._dump(_ORDER_ON_CARD)
        elif verb == _LOAD and name in self.files:
            self._open_file = name
            self._load(self.files[name], _ORDER_ON_CARD)
            return self._dump(_ORDER_ON_WIRE)
        elif verb == _LOAD:
            self._open_file = DEFAULT_FILE
            self._load_defaults()
        elif verb == _DELETE:
            self.files.pop(name, None)
        return b""

    def _ignore(self, _data: bytes, _now_ns: int) -> bytes:
        return b""

    _DEEDS: Final[dict[int, Callable[["EmulatedPulsePal", bytes, int], bytes]]] = {
        72: _shake_hands,
        73: _program_all,
        74: _program_one,
        75: _keep_custom_1,
        76: _keep_custom_2,
        77: _trigger,
        78: _show,
        79: _fix_voltage,
        80: _abort_all,
        81: _disconnect,
        82: _loop,
        85: _tell_card,
        86: _ignore,
        87: _read_pin,
        89: _take_name,
        90: _handle_file,
    }

    # --- settings

    def _abort(self, now_ns: int) -> None:
        for channel in self._channels:
            channel.kill()
        self._write(now_ns)

    def _load_defaults(self) -> None:
        for channel in self._channels:
            channel.param = dict(_DEFAULTS)
        self._input_modes = [0] * N_INPUTS
        self.files[self._open_file] = self._dump(_ORDER_ON_CARD)

    def _load(self, data: bytes, order: tuple[tuple[int, Param], ...]) -> None:
        start = 0
        for pin, param in order:
            end = start + _BYTES_OF[param]
            value = int.from_bytes(data[start:end], "little")
            if param is Param.INPUT_MODE:
                self._input_modes[pin] = value
            else:
                self._channels[pin].param[param] = value
            start = end

    def _dump(self, order: tuple[tuple[int, Param], ...]) -> bytes:
        data = b""
        for pin, param in order:
            value = self._input_modes[pin] if param is Param.INPUT_MODE else self._channels[pin].param[param]
            data += value.to_bytes(_BYTES_OF[param], "little")
        return data


def create(now_ns: int) -> EmulatedPulsePal:
    """Return a sound Pulse Pal, powered on at ``now_ns``, that has booted."""
    return EmulatedPulsePal(now_ns)

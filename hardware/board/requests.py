"""What the host asks of the reference board: its requests as frames, and the rig's lines as its pins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hardware.board.registers import (
    ALL_OUTPUTS,
    ARM_KEY,
    BEAM_PINS,
    CHATTER_RANGE_HZ,
    DEFAULT_DUTY_MS,
    DEFAULT_MAX_ON_MS,
    DEFAULT_MIN_GAP_MS,
    DUTY_RANGE_MS,
    HOST_TIMEOUT_RANGE_MS,
    LASER_PINS,
    LICK_PINS,
    MAX_ON_LIMITS_MS,
    MIN_GAP_RANGE_MS,
    MODE_ACTIVE,
    MODE_STANDBY,
    N_INPUTS,
    N_RULES,
    PULSE_WORDS,
    RULE_WORDS,
    U16,
    VALVE_PINS,
    Register,
    payload_type,
)
from hardware.device import BadSettings, DeviceSettings, Request, animal_of
from hardware.harp import CoreRegister, PayloadType, crc16, read_request, write_request
from realtime.records import Kind, Line, Role

_PINS_OF_ROLE: Final = {
    Role.POKE: BEAM_PINS,
    Role.LICK: LICK_PINS,
    Role.VALVE: VALVE_PINS,
    Role.LASER: LASER_PINS,
}
_EDGES_OF_ROLE: Final = {
    Role.POKE: (Kind.POKE_IN, Kind.POKE_OUT),
    Role.LICK: (Kind.LICK_IN, Kind.LICK_OUT),
    Role.VALVE: (Kind.VALVE_ON, Kind.VALVE_OFF),
    Role.LASER: (Kind.LASER_ON, Kind.LASER_OFF),
}
_OUTPUT_ROLES: Final = frozenset({Role.VALVE, Role.LASER})
_ALL_INPUTS: Final = (1 << N_INPUTS) - 1

PINGS: Final = tuple(write_request(Register.KEEP_ALIVE, PayloadType.U8, bytes((tag,))) for tag in range(256))
"""Every keep-alive there is: the answer echoes its byte, so that a late answer is never taken for another's."""
READ_EVENT_COUNT: Final = read_request(Register.EVENT_COUNT, PayloadType.U16)
READ_FAULT: Final = read_request(Register.FAULT, PayloadType.U16)
STANDBY: Final = write_request(CoreRegister.OPERATION_CONTROL, PayloadType.U8, bytes((MODE_STANDBY,)))


@dataclass(frozen=True, slots=True)
class Wire:
    """One logical line on one pin.

    Attributes
    ----------
    line, animal, pin, mask
        Which line, whose, on which pin; an input may carry the copy of an output line.
    rising, falling
        What its edges are recorded as.
    max_on_ms, min_gap_ms, duty_ms
        Limits of an output; 0 for an input.
    """

    line: Line
    animal: int
    pin: int
    mask: int
    rising: Kind
    falling: Kind
    max_on_ms: int = 0
    min_gap_ms: int = 0
    duty_ms: int = 0

    @property
    def is_beam(self) -> bool:
        """Whether an animal pokes here."""
        return self.rising is Kind.POKE_IN

    @property
    def label(self) -> str:
        """What it is, for sentences."""
        is_copy = not self.max_on_ms and self.line // 2 in _OUTPUT_ROLES
        return f"the copy of {self.line.name}" if is_copy else self.line.name


def wires_of(settings: DeviceSettings) -> tuple[tuple[Wire, ...], dict[int, Wire]]:
    """Return the rig's inputs (with the copies of outputs), and its outputs by line.

    Raises
    ------
    BadSettings
        If the board does not have such a pin, a pin is used twice, an output of its own is copied, or a limit is none
        that the board takes.
    """
    _check_times(settings)
    wires = [_wire(settings, Line(line), pin) for line, pin in settings.pins.items()]
    outputs = {int(wire.line): wire for wire in wires if wire.max_on_ms}
    inputs = [wire for wire in wires if not wire.max_on_ms]
    inputs += [_copy(settings, Line(line), pin, outputs) for line, pin in settings.copies.items()]
    for group in (inputs, outputs.values()):
        if len({wire.pin for wire in group}) != len(group):
            raise BadSettings(f"{settings.name}: two lines share a pin. Give each line a pin of its own.")
    return tuple(inputs), outputs


def _check_times(settings: DeviceSettings) -> None:
    _within(settings.name, "host_timeout_ms", settings.host_timeout_ms, HOST_TIMEOUT_RANGE_MS)
    _within(settings.name, "chatter_hz", settings.chatter_hz, CHATTER_RANGE_HZ)
    if settings.stuck_ns <= 0:
        raise BadSettings(f"{settings.name}: stuck_ns is {settings.stuck_ns}; it must be above 0.")
    if not 0 < 2 * settings.keep_alive_ms <= settings.host_timeout_ms:
        raise BadSettings(
            f"{settings.name}: keep_alive_ms is {settings.keep_alive_ms}; it must be above 0 and at most half of "
            f"host_timeout_ms ({settings.host_timeout_ms}), or one lost message switches the board off."
        )


def _within(name: str, what: str, value: int, limits: tuple[int, int]) -> int:
    if not limits[0] <= value <= limits[1]:
        raise BadSettings(f"{name}: {what} is {value}; the board takes {limits[0]} to {limits[1]}.")
    return value


def _wire(settings: DeviceSettings, line: Line, pin: int) -> Wire:
    role = Role(line // 2)
    pins = _PINS_OF_ROLE.get(role)
    if pins is None or pin not in pins:
        allowed = f"use {pins[0]} to {pins[-1]}" if pins else "it is no pin at all"
        raise BadSettings(f"{settings.name}: {line.name} cannot be on pin {pin}: {allowed}.")
    limits_ms = _limits_ms(settings, line, pin) if role in _OUTPUT_ROLES else ()
    return Wire(line, animal_of(line), pin, 1 << pin, *_EDGES_OF_ROLE[role], *limits_ms)


def _limits_ms(settings: DeviceSettings, line: Line, pin: int) -> tuple[int, int, int]:
    """Return an output's longest time on, least gap, and longest time on within a minute."""

    def limit(what: str, named: Mapping[Line, int], default: int, limits: tuple[int, int]) -> int:
        return _within(settings.name, f"{what} of {line.name}", named.get(line, default), limits)

    return (
        limit("max_on_ms", settings.max_on_ms, DEFAULT_MAX_ON_MS[pin], (1, MAX_ON_LIMITS_MS[pin])),
        limit("min_gap_ms", settings.min_gap_ms, DEFAULT_MIN_GAP_MS[pin], MIN_GAP_RANGE_MS),
        limit("duty_ms", settings.duty_ms, DEFAULT_DUTY_MS[pin], DUTY_RANGE_MS),
    )


def _copy(settings: DeviceSettings, line: Line, pin: int, outputs: Mapping[int, Wire]) -> Wire:
    role = Role(line // 2)
    if role not in _OUTPUT_ROLES:
        raise BadSettings(f"{settings.name}: {line.name} is no output, so no pin can carry a copy of it.")
    if line in outputs:
        raise BadSettings(
            f"{settings.name}: {line.name} is its own output: it reports that one's edges itself. Remove the copy."
        )
    if not 0 <= pin < N_INPUTS:
        raise BadSettings(f"{settings.name}: pin {pin} cannot carry a copy of {line.name}: use 0 to {N_INPUTS - 1}.")
    return Wire(line, animal_of(line), pin, 1 << pin, *_EDGES_OF_ROLE[role])


def write(address: int, payload: bytes, answer: bytes | None = None) -> Request:
    """Return a write of an application or core register; ``answer``: what it must be answered with, None: anything."""
    kind = PayloadType.U8 if address < Register.DIGITAL_INPUT_STATE else payload_type(address)
    return Request(write_request(address, kind, payload), address, f"register {address} to be set", answer)


def setting(address: int, payload: bytes) -> Request:
    """Return a write whose answer must show that the register has taken it."""
    return write(address, payload, answer=payload)


def read(address: int, kind: PayloadType) -> Request:
    """Return a read of a register."""
    return Request(read_request(address, kind), address, f"register {address} to be read")


def who_am_i() -> Request:
    """Return the question who the device is."""
    return read(CoreRegister.WHO_AM_I, PayloadType.U16)


def switch_off(mask: int, *lines: Line) -> Request:
    """Return the request to switch off the outputs of ``mask``, which are ``lines``."""
    request = setting(Register.OUTPUT_CLEAR, U16.pack(mask))
    request.lines = lines
    return request


def arm(wanted: bool) -> Request:
    """Return the request to arm or to disarm the lasers; its answer tells whether they are."""
    return write(Register.ARM, bytes((ARM_KEY,))) if wanted else setting(Register.ARM, b"\0")


def pulse(mask: int, length_ms: int, nonce: int, *lines: Line) -> Request:
    """Return the request for one pulse on the outputs of ``mask``, ``lines``, protected by nonce and CRC-16."""
    words = PULSE_WORDS.pack(mask, length_ms, nonce)
    request = setting(Register.PULSE_CMD, words + U16.pack(crc16(words)))
    request.lines = request.edges_owed = lines
    return request


def rule(which: int, beams: int, outputs: int, length_ms: int, window_ms: int) -> Request:
    """Return the request for a local rule; a window of 0 clears it. The answer shows what is left of the window."""
    words = RULE_WORDS.pack(beams, outputs, length_ms, window_ms)
    return write(Register.LOCAL_RULE + which, words + U16.pack(crc16(words)))


def cleared_rule(which: int) -> Request:
    """Return the request to clear a local rule; the answer must show that nothing is left of it."""
    request = rule(which, 0, 0, 0, 0)
    request.echo = bytes(RULE_WORDS.size + U16.size)
    request.what = f"local rule {which} to be cleared"
    return request


def listen(mask: int) -> Request:
    """Return the request to listen again to muted inputs; the answer shows which are still muted."""
    return write(Register.MUTED_INPUTS, bytes((mask,)))


def clear_faults(bits: int) -> Request:
    """Return the request to clear faults; the answer shows which are left."""
    return write(Register.FAULT, U16.pack(bits))


def configuration(settings: DeviceSettings, outputs: Mapping[int, Wire]) -> list[Request]:
    """Return the requests that make an identified board safe and set its limits, in order."""
    return [
        switch_off(ALL_OUTPUTS),
        arm(wanted=False),
        *(cleared_rule(which) for which in range(N_RULES)),
        read(CoreRegister.VERSION, PayloadType.U8),
        read(Register.BOOT_CAUSE, PayloadType.U8),
        setting(Register.HOST_TIMEOUT_MS, U16.pack(settings.host_timeout_ms)),
        *(limit for wire in outputs.values() for limit in _limits(wire)),
        setting(Register.CHATTER_LIMIT, U16.pack(settings.chatter_hz)),
        write(Register.MUTED_INPUTS, bytes((_ALL_INPUTS,)), answer=b"\0"),
        clear_faults(0xFFFF),
        setting(Register.EVENT_ENABLE, b"\x01"),
        # A pulse of nothing: so that no nonce of an earlier session is taken for a repetition of our first one.
        pulse(0, 1, 0),
    ]


def _limits(wire: Wire) -> tuple[Request, ...]:
    return (
        setting(Register.MAX_ON_MS + wire.pin, U16.pack(wire.max_on_ms)),
        setting(Register.MIN_GAP_MS + wire.pin, U16.pack(wire.min_gap_ms)),
        setting(Register.DUTY_MS + wire.pin, U16.pack(wire.duty_ms)),
    )


def activation() -> list[Request]:
    """Return the requests that start the reporting, in order: the answers tell where it starts from."""
    return [
        setting(CoreRegister.OPERATION_CONTROL, bytes((MODE_ACTIVE,))),
        read(Register.DIGITAL_INPUT_STATE, PayloadType.U8),
        read(Register.EVENT_COUNT, PayloadType.U16),
    ]


def resynchronisation() -> list[Request]:
    """Return the requests that find out, after events were lost, how inputs and outputs stand."""
    return [read(Register.DIGITAL_INPUT_STATE, PayloadType.U8), read(Register.OUTPUT_EVENT, PayloadType.U8)]

"""What the host asks of the reference board: its requests as frames, and the rig's lines as its pins."""

from dataclasses import dataclass
from typing import Final

from hardware.board_registers import (
    ALL_OUTPUTS,
    ARM_KEY,
    BEAM_PINS,
    DEFAULT_MAX_ON_MS,
    HOST_TIMEOUT_RANGE_MS,
    LASER_PINS,
    LICK_PINS,
    MAX_ON_LIMITS_MS,
    MODE_ACTIVE,
    MODE_STANDBY,
    PULSE_WORDS,
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

PINGS: Final = tuple(write_request(Register.KEEP_ALIVE, PayloadType.U8, bytes((tag,))) for tag in range(256))
"""Every keep-alive there is: the answer echoes its byte, so that a late answer is never taken for another's."""
READ_EVENT_COUNT: Final = read_request(Register.EVENT_COUNT, PayloadType.U16)
READ_FAULT: Final = read_request(Register.FAULT, PayloadType.U8)
STANDBY: Final = write_request(CoreRegister.OPERATION_CONTROL, PayloadType.U8, bytes((MODE_STANDBY,)))


@dataclass(frozen=True, slots=True)
class Wire:
    """One logical line on one pin."""

    line: Line
    animal: int
    pin: int
    mask: int
    rising: Kind
    falling: Kind
    max_on_ms: int
    """Longest time on; 0 for an input."""


def wires_of(settings: DeviceSettings) -> tuple[tuple[Wire, ...], dict[int, Wire]]:
    """Return the rig's inputs, and its outputs by line.

    Raises
    ------
    BadSettings
        If the board does not have such a pin, a pin is used twice, or a limit is none that the board takes.
    """
    low_ms, high_ms = HOST_TIMEOUT_RANGE_MS
    if not low_ms <= settings.host_timeout_ms <= high_ms:
        raise BadSettings(
            f"{settings.name}: host_timeout_ms is {settings.host_timeout_ms}; the board takes {low_ms} to {high_ms}."
        )
    if not 0 < 2 * settings.keep_alive_ms <= settings.host_timeout_ms:
        raise BadSettings(
            f"{settings.name}: keep_alive_ms is {settings.keep_alive_ms}; it must be above 0 and at most half of "
            f"host_timeout_ms ({settings.host_timeout_ms}), or one lost message switches the board off."
        )
    wires = [_wire(settings, Line(line), pin) for line, pin in settings.pins.items()]
    outputs = {int(wire.line): wire for wire in wires if wire.max_on_ms}
    inputs = tuple(wire for wire in wires if not wire.max_on_ms)
    for group in (inputs, tuple(outputs.values())):
        if len({wire.pin for wire in group}) != len(group):
            raise BadSettings(f"{settings.name}: two lines share a pin. Give each line a pin of its own.")
    return inputs, outputs


def _wire(settings: DeviceSettings, line: Line, pin: int) -> Wire:
    role = Role(line // 2)
    pins = _PINS_OF_ROLE.get(role)
    if pins is None or pin not in pins:
        allowed = f"use {pins[0]} to {pins[-1]}" if pins else "it is no pin at all"
        raise BadSettings(f"{settings.name}: {line.name} cannot be on pin {pin}: {allowed}.")
    limit_ms = 0
    if role in {Role.VALVE, Role.LASER}:
        limit_ms = settings.max_on_ms.get(line, DEFAULT_MAX_ON_MS[pin])
        if not 1 <= limit_ms <= MAX_ON_LIMITS_MS[pin]:
            raise BadSettings(
                f"{settings.name}: max_on_ms of {line.name} is {limit_ms}; "
                f"the board takes 1 to {MAX_ON_LIMITS_MS[pin]}."
            )
    return Wire(line, animal_of(line), pin, 1 << pin, *_EDGES_OF_ROLE[role], limit_ms)


def write(address: int, payload: bytes, echoed: bool = True) -> Request:
    """Return a write of an application or core register; ``echoed``: the answer must repeat the payload."""
    kind = PayloadType.U8 if address < Register.DIGITAL_INPUT_STATE else payload_type(address)
    frame = write_request(address, kind, payload)
    return Request(frame, address, f"register {address} to be set", payload if echoed else None)


def read(address: int, kind: PayloadType) -> Request:
    """Return a read of a register."""
    return Request(read_request(address, kind), address, f"register {address} to be read")


def who_am_i() -> Request:
    """Return the question who the device is."""
    return read(CoreRegister.WHO_AM_I, PayloadType.U16)


def switch_off(mask: int, *lines: Line) -> Request:
    """Return the request to switch off the outputs of ``mask``, which are ``lines``."""
    request = write(Register.OUTPUT_CLEAR, U16.pack(mask))
    request.lines = lines
    return request


def arm(wanted: bool) -> Request:
    """Return the request to arm or to disarm the lasers; its answer tells whether they are."""
    return write(Register.ARM, bytes((ARM_KEY if wanted else 0,)), echoed=not wanted)


def pulse(mask: int, length_ms: int, nonce: int, *lines: Line) -> Request:
    """Return the request for one pulse on the outputs of ``mask``, ``lines``, protected by nonce and CRC-16."""
    words = PULSE_WORDS.pack(mask, length_ms, nonce)
    request = write(Register.PULSE_CMD, words + U16.pack(crc16(words)))
    request.lines = request.edges_owed = lines
    return request


def configuration(settings: DeviceSettings, outputs: dict[int, Wire]) -> list[Request]:
    """Return the requests that make an identified board safe and set its limits, in order."""
    return [
        switch_off(ALL_OUTPUTS),
        arm(wanted=False),
        read(CoreRegister.VERSION, PayloadType.U8),
        read(Register.BOOT_CAUSE, PayloadType.U8),
        write(Register.HOST_TIMEOUT_MS, U16.pack(settings.host_timeout_ms)),
        *(write(Register.MAX_ON_MS + wire.pin, U16.pack(wire.max_on_ms)) for wire in outputs.values()),
        write(Register.FAULT, b"\xff", echoed=False),
        write(Register.EVENT_ENABLE, b"\x01"),
        # A pulse of nothing: so that no nonce of an earlier session is taken for a repetition of our first one.
        pulse(0, 1, 0),
    ]


def activation() -> list[Request]:
    """Return the requests that start the reporting, in order: the answers tell where it starts from."""
    return [
        write(CoreRegister.OPERATION_CONTROL, bytes((MODE_ACTIVE,))),
        read(Register.DIGITAL_INPUT_STATE, PayloadType.U8),
        read(Register.EVENT_COUNT, PayloadType.U16),
    ]


def resynchronisation() -> list[Request]:
    """Return the requests that find out, after events were lost, how inputs and outputs stand."""
    return [read(Register.DIGITAL_INPUT_STATE, PayloadType.U8), read(Register.OUTPUT_EVENT, PayloadType.U8)]

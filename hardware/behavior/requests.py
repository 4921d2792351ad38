"""What the host asks of a Harp Behavior board: its requests as frames, and the rig's lines as its pins."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from hardware.behavior.exchange import Ask, Rank
from hardware.behavior.registers import (
    EVERY_LINE,
    EVERY_OUTPUT,
    FUNCTIONS,
    INPUT_PINS,
    LASER_PINS,
    MODE_ACTIVE,
    MODE_STANDBY,
    OUTPUT_BITS,
    PWM_PINS,
    SERVO_BITS,
    U16,
    VALVE_PINS,
    EventBit,
    Register,
    payload_type,
)
from hardware.device import IDENTIFY_RETRY_NS, SILENCE_NS, BadSettings, DeviceSettings, animal_of
from hardware.harp import CoreRegister, PayloadType, read_request, write_request
from realtime.records import NS_PER_MS, Kind, Line, Role

PULSE_ANSWER_NS: Final = 5 * NS_PER_MS
"""An OutputSet that is not answered by then is asked after; it is not sent again."""
SETUP_ANSWER_NS: Final = 100 * NS_PER_MS
PING_ADDRESSES: Final = range(CoreRegister.HARDWARE_HIGH, CoreRegister.FIRMWARE_LOW + 1)
"""Seven constants. Each ping reads the next of them, so that a late answer is never taken for another ping's."""
PING_BYTES: Final = 6
PONG_BYTES: Final = 13

VALVE_LIMIT_MS: Final = 2000
LASER_LIMIT_MS: Final = 10000
DEFAULT_VALVE_MS: Final = 200
DEFAULT_LASER_MS: Final = 1000

_EDGES_OF_ROLE: Final = {
    Role.POKE: (Kind.POKE_IN, Kind.POKE_OUT),
    Role.LICK: (Kind.LICK_IN, Kind.LICK_OUT),
    Role.VALVE: (Kind.VALVE_ON, Kind.VALVE_OFF),
    Role.LASER: (Kind.LASER_ON, Kind.LASER_OFF),
}
_OUTPUT_ROLES: Final = {
    Role.VALVE: (VALVE_PINS, DEFAULT_VALVE_MS, VALVE_LIMIT_MS),
    Role.LASER: (LASER_PINS, DEFAULT_LASER_MS, LASER_LIMIT_MS),
}


@dataclass(frozen=True, slots=True)
class InputWire:
    """One input pin: a sensor, or a copy of an output."""

    line: Line
    animal: int
    mask: int
    """Its bit among the input pins."""
    rising: Kind
    falling: Kind
    is_sensor: bool


@dataclass(frozen=True, slots=True)
class OutputWire:
    """One output pin, with the limits that the driver keeps."""

    line: Line
    mask: int
    """Its bit in OutputSet."""
    pulse_register: int
    max_on_ms: int
    min_gap_ms: int
    duty_ms: int | None
    copy_mask: int
    """The input pin of this board that carries its copy, as a mask; 0 if none does."""
    is_laser: bool


def wires_of(settings: DeviceSettings) -> tuple[tuple[InputWire, ...], dict[int, OutputWire]]:
    """Return the rig's inputs (copies are inputs too), and its outputs by line.

    Raises
    ------
    BadSettings
        If the board does not have such a pin, a pin is used twice, or a limit is none that the driver keeps.
    """
    if settings.keep_alive_ms < 1 or settings.chatter_hz < 1 or settings.stuck_ns < 1:
        raise BadSettings(f"{settings.name}: keep_alive_ms, chatter_hz and stuck_ns must be above 0.")
    lines = {Line(line): pin for line, pin in settings.pins.items()}
    sensors = [_input(settings, line, pin) for line, pin in lines.items() if Role(line // 2) not in _OUTPUT_ROLES]
    copies = [_copy(settings, Line(line), pin) for line, pin in settings.copies.items()]
    outputs = [_output(settings, line, pin) for line, pin in lines.items() if Role(line // 2) in _OUTPUT_ROLES]
    _refuse_shared(settings.name, [wire.mask for wire in (*sensors, *copies)])
    _refuse_shared(settings.name, [wire.mask for wire in outputs])
    return (*sensors, *copies), {int(wire.line): wire for wire in outputs}


def _refuse_shared(name: str, masks: list[int]) -> None:
    if len(set(masks)) != len(masks):
        raise BadSettings(f"{name}: two lines share a pin. Give each line, and each copy, a pin of its own.")


def _input(settings: DeviceSettings, line: Line, pin: int) -> InputWire:
    edges = _EDGES_OF_ROLE.get(Role(line // 2))
    if edges is None:
        raise BadSettings(f"{settings.name}: {line.name} cannot be on pin {pin}: it is no pin at all.")
    if pin not in INPUT_PINS:
        raise BadSettings(f"{settings.name}: {line.name} cannot be on pin {pin}: inputs are pins 0 to 6.")
    is_sensor = Role(line // 2) not in _OUTPUT_ROLES
    return InputWire(line, animal_of(line), 1 << pin, *edges, is_sensor)


def _copy(settings: DeviceSettings, line: Line, pin: int) -> InputWire:
    if line == Line.ARM or Role(line // 2) not in _OUTPUT_ROLES:
        raise BadSettings(f"{settings.name}: pin {pin} cannot carry a copy of {line.name}: that is no output.")
    return _input(settings, line, pin)


def _output(settings: DeviceSettings, line: Line, pin: int) -> OutputWire:
    pins, default_ms, limit_ms = _OUTPUT_ROLES[Role(line // 2)]
    if pin not in pins:
        raise BadSettings(f"{settings.name}: {line.name} cannot be on pin {pin}: use {pins[0]} to {pins[-1]}.")
    max_on_ms = settings.max_on_ms.get(line, default_ms)
    if not 1 <= max_on_ms <= limit_ms:
        raise BadSettings(
            f"{settings.name}: max_on_ms of {line.name} is {max_on_ms}; the driver takes 1 to {limit_ms}."
        )
    bit = OUTPUT_BITS[pin]
    return OutputWire(
        line,
        1 << bit,
        Register.PULSE_MS + bit,
        max_on_ms,
        settings.min_gap_ms.get(line, 0),
        settings.duty_ms.get(line),
        1 << settings.copies[line] if line in settings.copies else 0,
        is_laser=pin in LASER_PINS,
    )


def write(address: int, payload: bytes, rank: Rank = Rank.ROUTINE) -> Ask:
    """Return a write of an application or core register; the answer must repeat the payload."""
    kind = PayloadType.U8 if address < Register.DIGITAL_INPUT_STATE else payload_type(address)
    frame = write_request(address, kind, payload)
    return Ask(frame, address, f"register {address} to be set", payload, rank=rank)


def read(address: int, kind: PayloadType | None = None, rank: Rank = Rank.ROUTINE) -> Ask:
    """Return a read of a register; ``kind`` is needed for core registers only."""
    frame = read_request(address, payload_type(address) if kind is None else kind)
    return Ask(frame, address, f"register {address} to be read", rank=rank)


def who_am_i() -> Ask:
    """Return the question who the device is."""
    question = read(CoreRegister.WHO_AM_I, PayloadType.U16)
    question.answer_ns, question.max_tries = IDENTIFY_RETRY_NS, SILENCE_NS // IDENTIFY_RETRY_NS
    return question


def ping(number: int, patient: bool) -> Ask:
    """Return the ``number``-th ping: never repeated, the next one follows. ``patient``: nothing else waits."""
    question = read(PING_ADDRESSES[number % len(PING_ADDRESSES)], PayloadType.U8, Rank.PING)
    question.max_tries = 1
    return _patient([question])[0] if patient else question


def switch_off(mask: int, *lines: Line) -> Ask:
    """Return the request to switch off the outputs of ``mask``, which are ``lines``."""
    request = write(Register.OUTPUT_CLEAR, U16.pack(mask), Rank.OFF)
    request.lines = lines
    return request


def switch_on(mask: int, lines: Iterable[Line]) -> Ask:
    """Return the request that starts the pulses of ``mask``: sent once, for a second one would start them anew."""
    request = write(Register.OUTPUT_SET, U16.pack(mask), Rank.PULSE)
    request.lines, request.max_tries, request.answer_ns = tuple(lines), 1, PULSE_ANSWER_NS
    return request


def set_length(wire: OutputWire, length_ms: int) -> Ask:
    """Return the request that sets how long the output's pulses are."""
    request = write(wire.pulse_register, U16.pack(length_ms), Rank.PULSE)
    request.lines = (wire.line,)
    return request


def look_at_outputs(rank: Rank) -> Ask:
    """Return the question what the output pins show."""
    return read(Register.OUTPUT_STATE, rank=rank)


def configuration() -> list[Ask]:
    """Return the requests that make an identified board safe, in order.

    Outputs off; camera triggers (standby ends them), PWM, servos and the encoder off; then everything that could still
    drive a pin is read, and every output, whoever sets it, is made a pulse.
    """
    everything_off = U16.pack(EVERY_LINE)
    requests = [
        write(Register.OUTPUT_CLEAR, everything_off),
        read(CoreRegister.FIRMWARE_HIGH, PayloadType.U8),
        read(CoreRegister.FIRMWARE_LOW, PayloadType.U8),
        write(CoreRegister.OPERATION_CONTROL, bytes((MODE_STANDBY,))),
        write(Register.PWM_STOP, bytes((PWM_PINS,))),
        write(Register.DISABLE_SERVOS, bytes((SERVO_BITS,))),
        write(Register.ENABLE_ENCODERS, b"\0"),
        *(read(address) for address in FUNCTIONS),
        write(Register.PORT_DIO_DIRECTION, b"\0"),
        write(Register.POKE_INPUT_FILTER, b"\1"),
        write(Register.EVENT_ENABLE, bytes((EventBit.PORT_DI | EventBit.PORT_DIO,))),
        write(Register.OUTPUT_PULSE_ENABLE, U16.pack(EVERY_OUTPUT)),
        write(Register.OUTPUT_CLEAR, everything_off),
        look_at_outputs(Rank.ROUTINE),
    ]
    return _patient(requests)


def activation() -> list[Ask]:
    """Return the requests that start the reporting, in order: the answers tell where it starts from."""
    return _patient(
        [
            write(CoreRegister.OPERATION_CONTROL, bytes((MODE_ACTIVE,))),
            read(Register.DIGITAL_INPUT_STATE),
            read(Register.PORT_DIO_STATE_EVENT),
        ]
    )


def health() -> list[Ask]:
    """Return the questions of every second."""
    return [
        read(CoreRegister.OPERATION_CONTROL, PayloadType.U8),
        read(Register.OUTPUT_PULSE_ENABLE),
        look_at_outputs(Rank.ROUTINE),
        read(Register.DIGITAL_INPUT_STATE),
        read(Register.PORT_DIO_STATE_EVENT),
    ]


def _patient(requests: list[Ask]) -> list[Ask]:
    for request in requests:
        request.answer_ns = SETUP_ANSWER_NS
    return requests

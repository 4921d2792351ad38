"""Registers of the stock Harp Behavior board: what its driver and its emulator must agree on.

Sources: ``device.yml`` of harp-tech/device.behavior (firmware 3.2) for names, addresses, types and bits; ``app.c``,
``app_funcs.c``, ``app_ios_and_regs.c`` and ``interrupts.c`` in its ``firmware/Behavior`` for defaults and for what a
read or a write does; ``hwbp_core.c`` and ``hwbp_core_com.c`` of harp-tech/core.atxmega for when requests are heard.

=======  ==================  ==========  ============================================================================
addr     name                type        meaning
=======  ==================  ==========  ============================================================================
32       DigitalInputState   U8, event   bits 0-2 DIPort0..2, bit 3 DI3
34       OutputSet           U16         switch on these outputs, for their pulse length if pulse-enabled, else for ever
35       OutputClear         U16         switch off these outputs
36       OutputToggle        U16         switch these outputs over
37       OutputState         U16         written: exactly these outputs on; read: what the pins show
38-41    PortDIOSet ..       U8          Set, Clear, Toggle, State: held, without effect in the firmware read
42       PortDIODirection    U8          which DIO lines are outputs; held, without effect in the firmware read
43       PortDIOStateEvent   U8, event   bits 0-2 DIO0..2
44       AnalogData          S16[3]      1000 events a second, unless EventEnable leaves them out
45       OutputPulseEnable   U16         outputs that OutputSet pulses; after a start the three SupplyPorts only
46-59    PulseDOPort0 ..     U16         length of the pulse of output bit 0 to 13 [ms], at least 1
68, 69   PwmStart, PwmStop   U8          PWM on DO0..3
77       EventEnable         U8          bit 0 PortDI (also stands for PortDIO), bit 1 PortDIO, 2 analogue, 3, 4 cameras
78, 79   Start, StopCameras  U8          camera triggers on DO0 and DO1
80, 81   Enable, Disable     U8          servos on DO2 and DO3 (bits 2 and 3)
         Servos
82       EnableEncoders      U8          bit 2: port 2 is an encoder, and no beam
111-113  MimicPort0IR ..     U8          an output that follows a beam: 0 none, 1-3 DIO0..2, 4-7 DO0..3
117-119  MimicPort0Valve ..  U8          an output that follows a valve
122      PokeInputFilter     U8          a port that reported a beam's edge is not looked at for so many ms
=======  ==================  ==========  ============================================================================

Output bits: 0-2 DOPort0..2 (the ports' lamps), 3-5 SupplyPort0..2 (valves), 6-7 Led0..1, 8-9 Rgb0..1, 10-13 DO0..3.

**Pins.** A rig numbers inputs 0-2 DIPort0..2, 3 DI3, 4-6 DIO0..2 (of port 0..2), and outputs 0-2 SupplyPort0..2,
3-6 DO0..3.

**A read is a report.** Reading 32 or 43 brings the register up to date. An edge whose interrupt has not run yet is then
known already, and is never sent as an event: the answer to the read is all there is of it.
"""

from enum import IntEnum, IntFlag
from struct import Struct
from typing import Final

from hardware.harp import PayloadType

WHO_AM_I: Final = 1216
OLDEST_FIRMWARE: Final = 3
"""Major number. Before 3.0 there was no PokeInputFilter and no event for DIO lines."""

U16: Final = Struct("<H")

PORT_PINS: Final = range(3)
"""Beams of the ports; each shares its interrupt, and PokeInputFilter, with the DIO line of its port."""
DI3_PIN: Final = 3
DIO_PINS: Final = range(4, 7)
INPUT_PINS: Final = range(7)
DI_GROUP: Final = 0x0F
"""Input pins in register 32."""
DIO_GROUP: Final = 0x70
"""Input pins in register 43, there from bit 0 on."""
DIO_SHIFT: Final = 4

VALVE_PINS: Final = range(3)
LASER_PINS: Final = range(3, 7)
OUTPUT_BITS: Final = (3, 4, 5, 10, 11, 12, 13)
"""Output bit of every output pin."""
N_OUTPUT_BITS: Final = 14
EVERY_OUTPUT: Final = 0x3FFF
EVERY_LINE: Final = 0x3C3F
"""Every output but the board's own lamps: to switch those over, the board stops listening for a moment."""
PWM_PINS: Final = 0x0F
SERVO_BITS: Final = 0x0C

MODE_STANDBY: Final = 0
MODE_ACTIVE: Final = 1
MODE_BITS: Final = 0x03


class Register(IntEnum):
    """Addresses (see the module's table)."""

    DIGITAL_INPUT_STATE = 32
    OUTPUT_SET = 34
    OUTPUT_CLEAR = 35
    OUTPUT_TOGGLE = 36
    OUTPUT_STATE = 37
    PORT_DIO_DIRECTION = 42
    PORT_DIO_STATE_EVENT = 43
    ANALOG_DATA = 44
    OUTPUT_PULSE_ENABLE = 45
    PULSE_MS = 46
    """Of output bit 0; of bit n it is n further."""
    PWM_FREQUENCY_HZ = 60
    PWM_DUTY_CYCLE = 64
    PWM_START = 68
    PWM_STOP = 69
    RGB_ALL = 70
    EVENT_ENABLE = 77
    START_CAMERAS = 78
    STOP_CAMERAS = 79
    ENABLE_SERVOS = 80
    DISABLE_SERVOS = 81
    ENABLE_ENCODERS = 82
    CAMERA0_FREQUENCY = 93
    CAMERA1_FREQUENCY = 95
    SERVO_TIMES = 100
    """The first of four: period and pulse of two servos [µs]."""
    MIMIC_PORT_IR = 111
    MIMIC_PORT_VALVE = 117
    POKE_INPUT_FILTER = 122


FIRST_REGISTER: Final = 32
LAST_REGISTER: Final = 122


class EventBit(IntFlag):
    """Bits of EventEnable."""

    PORT_DI = 1
    PORT_DIO = 2
    ANALOG_DATA = 4
    CAMERA0 = 8
    CAMERA1 = 16


FUNCTIONS: Final = (
    Register.PWM_START,
    Register.START_CAMERAS,
    Register.ENABLE_SERVOS,
    Register.ENABLE_ENCODERS,
    *range(Register.MIMIC_PORT_IR, Register.MIMIC_PORT_IR + 3),
    *range(Register.MIMIC_PORT_VALVE, Register.MIMIC_PORT_VALVE + 3),
)
"""Registers that must read 0: with anything else, a pin is driven by something that no command of ours ends."""

WORD_REGISTERS: Final = frozenset(
    {
        *range(Register.OUTPUT_SET, Register.OUTPUT_STATE + 1),
        *range(Register.OUTPUT_PULSE_ENABLE, Register.PWM_DUTY_CYCLE),
        Register.CAMERA0_FREQUENCY,
        Register.CAMERA1_FREQUENCY,
        *range(Register.SERVO_TIMES, Register.SERVO_TIMES + 4),
    }
)


def payload_type(address: int) -> PayloadType:
    """Return the element type of an application register."""
    if address == Register.ANALOG_DATA:
        return PayloadType.S16
    return PayloadType.U16 if address in WORD_REGISTERS else PayloadType.U8

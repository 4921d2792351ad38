"""Registers of the reference board (and of its firmware): what driver and emulator must agree on.

All registers speak Harp (:mod:`hardware.harp`). 32 to 77 are a subset of the Harp Behavior board's, 200 to 212 are the
safety extension that Harp lacks.

====  ==================  ==========  ==========================================================================
addr  name                type        meaning
====  ==================  ==========  ==========================================================================
32    DigitalInputState   U8, event   bits 0-3 poke beams (1: broken), bits 4-5 lick sensors (1: touched)
34    OutputSet           U16         switch on these outputs, for their pulse length if pulse-enabled, else max-on
35    OutputClear         U16         switch off these outputs
37    OutputState         U16         exactly these outputs on, up to their max-on
45    OutputPulseEnable   U16         outputs that 34 pulses
49    PulseMs0 .. 52      U16         length of such a pulse [ms]
77    EventEnable         U8          bit 0: events of register 32
200   HostTimeoutMs       U16         50 to 5000; cannot be switched off; any valid frame feeds it
201   KeepAlive           U8          the answer echoes what was written: a ping
202   MaxOnMs0 .. 205     U16         longest time on, counted from the ON edge; valves <= 2000, lasers <= 10000
206   Fault               U8, event   bits of :class:`FaultBit`, 1 written clears; the event carries all set bits
207   OutputEvent         U8, event   state after every real output edge, stamped when it happened
208   PulseCmd            U16[4]      mask, ms, nonce, CRC-16 of the first six bytes; the last nonce again is
                                      acknowledged but not executed; mask 0 only sets the nonce
209   EventCount          U16         events of 32, 207, 8 and 18 made since boot (sent or lost; 206 is not counted)
210   ErrorCounters       U16[4]      bad checksums, receive overflows, event overflows, transmit overflows
211   Arm                 U8          write 0xA5 to arm (needs the interlock closed), 0 to disarm; reads 1 or 0
212   BootCause           U8          1 power, 2 external reset, 4 brown-out, 8 watchdog
====  ==================  ==========  ==========================================================================

Outputs are bits 0-1 valves, bits 2-3 lasers. **Order:** before a board answers a request it sends every event that
happened before; so an answer's stamp says that everything earlier has been reported.
"""

from enum import IntEnum, IntFlag
from struct import Struct
from typing import Final

from hardware.harp import PayloadType

WHO_AM_I: Final = 3335
"""0x0D07. The project's own number; not registered with harp-tech/whoami."""

BEAM_PINS: Final = range(4)
LICK_PINS: Final = range(4, 6)
VALVE_PINS: Final = range(2)
LASER_PINS: Final = range(2, 4)
N_OUTPUTS: Final = 4
ALL_OUTPUTS: Final = 0x0F
LASER_OUTPUTS: Final = 0x0C
ARM_KEY: Final = 0xA5
HOST_TIMEOUT_RANGE_MS: Final = (50, 5000)
MAX_ON_LIMITS_MS: Final = (2000, 2000, 10000, 10000)
"""What the firmware accepts per output."""
DEFAULT_MAX_ON_MS: Final = (200, 200, 1000, 1000)
DEFAULT_PULSE_MS: Final = (15, 15, 10, 10)
DEFAULT_HOST_TIMEOUT_MS: Final = 500
MODE_STANDBY: Final = 0
MODE_ACTIVE: Final = 1

PULSE_WORDS: Final = Struct("<HHH")
U16: Final = Struct("<H")


class Register(IntEnum):
    """Addresses (see the module's table)."""

    DIGITAL_INPUT_STATE = 32
    OUTPUT_SET = 34
    OUTPUT_CLEAR = 35
    OUTPUT_STATE = 37
    OUTPUT_PULSE_ENABLE = 45
    PULSE_MS = 49
    EVENT_ENABLE = 77
    HOST_TIMEOUT_MS = 200
    KEEP_ALIVE = 201
    MAX_ON_MS = 202
    FAULT = 206
    OUTPUT_EVENT = 207
    PULSE_CMD = 208
    EVENT_COUNT = 209
    ERROR_COUNTERS = 210
    ARM = 211
    BOOT_CAUSE = 212


DEFAULTS: Final = {
    int(Register.OUTPUT_PULSE_ENABLE): ALL_OUTPUTS,
    int(Register.EVENT_ENABLE): 1,
    int(Register.HOST_TIMEOUT_MS): DEFAULT_HOST_TIMEOUT_MS,
    **{Register.PULSE_MS + pin: ms for pin, ms in enumerate(DEFAULT_PULSE_MS)},
    **{Register.MAX_ON_MS + pin: ms for pin, ms in enumerate(DEFAULT_MAX_ON_MS)},
}
"""Registers that merely hold a number, as they are after a boot."""
RANGES: Final = {
    int(Register.OUTPUT_PULSE_ENABLE): (0, 0xFFFF),
    int(Register.EVENT_ENABLE): (0, 0xFF),
    int(Register.HOST_TIMEOUT_MS): HOST_TIMEOUT_RANGE_MS,
    **{Register.PULSE_MS + pin: (1, 0xFFFF) for pin in range(N_OUTPUTS)},
    **{Register.MAX_ON_MS + pin: (1, limit_ms) for pin, limit_ms in enumerate(MAX_ON_LIMITS_MS)},
}
"""Smallest and largest number that each of them takes."""


class FaultBit(IntFlag):
    """Bits of the Fault register."""

    WATCHDOG = 1
    MAX_ON = 2
    INTERLOCK = 4
    TRANSMIT_OVERFLOW = 8
    RECEIVE_OVERFLOW = 16
    CHECKSUM = 32
    DISARMED = 64
    """A laser was asked for while disarmed."""
    EVENT_OVERFLOW = 128


class BootCause(IntFlag):
    """Why the board started."""

    POWER = 1
    EXTERNAL = 2
    BROWN_OUT = 4
    WATCHDOG = 8


WORD_REGISTERS: Final = frozenset(
    {
        *range(Register.OUTPUT_SET, Register.OUTPUT_STATE + 1),
        Register.OUTPUT_PULSE_ENABLE,
        *range(Register.PULSE_MS, Register.PULSE_MS + N_OUTPUTS),
        Register.HOST_TIMEOUT_MS,
        *range(Register.MAX_ON_MS, Register.MAX_ON_MS + N_OUTPUTS),
        Register.PULSE_CMD,
        Register.EVENT_COUNT,
        Register.ERROR_COUNTERS,
    }
)


def payload_type(address: int) -> PayloadType:
    """Return the element type of an application register."""
    return PayloadType.U16 if address in WORD_REGISTERS else PayloadType.U8

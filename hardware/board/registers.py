"""Registers of the reference board (and of its firmware): what driver and emulator must agree on.

All registers speak Harp (:mod:`hardware.harp`). 32 to 77 are a subset of the Harp Behavior board's, 200 to 224 are the
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
206   Fault               U16, event  bits of :class:`FaultBit`, 1 written clears; the event carries all set bits
207   OutputEvent         U8, event   state after every real output edge, stamped when it happened
208   PulseCmd            U16[4]      mask, ms, nonce, CRC-16 of the first six bytes; the last nonce again is
                                      acknowledged but not executed; mask 0 only sets the nonce
209   EventCount          U16         events of 32, 207, 8 and 18 made since boot (sent or lost; 206 is not counted)
210   ErrorCounters       U16[4]      bad checksums, receive overflows, event overflows, transmit overflows
211   Arm                 U8          write 0xA5 to arm (needs the interlock closed), 0 to disarm; reads 1 or 0
212   BootCause           U8          1 power, 2 external reset, 4 brown-out, 8 watchdog
213   MinGapMs0 .. 216    U16         0 to 60000: an output that went off stays off for at least this long
217   DutyMs0 .. 220      U16         1 to 60000: longest time on within a minute (see below)
221   ChatterLimit        U16         10 to 1000: edges of one input in one second of the board's clock; more mute it
222   MutedInputs         U8          inputs that chattered: they read 0 and are not reported; 1 written listens again
223   LocalRule0, 224     U16[5]      beams, outputs, ms, window_ms, CRC-16 of the first eight bytes (see below)
====  ==================  ==========  ==========================================================================

Outputs are bits 0-1 valves, bits 2-3 lasers. **Order:** before a board answers a request it sends every event that
happened before; so an answer's stamp says that everything earlier has been reported. What one moment brings is told in
this order: the input's edge, the outputs' edges, the faults raised, the answer.

**Switching on** (34, 37, 208 and the local rule) is decided for each output by itself. One that is off stays off, and
raises one fault, by the first of these that holds: a laser not allowed (DISARMED), its gap (GAP), its time used up
(DUTY). One that is on ends when the newest of them says. An output that a limit ends early raises that limit's fault
(MAX_ON, if both do at once); a pulse that ends by itself just then raises none. A changed MaxOnMs or DutyMs holds at
once, also for an output that is on. Stepping the clock (8) moves none of these times.

**Gap.** A pulse for an output that is off and whose last OFF edge is less than its MinGapMs ago is acknowledged, does
not happen, and raises GAP. A pulse for an output that is still on lengthens it, up to its limits, and needs no gap.
Every OFF edge counts, however it came about. A boot forgets them.

**Duty.** The board adds up how long each output was on in every whole second of its clock. The sum over the running
second and the 60 before it never exceeds DutyMs: an output that reaches it is cut there, one that has used it up is
acknowledged and does not happen; both raise DUTY. At a whole second the oldest one is forgotten first. A boot forgets
the sums.

**Chatter.** An input that changes more than ChatterLimit times within one second of the board's clock is muted: it
reads 0 from then on (an edge like any other, if it was 1), and CHATTER is raised. Nothing but 222 and a boot unmute it;
what it then reads is reported as an edge if it is 1. An input's edges are counted per second, from 0 again in each; in
every mode, but not while it is muted. 222 answers a write with the inputs that are still muted.

**Local rule.** The next rising edge of any of ``beams`` (bits 0-3) within ``window_ms`` of the write fires one pulse of
``ms`` on ``outputs``, in the interrupt that saw the beam, under every limit that a PulseCmd has. Then the rule is
spent, also if every output was refused. ``window_ms`` 0 clears it; 0 beams, outputs or ms with a window is refused.
Higher bits of both masks are ignored. Disarm, interlock, a host silent for HostTimeoutMs (in any mode) and the write of
standby clear both rules. It reads back, and answers a write, with what is left of its window, rounded up to ms (0:
none; an edge then fires nothing), and CRC 0. Edges are those of register 32, reported or not, but not what unmuting
shows. The same eight bytes again, within ``window_ms`` of their first write and without a clearing in between, are
acknowledged and change nothing, even if the rule is spent: so a repeated request fires once.
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
MIN_GAP_RANGE_MS: Final = (0, 60000)
DEFAULT_MIN_GAP_MS: Final = (10, 10, 10, 10)
DUTY_RANGE_MS: Final = (1, 60000)
DEFAULT_DUTY_MS: Final = (10000, 10000, 40000, 40000)
DUTY_SECONDS: Final = 60
CHATTER_RANGE_HZ: Final = (10, 1000)
DEFAULT_CHATTER_HZ: Final = 100
N_INPUTS: Final = 6
N_RULES: Final = 2
MODE_STANDBY: Final = 0
MODE_ACTIVE: Final = 1

PULSE_WORDS: Final = Struct("<HHH")
RULE_WORDS: Final = Struct("<HHHH")
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
    MIN_GAP_MS = 213
    DUTY_MS = 217
    CHATTER_LIMIT = 221
    MUTED_INPUTS = 222
    LOCAL_RULE = 223


DEFAULTS: Final = {
    int(Register.OUTPUT_PULSE_ENABLE): ALL_OUTPUTS,
    int(Register.EVENT_ENABLE): 1,
    int(Register.HOST_TIMEOUT_MS): DEFAULT_HOST_TIMEOUT_MS,
    **{Register.PULSE_MS + pin: ms for pin, ms in enumerate(DEFAULT_PULSE_MS)},
    **{Register.MAX_ON_MS + pin: ms for pin, ms in enumerate(DEFAULT_MAX_ON_MS)},
    **{Register.MIN_GAP_MS + pin: ms for pin, ms in enumerate(DEFAULT_MIN_GAP_MS)},
    **{Register.DUTY_MS + pin: ms for pin, ms in enumerate(DEFAULT_DUTY_MS)},
    int(Register.CHATTER_LIMIT): DEFAULT_CHATTER_HZ,
}
"""Registers that merely hold a number, as they are after a boot."""
RANGES: Final = {
    int(Register.OUTPUT_PULSE_ENABLE): (0, 0xFFFF),
    int(Register.EVENT_ENABLE): (0, 0xFF),
    int(Register.HOST_TIMEOUT_MS): HOST_TIMEOUT_RANGE_MS,
    **{Register.PULSE_MS + pin: (1, 0xFFFF) for pin in range(N_OUTPUTS)},
    **{Register.MAX_ON_MS + pin: (1, limit_ms) for pin, limit_ms in enumerate(MAX_ON_LIMITS_MS)},
    **{Register.MIN_GAP_MS + pin: MIN_GAP_RANGE_MS for pin in range(N_OUTPUTS)},
    **{Register.DUTY_MS + pin: DUTY_RANGE_MS for pin in range(N_OUTPUTS)},
    int(Register.CHATTER_LIMIT): CHATTER_RANGE_HZ,
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
    GAP = 256
    """An output was asked for too soon after its last pulse."""
    DUTY = 512
    """An output has used up its time on for this minute."""
    CHATTER = 1024
    """An input changed too often and was muted."""


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
        Register.FAULT,
        *range(Register.MIN_GAP_MS, Register.MIN_GAP_MS + N_OUTPUTS),
        *range(Register.DUTY_MS, Register.DUTY_MS + N_OUTPUTS),
        Register.CHATTER_LIMIT,
        *range(Register.LOCAL_RULE, Register.LOCAL_RULE + N_RULES),
    }
)


def payload_type(address: int) -> PayloadType:
    """Return the element type of an application register."""
    return PayloadType.U16 if address in WORD_REGISTERS else PayloadType.U8

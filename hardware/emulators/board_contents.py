"""The emulated reference board's registers: those that never change, and the types of those that show its state."""

from typing import Final

from hardware.board.registers import N_RULES, Register
from hardware.harp import CoreRegister, PayloadType

_VERSION: Final = bytes((1, 13, 0, 0, 1, 0, 1, 0, 0)) + b"EMU" + bytes(20)
CONSTANTS: Final = {
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
LIVE: Final = {
    int(CoreRegister.WHO_AM_I): (PayloadType.U16, 2),
    int(CoreRegister.TIMESTAMP_SECONDS): (PayloadType.U32, 4),
    int(CoreRegister.TIMESTAMP_MICROSECONDS): (PayloadType.U16, 2),
    int(CoreRegister.OPERATION_CONTROL): (PayloadType.U8, 1),
    int(CoreRegister.HEARTBEAT): (PayloadType.U16, 2),
    int(Register.DIGITAL_INPUT_STATE): (PayloadType.U8, 1),
    int(Register.OUTPUT_STATE): (PayloadType.U16, 2),
    int(Register.FAULT): (PayloadType.U16, 2),
    int(Register.OUTPUT_EVENT): (PayloadType.U8, 1),
    int(Register.EVENT_COUNT): (PayloadType.U16, 2),
    int(Register.ERROR_COUNTERS): (PayloadType.U16, 8),
    int(Register.ARM): (PayloadType.U8, 1),
    int(Register.BOOT_CAUSE): (PayloadType.U8, 1),
    int(Register.MUTED_INPUTS): (PayloadType.U8, 1),
    **{Register.LOCAL_RULE + which: (PayloadType.U16, 10) for which in range(N_RULES)},
}
"""Registers that show the board's state: element type and size in bytes."""

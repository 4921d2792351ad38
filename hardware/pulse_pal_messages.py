"""Messages to a Sanworks Pulse Pal 2: what the host may say to it, and what it answers.

Every message is the mark 213 (0xD5), an opcode and its arguments, little-endian, without length or checksum. Times are
in units of 50 µs; voltages are 16 bits over -10 to +10 V. Source: firmware 21 of ``sanworks/PulsePal``
(``Firmware/PulsePal_2_0_1``).

====  ============  =====================================================================  ========================
op    name          arguments                                                              answer
====  ============  =====================================================================  ========================
72    HANDSHAKE     none                                                                   75 ('K'), firmware U32
73    PROGRAM_ALL   178 bytes: everything about the four channels and the two trigger       1
                    inputs (:func:`program`)
74    PROGRAM_ONE   parameter U8, channel U8 from 1, value                                  1
77    TRIGGER       channels U8, bit 0 is channel 1                                         none
80    ABORT         none: ends the trains on all four channels                              none
81    DISCONNECT    none: aborts, and forgets the client's name                             none
89    CLIENT_NAME   6 characters for the display                                            none
====  ============  =====================================================================  ========================

There is no other message here, and no train without an end: the device has no longest time on and no watchdog, so what
it was told to do is what it does. Its fixed voltage (79) and its continuous loop (82) never end; custom trains (75,
76), files (90) and bare pins (86) would let a train start that nobody here has bounded. :func:`message` refuses them
all.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import Final

from realtime.errors import DuettoError

MARK: Final = 213
UNIT_NS: Final = 50_000
N_CHANNELS: Final = 4
MAX_TRAIN_UNITS: Final = 200_000
"""10 s: no train is longer."""
MIN_FIRMWARE: Final = 20
"""Below it is a Pulse Pal 1: its voltages have 8 bits, its messages other lengths."""
CONFIRMED: Final = 1
REFUSED: Final = 0
"""What newer firmware answers instead of CONFIRMED."""
FULL_SCALE_V: Final = 10.0
ANSWER_BYTES: Final = 5
"""Length of a handshake's answer."""

_TRAIN_DURATION: Final = 10
_ANSWER: Final = Struct("<BI")
_TIMES: Final = Struct("<8I")
_VOLTAGES: Final = Struct("<3H")
_ONE_TIME: Final = Struct("<BBI")
_NAME_BYTES: Final = 6
_K: Final = 75
_HIGHEST_FIRMWARE: Final = 0xFFFF


class Op(IntEnum):
    """What can be said (see the module's table)."""

    HANDSHAKE = 72
    PROGRAM_ALL = 73
    PROGRAM_ONE = 74
    TRIGGER = 77
    ABORT = 80
    DISCONNECT = 81
    CLIENT_NAME = 89


_ARGUMENT_BYTES: Final = {
    Op.HANDSHAKE: 0,
    Op.PROGRAM_ALL: 178,
    Op.PROGRAM_ONE: _ONE_TIME.size,
    Op.TRIGGER: 1,
    Op.ABORT: 0,
    Op.DISCONNECT: 0,
    Op.CLIENT_NAME: _NAME_BYTES,
}


class MessageRefused(DuettoError):
    """Something that must not be said to a Pulse Pal, or cannot be."""


class Unbounded(MessageRefused):
    """A message that would start something that does not end by itself, or not soon enough."""


@dataclass(frozen=True, slots=True)
class ChannelProgram:
    """What one channel makes of a trigger: pulses until ``train_units`` are over, which cuts the last one.

    Attributes
    ----------
    pulse_units, interval_units
        Length of a pulse, and of the pause after it [50 µs].
    train_units
        Length of the whole train [50 µs].
    level
        Voltage of a pulse, in the device's 16 bits; between pulses it is 0 V.
    """

    pulse_units: int
    interval_units: int
    train_units: int
    level: int


def level(volts: float) -> int:
    """Return a voltage in the device's 16 bits.

    Raises
    ------
    MessageRefused
        If it is not within -10 to +10 V.
    """
    if not -FULL_SCALE_V <= volts <= FULL_SCALE_V:
        raise MessageRefused(f"A Pulse Pal cannot put out {volts:g} V. Use -10 to 10 V.")
    return math.ceil((volts + FULL_SCALE_V) / (2 * FULL_SCALE_V) * 0xFFFF)


_REST: Final = level(0.0)
INERT: Final = ChannelProgram(1, 1, 1, _REST)
"""The program of a channel that nobody uses: 0 V for 50 µs."""


def message(op: int, arguments: bytes = b"") -> bytes:
    """Return one whole message. Everything that is said goes through here.

    Raises
    ------
    Unbounded
        If ``op`` is none of :class:`Op`: whatever else the device knows may start something that does not end.
    MessageRefused
        If the arguments have the wrong length: the device would wait for the rest, and freeze.
    """
    size = _ARGUMENT_BYTES.get(op)  # type: ignore[call-overload]
    if size is None:
        raise Unbounded(
            f"Opcode {op} is never sent to a Pulse Pal: what it starts may not end by itself. "
            f"Use one of {', '.join(f'{known.value} ({known.name})' for known in Op)}."
        )
    if len(arguments) != size:
        raise MessageRefused(
            f"Opcode {op} takes {size} bytes of arguments, not {len(arguments)}: the Pulse Pal would wait for the rest "
            "and freeze with its outputs as they are."
        )
    return bytes((MARK, op)) + arguments


def program(channels: Sequence[ChannelProgram]) -> bytes:
    """Return the message that sets everything: ``channels``, in order, one pulse phase, no bursts, no delay.

    No custom train, no loop; trigger inputs start nothing; 0 V at rest.

    Raises
    ------
    Unbounded
        If a train has no end, or is longer than 10 s.
    MessageRefused
        If there are not four channels, or a number does not fit.
    """
    if len(channels) != N_CHANNELS:
        raise MessageRefused(f"A Pulse Pal has {N_CHANNELS} channels, not {len(channels)}. Program all of them.")
    times, voltages = b"", b""
    for channel in channels:
        _check_train(channel.train_units)
        if not (0 < channel.pulse_units < 1 << 32 and 0 < channel.interval_units < 1 << 32):
            raise MessageRefused("A pulse and the pause after it take at least 50 µs each on a Pulse Pal.")
        times += _TIMES.pack(channel.pulse_units, 0, 1, channel.interval_units, 0, 0, channel.train_units, 0)
        voltages += _VOLTAGES.pack(channel.level, _REST, _REST)
    flags = bytes(4 * N_CHANNELS)  # two phases, custom train, its target, its loop: none
    links = bytes(2 * N_CHANNELS + 2)  # which trigger input starts which channel, and the inputs' modes: none, normal
    return message(Op.PROGRAM_ALL, times + voltages + flags + links)


def train_duration(channel: int, train_units: int) -> bytes:
    """Return the message that sets how long the train of ``channel`` (0 to 3) is.

    Raises
    ------
    Unbounded
        If it has no end, or is longer than 10 s.
    MessageRefused
        If there is no such channel.
    """
    _check_train(train_units)
    if not 0 <= channel < N_CHANNELS:
        raise MessageRefused(f"A Pulse Pal has no output {channel}. Use 0 to {N_CHANNELS - 1}.")
    return message(Op.PROGRAM_ONE, _ONE_TIME.pack(_TRAIN_DURATION, channel + 1, train_units))


def trigger(channels: int) -> bytes:
    """Return the message that starts the trains of ``channels``, a bit mask, at one instant.

    Raises
    ------
    MessageRefused
        If there are no such channels.
    """
    if not 0 < channels < 1 << N_CHANNELS:
        raise MessageRefused(f"{channels} is no mask of a Pulse Pal's outputs. Use 1 to {(1 << N_CHANNELS) - 1}.")
    return message(Op.TRIGGER, bytes((channels,)))


def client_name(text: str) -> bytes:
    """Return the message that names us on the device's display: the first six characters."""
    return message(Op.CLIENT_NAME, text.encode("ascii", "replace")[:_NAME_BYTES].ljust(_NAME_BYTES))


HANDSHAKE: Final = message(Op.HANDSHAKE)
ABORT: Final = message(Op.ABORT)
DISCONNECT: Final = message(Op.DISCONNECT)


def handshake_answer(firmware: int) -> bytes:
    """Return what a device with ``firmware`` answers to a handshake."""
    return _ANSWER.pack(_K, firmware)


def firmware_in(answer: bytes | bytearray) -> int | None:
    """Return the firmware's number if the last bytes of ``answer`` are a handshake's, else None."""
    if len(answer) < ANSWER_BYTES:
        return None
    k, firmware = _ANSWER.unpack(answer[-ANSWER_BYTES:])
    return int(firmware) if k == _K and firmware <= _HIGHEST_FIRMWARE else None


def _check_train(train_units: int) -> None:
    if not 0 < train_units <= MAX_TRAIN_UNITS:
        raise Unbounded(
            f"A train of {train_units} units of 50 µs is refused: a Pulse Pal's train has an end, "
            f"at most {MAX_TRAIN_UNITS * UNIT_NS // 1_000_000_000} s after its start."
        )

"""The Harp 8-bit binary protocol: codec and sans-IO framer.

Source: harp-tech/protocol, ``BinaryProtocol-8bit.md``, ``Device.md``, ``schema/core.yml``. Everything is little-endian.

======  =====  ==============================================================================================
offset  bytes  field
======  =====  ==============================================================================================
0       1      message type: 1 read, 2 write, 3 event; error replies are 9 (read) and 10 (write)
1       1      length: how many bytes follow this one
2       1      address of the register
3       1      port; 255 is the device itself
4       1      payload type: low nibble element size 1, 2, 4 or 8; 0x80 signed; 0x40 float; 0x10 stamped
5       4 + 2  only if stamped: seconds U32, fraction U16 in units of 32 µs
..      n      payload, whole elements; empty in a read request and allowed to be empty in an error reply
last    1      checksum: the sum of all bytes before it, modulo 256
======  =====  ==============================================================================================

A frame is refused, and the scan goes on at the byte after its first one, when

* its message type is none of 1, 2, 3, 9, 10;
* its length is below 4, or above the framer's limit (a length of 255 would announce the extended form, unused here);
* its payload type is unknown;
* its length does not hold a whole number of elements (and the stamp, if there is one);
* its checksum is wrong (``bad_checksums`` counts those, ``garbage_bytes`` counts the skipped bytes of all);
* it is still unfinished when nothing more has come for the inter-byte timeout.

The checksum catches every single wrong bit, but no two errors that cancel: commands that move something carry a CRC-16
in their payload (:func:`crc16`).
"""

import binascii
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import Final

from realtime.records import NEVER_NS, NS_PER_MS, NS_PER_S

TICK_NS: Final = 32_000
"""The unit of a stamp's fraction."""
DEVICE_PORT: Final = 255
STAMPED: Final = 0x10
DEFAULT_LENGTH_LIMIT: Final = 64
INTER_BYTE_TIMEOUT_NS: Final = 5 * NS_PER_MS

_PLAIN: Final = Struct("<BBBBB")
_WITH_STAMP: Final = Struct("<BBBBBIH")


class MessageType(IntEnum):
    """What a frame is."""

    READ = 1
    WRITE = 2
    EVENT = 3
    READ_ERROR = 9
    WRITE_ERROR = 10


class PayloadType(IntEnum):
    """Type of a payload's elements, without the stamp's bit."""

    U8 = 0x01
    S8 = 0x81
    U16 = 0x02
    S16 = 0x82
    U32 = 0x04
    S32 = 0x84
    U64 = 0x08
    S64 = 0x88
    FLOAT = 0x44


class CoreRegister(IntEnum):
    """Registers that every Harp device has."""

    WHO_AM_I = 0
    HARDWARE_HIGH = 1
    HARDWARE_LOW = 2
    ASSEMBLY = 3
    CORE_HIGH = 4
    CORE_LOW = 5
    FIRMWARE_HIGH = 6
    FIRMWARE_LOW = 7
    TIMESTAMP_SECONDS = 8
    TIMESTAMP_MICROSECONDS = 9
    OPERATION_CONTROL = 10
    RESET_DEVICE = 11
    DEVICE_NAME = 12
    SERIAL_NUMBER = 13
    CLOCK_CONFIGURATION = 14
    TIMESTAMP_OFFSET = 15
    UID = 16
    TAG = 17
    HEARTBEAT = 18
    VERSION = 19


_MESSAGE_TYPES: Final = {int(kind): kind for kind in MessageType}
_PAYLOAD_TYPES: Final = {int(kind) | stamp: kind for kind in PayloadType for stamp in (0, STAMPED)}


@dataclass(frozen=True, slots=True)
class Message:
    """One frame, decoded.

    Attributes
    ----------
    type, address, port, payload_type, payload
        As on the wire; ``payload_type`` without the stamp's bit.
    seconds, ticks32us
        The device's stamp, or both None.
    """

    type: MessageType
    address: int
    port: int
    payload_type: PayloadType
    payload: bytes
    seconds: int | None = None
    ticks32us: int | None = None

    @property
    def device_ns(self) -> int | None:
        """The stamp as device time in ns, or None in an unstamped frame."""
        if self.seconds is None or self.ticks32us is None:
            return None
        return self.seconds * NS_PER_S + self.ticks32us * TICK_NS

    @property
    def is_error(self) -> bool:
        """Whether the device refused the request that this answers."""
        return self.type >= MessageType.READ_ERROR

    @property
    def value(self) -> int:
        """The whole payload as one unsigned integer (0 if it is empty): a register's value, if it has one element."""
        return int.from_bytes(self.payload, "little")


def crc16(data: bytes) -> int:
    """Return the CRC-16-CCITT of ``data`` (polynomial 0x1021, start 0xFFFF, not reflected)."""
    return binascii.crc_hqx(data, 0xFFFF)


def encode(
    message_type: MessageType,
    address: int,
    payload_type: PayloadType,
    payload: bytes = b"",
    device_ns: int | None = None,
    port: int = DEVICE_PORT,
) -> bytes:
    """Return one frame's bytes.

    Parameters
    ----------
    device_ns
        Device time to stamp the frame with, cut to whole 32 µs; None leaves the stamp out.
    """
    if device_ns is None:
        body = _PLAIN.pack(message_type, 4 + len(payload), address, port, payload_type) + payload
    else:
        seconds, rest_ns = divmod(device_ns, NS_PER_S)
        body = (
            _WITH_STAMP.pack(
                message_type,
                10 + len(payload),
                address,
                port,
                payload_type | STAMPED,
                seconds,
                rest_ns // TICK_NS,
            )
            + payload
        )
    return body + bytes((sum(body) & 0xFF,))


def read_request(address: int, payload_type: PayloadType) -> bytes:
    """Return the host's request to read a register."""
    return encode(MessageType.READ, address, payload_type)


def write_request(address: int, payload_type: PayloadType, payload: bytes) -> bytes:
    """Return the host's request to write a register."""
    return encode(MessageType.WRITE, address, payload_type, payload)


def reply(
    request: MessageType,
    address: int,
    payload_type: PayloadType,
    payload: bytes,
    device_ns: int,
    error: bool = False,
) -> bytes:
    """Return the device's answer to a READ or WRITE ``request``: the same type, stamped, or the error form of it."""
    message_type = MessageType(request | 8) if error else request
    return encode(message_type, address, payload_type, payload, device_ns)


def event(address: int, payload_type: PayloadType, payload: bytes, device_ns: int) -> bytes:
    """Return an event that a device sends of its own accord."""
    return encode(MessageType.EVENT, address, payload_type, payload, device_ns)


class Framer:
    """Cuts a stream of bytes into messages; finds its way back after garbage (see the module's list of refusals).

    Parameters
    ----------
    timeout_ns
        An unfinished frame is given up after this long without a byte. USB adapters deliver in packets: keep it above
        the adapter's latency timer.
    length_limit
        Largest length field accepted.

    Attributes
    ----------
    garbage_bytes
        Bytes skipped so far because they are part of no frame.
    bad_checksums
        Frames refused so far because of their checksum alone.
    """

    __slots__ = ("_heard_ns", "_length_limit", "_pending", "_timeout_ns", "bad_checksums", "garbage_bytes")

    def __init__(self, timeout_ns: int = INTER_BYTE_TIMEOUT_NS, length_limit: int = DEFAULT_LENGTH_LIMIT) -> None:
        self._timeout_ns = timeout_ns
        self._length_limit = length_limit
        self._pending = b""
        self._heard_ns = 0
        self.garbage_bytes = 0
        self.bad_checksums = 0

    def due_ns(self) -> int:
        """Return when an unfinished frame will be given up (call ``feed(b"", now_ns)`` then), or NEVER_NS."""
        return self._heard_ns + self._timeout_ns + 1 if self._pending else NEVER_NS

    def feed(self, data: bytes, now_ns: int) -> list[Message]:
        """Take ``data`` that arrived at ``now_ns`` and return the messages it completes."""
        messages: list[Message] = []
        if self._pending:
            if now_ns - self._heard_ns > self._timeout_ns:
                self._scan(self._pending, messages, final=True)
                self._pending = b""
            else:
                data = self._pending + data
        if data:
            self._pending = data[self._scan(data, messages, final=False) :]
            self._heard_ns = now_ns
        return messages

    def _scan(self, data: bytes, messages: list[Message], final: bool) -> int:
        """Append every message in ``data``; return where the unfinished rest begins. ``final``: no more will come."""
        start, end = 0, len(data)
        while start < end:
            size = self._frame_size(data, start, end)
            if size > end - start:
                if not final:
                    break
                size = 0
            message = self._decode(data, start, size) if size else None
            if message is None:
                self.garbage_bytes += 1
                start += 1
            else:
                messages.append(message)
                start += size
        return start

    def _frame_size(self, data: bytes, start: int, end: int) -> int:
        """Return the size of the frame at ``start`` (at least 5 while its header is unfinished), 0 if it is none."""
        if data[start] not in _MESSAGE_TYPES:
            return 0
        if end - start < 2:
            return 5
        length = data[start + 1]
        if not 4 <= length <= self._length_limit:
            return 0
        if end - start < 5:
            return length + 2
        kind = data[start + 4]
        payload = length - 10 if kind & STAMPED else length - 4
        if kind not in _PAYLOAD_TYPES or payload < 0 or payload % (kind & 0x0F):
            return 0
        return length + 2

    def _decode(self, data: bytes, start: int, size: int) -> Message | None:
        """Return the message in the ``size`` bytes at ``start``, or None if its checksum is wrong."""
        last = start + size - 1
        if sum(data[start:last]) & 0xFF != data[last]:
            self.bad_checksums += 1
            return None
        kind = data[start + 4]
        if kind & STAMPED:
            code, _, address, port, _, seconds, ticks = _WITH_STAMP.unpack_from(data, start)
            payload = data[start + 11 : last]
            return Message(_MESSAGE_TYPES[code], address, port, _PAYLOAD_TYPES[kind], payload, seconds, ticks)
        code, _, address, port, _ = _PLAIN.unpack_from(data, start)
        return Message(_MESSAGE_TYPES[code], address, port, _PAYLOAD_TYPES[kind], data[start + 5 : last])

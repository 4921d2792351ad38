"""Bytes in and out of a serial port. The one file that imports pyserial."""

import contextlib
import errno
from typing import Final, Protocol, Self

import serial

from realtime.errors import DuettoError

_CHUNK_BYTES: Final = 65536
_WRITE_TIMEOUT_S: Final = 0.05
_BUSY: Final = (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK)
_FORBIDDEN: Final = (errno.EACCES, errno.EPERM)


class PortError(DuettoError):
    """A serial port cannot be used."""


class PortAbsent(PortError):
    """There is no such port."""


class PortBusy(PortError):
    """Another program holds the port."""


class PortRefused(PortError):
    """The system does not let us use the port, or it is no serial port."""


class PortLost(PortError):
    """The port failed while in use: unplugged, hung up, or it takes no more bytes."""


class Transport(Protocol):
    """A pipe to a device: non-blocking, dumb, owned by one process."""

    def read(self) -> bytes:
        """Return everything that has arrived, possibly nothing."""

    def write(self, data: bytes) -> None:
        """Send all of ``data``."""

    def fileno(self) -> int:
        """Return the descriptor to wait on."""

    def close(self) -> None:
        """Let go of it; doing so twice is harmless."""


class SerialTransport:
    """A serial port, opened exclusively. Make one with :meth:`open`.

    Every call after the port was lost, or closed, raises :class:`PortLost` with the first reason: a dead port is
    remembered, nobody waits on it.
    """

    __slots__ = ("_lost", "_serial", "port")

    def __init__(self, port: str, handle: serial.Serial) -> None:
        self.port = port
        self._serial = handle
        self._lost: str | None = None

    @classmethod
    def open(cls, port: str, baud: int) -> Self:
        """Open ``port`` at ``baud`` bits/s, 8N1, no flow control, for this process alone.

        Opening raises DTR where there is such a line, which restarts boards of the Arduino kind.

        Raises
        ------
        PortAbsent, PortBusy, PortRefused
            As their names say.
        """
        try:
            # pyserial itself tolerates ENOTTY on DTR and RTS, which a pseudo-terminal does not have.
            handle = serial.Serial(port, baud, timeout=0, write_timeout=_WRITE_TIMEOUT_S, exclusive=True)
        except (OSError, ValueError) as error:
            raise _refusal(port, error) from error
        with contextlib.suppress(OSError, ValueError, AttributeError):
            handle.set_low_latency_mode(True)  # an FTDI chip would otherwise hold bytes for 16 ms
        return cls(port, handle)

    def read(self) -> bytes:
        """Return everything that has arrived, possibly nothing, without waiting.

        Raises
        ------
        PortLost
            If the device is gone.
        """
        self._check()
        try:
            return bytes(self._serial.read(_CHUNK_BYTES))
        except (OSError, TypeError) as error:  # SerialException is an OSError; TypeError: closed meanwhile
            raise self._gone(error) from error

    def write(self, data: bytes) -> None:
        """Send all of ``data``, waiting at most 50 ms for room.

        Raises
        ------
        PortLost
            If the device is gone or takes no more bytes.
        """
        self._check()
        try:
            self._serial.write(data)
        except (OSError, TypeError) as error:
            raise self._gone(error) from error

    def fileno(self) -> int:
        """Return the descriptor to wait on (select, poll).

        Raises
        ------
        PortLost
            If the device is gone.
        """
        self._check()
        return int(self._serial.fileno())

    def close(self) -> None:
        """Let go of the port; doing so twice is harmless."""
        if self._lost is None:
            self._lost = "it was closed"
        with contextlib.suppress(OSError):
            self._serial.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _check(self) -> None:
        if self._lost is not None:
            raise PortLost(f"Port {self.port} is not usable any more: {self._lost}. Open it again.")

    def _gone(self, error: Exception) -> PortLost:
        self._lost = str(error)
        return PortLost(
            f"Port {self.port} was lost: {error}. Check the cable and the device's power, then start a new session."
        )


def _refusal(port: str, error: Exception) -> PortError:
    """Return the named error for a port that did not open."""
    number = getattr(error, "errno", None)
    if number in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
        return PortAbsent(f"There is no port {port}. Is the device plugged in, and the rig file's port right?")
    if number in _BUSY:
        return PortBusy(f"Port {port} is in use by another program. Close that program, then try again.")
    if number in _FORBIDDEN:
        return PortRefused(
            f"No permission to open port {port}. Add this user to the group that owns it (often 'dialout'), "
            "then log in again."
        )
    return PortRefused(f"Port {port} cannot be used as a serial port: {error}. Check the rig file's port.")

"""Bytes in and out of a serial port. The one file that imports pyserial."""

import contextlib
import errno
from pathlib import Path
from typing import Final, Protocol, Self

import serial

from realtime.errors import DuettoError

_CHUNK_BYTES: Final = 65536
_WRITE_TIMEOUT_S: Final = 0.05
_BUSY: Final = (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK)
_FORBIDDEN: Final = (errno.EACCES, errno.EPERM)
USB_SERIAL: Final = Path("/sys/bus/usb-serial/devices")
"""Where Linux shows what can be set of USB-to-serial chips."""
SHORTEST_LATENCY_MS: Final = 1


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

    @property
    def latency_ms(self) -> int | None:
        """How long its chip may hold bytes back; None where nothing is known of that."""

    def latency_warning(self) -> str:
        """Return a sentence about that, if it is long."""

    def read(self) -> bytes:
        """Return everything that has arrived, possibly nothing."""

    def write(self, data: bytes) -> None:
        """Send all of ``data``."""

    def fileno(self) -> int:
        """Return the descriptor to wait on."""

    def close(self) -> None:
        """Let go of it; doing so twice is harmless."""


def shorten_latency(port: str, usb_serial: Path = USB_SERIAL) -> int | None:
    """Set the latency timer of a port's FTDI chip to 1 ms, where the system lets us.

    The chip holds received bytes back until it has a packet full or its timer is over: 16 ms by default, which would be
    added to every poke's way to the loop, and to half of the clock's uncertainty.

    Returns
    -------
    int or None
        The timer as it is now [ms]; None for a port that has none.
    """
    timer = usb_serial / Path(port).resolve().name / "latency_timer"
    with contextlib.suppress(OSError):
        timer.write_text(f"{SHORTEST_LATENCY_MS}\n", encoding="ascii")
    try:
        return int(timer.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


class SerialTransport:
    """A serial port, opened exclusively. Make one with :meth:`open`.

    Attributes
    ----------
    port
        Its path.

    Every call after the port was lost, or closed, raises :class:`PortLost` with the first reason: a dead port is
    remembered, nobody waits on it.
    """

    __slots__ = ("_latency_ms", "_lost", "_serial", "port")

    def __init__(self, port: str, handle: serial.Serial, latency_ms: int | None = None) -> None:
        self.port = port
        self._latency_ms = latency_ms
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
            handle.set_low_latency_mode(True)  # the same wish, by the call that needs no permission on a file
        return cls(port, handle, shorten_latency(port))

    @property
    def latency_ms(self) -> int | None:
        """The latency timer of its FTDI chip [ms]; None where there is none."""
        return self._latency_ms

    def latency_warning(self) -> str:
        """Return a sentence about a latency timer that could not be shortened; nothing where all is well."""
        if self._latency_ms is None or self._latency_ms <= SHORTEST_LATENCY_MS:
            return ""
        timer = USB_SERIAL / Path(self.port).resolve().name / "latency_timer"
        return (
            f"Port {self.port}: its FTDI chip holds bytes back for up to {self._latency_ms} ms. Let this user write "
            f"{SHORTEST_LATENCY_MS} to {timer} (a udev rule does it for good), or times are uncertain by half of that, "
            "and messages that come in two pieces are lost."
        )

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

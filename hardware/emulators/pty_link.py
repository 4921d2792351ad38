"""A pseudo-terminal whose far end any program can open like a serial port. No threads: the owner pumps it.

The emulator's process holds the master side (:meth:`PtyLink.read`, :meth:`PtyLink.write`); a driver opens
:attr:`PtyLink.path`, or the symbolic link made for it. A pseudo-terminal has no baud rate and no DTR line.
"""

import contextlib
import os
import tty
from pathlib import Path
from typing import Final, Self

from realtime.errors import DuettoError

_CHUNK_BYTES: Final = 65536
_BACKLOG_BYTES: Final = 65536


class PtyError(DuettoError):
    """A pseudo-terminal cannot be used."""


class PtyUnavailable(PtyError):
    """The system gives out no more pseudo-terminals."""


class LinkTaken(PtyError):
    """The name for the symbolic link cannot be used."""


class LinkUnplugged(PtyError):
    """The link was unplugged or closed, and is used nevertheless."""


class PtyLink:
    """One pseudo-terminal pair in raw mode. Make one with :meth:`open`.

    Attributes
    ----------
    path
        What a driver opens: the symbolic link if there is one, else the slave device.
    dropped_bytes
        Bytes thrown away because nobody read the far end for long (64 KiB behind).
    """

    __slots__ = ("_backlog", "_link", "_master", "_slave", "dropped_bytes", "path")

    def __init__(self, master: int, slave: int, path: Path, link: Path | None) -> None:
        self._master = master
        self._slave = slave
        self._link = link
        self._backlog = bytearray()
        self.path = path
        self.dropped_bytes = 0

    @classmethod
    def open(cls, link: Path | None = None) -> Self:
        """Make the pair; ``link`` asks for a symbolic link to the slave (an old link of that name is replaced).

        Raises
        ------
        PtyUnavailable
            If the system has none left.
        LinkTaken
            If something that is no symbolic link has that name, or its folder cannot be written.
        """
        try:
            master, slave = os.openpty()
        except OSError as error:
            raise PtyUnavailable(f"No pseudo-terminal: {error}. Close other emulators, then retry.") from error
        try:
            tty.setraw(slave)
            os.set_blocking(master, False)
            path = Path(os.ttyname(slave))
            if link is not None:
                _make_link(link, path)
        except BaseException:
            os.close(master)
            os.close(slave)
            raise
        # The slave stays open here, so that the master reads nothing, rather than EIO, while no driver is connected.
        return cls(master, slave, link or path, link)

    @property
    def plugged(self) -> bool:
        """Whether the link is still there."""
        return self._master >= 0

    def fileno(self) -> int:
        """Return the master's descriptor to wait on.

        Raises
        ------
        LinkUnplugged
            If it is gone.
        """
        self._check()
        return self._master

    def read(self) -> bytes:
        """Return what the driver has written, possibly nothing, without waiting.

        Raises
        ------
        LinkUnplugged
            If it is gone.
        """
        self._check()
        try:
            return os.read(self._master, _CHUNK_BYTES)
        except BlockingIOError:
            return b""

    def write(self, data: bytes) -> None:
        """Send ``data`` to the driver; what does not fit now is kept, in order, for the next call.

        Raises
        ------
        LinkUnplugged
            If it is gone.
        """
        self._check()
        room = max(0, _BACKLOG_BYTES - len(self._backlog))
        self.dropped_bytes += max(0, len(data) - room)
        self._backlog += data[:room]
        with contextlib.suppress(BlockingIOError):
            while self._backlog:
                del self._backlog[: os.write(self._master, self._backlog)]

    def unplug(self) -> None:
        """Hang up: a driver that has the far end open sees its port fail. Doing so twice is harmless."""
        for descriptor in (self._master, self._slave):
            if descriptor >= 0:
                os.close(descriptor)
        self._master = self._slave = -1
        if self._link is not None:
            self._link.unlink(missing_ok=True)
            self._link = None

    close = unplug

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _check(self) -> None:
        if self._master < 0:
            raise LinkUnplugged(f"The link {self.path} was unplugged. Open a new one.")


def _make_link(link: Path, target: Path) -> None:
    """Point ``link`` at ``target``; raise LinkTaken if the name is not free to use."""
    if link.exists() and not link.is_symlink():
        raise LinkTaken(f"{link} exists and is no symbolic link. Choose another name for the emulated port.")
    try:
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    except OSError as error:
        raise LinkTaken(f"Cannot make the link {link}: {error}. Choose a folder that can be written.") from error

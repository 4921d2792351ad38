"""The journal: every event in loop order, in a memory-mapped file, on disk before its consequences leave.

File: a 64-byte :data:`HEADER`, then ``capacity`` records of :data:`realtime.records.EVENT`. The loop's
compiled code writes a record, then (after a release fence) raises ``count``; so the first ``count`` records
are complete whenever a reader looks, and stay so when any process is killed. Blocks are allocated on disk at
creation: writing to a sparse mapping on a full disk would kill the loop with SIGBUS.

Ways to fail, each a :class:`JournalError`: :class:`JournalExistsError`, :class:`JournalNoSpaceError`,
:class:`JournalUnwritableError` on creation; :class:`JournalAbsentError`, :class:`JournalUnreadableError`,
:class:`NotAJournalError`, :class:`JournalVersionError`, :class:`JournalTruncatedError` on reading.
"""

import errno
import mmap
import os
import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from realtime.errors import DuettoError
from realtime.records import EVENT, RECORD_BYTES, Events

JOURNAL_NAME: Final = "journal.bin"
MAGIC: Final = b"DUETTOJ1"
VERSION: Final = 1
HEADER_BYTES: Final = 64
WORDS: Final = RECORD_BYTES // 8

HEADER: Final = np.dtype(
    {
        "names": [
            "magic",
            "version",
            "record_bytes",
            "capacity",
            "count",
            "closed",
            "reason",
            "start_ns",
            "epoch_ns",
        ],
        "formats": ["S8", "<u4", "<u4", "<u8", "<u8", "<u4", "<u4", "<i8", "<i8"],
        "offsets": [0, 8, 12, 16, 24, 32, 36, 40, 48],
        "titles": [
            "What file this is",
            "Version of this layout",
            "Bytes of one record",
            "Records for which there is room",
            "Records that are complete",
            "1 when the loop ended as asked",
            "Why the loop ended",
            "Session clock at creation [ns]",
            "Unix time at the same instant [ns]",
        ],
        "itemsize": HEADER_BYTES,
    }
)
"""The first 64 bytes of the file, little-endian; the last eight are reserved."""


class JournalError(DuettoError):
    """Something is wrong with a journal file."""


class JournalExistsError(JournalError):
    """The file to be created is there already; it may hold a session, so it is never overwritten."""


class JournalNoSpaceError(JournalError):
    """The disk (or a limit on file size) has no room for the whole journal; nothing was left behind."""


class JournalUnwritableError(JournalError):
    """The file cannot be created there: no such folder, no permission, or a capacity below one."""


class JournalAbsentError(JournalError):
    """There is no such file."""


class JournalUnreadableError(JournalError):
    """The file is there, but the system does not let it be read."""


class NotAJournalError(JournalError):
    """The file does not begin as a journal does."""


class JournalVersionError(JournalError):
    """The journal was written by a version with another layout."""


class JournalTruncatedError(JournalError):
    """The file ends before the records that its header counts; ``readable`` says how many are left."""

    def __init__(self, path: Path, readable: int, count: int) -> None:
        self.readable = readable
        self.count = count
        super().__init__(
            f"{path} is cut short: it counts {count} events and holds {readable}; "
            f"'duetto recover {path.parent}' saves them"
        )


class _Closing(ABC):
    """Closed at the end of a ``with`` block."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Journal(_Closing):
    """A journal being written: plain arrays over the mapped file, for the loop's compiled code.

    Attributes
    ----------
    header
        One :data:`HEADER` record, shape (1,).
    events
        :data:`~realtime.records.EVENT` records, shape (capacity,).
    words
        The same memory as 64-bit words, shape (capacity, 8).
    """

    def __init__(self, mapping: mmap.mmap, capacity: int) -> None:
        self._map: mmap.mmap | None = mapping
        self.header: Events = np.frombuffer(mapping, HEADER, 1)
        self.events: Events = np.frombuffer(mapping, EVENT, capacity, HEADER_BYTES)
        words: NDArray[np.uint64] = np.frombuffer(mapping, np.dtype("<u8"), capacity * WORDS, HEADER_BYTES)
        self.words = words.reshape(capacity, WORDS)

    def close(self) -> None:
        """Write everything to disk and let go of the mapping; a second call does nothing.

        Arrays that a caller still holds stay valid: the memory is unmapped when the last of them goes.
        """
        if self._map is None:
            return
        mapping, self._map = self._map, None
        mapping.flush()
        self.header, self.events = np.zeros(0, HEADER), np.zeros(0, EVENT)
        self.words = np.zeros((0, WORDS), np.uint64)
        _unmap(mapping)


class JournalReader(_Closing):
    """A journal being read, possibly while the loop writes it."""

    def __init__(self, mapping: mmap.mmap) -> None:
        self._map: mmap.mmap | None = mapping
        self._header: Events = np.frombuffer(mapping, HEADER, 1)
        self.holds = (len(mapping) - HEADER_BYTES) // RECORD_BYTES
        """Whole records for which the file has bytes, written or not."""
        self._events: Events = np.frombuffer(mapping, EVENT, self.holds, HEADER_BYTES)

    @property
    def start_ns(self) -> int:
        """The session clock at creation [ns]."""
        return int(self._header["start_ns"][0])

    @property
    def epoch_ns(self) -> int:
        """Unix time at the same instant [ns]."""
        return int(self._header["epoch_ns"][0])

    @property
    def closed(self) -> bool:
        """Whether the loop ended as asked; no record is added after that."""
        return bool(self._header["closed"][0])

    @property
    def reason(self) -> int:
        """Why the loop ended; 0 while it runs."""
        return int(self._header["reason"][0])

    @property
    def counted(self) -> int:
        """Complete records by the header's word; more than :attr:`holds` where the file is cut."""
        return int(self._header["count"][0])

    def count(self) -> int:
        """Return how many complete records can be read now."""
        return min(self.counted, self.holds)

    def read(self, start: int, stop: int) -> Events:
        """Return a copy of records ``start`` to ``stop`` (exclusive), as far as the file holds them.

        Records from :meth:`count` on may be half written: only their digests tell.
        """
        return self._events[max(start, 0) : max(stop, 0)].copy()

    def close(self) -> None:
        """Let go of the mapping; a second call does nothing."""
        if self._map is None:
            return
        mapping, self._map = self._map, None
        self._header, self._events, self.holds = self._header.copy(), np.zeros(0, EVENT), 0
        _unmap(mapping)


def create(path: Path, capacity: int, start_ns: int, epoch_ns: int) -> Journal:
    """Create the file with all its blocks, write the header and map it.

    Parameters
    ----------
    path
        Where; must not exist yet.
    capacity
        Events for which there shall be room, at least 1.
    start_ns, epoch_ns
        The session clock and unix time at one instant [ns].

    Raises
    ------
    JournalExistsError, JournalNoSpaceError, JournalUnwritableError
        As their names say. The file is not left behind.
    """
    if capacity < 1:
        raise JournalUnwritableError(f"A journal of {capacity} events makes no sense; ask for at least one")
    size = HEADER_BYTES + capacity * RECORD_BYTES
    _check_space(path, size)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError as error:
        raise JournalExistsError(f"{path} exists already; start the session in a new folder") from error
    except OSError as error:
        raise JournalUnwritableError(f"{path} cannot be created: {error.strerror}") from error
    try:
        mapping = _allocate(path, descriptor, size)
    finally:
        os.close(descriptor)
    journal = Journal(mapping, capacity)
    journal.header[0] = (MAGIC, VERSION, RECORD_BYTES, capacity, 0, 0, 0, start_ns, epoch_ns)
    return journal


def open_for_reading(path: Path, *, accept_cut: bool = False) -> JournalReader:
    """Map an existing journal for reading only.

    Parameters
    ----------
    path
        The journal.
    accept_cut
        Open a truncated file too, as far as its whole records go.

    Raises
    ------
    JournalAbsentError, JournalUnreadableError, NotAJournalError, JournalVersionError, JournalTruncatedError
        As their names say. A file cut within its header is truncated even where cuts are accepted.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEADER_BYTES)
            _check_header(path, head)
            reader = JournalReader(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except FileNotFoundError as error:
        raise JournalAbsentError(f"There is no journal at {path}; name a session's folder") from error
    except OSError as error:
        raise JournalUnreadableError(f"{path} cannot be read: {error.strerror}") from error
    if reader.counted > reader.holds and not accept_cut:
        readable, count = reader.holds, reader.counted
        reader.close()
        raise JournalTruncatedError(path, readable, count)
    return reader


def _check_space(path: Path, size: int) -> None:
    """Refuse what plainly does not fit, before the disk is filled in trying."""
    try:
        free = shutil.disk_usage(path.parent).free
    except OSError as error:
        raise JournalUnwritableError(f"{path} cannot be created: {error.strerror}") from error
    if size > free:
        raise JournalNoSpaceError(
            f"{path} needs {size} bytes and the disk has {free} free; make room or plan a shorter session"
        )


def _allocate(path: Path, descriptor: int, size: int) -> mmap.mmap:
    try:
        os.posix_fallocate(descriptor, 0, size)
        return mmap.mmap(descriptor, size)
    except OSError as error:
        path.unlink()
        if error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
            raise JournalNoSpaceError(
                f"{path} needs {size} bytes: {error.strerror}; make room or plan a shorter session"
            ) from error
        raise JournalUnwritableError(f"{path} cannot be allocated: {error.strerror}") from error


def _check_header(path: Path, head: bytes) -> None:
    if not (head.startswith(MAGIC) or MAGIC.startswith(head)):
        raise NotAJournalError(f"{path} is not a journal of a duetto session")
    if len(head) < HEADER_BYTES:
        raise JournalTruncatedError(path, 0, 0)
    header = np.frombuffer(head, HEADER, 1)[0]
    version, record_bytes = int(header["version"]), int(header["record_bytes"])
    if (version, record_bytes) != (VERSION, RECORD_BYTES):
        raise JournalVersionError(
            f"{path} has journal layout {version} with records of {record_bytes} bytes; this version reads "
            f"layout {VERSION} with {RECORD_BYTES}: use the version that wrote it"
        )


def _unmap(mapping: mmap.mmap) -> None:
    try:
        mapping.close()
    except BufferError:
        # A caller still holds an array over it: the mapping then goes with that array, not before.
        return

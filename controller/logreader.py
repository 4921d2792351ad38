"""The log's reader: by the index where the log has one, otherwise record by record as far as it goes."""

import io
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import numpy as np
import zstandard
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, ChunkIndex, Header, McapRecord, Message, Metadata, MetadataIndex, Schema
from mcap.stream_reader import breakup_chunk
from mcap.writer import MCAP0_MAGIC
from numpy.typing import NDArray

from controller.logcodec import EventMessage, decode_event, to_records
from controller.logfile import (
    EVENTS_TOPIC,
    LOG_VERSION,
    LogEmptyError,
    LogError,
    LogGapError,
    LoggedMessage,
    LogMessageError,
    LogRepeatError,
    LogTooNewError,
    MetadataMap,
    Truncated,
    mapped,
)
from realtime.records import Events

_FRAME: Final = struct.Struct("<BQ")
_LENGTH: Final = struct.Struct("<Q")
_FOOTER: Final = struct.Struct("<BQQQI")
_SPAN: Final = struct.Struct("<QQ")
_CHUNK_MARK: Final = b"\x04\x00\x00\x00zstd"
"""A chunk's compression as it stands in the file, by which a lost chunk is found again ..."""
_MARK_OFFSET: Final = _FRAME.size + 28
"""... this far behind the chunk's first byte."""
_DAMAGE: Final = (
    McapError,
    zstandard.ZstdError,
    ValueError,
    struct.error,
    EOFError,
    MemoryError,
    OverflowError,
)
"""All that the libraries raise over damaged bytes; a wrong CRC is a ValueError, a wild length a MemoryError."""
_PARSED: Final[Mapping[int, Any]] = {
    Opcode.HEADER: Header,
    Opcode.SCHEMA: Schema,
    Opcode.CHANNEL: Channel,
    Opcode.CHUNK: Chunk,
    Opcode.METADATA: Metadata,
    Opcode.CHUNK_INDEX: ChunkIndex,
    Opcode.METADATA_INDEX: MetadataIndex,
}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a chunk begins, and the channels in it where the index says so."""

    start: int
    channels: frozenset[int] | None = field(default=None)


class LogReader:
    """Reads one log: by its index where it has one, otherwise record by record as far as it goes.

    Parameters
    ----------
    path
        The log.
    salvage
        Read record by record in any case, and look at every byte.

    Attributes
    ----------
    path
        The log.
    metadata
        Metadata by record name; of several records of one name the last.

    Raises
    ------
    LogAbsentError, LogUnreadableError, NotALogError, LogEmptyError, LogTooNewError
        As their names say. Damage raises nothing: :attr:`truncated` tells of it.
    """

    def __init__(self, path: Path, *, salvage: bool = False) -> None:
        self.path = path
        self._data = mapped(path)
        self.metadata: MetadataMap = {}
        self._places: list[_Place] = []
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, Channel] = {}
        self._damaged: set[int] = set()
        self._by_index, self._finished, self._skipped_bytes, self._cut_bytes = True, False, 0, 0
        try:
            if salvage or not self._read_index():
                self._scan()
            self._check()
        except LogError:
            self.close()
            raise

    @property
    def truncated(self) -> Truncated | None:
        """What is wrong with the log as far as it was read, or None."""
        if self._finished and not self._damaged and not self._skipped_bytes:
            return None
        return Truncated(self._finished, len(self._damaged), self._skipped_bytes, self._cut_bytes)

    def messages(self, topic: str | None = None) -> Iterator[LoggedMessage]:
        """Yield the messages of ``topic`` (or all) in file order. Damaged chunks are skipped and counted."""
        topics = None if topic is None else frozenset((topic,))
        for chunk in self.chunks(topics):
            yield from self.messages_in(chunk, topics)

    def chunks(self, topics: frozenset[str] | None = None) -> list[int]:
        """Return where the chunks begin that may hold messages of ``topics`` (or all), in file order."""
        wanted = None if topics is None else self._numbers_of(topics)
        places = (p for p in self._places if wanted is None or p.channels is None or p.channels & wanted)
        return [place.start for place in places]

    def chunk_span(self, chunk: int) -> tuple[int, int]:
        """Return the first and the last log time in one of :meth:`chunks`, unix time [ns]: it need not be unpacked."""
        first, last = _SPAN.unpack_from(self._data, chunk + _FRAME.size)
        return first, last

    def messages_in(self, chunk: int, topics: frozenset[str] | None = None) -> Iterator[LoggedMessage]:
        """Yield the messages of ``topics`` (or all) in one of :meth:`chunks`. A damaged one is counted."""
        try:
            records = self._unpack(chunk)
        except _DAMAGE:
            self._damaged.add(chunk)
            return
        for record in records:
            if not isinstance(record, Message):
                self._take(record)
            elif record.channel_id not in self._channels:
                self._damaged.add(chunk)
            elif topics is None or self._channels[record.channel_id].topic in topics:
                yield self._logged(record)

    def events(self, *, strict: bool = True) -> Events:
        """Return all events, ordered by ``seq``; without ``strict`` also where some are missing or repeated.

        Raises
        ------
        LogGapError
            Events are missing before the last one.
        LogRepeatError
            Two events have the same ``seq``.
        LogMessageError
            A message is not an event, strict or not.
        """
        events = to_records(map(self._decode, self.messages(EVENTS_TOPIC)))
        events = events[np.argsort(events["seq"], kind="stable")]
        if strict:
            self._check_sequence(events["seq"])
        return events

    def _check_sequence(self, seqs: NDArray[np.uint64]) -> None:
        repeated = np.flatnonzero(seqs[1:] == seqs[:-1])
        if repeated.size:
            raise LogRepeatError(
                f"{self.path} holds event {seqs[repeated[0]]} more than once; "
                f"'duetto recover {self.path.parent}' writes it anew"
            )
        missing = missing_ranges(seqs)
        if missing:
            raise LogGapError(self.path, missing[0][0], sum(last - first + 1 for first, last in missing))

    def last_seq(self) -> int:
        """Return the greatest ``seq`` on ``/events``, 0 without any: quicker than reading the events."""
        return max((message.sequence for message in self.messages(EVENTS_TOPIC)), default=0)

    def close(self) -> None:
        """Let go of the file."""
        self._data.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _decode(self, message: LoggedMessage) -> EventMessage:
        try:
            return decode_event(message.data)
        except msgspec.MsgspecError as error:
            raise LogMessageError(f"{self.path} holds a message that is not an event: {error}") from error

    def _numbers_of(self, topics: frozenset[str]) -> frozenset[int]:
        return frozenset(number for number, channel in self._channels.items() if channel.topic in topics)

    def _logged(self, record: Message) -> LoggedMessage:
        channel = self._channels[record.channel_id]
        return LoggedMessage(
            data=record.data,
            log_time=record.log_time,
            publish_time=record.publish_time,
            sequence=record.sequence,
            channel=channel,
            schema=self._schemas.get(channel.schema_id),
        )

    def _unpack(self, start: int) -> list[McapRecord]:
        frame = self._frame(start)
        if frame is None:
            raise EOFError
        return breakup_chunk(Chunk.read(_stream(self._data[start + _FRAME.size : frame[1]])), validate_crc=True)

    def _take(self, record: McapRecord) -> None:
        if isinstance(record, Schema):
            self._schemas[record.id] = record
        elif isinstance(record, Channel):
            self._channels[record.id] = record
        elif isinstance(record, Metadata):
            self.metadata[record.name] = record.metadata
        elif isinstance(record, ChunkIndex) and self._by_index:
            self._places.append(_Place(record.chunk_start_offset, frozenset(record.message_index_offsets)))
        elif isinstance(record, MetadataIndex) and self._by_index:
            self._take_at(record.offset)

    def _frame(self, start: int) -> tuple[int, int] | None:
        """Return opcode and end of the record at ``start``, or None if none can be there."""
        if start + _FRAME.size > len(self._data):
            return None
        opcode, length = _FRAME.unpack_from(self._data, start)
        end = start + _FRAME.size + length
        if not Opcode.HEADER <= opcode <= Opcode.DATA_END or end > len(self._data):
            return None
        marked = self._data[start + _MARK_OFFSET : start + _MARK_OFFSET + len(_CHUNK_MARK)] == _CHUNK_MARK
        return (Opcode.CHUNK if marked else opcode), end

    def _read_index(self) -> bool:
        """Take everything from the summary at the end; False if there is none, or it is not as it was written."""
        end = len(self._data) - len(MCAP0_MAGIC)
        start = end - _FOOTER.size
        if start < len(MCAP0_MAGIC) or self._data[end:] != MCAP0_MAGIC:
            return False
        opcode, _, at, _, crc = _FOOTER.unpack_from(self._data, start)
        if opcode != Opcode.FOOTER or not 0 < at <= start or zlib.crc32(self._data[at : end - 4]) != crc:
            return False
        try:
            while at < start:
                at = self._take_at(at)
        except _DAMAGE:
            return False
        self._finished = True
        return True

    def _take_at(self, start: int) -> int:
        """Take the record at ``start`` and return its end; raises one of ``_DAMAGE``."""
        frame = self._frame(start)
        if frame is None:
            raise EOFError
        opcode, end = frame
        if opcode == Opcode.CHUNK:
            return self._take_chunk(start, end)
        if opcode != Opcode.CHUNK_INDEX and self._next_chunk(start + 1, end) >= 0:
            raise EOFError  # its length is wrong: no other record spans a chunk
        if opcode in _PARSED:
            self._take(_PARSED[opcode].read(_stream(self._data[start + _FRAME.size : end])))
        if opcode == Opcode.FOOTER:
            self._finished = self._data[end:] == MCAP0_MAGIC
        return end

    def _take_chunk(self, start: int, end: int) -> int:
        """Take a chunk and return its end. Its length stands there twice: of two, that before a record is right."""
        inner = start + _MARK_OFFSET + len(_CHUNK_MARK)
        (length,) = _LENGTH.unpack_from(self._data, inner)
        inner_end = inner + _LENGTH.size + length
        try:
            records = self._unpack(start)
        except _DAMAGE:
            if inner_end != end:
                raise
            self._damaged.add(start)
            return end
        self._places.append(_Place(start))
        for record in records:
            self._take(record)
        return end if end == inner_end or self._frame(end) is not None else inner_end

    def _scan(self) -> None:
        """Take record after record; over bytes that are none, go on at the next chunk."""
        self._places.clear()
        self._by_index = False
        at = len(MCAP0_MAGIC)
        while at < len(self._data) and not self._finished:
            try:
                at = self._take_at(at)
            except _DAMAGE:
                found = self._next_chunk(at + 1, len(self._data))
                if found < 0:
                    self._cut_bytes = len(self._data) - at
                    return
                self._skipped_bytes += found - at
                at = found

    def _next_chunk(self, start: int, stop: int) -> int:
        """Return where the first chunk whose mark lies before ``stop`` begins, or -1."""
        found = self._data.find(_CHUNK_MARK, start + _MARK_OFFSET, stop)
        while found >= 0 and self._data[found - _MARK_OFFSET] != Opcode.CHUNK:
            found = self._data.find(_CHUNK_MARK, found + 1, stop)
        return found - _MARK_OFFSET if found >= 0 else -1

    def _check(self) -> None:
        if not self.metadata and not self._places and not self._damaged:
            raise LogEmptyError(f"{self.path} holds nothing yet; 'duetto recover' looks into the journal")
        version = self.metadata.get("session", {}).get("log_version", str(LOG_VERSION))
        if not version.isdigit() or int(version) > LOG_VERSION:
            raise LogTooNewError(
                f"{self.path} has log version {version}, this program reads up to {LOG_VERSION}: update it"
            )


def missing_ranges(seqs: NDArray[np.uint64]) -> list[tuple[int, int]]:
    """Return the ranges (first, last) of numbers from 1 that are not in ``seqs`` but below its greatest."""
    present = np.concatenate((np.zeros(1, np.uint64), np.unique(seqs)))
    holes = np.flatnonzero(np.diff(present) > 1)
    return [(int(present[i]) + 1, int(present[i + 1]) - 1) for i in holes]


def ranges_text(ranges: Sequence[tuple[int, int]]) -> str:
    """Return ranges (first, last) as a person writes them: ``"4, 9 to 12"``."""
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in ranges)


def read_metadata(path: Path) -> MetadataMap:
    """Return the log's metadata by record name; raises as :class:`LogReader`."""
    with LogReader(path) as reader:
        return reader.metadata


def read_events(path: Path, *, strict: bool = True) -> Events:
    """Return the log's events, ordered by ``seq``; raises as :class:`LogReader` and its ``events``."""
    with LogReader(path) as reader:
        return reader.events(strict=strict)


def iter_messages(path: Path, topic: str | None = None) -> Iterator[LoggedMessage]:
    """Yield the log's messages of ``topic`` (or all) in file order; raises as :class:`LogReader`."""
    with LogReader(path) as reader:
        yield from reader.messages(topic)


def _stream(data: bytes) -> ReadDataStream:
    return ReadDataStream(io.BytesIO(data))

"""The session's log: an MCAP file that any MCAP viewer opens, readable as far as it goes whatever happened to it.

Three parts: the codec (an event record to a JSON message and back, bit for bit), :class:`LogWriter`,
:class:`LogReader`. Metadata records come first, so they survive every crash. Schemas and channels also stand
outside the chunks, so no damaged chunk takes the meaning of later ones along.

``/events`` is json with a JSON schema. Every property with one type is declared under ``properties`` with that
plain type, since Foxglove and its kin refuse a whole channel over any other form; ``animal`` and ``line``, which
may also be null or a number, are declared under ``patternProperties``.

A value that is not finite has no JSON number: ``value`` is then left out and ``not_finite`` says ``"NaN"``,
``"Infinity"``, ``"-Infinity"``, or ``"NaN:"`` and 16 hex digits for a NaN with other bits than the usual ones.
An unknown code is named by its number (``"KIND_77"``, flag ``"BIT_12"``) and comes back as that number.

Log time is when the loop read an event, publish time when it happened, both as unix time [ns].
"""

import fcntl
import io
import math
import mmap
import os
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

import msgspec
import numpy as np
import zstandard
from mcap.data_stream import ReadDataStream, RecordBuilder
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import (
    Channel,
    Chunk,
    ChunkIndex,
    Header,
    McapRecord,
    Message,
    Metadata,
    MetadataIndex,
    Schema,
)
from mcap.stream_reader import breakup_chunk
from mcap.writer import MCAP0_MAGIC, CompressionType, Writer
from numpy.typing import NDArray

from realtime.errors import DuettoError
from realtime.records import ANIMALS, EVENT, NO_ANIMAL, Events, Fault, Flag, Kind, Line, Operator, Outcome

LOG_NAME: Final = "session.mcap"
DAMAGED_NAME: Final = "session.damaged.mcap"
LOG_VERSION: Final = 1
PROFILE: Final = "x-duetto"
LIBRARY: Final = "duetto"
EVENTS_TOPIC: Final = "/events"
CHUNK_BYTES: Final = 512 * 1024

MetadataMap = dict[str, dict[str, str]]
"""Metadata by record name."""


class LogError(DuettoError):
    """Something is wrong with a log file."""


class LogAbsentError(LogError):
    """There is no such file."""


class LogUnreadableError(LogError):
    """The file is there, but the system does not let it be read."""


class NotALogError(LogError):
    """The file is no MCAP file, or one of another program."""


class LogEmptyError(LogError):
    """The file holds neither metadata nor messages."""


class LogTooNewError(LogError):
    """The log was written by a later version of this program."""


class LogGapError(LogError):
    """Events are missing between others; ``first_missing`` is the first one's ``seq``."""

    def __init__(self, path: Path, first_missing: int, missing: int) -> None:
        self.first_missing = first_missing
        self.missing = missing
        super().__init__(
            f"{path} lacks {missing} events, the first of them number {first_missing}; "
            f"'duetto recover {path.parent}' fills in what the journal holds"
        )


class LogRepeatError(LogError):
    """Two events have the same ``seq``."""


class LogMessageError(LogError):
    """A message on ``/events`` is not an event."""


class LogExistsError(LogError):
    """The file to be written is there already."""


class LogBusyError(LogError):
    """Another process is writing this log right now."""


class LogUnwritableError(LogError):
    """The system refused to write: disk full, no such folder, no permission."""


# -- codec ---------------------------------------------------------------------------------------------------------

_RECORD: Final = struct.Struct("<QqqHhHHdIHHIIQ")
_DOUBLE: Final = struct.Struct("<d")
_NOT_FINITE: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_USUAL_NAN: Final = _DOUBLE.pack(math.nan)
_LINED_KINDS: Final = frozenset((*range(Kind.POKE_IN, Kind.COMMAND + 1), Kind.FAULT))
"""Kinds whose ``line`` is a logical line; in the others it is a machine's number or nothing."""


class EventMessage(msgspec.Struct, kw_only=True):
    """One event as ``/events`` says it. Fields as in :data:`realtime.records.EVENT`, codes by name."""

    seq: int
    t_ns: int
    arrival_ns: int
    kind: str
    animal: int | str | None
    line: int | str
    source: int
    value: float | msgspec.UnsetType = msgspec.UNSET
    """Left out where it is not finite; of a COMMAND the duration [ns]."""
    trial: int
    state: int
    flags: list[str]
    source_seq: int
    digest: str
    """16 hex digits: JSON readers lose integers above 2**53."""
    not_finite: str | msgspec.UnsetType = msgspec.UNSET
    reserved: int | msgspec.UnsetType = msgspec.UNSET
    """Only where it is not 0, as it should be."""
    outcome: str | msgspec.UnsetType = msgspec.UNSET
    operator: str | msgspec.UnsetType = msgspec.UNSET
    fault: str | msgspec.UnsetType = msgspec.UNSET
    state_name: str | msgspec.UnsetType = msgspec.UNSET


_NAMED_VALUES: Final[Mapping[int, tuple[str, type[IntEnum]]]] = {
    Kind.TRIAL: ("outcome", Outcome),
    Kind.OPERATOR: ("operator", Operator),
    Kind.FAULT: ("fault", Fault),
}
_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder(EventMessage).decode


@lru_cache(maxsize=4096)
def name_of(codes: type[IntEnum], code: int) -> str:
    """Return the code's name, or such as ``"KIND_77"`` for one that has none."""
    member = codes._value2member_map_.get(code)
    return member.name if member is not None else f"{codes.__name__.upper()}_{code}"


@lru_cache(maxsize=4096)
def code_of(codes: type[IntEnum], name: str) -> int:
    """Return the code of a name that :func:`name_of` gave.

    Raises
    ------
    LogMessageError
        For any other name.
    """
    if name in codes.__members__:
        return codes[name].value
    numbered = re.fullmatch(rf"{codes.__name__.upper()}_(\d+)", name)
    if numbered is None:
        raise LogMessageError(f"{name!r} is no {codes.__name__}; the log needs the version that wrote it")
    return int(numbered[1])


@lru_cache(maxsize=4096)
def flag_names(flags: int) -> tuple[str, ...]:
    """Return the names of the bits set in ``flags``, lowest first, ``"BIT_12"`` for one without a name."""
    bits = (1 << i for i in range(16) if flags >> i & 1)
    known = Flag.__members__.values()
    return tuple(Flag(bit).name or "" if bit in known else f"BIT_{bit.bit_length() - 1}" for bit in bits)


@lru_cache(maxsize=4096)
def _flag_bit(name: str) -> int:
    if name in Flag.__members__:
        return Flag[name].value
    numbered = re.fullmatch(r"BIT_(\d+)", name)
    if numbered is None:
        raise LogMessageError(f"{name!r} is no flag of an event; the log needs the version that wrote it")
    return 1 << int(numbered[1])


def _message(fields: tuple[Any, ...], state_names: Sequence[str]) -> EventMessage:
    (
        seq,
        t_ns,
        arrival_ns,
        kind,
        animal,
        line,
        source,
        value,
        trial,
        state,
        flags,
        source_seq,
        reserved,
        digest,
    ) = fields
    message = EventMessage(
        seq=seq,
        t_ns=t_ns,
        arrival_ns=arrival_ns,
        kind=name_of(Kind, kind),
        animal=ANIMALS[animal] if 0 <= animal < len(ANIMALS) else None if animal == NO_ANIMAL else animal,
        line=Line(line).name if kind in _LINED_KINDS and line < len(Line) else line,
        source=source,
        trial=trial,
        state=state,
        flags=list(flag_names(flags)),
        source_seq=source_seq,
        digest=f"{digest:016x}",
    )
    if math.isfinite(value):
        message.value = value
    else:
        message.not_finite = _not_finite_name(value)
    if reserved:
        message.reserved = reserved
    if kind in _NAMED_VALUES and 0 <= value < 2**16 and value.is_integer():
        key, codes = _NAMED_VALUES[kind]
        setattr(message, key, name_of(codes, int(value)))
    if state < len(state_names):
        message.state_name = state_names[state]
    return message


def _not_finite_name(value: float) -> str:
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    bits = _DOUBLE.pack(value)
    return "NaN" if bits == _USUAL_NAN else f"NaN:{bits[::-1].hex()}"


def _value_of(message: EventMessage) -> float:
    if message.not_finite is msgspec.UNSET:
        if message.value is msgspec.UNSET:
            raise LogMessageError(f"Event {message.seq} has no value; was the log edited by hand?")
        return message.value
    if message.not_finite in _NOT_FINITE:
        return _NOT_FINITE[message.not_finite]
    value: float = _DOUBLE.unpack(bytes.fromhex(message.not_finite.removeprefix("NaN:"))[::-1])[0]
    return value


def _pack(message: EventMessage) -> bytes:
    animal, line = message.animal, message.line
    return _RECORD.pack(
        message.seq,
        message.t_ns,
        message.arrival_ns,
        code_of(Kind, message.kind),
        NO_ANIMAL if animal is None else ANIMALS.index(animal) if isinstance(animal, str) else animal,
        code_of(Line, line) if isinstance(line, str) else line,
        message.source,
        _value_of(message),
        message.trial,
        message.state,
        sum(map(_flag_bit, message.flags)),
        message.source_seq,
        message.reserved or 0,
        int(message.digest, 16),
    )


def to_messages(events: Events, state_names: Sequence[str] = ()) -> Iterator[EventMessage]:
    """Yield each event of ``events`` as a message, in order."""
    for fields in _RECORD.iter_unpack(np.ascontiguousarray(events).tobytes()):
        yield _message(fields, state_names)


def to_message(record: np.void, state_names: Sequence[str] = ()) -> EventMessage:
    """Return one record as a message; ``state_names`` are those of the session's task, by state number."""
    return _message(_RECORD.unpack(record.tobytes()), state_names)


def to_records(messages: Iterable[EventMessage]) -> Events:
    """Return the records that ``messages`` stand for, bit for bit those they were made from.

    Raises
    ------
    LogMessageError
        A field is out of its range or a name unknown.
    """
    try:
        packed = b"".join(map(_pack, messages))
    except (struct.error, ValueError, OverflowError) as error:
        raise LogMessageError(f"A message is not an event: {error}; was the log edited by hand?") from error
    return np.frombuffer(packed, EVENT).copy()


def to_record(message: EventMessage) -> np.void:
    """Return the record that ``message`` stands for; raises as :func:`to_records`."""
    record: np.void = to_records((message,))[0]
    return record


def schema_of(message: type[msgspec.Struct]) -> dict[str, Any]:
    """Return a flat JSON schema of ``message`` in the form that every MCAP viewer accepts (see the module)."""
    schema: dict[str, Any] = msgspec.json.schema(message)["$defs"][message.__name__]
    properties = schema["properties"]
    mixed = {name: properties.pop(name) for name in list(properties) if "type" not in properties[name]}
    if mixed:
        schema["patternProperties"] = {f"^{name}$": form for name, form in mixed.items()}
    return schema


# -- writer --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Clock:
    """How the session clock maps to unix time: both readings at one instant [ns]."""

    start_ns: int
    epoch_ns: int

    def unix_ns(self, t_ns: int) -> int:
        """Return ``t_ns`` as unix time, kept within what the file can hold; the message has it exactly."""
        return min(max(self.epoch_ns + t_ns - self.start_ns, 0), 2**64 - 1)


@dataclass(frozen=True, slots=True)
class LoggedMessage:
    """One message of a log, as it stands there. Times are unix times [ns]."""

    data: bytes
    log_time: int
    publish_time: int
    sequence: int
    channel: Channel
    schema: Schema | None

    @property
    def topic(self) -> str:
        """The channel's topic."""
        return self.channel.topic


class LogWriter:
    """Writes one log; metadata first. Holds a lock on the file until it is finished, closed or the process ends.

    Parameters
    ----------
    path
        Where; must not exist.
    metadata
        Records to be written before anything else, by name. ``session.log_version`` and ``clock`` are added.
    clock
        The session clock's mapping to unix time.
    state_names
        Names of the task's states, by number, for readers' comfort.

    Raises
    ------
    LogExistsError, LogUnwritableError
        As their names say; every method that writes can raise the latter.
    """

    def __init__(
        self,
        path: Path,
        metadata: Mapping[str, Mapping[str, str]],
        clock: Clock,
        *,
        state_names: Sequence[str] = (),
    ) -> None:
        self._path, self._clock, self._state_names = path, clock, tuple(state_names)
        self._channels: dict[tuple[object, ...], int] = {}
        self._written: MetadataMap = {}
        with self._writing():
            self._file = path.open("xb")
        try:
            self._begin(metadata)
        except LogUnwritableError:
            with suppress(OSError):  # it fails once more on what is still in its buffer, and is closed then
                self._file.close()
            raise

    def _begin(self, metadata: Mapping[str, Mapping[str, str]]) -> None:
        with self._writing():
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._writer = Writer(self._file, CHUNK_BYTES, CompressionType.ZSTD, enable_crcs=True)
            self._writer.start(profile=PROFILE, library=LIBRARY)
        session = {**metadata.get("session", {}), "log_version": str(LOG_VERSION)}
        mapping = {"start_ns": str(self._clock.start_ns), "epoch_ns": str(self._clock.epoch_ns)}
        for name, values in {**metadata, "session": session, "clock": mapping}.items():
            self.add_metadata(name, values)
        self._events = self.add_channel(EVENTS_TOPIC, EventMessage)
        self.flush()

    def add_metadata(self, name: str, values: Mapping[str, str]) -> None:
        """Write a metadata record, unless the last one of this name says the same."""
        if self._written.get(name) == dict(values):
            return
        self._written[name] = dict(values)
        with self._writing():
            self._writer.add_metadata(name, dict(values))

    def add_channel(self, topic: str, message: type[msgspec.Struct] | None = None) -> int:
        """Open (or find) a json channel and return its number; without a type it has no schema."""
        schema = None
        if message is not None:
            schema = Schema(0, _ENCODE(schema_of(message)), "jsonschema", message.__name__)
        return self._open(Channel(0, topic, "json", {}, 0), schema)

    def _open(self, channel: Channel, schema: Schema | None) -> int:
        """Register what another log's channel says, once; its numbers and the schema's are given anew."""
        form = (schema.name, schema.encoding, schema.data) if schema else None
        key = (channel.topic, channel.message_encoding, tuple(sorted(channel.metadata.items())), form)
        if key not in self._channels:
            with self._writing():
                schema_id = self._writer.register_schema(*form) if form else 0
                parts = channel.topic, channel.message_encoding, schema_id, channel.metadata
                self._channels[key] = self._writer.register_channel(*parts)
                self._write_apart(self._channels[key], channel, schema_id, schema)
        return self._channels[key]

    def _write_apart(self, number: int, channel: Channel, schema_id: int, schema: Schema | None) -> None:
        """Write schema and channel outside the chunks too: the library puts them only into the next one."""
        records = RecordBuilder()
        if schema is not None:
            replace(schema, id=schema_id).write(records)
        replace(channel, id=number, schema_id=schema_id).write(records)
        self._flush()
        self._file.write(records.end())  # type: ignore[no-untyped-call]

    def add_events(self, events: Events) -> None:
        """Append ``events`` to ``/events``."""
        unix_ns, write, channel = self._clock.unix_ns, self._writer.add_message, self._events
        with self._writing():
            for message in to_messages(events, self._state_names):
                times = unix_ns(message.arrival_ns), unix_ns(message.t_ns)
                write(channel, times[0], _ENCODE(message), times[1], message.seq & 0xFFFFFFFF)

    def add_message(
        self,
        channel: int,
        message: msgspec.Struct | Mapping[str, Any],
        arrival_ns: int,
        t_ns: int,
        sequence: int = 0,
    ) -> None:
        """Append ``message`` to a channel of :meth:`add_channel`; times on the session clock [ns]."""
        times = self._clock.unix_ns(arrival_ns), self._clock.unix_ns(t_ns)
        with self._writing():
            self._writer.add_message(channel, times[0], _ENCODE(message), times[1], sequence)

    def copy(self, message: LoggedMessage) -> None:
        """Append a message of another log as it is, whatever its encoding."""
        channel = self._open(message.channel, message.schema)
        times = message.log_time, message.publish_time
        with self._writing():
            self._writer.add_message(channel, times[0], message.data, times[1], message.sequence)

    def flush(self) -> None:
        """Finish the chunk in progress and hand it to the system: it then survives this process."""
        with self._writing():
            self._flush()

    def sync(self) -> None:
        """Flush, and wait until the disk has it: it then survives a power cut."""
        self.flush()
        with self._writing():
            os.fdatasync(self._file.fileno())

    def finish(self) -> None:
        """Write the index, wait until the disk has it and close."""
        with self._writing():
            self._writer.finish()  # type: ignore[no-untyped-call]
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def close(self) -> None:
        """Close without an index, as an interrupted log; a second call, or one after :meth:`finish`, does nothing."""
        with self._writing():
            self._file.close()

    def _flush(self) -> None:
        self._writer.flush()  # type: ignore[no-untyped-call]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except FileExistsError as error:
            raise LogExistsError(f"{self._path} exists already; it is never overwritten") from error
        except OSError as error:
            raise LogUnwritableError(
                f"{self._path} cannot be written: {error.strerror}; the journal beside it still has every event"
            ) from error


def check_idle(path: Path) -> None:
    """Return if no process is writing the log at ``path`` right now.

    Raises
    ------
    LogBusyError, LogAbsentError, LogUnreadableError
        As their names say.
    """
    with _opened(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LogBusyError(f"{path} is being recorded right now; end its session first") from error


def put_in_place(fresh: Path, path: Path, *, keep_old: bool) -> Path | None:
    """Let ``fresh`` take the place of the log at ``path`` in one step; return where the old one is kept, if so.

    Raises
    ------
    LogUnwritableError
        The folder does not allow it.
    """
    kept = None
    try:
        if keep_old and path.exists():
            kept = _unused(path.with_name(DAMAGED_NAME))
            os.link(path, kept)
        fresh.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise LogUnwritableError(f"{fresh} cannot take the place of {path}: {error.strerror}") from error
    return kept


def _unused(path: Path) -> Path:
    """Return ``path``, or the first of ``name-2``, ``name-3``, ... that does not exist."""
    number, free = 2, path
    while free.exists():
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
        number += 1
    return free


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# -- reader --------------------------------------------------------------------------------------------------------

_FRAME: Final = struct.Struct("<BQ")
_LENGTH: Final = struct.Struct("<Q")
_FOOTER: Final = struct.Struct("<BQQQI")
_PROFILE_OFFSET: Final = len(MCAP0_MAGIC) + _FRAME.size + 4
_HEAD_BYTES: Final = _PROFILE_OFFSET + len(PROFILE) + 4 + len(LIBRARY)
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
class Truncated:
    """What is wrong with a log that is not whole."""

    finished: bool
    """Whether its end and index are there."""
    damaged_chunks: int
    """Chunks of messages that were skipped because their bytes are not what was written."""
    skipped_bytes: int
    """Bytes between readable records that could not be read."""
    cut_bytes: int
    """Bytes of the unfinished record at the end."""

    @property
    def damaged(self) -> bool:
        """Whether more is wrong than a missing end."""
        return self.damaged_chunks > 0 or self.skipped_bytes > 0

    def __str__(self) -> str:
        sentences = (
            [] if self.finished else [f"The log was not finished ({self.cut_bytes} bytes of half a record at its end)."]
        )
        if self.damaged_chunks:
            sentences.append(f"{self.damaged_chunks} chunks of messages are damaged.")
        if self.skipped_bytes:
            sentences.append(f"{self.skipped_bytes} bytes within it are unreadable.")
        return " ".join(sentences)


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
    metadata
        Metadata by record name; of several records of one name the last.

    Raises
    ------
    LogAbsentError, LogUnreadableError, NotALogError, LogEmptyError, LogTooNewError
        As their names say. Damage raises nothing: :attr:`truncated` tells of it.
    """

    def __init__(self, path: Path, *, salvage: bool = False) -> None:
        self._path = path
        self._data = _map(path)
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
        for place in self._places:
            if topic is None or place.channels is None or place.channels & self._numbers_of(topic):
                yield from self._messages_at(place, topic)

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
                f"{self._path} holds event {seqs[repeated[0]]} more than once; "
                f"'duetto recover {self._path.parent}' writes it anew"
            )
        missing = missing_ranges(seqs)
        if missing:
            raise LogGapError(self._path, missing[0][0], sum(last - first + 1 for first, last in missing))

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
            return _DECODE(message.data)
        except msgspec.MsgspecError as error:
            raise LogMessageError(f"{self._path} holds a message that is not an event: {error}") from error

    def _numbers_of(self, topic: str) -> frozenset[int]:
        return frozenset(number for number, channel in self._channels.items() if channel.topic == topic)

    def _messages_at(self, place: _Place, topic: str | None) -> Iterator[LoggedMessage]:
        try:
            records = self._unpack(place.start)
        except _DAMAGE:
            self._damaged.add(place.start)
            return
        for record in records:
            if not isinstance(record, Message):
                self._take(record)
            elif record.channel_id not in self._channels:
                self._damaged.add(place.start)
            elif topic in (None, self._channels[record.channel_id].topic):
                yield self._logged(record)

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
            raise LogEmptyError(f"{self._path} holds nothing yet; 'duetto recover' looks into the journal")
        version = self.metadata.get("session", {}).get("log_version", str(LOG_VERSION))
        if not version.isdigit() or int(version) > LOG_VERSION:
            raise LogTooNewError(
                f"{self._path} has log version {version}, this program reads up to {LOG_VERSION}: update it"
            )


def missing_ranges(seqs: NDArray[np.uint64]) -> list[tuple[int, int]]:
    """Return the ranges (first, last) of numbers from 1 that are not in ``seqs`` but below its greatest."""
    present = np.concatenate((np.zeros(1, np.uint64), np.unique(seqs)))
    holes = np.flatnonzero(np.diff(present) > 1)
    return [(int(present[i]) + 1, int(present[i + 1]) - 1) for i in holes]


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


def state_names_of(metadata: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    """Return the names of the task's states: ``metadata["task"]["states"]``, a JSON list; empty where unknown."""
    try:
        names = msgspec.json.decode(metadata.get("task", {}).get("states", "[]"), type=tuple[str, ...])
    except msgspec.MsgspecError:
        return ()
    return names


def _stream(data: bytes) -> ReadDataStream:
    return ReadDataStream(io.BytesIO(data))


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise LogAbsentError(f"There is no log at {path}; is this a session's folder?") from error
    except OSError as error:
        raise LogUnreadableError(f"{path} cannot be read: {error.strerror}") from error


def _map(path: Path) -> mmap.mmap:
    """Map the file after a look at its first bytes."""
    with _opened(path) as file:
        head = file.read(_HEAD_BYTES)
        if len(head) <= len(MCAP0_MAGIC) and MCAP0_MAGIC.startswith(head):
            raise LogEmptyError(f"{path} is empty; 'duetto recover {path.parent}' looks into the journal")
        if not _is_ours(head):
            raise NotALogError(f"{path} is not the log of a duetto session")
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _is_ours(head: bytes) -> bool:
    """Whether the file is a log of this program: either of two marks says so, since one may be damaged."""
    if len(head) < _HEAD_BYTES:
        return head.startswith(MCAP0_MAGIC)
    return head[_PROFILE_OFFSET:].startswith(PROFILE.encode()) or head.endswith(LIBRARY.encode())

"""The log: events come back bit for bit, and a damaged file is read as far as it goes."""

import csv
import io
import json
import math
import os
import resource
import signal
import subprocess
import sys
from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.records import Chunk, Metadata
from mcap.stream_reader import StreamReader
from mcap.writer import Writer

from controller.events_table import COLUMNS, seconds_text, write_csv, write_jsonl
from controller.log import (
    Clock,
    EventMessage,
    LogAbsentError,
    LogBusyError,
    LogEmptyError,
    LogExistsError,
    LogGapError,
    LogMessageError,
    LogReader,
    LogRepeatError,
    LogTooNewError,
    LogUnwritableError,
    LogWriter,
    NotALogError,
    check_idle,
    iter_messages,
    missing_ranges,
    put_in_place,
    read_events,
    read_metadata,
    schema_of,
    state_names_of,
    to_message,
    to_messages,
    to_record,
    to_records,
)
from realtime.digest import seal
from realtime.records import EVENT, Fault, Flag, Kind, Line, Operator, Outcome, no_events

CLOCK = Clock(start_ns=5_000_000_000, epoch_ns=1_800_000_000_000_000_000)
METADATA = {"session": {"pair": "A12-B07"}, "rig": {"toml": "name = 'box'"}, "seeds": {"trials": "7"}}
CHUNKS, PER_CHUNK = 12, 20


def some_events(count, seed=0):
    rng = np.random.default_rng(seed)
    events = no_events(count)
    events["seq"] = np.arange(1, count + 1)
    events["t_ns"] = CLOCK.start_ns + np.arange(count) * 1_000_000
    events["arrival_ns"] = events["t_ns"] + 150_000
    events["kind"] = rng.integers(1, len(Kind) + 1, count)
    events["animal"] = rng.integers(-1, 2, count)
    events["line"] = rng.integers(0, len(Line), count)
    events["value"] = rng.normal(size=count)
    seal(events)
    return events


def one_event(**fields):
    event = no_events(1)
    event["seq"] = 1
    for name, value in fields.items():
        event[name] = value
    return event[0]


def write_log(path, events, *, finish=True, metadata=METADATA):
    log = LogWriter(path, metadata, CLOCK, state_names=("iti", "wait"))
    for start in range(0, events.size, PER_CHUNK):
        log.add_events(events[start : start + PER_CHUNK])
        log.flush()
    if finish:
        log.add_metadata("end", {"reason": "asked"})
        log.finish()
    else:
        log.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "session.mcap"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a finished log of 12 chunks of 20 events, and the events."""
    path = tmp_path_factory.mktemp("whole") / "session.mcap"
    events = some_events(CHUNKS * PER_CHUNK)
    write_log(path, events)
    return path.read_bytes(), events


def chunk_starts(data):
    """Return where each chunk begins, by the marks of their compression."""
    starts, found = [], data.find(b"\x04\x00\x00\x00zstd")
    while found >= 0:
        starts += [found - 37] if data[found - 37] == 6 else []
        found = data.find(b"\x04\x00\x00\x00zstd", found + 1)
    return starts[:CHUNKS]


# -- codec


@settings(deadline=None, max_examples=400)
@given(st.binary(min_size=64, max_size=64))
def test_any_64_bytes_come_back_bit_for_bit_from_their_json(data):
    record = np.frombuffer(data, EVENT)[0]
    text = msgspec.json.encode(to_message(record, ("iti",)))
    assert to_record(msgspec.json.decode(text, type=EventMessage)).tobytes() == data


@settings(deadline=None)
@given(
    kind=st.sampled_from(Kind),
    value=st.floats() | st.sampled_from([float(code) for code in (*Outcome, *Operator, *Fault, -0.0)]),
    line=st.integers(0, 12),
    animal=st.integers(-3, 3),
    flags=st.integers(0, 2**16 - 1),
)
def test_plausible_events_come_back_bit_for_bit_too(kind, value, line, animal, flags):
    record = one_event(kind=kind, value=value, line=line, animal=animal, flags=flags, trial=3, digest=2**64 - 1)
    text = msgspec.json.encode(to_message(record))
    assert to_record(msgspec.json.decode(text, type=EventMessage)).tobytes() == record.tobytes()


def test_many_events_convert_as_one_by_one():
    events = some_events(300)
    messages = list(to_messages(events, ("iti", "wait")))
    assert messages == [to_message(event, ("iti", "wait")) for event in events]
    assert to_records(messages).tobytes() == events.tobytes()
    assert to_records([]).size == 0


def test_a_poke_is_told_by_names():
    record = one_event(
        t_ns=12, arrival_ns=15, kind=Kind.POKE_IN, animal=1, line=Line.POKE_B, source=2, trial=4, state=1,
        flags=Flag.LATE | Flag.GAP, source_seq=9, digest=0xAB,
    )  # fmt: skip
    assert json.loads(msgspec.json.encode(to_message(record, ("iti", "wait")))) == {
        "seq": 1,
        "t_ns": 12,
        "arrival_ns": 15,
        "kind": "POKE_IN",
        "animal": "B",
        "line": "POKE_B",
        "source": 2,
        "value": 0.0,
        "trial": 4,
        "state": 1,
        "state_name": "wait",
        "flags": ["LATE", "GAP"],
        "source_seq": 9,
        "digest": "00000000000000ab",
    }


def test_a_trial_says_its_outcome_and_its_machine():
    message = to_message(one_event(kind=Kind.TRIAL, value=Outcome.MISS, line=1))
    assert (message.outcome, message.line, message.animal) == ("MISS", 1, None)


@pytest.mark.parametrize(
    ("kind", "value", "field", "name"),
    [
        (Kind.OPERATOR, Operator.FREE_REWARD, "operator", "FREE_REWARD"),
        (Kind.OPERATOR, Operator.LASER_TEST, "operator", "LASER_TEST"),
        (Kind.FAULT, Fault.PORT_LOST, "fault", "PORT_LOST"),
        (Kind.TRIAL, 99, "outcome", "OUTCOME_99"),
        (Kind.TRIAL, 1.5, "outcome", msgspec.UNSET),
        (Kind.POKE_IN, 1, "outcome", msgspec.UNSET),
    ],
)
def test_codes_in_the_value_are_named_where_they_are_codes(kind, value, field, name):
    assert getattr(to_message(one_event(kind=kind, value=value)), field) == name


def test_unknown_codes_are_named_by_their_numbers():
    message = to_message(one_event(kind=77, flags=1 << 12, animal=5, line=40))
    assert (message.kind, message.flags, message.animal, message.line) == ("KIND_77", ["BIT_12"], 5, 40)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (np.uint64(0xFFF8_0000_0000_0001).view(np.float64), "NaN:fff8000000000001"),
    ],
)
def test_a_value_that_is_not_finite_is_left_out_and_named(value, name):
    fields = json.loads(msgspec.json.encode(to_message(one_event(value=value))))
    assert "value" not in fields
    assert fields["not_finite"] == name


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "JUMP"},
        {"kind": "KIND_70000"},
        {"line": "POKE_C"},
        {"flags": ["LOUD"]},
        {"flags": ["BIT_16"]},
        {"animal": "C"},
        {"digest": "xyz"},
        {"seq": -1},
        {"value": msgspec.UNSET},
        {"not_finite": "NaN:12"},
    ],
)
def test_a_message_that_is_no_event_is_refused_by_name(change):
    message = to_message(one_event(kind=Kind.POKE_IN))
    with pytest.raises(LogMessageError):
        to_record(msgspec.structs.replace(message, **change))


def test_the_schema_has_the_one_form_that_viewers_accept():
    schema = schema_of(EventMessage)
    assert schema["type"] == "object"
    for name, form in schema["properties"].items():
        assert form["type"] in ("string", "integer", "number", "array"), name
    assert set(schema["patternProperties"]) == {"^animal$", "^line$"}
    assert "$defs" not in schema


@settings(deadline=None)
@given(st.binary(min_size=64, max_size=64))
def test_every_message_is_as_the_schema_says(data):
    schema = schema_of(EventMessage)
    fields = json.loads(msgspec.json.encode(to_message(np.frombuffer(data, EVENT)[0], ("iti",))))
    types = {"integer": int, "number": float, "string": str, "array": list}
    for name, form in schema["properties"].items():
        assert name not in fields or isinstance(fields[name], types[form["type"]]), name
    assert set(schema["required"]) <= set(fields)
    assert set(fields) <= set(schema["properties"]) | {"animal", "line"}


# -- a whole log


def test_a_written_log_comes_back_bit_for_bit(path):
    events = some_events(500)
    write_log(path, events)
    assert read_events(path).tobytes() == events.tobytes()
    with LogReader(path) as reader:
        assert reader.truncated is None
        assert reader.last_seq() == 500


def test_events_written_out_of_order_are_read_in_order(path):
    events = some_events(40)
    write_log(path, np.concatenate((events[20:], events[:20])))
    assert read_events(path).tobytes() == events.tobytes()


def test_metadata_comes_first_and_comes_back(path):
    write_log(path, some_events(5))
    metadata = read_metadata(path)
    assert metadata["session"] == {"pair": "A12-B07", "log_version": "1"}
    assert metadata["clock"] == {"start_ns": "5000000000", "epoch_ns": "1800000000000000000"}
    assert (metadata["rig"], metadata["end"]) == (METADATA["rig"], {"reason": "asked"})
    with path.open("rb") as file:
        order = [r for r in StreamReader(file, emit_chunks=True).records if isinstance(r, Metadata | Chunk)]
    assert [r.name for r in order if isinstance(r, Metadata)] == ["session", "rig", "seeds", "clock", "end"]
    assert [type(r) for r in order] == [Metadata] * 4 + [Chunk, Metadata]


def test_of_two_records_of_one_name_the_last_counts_and_a_repetition_is_not_written(path):
    log = LogWriter(path, {"end": {"reason": "?"}}, CLOCK)
    log.add_metadata("end", {"reason": "?"})
    log.add_metadata("end", {"reason": "asked"})
    log.finish()
    assert read_metadata(path)["end"] == {"reason": "asked"}
    assert path.read_bytes().count(b"\x03\x00\x00\x00end") == 4  # two records, two index entries


def test_the_mcap_library_itself_reads_the_log(path):
    write_log(path, some_events(100))
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        found = [(schema, channel, message) for schema, channel, message in reader.iter_messages()]
        summary = reader.get_summary()
    assert len(found) == summary.statistics.message_count == 100
    schema, channel, message = found[0]
    assert (channel.topic, channel.message_encoding, schema.encoding) == ("/events", "json", "jsonschema")
    assert json.loads(message.data)["seq"] == message.sequence == 1


def test_log_time_is_arrival_and_publish_time_is_when_it_happened(path):
    event = np.array([one_event(t_ns=CLOCK.start_ns + 1_000, arrival_ns=CLOCK.start_ns + 1_500)])
    write_log(path, event)
    (message,) = iter_messages(path, "/events")
    assert message.publish_time == CLOCK.epoch_ns + 1_000
    assert message.log_time == CLOCK.epoch_ns + 1_500


@pytest.mark.parametrize(("t_ns", "unix_ns"), [(-(2**63), 0), (2**63 - 1, 2**64 - 1)])
def test_times_that_the_file_cannot_hold_are_kept_within_it(t_ns, unix_ns):
    assert Clock(start_ns=-(2**63), epoch_ns=2**63 + 5 if t_ns > 0 else -1).unix_ns(t_ns) == unix_ns


class Health(msgspec.Struct):
    loop_us: float


def test_other_channels_are_written_read_and_copied_as_they_are(path, tmp_path):
    log = LogWriter(path, METADATA, CLOCK)
    log.add_message(log.add_channel("/health", Health), Health(12.5), CLOCK.start_ns + 2, CLOCK.start_ns + 1, 3)
    log.add_message(log.add_channel("/loose"), {"any": 1}, CLOCK.start_ns, CLOCK.start_ns)
    log.finish()
    copy = LogWriter(tmp_path / "copy.mcap", METADATA, CLOCK)
    for message in iter_messages(path):
        copy.copy(message)
    copy.finish()
    for file in (path, tmp_path / "copy.mcap"):
        health, loose = iter_messages(file)
        assert (health.topic, health.data, health.sequence) == ("/health", b'{"loop_us":12.5}', 3)
        assert (health.log_time, health.publish_time) == (CLOCK.epoch_ns + 2, CLOCK.epoch_ns + 1)
        assert json.loads(health.schema.data)["properties"] == {"loop_us": {"type": "number"}}
        assert (loose.topic, loose.data, loose.schema) == ("/loose", b'{"any":1}', None)


def test_a_log_without_events_is_still_a_log(path):
    write_log(path, some_events(0))
    assert read_events(path).size == 0


def test_state_names_come_from_the_tasks_metadata():
    assert state_names_of({"task": {"states": '["iti","wait"]'}}) == ("iti", "wait")
    assert state_names_of({}) == state_names_of({"task": {"states": "iti, wait"}}) == ()


# -- a log that is not whole


def test_a_flushed_but_unfinished_log_gives_every_event_and_says_so(path):
    events = some_events(100)
    write_log(path, events, finish=False)
    with LogReader(path) as reader:
        assert reader.events().tobytes() == events.tobytes()
        assert not reader.truncated.finished
        assert not reader.truncated.damaged
        assert "not finished" in str(reader.truncated)


@settings(deadline=None, max_examples=80)
@given(cut=st.integers(0, 2**20))
def test_a_log_cut_at_any_byte_gives_a_prefix_of_its_events(whole, tmp_path_factory, cut):
    content, events = whole
    cut %= len(content)
    path = tmp_path_factory.mktemp("cut") / "session.mcap"
    path.write_bytes(content[:cut])
    try:
        reader = LogReader(path)
    except LogEmptyError:
        assert cut < chunk_starts(content)[0]
        return
    with reader:
        read = reader.events()
        assert read.tobytes() == events[: read.size].tobytes()
        chunks = chunk_starts(content)
        assert read.size >= PER_CHUNK * (sum(start < cut for start in chunks) - 1)
        assert reader.truncated is not None


@settings(deadline=None, max_examples=150)
@given(at=st.integers(0, 2**20), change=st.integers(1, 255), salvage=st.booleans())
def test_one_flipped_byte_costs_at_most_the_chunk_it_lies_in(whole, tmp_path_factory, at, change, salvage):
    content, events = whole
    at %= len(content)
    broken = bytearray(content)
    broken[at] ^= change
    path = tmp_path_factory.mktemp("flip") / "session.mcap"
    path.write_bytes(broken)
    try:
        reader = LogReader(path, salvage=salvage)
    except LogTooNewError:
        assert at < chunk_starts(content)[0]
        return
    with reader:
        read = reader.events(strict=False)
        kept = np.isin(events["seq"], read["seq"])
        assert read.tobytes() == events[kept].tobytes()
        assert kept.sum() >= events.size - PER_CHUNK
        assert kept.all() or reader.truncated is not None


@pytest.mark.parametrize("finish", [True, False])
def test_a_damaged_chunk_alone_is_skipped_and_its_gap_named(path, finish):
    write_log(path, some_events(CHUNKS * PER_CHUNK), finish=finish)
    content = bytearray(path.read_bytes())
    content[chunk_starts(bytes(content))[3] + 200] ^= 0xFF
    path.write_bytes(content)
    with LogReader(path) as reader:
        assert reader.events(strict=False).size == (CHUNKS - 1) * PER_CHUNK
        assert reader.truncated.damaged_chunks == 1
        with pytest.raises(LogGapError, match="lacks 20 events, the first of them number 61") as caught:
            reader.events()
        assert caught.value.first_missing == 61
        assert reader.truncated.damaged_chunks == 1


def test_a_damaged_first_chunk_does_not_take_the_channels_along(path):
    write_log(path, some_events(CHUNKS * PER_CHUNK), finish=False)
    content = bytearray(path.read_bytes())
    content[chunk_starts(bytes(content))[0] + 100] ^= 0xFF
    path.write_bytes(content)
    with LogReader(path) as reader:
        assert reader.events(strict=False)["seq"].tolist() == list(range(21, 241))


@pytest.mark.parametrize("length", [2**60, 2**20, 3, 0])
def test_a_wild_record_length_costs_one_chunk_only(path, length):
    write_log(path, some_events(CHUNKS * PER_CHUNK), finish=False)
    content = bytearray(path.read_bytes())
    start = chunk_starts(bytes(content))[5]
    content[start + 1 : start + 9] = length.to_bytes(8, "little")
    path.write_bytes(content)
    with LogReader(path) as reader:
        assert reader.events(strict=False)["seq"].tolist() == [*range(1, 101), *range(121, 241)]
        assert reader.truncated.skipped_bytes > 0


def test_a_record_whose_length_spans_several_chunks_swallows_none_of_them(path):
    write_log(path, some_events(CHUNKS * PER_CHUNK), finish=False)
    content = bytearray(path.read_bytes())
    starts = chunk_starts(bytes(content))
    index = starts[3] + 9 + int.from_bytes(content[starts[3] + 1 : starts[3] + 9], "little")
    assert content[index] == 7  # the message index behind the chunk
    content[index + 1 : index + 9] = (starts[8] + 100 - index).to_bytes(8, "little")
    path.write_bytes(content)
    with LogReader(path) as reader:
        assert reader.events().size == CHUNKS * PER_CHUNK
        assert reader.truncated.skipped_bytes == starts[4] - index


@pytest.mark.parametrize("lost", range(1, 9))
def test_a_log_without_its_last_bytes_is_not_called_finished(whole, path, lost):
    content, events = whole
    path.write_bytes(content[:-lost])
    with LogReader(path) as reader:
        assert reader.events().size == events.size
        assert not reader.truncated.finished


@pytest.mark.parametrize("chunk", [0, 6, CHUNKS - 1])
def test_a_flipped_byte_in_a_chunks_head_costs_that_chunk_only(whole, path, chunk):
    content, events = whole
    for at in range(chunk_starts(content)[chunk], chunk_starts(content)[chunk] + 53):
        broken = bytearray(content)
        broken[at] ^= 0x41
        path.write_bytes(broken)
        with LogReader(path, salvage=True) as reader:
            read = reader.events(strict=False)
            kept = np.isin(events["seq"], read["seq"])
            assert read.tobytes() == events[kept].tobytes()
            assert kept.sum() >= events.size - PER_CHUNK, at


def test_missing_ranges_are_named_from_one():
    assert missing_ranges(np.array([3, 4, 8], np.uint64)) == [(1, 2), (5, 7)]
    assert missing_ranges(np.array([1, 2], np.uint64)) == missing_ranges(np.array([], np.uint64)) == []


def test_an_event_that_stands_twice_is_refused(path):
    events = some_events(10)
    write_log(path, np.concatenate((events, events[4:5])))
    with pytest.raises(LogRepeatError, match="event 5 more than once"):
        read_events(path)
    assert read_events(path, strict=False).size == 11


# -- files that are something else


def test_an_absent_log_is_named(path):
    for look in (LogReader, check_idle):
        with pytest.raises(LogAbsentError, match=str(path)):
            look(path)


@pytest.mark.parametrize("content", [b"", b"\x89MCAP0\r\n"])
def test_an_empty_log_is_named(path, content):
    path.write_bytes(content)
    with pytest.raises(LogEmptyError, match="recover"):
        LogReader(path)


def test_a_text_file_is_not_a_log(path):
    path.write_text("t_s,animal\n" * 20)
    with pytest.raises(NotALogError):
        LogReader(path)


def test_another_programs_mcap_file_is_not_a_log(path):
    writer = Writer(str(path))
    writer.start(profile="ros2")
    writer.finish()
    with pytest.raises(NotALogError):
        LogReader(path)


@pytest.mark.parametrize("finish", [True, False])
def test_a_log_of_a_later_version_is_refused(path, finish):
    write_log(path, some_events(3), finish=finish)
    content = path.read_bytes().replace(
        b"\x0b\x00\x00\x00log_version\x01\x00\x00\x001", b"\x0b\x00\x00\x00log_version\x01\x00\x00\x009"
    )
    path.write_bytes(content)
    with pytest.raises(LogTooNewError, match="version 9"):
        LogReader(path)


def test_a_message_that_is_no_event_is_named(path):
    log = LogWriter(path, METADATA, CLOCK)
    log.add_message(log.add_channel("/events"), {"seq": "first"}, 0, 0)
    log.finish()
    with pytest.raises(LogMessageError, match="not an event"):
        read_events(path)


# -- writing


def test_an_existing_log_is_never_overwritten(path):
    path.write_bytes(b"precious")
    with pytest.raises(LogExistsError):
        LogWriter(path, METADATA, CLOCK)
    assert path.read_bytes() == b"precious"


def test_a_log_in_an_absent_folder_is_refused(tmp_path):
    with pytest.raises(LogUnwritableError, match="No such file"):
        LogWriter(tmp_path / "absent" / "session.mcap", METADATA, CLOCK)


def test_a_disk_that_takes_no_more_is_named(path):
    log = LogWriter(path, METADATA, CLOCK)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        log.add_events(some_events(2000))
        with pytest.raises(LogUnwritableError, match="journal"):
            log.sync()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    log.close()


def test_a_disk_that_does_not_even_take_the_metadata_is_named(path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(LogUnwritableError, match="journal"):
            LogWriter(path, METADATA, CLOCK)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_log_being_written_is_busy_until_it_is_closed(path):
    log = LogWriter(path, METADATA, CLOCK)
    with pytest.raises(LogBusyError):
        check_idle(path)
    log.close()
    log.close()
    check_idle(path)


def test_a_damaged_log_is_kept_under_a_name_of_its_own(tmp_path):
    path, fresh = tmp_path / "session.mcap", tmp_path / "fresh"
    for content in ("one", "two", "three"):
        fresh.write_text(content)
        put_in_place(fresh, path, keep_old=True)
    assert path.read_text() == "three"
    assert (tmp_path / "session.damaged.mcap").read_text() == "one"
    assert (tmp_path / "session.damaged-2.mcap").read_text() == "two"


WRITES_UNTIL_KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from controller.log import Clock, LogWriter
from realtime.records import no_events
events = no_events(150)
events["seq"] = np.arange(1, 151)
log = LogWriter(Path(sys.argv[1]), {"rig": {"name": "box"}}, Clock(0, 0))
log.add_events(events[:100])
log.flush()
log.add_events(events[100:])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_killed_writer_leaves_metadata_and_all_that_was_flushed(path):
    process = subprocess.run([sys.executable, "-c", WRITES_UNTIL_KILLED, os.fspath(path)], check=False, timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert read_metadata(path)["rig"] == {"name": "box"}
    assert read_events(path)["seq"].tolist() == list(range(1, 101))
    check_idle(path)


# -- as a table


def table():
    events = some_events(2)
    events[0] = one_event(t_ns=CLOCK.start_ns - 1, kind=Kind.TRIAL, value=Outcome.SUCCESS, trial=1, line=0, state=1)
    events[1] = one_event(t_ns=CLOCK.start_ns + 12_000_000_345, kind=77, animal=0, line=3, value=math.inf, flags=3)
    return events


def test_csv_has_exact_seconds_and_every_field_by_name():
    stream = io.StringIO()
    write_csv(table(), ("iti", "wait"), stream, start_ns=CLOCK.start_ns)
    first, second = csv.DictReader(io.StringIO(stream.getvalue()))
    assert tuple(first) == COLUMNS
    assert (first["t_s"], second["t_s"]) == ("-0.000000001", "12.000000345")
    assert (first["kind"], first["outcome"], first["value"]) == ("TRIAL", "SUCCESS", "1.0")
    assert (first["animal"], first["state_name"], first["flags"]) == ("", "wait", "")
    assert (second["kind"], second["animal"], second["line"]) == ("KIND_77", "A", "3")
    assert (second["value"], second["flags"], second["outcome"]) == ("Infinity", "LATE|CLAMPED", "")


def test_json_lines_are_the_logs_messages_with_seconds():
    stream = io.StringIO()
    write_jsonl(table(), ("iti", "wait"), stream, start_ns=CLOCK.start_ns)
    lines = stream.getvalue().splitlines()
    assert lines[1].startswith('{"t_s":12.000000345,"seq":1,')
    for line, event in zip(lines, table(), strict=True):
        fields = json.loads(line)
        fields.pop("t_s")
        assert fields == json.loads(msgspec.json.encode(to_message(event, ("iti", "wait"))))


@given(st.integers(-(2**63), 2**63 - 1))
def test_seconds_are_printed_without_rounding(nanoseconds):
    assert Decimal(seconds_text(nanoseconds)) * 10**9 == nanoseconds


def test_no_events_print_a_header_alone():
    stream = io.StringIO()
    write_csv(some_events(0), (), stream, start_ns=0)
    assert stream.getvalue() == ",".join(COLUMNS) + "\n"

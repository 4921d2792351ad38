"""Recovery: a whole log from log and journal, whatever was cut, flipped, lost or killed."""

import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.journal import HEADER_BYTES, JOURNAL_NAME, JournalVersionError, create
from controller.log import (
    LOG_NAME,
    Clock,
    LogBusyError,
    LogReader,
    LogWriter,
    iter_messages,
    read_events,
    read_metadata,
)
from controller.recorder import ENDING_NAME, METADATA_NAME, NOTES_NAME, Recorder
from controller.recover import NothingLeftError, recover
from realtime.digest import seal
from realtime.records import RECORD_BYTES, Kind, Operator, no_events

START_NS, EPOCH_NS = 9_000_000_000, 1_800_000_000_000_000_000
CLOCK = Clock(START_NS, EPOCH_NS)
METADATA = {"session": {"pair": "A12-B07"}, "task": {"states": '["iti","wait"]'}}
COUNT, PER_CHUNK = 100, 10


def some_events(count=COUNT):
    events = no_events(count)
    events["seq"] = np.arange(1, count + 1)
    events["t_ns"] = START_NS + np.arange(count) * 1_000_000
    events["arrival_ns"] = events["t_ns"] + 90_000
    events["kind"] = Kind.POKE_IN
    events["value"] = np.sqrt(np.arange(count))
    seal(events)
    return events


EVENTS = some_events()


def write_journal(session, events, *, closed=True):
    with create(session / JOURNAL_NAME, COUNT + 20, START_NS, EPOCH_NS) as journal:
        journal.events[: events.size] = events
        journal.header["count"], journal.header["closed"] = events.size, int(closed)


def write_log(session, events, *, finish=True):
    log = LogWriter(session / LOG_NAME, METADATA, CLOCK)
    health = log.add_channel("/health")
    for start in range(0, events.size, PER_CHUNK):
        log.add_message(health, {"chunk": start // PER_CHUNK}, START_NS + start, START_NS + start)
        log.add_events(events[start : start + PER_CHUNK])
        log.flush()
    if finish:
        log.add_metadata("end", {"reason": "asked"})
        log.finish()
    else:
        log.close()


def cut(path, size):
    with path.open("rb+") as file:
        file.truncate(size)


def is_whole(session, events):
    """Whether the log is finished, undamaged and holds exactly ``events``."""
    with LogReader(session / LOG_NAME, salvage=True) as reader:
        return reader.events().tobytes() == events.tobytes() and reader.truncated is None


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with a finished log of ten chunks, a closed journal, and the metadata's files."""
    session = tmp_path_factory.mktemp("files")
    write_log(session, EVENTS)
    write_journal(session, EVENTS)
    (session / METADATA_NAME).write_text(json.dumps({"metadata": METADATA}))
    (session / ENDING_NAME).write_text(json.dumps({"metadata": {"end": {"reason": "asked"}}}))
    return session


@pytest.fixture
def session(files, tmp_path):
    return shutil.copytree(files, tmp_path / "session")


def test_a_whole_session_is_left_as_it_is(session):
    before = (session / LOG_NAME).read_bytes()
    report = recover(session)
    assert (report.recovered, report.events, report.end_known, report.kept) == (False, COUNT, True, None)
    assert str(report) == f"Nothing to recover: the log is whole, with {COUNT} events."
    assert (session / LOG_NAME).read_bytes() == before
    assert not (session / "session.damaged.mcap").exists()


def test_a_cut_log_is_filled_up_from_the_journal(session):
    size = (session / LOG_NAME).stat().st_size
    cut(session / LOG_NAME, size // 2)
    damaged = (session / LOG_NAME).read_bytes()
    report = recover(session)
    assert is_whole(session, EVENTS)
    assert (report.events, report.from_journal, report.from_log) == (COUNT, COUNT, 0)
    assert 0 < report.filled_in < COUNT
    assert (report.missing, report.end_known) == ((), True)
    assert report.kept.read_bytes() == damaged
    assert "The log was not finished" in str(report)
    assert "kept as session.damaged.mcap" in str(report)
    metadata = read_metadata(session / LOG_NAME)
    assert metadata["recovered"] == {"events": "100", "from_journal": "100", "missing": "", "end_known": "yes"}
    assert (metadata["session"]["pair"], metadata["end"]) == ("A12-B07", {"reason": "asked"})
    assert metadata["clock"] == {"start_ns": str(START_NS), "epoch_ns": str(EPOCH_NS)}


def test_a_recovered_session_needs_no_second_recovery(session):
    cut(session / LOG_NAME, 3000)
    assert recover(session).recovered
    assert not recover(session).recovered


def test_messages_of_other_channels_are_saved_as_they_are(session):
    cut(session / LOG_NAME, (session / LOG_NAME).stat().st_size // 2)
    before = list(iter_messages(session / LOG_NAME, "/health"))
    report = recover(session)
    after = list(iter_messages(session / LOG_NAME, "/health"))
    assert [(m.data, m.log_time) for m in after] == [(m.data, m.log_time) for m in before]
    assert report.messages == len(before) > 2


def test_a_journal_alone_gives_the_whole_log(session):
    (session / LOG_NAME).unlink()
    report = recover(session)
    assert is_whole(session, EVENTS)
    assert (report.filled_in, report.messages, report.kept) == (COUNT, 0, None)
    assert read_metadata(session / LOG_NAME)["end"] == {"reason": "asked"}


def test_a_journal_alone_without_metadata_still_gives_its_events_and_says_what_is_lost(session):
    for name in (LOG_NAME, METADATA_NAME, ENDING_NAME):
        (session / name).unlink()
    report = recover(session)
    assert is_whole(session, EVENTS)
    assert METADATA_NAME in str(report)


def test_a_log_alone_gives_what_is_readable_and_the_end_stays_unknown(session):
    (session / JOURNAL_NAME).unlink()
    cut(session / LOG_NAME, (session / LOG_NAME).stat().st_size // 2)
    report = recover(session)
    assert is_whole(session, EVENTS[: report.events])
    assert report.from_log == report.events >= 30
    assert not report.end_known
    assert "is not known" in str(report)


@pytest.mark.parametrize("content", [b"", b"\x00" * 5000])
def test_a_log_that_says_nothing_is_kept_and_written_anew_from_the_journal(session, content):
    (session / LOG_NAME).write_bytes(content)
    report = recover(session)
    assert is_whole(session, EVENTS)
    assert report.kept.read_bytes() == content


@pytest.mark.parametrize("content", [None, b"", b"\x00" * 5000])
def test_where_neither_says_anything_there_is_nothing_to_recover_from(tmp_path, content):
    if content is not None:
        (tmp_path / LOG_NAME).write_bytes(content)
        (tmp_path / JOURNAL_NAME).write_bytes(content)
    with pytest.raises(NothingLeftError, match="neither a log nor a journal"):
        recover(tmp_path)


def test_a_journal_that_was_not_closed_leaves_the_end_unknown(session):
    (session / JOURNAL_NAME).unlink()
    write_journal(session, EVENTS, closed=False)
    report = recover(session)
    assert (report.recovered, report.end_known) == (False, False)


@settings(deadline=None, max_examples=40)
@given(log_cut=st.integers(0, 2**20), journal_cut=st.integers(0, 2**20))
def test_with_both_cut_anywhere_the_union_is_recovered(files, tmp_path_factory, log_cut, journal_cut):
    session = shutil.copytree(files, tmp_path_factory.mktemp("cuts") / "session")
    log, journal = session / LOG_NAME, session / JOURNAL_NAME
    cut(log, log_cut % (log.stat().st_size + 1))
    cut(journal, journal_cut % (journal.stat().st_size + 1))
    journaled = min(max(journal.stat().st_size - HEADER_BYTES, 0) // RECORD_BYTES, COUNT)
    logged = 0
    if log.stat().st_size > 2000:
        with LogReader(log) as reader:
            logged = reader.last_seq()
    try:
        report = recover(session)
    except NothingLeftError:
        assert journal.stat().st_size < HEADER_BYTES
        assert logged == 0
        return
    assert report.events == max(journaled, logged)
    assert report.end_known == (journaled == COUNT)
    assert is_whole(session, EVENTS[: report.events])


@settings(deadline=None, max_examples=40)
@given(at=st.integers(0, 2**20), change=st.integers(1, 255))
def test_with_one_byte_of_the_journal_flipped_the_log_makes_up_for_it(files, tmp_path_factory, at, change):
    session = shutil.copytree(files, tmp_path_factory.mktemp("flip") / "session")
    journal = bytearray((session / JOURNAL_NAME).read_bytes())
    at = HEADER_BYTES + at % (COUNT * RECORD_BYTES)
    journal[at] ^= change
    (session / JOURNAL_NAME).write_bytes(journal)
    report = recover(session)
    assert (report.recovered, report.events, report.differing) == (False, COUNT, 0)
    assert 1 <= report.unfitting <= 2
    assert report.from_log == report.unfitting
    assert "do not fit" in str(report)


def test_a_changed_journal_record_without_a_log_is_lost_and_named(session):
    (session / LOG_NAME).unlink()
    with (session / JOURNAL_NAME).open("rb+") as file:
        file.seek(HEADER_BYTES + 41 * RECORD_BYTES + 32)
        file.write(b"\x01")
    report = recover(session)
    assert (report.events, report.missing, report.end_known) == (COUNT - 1, ((42, 42),), False)
    assert "Lost for good: events 42." in str(report)
    assert read_events(session / LOG_NAME, strict=False)["seq"].tolist() == [*range(1, 42), *range(43, 101)]


def test_a_damaged_chunk_beyond_a_cut_journal_is_named_as_missing(session):
    content = bytearray((session / LOG_NAME).read_bytes())
    marks = [i for i in range(len(content)) if content[i : i + 8] == b"\x04\x00\x00\x00zstd"]
    content[marks[6] + 40] ^= 0xFF
    (session / LOG_NAME).write_bytes(content)
    cut(session / JOURNAL_NAME, HEADER_BYTES + 33 * RECORD_BYTES + 7)
    report = recover(session)
    assert report.missing == ((61, 70),)
    assert (report.from_journal, report.from_log, report.messages) == (33, 57, 9)
    assert "Lost for good: events 61 to 70." in str(report)
    assert "1 chunks of messages are damaged" in str(report)


def test_where_both_have_an_event_the_journal_counts(session):
    other = EVENTS.copy()
    other["value"][10:12] += 1
    (session / LOG_NAME).unlink()
    write_log(session, other)
    report = recover(session)
    assert (report.recovered, report.differing, report.from_journal) == (True, 2, COUNT)
    assert is_whole(session, EVENTS)


def test_records_beyond_the_journals_count_are_not_taken_because_they_may_be_half_a_decision(session):
    (session / LOG_NAME).unlink()
    with (session / JOURNAL_NAME).open("rb+") as file:
        file.seek(24)
        file.write((60).to_bytes(8, "little"))
    assert recover(session).events == 60


def test_records_that_the_journal_counts_but_were_never_written_are_not_taken(session):
    (session / LOG_NAME).unlink()
    with (session / JOURNAL_NAME).open("rb+") as file:
        file.seek(24)
        file.write((COUNT + 5).to_bytes(8, "little"))
    report = recover(session)
    assert (report.events, report.unfitting, report.end_known) == (COUNT, 5, False)


def test_an_event_that_stands_twice_in_the_log_stands_once_after_it(session):
    (session / LOG_NAME).unlink()
    write_log(session, np.concatenate((EVENTS, EVENTS[7:9])))
    report = recover(session)
    assert (report.recovered, report.repeated) == (True, 2)
    assert is_whole(session, EVENTS)


def test_notes_that_the_log_lacks_come_from_the_folder(session):
    events = some_events()
    events["kind"][50], events["value"][50], events["source_seq"][50] = Kind.OPERATOR, Operator.NOTE, 7
    seal(events)
    (session / JOURNAL_NAME).unlink()
    (session / LOG_NAME).unlink()
    write_journal(session, events)
    (session / NOTES_NAME).write_text('{"number": 7, "t_ns": 9000000007, "text": "B sleeps"}\n')
    report = recover(session)
    (message,) = iter_messages(session / LOG_NAME, "/notes")
    assert json.loads(message.data) == {"seq": 51, "t_ns": 9_000_000_007, "text": "B sleeps", "number": 7}
    assert (report.notes, recover(session).recovered) == (1, False)


def test_a_session_being_recorded_is_left_alone(session):
    (session / LOG_NAME).unlink()
    recorder = Recorder(session)
    with pytest.raises(LogBusyError):
        recover(session)
    recorder.close()


def test_a_journal_of_another_layout_is_not_guessed_at(session):
    with (session / JOURNAL_NAME).open("rb+") as file:
        file.seek(8)
        file.write(b"\x02")
    with pytest.raises(JournalVersionError):
        recover(session)


KILLED_WHILE_RECORDING = """
import os, signal, sys
from pathlib import Path
import numpy as np
from controller.journal import create
from controller.recorder import Recorder
from realtime.digest import seal
from realtime.records import no_events
session = Path(sys.argv[1])
journal = create(session / "journal.bin", 500, 0, 0)
recorder = Recorder(session)
events = no_events(400)
events["seq"] = np.arange(1, 401)
seal(events)
journal.events[:400] = events
for step in range(40):
    journal.header["count"] = 10 * (step + 1)
    recorder.step(step * 70_000_000)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_after_a_kill_of_loop_and_recorder_every_event_is_recovered(tmp_path):
    (tmp_path / METADATA_NAME).write_text(json.dumps({"metadata": METADATA}))
    process = subprocess.run([sys.executable, "-c", KILLED_WHILE_RECORDING, str(tmp_path)], check=False, timeout=120)
    assert process.returncode == -signal.SIGKILL
    with LogReader(tmp_path / LOG_NAME) as reader:
        flushed = reader.events().size
    assert 0 < flushed < 400
    report = recover(tmp_path)
    assert (report.events, report.filled_in, report.end_known) == (400, 400 - flushed, False)
    assert read_events(tmp_path / LOG_NAME)["seq"].tolist() == list(range(1, 401))
    assert read_metadata(tmp_path / LOG_NAME)["session"]["pair"] == "A12-B07"

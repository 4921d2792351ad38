"""The recorder: what the journal gets reaches the log, whoever is killed and whenever it is started again."""

import contextlib
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from controller.journal import JOURNAL_NAME, JournalAbsentError, create
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
from controller.recorder import (
    BATCH,
    ENDING_NAME,
    FLUSH_NS,
    METADATA_NAME,
    NOTES_NAME,
    JournalBehindError,
    Recorder,
    SessionFileError,
)
from realtime.digest import seal
from realtime.records import Kind, Operator, no_events

START_NS, EPOCH_NS = 9_000_000_000, 1_800_000_000_000_000_000
METADATA = {"session": {"pair": "A12-B07"}, "task": {"states": '["iti","wait"]'}}


def pokes(count):
    events = no_events(count)
    events["seq"] = np.arange(1, count + 1)
    events["t_ns"] = START_NS + np.arange(count) * 1_000
    events["arrival_ns"] = events["t_ns"] + 5
    events["kind"] = Kind.POKE_IN
    events["state"] = 1
    seal(events)
    return events


def with_note(events, index, number):
    events["kind"][index], events["value"][index] = Kind.OPERATOR, Operator.NOTE
    events["source_seq"][index] = number
    seal(events)
    return events


def write_note(session, number, text, end="\n"):
    with (session / NOTES_NAME).open("a") as file:
        file.write(json.dumps({"number": number, "t_ns": START_NS + number, "text": text}) + end)


def notes_of(session):
    return [json.loads(message.data) for message in iter_messages(session / LOG_NAME, "/notes")]


class Loop:
    """Stands in for the compiled loop: writes events to the journal as it does, record first, then the count."""

    def __init__(self, session, capacity=20_000):
        self.journal = create(session / JOURNAL_NAME, capacity, START_NS, EPOCH_NS)

    def write(self, events):
        count = int(self.journal.header["count"][0])
        self.journal.events[count : events.size] = events[count:]
        self.journal.header["count"] = events.size

    def end(self, session):
        (session / ENDING_NAME).write_text(json.dumps({"metadata": {"end": {"reason": "asked"}}}))
        self.journal.header["closed"] = 1


@pytest.fixture
def session(tmp_path):
    (tmp_path / METADATA_NAME).write_text(json.dumps({"metadata": METADATA}))
    return tmp_path


@pytest.fixture
def loop(session):
    loop = Loop(session)
    yield loop
    loop.journal.close()


@pytest.fixture
def recorder(session, loop):
    recorder = Recorder(session)
    yield recorder
    recorder.close()


def logged(session):
    with LogReader(session / LOG_NAME) as reader:
        return reader.events().size


def test_a_session_reaches_the_log_bit_for_bit(session, loop, recorder):
    events = pokes(300)
    loop.write(events[:120])
    assert recorder.step(0) == 120
    loop.write(events)
    assert recorder.step(1) == 180
    assert recorder.step(2) == 0
    assert not recorder.complete
    loop.end(session)
    assert recorder.complete
    recorder.finish("the end of the session")
    assert read_events(session / LOG_NAME).tobytes() == events.tobytes()
    metadata = read_metadata(session / LOG_NAME)
    assert metadata["end"] == {"reason": "asked"}
    assert metadata["recorder"] == {"ended_by": "the end of the session", "events": "300"}
    assert metadata["clock"] == {"start_ns": str(START_NS), "epoch_ns": str(EPOCH_NS)}
    first = json.loads(next(iter(iter_messages(session / LOG_NAME, "/events"))).data)
    assert first["state_name"] == "wait"


def test_metadata_is_on_disk_before_the_first_event(session, recorder):
    assert read_metadata(session / LOG_NAME)["session"]["pair"] == "A12-B07"


def test_events_are_on_disk_within_a_quarter_of_a_second(session, loop, recorder):
    events = pokes(3)
    loop.write(events[:1])
    recorder.step(10**9)
    loop.write(events[:2])
    recorder.step(10**9 + FLUSH_NS - 1)
    assert logged(session) == 1
    recorder.step(10**9 + FLUSH_NS)
    assert logged(session) == 2


def test_a_backlog_is_worked_off_in_batches_and_wholly_at_the_end(session, loop, recorder):
    loop.write(pokes(3 * BATCH))
    assert recorder.status()["behind"] == 3 * BATCH
    assert recorder.step(0) == BATCH
    assert recorder.status() == {"events": BATCH, "behind": 2 * BATCH, "notes_missing": 0, "notes_unreadable": 0}
    recorder.finish()
    assert read_events(session / LOG_NAME).size == 3 * BATCH


def test_a_note_is_logged_with_its_event(session, loop, recorder):
    write_note(session, 1, "B sneezes")
    loop.write(with_note(pokes(5), 3, 1))
    recorder.step(0)
    recorder.finish()
    assert notes_of(session) == [{"seq": 4, "t_ns": START_NS + 1, "text": "B sneezes", "number": 1}]


def test_a_note_without_an_event_is_logged_at_the_end(session, loop, recorder):
    write_note(session, 1, "written as the loop died")
    recorder.finish()
    assert [(note["seq"], note["text"]) for note in notes_of(session)] == [(0, "written as the loop died")]


def test_a_note_event_without_a_text_and_a_line_that_is_no_note_are_counted(session, loop, recorder):
    (session / NOTES_NAME).write_text('{"number": "one"}\n')
    write_note(session, 2, "half a li", end="")
    loop.write(with_note(pokes(5), 3, 2))
    recorder.step(0)
    assert (recorder.status()["notes_missing"], recorder.status()["notes_unreadable"]) == (1, 1)


def test_without_a_journal_or_metadata_it_does_not_start(tmp_path):
    with pytest.raises(JournalAbsentError):
        Recorder(tmp_path)
    create(tmp_path / JOURNAL_NAME, 4, 0, 0).close()
    with pytest.raises(SessionFileError, match=METADATA_NAME):
        Recorder(tmp_path)
    (tmp_path / METADATA_NAME).write_text('{"metadata": {"rig": "text"}}')
    with pytest.raises(SessionFileError, match="metadata"):
        Recorder(tmp_path)
    assert not (tmp_path / LOG_NAME).exists()


# -- started again


def test_started_again_it_writes_every_event_and_keeps_what_only_the_old_log_has(session, loop):
    events = with_note(with_note(pokes(400), 10, 1), 300, 2)
    old = LogWriter(session / LOG_NAME, {**METADATA, "latency": {"p99_us": "12"}}, Clock(START_NS, EPOCH_NS))
    health = old.add_channel("/health")
    old.add_message(health, {"loop_us": 12}, START_NS, START_NS)
    old.add_events(events[:150])
    old.flush()
    old.add_events(events[150:200])  # never flushed: lost with the process
    old.close()
    write_note(session, 1, "first")
    write_note(session, 2, "second")
    loop.write(events)
    recorder = Recorder(session)
    assert logged(session) == 150  # until the new one has caught up, the old one stays
    recorder.step(0)
    assert logged(session) == 400
    recorder.finish()
    assert read_events(session / LOG_NAME).tobytes() == events.tobytes()
    assert read_metadata(session / LOG_NAME)["latency"] == {"p99_us": "12"}
    assert [m.data for m in iter_messages(session / LOG_NAME, "/health")] == [b'{"loop_us":12}']
    assert [(note["seq"], note["text"]) for note in notes_of(session)] == [(11, "first"), (301, "second")]
    assert sorted(file.name for file in session.iterdir() if "mcap" in file.name) == [LOG_NAME]


def test_started_a_third_time_no_note_is_lost_or_doubled(session, loop):
    loop.write(with_note(pokes(20), 10, 1))
    write_note(session, 1, "once")
    for _ in range(3):
        recorder = Recorder(session)
        recorder.step(0)
        recorder.close()
    recorder = Recorder(session)
    recorder.finish()
    assert [note["text"] for note in notes_of(session)] == ["once"]
    assert recorder.notes_missing == 0
    assert read_events(session / LOG_NAME).size == 20


@pytest.mark.parametrize("content", [b"", b"\x89MCAP0\r\n", b"not a log at all " * 9])
def test_started_over_a_log_that_says_nothing_it_begins_anew(session, loop, content):
    (session / LOG_NAME).write_bytes(content)
    loop.write(pokes(10))
    recorder = Recorder(session)
    recorder.finish()
    assert read_events(session / LOG_NAME).size == 10
    kept = session / "session.damaged.mcap"
    assert not kept.exists() or kept.read_bytes() == content


def test_a_damaged_old_log_is_kept_beside_the_new_one(session, loop):
    loop.write(pokes(200))
    recorder = Recorder(session)
    recorder.step(0)
    recorder.close()
    content = bytearray((session / LOG_NAME).read_bytes())
    content[-300] ^= 0xFF
    content[content.rfind(b"\x04\x00\x00\x00zstd") + 60] ^= 0xFF
    (session / LOG_NAME).write_bytes(content)
    recorder = Recorder(session)
    recorder.finish()
    assert read_events(session / LOG_NAME).size == 200
    assert (session / "session.damaged.mcap").read_bytes() == content


def test_a_log_with_more_events_than_the_journal_is_not_written_anew(session, loop):
    old = LogWriter(session / LOG_NAME, METADATA, Clock(START_NS, EPOCH_NS))
    old.add_events(pokes(50))
    old.finish()
    loop.write(pokes(40))
    with pytest.raises(JournalBehindError, match="50 events in its log and 40"):
        Recorder(session)
    assert logged(session) == 50


def test_two_recorders_of_one_session_are_not_possible(session, recorder):
    with pytest.raises(LogBusyError):
        Recorder(session)


# -- the process


BODY = """
import json, sys
from pathlib import Path
from controller.recorder import main
main(Path(sys.argv[1]) / "session.json", lambda status: print(json.dumps(status), flush=True))
"""
PARENT_THAT_DIES = """
import os, subprocess, sys
subprocess.Popen([sys.executable, "-c", sys.argv[2], sys.argv[1], str(os.getpid())])
"""
CHILD_OF_IT = BODY.rstrip().removesuffix(")") + ", int(sys.argv[2]))"


@pytest.fixture
def start(session):
    started = []

    def start(code=BODY, *extra):
        command = [sys.executable, "-c", code, str(session), *extra]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        started.append(process)
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
        process.stdout.close()


def read_until(process, events):
    """Read heartbeats until the process has written that many events."""
    for line in process.stdout:
        if json.loads(line)["events"] >= events:
            return
    pytest.fail(f"the recorder ended with code {process.wait(timeout=60)} before it had {events} events")


@pytest.mark.slow
def test_the_process_ends_by_itself_with_the_session(session, loop, start):
    events = pokes(2_000)
    process = start()
    loop.write(events[:1_000])
    read_until(process, 1_000)
    loop.write(events)
    loop.end(session)
    assert process.wait(timeout=60) == 0
    assert read_events(session / LOG_NAME).tobytes() == events.tobytes()
    assert read_metadata(session / LOG_NAME)["recorder"]["ended_by"] == "the end of the session"


@pytest.mark.slow
def test_told_to_finish_it_drains_the_journal_first(session, loop, start):
    process = start()
    read_until(process, 0)
    loop.write(pokes(15_000))
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    assert read_events(session / LOG_NAME).tobytes() == pokes(15_000).tobytes()
    assert read_metadata(session / LOG_NAME)["recorder"]["ended_by"] == "SIGTERM"


@pytest.mark.slow
def test_an_interrupt_from_the_terminal_does_not_end_it(session, loop, start):
    process = start()
    read_until(process, 0)
    process.send_signal(signal.SIGINT)
    loop.write(pokes(10))
    read_until(process, 10)
    assert process.poll() is None


@pytest.mark.slow
def test_killed_and_started_again_the_log_is_whole(session, loop, start):
    events = pokes(9_000)
    for written in (3_000, 6_000):
        process = start()
        loop.write(events[:written])
        read_until(process, written)
        process.kill()
        process.wait(timeout=60)
    process = start()
    loop.write(events)
    loop.end(session)
    assert process.wait(timeout=60) == 0
    assert read_events(session / LOG_NAME).tobytes() == events.tobytes()
    with LogReader(session / LOG_NAME, salvage=True) as reader:
        assert reader.truncated is None


@pytest.mark.slow
def test_when_its_parent_is_gone_it_drains_and_ends(session, loop, start):
    loop.write(pokes(700))
    parent = start(PARENT_THAT_DIES, CHILD_OF_IT)
    parent.communicate(timeout=60)  # until both have closed the pipe
    assert read_events(session / LOG_NAME).size == 700
    assert read_metadata(session / LOG_NAME)["recorder"]["ended_by"] == "the end of its parent process"

"""The journal: what the loop wrote is readable, whoever is killed and wherever the file is cut."""

import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.journal import (
    HEADER,
    HEADER_BYTES,
    JournalAbsentError,
    JournalExistsError,
    JournalNoSpaceError,
    JournalTruncatedError,
    JournalUnwritableError,
    JournalVersionError,
    NotAJournalError,
    create,
    open_for_reading,
)
from realtime.digest import seal
from realtime.records import RECORD_BYTES, Kind, no_events


def pokes(count):
    events = no_events(count)
    events["seq"] = np.arange(1, count + 1)
    events["t_ns"] = np.arange(count) * 1_000_000
    events["kind"] = Kind.POKE_IN
    seal(events)
    return events


def write(journal, events):
    journal.events[: events.size] = events
    journal.header["count"] = events.size


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.bin"


def test_the_header_is_64_bytes_with_eight_in_reserve():
    assert HEADER.itemsize == 64
    assert max(offset + dtype.itemsize for dtype, offset, *_ in HEADER.fields.values()) == 56


def test_events_and_words_are_the_same_memory(path):
    with create(path, 4, 0, 0) as journal:
        journal.words[2, 0] = 77
        assert journal.events["seq"].tolist() == [0, 0, 77, 0]
        assert journal.words.shape == (4, 8)


def test_a_created_journal_has_all_its_disk_blocks(path):
    with create(path, 10_000, 0, 0):
        stat = path.stat()
    assert stat.st_size == HEADER_BYTES + 10_000 * RECORD_BYTES
    assert stat.st_blocks * 512 >= stat.st_size


def test_a_reader_sees_records_as_they_are_counted(path):
    events = pokes(3)
    with create(path, 8, 5_000, 1_700_000_000_000_000_000) as journal, open_for_reading(path) as reader:
        assert (reader.count(), reader.start_ns, reader.epoch_ns) == (0, 5_000, 1_700_000_000_000_000_000)
        journal.events[:3] = events
        assert reader.count() == 0
        journal.header["count"] = 2
        assert reader.count() == 2
        assert reader.read(0, reader.count()).tobytes() == events[:2].tobytes()
        assert not reader.closed
        journal.header["closed"], journal.header["reason"] = 1, 4
        assert (reader.closed, reader.reason) == (True, 4)


def test_what_was_read_stays_when_the_reader_is_closed(path):
    with create(path, 2, 0, 0) as journal:
        write(journal, pokes(2))
    reader = open_for_reading(path)
    events = reader.read(0, 2)
    reader.close()
    reader.close()
    assert events["seq"].tolist() == [1, 2]
    assert reader.count() == 0


def test_an_array_still_held_outlives_the_closed_journal(path):
    journal = create(path, 2, 0, 0)
    held = journal.events
    journal.close()
    journal.close()
    held["seq"][1] = 9
    with open_for_reading(path) as reader:
        assert reader.read(0, 2)["seq"].tolist() == [0, 9]


def test_an_existing_file_is_never_overwritten(path):
    path.write_bytes(b"precious")
    with pytest.raises(JournalExistsError, match="new folder"):
        create(path, 4, 0, 0)
    assert path.read_bytes() == b"precious"


def test_a_journal_larger_than_the_disk_is_refused_at_once(path):
    with pytest.raises(JournalNoSpaceError, match="make room"):
        create(path, 2**44, 0, 0)
    assert not path.exists()


def test_a_journal_that_the_system_will_not_allocate_leaves_no_file(path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(JournalNoSpaceError, match="make room"):
            create(path, 1000, 0, 0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not path.exists()


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_journal_without_room_for_one_event_is_refused(path, capacity):
    with pytest.raises(JournalUnwritableError, match="at least one"):
        create(path, capacity, 0, 0)


def test_a_journal_in_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(JournalUnwritableError, match="No such file"):
        create(tmp_path / "absent" / "journal.bin", 4, 0, 0)


def test_an_absent_journal_is_named(path):
    with pytest.raises(JournalAbsentError, match=str(path)):
        open_for_reading(path)


def test_another_file_is_not_a_journal(path):
    path.write_bytes(b"\x89MCAP0\r\n" + bytes(200))
    with pytest.raises(NotAJournalError):
        open_for_reading(path)


def test_a_journal_of_another_layout_is_refused(path):
    with create(path, 4, 0, 0) as journal:
        journal.header["version"] = 2
    with pytest.raises(JournalVersionError, match="layout 2"):
        open_for_reading(path)


def test_a_cut_journal_says_how_many_events_it_still_holds(path):
    with create(path, 8, 0, 0) as journal:
        write(journal, pokes(6))
    with path.open("rb+") as file:
        file.truncate(HEADER_BYTES + 4 * RECORD_BYTES + 17)
    with pytest.raises(JournalTruncatedError, match="counts 6 events and holds 4") as caught:
        open_for_reading(path)
    assert (caught.value.readable, caught.value.count) == (4, 6)


def test_a_cut_behind_the_last_event_harms_nothing(path):
    with create(path, 8, 0, 0) as journal:
        write(journal, pokes(3))
    with path.open("rb+") as file:
        file.truncate(HEADER_BYTES + 3 * RECORD_BYTES)
    with open_for_reading(path) as reader:
        assert reader.read(0, reader.count()).tobytes() == pokes(3).tobytes()


@settings(deadline=None, max_examples=60)
@given(cut=st.integers(0, HEADER_BYTES + 9 * RECORD_BYTES))
def test_a_journal_cut_anywhere_is_readable_as_far_as_whole_records_go(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("cut") / "journal.bin"
    with create(path, 9, 0, 0) as journal:
        write(journal, pokes(7))
    with path.open("rb+") as file:
        file.truncate(cut)
    if cut < HEADER_BYTES:
        with pytest.raises(JournalTruncatedError, match="holds 0"):
            open_for_reading(path, accept_cut=True)
        return
    with open_for_reading(path, accept_cut=True) as reader:
        whole = min(7, (cut - HEADER_BYTES) // RECORD_BYTES)
        assert reader.count() == whole
        assert reader.read(0, reader.count()).tobytes() == pokes(7)[:whole].tobytes()


WRITES_UNTIL_KILLED = """
import os, signal, sys
from pathlib import Path
from controller.journal import create
journal = create(Path(sys.argv[1]), 64, 11, 22)
for i in range(50):
    journal.events["seq"][i] = i + 1
    journal.header["count"] = i + 1
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_killed_process_leaves_every_event_it_counted(path):
    process = subprocess.run([sys.executable, "-c", WRITES_UNTIL_KILLED, str(path)], check=False, timeout=60)
    assert process.returncode == -signal.SIGKILL
    with open_for_reading(path) as reader:
        assert reader.read(0, reader.count())["seq"].tolist() == list(range(1, 51))
        assert not reader.closed

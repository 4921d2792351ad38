"""The digest: a record that was changed, removed, moved or put in is found at its place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.digest import first_broken, seal, words_of
from realtime.records import EVENT, Kind, no_events


def chained(count=6, previous=0):
    events = no_events(count)
    events["seq"] = np.arange(1, count + 1)
    events["t_ns"] = 1000 * np.arange(count)
    events["kind"] = Kind.POKE_IN
    seal(events, previous)
    return events


def test_what_was_sealed_is_whole():
    assert first_broken(chained()) == -1


def test_a_log_without_records_is_whole():
    assert first_broken(no_events(0)) == -1


def test_sealing_returns_the_last_digest():
    events = no_events(3)
    assert seal(events) == int(events["digest"][-1]) != 0


@pytest.mark.parametrize("name", [name for name in EVENT.names if name != "digest"])
def test_a_changed_field_is_found_at_its_record(name):
    events = chained()
    events[name][3] += 1
    assert first_broken(events) == 3


def test_a_changed_digest_is_found():
    events = chained()
    events["digest"][2] += 1
    assert first_broken(events) == 2


def test_a_removed_record_is_found_where_it_was():
    assert first_broken(np.delete(chained(), 2)) == 2


def test_a_record_put_in_is_found_where_it_is():
    events = chained()
    assert first_broken(np.insert(events, 4, events[1])) == 4


def test_two_records_that_changed_places_are_found():
    events = chained()
    assert first_broken(events[[0, 2, 1, 3, 4, 5]]) == 1


def test_a_cut_end_is_whole_as_far_as_it_goes():
    assert first_broken(chained()[:4]) == -1


def test_a_later_part_is_whole_only_after_the_part_before_it():
    events = chained()
    assert first_broken(events[3:], int(events["digest"][2])) == -1
    assert first_broken(events[3:]) == 0


def test_words_and_records_are_the_same_memory():
    events = no_events(2)
    words_of(events)[1, 0] = 77
    assert events["seq"].tolist() == [0, 77]


@given(place=st.integers(0, 5), byte=st.integers(0, 63), bit=st.integers(0, 7))
@settings(deadline=None, max_examples=100, database=None)
def test_any_flipped_bit_is_found_at_its_record(place, byte, bit):
    events = chained()
    events.view(np.uint8).reshape(-1, 64)[place, byte] ^= 1 << bit
    assert first_broken(events) == place

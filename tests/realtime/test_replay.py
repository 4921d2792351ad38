"""Deciding again: a log's inputs lead to its decisions, and a forged log is caught at its place.

Every forgery here is sealed anew: its digests fit, so that only deciding again can find it.
"""

import numpy as np
import pytest

from realtime.digest import seal, words_of
from realtime.records import Flag, Kind, Line, Operator, Outcome, no_events
from realtime.replay import Difference
from realtime.sequencer import MOST_FROM_ONE
from tests.realtime.box import MS, TWO_BOARDS, A, B, S


@pytest.fixture
def told(make_box):
    """A success, a miss, a late poke, a free reward, a pause, a laser test: some of everything, over two boards."""
    box = make_box(boards=TWO_BOARDS).start()
    box.poke(A, 3 * S)
    box.poke(B, 3 * S + 400 * MS)
    box.poke(A, 8 * S)
    box.poke(B, 9 * S - 1, arrives=9 * S + 30 * MS)
    box.press(Operator.FREE_REWARD, 9 * S + 100 * MS, animal=B)
    box.poke(A, 13 * S)
    box.press(Operator.PAUSE, 13 * S + 100 * MS)
    box.press(Operator.ARM, 13 * S + 200 * MS)
    box.press(Operator.LASER_TEST, 13 * S + 300 * MS, animal=A)
    box.press(Operator.RESUME, 15 * S)
    box.until(20 * S)
    assert box.ended() == [Outcome.SUCCESS, Outcome.MISS, Outcome.ABORTED]
    return box


def forged(events):
    """Number and seal a changed log, as a careful forger would."""
    events = np.ascontiguousarray(events)
    events["seq"] = np.arange(1, events.size + 1)
    seal(events)
    return events


def place_of(events, kind, nth=0):
    return int(np.flatnonzero(events["kind"] == kind)[nth])


def test_an_honest_log_is_decided_again_the_same(told):
    assert told.decided_again() == (-1, Difference.NONE)


def test_an_empty_log_has_nothing_to_differ(told):
    assert told.decided_again(no_events(0)) == (-1, Difference.NONE)


def test_a_poke_moved_out_of_its_window_is_caught_at_what_followed_from_it(told):
    events = told.log.copy()
    poke = place_of(events, Kind.POKE_IN, 1)
    events["t_ns"][poke] = events["arrival_ns"][poke] = 4 * S + 1
    place, difference = told.decided_again(forged(events))
    assert place > poke
    assert difference in (Difference.DIFFERENT, Difference.NOT_DECIDED)


def test_a_poke_moved_by_a_nanosecond_is_caught_at_the_decision_that_carries_its_time(told):
    events = told.log.copy()
    poke = place_of(events, Kind.POKE_IN, 1)
    events["t_ns"][poke] -= 1
    decision = place_of(events, Kind.STATE, 3)
    assert told.plan.state_names[events["state"][decision]] == "SUCCESS"
    assert told.decided_again(forged(events)) == (decision, Difference.DIFFERENT)


@pytest.mark.parametrize("nth", [0, 1, 2])
def test_a_changed_outcome_is_caught_at_its_record(told, nth):
    events = told.log.copy()
    trial = place_of(events, Kind.TRIAL, nth)
    events["value"][trial] = Outcome.OMISSION
    assert told.decided_again(forged(events)) == (trial, Difference.DIFFERENT)


@pytest.mark.parametrize("kind", [Kind.STATE, Kind.COMMAND, Kind.TRIAL, Kind.TIMER])
def test_a_removed_decision_is_caught_where_it_was(told, kind):
    place = place_of(told.log, kind)
    events = forged(np.delete(told.log, place))
    assert told.decided_again(events) == (place, Difference.DIFFERENT)


def test_a_removed_poke_is_caught(told):
    place = place_of(told.log, Kind.POKE_IN, 1)
    found, difference = told.decided_again(forged(np.delete(told.log, place)))
    assert found >= place
    assert difference != Difference.NONE


def test_a_reward_put_in_where_nothing_was_decided_is_caught_as_not_decided(told):
    reward = told.log[place_of(told.log, Kind.COMMAND)].copy()
    poke = place_of(told.log, Kind.POKE_IN)
    reward["arrival_ns"] = told.log["arrival_ns"][poke]
    events = forged(np.insert(told.log, poke, reward))
    assert told.decided_again(events) == (poke, Difference.NOT_DECIDED)


def test_a_reward_put_in_at_the_end_is_caught_as_not_decided(told):
    reward = told.log[place_of(told.log, Kind.COMMAND)].copy()
    reward["arrival_ns"] = told.log["arrival_ns"][-1]
    events = forged(np.append(told.log, reward))
    assert told.decided_again(events) == (told.log.size, Difference.NOT_DECIDED)


def test_an_end_cut_within_a_decision_is_caught_as_more_to_be_decided(told):
    success = place_of(told.log, Kind.TRIAL)
    events = told.log[:success].copy()
    assert told.decided_again(events) == (success, Difference.MORE_DECIDED)


def test_an_end_cut_between_decisions_is_a_shorter_session(told):
    after = place_of(told.log, Kind.TRIAL) + 1
    assert told.decided_again(told.log[:after].copy()) == (-1, Difference.NONE)


@pytest.mark.parametrize(
    ("field", "forgery"), [("flags", 0), ("value", 199 * MS), ("line", Line.LASER_B), ("animal", B)]
)
def test_a_laser_test_cannot_be_told_otherwise(told, field, forgery):
    events = told.log.copy()
    test = place_of(events, Kind.COMMAND, np.flatnonzero(told.of(Kind.COMMAND)["value"] == 200 * MS)[0])
    assert (events["line"][test], events["flags"][test]) == (Line.LASER_A, Flag.FREE)
    events[field][test] = forgery
    assert told.decided_again(forged(events)) == (test, Difference.DIFFERENT)


def test_a_flag_that_the_loop_would_have_set_cannot_be_hidden(told):
    events = told.log.copy()
    late = int(np.flatnonzero(events["flags"] & Flag.LATE)[0])
    events["flags"][late] = 0
    assert told.decided_again(forged(events)) == (late, Difference.DIFFERENT)


def test_the_replay_of_a_log_leaves_the_log_alone(told):
    before = told.log.tobytes()
    told.decided_again()
    assert told.log.tobytes() == before


def test_a_replay_without_room_says_so_rather_than_that_the_log_differs(told):
    events = told.log.copy()
    log = no_events(MOST_FROM_ONE)
    core = told.plan.core(log, words_of(log))
    with np.errstate(over="ignore"):
        verdict = told.kernels.redecide(core, told.plan.machine(), events, words_of(events))
    assert (verdict.place, verdict.difference) == (int(core.memory["seq"][0]), Difference.NO_ROOM)

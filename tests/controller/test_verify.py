"""The proof in sentences: what does not fit is named, so that a person can look at it."""

from pathlib import Path

import numpy as np
import pytest

from controller.verify import describe, redecided, verify_events
from realtime.digest import seal
from realtime.records import Flag, Kind, Operator, Outcome, no_events
from realtime.replay import Difference
from tests.realtime.box import MS, A, B, Box, S, Setup

SESSION = Path("sessions/one")


@pytest.fixture
def told():
    """A success at 3.4 s and a miss at 9 s: 2 pokes each, and the rest is decided."""
    box = Box(Setup()).start()
    box.poke(A, 3 * S)
    box.poke(B, 3 * S + 400 * MS)
    box.poke(A, 8 * S)
    box.poke(B, 9 * S + 100 * MS)
    box.until(11 * S)
    return box


def forged(events):
    """Number and seal a changed log, as a careful forger would."""
    events = np.ascontiguousarray(events)
    events["seq"] = np.arange(1, events.size + 1)
    seal(events)
    return events


def place_of(events, kind, nth=0):
    return int(np.flatnonzero(events["kind"] == kind)[nth])


def sentence(box, events):
    proof = verify_events(SESSION, events, box.plan)
    assert not proof.identical
    assert str(proof) == proof.sentence
    return proof.sentence.removeprefix(f"{SESSION}: ")


def test_an_honest_log_is_identical_and_its_decisions_are_counted(told):
    proof = verify_events(SESSION, told.log, told.plan)
    decisions = told.of(Kind.COMMAND, Kind.STATE, Kind.TRIAL, Kind.TIMER).size
    assert proof.identical
    assert (proof.events, proof.decisions) == (told.log.size, decisions)
    assert proof.sentence == (
        f"sessions/one: identical: {told.log.size} events, of which {decisions} decisions, were decided again the same"
    )


def test_a_session_that_ended_before_anything_happened_is_identical(told):
    assert verify_events(SESSION, no_events(0), told.plan).identical


def test_a_changed_time_is_named_by_its_poke(told):
    events = told.log.copy()
    poke = place_of(events, Kind.POKE_IN, 1)
    events["t_ns"][poke] = 3_500_000_000
    assert sentence(told, events) == (
        f"the log was changed: event {poke + 1} (POKE_IN of B, A_FIRST, t = 3500000000 ns) does not fit its digest; it "
        "or the event before it is not what the loop wrote"
    )


def test_a_removed_event_is_named_by_the_one_after_it(told):
    trial = place_of(told.log, Kind.TRIAL)
    said = sentence(told, np.delete(told.log, trial))
    assert said.startswith(
        f"the log was changed: event {trial + 2} (TIMER, SUCCESS, t = 5400000000 ns) does not fit its digest"
    )


def test_an_exchanged_outcome_with_digests_that_fit_is_named_with_what_it_should_be(told):
    events = told.log.copy()
    trial = place_of(events, Kind.TRIAL, 1)
    events["value"][trial] = Outcome.SUCCESS
    assert sentence(told, forged(events)) == (
        f"not identical: event {trial + 1} (TRIAL, SUCCESS, t = 9000000000 ns) differs: decided again it is event "
        f"{trial + 1} (TRIAL, MISS, t = 9000000000 ns)"
    )


def test_a_moved_poke_with_digests_that_fit_is_named_by_the_decision_that_differs(told):
    events = told.log.copy()
    poke = place_of(events, Kind.POKE_IN, 1)
    events["t_ns"][poke] -= 7
    assert sentence(told, forged(events)) == (
        f"not identical: event {poke + 2} (STATE, SUCCESS, t = 3400000000 ns) differs: decided again it is event "
        f"{poke + 2} (STATE, SUCCESS, t = 3399999993 ns)"
    )


def test_a_decision_put_in_with_digests_that_fit_is_named_as_one_that_does_not_follow(told):
    extra = told.log[place_of(told.log, Kind.COMMAND)].copy()
    extra["arrival_ns"] = told.log["arrival_ns"][-1]
    events = forged(np.append(told.log, extra))
    assert sentence(told, events) == (
        f"not identical: event {events.size} (COMMAND of A, SUCCESS, t = 3400000000 ns) is in the log, but its inputs "
        "do not lead to it"
    )


def test_an_end_cut_within_a_decision_is_named_by_what_is_missing(told):
    trial = place_of(told.log, Kind.TRIAL)
    assert sentence(told, told.log[:trial].copy()) == (
        f"not identical: the log ends, but its inputs lead on to event {trial + 1} (TRIAL, SUCCESS, t = 3400000000 ns)"
    )


def test_the_same_inputs_under_another_plan_are_not_identical(told):
    wider = Setup(windows=(2 * S,)).plan()
    proof = verify_events(SESSION, told.log, wider)
    assert not proof.identical
    assert "(TRIAL, MISS" in proof.sentence or "TIMER" in proof.sentence


def test_the_regenerated_log_is_returned_with_the_first_difference(told):
    again, place, difference = redecided(told.log, told.plan)
    assert (place, difference) == (-1, Difference.NONE)
    assert again.tobytes() == told.log.tobytes()


@pytest.mark.parametrize(
    ("kind", "value", "animal", "said"),
    [
        (Kind.POKE_IN, 0.0, B, "event 5 (POKE_IN of B, READY, t = 9 ns)"),
        (Kind.CLOCK, 0.0, -1, "event 5 (CLOCK, READY, t = 9 ns)"),
        (Kind.TRIAL, Outcome.MISS, -1, "event 5 (TRIAL, MISS, t = 9 ns)"),
        (Kind.STATE, 0.0, -1, "event 5 (STATE, READY, t = 9 ns)"),
        (Kind.OPERATOR, Operator.PAUSE, -1, "event 5 (OPERATOR, PAUSE, t = 9 ns)"),
    ],
)
def test_an_event_is_described_by_number_kind_animal_state_and_time(kind, value, animal, said):
    record = no_events(1)
    record["seq"], record["t_ns"], record["kind"], record["value"] = 5, 9, kind, value
    record["animal"], record["state"], record["flags"] = animal, 1, Flag.GAP
    assert describe(record[0], ("IDLE", "READY")) == said

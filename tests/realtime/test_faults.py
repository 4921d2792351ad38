"""What a fault does to a running session: it pauses, or goes dark, or merely stands in the log."""

import pytest

from realtime.machine import LightFrom
from realtime.records import DISARMING, PAUSING, SOURCE_OPERATOR, Fault, Flag, Kind, Line, Operator, Outcome
from tests.realtime.box import MS, TWO_BOARDS, A, B, Box, Light, S, Setup

LIT = Setup(lights=(Light(row=0, light_from=LightFrom.TRIAL_START),))


def arms(box: Box) -> list[tuple[int, int]]:
    """Return value and time of each command to arm or disarm."""
    return [(value, t) for line, value, t, _ in box.commands() if line == Line.ARM]


@pytest.mark.parametrize("code", PAUSING)
def test_a_fault_after_which_nothing_can_be_judged_pauses_and_aborts_the_trial(code):
    box = Box().start()
    box.poke(A, 3 * S)
    box.fault(2, code, 3 * S + 100 * MS)
    box.poke(B, 3 * S + 200 * MS)
    assert box.state() == "PAUSED"
    assert box.ended() == [Outcome.ABORTED]
    assert box.rewards() == []
    box.prove()


def test_a_person_resumes_after_a_fault_and_the_next_trial_begins():
    box = Box().start()
    box.fault(SOURCE_OPERATOR, Fault.PORT_LOST, 3 * S)
    box.press(Operator.RESUME, 10 * S)
    box.until(13 * S)
    assert box.state() == "READY"
    assert [trial for trial, _, _ in box.outcomes()] == [1]
    box.prove()


@pytest.mark.parametrize("code", sorted(set(Fault) - set(PAUSING)))
def test_any_other_fault_stands_in_the_log_and_the_trial_goes_on(code):
    box = Box().start()
    box.poke(A, 3 * S)
    box.fault(2, code, 3 * S + 100 * MS)
    box.poke(B, 3 * S + 200 * MS)
    assert box.ended() == [Outcome.SUCCESS]
    box.prove()


@pytest.mark.parametrize("code", [0.0, -1.0, 63.0, 64.0, 1e300, float("nan"), float("inf"), 2.0**40])
def test_a_fault_code_that_is_none_does_nothing(code):
    box = Box(LIT)
    box.press(Operator.ARM, 0)
    box.start(1)
    box.fault(2, code, 1 * S)
    assert box.state() == "ITI"
    assert arms(box)[-1][0] == 1
    box.prove()


@pytest.mark.parametrize("code", DISARMING)
def test_a_fault_that_disarms_is_followed_by_a_disarm_and_later_light_is_refused_until_a_person_arms(code):
    box = Box(Setup(lights=tuple(Light(row, LightFrom.TRIAL_START) for row in range(3)), iti=1 * S))
    box.press(Operator.ARM, 0)
    box.start(1 * MS)
    box.fault(2, code, 500 * MS)
    assert arms(box) == [(1, 0), (0, 500 * MS)]
    box.press(Operator.RESUME, 600 * MS)
    box.until(3 * S)
    lights = [flags for line, value, _, flags in box.commands() if line == Line.LASER_A and value > 0]
    assert lights == [Flag.REFUSED]
    box.prove()


def test_an_unarmed_session_is_not_disarmed_again():
    box = Box(LIT).start()
    box.fault(2, Fault.DEVICE_INTERLOCK, 1 * S)
    assert arms(box) == []
    box.prove()


def test_a_fault_seen_twice_pauses_once():
    box = Box().start()
    box.fault(2, Fault.DEVICE_RESET, 3 * S)
    box.press(Operator.RESUME, 4 * S)
    box.fault(2, Fault.DEVICE_RESET, 3 * S, arrives=5 * S, source_seq=1)
    assert box.state() == "ITI"
    box.prove()


def test_both_machines_of_two_animals_pause():
    box = Box(Setup(task="independent")).start()
    box.fault(2, Fault.DEVICE_WATCHDOG, 3 * S)
    box.until(3 * S + box.setup.grace)
    assert (box.state(0), box.state(1)) == ("PAUSED", "PAUSED")
    box.prove()


def trials(box: Box) -> list[int]:
    """Return the uncertainty of each trial."""
    return box.of(Kind.TRIAL)["uncertainty_ns"].tolist()


def test_the_trial_of_two_clocks_says_how_uncertain_the_time_between_the_pokes_is():
    box = Box(Setup(boards=TWO_BOARDS)).start()
    box.report(2, 2 * S, uncertainty=120_000.0)
    box.report(3, 2 * S, uncertainty=80_500.0)
    box.poke(A, 3 * S)
    box.poke(B, 3 * S + 100 * MS)
    box.until(3 * S + 200 * MS)
    assert box.ended() == [Outcome.SUCCESS]
    assert trials(box) == [200_500]
    assert box.of(Kind.POKE_IN)["uncertainty_ns"].tolist() == [120_000, 80_500]
    box.prove()


def test_the_trial_of_one_clock_is_as_certain_as_its_stamps():
    box = Box().start()
    box.report(2, 2 * S, uncertainty=120_000.0)
    box.poke(A, 3 * S)
    box.poke(B, 3 * S + 100 * MS)
    assert trials(box) == [0]
    assert box.of(Kind.POKE_IN)["uncertainty_ns"].tolist() == [120_000, 120_000]
    box.prove()


def test_a_machine_of_one_animal_compares_no_two_clocks():
    box = Box(Setup(task="independent", boards=TWO_BOARDS)).start()
    box.report(2, 2 * S, uncertainty=5.0)
    box.report(3, 2 * S, uncertainty=7.0)
    box.poke(A, 3 * S)
    box.report(3, 4 * S)
    assert trials(box) == [0]
    box.prove()


@pytest.mark.parametrize(("said", "kept"), [(-5.0, 0), (float("nan"), 0), (1e12, 2**32 - 1)])
def test_an_uncertainty_that_is_none_is_kept_within_what_a_record_can_say(said, kept):
    box = Box().start()
    box.report(2, 2 * S, uncertainty=said)
    box.poke(A, 3 * S)
    assert box.of(Kind.POKE_IN)["uncertainty_ns"].tolist() == [kept]
    box.prove()

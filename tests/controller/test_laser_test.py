"""When a person may test a laser: armed, paused, and with nothing under way that could open a trial."""

import pytest

from controller.control import BadRequest, request_of
from controller.edges import EDGE_NS
from controller.laser_test import HEARD_NS, LaserTests
from controller.messages import Request
from controller.tally import Tally
from realtime.machine import LightFrom
from realtime.records import NO_ROUTE, Line, Operator
from tests.realtime.box import MS, A, B, Box, Light, S, Setup

ARMED_AND_PAUSED = ((Operator.ARM, 1 * MS), (Operator.START, 2 * MS), (Operator.PAUSE, 3 * S))
NOT_ARMED = "the lasers are not armed; arm them first"
IN_A_TRIAL = "a laser test would be light in a trial; pause first"
NOW = 60 * S


def heard(*asked, **numbers):
    """The tests of a session and what its tally has heard after people asked for this."""
    box = Box(Setup(**numbers))
    for verb, t in asked:
        box.press(verb, t)
    box.until(NOW)
    tally = Tally(box.plan)
    tally.add(box.log)
    return LaserTests(box.plan), tally


@pytest.mark.parametrize("task", ["cooperation", "solo", "independent"])
@pytest.mark.parametrize("animal", [A, B])
def test_a_laser_may_be_tested_while_armed_and_paused(task, animal):
    tests, tally = heard(*ARMED_AND_PAUSED, task=task)
    assert tests.why_not(tally, animal, NOW) == ""


@pytest.mark.parametrize("then", [(), ((Operator.ARM, 4 * S), (Operator.DISARM, 5 * S))])
def test_not_while_disarmed(then):
    tests, tally = heard(*ARMED_AND_PAUSED[1:], *then)
    assert tests.why_not(tally, A, NOW) == NOT_ARMED


@pytest.mark.parametrize(
    "asked", [ARMED_AND_PAUSED[:1], ARMED_AND_PAUSED[:2], (*ARMED_AND_PAUSED, (Operator.RESUME, 4 * S))]
)
def test_not_before_the_session_begins_nor_while_it_runs(asked):
    tests, tally = heard(*asked)
    assert tests.why_not(tally, A, NOW) == IN_A_TRIAL


def test_not_while_one_of_two_machines_was_not_heard_to_be_paused():
    tests, tally = heard(*ARMED_AND_PAUSED, task="independent")
    tally.states[1] = tally.plan.state_names.index("ITI")
    assert tests.why_not(tally, A, NOW) == IN_A_TRIAL
    del tally.states[1]
    assert tests.why_not(tally, A, NOW) == IN_A_TRIAL


def test_not_for_an_animal_that_has_no_laser():
    tests, tally = heard(*ARMED_AND_PAUSED)
    tally.plan.arrays["routes"][Line.LASER_B] = NO_ROUTE
    assert tests.why_not(tally, B, NOW) == "B has no laser; wire one in the rig file, as [lines] laser_b"
    assert tests.why_not(tally, A, NOW) == ""


def test_not_after_a_resume_that_the_loop_was_given_but_has_not_answered_yet():
    tests, tally = heard(*ARMED_AND_PAUSED)
    tests.passed_on("resume", NOW)
    assert tests.why_not(tally, A, NOW + 1) == IN_A_TRIAL
    assert tests.why_not(tally, A, NOW + HEARD_NS - 1) == IN_A_TRIAL
    assert tests.why_not(tally, A, NOW + HEARD_NS) == ""


def test_a_pause_after_that_resume_makes_it_possible_again():
    tests, tally = heard(*ARMED_AND_PAUSED)
    tests.passed_on("resume", NOW)
    tests.passed_on("pause", NOW + 1)
    assert tests.why_not(tally, A, NOW + 2) == ""


def test_no_trial_may_begin_until_the_light_of_a_test_is_over():
    tests, _ = heard(*ARMED_AND_PAUSED, test=2 * S)
    assert tests.why_no_resume(NOW) == ""
    tests.passed_on("reward", NOW)
    assert tests.why_no_resume(NOW) == ""
    tests.passed_on("laser", NOW)
    assert tests.why_no_resume(NOW + 2 * S + EDGE_NS - 1) == "a laser test is not over; resume when it is dark"
    assert tests.why_no_resume(NOW + 2 * S + EDGE_NS) == ""


def test_a_test_makes_no_trial_one_with_light():
    box = Box(Setup(task="shared_state_inhibition", lights=(Light(0, LightFrom.SHARED_STATE),), windows=(1 * S,)))
    box.press(Operator.ARM, 1 * MS)
    box.start(2 * MS)
    box.report(2, 2500 * MS)
    box.estimate(1, 2600 * MS)
    box.press(Operator.LASER_TEST, 2700 * MS, animal=A)
    box.poke(A, 3 * S)
    box.poke(B, 3 * S + 100 * MS)
    tally = Tally(box.plan)
    tally.add(box.log)
    assert tally.lit_trials == [1, 1]


@pytest.mark.parametrize("word", ["a", "A", "b", "B"])
def test_the_command_line_takes_the_animal_of_a_test_as_that_of_a_reward(word):
    assert request_of("laser", (word,)) == Request("laser", animal=word.upper())


@pytest.mark.parametrize("words", [(), ("C",), ("A", "B"), ("",)])
def test_a_test_of_nobodys_laser_is_refused_before_it_is_sent(words):
    with pytest.raises(BadRequest, match="say whose: laser A or laser B"):
        request_of("laser", words)

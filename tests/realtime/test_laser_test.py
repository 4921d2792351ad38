"""A laser test by a person's hand: through the loop, only while armed, and of no concern to the task."""

import pytest

from realtime.records import WITHHELD, Flag, Kind, Line, Operator, Outcome
from tests.realtime.box import MS, TWO_BOARDS, A, B, S

LASERS = (Line.LASER_A, Line.LASER_B)


def of_lasers(box):
    """Line, duration [ns], time and flags of each command to a laser."""
    return [command for command in box.commands() if command[0] in LASERS]


@pytest.mark.parametrize("animal", [A, B])
def test_while_armed_it_lights_that_animals_laser_for_its_length_and_says_that_it_is_free(make_box, animal):
    box = make_box(boards=TWO_BOARDS, test=350 * MS).start()
    box.press(Operator.ARM, 100 * MS)
    box.press(Operator.PAUSE, 200 * MS)
    box.press(Operator.LASER_TEST, 300 * MS, animal=animal)
    assert of_lasers(box)[-1] == (LASERS[animal], 350 * MS, 300 * MS, Flag.FREE)
    record = box.of(Kind.COMMAND)[-1]
    assert (record["source"], record["animal"], record["trial"]) == (TWO_BOARDS[animal], animal, 0)
    assert box.count("n_refused") == 0


@pytest.mark.parametrize("disarmed", [False, True])
def test_while_disarmed_it_is_logged_and_refused(make_box, disarmed):
    box = make_box().start()
    if disarmed:
        box.press(Operator.ARM, 100 * MS)
        box.press(Operator.DISARM, 200 * MS)
    box.press(Operator.LASER_TEST, 300 * MS, animal=B)
    assert of_lasers(box) == [(Line.LASER_B, 200 * MS, 300 * MS, Flag.FREE | Flag.REFUSED)]
    assert of_lasers(box)[0][3] & WITHHELD
    assert box.count("n_refused") == 1


@pytest.mark.parametrize("arm", [False, True])
def test_without_a_laser_it_is_logged_and_unrouted(make_box, arm):
    box = make_box(lasers=False).start()
    if arm:
        box.press(Operator.ARM, 100 * MS)
    box.press(Operator.LASER_TEST, 300 * MS, animal=A)
    assert of_lasers(box) == [(Line.LASER_A, 200 * MS, 300 * MS, Flag.FREE | Flag.UNROUTED)]
    assert of_lasers(box)[0][3] & WITHHELD


@pytest.mark.parametrize("animal", [-1, 2, 7])
def test_for_nobody_it_is_logged_and_lights_nothing(make_box, animal):
    box = make_box().start()
    box.press(Operator.ARM, 100 * MS)
    box.press(Operator.LASER_TEST, 300 * MS, animal=animal)
    assert of_lasers(box) == []
    assert box.log["value"][-1] == Operator.LASER_TEST


def test_the_machine_does_not_hear_of_it(make_box):
    box = make_box().start()
    box.press(Operator.ARM, 100 * MS)
    box.poke(A, 3 * S)
    box.press(Operator.LASER_TEST, 3 * S + 100 * MS, animal=A)
    assert box.state() == "A_FIRST"
    box.poke(B, 3 * S + 200 * MS)
    assert box.ended() == [Outcome.SUCCESS]


def test_a_machine_that_is_paused_stays_so(make_box):
    box = make_box(boards=TWO_BOARDS, task="solo").start()
    box.press(Operator.ARM, 100 * MS)
    box.press(Operator.PAUSE, 3 * S)
    box.until(3 * S + 500 * MS)
    before = box.of(Kind.STATE).size
    box.press(Operator.LASER_TEST, 4 * S, animal=A)
    box.until(20 * S)
    assert [box.state(who) for who in (0, 1)] == ["PAUSED", "PAUSED"]
    assert box.of(Kind.STATE).size == before


def test_one_stamped_before_what_was_decided_is_not_late_since_no_trial_depends_on_it(make_box):
    box = make_box().start()
    box.press(Operator.ARM, 100 * MS)
    box.poke(A, 3 * S)
    box.press(Operator.LASER_TEST, 3 * S - 1, animal=A, arrives=3 * S + 1)
    assert not box.log["flags"][box.log["kind"] == Kind.OPERATOR].any()
    assert of_lasers(box) == [(Line.LASER_A, 200 * MS, 3 * S + 1, Flag.FREE)]


def test_each_test_is_a_command_of_its_own_with_its_own_nonce(make_box):
    box = make_box().start()
    box.press(Operator.ARM, 100 * MS)
    for t in (1, 2, 3):
        box.press(Operator.LASER_TEST, t * 500 * MS, animal=A)
    commands = box.of(Kind.COMMAND)
    nonces = commands["source_seq"][commands["line"] == Line.LASER_A]
    assert len(set(nonces.tolist())) == 3

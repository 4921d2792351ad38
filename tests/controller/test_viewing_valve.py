"""One valve: which of its openings were rewards by hand, also where one command lengthens what another opened."""

import pytest

from controller.viewing.valve import DUE_NS, Valve
from realtime.records import NS_PER_MS

MS = NS_PER_MS


def earned(valve: Valve, at_ms: float, open_ms: float = 40) -> None:
    valve.sent(round(at_ms * MS), round(open_ms * MS), by_hand=False)


def by_hand(valve: Valve, at_ms: float, open_ms: float = 40) -> None:
    valve.sent(round(at_ms * MS), round(open_ms * MS), by_hand=True)


def opened(valve: Valve, at_ms: float) -> None:
    valve.opened(round(at_ms * MS), round((at_ms + 1) * MS))


def closed(valve: Valve, at_ms: float) -> float:
    return valve.closed(round(at_ms * MS))


def test_an_earned_reward_is_none_by_hand():
    valve = Valve()
    earned(valve, 0)
    opened(valve, 2)
    assert closed(valve, 42) == 0.0
    assert (valve.earned, valve.by_hand) == (1, 0)


def test_a_reward_by_hand_counts_from_the_moment_it_opens_and_all_of_its_water_is_by_hand():
    valve = Valve()
    by_hand(valve, 0)
    assert valve.by_hand == 0
    opened(valve, 2)
    assert valve.by_hand == 1
    assert closed(valve, 42) == 1.0


def test_a_reward_by_hand_that_lengthens_an_earned_one_is_counted_with_its_share_of_the_time():
    valve = Valve()
    earned(valve, 0)
    opened(valve, 0)
    by_hand(valve, 30)
    assert valve.by_hand == 0, "the device may still refuse it"
    assert closed(valve, 70) == pytest.approx(30 / 70)
    assert valve.by_hand == 1
    earned(valve, 500)
    opened(valve, 502)
    assert closed(valve, 542) == 0.0
    assert valve.by_hand == 1, "the next earned reward is not called one by hand"


def test_an_earned_reward_that_lengthens_one_by_hand_leaves_it_its_share():
    valve = Valve()
    by_hand(valve, 0)
    opened(valve, 0)
    earned(valve, 10)
    assert closed(valve, 50) == pytest.approx(40 / 50)
    assert (valve.earned, valve.by_hand) == (1, 1)


def test_two_rewards_by_hand_in_one_opening_are_two():
    valve = Valve()
    by_hand(valve, 0)
    opened(valve, 2)
    by_hand(valve, 20)
    assert closed(valve, 62) == 1.0
    assert valve.by_hand == 2


def test_many_rewards_by_hand_that_lengthen_each_other_make_no_earned_one_fewer():
    valve = Valve()
    earned(valve, 0)
    opened(valve, 2)
    closed(valve, 42)
    for at_ms in (1000, 1030, 1060, 1090):
        by_hand(valve, at_ms)
        if at_ms == 1000:
            opened(valve, 1002)
    assert closed(valve, 1130) == 1.0
    assert (valve.earned, valve.by_hand) == (1, 4)


def test_a_lengthening_that_was_cut_does_not_make_the_next_earned_reward_one_by_hand():
    valve = Valve()
    earned(valve, 0, open_ms=100)
    opened(valve, 2)
    by_hand(valve, 90, open_ms=100)
    assert closed(valve, 102) == 0.0, "the valve was cut at its longest time"
    earned(valve, 300)
    opened(valve, 302)
    assert closed(valve, 342) == 0.0
    assert (valve.earned, valve.by_hand) == (2, 0)


def test_commands_that_came_before_the_edge_of_the_first_are_one_opening():
    valve = Valve()
    earned(valve, 0)
    by_hand(valve, 1)
    opened(valve, 3)
    assert closed(valve, 43) == 0.0, "both wanted the same 40 ms, and the earned one was first"
    assert valve.by_hand == 1


def test_a_reward_by_hand_that_came_too_late_to_lengthen_is_given_by_its_own_opening():
    valve = Valve()
    earned(valve, 0)
    opened(valve, 2)
    by_hand(valve, 41)
    assert closed(valve, 42) == 0.0
    assert valve.by_hand == 0
    opened(valve, 53)
    assert valve.by_hand == 1
    assert closed(valve, 93) == 1.0


def test_a_reward_by_hand_that_was_refused_within_the_gap_is_not_given():
    valve = Valve()
    earned(valve, 0)
    opened(valve, 2)
    by_hand(valve, 41)
    closed(valve, 42)
    valve.refused()
    earned(valve, 400)
    opened(valve, 402)
    assert closed(valve, 442) == 0.0
    assert valve.by_hand == 0


def test_what_was_sent_more_than_a_second_ago_opens_nothing_any_more():
    for later_ns, given in ((DUE_NS, 1), (DUE_NS + 1, 0)):
        valve = Valve()
        by_hand(valve, 0)
        valve.opened(later_ns, later_ns)
        assert valve.by_hand == given


@pytest.mark.parametrize("before", ["nothing", "an opening"])
def test_an_edge_without_its_other_one_gives_nothing(before: str):
    valve = Valve()
    if before == "an opening":
        opened(valve, 0)
        closed(valve, 10)
    assert closed(valve, 20) == 0.0
    opened(valve, 30)
    opened(valve, 40)
    assert closed(valve, 50) == 0.0
    assert valve.by_hand == 0

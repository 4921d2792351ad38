"""Two virtual mice: one body each, believable times, following, drinking, learning."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.mice import (
    REACH_NS,
    SHORTEST_NS,
    MousePair,
    MouseParameters,
    MouseParametersError,
    Movement,
    NoSuchMouseError,
    SeedError,
    follow_probability,
)
from realtime.records import NS_PER_MS, NS_PER_S, Kind

DEFAULT = MouseParameters()
ALONE = MouseParameters(follow_initial=0.0, follow_final=0.0)
KEEN = MouseParameters(follow_initial=1.0, follow_final=1.0)
IDLE_KEEN = MouseParameters(follow_initial=1.0, follow_final=1.0, poke_interval_s=36_000.0)
CLOCKWORK = MouseParameters(6.0, 0.0, 0.5, 0.0, follow_initial=0.0, follow_final=0.0)
SECONDS_60 = 60 * NS_PER_S

Sight = tuple[int, Kind, int]

probability = st.floats(0.0, 1.0)
seconds = st.floats(0.01, 8.0)
sigma = st.floats(0.0, 1.5)
mice = st.builds(
    MouseParameters,
    poke_interval_s=seconds,
    poke_interval_sigma=sigma,
    poke_hold_s=seconds,
    poke_hold_sigma=sigma,
    follow_initial=probability,
    follow_final=probability,
    learn_trials=st.floats(0.5, 100.0),
    follow_latency_s=seconds,
    follow_latency_sigma=sigma,
    drink_s=st.floats(0.0, 4.0),
    inhibited_follow_factor=probability,
)
sights = st.lists(
    st.tuples(
        st.integers(0, SECONDS_60),
        st.sampled_from([Kind.VALVE_ON, Kind.VALVE_ON, Kind.LASER_ON, Kind.LASER_OFF]),
        st.integers(0, 1),
    ),
    max_size=30,
).map(sorted)


def lived(pair: MousePair, seen: Sequence[Sight], stops_ns: Sequence[int], end_ns: int) -> list[Movement]:
    """Act at every stop, showing each sight after the last stop before it, and once more at the end."""
    moments = [(t_ns, 0, (kind, animal)) for t_ns, kind, animal in seen]
    moments += [(t_ns, 1, None) for t_ns in stops_ns if t_ns < end_ns]
    movements: list[Movement] = []
    for t_ns, _, sight in sorted(moments, key=lambda moment: moment[:2]):
        if sight is None:
            movements += pair.act(t_ns)
        else:
            pair.observe(*sight, t_ns)
    return movements + pair.act(end_ns)


def pokes_of(movements: Sequence[Movement], animal: int) -> list[int]:
    return [m.t_ns for m in movements if m.animal == animal and m.kind == Kind.POKE_IN]


def licks_of(movements: Sequence[Movement], animal: int) -> list[int]:
    return [m.t_ns for m in movements if m.animal == animal and m.kind == Kind.LICK_IN]


def successes(pair: MousePair, trials: int, window_ns: int) -> list[bool]:
    """Judge naively: the first poke opens a trial, the partner's within the window rewards both at once."""
    outcomes: list[bool] = []
    opened: Movement | None = None
    while len(outcomes) < trials:
        for movement in pair.act(pair.due_ns()):
            if opened is not None and movement.t_ns - opened.t_ns > window_ns:
                outcomes.append(False)
                opened = None
            if movement.kind != Kind.POKE_IN:
                continue
            if opened is None:
                opened = movement
            elif movement.animal != opened.animal:
                outcomes.append(True)
                opened = None
                for animal in (0, 1):
                    pair.observe(Kind.VALVE_ON, animal, movement.t_ns)
    return outcomes


@settings(deadline=None)
@given(mice, mice, st.integers(0, 2**40), sights)
def test_each_mouse_has_one_body_and_moves_forward_in_time(a, b, seed, seen):
    start_ns = 5 * NS_PER_S
    movements = lived(MousePair(a, b, seed, start_ns), seen, [], SECONDS_60)
    assert [m.t_ns for m in movements] == sorted(m.t_ns for m in movements)
    for animal in (0, 1):
        own = [m for m in movements if m.animal == animal]
        assert all(m.t_ns > start_ns for m in own)
        assert all(before.t_ns + SHORTEST_NS <= after.t_ns for before, after in pairwise(own))
        broken = None
        for movement in own:
            if movement.kind in (Kind.POKE_IN, Kind.LICK_IN):
                assert broken is None
                broken = movement.kind
            else:
                expected = Kind.POKE_IN if movement.kind == Kind.POKE_OUT else Kind.LICK_IN
                assert broken == expected
                broken = None


@settings(deadline=None)
@given(mice, mice, st.integers(0, 2**40), sights, st.lists(st.integers(0, SECONDS_60), max_size=200))
def test_acting_often_or_once_gives_the_same_movements(a, b, seed, seen, stops_ns):
    at_once = lived(MousePair(a, b, seed, 0), seen, [], SECONDS_60)
    in_steps = lived(MousePair(a, b, seed, 0), seen, stops_ns, SECONDS_60)
    assert in_steps == at_once


@settings(deadline=None, max_examples=30)
@given(mice, mice, st.integers(0, 2**40), sights)
def test_acting_when_due_misses_nothing_and_makes_something_happen_each_time(a, b, seed, seen):
    at_once = lived(MousePair(a, b, seed, 0), seen, [], SECONDS_60)
    pair, ahead, movements = MousePair(a, b, seed, 0), list(seen), []
    while True:
        while ahead and ahead[0][0] <= pair.due_ns():
            t_ns, kind, animal = ahead.pop(0)
            pair.observe(kind, animal, t_ns)
        due_ns = pair.due_ns()
        if due_ns > SECONDS_60:
            break
        movements += pair.act(due_ns)
        assert pair.due_ns() > due_ns or ahead
    assert movements == at_once


def test_nothing_is_due_twice():
    pair = MousePair(DEFAULT, DEFAULT, 1, 0)
    assert pair.act(SECONDS_60)
    assert pair.act(SECONDS_60) == []
    assert pair.act(0) == []
    assert pair.due_ns() > SECONDS_60


def test_the_same_seed_gives_the_same_mice_and_another_seed_others():
    first = MousePair(DEFAULT, DEFAULT, 7, 0).act(SECONDS_60)
    assert MousePair(DEFAULT, DEFAULT, 7, 0).act(SECONDS_60) == first
    assert MousePair(DEFAULT, DEFAULT, 8, 0).act(SECONDS_60) != first


def test_the_two_mice_of_a_pair_draw_from_different_streams():
    movements = MousePair(ALONE, ALONE, 7, 0).act(SECONDS_60)
    assert not set(pokes_of(movements, 0)) & set(pokes_of(movements, 1))


def test_a_later_start_moves_the_whole_life_and_changes_nothing_else():
    early = MousePair(DEFAULT, DEFAULT, 7, 0).act(SECONDS_60)
    late = MousePair(DEFAULT, DEFAULT, 7, 10**15).act(10**15 + SECONDS_60)
    assert [m._replace(t_ns=m.t_ns - 10**15) for m in late] == early


def test_a_mouse_without_spread_pokes_like_clockwork():
    never = MouseParameters(poke_interval_s=3600.0, follow_initial=0.0, follow_final=0.0)
    movements = MousePair(CLOCKWORK, never, 0, 0).act(14 * NS_PER_S)
    assert movements == [
        Movement(6_000_000_000, 0, Kind.POKE_IN),
        Movement(6_500_000_000, 0, Kind.POKE_OUT),
        Movement(12_500_000_000, 0, Kind.POKE_IN),
        Movement(13_000_000_000, 0, Kind.POKE_OUT),
    ]


def test_of_two_movements_at_one_instant_animal_a_makes_the_first():
    movements = MousePair(CLOCKWORK, CLOCKWORK, 0, 0).act(6 * NS_PER_S)
    assert [(m.t_ns, m.animal) for m in movements] == [(6 * NS_PER_S, 0), (6 * NS_PER_S, 1)]


def test_water_at_the_very_instant_of_a_poke_comes_after_it_whether_shown_before_or_after_acting():
    shown_before, shown_after = MousePair(CLOCKWORK, ALONE, 0, 0), MousePair(CLOCKWORK, ALONE, 0, 0)
    shown_before.observe(Kind.VALVE_ON, 0, 6 * NS_PER_S)
    before = shown_before.act(9 * NS_PER_S)
    after = shown_after.act(6 * NS_PER_S)
    shown_after.observe(Kind.VALVE_ON, 0, 6 * NS_PER_S)
    after += shown_after.act(9 * NS_PER_S)
    assert before == after
    assert pokes_of(before, 0) == [6 * NS_PER_S]
    assert licks_of(before, 0)[0] == 6500 * NS_PER_MS + REACH_NS


def test_own_visits_and_holds_have_the_medians_they_are_given():
    movements = MousePair(ALONE, ALONE, 3, 0).act(6 * 3600 * NS_PER_S)
    own = np.array([m.t_ns for m in movements if m.animal == 0])[: 2 * 1500].reshape(-1, 2) / NS_PER_S
    holds, gaps = own[:, 1] - own[:, 0], own[1:, 0] - own[:-1, 1]
    assert np.median(holds) == pytest.approx(0.35, rel=0.05)
    assert np.median(gaps) == pytest.approx(6.0, rel=0.08)
    assert np.log(gaps).std() == pytest.approx(0.6, rel=0.08)


def test_a_keen_partner_follows_an_own_poke_after_its_latency():
    steady = MouseParameters(poke_interval_s=10.0, poke_interval_sigma=0.0, follow_initial=0.0, follow_final=0.0)
    movements = MousePair(steady, IDLE_KEEN, 0, 0).act(3600 * NS_PER_S)
    led, followed = pokes_of(movements, 0), pokes_of(movements, 1)
    latencies_s = (np.array(followed) - np.array(led[: len(followed)])) / NS_PER_S
    assert len(led) - len(followed) <= 1
    assert len(followed) > 300
    assert np.median(latencies_s) == pytest.approx(0.45, rel=0.08)
    assert latencies_s.min() > 0.1


def test_a_poke_that_was_a_follow_is_not_followed_itself():
    leader = MouseParameters(
        poke_interval_s=1000.0,
        poke_interval_sigma=0.0,
        poke_hold_s=0.05,
        follow_initial=1.0,
        follow_final=1.0,
    )
    movements = MousePair(leader, IDLE_KEEN, 0, 0).act(2500 * NS_PER_S)
    assert [len(pokes_of(movements, animal)) for animal in (0, 1)] == [2, 2]


def test_a_mouse_in_the_middle_of_its_own_poke_does_not_follow():
    stuck = MouseParameters(
        poke_interval_s=1.0,
        poke_interval_sigma=0.0,
        poke_hold_s=999.0,
        poke_hold_sigma=0.0,
        follow_initial=1.0,
        follow_final=1.0,
    )
    steady = MouseParameters(poke_interval_s=10.0, poke_interval_sigma=0.0, follow_initial=0.0, follow_final=0.0)
    movements = MousePair(stuck, steady, 0, 0).act(900 * NS_PER_S)
    assert pokes_of(movements, 0) == [NS_PER_S]
    assert len(pokes_of(movements, 1)) > 50


def test_a_visit_of_its_own_that_comes_before_the_follow_stays():
    soon = MouseParameters(
        poke_interval_s=2.5,
        poke_interval_sigma=0.0,
        follow_initial=1.0,
        follow_final=1.0,
        follow_latency_s=5.0,
        follow_latency_sigma=0.0,
    )
    steady = MouseParameters(poke_interval_s=2.0, poke_interval_sigma=0.0, follow_initial=0.0, follow_final=0.0)
    assert pokes_of(MousePair(steady, soon, 0, 0).act(2600 * NS_PER_MS), 1) == [2500 * NS_PER_MS]


def test_a_follow_that_comes_before_the_own_visit_replaces_it():
    quick = MouseParameters(
        poke_interval_s=2.5,
        poke_interval_sigma=0.0,
        follow_initial=1.0,
        follow_final=1.0,
        follow_latency_s=0.2,
        follow_latency_sigma=0.0,
        poke_hold_s=0.1,
    )
    steady = MouseParameters(poke_interval_s=2.0, poke_interval_sigma=0.0, follow_initial=0.0, follow_final=0.0)
    assert pokes_of(MousePair(steady, quick, 0, 0).act(3500 * NS_PER_MS), 1) == [2200 * NS_PER_MS]


def test_mice_that_never_follow_are_independent_of_each_other():
    busy = MouseParameters(poke_interval_s=1.0, follow_initial=0.0, follow_final=0.0)
    beside_idle = MousePair(ALONE, ALONE, 5, 0).act(SECONDS_60)
    beside_busy = MousePair(ALONE, busy, 5, 0).act(SECONDS_60)
    assert [m for m in beside_idle if m.animal == 0] == [m for m in beside_busy if m.animal == 0]


def test_water_is_drunk_at_seven_licks_a_second_for_two_seconds():
    pair = MousePair(ALONE, ALONE, 5, 0)
    bouts = []
    for k in range(200):
        shown_ns = (k * 100 + 50) * NS_PER_S
        pair.act(shown_ns)
        pair.observe(Kind.VALVE_ON, 1, shown_ns)
        movements = pair.act(shown_ns + 20 * NS_PER_S)
        bouts.append(licks_of(movements, 1))
        assert licks_of(movements, 0) == []
    assert all(1.8 * NS_PER_S < bout[-1] - bout[0] < 2.0 * NS_PER_S for bout in bouts)
    assert np.mean([len(bout) / 2.0 for bout in bouts]) == pytest.approx(7.0, rel=0.08)


def test_a_mouse_that_waits_at_the_spout_starts_to_lick_when_it_has_walked_there():
    pair = MousePair(IDLE_KEEN, IDLE_KEEN, 5, 0)
    pair.observe(Kind.VALVE_ON, 0, 10 * NS_PER_S)
    assert licks_of(pair.act(SECONDS_60), 0)[0] == 10 * NS_PER_S + REACH_NS


def test_water_during_a_poke_is_drunk_after_the_poke_and_before_the_next():
    slow = MouseParameters(
        poke_interval_s=1.0,
        poke_interval_sigma=0.0,
        poke_hold_s=4.0,
        poke_hold_sigma=0.0,
        follow_initial=0.0,
        follow_final=0.0,
    )
    pair = MousePair(slow, ALONE, 5, 0)
    pair.observe(Kind.VALVE_ON, 0, 2 * NS_PER_S)
    kinds = [m.kind for m in pair.act(10 * NS_PER_S) if m.animal == 0]
    licks = (len(kinds) - 3) // 2
    assert licks > 10
    assert kinds == [Kind.POKE_IN, Kind.POKE_OUT, *[Kind.LICK_IN, Kind.LICK_OUT] * licks, Kind.POKE_IN]


def test_more_water_while_drinking_makes_the_bout_longer():
    pair = MousePair(IDLE_KEEN, IDLE_KEEN, 5, 0)
    pair.observe(Kind.VALVE_ON, 0, 10 * NS_PER_S)
    pair.observe(Kind.VALVE_ON, 0, 11 * NS_PER_S)
    licks_ns = licks_of(pair.act(SECONDS_60), 0)
    assert 2.8 * NS_PER_S < licks_ns[-1] - licks_ns[0] < 3.0 * NS_PER_S


def test_a_mouse_that_does_not_drink_never_licks_but_learns():
    dry = MouseParameters(drink_s=0.0, follow_initial=0.0, follow_final=1.0, learn_trials=0.01, poke_interval_s=500.0)
    pair = MousePair(MouseParameters(follow_initial=0.0, follow_final=0.0, poke_interval_sigma=0.0), dry, 5, 0)
    pair.observe(Kind.VALVE_ON, 1, 1)
    movements = pair.act(7 * NS_PER_S)
    assert licks_of(movements, 1) == []
    assert len(pokes_of(movements, 1)) == 1


def test_a_drinking_mouse_does_not_follow():
    steady = MouseParameters(poke_interval_s=10.0, poke_interval_sigma=0.0, follow_initial=0.0, follow_final=0.0)
    pair = MousePair(steady, IDLE_KEEN, 0, 0)
    pair.observe(Kind.VALVE_ON, 1, 9 * NS_PER_S)
    assert pokes_of(pair.act(15 * NS_PER_S), 1) == []


def test_following_is_learned_by_halves():
    mouse = MouseParameters(follow_initial=0.2, follow_final=0.8, learn_trials=60)
    assert follow_probability(mouse, 0) == pytest.approx(0.2)
    assert follow_probability(mouse, 60) == pytest.approx(0.5)
    assert follow_probability(mouse, 120) == pytest.approx(0.65)
    assert follow_probability(mouse, 10**9) == pytest.approx(0.8)
    assert follow_probability(mouse, 60, inhibited=True) == pytest.approx(0.2)


def test_light_in_its_own_implant_makes_a_mouse_follow_less_until_it_is_off():
    steady = MouseParameters(poke_interval_s=10.0, poke_interval_sigma=0.0, follow_initial=0.0, follow_final=0.0)
    half = 3 * 3600 * NS_PER_S
    counts = {}
    for animal in (0, 1):
        pair = MousePair(steady, IDLE_KEEN, 0, 0)
        pair.observe(Kind.LASER_ON, animal, 0)
        pair.observe(Kind.LASER_OFF, animal, half)
        counts[animal] = [len(pokes_of(pair.act(t_ns), 1)) for t_ns in (half, 2 * half)]
    assert counts[0][0] == pytest.approx(1045, abs=5)
    assert counts[1][0] == pytest.approx(0.4 * 1045, rel=0.12)
    assert counts[1][1] == pytest.approx(1045, abs=5)


def test_success_rises_clearly_over_300_trials():
    outcomes = np.array([successes(MousePair(DEFAULT, DEFAULT, seed, 0), 300, 3 * NS_PER_S) for seed in range(10)])
    first, last = outcomes[:, :75].mean(axis=1), outcomes[:, -75:].mean(axis=1)
    assert (last > first).all()
    assert last.mean() - first.mean() > 0.15
    assert last.mean() > 0.8


def test_success_does_not_rise_in_mice_that_do_not_learn():
    outcomes = np.array([successes(MousePair(ALONE, ALONE, seed, 0), 300, 3 * NS_PER_S) for seed in range(10)])
    assert abs(outcomes[:, -75:].mean() - outcomes[:, :75].mean()) < 0.1


def test_an_observation_shown_late_is_perceived_at_once_and_the_past_stays():
    pair = MousePair(IDLE_KEEN, IDLE_KEEN, 5, 0)
    pair.act(20 * NS_PER_S)
    pair.observe(Kind.VALVE_ON, 0, 10 * NS_PER_S)
    assert pair.due_ns() == 20 * NS_PER_S
    assert licks_of(pair.act(SECONDS_60), 0)[0] == 20 * NS_PER_S + REACH_NS


def test_an_observation_is_not_perceived_before_its_time():
    pair = MousePair(IDLE_KEEN, IDLE_KEEN, 5, 0)
    pair.observe(Kind.VALVE_ON, 0, 10 * NS_PER_S)
    assert pair.due_ns() == 10 * NS_PER_S
    assert pair.act(9 * NS_PER_S) == []


@pytest.mark.parametrize("kind", [k for k in Kind if k not in (Kind.VALVE_ON, Kind.LASER_ON, Kind.LASER_OFF)])
def test_what_a_mouse_cannot_perceive_changes_nothing(kind):
    untouched, shown = MousePair(DEFAULT, DEFAULT, 5, 0), MousePair(DEFAULT, DEFAULT, 5, 0)
    shown.observe(kind, -1, NS_PER_S)
    shown.observe(kind, 0, NS_PER_S)
    assert shown.act(SECONDS_60) == untouched.act(SECONDS_60)


@pytest.mark.parametrize("animal", [-1, 2])
def test_water_for_an_animal_that_is_not_there_is_refused(animal):
    with pytest.raises(NoSuchMouseError, match=f"VALVE_ON was shown to animal {animal}"):
        MousePair(DEFAULT, DEFAULT, 5, 0).observe(Kind.VALVE_ON, animal, 0)


def test_a_negative_seed_is_refused():
    with pytest.raises(SeedError, match="-3"):
        MousePair(DEFAULT, DEFAULT, -3, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("poke_interval_s", 0.0),
        ("poke_hold_s", float("nan")),
        ("follow_latency_s", float("inf")),
        ("poke_hold_sigma", -0.1),
        ("follow_initial", 1.01),
        ("follow_final", -0.01),
        ("learn_trials", 0.0),
        ("drink_s", -1.0),
        ("inhibited_follow_factor", 1.5),
    ],
)
def test_a_parameter_out_of_range_is_refused_by_name(name, value):
    with pytest.raises(MouseParametersError, match=name):
        MouseParameters(**{name: value})

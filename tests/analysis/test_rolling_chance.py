"""The rolling chance band: the task's rule played freely, its blocks, and what cannot be told."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import chance, shifts
from analysis.chance import (
    ChanceError,
    ChanceSettingError,
    EmptySessionError,
    NotTimesError,
    OutsideSessionError,
    SessionTooShortError,
    UnsortedTimesError,
)
from analysis.rolling_chance import FreeRule, TooFewTrialsError, play_freely, rolling_chance
from controller.judge import decide, plan_of
from realtime.jit import python_body
from realtime.records import NS_PER_S, Kind, Outcome

END = 80
times = st.lists(st.integers(0, END - 1), max_size=25).map(sorted)
rules = st.builds(FreeRule, st.integers(0, 8), st.integers(0, 12), st.integers(0, 12))
RULE = FreeRule(window_ns=3, after_success_ns=5, after_miss_ns=2)
PAUSES = {"after_success_ns": 5 * NS_PER_S, "after_miss_ns": 3 * NS_PER_S}
HALF_HOUR_NS = 1800 * NS_PER_S


def ns(*t_ns):
    return np.array(t_ns, np.int64)


def random_pokes(seed, count=300, until_s=1800):
    return np.sort(np.random.default_rng(seed).integers(0, until_s * NS_PER_S, count))


def played(a_ns, b_ns, end_ns, rule, kernel=play_freely):
    """Return (outcome, time) for each judged trial."""
    outcomes, judged_ns = np.full((2, len(a_ns) + len(b_ns)), -7)
    n = kernel(ns(*a_ns), ns(*b_ns), end_ns, rule, outcomes, judged_ns)
    assert (outcomes[n:] == -7).all()
    return list(zip(outcomes[:n].tolist(), judged_ns[:n].tolist(), strict=True))


def naively_played(a_ns, b_ns, end_ns, rule):
    """Walk through the session nanosecond by nanosecond, as somebody would with a list of the pokes."""
    trials, first, first_ns, closed_until_ns = [], None, 0, -1
    for now_ns in range(end_ns):
        for animal in [0] * list(a_ns).count(now_ns) + [1] * list(b_ns).count(now_ns):
            if now_ns <= closed_until_ns:
                continue
            if first is None:
                first, first_ns = animal, now_ns
            elif animal != first:
                trials.append((1, now_ns))
                first, closed_until_ns = None, now_ns + rule.after_success_ns
        if first is not None and now_ns == first_ns + rule.window_ns:  # after the pokes: the bound is inclusive
            trials.append((0, now_ns))
            first, closed_until_ns = None, now_ns + rule.after_miss_ns
    return trials


@settings(deadline=None, max_examples=400)
@given(times, times, rules)
def test_the_compiled_play_equals_its_python_body_and_a_naive_walk(a_ns, b_ns, rule):
    expected = naively_played(a_ns, b_ns, END, rule)
    assert played(a_ns, b_ns, END, rule) == expected
    assert played(a_ns, b_ns, END, rule, python_body(play_freely)) == expected


@settings(deadline=None, max_examples=200)
@given(times, times, rules)
def test_which_animal_is_called_a_does_not_matter(a_ns, b_ns, rule):
    assert played(a_ns, b_ns, END, rule) == played(b_ns, a_ns, END, rule)


@settings(deadline=None, max_examples=60)
@given(times.filter(len), times.filter(len), st.integers(0, 8), st.integers(0, 12), st.integers(1, 12))
def test_it_decides_as_the_sessions_own_kernels_do(a_ns, b_ns, window_ns, drink_ns, iti_ns):
    pokes = sorted([(t, 0) for t in a_ns] + [(t, 1) for t in b_ns])
    t_ns, animal = np.array(pokes, np.int64).T
    plan = plan_of(window_ns, iti_ns, t_ns.size + 1, rest_ns=drink_ns)
    log = decide(plan, t_ns + 1_000, animal, 1_000 - iti_ns - 1, 1_000 + END)
    ended = log[log["kind"] == Kind.TRIAL]
    judged = [(int(e["value"] == Outcome.SUCCESS), int(e["t_ns"]) - 1_000) for e in ended]
    assert played(a_ns, b_ns, END, FreeRule(window_ns, drink_ns + iti_ns, iti_ns)) == judged


def test_a_partner_just_at_the_windows_end_is_in_time_and_one_later_is_not():
    assert played([10], [13], END, RULE) == [(1, 13)]
    assert played([10], [14], END, RULE)[0] == (0, 13)


def test_either_animal_may_poke_first_and_both_may_at_once():
    assert played([12], [10], END, RULE) == [(1, 12)]
    assert played([10], [10], END, RULE) == [(1, 10)]


def test_a_second_poke_of_the_same_animal_changes_nothing():
    assert played([10, 11, 12], [13], END, RULE) == [(1, 13)]
    assert played([10, 12], [14], END, RULE)[0] == (0, 13)


def test_pokes_do_not_count_in_the_pause_after_an_outcome_its_end_included():
    assert played([10, 16], [11, 16], END, RULE) == [(1, 11)]
    assert played([10, 17], [11, 17], END, RULE) == [(1, 11), (1, 17)]
    assert played([10, 15], [], END, RULE) == [(0, 13)]
    assert played([10, 16], [], END, RULE) == [(0, 13), (0, 19)]


def test_a_trial_whose_window_is_open_at_the_end_is_not_judged():
    assert played([10], [], 13, RULE) == []
    assert played([10], [], 14, RULE) == [(0, 13)]
    assert played([10], [11], 12, RULE) == [(1, 11)]


def test_pauses_longer_than_any_clock_end_the_play_and_do_not_wrap_round():
    assert played([10, 40], [11, 40], END, FreeRule(3, 2**63 - 1, 2**63 - 1)) == [(1, 11)]
    assert played([10, 40], [60], END, FreeRule(2**63 - 1, 0, 0)) == [(1, 60)]


def shares_of_blocks(outcomes, trials):
    return [sum(outcomes[k : k + trials]) / trials for k in range(len(outcomes) - trials + 1)]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32), st.integers(1, 25), st.integers(1, 12), st.integers(0, 10))
def test_the_band_equals_one_told_the_long_way(seed, shifts_drawn, trials, window_s):
    a_ns, b_ns, end_ns, least_ns = random_pokes(1, 60, 300), random_pokes(2, 70, 300), 300 * NS_PER_S, 20 * NS_PER_S
    rule = FreeRule(window_s * NS_PER_S, **PAUSES)
    band = rolling_chance(
        a_ns, b_ns, 0, end_ns, rule.window_ns, **PAUSES, trials=trials, shifts=shifts_drawn, seed=seed,
        min_shift_ns=least_ns,
    )  # fmt: skip
    drawn = np.random.default_rng(seed).integers(least_ns, end_ns - least_ns, size=shifts_drawn, endpoint=True)
    shifted = [[o for o, _ in played(a_ns, np.sort((b_ns + s) % end_ns), end_ns, rule)] for s in drawn]
    blocks = sorted(share for outcomes in shifted for share in shares_of_blocks(outcomes, trials))
    n = len(blocks)
    assert band.low == blocks[-(-n // 40) - 1]
    assert band.high == blocks[-(-39 * n // 40) - 1]
    assert np.isclose(band.median, np.median([np.mean(outcomes) for outcomes in shifted]))
    as_they_were = [o for o, _ in played(a_ns, b_ns, end_ns, rule)]
    assert np.isclose(band.observed, np.mean(as_they_were))
    assert band[4:] == (len(as_they_were), trials, shifts_drawn, n, rule.window_ns)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32), st.integers(1, 30))
def test_at_most_one_block_in_forty_lies_beyond_either_end(seed, trials):
    a_ns, b_ns, window_ns = random_pokes(seed), random_pokes(seed + 1), NS_PER_S
    band = rolling_chance(a_ns, b_ns, 0, HALF_HOUR_NS, window_ns, **PAUSES, trials=trials, shifts=20, seed=5)
    drawn = np.random.default_rng(5).integers(10 * NS_PER_S, HALF_HOUR_NS - 10 * NS_PER_S, 20, endpoint=True)
    rule = FreeRule(window_ns, **PAUSES)
    shifted = [played(a_ns, np.sort((b_ns + s) % HALF_HOUR_NS), HALF_HOUR_NS, rule) for s in drawn]
    blocks = np.array([share for one in shifted for share in shares_of_blocks([o for o, _ in one], trials)])
    assert np.mean(blocks > band.high) <= 0.025
    assert np.mean(blocks < band.low) <= 0.025
    assert np.mean(blocks >= band.high) > 0.025
    assert np.mean(blocks <= band.low) >= 0.025


@pytest.mark.parametrize(("seed", "successes", "high"), [(3, 1, 0.0), (0, 2, 1.0)])
def test_one_success_among_forty_blocks_lies_beyond_the_band_and_two_make_its_end(seed, successes, high):
    window_ns, for_ever = HALF_HOUR_NS // 40, {"after_success_ns": 2**63 - 1, "after_miss_ns": 2**63 - 1}
    drawn = np.random.default_rng(seed).integers(0, HALF_HOUR_NS, 40, endpoint=True)
    assert np.count_nonzero(drawn <= window_ns) == successes  # A pokes at 0, B at the shift: one trial in each
    band = rolling_chance(
        ns(0), ns(0), 0, HALF_HOUR_NS, window_ns, **for_ever, trials=1, shifts=40, seed=seed, min_shift_ns=0
    )
    assert (band.blocks, band.low, band.high) == (40, 0.0, high)


def test_a_pair_that_pokes_together_lies_far_above_its_band():
    a_ns = random_pokes(3)
    band = rolling_chance(a_ns, a_ns + NS_PER_S // 10, 0, HALF_HOUR_NS + NS_PER_S, 750_000_000, **PAUSES)
    assert band.observed > 0.95
    assert band.high < 0.5


def test_a_pair_that_avoids_each_other_lies_below_its_median_but_not_below_a_band_that_begins_at_none():
    a_ns, anywhere_ns = random_pokes(3, 150), random_pokes(4, 400)
    far = np.abs(anywhere_ns[:, None] - a_ns).min(axis=1) > NS_PER_S
    band = rolling_chance(a_ns, anywhere_ns[far], 0, HALF_HOUR_NS, NS_PER_S, **PAUSES)
    assert band.observed == 0
    assert band.median > 0.05
    assert band.low == 0


def test_more_trials_to_a_point_make_a_narrower_band():
    a_ns, b_ns = random_pokes(5), random_pokes(6)
    few, many = (rolling_chance(a_ns, b_ns, 0, HALF_HOUR_NS, 3 * NS_PER_S, **PAUSES, trials=n) for n in (10, 80))
    assert many.high - many.low < 0.6 * (few.high - few.low)
    assert few.median == many.median


def test_the_band_moves_with_the_session_and_with_nothing_else_of_it():
    a_ns, b_ns, later_ns = random_pokes(5), random_pokes(6), 10**15
    here = rolling_chance(a_ns, b_ns, 0, HALF_HOUR_NS, NS_PER_S, **PAUSES)
    later = rolling_chance(
        a_ns + later_ns, b_ns + later_ns, later_ns, later_ns + HALF_HOUR_NS, NS_PER_S, **PAUSES
    )  # fmt: skip
    assert here == later


def test_the_same_seed_gives_the_same_band_and_another_seed_another():
    a_ns, b_ns = random_pokes(5), random_pokes(6)
    bands = [rolling_chance(a_ns, b_ns, 0, HALF_HOUR_NS, NS_PER_S, **PAUSES, shifts=9, seed=s) for s in (1, 1, 2)]
    assert bands[0] == bands[1]
    assert bands[1] != bands[2]


def test_the_shortest_shift_keeps_the_pokes_as_they_were_out_of_the_band():
    a_ns = np.arange(0, HALF_HOUR_NS, 20 * NS_PER_S)
    near = rolling_chance(a_ns, a_ns, 0, HALF_HOUR_NS, 0, **PAUSES, shifts=50, min_shift_ns=900 * NS_PER_S)
    far = rolling_chance(a_ns, a_ns, 0, HALF_HOUR_NS, 0, **PAUSES, shifts=50, min_shift_ns=895 * NS_PER_S)
    assert (near.observed, near.median) == (1.0, 1.0)  # 900 s is a multiple of the pokes' 20 s
    assert (far.observed, far.high) == (1.0, 0.0)


def test_it_leaves_the_times_it_was_given_as_they_were():
    a_ns, b_ns = random_pokes(5), random_pokes(6)
    kept = a_ns.copy(), b_ns.copy()
    rolling_chance(a_ns, b_ns, 0, HALF_HOUR_NS, NS_PER_S, **PAUSES)
    assert (a_ns == kept[0]).all()
    assert (b_ns == kept[1]).all()


def test_exactly_one_block_is_enough_and_one_trial_less_is_not():
    a_ns = np.arange(1, 6) * 100 * NS_PER_S
    band = rolling_chance(a_ns, a_ns[:1], 0, 600 * NS_PER_S, NS_PER_S, **PAUSES, trials=5)
    assert (band.observed_trials, band.observed) == (5, 0.2)
    with pytest.raises(TooFewTrialsError, match="as they were make fewer than 6 judged trials at a window of 1 s"):
        rolling_chance(a_ns, a_ns[:1], 0, 600 * NS_PER_S, NS_PER_S, **PAUSES, trials=6)


def test_shifts_that_make_no_block_are_refused_although_the_pokes_as_they_were_make_one():
    a_ns, b_ns = ns(0), ns(900 * NS_PER_S)  # shifted by half the session both poke at once: one trial, not two
    shifted = {"shifts": 5, "min_shift_ns": 900 * NS_PER_S}
    assert rolling_chance(a_ns, b_ns, 0, HALF_HOUR_NS, NS_PER_S, **PAUSES, trials=1, **shifted).observed_trials == 2
    with pytest.raises(TooFewTrialsError, match="The pokes shifted make fewer than 2 judged trials"):
        rolling_chance(a_ns, b_ns, 0, HALF_HOUR_NS, NS_PER_S, **PAUSES, trials=2, **shifted)


@pytest.mark.parametrize(("a_ns", "b_ns", "name"), [(ns(), ns(1), "Animal A"), (ns(1), ns(), "Animal B")])
def test_an_animal_that_never_poked_has_no_band(a_ns, b_ns, name):
    with pytest.raises(EmptySessionError, match=f"{name} never poked"):
        rolling_chance(a_ns, b_ns, 0, HALF_HOUR_NS, NS_PER_S, **PAUSES)


@pytest.mark.parametrize("end_s", [-5, 0, 19])
def test_a_session_without_room_for_a_shift_is_refused(end_s):
    with pytest.raises(SessionTooShortError, match=f"lasts {end_s} s"):
        rolling_chance(ns(1), ns(1), 0, end_s * NS_PER_S, NS_PER_S, **PAUSES)


@pytest.mark.parametrize(
    ("b_ns", "error"),
    [(ns(3, 2), UnsortedTimesError), (ns(HALF_HOUR_NS), OutsideSessionError), (np.array([1.5]), NotTimesError)],
)
def test_times_that_are_no_ascending_integers_within_the_session_are_refused(b_ns, error):
    with pytest.raises(error, match="Animal B"):
        rolling_chance(ns(1), b_ns, 0, HALF_HOUR_NS, NS_PER_S, **PAUSES)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("window_ns", -1),
        ("after_success_ns", -1),
        ("after_miss_ns", -1),
        ("trials", 0),
        ("shifts", 0),
        ("seed", -1),
        ("min_shift_ns", -1),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(name, value):
    with pytest.raises(ChanceSettingError, match=f"{name} is {value}"):
        rolling_chance(ns(1), ns(1), 0, HALF_HOUR_NS, **{"window_ns": NS_PER_S, **PAUSES, name: value})


def test_every_error_is_an_error_of_chance_levels():
    assert issubclass(TooFewTrialsError, ChanceError)
    assert chance.ChanceError is shifts.ChanceError

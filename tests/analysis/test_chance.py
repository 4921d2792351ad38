"""The chance level: coincidences, circular shifts, and what cannot be told."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.chance import (
    ChanceSettingError,
    EmptySessionError,
    NotTimesError,
    OutsideSessionError,
    SessionTooShortError,
    UnsortedTimesError,
    chance_level,
    circular_shift,
    coincidences,
)
from realtime.jit import python_body
from realtime.records import NS_PER_S

times = st.lists(st.integers(0, 60), max_size=25).map(sorted)
windows = st.integers(0, 12)


def ns(*t_ns):
    return np.array(t_ns, np.int64)


def random_pokes(seed, count=200, until_s=1800):
    return np.sort(np.random.default_rng(seed).integers(0, until_s * NS_PER_S, count))


def naive_coincidences(a, b, window):
    """Let each poke of A, in order, take the first free poke of B in its reach: all pairs are looked at."""
    free = list(b)
    pairs = 0
    for t in a:
        reached = [u for u in free if abs(t - u) <= window]
        if reached:
            free.remove(reached[0])
            pairs += 1
    return pairs


def most_pairs(a, b, window):
    """Return the size of the largest one-to-one matching, by dynamic programming over all prefixes."""
    best = np.zeros((len(a) + 1, len(b) + 1), int)
    for i, t in enumerate(a):
        for j, u in enumerate(b):
            best[i + 1, j + 1] = max(best[i, j + 1], best[i + 1, j], best[i, j] + (abs(t - u) <= window))
    return best[-1, -1]


@settings(deadline=None, max_examples=300)
@given(times, times, windows)
def test_compiled_coincidences_equal_their_python_body_and_a_naive_count(a, b, window):
    counted = coincidences(ns(*a), ns(*b), window)
    assert counted == python_body(coincidences)(ns(*a), ns(*b), window)
    assert counted == naive_coincidences(a, b, window)


@settings(deadline=None, max_examples=300)
@given(times, times, windows)
def test_no_other_pairing_makes_more_pairs_and_the_order_of_the_animals_does_not_matter(a, b, window):
    counted = coincidences(ns(*a), ns(*b), window)
    assert counted == most_pairs(a, b, window)
    assert counted == coincidences(ns(*b), ns(*a), window)


def test_a_lag_of_exactly_the_window_coincides_and_one_more_nanosecond_does_not():
    assert coincidences(ns(1_000), ns(1_750), 750) == 1
    assert coincidences(ns(1_000), ns(250), 750) == 1
    assert coincidences(ns(1_000), ns(1_751), 750) == 0
    assert coincidences(ns(1_000), ns(249), 750) == 0


def test_one_poke_pairs_once_however_many_partners_are_near():
    assert coincidences(ns(10), ns(9, 10, 11), 5) == 1
    assert coincidences(ns(10, 11), ns(9, 10, 11), 5) == 2


def test_no_pokes_make_no_coincidences():
    assert coincidences(ns(), ns(1, 2), 5) == 0
    assert coincidences(ns(1, 2), ns(), 5) == 0


@settings(deadline=None)
@given(st.lists(st.integers(100, 159), max_size=25).map(sorted), st.integers(-200, 200))
def test_a_circular_shift_equals_the_sorted_remainders(t_ns, shift_ns):
    expected = sorted((t - 100 + shift_ns) % 60 + 100 for t in t_ns)
    assert circular_shift(ns(*t_ns), 100, 160, shift_ns).tolist() == expected


@settings(deadline=None)
@given(st.lists(st.integers(100, 159), max_size=25).map(sorted), st.integers(-200, 200))
def test_shifting_back_restores_the_pokes(t_ns, shift_ns):
    there = circular_shift(ns(*t_ns), 100, 160, shift_ns)
    assert circular_shift(there, 100, 160, -shift_ns).tolist() == t_ns


def test_a_shift_leaves_the_times_it_was_given_as_they_were():
    t_ns = ns(3, 7)
    assert circular_shift(t_ns, 0, 10, 5).tolist() == [2, 8]
    assert t_ns.tolist() == [3, 7]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(0, 10 * NS_PER_S))
def test_the_level_equals_one_told_the_long_way(seed, shifts, window_ns):
    a_ns, b_ns = random_pokes(1, 30, 200), random_pokes(2, 40, 200)
    end_ns, least_ns = 200 * NS_PER_S, 20 * NS_PER_S
    level = chance_level(a_ns, b_ns, 0, end_ns, window_ns, shifts=shifts, seed=seed, min_shift_ns=least_ns)
    drawn = np.random.default_rng(seed).integers(least_ns, end_ns - least_ns, size=shifts, endpoint=True)
    counts = [naive_coincidences(a_ns, np.sort((b_ns + shift) % end_ns), window_ns) for shift in drawn]
    assert level.observed == naive_coincidences(a_ns, b_ns, window_ns)
    assert (level.low, level.median, level.high) == tuple(np.percentile(counts, [2.5, 50, 97.5]))
    assert (level.shifts, level.window_ns) == (shifts, window_ns)


def test_a_pair_that_pokes_together_is_far_above_chance():
    a_ns = random_pokes(3)
    level = chance_level(a_ns, a_ns + NS_PER_S // 10, 0, 1801 * NS_PER_S, 750_000_000)
    assert level.observed == 200
    assert level.high < 60


def test_a_pair_that_avoids_each_other_is_below_chance():
    a_ns, anywhere_ns = random_pokes(3, 100), random_pokes(4, 300)
    far = np.abs(anywhere_ns[:, None] - a_ns).min(axis=1) > 3 * NS_PER_S
    level = chance_level(a_ns, anywhere_ns[far], 0, 1800 * NS_PER_S, 3 * NS_PER_S)
    assert level.observed == 0
    assert level.low > 10


def test_the_level_moves_with_the_session_and_with_nothing_else_of_it():
    a_ns, b_ns = random_pokes(5), random_pokes(6)
    here = chance_level(a_ns, b_ns, 0, 1800 * NS_PER_S, NS_PER_S)
    later_ns = 10**15
    assert here == chance_level(a_ns + later_ns, b_ns + later_ns, later_ns, later_ns + 1800 * NS_PER_S, NS_PER_S)


def test_the_same_seed_gives_the_same_level_and_another_seed_another():
    a_ns, b_ns = random_pokes(5), random_pokes(6)
    levels = [chance_level(a_ns, b_ns, 0, 1800 * NS_PER_S, NS_PER_S, shifts=40, seed=s) for s in (1, 1, 2, 3)]
    assert levels[0] == levels[1]
    assert len(set(levels)) > 1


def test_shifts_keep_away_from_no_shift_at_all():
    a_ns = random_pokes(7, 20)
    near = chance_level(a_ns, a_ns, 0, 1800 * NS_PER_S, 0, shifts=300, min_shift_ns=900 * NS_PER_S)
    assert near.observed == 20
    assert near.high == 0


def test_every_second_poke_of_a_longer_array_is_read_as_such():
    pokes = random_pokes(8, 100)
    assert circular_shift(pokes[::2], 0, 1800 * NS_PER_S, 0).tolist() == pokes[::2].tolist()


@pytest.mark.parametrize(("a_ns", "b_ns", "name"), [(ns(), ns(1), "Animal A"), (ns(1), ns(), "Animal B")])
def test_an_animal_that_never_poked_has_no_chance_level(a_ns, b_ns, name):
    with pytest.raises(EmptySessionError, match=f"{name} never poked"):
        chance_level(a_ns, b_ns, 0, 1800 * NS_PER_S, NS_PER_S)


@pytest.mark.parametrize("end_s", [-5, 0, 19])
def test_a_session_without_room_for_a_shift_is_refused(end_s):
    with pytest.raises(SessionTooShortError, match=f"lasts {end_s} s"):
        chance_level(ns(1), ns(1), 0, end_s * NS_PER_S, NS_PER_S)


def test_a_session_that_ends_before_it_starts_cannot_be_shifted_in():
    with pytest.raises(SessionTooShortError, match="not after its start"):
        circular_shift(ns(), 5, 5, 1)


def test_times_that_go_backwards_are_refused_saying_where():
    with pytest.raises(UnsortedTimesError, match="Animal B's poke times go backwards after number 2"):
        chance_level(ns(1), ns(1, 3, 2), 0, 1800 * NS_PER_S, NS_PER_S)


@pytest.mark.parametrize("outside_ns", [-1, 1800 * NS_PER_S])
def test_a_poke_outside_the_session_is_refused(outside_ns):
    with pytest.raises(OutsideSessionError, match=f"Animal A poked at {outside_ns} ns"):
        chance_level(ns(outside_ns), ns(1), 0, 1800 * NS_PER_S, NS_PER_S)


@pytest.mark.parametrize("bad", [np.array([1.5]), np.array([[1]]), np.array([True])])
def test_what_is_no_row_of_integer_nanoseconds_is_refused(bad):
    with pytest.raises(NotTimesError, match="one row of integer nanoseconds"):
        chance_level(bad, ns(1), 0, 1800 * NS_PER_S, NS_PER_S)


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("window_ns", {"window_ns": -1}),
        ("shifts", {"shifts": 0}),
        ("seed", {"seed": -1}),
        ("min_shift_ns", {"min_shift_ns": -1}),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(name, setting):
    with pytest.raises(ChanceSettingError, match=name):
        chance_level(ns(1), ns(1), 0, 1800 * NS_PER_S, **{"window_ns": NS_PER_S, **setting})

"""Rows of numbers over time: the newest minute whole, an even choice of what is older, and an end to the growth."""

import math
from itertools import chain

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.messages import Subspace
from gui.scene.columns import FIRST_ROOM, Series, Times
from gui.scene.estimates import SHARED, SharedHistory

SECOND = 1_000_000_000
TICK = 50_000_000


def filled(series: Series, times_ns: list[int]) -> Series:
    for t_ns in times_ns:
        series.add(t_ns, (float(t_ns), -1.0))
    return series


def estimate(t_ns: int, cells: str = "all") -> Subspace:
    return Subspace(
        seq=1,
        tick=t_ns // TICK,
        t_ns=t_ns,
        cells=cells,
        n_cells=(12, 10),
        a=[0.5, None],
        b=[1.5, 2.5],
        coactivity=0.9,
        correlation=0.25,
        mode_correlations=[0.3, 0.2],
        lagged_mean=0.01,
        lagged_z=2.5,
        lagged_p=0.04,
        trial_correlation=None,
        trial_mean=None,
        trial_z=None,
        trial_p=None,
        shared=(0.4, 0.41),
        shared_null=(0.38, None),
        unique=(0.2, 0.21),
        unique_null=(0.19, 0.18),
        n_independent=55.0,
        trials=3,
        valid=True,
        trial_valid=False,
    )


# --- series --------------------------------------------------------------------------------------------------------


def test_a_row_is_kept_as_it_came_and_none_is_no_number():
    series = Series(("a", "b"))
    series.add(7, (1.5, None))
    assert series.t_ns.tolist() == [7]
    assert series["a"].tolist() == [1.5]
    assert math.isnan(series["b"][0])
    assert len(series) == series.added == 1


@settings(deadline=None, max_examples=40)
@given(
    steps=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    rows=st.integers(1, 6000),
    most=st.sampled_from([0, 20, 100, 700]),
    recent=st.sampled_from([0, 500, 30_000]),
)
def test_the_newest_are_kept_whole_and_the_older_ones_evenly(steps: list[int], rows: int, most: int, recent: int):
    times = np.cumsum(np.resize(steps, rows)).astype(int).tolist()
    series = filled(Series(("t", "one"), recent, most), times)
    kept = series.t_ns.tolist()
    assert series["t"].tolist() == kept, "a row has the values of another"
    assert (series["one"] == -1.0).all()
    assert set(kept) <= set(times)
    assert kept == sorted(set(kept))
    newest = [t for t in times if t >= times[-1] - recent]
    assert kept[-len(newest) :] == newest
    assert series.added == rows
    if most:
        assert kept[0] == times[0]
        assert np.diff(kept).max(initial=0) <= 4 * (times[-1] - times[0]) / most + max(steps) + 2


def test_nothing_older_is_kept_where_nothing_older_is_wanted():
    series = filled(Series(("t", "one"), recent_ns=100, most=0), list(range(0, 10 * 5000, 10)))
    assert len(series) <= FIRST_ROOM
    assert series.t_ns[0] > 0


def test_the_oldest_row_of_the_newest_minute_outlives_thinning():
    series = filled(Series(("t", "one"), recent_ns=95, most=0), [10 * i for i in range(FIRST_ROOM)])
    series.add(10 * FIRST_ROOM - 9, (0.0, 0.0))
    assert series.t_ns.tolist() == [*range(10_140, 10_231, 10), 10_231]


def test_six_hours_of_twenty_a_second_take_no_more_memory_than_half_an_hour():
    series, held = Series(SHARED), []
    row = tuple(range(len(SHARED)))
    for tick in range(6 * 3600 * 20):
        series.add(tick * TICK, row)
        if tick % (1800 * 20) == 1800 * 20 - 1:
            held.append((series.bytes_held, len(series)))
    assert len({held_bytes for held_bytes, _ in held}) == 1
    assert max(count for _, count in held) <= 8192
    assert series.t_ns[0] == 0
    old = series.t_ns[series.t_ns < series.t_ns[-1] - 60 * SECOND]
    assert np.diff(old).max() <= 11 * SECOND, "four thousand of six hours are 5.4 s apart, or twice that"
    assert np.count_nonzero(series.t_ns >= series.t_ns[-1] - 60 * SECOND) == 1201


def test_going_back_begins_anew():
    series = filled(Series(("t", "one")), [10 * SECOND, 300 * SECOND, 301 * SECOND])
    series.add(200 * SECOND, (0.0, 0.0))
    assert series.t_ns.tolist() == [200 * SECOND]


def test_a_clock_set_back_a_little_forgets_only_what_is_later():
    series = filled(Series(("t", "one")), [10 * SECOND, 300 * SECOND, 300 * SECOND + TICK])
    series.add(300 * SECOND + TICK - 1, (8.0, 0.0))
    assert series.t_ns.tolist() == [10 * SECOND, 300 * SECOND, 300 * SECOND + TICK - 1]
    assert series["t"][-1] == 8.0
    series.add(300 * SECOND + TICK, (9.0, 0.0))
    assert series.t_ns.tolist()[-2:] == [300 * SECOND + TICK - 1, 300 * SECOND + TICK]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 20).map(lambda s: s * SECOND // 4), max_size=60))
def test_times_ascend_whatever_comes(times: list[int]):
    series, naive = Series(("t", "one")), []
    for t_ns in times:
        if naive and t_ns < naive[-1]:
            naive = [t for t in naive if t <= t_ns] if naive[-1] - t_ns <= SECOND else []
        naive.append(t_ns)
        series.add(t_ns, (float(t_ns), 0.0))
    assert series.t_ns.tolist() == naive


# --- times ---------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    blocks=st.lists(st.lists(st.integers(0, 1000), max_size=400), max_size=12),
    span=st.tuples(st.integers(-10, 1010), st.integers(-10, 1010)),
    ordered=st.booleans(),
)
def test_times_keep_their_order_and_spans_are_ascending(blocks: list[list[int]], span: tuple[int, int], ordered: bool):
    if ordered:
        whole, blocks, sizes = sorted(chain(*blocks)), [], [len(block) for block in blocks]
        for size in sizes:
            blocks.append(whole[:size])
            whole = whole[size:]
    times = Times()
    for block in blocks:
        times.extend(np.array(block, np.int64))
    came = list(chain(*blocks))
    assert times.ns.tolist() == came
    assert len(times) == len(came)
    assert times.between(*span).tolist() == sorted(t for t in came if span[0] <= t <= span[1])


def test_a_late_time_is_found_where_it_belongs():
    times = Times()
    times.extend(np.array([10, 20, 30], np.int64))
    times.extend(np.array([15], np.int64))
    assert times.ns.tolist() == [10, 20, 30, 15]
    assert times.between(12, 20).tolist() == [15, 20]


# --- estimates -----------------------------------------------------------------------------------------------------


def test_an_estimate_becomes_a_row_under_the_right_names():
    history, one = SharedHistory(), estimate(3 * SECOND)
    history.add(one)
    told = {name: history.series[name][0] for name in SHARED}
    for name in ("correlation", "lagged_mean", "lagged_z", "lagged_p", "coactivity", "n_independent"):
        assert told[name] == getattr(one, name)
    for name in ("shared", "unique", "unique_null"):
        assert (told[f"{name}_a"], told[f"{name}_b"]) == getattr(one, name)
    assert told["shared_null_a"] == 0.38
    assert all(math.isnan(told[name]) for name in ("trial_correlation", "trial_mean", "trial_z", "shared_null_b"))
    assert (told["valid"], told["trial_valid"]) == (1.0, 0.0)
    t_ns, a, b = history.projections(1)
    assert t_ns.tolist() == [3 * SECOND]
    assert math.isnan(a[0])
    assert b.tolist() == [2.5]


def test_projections_of_the_last_minute_are_whole_and_older_ones_are_forgotten():
    history = SharedHistory()
    for tick in range(20 * 3600):
        history.add(estimate(tick * TICK))
    t_ns, a, _ = history.projections(0)
    assert history.dimensions == 2
    assert np.array_equal(t_ns[-1201:], np.arange(20 * 3600 - 1201, 20 * 3600) * TICK)
    assert (a == 0.5).all()
    assert t_ns.size <= 4096
    assert t_ns[0] > 0

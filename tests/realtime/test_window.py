"""The window and how it narrows: by days, by criterion, or never."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.records import NEVER_NS, Outcome
from realtime.window import HISTORY, SCHEDULE, WINDOW, Schedule, TrainingDayError, stage_of_day
from tests.realtime.box import A, B, S
from tests.realtime.kernels import COMPILED_HERE, as_loaded, as_python
from tests.realtime.oracle import StageWalk

SUCCESS, MISS, OMISSION, ABORTED = Outcome.SUCCESS, Outcome.MISS, Outcome.OMISSION, Outcome.ABORTED
WINDOWS_S = (3.0, 1.5, 0.75)
STAGE_DAYS = (5, 10, 15)
KERNELS = as_loaded()
PYTHON = as_python()


def stages(kernels, outcomes, *, n=4, above=0.75, below=0.5, kind=Schedule.CRITERION, n_stages=3, begin=0):
    """The stage after each of the outcomes."""
    schedule, window = np.zeros(1, SCHEDULE), np.zeros(1, WINDOW)
    schedule[0] = (kind, n_stages, n, above, below)
    window["stage"] = begin
    return [int(kernels.judged(schedule, window, int(outcome))) for outcome in outcomes]


@pytest.mark.parametrize(
    ("day", "window_s"), [(1, 3.0), (5, 3.0), (6, 1.5), (15, 1.5), (16, 0.75), (30, 0.75), (31, 0.75), (400, 0.75)]
)
def test_the_window_of_a_training_day(day, window_s):
    assert WINDOWS_S[stage_of_day(day, STAGE_DAYS)] == window_s


@pytest.mark.parametrize("day", [0, -1])
def test_days_count_from_one(day):
    with pytest.raises(TrainingDayError, match=f"day {day} is not a day of training"):
        stage_of_day(day, STAGE_DAYS)


def test_the_window_narrows_when_more_than_the_criterion_succeed(kernels):
    assert stages(kernels, [SUCCESS] * 4) == [0, 0, 0, 1]


def test_exactly_the_criterion_is_not_more_than_it(kernels):
    assert stages(kernels, [SUCCESS, SUCCESS, SUCCESS, MISS]) == [0, 0, 0, 0]


def test_the_window_widens_when_fewer_than_the_criterion_succeed(kernels):
    assert stages(kernels, [SUCCESS, MISS, MISS, MISS], begin=2) == [2, 2, 2, 1]


def test_exactly_half_is_not_fewer_than_half(kernels):
    assert stages(kernels, [SUCCESS, SUCCESS, MISS, MISS], begin=2) == [2, 2, 2, 2]


def test_the_last_trials_count_not_the_first(kernels):
    assert stages(kernels, [MISS, MISS, SUCCESS, SUCCESS, SUCCESS, SUCCESS]) == [0, 0, 0, 0, 0, 1]


def test_the_count_begins_anew_after_each_change(kernels):
    assert stages(kernels, [SUCCESS] * 8) == [0, 0, 0, 1, 1, 1, 1, 2]


def test_the_widest_does_not_widen_and_the_narrowest_does_not_narrow(kernels):
    assert stages(kernels, [MISS] * 9) == [0] * 9
    assert stages(kernels, [SUCCESS] * 9, begin=2) == [2] * 9


@pytest.mark.parametrize("silent", [OMISSION, ABORTED])
def test_trials_without_a_judgement_say_nothing_about_coordination(kernels, silent):
    assert stages(kernels, [SUCCESS, SUCCESS, silent, SUCCESS, silent, SUCCESS]) == [0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize("kind", [Schedule.FIXED, Schedule.DAYS])
def test_fixed_windows_and_windows_of_a_day_never_change(kernels, kind):
    assert stages(kernels, [SUCCESS] * 20, kind=kind, begin=1) == [1] * 20


def test_the_longest_criterion_remembers_every_trial_of_it(kernels):
    outcomes = [SUCCESS] + [MISS] * (HISTORY - 1)
    assert stages(kernels, outcomes, n=HISTORY, above=0.0, begin=0)[-2:] == [0, 1]


def test_the_next_trial_is_judged_by_the_narrower_window(make_box):
    narrowing = (Schedule.CRITERION, 2, 2, 0.5, 0.1)
    box = make_box(windows=(1 * S, S // 2), schedule=narrowing, iti=0, drink=0, timeout=0, limit=NEVER_NS).start()
    for trial in range(3):
        box.poke(A, (10 + 10 * trial) * S)
        box.poke(B, (10 + 10 * trial) * S + 800_000_000)
    assert box.ended() == [SUCCESS, SUCCESS, MISS]
    assert box.outcomes()[-1] == (3, MISS, 30 * S + S // 2)


outcomes = st.lists(st.sampled_from([SUCCESS, SUCCESS, MISS, MISS, OMISSION, ABORTED]), max_size=200)
# Rates on quarters with criteria that divide by four: the products are exact, as the oracle's are.
rates = st.integers(0, 4).map(lambda quarters: quarters / 4)


@given(outcomes, st.sampled_from((4, 8, 20, HISTORY)), rates, rates, st.integers(1, 8))
@settings(deadline=None, max_examples=100, database=None)
def test_the_criterion_walks_as_the_oracle_does(trials, n, above, below, n_stages):
    walk = StageWalk(n_stages, n, above, below)
    expected = [walk.judged(outcome.name) for outcome in trials]
    numbers = {"n": n, "above": above, "below": below, "n_stages": n_stages}
    assert stages(KERNELS, trials, **numbers) == expected


@pytest.mark.skipif(not COMPILED_HERE, reason="compilation is switched off: there is nothing compiled to compare with")
@given(outcomes, st.integers(1, HISTORY), st.floats(0, 1), st.floats(0, 1), st.integers(1, 8))
@settings(deadline=None, max_examples=100, database=None)
def test_compiled_and_python_walk_the_same(trials, n, above, below, n_stages):
    numbers = {"n": n, "above": above, "below": below, "n_stages": n_stages}
    assert stages(KERNELS, trials, **numbers) == stages(PYTHON, trials, **numbers)

"""Shares of trials and their intervals, against numbers from the literature."""

import pytest

from gui.parts.shares import Share, difference, percent, points, share_text, wilson

# Newcombe, Stat. Med. 17:857, 1998, table I, method 3; 8 of 10 is in Agresti and Coull, Am. Stat. 52:119, 1998.
WILSON = [
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0000, 0.1611),
    (1, 29, 0.0061, 0.1718),
    (8, 10, 0.4902, 0.9433),
]
# Newcombe, Stat. Med. 17:873, 1998, table II, method 10.
NEWCOMBE = [
    ((56, 70), (48, 80), 0.2000, 0.0524, 0.3339),
    ((9, 10), (3, 10), 0.6000, 0.1705, 0.8090),
    ((5, 56), (0, 29), 0.0893, -0.0381, 0.1926),
    ((10, 10), (0, 10), 1.0000, 0.6075, 1.0000),
]


@pytest.mark.parametrize(("k", "n", "low", "high"), WILSON)
def test_wilsons_interval_is_the_published_one(k: int, n: int, low: float, high: float):
    share = wilson(k, n)
    assert share.value == pytest.approx(k / n)
    assert share.low == pytest.approx(low, abs=6e-5)
    assert share.high == pytest.approx(high, abs=6e-5)


@pytest.mark.parametrize(("one", "other", "d", "low", "high"), NEWCOMBE)
def test_newcombes_interval_of_a_difference_is_the_published_one(one, other, d: float, low: float, high: float):
    found = difference(wilson(*one), wilson(*other))
    assert found == pytest.approx((d, low, high), abs=6e-5)


@pytest.mark.parametrize("n", [1, 2, 10, 5000])
def test_an_interval_never_leaves_0_to_1(n: int):
    assert wilson(0, n).low == 0.0
    assert wilson(n, n).high == 1.0


def test_a_share_is_said_with_its_count_and_its_interval():
    assert share_text("inhibited", 6, 10) == "inhibited 6 of 10 (60 %, 31–83 %)"
    assert share_text("control", 33, 64) == "control 33 of 64 (52 %, 40–63 %)"


def test_a_share_of_no_trials_is_not_yet_known():
    assert share_text("inhibited", 0, 0) == "inhibited: not yet"


def test_points_have_a_sign_and_a_true_minus():
    assert [points(value) for value in (0.084, -0.231, 0.001, -0.004)] == ["+8", "−23", "0", "0"]
    assert percent(Share(0.5249, 0, 1).value) == "52"

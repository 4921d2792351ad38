"""The last minute of a stream: every frame in its column, whatever the stream does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gui.scene.frames import BACK_NS, HIGH_SD, LOW_SD, MOST_COLUMNS, NO_FRAME, FrameRing

START_NS = 7_000_000_000
S_NS = 1_000_000_000
MS_NS = 1_000_000


def times(rate_hz: float, count: int, jitter_ms: float, seed: int) -> NDArray[np.int64]:
    """Frames of a regular stream, each up to ``jitter_ms`` early or late."""
    off = np.random.default_rng(seed).uniform(-jitter_ms, jitter_ms, count) * MS_NS
    return (START_NS + np.arange(count) * S_NS / rate_hz + off).astype(np.int64)


def fed(rate_hz: float, frames: list[tuple[int, NDArray[np.float32]]], n_cells: int = 2) -> FrameRing:
    ring = FrameRing(n_cells, rate_hz)
    for t_ns, values in frames:
        ring.add(int(t_ns), values)
    return ring


def numbered(*numbers: float) -> NDArray[np.float32]:
    return np.array(numbers, np.float32)


@settings(deadline=None, max_examples=60)
@given(
    rate_hz=st.sampled_from([30.0, 29.97, 20.0, 15.625, 7.3, 59.0]) | st.floats(5.0, 60.0),
    off=st.floats(-0.02, 0.02),
    seed=st.integers(0, 10_000),
)
def test_a_regular_stream_with_jitter_has_no_gap_and_no_frame_takes_another_ones_column(
    rate_hz: float, off: float, seed: int
) -> None:
    count = 400
    moments = times(rate_hz, count, min(3.0, 120.0 / rate_hz), seed)
    declared_hz = rate_hz * (1 + off)
    ring = fed(declared_hz, [(t_ns, numbered(i, -i)) for i, t_ns in enumerate(moments)])
    assert ring.slot == count - 1
    assert ring.repeated == ring.late == 0
    kept = min(count, ring.width)
    assert ring.trace(0)[-kept:].tolist() == list(range(count - kept, count))
    assert np.isnan(ring.trace(0)[:-kept]).all()
    assert (ring.picture[:, -kept:] != NO_FRAME).all()
    assert (ring.picture[:, :-kept] == NO_FRAME).all()


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), share=st.floats(0.0, 0.2), rate_hz=st.sampled_from([30.0, 29.97, 20.0, 11.1]))
def test_a_frame_that_is_missing_is_a_column_without_a_value(seed: int, share: float, rate_hz: float) -> None:
    moments = times(rate_hz, 500, 3.0, seed)
    there = np.random.default_rng(seed + 1).random(500) >= share
    there[[0, -1]] = True
    ring = fed(rate_hz, [(moments[i], numbered(i, i)) for i in np.flatnonzero(there)])
    expected = np.where(there, np.arange(500.0), np.nan)
    assert ring.slot == 499
    np.testing.assert_array_equal(ring.trace(1)[-500:], expected)
    np.testing.assert_array_equal(ring.picture[0, -500:] == NO_FRAME, ~there)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), places=st.sets(st.integers(20, 390).map(lambda i: i - i % 5), max_size=8))
def test_frames_that_come_in_another_order_stand_where_they_belong(seed: int, places: set[int]) -> None:
    moments = times(30.0, 400, 3.0, seed)
    frames = [(int(t_ns), numbered(i, i)) for i, t_ns in enumerate(moments)]
    for i in places:  # each of these comes after the two that follow it
        frames[i : i + 3] = [frames[i + 1], frames[i + 2], frames[i]]
    ring = fed(30.0, frames)
    assert ring.late == len(places)
    assert ring.revision == FrameRing(2, 30.0).revision + len(places)
    assert ring.trace(0)[-400:].tolist() == list(range(400))
    assert ring.newest_ns == moments.max()


def test_a_frame_that_comes_twice_is_counted_and_changes_nothing() -> None:
    ring = fed(30.0, [(START_NS + i * 33 * MS_NS, numbered(i, i)) for i in range(10)])
    before = ring.trace(0)
    ring.add(START_NS + 9 * 33 * MS_NS, numbered(70, 70))
    ring.add(START_NS + 5 * 33 * MS_NS, numbered(71, 71))
    assert (ring.repeated, ring.frames, ring.late) == (2, 10, 0)
    np.testing.assert_array_equal(ring.trace(0), before)


def test_going_back_begins_anew_as_if_nothing_had_been() -> None:
    first = [(START_NS + 100 * S_NS + i * 50 * MS_NS, numbered(i, 5)) for i in range(300)]
    second = [(START_NS + i * 50 * MS_NS, numbered(2 * i % 7, 1)) for i in range(40)]
    ring, fresh = fed(20.0, first + second), fed(20.0, second)
    assert second[0][0] < first[-1][0] - BACK_NS
    np.testing.assert_array_equal(ring.picture, fresh.picture)
    np.testing.assert_array_equal(ring.traces([0, 1]), fresh.traces([0, 1]))
    assert ring.newest_ns == fresh.newest_ns
    assert ring.revision > fresh.revision


def test_a_gap_longer_than_a_minute_leaves_only_what_is_new() -> None:
    ring = fed(20.0, [(START_NS + i * 50 * MS_NS, numbered(i, i)) for i in range(1500)])
    ring.add(START_NS + 400 * S_NS, numbered(8, 9))
    assert np.flatnonzero(np.isfinite(ring.trace(0))).tolist() == [ring.width - 1]
    assert ring.trace(1)[-1] == 9
    assert ring.shown == 2


def test_a_stream_of_another_rate_than_declared_has_no_column_twice() -> None:
    ring = fed(20.0, [(START_NS + i * 25 * MS_NS, numbered(i, i)) for i in range(300)])
    assert ring.trace(0)[-300:].tolist() == list(range(300))
    assert ring.received_hz == pytest.approx(40.0)
    assert ring.column_ns == pytest.approx(25 * MS_NS)


def test_a_stream_slower_than_declared_has_gaps_only_until_its_rate_is_known() -> None:
    ring = fed(30.0, [(START_NS + i * 50 * MS_NS, numbered(i, i)) for i in range(300)])
    assert ring.trace(0)[-290:].tolist() == list(range(10, 300))
    assert ring.received_hz == pytest.approx(20.0)


def test_shades_are_deviations_from_each_cells_own_running_mean() -> None:
    rng = np.random.default_rng(3)
    data = (rng.standard_normal((700, 3)) * [1.0, 50.0, 1e-6] + [0.0, 1000.0, 0.0]).astype(np.float32)
    ring = fed(10.0, [(START_NS + i * 100 * MS_NS, row) for i, row in enumerate(data)], 3)
    ages = np.arange(699, -1, -1)
    weights = (1 - 1 / 600) ** ages
    x = data.astype(float)
    mean = (weights[:, None] * x).sum(0) / weights.sum()
    deviation = np.sqrt((weights[:, None] * (x - mean) ** 2).sum(0) / weights.sum())
    z = (x[-1] - mean) / deviation
    expected = 1 + np.clip((z - LOW_SD) / (HIGH_SD - LOW_SD), 0, 1) * 254
    np.testing.assert_allclose(ring.picture[:, -1], expected, atol=0.51)


def test_a_cell_without_a_value_is_grey_and_learns_nothing() -> None:
    rng = np.random.default_rng(4)
    data = rng.standard_normal((300, 2)).astype(np.float32)
    holed = data.copy()
    holed[100:150, 1] = np.nan
    ring = fed(10.0, [(START_NS + i * 100 * MS_NS, row) for i, row in enumerate(holed)])
    alone = fed(10.0, [(START_NS + i * 100 * MS_NS, row) for i, row in enumerate(np.delete(data, range(100, 150), 0))])
    assert (ring.picture[1, -200:-150] == NO_FRAME).all()
    assert (ring.picture[0, -300:] != NO_FRAME).all()
    np.testing.assert_array_equal(ring.picture[1, -150:], alone.picture[1, -150:])
    assert ring.shown == 550


def test_clipped_values_are_counted_over_what_is_kept() -> None:
    quiet = [numbered(i % 2, i % 2) for i in range(40)]
    frames = [(START_NS + i * 500 * MS_NS, row) for i, row in enumerate([*quiet, numbered(9, 0.5)])]
    ring = fed(2.0, frames)
    assert ring.picture[0, -1] == 255
    with_peak = ring.clipped
    for i in range(41, 41 + ring.width):  # the peak leaves the picture
        ring.add(START_NS + i * 500 * MS_NS, numbered(0.5, 0.5))
    assert ring.shown == 2 * ring.width
    assert with_peak >= 1
    assert ring.clipped == 0


def test_columns_since_another_are_those_that_are_new() -> None:
    ring = fed(20.0, [(START_NS + i * 50 * MS_NS, numbered(i % 3, i % 5)) for i in range(1300)])
    slot = ring.slot
    for i in range(1300, 1303):
        ring.add(START_NS + i * 50 * MS_NS, numbered(i % 3, i % 5))
    np.testing.assert_array_equal(ring.shades_since(slot), ring.picture[:, -3:].T)
    np.testing.assert_array_equal(ring.shades_since(-1), ring.picture.T)
    assert len(ring.shades_since(ring.slot)) == 0
    np.testing.assert_array_equal(ring.shades_at(ring.slot - 2), ring.picture[:, -3])
    assert (ring.shades_at(ring.slot - ring.width) == NO_FRAME).all()


def test_frames_of_another_length_are_counted_and_left_out() -> None:
    ring = fed(20.0, [(START_NS, numbered(1, 2)), (START_NS + 50 * MS_NS, numbered(1, 2, 3))])
    assert (ring.frames, ring.wrong_length, ring.slot) == (1, 1, 0)


def test_no_stream_takes_more_than_its_room() -> None:
    assert FrameRing(2, 100_000.0).width == MOST_COLUMNS
    ring = FrameRing(2, 30.0)
    room = [id(part) for part in (ring._shades, ring._values, ring._t_ns)]
    for i in range(4000):
        ring.add(START_NS + i * 33 * MS_NS, numbered(i, i))
    assert [id(part) for part in (ring._shades, ring._values, ring._t_ns)] == room
    assert ring._shades.shape == (1800, 2)
    assert len(ring._anchors) <= 1800 // 64


def test_nothing_is_known_before_the_first_frame() -> None:
    ring = FrameRing(3, 30.0)
    assert ring.newest_ns is None
    assert ring.received_hz is None
    assert (ring.picture.shape, ring.shown, ring.slot) == ((3, 1800), 0, -1)
    ring.add(START_NS, np.zeros(3, np.float32))
    assert ring.received_hz is None

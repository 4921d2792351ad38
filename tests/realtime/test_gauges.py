"""The loop's own gauges and its door: histogram bins, and which records may come from outside."""

import pytest

from realtime.loop import N_BINS, bin_edges_ns, is_input
from realtime.records import DECISION_KINDS, Kind, no_events


@pytest.mark.parametrize(
    ("duration_ns", "place"), [(-5, 0), (0, 0), (128, 0), (129, 1), (255, 8), (256, 9), (512, 17), (2**62, N_BINS - 1)]
)
def test_eight_bins_per_octave_from_128_ns_up(kernels, duration_ns, place):
    assert kernels.bin_of(duration_ns) == place


def test_every_duration_lies_below_its_bins_upper_bound_and_not_below_the_bin_before(kernels):
    edges = bin_edges_ns()
    for duration_ns in (129, 140, 1_000, 99_999, 1_000_000, 5_000_000, 10**9, 10**11):
        place = kernels.bin_of(duration_ns)
        assert edges[place - 1] <= duration_ns < edges[place]


def test_a_bin_is_less_than_a_tenth_wide_and_the_last_begins_beyond_five_minutes():
    edges = bin_edges_ns()
    assert edges.shape == (N_BINS,)
    assert (edges[1:] / edges[:-1] < 1.1).all()
    assert edges[-2] > 300 * 1e9


@pytest.mark.parametrize("kind", list(Kind))
def test_decisions_may_not_come_from_outside_and_everything_else_may(kind):
    event = no_events(1)
    event["kind"] = kind
    assert bool(is_input(event)) == (kind not in DECISION_KINDS)


@pytest.mark.parametrize("kind", [0, 20, 77, 65535])
def test_unknown_kinds_may_not_come_in(kind):
    event = no_events(1)
    event["kind"] = kind
    assert not is_input(event)

"""The clock map against clocks that drift, wires that jitter and boards that restart."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.clock_map import ClockMap, ClockUnset

MS = 1_000_000
S = 1_000_000_000
OFFSET_NS = 123_456_789_012


def device_at(host_ns: int, ppm: float) -> int:
    """What the device's clock stamps at a host time: 32 µs units."""
    return (host_ns + OFFSET_NS + round(host_ns * ppm * 1e-6)) // 32_000 * 32_000


def ping(clock: ClockMap, host_ns: int, ppm: float, out_ns: int, back_ns: int) -> bool:
    return clock.add_ping(host_ns - out_ns, host_ns + back_ns, device_at(host_ns, ppm))


def pinged(seconds: float, ppm: float, seed: int = 1, every_ns: int = 100 * MS) -> tuple[ClockMap, int]:
    """A clock after pings whose ways take 100 µs and, each on its own, an exponential delay of 300 µs more."""
    noise, clock, host_ns = random.Random(seed), ClockMap(), 10 * S
    for _ in range(round(seconds * S / every_ns)):
        host_ns += every_ns
        out, back = (100_000 + round(noise.expovariate(1 / 300_000)) for _ in range(2))
        assert not ping(clock, host_ns, ppm, out, back)
    return clock, host_ns


def test_before_the_first_ping_a_stamp_is_refused_by_name():
    clock = ClockMap()
    assert not clock.ready
    with pytest.raises(ClockUnset, match="first ping"):
        clock.to_host_ns(1)


def test_one_ping_is_enough_and_its_middle_is_the_stamps_time():
    clock = ClockMap()
    clock.add_ping(1_000_000, 1_400_000, 77_000_000_000)
    assert clock.ready
    assert clock.to_host_ns(77_000_000_000) == 1_200_000
    assert clock.to_host_ns(77_005_000_000) == 6_200_000
    assert clock.uncertainty_ns == 200_000 + 16_000


def test_the_longer_answers_time_on_the_wire_is_subtracted():
    clock = ClockMap(baud=1_000_000, request_bytes=7, reply_bytes=13)
    # 7 bytes out take 70 µs, the stamp is taken, 13 bytes back take 130 µs.
    clock.add_ping(0, 200_000, 5_000_000_000)
    assert clock.to_host_ns(5_000_000_000) == 70_000


def test_a_wire_without_a_baud_rate_needs_no_such_correction():
    clock = ClockMap(baud=0)
    clock.add_ping(0, 200_000, 5_000_000_000)
    assert clock.to_host_ns(5_000_000_000) == 100_000


@pytest.mark.parametrize("ppm", [100.0, -100.0, 0.0])
def test_events_of_a_drifting_clock_are_mapped_within_a_tenth_of_a_millisecond(ppm):
    clock, host_ns = pinged(25, ppm)
    errors = []
    for step in range(900):
        event_ns = host_ns + step * MS + 17
        errors.append(clock.to_host_ns(device_at(event_ns, ppm)) - event_ns)
    assert max(map(abs, errors)) < 100_000
    assert max(map(abs, errors)) < clock.uncertainty_ns
    assert abs(clock.drift_ppb + ppm * 1000) < 25_000


def test_the_first_seconds_before_there_is_a_line_stay_within_the_jitter():
    clock, host_ns = pinged(1.5, 100.0)
    assert clock.drift_ppb == 0
    assert abs(clock.to_host_ns(device_at(host_ns, 100.0)) - host_ns) < 500_000


@given(st.integers(0, 10**6), st.floats(-200, 200))
@settings(deadline=None, max_examples=25)
def test_no_drift_of_a_crystal_and_no_jitter_makes_a_false_step(seed, ppm):
    clock, host_ns = pinged(22, ppm, seed)
    assert clock.epoch == 0
    assert abs(clock.to_host_ns(device_at(host_ns, ppm)) - host_ns) < 250_000


def test_a_ceramic_resonator_half_a_percent_off_is_a_drift_and_not_a_step():
    clock, host_ns = pinged(10, 5000.0)
    assert clock.epoch == 0
    assert abs(clock.to_host_ns(device_at(host_ns, 5000.0)) - host_ns) < 250_000


def test_a_round_trip_stretched_by_a_busy_computer_is_no_step_and_hardly_moves_the_map():
    clock, host_ns = pinged(10, 50.0)
    before = clock.to_host_ns(device_at(host_ns, 50.0))
    assert not ping(clock, host_ns + 100 * MS, 50.0, 100_000, 60 * MS)
    after = clock.to_host_ns(device_at(host_ns + 100 * MS, 50.0))
    assert abs(after - before - 100 * MS) < 50_000


def test_a_clock_that_runs_backwards_begins_a_new_epoch():
    clock, host_ns = pinged(5, 0.0)
    assert clock.add_ping(host_ns + 100 * MS, host_ns + 100 * MS, 32_000)
    assert clock.epoch == 1
    assert clock.pings == 1
    assert clock.to_host_ns(32_000) == host_ns + 100 * MS


def test_a_clock_that_runs_backwards_by_one_stamp_only_has_stepped_too():
    clock = ClockMap()
    clock.add_ping(0, 0, 10 * S)
    assert clock.add_ping(500_000, 500_000, 10 * S - 32_000)


def test_a_way_back_that_is_mostly_slow_hardly_pulls_the_map():
    noise, clock = random.Random(3), ClockMap()
    for index in range(200):
        ping(clock, index * 100 * MS, 30.0, 100_000, 100_000 + round(noise.expovariate(1 / 2_000_000)))
    assert abs(clock.to_host_ns(device_at(20 * S, 30.0)) - 20 * S) < 250_000


@pytest.mark.parametrize(("jump_ns", "stepped"), [(900_000, False), (1_500_000, True), (3600 * S, True)])
def test_a_jump_forward_is_a_step_if_it_is_more_than_a_millisecond(jump_ns, stepped):
    clock = ClockMap()
    for index in range(60):
        clock.add_ping(index * 100 * MS, index * 100 * MS, OFFSET_NS + index * 100 * MS)
    assert clock.add_ping(6 * S, 6 * S, OFFSET_NS + 6 * S + jump_ns) is stepped
    assert clock.epoch == int(stepped)


def test_within_an_epoch_no_time_given_out_is_earlier_than_the_one_before():
    clock = ClockMap()
    clock.add_ping(0, 0, 10 * S)
    assert clock.to_host_ns(10 * S + 500) == 500
    assert clock.to_host_ns(10 * S + 400) == 500
    assert clock.clamped == 1


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=25)
def test_events_between_jittering_pings_stay_in_order_through_every_refit(seed):
    noise, clock, host_ns, times = random.Random(seed), ClockMap(), 0, []
    for _ in range(80):
        host_ns += 100 * MS
        ping(clock, host_ns, 80.0, noise.randrange(2 * MS), noise.randrange(2 * MS))
        times.append(clock.to_host_ns(device_at(host_ns, 80.0)))
        times.append(clock.to_host_ns(device_at(host_ns + 50_000, 80.0)))
    assert times == sorted(times)


def test_old_pings_are_forgotten_so_that_a_change_of_drift_is_followed():
    clock = ClockMap()
    device_ns = 0
    for index in range(600):
        device_ns += 100 * MS + (4_000 if index < 300 else 5_000)  # 40 ppm fast, and 50 once it is warm
        clock.add_ping(index * 100 * MS, index * 100 * MS, device_ns)
    assert clock.epoch == 0
    assert abs(clock.drift_ppb + 50_000) < 100


def test_a_whole_day_loses_no_nanosecond_to_floating_point():
    clock, day_ns = ClockMap(), 86_400 * S
    for index in range(50):
        clock.add_ping(day_ns + index * 100 * MS, day_ns + index * 100 * MS, index * 100 * MS + 7)
    assert clock.drift_ppb == 0
    assert clock.to_host_ns(4_900 * MS + 8) == day_ns + 4_900 * MS + 1

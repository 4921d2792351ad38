"""Numbers as people read them."""

from datetime import datetime

import pytest

from gui.parts import figures

S = 1_000_000_000


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"),
        (640, "640 ns"),
        (1_230, "1.23 µs"),
        (12_345, "12.3 µs"),
        (216_843, "217 µs"),
        (999_400, "999 µs"),
        (999_600, "1.00 ms"),
        (1_420_000, "1.42 ms"),
        (404_200_000, "404 ms"),
        (2_983_000_000, "2.98 s"),
        (59 * S, "59.0 s"),
        (271 * S, "4:31 min"),
        (3_871 * S, "1:04:31 h"),
        (-216_843, "−217 µs"),
    ],
)
def test_a_duration_has_the_unit_that_fits_it_and_three_figures(ns, text):
    assert figures.duration(ns) == text


@pytest.mark.parametrize(("ms", "text"), [(0.42, "0.4 ms"), (216.0, "216.0 ms"), (-1.5, "−1.5 ms")])
def test_durations_that_are_compared_are_all_in_milliseconds(ms, text):
    assert figures.milliseconds(ms) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00 min"),
        (59.9, "0:59 min"),
        (271, "4:31 min"),
        (3599, "59:59 min"),
        (3871, "1:04:31 h"),
        (-12, "−0:12 min"),
    ],
)
def test_a_time_of_the_session_is_read_as_on_a_stop_watch(seconds, text):
    assert figures.session_time(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(29 * 60, "29 min"), (5_939, "99 min"), (22_320, "6.20 h"), (300 * 3600, "12 days")]
)
def test_what_lasts_is_said_no_more_exactly_than_it_is_known(seconds, text):
    assert figures.lasting(seconds) == text


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0 B"), (512, "512 B"), (999, "999 B"), (1_000, "1.00 kB"), (52_300, "52.3 kB"), (999_600, "1.00 MB"),
     (4_560_000_000, "4.56 GB")],
)  # fmt: skip
def test_bytes_are_in_powers_of_a_thousand(n, text):
    assert figures.size(n) == text


def test_rates_counts_and_shares_have_their_units():
    assert figures.byte_rate(23_400) == "23.4 kB/s"
    assert figures.rate(19.82) == "19.8 Hz"
    assert figures.count(1_234_567) == "1\u202f234\u202f567"
    assert figures.count(-3) == "−3"
    assert figures.counted(1, "event") == "1 event"
    assert figures.counted(2, "event") == "2 events"
    assert figures.counted(2, "retry", "retries") == "2 retries"
    assert [figures.percent(share) for share in (0.0, 0.001, 0.034, 1.0)] == ["0 %", "<1 %", "3 %", "100 %"]


def test_a_clock_is_fast_where_the_host_s_has_to_run_slower_than_it():
    assert figures.drift(647) == "0.65 ppm slow"
    assert figures.drift(-12_300) == "12.3 ppm fast"
    assert figures.drift(0) == "no drift known"


def test_a_clock_time_is_this_computer_s_own():
    epoch_ns = 1_795_339_462_247_693_790
    assert figures.clock_time(epoch_ns) == datetime.fromtimestamp(1_795_339_462).strftime("%H:%M:%S")

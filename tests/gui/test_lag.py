"""How the window measures itself, by a clock that the test turns."""

import pytest

from gui.lag import KEPT, Lag
from gui.link import Contact
from realtime.records import NS_PER_MS, NS_PER_S


def ticked(*begun_ms: float, took_ms: float = 4.0, drawn: bool = True, due_ms: float = 33.0) -> Lag:
    """Ticks that began at these times and drew something."""
    lag = Lag(due_ms)
    for begin_ms in begun_ms:
        lag.began(round(begin_ms * NS_PER_MS))
        lag.ended(round((begin_ms + took_ms) * NS_PER_MS), drawn=drawn)
    return lag


def test_ticks_that_come_when_they_are_due_are_not_late():
    own = ticked(0, 33, 66, 99).own(Contact())
    assert own.tick_late_p50_ms == 0.0
    assert own.tick_late_max_ms == 0.0


def test_late_is_what_is_beyond_the_time_that_is_due():
    own = ticked(0, 33, 68, 201).own(Contact())
    assert own.tick_late_p50_ms == pytest.approx(2.0)
    assert own.tick_late_max_ms == pytest.approx(100.0)


def test_a_tick_that_makes_up_for_a_late_one_is_not_early():
    assert ticked(0, 50, 66).own(Contact()).tick_late_p50_ms == pytest.approx(17.0)
    assert min(ticked(0, 50, 66).gaps_ms()) == pytest.approx(16.0)


def test_a_tick_takes_as_long_as_it_takes():
    assert ticked(0, 33, took_ms=7.5).took_ms() == [7.5, 7.5]


def test_only_ticks_that_drew_something_are_frames():
    lag = ticked(0, 33, 66, drawn=False)
    assert (lag.ticks, lag.frames, lag.frames_per_s) == (3, 0, 0.0)
    assert ticked(*range(0, 1001, 50)).frames_per_s == pytest.approx(20.0)


def test_before_the_first_tick_nothing_is_claimed():
    own = Lag(33.0).own(Contact())
    assert (own.frames_per_s, own.tick_late_p50_ms, own.tick_late_max_ms, own.behind_ms) == (0.0, 0.0, 0.0, 0.0)
    assert own.round_trip_ms is None


def test_only_the_last_ticks_are_kept():
    lag = ticked(*(33 * number for number in range(3 * KEPT)))
    assert lag.ticks == 3 * KEPT
    assert len(lag.took_ms()) == KEPT
    assert len(lag.gaps_ms()) == KEPT - 1


def test_contact_is_as_old_as_what_was_heard_last():
    contact = Contact(heard_ns=60 * NS_PER_MS, round_trip_ns=1_500_000, dropped=7)
    own = ticked(0, 33, 66, 99).own(contact)
    assert own.behind_ms == pytest.approx(39.0)
    assert own.round_trip_ms == pytest.approx(1.5)
    assert own.dropped == 7


def test_the_processors_share_is_that_since_the_last_time():
    lag = Lag(33.0)
    assert lag.cpu_share(0) == 0.0
    assert sum(range(2_000_000)) > 0
    assert 0.0 < lag.cpu_share(NS_PER_S) < 1.0
    assert lag.cpu_share(NS_PER_S) == 0.0

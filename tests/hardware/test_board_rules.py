"""Local rules: a beam that breaks fires a pulse on the reference board itself, once, under every limit."""

import pytest

from hardware.board.registers import Register
from hardware.device import DeviceState
from hardware.harp import PayloadType, reply, write_request
from realtime.records import Fault, Kind, Line

MS = 1_000_000


def test_the_next_poke_fires_the_pulse_at_its_own_instant_and_the_board_tells_both(bench):
    bench.rule(Line.POKE_B, Line.VALVE_A, 25, window_ms=1500)
    bench.run(700)
    poked_ns = bench.now_ns
    bench.poke(1, ms=100)
    bench.poke(1, ms=100)
    assert bench.board.take_edges() == [(poked_ns, 0, 1), (poked_ns + 25 * MS, 0, 0)]
    assert bench.edges()[:3] == [
        (Kind.POKE_IN, Line.POKE_B), (Kind.VALVE_ON, Line.VALVE_A), (Kind.VALVE_OFF, Line.VALVE_A),
    ]  # fmt: skip
    assert bench.faults() == []


@pytest.mark.parametrize(("after_ms", "fires"), [(99, True), (101, False)])
def test_a_poke_after_the_window_fires_nothing(bench, after_ms, fires):
    bench.rule(Line.POKE_A, Line.VALVE_A, 25, window_ms=100)
    bench.run(after_ms)
    bench.poke(0)
    assert len(bench.pins()) == fires


def test_another_beam_fires_nothing(bench):
    bench.rule(Line.POKE_A, Line.VALVE_A, 25, window_ms=1000)
    bench.poke(1)
    bench.poke(3)
    assert bench.pins() == []


def test_a_rule_is_cleared_by_a_window_of_nothing(bench):
    bench.rule(Line.POKE_A, Line.VALVE_A, 25, window_ms=1000)
    bench.rule(Line.POKE_A, Line.VALVE_A, 25, window_ms=0)
    bench.poke(0)
    assert bench.pins() == []
    assert bench.faults() == []


def test_each_animals_outputs_have_one_rule_and_a_newer_one_takes_its_place(bench):
    bench.rule(Line.POKE_A, Line.VALVE_A, 25, window_ms=1000)
    bench.rule(Line.POKE_A, Line.VALVE_B, 25, window_ms=1000)
    bench.rule(Line.POKE_B, Line.VALVE_A, 25, window_ms=1000)
    bench.poke(0)
    assert bench.pins() == [(1, 1)]
    bench.poke(1)
    assert bench.pins() == [(0, 1)]


def test_a_rule_whose_request_is_lost_is_repeated(bench):
    bench.lose_next = 1
    bench.rule(Line.POKE_A, Line.VALVE_A, 25, window_ms=1000)
    bench.run(50)
    bench.poke(0)
    assert bench.pins() == [(0, 1)]
    assert bench.driver.counters()["retries"] == 1


def test_a_rule_whose_answer_is_lost_is_repeated_and_fires_once(bench):
    bench.rule(Line.POKE_A, Line.VALVE_A, 5, window_ms=1000, settle=False)
    bench.board.feed(bench.driver.outgoing(), bench.now_ns)
    bench.board.outgoing(bench.now_ns)
    bench.poke(0, ms=10)
    bench.run(60)
    assert bench.driver.counters()["retries"] == 1
    bench.poke(0, ms=10)
    bench.run(10)
    assert bench.pins() == [(0, 1), (0, 0)]


def test_the_same_rule_may_be_asked_for_again_as_soon_as_it_has_fired(bench):
    for _ in range(3):
        bench.rule(Line.POKE_A, Line.VALVE_A, 5, window_ms=1000)
        bench.poke(0, ms=10)
        bench.run(10)
    assert len(bench.pins()) == 6
    assert bench.faults() == []


@pytest.mark.parametrize("is_disarm", [True, False])
def test_a_disarm_takes_back_a_rule_whose_answer_has_not_come(bench, is_disarm):
    bench.rule(Line.POKE_A, Line.VALVE_A, 25, window_ms=1000, settle=False)
    bench.board.feed(bench.driver.outgoing(), bench.now_ns)
    bench.board.outgoing(bench.now_ns)
    if is_disarm:
        bench.command(Line.ARM, 0)
    else:
        bench.driver.safe(bench.now_ns)
    bench.run(100)
    bench.poke(0)
    assert bench.pins() == []


@pytest.mark.parametrize("end", ["safe", "disarm", "interlock", "close"])
def test_whatever_makes_the_board_safe_clears_its_rules(bench, end):
    bench.rule(Line.POKE_A, Line.VALVE_A, 25, window_ms=10_000)
    if end == "disarm":
        bench.command(Line.ARM, 0)
    elif end == "interlock":
        bench.board.set_interlock(False, bench.now_ns)
    else:
        getattr(bench.driver, end)(bench.now_ns)
    bench.run(10)
    bench.poke(0)
    assert bench.pins() == []


def test_an_open_interlock_takes_back_a_rule_whose_answer_has_not_come(bench):
    bench.rule(Line.POKE_A, Line.VALVE_A, 25, window_ms=1000, settle=False)
    bench.board.feed(bench.driver.outgoing(), bench.now_ns)
    bench.board.outgoing(bench.now_ns)
    bench.board.set_interlock(False, bench.now_ns)
    bench.run(100)
    bench.poke(0)
    assert bench.pins() == []


def test_a_laser_that_is_not_armed_when_its_beam_breaks_stays_dark_and_is_told_by_its_line(bench):
    bench.rule(Line.POKE_B, Line.LASER_B, 25, window_ms=1000)
    bench.poke(1)
    bench.run(100)
    assert bench.pins() == []
    assert bench.troubles() == [(Fault.DEVICE_REFUSED, Line.LASER_B, 1)]
    assert "not armed" in bench.remarks()[0]


def test_an_armed_laser_fires(bench):
    bench.command(Line.ARM, 1)
    bench.rule(Line.POKE_B, Line.LASER_B, 25, window_ms=1000)
    bench.poke(1)
    bench.run(100)
    assert bench.pins() == [(3, 1), (3, 0)]


def test_a_rule_that_fires_too_soon_after_a_pulse_is_told_by_its_line(bench):
    bench.command(Line.VALVE_A, 20, nonce=1)
    bench.rule(Line.POKE_A, Line.VALVE_A, 25, window_ms=1000)
    bench.run(25)
    bench.poke(0)
    bench.run(100)
    assert bench.troubles() == [(Fault.DEVICE_GAP, Line.VALVE_A, 0)]


def test_a_rule_that_has_fired_or_was_refused_explains_no_later_refusal(bench):
    bench.rule(Line.POKE_A, Line.VALVE_A, 5, window_ms=5000)
    bench.rule(Line.POKE_B, Line.VALVE_B, 5, window_ms=5000)
    bench.command(Line.VALVE_B, 20, nonce=1)
    bench.run(5)
    bench.poke(0)  # fires
    bench.run(18)
    bench.poke(1)  # is refused
    bench.run(2)
    bench.command(Line.VALVE_A, 20, nonce=2)
    bench.run(23)
    bench.rule(Line.POKE_A, Line.VALVE_A, 5, window_ms=5000)
    bench.poke(0)  # is refused
    bench.run(100)
    assert bench.troubles() == [(Fault.DEVICE_GAP, Line.VALVE_B, 1), (Fault.DEVICE_GAP, Line.VALVE_A, 0)]


@pytest.mark.parametrize("window_ms", [100, 5000])
def test_a_rule_that_is_over_or_spent_is_not_named_where_another_of_its_beam_is_refused(bench, window_ms):
    bench.rule(Line.POKE_A, Line.VALVE_A, 5, window_ms)
    bench.run(250)
    if window_ms > 250:
        bench.poke(0)  # fires
    bench.command(Line.VALVE_B, 20, nonce=1)
    bench.run(25)
    bench.rule(Line.POKE_A, Line.VALVE_B, 5, window_ms=5000)
    bench.poke(0)
    bench.run(100)
    assert bench.troubles() == [(Fault.DEVICE_GAP, Line.VALVE_B, 1)]


@pytest.mark.parametrize("early", [False, True])
def test_a_rule_that_was_fired_or_told_of_is_not_blamed_for_a_pulse_that_was_recalled(make_bench, early):
    bench = make_bench(delay_ns=4 * MS, min_gap_ms={Line.VALVE_A: 500}).start()
    bench.run(300)
    bench.command_together((Line.VALVE_A, Line.VALVE_B) if early else (Line.VALVE_B,), 200, nonce=1)
    bench.rule(Line.POKE_A, Line.VALVE_A, 5, window_ms=5000)
    bench.run(230)
    bench.poke(0)  # fires, or is refused
    bench.run(100)
    bench.command(Line.VALVE_B, 20, nonce=3)
    bench.run(25)
    bench.command(Line.VALVE_B, 20, nonce=4)  # too soon
    bench.command(Line.VALVE_B, 0, nonce=5)
    bench.run(100)
    told = [(Fault.DEVICE_GAP, Line.VALVE_A, 0)] if early else []
    assert bench.troubles() == [*told, (Fault.DEVICE_GAP, 0, -1)]


def test_of_two_rules_the_one_whose_beam_broke_is_named(bench):
    bench.rule(Line.POKE_B, Line.LASER_A, 25, window_ms=1000)
    bench.rule(Line.POKE_A, Line.LASER_B, 25, window_ms=1000)
    bench.poke(0)
    bench.run(100)
    assert bench.troubles() == [(Fault.DEVICE_REFUSED, Line.LASER_B, 1)]


def test_two_rules_that_one_beam_fired_in_vain_are_both_named(bench):
    bench.rule(Line.POKE_A, Line.LASER_A, 25, window_ms=1000)
    bench.rule(Line.POKE_A, Line.LASER_B, 25, window_ms=1000)
    bench.poke(0)
    bench.run(100)
    assert bench.troubles() == [(Fault.DEVICE_REFUSED, Line.LASER_A, 0), (Fault.DEVICE_REFUSED, Line.LASER_B, 1)]


@pytest.mark.parametrize(
    ("beam", "output", "ms", "window_ms", "why"),
    [
        (Line.LICK_A, Line.VALVE_A, 25, 1000, "cannot have LICK_A fire VALVE_A"),
        (Line.POKE_A, Line.POKE_B, 25, 1000, "cannot have POKE_A fire POKE_B"),
        (Line.POKE_A, Line.VALVE_A, 201, 1000, "max_on_ms = 200"),
        (Line.POKE_A, Line.VALVE_A, 0, 1000, "max_on_ms = 200"),
        (Line.POKE_A, Line.VALVE_A, 25, 65_536, "up to 65535"),
        (Line.POKE_A, Line.VALVE_A, 25, -1, "up to 65535"),
    ],
)
def test_a_rule_that_the_board_cannot_have_is_refused_by_name(bench, beam, output, ms, window_ms, why):
    bench.rule(beam, output, ms, window_ms)
    assert bench.troubles() == [(Fault.DEVICE_REFUSED, output, output % 2)]
    assert why in bench.remarks()[0]
    bench.poke(0)
    assert bench.pins() == []


def test_a_copy_is_no_beam(make_bench):
    bench = make_bench(pins={Line.VALVE_A: 0}, copies={Line.LASER_A: 0}).start()
    bench.rule(Line.LASER_A, Line.VALVE_A, 25, 1000)
    assert bench.faults() == [Fault.DEVICE_REFUSED]


def test_a_rule_before_the_board_is_ready_is_refused(make_bench):
    bench = make_bench()
    bench.rule(Line.POKE_A, Line.VALVE_A, 25, 1000)
    assert "not ready for a local rule on VALVE_A" in bench.remarks()[0]
    assert bench.written == b""


def test_a_rule_that_the_board_answers_with_an_error_is_told(bench):
    bench.rule(Line.POKE_A, Line.VALVE_A, 25, 1000, settle=False)
    bench.driver.outgoing()
    error = reply(2, Register.LOCAL_RULE, PayloadType.U16, bytes(10), bench.board._device_ns, error=True)
    bench.driver.feed(error, bench.now_ns)
    assert bench.troubles() == [(Fault.DEVICE_REFUSED, Line.VALVE_A, 0)]


def test_a_rule_that_is_never_acknowledged_is_refused_and_cleared_lest_it_stand(bench):
    answers = 0
    bench.rule(Line.POKE_A, Line.VALVE_A, 25, 10_000, settle=False)
    while not bench.faults():  # the board hears it, and its answers are lost
        bench.board.feed(bench.driver.outgoing(), bench.now_ns)
        answers += len(bench.board.outgoing(bench.now_ns))
        bench.now_ns += MS
        bench.driver.poll(bench.now_ns)
    assert answers
    assert bench.troubles() == [(Fault.DEVICE_REFUSED, Line.VALVE_A, 0)]
    bench.run(50)
    bench.poke(0)
    assert bench.pins() == []
    assert bench.driver.state is DeviceState.READY


def test_a_clearing_that_is_never_acknowledged_ends_the_session(make_bench):
    bench = make_bench(host_timeout_ms=2000, keep_alive_ms=900).start()
    bench.rule(Line.POKE_A, Line.VALVE_A, 25, 10_000)
    bench.lose_next = 10**9
    bench.rule(Line.POKE_A, Line.VALVE_A, 25, 0)
    bench.run(100)
    assert bench.driver.fault is Fault.DEVICE_SILENT
    assert "local rule 0 to be cleared" in str(bench.driver.error)


def test_a_late_answer_to_a_rule_is_not_taken_for_that_to_its_clearing(make_bench):
    bench = make_bench(delay_ns=15 * MS).start()  # answers come 30 ms after their request: each is sent twice
    bench.run(1_500)
    bench.rule(Line.POKE_A, Line.VALVE_A, 25, 10_000)
    bench.run(25)
    bench.rule(Line.POKE_A, Line.VALVE_A, 25, 0)  # goes out when the rule is answered, and is lost
    bench.lose_next = 1
    bench.run(200)
    bench.poke(0, ms=100)
    assert bench.pins() == []


def test_a_late_answer_to_a_clearing_is_not_taken_for_the_rules(make_bench):
    bench = make_bench(delay_ns=15 * MS).start()  # answers come 30 ms after their request: each is sent twice
    bench.run(1_000)
    bench.rule(Line.POKE_A, Line.VALVE_A, 25, 10_000)
    bench.run(100)
    stale = bench.driver.counters()["stale_answers"]
    bench.rule(Line.POKE_A, Line.VALVE_A, 25, 10_000)
    bench.run(100)
    assert bench.driver.counters()["stale_answers"] == stale + 2
    bench.poke(0, ms=100)
    assert bench.pins() == [(0, 1), (0, 0)]


def test_rules_written_by_somebody_else_are_none_of_the_drivers(bench):
    stale = bench.driver.counters()["stale_answers"]
    bench.board.feed(write_request(Register.LOCAL_RULE, PayloadType.U16, bytes(8) + b"\x39\x37"), bench.now_ns)
    bench.run(1)
    assert bench.driver.counters()["stale_answers"] == stale + 1

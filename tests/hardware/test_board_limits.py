"""What the reference board refuses, cuts and mutes by itself, and how its driver tells of it."""

import pytest

from hardware.board.registers import Register
from hardware.device import DeviceState
from hardware.harp import Framer, PayloadType, reply
from realtime.records import Fault, Flag, Kind, Line, no_events

MS = 1_000_000
S = 1_000 * MS

# --- the gap


def test_a_pulse_too_soon_after_the_last_one_is_told_by_its_line_and_nothing_is_missing(bench):
    bench.command(Line.VALVE_B, 20, nonce=1)
    bench.run(25)
    bench.command(Line.VALVE_B, 20, nonce=2)
    bench.run(200)
    assert bench.pins() == [(1, 1), (1, 0)]
    assert bench.troubles() == [(Fault.DEVICE_GAP, Line.VALVE_B, 1)]
    assert "VALVE_B" in bench.remarks()[0]
    assert "(min_gap_ms = 10)" in bench.remarks()[0]
    assert bench.driver.counters()["edges_missing"] == 0


def test_the_gap_is_the_rigs(make_bench):
    bench = make_bench(min_gap_ms={Line.VALVE_A: 0, Line.VALVE_B: 300}).start()
    for line, nonce in ((Line.VALVE_A, 1), (Line.VALVE_B, 2), (Line.VALVE_A, 3), (Line.VALVE_B, 4)):
        bench.command(line, 20, nonce)
        bench.run(25)
    assert bench.troubles() == [(Fault.DEVICE_GAP, Line.VALVE_B, 1)]


def test_of_a_common_pulse_the_refused_line_is_named_and_the_other_opens(bench):
    bench.command(Line.VALVE_A, 20, nonce=1)
    bench.run(25)
    bench.command_together((Line.VALVE_A, Line.VALVE_B), 20, nonce=2)
    bench.run(200)
    assert bench.pins() == [(0, 1), (0, 0), (1, 1), (1, 0)]
    assert bench.troubles() == [(Fault.DEVICE_GAP, Line.VALVE_A, 0)]


def test_a_common_pulse_refused_altogether_is_one_fault_of_the_board(bench):
    bench.command_together((Line.VALVE_A, Line.VALVE_B), 20, nonce=1)
    bench.run(25)
    bench.command_together((Line.VALVE_A, Line.VALVE_B), 20, nonce=3)
    bench.run(200)
    assert bench.troubles() == [(Fault.DEVICE_GAP, 0, -1)]
    assert "VALVE_A or VALVE_B" in bench.remarks()[0]


def test_every_refusal_is_told_not_only_the_first(bench):
    bench.command_together((Line.VALVE_A, Line.VALVE_B), 20, nonce=1)
    bench.run(22)
    records = no_events(2)
    records["kind"], records["line"], records["source_seq"] = Kind.COMMAND, (Line.VALVE_A, Line.VALVE_B), (3, 4)
    records["value"] = (15 * MS, 20 * MS)  # two lengths: two requests, one right after the other
    bench.driver.command(records, bench.now_ns)
    bench.run(3)
    bench.command(Line.VALVE_A, 30, nonce=5)
    bench.run(200)
    assert [(code, line) for code, line, _ in bench.troubles()] == [
        (Fault.DEVICE_GAP, Line.VALVE_A), (Fault.DEVICE_GAP, Line.VALVE_B), (Fault.DEVICE_GAP, Line.VALVE_A),
    ]  # fmt: skip


def test_a_refused_pulse_whose_answer_is_lost_is_told_once(bench):
    bench.command(Line.VALVE_A, 20, nonce=1)
    bench.run(25)
    driver, board = bench.driver, bench.board
    bench.command(Line.VALVE_A, 20, nonce=2, settle=False)
    board.feed(driver.outgoing(), bench.now_ns)
    told = board.outgoing(bench.now_ns)
    driver.feed(told[:14], bench.now_ns)  # the fault; the answer after it is lost
    bench.run(200)
    assert bench.troubles() == [(Fault.DEVICE_GAP, Line.VALVE_A, 0)]
    assert driver.counters()["retries"] == 1


@pytest.mark.parametrize(("line", "fault"), [(Line.VALVE_A, Fault.DEVICE_GAP), (Line.LASER_A, Fault.DEVICE_REFUSED)])
def test_a_refusal_whose_fault_is_found_only_after_the_answer_explains_the_pulse_all_the_same(bench, line, fault):
    bench.run((bench.driver._health_due_ns - bench.now_ns) / MS - 30)
    bench.command(Line.VALVE_A, 5, nonce=1)
    bench.run(7)
    driver, board = bench.driver, bench.board
    bench.command(line, 5, nonce=2, settle=False)
    board.feed(driver.outgoing(), bench.now_ns)
    driver.feed(board.outgoing(bench.now_ns)[14:], bench.now_ns)  # the answer; the fault before it is lost
    bench.run(200)
    assert bench.troubles() == [(fault, line, 0)]


def test_a_pulse_that_truly_shows_no_edge_is_still_missing_after_another_was_refused(bench):
    bench.command(Line.VALVE_A, 20, nonce=1)
    bench.run(25)
    bench.command(Line.VALVE_A, 20, nonce=2)
    bench.run(1)
    bench.board.knobs.suppress_edges = True
    bench.command(Line.VALVE_B, 20, nonce=3)
    bench.run(60)
    assert bench.troubles() == [(Fault.DEVICE_GAP, Line.VALVE_A, 0), (Fault.EDGE_MISSING, Line.VALVE_B, 1)]


# --- the duty


def test_a_pulse_that_uses_up_its_time_is_cut_and_the_next_is_refused_by_its_line(make_bench):
    bench = make_bench(duty_ms={Line.VALVE_A: 150}).start()
    for nonce in (1, 2, 3):
        bench.command(Line.VALVE_A, 100, nonce)
        bench.run(200)
    assert [pin for pin in bench.pins() if pin[1]] == [(0, 1)] * 2
    edges = bench.records(Kind.VALVE_ON, Kind.VALVE_OFF)["t_ns"]
    assert edges[3] - edges[2] == pytest.approx(50 * MS, abs=64_000)
    assert bench.troubles() == [(Fault.DEVICE_DUTY, Line.VALVE_A, 0)] * 2
    assert "(duty_ms = 150)" in bench.remarks()[0]
    assert bench.driver.state is DeviceState.READY


def test_an_output_that_is_cut_while_another_pulse_ends_by_itself_is_not_named(make_bench):
    bench = make_bench(duty_ms={Line.VALVE_A: 50}).start()
    bench.command(Line.VALVE_A, 100, nonce=1)
    bench.command(Line.VALVE_B, 49, nonce=2)
    bench.run(200)
    assert bench.troubles() == [(Fault.DEVICE_DUTY, 0, -1)]
    assert "VALVE_A or VALVE_B" in bench.remarks()[0]


def test_a_pulse_that_ended_long_before_is_not_blamed_for_a_refusal(make_bench):
    bench = make_bench(duty_ms={Line.LASER_A: 20}).start()
    bench.command(Line.ARM, 1)
    bench.command(Line.LASER_A, 20, nonce=1)
    bench.run(40)
    bench.command(Line.VALVE_B, 20, nonce=2)
    bench.run(25)
    bench.command(Line.LASER_A, 20, nonce=3)
    bench.run(100)
    assert bench.troubles() == [(Fault.DEVICE_DUTY, Line.LASER_A, 0)]
    assert bench.driver.counters()["edges_missing"] == 0


# --- chatter


@pytest.fixture
def touchy(make_bench):
    """Return a ready bench whose board mutes an input after ten changes in a second."""
    return make_bench(chatter_hz=10).start()


def test_a_muted_beam_is_told_once_by_line_and_animal_with_what_to_do(touchy):
    touchy.chatter(1, 11)
    touchy.run(100)
    assert touchy.troubles() == [(Fault.BEAM_CHATTER, Line.POKE_B, 1)]
    (sentence,) = touchy.remarks()
    assert "POKE_B (pin 1)" in sentence
    assert "more than 10 times" in sentence
    assert "Clean the sensor" in sentence
    touchy.chatter(1, 50)
    assert len(touchy.edges()) == 10
    assert touchy.driver.state is DeviceState.READY


def test_a_beam_that_is_muted_while_broken_is_told_to_be_free(touchy):
    touchy.input(0, True)
    touchy.run(1000)
    touchy.chatter(0, 11)
    assert touchy.edges()[-1] == (Kind.POKE_OUT, Line.POKE_A)
    assert len(touchy.edges()) == 12


def test_two_lines_muted_at_once_are_two_faults_and_the_other_animals_goes_on(make_bench):
    bench = make_bench(chatter_hz=10, delay_ns=2 * MS).start()
    bench.run(200)
    for _ in range(12):
        bench.input(0, True), bench.input(4, True)
        bench.run(0.1)
        bench.input(0, False), bench.input(4, False)
        bench.run(0.1)
    bench.poke(1)
    bench.run(100)
    assert bench.troubles() == [(Fault.BEAM_CHATTER, Line.POKE_A, 0), (Fault.BEAM_CHATTER, Line.LICK_A, 0)]
    assert bench.edges()[-2:] == [(Kind.POKE_IN, Line.POKE_B), (Kind.POKE_OUT, Line.POKE_B)]


def test_a_line_muted_while_another_is_muted_is_told_too(touchy):
    touchy.chatter(0, 11)
    touchy.run(2000)
    touchy.chatter(5, 11)
    touchy.run(2000)
    assert touchy.troubles() == [(Fault.BEAM_CHATTER, Line.POKE_A, 0), (Fault.BEAM_CHATTER, Line.LICK_B, 1)]


def test_a_muted_line_is_listened_to_again_every_ten_seconds_and_only_that_line(touchy):
    touchy.chatter(3, 11)  # nothing is wired there: nobody wants to hear of it
    touchy.chatter(1, 11)
    listening = len(touchy.sent_to(Register.MUTED_INPUTS))
    touchy.run(9_900)
    assert len(touchy.sent_to(Register.MUTED_INPUTS)) == listening
    touchy.run(100)
    assert touchy.sent_to(Register.MUTED_INPUTS)[listening:] == [b"\x02"]
    assert touchy.board._inputs.muted == 8
    assert touchy.edges()[-1] == (Kind.POKE_IN, Line.POKE_B)  # as it stands
    touchy.run(30_000)
    assert len(touchy.sent_to(Register.MUTED_INPUTS)) == listening + 1
    assert touchy.troubles() == [(Fault.BEAM_CHATTER, Line.POKE_B, 1), (Fault.BEAM_STUCK, Line.POKE_B, 1)]
    assert touchy.driver.counters()["muted_unused"] == 1


def test_a_line_that_chatters_on_is_muted_and_told_again(touchy):
    for _ in range(25):
        touchy.chatter(0, 40, every_ms=25)
    assert touchy.troubles() == [(Fault.BEAM_CHATTER, Line.POKE_A, 0)] * 3
    first, second, third = touchy.records(Kind.FAULT)["t_ns"]
    assert 10 * S <= second - first < 11 * S
    assert 10 * S <= third - second < 11 * S


def test_a_board_that_does_not_want_to_listen_is_asked_again_ten_seconds_later(touchy):
    touchy.chatter(0, 11)
    touchy.run(9_950)
    asked = len(touchy.sent_to(Register.MUTED_INPUTS))
    frames = b""
    while Register.MUTED_INPUTS not in [message.address for message in Framer().feed(frames, 0)]:
        touchy.now_ns += MS
        touchy.driver.poll(touchy.now_ns)
        frames += touchy.driver.outgoing()
    refusal = reply(2, Register.MUTED_INPUTS, PayloadType.U8, b"\1", touchy.board._device_ns, error=True)
    touchy.driver.feed(refusal, touchy.now_ns)
    touchy.run(10_100)
    assert len(touchy.sent_to(Register.MUTED_INPUTS)) == asked + 1
    assert touchy.board._inputs.muted == 0


def test_a_line_that_is_asked_for_in_vain_ends_the_session(touchy):
    touchy.chatter(0, 11)
    touchy.run(9_000)
    touchy.board.knobs.silence = True
    touchy.run(2_000)
    assert touchy.driver.fault is Fault.DEVICE_SILENT


def test_a_muted_copy_is_named_as_what_it_is(make_bench):
    bench = make_bench(pins={Line.POKE_A: 0}, copies={Line.LASER_B: 5}, chatter_hz=10).start()
    bench.chatter(5, 11)
    assert bench.troubles() == [(Fault.BEAM_CHATTER, Line.LASER_B, 1)]
    assert "the copy of LASER_B (pin 5)" in bench.remarks()[0]


# --- stuck beams


def test_a_beam_broken_for_too_long_is_told_once_and_again_only_after_it_was_free(make_bench):
    bench = make_bench(stuck_ns=2 * S).start()
    bench.run(37)  # between two keep-alives
    bench.input(1, True)
    broken_ns = bench.now_ns
    bench.run(1500)
    bench.poke(0, ms=499)
    assert bench.troubles() == []
    bench.run(10_000)
    bench.poke(0)
    bench.run(10_000)
    assert bench.troubles() == [(Fault.BEAM_STUCK, Line.POKE_B, 1)]
    assert bench.records(Kind.FAULT)["t_ns"][0] == broken_ns + 2 * S
    assert "POKE_B (pin 1) broken for 2 s" in bench.remarks()[0]
    bench.input(1, False)
    bench.poke(1, ms=1500)
    bench.run(1)
    bench.poke(1, ms=1500)
    assert len(bench.troubles()) == 1
    bench.input(1, True)
    bench.run(2500)
    assert len(bench.troubles()) == 2


def test_a_beam_that_is_stuck_at_the_start_is_told(make_bench):
    bench = make_bench()
    bench.input(0, True)
    bench.start()
    bench.run(31_000)
    assert bench.troubles() == [(Fault.BEAM_STUCK, Line.POKE_A, 0)]


def test_a_tongue_a_copy_and_an_unused_pin_are_no_beams(make_bench):
    bench = make_bench(pins={Line.LICK_A: 4}, copies={Line.LASER_B: 1}, stuck_ns=S).start()
    for pin in (1, 3, 4):
        bench.input(pin, True)
    bench.run(5_000)
    assert bench.troubles() == []


def test_nothing_is_stuck_or_listened_to_after_the_end(make_bench):
    bench = make_bench(stuck_ns=S, chatter_hz=10).start()
    bench.chatter(0, 11)
    bench.input(1, True)
    bench.driver.close(bench.now_ns)
    listening = len(bench.sent_to(Register.MUTED_INPUTS))
    bench.run(20_000)
    assert bench.troubles() == [(Fault.BEAM_CHATTER, Line.POKE_A, 0)]
    assert len(bench.sent_to(Register.MUTED_INPUTS)) == listening


# --- a new driver on the same board


def test_after_a_watchdog_a_new_driver_configures_the_board_anew_and_nothing_is_armed_again(bench):
    bench.command(Line.ARM, 1)
    bench.command(Line.LASER_A, 1000, nonce=1)
    bench.input(0, True)
    bench.run(50)
    bench.now_ns += 700 * MS  # nobody pumps the driver meanwhile
    bench.run(100)
    assert bench.driver.fault is Fault.DEVICE_WATCHDOG
    written = len(bench.written)
    count = bench.driver.last_seq
    bench.restart()
    assert bench.driver.state is DeviceState.READY
    assert not bench.board.armed
    assert bench.board.outputs == 0
    bench.written = bench.written[written:]
    assert bench.sent_to(Register.ARM) == [b"\0"]
    assert len(bench.sent_to(Register.DUTY_MS)) == 1
    bench.run(3_000)
    assert not bench.board.armed
    assert bench.faults() == [Fault.DEVICE_WATCHDOG]
    records = bench.records()
    assert records["source_seq"].tolist() == list(range(1, len(records) + 1))
    anew = records[records["source_seq"] > count]
    assert anew["flags"][0] & Flag.GAP
    held = anew[anew["kind"] == Kind.POKE_IN]
    assert held["flags"].tolist() == [Flag.HELD | Flag.GAP]


def test_after_a_restart_the_first_edge_of_every_line_says_that_some_may_be_missing(bench):
    bench.input(0, True)
    bench.board.reset(bench.now_ns)
    bench.run(200)
    assert bench.driver.fault is Fault.DEVICE_RESET
    bench.input(0, False)  # nobody hears of it
    seen = len(bench.records())
    bench.restart()
    bench.run(300)
    bench.poke(1)
    bench.poke(0)
    bench.command(Line.VALVE_A, 20, nonce=1)
    bench.run(50)
    anew = bench.records()[seen:]
    assert anew["kind"][0] == Kind.CLOCK
    assert anew["flags"][0] == Flag.GAP
    assert not (anew[anew["kind"] == Kind.CLOCK]["flags"][1:]).any()
    edges = anew[anew["kind"] <= Kind.LASER_OFF]
    assert edges["line"].tolist() == [Line.POKE_B] * 2 + [Line.POKE_A] * 2 + [Line.VALVE_A] * 2
    assert edges["flags"].tolist() == [Flag.GAP, 0] * 3


def test_a_driver_that_follows_on_none_flags_nothing(bench):
    bench.poke(0)
    bench.run(1_000)
    assert not bench.records()["flags"].any()


def test_records_that_nobody_has_taken_yet_are_counted_on(bench):
    bench.poke(0)
    count = bench.driver.last_seq
    assert count == bench.records()["source_seq"][-1] > 0
    assert bench.driver.last_seq == count


def test_a_pulse_of_the_driver_before_is_not_taken_for_a_repetition(bench):
    bench.command(Line.VALVE_A, 20, nonce=1)
    bench.run(50)
    bench.driver.close(bench.now_ns)
    bench.restart()
    bench.command(Line.VALVE_A, 20, nonce=1)
    bench.run(50)
    assert len(bench.board.take_edges()) == 4

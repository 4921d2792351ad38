"""The reference board's driver, against the emulated board, in virtual time."""

import pytest

from hardware.board.registers import RULE_WORDS, U16, BootCause, Register
from hardware.device import BadSettings, DeviceState, SilentDevice, WatchdogExpired, WrongDevice
from hardware.harp import Framer, MessageType, PayloadType, crc16, event, reply, write_request
from realtime.records import NEVER_NS, Fault, Flag, Kind, Line, no_events
from tests.hardware.board_bench import EDGES

MS = 1_000_000

# --- starting


def test_an_identified_board_is_configured_disarmed_active_and_ready(bench):
    assert bench.driver.state is DeviceState.READY
    assert bench.driver.fault is None
    assert not bench.board.armed
    assert bench.driver.firmware == "0.1.0"
    assert len(bench.records(Kind.FAULT)) == 0


def test_limits_of_the_rig_are_written_to_the_board(make_bench):
    bench = make_bench(host_timeout_ms=400, max_on_ms={Line.VALVE_B: 90, Line.LASER_A: 5000}).start()
    assert bench.sent_to(Register.HOST_TIMEOUT_MS) == [(400).to_bytes(2, "little")]
    assert bench.sent_to(Register.MAX_ON_MS + 1) == [(90).to_bytes(2, "little")]
    assert bench.sent_to(Register.MAX_ON_MS + 2) == [(5000).to_bytes(2, "little")]


def test_gap_duty_and_chatter_limits_are_the_rigs_where_it_names_them_and_else_the_boards_own(make_bench):
    bench = make_bench(min_gap_ms={Line.VALVE_A: 0}, duty_ms={Line.LASER_B: 60_000}, chatter_hz=1000)
    for register in range(Register.MIN_GAP_MS, Register.CHATTER_LIMIT + 1):
        bench.board._settings[register] = 77  # whatever an earlier session had set
    bench.start()
    settings = bench.board._settings
    assert [settings[Register.MIN_GAP_MS + pin] for pin in range(4)] == [0, 10, 10, 10]
    assert [settings[Register.DUTY_MS + pin] for pin in range(4)] == [10_000, 10_000, 40_000, 60_000]
    assert settings[Register.CHATTER_LIMIT] == 1000


def test_rules_and_mutes_of_an_earlier_session_are_forgotten(make_bench):
    bench = make_bench()
    words = RULE_WORDS.pack(1, 1, 20, 60_000)
    bench.chatter(1, 101)
    rule = write_request(Register.LOCAL_RULE, PayloadType.U16, words + U16.pack(crc16(words)))
    bench.board.feed(rule, bench.now_ns)
    bench.board.outgoing(bench.now_ns)
    bench.start()
    assert bench.board._inputs.muted == 0
    bench.input(0, True)
    assert bench.board.take_edges() == []
    assert bench.edges() == [(Kind.POKE_IN, Line.POKE_B), (Kind.POKE_IN, Line.POKE_A)]


@pytest.mark.parametrize("register", [Register.MIN_GAP_MS, Register.DUTY_MS + 3, Register.CHATTER_LIMIT, 222, 223, 224])
def test_a_limit_that_the_board_does_not_confirm_ends_the_start_by_name(make_bench, register):
    bench = make_bench()
    bench.driver.start(bench.now_ns)
    while bench.driver.state is DeviceState.CONNECTING:
        bench.board.feed(bench.driver.outgoing(), bench.now_ns)
        told = Framer().feed(bench.board.outgoing(bench.now_ns), 0)
        for message in (message for message in told if message.address != register):
            frame = reply(message.type, message.address, message.payload_type, message.payload, message.device_ns)
            bench.driver.feed(frame, bench.now_ns)
        bench.now_ns += MS
        bench.driver.poll(bench.now_ns)
    assert bench.driver.state is DeviceState.FAULTED
    assert bench.faults() == [Fault.DEVICE_REFUSED]


def test_another_device_on_the_port_is_named_and_told_nothing(make_bench):
    bench = make_bench()
    bench.board.knobs.who_am_i = 1216
    bench.start()
    assert bench.driver.state is DeviceState.FAULTED
    assert isinstance(bench.driver.error, WrongDevice)
    assert "Harp Behavior (WhoAmI 1216)" in str(bench.driver.error)
    assert "WhoAmI 3335" in str(bench.driver.error)
    assert bench.faults() == [Fault.DEVICE_REFUSED]
    assert bench.driver.remarks() == [str(bench.driver.error)]
    assert [message.type for message in Framer().feed(bench.written, 0)] == [MessageType.READ]


def test_a_silent_board_is_named_within_three_seconds(make_bench):
    bench = make_bench()
    bench.board.knobs.silence = True
    bench.driver.start(bench.now_ns)
    bench.run(2400)
    assert bench.driver.state is DeviceState.CONNECTING
    bench.run(600)
    assert isinstance(bench.driver.error, SilentDevice)
    assert "sent nothing" in str(bench.driver.error)
    assert bench.driver.fault is Fault.DEVICE_SILENT
    assert bench.driver.due_ns() == NEVER_NS


def test_noise_instead_of_an_answer_is_mentioned(make_bench):
    bench = make_bench()
    bench.board.knobs.silence = True
    bench.driver.start(bench.now_ns)
    bench.driver.feed(b"Hello from a sketch", bench.now_ns)
    bench.run(3000)
    assert "19 bytes that are no Harp frame" in str(bench.driver.error)


def test_a_board_that_boots_for_two_seconds_after_the_port_was_opened_is_waited_for(make_bench):
    bench = make_bench()
    bench.board.reset(bench.now_ns, boot_ns=2_000 * MS)
    bench.driver.start(bench.now_ns)
    bench.run(2200)
    assert bench.driver.state is DeviceState.READY
    assert bench.driver.counters()["boot_cause"] == BootCause.EXTERNAL


def test_a_setting_that_the_board_does_not_take_ends_the_start_by_name(make_bench):
    bench = make_bench()
    bench.driver.start(bench.now_ns)
    bench.driver.feed(bench.board.outgoing(bench.now_ns), bench.now_ns)
    bench.board.feed(bench.driver.outgoing(), bench.now_ns)
    bench.driver.feed(bench.board.outgoing(bench.now_ns), bench.now_ns)  # identified; the first setting is under way
    bench.driver.outgoing()
    refusal = bytes.fromhex("0a 0c 23 ff 12 05000000 0000 0000")
    bench.driver.feed(refusal + bytes((sum(refusal) & 0xFF,)), bench.now_ns)
    assert bench.driver.state is DeviceState.FAULTED
    assert "did not allow register 35 to be set" in str(bench.driver.error)


def test_a_board_that_falls_silent_while_it_is_configured_is_not_waited_for_for_ever(make_bench):
    bench = make_bench()
    bench.driver.start(bench.now_ns)
    bench.board.feed(bench.driver.outgoing(), bench.now_ns)
    bench.driver.feed(bench.board.outgoing(bench.now_ns), bench.now_ns)
    bench.board.knobs.silence = True
    bench.run(1000)
    assert bench.driver.state is DeviceState.FAULTED


def test_a_valve_left_open_by_an_earlier_session_is_closed_and_is_no_reward_of_this_one(make_bench):
    bench = make_bench()
    bench.board.feed(write_request(Register.OUTPUT_STATE, PayloadType.U16, b"\x01\x00"), bench.now_ns)
    bench.board.outgoing(bench.now_ns)
    assert bench.board.outputs == 1
    bench.start()
    assert bench.board.outputs == 0
    assert bench.driver.state is DeviceState.READY
    assert bench.edges() == []


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"pins": {Line.VALVE_A: 2}}, "VALVE_A cannot be on pin 2: use 0 to 1"),
        ({"pins": {Line.LASER_A: 0}}, "LASER_A cannot be on pin 0: use 2 to 3"),
        ({"pins": {Line.LICK_A: 0}}, "LICK_A cannot be on pin 0"),
        ({"pins": {Line.ARM: 0}}, "no pin at all"),
        ({"pins": {Line.POKE_A: 1, Line.POKE_B: 1}}, "share a pin"),
        ({"max_on_ms": {Line.VALVE_A: 2001}}, "takes 1 to 2000"),
        ({"host_timeout_ms": 49}, "takes 50 to 5000"),
        ({"keep_alive_ms": 251}, "at most half"),
        ({"min_gap_ms": {Line.VALVE_A: 60_001}}, "min_gap_ms of VALVE_A is 60001; the board takes 0 to 60000"),
        ({"duty_ms": {Line.LASER_B: 0}}, "duty_ms of LASER_B is 0; the board takes 1 to 60000"),
        ({"chatter_hz": 9}, "chatter_hz is 9; the board takes 10 to 1000"),
        ({"stuck_ns": 0}, "must be above 0"),
        ({"copies": {Line.VALVE_A: 2}}, "VALVE_A is its own output"),
        ({"pins": {}, "copies": {Line.LICK_B: 2}}, "LICK_B is no output"),
        ({"pins": {}, "copies": {Line.ARM: 2}}, "ARM is no output"),
        ({"pins": {}, "copies": {Line.LASER_A: 6}}, "use 0 to 5"),
        ({"pins": {Line.POKE_A: 2}, "copies": {Line.LASER_A: 2}}, "share a pin"),
        ({"pins": {}, "copies": {Line.LASER_A: 4, Line.LASER_B: 4}}, "share a pin"),
    ],
)
def test_a_rig_that_asks_for_what_the_board_has_not_is_refused_before_anything_is_sent(make_bench, settings, sentence):
    with pytest.raises(BadSettings, match=sentence):
        make_bench(**settings)


# --- sensors


def test_pokes_and_licks_are_reported_by_line_and_animal_at_the_boards_own_time(bench):
    bench.run(10)
    poked_ns = bench.now_ns
    bench.board.set_beam(1, True, bench.now_ns)
    bench.run(7)
    bench.board.set_lick(4, True, bench.now_ns)
    bench.board.set_beam(1, False, bench.now_ns)
    bench.board.set_lick(4, False, bench.now_ns)
    bench.run(1)
    assert bench.edges() == [
        (Kind.POKE_IN, Line.POKE_B),
        (Kind.LICK_IN, Line.LICK_A),
        (Kind.POKE_OUT, Line.POKE_B),
        (Kind.LICK_OUT, Line.LICK_A),
    ]
    records = bench.records(*EDGES)
    assert records["animal"].tolist() == [1, 0, 1, 0]
    assert abs(records["t_ns"][0] - poked_ns) <= 32_000
    assert abs(records["t_ns"][1] - poked_ns - 7 * MS) <= 32_000
    assert not records["flags"].any()


def test_a_beam_that_is_broken_before_the_start_is_told_once_and_marked_as_held(make_bench):
    bench = make_bench()
    bench.board.set_beam(0, True, bench.now_ns)
    bench.start()
    assert bench.edges() == [(Kind.POKE_IN, Line.POKE_A)]
    assert bench.records(Kind.POKE_IN)["flags"].tolist() == [Flag.HELD]
    bench.board.set_beam(0, False, bench.now_ns)
    bench.run(1)
    assert bench.edges()[1:] == [(Kind.POKE_OUT, Line.POKE_A)]


def test_a_beam_on_a_pin_that_the_rig_does_not_use_makes_no_record(bench):
    bench.board.set_beam(3, True, bench.now_ns)
    bench.run(1)
    assert bench.edges() == []


def test_pokes_that_arrive_late_keep_their_own_time(make_bench):
    bench = make_bench(delay_ns=4 * MS).start()
    bench.run(500)
    poked_ns = bench.now_ns
    bench.board.set_beam(0, True, bench.now_ns)
    bench.run(10)
    assert abs(bench.records(Kind.POKE_IN)["t_ns"][0] - poked_ns) <= 64_000


def test_a_copy_of_another_devices_output_is_recorded_as_that_output(make_bench):
    pins = {Line.POKE_A: 0, Line.VALVE_A: 1}
    bench = make_bench(pins=pins, copies={Line.LASER_B: 1, Line.VALVE_B: 5}).start()
    bench.poke(5, ms=20)
    bench.poke(1, ms=3)
    assert bench.edges() == [
        (Kind.VALVE_ON, Line.VALVE_B), (Kind.VALVE_OFF, Line.VALVE_B),
        (Kind.LASER_ON, Line.LASER_B), (Kind.LASER_OFF, Line.LASER_B),
    ]  # fmt: skip
    records = bench.records(*EDGES)
    assert records["animal"].tolist() == [1] * 4
    assert records["t_ns"][1] - records["t_ns"][0] == pytest.approx(20 * MS, abs=64_000)


# --- outputs


def test_a_pulse_is_as_long_as_commanded_and_both_edges_come_from_the_board(bench):
    bench.command(Line.VALVE_A, 25, nonce=1)
    bench.run(60)
    edges = bench.board.take_edges()
    assert [(pin, level) for _, pin, level in edges] == [(0, 1), (0, 0)]
    assert edges[1][0] - edges[0][0] == 25 * MS
    records = bench.records(*EDGES)
    assert bench.edges() == [(Kind.VALVE_ON, Line.VALVE_A), (Kind.VALVE_OFF, Line.VALVE_A)]
    assert abs(records["t_ns"] - [edge[0] for edge in edges]).max() <= 32_000
    assert bench.faults() == []


@pytest.mark.parametrize(("asked_ms", "given_ms"), [(0.2, 1), (1.4, 1), (1.5, 2), (24.6, 25), (200.4, 200)])
def test_a_length_is_rounded_to_the_nearest_millisecond_and_is_at_least_one(bench, asked_ms, given_ms):
    bench.command(Line.VALVE_A, asked_ms)
    bench.run(300)
    (on_ns, _, _), (off_ns, _, _) = bench.board.take_edges()
    assert off_ns - on_ns == given_ms * MS


@pytest.mark.parametrize("asked_ms", [200.6, 5000, -3, float("nan"), float("inf")])
def test_an_impossible_length_is_refused_by_name_and_never_shortened(bench, asked_ms):
    bench.command(Line.VALVE_A, asked_ms)
    bench.run(300)
    assert bench.board.take_edges() == []
    assert bench.faults() == [Fault.DEVICE_REFUSED]
    assert bench.records(Kind.FAULT)["line"].tolist() == [Line.VALVE_A]
    assert "max_on_ms = 200" in bench.driver.remarks()[0]


def test_a_line_that_the_board_does_not_have_is_refused(bench):
    bench.command(Line.POKE_A, 10)
    bench.command(77, 10)
    assert bench.faults() == [Fault.DEVICE_REFUSED] * 2


def test_both_valves_of_a_success_open_each_by_its_own_pulse(bench):
    bench.command(Line.VALVE_A, 20, nonce=1)
    bench.command(Line.VALVE_B, 30, nonce=2)
    bench.run(60)
    edges = {(pin, level): time_ns for time_ns, pin, level in bench.board.take_edges()}
    assert edges[0, 0] - edges[0, 1] == 20 * MS
    assert edges[1, 0] - edges[1, 1] == 30 * MS


def test_a_pulse_whose_answer_is_lost_is_repeated_and_fires_once(bench):
    bench.board.knobs.drop = 2 * (13 + 20)  # the ON event and the answer, twice
    bench.command(Line.VALVE_A, 25, nonce=1)
    bench.run(100)
    pulses = bench.sent_to(Register.PULSE_CMD)[1:]
    assert len(pulses) >= 2
    assert len(set(pulses)) == 1
    assert len(bench.board.take_edges()) == 2


def test_pulses_of_one_length_decided_together_open_at_one_instant_by_one_request(bench):
    bench.command_together((Line.VALVE_A, Line.VALVE_B), 25, nonce=1)
    bench.run(60)
    on_a, on_b, off_a, off_b = bench.board.take_edges()
    assert on_a[0] == on_b[0]
    assert off_a[0] == off_b[0] == on_a[0] + 25 * MS
    assert len(bench.sent_to(Register.PULSE_CMD)[1:]) == 1
    assert bench.edges() == [
        (Kind.VALVE_ON, Line.VALVE_A), (Kind.VALVE_ON, Line.VALVE_B),
        (Kind.VALVE_OFF, Line.VALVE_A), (Kind.VALVE_OFF, Line.VALVE_B),
    ]  # fmt: skip


def test_a_lost_request_for_two_valves_is_repeated_and_each_fires_once(bench):
    bench.lose_next = 1
    bench.command_together((Line.VALVE_A, Line.VALVE_B), 25, nonce=1)
    assert bench.board.outputs == 0
    bench.run(100)
    assert len(bench.board.take_edges()) == 4
    assert bench.driver.counters()["retries"] == 1


def test_each_valve_of_a_joint_pulse_that_shows_no_edge_is_reported(bench):
    bench.board.knobs.suppress_edges = True
    bench.command_together((Line.VALVE_A, Line.VALVE_B), 25, nonce=1)
    bench.run(60)
    missing = [(r["value"], r["line"]) for r in bench.records(Kind.FAULT) if r["value"] == Fault.EDGE_MISSING]
    assert missing == [(Fault.EDGE_MISSING, Line.VALVE_A), (Fault.EDGE_MISSING, Line.VALVE_B)]


def test_one_valve_off_among_the_commands_leaves_the_other_its_pulse(bench):
    bench.command(Line.VALVE_A, 100, nonce=1)
    bench.run(5)
    records = no_events(2)
    records["kind"], records["line"], records["source_seq"] = Kind.COMMAND, (Line.VALVE_A, Line.VALVE_B), (2, 3)
    records["value"] = (0, 25 * MS)
    bench.driver.command(records, bench.now_ns)
    bench.run(60)
    assert [(pin, level) for _, pin, level in bench.board.take_edges()] == [(0, 1), (0, 0), (1, 1), (1, 0)]


def test_an_off_after_a_pulse_among_the_commands_takes_back_that_pulse_only(bench):
    records = no_events(3)
    records["kind"], records["source_seq"] = Kind.COMMAND, (1, 2, 3)
    records["line"], records["value"] = (Line.VALVE_A, Line.VALVE_B, Line.VALVE_A), (25 * MS, 25 * MS, 0)
    bench.driver.command(records, bench.now_ns)
    bench.run(60)
    assert bench.pins() == [(1, 1), (1, 0)]


def test_a_pulse_whose_request_is_lost_is_repeated_and_fires_once(bench):
    bench.lose_next = 1
    bench.command(Line.VALVE_A, 25, nonce=1)
    assert bench.board.outputs == 0
    bench.run(100)
    assert bench.edges() == [(Kind.VALVE_ON, Line.VALVE_A), (Kind.VALVE_OFF, Line.VALVE_A)]
    assert bench.driver.counters()["retries"] == 1
    assert bench.faults() == []


def test_a_pulse_that_is_never_answered_is_given_up_by_name_after_three_repetitions(make_bench):
    bench = make_bench(host_timeout_ms=2000, keep_alive_ms=900).start()
    bench.board.knobs.silence = True
    bench.command(Line.VALVE_A, 25, nonce=1)
    bench.run(79)
    assert bench.faults() == []
    bench.run(2)
    assert bench.faults() == [Fault.DEVICE_REFUSED]
    assert len(bench.sent_to(Register.PULSE_CMD)[1:]) == 4
    assert len(bench.board.take_edges()) == 2


def test_the_same_command_record_twice_fires_once_and_is_counted(bench):
    bench.command(Line.VALVE_A, 25, nonce=7)
    bench.command(Line.VALVE_B, 25, nonce=8)
    bench.command(Line.VALVE_A, 25, nonce=7)
    bench.run(100)
    assert len(bench.board.take_edges()) == 4
    assert bench.driver.counters()["duplicate_commands"] == 1


def test_a_new_session_whose_nonces_start_again_is_not_taken_for_a_repetition(make_bench):
    bench = make_bench().start()
    bench.command(Line.VALVE_A, 25, nonce=1)
    bench.run(50)
    bench.driver.close(bench.now_ns)
    bench.run(50)
    bench.board.take_edges()
    second = make_bench()
    second.board, second.now_ns = bench.board, bench.now_ns
    second.start()
    second.command(Line.VALVE_A, 25, nonce=1)
    second.run(50)
    assert len(second.board.take_edges()) == 2


def test_an_acknowledged_pulse_without_an_edge_is_reported_after_fifty_milliseconds(bench):
    bench.board.knobs.suppress_edges = True
    bench.command(Line.VALVE_B, 25, nonce=1)
    bench.run(49)
    assert bench.faults() == []
    bench.run(2)
    assert bench.faults() == [Fault.EDGE_MISSING]
    assert bench.records(Kind.FAULT)["line"].tolist() == [Line.VALVE_B]
    assert bench.edges() == []


def test_a_pulse_that_lengthens_one_still_on_owes_no_second_edge(bench):
    bench.command(Line.VALVE_A, 50, nonce=1)
    bench.run(30)
    bench.command(Line.VALVE_A, 50, nonce=2)
    bench.run(200)
    (on_ns, _, _), (off_ns, _, _) = bench.board.take_edges()
    assert off_ns - on_ns == 80 * MS
    assert bench.faults() == []


def test_a_pulse_that_is_over_before_its_answer_comes_owes_no_edge_either(bench):
    driver, board = bench.driver, bench.board
    bench.command(Line.VALVE_A, 5, nonce=1, settle=False)
    board.feed(driver.outgoing(), bench.now_ns)
    told = board.outgoing(bench.now_ns)
    driver.feed(told[:13], bench.now_ns)  # the ON event; the answer after it is lost
    bench.run(300)
    assert bench.edges() == [(Kind.VALVE_ON, Line.VALVE_A), (Kind.VALVE_OFF, Line.VALVE_A)]
    assert driver.counters()["retries"] == 1
    assert bench.faults() == []


def test_off_ends_a_pulse_at_once(bench):
    bench.command(Line.VALVE_A, 100, nonce=1)
    bench.run(30)
    bench.command(Line.VALVE_A, 0, nonce=2)
    bench.run(10)
    (on_ns, _, _), (off_ns, _, _) = bench.board.take_edges()
    assert off_ns - on_ns == 30 * MS


def test_off_recalls_a_pulse_that_would_otherwise_be_repeated(bench):
    bench.lose_next = 1
    bench.command(Line.VALVE_A, 100, nonce=1)
    bench.command(Line.VALVE_A, 0, nonce=2)
    bench.run(300)
    assert bench.board.take_edges() == []


def test_an_off_that_is_never_acknowledged_ends_the_session_and_the_boards_watchdog_ends_the_pulse(make_bench):
    bench = make_bench(max_on_ms={Line.LASER_A: 10_000}).start()
    bench.command(Line.ARM, 1)
    bench.command(Line.LASER_A, 9_000, nonce=1)
    bench.lose_next = 10**9
    off_ns = bench.now_ns
    bench.command(Line.LASER_A, 0, nonce=2)
    bench.run(2000)
    assert bench.driver.fault is Fault.DEVICE_SILENT
    edges = bench.board.take_edges()
    assert [(pin, level) for _, pin, level in edges] == [(2, 1), (2, 0)]
    assert edges[1][0] - off_ns <= 600 * MS


# --- lasers


def test_a_laser_is_refused_while_disarmed_with_one_fault_and_no_light(bench):
    bench.command(Line.LASER_A, 20, nonce=1)
    bench.run(200)
    assert bench.board.take_edges() == []
    assert bench.faults() == [Fault.DEVICE_REFUSED]
    assert "not armed" in bench.driver.remarks()[0]


def test_every_refused_laser_is_told_not_only_the_first(bench):
    for nonce in (1, 2, 3):
        bench.command(Line.LASER_B, 20, nonce=nonce)
        bench.run(100)
    assert bench.faults() == [Fault.DEVICE_REFUSED] * 3


def test_an_armed_laser_fires_and_a_disarmed_one_goes_dark(bench):
    bench.command(Line.ARM, 1)
    assert bench.board.armed
    bench.command(Line.LASER_A, 500, nonce=1)
    bench.run(100)
    bench.command(Line.ARM, 0)
    bench.run(10)
    (on_ns, pin, _), (off_ns, _, _) = bench.board.take_edges()
    assert (pin, off_ns - on_ns) == (2, 100 * MS)
    assert not bench.board.armed


def test_an_open_interlock_cuts_the_light_disarms_and_refuses_to_arm(bench):
    bench.command(Line.ARM, 1)
    bench.command(Line.LASER_A, 500, nonce=1)
    bench.run(40)
    bench.board.set_interlock(False, bench.now_ns)
    bench.run(20)
    assert bench.edges() == [(Kind.LASER_ON, Line.LASER_A), (Kind.LASER_OFF, Line.LASER_A)]
    bench.command(Line.ARM, 1)
    bench.run(20)
    assert bench.faults() == [Fault.DEVICE_INTERLOCK, Fault.DEVICE_REFUSED]
    assert not bench.board.armed
    bench.board.set_interlock(True, bench.now_ns)
    bench.run(100)
    assert not bench.board.armed
    assert bench.driver.state is DeviceState.READY


# --- safety and the end


def test_safe_goes_ahead_of_a_pulse_that_is_waiting_and_takes_its_place(bench):
    bench.command(Line.VALVE_A, 100, nonce=1, settle=False)
    bench.driver.safe(bench.now_ns)
    first, second = Framer().feed(bench.driver.outgoing(), 0)
    assert (first.address, first.value) == (Register.OUTPUT_CLEAR, 0x0F)
    assert (second.address, second.value) == (Register.ARM, 0)


def test_safe_recalls_pulses_that_would_otherwise_be_repeated(bench):
    bench.lose_next = 1
    bench.command(Line.VALVE_A, 100, nonce=1)
    bench.command(Line.VALVE_B, 100, nonce=2)
    bench.driver.safe(bench.now_ns)
    bench.run(300)
    assert bench.board.take_edges() == []
    assert bench.faults() == []


def test_safe_is_repeated_until_the_board_has_heard_it(bench):
    bench.command(Line.VALVE_A, 200, nonce=1)
    bench.lose_next = 1
    bench.driver.safe(bench.now_ns)
    bench.run(60)
    assert bench.board.outputs == 0


def test_closing_leaves_the_board_dark_disarmed_and_in_standby(bench):
    bench.command(Line.ARM, 1)
    bench.command(Line.LASER_A, 500, nonce=1)
    bench.driver.close(bench.now_ns)
    bench.run(200)
    assert bench.driver.state is DeviceState.CLOSED
    assert bench.board.outputs == 0
    assert not bench.board.armed
    bench.board.set_beam(0, True, bench.now_ns)
    bench.run(2000)
    assert bench.edges() == [(Kind.LASER_ON, Line.LASER_A), (Kind.LASER_OFF, Line.LASER_A)]
    assert bench.faults() == []


def test_a_closed_driver_refuses_commands(bench):
    bench.driver.close(bench.now_ns)
    bench.command(Line.VALVE_A, 10)
    bench.run(100)
    assert bench.board.take_edges() == []
    assert bench.faults() == [Fault.DEVICE_REFUSED]


def test_a_driver_that_has_not_started_refuses_commands_and_sends_nothing(make_bench):
    bench = make_bench()
    bench.command(Line.VALVE_A, 10)
    bench.driver.safe(bench.now_ns)
    assert bench.written == b""
    assert bench.faults() == [Fault.DEVICE_REFUSED]


def test_three_unanswered_keep_alives_end_the_session_and_then_the_watchdog_ends_the_pulse(bench):
    bench.command(Line.ARM, 1)
    bench.command(Line.LASER_A, 1000, nonce=1)
    bench.board.knobs.silence = True
    bench.lose_next = 10**9
    bench.run(450)
    assert bench.driver.state is DeviceState.FAULTED
    assert bench.faults() == [Fault.DEVICE_SILENT]
    bench.run(600)
    edges = bench.board.take_edges()
    assert [(pin, level) for _, pin, level in edges] == [(2, 1), (2, 0)]
    assert edges[1][0] - edges[0][0] <= 600 * MS


def test_two_unanswered_keep_alives_are_forgiven_and_counted(bench):
    bench.board.knobs.drop = 2 * 13
    bench.run(2000)
    assert bench.driver.state is DeviceState.READY
    assert bench.driver.counters()["missed_pings"] == 2


def test_a_host_that_was_too_busy_finds_the_boards_watchdog_expired_and_never_arms_again(bench):
    bench.command(Line.ARM, 1)
    bench.command(Line.LASER_A, 1000, nonce=1)
    fired_ns = bench.now_ns
    bench.board.advance(bench.now_ns + 700 * MS)  # nobody pumps the driver meanwhile
    bench.now_ns += 700 * MS
    bench.run(100)
    assert isinstance(bench.driver.error, WatchdogExpired)
    assert bench.edges() == [(Kind.LASER_ON, Line.LASER_A), (Kind.LASER_OFF, Line.LASER_A)]
    assert abs(bench.records(Kind.LASER_OFF)["t_ns"][0] - fired_ns - 500 * MS) < MS
    bench.command(Line.ARM, 1)
    bench.run(100)
    assert not bench.board.armed
    assert bench.faults() == [Fault.DEVICE_WATCHDOG, Fault.DEVICE_REFUSED]


def test_a_board_that_restarts_is_a_fault_and_is_not_configured_or_armed_again(bench):
    bench.command(Line.ARM, 1)
    bench.run(50)
    bench.board.reset(bench.now_ns)
    bench.run(1000)
    assert bench.driver.fault is Fault.DEVICE_RESET
    assert bench.faults() == [Fault.DEVICE_RESET]
    assert not bench.board.armed
    bench.command(Line.VALVE_A, 10)
    bench.run(100)
    assert bench.board.take_edges() == []


def test_a_restart_shows_in_the_first_word_the_board_says_after_it(bench):
    bench.board.reset(bench.now_ns)
    bench.command(Line.VALVE_A, 100, nonce=1)
    assert bench.driver.fault is Fault.DEVICE_RESET
    assert bench.board.outputs == 0


def test_a_clock_that_jumps_forward_is_a_fault_too(bench):
    bench.board.feed(write_request(8, PayloadType.U32, (1000).to_bytes(4, "little")), bench.now_ns)
    bench.run(200)
    assert bench.faults() == [Fault.DEVICE_RESET]


def test_the_first_fatal_error_is_the_one_remembered(bench):
    bench.board.reset(bench.now_ns)
    bench.run(200)
    bench.board.knobs.silence = True
    bench.run(5000)
    assert bench.faults() == [Fault.DEVICE_RESET]


def test_a_laser_left_on_beyond_its_limit_is_cut_by_the_board_and_told_each_time(make_bench):
    bench = make_bench(max_on_ms={Line.VALVE_A: 100}).start()
    for nonce in (1, 3):
        bench.command(Line.VALVE_A, 80, nonce=nonce)
        bench.run(60)
        bench.command(Line.VALVE_A, 80, nonce=nonce + 1)
        bench.run(200)
    edges = bench.board.take_edges()
    assert [edges[1][0] - edges[0][0], edges[3][0] - edges[2][0]] == [100 * MS, 100 * MS]
    told = [(int(one["value"]), int(one["line"]), int(one["animal"])) for one in bench.records(Kind.FAULT)]
    assert told == [(Fault.DEVICE_MAX_ON, Line.VALVE_A, 0)] * 2
    assert bench.driver.state is DeviceState.READY


def test_a_fault_that_is_read_while_it_is_being_cleared_is_told_again_when_it_comes_again(make_bench):
    bench = make_bench(delay_ns=4 * MS).start()
    bench.run(200)
    bench.run(bench.driver._health_due_ns / MS - bench.now_ns / MS + 2)  # the question for faults is on its way
    for _ in range(2):
        bench.board.set_interlock(False, bench.now_ns)
        bench.run(100)
        bench.board.set_interlock(True, bench.now_ns)
    assert bench.faults() == [Fault.DEVICE_INTERLOCK] * 2


def test_a_driver_that_gave_up_while_the_clock_was_set_pings_no_more(make_bench):
    bench = make_bench(delay_ns=160 * MS)  # requests are repeated in time, three pings are not answered in time
    bench.driver.start(bench.now_ns)
    bench.run(20_000)
    assert bench.driver.fault is Fault.DEVICE_SILENT
    assert len(bench.sent_to(Register.KEEP_ALIVE)) == 3


def test_two_pulses_refused_one_after_the_other_are_both_told(bench):
    records = no_events(2)
    records["kind"], records["line"], records["value"] = Kind.COMMAND, (Line.LASER_A, Line.LASER_B), (10 * MS, 20 * MS)
    bench.driver.command(records, bench.now_ns)
    bench.run(200)
    assert bench.troubles() == [(Fault.DEVICE_REFUSED, Line.LASER_A, 0), (Fault.DEVICE_REFUSED, Line.LASER_B, 1)]


# --- the wire


def test_a_bench_whose_bytes_come_one_at_a_time_behaves_the_same(make_bench):
    bench = make_bench()
    bench.driver.start(bench.now_ns)
    while bench.driver.state is DeviceState.CONNECTING:
        bench.driver.poll(bench.now_ns)
        for byte in bench.driver.outgoing():
            bench.board.feed(bytes((byte,)), bench.now_ns)
        for byte in bench.board.outgoing(bench.now_ns):
            bench.now_ns += 10_000
            bench.driver.feed(bytes((byte,)), bench.now_ns)
    assert bench.driver.state is DeviceState.READY
    assert bench.driver.counters()["garbage_bytes"] == 0


def test_garbage_before_an_event_loses_nothing_and_is_reported(bench):
    bench.board.knobs.garbage = b"\x00\x99\xfe"
    bench.board.set_beam(0, True, bench.now_ns)
    bench.run(3100)
    assert bench.edges() == [(Kind.POKE_IN, Line.POKE_A)]
    assert bench.faults() == [Fault.GARBAGE]
    assert bench.driver.counters()["garbage_bytes"] == 3


def test_garbage_that_looks_like_a_header_delays_an_event_by_a_few_milliseconds_only(bench):
    bench.board.knobs.garbage = b"\x03\x28\x20\xff\x11"
    bench.board.set_beam(0, True, bench.now_ns)
    bench.run(6)
    assert bench.edges() == [(Kind.POKE_IN, Line.POKE_A)]


@pytest.mark.parametrize("lost_bytes", [1, 7, 13])
def test_a_lost_event_is_noticed_within_a_second_and_the_beams_are_read_anew(bench, lost_bytes):
    bench.board.knobs.drop = lost_bytes
    bench.board.set_beam(0, True, bench.now_ns)
    bench.run(1100)
    assert Fault.DEVICE_OVERFLOW in bench.faults()
    assert bench.driver.counters()["lost_events"] == 1
    overflow = bench.records(Kind.FAULT)[bench.records(Kind.FAULT)["value"] == Fault.DEVICE_OVERFLOW]
    assert overflow["flags"].tolist() == [Flag.GAP]
    assert bench.edges() == [(Kind.POKE_IN, Line.POKE_A)]
    assert bench.records(Kind.POKE_IN)["flags"].tolist() == [Flag.GAP]


def test_a_corrupted_event_is_dropped_counted_and_made_good(bench):
    bench.board.knobs.corrupt = 9
    bench.board.set_beam(0, True, bench.now_ns)
    bench.run(1100)
    assert sorted(bench.faults()) == [Fault.DEVICE_OVERFLOW, Fault.GARBAGE]
    assert bench.edges() == [(Kind.POKE_IN, Line.POKE_A)]


def test_an_event_lost_and_undone_leaves_a_gap_on_the_next_edge(bench):
    bench.board.knobs.drop = 26
    bench.board.set_beam(0, True, bench.now_ns)
    bench.board.set_beam(0, False, bench.now_ns)
    bench.run(1100)
    assert bench.edges() == []
    bench.board.set_beam(1, True, bench.now_ns)
    bench.board.set_beam(1, False, bench.now_ns)
    bench.run(1)
    assert bench.records(Kind.POKE_IN, Kind.POKE_OUT)["flags"].tolist() == [Flag.GAP, 0]
    assert bench.driver.counters()["lost_events"] == 2


def test_an_event_that_comes_twice_is_one_edge_and_no_loss(bench):
    bench.board.knobs.duplicate = 1
    bench.board.set_beam(0, True, bench.now_ns)
    bench.run(2100)
    assert bench.edges() == [(Kind.POKE_IN, Line.POKE_A)]
    assert bench.faults() == []
    assert bench.driver.counters()["repeated_events"] == 1


def test_a_truncated_request_is_the_boards_to_report_and_the_pulse_is_repeated(bench):
    bench.command(Line.VALVE_A, 10, nonce=1)
    bench.run(50)
    bench.board.feed(bytes.fromhex("02 0c d0 ff 02 01 00"), bench.now_ns)  # half a PulseCmd, from nowhere
    bench.command(Line.VALVE_B, 10, nonce=2)
    bench.run(100)
    assert bench.edges()[2:] == [(Kind.VALVE_ON, Line.VALVE_B), (Kind.VALVE_OFF, Line.VALVE_B)]
    assert bench.driver.state is DeviceState.READY


def test_messages_of_no_use_are_ignored_and_counted(bench):
    before = bench.driver.counters()["ignored_messages"]
    bench.driver.feed(write_request(201, PayloadType.U8, b"\0"), bench.now_ns)  # no stamp: not from a board
    bench.driver.feed(event(99, PayloadType.U8, b"\0", 6_000_000_000), bench.now_ns)
    assert bench.driver.counters()["ignored_messages"] == before + 2


def test_a_late_answer_is_not_taken_for_another_pings(make_bench):
    bench = make_bench(delay_ns=70 * MS, keep_alive_ms=100).start()  # the answer comes 140 ms after its ping
    bench.run(5000)
    assert bench.driver.counters()["late_pings"] > 0
    assert bench.driver.counters()["clock_epochs"] == 0
    assert bench.driver.fault is None


# --- the clock


def test_every_keep_alive_is_answered_by_a_watermark_that_nothing_later_undercuts(make_bench):
    bench = make_bench(delay_ns=200_000, keep_alive_ms=200).start()
    for step in range(50):
        bench.board.set_beam(0, step % 2 == 0, bench.now_ns)
        bench.run(137)
    records = bench.records()
    assert len(bench.records(Kind.CLOCK)) == pytest.approx(50 * 137 / 200, abs=2)
    watermark = 0
    for record in records:
        if record["kind"] == Kind.CLOCK:
            watermark = record["t_ns"]
            assert record["value"] > 0
        else:
            assert record["t_ns"] > watermark


def test_an_event_that_shares_the_stamp_of_the_watermark_before_it_is_still_later(bench):
    bench.run(bench.driver._keep_alive.due_ns / MS - bench.now_ns / MS)  # answered at this very instant
    watermark_ns = bench.records(Kind.CLOCK)["t_ns"][-1]
    bench.board.set_beam(0, True, bench.now_ns)
    bench.run(0)
    assert bench.records(Kind.POKE_IN)["t_ns"].tolist() == [watermark_ns + 1]


@pytest.mark.parametrize("ppm", [100.0, -100.0])
def test_on_a_drifting_board_edges_are_told_within_a_tenth_of_a_millisecond(make_bench, ppm):
    bench = make_bench(delay_ns=150_000)
    bench.board.knobs.clock_ppm = ppm
    bench.start()
    bench.run(30_000)
    truth = []
    for step in range(40):
        truth.append(bench.now_ns)
        bench.board.set_beam(0, step % 2 == 0, bench.now_ns)
        bench.run(33.3)
    errors = bench.records(Kind.POKE_IN, Kind.POKE_OUT)["t_ns"] - truth
    assert abs(errors).max() < 100_000
    assert bench.driver.counters()["clock_epochs"] == 0


def test_records_are_numbered_without_gaps_and_leave_the_loops_fields_alone(bench):
    bench.command(Line.VALVE_A, 10, nonce=1)
    bench.board.set_beam(0, True, bench.now_ns)
    bench.run(1000)
    records = bench.records()
    assert records["source_seq"].tolist() == list(range(1, len(records) + 1))
    assert set(records["source"]) == {2}
    assert not records["seq"].any()
    assert not records["arrival_ns"].any()

"""What the firmware must never do, and what it must always do, seen at its pins and in its own stamps.

Everything is judged on cycles of the chip, 62.5 ns each, and on the stamps of the board: wall time does not enter.
"""

import random

import pytest

from hardware.board.registers import (
    ALL_OUTPUTS,
    ARM_KEY,
    DEFAULTS,
    MODE_STANDBY,
    BootCause,
    FaultBit,
    Register,
)
from hardware.firmware.build import Programs
from hardware.firmware.simavr import CYCLES_PER_MS
from hardware.harp import CoreRegister, MessageType, PayloadType, read_request, write_request
from tests.firmware.bench import (
    CYCLES_PER_US,
    LASER_A,
    LASER_B,
    VALVE_A,
    VALVE_B,
    Firmware,
    pulse_frame,
    rule_frame,
    write_frame,
)

WIDTH_ERROR_MS = 0.048
INTERLOCK_CUT_US = 20
INTERLOCK_CUT_BUSY_US = 150
INTERLOCK_CUT_RULES_US = 300
RULE_LATENCY_US = 100
STAMP_ERROR_US = 80
CHIP_WATCHDOG_MS = 140


def cut_off_after_ms(board: Firmware) -> float:
    """Return how long after the last byte written everything went off; it must be on before, and stay off."""
    board.mark()
    board.run(700)
    edges = board.edges()
    assert edges, "nothing went off"
    assert all(level == 0 for _, _, level in edges), edges
    assert board.board.outputs == 0
    return (edges[-1][0] - board.written_to_cycle) / CYCLES_PER_MS


# --- boot


def test_the_board_boots_dark_disarmed_and_in_standby(programs: Programs) -> None:
    with Firmware(programs, active=False) as board:
        assert board.edges() == []
        assert board.board.boots_cycles == [(0, BootCause.POWER)]
        assert board.get(Register.OUTPUT_STATE) == 0
        assert board.get(Register.ARM) == 0
        assert board.get(CoreRegister.OPERATION_CONTROL) & 3 == MODE_STANDBY
        assert board.get(Register.BOOT_CAUSE) == BootCause.POWER
        assert board.faults() == 0


def test_the_board_boots_with_the_limits_that_the_register_table_says(programs: Programs) -> None:
    with Firmware(programs, active=False) as board:
        assert {address: board.get(address) for address in DEFAULTS} == DEFAULTS


def test_a_reset_switches_off_disarms_and_restarts_the_clock(board: Firmware) -> None:
    board.arm()
    board.set(Register.MAX_ON_MS, 2000)
    board.set(Register.OUTPUT_STATE, VALVE_A | LASER_A)
    board.run(300)
    before = board.ask(read_request(CoreRegister.WHO_AM_I, PayloadType.U16))
    board.board.reset(board.now_ns)
    board.run(3)
    assert board.board.outputs == 0
    boot_cycle = board.board.boots_cycles[-1][0]
    assert board.edges()[-2:] == [(boot_cycle, 0, 0), (boot_cycle, 2, 0)]
    after = board.ask(read_request(CoreRegister.WHO_AM_I, PayloadType.U16))
    assert before.device_ns > 300_000_000 > after.device_ns
    assert board.get(Register.ARM) == 0
    assert board.get(CoreRegister.OPERATION_CONTROL) & 3 == MODE_STANDBY
    assert board.get(Register.MAX_ON_MS) == DEFAULTS[Register.MAX_ON_MS]
    assert board.get(Register.BOOT_CAUSE) == BootCause.EXTERNAL


def test_after_a_reset_the_board_sees_its_inputs_as_they_are(board: Firmware) -> None:
    board.beam(2)
    board.board.reset(board.now_ns)
    board.run(3)
    assert board.get(Register.DIGITAL_INPUT_STATE) == 0b100
    board.arm()  # the interlock is still closed
    board.interlock(False)
    board.board.reset(board.now_ns)
    board.run(3)
    board.ask(write_frame(Register.ARM, ARM_KEY))
    assert board.get(Register.ARM) == 0


def test_the_reset_register_restarts_the_board_through_the_chips_watchdog(board: Firmware) -> None:
    board.set(Register.OUTPUT_STATE, VALVE_B)
    board.feed(write_frame(CoreRegister.RESET_DEVICE, 1))
    asked_at = board.written_to_cycle
    board.run(60)
    boot_cycle, cause = board.board.boots_cycles[-1]
    assert cause & BootCause.WATCHDOG
    assert 0 < boot_cycle - asked_at < 40 * CYCLES_PER_MS
    assert board.edges(1)[-1][2] == 0
    assert board.edges(1)[-1][0] < boot_cycle
    assert board.get(Register.BOOT_CAUSE) & BootCause.WATCHDOG


# --- longest time on


def test_an_output_that_is_set_for_ever_goes_off_at_its_longest_time(board: Firmware) -> None:
    board.mark()
    board.set(Register.OUTPUT_STATE, VALVE_A)
    board.live(300)
    assert board.widths_ms(0) == [pytest.approx(200, abs=WIDTH_ERROR_MS)]
    assert board.faults() == FaultBit.MAX_ON
    assert [m.value for m in board.events(Register.FAULT)] == [FaultBit.MAX_ON]


def test_an_output_without_pulse_length_goes_off_at_its_longest_time(board: Firmware) -> None:
    board.set(Register.OUTPUT_PULSE_ENABLE, 0)
    board.mark()
    board.set(Register.OUTPUT_SET, VALVE_B)
    board.live(300)
    assert board.widths_ms(1) == [pytest.approx(200, abs=WIDTH_ERROR_MS)]
    assert board.faults() == FaultBit.MAX_ON


def test_a_pulse_longer_than_the_longest_time_is_cut_there(board: Firmware) -> None:
    board.arm()
    board.mark()
    board.pulse(LASER_A, 5000, 1)
    board.live(1100)
    assert board.widths_ms(2) == [pytest.approx(1000, abs=WIDTH_ERROR_MS)]
    assert board.faults() == FaultBit.MAX_ON


def test_a_pulse_that_is_lengthened_again_and_again_still_ends_at_its_longest_time(board: Firmware) -> None:
    board.set(Register.MIN_GAP_MS, 1000)
    board.mark()
    for nonce in range(1, 8):
        board.pulse(VALVE_A, 60, nonce)
        board.run(40)
    assert board.widths_ms(0) == [pytest.approx(200, abs=WIDTH_ERROR_MS)]
    assert board.faults() & FaultBit.MAX_ON


def test_switching_on_what_is_on_does_not_start_its_longest_time_anew(board: Firmware) -> None:
    board.set(Register.MIN_GAP_MS, 1000)
    board.mark()
    for _ in range(6):
        board.set(Register.OUTPUT_STATE, VALVE_A)
        board.run(50)
    assert board.widths_ms(0) == [pytest.approx(200, abs=WIDTH_ERROR_MS)]


def test_a_step_of_the_boards_clock_does_not_lengthen_a_pulse(board: Firmware) -> None:
    board.mark()
    board.set(Register.OUTPUT_STATE, VALVE_A)
    for seconds in (1000, 5, 4_000_000_000):
        board.run(30)
        board.set(CoreRegister.TIMESTAMP_SECONDS, seconds)
    board.live(200)
    assert board.widths_ms(0) == [pytest.approx(200, abs=WIDTH_ERROR_MS)]


@pytest.mark.parametrize(
    ("register", "value"),
    [
        (Register.MAX_ON_MS, 0),
        (Register.MAX_ON_MS, 2001),
        (Register.MAX_ON_MS + 2, 10001),
        (Register.MIN_GAP_MS, 60001),
        (Register.DUTY_MS, 0),
        (Register.DUTY_MS, 60001),
        (Register.CHATTER_LIMIT, 9),
        (Register.CHATTER_LIMIT, 1001),
        (Register.HOST_TIMEOUT_MS, 0),
        (Register.HOST_TIMEOUT_MS, 49),
        (Register.HOST_TIMEOUT_MS, 5001),
        (Register.PULSE_MS, 0),
    ],
)
def test_a_limit_outside_its_range_is_refused_and_the_old_one_holds(board: Firmware, register: int, value: int) -> None:
    assert board.refuses(register, value)
    assert board.get(register) == DEFAULTS[register]


def test_a_limit_that_is_lowered_holds_for_what_is_on(board: Firmware) -> None:
    board.mark()
    board.set(Register.OUTPUT_STATE, VALVE_A | VALVE_B)
    board.run(30)
    board.set(Register.MAX_ON_MS, 60)
    board.set(Register.DUTY_MS + 1, 40)
    board.live(200)
    assert board.widths_ms(0) == [pytest.approx(60, abs=WIDTH_ERROR_MS)]
    assert board.widths_ms(1) == [pytest.approx(40, abs=WIDTH_ERROR_MS)]
    assert board.faults() == FaultBit.MAX_ON | FaultBit.DUTY


def test_a_pulse_that_ends_by_itself_at_its_limit_raises_no_fault(board: Firmware) -> None:
    board.mark()
    board.pulse(VALVE_A, 200, 1)
    board.live(300)
    assert board.widths_ms(0) == [pytest.approx(200, abs=WIDTH_ERROR_MS)]
    assert board.faults() == 0


# --- the host's watchdog


def test_a_silent_host_switches_everything_off_after_500_ms(board: Firmware) -> None:
    board.arm()
    board.set(Register.MAX_ON_MS + 1, 2000)
    board.set(Register.OUTPUT_STATE, VALVE_B | LASER_A)
    assert cut_off_after_ms(board) == pytest.approx(501, abs=1.2)
    assert board.get(Register.ARM) == 0
    assert board.get(CoreRegister.OPERATION_CONTROL) & 3 == MODE_STANDBY
    assert board.faults() == FaultBit.WATCHDOG


def test_the_shortest_timeout_of_50_ms_holds(board: Firmware) -> None:
    board.set(Register.OUTPUT_STATE, VALVE_B)
    board.set(Register.HOST_TIMEOUT_MS, 50)
    assert cut_off_after_ms(board) == pytest.approx(51, abs=1.2)


def test_garbage_and_broken_frames_do_not_keep_the_board_alive(board: Firmware) -> None:
    board.set(Register.MAX_ON_MS, 2000)
    board.set(Register.OUTPUT_STATE, VALVE_A)
    last_valid = board.written_to_cycle
    broken = bytearray(write_frame(Register.KEEP_ALIVE, 1))
    broken[-1] ^= 1
    board.mark()
    for _ in range(12):
        board.feed(bytes(range(256))[3:60])
        board.run(10)
        board.feed(bytes(broken))
        board.run(40)
    assert [level for _, _, level in board.edges(0)] == [0]
    assert (board.edges(0)[0][0] - last_valid) / CYCLES_PER_MS == pytest.approx(501, abs=1.2)


def test_a_living_host_keeps_the_board_armed_and_active(board: Firmware) -> None:
    board.arm()
    board.live(1500, every_ms=450)
    assert board.get(Register.ARM) == 1
    assert board.get(CoreRegister.OPERATION_CONTROL) & 3 == 1
    assert board.faults() == 0


# --- arm and interlock


def test_no_command_lights_a_laser_while_disarmed(board: Firmware) -> None:
    board.mark()
    board.pulse(LASER_A, 20, 1)
    board.set(Register.OUTPUT_SET, LASER_B)
    board.set(Register.OUTPUT_STATE, LASER_A | LASER_B)
    board.rule(0, beams=1, outputs=LASER_A, ms=20, window_ms=100)
    board.beam(0)
    board.run(50)
    assert board.edges() == []
    assert board.faults() == FaultBit.DISARMED


def test_a_valve_opens_though_the_laser_asked_for_with_it_is_refused(board: Firmware) -> None:
    board.mark()
    board.pulse(VALVE_A | LASER_A, 20, 1)
    board.run(50)
    assert [pin for _, pin, _ in board.edges()] == [0, 0]


@pytest.mark.parametrize("key", [1, 0x5A, 0xFF, ARM_KEY ^ 1])
def test_a_wrong_key_does_not_arm(board: Firmware, key: int) -> None:
    board.ask(write_frame(Register.ARM, key))
    assert board.get(Register.ARM) == 0


def test_arming_needs_a_closed_interlock(board: Firmware) -> None:
    board.interlock(False)
    board.ask(write_frame(Register.ARM, ARM_KEY))
    assert board.get(Register.ARM) == 0


def test_disarming_switches_a_laser_off_and_leaves_a_valve(board: Firmware) -> None:
    board.arm()
    board.mark()
    board.set(Register.OUTPUT_STATE, VALVE_A | LASER_A)
    board.set(Register.ARM, 0)
    assert board.board.outputs == VALVE_A


def interlock_cuts_us(board: Firmware, n: int) -> list[float]:
    """Light a laser and open the interlock, at ever other moments of the firmware's work; return the times it took."""
    board.set(Register.MIN_GAP_MS + 2, 0)
    cuts = []
    for turn in range(n):
        board.interlock(True)
        board.arm()
        board.pulse(LASER_A, 900, turn + 1)
        assert board.board.outputs == LASER_A
        board.feed(write_frame(Register.KEEP_ALIVE, 0) * (turn % 3))  # so that it also comes while bytes do
        board.run(0.02 + turn * 0.0131, step_ms=1)
        opened = board.interlock(False)
        assert board.board.outputs == 0, "an open interlock leaves the light on"
        cuts.append((board.edges(2)[-1][0] - opened) / CYCLES_PER_US)
    return cuts


def test_an_open_interlock_cuts_the_light_within_20_us(board: Firmware) -> None:
    assert 0 < max(interlock_cuts_us(board, 40)) < INTERLOCK_CUT_US


def cut_us_at(board: Firmware, frame: bytes, after_us: float) -> float:
    """Open the interlock a while after the last bit of a command, with a laser on; return how long the light stayed."""
    board.interlock(True)
    board.arm()
    board.pulse(LASER_A, 900, board.board.cycle & 0xFFFF)
    board.run(2)
    board.feed(frame)
    cycles = board.written_to_cycle - board.board.cycle + after_us * CYCLES_PER_US
    board.run(cycles / CYCLES_PER_MS)
    opened = board.interlock(False)
    board.run(1)
    assert board.board.outputs & (LASER_A | LASER_B) == 0
    (cut, *_) = [cycle for cycle, pin, level in board.edges(2) if cycle >= opened and level == 0]
    board.run(8)
    return (cut - opened) / CYCLES_PER_US


def test_an_open_interlock_cuts_soon_wherever_the_firmware_is(board: Firmware) -> None:
    for pin in range(4):
        board.set(Register.MIN_GAP_MS + pin, 0)
        board.set(Register.DUTY_MS + pin, 60000)
    cuts = [cut_us_at(board, pulse_frame(ALL_OUTPUTS, 5, turn), turn * 8.3) for turn in range(1, 50)]
    cuts += [cut_us_at(board, pulse_frame(VALVE_A | VALVE_B, 2, turn), 2050 + turn * 8.3) for turn in range(1, 50)]
    assert 0 < max(cuts) < INTERLOCK_CUT_BUSY_US


def test_an_open_interlock_cuts_soon_though_both_rules_have_just_fired(board: Firmware) -> None:
    cuts = []
    for pin in range(4):
        board.set(Register.MIN_GAP_MS + pin, 0)
    for turn in range(30):
        board.interlock(True)
        board.arm()
        for which in range(2):
            board.rule(which, beams=1, outputs=ALL_OUTPUTS, ms=30 + which, window_ms=100)
        board.board.set_input(0, True, board.now_ns)
        board.run(turn * 0.0113)
        opened = board.interlock(False)
        board.run(1)
        assert board.board.outputs & (LASER_A | LASER_B) == 0
        cuts += [(cycle - opened) / CYCLES_PER_US for cycle, pin, level in board.edges(2)[-1:] if not level]
        board.run(40)
        board.beam(0, broken=False)
    assert 0 < max(cuts) < INTERLOCK_CUT_RULES_US


def test_light_stays_off_after_the_interlock_closed_until_it_is_armed_again(board: Firmware) -> None:
    board.arm()
    board.pulse(LASER_A, 800, 1)
    board.interlock(False)
    assert board.faults() == FaultBit.INTERLOCK
    board.mark()
    board.interlock(True)
    board.pulse(LASER_A, 20, 2)
    board.run(30)
    assert board.edges() == []
    assert board.get(Register.ARM) == 0
    board.arm()
    board.pulse(LASER_A, 20, 3)
    board.run(30)
    assert board.widths_ms(2) == [pytest.approx(20, abs=WIDTH_ERROR_MS)]


# --- commands


def test_a_repeated_nonce_is_acknowledged_and_does_nothing(board: Firmware) -> None:
    board.mark()
    board.pulse(VALVE_A, 10, 77)
    board.run(40)
    board.pulse(VALVE_A, 10, 77)
    board.run(40)
    assert len(board.widths_ms(0)) == 1
    board.pulse(VALVE_A, 10, 78)
    board.run(40)
    assert len(board.widths_ms(0)) == 2


def test_a_pulse_of_nothing_only_sets_the_nonce(board: Firmware) -> None:
    board.mark()
    board.pulse(0, 1, 5)
    board.pulse(VALVE_A, 10, 5)
    board.run(40)
    assert board.edges() == []


@pytest.mark.parametrize(
    "frame", [pulse_frame(VALVE_A, 10, 9, crc_error=1), pulse_frame(VALVE_A, 0, 9)], ids=["wrong CRC", "no length"]
)
def test_a_pulse_with_a_wrong_crc_or_no_length_is_refused(board: Firmware, frame: bytes) -> None:
    board.mark()
    answer = board.ask(frame)
    assert answer is not None
    assert answer.type == MessageType.WRITE_ERROR
    board.run(30)
    assert board.edges() == []
    board.pulse(VALVE_A, 10, 9)  # and its nonce was not used up
    assert board.board.outputs == VALVE_A


def test_the_board_finds_its_way_back_after_garbage(board: Firmware) -> None:
    board.feed(b"\x02\xff\x01\x22" * 20)
    board.run(10)
    assert board.get(CoreRegister.WHO_AM_I) == 3335


def test_half_a_packet_costs_at_most_one_request(board: Firmware) -> None:
    board.feed(write_frame(Register.OUTPUT_STATE, VALVE_A)[:5])
    board.ask(write_frame(Register.KEEP_ALIVE, 1))
    assert board.ask(write_frame(Register.KEEP_ALIVE, 2)) is not None
    assert board.edges() == []


def test_half_a_packet_is_given_up_after_a_pause(board: Firmware) -> None:
    board.feed(write_frame(Register.OUTPUT_STATE, VALVE_A)[:5])
    board.run(6)
    assert board.ask(write_frame(Register.KEEP_ALIVE, 2)) is not None
    assert board.faults() & ~FaultBit.CHECKSUM == 0
    assert board.edges() == []


def test_no_flipped_bit_ever_opens_an_output(board: Firmware) -> None:
    draw = random.Random(1)
    board.arm()
    board.mark()
    for turn in range(200):
        frames = (write_frame(Register.OUTPUT_SET, VALVE_A), pulse_frame(LASER_A | VALVE_B, 10, 1000 + turn))
        frame = bytearray(frames[turn % 2])
        frame[draw.randrange(len(frame))] ^= 1 << draw.randrange(8)
        board.feed(bytes(frame))
        board.run(7, step_ms=7)
        if turn % 10 == 9:
            board.ask(write_frame(Register.KEEP_ALIVE, 0))
    assert board.edges() == []
    assert board.get(Register.ARM) == 1


def test_a_frame_with_a_bad_checksum_is_counted_and_told(board: Firmware) -> None:
    broken = bytearray(write_frame(Register.OUTPUT_STATE, VALVE_A))
    broken[-1] ^= 0x10
    board.feed(bytes(broken))
    board.run(10)
    assert board.get(Register.ERROR_COUNTERS) & 0xFFFF == 1
    assert board.faults() == FaultBit.CHECKSUM


def test_an_unknown_register_and_a_wrong_type_are_refused(board: Firmware) -> None:
    for frame in (
        read_request(199, PayloadType.U8),
        write_request(Register.OUTPUT_STATE, PayloadType.U8, b"\1"),
        write_request(Register.OUTPUT_STATE, PayloadType.U16, b"\1\0\1\0"),
    ):
        answer = board.ask(frame)
        assert answer is not None
        assert answer.is_error
    assert board.edges() == []


def test_the_event_counter_shows_bytes_that_were_lost_on_the_wire(board: Firmware) -> None:
    before = board.get(Register.EVENT_COUNT)
    board.mark()
    board.board.knobs.drop = 16
    for turn in range(10):
        board.beam(0, turn % 2 == 0)
        board.run(5)
    heard = len(board.events(Register.DIGITAL_INPUT_STATE))
    assert heard == 8
    assert board.get(Register.EVENT_COUNT) - before == 10


def test_what_happened_before_an_answer_is_told_before_it(board: Firmware) -> None:
    board.rule(0, beams=1, outputs=LASER_A | VALVE_B, ms=5, window_ms=100)
    board.mark()
    board.beam(0)
    board.set(Register.OUTPUT_STATE, VALVE_A)
    told = [(m.address, m.value) for m in board.heard]
    assert told == [
        (Register.DIGITAL_INPUT_STATE, 1),
        (Register.OUTPUT_EVENT, VALVE_B),
        (Register.FAULT, FaultBit.DISARMED),
        (Register.OUTPUT_EVENT, 0),
        (Register.OUTPUT_EVENT, VALVE_A),
        (Register.OUTPUT_STATE, VALVE_A),
    ]


# --- gap, duty


def test_a_pulse_too_soon_after_the_last_one_is_acknowledged_and_does_not_happen(board: Firmware) -> None:
    board.set(Register.MIN_GAP_MS, 50)
    board.mark()
    board.pulse(VALVE_A, 10, 1)
    board.run(30)
    board.pulse(VALVE_A, 10, 2)
    board.run(30)
    assert len(board.widths_ms(0)) == 1
    assert board.faults() == FaultBit.GAP
    board.run(10)
    board.pulse(VALVE_A, 10, 3)
    board.run(30)
    assert len(board.widths_ms(0)) == 2


def test_a_gap_comes_out_at_least_as_long_as_was_set(board: Firmware) -> None:
    board.set(Register.MIN_GAP_MS, 20)
    board.mark()
    for nonce in range(1, 100):
        board.pulse(VALVE_A, 1, nonce)
        board.run(1.3, step_ms=1)
    edges = board.edges(0)
    gaps = [on[0] - off[0] for off, on in zip(edges[1::2], edges[2::2], strict=False)]
    assert len(gaps) > 2
    assert min(gaps) >= 20 * CYCLES_PER_MS


def test_a_local_rule_keeps_the_gap_too(board: Firmware) -> None:
    board.set(Register.MIN_GAP_MS, 100)
    board.pulse(VALVE_A, 10, 1)
    board.run(20)
    board.mark()
    board.rule(0, beams=1, outputs=VALVE_A, ms=10, window_ms=50)
    board.beam(0)
    board.run(20)
    assert board.edges() == []
    assert board.faults() == FaultBit.GAP


def test_an_output_is_cut_where_its_duty_is_used_up_and_then_refused(board: Firmware) -> None:
    board.set(Register.DUTY_MS, 30)
    board.mark()
    for nonce in range(1, 5):
        board.pulse(VALVE_A, 20, nonce)
        board.run(40)
    assert board.widths_ms(0) == [pytest.approx(20, abs=WIDTH_ERROR_MS), pytest.approx(10, abs=WIDTH_ERROR_MS)]
    assert board.faults() == FaultBit.DUTY
    assert sum(board.widths_ms(0)) <= 30 + WIDTH_ERROR_MS
    board.pulse(VALVE_B, 20, 9)  # the others have their own
    assert board.board.outputs == VALVE_B


def test_light_that_is_set_for_ever_is_cut_by_its_duty(board: Firmware) -> None:
    board.set(Register.DUTY_MS + 2, 50)
    board.arm()
    board.mark()
    board.set(Register.OUTPUT_STATE, LASER_A)
    board.live(200)
    assert board.widths_ms(2) == [pytest.approx(50, abs=WIDTH_ERROR_MS)]
    assert board.faults() == FaultBit.DUTY


def test_duty_that_was_used_up_comes_back_after_a_minute_and_not_before(board: Firmware) -> None:
    board.set(Register.DUTY_MS, 20)
    board.set(Register.HOST_TIMEOUT_MS, 5000)
    board.mark()
    board.pulse(VALVE_A, 20, 1)
    second = board.board.cycle // (1000 * CYCLES_PER_MS)
    for _ in range(15):
        board.run(3900, step_ms=100)
        board.ask(write_frame(Register.KEEP_ALIVE, 0))
    board.pulse(VALVE_A, 20, 2)
    assert board.board.cycle // (1000 * CYCLES_PER_MS) - second < 60
    assert len(board.widths_ms(0)) == 1
    board.run(2500, step_ms=100)
    board.pulse(VALVE_A, 20, 3)
    board.run(30)
    assert board.widths_ms(0) == [pytest.approx(20, abs=WIDTH_ERROR_MS)] * 2


# --- inputs


def chatter(board: Firmware, pin: int, n_edges: int) -> None:
    """Change an input ``n_edges`` times, every 0.5 ms."""
    for turn in range(n_edges):
        board.board.set_input(pin, turn % 2 == 0, board.now_ns)
        board.run(0.5, step_ms=0.5)


def wait_for_second(board: Firmware) -> None:
    """Let time pass until a new second of the board's clock has just begun; it must not have been reset."""
    board.run(1000 - board.ms_since(board.board.boots_cycles[-1][0]) % 1000 + 2, step_ms=20)
    board.set(CoreRegister.OPERATION_CONTROL, 1)


def test_an_input_that_chatters_is_muted_at_its_limit_and_told(board: Firmware) -> None:
    board.set(Register.CHATTER_LIMIT, 20)
    wait_for_second(board)
    board.mark()
    chatter(board, 1, 40)
    assert len(board.events(Register.DIGITAL_INPUT_STATE)) in {20, 21}
    assert board.get(Register.MUTED_INPUTS) == 0b10
    assert board.faults() & FaultBit.CHATTER
    assert board.get(Register.DIGITAL_INPUT_STATE) == 0


def test_edges_up_to_the_limit_mute_nothing(board: Firmware) -> None:
    board.set(Register.CHATTER_LIMIT, 20)
    for _ in range(2):
        wait_for_second(board)
        chatter(board, 1, 20)
    assert board.get(Register.MUTED_INPUTS) == 0
    assert board.faults() & FaultBit.CHATTER == 0


def test_a_muted_input_fires_no_rule_and_the_others_go_on(board: Firmware) -> None:
    board.set(Register.CHATTER_LIMIT, 10)
    wait_for_second(board)
    chatter(board, 0, 30)
    board.rule(0, beams=0b11, outputs=VALVE_A, ms=5, window_ms=500)
    board.mark()
    board.beam(0)
    board.run(5)
    assert board.edges() == []
    board.beam(1)
    board.run(10)
    assert board.widths_ms(0) == [pytest.approx(5, abs=WIDTH_ERROR_MS)]
    assert [m.value for m in board.events(Register.DIGITAL_INPUT_STATE)] == [0b10]


def test_a_muted_input_that_is_broken_is_told_as_an_edge_when_it_is_listened_to_again(board: Firmware) -> None:
    board.set(Register.CHATTER_LIMIT, 10)
    wait_for_second(board)
    chatter(board, 4, 31)  # ends touched
    board.mark()
    board.set(Register.MUTED_INPUTS, 0b01_0000)
    board.run(2)
    assert board.get(Register.MUTED_INPUTS) == 0
    assert [m.value for m in board.events(Register.DIGITAL_INPUT_STATE)] == [0b01_0000]
    board.beam(4, broken=False)
    board.run(2)
    assert [m.value for m in board.events(Register.DIGITAL_INPUT_STATE)] == [0b01_0000, 0]


def test_every_input_is_its_own_bit(board: Firmware) -> None:
    for pin in range(6):
        board.beam(pin)
        board.run(1)
        assert board.get(Register.DIGITAL_INPUT_STATE) == 1 << pin
        board.beam(pin, broken=False)
        board.run(1)


# --- local rules


def test_a_rule_fires_in_the_interrupt_that_saw_the_beam_and_only_once(board: Firmware) -> None:
    latencies_us = []
    for turn in range(10):
        board.rule(0, beams=1, outputs=VALVE_A, ms=5, window_ms=100)
        board.mark()
        board.run(turn * 0.317)
        broken = board.beam(0)
        board.run(20)
        (on, _) = board.edges(0)
        latencies_us.append((on[0] - broken) / CYCLES_PER_US)
        board.beam(0, broken=False)
        board.beam(0)
        board.beam(0, broken=False)
        board.run(20)
        assert board.widths_ms(0) == [pytest.approx(5, abs=WIDTH_ERROR_MS)]
        board.rule(0, beams=1, outputs=VALVE_A, ms=5, window_ms=0)
    assert 0 < max(latencies_us) < RULE_LATENCY_US
    assert board.faults() == 0


def test_a_rule_that_is_written_again_while_its_window_lasts_fires_no_second_time(board: Firmware) -> None:
    board.rule(0, beams=1, outputs=VALVE_A, ms=5, window_ms=100)
    board.mark()
    board.beam(0)
    board.run(30)
    board.beam(0, broken=False)
    board.rule(0, beams=1, outputs=VALVE_A, ms=5, window_ms=100)
    board.beam(0)
    board.run(80)
    assert len(board.widths_ms(0)) == 1
    board.beam(0, broken=False)
    board.rule(0, beams=1, outputs=VALVE_A, ms=5, window_ms=100)  # the first window is over: it is a new one
    board.beam(0)
    board.run(30)
    assert len(board.widths_ms(0)) == 2


def test_a_rule_is_over_when_its_window_is(board: Firmware) -> None:
    board.rule(0, beams=1, outputs=VALVE_A, ms=5, window_ms=30)
    board.mark()
    board.run(31)
    board.beam(0)
    board.run(20)
    assert board.edges() == []


def test_a_rule_tells_what_is_left_of_its_window(board: Firmware) -> None:
    board.rule(1, beams=3, outputs=VALVE_A | VALVE_B, ms=5, window_ms=30)
    board.run(9.6, step_ms=0.1)
    answer = board.ask(read_request(Register.LOCAL_RULE + 1, PayloadType.U16))
    words = [int.from_bytes(answer.payload[at : at + 2], "little") for at in range(0, 10, 2)]
    assert words[:3] == [3, VALVE_A | VALVE_B, 5]
    assert 18 <= words[3] <= 21
    assert words[4] == 0
    board.beam(0)
    answer = board.ask(read_request(Register.LOCAL_RULE + 1, PayloadType.U16))
    assert answer.payload[6:8] == b"\0\0"


def test_a_broken_beam_must_be_restored_before_a_rule_sees_it(board: Firmware) -> None:
    board.beam(0)
    board.rule(0, beams=1, outputs=VALVE_A, ms=5, window_ms=100)
    board.mark()
    board.run(10)
    board.beam(0, broken=False)
    board.run(10)
    assert board.edges() == []
    board.beam(0)
    assert board.board.outputs == VALVE_A


@pytest.mark.parametrize(
    "frame",
    [
        rule_frame(0, 1, VALVE_A, 5, 100, crc_error=1),
        rule_frame(0, 0, VALVE_A, 5, 100),
        rule_frame(0, 1, 0, 5, 100),
        rule_frame(0, 1, VALVE_A, 0, 100),
    ],
    ids=["wrong CRC", "no beam", "no output", "no length"],
)
def test_a_rule_that_is_none_is_refused(board: Firmware, frame: bytes) -> None:
    answer = board.ask(frame)
    assert answer is not None
    assert answer.type == MessageType.WRITE_ERROR
    board.mark()
    board.beam(0)
    board.run(10)
    assert board.edges() == []


@pytest.mark.parametrize("ended_by", ["window 0", "disarm", "interlock", "watchdog", "standby"])
def test_a_rule_is_cleared_by(board: Firmware, ended_by: str) -> None:
    board.arm()
    board.rule(0, beams=1, outputs=VALVE_A, ms=5, window_ms=5000)
    match ended_by:
        case "window 0":
            board.rule(0, beams=1, outputs=VALVE_A, ms=5, window_ms=0)
        case "disarm":
            board.set(Register.ARM, 0)
        case "interlock":
            board.interlock(False)
            board.interlock(True)
        case "watchdog":
            board.run(520)
            board.set(CoreRegister.OPERATION_CONTROL, 1)
        case "standby":
            board.set(CoreRegister.OPERATION_CONTROL, 0)
            board.set(CoreRegister.OPERATION_CONTROL, 1)
    board.mark()
    board.beam(0)
    board.run(20)
    assert board.edges() == []


def test_a_rule_lights_a_laser_only_while_armed(board: Firmware) -> None:
    board.arm()
    board.rule(0, beams=2, outputs=LASER_B, ms=5, window_ms=100)
    board.mark()
    board.beam(1)
    board.run(10)
    assert board.widths_ms(3) == [pytest.approx(5, abs=WIDTH_ERROR_MS)]


# --- times


def test_200_pulses_are_as_long_as_was_asked(board: Firmware) -> None:
    board.set(Register.MIN_GAP_MS, 0)
    board.set(Register.DUTY_MS, 60000)
    board.mark()
    for nonce in range(1, 201):
        board.pulse(VALVE_A, 5, nonce)
        board.run(4.7 + nonce * 0.0071, step_ms=2)
        board.run(0.9)
    widths = board.widths_ms(0)
    assert len(widths) == 200
    assert max(abs(width - 5) for width in widths) <= WIDTH_ERROR_MS


def test_pokes_and_outputs_are_stamped_on_one_clock_within_80_us(board: Firmware) -> None:
    late_us = []  # the same for all, but for the 32 us of a stamp's unit and what the interrupts take
    for turn in range(1, 31):
        board.run(15 + turn * 0.0173)
        board.mark()
        broken = board.beam(0, turn % 2 == 1)
        board.pulse(VALVE_A, 3, turn)
        board.run(5)
        cycles = [broken] + [cycle for cycle, _, _ in board.edges(0)]
        stamps = board.events(Register.DIGITAL_INPUT_STATE) + board.events(Register.OUTPUT_EVENT)
        late_us += [m.device_ns / 1000 - at / CYCLES_PER_US for m, at in zip(stamps, cycles, strict=True)]
    assert len(late_us) == 90
    assert max(late_us) - min(late_us) < STAMP_ERROR_US


def test_no_received_byte_is_lost_while_everything_happens_at_once(board: Firmware) -> None:
    board.arm()
    board.set(Register.CHATTER_LIMIT, 1000)
    board.rule(0, beams=0x0F, outputs=ALL_OUTPUTS, ms=3, window_ms=5000)
    for turn in range(40):
        board.feed(write_frame(Register.KEEP_ALIVE, turn) * 3)
        for pin in range(6):
            board.board.set_input(pin, turn % 2 == 0, board.now_ns)
        board.run(1.03, step_ms=0.2)
    board.run(20)
    assert board.board.lost_bytes == 0
    assert board.get(Register.ERROR_COUNTERS) == 0
    assert board.faults() == 0
    kept_alive = [m for m in board.heard if m.type == MessageType.WRITE and m.address == Register.KEEP_ALIVE]
    assert len(kept_alive) == 120


# --- the chip's own watchdog


def test_a_program_that_hangs_is_reset_by_the_chip_and_everything_goes_off(board: Firmware) -> None:
    board.set(Register.MAX_ON_MS, 2000)
    board.set(Register.OUTPUT_STATE, VALVE_A)
    board.run(50)
    board.mark()
    hung_at = board.board.cycle
    board.board.hang(board.now_ns, interrupts=False)
    board.run(200)
    boot_cycle, cause = board.board.boots_cycles[-1]
    assert cause & BootCause.WATCHDOG
    assert (boot_cycle - hung_at) / CYCLES_PER_MS < CHIP_WATCHDOG_MS
    assert [level for _, _, level in board.edges(0)] == [0]
    assert board.edges(0)[0][0] <= boot_cycle
    assert board.get(Register.BOOT_CAUSE) & BootCause.WATCHDOG
    assert board.get(Register.ARM) == 0


@pytest.mark.parametrize("after_us", [0, 2, 5, 10, 20])
def test_a_main_program_that_hangs_still_ends_its_pulses_in_time(board: Firmware, after_us: int) -> None:
    board.mark()
    board.pulse(VALVE_A, 30, 1)
    board.board.set_input(0, True, board.now_ns)  # it may hang when an interrupt has just begun
    board.now_ns += after_us * 1000
    board.board.hang(board.now_ns, interrupts=True)
    board.run(200)
    assert board.widths_ms(0) == [pytest.approx(30, abs=WIDTH_ERROR_MS)]
    assert board.board.boots_cycles[-1][1] & BootCause.WATCHDOG

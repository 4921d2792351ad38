"""The emulated reference board at its registers: what the firmware promises, without a driver."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.board.registers import (
    ALL_OUTPUTS,
    DUTY_SECONDS,
    LASER_OUTPUTS,
    PULSE_WORDS,
    RULE_WORDS,
    U16,
    BootCause,
    FaultBit,
    Register,
    payload_type,
)
from hardware.device import NoSuchPin
from hardware.emulators.board_parts import Knobs
from hardware.emulators.drifting_clock import DriftingClock
from hardware.emulators.reference_board import EmulatedBoard, create
from hardware.harp import CoreRegister, Framer, MessageType, PayloadType, crc16, read_request, write_request
from realtime.records import NEVER_NS

MS = 1_000_000
S = 1_000_000_000


def ask(board, request, now_ns):
    """Every message that the board sends in answer to (and since the last) request."""
    board.feed(request, now_ns)
    return Framer().feed(board.outgoing(now_ns), 0)


def write(board, address, value, now_ns=0):
    kind = payload_type(address)
    return ask(board, write_request(address, kind, value.to_bytes(kind, "little")), now_ns)


def read(board, address, now_ns=0):
    return ask(board, read_request(address, payload_type(address)), now_ns)[-1].value


def pulse_request(mask, length_ms, nonce, spoil=0):
    words = PULSE_WORDS.pack(mask, length_ms, nonce)
    return write_request(Register.PULSE_CMD, PayloadType.U16, words + U16.pack(crc16(words) ^ spoil))


def pulse(board, mask, length_ms, nonce, now_ns=0):
    return ask(board, pulse_request(mask, length_ms, nonce), now_ns)


def rule_request(beams, outputs, length_ms, window_ms, which=0, spoil=0):
    words = RULE_WORDS.pack(beams, outputs, length_ms, window_ms)
    return write_request(Register.LOCAL_RULE + which, PayloadType.U16, words + U16.pack(crc16(words) ^ spoil))


def rule(board, beams, outputs, length_ms, window_ms, now_ns=0, which=0):
    """Write a local rule; what the board answers: beams, outputs, ms, and what is left of the window."""
    answer = ask(board, rule_request(beams, outputs, length_ms, window_ms, which), now_ns)[-1]
    assert answer.type == MessageType.WRITE
    return RULE_WORDS.unpack_from(answer.payload)


def left_ms(board, now_ns, which=0):
    """What is left of a rule's window."""
    content = ask(board, read_request(Register.LOCAL_RULE + which, PayloadType.U16), now_ns)[-1].payload
    assert content[8:] == bytes(2)
    return RULE_WORDS.unpack_from(content)[3]


def live(board, from_ns, until_ns):
    """Let a board live, with a host that pings it."""
    for now_ns in range(from_ns, until_ns, 400 * MS):
        write(board, Register.KEEP_ALIVE, 0, now_ns)
    board.advance(until_ns)


def activate(board, now_ns=0):
    return ask(board, write_request(CoreRegister.OPERATION_CONTROL, PayloadType.U8, b"\x01"), now_ns)


def lengths(board):
    """How long each output was on, by pin, in order."""
    since, spans = {}, []
    for time_ns, pin, level in board.take_edges():
        if level:
            since[pin] = time_ns
        else:
            spans.append((pin, time_ns - since.pop(pin)))
    return spans


@pytest.mark.parametrize(
    ("address", "kind", "size"),
    [
        *[(address, PayloadType.U8, 1) for address in (1, 2, 3, 4, 5, 6, 7, 10, 11, 14, 15)],
        (0, PayloadType.U16, 2),
        (8, PayloadType.U32, 4),
        (9, PayloadType.U16, 2),
        (12, PayloadType.U8, 25),
        (13, PayloadType.U16, 2),
        (16, PayloadType.U8, 16),
        (17, PayloadType.U8, 8),
        (18, PayloadType.U16, 2),
        (19, PayloadType.U8, 32),
        (32, PayloadType.U8, 1),
        (45, PayloadType.U16, 2),
        (206, PayloadType.U16, 2),
        (208, PayloadType.U16, 8),
        (210, PayloadType.U16, 8),
        *[(address, PayloadType.U16, 2) for address in range(213, 222)],
        (222, PayloadType.U8, 1),
        (223, PayloadType.U16, 10),
        (224, PayloadType.U16, 10),
    ],
)
def test_every_register_answers_with_its_own_type_and_size_and_a_stamp(address, kind, size):
    (answer,) = ask(EmulatedBoard(0, 3 * S), read_request(address, kind), 0)
    assert (answer.type, answer.address) == (MessageType.READ, address)
    assert (answer.payload_type, len(answer.payload)) == (kind, size)
    assert answer.device_ns == 3 * S


def test_an_unknown_register_is_answered_with_an_error():
    (answer,) = ask(EmulatedBoard(), read_request(99, PayloadType.U8), 0)
    assert answer.type == MessageType.READ_ERROR


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(write_request(Register.ARM, PayloadType.U16, b"\xa5\x00"), id="wrong type"),
        pytest.param(write_request(Register.PULSE_CMD, PayloadType.U16, b"\x01\x00"), id="too short"),
        pytest.param(write_request(Register.EVENT_COUNT, PayloadType.U16, b"\x01\x00"), id="read-only"),
        pytest.param(write_request(Register.HOST_TIMEOUT_MS, PayloadType.U16, b"\x00\x00"), id="watchdog off"),
        pytest.param(write_request(Register.MAX_ON_MS, PayloadType.U16, U16.pack(2001)), id="valve for ever"),
        pytest.param(write_request(Register.MAX_ON_MS + 3, PayloadType.U16, U16.pack(10001)), id="laser for ever"),
        pytest.param(pulse_request(1, 10, 1, spoil=1), id="wrong CRC"),
        pytest.param(pulse_request(1, 0, 1), id="pulse without length"),
        pytest.param(write_request(CoreRegister.WHO_AM_I, PayloadType.U16, b"\x01\x00"), id="identity"),
        pytest.param(write_request(Register.MIN_GAP_MS, PayloadType.U16, U16.pack(60001)), id="gap over a minute"),
        pytest.param(write_request(Register.DUTY_MS + 3, PayloadType.U16, U16.pack(0)), id="no time at all"),
        pytest.param(write_request(Register.DUTY_MS, PayloadType.U16, U16.pack(60001)), id="more than a minute"),
        pytest.param(write_request(Register.CHATTER_LIMIT, PayloadType.U16, U16.pack(9)), id="a lick is no chatter"),
        pytest.param(write_request(Register.CHATTER_LIMIT, PayloadType.U16, U16.pack(1001)), id="noise is no poke"),
        pytest.param(write_request(Register.FAULT, PayloadType.U8, b"\xff"), id="half of the faults"),
        pytest.param(rule_request(1, 1, 10, 100, spoil=1), id="rule with a wrong CRC"),
        pytest.param(rule_request(0x30, 1, 10, 100), id="rule without a beam"),
        pytest.param(rule_request(1, 0x10, 10, 100), id="rule without an output"),
        pytest.param(rule_request(1, 1, 0, 100), id="rule without a length"),
    ],
)
def test_a_bad_write_is_answered_with_an_error_and_changes_nothing(request_bytes):
    board = EmulatedBoard()
    (answer,) = ask(board, request_bytes, 0)
    assert answer.type == MessageType.WRITE_ERROR
    assert not board.armed
    assert board.take_edges() == []
    assert read(board, Register.HOST_TIMEOUT_MS) == 500
    assert [read(board, Register.MAX_ON_MS + pin) for pin in range(4)] == [200, 200, 1000, 1000]
    assert [read(board, Register.MIN_GAP_MS + pin) for pin in range(4)] == [10, 10, 10, 10]
    assert [read(board, Register.DUTY_MS + pin) for pin in range(4)] == [10000, 10000, 40000, 40000]
    assert read(board, Register.CHATTER_LIMIT) == 100
    assert left_ms(board, 0) == 0


def test_a_keep_alive_is_echoed():
    (answer,) = write(EmulatedBoard(), Register.KEEP_ALIVE, 0x5A)
    assert answer.payload == b"\x5a"


@pytest.mark.parametrize("step_ns", [1, 7 * MS, 24_999_999, 25 * MS, 3 * S])
def test_a_pulse_ends_at_its_exact_time_whenever_the_board_is_asked(step_ns):
    board = EmulatedBoard(0, device_ns=10 * S)
    pulse(board, 1, 25, 1)
    board.advance(step_ns)
    board.advance(3 * S)
    assert lengths(board) == [(0, 25 * MS)]
    off = Framer().feed(board.outgoing(3 * S), 0)[0]
    assert (off.address, off.value) == (Register.OUTPUT_EVENT, 0)
    assert off.device_ns == (10 * S + 25 * MS) // 32_000 * 32_000


def test_a_pulse_is_exact_on_the_boards_own_clock_even_when_that_runs_fast():
    board = EmulatedBoard(knobs=Knobs(clock_ppm=100.0))
    pulse(board, 1, 200, 1)
    board.advance(S)
    ((_, length_ns),) = lengths(board)
    assert abs(length_ns - 200 * MS / 1.0001) <= 1


def test_the_time_that_the_board_names_is_when_it_acts():
    board = EmulatedBoard()
    pulse(board, 1, 25, 1)
    assert board.due_ns() == 25 * MS
    board.advance(25 * MS - 1)
    assert board.outputs == 1
    board.advance(25 * MS)
    assert board.outputs == 0
    assert board.due_ns() == NEVER_NS


def test_the_events_of_what_a_request_did_come_before_its_answer():
    assert [message.address for message in pulse(EmulatedBoard(), 1, 25, 1)] == [
        Register.OUTPUT_EVENT,
        Register.PULSE_CMD,
    ]


def test_the_same_nonce_is_acknowledged_and_fires_once():
    board = EmulatedBoard()
    first, again = pulse(board, 1, 10, 5), pulse(board, 1, 10, 5, 50 * MS)
    assert first[-1].payload == again[-1].payload
    assert lengths(board) == [(0, 10 * MS)]
    pulse(board, 1, 10, 6, 60 * MS)
    assert board.outputs == 1


def test_a_longer_pulse_is_cut_at_the_longest_time_on_and_raises_a_fault():
    board = EmulatedBoard()
    pulse(board, 1, 300, 1)
    board.advance(400 * MS)
    assert lengths(board) == [(0, 200 * MS)]
    assert read(board, Register.FAULT, 400 * MS) == FaultBit.MAX_ON


def test_pulses_that_lengthen_each_other_are_cut_at_the_same_limit():
    board = EmulatedBoard()
    for step in range(10):
        pulse(board, 1, 100, step + 1, step * 50 * MS)
    assert lengths(board)[0] == (0, 200 * MS)


def test_an_output_switched_on_without_a_length_is_cut_too():
    board = EmulatedBoard()
    write(board, Register.OUTPUT_STATE, 3)
    board.advance(S)
    assert lengths(board) == [(0, 200 * MS), (1, 200 * MS)]


def test_output_set_pulses_what_is_enabled_and_clear_ends_it():
    board = EmulatedBoard()
    write(board, Register.OUTPUT_PULSE_ENABLE, 1)
    write(board, Register.PULSE_MS, 40)
    write(board, Register.OUTPUT_SET, 3)
    write(board, Register.OUTPUT_CLEAR, 2, 10 * MS)
    board.advance(S)
    assert sorted(lengths(board)) == [(0, 40 * MS), (1, 10 * MS)]


def test_the_watchdog_turns_everything_off_at_its_time_and_disarms():
    board = EmulatedBoard()
    activate(board)
    write(board, Register.ARM, 0xA5)
    pulse(board, 4, 1000, 1, 100 * MS)
    board.advance(2 * S)
    assert lengths(board) == [(2, 500 * MS)]
    assert not board.armed
    assert board.due_ns() == NEVER_NS
    told = Framer().feed(board.outgoing(2 * S), 0)
    assert [(message.address, message.value) for message in told] == [
        (Register.OUTPUT_EVENT, 0),
        (Register.FAULT, FaultBit.WATCHDOG),
    ]
    assert read(board, CoreRegister.OPERATION_CONTROL, 2 * S) & 3 == 0


def test_any_valid_frame_feeds_the_watchdog_and_a_broken_one_does_not():
    board = EmulatedBoard()
    activate(board)
    request = read_request(0, PayloadType.U16)
    for step in range(1, 5):
        ask(board, request, step * 400 * MS)
    assert board.due_ns() == 2100 * MS
    ask(board, request[:-1] + b"\x00", 2000 * MS)
    assert board.due_ns() == 2100 * MS


def test_an_idle_board_in_standby_is_not_watched():
    board = EmulatedBoard()
    board.advance(60 * S)
    assert read(board, Register.FAULT, 60 * S) == 0


@pytest.mark.parametrize("key", [1, 0x5A, 0xFF])
def test_only_the_key_arms(key):
    board = EmulatedBoard()
    write(board, Register.ARM, key)
    assert not board.armed
    write(board, Register.ARM, 0xA5)
    assert board.armed
    write(board, Register.ARM, key)
    assert board.armed
    write(board, Register.ARM, 0)
    assert not board.armed


def test_disarmed_the_valve_of_a_common_pulse_opens_and_the_laser_stays_dark():
    board = EmulatedBoard()
    told = pulse(board, 0b0101, 20, 1)
    assert board.outputs == 1
    assert [message.address for message in told] == [Register.OUTPUT_EVENT, Register.FAULT, Register.PULSE_CMD]
    assert told[1].value == FaultBit.DISARMED


def test_an_open_interlock_cuts_lasers_only_and_keeps_the_board_disarmed():
    board = EmulatedBoard()
    write(board, Register.ARM, 0xA5)
    pulse(board, 0b0101, 100, 1)
    board.set_interlock(False, 30 * MS)
    assert board.outputs == 1
    assert lengths(board) == [(2, 30 * MS)]
    write(board, Register.ARM, 0xA5, 40 * MS)
    assert not board.armed
    board.set_interlock(True, 50 * MS)
    assert not board.armed
    assert read(board, Register.FAULT, 50 * MS) == FaultBit.INTERLOCK


def test_a_fault_is_told_once_and_again_only_after_it_was_cleared():
    board = EmulatedBoard()
    told = [pulse(board, 4, 10, nonce)[0].address for nonce in (1, 2)]
    assert told == [Register.FAULT, Register.PULSE_CMD]
    write(board, Register.FAULT, FaultBit.DISARMED)
    assert read(board, Register.FAULT) == 0
    assert pulse(board, 4, 10, 3)[0].address == Register.FAULT


def test_beams_are_told_only_while_active_and_enabled_and_are_always_read():
    board = EmulatedBoard()
    board.set_beam(2, True, 0)
    assert board.outgoing(0) == b""
    assert read(board, Register.DIGITAL_INPUT_STATE) == 4
    activate(board)
    board.set_lick(5, True, 64_000)
    (told,) = Framer().feed(board.outgoing(64_000), 0)
    assert (told.address, told.value, told.device_ns) == (Register.DIGITAL_INPUT_STATE, 0b100100, 64_000)
    board.set_lick(5, True, 70_000)
    assert board.outgoing(70_000) == b""
    write(board, Register.EVENT_ENABLE, 0)
    board.set_beam(2, False, 80_000)
    assert board.outgoing(80_000) == b""


@pytest.mark.parametrize(
    ("method", "pin"),
    [("set_beam", 4), ("set_beam", -1), ("set_lick", 3), ("set_lick", 6), ("set_input", -1), ("set_input", 6)],
)
def test_a_sensor_that_does_not_exist_is_refused_by_name(method, pin):
    with pytest.raises(NoSuchPin, match="Use"):
        getattr(EmulatedBoard(), method)(pin, True, 0)


def test_events_are_counted_whether_or_not_they_arrive():
    board = EmulatedBoard()
    activate(board)
    for step in range(5):
        board.set_beam(0, step % 2 == 0, step)
    board.knobs.silence = True
    assert board.outgoing(10) == b""
    board.knobs.silence = False
    assert read(board, Register.EVENT_COUNT, 10) == 5


def test_a_wrong_checksum_is_counted_and_told():
    board = EmulatedBoard()
    spoilt = bytearray(read_request(0, PayloadType.U16))
    spoilt[-1] ^= 1
    (told,) = ask(board, bytes(spoilt), 0)
    assert (told.address, told.value) == (Register.FAULT, FaultBit.CHECKSUM)
    assert read(board, Register.ERROR_COUNTERS, 10 * MS) == 1


def test_a_heartbeat_comes_at_every_whole_second_of_the_boards_clock():
    board = EmulatedBoard(0, device_ns=500 * MS)
    ask(board, write_request(CoreRegister.OPERATION_CONTROL, PayloadType.U8, b"\x04"), 0)
    board.advance(2600 * MS)
    told = Framer().feed(board.outgoing(2600 * MS), 0)
    assert [(message.address, message.device_ns) for message in told] == [(18, S), (18, 2 * S), (18, 3 * S)]


def test_an_old_hosts_alive_event_carries_the_seconds():
    board = EmulatedBoard(0, device_ns=500 * MS)
    ask(board, write_request(CoreRegister.OPERATION_CONTROL, PayloadType.U8, b"\x80"), 0)
    board.advance(600 * MS)
    (told,) = Framer().feed(board.outgoing(600 * MS), 0)
    assert (told.address, told.value) == (CoreRegister.TIMESTAMP_SECONDS, 1)


def test_a_dump_tells_every_register_once():
    told = ask(EmulatedBoard(), write_request(CoreRegister.OPERATION_CONTROL, PayloadType.U8, b"\x08"), 0)
    dumped = [message.address for message in told if message.type == MessageType.READ]
    assert dumped == sorted(set(dumped))
    assert set(dumped) >= set(range(20)) | {32, 34, 35, 37, 45, *range(49, 53), 77, *range(200, 225)}


def test_a_muted_board_obeys_without_a_word():
    board = EmulatedBoard()
    ask(board, write_request(CoreRegister.OPERATION_CONTROL, PayloadType.U8, b"\x10"), 0)
    told = pulse(board, 1, 10, 1)
    assert board.outputs == 1
    assert [message.type for message in told] == [MessageType.EVENT]


def test_a_reset_drops_the_outputs_forgets_everything_and_starts_the_clock_at_zero():
    board = EmulatedBoard(0, device_ns=100 * S)
    write(board, Register.HOST_TIMEOUT_MS, 5000)
    write(board, Register.ARM, 0xA5)
    pulse(board, 4, 900, 1)
    board.reset(30 * MS, cause=BootCause.BROWN_OUT)
    assert board.outputs == 0
    assert lengths(board) == [(2, 30 * MS)]
    assert not board.armed
    assert read(board, Register.HOST_TIMEOUT_MS, 40 * MS) == 500
    assert read(board, Register.BOOT_CAUSE, 40 * MS) == BootCause.BROWN_OUT
    (answer,) = write(board, Register.KEEP_ALIVE, 1, 40 * MS)
    assert answer.device_ns == 10 * MS // 32_000 * 32_000


def test_the_host_can_reset_the_board():
    board = EmulatedBoard(0, 5 * S)
    ask(board, write_request(CoreRegister.RESET_DEVICE, PayloadType.U8, b"\x01"), MS)
    assert read(board, Register.BOOT_CAUSE, 2 * MS) == BootCause.WATCHDOG
    assert read(board, CoreRegister.TIMESTAMP_SECONDS, 2 * MS) == 0


def test_a_booting_board_hears_and_says_nothing():
    board = EmulatedBoard()
    board.reset(0, boot_ns=2 * S)
    assert ask(board, read_request(0, PayloadType.U16), S) == []
    board.set_beam(0, True, S)
    assert len(ask(board, read_request(0, PayloadType.U16), 2 * S)) == 1


def test_setting_the_clock_lengthens_no_pulse():
    board = EmulatedBoard(0, 50 * S)
    pulse(board, 1, 100, 1)
    ask(board, write_request(CoreRegister.TIMESTAMP_SECONDS, PayloadType.U32, bytes(4)), 40 * MS)
    board.advance(S)
    assert lengths(board) == [(0, 100 * MS)]


# --- the gap


@pytest.mark.parametrize(("pause_ns", "opens"), [(0, False), (10 * MS - 1, False), (10 * MS, True)])
def test_an_output_that_went_off_stays_off_for_its_gap(pause_ns, opens):
    board = EmulatedBoard()
    pulse(board, 1, 20, 1)
    told = pulse(board, 1, 20, 2, 20 * MS + pause_ns)
    assert board.outputs == opens
    assert told[-1].type == MessageType.WRITE
    assert read(board, Register.FAULT, 40 * MS) == (0 if opens else FaultBit.GAP)


def test_the_first_pulse_after_a_boot_needs_no_gap():
    board = EmulatedBoard()
    write(board, Register.MIN_GAP_MS, 60000)
    pulse(board, 1, 20, 1)
    board.reset(30 * MS)
    pulse(board, 1, 20, 2, 40 * MS)
    assert board.outputs == 1


def test_a_gap_of_nothing_lets_pulses_follow_at_once():
    board = EmulatedBoard()
    write(board, Register.MIN_GAP_MS, 0)
    pulse(board, 1, 20, 1)
    pulse(board, 1, 20, 2, 20 * MS)
    assert board.outputs == 1


def test_every_way_to_go_off_and_every_way_to_go_on_keeps_the_gap():
    for switch_off in (
        lambda board: write(board, Register.OUTPUT_CLEAR, 4, 5 * MS),
        lambda board: write(board, Register.OUTPUT_STATE, 0, 5 * MS),
        lambda board: board.set_interlock(False, 5 * MS) or board.set_interlock(True, 5 * MS),
        lambda board: write(board, Register.ARM, 0, 5 * MS),
    ):
        for switch_on in (
            lambda board: write(board, Register.OUTPUT_SET, 4, 14 * MS),
            lambda board: write(board, Register.OUTPUT_STATE, 4, 14 * MS),
            lambda board: pulse(board, 4, 20, 2, 14 * MS),
        ):
            board = EmulatedBoard()
            write(board, Register.ARM, 0xA5)
            pulse(board, 4, 20, 1)
            switch_off(board)
            write(board, Register.ARM, 0xA5, 6 * MS)
            switch_on(board)
            assert lengths(board) == [(2, 5 * MS)]
            assert board.outputs == 0
            assert read(board, Register.FAULT, 14 * MS) & ~FaultBit.INTERLOCK == FaultBit.GAP


def test_of_a_common_pulse_the_output_in_its_gap_stays_off_and_the_fault_comes_after_the_others_edge():
    board = EmulatedBoard()
    pulse(board, 1, 20, 1)
    board.advance(25 * MS)
    board.outgoing(25 * MS)
    told = pulse(board, 3, 20, 2, 25 * MS)
    assert [(m.address, m.value) for m in told[:2]] == [(Register.OUTPUT_EVENT, 2), (Register.FAULT, FaultBit.GAP)]
    assert told[2].address == Register.PULSE_CMD


def test_a_disarmed_laser_in_its_gap_raises_disarmed_only():
    board = EmulatedBoard()
    write(board, Register.ARM, 0xA5)
    pulse(board, 4, 20, 1)
    write(board, Register.ARM, 0, 5 * MS)
    pulse(board, 4, 20, 2, 6 * MS)
    assert read(board, Register.FAULT, 6 * MS) == FaultBit.DISARMED


def test_stepping_the_clock_neither_shortens_nor_lengthens_a_gap():
    board = EmulatedBoard(0, 50 * S)
    pulse(board, 1, 20, 1)
    ask(board, write_request(CoreRegister.TIMESTAMP_SECONDS, PayloadType.U32, bytes(4)), 25 * MS)
    pulse(board, 1, 20, 2, 30 * MS - 1)
    assert board.outputs == 0
    pulse(board, 1, 20, 3, 30 * MS)
    assert board.outputs == 1


# --- the duty


def test_an_output_is_cut_where_it_has_used_up_its_time_and_then_refused():
    board = EmulatedBoard(0, 5 * S)
    write(board, Register.DUTY_MS, 250)
    pulse(board, 1, 200, 1)
    pulse(board, 1, 200, 2, 300 * MS)
    assert board.due_ns() == 350 * MS
    board.advance(400 * MS)
    assert lengths(board) == [(0, 200 * MS), (0, 50 * MS)]
    cut = Framer().feed(board.outgoing(400 * MS), 0)
    assert [(m.address, m.value) for m in cut[-2:]] == [(Register.OUTPUT_EVENT, 0), (Register.FAULT, FaultBit.DUTY)]
    write(board, Register.FAULT, FaultBit.DUTY, 400 * MS)
    told = pulse(board, 1, 1, 3, 500 * MS)
    assert [m.address for m in told] == [Register.FAULT, Register.PULSE_CMD]
    assert told[0].value == FaultBit.DUTY
    assert board.outputs == 0


@pytest.mark.parametrize(("again_ns", "opens"), [(61 * S - 1, False), (61 * S, True)])
def test_a_second_is_forgotten_when_the_sixtieth_after_it_is_over(again_ns, opens):
    board = EmulatedBoard()
    write(board, Register.DUTY_MS, 100)
    pulse(board, 1, 100, 1, 900 * MS)
    pulse(board, 1, 100, 2, again_ns)
    assert board.outputs == opens


def test_a_pulse_makes_the_board_forget_nothing_too_early():
    board = EmulatedBoard()
    write(board, Register.DUTY_MS, 100)
    pulse(board, 1, 80, 1, 500 * MS)
    pulse(board, 1, 10, 2, 60_200 * MS)
    pulse(board, 1, 50, 3, 60_500 * MS)
    board.advance(61 * S - 1)
    assert lengths(board) == [(0, 80 * MS), (0, 10 * MS), (0, 10 * MS)]


def test_at_a_whole_second_the_oldest_second_is_forgotten_before_the_output_is_cut():
    board = EmulatedBoard()
    write(board, Register.MAX_ON_MS, 2000)
    write(board, Register.DUTY_MS, 300)
    pulse(board, 1, 100, 1, 500 * MS)
    pulse(board, 1, 2000, 2, 60_800 * MS)  # its time is used up at 61 s, just as the first pulse's second is forgotten
    live(board, 60_900 * MS, 63 * S)
    assert lengths(board) == [(0, 100 * MS), (0, 300 * MS)]


def test_a_pulse_that_ends_by_itself_as_its_time_is_used_up_raises_nothing():
    board = EmulatedBoard()
    write(board, Register.DUTY_MS, 100)
    pulse(board, 1, 100, 1)
    board.advance(S)
    assert lengths(board) == [(0, 100 * MS)]
    assert read(board, Register.FAULT, S) == 0


def test_where_both_limits_end_an_output_at_once_it_is_the_longest_time_on_that_did():
    board = EmulatedBoard()
    write(board, Register.DUTY_MS, 200)
    pulse(board, 1, 300, 1)
    board.advance(S)
    assert lengths(board) == [(0, 200 * MS)]
    assert read(board, Register.FAULT, S) == FaultBit.MAX_ON


@pytest.mark.parametrize("register", [Register.DUTY_MS, Register.MAX_ON_MS])
def test_a_lower_limit_holds_at_once(register):
    board = EmulatedBoard()
    pulse(board, 1, 150, 1)
    write(board, register, 120, 50 * MS)
    board.advance(S)
    assert lengths(board) == [(0, 120 * MS)]
    pulse(board, 2, 150, 2, 2 * S)
    write(board, register + 1, 20, 2 * S + 50 * MS)
    board.advance(3 * S)
    assert lengths(board) == [(1, 50 * MS)]


def test_each_output_has_its_own_time():
    board = EmulatedBoard()
    write(board, Register.DUTY_MS, 50)
    pulse(board, 3, 100, 1)
    board.advance(S)
    assert lengths(board) == [(0, 50 * MS), (1, 100 * MS)]


def test_a_boot_forgets_what_was_used_up():
    board = EmulatedBoard()
    write(board, Register.DUTY_MS, 50)
    pulse(board, 1, 100, 1)
    board.reset(S)
    write(board, Register.DUTY_MS, 50, 2 * S)
    pulse(board, 1, 20, 2, 2 * S)
    assert board.outputs == 1


def test_stepping_the_clock_forgets_nothing_of_the_duty():
    board = EmulatedBoard(0, 50 * S)
    write(board, Register.DUTY_MS, 50)
    pulse(board, 1, 40, 1)
    ask(board, write_request(CoreRegister.TIMESTAMP_SECONDS, PayloadType.U32, (9000).to_bytes(4, "little")), S)
    pulse(board, 1, 40, 2, 2 * S)
    board.advance(3 * S)
    assert lengths(board) == [(0, 40 * MS), (0, 10 * MS)]


def on_in(spans, from_ns, until_ns):
    """How long of a time something was on: the naive way."""
    return sum(max(0, min(off_ns, until_ns) - max(on_ns, from_ns)) for on_ns, off_ns in spans)


@given(
    st.integers(0, 999_999_999),
    st.integers(1, 400),
    st.lists(st.tuples(st.integers(0, 9_000), st.integers(1, 2_000)), max_size=40),
)
@settings(deadline=None, max_examples=100)
def test_no_output_is_ever_on_for_longer_than_its_duty_in_61_seconds_and_is_cut_no_earlier(offset_ns, duty_ms, pulses):
    board, now, spans = EmulatedBoard(0, offset_ns), 0, []
    write(board, Register.MAX_ON_MS, 2000)
    write(board, Register.DUTY_MS, duty_ms)
    for nonce, (pause_ms, length_ms) in enumerate(pulses, start=1):
        now += pause_ms * MS
        write(board, Register.FAULT, 0xFFFF, now)
        live(board, now, now + 10 * MS)
        now += 10 * MS
        pulse(board, 1, length_ms, nonce, now)
        live(board, now, now + 2_000 * MS)
        now += 2_000 * MS
        edges = [time_ns + offset_ns for time_ns, _, _ in board.take_edges()]
        spans += zip(edges[::2], edges[1::2], strict=True)
        faults = read(board, Register.FAULT, now)
        at_ns = spans[-1][1] if edges else now - 2_000 * MS + offset_ns
        used_ns = on_in(spans, (at_ns // S - DUTY_SECONDS) * S, at_ns)
        assert used_ns <= duty_ms * MS
        assert bool(faults & FaultBit.DUTY) == (not edges or edges[1] - edges[0] < length_ms * MS)
        assert not faults & FaultBit.DUTY or used_ns == duty_ms * MS


# --- chatter


def chatter(board, changes, from_ns=0, pin=0, step_ns=MS):
    """Change a pin so many times."""
    for change in range(changes):
        level = not board._inputs.pins >> pin & 1
        board.set_input(pin, level, from_ns + change * step_ns)


def test_an_input_that_changes_more_often_than_its_limit_is_muted_and_reads_zero():
    board = EmulatedBoard()
    activate(board)
    write(board, Register.CHATTER_LIMIT, 10)
    chatter(board, 10)
    told = Framer().feed(board.outgoing(10 * MS), 0)
    assert [(m.address, m.value) for m in told] == [(32, 1), (32, 0)] * 5
    chatter(board, 1, 10 * MS)  # it goes high: nobody hears of it
    (fault,) = Framer().feed(board.outgoing(10 * MS), 0)
    assert (fault.address, fault.value) == (Register.FAULT, FaultBit.CHATTER)
    assert read(board, Register.DIGITAL_INPUT_STATE, 11 * MS) == 0
    assert read(board, Register.MUTED_INPUTS, 11 * MS) == 1
    chatter(board, 400, 20 * MS)
    assert board.outgoing(420 * MS) == b""


def test_an_input_that_is_muted_as_it_falls_is_told_to_have_fallen():
    board = EmulatedBoard()
    activate(board)
    write(board, Register.CHATTER_LIMIT, 11)
    chatter(board, 12, pin=5)
    told = Framer().feed(board.outgoing(12 * MS), 0)
    assert [(m.address, m.value) for m in told[-3:]] == [(32, 0x20), (32, 0), (Register.FAULT, FaultBit.CHATTER)]
    assert read(board, Register.MUTED_INPUTS, 12 * MS) == 0x20


def test_edges_are_counted_by_the_whole_second_of_the_boards_clock():
    board = EmulatedBoard(0, device_ns=500 * MS)
    write(board, Register.CHATTER_LIMIT, 10)
    chatter(board, 10, 490 * MS)  # up to 499 ms: the board's second ends at 500
    chatter(board, 10, 500 * MS)
    assert read(board, Register.MUTED_INPUTS, 510 * MS) == 0
    chatter(board, 1, 510 * MS)
    assert read(board, Register.MUTED_INPUTS, 510 * MS) == 1


def test_each_input_has_its_own_count():
    board = EmulatedBoard()
    write(board, Register.CHATTER_LIMIT, 10)
    for pin in range(6):
        chatter(board, 10, pin * 20 * MS, pin)
    assert read(board, Register.MUTED_INPUTS, 200 * MS) == 0


def test_a_board_that_is_asked_to_listen_again_tells_what_it_hears_and_mutes_again():
    board = EmulatedBoard()
    activate(board)
    write(board, Register.CHATTER_LIMIT, 10)
    write(board, Register.HOST_TIMEOUT_MS, 5000)
    for pin in (0, 1):
        chatter(board, 11, 20 * pin * MS, pin)  # both are high, unheard
    board.outgoing(40 * MS)
    told = write(board, Register.MUTED_INPUTS, 1, 2 * S)
    assert [(m.address, m.value) for m in told] == [(32, 1), (Register.MUTED_INPUTS, 2)]
    write(board, Register.FAULT, FaultBit.CHATTER, 2 * S)
    chatter(board, 11, 2 * S)
    assert read(board, Register.MUTED_INPUTS, 3 * S) == 3
    assert read(board, Register.FAULT, 3 * S) == FaultBit.CHATTER


def test_stepping_the_clock_gives_no_input_a_second_more():
    board = EmulatedBoard(0, 10 * S)
    write(board, Register.CHATTER_LIMIT, 10)
    chatter(board, 10)
    ask(board, write_request(CoreRegister.TIMESTAMP_SECONDS, PayloadType.U32, bytes(4)), 20 * MS)
    chatter(board, 1, 30 * MS)
    assert read(board, Register.MUTED_INPUTS, 40 * MS) == 1


def test_a_boot_unmutes():
    board = EmulatedBoard()
    chatter(board, 101)
    board.reset(200 * MS)
    assert read(board, Register.MUTED_INPUTS, 300 * MS) == 0
    assert read(board, Register.DIGITAL_INPUT_STATE, 300 * MS) == 1


# --- local rules


@pytest.mark.parametrize(("after_ns", "fires"), [(0, True), (100 * MS - 1, True), (100 * MS, False)])
def test_a_beam_that_breaks_within_the_window_fires_the_pulse_at_that_instant(after_ns, fires):
    board = EmulatedBoard()
    activate(board)
    assert rule(board, 0b0010, 0b01, 25, 100) == (2, 1, 25, 100)
    board.set_beam(1, True, after_ns)
    board.advance(S)
    assert board.take_edges() == ([(after_ns, 0, 1), (after_ns + 25 * MS, 0, 0)] if fires else [])


def test_the_beams_edge_is_told_before_the_outputs():
    board = EmulatedBoard()
    activate(board)
    rule(board, 1, 1, 25, 100)
    board.set_beam(0, True, 5 * MS)
    told = Framer().feed(board.outgoing(5 * MS), 0)
    assert [(m.address, m.value) for m in told] == [(Register.DIGITAL_INPUT_STATE, 1), (Register.OUTPUT_EVENT, 1)]
    assert told[0].device_ns == told[1].device_ns


def test_a_rule_fires_once_and_reads_back_what_is_left_of_it():
    board = EmulatedBoard()
    activate(board)
    rule(board, 0b11, 1, 5, 100)
    assert left_ms(board, 1) == 100
    assert left_ms(board, 30 * MS) == 70
    assert left_ms(board, 99 * MS + 1) == 1
    board.set_beam(0, True, 99 * MS + 2)
    assert left_ms(board, 99 * MS + 3) == 0
    board.set_beam(1, True, 99 * MS + 3)
    board.advance(S)
    assert len(lengths(board)) == 1


def test_only_a_rising_edge_of_its_own_beam_fires_a_rule():
    board = EmulatedBoard()
    board.set_beam(0, True, 0)
    activate(board)
    rule(board, 0b0001, 1, 5, 1000)
    board.set_beam(2, True, 20 * MS)
    board.set_lick(4, True, 25 * MS)
    board.set_beam(0, False, 30 * MS)
    assert board.outputs == 0
    board.set_beam(0, True, 40 * MS)
    assert board.outputs == 1


def test_two_rules_stand_side_by_side():
    board = EmulatedBoard()
    activate(board)
    rule(board, 1, 1, 5, 100, which=0)
    rule(board, 2, 2, 7, 100, which=1)
    board.set_beam(1, True, 10 * MS)
    board.set_beam(0, True, 20 * MS)
    board.advance(S)
    assert lengths(board) == [(1, 7 * MS), (0, 5 * MS)]


def test_a_rule_is_under_every_limit_of_a_pulse_and_spent_even_if_refused():
    for spoil, fault in (
        (lambda board: None, FaultBit.DISARMED),
        (lambda board: (write(board, Register.ARM, 0xA5), pulse(board, 4, 20, 1)), FaultBit.GAP),
        (lambda board: (write(board, Register.DUTY_MS + 2, 10), write(board, Register.ARM, 0xA5),
                        write(board, Register.MIN_GAP_MS + 2, 0), pulse(board, 4, 10, 1)), FaultBit.DUTY),
    ):  # fmt: skip
        board = EmulatedBoard()
        activate(board)
        spoil(board)
        rule(board, 1, 4, 5, 100)
        board.set_beam(0, True, 25 * MS)
        assert board.outputs == 0
        assert read(board, Register.FAULT, 25 * MS) == fault
        assert left_ms(board, 25 * MS) == 0


def test_a_rules_pulse_is_cut_at_the_longest_time_on():
    board = EmulatedBoard()
    activate(board)
    rule(board, 1, 1, 60000, 100)
    board.set_beam(0, True, 0)
    board.advance(S)
    assert lengths(board) == [(0, 200 * MS)]


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda board: rule(board, 0, 0, 0, 0, MS), id="cleared"),
        pytest.param(lambda board: write(board, Register.ARM, 0, MS), id="disarmed"),
        pytest.param(lambda board: board.set_interlock(False, MS), id="interlock"),
        pytest.param(
            lambda board: ask(board, write_request(CoreRegister.OPERATION_CONTROL, PayloadType.U8, b"\0"), MS),
            id="standby",
        ),
        pytest.param(lambda board: board.reset(MS), id="boot"),
        pytest.param(lambda board: board.advance(500 * MS), id="watchdog"),
    ],
)
def test_whatever_makes_the_board_safe_clears_the_rules(end):
    board = EmulatedBoard()
    activate(board)
    rule(board, 1, 1, 5, 60000)
    end(board)
    board.set_beam(0, True, 2 * MS)  # or when it ended, if that is later
    assert board.take_edges() == []


def test_a_rule_of_a_host_that_died_in_standby_does_not_outlive_the_timeout():
    board = EmulatedBoard()
    rule(board, 1, 1, 5, 60000)
    assert board.due_ns() == 500 * MS
    board.set_beam(0, True, 500 * MS)
    assert board.take_edges() == []
    assert read(board, Register.FAULT, 600 * MS) == 0


def test_the_same_rule_written_again_fires_once_and_does_not_last_longer():
    board = EmulatedBoard()
    activate(board)
    rule(board, 1, 1, 5, 100)
    assert rule(board, 1, 1, 5, 100, 20 * MS) == (1, 1, 5, 80)
    board.set_beam(0, True, 30 * MS)
    assert rule(board, 1, 1, 5, 100, 40 * MS) == (1, 1, 5, 0)
    board.set_beam(0, False, 50 * MS)
    board.set_beam(0, True, 60 * MS)
    board.advance(90 * MS)
    assert len(lengths(board)) == 1
    assert rule(board, 1, 1, 5, 100, 100 * MS) == (1, 1, 5, 100)


def test_the_same_rule_after_a_clearing_is_a_new_one():
    board = EmulatedBoard()
    activate(board)
    rule(board, 1, 1, 5, 100)
    board.set_beam(0, True, 10 * MS)
    rule(board, 0, 0, 0, 0, 20 * MS)
    assert rule(board, 1, 1, 5, 100, 30 * MS) == (1, 1, 5, 100)
    write(board, Register.ARM, 0, 40 * MS)
    assert rule(board, 1, 1, 5, 100, 50 * MS) == (1, 1, 5, 100)


def test_neither_a_muted_beam_nor_its_unmuting_fires_a_rule():
    board = EmulatedBoard()
    activate(board)
    write(board, Register.CHATTER_LIMIT, 10)
    write(board, Register.HOST_TIMEOUT_MS, 5000)
    chatter(board, 10)
    rule(board, 1, 1, 5, 2000, 20 * MS)
    chatter(board, 1, 30 * MS)  # it rises, and is muted for it
    write(board, Register.MUTED_INPUTS, 1, 40 * MS)
    assert read(board, Register.DIGITAL_INPUT_STATE, 40 * MS) == 1
    assert board.take_edges() == []
    board.set_beam(0, False, 1100 * MS)
    board.set_beam(0, True, 1200 * MS)
    assert board.outputs == 1


def test_a_rule_needs_no_events():
    board = EmulatedBoard()
    activate(board)
    write(board, Register.EVENT_ENABLE, 0)
    rule(board, 1, 1, 5, 100)
    board.set_beam(0, True, MS)
    assert board.outputs == 1


def test_stepping_the_clock_neither_shortens_nor_lengthens_a_window():
    board = EmulatedBoard(0, 50 * S)
    activate(board)
    rule(board, 1, 1, 5, 100)
    ask(board, write_request(CoreRegister.TIMESTAMP_SECONDS, PayloadType.U32, bytes(4)), 30 * MS)
    assert left_ms(board, 60 * MS) == 40


# --- the wire and the clock


def test_knobs_that_count_bytes_are_used_up():
    board = EmulatedBoard(knobs=Knobs(garbage=b"\xee", drop=2, corrupt=1))
    sound = EmulatedBoard()
    for each in (board, sound):
        each.feed(read_request(0, PayloadType.U16), 0)
    clean = sound.outgoing(0)
    assert board.outgoing(0) == bytes((clean[1] ^ 0x55,)) + clean[2:]
    board.feed(read_request(0, PayloadType.U16), 0)
    assert board.outgoing(0) == clean


def test_a_change_of_the_clocks_rate_holds_from_then_on():
    board = EmulatedBoard()
    board.advance(10 * S)
    board.knobs.clock_ppm = 1000.0
    board.advance(10 * S)
    (answer,) = write(board, Register.KEEP_ALIVE, 0, 11 * S)
    assert answer.device_ns == 11_001 * MS // 32_000 * 32_000


def test_time_never_runs_backwards_in_the_board():
    board = create(100)
    board.advance(S)
    write(board, Register.OUTPUT_STATE, 1, 0)
    assert board.take_edges() == [(S, 0, 1)]


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.floats(-5000, 5000), st.integers(0, 10**12))
@settings(deadline=None)
def test_a_board_clock_is_turned_back_to_the_first_host_nanosecond(host_ref_ns, device_ref_ns, ppm, later_ns):
    clock = DriftingClock(host_ref_ns, device_ref_ns, ppm)
    device_ns = device_ref_ns + later_ns
    host_ns = clock.host_ns(device_ns)
    assert clock.device_ns(host_ns) >= device_ns
    assert clock.device_ns(host_ns - 1) < device_ns


REQUESTS = st.one_of(
    st.builds(pulse_request, st.integers(0, 15), st.integers(1, 3000), st.integers(0, 9)),
    st.builds(rule_request, st.integers(0, 63), st.integers(0, 31), st.integers(0, 3000), st.integers(0, 3000)),
    st.sampled_from(
        [
            write_request(Register.ARM, PayloadType.U8, b"\xa5"),
            write_request(Register.ARM, PayloadType.U8, b"\0"),
            write_request(Register.OUTPUT_STATE, PayloadType.U16, b"\x0f\0"),
            write_request(Register.OUTPUT_SET, PayloadType.U16, b"\x0f\0"),
            write_request(Register.HOST_TIMEOUT_MS, PayloadType.U16, U16.pack(5000)),
            write_request(Register.MAX_ON_MS, PayloadType.U16, U16.pack(2000)),
            write_request(Register.KEEP_ALIVE, PayloadType.U8, b"\0"),
            b"\x02\x0c\xd0\xff",
        ]
    ),
    st.binary(max_size=20),
)
WORLD = st.one_of(st.none(), st.booleans())
BEAM = st.one_of(st.none(), st.tuples(st.integers(0, 5), st.booleans()))


@given(st.lists(st.tuples(st.integers(0, 900), REQUESTS, WORLD, BEAM), max_size=30))
@settings(deadline=None, max_examples=150)
def test_whatever_the_host_sends_nothing_stays_on_and_no_laser_is_lit_while_disarmed(steps):
    board, now = EmulatedBoard(), 0
    for pause_ms, request, interlock, beam in steps:
        now += pause_ms * MS
        if interlock is not None:
            board.set_interlock(interlock, now)
        board.feed(request, now)
        if beam is not None:
            board.set_input(*beam, now)
        assert not board.outputs & LASER_OUTPUTS or (board.armed and board.interlock_closed)
    board.advance(now + 6 * S)
    assert board.outputs & ALL_OUTPUTS == 0
    assert not board.armed
    assert all(length_ns <= (2000 if pin < 2 else 1000) * MS for pin, length_ns in lengths(board))

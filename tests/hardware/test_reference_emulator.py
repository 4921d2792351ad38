"""The emulated reference board at its registers: what the firmware promises, without a driver."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.board_registers import (
    ALL_OUTPUTS,
    LASER_OUTPUTS,
    PULSE_WORDS,
    U16,
    BootCause,
    FaultBit,
    Register,
    payload_type,
)
from hardware.emulators.board_parts import BoardClock, Knobs
from hardware.emulators.reference_board import EmulatedBoard, NoSuchPin, create
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
        (208, PayloadType.U16, 8),
        (210, PayloadType.U16, 8),
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
    assert [message.address for message in told] == [Register.FAULT, Register.OUTPUT_EVENT, Register.PULSE_CMD]
    assert told[0].value == FaultBit.DISARMED


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


@pytest.mark.parametrize(("method", "pin"), [("set_beam", 4), ("set_beam", -1), ("set_lick", 3), ("set_lick", 6)])
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
    assert set(dumped) >= set(range(20)) | {32, 34, 35, 37, 45, *range(49, 53), 77, *range(200, 213)}


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
    clock = BoardClock(host_ref_ns, device_ref_ns, ppm)
    device_ns = device_ref_ns + later_ns
    host_ns = clock.host_ns(device_ns)
    assert clock.device_ns(host_ns) >= device_ns
    assert clock.device_ns(host_ns - 1) < device_ns


REQUESTS = st.one_of(
    st.builds(pulse_request, st.integers(0, 15), st.integers(1, 3000), st.integers(0, 9)),
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


@given(st.lists(st.tuples(st.integers(0, 900), REQUESTS, WORLD), max_size=30))
@settings(deadline=None, max_examples=150)
def test_whatever_the_host_sends_nothing_stays_on_and_no_laser_is_lit_while_disarmed(steps):
    board, now = EmulatedBoard(), 0
    for pause_ms, request, interlock in steps:
        now += pause_ms * MS
        if interlock is not None:
            board.set_interlock(interlock, now)
        board.feed(request, now)
        assert not board.outputs & LASER_OUTPUTS or (board.armed and board.interlock_closed)
    board.advance(now + 6 * S)
    assert board.outputs & ALL_OUTPUTS == 0
    assert not board.armed
    assert all(length_ns <= (2000 if pin < 2 else 1000) * MS for pin, length_ns in lengths(board))

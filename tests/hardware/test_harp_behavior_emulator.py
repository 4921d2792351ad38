"""The emulated Harp Behavior board at its registers: what the real firmware does, without a driver."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.behavior.emulation import BehaviorKnobs
from hardware.behavior.registers import OUTPUT_BITS, Register, payload_type
from hardware.device import NoSuchPin
from hardware.emulators.drifting_clock import DriftingClock
from hardware.emulators.harp_behavior import EmulatedBehaviorBoard, create
from hardware.harp import CoreRegister, Framer, MessageType, PayloadType, encode, read_request, write_request
from realtime.records import NEVER_NS

MS = 1_000_000
S = 1_000_000_000
SUPPLY0, SUPPLY1, SUPPLY2, DO0, DO1, DO2, DO3 = (1 << bit for bit in OUTPUT_BITS)
WHO = read_request(0, PayloadType.U16)


class Board(EmulatedBehaviorBoard):
    """With a clock of its own, and requests that wait for their pass."""

    def __init__(self, device_ns=0, **knobs):
        super().__init__(0, device_ns, BehaviorKnobs(**knobs))
        self.time_ns = 0

    def run(self, ms):
        self.time_ns += round(ms * MS)
        self.advance(self.time_ns)
        return self

    def told(self):
        return Framer().feed(self.outgoing(self.time_ns), 0)

    def ask(self, request):
        """Every message sent in answer to, and since the last, request."""
        self.feed(request, self.time_ns)
        self.run(1)
        return self.told()

    def write(self, address, value):
        kind = PayloadType.U8 if address < 32 else payload_type(address)
        return self.ask(write_request(address, kind, value.to_bytes(kind & 0x0F, "little")))

    def read(self, address):
        kind = PayloadType.U8 if address < 32 else payload_type(address)
        return self.ask(read_request(address, kind))[-1].value

    def put(self, pin, high):
        self.set_input(pin, high, self.time_ns)


def active():
    board = Board()
    board.write(CoreRegister.OPERATION_CONTROL, 1)
    return board


def lengths(board):
    """How long each output was on, by pin, in ms, in order of their ends."""
    since, spans = {}, []
    for time_ns, pin, level in board.take_edges():
        if level:
            since[pin] = time_ns
        else:
            spans.append((pin, (time_ns - since.pop(pin)) / MS))
    return spans


# --- registers


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
        (18, PayloadType.U16, 2),
        (19, PayloadType.U8, 32),
        (32, PayloadType.U8, 1),
        (34, PayloadType.U16, 2),
        (43, PayloadType.U8, 1),
        (44, PayloadType.S16, 6),
        (45, PayloadType.U16, 2),
        (59, PayloadType.U16, 2),
        (64, PayloadType.U8, 1),
        (70, PayloadType.U8, 6),
        (71, PayloadType.U8, 3),
        (95, PayloadType.U16, 2),
        (103, PayloadType.U16, 2),
        (122, PayloadType.U8, 1),
    ],
)
def test_every_register_answers_with_its_own_type_and_size_and_a_stamp(address, kind, size):
    (answer,) = Board(device_ns=3 * S).ask(read_request(address, kind))
    assert (answer.type, answer.address) == (MessageType.READ, address)
    assert (answer.payload_type, len(answer.payload)) == (kind, size)
    assert answer.device_ns == (3 * S + MS) // 32_000 * 32_000


@pytest.mark.parametrize(
    ("address", "value"),
    [
        *[(45, 0x38), (46, 500), (49, 15), (51, 15), (52, 500), (55, 500), (56, 250), (59, 250), (77, 0x1F), (122, 1)],
        *[(60, 1000), (63, 4000), (64, 50), (93, 30), (100, 20000), (101, 1500), (42, 0), (37, 0), (111, 0), (117, 0)],
    ],
)
def test_defaults_are_the_firmwares(address, value):
    assert Board().read(address) == value


def test_it_says_who_it_is():
    board = Board()
    assert board.ask(WHO)[0].value == 1216
    assert (board.read(CoreRegister.FIRMWARE_HIGH), board.read(CoreRegister.FIRMWARE_LOW)) == (3, 3)
    assert board.ask(read_request(12, PayloadType.U8))[0].payload.rstrip(b"\0") == b"Behavior"


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(read_request(31, PayloadType.U8), id="no such register"),
        pytest.param(read_request(123, PayloadType.U8), id="beyond the last register"),
        pytest.param(read_request(45, PayloadType.U8), id="wrong type of a read"),
        pytest.param(write_request(45, PayloadType.U8, b"\0"), id="wrong type of a write"),
        pytest.param(write_request(45, PayloadType.U16, bytes(4)), id="too long"),
        pytest.param(write_request(32, PayloadType.U8, b"\1"), id="inputs are read-only"),
        pytest.param(write_request(43, PayloadType.U8, b"\1"), id="DIO inputs are read-only"),
        pytest.param(write_request(49, PayloadType.U16, bytes(2)), id="pulse of no length"),
        pytest.param(write_request(64, PayloadType.U8, b"\x64"), id="duty cycle of 100"),
        pytest.param(write_request(0, PayloadType.U16, b"\1\0"), id="identity"),
    ],
)
def test_a_bad_request_is_answered_with_an_error_and_changes_nothing(request_bytes):
    board = Board()
    (answer,) = board.ask(request_bytes)
    assert answer.is_error
    assert answer.type == request_bytes[0] | 8
    assert board.read(45) == 0x38
    assert board.read(49) == 15


def test_a_number_that_was_written_is_answered_and_kept():
    board = Board()
    (answer,) = board.write(50, 1234)
    assert (answer.type, answer.value) == (MessageType.WRITE, 1234)
    assert board.read(50) == 1234


# --- when it hears


def test_a_request_is_executed_and_answered_in_the_next_millisecond_of_its_own_clock():
    board = Board(device_ns=300_000)
    board.feed(WHO, 0)
    assert board.due_ns() == 700_000
    board.advance(699_999)
    assert board.outgoing(699_999) == b""
    board.advance(700_000)
    (answer,) = Framer().feed(board.outgoing(700_000), 0)
    assert answer.device_ns == MS // 32_000 * 32_000
    assert board.due_ns() == NEVER_NS


def test_of_two_requests_within_a_millisecond_the_first_is_lost():
    board = Board()
    told = board.ask(read_request(6, PayloadType.U8) + WHO)
    assert [message.address for message in told] == [0]
    assert board.overrun == 1
    assert [message.address for message in board.ask(WHO)] == [0]
    assert board.overrun == 1


def test_a_wrong_checksum_is_dropped_without_a_word():
    board = Board()
    spoilt = bytearray(write_request(45, PayloadType.U16, b"\xff\x3f"))
    spoilt[-1] ^= 1
    assert board.ask(bytes(spoilt)) == []
    assert board.read(45) == 0x38


def test_bytes_that_begin_no_request_are_skipped():
    assert len(Board().ask(b"\x00\xff\x03\x99" + WHO)) == 1


def test_half_a_request_swallows_the_next_one_until_fifty_milliseconds_after_its_first_byte():
    board = Board()
    board.feed(bytes.fromhex("02 06 22 ff"), 0)
    assert board.run(30).ask(WHO) == []
    assert board.run(18).ask(WHO) == []
    assert len(board.run(60).ask(WHO)) == 1


def test_half_a_request_alone_is_forgotten_after_fifty_milliseconds():
    board = Board()
    board.feed(WHO[:5], 0)
    assert board.due_ns() == 50 * MS
    assert len(board.run(50).ask(WHO)) == 1


@pytest.mark.parametrize("length", [0, 1, 2])
def test_a_length_that_is_none_is_never_finished(length):
    board = Board()
    board.feed(bytes((1, length)) + bytes(20), 0)
    assert board.run(20).told() == []
    assert len(board.run(40).ask(WHO)) == 1


def test_bytes_may_come_one_at_a_time():
    board = Board()
    for byte in WHO:
        board.feed(bytes((byte,)), board.time_ns)
        board.run(0.3)
    assert len(board.run(1).told()) == 1


def test_a_request_that_carries_a_stamp_or_is_for_another_port_is_ignored():
    board = Board()
    assert board.ask(encode(MessageType.READ, 0, PayloadType.U16, device_ns=0)) == []
    assert board.ask(encode(MessageType.READ, 0, PayloadType.U16, port=1)) == []


# --- outputs


@pytest.mark.parametrize("step_ns", [1, 7 * MS, 24_999_999, 25 * MS, 3 * S])
def test_a_pulse_ends_at_its_exact_time_whenever_the_board_is_asked(step_ns):
    board = Board(device_ns=10 * S)
    board.write(49, 25)
    board.write(Register.OUTPUT_SET, SUPPLY0)
    board.advance(board.time_ns + step_ns)
    board.advance(10 * S)
    assert lengths(board) == [(0, 25)]


@pytest.mark.parametrize(("late_passes", "length_ms"), [(0, 15), (1, 16)])
def test_a_pulse_is_as_long_as_its_register_says_and_the_late_knob_adds_a_millisecond(late_passes, length_ms):
    board = Board(late_passes=late_passes)
    board.write(Register.OUTPUT_SET, SUPPLY0)
    board.run(100)
    assert lengths(board) == [(0, length_ms)]


def test_outputs_set_together_go_on_together_each_for_its_own_length():
    board = Board()
    board.write(Register.OUTPUT_PULSE_ENABLE, 0x3FFF)
    board.write(Register.OUTPUT_SET, SUPPLY1 | DO0)
    assert board.outputs == 0b0001010
    rises = [time_ns for time_ns, _, level in board.take_edges() if level]
    assert rises[0] == rises[1]
    board.run(14)
    assert board.outputs == 0b0001010
    board.run(1)
    assert board.outputs == 0b0001000
    board.run(235)
    assert board.outputs == 0


def test_a_pulse_is_exact_on_the_boards_own_clock_even_when_that_runs_fast():
    board = Board(clock_ppm=1000.0)
    board.write(49, 1000)
    board.write(Register.OUTPUT_SET, SUPPLY0)
    board.run(3000)
    assert lengths(board) == [(0, pytest.approx(1000 / 1.001, abs=0.0001))]


def test_a_second_output_set_starts_the_pulse_anew():
    board = Board()
    for _ in range(5):
        board.write(Register.OUTPUT_SET, SUPPLY2)
        board.run(9)
    board.run(100)
    assert lengths(board) == [(2, 55)]


def test_an_output_without_its_pulse_bit_stays_on_for_ever_whatever_becomes_of_the_host():
    board = active()
    board.write(Register.OUTPUT_SET, DO3)
    board.write(CoreRegister.OPERATION_CONTROL, 0)
    board.run(3_600_000)
    assert board.outputs == 1 << 6
    board.write(Register.OUTPUT_CLEAR, DO3)
    assert board.outputs == 0


def test_clear_ends_a_pulse_and_its_old_count_can_end_what_comes_after():
    board = Board()
    board.write(49, 100)
    board.write(Register.OUTPUT_SET, SUPPLY0)
    board.run(29)
    board.write(Register.OUTPUT_CLEAR, SUPPLY0)
    board.write(Register.OUTPUT_PULSE_ENABLE, 0)
    board.write(Register.OUTPUT_SET, SUPPLY0)
    board.run(200)
    assert lengths(board) == [(0, 30), (0, 68)]


def test_toggle_pulses_what_is_off_and_ends_what_is_on():
    board = Board()
    board.write(Register.OUTPUT_SET, SUPPLY0)
    board.write(Register.OUTPUT_TOGGLE, SUPPLY0 | SUPPLY1)
    assert board.outputs == 2
    board.run(50)
    assert board.outputs == 0


def test_output_state_sets_exactly_these_and_reads_what_the_pins_show():
    board = Board()
    board.write(Register.OUTPUT_SET, DO1 | DO2)
    board.write(Register.OUTPUT_STATE, DO2 | SUPPLY0)
    assert board.outputs == 0b0100001
    assert board.read(Register.OUTPUT_STATE) == DO2 | SUPPLY0
    board.run(20)
    assert board.read(Register.OUTPUT_STATE) == DO2


def test_pwm_lights_an_output_until_it_is_stopped():
    board = Board()
    board.write(Register.PWM_START, 0b0101)
    assert board.outputs == 0b0101000
    assert board.read(Register.PWM_START) == 0b0101
    board.write(Register.PWM_STOP, 0b0001)
    assert board.outputs == 0b0100000
    assert board.read(Register.PWM_START) == 0b0100


def test_standby_ends_camera_triggers_and_nothing_else():
    board = active()
    board.write(Register.START_CAMERAS, 3)
    board.write(Register.ENABLE_SERVOS, 4)
    board.write(Register.OUTPUT_SET, DO0)
    board.write(CoreRegister.OPERATION_CONTROL, 0)
    assert board.read(Register.START_CAMERAS) == 0
    assert board.read(Register.ENABLE_SERVOS) == 4
    assert board.outputs == 1 << 3
    board.write(Register.DISABLE_SERVOS, 4)
    assert board.read(Register.ENABLE_SERVOS) == 0


def test_a_dead_output_is_on_for_the_board_only():
    board = Board(dead_outputs=1)
    board.write(Register.OUTPUT_SET, SUPPLY0 | SUPPLY1)
    assert board.outputs == 2
    assert board.read(Register.OUTPUT_STATE) == SUPPLY0 | SUPPLY1
    board.run(100)
    assert lengths(board) == [(1, 15)]


def test_lamps_are_no_pins_of_the_rig():
    board = Board()
    board.write(Register.OUTPUT_SET, 0x03C7)
    assert board.outputs == 0
    assert board.take_edges() == []
    assert board.read(Register.OUTPUT_STATE) == 0x03C7


# --- inputs


@pytest.mark.parametrize(("pin", "address", "value"), [(0, 32, 1), (2, 32, 4), (3, 32, 8), (4, 43, 1), (6, 43, 4)])
def test_an_input_is_told_at_once_with_the_time_of_its_change(pin, address, value):
    board = active().run(4.48)
    board.put(pin, True)
    (told,) = board.told()
    assert (told.type, told.address, told.value) == (MessageType.EVENT, address, value)
    assert told.device_ns == 5_480_000 // 32_000 * 32_000


def test_inputs_are_told_only_while_active_and_enabled_and_are_always_read():
    board = Board()
    board.put(1, True)
    assert board.told() == []
    assert board.read(32) == 2
    board.write(CoreRegister.OPERATION_CONTROL, 1)
    board.write(Register.EVENT_ENABLE, 2)  # the DIO bit alone enables nothing
    board.put(5, True)
    assert board.told() == []
    board.write(Register.EVENT_ENABLE, 1)  # the DI bit alone enables both
    board.run(5)
    board.put(5, False)
    assert [message.address for message in board.told()] == [43]


def test_a_pin_that_does_not_change_is_not_told():
    board = active()
    board.put(3, False)
    assert board.told() == []


def test_a_port_that_told_of_its_beam_is_deaf_for_its_filter_on_both_of_its_lines():
    board = active()
    board.write(Register.POKE_INPUT_FILTER, 3)
    board.put(0, True)
    assert len(board.told()) == 1
    board.put(4, True)
    board.put(1, True)  # another port
    assert [message.value for message in board.told()] == [3]
    board.run(2)
    board.put(0, False)
    assert board.told() == []
    board.run(1)
    assert [(message.address, message.value) for message in board.told()] == [(32, 2), (43, 1)]


def test_a_bounce_within_the_filter_is_not_told_at_all():
    board = active()
    board.put(0, True)
    board.told()
    board.put(0, False)
    board.put(0, True)
    assert board.run(10).told() == []


def test_a_filter_of_zero_and_di3_are_never_deaf():
    board = active()
    board.write(Register.POKE_INPUT_FILTER, 0)
    for pin in (0, 3):
        for level in (True, False, True):
            board.put(pin, level)
    assert len(board.told()) == 6


def test_a_read_brings_a_deaf_port_up_to_date_and_the_event_never_comes():
    board = active()
    board.write(Register.POKE_INPUT_FILTER, 9)
    board.put(0, True)
    board.put(0, False)
    board.told()
    assert board.read(32) == 0
    assert board.run(50).told() == []


def test_a_beam_that_is_broken_at_power_on_is_not_known_before_it_is_read():
    board = Board()
    board.put(0, True)
    board.reset(board.time_ns)
    board.write(CoreRegister.OPERATION_CONTROL, 1)
    board.put(0, False)
    assert board.told() == []
    assert board.read(32) == 0


@pytest.mark.parametrize("pin", [-1, 7])
def test_an_input_pin_that_does_not_exist_is_refused_by_name(pin):
    with pytest.raises(NoSuchPin, match="0 to 6"):
        Board().set_input(pin, True, 0)


def test_it_has_no_interlock():
    with pytest.raises(NoSuchPin, match="no interlock"):
        Board().set_interlock(False, 0)


# --- clock, control, restart


def test_setting_the_clock_changes_stamps_and_no_pulse():
    board = Board(device_ns=50 * S)
    board.write(49, 100)
    board.write(Register.OUTPUT_SET, SUPPLY0)
    board.run(40)
    board.ask(write_request(8, PayloadType.U32, (7).to_bytes(4, "little")))
    (answer,) = board.run(200).ask(WHO)
    assert answer.device_ns == (7 * S + 244 * MS) // 32_000 * 32_000
    assert lengths(board) == [(0, 100)]
    assert board.ask(read_request(8, PayloadType.U32))[0].value == 7


def test_a_change_of_the_clocks_rate_holds_from_then_on():
    board = Board()
    board.run(10_000)
    board.knobs.clock_ppm = 1000.0
    board.run(0)
    board.run(5000)
    (answer,) = board.ask(WHO)
    assert answer.device_ns == 15_006 * MS // 32_000 * 32_000


def test_a_heartbeat_comes_at_every_whole_second_while_active():
    board = Board(device_ns=500 * MS)
    board.write(CoreRegister.OPERATION_CONTROL, 0x05)
    board.told()
    board.run(2600)
    assert [(message.address, message.device_ns, message.value) for message in board.told()] == [
        (18, S, 1),
        (18, 2 * S, 1),
        (18, 3 * S, 1),
    ]
    board.write(CoreRegister.OPERATION_CONTROL, 0x04)
    board.told()
    assert board.run(3000).told() == []


def test_an_old_hosts_alive_event_carries_the_seconds():
    board = Board(device_ns=500 * MS)
    board.write(CoreRegister.OPERATION_CONTROL, 0x81)
    board.told()
    board.run(600)
    (told,) = board.told()
    assert (told.address, told.value) == (CoreRegister.TIMESTAMP_SECONDS, 1)


def test_a_dump_tells_every_register_once():
    told = Board().write(CoreRegister.OPERATION_CONTROL, 0x08)
    dumped = [message.address for message in told if message.type == MessageType.READ]
    assert dumped == [*range(20), *range(32, 123)]


def test_a_muted_board_obeys_without_a_word():
    board = Board()
    board.write(CoreRegister.OPERATION_CONTROL, 0x10)
    assert board.write(Register.OUTPUT_SET, SUPPLY0) == []
    assert board.outputs == 1


def test_a_reset_drops_the_outputs_forgets_everything_and_starts_the_clock_at_zero():
    board = Board(device_ns=100 * S)
    board.write(Register.OUTPUT_PULSE_ENABLE, 0x3FFF)
    board.write(Register.OUTPUT_SET, DO0)
    board.run(28)
    board.reset(board.time_ns)
    assert board.outputs == 0
    assert lengths(board) == [(3, 28)]
    assert board.read(45) == 0x38
    assert board.ask(WHO)[0].device_ns == 2 * MS // 32_000 * 32_000


def test_the_host_can_reset_the_board():
    board = Board(device_ns=5 * S)
    board.write(Register.OUTPUT_SET, DO0)
    board.write(CoreRegister.RESET_DEVICE, 1)
    assert board.outputs == 0
    assert board.run(10).read(CoreRegister.RESET_DEVICE) == 0x40
    assert board.ask(read_request(8, PayloadType.U32))[0].value == 0


def test_a_booting_board_hears_and_says_nothing():
    board = Board()
    board.reset(0, boot_ns=2 * S)
    assert board.ask(WHO) == []
    board.put(0, True)
    assert board.run(1000).told() == []
    assert len(board.run(1000).ask(WHO)) == 1


def test_time_never_runs_backwards_in_the_board():
    board = create(100)
    board.advance(S)
    board.feed(write_request(Register.OUTPUT_SET, PayloadType.U16, SUPPLY0.to_bytes(2, "little")), 0)
    board.advance(2 * S)
    assert [time_ns // MS for time_ns, _, _ in board.take_edges()] == [1000, 1015]


def test_the_wires_knobs_do_what_they_say():
    board = Board(garbage=b"\xee", drop=2, corrupt=1, duplicate=1)
    clean = encode(MessageType.READ, 0, PayloadType.U16, b"\xc0\x04", MS)
    board.feed(WHO, 0)
    board.run(1)
    assert board.outgoing(board.time_ns) == bytes((clean[1] ^ 0x55,)) + clean[2:] + clean
    board.knobs.silence = True
    assert board.ask(WHO) == []


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.floats(-5000, 5000), st.integers(0, 10**12))
@settings(deadline=None)
def test_its_clock_is_turned_back_to_the_first_host_nanosecond(host_ref_ns, device_ref_ns, ppm, later_ns):
    clock = DriftingClock(host_ref_ns, device_ref_ns, ppm)
    device_ns = device_ref_ns + later_ns
    host_ns = clock.host_ns(device_ns)
    assert clock.device_ns(host_ns) >= device_ns
    assert clock.device_ns(host_ns - 1) < device_ns


REQUESTS = st.one_of(
    st.integers(0, 0x3FFF).map(lambda mask: write_request(34, PayloadType.U16, mask.to_bytes(2, "little"))),
    st.integers(0, 0x3FFF).map(lambda mask: write_request(36, PayloadType.U16, mask.to_bytes(2, "little"))),
    st.integers(0, 0x3FFF).map(lambda mask: write_request(37, PayloadType.U16, mask.to_bytes(2, "little"))),
    st.tuples(st.integers(46, 59), st.integers(0, 900)).map(
        lambda pair: write_request(pair[0], PayloadType.U16, pair[1].to_bytes(2, "little"))
    ),
    st.binary(max_size=20),
)


@given(st.lists(st.tuples(st.integers(0, 90), REQUESTS), max_size=40))
@settings(deadline=None, max_examples=100)
def test_with_all_pulse_bits_set_everything_ends_and_after_any_bytes_the_board_is_heard_again(steps):
    board = Board()
    board.write(Register.OUTPUT_PULSE_ENABLE, 0x3FFF)
    for pause_ms, request in steps:
        if not {45, 68}.intersection(request[2:3]):
            board.feed(request, board.time_ns)
        board.run(pause_ms)
    board.run(1100)
    assert board.outputs == 0
    assert board.ask(WHO)[-1].value == 1216

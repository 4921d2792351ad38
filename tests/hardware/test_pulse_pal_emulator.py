"""The emulated Pulse Pal, asked byte by byte as its protocol document says, in virtual time."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.device import NoSuchPin, find_emulators
from hardware.emulators import pulse_pal
from realtime.records import NEVER_NS

MS = 1_000_000
UNIT = 50_000
START = 7_000


def make():
    return pulse_pal.create(START)


def say(device, at_ns, *parts):
    """Write one message, and return what the device has answered a millisecond later."""
    device.feed(bytes((213, *parts)), START + at_ns)
    return device.outgoing(START + at_ns + MS)


def one(param, channel, value, size=4):
    return (74, param, channel, *value.to_bytes(size, "little"))


def everything(units, volts=(49_152, 16_384, 32_768), flags=(0, 0, 0, 0), links=bytes(10)):
    """Message 73 with the same program on all four channels."""
    return (73, *(struct.pack("<8I", *units) * 4 + struct.pack("<3H", *volts) * 4 + bytes(flags) * 4 + links))


def train(pulse, pause, length):
    return everything((pulse, 0, 1, pause, 0, 0, length, 0))


def edges(device, until_ns):
    """Edges so far in units of 50 µs since power-on, as (unit, pin, level)."""
    device.advance(START + until_ns)
    found = device.take_edges()
    assert all((time_ns - START) % UNIT == 0 for time_ns, _, _ in found)
    return [((time_ns - START) // UNIT, pin, level) for time_ns, pin, level in found]


def test_it_is_found_by_its_name():
    assert find_emulators()["pulse_pal"] is pulse_pal


def test_a_handshake_is_answered_with_k_and_the_firmware():
    device = make()
    assert say(device, 0, 72) == b"K\x15\x00\x00\x00"
    device.knobs.firmware = 0x01020304
    assert say(device, 10 * MS, 72) == b"K\x04\x03\x02\x01"


def test_nothing_is_answered_before_its_cycle():
    device = make()
    device.feed(bytes((213, 72)), START + 10 * MS + 10_000)
    assert device.outgoing(START + 10 * MS + 49_999) == b""
    assert device.due_ns() == START + 10 * MS + UNIT
    assert device.outgoing(START + 10 * MS + UNIT) == b"K\x15\x00\x00\x00"
    assert device.due_ns() == NEVER_NS


def test_a_train_of_twenty_hertz_has_every_pulse_at_its_exact_time():
    device = make()
    assert say(device, 0, *train(100, 900, 10_000)) == b"\x01"
    say(device, 10 * MS, 77, 0b0100)
    first = 10 * MS // UNIT + 2
    assert edges(device, 1_000 * MS) == [
        (first + 1_000 * k + rest, 2, level) for k in range(10) for rest, level in ((0, 1), (100, 0))
    ]
    assert device.outputs == 0
    assert device.due_ns() == NEVER_NS


def test_the_end_of_a_train_cuts_its_last_pulse():
    device = make()
    say(device, 0, *train(100, 900, 3_030))
    say(device, 10 * MS, 77, 1)
    lengths = [off - on for (on, _, _), (off, _, _) in zip(*[iter(edges(device, 1_000 * MS))] * 2, strict=True)]
    assert lengths == [100, 100, 100, 30]


def test_several_channels_start_at_one_instant():
    device = make()
    say(device, 0, *train(20, 20, 20))
    say(device, 10 * MS, 77, 0b1011)
    found = edges(device, 100 * MS)
    assert found == [(202, 0, 1), (202, 1, 1), (202, 3, 1), (222, 0, 0), (222, 1, 0), (222, 3, 0)]


def test_outputs_show_what_is_on_now():
    device = make()
    say(device, 0, *train(20, 20, 20))
    say(device, 10 * MS, 77, 0b1001)
    assert device.outputs == 0b1001
    assert device.levels == [49_152, 32_768, 32_768, 49_152]


def test_a_delay_shifts_the_train():
    device = make()
    say(device, 0, *everything((20, 0, 1, 20, 0, 0, 20, 400)))
    say(device, 10 * MS, 77, 1)
    assert edges(device, 100 * MS) == [(602, 0, 1), (622, 0, 0)]


def test_the_second_phase_of_a_biphasic_pulse_is_put_out_and_is_not_on():
    device = make()
    say(device, 0, *everything((20, 10, 30, 40, 0, 0, 200, 0), flags=(1, 0, 0, 0)))
    say(device, 10 * MS, 77, 1)
    device.advance(START + (202 + 35) * UNIT)
    assert device.levels[0] == 16_384
    assert edges(device, 100 * MS) == [(202, 0, 1), (222, 0, 0), (302, 0, 1), (322, 0, 0)]


@pytest.mark.parametrize(("burst", "pulses"), [(75, [0, 30, 60]), (65, [0, 30])])
def test_pulses_come_in_bursts_and_none_is_cut_by_its_burst(burst, pulses):
    device = make()
    say(device, 0, *everything((10, 0, 1, 20, burst, 200 - burst, 500, 0)))
    say(device, 10 * MS, 77, 1)
    found = edges(device, 100 * MS)
    assert [unit - 202 for unit, _, level in found if level] == [at + pulse for at in (0, 200, 400) for pulse in pulses]
    assert [unit - 212 for unit, _, level in found if not level] == [
        at + pulse for at in (0, 200, 400) for pulse in pulses
    ]


@pytest.mark.parametrize(("param", "value", "rises"), [(10, 2_000, 2), (10, 500, 1), (7, 1_900, 5), (7, 400, 20)])
def test_one_parameter_of_one_channel_can_be_changed(param, value, rises):
    device = make()
    say(device, 0, *train(100, 900, 10_000))
    assert say(device, 5 * MS, *one(param, 2, value)) == b"\x01"
    say(device, 10 * MS, 77, 0b11)
    found = edges(device, 1_000 * MS)
    assert sum(level for _, pin, level in found if pin == 1) == rises
    assert sum(level for _, pin, level in found if pin == 0) == 10


def test_parameters_of_one_two_and_four_bytes_are_told_apart():
    device = make()
    say(device, 0, *train(20, 20, 20))
    assert say(device, 2 * MS, *one(2, 1, 35_000, size=2)) == b"\x01"  # 0.68 V
    assert say(device, 4 * MS, *one(14, 3, 0, size=1)) == b"\x01"
    assert say(device, 6 * MS, *one(128, 1, 2, size=1)) == b"\x01"
    assert say(device, 8 * MS, 74, 99, 1) == b"\x01"  # a parameter that there is not has no value
    say(device, 10 * MS, 77, 0b11)
    assert device.levels[0] == 35_000
    assert [pin for _, pin, _ in edges(device, 100 * MS)] == [1, 1]


def test_a_resting_voltage_is_put_out_at_once():
    device = make()
    say(device, 0, *one(17, 1, 49_152, size=2))
    assert device.outputs == 1


# --- ending


@pytest.mark.parametrize("op", [80, 81])
def test_an_abort_ends_every_channel_and_is_not_answered(op):
    device = make()
    say(device, 0, *train(20_000, 1, 20_000))
    say(device, 10 * MS, 77, 0b0011)
    assert device.outputs == 0b0011
    assert say(device, 20 * MS, op) == b""
    assert edges(device, 2_000 * MS) == [(202, 0, 1), (202, 1, 1), (400, 0, 0), (400, 1, 0)]


def test_an_abort_in_the_cycle_after_a_trigger_is_overtaken_by_it():
    device = make()
    say(device, 0, *train(100, 1, 100))
    device.feed(bytes((213, 77, 1, 213, 80)), START + 10 * MS)
    assert edges(device, 100 * MS) == [(202, 0, 1), (302, 0, 0)]
    device.feed(bytes((213, 77, 1, 213, 80, 213, 80)), START + 200 * MS)
    assert edges(device, 300 * MS) == [(4_002, 0, 1), (4_002, 0, 0)]  # the second abort ends it within its first cycle


def test_a_trigger_for_a_channel_that_plays_starts_it_again_when_it_has_ended():
    device = make()
    say(device, 0, *train(100, 1, 100))
    say(device, 10 * MS, 77, 1)
    say(device, 12 * MS, 77, 1)
    assert edges(device, 100 * MS) == [(202, 0, 1), (302, 0, 0), (303, 0, 1), (403, 0, 0)]


def test_a_continuous_loop_never_ends_until_it_is_switched_off():
    device = make()
    say(device, 0, *train(100, 100, 200))
    assert say(device, 10 * MS, 82, 2, 1) == b"\x01"
    assert len(edges(device, 10_000 * MS)) > 1_900
    assert say(device, 10_000 * MS, 82, 2, 0) == b"\x01"
    edges(device, 10_010 * MS)
    assert device.outputs == 0
    assert edges(device, 12_000 * MS) == []


def test_a_continuous_loop_outlives_an_abort_and_programming():
    device = make()
    say(device, 0, 82, 1, 1)
    say(device, 10 * MS, 80)
    say(device, 20 * MS, *train(100, 100, 200))
    say(device, 30 * MS, 77, 1)
    edges(device, 10_000 * MS)
    assert device.due_ns() != NEVER_NS


def test_a_fixed_voltage_stays_until_an_abort():
    device = make()
    assert say(device, 0, 79, 3, 0xFF, 0xFF) == b"\x01"
    device.advance(START + 60_000 * MS)
    assert device.outputs == 0b0100
    say(device, 60_001 * MS, 80)
    assert device.outputs == 0


# --- what else it knows


def test_display_name_pins_and_custom_trains_are_read_to_their_end():
    device = make()
    assert say(device, 0, 78, 5, *b"ab\xfecd") == b""
    assert say(device, 10 * MS, 89, *b"duetto") == b""
    assert say(device, 20 * MS, 86, 13, 1) == b""
    assert say(device, 30 * MS, 87, 13) == b"\x00"
    assert say(device, 40 * MS, 75, 2, 0, 0, 0, *bytes(8), *bytes(4)) == b"\x01"
    assert say(device, 50 * MS, 76, 0, 0, 0, 0) == b"\x01"
    assert say(device, 60 * MS, 72) == b"K\x15\x00\x00\x00"
    assert (device.display, device.client, device.discarded) == (b"ab\xfecd", b"duetto", 0)
    assert device.custom == {1: b"\x02" + bytes(15), 2: bytes(4)}


def test_a_channel_that_plays_a_custom_train_stays_at_rest():
    device = make()
    say(device, 0, *everything((20, 0, 1, 20, 0, 0, 20, 0), flags=(0, 1, 0, 0)))
    say(device, 10 * MS, 77, 1)
    assert edges(device, 100 * MS) == []


def test_settings_are_saved_loaded_and_deleted_by_name():
    device = make()
    program = train(100, 900, 10_000)
    say(device, 0, *program)
    assert say(device, 10 * MS, 90, 1, 3, *b"lab") == b""
    assert struct.unpack("<8I", say(device, 15 * MS, 85)[:32]) == (100, 0, 1, 900, 0, 0, 10_000, 0)
    say(device, 20 * MS, *train(1, 1, 1))
    assert say(device, 30 * MS, 90, 2, 3, *b"lab") == bytes(program[1:])
    say(device, 40 * MS, 90, 3, 3, *b"lab")
    assert say(device, 50 * MS, 90, 2, 3, *b"lab") == b""  # not there: the defaults instead
    assert struct.unpack("<8I", say(device, 60 * MS, 85)[:32]) == (2, 2, 2, 20, 0, 0, 20_000, 0)


def test_the_card_holds_each_channels_settings_together():
    card = say(make(), 0, 85)
    assert len(card) == 178
    assert struct.unpack("<8IB3H3B", card[:42]) == (2, 2, 2, 20, 0, 0, 20_000, 0, 0, 49_152, 16_384, 32_768, 0, 0, 0)
    assert card[168:] == bytes((0, 1, 1, 1, 1, 0, 0, 0, 0, 0))


def test_an_unknown_opcode_is_passed_over():
    device = make()
    assert say(device, 0, 200) == b""
    assert say(device, 10 * MS, 72) == b"K\x15\x00\x00\x00"
    assert device.discarded == 2


# --- broken messages


def test_bytes_before_the_mark_are_discarded_one_a_cycle():
    device = make()
    device.feed(bytes(range(200)) + bytes((213, 72)), START)
    assert device.outgoing(START + 200 * UNIT) == b""
    assert device.outgoing(START + 201 * UNIT) == b"K\x15\x00\x00\x00"
    assert device.discarded == 200


def test_a_message_may_come_one_byte_at_a_time():
    device = make()
    for k, byte in enumerate(bytes((213, *train(100, 900, 10_000)))):
        device.feed(bytes((byte,)), START + k * 400 * MS)
    assert device.outgoing(START + 179 * 400 * MS) == b"\x01"
    assert not device.knobs.frozen


def test_a_train_stands_still_while_a_message_is_unfinished():
    device = make()
    say(device, 0, *train(100, 1, 100))
    say(device, 10 * MS, 77, 1)
    device.feed(bytes((213,)), START + 12 * MS)
    device.feed(bytes((72,)), START + 312 * MS)
    assert edges(device, 500 * MS) == [(202, 0, 1), (302 + 300 * 20, 0, 0)]


def test_half_a_message_freezes_it_after_500_ms_with_its_outputs_as_they_are():
    device = make()
    say(device, 0, *train(100, 1, 100))
    say(device, 10 * MS, 77, 1)
    device.feed(bytes((213, 74, 10)), START + 12 * MS)
    device.advance(START + 511 * MS)
    assert not device.knobs.frozen
    device.advance(START + 513 * MS)
    assert device.knobs.frozen
    assert say(device, 600 * MS, 80) == b"\x01"  # the half message was carried out and confirmed
    assert say(device, 700 * MS, 72) == b""
    assert edges(device, 60_000 * MS) == [(202, 0, 1)]
    assert device.due_ns() == NEVER_NS


def test_half_a_program_is_filled_up_with_zeros_and_carried_out():
    device = make()
    device.feed(bytes((213, *train(100, 900, 10_000)))[:150], START)
    assert device.outgoing(START + 499 * MS) == b""
    assert device.outgoing(START + 501 * MS) == b"\x01"
    assert device.levels[3] == 0  # 0 in 16 bits is -10 V
    assert device.knobs.frozen


def test_half_a_message_is_completed_by_whatever_comes_next():
    device = make()
    say(device, 0, *train(20_000, 20_000, 20))
    device.feed(bytes((213, 74, 10, 1, 20)), START + 10 * MS)
    assert say(device, 50 * MS, *one(10, 1, 20)) == b"\x01"
    say(device, 100 * MS, 77, 1)
    device.advance(START + 1_000 * MS)
    assert device.outputs == 1  # its train takes 0x0A4AD514 units, 2.4 hours


@pytest.mark.parametrize("half", [(), (77,), (78, 9), (75, 4, 0, 0, 0), (90, 1, 5), (72 + 128,)])
def test_every_half_message_freezes_it_but_a_whole_one(half):
    device = make()
    device.feed(bytes((213, *half)), START)
    device.advance(START + 600 * MS)
    assert device.knobs.frozen is (half != (200,))


def test_the_joystick_ends_that_with_default_settings_and_the_train_goes_on():
    device = make()
    say(device, 0, *train(100, 1, 100))
    say(device, 10 * MS, 77, 1)
    device.feed(bytes((213, 77)), START + 12 * MS)
    device.advance(START + 1_000 * MS)
    assert device.outputs == 1
    device.press_joystick(START + 1_000 * MS)
    device.advance(START + 2_999 * MS)
    assert device.outputs == 1
    assert len(edges(device, 3_010 * MS)) == 2
    assert device.outputs == 0
    say(device, 4_000 * MS, 77, 0b10)
    assert len(edges(device, 6_000 * MS)) == 2 * 910  # 1 s of 0.1 ms pulses every 1.1 ms


def test_a_train_goes_on_where_it_stood_when_it_was_frozen():
    device = make()
    say(device, 0, *train(1_000, 1, 1_000))
    say(device, 10 * MS, 77, 1)
    device.knobs.frozen = True
    device.advance(START + 500 * MS)
    device.advance(START + 511 * MS)
    device.knobs.frozen = False
    assert edges(device, 1_000 * MS) == [(202, 0, 1), (11_202, 0, 0)]


def test_the_joystick_aborts_a_train():
    device = make()
    say(device, 0, *train(20_000, 1, 20_000))
    say(device, 10 * MS, 77, 1)
    device.press_joystick(START + 20 * MS)
    assert device.outputs == 0
    assert not device.knobs.frozen


# --- the rest of the interface


def test_a_reset_loads_the_card_and_is_deaf_for_a_while():
    device = make()
    say(device, 0, *train(20_000, 1, 20_000))
    say(device, 10 * MS, 77, 1)
    device.reset(START + 20 * MS)
    assert device.outputs == 0
    device.feed(bytes((213, 72)), START + 30 * MS)
    assert device.outgoing(START + 269 * MS) == b""
    assert device.outgoing(START + 271 * MS) == b"K\x15\x00\x00\x00"
    say(device, 300 * MS, 77, 1)
    assert len(edges(device, 2_000 * MS)) == 2 + 2 * 910


def test_knobs_spoil_what_it_sends():
    device = make()
    device.knobs.duplicate = 1
    assert say(device, 0, 72) == b"K\x15\x00\x00\x00" * 2
    device.knobs.garbage = b"\x99"
    assert say(device, 10 * MS, 72) == b"\x99K\x15\x00\x00\x00"
    device.knobs.drop = 2
    assert say(device, 20 * MS, 72) == b"\x00\x00\x00"
    device.knobs.corrupt = 1
    assert say(device, 30 * MS, *one(10, 1, 7)) == b"\x54"
    device.knobs.silence = True
    assert say(device, 40 * MS, 72) == b""


def test_inputs_are_kept_and_start_nothing_and_there_is_no_interlock():
    device = make()
    say(device, 0, *everything((20, 0, 1, 20, 0, 0, 20, 0), links=b"\x01" * 8 + bytes(2)))
    device.set_input(1, True, START + 10 * MS)
    assert device.inputs == 2
    assert edges(device, 100 * MS) == []
    with pytest.raises(NoSuchPin, match="no input 2"):
        device.set_input(2, True, START + 100 * MS)
    with pytest.raises(NoSuchPin, match="interlock"):
        device.set_interlock(False, START + 100 * MS)


def naive_edges(pulse, pause, length, first):
    """What a train is, unit by unit."""
    on = [unit % (pulse + pause) < pulse for unit in range(length)] + [False]
    before = [False, *on]
    return [(first + unit, 0, int(now)) for unit, (was, now) in enumerate(zip(before, on, strict=False)) if was != now]


@given(st.integers(1, 40), st.integers(1, 60), st.integers(1, 400), st.integers(0, 3))
@settings(deadline=None, max_examples=100)
def test_every_train_is_what_it_is_unit_by_unit(pulse, pause, length, step):
    device = make()
    say(device, 0, *train(pulse, pause, length))
    say(device, 10 * MS, 77, 1)
    for k in range(step):
        device.advance(START + 10 * MS + k * 1_700_000)
    assert edges(device, 100 * MS) == naive_edges(pulse, pause, length, 202)


small = st.integers(0, 30)


@given(
    units=st.tuples(st.integers(1, 20), small, st.integers(1, 20), small, small, small, st.integers(1, 300), small),
    biphasic=st.booleans(),
    triggers=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 15)), max_size=4),
)
@settings(deadline=None, max_examples=60)
def test_cycles_that_are_skipped_are_those_in_which_nothing_happens(units, biphasic, triggers):
    found = []
    for every_cycle in (False, True):
        device = make()
        say(device, 0, *everything(units, flags=(biphasic, 0, 0, 0)))
        todo = dict(triggers)
        for unit in range(40, 1_500):
            between_ns = START + unit * UNIT - UNIT // 2
            if unit - 40 in todo:
                device.feed(bytes((213, 77, todo[unit - 40])), between_ns)
            elif every_cycle:
                device.feed(b"\0", between_ns)  # discarded, but this cycle has to be lived
        found.append(edges(device, 200 * MS))
    assert found[0] == found[1]

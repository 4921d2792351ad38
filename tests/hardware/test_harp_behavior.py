"""The Harp Behavior board's driver, against the emulated board, in virtual time, with wires from outputs to inputs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.behavior import requests as ask
from hardware.behavior.exchange import Exchange, Rank
from hardware.behavior.registers import OUTPUT_BITS, Register
from hardware.device import (
    BadSettings,
    ConfigurationRefused,
    DeviceReset,
    DeviceSettings,
    DeviceState,
    SilentDevice,
    WrongDevice,
    find_drivers,
    find_emulators,
)
from hardware.drivers import harp_behavior
from hardware.emulators.harp_behavior import EmulatedBehaviorBoard
from hardware.harp import Framer, MessageType, PayloadType, encode, event, read_request, write_request
from realtime.records import NEVER_NS, Fault, Flag, Kind, Line, Role, no_events

MS = 1_000_000
S = 1_000_000_000
START_NS = 1000 * MS
PINS = {
    Line.POKE_A: 0,
    Line.POKE_B: 1,
    Line.LICK_A: 2,
    Line.VALVE_A: 0,
    Line.VALVE_B: 1,
    Line.LASER_A: 3,
    Line.LASER_B: 4,
}
COPIES = {Line.VALVE_A: 4, Line.VALVE_B: 5, Line.LASER_A: 6, Line.LASER_B: 3}
VALVE_A, VALVE_B, LASER_A, LASER_B = (1 << OUTPUT_BITS[PINS[line]] for line in COPIES)
EDGES = (
    Kind.POKE_IN,
    Kind.POKE_OUT,
    Kind.LICK_IN,
    Kind.LICK_OUT,
    Kind.VALVE_ON,
    Kind.VALVE_OFF,
    Kind.LASER_ON,
    Kind.LASER_OFF,
)


class Bench:
    """Moves bytes, time, and the levels of the copies' wires; the rest is the real driver and the real emulator."""

    def __init__(self, delay_ns=0, device_ns=5 * S, first_seq=0, **settings):
        self.now_ns = START_NS
        self.delay_ns = delay_ns
        self.board = EmulatedBehaviorBoard(START_NS, device_ns)
        kept = {"name": "box", "source": 2, "pins": PINS, "copies": COPIES, "link_baud": 0} | settings
        self.driver = harp_behavior.create(DeviceSettings(**kept), first_seq)
        self.wires = {kept["pins"][line]: pin for line, pin in kept["copies"].items() if line in kept["pins"]}
        self.edges = []  # every true edge of an output: (time, pin, level)
        self.written = b""
        self.lose_next = 0  # so many writes of the driver vanish
        self.deaf_to = None  # writes of the driver to this register vanish
        self.cut_next = 0  # so many writes of the driver lose their last byte
        self._to_board = []
        self._to_driver = []
        self._seen = no_events(0)
        self._remarks = []

    def start(self):
        self.driver.start(self.now_ns)
        self.run(100 + 100 * self.delay_ns / MS)
        return self

    @property
    def device_ns(self):
        """What a sound board's clock shows now."""
        return 5 * S + self.now_ns - START_NS

    def run(self, ms):
        until_ns = self.now_ns + round(ms * MS)
        self._settle()
        while (due_ns := self._due_ns()) <= until_ns:
            self.now_ns = max(due_ns, self.now_ns)
            self._settle()
        self.now_ns = until_ns
        self._settle()

    def command(self, *orders):
        """Send COMMAND records decided together: (line, ms) or (line, ms, nonce); of ``Line.ARM`` 1 arms."""
        records = no_events(len(orders))
        records["kind"] = Kind.COMMAND
        for record, (line, ms, *nonce) in zip(records, orders, strict=True):
            record["line"] = line
            record["value"] = ms if line == Line.ARM else ms * MS
            record["source_seq"] = nonce[0] if nonce else 0
        self.driver.command(records, self.now_ns)
        self._settle()

    def set_input(self, pin, high):
        self.board.set_input(pin, high, self.now_ns)
        self._settle()

    def records(self, *kinds):
        self._seen = np.concatenate([self._seen, self.driver.records()])
        return self._seen[np.isin(self._seen["kind"], kinds)] if kinds else self._seen

    def remarks(self):
        self._remarks += self.driver.remarks()
        return self._remarks

    def faults(self):
        return [int(value) for value in self.records(Kind.FAULT)["value"]]

    def count(self, name):
        return self.driver.counters()[name]

    def lengths(self, pin):
        """How long the output was on, each time, in ms."""
        times = [time_ns for time_ns, edge_pin, _ in self.edges if edge_pin == pin]
        return [(off - on) / MS for on, off in zip(times[::2], times[1::2], strict=True)]

    def _due_ns(self):
        arrivals = [time_ns for time_ns, _ in self._to_board + self._to_driver]
        return min(self.driver.due_ns(), self.board.due_ns(), *arrivals, NEVER_NS)

    def _settle(self):
        for _ in range(100):
            self.board.advance(self.now_ns)
            for data in _arrived(self._to_board, self.now_ns):
                self.board.feed(data, self.now_ns)
            self._carry_copies()
            for data in _arrived(self._to_driver, self.now_ns):
                self.driver.feed(data, self.now_ns)
            self.driver.poll(self.now_ns)
            if not self._ship():
                return
        raise RuntimeError("driver and board never came to rest")

    def _carry_copies(self):
        for time_ns, pin, level in self.board.take_edges():
            self.edges.append((time_ns, pin, level))
            if pin in self.wires:
                self.board.set_input(self.wires[pin], bool(level), self.now_ns)

    def _ship(self):
        out, back = self.driver.outgoing(), self.board.outgoing(self.now_ns)
        self.written += out
        if out and self.lose_next:
            self.lose_next -= 1
            out = b""
        elif out and out[2] == self.deaf_to:
            out = b""
        elif out and self.cut_next:
            self.cut_next -= 1
            out = out[:-1]
        self._to_board += [(self.now_ns + self.delay_ns, out)] * bool(out)
        self._to_driver += [(self.now_ns + self.delay_ns, back)] * bool(back)
        return bool(out or back) and not self.delay_ns


def _arrived(wire, now_ns):
    arrived = [data for time_ns, data in wire if time_ns <= now_ns]
    wire[:] = [entry for entry in wire if entry[0] > now_ns]
    return arrived


def seen(bench, *kinds):
    """(kind, line) of the edges so far."""
    return [(record["kind"], record["line"]) for record in bench.records(*(kinds or EDGES))]


def sent_to(bench, address):
    """What the driver wrote to a register, in order."""
    messages = Framer().feed(bench.written, 0)
    return [message.value for message in messages if message.type == MessageType.WRITE and message.address == address]


@pytest.fixture
def bench():
    return Bench().start()


def feed_board(bench, address, value, kind=PayloadType.U16):
    """What another program on the port would write."""
    bench.board.feed(write_request(address, kind, value.to_bytes(kind, "little")), bench.now_ns)
    bench.board.advance(bench.now_ns + 2 * MS)
    bench.now_ns += 2 * MS
    bench.board.outgoing(bench.now_ns)


# --- starting


def test_driver_and_emulator_are_found_by_one_name():
    module = find_drivers()["harp_behavior"]
    assert module is harp_behavior
    assert not module.CONFIRMS
    assert {Role.POKE, Role.VALVE, Role.LASER} <= module.ROLES
    assert find_emulators()["harp_behavior"].create(0).outputs == 0


def test_an_identified_board_is_configured_disarmed_active_and_ready(bench):
    assert bench.driver.state is DeviceState.READY
    assert bench.driver.fault is None
    assert not bench.driver.armed
    assert bench.board.active
    assert bench.driver.firmware == "3.3"
    assert bench.faults() == []


def test_every_output_is_made_a_pulse_and_events_are_those_of_the_inputs_only(bench):
    assert sent_to(bench, Register.OUTPUT_PULSE_ENABLE) == [0x3FFF]
    assert sent_to(bench, Register.EVENT_ENABLE) == [3]
    assert sent_to(bench, Register.PORT_DIO_DIRECTION) == [0]
    assert sent_to(bench, Register.OUTPUT_CLEAR) == [0x3C3F, 0x3C3F]


def test_an_output_that_stays_on_though_it_was_cleared_ends_the_start():
    bench = Bench()
    bench.driver.start(bench.now_ns)
    while not bench.written.endswith(read_request(Register.OUTPUT_STATE, PayloadType.U16)):
        bench.run(0.1)
    bench.run(0.3)
    state = encode(
        MessageType.READ, Register.OUTPUT_STATE, PayloadType.U16, LASER_B.to_bytes(2, "little"), bench.device_ns
    )
    bench.driver.feed(state, bench.now_ns)
    assert isinstance(bench.driver.error, ConfigurationRefused)
    assert "outputs 0x0800 on" in str(bench.driver.error)


def test_a_link_with_a_round_trip_of_thirty_milliseconds_is_slow_and_works():
    bench = Bench(delay_ns=15 * MS).start()
    bench.set_input(0, True)
    bench.run(500)
    assert bench.driver.state is DeviceState.READY
    assert seen(bench) == [(Kind.POKE_IN, Line.POKE_A)]
    assert bench.faults() == []


def test_never_are_two_requests_under_way_for_the_board_would_lose_the_first():
    bench = Bench(delay_ns=150_000).start()
    bench.command((Line.ARM, 1))
    for nonce in range(20):
        bench.command((Line.VALVE_A, 20 + nonce, 3 * nonce + 1), (Line.LASER_A, 30, 3 * nonce + 2))
        bench.command((Line.VALVE_B, 25, 3 * nonce + 3))
        bench.run(77.7)
    assert bench.board.overrun == 0
    assert bench.count("retries") == 0
    assert len(bench.lengths(0)) == len(bench.lengths(1)) == len(bench.lengths(3)) == 20


def test_another_device_on_the_port_is_named_and_told_nothing():
    bench = Bench()
    bench.board.knobs.who_am_i = 3335
    bench.start()
    assert bench.driver.state is DeviceState.FAULTED
    assert isinstance(bench.driver.error, WrongDevice)
    assert "the reference board (WhoAmI 3335)" in str(bench.driver.error)
    assert bench.faults() == [Fault.DEVICE_REFUSED]
    assert bench.remarks() == [str(bench.driver.error)]
    assert [message.type for message in Framer().feed(bench.written, 0)] == [MessageType.READ]


def test_an_old_firmware_is_named():
    bench = Bench()
    bench.board.knobs.firmware_high = 2
    bench.start()
    assert isinstance(bench.driver.error, ConfigurationRefused)
    assert "firmware 2.x" in str(bench.driver.error)


def test_a_silent_board_is_named_within_three_seconds():
    bench = Bench()
    bench.board.knobs.silence = True
    bench.driver.start(bench.now_ns)
    bench.run(2400)
    assert bench.driver.state is DeviceState.CONNECTING
    bench.run(600)
    assert isinstance(bench.driver.error, SilentDevice)
    assert "sent nothing" in str(bench.driver.error)
    assert bench.driver.fault is Fault.DEVICE_SILENT
    assert bench.driver.due_ns() == NEVER_NS


def test_noise_instead_of_an_answer_is_mentioned():
    bench = Bench()
    bench.board.knobs.silence = True
    bench.driver.start(bench.now_ns)
    bench.driver.feed(b"Hello from a sketch", bench.now_ns)
    bench.run(3000)
    assert "19 bytes that are no Harp frame" in str(bench.driver.error)


def test_a_board_that_boots_for_two_seconds_is_waited_for():
    bench = Bench()
    bench.board.reset(bench.now_ns, boot_ns=2000 * MS)
    bench.driver.start(bench.now_ns)
    bench.run(2300)
    assert bench.driver.state is DeviceState.READY


def test_a_setting_that_the_board_does_not_take_ends_the_start_by_name():
    bench = Bench()
    bench.driver.start(bench.now_ns)
    bench.run(1.5)  # identified; the first setting is under way
    refusal = encode(MessageType.WRITE_ERROR, Register.OUTPUT_CLEAR, PayloadType.U16, b"", 6 * S)
    bench.driver.feed(refusal, bench.now_ns)
    assert isinstance(bench.driver.error, ConfigurationRefused)
    assert "did not allow register 35 to be set" in str(bench.driver.error)


def test_a_board_that_falls_silent_while_it_is_configured_is_not_waited_for_for_ever():
    bench = Bench()
    bench.driver.start(bench.now_ns)
    bench.run(3)
    bench.board.knobs.silence = True
    bench.run(1000)
    assert isinstance(bench.driver.error, SilentDevice)
    assert "no watchdog" in str(bench.driver.error)


@pytest.mark.parametrize("mask", [VALVE_A, LASER_A, LASER_A | VALVE_B])
def test_what_an_earlier_program_left_on_for_ever_is_switched_off_and_is_no_edge_of_this_session(mask):
    bench = Bench()
    feed_board(bench, Register.OUTPUT_PULSE_ENABLE, 0)
    feed_board(bench, Register.OUTPUT_SET, mask)
    assert bench.board.outputs
    bench.start()
    assert bench.board.outputs == 0
    assert bench.driver.state is DeviceState.READY
    assert seen(bench) == []


@pytest.mark.parametrize(
    ("address", "value"),
    [(Register.PWM_START, 0x0F), (Register.ENABLE_SERVOS, 0x0C), (Register.ENABLE_ENCODERS, 4)],
)
def test_pwm_servos_and_the_encoder_of_an_earlier_program_are_ended(address, value):
    bench = Bench()
    feed_board(bench, address, value, PayloadType.U8)
    bench.start()
    assert bench.driver.state is DeviceState.READY
    assert bench.board.outputs == 0


def test_camera_triggers_of_an_earlier_program_are_ended_by_standby():
    bench = Bench()
    feed_board(bench, 10, 1, PayloadType.U8)
    feed_board(bench, Register.START_CAMERAS, 3, PayloadType.U8)
    bench.start()
    assert bench.driver.state is DeviceState.READY


@pytest.mark.parametrize("address", [111, 112, 113, 117, 118, 119])
def test_a_mimic_register_that_is_set_could_light_a_laser_and_is_refused_by_name(address):
    bench = Bench()
    feed_board(bench, address, 4, PayloadType.U8)
    bench.start()
    assert isinstance(bench.driver.error, ConfigurationRefused)
    assert f"register {address} at 4" in str(bench.driver.error)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"pins": {Line.VALVE_A: 3}, "copies": {}}, "VALVE_A cannot be on pin 3: use 0 to 2"),
        ({"pins": {Line.LASER_A: 0}, "copies": {}}, "LASER_A cannot be on pin 0: use 3 to 6"),
        ({"pins": {Line.POKE_A: 7}, "copies": {}}, "POKE_A cannot be on pin 7: inputs are pins 0 to 6"),
        ({"pins": {Line.ARM: 0}, "copies": {}}, "no pin at all"),
        ({"pins": {Line.POKE_A: 1, Line.POKE_B: 1}, "copies": {}}, "share a pin"),
        ({"pins": {Line.VALVE_A: 1, Line.VALVE_B: 1}, "copies": {}}, "share a pin"),
        ({"pins": {Line.POKE_A: 4}, "copies": {Line.VALVE_A: 4}}, "share a pin"),
        ({"copies": {Line.POKE_A: 4}}, "cannot carry a copy of POKE_A"),
        ({"copies": {Line.ARM: 4}}, "cannot carry a copy of ARM"),
        ({"copies": {Line.VALVE_A: 9}}, "VALVE_A cannot be on pin 9"),
        ({"max_on_ms": {Line.VALVE_A: 2001}}, "takes 1 to 2000"),
        ({"max_on_ms": {Line.LASER_A: 0}}, "takes 1 to 10000"),
        ({"keep_alive_ms": 0}, "must be above 0"),
    ],
)
def test_a_rig_that_asks_for_what_the_board_has_not_is_refused_before_anything_is_sent(settings, sentence):
    with pytest.raises(BadSettings, match=sentence):
        Bench(**settings)


# --- sensors


def test_pokes_and_licks_are_reported_by_line_and_animal_at_the_boards_own_time(bench):
    bench.run(10)
    poked_ns = bench.now_ns
    bench.set_input(1, True)
    bench.run(7)
    bench.set_input(2, True)
    bench.set_input(1, False)
    bench.run(3)
    bench.set_input(2, False)
    assert seen(bench) == [
        (Kind.POKE_IN, Line.POKE_B),
        (Kind.LICK_IN, Line.LICK_A),
        (Kind.POKE_OUT, Line.POKE_B),
        (Kind.LICK_OUT, Line.LICK_A),
    ]
    records = bench.records(*EDGES)
    assert records["animal"].tolist() == [1, 0, 1, 0]
    assert abs(records["t_ns"][0] - poked_ns) <= 150_000
    assert abs(records["t_ns"][1] - poked_ns - 7 * MS) <= 150_000
    assert not records["flags"].any()


@pytest.mark.parametrize("pin", range(7))
def test_a_beam_can_be_on_any_input_pin(pin):
    bench = Bench(pins={Line.POKE_B: pin}, copies={}).start()
    bench.set_input(pin, True)
    bench.run(5)
    bench.set_input(pin, False)
    bench.run(5)
    assert seen(bench) == [(Kind.POKE_IN, Line.POKE_B), (Kind.POKE_OUT, Line.POKE_B)]


def test_a_beam_that_is_broken_before_the_start_is_told_once_and_marked_as_held():
    bench = Bench()
    bench.board.set_input(0, True, bench.now_ns)
    bench.start()
    assert seen(bench) == [(Kind.POKE_IN, Line.POKE_A)]
    assert bench.records(Kind.POKE_IN)["flags"].tolist() == [Flag.HELD]
    bench.set_input(0, False)
    bench.run(2000)
    assert seen(bench)[1:] == [(Kind.POKE_OUT, Line.POKE_A)]
    assert bench.faults() == []


def test_a_beam_on_a_pin_that_the_rig_does_not_use_makes_no_record():
    bench = Bench(pins={Line.POKE_A: 0}, copies={}).start()
    bench.set_input(3, True)
    bench.set_input(5, True)
    bench.run(1500)
    assert seen(bench) == []
    assert bench.faults() == []


def test_a_bounce_shorter_than_the_boards_filter_is_one_poke(bench):
    for level in (True, False, True):
        bench.set_input(0, level)
        bench.run(0.1)
    bench.run(1500)
    assert seen(bench) == [(Kind.POKE_IN, Line.POKE_A)]
    assert bench.faults() == []


def test_a_long_filter_that_an_earlier_program_set_is_undone():
    bench = Bench()
    feed_board(bench, Register.POKE_INPUT_FILTER, 200, PayloadType.U8)
    bench.start()
    for level in (True, False, True):
        bench.set_input(0, level)
        bench.run(5)
    assert len(seen(bench)) == 3


def test_pokes_that_arrive_late_keep_their_own_time():
    bench = Bench(delay_ns=4 * MS).start()
    bench.run(500)
    poked_ns = bench.now_ns
    bench.set_input(0, True)
    bench.run(10)
    assert abs(bench.records(Kind.POKE_IN)["t_ns"][0] - poked_ns) <= 200_000


def test_a_beam_that_stays_broken_is_stuck_and_that_is_told_once():
    bench = Bench(stuck_ns=5 * S).start()
    bench.set_input(0, True)
    bench.run(4990)
    assert bench.faults() == []
    bench.run(60_000)
    assert bench.faults() == [Fault.BEAM_STUCK]
    assert bench.records(Kind.FAULT)["line"].tolist() == [Line.POKE_A]
    assert "POKE_A has been broken for 5 s" in bench.remarks()[0]
    bench.set_input(0, False)
    bench.run(10)
    bench.set_input(0, True)
    bench.run(5010)
    assert bench.faults() == [Fault.BEAM_STUCK] * 2
    assert bench.count("stuck_beams") == 2


def test_a_copy_is_no_beam_and_never_stuck():
    bench = Bench(stuck_ns=S, max_on_ms={Line.LASER_A: 5000}).start()
    bench.command((Line.ARM, 1))
    bench.command((Line.LASER_A, 4000, 1))
    bench.run(5000)
    assert bench.faults() == []


def test_a_chattering_beam_is_muted_for_ten_seconds_and_the_others_are_not():
    bench = Bench(chatter_hz=20).start()
    for step in range(40):
        bench.set_input(0, step % 2 == 0)
        bench.run(10)
    assert bench.faults() == [Fault.BEAM_CHATTER]
    assert bench.records(Kind.FAULT)["line"].tolist() == [Line.POKE_A]
    assert len(seen(bench)) == 20
    bench.set_input(1, True)
    bench.set_input(0, True)
    bench.run(9_500)
    assert seen(bench)[20:] == [(Kind.POKE_IN, Line.POKE_B)]
    bench.run(500)
    assert seen(bench)[21:] == [(Kind.POKE_IN, Line.POKE_A)]
    assert bench.records(Kind.POKE_IN)["flags"].tolist()[-1] == Flag.GAP
    bench.set_input(0, False)
    bench.run(5)
    assert seen(bench)[22:] == [(Kind.POKE_OUT, Line.POKE_A)]
    assert bench.count("chatters") == 1
    assert bench.count("muted_edges") == 21


def test_as_many_edges_as_allowed_in_each_second_are_no_chatter():
    bench = Bench(chatter_hz=20).start()
    for step in range(60):
        bench.set_input(0, step % 2 == 0)
        bench.run(55)
    assert bench.faults() == []
    assert len(seen(bench)) == 60


# --- outputs


@pytest.mark.parametrize("late_passes", [0, 1])
@pytest.mark.parametrize("length_ms", [1, 15, 25, 200])
def test_a_pulse_is_as_long_as_commanded_or_one_millisecond_longer_and_its_copy_is_the_record(length_ms, late_passes):
    bench = Bench().start()
    bench.board.knobs.late_passes = late_passes
    bench.command((Line.VALVE_A, length_ms, 1))
    bench.run(300)
    assert bench.lengths(0) == [pytest.approx(length_ms + late_passes, abs=0.05)]
    assert seen(bench) == [(Kind.VALVE_ON, Line.VALVE_A), (Kind.VALVE_OFF, Line.VALVE_A)]
    assert abs(bench.records(*EDGES)["t_ns"] - [edge[0] for edge in bench.edges]).max() <= 150_000
    assert bench.faults() == []


def test_a_pulse_starts_within_two_milliseconds_and_within_four_when_its_length_is_new(bench):
    delays = []
    for nonce, length_ms in enumerate((20, 20, 20, 30, 30, 20), start=1):
        commanded_ns = bench.now_ns
        bench.command((Line.VALVE_A, length_ms, nonce))
        bench.run(150.3)
        delays.append((bench.edges[-2][0] - commanded_ns) / MS)
    assert sent_to(bench, 49) == [20, 30, 20]
    assert max(delays[1], delays[2], delays[4]) <= 2
    assert max(delays) <= 4


def test_an_output_without_a_copy_is_never_recorded_whatever_the_board_acknowledges():
    bench = Bench(copies={Line.VALVE_B: 5}).start()
    bench.command((Line.VALVE_A, 20, 1))
    bench.run(200)
    assert bench.lengths(0) == [20]
    assert seen(bench) == []
    assert bench.faults() == []


def test_a_copy_of_another_devices_output_is_recorded_under_its_line():
    bench = Bench(pins={Line.POKE_A: 0}, copies={Line.LASER_B: 5}).start()
    bench.set_input(5, True)
    bench.run(5)
    bench.set_input(5, False)
    bench.run(100)
    assert seen(bench) == [(Kind.LASER_ON, Line.LASER_B), (Kind.LASER_OFF, Line.LASER_B)]
    assert bench.records(*EDGES)["animal"].tolist() == [1, 1]
    assert bench.faults() == []


@pytest.mark.parametrize(("asked_ms", "given_ms"), [(0.2, 1), (1.4, 1), (1.5, 2), (24.6, 25), (200.4, 200)])
def test_a_length_is_rounded_to_the_nearest_millisecond_and_is_at_least_one(bench, asked_ms, given_ms):
    bench.command((Line.VALVE_A, asked_ms))
    bench.run(300)
    assert bench.lengths(0) == [given_ms]


@pytest.mark.parametrize("asked_ms", [200.6, 5000, -3, float("nan"), float("inf")])
def test_an_impossible_length_is_refused_by_name_and_never_shortened(bench, asked_ms):
    bench.command((Line.VALVE_A, asked_ms))
    bench.run(300)
    assert bench.edges == []
    assert bench.faults() == [Fault.DEVICE_REFUSED]
    assert bench.records(Kind.FAULT)["line"].tolist() == [Line.VALVE_A]
    assert "max_on_ms = 200" in bench.remarks()[0]


def test_a_line_that_the_board_does_not_have_is_refused(bench):
    bench.command((Line.POKE_A, 10))
    bench.command((77, 10))
    assert bench.faults() == [Fault.DEVICE_REFUSED] * 2


def test_pulses_decided_together_start_together_each_with_its_own_length(bench):
    bench.command((Line.VALVE_A, 20, 1), (Line.VALVE_B, 30, 2))
    bench.run(100)
    rises = [time_ns for time_ns, _, level in bench.edges if level]
    assert rises[0] == rises[1]
    assert (bench.lengths(0), bench.lengths(1)) == ([20], [30])
    assert sent_to(bench, Register.OUTPUT_SET) == [VALVE_A | VALVE_B]


def test_a_command_that_comes_twice_is_carried_out_once(bench):
    bench.command((Line.VALVE_A, 20, 7))
    bench.run(100)
    bench.command((Line.VALVE_A, 20, 7))
    bench.run(100)
    assert bench.lengths(0) == [20]
    assert bench.count("duplicate_commands") == 1


def test_a_pulse_on_an_output_that_may_still_be_on_is_refused_for_nothing_on_the_board_limits_the_sum(bench):
    bench.command((Line.VALVE_A, 100, 1))
    bench.command((Line.VALVE_A, 100, 2))
    bench.run(50)
    bench.command((Line.VALVE_A, 100, 3))
    bench.run(300)
    assert bench.lengths(0) == [100]
    assert bench.faults() == [Fault.DEVICE_REFUSED] * 2
    assert "under way" in bench.remarks()[0]
    assert "may still be on" in bench.remarks()[1]


def test_two_pulses_on_one_line_in_one_decision_are_one_pulse_and_one_refusal(bench):
    bench.command((Line.VALVE_A, 20, 1), (Line.VALVE_A, 30, 2))
    bench.run(100)
    assert bench.lengths(0) == [20]
    assert bench.faults() == [Fault.DEVICE_REFUSED]


def test_the_least_gap_between_two_pulses_is_kept_by_the_host():
    bench = Bench(min_gap_ms={Line.VALVE_A: 50}).start()
    for nonce, wait_ms in ((1, 60), (2, 30), (3, 100)):
        bench.command((Line.VALVE_A, 20, nonce))
        bench.run(wait_ms)
    assert bench.lengths(0) == [20, 20]
    assert bench.faults() == [Fault.DEVICE_GAP]
    assert "min_gap_ms = 50" in bench.remarks()[0]


def test_the_least_gap_counts_from_an_off_too():
    bench = Bench(min_gap_ms={Line.VALVE_A: 50}).start()
    bench.command((Line.VALVE_A, 100, 1))
    bench.run(30)
    bench.command((Line.VALVE_A, 0, 2))
    bench.run(20)
    bench.command((Line.VALVE_A, 20, 3))
    bench.run(60)
    assert len(bench.lengths(0)) == 1
    assert bench.faults() == [Fault.DEVICE_GAP]
    bench.command((Line.VALVE_A, 20, 4))
    bench.run(60)
    assert bench.lengths(0)[1:] == [20]


def test_the_time_on_within_a_minute_is_limited_by_the_host():
    bench = Bench(duty_ms={Line.VALVE_A: 300}, keep_alive_ms=200).start()
    for nonce in range(1, 4):
        bench.command((Line.VALVE_A, 140, nonce))
        bench.run(1000)
    assert len(bench.lengths(0)) == 2
    assert bench.faults() == [Fault.DEVICE_DUTY]
    bench.run(58_000)
    bench.command((Line.VALVE_A, 140, 4))
    bench.run(1000)
    assert len(bench.lengths(0)) == 3
    assert bench.faults() == [Fault.DEVICE_DUTY]


def test_an_acknowledged_pulse_whose_copy_shows_nothing_is_told_after_fifty_milliseconds(bench):
    bench.board.knobs.dead_outputs = 1
    bench.command((Line.VALVE_A, 20, 1))
    bench.run(45)
    assert bench.faults() == []
    bench.run(15)
    assert bench.faults() == [Fault.EDGE_MISSING]
    assert bench.records(Kind.FAULT)["line"].tolist() == [Line.VALVE_A]
    assert bench.count("edges_missing") == 1
    bench.run(500)
    assert bench.faults() == [Fault.EDGE_MISSING]
    assert seen(bench) == []


def test_of_two_pulses_only_the_one_without_an_edge_is_missing(bench):
    del bench.wires[1]
    bench.command((Line.VALVE_A, 20, 1), (Line.VALVE_B, 20, 2))
    bench.run(200)
    assert bench.faults() == [Fault.EDGE_MISSING]
    assert bench.records(Kind.FAULT)["line"].tolist() == [Line.VALVE_B]


def test_off_ends_a_pulse_within_two_milliseconds(bench):
    bench.command((Line.VALVE_A, 100, 1))
    bench.run(30)
    off_ns = bench.now_ns
    bench.command((Line.VALVE_A, 0, 2))
    bench.run(10)
    assert bench.edges[-1][1:] == (0, 0)
    assert bench.edges[-1][0] - off_ns <= 2 * MS
    bench.command((Line.VALVE_A, 20, 3))
    bench.run(200)
    assert bench.lengths(0)[1:] == [20]
    assert bench.faults() == []


def test_off_in_the_same_decision_takes_the_pulse_back(bench):
    bench.command((Line.VALVE_A, 20, 1), (Line.VALVE_B, 20, 2), (Line.VALVE_A, 0, 3))
    bench.run(100)
    assert (bench.lengths(0), bench.lengths(1)) == ([], [20])


def test_a_pulse_that_was_switched_off_or_made_safe_owes_no_edge(bench):
    bench.board.knobs.dead_outputs = 3
    bench.command((Line.VALVE_A, 40, 1))
    bench.run(10)
    bench.command((Line.VALVE_A, 0, 2))
    bench.run(200)
    bench.command((Line.VALVE_B, 40, 3))
    bench.run(10)
    bench.driver.safe(bench.now_ns)
    bench.run(200)
    assert bench.faults() == []


def test_off_takes_back_a_pulse_that_has_not_left_and_leaves_the_one_beside_it(bench):
    bench.command((Line.VALVE_B, 10, 1))  # its length is under way
    bench.command((Line.VALVE_A, 20, 2), (Line.LICK_A, 20, 3))
    bench.command((Line.VALVE_A, 0, 4))
    bench.run(100)
    assert bench.lengths(0) == []
    assert bench.lengths(1) == [10]
    assert bench.count("recalled_pulses") == 1


def test_off_takes_one_of_two_pulses_out_of_a_shot_that_waits_for_its_lengths(bench):
    bench.command((Line.VALVE_A, 20, 1), (Line.VALVE_B, 30, 2))
    bench.command((Line.VALVE_A, 0, 3))
    bench.run(100)
    assert (bench.lengths(0), bench.lengths(1)) == ([], [30])
    assert bench.faults() == []
    assert bench.board.overrun == 0


def test_an_off_that_is_never_acknowledged_ends_the_session_and_the_pulse_ends_by_its_own_length(bench):
    bench.command((Line.VALVE_A, 150, 1))
    bench.run(20)
    bench.lose_next = 10**9
    bench.command((Line.VALVE_A, 0, 2))
    bench.run(1000)
    assert isinstance(bench.driver.error, SilentDevice)
    assert bench.lengths(0) == [150]


# --- an answer is lost


def test_a_pulse_whose_answer_is_lost_is_found_on_and_fires_once(bench):
    bench.command((Line.VALVE_B, 25, 1))
    bench.run(50)
    bench.board.knobs.drop = 14 + 13  # the answer, and the copy's event after it
    bench.command((Line.VALVE_B, 25, 2))
    bench.run(1200)
    assert bench.lengths(1) == [25, 25]
    assert sent_to(bench, Register.OUTPUT_SET) == [VALVE_B, VALVE_B]
    assert bench.count("probes") == 1
    assert bench.count("repeated_pulses") == 0


def test_a_pulse_whose_answer_alone_is_lost_is_known_by_its_copy_and_not_even_asked_after(bench):
    bench.board.knobs.drop = 0
    bench.command((Line.VALVE_B, 25, 1))
    bench.run(50)
    bench.board.knobs.drop = 14
    bench.command((Line.VALVE_B, 25, 2))
    bench.run(100)
    assert bench.lengths(1) == [25, 25]
    assert bench.count("probes") == 0
    assert bench.faults() == []


def test_a_pulse_that_never_reached_the_board_is_repeated_once_and_fires_once(bench):
    bench.command((Line.VALVE_A, 25, 1))
    bench.run(60)
    bench.lose_next = 1
    bench.command((Line.VALVE_A, 25, 2))
    bench.run(200)
    assert bench.lengths(0) == [25, 25]
    assert sent_to(bench, Register.OUTPUT_SET) == [VALVE_A] * 3
    assert bench.count("repeated_pulses") == 1
    assert bench.faults() == []


def test_a_pulse_that_the_board_cannot_hear_at_all_is_given_up_after_four_tries(bench):
    bench.deaf_to = Register.OUTPUT_SET
    bench.command((Line.VALVE_A, 50, 1))
    bench.run(300)
    assert bench.edges == []
    assert sent_to(bench, Register.OUTPUT_SET) == [VALVE_A] * 4
    assert bench.faults() == [Fault.DEVICE_REFUSED]
    assert "did not hear OutputSet in 4 tries" in bench.remarks()[0]


def test_a_short_pulse_that_never_reached_the_board_is_told_and_not_repeated(bench):
    bench.command((Line.VALVE_A, 3, 1))
    bench.run(60)
    bench.lose_next = 1
    bench.command((Line.VALVE_A, 3, 2))
    bench.run(300)
    assert bench.lengths(0) == [3]
    assert bench.faults() == [Fault.DEVICE_REFUSED]
    assert "whether it happened is unknown" in bench.remarks()[0]
    assert sent_to(bench, Register.OUTPUT_SET) == [VALVE_A] * 2


def test_a_short_pulse_without_a_copy_whose_answer_is_lost_is_told_and_not_repeated():
    bench = Bench(copies={}).start()
    bench.command((Line.VALVE_A, 3, 1))
    bench.run(60)
    bench.board.knobs.drop = 14
    bench.command((Line.VALVE_A, 3, 2))
    bench.run(300)
    assert bench.lengths(0) == [3, 3]
    assert bench.faults() == [Fault.DEVICE_REFUSED]


def test_a_pulse_that_would_be_over_when_the_answer_comes_is_not_repeated():
    bench = Bench(delay_ns=8 * MS).start()
    bench.command((Line.VALVE_A, 20, 1))
    bench.run(300)
    bench.deaf_to = Register.OUTPUT_SET
    bench.command((Line.VALVE_A, 20, 2))
    bench.run(300)
    assert bench.lengths(0) == [20]
    assert sent_to(bench, Register.OUTPUT_SET) == [VALVE_A] * 2
    assert bench.faults() == [Fault.DEVICE_REFUSED]


def test_outputs_that_were_off_before_the_pulse_prove_nothing(bench):
    bench.command((Line.VALVE_A, 60, 1))
    bench.run(90)
    bench.board.knobs.drop = 14 + 13  # the answer, and the copy's event after it
    bench.command((Line.VALVE_A, 60, 2))
    while bench.count("probes") == 0:
        bench.run(0.1)
    old_ns = bench.device_ns - 8 * MS
    bench.driver.feed(encode(MessageType.READ, 37, PayloadType.U16, bytes(2), old_ns), bench.now_ns)
    bench.run(300)
    assert bench.lengths(0) == [60, 60]
    assert sent_to(bench, Register.OUTPUT_SET) == [VALVE_A] * 2
    assert Fault.DEVICE_REFUSED in bench.faults()


def test_a_pulse_that_is_over_before_it_can_be_asked_after_is_known_by_its_copy():
    bench = Bench(delay_ns=3 * MS).start()
    bench.command((Line.VALVE_A, 1, 1))
    bench.run(300)
    bench.board.knobs.drop = 14
    bench.command((Line.VALVE_A, 1, 2))
    bench.run(300)
    assert bench.lengths(0) == [1, 1]
    assert bench.count("probes") == 2
    assert bench.faults() == []


def test_a_late_answer_is_believed_though_the_pulse_is_over_when_it_was_asked_after():
    bench = Bench(delay_ns=3 * MS, copies={}).start()
    bench.command((Line.VALVE_A, 1, 1))
    bench.run(300)
    assert bench.lengths(0) == [1]
    assert bench.count("probes") == 1
    assert bench.faults() == []


def test_an_output_whose_pulse_may_have_happened_is_not_pulsed_again_before_it_must_be_off():
    bench = Bench(copies={}).start()
    bench.command((Line.VALVE_A, 190, 1))
    bench.run(300)
    bench.board.knobs.silence = True
    bench.command((Line.VALVE_A, 190, 2))
    bench.run(130)
    bench.board.knobs.silence = False
    bench.command((Line.VALVE_A, 190, 3))
    bench.run(500)
    assert bench.lengths(0) == [190, 190]
    assert bench.faults() == [Fault.DEVICE_REFUSED] * 2
    assert "may still be on" in bench.remarks()[1]


def test_an_answer_that_is_only_late_is_taken_all_the_same():
    bench = Bench(delay_ns=5 * MS).start()
    bench.command((Line.VALVE_A, 20, 1))
    bench.run(300)
    assert bench.lengths(0) == [20]
    assert bench.count("probes") == 1
    assert bench.faults() == []


def test_off_forbids_a_repetition(bench):
    bench.command((Line.VALVE_A, 100, 1))
    bench.run(200)
    bench.lose_next = 1
    bench.command((Line.VALVE_A, 100, 2))
    bench.command((Line.VALVE_A, 0, 3))
    bench.run(500)
    assert bench.lengths(0) == [100]
    assert bench.faults() == []


def test_an_answer_that_comes_twice_is_no_answer_to_the_next_pulse(bench):
    bench.command((Line.VALVE_A, 8, 1))
    bench.run(20)
    bench.command((Line.VALVE_A, 8, 2))
    bench.run(2)
    told = bench.edges[-1][0] - START_NS + 5 * S
    answer = encode(MessageType.WRITE, Register.OUTPUT_SET, PayloadType.U16, VALVE_A.to_bytes(2, "little"), told)
    bench.run(10)
    bench.lose_next = 1
    bench.command((Line.VALVE_A, 8, 3))
    bench.driver.feed(answer, bench.now_ns)  # of the second pulse, again
    bench.run(200)
    assert bench.lengths(0) == [8, 8, 8]
    assert bench.count("repeated_answers") == 1


def test_a_length_that_is_never_acknowledged_opens_nothing(bench):
    bench.lose_next = 4
    bench.command((Line.VALVE_A, 20, 1))
    bench.run(150)
    assert bench.edges == []
    assert bench.faults() == [Fault.DEVICE_REFUSED]
    assert "register 49" in bench.remarks()[0]


def test_a_length_whose_answer_is_lost_is_written_again_and_the_pulse_has_it(bench):
    bench.board.knobs.drop = 14
    bench.command((Line.VALVE_A, 33, 1))
    bench.run(150)
    assert bench.lengths(0) == [33]
    assert sent_to(bench, 49) == [33, 33]


def test_after_a_length_that_may_have_been_set_the_old_one_is_set_again(bench):
    bench.command((Line.VALVE_A, 20, 1))
    bench.run(60)
    bench.board.knobs.silence = True
    bench.command((Line.VALVE_A, 150, 2))
    bench.run(130)
    bench.board.knobs.silence = False
    bench.command((Line.VALVE_A, 20, 3))
    bench.run(200)
    assert bench.lengths(0) == [20, 20]
    assert bench.faults() == [Fault.DEVICE_REFUSED]


def test_an_answer_with_another_length_is_not_the_answer(bench):
    bench.deaf_to = 49
    bench.command((Line.VALVE_A, 20, 1))
    bench.driver.feed(encode(MessageType.WRITE, 49, PayloadType.U16, b"\x63\0", bench.device_ns), bench.now_ns)
    bench.deaf_to = None
    bench.run(100)
    assert bench.lengths(0) == [20]
    assert bench.count("stale_answers") == 1


def test_an_error_answer_to_a_pulse_is_a_refusal(bench):
    bench.lose_next = 10
    bench.command((Line.VALVE_A, 20, 1))
    refusal = encode(MessageType.WRITE_ERROR, 49, PayloadType.U16, b"", bench.device_ns)
    bench.driver.feed(refusal, bench.now_ns)
    bench.lose_next = 0
    bench.run(50)
    assert bench.edges == []
    assert bench.faults() == [Fault.DEVICE_REFUSED]


LOSSES = st.lists(st.sampled_from(["", "", "", "out", "back", "both", "cut"]), max_size=25)


@given(LOSSES, st.sampled_from([1, 3, 8, 20, 60]), st.booleans(), st.sampled_from([0, 200_000, 3_000_000]))
@settings(deadline=None, max_examples=60)
def test_whatever_is_lost_a_command_fires_once_at_most_and_exactly_once_unless_it_is_told(
    losses, length_ms, copied, delay_ns
):
    bench = Bench(delay_ns=delay_ns, copies=COPIES if copied else {}).start()
    bench.command((Line.VALVE_A, length_ms, 1))
    bench.run(200)
    assert bench.lengths(0) == [length_ms]
    bench.command((Line.VALVE_A, length_ms, 2))
    for loss in losses:
        bench.lose_next = int(loss in {"out", "both"})
        bench.cut_next = int(loss == "cut")
        bench.board.knobs.drop = 14 if loss in {"back", "both"} else 0
        bench.run(3.3)
    bench.lose_next = bench.cut_next = bench.board.knobs.drop = 0
    bench.run(400)
    fired = bench.lengths(0)[1:]
    assert len(fired) <= 1
    assert all(length_ms <= ms <= length_ms + 1 for ms in fired)
    if not bench.faults():
        assert len(fired) == 1


# --- lasers


def test_a_laser_is_refused_while_disarmed_with_one_fault_each_time_and_no_light(bench):
    for nonce in (1, 2, 3):
        bench.command((Line.LASER_A, 20, nonce))
        bench.run(100)
    assert bench.edges == []
    assert bench.faults() == [Fault.DEVICE_REFUSED] * 3
    assert "not armed" in bench.remarks()[0]


def test_an_armed_laser_fires_and_a_disarmed_one_goes_dark(bench):
    bench.command((Line.ARM, 1))
    assert bench.driver.armed
    bench.command((Line.LASER_A, 500, 1))
    bench.run(100)
    bench.command((Line.ARM, 0))
    bench.run(10)
    assert not bench.driver.armed
    assert seen(bench) == [(Kind.LASER_ON, Line.LASER_A), (Kind.LASER_OFF, Line.LASER_A)]
    assert bench.lengths(3)[0] == pytest.approx(100, abs=4)
    bench.command((Line.LASER_A, 20, 2))
    assert bench.faults() == [Fault.DEVICE_REFUSED]


def test_disarming_recalls_lasers_that_wait_and_leaves_valves_alone(bench):
    bench.command((Line.ARM, 1))
    bench.command((Line.VALVE_A, 40, 1), (Line.LASER_A, 40, 2))
    bench.command((Line.ARM, 0))
    bench.run(100)
    assert (bench.lengths(0), bench.lengths(3)) == ([40], [])


def test_arming_and_firing_in_one_decision_works_in_this_order_only(bench):
    bench.command((Line.LASER_A, 20, 1), (Line.ARM, 1), (Line.LASER_B, 20, 2))
    bench.run(100)
    assert (bench.lengths(3), bench.lengths(4)) == ([], [20])
    assert bench.faults() == [Fault.DEVICE_REFUSED]


def test_a_new_driver_starts_disarmed_on_the_board_of_an_old_one(bench):
    bench.command((Line.ARM, 1))
    bench.driver = harp_behavior.create(DeviceSettings("box", 2, PINS, copies=COPIES, link_baud=0), 70)
    bench.driver.start(bench.now_ns)
    bench.run(100)
    assert bench.driver.state is DeviceState.READY
    assert not bench.driver.armed


# --- safety and the end


def test_a_host_that_dies_leaves_no_output_on_longer_than_its_own_pulse(bench):
    bench.command((Line.ARM, 1))
    bench.command((Line.LASER_A, 800, 1), (Line.VALVE_A, 30, 2))
    bench.run(10)
    bench.board.advance(bench.now_ns + 10 * S)  # nobody pumps the driver any more
    bench._carry_copies()
    assert bench.board.outputs == 0
    assert (bench.lengths(3), bench.lengths(0)) == ([800], [30])


def test_safe_goes_ahead_of_what_is_waiting_at_once_and_twice(bench):
    bench.command((Line.ARM, 1))
    bench.run(bench.driver.due_ns() / MS - bench.now_ns / MS)  # a ping is under way
    bench.driver.safe(bench.now_ns)
    first, second = Framer().feed(bench.driver.outgoing(), 0)
    assert (first.address, first.value) == (second.address, second.value) == (Register.OUTPUT_CLEAR, 0x3C3F)
    assert not bench.driver.armed


def test_safe_takes_back_even_what_was_to_be_written_next(bench):
    record = no_events(1)
    record["kind"], record["line"], record["value"] = Kind.COMMAND, Line.VALVE_A, 20 * MS
    bench.driver.command(record, bench.now_ns)
    bench.driver.safe(bench.now_ns)
    messages = Framer().feed(bench.driver.outgoing(), 0)
    assert [message.address for message in messages] == [Register.OUTPUT_CLEAR] * 2


def test_safe_recalls_pulses_and_forgets_the_edges_they_owe(bench):
    bench.command((Line.VALVE_A, 100, 1))
    bench.command((Line.VALVE_B, 100, 2))
    bench.driver.safe(bench.now_ns)
    bench.run(300)
    assert bench.edges == []
    assert bench.faults() == []
    assert bench.count("recalled_pulses") == 2


def test_safe_ends_a_pulse_that_is_just_being_started_and_the_driver_goes_on(bench):
    bench.command((Line.VALVE_A, 100, 1))
    bench.run(100)
    bench.command((Line.VALVE_A, 0, 2))
    bench.run(5)
    bench.command((Line.VALVE_A, 100, 3))  # OutputSet has left
    bench.driver.safe(bench.now_ns)
    bench.run(300)
    assert bench.board.outputs == 0
    assert sum(bench.lengths(0)) < 105
    bench.command((Line.VALVE_A, 100, 4))
    bench.run(200)
    assert bench.lengths(0)[-1] == 100
    assert bench.driver.state is DeviceState.READY
    assert bench.faults() == []


def test_safe_is_repeated_until_the_board_has_heard_it(bench):
    bench.command((Line.VALVE_A, 200, 1))
    bench.run(20)
    bench.lose_next = 1
    bench.driver.safe(bench.now_ns)
    bench.run(60)
    assert bench.board.outputs == 0


@pytest.mark.parametrize("moment_ms", [5, 15, 30, 35, 40])
def test_safe_during_the_start_does_not_end_the_start(moment_ms):
    bench = Bench()
    bench.driver.start(bench.now_ns)
    bench.run(moment_ms)
    bench.driver.safe(bench.now_ns)
    bench.run(200)
    assert bench.driver.state is DeviceState.READY


def test_closing_leaves_the_board_dark_and_the_driver_silent(bench):
    bench.command((Line.ARM, 1))
    bench.command((Line.LASER_A, 500, 1))
    bench.run(20)
    bench.driver.close(bench.now_ns)
    bench.run(200)
    assert bench.driver.state is DeviceState.CLOSED
    assert bench.board.outputs == 0
    bench.written = b""
    bench.run(5000)
    assert bench.written == b""
    assert bench.driver.due_ns() == NEVER_NS
    assert bench.faults() == []


def test_what_close_leaves_to_be_written_is_enough_even_when_a_ping_is_in_the_board(bench):
    bench.command((Line.VALVE_A, 200, 1))
    bench.run(20)
    bench.board.feed(read_request(1, PayloadType.U8), bench.now_ns)
    bench.driver.close(bench.now_ns)
    bench.board.feed(bench.driver.outgoing(), bench.now_ns)
    bench.board.advance(bench.now_ns + MS)
    assert bench.board.outputs == 0


def test_a_closed_driver_refuses_commands(bench):
    bench.driver.close(bench.now_ns)
    bench.command((Line.VALVE_A, 10))
    bench.run(100)
    assert bench.edges == []
    assert bench.faults() == [Fault.DEVICE_REFUSED]


def test_a_driver_that_has_not_started_refuses_commands_and_sends_nothing():
    bench = Bench()
    bench.command((Line.VALVE_A, 10))
    bench.driver.safe(bench.now_ns)
    assert bench.written == b""
    assert bench.faults() == [Fault.DEVICE_REFUSED]


def test_a_driver_that_is_still_starting_refuses_pulses_and_arming():
    bench = Bench()
    bench.driver.start(bench.now_ns)
    bench.run(5)
    bench.command((Line.VALVE_A, 10), (Line.ARM, 1))
    bench.run(100)
    assert bench.edges == []
    assert bench.faults() == [Fault.DEVICE_REFUSED] * 2
    assert not bench.driver.armed


def test_three_unanswered_pings_end_the_session(bench):
    bench.command((Line.ARM, 1))
    bench.board.knobs.silence = True
    bench.run(450)
    assert isinstance(bench.driver.error, SilentDevice)
    assert bench.faults() == [Fault.DEVICE_SILENT]
    assert not bench.driver.armed
    assert sent_to(bench, Register.OUTPUT_CLEAR)[-1] == 0x3C3F
    assert bench.count("missed_pings") == 3
    bench.board.knobs.silence = False
    bench.written = b""
    bench.run(5000)
    assert {message.address for message in Framer().feed(bench.written, 0)} <= {Register.OUTPUT_CLEAR}
    assert bench.driver.state is DeviceState.FAULTED
    bench.command((Line.VALVE_A, 10), (Line.ARM, 1))
    bench.run(100)
    assert bench.edges == []
    assert bench.faults() == [Fault.DEVICE_SILENT, Fault.DEVICE_REFUSED, Fault.DEVICE_REFUSED]


def test_two_unanswered_pings_are_forgiven_and_counted(bench):
    bench.board.knobs.drop = 2 * 13
    bench.run(900)
    assert bench.driver.state is DeviceState.READY
    assert bench.count("missed_pings") == 2
    bench.board.knobs.drop = 13
    bench.run(900)
    assert bench.driver.state is DeviceState.READY
    assert bench.count("missed_pings") == 3


def test_a_board_that_restarts_is_a_fault_and_is_not_configured_or_armed_again(bench):
    bench.command((Line.ARM, 1))
    bench.run(50)
    bench.board.reset(bench.now_ns)
    bench.run(1000)
    assert isinstance(bench.driver.error, DeviceReset)
    assert bench.faults() == [Fault.DEVICE_RESET]
    assert not bench.driver.armed
    bench.command((Line.VALVE_A, 10))
    bench.run(100)
    assert bench.edges == []


def test_a_laser_pulse_that_meets_a_restarted_board_is_switched_off_at_its_first_word(bench):
    bench.command((Line.ARM, 1))
    bench.command((Line.LASER_A, 50, 1))
    bench.run(100)
    bench.board.reset(bench.now_ns)  # its pulse bits are gone
    bench.command((Line.LASER_A, 50, 2))
    bench.run(500)
    assert bench.driver.fault is Fault.DEVICE_RESET
    assert bench.board.outputs == 0
    assert bench.lengths(3)[1:] == [pytest.approx(1, abs=1)]


def test_a_clock_that_jumps_forward_is_a_fault_too(bench):
    feed_board(bench, 8, 1000, PayloadType.U32)
    bench.run(200)
    assert bench.faults() == [Fault.DEVICE_RESET]


def test_the_first_fatal_error_is_the_one_remembered(bench):
    bench.board.reset(bench.now_ns)
    bench.run(200)
    bench.board.knobs.silence = True
    bench.run(5000)
    assert bench.faults() == [Fault.DEVICE_RESET]


def test_pulse_bits_that_another_program_cleared_end_the_session_within_a_second(bench):
    feed_board(bench, Register.OUTPUT_PULSE_ENABLE, VALVE_A | VALVE_B)
    bench.run(1100)
    assert isinstance(bench.driver.error, ConfigurationRefused)
    assert "pulse bits" in str(bench.driver.error)


def test_pulse_bits_of_outputs_that_the_rig_does_not_use_do_not_matter(bench):
    feed_board(bench, Register.OUTPUT_PULSE_ENABLE, VALVE_A | VALVE_B | LASER_A | LASER_B)
    bench.run(1100)
    assert bench.driver.state is DeviceState.READY


def test_a_board_that_fell_to_standby_reports_nothing_and_ends_the_session_within_a_second(bench):
    feed_board(bench, 10, 0, PayloadType.U8)
    bench.run(1100)
    assert isinstance(bench.driver.error, ConfigurationRefused)
    assert "standby" in str(bench.driver.error)


def test_an_output_that_is_on_without_a_pulse_is_switched_off_within_a_second_and_told(bench):
    feed_board(bench, Register.OUTPUT_PULSE_ENABLE, 0)
    feed_board(bench, Register.OUTPUT_SET, LASER_A)
    feed_board(bench, Register.OUTPUT_PULSE_ENABLE, 0x3FFF)
    bench.run(1100)
    assert bench.board.outputs == 0
    assert bench.faults() == [Fault.DEVICE_MAX_ON]
    assert bench.records(Kind.FAULT)["line"].tolist() == [Line.LASER_A]
    assert bench.count("unasked_outputs") == 1
    assert bench.driver.state is DeviceState.READY


def test_a_pulse_that_is_on_when_the_outputs_are_read_is_left_alone():
    bench = Bench(max_on_ms={Line.LASER_A: 5000}).start()
    bench.command((Line.ARM, 1))
    bench.command((Line.LASER_A, 3500, 1))
    bench.run(5000)
    assert bench.lengths(3) == [3500]
    assert bench.faults() == []


# --- the wire


def test_a_board_whose_bytes_come_one_at_a_time_behaves_the_same():
    bench = Bench()
    bench.driver.start(bench.now_ns)
    for _ in range(5000):
        bench.now_ns += 10_000
        bench.driver.poll(bench.now_ns)
        for byte in bench.driver.outgoing():
            bench.board.feed(bytes((byte,)), bench.now_ns)
        for byte in bench.board.outgoing(bench.now_ns):
            bench.now_ns += 10_000
            bench.driver.feed(bytes((byte,)), bench.now_ns)
    assert bench.driver.state is DeviceState.READY
    assert bench.driver.counters()["garbage_bytes"] == 0
    bench.command((Line.VALVE_A, 20, 1))
    bench.run(50)
    assert bench.lengths(0) == [20]


def test_garbage_before_an_event_loses_nothing_and_is_reported(bench):
    bench.board.knobs.garbage = b"\x00\x99\xfe"
    bench.set_input(0, True)
    bench.run(3100)
    assert seen(bench) == [(Kind.POKE_IN, Line.POKE_A)]
    assert bench.faults() == [Fault.GARBAGE]
    assert bench.count("garbage_bytes") == 3


def test_garbage_that_looks_like_a_header_delays_an_event_by_a_few_milliseconds_only(bench):
    bench.board.knobs.garbage = b"\x03\x28\x20\xff\x11"
    bench.set_input(0, True)
    bench.run(6)
    assert seen(bench) == [(Kind.POKE_IN, Line.POKE_A)]


@pytest.mark.parametrize("lost_bytes", [1, 7, 13])
def test_a_lost_event_is_noticed_within_a_second_and_the_edge_says_so(bench, lost_bytes):
    bench.board.knobs.drop = lost_bytes
    bench.set_input(0, True)
    bench.run(1100)
    assert Fault.DEVICE_OVERFLOW in bench.faults()
    assert bench.count("lost_events") == 1
    overflow = bench.records(Kind.FAULT)[bench.records(Kind.FAULT)["value"] == Fault.DEVICE_OVERFLOW]
    assert overflow["flags"].tolist() == [Flag.GAP]
    assert seen(bench) == [(Kind.POKE_IN, Line.POKE_A)]
    assert bench.records(Kind.POKE_IN)["flags"].tolist() == [Flag.GAP]


def test_a_corrupted_event_is_dropped_counted_and_made_good(bench):
    bench.board.knobs.corrupt = 9
    bench.set_input(0, True)
    bench.run(1100)
    assert sorted(bench.faults()) == [Fault.DEVICE_OVERFLOW, Fault.GARBAGE]
    assert seen(bench) == [(Kind.POKE_IN, Line.POKE_A)]


def test_an_event_that_changes_nothing_shows_that_one_before_it_was_lost(bench):
    bench.board.knobs.drop = 13
    bench.set_input(0, True)
    bench.run(5)
    bench.set_input(0, False)
    bench.run(5)
    assert seen(bench) == []
    assert bench.faults() == [Fault.DEVICE_OVERFLOW]
    bench.set_input(1, True)
    bench.run(5)
    assert bench.records(Kind.POKE_IN)["flags"].tolist() == [Flag.GAP]


def test_an_event_that_changes_two_beams_shows_that_one_before_it_was_lost(bench):
    bench.board.knobs.drop = 13
    bench.set_input(0, True)
    bench.run(5)
    bench.set_input(1, True)
    bench.run(5)
    assert seen(bench) == [(Kind.POKE_IN, Line.POKE_A), (Kind.POKE_IN, Line.POKE_B)]
    assert bench.records(Kind.POKE_IN)["flags"].tolist() == [Flag.GAP, Flag.GAP]
    assert bench.faults() == [Fault.DEVICE_OVERFLOW]


def test_an_answer_about_the_inputs_is_a_report_even_when_nobody_waits_for_it_and_only_once(bench):
    state = encode(MessageType.READ, Register.DIGITAL_INPUT_STATE, PayloadType.U8, b"\1", bench.device_ns)
    bench.driver.feed(state, bench.now_ns)
    assert seen(bench) == [(Kind.POKE_IN, Line.POKE_A)]
    bench.run(10)
    bench.set_input(0, True)
    bench.set_input(1, True)
    bench.driver.feed(state, bench.now_ns)
    assert seen(bench)[1:] == [(Kind.POKE_IN, Line.POKE_B)]


def test_an_event_that_comes_twice_is_one_edge_and_no_loss(bench):
    bench.board.knobs.duplicate = 1
    bench.set_input(0, True)
    bench.run(2100)
    assert seen(bench) == [(Kind.POKE_IN, Line.POKE_A)]
    assert bench.faults() == []
    assert bench.count("repeated_events") == 1


@pytest.mark.parametrize("length_ms", [10, 200])  # 200 in a request looks like the length of a long one
def test_a_truncated_request_swallows_the_next_ones_and_is_made_good_within_a_fifth_of_a_second(bench, length_ms):
    bench.cut_next = 1
    bench.command((Line.VALVE_A, length_ms, 1))
    bench.run(450)
    assert bench.lengths(0) == [length_ms]
    assert bench.driver.state is DeviceState.READY
    assert bench.faults() == []


def test_half_a_request_from_nowhere_costs_a_moment_and_nothing_else(bench):
    bench.board.feed(bytes.fromhex("02 06 22 ff 02"), bench.now_ns)
    bench.command((Line.VALVE_B, 20, 1))
    bench.run(250)
    assert bench.lengths(1) == [20]
    assert bench.driver.state is DeviceState.READY


def test_messages_of_no_use_are_ignored_and_counted(bench):
    before = bench.count("ignored_messages")
    bench.driver.feed(write_request(77, PayloadType.U8, b"\0"), bench.now_ns)  # no stamp: not from a board
    bench.driver.feed(event(99, PayloadType.U8, b"\0", 6 * S), bench.now_ns)
    assert bench.count("ignored_messages") == before + 2


def test_a_late_answer_is_not_taken_for_another_pings():
    bench = Bench(delay_ns=2 * MS, keep_alive_ms=22).start()
    bench.run(1000)
    assert bench.driver.state is DeviceState.READY
    bench.delay_ns = 11 * MS  # the answer comes 22 to 23 ms after its ping
    bench.run(5000)
    assert bench.count("late_pings") > 0
    assert bench.count("clock_epochs") == 0
    assert bench.driver.fault is None


# --- the clock


def test_every_ping_is_answered_by_a_watermark_that_nothing_later_undercuts():
    bench = Bench(delay_ns=200_000, keep_alive_ms=200).start()
    for step in range(50):
        bench.set_input(0, step % 2 == 0)
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


def test_an_event_that_shares_the_time_of_the_watermark_before_it_is_still_later():
    bench = Bench(pins={Line.POKE_A: 3}, copies={}).start()
    for _ in range(40):
        bench.run((bench.driver._ping_due_ns - bench.now_ns) / MS)
        executed_ns = bench.board.due_ns()
        bench.run((executed_ns - 8_000 - bench.now_ns) / MS)
        bench.set_input(3, True)
        bench.run((executed_ns - bench.now_ns) / MS)
        bench.set_input(3, False)
    watermark = 0
    for record in bench.records():
        if record["kind"] == Kind.CLOCK:
            watermark = record["t_ns"]
        else:
            assert record["t_ns"] > watermark


def test_a_watermark_is_a_millisecond_older_than_the_answer_it_comes_from(bench):
    bench.run(130)
    told = bench.records(Kind.CLOCK)
    pong_ns = bench.now_ns
    while len(bench.records(Kind.CLOCK)) == len(told):
        bench.run(0.1)
        pong_ns = bench.now_ns
    newest = bench.records(Kind.CLOCK)["t_ns"][-1]
    assert MS - 200_000 <= pong_ns - newest <= MS + 400_000


def test_pings_sweep_the_boards_millisecond_so_that_some_find_it_at_once():
    bench = Bench(keep_alive_ms=200).start()
    bench.run(25_000)
    poked_ns = bench.now_ns
    bench.set_input(0, True)
    bench.run(5)
    assert abs(bench.records(Kind.POKE_IN)["t_ns"][0] - poked_ns) < 150_000
    assert bench.count("clock_uncertainty_ns") < 200_000


@pytest.mark.parametrize("ppm", [100.0, -100.0])
def test_on_a_drifting_board_edges_are_told_within_a_fifth_of_a_millisecond(ppm):
    bench = Bench(delay_ns=150_000)
    bench.board.knobs.clock_ppm = ppm
    bench.start()
    bench.run(25_000)
    truth = []
    for step in range(40):
        truth.append(bench.now_ns)
        bench.set_input(0, step % 2 == 0)
        bench.run(33.3)
    errors = bench.records(Kind.POKE_IN, Kind.POKE_OUT)["t_ns"] - truth
    assert abs(errors).max() < 200_000
    assert bench.count("clock_epochs") == 0


def test_records_are_numbered_on_from_where_an_earlier_driver_ended_and_leave_the_loops_fields_alone():
    bench = Bench(first_seq=41).start()
    bench.command((Line.VALVE_A, 10, 1))
    bench.set_input(0, True)
    bench.run(1000)
    records = bench.records()
    assert records["source_seq"].tolist() == list(range(42, 42 + len(records)))
    assert bench.driver.last_seq == 41 + len(records)
    assert set(records["source"]) == {2}
    assert not records["seq"].any()
    assert not records["arrival_ns"].any()


# --- one request at a time


def answer_to(request, device_ns):
    message_type = MessageType(request.frame[0])
    (message,) = Framer().feed(encode(message_type, request.address, PayloadType.U8, b"\0", device_ns), 0)
    return message


def test_a_forgotten_request_holds_the_line_until_it_is_answered_and_its_answer_is_nobodys():
    exchange = Exchange()
    pulse, later = ask.read(32, rank=Rank.PULSE), ask.read(43)
    exchange.add(pulse, later)
    assert exchange.poll(0) == (pulse.frame, None)
    assert exchange.drop(Rank.PULSE) == 1
    assert exchange.idle(Rank.PULSE)
    assert exchange.poll(MS) == (b"", None)
    assert exchange.take(answer_to(pulse, 5 * MS)) is None
    assert exchange.poll(MS) == (later.frame, None)
    assert exchange.stale == 0


def test_a_forgotten_request_that_is_never_answered_is_given_up_without_a_word():
    exchange = Exchange()
    pulse, later = ask.read(32, rank=Rank.PULSE), ask.read(43)
    exchange.add(pulse, later)
    exchange.poll(0)
    exchange.drop(Rank.PULSE)
    assert exchange.due_ns() == 20 * MS
    assert exchange.poll(20 * MS) == (later.frame, None)


def test_an_interrupted_request_waits_at_the_head_of_its_rank_and_has_all_its_tries_again():
    exchange = Exchange()
    first, second, off = ask.read(32), ask.read(43), ask.switch_off(8)
    exchange.add(first, second)
    exchange.poll(0)
    exchange.poll(20 * MS)
    assert first.tries == 2
    assert exchange.interrupt(off, 25 * MS) == off.frame
    assert exchange.take(answer_to(first, 30 * MS)) is None
    assert exchange.stale == 1
    for _ in range(3):
        exchange.poll(exchange.due_ns())
    assert exchange.poll(exchange.due_ns()) == (b"", off)
    assert exchange.poll(S)[0] == first.frame
    assert first.tries == 1


def test_the_last_try_comes_after_a_pause_in_which_the_board_forgets_half_a_request():
    exchange = Exchange()
    exchange.add(ask.read(32))
    sent_ns = []
    for now_ns in range(0, 200 * MS, MS):
        frame, given_up = exchange.poll(now_ns)
        sent_ns += [now_ns // MS] * bool(frame)
        if given_up:
            break
    assert sent_ns == [0, 20, 40, 100]
    assert given_up is not None
    assert now_ns == 120 * MS

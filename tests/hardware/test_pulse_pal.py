"""The Pulse Pal's driver, against the emulated Pulse Pal, in virtual time."""

import itertools
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware import pulse_pal_messages as say
from hardware.device import (
    BadSettings,
    ConfigurationRefused,
    DeviceSettings,
    DeviceState,
    PulseTrain,
    SilentDevice,
    WrongDevice,
    find_drivers,
)
from hardware.drivers import pulse_pal
from hardware.emulators.pulse_pal import create as create_device
from realtime.records import NEVER_NS, Fault, Kind, Line, Role, no_events

MS = 1_000_000
START_NS = 1_000 * MS
A, B, ARM = Line.LASER_A, Line.LASER_B, Line.ARM
PINS = {A: 0, B: 2}
TRAIN = PulseTrain(rate_hz=20.0, pulse_ms=5.0, volts=5.0)
MARGIN_MS = 20
LIGHT_NS = 100_000
"""From the arrival of a trigger to the light: at most two cycles of 50 µs, and the one under way."""


class Bench:
    """Moves bytes and time between the real driver and the real emulator; everything written is kept."""

    def __init__(self, delay_ms=0.0, first_seq=0, **changes):
        self.now_ns = START_NS
        self.delay_ns = round(delay_ms * MS)
        self.device = create_device(START_NS - 10 * MS)
        self.driver = pulse_pal.create(
            DeviceSettings(**{"name": "light", "source": 3, "pins": PINS, "train": TRAIN} | changes), first_seq
        )
        self.written = []  # (time, one message)
        self.cut_next = None  # so many bytes of the driver's next message get through
        self._to_device = []
        self._to_driver = []
        self._seen = no_events(0)
        self.remarks = []

    @property
    def ops(self):
        """Opcodes of everything written so far."""
        return [message[1] for _, message in self.written]

    def written_at(self, op):
        return [time_ns for time_ns, message in self.written if message[1] == op]

    def start(self):
        self.driver.start(self.now_ns)
        self.run(200)
        return self

    def arm(self):
        self.command((ARM, 1))
        return self

    def run(self, ms):
        until_ns = self.now_ns + round(ms * MS)
        self._settle()
        for _ in range(200_000):
            if (due_ns := self._due_ns()) > until_ns:
                break
            self.now_ns = max(due_ns, self.now_ns)
            self._settle()
        else:
            raise RuntimeError("something is always due")
        self.now_ns = until_ns
        self._settle()

    def run_to(self, op):
        """Let time pass until ``op`` has been written."""
        for _ in range(20_000):
            if op in self.ops:
                return
            self.run(0.5)
        raise RuntimeError(f"the driver never wrote {op}")

    def command(self, *orders, nonce=0, settle=True):
        """Give the driver orders that were decided together: (line, ms), of ARM 1 or 0."""
        records = no_events(len(orders))
        records["kind"] = Kind.COMMAND
        records["line"] = [line for line, _ in orders]
        records["value"] = [value if line == ARM else value * MS for line, value in orders]
        records["source_seq"] = [nonce + k if nonce else 0 for k in range(len(orders))]
        self.driver.command(records, self.now_ns)
        if settle:
            self._settle()

    def faults(self):
        """(code, line) of all FAULT records so far."""
        self.remarks += self.driver.remarks()
        self._seen = np.concatenate([self._seen, self.driver.records()])
        assert set(self._seen["kind"].tolist()) <= {Kind.FAULT}
        assert len(self.remarks) == len(self._seen)
        return [(int(record["value"]), int(record["line"])) for record in self._seen]

    def edges(self):
        """Edges of the outputs since the last call: (µs since the bench began, pin, level)."""
        return [((time_ns - START_NS) / 1_000, pin, level) for time_ns, pin, level in self.device.take_edges()]

    def on_ms(self):
        """How long each pulse since the last call was on, by pin."""
        lengths = {}
        risen = {}
        for time_us, pin, level in self.edges():
            if level:
                risen[pin] = time_us
            else:
                lengths.setdefault(pin, []).append((time_us - risen.pop(pin)) / 1_000)
        assert not risen
        return lengths

    def _due_ns(self):
        arrivals = [time_ns for time_ns, _ in self._to_device + self._to_driver]
        return min(self.driver.due_ns(), self.device.due_ns(), *arrivals, NEVER_NS)

    def _settle(self):
        for _ in range(100):
            self.device.advance(self.now_ns)
            for data in arrived(self._to_device, self.now_ns):
                self.device.feed(data, self.now_ns)
            for data in arrived(self._to_driver, self.now_ns):
                self.driver.feed(data, self.now_ns)
            self.driver.poll(self.now_ns)
            if not self._ship():
                return
        raise RuntimeError("driver and device never came to rest")

    def _ship(self):
        out, back = self.driver.outgoing(), self.device.outgoing(self.now_ns)
        if out:
            self.written.append((self.now_ns, out))
            if self.cut_next is not None:
                out, self.cut_next = out[: self.cut_next], None
            self._to_device.append((self.now_ns + self.delay_ns, out))
        if back:
            self._to_driver.append((self.now_ns + self.delay_ns, back))
        return bool(out or back)


def arrived(wire, now_ns):
    found = [data for time_ns, data in wire if time_ns <= now_ns]
    wire[:] = [entry for entry in wire if entry[0] > now_ns]
    return found


def about(milliseconds):
    """A train that is cut from here is shorter by what the device needs to confirm and to begin it: up to 0.2 ms."""
    return pytest.approx(milliseconds, abs=0.21)


def ready(**changes):
    bench = Bench(**changes).start().arm()
    assert bench.driver.state is DeviceState.READY
    bench.written.clear()
    return bench


LENGTHS = {72: 2, 73: 180, 74: 8, 77: 3, 80: 2, 81: 2, 89: 8}


def longest_train(message):
    """Longest train that ``message`` programs, in ms; fails unless it is one whole message that only bounds things."""
    assert message[0] == 213
    assert len(message) == LENGTHS[message[1]]
    if message[1] == 74:
        parameter, channel, units = struct.unpack("<BBI", message[2:])
        assert parameter == 10
        assert 1 <= channel <= 4
        assert units > 0
        return units / 20
    if message[1] == 73:
        times = struct.unpack("<32I", message[2:130])
        volts = struct.unpack("<12H", message[130:154])
        assert times[4::8] == times[5::8] == times[7::8] == (0,) * 4  # no bursts, no delay
        assert min(times[6::8]) > 0
        assert volts[2::3] == (32_768,) * 4  # at rest 0 V
        assert not any(message[154:])  # one phase, no custom train, no loop, no link, normal inputs
        return max(times[6::8]) / 20
    return 0


# --- the module


def test_it_is_found_and_says_that_it_confirms_nothing():
    module = find_drivers()["pulse_pal"]
    assert {Role.LASER} == module.ROLES
    assert frozenset() == module.CONFIRMS


# --- messages


def test_every_message_is_what_the_protocol_says():
    assert bytes((213, 72)) == say.HANDSHAKE
    assert bytes((213, 80)) == say.ABORT
    assert bytes((213, 81)) == say.DISCONNECT
    assert say.trigger(0b101) == bytes((213, 77, 5))
    assert say.train_duration(2, 10_000) == bytes((213, 74, 10, 3, 0x10, 0x27, 0, 0))
    assert say.client_name("duo") == b"\xd5\x59duo   "
    assert [say.level(volts) for volts in (-10, 0, 5, 10)] == [0, 32_768, 49_152, 65_535]


def test_a_program_has_the_channels_one_after_the_other():
    channels = [say.ChannelProgram(10 * k, 20 * k, 30 * k, 1_000 * k) for k in range(1, 5)]
    message = say.program(channels)
    assert message[:2] == bytes((213, 73))
    assert struct.unpack("<8I", message[34:66]) == (20, 0, 1, 40, 0, 0, 60, 0)
    assert struct.unpack("<3H", message[136:142]) == (2_000, 32_768, 32_768)
    assert len(message) == 180
    assert not any(message[154:])


@pytest.mark.parametrize("op", [75, 76, 78, 79, 82, 85, 86, 87, 90, 91, 0, 255])
def test_whatever_may_not_end_by_itself_cannot_be_said(op):
    with pytest.raises(say.Unbounded, match=f"Opcode {op} is never sent"):
        say.message(op, b"\x01\x01")
    assert op not in set(say.Op)


@pytest.mark.parametrize("units", [0, -1, 200_001, 0x0A4AD514])
def test_a_train_without_an_end_or_a_near_one_cannot_be_said(units):
    with pytest.raises(say.Unbounded, match="has an end"):
        say.train_duration(0, units)
    with pytest.raises(say.Unbounded, match="has an end"):
        say.program([say.INERT] * 3 + [say.ChannelProgram(1, 1, units, 0)])


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: say.message(77),
        lambda: say.message(80, b"\x01"),
        lambda: say.train_duration(4, 10),
        lambda: say.train_duration(-1, 10),
        lambda: say.trigger(0),
        lambda: say.trigger(16),
        lambda: say.level(10.1),
        lambda: say.level(float("nan")),
        lambda: say.program([say.INERT] * 3),
        lambda: say.program([say.ChannelProgram(0, 1, 1, 0)] * 4),
        lambda: say.program([say.ChannelProgram(1, 0, 1, 0)] * 4),
    ],
)
def test_what_a_pulse_pal_would_misunderstand_cannot_be_said(attempt):
    with pytest.raises(say.MessageRefused):
        attempt()


# --- starting


def test_an_identified_device_is_aborted_named_programmed_and_ready():
    bench = Bench().start()
    assert bench.driver.state is DeviceState.READY
    assert bench.ops == [72, 80, 80, 89, 73]
    assert bench.device.client == b"duetto"
    assert bench.driver.counters()["firmware"] == 21
    assert bench.edges() == []
    assert bench.faults() == []
    assert all(
        later - earlier >= 2 * MS
        for (earlier, _), (later, _) in zip(bench.written[1:], bench.written[2:], strict=False)
    )


def test_only_the_rigs_channels_can_give_light():
    bench = Bench(max_on_ms={A: 700, B: 300}).start()
    program = bench.written[-1][1]
    assert longest_train(program) == 700
    assert struct.unpack("<8I", program[2:34]) == (100, 0, 1, 900, 0, 0, 14_000, 0)
    assert struct.unpack("<8I", program[66:98]) == (100, 0, 1, 900, 0, 0, 6_000, 0)
    assert struct.unpack("<8I", program[34:66]) == struct.unpack("<8I", program[98:130]) == (1, 0, 1, 1, 0, 0, 1, 0)
    assert struct.unpack("<12H", program[130:154])[::3] == (49_152, 32_768, 49_152, 32_768)


def test_a_train_left_running_by_an_earlier_program_is_ended():
    bench = Bench()
    bench.device.feed(bytes((213, 82, 2, 1)), START_NS)
    bench.device.outgoing(START_NS + MS)
    bench.now_ns += 5 * MS
    bench.start()
    assert bench.driver.state is DeviceState.READY
    assert bench.device.outputs == 0
    bench.edges()
    bench.run(2_000)
    assert bench.edges() == []


def test_a_pulse_pal_1_is_refused_and_told_nothing():
    bench = Bench()
    bench.device.knobs.firmware = 19
    bench.start()
    bench.driver.safe(bench.now_ns)
    bench.driver.close(bench.now_ns)
    assert bench.driver.outgoing() == b""
    assert isinstance(bench.driver.error, WrongDevice)
    assert "firmware 19: a Pulse Pal 1" in str(bench.driver.error)
    assert bench.faults() == [(Fault.DEVICE_REFUSED, 0)]
    assert bench.ops == [72]


def test_firmware_20_is_taken():
    bench = Bench()
    bench.device.knobs.firmware = 20
    assert bench.start().driver.state is DeviceState.READY


def test_a_silent_device_is_named_within_three_seconds():
    bench = Bench()
    bench.device.knobs.silence = True
    bench.driver.start(bench.now_ns)
    bench.run(2_400)
    assert bench.driver.state is DeviceState.CONNECTING
    bench.driver.safe(bench.now_ns)
    bench.run(600)
    assert isinstance(bench.driver.error, SilentDevice)
    assert "It sent nothing" in str(bench.driver.error)
    assert "press its joystick" in str(bench.driver.error)
    assert bench.driver.due_ns() == NEVER_NS
    assert bench.ops == [72] * 10


@pytest.mark.parametrize(
    "noise", [b"Hello from a sketch\r\n", b"K", b"\x15\x00\x00\x00K", b"\x00\x15\x00\x00\x00", b"Kaaaa"]
)
def test_noise_instead_of_an_answer_is_no_pulse_pal(noise):
    bench = Bench()
    bench.device.knobs.silence = True
    bench.driver.start(bench.now_ns)
    bench.driver.feed(noise, bench.now_ns)
    bench.run(3_000)
    assert isinstance(bench.driver.error, SilentDevice)
    assert f"It sent {len(noise)} bytes" in str(bench.driver.error)


def test_a_device_that_never_stops_talking_is_given_up_too():
    bench = Bench()
    bench.device.knobs.silence = True
    bench.driver.start(bench.now_ns)
    for _ in range(300):
        bench.run(10)
        bench.driver.feed(b"K\x15\x00\x00\x00", bench.now_ns)
    assert isinstance(bench.driver.error, SilentDevice)


@pytest.mark.parametrize("fault", [{"garbage": b"\x00\x4b\xfe"}, {"duplicate": 1}, {"drop": 3}, {"corrupt": 1}])
def test_a_bad_first_answer_does_not_prevent_the_start(fault):
    bench = Bench()
    for name, value in fault.items():
        setattr(bench.device.knobs, name, value)
    bench.driver.start(bench.now_ns)
    bench.run(500)
    assert bench.driver.state is DeviceState.READY


def test_a_device_that_boots_is_waited_for():
    bench = Bench()
    bench.device.reset(bench.now_ns)
    bench.start().run(500)
    assert bench.driver.state is DeviceState.READY


def test_a_program_that_is_not_confirmed_is_repeated_only_after_a_silence_and_a_handshake():
    bench = Bench(delay_ms=1)
    bench.driver.start(bench.now_ns)
    bench.run_to(73)
    bench.device.knobs.drop = 1
    bench.run(690)
    assert bench.ops == [72, 80, 80, 89, 73]
    bench.run(50)
    assert bench.ops == [72, 80, 80, 89, 73, 72, 80, 73]
    assert bench.driver.state is DeviceState.READY


def test_a_program_that_the_device_refuses_ends_the_start_by_name():
    bench = Bench()
    bench.driver.start(bench.now_ns)
    feed_until(bench, 73)
    bench.driver.feed(b"\x00", bench.now_ns)
    assert isinstance(bench.driver.error, ConfigurationRefused)
    assert "install firmware 21" in str(bench.driver.error)


def feed_until(bench, op):
    """Answer handshakes by hand until the driver has written ``op``."""
    for _ in range(10_000):
        bench.driver.poll(bench.now_ns)
        if out := bench.driver.outgoing():
            bench.written.append((bench.now_ns, out))
            if out == say.HANDSHAKE:
                bench.driver.feed(b"K\x15\x00\x00\x00", bench.now_ns)
        if op in bench.ops:
            return
        bench.now_ns += MS
    raise RuntimeError(f"the driver never wrote {op}")


def test_a_device_that_confirms_nothing_is_given_up_and_the_joystick_mentioned():
    bench = Bench()
    bench.driver.start(bench.now_ns)
    feed_until(bench, 73)
    bench.device.knobs.silence = True
    bench.run(5_000)
    assert isinstance(bench.driver.error, SilentDevice)
    assert "press the joystick" in str(bench.driver.error)
    assert bench.ops.count(73) == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"pins": {A: 4}}, "LASER_A cannot be on pin 4: lasers on 0 to 3"),
        ({"pins": {A: -1}}, "LASER_A cannot be on pin -1"),
        ({"pins": {Line.VALVE_A: 0}}, "VALVE_A cannot be on pin 0"),
        ({"pins": {ARM: 0}}, "ARM cannot be on pin 0"),
        ({"pins": {A: 1, B: 1}}, "share a pin"),
        ({"copies": {A: 0}}, "reports no inputs"),
        ({"max_on_ms": {A: 10_001}}, "max_on_ms of LASER_A is 10001; a Pulse Pal's driver takes 1 to 10000"),
        ({"max_on_ms": {B: 0}}, "max_on_ms of LASER_B is 0"),
        ({"min_gap_ms": {A: -1}}, "min_gap_ms of LASER_A is -1"),
        ({"duty_ms": {A: 60_001}}, "duty_ms of LASER_A is 60001"),
        ({"train": PulseTrain(20, 50, 5)}, "leave no pause"),
        ({"train": PulseTrain(0, 5, 5)}, "cannot be made"),
        ({"train": PulseTrain(float("nan"), 5, 5)}, "cannot be made"),
        ({"train": PulseTrain(20, -5, 5)}, "cannot be made"),
        ({"train": PulseTrain(20, 5, 0)}, "cannot be made"),
        ({"train": PulseTrain(20, 5, 10.5)}, "cannot be made"),
    ],
)
def test_a_rig_that_asks_for_what_a_pulse_pal_has_not_is_refused(changes, sentence):
    with pytest.raises(BadSettings, match=sentence):
        Bench(**changes)


# --- pulses


def test_a_train_of_twenty_hertz_is_given_pulse_by_pulse():
    bench = ready()
    asked_us = (bench.now_ns - START_NS) / 1_000
    bench.command((A, 500))
    bench.run(600)
    edges = bench.edges()
    first_us = edges[0][0]
    assert edges == [
        (first_us + 50_000 * k + rest, 0, level) for k in range(10) for rest, level in ((0, 1), (5_000, 0))
    ]
    assert first_us - asked_us <= 200
    assert bench.faults() == []
    assert bench.ops == [74, 77, 80]


def test_without_a_train_a_command_is_one_pulse_of_its_length():
    bench = ready(train=None)
    bench.command((B, 123.45))
    bench.run(200)
    assert bench.on_ms() == {2: [123.45]}


def test_a_length_that_is_programmed_already_is_only_triggered():
    bench = ready(train=None)
    for _ in range(3):
        bench.command((A, 100))
        bench.run(200)
    bench.command((A, 50))
    bench.run(200)
    assert bench.ops == [74, 77, 80, 77, 80, 77, 80, 74, 77, 80]
    assert bench.on_ms() == {0: [100, 100, 100, 50]}


@pytest.mark.parametrize(
    ("asked_ms", "given_ms"), [(0.01, 0.05), (0.074, 0.05), (0.076, 0.1), (1.0, 1.0), (1_000.02, 1_000.0)]
)
def test_a_length_is_rounded_to_fifty_microseconds_and_is_at_least_that(asked_ms, given_ms):
    bench = ready(train=None)
    bench.command((A, asked_ms))
    bench.run(1_100)
    assert bench.on_ms() == {0: [given_ms]}


@pytest.mark.parametrize("asked_ms", [1_000.03, 5_000, -1, float("nan"), float("inf")])
def test_an_impossible_length_is_refused_by_name_and_never_shortened(asked_ms):
    bench = ready()
    bench.command((A, asked_ms))
    bench.run(2_000)
    assert bench.edges() == []
    assert bench.faults() == [(Fault.DEVICE_REFUSED, A)]
    assert "max_on_ms = 1000" in bench.remarks[0]


def test_lines_of_other_roles_and_of_nobody_are_refused():
    bench = ready(pins={A: 0})
    bench.command((Line.VALVE_A, 10), (B, 10), (77, 10))
    assert [code for code, _ in bench.faults()] == [Fault.DEVICE_REFUSED] * 3


def test_two_pulses_of_one_length_that_were_decided_together_start_together_by_one_trigger():
    bench = ready(train=None)
    bench.command((A, 200), (B, 200))
    bench.run(300)
    assert bench.ops == [74, 74, 77, 80]
    assert bench.written[2][1] == bytes((213, 77, 0b0101))
    (on_a, _, _), (on_b, _, _), *_ = bench.edges()
    assert on_a == on_b


def test_two_pulses_of_different_lengths_start_together_when_both_are_programmed():
    bench = ready(train=None)
    bench.command((A, 200), (B, 350))
    bench.run(500)
    assert bench.ops == [74, 74, 77, 80]
    edges = bench.edges()
    assert edges[0][0] == edges[1][0]
    assert [(pin, level) for _, pin, level in edges] == [(0, 1), (2, 1), (0, 0), (2, 0)]
    assert [edges[2][0] - edges[0][0], edges[3][0] - edges[0][0]] == [200_000, 350_000]


def test_each_message_follows_the_confirmation_of_the_one_before():
    bench = ready(delay_ms=3)
    bench.command((A, 200), (B, 350))
    bench.run(4)
    assert bench.ops == [74]
    bench.run(4)
    assert bench.ops == [74, 74]
    bench.run(7)
    assert bench.ops == [74, 74, 77]


def test_a_repeated_nonce_fires_once():
    bench = ready(train=None)
    bench.command((A, 100), nonce=7)
    bench.run(200)
    bench.command((A, 100), nonce=7)
    bench.run(200)
    assert bench.on_ms() == {0: [100]}
    assert bench.driver.counters()["duplicate_commands"] == 1
    assert bench.faults() == []


def test_a_line_that_is_asked_for_twice_at_once_is_given_its_first_pulse():
    bench = ready(train=None)
    bench.command((A, 100), (A, 200))
    bench.run(300)
    assert bench.on_ms() == {0: [100]}
    assert bench.faults() == [(Fault.DEVICE_REFUSED, A)]


def test_a_pulse_that_cannot_be_triggered_in_time_is_refused_and_not_given_late():
    bench = ready(delay_ms=30)
    bench.command((A, 200), (B, 300))  # two confirmations take 120 ms
    bench.run(1_000)
    assert bench.edges() == []
    assert bench.faults() == [(Fault.DEVICE_REFUSED, A), (Fault.DEVICE_REFUSED, B)]
    assert "took more than 100 ms" in bench.remarks[0]
    bench.command((A, 200), (B, 300))  # by now they are programmed
    bench.run(1_000)
    assert len(bench.edges()) == 2 * (4 + 6)


# --- during a train


def test_while_a_train_runs_nothing_is_said_but_the_abort_at_its_end():
    bench = ready(max_on_ms={A: 10_000}, train=None)
    bench.command((A, 8_000))
    triggered_ns = bench.now_ns
    bench.run(8_000 + MARGIN_MS - 1)
    assert bench.ops == [74, 77]
    bench.run(2)
    assert bench.ops == [74, 77, 80]
    assert abs(bench.written[-1][0] - triggered_ns - (8_000 + MARGIN_MS) * MS) <= MS
    bench.run(900)
    assert bench.ops == [74, 77, 80, 72]
    assert bench.on_ms() == {0: [8_000]}


@pytest.mark.parametrize("line", [A, B])
def test_a_pulse_during_a_train_is_refused_on_any_channel(line):
    bench = ready(train=None)
    bench.command((A, 300))
    bench.run(150)
    bench.command((line, 100))
    bench.run(165)
    bench.command((line, 100))  # the train has ended, but not for long
    bench.run(500)
    assert bench.on_ms() == {0: [300]}
    assert bench.faults() == [(Fault.DEVICE_REFUSED, line)] * 2
    assert "can only be aborted" in bench.remarks[0]


def test_a_pulse_while_another_is_being_programmed_is_refused():
    bench = ready(train=None, delay_ms=5)
    bench.command((A, 300))
    bench.command((B, 300))
    bench.run(500)
    assert bench.on_ms() == {0: [300]}
    assert bench.faults() == [(Fault.DEVICE_REFUSED, B)]


def test_a_pulse_waits_for_the_keep_alive_that_is_under_way():
    bench = ready(train=None, delay_ms=5)
    bench.run_to(72)
    bench.command((A, 1_000))
    assert 77 not in bench.ops
    bench.run(1_100)
    assert bench.on_ms() == {0: [1_000]}
    assert bench.faults() == []


def test_a_channel_that_somebody_set_to_loop_is_ended_with_its_train():
    bench = ready()
    bench.device.set_joystick_loop(0, on=True)
    bench.command((A, 500))
    bench.run(10_000)
    assert bench.device.outputs == 0
    assert bench.edges()[-1][0] < bench.written_at(77)[0] / 1_000 + 521_000


def test_a_device_that_restarted_with_other_settings_is_ended_with_the_commanded_train():
    bench = ready()
    bench.command((A, 200))
    bench.run(300)
    bench.device.reset(bench.now_ns)
    bench.run(300)
    bench.edges()
    bench.command((A, 200))
    begun_us = (bench.now_ns - START_NS) / 1_000
    bench.run(3_000)
    assert bench.edges()[-1][0] - begun_us <= (200 + MARGIN_MS) * 1_000 + 200


# --- off


def test_off_aborts_at_once():
    bench = ready(train=None)
    bench.command((A, 500))
    bench.run(200)
    bench.command((A, 0))
    bench.run(0.05)
    assert bench.device.outputs == 0
    bench.run(1_000)
    assert bench.ops[:3] == [74, 77, 80]
    assert bench.on_ms() == {0: [about(200)]}
    assert bench.faults() == []


def test_off_of_one_line_ends_the_other_lines_train_too_and_says_so():
    bench = ready(train=None)
    bench.command((A, 500), (B, 500))
    bench.run(200)
    bench.command((A, 0))
    bench.run(1_000)
    assert bench.on_ms() == {0: [about(200)], 2: [about(200)]}
    assert bench.faults() == [(Fault.DEVICE_REFUSED, B)]
    assert "because LASER_A was switched off" in bench.remarks[0]


def test_two_lines_that_are_switched_off_together_are_both_meant():
    bench = ready(train=None)
    bench.command((A, 500), (B, 500))
    bench.run(200)
    bench.command((A, 0), (B, 0))
    bench.run(1_000)
    assert bench.on_ms() == {0: [about(200)], 2: [about(200)]}
    assert bench.faults() == []


def test_off_after_a_train_has_ended_cuts_nobody():
    bench = ready(train=None)
    bench.command((A, 100), (B, 100))
    bench.run(110)
    bench.command((A, 0))
    bench.run(1)
    assert bench.faults() == []
    bench.command((A, 50))
    bench.run(100)
    assert bench.on_ms() == {0: [100, 50], 2: [100]}


def test_off_recalls_a_pulse_that_waits_for_its_confirmation():
    bench = ready(train=None, delay_ms=5)
    bench.command((A, 300), (B, 300))
    bench.run(3)
    bench.command((A, 0))
    bench.run(500)
    assert bench.ops == [74, 80]
    assert bench.edges() == []
    assert bench.faults() == [(Fault.DEVICE_REFUSED, B)]
    assert bench.driver.counters()["dropped_requests"] == 2
    bench.command((A, 300))  # its length was confirmed nevertheless
    bench.run(500)
    assert bench.ops == [74, 80, 77, 80]
    assert bench.on_ms() == {0: [300]}
    bench.command((B, 300))
    bench.run(500)
    assert bench.on_ms() == {2: [300]}


def test_what_follows_an_abort_leaves_it_two_milliseconds():
    bench = ready(train=None, delay_ms=0.5)
    bench.command((A, 300))
    bench.run(0.9)
    bench.command((A, 0))
    bench.command((B, 300))
    bench.run(400)
    assert bench.ops == [74, 80, 74, 77, 80]
    assert bench.written[2][0] - bench.written[1][0] >= 2 * MS


def test_off_before_a_message_was_written_takes_its_place():
    bench = ready(train=None)
    bench.command((A, 300), settle=False)
    bench.command((A, 0), settle=False)
    bench.run(500)
    assert bench.ops == [80]
    bench.command((A, 1_000), settle=False)  # programmed since the start: only the trigger waits
    bench.command((A, 0), settle=False)
    bench.run(500)
    assert bench.driver.counters()["dropped_requests"] == 2
    assert bench.ops[:2] == [80, 80]
    assert set(bench.ops[2:]) == {72}
    bench.command((A, 1_000))
    bench.run(1_100)
    assert bench.on_ms() == {0: [1_000]}


def test_a_pulse_and_off_in_one_decision_is_off():
    bench = ready(train=None)
    bench.command((A, 300), (B, 200), (A, 0))
    bench.run(500)
    assert bench.on_ms() == {2: [200]}


def test_an_abort_that_its_trigger_overtakes_is_repeated():
    bench = ready(train=None)
    bench.command((A, 1_000), settle=False)
    bench.device.advance(bench.now_ns)
    both = bench.driver.outgoing()
    bench.command((A, 0), settle=False)
    both += bench.driver.outgoing()
    assert both == say.trigger(1) + say.ABORT
    bench.device.feed(both, bench.now_ns)  # read in two cycles in a row
    bench.run(10)
    assert bench.device.outputs == 1
    bench.command((A, 100))  # refused meanwhile
    bench.run(15)
    assert bench.device.outputs == 0
    bench.run(500)
    assert bench.on_ms()[0][0] <= 21
    assert bench.faults() == [(Fault.DEVICE_REFUSED, A)]


def test_disarm_aborts_at_once_and_only_a_command_arms_again():
    bench = ready(train=None)
    bench.command((A, 500))
    bench.run(200)
    bench.command((ARM, 0))
    bench.run(100)
    bench.command((A, 500))
    bench.run(1_000)
    assert bench.on_ms() == {0: [about(200)]}
    assert bench.faults() == [(Fault.DEVICE_REFUSED, A)]
    assert "not armed" in bench.remarks[0]
    bench.command((ARM, 1), (A, 100))
    bench.run(200)
    assert bench.on_ms() == {0: [100]}


def test_disarm_in_the_same_decision_recalls_a_pulse():
    bench = ready()
    bench.command((A, 500), (ARM, 0))
    bench.run(1_000)
    assert bench.edges() == []


def test_a_laser_is_refused_by_a_new_driver_until_it_is_armed():
    bench = Bench().start()
    bench.command((A, 100))
    bench.run(500)
    assert bench.edges() == []
    assert bench.faults() == [(Fault.DEVICE_REFUSED, A)]


def test_nothing_is_armed_or_switched_before_the_device_is_ready():
    bench = Bench()
    bench.command((ARM, 1), (A, 100), (A, 0))
    bench.start()
    bench.command((A, 100))
    bench.run(500)
    assert bench.edges() == []
    assert [code for code, _ in bench.faults()] == [Fault.DEVICE_REFUSED] * 4


def test_safe_aborts_disarms_and_recalls():
    bench = ready(train=None)
    bench.command((A, 500))
    bench.run(200)
    bench.driver.safe(bench.now_ns)
    bench.run(1_000)
    bench.command((A, 100))
    bench.run(500)
    assert bench.on_ms() == {0: [about(200)]}


def test_safe_during_the_start_does_not_stop_the_start():
    bench = Bench(delay_ms=2)
    bench.driver.start(bench.now_ns)
    for _ in range(100):
        bench.run(1)
        if bench.driver.counters()["firmware"]:
            bench.driver.safe(bench.now_ns)
            bench._settle()
            break
    bench.run(200)
    assert bench.driver.state is DeviceState.READY


def test_close_aborts_and_disconnects_and_is_final():
    bench = ready(train=None)
    bench.command((A, 500))
    bench.run(100)
    bench.driver.close(bench.now_ns)
    assert bench.driver.state is DeviceState.CLOSED
    last = bench.driver.outgoing()
    assert last == say.ABORT + say.DISCONNECT
    bench.device.feed(last, bench.now_ns)
    bench.run(2_000)
    assert bench.on_ms() == {0: [about(100)]}
    assert bench.device.client == b""
    bench.driver.close(bench.now_ns)
    assert bench.driver.outgoing() == b""
    bench.command((A, 100), (A, 0), (ARM, 1))
    assert bench.driver.due_ns() == NEVER_NS
    assert [code for code, _ in bench.faults()] == [Fault.DEVICE_REFUSED] * 3


def test_close_just_after_a_trigger_ends_its_train():
    bench = ready(train=None)
    bench.command((A, 1_000), settle=False)
    out = bench.driver.outgoing()
    bench.driver.close(bench.now_ns)
    bench.device.feed(out + bench.driver.outgoing(), bench.now_ns)
    bench.run(1_000)
    assert bench.on_ms() == {0: [0]}  # within one cycle


def test_close_before_anybody_was_identified_says_nothing():
    bench = Bench()
    bench.driver.start(bench.now_ns)
    bench.driver.close(bench.now_ns)
    assert bench.driver.outgoing() == b""


# --- limits


def test_the_least_gap_counts_from_the_end_of_the_train():
    bench = ready(train=None, min_gap_ms={A: 200})
    bench.command((A, 100))
    bench.run(295)
    bench.command((A, 100))
    bench.command((B, 100))
    bench.run(150)
    bench.command((A, 100))
    bench.run(200)
    assert bench.on_ms() == {0: [100, 100], 2: [100]}
    assert bench.faults() == [(Fault.DEVICE_GAP, A)]
    assert "min_gap_ms = 200" in bench.remarks[0]


def test_the_least_gap_after_an_abort_counts_from_the_abort():
    bench = ready(train=None, min_gap_ms={A: 200})
    bench.command((A, 900))
    bench.run(100)
    bench.command((A, 0))
    bench.run(50)
    bench.command((A, 50))
    assert bench.faults() == [(Fault.DEVICE_GAP, A)]
    bench.run(151)
    bench.command((A, 50))
    bench.run(100)
    assert bench.on_ms() == {0: [about(100), 50]}


def test_the_time_on_within_a_minute_is_limited():
    bench = ready(train=None, duty_ms={A: 1_000})
    for _ in range(3):
        bench.command((A, 400))
        bench.run(1_000)
    bench.command((A, 200))
    bench.run(1_000)
    assert bench.on_ms() == {0: [400, 400, 200]}
    assert bench.faults() == [(Fault.DEVICE_DUTY, A)]
    assert "duty_ms = 1000 within a minute" in bench.remarks[0]
    bench.run(60_390 - 4_000)
    bench.command((A, 400))  # the first 400 ms are still within the minute
    assert len(bench.faults()) == 2
    bench.run(20)
    bench.command((A, 400))
    bench.run(1_000)
    assert bench.on_ms() == {0: [400]}


def test_of_a_train_only_its_pulses_count_as_time_on():
    bench = ready(duty_ms={A: 113})
    for _ in range(3):
        bench.command((A, 520))  # eleven pulses of 5 ms
        bench.run(1_000)
    assert bench.faults() == [(Fault.DEVICE_DUTY, A)]
    bench.command((A, 3))  # a part of a pulse
    bench.run(1_000)
    bench.command((A, 1))
    assert len(bench.edges()) == 2 * (11 + 11 + 1)
    assert bench.faults() == [(Fault.DEVICE_DUTY, A)] * 2


# --- missing answers


def test_a_pulse_whose_confirmation_is_lost_is_refused_and_the_device_asked_before_anything_else():
    bench = ready()
    bench.device.knobs.drop = 1
    bench.command((A, 300))
    bench.run(99)
    assert bench.ops == [74]
    bench.run(2)
    assert bench.faults() == [(Fault.DEVICE_REFUSED, A)]
    assert "did not answer within 100 ms" in bench.remarks[0]
    bench.command((A, 300))
    assert "being asked whether it works" in (bench.faults() and bench.remarks[1])
    bench.run(590)
    assert bench.ops == [74]
    bench.run(100)
    assert bench.ops == [74, 72, 80, 73]
    assert bench.edges() == []
    bench.command((A, 300))
    bench.run(400)
    assert len(bench.edges()) == 12
    assert bench.driver.state is DeviceState.READY


def test_a_byte_that_is_no_confirmation_counts_as_a_missing_one():
    bench = ready()
    bench.device.knobs.corrupt = 1
    bench.command((A, 300))
    bench.run(1)
    assert bench.faults() == [(Fault.DEVICE_REFUSED, A)]
    assert "answered 84 instead" in bench.remarks[0]
    bench.run(5_000)
    assert bench.edges() == []
    assert bench.driver.state is DeviceState.READY


def test_a_confirmation_that_comes_twice_does_no_harm_and_is_reported():
    bench = ready(train=None)
    bench.device.knobs.duplicate = 1
    bench.command((A, 200), (B, 300))
    bench.run(2_000)
    assert bench.on_ms() == {0: [200], 2: [300]}
    assert bench.faults() == [(Fault.GARBAGE, 0)]
    assert bench.driver.counters()["stray_bytes"] == 1
    assert bench.driver.state is DeviceState.READY


def test_a_byte_that_comes_before_the_question_was_written_is_no_confirmation_of_it():
    bench = ready()
    bench.command((A, 300), settle=False)
    bench.driver.feed(b"\x01", bench.now_ns)
    assert bench.driver.outgoing()[1] == 74
    bench.driver.poll(bench.now_ns)
    assert bench.driver.outgoing() == b""
    bench.driver.feed(b"\x01", bench.now_ns)
    assert bench.driver.outgoing()[1] == 77


def test_a_device_that_says_another_firmware_is_not_the_one_that_was_programmed():
    bench = ready()
    bench.device.knobs.firmware = 22
    bench.run(5_000)
    assert isinstance(bench.driver.error, SilentDevice)


def test_garbage_before_a_keep_alives_answer_is_reported_and_forgiven():
    bench = ready()
    bench.device.knobs.garbage = b"K\x15\xff"
    bench.run(2_500)
    assert bench.driver.state is DeviceState.READY
    assert bench.faults() == [(Fault.GARBAGE, 0)]
    assert "3 bytes" in bench.remarks[0]


def test_bytes_that_come_one_at_a_time_are_the_same_answers():
    bench = Bench()
    bench.driver.start(bench.now_ns)
    for _ in range(4_000):
        bench.driver.poll(bench.now_ns)
        for byte in bench.driver.outgoing():
            bench.device.feed(bytes((byte,)), bench.now_ns)
            bench.now_ns += 10_000
        for byte in bench.device.outgoing(bench.now_ns):
            bench.now_ns += 10_000
            bench.driver.feed(bytes((byte,)), bench.now_ns)
        bench.now_ns += 500_000
    assert bench.driver.state is DeviceState.READY
    assert bench.driver.counters()["stray_bytes"] == 0
    assert bench.driver.counters()["keep_alives"] >= 1
    assert bench.driver.counters()["unanswered"] == 0


def test_a_message_that_was_cut_short_triggers_nothing_and_its_late_confirmation_is_not_believed():
    bench = ready(train=None)
    bench.cut_next = 5
    bench.command((A, 300))
    bench.run(5_000)
    assert bench.device.knobs.frozen
    assert bench.edges() == []
    assert 77 not in bench.ops
    assert bench.driver.counters()["stray_bytes"] == 1
    assert isinstance(bench.driver.error, SilentDevice)
    assert bench.faults() == [(Fault.DEVICE_REFUSED, A), (Fault.DEVICE_SILENT, 0)]


def test_a_message_that_was_cut_short_is_not_completed_by_a_repetition():
    bench = ready(train=None)
    bench.cut_next = 5
    bench.command((A, 300))
    bench.run(650)
    assert bench.ops == [74]


def test_an_abort_after_a_message_that_was_cut_short_makes_the_silence_longer():
    bench = ready(train=None)
    bench.cut_next = 4
    bench.command((A, 300))
    bench.run(300)
    bench.command((A, 0))
    bench.run(590)
    assert bench.ops == [74, 80]
    bench.run(30)
    assert bench.ops == [74, 80, 72]


def test_aborts_do_not_put_off_the_question_for_ever():
    bench = ready(train=None)
    bench.device.knobs.silence = True
    bench.command((A, 300))
    for _ in range(20):
        bench.run(200)
        bench.command((A, 0))
    assert 72 in bench.ops


def test_a_frozen_device_is_named_with_the_way_out_and_its_outputs_stay_as_they_are():
    bench = ready(train=None)
    bench.command((A, 1_000))
    bench.run(100)
    bench.device.knobs.frozen = True
    bench.run(10_000)
    assert bench.device.outputs == 1
    assert isinstance(bench.driver.error, SilentDevice)
    assert bench.driver.fault is Fault.DEVICE_SILENT
    assert "press the joystick" in str(bench.driver.error)
    assert "interlock" in str(bench.driver.error)
    assert bench.faults() == [(Fault.DEVICE_SILENT, 0)]
    assert bench.ops == [77, 80, 72, 72, 72, 80]
    bench.device.press_joystick(bench.now_ns)
    bench.run(2_100)
    assert bench.device.outputs == 0  # the aborts that waited


def test_two_keep_alives_without_an_answer_are_forgiven():
    bench = ready(train=None)
    bench.device.knobs.drop = 10
    bench.run(5_000)
    assert bench.driver.state is DeviceState.READY
    assert bench.driver.counters()["unanswered"] == 2
    assert bench.faults() == []
    bench.command((A, 100))
    bench.run(200)
    assert bench.on_ms() == {0: [100]}


def test_messages_without_an_answer_are_forgiven_for_ever_if_those_between_are_answered():
    bench = ready(train=None)
    for k in range(5):
        bench.device.knobs.drop = 1
        bench.command((A, 100 + k))
        bench.run(800)
    assert bench.driver.counters()["unanswered"] == 5
    assert bench.driver.state is DeviceState.READY


def test_three_messages_in_a_row_without_an_answer_end_it():
    bench = ready()
    bench.device.knobs.silence = True
    bench.run(5_000)
    assert bench.faults() == [(Fault.DEVICE_SILENT, 0)]
    assert bench.driver.remarks() == []
    assert bench.driver.due_ns() == NEVER_NS
    assert bench.ops == [72, 72, 72, 80]


def test_a_pulse_that_waits_for_a_keep_alive_that_is_not_answered_is_refused():
    bench = ready()
    bench.device.knobs.drop = 5
    bench.run_to(72)
    bench.command((A, 200))
    bench.run(500)
    assert bench.edges() == []
    assert bench.faults() == [(Fault.DEVICE_REFUSED, A)]


def test_a_faulted_driver_refuses_pulses_and_arming_but_still_aborts():
    bench = ready()
    bench.device.knobs.silence = True
    bench.run(5_000)
    bench.device.knobs.silence = False
    bench.written.clear()
    bench.command((ARM, 1), (A, 100))
    assert bench.ops == []
    bench.command((A, 0))
    bench.run(100)
    assert bench.ops == [80]
    assert bench.faults()[1:] == [(Fault.DEVICE_REFUSED, ARM), (Fault.DEVICE_REFUSED, A)]
    assert bench.driver.state is DeviceState.FAULTED


@pytest.mark.parametrize(("keep_alive_ms", "period_ms"), [(50, 1_000), (200, 2_000)])
def test_an_idle_device_is_asked_now_and_then(keep_alive_ms, period_ms):
    bench = ready(keep_alive_ms=keep_alive_ms)
    bench.run(10_000)
    times = bench.written_at(72)
    assert set(bench.ops) == {72}
    assert all(abs(b - a - period_ms * MS) < 2 * MS for a, b in itertools.pairwise(times))
    assert len(times) == 10_000 // period_ms


# --- records


def test_records_are_numbered_on_from_the_driver_before():
    bench = Bench(first_seq=41).start()
    bench.command((A, 100), (B, 100))
    records = bench.driver.records()
    assert records["source_seq"].tolist() == [42, 43]
    assert records["animal"].tolist() == [0, 1]
    assert set(records["source"]) == {3}
    assert bench.driver.last_seq == 43


# --- whatever is commanded

lengths = st.sampled_from([300, 100, 30, 299.9, 1, 0.05, 301, 5_000])
pulses = st.tuples(st.sampled_from([A, B]), lengths)
orders = st.sampled_from([0, 0, 0, 1]).flatmap(
    lambda kind: st.tuples(st.sampled_from([A, B, ARM]), st.just(0)) if kind else pulses
)
commands = st.lists(orders, min_size=1, max_size=3)
waits = st.sampled_from([400, 400, 400, 0, 0.05, 1, 10, 50, 200, 1_500])
deeds = st.sampled_from(["", "", "", "", "arm", "arm", "arm", "safe", "drop", "corrupt", "duplicate", "garbage"])
rounds = st.tuples(deeds, st.integers(1, 6), commands, waits)


def carry_out(bench, deed, number, orders, wait_ms):
    if deed == "arm":
        bench.arm()
    elif deed == "safe":
        bench.driver.safe(bench.now_ns)
        bench._settle()
    elif deed:
        setattr(bench.device.knobs, deed, bytes(range(number)) if deed == "garbage" else number)
    bench.command(*orders)
    bench.run(wait_ms)


def check_silence_during_trains(bench, limit_ms):
    """No message but an abort between a trigger and the abort that must follow it."""
    running_until_ns = None
    for time_ns, message in bench.written:
        if message[1] == 80:
            running_until_ns = None
        else:
            assert running_until_ns is None, "something was said while a train ran"
        if message[1] == 77:
            running_until_ns = time_ns + limit_ms * MS
    assert running_until_ns is None, "no abort followed a trigger"


@given(st.lists(rounds, min_size=3, max_size=15), st.sampled_from([0, 0.4, 3]), st.booleans())
@settings(deadline=None, max_examples=150)
def test_whatever_is_commanded_every_message_is_whole_and_bounded_and_all_light_ends(script, delay_ms, plain):
    limit_ms = 300
    bench = ready(delay_ms=delay_ms, max_on_ms={A: limit_ms, B: limit_ms}, train=None if plain else TRAIN)
    for step in script:
        carry_out(bench, *step)
    bench.run(2_000)
    assert all(longest_train(message) <= limit_ms for _, message in bench.written)
    check_silence_during_trains(bench, limit_ms)
    arrivals = [time_ns + bench.delay_ns for time_ns in bench.written_at(77)]
    edges = bench.device.take_edges()
    for time_ns, _, _ in edges:
        begun_ns = max(arrival_ns for arrival_ns in arrivals if arrival_ns <= time_ns)
        assert time_ns - begun_ns <= limit_ms * MS + LIGHT_NS + 50_000
    assert bench.device.outputs == 0

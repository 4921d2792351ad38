"""The walk through a calibration, typed literally, on emulated devices in virtual time."""

import re
import signal
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec import structs

from controller import rigfile
from controller.calibration.bench import Bench
from controller.calibration.hookup import SerialPort, Stopped, VirtualClock
from controller.calibration.points import Entry, HeadEntry, HeadPoint, NotIncreasing, ValveEntry, ValvePoint
from controller.calibration.walk import BadRecipe, Recipe, number, walk
from controller.calibration.walk_head import GOGGLES, HeadSubject, heads_of
from controller.calibration.walk_valve import ValveSubject, valves_of
from hardware.board.registers import MODE_STANDBY, Register
from hardware.device import ConfigurationRefused, SilentDevice, WrongDevice
from hardware.emulators.pty_link import PtyLink
from hardware.harp import CoreRegister, Framer, PayloadType, read_request, write_request
from hardware.transport import PortLost, SerialTransport
from realtime.records import NS_PER_MS, NS_PER_S, Line

DAY = datetime(2026, 11, 22, 9, 15, tzinfo=UTC)
RIG = """
[rig]
name = "bench"
kind = "virtual"

[devices.board]
driver = "reference_board"
port = "emulator"

[devices.head_a]
driver = "{head}"
port = "emulator"
feeds = "laser_a"
{power}

[lines]
poke_a = {{ device = "board", pin = 0 }}
poke_b = {{ device = "board", pin = 1 }}
valve_a = {{ device = "board", pin = 0, {valve} }}
valve_b = {{ device = "board", pin = 1 }}
laser_a = {{ device = "board", pin = 2, {laser} }}

[inhibition]
fraction = 0
max_s = 1.0
"""
PLAUSIBLE = "; 0.01 to 100 µl is plausible. Are these grams, not milligrams, and without the vial?"
MORE_THAN_THE_HEAD = (
    "5.6 mW at the tip is more than the 5 mW at the head. Are these milliwatts, and is the meter set to this "
    "wavelength and zeroed?"
)
PUT = "put it under the spout, press Enter (or type skip):"
Typed = str | Callable[[], str]


class Looking(VirtualClock):
    """Virtual time that looks at the emulated devices' true outputs whenever it passes."""

    def __init__(self) -> None:
        super().__init__()
        self.devices: dict[str, object] = {}
        self.seen: list[tuple[int, int, int]] = []  # time, the board's outputs, whether the head gives light
        self.at: Callable[[int], None] = lambda now_ns: None

    def wait(self, until_ns: int, descriptors: Sequence[int]) -> None:
        self.look()
        super().wait(until_ns, descriptors)
        self.look()

    def look(self) -> None:
        """See what is on now, after everything that was due."""
        for device in self.devices.values():
            device.advance(self.now_ns())
        self.seen.append((self.now_ns(), *(device.outputs for device in self.devices.values())))
        self.at(self.now_ns())

    def pulses(self, mask: int) -> list[tuple[int, int]]:
        """When outputs of ``mask`` were seen to go on, and off [ns]."""
        edges = [
            (later[0], bool(later[1] & mask))
            for earlier, later in pairwise([(0, 0, 0), *self.seen])
            if (earlier[1] ^ later[1]) & mask
        ]
        return [(on_ns, off_ns) for (on_ns, _), (off_ns, _) in zip(edges[::2], edges[1::2], strict=True)]


class Script:
    """A person who types what was written down before, and sees to it that nothing is on meanwhile."""

    def __init__(self, *typed: Typed) -> None:
        self.typed = list(typed)
        self.asked: list[str] = []
        self.said: list[str] = []
        self.waited: list[tuple[float, str]] = []
        self.reviewed: list[Entry] = []
        self.at: Callable[[int], None] = lambda done: None
        self.devices: dict[str, object] = {}

    def say(self, sentence: str) -> None:
        self.said.append(sentence)

    def ask(self, question: str) -> str:
        assert not any(device.outputs for device in self.devices.values()), "something is on while a person is asked"
        assert not self.devices["board"].armed, "the board is armed while a person is asked"
        self.asked.append(question)
        answer = self.typed.pop(0)
        return answer if isinstance(answer, str) else answer()

    def review(self, draft: Entry) -> None:
        self.reviewed.append(draft)

    def waits(self, seconds: float, why: str) -> None:
        self.waited.append((seconds, why))

    def opened(self, done: int, of: int) -> None:
        assert done <= of
        self.at(done)


class Room:
    """A rig of emulated devices, and a person before it."""

    def __init__(
        self, *typed: Typed, head="cobolt", power="tip_mw = 5.0", valve="max_on_ms = 200", laser="max_on_ms = 8000"
    ):
        self.rig = rigfile.parse(RIG.format(head=head, power=power, valve=valve, laser=laser), "bench.toml")
        self.clock = Looking()
        self.person = Script(*typed)
        self.bench = Bench(self.rig, self.person, self.clock)
        self.board = self.bench.emulated["board"]
        self.head = self.bench.emulated["head_a"]
        self.person.devices = self.clock.devices = self.bench.emulated

    def valve(self, **recipe: object) -> ValveSubject:
        """The walk's subject: valve A."""
        return ValveSubject(self.rig, Line.VALVE_A, self.bench, self.person, Recipe(date=DAY, **recipe))

    def laser(self, **recipe: object) -> HeadSubject:
        """The walk's subject: animal A's laser head."""
        return HeadSubject(self.rig, "head_a", self.bench, self.person, Recipe(date=DAY, **recipe))

    def walk_valve(self, *, unasked: bool = False, **recipe: object) -> Entry | None:
        """Walk through valve A."""
        return walk(self.valve(**recipe), self.person, unasked=unasked)

    def walk_laser(self, *, unasked: bool = False, **recipe: object) -> Entry | None:
        """Walk through the laser head."""
        return walk(self.laser(**recipe), self.person, unasked=unasked)

    def done(self) -> bool:
        """Whether everything written down was typed, and everything is off and disarmed."""
        return not self.person.typed and self.is_safe()

    def is_safe(self) -> bool:
        """Whether everything is off and disarmed."""
        return not (self.board.outputs or self.head.outputs or self.board.armed)


# --- a valve


def test_a_valve_is_opened_weighed_and_calibrated():
    room = Room("", "0.1", "", "0.2", "", "0.4", "", "0.8", "yes")
    entry = room.walk_valve(by="anna", note="water")
    assert room.done()
    assert room.person.asked == [
        f"[1/4] valve_a, 100 x 10 ms, about 10 s: weigh an empty vial, {PUT}",
        "Grams of liquid in the vial (or type again, for a new vial):",
        f"[2/4] valve_a, 100 x 20 ms, about 10 s: weigh an empty vial, {PUT}",
        "Grams of liquid in the vial (or type again, for a new vial):",
        f"[3/4] valve_a, 100 x 40 ms, about 10 s: weigh an empty vial, {PUT}",
        "Grams of liquid in the vial (or type again, for a new vial):",
        f"[4/4] valve_a, 100 x 80 ms, about 16 s: weigh an empty vial, {PUT}",
        "Grams of liquid in the vial (or type again, for a new vial):",
        "Store this calibration of valve_a? Type yes, no, or a setting in ms to measure (again):",
    ]
    weighed = [(10, 9.984, 0.1), (20, 20.0, 0.2), (40, 40.0, 0.4), (80, 80.0, 0.8)]
    assert entry == ValveEntry(
        line="valve_a",
        date=DAY,
        by="anna",
        note="water",
        density_g_per_ml=1.0,
        points=tuple(ValvePoint(duration_ms=a, opened_ms=b, pulses=100, grams=g) for a, b, g in weighed),
    )
    assert room.person.reviewed == [entry]


def test_the_valve_truly_opened_as_often_and_as_long_as_was_said_and_nothing_else_did():
    room = Room("", "0.1", "", "0.2", "", "0.4", "yes")
    room.walk_valve(durations_ms=(10, 25, 50), pulses=30)
    pulses = room.clock.pulses(mask=0b0001)
    assert len(pulses) == 90
    assert [round((off_ns - on_ns) / NS_PER_MS) for on_ns, off_ns in pulses] == [10] * 30 + [25] * 30 + [50] * 30
    assert room.clock.pulses(mask=0b1110) == []


def test_the_other_valve_is_calibrated_by_its_own_openings():
    room = Room("", "0.1", "", "0.2", "", "0.4", "yes")
    subject = ValveSubject(room.rig, Line.VALVE_B, room.bench, room.person, Recipe(date=DAY, durations_ms=(10, 20, 40)))
    entry = walk(subject, room.person, unasked=False)
    assert entry is not None
    assert entry.name == "valve_b"
    assert len(room.clock.pulses(mask=0b0010)) == 300
    assert room.clock.pulses(mask=0b1101) == []


def test_openings_keep_a_safe_distance():
    room = Room("", "0.1", "", "0.2", "", "0.4", "yes", valve="max_on_ms = 200, min_gap_ms = 250")
    room.walk_valve(durations_ms=(10, 100, 200), pulses=5)
    pulses = room.clock.pulses(mask=0b0001)
    for (on_ns, off_ns), (next_ns, _) in pairwise(pulses):
        assert next_ns - off_ns >= 250 * NS_PER_MS
        assert next_ns - on_ns >= 2 * (off_ns - on_ns)
    quick = Room("", "0.01", "", "0.02", "", "0.04", "yes")
    quick.walk_valve(durations_ms=(1, 2, 4), pulses=10)
    starts = [on_ns for on_ns, _ in quick.clock.pulses(mask=0b0001)]
    assert min(later - earlier for earlier, later in pairwise(starts)) >= 100 * NS_PER_MS


def test_no_minute_has_more_openings_than_the_rig_allows_and_the_person_is_told_how_long_it_takes():
    room = Room("", "0.1", "", "0.2", "", "0.4", "yes", valve="max_on_ms = 200, on_per_minute_s = 1.0")
    room.walk_valve(durations_ms=(10, 20, 40), pulses=40)
    pulses = room.clock.pulses(mask=0b0001)
    assert len(pulses) == 120
    for start_ns, _ in pulses:
        within = [off_ns - on_ns for on_ns, off_ns in pulses if start_ns <= on_ns < start_ns + 61 * NS_PER_S]
        assert sum(within) <= NS_PER_S
    assert {why for _, why in room.person.waited} == {"valve_a has used up its 1 s of this minute"}
    assert 10 < max(seconds for seconds, _ in room.person.waited) < 62
    assert room.done()


def test_a_weight_that_cannot_be_is_asked_for_again_with_a_sentence():
    room = Room(*("", "much", "0", "-0.1", "nan", "100", "0.0001", "0,1"), *("", "0.2"), *("", "0.4"), "yes")
    entry = room.walk_valve(durations_ms=(10, 20, 40))
    assert room.done()
    assert entry.points[0].grams == 0.1
    refusals = [sentence for sentence in room.person.said if "openings" not in sentence]
    assert refusals == [
        "'much' is no number: write grams alone, such as 0.412.",
        "The liquid must weigh more than nothing: subtract the empty vial from the full one.",
        "The liquid must weigh more than nothing: subtract the empty vial from the full one.",
        "'nan' is no number: write grams alone, such as 0.412.",
        "100 g would be 1000 µl per opening" + PLAUSIBLE,
        "0.0001 g would be 0.001 µl per opening" + PLAUSIBLE,
    ]


def test_density_counts_for_what_is_plausible_and_what_is_calibrated():
    room = Room("", "0.125", "", "0.25", "", "0.5", "yes")
    entry = room.walk_valve(durations_ms=(10, 20, 40), density_g_per_ml=1.25)
    assert entry.outputs == pytest.approx([1.0, 2.0, 4.0])
    heavy = Room("", "10.4", "", "11.2", "", "12.4", "yes")
    entry = heavy.walk_valve(durations_ms=(10, 20, 40), density_g_per_ml=1.25)
    assert entry.outputs[-1] == pytest.approx(99.2), "12.4 g of water would be too much to be plausible"


def test_a_vial_can_be_taken_again_and_an_opening_time_left_out():
    room = Room(*("", "again"), *("", "0.1"), *("", "0.2"), "skip", *("", "0.8"), "yes")
    entry = room.walk_valve()
    assert room.done()
    assert entry.settings == [10, 20, 80]
    assert len(room.clock.pulses(mask=0b0001)) == 400


def test_an_answer_that_is_none_opens_nothing():
    room = Room(*("0.5", "yes", "", "0.1"), *("", "0.2"), *("", "0.4"), "yes")
    room.walk_valve(durations_ms=(10, 20, 40), pulses=10)
    assert room.done()
    assert len(room.clock.pulses(mask=0b0001)) == 30
    assert room.person.asked[0] == room.person.asked[1] == room.person.asked[2]


def test_an_opening_time_that_stands_twice_is_measured_twice():
    room = Room("", "0.4", "", "0.1", "", "0.2", "", "0.42", "yes")
    entry = room.walk_valve(durations_ms=(40, 10, 20, 40))
    assert [(point.duration_ms, point.grams) for point in entry.points] == [(10, 0.1), (20, 0.2), (40, 0.4), (40, 0.42)]


# --- when something breaks


def test_openings_that_the_board_does_not_report_do_not_count_and_can_be_repeated():
    room = Room()

    def mended() -> str:
        room.board.knobs.suppress_edges = False
        return ""

    room.person.typed = ["", mended, "0.1", "", "0.2", "", "0.4", "yes"]
    room.board.knobs.suppress_edges = True
    entry = room.walk_valve(durations_ms=(10, 20, 40))
    assert room.done()
    stopped = room.person.said[1]
    assert stopped.startswith("Stopped after 0 of 100 openings, so this vial does not count. ")
    assert "VALVE_A" in stopped
    assert [point.pulses for point in entry.points] == [100] * 3


def test_edges_lost_midway_stop_that_vial_with_everything_off():
    room = Room()

    def mended() -> str:
        room.board.knobs.suppress_edges = False
        return ""

    def break_once(done: int) -> None:
        room.board.knobs.suppress_edges = done == 37 and len(room.person.asked) == 1

    room.person.typed = ["", mended, "0.1", "", "0.2", "", "0.4", "yes"]
    room.person.at = break_once
    room.walk_valve(durations_ms=(10, 20, 40))
    assert room.done()
    assert "Stopped after 37 of 100 openings" in room.person.said[1]


def test_a_valve_that_is_not_reported_to_have_closed_stops_that_vial():
    room = Room("", "", "0.1", "", "0.2", "", "0.4", "yes")

    def hide_the_end(now_ns: int) -> None:
        room.board.knobs.suppress_edges = len(room.person.asked) == 1 and bool(room.board.outputs)

    room.clock.at = hide_the_end
    room.walk_valve(durations_ms=(10, 20, 40))
    assert room.done()
    assert room.person.said[1] == (
        "Stopped after 0 of 100 openings, so this vial does not count. "
        "board reported only VALVE_ON of a pulse on valve_a."
    )


def test_a_board_that_falls_silent_stops_that_vial_and_can_be_repeated():
    room = Room("", "", "0.1", "", "0.2", "", "0.4", "yes")

    def break_once(done: int) -> None:
        room.board.knobs.silence = done == 5 and len(room.person.asked) == 1

    def mend(now_ns: int) -> None:
        if len(room.person.asked) == 2:
            room.board.knobs.silence = False

    room.person.at, room.clock.at = break_once, mend
    room.walk_valve(durations_ms=(10, 20, 40))
    assert room.done()
    assert "Stopped after 5 of 100 openings" in room.person.said[1]
    assert "100 of 100 openings" in room.person.said[2]


def test_a_board_that_restarts_stops_that_vial():
    room = Room("", "", "0.1", "", "0.2", "", "0.4", "yes")
    room.person.at = lambda done: (
        room.board.reset(room.clock.now_ns()) if done == 5 and len(room.person.asked) == 1 else None
    )
    room.walk_valve(durations_ms=(10, 20, 40))
    assert room.done()
    assert "restarted, or its clock stepped" in room.person.said[1]


def test_a_valve_that_somebody_else_opens_stops_that_vial():
    room = Room("", "", "0.1", "", "0.2", "", "0.4", "yes")
    other_program = write_request(Register.OUTPUT_SET, PayloadType.U16, (0b0001).to_bytes(2, "little"))

    def meddle(now_ns: int) -> None:
        pulses = [] if room.board.outputs else room.clock.pulses(0b0001)
        if len(pulses) == 10 and now_ns > pulses[-1][1] + 20 * NS_PER_MS:
            room.clock.at = lambda now_ns: None
            room.board.feed(other_program, now_ns)

    room.clock.at = meddle
    room.walk_valve(durations_ms=(10, 20, 40))
    assert room.done()
    assert "Stopped after 10 of 100 openings" in room.person.said[1]
    assert "valve_a switched without being asked to (VALVE_ON)" in room.person.said[1]


@pytest.mark.parametrize("broken", [WrongDevice, SilentDevice])
def test_a_device_that_cannot_be_used_ends_the_walk_before_the_first_question(broken):
    room = Room()
    if broken is WrongDevice:
        room.board.knobs.who_am_i = 1216
    else:
        room.board.knobs.silence = True
    with pytest.raises(broken):
        room.walk_valve()
    assert room.person.asked == []


def test_ctrl_c_between_openings_switches_everything_off():
    room = Room("")

    def interrupt(done: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    room.person.at = interrupt
    with pytest.raises(KeyboardInterrupt):
        room.walk_valve()
    assert room.is_safe()


def test_ctrl_c_while_the_valve_is_open_closes_it():
    room = Room("")

    def interrupt(now_ns: int) -> None:
        if room.board.outputs:
            room.clock.at = lambda now_ns: None
            raise KeyboardInterrupt

    room.clock.at = interrupt
    with pytest.raises(KeyboardInterrupt):
        room.walk_valve(durations_ms=(50, 100, 200))
    assert room.is_safe()
    (on_ns, off_ns), *more = room.clock.pulses(mask=0b0001)
    assert off_ns - on_ns < 50 * NS_PER_MS
    assert more == []


def test_a_second_ctrl_c_waits_until_everything_is_off_and_let_go_of():
    room = Room("")

    def interrupt_twice(now_ns: int) -> None:
        if room.board.outputs:
            room.clock.at = lambda now_ns: signal.raise_signal(signal.SIGINT)
            raise KeyboardInterrupt

    room.clock.at = interrupt_twice
    with pytest.raises(KeyboardInterrupt):
        room.walk_valve(durations_ms=(50, 100, 200))
    assert room.is_safe()
    room.board.feed(read_request(CoreRegister.OPERATION_CONTROL, PayloadType.U8), room.clock.now_ns())
    (answer,) = Framer().feed(room.board.outgoing(room.clock.now_ns()), 0)
    assert answer.value & 0x03 == MODE_STANDBY, "the board was not let go of in order"


def test_a_beam_that_chatters_changes_nothing_about_a_valve():
    room = Room("", "0.1", "", "0.2", "", "0.4", "yes")

    def chatter(done: int) -> None:
        if done == 5 and len(room.person.asked) == 1:
            for level in (True, False) * 60:
                room.board.set_input(0, level, room.clock.now_ns())

    room.person.at = chatter
    assert room.walk_valve(durations_ms=(10, 20, 40)) is not None
    assert room.done()


# --- devices that report no edges themselves


def practised(name: str) -> rigfile.Rig:
    """One of the house's real rigs, with every device emulated."""
    text = (Path(__file__).parents[2] / "rigs" / f"{name}.toml").read_text(encoding="utf-8")
    return rigfile.parse(re.sub(r'port = "[^"]*"', 'port = "emulator"', text.replace('"real"', '"virtual"')), name)


def test_openings_of_a_board_without_edges_are_counted_by_the_copy_of_its_wire():
    bench = Bench(practised("harp_behavior"), Script())
    done = bench.open_valve(Line.VALVE_B, 30, 20)
    assert (done.count, done.trouble) == (20, "")
    assert done.mean_ms == pytest.approx(30.0, abs=0.5)


def test_light_through_a_pulse_generator_is_counted_by_the_copy_at_the_board_and_is_one_plain_pulse():
    rig = practised("pulse_pal")
    head = rigfile.Device(driver="cobolt", port="emulator", feeds="laser_a", tip_mw=5.0)
    bench = Bench(structs.replace(rig, devices=rig.devices | {"head_a": head}), Script())
    done = bench.shine("head_a", Line.LASER_A, 5.0)
    assert (done.count, done.trouble) == (1, "")
    assert done.mean_ms == pytest.approx(10_000, abs=1)


# --- looking at it, and deciding


def test_what_is_not_wanted_is_not_stored():
    room = Room("", "0.1", "", "0.2", "", "0.4", "no")
    assert room.walk_valve(durations_ms=(10, 20, 40)) is None
    assert room.done()


def test_weights_in_the_wrong_order_cannot_be_stored_until_they_are_measured_again():
    room = Room("", "0.1", "", "0.4", "", "0.2", "yes", *("20", "", "0.2"), *("40", "", "0.4"), "yes")
    entry = room.walk_valve(durations_ms=(10, 20, 40))
    assert room.done()
    assert entry.outputs == pytest.approx([1.0, 2.0, 4.0])
    assert "[again] valve_a, 100 x 20 ms" in room.person.asked[8]
    first = next(sentence for sentence in room.person.said if sentence.startswith("This cannot be stored."))
    assert "20 ms gave 4 µl and 40 ms gave 2 µl" in first
    assert room.person.reviewed == [entry], "what makes no curve is not drawn"


def test_too_few_points_cannot_be_stored_but_more_can_be_measured():
    room = Room("", "0.1", "skip", "", "0.4", "yes", "30", "", "0.3", "yes")
    entry = room.walk_valve(durations_ms=(10, 20, 40))
    assert entry.settings == [10, 30, 40]
    assert any("valve_a has 2 points; a calibration needs 3 at least" in sentence for sentence in room.person.said)


def test_an_opening_that_the_valve_may_not_have_is_not_measured_either():
    room = Room("", "0.1", "", "0.2", "", "0.4", "201", "0.5", "perhaps", "yes")
    assert room.walk_valve(durations_ms=(10, 20, 40)) is not None
    assert room.done()
    assert "201 ms is longer than valve_a may be open, 200 ms (rig file)." in room.person.said
    assert "0.5 ms is no opening time: it must be a whole number of ms, 1 at least." in room.person.said


def test_a_point_far_from_the_others_is_remarked_on_before_it_is_stored():
    room = Room("", "0.1", "", "0.26", "", "0.4", "", "0.8", "yes")
    room.walk_valve()
    assert any("20 ms lies 30% above what the other points foretell" in sentence for sentence in room.person.said)


def test_unasked_it_is_stored_if_it_can_be_and_refused_by_name_if_not():
    room = Room("", "0.1", "", "0.2", "", "0.4")
    assert room.walk_valve(durations_ms=(10, 20, 40), unasked=True) is not None
    assert room.done()
    wrong = Room("", "0.1", "", "0.4", "", "0.2")
    with pytest.raises(NotIncreasing):
        wrong.walk_valve(durations_ms=(10, 20, 40), unasked=True)
    few = Room("", "0.1", "skip", "", "0.2")
    with pytest.raises(BadRecipe, match="2 points"):
        few.walk_valve(durations_ms=(10, 20, 40), unasked=True)


# --- a laser head


def test_a_laser_head_is_lit_read_and_calibrated():
    room = Room("yes", "5, 10,20", "", "3.1", "", "6.2", "", "12.1", "yes")
    entry = room.walk_laser(by="anna")
    assert room.done()
    assert entry == HeadEntry(
        device="head_a",
        feeds="laser_a",
        date=DAY,
        by="anna",
        points=tuple(HeadPoint(set_mw=s, tip_mw=t) for s, t in ((5, 3.1), (10, 6.2), (20, 12.1))),
    )
    assert room.person.said[0] == GOGGLES
    assert room.person.asked[:3] == [
        "Type yes when that is done, and head_a may light up:",
        "Powers at the head in mW, with commas between, such as 5, 10, 20, 40:",
        "[1/3] head_a at 5 mW: light for 8 s while you read the meter. Press Enter (or type skip):",
    ]
    assert "The light was on for 8.00 s, by the device's own edges; it is off." in room.person.said


def test_light_comes_only_while_the_meter_is_read_and_at_the_power_that_was_said():
    room = Room("yes", "", "3.1", "", "6.2", "", "12.1", "yes")
    room.walk_laser(set_points_mw=(5.0, 10.0, 20.0))
    lit = [later[0] for earlier, later in pairwise(room.clock.seen) if earlier[2] < later[2]]
    dark = [later[0] for earlier, later in pairwise(room.clock.seen) if earlier[2] > later[2]]
    assert len(lit) == len(dark) == 3
    assert [round((off_ns - on_ns) / NS_PER_MS) for on_ns, off_ns in zip(lit, dark, strict=True)] == [8000] * 3
    assert room.clock.pulses(mask=0b1011) == []
    powers = [line for line in room.head.heard if line.startswith("slmp ")]
    assert list(dict.fromkeys(float(line.split()[1]) for line in powers)) == [20.0, 5.0, 10.0]
    assert room.head.heard[-1] == "l0"


def test_without_a_typed_yes_nothing_is_lit_and_nothing_connected():
    for typed in ("", "y", "no", "ja"):
        room = Room(typed)
        assert room.walk_laser(set_points_mw=(5.0, 10.0, 20.0)) is None
        assert room.person.said[-1] == "head_a is left out."
        assert room.head.heard == []
        assert room.clock.seen == []


def test_the_laser_asks_for_its_yes_even_unasked():
    room = Room("no")
    assert room.walk_laser(set_points_mw=(5.0, 10.0, 20.0), unasked=True) is None
    assert room.person.asked == ["Type yes when that is done, and head_a may light up:"]


def test_the_rigs_own_power_suggests_the_powers_to_measure():
    room = Room(
        "yes", "", *("", "5"), *("", "10"), *("", "15"), *("", "20"), *("", "25"), "yes", power="power_mw = 50.0"
    )
    entry = room.walk_laser()
    assert room.person.asked[1] == "Powers at the head in mW, with commas between; Enter: 10, 20, 30, 40, 50:"
    assert entry.settings == [10, 20, 30, 40, 50]


def test_powers_that_are_none_are_asked_for_again():
    room = Room("yes", "", "5 10 20", "5, 10", "0, 5, 10", "5,10,20", "", "3", "", "6", "", "12", "yes")
    room.walk_laser()
    assert room.done()
    assert room.person.said[1:5] == [
        "head_a needs 3 different powers at least.",
        "'5 10 20' are no numbers: write them with points, and commas between.",
        "head_a needs 3 different powers at least.",
        "0 mW is no power: 0.01 to 1000 mW are.",
    ]


def test_a_reading_that_cannot_be_is_asked_for_again_with_a_sentence():
    room = Room("yes", *("", "bright", "0", "5.6", "again"), *("", "3"), *("", "6"), *("", "12"), "yes")
    entry = room.walk_laser(set_points_mw=(5.0, 10.0, 20.0))
    assert room.done()
    assert entry.outputs == [3, 6, 12]
    told = [sentence for sentence in room.person.said[1:] if "The light was on" not in sentence]
    assert told == [
        "'bright' is no number: write milliwatts alone, such as 7.5.",
        "No light reached the meter: is the tip in it, its range right, the shutter open?",
        MORE_THAN_THE_HEAD,
    ]


def test_more_power_than_the_head_has_is_refused_before_any_light():
    room = Room("yes")
    with pytest.raises(ConfigurationRefused, match="its limit is"):
        room.walk_laser(set_points_mw=(5.0, 10.0, 999.0))
    assert room.clock.pulses(mask=0b1111) == []
    assert room.is_safe()


def test_a_head_whose_interlock_is_open_ends_the_walk_before_any_light():
    room = Room("yes")
    room.head.set_interlock(False, room.clock.now_ns())
    with pytest.raises(Stopped, match="head_a: its interlock is open"):
        room.walk_laser(set_points_mw=(5.0, 10.0, 20.0))
    assert room.clock.pulses(mask=0b1111) == []
    assert room.is_safe()


def test_a_board_whose_interlock_is_open_gives_no_light_until_it_is_closed():
    room = Room()

    def closed() -> str:
        room.board.set_interlock(True, room.clock.now_ns())
        return ""

    room.person.typed = ["yes", "", closed, "3", "", "6", "", "12", "yes"]
    room.board.set_interlock(False, room.clock.now_ns())
    assert room.walk_laser(set_points_mw=(5.0, 10.0, 20.0)) is not None
    assert room.done()
    assert room.person.said[1].startswith("The light does not count; it is off and disarmed. board did not arm")
    assert len(room.clock.pulses(mask=0b0100)) == 3


def test_an_interlock_that_opens_under_light_ends_it_and_that_light_does_not_count():
    room = Room("yes", "", "", "3", "", "6", "", "12", "yes")
    opened = []

    def open_once(now_ns: int) -> None:
        if room.head.outputs and not opened:
            opened.append(now_ns)
            room.board.set_interlock(False, now_ns)
        elif opened and now_ns > opened[0] + 100 * NS_PER_MS:
            room.board.set_interlock(True, now_ns)

    room.clock.at = open_once
    room.walk_laser(set_points_mw=(5.0, 10.0, 20.0))
    assert room.done()
    told = next(sentence for sentence in room.person.said if sentence.startswith("The light does not count"))
    assert "interlock" in told
    on_ns, off_ns = room.clock.pulses(mask=0b0100)[0]
    assert off_ns - on_ns < 100 * NS_PER_MS


def test_ctrl_c_under_light_switches_it_off_and_disarms_board_and_head():
    room = Room("yes", "")

    def interrupt(now_ns: int) -> None:
        if room.head.outputs:
            room.clock.at = lambda now_ns: None
            raise KeyboardInterrupt

    room.clock.at = interrupt
    with pytest.raises(KeyboardInterrupt):
        room.walk_laser(set_points_mw=(5.0, 10.0, 20.0))
    assert room.is_safe()
    assert room.head.heard[-1] == "l0"
    room.head.set_input(0, True, room.clock.now_ns() + NS_PER_S)
    assert not room.head.outputs, "the head is still armed: a TTL would light it"


def test_a_board_that_is_lost_under_light_does_not_keep_the_head_from_being_switched_off():
    room = Room()

    def lose_the_board() -> None:
        with PtyLink.open() as link, room.bench._connected(Line.LASER_A, "head_a", 5.0) as hookup:
            hookup.arm("board", "head_a")
            hookup.stations["board"].port = SerialPort(SerialTransport.open(str(link.path), 1_000_000))
            link.unplug()
            hookup.turn(room.clock.now_ns())

    with pytest.raises(PortLost):
        lose_the_board()
    assert room.head.heard[-1] == "l0"
    room.head.set_input(0, True, room.clock.now_ns())
    assert not room.head.outputs, "the head is still armed: a TTL would light it"


def test_a_head_that_is_late_by_law_is_given_its_time():
    room = Room("yes", "", "3", "", "6", "", "12", "yes", head="obis")
    room.walk_laser(set_points_mw=(5.0, 10.0, 20.0))
    assert room.done()
    assert [seconds for seconds, _ in room.person.waited] == [6.0] * 3
    assert "CDRH" in room.person.waited[0][1]
    lit_ns = [later[0] - earlier[0] for earlier, later in pairwise(room.clock.seen) if earlier[2] and later[2]]
    assert sum(lit_ns) >= 3 * 7_900 * NS_PER_MS, "light for the whole time in which the meter is read"


def test_the_light_of_a_minute_is_bounded_over_all_set_points():
    room = Room("yes", "", "3", "", "6", "", "12", "yes", laser="max_on_ms = 8000, on_per_minute_s = 10.0")
    room.walk_laser(set_points_mw=(5.0, 10.0, 20.0))
    assert room.done()
    starts = [on_ns for on_ns, _ in room.clock.pulses(mask=0b0100)]
    assert min(later - earlier for earlier, later in pairwise(starts)) > 61 * NS_PER_S
    assert {why for _, why in room.person.waited} == {"laser_a has used up its 10 s of this minute"}


# --- what cannot be asked for


def test_openings_default_to_those_that_the_valve_may_have():
    room = Room("", "0.1", "", "0.2", "", "0.4", "yes", valve="max_on_ms = 60")
    assert room.walk_valve().settings == [10, 20, 40]


@pytest.mark.parametrize(
    ("durations", "valve", "says"),
    [
        ((10, 20, 201), "max_on_ms = 200", "201 ms is longer than valve_a may be open, 200 ms"),
        ((10, 20, 40), "max_on_ms = 200, on_per_minute_s = 0.03", "40 ms is longer than valve_a may be open, 29 ms"),
        ((0, 10, 20), "max_on_ms = 200", "0 ms is no opening time"),
        ((10, 20, 10), "max_on_ms = 200", "valve_a: 2 opening times are too few"),
        (None, "max_on_ms = 30", "valve_a: 2 opening times are too few"),
    ],
)
def test_openings_that_cannot_be_made_are_refused_before_anything_moves(durations, valve, says):
    room = Room(valve=valve)
    with pytest.raises(BadRecipe) as refusal:
        room.valve(durations_ms=durations)
    assert says in str(refusal.value)
    assert "--durations" in str(refusal.value)


def test_powers_that_cannot_be_set_are_refused_before_anything_is_lit():
    room = Room()
    for set_points in ((5.0, 10.0), (0.0, 5.0, 10.0), (5.0, 10.0, 1001.0)):
        with pytest.raises(BadRecipe, match="--set-points"):
            room.laser(set_points_mw=set_points)


def test_everything_is_calibrated_unless_something_is_named():
    rig = Room().rig
    assert valves_of(None, None) == [Line.VALVE_A, Line.VALVE_B]
    assert heads_of(rig, None, None) == ["head_a"]
    assert (valves_of("valve_b", None), heads_of(rig, "valve_b", None)) == ([Line.VALVE_B], [])
    assert (valves_of(None, "head_a"), heads_of(rig, None, "head_a")) == ([], ["head_a"])


def test_what_is_no_valve_or_no_head_is_refused_by_name():
    rig = Room().rig
    with pytest.raises(BadRecipe, match="laser_a is no valve: name valve_a or valve_b"):
        valves_of("laser_a", None)
    with pytest.raises(BadRecipe, match="board is no laser head of this rig; its heads are head_a"):
        heads_of(rig, None, "board")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.5", 0.5),
        ("0,5", 0.5),
        (" 12 ", 12.0),
        ("1e-2", 0.01),
        ("", None),
        ("5 g", None),
        ("inf", None),
        ("nan", None),
    ],
)
def test_a_typed_number_has_a_point_or_a_comma_and_nothing_else(text, value):
    assert number(text) == value

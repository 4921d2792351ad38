"""The Cobolt: its words on the wire, its faults, and the emulated head itself."""

import pytest

from hardware.device import ConfigurationRefused, DeviceState, WrongDevice
from hardware.emulators.cobolt import ILLEGAL, CoboltKnobs, EmulatedCobolt, create
from realtime.records import Fault
from tests.hardware.head_bench import HeadBench

NEWER = "0473-06-01-0100-1100"


@pytest.fixture
def bench():
    """Return a bench whose driver is ready."""
    return HeadBench("cobolt").start()


def say(head: EmulatedCobolt, line: str) -> str:
    """Return what a head answers."""
    head.feed(line.encode() + b"\r", 0)
    return head.outgoing(0).decode()


# --- the driver's words


def test_12_5_mw_are_watts_to_p_and_milliwatts_to_slmp(bench):
    assert b"p 0.01250\r" in bench.written
    assert b"slmp 12.50\r" in bench.written
    assert bench.head.power_mw == 12.5
    assert bench.head.modulation_mw == 12.5


@pytest.mark.parametrize(
    ("power_mw", "watts", "milliwatts"),
    [(100, b"p 0.10000\r", b"slmp 100.00\r"), (0.014, b"p 0.00001\r", b"slmp 0.01\r")],
)
def test_powers_are_sent_in_hundredths_of_a_milliwatt(power_mw, watts, milliwatts):
    bench = HeadBench("cobolt", power_mw=power_mw).start()
    assert bench.driver.state is DeviceState.READY
    assert watts in bench.written
    assert milliwatts in bench.written


def test_everything_is_said_in_this_order_at_the_start(bench):
    assert bench.written.startswith(
        b"sn?\rgfv?\rglm?\rl0\rl?\r@cobas 0\r@cobas?\rgmlp?\rp 0.01250\rp?\rslmp 12.50\rem\rsdmes 1\rsames 0\r"
        b"games?\rgam?\rgdmes?\rglmp?\rilk?\rf?\rgom?\rl?\rgam?\rgdmes?\rglmp?\rpa?\r"
    )


def test_a_look_at_the_head_costs_eight_questions_twice_a_second(bench):
    bench.written = b""
    bench.run(499)
    assert sorted(bench.lines) == sorted(["ilk?", "f?", "gom?", "l?", "gam?", "gdmes?", "glmp?", "pa?"])


def test_a_newer_model_is_told_in_its_newer_words():
    bench = HeadBench("cobolt")
    bench.head.knobs.model = NEWER
    bench.start()
    assert bench.driver.state is DeviceState.READY
    assert b"LASer:PowerModulation:POWer:SETPoint 12.50\r" in bench.written
    assert b"LASer:RUNMode PowerModulation\rlas:pm:dig:ena 1\rlas:pm:ana:ena 0\r" in bench.written
    assert b"laser:pm:dig:modulator external\r" in bench.written
    for old in (b"slmp", b"\rem\r", b"sdmes", b"gam?"):
        assert old not in bench.written
    bench.arm()
    assert bench.ttl(True) == 1
    assert bench.ttl(False) == 0
    bench.meddle(b"LASer:RUNMode ConstantPower")
    bench.run(1000)
    assert not bench.head.emission
    assert "run mode reads 'ConstantPower' instead of 'PowerModulation'" in bench.told()[0]


def test_a_head_that_does_not_tell_its_autostart_is_believed():
    bench = HeadBench("cobolt")
    bench.head.knobs.unknown = "@cobas?"
    bench.start()
    assert bench.driver.state is DeviceState.READY
    assert not bench.head.autostart
    assert bench.driver.counters()["unknown_questions"] == 1
    bench.arm()
    assert bench.count_of("@cobas?") == 1


def test_a_head_whose_autostart_stays_on_is_refused():
    bench = HeadBench("cobolt")
    bench.head._set_flag = lambda name, value: (
        "OK" if name == "autostart" else type(bench.head)._set_flag(bench.head, name, value)
    )
    bench.start()
    assert isinstance(bench.driver.error, ConfigurationRefused)
    assert "autostart reads 1 instead of 0 ('@cobas?')" in str(bench.driver.error)


def test_a_head_without_an_operating_mode_is_watched_without_it():
    bench = HeadBench("cobolt")
    bench.head.knobs.unknown = "gom?"
    bench.start()
    bench.run(3000)
    assert bench.driver.state is DeviceState.READY
    assert bench.count_of("gom?") == 1


@pytest.mark.parametrize(
    ("knobs", "says"),
    [
        ({"unknown": "sn?"}, "answered 'Syntax error: illegal command' to 'sn?'"),
        ({"unknown": "glm?"}, "answered 'Syntax error: illegal command' to 'glm?'"),
        ({"model": "LX-473-75"}, "calls itself 'LX-473-75'"),
    ],
)
def test_another_device_is_named_and_told_nothing_more(knobs, says):
    bench = HeadBench("cobolt")
    for knob, value in knobs.items():
        setattr(bench.head.knobs, knob, value)
    bench.start()
    assert isinstance(bench.driver.error, WrongDevice)
    assert says in str(bench.driver.error)
    assert "should be a Cobolt laser head" in str(bench.driver.error)
    assert bench.faults() == [Fault.DEVICE_REFUSED]
    bench.driver.safe(bench.now_ns)
    bench.driver.close(bench.now_ns)
    bench.run(1000)
    assert set(bench.lines) <= {"sn?", "gfv?", "glm?"}


@pytest.mark.parametrize(
    "model", ["0488-04-01-0050-100", "0532-05-01-0100-300", "0473-06-01-0100-100", "0785-08-01-0100"]
)
def test_models_of_four_families_are_taken(model):
    bench = HeadBench("cobolt")
    bench.head.knobs.model = model
    bench.start()
    assert bench.driver.state is DeviceState.READY
    assert bench.driver.model == model


# --- interlock, faults, key


@pytest.mark.parametrize(
    ("code", "says"),
    [(1, "temperature out of range (1)"), (4, "constant power time-out (4)"), (9, "unknown fault 9")],
)
def test_each_fault_is_told_in_words(bench, code, says):
    bench.arm()
    bench.head.knobs.fault_code = code
    bench.run(1000)
    assert bench.faults() == [Fault.LASER_HEAD]
    (told,) = bench.told()
    assert told == (
        f"head: it reports a fault: {says}. It is switched off and disarmed. "
        "Remove the cause, clear the fault at the head, then arm again."
    )


def test_an_interlock_that_was_open_is_kept_by_the_head_until_a_person_clears_it(bench):
    bench.arm()
    bench.interlock(False)
    bench.run(1500)
    bench.interlock(True)
    bench.run(1500)
    bench.arm()
    assert not bench.driver.armed
    assert "it keeps that as a fault (3) until a person clears it" in bench.told()[-1]
    assert bench.count_of("cf") == 0
    bench.meddle(b"cf")
    bench.run(1000)
    assert bench.arm().driver.armed
    assert bench.faults() == [Fault.DEVICE_INTERLOCK, Fault.DEVICE_REFUSED]


def test_a_head_that_waits_for_its_key_is_not_armed_and_says_why(bench):
    bench.head.knobs.key_on = False
    bench.arm()
    assert not bench.driver.armed
    assert bench.told() == ["head is not armed: it acknowledged the command and stayed off: it waits for its key."]
    bench.head.knobs.key_on = True
    bench.run(2000)
    assert not bench.head.emission
    assert bench.arm().driver.armed


def test_a_key_that_is_turned_off_disarms_and_turned_on_again_does_not_arm(bench):
    bench.arm()
    bench.ttl(True)
    bench.head.knobs.key_on = False
    bench.run(1500)
    assert not bench.driver.armed
    assert "its emission went off by itself: it waits for its key" in bench.told()[0]
    bench.head.knobs.key_on = True
    bench.run(2000)
    assert bench.head.outputs == 0


def test_a_restart_with_autostart_on_emits_by_itself_and_is_switched_off(bench):
    bench.meddle(b"@cobas 1")
    bench.head.reset(bench.now_ns)
    assert bench.head.outputs == 1  # constant power: no TTL needed
    bench.run(1000)
    assert bench.head.outputs == 0
    assert bench.driver.state is DeviceState.READY
    assert Fault.LASER_HEAD in bench.faults()
    bench.arm()
    assert not bench.head.autostart


# --- the emulated head


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("?", "OK"),
        ("sn?", "12345"),
        ("gsn?", "12345"),
        ("gfv?", "5.1.2"),
        ("glm?", "0473-06-01-0100-100"),
        ("l?", "0"),
        ("p?", "0.01000"),
        ("gmlp?", "100.0"),
        ("glmp?", "10.00"),
        ("gam?", "1"),
        ("ilk?", "0"),
        ("f?", "0"),
        ("gom?", "0"),
        ("state?", "0"),
        ("@cobas?", "1"),
        ("@cobasdr 1", "OK"),
        ("eoom", "OK"),
        ("xoom", "OK"),
        ("salis 1", "OK"),
        ("slc 120", "OK"),
        ("LASer:RUNMode?", "ConstantPower"),
        ("las:runm?", "ConstantPower"),
        ("LASer:CP:POWer:SETPoint?", "10.00"),
        ("LASer:POWer?", "0.00"),
        ("las:paus 1", "OK"),
        ("las:pm:dig:ena?", "0"),
        ("laser:powermodulation:digital:enable?", "0"),
        ("laser:pm:dig:modulator Command", "OK"),
        ("laser:pm:dig:modulator sideways", ILLEGAL),
        ("slmp", ILLEGAL),
        ("slmp 101", ILLEGAL),
        ("sdmes 2", ILLEGAL),
        ("ilk", ILLEGAL),
        ("*IDN?", ILLEGAL),
    ],
)
def test_each_line_is_answered_by_one_line(line, answer):
    assert say(create(0), line) == f"{answer}\r\n"


def test_p_is_in_watts_and_slmp_and_the_newer_words_in_milliwatts():
    head = create(0)
    say(head, "p 0.02")
    say(head, "slmp 30")
    assert (head.power_mw, head.modulation_mw) == (20, 30)
    say(head, "LASer:CP:POWer:SETPoint 40")
    say(head, "LASer:PowerModulation:POWer:SETPoint 50")
    assert (head.power_mw, head.modulation_mw) == (40, 50)
    assert say(head, "p 0.2") == f"{ILLEGAL}\r\n"


@pytest.mark.parametrize(
    ("lines", "dark", "lit"),
    [
        (["l1"], 1, 1),
        (["em", "l1"], 0, 0),
        (["em", "sdmes 1", "l1"], 0, 1),
        (["em", "sdmes 1", "sames 1", "l1"], 0, 0),
        (["eoom", "l1"], 0, 1),
        (["em", "sdmes 1", "las:paus 1", "l1"], 0, 0),
        (["em", "sdmes 1", "laser:pm:dig:modulator command", "l1"], 0, 0),
        (["em", "sdmes 1", "laser:pm:dig:modulator command", "!e", "l1"], 1, 1),
        (["em", "sdmes 1", "!e", "l1"], 0, 1),
        (["em", "sdmes 1"], 0, 0),
    ],
)
def test_light_needs_emission_and_what_the_mode_says_of_the_ttl(lines, dark, lit):
    head = create(0)
    for line in lines:
        say(head, line)
    assert head.outputs == dark
    head.set_input(0, True, 0)
    assert head.outputs == lit


def test_commanded_modulation_is_not_answered():
    head = create(0)
    say(head, "laser:pm:dig:modulator command")
    assert say(head, "!e") == say(head, "!p 30") == say(head, "!d") == ""
    assert head.modulation_mw == 30


def test_the_measured_power_is_that_of_the_mode_and_only_while_there_is_light():
    head = EmulatedCobolt(0, CoboltKnobs(measured_factor=0.5))
    say(head, "slmp 30")
    assert say(head, "pa?") == "0.00000\r\n"
    say(head, "l1")
    assert say(head, "pa?") == "0.00500\r\n"
    say(head, "em")
    say(head, "sdmes 1")
    head.set_input(0, True, 0)
    assert say(head, "pa?") == "0.01500\r\n"
    assert say(head, "LASer:POWer?") == "15.00\r\n"


def test_an_open_interlock_refuses_and_is_a_fault_until_it_is_cleared():
    head = create(0)
    head.set_interlock(False, 0)
    assert say(head, "ilk?") == "1\r\n"
    assert say(head, "f?") == "0\r\n"
    assert say(head, "l1").startswith("Error")
    assert say(head, "f?") == "3\r\n"
    head.set_interlock(True, 0)
    assert say(head, "f?") == "3\r\n"
    assert say(head, "cf") == "OK\r\n"
    assert say(head, "f?") == "0\r\n"


def test_true_edges_are_stamped_when_they_happen_and_answers_take_their_time():
    head = EmulatedCobolt(0, CoboltKnobs(answer_ns=3_000_000))
    head.feed(b"l1\r", 1_000_000)
    assert head.outgoing(3_999_999) == b""
    assert head.due_ns() == 4_000_000
    assert head.outgoing(4_000_000) == b"OK\r\n"
    head.set_interlock(False, 5_000_000)
    assert head.take_edges() == [(1_000_000, 0, 1), (5_000_000, 0, 0)]
    assert head.take_edges() == []

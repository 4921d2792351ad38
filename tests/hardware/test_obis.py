"""The OBIS: its words on the wire, its faults, its late light, and the emulated head itself."""

import pytest

from hardware.device import DeviceState, WrongDevice
from hardware.emulators.obis import CDRH_NS, EmulatedObis, ObisKnobs, create
from realtime.records import Fault, Line
from tests.hardware.head_bench import HeadBench


@pytest.fixture
def bench():
    """Return a bench whose driver is ready, with a head that emits as soon as it is permitted to."""
    bench = HeadBench("obis")
    bench.head.cdrh = False
    return bench.start()


def say(head: EmulatedObis, line: str) -> str:
    """Return what a head answers."""
    head.feed(line.encode() + b"\r\n", 0)
    return head.outgoing(0).decode()


# --- the driver's words


def test_12_5_mw_are_watts_on_the_wire(bench):
    assert b"SOURce:POWer:LEVel:IMMediate:AMPLitude 0.01250\r\n" in bench.written
    assert bench.head.power_mw == 12.5


def test_everything_is_said_in_this_order_at_the_start(bench):
    assert bench.lines[:22] == [
        "SYSTem:COMMunicate:HANDshaking ON",
        "*IDN?",
        "SYSTem:INFormation:MODel?",
        "SYSTem:INFormation:SNUMber?",
        "SYSTem:INFormation:FVERsion?",
        "SOURce:AM:STATe OFF",
        "SOURce:AM:STATe?",
        "SYSTem:AUTostart OFF",
        "SYSTem:AUTostart?",
        "SOURce:POWer:LIMit:HIGH?",
        "SOURce:TEMPerature:APRobe ON",
        "SOURce:AM:EXTernal DIGital",
        "SOURce:POWer:LEVel:IMMediate:AMPLitude 0.01250",
        "SOURce:AM:SOURce?",
        "SOURce:POWer:LEVel:IMMediate:AMPLitude?",
        "SYSTem:LOCK?",
        "SYSTem:STATus?",
        "SYSTem:FAULt?",
        "SOURce:AM:STATe?",
        "SOURce:AM:SOURce?",
        "SOURce:POWer:LEVel:IMMediate:AMPLitude?",
        "SOURce:POWer:LEVel?",
    ]


def test_a_head_whose_handshaking_is_off_is_understood():
    bench = HeadBench("obis")
    bench.meddle(b"SYST:COMM:HAND OFF")
    bench.start()
    assert bench.driver.state is DeviceState.READY


@pytest.mark.parametrize("unknown", ["system:lock", "source:temperature", "system:information:fversion"])
def test_what_not_every_head_knows_is_asked_once_and_left(unknown):
    bench = HeadBench("obis")
    bench.head.knobs.unknown = unknown
    bench.start()
    bench.run(3000)
    assert bench.driver.state is DeviceState.READY
    assert bench.faults() == []
    assert bench.driver.counters()["unknown_questions"] == 1
    assert len([line for line in bench.lines if line.lower().startswith(unknown)]) == 1


@pytest.mark.parametrize(
    ("knobs", "says"),
    [
        ({"model": "Sapphire 488"}, "calls itself 'Sapphire 488'"),
        ({"unknown": "*idn"}, "answered 'ERR-100: unknown command' to '*IDN?'"),
    ],
)
def test_another_device_is_named_and_not_told_to_do_anything(knobs, says):
    bench = HeadBench("obis")
    for knob, value in knobs.items():
        setattr(bench.head.knobs, knob, value)
    bench.start()
    assert isinstance(bench.driver.error, WrongDevice)
    assert says in str(bench.driver.error)
    assert bench.faults() == [Fault.DEVICE_REFUSED]
    bench.driver.close(bench.now_ns)
    assert not any("STATe" in line for line in bench.lines)


def test_a_device_that_speaks_other_words_is_quoted():
    bench = HeadBench("obis")
    bench.driver.start(bench.now_ns)
    bench.head.knobs.silence = True
    bench.run(100)
    bench.driver.feed(b"Syntax error: illegal command\r\n", bench.now_ns)
    bench.run(3000)
    assert isinstance(bench.driver.error, WrongDevice)
    assert "says 'Syntax error: illegal command'" in str(bench.driver.error)


def test_a_value_whose_ok_was_lost_is_not_taken_for_the_answer_to_a_setting(bench):
    bench.driver.feed(b"0.075\r\n", bench.now_ns)
    bench.command(Line.ARM, 0)
    bench.run(1500)
    assert bench.driver.state is DeviceState.READY
    assert bench.driver.counters()["unexpected_answers"] == 1


# --- late light


def test_the_safety_delay_makes_light_late_and_that_is_told(bench):
    bench.meddle(b"SYST:CDRH ON")
    bench.arm()
    armed_ns = bench.now_ns
    assert bench.driver.armed
    assert bench.told() == ["head is armed, but gives no light yet: its safety delay (CDRH) of 5 s has not ended."]
    assert bench.faults() == [Fault.LIGHT_LATE]
    assert bench.ttl(True) == 0
    bench.run(4000)
    assert bench.head.outputs == 1
    assert armed_ns + 3_000_000_000 < bench.head.take_edges()[0][0] <= armed_ns + 5_000_000_000
    bench.run(2000)
    assert bench.driver.armed
    assert bench.faults() == [Fault.LIGHT_LATE]


def test_late_light_is_told_as_soon_as_the_head_is_armed(bench):
    bench.meddle(b"SYST:CDRH ON")
    bench.command(Line.ARM, 1)
    while not bench.driver.armed and bench.now_ns < 10_000_000_000:
        bench.run(1)
    assert len(bench.told()) == 1


def test_a_head_that_says_off_until_its_safety_delay_is_over_is_armed_and_stays_so(bench):
    bench.head.knobs.reads_off_while_late = True
    bench.meddle(b"SYST:CDRH ON")
    bench.arm()
    assert say(bench.head, "SOUR:AM:STAT?") == "OFF\r\nOK\r\n"
    bench.run(6000)
    assert say(bench.head, "SOUR:AM:STAT?") == "ON\r\nOK\r\n"
    assert bench.driver.armed
    assert bench.faults() == [Fault.LIGHT_LATE]
    assert bench.ttl(True) == 1


def test_a_second_arming_waits_again_and_tells_again(bench):
    bench.meddle(b"SYST:CDRH ON")
    bench.arm()
    bench.command(Line.ARM, 0)
    bench.arm()
    assert bench.faults() == [Fault.LIGHT_LATE] * 2


def test_a_cold_head_is_armed_and_late(bench):
    bench.head.knobs.warming_up = True
    bench.arm()
    assert bench.driver.armed
    assert bench.told() == ["head is armed, but gives no light yet: it warms up."]
    assert bench.ttl(True) == 0
    bench.head.knobs.warming_up = False
    bench.run(1000)
    assert bench.head.outputs == 1


def test_a_disarm_during_the_safety_delay_leaves_it_dark(bench):
    bench.meddle(b"SYST:CDRH ON")
    bench.ttl(True)
    bench.arm()
    bench.command(Line.ARM, 0)
    bench.run(8000)
    assert bench.head.take_edges() == []


def test_a_head_left_asleep_is_woken(bench):
    bench.meddle(b"SOUR:TEMP:APR OFF")
    bench.arm()
    assert bench.ttl(True) == 1


# --- interlock, faults, key


@pytest.mark.parametrize(
    ("bits", "says"),
    [
        (0x1, "base plate temperature out of range (0x1)"),
        (0x2, "diode temperature out of range (0x2)"),
        (0x4, "internal temperature out of range (0x4)"),
        (0x10, "internal bus (0x10)"),
        (0x20, "diode current too high (0x20)"),
        (0x40, "memory checksum (0x40)"),
        (0x80, "memory restored to defaults (0x80)"),
        (0x100, "message buffer overflow (0x100)"),
        (0x200, "warm-up took too long (0x200)"),
        (0x400, "cooler's driver (0x400)"),
        (0x800, "connection bus (0x800)"),
        (0x1000, "diode temperature away from its set point (0x1000)"),
        (0x2000, "set power not reached (0x2000)"),
        (0x4000, "photodiode (0x4000)"),
        (0x8000, "fatal failure (0x8000)"),
        (0x10000, "failure at start (0x10000)"),
        (0x20000, "restart by its own watchdog (0x20000)"),
        (0x40000, "field calibration (0x40000)"),
        (0x80000, "unknown fault (0x80000)"),
        (0x100000, "power above its limit (0x100000)"),
        (0x22, "diode current too high (0x20); diode temperature out of range (0x2)"),
        (0x80000000, "a fault without a name (0x80000000)"),
    ],
)
def test_each_fault_bit_is_told_in_words(bench, bits, says):
    bench.arm()
    bench.head.knobs.fault_bits = bits
    bench.run(1000)
    assert bench.faults() == [Fault.LASER_HEAD]
    (told,) = bench.told()
    assert told == (
        f"head: it reports a fault: {says}. It is switched off and disarmed. "
        "Remove the cause, clear the fault at the head, then arm again."
    )


def test_a_second_fault_is_told_by_itself(bench):
    bench.head.knobs.fault_bits = 0x1
    bench.run(1000)
    bench.head.knobs.fault_bits = 0x21
    bench.run(1000)
    told = bench.told()
    assert len(told) == 2
    assert "diode current" in told[1]
    assert "base plate" not in told[1]


def test_the_upper_bits_of_the_status_are_no_fault(bench):
    assert say(bench.head, "SYST:STAT?").startswith("C8001")
    bench.run(2000)
    assert bench.faults() == []


@pytest.mark.parametrize("unknown", ["", "system:lock"])
def test_an_open_interlock_is_told_as_such_whether_or_not_the_head_knows_that_question(unknown):
    bench = HeadBench("obis")
    bench.head.cdrh = False
    bench.head.knobs.unknown = unknown
    bench.start()
    bench.arm()
    bench.ttl(True)
    bench.interlock(False)
    bench.run(1500)
    assert bench.faults() == [Fault.DEVICE_INTERLOCK]
    assert "interlock is open" in bench.told()[0]
    assert not bench.driver.armed
    bench.interlock(True)
    bench.run(2000)
    assert bench.head.outputs == 0
    assert bench.arm().driver.armed


def test_a_key_that_is_off_prevents_arming_in_the_head_s_own_words(bench):
    bench.head.knobs.key_on = False
    bench.arm()
    assert not bench.driver.armed
    assert bench.told() == ["head is not armed: it answered 'ERR-200: not possible now' to 'SOURce:AM:STATe ON'."]


def test_a_restart_with_autostart_on_emits_by_itself_and_is_switched_off(bench):
    bench.meddle(b"SYST:AUT ON")
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
        ("*IDN?", "Coherent, Inc - OBIS 473nm 75mW LX - V1.0 - emulated\r\nOK\r\n"),
        ("*TST?", "0\r\nOK\r\n"),
        ("SYSTem:INFormation:MODel?", "OBIS 473nm 75mW LX\r\nOK\r\n"),
        ("SYST:INF:SNUM?", "12345\r\nOK\r\n"),
        ("system:inf:snumber?", "12345\r\nOK\r\n"),
        (":SYST:AUT?", "ON\r\nOK\r\n"),
        ("SYST:AUTO?", "ERR-100\r\n"),
        ("SYST:CDRH OFF", "OK\r\n"),
        ("SYST:CDRH MAYBE", "ERR-102\r\n"),
        ("SYST:CDRH", "ERR-109\r\n"),
        ("SYST:LOCK?", "ON\r\nOK\r\n"),
        ("SYST:LOCK ON", "ERR-100\r\n"),
        ("SYST:FAULt?", "00000000\r\nOK\r\n"),
        ("SYST:STAT?", "C8001008\r\nOK\r\n"),
        ("SOUR:AM:SOUR?", "CWP\r\nOK\r\n"),
        ("SOUR:AM:EXT dig", "OK\r\n"),
        ("SOUR:AM:EXT CWP", "ERR-102\r\n"),
        ("SOUR:POW:LIM:HIGH?", "0.07500\r\nOK\r\n"),
        ("SOUR:POW:LEV:IMM:AMPL 0.05", "OK\r\n"),
        ("SOUR:POW:LEV:IMM:AMPL 0.0751", "ERR-220\r\n"),
        ("SOUR:POW:LEV:IMM:AMPL much", "ERR-102\r\n"),
        ("SOUR:POW:LEV:IMM:AMPL", "ERR-109\r\n"),
        ("SOUR:TEMP:APR?", "ON\r\nOK\r\n"),
        ("SYST:COMM:PROM OFF", "OK\r\n"),
        ("hello", "ERR-100\r\n"),
        ("*RST", "OK\r\n"),
    ],
)
def test_each_line_is_answered_with_its_handshake(line, answer):
    assert say(create(0), line) == answer


def test_without_handshaking_there_is_the_value_or_nothing():
    head = create(0)
    assert say(head, "SYST:COMM:HAND OFF") == "OK\r\n"
    assert say(head, "SYST:AUT?") == "ON\r\n"
    assert say(head, "SYST:AUT OFF") == ""
    assert say(head, "nonsense") == ""
    assert say(head, "SYST:COMM:HAND ON") == "OK\r\n"


def test_errors_are_queued_and_shown_in_the_status():
    head = create(0)
    say(head, "nonsense")
    say(head, "SYST:CDRH")
    assert int(say(head, "SYST:STAT?").split()[0], 16) & 0x40
    assert say(head, "SYST:ERR:COUN?") == "2\r\nOK\r\n"
    assert say(head, "SYST:ERR:NEXT?") == "-100\r\nOK\r\n"
    say(head, "SYST:ERR:CLE")
    assert say(head, "SYST:ERR:NEXT?") == "0\r\nOK\r\n"


@pytest.mark.parametrize(
    ("mode", "dark", "lit"),
    [
        ("INT CWP", 1, 1),
        ("INT CWC", 1, 1),
        ("EXT DIG", 0, 1),
        ("EXT DIGSO", 0, 1),
        ("EXT ANAL", 0, 0),
        ("EXT MIX", 0, 0),
    ],
)
def test_light_needs_emission_and_what_the_mode_says_of_the_ttl(mode, dark, lit):
    head = create(0)
    for line in ("SYST:CDRH OFF", f"SOUR:AM:{mode}", "SOUR:AM:STAT ON"):
        assert say(head, line) == "OK\r\n"
    assert head.outputs == dark
    head.set_input(0, True, 0)
    assert head.outputs == lit


def test_with_the_safety_delay_light_comes_after_exactly_five_seconds():
    head = create(0)
    head.feed(b"SOUR:AM:STAT ON\r\n", 1_000)
    assert head.status & 0x12 == 0x10
    assert head.due_ns() in {1_000, 1_000 + CDRH_NS}
    head.outgoing(1_000)
    assert head.due_ns() == 1_000 + CDRH_NS == 5_000_001_000
    head.advance(9_000_000_000)
    assert head.take_edges() == [(1_000 + CDRH_NS, 0, 1)]
    assert head.status & 0x12 == 0x02


def test_a_head_asleep_or_cold_gives_no_light():
    head = create(0)
    for line in ("SYST:CDRH OFF", "SOUR:TEMP:APR OFF", "SOUR:AM:STAT ON"):
        say(head, line)
    assert head.outputs == 0
    say(head, "SOUR:TEMP:APR ON")
    assert head.outputs == 1
    head.knobs.warming_up = True
    assert say(head, "SYST:STAT?").startswith("C8001102")
    assert head.outputs == 0


def test_an_open_interlock_sets_its_bit_ends_emission_and_refuses_it():
    head = create(0)
    say(head, "SYST:CDRH OFF")
    say(head, "SOUR:AM:STAT ON")
    head.set_interlock(False, 7)
    assert head.take_edges() == [(0, 0, 1), (7, 0, 0)]
    assert say(head, "SYST:FAUL?") == "00000008\r\nOK\r\n"
    assert say(head, "SYST:LOCK?") == "OFF\r\nOK\r\n"
    assert say(head, "SOUR:AM:STAT ON") == "ERR-200\r\n"
    head.set_interlock(True, 8)
    assert head.outputs == 0


def test_the_measured_power_is_in_watts_and_only_while_there_is_light():
    head = EmulatedObis(0, ObisKnobs(measured_factor=2.0))
    assert say(head, "SOUR:POW:LEV?") == "0.00000\r\nOK\r\n"
    say(head, "SYST:CDRH OFF")
    say(head, "SOUR:AM:STAT ON")
    assert say(head, "SOUR:POW:LEV?") == "0.01000\r\nOK\r\n"

"""What both makes of laser heads do alike: the real driver against the emulated head, in virtual time."""

from itertools import pairwise

import pytest

from hardware.device import (
    BadSettings,
    ConfigurationRefused,
    DeviceError,
    DeviceSettings,
    DeviceState,
    NoSuchPin,
    SilentDevice,
    WrongDevice,
)
from hardware.drivers import cobolt, obis
from realtime.records import NEVER_NS, Fault, Kind, Line
from tests.hardware.head_bench import MAKES, HeadBench

OFF = {"cobolt": "l0", "obis": "SOURce:AM:STATe OFF"}
ON = {"cobolt": "l1", "obis": "SOURce:AM:STATe ON"}
FIRST = {"cobolt": "sn?", "obis": "SYSTem:COMMunicate:HANDshaking ON"}
MODE = {"cobolt": b"cp", "obis": b"SOUR:AM:INT CWP"}
POWER = {"cobolt": b"slmp 20", "obis": b"SOUR:POW:LEV:IMM:AMPL 0.02"}
FAULT = {"cobolt": ("fault_code", 1), "obis": ("fault_bits", 0x20)}
WORDS = {"cobolt": "temperature out of range (1)", "obis": "diode current too high (0x20)"}


@pytest.fixture(params=sorted(MAKES))
def make(request):
    """Return the name of a make."""
    return request.param


@pytest.fixture
def bench(make):
    """Return a bench whose driver is ready, with a head that emits as soon as it is permitted to."""
    bench = HeadBench(make)
    if make == "obis":
        bench.head.cdrh = False
    return bench.start()


def break_head(bench, make, broken=True):
    """Give the head a fault of its own, or take it back and clear it at the head."""
    knob, value = FAULT[make]
    setattr(bench.head.knobs, knob, value if broken else 0)
    if not broken and make == "cobolt":
        bench.meddle(b"cf")


# --- starting


def test_driver_and_emulator_of_a_make_have_its_name_and_the_driver_has_no_lines(make):
    driver, emulator = MAKES[make]
    assert driver.NAME == emulator.NAME == make
    assert driver.BAUD == 115_200
    assert not driver.ROLES
    assert not driver.CONFIRMS


def test_a_head_that_was_configured_is_ready_disarmed_and_dark(bench):
    assert bench.driver.state is DeviceState.READY
    assert not bench.driver.armed
    assert not bench.head.emission
    assert not bench.head.autostart
    assert bench.ttl(True) == 0
    assert bench.faults() == []
    assert bench.driver.serial_number == "12345"
    assert bench.driver.model == bench.head.knobs.model
    assert bench.driver.firmware == bench.head.knobs.firmware


def test_a_head_that_is_emitting_is_switched_off_before_anything_is_set(make):
    bench = HeadBench(make)
    bench.meddle(b"l1" if make == "cobolt" else b"SYST:CDRH OFF")
    bench.meddle(b"SOUR:AM:STAT ON")
    bench.run(1)
    assert bench.head.outputs == 1
    bench.start()
    assert bench.head.outputs == 0
    assert bench.driver.state is DeviceState.READY
    identified = bench.lines.index(OFF[make])
    assert all(line.endswith("?") or line == FIRST[make] for line in bench.lines[:identified])


def test_a_head_that_starts_slowly_is_waited_for(make):
    bench = HeadBench(make)
    bench.head.knobs.silence = True
    bench.driver.start(bench.now_ns)
    bench.run(2200)
    bench.head.knobs.silence = False
    bench.run(3000)
    assert bench.driver.state is DeviceState.READY


def test_a_silent_port_is_named_within_three_seconds_and_told_nothing_more(make):
    bench = HeadBench(make)
    bench.head.knobs.silence = True
    bench.driver.start(bench.now_ns)
    bench.run(2400)
    assert bench.driver.state is DeviceState.CONNECTING
    bench.run(600)
    assert isinstance(bench.driver.error, SilentDevice)
    assert "It sent nothing" in str(bench.driver.error)
    assert bench.driver.fault is Fault.DEVICE_SILENT
    assert bench.faults() == [Fault.DEVICE_SILENT]
    assert bench.told() == [str(bench.driver.error)]
    assert set(bench.lines) == {FIRST[make]}
    assert bench.driver.due_ns() == NEVER_NS


def test_noise_instead_of_an_answer_is_mentioned(make):
    bench = HeadBench(make)
    bench.head.knobs.silence = True
    bench.driver.start(bench.now_ns)
    bench.driver.feed(b"\x03\xff\x10\x9f\r\n", bench.now_ns)
    bench.run(3000)
    assert isinstance(bench.driver.error, SilentDevice)
    assert "4 bytes that are no text" in str(bench.driver.error)


@pytest.mark.parametrize(("power_mw", "least"), [(None, "None"), (0.0, "0.0"), (float("nan"), "nan"), (-1.0, "-1.0")])
def test_a_rig_without_a_sensible_power_is_refused_before_anything_is_sent(make, power_mw, least):
    with pytest.raises(BadSettings, match=f"power_mw is {least}"):
        HeadBench(make, power_mw=power_mw)


@pytest.mark.parametrize("driver", [cobolt, obis])
def test_a_rig_that_gives_a_head_lines_is_refused(driver):
    with pytest.raises(BadSettings, match="has no lines"):
        driver.create(DeviceSettings(name="head", source=3, pins={Line.LASER_A: 0}, power_mw=5))
    with pytest.raises(BadSettings, match="has no lines"):
        driver.create(DeviceSettings(name="head", source=3, pins={}, copies={Line.LASER_A: 0}, power_mw=5))


def test_more_power_than_the_head_has_is_refused_with_both_numbers(make):
    bench = HeadBench(make, power_mw=80)
    bench.head.knobs.max_power_mw = 60
    bench.start()
    assert isinstance(bench.driver.error, ConfigurationRefused)
    assert "80 mW" in str(bench.driver.error)
    assert "60 mW" in str(bench.driver.error)
    assert bench.faults() == [Fault.DEVICE_REFUSED]
    assert bench.lines[-2:] == [OFF[make], bench.lines[-1]]


@pytest.mark.parametrize("power_mw", [60, 60.004])
def test_exactly_the_head_s_limit_is_taken_as_far_as_powers_are_told_apart(make, power_mw):
    bench = HeadBench(make, power_mw=power_mw)
    bench.head.knobs.max_power_mw = 60
    assert bench.start().driver.state is DeviceState.READY
    assert bench.head.power_mw == 60


@pytest.mark.parametrize(
    ("make", "unknown", "says"),
    [
        ("cobolt", "sdmes", "answered 'Syntax error: illegal command' to 'sdmes 1' (digital modulation on)"),
        ("cobolt", "@cobas 0", "answered 'Syntax error: illegal command' to '@cobas 0' (autostart off)"),
        ("obis", "source:am:external", "answered 'ERR-100: unknown command' to 'SOURce:AM:EXTernal DIGital'"),
        ("obis", "system:autostart off", "answered 'ERR-100: unknown command' to 'SYSTem:AUTostart OFF'"),
    ],
)
def test_a_setting_that_the_head_refuses_ends_the_start_in_its_own_words(make, unknown, says):
    bench = HeadBench(make)
    bench.head.knobs.unknown = unknown
    bench.start()
    assert isinstance(bench.driver.error, ConfigurationRefused)
    assert says in str(bench.driver.error)
    assert bench.driver.counters()["error_answers"] == 1
    assert bench.lines[-2] == OFF[make]


def test_an_open_interlock_at_the_start_is_told_and_does_not_prevent_ready(make):
    bench = HeadBench(make)
    bench.interlock(False)
    bench.start()
    assert bench.driver.state is DeviceState.READY
    assert bench.faults() == [Fault.DEVICE_INTERLOCK]


def test_a_fault_at_the_start_is_told_in_words_and_does_not_prevent_ready(make):
    bench = HeadBench(make)
    break_head(bench, make)
    bench.start()
    assert bench.driver.state is DeviceState.READY
    assert bench.faults() == [Fault.LASER_HEAD]
    assert WORDS[make] in bench.told()[0]


def test_records_are_numbered_on_from_those_of_an_earlier_driver(make):
    bench = HeadBench(make, first_seq=41)
    bench.interlock(False)
    assert bench.driver.last_seq == 41
    bench.start()
    records = bench.records()
    assert records["source_seq"].tolist() == [42]
    assert records["source"].tolist() == [3]
    assert records["kind"].tolist() == [Kind.FAULT]
    assert bench.driver.last_seq == 42


@pytest.mark.parametrize("chunk", [1, 2, 7])
def test_bytes_may_come_in_pieces(make, chunk):
    bench = HeadBench(make, chunk=chunk).start()
    assert bench.driver.state is DeviceState.READY
    assert bench.arm().driver.armed
    assert bench.driver.counters()["garbage_bytes"] == 0


def test_questions_are_at_least_20_ms_apart_and_one_at_a_time(make):
    bench = HeadBench(make)
    bench.head.knobs.answer_ns = 7_000_000
    bench.driver.start(bench.now_ns)
    bench.run(0)
    times = []
    for _ in range(400):
        before = len(bench.lines)
        bench.run(1)
        times += [bench.now_ns] * (len(bench.lines) - before)
    assert bench.driver.counters()["retries"] == 0
    assert len(times) > 10
    assert min(b - a for a, b in pairwise(times)) >= 27_000_000


# --- arming, and light


def test_an_armed_head_follows_its_ttl_and_without_ttl_there_is_no_light(bench):
    bench.arm()
    assert bench.driver.armed
    assert bench.driver.counters()["armed"] == 1
    assert bench.head.outputs == 0
    assert bench.ttl(True) == 1
    assert bench.ttl(False) == 0
    assert [(pin, level) for _, pin, level in bench.head.take_edges()] == [(0, 1), (0, 0)]
    assert bench.faults() == []


def test_a_ttl_without_arm_gives_no_light(bench):
    assert bench.ttl(True) == 0
    bench.run(2000)
    assert bench.head.take_edges() == []


def test_arming_takes_less_than_a_second(bench):
    bench.arm(ms=800)
    assert bench.driver.armed


def test_arming_sets_and_reads_back_everything_again(bench, make):
    bench.meddle(b"@cobas 1" if make == "cobolt" else b"SYST:AUT ON")
    bench.meddle(MODE[make])
    bench.run(1000)
    bench.arm()
    assert bench.driver.armed
    assert not bench.head.autostart
    assert bench.ttl(True) == 1
    assert bench.ttl(False) == 0


def test_a_second_arm_changes_nothing(bench, make):
    bench.arm().arm()
    assert bench.count_of(ON[make]) == 1
    assert bench.driver.armed


def test_disarming_ends_the_light_at_once(bench):
    bench.arm()
    bench.ttl(True)
    bench.command(Line.ARM, 0)
    assert bench.head.outputs == 0
    assert not bench.driver.armed
    bench.run(2000)
    assert bench.faults() == []


@pytest.mark.parametrize("ms", range(0, 700, 23))
def test_disarming_while_arming_leaves_it_off_whatever_was_under_way(bench, ms):
    bench.head.knobs.answer_ns = 9_000_000
    bench.ttl(True)
    bench.arm(ms=ms)
    bench.command(Line.ARM, 0)
    assert bench.head.outputs == 0
    bench.run(3000)
    assert bench.head.outputs == 0
    assert not bench.head.emission
    assert not bench.driver.armed
    assert bench.driver.state is DeviceState.READY
    assert bench.faults() == []


def test_the_off_goes_out_although_another_answer_is_awaited(bench, make):
    bench.arm()
    bench.head.knobs.answer_ns = 150_000_000
    bench.run(600)
    asked_at_ns = bench.now_ns
    assert bench.driver.due_ns() > asked_at_ns
    bench.command(Line.ARM, 0)
    assert bench.lines[-1] == OFF[make]
    assert not bench.head.emission
    bench.run(2000)
    assert bench.faults() == []
    assert bench.driver.counters()["late_answers"] >= 1


def test_an_arm_and_a_disarm_in_one_breath_leave_it_off_and_the_other_way_round_armed(bench):
    bench.command(Line.ARM, 1, settle=False)
    bench.command(Line.ARM, 0)
    bench.run(2000)
    assert not bench.head.emission
    bench.command(Line.ARM, 0, settle=False)
    bench.command(Line.ARM, 1)
    bench.run(2000)
    assert bench.driver.armed


def test_arming_is_refused_while_the_interlock_is_open(bench, make):
    bench.interlock(False)
    bench.run(1000)
    bench.arm()
    assert not bench.driver.armed
    assert bench.count_of(ON[make]) == 0
    assert bench.faults() == [Fault.DEVICE_INTERLOCK, Fault.DEVICE_REFUSED]
    assert bench.records()["line"].tolist() == [0, Line.ARM]
    assert bench.told()[1] == "head is not armed: its interlock is open."


def test_arming_looks_at_the_interlock_itself(bench, make):
    bench.interlock(False)
    bench.arm(ms=200)
    assert not bench.driver.armed
    assert bench.count_of(ON[make]) == 0
    assert bench.faults() == [Fault.DEVICE_INTERLOCK, Fault.DEVICE_REFUSED]


def test_an_interlock_that_was_closed_in_time_does_not_prevent_arming(bench):
    bench.interlock(False)
    bench.run(1000)
    bench.interlock(True)
    bench.arm()
    assert bench.driver.armed


def test_arming_is_refused_while_the_head_has_a_fault_and_nothing_clears_it(bench, make):
    break_head(bench, make)
    bench.arm()
    bench.arm()
    assert not bench.driver.armed
    assert bench.faults() == [Fault.LASER_HEAD, Fault.DEVICE_REFUSED, Fault.DEVICE_REFUSED]
    assert f"is not armed: it reports a fault: {WORDS[make]}" in bench.told()[2]
    assert bench.count_of("cf") == 0
    break_head(bench, make, broken=False)
    assert bench.arm().driver.armed


def test_a_head_that_refuses_to_switch_on_is_quoted_and_stays_off(bench, make):
    bench.head.knobs.unknown = ON[make]
    bench.arm()
    assert not bench.driver.armed
    assert bench.driver.state is DeviceState.READY
    assert bench.faults() == [Fault.DEVICE_REFUSED]
    assert f"to '{ON[make]}'" in bench.told()[0]
    assert bench.lines[bench.lines.index(ON[make]) + 1] == OFF[make]


def test_lines_that_a_head_does_not_have_are_refused(bench):
    bench.command(Line.LASER_A, 5_000_000)
    bench.command(77, 0)
    assert bench.faults() == [Fault.DEVICE_REFUSED] * 2
    assert bench.records()["line"].tolist() == [Line.LASER_A, 77]
    assert "no output for line 77" in bench.told()[1]


def test_arming_before_the_head_is_ready_is_refused(make):
    bench = HeadBench(make)
    bench.command(Line.ARM, 1)
    bench.driver.start(bench.now_ns)
    bench.run(300)
    bench.command(Line.ARM, 1)
    bench.run(3000)
    assert bench.told() == ["head is not connected.", "head is not ready, so it is not armed."]
    assert not bench.head.emission


def test_a_disarm_while_the_head_is_configured_does_not_disturb_that(make):
    bench = HeadBench(make)
    bench.driver.start(bench.now_ns)
    bench.run(200)
    bench.command(Line.ARM, 0)
    bench.run(2000)
    assert bench.driver.state is DeviceState.READY


# --- watching


def test_an_interlock_that_opens_ends_the_light_at_once_and_is_told_within_a_second(bench, make):
    bench.arm()
    bench.ttl(True)
    opened_ns = bench.now_ns
    bench.interlock(False)
    assert bench.head.outputs == 0
    bench.run(1000)
    assert not bench.driver.armed
    assert not bench.head.emission
    assert bench.faults()[0] == Fault.DEVICE_INTERLOCK
    assert bench.told()[0].startswith("head: its ")
    assert 0 < bench.records()["t_ns"][0] - opened_ns < 600_000_000
    assert bench.driver.state is DeviceState.READY


@pytest.mark.parametrize("phase_ms", range(0, 500, 37))
def test_whatever_is_asked_next_an_interlock_is_named_and_its_consequences_are_not_told_as_faults(bench, phase_ms):
    bench.arm()
    bench.run(phase_ms)
    bench.interlock(False)
    bench.run(1500)
    assert bench.faults() == [Fault.DEVICE_INTERLOCK]
    assert not bench.driver.armed


@pytest.mark.parametrize("phase_ms", range(0, 500, 37))
def test_whatever_is_asked_next_a_fault_is_named_and_its_consequences_are_not_told(bench, make, phase_ms):
    bench.arm()
    bench.run(phase_ms)
    break_head(bench, make)
    bench.run(1500)
    assert bench.faults() == [Fault.LASER_HEAD]
    assert WORDS[make] in bench.told()[0]


def test_an_interlock_that_closes_again_does_not_re_arm(bench, make):
    bench.arm()
    bench.ttl(True)
    bench.interlock(False)
    bench.run(1000)
    bench.interlock(True)
    if make == "cobolt":
        bench.meddle(b"cf")
    bench.run(5000)
    assert bench.head.outputs == 0
    assert not bench.driver.armed
    assert bench.arm().driver.armed


def test_a_trouble_is_told_once_and_again_when_it_comes_back(bench):
    for _ in range(2):
        bench.interlock(False)
        bench.run(5000)
        bench.interlock(True)
        bench.run(2000)
    assert bench.faults() == [Fault.DEVICE_INTERLOCK] * 2


def test_a_fault_of_the_head_is_named_in_words_and_disarms(bench, make):
    bench.arm()
    bench.ttl(True)
    break_head(bench, make)
    bench.run(1000)
    assert bench.head.outputs == 0
    assert not bench.driver.armed
    assert bench.faults()[0] == Fault.LASER_HEAD
    assert bench.told()[0].startswith(f"head: it reports a fault: {WORDS[make]}. It is switched off and disarmed.")
    assert bench.driver.state is DeviceState.READY


def test_emission_that_somebody_else_switched_on_is_switched_off_and_told(bench, make):
    bench.meddle(ON[make].encode())
    assert bench.head.emission
    bench.run(1000)
    assert not bench.head.emission
    assert bench.faults() == [Fault.LASER_HEAD]
    assert "its emission is on though it is not armed" in bench.told()[0]
    bench.run(3000)
    assert bench.faults() == [Fault.LASER_HEAD]


def test_emission_that_does_not_go_off_is_told_once_and_off_is_repeated_twice_a_second(bench, make):
    bench.arm()
    bench.head.emission = True
    offs = bench.count_of(OFF[make])

    def stay_on():
        bench.head.emission = True

    bench.head._live = stay_on
    bench.command(Line.ARM, 0)
    bench.run(5000)
    assert bench.faults() == [Fault.LASER_HEAD]
    assert 9 <= bench.count_of(OFF[make]) - offs <= 14
    bench.arm()
    assert bench.faults() == [Fault.LASER_HEAD, Fault.DEVICE_REFUSED]
    assert bench.told()[1] == "head is not armed: its emission does not go off."
    offs = bench.count_of(OFF[make])
    while bench.count_of(OFF[make]) == offs and bench.now_ns < 60_000_000_000:
        bench.run(1)
    bench.arm(ms=490)
    assert bench.told() == ["head is not armed: its emission is on though it should be off."]
    del bench.head._live
    bench.run(1000)
    assert not bench.head.emission
    assert bench.arm().driver.armed


def test_emission_that_goes_off_by_itself_is_told_and_disarms(bench, make):
    bench.arm()
    bench.meddle(OFF[make].encode())
    bench.run(1000)
    assert not bench.driver.armed
    assert bench.faults() == [Fault.LASER_HEAD]
    assert "its emission went off by itself" in bench.told()[0]


def test_emission_that_went_off_is_told_although_it_is_armed_again_at_once(bench, make):
    bench.arm()
    bench.meddle(OFF[make].encode())
    while bench.driver.armed and bench.now_ns < 10_000_000_000:
        bench.run(1)
    assert bench.faults() == []  # it still looks for what did it
    bench.command(Line.ARM, 1)
    bench.run(300)
    assert bench.faults() == [Fault.LASER_HEAD]
    assert not bench.driver.armed
    bench.run(1000)
    assert bench.driver.armed
    assert bench.faults() == [Fault.LASER_HEAD]


def test_another_power_than_was_set_is_told_with_both_numbers_and_disarms(bench, make):
    bench.arm()
    bench.ttl(True)
    bench.meddle(POWER[make])
    bench.run(1000)
    assert bench.head.outputs == 0
    assert not bench.driver.armed
    assert bench.faults() == [Fault.LASER_HEAD]
    assert "reads 20 instead of 12.5" in bench.told()[0]
    bench.arm()
    assert bench.driver.armed
    assert bench.ttl(True) == 1


@pytest.mark.parametrize(("set_mw", "read_mw", "faults"), [(50, 50.9, 0), (50, 51.1, 1), (1, 1.09, 0), (1, 1.11, 1)])
def test_a_power_that_a_head_rounds_is_no_trouble(make, set_mw, read_mw, faults):
    bench = HeadBench(make, power_mw=set_mw).start()
    bench.meddle(f"slmp {read_mw}".encode() if make == "cobolt" else f"SOUR:POW:LEV:IMM:AMPL {read_mw / 1000}".encode())
    bench.run(2000)
    assert len(bench.faults()) == faults


def test_a_setting_that_is_altered_twice_is_told_twice_even_just_after_arming(bench, make):
    bench.meddle(POWER[make])
    bench.run(1000)
    bench.command(Line.ARM, 1)
    while not bench.driver.armed and bench.now_ns < 10_000_000_000:
        bench.run(1)
    bench.meddle(POWER[make])
    bench.run(1000)
    assert bench.faults() == [Fault.LASER_HEAD] * 2
    assert not bench.driver.armed


def test_a_mode_in_which_light_does_not_need_the_ttl_is_told_and_disarms(bench, make):
    bench.arm()
    bench.meddle(MODE[make])
    bench.run(1)
    assert bench.head.outputs == 1
    bench.run(1000)
    assert bench.head.outputs == 0
    assert bench.faults()[0] == Fault.LASER_HEAD
    assert "mode reads" in bench.told()[0]


def test_a_head_that_restarts_is_noticed_and_neither_emits_nor_is_armed(bench):
    bench.arm()
    bench.ttl(True)
    bench.head.reset(bench.now_ns)
    assert bench.head.outputs == 0  # its autostart was switched off
    bench.run(2000)
    assert not bench.driver.armed
    assert bench.driver.state is DeviceState.READY
    assert set(bench.faults()) == {Fault.LASER_HEAD}
    assert "It restarted, or somebody" in bench.told()[0]
    assert bench.arm().driver.armed
    assert not bench.head.autostart
    assert bench.ttl(False) == 0


def test_the_power_that_the_head_measures_is_counted_and_not_recorded(bench):
    bench.head.knobs.measured_factor = 0.9
    bench.arm()
    bench.ttl(True)
    bench.run(1000)
    assert bench.driver.counters()["measured_uw"] == 11_250
    assert len(bench.records()) == 0


# --- the wire


def test_three_unanswered_polls_end_it_off_and_named(bench, make):
    bench.arm()
    bench.ttl(True)
    bench.head.knobs.silence = True
    bench.run(1400)
    assert bench.driver.state is DeviceState.READY
    bench.run(700)
    assert bench.driver.state is DeviceState.FAULTED
    assert isinstance(bench.driver.error, SilentDevice)
    assert "unanswered, 3 times. It may still be on" in str(bench.driver.error)
    assert bench.faults() == [Fault.DEVICE_SILENT]
    assert not bench.driver.armed
    assert bench.head.outputs == 0  # the off arrived, though its answer did not


def test_a_faulted_driver_repeats_the_off_until_the_head_acknowledges_it(bench, make):
    bench.arm()
    bench.head.knobs.silence = True
    bench.run(2200)
    offs = bench.count_of(OFF[make])
    bench.run(5000)
    assert 9 <= bench.count_of(OFF[make]) - offs <= 11
    bench.head.knobs.silence = False
    bench.run(2000)
    offs = bench.count_of(OFF[make])
    bench.run(5000)
    assert bench.count_of(OFF[make]) == offs
    assert bench.driver.due_ns() == NEVER_NS
    assert bench.driver.state is DeviceState.FAULTED
    bench.command(Line.ARM, 1)
    bench.run(2000)
    assert not bench.head.emission


def test_an_off_that_is_lost_is_repeated(bench, make):
    bench.arm()
    bench.ttl(True)
    bench.lose_next = 1
    bench.command(Line.ARM, 0)
    assert bench.head.outputs == 1
    bench.run(250)
    assert bench.head.outputs == 0
    assert bench.driver.counters()["retries"] == 1
    bench.run(1000)
    assert bench.faults() == []


def test_an_off_that_is_never_answered_ends_it_by_name(bench, make):
    bench.arm()
    bench.head.knobs.silence = True
    bench.command(Line.ARM, 0)
    bench.run(790)
    assert bench.driver.state is DeviceState.READY
    assert bench.count_of(OFF[make]) >= 4
    bench.run(20)
    assert isinstance(bench.driver.error, SilentDevice)
    assert f"left '{OFF[make]}' (emission off) unanswered, 4 times" in str(bench.driver.error)


def test_an_answer_that_is_lost_is_asked_for_again_and_nothing_is_told(bench):
    bench.head.knobs.drop = 4
    bench.run(3000)
    assert bench.driver.state is DeviceState.READY
    assert bench.faults() == []
    assert bench.driver.counters()["retries"] >= 1


def test_a_question_about_safety_that_is_answered_by_errors_ends_it(bench, make):
    bench.arm()
    bench.head.knobs.unknown = "f?,system:fault?"
    bench.run(2500)
    assert type(bench.driver.error) is DeviceError
    assert "3 times. It cannot be watched" in str(bench.driver.error)
    assert bench.driver.fault is Fault.DEVICE_REFUSED
    assert not bench.head.emission


def test_one_error_answer_is_counted_and_the_question_asked_again(bench, make):
    bench.head.knobs.unknown = "f?,system:fault?"
    for _ in range(100):
        if not bench.driver.counters()["error_answers"]:
            bench.run(10)
    bench.head.knobs.unknown = ""
    bench.run(3000)
    assert bench.driver.state is DeviceState.READY
    assert bench.driver.counters()["error_answers"] == 1


def test_garbage_is_counted_and_told_and_hides_no_later_answer(bench):
    bench.head.knobs.garbage = b"\x00\xfe\xff"
    bench.run(3000)
    assert bench.faults() == [Fault.GARBAGE]
    assert "no text" in bench.told()[0]
    assert bench.driver.counters()["garbage_bytes"] > 3  # the answer behind it is spoilt, too
    assert bench.driver.state is DeviceState.READY


def test_text_that_answers_nothing_is_counted(bench):
    bench.driver.feed(b"Hello from another device\r\nOK\r\n", bench.now_ns)
    bench.run(3000)
    assert bench.driver.counters()["unexpected_answers"] >= 1
    assert bench.driver.state is DeviceState.READY
    assert bench.faults() == []


def test_changed_bytes_are_asked_for_again(bench):
    bench.head.knobs.corrupt = 4
    bench.run(4000)
    assert bench.driver.state is DeviceState.READY
    assert [fault for fault in bench.faults() if fault != Fault.GARBAGE] == []


def test_lines_that_come_twice_change_nothing(make):
    bench = HeadBench(make)
    bench.head.knobs.duplicate = 10_000
    bench.meddle(b"SYST:CDRH OFF")
    bench.start()
    bench.arm()
    assert bench.driver.armed
    bench.run(3000)
    assert bench.driver.armed
    assert bench.faults() == []
    assert bench.driver.counters()["unexpected_answers"] > 50
    bench.command(Line.ARM, 0)
    bench.run(1000)
    assert not bench.head.emission


# --- the end


def test_answers_to_an_earlier_driver_are_not_taken_for_who_is_there(make):
    bench = HeadBench(make)
    bench.head.knobs.answer_ns = 60_000_000
    bench.driver.start(bench.now_ns)
    late = b"OK\r\n0\r\n12.50\r\n" if make == "cobolt" else b"OK\r\nOFF\r\nOK\r\n0.01250\r\nOK\r\n"
    for place in range(len(late)):
        bench.run(1)
        bench.driver.feed(late[place : place + 1], bench.now_ns)
    bench.run(4000)
    assert bench.driver.state is DeviceState.READY
    assert bench.driver.serial_number == "12345"
    assert bench.driver.model == bench.head.knobs.model


def test_a_head_that_falls_silent_after_its_first_answer_is_silent_and_no_other_device(make):
    bench = HeadBench(make)
    bench.driver.start(bench.now_ns)
    bench.run(5)
    bench.head.knobs.silence = True
    bench.run(4000)
    assert isinstance(bench.driver.error, SilentDevice)
    assert "It sent nothing that was asked for" in str(bench.driver.error)


def test_a_device_that_says_something_else_is_quoted(make):
    bench = HeadBench(make)
    bench.head.knobs.silence = True
    bench.driver.start(bench.now_ns)
    bench.driver.feed(b"Welcome to the kettle\r\n", bench.now_ns)
    bench.run(3000)
    assert isinstance(bench.driver.error, WrongDevice)
    assert "says 'Welcome to the kettle'" in str(bench.driver.error)


def test_safe_switches_off_and_disarms_and_the_driver_stays_ready(bench, make):
    bench.arm()
    bench.ttl(True)
    bench.driver.safe(bench.now_ns)
    bench.run(0)
    assert bench.head.outputs == 0
    bench.run(2000)
    assert bench.driver.state is DeviceState.READY
    assert not bench.driver.armed
    assert bench.faults() == []


@pytest.mark.parametrize("ms", [None, 0, 100, 300, 5000])
def test_closing_switches_off_from_every_state_once_it_is_known_who_is_there(make, ms):
    bench = HeadBench(make)
    if ms is not None:
        bench.driver.start(bench.now_ns)
        bench.run(ms)
    identified = OFF[make] in bench.lines
    before = len(bench.lines)
    bench.driver.close(bench.now_ns)
    bench.run(2000)
    assert bench.driver.state is DeviceState.CLOSED
    assert bench.lines[before:] in ([OFF[make]] * identified, [FIRST[make]] * (ms == 0))
    assert bench.driver.due_ns() == NEVER_NS
    assert not bench.head.emission


@pytest.mark.parametrize("arming_ms", [0, 30, 200, 400, 2000])
def test_closing_an_armed_or_arming_head_leaves_it_off(bench, make, arming_ms):
    bench.ttl(True)
    bench.arm(ms=arming_ms)
    bench.driver.close(bench.now_ns)
    bench.run(3000)
    assert bench.lines[-1] == OFF[make]
    assert bench.head.outputs == 0
    assert not bench.head.emission


def test_closing_a_faulted_driver_sends_the_off_once_more(bench, make):
    bench.arm()
    bench.head.knobs.silence = True
    bench.run(2200)
    bench.driver.close(bench.now_ns)
    assert bench.driver.outgoing().decode().strip() == OFF[make]
    assert bench.driver.due_ns() == NEVER_NS


def test_a_closed_driver_refuses_commands_ignores_what_is_said_and_closes_once(bench):
    bench.driver.close(bench.now_ns)
    bench.run(100)
    before = len(bench.lines)
    bench.driver.close(bench.now_ns)
    bench.command(Line.ARM, 1)
    bench.driver.feed(b"1\r\n", bench.now_ns)
    bench.run(3000)
    assert len(bench.lines) == before
    assert bench.told() == ["head is not connected."]
    assert bench.driver.counters()["ignored_lines"] >= 1


def test_a_driver_that_starts_anew_switches_an_armed_head_off_and_never_re_arms(bench, make):
    bench.arm()
    bench.ttl(True)
    assert bench.head.outputs == 1
    bench.driver = MAKES[make][0].create(bench.settings, bench.driver.last_seq)
    bench.start()
    assert bench.driver.state is DeviceState.READY
    assert bench.head.outputs == 0
    bench.run(5000)
    assert bench.head.outputs == 0
    assert not bench.driver.armed


def test_an_emulated_head_has_one_input(make):
    with pytest.raises(NoSuchPin, match="no input 1"):
        HeadBench(make).head.set_input(1, True, 0)

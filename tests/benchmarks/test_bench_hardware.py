"""The board's benchmark measures all it promises and writes it where it says; no test asks how fast a machine is."""

import contextlib
import gc
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks import _hardware_cycles, _hardware_report, _hardware_wire, _table, hardware
from benchmarks._children import BenchmarkFailed, Busyness
from benchmarks._hardware_cycles import COMMAND, CUT, CUT_BUSY, FIRST_BYTE, HUNG, LAST_BYTE, RULE, RULE_BUSY, SILENT
from benchmarks._hardware_device import BARE, EMULATOR, NEVER_NS, PATIENCE_NS, POKE_NS, SIMAVR, Noted, Pace
from benchmarks._hardware_sides import Heard
from benchmarks._hardware_wire import (
    ECHO,
    EDGE,
    EDGE_WALL,
    EVENT,
    FLOOR_NS,
    LOOP,
    MEASURES,
    REPORT,
    RealTime,
    first_after,
)
from hardware.firmware.build import INSTALL, missing

ROOT = Path(__file__).resolve().parents[2]
TINY = hardware.Effort(_hardware_wire.Effort(rounds=2, pokes=5, pings=3), _hardware_cycles.Effort(3, 1, 4))
NO_COMPILER = pytest.mark.skipif(bool(missing()), reason="the firmware's compilers are not installed")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> _hardware_report.Results:
    return hardware.measure(TINY, tmp_path_factory.mktemp("h"), lambda _text: None)


@pytest.fixture(scope="module")
def cycles(results: _hardware_report.Results) -> _hardware_cycles.Cycles:
    if results.cycles is None:
        pytest.skip("the firmware's compilers are not installed")
    return results.cycles


# --- what is measured


@pytest.mark.slow
def test_every_contender_is_measured_in_every_way_with_every_policy(results: _hardware_report.Results) -> None:
    contenders = {BARE, EMULATOR} | ({SIMAVR} if results.cycles is not None else set())
    expected = {(name, what, policy) for name in contenders for what in MEASURES for policy in results.policies}
    assert set(results.real_time.series) == expected
    assert all(len(found.rounds) == TINY.real_time.rounds for found in results.real_time.series.values())
    assert all(found.all_ns.min() > 0 for found in results.real_time.series.values())


@pytest.mark.slow
def test_what_was_not_lost_is_measured(results: _hardware_report.Results) -> None:
    series, count = results.real_time.series, TINY.real_time.rounds * TINY.real_time.pokes
    pokes = [found.all_ns.size for (_, what, _), found in series.items() if what == LOOP]
    assert sum(pokes) == len(pokes) * count - results.real_time.lost
    pings = [found.all_ns.size for (_, what, _), found in series.items() if what == ECHO]
    assert set(pings) == {TINY.real_time.rounds * TINY.real_time.pings}


@pytest.mark.slow
def test_a_closed_loop_holds_the_way_in_and_the_way_out(results: _hardware_report.Results) -> None:
    for (contender, what, policy), found in results.real_time.series.items():
        if what == LOOP:
            parts = [results.real_time.series[contender, part, policy].all_ns for part in (EVENT, EDGE_WALL)]
            assert (found.all_ns >= sum(parts)).all()


@pytest.mark.slow
@NO_COMPILER
def test_simavr_waits_for_every_bit_on_the_wire(results: _hardware_report.Results) -> None:
    for (contender, what, _), found in results.real_time.series.items():
        if contender == SIMAVR:
            assert found.all_ns.min() > FLOOR_NS[what]


def test_the_floor_is_ten_bits_a_byte_at_a_million_baud() -> None:
    assert FLOOR_NS[EVENT] == 13 * 10_000
    assert FLOOR_NS[EDGE] == FLOOR_NS[EDGE_WALL] == 14 * 10_000
    assert FLOOR_NS[REPORT] == FLOOR_NS[LOOP] == 27 * 10_000
    assert FLOOR_NS[ECHO] == (7 + 13) * 10_000


@pytest.mark.slow
def test_the_same_cycles_are_found_again(cycles: _hardware_cycles.Cycles) -> None:
    again = _hardware_cycles.measure(hardware.build(), TINY.cycles)
    assert list(again.delays) == list(cycles.delays)
    assert all((again.delays[name] == found).all() for name, found in cycles.delays.items())
    assert (again.widths == cycles.widths).all()


@pytest.mark.slow
def test_what_the_chip_does_is_seen_where_it_must_be(cycles: _hardware_cycles.Cycles) -> None:
    for event_cycles in cycles.delays[LAST_BYTE] - cycles.delays[FIRST_BYTE]:
        assert 13 * 160 <= event_cycles <= 15 * 160
    assert all(cycles.delays[name].min() > 0 for name in (COMMAND, RULE, RULE_BUSY, CUT, CUT_BUSY))
    assert cycles.delays[SILENT].size == 4 * TINY.cycles.seldom
    assert cycles.delays[SILENT] / 16_000 == pytest.approx(500, abs=5)
    assert cycles.delays[HUNG] / 16_000 == pytest.approx(125, abs=15)
    assert cycles.widths.size == TINY.cycles.pulses
    assert sorted(cycles.max_on) == [0, 1, 2, 3]


# --- the tables


def some_results(*, with_cycles: bool, simavr_ns: int = 200_000, late_us: int = 0) -> _hardware_report.Results:
    """Return results in which every number is known."""
    real_time = RealTime(lost=7, missed=8, retries=9, garbage=11, busy=[Busyness(0.25, 0.0, 1.0)])
    for contender in (BARE, EMULATOR, SIMAVR) if with_cycles else (BARE, EMULATOR):
        for what in MEASURES:
            ns = {BARE: 50_000, EMULATOR: 100_000, SIMAVR: simavr_ns}[contender]
            real_time.add(contender, what, "normal", np.array([ns, ns, ns], np.int64))
    cycles = None
    if with_cycles:
        names = (RULE, RULE_BUSY, CUT, CUT_BUSY)
        delays = {name: np.array([160, 320]) for name in names} | {SILENT: np.array([8_000_000 - late_us * 16])}
        cycles = _hardware_cycles.Cycles(delays, {pin: np.array([-16, 32]) for pin in range(4)}, np.array([-160, 80]))
    lacking = () if with_cycles else ("gcc-avr",)
    return _hardware_report.Results(("normal",), real_time, cycles, lacking, "refused here")


def test_a_row_says_its_percentiles_and_its_ratios_to_the_reference_and_to_the_floor() -> None:
    table = _hardware_report.real_time(some_results(with_cycles=True))
    row = next(row for row in table.rows if row[:3] == (EVENT, SIMAVR, "normal"))
    assert row[3:] == ("3", "200", "200", "200", "200", "200", "4.00", "130", "1.54")
    trial = next(row for row in table.rows if row[0] == EVENT and row[1].startswith("earlier"))
    assert trial[3:] == ("–", "364", "947", "3 921", "–", "21 874", "–", "130", "2.80")
    for lost in ("sent again: 9.", "7 pokes", "(11 bytes", "8 keep-alives"):
        assert lost in table.note


@pytest.mark.parametrize(("simavr_us", "verdict"), [(364, "met"), (366, "**not met**")])
def test_a_ratio_to_the_floor_is_held_against_the_trials(simavr_us: int, verdict: str) -> None:
    table = _hardware_report.targets(some_results(with_cycles=True, simavr_ns=simavr_us * 1000))
    row = next(row for row in table.rows if row[0].startswith(EVENT))
    assert row[1] == "≤ 2.8 ×"
    assert row[3] == verdict


@pytest.mark.parametrize("late_us", [-2001, 2001])
def test_a_watchdog_that_bites_too_soon_or_too_late_misses_its_target(late_us: int) -> None:
    table = _hardware_report.targets(some_results(with_cycles=True, late_us=late_us))
    assert [row[2:] for row in table.rows if row[0].startswith("host silent")] == [("2 001 µs", "**not met**")]


def test_errors_in_time_on_are_in_us_and_in_ticks_with_their_sign() -> None:
    results = some_results(with_cycles=True)
    assert results.cycles is not None
    first, *others = _hardware_report.widths(results.cycles).rows
    assert first[2:3] + first[5:] == ("-10.0", "+5.0", "0.62")
    assert [row[0].rpartition(", ")[2] for row in others] == ["valve 0", "valve 1", "laser 2", "laser 3"]


@pytest.mark.slow
def test_every_table_says_its_units_and_has_rows(results: _hardware_report.Results) -> None:
    tables = _hardware_report.tables(results)
    assert len(tables) == (4 if results.cycles is not None else 1)
    for table in tables:
        assert {len(row) for row in table.rows} == {len(table.columns)}
    (real_time,) = (table for table in tables if "real time" in table.title)
    assert sum("[µs]" in column for column in real_time.columns) == 6


def test_without_the_compilers_the_emulator_alone_is_shown_and_the_reason_said() -> None:
    results = some_results(with_cycles=False)
    (real_time,) = _hardware_report.tables(results)
    assert {row[1] for row in real_time.rows} == {BARE, EMULATOR, "earlier trial, simavr"}
    said = hardware.circumstances(TINY, results, 1.0)
    assert f"gcc-avr missing (to have it: {INSTALL})" in said
    assert "real-time scheduling: refused here" in said


def test_the_machine_and_the_versions_are_named() -> None:
    said = hardware.circumstances(TINY, some_results(with_cycles=False), 1.0)
    assert re.search(r"^- \d{4}-\d{2}-\d{2}, quick run", said)
    for word in ("cores", "Python 3.", "numpy ", "pyserial 3", "other programs used 25 %", "load average"):
        assert word in said


def test_the_page_of_the_reference_has_its_marks() -> None:
    text = hardware.PAGE.read_text(encoding="utf-8")
    assert text.count(_table.BEGIN.format(name="hardware")) == 1
    assert text.count(_table.END.format(name="hardware")) == 1


# --- pokes


def test_a_nose_comes_only_after_all_that_the_last_one_brought_is_over() -> None:
    told: list[Noted] = []
    pace = Pace(1, told.append)
    assert pace.due_ns() == NEVER_NS
    pace.begin(2, 0)
    first_ns = pace.due_ns()
    assert not pace.comes(first_ns - 1)
    assert pace.comes(first_ns)
    pace.pulse_began(first_ns + 100)
    pace.pulse_ended(first_ns + 200)
    assert pace.due_ns() == first_ns + POKE_NS
    assert pace.goes(first_ns + POKE_NS)
    second_ns = pace.due_ns()
    assert 3_000_000 <= second_ns - first_ns - POKE_NS <= 6_000_000
    assert pace.comes(second_ns)
    assert pace.goes(second_ns + POKE_NS)
    assert not told
    pace.pulse_ended(second_ns + POKE_NS + 1)
    assert told == [pace.noted]
    assert pace.noted.poked_ns == [first_ns, second_ns]
    assert pace.noted.rose_ns == [first_ns + 100]
    assert pace.due_ns() == NEVER_NS


def test_a_poke_without_a_pulse_is_given_up() -> None:
    told: list[Noted] = []
    pace = Pace(1, told.append)
    pace.begin(1, 0)
    poked_ns = pace.due_ns()
    assert pace.comes(poked_ns)
    assert pace.goes(poked_ns + POKE_NS)
    assert not pace.comes(poked_ns + PATIENCE_NS - 1)
    assert not told
    assert not pace.comes(poked_ns + PATIENCE_NS)
    assert told == [pace.noted]


def test_what_followed_a_poke_came_before_the_next_one() -> None:
    poked, times = np.array([100, 200, 300]), np.array([110, 120, 310])
    assert first_after(poked, times).tolist() == [0, -1, 2]
    assert first_after(poked, np.array([], np.int64)).tolist() == [-1, -1, -1]


def test_a_poke_that_was_lost_on_the_way_is_counted_and_not_measured() -> None:
    found = RealTime()
    heard = Heard([110, 310], [111, 311], [140, 350], [20, 30], retries=1, missed=2, garbage=13)
    noted = {"poked_ns": [100, 200, 300], "rose_ns": [120, 325], "seen_ns": [130, 330]}
    _hardware_wire.add(found, SIMAVR, "normal", heard, {name: np.array(times) for name, times in noted.items()})
    measured = {what: each.all_ns.tolist() for (_, what, _), each in found.series.items()}
    assert measured == {
        EVENT: [10, 10],
        EDGE: [9, 14],
        EDGE_WALL: [19, 19],
        REPORT: [29, 39],
        LOOP: [30, 30],
        ECHO: [20, 30],
    }
    assert (found.lost, found.retries, found.missed, found.garbage) == (1, 1, 2, 13)


def test_a_report_that_comes_with_the_next_event_still_belongs_to_its_own_command() -> None:
    found = RealTime()
    heard = Heard([110, 1010], [111, 1011], [1010, 1050], [20])
    noted = {"poked_ns": [100, 900], "rose_ns": [120, 1020], "seen_ns": [130, 1030]}
    _hardware_wire.add(found, SIMAVR, "normal", heard, {name: np.array(times) for name, times in noted.items()})
    assert found.series[SIMAVR, REPORT, "normal"].all_ns.tolist() == [899, 39]
    assert found.lost == 0


def test_a_round_without_a_single_pulse_is_no_measurement() -> None:
    noted = {"poked_ns": np.array([100]), "rose_ns": np.array([]), "seen_ns": np.array([])}
    with pytest.raises(BenchmarkFailed, match="none of 1 pokes"):
        _hardware_wire.add(RealTime(), SIMAVR, "normal", Heard(), noted)


# --- processes


def test_a_device_that_cannot_serve_says_why(tmp_path: Path) -> None:
    (tmp_path / "port").mkdir()
    with pytest.raises(BenchmarkFailed, match="emulator ended with status 1"):
        _hardware_wire.Device("emulator", tmp_path, seed=1, priority=0)


def test_scheduling_and_the_garbage_collector_are_as_before_after_a_failure() -> None:
    with contextlib.suppress(BenchmarkFailed), _hardware_wire.scheduled(0):
        assert not gc.isenabled()
        raise BenchmarkFailed("on purpose")
    assert gc.isenabled()
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def family(pid: int) -> set[int]:
    """Return the ids of all processes that a process has started, and that they have started."""
    found: set[int] = set()
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, path.read_text(encoding="ascii").split()):
            found |= {child} | family(child)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_process_behind(tmp_path: Path, signal_number: int) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing\n", encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks.hardware", "--quick", "--page", str(page)]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=-1, stderr=-1) as process:
        while process.poll() is None and not list(tmp_path.glob("duetto-bench-*/*/port")):
            time.sleep(0.01)  # until a device serves
        children = family(process.pid)
        process.send_signal(signal_number)
        _, complaint = process.communicate(timeout=30)
    assert process.returncode == hardware.EXIT_INTERRUPTED
    assert b"interrupted; nothing was written" in complaint
    assert children
    assert not [child for child in children if Path(f"/proc/{child}").exists()]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.md"]
    assert page.read_text(encoding="utf-8") == "nothing\n"

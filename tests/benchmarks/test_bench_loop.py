"""The loop's benchmark measures all it promises and writes it where it says; no test asks how fast anything is."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numba.core import config

from benchmarks import _deadlines, _kernels, _report, _table, loop
from benchmarks._round_trips import BARE, BURNING, COMPILED, HOGS, IDLE, MEASURED, PYTHON, SAME, Effort, Series
from controller import plan as plans
from controller import rigfile
from controller.commands.bench import command, run
from realtime import records
from realtime.machine import MAX_OUT
from realtime.records import EVENT, Kind, no_events

ROOT = Path(__file__).resolve().parents[2]
TINY = loop.Effort(
    Effort(rounds=2, count=15, limit_s=5.0), deadline_s=1.0, session_minutes=0.2, pokes=200, passes=2, starts=1
)
MARKED = (
    "# Title\n\nProse.\n\n<!-- begin: written by duetto bench loop; changes between these two lines are lost -->\nold\n"
)
MARKED_END = "<!-- end: written by duetto bench loop -->\n\nMore prose.\n"


def plan(trials: int) -> plans.Plan:
    return plans.make(rigfile.read(loop.RIG).rig, seed=1, day=1, minutes=1.0, trials=trials)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> _report.Results:
    if config.DISABLE_JIT:
        pytest.skip("the compiled loop is measured, and compilation is switched off")
    if shutil.which("gcc") is None and shutil.which("cc") is None:
        pytest.skip("the reference is a C program, and there is no C compiler")
    return loop.measure(TINY, tmp_path_factory.mktemp("b"), lambda _text: None)


@pytest.mark.slow
def test_every_contender_is_measured_under_every_load_with_every_policy(results: _report.Results) -> None:
    table = _report.round_trips(results)
    expected = {(name, load, p) for p in results.policies for load, names in MEASURED.items() for name in names}
    assert {row[:3] for row in table.rows} == expected
    assert len(table.rows) == len(expected)
    assert {(SAME, IDLE), (COMPILED, IDLE), (PYTHON, IDLE), (BARE, IDLE)} <= {row[:2] for row in table.rows}
    assert {(COMPILED, BURNING), (PYTHON, BURNING), (COMPILED, HOGS)} <= {row[:2] for row in table.rows}
    assert all(all(cell for cell in row) for row in table.rows)


@pytest.mark.slow
def test_a_round_trip_that_the_sender_counts_is_one_that_the_loop_answered(results: _report.Results) -> None:
    series = results.round_trips.series[COMPILED, IDLE, "normal"]
    assert [found.size for found in series.rounds] == [15, 15]
    assert series.all_ns.min() > 0


@pytest.mark.slow
def test_every_target_stands_in_the_first_table_with_its_unit_and_a_verdict(results: _report.Results) -> None:
    table = _report.targets(results)
    units = [row[1].split()[-1] for row in table.rows]
    for unit, least in (("×", 2), ("µs", 2), ("ns", 1), ("time", 1), ("MB", 1), ("s", 1)):
        assert units.count(unit) >= least
    assert {row[3] for row in table.rows} <= {"met", "**not met**"}


@pytest.mark.slow
def test_every_table_says_its_units_and_has_rows(results: _report.Results) -> None:
    tables = _report.tables(results)
    assert [t.title for t in tables] == [
        "Targets",
        "Event in, command out",
        "Deadlines",
        "Inside compiled code",
        "Processes",
    ]
    for table in tables:
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.columns)}
    assert sum("[µs]" in column for column in tables[1].columns) == 4
    assert sum("[µs]" in column for column in tables[2].columns) == 4
    assert sum("[ns]" in column for column in tables[3].columns) == 3
    assert {row[2] for row in tables[4].rows} == {"s", "MB", "×", ""}


@pytest.mark.slow
def test_the_machine_and_the_versions_are_named(results: _report.Results) -> None:
    said = loop.circumstances(TINY, results, 1.0)
    assert re.search(r"^- \d{4}-\d{2}-\d{2}, quick run", said)
    for word in ("cores", "Python 3.", "numba ", "libzmq 4.", "real-time scheduling", "other programs used", "load"):
        assert word in said


def test_what_the_machine_was_handed_leads_to_the_decisions_of_the_sequencer() -> None:
    arrivals = _kernels.arrivals(300, seed=3)
    log = _kernels.decide(plan(300), arrivals)
    given = _kernels.handed(log)
    machine, out, decided = plan(300).machine(), no_events(MAX_OUT), []
    for i in range(given.size):
        n = _kernels.step(machine, given[i : i + 1], out)
        decided += [(int(o["kind"]), int(o["t_ns"]), int(o["state"]), float(o["value"])) for o in out[:n]]
    wanted = log[np.isin(log["kind"], (Kind.COMMAND, Kind.STATE, Kind.TRIAL))]
    logged = [(int(o["kind"]), int(o["t_ns"]), int(o["state"]), float(o["value"])) for o in wanted]
    assert logged
    assert decided == logged


def test_deadlines_on_a_quiet_board_are_20_to_750_ms_apart() -> None:
    made = _deadlines.plan_of_deadlines(rigfile.read(loop.RIG).rig, 10.0, seed=1)
    iti_ms = made.arrays["trials"]["iti_ns"] / 1e6
    assert iti_ms.min() >= 20
    assert iti_ms.max() <= 750
    assert iti_ms.sum() > 10_000 - iti_ms.size * 190
    assert made.grace_ns == 0


def test_a_deadline_is_late_by_its_arrival_less_its_due_time() -> None:
    log = no_events(3)
    log["kind"] = (Kind.TIMER, Kind.STATE, Kind.TIMER)
    log["t_ns"], log["arrival_ns"] = (1_000, 1_000, 5_000), (1_250, 1_250, 5_000)
    assert _deadlines.lateness_of(log).tolist() == [250, 0]


def test_a_ratio_is_taken_round_by_round_so_a_slow_moment_counts_for_both() -> None:
    mine = Series(COMPILED, IDLE, "normal", [np.array([110, 110]), np.array([1100]), np.array([330])])
    other = Series(SAME, IDLE, "normal", [np.array([100, 100]), np.array([1000]), np.array([100])])
    assert mine.over(other) == pytest.approx(1.1)


def test_the_page_keeps_what_stands_around_its_two_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(MARKED + MARKED_END, encoding="utf-8")
    for text in ("## First\n", "## Second\n"):
        _table.update_page(page, "loop", text)
    found = page.read_text(encoding="utf-8")
    assert found.startswith("# Title\n\nProse.\n")
    assert found.endswith(MARKED_END)
    assert "## Second" in found
    assert "## First" not in found
    assert "old" not in found


@pytest.mark.parametrize("text", ["", MARKED, MARKED_END + MARKED, MARKED + MARKED + MARKED_END])
def test_a_page_without_its_marks_is_left_as_it_is_and_the_sentence_shows_them(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(_table.PageError, match="put them in"):
        _table.update_page(page, "loop", "new")
    assert page.read_text(encoding="utf-8") == text


def test_the_page_of_the_reference_has_its_marks() -> None:
    text = loop.PAGE.read_text(encoding="utf-8")
    assert text.count(_table.BEGIN.format(name="loop")) == 1
    assert text.count(_table.END.format(name="loop")) == 1


def test_the_c_programs_and_the_records_speak_of_the_same_numbers() -> None:
    text = (ROOT / "benchmarks" / "native" / "wire.h").read_text(encoding="utf-8")
    named = {name: int(value) for name, value in re.findall(r"\b([A-Z_]+) = (\d+)", text)}
    assert named["COMMAND"] == records.Kind.COMMAND
    assert named["OPERATOR"] == records.Kind.OPERATOR
    assert named["HEALTH"] == records.Kind.HEALTH
    assert named["SOURCE_OPERATOR"] == records.SOURCE_OPERATOR
    assert named["FIRST_DEVICE"] == records.FIRST_DEVICE
    assert named["VALVE_A"] == records.Line.VALVE_A
    assert named["FREE_REWARD"] == records.Operator.FREE_REWARD
    assert named["FLAG_FREE"] == records.Flag.FREE
    body = text[text.index("struct event {") : text.index("};")]
    fields = re.findall(r"\b(\w+)(?=[,;])", body)
    assert fields == list(EVENT.names or ())


def test_the_command_lists_every_benchmark_with_its_first_line() -> None:
    shown = CliRunner().invoke(command, [])
    assert shown.exit_code == 0
    manual = ast.get_docstring(ast.parse((ROOT / "benchmarks" / "loop.py").read_text(encoding="utf-8"))) or ""
    listed = dict(line.split(maxsplit=1) for line in shown.output.splitlines())
    assert listed["loop"] == manual.splitlines()[0]
    assert set(listed) == {p.stem for p in (ROOT / "benchmarks").glob("[a-z]*.py")}


def test_an_unknown_benchmark_is_refused_with_the_names_there_are() -> None:
    shown = CliRunner().invoke(command, ["nothing", "--quick"])
    assert shown.exit_code == 2
    assert "there is no benchmark 'nothing'" in shown.output
    assert "loop" in shown.output


def test_a_benchmark_gets_its_arguments_and_its_exit_status_comes_back() -> None:
    assert run("loop", ("--help",)) == 0
    assert run("loop", ("--no-such-option",)) == 2


def test_the_controller_runs_benchmarks_without_importing_them() -> None:
    code = "import sys, controller.commands.bench as b; b.found(); sys.exit('benchmarks' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

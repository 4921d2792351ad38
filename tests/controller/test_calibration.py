"""Calibrations: their points, their curves, the file they stand in, and what a session asks of them."""

import contextlib
import math
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import rigfile
from controller.calibration import Calibration, curve_of, from_text, load, path_of, residuals_of, shown_range, store
from controller.calibration.curve import fit, residuals
from controller.calibration.plot import draw
from controller.calibration.points import (
    POWER,
    VOLUME,
    CalibrationNotWritten,
    CalibrationRefused,
    DamagedCalibration,
    HeadEntry,
    HeadPoint,
    NotCalibrated,
    NotIncreasing,
    OutsideCalibration,
    ValveEntry,
    ValvePoint,
)
from controller.calibration.table import summary_of, table_of
from realtime.records import Line

DAY = datetime(2026, 11, 22, 9, 15, tzinfo=UTC)
RIG = """
[rig]
name = "bench"
kind = "virtual"

[devices.board]
driver = "reference_board"
port = "emulator"

[devices.head_a]
driver = "cobolt"
port = "emulator"
feeds = "laser_a"
{power}

[lines]
poke_a = {{ device = "board", pin = 0 }}
poke_b = {{ device = "board", pin = 1 }}
valve_a = {{ device = "board", pin = 0, max_on_ms = {max_on_ms} }}
valve_b = {{ device = "board", pin = 1, max_on_ms = {max_on_ms} }}
laser_a = {{ device = "board", pin = 2 }}

[inhibition]
fraction = 0

[reward]
{reward}
"""


def rig_with(reward: str = "", power: str = "power_mw = 10.0", max_on_ms: int = 200) -> rigfile.Rig:
    """A rig with these lines in its tables."""
    return rigfile.parse(RIG.format(reward=reward, power=power, max_on_ms=max_on_ms), "bench.toml")


def valve(line: str = "valve_a", date: datetime = DAY, factor: float = 1.0) -> ValveEntry:
    """A valve that gives 0.1 µl per ms, times ``factor``: 1, 2, 4, 8 µl by 10, 20, 40, 80 ms."""
    weighed = [(10, 0.1), (20, 0.2), (40, 0.4), (80, 0.8)]
    return ValveEntry(
        line=line,
        date=date,
        density_g_per_ml=1.0,
        points=tuple(ValvePoint(duration_ms=ms, opened_ms=ms, pulses=100, grams=g * factor) for ms, g in weighed),
    )


def head(feeds: str = "laser_a", date: datetime = DAY) -> HeadEntry:
    """A head of whose light half reaches the tip: 5, 10, 20 mW by 10, 20, 40 mW."""
    points = tuple(HeadPoint(set_mw=mw, tip_mw=mw / 2) for mw in (10.0, 20.0, 40.0))
    return HeadEntry(device="head_a", feeds=feeds, date=date, points=points)


BOTH = Calibration(valves=(valve("valve_a"), valve("valve_b", factor=1.25)))


# --- points


def test_a_volume_is_grams_over_density_over_openings():
    point = ValvePoint(duration_ms=30, opened_ms=30, pulses=50, grams=0.22)
    entry = ValveEntry(line="valve_a", date=DAY, density_g_per_ml=1.1, points=(point, point))
    assert entry.outputs == pytest.approx([4.0, 4.0])
    assert entry.weights == [50.0, 50.0]


# --- curves


def test_a_curve_runs_through_points_that_rise():
    curve = curve_of(valve())
    assert [curve.output(ms) for ms in (10, 20, 40, 80)] == [1.0, 2.0, 4.0, 8.0]
    assert curve.output(30) == pytest.approx(3.0)
    assert curve.setting(6.0) == pytest.approx(60.0)


def test_a_curve_says_nothing_beyond_its_first_and_last_point():
    curve = curve_of(valve())
    assert curve.setting(1.0) == 10.0
    assert curve.setting(8.0) == 80.0
    for beyond in (math.nextafter(1.0, 0), math.nextafter(8.0, 9)):
        with pytest.raises(OutsideCalibration):
            curve.setting(beyond)
    for beyond in (math.nextafter(10.0, 0), math.nextafter(80.0, 81)):
        with pytest.raises(OutsideCalibration):
            curve.output(beyond)


def test_rounding_leads_nowhere_beyond_the_curve():
    curve = fit([6, 16, 40], [1.43, 3.05, 3.59], [1, 1, 1], VOLUME)
    almost = math.nextafter(40.0, 0)
    assert curve.output(almost) <= 3.59, "the cubic itself gives more here than at its end"
    assert curve.setting(curve.output(almost)) == pytest.approx(40.0)


def test_the_range_is_shown_with_four_figures_that_are_within_it():
    assert shown_range(fit([1, 2], [0.874, 8.8029], [1, 1], VOLUME)) == ("0.874", "8.802")
    assert shown_range(fit([1, 2], [0.0123451, 1234.9], [1, 1], VOLUME)) == ("0.01235", "1234")
    weighed = valve(factor=0.874)
    assert weighed.outputs[0] == 0.874
    assert curve_of(weighed).setting(0.874) == 10.0


def test_points_of_one_setting_are_averaged_by_their_openings():
    curve = fit([10, 20, 20, 40], [1.0, 2.3, 1.7, 4.0], [100, 300, 100, 100], VOLUME)
    assert curve.output(20) == pytest.approx((3 * 2.3 + 1.7) / 4)


def test_two_close_settings_in_the_wrong_order_are_one_knot_between_them():
    curve = fit([10, 20, 22, 40], [1.0, 2.02, 1.98, 4.0], [100, 100, 300, 100], VOLUME)
    assert curve.settings.tolist() == [10.0, 21.5, 40.0]
    assert curve.outputs.tolist() == [1.0, pytest.approx((2.02 + 3 * 1.98) / 4), 4.0]


def test_two_settings_in_the_wrong_order_that_are_not_close_make_no_curve():
    with pytest.raises(NotIncreasing) as refusal:
        fit([10, 20, 40, 80], [1.0, 4.1, 2.0, 8.0], [100] * 4, VOLUME)
    assert str(refusal.value) == (
        "20 ms gave 4.1 µl and 40 ms gave 2 µl: the larger must clearly give more. Check for an air bubble, an empty "
        "reservoir, weights written down in the wrong order, and openings too short for this valve; then measure again."
    )


@pytest.mark.parametrize(
    ("outputs", "named"),
    [
        ([1.0, 2.0, 2.0, 8.0], "20 ms gave 2 µl and 40 ms gave 2 µl"),
        ([1.0, 2.0, 4.0, 4.1], "40 ms gave 4 µl and 80 ms gave 4.1 µl"),
        ([3.0, 3.0, 3.0, 3.0], "10 ms gave 3 µl and 20 ms gave 3 µl"),
        ([8.0, 4.0, 2.0, 1.0], "10 ms gave 8 µl and 20 ms gave 4 µl"),
    ],
)
def test_a_flat_or_falling_stretch_is_refused_and_named(outputs, named):
    with pytest.raises(NotIncreasing) as refusal:
        fit([10, 20, 40, 80], outputs, [100] * 4, VOLUME)
    assert named in str(refusal.value)


def test_one_setting_makes_no_curve():
    with pytest.raises(NotIncreasing, match="at least two different settings in mW at the head"):
        fit([5, 5], [2.0, 2.1], [1, 1], POWER)


@st.composite
def rising(draw: st.DrawFn) -> tuple[list[float], list[float]]:
    """Settings and outputs that rise, unevenly."""
    n = draw(st.integers(2, 8))
    steps = draw(st.lists(st.floats(1.15, 4.0), min_size=n, max_size=n))
    slopes = draw(st.lists(st.floats(0.2, 1.0), min_size=n, max_size=n))
    x, y = [draw(st.floats(1.0, 20.0))], [draw(st.floats(0.05, 5.0))]
    for step, slope in zip(steps, slopes, strict=True):
        x.append(x[-1] * step)
        y.append(y[-1] + slope * (x[-1] - x[-2]))
    return x, y


@given(rising(), st.lists(st.floats(0, 1), min_size=2, max_size=20))
@settings(deadline=None)
def test_a_curve_rises_everywhere_and_its_inverse_leads_back(points, places):
    x, y = points
    curve = fit(x, y, [1.0] * len(x), VOLUME)
    span = x[-1] - x[0]
    asked = sorted(min(x[0] + place * span, x[-1]) for place in places)
    outputs = [curve.output(each) for each in asked]
    assert all(later >= earlier for earlier, later in pairwise(outputs))
    for setting, output in zip(asked, outputs, strict=True):
        assert curve.setting(output) == pytest.approx(setting, abs=1e-5 * span)
        assert curve.output(curve.setting(output)) == pytest.approx(output, rel=1e-9)


@given(rising())
@settings(deadline=None)
def test_inside_and_outside_are_told_apart_right_at_the_bounds(points):
    x, y = points
    curve = fit(x, y, [1.0] * len(x), VOLUME)
    assert (curve.setting(y[0]), curve.setting(y[-1])) == (x[0], x[-1])
    assert x[0] <= curve.setting(math.nextafter(y[0], math.inf)) <= x[-1]
    assert x[0] <= curve.setting(math.nextafter(y[-1], 0)) <= x[-1]
    for beyond in (math.nextafter(y[0], 0), math.nextafter(y[-1], math.inf), math.nan):
        with pytest.raises(OutsideCalibration):
            curve.setting(beyond)
    low, high = map(float, shown_range(curve))
    assert y[0] <= low < high <= y[-1]
    assert high > 0.998 * y[-1]
    assert low < 1.002 * y[0]


@given(st.lists(st.tuples(st.integers(1, 200), st.floats(0.01, 100), st.integers(1, 500)), min_size=1, max_size=12))
@settings(deadline=None)
def test_whatever_was_measured_makes_a_rising_curve_or_is_refused(points):
    x, y, weights = map(list, zip(*points, strict=True))
    with contextlib.suppress(NotIncreasing):
        curve = fit(x, y, weights, VOLUME)
        assert np.all(np.diff(curve.settings) > 0)
        assert np.all(np.diff(curve.outputs) > 0)
        assert min(x) <= curve.settings[0] < curve.settings[-1] <= max(x)


# --- residuals


def test_points_that_rise_lie_on_their_curve_and_others_foretell_those_between():
    found = residuals_of(valve())
    assert found.off.tolist() == [0.0] * 4
    assert found.left_out_share[1:3] == pytest.approx([0.0, 0.0], abs=1e-12)
    assert np.isnan(found.left_out_share[[0, 3]]).all()


def test_repeated_settings_show_how_far_each_lies_off():
    found = residuals([10, 20, 20, 40], [1.0, 2.2, 1.8, 4.0], [1] * 4, VOLUME)
    assert found.off == pytest.approx([0.0, 0.2, -0.2, 0.0])
    assert found.off_share == pytest.approx([0.0, 0.1, -0.1, 0.0])
    assert found.remarks([10, 20, 20, 40], VOLUME) == [
        "20 ms lies 10% above the curve. Measure it again; if it stays so, measure more settings around it.",
        "20 ms lies 10% below the curve. Measure it again; if it stays so, measure more settings around it.",
    ]


def test_a_point_on_the_curve_that_the_others_do_not_foretell_is_remarked_on():
    found = residuals([10, 20, 40, 80], [1.0, 2.6, 4.0, 8.0], [1] * 4, VOLUME)
    assert found.off.tolist() == [0.0] * 4
    remarks = found.remarks([10, 20, 40, 80], VOLUME)
    assert any(remark.startswith("20 ms lies 30% above what the other points foretell.") for remark in remarks)


def test_points_merged_at_an_end_are_compared_with_the_end_of_the_curve():
    found = residuals([10, 10.5, 40], [1.1, 1.0, 4.0], [1] * 3, VOLUME)
    assert found.fitted == pytest.approx([1.05, 1.06, 4.0], rel=0.03)


# --- what a session asks


def test_a_volume_becomes_the_opening_of_that_very_valve():
    assert BOTH.valve_ms(Line.VALVE_A, 4.0) == pytest.approx(40.0)
    assert BOTH.valve_ms(Line.VALVE_B, 4.0) == pytest.approx(32.0)


def test_a_power_at_the_tip_becomes_a_power_at_the_head():
    assert Calibration(heads=(head(),)).head_mw("head_a", 7.5) == pytest.approx(15.0)


def test_a_volume_outside_is_refused_with_range_date_and_way_out():
    with pytest.raises(OutsideCalibration) as refusal:
        BOTH.valve_ms(Line.VALVE_A, 12.0)
    assert str(refusal.value) == (
        "valve_a is calibrated for 1 to 8 µl (2026-11-22); 12 is outside. Ask for a volume within it, or calibrate "
        "further: duetto calibrate RIG --line valve_a --durations ..."
    )


def test_a_power_outside_is_refused_with_range_date_and_way_out():
    with pytest.raises(OutsideCalibration) as refusal:
        Calibration(heads=(head(),)).head_mw("head_a", 4.9)
    assert str(refusal.value) == (
        "head_a is calibrated for 5 to 20 mW at the tip (2026-11-22); 4.9 is outside. Ask for a power within it, or "
        "calibrate further: duetto calibrate RIG --device head_a --set-points ..."
    )


def test_what_was_never_calibrated_is_refused():
    with pytest.raises(NotCalibrated, match=r"valve_b is not calibrated.*duetto calibrate RIG --line valve_b"):
        Calibration(valves=(valve(),)).valve_ms(Line.VALVE_B, 4.0)
    with pytest.raises(NotCalibrated, match=r"head_a is not calibrated.*duetto calibrate RIG --device head_a"):
        Calibration().head_mw("head_a", 5.0)


def test_the_newest_calibration_counts_wherever_it_stands():
    older, newer = valve(date=DAY - timedelta(days=1)), valve(factor=2.0)
    for entries in ((older, newer), (newer, older)):
        assert Calibration(valves=entries).valve_ms(Line.VALVE_A, 8.0) == pytest.approx(40.0)


def test_of_two_calibrations_of_one_moment_the_one_added_later_counts():
    assert Calibration(valves=(valve(), valve(factor=2.0))).valve_ms(Line.VALVE_A, 8.0) == pytest.approx(40.0)


def test_openings_and_powers_at_the_head_need_no_calibration():
    Calibration().check(rig_with("valve_ms = 30.0\nfree_valve_ms = 20.0"))
    assert Calibration().warnings(rig_with(), DAY) == []


def test_a_rig_whose_volumes_and_powers_are_calibrated_is_accepted():
    whole = BOTH.with_entry(head())
    whole.check(rig_with("volume_ul = 4.0\nfree_volume_ul = 1.25", power="tip_mw = 5.0"))


def test_every_problem_of_a_rig_is_told_at_once():
    rig = rig_with("volume_ul = 12.0\nfree_volume_ul = 4.0", power="tip_mw = 50.0", max_on_ms=39)
    with pytest.raises(CalibrationRefused) as refusal:
        BOTH.with_entry(head()).check(rig)
    problems = refusal.value.problems
    assert str(refusal.value) == "\n".join(problems)
    assert [problem.partition(":")[0] for problem in problems] == [
        "[reward] volume_ul",
        "[reward] volume_ul",
        "[reward] free_volume_ul",
        "[devices.head_a] tip_mw",
    ]
    assert "valve_a is calibrated for 1 to 8 µl" in problems[0]
    assert "valve_b is calibrated for 1.25 to 10 µl" in problems[1]
    assert problems[2] == (
        "[reward] free_volume_ul: valve_a must open for 40 ms for 4 µl, longer than its max_on_ms, 39. "
        "Ask for less, or raise max_on_ms."
    )


def test_volumes_without_any_calibration_are_refused_for_both_valves():
    with pytest.raises(CalibrationRefused) as refusal:
        Calibration().check(rig_with("volume_ul = 4.0"))
    assert [problem.split()[2] for problem in refusal.value.problems] == ["valve_a", "valve_b"]


def test_a_head_that_feeds_another_fibre_than_it_was_calibrated_at_is_refused():
    with pytest.raises(CalibrationRefused, match="calibrated at the fibre of laser_b and now feeds laser_a"):
        Calibration(heads=(head("laser_b"),)).check(rig_with(power="tip_mw = 5.0"))


def test_a_calibration_made_unusable_by_hand_is_refused_by_name():
    points = valve().points[:2] + tuple(
        ValvePoint(duration_ms=ms, opened_ms=ms, pulses=100, grams=0.2) for ms in (40, 80)
    )
    spoilt = ValveEntry(line="valve_a", date=DAY, density_g_per_ml=1.0, points=points)
    with pytest.raises(CalibrationRefused, match="must clearly give more"):
        Calibration(valves=(spoilt, valve("valve_b"))).check(rig_with("volume_ul = 1.5"))


# --- age


def test_age_is_counted_in_days_across_time_zones():
    entry = valve(date=datetime.fromisoformat("2026-11-22T01:00:00+02:00"))
    assert entry.age_days(datetime.fromisoformat("2026-11-23T11:00:00+00:00")) == pytest.approx(1.5)


def test_a_calibration_older_than_the_limit_is_warned_about_and_only_then():
    rig = rig_with("volume_ul = 4.0")
    assert BOTH.warnings(rig, DAY + timedelta(days=30)) == []
    warnings = BOTH.warnings(rig, DAY + timedelta(days=30, hours=1))
    assert warnings[0] == (
        "valve_a was calibrated 30 days ago (2026-11-22), longer than the rig's calibration_days, 30. "
        "Calibrate it again: duetto calibrate RIG --line valve_a"
    )
    assert [sentence.split()[0] for sentence in warnings] == ["valve_a", "valve_b"]


def test_only_what_the_rig_uses_is_warned_about():
    old = BOTH.with_entry(head())
    later = DAY + timedelta(days=99)
    assert old.warnings(rig_with("valve_ms = 30.0"), later) == []
    assert [text.split()[0] for text in old.warnings(rig_with(power="tip_mw = 5.0"), later)] == ["head_a"]


def test_a_calibration_from_the_future_is_warned_about():
    rig = rig_with(power="tip_mw = 5.0")
    calibrated = Calibration(heads=(head(),))
    assert calibrated.warnings(rig, DAY - timedelta(hours=1)) == []
    assert "which is yet to come" in calibrated.warnings(rig, DAY - timedelta(days=1))[0]


# --- the file


@pytest.fixture
def rig_path(tmp_path: Path) -> Path:
    """Where a rig file would be."""
    return tmp_path / "our_box.toml"


def test_a_rig_that_was_never_calibrated_has_an_empty_calibration(rig_path):
    assert load(rig_path) == Calibration()


def test_every_calibration_is_kept_beside_the_rig(rig_path):
    first, second, third = valve(date=DAY - timedelta(days=9)), valve(), head()
    for entry in (first, second, third):
        assert store(rig_path, entry) == rig_path.with_name("our_box.calibration.json")
    assert load(rig_path) == Calibration(valves=(first, second), heads=(third,))
    assert [path.name for path in rig_path.parent.iterdir()] == ["our_box.calibration.json"]


def test_the_file_reads_back_as_it_was_written(rig_path):
    entry = ValveEntry(
        line="valve_b",
        date=datetime.fromisoformat("2026-11-22T09:15:00+01:00"),
        by="Åsa",
        note="10 % sucrose",
        density_g_per_ml=1.04,
        points=valve().points,
    )
    store(rig_path, entry)
    text = path_of(rig_path).read_text(encoding="utf-8")
    assert from_text(text, "the log") == Calibration(valves=(entry,))
    assert '"by": "Åsa"' in text
    assert '"date": "2026-11-22T09:15:00+01:00"' in text
    assert text.endswith("}\n")


def test_a_log_keeps_only_what_counts_and_answers_alike():
    whole = Calibration(
        valves=(valve(date=DAY - timedelta(days=9), factor=3.0), *BOTH.valves),
        heads=(head(date=DAY - timedelta(days=9)), head()),
    )
    kept = from_text(whole.current().to_text(), "the log")
    assert kept == Calibration(valves=BOTH.valves, heads=(head(),))
    assert kept.valve_ms(Line.VALVE_B, 4.0) == whole.valve_ms(Line.VALVE_B, 4.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"format": 1, "valves": [', "Input data was truncated"),
        ('{"format": 2}', "Invalid enum value 2"),
        ('{"format": 1, "pumps": []}', "unknown field `pumps`"),
        (BOTH.to_text().replace('"grams": 0.1', '"grams": -0.1'), "- at `$.valves[0].points[0].grams`"),
        (BOTH.to_text().replace('"pulses": 100', '"pulses": 0'), "pulses"),
        (BOTH.to_text().replace('"valve_a"', '"valve_c"'), "- at `$.valves[0].line`"),
        (BOTH.to_text().replace("2026-11-22T09:15:00Z", "2026-11-22T09:15:00"), "timezone"),
        ("[]", "Expected `object`"),
    ],
)
def test_a_damaged_file_is_named_and_left_as_it_is(rig_path, text, says):
    path_of(rig_path).write_text(text, encoding="utf-8")
    for attempt in (lambda: load(rig_path), lambda: store(rig_path, valve())):
        with pytest.raises(DamagedCalibration) as refusal:
            attempt()
        assert str(path_of(rig_path)) in str(refusal.value)
        assert says in str(refusal.value)
        assert "Restore it from a copy, or move it away" in str(refusal.value)
    assert path_of(rig_path).read_text(encoding="utf-8") == text


def test_a_file_that_is_no_text_or_no_file_is_damaged(rig_path):
    path_of(rig_path).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DamagedCalibration):
        load(rig_path)
    path_of(rig_path).unlink()
    path_of(rig_path).mkdir()
    with pytest.raises(DamagedCalibration):
        load(rig_path)


def test_a_file_that_cannot_be_written_leaves_the_old_one_whole(rig_path):
    store(rig_path, valve())
    before = path_of(rig_path).read_bytes()
    path_of(rig_path).with_name("our_box.calibration.json.part").mkdir()
    with pytest.raises(CalibrationNotWritten, match=r"our_box\.calibration\.json cannot be written"):
        store(rig_path, head())
    assert path_of(rig_path).read_bytes() == before


def test_whoever_needs_no_curve_does_not_load_scipy():
    import subprocess

    source = (
        "import sys, pathlib; from controller import calibration\n"
        "calibration.load(pathlib.Path('no_such_rig.toml')).to_text()\n"
        "sys.exit(any(name in sys.modules for name in ('scipy', 'matplotlib')))"
    )
    assert subprocess.run([sys.executable, "-c", source], check=False).returncode == 0


# --- what a person sees


def test_the_table_has_a_row_per_point_and_the_summary_the_range():
    assert table_of(valve()).row_count == 4
    assert summary_of(valve()) == (
        "valve_a: 1 to 8 µl by 10 to 80 ms. Residuals: largest 0.000 µl (0.0%), rms 0.000 µl (0.0%)."
    )
    uneven = HeadEntry(
        device="head_a",
        feeds="laser_a",
        date=DAY,
        points=tuple(HeadPoint(set_mw=s, tip_mw=t) for s, t in ((10, 5), (20, 11), (20, 9), (40, 20))),
    )
    assert summary_of(uneven) == (
        "head_a: 5 to 20 mW at the tip by 10 to 40 mW at the head. Residuals: largest 1.000 mW at the tip (10.0%), "
        "rms 0.707 mW at the tip (7.1%)."
    )


@pytest.mark.parametrize("entry", [valve(), head()], ids=["valve", "head"])
def test_a_plot_is_drawn_the_same_each_time(tmp_path, entry):
    for name in ("one.svg", "two.svg"):
        draw(entry, tmp_path / name)
    one = (tmp_path / "one.svg").read_bytes()
    assert one.startswith(b"<?xml")
    assert b"#d55e00" in one
    assert one == (tmp_path / "two.svg").read_bytes()


def test_a_plot_that_cannot_be_written_is_said_so(tmp_path):
    with pytest.raises(CalibrationNotWritten, match="cannot be written"):
        draw(valve(), tmp_path / "no" / "such.svg")

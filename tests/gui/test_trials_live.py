"""The trials panel as a session goes on: what comes bit by bit, late, or is not there yet."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from controller.messages.view import Chance, Counts, Records, TrialRow, Trials
from gui.panels.trials import TrialsPanel
from gui.scene import Scene
from realtime.records import NS_PER_S, Kind, Outcome, no_events
from tests.controller import viewing_things
from tests.controller.viewing_things import row as trial
from tests.gui.conftest import marks, scene_of

S = NS_PER_S
STAGES_NS = [3 * S, 3 * S // 2, 3 * S // 4]


def pokes(animal: int, *times_s: float) -> Records:
    events = no_events(len(times_s))
    events["kind"], events["animal"], events["line"] = Kind.POKE_IN, animal, animal
    events["t_ns"] = np.round(np.array(times_s) * S)
    return Records(events.tobytes())


def chance(t_s: float, *, trials: int = 20, low: float = 0.25, median: float = 0.5, high: float = 0.75) -> Chance:
    return Chance(round(t_s * S), 3 * S, 57, 48.0, 41.0, 54.0, trials, low, median, high)


def counts(rows: list[TrialRow], lit: tuple[int, int] = (0, 0), window_ns: int = 3 * S) -> Counts:
    outcomes = {outcome.name: sum(row.outcome == outcome for row in rows) for outcome in Outcome}
    good, judged = outcomes["SUCCESS"], outcomes["SUCCESS"] + outcomes["MISS"]
    control = (good - lit[0], judged - lit[1])
    known: dict = {"started_ns": S, "trial": len(rows), "window_ns": window_ns, "armed": True}
    return viewing_things.counts(outcomes=outcomes, lit=lit, control=control, **known)


def scene_with(*messages: object, **changes: object) -> Scene:
    by_success: dict = {"start_ns": S, "states": [], "stages_ns": STAGES_NS, "schedule": "criterion"}
    scene = Scene()
    for message in (viewing_things.opening(**(by_success | changes)), *messages):
        scene.take(message)
    return scene


Shown = Callable[..., TrialsPanel]


@pytest.fixture
def shown(drawn) -> Shown:
    return drawn(TrialsPanel, 1100, 700)


# --- what comes bit by bit --------------------------------------------------------------------------------------------


def test_pokes_that_come_after_a_trials_row_are_drawn_in_it_whatever_their_order(shown: Shown):
    scene = scene_with(pokes(0, 11.0), Trials([trial(1)]))
    panel = shown(scene)
    assert marks(panel.raster.pokes[0]) == [(0.0, 1)]
    scene.take(pokes(0, 15.5, 17.0, 14.0, 16.0, 16.001))
    scene.take(pokes(1, 8.0, 11.5, 5.9))
    panel.refresh()
    assert marks(panel.raster.pokes[0]) == [(0.0, 1), (3.0, 1), (4.5, 1), (5.0, 1)]
    assert marks(panel.raster.pokes[1]) == [(-3.0, 1), (0.5, 1)]


def test_a_poke_is_drawn_in_every_trial_it_is_near_to(shown: Shown):
    scene = scene_with(Trials([trial(1), trial(2)]), pokes(1, 16.0))
    assert marks(shown(scene).raster.pokes[1]) == [(-5.0, 2), (5.0, 1)]


def test_a_session_that_comes_in_pieces_looks_like_one_that_comes_at_once(recorded: Path, shown: Shown):
    whole = scene_of(recorded, 300.0)
    pieces = Scene()
    assert whole.opening is not None
    pieces.take(whole.opening)
    panel = shown(pieces)
    edges = [(animal, int(t_ns)) for animal in (0, 1) for t_ns in whole.pokes_in[animal].ns]
    for end_s in range(0, 300, 7):
        span = range(whole.opening.start_ns + end_s * S, whole.opening.start_ns + (end_s + 7) * S)
        pieces.take(Trials([row for row in whole.rows if row.end_ns in span]))
        for animal, t_ns in sorted(edges, key=lambda edge: edge[1]):
            if t_ns in span:
                pieces.take(pokes(animal, t_ns / S))
        panel.refresh()
    at_once = shown(whole)
    for animal in (0, 1):
        assert len(marks(at_once.raster.pokes[animal])) > 20
        assert marks(panel.raster.pokes[animal]) == marks(at_once.raster.pokes[animal])
    assert panel.success.curves[0].yData.tolist() == at_once.success.curves[0].yData.tolist()


def test_only_the_last_100_trials_are_drawn(shown: Shown):
    offsets = {n: (n % 7) / 8 for n in range(1, 251)}
    scene = scene_with(
        pokes(0, *(10.0 * n + 1.0 + late for n, late in offsets.items())), Trials([trial(n) for n in range(1, 241)])
    )
    panel = shown(scene)
    scene.take(Trials([trial(n) for n in range(241, 251)]))
    panel.refresh()
    assert marks(panel.raster.pokes[0]) == sorted((offsets[n], n) for n in range(151, 251))
    assert panel.raster.plot.getViewBox().viewRange()[1] == pytest.approx([150.5, 250.5])
    assert panel.raster.head.text() == "Pokes of the last 100 trials"
    assert panel.raster.foot.text().startswith("newest on top · ")
    assert all(f"{mark}\N{NO-BREAK SPACE}" in panel.raster.foot.text() for mark in "□✓✗○–"), "no mark ends a line"


def test_an_omission_is_drawn_around_its_opening_and_says_so(shown: Shown):
    scene = scene_with(pokes(1, 22.0), Trials([trial(1), trial(2, Outcome.OMISSION)]))
    raster = shown(scene).raster
    assert marks(raster.pokes[1]) == [(2.0, 2)]
    assert marks(raster.openings) == [(0.0, 2)]
    assert raster.spans.opts["y"].tolist() == [1]
    assert "nobody poked: 0 s is the trial's opening" in raster.foot.text()


def test_sham_and_dark_trials_have_a_column_each_and_no_stripe(shown: Shown):
    lights = ("none", "lit", "sham", "dark")
    raster = shown(scene_with(Trials([trial(n, light=light) for n, light in enumerate(lights, 1)]))).raster
    assert [[y for _, y in marks(raster.lights[light])] for light in lights[1:]] == [[2], [3], [4]]
    assert len({x for light in lights[1:] for x, _ in marks(raster.lights[light])}) == 3
    assert raster.stripes.opts["y"].tolist() == [2]


# --- success and chance -----------------------------------------------------------------------------------------------


def test_omissions_and_aborted_trials_are_no_part_of_rolling_success(shown: Shown):
    outcomes = [Outcome.OMISSION, Outcome.SUCCESS, Outcome.ABORTED, Outcome.MISS] * 11
    panel = shown(scene_with(Trials([trial(n, outcome) for n, outcome in enumerate(outcomes, 1)])))
    assert panel.success.curves[0].xData.tolist() == [40, 42, 44]
    assert panel.success.curves[0].yData.tolist() == [50.0, 50.0, 50.0]


def test_the_band_is_drawn_as_it_was_known_when_each_trial_had_ended(shown: Shown):
    scene = scene_with(Trials([trial(n) for n in range(1, 41)]))
    scene.take(chance(255.0))  # trial 25 ended at 254 s
    scene.take(chance(305.0, low=0.3, median=0.55, high=0.8))
    success = shown(scene).success
    assert success.low.xData.tolist() == [20, 30, 30, 40]
    assert success.low.yData.tolist() == pytest.approx([25, 25, 30, 30])
    assert success.median.yData.tolist() == pytest.approx([50, 50, 55, 55])
    assert success.high.yData.tolist() == pytest.approx([75, 75, 80, 80])
    assert " %" not in success.foot.text(), "no line begins with a per cent sign"
    assert success.foot.text().replace("\N{NO-BREAK SPACE}", " ") == (
        "57 coincidences within 3 s; shifted: 48 (41–54). Judged are successes and misses; omissions do not count. "
        "Band now 30–80 %, median 55 %; chance: A's pokes against B's, shifted round the session; 95 % of such points "
        "lie in the band. Shared water alone can lift the curve above it."
    )


def test_a_level_of_chance_without_a_band_is_not_yet_one(shown: Shown):
    scene = scene_with(Trials([trial(n) for n in range(1, 31)]), chance(250.0, trials=0))
    success = shown(scene).success
    assert success.low.xData is None or success.low.xData.size == 0
    assert "chance: not yet" in success.foot.text()


def test_a_band_takes_a_step_only_where_it_changes(shown: Shown):
    rows = [trial(n) for n in range(1, 1001)]
    scene = scene_with(Trials(rows), *(chance(10.0 * n + 5.0, high=0.7 + 0.05 * (n > 500)) for n in range(20, 1001)))
    panel = shown(scene)
    assert len(panel.success.level.steps) == 2
    assert panel.success.high.xData.tolist() == [20, 501, 501, 1000]


def test_the_curve_of_a_long_session_is_thinned_and_keeps_its_peaks(shown: Shown):
    outcomes = np.random.default_rng(7).choice([Outcome.SUCCESS, Outcome.MISS], 5000)
    scene = scene_with(Trials([trial(n, Outcome(int(outcome))) for n, outcome in enumerate(outcomes, 1)]))
    curve = shown(scene).success.curves[0]
    whole = {n: 100 * float(np.mean(outcomes[n - 20 : n] == Outcome.SUCCESS)) for n in range(20, 5001)}
    assert 500 < curve.xData.size <= 1000
    assert curve.yData.tolist() == pytest.approx([whole[n] for n in curve.xData.tolist()])
    assert (curve.xData[0], curve.xData[-1]) == (20, 5000)
    assert (np.diff(curve.xData) > 0).all()
    assert (min(curve.yData), max(curve.yData)) == pytest.approx((min(whole.values()), max(whole.values())))


# --- window, intervals, light -----------------------------------------------------------------------------------------


def test_a_window_that_narrows_is_a_step_and_its_shade_follows(shown: Shown):
    rows = [trial(n, window_ns=STAGES_NS[(n - 1) // 10]) for n in range(1, 31)]
    panel = shown(scene_with(Trials(rows), counts(rows, window_ns=STAGES_NS[2])))
    assert panel.window_plot.curve.xData.tolist() == [0.5, 10.5, 10.5, 20.5, 20.5, 30.5]
    assert panel.window_plot.curve.yData.tolist() == [3.0, 3.0, 1.5, 1.5, 0.75, 0.75]
    assert panel.window_plot.head.text() == "Window 0.75 s, stage 3 of 3 (by success)"
    assert panel.raster.spans.opts["width"].tolist() == [3.0] * 10 + [1.5] * 10 + [0.75] * 10


def test_an_interval_as_long_as_the_window_counts_in_the_last_bin_and_one_of_0_in_the_first(shown: Shown):
    rows = [trial(1, lag_ns=0), trial(2, lag_ns=3 * S), trial(3, lag_ns=3 * S), trial(4, Outcome.MISS)]
    intervals = shown(scene_with(Trials(rows), counts(rows))).intervals
    assert intervals.session.yData[[0, 19]] == pytest.approx([100 / 3, 200 / 3])
    assert intervals.foot.text().startswith("1 of 4 judged trials without the partner's poke")


def test_trials_without_a_partners_poke_have_no_interval_yet(shown: Shown):
    rows = [trial(1, Outcome.MISS), trial(2, Outcome.MISS)]
    intervals = shown(scene_with(Trials(rows), counts(rows))).intervals
    assert intervals.blank.text() == "not yet: 2 of 2 judged trials without the partner's poke"


def test_no_light_is_planned_where_its_share_is_0(shown: Shown):
    rows = [trial(1), trial(2, Outcome.MISS)]
    outcomes = shown(scene_with(Trials(rows), counts(rows), lit_share=0.0)).outcomes
    assert outcomes.light_text.text() == "no light planned"
    assert not outcomes.light_bars["inhibited"].isVisible()
    assert not outcomes.difference_text.isVisible()


def test_light_that_no_judged_trial_had_is_not_yet_compared(shown: Shown):
    rows = [trial(1), trial(2, Outcome.MISS)]
    outcomes = shown(scene_with(Trials(rows), counts(rows))).outcomes
    assert (
        outcomes.light_text.text()
        == "inhibited: not yet, control 1 of 2 (50\N{NO-BREAK SPACE}%, 9–91\N{NO-BREAK SPACE}%)"
    )
    assert outcomes.difference_text.text() == "difference: not yet"
    assert outcomes.light_bars["inhibited"].share is None

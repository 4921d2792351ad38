"""The trials panel, against what the log says: everything expected here is read from the log, event by event."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from controller import plan as plans
from controller.log import LOG_NAME, LogReader, read_events
from gui.panels.trials import TrialsPanel
from gui.scene import Scene
from realtime.records import NS_PER_S, Kind, Outcome
from tests.gui.conftest import marks, scene_of

RAW = {"A": 0, "B": 1}


class Told:
    """What the log says of the session up to a moment, found by walking through its events once."""

    def __init__(self, folder: Path, at_s: float) -> None:
        with LogReader(folder / LOG_NAME) as log:
            start_ns = int(log.metadata["clock"]["start_ns"])
            plan = plans.from_text(log.metadata["plan"]["json"])
        chosen = plan.arrays["trials"][0]
        self.trials: list[dict] = []
        self.pokes: list[list[int]] = [[], []]
        one: dict = {}
        for event in read_events(folder / LOG_NAME):
            if event["arrival_ns"] > start_ns + round(at_s * NS_PER_S):
                continue
            kind, t_ns = int(event["kind"]), int(event["t_ns"])
            if kind == Kind.POKE_IN:
                self.pokes[event["animal"]].append(t_ns)
                if "zero" in one and event["animal"] != one["first"] and "lag" not in one:
                    one["lag"] = t_ns - one["zero"]
            elif kind == Kind.LASER_ON and one:
                one["lit"] = True
            elif kind == Kind.LASER_ON and self.trials and t_ns - self.trials[-1]["end"] < 50_000_000:
                self.trials[-1]["lit"] = True
            elif kind == Kind.STATE:
                name = plan.state_names[event["state"]]
                if name == "READY":
                    one = {"zero_if_none": t_ns}
                elif name in ("A_FIRST", "B_FIRST"):
                    one |= {"zero": t_ns, "first": RAW[name[0]]}
            elif kind == Kind.TRIAL:
                planned = chosen[int(event["trial"]) - 1]
                one |= {"outcome": Outcome(int(event["value"])), "trial": int(event["trial"]), "end": t_ns}
                one |= {"chosen": bool(planned["light_from"]), "sham": bool(planned["sham"])}
                self.trials.append(one)
                one = {}

    def zero(self, trial: dict) -> int:
        return trial.get("zero", trial["zero_if_none"])

    @property
    def judged(self) -> list[dict]:
        return [trial for trial in self.trials if trial["outcome"] in (Outcome.SUCCESS, Outcome.MISS)]


@pytest.fixture(scope="module")
def at_s(recorded: Path) -> float:
    """A moment at which no trial has just ended, so that every row is there."""
    with LogReader(recorded / LOG_NAME) as log:
        start_ns = int(log.metadata["clock"]["start_ns"])
    ends_s = [(trial["end"] - start_ns) / NS_PER_S for trial in Told(recorded, 480.0).trials]
    return ends_s[-1] + 2.4  # the next trial has opened by then


@pytest.fixture(scope="module")
def told(recorded: Path, at_s: float) -> Told:
    return Told(recorded, at_s)


@pytest.fixture
def scene(recorded: Path, at_s: float) -> Scene:
    return scene_of(recorded, at_s)


Shown = Callable[[Scene], TrialsPanel]


@pytest.fixture
def shown(drawn) -> Shown:
    return drawn(TrialsPanel, 1100, 700)


def heights(item) -> list[int]:
    return sorted(item.getData()[1].tolist())


# --- the raster -------------------------------------------------------------------------------------------------------


def test_the_raster_has_every_poke_within_5_s_of_a_trials_first_poke(scene: Scene, shown: Shown, told: Told):
    raster = shown(scene).raster
    assert 40 <= len(told.trials) <= 100
    for animal in (0, 1):
        expected = [
            (round((poke - told.zero(trial)) / NS_PER_S, 6), trial["trial"])
            for trial in told.trials
            for poke in told.pokes[animal]
            if abs(poke - told.zero(trial)) <= 5 * NS_PER_S
        ]
        assert len(expected) > 40
        assert marks(raster.pokes[animal]) == sorted(expected)
    assert [item.opts["symbol"] for item in raster.pokes] == ["t1", "t"]


def test_each_row_ends_in_the_mark_of_its_outcome(scene: Scene, shown: Shown, told: Told):
    raster = shown(scene).raster
    for outcome, item in raster.outcomes.items():
        assert heights(item) == [trial["trial"] for trial in told.trials if trial["outcome"] == outcome]
    columns = {x for item in raster.outcomes.values() for x in item.getData()[0]}
    assert len(columns) == len({trial["outcome"] for trial in told.trials})


def test_a_trial_is_marked_as_lit_where_a_laser_reported_it_and_dark_where_none_came(
    scene: Scene, shown: Shown, told: Told
):
    raster = shown(scene).raster
    lit = [trial["trial"] for trial in told.trials if trial["chosen"] and trial.get("lit")]
    dark = [trial["trial"] for trial in told.trials if trial["chosen"] and not trial.get("lit")]
    assert lit
    assert dark
    assert heights(raster.lights["lit"]) == lit
    assert heights(raster.lights["dark"]) == dark
    assert heights(raster.lights["sham"]) == []
    assert raster.stripes.opts["y"].tolist() == lit


def test_the_window_is_shaded_from_the_first_poke_on(scene: Scene, shown: Shown, told: Told):
    spans = shown(scene).raster.spans.opts
    assert spans["y"].tolist() == [trial["trial"] for trial in told.trials if "zero" in trial]
    assert set(spans["width"].tolist()) == {3.0}  # day 1
    assert not spans["x0"].any()


# --- success ----------------------------------------------------------------------------------------------------------


def test_rolling_success_is_the_share_among_the_last_20_judged_trials(scene: Scene, shown: Shown, told: Told):
    success = shown(scene).success
    x, y = success.curves[0].getData()
    expected = {}
    for i in range(19, len(told.judged)):
        block = told.judged[i - 19 : i + 1]
        expected[block[-1]["trial"]] = 100 * sum(one["outcome"] == Outcome.SUCCESS for one in block) / 20
    assert x.tolist() == list(expected)
    assert y.tolist() == pytest.approx(list(expected.values()))
    newest = list(expected.values())[-1]
    assert success.head.text() == f"Success {newest:.0f} %: {newest / 5:.0f} of the last 20 judged trials"


def test_the_sessions_coincidences_are_those_of_the_log(scene: Scene, shown: Shown, told: Told):
    a, b = (sorted(pokes) for pokes in told.pokes)
    pairs = i = j = 0
    while i < len(a) and j < len(b):
        if abs(a[i] - b[j]) <= 3 * NS_PER_S:
            pairs, i, j = pairs + 1, i + 1, j + 1
        elif a[i] < b[j]:
            i += 1
        else:
            j += 1
    foot = shown(scene).success.foot.text()
    chance = scene.chance
    assert chance is not None
    assert foot.startswith(
        f"{pairs} coincidences within 3 s; shifted: {chance.median:.0f} ({chance.low:.0f}–{chance.high:.0f})."
    )
    assert "Shared water alone can lift the curve above it." in foot
    assert "omissions do not count" in foot
    assert "significant" not in foot


# --- intervals and outcomes -------------------------------------------------------------------------------------------


def test_the_median_interval_is_that_of_the_log(scene: Scene, shown: Shown, told: Told):
    intervals = shown(scene).intervals
    lags = [trial.get("lag") for trial in told.judged]
    known = [lag for lag in lags if lag is not None]
    recent = [lag for lag in lags[-50:] if lag is not None]
    assert intervals.head.text() == (
        f"Median interval {np.median(known) / NS_PER_S:.2f} s; last 50: {np.median(recent) / NS_PER_S:.2f} s"
    )
    without = f"{len(lags) - len(known)} of {len(lags)} judged trials without the partner's poke"
    assert intervals.foot.text().startswith(without)


def test_the_bins_hold_the_shares_of_the_intervals(scene: Scene, shown: Shown, told: Told):
    intervals = shown(scene).intervals
    for item, trials in ((intervals.session, told.judged), (intervals.recent, told.judged[-50:])):
        known = [trial["lag"] / NS_PER_S for trial in trials if "lag" in trial]
        edges, shares = item.getData()
        expected = [sum(low < lag <= high for lag in known) for low, high in pairwise(edges)]
        assert (edges[0], edges[-1], len(shares)) == (0.0, 3.0, 20)
        assert shares.tolist() == pytest.approx([100 * n / len(known) for n in expected])
    assert intervals.window_line.value() == 3.0


def test_the_bars_have_the_logs_counts_of_each_outcome(scene: Scene, shown: Shown, told: Told):
    outcomes = shown(scene).outcomes
    counted, ended = Counter(trial["outcome"] for trial in told.trials), len(told.trials)
    for outcome, label in outcomes.numbers.items():
        n = counted[outcome]
        assert label.text() == f"{n} ({100 * n / ended:.0f} %)"
        assert outcomes.bars[outcome].share == pytest.approx(n / ended)
    assert outcomes.head.text() == f"Outcomes of {ended} trials"


def test_inhibited_trials_are_compared_with_the_others(scene: Scene, shown: Shown, told: Told):
    outcomes = shown(scene).outcomes
    for name, wanted in (("inhibited", True), ("control", False)):
        mine = [trial for trial in told.judged if bool(trial["chosen"] and trial.get("lit")) is wanted]
        k = sum(trial["outcome"] == Outcome.SUCCESS for trial in mine)
        assert (
            f"{name} {k} of {len(mine)} ({100 * k / len(mine):.0f}\N{NO-BREAK SPACE}%, " in outcomes.light_text.text()
        )
        assert outcomes.light_bars[name].share.value == pytest.approx(k / len(mine))
    dark = sum(trial["chosen"] and not trial.get("lit") for trial in told.trials)
    assert outcomes.difference_text.text().startswith("difference ")
    assert outcomes.difference_text.text().endswith(f"; {dark} chosen but dark")


def test_the_window_is_that_of_the_log(scene: Scene, shown: Shown, told: Told):
    window = shown(scene).window_plot
    x, y = window.curve.getData()
    assert x.tolist() == [0.5, len(told.trials) + 0.5]
    assert y.tolist() == [3.0, 3.0]
    assert window.head.text() == "Window 3 s, stage 1 of 3 (by days of training)"
    assert [line.value() for line in window.stages] == [3.0, 1.5, 0.75]


# --- beginnings -------------------------------------------------------------------------------------------------------


def test_an_early_session_says_what_it_waits_for(recorded: Path, shown: Shown):
    panel = shown(scene_of(recorded, 60.0))
    early = Told(recorded, 60.0)
    assert 0 < len(early.judged) < 20
    assert panel.success.blank.text().startswith(
        f"not yet: a point needs 20 judged trials, there are {len(early.judged)}"
    )
    assert panel.success.blank.isVisible()
    assert not panel.success.plot.isVisible()
    assert panel.raster.plot.isVisible()


def test_an_empty_scene_says_that_there_is_no_session(shown: Shown):
    panel = shown(Scene())
    assert {part.blank.text() for part in panel.parts} == {"not yet: no session"}
    assert all(part.blank.isVisible() and not part.shown.isVisible() for part in panel.parts)


def test_another_moment_of_the_session_is_drawn_as_if_it_were_the_first(recorded: Path, scene: Scene, shown: Shown):
    panel = shown(scene)
    early = scene_of(recorded, 200.0)
    panel.scene = early
    panel.anew()
    assert panel.raster.blank.isVisible()
    panel.refresh()
    fresh = shown(early)
    for animal in (0, 1):
        assert marks(panel.raster.pokes[animal]) == marks(fresh.raster.pokes[animal])
    assert [part.head.text() for part in panel.parts] == [part.head.text() for part in fresh.parts]
    assert len(Told(recorded, 200.0).trials) == len(early.rows)
    assert panel.outcomes.head.text() == f"Outcomes of {len(early.rows)} trials"


def test_nothing_is_drawn_again_where_nothing_has_changed(scene: Scene, shown: Shown, qtbot):
    panel = shown(scene)
    curves = [panel.success.curves[0], panel.success.median, panel.window_plot.curve, panel.intervals.session]
    before = [curve.xData for curve in curves]
    with qtbot.assertNotEmitted(panel.raster.pokes[0].sigPlotChanged):
        panel.refresh()
    assert all(curve.xData is x for curve, x in zip(curves, before, strict=True))

"""The trials panel in tasks that judge each animal alone, and how it fits its room."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QTabWidget

from controller.log import LOG_NAME, read_events
from controller.messages.view import Trials
from gui.panels.trials import ALL, TrialsPanel
from gui.scene import Scene
from realtime.records import NS_PER_S, Kind, Outcome
from tests.controller import viewing_things
from tests.controller.viewing_things import row as trial
from tests.controller.virtual_sessions import record
from tests.gui.conftest import marks, scene_of
from tests.realtime.kernels import COMPILED_HERE

S = NS_PER_S
Shown = Callable[..., TrialsPanel]


@pytest.fixture
def shown(drawn) -> Shown:
    return drawn(TrialsPanel, 1100, 700)


# --- each animal alone ------------------------------------------------------------------------------------------------


SOON_OMITTED = {"trial_limit_s = 60.0": "trial_limit_s = 5.0"}


@pytest.fixture(scope="module")
def independent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of eight minutes in which each poke pays by itself, without light, and who dawdles omits."""
    if not COMPILED_HERE:
        pytest.skip("compilation is switched off")
    changes = {'"cooperation"  ': '"independent"  ', "fraction = 0.1667": "fraction = 0.0"} | SOON_OMITTED
    return record(tmp_path_factory.mktemp("independent"), 8.0, changes, ("m12", "m13"))


def test_each_animal_alone_has_a_curve_of_its_own_and_rows_that_say_whose_they_are(independent: Path, shown: Shown):
    panel = shown(scene_of(independent, 470.0))
    events = read_events(independent / LOG_NAME)
    ended = events[(events["kind"] == Kind.TRIAL) & (events["arrival_ns"] <= S + 470 * S)]
    rows = {0: [], 1: []}
    for place, one in enumerate(ended, 1):
        rows[int(one["line"])].append((place, int(one["trial"]), int(one["value"])))
    newest = ended.size - 100
    assert newest > 0
    for animal in (0, 1):
        last = [outcome == Outcome.SUCCESS for _, _, outcome in rows[animal]]
        shares = [100 * sum(last[i - 19 : i + 1]) / 20 for i in range(19, len(last))]
        assert 0.0 < min(shares) < max(shares)
        curve = panel.success.curves[animal]
        assert curve.yData.tolist() == pytest.approx(shares)
        assert curve.xData.tolist() == [number for _, number, _ in rows[animal][19:]]
        assert [y for _, y in marks(panel.raster.whose[animal])] == [
            place for place, _, _ in rows[animal] if place > newest
        ]
        assert f"{'AB'[animal]} m1{2 + animal}" in panel.raster.legend.text()
    a, b = (curve.opts["pen"] for curve in panel.success.curves)
    assert (a.style(), b.style()) == (Qt.PenStyle.SolidLine, Qt.PenStyle.CustomDashLine)
    assert a.widthF() > b.widthF()


def test_where_both_are_equally_good_both_curves_are_seen_and_the_line_above_says_both(shown: Shown, theme):
    rows = [trial(n, machine=machine) for n in range(1, 41) for machine in (0, 1)]
    scene = Scene()
    for message in (viewing_things.opening(start_ns=S, machines=[0, 1]), Trials(rows)):
        scene.take(message)
    panel = shown(scene, 545, 380)
    success = panel.success
    assert success.head.text() == "Success, last 20 trials: A 100 %, B 100 %"
    assert success.head.fontMetrics().horizontalAdvance(success.head.text()) <= success.head.width()
    assert success.curves[0].yData.tolist() == success.curves[1].yData.tolist() == [100.0] * 21
    image = success.plot.grab().toImage()
    colours = [image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())]
    a, b = (colours.count(QColor(theme.animals[animal]).name()) for animal in (0, 1))
    assert a > 80
    assert b > 80


def test_an_animal_with_too_few_trials_has_no_number_yet(shown: Shown):
    rows = [*(trial(n, machine=0) for n in range(1, 31)), *(trial(n, machine=1) for n in range(1, 13))]
    scene = Scene()
    for message in (viewing_things.opening(start_ns=S, machines=[0, 1]), Trials(rows)):
        scene.take(message)
    success = shown(scene).success
    assert success.head.text() == "Success, last 20 trials: A 100 %, B not yet (12 of 20 trials)"


@pytest.mark.parametrize("size", [(1100, 700), (950, 400), (700, 700), (640, 350), (400, 600), (320, 220)])
def test_each_animal_alone_has_no_place_for_a_window_or_an_interval(independent: Path, shown: Shown, size, qapp):
    scene = scene_of(independent, 470.0)
    panel = shown(scene, *size)
    offered = [tabs.tabText(i) for tabs in panel.findChildren(QTabWidget) for i in range(tabs.count())]
    assert not {"Window", "Intervals"} & set(offered)
    assert not panel.window_plot.isVisible()
    assert not panel.intervals.isVisible()
    assert panel.raster.isVisible()
    assert panel.success.isVisible() or "Success" in offered
    assert panel.outcomes.isVisible() or "Outcomes" in offered
    scene.opening = msgspec.structs.replace(scene.opening, machines=[-1])
    panel.anew()
    panel.refresh()
    qapp.processEvents()
    offered = [tabs.tabText(i) for tabs in panel.findChildren(QTabWidget) for i in range(tabs.count())]
    assert panel.window_plot.isVisible() or "Window" in offered, "a pair has one again"
    assert panel.intervals.isVisible() or "Intervals" in offered


def test_each_animal_alone_has_no_shaded_window_and_no_band(independent: Path, shown: Shown):
    panel = shown(scene_of(independent, 470.0))
    assert panel.raster.spans.opts["y"].size == 0
    assert "Each animal is judged alone" in panel.success.foot.text()
    assert panel.outcomes.light_text.text() == "no light planned"


# --- room -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "height", "seen"),
    [
        (1100, 700, ["raster", "success", "window", "intervals", "outcomes"]),
        (950, 400, ["raster", "success", "window", "outcomes"]),
        (700, 700, ["raster", "success", "window", "outcomes"]),
        (800, 500, ["raster", "success", "outcomes"]),
        (640, 350, ["raster", "success"]),
        (400, 600, ["raster", "success"]),
        (320, 220, ["raster"]),
    ],
)
def test_the_least_important_parts_go_behind_tabs_where_there_is_little_room(
    width: int, height: int, seen: list[str], scene: Scene, shown: Shown
):
    panel = shown(scene, width, height)
    assert (panel.width(), panel.height()) == (width, height)
    assert [part.name for part in panel.parts if part.isVisible()] == seen


def test_a_panel_that_grows_again_shows_everything_again(scene: Scene, shown: Shown, qapp):
    panel = shown(scene, 320, 240)
    for size in ((1100, 700), (640, 350), (1100, 700)):
        panel.resize(*size)
        qapp.processEvents()
        panel.refresh()
    assert all(part.isVisible() for part in panel.parts)
    assert all(part.shown.isVisible() for part in panel.parts)
    assert panel.arrangement.now is ALL


def test_a_part_behind_a_tab_is_drawn_when_it_comes_to_the_front(scene: Scene, shown: Shown):
    panel = shown(scene, 320, 240)
    assert panel.outcomes.numbers[Outcome.SUCCESS].text() == ""
    tabs = panel.findChild(QTabWidget)
    assert [tabs.tabText(i) for i in range(tabs.count())] == ["Pokes", "Success", "Outcomes", "Intervals", "Window"]
    tabs.setCurrentIndex(2)
    panel.refresh()
    assert scene.counts is not None
    assert panel.outcomes.head.text() == f"Outcomes of {sum(scene.counts.outcomes.values())} trials"


def test_the_panel_says_where_it_belongs():
    settings = (TrialsPanel.name, TrialsPanel.title, TrialsPanel.area, TrialsPanel.order, TrialsPanel.stretch)
    assert (*settings, TrialsPanel.rate_hz, TrialsPanel.key) == ("trials", "Trials", "middle", 10, 5, 4.0, "Ctrl+3")

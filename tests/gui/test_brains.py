"""The brains' panel: what it shows is what the log holds, and what a person chooses is what is drawn."""

import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PyQt6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from controller.log import LOG_NAME, read_events
from controller.messages import Cell, Cells, Frame, StreamReport
from controller.messages.view import Opening
from controller.neural.logged import read_neural
from gui.panel import find_panels
from gui.panels.brains import NO_BRAINS, NO_SESSION, Brains
from gui.parts.brain_marks import marks_of
from gui.parts.brain_view import BrainView
from gui.parts.cell_order import UNKNOWN, bands_of, order_of
from gui.parts.heatmap import STRIP_PX
from gui.parts.minute import SPAN_NS
from gui.parts.traces import MOST_TRACES, PAD_PX, number, round_range, thin
from gui.scene import Scene
from gui.scene.spans import MOST_SPANS, Spans
from gui.theme import LIGHT, Theme
from realtime.records import Kind, Line, Outcome, no_events
from tests.controller import viewing_things
from tests.gui.conftest import scene_of

S_NS = 1_000_000_000
TALL = (900, 1000)
"""Room for a row of pixels, at least, for each cell, and a pixel for each column."""
LOW = (500, 260)
"""Fewer rows of pixels than cells, and no traces."""


def made(qtbot: QtBot, scene: Scene, theme: Theme, size: tuple[int, int] = TALL) -> Brains:
    panel = Brains(scene, theme)
    qtbot.addWidget(panel)
    panel.resize(*size)
    panel.show()
    for _ in range(2):
        panel.refresh()
        panel.grab()
    return panel


def small_scene(n_cells: int = 6, frames: int = 40, animals: str = "AB", skip: tuple[int, ...] = ()) -> Scene:
    """A made-up session: cell ``c`` has the value ``100 c + frame`` at 10 frames/s."""
    scene = Scene()
    scene.take(opening())
    for animal in animals:
        cells = [Cell(f"{animal.lower()}{c}", ("late", "", "Early")[c % 3]) for c in range(n_cells)]
        scene.take(Cells(1, S_NS, animal, 10.0, cells))
        for i in range(frames):
            if i not in skip:
                scene.take(frame(animal, i, [100 * c + i for c in range(n_cells)]))
    scene.at(S_NS + (frames - 1) * S_NS // 10, 0, 0.0)
    return scene


def frame(animal: str, i: int, values: list[float]) -> Frame:
    t_ns = S_NS + i * S_NS // 10
    return Frame(i, t_ns, animal, i, t_ns, t_ns, np.array(values, "<f4").tobytes())


def opening(session: str = "made-up", brains: bool = True) -> Opening:
    known: dict = {"start_ns": S_NS, "states": [], "stages_ns": [], "lasers": (False, False), "lit_share": 0.0}
    return viewing_things.opening(session=session, brains=brains, rates_hz=(10.0, 10.0), **known)


@cache
def logged(session: Path) -> list[Cells | Frame]:
    return [message for message in read_neural(session / LOG_NAME) if isinstance(message, Cells | Frame)]


def logged_minute(session: Path, animal: str, now_ns: int) -> tuple[Cells, list[Frame]]:
    """The newest cell list, and the frames that a viewer would have been given, from the log alone."""
    cells, frames = None, []
    for message in logged(session):
        if isinstance(message, Cells) and message.animal == animal and message.t_ns <= now_ns:
            cells = message
        if isinstance(message, Frame) and message.animal == animal and message.arrival_ns <= now_ns:
            frames.append(message)
    assert cells is not None
    return cells, [one for one in frames if one.t_ns >= frames[-1].t_ns - 60 * S_NS]


def logged_values(frames: list[Frame]) -> NDArray[np.float64]:
    return np.array([np.frombuffer(one.values, "<f4") for one in frames], np.float64)


def deviations(values: NDArray[np.float64], rate_hz: float) -> NDArray[np.float64]:
    """Each frame's deviations from what came up to it, frames forgotten over a minute: by sums, shape as values."""
    keep = 1 - 1 / (60 * rate_hz)
    centred = values - values[0]
    weight, first, second, out = 0.0, 0.0, 0.0, np.zeros_like(values)
    for i, row in enumerate(centred):
        weight, first, second = weight * keep + 1, first * keep + row, second * keep + row**2
        mean = first / weight
        variance = second / weight - mean**2
        out[i] = (row - mean) / np.sqrt(np.maximum(variance, 1e-12))
    return out


def shades_of(z: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 + np.clip((z + 1) / 5, 0, 1) * 254


def by_type(cells: Cells) -> list[int]:
    return sorted(range(len(cells.cells)), key=lambda i: (cells.cells[i].type.lower(), i))


def curve(view: BrainView, cell: int) -> tuple[list[float], list[bool]]:
    """The values that a cell's curve is drawn through, and to which of them no line leads."""
    shown = view.shown()
    lane = shown.index(cell)
    ends = view.traces.ranges[lane]
    assert ends is not None
    top, bottom = view.traces.lane(lane, len(shown))
    path = view.traces._paths[lane]
    points = [path.elementAt(i) for i in range(path.elementCount())]
    scale = (bottom - top - 2 * PAD_PX) / (ends[1] - ends[0])
    lifted = [True] + [new.isMoveTo() or new.x == old.x for old, new in pairwise(points)]
    return [ends[0] + (bottom - PAD_PX - point.y) / scale for point in points], lifted


# --- against the log ------------------------------------------------------------------------------------------------


def test_every_column_of_both_pictures_is_a_frame_of_the_log(
    qtbot: QtBot, recorded: Path, scene: Scene, theme: Theme
) -> None:
    panel = made(qtbot, scene, theme)
    for view, animal in zip(panel.views, "AB", strict=True):
        cells, frames = logged_minute(recorded, animal, scene.now_ns)
        z = deviations(logged_values(frames), 20.0)[-1200:]
        expected = shades_of(z)[:, by_type(cells)].T
        picture = view.heat.picture
        assert picture.shape == (len(cells.cells), 1200)
        np.testing.assert_allclose(picture.astype(float), expected, atol=0.6)


def test_where_cells_share_a_row_of_pixels_the_most_active_one_is_drawn_and_types_never_mix(
    qtbot: QtBot, recorded: Path, scene: Scene, theme: Theme
) -> None:
    panel = made(qtbot, scene, theme, LOW)
    view = panel.views[0]
    cells, frames = logged_minute(recorded, "A", scene.now_ns)
    shades = shades_of(deviations(logged_values(frames), 20.0)[-1200:])
    picture = view.heat.picture
    order = by_type(cells)
    starts = view.heat._bands.tolist()
    assert len(starts) == len(picture) < len(order)
    assert abs(len(starts) - (view.heat.height() - STRIP_PX)) <= 2
    for row, (start, stop) in enumerate(zip(starts, [*starts[1:], len(order)], strict=True)):
        mine = order[start:stop]
        assert len({cells.cells[i].type for i in mine}) == 1
        np.testing.assert_allclose(picture[row], shades[:, mine].max(1), atol=0.6)


def test_types_are_named_with_their_number_of_cells(qtbot: QtBot, recorded: Path, scene: Scene, theme: Theme) -> None:
    panel = made(qtbot, scene, theme)
    for view, animal in zip(panel.views, "AB", strict=True):
        cells, _ = logged_minute(recorded, animal, scene.now_ns)
        types = [cell.type for cell in cells.cells]
        told = [(label.name, label.more) for label in view.groups.labels]
        assert told == [(name, str(types.count(name))) for name in ("GABAergic", "glutamatergic")]


def test_traces_go_through_the_logs_values(qtbot: QtBot, recorded: Path, scene: Scene, theme: Theme) -> None:
    panel = made(qtbot, scene, theme)
    for view, animal in zip(panel.views, "AB", strict=True):
        cells, frames = logged_minute(recorded, animal, scene.now_ns)
        values = logged_values(frames)[-1200:]
        assert len(view.shown()) == 5
        for cell, label in zip(view.shown(), view.names.labels, strict=True):
            drawn, lifted = curve(view, cell)
            np.testing.assert_allclose(drawn, values[:, cell], atol=1e-4 * np.ptp(values[:, cell]))
            assert sum(lifted) == 1
            assert label.name == cells.cells[cell].id
            assert label.kind == cells.cells[cell].type
            low, high = (float(end.replace("−", "-")) for end in label.more.split(" … "))
            assert low <= values[:, cell].min()
            assert high >= values[:, cell].max()


def test_the_clipped_share_is_that_of_the_logs_values(qtbot: QtBot, recorded: Path, scene: Scene, theme: Theme) -> None:
    panel = made(qtbot, scene, theme)
    told = dict(re.findall(r"([AB]) ([\d.]+) %", panel.scale.text()))
    for animal in "AB":
        _, frames = logged_minute(recorded, animal, scene.now_ns)
        z = deviations(logged_values(frames), 20.0)[-1200:]
        assert float(told[animal]) == pytest.approx(100 * ((z < -1) | (z > 4)).mean(), abs=0.06)


def test_the_words_above_say_cells_rate_and_age(qtbot: QtBot, recorded: Path, scene: Scene, theme: Theme) -> None:
    panel = made(qtbot, scene, theme)
    for view, animal in zip(panel.views, "AB", strict=True):
        cells, frames = logged_minute(recorded, animal, scene.now_ns)
        age_s = (scene.now_ns - frames[-1].t_ns) / S_NS
        assert f"{len(cells.cells)} cells · 20.0 frames/s · newest {age_s:.2f} s ago" in view.facts.text()
        assert view.trouble.text() == ""


def test_first_pokes_of_the_last_minute_are_marked_in_both_pictures(recorded: Path, scene: Scene) -> None:
    events = read_events(recorded / LOG_NAME)
    start_ns = scene.now_ns - SPAN_NS
    seen = events[(events["arrival_ns"] <= scene.now_ns) & (events["t_ns"] >= start_ns)]
    pokes = {(int(e["animal"]), int(e["t_ns"])) for e in seen[seen["kind"] == Kind.POKE_IN]}
    ended = seen[seen["kind"] == Kind.TRIAL]
    marks = [marks_of(scene, animal, start_ns, scene.now_ns) for animal in (0, 1)]
    assert set(marks[0].first_pokes) == set(marks[1].first_pokes) <= pokes
    ended = ended[ended["t_ns"] < scene.now_ns - S_NS]  # what ended just now has no row yet
    assert len(ended) > 4
    for before, trial in pairwise(ended):
        within = [t_ns for _, t_ns in marks[0].first_pokes if before["t_ns"] < t_ns <= trial["t_ns"]]
        assert len(within) == (trial["value"] in (Outcome.SUCCESS, Outcome.MISS))


def test_valve_openings_and_light_of_the_last_minute_are_marked(recorded: Path) -> None:
    events = read_events(recorded / LOG_NAME)
    lit_ns = int(events["t_ns"][(events["kind"] == Kind.LASER_ON) & (events["line"] == Line.LASER_A)][-1])
    begin_ns = int(events["t_ns"].min())
    scene = scene_of(recorded, (lit_ns - begin_ns) / S_NS + 20.0)
    seen = events[events["arrival_ns"] <= scene.now_ns]
    spans = Spans()
    spans.take(seen)
    scene.spans = spans
    start_ns = scene.now_ns - SPAN_NS
    for animal in (0, 1):
        valve, laser = Line.VALVE_A + animal, Line.LASER_A + animal
        marks = marks_of(scene, animal, start_ns, scene.now_ns)
        opened = seen[(seen["kind"] == Kind.VALVE_ON) & (seen["line"] == valve) & (seen["t_ns"] >= start_ns)]
        assert list(marks.valve_ns) == opened["t_ns"].tolist() != []
        on = seen[(seen["kind"] == Kind.LASER_ON) & (seen["line"] == laser) & (seen["t_ns"] >= start_ns)]
        off = seen[(seen["kind"] == Kind.LASER_OFF) & (seen["line"] == laser) & (seen["t_ns"] >= start_ns)]
        assert [span.on_ns for span in marks.light if span.on_ns >= start_ns] == on["t_ns"].tolist() != []
        assert [span.off_ns for span in marks.light if span.off_ns is not None] == off["t_ns"].tolist()


def test_each_picture_has_the_valve_and_the_light_of_its_own_animal() -> None:
    events = no_events(4)
    events["kind"] = (Kind.VALVE_ON, Kind.VALVE_ON, Kind.LASER_ON, Kind.LASER_ON)
    events["line"] = (Line.VALVE_A, Line.VALVE_B, Line.LASER_A, Line.LASER_B)
    events["t_ns"] = (10, 20, 30, 40)
    scene = Scene()
    spans = Spans()
    spans.take(events)
    scene.spans = spans
    a, b = (marks_of(scene, animal, 0, 100) for animal in (0, 1))
    assert (a.valve_ns, [span.on_ns for span in a.light]) == ((10,), [30])
    assert (b.valve_ns, [span.on_ns for span in b.light]) == ((20,), [40])


# --- a stream as it comes -------------------------------------------------------------------------------------------


def test_a_refresh_draws_new_frames_and_nothing_twice(qtbot: QtBot, theme: Theme) -> None:
    scene = small_scene()
    panel = made(qtbot, scene, theme)
    view = panel.views[0]
    before = view.heat.picture.copy()
    assert not view.heat.draw(view.heat._minute, view.heat._marks, tuple(view.chosen))
    scene.take(frame("A", 40, [5.0, 0, 0, 0, 0, 9000.0]))
    panel.refresh()
    np.testing.assert_array_equal(view.heat.picture[:, :-1], before[:, 1:])
    np.testing.assert_array_equal(view.heat.picture[:, -1], scene.frames["A"].picture[view.heat.order.order, -1])
    assert view.heat.picture[int(view.heat.order.rows[5]), -1] == 255


def test_a_missing_frame_is_grey_in_the_picture_and_lifts_the_pen_of_a_trace(qtbot: QtBot, theme: Theme) -> None:
    panel = made(qtbot, small_scene(skip=(20, 21)), theme)
    view = panel.views[0]
    assert np.flatnonzero((view.heat.picture[:, -40:] == 0).all(axis=0)).tolist() == [20, 21]
    cell = view.shown()[0]
    drawn, lifted = curve(view, cell)
    path, width = view.traces._paths[0], view.traces.width()
    ages_s = [60 * (1 - path.elementAt(560 + i).x / width) for i in (0, 19, 39)]
    assert ages_s == pytest.approx([3.9, 2.0, 0.0], abs=1e-3)
    joined = [place - 560 for place in np.flatnonzero(~np.array(lifted))]  # the curve has a point for each column
    assert joined == [i for i in range(1, 40) if i not in (20, 21, 22)]
    np.testing.assert_allclose([drawn[560 + i] for i in joined], [100 * cell + i for i in joined], atol=1e-3)


def test_a_frame_that_comes_late_fills_its_column(qtbot: QtBot, theme: Theme) -> None:
    scene = small_scene(skip=(35,))
    panel = made(qtbot, scene, theme)
    assert (panel.views[0].heat.picture[:, -5] == 0).all()
    scene.take(frame("A", 35, [35.0, 135, 235, 335, 435, 535]))
    panel.refresh()
    assert (panel.views[0].heat.picture[:, -5] > 0).all()
    assert "1 put in late" in _after_a_second(panel, scene)[0]


def _after_a_second(panel: Brains, scene: Scene) -> tuple[str, str]:
    scene.at(scene.now_ns + S_NS, 0, 0.0)
    panel.refresh()
    return panel.views[0].trouble.text(), panel.views[1].trouble.text()


def test_what_a_stream_has_counted_is_said_in_words_and_nothing_where_there_is_nothing(
    qtbot: QtBot, theme: Theme
) -> None:
    scene = small_scene()
    panel = made(qtbot, scene, theme)
    counters = {"frames": 40, "lost": 3, "late": 1, "nan_values": 0, "measured_mhz": 10_000, "cell_lists": 2}
    scene.take(StreamReport(9, S_NS, "A", counters))
    assert _after_a_second(panel, scene) == ("3 lost · 1 late", "")


def test_silence_is_said_at_once_and_in_the_colour_of_warnings(qtbot: QtBot, theme: Theme) -> None:
    scene = small_scene()
    panel = made(qtbot, scene, theme)
    scene.at(scene.now_ns + 3 * S_NS, 0, 0.0)
    scene.take(StreamReport(9, scene.now_ns, "B", {"frames": 40}, [], True))
    panel.refresh()
    trouble = panel.views[1].trouble
    assert trouble.text() == "silent: no frame for 3.0 s"
    assert trouble.isVisible()
    assert trouble.palette().color(trouble.foregroundRole()).name() == theme.colour("warn").name()
    assert panel.views[0].trouble.text() == ""
    assert "newest 3.0 s ago" in panel.views[1].facts.text()


def test_the_picture_moves_on_while_no_frame_comes(qtbot: QtBot, theme: Theme) -> None:
    scene = small_scene()
    panel = made(qtbot, scene, theme)
    newest = scene.frames["A"].newest_ns
    assert newest is not None
    before = panel.views[0].heat._minute.x(newest)
    scene.at(scene.now_ns + 6 * S_NS, 0, 0.0)
    panel.refresh()
    heat = panel.views[0].heat
    assert heat._minute.x(newest) == pytest.approx(before - heat.width() / 10)
    pixel = heat.grab().toImage().pixelColor(heat.width() - 4, heat.height() // 2)
    assert pixel.rgb() == heat._table[0]


def test_one_animal_may_stream_before_the_other(qtbot: QtBot, theme: Theme) -> None:
    panel = made(qtbot, small_scene(animals="A"), theme)
    assert "6 cells" in panel.views[0].facts.text()
    assert panel.views[1].facts.text() == "▼ B   no frame yet"
    assert panel.views[1].heat.picture.size == 0


def test_other_cells_are_another_picture(qtbot: QtBot, theme: Theme) -> None:
    scene = small_scene()
    panel = made(qtbot, scene, theme)
    scene.take(Cells(50, scene.now_ns, "A", 10.0, [Cell("a5", "x"), Cell("new", "x"), Cell("a1", "y")]))
    panel.refresh()
    assert "no frame yet" in panel.views[0].facts.text() or panel.views[0].heat.order.n_cells == 0
    scene.take(frame("A", 60, [1.0, 2.0, 3.0]))
    panel.refresh()
    panel.refresh()
    assert [(label.name, label.more) for label in panel.views[0].groups.labels] == [("x", "2"), ("y", "1")]
    assert sorted(panel.views[0].heat.order.ids[c] for c in panel.views[0].chosen) == ["a1", "a5"]


# --- choosing -------------------------------------------------------------------------------------------------------


def click(qtbot: QtBot, view: BrainView, row: int) -> None:
    """Click into the newest column of a row."""
    y = (view.heat.top_of(row) + view.heat.top_of(row + 1)) / 2
    at = QPoint(view.heat.width() - 3, round(y))
    qtbot.mouseClick(view.heat, Qt.MouseButton.LeftButton, pos=at)


def test_a_click_chooses_a_cell_and_a_second_one_removes_it(qtbot: QtBot, scene: Scene, theme: Theme) -> None:
    panel = made(qtbot, scene, theme)
    view = panel.views[0]
    row = 17
    cell = int(view.heat.order.order[row])
    assert cell not in view.chosen
    before = list(view.chosen)
    click(qtbot, view, row)
    assert view.chosen == [*before, cell]
    assert [label.name for label in view.names.labels if label.current] == [view.heat.order.ids[cell]]
    drawn, _ = curve(view, cell)
    np.testing.assert_allclose(drawn, scene.frames["A"].trace(cell), atol=1e-3)
    click(qtbot, view, row)
    assert view.chosen == before
    assert view.heat.order.ids[cell] not in [label.name for label in view.names.labels]


def test_where_cells_share_a_row_a_click_chooses_the_most_active_one(qtbot: QtBot, theme: Theme) -> None:
    scene = small_scene(n_cells=600)
    values = [float(100 * c + 39) for c in range(600)]
    values[301] = 1e6
    scene.take(frame("A", 40, values))
    scene.at(S_NS + 4 * S_NS, 0, 0.0)
    panel = made(qtbot, scene, theme, (440, 300))
    view = panel.views[0]
    row = int(view.heat.order.rows[301])
    band = int(np.searchsorted(view.heat._bands, row, side="right")) - 1
    y = STRIP_PX + (band + 0.5) * (view.heat.height() - STRIP_PX) / view.heat._bands.size
    cells = view.heat.cells_at(view.heat.width() - 1, y)
    assert len(cells) > 1
    assert cells[0] == 301
    qtbot.mouseClick(view.heat, Qt.MouseButton.LeftButton, pos=QPoint(view.heat.width() - 1, int(y)))
    assert view.chosen[-1] == 301


def test_a_ninth_trace_takes_the_place_of_the_first(qtbot: QtBot, scene: Scene, theme: Theme) -> None:
    panel = made(qtbot, scene, theme)
    view = panel.views[1]
    first = view.chosen[0]
    for row in (3, 7, 31, 33):
        click(qtbot, view, row)
    assert len(view.chosen) == MOST_TRACES
    assert first not in view.chosen
    assert view.chosen[-1] == int(view.heat.order.order[33])


def test_keys_move_and_remove_the_newest_trace(qtbot: QtBot, scene: Scene, theme: Theme) -> None:
    panel = made(qtbot, scene, theme)
    view = panel.views[0]
    click(qtbot, view, 40)
    qtbot.keyClick(view.heat, Qt.Key.Key_Down)
    assert view.chosen[-1] == int(view.heat.order.order[41])
    qtbot.keyClick(view.heat, Qt.Key.Key_Up)
    qtbot.keyClick(view.heat, Qt.Key.Key_Up)
    assert view.chosen[-1] == int(view.heat.order.order[39])
    assert len(view.chosen) == 6
    qtbot.keyClick(view.heat, Qt.Key.Key_Delete)
    assert len(view.chosen) == 5
    for _ in range(5):
        qtbot.keyClick(view.heat, Qt.Key.Key_Delete)
    assert view.chosen == []
    assert not view.traces.isVisible()
    qtbot.keyClick(view.heat, Qt.Key.Key_Down)
    assert view.chosen == [int(view.heat.order.order[0])]


def test_a_key_passes_over_cells_that_have_a_trace_and_stays_at_the_edge(qtbot: QtBot, theme: Theme) -> None:
    panel = made(qtbot, small_scene(), theme)
    view = panel.views[0]
    view.chosen = [int(view.heat.order.order[row]) for row in (4, 3, 2)]
    qtbot.keyClick(view.heat, Qt.Key.Key_Down)
    assert view.chosen[-1] == int(view.heat.order.order[5])
    qtbot.keyClick(view.heat, Qt.Key.Key_Down)
    assert view.chosen[-1] == int(view.heat.order.order[5])


# --- sessions -------------------------------------------------------------------------------------------------------


def test_without_brains_there_is_a_sentence(qtbot: QtBot, theme: Theme) -> None:
    scene = Scene()
    scene.take(opening(brains=False))
    panel = made(qtbot, scene, theme)
    assert panel.quiet.isVisible()
    assert panel.quiet.text() == NO_BRAINS
    assert not panel.views[0].isVisible()


def test_without_a_session_there_is_a_sentence(qtbot: QtBot, theme: Theme) -> None:
    panel = made(qtbot, Scene(), theme)
    assert panel.quiet.isVisible()
    assert panel.quiet.text() == NO_SESSION


def test_at_another_moment_the_same_cells_are_chosen_and_the_picture_is_of_that_moment(
    qtbot: QtBot, recorded: Path, scene: Scene, theme: Theme
) -> None:
    panel = made(qtbot, scene, theme)
    view = panel.views[0]
    click(qtbot, view, 17)
    chosen = list(view.chosen)
    earlier = scene_of(recorded, 200.0)
    scene.__dict__.update(earlier.__dict__)
    panel.anew()
    assert view.heat.picture.size == 0
    panel.refresh()
    assert view.chosen == chosen
    np.testing.assert_array_equal(view.heat.picture, scene.frames["A"].picture[view.heat.order.order])


def test_another_session_begins_with_its_own_choice(qtbot: QtBot, theme: Theme) -> None:
    scene = small_scene(n_cells=60)
    panel = made(qtbot, scene, theme)
    view = panel.views[0]
    first = list(view.chosen)
    click(qtbot, view, 1)
    scene.forget()
    scene.take(opening("another"))
    panel.anew()
    panel.refresh()
    assert view.facts.text() == "▲ A   no frame yet"
    assert view.names.labels == ()
    other = small_scene(n_cells=60)
    scene.cells, scene.frames = other.cells, other.frames
    panel.refresh()
    assert view.chosen == first


def test_the_panel_is_found_and_stands_side_by_side_where_it_is_wide(qtbot: QtBot, theme: Theme) -> None:
    assert Brains in find_panels()
    panel = made(qtbot, small_scene(), theme, (1300, 420))
    assert panel.views[0].y() == panel.views[1].y()
    panel.resize(700, 600)
    qtbot.waitUntil(lambda: panel.views[0].y() < panel.views[1].y())
    assert panel.views[0].x() == panel.views[1].x()


def test_it_is_drawn_in_the_light_theme_too(qtbot: QtBot, theme: Theme) -> None:
    panel = made(qtbot, small_scene(skip=(30,)), LIGHT)
    heat = panel.views[0].heat
    colour = heat.grab().toImage().pixelColor(3 * heat.width() // 4, heat.height() // 2)
    assert colour.name() == LIGHT.edge


# --- parts ----------------------------------------------------------------------------------------------------------


def test_cells_of_no_type_stand_last_and_cells_keep_their_order() -> None:
    order = order_of([Cell("p", "b"), Cell("q"), Cell("r", "A"), Cell("s", "b"), Cell("t", "A")], 5)
    assert [order.ids[i] for i in order.order] == ["r", "t", "p", "s", "q"]
    assert [(group.name, group.size) for group in order.groups] == [("A", 2), ("b", 2), (UNKNOWN, 1)]
    assert order.rows[order.order].tolist() == [0, 1, 2, 3, 4]


def test_a_list_of_another_length_names_no_cell() -> None:
    order = order_of([Cell("p", "b")], 3)
    assert order.ids == ("1", "2", "3")
    assert [group.name for group in order.groups] == [UNKNOWN]


@pytest.mark.parametrize(("sizes", "height"), [((500,), 100), ((3, 900, 1), 60), ((40, 1, 1, 1), 10), ((5, 5), 4)])
def test_bands_hold_every_row_and_keep_types_apart(sizes: tuple[int, ...], height: int) -> None:
    types = [f"t{i:02d}" for i, size in enumerate(sizes) for _ in range(size)]
    order = order_of([Cell(str(i), name) for i, name in enumerate(types)], len(types))
    bands = bands_of(order.groups, height)
    assert bands[0] == 0
    assert (np.diff(bands) > 0).all()
    assert {group.start for group in order.groups} <= set(bands.tolist())
    assert height <= bands.size <= height + len(sizes)


def test_a_range_is_round_and_holds_every_value() -> None:
    assert round_range(np.array([0.013, 0.98, np.nan], np.float32)) == pytest.approx((0.0, 1.0))
    assert round_range(np.array([np.nan], np.float32)) is None
    low, high = round_range(np.array([5.0, 5.0], np.float32)) or (0.0, 0.0)
    assert low <= 5.0 < high
    assert number(-0.25) == "−0.25"


def test_a_thinned_curve_keeps_every_extreme_and_does_not_flicker() -> None:
    values = np.random.default_rng(1).standard_normal(1800).astype(np.float32)
    values[700] = 50.0
    values[900:912] = np.nan
    places, drawn = thin(values, 5000, 300)
    assert places.size <= 2 * 302
    assert np.nanmax(drawn) == 50.0
    assert np.nanmin(drawn) == np.nanmin(values)
    assert np.isnan(drawn).any()
    _, moved = thin(np.append(values[1:], np.float32(0)), 5001, 300)
    inner = drawn[20:-20]
    assert any(np.array_equal(inner, moved[k : k + inner.size], equal_nan=True) for k in range(10, 31))


def test_spans_are_kept_for_each_line_and_end() -> None:
    events = no_events(2 * MOST_SPANS + 9)
    events["kind"] = np.where(np.arange(events.size) % 2 == 0, Kind.VALVE_ON, Kind.VALVE_OFF)
    events["line"], events["t_ns"] = Line.VALVE_B, np.arange(events.size)
    spans = Spans()
    spans.take(events)
    kept = spans.between(Line.VALVE_B, 0, 10**9)
    assert len(kept) == MOST_SPANS
    assert (kept[-1].on_ns, kept[-1].off_ns) == (events.size - 1, None)
    assert (kept[-2].on_ns, kept[-2].off_ns) == (events.size - 3, events.size - 2)
    assert spans.between(Line.VALVE_A, 0, 10**9) == []
    assert [span.on_ns for span in spans.between(Line.VALVE_B, 401, 403)] == [400, 402]

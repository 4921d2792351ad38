"""The shared panel: what it draws and says, compared with what the log says."""

from datetime import datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QPainter, QPicture
from pyqtgraph import AxisItem

from controller.log import read_events
from controller.messages import Restart, StreamReport, Subspace, Synchrony
from controller.messages.view import View, decode_view
from controller.neural.logged import read_neural
from gui.panels.shared import SharedPanel
from gui.parts.estimate_words import LEAST_TRIALS, SYNCHRONY_SHIFTS, Settings, settings_of, share_above
from gui.parts.projections import COACTIVITY, COACTIVITY_STEPS, ROW_SD
from gui.parts.sections import GAP, TABS, fitting
from gui.parts.session_course import TICKS_MIN, SessionPlot, chosen_rows, span_of
from gui.parts.variance import Bar
from gui.scene import Scene
from realtime.estimators import shared_subspace, synchrony
from realtime.records import Kind, Operator
from tests.controller.still import still
from tests.gui.conftest import scene_of

SECOND = 1_000_000_000
BEGIN_NS = SECOND
"""When a session in virtual time begins."""
AT_NS = BEGIN_NS + 480 * SECOND


@pytest.fixture(scope="module")
def logged(recorded: Path) -> list[object]:
    """What the log says of brains in the first eight minutes."""
    return [one for one in read_neural(recorded / "session.mcap") if one.t_ns <= AT_NS]


@pytest.fixture(scope="module")
def subspaces(logged) -> list[Subspace]:
    return [one for one in logged if isinstance(one, Subspace)]


@pytest.fixture(scope="module")
def eight_minutes(recorded: Path) -> tuple[int, list[View]]:
    """The moment that most tests look at [ns], and what was told until then: reading the log takes seconds."""
    now_ns, parts = still(recorded, 480.0)
    return now_ns, [decode_view(part) for part in parts]


@pytest.fixture
def scene(eight_minutes: tuple[int, list[View]]) -> Scene:
    """The recorded session eight minutes after its start."""
    now_ns, told = eight_minutes
    scene = Scene()
    for one in told:
        scene.take(one)
    scene.at(now_ns, 0, 0.0)
    return scene


@pytest.fixture(scope="module")
def started_ns(recorded: Path) -> int:
    """When the task was started: the plots over the session count from then, as the banner does."""
    events = read_events(recorded / "session.mcap")
    (start,) = events[(events["kind"] == Kind.OPERATOR) & (events["value"] == Operator.START)]
    assert start["t_ns"] > BEGIN_NS
    return int(start["t_ns"])


def written(axis: AxisItem) -> list[str]:
    """What an axis really writes: what has no room it leaves out."""
    picture = QPicture()
    painter = QPainter(picture)
    _, _, texts = axis.generateDrawSpecs(painter)
    painter.end()
    return [text for _, _, text in texts]


def opened(qtbot, scene, theme, width=800, height=500) -> SharedPanel:
    panel = SharedPanel(scene, theme)
    qtbot.addWidget(panel)
    panel.resize(width, height)
    with qtbot.waitExposed(panel):
        panel.show()
    panel.refresh()
    return panel


def time_of_day(scene: Scene, t_ns: int) -> str:
    return datetime.fromtimestamp((scene.opening.epoch_ns + t_ns - BEGIN_NS) / SECOND).strftime("%H:%M:%S")


def nearest(times_ns: np.ndarray) -> np.ndarray:
    """The moments of frames, which come every 50 ms from the session's beginning on, that these are."""
    return BEGIN_NS + np.rint((times_ns - BEGIN_NS) / (SECOND // 20)).astype(np.int64) * (SECOND // 20)


def later(scene: Scene, panel: SharedPanel, seconds: float) -> None:
    """Let time go on without anything new, and draw."""
    scene.at(scene.now_ns + round(seconds * SECOND), scene.local_ns, 0.0)
    scene.local_ns += SECOND
    panel.refresh()


# --- the numbers of now ----------------------------------------------------------------------------------------------


def test_the_words_are_the_logs_newest_numbers(qtbot, scene, theme, subspaces):
    panel, last = opened(qtbot, scene, theme), subspaces[-1]
    assert last.valid
    assert last.trial_valid
    assert panel.correlation.lagged.verdict.text() == (
        f"r {last.correlation:+.2f}; lagged: z {last.lagged_z:+.1f}, p {last.lagged_p:.3f} (least 1/41)"
    )
    assert panel.correlation.trial.verdict.text() == (
        f"r {last.trial_correlation:+.2f}; trial-shift: z {last.trial_z:+.1f}, p {last.trial_p:.3f} (least 1/21)"
    )
    assert panel.state.text() == (
        f"all cells: {last.n_cells[0]} of A, {last.n_cells[1]} of B; {last.n_independent:.0f} independent samples"
    )


def test_each_null_is_named_by_what_it_guards_against(qtbot, scene, theme):
    panel = opened(qtbot, scene, theme)
    assert panel.correlation.lagged.guards.text() == (
        "guards against slowness (autocorrelation); a common input that both animals see fools it"
    )
    assert panel.correlation.trial.guards.text() == "guards against input that is locked to the trial"
    assert "p ≤ 0.05 at some moment in a third" in panel.correlation.now_and_then.text()
    assert panel.correlation.now_and_then.isVisible()


def test_the_share_of_the_last_five_minutes_is_the_logs(qtbot, scene, theme, subspaces):
    panel = opened(qtbot, scene, theme)
    recent = [one for one in subspaces if one.t_ns >= AT_NS - 300 * SECOND]
    told = {
        "lagged": [one.lagged_z > 2 for one in recent if one.valid],
        "trial-shift": [one.trial_z > 2 for one in recent if one.trial_valid],
    }
    says = panel.correlation.share.text()
    assert " %" not in says, "no line begins with a per cent sign"
    says = says.replace("\N{NO-BREAK SPACE}", " ")
    assert says.startswith("z > 2 in the last 5 min: ")
    shares = dict(part.rsplit(" ", 2)[:2] for part in says.split(": ", 1)[1].split(", "))
    for name, above in told.items():
        assert float(shares[name]) == pytest.approx(100 * np.mean(above), abs=2.0)


def test_nothing_lights_up_when_p_is_small(qtbot, scene, theme, subspaces):
    panel = opened(qtbot, scene, theme)
    verdict = panel.correlation.lagged.verdict
    dressed = []
    for p, z in ((0.9, -1.0), (1 / 41, 9.0)):
        scene.take(msgspec.structs.replace(subspaces[-1], lagged_p=p, lagged_z=z))
        later(scene, panel, 0.0)
        assert f"p {p:.3f}" in verdict.text()
        pens = [curve.opts["pen"].color().name() for curve in (panel.correlation.lagged.plot.now,)]
        dressed.append((verdict.styleSheet(), verdict.font().bold(), *pens))
    assert dressed[0] == dressed[1]


def test_the_variances_are_the_logs_beside_their_nulls(qtbot, scene, theme, subspaces):
    panel, last = opened(qtbot, scene, theme), subspaces[-1]
    bars = {bar.name: (bar.value, bar.null) for bar in panel.variance.bars.bars}
    assert bars == {
        "shared A": (last.shared[0], last.shared_null[0]),
        "shared B": (last.shared[1], last.shared_null[1]),
        "unique A": (last.unique[0], last.unique_null[0]),
        "unique B": (last.unique[1], last.unique_null[1]),
    }
    value, null = 100 * last.shared[0], 100 * last.shared_null[0]
    assert panel.variance.bars.bars[0].says == f"{value:.0f} %, null {null:.0f} %: {signed(value - null)} points"
    assert "only the difference to the null says anything" in panel.variance.says.text()


def signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")


def test_a_variance_and_its_null_differ_by_percentage_points():
    told = {(0.43, 0.364): "43 %, null 36 %: +6.6 points", (0.2, 0.4): "20 %, null 40 %: −20.0 points"}
    assert [Bar(0, "shared A", *shares).says for shares in told] == list(told.values())
    assert Bar(0, "shared A", 0.4001, 0.4).says == "40 %, null 40 %: 0.0 points"


def test_a_variance_that_is_not_known_is_no_number(qtbot, scene, theme, subspaces):
    panel = opened(qtbot, scene, theme)
    scene.take(msgspec.structs.replace(subspaces[-1], shared=(None, 0.5), shared_null=(0.4, None)))
    later(scene, panel, 0.0)
    assert [bar.says for bar in panel.variance.bars.bars[:2]] == ["not yet", "50 %, null not yet"]


# --- curves ----------------------------------------------------------------------------------------------------------


def test_the_correlation_and_both_bands_are_the_logs(qtbot, scene, theme, subspaces, started_ns):
    panel = opened(qtbot, scene, theme)
    for null, of in (
        (panel.correlation.lagged, lambda one: (one.valid, one.correlation, one.lagged_mean, one.lagged_z)),
        (panel.correlation.trial, lambda one: (one.trial_valid, one.trial_correlation, one.trial_mean, one.trial_z)),
    ):
        logged = {one.t_ns: of(one)[1:] for one in subspaces if of(one)[0]}
        x, y = null.plot.now.getData()
        times = nearest(started_ns + x * 60 * SECOND)
        told = np.array([logged[int(t_ns)] for t_ns in times])
        assert np.array_equal(y, told[:, 0])
        sd = (told[:, 0] - told[:, 1]) / told[:, 2]
        assert (sd > 0).all()
        assert np.allclose(null.plot.band.high, told[:, 1] + 2 * sd)
        assert np.allclose(null.plot.band.low, told[:, 1] - 2 * sd)
        assert times[-1] == max(logged)
        assert times[0] - min(logged) <= SECOND, "the whole valid time is drawn"
        assert 100 < times.size <= 600
        assert null.plot.past.getData()[0] is None or not null.plot.past.getData()[0].size


def test_both_correlations_have_the_same_axes(qtbot, scene, theme):
    panel = opened(qtbot, scene, theme)
    ranges = [null.plot.getViewBox().viewRange() for null in (panel.correlation.lagged, panel.correlation.trial)]
    assert ranges[0] == ranges[1]
    assert ranges[0][0] == [0.0, 10.0]


@pytest.mark.parametrize(("width", "height"), [(1000, 700), (490, 382), (320, 260)])
def test_every_axis_names_its_unit(qtbot, scene, theme, width, height):
    panel = opened(qtbot, scene, theme, width, height)
    plots = [panel.correlation.lagged.plot, panel.correlation.trial.plot, panel.synchrony.plot, panel.projections.plot]
    texts = [written(plot.getAxis("bottom")) for plot in plots if plot.isVisible()]
    over_the_session, over_a_minute = ["0 min", "5", "10"], ["−60 s", "−40", "−20", "now"]
    assert texts
    assert all(text in (over_the_session, over_a_minute) for text in texts)
    if width == 1000:
        assert texts == [over_the_session] * 3 + [over_a_minute]


def test_every_row_of_the_projections_is_named_whatever_coactivitys_scale(qtbot, scene, theme):
    panel = opened(qtbot, scene, theme, 1000, 700)
    for step in COACTIVITY_STEPS:
        panel.projections._step = step
        panel.projections._axis([0, 1, 2], True)
        axis = panel.projections.plot.getAxis("left")
        assert written(axis) == ["dim. 1", "dim. 2", "dim. 3", f"co. ±{step:g}"]


def test_minutes_are_whole_and_end_where_the_axis_ends(qtbot, theme):
    plot = SessionPlot(theme, (1.0,))
    qtbot.addWidget(plot)
    for span, step in TICKS_MIN.items():
        assert span_of(span - 0.5) == span
        plot.make_room(span, np.zeros(1))
        (ticks,) = plot.getAxis("bottom")._tickLevels
        assert [at for at, _ in ticks] == list(range(0, span + 1, step))
        assert 3 <= len(ticks) <= 4
        assert [text for _, text in ticks] == ["0 min", *(str(at) for at in range(step, span + 1, step))]


def test_what_was_before_the_tasks_start_stands_left_of_0(qtbot, theme):
    plot = SessionPlot(theme, (1.0,))
    qtbot.addWidget(plot)
    plot.make_room(9.0, np.zeros(1), first=0.4)
    assert plot.getViewBox().viewRange()[0] == [0.0, 10.0]
    plot.make_room(9.0, np.zeros(1), first=-2.4)
    assert plot.getViewBox().viewRange()[0] == [-3.0, 10.0]
    plot.anew()
    assert plot.getViewBox().viewRange()[0] == [0.0, 2.0]


def test_the_synchrony_is_the_logs_and_claims_no_direction(qtbot, scene, theme, logged, started_ns):
    panel = opened(qtbot, scene, theme)
    told = {one.t_ns: one for one in logged if isinstance(one, Synchrony)}
    last = told[max(told)]
    x, y = panel.synchrony.now.getData()
    times = nearest(started_ns + x * 60 * SECOND)
    assert np.array_equal(y, [told[int(t_ns)].excess for t_ns in times])
    assert all(told[int(t_ns)].valid for t_ns in times)
    assert times[-1] == last.t_ns
    assert panel.synchrony.verdict.text() == (
        f"{last.excess:+.3f} over its null; shifted: z {last.lagged_z:+.1f}, p {last.lagged_p:.3f} (least 1/21)"
    )
    assert "no direction is claimed" in panel.synchrony.says.text()
    low, high = panel.synchrony.plot.getViewBox().viewRange()[1]
    assert low < 0 < high, "the zero line is seen"


def test_the_projections_are_the_logs_each_in_its_own_deviations(qtbot, scene, theme, subspaces):
    panel = opened(qtbot, scene, theme)
    recent = [one for one in subspaces if one.t_ns >= AT_NS - 60 * SECOND]
    for dimension in range(3):
        row = panel.projections.rows[dimension]
        for curve, name in ((row.a, "a"), (row.b, "b")):
            logged = np.array([getattr(one, name)[dimension] for one in recent])
            x, y = curve.getData()
            assert np.allclose(x, [(one.t_ns - AT_NS) / SECOND for one in recent])
            assert np.allclose((y + dimension) * ROW_SD, (logged - logged.mean()) / logged.std())
            assert curve.isVisible()
    assert "held out: from data at least 5 s older" in panel.projections.heading.text()
    assert "Each scaled by its own deviation over the 60 s shown" in panel.projections.heading.text()


def test_a_is_solid_and_b_is_dashed(qtbot, scene, theme):
    panel = opened(qtbot, scene, theme)
    row = panel.projections.rows[0]
    assert isinstance(row.a.opts["connect"], str)
    share = row.b.opts["connect"].mean()
    assert 0.5 < share < 0.75
    colours = [curve.opts["pen"].color().name() for curve in (row.a, row.b)]
    assert colours == [colour.lower() for colour in theme.animals]


def test_a_person_chooses_dimensions(qtbot, scene, theme, subspaces):
    panel = opened(qtbot, scene, theme)
    buttons = panel.projections.choice.buttons
    assert list(buttons) == ["1", "2", "3", "4", "5", COACTIVITY]
    qtbot.mouseClick(buttons["1"], Qt.MouseButton.LeftButton)
    qtbot.mouseClick(buttons["5"], Qt.MouseButton.LeftButton)
    assert [row.a.isVisible() for row in panel.projections.rows] == [False, True, True, False, True]
    logged = np.array([one.b[4] for one in subspaces if one.t_ns >= AT_NS - 60 * SECOND])
    _, y = panel.projections.rows[4].b.getData()
    assert np.allclose((y + 2) * ROW_SD, (logged - logged.mean()) / logged.std()), "the third row is dimension 5's"
    for name in ("2", "3", "5", COACTIVITY):
        qtbot.mouseClick(buttons[name], Qt.MouseButton.LeftButton)
    assert panel.projections.choice.chosen == [COACTIVITY], "one at least stays"


def test_coactivity_and_crossings_are_the_logs(qtbot, scene, theme, logged, subspaces, started_ns):
    panel = opened(qtbot, scene, theme)
    crossings = [one for one in logged if type(one).__name__ == "Crossing"]
    assert len(crossings) > 4
    x, y = panel.projections.crossings.getData()
    recent = [one for one in crossings if one.t_ns >= AT_NS - 60 * SECOND]
    assert np.allclose(x[::2], [(one.t_ns - AT_NS) / SECOND for one in recent])
    assert [bool(at > -3) for at in y[::2]] == [one.above for one in recent], "up where it rose, down where it fell"
    _, drawn = panel.projections.coactivity.getData()
    told = np.array([one.coactivity for one in subspaces if one.t_ns >= AT_NS - 60 * SECOND])
    step = (drawn[0] + 3) / told[0]
    assert np.allclose(drawn + 3, told * step)
    assert panel.projections.threshold.value() + 3 == pytest.approx(1.0 * step), "two_brains.toml triggers at 1"
    minutes, _ = panel.correlation.lagged.plot.marks.getData()
    assert np.allclose(minutes[::2] * 60 * SECOND + started_ns, [one.t_ns for one in crossings if one.above])
    last = crossings[-1]
    assert panel.trigger.text() == (
        f"trigger: coactivity ≥ 1; crossed {last.number} times, the last at {time_of_day(scene, last.t_ns)} "
        f"({'rose' if last.above else 'fell'})"
    )


# --- not yet, not any more -------------------------------------------------------------------------------------------


def test_early_there_are_no_numbers(qtbot, recorded, theme):
    panel = opened(qtbot, scene_of(recorded, 20.0), theme)
    last = [one for one in read_neural(recorded / "session.mcap") if one.t_ns <= BEGIN_NS + 20 * SECOND]
    last = [one for one in last if isinstance(one, Subspace)][-1]
    missing = f"not yet: {last.n_independent:.0f} of 20 independent samples"
    assert panel.state.text() == missing
    assert panel.correlation.lagged.nothing.text() == missing
    assert panel.correlation.trial.nothing.text() == f"not yet, {last.trials} of 10 earlier trials"
    assert panel.variance.nothing.text() == missing
    assert panel.synchrony.nothing.text() == "not yet: 0 of 20 independent samples"
    for part in (panel.correlation.lagged, panel.correlation.trial, panel.synchrony):
        assert part.nothing.isVisible()
        assert not part.plot.isVisible()
        assert not any(sign in part.verdict.text() for sign in ("z ", "p ", "nan"))
    assert panel.correlation.share.text() == "z > 2 lately: not yet"
    assert panel.projections.plot.isVisible()


def test_without_brains_one_sentence_stands_there(qtbot, without_brains, theme):
    panel = opened(qtbot, scene_of(without_brains, 50.0), theme)
    assert panel.nothing.isVisible()
    assert panel.nothing.text() == "This rig records no brains, so there is nothing that they could share."
    assert not panel.sections.isVisible()


def test_an_empty_scene_has_one_sentence(qtbot, theme):
    panel = opened(qtbot, Scene(), theme, 320, 240)
    assert panel.nothing.isVisible()
    assert panel.nothing.text() == "not yet: no session is shown"


def test_a_silent_stream_leaves_the_old_in_grey(qtbot, scene, theme, subspaces):
    panel = opened(qtbot, scene, theme)
    seen = panel.correlation.lagged.plot.now.getData()[1].copy()
    scene.take(StreamReport(10**9, AT_NS + 4 * SECOND, "B", {}, [], True))
    later(scene, panel, 5.0)
    when = time_of_day(scene, subspaces[-1].t_ns)
    assert panel.state.text() == f"no new estimate since {when}: the stream of B is silent"
    assert panel.correlation.lagged.verdict.text() == f"lagged: {panel.state.text()}"
    assert not panel.correlation.lagged.plot.now.getData()[1].size
    assert np.array_equal(panel.correlation.lagged.plot.past.getData()[1], seen)
    assert not panel.variance.bars.isVisible()
    assert panel.variance.nothing.text() == panel.state.text()
    assert panel.synchrony.verdict.text().startswith("synchrony: no new estimate since ")


def test_a_restart_is_told_and_what_was_before_is_grey(qtbot, scene, theme, subspaces):
    panel, last = opened(qtbot, scene, theme), subspaces[-1]
    began_ns = AT_NS + SECOND
    scene.take(Restart(10**9, began_ns, "the estimators' process was started anew", scene.restart.settings))
    fresh = msgspec.structs.replace(
        last, t_ns=AT_NS + 2 * SECOND, n_independent=3.0, trials=2, valid=False, trial_valid=False
    )
    scene.take(fresh)
    later(scene, panel, 2.0)
    assert panel.state.text() == (
        f"not valid any more: 3 of 20 independent samples; it was valid until {time_of_day(scene, last.t_ns)}; "
        f"the estimators began anew at {time_of_day(scene, began_ns)}; grey is from before"
    )
    assert not panel.correlation.lagged.plot.now.getData()[1].size
    assert panel.correlation.trial.verdict.text() == "trial-shift: not yet, 2 of 10 earlier trials"
    scene.take(msgspec.structs.replace(fresh, t_ns=AT_NS + 3 * SECOND, valid=True, correlation=0.125))
    later(scene, panel, 1.0)
    assert panel.correlation.lagged.plot.now.getData()[1].tolist() == [0.125]
    assert panel.correlation.lagged.plot.past.getData()[0].max() <= 8.0
    assert panel.correlation.share.text() == "z > 2 lately: not yet", "what was before the restart counts no more"


def test_the_first_start_is_no_restart(qtbot, scene, theme):
    panel = opened(qtbot, scene, theme)
    assert scene.restart is not None
    assert "anew" not in panel.state.text()


# --- kinds of cells --------------------------------------------------------------------------------------------------


def test_one_kind_of_cells_is_no_choice(qtbot, scene, theme):
    assert not opened(qtbot, scene, theme).cells.isVisible()


def test_a_person_chooses_a_cell_type(qtbot, scene, theme, subspaces):
    last = subspaces[-1]
    for one in subspaces[-100:]:
        half = None if one.correlation is None else one.correlation / 2
        a = [2 * value for value in one.a][:2]
        of_type = msgspec.structs.replace(one, cells="GABAergic", correlation=half, n_cells=(20, 21), a=a, b=one.b[:2])
        scene.take(of_type)
    panel = opened(qtbot, scene, theme)
    assert list(panel.cells.buttons) == ["all", "GABAergic"]
    assert panel.cells.isVisible()
    assert panel.cells.chosen == ["all"]
    assert f"r {last.correlation:+.2f};" in panel.correlation.lagged.verdict.text()
    qtbot.mouseClick(panel.cells.buttons["GABAergic"], Qt.MouseButton.LeftButton)
    assert f"r {last.correlation / 2:+.2f};" in panel.correlation.lagged.verdict.text()
    assert panel.state.text().startswith("GABAergic cells: 20 of A, 21 of B")
    assert list(panel.projections.choice.buttons) == ["1", "2", COACTIVITY]
    assert [row.a.isVisible() for row in panel.projections.rows] == [True, True, False, False, False]
    scene.forget()
    panel.anew()
    assert not panel.cells.isVisible()


# --- drawing ---------------------------------------------------------------------------------------------------------


def test_nothing_is_drawn_where_nothing_is_new(qtbot, scene, theme, subspaces):
    panel, drawn = opened(qtbot, scene, theme), []
    for curve in (panel.projections.rows[0].a, panel.correlation.lagged.plot.now, panel.synchrony.now):
        curve.sigPlotChanged.connect(drawn.append)
    for _ in range(3):
        scene.local_ns += SECOND
        panel.refresh()
    assert drawn == []
    scene.take(msgspec.structs.replace(subspaces[-1], t_ns=AT_NS + 1))
    later(scene, panel, 1e-6)
    assert len(drawn) == 3


def test_all_but_the_projections_is_drawn_twice_a_second(qtbot, scene, theme):
    panel, fast, slow = opened(qtbot, scene, theme), [], []
    panel.projections.rows[0].a.sigPlotChanged.connect(fast.append)
    panel.correlation.lagged.plot.now.sigPlotChanged.connect(slow.append)
    scene.at(AT_NS, 0, 1.0)
    for tenth in range(1, 31):
        scene.local_ns = tenth * SECOND // 10
        panel.refresh()
    assert len(fast) == 30
    assert len(slow) == 6


def test_another_moment_begins_with_an_empty_sheet(qtbot, recorded, scene, theme):
    panel = opened(qtbot, scene, theme)
    assert panel.correlation.lagged.plot.isVisible()
    early = scene_of(recorded, 20.0)
    scene.__dict__.update(early.__dict__)
    panel.anew()
    assert panel.state.text().startswith("not yet: ")
    assert not panel.correlation.lagged.plot.isVisible()
    assert panel.correlation.lagged.plot.getViewBox().viewRange()[0] == [0.0, 2.0]
    scene.forget()
    panel.anew()
    assert panel.nothing.isVisible()
    assert not panel.sections.isVisible()


@pytest.mark.parametrize(
    ("width", "height", "seen"),
    [
        (800, 520, ["Projections", "Variance", "Correlation", "Synchrony"]),
        (420, 720, ["Correlation", "Projections", "Synchrony", "Variance"]),
        (420, 500, ["Correlation", "Projections"]),
        (320, 240, ["Correlation"]),
    ],
)
def test_what_there_is_no_room_for_stands_behind_tabs(qtbot, scene, theme, width, height, seen):
    panel = opened(qtbot, scene, theme, width, height)
    parts = {
        "Projections": panel.projections,
        "Variance": panel.variance,
        "Correlation": panel.correlation,
        "Synchrony": panel.synchrony,
    }
    assert panel.sections.seen == [parts[name] for name in seen]
    for name, part in parts.items():
        assert part.isVisible() == (name in seen)
    for part in panel.sections.seen:
        assert part.geometry().bottom() <= panel.sections.height()
        assert part.geometry().right() <= panel.sections.width()
    for one in panel.sections.seen:
        others = [part.geometry() for part in panel.sections.seen if part is not one]
        assert not any(one.geometry().intersects(other) for other in others)


def test_a_tab_shows_another_part_at_once(qtbot, scene, theme, subspaces):
    panel = opened(qtbot, scene, theme, 320, 240)
    bar = panel.sections._one[0].bar
    assert [bar.tabText(i) for i in range(bar.count())] == ["Correlation", "Projections", "Synchrony", "Variance"]
    qtbot.mouseClick(bar, Qt.MouseButton.LeftButton, pos=bar.tabRect(3).center())
    assert panel.sections.seen == [panel.variance]
    assert panel.variance.isVisible()
    assert not panel.correlation.isVisible()
    assert panel.variance.bars.bars[0].value == subspaces[-1].shared[0]
    panel.resize(800, 520)
    assert not bar.isVisible()
    assert len(panel.sections.seen) == 4


# --- the small rules -------------------------------------------------------------------------------------------------


def test_the_rules_for_nulls_are_the_estimators():
    assert LEAST_TRIALS == shared_subspace.LEAST_TRIALS
    assert synchrony.Settings(rate_hz=20.0).null_lags == SYNCHRONY_SHIFTS


def test_settings_that_cannot_be_read_are_not_known():
    assert settings_of(None) == Settings()
    assert settings_of(Restart(1, 1, "", "{")) == Settings()
    assert settings_of(Restart(1, 1, "", '{"subspace": {"null_lags": 60}, "trigger": null}')) == Settings(60)


def test_as_many_parts_are_shown_as_fit():
    assert fitting([100, 100], 200 + GAP) == 2
    assert fitting([100, 100], 199 + GAP) == 0
    assert fitting([100, 50, 50], 150 + GAP + TABS) == 1
    assert fitting([100, 50, 50], 149 + GAP + TABS) == 0
    assert fitting([100, 50, 50, 50], 200 + 2 * GAP + TABS) == 2


def test_a_share_counts_time_and_not_rows():
    t_ns = np.array([0, 10, 20, 21, 22, 23], np.int64) * SECOND
    z = np.array([3.0, 0.0, 3.0, 3.0, 3.0, 3.0])
    valid = np.array([0.0, 1.0, 1.0, 1.0, 0.0, 1.0])
    share, seconds = share_above(t_ns, z, valid, 0, 24 * SECOND)
    assert seconds == 13.0, "10 s of the second row, and 1 s each of three"
    assert share == pytest.approx(3 / 13)
    assert share_above(t_ns, z, valid, 21 * SECOND, 24 * SECOND) == (1.0, 2.0)
    assert share_above(t_ns, z, np.zeros(6), 0, 24 * SECOND) is None
    share, seconds = share_above(t_ns, z, valid, 0, 319 * SECOND)
    assert (share, seconds) == (1.0, pytest.approx(2 + 15)), "a time without estimates counts for 15 s at most"


def test_curves_have_gaps_where_nothing_was_known():
    t_ns = np.array([0, 1, 2, 3, 4, 60, 61], np.int64) * SECOND
    keep = np.array([1, 1, 0, 1, 1, 1, 1], bool)
    rows, joined = chosen_rows(t_ns, keep)
    assert rows.tolist() == [0, 1, 3, 4, 5, 6]
    assert joined.tolist() == [True, False, True, False, True, False]
    assert [part.tolist() for part in chosen_rows(t_ns, np.zeros(7, bool))] == [[], []]


def test_a_long_curve_has_few_points_and_its_newest_one():
    t_ns = np.arange(100_000, dtype=np.int64) * SECOND
    rows, joined = chosen_rows(t_ns, np.ones(100_000, bool), most=500)
    assert 450 <= rows.size <= 500
    assert rows[-1] == 99_999
    assert joined[:-1].all()
    assert np.ptp(np.diff(rows)[:-1]) == 0


def test_after_a_restart_nothing_is_claimed_until_something_comes(qtbot, scene, theme, subspaces):
    panel = opened(qtbot, scene, theme)
    scene.take(Restart(10**9, AT_NS + 1, "the estimators' process was started anew", scene.restart.settings))
    later(scene, panel, 1.0)
    assert panel.state.text().startswith("not yet: nothing has come since the estimators began anew; ")
    assert "z " not in panel.correlation.lagged.verdict.text()
    assert not panel.correlation.lagged.plot.now.getData()[1].size

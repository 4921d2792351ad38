"""The panel of the box: its pixels follow what the chamber says, and so do its tooltips and its sentence."""

from collections.abc import Callable

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QPoint, QPointF, QRectF
from PyQt6.QtGui import QColor, QHelpEvent, QImage
from PyQt6.QtWidgets import QApplication, QToolTip

from controller.messages.view import Records
from gui.panel import find_panels
from gui.panels.box import Box
from gui.parts.chamber import Chamber, chamber_of
from gui.parts.chamber_layout import REGIONS, layout_of
from gui.parts.mouse_shape import HEAD, middle_of
from gui.scene import Scene
from gui.theme import DARK, LIGHT, Theme
from realtime.records import NS_PER_S, Line, Outcome
from tests.gui.box_scenes import START_NS, A, B, counts, edge, entered, opening, scene_with


@pytest.fixture
def shown(qtbot: object, theme: Theme) -> Callable[..., Box]:
    """Show a box of a scene in a size."""

    def show(scene: Scene, width: int = 800, height: int = 500, palette: Theme = theme) -> Box:
        box = Box(scene, palette)
        qtbot.addWidget(box)  # type: ignore[attr-defined]
        box.resize(width, height)
        box.show()
        QApplication.processEvents()
        return box

    return show


def picture(box: Box) -> QImage:
    return box.view.grab().toImage()


def at(image: QImage, point: QPointF) -> str:
    return QColor(image.pixel(round(point.x()), round(point.y()))).name()


def count_of(image: QImage, colour: str, *, off: int = 0) -> int:
    """How many pixels have one colour, each of red, green and blue at most so far off."""
    pixels = image.convertToFormat(QImage.Format.Format_RGB32)
    bits = pixels.constBits()
    assert bits is not None
    found = np.frombuffer(bits.asarray(pixels.sizeInBytes()), np.uint8).reshape(-1, 4)[:, :3].astype(int)
    wanted = list(bytes.fromhex(colour[1:]))[::-1]  # blue comes first
    return int(np.count_nonzero((np.abs(found - wanted) <= off).all(axis=1)))


def test_the_panel_is_found_by_its_name_and_stands_on_the_left() -> None:
    found = next(panel for panel in find_panels() if panel.name == "box")
    assert (found, found.title, found.area, found.order, found.stretch) == (Box, "Box", "left", 20, 3)
    assert (found.rate_hz, found.key) == (30.0, "Ctrl+2")


def test_the_halves_mirror_each_other_with_the_ports_near_the_outer_walls_poke_above_water() -> None:
    layout = layout_of(800, 500, 13, footer=True)
    assert layout.poke(A).x() + layout.poke(B).x() == pytest.approx(800)
    assert layout.poke(A).x() < 200
    assert (layout.poke(A).x(), layout.poke(B).x()) == (layout.spout(A).x(), layout.spout(B).x())
    assert layout.poke(A).y() == layout.poke(B).y() < 200
    assert layout.spout(A).y() == layout.spout(B).y() > 300


@pytest.mark.parametrize("size", [(320, 220), (320, 900), (1400, 220), (800, 500), (3840, 2160)])
def test_everything_keeps_inside_a_panel_of_any_size(size: tuple[int, int]) -> None:
    layout, panel = layout_of(*size, 13, footer=True), QRectF(0, 0, *size)
    assert panel.contains(layout.header)
    assert panel.contains(layout.chamber)
    assert panel.contains(layout.footer)
    assert not layout.chamber.intersects(layout.header)
    assert not layout.chamber.intersects(layout.footer)
    for animal in (A, B):
        assert layout.halves[animal].contains(layout.poke(animal) - QPointF(0, layout.ring_radius))
        assert layout.poke(animal).y() + 2 * layout.mouse_length < layout.spout(animal).y() + layout.mouse_length


@pytest.mark.parametrize("size", [(800, 500), (320, 220), (1600, 1200)])
@pytest.mark.parametrize("palette", [DARK, LIGHT], ids=["dark", "light"])
def test_a_broken_beam_fills_the_port_with_the_animals_colour(
    shown: Callable[..., Box], palette: Theme, size: tuple[int, int]
) -> None:
    box = shown(scene_with(edge(Line.POKE_B, 5.0, on=True), now_s=6.0), *size, palette=palette)
    layout, image = box.view.layout_now(), picture(box)
    assert at(image, layout.poke(B) + QPointF(0, -2)) == palette.animals[B].lower()
    assert at(image, layout.poke(A) + QPointF(0, -2)) == palette.raised


def test_a_tongue_fills_the_tip_of_the_spout(shown: Callable[..., Box]) -> None:
    box = shown(scene_with(edge(Line.LICK_A, 5.0, on=True), now_s=6.0))
    layout, image = box.view.layout_now(), picture(box)
    assert at(image, layout.spout(A)) == DARK.animals[A].lower()
    assert at(image, layout.spout(B)) == DARK.raised


def test_an_open_valve_shows_a_drop_in_its_own_half_and_a_closed_one_none(shown: Callable[..., Box]) -> None:
    scene = scene_with(edge(Line.VALVE_A, 5.0, on=True), now_s=6.0)
    box = shown(scene)
    image = picture(box)
    left = image.copy(0, 0, image.width() // 2, image.height())
    assert count_of(left, DARK.water) > 200
    assert count_of(image, DARK.water) == count_of(left, DARK.water)
    scene.take(Records(edge(Line.VALVE_A, 5.5, on=False).tobytes()))
    box.refresh()
    assert count_of(picture(box), DARK.water) == 0


def test_the_ring_closes_clockwise_from_the_top_in_the_first_pokers_colour(shown: Callable[..., Box]) -> None:
    scene = scene_with(entered("A_FIRST", 10.0), now_s=12.1)  # 0.9 of 3 s are left: 108 degrees
    box = shown(scene)
    layout, image = box.view.layout_now(), picture(box)
    port, radius = layout.poke(A), layout.ring_radius
    assert at(image, port + QPointF(radius, 0)) == DARK.animals[A].lower()
    assert at(image, port + QPointF(-radius, 0)) != DARK.animals[A].lower()
    assert at(image, port + QPointF(-0.7 * radius, -0.7 * radius)) != DARK.animals[A].lower()
    assert at(image, layout.poke(B) + QPointF(-radius, 0)) == DARK.base
    scene.at(START_NS + round(10.15 * NS_PER_S), 0, 0.0)
    box.refresh()
    assert at(picture(box), port + QPointF(-radius, 0)) == DARK.animals[A].lower()


def test_light_is_a_halo_around_the_head_and_fills_the_fibre(shown: Callable[..., Box]) -> None:
    dark = shown(scene_with(now_s=6.0))
    lit = shown(scene_with(edge(Line.LASER_A, 5.0, on=True), now_s=6.0))
    layout = lit.view.layout_now()
    for animal, box, colour in ((A, lit, DARK.light), (B, lit, DARK.raised), (A, dark, DARK.raised)):
        mouse = box.view.chamber.halves[animal].mouse  # type: ignore[union-attr]
        nose = layout.point(animal, mouse.position.x, mouse.position.y)
        heading = mouse.position.heading_deg * (1 if animal == A else -1)
        assert at(picture(box), middle_of(nose, heading, layout.mouse_length, HEAD.y())) == colour
        beside = nose + QPointF(0.06 * layout.mouse_length * (1 if animal == A else -1), 0.0)
        assert (at(picture(box), beside) == DARK.base) is (colour != DARK.light)


def test_without_a_laser_no_fibre_is_drawn(shown: Callable[..., Box]) -> None:
    box = shown(scene_with(now_s=6.0, about=opening(lasers=(False, False))))
    layout, mouse = box.view.layout_now(), box.view.chamber.halves[A].mouse  # type: ignore[union-attr]
    nose = layout.point(A, mouse.position.x, mouse.position.y)
    assert at(picture(box), middle_of(nose, 90.0, layout.mouse_length, HEAD.y())) != DARK.raised


def test_armed_lasers_are_framed_and_disarmed_ones_are_not(shown: Callable[..., Box]) -> None:
    frames = []
    for armed in (True, False):
        box = shown(scene_with(now_s=6.0, known=counts(armed=armed)))
        footer = box.view.layout_now().footer.toAlignedRect()
        frames.append(count_of(picture(box).copy(footer), DARK.warn, off=60))
    assert frames[0] > 100
    assert frames[1] == 0


@pytest.mark.parametrize(("state", "outcome"), [("SUCCESS", Outcome.SUCCESS), ("MISS", Outcome.MISS)])
def test_an_outcomes_mark_is_drawn_in_its_colour_and_then_no_more(
    shown: Callable[..., Box], state: str, outcome: Outcome
) -> None:
    scene = scene_with(entered(state, 10.0), now_s=10.1)
    box = shown(scene)
    assert count_of(picture(box), DARK.outcomes[outcome]) > 2000
    scene.at(START_NS + 12 * NS_PER_S, 0, 0.0)
    box.refresh()
    assert count_of(picture(box), DARK.outcomes[outcome]) < 800  # only the badge's frame


def test_a_mouse_is_drawn_in_its_own_half_at_its_port(shown: Callable[..., Box]) -> None:
    box = shown(scene_with(edge(Line.POKE_A, 5.0, on=True), edge(Line.LICK_B, 5.0, on=True), now_s=6.0))
    layout, image = box.view.layout_now(), picture(box)
    height = 0.45 * layout.mouse_length
    assert at(image, layout.poke(A) + QPointF(0.1 * layout.mouse_length, height + 20)) != DARK.base
    assert at(image, layout.spout(A) + QPointF(0, -height - 20)) == DARK.base
    assert at(image, layout.spout(B) + QPointF(0.1 * layout.mouse_length, -height - 20)) != DARK.base
    assert at(image, layout.poke(B) + QPointF(0, height + 20)) == DARK.base


def test_without_a_session_the_panel_says_so(shown: Callable[..., Box]) -> None:
    box = shown(Scene(), 320, 220)
    assert box.chamber == Chamber("no session yet", (), None, None, lasers=False, armed=None)
    assert box.view.accessibleDescription() == "no session yet"
    assert [box.tip(region) for region in REGIONS if region != "divider"] == [""] * (len(REGIONS) - 1)
    assert count_of(picture(box), DARK.animals[A].lower()) == 0


def test_refreshing_draws_what_came_and_paints_nothing_while_nothing_changes(shown: Callable[..., Box]) -> None:
    scene = scene_with(now_s=6.0)
    box = shown(scene)
    before = box.view.chamber
    box.refresh()
    assert box.view.chamber is before
    scene.take(Records(edge(Line.POKE_A, 6.0, on=True).tobytes()))
    box.refresh()
    assert box.view.chamber is not before
    assert box.view.chamber.halves[A].beam.on  # type: ignore[union-attr]
    held = box.view.chamber
    scene.at(START_NS + 9 * NS_PER_S, 0, 0.0)
    box.refresh()
    assert box.view.chamber is held  # a beam that stays broken is no news


def test_another_moment_of_the_log_begins_anew(shown: Callable[..., Box], scene: Scene) -> None:
    box = shown(scene)
    assert box.view.chamber == chamber_of(scene)
    scene.forget()
    box.anew()
    assert box.view.chamber == chamber_of(Scene())
    assert box.view.accessibleDescription() == "no session yet"


def test_a_ports_tooltip_says_how_it_is_wired_and_when_its_last_edge_was(shown: Callable[..., Box]) -> None:
    scene = scene_with(edge(Line.POKE_A, 5.0, on=True), edge(Line.POKE_A, 6.2, on=False), now_s=10.5)
    box = shown(scene)
    assert box.tip("poke_a") == "A's beam (poke_a, board pin 0): free; last broken 5 s ago; free since 4 s."
    assert box.tip("water_b") == (
        "B's lickometer (lick_b, board pin 3): free; never licked yet.\n"
        "B's valve (valve_b, board pin 5): closed; never opened yet."
    )
    scene.take(Records(edge(Line.VALVE_B, 10.0, on=True).tobytes()))
    assert "B's valve (valve_b, board pin 5): open; last opened 0 s ago." in box.tip("water_b")


def test_a_line_that_the_rig_does_not_have_is_said_not_to_be_there(shown: Callable[..., Box]) -> None:
    lines = {"poke_a": "board pin 0", "poke_b": "board pin 1"}
    box = shown(scene_with(now_s=6.0, about=opening(lines=lines, lasers=(False, False))))
    assert box.tip("water_a") == "A's lickometer: this rig has none.\nA's valve: this rig has none."
    assert [half.lick.wired for half in box.chamber.halves] == [False, False]
    assert [half.beam.wired for half in box.chamber.halves] == [True, True]


def test_pointing_at_a_port_shows_its_tooltip(shown: Callable[..., Box]) -> None:
    box = shown(scene_with(edge(Line.POKE_A, 5.0, on=True), now_s=6.0))
    layout = box.view.layout_now()
    assert box.view.region_at(layout.poke(B)) == "poke_b"
    assert box.view.region_at(layout.spout(A)) == "water_a"
    assert box.view.region_at(layout.header.center() - QPointF(50, 0)) == "badge_a"
    point = layout.poke(B).toPoint()
    QApplication.sendEvent(box.view, QHelpEvent(QEvent.Type.ToolTip, point, box.view.mapToGlobal(QPoint(point))))
    assert QToolTip.text() == "B's beam (poke_b, board pin 1): free; never broken yet."
    QToolTip.hideText()


def test_a_screen_reader_hears_the_whole_picture(shown: Callable[..., Box]) -> None:
    scene = scene_with(
        entered("A_FIRST", 10.0),
        edge(Line.POKE_A, 10.0, on=True),
        edge(Line.LASER_B, 10.0, on=True),
        now_s=10.005,
        known=counts(armed=True),
    )
    assert shown(scene).view.accessibleDescription() == (
        "window open, A was first, trial 1 (state A_FIRST). A (m341): poking. B (m342): not seen yet, light on. "
        "Lasers are armed."
    )

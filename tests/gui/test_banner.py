"""The banner: what this is, how it stands, and the last thing to know."""

import pytest
from PyQt6.QtCore import Qt

from controller.messages.view import Records, Remark
from gui.parts.banner import LOOKS, Banner
from gui.parts.stop_button import StopButton
from gui.scene import Scene
from realtime.records import NS_PER_S, Fault, Kind, no_events
from tests.gui.conftest import scene_of
from tests.gui.sessions import COUNTS, OPENING, PROBLEMS, SETUP, STANDING, START_NS, STATES, changed, running, say
from tests.gui.test_stop_button import luminance


@pytest.fixture
def banner(qtbot, theme):
    banner = Banner(theme)
    qtbot.addWidget(banner)
    banner.resize(1366, 90)
    banner.show()
    return banner


@pytest.mark.parametrize(
    ("scene", "word"),
    [
        (running(), "LIVE"),
        (say(running(), changed(OPENING, mode="VIRTUAL")), "VIRTUAL"),
        (say(running(), changed(OPENING, mode="REPLAY")), "REPLAY"),
        (say(running(finished=True), changed(OPENING, mode="REPLAY")), "REPLAY"),
        (say(Scene(), SETUP), "SETUP"),
        (say(Scene(), SETUP, changed(OPENING, mode="SETUP")), "SETUP"),
        (running(finished=True), "ENDED"),
        (say(running(), changed(STANDING, phase="ended")), "ENDED"),
        (Scene(), "NO CONTACT"),
    ],
)
def test_the_big_word_says_what_this_is(banner, scene, word):
    banner.show_scene(scene)
    assert banner.word.text() == word
    assert banner.accessibleName().startswith(word)
    assert LOOKS[word].colour in banner.word.styleSheet()
    assert banner.word.font().pixelSize() >= 28


def test_no_two_modes_look_alike_and_every_word_stands_out():
    assert len({look.colour for look in LOOKS.values()}) == len(LOOKS)
    assert len({look.pattern for look in LOOKS.values()}) == len(LOOKS), "told apart without colour"
    assert LOOKS["LIVE"].pattern == Qt.BrushStyle.NoBrush
    for look in LOOKS.values():
        light, dark = sorted((luminance(look.ink), luminance(look.colour)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5
    assert luminance(LOOKS["LIVE"].colour) > 2 * max(luminance(LOOKS[m].colour) for m in LOOKS if m != "LIVE")


@pytest.mark.parametrize("mode", ["LIVE", "VIRTUAL", "REPLAY"])
def test_the_pattern_is_drawn_where_no_words_stand(banner, mode):
    banner.show_scene(say(running(), changed(OPENING, mode=mode)))
    image = banner.grab().toImage()
    colours = {image.pixelColor(x, y).name() for x in range(2, 26) for y in range(2, 58)}
    assert LOOKS[mode].colour in colours
    assert (len(colours) > 1) == (mode != "LIVE")


def test_session_subjects_state_and_time_are_shown(banner):
    banner.show_scene(running("A_FIRST"))
    assert banner.session.text() == "2026-11-22_091500_m1-m2_day7"
    assert banner.subjects.text() == "A: m1   B: m2   day 7   cooperation"
    assert banner.state.text() == "running: A was first"
    assert banner.time.text() == "10:00 of 30:00 min"


def test_a_recorded_session_is_named_as_its_folder(banner, recorded):
    banner.show_scene(scene_of(recorded, 200.0))
    assert banner.session.text() == recorded.name
    assert banner.mode == "REPLAY"


def test_a_setup_says_what_is_missing(banner):
    banner.show_scene(say(Scene(), SETUP))
    assert (banner.session.text(), banner.state.text()) == ("bench: the next session", "ready to start")
    assert banner.subjects.text() == "A: m1   B: m2   day 7   cooperation"
    banner.show_scene(say(Scene(), changed(SETUP, problems=PROBLEMS)))
    assert banner.state.text() == "3 things to correct"
    banner.show_scene(say(Scene(), changed(SETUP, starting=True), changed(STANDING, phase="compiling")))
    assert banner.state.text() == "compiling …"


def test_why_a_session_ended_is_told(banner):
    ended = changed(STANDING, phase="ended", reason="after its minutes")
    banner.show_scene(say(running("FINISHED", finished=True), ended))
    assert banner.state.text() == "ended: finished (after its minutes)"


def test_no_contact_is_louder_than_the_mode_until_it_is_back(banner):
    scene = running()
    banner.show_scene(scene)
    banner.tell("board is back", False)
    banner.show_contact("no word from the session for 4 s; still trying")
    assert (banner.word.text(), banner.state.text()) == ("NO CONTACT", "what is shown is old")
    assert banner.sentence.text() == "⚠ no word from the session for 4 s; still trying"
    assert banner.session.text() == "2026-11-22_091500_m1-m2_day7"
    banner.show_scene(scene)
    assert banner.word.text() == "NO CONTACT"
    banner.show_contact(None)
    assert (banner.word.text(), banner.sentence.text()) == ("LIVE", "board is back")


def test_the_latest_sentence_is_shown_and_the_earlier_ones_are_counted(banner, theme, qtbot):
    assert banner.sentence.text() == "nothing to report"
    assert not banner.dismiss.isEnabled()
    banner.tell("LASER_A was commanded, but no edge came; look at its cable.", True)
    assert banner.sentence.text() == "⚠ LASER_A was commanded, but no edge came; look at its cable."
    assert theme.warn in banner.sentence.styleSheet()
    assert banner.count.text() == ""
    banner.tell("board is back", False)
    banner.tell("the recorder was started again", False)
    assert banner.sentence.text() == "the recorder was started again"
    assert theme.warn not in banner.sentence.styleSheet()
    assert banner.count.text() == "2 earlier, 1 of them ⚠: see Events"
    qtbot.mouseClick(banner.dismiss, Qt.MouseButton.LeftButton)
    assert (banner.sentence.text(), banner.count.text()) == ("nothing to report", "")
    banner.tell("new", False)
    assert banner.count.text() == ""


def test_the_red_stop_stands_at_the_right_and_follows_the_session(banner, qtbot):
    assert isinstance(banner.stop, StopButton)
    assert banner.stop.mapTo(banner, banner.stop.rect().topRight()).x() > 1366 - 20
    scene = running()
    banner.show_scene(scene)
    qtbot.mousePress(banner.stop, Qt.MouseButton.LeftButton)
    banner.show_scene(scene)
    assert banner.stop.state == "stopping"
    say(scene, changed(COUNTS, finished=True, states=[STATES.index("FINISHED")]))
    banner.show_scene(scene)
    assert banner.stop.state == "stopped"
    banner.show_scene(say(Scene(), changed(OPENING, session="another"), COUNTS, STANDING))
    assert banner.stop.state == "idle"


def test_an_end_that_is_not_finished_is_no_stop(banner):
    banner.show_scene(say(running(), changed(STANDING, phase="ending")))
    assert banner.mode == "ENDED"
    assert banner.stop.state == "idle"


def test_nothing_moves_while_sentences_and_states_come_and_go(banner):
    banner.show_scene(running())
    before = (banner.height(), banner.stop.geometry(), banner.word.geometry(), banner.sizeHint().height())
    banner.tell("a sentence " * 60, True)
    banner.tell("short", False)
    scene = running("SUCCESS")
    scene.at(scene.now_ns + 7 * NS_PER_S, 0, 0.0)
    banner.show_scene(scene)
    assert (banner.height(), banner.stop.geometry(), banner.word.geometry(), banner.sizeHint().height()) == before


def test_a_long_sentence_is_shortened_and_whole_in_its_tooltip(banner):
    sentence = "valve_a was commanded, but the copy of its wire shows no edge. " * 6
    banner.tell(sentence, True)
    banner.grab()
    assert banner.sentence.toolTip() == "⚠ " + sentence
    banner.tell("short", False)
    banner.grab()
    assert banner.sentence.toolTip() == ""


# --- trouble ----------------------------------------------------------------------------------------------------------


def faulty(*at_s: float) -> Scene:
    """A session in which the board fell silent at these times."""
    scene = running(faults={"DEVICE_SILENT": len(at_s)} if at_s else {})
    for when_s in at_s:
        one = no_events(1)
        one["kind"], one["value"], one["source"] = Kind.FAULT, Fault.DEVICE_SILENT, 2
        one["t_ns"] = START_NS + round(when_s * NS_PER_S)
        say(scene, Records(one.tobytes()))
    return scene


def test_a_fault_is_told_and_there_is_not_nothing_to_report(banner):
    banner.show_scene(faulty())
    assert banner.sentence.text() == "nothing to report"
    banner.show_scene(faulty(10.0))
    assert banner.sentence.text() == "⚠ fault: a device does not answer any more"
    banner.show_scene(faulty(10.0, 20.0))
    assert banner.sentence.text() == "⚠ fault: a device does not answer any more (2 in all: see Events)"


def test_a_fault_that_was_cleared_comes_back_only_with_the_next(banner):
    banner.show_scene(faulty(10.0))
    banner.clear()
    banner.show_scene(faulty(10.0))
    assert banner.sentence.text() == "nothing to report"
    banner.show_scene(faulty(10.0, 20.0))
    assert "2 in all" in banner.sentence.text()


def test_what_was_said_in_answer_stands_until_the_next_fault(banner):
    banner.show_scene(faulty(10.0))
    banner.tell("laser: arm the lasers first", warn=True)
    banner.show_scene(faulty(10.0))
    assert banner.sentence.text() == "⚠ laser: arm the lasers first"


def test_a_replay_that_goes_back_tells_of_no_fault_that_is_still_to_come(banner):
    banner.show_scene(faulty(10.0, 20.0))
    banner.show_scene(faulty(10.0))
    assert banner.sentence.text() == "⚠ fault: a device does not answer any more"
    banner.show_scene(faulty())
    assert banner.sentence.text() == "nothing to report"


def test_a_log_that_is_not_whole_is_told(banner):
    banner.show_scene(say(faulty(), Remark(START_NS, "the log is cut", trouble=True), Remark(START_NS, "warm")))
    assert banner.sentence.text() == "⚠ the log is cut"

"""The front desk: what can be started, what not, and why; nothing is written before."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from controller import rigfile
from controller.messages import Answer, Request
from controller.messages.view import Choice, Setup, Steer, Wish, decode_view
from controller.session import Order
from controller.viewing.front_desk import FrontDesk
from tests.gui.conftest import HOUSE, order_of


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return replace(order_of("virtual.toml", tmp_path / "sessions", 30.0), fast=False)


def setup_of(desk: FrontDesk) -> Setup:
    (data,) = desk.everything()
    setup = decode_view(data)
    assert isinstance(setup, Setup)
    return setup


def choose(desk: FrontDesk, **changed: object) -> Setup:
    now = setup_of(desk)
    wanted = {
        "subjects": now.subjects, "day": now.day, "minutes": now.minutes, "trials": now.trials, "output": now.output,
    } | changed  # fmt: skip
    desk.ask(Choice(1, **wanted), lambda _answer: None)  # type: ignore[arg-type]
    return setup_of(desk)


def ask(desk: FrontDesk, request: Request) -> Answer:
    answers: list[Answer] = []
    desk.ask(Wish(1, request), answers.append)
    return answers[0]


def test_it_shows_what_the_command_line_asks_for(order: Order) -> None:
    setup = setup_of(FrontDesk(order))
    assert (setup.rig, setup.mode, setup.task) == ("virtual", "VIRTUAL", "cooperation")
    assert (setup.subjects, setup.day, setup.minutes, setup.trials) == (("A", "B"), 1, 30.0, None)
    assert setup.window == "3 s, stage 1 of 3, day 1 of 5 in it"
    assert setup.problems == []


@pytest.mark.parametrize(
    ("day", "window"),
    [
        (5, "3 s, stage 1 of 3, day 5 of 5 in it"),
        (6, "1.5 s, stage 2 of 3, day 1 of 10 in it"),
        (16, "0.75 s, stage 3 of 3, day 1 of 15 in it"),
    ],
)
def test_it_says_which_window_a_day_has(order: Order, day: int, window: str) -> None:
    assert choose(FrontDesk(order), day=day).window == window


@pytest.mark.parametrize(
    ("changed", "field", "sentence"),
    [
        ({"subjects": ("m1", "m1")}, "subjects", "both animals are called m1"),
        ({"subjects": ("m1", "")}, "subjects", "'' is no name for animal B"),
        ({"subjects": ("m 1", "m2")}, "subjects", "'m 1' is no name for animal A"),
        ({"minutes": 0.0}, "minutes", "0 min is not from"),
        ({"minutes": 721.0}, "minutes", "721 min is not from"),
        ({"trials": 0}, "trials", "at least one"),
        ({"day": 0}, "day", "counted from 1"),
    ],
)
def test_each_mistake_is_told_at_its_field(order: Order, changed: dict, field: str, sentence: str) -> None:
    problems = choose(FrontDesk(order), **changed).problems
    assert [problem.field for problem in problems] == [field]
    assert sentence in problems[0].sentence


def test_several_mistakes_are_told_at_once(order: Order) -> None:
    problems = choose(FrontDesk(order), subjects=("x", "x"), minutes=-1.0).problems
    assert {problem.field for problem in problems} == {"subjects", "minutes"}


def test_a_folder_that_is_a_file_or_may_not_be_written_is_refused(order: Order, tmp_path: Path) -> None:
    desk = FrontDesk(order)
    file = tmp_path / "file"
    file.write_text("")
    assert "is no folder" in choose(desk, output=str(file)).problems[0].sentence
    assert "is no folder" in choose(desk, output=str(file / "below")).problems[0].sentence
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if os.geteuid() != 0:
        assert "may not write" in choose(desk, output=str(locked / "s")).problems[0].sentence
    assert choose(desk, output=str(tmp_path / "new" / "deep")).problems == []
    assert not (tmp_path / "new").exists()


def test_a_port_that_is_not_there_is_told_before_anything_is_opened(order: Order, tmp_path: Path) -> None:
    text = (HOUSE / "rigs" / "reference_board.toml").read_text(encoding="utf-8")
    rig = rigfile.parse(text, "box.toml")
    port = next(iter(rig.devices.values())).port
    if Path(port).exists():
        pytest.skip(f"there is a {port} on this computer")
    problems = setup_of(FrontDesk(replace(order, rig=rig, rig_text=text))).problems
    assert [problem.field for problem in problems] == ["rig"]
    assert f"there is no {port}" in problems[0].sentence


def test_start_is_refused_while_something_is_wrong_and_done_when_nothing_is(order: Order) -> None:
    desk = FrontDesk(order)
    choose(desk, subjects=("x", "x"))
    refused = ask(desk, Request("start"))
    assert not refused.done
    assert "both animals are called x" in refused.sentence
    assert not desk.started
    choose(desk, subjects=("m7", "m8"), day=6, minutes=12.5, trials=40)
    assert ask(desk, Request("start")).done
    assert desk.started
    assert (desk.order.subjects, desk.order.day, desk.order.minutes, desk.order.trials) == (("m7", "m8"), 6, 12.5, 40)
    assert setup_of(desk).starting


def test_nothing_is_written_before_the_start(order: Order) -> None:
    desk = FrontDesk(order)
    ask(desk, Request("start"))
    assert not order.output.exists()


def test_a_session_that_could_not_begin_leaves_the_form_open_with_the_reason(order: Order) -> None:
    desk = FrontDesk(order)
    ask(desk, Request("start"))
    desk.failed("the board on /dev/ttyACM0 does not answer")
    setup = setup_of(desk)
    assert not desk.started
    assert not setup.starting
    assert setup.remarks[0] == "the board on /dev/ttyACM0 does not answer"
    assert choose(desk).remarks == []


def test_other_wishes_wait_for_the_start_and_a_stop_has_nothing_to_do(order: Order) -> None:
    desk = FrontDesk(order)
    assert not ask(desk, Request("reward", "A")).done
    assert "nothing is on" in ask(desk, Request("stop")).sentence
    answers: list[Answer] = []
    desk.ask(Steer(1, "play"), answers.append)
    assert not answers[0].done


def test_the_form_is_told_again_only_when_it_has_changed(order: Order) -> None:
    desk = FrontDesk(order)
    assert len(desk.news()) == 1
    assert desk.news() == []
    choose(desk, day=2)
    assert len(desk.news()) == 1


def test_a_stop_right_after_the_start_takes_it_back(order: Order) -> None:
    desk = FrontDesk(order)
    ask(desk, Request("start"))
    assert ask(desk, Request("stop")) == Answer(True, "stop: the start is taken back, and nothing is on")
    assert not desk.started
    assert not setup_of(desk).starting


def test_what_was_started_cannot_be_changed_any_more(order: Order) -> None:
    desk = FrontDesk(order)
    choose(desk, subjects=("m7", "m8"))
    ask(desk, Request("start"))
    setup = choose(desk, subjects=("m1", "m1"), day=77, minutes=725.0)
    assert desk.started
    assert (setup.subjects, setup.day) == (("m7", "m8"), 1)
    assert (desk.order.subjects, desk.order.minutes) == (("m7", "m8"), 30.0)


@pytest.mark.parametrize("output", ["~nobody/x", "~/x", "n" * 300, "a\0b"])
def test_a_folder_that_no_system_can_make_is_a_problem_and_no_crash(order: Order, output: str) -> None:
    assert [problem.field for problem in choose(FrontDesk(order), output=output).problems] == ["output"]


@pytest.mark.parametrize("changed", [{"trials": 10**12}, {"day": 2**62}, {"minutes": float("nan")}])
def test_numbers_beyond_all_sense_are_problems_at_once(order: Order, changed: dict) -> None:
    (problem,) = choose(FrontDesk(order), **changed).problems
    assert problem.field == next(iter(changed))


def test_the_form_tells_the_red_stop_where_the_session_will_listen(order: Order) -> None:
    setup = setup_of(FrontDesk(order, "ipc:///x/control", "ipc:///x/events"))
    assert (setup.control, setup.events) == ("ipc:///x/control", "ipc:///x/events")

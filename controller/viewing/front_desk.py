"""The front desk: before a session begins, a person says in the window with whom, on which day and where to.

Every choice is checked as the session itself would check it: the rig's ports and calibration, the plan, the proof that
the task is safe, the subjects' names, the folder. Only what has no problem can be started. Nothing is written and no
device is touched before.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from controller.messages import Answer
from controller.messages.view import Choice, Problem, Setup, Steer, Wish, encode_view
from controller.rigschema import EMULATOR, Name
from controller.session import LAST_DAY, LONGEST_MIN, MOST_TRIALS, SHORTEST_MIN, Order, plan_of
from controller.viewing.feed import Answered
from controller.viewing.opening import mode_of
from realtime.clock import now_ns
from realtime.errors import DuettoError
from realtime.window import Schedule, TrainingDayError


class FrontDesk:
    """The feed of a session that has not begun.

    Parameters
    ----------
    order
        What the command line asks for: what the form begins with.
    control, events
        Where supervisor and loop will listen.

    Attributes
    ----------
    order
        What would be run now.
    started
        Whether a person has said start, and nothing was wrong.
    """

    speed = 0.0

    def __init__(self, order: Order, control: str = "", events: str = "") -> None:
        self.order = order
        self._control, self._events = control, events
        self.started = False
        self._failure = ""
        self._proven: dict[tuple[int, float, int | None], list[Problem]] = {}
        self._setup = self._look()
        self._told = False

    def moment_ns(self) -> int:
        """Return the clock's time: nothing has a moment yet."""
        return now_ns()

    def everything(self) -> list[bytes]:
        """Return the form."""
        return [encode_view(self._setup)]

    def news(self) -> list[bytes]:
        """Return the form, if it has changed."""
        told, self._told = self._told, True
        return [] if told else self.everything()

    def begun_anew(self) -> bool:
        """Return False: the form only changes."""
        return False

    def watched(self, *, viewers: int, behind: int) -> None:
        """Learn how many windows there are; they change nothing."""

    def failed(self, sentence: str) -> None:
        """Learn that the session could not begin, and why: the form is open again."""
        self.started, self._failure = False, sentence
        self._proven.clear()
        self._show()

    def ask(self, asked: Wish | Steer | Choice, answered: Answered) -> None:
        """Take a choice, or the start."""
        if self.started and not _is_stop(asked):
            answered(Answer(False, "it is starting already"))
        elif isinstance(asked, Choice):
            self._failure = ""
            self.order = replace(
                self.order,
                subjects=asked.subjects,
                day=asked.day,
                minutes=asked.minutes,
                trials=asked.trials,
                output=Path(asked.output),
            )
            self._show()
            answered(Answer(True, "changed"))
        elif isinstance(asked, Wish) and asked.request.verb == "start":
            answered(self._start())
        elif _is_stop(asked):
            answered(self._stop())
        else:
            answered(Answer(False, "the session has not begun; press Start first"))

    def _start(self) -> Answer:
        self._proven.clear()  # ports and recordings may have gone since
        self._show()
        if self._setup.problems:
            return Answer(False, f"it cannot start yet: {self._setup.problems[0].sentence}")
        self.started = True
        self._show()
        return Answer(True, "starting")

    def _stop(self) -> Answer:
        """Take a start back, as long as nothing has come of it."""
        if not self.started:
            return Answer(True, "stop: nothing has begun, so nothing is on")
        self.started = False
        self._show()
        return Answer(True, "stop: the start is taken back, and nothing is on")

    def _show(self) -> None:
        self._setup, self._told = self._look(), False

    def _look(self) -> Setup:
        """Return what the session would be, and what hinders it."""
        order = self.order
        remarks = [*order.calibration.warnings(order.rig, datetime.now(UTC))]
        if self._failure:
            remarks.insert(0, self._failure)
        problems = [*_wrong_names(order.subjects), *_wrong_length(order), *_wrong_folder(order.output)]
        if not any(problem.field in ("minutes", "trials", "day") for problem in problems):
            problems += self._planned()
        return Setup(
            rig=order.rig.rig.name,
            rig_path=order.rig_path,
            mode=mode_of(order.rig),
            task=order.rig.task.name,
            subjects=order.subjects,
            day=order.day,
            minutes=order.minutes,
            trials=order.trials,
            output=str(order.output),
            window=window_of(order),
            problems=problems,
            remarks=remarks,
            starting=self.started,
            control=self._control,
            events=self._events,
        )

    def _planned(self) -> list[Problem]:
        """Return what is wrong with rig and plan; what was proven once is not proven again for every letter typed."""
        key = (self.order.day, self.order.minutes, self.order.trials)
        if key not in self._proven:
            self._proven[key] = [*_wrong_plan(self.order)]
        return self._proven[key]


def _is_stop(asked: Wish | Steer | Choice) -> bool:
    return isinstance(asked, Wish) and asked.request.verb == "stop"


def window_of(order: Order) -> str:
    """Return the window of a day of training, in words."""
    window = order.rig.window
    kind = Schedule[window.schedule.upper()]
    if kind == Schedule.FIXED:
        return f"{window.fixed_s:g} s on every day"
    if kind == Schedule.CRITERION:
        stages = " → ".join(f"{stage:g} s" for stage in window.stages_s)
        return f"{stages}, as the animals succeed"
    left = order.day
    for number, (stage, days) in enumerate(zip(window.stages_s, window.stage_days, strict=True), start=1):
        if left <= days:
            return f"{stage:g} s, stage {number} of {len(window.stages_s)}, day {left} of {days} in it"
        left -= days
    return f"{window.stages_s[-1]:g} s, after the last day of the plan"


def _is_name(text: str) -> bool:
    """Return whether a rig file could name an animal so."""
    try:
        msgspec.convert(text, Name)
    except msgspec.ValidationError:
        return False
    return True


def _wrong_names(subjects: tuple[str, str]) -> Iterator[Problem]:
    for who, name in zip("AB", subjects, strict=True):
        if not _is_name(name):
            yield Problem(
                "subjects", f"{name!r} is no name for animal {who}: write 1 to 40 letters, digits, '.', '_' or '-'"
            )
    if subjects[0] == subjects[1] and _is_name(subjects[0]):
        yield Problem("subjects", f"both animals are called {subjects[0]}; give them different names")


def _wrong_length(order: Order) -> Iterator[Problem]:
    if not SHORTEST_MIN <= order.minutes <= LONGEST_MIN:
        yield Problem("minutes", f"{order.minutes:g} min is not from {SHORTEST_MIN:g} to {LONGEST_MIN:g}")
    if order.trials is not None and not 1 <= order.trials <= MOST_TRIALS:
        yield Problem("trials", f"leave the number of trials empty, or ask for at least one, at most {MOST_TRIALS}")
    if not 1 <= order.day <= LAST_DAY:
        yield Problem("day", f"days of training are counted from 1, up to {LAST_DAY}")


def _wrong_folder(output: Path) -> Iterator[Problem]:
    """Find out whether a session's folder could be made there, without making it."""
    if output.parts[:1] and output.parts[0].startswith("~"):
        yield Problem("output", f"write {output} in full: ~ is not understood here")
        return
    try:
        existing = next((path for path in (output, *output.resolve().parents) if path.exists()), None)
    except (OSError, ValueError, RuntimeError) as error:
        yield Problem("output", f"{str(output)!r} cannot be a folder's name: {error}")
        return
    if existing is None or not existing.is_dir():
        yield Problem("output", f"{existing or output} is no folder; name another one")
    elif not os.access(existing, os.W_OK | os.X_OK):
        yield Problem("output", f"you may not write into {existing}; name another folder")


def _wrong_plan(order: Order) -> Iterator[Problem]:
    """Check rig and plan as the session itself would."""
    for name, device in order.rig.devices.items():
        port = Path(device.port)
        if device.port == EMULATOR or not device.port.startswith("/"):
            continue
        if not port.exists():
            yield Problem("rig", f"device {name}: there is no {port}; is it plugged in?")
        elif not os.access(port, os.R_OK | os.W_OK):
            yield Problem("rig", f"device {name}: you may not use {port}; join the group that may, usually dialout")
    try:
        plan_of(order)
    except DuettoError as error:
        yield Problem("day" if isinstance(error, TrainingDayError) else "rig", str(error))

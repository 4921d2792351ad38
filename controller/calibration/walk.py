"""The walk through a calibration: what a person is asked, what the rig does in between, and what comes of it.

::

    valve:  a vial is put --> openings --> its weight is typed    once per opening time
    head:   goggles, meter, "yes";  light --> the meter's reading is typed    once per set-point
    both:   the points and their curve are looked at --> yes: stored; no: not; a setting: measured again

No terminal here: a :class:`Person` is spoken to, a :class:`~controller.calibration.bench.Bench` acts. Outputs act only
within one call to the bench, so whatever ends a walk while a question stands finds everything off.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, TypeVar

from controller.calibration import residuals_of
from controller.calibration.bench import Watcher
from controller.calibration.points import (
    CalibrationError,
    Entry,
    NotIncreasing,
)

LEAST_SETTINGS: Final = 3
"""Through two points there always is a curve: nothing would show a mistake."""

P = TypeVar("P")


class BadRecipe(CalibrationError):
    """What was asked for cannot be done on this rig."""


class Person(Watcher, Protocol):
    """Whoever calibrates."""

    def say(self, sentence: str) -> None:
        """Tell something."""

    def ask(self, question: str) -> str:
        """Ask something; return what was typed, without blanks around it."""

    def review(self, draft: Entry) -> None:
        """Show the points of a calibration that is not stored yet, with their curve."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to calibrate.

    Attributes
    ----------
    date, by, note
        When, who, and what else is to be kept.
    durations_ms
        Opening times in whole ms, in the order of measuring; what stands there twice is measured twice. None: 10, 20,
        40 and 80, as far as the valve may be open for them.
    pulses
        Openings per vial.
    density_g_per_ml
        Of the liquid.
    set_points_mw
        Powers at the head; None: the person is asked.
    unasked
        Store what can be stored without asking. The laser's own question is asked all the same.
    """

    date: datetime
    by: str = ""
    note: str = ""
    durations_ms: tuple[int, ...] | None = None
    pulses: int = 100
    density_g_per_ml: float = 1.0
    set_points_mw: tuple[float, ...] | None = None
    unasked: bool = False


class Subject(Protocol[P]):
    """What is calibrated: a valve or a laser head."""

    name: str

    def prepare(self) -> tuple[float, ...]:
        """Get ready; return the settings to measure, in order, or none if the person does not want to."""

    def measure(self, setting: float, place: str) -> P | None:
        """Measure one setting; None if the person leaves it out. ``place`` says how far the walk is."""

    def problem(self, setting: float) -> str:
        """Return why a setting cannot be measured, as a sentence; empty if it can."""

    def entry(self, points: tuple[P, ...]) -> Entry:
        """Return the calibration that these points make."""


def walk(subject: Subject[P], person: Person, *, unasked: bool) -> Entry | None:
    """Walk a person through one calibration; return it to be stored, or None if it is not to be.

    Raises
    ------
    NotIncreasing, BadRecipe
        With ``unasked``, if what was measured makes no calibration.
    DeviceError, PortError, BadSettings
        If a device that is needed cannot be used from the start; later, the person is told and may repeat.
    """
    settings = subject.prepare()
    points: dict[float, list[P]] = {}
    for nth, setting in enumerate(settings, start=1):
        _measure(subject, setting, f"[{nth}/{len(settings)}]", points)
    return _settle(subject, person, points, unasked=unasked) if settings else None


def _measure(subject: Subject[P], setting: float, place: str, points: dict[float, list[P]]) -> None:
    """Measure one setting, and keep what came of it."""
    point = subject.measure(setting, place)
    if point is not None:
        points.setdefault(setting, []).append(point)


def _settle(subject: Subject[P], person: Person, points: dict[float, list[P]], *, unasked: bool) -> Entry | None:
    """Let the person look at the points, measure some again, and decide."""
    while True:
        draft = subject.entry(tuple(point for setting in sorted(points) for point in points[setting]))
        error = _judge(draft, person)
        if unasked:
            if error is not None:
                raise error
            return draft
        if error is not None:
            person.say(f"This cannot be stored. {error}")
        answer = person.ask(
            f"Store this calibration of {subject.name}? Type yes, no, or a setting in "
            f"{draft.quantity.setting} to measure (again):"
        ).lower()
        setting = number(answer)
        if answer == "no":
            return None
        if answer == "yes" and error is None:
            return draft
        if setting is not None:
            if problem := subject.problem(setting):
                person.say(problem)
            else:
                points.pop(setting, None)
                _measure(subject, setting, "[again]", points)


def _judge(draft: Entry, person: Person) -> CalibrationError | None:
    """Show a draft and what is remarkable about it, if it makes a curve; else return why it does not."""
    if len(set(draft.settings)) < LEAST_SETTINGS:
        return BadRecipe(
            f"{draft.name} has {len(set(draft.settings))} points; a calibration needs {LEAST_SETTINGS} at least, "
            "or nothing shows a mistake. Measure more."
        )
    try:
        found = residuals_of(draft)
    except NotIncreasing as error:
        return error
    person.review(draft)
    for remark in found.remarks(draft.settings, draft.quantity):
        person.say(remark)
    return None


def number(text: str) -> float | None:
    """Return the finite number that is the whole of ``text``, with a point or a comma, or None."""
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None

"""Calibrating a laser head with its fibre: light at each set-point, and what a power meter shows at the fibre's tip."""

from typing import Final, Literal

from controller import rigfile
from controller.calibration.bench import Bench
from controller.calibration.points import HeadEntry, HeadPoint
from controller.calibration.walk import LEAST_SETTINGS, BadRecipe, Person, Recipe, number
from realtime.records import NS_PER_S, Line

METER_ERROR: Final = 1.1
"""A meter may show so much more than the head gives; more is a mistake."""
SHARES: Final = (0.2, 0.4, 0.6, 0.8, 1.0)
SET_POINTS_MW: Final = (0.01, 1000.0)
GOGGLES: Final = (
    "Laser light blinds. Put on goggles for this wavelength, close the room, point the fibre's tip into the power "
    "meter and zero the meter in the dark."
)


class HeadSubject:
    """A laser head with its fibre.

    Raises
    ------
    BadRecipe
        If the recipe's set-points are none, or too few.
    """

    def __init__(self, rig: rigfile.Rig, device: str, bench: Bench, person: Person, recipe: Recipe) -> None:
        self.name = device
        self._head = rig.devices[device]
        self._line = Line[(self._head.feeds or "").upper()]
        self._bench = bench
        self._person = person
        self._recipe = recipe
        if recipe.set_points_mw is not None and (problem := self._problem_of_all(recipe.set_points_mw)):
            raise BadRecipe(f"{problem} Name others with --set-points.")

    def prepare(self) -> tuple[float, ...]:
        """Warn of the light, wait for a typed yes, ask for the powers if none are named, and find the devices."""
        self._person.say(GOGGLES)
        if self._person.ask(f"Type yes when that is done, and {self.name} may light up:").lower() != "yes":
            self._person.say(f"{self.name} is left out.")
            return ()
        settings = self._recipe.set_points_mw or self._ask_settings()
        self._bench.identify(self._line, self.name, max(settings))
        return settings

    def _ask_settings(self) -> tuple[float, ...]:
        most_mw = self._head.power_mw
        usual = tuple(round(share * most_mw, 2) for share in SHARES) if most_mw else ()
        hint = f"; Enter: {', '.join(f'{each:g}' for each in usual)}" if usual else ", such as 5, 10, 20, 40"
        while True:
            answer = self._person.ask(f"Powers at the head in mW, with commas between{hint}:")
            parts = [number(part) for part in answer.split(",")] if answer else list(usual)
            settings = tuple(part for part in parts if part is not None)
            if len(settings) != len(parts):
                self._person.say(f"{answer!r} are no numbers: write them with points, and commas between.")
            elif problem := self._problem_of_all(settings):
                self._person.say(problem)
            else:
                return settings

    def _problem_of_all(self, settings: tuple[float, ...]) -> str:
        for problem in filter(None, map(self.problem, settings)):
            return problem
        if len(set(settings)) < LEAST_SETTINGS:
            return f"{self.name} needs {LEAST_SETTINGS} different powers at least."
        return ""

    def problem(self, setting: float) -> str:
        """Return why the head cannot be set to ``setting`` milliwatts; empty if it can."""
        low_mw, high_mw = SET_POINTS_MW
        return "" if low_mw <= setting <= high_mw else f"{setting:g} mW is no power: {low_mw:g} to {high_mw:g} mW are."

    def measure(self, setting: float, place: str) -> HeadPoint | None:
        """Light the head and ask what the meter shows, until the person has read it."""
        seconds = self._bench.light_ns(self._line) / NS_PER_S
        while True:
            answer = self._person.ask(
                f"{place} {self.name} at {setting:g} mW: light for {seconds:g} s while you read the meter. "
                "Press Enter (or type skip):"
            ).lower()
            if answer == "skip":
                return None
            if answer:
                continue
            done = self._bench.shine(self.name, self._line, setting)
            if done.trouble:
                self._person.say(f"The light does not count; it is off and disarmed. {done.trouble}")
                continue
            self._person.say(f"The light was on for {done.mean_ms / 1000:.2f} s, by the device's own edges; it is off.")
            tip_mw = self._ask_tip_mw(setting)
            if tip_mw is not None:
                return HeadPoint(set_mw=setting, tip_mw=tip_mw)

    def _ask_tip_mw(self, setting: float) -> float | None:
        """Return the meter's reading, or None if the person wants the light again."""
        while True:
            answer = self._person.ask("Milliwatts at the fibre's tip (or type again, for the light):").lower()
            if answer == "again":
                return None
            tip_mw = number(answer)
            if tip_mw is None:
                self._person.say(f"{answer!r} is no number: write milliwatts alone, such as 7.5.")
            elif tip_mw <= 0:
                self._person.say("No light reached the meter: is the tip in it, its range right, the shutter open?")
            elif tip_mw > METER_ERROR * setting:
                self._person.say(
                    f"{tip_mw:g} mW at the tip is more than the {setting:g} mW at the head. Are these milliwatts, "
                    "and is the meter set to this wavelength and zeroed?"
                )
            else:
                return tip_mw

    def entry(self, points: tuple[HeadPoint, ...]) -> HeadEntry:
        """Return the calibration that these points make."""
        recipe = self._recipe
        feeds: Literal["laser_a", "laser_b"] = "laser_a" if self._line == Line.LASER_A else "laser_b"
        return HeadEntry(device=self.name, feeds=feeds, date=recipe.date, by=recipe.by, note=recipe.note, points=points)


def heads_of(rig: rigfile.Rig, line: str | None, device: str | None) -> list[str]:
    """Return the laser heads to calibrate: the named one, all if nothing is; raises BadRecipe for another."""
    heads = [name for name, described in rig.devices.items() if described.feeds is not None]
    if device is not None and device not in heads:
        known = f"its heads are {', '.join(heads)}" if heads else "it has none (a head says what it feeds)"
        raise BadRecipe(f"{device} is no laser head of this rig; {known}.")
    if device is not None:
        return [device]
    return [] if line is not None else heads

"""Calibrating a reward valve: a vial under the spout, many openings of one length, the weight of what came out."""

from typing import Final

from controller import rigfile
from controller.calibration import VALVES
from controller.calibration.bench import Bench
from controller.calibration.points import ValveEntry, ValvePoint
from controller.calibration.walk import LEAST_SETTINGS, BadRecipe, Person, Recipe, number
from realtime.records import NS_PER_MS, NS_PER_S, Line

DURATIONS_MS: Final = (10, 20, 40, 80)
PLAUSIBLE_UL: Final = (0.01, 100.0)


class ValveSubject:
    """A reward valve.

    Raises
    ------
    BadRecipe
        If the valve may not be open for as long as the recipe says, or there are too few openings in it.
    """

    def __init__(self, rig: rigfile.Rig, line: Line, bench: Bench, person: Person, recipe: Recipe) -> None:
        self.name = line.name.lower()
        self._valve: rigfile.Valve = getattr(rig.lines, self.name)
        self._line = line
        self._bench = bench
        self._person = person
        self._recipe = recipe
        self._settings = self._durations()

    def _durations(self) -> tuple[float, ...]:
        asked = self._recipe.durations_ms
        if asked is None:
            durations = tuple(float(each) for each in DURATIONS_MS if not self.problem(each))
        else:
            durations = tuple(float(each) for each in asked)
            for problem in filter(None, map(self.problem, durations)):
                raise BadRecipe(f"{problem} Name others with --durations.")
        if len(set(durations)) < LEAST_SETTINGS:
            raise BadRecipe(
                f"{self.name}: {len(set(durations))} opening times are too few; name {LEAST_SETTINGS} different ones, "
                f"up to its max_on_ms, {self._valve.max_on_ms}: --durations 10,20,40,80"
            )
        return durations

    def prepare(self) -> tuple[float, ...]:
        """Find the devices; ask nothing."""
        self._bench.identify(self._line)
        self._person.say(
            f"{self.name}: {len(self._settings)} opening times, {self._recipe.pulses} openings each. Fill its line "
            "until no bubble leaves the spout, and let the liquid stand as high as in a session."
        )
        return self._settings

    def problem(self, setting: float) -> str:
        """Return why the valve cannot be opened for ``setting`` milliseconds; empty if it can."""
        longest_ms = min(self._valve.max_on_ms, self._valve.on_per_minute_s * 1000 - 1)
        if setting != int(setting) or setting < 1:
            return f"{setting:g} ms is no opening time: it must be a whole number of ms, 1 at least."
        if setting > longest_ms:
            return f"{setting:g} ms is longer than {self.name} may be open, {longest_ms:g} ms (rig file)."
        return ""

    def measure(self, setting: float, place: str) -> ValvePoint | None:
        """Open the valve into a vial and ask for the weight, until the person has one."""
        duration_ms, pulses = int(setting), self._recipe.pulses
        seconds = pulses * self._bench.period_ns(self._line, duration_ms * NS_PER_MS) / NS_PER_S
        while True:
            answer = self._person.ask(
                f"{place} {self.name}, {pulses} x {duration_ms} ms, about {seconds:.0f} s: weigh an empty vial, put it "
                "under the spout, press Enter (or type skip):"
            ).lower()
            if answer == "skip":
                return None
            if answer:
                continue
            done = self._bench.open_valve(self._line, duration_ms, pulses)
            if done.trouble:
                self._person.say(
                    f"Stopped after {done.count} of {pulses} openings, so this vial does not count. {done.trouble}"
                )
                continue
            self._person.say(
                f"{done.count} of {pulses} openings reported by the device, {done.mean_ms:.2f} ms on average."
            )
            grams = self._ask_grams(pulses)
            if grams is not None:
                return ValvePoint(duration_ms=duration_ms, opened_ms=round(done.mean_ms, 3), pulses=pulses, grams=grams)

    def _ask_grams(self, pulses: int) -> float | None:
        """Return the weight of the liquid, or None if the person wants another vial."""
        low_ul, high_ul = PLAUSIBLE_UL
        while True:
            answer = self._person.ask("Grams of liquid in the vial (or type again, for a new vial):").lower()
            if answer == "again":
                return None
            grams = number(answer)
            if grams is None:
                self._person.say(f"{answer!r} is no number: write grams alone, such as 0.412.")
            elif grams <= 0:
                self._person.say("The liquid must weigh more than nothing: subtract the empty vial from the full one.")
            elif not low_ul <= (ul := 1000 * grams / self._recipe.density_g_per_ml / pulses) <= high_ul:
                self._person.say(
                    f"{grams:g} g would be {ul:.4g} µl per opening; {low_ul:g} to {high_ul:g} µl is plausible. "
                    "Are these grams, not milligrams, and without the vial?"
                )
            else:
                return grams

    def entry(self, points: tuple[ValvePoint, ...]) -> ValveEntry:
        """Return the calibration that these points make."""
        recipe = self._recipe
        return ValveEntry(
            line="valve_a" if self._line == Line.VALVE_A else "valve_b",
            date=recipe.date,
            by=recipe.by,
            note=recipe.note,
            density_g_per_ml=recipe.density_g_per_ml,
            points=points,
        )


def valves_of(line: str | None, device: str | None) -> list[Line]:
    """Return the valves to calibrate: the named one, all if nothing is; raises BadRecipe for another."""
    valves = {each.name.lower(): each for each in VALVES}
    if line is not None and line not in valves:
        raise BadRecipe(f"{line} is no valve: name {' or '.join(valves)}.")
    if line is not None:
        return [valves[line]]
    return [] if device is not None else list(valves.values())

"""What is kept of a calibration: points, entries, and the words for what they are.

An entry is one calibration of one valve, or of one laser head with its fibre: when, by whom, and every point.
Volumes are means of many openings: grams / density / openings. Settings are what the host commands: milliseconds of
opening, milliwatts at the head.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from realtime.errors import DuettoError

S_PER_DAY: Final = 86_400.0

Positive = Annotated[float, Meta(gt=0, le=1e6)]
Date = Annotated[datetime, Meta(tz=True)]


class CalibrationError(DuettoError):
    """A calibration cannot be made, kept or used."""


class NotIncreasing(CalibrationError):
    """A larger setting did not give more, so no setting can be told from what is wanted."""


class OutsideCalibration(CalibrationError):
    """A value was asked for that lies outside the calibrated range."""


class NotCalibrated(CalibrationError):
    """A volume or power was asked for, and there is no calibration of that valve or head."""


class DamagedCalibration(CalibrationError):
    """The calibration's file cannot be read."""


class CalibrationNotWritten(CalibrationError):
    """The calibration's file cannot be written."""


class CalibrationRefused(CalibrationError):
    """A rig asks for what its calibration does not allow.

    Attributes
    ----------
    problems : tuple of str
        Every problem, a sentence each.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        """Return the sentences, one a line."""
        return "\n".join(self.problems)


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a curve's numbers are, for sentences.

    Attributes
    ----------
    setting, output
        Units of what is set and of what it gives.
    wanted
        What a person calls the output.
    options
        Of ``duetto calibrate``: the one that names what is calibrated, and the one that names the settings.
    check
        What to check where more of the one did not give more of the other.
    """

    setting: str
    output: str
    wanted: str
    options: tuple[str, str]
    check: str


VOLUME: Final = Quantity(
    "ms",
    "µl",
    "volume",
    ("--line", "--durations"),
    "for an air bubble, an empty reservoir, weights written down in the wrong order, and openings too short for this "
    "valve",
)
POWER: Final = Quantity(
    "mW at the head",
    "mW at the tip",
    "power",
    ("--device", "--set-points"),
    "that the fibre sits fast, the tip points into the meter, and the head reaches that power",
)


class ValvePoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One weighed vial: so many openings of one length."""

    duration_ms: Annotated[float, Meta(ge=1, le=2000)]
    """What was commanded."""
    opened_ms: Positive
    """Mean opening as the device reported it by its edges."""
    pulses: Annotated[int, Meta(ge=1, le=1_000_000)]
    grams: Positive


class HeadPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One reading of the power meter."""

    set_mw: Positive
    """What the head was set to."""
    tip_mw: Positive
    """What the meter showed at the fibre's tip."""


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When a calibration was made and by whom."""

    date: Date
    by: str = ""
    note: str = ""

    def age_days(self, now: datetime) -> float:
        """Return how old it is at ``now``, which must have a time zone."""
        return (now - self.date).total_seconds() / S_PER_DAY


class ValveEntry(_Entry, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One calibration of one valve."""

    line: Literal["valve_a", "valve_b"]
    density_g_per_ml: Annotated[float, Meta(ge=0.5, le=2)]
    points: Annotated[tuple[ValvePoint, ...], Meta(min_length=2)]

    @property
    def name(self) -> str:
        """The rig's name of what was calibrated."""
        return self.line

    @property
    def quantity(self) -> Quantity:
        """Its words."""
        return VOLUME

    @property
    def settings(self) -> list[float]:
        """Commanded openings [ms], one per point."""
        return [point.duration_ms for point in self.points]

    @property
    def outputs(self) -> list[float]:
        """Mean volumes of one opening [µl], one per point."""
        # To a picogram, so that a volume that is a plain number on the screen is that number.
        return [round(1000.0 * point.grams / self.density_g_per_ml / point.pulses, 6) for point in self.points]

    @property
    def weights(self) -> list[float]:
        """How much each point counts: its openings."""
        return [float(point.pulses) for point in self.points]


class HeadEntry(_Entry, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One calibration of one laser head with its fibre."""

    device: str
    feeds: Literal["laser_a", "laser_b"]
    points: Annotated[tuple[HeadPoint, ...], Meta(min_length=2)]

    @property
    def name(self) -> str:
        """The rig's name of what was calibrated."""
        return self.device

    @property
    def quantity(self) -> Quantity:
        """Its words."""
        return POWER

    @property
    def settings(self) -> list[float]:
        """Powers at the head [mW], one per point."""
        return [point.set_mw for point in self.points]

    @property
    def outputs(self) -> list[float]:
        """Powers at the fibre's tip [mW], one per point."""
        return [point.tip_mw for point in self.points]

    @property
    def weights(self) -> list[float]:
        """How much each point counts: all alike."""
        return [1.0] * len(self.points)


Entry = ValveEntry | HeadEntry

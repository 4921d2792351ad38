"""The words of a laser head: the steps its driver takes with it, and what a make has to say (:class:`Head`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

from hardware.device import BadSettings, DeviceSettings
from hardware.heads.text_lines import Answer, Question

LEAST_MW: Final = 0.01
"""Smallest power; powers are sent in whole steps of it."""
POWER_TOLERANCE: Final = 0.02
"""A power read back may differ by this part of it, or by :data:`POWER_TOLERANCE_MW`."""
POWER_TOLERANCE_MW: Final = 0.1


class Reading(IntEnum):
    """What a step's answer says."""

    NOTHING = 0
    """That it was done; or, where the step says what it must read, a setting."""
    MODEL = 1
    SERIAL_NUMBER = 2
    FIRMWARE = 3
    LIMIT = 4
    """The head's highest power [mW]."""
    INTERLOCK = 5
    FAULT = 6
    STATE = 7
    EMISSION = 8
    """1: permitted."""
    MEASURED = 9
    """Power that the head measures [mW]."""
    IDENTITY = 10


@dataclass(frozen=True, slots=True)
class Step(Question):
    """A question to a head.

    Attributes
    ----------
    reads
        What its answer says.
    wanted
        What it must read, within ``tolerance``. None: anything.
    optional
        A head that does not know it is left alone with it.
    """

    reads: Reading = Reading.NOTHING
    wanted: float | str | None = None
    tolerance: float = 0.0
    optional: bool = False

    def satisfied(self, value: float | str | None) -> bool:
        """Whether ``value`` is what it must read."""
        if self.wanted is None or value == self.wanted:
            return True
        if isinstance(value, str) or isinstance(self.wanted, str) or value is None:
            return False
        return abs(value - self.wanted) <= self.tolerance


class Head(Protocol):
    """One make of laser head, for one driver.

    Attributes
    ----------
    make
        What it is, for sentences.
    ending
        What ends a line to it.
    identification
        Who it is, in the order to be asked.
    off, emission
        Forbid emission; ask whether it is permitted.
    switching_on
        Permit emission, then look at STATE and EMISSION.
    readings
        What was last read, for the methods below; kept by the driver.
    """

    make: str
    ending: bytes
    identification: tuple[Step, ...]
    off: Step
    emission: Step
    switching_on: tuple[Step, ...]
    readings: dict[Reading, float | str]

    def answer(self, line: str) -> Answer | None:
        """Return the answer that ``line`` completes, or None."""

    def mistaken(self) -> bool:
        """Whether what was read says that this is another device."""

    def configuration(self, power_mw: float) -> Sequence[Step]:
        """Return the steps that make it safe, set it, and read everything back."""

    def survey(self, power_mw: float) -> Sequence[Step]:
        """Return the steps that look at it; a STATE comes before the FAULT and the EMISSION."""

    def interlock(self) -> str:
        """Return what is wrong with the interlock, as the end of a sentence; empty: nothing."""

    def faults(self) -> frozenset[str]:
        """Return the head's faults, in words."""

    def late(self) -> str:
        """Return why a head that is on gives no light yet, as the end of a sentence; empty: it does."""

    def hint(self) -> str:
        """Return why a head may have stayed off, as the end of a sentence; empty: unknown."""


def power_of(settings: DeviceSettings) -> float:
    """Return the power of the head that ``settings`` describe [mW].

    Raises
    ------
    BadSettings
        If they say none, or give it lines, which a head does not have.
    """
    if settings.pins or settings.copies:
        raise BadSettings(
            f"{settings.name} is a laser head and has no lines. Give the laser's line to a board, and wire its TTL to "
            "the head."
        )
    power_mw = settings.power_mw
    if power_mw is None or not LEAST_MW <= power_mw < float("inf"):
        raise BadSettings(f"{settings.name}: power_mw is {power_mw}; a laser head needs at least {LEAST_MW:g} mW.")
    return round(power_mw, 2)


def power_tolerance_mw(power_mw: float) -> float:
    """Return by how much a power may read back differently [mW]."""
    return max(POWER_TOLERANCE_MW, POWER_TOLERANCE * power_mw)


def shown(value: float | str | None) -> str:
    """Return a value as people read it."""
    return f"{value:g}" if isinstance(value, float) else f"'{value}'"

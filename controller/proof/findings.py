"""What the proof says: one finding per property, with the worst case and the path to it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from controller.proof.path import Path
from realtime.records import ANIMALS


class Property(StrEnum):
    """What is proven of a task; the value is how people read it."""

    LEFT = "every state can be left"
    STOPPED = "a stop ends it from everywhere"
    SWITCHED_OFF = "pause and end switch everything off"
    ENDS = "every output ends by itself"
    LIGHT_PER_TRIAL = "light per trial"
    LIGHT_PER_MINUTE = "light per minute"
    LIGHT_WITH_PAUSES = "light per minute, pauses without end"
    VALVE_PER_MINUTE = "valve per minute"
    DEVICES = "every output has a device"


@dataclass(frozen=True, slots=True)
class Finding:
    """One property of a task.

    Attributes
    ----------
    holds
        Whether it is safe.
    says
        What was found; of what does not hold, which key or state to change.
    animals
        Whose outputs it is about.
    worst_s, limit_s
        The worst case and what is allowed, for what is measured; ``inf`` is without bound.
    path
        The path to the worst case, or to what is wrong.
    warning
        What a person should know although it holds.
    """

    what: Property
    holds: bool
    says: str
    animals: tuple[int, ...] = ()
    worst_s: float | None = None
    limit_s: float | None = None
    path: Path | None = None
    warning: str = ""

    @property
    def title(self) -> str:
        """Return the property, and whose outputs it is about."""
        return self.what + (f", {names(self.animals)}" if self.animals else "")

    @property
    def sentence(self) -> str:
        """Return what is wrong, where something is, so that it says itself what it is about."""
        return f"{self.title}: {self.says}" if self.animals else self.says

    @property
    def caution(self) -> str:
        """Return the warning, so that it says itself what it is about."""
        return f"{self.title}: {self.warning}" if self.animals and self.warning else self.warning


def names(animals: Iterable[int]) -> str:
    """Return animals by name: ``A and B``."""
    return " and ".join(ANIMALS[animal] for animal in animals)


def together(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings, those that say the same of both animals as one."""
    joined: list[Finding] = []
    for finding in findings:
        for place, other in enumerate(joined):
            if other.animals and _same(other, finding):
                joined[place] = replace(other, animals=other.animals + finding.animals)
                break
        else:
            joined.append(finding)
    return joined


def _same(one: Finding, other: Finding) -> bool:
    """Return whether two findings differ in the animals alone."""
    return replace(other, animals=one.animals, path=one.path) == one and str(other.path) == str(one.path)

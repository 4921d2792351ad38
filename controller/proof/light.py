"""The proof's findings about light and valves: per trial, per minute, with and without people who pause and resume."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from controller import rigfile
from controller.proof.findings import Finding, Property, together
from controller.proof.minute import Turn, table_of, worst_minute
from controller.proof.path import Path, most_in_a_minute, path_of
from controller.proof.routes import ENDLESS, MINUTE_NS, Router
from controller.proof.tables import itis_ns
from controller.proof.walk import Walk, lengths_ns
from realtime.clock import from_seconds
from realtime.records import ANIMALS, NS_PER_S, Line, Role, line_of

SHOWN_AGAIN: Final = 3
"""Times on within one trial that a path shows where they have no end."""


@dataclass(frozen=True, slots=True)
class Case:
    """The worst of one output, over every machine that switches it."""

    trial_ns: float
    """``inf`` where it has no bound."""
    trial_path: Path
    minute_ns: int
    minute_path: Path
    shown_ns: int | None
    """What the path of the minute shows, where the bound is higher than that by more than the loop's grace."""


def light_findings(walks: Sequence[Walk], rig: rigfile.Rig) -> list[Finding]:
    """Return what is found about light, of both animals."""
    findings = [finding for animal in range(len(ANIMALS)) for finding in _light_of(walks, rig, animal)]
    if not findings:
        return [Finding(Property.LIGHT_PER_TRIAL, True, "no light is planned", worst_s=0.0)]
    return sorted(together(findings), key=lambda finding: list(Property).index(finding.what))


def valve_findings(walks: Sequence[Walk], rig: rigfile.Rig) -> list[Finding]:
    """Return what is found about the valves' minute; the devices' own limit is told, not demanded."""
    return together(finding for animal in range(len(ANIMALS)) for finding in _valve_of(walks, rig, animal))


def case_of(walks: Sequence[Walk], line: Line, *, people: bool) -> Case | None:
    """Return the worst of one output, or None where nothing switches it on."""
    cases = [_case(walk, line, lengths_ns(walk)[line], people=people) for walk in walks if line in lengths_ns(walk)]
    if not cases:
        return None
    worst = max(cases, key=lambda case: case.minute_ns)
    return Case(
        trial_ns=sum(case.trial_ns for case in cases),
        trial_path=max(cases, key=lambda case: case.trial_ns).trial_path,
        minute_ns=min(MINUTE_NS, sum(case.minute_ns for case in cases)),
        minute_path=worst.minute_path,
        shown_ns=worst.shown_ns,
    )


def _case(walk: Walk, line: Line, length_ns: int, *, people: bool) -> Case:
    """Return the worst of one output that one machine switches."""
    router = Router(walk, line, length_ns, people=people)
    kinds = [router.of(kind) for kind in range(len(walk.kinds))]
    itis = itis_ns(walk.plan, walk.who)
    table = table_of(kinds, walk.row_kinds, itis, length_ns=length_ns, grace_ns=walk.plan.grace_ns)
    worst = worst_minute(table)
    minute_path = path_of(walk, kinds, worst.turns, line)
    shown_ns = most_in_a_minute(minute_path, length_ns)
    slack_ns = 2 * len(worst.turns) * walk.plan.grace_ns
    once_ns = [min(length_ns, kind.longest_ns + walk.plan.grace_ns) if kind.turns else 0 for kind in kinds]
    trial_ns = [
        math.inf if kind.turns >= ENDLESS and ns else float(kind.turns * ns)
        for kind, ns in zip(kinds, once_ns, strict=True)
    ]
    kind = max(range(len(kinds)), key=lambda number: trial_ns[number])
    row = int(np.argmax(walk.row_kinds == kind))
    again = (Turn(row, "again"),) * min(SHOWN_AGAIN, kinds[kind].turns - 1)
    return Case(
        trial_ns=trial_ns[kind],
        trial_path=path_of(walk, kinds, (Turn(row, "first"), *again) if trial_ns[kind] else (), line),
        minute_ns=worst.ns,
        minute_path=minute_path,
        shown_ns=None if shown_ns >= worst.ns - slack_ns else shown_ns,
    )


def _light_of(walks: Sequence[Walk], rig: rigfile.Rig, animal: int) -> Iterator[Finding]:
    line = line_of(Role.LASER, animal)
    alone, pauses = case_of(walks, line, people=False), case_of(walks, line, people=True)
    wiring = rig.lines.wired().get(line)
    if alone is None or pauses is None or not isinstance(wiring, rigfile.Laser):
        return
    yield _per_trial(alone, pauses, rig, animal)
    yield _per_minute(alone, rig, animal, wiring)
    yield _with_pauses(pauses, rig, animal, wiring)


def _per_trial(alone: Case, pauses: Case, rig: rigfile.Rig, animal: int) -> Finding:
    limit_s = rig.limits.light_per_trial_s
    case = alone if alone.trial_ns >= pauses.trial_ns else pauses
    holds = case.trial_ns <= from_seconds(limit_s)
    says = "whatever anybody does"
    if case.trial_ns == math.inf:
        says = (
            "light comes again and again within one trial: let no path lead back to where it starts without a new trial"
        )
    elif not holds:
        says = (
            f"it can be {_seconds(case.trial_ns)} in one trial, and [limits] light_per_trial_s allows {limit_s:g} s: "
            "lower [inhibition] max_s, or raise light_per_trial_s"
        )
    worst_s = case.trial_ns / NS_PER_S
    return Finding(Property.LIGHT_PER_TRIAL, holds, says, (animal,), worst_s, limit_s, case.trial_path)


def _per_minute(case: Case, rig: rigfile.Rig, animal: int, wiring: rigfile.Laser) -> Finding:
    limit_s, cut_s = rig.limits.light_per_minute_s, wiring.on_per_minute_s
    holds = case.minute_ns <= from_seconds(limit_s)
    says, warning = "whatever the animals do" + _shown(case), ""
    if not holds:
        says = (
            f"it can be {_seconds(case.minute_ns)} in a minute, and [limits] light_per_minute_s allows {limit_s:g} s: "
            "lower [inhibition] max_s or fraction, raise min_plain_between or [task] iti_min_s, or raise "
            "light_per_minute_s"
        )
    elif case.minute_ns > from_seconds(cut_s):
        warning = (
            f"the device cuts it at {cut_s:g} s a minute, which trials can reach: raise on_per_minute_s of the laser "
            "in [lines], or plan less light"
        )
    worst_s = case.minute_ns / NS_PER_S
    return Finding(Property.LIGHT_PER_MINUTE, holds, says, (animal,), worst_s, limit_s, case.minute_path, warning)


def _with_pauses(case: Case, rig: rigfile.Rig, animal: int, wiring: rigfile.Laser) -> Finding:
    """People who pause and resume skip trials without light: the task keeps the limit, or else the device must."""
    limit_s, cut_s = rig.limits.light_per_minute_s, wiring.on_per_minute_s
    kept = case.minute_ns <= from_seconds(limit_s)
    holds = kept or cut_s <= limit_s
    says = "however often people pause and resume" + _shown(case)
    if holds and not kept:
        says = f"the device itself cuts it at on_per_minute_s = {cut_s:g}" + _shown(case)
    elif not holds:
        says = (
            f"it can be {_seconds(case.minute_ns)} in a minute, and [limits] light_per_minute_s allows {limit_s:g} s: "
            f"write on_per_minute_s = {limit_s:g} for the laser in [lines], so that the device cuts it (now {cut_s:g})"
        )
    worst_s = case.minute_ns / NS_PER_S
    return Finding(Property.LIGHT_WITH_PAUSES, holds, says, (animal,), worst_s, limit_s, case.minute_path)


def _valve_of(walks: Sequence[Walk], rig: rigfile.Rig, animal: int) -> Iterator[Finding]:
    line = line_of(Role.VALVE, animal)
    wiring = rig.lines.wired().get(line)
    case = case_of(walks, line, people=True)
    if case is None or not isinstance(wiring, rigfile.Valve):
        return
    limit_s, warning = wiring.on_per_minute_s, ""
    if case.minute_ns > from_seconds(limit_s):
        warning = (
            f"the device shuts it at {limit_s:g} s a minute, which trials can reach: raise on_per_minute_s of the "
            "valve in [lines], or open it for less"
        )
    says = "earned rewards, whatever anybody does; those by hand come on top" + _shown(case)
    worst_s = case.minute_ns / NS_PER_S
    yield Finding(Property.VALVE_PER_MINUTE, True, says, (animal,), worst_s, limit_s, case.minute_path, warning)


def _shown(case: Case) -> str:
    """Return how much of the bound the path shows, where that is not all of it."""
    return "" if case.shown_ns is None else f"; a safe bound, of which the path shows {_seconds(case.shown_ns)}"


def _seconds(ns: float) -> str:
    return f"{ns / NS_PER_S:.4g} s"

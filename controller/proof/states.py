"""The proof's findings about states and commands: what can be left, what is switched off, what ends by itself."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from controller import rigfile
from controller.plan import Plan
from controller.proof.findings import Finding, Property
from controller.proof.path import Path, duration, path_to
from controller.proof.routes import Label, spread
from controller.proof.tables import itis_ns, leads
from controller.proof.walk import Move, Order, Situation, Walk, lengths_ns
from realtime.machine import Input
from realtime.records import NEVER_NS, NO_ROUTE, NS_PER_MS, Line, Role

_NO_HELP = frozenset({Input.STOP, Input.PAUSE})
"""What people do to end a state by force."""


def state_findings(walks: Sequence[Walk], rig: rigfile.Rig) -> Iterator[Finding]:
    """Yield what is found about states and commands: a finding for each violation, or one that there is none."""
    plan = walks[0].plan
    states = len({at.state for walk in walks for at in walk.moves})
    situations = sum(len(walk.moves) for walk in walks)
    walked = f"{states} states, {situations} situations, each input in each of them"
    yield from _or_well(_stuck(walks), Property.LEFT, walked)
    yield from _or_well(_deaf(walks), Property.STOPPED, f"each of {states} states leads to {_end(plan)} at once")
    yield from _or_well(
        _left_on(walks), Property.SWITCHED_OFF, "every output of the machine's animals is told to be off"
    )
    yield from _lengths(walks, rig)
    yield from _unrouted(walks)


def _or_well(violations: Iterable[Finding], which: Property, says: str) -> Iterator[Finding]:
    """Yield the violations, or that there is none."""
    none = True
    for violation in violations:
        none = False
        yield violation
    if none:
        yield Finding(which, True, says)


def _end(plan: Plan) -> str:
    return plan.state_names[plan.finished]


def _by_state(walk: Walk, situations: Iterable[Situation]) -> dict[str, Situation]:
    """Return one situation for each state of some."""
    found: dict[str, Situation] = {}
    for situation in situations:
        found.setdefault(walk.plan.state_names[situation.state], situation)
    return found


# Every state can be left.


def _stuck(walks: Sequence[Walk]) -> Iterator[Finding]:
    """Yield a finding for each state from which only force leads to the end, and each circle without time."""
    plan = walks[0].plan
    told: set[str] = set()
    for walk in walks:
        stuck = _by_state(walk, (at for at in walk.moves if at not in _ending(walk)))
        for name, situation in stuck.items():
            if name not in told:
                told.add(name)
                says = (
                    f"{name} never leads to {_end(plan)} unless a person pauses or stops: lead one of its inputs, "
                    "or its TIMER, on towards the next trial"
                )
                yield Finding(Property.LEFT, False, says, path=path_to(walk, situation))
        if circle := _circle(walk):
            names = " → ".join(plan.state_names[move.source.state] for move in circle)
            if names not in told:
                told.add(names)
                says = f"{names} is a circle in which no time passes: let one of these states last longer than 0"
                yield Finding(Property.LEFT, False, says, path=path_to(walk, circle[0].source))


def _ending(walk: Walk) -> set[Situation]:
    """Return the situations from which the end is reached without force."""
    before: dict[Situation, list[Situation]] = {}
    for move in walk.every_move():
        if move.code not in _NO_HELP:
            before.setdefault(move.target, []).append(move.source)
    waiting = [at for at in walk.moves if at.state == walk.plan.finished]
    found = set(waiting)
    while waiting:
        for source in before.get(waiting.pop(), ()):
            if source not in found:
                found.add(source)
                waiting.append(source)
    return found


def _circle(walk: Walk) -> list[Move]:
    """Return deadlines that lead in a circle, all due at once and without a new trial; empty where there are none."""
    itis_pass = bool((itis_ns(walk.plan, walk.who) > 0).all())
    at_once: dict[Situation, list[Move]] = {}
    for move in walk.every_move():
        takes_time = itis_pass if move.waits_iti else move.least_ns > 0
        if move.code == Input.TIMER and not takes_time and not move.loads:
            at_once.setdefault(move.source, []).append(move)
    for start in at_once:
        if circle := _back_to(start, at_once):
            return circle
    return []


def _back_to(start: Situation, moves: dict[Situation, list[Move]]) -> list[Move]:
    """Return moves that lead from a situation back to it; empty where none do."""
    ways: dict[Situation, list[Move]] = {start: []}
    waiting = [start]
    while waiting:
        at = waiting.pop()
        for move in moves.get(at, ()):
            if move.target == start:
                return [*ways[at], move]
            if move.target not in ways:
                ways[move.target] = [*ways[at], move]
                waiting.append(move.target)
    return []


# A stop and a pause are heard, and switch everything off.


def _deaf(walks: Sequence[Walk]) -> Iterator[Finding]:
    """Yield a finding for each state that a stop does not end at once."""
    plan = walks[0].plan
    told: set[str] = set()
    for walk in walks:
        deaf = (at for at in walk.moves if at.state != plan.finished and not _ends(plan, at.state))
        for name, situation in _by_state(walk, deaf).items():
            if name not in told:
                told.add(name)
                says = f"a stop does not end {name}: lead its STOP to {_end(plan)} (on={{…, **PEOPLE}})"
                yield Finding(Property.STOPPED, False, says, path=path_to(walk, situation))


def _ends(plan: Plan, state: int) -> bool:
    targets, certain = leads(plan, state, Input.STOP)
    return certain and set(targets) == {plan.finished}


def _left_on(walks: Sequence[Walk]) -> Iterator[Finding]:
    """Yield a finding for each state that a pause or the end leads to with an output on, or that ignores a pause."""
    plan = walks[0].plan
    entered: dict[int, int] = {}
    unheard: dict[int, int] = {}
    paths: dict[int, Path] = {}
    for walk in walks:
        still = _still_on(walk)
        for move in walk.every_move():
            state, left = move.target.state, still.get(move.target, 0)
            if left and (state == plan.finished or move.code == Input.PAUSE):
                entered[state] = entered.get(state, 0) | left
                paths.setdefault(state, path_to(walk, move.source, move))
        for at, left in still.items():
            if at.state not in {plan.finished, *entered} and not leads(plan, at.state, Input.PAUSE)[1]:
                unheard[at.state] = unheard.get(at.state, 0) | left
                paths.setdefault(at.state, path_to(walk, at))
    for state, on in entered.items():
        says = f"{plan.state_names[state]} is entered with {_lines(on)} on: give it the action OUTPUTS_OFF"
        yield Finding(Property.SWITCHED_OFF, False, says, path=paths[state])
    for state, on in unheard.items():
        says = (
            f"a pause, which is also what a lost device makes, does not end {plan.state_names[state]}, in which "
            f"{_lines(on)} can be on: lead its PAUSE to a state with OUTPUTS_OFF (on={{…, **PEOPLE}})"
        )
        yield Finding(Property.SWITCHED_OFF, False, says, path=paths[state])


def _still_on(walk: Walk) -> dict[Situation, int]:
    """Return which lines can still be on in each situation: those whose length may not be over when it is entered."""
    shortest_iti_ns = int(itis_ns(walk.plan, walk.who).min())
    found: dict[Situation, int] = {}
    for line, length_ns in lengths_ns(walk).items():
        begun = {(move.target, False): Label(0, ()) for move in walk.every_move() if move.switches_on(line)}
        labels = spread(walk.moves, begun, lambda move, line=line: move.keeps_on(line))  # type: ignore[misc]
        for (situation, waited), label in labels.items():
            if label.ns + shortest_iti_ns * waited < length_ns:
                found[situation] = found.get(situation, 0) | 1 << line
    return found


def _lines(on: int) -> str:
    return ", ".join(line.name for line in Line if on >> line & 1)


# Every output ends by itself, and has a device.


class _Length(NamedTuple):
    line: Line
    ns: int
    what: str
    key: str
    by_hand: bool = False


def _lengths(walks: Sequence[Walk], rig: rigfile.Rig) -> Iterator[Finding]:
    """Yield a finding for each command that is too long, has no end or no length."""
    plan = walks[0].plan
    wired = rig.lines.wired()
    violations, told = [], {}
    for length in _commanded(walks):
        if plan.arrays["routes"][length.line] == NO_ROUTE:
            continue
        wiring = wired.get(length.line)
        limit_ns = 0 if wiring is None or isinstance(wiring, rigfile.Input) else wiring.max_on_ms * NS_PER_MS
        if says := _wrong(length, limit_ns):
            violations.append(Finding(Property.ENDS, False, says, path=_first_on(walks, length)))
        told[f"{length.what} {duration(length.ns)}"] = length.ns
    yield from violations
    if not violations:
        longest = f"; {duration(max(told.values()))} after the last command nothing is on" if told else ""
        yield Finding(Property.ENDS, True, (", ".join(told) or "nothing is ever switched on") + longest)


def _commanded(walks: Sequence[Walk]) -> Iterator[_Length]:
    """Yield for how long outputs are switched on, by machines and by hand."""
    plan = walks[0].plan
    for walk in walks:
        for line, ns in sorted(lengths_ns(walk).items()):
            if line // 2 == Role.LASER:
                yield _Length(line, ns, "light", "[inhibition] max_s")
            else:
                yield _Length(line, ns, "an earned reward", "the earned reward in [reward]")
    for animal, ns in enumerate(plan.free_ns):
        yield _Length(
            Line(Line.VALVE_A + animal), ns, "a reward by hand", "the reward by hand in [reward]", by_hand=True
        )
    for line in (Line.LASER_A, Line.LASER_B):
        yield _Length(line, plan.test_ns, "a laser test by hand", "[inhibition] test_ms", by_hand=True)


def _first_on(walks: Sequence[Walk], length: _Length) -> Path | None:
    """Return a path to the command, unless it is given by hand."""
    for walk in walks if not length.by_hand else ():
        for move in walk.every_move():
            if any(order.line == length.line and order.length_ns == length.ns for order in move.orders):
                return path_to(walk, move.source, move)
    return None


def _wrong(length: _Length, limit_ns: int) -> str:
    """Return what is wrong with a length, and the way out; nothing if it is right."""
    name = length.line.name.lower()
    if length.ns >= NEVER_NS:
        return f"{length.what} on {name} has no end: give {length.key} a length"
    if length.ns <= 0:
        return f"{length.what} on {name} has no length ({duration(length.ns)}): give {length.key} one above 0"
    if length.ns > limit_ns:
        return (
            f"{length.what} on {name} lasts {duration(length.ns)}, longer than [lines] {name} max_on_ms = "
            f"{limit_ns // NS_PER_MS}: shorten {length.key}, or raise max_on_ms"
        )
    return ""


def _unrouted(walks: Sequence[Walk]) -> Iterator[Finding]:
    """Yield what is commanded although no device has it: logged, and never sent."""
    orders: set[Order] = {order for walk in walks for move in walk.every_move() for order in move.orders}
    lost = sorted({order.line for order in orders if order.length_ns > 0 and not order.routed and not order.sham})
    if not lost:
        yield Finding(Property.DEVICES, True, "every command that switches something on is sent")
        return
    named = " and ".join(line.name.lower() for line in lost)
    says = f"no device has {named}: its commands are logged and never sent"
    yield Finding(
        Property.DEVICES, True, says, warning=f"{says}; wire it in [lines], or plan no light with fraction = 0"
    )

"""What the picture of the box says: everything that is drawn, worked out from the scene. No Qt.

A mouse stands where it was last known to be and nowhere else: no path between two places is made up. Only edges that
the devices reported count. A brief edge stays visible for :data:`HELD_NS`, longer than a person's glance.
"""

from dataclasses import dataclass
from typing import Final, Literal

from gui.parts.machines import Badge, Flash, Ring, badge_of, flash_of, ring_of
from gui.scene import Scene
from realtime.records import ANIMALS, NO_ANIMAL, NS_PER_S, Line, Role, line_of

Place = Literal["poke", "water", "middle"]

HELD_NS: Final = 400_000_000
"""For how long an edge stays visible: 250 ms for the eye, and what it may have taken to get here."""
FRESH_NS: Final = 2 * NS_PER_S
"""Until then a mouse was seen just now."""
FADED_NS: Final = 10 * NS_PER_S
"""From then on it is drawn as faintly as a mouse of the past gets."""
FAINTEST: Final = 0.4
UNSEEN: Final = 0.3


@dataclass(frozen=True, slots=True)
class Signal:
    """A beam, lickometer, valve or laser.

    Attributes
    ----------
    wired
        Whether the rig has it.
    on
        What its newest edge says: beam broken, tongue at the spout, valve open, light on.
    shown
        Whether it is drawn as on: it is, or was switched on less than :data:`HELD_NS` ago.
    """

    wired: bool
    on: bool
    shown: bool


@dataclass(frozen=True, slots=True)
class Position:
    """Where a mouse is known to be.

    Attributes
    ----------
    place
        By which port; "middle" where it was never seen.
    x, y
        Of its nose, as shares of its half: x from the outer wall to the divider, y from the poke port's wall to the
        spout's.
    heading_deg
        Where it looks: 0 to the poke port's wall, 90 to the divider, 180 to the spout's wall.
    seen_ns
        When its newest edge there was [ns]; None where it was never seen.
    now
        Whether it is there now.
    """

    place: Place
    x: float
    y: float
    heading_deg: float
    seen_ns: int | None
    now: bool


PORT_X: Final = 0.3
POKE_Y: Final = 0.15
WATER_Y: Final = 0.85
_SPOTS: Final[dict[Place, tuple[float, float, float]]] = {
    "poke": (PORT_X, POKE_Y + 0.045, 0.0),
    "water": (PORT_X, WATER_Y - 0.045, 180.0),
    "middle": (0.6, 0.5, 90.0),
}


@dataclass(frozen=True, slots=True)
class Mouse:
    """One mouse: its letter and name, where it is, in words how that is known, how faintly it is drawn, its light."""

    letter: str
    name: str
    position: Position
    words: str
    strength: float
    fibre: bool
    light: Signal


@dataclass(frozen=True, slots=True)
class Half:
    """One animal's half. Badge and flash are those of its own machine; None where one machine judges the pair."""

    mouse: Mouse
    beam: Signal
    lick: Signal
    valve: Signal
    ring: Ring | None
    badge: Badge | None
    flash: Flash | None


@dataclass(frozen=True, slots=True)
class Chamber:
    """Everything that is drawn.

    Attributes
    ----------
    sentence
        Said instead of all the rest; empty where there is something to draw.
    halves
        Of A and B; empty without a session.
    badge, flash
        Of the machine that judges the pair; None where each animal has its own.
    lasers
        Whether there is any.
    armed
        Whether lasers are armed; None while that is not known.
    """

    sentence: str
    halves: tuple[Half, ...]
    badge: Badge | None
    flash: Flash | None
    lasers: bool
    armed: bool | None


def chamber_of(scene: Scene) -> Chamber:
    """Return what is drawn of a scene at its moment."""
    opening = scene.opening
    if opening is None:
        return Chamber("no session yet", (), None, None, lasers=False, armed=None)
    badges: dict[int, Badge] = {}
    flashes: dict[int, Flash | None] = {}
    rings: dict[int, Ring] = {}
    for machine, animal in enumerate(opening.machines):
        badges[animal] = badge = badge_of(scene, machine, animal)
        flashes[animal] = flash_of(scene, machine, badge)
        ring = ring_of(scene, machine, badge)
        if ring is not None:
            rings[ring.animal] = ring
    halves = tuple(
        Half(
            mouse=_mouse(scene, animal),
            beam=signal(scene, line_of(Role.POKE, animal)),
            lick=signal(scene, line_of(Role.LICK, animal)),
            valve=signal(scene, line_of(Role.VALVE, animal)),
            ring=rings.get(animal),
            badge=badges.get(animal),
            flash=flashes.get(animal),
        )
        for animal in range(len(ANIMALS))
    )
    return Chamber(
        sentence="",
        halves=halves,
        badge=badges.get(NO_ANIMAL),
        flash=flashes.get(NO_ANIMAL),
        lasers=any(opening.lasers),
        armed=None if scene.counts is None else scene.counts.armed,
    )


def position_of(scene: Scene, animal: int) -> Position:
    """Return where a mouse is known to be: at the port whose beam it breaks now, or where it was seen last."""
    best: tuple[bool, int, Place] | None = None
    places: tuple[tuple[Role, Place], ...] = ((Role.POKE, "poke"), (Role.LICK, "water"))
    for role, place in places:
        line = line_of(role, animal)
        since_ns = scene.on_since_ns.get(line)
        edges = [seen[line] for seen in (scene.last_on_ns, scene.last_off_ns) if line in seen]
        if edges:
            one = (since_ns is not None, max(edges) if since_ns is None else since_ns, place)
            best = one if best is None else max(best, one)
    if best is None:
        return Position("middle", *_SPOTS["middle"], seen_ns=None, now=False)
    now, seen_ns, place = best
    return Position(place, *_SPOTS[place], seen_ns=seen_ns, now=now)


def signal(scene: Scene, line: Line) -> Signal:
    """Return what a line shows at the scene's moment."""
    on = line in scene.on_since_ns
    last_ns = scene.last_on_ns.get(line)
    wired = scene.opening is not None and line.name.lower() in scene.opening.lines
    return Signal(wired, on, on or (last_ns is not None and scene.now_ns - last_ns < HELD_NS))


def ago(age_ns: int) -> str:
    """Return how long ago something was, in whole seconds, minutes or hours."""
    seconds = max(0, age_ns) // NS_PER_S
    if seconds < 60:
        return f"{seconds} s ago"
    return f"{seconds // 60} min ago" if seconds < 3600 else f"{seconds // 3600} h ago"


def _mouse(scene: Scene, animal: int) -> Mouse:
    opening = scene.opening
    position = position_of(scene, animal)
    words, strength = _seen(scene, position, animal)
    return Mouse(
        letter=ANIMALS[animal],
        name="" if opening is None else opening.subjects[animal],
        position=position,
        words=words,
        strength=strength,
        fibre=opening is not None and opening.lasers[animal],
        light=signal(scene, line_of(Role.LASER, animal)),
    )


def _seen(scene: Scene, position: Position, animal: int) -> tuple[str, float]:
    """Return in words how long ago a mouse was seen, and how strongly it is drawn, in steps of 0.05."""
    if position.seen_ns is None:
        return "not seen yet", UNSEEN
    role = Role.POKE if position.place == "poke" else Role.LICK
    if position.now or signal(scene, line_of(role, animal)).shown:
        return ("poking" if role == Role.POKE else "licking"), 1.0
    age_ns = scene.now_ns - position.seen_ns
    if age_ns < FRESH_NS:
        return "seen just now", 1.0
    faded = min(1.0, (age_ns - FRESH_NS) / (FADED_NS - FRESH_NS))
    return f"seen {ago(age_ns)}", round((1.0 - faded * (1.0 - FAINTEST)) * 20) / 20

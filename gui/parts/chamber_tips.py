"""What the picture of the box says in words: to a person who points at something, and to a screen reader."""

from typing import Final

from gui.parts.chamber import Chamber, Half, ago
from gui.parts.machines import Badge
from gui.scene import Scene
from realtime.records import ANIMALS, Line, Role, line_of

_EDGES: Final = {
    Role.POKE: ("beam", "broken", "free", "broken"),
    Role.LICK: ("lickometer", "licked", "free", "licked"),
    Role.VALVE: ("valve", "open", "closed", "opened"),
    Role.LASER: ("laser", "on", "off", "on"),
}
"""A line's name, its two states, and what is said of when it was switched on last."""
DIVIDER: Final = "The perforated transparent divider: the animals see and smell each other through it."
ARMED: Final = "Whether lasers are armed: only then does a laser obey. Light is drawn when a laser itself reports it."


def tip_of(scene: Scene, chamber: Chamber, name: str) -> str:
    """Return what is said of one of :data:`~gui.parts.chamber_layout.REGIONS`; empty where there is nothing to say."""
    what, _, letter = name.partition("_")
    if what in ("divider", "armed"):
        return DIVIDER if what == "divider" else (ARMED if chamber.lasers else "")
    if not chamber.halves:
        return ""
    animal = 1 if letter == "b" else 0
    half = chamber.halves[animal]
    if what == "badge":
        badge = chamber.badge if chamber.badge is not None else half.badge
        return "" if badge is None else _of_badge(badge)
    if what == "mouse":
        return "\n".join(_of_mouse(scene, animal, half))
    roles = (Role.POKE,) if what == "poke" else (Role.LICK, Role.VALVE)
    return "\n".join(_of_line(scene, line_of(role, animal)) for role in roles)


def words_of(chamber: Chamber) -> str:
    """Return the whole picture in sentences."""
    if chamber.sentence:
        return chamber.sentence
    badges = [badge for badge in (chamber.badge, *(half.badge for half in chamber.halves)) if badge is not None]
    said = [_of_badge(badge) for badge in badges]
    for half in chamber.halves:
        light = ", light on" if half.mouse.light.on else ""
        said.append(f"{half.mouse.letter} ({half.mouse.name}): {half.mouse.words}{light}.")
    if chamber.lasers and chamber.armed is not None:
        said.append("Lasers are armed." if chamber.armed else "Lasers are disarmed.")
    return " ".join(said)


def _of_line(scene: Scene, line: Line) -> str:
    """Return where a line is wired, what it is now, and when it was on last."""
    noun, on, off, last = _EDGES[Role(line // 2)]
    wired = "" if scene.opening is None else scene.opening.lines.get(line.name.lower(), "")
    if not wired:
        return f"{ANIMALS[line % 2]}'s {noun}: this rig has none."
    begun_ns, ended_ns = scene.last_on_ns.get(line), scene.last_off_ns.get(line)
    parts = [f"{ANIMALS[line % 2]}'s {noun} ({line.name.lower()}, {wired}): {on if line in scene.on_since_ns else off}"]
    if begun_ns is None:
        parts.append(f"never {last} yet")
    else:
        parts.append(f"last {last} {ago(scene.now_ns - begun_ns)}")
    if ended_ns is not None and line not in scene.on_since_ns:
        parts.append(f"{off} since {ago(scene.now_ns - ended_ns).removesuffix(' ago')}")
    return "; ".join(parts) + "."


def _of_mouse(scene: Scene, animal: int, half: Half) -> list[str]:
    """Return who a mouse is and how it is known where it is."""
    mouse = half.mouse
    said = [f"{mouse.letter}, {mouse.name}: {mouse.words}. It is drawn where its beam or spout last showed it to be."]
    if mouse.fibre:
        said.append(_of_line(scene, line_of(Role.LASER, animal)))
    return said


def _of_badge(badge: Badge) -> str:
    """Return what a machine is at, in a sentence."""
    whose = f"{ANIMALS[badge.animal]}: " if badge.animal in (0, 1) else ""
    trial = f", {badge.trial}" if badge.trial else ""
    state = f" (state {badge.state})" if badge.state else ""
    return f"{whose}{badge.words}{trial}{state}."

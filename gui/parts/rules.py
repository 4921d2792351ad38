"""Why a session would refuse what a person asks, as far as this window knows.

The session decides; this only spares a person the question, and says the way out beside the button.
"""

from typing import Final, Literal

from controller.messages import Verb
from gui.parts.words import has_ended, is_paused
from gui.scene import Scene
from realtime.records import ANIMALS

NEED_DEVICES: Final[tuple[Verb, ...]] = ("start", "resume", "reward", "laser", "arm")
"""What is refused while a device is away."""


def why_not(scene: Scene, verb: Verb, animal: Literal["A", "B"] | None = None) -> str:
    """Return why ``verb`` cannot be asked now, and the way out; empty if it can."""
    if scene.opening is None:
        return "there is no session yet"
    if scene.opening.mode == "REPLAY":
        return "this is a replay: nothing can be given"
    if has_ended(scene):
        return "the session has ended"
    standing = scene.standing
    if standing is None:
        return "the session has not said yet how it stands"
    if standing.phase != "running":
        return f"the session is {standing.phase}; wait until it runs"
    if verb in NEED_DEVICES and standing.away:
        return f"{', '.join(standing.away)} is not ready; wait until it is back"
    return _why_no_light(scene, animal) if verb == "laser" else ""


def _why_no_light(scene: Scene, animal: Literal["A", "B"] | None) -> str:
    """Return why no laser may be tested now: only between trials, and only while armed."""
    if scene.opening is None or animal is None or not scene.opening.lasers[ANIMALS.index(animal)]:
        return f"{animal or 'nobody'} has no laser"
    if scene.counts is None or not scene.counts.armed:
        return "the lasers are not armed; arm them first"
    return "" if is_paused(scene) else "a laser test would be light in a trial; pause first"

"""What each machine of a session is at, in words: its state, trial and window, and how its last trial ended."""

from dataclasses import dataclass
from typing import Final, Literal

from gui.scene import Scene
from realtime.records import ANIMALS, NO_ANIMAL, NS_PER_S, Outcome

Tone = Literal["quiet", "waiting", "window", "success", "miss", "omission", "paused"]

FLASH_NS: Final = 1_400_000_000
FLASH_FADES_NS: Final = 900_000_000
"""How long an outcome's mark stands, and from when it fades."""
FIRST: Final = "_FIRST"
"""How the name of a state ends that a first poke enters; before it stands whose it was."""
STATE_WORDS: Final[dict[str, tuple[str, Tone]]] = {
    "IDLE": ("not started", "quiet"),
    "ITI": ("between trials", "quiet"),
    "READY": ("waiting", "waiting"),
    "LIT": ("waiting, shared state high", "waiting"),
    "CALM": ("waiting, shared state fell", "waiting"),
    "REWARD": ("success", "success"),
    "SUCCESS": ("success", "success"),
    "MISS": ("miss", "miss"),
    "OMISSION": ("omission", "omission"),
    "PAUSED": ("paused", "paused"),
    "FINISHED": ("finished", "quiet"),
}
"""What the states of the house's tasks mean to a person; a task's other states are shown by their names."""
OUTCOMES: Final[dict[Tone, Outcome]] = {
    "success": Outcome.SUCCESS,
    "miss": Outcome.MISS,
    "omission": Outcome.OMISSION,
}
NEXT: Final = "ITI"
"""The state before a trial."""
NO_TRIAL: Final = ("IDLE", "PAUSED", "FINISHED")


@dataclass(frozen=True, slots=True)
class Ring:
    """What is left of the window: whose first poke opened it, as a share of 1, and in words."""

    animal: int
    share: float
    words: str


@dataclass(frozen=True, slots=True)
class Badge:
    """What a machine is at: its state by name and in words, how it is coloured, who was first, and which trial."""

    animal: int
    state: str
    words: str
    tone: Tone
    first: int
    trial: str


@dataclass(frozen=True, slots=True)
class Flash:
    """An outcome that has just come, and how strongly its mark is drawn, 0 to 1."""

    outcome: Outcome
    strength: float


def badge_of(scene: Scene, machine: int, animal: int) -> Badge:
    """Return what a machine is at."""
    opening, entered = scene.opening, scene.states.get(machine)
    if opening is None or entered is None:
        return Badge(animal, "", "not started", "quiet", NO_ANIMAL, "")
    state, _ = entered
    name = opening.states[state]
    first = ANIMALS.index(name[0]) if name.endswith(FIRST) and name[:1] in ANIMALS else NO_ANIMAL
    words, tone = STATE_WORDS.get(name, (name.lower().replace("_", " "), "quiet"))
    if first != NO_ANIMAL:
        words, tone = f"window open, {ANIMALS[first]} was first", "window"
    return Badge(animal, name, words, tone, first, _trial(scene, machine, name))


def _trial(scene: Scene, machine: int, name: str) -> str:
    """Return which trial it is, or after which."""
    if name == NEXT:
        return f"trial {scene.trials[machine]} comes next"
    if name not in NO_TRIAL:
        return f"trial {scene.trials[machine]}"
    return f"after trial {scene.ended[machine][0]}" if machine in scene.ended else ""


def ring_of(scene: Scene, machine: int, badge: Badge) -> Ring | None:
    """Return what is left of the window that a first poke opened."""
    counts = scene.counts
    if badge.first == NO_ANIMAL or counts is None or counts.window_ns <= 0:
        return None
    passed_ns = max(0, scene.now_ns - scene.states[machine][1])
    left_ns = max(0, counts.window_ns - passed_ns)
    return Ring(badge.first, min(1.0, left_ns / counts.window_ns), f"{left_ns / NS_PER_S:.2f} s left")


def flash_of(scene: Scene, machine: int, badge: Badge) -> Flash | None:
    """Return the outcome that has just come: by the state it led to, or by the trial's row."""
    if badge.tone in OUTCOMES:
        outcome, t_ns = OUTCOMES[badge.tone], scene.states[machine][1]
    else:
        if machine not in scene.ended:
            return None
        _, code, t_ns = scene.ended[machine]
        outcome = Outcome(code)
    age_ns = max(0, scene.now_ns - t_ns)
    if age_ns >= FLASH_NS:
        return None
    fading = max(0.0, (age_ns - FLASH_FADES_NS) / (FLASH_NS - FLASH_FADES_NS))
    return Flash(outcome, round((1.0 - fading) * 10) / 10)

"""What a session's numbers are called: its mode, states, stage and times, in the words that the window uses."""

from typing import Final

from controller.messages.view import Opening
from gui.parts.figures import clock, clock_time
from gui.parts.trial_columns import alone
from gui.scene import Scene
from realtime.records import ANIMALS, NS_PER_S

WARNING: Final = "⚠ "
"""Stands before what a person has to see to."""
NONE_HEARD: Final = "not yet: no session has said anything"
NO_SESSION: Final = "not yet: no session is shown"
TIME_TIP: Final = "How long the task has been running, of the longest it may [min:s]."

ENDED_PHASES: Final = ("ending", "ended")
NO_WINDOW: Final = "no window: each animal is judged alone"
PAUSED: Final = "PAUSED"
FINISHED: Final = "FINISHED"
STATE_WORDS: Final = {
    "IDLE": "waits for its start",
    "ITI": "between trials",
    "READY": "trial open",
    "LIT": "trial open, shared state high",
    "CALM": "trial open, shared state fell",
    "A_FIRST": "A was first",
    "B_FIRST": "B was first",
}
"""What is more than a state's name in small letters."""


def who_words(subjects: tuple[str, str], day: int) -> str:
    """Return who is in a session, and on which day of training."""
    a, b = subjects
    return f"A: {a}   B: {b}   day {day}"


def time_words(elapsed_s: float, minutes: float) -> str:
    """Return how long the task has been running, of the longest it may, such as ``8:05 of 30:00 min``."""
    return f"{clock(elapsed_s)} of {clock(60 * minutes)} min"


def clock_at(opening: Opening, t_ns: int) -> str:
    """Return what a clock on the wall showed at a moment of the session, such as ``12:03:05``."""
    return clock_time(opening.epoch_ns + t_ns - opening.start_ns)


def unbroken(text: str) -> str:
    """Return words in which no line ends between a number and its per cent sign."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def starting_words(phase: str) -> str:
    """Return that a session starts, and what it does meanwhile where it says so."""
    return f"{phase or 'starting'} …"


def to_correct(problems: int) -> str:
    """Return how much hinders a start, in words."""
    return f"{problems} thing{'s' if problems > 1 else ''} to correct"


def mode_of(scene: Scene) -> str:
    """Return what this is: LIVE, VIRTUAL, REPLAY, SETUP or ENDED; empty while nothing is known."""
    opening = scene.opening
    if opening is None:
        return "" if scene.setup is None else "SETUP"
    if opening.mode in ("LIVE", "VIRTUAL") and has_ended(scene):
        return "ENDED"
    return opening.mode


def is_setup(scene: Scene) -> bool:
    """Return whether a session is being set up and none has begun."""
    return scene.setup is not None and mode_of(scene) == "SETUP"


def has_ended(scene: Scene) -> bool:
    """Return whether the session is over, or ends just now."""
    finished = scene.counts is not None and scene.counts.finished
    return finished or (scene.standing is not None and scene.standing.phase in ENDED_PHASES)


def states_of(scene: Scene) -> list[str]:
    """Return the name of the state that each machine is in, as far as they are known."""
    opening = scene.opening
    if opening is None:
        return []
    numbers = [scene.states[who][0] for who in range(len(opening.machines)) if who in scene.states]
    if len(numbers) < len(opening.machines) and scene.counts is not None:
        numbers = list(scene.counts.states)
    return [opening.states[number] for number in numbers if number < len(opening.states)]


def is_paused(scene: Scene) -> bool:
    """Return whether every machine is paused."""
    return set(states_of(scene)) == {PAUSED}


def state_words(scene: Scene) -> str:
    """Return what the machines are doing, such as ``A: success, B: trial open``; empty while it is not known."""
    opening = scene.opening
    states = [STATE_WORDS.get(name, name.replace("_", " ").lower()) for name in states_of(scene)]
    if opening is None or not states:
        return ""
    if len(states) == 1:
        return states[0]
    return ", ".join(
        f"{ANIMALS[animal] if animal in (0, 1) else 'pair'}: {state}"
        for animal, state in zip(opening.machines, states, strict=False)
    )


def phase_words(scene: Scene) -> str:
    """Return the session's phase and state, such as ``running: trial open``."""
    phase = "" if scene.standing is None else scene.standing.phase
    return ": ".join(part for part in (phase, state_words(scene)) if part)


def stage_words(scene: Scene) -> str:
    """Return which stage of training the window is of, such as ``stage 1 of 3: window 3 s``; or why there is none."""
    opening, counts = scene.opening, scene.counts
    if opening is not None and alone(opening):
        return NO_WINDOW
    if opening is None or counts is None or not counts.window_ns:
        return "window: not yet"
    window = f"window {counts.window_ns / NS_PER_S:g} s"
    if opening.schedule == "fixed" or counts.window_ns not in opening.stages_ns:
        return f"{window}, fixed" if opening.schedule == "fixed" else window
    return f"stage {opening.stages_ns.index(counts.window_ns) + 1} of {len(opening.stages_ns)}: {window}"


def elapsed_s(scene: Scene) -> float:
    """Return for how long the task has been running at the moment that is drawn [s]; it stops with the last machine."""
    counts, opening = scene.counts, scene.opening
    if counts is None or opening is None or not counts.started_ns:
        return 0.0
    end_ns = scene.now_ns
    entered = [scene.states[who] for who in range(len(opening.machines)) if who in scene.states]
    if counts.finished and entered:
        end_ns = min(end_ns, max(t_ns for _, t_ns in entered))
    elif has_ended(scene) and scene.standing is not None:
        return scene.standing.elapsed_s
    return max(0, end_ns - counts.started_ns) / NS_PER_S

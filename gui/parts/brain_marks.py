"""What happened in the last minute of the task, as marks to draw over one animal's activity."""

from dataclasses import dataclass

from gui.scene import Scene
from gui.scene.spans import Span
from realtime.records import Role, line_of


@dataclass(frozen=True, slots=True)
class Marks:
    """Moments of the task.

    Attributes
    ----------
    first_pokes
        First pokes of trials: whose (0 A, 1 B), and when [ns].
    valve_ns
        When the animal's valve opened [ns].
    light
        When the animal's laser was on.
    """

    first_pokes: tuple[tuple[int, int], ...] = ()
    valve_ns: tuple[int, ...] = ()
    light: tuple[Span, ...] = ()


def marks_of(scene: Scene, animal: int, start_ns: int, end_ns: int) -> Marks:
    """Return the marks of a stretch of time [ns] for A (0) or B (1).

    A trial's first poke is known once the trial has ended, because only then is it known to have counted.
    """
    firsts = []
    for row in reversed(scene.rows):
        if row.end_ns < start_ns:
            break
        if row.first_ns is not None and row.first >= 0 and start_ns <= row.first_ns <= end_ns:
            firsts.append((row.first, row.first_ns))
    spans = scene.spans
    opened = spans.between(line_of(Role.VALVE, animal), start_ns, end_ns)
    lit = spans.between(line_of(Role.LASER, animal), start_ns, end_ns)
    return Marks(tuple(firsts), tuple(span.on_ns for span in opened if span.on_ns >= start_ns), tuple(lit))

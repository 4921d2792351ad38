"""How the window itself keeps up, as facts: what is slow here is slow on the screen and nowhere else."""

from typing import Final

from gui.parts import figures
from gui.parts.facts import Fact
from gui.parts.lamp import State
from gui.scene.own import Own

LATE_MS: Final = 500.0
"""A window that tells of things this late needs a look: people would act on what is past."""


def own_facts(own: Own | None) -> list[Fact]:
    """Return the window's own rate, lag and cost."""
    if own is None:
        return [Fact("", "not yet: the window has not measured itself")]
    trip = "no answer yet" if own.round_trip_ms is None else figures.milliseconds(own.round_trip_ms)
    dropped = figures.counted(own.dropped, "time") if own.dropped else "never"
    return [
        Fact("draws", figures.rate(own.frames_per_s), tip="How often the window draws."),
        Fact(
            "drawn late by",
            f"{figures.milliseconds(own.tick_late_p50_ms)}, at most {figures.milliseconds(own.tick_late_max_ms)}",
            _state(own.tick_late_max_ms),
            "How much later than due it drew over the last seconds: half of the drawings, and the worst.",
        ),
        Fact(
            "told late by",
            figures.milliseconds(own.behind_ms),
            _state(own.behind_ms),
            "The age of the newest thing it knows.",
        ),
        Fact("round trip", trip, tip="From a question to the session until its answer."),
        Fact(
            "fell behind",
            dropped,
            State.WARN if own.dropped else State.QUIET,
            "How often it did not keep up and was given everything anew.",
        ),
        Fact("processor", f"{figures.percent(own.cpu_share)} of a core", tip="What the window itself takes."),
    ]


def _state(ms: float) -> State:
    return State.WARN if ms > LATE_MS else State.QUIET

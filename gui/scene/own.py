"""How the window itself keeps up: measured by the main window, shown by a panel."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Own:
    """What the window has measured of itself over the last seconds.

    Attributes
    ----------
    frames_per_s
        How often it has drawn.
    tick_late_p50_ms, tick_late_max_ms
        By how much its drawings came later than they were due: half of them, and the worst.
    behind_ms
        How old the newest thing is that it has been told, when it is drawn.
    round_trip_ms
        How long a ping to the session and its answer took; None before the first answer.
    dropped
        How often it fell behind and was given everything anew.
    cpu_share
        Share of one core that its process has used, 0 to 1.
    """

    frames_per_s: float
    tick_late_p50_ms: float
    tick_late_max_ms: float
    behind_ms: float
    round_trip_ms: float | None
    dropped: int
    cpu_share: float

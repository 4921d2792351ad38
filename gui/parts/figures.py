"""Numbers as people read them: with their units, three figures, and a width that does not jump.

Everything that can be negative is written with the minus sign "−"; groups of thousands are set apart by a narrow space.
"""

from datetime import datetime
from typing import Final

from realtime.records import NS_PER_MS, NS_PER_S

NARROW: Final = "\u202f"
"""The space between groups of thousands."""
MINUS: Final = "−"
MINUTE_S: Final = 60
HOUR_S: Final = 3600
_SCALES: Final = ((1, "ns"), (1_000, "µs"), (NS_PER_MS, "ms"), (NS_PER_S, "s"))
_BYTES: Final = ("B", "kB", "MB", "GB", "TB", "PB")
_ROUNDS_UP: Final = 999.5
"""From here on, three figures of a number would be four."""


def three_figures(value: float) -> str:
    """Return a number with three figures and no power of ten: ``1.23``, ``12.3``, ``123``, ``1 234``."""
    size, sign = abs(value), MINUS if value < 0 else ""
    if size >= 99.95:
        return sign + count(round(size))
    return f"{sign}{size:.1f}" if size >= 9.995 else f"{sign}{size:.2f}"


def count(number: int) -> str:
    """Return a whole number, its thousands set apart: ``12 345``."""
    return f"{number:,}".replace(",", NARROW).replace("-", MINUS)


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number of things: ``1 event``, ``12 345 events``."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def duration(ns: float) -> str:
    """Return a duration in the unit that fits it: ``640 ns``, ``216 µs``, ``1.42 ms``, ``12.3 s``, ``4:31 min``."""
    size = abs(ns)
    if size >= MINUTE_S * NS_PER_S:
        return session_time(ns / NS_PER_S)
    if size < 1_000:
        return f"{count(round(ns))} ns"
    scale, unit = next((s, u) for s, u in _SCALES if size < _ROUNDS_UP * s or s == NS_PER_S)
    return f"{three_figures(ns / scale)} {unit}"


def milliseconds(ms: float) -> str:
    """Return a duration in ms whatever its size, for lines that are compared: ``0.4 ms``."""
    return f"{ms:.1f} ms".replace("-", MINUS)


def clock(seconds: float) -> str:
    """Return a span as a stop-watch shows it: ``4:31``, from an hour on ``1:04:31``; below zero it is zero."""
    minutes, rest = divmod(max(0, int(seconds)), MINUTE_S)
    if minutes < HOUR_S // MINUTE_S:
        return f"{minutes}:{rest:02d}"
    hours, minutes = divmod(minutes, MINUTE_S)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def precise(seconds: float) -> str:
    """Return the same with tenths: ``8:05.3``."""
    whole, tenth = divmod(max(0, round(10 * seconds)), 10)
    return f"{clock(whole)}.{tenth}"


def session_time(seconds: float) -> str:
    """Return a time since the session's start with its unit and sign: ``4:31 min``, ``1:04:31 h``, ``−0:12 min``."""
    sign = MINUS if seconds <= -1 else ""
    return f"{sign}{clock(abs(seconds))} {'min' if abs(seconds) < HOUR_S else 'h'}"


def lasting(seconds: float) -> str:
    """Return how long something will last, as exactly as that can be known: ``42 min``, ``6.2 h``, ``9 days``."""
    if seconds < 99.5 * MINUTE_S:
        return f"{seconds / MINUTE_S:.0f} min"
    hours = seconds / HOUR_S
    return f"{three_figures(hours)} h" if hours < 72 else f"{count(round(hours / 24))} days"


def clock_time(epoch_ns: int) -> str:
    """Return a Unix time [ns] as this computer's clock on the wall shows it: ``12:03:22``."""
    return f"{datetime.fromtimestamp(epoch_ns // NS_PER_S):%H:%M:%S}"


def size(n_bytes: float) -> str:
    """Return a number of bytes, in powers of 1000: ``512 B``, ``12.3 kB``, ``4.56 GB``."""
    scaled, unit = float(n_bytes), 0
    while scaled >= _ROUNDS_UP and unit < len(_BYTES) - 1:
        scaled, unit = scaled / 1000.0, unit + 1
    return f"{count(round(scaled)) if unit == 0 else three_figures(scaled)} {_BYTES[unit]}"


def byte_rate(bytes_per_s: float) -> str:
    """Return how fast bytes come: ``23.4 kB/s``."""
    return f"{size(bytes_per_s)}/s"


def rate(per_s: float) -> str:
    """Return how often something happens: ``20.0 Hz``."""
    return f"{three_figures(per_s)} Hz"


def percent(share: float) -> str:
    """Return a share (0 to 1) in percent; what is little but not nothing is not called 0: ``<1 %``."""
    if 0.0 < share < 0.005:
        return "<1 %"
    return f"{100.0 * share:.0f} %"


def offset(ns: int) -> str:
    """Return how far a clock is from another: ``12.3 s behind``, by how much later the other one reads [ns]."""
    return f"{abs(ns) / NS_PER_S:.1f} s {'behind' if ns >= 0 else 'ahead of'}"


def drift(ppb: int) -> str:
    """Return how far a clock's rate is off: ``12.3 ppm fast``, by how many parts the host's clock is the faster one."""
    if ppb == 0:
        return "no drift known"
    return f"{three_figures(abs(ppb) / 1000.0)} ppm {'slow' if ppb > 0 else 'fast'}"

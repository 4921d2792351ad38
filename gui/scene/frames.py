"""The activity of one animal's cells over the last minute, kept so that drawing it costs nothing.

A column is a period of the stream, so a missing frame is a gap and not a jump. Periods are told by the time from frame
to frame, in units of the middle one of the last intervals: jitter, and a rate that is not quite the declared one, make
neither gaps nor collisions, as long as a frame is less than half a period early or late.

Two rings are kept, a row of each for a column: the values, and their shades, in which each cell is measured by its own
mean and deviation over about the last minute. Their size is fixed when they are made.
"""

from collections import deque
from statistics import median_low
from typing import Final

import numpy as np
from numpy.typing import NDArray

from realtime.records import NS_PER_S

SECONDS: Final = 60
MOST_COLUMNS: Final = 3600
"""Streams faster than 60 frames/s are kept for less than a minute, so that no stream takes all memory."""
LOW_SD: Final = -1.0
HIGH_SD: Final = 4.0
"""What the darkest and the brightest shade stand for, in deviations of the cell's own activity."""
NO_FRAME: Final = 0
"""The shade of a period without a frame."""
DARKEST: Final = 1
BRIGHTEST: Final = 255
MEMORY_S: Final = 60.0
"""Over which the running mean and deviation forget."""
BACK_NS: Final = 2 * NS_PER_S
"""A frame further back than this is of another moment: somebody went back, and the rings begin anew."""
INTERVALS: Final = 31
"""Intervals whose middle one is the period."""
TRUSTED: Final = 5
"""For how many of them the declared rate stands at first."""
ANCHOR_EVERY: Final = 64
"""Columns from one time that is remembered for the columns' mean width to the next."""
RECEIVED_NS: Final = 5 * NS_PER_S
"""Over which frames per second are counted."""
_NO_TIME: Final = -(2**63)
_LEAST_VARIANCE: Final = 1e-30


class FrameRing:
    """The last minute of one animal's frames.

    Parameters
    ----------
    n_cells
        Values of a frame.
    rate_hz
        Frames per second, as declared.

    Attributes
    ----------
    width
        Columns that are kept.
    slot
        Number of the newest column, counted from the first frame; -1 before it.
    newest_ns
        When the newest frame is from [ns]; None before the first.
    revision
        Raised when columns changed that were there before: what was copied of them is to be copied again.
    frames
        Frames taken.
    late
        Frames among them that came after later ones, and were put where they belong.
    repeated
        Frames that were not taken, because their column was taken already or is gone.
    wrong_length
        Frames of another number of cells, which were not taken.
    """

    def __init__(self, n_cells: int, rate_hz: float) -> None:
        self.n_cells, self.rate_hz = n_cells, rate_hz
        self.width = min(MOST_COLUMNS, max(2, round(SECONDS * rate_hz)))
        self.frames = self.late = self.repeated = self.wrong_length = self.revision = 0
        self._shades = np.full((self.width, n_cells), NO_FRAME, np.uint8)
        self._values = np.full((self.width, n_cells), np.nan, np.float32)
        self._t_ns = np.full(self.width, _NO_TIME, np.int64)
        self._counts = np.zeros((self.width, 2), np.int64)
        self._begin()

    def _begin(self) -> None:
        """Hold nothing, know nothing."""
        self.slot = -1
        self.newest_ns: int | None = None
        self.revision += 1
        self._shades[:] = NO_FRAME
        self._values[:] = np.nan
        self._t_ns[:] = _NO_TIME
        self._counts[:] = 0
        period_ns = round(NS_PER_S / self.rate_hz)
        self._intervals = deque([period_ns] * TRUSTED, maxlen=INTERVALS)
        self._period_ns = period_ns
        self._anchors: deque[tuple[int, int]] = deque(maxlen=max(1, self.width // ANCHOR_EVERY))
        self._mean = np.zeros(self.n_cells)
        self._variance = np.zeros(self.n_cells)
        self._weight = np.zeros(self.n_cells)

    def add(self, t_ns: int, values: NDArray[np.float32]) -> None:
        """Take a frame: when it is from [ns], and its values, shape (n_cells,); NaN where a cell has none."""
        if values.size != self.n_cells:
            self.wrong_length += 1
            return
        if self.newest_ns is not None and t_ns < self.newest_ns - BACK_NS:
            self._begin()
        if self.newest_ns is None:
            self._go_on(1, t_ns)
        elif t_ns > self.newest_ns:
            interval_ns = t_ns - self.newest_ns
            self._intervals.append(interval_ns)
            self._period_ns = median_low(self._intervals)
            self._go_on(max(1, round(interval_ns / self._period_ns)), t_ns)
        else:
            self._go_back(t_ns, values)
            return
        self._write(self.slot, t_ns, values)
        self.frames += 1

    def _go_on(self, steps: int, t_ns: int) -> None:
        """Make a new newest column, and empty those that no frame came for."""
        self.slot += steps
        self.newest_ns = t_ns
        if not self._anchors or self.slot - self._anchors[-1][0] >= ANCHOR_EVERY:
            self._anchors.append((self.slot, t_ns))
        missed = min(steps - 1, self.width)
        if missed:
            places = np.arange(self.slot - missed, self.slot) % self.width
            self._shades[places] = NO_FRAME
            self._values[places] = np.nan
            self._t_ns[places] = _NO_TIME
            self._counts[places] = 0

    def _go_back(self, t_ns: int, values: NDArray[np.float32]) -> None:
        """Put a frame that came after later ones into its empty column, if there is one."""
        slot = self.slot + round((t_ns - (self.newest_ns or 0)) / self._period_ns)
        if slot <= max(-1, self.slot - self.width) or self._t_ns[slot % self.width] != _NO_TIME:
            self.repeated += 1
            return
        self._write(slot, t_ns, values)
        self.frames += 1
        self.late += 1
        self.revision += 1

    def _write(self, slot: int, t_ns: int, values: NDArray[np.float32]) -> None:
        place = slot % self.width
        self._values[place] = values
        self._t_ns[place] = t_ns
        known = np.isfinite(values)
        if known.all():
            self._shades[place] = self._shade(place, values.astype(np.float64), 1.0)
            return
        filled = np.where(known, values, self._mean)
        shades = self._shade(place, filled, known.astype(np.float64))
        self._shades[place] = np.where(known, shades, NO_FRAME)

    def _shade(
        self, place: int, values: NDArray[np.float64], known: NDArray[np.float64] | float
    ) -> NDArray[np.float64]:
        """Return the values' shades after learning from them; a cell that is not ``known`` (0) learns nothing."""
        weight, mean, variance = self._weight, self._mean, self._variance
        weight *= 1.0 - known / (MEMORY_S * self.rate_hz)
        weight += known
        share = known / np.maximum(weight, 1.0)
        off = values - mean
        mean += share * off
        rest = values - mean
        variance += share * (off * rest - variance)
        scaled = rest / np.sqrt(np.maximum(variance, _LEAST_VARIANCE))
        scaled -= LOW_SD
        scaled *= (BRIGHTEST - DARKEST) / (HIGH_SD - LOW_SD)
        shown = np.clip(scaled, 0.0, BRIGHTEST - DARKEST)
        clipped = np.count_nonzero((scaled != shown) * known)
        self._counts[place] = clipped, (values.size if isinstance(known, float) else np.count_nonzero(known))
        shown += DARKEST + 0.5
        return shown

    @property
    def clipped(self) -> int:
        """Values of the last minute that were beyond the shades."""
        return int(self._counts[:, 0].sum())

    @property
    def shown(self) -> int:
        """Values of the last minute."""
        return int(self._counts[:, 1].sum())

    @property
    def column_ns(self) -> float:
        """How long a column is: the mean over those that are kept [ns]."""
        if self.newest_ns is None or self.slot <= self._anchors[0][0]:
            return float(self._period_ns)
        slot, t_ns = self._anchors[0]
        return (self.newest_ns - t_ns) / (self.slot - slot)

    @property
    def received_hz(self) -> float | None:
        """Frames per second over the last seconds of the stream; None before there are two."""
        if self.newest_ns is None:
            return None
        times = self._t_ns[self._t_ns >= max(0, self.newest_ns - RECEIVED_NS)]
        span_ns = self.newest_ns - int(times.min())
        return (times.size - 1) * NS_PER_S / span_ns if span_ns else None

    def shades_since(self, slot: int) -> NDArray[np.uint8]:
        """Return the columns after column ``slot``, oldest first, at most all, shape (k, n_cells): 0 is no frame."""
        return self._shades[self._places(max(slot, self.slot - self.width) + 1)]

    @property
    def picture(self) -> NDArray[np.uint8]:
        """The last minute, oldest column first, shape (n_cells, width): 0 no frame, 1 to 255 shades; a copy."""
        return self._shades[self._places(self.slot - self.width + 1)].T

    def trace(self, cell: int) -> NDArray[np.float32]:
        """Return one cell's values over the last minute, oldest first, NaN where there are none, shape (width,)."""
        row: NDArray[np.float32] = self.traces([cell])[0]
        return row

    def traces(self, cells: list[int]) -> NDArray[np.float32]:
        """Return the same of several cells, shape (n, width)."""
        start = (self.slot + 1) % self.width
        chosen = self._values[:, cells].T
        ordered: NDArray[np.float32] = np.concatenate((chosen[:, start:], chosen[:, :start]), axis=1)
        return ordered

    def shades_at(self, slot: int) -> NDArray[np.uint8]:
        """Return one column, shape (n_cells,); all 0 where it is not kept."""
        if not max(-1, self.slot - self.width) < slot <= self.slot:
            return np.full(self.n_cells, NO_FRAME, np.uint8)
        column: NDArray[np.uint8] = self._shades[slot % self.width]
        return column

    def _places(self, first: int) -> NDArray[np.intp]:
        """Return where the columns from ``first`` to the newest are."""
        return np.arange(first, self.slot + 1) % self.width

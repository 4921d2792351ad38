"""From frames to estimates: what the live session, ``--fast`` and every replay run, bit for bit the same.

A pipeline takes what came in (cell lists, frames, marks of the task's states) in the order in which it came, and gives
what follows: estimates, and crossings of the trigger's threshold. It looks at no clock; ``seq`` numbers everything that
goes in or comes out, so a log's inputs, taken in the order of ``seq``, must lead to the log's estimates with the log's
numbers.

Cells are known by their names. A cell that is not in an animal's present list has no value (NaN) until it comes back; a
new one gets a place of its own, and the estimators grow by it.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from controller.messages import Cells, Crossing, Frame, Mark, Neural, StreamReport
from controller.neural.estimates import subspace_message, synchrony_message, value_of
from controller.neural.growing import grown
from controller.neural.pairing import Pair, Pairing
from controller.rigschema import Rig, Trigger
from realtime.clock import from_seconds
from realtime.errors import DuettoError
from realtime.estimators import shared_subspace, synchrony
from realtime.estimators.synchrony import Settings as AffineSettings
from realtime.records import ANIMALS
from realtime.streaming.trial_shift import NO_EPOCH
from realtime.threshold import FELL, ROSE, cross, new_threshold

ALL: Final = "all"
LEAST_CELLS: Final = 2
"""An animal with fewer cells has no subspace to share."""
LAYOUTS: Final = 8
"""Cell lists that are remembered for frames that still wait for a partner."""
MOST_STATES: Final = shared_subspace.MOST_KINDS


class SettingsError(DuettoError):
    """The settings of estimators in a log cannot be read."""


class PipelineSettings(msgspec.Struct, frozen=True):
    """All that the estimates depend on besides the frames; kept in the log."""

    rates_hz: tuple[float, float]
    subspace: dict[str, float | int | str]
    synchrony: dict[str, float | int]
    by_cell_type: bool
    trigger: Trigger | None = None
    first_crossing: int = 0
    """Crossings before these estimators began, in the same session."""

    @classmethod
    def of(cls, rig: Rig, first_crossing: int = 0) -> Self:
        """Return what a rig with brains asks for.

        Raises
        ------
        SettingsError
            If the rig has none.
        """
        if rig.neural is None:
            raise SettingsError(f"rig {rig.rig.name} has no [neural] tables, so there is nothing to estimate")
        asked, rates_hz = rig.estimators, (rig.neural.a.rate_hz, rig.neural.b.rate_hz)
        common = {
            "rate_hz": min(rates_hz),
            "tau_s": asked.tau_s,
            "embargo_s": asked.embargo_s,
            "null_lag_s": asked.null_lag_s,
            "min_independent": asked.min_independent,
        }
        more = {
            "dimensions": asked.shared_dims,
            "null_lags": asked.null_lags,
            "null_trials": asked.null_trials,
            "method": asked.method,
        }
        return cls(rates_hz, {**common, **more}, common, asked.by_cell_type, rig.trigger, first_crossing)

    def to_text(self) -> str:
        """Return the settings as JSON."""
        return msgspec.json.encode(self).decode()

    def of_subspace(self) -> shared_subspace.Settings:
        """Return the settings of the shared subspace; raises TypeError for a key that it has not."""
        return shared_subspace.Settings(**self.subspace)  # type: ignore[arg-type]

    def of_synchrony(self) -> AffineSettings:
        """Return the settings of the synchrony; raises TypeError for a key that it has not."""
        return AffineSettings(**self.synchrony)  # type: ignore[arg-type]

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the settings that :meth:`to_text` wrote; raises SettingsError for anything else."""
        try:
            read = msgspec.json.decode(text, type=cls)
            read.of_subspace(), read.of_synchrony()  # are they settings at all?
        except (msgspec.MsgspecError, TypeError) as error:
            raise SettingsError(f"the log's estimator settings cannot be read ({error}); was it edited?") from error
        return read


@dataclass(slots=True)
class _Animal:
    """One animal's cells: those it has ever had, and where the present list's values go."""

    known: dict[str, int] = field(default_factory=dict)
    types: list[str] = field(default_factory=list)
    layouts: deque[tuple[int, NDArray[np.int64]]] = field(default_factory=lambda: deque(maxlen=LAYOUTS))
    """The last lists: from which ``seq`` on, and where their values go."""
    row: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))

    def learn(self, cells: Cells) -> None:
        """Take a list of cells; new ones get places at the end."""
        for cell in cells.cells:
            if cell.id not in self.known:
                self.known[cell.id] = len(self.known)
                self.types.append(cell.type)
        self.layouts.append((cells.seq, np.array([self.known[cell.id] for cell in cells.cells], np.int64)))
        self.row = np.full(len(self.known), np.nan, np.float32)

    def place(self, frame: Frame) -> bool:
        """Put a frame into ``row``, NaN for every known cell without a value; False if it fits no list, or has none."""
        values = np.frombuffer(frame.values, "<f4")
        places = next((places for seq, places in reversed(self.layouts) if seq < frame.seq), None)
        self.row[:] = np.nan
        if places is None or places.size != values.size:
            return False
        self.row[places] = values
        return bool(np.isfinite(values).any())

    def of_type(self, cell_type: str) -> NDArray[np.int64]:
        """Return the places of the cells of one type."""
        return np.array([i for i, own in enumerate(self.types) if own == cell_type], np.int64)


class _Subspace:
    """One shared-subspace estimator: of all cells, or of one type."""

    def __init__(self, cells: str, settings: shared_subspace.Settings) -> None:
        self.cells = cells
        self.settings = settings
        self.out: NDArray[Any] = np.zeros(1, shared_subspace.OUTPUT)
        self._state: shared_subspace.State | None = None

    def push(self, x: NDArray[np.float32], y: NDArray[np.float32], kind: int, *, present: bool) -> None:
        """Take a pair of frames, float32 (p,) and (q,), or a period without one."""
        if self._state is None:
            # The way to the subspace is chosen once: a state that grows keeps the one it has.
            factored = shared_subspace.is_factored(x.size, y.size, self.settings.method)
            self.settings = self.settings._replace(method="factors" if factored else "covariance")
        if self._state is None or (self._state.u.shape[0], self._state.v.shape[0]) != (x.size, y.size):
            fresh = shared_subspace.create(x.size, y.size, self.settings)
            self._state = fresh if self._state is None else grown(self._state, fresh)
        shared_subspace.push(self._state, x, y, present, kind, self.out)


class _Synchrony:
    """The synchrony estimator of all cells."""

    def __init__(self, settings: synchrony.Settings) -> None:
        self.settings = settings
        self.out: NDArray[Any] = np.zeros(1, synchrony.OUTPUT)
        self._state: synchrony.State | None = None
        self._cells = (0, 0)

    def push(self, x: NDArray[np.float32], y: NDArray[np.float32], *, present: bool) -> None:
        """Take a pair of frames, float32 (p,) and (q,), or a period without one."""
        if self._state is None:
            # So is how many components are a brain's state: more cells later do not change what the maps are between.
            self.settings = self.settings._replace(components=min(x.size, y.size, self.settings.components))
        if self._state is None or self._cells != (x.size, y.size):
            fresh = synchrony.create(x.size, y.size, self.settings)
            self._state = fresh if self._state is None else grown(self._state, fresh)
            self._cells = (x.size, y.size)
        synchrony.push(self._state, x, y, present, self.out)


class _Epochs:
    """Which kind of epoch each moment belongs to: one for every combination of the machines' states."""

    def __init__(self) -> None:
        self._pending: deque[Mark] = deque()
        self._states: dict[int, int] = {}
        self._kinds: dict[tuple[tuple[int, int], ...], int] = {}
        self.without_room = 0

    def add(self, mark: Mark) -> None:
        """Note that a machine entered a state."""
        self._pending.append(mark)

    def begun_by(self, t_ns: int) -> int:
        """Return the kind of epoch that begins with a frame of ``t_ns``, or GOES_ON."""
        if not self._pending or self._pending[0].t_ns > t_ns:
            return shared_subspace.GOES_ON
        while self._pending and self._pending[0].t_ns <= t_ns:
            mark = self._pending.popleft()
            self._states[mark.machine] = mark.state
        key = tuple(sorted(self._states.items()))
        if key not in self._kinds and len(self._kinds) == MOST_STATES:
            self.without_room += 1
            return NO_EPOCH
        return self._kinds.setdefault(key, len(self._kinds))


class Pipeline:
    """Estimators of one pair of animals.

    Parameters
    ----------
    settings
        What they are set to.
    seq
        The last number given before this pipeline began.

    Attributes
    ----------
    seq
        The last number given to anything.
    crossings
        The last number given to a crossing.
    """

    def __init__(self, settings: PipelineSettings, seq: int = 0) -> None:
        self.settings = settings
        self.seq = seq
        self.crossings = settings.first_crossing
        self.pairing = Pairing(*settings.rates_hz)
        self.too_few_cells = self.misfits = self._tick = 0
        self._animals = (_Animal(), _Animal())
        self._epochs = _Epochs()
        self._all = _Subspace(ALL, settings.of_subspace())
        self._by_type: list[_Subspace] = []
        self._synchrony = _Synchrony(settings.of_synchrony())
        asked = settings.trigger
        self._threshold = None
        if asked is not None:
            self._threshold = new_threshold(
                asked.high,
                asked.low,
                refractory_ns=from_seconds(asked.refractory_s),
                min_above_ns=from_seconds(asked.dwell_s),
                min_evidence=asked.min_z,
            )

    def counters(self) -> dict[str, int]:
        """Return what was counted on the way."""
        counted = self.pairing.counters() | {
            "off_rate": self.pairing.off_rate,
            "too_few_cells": self.too_few_cells,
            "misfits": self.misfits,
            "epochs_without_room": self._epochs.without_room,
            "crossings": self.crossings,
        }
        if self._threshold is not None:
            counted |= {
                "held_back_by_refractory": int(self._threshold["n_refractory"][0]),
                "held_back_by_evidence": int(self._threshold["n_evidence"][0]),
            }
        return counted

    def claim(self) -> int:
        """Return the next number."""
        self.seq += 1
        return self.seq

    def take(self, item: Neural) -> list[Neural]:
        """Take what came in under its number; return what follows, under the numbers after it."""
        self.seq = item.seq
        if isinstance(item, Cells):
            self._animals[ANIMALS.index(item.animal)].learn(item)
            self._group()
        elif isinstance(item, Mark):
            self._epochs.add(item)
        elif isinstance(item, Frame):
            return [told for pair in self.pairing.take(item) for told in self._estimate(pair)]
        elif isinstance(item, StreamReport) and item.silent:
            return list(self._fall(item.t_ns))
        return []

    def _group(self) -> None:
        """Have an estimator for each cell type that both animals have."""
        if not self.settings.by_cell_type:
            return
        a, b = self._animals
        had = {group.cells for group in self._by_type}
        for cell_type in dict.fromkeys(a.types):
            enough = min(a.of_type(cell_type).size, b.of_type(cell_type).size) >= LEAST_CELLS
            if cell_type and enough and cell_type not in had:
                self._by_type.append(_Subspace(cell_type, self._all.settings))

    def _estimate(self, pair: Pair) -> Sequence[Neural]:
        """Let every estimator take a pair, or a period without one; tell what they say of a pair."""
        a, b = self._animals
        if min(len(a.known), len(b.known)) < LEAST_CELLS:
            self.too_few_cells += 1
            return ()
        present = pair.frames is not None and a.place(pair.frames[0]) and b.place(pair.frames[1])
        self.misfits += pair.frames is not None and not present
        x, y = a.row, b.row
        kind = self._epochs.begun_by(pair.t_ns)
        self._all.push(x, y, kind, present=present)
        self._synchrony.push(x, y, present=present)
        for group in self._by_type:
            group.push(x[a.of_type(group.cells)], y[b.of_type(group.cells)], kind, present=present)
        return self._tell(pair) if present else ()

    def _tell(self, pair: Pair) -> list[Neural]:
        """Return what the estimators say of a pair."""
        told: list[Neural] = [
            subspace_message(
                group.out[0],
                group.settings.dimensions,
                seq=self.claim(),
                tick=pair.tick,
                t_ns=pair.t_ns,
                cells=group.cells,
                steady=self.pairing.steady,
            )
            for group in (self._all, *self._by_type)
        ]
        steady = self.pairing.steady
        told.append(
            synchrony_message(self._synchrony.out[0], seq=self.claim(), tick=pair.tick, t_ns=pair.t_ns, steady=steady)
        )
        told.extend(self._cross(pair))
        return told

    def _cross(self, pair: Pair) -> Sequence[Crossing]:
        """Return the crossing that this pair's estimates make, if they do."""
        asked, threshold = self.settings.trigger, self._threshold
        if asked is None or threshold is None:
            return ()
        value, valid, z = value_of(asked.estimate, self._all.out, self._synchrony.out)
        evidence = z if asked.min_z > 0.0 else 0.0
        self._tick = pair.tick
        crossed = cross(threshold, pair.t_ns, value, valid and self.pairing.steady, evidence)
        return self._crossing(asked, crossed, pair.t_ns, value)

    def _fall(self, t_ns: int) -> Sequence[Crossing]:
        """Return the fall of an estimate that was above when a stream fell silent: nothing is known of it any more."""
        asked, threshold = self.settings.trigger, self._threshold
        if asked is None or threshold is None:
            return ()
        return self._crossing(asked, cross(threshold, t_ns, math.nan, False, 0.0), t_ns, math.nan)

    def _crossing(self, asked: Trigger, crossed: int, t_ns: int, value: float) -> Sequence[Crossing]:
        """Return what is told of a crossing, if it is one."""
        if crossed not in (ROSE, FELL):
            return ()
        self.crossings += 1
        return (
            Crossing(
                seq=self.claim(),
                tick=self._tick,
                t_ns=t_ns,
                number=self.crossings,
                estimate=asked.estimate,
                above=crossed == ROSE,
                value=value,
            ),
        )

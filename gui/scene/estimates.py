"""Estimates over time: what of each is drawn, as numbers."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.messages import Subspace, Synchrony
from gui.scene.columns import Series

SHARED: Final = (
    "correlation",
    "lagged_mean",
    "lagged_z",
    "lagged_p",
    "trial_correlation",
    "trial_mean",
    "trial_z",
    "trial_p",
    "shared_a",
    "shared_b",
    "shared_null_a",
    "shared_null_b",
    "unique_a",
    "unique_b",
    "unique_null_a",
    "unique_null_b",
    "coactivity",
    "n_independent",
    "valid",
    "trial_valid",
)
SYNCHRONY: Final = ("r2", "lagged_mean", "excess", "lagged_z", "lagged_p", "n_independent", "valid")


class SharedHistory:
    """One estimate of the shared subspace: of all cells, or of one type.

    Attributes
    ----------
    latest
        The newest one.
    series
        Its numbers over time, columns :data:`SHARED`.
    """

    def __init__(self) -> None:
        self.latest: Subspace | None = None
        self.series = Series(SHARED)
        self._dimensions = 0
        self._projections: Series | None = None

    def add(self, one: Subspace) -> None:
        """Take an estimate."""
        self.latest = one
        self.series.add(
            one.t_ns,
            (
                *(one.correlation, one.lagged_mean, one.lagged_z, one.lagged_p),
                *(one.trial_correlation, one.trial_mean, one.trial_z, one.trial_p),
                *one.shared,
                *one.shared_null,
                *one.unique,
                *one.unique_null,
                *(one.coactivity, one.n_independent, one.valid, one.trial_valid),
            ),
        )
        kept = self._projections
        if kept is None or len(one.a) != self._dimensions:
            self._dimensions = len(one.a)
            names = [f"{who}{i}" for who in "ab" for i in range(self._dimensions)]
            kept = self._projections = Series(names, most=0)
        kept.add(one.t_ns, one.a + one.b)

    @property
    def dimensions(self) -> int:
        """Shared dimensions whose projections there are."""
        return self._dimensions

    def projections(self, dimension: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Return times [ns] and the held-out projections of A and B on a dimension, over the last minute or more."""
        kept = self._projections
        if kept is None:
            return np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
        return kept.t_ns, kept[f"a{dimension}"], kept[f"b{dimension}"]


class SynchronyHistory:
    """The affine synchrony over time; columns :data:`SYNCHRONY`."""

    def __init__(self) -> None:
        self.latest: Synchrony | None = None
        self.series = Series(SYNCHRONY)

    def add(self, one: Synchrony) -> None:
        """Take an estimate."""
        self.latest = one
        row = (one.r2, one.lagged_mean, one.excess, one.lagged_z, one.lagged_p, one.n_independent, one.valid)
        self.series.add(one.t_ns, row)

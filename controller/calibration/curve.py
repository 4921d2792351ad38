"""Monotone curves through calibration points, read both ways, and how well they fit.

What was measured at each setting is made monotone by weighted isotonic regression (Barlow et al. 1972, pool adjacent
violators), then joined by a monotone cubic (PCHIP, Fritsch & Butland 1984). Between the knots the curve rises strictly,
so it has an inverse; beyond them it says nothing.

Two neighbouring settings that gave practically the same are one knot, if they lie close together: their order is noise.
If they lie apart, something was wrong when they were measured, and there is no curve.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.optimize import brentq, isotonic_regression

from controller.calibration.points import NotIncreasing, OutsideCalibration, Quantity

Floats = NDArray[np.float64]

FLAT: Final = 0.1
"""A stretch that rises less than this share of the whole curve's mean slope is flat."""
CLOSE: Final = 1.1
"""Settings are close together if the larger is at most so many times the smaller."""
LARGE_RESIDUAL: Final = 0.05
LARGE_LEFT_OUT: Final = 0.10


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A strictly increasing curve.

    Attributes
    ----------
    settings, outputs
        Its knots, shape ``(n,)`` each, n at least 2, both strictly increasing. The first and the last are the range.
    """

    settings: Floats
    outputs: Floats

    def output(self, setting: float) -> float:
        """Return what ``setting`` gives; raises OutsideCalibration beyond the range."""
        k = _stretch(self.settings, setting)
        if setting == self.settings[k + 1]:
            return float(self.outputs[k + 1])
        # A cubic computed near a knot may be off by a rounding: it must not leave its stretch.
        inside = float(PchipInterpolator(self.settings, self.outputs)(setting))
        return min(max(inside, float(self.outputs[k])), float(self.outputs[k + 1]))

    def setting(self, output: float) -> float:
        """Return the setting that gives ``output``; raises OutsideCalibration beyond the range."""
        k = _stretch(self.outputs, output)
        low, high = float(self.settings[k]), float(self.settings[k + 1])
        return float(brentq(lambda x: self.output(x) - output, low, high, xtol=1e-12, rtol=1e-14))


def _stretch(knots: Floats, value: float) -> int:
    """Return the number of the knot at which the stretch with ``value`` begins."""
    if not knots[0] <= value <= knots[-1]:
        raise OutsideCalibration(f"{value:.10g} is outside {knots[0]:.10g} to {knots[-1]:.10g}.")
    return min(int(np.searchsorted(knots, value, side="right")), len(knots) - 1) - 1


def fit(settings: Sequence[float], outputs: Sequence[float], weights: Sequence[float], quantity: Quantity) -> Curve:
    """Return the curve through points.

    Parameters
    ----------
    settings, outputs : sequence of float
        What was set and what it gave; repeated settings are averaged.
    weights : sequence of float
        How much each point counts; above 0.
    quantity
        The words for what is wrong.

    Raises
    ------
    NotIncreasing
        If there are fewer than two settings, or a larger one did not give more than a smaller one.
    """
    x, y, w = _averaged(np.array(settings, float), np.array(outputs, float), np.array(weights, float))
    if len(x) < 2:
        raise NotIncreasing(
            f"A curve needs at least two different settings in {quantity.setting}; measure more of them."
        )
    level: Floats = isotonic_regression(y, weights=w).x
    slopes = np.diff(level) / np.diff(x)
    least = FLAT * (level[-1] - level[0]) / (x[-1] - x[0])
    knots = np.split(np.arange(len(x)), np.flatnonzero(slopes > least) + 1)
    for knot in knots:
        if x[knot[-1]] > CLOSE * x[knot[0]]:
            raise NotIncreasing(_says_not_increasing(x[knot], y[knot], quantity))
    if len(knots) < 2:
        raise NotIncreasing(_says_not_increasing(x, y, quantity))
    # Isotonic regression moves no weighted mean of what it makes level, so the knots' outputs can be read off the data.
    return Curve(*(np.array([_mean(each[knot], w[knot]) for knot in knots]) for each in (x, y)))


def _mean(values: Floats, weights: Floats) -> float:
    """Return the weighted mean; of one value that very value, not one that differs by a rounding."""
    return float(values[0]) if len(values) == 1 else float(np.average(values, weights=weights))


def _averaged(x: Floats, y: Floats, w: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the different settings, ascending, with the weighted means of what they gave, and the sums of weights."""
    settings = np.unique(x)
    groups = [x == setting for setting in settings]
    return settings, np.array([_mean(y[group], w[group]) for group in groups]), np.array([w[g].sum() for g in groups])


def _says_not_increasing(x: Floats, y: Floats, quantity: Quantity) -> str:
    """Name the two neighbours that are most in the wrong order."""
    worst = int(np.argmin(np.diff(y)))
    (low, high), (first, second) = x[worst : worst + 2], y[worst : worst + 2]
    return (
        f"{low:g} {quantity.setting} gave {first:.4g} {quantity.output} and {high:g} {quantity.setting} gave "
        f"{second:.4g} {quantity.output}: the larger must clearly give more. Check {quantity.check}; "
        "then measure again."
    )


@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """How far the points lie from their curve.

    Attributes
    ----------
    measured, fitted : ndarray, shape (n,)
        What each point gave, and what the curve gives there, in the order of the points.
    foretold : ndarray, shape (n,)
        What the curve through all other settings gives there; NaN at the first and last setting, and where the others
        make no curve. It shows a wrong point even where the curve runs through every point.
    """

    measured: Floats
    fitted: Floats
    foretold: Floats

    @property
    def off(self) -> Floats:
        """Measured minus fitted, in the output's unit."""
        return self.measured - self.fitted

    @property
    def off_share(self) -> Floats:
        """The same as a share of what the curve gives."""
        return self.off / self.fitted

    @property
    def left_out_share(self) -> Floats:
        """Measured minus foretold, as a share of what was foretold."""
        return (self.measured - self.foretold) / self.foretold

    def remarks(self, settings: Sequence[float], quantity: Quantity) -> list[str]:
        """Return a sentence for each point that is far from the curve, or from what the other points foretell."""
        found = []
        for setting, off, left_out in zip(settings, self.off_share, self.left_out_share, strict=True):
            if abs(off) > LARGE_RESIDUAL:
                where = f"{abs(off):.0%} {_side(off)} the curve"
            elif abs(left_out) > LARGE_LEFT_OUT:
                where = f"{abs(left_out):.0%} {_side(left_out)} what the other points foretell"
            else:
                continue
            found.append(
                f"{setting:g} {quantity.setting} lies {where}. Measure it again; if it stays so, measure more "
                "settings around it."
            )
        return found


def _side(off: float) -> str:
    return "above" if off > 0 else "below"


def residuals(
    settings: Sequence[float], outputs: Sequence[float], weights: Sequence[float], quantity: Quantity
) -> Residuals:
    """Return how far points lie from the curve through them, and from what the others foretell."""
    curve = fit(settings, outputs, weights, quantity)
    x, y, w = (np.array(each, float) for each in (settings, outputs, weights))
    fitted = np.array([curve.output(each) for each in np.clip(x, curve.settings[0], curve.settings[-1])])
    foretold = np.full(len(x), np.nan)
    for setting in np.unique(x)[1:-1]:
        rest = x != setting
        try:
            others = fit(x[rest].tolist(), y[rest].tolist(), w[rest].tolist(), quantity)
            foretold[~rest] = others.output(float(setting))
        except (NotIncreasing, OutsideCalibration):
            continue  # the others alone say nothing of it
    return Residuals(y, fitted, foretold)

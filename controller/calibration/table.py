"""What a person reads of a calibration: its points, how well they fit, and what it is good for."""

import math
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

from controller.calibration import curve_of, residuals_of, shown_range
from controller.calibration.points import Entry, ValveEntry

_NONE: Final = "–"


def table_of(entry: Entry) -> Table:
    """Return the points of a calibration with their residuals; raises NotIncreasing.

    "off" is measured minus curve; "left out" is how far a point lies from the curve through all other settings.
    """
    found = residuals_of(entry)
    table = Table(title=f"{entry.name}, {entry.date:%Y-%m-%d %H:%M}", title_justify="left", box=SIMPLE_HEAD)
    for heading in (*_headings(entry), "curve", "off", "off %", "left out %"):
        table.add_column(heading, justify="right")
    rows = zip(_columns(entry), found.fitted, found.off, found.off_share, found.left_out_share, strict=True)
    for point, fitted, off, share, left_out in rows:
        table.add_row(*point, f"{fitted:.4g}", _signed(off, 3), _signed(100 * share, 1), _signed(100 * left_out, 1))
    return table


def summary_of(entry: Entry) -> str:
    """Return one sentence: the calibrated range, and the residuals; raises NotIncreasing."""
    curve, found = curve_of(entry), residuals_of(entry)
    (low, high), unit = shown_range(curve), entry.quantity.output
    rms, rms_share = (math.sqrt(float((each**2).mean())) for each in (found.off, found.off_share))
    return (
        f"{entry.name}: {low} to {high} {unit} by {curve.settings[0]:g} to {curve.settings[-1]:g} "
        f"{entry.quantity.setting}. Residuals: largest {abs(found.off).max():.3f} {unit} "
        f"({abs(found.off_share).max():.1%}), rms {rms:.3f} {unit} ({rms_share:.1%})."
    )


def _headings(entry: Entry) -> tuple[str, ...]:
    if isinstance(entry, ValveEntry):
        return ("ms", "real ms", "pulses", "grams", "µl")
    return ("head mW", "tip mW")


def _columns(entry: Entry) -> list[tuple[str, ...]]:
    if isinstance(entry, ValveEntry):
        return [
            (f"{point.duration_ms:g}", f"{point.opened_ms:.2f}", str(point.pulses), f"{point.grams:g}", f"{ul:.4g}")
            for point, ul in zip(entry.points, entry.outputs, strict=True)
        ]
    return [(f"{point.set_mw:g}", f"{point.tip_mw:g}") for point in entry.points]


def _signed(value: float, places: int) -> str:
    """Return a number with its sign, or a dash where there is none; nothing is +0."""
    return _NONE if math.isnan(value) else f"{round(value, places) + 0.0:+.{places}f}"

"""Draws a calibration: its points and curve, and below them how far the points lie off."""

from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from controller.calibration import curve_of, residuals_of, shown_range
from controller.calibration.points import CalibrationNotWritten, Entry, ValveEntry

CURVE: Final = "#0072B2"
POINTS: Final = "#D55E00"
GREY: Final = "#5a5a5a"
SIZE_IN: Final = (6.4, 5.6)
STYLE: Final[dict[Any, Any]] = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.labelsize": 11,
    "font.size": 10,
    "svg.hashsalt": "duetto",
    "svg.fonttype": "path",
}


def draw(entry: Entry, path: Path) -> None:
    """Draw a calibration into the SVG file ``path``.

    Raises
    ------
    NotIncreasing
        If its points make no curve.
    CalibrationNotWritten
        If the file cannot be written.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=SIZE_IN, layout="constrained")
        FigureCanvasAgg(figure)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.2))
        _draw_curve(entry, upper)
        _draw_residuals(entry, lower)
        try:
            figure.savefig(path, format="svg", metadata={"Date": None, "Creator": "duetto"})
        except OSError as error:
            raise CalibrationNotWritten(
                f"{path} cannot be written: {error.strerror}. Make room or give yourself the right to write there."
            ) from error


def _draw_curve(entry: Entry, axes: Axes) -> None:
    curve = curve_of(entry)
    settings = np.linspace(curve.settings[0], curve.settings[-1], 400)
    axes.plot(settings, [curve.output(float(each)) for each in settings], color=CURVE, lw=1.8, label="monotone curve")
    axes.plot(entry.settings, entry.outputs, "o", color=POINTS, ms=6, label="measured", zorder=3)
    axes.set_ylabel("volume per opening (µl)" if isinstance(entry, ValveEntry) else "power at the fibre's tip (mW)")
    axes.set_ylim(bottom=0)
    low, high = shown_range(curve)
    axes.set_title(
        f"{entry.name}, {entry.date:%Y-%m-%d}: {low} to {high} {entry.quantity.output}", loc="left", fontsize=12
    )
    axes.legend(frameon=False, loc="upper left")


def _draw_residuals(entry: Entry, axes: Axes) -> None:
    found = residuals_of(entry)
    axes.axhline(0, color=CURVE, lw=1.2)
    axes.vlines(entry.settings, 0, 100 * found.off_share, color=POINTS, lw=1.2)
    axes.plot(entry.settings, 100 * found.off_share, "o", color=POINTS, ms=5, label="off the curve")
    axes.plot(
        entry.settings,
        100 * found.left_out_share,
        "D",
        mfc="white",
        mec=GREY,
        ms=5,
        label="off the curve through the others",
    )
    most = np.nanmax(np.abs([100 * found.off_share, 100 * found.left_out_share]), initial=2.0)
    axes.set_ylim(-1.3 * most, 1.3 * most)
    axes.set_ylabel("residual (%)")
    axes.set_xlabel("commanded opening (ms)" if isinstance(entry, ValveEntry) else "power at the head (mW)")
    axes.legend(frameon=False, fontsize=9, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))

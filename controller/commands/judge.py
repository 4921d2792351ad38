"""``duetto judge``: any two-animal record through the kernels that judge a live session."""

import sys
from pathlib import Path

import click

from realtime.clock import from_seconds


@click.command(epilog="Example: duetto judge presses.csv --window 1.25 > decisions.csv")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--window", type=click.FloatRange(0.001, 3600), required=True, help="Cooperation window [s].")
@click.option(
    "--iti", type=click.FloatRange(0, 600), default=3.0, show_default=True, help="Interval before a trial [s]."
)
def command(file: Path, window: float, iti: float) -> None:
    """Judge the pokes in FILE (columns t_s,animal[,trial]) and print trial,start_s,outcome,lag_s.

    With a trial column each trial is judged by itself: its first poke opens the window. Without one the task's own
    trial logic applies: an interval (--iti), then the first poke opens the window.
    """
    from controller.judge import judge, read, write

    write(judge(read(file), from_seconds(window), iti_ns=from_seconds(iti)), sys.stdout)

"""``duetto calibrate``: a rig's valves, weighed, and its laser heads, measured at the fibre's tip."""

import getpass
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from controller.calibration.points import Entry
    from controller.calibration.terminal import Terminal
    from controller.calibration.walk import Recipe


class _ToldToEnd(KeyboardInterrupt):
    """The program was told to end by a signal other than Ctrl-C's; the signal's number is the argument."""


def _numbers(kind: type[float]) -> Callable[[click.Context, click.Parameter, str | None], tuple[float, ...] | None]:
    """Return what reads an option such as ``10,20,40``."""

    def read(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[float, ...] | None:
        if value is None:
            return None
        try:
            return tuple(kind(part) for part in value.split(","))
        except ValueError:
            whole = "whole numbers" if kind is int else "numbers"
            raise click.BadParameter(f"{value!r} are not {whole} with commas between, such as 10,20,40") from None

    return read


@click.command(epilog="Example: duetto calibrate rigs/virtual.toml --line valve_a --durations 10,20,40,80")
@click.argument("rig", type=click.Path(path_type=Path))
@click.option("--line", help="Only this valve: valve_a or valve_b.")
@click.option("--device", help="Only this laser head, by its name in RIG.")
@click.option("--durations", callback=_numbers(int), help="Openings in whole ms, such as 10,20,40,80.")
@click.option("--pulses", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Openings per vial.")
@click.option(
    "--density", type=click.FloatRange(0.5, 2), default=1.0, show_default=True, help="Of the liquid, in g/ml."
)
@click.option("--set-points", callback=_numbers(float), help="Powers at the head in mW, such as 5,10,20,40.")
@click.option("--by", help="Who calibrates. Your login name otherwise.")
@click.option("--note", default="", help="What else to keep: the liquid, the fibre, the meter.")
@click.option("--yes", is_flag=True, help="Store without asking; a laser's own question is asked all the same.")
def command(
    rig: Path,
    line: str | None,
    device: str | None,
    durations: tuple[int, ...] | None,
    pulses: int,
    density: float,
    set_points: tuple[float, ...] | None,
    by: str | None,
    note: str,
    yes: bool,
) -> None:
    """Walk through the calibration of every valve and laser head of RIG.

    Valves: vials are weighed, which gives milliseconds per microlitre. Laser heads: a power meter is read, which gives
    the power at the fibre's tip. Stored beside RIG, with the date and a plot.
    """
    from controller.calibration.walk import Recipe

    recipe = Recipe(
        date=datetime.now().astimezone().replace(microsecond=0),
        by=_login_name() if by is None else by,
        note=note,
        durations_ms=durations,
        pulses=pulses,
        density_g_per_ml=density,
        set_points_mw=set_points,
        unasked=yes,
    )
    try:
        with _endings():
            _run(rig, line, device, recipe)
    except KeyboardInterrupt as ended:
        number = ended.args[0] if isinstance(ended, _ToldToEnd) else signal.SIGINT
        click.echo("\nduetto: interrupted: what was being calibrated is not stored, and all outputs are off", err=True)
        sys.exit(128 + number)


def _run(rig: Path, line: str | None, device: str | None, recipe: "Recipe") -> None:
    """Calibrate what was asked for, one after the other."""
    from controller import calibration
    from controller.calibration.bench import Bench
    from controller.calibration.points import CalibrationNotWritten, CalibrationRefused
    from controller.calibration.terminal import Terminal
    from controller.calibration.walk import walk
    from controller.calibration.walk_head import HeadSubject, heads_of
    from controller.calibration.walk_valve import ValveSubject, valves_of
    from controller.rigfile import load

    described = load(rig)
    calibration.load(rig)  # if it is damaged, say so before anything is weighed
    if not os.access(rig.parent, os.W_OK):
        raise CalibrationNotWritten(
            f"{rig.parent} cannot be written to; the calibration is kept there, beside the rig."
        )
    valves, heads = valves_of(line, device), heads_of(described, line, device)
    if recipe.set_points_mw is not None and not heads:
        raise click.UsageError("--set-points is for laser heads, and none is to be calibrated")
    if recipe.durations_ms is not None and not valves:
        raise click.UsageError("--durations is for valves, and none is to be calibrated")
    terminal = Terminal(rig)
    bench = Bench(described, terminal)
    weighed = [ValveSubject(described, each, bench, terminal, recipe) for each in valves]
    metered = [HeadSubject(described, each, bench, terminal, recipe) for each in heads]
    if bench.is_virtual:
        terminal.say("Every device of this rig is emulated: this is for practice, and nothing takes time.")
    for valve in weighed:
        _calibrate(rig, valve.name, partial(walk, valve, terminal, unasked=recipe.unasked), terminal)
    for head in metered:
        _calibrate(rig, head.name, partial(walk, head, terminal, unasked=recipe.unasked), terminal)
    try:
        calibration.load(rig).check(described)
    except CalibrationRefused as refusal:
        for problem in refusal.problems:
            terminal.say(f"A session with this rig file would still be refused. {problem}")


def _calibrate(rig: Path, name: str, walk: "Callable[[], Entry | None]", terminal: "Terminal") -> None:
    """Walk through one calibration and store it, if it is to be stored."""
    from controller.calibration import store

    try:
        entry = walk()
        if entry is None:
            terminal.say(f"Nothing of {name} is stored.")
            return
        click.echo(store(rig, entry))
        click.echo(terminal.keep_plot(entry))
    finally:
        terminal.drop_draft()


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""


@contextmanager
def _endings() -> Iterator[None]:
    """Let a closed terminal and a kill end the program as Ctrl-C does: everything off first."""

    def end(number: int, _frame: object) -> None:
        raise _ToldToEnd(number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""``duetto run``: one session, live or in virtual time."""

import secrets
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from controller.calibration import load
from controller.rigfile import read
from controller.session import LAST_DAY, LONGEST_MIN, MOST_TRIALS, SHORTEST_MIN, Order
from realtime.errors import DuettoError

EXIT_INTERRUPTED = 128 + signal.SIGINT


def _pair(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, str] | None:
    """Return the two names in ``A,B``."""
    if value is None:
        return None
    names = tuple(name.strip() for name in value.split(","))
    if len(names) != 2 or not all(names) or names[0] == names[1]:
        raise click.BadParameter(f"{value!r} is not two different names, such as m1,m2")
    return (names[0], names[1])


@click.command(epilog="Example: duetto run rigs/virtual.toml --pair m1,m2 --day 3 --minutes 30")
@click.argument("rig", type=click.Path(path_type=Path))
@click.option("--pair", callback=_pair, help="The two animals, A,B. The rig file's subjects otherwise.")
@click.option("--day", type=click.IntRange(1, LAST_DAY), default=1, show_default=True, help="Day of training.")
@click.option(
    "--minutes", type=click.FloatRange(SHORTEST_MIN, LONGEST_MIN), help="Longest duration. The rig file's otherwise."
)
@click.option("--trials", type=click.IntRange(1, MOST_TRIALS), help="End after so many trials.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Draws the trial table (and virtual mice).")
@click.option("--headless", is_flag=True, help="Open no window; where there is no display, none is opened either.")
@click.option("--start", is_flag=True, help="Begin at once: do not wait for Start in the window.")
@click.option("--listen", default="", help="Let windows on other computers watch, at tcp://HOST:PORT, with keys.")
@click.option("--fast", is_flag=True, help="Virtual time: as fast as the processor allows (virtual rigs only).")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for sessions. The rig file's otherwise.")
def command(
    rig: Path,
    pair: tuple[str, str] | None,
    day: int,
    minutes: float | None,
    trials: int | None,
    seed: int | None,
    headless: bool,
    start: bool,
    listen: str,
    fast: bool,
    out: Path | None,
) -> None:
    """Run one session on RIG and print its summary and folder.

    Where there is a display, a window opens; the session begins when Start is pressed in it. Closing the window changes
    nothing: 'duetto monitor' opens another one.

    Exit status 0 only if it ended as asked: after its trials or minutes, or because a person asked it to stop.
    """
    loaded = read(rig)
    calibration = load(rig)
    for sentence in calibration.warnings(loaded.rig, datetime.now(UTC)):
        click.echo(f"duetto: {sentence}", err=True)
    session = loaded.rig.session
    order = Order(
        rig=loaded.rig,
        rig_text=loaded.text,
        rig_path=str(rig),
        subjects=pair or (session.subjects[0], session.subjects[1]),
        day=day,
        minutes=session.minutes if minutes is None else minutes,
        trials=trials,
        seed=secrets.randbelow(2**31) if seed is None else seed,
        fast=fast,
        output=out or Path(session.output),
        calibration=calibration,
    )
    if fast:
        sys.exit(_run_fast(order))
    sys.exit(_run_live(order, headless=headless, start=start, listen=listen))


def _run_live(order: Order, *, headless: bool, start: bool, listen: str) -> int:
    """Run with real processes, and a window where there is a display; return the exit status."""
    from controller.bus import make_folder, remove_folder
    from controller.reception import Reception
    from controller.supervisor import Interrupted
    from controller.viewing.locks import check_free, invitation, lock_from
    from controller.window import has_display

    lock = lock_from(listen)
    if lock is not None:
        check_free(listen)
        click.echo(invitation(listen, lock[1]), err=True)
    if headless or not has_display():
        return _run_session(order, listen=listen)
    sockets = make_folder()
    try:
        with Reception(order, sockets, lock) as reception:
            while True:
                chosen = order if start else reception.await_start()
                if chosen is None:
                    click.echo(f"duetto: {reception.why_not}; nothing was run", err=True)
                    return EXIT_INTERRUPTED if reception.interrupted else 1
                try:
                    return _run_session(chosen, sockets=sockets, listen=listen)
                except DuettoError as error:
                    by_signal = isinstance(error, Interrupted) and error.by_signal
                    if start or by_signal or not reception.watched:
                        raise
                    reception.failed(str(error))
                    click.echo(f"duetto: {error}", err=True)
    finally:
        remove_folder(sockets)


def _run_session(order: Order, *, sockets: Path | None = None, listen: str = "") -> int:
    """Run one session to its end, print what came of it, and return the exit status."""
    from controller.progress import LiveLine
    from controller.summary import table_of
    from controller.supervisor import Supervisor

    with LiveLine(order) as line:
        supervisor = Supervisor(order, line.show, sockets, listen)
        summary = supervisor.run()
    line.console.print(table_of(summary))
    click.echo(summary.folder)
    if supervisor.as_asked:
        return 0
    click.echo(f"duetto: the session did not end as asked: {summary.reason}", err=True)
    return EXIT_INTERRUPTED if summary.reason == "stopped by Ctrl-C" else 1


def _run_fast(order: Order) -> int:
    """Run in virtual time; return the exit status."""
    from controller.fast import run
    from controller.progress import console
    from controller.summary import table_of

    screen = console()
    with screen.status("virtual time: compiling or loading the kernels, then simulating"):
        summary = run(order)
    screen.print(table_of(summary))
    click.echo(summary.folder)
    return 0

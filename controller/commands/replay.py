"""``duetto replay``: a session once more, in the window, or over the sockets of a live one."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import click


@click.command(epilog="Example: duetto replay sessions/2026-11-22_091500_A-B_day1 --speed 4")
@click.argument("session", type=click.Path(path_type=Path))
@click.option(
    "--speed", type=click.FloatRange(0.01, 1000), default=1.0, show_default=True, help="Times as fast as then."
)
@click.option(
    "--at",
    type=click.FloatRange(0.0),
    help="Where the window begins: seconds since the log's beginning, as the replay bar counts them (the task may have "
    "been started later).",
)
@click.option(
    "--screenshot",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw the window into this .png file, print its path and end; needs no display.",
)
@click.option("--size", metavar="WxH", help="Of the window in pixels, such as 1600x1000.")
@click.option("--fast", is_flag=True, help="As fast as the processor allows; opens no window.")
@click.option("--headless", is_flag=True, help="Open no window: play it to programs that listen.")
def command(
    session: Path,
    speed: float,
    at: float | None,
    screenshot: Path | None,
    size: str | None,
    fast: bool,
    headless: bool,
) -> None:
    """Play SESSION again: in the window, or with --headless to programs that listen.

    The window plays, pauses and goes to any moment; meanwhile every decision is decided again. It shows the estimates
    that the log has. Exit status that of the window.

    With --headless, exit status 0 only if it was played to its end, every decision is identical and every estimate is
    the same bit for bit. Nothing is sent to a device.
    """
    unseen = fast or headless
    if unseen and any(wanted is not None for wanted in (at, screenshot, size)):
        raise click.UsageError(
            "--at and --screenshot are for the window, and so is --size: leave --headless and --fast out"
        )
    asked: list[int] = []
    before = {s: signal.signal(s, lambda number, _frame: asked.append(number)) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        if unseen:
            status = _play(session, 0.0 if fast else speed, lambda: bool(asked))
        else:
            status = _show(session, speed, at, screenshot, size, lambda: bool(asked))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    sys.exit(status)


def _show(
    session: Path,
    speed: float,
    at: float | None,
    screenshot: Path | None,
    size: str | None,
    until: Callable[[], bool],
) -> int:
    """Open the window and return its exit status."""
    from controller.replay_window import show_replay
    from controller.viewing.logged import FASTEST, SLOWEST
    from controller.window import size_from

    if not SLOWEST <= speed <= FASTEST:
        raise click.UsageError(f"the window plays {SLOWEST:g} to {FASTEST:g} times as fast as then")
    wanted = None if size is None else size_from(size)
    status = show_replay(session, speed=speed, at_s=at, screenshot=screenshot, size=wanted, until=until)
    if screenshot is not None and status == 0:
        click.echo(screenshot.resolve())
    return status


def _play(session: Path, speed: float, until: Callable[[], bool]) -> int:
    """Play it over sockets and return the exit status."""
    from controller.replay import replay

    played = replay(session, speed, lambda said: click.echo(said, err=True), until)
    click.echo(played.sentence, err=not played.identical)
    return 0 if played.identical else 1

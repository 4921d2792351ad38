"""``duetto recover``: a readable log from whatever a killed session left."""

from pathlib import Path

import click


@click.command(epilog="Example: duetto recover sessions/2026-11-22_091500_A-B_day1")
@click.argument("session", type=click.Path(path_type=Path))
def command(session: Path) -> None:
    """Rebuild SESSION's log from what is readable of it and from its journal; say what was saved and what was not."""
    from controller.recover import recover

    click.echo(str(recover(session)))

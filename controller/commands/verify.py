"""``duetto verify``: the proof that a log decides itself again, bit for bit."""

import sys
from pathlib import Path

import click


@click.command(epilog="Example: duetto verify sessions/2026-11-22_091500_A-B_day1")
@click.argument("session", type=click.Path(path_type=Path))
def command(session: Path) -> None:
    """Decide SESSION again from its logged inputs.

    Exit status 0 only if every decision is identical; otherwise the first difference is named.
    """
    from controller.verify import verify

    proof = verify(session)
    click.echo(str(proof), err=not proof.identical)
    sys.exit(0 if proof.identical else 1)

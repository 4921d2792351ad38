"""``duetto control``: what a person can ask of a running session."""

import json
import sys
from pathlib import Path
from typing import get_args

import click

from controller.messages import Verb


@click.command(epilog="Example: duetto control sessions/2026-11-22_091500_A-B_day1 reward A")
@click.argument("session", type=click.Path(path_type=Path))
@click.argument("verb", type=click.Choice(get_args(Verb)))
@click.argument("words", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def command(session: Path, verb: Verb, words: tuple[str, ...], as_json: bool) -> None:
    """Ask the running SESSION for VERB; ``reward`` and ``laser`` take an animal, ``note`` takes a text."""
    from controller.control import ask

    answer = ask(session, verb, words)
    click.echo(json.dumps({"done": answer.done, **answer.status}) if as_json else answer.sentence)
    sys.exit(0 if answer.done else 1)

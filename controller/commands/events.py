"""``duetto events``: a session's events as a table."""

import sys
from pathlib import Path

import click


@click.command(epilog="Example: duetto events sessions/2026-11-22_091500_A-B_day1 --csv > events.csv")
@click.argument("session", type=click.Path(path_type=Path))
@click.option("--csv", "form", flag_value="csv", default="csv", help="Comma-separated values (the default).")
@click.option("--jsonl", "form", flag_value="jsonl", help="One JSON object a line.")
def command(session: Path, form: str) -> None:
    """Print every event of SESSION, in loop order, on standard output."""
    from controller.events_table import write_csv, write_jsonl
    from controller.log import LOG_NAME, LogReader, state_names_of

    with LogReader(session / LOG_NAME) as log:
        start_ns = int(log.metadata["clock"]["start_ns"])
        write = write_jsonl if form == "jsonl" else write_csv
        write(log.events(), state_names_of(log.metadata), sys.stdout, start_ns=start_ns)

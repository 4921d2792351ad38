"""``duetto bench``: measurements that can be repeated on any machine, each a program of its own."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Final

import click

FOLDER: Final = Path(__file__).resolve().parents[2] / "benchmarks"


def found() -> dict[str, str]:
    """Return every benchmark's name and the first line of its manual; a name with an underscore is a helper."""
    names = {path.stem: path for path in sorted(FOLDER.glob("*.py")) if not path.stem.startswith("_")}
    return {name: _first_line(path) for name, path in names.items()}


def _first_line(path: Path) -> str:
    manual = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return manual.partition("\n")[0]


def run(name: str, arguments: tuple[str, ...]) -> int:
    """Run a benchmark in a process of its own and return its exit status."""
    with subprocess.Popen([sys.executable, "-m", f"benchmarks.{name}", *arguments]) as process:
        while True:
            try:
                status = process.wait()
            except KeyboardInterrupt:
                continue  # Ctrl-C reached the benchmark too: it ends what it started, then itself
            return status if status >= 0 else 128 - status


@click.command(
    epilog="Example: duetto bench loop --quick",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("name", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--quick", is_flag=True, help="Far fewer measurements, for a benchmark that offers it.")
def command(name: str | None, arguments: tuple[str, ...], quick: bool) -> None:
    """Run the benchmark NAME, or list the benchmarks.

    ARGUMENTS go to the benchmark; its own are shown by: duetto bench NAME -- --help
    """
    benchmarks = found()
    if name is None:
        width = max(map(len, benchmarks), default=0)
        for other, line in benchmarks.items():
            click.echo(f"{other:{width}}  {line}")
        return
    if name not in benchmarks:
        raise click.BadParameter(f"there is no benchmark {name!r}; there are: {', '.join(benchmarks)}")
    sys.exit(run(name, (("--quick",) if quick else ()) + arguments))

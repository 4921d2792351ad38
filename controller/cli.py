"""The command line: one command a file, found by walking ``controller/commands``.

A person's mistake is answered with a sentence on standard error and a non-zero exit status, never with a traceback.
"""

import importlib
import pkgutil
import sys

import click

import controller.commands
from realtime.errors import DuettoError


class Commands(click.Group):
    """Finds commands by file name and imports only the one that is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the commands' names."""
        return sorted(info.name.strip("_") for info in pkgutil.iter_modules(controller.commands.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, or None for an unknown name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"controller.commands.{cmd_name}").command
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="duetto")
def duetto() -> None:
    """Run closed-loop cooperation experiments with two mice, and prove from their logs what was decided.

    Begin with: duetto run rigs/virtual.toml
    """


def main() -> None:
    """Run the command line."""
    try:
        duetto(prog_name="duetto")
    except DuettoError as error:
        click.echo(f"duetto: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)


if __name__ == "__main__":
    main()

"""``duetto monitor``: a window on a session that runs, here or on another computer."""

import sys
from pathlib import Path

import click


@click.command(epilog="Example: duetto monitor sessions/2026-11-22_091500_A-B_day1")
@click.argument("endpoint", required=False, default="")
@click.option("--server-key", default="", help="Public key of a session on another computer.")
@click.option(
    "--screenshot", type=click.Path(path_type=Path, dir_okay=False), help="Draw once into this .png file, and end."
)
@click.option("--size", metavar="WxH", help="Of the window in pixels, such as 1600x1000.")
@click.option("--theme", type=click.Choice(("dark", "light")), help="As it was last otherwise.")
def command(endpoint: str, server_key: str, screenshot: Path | None, size: str | None, theme: str | None) -> None:
    """Watch and steer a session: the only one that runs here, or the one at ENDPOINT.

    ENDPOINT is a session's folder, ipc://PATH, or tcp://HOST:PORT on another computer (see duetto keys). The session
    never waits for a window, and goes on without it.
    """
    from controller.viewing.keyring import own_keys
    from controller.viewing.places import find_place
    from controller.window import Look, show_window, size_from

    wanted = None if size is None else size_from(size)
    place = find_place(endpoint, server_key)
    if place.server_key:
        own_keys()  # made now, if this is the first time; the window reads them
    look = Look(place.endpoint, place.server_key, screenshot, size=wanted, theme=theme or "")
    sys.exit(show_window(look))

"""``duetto keys``: this user's keys, and whom they let watch and steer from another computer."""

import click


@click.group(
    invoke_without_command=True,
    epilog="Example: duetto keys allow anna Qx8sUO3DVBQhFMMnAdG6/T9LyGzQTKWD5BFCZnS1",
)
@click.pass_context
def command(context: click.Context) -> None:
    """Print this user's public key; allow and forbid others to watch and steer this user's sessions.

    Sessions listen on the network only with keys: duetto run RIG --listen tcp://HOST:PORT. Keys are made when they are
    first needed. The secret one never leaves its file.
    """
    if context.invoked_subcommand is None:
        from controller.viewing.keyring import keys_path, own_keys

        keys = own_keys()
        click.echo(f"public key of {keys_path()}:", err=True)
        click.echo(keys.public)


@command.command("allow", epilog="Example: duetto keys allow anna Qx8sUO3DVBQhFMMnAdG6/T9LyGzQTKWD5BFCZnS1")
@click.argument("name")
@click.argument("key")
def allow_one(name: str, key: str) -> None:
    """Let NAME watch and steer, whose 'duetto keys' prints KEY; at once, in running sessions that listen too."""
    from controller.viewing.keyring import allow

    allow(name, key)
    click.echo(f"{name} may watch and steer", err=True)


@command.command("forbid", epilog="Example: duetto keys forbid anna")
@click.argument("name")
def forbid_one(name: str) -> None:
    """Let NAME watch and steer no longer; at once, in running sessions too."""
    from controller.viewing.keyring import forbid

    forbid(name)
    click.echo(f"{name} may neither watch nor steer", err=True)


@command.command("list", epilog="Example: duetto keys list")
def list_all() -> None:
    """Print who may watch and steer: one a line, the key first, then the name."""
    from controller.viewing.keyring import allowed

    for name, key in sorted(allowed().items()):
        click.echo(f"{key} {name}")

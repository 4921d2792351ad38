"""``duetto emulate``: a device without the device, behind a port that any program can open."""

import signal
from pathlib import Path
from types import FrameType

import click


@click.command(epilog="Example: duetto emulate reference_board --link /tmp/board")
@click.argument("name", required=False)
@click.option("--link", type=click.Path(path_type=Path), help="Make a symbolic link to the port under this name.")
@click.option(
    "--firmware",
    type=click.Choice(["simavr"]),
    help="reference_board: run the true firmware as machine code in the AVR simulator simavr.",
)
@click.option("--edges", is_flag=True, help="Print every true edge of an output pin: edge T_NS PIN LEVEL.")
def command(name: str | None, link: Path | None, firmware: str | None, edges: bool) -> None:
    """Emulate the device NAME behind a pseudo-terminal, print its port, and run until interrupted.

    Without NAME, list the devices. Lines on standard input do things to it: input PIN 0|1, interlock open|closed,
    reset, unplug, plug, stall MS, set KNOB VALUE, show.
    """
    from controller.emulation import Emulation
    from hardware.device import EmulatedDevice, find_emulators
    from realtime.clock import now_ns

    emulators = find_emulators()
    if name is None:
        width = max(map(len, emulators))
        for other, module in emulators.items():
            click.echo(f"{other:{width}}  {(module.__doc__ or '').partition(chr(10))[0]}")
        return
    if name not in emulators:
        raise click.BadParameter(f"there is no emulator {name!r}; there are: {', '.join(emulators)}")
    if firmware and name != "reference_board":
        raise click.BadParameter(f"--firmware is the reference board's; {name} has an emulator only")
    asked: list[int] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ask)
    device: EmulatedDevice
    if firmware:
        from hardware.firmware.build import build
        from hardware.firmware.simavr import SimavrBoard

        programs = build()
        device = SimavrBoard(programs, now_ns())
    else:
        device = emulators[name].create(now_ns())
    try:
        emulation = Emulation(device, link, click.echo, tell_edges=edges)
    except BaseException:
        _end(device)
        raise
    try:
        click.echo(str(emulation.link.path))
        deeds: int | None = 0  # standard input
        while not asked:
            if not emulation.turn(deeds):
                deeds = None
    finally:
        emulation.close()
        _end(device)


def _end(device: object) -> None:
    """End the process that a device may have of its own."""
    close = getattr(device, "close", None)
    if close is not None:
        close()

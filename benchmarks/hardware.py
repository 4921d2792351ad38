"""Measure the reference board: poke to driver, command to pin, closed loop, watchdog, interlock, pulse widths.

Run it with ``duetto bench hardware`` (six minutes; a quiet machine, please) or ``duetto bench hardware --quick`` (half
a minute, numbers too few to quote). The full run writes its tables into ``docs/reference/performance.md``, which
explains them. Real time goes through pseudo-terminals, which have neither USB nor a baud rate: quote ratios, not
microseconds. What is counted in cycles of the chip is exact, and needs the firmware's compilers; without them the
emulator alone is measured.
"""

import argparse
import importlib.metadata
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console

from benchmarks import _hardware_cycles, _hardware_report, _hardware_wire
from benchmarks._children import fifo_refused
from benchmarks._hardware_device import KINDS
from benchmarks._round_trips import NORMAL, SHIELDED
from benchmarks._table import markdown, show, update_page
from controller.certificate import machine_description
from hardware.firmware.build import INSTALL, build, missing
from realtime.errors import DuettoError

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "reference" / "performance.md"
NAME: Final = "hardware"
EXIT_INTERRUPTED: Final = 128 + signal.SIGINT


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    real_time: _hardware_wire.Effort
    cycles: _hardware_cycles.Effort


FULL: Final = Effort(
    _hardware_wire.Effort(rounds=20, pokes=100, pings=50), _hardware_cycles.Effort(often=100, seldom=10, pulses=200)
)
QUICK: Final = Effort(
    _hardware_wire.Effort(rounds=2, pokes=20, pings=10), _hardware_cycles.Effort(often=10, seldom=2, pulses=20)
)


def measure(effort: Effort, folder: Path, tell: Callable[[str], None]) -> _hardware_report.Results:
    """Measure everything that can be measured here.

    Parameters
    ----------
    effort
        How much.
    folder
        For ports and what the devices complain of; empty.
    tell
        Hears what is being done.

    Raises
    ------
    BenchmarkFailed
        If something cannot be measured.
    """
    refused = fifo_refused()
    policies = (NORMAL,) if refused else (NORMAL, SHIELDED)
    lacking = tuple(missing())
    cycles = None
    if not lacking:
        tell("building the firmware")
        programs = build()
        tell("the firmware in virtual time")
        cycles = _hardware_cycles.measure(programs, effort.cycles)
    kinds = tuple(kind for kind in KINDS if kind != "simavr" or not lacking)
    real_time = _hardware_wire.measure(kinds, effort.real_time, folder, policies, tell)
    return _hardware_report.Results(policies, real_time, cycles, lacking, refused)


def firmware_said(lacking: tuple[str, ...]) -> str:
    """Return what the firmware was built with, or why it was not."""
    if lacking:
        return f"firmware not measured, the emulator only: {', '.join(lacking)} missing (to have it: {INSTALL})"
    told = subprocess.run(["avr-gcc", "--version"], capture_output=True, text=True, check=False).stdout
    return f"firmware built with {told.partition(chr(10))[0]}, run as machine code in simavr"


def circumstances(effort: Effort, results: _hardware_report.Results, took_s: float) -> str:
    """Return, as a list in markdown, when and where this was measured and what else the machine did."""
    machine = machine_description()
    others = [found.others for found in results.real_time.busy]
    steal = [found.steal for found in results.real_time.busy]
    extent = "full run" if effort == FULL else "quick run: too few numbers to quote"
    versions = f"numpy {np.__version__}, pyserial {importlib.metadata.version('pyserial')}"
    used = f"{100 * np.mean(others):.0f} % of all processors (at most {100 * max(others):.0f} % in a round)"
    stolen = f"{100 * np.mean(steal):.1f} % (at most {100 * max(steal):.1f} %)"
    lines = [
        f"{datetime.now().astimezone().date().isoformat()}, {extent}, {took_s:.0f} s",
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}",
        f"Python {platform.python_version()}, {versions}",
        firmware_said(results.lacking),
        f"real-time scheduling: {results.refused or 'granted, so there are rows of both kinds'}",
        f"in real time other programs used {used}, other machines on the same hardware {stolen}",
        f"load average over 1/5/15 min at the end {machine['load_1_5_15_min']}, the benchmark's own included",
    ]
    return "\n".join(f"- {line}" for line in lines)


def run(effort: Effort, page: Path | None) -> None:
    """Measure, show, and write into ``page`` if there is one."""
    screen, output = Console(stderr=True, highlight=False), Console(highlight=False)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="duetto-bench-") as folder, screen.status("") as status:
        results = measure(effort, Path(folder), status.update)
    said = circumstances(effort, results, time.monotonic() - began)
    found = _hardware_report.tables(results)
    output.out(said + "\n", highlight=False)
    show(output, found)
    if page is not None:
        update_page(page, NAME, "\n".join([said + "\n", *map(markdown, found)]))
        screen.print(f"written into {page}")


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description="Measure the reference board's emulator and firmware.")
    parser.add_argument(
        "--quick", action="store_true", help="far fewer of everything; only shown, unless --page is given"
    )
    parser.add_argument("--page", type=Path, help=f"page to write into (default {PAGE.name} of the reference)")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends processes and removes files as Ctrl-C does
    try:
        run(QUICK if given.quick else FULL, given.page or (None if given.quick else PAGE))
    except DuettoError as error:
        sys.stderr.write(f"duetto bench: {error}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stderr.write("duetto bench: interrupted; nothing was written\n")
        sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()

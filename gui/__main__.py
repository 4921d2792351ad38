"""The window's process: ``python -m gui ENDPOINT``. ``duetto run``, ``monitor`` and ``replay`` start it."""

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

from gui.display import check
from realtime.errors import DuettoError

FIRST_S: Final = 4.0
"""How long the first word of a session may take."""
EXIT_FAILED: Final = 1


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="duetto window", allow_abbrev=False)
    parser.add_argument("endpoint")
    parser.add_argument("--server-key", default="")
    parser.add_argument("--keys", type=Path, default=None, help="file with this user's keys")
    parser.add_argument("--screenshot", type=Path, default=None)
    parser.add_argument("--at", type=float, default=None)
    parser.add_argument("--size", default="")
    parser.add_argument("--theme", choices=("dark", "light"), default="")
    parser.add_argument("--report", type=Path, default=None, help="write how the window keeps up, a line every second")
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    """Open the window and return the exit status when it is closed."""
    arguments = _arguments(words)
    try:
        check(offscreen=arguments.screenshot is not None)
        if arguments.screenshot is not None:
            os.environ["QT_QPA_PLATFORM"] = "offscreen"
        from gui.application import run  # noqa: PLC0415  (Qt's libraries are there, as was just found out)

        return run(arguments, time.monotonic() + FIRST_S)
    except DuettoError as error:
        sys.stderr.write(f"duetto: {error}\n")
        return EXIT_FAILED


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(main(sys.argv[1:]))

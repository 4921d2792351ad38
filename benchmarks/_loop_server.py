"""The loop of a session in a process of its own, as a benchmark wants it: the product's loop, journal and sockets.

``python -m benchmarks._loop_server FOLDER --backend compiled --fifo 0``

FOLDER holds ``plan.json``; the journal and the sockets are made in it. Says a line of JSON when it runs and one when it
has ended. A line "+" on standard input starts a thread that burns Python bytecode, "-" ends it; the end of input ends
the loop.
"""

import argparse
import json
import sys
import threading
import time
from pathlib import Path
from typing import Final

from controller import journal as journals
from controller.bus import Addresses, Bus
from controller.host import use_fifo, use_normal
from controller.loop_host import Loop, LoopSettings
from controller.plan import from_text
from controller.rigfile import Loop as LoopKeys
from realtime.clock import now_ns
from realtime.records import FIRST_DEVICE

PLAN_NAME: Final = "plan.json"


class Burner:
    """A thread that executes Python bytecode without pause, with normal scheduling whatever the loop's is."""

    def __init__(self) -> None:
        self._burning = False
        self._thread: threading.Thread | None = None

    def set(self, *, burning: bool) -> None:
        """Start or end it."""
        if burning == self._burning:
            return
        self._burning = burning
        if burning:
            self._thread = threading.Thread(target=self._burn, name="burner", daemon=True)
            self._thread.start()
        elif self._thread is not None:
            self._thread.join()

    def _burn(self) -> None:
        use_normal()
        count = 0
        while self._burning:
            count += 1


def _say(facts: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def _obey(burner: Burner) -> None:
    """Do what standard input asks, until it ends."""
    for line in sys.stdin:
        burner.set(burning=line.startswith("+"))
    burner.set(burning=False)


def serve(folder: Path, backend: str, priority: int) -> None:
    """Run a loop until the end of standard input."""
    policy = use_fifo(priority)  # before the sockets: libzmq's threads inherit it
    plan = from_text((folder / PLAN_NAME).read_text(encoding="utf-8"))
    settings = LoopSettings(backend=backend, fifo_priority=priority)
    path = folder / journals.JOURNAL_NAME
    with journals.create(path, LoopKeys().journal_events, now_ns(), time.time_ns()) as journal, Bus() as bus:
        loop = Loop(bus, Addresses(folder), plan, journal, (FIRST_DEVICE,), settings)
        compile_s = loop.warm_up()
        loop.start()
        try:
            _say({"policy": policy, "backend": loop.backend, "compile_s": compile_s})
            _obey(Burner())
        finally:
            counters = loop.counters()
            ended = loop.stop()
        _say({"ended": ended, **counters})


def main() -> None:
    """Serve as the command line says."""
    parser = argparse.ArgumentParser(description="The loop of a session, for benchmarks.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backend", choices=("compiled", "python"), required=True)
    parser.add_argument("--fifo", type=int, default=0)
    given = parser.parse_args()
    serve(given.folder, given.backend, given.fifo)


if __name__ == "__main__":
    main()

"""A session's processes: starting them, hearing their heartbeats, ending them by their id."""

import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

import msgspec

from controller.host import Settings
from controller.messages import Beat
from realtime.clock import now_ns
from realtime.errors import DuettoError
from realtime.records import NS_PER_S

SILENT_NS: Final = 3 * NS_PER_S
"""A process that has not been heard for this long is taken for dead, although it still exists."""
ROOT: Final = Path(__file__).resolve().parent.parent


class ProcessFailed(DuettoError):
    """A process of the session could not do its work; the sentence is its own."""


@dataclass(slots=True)
class Child:
    """One process and what was last heard of it."""

    settings: Settings
    module: str
    process: "subprocess.Popen[bytes]"
    errors: "IO[bytes]"
    beat: Beat | None = None
    heard_ns: int = 0
    counters: dict[str, int] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    failure: str = ""

    @property
    def name(self) -> str:
        """The process's name in the session."""
        return self.settings.process

    @property
    def alive(self) -> bool:
        """Whether the process exists."""
        return self.process.poll() is None

    def hear(self, beat: Beat) -> None:
        """Take a heartbeat."""
        self.beat, self.heard_ns = beat, now_ns()
        self.counters.update(beat.counters)
        self.texts.update(beat.texts)
        if beat.stage == "failed":
            self.failure = beat.sentence

    def silent(self) -> bool:
        """Return whether it exists but has not been heard for too long; compiling takes as long as it takes."""
        if self.beat is not None and self.beat.stage == "compiling":
            return False
        return self.alive and now_ns() - self.heard_ns > SILENT_NS

    def why_dead(self) -> str:
        """Return why the process ended, as a sentence."""
        if self.failure:
            return self.failure
        status = self.process.poll()
        how = (
            f"was ended by {signal.Signals(-status).name}" if status is not None and status < 0 else f"ended ({status})"
        )
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return f"the process {self.name} {how}" + (f": {lines[-1]}" if lines else "")

    def ask_to_end(self) -> None:
        """Send SIGTERM, if it still exists."""
        if self.alive:
            self.process.terminate()

    def end(self, wait_s: float) -> None:
        """Wait for it to end; kill it when it takes longer than ``wait_s``."""
        try:
            self.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()


def start(module: str, settings: Settings) -> Child:
    """Start a session process in a group of its own, so that the terminal's Ctrl-C does not reach it.

    Its errors go to a file in the session's folder: ``NAME.err``.
    """
    path = Path(settings.session) / f"{settings.process}.err"
    errors = path.open("w+b")
    process = subprocess.Popen(
        [sys.executable, "-m", module, msgspec.json.encode(settings).decode()],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=errors,
        stderr=errors,
        start_new_session=True,
    )
    return Child(settings, module, process, errors, heard_ns=now_ns())

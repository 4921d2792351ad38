"""The processes of a benchmark: C programs made at run time, contenders, and how busy the machine was meanwhile."""

import contextlib
import ctypes
import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from controller.bus import libzmq_path
from realtime.errors import DuettoError

NATIVE: Final = Path(__file__).resolve().parent / "native"
COMPILE_TIMEOUT_S: Final = 60.0
READY_TIMEOUT_S: Final = 180.0
"""A cold compilation of the loop on a slow, busy machine fits into this."""
END_TIMEOUT_S: Final = 15.0
CLOSE_TIMEOUT_S: Final = 5.0
FIFO_PRIORITY: Final = 50
TICK_NS: Final = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
BURN: Final = "while True:\n    pass"


class BenchmarkFailed(DuettoError):
    """A measurement could not be made; the sentence says which and why."""


@dataclass(frozen=True, slots=True)
class Programs:
    """The C programs."""

    sender: Path
    echo: Path


def build(folder: Path) -> Programs:
    """Compile the C programs against the very libzmq that this process has mapped.

    Raises
    ------
    BenchmarkFailed
        Without a C compiler, or if it fails.
    """
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise BenchmarkFailed("there is no C compiler to build the reference with; please install gcc")
    libzmq = Path(libzmq_path())
    links = (str(libzmq), "-lpthread", f"-Wl,-rpath,{libzmq.parent}", "-Wl,--allow-shlib-undefined")
    made = Programs(folder / "sender", folder / "echo")
    for program in (made.sender, made.echo):
        source = NATIVE / f"{program.name}.c"
        done = subprocess.run(
            [compiler, "-O2", "-o", str(program), str(source), *links],
            capture_output=True,
            text=True,
            timeout=COMPILE_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no reason given"]
            raise BenchmarkFailed(f"{source} cannot be compiled: {lines[-1]}")
    return made


def libzmq_version() -> str:
    """Return the version of the mapped libzmq."""
    parts = [ctypes.c_int() for _ in range(3)]
    ctypes.CDLL(libzmq_path()).zmq_version(*(ctypes.byref(part) for part in parts))
    return ".".join(str(part.value) for part in parts)


def fifo_refused() -> str:
    """Return why SCHED_FIFO and locked memory are not granted here; empty if they are."""
    before = os.sched_getscheduler(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(FIFO_PRIORITY))
    except OSError as error:
        return f"SCHED_FIFO was refused: {error.strerror}"
    os.sched_setscheduler(0, before, os.sched_param(0))
    return ""


class Contender:
    """A process that serves, from its first line of JSON to the end of its standard input.

    Parameters
    ----------
    name
        What it is called in the tables.
    command
        What to start.
    folder
        Its folder, which exists; its standard error is kept there.
    environment
        Variables to set or change.
    """

    def __init__(
        self, name: str, command: list[str], folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.folder = folder
        self._errors: IO[bytes] = (folder / "stderr").open("wb")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=os.environ | dict(environment or {}),
            start_new_session=True,  # the terminal's Ctrl-C reaches the benchmark, which then ends it
        )
        try:
            self.first = self._listen(READY_TIMEOUT_S)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def burn(self, *, burning: bool) -> None:
        """Start or end the thread that burns beside the loop."""
        if self._process.stdin is None:
            return
        try:
            self._process.stdin.write(b"+\n" if burning else b"-\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._process.wait(END_TIMEOUT_S)
            raise BenchmarkFailed(self._why()) from None

    def end(self) -> dict[str, Any]:
        """Ask it to end and return what it said last; empty for one that says nothing.

        Raises
        ------
        BenchmarkFailed
            If it failed.
        """
        rest, _ = self._process.communicate(timeout=END_TIMEOUT_S)
        if self._process.returncode:
            raise BenchmarkFailed(self._why())
        facts: dict[str, Any] = json.loads(rest) if rest.strip() else {}
        return facts

    def close(self) -> None:
        """Make sure that it has ended."""
        if self._process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.communicate(timeout=CLOSE_TIMEOUT_S)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe is not None:
                pipe.close()

    def _listen(self, timeout_s: float) -> dict[str, Any]:
        pipe = self._process.stdout
        if pipe is None or not select.select([pipe], [], [], timeout_s)[0]:
            raise BenchmarkFailed(f"{self.name} was not ready within {timeout_s:g} s")
        line = pipe.readline()
        if not line:
            self._process.wait(END_TIMEOUT_S)
            raise BenchmarkFailed(self._why())
        facts: dict[str, Any] = json.loads(line)
        return facts

    def _why(self) -> str:
        lines = (self.folder / "stderr").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        reason = lines[-1] if lines else "it gave no reason"
        return f"{self.name} ended with status {self._process.returncode}: {reason}"


def loop_command(folder: Path, backend: str, priority: int) -> list[str]:
    """Return the command line of a loop's process."""
    module = "benchmarks._loop_server"
    return [sys.executable, "-m", module, str(folder), "--backend", backend, "--fifo", str(priority)]


@contextlib.contextmanager
def hogs(count: int) -> Iterator[list[int]]:
    """Keep ``count`` processes computing with normal scheduling while the block runs; yields their ids."""
    running: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            running.append(subprocess.Popen([sys.executable, "-S", "-c", BURN], start_new_session=True))  # noqa: PERF401
        yield [process.pid for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()


@dataclass(frozen=True, slots=True)
class Busyness:
    """Who used the processors between two readings, as fractions of all of them."""

    others: float
    steal: float
    load_1min: float


class Watch:
    """Tells what other programs, and other machines on the same hardware, took meanwhile.

    Parameters
    ----------
    own
        Ids of running processes that belong to the benchmark.
    """

    def __init__(self, own: list[int]) -> None:
        self._own = own
        self._before = self._read()

    def _read(self) -> tuple[int, int, int, int]:
        """Return total, idle and stolen time, and the benchmark's own, in ticks of all processors."""
        with Path("/proc/stat").open(encoding="ascii") as stat:
            ticks = [int(word) for word in stat.readline().split()[1:9]]
        spent = os.times()
        own_s = spent.user + spent.system + spent.children_user + spent.children_system
        own = round(own_s * 1e9 / TICK_NS) + sum(_ticks_of(pid) for pid in self._own)
        return sum(ticks), ticks[3] + ticks[4], ticks[7], own

    def stop(self) -> Busyness:
        """Return what happened since the beginning."""
        total, idle, steal, own = (after - before for after, before in zip(self._read(), self._before, strict=True))
        total = max(1, total)
        others = max(0, total - idle - steal - own) / total
        return Busyness(others, steal / total, os.getloadavg()[0])


def _ticks_of(pid: int) -> int:
    """Return the processor time of a process; 0 when it is gone."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0
    return int(words[11]) + int(words[12])

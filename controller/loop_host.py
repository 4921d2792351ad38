"""The process that runs the loop: journal, sockets, compilation, and the thread that holds no GIL.

Chosen at start and reported: the compiled loop where libzmq and the timer can be linked, the same kernels behind a
Python loop elsewhere.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba.core import config
from numpy.typing import NDArray

from controller import journal as journals
from controller import pyloop
from controller.bus import Addresses, Bus, BusError, libzmq_path
from controller.host import Host, run_process, use_fifo, use_normal
from controller.plan import Plan
from controller.session import read_plan, read_rig
from realtime.clock import CLOCK_MONOTONIC, now_ns
from realtime.jit import CACHED, is_warm
from realtime.loop import LINKS, N_BINS, STATUS, Ended, Measure, Wiring, run
from realtime.machine import Machine
from realtime.native import CannotLink, link
from realtime.records import FIRST_DEVICE, MAX_SOURCES, NS_PER_MS, SOURCE_OPERATOR, Kind, Operator, host_event
from realtime.sequencer import Core

TFD_NONBLOCK: Final = 0o4000
TFD_CLOEXEC: Final = 0o2000000
BEAT_NS: Final = 100 * NS_PER_MS
ALONE_S: Final = 0.8
"""How long the loop stays for the devices' last events when the supervisor is gone."""
GAUGES_NAME: Final = "gauges.npz"
WHY_ENDED: Final = {
    Ended.STOPPED: "the loop stopped by itself",
    Ended.JOURNAL_FULL: "the journal is full; raise loop.journal_events in the rig file",
    Ended.RECEIVE_FAILED: "the loop could not receive events any more",
    Ended.POLL_FAILED: "the loop could not wait for events any more",
}


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """How the loop runs; from the rig file's ``[loop]``."""

    backend: str = "auto"
    spin_ns: int = 100_000
    never_sleep: bool = False
    fifo_priority: int = 0
    virtual: bool = False


class Loop:
    """Owns the loop's sockets, descriptors and thread. Nothing else may touch them until :meth:`stop` has returned.

    Parameters
    ----------
    bus
        The process's sockets.
    addresses
        Where to listen.
    plan
        What to decide by.
    journal
        Where everything goes, before its consequences are sent.
    devices
        Numbers of the devices that take commands.
    settings
        How to run.
    """

    def __init__(
        self,
        bus: Bus,
        addresses: Addresses,
        plan: Plan,
        journal: journals.Journal,
        devices: tuple[int, ...],
        settings: LoopSettings,
    ) -> None:
        self.settings = settings
        self.journal = journal
        self.machine: Machine = plan.machine()
        self.core: Core = plan.core(journal.events, journal.words)
        self.backend, self.why = _choose(settings.backend)
        self.receive = bus.pull(addresses.events)
        self.publish = bus.publish(addresses.decisions)
        self.commands = {source: bus.push(addresses.commands(source)) for source in devices}
        self.status: NDArray[Any] = np.zeros(1, STATUS)
        self.histogram = np.zeros((len(Measure), N_BINS), np.int64)
        self.ended: int | None = None
        self.done = threading.Event()
        self._thread: threading.Thread | None = None
        self._stop_fd = os.eventfd(0, os.EFD_NONBLOCK) if self.backend == "compiled" else -1
        self._timer_fd = _timer() if self.backend == "compiled" else -1
        self.wiring = self._wire()

    def _wire(self) -> Wiring:
        links = np.zeros(1, LINKS)
        commands = np.zeros(MAX_SOURCES, np.uint64)
        if self.backend == "compiled":
            links["receive"], links["publish"] = self.receive.underlying, self.publish.underlying
            for source, socket in self.commands.items():
                commands[source] = socket.underlying
        links["stop_fd"], links["timer_fd"] = self._stop_fd, self._timer_fd
        links["spin_ns"], links["beat_ns"] = self.settings.spin_ns, BEAT_NS
        links["never_sleep"], links["virtual"] = self.settings.never_sleep, self.settings.virtual
        return Wiring(links, commands, self.journal.header["count"], self.status, self.histogram)

    def warm_up(self) -> float:
        """Compile the loop, or load it from the cache; return how long that took [s]."""
        before = time.perf_counter()
        if self.backend == "compiled":
            self.status["stop"] = 1
            run(self.wiring, self.core, self.machine)
            self.status["stop"] = 0
        else:
            pyloop.warm_up(self.core, self.machine)
        return time.perf_counter() - before

    def start(self) -> None:
        """Start the loop in its thread."""
        self._thread = threading.Thread(target=self._body, name="loop", daemon=True)
        self._thread.start()

    def _body(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        use_fifo(self.settings.fifo_priority)
        try:
            if self.backend == "compiled":
                self.ended = int(run(self.wiring, self.core, self.machine))
            else:
                sockets = pyloop.Sockets(self.receive, self.publish, self.commands)
                self.ended = int(pyloop.run(sockets, self.wiring, self.core, self.machine))
        finally:
            self.done.set()

    def stop(self) -> int:
        """Stop the loop, close its descriptors, and return how it ended."""
        self.status["stop"] = 1
        if self._stop_fd >= 0:
            os.eventfd_write(self._stop_fd, 1)
        if self._thread is not None:
            self.done.wait()  # not join alone: a Ctrl-C in it makes CPython 3.11 forget a thread that still runs
            self._thread.join()
        self.close()
        return int(Ended.STOPPED if self.ended is None else self.ended)

    def close(self) -> None:
        """Close the descriptors of a loop that does not run."""
        for descriptor in (self._stop_fd, self._timer_fd):
            if descriptor >= 0:
                os.close(descriptor)
        self._stop_fd = self._timer_fd = -1

    def counters(self) -> dict[str, int]:
        """Return what the loop and its core have counted so far."""
        status, memory = self.status[0], self.core.memory[0]
        counted = {name: int(status[name]) for name in ("n_events", "n_malformed", "n_unsent", "n_unpublished")}
        for name in ("n_late", "n_clamped", "n_lost", "n_duplicate", "n_refused", "n_forced", "n_unknown"):
            counted[name] = int(memory[name])
        counted["journaled"] = int(memory["seq"])
        counted["alive_ns"] = int(status["alive_ns"])
        counted["resident_kb"] = resident_kb()
        return counted


def resident_kb() -> int:
    """Return this process's resident memory [kB], 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 (read ten times a second)
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    except OSError:
        return 0


def _timer() -> int:
    """Return a new timer descriptor on the session clock (Python has no call for it before 3.13)."""
    descriptor = ctypes.CDLL(None, use_errno=True).timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)
    if descriptor < 0:
        raise CannotLink(f"the system refused a timer: {os.strerror(ctypes.get_errno())}; use backend = 'python'")
    return int(descriptor)


def _choose(backend: str) -> tuple[str, str]:
    """Return which loop runs here, and why not the compiled one if it is not."""
    if backend == "python":
        return "python", "asked for"
    if config.DISABLE_JIT and backend == "auto":
        return "python", "compilation is switched off"
    try:
        link(libzmq_path())
    except (CannotLink, BusError) as error:
        if backend == "compiled":
            raise
        return "python", str(error)
    return "compiled", ""


def _watch(host: Host, loop: Loop, texts: dict[str, str]) -> None:
    """Beat until the loop ends or this process is asked to."""
    while not host.ending.due() and not loop.done.wait(0.05):
        if host.beat_due():
            host.beat("ready", counters=loop.counters(), texts=texts)
    if host.ending.orphaned and not loop.done.is_set():
        _stop_alone(host, loop)


def _stop_alone(host: Host, loop: Loop) -> None:
    """End a session whose supervisor is gone: STOP to the machine, then time for the devices' last events."""
    stop = host_event(Kind.OPERATOR, now_ns(), SOURCE_OPERATOR, Operator.STOP)
    host.bus.push_to(host.addresses.events).send(stop.tobytes())
    loop.done.wait(ALONE_S)


def _compile_apart(host: Host) -> None:
    """Let another process compile what the cache does not have; the compiler's memory goes with it."""
    if is_warm() or not CACHED:
        return
    command = [sys.executable, "-m", "controller.warm_up"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as apart:
        while apart.poll() is None:
            if host.ending.due():
                apart.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                apart.wait(0.05)


def body(host: Host) -> int:
    """Run the loop of a session until told to stop."""
    plan, rig = read_plan(host.session), read_rig(host.session)
    settings = LoopSettings(
        backend=rig.loop.backend,
        spin_ns=round(rig.loop.spin_us * 1000),
        never_sleep=rig.loop.wait == "spin",
        fifo_priority=rig.loop.fifo_priority,
    )
    host.beat("compiling")
    use_normal()  # the sockets' own threads exist and keep their policy, the loop's takes its own; compiling must not
    before = time.perf_counter()
    _compile_apart(host)
    path = host.session / journals.JOURNAL_NAME
    devices = tuple(range(FIRST_DEVICE, FIRST_DEVICE + len(rig.devices)))
    with journals.create(path, rig.loop.journal_events, now_ns(), time.time_ns()) as journal:
        loop = Loop(host.bus, host.addresses, plan, journal, devices, settings)
        loop.warm_up()
        seconds = time.perf_counter() - before
        texts = {"backend": loop.backend, "why": loop.why, "policy": host.policy, "compile_s": f"{seconds:.2f}"}
        loop.start()
        host.beat("ready", counters=loop.counters(), texts=texts)
        _watch(host, loop, texts)
        early = loop.done.is_set()
        ended = loop.stop()
        np.savez(host.session / GAUGES_NAME, histogram=loop.histogram)
        host.beat("ended", counters=loop.counters(), texts=texts)
        journal.header["reason"] = ended
        journal.header["closed"] = 0 if early else 1
        if early:
            host.beat("failed", WHY_ENDED[Ended(ended)] + f" (errno {int(loop.status['errno'][0])})")
    return ended


if __name__ == "__main__":
    sys.exit(run_process(body))

"""How late the loop fires a deadline, on a board that says nothing.

The cooperation task with nobody in the box has three deadlines a trial: the ITI, here 20 to 750 ms, the trial's limit
and the pause after the omission. Each is due a fixed time after the one before was *due*, and grace is 0; so a TIMER's
``arrival_ns`` less its ``t_ns`` in the journal is how late the loop was, and nothing else.
"""

import math
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks._children import FIFO_PRIORITY, BenchmarkFailed, Busyness, Contender, Watch, loop_command
from benchmarks._loop_server import PLAN_NAME
from benchmarks._round_trips import BURNING, COMPILED, IDLE, NORMAL, PYTHON, SHIELDED
from controller import plan as plans
from controller.bus import Addresses, Bus, send_now
from controller.journal import JOURNAL_NAME, open_for_reading
from controller.rigfile import Rig
from realtime.clock import now_ns
from realtime.machine import Param
from realtime.records import NS_PER_MS, SOURCE_OPERATOR, Events, Kind, Operator, no_events

ITI_MS: Final = (20.0, 750.0)
LIMIT_MS: Final = 150
PAUSE_MS: Final = 40


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late one loop was under one load and policy."""

    contender: str
    load: str
    policy: str
    late_ns: NDArray[np.int64]
    """Of each deadline [ns]."""
    busy: Busyness


def plan_of_deadlines(rig: Rig, seconds: float, seed: int) -> plans.Plan:
    """Return a plan whose deadlines follow one another for at least ``seconds`` while nobody pokes."""
    trials = int(seconds * 1000 / (ITI_MS[0] + LIMIT_MS + PAUSE_MS)) + 2
    plan = plans.make(rig, seed=seed, day=1, minutes=1.0, trials=trials)
    iti_ms = np.exp(np.random.default_rng(seed).uniform(math.log(ITI_MS[0]), math.log(ITI_MS[1]), trials))
    arrays = {name: array.copy() for name, array in plan.arrays.items()}
    arrays["trials"]["iti_ns"] = np.rint(iti_ms * NS_PER_MS)
    arrays["trials"]["light_from"] = 0
    arrays["params"][:, Param.TRIAL_LIMIT] = LIMIT_MS * NS_PER_MS
    arrays["params"][:, Param.TIMEOUT] = PAUSE_MS * NS_PER_MS
    return replace(plan, arrays=arrays, grace_ns=0)


def lateness_of(events: Events) -> NDArray[np.int64]:
    """Return how late each deadline of a log fired, its grace being 0 [ns]."""
    fired = events[events["kind"] == Kind.TIMER]
    late_ns: NDArray[np.int64] = fired["arrival_ns"] - fired["t_ns"]
    return late_ns


def _start(bus: Bus, folder: Path) -> None:
    """Ask the loop in ``folder`` to start the session."""
    event = no_events(1)
    event["kind"], event["source"], event["value"] = Kind.OPERATOR, SOURCE_OPERATOR, Operator.START
    event["t_ns"] = now_ns()
    if not send_now(bus.push_to(Addresses(folder).events), event.tobytes()):
        raise BenchmarkFailed("deadlines: the loop does not take the start of its session")


def _journal_of(folder: Path) -> Events:
    with open_for_reading(folder / JOURNAL_NAME) as journal:
        return journal.read(0, journal.count())


def side_by_side(wanted: list[tuple[str, str, str]], plan: plans.Plan, seconds: float, folder: Path) -> list[Lateness]:
    """Measure several loops at the same time; each sleeps nearly always.

    Parameters
    ----------
    wanted
        Contender, load and policy of each.
    plan
        From :func:`plan_of_deadlines`.
    seconds
        For how long.
    folder
        Where each gets a folder of its own.
    """
    with ExitStack() as stack:
        running: list[Contender] = []
        for contender, load, policy in wanted:
            own = folder / f"deadlines-{len(list(folder.iterdir()))}"
            own.mkdir()
            (own / PLAN_NAME).write_text(plan.to_text(), encoding="utf-8")
            backend = "compiled" if contender == COMPILED else "python"
            command = loop_command(own, backend, FIFO_PRIORITY if policy == SHIELDED else 0)
            running.append(stack.enter_context(Contender(contender, command, own)))
            running[-1].burn(burning=load == BURNING)
        bus = stack.enter_context(Bus())
        for process in running:
            _start(bus, process.folder)
        watch = Watch([process.pid for process in running])
        time.sleep(seconds)
        busy = watch.stop()
        for process in running:
            process.end()
    found = [lateness_of(_journal_of(process.folder)) for process in running]
    return [Lateness(*what, late_ns, busy) for what, late_ns in zip(wanted, found, strict=True)]


def measure(rig: Rig, seconds: float, folder: Path, policies: tuple[str, ...]) -> list[Lateness]:
    """Measure the compiled loop alone and beside a burning thread, under each policy, and the Python loop alone."""
    plan = plan_of_deadlines(rig, seconds, seed=1)
    quiet = [(COMPILED, IDLE, policy) for policy in policies] + [(PYTHON, IDLE, NORMAL)]
    found = side_by_side(quiet, plan, seconds, folder)
    for policy in policies:
        found += side_by_side([(COMPILED, BURNING, policy)], plan, seconds, folder)
    return found

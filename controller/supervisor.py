"""The supervisor: starts a session's processes, watches them, takes a person's wishes, and ends everything safely.

::

    virtual rig ─ready─▶ drivers (identify), loop and estimators (compile) ─ready─▶ recorder ─ready─▶ START ─▶ … ─▶
    STOP ─▶ drivers end ─▶ loop ends ─▶ estimators end ─▶ recorder ends ─▶ virtual rig ends

It decides nothing about trials. Ctrl-C, the last trial, the last minute, a person's stop and the death of any process
all lead through the same door: STOP to the machine (every output commanded off), drivers make their devices safe and
hand in their last events, the loop closes the journal, the recorder finishes the log. A recorder that dies is started
again: the journal has everything. So are estimators that die, a few times: without them no light follows a brain, and
the task goes on. Everything else that dies ends the session.
"""

import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

import msgspec
import numpy as np

from controller import journal as journals
from controller.bus import Addresses, Bus, Poller, make_folder, receive_now, remove_folder, send_now
from controller.certificate import certificate
from controller.children import Child, ProcessFailed, start
from controller.control import ANIMAL_NEEDED
from controller.edges import EdgeWatch, lines_watched
from controller.host import Settings
from controller.laser_test import LaserTests
from controller.loop_host import GAUGES_NAME
from controller.messages import Answer, Request, decode_beat, decode_request, encode
from controller.messages.view import Process, Standing, encode_view
from controller.neural.sources import has_process
from controller.recorder import ENDING_NAME, NOTES_NAME
from controller.rigschema import EMULATOR
from controller.session import LIVE_NAME, Order, prepare, write_json
from controller.summary import Brains, Summary, summarise
from controller.tally import Tally
from hardware.device import animal_of
from realtime.clock import from_seconds, now_ns
from realtime.errors import DuettoError
from realtime.records import (
    ANIMALS,
    EVENT,
    NO_ANIMAL,
    NS_PER_MS,
    NS_PER_S,
    SOURCE_OPERATOR,
    Fault,
    Kind,
    Operator,
    host_event,
)

TURN_S: Final = 0.05
IDENTIFY_NS: Final = 8 * NS_PER_S
"""A device has 2.5 s to say who it is, a slow machine some more to start the process that asks."""
START_UP_NS: Final = 300 * NS_PER_S
"""Compilation on a slow machine may take this long."""
STOP_NS: Final = NS_PER_S
STANDING_NS: Final = 200 * NS_PER_MS
"""How often viewers hear how the session stands."""
MOST_SAID: Final = 100
"""Sentences that viewers are told again."""
MOST_STARTS: Final = 5
"""How often a process that may die without harm is started."""
END_WAIT_S: Final = 5.0
VIEWERS_WAIT_S: Final = 1.5
"""A session does not wait for those who only show it."""
VERBS: Final = {
    "start": Operator.START,
    "pause": Operator.PAUSE,
    "resume": Operator.RESUME,
    "stop": Operator.STOP,
    "reward": Operator.FREE_REWARD,
    "laser": Operator.LASER_TEST,
    "arm": Operator.ARM,
    "disarm": Operator.DISARM,
    "note": Operator.NOTE,
}


NEEDS_DEVICES: Final = frozenset({"start", "resume", "reward", "laser", "arm"})


class Interrupted(ProcessFailed):
    """The session was stopped before it began, by a signal or, from a window or script, by a person.

    Attributes
    ----------
    by_signal
        Whether it was a signal: the whole command is meant.
    """

    def __init__(self, sentence: str, *, by_signal: bool) -> None:
        self.by_signal = by_signal
        super().__init__(sentence)


@dataclass(frozen=True, slots=True)
class Progress:
    """A moment of the session, for whoever shows it."""

    phase: str
    elapsed_s: float
    tally: Tally
    loop: dict[str, int]
    said: tuple[str, ...] = ()
    """Sentences that are new since the last moment: what devices and processes want a person to know."""
    clocks_ns: dict[str, int] = field(default_factory=dict)
    """How uncertain each device's clock is now [ns]; devices without a clock are left out."""
    brains: str = ""
    """What the estimates say now; empty where there are none."""


Show = Callable[[Progress], None]
VIEWERS: Final = "viewers"
"""The process that serves windows."""


class Supervisor:
    """Runs one ordered session with real processes.

    Parameters
    ----------
    order
        What was asked for.
    show
        Called often with the session's progress.
    sockets
        A folder for the session's sockets, where its viewers are connected already; a new one otherwise.
    listen
        Where viewers of other computers may connect; empty where they may not.
    """

    def __init__(self, order: Order, show: Show, sockets: Path | None = None, listen: str = "") -> None:
        self.order = order
        self.show = show
        self.folder, self.plan = prepare(order)
        self.tally = Tally(self.plan)
        self._edges = EdgeWatch(lines_watched(order.rig))
        self._laser_tests = LaserTests(self.plan)
        self.children: dict[str, Child] = {}
        self.reason = ""
        self.as_asked = False
        self._phase = "starting"
        self._signals: list[int] = []
        self._said: list[str] = []
        self._notes = 0
        self._lost: set[str] = set()
        self._stop_asked = self._stop_told = False
        self._starts = {"recorder": 0, "estimators": 0, VIEWERS: 0}
        self._listen = listen
        self._all_said: list[str] = []
        self._n_said = self._standing_ns = 0
        self._begun_ns = 0
        self._borrowed = sockets is not None
        self._sockets = make_folder() if sockets is None else sockets
        self._bus = Bus()
        addresses = self.addresses = Addresses(self._sockets)
        self._beats = self._bus.pull(addresses.beats)
        self._control = self._bus.reply(addresses.control)
        self._events = self._bus.push_to(addresses.events)
        self._standing = self._bus.publish(addresses.standing)
        self._decisions = self._bus.subscribe(addresses.decisions)
        self._poller = Poller(self._beats, self._control, self._decisions)

    def run(self) -> Summary:
        """Run the session to its end and return its summary.

        Raises
        ------
        DuettoError
            If it could not start; everything that was started has been ended, and its folder is gone again.
        """
        before = {s: signal.signal(s, self._hear_signal) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            return self._run()
        finally:
            self._end_all()
            self._bus.close()
            if not self._borrowed:
                remove_folder(self._sockets)
            (self.folder / LIVE_NAME).unlink(missing_ok=True)
            for number, handler in before.items():
                signal.signal(number, handler)
            if not self._begun_ns:
                shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self) -> Summary:
        live = {"pid": os.getpid(), "control": self.addresses.control, "decisions": self.addresses.decisions}
        live["view"] = self.addresses.view
        if self.order.rig.neural is not None:
            live["estimates"] = self.addresses.estimates
        write_json(self.folder / LIVE_NAME, live)
        try:
            self._start_up()
            self._watch()
        except DuettoError as error:
            if not self._begun_ns:
                raise
            self.reason = str(error)
        self._wind_down()
        return self._finish()

    def _hear_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)

    # --- starting -----------------------------------------------------------------------------------------------

    def _start(self, name: str, module: str, device: str = "", port: str = "") -> Child:
        """Start a process of the session."""
        settings = Settings(
            process=name,
            session=str(self.folder.resolve()),
            bus=str(self._sockets),
            parent=os.getpid(),
            device=device,
            port=port,
            fifo_priority=self.order.rig.loop.fifo_priority if name == "loop" or name.startswith("driver-") else 0,
            listen=self._listen if name == VIEWERS else "",
        )
        if name in self.children:
            self.children[name].end(0.0)
        child = self.children[name] = start(module, settings)
        return child

    def _start_up(self) -> None:
        """Start everything in order; each next one when the last one is ready."""
        self._start_viewers()
        rig = self.order.rig
        ports = {name: device.port for name, device in rig.devices.items()}
        if EMULATOR in ports.values():
            self._await([self._start("virtual-rig", "controller.virtual_rig")], IDENTIFY_NS)
            ports |= {
                name: self.children["virtual-rig"].texts[name] for name, port in ports.items() if port == EMULATOR
            }
        self._phase = "identifying devices"
        drivers = [self._start(f"driver-{name}", "controller.driver_host", name, port) for name, port in ports.items()]
        loop = self._start("loop", "controller.loop_host")
        self._await(drivers, IDENTIFY_NS)
        brains = self._start_brains()
        self._phase = "compiling"
        self._await([loop, *drivers, *brains], START_UP_NS)
        self._phase = "starting the recorder"
        self._start_recorder()
        self._await([self.children["recorder"], *drivers], START_UP_NS)
        if rig.inhibition.arm_at_start:
            self._tell(Operator.ARM)
        self._tell(Operator.START)
        self._begun_ns = now_ns()
        self._phase = "running"

    def _start_brains(self) -> list[Child]:
        """Start the estimators and what plays or fetches frames for them, if the rig has brains."""
        if self.order.rig.neural is None:
            return []
        started = [
            self._start(f"frames-{animal}", "controller.source_host", animal)
            for number, animal in enumerate(ANIMALS)
            if has_process(self.order.rig, number)
        ]
        return [*started, self._start_estimators()]

    def _start_estimators(self) -> Child:
        self._starts["estimators"] += 1
        return self._start("estimators", "controller.estimator_host")

    def _start_viewers(self) -> None:
        self._starts[VIEWERS] += 1
        self._start(VIEWERS, "controller.viewing.host")

    def _start_recorder(self) -> None:
        self._starts["recorder"] += 1
        self._start("recorder", "controller.recorder_host")

    def _await(self, children: list[Child], timeout_ns: int) -> None:
        """Wait until each of ``children`` says it is ready."""
        deadline_ns = now_ns() + timeout_ns
        while not all(child.beat is not None and child.beat.stage == "ready" for child in children):
            self._turn()
            for child in children:
                if not child.alive or child.failure:
                    child.end(END_WAIT_S)
                    raise ProcessFailed(child.why_dead())
            if self._signals:
                raise Interrupted(f"stopped by {self._signal_name()} before the session began", by_signal=True)
            if self._stop_asked:
                raise Interrupted("a person stopped it before the session began", by_signal=False)
            if now_ns() > deadline_ns:
                late = ", ".join(c.name for c in children if c.beat is None or c.beat.stage != "ready")
                raise ProcessFailed(
                    f"{late} was not ready within {timeout_ns / NS_PER_S:g} s; is the machine overloaded?"
                )

    # --- running ------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        """Wait a moment; take what processes, viewers' stream and people have to say; show where things stand."""
        self._poller.wait(TURN_S)
        while (data := receive_now(self._beats)) is not None:
            beat = decode_beat(data)
            if beat.process in self.children:
                self.children[beat.process].hear(beat)
                if beat.stage != "failed":  # a failure is told as the reason for the end
                    self._said += beat.sentence.splitlines()
        while (data := receive_now(self._decisions)) is not None:
            events = np.frombuffer(data, EVENT)
            self.tally.add(events)
            self._edges.add(events)
        self._tell_missing_edges()
        while (data := receive_now(self._control)) is not None:
            self._control.send(encode(self._answer(data)))
        loop = self.children["loop"].counters if "loop" in self.children else {}
        elapsed_ns = now_ns() - self._begun_ns if self._begun_ns else 0
        said, self._said = tuple(self._said), []
        brains = self.children["estimators"].texts.get("estimate", "") if "estimators" in self.children else ""
        self._tell_viewers(said, elapsed_ns)
        self.show(Progress(self._phase, elapsed_ns / NS_PER_S, self.tally, loop, said, self._clocks_ns(), brains))

    def _tell_viewers(self, said: tuple[str, ...], elapsed_ns: int) -> None:
        """Tell whoever shows the session how it stands; at once where there is something to say."""
        now = now_ns()
        if not said and now - self._standing_ns < STANDING_NS:
            return
        self._standing_ns = now
        self._n_said += len(said)
        self._all_said = [*self._all_said, *said][-MOST_SAID:]
        processes = [
            Process(
                child.name,
                "starting" if child.beat is None else child.beat.stage,
                child.alive,
                (now - child.heard_ns) / NS_PER_S,
                child.counters,
                child.texts,
            )
            for child in self.children.values()
        ]
        standing = Standing(
            now, self._phase, elapsed_ns / NS_PER_S, processes, self._all_said, self._n_said, self._away(), self.reason
        )
        send_now(self._standing, encode_view(standing))

    def _tell_missing_edges(self) -> None:
        """Record every command whose copied edge never came."""
        for line in self._edges.overdue(now_ns()):
            fault = host_event(
                Kind.FAULT, now_ns(), SOURCE_OPERATOR, Fault.EDGE_MISSING, line=line, animal=animal_of(line)
            )
            send_now(self._events, fault.tobytes())
            self._said.append(f"{line.name} was commanded, but the copy of its wire shows no edge.")

    def _clocks_ns(self) -> dict[str, int]:
        """Return how uncertain each device's clock is now."""
        counted = {name: self.children[f"driver-{name}"].counters for name in self._running_devices()}
        return {name: c["clock_uncertainty_ns"] for name, c in counted.items() if c.get("clock_uncertainty_ns")}

    def _running_devices(self) -> list[str]:
        return [name for name in self.order.rig.devices if f"driver-{name}" in self.children]

    def _away(self) -> list[str]:
        """Return the devices that are not ready."""
        children = {name: self.children[f"driver-{name}"] for name in self._running_devices()}
        return [name for name, child in children.items() if child.beat is None or child.beat.stage != "ready"]

    def _watch(self) -> None:
        """Let the session run until there is a reason to end it."""
        end_ns = self._begun_ns + from_seconds(self.order.minutes * 60.0)
        while not self.reason:
            self._turn()
            self._check_children()
            stopped = self._stop_asked or self.tally.stopped  # a stop may have gone past a supervisor that hung
            if self.tally.finished and not stopped:
                self.reason, self.as_asked = "after its trials", self.order.trials is not None
            elif now_ns() >= end_ns:
                self.reason, self.as_asked = "after its minutes", True
            elif stopped:
                self.reason, self.as_asked = "a person stopped it", True
            elif self._signals:
                self.reason = f"stopped by {self._signal_name()}"

    def _signal_name(self) -> str:
        """Return what a person calls the first signal that came."""
        return "Ctrl-C" if self._signals[0] == signal.SIGINT else signal.Signals(self._signals[0]).name

    def _check_children(self) -> None:
        """End the session when a process has died or fallen silent; start a dead recorder or estimator again."""
        for number, child in enumerate(list(self.children.values())):
            if child.alive and not child.silent() and not child.failure:
                continue
            if child.name in self._lost:
                continue
            sentence = child.why_dead() if not child.alive else f"the process {child.name} has fallen silent"
            if self._is_expendable(child, number, sentence):
                continue
            self.reason = child.failure or sentence
            return

    def _is_expendable(self, child: Child, number: int, sentence: str) -> bool:
        """Record a process's death; start it again, or go on without it, where that is safe."""
        about_brains = child.name == "estimators" or child.name.startswith("frames-")
        code = Fault.ESTIMATOR_LOST if about_brains else Fault.PROCESS_DIED
        fault = host_event(Kind.FAULT, now_ns(), SOURCE_OPERATOR, code, number=number)
        send_now(self._events, fault.tobytes())
        if child.name in self._starts and self._starts[child.name] < MOST_STARTS:
            child.process.kill()
            {
                "recorder": self._start_recorder,
                "estimators": self._start_estimators,
                VIEWERS: self._start_viewers,
            }[child.name]()
        elif about_brains or child.name == VIEWERS:
            self._lost.add(child.name)
            child.process.kill()
            child.texts.clear()  # what it said last is not so any more
        else:
            return False
        if child.name == VIEWERS:
            lost = "windows cannot watch it any more" if child.name in self._lost else "windows are served anew"
            self._said.append(f"{sentence}; the session goes on, {lost}.")
        if about_brains:
            self._said.append(
                f"{sentence}; the task goes on, the estimates "
                + ("are lost" if child.name in self._lost else "begin anew")
                + "."
            )
        return True

    # --- people -------------------------------------------------------------------------------------------------

    def _tell(self, code: Operator, animal: int = NO_ANIMAL, number: int = 0) -> bool:
        """Give the loop a person's wish, as an event."""
        event = host_event(Kind.OPERATOR, now_ns(), SOURCE_OPERATOR, code, animal=animal, number=number)
        return send_now(self._events, event.tobytes())

    def _answer(self, data: bytes) -> Answer:
        """Carry out a request and say what was done."""
        try:
            request = decode_request(data)
        except msgspec.DecodeError as error:
            return Answer(False, f"not a request: {error}")
        if request.verb == "stop" and not self._begun_ns:
            self._stop_asked = True
            return Answer(True, "stop: the session will not begin")
        if request.verb == "stop" and self._phase != "running":
            return Answer(True, f"stop: it is {self._phase} already", self._status())
        if request.verb == "status":
            return Answer(True, f"{self._phase}: {self.tally.state_names()}", self._status())
        if self._phase != "running":
            return Answer(False, f"the session is {self._phase}; wait until it runs")
        return self._carry_out(request)

    def _carry_out(self, request: Request) -> Answer:
        """Pass a request on to the loop."""
        animal = NO_ANIMAL if request.animal is None else ANIMALS.index(request.animal)
        if request.verb in ANIMAL_NEEDED and animal == NO_ANIMAL:
            return Answer(False, ANIMAL_NEEDED[request.verb])
        if request.verb in NEEDS_DEVICES and (away := self._away()):
            return Answer(False, f"{', '.join(away)} is not ready; wait until it is back")
        if request.verb == "laser" and (why := self._laser_tests.why_not(self.tally, animal, now_ns())):
            return Answer(False, why)
        if request.verb == "resume" and (why := self._laser_tests.why_no_resume(now_ns())):
            return Answer(False, why)
        if request.verb == "note":
            if not request.text.strip():
                return Answer(False, "the note is empty; say what happened")
            try:
                self._write_note(request.text)
            except OSError as error:
                return Answer(False, f"the note could not be written: {error.strerror}; make room and try again")
        if not self._tell(VERBS[request.verb], animal, self._notes if request.verb == "note" else 0):
            return Answer(False, "the loop does not take events; the session is ending")
        self._laser_tests.passed_on(request.verb, now_ns())
        if request.verb == "stop":
            self._stop_asked = self._stop_told = True
        return Answer(True, f"{request.verb}: done, and logged", self._status())

    def _write_note(self, text: str) -> None:
        """Put a note's text on disk before its event is sent."""
        self._notes += 1
        with (self.folder / NOTES_NAME).open("a", encoding="utf-8") as notes:
            notes.write(json.dumps({"number": self._notes, "t_ns": now_ns(), "text": text}) + "\n")
            notes.flush()
            os.fsync(notes.fileno())

    def _status(self) -> dict[str, str | int | float]:
        """Return the session's standing, for scripts."""
        tally = self.tally
        return {
            "phase": self._phase,
            "state": tally.state_names(),
            "trials": tally.trials,
            "successes": tally.successes,
            "armed": int(tally.armed),
            "away": ", ".join(self._away()),
            "rewards_a": tally.rewards[0],
            "rewards_b": tally.rewards[1],
            "folder": str(self.folder),
        }

    # --- ending -------------------------------------------------------------------------------------------------

    def _wind_down(self) -> None:
        """Stop the machine, then end the processes in the order in which each still needs the next."""
        self._phase = "ending"
        if not self._stop_told:
            self._tell(Operator.STOP)
        if not self._await_finish() and self._stop_told:
            self._tell(Operator.STOP)  # a person's has come to nothing
            self._await_finish()
        drivers = [name for name in self.children if name.startswith("driver-")]
        self._end(drivers)
        self._end(["loop"])
        self._end([name for name in self.children if name.startswith("frames-")])
        self._end(["estimators"])
        with journals.open_for_reading(self.folder / journals.JOURNAL_NAME, accept_cut=True) as reader:
            self._journaled = reader.read(0, reader.count())
        self._certificate = self._certify()
        ending = {"reason": self.reason, "as_asked": str(self.as_asked).lower(), "events": str(self._journaled.size)}
        metadata = {"ending": ending, "certificate": {"json": json.dumps(self._certificate)}}
        for name in self._running_devices():
            child = self.children[f"driver-{name}"]
            metadata[f"device {name}"] = child.texts | {what: str(n) for what, n in sorted(child.counters.items())}
        if "estimators" in self.children:
            child = self.children["estimators"]
            metadata["estimators"] = child.texts | {what: str(n) for what, n in sorted(child.counters.items())}
        write_json(self.folder / ENDING_NAME, {"metadata": metadata})
        self._end(["recorder"])
        self._end(["virtual-rig"])
        self._phase, self._standing_ns = "ended", 0
        self._turn()
        self._end([VIEWERS], VIEWERS_WAIT_S)

    def _await_finish(self) -> bool:
        """Wait until every machine has nothing more to do, but not for long; return whether it is so."""
        deadline_ns = now_ns() + STOP_NS
        while not self.tally.finished and now_ns() < deadline_ns and self.children["loop"].alive:
            self._turn()
        return self.tally.finished

    def _end(self, names: list[str], wait_s: float = END_WAIT_S) -> None:
        """Ask processes to end, hear their last words, and make sure that they are gone."""
        children = [self.children[name] for name in names if name in self.children]
        for child in children:
            child.ask_to_end()
        deadline_ns = now_ns() + from_seconds(wait_s)
        while any(child.alive for child in children) and now_ns() < deadline_ns:
            self._turn()
        self._turn()
        for child in children:
            child.end(0.0 if now_ns() >= deadline_ns else wait_s)

    def _end_all(self) -> None:
        """End whatever still runs; drivers first, so that devices are made safe."""
        for name in sorted(self.children, key=lambda n: (not n.startswith("driver-"), n)):
            child = self.children[name]
            if not child.errors.closed:
                child.ask_to_end()
                child.end(END_WAIT_S)
            errors = Path(child.settings.session) / f"{name}.err"
            if errors.exists() and errors.stat().st_size == 0:
                errors.unlink()

    def _certify(self) -> dict[str, Any]:
        """Return the session's latency certificate."""
        loop = self.children.get("loop")
        gauges = self.folder / GAUGES_NAME
        histogram = None
        if gauges.exists():
            with np.load(gauges) as arrays:
                histogram = arrays["histogram"]
            gauges.unlink()
        counters = {} if loop is None else {k: v for k, v in loop.counters.items() if k != "alive_ns"}
        return certificate(self._journaled, histogram, counters, {} if loop is None else loop.texts)

    def _finish(self) -> Summary:
        """Give the journal's unused space back and return the summary."""
        path = self.folder / journals.JOURNAL_NAME
        os.truncate(path, journals.HEADER_BYTES + self._journaled.nbytes)
        return summarise(
            self.folder,
            self._journaled,
            self.plan,
            self._certificate,
            seed=self.order.seed,
            reason=self.reason,
            brains=self._brains(),
        )

    def _brains(self) -> Brains | None:
        """Return what the estimators said last."""
        child = self.children.get("estimators")
        return None if child is None else Brains(child.texts.get("estimate", ""), child.counters)

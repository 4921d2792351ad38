"""A session once more: its events and its brains over the sockets of a live one, at any speed, estimates made anew.

Whoever watches a session watches its replay in the same way: the loop's decisions and the brains' frames and estimates
leave sockets of the same kind, in the order and at the distances at which they were taken then. Nothing is sent to a
device. Estimates are not read from the log but made again from its frames; where they differ, the replay ends.
"""

import heapq
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controller import plan as plans
from controller.bus import Addresses, Bus, Poller, make_folder, remove_folder, send_now
from controller.log import LOG_NAME, LogReader
from controller.messages import Frame, Neural, encode_neural
from controller.neural.again import Again, EstimatesDiffer, sentence_of
from controller.neural.logged import read_neural
from controller.session import write_json
from controller.verify import verify_events
from realtime.clock import now_ns
from realtime.records import NS_PER_S, Events

REPLAY_NAME: Final = "replay.json"
"""Says where a replay that runs can be watched, as live.json does of a session."""
LONGEST_WAIT_S: Final = 0.1
_EVENT: Final = 0
_BRAIN: Final = 1


@dataclass(frozen=True, slots=True)
class Replayed:
    """How a replay went."""

    events: int
    frames: int
    estimates: int
    identical: bool
    sentence: str


def say_where(session: Path, where: dict[str, object]) -> str:
    """Write into a session's folder where its replay can be watched.

    Returns
    -------
    str
        Where the folder cannot be written to: what cannot be done without it, as a sentence. Empty otherwise.
    """
    try:
        write_json(session / REPLAY_NAME, where)
    except OSError as error:
        return (
            f"{session / REPLAY_NAME} cannot be written ({error.strerror}), so other windows cannot find this replay "
            "by its folder"
        )
    return ""


def _timed_events(events: Events) -> Iterator[tuple[int, int, Events, None]]:
    """Yield when each event was taken, that it is one, and the event (1,)."""
    for place, arrival_ns in enumerate(events["arrival_ns"].tolist()):
        yield arrival_ns, _EVENT, events[place : place + 1], None


def _timed_brains(messages: Iterator[Neural]) -> Iterator[tuple[int, int, None, Neural]]:
    """Yield when each message was taken or given, as far as it says so; never before the one before it."""
    latest_ns = 0
    for message in messages:
        said_ns = message.arrival_ns if isinstance(message, Frame) else message.t_ns
        latest_ns = max(latest_ns, said_ns)
        yield latest_ns, _BRAIN, None, message


class Pace:
    """Waits until a moment of the session comes round again.

    Parameters
    ----------
    speed
        How many times as fast as then; 0 waits for nothing.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._poller = Poller()
        self._began: tuple[int, int] | None = None

    def wait(self, t_ns: int, until: Callable[[], bool]) -> None:
        """Return when ``t_ns`` of the session has come, or ``until`` says that it is enough."""
        if not self._speed:
            return
        if self._began is None:
            self._began = t_ns, now_ns()
        then_ns, began_ns = self._began
        due_ns = began_ns + round((t_ns - then_ns) / self._speed)
        while (left_ns := due_ns - now_ns()) > 0 and not until():
            self._poller.wait(min(LONGEST_WAIT_S, left_ns / NS_PER_S))


def replay(session: Path, speed: float, said: Callable[[str], None], until: Callable[[], bool]) -> Replayed:
    """Play a session's log once more.

    Parameters
    ----------
    session
        The session's folder.
    speed
        How many times as fast as then; 0 is as fast as possible.
    said
        Called with where it can be watched.
    until
        Whether it is enough.

    Raises
    ------
    LogError, PlanError, SettingsError
        If the log cannot be read.
    """
    folder = make_folder()
    try:
        with Bus() as bus, LogReader(session / LOG_NAME) as log:
            addresses = Addresses(folder)
            decisions, estimates = bus.publish(addresses.decisions), bus.publish(addresses.estimates)
            bus.flush()  # whoever watches gets the end, too
            where: dict[str, object] = {
                "pid": os.getpid(),
                "decisions": addresses.decisions,
                "estimates": addresses.estimates,
            }
            if hidden := say_where(session, where):
                said(hidden)
            said(f"watch it at {addresses.decisions} and {addresses.estimates}")
            events = log.events()
            proof = verify_events(session, events, plans.from_text(log.metadata.get("plan", {}).get("json", "")))
            if not proof.identical:
                return Replayed(0, 0, 0, False, proof.sentence)
            again, pace, played = Again(), Pace(speed), 0
            brains = _timed_brains(read_neural(log)) if "neural" in log.metadata else iter(())
            timed = heapq.merge(_timed_events(events), brains, key=lambda one: one[:2])
            for t_ns, _, event, message in timed:
                pace.wait(t_ns, until)
                if until():
                    break
                if event is not None:
                    send_now(decisions, event.tobytes())
                    played += 1
                elif message is not None:
                    again.take(message)
                    send_now(estimates, encode_neural(message))
            else:
                found = again.check_events(events)
                return _told(session, played, again, sentence_of(again, found), finished=True)
            return _told(session, played, again, "ended before its end", finished=False)
    except EstimatesDiffer as error:
        return Replayed(0, 0, 0, False, f"{session}: not identical: {error}")
    finally:
        with suppress(OSError):  # where there is no such folder, something else has been said already
            (session / REPLAY_NAME).unlink(missing_ok=True)
        remove_folder(folder)


def _told(session: Path, events: int, again: Again, how: str, *, finished: bool) -> Replayed:
    """Return the account of a replay."""
    sentence = f"{session}: replayed {events} events; {how}"
    return Replayed(events, again.frames, again.estimates, finished, sentence)

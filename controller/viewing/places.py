"""Where to watch: from what a person names, or does not name, to the address of a session that is there."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from controller.bus import BusError, find_views, is_key
from controller.log import LOG_NAME
from controller.recorder import METADATA_NAME
from controller.replay import REPLAY_NAME
from controller.session import LIVE_NAME
from controller.viewing.locks import BadAddress, parts_of
from controller.viewing.probe import Found, answering, identify
from realtime.errors import DuettoError

NAMED_S: Final = 3.0
"""How long a session that was named has to answer."""


class NoPlace(DuettoError):
    """What was named is nothing that can be watched."""


class NothingThere(DuettoError):
    """No session answers there."""


class HasEnded(NothingThere):
    """The session in a folder does not run any more."""


class WhichOne(DuettoError):
    """Several sessions run, and none of them was named."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a session can be watched.

    Attributes
    ----------
    endpoint
        ``ipc://…`` on this computer, ``tcp://HOST:PORT`` on another.
    server_key
        The session's public key; empty on this computer.
    """

    endpoint: str
    server_key: str = ""


class _Live(msgspec.Struct, frozen=True):
    """What live.json and replay.json say, as far as it matters here."""

    view: str = ""
    pid: int = 0


def find_place(named: str = "", server_key: str = "", wait_s: float = NAMED_S) -> Place:
    """Return where to watch.

    On this computer somebody answers there. Whether a session on another one does is for the window to find out: it
    must show its keys first.

    Parameters
    ----------
    named
        A session's folder, ``ipc://PATH``, ``tcp://HOST:PORT``, or empty for the only session that runs here.
    server_key
        The public key of a session on another computer.
    wait_s
        How long a session of this computer that was named has to answer.

    Raises
    ------
    NoPlace, NothingThere, HasEnded, WhichOne
        As their names say.
    """
    if named.startswith("tcp://"):
        return _elsewhere(named, server_key)
    if server_key:
        raise NoPlace("--server-key is for sessions on another computer; name its address: tcp://HOST:PORT")
    if not named:
        return Place(_only_one())
    if named.startswith("ipc://"):
        if not _answers(named, wait_s):
            raise NothingThere(f"nobody answers at {named}; is the session still running?")
        return Place(named)
    return Place(_in_folder(Path(named), wait_s))


def _elsewhere(named: str, server_key: str) -> Place:
    """Return the place of a session on another computer."""
    try:
        host, _ = parts_of(named)
    except BadAddress as error:
        raise NoPlace(f"{named!r} is no address of a session; write tcp://HOST:PORT") from error
    if host == "*":
        raise NoPlace(f"{named} is where a session listens; name the computer that it runs on: tcp://HOST:PORT")
    if not server_key:
        raise NoPlace(
            f"{named} is on the network, where sessions talk with keys only; give the session's key, which 'duetto "
            "keys' prints where it runs, with --server-key"
        )
    if not is_key(server_key):
        raise NoPlace(
            f"{server_key!r} is no public key; it is the line of 40 characters that 'duetto keys' prints there"
        )
    return Place(named, server_key)


def _only_one() -> str:
    """Return where the only session of this user on this computer can be watched."""
    there = answering(find_views())
    if not there:
        raise NothingThere(
            "no session is running on this computer for this user; start one with 'duetto run', or name a folder or an "
            "address"
        )
    if len(there) == 1:
        return there[0]
    listed = "; ".join(_says_found(found) for found in identify(there))
    raise WhichOne(f"{len(there)} sessions are running; name one of them: {listed}")


def _says_found(found: Found) -> str:
    """Return the words by which a session can be named."""
    if found.mode == "SETUP":
        return f"{found.endpoint} ({found.name}, being set up)"
    if found.folder:
        return f"{shlex.quote(found.folder)} ({found.name}{', replayed' if found.mode == 'REPLAY' else ''})"
    return found.endpoint


def _in_folder(folder: Path, wait_s: float) -> str:
    """Return where the session in a folder can be watched, or its replay."""
    if not folder.is_dir():
        raise NoPlace(f"{folder} is no folder; name a session's folder, ipc://PATH or tcp://HOST:PORT")
    for name in (LIVE_NAME, REPLAY_NAME):
        endpoint, runs = _said_in(folder / name)
        if endpoint and _answers(endpoint, wait_s):
            return endpoint
        if runs:
            raise NothingThere(
                f"the session in {folder} runs, but what serves its windows does not answer; it is started anew when "
                "it fails, so try again in a few seconds"
            )
    if not any((folder / name).exists() for name in (METADATA_NAME, LOG_NAME, LIVE_NAME)):
        raise NoPlace(f"{folder} is no session's folder; name one that 'duetto run' has printed")
    raise HasEnded(f"the session in {folder} has ended; see it again: duetto replay {shlex.quote(str(folder))}")


def _said_in(path: Path) -> tuple[str, bool]:
    """Return where a session or replay says that it can be watched, and whether its process lives."""
    try:
        said = msgspec.json.decode(path.read_bytes(), type=_Live)
    except (OSError, msgspec.DecodeError):
        return "", False
    return said.view, said.pid > 0 and _lives(said.pid)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _answers(endpoint: str, wait_s: float) -> bool:
    try:
        return bool(answering([endpoint], wait_s))
    except BusError:
        return False

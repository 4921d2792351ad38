"""Locks: with which keys a session listens on the network, so that only allowed viewers watch and steer it.

A session that listens proves with its user's own key that it is the one that is meant, and lets in those whose public
keys that user has allowed (:mod:`controller.viewing.keyring`). Nothing ever goes over the network in the clear.
"""

import re
import socket as sockets
from typing import Final

from controller.bus import Lock
from controller.viewing.keyring import AllowedNow, allowed, own_keys
from realtime.errors import DuettoError

ADDRESS: Final = re.compile(r"tcp://(\*|[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?):([0-9]{1,5})")
EVERYWHERE: Final = ("*", "0.0.0.0")  # noqa: S104 (what people write who mean every network; keys are needed there too)
EXAMPLE: Final = "such as tcp://192.168.1.5:5757, or tcp://*:5757 for every network of this computer"


class ListenError(DuettoError):
    """A session cannot listen for viewers of other computers."""


class BadAddress(ListenError):
    """The address is none at which a session can listen on the network."""


class AddressTaken(ListenError):
    """Something else listens there already."""


class NobodyAllowed(ListenError):
    """Nobody is allowed to watch, so there is nobody to listen for."""


def lock_from(listen: str) -> tuple[str, Lock] | None:
    """Return where to listen and with which keys; None where ``listen`` is empty.

    Parameters
    ----------
    listen
        ``tcp://HOST:PORT`` or ``tcp://*:PORT``; HOST is a name or an IPv4 address of this computer.

    Raises
    ------
    BadAddress
        If it is none.
    NobodyAllowed
        If no viewer is allowed.
    KeysError
        If keys cannot be read or made.
    """
    if not listen:
        return None
    host, port = parts_of(listen)
    if not allowed():
        raise NobodyAllowed(
            f"nobody is allowed to watch at {listen}; have them print their key with 'duetto keys', and allow it here: "
            "duetto keys allow NAME KEY"
        )
    keys = own_keys()
    return f"tcp://{_address_of(host, listen)}:{port}", Lock(keys.public, keys.secret, AllowedNow())


def parts_of(listen: str) -> tuple[str, int]:
    """Return host (``*`` for all) and port of an address on the network.

    Raises
    ------
    BadAddress
        If it is none.
    """
    if listen.startswith("ipc://"):
        raise BadAddress(
            f"{listen} is on this computer, where sessions can be watched anyway; give an address on the network, "
            f"{EXAMPLE}"
        )
    found = ADDRESS.fullmatch(listen)
    if found is None or not 0 < int(found[3]) < 1 << 16:
        raise BadAddress(f"{listen!r} is no address to listen at; write tcp://HOST:PORT, {EXAMPLE}")
    return found[1], int(found[3])


def check_free(listen: str) -> None:
    """Find out whether a session could listen at an address now, before one is started that cannot be watched.

    Raises
    ------
    AddressTaken
        If something else listens there already.
    BadAddress
        If it is none, or is not this computer's.
    """
    host, port = parts_of(listen)
    address = _address_of(host, listen)
    with sockets.socket(sockets.AF_INET, sockets.SOCK_STREAM) as trial:
        trial.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
        try:
            trial.bind(("" if address == "*" else address, port))
        except PermissionError as error:
            raise BadAddress(f"port {port} is for the system only; give one from 1024 to 65535, {EXAMPLE}") from error
        except OSError as error:
            if address != "*" and not _is_ours(address):
                raise BadAddress(
                    f"{listen} is not an address of this computer; give one of its own, {EXAMPLE}"
                ) from error
            raise AddressTaken(
                f"{listen} cannot be listened at ({error.strerror}); where another session listens, give another port"
            ) from error


def invitation(listen: str, lock: Lock) -> str:
    """Return the sentence that says how to watch a session from another computer."""
    host, port = parts_of(listen)
    there = sockets.gethostname() if host in EVERYWHERE else host
    return f"watch it from another computer: duetto monitor tcp://{there}:{port} --server-key {lock.public}"


def _address_of(host: str, listen: str) -> str:
    """Return a host's IPv4 address; ``*`` stays as it is."""
    if host == "*":
        return host
    try:
        found = sockets.getaddrinfo(host, None, sockets.AF_INET, sockets.SOCK_STREAM)
    except OSError as error:
        raise BadAddress(
            f"{host!r} in {listen} is not known as a computer's name ({error.strerror}); give an address, {EXAMPLE}"
        ) from error
    return str(found[0][4][0])


def _is_ours(address: str) -> bool:
    """Return whether an IPv4 address is one of this computer's."""
    with sockets.socket(sockets.AF_INET, sockets.SOCK_DGRAM) as trial:
        try:
            trial.bind((address, 0))
        except OSError:
            return False
    return True

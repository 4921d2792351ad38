"""Keys for a session on another computer. ``duetto keys`` makes their file; the window only reads it."""

import os
import re
from pathlib import Path
from typing import Final

import msgspec

from gui.link import Keys
from realtime.errors import DuettoError

KEY: Final = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")
"""CURVE keys as text: 40 characters of Z85."""
OTHERS: Final = 0o077
"""What others than its owner may do with a file, as bits of its mode."""


class WindowKeysError(DuettoError):
    """The keys with which the window should connect cannot be used."""


class NoKeys(WindowKeysError):
    """There is no file of keys, or it cannot be opened."""


class ExposedKeys(WindowKeysError):
    """Other users of this computer can read the file of keys."""


class DamagedKeys(WindowKeysError):
    """The file of keys does not hold a pair."""


class NotAKey(WindowKeysError):
    """What was given as the session's public key is none."""


class _Pair(msgspec.Struct, frozen=True):
    """What the file says."""

    public: str
    secret: str


def default_path() -> Path:
    """Return where ``duetto keys`` keeps this user's pair."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "duetto" / "keys.json"


def keys_from(path: Path | None, server: str) -> Keys | None:
    """Return the keys for a session on another computer; None where its key is not given.

    Parameters
    ----------
    path
        The file with this user's own pair; where ``duetto keys`` keeps it otherwise.
    server
        The session's public key; empty for a session on this computer.

    Raises
    ------
    NoKeys, ExposedKeys, DamagedKeys, NotAKey
        As their names say.
    """
    if not server:
        return None
    if not KEY.fullmatch(server):
        raise NotAKey(f"{server!r} is no public key; it is the line of 40 characters that 'duetto keys' prints there")
    file = default_path() if path is None else path
    pair = _read(file)
    if not (KEY.fullmatch(pair.public) and KEY.fullmatch(pair.secret)):
        raise DamagedKeys(f"{file} holds no pair of keys; remove it, and 'duetto keys' makes a new one")
    return Keys(pair.public, pair.secret, server)


def _read(file: Path) -> _Pair:
    try:
        with file.open("rb") as stream:
            if os.fstat(stream.fileno()).st_mode & OTHERS:
                raise ExposedKeys(
                    f"{file} can be read by other users of this computer; make it yours alone: chmod 600 {file}"
                )
            return msgspec.json.decode(stream.read(), type=_Pair)
    except FileNotFoundError as error:
        raise NoKeys(f"there are no keys in {file}; make a pair: duetto keys") from error
    except OSError as error:
        raise NoKeys(f"the keys in {file} cannot be read ({error.strerror}); name another file with --keys") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedKeys(
            f"{file} cannot be understood ({error}); remove it, and 'duetto keys' makes a new one"
        ) from error

"""A user's keys: the pair with which they prove who they are, and whom they let watch and steer.

Both are files in ``$XDG_CONFIG_HOME/duetto`` (``~/.config/duetto``), a folder that only its owner can enter::

    keys.json      {"public": …, "secret": …}, made when they are first needed
    viewers.json   names and public keys of those who may watch and steer this user's sessions

Both are replaced whole, under a lock, so that neither a crash nor a second command leaves half of one.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from controller.bus import BusError, is_key, new_keys, public_of
from realtime.errors import DuettoError

FOLDER: Final = "duetto"
KEYS_NAME: Final = "keys.json"
VIEWERS_NAME: Final = "viewers.json"
PLAIN: Final = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=/@%")
"""Characters of Z85 that mean nothing to a shell. Keys are drawn until one has no others: some thousand times."""
LONGEST_NAME: Final = 64
OTHERS: Final = 0o077
OTHERS_WRITE: Final = 0o022

_T = TypeVar("_T")


class KeysError(DuettoError):
    """Keys cannot be read, kept or used."""


class KeysExposed(KeysError):
    """Others can read or change a file of keys, or it is somebody else's."""


class KeysDamaged(KeysError):
    """A file of keys does not say what it should."""


class KeysUnwritable(KeysError):
    """The folder of keys cannot be made, read or written to."""


class NotAllowed(KeysError):
    """A viewer cannot be allowed, or is not."""


class OwnKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user's pair of CURVE keys, as 40 characters of Z85 each. The secret one is never shown."""

    public: str
    secret: str


def keys_folder() -> Path:
    """Return where this user's keys are kept."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / FOLDER


def keys_path() -> Path:
    """Return the file of this user's own pair; :func:`own_keys` makes it."""
    return keys_folder() / KEYS_NAME


def own_keys() -> OwnKeys:
    """Return this user's pair of keys, made now if there is none.

    Raises
    ------
    KeysExposed, KeysDamaged, KeysUnwritable
        As their names say.
    """
    path = keys_path()
    with _locked():
        keys = _read(path, OwnKeys)
        if keys is None:
            keys = _new_pair()
            _write(path, keys)
    if not _belong_together(keys):
        raise KeysDamaged(
            f"{path} holds no pair of keys; remove it, and a new pair is made, which viewers must be told"
        )
    return keys


def allowed() -> dict[str, str]:
    """Return the public keys of those who may watch and steer this user's sessions, by name.

    Raises
    ------
    KeysExposed, KeysDamaged, KeysUnwritable
        As their names say.
    """
    path = keys_folder() / VIEWERS_NAME
    names = _read(path, dict[str, str]) or {}
    for name, key in names.items():
        if not is_key(key):
            raise KeysDamaged(f"{path}: the key of {name!r} is none; have it allowed anew: duetto keys forbid {name!r}")
    return names


def allow(name: str, key: str) -> None:
    """Let whoever holds the secret of a public key watch and steer this user's sessions.

    Parameters
    ----------
    name
        By which it can be forbidden again.
    key
        What ``duetto keys`` prints where they sit.

    Raises
    ------
    NotAllowed
        If the key is none, or name or key are taken.
    KeysExposed, KeysDamaged, KeysUnwritable
        As their names say.
    """
    if not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        raise NotAllowed(f"{name!r} is no name; give one of 1 to {LONGEST_NAME} characters, such as anna")
    if not is_key(key):
        raise NotAllowed(f"{key!r} is no public key; it is the line of 40 characters that 'duetto keys' prints there")
    if key == own_keys().secret:
        raise NotAllowed("this is your secret key; allow the public one, which 'duetto keys' prints")
    with _locked():
        names = allowed()
        if names.get(name, key) != key:
            raise NotAllowed(f"{name} is allowed with another key; take that back first: duetto keys forbid {name}")
        for other, theirs in names.items():
            if theirs == key and other != name:
                raise NotAllowed(f"this key is allowed already, as {other}")
        _write(keys_folder() / VIEWERS_NAME, names | {name: key})


def forbid(name: str) -> None:
    """Let somebody watch and steer no longer, in running sessions too.

    Raises
    ------
    NotAllowed
        If nobody of that name is allowed.
    KeysExposed, KeysDamaged, KeysUnwritable
        As their names say.
    """
    path = keys_folder() / VIEWERS_NAME
    with _locked():
        names = _read(path, dict[str, str]) or {}
        if name not in names:
            known = ", ".join(sorted(names)) or "nobody"
            raise NotAllowed(f"nobody is allowed by the name {name!r}; allowed are: {known}")
        del names[name]
        _write(path, names)


@dataclass(slots=True)
class AllowedNow:
    """The public keys that are allowed at each moment: the file is read again whenever it was replaced.

    Where it cannot be read, nobody is allowed.
    """

    _known: frozenset[str] = frozenset()
    _stamp: tuple[int, int, int] | None = None

    def __call__(self) -> frozenset[str]:
        """Return those keys."""
        try:
            status = (keys_folder() / VIEWERS_NAME).stat()
            stamp = (status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
            if stamp != self._stamp:
                self._known = frozenset(allowed().values())
                self._stamp = stamp
        except (OSError, KeysError):
            self._known, self._stamp = frozenset(), None
        return self._known


def _new_pair() -> OwnKeys:
    """Return a new pair whose public key needs no quotation marks on a command line."""
    while True:
        public, secret = new_keys()
        if PLAIN.issuperset(public) and public[0].isalnum():
            return OwnKeys(public, secret)


def _belong_together(keys: OwnKeys) -> bool:
    try:
        return public_of(keys.secret) == keys.public
    except BusError:
        return False


@contextmanager
def _locked() -> Iterator[None]:
    """Make the folder, keep it to its owner, and let no other command change it meanwhile."""
    folder = keys_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise KeysUnwritable(_says_unwritable(folder, error)) from error
    try:
        _keep_to_owner(folder, handle)
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _keep_to_owner(folder: Path, handle: int) -> None:
    status = os.fstat(handle)
    if status.st_uid != os.getuid():
        raise KeysExposed(f"{folder} belongs to another user, who could exchange the keys in it; set XDG_CONFIG_HOME")
    if status.st_mode & OTHERS:
        os.fchmod(handle, 0o700)


def _read(path: Path, kind: Callable[..., _T]) -> _T | None:
    """Return what a file says, or None where there is none."""
    try:
        with path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            if status.st_uid != os.getuid():
                raise KeysExposed(f"{path} belongs to another user; remove it, and set it up anew with 'duetto keys'")
            if status.st_mode & (OTHERS if path.name == KEYS_NAME else OTHERS_WRITE):
                raise KeysExposed(_says_exposed(path))
            said: _T = msgspec.json.decode(stream.read(), type=kind)
            return said
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeysUnwritable(_says_unwritable(path, error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise KeysDamaged(f"{path} cannot be understood ({error}); mend it, or remove it and begin anew") from error


def _write(path: Path, content: object) -> None:
    """Write a file whole or not at all, onto the disk, and for its owner only. The folder is locked."""
    part = path.with_suffix(".part")
    try:
        part.unlink(missing_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError as error:
        raise KeysUnwritable(_says_unwritable(path, error)) from error


def _says_exposed(path: Path) -> str:
    if path.name != KEYS_NAME:
        return f"{path} can be changed by other users of this computer; look at who is in it, then: chmod 600 {path}"
    return (
        f"{path} can be read by other users of this computer; make it yours alone: chmod 600 {path} (if one of them "
        "may have read it, remove it instead: a new pair is made, which viewers must be told)"
    )


def _says_unwritable(path: Path, error: OSError) -> str:
    return f"{path} cannot be opened or written ({error.strerror}); keys are kept there, or below XDG_CONFIG_HOME"

"""ZeroMQ, in one place: contexts, sockets, addresses. The only file (besides the window's link) that imports pyzmq.

Sockets of one session live as ipc files in one folder that only its owner can enter.
"""

import logging
import os
import shutil
import stat
import struct
import tempfile
import time
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import zmq
from zmq.auth.base import Authenticator
from zmq.utils import z85

from realtime.errors import DuettoError

QUEUE: Final = 10_000
COMMAND_QUEUE: Final = 1_000
VIEW_QUEUE: Final = 2_000
"""Messages that wait for one viewer at most: most of a minute of a session with brains. Their bytes are bounded too
(:data:`controller.viewing.server.MOST_BYTES`)."""
LONGEST_REQUEST: Final = 1 << 20
"""Bytes of what a viewer may send over the network at once; one that sends more is cut off."""
KNOCK_MS: Final = 5_000
"""How long a viewer on the network has to show its key."""
DOMAIN: Final = "duetto"
"""Name under which the keys of viewers are looked up."""
FOLDER_PREFIX: Final = "duetto-"
VIEW_NAME: Final = "view"
LONGEST_ADDRESS: Final = 100
"""An ipc path must fit into the kernel's 108 bytes."""


class BusError(DuettoError):
    """A socket could not be made, or a peer did not answer."""


class NobodyThere(BusError):
    """Nothing answers at an address."""


def libzmq_path() -> str:
    """Return the path of the libzmq that this process has mapped.

    Raises
    ------
    BusError
        If it cannot be found (another system than Linux).
    """
    try:
        with Path("/proc/self/maps").open(encoding="utf-8") as maps:
            for line in maps:
                path = line.rstrip("\n").split(None, 5)[-1]
                if Path(path).name.startswith("libzmq") and ".so" in path:
                    return path
    except OSError as error:
        raise BusError(f"this system does not show which libraries are mapped ({error})") from error
    from zmq.backend.cython import _zmq  # noqa: PLC0415 (only where libzmq is linked into the extension)

    return str(_zmq.__file__)


class Unreachable(BusError):
    """A viewer is not there any more, or does not keep up."""


@dataclass(frozen=True, slots=True)
class Lock:
    """The keys of a socket that listens on the network.

    Attributes
    ----------
    public, secret
        The server's CURVE keys, as 40 characters of Z85.
    allowed
        Returns the public keys of those who may connect. Asked at every knock and for every message, so that whoever
        is allowed or forbidden meanwhile is so at once.
    """

    public: str
    secret: str
    allowed: Callable[[], Collection[str]]


class _Guarded(zmq.Socket[bytes]):
    """A socket that hears only those whose keys are allowed, also after they were let in."""

    allowed: Callable[[], Collection[str]] | None = None

    def next(self) -> list[bytes]:
        """Return the parts of the next message of someone allowed; raises zmq.Again when there is none."""
        while True:
            frames = self.recv_multipart(zmq.DONTWAIT, copy=False)
            if self.allowed is not None and frames[0].get("User-Id") in self.allowed():
                return [frame.bytes for frame in frames]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a session's sockets are: ipc files in ``folder``."""

    folder: Path

    def _ipc(self, name: str) -> str:
        address = f"ipc://{self.folder / name}"
        if len(address) > LONGEST_ADDRESS:
            raise BusError(f"{address} is too long for a socket; set TMPDIR or XDG_RUNTIME_DIR to a shorter folder")
        return address

    @property
    def events(self) -> str:
        """PULL of the loop: devices and the supervisor push events here."""
        return self._ipc("events")

    @property
    def decisions(self) -> str:
        """PUB of the loop: everything it journals."""
        return self._ipc("decisions")

    @property
    def beats(self) -> str:
        """PULL of the supervisor: heartbeats."""
        return self._ipc("beats")

    @property
    def control(self) -> str:
        """REP of the supervisor: what people and scripts ask."""
        return self._ipc("control")

    @property
    def estimates(self) -> str:
        """PUB of the estimators: all that they take and give, as :data:`controller.messages.Neural`."""
        return self._ipc("estimates")

    @property
    def brains(self) -> str:
        """PUB of the virtual rig: the frames of both simulated brains."""
        return self._ipc("brains")

    @property
    def standing(self) -> str:
        """PUB of the supervisor: how the session stands, for those who show it."""
        return self._ipc("standing")

    @property
    def view(self) -> str:
        """ROUTER of whoever shows the session: windows of this computer connect here."""
        return self._ipc(VIEW_NAME)

    def frames(self, animal: int) -> str:
        """PUB of what plays or fetches the frames of ``animal`` (0 or 1)."""
        return self._ipc(f"frames-{animal}")

    def commands(self, source: int) -> str:
        """PUSH of the loop to device number ``source``."""
        return self._ipc(f"commands-{source}")


class _Allowed:
    """Says whose keys are known, in the form that pyzmq's authenticator asks for."""

    def __init__(self, keys: Callable[[], Collection[str]]) -> None:
        self._keys = keys

    def callback(self, _domain: str, key: bytes) -> bool:
        """Return whether the public key (Z85) may connect."""
        return key.decode("ascii", "replace") in self._keys()


def _find_dead_peers(socket: "zmq.Socket[bytes]") -> None:
    """Let the kernel find out within half a minute that a peer's computer is gone."""
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, 10)
    socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, 5)
    socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, 3)
    socket.setsockopt(zmq.TCP_MAXRT, 30_000)


def _finish(coroutine: Coroutine[None, None, None]) -> None:
    """Run a coroutine that waits for nothing: pyzmq wrote it so for programs with an event loop."""
    with suppress(StopIteration):
        coroutine.send(None)


def new_keys() -> tuple[str, str]:
    """Return a new pair of CURVE keys, public and secret, as 40 characters of Z85 each."""
    public, secret = zmq.curve_keypair()
    return public.decode(), secret.decode()


def public_of(secret: str) -> str:
    """Return the public key that belongs to a secret one.

    Raises
    ------
    BusError
        If the text is no key.
    """
    try:
        return zmq.curve_public(secret.encode()).decode()
    except (zmq.ZMQError, ValueError) as error:
        raise BusError(f"this is no CURVE key: {error}") from error


def is_key(text: str) -> bool:
    """Return whether a text can be a key: 40 characters of Z85."""
    try:
        return len(text) == 40 and len(z85.decode(text)) == 32
    except (KeyError, ValueError, struct.error):  # a character that is none, or five of them above 32 bits
        return False


def _parent() -> Path:
    """Return where folders of sockets are made."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    return Path(base if base and Path(base).is_dir() and os.access(base, os.W_OK) else tempfile.gettempdir())


def make_folder() -> Path:
    """Make a folder for a session's sockets that only this user can enter (mode 0700)."""
    return Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=_parent()))


def find_views() -> list[str]:
    """Return where windows may find sessions of this user on this computer, newest first; some may have died."""
    found: list[tuple[int, Path]] = []
    for socket in _parent().glob(f"{FOLDER_PREFIX}*/{VIEW_NAME}"):
        with suppress(FileNotFoundError):  # a session that ends just now takes its folder with it
            status = socket.stat()
            if socket.parent.stat().st_uid == os.getuid() and stat.S_ISSOCK(status.st_mode):
                found.append((status.st_mtime_ns, socket))
    return [f"ipc://{socket}" for _, socket in sorted(found, key=lambda one: -one[0])]


def remove_folder(folder: Path) -> None:
    """Remove a session's socket folder."""
    shutil.rmtree(folder, ignore_errors=True)


class Bus:
    """One process's ZeroMQ context and the sockets made from it; closing it closes them all."""

    def __init__(self, io_threads: int = 1) -> None:
        self._context = zmq.Context(io_threads)
        self._sockets: list[zmq.Socket[bytes]] = []
        self._guardian: Authenticator | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def flush(self, wait_ms: int = 200) -> None:
        """Let the sockets have at most ``wait_ms`` for their last messages when they are closed."""
        for socket in self._sockets:
            socket.setsockopt(zmq.LINGER, wait_ms)

    def close(self) -> None:
        """Close every socket, without waiting for unsent messages unless :meth:`flush` said so, then the context."""
        for socket in self._sockets:
            socket.close()
        if self._guardian is not None:
            self._guardian.stop()
        self._context.term()

    def _new(self, kind: int, queue: int, kind_of: "type[zmq.Socket[bytes]]" = zmq.Socket) -> "zmq.Socket[bytes]":
        """Return a socket that is nowhere yet, and forgets what it has not sent when it is closed."""
        socket: zmq.Socket[bytes] = self._context.socket(kind, socket_class=kind_of)
        self._sockets.append(socket)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SNDHWM, queue)
        socket.setsockopt(zmq.RCVHWM, queue)
        return socket

    def _socket(self, kind: int, address: str, *, bind: bool, queue: int = QUEUE) -> "zmq.Socket[bytes]":
        return _placed(self._new(kind, queue), address, bind=bind)

    def pull(self, address: str) -> "zmq.Socket[bytes]":
        """Return a PULL socket that listens at ``address``."""
        return self._socket(zmq.PULL, address, bind=True)

    def pull_from(self, address: str) -> "zmq.Socket[bytes]":
        """Return a PULL socket connected to a listening PUSH."""
        return self._socket(zmq.PULL, address, bind=False)

    def push(self, address: str) -> "zmq.Socket[bytes]":
        """Return a PUSH socket that listens at ``address``; a full queue refuses at once."""
        return self._socket(zmq.PUSH, address, bind=True, queue=COMMAND_QUEUE)

    def push_to(self, address: str) -> "zmq.Socket[bytes]":
        """Return a PUSH socket connected to a listening PULL."""
        return self._socket(zmq.PUSH, address, bind=False)

    def publish(self, address: str) -> "zmq.Socket[bytes]":
        """Return a PUB socket that listens at ``address``."""
        return self._socket(zmq.PUB, address, bind=True)

    def subscribe(self, address: str) -> "zmq.Socket[bytes]":
        """Return a SUB socket connected to ``address`` that takes everything; the other side need not be there yet."""
        socket = self._socket(zmq.SUB, address, bind=False)
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        return socket

    def reply(self, address: str) -> "zmq.Socket[bytes]":
        """Return a REP socket that listens at ``address``."""
        return self._socket(zmq.REP, address, bind=True)

    def route(self, address: str, lock: Lock | None = None) -> "zmq.Socket[bytes]":
        """Return a ROUTER socket that listens at ``address``; sending to a viewer that is gone or full fails at once.

        Raises
        ------
        BusError
            If it cannot listen there, or would listen on the network without a lock.
        """
        if lock is None and not address.startswith("ipc://"):
            raise BusError(f"{address} would be open to everyone; sessions listen on the network with keys only")
        socket = self._new(zmq.ROUTER, VIEW_QUEUE, _Guarded if lock else zmq.Socket)
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        if lock is not None:
            self._guard(socket, lock)
            _find_dead_peers(socket)
        return _placed(socket, address, bind=True)

    def deal(self, address: str) -> "zmq.Socket[bytes]":
        """Return a DEALER socket connected to a ROUTER of this computer."""
        return self._socket(zmq.DEALER, address, bind=False)

    def _guard(self, socket: "zmq.Socket[bytes]", lock: Lock) -> None:
        """Let a socket speak only with those whose keys are known, and only encrypted."""
        if self._guardian is None:
            self._guardian = Authenticator(self._context, log=logging.getLogger(__name__))
            self._guardian.start()
        self._guardian.configure_curve_callback(DOMAIN, _Allowed(lock.allowed))
        socket.setsockopt_string(zmq.ZAP_DOMAIN, DOMAIN)
        socket.curve_publickey, socket.curve_secretkey = lock.public.encode(), lock.secret.encode()
        socket.curve_server = True
        socket.setsockopt(zmq.HANDSHAKE_IVL, KNOCK_MS)
        socket.setsockopt(zmq.MAXMSGSIZE, LONGEST_REQUEST)
        if isinstance(socket, _Guarded):
            socket.allowed = lock.allowed

    @property
    def doors(self) -> "list[zmq.Socket[bytes]]":
        """Return what :meth:`let_in` must be called for when it becomes readable."""
        socket = None if self._guardian is None else self._guardian.zap_socket
        return [] if socket is None else [socket]

    def let_in(self) -> None:
        """Answer whoever knocks: in if the key is known."""
        if self._guardian is None:
            return
        for door in self.doors:
            while door.poll(0):
                _finish(self._guardian.handle_zap_message(door.recv_multipart()))

    def request(self, address: str, request: bytes) -> "zmq.Socket[bytes]":
        """Send a request and return the socket at which its answer will be; :meth:`forget` it afterwards."""
        socket = self._socket(zmq.REQ, address, bind=False)
        socket.send(request)
        return socket

    def forget(self, socket: "zmq.Socket[bytes]") -> None:
        """Close a socket and forget what it still wanted to send."""
        socket.close(linger=0)
        self._sockets.remove(socket)

    def ask(self, address: str, request: bytes, timeout_s: float = 3.0) -> bytes:
        """Send a request and return its answer.

        Raises
        ------
        NobodyThere
            If no answer comes within ``timeout_s``.
        """
        socket = self.request(address, request)
        try:
            if not socket.poll(round(timeout_s * 1000)):
                raise NobodyThere(f"nothing answers at {address} within {timeout_s:g} s; is the session still running?")
            return socket.recv()
        finally:
            self.forget(socket)


def _placed(socket: "zmq.Socket[bytes]", address: str, *, bind: bool) -> "zmq.Socket[bytes]":
    """Let a socket listen at an address, or connect it; return it."""
    try:
        if bind:
            socket.bind(address)
        else:
            socket.connect(address)
    except zmq.ZMQError as error:
        raise BusError(f"{address} cannot be opened: {error}") from error
    return socket


def send_now(socket: "zmq.Socket[bytes]", message: bytes) -> bool:
    """Send without waiting; False when the queue is full or nobody is connected."""
    try:
        socket.send(message, zmq.DONTWAIT)
    except zmq.Again:
        return False
    return True


def receive_now(socket: "zmq.Socket[bytes]") -> bytes | None:
    """Return the next message, or None when there is none."""
    try:
        return socket.recv(zmq.DONTWAIT)
    except zmq.Again:
        return None


def send_to(socket: "zmq.Socket[bytes]", who: bytes, parts: list[bytes]) -> None:
    """Send a message of several parts to one viewer of a ROUTER.

    Raises
    ------
    Unreachable
        It is gone, or too many messages wait for it.
    """
    try:
        socket.send_multipart([who, *parts], zmq.DONTWAIT)
    except zmq.ZMQError as error:
        raise Unreachable(f"a viewer is gone or does not keep up ({error})") from error


def receive_parts(socket: "zmq.Socket[bytes]") -> list[bytes] | None:
    """Return the parts of the next message, or None when there is none."""
    try:
        return socket.next() if isinstance(socket, _Guarded) else socket.recv_multipart(zmq.DONTWAIT)
    except zmq.Again:
        return None


class Poller:
    """Waits for sockets and file descriptors together."""

    def __init__(self, *watched: "zmq.Socket[bytes] | int") -> None:
        self._poller = zmq.Poller()
        self._watches = bool(watched)
        for thing in watched:
            self._poller.register(thing, zmq.POLLIN)

    def wait(self, timeout_s: float) -> "set[zmq.Socket[bytes] | int]":
        """Return what is readable, waiting at most ``timeout_s``."""
        if not self._watches:  # pyzmq would not wait at all
            time.sleep(max(0.0, timeout_s))
            return set()
        return {thing for thing, _ in self._poller.poll(max(0, round(timeout_s * 1000)))}


Socket = zmq.Socket

"""C functions that compiled code calls by name: libzmq's, and the kernel's clock and timer.

The wheel's libzmq is mapped by whoever imports pyzmq; this file is told its path and makes its symbols visible to the
compiler. The same file is the same loaded library, so a socket made by pyzmq can be used here by its pointer. Names are
resolved anew in each process, which is why compiled code that uses them can be cached.

A symbol that is missing when compiled code first runs ends the process without a word; :func:`link` therefore looks for
every one of them before anything is compiled.
"""

import sys
from collections.abc import Callable
from typing import Final, cast

import llvmlite.binding as llvm
import numpy as np
from numba import types
from numba.core.extending import intrinsic
from numpy.typing import NDArray

from realtime.errors import DuettoError
from realtime.jit import kernel

CFunction = Callable[..., int]
_i32, _i64, _address = types.int32, types.int64, types.uintp

zmq_recv: CFunction = types.ExternalFunction("zmq_recv", _i32(_address, _address, _address, _i32))
zmq_send: CFunction = types.ExternalFunction("zmq_send", _i32(_address, _address, _address, _i32))
zmq_poll: CFunction = types.ExternalFunction("zmq_poll", _i32(_address, _i32, _i64))
zmq_errno: CFunction = types.ExternalFunction("zmq_errno", _i32())
c_clock_gettime: CFunction = types.ExternalFunction("clock_gettime", _i32(_i32, _address))
c_timerfd_settime: CFunction = types.ExternalFunction("timerfd_settime", _i32(_i32, _i32, _address, _address))
c_read: CFunction = types.ExternalFunction("read", _i64(_i32, _address, _address))

NAMES: Final = ("zmq_recv", "zmq_send", "zmq_poll", "zmq_errno", "clock_gettime", "timerfd_settime", "read")

ZMQ_DONTWAIT: Final = 1
ZMQ_POLLIN: Final = 1
EINTR: Final = 4
EAGAIN: Final = 11
TFD_TIMER_ABSTIME: Final = 1
CLOCK_MONOTONIC: Final = 1

POLL_ITEM: Final = np.dtype([("socket", "<u8"), ("fd", "<i4"), ("events", "<i2"), ("revents", "<i2")])
"""``zmq_pollitem_t`` where file descriptors are ints."""


class CannotLink(DuettoError):
    """Compiled code cannot call libzmq or the timer here."""


def link(libzmq: str) -> None:
    """Make libzmq's symbols known to compiled code.

    Parameters
    ----------
    libzmq
        Path of the libzmq that this process has already mapped.

    Raises
    ------
    CannotLink
        On another system than Linux, or if a function is missing. The session then runs the same kernels behind a
        Python loop.
    """
    if not sys.platform.startswith("linux"):
        raise CannotLink(f"the compiled loop needs Linux's timerfd, and this is {sys.platform}; use backend = 'python'")
    try:
        llvm.load_library_permanently(libzmq)
    except RuntimeError as error:
        raise CannotLink(f"{libzmq} cannot be loaded ({error}); use backend = 'python'") from error
    missing = [name for name in NAMES if not llvm.address_of_symbol(name)]
    if missing:
        raise CannotLink(f"{libzmq} has no {', '.join(missing)}; use backend = 'python'")


@intrinsic
def _release_fence(_context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Keep every store before this line visible before every store after it, to other processes too."""

    def codegen(context, builder, _signature, _arguments):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        builder.fence("release")
        return context.get_dummy_value()

    return types.void(), codegen


release_fence = cast("Callable[[], None]", _release_fence)


@kernel
def clock_ns(timespec: NDArray[np.int64]) -> int:
    """Read the session clock; ``timespec`` is two int64 of scratch."""
    c_clock_gettime(CLOCK_MONOTONIC, timespec.ctypes.data)
    return timespec[0] * 1_000_000_000 + timespec[1]


@kernel
def arm_timer(timer_fd: int, at_ns: int, itimerspec: NDArray[np.int64]) -> None:
    """Let ``timer_fd`` become readable at ``at_ns`` (0: never); ``itimerspec`` is four int64 of scratch."""
    itimerspec[0] = 0
    itimerspec[1] = 0
    itimerspec[2] = at_ns // 1_000_000_000
    itimerspec[3] = at_ns % 1_000_000_000
    c_timerfd_settime(np.int32(timer_fd), np.int32(TFD_TIMER_ABSTIME), itimerspec.ctypes.data, 0)

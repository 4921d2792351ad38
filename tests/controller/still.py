"""One moment of a recorded session, as a viewer that came just then would have been shown it."""

from pathlib import Path

from controller.messages.view import Steer
from controller.viewing.logged import Logged


def still(session: Path, at_s: float) -> tuple[int, list[bytes]]:
    """Return the moment ``at_s`` after a session's start [ns], and everything there was to see then.

    Raises
    ------
    StillRunningError, NotReplayableError, LogError, PlanError, RigFileError
        If the log cannot be shown.
    """
    logged = Logged(session, lambda: 0, prove=False)
    try:
        logged.steer(Steer(0, "seek", at_s))
        while not logged.looked_through:
            logged.news()
        return logged.moment_ns(), logged.everything()
    finally:
        logged.close()

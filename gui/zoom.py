"""How large everything is drawn: steps that a person chooses from, and what suits a screen at first.

Qt learns its scale when it starts. So another one takes another start: the window's process replaces itself, under the
same number, and finds the session, its layout and its colours as they were. The moment and the colours that it was told
to begin with count for its first start only.

::

    DUETTO_ZOOM=1.5   how large this process draws, where that was chosen here
    DUETTO_SCALE=1.25 the scale that the user's own QT_SCALE_FACTOR asked for, which it is multiplied with
"""

import os
import sys
from collections.abc import MutableMapping, Sequence
from itertools import pairwise
from typing import Final, NoReturn

from realtime.errors import DuettoError

STEPS: Final = (0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
PLAIN: Final = 1.0
ROOM: Final = (1100, 620)
"""What a window needs in any case, in the units of its own drawing [px]."""
PLAIN_HEIGHT: Final = 1440
"""So high a screen is drawn on without a zoom; on one of 2160 px everything is drawn 1.5 times as large [px]."""
ZOOM, SCALE, QT_SCALE = "DUETTO_ZOOM", "DUETTO_SCALE", "QT_SCALE_FACTOR"
BEGINNING: Final = ("--at", "--theme")
"""The words before the moment at which a replay begins, and before the colours: a person has gone on from there."""

Size = tuple[float, float]
"""Width and height of a screen as it would be without a zoom [px]."""


class NotStartedAgain(DuettoError):
    """The window could not be opened in another size."""


def fits(zoom: float, screen: Size) -> bool:
    """Return whether a screen has room for a window that is drawn so large."""
    return all(length >= zoom * needed for length, needed in zip(screen, ROOM, strict=True))


def suiting(screen: Size, ratio: float) -> float:
    """Return what suits a screen of which nobody has said anything.

    Parameters
    ----------
    screen
        Its size.
    ratio
        How many of its dots the desktop makes one px: where that is more than one, it has been thought of already.
    """
    if ratio > PLAIN:
        return PLAIN
    return max(step for step in STEPS if step == PLAIN or (step * PLAIN_HEIGHT <= screen[1] and fits(step, screen)))


def stepped(zoom: float, screen: Size, *, larger: bool) -> float | None:
    """Return the next step up or down, or None where there is none or the screen has no room for it."""
    steps = pairwise(STEPS if larger else STEPS[::-1])
    following = next((after for before, after in steps if before == zoom), None)
    return following if following is not None and (not larger or fits(following, screen)) else None


def current(environment: MutableMapping[str, str] = os.environ) -> float:
    """Return how large this process draws."""
    return _number(environment.get(ZOOM, "")) or PLAIN


def is_chosen(environment: MutableMapping[str, str] = os.environ) -> bool:
    """Return whether it draws so because that was chosen here, by a person or for a screen."""
    return bool(_number(environment.get(ZOOM, "")))


def has_own_scale(environment: MutableMapping[str, str] = os.environ) -> bool:
    """Return whether the user has told Qt a scale."""
    return bool(environment.get(SCALE) or (not is_chosen(environment) and environment.get(QT_SCALE)))


def put_on(zoom: float, environment: MutableMapping[str, str] = os.environ) -> None:
    """Have Qt draw so large once it starts."""
    if not is_chosen(environment) and (own := environment.get(QT_SCALE)):
        environment[SCALE] = own
    environment[ZOOM] = f"{zoom:g}"
    environment[QT_SCALE] = f"{zoom * (_number(environment.get(SCALE, '')) or PLAIN):g}"


def start_again(zoom: float, *, has_begun: bool) -> NoReturn:
    """Replace this process by one that draws so large.

    Parameters
    ----------
    zoom
        How large.
    has_begun
        Whether a person has seen its window, and may have chosen other colours and another moment since.

    Raises
    ------
    NotStartedAgain
        If the interpreter cannot be started any more.
    """
    put_on(zoom)
    words = again(sys.orig_argv[1:]) if has_begun else sys.orig_argv[1:]
    try:
        os.execv(sys.executable, [sys.executable, *words])  # noqa: S606  (the same program again: there is no shell)
    except OSError as error:
        raise NotStartedAgain(
            f"the window cannot be opened in another size ({error.strerror}); open it again with 'duetto monitor'"
        ) from error


def again(words: Sequence[str]) -> list[str]:
    """Return the words of a command line but for those that say how the window begins."""
    kept = [word for before, word in pairwise(["", *words]) if before not in BEGINNING and word not in BEGINNING]
    return [word for word in kept if not word.startswith(tuple(f"{beginning}=" for beginning in BEGINNING))]


def _number(text: str) -> float:
    """Return the number above zero that a text says; 0 where it says none."""
    try:
        said = float(text)
    except ValueError:
        return 0.0
    return said if 0.0 < said < float("inf") else 0.0

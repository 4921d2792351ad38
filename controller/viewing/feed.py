"""What a server shows: anything that can tell all there is, what is new, and answer what a person asks."""

from collections.abc import Callable
from typing import Protocol

from controller.messages import Answer
from controller.messages.view import Choice, Steer, Wish

Answered = Callable[[Answer], None]
"""Called with the answer, at once or later."""


class Feed(Protocol):
    """The source of what viewers see. Times are on the session's clock [ns]."""

    @property
    def speed(self) -> float:
        """How fast its moment moves: 1 live, 0 where it stands still."""

    def moment_ns(self) -> int:
        """Return the moment up to which it tells."""

    def everything(self) -> list[bytes]:
        """Return all that a viewer needs who knows nothing, as bytes of :data:`~controller.messages.view.View`."""

    def news(self) -> list[bytes]:
        """Return what is new since the last time."""

    def begun_anew(self) -> bool:
        """Return, once, whether what viewers know holds no more: they are given everything again."""

    def ask(self, asked: Wish | Steer | Choice, answered: Answered) -> None:
        """Take what a person asks, and see to an answer."""

    def watched(self, *, viewers: int, behind: int) -> None:
        """Learn how many viewers there are, and how often one has fallen behind."""

"""What becomes of knocking at a session on another computer, and the sentence for each way in which it fails.

::

    nobody there ──TURNED_AWAY──> nobody there            after TRIES of them, while it never went well: a sentence
         │ CONNECTED
         v
      knocking ──SHAKEN──────────> in                     no sentence holds any more
         ├─────UNKNOWN_KEY───────> refused                at once: the session does not know this user's key
         ├─────OTHER_LANGUAGE────> refused                at once: it speaks without keys
         ├─────TOO_SLOW──────────> knocking again
         ├─────BROKEN_OFF────────> knocking again         after BREAKS in a row: it does not have the key that is meant
         └─────GONE──────────────> refused                at once: it is no session at all

A session with another key than the one that is meant cannot read the first word, and hangs up: that is all there is to
know it by. Since one that is just being ended hangs up, too, it takes several in a row.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

BREAKS: Final = 3
TRIES: Final = 5
"""At the link's distances between tries, some 1.5 s."""


class Knock(Enum):
    """One thing that happens at the door."""

    CONNECTED = auto()
    """Somebody listens there."""
    TURNED_AWAY = auto()
    """Nobody does, or the computer is not found; it will be tried again."""
    SHAKEN = auto()
    """Both have shown their keys."""
    UNKNOWN_KEY = auto()
    """The session has seen this user's key, and does not let it in."""
    OTHER_LANGUAGE = auto()
    """Who is there speaks without keys, or with others than CURVE."""
    BROKEN_OFF = auto()
    """Who is there hung up in the middle of it."""
    TOO_SLOW = auto()
    """It took too long; whoever it is may be all right, and will be tried again."""
    GONE = auto()
    """The connection is closed."""


@dataclass(slots=True)
class Handshake:
    """Follows the knocks of one link over the network.

    Attributes
    ----------
    endpoint
        Where it knocks.
    public, server
        This user's public key, and that of the session that is meant.
    refusal
        Why it is not let in; empty where it is, or where it is not known yet.
    """

    endpoint: str
    public: str
    server: str
    refusal: str = ""
    _undecided: bool = False
    _was_in: bool = False
    _breaks: int = 0
    _tries: int = 0

    def take(self, knock: Knock) -> None:
        """Take what happened."""
        if knock is Knock.CONNECTED:
            self._undecided, self._tries = True, 0
        elif knock is Knock.TURNED_AWAY:
            self._tries += 1
            if self._tries >= TRIES and not self._was_in:
                self.refusal = self._says_nobody()
        elif knock is Knock.GONE:
            if self._undecided:
                self.refusal = self._says_no_session()
            self._undecided = False
        else:
            self._undecided = False
            self._decide(knock)

    def _decide(self, knock: Knock) -> None:
        if knock is Knock.SHAKEN:
            self._was_in, self._breaks, self.refusal = True, 0, ""
        elif knock is Knock.UNKNOWN_KEY:
            self.refusal = self._says_unknown()
        elif knock is Knock.OTHER_LANGUAGE:
            self.refusal = self._says_no_session()
        elif knock is Knock.BROKEN_OFF:
            self._breaks += 1
            if self._breaks >= BREAKS:
                self.refusal = self._says_impostor()

    def _says_unknown(self) -> str:
        return (
            f"{self.endpoint} does not let this user's key in; have it allowed by the user who runs the session there: "
            f"duetto keys allow NAME {self.public}"
        )

    def _says_impostor(self) -> str:
        return (
            f"who listens at {self.endpoint} does not have the key {self.server}, and was told nothing; compare "
            "--server-key with what 'duetto keys' prints where the session runs"
        )

    def _says_no_session(self) -> str:
        return (
            f"what listens at {self.endpoint} is no session that can be watched from here: it does not speak with "
            "keys; compare host and port with what the session's --listen says"
        )

    def _says_nobody(self) -> str:
        return (
            f"nobody listens at {self.endpoint}; does the session still run there, and was it started with --listen? "
            "Compare host and port, and look whether a firewall lets the port through"
        )

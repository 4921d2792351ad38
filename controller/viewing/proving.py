"""The proof of a log while it is replayed: what was decided is decided again, beside what is shown."""

from concurrent.futures import Future, ThreadPoolExecutor

from controller.verify import Proof, verify_events
from controller.viewing.recording import Recording
from realtime.errors import DuettoError

NOT_YET = "not yet"


class Proving:
    """Decides a recorded session again in a thread of its own.

    Parameters
    ----------
    recording
        The session.
    start
        Whether to begin at all; "not yet" is all that is said otherwise.

    Attributes
    ----------
    sentence
        What came out; "not yet" before that.
    proven
        Whether every decision came out the same; None while that is not known.
    remark
        What a person has to know of it; empty where nothing.
    """

    def __init__(self, recording: Recording, *, start: bool) -> None:
        self.sentence, self.remark = NOT_YET, ""
        self.proven: bool | None = None
        self._folder, self._brains = recording.folder, recording.has_brains
        self._pool: ThreadPoolExecutor | None = None
        self._found: Future[Proof] | None = None
        if start:
            self._pool = ThreadPoolExecutor(1, "proof")
            self._found = self._pool.submit(verify_events, recording.folder, recording.events, recording.plan)

    @property
    def over(self) -> bool:
        """Whether nothing more will come out."""
        return self._found is None

    def ended(self) -> bool:
        """Return, once, whether it has come out now."""
        if self._found is None or not self._found.done():
            return False
        found, self._found = self._found, None
        try:
            self._take(found.result())
        except DuettoError as error:
            self.proven, self.sentence = False, f"cannot be proven: {error}"
        self.remark = "" if self.proven else f"The proof failed: {self.sentence}"
        return True

    def _take(self, proof: Proof) -> None:
        self.proven = proof.identical
        self.sentence = proof.sentence.removeprefix(f"{self._folder}: ")
        if proof.identical:
            counted = f"{proof.events} events, of which {proof.decisions} decisions, were decided again the same"
            brains = "; estimates are shown as logged, 'duetto verify' makes them anew, too" if self._brains else ""
            self.sentence = f"proven: {counted}{brains}"

    def close(self) -> None:
        """End the thread; waits for it where it is at work."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

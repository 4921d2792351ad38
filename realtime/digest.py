"""The digest that chains every record to the one before it.

A log is a list of records; each carries a digest of itself and of its predecessor's digest. A record that was changed,
removed or put in later is found at its place. This guards against accidents and slips of hand, not against someone who
recomputes the chain.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from realtime.jit import kernel
from realtime.records import Events

_PRIME: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Final = np.uint64(29)
RECORD_WORDS: Final = 8
DIGEST_WORD: Final = 7
"""The record's last word holds the digest itself."""


@kernel
def chain(previous: np.uint64, words: NDArray[np.uint64]) -> np.uint64:
    """Return the digest of one record: ``words`` are its eight 64-bit words, of which the last is not read."""
    mixed = previous ^ _PRIME
    for i in range(DIGEST_WORD):
        mixed = (mixed ^ words[i]) * _PRIME
        mixed ^= mixed >> _SHIFT
    return mixed


@kernel
def _first_broken(words: NDArray[np.uint64], previous: np.uint64) -> int:
    for i in range(words.shape[0]):
        digest = chain(previous, words[i])
        if digest != words[i, DIGEST_WORD]:
            return i
        previous = digest
    return -1


@kernel
def _seal(words: NDArray[np.uint64], previous: np.uint64) -> np.uint64:
    for i in range(words.shape[0]):
        previous = chain(previous, words[i])
        words[i, DIGEST_WORD] = previous
    return previous


def words_of(events: Events) -> NDArray[np.uint64]:
    """Return ``events`` seen as 64-bit words, shape (n, 8), without a copy where they are contiguous."""
    return np.ascontiguousarray(events).view(np.uint64).reshape(-1, RECORD_WORDS)


def first_broken(events: Events, previous: int = 0) -> int:
    """Return the index of the first record that does not fit the chain, or -1.

    Parameters
    ----------
    events
        Records in loop order.
    previous
        Digest of the record before the first one; 0 at the start of a session.
    """
    with np.errstate(over="ignore"):
        return int(_first_broken(words_of(events), np.uint64(previous)))


def seal(events: Events, previous: int = 0) -> int:
    """Write the chain's digests into ``events`` (contiguous) and return the last one."""
    with np.errstate(over="ignore"):
        return int(_seal(words_of(events), np.uint64(previous)))

"""Bytes that others sent are read in one way: whatever is wrong with them is one error."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

_T = TypeVar("_T")


def decoded(decode: Callable[[bytes], _T], data: bytes) -> _T:
    """Return what ``decode`` makes of ``data``.

    Parameters
    ----------
    decode
        A msgspec decoder's method.
    data
        One whole message.

    Raises
    ------
    msgspec.DecodeError
        If it is none: also where a text is not UTF-8, or lists lie too deep within each other, for which msgspec
        has other errors.
    """
    try:
        return decode(data)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"a text in the message is not UTF-8: {error.reason}") from error
    except RecursionError as error:
        raise msgspec.DecodeError("the message has lists or maps too deep within each other") from error

"""The reference board's bench, as fixtures."""

from collections.abc import Callable

import pytest

from tests.hardware.board_bench import Bench


@pytest.fixture
def make_bench() -> Callable[..., Bench]:
    """Return the bench's constructor."""
    return Bench


@pytest.fixture
def bench() -> Bench:
    """Return a bench whose driver is ready."""
    return Bench().start()

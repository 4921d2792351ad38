"""Boxes for the kernels' tests: compiled and in plain Python, each proven when its test is over."""

from collections.abc import Callable, Iterator

import pytest

from tests.realtime.box import Box, Setup
from tests.realtime.kernels import COMPILED_HERE, Kernels, as_loaded, as_python


@pytest.fixture(scope="session", params=["compiled", "python"] if COMPILED_HERE else ["python"])
def kernels(request: pytest.FixtureRequest) -> Kernels:
    """Return the kernels, compiled and as plain Python."""
    return as_loaded() if request.param == "compiled" else as_python()


@pytest.fixture
def make_box(kernels: Kernels) -> Iterator[Callable[..., Box]]:
    """Return a maker of boxes; afterwards each one's log must decide itself again."""
    made: list[Box] = []

    def make(*, punctual: bool = True, **numbers: object) -> Box:
        made.append(Box(Setup(**numbers), kernels, punctual))
        return made[-1]

    yield make
    for box in made:
        box.prove()


@pytest.fixture
def box(make_box: Callable[..., Box]) -> Box:
    """Return a started box: the ITI lasts until 2 s, the window is 1 s, the grace 5 ms."""
    return make_box().start()

"""Boxes and rigs for the controller's tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.realtime.box import Box, Setup


@pytest.fixture
def make_box() -> Iterator[Callable[..., Box]]:
    """Return a maker of started boxes; afterwards each one's log must decide itself again."""
    made: list[Box] = []

    def make(task: str = "cooperation", **numbers: object) -> Box:
        made.append(Box(Setup(task=task, **numbers)).start())
        return made[-1]

    yield make
    for box in made:
        box.prove()


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the folder that holds the packages."""
    return Path(__file__).resolve().parents[2]

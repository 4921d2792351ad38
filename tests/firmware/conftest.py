"""The firmware, built once; where the toolchain is absent, its tests are skipped, and say so."""

from collections.abc import Callable, Iterator

import pytest

from hardware.firmware.build import Programs, ToolchainMissing, build
from tests.firmware.bench import Bench, Firmware


@pytest.fixture(scope="session")
def programs() -> Programs:
    """Return the firmware and the program that runs it."""
    try:
        return build()
    except ToolchainMissing as error:
        pytest.skip(str(error))


@pytest.fixture
def board(programs: Programs) -> Iterator[Firmware]:
    """Return a board in Active mode, to speak frames with."""
    with Firmware(programs) as firmware:
        yield firmware


@pytest.fixture
def make_bench(programs: Programs) -> Iterator[Callable[..., Bench]]:
    """Return a constructor of benches with the real driver; they are closed in the end."""
    benches: list[Bench] = []

    def make(**settings: object) -> Bench:
        benches.append(Bench(programs, **settings))
        return benches[-1]

    yield make
    for bench in benches:
        bench.board.close()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """Return a bench whose driver is ready."""
    return make_bench().start()

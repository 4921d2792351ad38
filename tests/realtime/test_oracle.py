"""The kernels against the naive oracle: any pokes, any delivery within the grace, one board or two."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.records import NEVER_NS, Outcome
from tests.realtime.box import MS, ONE_BOARD, TWO_BOARDS, Box, S, Setup
from tests.realtime.kernels import COMPILED_HERE
from tests.realtime.oracle import Poke, cooperation

STEP = 250 * MS
GRACE = 5 * MS

# Times on a coarse grid, and a nanosecond beside it: so that ties, bounds hit exactly and bounds missed by one abound.
grid = st.integers(0, 60).map(lambda i: i * STEP)
instants = st.builds(lambda t, beside: max(0, t + beside), grid, st.sampled_from((-1, 0, 0, 0, 1)))
delays = st.sampled_from((0, 1, 2 * MS, GRACE - 1)) | st.integers(0, GRACE - 1)
told = st.lists(st.tuples(instants, st.integers(0, 1), delays, st.booleans()), max_size=30)
lengths = st.integers(0, 6).map(lambda i: i * STEP)


def as_delivered(pokes, boards):
    """Each board tells what it saw in order; a message never overtakes another of the same board."""
    arrivals, last = [], {}
    for t, animal, delay, followed_by_report in sorted(pokes):
        board = boards[animal]
        last[board] = max(last.get(board, 0), t + delay)
        arrivals.append((last[board], t, animal, followed_by_report))
    return sorted(arrivals, key=lambda arrival: arrival[0])


def play(kernels, setup, pokes, *, punctual):
    box = Box(setup, kernels, punctual).start()
    for at, t, animal, followed_by_report in as_delivered(pokes, setup.boards):
        box.poke(animal, t, arrives=at)
        if followed_by_report:
            box.report(setup.boards[animal], t, arrives=at)
    box.until(10_000 * S)
    box.prove()
    assert box.count("n_late") == 0
    return box


@pytest.fixture(scope="session")
def how_many(kernels):
    """How many examples these kernels are fast enough for."""
    return 150 if COMPILED_HERE and kernels.name == "compiled" else 25


@pytest.mark.parametrize("boards", [ONE_BOARD, TWO_BOARDS], ids=["one board", "two boards"])
@pytest.mark.parametrize("punctual", [True, False], ids=["punctual", "sleepy"])
def test_the_kernels_decide_as_the_oracle_does(kernels, how_many, boards, punctual):
    @settings(deadline=None, max_examples=how_many, database=None)
    @given(
        pokes=told,
        itis=st.lists(lengths, min_size=1, max_size=5),
        window=st.integers(1, 6).map(lambda i: i * STEP),
        limit=st.none() | st.integers(1, 20).map(lambda i: i * STEP),
        drink=lengths,
        timeout=lengths,
    )
    def property_(pokes, itis, window, limit, drink, timeout):
        setup = Setup(
            boards=boards,
            windows=(window,),
            iti=tuple(itis),
            trials=len(itis),
            limit=NEVER_NS if limit is None else limit,
            drink=drink,
            timeout=timeout,
            grace=GRACE,
            room=6000,
        )
        box = play(kernels, setup, pokes, punctual=punctual)
        expected = cooperation(
            [Poke(t, animal) for t, animal, _, _ in pokes],
            start_ns=0,
            itis_ns=itis,
            window_ns=window,
            limit_ns=limit,
            drink_ns=drink,
            timeout_ns=timeout,
        )
        assert box.outcomes() == [(d.trial, Outcome[d.outcome], d.t_ns) for d in expected]
        paid = [t for _, t in box.rewards()]
        assert paid == [d.t_ns for d in expected if d.outcome == "SUCCESS" for _ in range(2)]

    property_()


def test_the_oracle_itself_judges_a_session_told_by_hand():
    numbers = {"start_ns": 0, "window_ns": 100, "limit_ns": 1000, "drink_ns": 50, "timeout_ns": 20}
    pokes = [
        Poke(10, 0),  # trial 1 opens at 10: this poke does not count
        Poke(30, 1),
        Poke(130, 0),  # 100 after: on the bound
        Poke(200, 0),  # trial 2 opens at 190
        Poke(301, 1),  # 101 after: too late, and in the ITI of trial 3, which opens at 330
    ]
    assert cooperation(pokes, itis_ns=[10, 10, 10], **numbers) == [
        (1, "SUCCESS", 130),
        (2, "MISS", 300),
        (3, "OMISSION", 1330),
    ]

"""What is said of brains: everything that the estimators take and give, as msgpack.

Each carries ``seq``, one running number over all of it, in that order: sorted by it, a log's inputs regenerate its
estimates. A number that is not known (yet) is ``None``.
"""

from typing import Literal

import msgspec

from controller.messages.decoding import decoded


class Cell(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One cell of a brain, as its acquisition program names it."""

    id: str
    type: str = ""
    """Such as "GABAergic"; empty where it is not known."""
    x_um: float | None = None
    y_um: float | None = None
    z_um: float | None = None


class Cells(msgspec.Struct, frozen=True, tag="cells"):
    """Which cells the following frames of one animal have, in the order of their values."""

    seq: int
    t_ns: int
    animal: Literal["A", "B"]
    rate_hz: float
    cells: list[Cell]


class Frame(msgspec.Struct, frozen=True, tag="frame"):
    """The activity of one animal's cells at one moment."""

    seq: int
    t_ns: int
    """When it happened, session clock [ns]."""
    animal: Literal["A", "B"]
    number: int
    """The source's own running number."""
    device_ns: int
    """The source's own stamp [ns]."""
    arrival_ns: int
    values: bytes
    """float32, little-endian, one for each cell; NaN where a cell has none."""


class Mark(msgspec.Struct, frozen=True, tag="mark"):
    """A machine of the task entered a state: what the trial-shift null is aligned to."""

    seq: int
    t_ns: int
    machine: int
    state: int


class Restart(msgspec.Struct, frozen=True, tag="restart"):
    """The estimators begin anew, knowing nothing; ``settings`` is all they are set to, as JSON."""

    seq: int
    t_ns: int
    reason: str
    settings: str


class Subspace(msgspec.Struct, frozen=True, tag="subspace"):
    """The shared subspace as estimated at one pair of frames (:mod:`realtime.estimators.shared_subspace`)."""

    seq: int
    tick: int
    """Periods since the first pair of frames."""
    t_ns: int
    cells: str
    """"all", or the one cell type that this estimate is of."""
    n_cells: tuple[int, int]
    """Cells of A and B that have varied."""
    a: list[float | None]
    """Held-out projections of A on the shared dimensions, shape (k,)."""
    b: list[float | None]
    coactivity: float | None
    """How strongly A and B agree right now: their smoothed product on the shared dimensions, in units of chance."""
    correlation: float | None
    """Held-out correlation over all shared dimensions, invariant to rotations among them."""
    mode_correlations: list[float | None]
    lagged_mean: float | None
    """What the correlation is at lags at which the animals cannot know of each other."""
    lagged_z: float | None
    lagged_p: float | None
    """Guards against autocorrelation. A common input that both animals see fools it."""
    trial_correlation: float | None
    """Held-out correlation over the moments for which earlier trials have the same phase."""
    trial_mean: float | None
    """The same with B taken from those earlier trials."""
    trial_z: float | None
    trial_p: float | None
    """Guards against input that is locked to the trial."""
    shared: tuple[float | None, float | None]
    """Share of A's and of B's variance in the shared subspace."""
    shared_null: tuple[float | None, float | None]
    """The same for a subspace estimated from animals that were shifted against each other."""
    unique: tuple[float | None, float | None]
    """Share of variance in as many dimensions outside the shared subspace."""
    unique_null: tuple[float | None, float | None]
    n_independent: float
    """Effective number of independent samples."""
    trials: int
    """Earlier trials that the trial-shift null can draw on."""
    valid: bool
    """Whether there is enough for the correlation and its lagged null to mean anything."""
    trial_valid: bool
    """The same for the trial-shift null."""


class Synchrony(msgspec.Struct, frozen=True, tag="synchrony"):
    """How well one brain's state now tells the other's next one (:mod:`realtime.estimators.synchrony`)."""

    seq: int
    tick: int
    t_ns: int
    r2: float | None
    """Held-out R² of the affine map, mean of both directions; no direction is claimed."""
    lagged_mean: float | None
    """The same at lags at which the animals cannot know of each other."""
    excess: float | None
    """R² less that mean: the number to look at."""
    lagged_z: float | None
    lagged_p: float | None
    n_independent: float
    valid: bool


class Crossing(msgspec.Struct, frozen=True, tag="crossing"):
    """An estimate crossed its threshold: the loop has it as a NEURAL event with ``number`` as its source_seq."""

    seq: int
    tick: int
    t_ns: int
    number: int
    estimate: str
    above: bool
    value: float


class StreamReport(msgspec.Struct, frozen=True, tag="stream"):
    """How one animal's stream stands; once a second."""

    seq: int
    t_ns: int
    animal: Literal["A", "B"]
    counters: dict[str, int]
    remarks: list[str] = []
    silent: bool = False
    """Whether no usable frame has come for too long: an estimate that was above its threshold falls."""


Neural = Cells | Frame | Mark | Restart | Subspace | Synchrony | Crossing | StreamReport
"""Everything that is said of brains."""


def encode_neural(message: Neural) -> bytes:
    """Return a message's bytes."""
    return msgspec.msgpack.encode(message)


_NEURAL = msgspec.msgpack.Decoder(Neural)


def decode_neural(data: bytes) -> Neural:
    """Return the message in ``data``; raises msgspec.DecodeError for anything else."""
    message: Neural = decoded(_NEURAL.decode, data)
    return message

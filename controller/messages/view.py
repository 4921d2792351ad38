"""What a session shows to its viewers, and what they ask of it: the protocol of the window.

A viewer says :class:`Hello`. It gets a :class:`Batch` that is ``anew``: everything it needs to be complete. Batches of
what is new follow it, numbered without gaps; each is a message of several parts, the first a :class:`Batch`, the others
any of :data:`View`. A viewer that falls behind gets no more until its next :class:`Ping`, and then everything anew. One
that does not ping is forgotten. Everything a person asks carries a number, by which its :class:`Reply` is known.

A session's events travel as they are (:data:`realtime.records.EVENT`), what is said of brains as
:data:`controller.messages.neural.Neural`.
"""

from typing import Final, Literal

import msgspec

from controller.messages.decoding import decoded
from controller.messages.neural import Neural
from controller.messages.session import Answer, Request, Stage

PROTOCOL: Final = 1
"""Raised whenever an older window would misunderstand a newer session."""

Mode = Literal["SETUP", "LIVE", "VIRTUAL", "REPLAY"]
Light = Literal["none", "lit", "sham", "dark"]


class Device(msgspec.Struct, frozen=True):
    """One device of the rig."""

    name: str
    driver: str
    port: str


class Opening(msgspec.Struct, frozen=True, tag="opening"):
    """What does not change while a session lasts."""

    mode: Mode
    session: str
    """The session's name, as its folder's."""
    folder: str
    rig: str
    task: str
    subjects: tuple[str, str]
    day: int
    minutes: float
    trials: int | None
    """After how many trials it ends; None where only the minutes count."""
    start_ns: int
    """The session clock at its start [ns]; all other stamps are on this clock."""
    epoch_ns: int
    """Unix time at the same instant [ns]."""
    states: list[str]
    """Names of the task's states; events and marks give their index."""
    machines: list[int]
    """Which animal each machine judges, -1 for the pair."""
    stages_ns: list[int]
    """Windows of the stages of training [ns]."""
    schedule: str
    devices: list[Device]
    lines: dict[str, str]
    """Where each line is wired, such as ``{"poke_a": "board pin 0"}``."""
    lasers: tuple[bool, bool]
    """Whether A and B have one."""
    lit_share: float
    """Share of trials chosen for light."""
    calibrated: tuple[bool, bool]
    """Whether the valves' openings are known in µl."""
    free_ms: tuple[float, float]
    """How long a reward by hand opens the valves of A and B."""
    test_ms: float
    """How long a laser test lasts."""
    brains: bool
    rates_hz: tuple[float, float] = (0.0, 0.0)
    shared_dims: int = 0
    tau_s: float = 0.0
    embargo_s: float = 0.0
    min_independent: float = 0.0
    trigger: str = ""
    """What makes an estimate an event of the loop, in words; empty where nothing does."""
    control: str = ""
    """Where the supervisor listens, for viewers on the same computer."""
    events: str = ""
    """Where the loop takes events, for the red stop of a viewer on the same computer."""


class Records(msgspec.Struct, frozen=True, tag="records"):
    """Events in the loop's order, all but CLOCK, HEALTH and TIMER."""

    events: bytes
    """EVENT (n,), little-endian."""


class TrialRow(msgspec.Struct, frozen=True):
    """A trial that ended."""

    machine: int
    trial: int
    """From 1."""
    opened_ns: int
    first_ns: int | None
    """The first poke that counted; None in an omission."""
    first: int
    """Whose it was: 0 A, 1 B, -1 nobody's."""
    lag_ns: int | None
    """From there to the partner's first poke while the trial was open; None where there was none."""
    end_ns: int
    outcome: int
    """:class:`realtime.records.Outcome`."""
    window_ns: int
    light: Light
    """"lit" where a laser reported that it was on, "dark" where it was chosen for light and none came."""


class Trials(msgspec.Struct, frozen=True, tag="trials"):
    """Trials that ended since the last such message, in order."""

    rows: list[TrialRow]


class Counts(msgspec.Struct, frozen=True, tag="counts"):
    """What has been counted so far; pairs are of A and B."""

    t_ns: int
    """The newest event that is counted."""
    started_ns: int
    """When the task was started; 0 before."""
    pokes: tuple[int, int]
    licks: tuple[int, int]
    rewards: tuple[int, int]
    """Openings that the valves reported. One may be several rewards: a command for an open valve lengthens it."""
    free: tuple[int, int]
    """Rewards by hand that the valves have given."""
    open_s: tuple[float, float]
    """How long each valve was open, by the device's own edges."""
    water_ul: tuple[float | None, float | None]
    """The same through the calibration; None where there is none."""
    free_ul: tuple[float | None, float | None]
    """What of it was given by hand."""
    lit_s: tuple[float, float]
    outcomes: dict[str, int]
    """Trials by the name of their outcome."""
    lit: tuple[int, int]
    """Of the trials with light: successes, and all with a poke."""
    control: tuple[int, int]
    """Of the trials without: successes, and all with a poke."""
    trial: int
    """The trial that is open or ended last, from 1; 0 before the first."""
    states: list[int]
    """The state each machine is in."""
    window_ns: int
    """The window by which the next trial will be judged."""
    armed: bool
    finished: bool
    uncertain_ns: int
    """Greatest uncertainty of the time between two animals' pokes; 0 where one clock stamps both."""
    late: int
    gaps: int
    """Events before which others of their device are missing."""
    faults: dict[str, int]
    earned: tuple[int, int]
    """Rewards of trials that the valves have given."""


class Chance(msgspec.Struct, frozen=True, tag="chance"):
    """How the pair compares with the same pokes shifted against each other. Shared water alone can lift it."""

    t_ns: int
    window_ns: int
    observed: int
    """Coincidences within the window, the whole session so far."""
    median: float
    low: float
    high: float
    """Where 95 % of the shifted counts lie."""
    trials: int = 0
    """Trials of one point of the rolling success; 0 where there are too few for a band."""
    rolling_low: float = 0.0
    rolling_median: float = 0.0
    rolling_high: float = 0.0
    """Where 95 % of such points lie under the shifts, as a share 0 to 1."""


class Spread(msgspec.Struct, frozen=True):
    """One measured delay."""

    name: str
    n: int
    p50_us: float
    p99_us: float
    p999_us: float
    max_us: float
    counts: list[int]
    """By :attr:`Latency.upper_us`."""


class Latency(msgspec.Struct, frozen=True, tag="latency"):
    """How long beam → decision → valve edge took, of all earned rewards so far."""

    upper_us: list[float]
    """Upper bounds of the bins."""
    spreads: list[Spread]
    missing: int
    """Rewards whose valve edge was never reported."""


class Process(msgspec.Struct, frozen=True):
    """One process of a session, as the supervisor hears it."""

    name: str
    stage: Stage
    alive: bool
    silent_s: float
    """Since it was heard last."""
    counters: dict[str, int]
    texts: dict[str, str]


class Standing(msgspec.Struct, frozen=True, tag="standing"):
    """How the session stands, as the supervisor sees it."""

    t_ns: int
    phase: str
    elapsed_s: float
    processes: list[Process]
    said: list[str]
    """The last sentences for people."""
    n_said: int
    """How many there have been in all."""
    away: list[str]
    """Devices that are not ready."""
    reason: str = ""
    """Why it ends or has ended."""


class Storage(msgspec.Struct, frozen=True, tag="storage"):
    """Where everything is written, and how much room is left."""

    disk_free_bytes: int
    journal_events: int
    journal_room: int
    log_bytes: int
    tape_bytes: int
    bytes_per_s: float
    """By how much the session has been growing."""
    viewers: int
    behind: int
    """How often a viewer fell behind and was given everything anew."""


class Note(msgspec.Struct, frozen=True, tag="note"):
    """A person's note."""

    number: int
    t_ns: int
    text: str


class Remark(msgspec.Struct, frozen=True, tag="remark"):
    """A sentence about the session or about what shows it, with a way out where one is needed."""

    t_ns: int
    text: str
    trouble: bool = False
    """Whether it says that something is wrong."""


class Playhead(msgspec.Struct, frozen=True, tag="playhead"):
    """Where a replay is."""

    t_ns: int
    begin_ns: int
    end_ns: int
    playing: bool
    speed: float
    proof: str
    """What deciding again found, in words; "not yet" while it runs."""
    proven: bool | None
    """Whether every decision came out the same; None while that is not known."""
    read: float
    """Share of the brains' messages that has been looked through, 0 to 1."""
    settled: bool = False
    """Whether viewers have been told everything that looking through the log will find."""


class Span(msgspec.Struct, frozen=True):
    """Something in a recorded session that lasted: a trial, or light."""

    start_ns: int
    end_ns: int
    """Both when the loop took them [ns]."""
    animal: int
    """Whose: 0 A, 1 B, -1 the pair's."""
    number: int = 0
    """Of a trial, from 1."""
    code: int = 0
    """Of a trial its :class:`realtime.records.Outcome`; 0 where it has none."""


class Overview(msgspec.Struct, frozen=True, tag="overview"):
    """A recorded session as a whole, whatever moment of it is shown."""

    trials: list[Span]
    light: list[Span]
    """When lasers reported that they were on."""
    events: bytes
    """What broke, what people did (notes left out) and which crossings the loop took: EVENT (n,), little-endian."""
    notes: list[Note]


class Problem(msgspec.Struct, frozen=True):
    """Why a session cannot start yet."""

    field: Literal["rig", "subjects", "day", "minutes", "trials", "output"]
    sentence: str


class Setup(msgspec.Struct, frozen=True, tag="setup"):
    """What a session would be if it were started now."""

    rig: str
    rig_path: str
    mode: Mode
    """What it will be: LIVE or VIRTUAL."""
    task: str
    subjects: tuple[str, str]
    day: int
    minutes: float
    trials: int | None
    output: str
    window: str
    """The window of that day, in words."""
    problems: list[Problem]
    remarks: list[str]
    """What is worth knowing and hinders nothing, such as an old calibration."""
    starting: bool = False
    control: str = ""
    """Where the supervisor will listen, for the red stop of a viewer on the same computer."""
    events: str = ""
    """Where the loop will take events."""


View = (
    Opening
    | Records
    | Trials
    | Counts
    | Chance
    | Latency
    | Standing
    | Storage
    | Note
    | Remark
    | Playhead
    | Overview
    | Setup
    | Neural
)
"""Everything a viewer can be shown."""


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """A viewer asks for everything."""

    protocol: int
    who: str


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """A viewer is there; the answer tells how far away."""

    sent_ns: int
    number: int
    """The last batch it has taken, 0 before the first."""


class Bye(msgspec.Struct, frozen=True, tag="bye"):
    """A viewer is closed."""


class Wish(msgspec.Struct, frozen=True, tag="wish"):
    """A person asks something of the session."""

    number: int
    request: Request


class Steer(msgspec.Struct, frozen=True, tag="steer"):
    """A person steers a replay."""

    number: int
    verb: Literal["play", "pause", "seek", "step", "speed"]
    value: float = 0.0
    """seek: seconds since its beginning; step: trials forward, or back below 0; speed: times as fast as then."""


class Choice(msgspec.Struct, frozen=True, tag="choice"):
    """A person chooses what the next session shall be."""

    number: int
    subjects: tuple[str, str]
    day: int
    minutes: float
    trials: int | None
    output: str


Asked = Hello | Ping | Bye | Wish | Steer | Choice
"""Everything a viewer sends."""


class Batch(msgspec.Struct, frozen=True, tag="batch"):
    """The first part of a message whose other parts are of :data:`View`."""

    number: int
    """From 1 without gaps, for each viewer and since it was last given everything."""
    now_ns: int
    """The moment of the session up to which this tells [ns]."""
    speed: float
    """How fast that moment moves: 1 live, 0 where it stands still."""
    server: int
    """Which server this is; another one begins anew."""
    anew: bool = False
    """Everything: what was known before is to be forgotten."""


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    """The answer to a ping."""

    sent_ns: int
    """As the ping had it."""
    now_ns: int
    """The session clock when it was answered [ns]."""
    server: int


class Reply(msgspec.Struct, frozen=True, tag="reply"):
    """The answer to a wish, steering or choice."""

    number: int
    answer: Answer


class Refusal(msgspec.Struct, frozen=True, tag="refusal"):
    """The viewer gets nothing, and why."""

    sentence: str


Said = Batch | Pong | Reply | Refusal
"""The first part of everything a viewer hears."""

_VIEW = msgspec.msgpack.Decoder(View)
_ASKED = msgspec.msgpack.Decoder(Asked)
_SAID = msgspec.msgpack.Decoder(Said)


def encode_view(message: View | Asked | Said | Neural) -> bytes:
    """Return a message's bytes."""
    return msgspec.msgpack.encode(message)


def decode_view(data: bytes) -> View:
    """Return what a viewer is shown; raises msgspec.DecodeError for anything else."""
    message: View = decoded(_VIEW.decode, data)
    return message


def decode_asked(data: bytes) -> Asked:
    """Return what a viewer asks; raises msgspec.DecodeError for anything else."""
    message: Asked = decoded(_ASKED.decode, data)
    return message


def decode_said(data: bytes) -> Said:
    """Return the first part of what a viewer hears; raises msgspec.DecodeError for anything else."""
    message: Said = decoded(_SAID.decode, data)
    return message

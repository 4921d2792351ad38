"""The schema of rig files: what keys there are, what they may be, and what they mean.

The Structs' fields are the file's keys, their types the ranges, their descriptions the manual. Other modules import
them from :mod:`controller.rigfile`, which reads the files.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from realtime import records

Name = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9._-]{1,40}\Z",
        extra={"allowed": 'a name of 1 to 40 letters, digits, ".", "_" or "-"'},
    ),
]
DeviceName = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9_-]{1,40}\Z", extra={"allowed": 'a name of 1 to 40 letters, digits, "_" or "-"'}),
]
EMULATOR: Final = "emulator"
"""The port of a device that is simulated."""
Port = Annotated[
    str,
    Meta(
        pattern=r"^(emulator|/[^\x00\n]+|COM[0-9]+)\Z",
        extra={"allowed": '"emulator", a path such as "/dev/ttyACM0", or a port such as "COM3"'},
    ),
]
Folder = Annotated[str, Meta(pattern=r"^[^\x00\n]+\Z", extra={"allowed": "the path of a folder, which is not empty"})]

_PORT_NUMBER: Final = r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
Endpoint = Annotated[
    str,
    Meta(
        # A socket's path has room for 107 bytes.
        pattern=rf"^(|tcp://[^\s/]+:{_PORT_NUMBER}|ipc://[^\x00\n]{{1,107}})\Z",
        extra={"allowed": 'an address such as "tcp://127.0.0.1:5601" or "ipc:///tmp/brain_a"'},
    ),
]
RecordingFile = Annotated[
    str,
    Meta(pattern=r"^(|[^\x00\n]+\.(npy|npz|nwb))\Z", extra={"allowed": "the path of a .npy, .npz or .nwb file"}),
]
StreamName = Annotated[
    str, Meta(pattern=r"^[^\x00\n]{0,200}\Z", extra={"allowed": "a text of at most 200 characters, on one line"})
]

Animals = Literal["both", "a", "b"]
Pin = Annotated[int, Meta(ge=0, le=15, description="Pin on that device; inputs and outputs are counted apart")]
OnDevice = Annotated[str, Meta(description="Device the line is wired to: a name under [devices]")]
Probability = Annotated[float, Meta(ge=0, le=1)]
Spread = Annotated[float, Meta(ge=0, le=2)]


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[rig]``: what this rig is."""

    name: Annotated[Name, Meta(description="Name of the rig, as sessions and logs show it")]
    kind: Annotated[Literal["virtual", "real"], Meta(description="Whether animals or simulated mice are in the box")]


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[devices.NAME]``: one device; devices are numbered in the order in which the file names them."""

    driver: Annotated[str, Meta(description="Driver: the name of a file in hardware/drivers")]
    port: Annotated[Port, Meta(description="Serial port; `emulator`, on virtual rigs, simulates the device")]
    host_timeout_ms: Annotated[
        int,
        Meta(ge=50, le=5000, description="Silence of the host after which the device turns every output off"),
    ] = 500
    keep_alive_ms: Annotated[
        int,
        Meta(
            ge=20,
            le=1000,
            description="How often the host shows the device that it lives; under half its timeout",
        ),
    ] = 100
    reconnect_s: Annotated[
        float,
        Meta(ge=0, le=600, description="How long a lost device may be away before the session ends; 0 ends it at once"),
    ] = 30.0
    feeds: Annotated[
        Literal["laser_a", "laser_b"] | None, Meta(description="Laser head: the line whose TTL modulates it")
    ] = None
    power_mw: Annotated[
        Annotated[float, Meta(ge=0.01, le=1000)] | None, Meta(description="Laser head: power at the head while lit")
    ] = None
    tip_mw: Annotated[
        Annotated[float, Meta(ge=0.01, le=1000)] | None,
        Meta(description="Laser head: power at the fibre's tip instead, through the calibration"),
    ] = None
    train_hz: Annotated[
        Annotated[float, Meta(ge=0.1, le=1000)] | None, Meta(description="Pulse generator: pulses per second of light")
    ] = None
    train_pulse_ms: Annotated[
        Annotated[float, Meta(ge=0.05, le=10000)] | None, Meta(description="Pulse generator: length of each pulse")
    ] = None
    train_volts: Annotated[
        Annotated[float, Meta(ge=0.5, le=10)] | None, Meta(description="Pulse generator: voltage of each pulse")
    ] = None


class Copy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``copy`` of a valve or laser: the input that its TTL is also wired to, where its device reports no edges."""

    device: OnDevice
    pin: Pin


MinGap = Annotated[
    int,
    Meta(ge=0, le=60000, description="Least time between two pulses; the device or its driver refuses earlier ones"),
]
CopyOf = Annotated[
    Copy | None, Meta(description="Input to which the output is also wired; needed where the driver confirms no edges")
]


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A beam or lickometer in ``[lines]``."""

    device: OnDevice
    pin: Pin


class Valve(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A reward valve in ``[lines]``."""

    device: OnDevice
    pin: Pin
    max_on_ms: Annotated[
        int, Meta(ge=1, le=2000, description="Longest opening; the device itself closes the valve after it")
    ] = 200
    min_gap_ms: MinGap = 10
    on_per_minute_s: Annotated[
        float, Meta(ge=0.001, le=60, description="Longest opening within a minute; the device or its driver sees to it")
    ] = 10.0
    copy: CopyOf = None


class Laser(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A laser's TTL in ``[lines]``."""

    device: OnDevice
    pin: Pin
    max_on_ms: Annotated[
        int, Meta(ge=1, le=10000, description="Longest light; the device itself turns the laser off after it")
    ] = 10000
    min_gap_ms: MinGap = 10
    on_per_minute_s: Annotated[
        float, Meta(ge=0.001, le=60, description="Longest light within a minute; the device or its driver sees to it")
    ] = 40.0
    copy: CopyOf = None


class Lines(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[lines]``: which pin of which device each line of the session is."""

    poke_a: Annotated[Input, Meta(description="Nose-poke beam of animal A")]
    poke_b: Annotated[Input, Meta(description="Nose-poke beam of animal B")]
    lick_a: Annotated[Input | None, Meta(description="Lickometer of animal A")] = None
    lick_b: Annotated[Input | None, Meta(description="Lickometer of animal B")] = None
    valve_a: Annotated[Valve, Meta(description="Reward valve of animal A")]
    valve_b: Annotated[Valve, Meta(description="Reward valve of animal B")]
    laser_a: Annotated[Laser | None, Meta(description="Laser of animal A; needed if its light is planned")] = None
    laser_b: Annotated[Laser | None, Meta(description="Laser of animal B; needed if its light is planned")] = None

    def wired(self) -> dict[records.Line, Input | Valve | Laser]:
        """Return the lines that this rig has, in the order of their numbers."""
        named = {line: getattr(self, line.name.lower(), None) for line in records.Line}
        return {line: wiring for line, wiring in named.items() if wiring is not None}


class Task(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[task]``: what the animals are asked to do."""

    name: Annotated[str, Meta(description="Task: the name of a file in controller/tasks")] = "cooperation"
    iti_min_s: Annotated[float, Meta(ge=0, le=600, description="Shortest interval between trials")] = 2.5
    iti_max_s: Annotated[float, Meta(ge=0, le=600, description="Longest interval between trials")] = 3.5
    trial_limit_s: Annotated[
        float,
        Meta(ge=0, le=3600, description="Trial without a poke ends as an omission after this; 0 is never"),
    ] = 60.0
    drink_s: Annotated[float, Meta(ge=0, le=60, description="Time to drink after a reward")] = 2.0
    timeout_s: Annotated[float, Meta(ge=0, le=600, description="Pause after a miss")] = 0.0
    animals: Annotated[Animals, Meta(description="Who is in the box; only the solo task takes one animal")] = "both"


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[window]``: how close together the two pokes must be, and how that narrows over training."""

    schedule: Annotated[
        Literal["days", "criterion", "fixed"],
        Meta(description="What narrows the window: days, success, or nothing"),
    ] = "days"
    fixed_s: Annotated[float, Meta(ge=0.05, le=10, description="Window of the fixed schedule")] = 1.5
    stages_s: Annotated[
        tuple[Annotated[float, Meta(ge=0.05, le=10)], ...],
        Meta(
            min_length=1,
            max_length=8,
            description="Windows of the stages of training, each narrower than the last",
        ),
    ] = (3.0, 1.5, 0.75)
    stage_days: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=100)], ...],
        Meta(min_length=1, max_length=8, description="Days that each stage lasts; one number per stage"),
    ] = (5, 10, 15)
    criterion_trials: Annotated[
        int, Meta(ge=5, le=64, description="Last trials over which the success rate is taken")
    ] = 40
    advance_above: Annotated[Probability, Meta(description="Success rate above which the window narrows")] = 0.75
    retreat_below: Annotated[Probability, Meta(description="Success rate below which the window widens")] = 0.35


class Reward(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[reward]``: how long the valves open."""

    valve_ms: Annotated[float, Meta(ge=1, le=2000, description="Opening for an earned reward")] = 30.0
    free_valve_ms: Annotated[float, Meta(ge=1, le=2000, description="Opening for a reward by hand")] = 30.0
    volume_ul: Annotated[
        Annotated[float, Meta(ge=0.1, le=100)] | None,
        Meta(description="Volume of an earned reward instead, through each valve's calibration"),
    ] = None
    free_volume_ul: Annotated[
        Annotated[float, Meta(ge=0.1, le=100)] | None,
        Meta(description="Volume of a reward by hand instead, through each valve's calibration"),
    ] = None


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[limits]``: what no animal may exceed, and what no animal does."""

    light_per_trial_s: Annotated[
        float, Meta(ge=0, le=60, description="Most light in one trial and animal; proven before the session")
    ] = 10.0
    light_per_minute_s: Annotated[
        float, Meta(ge=0, le=60, description="Most light in any minute and animal; proven before the session")
    ] = 40.0
    stuck_beam_s: Annotated[
        float, Meta(ge=1, le=600, description="A beam broken for longer is stuck: the session pauses")
    ] = 30.0
    chatter_hz: Annotated[
        int, Meta(ge=10, le=1000, description="A beam or lickometer that changes more often is muted; pauses too")
    ] = 100
    calibration_days: Annotated[
        float, Meta(gt=0, le=3650, description="A calibration older than this is warned about")
    ] = 30.0


class Inhibition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[inhibition]``: on which trials light inhibits the ACC, and for how long."""

    fraction: Annotated[
        float,
        Meta(ge=0, le=0.5, description="Share of trials chosen for light; 0 is no light, one in six by default"),
    ] = 1 / 6
    min_plain_between: Annotated[
        int, Meta(ge=0, le=50, description="Least number of plain trials between two chosen ones")
    ] = 2
    sham_fraction: Annotated[
        Probability, Meta(description="Share of the chosen trials that are sham: logged, but dark")
    ] = 0.0
    animals: Annotated[Animals, Meta(description="Whose laser is lit")] = "both"
    from_: Annotated[
        Literal["trial_start", "first_poke", "shared_state"],
        Meta(description="What turns the light on; shared_state is the trigger"),
    ] = msgspec.field(default="trial_start", name="from")
    until: Annotated[
        Literal["outcome", "fixed"], Meta(description="What turns it off: the outcome, or max_s alone")
    ] = "outcome"
    max_s: Annotated[float, Meta(ge=0.001, le=10, description="Bound of light per trial")] = 8.0
    test_ms: Annotated[int, Meta(ge=10, le=2000, description="Laser test by a person's hand: how long")] = 200
    arm_at_start: Annotated[bool, Meta(description="Arm the lasers without a person; virtual rigs only")] = False


class Loop(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[loop]``: how the decision loop runs."""

    grace_ms: Annotated[
        float, Meta(ge=0, le=100, description="Longest wait of a deadline for a late message of a poke board")
    ] = 5.0
    backend: Annotated[
        Literal["auto", "compiled", "python"], Meta(description="Which loop: auto compiles where it can")
    ] = "auto"
    wait: Annotated[
        Literal["sleep", "spin"],
        Meta(description="Sleep between events, or spin: quicker, and takes a whole core"),
    ] = "sleep"
    spin_us: Annotated[float, Meta(ge=0, le=1000, description="How long before a deadline the loop spins")] = 100.0
    fifo_priority: Annotated[
        int, Meta(ge=0, le=90, description="Real-time priority (SCHED_FIFO); 0 is normal scheduling")
    ] = 0
    journal_events: Annotated[
        int, Meta(ge=4096, le=16_777_216, description="Events for which the journal has room; 64 bytes each")
    ] = 1_048_576


class Session(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[session]``: how long, with whom, and where it is kept."""

    minutes: Annotated[float, Meta(ge=0.05, le=720, description="Length of the session")] = 30.0
    subjects: Annotated[tuple[Name, Name], Meta(description="Names of animals A and B, which differ")] = (
        "A",
        "B",
    )
    output: Annotated[Folder, Meta(description="Folder for sessions, relative to where the command runs")] = "sessions"


class MouseSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[mice.a]`` and ``[mice.b]``: how a simulated mouse behaves. Sigmas are of log-normal distributions."""

    poke_interval_s: Annotated[
        float, Meta(ge=0.2, le=600, description="Median interval between pokes that the mouse starts itself")
    ] = 6.0
    poke_interval_sigma: Annotated[Spread, Meta(description="Spread of those intervals")] = 0.6
    poke_hold_s: Annotated[float, Meta(ge=0.02, le=10, description="Median time the nose stays in")] = 0.35
    poke_hold_sigma: Annotated[Spread, Meta(description="Spread of those times")] = 0.4
    follow_initial: Annotated[
        Probability, Meta(description="Probability of following the partner's poke when naive")
    ] = 0.15
    follow_final: Annotated[Probability, Meta(description="The same probability when trained")] = 0.85
    learn_trials: Annotated[float, Meta(ge=1, le=10000, description="Rewarded trials after which half is learnt")] = (
        60.0
    )
    follow_latency_s: Annotated[float, Meta(ge=0.05, le=10, description="Median delay of following")] = 0.45
    follow_latency_sigma: Annotated[Spread, Meta(description="Spread of those delays")] = 0.35
    drink_s: Annotated[float, Meta(ge=0.1, le=60, description="Time the mouse drinks after a reward")] = 2.0
    inhibited_follow_factor: Annotated[
        Probability, Meta(description="Share of following that is left under ACC inhibition")
    ] = 0.4


class Mice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[mice]``: the simulated mice of a virtual rig; both or neither."""

    a: Annotated[MouseSettings, Meta(description="Simulated mouse A")]
    b: Annotated[MouseSettings, Meta(description="Simulated mouse B")]


class NeuralStream(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[neural.a]`` and ``[neural.b]``: where the activity of one animal's cells comes from.

    A key that only another source has may stand there with its default, which says nothing.
    """

    source: Annotated[
        Literal["zmq", "virtual", "recording", "lsl"],
        Meta(description="A program that publishes our frames, the simulated brains, a file played in time, or LSL"),
    ]
    endpoint: Annotated[Endpoint, Meta(description="zmq: where the program publishes, on this computer")] = ""
    stream: Annotated[int, Meta(ge=0, le=65535, description="zmq: number of this animal's stream on that socket")] = 0
    file: Annotated[
        RecordingFile, Meta(description="recording: the file that is played, relative to where the command runs")
    ] = ""
    series: Annotated[
        StreamName, Meta(description="recording: array in the .npz file, RoiResponseSeries in the .nwb file")
    ] = ""
    loop: Annotated[bool, Meta(description="recording: begin again at its end")] = False
    lsl_name: Annotated[StreamName, Meta(description="lsl: name of the stream")] = ""
    rate_hz: Annotated[float, Meta(ge=1, le=200, description="Frames per second")] = 20.0
    clock: Annotated[
        Literal["host", "own"],
        Meta(description="Whose stamps frames carry: this computer's monotonic clock, or the source's own, mapped"),
    ] = "host"
    max_cells: Annotated[int, Meta(ge=2, le=8000, description="Most cells that are taken; more are refused")] = 4000


class Neural(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[neural]``: the activity of both animals' cells; both or neither."""

    a: Annotated[NeuralStream, Meta(description="Activity of animal A")]
    b: Annotated[NeuralStream, Meta(description="Activity of animal B")]


class Estimators(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[estimators]``: how the two brains are compared."""

    shared_dims: Annotated[int, Meta(ge=1, le=5, description="Dimensions of the shared subspace")] = 5
    tau_s: Annotated[
        float,
        Meta(ge=30, le=3600, description="Memory of the subspace; below 120 s only its first dimension means anything"),
    ] = 120.0
    embargo_s: Annotated[
        float,
        Meta(ge=1, le=60, description="Between the data that estimate the subspace and the data projected on it"),
    ] = 5.0
    null_lag_s: Annotated[float, Meta(ge=5, le=60, description="Least lag of the lagged null")] = 10.0
    null_lags: Annotated[
        int,
        Meta(
            ge=20,
            le=200,
            multiple_of=2,
            description="Lags of the lagged null, half of them either way",
            extra={"allowed": "an even whole number from 20 to 200"},
        ),
    ] = 40
    null_trials: Annotated[int, Meta(ge=5, le=50, description="Earlier trials of the trial-shift null")] = 20
    min_independent: Annotated[
        float,
        Meta(ge=10, le=1000, description="Effective number of independent samples below which no estimate is valid"),
    ] = 40.0
    by_cell_type: Annotated[
        bool, Meta(description="The same estimate for each cell type that both animals have, too")
    ] = False
    method: Annotated[
        Literal["auto", "covariance", "factors"],
        Meta(
            description="covariance is exact, and its memory grows with cells squared; factors is an incremental SVD; "
            "auto is covariance up to 1000 cells"
        ),
    ] = "auto"


Threshold = Annotated[float, Meta(ge=-1000, le=1000)]


class Trigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[trigger]``: when an estimate becomes an event of the loop."""

    estimate: Annotated[
        Literal["coactivity", "correlation", "lagged_z", "trial_z", "synchrony"],
        Meta(description="Which estimate; coactivity follows from moment to moment, the others over tau_s"),
    ] = "coactivity"
    high: Annotated[Threshold, Meta(description="It rises when it is at or above this")] = 1.5
    low: Annotated[Threshold, Meta(description="It falls when it is below this")] = 0.5
    refractory_s: Annotated[float, Meta(ge=0, le=600, description="Least time from one rise to the next")] = 10.0
    dwell_s: Annotated[float, Meta(ge=0, le=60, description="How long it must stay beyond before it counts")] = 0.0
    min_z: Annotated[
        float, Meta(ge=0, le=20, description="What both nulls' z must reach before a rise counts; 0 asks for none")
    ] = 2.0


BrainCells = Annotated[int, Meta(ge=2, le=4000)]
BrainGain = Annotated[float, Meta(ge=0, le=10)]


class Brains(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[brains]``: the simulated brains of a virtual rig."""

    cells_a: Annotated[BrainCells, Meta(description="Cells of animal A")] = 120
    cells_b: Annotated[BrainCells, Meta(description="Cells of animal B")] = 100
    coupling: Annotated[Probability, Meta(description="Correlation of the activity that the two brains share")] = 0.6
    task_gain: Annotated[
        BrainGain,
        Meta(description="How strongly both answer to the trial's cue: common input, which is no coupling"),
    ] = 0.5
    gabaergic_fraction: Annotated[Probability, Meta(description="Share of the cells that are GABAergic")] = 0.2
    shared_gain: Annotated[BrainGain, Meta(description="How strongly the cells carry the shared activity")] = 0.8
    noise: Annotated[BrainGain, Meta(description="Standard deviation of each cell's own noise")] = 1.0


MAX_DEVICES: Final = records.MAX_SOURCES - 1 - records.FIRST_DEVICE
"""The last source number is the estimators'."""


class Rig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole rig file."""

    rig: Annotated[Identity, Meta(description="What this rig is")]
    devices: Annotated[
        dict[DeviceName, Device],
        Meta(min_length=1, max_length=MAX_DEVICES, description="The devices, numbered in this order"),
    ]
    lines: Annotated[Lines, Meta(description="Which pin of which device each line is")]
    task: Annotated[Task, Meta(description="What the animals are asked to do")] = Task()
    window: Annotated[Window, Meta(description="How close together the two pokes must be")] = Window()
    reward: Annotated[Reward, Meta(description="How long the valves open")] = Reward()
    limits: Annotated[Limits, Meta(description="What no animal may exceed, and what no animal does")] = Limits()
    inhibition: Annotated[Inhibition, Meta(description="On which trials light inhibits the ACC")] = Inhibition()
    loop: Annotated[Loop, Meta(description="How the decision loop runs")] = Loop()
    session: Annotated[Session, Meta(description="How long, with whom, and where it is kept")] = Session()
    neural: Annotated[Neural | None, Meta(description="Where the activity of the animals' cells comes from")] = None
    estimators: Annotated[Estimators, Meta(description="How the two brains are compared")] = Estimators()
    trigger: Annotated[Trigger | None, Meta(description="When an estimate becomes an event of the loop")] = None
    mice: Annotated[Mice, Meta(description="The simulated mice of a virtual rig")] = Mice(
        a=MouseSettings(), b=MouseSettings()
    )
    brains: Annotated[Brains, Meta(description="The simulated brains of a virtual rig")] = Brains()

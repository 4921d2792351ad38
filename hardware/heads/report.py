"""Turns what a laser head says into records: each trouble once, in words, and again when it came back."""

from hardware.device import RecordWriter
from hardware.heads.words import Head, Reading, Step, shown
from realtime.records import Events, Fault, Kind, Line


class HeadReport:
    """The FAULT records of one head, and the troubles they told of that are not over.

    Parameters
    ----------
    name, source
        The rig's name and number of the head.
    first_seq
        Number of the last record that was published for it before.
    head
        Its make, which keeps what was last read.

    Attributes
    ----------
    refused
        Refusals so far.
    measured_mw
        Power that the head measured last.
    """

    __slots__ = (
        "_altered",
        "_faults",
        "_found_on",
        "_head",
        "_interlock",
        "_is_late",
        "_name",
        "_remarks",
        "_went_off_ns",
        "_writer",
        "measured_mw",
        "refused",
    )

    def __init__(self, name: str, source: int, first_seq: int, head: Head) -> None:
        self._name = name
        self._head = head
        self._writer = RecordWriter(source, first_seq)
        self._remarks: list[str] = []
        self._interlock = ""
        self._faults: frozenset[str] = frozenset()
        self._found_on = False
        self._altered: set[str] = set()  # texts of the steps that read something else than was set
        self._is_late = False
        self._went_off_ns: int | None = None
        self.refused = 0
        self.measured_mw = 0.0

    @property
    def last_seq(self) -> int:
        """Number of the last record."""
        return self._writer.seq

    def take(self) -> Events:
        """Return the records since the last call."""
        return self._writer.take()

    def take_remarks(self) -> list[str]:
        """Return one sentence per record since the last call."""
        remarks, self._remarks = self._remarks, []
        return remarks

    def tell(self, code: Fault, sentence: str, now_ns: int, line: int = 0) -> None:
        """Record a fault."""
        self._writer.add(Kind.FAULT, now_ns, code, line)
        self._remarks.append(sentence)

    def refuse(self, why: str, now_ns: int, line: int = Line.ARM) -> None:
        """Record that a command was not carried out."""
        self.refused += 1
        self.tell(Fault.DEVICE_REFUSED, f"{self._name} {why}.", now_ns, line)

    def obstacle(self) -> str:
        """Return what prevents arming, as the end of a sentence; empty: nothing that is known."""
        if self._interlock:
            return self._interlock
        if self._faults:
            return f"it reports a fault: {'; '.join(sorted(self._faults))}"
        return "its emission is on though it should be off" if self._found_on else ""

    def settled(self, step: Step) -> None:
        """Forget that a setting differed: it was just set and read back."""
        self._altered.discard(step.text)

    def judge(self, step: Step, value: float | str | None, armed: bool, now_ns: int) -> str:
        """Compare an answer with what should be; record a new trouble, and return it as the end of a sentence.

        Emission that is off though it should not be is recorded by :meth:`looked`.
        """
        match step.reads:
            case Reading.INTERLOCK:
                return self._judge_interlock(now_ns)
            case Reading.FAULT:
                return self._judge_interlock(now_ns) or self._judge_faults(now_ns)
            case Reading.EMISSION:
                return self._judge_emission(bool(value), armed, now_ns)
            case Reading.NOTHING:
                return self._judge_setting(step, value, now_ns)
            case Reading.MEASURED if isinstance(value, float):
                self.measured_mw = value
        return ""

    def lateness(self, armed: bool, now_ns: int) -> None:
        """Record, once, that an armed head gives no light yet."""
        was_late, why = self._is_late, self._head.late() if armed else ""
        self._is_late = bool(why)
        if why and not was_late:
            self.tell(Fault.LIGHT_LATE, f"{self._name} is armed, but gives no light yet: {why}.", now_ns)

    def looked(self) -> None:
        """Tell, after a whole look, of emission that went off by itself, unless interlock or a fault explain it."""
        if self._went_off_ns is not None and not self.obstacle():
            hint = self._head.hint()
            clause = "its emission went off by itself" + (f": {hint}" if hint else "")
            way_out = "It restarted, or somebody switched it off; arm again."
            self._trouble(Fault.LASER_HEAD, clause, way_out, self._went_off_ns)
        self._went_off_ns = None

    def _judge_interlock(self, now_ns: int) -> str:
        known, self._interlock = self._interlock, self._head.interlock()
        if not self._interlock or known:
            return ""
        return self._trouble(Fault.DEVICE_INTERLOCK, self._interlock, "Close it, then arm again.", now_ns)

    def _judge_faults(self, now_ns: int) -> str:
        known, self._faults = self._faults, self._head.faults()
        new = sorted(self._faults - known)
        if not new:
            return ""
        return self._trouble(
            Fault.LASER_HEAD,
            f"it reports a fault: {'; '.join(new)}",
            "Remove the cause, clear the fault at the head, then arm again.",
            now_ns,
        )

    def _judge_emission(self, on: bool, armed: bool, now_ns: int) -> str:
        was_found_on, self._found_on = self._found_on, on and not armed
        if self._found_on and not was_found_on:
            clause = "its emission is on though it is not armed"
            way_out = "Somebody turned its key, or another program uses it."
            return self._trouble(Fault.LASER_HEAD, clause, way_out, now_ns)
        if armed and not on and not self._head.late():
            self._went_off_ns = now_ns
            return "its emission went off by itself"
        return ""

    def _judge_setting(self, step: Step, value: float | str | None, now_ns: int) -> str:
        if step.satisfied(value):
            self._altered.discard(step.text)
            return ""
        if step.text in self._altered:
            return ""
        self._altered.add(step.text)
        clause = f"{step.what} reads {shown(value)} instead of {shown(step.wanted)}"
        way_out = "It restarted, or somebody else set it; arming sets it anew."
        return self._trouble(Fault.LASER_HEAD, clause, way_out, now_ns)

    def _trouble(self, code: Fault, clause: str, way_out: str, now_ns: int) -> str:
        self.tell(code, f"{self._name}: {clause}. It is switched off and disarmed. {way_out}", now_ns)
        return clause

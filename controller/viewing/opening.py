"""The first page: what a viewer has to know of a session before anything of it makes sense."""

from controller.calibration import Calibration
from controller.log import MetadataMap
from controller.messages.view import Device, Mode, Opening
from controller.plan import Plan
from controller.rigfile import Rig
from realtime.machine import LightFrom
from realtime.records import NS_PER_MS, Line
from realtime.window import Schedule


def opening_of(
    metadata: MetadataMap,
    rig: Rig,
    plan: Plan,
    calibration: Calibration,
    *,
    mode: Mode,
    folder: str,
    control: str = "",
    events: str = "",
) -> Opening:
    """Return a session's first page.

    Parameters
    ----------
    metadata
        What the session's log begins with.
    rig, plan, calibration
        As they are in it.
    mode
        As what it is shown.
    folder
        The session's folder.
    control, events
        Where supervisor and loop listen, if they run.
    """
    session, clock, subjects = metadata["session"], metadata["clock"], metadata["subjects"]
    wired = {line.name.lower(): f"{it.device} pin {it.pin}" for line, it in rig.lines.wired().items()}
    lit = plan.arrays["trials"]["light_from"] != LightFrom.NO_LIGHT
    estimators, trigger = rig.estimators, rig.trigger
    return Opening(
        mode=mode,
        session=session["id"],
        folder=folder,
        rig=rig.rig.name,
        task=plan.task,
        subjects=(subjects["A"], subjects["B"]),
        day=int(session["day"]),
        minutes=float(session["minutes"]),
        trials=int(session["trials"]) if session["trials"] else None,
        start_ns=int(clock["start_ns"]),
        epoch_ns=int(clock["epoch_ns"]),
        states=list(plan.state_names),
        machines=list(plan.animals),
        stages_ns=plan.arrays["stages_ns"].tolist(),
        schedule=Schedule(int(plan.arrays["schedule"]["kind"][0])).name.lower(),
        devices=[Device(name, device.driver, device.port) for name, device in rig.devices.items()],
        lines=wired,
        lasers=(Line.LASER_A.name.lower() in wired, Line.LASER_B.name.lower() in wired),
        lit_share=float(lit.mean()) if lit.size else 0.0,
        calibrated=(calibration.valve(Line.VALVE_A) is not None, calibration.valve(Line.VALVE_B) is not None),
        free_ms=(plan.free_ns[0] / NS_PER_MS, plan.free_ns[1] / NS_PER_MS),
        test_ms=getattr(plan, "test_ns", 0) / NS_PER_MS,
        brains=rig.neural is not None,
        rates_hz=(0.0, 0.0) if rig.neural is None else (rig.neural.a.rate_hz, rig.neural.b.rate_hz),
        shared_dims=estimators.shared_dims,
        tau_s=estimators.tau_s,
        embargo_s=estimators.embargo_s,
        min_independent=estimators.min_independent,
        trigger="" if trigger is None else f"{trigger.estimate} ≥ {trigger.high:g}",
        control=control,
        events=events,
    )


def mode_of(rig: Rig) -> Mode:
    """Return whether a session of this rig is LIVE or VIRTUAL."""
    return "VIRTUAL" if rig.rig.kind == "virtual" else "LIVE"

"""The kernels twice: compiled, and as the plain Python that they are written in."""

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba.core import config

import realtime

COMPILED_HERE = not config.DISABLE_JIT
_MODULES = ("jit", "digest", "window", "machine", "sequencer", "replay", "loop")


@dataclass(frozen=True)
class Kernels:
    """What the tests call."""

    name: str
    take: Callable
    drain: Callable
    next_wake: Callable
    redecide: Callable
    judged: Callable
    bin_of: Callable


def _kernels(name: str, modules: dict) -> Kernels:
    found = {}
    for function in ("take", "drain", "next_wake", "redecide", "judged", "bin_of"):
        found[function] = next(vars(m)[function] for m in modules.values() if function in vars(m))
    return Kernels(name, **found)


def as_loaded() -> Kernels:
    """Return the kernels as the product uses them."""
    return _kernels("compiled", {name: importlib.import_module(f"realtime.{name}") for name in _MODULES})


def as_python() -> Kernels:
    """Return kernels that call nothing compiled, not even through one another.

    A kernel's ``py_func`` still calls compiled callees. So the modules are loaded a second time with compilation off,
    and the first ones put back.
    """
    as_loaded()
    names = {name: f"realtime.{name}" for name in _MODULES}
    kept = {name: sys.modules.pop(full) for name, full in names.items()}
    was, config.DISABLE_JIT = config.DISABLE_JIT, 1
    try:
        with np.errstate():  # loading with compilation off changes numpy's settings
            fresh = {name: importlib.import_module(full) for name, full in names.items()}
    finally:
        config.DISABLE_JIT = was
        for name, full in names.items():
            sys.modules[full] = kept[name]
            setattr(realtime, name, kept[name])
    return _kernels("python", fresh)

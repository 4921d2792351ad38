"""Builds the reference board's firmware, and the program that runs it in a simulator, into a cache folder.

Manual
------
``build()`` returns where both are; it compiles only what is not in the cache yet. The cache is
``$XDG_CACHE_HOME/duetto/firmware`` (default ``~/.cache``): one folder for every combination of sources, flags and
compilers, named after their digest, filled elsewhere and moved into place in one step; so two processes may build at
once. Old folders can be deleted at any time.

``missing()`` says what this machine lacks. Debian and Ubuntu have all of it (:data:`INSTALL`). libsimavr is GPL-3: the
program linked with it is for tests, a process of its own, and never shipped.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from realtime.errors import DuettoError

SOURCES: Final = Path(__file__).resolve().parent
"""The firmware's C files; the simulator's are in ``harness`` beside them."""
HARNESS_SOURCES: Final = SOURCES / "harness"
INSTALL: Final = "sudo apt-get install gcc-avr avr-libc libsimavr-dev libelf-dev gcc"
CLOCK_HZ: Final = 16_000_000

_CHIP: Final = "-mmcu=atmega328p"
_FIRMWARE_FLAGS: Final = ("-std=gnu11", "-Os", _CHIP, f"-DF_CPU={CLOCK_HZ}UL")
_STRICT: Final = ("-Wall", "-Wextra", "-Werror")
_LENIENT: Final = ("-w",)
_HARNESS_FLAGS: Final = ("-std=gnu11", "-O2", *_STRICT)
_LIBRARIES: Final = ("-lsimavr", "-lelf")
_HEADERS: Final = (
    ("avr-gcc", _CHIP, "avr/io.h", "avr-libc"),
    ("gcc", "-std=gnu11", "simavr/sim_avr.h", "libsimavr-dev"),
    ("gcc", "-std=gnu11", "libelf.h", "libelf-dev"),
)
_TOLD_LINES: Final = 12


class ToolchainMissing(DuettoError):
    """A compiler or library that the firmware or the simulator needs is not installed."""


class BuildFailed(DuettoError):
    """A compiler refused, or the cache folder cannot be written."""


@dataclass(frozen=True, slots=True)
class Programs:
    """What was built.

    Attributes
    ----------
    firmware
        The firmware as an ELF file for the chip.
    harness
        The program that runs it.
    """

    firmware: Path
    harness: Path


def missing() -> list[str]:
    """Return what is not installed, by the names of the Debian packages; empty if all is there."""
    lacking = [package for tool, package in (("avr-gcc", "gcc-avr"), ("gcc", "gcc")) if shutil.which(tool) is None]
    for compiler, flag, header, package in _HEADERS:
        if shutil.which(compiler) is not None:
            found = _run([compiler, flag, "-E", "-include", header, "-x", "c", os.devnull])
            lacking += [package] * bool(found.returncode)
    return lacking


def build(
    sources: Path = SOURCES,
    defines: Mapping[str, int | str] | None = None,
    cache: Path | None = None,
    strict: bool = True,
) -> Programs:
    """Build the firmware in ``sources``, and the simulator; return where they are.

    Parameters
    ----------
    sources
        The folder with the firmware's ``*.c`` and ``*.h``.
    defines
        Preprocessor macros, passed as ``-DNAME=VALUE``.
    cache
        Folder to build in, instead of the user's.
    strict
        Whether warnings are errors; otherwise there are none.

    Raises
    ------
    ToolchainMissing
        If something is not installed.
    BuildFailed
        If a compiler refuses, or the cache cannot be written.
    """
    lacking = missing()
    if lacking:
        raise ToolchainMissing(f"The firmware cannot be built here: {', '.join(lacking)} missing. Run: {INSTALL}")
    cache = cache or _user_cache()
    macros = [f"-D{name}={value}" for name, value in sorted((defines or {}).items())]
    flags = [*_FIRMWARE_FLAGS, *(_STRICT if strict else _LENIENT), *macros, f"-I{sources}"]
    firmware = _make(cache, "firmware.elf", "avr-gcc", flags, sources)
    return Programs(firmware, _make(cache, "avr_board", "gcc", [*_HARNESS_FLAGS], HARNESS_SOURCES, _LIBRARIES))


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "duetto" / "firmware"


def _make(
    cache: Path, name: str, compiler: str, flags: list[str], sources: Path, libraries: Iterable[str] = ()
) -> Path:
    """Compile all C files of a folder into ``cache/<digest>/name``, unless that is there already."""
    files = sorted(sources.glob("*.c"))
    if not files:
        raise BuildFailed(f"{sources} holds no C files. Give the folder of the firmware's sources.")
    folder = cache / _digest(compiler, flags, sources)
    if (folder / name).is_file():
        return folder / name
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="building-") as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            _compile([compiler, *flags, *map(str, files), "-o", str(made / name), *libraries])
            _move(made, folder, name)
    except OSError as error:
        raise BuildFailed(f"Cannot build in {cache}: {error}. Point XDG_CACHE_HOME to a folder to write in.") from error
    return folder / name


def _move(made: Path, folder: Path, name: str) -> None:
    """Move what was made into place; if somebody else was faster, theirs is as good."""
    try:
        made.rename(folder)
    except OSError:
        if not (folder / name).is_file():
            raise


def _digest(compiler: str, flags: list[str], sources: Path) -> str:
    digest = hashlib.sha256()
    for part in (compiler, _run([compiler, "--version"]).stdout, *flags):
        digest.update(part.encode() + b"\0")
    for path in sorted([*sources.glob("*.c"), *sources.glob("*.h")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:24]


def _compile(command: list[str]) -> None:
    result = _run(command)
    if result.returncode:
        told = "\n".join((result.stderr or result.stdout).splitlines()[-_TOLD_LINES:])
        raise BuildFailed(f"{command[0]} refused (exit code {result.returncode}):\n{told}")


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

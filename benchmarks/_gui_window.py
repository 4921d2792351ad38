"""A window that is measured: the product's own process, drawing into memory, and what it says of itself."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from benchmarks._children import BenchmarkFailed
from realtime.clock import now_ns

SIZE: Final = "1600x1000"
FIRST_S: Final = 60.0
END_S: Final = 10.0
STEP_S: Final = 0.05


class Window:
    """One window on the session at ``endpoint``, as long as the block lasts.

    Parameters
    ----------
    endpoint
        Where the session's viewers connect.
    folder
        For what the window reports.
    number
        Tells this window's report from others'.
    """

    def __init__(self, endpoint: str, folder: Path, number: int = 0) -> None:
        self._report = folder / f"window{number}.jsonl"
        self._errors = (folder / f"window{number}.err").open("w+b")
        self.began_ns = now_ns()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gui", endpoint, "--size", SIZE, "--theme", "dark", "--report", str(self._report)],
            stdin=subprocess.DEVNULL,
            stdout=self._errors,
            stderr=self._errors,
            env=os.environ | {"QT_QPA_PLATFORM": "offscreen", "XDG_CONFIG_HOME": str(folder)},
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        deadline_s = time.monotonic() + FIRST_S
        while not self.lines():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                self.__exit__(None, None, None)
                raise BenchmarkFailed(f"the window did not open: {self._said()}")
            time.sleep(STEP_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._errors.close()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def _said(self) -> str:
        text = Path(self._errors.name).read_text(encoding="utf-8", errors="replace").strip()
        return text.splitlines()[-1] if text else "it gave no reason"

    def lines(self) -> list[dict[str, float]]:
        """Return what it has reported so far, one line each second."""
        if not self._report.exists():
            return []
        whole = self._report.read_text(encoding="utf-8").rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

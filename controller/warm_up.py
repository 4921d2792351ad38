"""A short-lived process that compiles everything a session needs, so that the loop's process never has to.

The compiler leaves some 200 MB in the process that used it. The loop's process therefore loads its code from the cache.
"""

import tempfile
from pathlib import Path

from controller import journal as journals
from controller.bus import Addresses, Bus
from controller.judge import plan_of
from controller.loop_host import Loop, LoopSettings
from realtime.jit import mark_warm
from realtime.records import NS_PER_S
from realtime.sequencer import MOST_FROM_ONE


def main() -> None:
    """Compile the loop into the cache and say so there."""
    with tempfile.TemporaryDirectory(prefix="duetto-warm-") as folder, Bus() as bus:
        path = Path(folder)
        with journals.create(path / journals.JOURNAL_NAME, MOST_FROM_ONE, 0, 0) as journal:
            loop = Loop(bus, Addresses(path), plan_of(NS_PER_S, 0, 1), journal, (), LoopSettings())
            loop.warm_up()
            loop.close()
    mark_warm()


if __name__ == "__main__":
    main()

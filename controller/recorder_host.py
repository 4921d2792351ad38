"""The process that runs the recorder: the journal in, the session's log out."""

import sys

from controller.host import Host, run_process
from controller.recorder import METADATA_NAME, main


def body(host: Host) -> int:
    """Record a session until it is complete, or this process is told to end."""

    def beat(status: dict[str, int]) -> None:
        host.beat("ready", counters=status)

    main(host.session / METADATA_NAME, beat, host.settings.parent)
    return 0


if __name__ == "__main__":
    sys.exit(run_process(body))

"""The process that serves a session's viewers. The session goes on without it."""

import sys
from typing import Final

from controller.host import Host, run_process
from controller.viewing.live import Live
from controller.viewing.locks import lock_from
from controller.viewing.server import Server
from controller.viewing.sums import warm_up
from realtime.clock import now_ns
from realtime.records import NS_PER_MS

LAST_NS: Final = 400 * NS_PER_MS
"""How long viewers are still told how it ended."""


def body(host: Host) -> int:
    """Serve viewers until told to end."""
    host.beat("compiling")  # which takes as long as it takes: whoever says so is not silent
    warm_up()
    feed = Live(host.bus, host.addresses, host.session)
    server = Server(host.bus, feed, host.addresses.view, lock_from(host.settings.listen))
    try:
        while not host.ending.due():
            server.turn(0.0 if feed.hurried else None)
            if host.beat_due():
                host.beat("ready", counters={"viewers": server.viewers, "behind": server.behind})
        until_ns = now_ns() + LAST_NS
        while now_ns() < until_ns:
            server.turn(0.02)
    finally:
        feed.close()
    return 0


if __name__ == "__main__":
    sys.exit(run_process(body))

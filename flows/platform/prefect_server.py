"""`prefect server start`, with cyclic garbage collected beside its event loop: `-m flows.platform.prefect_server`.

SQLite lets one connection write at a time. The others wait for it, up to a minute, each in a thread that holds its own
connection's mutex. To finalise a statement of such a connection takes the same mutex. Where the collector does that on
the event loop's thread, the loop stands still, and with it the commit that all are waiting for: the server answers
nobody for a minute. Seen as `Garbage-collecting` on top of the main thread's stack (faulthandler) while `/proc/locks`
showed the server itself to hold the write lock. In a thread of its own the collector waits alone.
"""

from __future__ import annotations

import gc
import threading
import time

SECONDS_BETWEEN_SWEEPS = 1.0
SWEEPS_BETWEEN_FULL_ONES = 60  # a full one walks everything there is, and nobody else runs meanwhile


def collect_beside() -> threading.Thread:
    """Switch automatic collection off, and collect in a thread that lasts as long as the process."""
    gc.disable()
    sweeper = threading.Thread(target=_sweep, name="garbage", daemon=True)
    sweeper.start()
    return sweeper


def _sweep() -> None:
    sweeps = 0
    while True:
        time.sleep(SECONDS_BETWEEN_SWEEPS)
        sweeps += 1
        gc.collect(2 if sweeps % SWEEPS_BETWEEN_FULL_ONES == 0 else 1)


if __name__ == "__main__":
    collect_beside()
    from prefect.cli import app

    app()

"""The process that scores ends with the one that started it, also where that one is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

CODE = """
import os, time
from service.scoring import Scoring
if __name__ == "__main__":
    beside = Scoring("sqlite://")._started()
    library = "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start()"
    beside.submit(exec, library).result(60)  # as MLflow's, threads that an interpreter waits for as it ends
    print(beside.submit(os.getpid).result(60), flush=True)
    time.sleep(60)
"""


def test_who_scores_ends_with_a_service_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", CODE], stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        scoring = int(service.stdout.readline())
        os.kill(scoring, 0)
        service.send_signal(signal.SIGKILL)
        service.wait(10)
    until = time.monotonic() + 10
    try:
        while _is_there(scoring):
            assert time.monotonic() < until, "it goes on"
            time.sleep(0.02)
    finally:
        if _is_there(scoring):
            os.kill(scoring, signal.SIGKILL)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

"""One thread for as long as anybody asks for it, and what was there before afterwards."""

from __future__ import annotations

from threading import Barrier, Thread

import sklearn.ensemble
from threadpoolctl import threadpool_info, threadpool_limits

from tasks.statistics.one_thread import one_thread

assert sklearn.ensemble, "brings OpenMP"


def threads_of(api: str) -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == api}


def test_the_limit_holds_until_the_last_has_left() -> None:
    with threadpool_limits(2):
        outer, inner = one_thread(), one_thread()
        outer.__enter__()
        inner.__enter__()
        outer.__exit__(None, None, None)
        assert threads_of("blas") == {1}
        inner.__exit__(None, None, None)
        assert threads_of("blas") == {2}


def test_trees_of_every_thread_stay_on_one() -> None:
    """OpenMP's limit is the calling thread's own: one who comes second must set it too."""
    first_in, second_in, seen = Barrier(2), Barrier(2), list[set[int]]()

    def first() -> None:
        with one_thread():
            first_in.wait(60)
            second_in.wait(60)

    def second() -> None:
        with threadpool_limits(2):
            first_in.wait(60)
            with one_thread():
                seen.append(threads_of("openmp"))
            seen.append(threads_of("openmp"))
            second_in.wait(60)

    threads = [Thread(target=work, daemon=True) for work in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen == [{1}, {2}]

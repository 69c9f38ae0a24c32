"""One thread while anyone is inside, as many as before once all have left."""

from __future__ import annotations

from threadpoolctl import threadpool_info, threadpool_limits

from tasks.statistics.one_thread import one_thread


def _threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_the_limit_ends_with_the_last_who_needs_it() -> None:
    with threadpool_limits(2, user_api="blas"):
        before = _threads()
        outer, inner = one_thread(), one_thread()
        outer.__enter__()
        inner.__enter__()
        outer.__exit__(None, None, None)
        assert _threads() == {1}
        inner.__exit__(None, None, None)
        assert _threads() == before

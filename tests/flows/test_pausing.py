"""The helper that answers paused runs fails where its test fails, and answers no other test's run."""

from __future__ import annotations

from typing import Any

import pytest
from prefect import flow

from flows import approvals
from flows.approvals import Approval, ask
from tasks.errors import InputError
from tests.pausing import answered

pytestmark = pytest.mark.usefixtures("at_prefect_api")


@flow
def asks(about: str) -> str:
    return f"{about}: {ask(Approval, about, 1).reason}"


@flow
def asks_nobody(about: str) -> None:
    raise LookupError(about)


def refuse(_: Any) -> None:
    raise AssertionError("as a test that fails while the run waits")


def test_a_test_that_fails_while_a_run_waits_fails_at_once_and_the_next_answers_its_own() -> None:
    with pytest.raises(AssertionError, match="while the run waits"):
        answered(asks, "first", refuse)
    seen = list[str]()
    assert answered(asks, "second", lambda form: seen.append(form[0]), reason="yes") == "second: yes"
    assert seen == ["second"], "the first still waits on the same server"


def test_a_run_that_ends_without_asking_says_why_at_once() -> None:
    with pytest.raises(LookupError, match="no such workspace"):
        answered(asks_nobody, "no such workspace", refuse)


def test_a_question_that_nobody_could_answer_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals, "server_is_temporary", lambda: True)
    with pytest.raises(InputError, match=r"start `raptorflow up` first.*needs_approval=false"):
        ask(Approval, "which", 72)


def test_a_run_that_waits_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    announced: list[str] = []
    monkeypatch.setattr(approvals, "announce", announced.append)
    answered(asks, "first", lambda _: None, reason="yes")
    assert announced == ["waits for an answer in the Prefect UI, for 1 h at most"]

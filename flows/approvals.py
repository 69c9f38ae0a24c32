"""A question to a person: the run pauses until somebody has filled in its form in the Prefect UI."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any, TypeVar, cast

from prefect import pause_flow_run
from prefect.flow_runs import apause_flow_run
from prefect.input.run_input import RunInput, run_input_subclass_from_type
from pydantic import BaseModel, Field, create_model

from flows.platform.temporary_server import server_is_temporary
from tasks.errors import InputError
from tasks.reporting import announce

SECONDS_BETWEEN_LOOKS = 5
ABSTAIN = "abstain"

Form = TypeVar("Form", bound=BaseModel)


class Approval(BaseModel):
    """What a person decides about a challenger."""

    approve: bool = Field(default=False, title="Promote it")
    reason: str = Field(default="decided in the UI", title="Reason", max_length=500)
    actor: str = Field(default="a person", title="Who", max_length=128)


class EndingApproval(BaseModel):
    """What a person decides about experiments that have an answer."""

    end_them: bool = Field(default=False, title="End them")
    leave_running: list[str] = Field(default=[], title="All but", description="Experiments that go on.")


class LoopApproval(BaseModel):
    """What a person decides about experiments that are proposed."""

    run_them: bool = Field(default=False, title="Run them")
    leave_out: list[str] = Field(default=[], title="All but", description="Experiments that are declined.")
    reason: str = Field(default="decided in the UI", title="Reason", max_length=500)
    actor: str = Field(default="a person", title="Who", min_length=1, max_length=128)


class PersonsVote(BaseModel):
    """A person's vote in a debate."""

    option: str = Field(default=ABSTAIN, title="Option", max_length=32)


def ask(form: type[Form], about: str, hours: int) -> Form:
    """Pause this run until its form is filled in; the form begins with what it is about, in Markdown.

    Raises:
        InputError: if nobody could fill it in: the server of a run by hand without `raptorflow up` has no pages.
    """
    _require_pages(hours)
    return pause_flow_run(_headed(form, about), timeout=hours * 3600, poll_interval=SECONDS_BETWEEN_LOOKS)


async def ask_async(form: type[Form], about: str, hours: int) -> Form:
    """The same from a coroutine of the run."""
    _require_pages(hours)
    return await apause_flow_run(_headed(form, about), timeout=hours * 3600, poll_interval=SECONDS_BETWEEN_LOOKS)


def with_menu(form: type[Form], field: str, choices: Sequence[str]) -> type[Form]:
    """The form with a menu for one field, a text or a list of texts."""
    shown = copy(form.model_fields[field])
    one_of: dict[str, Any] = {"type": "string", "enum": list(choices)}
    shown.json_schema_extra = one_of if shown.annotation is str else {"items": one_of}
    fields: dict[str, Any] = {field: (shown.annotation, shown)}
    return create_model(form.__name__, __base__=form, **fields)


def _require_pages(hours: int) -> None:
    if server_is_temporary():
        raise InputError(
            "this run has a question, and nobody can answer it: start `raptorflow up` first, or let it run without one "
            "(-p needs_approval=false, ask_a_person=false)"
        )
    announce(f"waits for an answer in the Prefect UI, for {hours} h at most")


def _headed(form: type[Form], about: str) -> type[Form]:
    run_input = cast(type[RunInput], run_input_subclass_from_type(form))
    return cast(type[Form], run_input.with_initial_data(description=about))

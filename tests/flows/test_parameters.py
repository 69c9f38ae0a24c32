"""The forms and the command line offer what there is: each list of choices has one owner, and follows it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError
from typer.testing import CliRunner

from flows import runtime
from flows.cli import app
from flows.parameters import ContentIngestion, DebateSynthesis, ModelPromotion, ModelRefresh, ModelRollback
from tasks.models import ModelType
from tasks.settings import Settings
from tasks.swarm import ConsensusStrategy
from tasks.warehouse.records import KINDS


def choices(form: type[BaseModel], field: str) -> list[str]:
    """What the form's menu for a field shows."""
    shown: dict[str, Any] = form.model_json_schema()["properties"][field]
    return list(shown.get("items", shown)["enum"])


@pytest.mark.parametrize(
    ("form", "field", "owner"),
    [
        (ContentIngestion, "kind", KINDS),
        (ModelRefresh, "model_types", ModelType),
        (ModelPromotion, "model_type", ModelType),
        (ModelRollback, "model_type", ModelType),
        (DebateSynthesis, "consensus_strategy", ConsensusStrategy),
    ],
)
def test_a_menu_offers_what_its_owner_holds_and_takes_nothing_else(
    form: type[BaseModel], field: str, owner: Iterable[str]
) -> None:
    assert choices(form, field) == [str(member) for member in owner]
    for member in owner:
        value = [str(member)] if field == "model_types" else str(member)
        assert getattr(form.model_validate({field: value}), field) == value
    with pytest.raises(ValidationError, match="Input should be"):
        form.model_validate({field: ["NONE_SUCH"] if field == "model_types" else "NONE_SUCH"})


def test_the_command_line_names_every_kind_of_file_and_every_task_runner() -> None:
    ingest, run = (CliRunner().invoke(app, [command, "--help"]).output for command in ("ingest", "run"))
    assert [kind for kind in KINDS if kind not in ingest] == []
    assert [name for name in runtime.TASK_RUNNERS if name not in run] == []
    assert get_args(Settings.model_fields["task_runner"].annotation) == runtime.TASK_RUNNERS == ("threads", "dask")

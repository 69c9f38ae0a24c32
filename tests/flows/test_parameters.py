"""The forms and the command line offer what there is: each list of choices has one owner, and follows it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args, get_type_hints

import pytest
from prefect.utilities.schema_tools import validate
from pydantic import BaseModel, ValidationError
from typer.testing import CliRunner

from flows import runtime
from flows.cli import app
from flows.parameters import (
    ContentIngestion,
    DebateSynthesis,
    ModelPromotion,
    ModelRefresh,
    ModelRollback,
    ReleaseExchange,
    TransferLearning,
)
from flows.platform.catalogue import form, load, read_yaml
from tasks.errors import UnknownNameError
from tasks.experiments.steps import running_experiments
from tasks.models import ModelType
from tasks.settings import Settings
from tasks.swarm import ConsensusStrategy
from tasks.transfer.privacy import PrivacyBudget
from tasks.transfer.steps import RELEASE_ACTIONS
from tasks.warehouse import Warehouse
from tasks.warehouse.frames import require_content_types
from tasks.warehouse.records import KINDS
from tests.factories import content_row, store_content


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
        (ReleaseExchange, "action", RELEASE_ACTIONS),
    ],
)
def test_a_menu_offers_what_its_owner_holds_and_takes_nothing_else(
    form: type[BaseModel], field: str, owner: Iterable[str]
) -> None:
    assert choices(form, field) == [str(member) for member in owner]
    for member in owner:
        value = [str(member)] if field == "model_types" else str(member)
        needed = {"installation": "00112233"} if member == "forget" else {}
        assert getattr(form.model_validate({field: value} | needed), field) == value
    with pytest.raises(ValidationError, match="Input should be"):
        form.model_validate({field: ["NONE_SUCH"] if field == "model_types" else "NONE_SUCH"})


def test_the_command_line_names_every_kind_of_file_and_every_task_runner() -> None:
    ingest, run = (CliRunner().invoke(app, [command, "--help"]).output for command in ("ingest", "run"))
    assert [kind for kind in KINDS if kind not in ingest] == []
    assert [name for name in runtime.TASK_RUNNERS if name not in run] == []
    assert get_args(Settings.model_fields["task_runner"].annotation) == runtime.TASK_RUNNERS == ("threads", "dask")


CONTRADICTIONS = [
    ("meta-learning", {"epsilon": 0.001}),
    ("meta-learning", {"delta": 0.0}),
    ("meta-learning", {"only_look": True, "force_retrain": True}),
    ("meta-learning", {"backfill_until": "2026-01-01"}),
    ("meta-learning", {"backfill_from": "2026-01-01", "as_of": "2026-01-01T00:00:00Z"}),
    ("transfer-learning", {"epsilon": 10.5}),
    ("model-refresh", {"only_look": True, "force_retrain": True}),
    ("content-ingestion", {"mapping": "a.yaml", "preset": "buffer"}),
    ("release-exchange", {"action": "forget"}),
    ("release-exchange", {"action": "export", "files": ["a", "b"]}),
    ("debate-synthesis", {"options": ["only one"]}),
    ("debate-synthesis", {"options": [str(i) for i in range(9)]}),
]


@pytest.mark.parametrize(("flow", "contradiction"), CONTRADICTIONS)
def test_what_a_flow_would_refuse_is_refused_at_its_form(flow: str, contradiction: dict[str, Any]) -> None:
    loaded = load(runtime.ENTRYPOINTS[flow])
    schema = form(loaded)
    shown = schema["properties"]["options"]["default"]
    assert validate({"options": shown}, schema) == []
    assert validate({"options": shown | contradiction}, schema) != []
    with pytest.raises(ValidationError):
        get_type_hints(loaded.fn)["options"].model_validate(shown | contradiction)


def test_an_epsilon_that_the_form_takes_is_one_that_the_budget_takes() -> None:
    for epsilon in (0.01, 10.0):
        assert PrivacyBudget(TransferLearning(epsilon=epsilon).epsilon).epsilon == epsilon
    for delta in (1e-12, 1e-3):
        assert PrivacyBudget(3.0, TransferLearning(delta=delta).delta).delta == delta


def test_no_run_by_hand_is_cancelled_because_another_runs() -> None:
    for deployment in read_yaml("prefect.yaml")["deployments"]:
        limit = deployment.get("concurrency_limit")
        assert limit is None or limit["collision_strategy"] == "ENQUEUE", deployment["name"]


def test_an_unknown_content_type_is_an_error_that_names_the_nearest(sqlite_warehouse: Warehouse) -> None:
    store_content(sqlite_warehouse, [content_row(0, content_type="social")])
    require_content_types(sqlite_warehouse, ["social"])
    with pytest.raises(UnknownNameError, match=r"content type 'socail'.*social"):
        require_content_types(sqlite_warehouse, ["social", "socail"])


def test_an_unknown_workspace_of_experiments_is_an_error(
    sqlite_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.experiments.steps.open_warehouse", lambda: sqlite_warehouse)
    with pytest.raises(UnknownNameError, match="nobody"):
        running_experiments.fn(["nobody"], 25)

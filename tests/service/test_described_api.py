"""The service is what its description says: Schemathesis sends what the description allows, and what it does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from tasks.experiments.definition import COMPLETED, DRAFT, RUNNING
from tasks.experiments.records import ExperimentType, MetricKind, VariantAllocation
from tasks.models.records import ModelType
from tasks.swarm.records import ConsensusStrategy
from tasks.warehouse import Warehouse
from tests.service.conftest import Served, serve_customers

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


@pytest.fixture
def described(sqlite_warehouse: Warehouse) -> Iterator[tuple[Served, schemathesis.BaseSchema]]:
    for served in serve_customers(sqlite_warehouse):
        yield served, schemathesis.openapi.from_asgi("/openapi.json", served.app)


def test_menus_of_the_description_are_the_houses_own_lists(described: tuple[Served, schemathesis.BaseSchema]) -> None:
    """They stand in the routes once more, since importing their owners takes seconds of the start."""
    schema = described[0].app.openapi()
    bodies, paths = schema["components"]["schemas"], schema["paths"]
    menus = {
        name: next(one["enum"] for one in field.get("anyOf", [field]) if "enum" in one)
        for body in ("ExperimentBody", "QuestionBody")
        for name, field in bodies[body]["properties"].items()
        if any("enum" in one for one in field.get("anyOf", [field]))
    }
    assert menus == {
        "experiment_type": list(ExperimentType),
        "allocation_strategy": list(VariantAllocation),
        "metric_kind": list(MetricKind),
        "direction": ["increase", "decrease"],
        "consensus_strategy": list(ConsensusStrategy),
    }
    listed = {one["name"]: one["schema"] for one in paths["/v1/experiments"]["get"]["parameters"]}
    assert listed["status"]["anyOf"][0]["enum"] == [DRAFT, RUNNING, COMPLETED]
    (model_type,) = (one for one in paths["/v1/predictions/{model_type}"]["post"]["parameters"] if one["in"] == "path")
    assert sorted(model_type["schema"]["enum"]) == sorted(ModelType)


def tried(served: Served, schema: schemathesis.BaseSchema, examples: int, *, in_turn: bool = False) -> list[str]:
    """Send calls to every operation; gives what was found.

    Args:
        in_turn: send each operation either what is right or what is wrong, by turns, not both.
    """
    key = served.key("admin", per_minute=10_000_000)
    served.experiment(key)
    problems: list[str] = []
    for place, result in enumerate(schema.get_all_operations()):
        operation, modes = result.ok(), list(GenerationMode)
        for mode in modes[place % len(modes) :][:1] if in_turn else modes:
            try:
                _send(operation, mode, key, examples)
            except FailureGroup as failures:
                problems += [f"{operation.label}: {one.title}: {one.message}" for one in failures.exceptions]
            except Unsatisfiable:
                continue  # an operation to which nothing wrong can be sent
    return problems


def _send(operation: Any, mode: GenerationMode, key: dict[str, str], examples: int) -> None:
    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    @given(operation.as_strategy(generation_mode=mode))
    def send(case: schemathesis.Case) -> None:
        case.call_and_validate(headers=key, checks=CHECKS)

    send()


@pytest.mark.usefixtures("scored_here", "prefect")
def test_nothing_it_is_sent_finds_it_other_than_described(
    described: tuple[Served, schemathesis.BaseSchema],
) -> None:
    assert tried(*described, examples=1, in_turn=True) == []


@pytest.mark.slow
@pytest.mark.usefixtures("scored_here", "prefect")
def test_nothing_in_many_tries_finds_it_other_than_described(
    described: tuple[Served, schemathesis.BaseSchema],
) -> None:
    assert tried(*described, examples=100) == []

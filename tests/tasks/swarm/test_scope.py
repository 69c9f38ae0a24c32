"""A debate that names no workspace uses nobody's findings but those of the one organization there is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.errors import UnknownNameError
from tasks.swarm import AgentDebateOrchestrator, Endpoint
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import TransferRelease, TransferSum, Workspace
from tasks.warehouse.scope import EvidenceScope, scope_of
from tests.factories import store as write
from tests.factories import workspace_row
from tests.fake_llm import fake_llm
from tests.tasks.swarm.test_findings import NOW, pattern

ASKED: dict[str, Any] = {"problem": "What should we change?", "agent_roles": ["data_storyteller", "viral_engineer"]}


def rows(*owners: tuple[str, str | None]) -> list[dict[str, Any]]:
    return [{"workspace_id": name, "organisation_id": organization} for name, organization in owners]


@pytest.mark.parametrize(
    ("there", "named", "scope"),
    [
        (rows(), None, EvidenceScope("organisation")),
        (rows(("a", None)), None, EvidenceScope("workspace", ("a",))),
        (rows(("a", "x"), ("b", "x")), None, EvidenceScope("organisation", ("a", "b"))),
        (rows(("a", "x"), ("b", "y")), None, EvidenceScope("shared")),
        (rows(("a", None), ("b", None)), None, EvidenceScope("shared")),
        (rows(("a", "b"), ("b", None)), None, EvidenceScope("shared")),
        (rows(("a", "x"), ("b", "x")), "b", EvidenceScope("workspace", ("b",))),
    ],
)
def test_the_widest_scope_that_is_nobody_elses(
    there: list[dict[str, Any]], named: str | None, scope: EvidenceScope
) -> None:
    assert scope_of(there, named) == scope


def test_an_unknown_workspace_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown workspace 'c'"):
        scope_of(rows(("a", None)), "c")


def organizations(warehouse: Warehouse, **owner_of: str | None) -> None:
    found = [workspace_row(workspace_id=name, name=name.title(), organisation_id=o) for name, o in owner_of.items()]
    write(warehouse, Workspace, found)
    for name in owner_of:
        pattern(warehouse, name, description=f"{name.title()}'s posts do better as video")


async def test_the_only_workspace_is_meant(sqlite_warehouse: Warehouse) -> None:
    organizations(sqlite_warehouse, acme=None)
    result = await AgentDebateOrchestrator(warehouse=sqlite_warehouse).orchestrate_debate(**ASKED)
    assert (result["scope"], result["workspace_id"]) == ("workspace", "acme")
    assert "Acme's posts" in result["reasoning"]


async def test_workspaces_of_one_organization_share_what_is_theirs(sqlite_warehouse: Warehouse) -> None:
    organizations(sqlite_warehouse, acme="x", branch="x")
    result = await AgentDebateOrchestrator(warehouse=sqlite_warehouse).orchestrate_debate(**ASKED)
    assert (result["scope"], result["workspace_id"]) == ("organisation", None)
    assert len(result["transcript"]["brief"]["evidence"]) == 2


async def test_a_model_is_sent_nothing_of_several_organizations_but_their_release(sqlite_warehouse: Warehouse) -> None:
    organizations(sqlite_warehouse, acme="x", zenith="y")
    release: dict[str, Any] = {"period": "2026-01-30", "status": "published", "catalogue_version": 1, "epsilon": 1.0}
    release |= {"delta": 1e-6, "rho": 0.02, "noise_scale": 5.0, "as_of": NOW, "run_id": "t"}
    write(sqlite_warehouse, TransferRelease, [release])
    sums = {"content:text:question": [200_000, 40_000, 12_000]}
    write(sqlite_warehouse, TransferSum, [{"period": "2026-01-30", "segment": "everyone", "sums": sums}])
    with fake_llm() as fake:
        experts = AgentDebateOrchestrator(warehouse=sqlite_warehouse, endpoint=Endpoint("ok", fake.url, "sk-x"))
        result = await experts.orchestrate_debate(**ASKED, in_parts=True)
        sent = json.dumps(fake.bodies).lower()
    assert [item["kind"] for item in result["transcript"]["brief"]["evidence"] if item["kind"] != "part"] == [
        "transfer"
    ]
    assert "acme" not in sent
    assert "zenith" not in sent
    assert "question_count" in sent


async def test_what_one_organization_debated_alone_stays_its_own(sqlite_warehouse: Warehouse) -> None:
    organizations(sqlite_warehouse, acme="x", branch="x")
    panel = AgentDebateOrchestrator(warehouse=sqlite_warehouse)
    first = await panel.orchestrate_debate(**ASKED)
    await panel.grade_debate(first["debate_id"], first["option"], "experiment e1")
    known = await panel.orchestrate_debate(**ASKED | {"problem": "And now?"})
    assert "debate" in {item["kind"] for item in known["transcript"]["brief"]["evidence"]}
    organizations(sqlite_warehouse, zenith="y")
    later = await panel.orchestrate_debate(**ASKED | {"problem": "And then?"})
    assert later["transcript"]["brief"]["evidence"] == []

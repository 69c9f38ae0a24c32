"""Debates: the newest; and one, the answer first, what each option would bring, and who argued what."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from service.pages.charts import common_domain
from service.pages.names import require_storable_id, unknown
from tasks.errors import UnknownNameError
from tasks.swarm.debate_service import DebateService
from tasks.swarm.panel import Z_90, measured, who_decided
from tasks.swarm.records import EvidenceRef
from tasks.swarm.registry_service import RegistryService
from tasks.swarm.report import headline, learned_in
from tasks.warehouse import Warehouse

DEBATES_SHOWN = 200


def debates_context(warehouse: Warehouse) -> dict[str, Any]:
    """The newest debates."""
    return {"rows": DebateService(RegistryService(warehouse)).recent(None, DEBATES_SHOWN), "most": DEBATES_SHOWN}


def debate_context(warehouse: Warehouse, debate_id: str) -> dict[str, Any]:
    """One debate as it was decided, or as it stands.

    Raises:
        ProblemError: 404 if there is none.
    """
    require_storable_id(debate_id, "debate")
    try:
        result = DebateService(RegistryService(warehouse)).read(debate_id)
    except UnknownNameError:
        raise unknown("debate") from None
    options = [_option(option, result) for option in result["options"]]
    latest = {one["agent_id"]: one for one in result["proposals"]}
    cited = {item for one in (*result["proposals"], *result["votes"]) for item in one["evidence_ids"]}
    evidence = [EvidenceRef.model_validate(one) for one in result["transcript"]["brief"]["evidence"]]
    return {
        "domain": common_domain([(one["low"], one["high"]) for one in options if one["low"] is not None]),
        "evidence": [{"id": item.id, "words": measured(item)} for item in evidence if item.id in cited],
        "headline": headline(result),
        "options": options,
        "positions": list(latest.values()),
        "procedure": who_decided(learned_in(result)),
        "result": result,
    }


def _option(option: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """An option, with what it is expected to bring against today where anything is known."""
    worth = next((one for one in result["standings"] if one["option"] == option["id"]), None)
    shown = {"id": option["id"], "label": option["label"], "is_chosen": option["id"] == result["option"]}
    learned = learned_in(result)
    is_judged = learned is not None and not learned.experiments  # which was right, and not by how much
    if worth is None or not worth["sd"] > 0.0 or is_judged:
        return shown | {"low": None, "middle": None, "high": None, "is_known": False}
    low, middle, high = (100 * math.expm1(worth["mean"] + side * Z_90 * worth["sd"]) for side in (-1.0, 0.0, 1.0))
    return shown | {
        "low": low,
        "middle": middle,
        "high": high,
        "is_known": bool(worth["evidence_ids"]) or learned is not None,
    }

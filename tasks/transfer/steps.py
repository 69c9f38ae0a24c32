"""Prefect tasks of transfer. Arguments and results of a run can be seen in Prefect: none holds anyone's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.reporting import announce
from tasks.transfer.errors import BudgetSpentError, NobodySharesError
from tasks.transfer.exchange.by_hand import checked, handed_out, taken_in, waiting
from tasks.transfer.exchange.service import OWN, ExchangeService
from tasks.transfer.privacy import PERIOD, PrivacyBudget, epsilon_after
from tasks.transfer.service import STEP, PublisherService
from tasks.transfer.store import kept_estimates
from tasks.warehouse import open_warehouse
from tasks.warehouse.code_version import code_version
from tasks.warehouse.outcomes import Outcome
from tasks.warehouse.snapshots import ChunkSnapshot
from tasks.warehouse.standing import StandingOutcomes, StepQuestion

PERIODS_A_YEAR = 12
RELEASE_ACTIONS = ("list", "verify", "import", "export", "forget")  # what a person does with releases by hand


@task(name="contribute-effects", cache_policy=NO_CACHE)
def contribute_effects(chunk: ChunkSnapshot, run_id: str) -> list[Outcome]:
    """Estimate, for each workspace of a chunk and for itself alone, what works; recorded, never stopped by one."""
    warehouse = open_warehouse()
    standing = StandingOutcomes(warehouse, transfer_question(), chunk)
    _, end = chunk.content.window
    service, source = PublisherService(warehouse=warehouse), standing.chunk.content
    return service.contribute(chunk.workspace_ids, source=source, as_of=end, run_id=run_id, standing=standing)


def transfer_question() -> StepQuestion:
    """What estimates rest on: content, and that they are still kept."""
    return StepQuestion(STEP, {}, code_version("tasks/transfer"), ("content",), kept_estimates)


@task(name="measure-releases", cache_policy=NO_CACHE)
def measure_releases() -> list[dict[str, Any]]:
    """Measure once a period what other installations' releases bring each workspace, and list them without a gain."""
    service = ExchangeService()
    if measured := service.measure(unless_since=PERIOD):
        announce(f"measured for {measured} workspaces what releases of other installations bring")
    return [row for row in _without_gains(service) if row["state"] != OWN]


@task(name="act-on-releases", cache_policy=NO_CACHE)
def act_on_releases(
    action: str, files: Sequence[str], which: Mapping[str, str | None], again: bool = False, is_from_form: bool = False
) -> list[dict[str, Any]]:
    """List, check, take in, hand out or forget releases; a row for each.

    Args:
        action: one of `RELEASE_ACTIONS`.
        files: to check or to take in, or the one to write; none for those of the inbox.
        which: period and installation, each may be None.
        again: take in also what was forgotten here.
        is_from_form: filled in by whoever may open the page: files of the inbox and of declared folders alone.

    Raises: as `ExchangeService`; nothing is changed then.
    """
    service = ExchangeService()
    if action == "verify":
        return checked(service, waiting(files, is_from_form=is_from_form))
    if action == "import":
        return taken_in(service, waiting(files, is_from_form=is_from_form), is_all=not files, again=again)
    if action == "export":
        return [handed_out(service, files, which["period"], is_from_form=is_from_form)]
    if action == "forget":
        installation = which["installation"] or ""
        gone = service.forget(installation, which["period"])
        return [{"installation": installation, "period": period, "what": "forgotten"} for period in gone]
    return _without_gains(service)


def _without_gains(service: ExchangeService) -> list[dict[str, Any]]:
    """Every release that is known here, and what it cost; what it brings whom is not for a run's page."""
    columns = ("fingerprint", "period", "state", "age_days", "epsilon", "epsilon_so_far", "measured", "refusing")
    held = [one.as_dict() for one in service.list_releases()]
    return [{name: row[name] for name in columns} for row in held]


@task(name="release-insights", cache_policy=NO_CACHE)
def release_insights(epsilon: float, delta: float, run_id: str) -> dict[str, Any]:
    """Publish this period's private release, or say that the last one keeps being served."""
    try:
        released = PublisherService(PrivacyBudget(epsilon, delta)).release(run_id=run_id)
    except (BudgetSpentError, NobodySharesError) as none:
        announce(str(none))
        return {"period": none.period, "status": "budget_spent" if isinstance(none, BudgetSpentError) else "empty"}
    year = epsilon_after(PERIODS_A_YEAR * released.rho, released.delta)
    return asdict(released) | {"as_of": released.as_of.isoformat(), "epsilon_after_a_year": round(year, 2)}

"""What similar workspaces know: reading it for a target, and writing estimates and the period's release."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from tasks.effects.other_organizations import NOT_SHARING_EXPERIMENTS, TOO_LITTLE, ReleasedExperiments
from tasks.effects.records import CalibratingPair
from tasks.effects.service import EffectService
from tasks.effects.shared_experiments import Three, shared_numbers
from tasks.errors import UnknownNameError, reason_of, require_between, require_whole
from tasks.transfer import store
from tasks.transfer.catalogue import CATALOGUE_VERSION, INSIGHT_TYPES
from tasks.transfer.errors import BrokenChainError, BudgetSpentError, NobodySharesError
from tasks.transfer.estimates import known_until, only_finite, workspace_estimates
from tasks.transfer.exchange.pooling import InstallationSums, PoolGates, noise_of, pooled
from tasks.transfer.exchange.reading import (
    KnownReleases,
    harmless,
    known_experiments,
    known_releases,
    released_here,
)
from tasks.transfer.insights import InsightEvidence, KnowledgeSource, answer, describe, merged
from tasks.transfer.pools import (
    Estimates,
    own_of,
    passes,
    pool_for,
    prototypes,
    sibling_pool,
    siblings_of,
    similarity_of,
    workspaces_needed,
)
from tasks.transfer.prediction import benefit_of, own_alone, predict
from tasks.transfer.privacy import PERIOD, Noise, PrivacyBudget, period_of
from tasks.transfer.records import Insight, Mask, Pool, Released, TransferInsights, WorkspaceSimilarity
from tasks.transfer.release import (
    SCALE,
    SENSITIVITY,
    private_sums,
    select_contributions,
    sum_rows,
    sums_from_rows,
    with_units,
)
from tasks.transfer.release_chain import first_broken, hash_of_ledger, hash_of_release
from tasks.transfer.released_experiments import (
    EXPERIMENTS,
    exact_experiments,
    experiments_by_row,
    noisy_experiments,
)
from tasks.transfer.similarity import SEGMENT_INDEX, Profile, effect_vector, nearest, similarity
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.frames import Source, content_frame, find_workspace
from tasks.warehouse.outcomes import DONE, FAILED, SKIPPED, Outcome, record
from tasks.warehouse.standing import StandingOutcomes

logger = logging.getLogger("raptorflow")

STEP = "transfer"
MOST_WORKSPACES = 1_000_000
MOST_SIGNALS = 5
SURE_ENOUGH = 0.75  # for an early signal: three of four that are just named come true
NOT_SHARING = "shares_insights is false: nothing is taken from it"
UNKNOWN = "unknown workspace; add it with `raptorflow ingest workspaces FILE`"


class TransferService:
    """What `TransferLearner` does, synchronously; arguments, results and errors are documented there."""

    def __init__(
        self,
        min_source_workspaces: int = 3,
        min_confidence: float = 0.6,
        similarity_threshold: float = 0.7,
        warehouse: Warehouse | None = None,
    ) -> None:
        require_whole("min_source_workspaces", min_source_workspaces, 2, MOST_WORKSPACES)
        require_between("min_confidence", min_confidence, 0.0, 1.0)
        require_between("similarity_threshold", similarity_threshold, 0.0, 1.0)
        self.min_source_workspaces = min_source_workspaces
        self.min_confidence = min_confidence
        self.similarity_threshold = similarity_threshold
        self._warehouse = warehouse

    def get_transfer_insights(
        self,
        target_workspace_id: str,
        top_k: int = 5,
        insight_types: Sequence[str] = INSIGHT_TYPES,
        as_of: datetime | None = None,
    ) -> TransferInsights:
        """What works for workspaces like the target, combined with what the target's own posts say."""
        require_whole("top_k", top_k, 1, MOST_WORKSPACES)
        for kind in [insight_types] if isinstance(insight_types, str) else insight_types:
            if kind not in INSIGHT_TYPES:
                raise UnknownNameError("insight type", kind, INSIGHT_TYPES)
        when = as_of or datetime.now(UTC)
        warehouse = open_warehouse(self._warehouse)
        target = find_workspace(warehouse, str(target_workspace_id))
        if not target["shares_insights"]:
            return answer(target, [], [], top_k, self.min_source_workspaces)
        sources = self._sources(warehouse, target, _own(warehouse, target), when)
        insights = merged([describe(source.evidence, insight_types, self.min_confidence) for source in sources])
        return answer(target, sources, insights, top_k, self.min_source_workspaces)

    def early_signals(self, workspace_id: str, content: pl.DataFrame, as_of: datetime) -> list[Insight]:
        """What a workspace with too few posts for patterns may try, from these posts and from what others know.

        Args:
            workspace_id: for whom.
            content: its rows of the content table, in time order.
            as_of: what others know by then.

        Returns:
            At most five, strongest first; none where nothing is shared, or others know too little.
        """
        warehouse = open_warehouse(self._warehouse)
        target = find_workspace(warehouse, workspace_id)
        if not target["shares_insights"]:
            return []
        estimates, _ = only_finite(workspace_estimates(content, min(as_of, known_until(content, as_of))))
        own = own_of(estimates, target["industry"], target["size"])
        sources = self._sources(warehouse, target, own, as_of)
        return merged([describe(source.evidence, INSIGHT_TYPES, SURE_ENOUGH) for source in sources])[:MOST_SIGNALS]

    def state_of_others(self, workspace_ids: Sequence[str]) -> dict[str, str]:
        """A hash a workspace of what others can tell it; equal hashes, equal early signals from equal posts."""
        return store.others_state(open_warehouse(self._warehouse), workspace_ids)

    def experiments_of_others(self, workspace_id: str, as_of: datetime) -> ReleasedExperiments:
        """What private releases say of other organizations' experiments by an instant, for one workspace.

        From all releases that are trusted: what is measured on posts says nothing of experiments.
        """
        warehouse = open_warehouse(self._warehouse)
        if not find_workspace(warehouse, workspace_id)["shares_insights"]:
            return ReleasedExperiments.nothing(NOT_SHARING_EXPERIMENTS)
        return known_experiments(warehouse, as_of) or ReleasedExperiments.nothing(TOO_LITTLE)

    def state_of_experiments(self, workspace_ids: Sequence[str]) -> dict[str, str]:
        """What effects rest on by `experiments_of_others`; empty for all where noise exceeds what they tell."""
        warehouse = open_warehouse(self._warehouse)
        known = known_experiments(warehouse, datetime.now(UTC))
        if known is None or not known.tells:
            return {}
        sharing = store.workspaces_among(warehouse, workspace_ids).filter("shares_insights")
        return dict.fromkeys(sharing["workspace_id"].to_list(), known.state)

    def find_similar_workspaces(self, workspace_id: str, top_k: int = 10) -> list[tuple[str, float]]:
        """Workspaces of the same organization for which the same things work, with the cosine of their effects."""
        require_whole("top_k", top_k, 1, MOST_WORKSPACES)
        warehouse = open_warehouse(self._warehouse)
        target = find_workspace(warehouse, str(workspace_id))
        if target["organisation_id"] is None or not target["shares_insights"]:
            return []
        rows = store.sibling_estimates(warehouse, target["workspace_id"], target["organisation_id"], datetime.now(UTC))
        if rows.is_empty():
            return []
        own = _own(warehouse, target)
        siblings, names = siblings_of(rows), rows["workspace_id"].unique().sort().to_list()
        mine, theirs = effect_vector(own.effect, own.error), effect_vector(siblings.effect, siblings.error)
        index, cosine = nearest(mine, theirs, min(top_k, len(names)))
        return [(names[i], round(float(value), 3)) for i, value in zip(index[0], cosine[0], strict=True)]

    def compute_workspace_similarity(self, workspace_a: str, workspace_b: str) -> WorkspaceSimilarity:
        """Likeness of two workspaces in [0, 1]."""
        warehouse = open_warehouse(self._warehouse)
        a, b = (find_workspace(warehouse, str(workspace_id)) for workspace_id in (workspace_a, workspace_b))
        if not (a["shares_insights"] and b["shares_insights"]):
            return WorkspaceSimilarity(0.0, "not_sharing", None)
        same = a["workspace_id"] == b["workspace_id"]
        if same or (a["organisation_id"] is not None and a["organisation_id"] == b["organisation_id"]):
            value = 1.0 if same else similarity_of(_own(warehouse, a), 0, _own(warehouse, b), 0)
            return WorkspaceSimilarity(value, "same_organisation", None)
        release = released_here(warehouse, datetime.now(UTC))
        sums, noise_scale = (release.sums, release.noise_scale) if release else (sums_from_rows([]), 1.0)
        known = prototypes(sums, noise_scale, self.min_source_workspaces)
        profiles = Profile.of(a["industry"], a["size"]), Profile.of(b["industry"], b["size"])
        first, second = (SEGMENT_INDEX[profile.segment] for profile in profiles)
        effects, errors = (known.effect[first], known.effect[second]), (known.error[first], known.error[second])
        value = similarity(profiles, effects, errors)
        return WorkspaceSimilarity(value, "segment_prototypes", release.as_of if release else None)

    def _sources(
        self, warehouse: Warehouse, target: dict[str, Any], own: Estimates, as_of: datetime
    ) -> list[KnowledgeSource]:
        """What others know: those of the organization first, whose effects are exact."""
        organization = self._of_organization(warehouse, target, own, as_of)
        release = self._of_release(warehouse, target, own, as_of)
        return [source for source in (organization, release) if source is not None]

    def _of_organization(
        self, warehouse: Warehouse, target: dict[str, Any], own: Estimates, as_of: datetime
    ) -> KnowledgeSource | None:
        if target["organisation_id"] is None:
            return None
        rows = store.sibling_estimates(warehouse, target["workspace_id"], target["organisation_id"], as_of)
        if rows.is_empty():
            return None
        siblings = siblings_of(rows)
        similar = siblings.like(own.profiles[0], self.similarity_threshold)
        if len(similar.profiles) < self.min_source_workspaces:
            similar = siblings  # all of the organization: how far they differ from each other is part of the pool
        pool = sibling_pool(similar.effect, similar.error)
        gathered: datetime = rows["as_of"].max()  # type: ignore[assignment]
        evidence = _evidence(pool, own, passes(pool, self.min_source_workspaces), target)
        stale = as_of - gathered > PERIOD
        return KnowledgeSource(evidence, len(similar.profiles), gathered, stale, self.min_source_workspaces)

    def _of_release(
        self, warehouse: Warehouse, target: dict[str, Any], own: Estimates, as_of: datetime
    ) -> KnowledgeSource | None:
        exchanged = known_releases(warehouse, as_of)
        if exchanged is not None and (installations := harmless(warehouse, target["workspace_id"], exchanged)):
            return self._of_installations(target, own, exchanged, installations, as_of)
        release = released_here(warehouse, as_of)
        if release is None:
            return None
        pool, usable = pool_for(
            own,
            release.sums,
            release.noise_scale,
            min_sources=self.min_source_workspaces,
            threshold=self.similarity_threshold,
        )
        evidence = _evidence(pool, own, usable, target)
        workspaces = float(pool.sources[usable].max()) if usable.any() else 0.0
        needed = workspaces_needed(release.noise_scale, self.min_source_workspaces)
        return KnowledgeSource(evidence, workspaces, release.as_of, release.period != period_of(as_of), needed)

    def _of_installations(
        self,
        target: dict[str, Any],
        own: Estimates,
        known: KnownReleases,
        installations: Sequence[InstallationSums],
        as_of: datetime,
    ) -> KnowledgeSource:
        gates = PoolGates(self.min_source_workspaces, self.similarity_threshold)
        pool, usable = pooled(own, installations, gates)
        workspaces = float(pool.sources[usable].max()) if usable.any() else 0.0
        evidence, stale = _evidence(pool, own, usable, target), known.period != period_of(as_of)
        needed = workspaces_needed(noise_of(installations), self.min_source_workspaces)
        return KnowledgeSource(evidence, workspaces, known.newest, stale, needed)


def _own(warehouse: Warehouse, row: dict[str, Any]) -> Estimates:
    """The estimates of one workspace, from its row."""
    return own_of(store.own_estimates(warehouse, row["workspace_id"]), row["industry"], row["size"])


def _evidence(pool: Pool, own: Estimates, usable: Mask, target: dict[str, Any]) -> InsightEvidence:
    prediction = predict(pool, own.effect[0], own.error[0], usable=usable)
    alone = own_alone(own.effect[0], own.error[0])
    benefit = benefit_of(prediction, usable, alone.mean, own.error[0], int(own.posts[0]))
    return InsightEvidence(pool, prediction, usable, target["timezone"], benefit)


class PublisherService:
    """What `TransferPublisher` does, synchronously; arguments, results and errors are documented there."""

    def __init__(
        self,
        budget: PrivacyBudget | None = None,
        *,
        noise: Noise | None = None,
        clock: Callable[[], datetime] | None = None,
        warehouse: Warehouse | None = None,
    ) -> None:
        self.budget = budget or PrivacyBudget()
        self._noise = noise
        self._clock = clock
        self._warehouse = warehouse

    def contribute(
        self,
        workspace_ids: Sequence[str],
        *,
        source: Source | None = None,
        as_of: datetime | None = None,
        run_id: str,
        standing: StandingOutcomes | None = None,
    ) -> list[Outcome]:
        """Estimate every pattern for each of these workspaces and store it as that workspace's own.

        Estimates that stand are left as they are, but for the day they hold for.
        """
        warehouse, when = open_warehouse(self._warehouse), as_of or self._now()
        stands = standing.outcomes if standing else {}
        store.hold_until(warehouse, list(stands), when)
        sharing = dict(store.workspaces_among(warehouse, workspace_ids).rows())
        rows: list[dict[str, Any]] = []
        outcomes = []
        for name in workspace_ids:
            if name in stands:
                outcomes.append(stands[name])
                continue
            outcome, estimates = _estimate(source or warehouse, name, sharing.get(name), when)
            outcomes.append(outcome)
            rows += [row | {"workspace_id": name, "as_of": when, "run_id": run_id} for row in estimates]
        new = [outcome for outcome in outcomes if outcome.workspace_id not in stands]
        settled = [outcome.workspace_id for outcome in new if outcome.status != FAILED]
        store.replace_estimates(warehouse, settled, rows)
        record(warehouse, run_id, STEP, outcomes)
        if standing:
            standing.remember(new, run_id)
        return outcomes

    def release(self, *, run_id: str) -> Released:
        """Publish the period's release unless it is there: charged once, seen once."""
        warehouse, when = open_warehouse(self._warehouse), self._now()
        period = period_of(when)
        store.forget_leavers(warehouse)
        sharing = with_units(store.sharing_workspaces(warehouse))
        row = store.release_of(warehouse, period) or self._open(warehouse, sharing, period, when, run_id)
        if row["status"] == store.PENDING:
            self._draw(warehouse, row, sharing)
            row = store.release_of(warehouse, period) or row
        if row["status"] == store.WITHHELD:
            raise BudgetSpentError(period)
        return Released.from_row(row)

    def withhold(self, *, run_id: str) -> None:
        """Count this period's release as drawn, unless it is there: for a warehouse that was restored from a backup.

        The lost warehouse may have drawn it, and a second draw would not be paid for.
        """
        warehouse, when = open_warehouse(self._warehouse), self._now()
        period, sharing = period_of(when), with_units(store.sharing_workspaces(warehouse))
        if store.release_of(warehouse, period) is None and not sharing.is_empty():
            self._reserve(warehouse, sharing, period, when, run_id)
        store.withhold(warehouse, period)

    def _draw(self, warehouse: Warehouse, row: dict[str, Any], sharing: pl.DataFrame) -> None:
        """Draw an opened release and publish it, where the ledger and the releases so far are what their hashes say."""
        period, charges = row["period"], store.charges_of(warehouse, row["period"])
        if row["ledger_hash"] is not None and row["ledger_hash"] != hash_of_ledger(period, charges):
            raise BrokenChainError(period)
        published, sums_by_period = store.published_in_order(warehouse)
        broken = first_broken(published, sums_by_period)
        if broken is not None:
            raise BrokenChainError(broken)
        # Who joined after the ledger was charged has not paid, and waits for the next period.
        paid = sharing.filter(pl.col("unit_id").is_in([charge["unit_id"] for charge in charges]))
        chosen = select_contributions(store.all_estimates(warehouse), paid, period)
        scale = PrivacyBudget(row["epsilon"], row["delta"]).noise_scale(SENSITIVITY)
        experiments = exact_experiments(_units_experiments(warehouse, paid), SCALE)
        noisy = noisy_experiments(experiments, scale, self._noise)
        rows = sum_rows(private_sums(chosen, scale, self._noise), period)
        rows.append({"period": period, "segment": EXPERIMENTS, "sums": experiments_by_row(noisy)})
        before = published[-1]["chain_hash"] if published else None
        # Of the noise that was drawn: an older version that opened the release may have meant to draw another.
        drawn = {"catalogue_version": CATALOGUE_VERSION, "noise_scale": scale / SCALE}
        chain = {"chain_hash": hash_of_release(before, row["ledger_hash"], rows)}
        store.publish(warehouse, period, rows, drawn | chain)

    def _now(self) -> datetime:
        return self._clock() if self._clock else datetime.now(UTC)

    def _open(
        self, warehouse: Warehouse, sharing: pl.DataFrame, period: str, as_of: datetime, run_id: str
    ) -> dict[str, Any]:
        """Charge every sharing unit and open the release: first the ledger, then the noise."""
        if sharing.is_empty():
            raise NobodySharesError(period)
        self._reserve(warehouse, sharing, period, as_of, run_id)
        opened = store.release_of(warehouse, period)
        if opened is None:
            raise BudgetSpentError(period)
        return opened

    def _reserve(self, warehouse: Warehouse, sharing: pl.DataFrame, period: str, as_of: datetime, run_id: str) -> None:
        """Charge every unit and open the release, unless this period or a later one was opened before."""
        budget = self.budget
        row = {"period": period, "status": store.PENDING, "catalogue_version": CATALOGUE_VERSION}
        row |= {"epsilon": budget.epsilon, "delta": budget.delta, "rho": budget.rho, "as_of": as_of, "run_id": run_id}
        row["noise_scale"] = budget.noise_scale(SENSITIVITY) / SCALE
        entry = {"period": period, "rho": budget.rho, "charged_at": as_of, "run_id": run_id}
        units = sharing["unit_id"].unique(maintain_order=True)
        charges = [{"unit_id": unit} | entry for unit in units]
        row["ledger_hash"] = hash_of_ledger(period, charges)
        store.reserve(warehouse, row, charges)


def _units_experiments(warehouse: Warehouse, paid: pl.DataFrame) -> list[dict[str, Three]]:
    """What the experiments of each unit that paid say of bias, from all its sharing workspaces' pairs."""
    pairs = EffectService(warehouse).pairs_of_sharing()
    units: dict[str, list[CalibratingPair]] = {}
    for name, unit in paid.select("workspace_id", "unit_id").rows():
        units.setdefault(unit, []).extend(pairs.get(name, []))
    return [shared_numbers(units[unit]) for unit in sorted(units) if units[unit]]


def _estimate(
    source: Source, workspace_id: str, sharing: bool | None, as_of: datetime
) -> tuple[Outcome, list[dict[str, Any]]]:
    """One workspace's estimates, and how it went."""
    if sharing is None:
        return Outcome(workspace_id, FAILED, UNKNOWN), []
    if not sharing:
        return Outcome(workspace_id, SKIPPED, NOT_SHARING), []
    try:
        content = content_frame(source, workspace_id)
        estimates = workspace_estimates(content, min(as_of, known_until(content, as_of)))
    except Exception as error:  # noqa: BLE001 - recorded for this workspace; the others must not wait for it
        logger.error("transfer: one workspace could not be estimated; see step_outcome")
        return Outcome(workspace_id, FAILED, reason_of(error)), []
    kept, dropped = only_finite(estimates)
    if dropped:
        logger.warning("transfer: %d non-finite estimates of one workspace were dropped; see step_outcome", dropped)
    if kept.is_empty():
        return Outcome(workspace_id, SKIPPED, "too few posts older than a week to estimate anything"), []
    reason = f"{dropped} estimates were not finite and were dropped" if dropped else None
    return Outcome(workspace_id, DONE, reason, {"estimates": kept.height}), kept.to_dicts()

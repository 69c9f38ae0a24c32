"""TransferLearner: what similar workspaces know, without seeing any of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tasks.errors import OutOfRangeError, UnknownNameError, require_between
from tasks.transfer import store
from tasks.transfer.answers import Source, answer, merged
from tasks.transfer.benefit import benefit_of
from tasks.transfer.budget import PERIOD, period_of
from tasks.transfer.catalogue import INSIGHT_TYPES
from tasks.transfer.insights import Evidence, describe
from tasks.transfer.neighbours import nearest
from tasks.transfer.pools import passes, sibling_pool
from tasks.transfer.prediction import own_alone, predict
from tasks.transfer.reading import Estimates, own_of, pool_for, prototypes, siblings_of, similarity_of
from tasks.transfer.records import Mask, Pool, TransferInsights, WorkspaceSimilarity
from tasks.transfer.release import sums_from_rows
from tasks.transfer.segments import INDEX, Profile
from tasks.transfer.similarity import effect_vector
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.frames import find_workspace


class TransferLearner:
    """Recommends what works for similar workspaces.

    Inside one organisation, siblings' estimates are pooled exactly. Across organisations only the stored private
    release is read: reading it again costs nothing, and nothing here ever computes anything exact from another
    organisation's rows. There the floor is 50 workspaces whatever `min_source_workspaces` says: of three, two that
    collude subtract themselves and read off the third. A workspace that does not share does not receive either.
    Whoever may ingest workspaces decides who shares an organisation, and so whose exact effects are pooled for whom.

    Args:
        min_source_workspaces: workspaces of the same organisation that must stand behind an insight.
        min_confidence: probability, 0…1, that the effect has the stated direction for the target.
        similarity_threshold: likeness, 0…1, from which a sibling or a segment counts as similar.
        warehouse: where to read; the settings' warehouse unless given.

    Raises:
        OutOfRangeError: if a number lies outside its bounds.
    """

    def __init__(
        self,
        min_source_workspaces: int = 3,
        min_confidence: float = 0.6,
        similarity_threshold: float = 0.7,
        *,
        warehouse: Warehouse | None = None,
    ) -> None:
        require_between("min_source_workspaces", min_source_workspaces, 2, 1_000_000)
        require_between("min_confidence", min_confidence, 0.0, 1.0)
        require_between("similarity_threshold", similarity_threshold, 0.0, 1.0)
        self.min_source_workspaces = int(min_source_workspaces)
        self.min_confidence = min_confidence
        self.similarity_threshold = similarity_threshold
        self._warehouse = warehouse

    async def get_transfer_insights(
        self,
        target_workspace_id: str,
        top_k: int = 5,
        insight_types: Sequence[str] = INSIGHT_TYPES,
        *,
        as_of: datetime | None = None,
    ) -> TransferInsights:
        """What works for workspaces like the target, combined with what the target's own posts say.

        Args:
            target_workspace_id: for whom.
            top_k: at most so many insights, strongest first.
            insight_types: among `strategy`, `content`, `timing`, `channel`.
            as_of: what was known at this instant; now unless given.

        Raises:
            UnknownNameError: for an unknown workspace or insight type.
            OutOfRangeError: if top_k is below 1.
        """
        if isinstance(top_k, bool) or top_k < 1:
            raise OutOfRangeError("top_k", top_k, "at least 1")
        for kind in [insight_types] if isinstance(insight_types, str) else insight_types:
            if kind not in INSIGHT_TYPES:
                raise UnknownNameError("insight type", kind, INSIGHT_TYPES)
        when = as_of or datetime.now(UTC)
        return await asyncio.to_thread(self._insights, str(target_workspace_id), top_k, insight_types, when)

    async def compute_workspace_similarity(self, workspace_a: str, workspace_b: str) -> WorkspaceSimilarity:
        """Likeness of two workspaces in [0, 1].

        Exact within one organisation. Across organisations it is the likeness of their segments: public metadata
        and the private release's prototypes, nothing of either workspace's own; `mode` says which it was.

        Raises:
            UnknownNameError: if there is no such workspace.
        """
        return await asyncio.to_thread(self._similarity, str(workspace_a), str(workspace_b))

    async def find_similar_workspaces(self, workspace_id: str, top_k: int = 10) -> list[tuple[str, float]]:
        """Workspaces of the same organisation for which the same things work, with the cosine of their effects.

        Other organisations' workspaces are never named: for a workspace without an organisation the list is empty.

        Raises:
            UnknownNameError: if there is no such workspace.
            OutOfRangeError: if top_k is below 1.
        """
        require_between("top_k", top_k, 1, 1_000_000)
        return await asyncio.to_thread(self._similar, str(workspace_id), int(top_k))

    def _insights(
        self, workspace_id: str, top_k: int, insight_types: Sequence[str], as_of: datetime
    ) -> TransferInsights:
        warehouse = open_warehouse(self._warehouse)
        target = find_workspace(warehouse, workspace_id)
        if not target["shares_insights"]:
            return answer(target, [], [], top_k, self.min_source_workspaces)
        own = own_of(store.own_estimates(warehouse, workspace_id), target["industry"], target["size"])
        found = (self._of_organisation(warehouse, target, own, as_of), self._of_release(warehouse, target, own, as_of))
        sources = [source for source in found if source is not None]
        insights = merged([describe(source.evidence, insight_types, self.min_confidence) for source in sources])
        return answer(target, sources, insights, top_k, self.min_source_workspaces)

    def _of_organisation(
        self, warehouse: Warehouse, target: dict[str, Any], own: Estimates, as_of: datetime
    ) -> Source | None:
        if target["organisation_id"] is None:
            return None
        rows = store.sibling_estimates(warehouse, target["workspace_id"], target["organisation_id"], as_of)
        if rows.is_empty():
            return None
        similar = siblings_of(rows).like(own.profiles[0], self.similarity_threshold)
        pool = sibling_pool(similar.effect, similar.error)
        gathered: datetime = rows["as_of"].max()  # type: ignore[assignment]
        evidence = self._evidence(pool, own, passes(pool, self.min_source_workspaces), target)
        return Source(evidence, len(similar.profiles), gathered, as_of - gathered > PERIOD)

    def _of_release(
        self, warehouse: Warehouse, target: dict[str, Any], own: Estimates, as_of: datetime
    ) -> Source | None:
        release = store.latest_release(warehouse, as_of)
        if release is None:
            return None
        sums = sums_from_rows(store.released_sums(warehouse, release["period"]))
        pool, usable = pool_for(
            own,
            sums,
            release["noise_scale"],
            min_sources=self.min_source_workspaces,
            threshold=self.similarity_threshold,
        )
        evidence = self._evidence(pool, own, usable, target)
        workspaces = float(pool.sources[usable].max()) if usable.any() else 0.0
        return Source(evidence, workspaces, release["as_of"], release["period"] != period_of(as_of))

    def _evidence(self, pool: Pool, own: Estimates, usable: Mask, target: dict[str, Any]) -> Evidence:
        prediction = predict(pool, own.effect[0], own.error[0], usable=usable)
        alone = own_alone(own.effect[0], own.error[0])
        benefit = benefit_of(prediction, usable, alone.mean, own.error[0], int(own.posts[0]))
        return Evidence(pool, prediction, usable, target["timezone"], benefit)

    def _similar(self, workspace_id: str, top_k: int) -> list[tuple[str, float]]:
        warehouse = open_warehouse(self._warehouse)
        target = find_workspace(warehouse, workspace_id)
        if target["organisation_id"] is None or not target["shares_insights"]:
            return []
        rows = store.sibling_estimates(warehouse, workspace_id, target["organisation_id"], datetime.now(UTC))
        if rows.is_empty():
            return []
        own = own_of(store.own_estimates(warehouse, workspace_id), target["industry"], target["size"])
        siblings, names = siblings_of(rows), rows["workspace_id"].unique().sort().to_list()
        mine, theirs = effect_vector(own.effect, own.error), effect_vector(siblings.effect, siblings.error)
        index, cosine = nearest(mine, theirs, min(top_k, len(names)))
        return [(names[i], round(float(value), 3)) for i, value in zip(index[0], cosine[0], strict=True)]

    def _similarity(self, workspace_a: str, workspace_b: str) -> WorkspaceSimilarity:
        warehouse = open_warehouse(self._warehouse)
        a, b = find_workspace(warehouse, workspace_a), find_workspace(warehouse, workspace_b)
        same = workspace_a == workspace_b
        if same or (a["organisation_id"] is not None and a["organisation_id"] == b["organisation_id"]):
            both = [
                own_of(store.own_estimates(warehouse, row["workspace_id"]), row["industry"], row["size"])
                for row in (a, b)
            ]
            return WorkspaceSimilarity(
                1.0 if same else similarity_of(both[0], 0, both[1], 0), "same_organisation", None
            )
        release = store.latest_release(warehouse, datetime.now(UTC))
        places = [INDEX[Profile.of(row["industry"], row["size"]).segment] for row in (a, b)]
        if release is None:
            sums, noise_scale = sums_from_rows(store.released_sums(warehouse, "")), 1.0
        else:
            sums, noise_scale = (
                sums_from_rows(store.released_sums(warehouse, release["period"])),
                release["noise_scale"],
            )
        known = prototypes(sums, noise_scale, self.min_source_workspaces)
        value = similarity_of(known, places[0], known, places[1])
        return WorkspaceSimilarity(value, "segment_prototypes", release["as_of"] if release else None)

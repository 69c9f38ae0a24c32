"""Experiments that others ran: faults that are known must be found, and nothing declared may be taken back."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.special import ndtri

from tasks.experiments import ExperimentEngine
from tasks.experiments.design import CYCLE_DAYS
from tasks.experiments.inference.alpha_spending import SpendingRule
from tasks.experiments.inference.arm_statistics import Moments
from tasks.experiments.inference.comparisons import compare
from tasks.experiments.inference.sequential_evidence import SequentialEvidence, look
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import ExperimentArm, Workspace
from tests.factories import store, workspace_row

pytestmark = pytest.mark.real_data
UNRANDOMIZED = (201326, 201402)  # the archive's own correction of 2024


async def test_the_upworthy_archive_alarms_where_randomization_is_known_to_have_failed(
    shared_data: Path, sqlite_warehouse: Warehouse
) -> None:
    packages = pl.read_parquet(shared_data / "upworthy_exploratory" / "packages.parquet")
    store(sqlite_warehouse, Workspace, [workspace_row()])
    store(sqlite_warehouse, ExperimentArm, arm_rows(packages))
    started = time.perf_counter()
    found = await ExperimentEngine(warehouse=sqlite_warehouse).analyze_aggregated("acme")
    seconds = time.perf_counter() - started
    week = dict(packages.group_by("clickability_test_id").agg(pl.col("test_week").min()).iter_rows())
    inside = np.array([UNRANDOMIZED[0] <= week[one.experiment_name] <= UNRANDOMIZED[1] for one in found])
    alarm = np.array([one.status == "invalid" for one in found])
    assert all(alarm[i] == (one.sample_ratio_p_value < 0.001) for i, one in enumerate(found))
    print(f"\nBAR Upworthy alarms inside the unrandomized weeks: {alarm[inside].mean():.3f} (bar ≥ 0.60)")
    print(f"BAR Upworthy alarms outside: {alarm[~inside].mean():.4f} (bar ≤ 0.02)")
    print(f"BAR Upworthy, {len(found):,} tests analyzed: {seconds:.1f} s (bar < 10)")
    winners = sum(one.winner is not None for one in found)
    print(f"Upworthy: {winners} tests with a winner, {inside.sum()} in the unrandomized weeks")
    assert alarm[inside].mean() >= 0.60
    assert alarm[~inside].mean() <= 0.02
    assert len(found) > 2400


def arm_rows(packages: pl.DataFrame) -> list[dict[str, object]]:
    return [
        {"workspace_id": "acme", "experiment_name": test, "variant_name": f"p{i}", "metric_name": "clicks"}
        | {"metric_kind": "binary", "n": n, "sum": float(clicks), "sum_of_squares": None, "is_control": False}
        | {"started_at": None, "run_id": "test"}
        for i, (test, n, clicks) in enumerate(
            packages.select("clickability_test_id", "impressions", "clicks").iter_rows()
        )
    ]


def test_no_asos_stream_is_declared_and_then_reversed(shared_data: Path) -> None:
    asos = pl.read_parquet(shared_data / "asos_experiments" / "asos.parquet").drop_nulls().drop_nans()
    streams = asos.sort("time_since_start").partition_by("experiment_id", "variant_id", "metric_id")
    rule = SpendingRule(0.05, 2)
    counts: Counter[str] = Counter()
    for stream in streams:
        judge(stream, rule, counts)
    told = ", ".join(f"{name} {count}" for name, count in counts.items())
    print(f"\nASOS: {told}")
    print(f"BAR ASOS streams declared by the sequence and reversed at the end: {counts['reversed']} (bar 0)")
    assert counts["streams"] > 150
    assert counts["reversed"] == 0
    assert counts["declared"] > 0


def judge(stream: pl.DataFrame, rule: SpendingRule, counts: Counter[str]) -> None:
    """Take every snapshot of one stream as a look; nothing is declared in the first week, as the engine does not."""
    numbers = {name: stream[name].to_numpy() for name in stream.columns if name[-2:] in ("_c", "_t")}
    usable = (numbers["variance_c"] > 0) & (numbers["variance_t"] > 0) & (numbers["count_c"] > 100)
    if usable.sum() < 2:
        return
    arms = Moments(
        *(np.stack([numbers[f"{name}_c"], numbers[f"{name}_t"]], 1)[usable] for name in ("count", "mean", "variance"))
    )
    evidence, n_star = SequentialEvidence.none(2), float(arms.n[0].sum()) * 10
    declared = 0
    naive: list[int] = []
    days = stream["time_since_start"].to_numpy()[usable]
    for i in range(len(arms.n)):
        found = compare(arms.at(i, None), arms.at(i, slice(None), None), alpha=rule.running_alpha, n_star=n_star)
        evidence = look(evidence, found, rule, float(arms.n[i].sum()) / n_star, float(arms.n[i].sum()))
        proven = evidence.against_all()
        lower = evidence.lower
        is_contradicted = bool(
            (lower > -lower.T).any() or ((found.estimate < lower) & (found.standard_error > 0)).any()
        )
        if days[i] - days[0] >= CYCLE_DAYS and not (is_contradicted and not evidence.is_doubtful):
            declared = declared or (int(proven.argmin()) * 2 - 1 if proven.min() <= 0.05 else 0)
        z = float(found.z[1, 0])
        naive.append(int(np.sign(z)) if abs(z) > ndtri(0.975) else 0)
        if evidence.is_doubtful:
            counts["looks not believed"] += 1
    counts["streams"] += 1
    counts["declared"] += declared != 0
    counts["reversed"] += declared != 0 and declared * evidence.estimate[1, 0] <= 0
    counts["naive"] += any(naive)
    counts["naive, gone at the end"] += any(naive) and naive[-1] == 0
    counts["naive, both directions"] += len({sign for sign in naive if sign}) > 1

"""An equal challenger stays where it is, however often one looks; a better one gets through."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.models import ModelType, ModelUpdater
from tasks.models.serving.gate import BETTER, NOT_WORSE, OPEN, judge
from tasks.models.specs import Gate
from tasks.statistics.paired_bound import paired_lower_bound
from tasks.warehouse import Warehouse
from tests.factories import store_content
from tests.tasks.models.model_rows import posts

RULE = Gate()
ENGAGEMENT = ModelType.ENGAGEMENT_PREDICTOR


def losses(random: np.random.Generator, n: int, gain: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Losses of champion and challenger on n rows, correlated .8, the challenger better by `gain`."""
    shared, own = random.exponential(size=n), random.exponential(size=(2, n))
    return 0.8 * shared + 0.2 * own[0] + gain, 0.8 * shared + 0.2 * own[1]


@pytest.mark.parametrize("n", [200, 1_000, 5_000])
def test_equal_challenger_is_promoted_at_most_one_time_in_twenty(n: int) -> None:
    random = np.random.default_rng(n)
    pairs = (losses(random, n) for _ in range(1_000))
    once = np.mean([judge(*pair, age_days=0.0, rule=RULE).passes for pair in pairs])
    print(f"BAR gate, equal challenger promoted, n = {n}: {once:.3f} (bar 0.05)")
    assert once <= 0.05


def test_ten_peeks_are_no_more_than_one() -> None:
    random, promoted = np.random.default_rng(9), 0
    for _ in range(600):
        champion, challenger = losses(random, 2_000)
        looks = (judge(champion[:n], challenger[:n], 0.0, RULE) for n in range(200, 2_001, 200))
        promoted += any(look.passes for look in looks)
    print(f"BAR gate, equal challenger promoted, ten peeks: {promoted / 600:.3f} (bar 0.05)")
    assert promoted / 600 <= 0.05


def test_retrain_bound_of_one_look_keeps_its_level() -> None:
    random = np.random.default_rng(10)
    found = np.mean([paired_lower_bound(np.subtract(*losses(random, 200))).lower > 0 for _ in range(4_000)])
    print(f"BAR retrain bound, equal candidate, n = 200: {found:.4f} (bar 0.05, tolerance 2 standard errors = 0.007)")
    assert found <= 0.057


def test_better_challenger_gets_through_and_fresher_one_after_its_wait() -> None:
    random = np.random.default_rng(11)
    assert judge(*losses(random, 1_000, gain=0.1), 0.0, RULE).answer == BETTER
    champion = random.exponential(size=1_000)
    equal = champion + random.normal(0, 0.01, 1_000)
    assert judge(champion, equal, age_days=10.0, rule=RULE).answer == OPEN
    assert judge(champion, equal, age_days=31.0, rule=RULE).answer == NOT_WORSE
    assert judge(champion, equal + 0.1, age_days=99.0, rule=RULE).answer == OPEN
    assert judge(champion[:10], equal[:10] - 9, age_days=99.0, rule=RULE).answer == OPEN


async def test_challenger_that_waits_is_promoted_when_newer_rows_prefer_it(
    sqlite_warehouse: Warehouse, mlflow_store: Path
) -> None:
    store_content(sqlite_warehouse, posts(300))
    updater = ModelUpdater(warehouse=sqlite_warehouse)
    await updater.check_and_update_models("acme", [ENGAGEMENT])
    store_content(sqlite_warehouse, posts(100, start=300, video=-1.5))
    waits = (await updater.check_and_update_models("acme", [ENGAGEMENT], promote=False))["ENGAGEMENT_PREDICTOR"]
    assert waits["status"] == "challenger"
    store_content(sqlite_warehouse, posts(200, start=400, video=-1.5))
    found = (await updater.check_and_update_models("acme", [ENGAGEMENT]))["ENGAGEMENT_PREDICTOR"]
    assert (found["status"], found["model_version"]) == ("promoted", waits["candidate_version"])

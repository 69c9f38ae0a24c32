"""Past nights run again: the same tables as those nights would have left, however often, and a plan beforehand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from flows.backfill import NIGHT, nights_between
from flows.meta_learning import meta_learning
from flows.parameters import MetaLearning
from flows.platform.catalogue import read_yaml
from tests.chain_homes import at_home, posts, require_same, store_posts, tables

CHAIN = MetaLearning(lookback_days=200, model_types=["ENGAGEMENT_PREDICTOR"])
NIGHTS = [datetime(2026, 5, 6, 2, tzinfo=UTC), datetime(2026, 6, 4, 2, tzinfo=UTC)]


def test_backfilled_nights_leave_what_those_nights_would_have_left(prefect_api: str, tmp_path: Path) -> None:
    rows = posts(workspaces=1, days=150)
    as_it_happened, later = tmp_path / "as-it-happened", tmp_path / "later"
    with temporary_settings({PREFECT_API_URL: prefect_api, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        for night in NIGHTS:
            store_posts(as_it_happened, [row for row in rows if row["published_at"] < night])
            with at_home(as_it_happened):
                meta_learning(CHAIN)
        expected = tables(as_it_happened)
        store_posts(later, rows)
        again = CHAIN.model_copy(update={"backfill_from": NIGHTS[0].date(), "backfill_every_days": 29})
        with at_home(later):
            planned = meta_learning(again.model_copy(update={"dry_run": True}))["plan"]
            assert not (later / "mlflow.db").exists(), "a dry run does nothing"
            for _ in range(2):
                told = meta_learning(again)["nights"]
                require_same(tables(later), expected)
    assert [row["night"] for row in planned] == [f"{night:%Y-%m-%d %H:%M}" for night in NIGHTS]
    assert [row["posts"] for row in planned] == [sum(row["published_at"] < night for row in rows) for night in NIGHTS]
    assert [row["shares"] for row in planned] == ["no", "yes"]
    assert [row["night"] for row in told] == [f"{night:%Y-%m-%d}" for night in NIGHTS]
    assert len(expected["pattern_analysis"]) == len(NIGHTS)
    assert expected["pattern_finding"], "questions double engagement"
    assert expected["transfer_estimate"]
    assert expected["registered_model_aliases"]


def test_the_last_night_of_a_range_is_always_one_of_it() -> None:
    nights = nights_between(date(2026, 1, 1), date(2026, 1, 10), 7)
    assert [night.date() for night in nights] == [date(2026, 1, 1), date(2026, 1, 8), date(2026, 1, 10)]
    assert nights_between(date(2026, 1, 1), date(2026, 1, 1), 7) == [datetime(2026, 1, 1, 2, tzinfo=UTC)]
    assert nights_between(date(2026, 1, 2), date(2026, 1, 1), 7) == []


def test_nights_start_when_the_schedule_starts_them() -> None:
    chain = next(entry for entry in read_yaml("prefect.yaml")["deployments"] if entry["name"] == "meta-learning")
    assert [(one["cron"], one["timezone"]) for one in chain["schedules"]] == [(f"0 {NIGHT.hour} * * *", "UTC")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"backfill_until": "2026-01-01"},
        {"backfill_from": "2026-01-02", "backfill_until": "2026-01-01"},
        {"backfill_from": "2026-01-01", "as_of": "2026-01-01T00:00:00Z"},
    ],
)
def test_a_range_that_cannot_be_told_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="backfill_"):
        MetaLearning.model_validate(wrong)

"""What another policy would have earned on a log: right where it is known, wide where the log says little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.errors import InputError
from tasks.experiments import ExperimentEngine
from tasks.experiments.contextual.logged_policies import PolicyEvaluation, evaluate_log

CAMPAIGNS = ("all", "men", "women")


def simulated(seed: int, n: int = 4000) -> tuple[pl.DataFrame, float]:
    """Three arms served unevenly; the other policy follows the context. Its value is known."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2, n)
    served, other = np.array([0.6, 0.3, 0.1]), np.array([[0.1, 0.8, 0.1], [0.2, 0.1, 0.7]])
    chance = np.array([[0.02, 0.05, 0.03], [0.04, 0.02, 0.08]])
    arm = rng.choice(3, n, p=served)
    frame = pl.DataFrame(
        {
            "arm": [f"arm {one}" for one in arm],
            "clicked": (rng.random(n) < chance[x, arm]).astype(float),
            "logged": served[arm],
            "other": other[x, arm],
            "x": x.astype(float),
            **{f"p{k}": other[x, k] for k in range(3)},
        }
    )
    return frame, float((other * chance).sum(axis=1).mean())


def by_arm(frame: pl.DataFrame, **more: Any) -> PolicyEvaluation:
    arms = {f"arm {k}": f"p{k}" for k in range(3)}
    return evaluate_log(frame, outcome="clicked", propensity="logged", arm="arm", target_by_arm=arms, **more)


def test_three_estimates_agree_with_the_truth() -> None:
    runs = [simulated(seed) for seed in range(40)]
    found = [by_arm(frame, context=["x"]) for frame, _ in runs]
    truth = runs[0][1]
    for name in ("ips", "snips", "dr"):
        errors = [one.estimates[name]["estimate"] - truth for one in found]
        assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(40), name
    assert np.mean([one.interval[0] <= truth <= one.interval[1] for one in found]) >= 0.8, "90 %, 40 runs"
    assert all(one.anytime_interval[1] - one.anytime_interval[0] > 0.05 * truth for one in found)


def test_arm_columns_say_what_a_target_column_says() -> None:
    frame, _ = simulated(0)
    one = evaluate_log(frame, outcome="clicked", propensity="logged", target="other")
    assert one.as_dict() == by_arm(frame).as_dict()


async def test_rows_and_pandas_frames_are_logs_too() -> None:
    frame, _ = simulated(0, 300)
    columns = {"outcome": "clicked", "propensity": "logged", "target": "other"}
    engine = ExperimentEngine()
    first = await engine.evaluate_policy(frame, **columns)
    assert await engine.evaluate_policy(frame.to_dicts(), **columns) == first
    assert await engine.evaluate_policy(frame.to_pandas(), **columns) == first


def test_a_log_that_says_little_says_so() -> None:
    frame = pl.DataFrame({"y": [0.0, 1.0] * 200, "e": [0.999] * 399 + [0.001], "pi": [0.001] * 399 + [0.999]})
    found = evaluate_log(frame, outcome="y", propensity="e", target="pi")
    assert found.effective_units < 2
    assert "too few to tell" in found.warnings[0]
    assert found.interval[0] < 0.5 < found.interval[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outcome": "nothing"}, "nothing"),
        ({"target": None}, "target, or arm and target_by_arm"),
        ({"target": "bad"}, "between 0 and 1"),
        ({"propensity": "zero"}, "above 0 where it was served"),
        ({"outcome": "text"}, "finite number"),
        ({"target": "zero"}, "never gives an arm"),
        ({"confidence": 1.5}, "confidence"),
        ({"arm": "text", "target_by_arm": {"a": "other"}}, "sum to 1"),
    ],
)
def test_a_log_that_is_none_is_refused(change: dict[str, Any], message: str) -> None:
    frame, _ = simulated(0, 50)
    frame = frame.with_columns(bad=pl.lit(1.5), zero=pl.lit(0.0), text=pl.lit("many"))
    asked: dict[str, Any] = {"outcome": "clicked", "propensity": "logged", "target": "other"} | change
    with pytest.raises(InputError, match=message):
        evaluate_log(frame, **asked)


@pytest.mark.parametrize("log", [None, 7, [], [{"y": 1}], "log.csv"])
def test_what_is_no_log_is_refused(log: Any) -> None:
    with pytest.raises(InputError):
        evaluate_log(log, outcome="y", propensity="e", target="pi")


def clicks(shared_data: Path, campaign: str, policy: str) -> tuple[pl.DataFrame, float]:
    """One policy's log with the other's probabilities, and the click rate that the other had."""
    rows = pl.read_parquet(shared_data / "open_bandit_small" / "obd.parquet").filter(campaign=campaign)
    log, other = rows.filter(policy=policy), rows.filter(pl.col("policy") != policy)
    place = ["position", "item_id"]
    shares = other.group_by(place).len().with_columns(pi=pl.col("len") / pl.col("len").sum().over("position"))
    if policy == "bts":
        shares = log.select(place).unique().with_columns(pi=pl.lit(1 / log["item_id"].n_unique()))
    log = log.join(shares.select(*place, "pi"), on=place, how="left").with_columns(pl.col("pi").fill_null(0.0))
    return log, float(other["click"].to_numpy().mean())


@pytest.mark.real_data
@pytest.mark.parametrize("policy", ["random", "bts"])
def test_open_bandit_tells_the_other_policy(shared_data: Path, policy: str) -> None:
    rng, columns = np.random.default_rng(0), {"outcome": "click", "propensity": "propensity_score", "target": "pi"}
    for campaign in CAMPAIGNS:
        log, rate = clicks(shared_data, campaign, policy)
        found = evaluate_log(log, **columns)
        low, high = found.interval
        assert low <= rate <= high, f"{campaign}: {rate:.5f} outside {low:.5f} to {high:.5f}"
        again = [evaluate_log(log[rng.integers(0, len(log), len(log))], **columns).interval for _ in range(40)]
        covered = np.mean([one[0] <= found.value <= one[1] for one in again])
        print(f"{campaign} from {policy}: {rate:.5f} in {low:.5f} to {high:.5f}, bootstrap {covered:.2f}")
        if not found.warnings:
            assert covered >= 0.9 - 2 * 0.039, campaign

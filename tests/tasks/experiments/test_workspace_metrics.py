"""A metric is defined once a workspace; experiments keep its version; secondary ones are found at a rate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from tasks.errors import InputError
from tasks.experiments import interim_analysis
from tasks.experiments.design import Design
from tasks.experiments.errors import InvalidDesignError, OutcomeOutsideWindowError
from tasks.experiments.inference.quantile_estimates import QuantileEstimates
from tasks.experiments.service import ExperimentService
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row

TWO = [{"name": "control"}, {"name": "bold"}]


@pytest.fixture
def service(warehouse: Warehouse) -> ExperimentService:
    store(warehouse, Workspace, [workspace_row(), workspace_row(workspace_id="beta")])
    return ExperimentService(warehouse=warehouse)


def test_a_change_is_a_new_version_and_the_same_again_is_none(service: ExperimentService) -> None:
    first = service.define_metric("acme", "clicked", kind="binary", owner="ana")
    assert service.define_metric("acme", "clicked", kind="binary", owner="ana")["version"] == first["version"] == 1
    assert service.define_metric("acme", "clicked", kind="binary", owner="ben")["version"] == 2
    assert service.define_metric("acme", "clicked", kind="binary", owner="ana")["version"] == 3, "back is a change, too"
    assert service.define_metric("beta", "clicked")["version"] == 1
    (row,) = service.list_metrics("acme")
    assert (row["name"], row["version"], row["owner"]) == ("clicked", 3, "ana")


def test_an_experiment_takes_what_it_does_not_say_from_its_workspace_and_keeps_the_version(
    service: ExperimentService,
) -> None:
    service.define_metric("acme", "bounced", kind="binary", direction="decrease", min_effect_size=0.2)
    made = service.create_experiment("one", "acme", TWO, "bounced")
    experiment, _, (metric,) = service.store.definitions.find(made.experiment_id)
    assert (metric["kind"], metric["direction"], metric["version"]) == ("binary", "decrease", 1)
    assert Design.from_dict(experiment["design"]).min_effect_size == 0.2
    service.define_metric("acme", "bounced", kind="binary", direction="decrease", min_effect_size=0.3)
    assert service.create_experiment("one", "acme", TWO, "bounced").experiment_id == made.experiment_id
    (own,) = service.store.definitions.find(service.create_experiment("two", "acme", TWO, "bounced").experiment_id)[2]
    assert own["version"] == 2
    said = service.create_experiment("three", "acme", TWO, "bounced", direction="increase", min_effect_size=0.1)
    assert service.store.definitions.find(said.experiment_id)[2][0]["direction"] == "increase", "it goes first"
    of_beta = service.create_experiment("one", "beta", TWO, "bounced").experiment_id
    (other,) = service.store.definitions.find(of_beta)[2]
    assert (other["direction"], other["version"]) == ("increase", None), "another workspace's metrics are its own"


def filled(service: ExperimentService, n: int, secondary: int, real: int) -> Any:
    """An experiment whose first `real` secondary metrics differ by .5 standard deviations, the others by none."""
    names = [f"m{i}" for i in range(secondary)]
    design = {"metric_kind": "binary", "secondary": names, "salt": "of the tests"}
    made = service.create_experiment("many", "acme", TWO, "clicked", **design)
    service.start_experiment(made.experiment_id)
    units = [f"u{i}" for i in range(n)]
    arms = service.assign_variants(made.experiment_id, units)
    rng = np.random.default_rng(8)
    better = np.array([arm == "bold" for arm in arms])
    for place, name in enumerate(["clicked", *names]):
        values = rng.random(n) < 0.3 if name == "clicked" else rng.normal(5 + 0.5 * better * (0 < place <= real))
        rows = [{"unit_id": unit, "outcome": float(value)} for unit, value in zip(units, values, strict=True)]
        service.record_outcomes(made.experiment_id, rows, metric_name=name)
    return service.analyze_experiment(made.experiment_id)


def test_secondary_metrics_are_discovered_at_a_false_discovery_rate_and_decide_nothing(
    service: ExperimentService,
) -> None:
    found = filled(service, 700, 5, 2)
    assert [row["metric_name"] for row in found.secondary if row["is_significant"]] == ["m0", "m1"]
    for row in found.secondary:
        assert (row["q_value"] <= 0.05) == row["is_significant"]
        low, high = row["interval"]
        assert row["is_significant"] == (low > 0 or high < 0), "an interval at the discoveries' rate says the same"
    assert found.secondary[0]["interval"][0] < 0.5 < found.secondary[0]["interval"][1]
    assert found.metric_name == "clicked"
    assert found.winner is None
    assert found.guardrails == []


@pytest.mark.parametrize(
    "others",
    [
        {"secondary": [f"m{i}" for i in range(11)]}, {"secondary": ["clicked"]},
        {"secondary": ["a"], "guardrails": ["a"]}, {"secondary": [{"name": "a", "color": 1}]},
        {"secondary": [{"direction": "decrease"}]}, {"guardrails": [7]},
        {"secondary": [{"name": "a", "kind": "coin"}]}, {"secondary": [{"name": "a", "window_days": -1}]},
        {"secondary": [{"name": "a", "quantile": "p95"}]},
        {"secondary": [{"name": "a", "kind": "binary", "quantile": "p90"}]},
        {"guardrails": [{"name": "a", "direction": "sideways"}]},
    ],
)  # fmt: skip
def test_bad_metrics_are_one_typed_error_and_nothing_is_written(
    service: ExperimentService, others: dict[str, Any]
) -> None:
    with pytest.raises(InputError) as refused:
        service.create_experiment("bad", "acme", TWO, "clicked", **others)
    assert len(str(refused.value).splitlines()) == 1
    assert service.list_experiments("acme") == []


@pytest.mark.parametrize(
    "known",
    [
        {"kind": "coin"}, {"direction": "up"}, {"quantile": "p95"}, {"kind": "binary", "quantile": "p50"},
        {"window_days": float("nan")}, {"winsorise_at": 2}, {"min_effect_size": 0}, {"owner": ""}, {"color": "red"},
        {"description": "x" * 1001}, {"owner": "a\x00b"},
    ],
)  # fmt: skip
def test_a_bad_definition_is_one_typed_error(service: ExperimentService, known: dict[str, Any]) -> None:
    with pytest.raises(InputError) as refused:
        service.define_metric("acme", "m", **known)
    assert len(str(refused.value).splitlines()) == 1
    assert service.list_metrics() == []
    with pytest.raises(InputError):
        service.define_metric("nowhere", "m")
    with pytest.raises(InvalidDesignError):
        service.define_metric("acme", "")


def test_a_quantile_is_compared_where_means_would_hide_the_tail(service: ExperimentService) -> None:
    """Two latencies of one mean: the p90 of the second is .8 higher, the numbers of a normal and a skewed law."""
    service.define_metric("acme", "latency", kind="continuous", direction="decrease", quantile="p90")
    made = service.create_experiment("tail", "acme", TWO, "clicked", guardrails=["latency"], metric_kind="binary")
    service.start_experiment(made.experiment_id)
    units = [f"u{i}" for i in range(3000)]
    arms = service.assign_variants(made.experiment_id, units)
    rng = np.random.default_rng(6)
    even, skewed = rng.normal(5, 0.5, 3000), 4 + rng.exponential(1, 3000)
    values = np.where([arm == "bold" for arm in arms], skewed, even)
    rows = [{"unit_id": unit, "outcome": float(value)} for unit, value in zip(units, values, strict=True)]
    service.record_outcomes(made.experiment_id, rows, metric_name="latency")
    clicks = [row | {"outcome": float(rng.random() < 0.3)} for row in rows]
    service.record_outcomes(made.experiment_id, clicks)
    (row,) = service.analyze_experiment(made.experiment_id).guardrails
    low, high = row["interval"]
    truth = -(4 + np.log(10) - (5 + 0.5 * 1.2816))
    assert low < truth < high < 0
    assert row["quantile"] == "p90"
    assert row["is_harmed"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"metric_name": "latency"}, "let the share of units within a limit decide"),
        ({"allocation_strategy": "thompson"}, "use equal allocation"),
    ],
)
def test_a_quantile_neither_decides_nor_meets_changing_weights(
    service: ExperimentService, changes: dict[str, Any], says: str
) -> None:
    service.define_metric("acme", "latency", kind="continuous", quantile="p99")
    others = {} if "metric_name" in changes else {"secondary": ["latency"]}
    with pytest.raises(InvalidDesignError, match=says):
        service.create_experiment("bad", "acme", TWO, **({"metric_name": "clicked"} | others | changes))


@pytest.mark.parametrize(("q", "n"), [(0.5, 200), (0.9, 500), (0.99, 2000)])
def test_a_quantiles_standard_error_is_that_of_repetition(q: float, n: int) -> None:
    """400 skewed samples; the mean of the standard errors against the spread of the quantiles, itself known to 4 %."""
    rng = np.random.default_rng(1)
    made = [QuantileEstimates.of([rng.exponential(1, n)], q) for _ in range(400)]
    spread = np.std([one.value[0] for one in made], ddof=1)
    assert np.mean([one.standard_error[0] for one in made]) == pytest.approx(spread, rel=0.15)
    few = QuantileEstimates.of([rng.exponential(1, 300)], 0.99)
    assert few.standard_error[0] == 0, "below 384 units the p99 cannot be told"
    assert QuantileEstimates.of([np.zeros(0)], 0.5).n[0] == 0


def test_a_metrics_window_holds_wherever_its_outcomes_come_from(service: ExperimentService) -> None:
    """The experiment's five days are for metrics that have none of their own."""
    service.define_metric("acme", "orders", kind="count", window_days=2)
    made = service.create_experiment(
        "window", "acme", TWO, "clicked", secondary=["orders"], conversion_window_days=5, metric_kind="binary"
    )
    began = datetime.now(UTC) - timedelta(days=9)
    service.start_experiment(made.experiment_id, began)
    service.assign_variants(made.experiment_id, ["u1", "u2"], assigned_at=began)
    times = {"in time": began + timedelta(days=1.99), "late": began + timedelta(days=2.01)}
    rows = [
        {"unit_id": "u1", "outcome": 1, "key": key, "occurred_at": occurred_at} for key, occurred_at in times.items()
    ]
    told = service.record_outcomes(made.experiment_id, rows, metric_name="orders")
    assert (told.recorded, len(told.refused)) == (1, 1)
    assert "later than 2 days after its unit was exposed" in told.refused[0]["reason"]
    with pytest.raises(OutcomeOutsideWindowError, match="later than 2 days"):
        service.record_outcome(
            made.experiment_id, unit_id="u2", outcome=1, metric_name="orders", occurred_at=times["late"]
        )
    assert service.record_outcomes(made.experiment_id, rows, metric_name="clicked").recorded == 2


@pytest.mark.parametrize("role", ["primary", "secondary", "guardrails"])
def test_a_metrics_cap_holds_in_every_role(service: ExperimentService, role: str) -> None:
    """Of 0 … 99 in one arm, 5 … 104 in the other, and one of 1,000: no unit counts for more than the p99 of all."""
    service.define_metric("acme", "spent", kind="continuous", winsorise_at=0.99)
    about: dict[str, Any] = (
        {"metric_name": "spent"} if role == "primary" else {"metric_name": "clicked", role: ["spent"]}
    )
    made = service.create_experiment("cap", "acme", TWO, **about)
    service.start_experiment(made.experiment_id)
    by_arm: dict[str, list[str]] = {"control": [], "bold": []}
    units = [f"u{i}" for i in range(600)]
    for unit, arm in zip(units, service.assign_variants(made.experiment_id, units), strict=True):
        by_arm[str(arm)].append(unit)
    rows = [
        {"unit_id": unit, "outcome": 1000.0 if (arm, value) == ("control", 99) else float(value + shift)}
        for arm, shift in (("control", 0), ("bold", 5))
        for value, unit in enumerate(by_arm[arm][:100])
    ]
    service.record_outcomes(made.experiment_id, rows, metric_name="spent")
    known = interim_analysis.read_input(service.store, service.store.definitions.find(made.experiment_id), None)
    (metric,) = (one for one in known.metrics if one["metric_name"] == "spent")
    shown = np.array([row["outcome"] for row in rows])
    capped = np.minimum(shown, np.quantile(shown, 0.99, method="higher")).reshape(2, 100)
    moments = known.sums(metric).moments()
    assert moments.mean == pytest.approx(capped.mean(axis=1))
    assert moments.variance == pytest.approx(capped.var(axis=1, ddof=1))
    assert moments.mean[0] == pytest.approx(49.55), "the sum of 0 … 98, and 104 for 1,000"
